"""Pauli sums applied to split statevectors, without matrices.

Terms are grouped by their X part: with P = i**ny X^x Z^z, the group of one x maps |i> to D_x(i) |i ^ x> with
D_x(i) = sum_z c_z i**ny (-1)**|z & i|, a Walsh-Hadamard transform of the coefficients. Small tables D_x are kept;
large ones are made block by block while the state streams past.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qalgs.backends.kernels_lanes import LANES
from qalgs.backends.kernels_math import FASTMATH, Floats, Integers, parity
from qalgs.backends.kernels_pauli_lanes import CONSTANT, IMAGINARY, REAL, add_lanes, dot_lanes

# Diagonals are made in blocks of 2**BLOCK entries, which stay in the first-level cache.
BLOCK = 10


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def diagonal_block(first: int, stop: int, zs: Integers, coef: Floats, high: int, bits: int, out: Floats) -> None:
    """Write D(i) = sum_t coef[t] (-1)**|zs[t] & i| for the 2**bits indices i that start at ``high``."""
    size = 1 << bits
    union = 0
    for k in range(size):
        out[k] = 0.0
    for t in range(first, stop):
        low = zs[t] & (size - 1)
        union |= low
        out[low] += coef[t] * (1.0 - 2.0 * parity(zs[t] & high))
    for b in range(bits):
        s = 1 << b
        if union & s:
            for base in range(0, size, 2 * s):
                for k in range(base, base + s):
                    x = out[k]
                    y = out[k + s]
                    out[k] = x + y
                    out[k + s] = x - y
    for b in range(bits):
        s = 1 << b
        if not union & s:
            for base in range(0, size, 2 * s):
                for k in range(base, base + s):
                    out[k + s] = out[k]


@njit(cache=True)
def diagonal_tables(n: int, ptr: Integers, zs: Integers, cr: Floats, ci: Floats, out: Floats) -> None:
    """Write every D_x in full: ``out[g, 0]`` real and ``out[g, 1]`` imaginary parts."""
    for g in range(ptr.shape[0] - 1):
        diagonal_block(ptr[g], ptr[g + 1], zs, cr, 0, n, out[g, 0])
        diagonal_block(ptr[g], ptr[g + 1], zs, ci, 0, n, out[g, 1])


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def add_product(
    dr: Floats, di: Floats, scale: float, sr: Floats, si: Floats, x: int, kind: int, outr: Floats, outi: Floats
) -> None:
    """Add D(j ^ x) psi(j ^ x) to out(j) for one block that holds both; D is ``scale`` if constant."""
    n = outr.shape[0]
    if n >= LANES:
        add_lanes(kind, x & (LANES - 1), x & -LANES, n // LANES, scale, dr, di, sr, si, outr, outi)
        return
    for k in range(n):
        j = k ^ x
        if kind == CONSTANT:
            outr[k] += scale * sr[j]
            outi[k] += scale * si[j]
        if kind & REAL:
            outr[k] += dr[j] * sr[j]
            outi[k] += dr[j] * si[j]
        if kind & IMAGINARY:
            outr[k] -= di[j] * si[j]
            outi[k] += di[j] * sr[j]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def dot_product(
    dr: Floats, di: Floats, sr: Floats, si: Floats, tr: Floats, ti: Floats, x: int, kind: int, inside: bool
) -> float:
    """Return Re sum_i conj(psi(i ^ x)) D(i) psi(i) for one block; ``t`` is the block that holds i ^ x.

    D is left out if constant. If the pairs i, i ^ x lie ``inside`` the block, their two terms are equal for
    Hermitian H: half are summed.
    """
    n = sr.shape[0]
    if n >= LANES:
        high = x & -LANES
        count = n // LANES
        if not inside or high == 0:
            return dot_lanes(kind, x & (LANES - 1), high, 0, count, dr, di, sr, si, tr, ti)
        half = highest(high)
        return 2.0 * dot_lanes(kind, x & (LANES - 1), high, half, count // 2, dr, di, sr, si, tr, ti)
    total = 0.0
    for k in range(n):
        j = k ^ x
        if kind == CONSTANT:
            total += sr[k] * tr[j] + si[k] * ti[j]
        if kind & REAL:
            total += dr[k] * (sr[k] * tr[j] + si[k] * ti[j])
        if kind & IMAGINARY:
            total += di[k] * (sr[k] * ti[j] - si[k] * tr[j])
    return total


@njit(cache=True, forceinline=True)
def highest(x: int) -> int:
    """Return the highest set bit of a positive number."""
    top = 1
    while 2 * top <= x:
        top *= 2
    return top


@njit(cache=True, forceinline=True)
def diagonals(
    g: int,
    start: int,
    bits: int,
    ptr: Integers,
    zs: Integers,
    cr: Floats,
    ci: Floats,
    kind: int,
    table: Floats,
    buffer: Floats,
) -> tuple[Floats, Floats]:
    """Return real and imaginary part of D_x of group ``g`` for the 2**bits indices from ``start`` on."""
    size = 1 << bits
    if table.shape[0]:
        return table[g, 0, start : start + size], table[g, 1, start : start + size]
    dr = buffer[:size]
    di = buffer[size : 2 * size]
    if kind & REAL:
        diagonal_block(ptr[g], ptr[g + 1], zs, cr, start, bits, dr)
    if kind & IMAGINARY:
        diagonal_block(ptr[g], ptr[g + 1], zs, ci, start, bits, di)
    return dr, di


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_sum(
    n: int,
    xs: Integers,
    ptr: Integers,
    zs: Integers,
    cr: Floats,
    ci: Floats,
    kinds: Integers,
    table: Floats,
    re: Floats,
    im: Floats,
    outr: Floats,
    outi: Floats,
    buffer: Floats,
) -> None:
    """Write H psi.

    ``kinds[g]`` has bit 1 if D_x has a real part and bit 2 if it has an imaginary one; it is 4 if D_x is a real
    constant.
    """
    size = re.shape[0]
    for k in range(size):
        outr[k] = 0.0
        outi[k] = 0.0
    bits = min(n, BLOCK)
    block = 1 << bits
    for high in range(0, size, block):
        pr = outr[high : high + block]
        pi = outi[high : high + block]
        for g in range(xs.shape[0]):
            x = xs[g]
            src = high ^ (x & -block)
            dr, di = diagonals(g, src, bits, ptr, zs, cr, ci, kinds[g], table, buffer)
            sr = re[src : src + block]
            si = im[src : src + block]
            add_product(dr, di, cr[ptr[g]], sr, si, x & (block - 1), kinds[g], pr, pi)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def expect_sum(
    n: int,
    xs: Integers,
    ptr: Integers,
    zs: Integers,
    cr: Floats,
    ci: Floats,
    kinds: Integers,
    table: Floats,
    re: Floats,
    im: Floats,
    buffer: Floats,
) -> float:
    """Return <psi|H|psi> for Hermitian H; ``kinds`` as in :func:`apply_sum`."""
    size = re.shape[0]
    bits = min(n, BLOCK)
    block = 1 << bits
    total = 0.0
    for g in range(xs.shape[0]):
        x = xs[g]
        kind = kinds[g]
        part = 0.0
        if size == block or table.shape[0] or kind == CONSTANT:  # nothing to be made block by block
            dr, di = diagonals(g, 0, n, ptr, zs, cr, ci, kind, table, buffer)
            part = dot_product(dr, di, re, im, re, im, x, kind, True)
        else:
            above = x >= block  # then every other run of blocks suffices
            half = highest(x) if above else 0
            for high in range(0, size, block):
                if high & half:
                    continue
                dst = high ^ (x & -block)
                dr, di = diagonals(g, high, bits, ptr, zs, cr, ci, kind, table, buffer)
                sr = re[high : high + block]
                si = im[high : high + block]
                tr = re[dst : dst + block]
                ti = im[dst : dst + block]
                part += dot_product(dr, di, sr, si, tr, ti, x & (block - 1), kind, not above)
            if above:
                part *= 2.0
        total += part * cr[ptr[g]] if kind == CONSTANT else part
    return total


@njit(cache=True)
def run_sum(
    n: int,
    xs: Integers,
    ptr: Integers,
    zs: Integers,
    cr: Floats,
    ci: Floats,
    kinds: Integers,
    table: Floats,
    states: Floats,
    out: Floats,
    energies: Floats,
) -> None:
    """Write H psi to ``out`` for states (B, 2N) of re, im pairs, or if it is empty <psi|H|psi> to ``energies``."""
    size = 1 << n
    scratch = np.empty((4, size))
    re, im, outr, outi = scratch[0], scratch[1], scratch[2], scratch[3]
    buffer = np.empty(2 << min(n, BLOCK))
    for b in range(states.shape[0]):
        for k in range(size):
            re[k] = states[b, 2 * k]
            im[k] = states[b, 2 * k + 1]
        if out.shape[0] == 0:
            energies[b] = expect_sum(n, xs, ptr, zs, cr, ci, kinds, table, re, im, buffer)
            continue
        apply_sum(n, xs, ptr, zs, cr, ci, kinds, table, re, im, outr, outi, buffer)
        for k in range(size):
            out[b, 2 * k] = outr[k]
            out[b, 2 * k + 1] = outi[k]
