"""Quantum trajectories: a noisy circuit on state vectors, one randomly chosen Kraus operator per channel and shot.

A channel ``rho -> sum_k K_k rho K_k^+`` on one or two qubits turns |psi> into ``K_k |psi> / sqrt(p_k)`` with
probability ``p_k = <psi| K_k^+ K_k |psi>`` (Dalibard, Castin, Molmer, PRL 68, 580 (1992)). The first operator of a
weak channel is nearly unitary: its probability is at least the smallest eigenvalue of ``K_0^+ K_0`` whatever the
state, so most draws are decided without looking at the state.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from qalgs.backends.kernels import apply_one
from qalgs.backends.kernels_math import FASTMATH, Floats, Integers
from qalgs.backends.kernels_pauli import BLOCK, expect_sum
from qalgs.backends.kernels_run import observable_tables, vectors

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, forceinline=True)
def mixed(x: np.uint64) -> np.uint64:
    """Return a scrambled word: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


@njit(cache=True, forceinline=True)
def draw(source: Words) -> float:
    """Return a uniform number in [0, 1) and move the generator ``source`` (1 word) on."""
    source[0] += _STEP
    return float(mixed(source[0]) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_two(re: Floats, im: Floats, q: int, r: int, u: Floats, scale: float) -> float:
    """Apply ``scale`` times a 4 x 4 matrix to qubits ``q`` (lower digit) and ``r``; return the squared norm."""
    n = re.shape[0]
    low = 1 << min(q, r)
    high = 1 << max(q, r)
    a = 1 << q
    b = 1 << r
    v = np.empty(32)
    for k in range(32):
        v[k] = scale * u[k]
    total = 0.0
    for i in range(0, n, 2 * high):
        for j in range(i, i + high, 2 * low):
            x0, y0 = re[j : j + low], im[j : j + low]
            x1, y1 = re[j + a : j + a + low], im[j + a : j + a + low]
            x2, y2 = re[j + b : j + b + low], im[j + b : j + b + low]
            x3, y3 = re[j + a + b : j + a + b + low], im[j + a + b : j + a + b + low]
            for k in range(low):
                c0, c1, c2, c3 = x0[k], x1[k], x2[k], x3[k]
                d0, d1, d2, d3 = y0[k], y1[k], y2[k], y3[k]
                p0 = v[0] * c0 - v[1] * d0 + v[2] * c1 - v[3] * d1 + v[4] * c2 - v[5] * d2 + v[6] * c3 - v[7] * d3
                s0 = v[0] * d0 + v[1] * c0 + v[2] * d1 + v[3] * c1 + v[4] * d2 + v[5] * c2 + v[6] * d3 + v[7] * c3
                p1 = v[8] * c0 - v[9] * d0 + v[10] * c1 - v[11] * d1
                p1 += v[12] * c2 - v[13] * d2 + v[14] * c3 - v[15] * d3
                s1 = v[8] * d0 + v[9] * c0 + v[10] * d1 + v[11] * c1
                s1 += v[12] * d2 + v[13] * c2 + v[14] * d3 + v[15] * c3
                p2 = v[16] * c0 - v[17] * d0 + v[18] * c1 - v[19] * d1
                p2 += v[20] * c2 - v[21] * d2 + v[22] * c3 - v[23] * d3
                s2 = v[16] * d0 + v[17] * c0 + v[18] * d1 + v[19] * c1
                s2 += v[20] * d2 + v[21] * c2 + v[22] * d3 + v[23] * c3
                p3 = v[24] * c0 - v[25] * d0 + v[26] * c1 - v[27] * d1
                p3 += v[28] * c2 - v[29] * d2 + v[30] * c3 - v[31] * d3
                s3 = v[24] * d0 + v[25] * c0 + v[26] * d1 + v[27] * c1
                s3 += v[28] * d2 + v[29] * c2 + v[30] * d3 + v[31] * c3
                x0[k] = p0
                x1[k] = p1
                x2[k] = p2
                x3[k] = p3
                y0[k] = s0
                y1[k] = s1
                y2[k] = s2
                y3[k] = s3
                total += p0 * p0 + p1 * p1 + p2 * p2 + p3 * p3 + s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3
    return total


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def reduced(re: Floats, im: Floats, q: int, r: int, rho: Floats) -> None:
    """Write <psi| (|m><k|) |psi> = sum conj(psi_m) psi_k for k, m of qubits ``q`` and ``r`` (-1 for none)."""
    n = re.shape[0]
    dim = 2 if r < 0 else 4
    a = 1 << q
    b = 0 if r < 0 else 1 << r
    for k in range(2 * dim * dim):
        rho[k] = 0.0
    xs = np.empty(4)
    ys = np.empty(4)
    for i in range(n):
        if i & (a | b):
            continue
        for k in range(dim):
            j = i + (k & 1) * a + (k >> 1) * b
            xs[k] = re[j]
            ys[k] = im[j]
        for k in range(dim):
            for m in range(dim):
                rho[2 * (k * dim + m)] += xs[k] * xs[m] + ys[k] * ys[m]
                rho[2 * (k * dim + m) + 1] += ys[k] * xs[m] - xs[k] * ys[m]


@njit(cache=True, forceinline=True)
def choose(
    channel: Integers, floor: float, weights: Floats, re: Floats, im: Floats, source: Words, rho: Floats
) -> int:
    """Return the position of the Kraus operator drawn for one channel (qubit, qubit or -1, start, stop)."""
    q, r, start, stop = channel[0], channel[1], channel[2], channel[3]
    u = draw(source)
    if u < floor or stop - start == 1:
        return start
    reduced(re, im, q, r, rho)
    size = 8 if r < 0 else 32
    dim = 2 if r < 0 else 4
    total = 0.0
    for k in range(dim):
        total += rho[2 * (k * dim + k)]
    chosen = start
    sum_ = 0.0
    for k in range(start, stop):
        p = 0.0  # Tr(K^+ K rho), real
        for m in range(0, size, 2):
            row = m // 2 // dim
            column = m // 2 % dim
            place = 2 * (column * dim + row)
            p += weights[k, m] * rho[place] - weights[k, m + 1] * rho[place + 1]
        if p > 0.0:
            chosen = k
            sum_ += p
        if sum_ > u * total:
            return chosen
    return chosen


@njit(cache=True, forceinline=True)
def trajectory(
    table: Integers, floors: Floats, kraus: Floats, weights: Floats, re: Floats, im: Floats, source: Words
) -> float:
    """Run one shot from |0...0>; return the squared norm of the state that is left in ``re, im``."""
    n = re.shape[0]
    for k in range(n):
        re[k] = 0.0
        im[k] = 0.0
    re[0] = 1.0
    norm = 1.0
    rho = np.empty(32)
    work = np.empty(32)
    u = np.empty(8)
    for c in range(table.shape[0]):
        k = choose(table[c], floors[c], weights, re, im, source, rho)
        scale = 1.0 / math.sqrt(norm)
        if table[c, 1] >= 0:
            norm = apply_two(re, im, table[c, 0], table[c, 1], kraus[k], scale)
        else:
            for m in range(8):
                u[m] = scale * kraus[k, m]
            apply_one(re, im, table[c, 0], u, work)
            norm = squared_norm(re, im)
    return norm


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def squared_norm(re: Floats, im: Floats) -> float:
    """Return <psi|psi>."""
    total = 0.0
    for k in range(re.shape[0]):
        total += re[k] * re[k] + im[k] * im[k]
    return total


@njit(cache=True, forceinline=True)
def outcome(re: Floats, im: Floats, norm: float, source: Words) -> int:
    """Return a basis state drawn from |psi|^2."""
    left = draw(source) * norm
    last = 0
    for k in range(re.shape[0]):
        p = re[k] * re[k] + im[k] * im[k]
        if p > 0.0:
            last = k
            left -= p
            if left < 0.0:
                return k
    return last


@njit(cache=True, nogil=True)
def sample_shots(
    n: int,
    table: Integers,
    floors: Floats,
    kraus: Floats,
    weights: Floats,
    qubits: Integers,
    flips: Floats,
    key: int,
    first: int,
    out: Integers,
) -> None:
    """Write the measured bits of shots ``first``, ``first + 1``, ...: bit k of ``out[s]`` is qubit ``qubits[k]``.

    Args:
        n: Number of qubits.
        table: Channels, see :func:`choose`.
        floors: For each channel the least probability of its first operator.
        kraus, weights: Operators K and K^+ K, as (re, im) pairs by rows.
        flips: Readout errors p(1|0), p(0|1) of ``qubits``, shape (len(qubits), 2).
        key: Seed; shot s has a stream of its own, whatever other shots are run with it.
    """
    scratch = vectors(2, 1 << n)
    re, im = scratch[0], scratch[1]
    source = np.empty(1, dtype=np.uint64)
    for s in range(out.shape[0]):
        source[0] = mixed(np.uint64(key) ^ mixed(np.uint64(first + s) + _STEP))
        norm = trajectory(table, floors, kraus, weights, re, im, source)
        state = outcome(re, im, norm, source)
        word = 0
        for k in range(qubits.shape[0]):
            bit = (state >> qubits[k]) & 1
            if draw(source) < flips[k, bit]:
                bit = 1 - bit
            word |= bit << k
        out[s] = word


@njit(cache=True, nogil=True)
def average_shots(
    n: int,
    table: Integers,
    floors: Floats,
    kraus: Floats,
    weights: Floats,
    starts: Integers,
    o_ints: Integers,
    o_floats: Floats,
    key: int,
    first: int,
    out: Floats,
) -> None:
    """Write <psi|H_k|psi> / <psi|psi> of every shot and observable to ``out`` (shots, observables).

    ``o_ints`` and ``o_floats`` hold the packed observables one after the other, ``starts[k]`` where k begins in
    each; the other arguments are those of :func:`sample_shots`.
    """
    scratch = vectors(2, 1 << n)
    re, im = scratch[0], scratch[1]
    buffer = np.empty(2 << min(n, BLOCK))
    source = np.empty(1, dtype=np.uint64)
    for s in range(out.shape[0]):
        source[0] = mixed(np.uint64(key) ^ mixed(np.uint64(first + s) + _STEP))
        norm = trajectory(table, floors, kraus, weights, re, im, source)
        for k in range(out.shape[1]):
            ints = o_ints[starts[k, 0] : starts[k + 1, 0]]
            floats = o_floats[starts[k, 1] : starts[k + 1, 1]]
            xs, ptr, zs, cr, ci, kinds, tables = observable_tables(n, ints, floats)
            out[s, k] = expect_sum(n, xs, ptr, zs, cr, ci, kinds, tables, re, im, buffer) / norm
