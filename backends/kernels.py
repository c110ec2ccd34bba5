"""Statevector kernels: the gates of a flat program, applied in place to split real and imaginary parts.

A state of n qubits is two float64 arrays of length N = 2**n, index bit q being qubit q (Qiskit's little-endian
order). Real and imaginary parts are kept apart because then the inner loops are plain vector arithmetic.
"""

from __future__ import annotations

import math

from numba import njit

# Reassociation and contraction let the loops vectorise; NaN and infinity keep their meaning.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

CHAIN, FLIP, PAIR, PHASES, PHASE, PAULI, MATRIX, SWAP = range(8)
CONSTANT, RX, RY, RZ, P = range(5)


@njit(cache=True, fastmath=FASTMATH)
def factor(kind, index, slots, mats, f):
    """Write one factor of a chain, a constant or a rotation, into ``f`` as (re, im) of 00, 01, 10, 11."""
    if kind == CONSTANT:
        for k in range(8):
            f[k] = mats[index, k]
        return
    for k in range(8):
        f[k] = 0.0
    half = slots[index] if kind == P else 0.5 * slots[index]
    c = math.cos(half)
    s = math.sin(half)
    if kind == RX:
        f[0] = c
        f[3] = -s
        f[5] = -s
        f[6] = c
    elif kind == RY:
        f[0] = c
        f[2] = -s
        f[4] = s
        f[6] = c
    elif kind == RZ:
        f[0] = c
        f[1] = -s
        f[6] = c
        f[7] = s
    else:
        f[0] = 1.0
        f[6] = c
        f[7] = s


@njit(cache=True, fastmath=FASTMATH)
def matmul2(a, b, out):
    """Write the product ``a @ b`` of two 2 x 2 complex matrices in (re, im) pairs."""
    for i in range(2):
        for j in range(2):
            re = 0.0
            im = 0.0
            for k in range(2):
                ar = a[4 * i + 2 * k]
                ai = a[4 * i + 2 * k + 1]
                br = b[4 * k + 2 * j]
                bi = b[4 * k + 2 * j + 1]
                re += ar * br - ai * bi
                im += ar * bi + ai * br
            out[4 * i + 2 * j] = re
            out[4 * i + 2 * j + 1] = im


@njit(cache=True, fastmath=FASTMATH)
def chain(start, stop, fac, slots, mats, u, work):
    """Write the product of the factors ``start:stop`` (the first acts first) into ``u``."""
    factor(fac[start, 0], fac[start, 1], slots, mats, u)
    for k in range(start + 1, stop):
        factor(fac[k, 0], fac[k, 1], slots, mats, work[:8])
        matmul2(work[:8], u, work[8:16])
        for m in range(8):
            u[m] = work[8 + m]


@njit(cache=True, fastmath=FASTMATH)
def dagger2(u, out):
    """Write the adjoint of a 2 x 2 matrix."""
    for i in range(2):
        for j in range(2):
            out[4 * i + 2 * j] = u[4 * j + 2 * i]
            out[4 * i + 2 * j + 1] = -u[4 * j + 2 * i + 1]


@njit(cache=True, fastmath=FASTMATH)
def apply_one(re, im, q, u):
    """Apply a 2 x 2 matrix to qubit ``q``."""
    a, b, c, d, e, f, g, h = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    n = re.shape[0]
    s = 1 << q
    if q == 0:
        for k in range(n // 2):
            xr = re[2 * k]
            xi = im[2 * k]
            yr = re[2 * k + 1]
            yi = im[2 * k + 1]
            re[2 * k] = a * xr - b * xi + c * yr - d * yi
            im[2 * k] = a * xi + b * xr + c * yi + d * yr
            re[2 * k + 1] = e * xr - f * xi + g * yr - h * yi
            im[2 * k + 1] = e * xi + f * xr + g * yi + h * yr
        return
    for base in range(0, n, 2 * s):
        r0 = re[base : base + s]
        i0 = im[base : base + s]
        r1 = re[base + s : base + 2 * s]
        i1 = im[base + s : base + 2 * s]
        for k in range(s):
            xr = r0[k]
            xi = i0[k]
            yr = r1[k]
            yi = i1[k]
            r0[k] = a * xr - b * xi + c * yr - d * yi
            i0[k] = a * xi + b * xr + c * yi + d * yr
            r1[k] = e * xr - f * xi + g * yr - h * yi
            i1[k] = e * xi + f * xr + g * yi + h * yr


@njit(cache=True, fastmath=FASTMATH)
def apply_controlled(re, im, q, mask, value, u):
    """Apply a 2 x 2 matrix to qubit ``q`` where the bits ``mask`` of the index equal ``value``."""
    a, b, c, d, e, f, g, h = u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7]
    n = re.shape[0]
    t = 1 << q
    fixed = ~((n - 1) & ~(mask | t))
    free = n - 1 & ~fixed
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


@njit(cache=True)
def flip_one(x, c, v, q):
    """Controlled NOT from qubit ``c`` (acting on bit value ``v``) to qubit ``q`` on one part of the state."""
    n = x.shape[0]
    lo = min(c, q)
    hi = max(c, q)
    t = 1 << q
    on = v << c
    for a in range(on & (1 << hi), n, 2 << hi):
        for b in range(a | (on & (1 << lo)), a + (1 << hi), 2 << lo):
            for k in range(b, b + (1 << lo)):
                y = x[k]
                x[k] = x[k + t]
                x[k + t] = y


@njit(cache=True)
def apply_flip(re, im, q, mask, value):
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
    free = n - 1 & ~fixed
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


