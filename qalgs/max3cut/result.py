"""What a Max-3-Cut run returns: the partition, its certificate, and the account of how they were found."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result, Status

from .problem import Labels, Notice, Problem

if TYPE_CHECKING:
    from .spectrum import Spectrum


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One partition of the candidate list.

    Attributes:
        cut: Its recounted cut.
        source: The engine or refinement that found it.
        score: Its low-rank score ``||V^T z||^2`` where an engine ranks by it, else None.
        labels: Labels 0, 1, 2 in node order, shape ``(n,)``; the first label to appear is 0, the second 1.
    """

    cut: int | float
    source: str
    score: float | None = None
    labels: Labels = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a run, as given to the callback and kept in the trace.

    Attributes:
        seconds: Wall time since the start.
        cut: Best cut so far.
        upper_bound: Best upper bound so far.
        stage: What was just done.
    """

    seconds: float
    cut: int | float
    upper_bound: int | float
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Max3CutResult(Result):
    """Partition, certificate and bound of one instance.

    Attributes:
        partition: Label 0, 1 or 2 of every node.
        cut: Weight of the edges between different labels, recounted from the edge list; an ``int`` where all
            weights are integers.
        upper_bound: A valid upper bound on every cut, rounded down to an integer where cuts are.
        bound_kind: Which bound it is: ``trivial``, ``packing``, ``eigen``, ``rank`` or ``sdp``.
        exact: What is exact about the answer, in words: ``"rank-2 candidate set"``, ``"low-rank objective"``,
            ``"instance optimum because cut = bound"``; empty if nothing is.
        method: The engine that ran.
        matrix: The choice of the diagonal.
        rank: The rank of the factor.
        refine: The refinement applied.
        n: Number of nodes.
        m: Number of edges with a non-zero weight.
        total_weight: Sum of all weights.
        eigenvalues: Leading eigenvalues of Q, falling.
        candidates: The best distinct partitions modulo label permutations, falling.
        trace: Improvements in time.
        warnings: What was doubtful (see :class:`Notice`).
        evaluations: Counters: cells, candidates, flips, circles, generations.
        times: Wall seconds by stage, with ``total`` and ``cpu``.
        status: How the run ended.
        seed: The root seed, which reproduces the run where the budget is not time.
        versions: Library versions.
        name: The instance's name, or an empty string.
    """

    cut: int | float
    upper_bound: int | float
    bound_kind: str
    exact: str
    method: str
    matrix: str
    rank: int
    refine: str | None
    n: int
    m: int
    total_weight: float
    eigenvalues: tuple[float, ...]
    warnings: tuple[Notice, ...]
    evaluations: Mapping[str, int]
    times: Mapping[str, float]
    status: Status
    seed: int
    name: str
    partition: Mapping[Hashable, int]
    candidates: tuple[Candidate, ...]
    trace: tuple[Progress, ...]
    versions: Mapping[str, str]
    problem: Problem = field(repr=False)
    spectrum: Spectrum | None = field(default=None, repr=False)

    @property
    def labels(self) -> Labels:
        """Labels in node order, shape ``(n,)``."""
        return np.array([self.partition[node] for node in self.problem.nodes], dtype=np.int8)

    @property
    def gap(self) -> float | None:
        """Relative gap ``(upper_bound - cut) / upper_bound``; None without a positive bound."""
        if self.upper_bound <= 0:
            return None
        return float((self.upper_bound - self.cut) / self.upper_bound)

    def plot_cells(self, ax: Any = None) -> Any:
        """Plot the rows of the factor on the (v1, v2) plane, coloured by label; return the Axes."""
        from .plots import plot_cells

        return plot_cells(self, ax=ax)

    def plot_order(self, ax: Any = None) -> Any:
        """Plot the angular order of the rows with the partition's three arcs; return the Axes."""
        from .plots import plot_order

        return plot_order(self, ax=ax)

    def plot_circle(self, ax: Any = None, seed: int = 0) -> Any:
        """Plot the true cut along one random great circle; return the Axes."""
        from .plots import plot_circle

        return plot_circle(self, ax=ax, seed=seed)

    def plot_trace(self, ax: Any = None) -> Any:
        """Plot the best cut and the bound against time; return the Axes."""
        from .plots import plot_trace

        return plot_trace(self, ax=ax)

    def plot_spectrum(self, ax: Any = None) -> Any:
        """Plot the leading eigenvalues and the gap behind the rank; return the Axes."""
        from .plots import plot_spectrum

        return plot_spectrum(self, ax=ax)


def canonical(labels: NDArray[np.int8]) -> Labels:
    """Rename labels by first appearance: 0 for the first vertex's, 1 for the next new one."""
    names = {int(labels[i]): k for k, i in enumerate(sorted(np.unique(labels, return_index=True)[1]))}
    table = np.array([names.get(k, k) for k in range(3)], dtype=np.int8)
    return table[labels]


def distinct(candidates: list[Candidate], top: int) -> tuple[Candidate, ...]:
    """Return the best candidates that differ modulo label permutations, falling by cut; stable."""
    seen, kept = set(), []
    for item in sorted(candidates, key=lambda c: -c.cut):
        labels = canonical(item.labels)
        key = labels.tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(Candidate(cut=item.cut, source=item.source, score=item.score, labels=labels))
        if len(kept) == top:
            break
    return tuple(kept)
