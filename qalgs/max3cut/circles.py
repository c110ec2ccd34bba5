r"""Random great circles of the c-sphere: candidates for any rank, scored by their true cut.

On :math:`c(\varphi) = u\cos\varphi + w\sin\varphi` every row meets each of its three sector boundaries exactly
once, so a circle visits 3n candidates, one label step apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qalgs.seeds import keyed

from . import kernels
from .low_rank import roots
from .problem import Labels, Problem

BLOCK = 8


@dataclass(frozen=True, slots=True, eq=False)
class CircleBlock:
    """What one block of circles found.

    Attributes:
        index: The block's number; its circles depend on nothing else.
        cuts: Best true cut on each circle, shape ``(BLOCK,)``.
        patterns: Its labels, shape ``(BLOCK, n)``.
        candidates: Candidates scored.
    """

    index: int
    cuts: NDArray[np.float64]
    patterns: NDArray[np.int8]
    candidates: int


@dataclass(frozen=True, slots=True, eq=False)
class CirclePath:
    """One circle in full, for plotting: angles and true cuts of its 3n + 1 candidates."""

    angles: NDArray[np.float64]
    cuts: NDArray[np.float64]


def circle_block(problem: Problem, factor: NDArray[np.float64], root: int, index: int) -> CircleBlock:
    """Sweep a block of random great circles.

    Args:
        problem: The graph.
        factor: V, shape ``(n, r)``.
        root: Root seed of the run; the block's circles are keyed by ``index`` under it.
        index: Number of the block.

    Returns:
        The best candidate of each circle.
    """
    u, w = _directions(keyed(root, "circles", index), factor.shape[1], BLOCK)
    a, b = factor @ u, factor @ w
    cuts, patterns = np.empty(BLOCK), np.empty((BLOCK, problem.n), dtype=np.int8)
    counts = np.empty((problem.n, 3))
    graph = (problem.indptr, problem.indices, problem.data)
    for c in range(BLOCK):
        labels, rows, steps, _ = events(a[:, c], b[:, c])
        begin = labels.copy()
        kernels.count(*graph, labels, counts)
        _, where = kernels.sweep(*graph, labels, counts, rows, steps)
        np.add.at(begin, rows[:where], steps[:where])
        patterns[c] = np.mod(begin, 3)
        cuts[c] = problem.cut(patterns[c])
    return CircleBlock(index, cuts, patterns, 3 * problem.n * BLOCK)


def circle_path(problem: Problem, factor: NDArray[np.float64], seed: int = 0) -> CirclePath:
    """Return all candidates of one random circle."""
    u, w = _directions(keyed(seed, "circles", 0), factor.shape[1], 1)
    labels, rows, steps, keys = events((factor @ u)[:, 0], (factor @ w)[:, 0])
    counts = np.empty((problem.n, 3))
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, labels, counts)
    cuts = [float(problem.cut(labels))]
    for v, step in zip(rows, steps, strict=True):
        cuts.append(cuts[-1] + kernels.move(*graph, labels, counts, v, (labels[v] + 3 + step) % 3))
    return CirclePath(np.concatenate([[0.0], _angle(keys)]), np.array(cuts))


def _directions(
    rng: np.random.Generator, rank: int, count: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    draw = rng.standard_normal((4, rank, count))
    return draw[0] + 1j * draw[1], draw[2] + 1j * draw[3]


def events(
    a: NDArray[np.complex128], b: NDArray[np.complex128]
) -> tuple[Labels, NDArray[np.int64], NDArray[np.int8], NDArray[np.float64]]:
    """Return the labels at angle 0 and the steps of ``a cos + b sin`` on the circle: rows, signs, order keys."""
    n = len(a)
    labels, keys, steps = np.empty(n, np.int8), np.empty(3 * n), np.empty(3 * n, np.int8)
    _events(np.ascontiguousarray(a), np.ascontiguousarray(b), roots(3), labels, keys, steps)
    order = np.argsort(keys)
    return labels, order // 3, steps[order], keys[order]


def _angle(keys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the order keys (1-norm angle in [0, 4)) into radians."""
    fold = np.mod(keys, 2.0)
    x, y = 1.0 - fold, 1.0 - np.abs(1.0 - fold)
    return np.arctan2(y, x) + np.pi * (keys >= 2.0)


@njit(cache=True, nogil=True)
def _events(a, b, root, labels, keys, steps):  # type: ignore[no-untyped-def]
    third = complex(0.5, np.sqrt(0.75))
    for row in range(len(a)):
        best, pick = -np.inf, 0
        for m in range(3):
            along = (a[row] * np.conj(root[m])).real
            if along > best:
                best, pick = along, m
        labels[row] = pick
        turn = 1 if a[row].real * b[row].imag - a[row].imag * b[row].real > 0 else -1
        for m in range(3):
            # Boundary m lies at angle pi/3 + 2 pi m / 3, between labels m and m + 1.
            x, y = a[row] * np.conj(root[m] * third), b[row] * np.conj(root[m] * third)
            c, s = y.imag, -x.imag
            if x.real * c + y.real * s < 0:
                c, s = -c, -s
            size = abs(c) + abs(s)
            p = 1.0 - c / size if size > 0 else 0.0
            keys[3 * row + m] = p if s >= 0 else 4.0 - p
            steps[3 * row + m] = turn
