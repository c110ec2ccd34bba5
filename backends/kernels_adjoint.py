"""Adjoint kernels: one backward sweep undoes the program on two states and collects every derivative.

With psi the state after a gate U and lambda the bra swept back so far, a derivative of the final
<lambda|psi> needs only a few inner products of the two: for a one-qubit chain the four numbers
T_ab = sum conj(lambda_a) psi_b over the other qubits, from which all angles of the chain follow.
"""

from __future__ import annotations

import math

from numba import njit

from qalgs.backends.kernels import (
    apply_controlled,
    apply_flip,
    apply_matrix,
    apply_one,
    apply_pair,
    apply_pauli,
    apply_phase,
    build_phases,
    gather_angles,
    multiply_phases,
    permute,
    product_step,
    product_vectors,
)
from qalgs.backends.kernels_lanes import LANES, back_high, back_low
from qalgs.backends.kernels_math import (
    CHAIN,
    CONSTANT,
    FASTMATH,
    FLIP,
    LINEAR,
    PAIR,
    PAULI,
    PHASE,
    PHASES,
    RX,
    RY,
    RZ,
    Floats,
    Integers,
    chain,
    dagger2,
    factor,
    matmul2,
    parity,
)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def transition_controlled(
    pr: Floats, pi: Floats, lr: Floats, li: Floats, q: int, mask: int, value: int, t: Floats
) -> None:
    """Write T_ab = sum conj(lambda_a) psi_b for qubit ``q`` where the bits ``mask`` equal ``value`` into ``t``."""
    for k in range(8):
        t[k] = 0.0
    n = pr.shape[0]
    bit = 1 << q
    free = (n - 1) & ~(mask | bit)
    fixed = ~free
    s = 0
    while True:
        i = s | value
        for a in range(2):
            for b in range(2):
                u = i | (bit * a)
                v = i | (bit * b)
                t[4 * a + 2 * b] += lr[u] * pr[v] + li[u] * pi[v]
                t[4 * a + 2 * b + 1] += lr[u] * pi[v] - li[u] * pr[v]
        s = ((s | fixed) + 1) & free
        if s == 0:
            break


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def back_one(pr: Floats, pi: Floats, lr: Floats, li: Floats, q: int, u: Floats, t: Floats, work: Floats) -> None:
    """Write T_ab = sum conj(lambda_a) psi_b for qubit ``q`` into ``t``, then apply ``u`` to psi and lambda.

    ``t`` holds (re, im) of 00, 01, 10, 11; ``work`` is scratch (64).
    """
    n = pr.shape[0]
    if n >= LANES:
        if q < 3:
            back_low(pr, pi, lr, li, q, u, t, work)
        else:
            back_high(pr, pi, lr, li, q, u, t, work)
        return
    transition_controlled(pr, pi, lr, li, q, 0, 0, t)
    apply_controlled(pr, pi, q, 0, 0, u)
    apply_controlled(lr, li, q, 0, 0, u)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def chain_gradient(
    start: int, stop: int, fac: Integers, slots: Floats, mats: Floats, t: Floats, grad: Floats, work: Floats
) -> None:
    """Add the derivatives of the chain's angles, given T after the chain; ``t`` is swept back in place.

    d/dangle <lambda|psi> = -i/2 <lambda|sigma|psi> = -i/2 sum sigma_ab T_ab right after the rotation, and
    undoing a factor F turns T into F^T T conj(F).
    """
    f = work[:8]
    a = work[8:16]
    b = work[16:24]
    for k in range(stop - 1, start - 1, -1):
        kind = fac[k, 0]
        index = fac[k, 1]
        if kind != CONSTANT:
            if kind == RX:  # T01 + T10
                re = t[2] + t[4]
                im = t[3] + t[5]
                grad[2 * index] += 0.5 * im
                grad[2 * index + 1] -= 0.5 * re
            elif kind == RY:  # -i T01 + i T10, times -i/2
                grad[2 * index] += 0.5 * (t[4] - t[2])
                grad[2 * index + 1] += 0.5 * (t[5] - t[3])
            elif kind == RZ:
                re = t[0] - t[6]
                im = t[1] - t[7]
                grad[2 * index] += 0.5 * im
                grad[2 * index + 1] -= 0.5 * re
            else:  # i T11
                grad[2 * index] -= t[7]
                grad[2 * index + 1] += t[6]
        if k == start:
            return
        factor(kind, index, slots, mats, f)
        for i in range(2):
            for j in range(2):
                a[4 * i + 2 * j] = f[4 * j + 2 * i]
                a[4 * i + 2 * j + 1] = f[4 * j + 2 * i + 1]
        matmul2(a, t, b)
        for m in range(4):
            a[2 * m] = f[2 * m]
            a[2 * m + 1] = -f[2 * m + 1]
        matmul2(b, a, t)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def overlap_where(pr: Floats, pi: Floats, lr: Floats, li: Floats, mask: int, value: int) -> tuple[float, float]:
    """Return sum conj(lambda) psi over the indices whose bits ``mask`` equal ``value``."""
    n = pr.shape[0]
    low = mask & -mask if mask else n
    free = (n - 1) & ~mask & ~(low - 1)
    fixed = ~free
    re = 0.0
    im = 0.0
    t = 0
    while True:
        base = t | value
        for k in range(base, base + low):
            re += lr[k] * pr[k] + li[k] * pi[k]
            im += lr[k] * pi[k] - li[k] * pr[k]
        t = ((t | fixed) + 1) & free
        if t == 0:
            break
    return re, im


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def overlap_pauli(
    pr: Floats, pi: Floats, lr: Floats, li: Floats, x: int, z: int, ny: int, mask: int, value: int
) -> tuple[float, float]:
    """Return <lambda| P |psi> over the indices whose bits ``mask`` equal ``value``, P = i**ny X^x Z^z."""
    n = pr.shape[0]
    every = x | z | mask
    run = every & -every if every else n
    free = (n - 1) & ~mask & ~(run - 1)
    fixed = ~free
    re = 0.0
    im = 0.0
    t = 0
    while True:
        i = t | value
        j = i ^ x
        ar = pr[i : i + run]
        ai = pi[i : i + run]
        br = lr[j : j + run]
        bi = li[j : j + run]
        u = 0.0
        v = 0.0
        for k in range(run):
            u += br[k] * ar[k] + bi[k] * ai[k]
            v += br[k] * ai[k] - bi[k] * ar[k]
        sign = 1.0 - 2.0 * parity(i & z)
        re += sign * u
        im += sign * v
        t = ((t | fixed) + 1) & free
        if t == 0:
            break
    c = (1.0, 0.0, -1.0, 0.0)[ny & 3]
    s = (0.0, 1.0, 0.0, -1.0)[ny & 3]
    return c * re - s * im, c * im + s * re


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def monomial_sums(
    n: int, pr: Floats, pi: Floats, lr: Floats, li: Floats, wr: Floats, wi: Floats, out: Floats
) -> None:
    """Write S_m = sum_x m(x) conj(lambda) psi for every product m of one or two bits, by repeated halving.

    ``out[2k], out[2k + 1]`` hold the sum for monomial k, numbered as in ``build_phases``; ``wr, wi`` are scratch.
    """
    for k in range(pr.shape[0]):
        wr[k] = lr[k] * pr[k] + li[k] * pi[k]
        wi[k] = lr[k] * pi[k] - li[k] * pr[k]
    for j in range(n - 1, -1, -1):
        half = 1 << j
        # the upper half holds what has bit j set: its single sums are the pairs (m, j)
        ur = wr[half : 2 * half]
        ui = wi[half : 2 * half]
        for k in range(half):
            wr[k] += ur[k]
            wi[k] += ui[k]
        for m in range(j - 1, -1, -1):
            q = 1 << m
            re = 0.0
            im = 0.0
            for k in range(q):
                re += ur[q + k]
                im += ui[q + k]
                ur[k] += ur[q + k]
                ui[k] += ui[q + k]
            place = n + j * (j - 1) // 2 + m
            out[2 * place] = re
            out[2 * place + 1] = im
        out[2 * j] = ur[0]
        out[2 * j + 1] = ui[0]


