"""One stopping rule for all strategies, and evaluations-to-threshold with censoring.

A comparison that trims one strategy's trace and counts the other's full length measures the trimming. Here the
same rule reads the same kind of trace (the job's evaluations in the order they were made) whatever produced it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import expect, invalid
from qalgs.results import Result


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """Converged at the first evaluation after which the running minimum falls by less than ``tolerance``.

    With b_e the lowest of the first e values, the rule holds at the smallest e >= ``least`` with
    ``b_e - b_{e + window} < tolerance``; a trace too short to see ``window`` further values is censored.

    Attributes:
        window: Evaluations without progress.
        tolerance: Progress that counts, in units of the cost.
        least: Evaluations before which the rule is not asked, the same for every strategy.
        stop: Whether the campaign stops a job when the rule holds, instead of only reporting it.

    Raises:
        InvalidInputError: If a number is not positive.
    """

    window: int = 100
    tolerance: float = 0.04
    least: int = 1
    stop: bool = False

    def __post_init__(self) -> None:
        expect(Real, **{f"convergence.{name}": getattr(self, name) for name in ("window", "tolerance", "least")})
        if self.window < 1:
            raise invalid("convergence.window", self.window, "must be at least 1")
        if not 0 < self.tolerance < np.inf:
            raise invalid("convergence.tolerance", self.tolerance, "must be positive and finite")
        if self.least < 1:
            raise invalid("convergence.least", self.least, "must be at least 1")

    def evaluations(self, values: ArrayLike) -> int | None:
        """Return after how many evaluations a trace has converged, or None (censored).

        Args:
            values: Measured values in order, shape (evaluations,).
        """
        trace = np.asarray(values, dtype=np.float64)
        if trace.size <= self.window:
            return None
        best = np.minimum.accumulate(trace)
        fall = best[: -self.window] - best[self.window :]
        held = np.flatnonzero(fall[self.least - 1 :] < self.tolerance)
        return int(held[0]) + self.least if held.size else None

    def reached(self, values: Sequence[float]) -> bool:
        """Whether a job with these values may stop now."""
        return self.stop and self.evaluations(values) is not None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reached(Result):
    """How many evaluations several runs needed to reach a common threshold.

    Attributes:
        threshold: The value to reach.
        median: Median over all runs, a run that never got there counting as later than any other; None if that
            falls among them.
        reached: Runs that got there.
        censored: Runs that did not.
        counts: Evaluations per run, None where censored.
    """

    threshold: float
    median: float | None
    reached: int
    censored: int
    counts: tuple[int | None, ...]


def evaluations_to(threshold: float, traces: Sequence[tuple[ArrayLike, ArrayLike]]) -> Reached:
    """Count evaluations to a threshold over several runs.

    Args:
        threshold: The value that counts as reached when a trace is at or below it.
        traces: Per run, ``(evaluations, values)``: the number of evaluations made when each value was attained.
    """
    counts: list[int | None] = []
    for at, values in traces:
        where: NDArray[np.intp] = np.flatnonzero(np.asarray(values, dtype=np.float64) <= threshold)
        counts.append(int(np.asarray(at)[where[0]]) if where.size else None)
    ordered = sorted(np.inf if c is None else float(c) for c in counts)
    middle = len(ordered) // 2
    half = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Reached(
        threshold=threshold,
        median=float(half) if np.isfinite(half) else None,
        reached=sum(c is not None for c in counts),
        censored=sum(c is None for c in counts),
        counts=tuple(counts),
    )
