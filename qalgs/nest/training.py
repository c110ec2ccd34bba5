"""The optimiser axis of a strategy: how a job's evaluations are divided into minimiser runs, on whatever maps.

Every schedule has the same budget, C cycles of I evaluations. :class:`Restarts` opens a new run in each cycle at
the lowest measured point of the one before, with a step size that may shrink; :class:`SingleRun` is one run that
nothing interrupts; :class:`ExploreRefine` tries several starts and refines the promising ones (Qoncord,
arXiv:2409.12432).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import expect, invalid
from qalgs.optimizers import COBYLA, Optimizer, OptimizerRun
from qalgs.seeds import keyed

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleOutcome:
    """What a finished cycle leaves for the next.

    Attributes:
        best_point: Its lowest measured point, shape (d,); None if nothing was evaluated.
        best_value: The value there.
        values: All its values in order.
    """

    best_point: Array | None
    best_value: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Situation:
    """What a training schedule may look at when a cycle begins.

    Attributes:
        job: Name of the job.
        seed: Root seed of the campaign.
        cycle: The cycle that begins, from 0.
        cycles: Number of cycles C.
        evaluations: Evaluations per cycle I.
        start: First point of the job, shape (d,).
        optimizer: The minimiser, its step schedule not yet resolved.
        past: The finished cycles.
        run: The run that the cycle before left open, if any.
    """

    job: str
    seed: int
    cycle: int
    cycles: int
    evaluations: int
    start: Array
    optimizer: Optimizer
    past: Sequence[CycleOutcome]
    run: OptimizerRun | None


class Training(ABC):
    """How minimiser runs follow one another."""

    name: ClassVar[str]

    @abstractmethod
    def open(self, s: Situation) -> OptimizerRun:
        """Return the run to ask in the cycle that begins."""

    def describe(self, optimizer: Optimizer, cycles: int) -> dict[str, Any]:
        """Return what determines the runs, as JSON values."""
        return {"name": self.name, "steps": [optimizer.at_cycle(c, cycles).to_dict() for c in range(cycles)]}


def _begin(s: Situation, optimizer: Optimizer, start: Array, budget: int) -> OptimizerRun:
    return optimizer.start(start, seed=keyed(s.seed, "optimizer", s.job, s.cycle), budget=budget)


def _lowest(past: Sequence[CycleOutcome], start: Array) -> Array:
    """The lowest measured point of the latest cycle that measured anything."""
    for outcome in reversed(past):
        if outcome.best_point is not None:
            return outcome.best_point
    return start


@dataclass(frozen=True, kw_only=True)
class Restarts(Training):
    """A new run per cycle, from the lowest measured point of the cycle before, with that cycle's step size.

    Example:
        >>> [step["rhobeg"] for step in Restarts().describe(COBYLA(rhobeg=(1.0, 0.5)), 2)["steps"]]
        [1.0, 0.5]
    """

    name: ClassVar[str] = "restarts"

    def open(self, s: Situation) -> OptimizerRun:
        """Return the run to ask in the cycle that begins."""
        return _begin(s, s.optimizer.at_cycle(s.cycle, s.cycles), _lowest(s.past, s.start), s.evaluations)


@dataclass(frozen=True, kw_only=True)
class SingleRun(Training):
    """One run over all cycles with the first cycle's step size; maps may change under it.

    Example:
        >>> [step["rhobeg"] for step in SingleRun().describe(COBYLA(rhobeg=(1.0, 0.5)), 2)["steps"]]
        [1.0]
    """

    name: ClassVar[str] = "single"

    def open(self, s: Situation) -> OptimizerRun:
        """Return the run to ask in the cycle that begins."""
        if s.run is not None:
            return s.run
        return _begin(s, s.optimizer.at_cycle(0, s.cycles), s.start, s.cycles * s.evaluations)

    def describe(self, optimizer: Optimizer, cycles: int) -> dict[str, Any]:
        """Return what determines the runs, as JSON values."""
        return {"name": self.name, "steps": [optimizer.at_cycle(0, cycles).to_dict()]}


@dataclass(frozen=True, kw_only=True)
class ExploreRefine(Training):
    """Several starts with a large step, then the remaining cycles go to the promising ones with a small step.

    Survivors are the starts whose lowest value is within ``keep`` of the lowest of all. They are refined in turn,
    lowest first, each from its own lowest point.

    Attributes:
        starts: Cycles spent on exploration, each from a new start.
        keep: Distance to the lowest value within which a start survives, in units of the cost.
        coarse: Minimiser of the exploration.
        fine: Minimiser of the refinement.

    Raises:
        InvalidInputError: If ``starts`` is below 1 or ``keep`` is negative.

    Example:
        >>> ExploreRefine(starts=3).describe(COBYLA(), 6)["name"]
        'explore-refine'
    """

    name: ClassVar[str] = "explore-refine"
    starts: int
    keep: float = 0.02
    coarse: Optimizer = field(default_factory=lambda: COBYLA(rhobeg=1.0, tol=0.1))
    fine: Optimizer = field(default_factory=lambda: COBYLA(rhobeg=0.1))

    def __post_init__(self) -> None:
        expect(Integral, starts=self.starts)
        expect(Real, keep=self.keep)
        expect(Optimizer, coarse=self.coarse, fine=self.fine)
        if self.starts < 1:
            raise invalid("starts", self.starts, "must be at least 1")
        if not 0 <= self.keep < np.inf:
            raise invalid("keep", self.keep, "must be finite and not negative")

    def open(self, s: Situation) -> OptimizerRun:
        """Return the run to ask in the cycle that begins."""
        if s.cycle < self.starts:
            rng = keyed(s.seed, "restart", s.job, s.cycle)
            start = s.start if s.cycle == 0 else rng.uniform(-np.pi, np.pi, s.start.size)
            return _begin(s, self.coarse.at_cycle(s.cycle, s.cycles), start, s.evaluations)
        explored = list(enumerate(s.past[: self.starts]))
        explored.sort(key=lambda item: (item[1].best_value, item[0]))
        low = explored[0][1].best_value
        survivors = [index for index, outcome in explored if outcome.best_value <= low + self.keep]
        turn = s.cycle - self.starts
        chosen = survivors[turn % len(survivors)]
        own = [s.past[chosen], *s.past[self.starts + turn % len(survivors) :: len(survivors)]]
        lowest = min(own, key=lambda outcome: outcome.best_value)
        start = s.start if lowest.best_point is None else lowest.best_point
        return _begin(s, self.fine.at_cycle(s.cycle, s.cycles), start, s.evaluations)

    def describe(self, optimizer: Optimizer, cycles: int) -> dict[str, Any]:
        """Return what determines the runs, as JSON values."""
        runs = [self.coarse if c < self.starts else self.fine for c in range(cycles)]
        steps = [run.at_cycle(c, cycles).to_dict() for c, run in enumerate(runs)]
        return {"name": self.name, "starts": self.starts, "keep": self.keep, "steps": steps}