@njit(cache=True, forceinline=True)
def add_terms(start: int, stop: int, term_i: Integers, term_f: Floats, sums: Floats, grad: Floats) -> None:
    """Add i coefficient S_monomial to the derivative of each slot of a diagonal group."""
    for t in range(start, stop):
        m = term_i[t, 0]
        slot = term_i[t, 1]
        grad[2 * slot] -= term_f[t] * sums[2 * m + 1]
        grad[2 * slot + 1] += term_f[t] * sums[2 * m]


@njit(cache=True, forceinline=True)
def diagonal_sums(
    n: int, op: Integers, pr: Floats, pi: Floats, lr: Floats, li: Floats, cr: Floats, ci: Floats, sums: Floats
) -> None:
    """Write the sums S_monomial of one diagonal operation, numbered as its terms are; ``cr, ci`` are scratch."""
    code, q, mask, value, aux = op[0], op[1], op[2], op[3], op[6]
    if code == PAIR:
        for k in range(3):
            on = ((1 << q), (1 << aux), (1 << q) | (1 << aux))[k]
            sums[2 * k], sums[2 * k + 1] = overlap_where(pr, pi, lr, li, on, on)
    elif code == PHASES:
        monomial_sums(n, pr, pi, lr, li, cr, ci, sums)
    else:
        sums[0], sums[1] = overlap_where(pr, pi, lr, li, mask, value)


