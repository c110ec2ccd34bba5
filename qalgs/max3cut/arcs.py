r"""Exact rank 2 for complex factors: walk every arc where two rows sit on their sector boundaries.

For complex V of shape (n, 2) the maximum of :math:`\|V^\dagger z\|^2` over K-th roots of unity is attained by the
rounding pattern of some open cell of :math:`\{c : \mathrm{round}(Vc)\ \text{constant}\}`. Every cell touches an
arc :math:`c(\tau) = M^{-1}[\,|V_i| e^{i\theta_0},\ \tau |V_j| e^{i\theta_k}]`, :math:`M = [V_i; V_j]`,
:math:`\tau \in (0, \infty)`, up to a global rotation; along it each other row steps over few boundaries, and each
segment between two steps belongs to four cells. In all about 1.125 n^3 segments for K = 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .low_rank import roots, score

_PERTURBATION = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class ArcChunk:
    """What one range of pairs contributes; plain data, so that it travels between processes and into files.

    Attributes:
        start: First pair of the range, in lexicographic order of i < j.
        stop: One past the last pair.
        scores: Scores of the best patterns found, falling.
        patterns: Their labels, shape ``(len(scores), n)``.
        segments: Segments walked; four cells are scored in each.
        ties: Places where the factor is degenerate, so that cells may have been missed.
    """

    start: int
    stop: int
    scores: NDArray[np.float64]
    patterns: NDArray[np.int8]
    segments: int
    ties: int


def pairs(n: int) -> int:
    """Return the number of pairs i < j that a full walk covers."""
    return n * (n - 1) // 2


def predicted_segments(n: int) -> int:
    """Return the expected number of segments of a full walk with K = 3."""
    return round(1.125 * n**3)


def arcs_chunk(
    walk: NDArray[np.complex128],
    exact: NDArray[np.complex128],
    start: int,
    stop: int,
    *,
    K: int = 3,
    top: int = 1,
) -> ArcChunk:
    """Walk the arcs of a range of pairs.

    Args:
        walk: The factor that shapes the arcs, shape ``(n, 2)``; in general position.
        exact: The factor that scores; the same as ``walk`` unless that was perturbed.
        start: First pair.
        stop: One past the last pair.
        K: Number of labels, at least 2.
        top: How many patterns to keep (the best of each arc compete).

    Returns:
        The best patterns of the range.
    """
    n = len(walk)
    scores = np.full(top, -1.0)
    patterns = np.zeros((top, n), dtype=np.int8)
    walk = np.ascontiguousarray(walk, dtype=np.complex128)
    exact = np.ascontiguousarray(exact, dtype=np.complex128)
    segments, ties = _walk(walk, exact, roots(K), start, stop, scores, patterns)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= 0]
    return ArcChunk(start, stop, scores[order], patterns[order], int(segments), int(ties))


def perturbed(factor: NDArray[np.complex128] | NDArray[np.float64]) -> NDArray[np.complex128]:
    """Move a factor into general position by fixed noise of 1e-7 of its largest entry; open cells survive."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(factor.shape) + 1j * rng.standard_normal(factor.shape)
    return np.asarray(factor + _PERTURBATION * max(float(np.abs(factor).max(initial=0.0)), 1e-300) * noise)


def maximize_arcs(
    factor: NDArray[np.complex128] | NDArray[np.float64], *, K: int = 3, top: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int8], int, bool]:
    """Return ``(scores, patterns, segments, degenerate)`` of a full walk in this process.

    A factor found degenerate (ties between steps, parallel rows) is walked again slightly perturbed and scored
    unperturbed; returned scores are always recomputed from the patterns.
    """
    factor = np.asarray(factor, dtype=np.complex128)
    n = len(factor)
    if n == 1:
        labels = np.zeros((1, 1), dtype=np.int8)
        return np.array([score(factor, labels[0], K)]), labels, 0, False
    degenerate = not factor.imag.any()
    chunk = None
    if not degenerate:
        chunk = arcs_chunk(factor, factor, 0, pairs(n), K=K, top=top)
        degenerate = chunk.ties > 0
    segments = 0 if chunk is None else chunk.segments
    if degenerate or chunk is None:
        again = arcs_chunk(perturbed(factor), factor, 0, pairs(n), K=K, top=top)
        segments += again.segments
        scores = np.concatenate([again.scores, *([] if chunk is None else [chunk.scores])])
        patterns = np.concatenate([again.patterns, *([] if chunk is None else [chunk.patterns])])
    else:
        scores, patterns = chunk.scores, chunk.patterns
    kept, patterns = merge(factor, scores, patterns, K=K, top=top)
    return kept, patterns, segments, degenerate


