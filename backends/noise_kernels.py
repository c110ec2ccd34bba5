"""Kernels of the noisy engine: density matrices as real Pauli vectors, gates as small affine or sparse maps.

A state of n qubits is ``r[i] = Tr(P_i rho)``, length 4**n, base-4 digit q of ``i`` being the Pauli of qubit q. A
chain of one-qubit gates is one 4 x 4 map, composed per parameter set (its first row is trivial unless Aer loses
trace, see :func:`qalgs.backends.noise.executed`); a two-qubit gate with its noise is a sparse list of entries
``(i, j, a + b cos t + c sin t)`` of its 16 x 16 transfer matrix.

A program is a tuple of arrays (see :class:`qalgs.backends.noise_program.NoisyProgram`):

* ``ops`` (K, 6): kind, first qubit, second qubit (or -1), first and last-plus-one factor or entry, and the index
  of the angle of a two-qubit rotation (or -1);
* ``factors`` (F, 2): kind and index of the factors of chains, into ``consts`` or into the angles;
* ``consts`` (C, 4, 4): fixed maps; ``entry_ij`` (E, 2) and ``entry_abc`` (E, 3): sparse entries.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import math

import numpy as np
from numba import njit

CHAIN, PAIR = 0, 1
CONST, RZ, RX, RY = 0, 1, 2, 3
_TILE = 64
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, forceinline=True)
def _rotate(m, kind, angle):
    """Replace the map ``m`` by ``R(angle) m``."""
    c = math.cos(angle)
    s = math.sin(angle)
    u = 1 if kind == RZ else (2 if kind == RX else 3)
    v = 2 if kind == RZ else (3 if kind == RX else 1)
    for j in range(4):
        a = m[u, j]
        b = m[v, j]
        m[u, j] = c * a - s * b
        m[v, j] = s * a + c * b


@njit(cache=True, forceinline=True)
def _multiply(f, m, out):
    """Write the map "first ``m``, then ``f``" to ``out``."""
    for i in range(4):
        for j in range(4):
            out[i, j] = f[i, 0] * m[0, j] + f[i, 1] * m[1, j] + f[i, 2] * m[2, j] + f[i, 3] * m[3, j]


@njit(cache=True, forceinline=True)
def _identity(m):
    for i in range(4):
        for j in range(4):
            m[i, j] = 1.0 if i == j else 0.0


@njit(cache=True, forceinline=True)
def chain_map(factors, consts, first, last, angles, m, work):
    """Compose the factors ``first`` to ``last`` of a chain into the map ``m`` (4, 4)."""
    _identity(m)
    for k in range(first, last):
        if factors[k, 0] == CONST:
            _multiply(consts[factors[k, 1]], m, work)
            m[:, :] = work
        else:
            _rotate(m, factors[k, 0], angles[factors[k, 1]])


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_chain(r, qubit, m):
    """Apply a one-qubit map to the Pauli vector ``r`` in place."""
    size = r.shape[0]
    s = 1 << (2 * qubit)
    lossy = m[0, 0] != 1.0 or m[0, 1] != 0.0 or m[0, 2] != 0.0 or m[0, 3] != 0.0
    m00, m01, m02, m03 = m[0, 0], m[0, 1], m[0, 2], m[0, 3]
    m10, m11, m12, m13 = m[1, 0], m[1, 1], m[1, 2], m[1, 3]
    m20, m21, m22, m23 = m[2, 0], m[2, 1], m[2, 2], m[2, 3]
    m30, m31, m32, m33 = m[3, 0], m[3, 1], m[3, 2], m[3, 3]
    for base in range(0, size, 4 * s):
        ri = r[base : base + s]
        rx = r[base + s : base + 2 * s]
        ry = r[base + 2 * s : base + 3 * s]
        rz = r[base + 3 * s : base + 4 * s]
        for k in range(s):
            i = ri[k]
            x = rx[k]
            y = ry[k]
            z = rz[k]
            rx[k] = m10 * i + m11 * x + m12 * y + m13 * z
            ry[k] = m20 * i + m21 * x + m22 * y + m23 * z
            rz[k] = m30 * i + m31 * x + m32 * y + m33 * z
            if lossy:
                ri[k] = m00 * i + m01 * x + m02 * y + m03 * z


@njit(cache=True, forceinline=True)
def _transpose(m, out):
    for i in range(4):
        for j in range(4):
            out[i, j] = m[j, i]


@njit(cache=True, forceinline=True)
def _offsets(a, b, offsets):
    """Offsets of the 16 Pauli pairs of qubits ``a`` (low digit) and ``b`` (high digit)."""
    for i in range(16):
        offsets[i] = ((i & 3) << (2 * a)) + ((i >> 2) << (2 * b))


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def apply_pair(r, a, b, entries, coefs, transposed):
    """Apply a sparse two-qubit map in place; ``entries`` (E, 2) are (row, column), ``coefs`` (E,) the values."""
    lo = min(a, b)
    hi = max(a, b)
    tiles = r.shape[0] >> 4
    offsets = np.empty(16, np.int64)
    _offsets(a, b, offsets)
    width = min(_TILE, tiles)
    bases = np.empty(width, np.int64)
    old = np.empty((16, width))
    new = np.empty((16, width))
    row = 1 if transposed else 0
    for start in range(0, tiles, width):
        for t in range(width):
            c = start + t
            low = c & ((1 << (2 * lo)) - 1)
            mid = (c >> (2 * lo)) & ((1 << (2 * (hi - lo - 1))) - 1)
            high = c >> (2 * (hi - 1))
            bases[t] = low | (mid << (2 * lo + 2)) | (high << (2 * hi + 2))
        for i in range(16):
            for t in range(width):
                old[i, t] = r[bases[t] + offsets[i]]
                new[i, t] = 0.0
        for e in range(entries.shape[0]):
            target = new[entries[e, row]]
            source = old[entries[e, 1 - row]]
            value = coefs[e]
            for t in range(width):
                target[t] += value * source[t]
        for i in range(16):
            for t in range(width):
                r[bases[t] + offsets[i]] = new[i, t]


@njit(cache=True, forceinline=True)
def pair_values(abc, angle, coefs):
    """Write ``a + b cos(angle) + c sin(angle)`` per entry; a fixed gate has b = c = 0."""
    c = math.cos(angle)
    s = math.sin(angle)
    for e in range(abc.shape[0]):
        coefs[e] = abc[e, 0] + c * abc[e, 1] + s * abc[e, 2]


@njit(cache=True, forceinline=True)
def ground(r):
    """Write the Pauli vector of |0...0>: one where every Pauli is I or Z."""
    r[:] = 0.0
    r[0] = 1.0
    filled = 1
    while filled < r.shape[0]:
        for k in range(filled):
            r[3 * filled + k] = r[k]
        filled *= 4


@njit(cache=True, forceinline=True)
def _run(ops, factors, consts, entry_ij, entry_abc, angles, r, m, work, coefs, saved, slots):
    """Evolve ``r`` through the program; where ``slots[k] >= 0``, keep the state before op k in ``saved``."""
    for k in range(ops.shape[0]):
        if slots[k] >= 0:
            saved[slots[k], :] = r
        first = ops[k, 3]
        last = ops[k, 4]
        if ops[k, 0] == CHAIN:
            chain_map(factors, consts, first, last, angles, m, work)
            apply_chain(r, ops[k, 1], m)
        else:
            angle = angles[ops[k, 5]] if ops[k, 5] >= 0 else 0.0
            pair_values(entry_abc[first:last], angle, coefs)
            apply_pair(r, ops[k, 1], ops[k, 2], entry_ij[first:last], coefs, False)


@njit(cache=True, nogil=True)
def components(num_qubits, ops, factors, consts, entry_ij, entry_abc, angles, wanted):
    """Return ``Tr(P_i rho)`` for the Pauli indices ``wanted`` (K,) and each row of ``angles`` (B, A): (B, K)."""
    r = np.empty(1 << (2 * num_qubits))
    m = np.empty((4, 4))
    work = np.empty((4, 4))
    coefs = np.empty(256)
    saved = np.empty((0, 0))
    slots = np.full(ops.shape[0], -1, np.int64)
    out = np.empty((angles.shape[0], wanted.shape[0]))
    for b in range(angles.shape[0]):
        ground(r)
        _run(ops, factors, consts, entry_ij, entry_abc, angles[b], r, m, work, coefs, saved, slots)
        for k in range(wanted.shape[0]):
            out[b, k] = r[wanted[k]]
    return out


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def _correlate_chain(left, r, qubit, g):
    """Write ``g[i, j] = sum over the other qubits of left[i, .] r[j, .]`` for the Paulis i, j of one qubit."""
    s = 1 << (2 * qubit)
    g[:, :] = 0.0
    for base in range(0, r.shape[0], 4 * s):
        for i in range(4):
            for j in range(4):
                total = 0.0
                above = left[base + i * s : base + (i + 1) * s]
                below = r[base + j * s : base + (j + 1) * s]
                for k in range(s):
                    total += above[k] * below[k]
                g[i, j] += total


@njit(cache=True, forceinline=True)
def _chain_gradient(factors, consts, first, last, angles, g, prefixes, suffix, work, gradient):
    """Add ``d<g, map>/d angle`` for every rotation of the chain, by prefix and suffix products."""
    for k in range(first, last):
        chain_map(factors, consts, first, k, angles, prefixes[k - first], work)
    _identity(suffix)
    rotation = np.empty((4, 4))
    for k in range(last - 1, first - 1, -1):
        kind = factors[k, 0]
        p = prefixes[k - first]
        if kind == CONST:
            _multiply(suffix, consts[factors[k, 1]], work)
        else:
            angle = angles[factors[k, 1]]
            u = 1 if kind == RZ else (2 if kind == RX else 3)
            v = 2 if kind == RZ else (3 if kind == RX else 1)
            c = math.cos(angle)
            s = math.sin(angle)
            total = 0.0
            for j in range(4):
                du = -s * p[u, j] - c * p[v, j]
                dv = c * p[u, j] - s * p[v, j]
                for i in range(4):
                    total += g[i, j] * (suffix[i, u] * du + suffix[i, v] * dv)
            gradient[factors[k, 1]] += total
            _identity(rotation)
            _rotate(rotation, kind, angle)
            _multiply(suffix, rotation, work)
        suffix[:, :] = work


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def _pair_gradient(left, r, a, b, entries, abc, angle):
    """Return ``sum over entries of (-b sin + c cos) <left[i, .], r[j, .]>``."""
    lo = min(a, b)
    hi = max(a, b)
    offsets = np.empty(16, np.int64)
    _offsets(a, b, offsets)
    c = math.cos(angle)
    s = math.sin(angle)
    total = 0.0
    for e in range(entries.shape[0]):
        weight = c * abc[e, 2] - s * abc[e, 1]
        if weight == 0.0:
            continue
        part = 0.0
        for t in range(r.shape[0] >> 4):
            low = t & ((1 << (2 * lo)) - 1)
            mid = (t >> (2 * lo)) & ((1 << (2 * (hi - lo - 1))) - 1)
            base = low | (mid << (2 * lo + 2)) | ((t >> (2 * (hi - 1))) << (2 * hi + 2))
            part += left[base + offsets[entries[e, 0]]] * r[base + offsets[entries[e, 1]]]
        total += weight * part
    return total


@njit(cache=True, nogil=True)
def value_and_gradient(
    num_qubits, ops, factors, consts, entry_ij, entry_abc, angles, wanted, weights, slots, num_slots
):
    """Return ``sum_k weights[k] Tr(P_k rho)`` (B,) and its gradient by the angles (B, A), by a reverse sweep.

    Args:
        num_qubits: Number of qubits.
        ops: With the four arrays that follow, the program.
        factors: See the module.
        consts: See the module.
        entry_ij: See the module.
        entry_abc: See the module.
        angles: (B, A).
        wanted: Pauli indices (K,), without repetition.
        weights: (K,).
        slots: (number of ops,) where to keep the state before an op that has angles, -1 for the others.
        num_slots: Number of states kept.
    """
    size = 1 << (2 * num_qubits)
    r = np.empty(size)
    left = np.empty(size)
    m = np.empty((4, 4))
    work = np.empty((4, 4))
    suffix = np.empty((4, 4))
    g = np.empty((4, 4))
    coefs = np.empty(256)
    saved = np.empty((num_slots, size))
    longest = 1
    for k in range(ops.shape[0]):
        if ops[k, 0] == CHAIN:
            longest = max(longest, ops[k, 4] - ops[k, 3])
    prefixes = np.empty((longest, 4, 4))
    values = np.zeros(angles.shape[0])
    gradients = np.zeros(angles.shape)
    for b in range(angles.shape[0]):
        ground(r)
        _run(ops, factors, consts, entry_ij, entry_abc, angles[b], r, m, work, coefs, saved, slots)
        left[:] = 0.0
        for k in range(wanted.shape[0]):
            values[b] += weights[k] * r[wanted[k]]
            left[wanted[k]] = weights[k]
        for k in range(ops.shape[0] - 1, -1, -1):
            first = ops[k, 3]
            last = ops[k, 4]
            if ops[k, 0] == CHAIN:
                if slots[k] >= 0:
                    _correlate_chain(left, saved[slots[k]], ops[k, 1], g)
                    _chain_gradient(
                        factors, consts, first, last, angles[b], g, prefixes, suffix, work, gradients[b]
                    )
                chain_map(factors, consts, first, last, angles[b], m, work)
                _transpose(m, work)
                apply_chain(left, ops[k, 1], work)
            else:
                angle = 0.0
                if ops[k, 5] >= 0:
                    angle = angles[b, ops[k, 5]]
                    gradients[b, ops[k, 5]] += _pair_gradient(
                        left,
                        saved[slots[k]],
                        ops[k, 1],
                        ops[k, 2],
                        entry_ij[first:last],
                        entry_abc[first:last],
                        angle,
                    )
                pair_values(entry_abc[first:last], angle, coefs)
                apply_pair(left, ops[k, 1], ops[k, 2], entry_ij[first:last], coefs, True)
    return values, gradients


@njit(cache=True, nogil=True)
def probabilities(spectra, flips):
    """Return outcome probabilities from the Walsh spectra of measured bits, readout errors included.

    Args:
        spectra: (B, 2**m): ``<product of Z over the bits of s>`` in column s.
        flips: (m, 2): ``(p(1|0), p(0|1))`` per bit.

    Returns:
        (B, 2**m), non-negative rows that sum to one.
    """
    out = spectra.copy()
    size = out.shape[1]
    for b in range(out.shape[0]):
        bit = 0
        half = 1
        while half < size:
            up = flips[bit, 0]
            down = flips[bit, 1]
            for base in range(0, size, 2 * half):
                for k in range(base, base + half):
                    zero = 0.5 * (out[b, k] + out[b, k + half])
                    one = 0.5 * (out[b, k] - out[b, k + half])
                    out[b, k] = (1.0 - up) * zero + down * one
                    out[b, k + half] = up * zero + (1.0 - down) * one
            half *= 2
            bit += 1
        total = 0.0
        for k in range(size):
            if out[b, k] < 0.0:
                out[b, k] = 0.0
            total += out[b, k]
        for k in range(size):
            out[b, k] /= total
    return out
