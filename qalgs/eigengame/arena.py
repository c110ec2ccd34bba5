"""One run's surroundings: evaluator, optimiser, seeds, and the record that all schedules write."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qalgs.eigengame.events import Event, Note, Progress, Snapshot
from qalgs.eigengame.penalty import auto_beta, auto_shift, spread
from qalgs.eigengame.problem import Problem
from qalgs.optimizers import LBFGS, NelderMead, Optimizer, OptimizerRun, resolve_step
from qalgs.results import Status
from qalgs.seeds import keyed

Real = NDArray[np.float64]
TAIL, STAGES, SMALL = 4, 4, 64
Evaluation = tuple[float, Real, float]
Objective = Callable[[Real], Evaluation]


class Players(Protocol):
    """What evaluates the players: exact vectors or circuits on primitives."""

    has_shots: bool
    gradients: int
    evaluations: int

    @property
    def circuits(self) -> int:
        """Circuits submitted so far."""

    @property
    def shots(self) -> int:
        """Shots used so far."""

    @property
    def num_parameters(self) -> int:
        """Parameters of the ansatz."""

    def energies(self, parameters: Real) -> Real:
        """Return <H> of each row."""

    def snapshot(self, parameters: Real, status: Status = ...) -> Snapshot:
        """Publish a state."""

    def overlaps(self, parameters: Real, parents: Sequence[Snapshot]) -> Real:
        """Return |<j|psi>|^2 with each parent."""

    def lift(self, method: str, c: float, parents: Sequence[Snapshot]) -> float:
        """Return the factor by which noise makes the head room of an automatic penalty grow."""

    def objective(self, method: str, penalty: float, parents: Sequence[Snapshot], block: bool) -> Objective:
        """Return x -> (cost, gradient, energy)."""


@dataclass(slots=True)
class Outcome:
    """How one minimisation ended."""

    parameters: Real
    cost: float
    energy: float
    status: Status
    evaluations: int


@dataclass(slots=True, kw_only=True)
class Arena:
    """Shared state of one run."""

    problem: Problem
    players: Players
    optimizer: Optimizer
    method: str
    penalty: float | None
    block: bool
    sigma: float
    root: int
    restarts: int
    budget: int
    warm: Real | None = None
    history: list[Progress] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    shifts: dict[int, float] = field(default_factory=dict)

    def note(self, text: str) -> Note:
        """Record a warning once."""
        if text not in self.notes:
            self.notes.append(text)
        return Note(text=text)

    def starts(self, state: int, attempt: int) -> Real:
        """Return the starting points of a player: its warm start, if there is one, and random angles."""
        rng = keyed(self.root, "start", state, attempt)
        points = rng.uniform(-math.pi, math.pi, (self.restarts, self.players.num_parameters))
        if self.warm is not None and state < len(self.warm) and attempt == 0:
            points = np.vstack([self.warm[state], points[: self.restarts - 1]])
        return points

    def auto(self, energies: Real, parents: Sequence[Snapshot] = ()) -> float:
        """Return the automatic penalty for energies of parents and player, raised for noisy parents."""
        rule = auto_beta if self.method == "vqd" else auto_shift
        found = rule(energies, self.sigma)
        dimension = self.problem.dimension
        if 2 * len(energies) > dimension and dimension <= SMALL:
            # A player in the upper half of a small space: its level may lie above all that has been seen so far.
            top = _upper(self.problem)
            found = max(found, top - float(energies.min()) if self.method == "vqd" else top)
        lift = self.players.lift(self.method, found, parents)
        if lift == 1.0 or self.method == "vqd":
            return found * lift
        lowest = float(energies.min())
        return lowest + lift * (found - lowest)

    def minimise(
        self,
        state: int,
        round_: int,
        objective: Objective,
        start: Real,
        c: float,
        budget: int,
        run: OptimizerRun | None = None,
    ) -> Generator[Event, None, Outcome]:
        """Minimise one player's cost, yielding its progress.

        Args:
            state: Index of the player.
            round_: Restart or round, for the record.
            objective: Its cost.
            start: First point.
            c: Penalty, for the record.
            budget: Evaluations.
            run: An optimiser already under way, to be continued instead of a fresh start.
        """
        shown = c if self.method == "vqd" else c + self.problem.offset
        pending: list[Progress] = []
        trail: list[Real] = []
        best = Outcome(parameters=start, cost=math.inf, energy=math.nan, status=Status.BUDGET, evaluations=0)

        def record(x: Real) -> tuple[float, Real]:
            cost, gradient, energy = objective(x)
            best.evaluations += 1
            if self.players.has_shots:
                trail.append(x.copy())
            self.counts[state] = self.counts.get(state, 0) + 1
            if cost < best.cost:
                best.parameters, best.cost, best.energy = x.copy(), cost, energy
            event = Progress(
                state=state,
                round=round_,
                iteration=self.counts[state],
                energy=energy + self.problem.offset,
                utility=(c if self.method in {"eigengame", "hotelling"} else 0.0) - cost,
                penalty=cost - energy,
                c=shown,
                grad_norm=float(np.abs(gradient).max()) if gradient.size else math.nan,
                shots=self.players.shots,
                circuits=self.players.circuits,
            )
            self.history.append(event)
            pending.append(event)
            return cost, gradient

        if run is None and isinstance(self.optimizer, LBFGS | NelderMead) and not self.players.has_shots:
            best.status = _direct(record, start, self.optimizer, budget)
            yield from pending
            return best
        stages = STAGES if run is None and self.players.has_shots and scheduled(self.optimizer) else 1
        here = start
        for stage in range(stages):
            share = max(1, budget // stages)
            going = run or self.optimizer.at_cycle(stage, stages).start(
                here, seed=keyed(self.root, "optimizer", state, round_, stage), budget=share
            )
            limit = best.evaluations + share
            while not going.done and best.evaluations < limit:
                points = going.ask()
                answers = [record(x) for x in points]
                gradients = np.array([g for _, g in answers]) if self.optimizer.needs_gradient else None
                going.tell(points, np.array([v for v, _ in answers]), gradients)
                yield from pending
                pending.clear()
            here = trail[-1] if trail and self.optimizer.needs_gradient else best.parameters
            best.status = going.status or Status.BUDGET
        if self.players.has_shots and self.optimizer.needs_gradient:
            # The lowest of noisy values is a lucky one; the mean of the last points is a better estimate.
            best.parameters = np.mean(trail[-max(1, len(trail) // TAIL) :], axis=0)
        return best


def _upper(problem: Problem) -> float:
    """Mean plus 3 standard deviations of the levels; nearer to the top the lift is too weak to learn from."""
    if problem.sector is None:
        return 3.0 * spread(problem.hamiltonian)
    matrix = problem.sector.matrix(problem.hamiltonian)
    size = matrix.shape[0]
    mean = float(matrix.trace().real) / size
    return mean + 3.0 * math.sqrt(max(float((abs(matrix) ** 2).sum()) / size - mean**2, 0.0))


def scheduled(optimizer: Optimizer) -> bool:
    """Whether a step size changes over the stages of a run."""
    return any(not isinstance(getattr(optimizer, name), int | float | None) for name in optimizer.scheduled)


def _direct(
    record: Callable[[Real], tuple[float, Real]], start: Real, options: LBFGS | NelderMead, budget: int
) -> Status:
    """Call SciPy without the thread behind ask/tell: without shots there is nobody to interleave with."""
    from scipy import optimize

    minimizer: Callable[..., Any] = optimize.minimize
    chosen: dict[str, Any]
    if isinstance(options, LBFGS):
        limits = {"maxfun": budget, "maxiter": budget}
        rules = {"gtol": options.gtol, "ftol": options.ftol, "maxcor": options.memory}
        found = minimizer(record, start, jac=True, method="L-BFGS-B", options={**limits, **rules})
        if found.success:
            return Status.CONVERGED
        return Status.BUDGET if found.nfev >= budget or found.nit >= budget else Status.STALLED
    simplex = np.vstack([start, start + resolve_step(options.step, 0, 1) * np.eye(len(start))])
    chosen = {"xatol": options.xatol, "fatol": options.fatol, "maxfev": budget}
    chosen |= {"initial_simplex": simplex, "adaptive": options.adaptive, "maxiter": budget}
    found = minimizer(lambda x: record(x)[0], start, method="Nelder-Mead", options=chosen)
    return Status.CONVERGED if found.success else Status.BUDGET
