r"""The combinatorial bound: conflicts that every partition has, packed side by side, in milliseconds.

Let :math:`W_+` be the sum of the positive weights. A partition loses :math:`w_e` on each positive edge that it
leaves uncut and :math:`|w_e|` on each negative edge that it cuts, so
:math:`\mathrm{cut}(z) = W_+ - \mathrm{loss}(z)`.
A *conflict* is a set of edges of which every partition violates at least one:

* four vertices, pairwise joined by positive edges: two of them share one of the three labels;
* a positive edge whose ends a path of negative edges joins: equal labels along the path leave the edge uncut.

Give the conflicts S numbers :math:`y_S \ge 0` with :math:`\sum_{S \ni e} y_S \le |w_e|` for each edge. Then

.. math:: \mathrm{loss}(z) = \sum_{e\ \mathrm{violated}} |w_e| \ge \sum_S y_S\, |\{e \in S\ \mathrm{violated}\}|
    \ge \sum_S y_S ,

hence :math:`\mathrm{cut}(z) \le W_+ - \sum_S y_S` for any such packing, however it was found: here greedily,
shortest conflicts first, within a fixed amount of work.

Dense graphs have a second bound: three parts leave at most :math:`T = \binom n2 - \sum_i \binom{n_i}2` pairs cut,
where the :math:`n_i` differ by at most one (Turán), so the T largest positive weights bound every cut.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from numba import njit

from .problem import Problem

#: Longest path of negative edges in a conflict; entries that one search may visit, and all may together.
_LONGEST = 6
_VISITS = 256
_WORK = 30_000_000


def combinatorial_bound(problem: Problem) -> float:
    """Return the smaller of the packing bound and the pair-count bound; never above the positive weights' sum."""
    if problem.m == 0:
        return 0.0
    n = problem.n
    numbers = sp.coo_array(
        (
            np.tile(np.arange(1, problem.m + 1), 2),
            (np.concatenate([problem.rows, problem.cols]), np.concatenate([problem.cols, problem.rows])),
        ),
        shape=(n, n),
    ).tocsr()
    numbers.sort_indices()
    edges = numbers.data - 1
    left = np.abs(problem.weights)
    graph = (problem.indptr, problem.indices, edges, problem.weights)
    work = np.array([_WORK])
    packed = [_pack_cliques(*graph, problem.rows, problem.cols, left, work)]
    if not problem.nonnegative:
        for length in range(2, _LONGEST + 1):
            packed.append(_pack_paths(*graph, problem.rows, problem.cols, left, length, work))
    positive = problem.weights[problem.weights > 0]
    bound = math.fsum(positive) - math.fsum(packed)
    third, rest = divmod(n, 3)
    pairs = math.comb(n, 2) - rest * math.comb(third + 1, 2) - (3 - rest) * math.comb(third, 2)
    if len(positive) > pairs:
        bound = min(bound, math.fsum(np.partition(positive, len(positive) - pairs)[len(positive) - pairs :]))
    return max(bound, 0.0)


@njit(cache=True, nogil=True)
def _pack_cliques(indptr, indices, edges, weights, rows, cols, left, work):  # type: ignore[no-untyped-def]
    """Pack four-cliques of positive edges greedily; reduce ``left`` and return the sum of their numbers."""
    n = len(indptr) - 1
    from_u, from_v = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    common = np.empty(n, np.int64)
    total = 0.0
    for e in range(len(rows)):
        if work[0] <= 0:
            break
        if weights[e] <= 0 or left[e] <= 0:
            continue
        u, v = rows[e], cols[e]
        for k in range(indptr[u], indptr[u + 1]):
            if weights[edges[k]] > 0 and left[edges[k]] > 0:
                from_u[indices[k]] = edges[k]
        count = 0
        for k in range(indptr[v], indptr[v + 1]):
            x = indices[k]
            if from_u[x] >= 0 and weights[edges[k]] > 0 and left[edges[k]] > 0:
                from_v[x] = edges[k]
                common[count] = x
                count += 1
        work[0] -= indptr[u + 1] - indptr[u] + indptr[v + 1] - indptr[v]
        for c in range(count):
            x = common[c]
            if left[e] <= 0 or work[0] <= 0:
                break
            for k in range(indptr[x], indptr[x + 1]):
                y, f = indices[k], edges[k]
                if y <= x or from_v[y] < 0 or weights[f] <= 0:
                    continue
                amount = min(left[e], left[f])
                amount = min(amount, min(left[from_u[x]], left[from_v[x]]))
                amount = min(amount, min(left[from_u[y]], left[from_v[y]]))
                if amount > 0:
                    total += amount
                    left[e] -= amount
                    left[f] -= amount
                    left[from_u[x]] -= amount
                    left[from_v[x]] -= amount
                    left[from_u[y]] -= amount
                    left[from_v[y]] -= amount
            work[0] -= indptr[x + 1] - indptr[x]
        for k in range(indptr[u], indptr[u + 1]):
            from_u[indices[k]] = -1
        for c in range(count):
            from_v[common[c]] = -1
    return total


@njit(cache=True, nogil=True)
def _pack_paths(indptr, indices, edges, weights, rows, cols, left, length, work):  # type: ignore[no-untyped-def]
    """Pack positive edges with paths of at most ``length`` negative edges, found by short searches in breadth."""
    n = len(indptr) - 1
    parent, entry, depth = np.full(n, -1, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    queue = np.empty(n, np.int64)
    total = 0.0
    for e in range(len(rows)):
        if weights[e] <= 0:
            continue
        u, v = rows[e], cols[e]
        while left[e] > 0 and work[0] > 0:
            queue[0], parent[u], depth[u] = u, u, 0
            head, tail, visits, found = 0, 1, 0, False
            while head < tail and not found and visits < _VISITS:
                x = queue[head]
                head += 1
                if depth[x] == length:
                    break
                for k in range(indptr[x], indptr[x + 1]):
                    visits += 1
                    y = indices[k]
                    if parent[y] < 0 and weights[edges[k]] < 0 and left[edges[k]] > 0:
                        parent[y], entry[y], depth[y] = x, edges[k], depth[x] + 1
                        queue[tail] = y
                        tail += 1
                        if y == v:
                            found = True
                            break
            work[0] -= visits + tail
            if found:
                amount = left[e]
                x = v
                while x != u:
                    amount = min(amount, left[entry[x]])
                    x = parent[x]
                x = v
                while x != u:
                    left[entry[x]] -= amount
                    x = parent[x]
                left[e] -= amount
                total += amount
            for k in range(tail):
                parent[queue[k]] = -1
            if not found:
                break
    return total
