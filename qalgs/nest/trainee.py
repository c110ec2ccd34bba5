"""One job in training: its open minimiser run, its finished cycles, and its record in the ledger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qalgs.optimizers import Optimizer, OptimizerRun
from qalgs.results import Status

from .convergence import Convergence
from .executor import Reading, Request
from .jobs import Job
from .ledger import Evaluation, replayed
from .strategies import Strategy
from .training import CycleOutcome, Situation
from .walk import WalkStep

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """A job with every default filled in.

    Attributes:
        job: The job.
        strategy: Its strategy.
        optimizer: Its minimiser, the step schedule unresolved.
        cycles: Cycles C.
        evaluations: Evaluations per cycle I.
        shots: Shots per measurement basis.
    """

    job: Job
    strategy: Strategy
    optimizer: Optimizer
    cycles: int
    evaluations: int
    shots: int

    @property
    def budget(self) -> int:
        """``C * I``."""
        return self.cycles * self.evaluations


@dataclass(kw_only=True, eq=False)
class Trainee:
    """The state of one job while a campaign runs; all of it follows from the plan and the recorded values."""

    settled: Settled
    steps: Sequence[WalkStep]
    seed: int
    convergence: Convergence
    run: OptimizerRun | None = None
    cycle: int = -1
    past: list[CycleOutcome] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    best: float = math.inf
    _recorded: list[Evaluation] = field(default_factory=list)
    _index: int = 0
    _points: list[Array] = field(default_factory=list)
    _cycle_values: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the job."""
        return self.settled.job.name

    def begin(self, cycle: int, recorded: list[Evaluation]) -> WalkStep:
        """Open the cycle; ``recorded`` is what the ledger holds of it."""
        s = self.settled
        self.cycle, self._recorded, self._index = cycle, recorded, 0
        self._points, self._cycle_values = [], []
        self.run = s.strategy.training.open(
            Situation(
                job=s.job.name,
                seed=self.seed,
                cycle=cycle,
                cycles=s.cycles,
                evaluations=s.evaluations,
                start=s.job.first_point(self.seed),
                optimizer=s.optimizer,
                past=tuple(self.past),
                run=None if self.run is None or self.run.done else self.run,
            )
        )
        return self.steps[cycle]

    @property
    def wants(self) -> bool:
        """Whether the job wants another evaluation in this cycle."""
        if self.run is None or self.run.done or self.convergence.reached(self.values):
            return False
        return self._index < self.settled.evaluations

    def requests(self, neighbours: tuple[tuple[int, ...], ...]) -> list[Request]:
        """Return the evaluations that the minimiser asks for now."""
        assert self.run is not None
        layout = self.steps[self.cycle].layout
        return [
            Request(
                job=self.settled.job,
                cycle=self.cycle,
                evaluation=self._index + i,
                layout=tuple(layout),
                point=point,
                shots=self.settled.shots,
                neighbours=neighbours,
                gradient=self.settled.optimizer.needs_gradient,
            )
            for i, point in enumerate(self.run.ask())
        ]

    def remembered(self, request: Request) -> Reading | None:
        """Return the reading that the ledger holds for a request, if it does."""
        found = replayed(self._recorded, request.evaluation, request.point)
        if found is None:
            return None
        return Reading(value=found.value, std=found.std, shots=found.shots, gradient=found.gradient)

    def take(self, requests: Sequence[Request], readings: Sequence[Reading]) -> None:
        """Tell the minimiser the values of all points it asked for."""
        assert self.run is not None
        points = np.stack([r.point for r in requests])
        values = np.array([r.value for r in readings])
        gradients = [r.gradient for r in readings if r.gradient is not None]
        self.run.tell(points, values, np.stack(gradients) if gradients else None)
        self._index += len(points)
        self._points += list(points)
        self._cycle_values += values.tolist()
        self.values += values.tolist()
        self.best = min(self.best, float(values.min()))

    def finish(self) -> CycleOutcome:
        """Close the cycle and return what it leaves."""
        if self._cycle_values:
            lowest = int(np.argmin(self._cycle_values))
            point, value = self._points[lowest], self._cycle_values[lowest]
        else:
            point, value = None, math.inf
        outcome = CycleOutcome(best_point=point, best_value=value, values=tuple(self._cycle_values))
        self.past.append(outcome)
        return outcome

    @property
    def status(self) -> Status:
        """How the minimiser stands."""
        if self.convergence.reached(self.values):
            return Status.CONVERGED
        if self.run is None or self.run.status is None:
            return Status.BUDGET
        return self.run.status

    def close(self) -> None:
        """Release the minimiser."""
        if self.run is not None:
            self.run.close()