def merge(
    factor: NDArray[np.complex128], scores: NDArray[np.float64], patterns: NDArray[np.int8], *, K: int, top: int
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Recompute scores, drop rotations of the same pattern and keep the best; walked scores must agree."""
    rotated = (patterns - patterns[:, :1]) % K
    _, first = np.unique(rotated, axis=0, return_index=True)
    fresh = np.array([score(factor, patterns[i], K) for i in first])
    if len(first) and not np.allclose(fresh, scores[first], rtol=1e-6, atol=1e-9 * (1 + abs(fresh).max())):
        raise ArithmeticError("a walked score differs from its recomputed value; the factor is badly scaled")
    order = np.lexsort((first, -fresh))[:top]
    return fresh[order], rotated[first[order]].astype(np.int8)


def cells(factor: NDArray[np.complex128], K: int = 3) -> NDArray[np.int64]:
    r"""Return all distinct rounding patterns modulo rotation as base-K numbers, for small n.

    For generic complex V with K = 3 there are :math:`n + \binom n2 + X` of them with
    :math:`2\binom n3 \le X \le 3\binom n3`.

    Args:
        factor: V in general position, shape ``(n, 2)``; ``n log2(K)`` below 62.
        K: Number of labels.

    Returns:
        Sorted codes ``sum_l label_l K**l`` with ``label_0 = 0``.
    """
    factor = np.ascontiguousarray(factor, dtype=np.complex128)
    n = len(factor)
    if n * math.log2(K) > 62:
        raise ValueError(
            f"n * log2(K) must be at most 62 to number the cells, got n = {n}, K = {K}; take fewer rows"
        )
    buffer = np.zeros(max(16, 4 * K * pairs(n) * (2 * n + 1)), dtype=np.int64)
    count = _codes(factor, roots(K), buffer)
    return np.unique(buffer[:count])


@njit(cache=True, nogil=True)
def _pair(walk, root, i, j, p, q, first, last):  # type: ignore[no-untyped-def]
    """Values of all rows at both ends of the arcs of a pair, turned by -theta_0, and their sectors there."""
    n, K = len(walk), len(root)
    a, b, c, d = walk[i, 0], walk[i, 1], walk[j, 0], walk[j, 1]
    determinant = a * d - b * c
    size_i = math.sqrt(abs(a) ** 2 + abs(b) ** 2)
    size_j = math.sqrt(abs(c) ** 2 + abs(d) ** 2)
    if abs(determinant) <= 1e-12 * size_i * size_j:
        return False
    x0, x1 = d / determinant * size_i, -c / determinant * size_i
    y0, y1 = -b / determinant * size_j, a / determinant * size_j
    for row in range(n):
        p[row] = walk[row, 0] * x0 + walk[row, 1] * x1
        q[row] = walk[row, 0] * y0 + walk[row, 1] * y1
        first[row] = _sector(p[row], root, K)
        last[row] = _sector(q[row], root, K)
    return True


@njit(cache=True, nogil=True)
def _sector(x, root, K):  # type: ignore[no-untyped-def]
    """Sector of x e^{i theta_0}: sector m lies between boundaries m - 1 and m, at angles 2 pi m / K for x."""
    for m in range(1, K):
        u, v = root[m - 1], root[m]
        if x.imag * u.real - x.real * u.imag >= 0 and x.imag * v.real - x.real * v.imag < 0:
            return m
    return 0


@njit(cache=True, nogil=True)
def _events(root, i, j, k, p, q, first, last, keys, rows, steps, buckets, spare):  # type: ignore[no-untyped-def]
    """List the boundary steps along one arc, sorted by tau / (1 + tau); return their number and the ties met."""
    n, K = len(p), len(root)
    count, ties = 0, 0
    for row in range(n):
        if row in (i, j):
            continue
        start = first[row]
        end = last[row] + k
        if end >= K:
            end -= K
        if start == end:
            continue
        x, y = p[row], q[row] * root[k]
        turn = x.real * y.imag - x.imag * y.real
        step = 1 if turn > 0 else -1
        label = start
        while label != end:
            m = label if step > 0 else (label - 1 if label > 0 else K - 1)
            r = root[m]
            down = abs(x.imag * r.real - x.real * r.imag)
            up = abs(y.imag * r.real - y.real * r.imag)
            if down + up <= 1e-12 * (abs(x.real) + abs(x.imag) + abs(y.real) + abs(y.imag)):
                ties += 1
            spare[count] = down / (down + up) if down + up > 0 else 0.5
            rows[count] = row
            steps[count] = step
            count += 1
            label += step
            if label >= K:
                label -= K
            elif label < 0:
                label += K
    if count == 0:
        return 0, ties
    # Bucket sort: the keys are spread over (0, 1), so that insertion inside the buckets is short.
    scale = count
    for b in range(scale + 1):
        buckets[b] = 0
    for e in range(count):
        buckets[min(int(spare[e] * scale), scale - 1) + 1] += 1
    for b in range(scale):
        buckets[b + 1] += buckets[b]
    for e in range(count):
        b = min(int(spare[e] * scale), scale - 1)
        keys[buckets[b]] = e
        buckets[b] += 1
    for e in range(1, count):
        item = keys[e]
        value = spare[item]
        f = e - 1
        while f >= 0 and spare[keys[f]] > value:
            keys[f + 1] = keys[f]
            f -= 1
        keys[f + 1] = item
    previous = 0.0
    for e in range(count):
        value = spare[keys[e]]
        if value - previous <= 1e-13 or value >= 1.0 - 1e-13:
            ties += 1
        previous = value
    return count, ties


@njit(cache=True, nogil=True)
def _unrank(pair, n):  # type: ignore[no-untyped-def]
    i = 0
    while pair >= n - 1 - i:
        pair -= n - 1 - i
        i += 1
    return i, i + 1 + pair


@njit(cache=True, nogil=True)
def _walk(walk, exact, root, start, stop, scores, patterns):  # type: ignore[no-untyped-def]
    n, K = len(walk), len(root)
    p, q = np.empty(n, np.complex128), np.empty(n, np.complex128)
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    keys, rows, steps = np.empty(K * n, np.int64), np.empty(K * n, np.int64), np.empty(K * n, np.int64)
    buckets, spare = np.empty(K * n + 2, np.int64), np.empty(K * n)
    label = np.empty(n, np.int64)
    # Change of s = V^dagger z when a row steps up from label k, as four reals.
    jump = np.empty((n, K, 4))
    for row in range(n):
        for k in range(K):
            turn = root[(k + 1) % K] - root[k]
            for col in range(2):
                value = np.conj(exact[row, col]) * turn
                jump[row, k, 2 * col], jump[row, k, 2 * col + 1] = value.real, value.imag
    ends = np.empty((4, 5))
    segments, ties = 0, 0
    i, j = _unrank(start, n)
    for _ in range(start, stop):
        if _pair(walk, root, i, j, p, q, first, last):
            for k in range(K):
                count, met = _events(root, i, j, k, p, q, first, last, keys, rows, steps, buckets, spare)
                ties += met
                segments += count + 1
                s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
                for row in range(n):
                    label[row] = first[row]
                    if row != i and row != j:
                        z = root[first[row]]
                        u, v = np.conj(exact[row, 0]) * z, np.conj(exact[row, 1]) * z
                        s0, s1, s2, s3 = s0 + u.real, s1 + u.imag, s2 + v.real, s3 + v.imag
                for c in range(4):
                    zi, zj = root[c & 1], root[(k + (c >> 1)) % K]
                    u = np.conj(exact[i, 0]) * zi + np.conj(exact[j, 0]) * zj
                    v = np.conj(exact[i, 1]) * zi + np.conj(exact[j, 1]) * zj
                    ends[c, 0], ends[c, 1], ends[c, 2], ends[c, 3] = 2 * u.real, 2 * u.imag, 2 * v.real, 2 * v.imag
                    ends[c, 4] = abs(u) ** 2 + abs(v) ** 2
                best, where = -1.0, 0
                for e in range(count + 1):
                    e0 = ends[0, 0] * s0 + ends[0, 1] * s1 + ends[0, 2] * s2 + ends[0, 3] * s3 + ends[0, 4]
                    e1 = ends[1, 0] * s0 + ends[1, 1] * s1 + ends[1, 2] * s2 + ends[1, 3] * s3 + ends[1, 4]
                    e2 = ends[2, 0] * s0 + ends[2, 1] * s1 + ends[2, 2] * s2 + ends[2, 3] * s3 + ends[2, 4]
                    e3 = ends[3, 0] * s0 + ends[3, 1] * s1 + ends[3, 2] * s2 + ends[3, 3] * s3 + ends[3, 4]
                    value = s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3 + max(max(e0, e1), max(e2, e3))
                    if value > best:
                        best, where = value, e
                    if e < count:
                        row, step = rows[keys[e]], steps[keys[e]]
                        old = label[row]
                        new = old + step
                        if new >= K:
                            new -= K
                        elif new < 0:
                            new += K
                        label[row] = new
                        if step > 0:
                            s0, s1 = s0 + jump[row, old, 0], s1 + jump[row, old, 1]
                            s2, s3 = s2 + jump[row, old, 2], s3 + jump[row, old, 3]
                        else:
                            s0, s1 = s0 - jump[row, new, 0], s1 - jump[row, new, 1]
                            s2, s3 = s2 - jump[row, new, 2], s3 - jump[row, new, 3]
                slot = 0
                for t in range(1, len(scores)):
                    if scores[t] < scores[slot]:
                        slot = t
                if best > scores[slot]:
                    _keep(root, exact, i, j, k, first, rows, steps, keys, where, patterns[slot])
                    scores[slot] = best
        else:
            ties += 1
        j += 1
        if j == n:
            i += 1
            j = i + 1
    return segments, ties


@njit(cache=True, nogil=True)
def _keep(root, exact, i, j, k, first, rows, steps, keys, where, pattern):  # type: ignore[no-untyped-def]
    """Write the pattern of segment ``where`` with the best of its four end labels."""
    n, K = len(first), len(root)
    for row in range(n):
        pattern[row] = first[row]
    for e in range(where):
        pattern[rows[keys[e]]] = (pattern[rows[keys[e]]] + steps[keys[e]]) % K
    best, choice = -1.0, 0
    for c in range(4):
        pattern[i], pattern[j] = c & 1, (k + (c >> 1)) % K
        value = 0.0
        for col in range(2):
            total = 0.0 + 0.0j
            for row in range(n):
                total += np.conj(exact[row, col]) * root[pattern[row]]
            value += abs(total) ** 2
        if value > best:
            best, choice = value, c
    pattern[i], pattern[j] = choice & 1, (k + (choice >> 1)) % K


@njit(cache=True, nogil=True)
def _codes(walk, root, buffer):  # type: ignore[no-untyped-def]
    n, K = len(walk), len(root)
    p, q = np.empty(n, np.complex128), np.empty(n, np.complex128)
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    keys, rows, steps = np.empty(K * n, np.int64), np.empty(K * n, np.int64), np.empty(K * n, np.int64)
    buckets, spare = np.empty(K * n + 2, np.int64), np.empty(K * n)
    label = np.empty(n, np.int64)
    filled = 0
    for i in range(n):
        for j in range(i + 1, n):
            if not _pair(walk, root, i, j, p, q, first, last):
                continue
            for k in range(K):
                count, _ = _events(root, i, j, k, p, q, first, last, keys, rows, steps, buckets, spare)
                label[:] = first
                for e in range(count + 1):
                    for c in range(4):
                        label[i], label[j] = c & 1, (k + (c >> 1)) % K
                        code = 0
                        for row in range(n - 1, -1, -1):
                            code = code * K + (label[row] - label[0]) % K
                        buffer[filled] = code
                        filled += 1
                    if e < count:
                        label[rows[keys[e]]] = (label[rows[keys[e]]] + steps[keys[e]]) % K
    return filled
