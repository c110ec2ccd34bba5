"""Statevector kernels: the gates of a flat program, applied in place to split real and imaginary parts.

A state of n qubits is two float64 arrays of length N = 2**n, index bit q being qubit q (Qiskit's little-endian
order). Real and imaginary parts are kept apart because then the inner loops are plain vector arithmetic.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from qalgs.backends.kernels_lanes import LANES, apply_high, apply_low
from qalgs.backends.kernels_math import (
    CHAIN,
    FASTMATH,
    FLIP,
    LINEAR,
    PAIR,
    PAULI,
    PHASE,
    PHASES,
    Floats,
    Integers,
    chain,
    parity,
)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_controlled(re: Floats, im: Floats, q: int, mask: int, value: int, u: Floats) -> None:
    """Apply a 2 x 2 matrix to qubit ``q`` where the bits ``mask`` of the index equal ``value``."""
    a, b, c, d, e, f, g, h = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    n = re.shape[0]
    t = 1 << q
    fixed = ~((n - 1) & ~(mask | t))
    free = (n - 1) & ~fixed
    s = 0
    while True:
        i = s | value
        j = i | t
        xr = re[i]
        xi = im[i]
        yr = re[j]
        yi = im[j]
        re[i] = a * xr - b * xi + c * yr - d * yi
        im[i] = a * xi + b * xr + c * yi + d * yr
        re[j] = e * xr - f * xi + g * yr - h * yi
        im[j] = e * xi + f * xr + g * yi + h * yr
        s = ((s | fixed) + 1) & free
        if s == 0:
            break


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_one(re: Floats, im: Floats, q: int, u: Floats, work: Floats) -> None:
    """Apply a 2 x 2 matrix to qubit ``q``; ``work`` is scratch (32)."""
    if re.shape[0] >= LANES:
        if q < 3:
            apply_low(re, im, q, u, work)
        else:
            apply_high(re, im, q, u)
        return
    apply_controlled(re, im, q, 0, 0, u)


@njit(cache=True, forceinline=True)
def flip_one(x: Floats, c: int, v: int, q: int) -> None:
    """Controlled NOT from qubit ``c`` (acting on bit value ``v``) to qubit ``q`` on one part of the state."""
    n = x.shape[0]
    lo = min(c, q)
    hi = max(c, q)
    t = 1 << q
    on = v << c
    run = 1 << lo
    for a in range(on & (1 << hi), n, 2 << hi):
        for b in range(a | (on & run), a + (1 << hi), 2 * run):
            if run == 1:
                y = x[b]
                x[b] = x[b + t]
                x[b + t] = y
            else:
                one = x[b : b + run]
                two = x[b + t : b + t + run]
                for k in range(run):
                    y = one[k]
                    one[k] = two[k]
                    two[k] = y


@njit(cache=True, forceinline=True)
def apply_flip(re: Floats, im: Floats, q: int, mask: int, value: int) -> None:
    """Swap the halves of qubit ``q`` where the bits ``mask`` equal ``value``: X, CX, CCX and so on."""
    if mask & (mask - 1) == 0 and mask != 0:
        c = 0
        while mask >> c != 1:
            c += 1
        flip_one(re, c, value >> c, q)
        flip_one(im, c, value >> c, q)
        return
    n = re.shape[0]
    t = 1 << q
    fixed = ~((n - 1) & ~(mask | t))
    free = (n - 1) & ~fixed
    s = 0
    while True:
        i = s | value
        j = i | t
        x = re[i]
        re[i] = re[j]
        re[j] = x
        x = im[i]
        im[i] = im[j]
        im[j] = x
        s = ((s | fixed) + 1) & free
        if s == 0:
            break


@njit(cache=True, forceinline=True)
def permute(re: Floats, im: Floats, columns: Integers, offset: int, outr: Floats, outi: Floats) -> None:
    """Write out(i) = in(M i ^ offset) for a linear map M over the bits, given by its columns: any chain of CX.

    Blocks of 64 share one table of the low bits, so an index costs one exclusive or.
    """
    n = re.shape[0]
    block = min(n, 64)
    low = np.zeros(block, dtype=np.uint64)
    q = 0
    s = 1
    while s < block:
        for k in range(s):
            low[s + k] = low[k] ^ np.uint64(columns[q])
        s *= 2
        q += 1
    for high in range(0, n, block):
        base = offset
        h = high >> q
        m = q
        while h:
            if h & 1:
                base ^= columns[m]
            h >>= 1
            m += 1
        start = np.uint64(base)
        a = outr[high : high + block]
        b = outi[high : high + block]
        for k in range(block):
            j = start ^ low[k]
            a[k] = re[j]
            b[k] = im[j]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_phase(re: Floats, im: Floats, mask: int, value: int, c: float, s: float) -> None:
    """Multiply by c + i s where the bits ``mask`` of the index equal ``value``."""
    n = re.shape[0]
    low = mask & -mask if mask else n
    free = (n - 1) & ~mask & ~(low - 1)
    fixed = ~free
    t = 0
    while True:
        base = t | value
        for k in range(base, base + low):
            x = re[k]
            y = im[k]
            re[k] = c * x - s * y
            im[k] = c * y + s * x
        t = ((t | fixed) + 1) & free
        if t == 0:
            break


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_pauli(
    re: Floats, im: Floats, x: int, z: int, ny: int, mask: int, value: int, c: float, s: float
) -> None:
    """Apply c - i s P with P = i**ny X^x Z^z (x, z bit masks), where the bits ``mask`` equal ``value``.

    P maps |i> to i**ny (-1)**|z & i| |i ^ x>; indices that differ only below all masks go in one run.
    """
    n = re.shape[0]
    pr = (1.0, 0.0, -1.0, 0.0)[ny & 3]
    pi = (0.0, 1.0, 0.0, -1.0)[ny & 3]
    top = 1
    while 2 * top <= x:
        top *= 2
    every = x | z | mask
    run = every & -every if every else n
    free = (n - 1) & ~mask & ~(run - 1)
    if x:
        free &= ~top
    fixed = ~free
    t = 0
    while True:
        i = t | value
        j = i ^ x
        # w = -i s P[j, i]; the other entry is -conj(w)
        sign = 1.0 - 2.0 * parity(i & z)
        wr = s * sign * pi
        wi = -s * sign * pr
        ar = re[i : i + run]
        ai = im[i : i + run]
        if x == 0:
            for k in range(run):
                p = ar[k]
                q = ai[k]
                ar[k] = (c + wr) * p - wi * q
                ai[k] = (c + wr) * q + wi * p
        else:
            br = re[j : j + run]
            bi = im[j : j + run]
            for k in range(run):
                p = ar[k]
                q = ai[k]
                u = br[k]
                v = bi[k]
                ar[k] = c * p - wr * u - wi * v
                ai[k] = c * q - wr * v + wi * u
                br[k] = c * u + wr * p - wi * q
                bi[k] = c * v + wr * q + wi * p
        t = ((t | fixed) + 1) & free
        if t == 0:
            break


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_matrix(
    re: Floats, im: Floats, qubits: Integers, data: Floats, adjoint: bool, mask: int, value: int, work: Floats
) -> None:
    """Apply a dense 2**k x 2**k matrix (row-major re, im pairs in ``data``) to ``qubits``, first one lowest."""
    n = re.shape[0]
    k = qubits.shape[0]
    d = 1 << k
    held = 0
    for j in range(k):
        held |= 1 << qubits[j]
    free = (n - 1) & ~(mask | held)
    fixed = ~free
    t = 0
    while True:
        for r in range(d):
            i = t | value
            for j in range(k):
                i |= ((r >> j) & 1) << qubits[j]
            work[2 * r] = re[i]
            work[2 * r + 1] = im[i]
        for r in range(d):
            i = t | value
            for j in range(k):
                i |= ((r >> j) & 1) << qubits[j]
            x = 0.0
            y = 0.0
            for m in range(d):
                if adjoint:
                    ur = data[2 * (m * d + r)]
                    ui = -data[2 * (m * d + r) + 1]
                else:
                    ur = data[2 * (r * d + m)]
                    ui = data[2 * (r * d + m) + 1]
                x += ur * work[2 * m] - ui * work[2 * m + 1]
                y += ur * work[2 * m + 1] + ui * work[2 * m]
            re[i] = x
            im[i] = y
        t = ((t | fixed) + 1) & free
        if t == 0:
            break


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def build_phases(n: int, angles: Floats, cr: Floats, ci: Floats) -> None:
    """Write exp(i phi(x)) for phi(x) = sum_j a_j b_j + sum_{m<j} w_jm b_j b_m over the bits b of x.

    ``angles[j]`` is a_j and ``angles[n + j(j-1)/2 + m]`` is w_jm. Built by doubling: flipping bit j multiplies
    the phase of the lower bits l by exp(i a_j) prod_m exp(i w_jm b_m(l)), itself a product built by doubling,
    so the cost is about three products per amplitude for any number of terms.
    """
    cr[0] = 1.0
    ci[0] = 0.0
    for j in range(n):
        half = 1 << j
        hr = cr[half : 2 * half]
        hi = ci[half : 2 * half]
        hr[0] = math.cos(angles[j])
        hi[0] = math.sin(angles[j])
        for m in range(j):
            w = angles[n + j * (j - 1) // 2 + m]
            q = 1 << m
            if w == 0.0:
                for k in range(q):
                    hr[q + k] = hr[k]
                    hi[q + k] = hi[k]
            else:
                c = math.cos(w)
                s = math.sin(w)
                for k in range(q):
                    hr[q + k] = c * hr[k] - s * hi[k]
                    hi[q + k] = c * hi[k] + s * hr[k]
        for k in range(half):
            x = hr[k]
            y = hi[k]
            hr[k] = x * cr[k] - y * ci[k]
            hi[k] = x * ci[k] + y * cr[k]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def multiply_phases(re: Floats, im: Floats, cr: Floats, ci: Floats, sign: float) -> None:
    """Multiply elementwise by c_r + i sign c_i."""
    for k in range(re.shape[0]):
        x = re[k]
        y = im[k]
        s = sign * ci[k]
        re[k] = cr[k] * x - s * y
        im[k] = cr[k] * y + s * x


@njit(cache=True, forceinline=True)
def gather_angles(start: int, stop: int, term_i: Integers, term_f: Floats, slots: Floats, angles: Floats) -> None:
    """Sum coefficient x slot into the angle of each monomial of a diagonal group."""
    for k in range(angles.shape[0]):
        angles[k] = 0.0
    for t in range(start, stop):
        angles[term_i[t, 0]] += term_f[t] * slots[term_i[t, 1]]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_pair(re: Floats, im: Floats, lo: int, hi: int, angles: Floats, sign: float) -> None:
    """Multiply by exp(i sign (a b_lo + b b_hi + w b_lo b_hi)) for ``angles`` = (a, b, w)."""
    both = (1 << lo) | (1 << hi)
    t = angles[0] + angles[1] + angles[2]
    if angles[0] != 0.0:
        apply_phase(re, im, both, 1 << lo, math.cos(angles[0]), sign * math.sin(angles[0]))
    if angles[1] != 0.0:
        apply_phase(re, im, both, 1 << hi, math.cos(angles[1]), sign * math.sin(angles[1]))
    if t != 0.0:
        apply_phase(re, im, both, both, math.cos(t), sign * math.sin(t))


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def product_vectors(
    n: int, ops: Integers, n_start: int, fac: Integers, mats: Floats, slots: Floats, v: Floats, work: Floats
) -> None:
    """Write the first column of each leading chain, the state it makes of |0>, into ``v`` (4 per qubit)."""
    for q in range(n):
        v[4 * q] = 1.0
        v[4 * q + 1] = 0.0
        v[4 * q + 2] = 0.0
        v[4 * q + 3] = 0.0
    u = work[:8]
    for m in range(n_start):
        chain(ops[m, 4], ops[m, 5], fac, slots, mats, u, work[8:])
        q = ops[m, 1]
        v[4 * q] = u[0]
        v[4 * q + 1] = u[1]
        v[4 * q + 2] = u[4]
        v[4 * q + 3] = u[5]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def product_step(v: Floats, re: Floats, im: Floats, outr: Floats, outi: Floats) -> None:
    """Write the product of one qubit's state ``v`` (lower, upper amplitude) with that of the qubits below it."""
    s = re.shape[0]
    a, b, c, d = v[0], v[1], v[2], v[3]
    hr = outr[s : 2 * s]
    hi = outi[s : 2 * s]
    lr = outr[:s]
    li = outi[:s]
    for k in range(s):
        x = re[k]
        y = im[k]
        hr[k] = c * x - d * y
        hi[k] = c * y + d * x
        lr[k] = a * x - b * y
        li[k] = a * y + b * x


