"""``ExcitedStates``: the lowest k levels of an operator by deflation on parametrised circuits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.cross_terms import FORMS
from qalgs.eigengame.arena import Arena, Players
from qalgs.eigengame.checks import (
    MOST,
    MOST_RESTARTS,
    confine,
    count,
    is_finite,
    judge_fixed,
    one_of,
    shown,
    warm_start,
)
from qalgs.eigengame.deflation import METHODS
from qalgs.eigengame.events import Event, Finished, Note, Snapshot
from qalgs.eigengame.exact import ExactPlayers, WeightedPlayers
from qalgs.eigengame.finish import assemble
from qalgs.eigengame.parallel import Rounds
from qalgs.eigengame.penalty import spread
from qalgs.eigengame.problem import ANSATZE, Problem, prepare
from qalgs.eigengame.result import ExcitedStatesResult
from qalgs.eigengame.sequential import play
from qalgs.eigengame.weighted import WeightedCircuits, inputs, search
from qalgs.errors import QalgsWarning, expect, expect_callable, invalid
from qalgs.optimizers import COBYLA, LBFGS, SPSA, Adam, NelderMead, Optimizer
from qalgs.results import Status
from qalgs.seeds import Seed, keyed, root_seed

SCHEDULES = ("sequential", "parallel")
LARGE = 10
_NAMED: dict[str, Callable[[], Optimizer]] = {
    "lbfgs": LBFGS,
    "adam": Adam,
    "spsa": SPSA,
    "cobyla": COBYLA,
    "nelder-mead": NelderMead,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ExcitedStates:
    """Search for the lowest levels; immutable, reusable on any operator.

    >>> from qalgs.circuits import molecule
    >>> result = ExcitedStates(k=4, seed=1).run(molecule("H2", 0.735))
    >>> result.energies.round(4).tolist()
    [-1.1373, -0.5246, -0.1628, 0.4951]

    Args:
        k: Number of levels, or ``"auto"`` with ``window``.
        method: ``"eigengame"``, ``"hotelling"``, ``"vqd"`` or ``"ssvqe"`` (see :mod:`qalgs.eigengame.deflation`).
        schedule: ``"sequential"``, or ``"parallel"`` for staggered self-correcting rounds.
        penalty: ``"auto"`` (offset-invariant), or a number: beta for ``"vqd"``, the shift c otherwise.
        shift: The shift c, as an alternative name of ``penalty`` for ``"eigengame"`` and ``"hotelling"``; 0 is the
            published form.
        ansatz: ``"auto"``, a name (see :func:`qalgs.eigengame.problem.prepare`) or a circuit.
        estimator: A V2 estimator or a PennyLane device; None runs exact state vectors, or the compiled engine with
            ``shots``.
        sampler: A V2 sampler, for overlaps; alone it also measures energies group by group.
        shots: Shots per circuit; None is exact.
        optimizer: ``"auto"`` (L-BFGS exact, Adam under shots), a name, or an object of :mod:`qalgs.optimizers`.
        restarts: Random starts of each player; 3 by default, 1 under shots and from 10 qubits on.
        symmetry: Conserved quantities of the sector; a molecule's own N and Sz by default, ``{}`` for none.
        seed: Randomness of starts and of the optimiser.
        callback: Called with every event of :meth:`iter_run`.
        block: Use the block form of the EigenGame, for parents that are not mutually orthogonal.
        window: With ``k="auto"``: find all levels up to this far above the lowest.
        max_levels: Most levels searched under ``k="auto"``.
        weights: Strictly decreasing positive weights of SSVQE; (k..1)/k by default.
        warm_start: ``"advance"`` lets waiting players of the parallel schedule train already.
        budget: Evaluations of each player and restart.
        budget_trend: alpha of the more-first rule: budgets proportional to 1 + alpha x, x from 1 (first) to -1
            (last player).
        stagger: Rounds between the starts of neighbours in the parallel schedule.
        round_steps: Evaluations per player and round in the parallel schedule.
        calibrate: Undo what a device does to each Pauli, learnt on circuits of known values, divide cross terms by
            what is left of their attenuation, and raise an automatic penalty to match. Errors then include what
            the calibration leaves unexplained. Noiseless primitives of known name are left alone.
        cross_form: ``"multiplexed"``, ``"pauli_frame"`` or ``"two_controlled"`` cross-term circuits; ``"auto"``
            is the second, which has the fewest gates, with ``calibrate`` and the first without.

    Raises:
        InvalidInputError: If an option breaks its rule.
    """

    k: int | str = 2
    method: str = "eigengame"
    schedule: str = "sequential"
    penalty: float | str = "auto"
    shift: float | None = None
    ansatz: str | QuantumCircuit = "auto"
    estimator: Any = None
    sampler: Any = None
    shots: int | None = None
    optimizer: str | Optimizer = "auto"
    restarts: int | None = None
    symmetry: Mapping[str, float] | None = None
    seed: Seed = None
    callback: Callable[[Event], None] | None = None
    block: bool = False
    window: float | None = None
    max_levels: int = 16
    weights: Sequence[float] | None = None
    warm_start: str | None = None
    budget: int | None = None
    budget_trend: float = 0.0
    stagger: int = 1
    round_steps: int | None = None
    calibrate: bool = True
    cross_form: str = "auto"
    _fixed: float | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        expect(str, QuantumCircuit, ansatz=self.ansatz)
        expect(Mapping, type(None), symmetry=self.symmetry)
        expect_callable(callback=self.callback)
        one_of("method", self.method, METHODS)
        one_of("schedule", self.schedule, SCHEDULES)
        if isinstance(self.ansatz, str):
            one_of("ansatz", self.ansatz, ANSATZE)
        if isinstance(self.k, str):
            if self.k != "auto":
                raise invalid("k", self.k, "must be a positive integer or 'auto'")
            if self.window is None:
                raise invalid("window", None, "must be given with k='auto' (energy above the lowest level)")
            if self.method not in {"eigengame", "hotelling"} or self.schedule != "sequential":
                raise invalid("k", self.k, "needs method 'eigengame' or 'hotelling' and the sequential schedule")
        self._check_counts()
        if self.window is not None and not (is_finite(self.window) and self.window > 0):
            raise invalid("window", shown(self.window), "must be a positive number")
        if self.window is not None and self.k != "auto":
            raise invalid("window", self.window, "must be left out unless k='auto'")
        if self.warm_start not in {None, "advance"}:
            raise invalid("warm_start", self.warm_start, "must be None or 'advance'")
        if self.warm_start and self.schedule != "parallel":
            raise invalid("warm_start", self.warm_start, "needs schedule='parallel'")
        one_of("cross_form", self.cross_form, ("auto", *FORMS))
        if not is_finite(self.budget_trend) or abs(self.budget_trend) > 10:
            raise invalid("budget_trend", shown(self.budget_trend), "must be between -10 and 10")
        if isinstance(self.optimizer, str):
            one_of("optimizer", self.optimizer, ("auto", *_NAMED))
        elif not isinstance(self.optimizer, Optimizer):
            raise invalid("optimizer", type(self.optimizer).__name__, "must be a name or an Optimizer")
        object.__setattr__(self, "_fixed", self._penalty())
        if self.method == "ssvqe":
            self._check_ssvqe()

    def run(self, hamiltonian: object, *, initial: NDArray[np.float64] | None = None) -> ExcitedStatesResult:
        """Find the levels.

        Args:
            hamiltonian: A SparsePauliOp, Molecule, PySCF Mole or PennyLane operator.
            initial: Parameters (k, P) to start from, those of a neighbouring geometry for example.

        Returns:
            The levels with everything known about them. Interrupted by Ctrl-C it returns the levels found so far,
            with the status saying so.

        Raises:
            InvalidInputError: If the input breaks a rule, before any work; or, for a fixed shift, when no level is
                left below it.
        """
        result: ExcitedStatesResult | None = None
        for event in self.iter_run(hamiltonian, initial=initial):
            if isinstance(event, Finished):
                result = event.result
        assert result is not None
        return result

    def iter_run(
        self, hamiltonian: object, *, initial: NDArray[np.float64] | None = None
    ) -> Generator[Event, None, None]:
        """Yield ``Progress``, ``LevelFound``, ``RoundDone`` and ``Note`` events, and last ``Finished``."""
        problem, players, arena = self._open(hamiltonian, initial)
        told: set[str] = set()
        for event in self._drive(problem, players, arena):
            due: list[Event] = [event]
            if isinstance(event, Finished):
                due = [*(Note(text=text) for text in event.result.notes if text not in told), event]
            for each in due:
                if isinstance(each, Note):
                    told.add(each.text)
                    warnings.warn(each.text, QalgsWarning, stacklevel=2)
                if self.callback is not None:
                    self.callback(each)
                yield each

    def _open(self, hamiltonian: object, initial: NDArray[np.float64] | None) -> tuple[Problem, Players, Arena]:
        """Check everything and build the run."""
        problem = prepare(
            hamiltonian, k=1 if self.k == "auto" else int(self.k), ansatz=self.ansatz, symmetry=self.symmetry
        )
        notes: list[str] = []
        problem = confine(problem, notes)
        players = self._players(problem)
        measured = players.has_shots
        optimizer = self._optimizer(measured)
        if measured and optimizer.needs_gradient and isinstance(optimizer, LBFGS):
            notes.append("L-BFGS does not tolerate shot noise; use optimizer='adam' or 'spsa' with shots")
        restarts = self.restarts or (1 if measured or problem.num_qubits >= LARGE else 3)
        arena = Arena(
            problem=problem,
            players=players,
            optimizer=optimizer,
            method=self.method,
            penalty=None
            if self._fixed is None
            else self._fixed - (0.0 if self.method == "vqd" else problem.offset),
            block=self.block,
            sigma=spread(problem.effective if problem.constraint is None else problem.hamiltonian),
            root=root_seed(self.seed),
            restarts=restarts,
            budget=self.budget or (320 if measured else 2000),
            warm=warm_start(initial, players.num_parameters),
            notes=notes,
        )
        if self._fixed is not None and arena.penalty is not None and isinstance(players, ExactPlayers):
            judge_fixed(self.method, arena, players)
        return problem, players, arena

    def _drive(self, problem: Problem, players: Players, arena: Arena) -> Generator[Event, None, None]:
        yield from (Note(text=text) for text in arena.notes)
        rounds: Rounds | None = None
        found: list[Snapshot] = []
        count = self.max_levels if self.k == "auto" else int(self.k)
        if self.k == "auto":
            count = min(count, problem.dimension)
        try:
            if self.method == "ssvqe":
                circuits = cast(WeightedCircuits, players)
                level_weights = np.array(self.weights or [(count - j) / count for j in range(count)], dtype=float)
                found = yield from search(arena, circuits, level_weights, arena.budget)
            elif self.schedule == "parallel":
                rounds = Rounds(
                    arena,
                    count,
                    steps=self.round_steps or (5 if players.has_shots else 25),
                    budgets=[b * arena.restarts for b in self._budgets(count, arena.budget)],
                    stagger=self.stagger,
                    advance=self.warm_start == "advance",
                    tolerance=1e-9 if not players.has_shots else 1e-3 * arena.sigma,
                )
                found = yield from rounds.play()
            else:
                found = yield from play(arena, count, self._budgets(count, arena.budget), self.window, found)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
            found = found or (list(rounds.latest.values()) if rounds else [])
            if not found:
                raise
        path = rounds.critical_path if rounds is not None else sum(arena.counts.values())
        result = assemble(arena, found, schedule=self.schedule, critical_path=path)
        if interrupted:
            from dataclasses import replace

            result = replace(result, status=Status.INTERRUPTED)
        yield Finished(result=result)

    def _players(self, problem: Problem) -> Players:
        measured = self.estimator is not None or self.sampler is not None or self.shots is not None
        preparations = inputs(problem, int(self.k)) if self.method == "ssvqe" else None
        if preparations is not None and not measured:
            return WeightedPlayers(problem, preparations)
        if not measured:
            players = ExactPlayers(problem)
            players.with_gradient = self._optimizer(False).needs_gradient
            return players
        options: dict[str, Any] = {
            "estimator": self.estimator,
            "sampler": self.sampler,
            "shots": self.shots,
            "rng": keyed(root_seed(self.seed), "shots"),
            "calibrate": self.calibrate,
            "cross_form": self.cross_form,
            "with_gradient": self._optimizer(True).needs_gradient,
        }
        if preparations is not None:
            from qalgs.eigengame.measured_weighted import MeasuredWeightedPlayers

            return MeasuredWeightedPlayers(problem, preparations, **options)
        from qalgs.eigengame.measured import MeasuredPlayers

        return MeasuredPlayers(problem, **options)

    def _optimizer(self, measured: bool) -> Optimizer:
        if isinstance(self.optimizer, Optimizer):
            return self.optimizer
        if self.optimizer == "auto":
            return Adam(lr=(0.2, 0.02)) if measured else LBFGS(gtol=1e-5, ftol=1e-14)
        return _NAMED[self.optimizer]()

    def _budgets(self, k: int, budget: int) -> list[int]:
        """Spread the budget: t_i in proportion to max(1 + alpha x_i, 1e-9)."""
        x = np.array([1 - 2 * i / (k - 1) if k > 1 else 0.0 for i in range(k)])
        share = np.maximum(1 + self.budget_trend * x, 1e-9)
        return [max(1, round(float(budget * k * s / share.sum()))) for s in share]

    def _check_counts(self) -> None:
        """Check the integers, and keep them as Python's own, which no product overflows."""
        for name in ("k", "max_levels", "round_steps", "budget", "restarts", "shots", "stagger"):
            value = getattr(self, name)
            optional = name not in {"k", "max_levels", "stagger"}
            if (value is None and optional) or (name == "k" and isinstance(value, str)):
                continue
            most = MOST_RESTARTS if name == "restarts" else MOST
            object.__setattr__(self, name, count(name, value, int(name != "stagger"), most))

    def _penalty(self) -> float | None:
        if self.shift is not None:
            if self.method not in {"eigengame", "hotelling"}:
                raise invalid("shift", self.shift, f"must be left out for method {self.method!r}", "use penalty")
            if not isinstance(self.penalty, str) or self.penalty != "auto":
                raise invalid("shift", shown(self.shift), "must be left out where penalty is a number")
            value: object = self.shift
        else:
            value = self.penalty
            if isinstance(value, str) and value == "auto":
                return None
        name = "shift" if self.shift is not None else "penalty"
        if not is_finite(value):
            raise invalid(
                name, shown(value), "must be a finite number" + (" or 'auto'" if name == "penalty" else "")
            )
        if self.method == "ssvqe":
            raise invalid(name, value, "must be 'auto': ssvqe has no penalty", "use weights")
        if self.method == "vqd" and float(value) <= 0:
            raise invalid(name, value, "must be positive for vqd (it must exceed E_k - E_0)")
        if self.k == "auto":
            raise invalid(name, value, "must be 'auto' with k='auto': the window sets the shift")
        return float(value)

    def _check_ssvqe(self) -> None:
        if self.schedule != "sequential":
            raise invalid("schedule", self.schedule, "must be 'sequential': ssvqe has one player")
        if self.weights is None:
            return
        if np.ndim(self.weights) != 1 or not all(is_finite(w) for w in self.weights):
            raise invalid("weights", shown(self.weights), f"must be {self.k} finite numbers")
        given = np.asarray(self.weights, dtype=float)
        if given.shape != (int(self.k),) or (np.diff(given) >= 0).any() or given[-1] <= 0:
            raise invalid("weights", list(self.weights), f"must be {self.k} strictly decreasing positive numbers")
