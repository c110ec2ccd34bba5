r"""Exact maximum of a real form of rank 1 or 2 over roots of unity: the number behind the enumeration bound.

:math:`F_r = \max_z \|V^{T} z\|^2` over :math:`z \in \{1, \omega, \omega^2\}^n`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .problem import Labels


def roots(K: int = 3) -> NDArray[np.complex128]:
    """Return the K-th roots of unity, exact where that is possible."""
    angles = 2 * np.pi * np.arange(K) / K
    z = np.cos(angles) + 1j * np.sin(angles)
    z[0] = 1.0
    if K % 2 == 0:
        z[K // 2] = -1.0
    return z


def score(factor: NDArray[np.float64] | NDArray[np.complex128], labels: Labels, K: int = 3) -> float:
    r"""Return :math:`\|V^\dagger z\|^2` for the labels, recomputed from nothing but V."""
    z = roots(K)[labels]
    return float((np.abs(factor.conj().T @ z) ** 2).sum())


def rank1(v: NDArray[np.complex128] | NDArray[np.float64], K: int = 3) -> tuple[Labels, NDArray[np.int64]]:
    r"""Return the n candidates of a vector as a first labelling and the order in which labels step up by one.

    Rotating the reference phase by :math:`2\pi/K` moves each row over exactly one sector boundary; the labelling
    after k steps, k = 0..n-1, is a cell (Karystinos and Liavas 2010; Mackenthun 1994 for rank 1).

    Args:
        v: The vector, shape ``(n,)``.
        K: Number of labels.

    Returns:
        ``(labels, order)``: labels before the first step, shape ``(n,)``, and the rows in stepping order.
    """
    position = np.angle(v) / (2 * np.pi / K) + 0.5
    floor = np.floor(position)
    order = np.argsort(floor + 1 - position, kind="stable")
    return np.mod(floor, K).astype(np.int8), order


def maximize_rank1(v: NDArray[np.complex128] | NDArray[np.float64], K: int = 3) -> tuple[float, Labels]:
    r"""Return :math:`\max_z |v^\dagger z|^2` and its labels, in O(n log n)."""
    labels, order = rank1(v, K)
    z = roots(K)
    before = labels[order].astype(np.int64)
    steps = np.conj(np.asarray(v)[order]) * (z[(before + 1) % K] - z[before])
    sums = (np.conj(v) * z[labels]).sum() + np.concatenate([[0], np.cumsum(steps)[:-1]])
    best = int(np.argmax(np.abs(sums)))
    labels[order[:best]] = (labels[order[:best]] + 1) % K
    return score(np.asarray(v, dtype=np.complex128)[:, None], labels, K), labels


def maximize_real_rank2(factor: NDArray[np.float64]) -> tuple[float, Labels, int]:
    r"""Maximise :math:`\|V^T z\|^2` exactly for a real factor with two columns.

    With the rows sorted by angle and prefix sums P, a split a <= b <= c has arc sums
    :math:`S_1 = P_b - P_a,\; S_2 = P_c - P_b,\; S_3 = T - S_1 - S_2`, and

    .. math:: \|V^T z\|^2 = \tfrac32\left(|S_1|^2 + |S_2|^2 + |S_3|^2\right) - \tfrac12 |T|^2.

    The maximum over the O(n^3/6) splits is found by branch and bound: a triple of index intervals is bounded by
    the exact second-order expansion of the score over their oriented boxes in the plane.

    Args:
        factor: V, shape ``(n, 2)``.

    Returns:
        ``(value, labels, boxes)``: the maximum recomputed from the labels, the labels, and the boxes bounded.
    """
    order, split, _, count = _branch_and_bound(factor, 2**62)
    labels = np.full(len(factor), 2, dtype=np.int8)
    labels[order[split[0] : split[1]]] = 0
    labels[order[split[1] : split[2]]] = 1
    return score(factor, labels), labels, count


def bound_real_rank2(factor: NDArray[np.float64], *, limit: int = 4_000_000) -> float:
    """Return the maximum of :func:`maximize_real_rank2`, or a close upper bound after ``limit`` boxes."""
    _, _, upper, _ = _branch_and_bound(factor, limit)
    total = factor.sum(axis=0)
    return 1.5 * upper - 0.5 * float(total @ total)


def _branch_and_bound(
    factor: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.int64], tuple[int, int, int], float, int]:
    """Return the angular order, the best split, an upper bound on the sum of squares, and the boxes bounded."""
    n = len(factor)
    order = np.argsort(np.arctan2(factor[:, 1], factor[:, 0]), kind="stable")
    points = np.zeros((n + 1, 2))
    np.cumsum(factor[order], axis=0, out=points[1:])
    size = 1
    while size < n + 1:
        size *= 2
    boxes = np.zeros((2 * size, 6))
    _boxes(points, boxes, size)
    split, upper, count = _split(points, boxes, size, limit)
    return order, split, float(upper), int(count)


@njit(cache=True, nogil=True)
def _boxes(points, boxes, size):  # type: ignore[no-untyped-def]
    """Fill node k of the binary tree with centre x, y, tangent x, y and half extents along and across it."""
    last = len(points) - 1
    level, span = size, 1
    while level >= 1:
        for k in range(level):
            lo, hi = k * span, min((k + 1) * span - 1, last)
            if lo > last:
                continue
            tx, ty = points[hi, 0] - points[lo, 0], points[hi, 1] - points[lo, 1]
            norm = np.hypot(tx, ty)
            if norm > 0.0:
                tx, ty = tx / norm, ty / norm
            else:
                tx, ty = 1.0, 0.0
            t0, t1, n0, n1 = np.inf, -np.inf, np.inf, -np.inf
            for i in range(lo, hi + 1):
                t = points[i, 0] * tx + points[i, 1] * ty
                s = -points[i, 0] * ty + points[i, 1] * tx
                t0, t1, n0, n1 = min(t0, t), max(t1, t), min(n0, s), max(n1, s)
            t, s = 0.5 * (t0 + t1), 0.5 * (n0 + n1)
            node = boxes[level + k]
            node[0], node[1] = t * tx - s * ty, t * ty + s * tx
            node[2], node[3] = tx, ty
            node[4], node[5] = 0.5 * (t1 - t0), 0.5 * (n1 - n0)
        level //= 2
        span *= 2


@njit(cache=True, nogil=True)
def _split(points, boxes, size, limit):  # type: ignore[no-untyped-def]
    last = len(points) - 1
    tx, ty = points[last, 0], points[last, 1]
    scale = 0.0
    for i in range(last + 1):
        scale = max(scale, points[i, 0] ** 2 + points[i, 1] ** 2)
    best, best_a, best_b, best_c = -1.0, 0, 0, 0
    # Depth first: one triple waits per halving of one of three intervals, so 4096 are never reached.
    stack = np.empty((4096, 3), dtype=np.int64)
    stack[0] = 1
    top, count = 1, 0
    while top > 0:
        if count >= limit:
            upper = best
            for k in range(top):
                centre, slack, _, _, _ = _expand(
                    boxes[stack[k, 0]], boxes[stack[k, 1]], boxes[stack[k, 2]], tx, ty
                )
                upper = max(upper, centre + slack)
            return (best_a, best_b, best_c), upper, count
        top -= 1
        na, nb, nc = stack[top, 0], stack[top, 1], stack[top, 2]
        a, b, c = boxes[na], boxes[nb], boxes[nc]
        count += 1
        centre, slack, ra, rb, rc = _expand(a, b, c, tx, ty)
        if na >= size and nb >= size and nc >= size:
            if centre > best and na <= nb and nb <= nc:
                best, best_a, best_b, best_c = centre, na - size, nb - size, nc - size
            continue
        if centre + slack <= best + 1e-13 * scale:
            continue
        # Split the widest interval that is not a point; drop children that cannot satisfy a <= b <= c.
        which, width = 0, -1.0
        if na < size:
            which, width = 0, ra
        if nb < size and rb > width:
            which, width = 1, rb
        if nc < size and rc > width:
            which, width = 2, rc
        for child in range(2):
            trial_a, trial_b, trial_c = na, nb, nc
            if which == 0:
                trial_a = 2 * na + child
            elif which == 1:
                trial_b = 2 * nb + child
            else:
                trial_c = 2 * nc + child
            low_a, _ = _interval(trial_a, size)
            low_b, high_b = _interval(trial_b, size)
            low_c, high_c = _interval(trial_c, size)
            if max(low_a, low_b, low_c) > last or low_a > high_b or low_b > high_c or low_a > high_c:
                continue
            stack[top, 0], stack[top, 1], stack[top, 2] = trial_a, trial_b, trial_c
            top += 1
    return (best_a, best_b, best_c), best + 1e-13 * scale, count


@njit(cache=True, nogil=True)
def _expand(a, b, c, tx, ty):  # type: ignore[no-untyped-def]
    """Sum of squares at the centres of three boxes, how much it can rise within them, and their radii."""
    ux, uy = b[0] - a[0], b[1] - a[1]
    vx, vy = c[0] - b[0], c[1] - b[1]
    wx, wy = tx - c[0] + a[0], ty - c[1] + a[1]
    centre = ux * ux + uy * uy + vx * vx + vy * vy + wx * wx + wy * wy
    # The score is quadratic in the three points: gradient over each oriented box, then the quadratic rest.
    slack = 0.0
    for box, gx, gy in (
        (a, 2 * (wx - ux), 2 * (wy - uy)),
        (b, 2 * (ux - vx), 2 * (uy - vy)),
        (c, 2 * (vx - wx), 2 * (vy - wy)),
    ):
        slack += abs(gx * box[2] + gy * box[3]) * box[4] + abs(-gx * box[3] + gy * box[2]) * box[5]
    ra, rb, rc = np.hypot(a[4], a[5]), np.hypot(b[4], b[5]), np.hypot(c[4], c[5])
    slack += (ra + rb) ** 2 + (rb + rc) ** 2 + (rc + ra) ** 2
    return centre, slack, ra, rb, rc


@njit(cache=True, nogil=True)
def _interval(node, size):  # type: ignore[no-untyped-def]
    span = 1
    while node < size:
        node *= 2
        span *= 2
    return node - size, node - size + span - 1
