r"""Exact rank r for small instances: every vertex of the cell arrangement, with all ties expanded.

Row i has K boundary planes :math:`\mathrm{Im}(e^{-i\theta_k} V_i c) = 0` in :math:`\mathbb R^{2r}`. A pointed
cell has extreme rays, and each is the intersection of 2r - 1 independent planes; labelling a ray's boundary rows
in every possible way (2 labels on a boundary, K where :math:`V_i c = 0`) visits all cells around it, whatever
coincides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from numbers import Integral

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qalgs.errors import InfeasibleError, expect

from .arcs import merge, perturbed
from .low_rank import roots

MAX_CANDIDATES = 20_000_000
_BATCH = 16384
_MAX_EXPANSION = 3**9


def predicted_candidates(n: int, rank: int, K: int = 3) -> int:
    """Return the number of rays that the exhaustive engine tries, ``2 C(K n, 2 r - 1)``."""
    return 2 * math.comb(K * n, 2 * rank - 1)


def check_candidates(n: int, rank: int, K: int = 3, limit: int = MAX_CANDIDATES) -> None:
    """Raise unless an exhaustive run stays within ``limit`` rays, naming the predicted count."""
    expect(Integral, max_candidates=limit)
    count = predicted_candidates(n, rank, K)
    if count > limit:
        raise InfeasibleError(
            f"exact rank {rank} on n = {n} rows needs 2*C({K}n, {2 * rank - 1}) = {count} candidates, "
            f"more than the limit of {limit}; lower the rank, take method='circles', or raise max_candidates"
        )


def maximize_vertices(
    factor: NDArray[np.complex128] | NDArray[np.float64],
    *,
    K: int = 3,
    top: int = 1,
    max_candidates: int = MAX_CANDIDATES,
) -> tuple[NDArray[np.float64], NDArray[np.int8], int, bool]:
    """Maximise ``||V^dagger z||^2`` exactly for any rank by exhausting the vertices of the arrangement.

    Args:
        factor: V, shape ``(n, r)``; dependent columns are compressed first.
        K: Number of labels.
        top: How many distinct patterns to return.
        max_candidates: Refuse if more rays than this would be tried.

    Returns:
        ``(scores, patterns, rays, perturbed)``; ``perturbed`` says that too many rows met in one ray, so that the
        factor was moved into general position and scored unperturbed.

    Raises:
        InfeasibleError: With the predicted count, if it exceeds ``max_candidates``.
    """
    full = np.asarray(factor, dtype=np.complex128)
    n = len(full)
    compact = _compress(full)
    rank = compact.shape[1]
    check_candidates(n, rank, K, max_candidates)
    scores, patterns, rays, overflow = _scan(compact, compact, K, top)
    if overflow:
        scores, patterns, more, _ = _scan(perturbed(compact), compact, K, top)
        rays += more
    kept, patterns = merge(full, scores, patterns, K=K, top=top)
    return kept, patterns, rays, overflow


def _compress(factor: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return a factor of the same Gram matrix ``V V^dagger`` with independent columns."""
    left, values, _ = np.linalg.svd(factor, full_matrices=False)
    keep = values > 1e-12 * max(float(values.max(initial=0.0)), 1e-300)
    keep[:1] = True
    return np.ascontiguousarray(left[:, keep] * values[keep])


def _batches(count: int, size: int) -> Iterator[NDArray[np.int64]]:
    subsets = itertools.combinations(range(count), size)
    while batch := list(itertools.islice(subsets, _BATCH)):
        yield np.array(batch, dtype=np.int64)


def _scan(
    walk: NDArray[np.complex128], exact: NDArray[np.complex128], K: int, top: int
) -> tuple[NDArray[np.float64], NDArray[np.int8], int, bool]:
    n, rank = walk.shape
    root = roots(K)
    theta = np.exp(1j * np.pi / K) * root
    rows = (walk[:, None, :] * np.conj(theta)[None, :, None]).reshape(n * K, rank)
    planes = np.concatenate([rows.imag, rows.real], axis=1)
    scores, patterns = np.full(top, -1.0), np.zeros((top, n), dtype=np.int8)
    rays, overflow = 0, False
    for subsets in _batches(n * K, 2 * rank - 1):
        count, bad = _rays(walk, exact, planes, root, theta, subsets, scores, patterns)
        rays += count
        overflow |= bool(bad)
        if overflow:
            break
    return scores[scores >= 0], patterns[scores >= 0], rays, overflow


@njit(cache=True, nogil=True)
def _null_vector(matrix, column):  # type: ignore[no-untyped-def]
    """Reduce a (d - 1, d) matrix with full pivoting and write its null vector; False if it is singular."""
    rows, cols = matrix.shape
    where = np.arange(cols)
    for step in range(rows):
        best, at_row, at_col = 0.0, step, step
        for a in range(step, rows):
            for b in range(step, cols):
                if abs(matrix[a, b]) > best:
                    best, at_row, at_col = abs(matrix[a, b]), a, b
        if best < 1e-10:
            return False
        for b in range(cols):
            matrix[step, b], matrix[at_row, b] = matrix[at_row, b], matrix[step, b]
        for a in range(rows):
            matrix[a, step], matrix[a, at_col] = matrix[a, at_col], matrix[a, step]
        where[step], where[at_col] = where[at_col], where[step]
        for a in range(step + 1, rows):
            f = matrix[a, step] / matrix[step, step]
            for b in range(step, cols):
                matrix[a, b] -= f * matrix[step, b]
    column[where[cols - 1]] = 1.0
    for step in range(rows - 1, -1, -1):
        total = matrix[step, cols - 1]
        for b in range(step + 1, rows):
            total += matrix[step, b] * column[where[b]]
        column[where[step]] = -total / matrix[step, step]
    norm = 0.0
    for b in range(cols):
        norm += column[b] ** 2
    for b in range(cols):
        column[b] /= np.sqrt(norm)
    return True


