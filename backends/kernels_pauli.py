"""Pauli sums applied to split statevectors, without matrices.

Terms are grouped by their X part: with P = i**ny X^x Z^z, the group of one x maps |i> to D_x(i) |i ^ x> with
D_x(i) = sum_z c_z i**ny (-1)**|z & i|, a Walsh-Hadamard transform of the coefficients. Small tables D_x are kept;
large ones are made block by block while the state streams past.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qalgs.backends.kernels_math import FASTMATH, Floats, Integers, parity

# Diagonals are made in blocks of 2**BLOCK entries, which stay in the first-level cache.
BLOCK = 10


@njit(cache=True, fastmath=FASTMATH)
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


@njit(cache=True, fastmath=FASTMATH)
def add_product(
    dr: Floats, di: Floats, scale: float, sr: Floats, si: Floats, x: int, kind: int, outr: Floats, outi: Floats
) -> None:
    """Add D(j ^ x) psi(j ^ x) to out(j) for one block that holds both; D is ``scale`` if constant."""
    n = outr.shape[0]
    run = x & -x if x else n
    if run < 8:
        y = np.uint64(x)
        for k in range(np.uint64(n)):
            j = k ^ y
            if kind & 4:
                outr[k] += scale * sr[j]
                outi[k] += scale * si[j]
            if kind & 1:
                outr[k] += dr[j] * sr[j]
                outi[k] += dr[j] * si[j]
            if kind & 2:
                outr[k] -= di[j] * si[j]
                outi[k] += di[j] * sr[j]
        return
    for base in range(0, n, run):
        other = base ^ x
        a = dr[other : other + run]
        b = di[other : other + run]
        c = sr[other : other + run]
        d = si[other : other + run]
        p = outr[base : base + run]
        q = outi[base : base + run]
        if kind & 4:
            for k in range(run):
                p[k] += scale * c[k]
                q[k] += scale * d[k]
        if kind & 1:
            for k in range(run):
                p[k] += a[k] * c[k]
                q[k] += a[k] * d[k]
        if kind & 2:
            for k in range(run):
                p[k] -= b[k] * d[k]
                q[k] += b[k] * c[k]


@njit(cache=True, fastmath=FASTMATH)
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
    for g in range(xs.shape[0]):
        x = xs[g]
        kind = kinds[g]
        dr = buffer[:block]
        di = buffer[block : 2 * block]
        for high in range(0, size, block):
            src = high ^ (x & ~(block - 1))
            if table.shape[0]:
                dr = table[g, 0, src : src + block]
                di = table[g, 1, src : src + block]
            else:
                if kind & 1:
                    diagonal_block(ptr[g], ptr[g + 1], zs, cr, src, bits, dr)
                if kind & 2:
                    diagonal_block(ptr[g], ptr[g + 1], zs, ci, src, bits, di)
            add_product(
                dr,
                di,
                cr[ptr[g]],
                re[src : src + block],
                im[src : src + block],
                x & (block - 1),
                kind,
                outr[high : high + block],
                outi[high : high + block],
            )


@njit(cache=True, fastmath=FASTMATH)
def dot_product(
    dr: Floats, di: Floats, sr: Floats, si: Floats, tr: Floats, ti: Floats, x: int, kind: int, inside: bool
) -> float:
    """Return Re sum_i conj(psi(i ^ x)) D(i) psi(i) for one block; ``t`` is the block that holds i ^ x.

    If the pairs i, i ^ x lie ``inside`` the block, their two terms are equal for Hermitian H: half are summed.
    """
    n = sr.shape[0]
    run = x & -x if x else n
    top = n
    if inside and x >= 8:
        top = 8
        while 2 * top <= x:
            top *= 2
    total = 0.0
    y = np.uint64(x)
    for first in range(0, n, 2 * top):
        if run < 8:
            for k in range(np.uint64(first), np.uint64(min(first + top, n))):
                j = k ^ y
                if kind & 4:
                    total += sr[k] * tr[j] + si[k] * ti[j]
                if kind & 1:
                    total += dr[k] * (sr[k] * tr[j] + si[k] * ti[j])
                if kind & 2:
                    total += di[k] * (sr[k] * ti[j] - si[k] * tr[j])
            continue
        for base in range(first, min(first + top, n), run):
            other = base ^ x
            a = dr[base : base + run]
            b = di[base : base + run]
            c = sr[base : base + run]
            d = si[base : base + run]
            p = tr[other : other + run]
            q = ti[other : other + run]
            if kind & 4:
                for k in range(run):
                    total += c[k] * p[k] + d[k] * q[k]
            if kind & 1:
                for k in range(run):
                    total += a[k] * (c[k] * p[k] + d[k] * q[k])
            if kind & 2:
                for k in range(run):
                    total += b[k] * (c[k] * q[k] - d[k] * p[k])
    return 2.0 * total if top < n else total


@njit(cache=True, fastmath=FASTMATH)
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
    """Return <psi|H|psi> for Hermitian H."""
    size = re.shape[0]
    bits = min(n, BLOCK)
    block = 1 << bits
    total = 0.0
    for g in range(xs.shape[0]):
        x = xs[g]
        kind = kinds[g]
        low = x & (block - 1)
        dr = buffer[:block]
        di = buffer[block : 2 * block]
        half = block  # the highest bit of x, if it is above the block: then every other run of blocks suffices
        while 2 * half <= x:
            half *= 2
        above = x >= block
        part = 0.0
        for high in range(0, size, block):
            if above and high & half:
                continue
            dst = high ^ (x & ~(block - 1))
            if table.shape[0]:
                dr = table[g, 0, high : high + block]
                di = table[g, 1, high : high + block]
            else:
                if kind & 1:
                    diagonal_block(ptr[g], ptr[g + 1], zs, cr, high, bits, dr)
                if kind & 2:
                    diagonal_block(ptr[g], ptr[g + 1], zs, ci, high, bits, di)
            sr = re[high : high + block]
            si = im[high : high + block]
            part += dot_product(dr, di, sr, si, re[dst : dst + block], im[dst : dst + block], low, kind, not above)
        if kind & 4:
            part *= cr[ptr[g]]
        total += 2.0 * part if above else part
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
