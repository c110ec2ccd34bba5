"""The one entry point of the compiled engine: states, energies and derivatives for a batch of parameter values.

A program and an observable arrive as one array of integers and one of floats each, cut into tables here: a call
with few arguments costs less than the arithmetic of a small circuit, one with thirty would not.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from qalgs.backends.kernels import forward
from qalgs.backends.kernels_adjoint import backward
from qalgs.backends.kernels_math import CHAIN
from qalgs.backends.kernels_pauli import BLOCK, apply_sum, expect_sum

# what to compute
STATES, ENERGIES, GRADIENTS, PULLBACK = 1, 2, 4, 8
HEADER = 16

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def pack(
    n: int,
    tables: tuple[Integers, Integers, Floats, Integers, Floats, Integers, Floats],
    width: int,
    lines: tuple[Floats, Integers, Integers, Floats],
    tape_slots: Integers,
    phase: list[tuple[int, float]],
) -> tuple[Integers, Floats]:
    """Return a program as one array of integers (header, tables) and one of floats."""
    ops, fac, mats, term_i, term_f, qlist, data = tables
    base, rows, cols, coef = lines
    sizes = [n, len(ops), len(fac), len(mats), len(term_i), len(qlist), len(data), width]
    sizes += [len(base), len(rows), len(tape_slots), len(phase), starting(ops)]
    header = np.zeros(HEADER, dtype=np.int64)
    header[: len(sizes)] = sizes
    phase_slots = np.array([p[0] for p in phase], dtype=np.int64)
    phase_coef = np.array([p[1] for p in phase], dtype=np.float64)
    ints = [header, ops.ravel(), fac.ravel(), term_i.ravel(), qlist, rows, cols, tape_slots, phase_slots]
    floats = [mats.ravel(), term_f, data, base, coef, phase_coef]
    return np.concatenate(ints), np.concatenate(floats)


def starting(ops: Integers) -> int:
    """Return how many leading operations are chains on distinct qubits: together they make a product state."""
    seen: set[int] = set()
    for row in ops.tolist():
        if row[0] != CHAIN or row[2] or row[1] in seen:
            break
        seen.add(row[1])
    return len(seen)


@njit(cache=True)
def fill_slots(base, rows, cols, coef, tape_slots, values, extra, out):
    """Evaluate the angle slots: ``base + A values``, and the given values of those that are not affine."""
    for k in range(base.shape[0]):
        out[k] = base[k]
    for k in range(rows.shape[0]):
        out[rows[k]] += coef[k] * values[cols[k]]
    for k in range(tape_slots.shape[0]):
        out[tape_slots[k]] = extra[k]


@njit(cache=True)
def run(mode, ints, floats, values, extra, o_ints, o_floats, keep, states, energies, grads, slot_grads):
    """Run a program for each row of ``values`` (B, P).

    Args:
        mode: Sum of STATES (write ``states`` (B, 2N), global phase included), ENERGIES (write ``energies`` (B,)),
            GRADIENTS (also add to ``grads`` (B, P) and ``slot_grads`` (B, 2K)) and PULLBACK (take bras from
            ``states``, add <bra|d psi/d slot> to ``slot_grads`` and write <bra|psi> to its last pair).
        ints, floats: The program.
        extra: Slots that are not affine, (B, T).
        o_ints, o_floats: The observable.
        keep: 1 for basis states to keep, 0 for those projected out, (N,); empty to keep all.
    """
    n, n_ops, n_fac, n_mats, n_terms, n_q, n_data, width, n_slots, n_lines, n_tapes, n_phase, n_start = ints[:13]
    i = HEADER
    ops = ints[i : i + 8 * n_ops].reshape(n_ops, 8)
    i += 8 * n_ops
    fac = ints[i : i + 2 * n_fac].reshape(n_fac, 2)
    i += 2 * n_fac
    term_i = ints[i : i + 2 * n_terms].reshape(n_terms, 2)
    i += 2 * n_terms
    qlist = ints[i : i + n_q]
    i += n_q
    rows = ints[i : i + n_lines]
    i += n_lines
    cols = ints[i : i + n_lines]
    i += n_lines
    tape_slots = ints[i : i + n_tapes]
    i += n_tapes
    phase_slots = ints[i : i + n_phase]
    i = 0
    mats = floats[: 8 * n_mats].reshape(n_mats, 8)
    i = 8 * n_mats
    term_f = floats[i : i + n_terms]
    i += n_terms
    data = floats[i : i + n_data]
    i += n_data
    base = floats[i : i + n_slots]
    i += n_slots
    coef = floats[i : i + n_lines]
    i += n_lines
    phase_coef = floats[i : i + n_phase]

    n_groups, n_paulis, tabled = o_ints[:3]
    xs = o_ints[3 : 3 + n_groups]
    kinds = o_ints[3 + n_groups : 3 + 2 * n_groups]
    ptr = o_ints[3 + 2 * n_groups : 4 + 3 * n_groups]
    zs = o_ints[4 + 3 * n_groups : 4 + 3 * n_groups + n_paulis]
    cr = o_floats[:n_paulis]
    ci = o_floats[n_paulis : 2 * n_paulis]
    table = o_floats[2 * n_paulis :].reshape(n_groups * tabled, 2, (1 << n) if tabled else 1)

    size = 1 << n
    scratch = np.empty((6, size))
    pr, pi, lr, li, tr, ti = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    work = np.empty(width + 4 * n + 128)
    sums = np.empty(n * (n + 1) + 8)
    buffer = np.empty(2 << min(n, BLOCK))
    slots = np.empty(n_slots)
    for b in range(values.shape[0]):
        fill_slots(base, rows, cols, coef, tape_slots, values[b], extra[b], slots)
        pr, pi, tr, ti = forward(
            n, ops, n_start, fac, mats, term_i, term_f, qlist, data, slots, pr, pi, work, tr, ti
        )
        if mode == STATES:
            angle = 0.0
            for k in range(n_phase):
                angle += phase_coef[k] * slots[phase_slots[k]]
            c = math.cos(angle)
            s = math.sin(angle)
            for k in range(size):
                states[b, 2 * k] = c * pr[k] - s * pi[k]
                states[b, 2 * k + 1] = c * pi[k] + s * pr[k]
            continue
        if mode == PULLBACK:
            angle = 0.0
            for k in range(n_phase):
                angle += phase_coef[k] * slots[phase_slots[k]]
            # psi = exp(i angle) U|0>: move the phase to the bra
            c = math.cos(angle)
            s = math.sin(angle)
            re = 0.0
            im = 0.0
            for k in range(size):
                x = states[b, 2 * k]
                y = states[b, 2 * k + 1]
                lr[k] = c * x + s * y
                li[k] = c * y - s * x
                re += lr[k] * pr[k] + li[k] * pi[k]
                im += lr[k] * pi[k] - li[k] * pr[k]
            for k in range(n_phase):
                slot_grads[b, 2 * phase_slots[k]] -= phase_coef[k] * im
                slot_grads[b, 2 * phase_slots[k] + 1] += phase_coef[k] * re
        elif mode == ENERGIES and keep.shape[0] == 0:
            energies[b] = expect_sum(n, xs, ptr, zs, cr, ci, kinds, table, pr, pi, buffer)
            continue
        else:
            weight = 1.0
            if keep.shape[0]:
                # cotangent of the projected quotient <psi|PHP|psi> / <psi|P|psi>
                weight = 0.0
                for k in range(size):
                    tr[k] = pr[k] * keep[k]
                    ti[k] = pi[k] * keep[k]
                    weight += tr[k] * tr[k] + ti[k] * ti[k]
                apply_sum(n, xs, ptr, zs, cr, ci, kinds, table, tr, ti, lr, li, buffer)
            else:
                apply_sum(n, xs, ptr, zs, cr, ci, kinds, table, pr, pi, lr, li, buffer)
            energy = 0.0
            if keep.shape[0]:
                for k in range(size):
                    energy += tr[k] * lr[k] + ti[k] * li[k]
                energy /= weight
                for k in range(size):
                    lr[k] = keep[k] * (lr[k] - energy * tr[k]) / weight
                    li[k] = keep[k] * (li[k] - energy * ti[k]) / weight
            else:
                for k in range(size):
                    energy += pr[k] * lr[k] + pi[k] * li[k]
            energies[b] = energy
            if mode == ENERGIES:
                continue
        backward(
            n,
            ops,
            n_start,
            fac,
            mats,
            term_i,
            term_f,
            qlist,
            data,
            slots,
            pr,
            pi,
            lr,
            li,
            slot_grads[b],
            work,
            sums,
            tr,
            ti,
        )
        if mode == GRADIENTS:
            for k in range(n_lines):
                grads[b, cols[k]] += 2.0 * coef[k] * slot_grads[b, 2 * rows[k]]