@njit(cache=True, forceinline=True)
def forward(
    n: int,
    ops: Integers,
    n_start: int,
    fac: Integers,
    mats: Floats,
    term_i: Integers,
    term_f: Floats,
    qlist: Integers,
    data: Floats,
    slots: Floats,
    re: Floats,
    im: Floats,
    work: Floats,
    cr: Floats,
    ci: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Run a program on |0...0> without its global phase; the first ``n_start`` operations make a product state.

    Returns:
        The two arrays that hold the state and the two that are free, since reordering swaps their roles.
    """
    v = work[: 4 * n]
    product_vectors(n, ops, n_start, fac, mats, slots, v, work[4 * n :])
    re[0] = 1.0
    im[0] = 0.0
    for q in range(n):
        s = 1 << q
        product_step(v[4 * q : 4 * q + 4], re[:s], im[:s], re[: 2 * s], im[: 2 * s])
    u = work[:8]
    for m in range(n_start, ops.shape[0]):
        code, q, mask, value, start, stop, aux, _ = ops[m]
        if code == CHAIN:
            chain(start, stop, fac, slots, mats, u, work[8:])
            if mask == 0:
                apply_one(re, im, q, u, work[8:])
            else:
                apply_controlled(re, im, q, mask, value, u)
        elif code == FLIP:
            apply_flip(re, im, q, mask, value)
        elif code == LINEAR:
            permute(re, im, qlist[start : start + n], aux, cr, ci)
            re, im, cr, ci = cr, ci, re, im
        elif code == PAIR:
            gather_angles(start, stop, term_i, term_f, slots, work[:3])
            apply_pair(re, im, q, aux, work[:3], 1.0)
        elif code == PHASES:
            angles = work[: n + n * (n - 1) // 2]
            gather_angles(start, stop, term_i, term_f, slots, angles)
            build_phases(n, angles, cr, ci)
            multiply_phases(re, im, cr, ci, 1.0)
        elif code == PHASE:
            gather_angles(start, stop, term_i, term_f, slots, work[:1])
            apply_phase(re, im, mask, value, math.cos(work[0]), math.sin(work[0]))
        elif code == PAULI:
            half = 0.5 * slots[start]
            apply_pauli(re, im, q, aux, stop, mask, value, math.cos(half), math.sin(half))
        else:
            apply_matrix(re, im, qlist[start:stop], data[aux:], False, mask, value, work)
    return re, im, cr, ci
