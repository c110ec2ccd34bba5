r"""Exact rank 2 for real factors: every candidate is a split of the circular order of the rows into three arcs.

For real V of shape (n, 2) the map :math:`V_i \mapsto V_i c` is real linear, so rounding to three sectors cuts the
circular order of the points :math:`V_i` into at most three arcs. With I[a, b) the weight inside a window of the
sorted order and D the prefix sums of the weighted degrees, the cut of the split a <= b <= c is

.. math:: D_c - D_a - I[a,c) - I[a,b) - I[b,c).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .problem import Labels, Problem

_EXACT_FLOAT32 = 2.0**22


@dataclass(frozen=True, slots=True, eq=False)
class ArcSplits:
    """The best split for each first boundary a.

    Attributes:
        order: Vertices by angle, shape ``(k,)``.
        values: Cut of the best split that starts at a, shape ``(k,)``.
        splits: Its boundaries ``(a, b, c)``, shape ``(k, 3)``.
        triples: Number of candidates covered, :math:`O(k^3/6)`.
    """

    order: NDArray[np.int64]
    values: NDArray[np.float64]
    splits: NDArray[np.int64]
    triples: int

    def labels(self, a: int, n: int) -> Labels:
        """Return the labels of the best split starting at ``a``; vertices outside the order get -1."""
        labels = np.full(n, -1, dtype=np.int8)
        first, second, third = self.splits[a]
        labels[self.order] = 2
        labels[self.order[first:second]] = 0
        labels[self.order[second:third]] = 1
        return labels


def angular_order(factor: NDArray[np.float64], keep: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``keep`` sorted by the angle of the rows of a real ``(n, 2)`` factor; ties keep their order."""
    rows = factor[keep]
    return np.asarray(keep[np.argsort(np.arctan2(rows[:, 1], rows[:, 0]), kind="stable")])


def three_arc(problem: Problem, factor: NDArray[np.float64], keep: NDArray[np.int64] | None = None) -> ArcSplits:
    """Maximise the true cut over all splits of the angular order into three arcs.

    For non-negative weights I satisfies the quadrangle inequality, so that the best middle boundary b(a, c) rises
    with a and with c and lies between b(a, c-1) and b(a+1, c): O(n^2) evaluations in all (Knuth 1971, Yao 1980).
    Signed weights are searched by a vectorised table loop in O(n^3 / 6).

    Args:
        problem: The graph.
        factor: Real factor, shape ``(n, 2)``.
        keep: The vertices that take part; all by default.

    Returns:
        The best split for each first boundary; the largest value is the exact optimum over the candidate set
        (which holds every rank-2 cell).
    """
    keep = np.arange(problem.n) if keep is None else keep
    order = angular_order(factor, keep)
    size = len(order)
    position = np.full(problem.n, -1, dtype=np.int64)
    position[order] = np.arange(size)
    dtype = np.float32 if problem.integral and np.abs(problem.weights).sum() < _EXACT_FLOAT32 else np.float64
    table = np.zeros((size + 1, size + 1), dtype=dtype)
    prefix = np.zeros(size + 1, dtype=dtype)
    _windows(problem.indptr, problem.indices, problem.data, order, position, table, prefix)
    values = np.zeros(size, dtype=dtype)
    splits = np.zeros((size, 3), dtype=np.int64)
    (_monotone if problem.nonnegative else _exhaustive)(table, prefix, values, splits)
    triples = (size + 1) * (size + 2) * (size + 3) // 6
    return ArcSplits(order, values.astype(np.float64), splits, triples)


@njit(cache=True, nogil=True)
def _windows(indptr, indices, data, order, position, table, prefix):  # type: ignore[no-untyped-def]
    """Fill table[a, b] with the weight inside window [a, b) and prefix with the degrees inside the order."""
    size = len(order)
    for a in range(size - 1, -1, -1):
        row, below = table[a], table[a + 1]
        degree = prefix[0] * 0
        for e in range(indptr[order[a]], indptr[order[a] + 1]):
            p = position[indices[e]]
            if p >= 0:
                degree += data[e]
                if p > a:
                    row[p + 1] += data[e]
        prefix[a + 1] = degree
        running = row[0] * 0
        for b in range(a + 1, size + 1):
            running += row[b]
            row[b] = below[b] + running
    for a in range(size):
        prefix[a + 1] += prefix[a]


@njit(cache=True, nogil=True)
def _monotone(table, prefix, values, splits):  # type: ignore[no-untyped-def]
    size = len(values)
    middle = np.empty(size + 1, dtype=np.int64)
    for b in range(size + 1):
        middle[b] = b
    for a in range(size - 1, -1, -1):
        row = table[a]
        best = values[0] * 0 - 1
        where_b, where_c = a, a
        low = a
        middle[a] = a
        for c in range(a + 1, size + 1):
            high = min(middle[c], c)
            cost = row[low] + table[low, c]
            at = low
            for b in range(low + 1, high + 1):
                trial = row[b] + table[b, c]
                if trial < cost:
                    cost, at = trial, b
            middle[c] = at
            low = at
            value = prefix[c] - prefix[a] - row[c] - cost
            if value > best:
                best, where_b, where_c = value, at, c
        values[a] = best
        splits[a, 0], splits[a, 1], splits[a, 2] = a, where_b, where_c


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz"})
def _exhaustive(table, prefix, values, splits):  # type: ignore[no-untyped-def]
    size = len(values)
    outer = np.empty(size + 1, dtype=table.dtype)
    for a in range(size):
        row = table[a]
        for c in range(a, size + 1):
            outer[c] = prefix[c] - prefix[a] - row[c]
        best = outer[a]
        where_b, where_c = a, a
        for b in range(a, size + 1):
            inner = table[b]
            top = outer[b] - inner[b]
            for c in range(b, size + 1):
                top = max(top, outer[c] - inner[c])
            if top - row[b] > best:
                best = top - row[b]
                where_b = b
                where_c = -1
        if where_c < 0:
            inner = table[where_b]
            for c in range(where_b, size + 1):
                if outer[c] - inner[c] - row[where_b] == best:
                    where_c = c
                    break
        values[a] = best
        splits[a, 0], splits[a, 1], splits[a, 2] = a, where_b, where_c
