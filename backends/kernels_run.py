"""The one entry point of the compiled engine: states, energies and derivatives for a batch of parameter values.

A program and an observable arrive as one array of integers and one of floats each, cut into tables here: a call
with few arguments costs less than the arithmetic of a small circuit, one with thirty would not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from qalgs.backends.kernels import forward
from qalgs.backends.kernels_adjoint import backward
from qalgs.backends.kernels_math import CHAIN, FASTMATH
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


@njit(cache=True, forceinline=True)
def fill_slots(
    base: Floats,
    rows: Integers,
    cols: Integers,
    coef: Floats,
    tape_slots: Integers,
    values: Floats,
    extra: Floats,
    out: Floats,
) -> None:
    """Evaluate the angle slots: ``base + A values``, and the given values of those that are not affine."""
    for k in range(base.shape[0]):
        out[k] = base[k]
    for k in range(rows.shape[0]):
        out[rows[k]] += coef[k] * values[cols[k]]
    for k in range(tape_slots.shape[0]):
        out[tape_slots[k]] = extra[k]


@njit(cache=True, forceinline=True)
def global_phase(phase_slots: Integers, phase_coef: Floats, slots: Floats) -> float:
    """Return the angle of the global phase."""
    angle = 0.0
    for k in range(phase_slots.shape[0]):
        angle += phase_coef[k] * slots[phase_slots[k]]
    return angle


@njit(cache=True, forceinline=True)
def write_state(angle: float, re: Floats, im: Floats, out: Floats) -> None:
    """Write exp(i angle) psi as re, im pairs."""
    c = math.cos(angle)
    s = math.sin(angle)
    for k in range(re.shape[0]):
        out[2 * k] = c * re[k] - s * im[k]
        out[2 * k + 1] = c * im[k] + s * re[k]


@njit(cache=True, forceinline=True)
def read_bra(angle: float, bra: Floats, re: Floats, im: Floats) -> None:
    """Read a bra from re, im pairs and move the state's global phase over to it."""
    c = math.cos(angle)
    s = math.sin(angle)
    for k in range(re.shape[0]):
        x = bra[2 * k]
        y = bra[2 * k + 1]
        re[k] = c * x + s * y
        im[k] = c * y - s * x


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def overlap(ar: Floats, ai: Floats, br: Floats, bi: Floats) -> tuple[float, float]:
    """Return <a|b>."""
    re = 0.0
    im = 0.0
    for k in range(ar.shape[0]):
        re += ar[k] * br[k] + ai[k] * bi[k]
        im += ar[k] * bi[k] - ai[k] * br[k]
    return re, im


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def project(
    n: int,
    xs: Integers,
    ptr: Integers,
    zs: Integers,
    cr: Floats,
    ci: Floats,
    kinds: Integers,
    table: Floats,
    keep: Floats,
    pr: Floats,
    pi: Floats,
    lr: Floats,
    li: Floats,
    tr: Floats,
    ti: Floats,
    buffer: Floats,
) -> float:
    """Return E = <psi|PHP|psi> / <psi|P|psi> and write its cotangent P (H - E) P psi / <psi|P|psi> to lambda."""
    for k in range(pr.shape[0]):
        tr[k] = pr[k] * keep[k]
        ti[k] = pi[k] * keep[k]
    weight = overlap(tr, ti, tr, ti)[0]
    apply_sum(n, xs, ptr, zs, cr, ci, kinds, table, tr, ti, lr, li, buffer)
    energy = overlap(tr, ti, lr, li)[0] / weight
    for k in range(pr.shape[0]):
        lr[k] = keep[k] * (lr[k] - energy * tr[k]) / weight
        li[k] = keep[k] * (li[k] - energy * ti[k]) / weight
    return energy


@njit(cache=True, forceinline=True)
def program_tables(ints: Integers, floats: Floats) -> tuple[Any, ...]:
    """Cut a packed program (see :func:`pack`) into its tables."""
    n_ops, n_fac, n_mats, n_terms, n_q, n_data = ints[1:7]
    n_slots, n_lines, n_tapes, n_phase = ints[8:12]
    i = HEADER + 8 * n_ops
    ops = ints[HEADER:i].reshape(n_ops, 8)
    fac = ints[i : i + 2 * n_fac].reshape(n_fac, 2)
    i += 2 * n_fac
    term_i = ints[i : i + 2 * n_terms].reshape(n_terms, 2)
    i += 2 * n_terms
    qlist = ints[i : i + n_q]
    i += n_q
    rows = ints[i : i + n_lines]
    cols = ints[i + n_lines : i + 2 * n_lines]
    i += 2 * n_lines
    tape_slots = ints[i : i + n_tapes]
    phase_slots = ints[i + n_tapes : i + n_tapes + n_phase]
    i = 8 * n_mats
    mats = floats[:i].reshape(n_mats, 8)
    term_f = floats[i : i + n_terms]
    i += n_terms
    data = floats[i : i + n_data]
    i += n_data
    base = floats[i : i + n_slots]
    i += n_slots
    coef = floats[i : i + n_lines]
    phase_coef = floats[i + n_lines : i + n_lines + n_phase]
    gates = ops, fac, mats, term_i, term_f, qlist, data
    return gates, (base, rows, cols, coef), tape_slots, phase_slots, phase_coef