@njit(cache=True)
def apply_swap(re, im, a, b):
    """Exchange two qubits."""
    flip_one(re, a, 1, b)
    flip_one(im, a, 1, b)
    flip_one(re, b, 1, a)
    flip_one(im, b, 1, a)
    flip_one(re, a, 1, b)
    flip_one(im, a, 1, b)


@njit(cache=True, fastmath=FASTMATH)
def apply_phase(re, im, mask, value, c, s):
    """Multiply by c + i s where the bits ``mask`` of the index equal ``value``."""
    n = re.shape[0]
    low = mask & -mask if mask else n
    free = n - 1 & ~mask & ~(low - 1)
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


@njit(cache=True, fastmath=FASTMATH)
def parity(x):
    """Return the parity of the bits of ``x``."""
    x ^= x >> 32
    x ^= x >> 16
    x ^= x >> 8
    x ^= x >> 4
    return (0x6996 >> (x & 15)) & 1


@njit(cache=True, fastmath=FASTMATH)
def apply_pauli(re, im, x, z, ny, mask, value, c, s):
    """Apply c - i s P with P = i**ny X^x Z^z (x, z bit masks), where the bits ``mask`` equal ``value``.

    P maps |i> to i**ny (-1)**|z & i| |i ^ x>.
    """
    n = re.shape[0]
    pr = (1.0, 0.0, -1.0, 0.0)[ny & 3]
    pi = (0.0, 1.0, 0.0, -1.0)[ny & 3]
    top = 1
    while 2 * top <= x:
        top *= 2
    free = n - 1 & ~mask
    if x:
        free &= ~top
    fixed = ~free
    t = 0
    while True:
        i = t | value
        j = i ^ x
        # the factor of i in row j is P[j, i]; P[i, j] is its conjugate
        sign = 1.0 - 2.0 * parity(i & z)
        wr = s * sign * pi  # -i s * (pr + i pi) * sign
        wi = -s * sign * pr
        ar = re[i]
        ai = im[i]
        if x == 0:
            re[i] = (c + wr) * ar - wi * ai
            im[i] = (c + wr) * ai + wi * ar
        else:
            br = re[j]
            bi = im[j]
            # -i s conj(P) = -conj(-i s P)
            re[i] = c * ar - wr * br - wi * bi
            im[i] = c * ai - wr * bi + wi * br
            re[j] = c * br + wr * ar - wi * ai
            im[j] = c * bi + wr * ai + wi * ar
        t = ((t | fixed) + 1) & free
        if t == 0:
            break


@njit(cache=True, fastmath=FASTMATH)
def apply_matrix(re, im, qubits, data, adjoint, mask, value, work):
    """Apply a dense 2**k x 2**k matrix (row-major re, im pairs in ``data``) to ``qubits``, first one lowest."""
    n = re.shape[0]
    k = qubits.shape[0]
    d = 1 << k
    held = 0
    for j in range(k):
        held |= 1 << qubits[j]
    free = n - 1 & ~(mask | held)
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


@njit(cache=True, fastmath=FASTMATH)
def build_phases(n, angles, cr, ci):
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


@njit(cache=True, fastmath=FASTMATH)
def multiply_phases(re, im, cr, ci, sign):
    """Multiply elementwise by c_r + i sign c_i."""
    for k in range(re.shape[0]):
        x = re[k]
        y = im[k]
        s = sign * ci[k]
        re[k] = cr[k] * x - s * y
        im[k] = cr[k] * y + s * x


@njit(cache=True)
def gather_angles(start, stop, term_i, term_f, slots, angles):
    """Sum coefficient x slot into the angle of each monomial of a diagonal group."""
    for k in range(angles.shape[0]):
        angles[k] = 0.0
    for t in range(start, stop):
        angles[term_i[t, 0]] += term_f[t] * slots[term_i[t, 1]]


@njit(cache=True, fastmath=FASTMATH)
def apply_pair(re, im, lo, hi, angles, sign):
    """Multiply by exp(i sign (a b_lo + b b_hi + w b_lo b_hi)) for ``angles`` = (a, b, w)."""
    both = (1 << lo) | (1 << hi)
    t = angles[0] + angles[1] + angles[2]
    if angles[0] != 0.0:
        apply_phase(re, im, both, 1 << lo, math.cos(angles[0]), sign * math.sin(angles[0]))
    if angles[1] != 0.0:
        apply_phase(re, im, both, 1 << hi, math.cos(angles[1]), sign * math.sin(angles[1]))
    if t != 0.0:
        apply_phase(re, im, both, both, math.cos(t), sign * math.sin(t))


@njit(cache=True)
def forward(n, ops, fac, mats, term_i, term_f, qlist, data, slots, re, im, work, cr, ci):
    """Run a program on |0...0>, leaving the state in ``re`` and ``im`` (without the global phase)."""
    for k in range(re.shape[0]):
        re[k] = 0.0
        im[k] = 0.0
    re[0] = 1.0
    u = work[:8]
    for m in range(ops.shape[0]):
        code, q, mask, value, start, stop, aux, _ = ops[m]
        if code == CHAIN:
            chain(start, stop, fac, slots, mats, u, work[8:])
            if mask == 0:
                apply_one(re, im, q, u)
            else:
                apply_controlled(re, im, q, mask, value, u)
        elif code == FLIP:
            apply_flip(re, im, q, mask, value)
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
        elif code == MATRIX:
            apply_matrix(re, im, qlist[start:stop], data[aux:], False, mask, value, work)
        else:
            apply_swap(re, im, q, aux)