@njit(cache=True, nogil=True)
def _fill(matrix, planes, subsets, s):  # type: ignore[no-untyped-def]
    """Write the unit normals of subset ``s`` of the planes as rows; False if one of them is zero."""
    size = subsets.shape[1]
    for a in range(size):
        norm = 0.0
        for b in range(size + 1):
            matrix[a, b] = planes[subsets[s, a], b]
            norm += matrix[a, b] ** 2
        if norm == 0.0:
            return False
        for b in range(size + 1):
            matrix[a, b] /= np.sqrt(norm)
    return True


@njit(cache=True, nogil=True)
def _classify(images, negative, exact, scale, root, theta, label, tied, choices, base, fixed):  # type: ignore[no-untyped-def]
    """Label the rows inside a cell and list the others, with their choices; return (ties, their labellings).

    ``fixed`` receives the sum over the labelled rows. The count stops past the limit.
    """
    K, rank = len(root), exact.shape[1]
    count, expansion = 0, 1
    fixed[:] = 0.0
    for row in range(len(images)):
        x = -images[row] if negative else images[row]
        if x.real * x.real + x.imag * x.imag <= scale[row] * scale[row]:
            tied[count], choices[count], base[count] = row, K, 0
            count += 1
            expansion *= K
            continue
        best, pick, edge = -1e300, 0, -1
        for m in range(K):
            along = (x * np.conj(root[m])).real
            if along > best:
                best, pick = along, m
        for m in range(K):
            y = x * np.conj(theta[m])
            if abs(y.imag) <= scale[row] and y.real > 0:
                edge = m
        if edge >= 0:
            tied[count], choices[count], base[count] = row, 2, edge
            count += 1
            expansion *= 2
        else:
            label[row] = pick
            for col in range(rank):
                fixed[col] += np.conj(exact[row, col]) * root[pick]
        if expansion > _MAX_EXPANSION:
            break
    return count, expansion


@njit(cache=True, nogil=True)
def _known(label, value, scores, patterns, K):  # type: ignore[no-untyped-def]
    """Whether a kept pattern equals ``label`` up to a rotation of the labels."""
    for t in range(len(scores)):
        if scores[t] >= 0 and abs(scores[t] - value) <= 1e-9 * value:
            same = True
            for row in range(len(label)):
                if (label[row] - label[0] - patterns[t, row] + patterns[t, 0]) % K != 0:
                    same = False
                    break
            if same:
                return True
    return False


@njit(cache=True, nogil=True)
def _expand(exact, root, tied, choices, base, count, expansion, label, fixed, total, digit, scores, patterns):  # type: ignore[no-untyped-def]
    """Score every labelling of the tied rows beside the fixed ones; keep the best distinct patterns."""
    rank, K = exact.shape[1], len(root)
    digit[:count] = 0
    for _ in range(expansion):
        value = 0.0
        for col in range(rank):
            total[col] = fixed[col]
            for t in range(count):
                total[col] += np.conj(exact[tied[t], col]) * root[(base[t] + digit[t]) % K]
            value += abs(total[col]) ** 2
        slot = 0
        for t in range(1, len(scores)):
            if scores[t] < scores[slot]:
                slot = t
        if value > scores[slot] * (1 + 1e-12):
            for t in range(count):
                label[tied[t]] = (base[t] + digit[t]) % K
            if not _known(label, value, scores, patterns, K):
                scores[slot] = value
                for row in range(len(label)):
                    patterns[slot, row] = label[row]
        for t in range(count):
            digit[t] += 1
            if digit[t] < choices[t]:
                break
            digit[t] = 0


@njit(cache=True, nogil=True)
def _rays(walk, exact, planes, root, theta, subsets, scores, patterns):  # type: ignore[no-untyped-def]
    """Visit both rays of every subset of planes; return (rays, whether one had too many ties)."""
    n, rank = walk.shape
    size = subsets.shape[1]
    matrix, ray = np.empty((size, size + 1)), np.empty(size + 1)
    label, tied = np.empty(n, np.int64), np.empty(n, np.int64)
    choices, base, digit = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    fixed, total = np.empty(rank, np.complex128), np.empty(rank, np.complex128)
    scale, images = np.empty(n), np.empty(n, np.complex128)
    for row in range(n):
        norm = 0.0
        for col in range(rank):
            norm += abs(walk[row, col]) ** 2
        scale[row] = 1e-9 * np.sqrt(norm)
    rays = 0
    for s in range(len(subsets)):
        if not _fill(matrix, planes, subsets, s) or not _null_vector(matrix, ray):
            continue
        for row in range(n):
            images[row] = 0.0
            for col in range(rank):
                images[row] += walk[row, col] * complex(ray[col], ray[rank + col])
        for negative in (False, True):
            rays += 1
            count, expansion = _classify(
                images, negative, exact, scale, root, theta, label, tied, choices, base, fixed
            )
            if expansion > _MAX_EXPANSION:
                return rays, True
            _expand(
                exact, root, tied, choices, base, count, expansion, label, fixed, total, digit, scores, patterns
            )
    return rays, False