@njit(cache=True, forceinline=True)
def observable_tables(n: int, o_ints: Integers, o_floats: Floats) -> tuple[Any, ...]:
    """Cut a packed observable into its tables."""
    n_groups, n_paulis, tabled = o_ints[:3]
    xs = o_ints[3 : 3 + n_groups]
    kinds = o_ints[3 + n_groups : 3 + 2 * n_groups]
    ptr = o_ints[3 + 2 * n_groups : 4 + 3 * n_groups]
    zs = o_ints[4 + 3 * n_groups : 4 + 3 * n_groups + n_paulis]
    cr = o_floats[:n_paulis]
    ci = o_floats[n_paulis : 2 * n_paulis]
    table = o_floats[2 * n_paulis :].reshape(n_groups * tabled, 2, (1 << n) if tabled else 1)
    return xs, ptr, zs, cr, ci, kinds, table


@njit(cache=True, forceinline=True)
def vectors(count: int, size: int) -> Floats:
    """Return uninitialised arrays, shape (count, size), aligned to the machine's longest vectors (64 bytes)."""
    raw = np.empty(count * size + 8)
    skip = (-raw.ctypes.data & 63) // 8
    return raw[skip : skip + count * size].reshape(count, size)


@njit(cache=True, nogil=True)
def run(
    mode: int,
    ints: Integers,
    floats: Floats,
    values: Floats,
    extra: Floats,
    o_ints: Integers,
    o_floats: Floats,
    keep: Floats,
    states: Floats,
    energies: Floats,
    grads: Floats,
    slot_grads: Floats,
) -> None:
    """Run a program for each row of ``values`` (B, P).

    Args:
        mode: STATES writes ``states`` (B, 2N), global phase included; ENERGIES writes ``energies`` (B,); GRADIENTS
            also adds to ``grads`` (B, P) and ``slot_grads`` (B, 2K); PULLBACK takes bras from ``states`` and adds
            <bra|d psi/d slot> to ``slot_grads``.
        ints, floats: The program, see :func:`pack`.
        extra: Slots that are not affine, (B, T).
        o_ints, o_floats: The observable.
        keep: 1 for basis states to keep, 0 for those projected out, (N,); empty to keep all.
    """
    n = ints[0]
    gates, lines, tape_slots, phase_slots, phase_coef = program_tables(ints, floats)
    ops, fac, mats, term_i, term_f, qlist, data = gates
    base, rows, cols, coef = lines
    xs, ptr, zs, cr, ci, kinds, table = observable_tables(n, o_ints, o_floats)
    n_start = ints[12]
    width = ints[7]
    scratch = vectors(6, 1 << n)
    pr, pi, lr, li, tr, ti = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5]
    work = np.empty(width + 4 * n + 128)
    sums = np.empty(n * (n + 1) + 8)
    buffer = np.empty(2 << min(n, BLOCK))
    slots = np.empty(base.shape[0])
    for b in range(values.shape[0]):
        fill_slots(base, rows, cols, coef, tape_slots, values[b], extra[b], slots)
        pr, pi, tr, ti = forward(
            n, ops, n_start, fac, mats, term_i, term_f, qlist, data, slots, pr, pi, work, tr, ti
        )
        if mode == STATES:
            write_state(global_phase(phase_slots, phase_coef, slots), pr, pi, states[b])
            continue
        if mode == PULLBACK:
            read_bra(global_phase(phase_slots, phase_coef, slots), states[b], lr, li)
            re, im = overlap(lr, li, pr, pi)
            for k in range(phase_slots.shape[0]):
                slot_grads[b, 2 * phase_slots[k]] -= phase_coef[k] * im
                slot_grads[b, 2 * phase_slots[k] + 1] += phase_coef[k] * re
        elif keep.shape[0]:
            energies[b] = project(n, xs, ptr, zs, cr, ci, kinds, table, keep, pr, pi, lr, li, tr, ti, buffer)
        elif mode == ENERGIES:
            energies[b] = expect_sum(n, xs, ptr, zs, cr, ci, kinds, table, pr, pi, buffer)
        else:
            apply_sum(n, xs, ptr, zs, cr, ci, kinds, table, pr, pi, lr, li, buffer)
            energies[b] = overlap(pr, pi, lr, li)[0]
        if mode == ENERGIES:
            continue
        out = slot_grads[b]
        backward(
            n, ops, n_start, fac, mats, term_i, term_f, qlist, data, slots, pr, pi, lr, li, out, work, sums, tr, ti
        )
        if mode == GRADIENTS:
            for k in range(rows.shape[0]):
                grads[b, cols[k]] += 2.0 * coef[k] * out[2 * rows[k]]