@njit(cache=True, forceinline=True)
def back_diagonal(
    n: int,
    op: Integers,
    term_i: Integers,
    term_f: Floats,
    slots: Floats,
    pr: Floats,
    pi: Floats,
    lr: Floats,
    li: Floats,
    work: Floats,
    cr: Floats,
    ci: Floats,
) -> None:
    """Undo one diagonal operation on psi and lambda; ``cr, ci`` are scratch."""
    code, q, mask, value, start, stop, aux = op[0], op[1], op[2], op[3], op[4], op[5], op[6]
    if code == PAIR:
        gather_angles(start, stop, term_i, term_f, slots, work[:3])
        apply_pair(pr, pi, q, aux, work[:3], -1.0)
        apply_pair(lr, li, q, aux, work[:3], -1.0)
    elif code == PHASES:
        angles = work[: n + n * (n - 1) // 2]
        gather_angles(start, stop, term_i, term_f, slots, angles)
        build_phases(n, angles, cr, ci)
        multiply_phases(pr, pi, cr, ci, -1.0)
        multiply_phases(lr, li, cr, ci, -1.0)
    else:
        gather_angles(start, stop, term_i, term_f, slots, work[:1])
        c = math.cos(work[0])
        s = -math.sin(work[0])
        apply_phase(pr, pi, mask, value, c, s)
        apply_phase(lr, li, mask, value, c, s)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def back_start(
    n: int,
    ops: Integers,
    n_start: int,
    fac: Integers,
    mats: Floats,
    slots: Floats,
    lr: Floats,
    li: Floats,
    grad: Floats,
    work: Floats,
    br: Floats,
    bi: Floats,
) -> None:
    """Add the derivatives of the leading chains, which make a product state of |0...0>.

    With phi the product state, T_ab of qubit q is sum conj(lambda_a) phi_rest times phi_b. The qubits above q are
    contracted into lambda one by one, halving it, and the products below are kept, so all qubits together cost
    about as much as one. ``br, bi`` are scratch; the product of the qubits below q is stored from index 2**q on.
    """
    v = work[: 4 * n]
    rest = work[4 * n :]
    product_vectors(n, ops, n_start, fac, mats, slots, v, rest)
    if n_start == 0:
        return
    br[1] = 1.0
    bi[1] = 0.0
    for q in range(n - 1):
        s = 1 << q
        product_step(v[4 * q : 4 * q + 4], br[s : 2 * s], bi[s : 2 * s], br[2 * s : 4 * s], bi[2 * s : 4 * s])
    t = rest[:8]
    for q in range(n - 1, -1, -1):
        s = 1 << q
        a, b, c, d = v[4 * q], v[4 * q + 1], v[4 * q + 2], v[4 * q + 3]
        pr = br[s : 2 * s]
        pi = bi[s : 2 * s]
        l0 = lr[:s]
        l0i = li[:s]
        l1 = lr[s : 2 * s]
        l1i = li[s : 2 * s]
        g0r = g0i = g1r = g1i = 0.0
        for k in range(s):
            xr = pr[k]
            xi = pi[k]
            ur = l0[k]
            ui = l0i[k]
            vr = l1[k]
            vi = l1i[k]
            g0r += ur * xr + ui * xi
            g0i += ur * xi - ui * xr
            g1r += vr * xr + vi * xi
            g1i += vr * xi - vi * xr
            l0[k] = ur * a + ui * b + vr * c + vi * d
            l0i[k] = ui * a - ur * b + vi * c - vr * d
        for m in range(n_start):
            if ops[m, 1] == q and ops[m, 7]:
                t[0] = g0r * a - g0i * b
                t[1] = g0r * b + g0i * a
                t[2] = g0r * c - g0i * d
                t[3] = g0r * d + g0i * c
                t[4] = g1r * a - g1i * b
                t[5] = g1r * b + g1i * a
                t[6] = g1r * c - g1i * d
                t[7] = g1r * d + g1i * c
                chain_gradient(ops[m, 4], ops[m, 5], fac, slots, mats, t, grad, rest[8:])


@njit(cache=True, forceinline=True)
def backward(
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
    pr: Floats,
    pi: Floats,
    lr: Floats,
    li: Floats,
    grad: Floats,
    work: Floats,
    sums: Floats,
    cr: Floats,
    ci: Floats,
) -> None:
    """Undo the program on psi and lambda, adding d<lambda|psi>/d slot as (re, im) pairs to ``grad``."""
    u = work[:8]
    v = work[8:16]
    t = work[16:24]
    for m in range(ops.shape[0] - 1, n_start - 1, -1):
        code, q, mask, value, start, stop, aux, vary = ops[m]
        if code == CHAIN:
            chain(start, stop, fac, slots, mats, v, work[24:])
            dagger2(v, u)
            if mask == 0:
                if vary:
                    back_one(pr, pi, lr, li, q, u, t, work[24:])
                else:
                    apply_one(pr, pi, q, u, work[24:])
                    apply_one(lr, li, q, u, work[24:])
            else:
                if vary:
                    transition_controlled(pr, pi, lr, li, q, mask, value, t)
                apply_controlled(pr, pi, q, mask, value, u)
                apply_controlled(lr, li, q, mask, value, u)
            if vary:
                chain_gradient(start, stop, fac, slots, mats, t, grad, work[24:])
        elif code == FLIP:
            apply_flip(pr, pi, q, mask, value)
            apply_flip(lr, li, q, mask, value)
        elif code == LINEAR:
            permute(pr, pi, qlist[start + n : start + 2 * n], value, cr, ci)
            pr, pi, cr, ci = cr, ci, pr, pi
            permute(lr, li, qlist[start + n : start + 2 * n], value, cr, ci)
            lr, li, cr, ci = cr, ci, lr, li
        elif code in (PAIR, PHASES, PHASE):
            if vary:
                diagonal_sums(n, ops[m], pr, pi, lr, li, cr, ci, sums)
                add_terms(start, stop, term_i, term_f, sums, grad)
            back_diagonal(n, ops[m], term_i, term_f, slots, pr, pi, lr, li, work, cr, ci)
        elif code == PAULI:
            if vary:
                re, im = overlap_pauli(pr, pi, lr, li, q, aux, stop, mask, value)
                grad[2 * start] += 0.5 * im
                grad[2 * start + 1] -= 0.5 * re
            c = math.cos(0.5 * slots[start])
            s = -math.sin(0.5 * slots[start])
            apply_pauli(pr, pi, q, aux, stop, mask, value, c, s)
            apply_pauli(lr, li, q, aux, stop, mask, value, c, s)
        else:
            apply_matrix(pr, pi, qlist[start:stop], data[aux:], True, mask, value, work)
            apply_matrix(lr, li, qlist[start:stop], data[aux:], True, mask, value, work)
    back_start(n, ops, n_start, fac, mats, slots, lr, li, grad, work, cr, ci)
