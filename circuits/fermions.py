r"""Fermionic operators as Pauli sums: Jordan-Wigner and parity, from one- and two-body integrals.

A Pauli sum is held as arrays ``(x, z, c)`` meaning :math:`\sum_i c_i X^{x_i}Z^{z_i}` with bit masks; products
are then bit operations on whole arrays. Spin orbitals are blocked: orbital p with spin up is
mode p, with spin down mode p + m.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import PauliList, SparsePauliOp

Integers = NDArray[np.int64]
Terms = tuple[Integers, Integers, NDArray[np.complex128]]


def _parity(masks: Integers) -> Integers:
    return np.bitwise_count(masks).astype(np.int64) & 1


def collect(terms: list[Terms]) -> Terms:
    """Add Pauli sums, merging equal strings."""
    x, z, c = (np.concatenate(part) for part in zip(*terms, strict=True))
    keys, where = np.unique(np.stack([x, z]), axis=1, return_inverse=True)
    total = np.zeros(keys.shape[1], dtype=complex)
    np.add.at(total, where.ravel(), c)
    kept = np.abs(total) > 1e-14
    if not kept.any():
        return constant(0.0)
    return keys[0, kept], keys[1, kept], total[kept]


def multiply(a: Terms, b: Terms) -> Terms:
    """Multiply two Pauli sums."""
    x = (a[0][:, None] ^ b[0][None, :]).ravel()
    z = (a[1][:, None] ^ b[1][None, :]).ravel()
    sign = 1 - 2 * _parity(a[1][:, None] & b[0][None, :])
    return collect([(x, z, (a[2][:, None] * b[2][None, :] * sign).ravel())])


def scale(a: Terms, factor: complex) -> Terms:
    """Multiply a Pauli sum by a number."""
    return a[0], a[1], a[2] * factor


def constant(value: complex) -> Terms:
    """Return a multiple of the identity."""
    return np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([value], dtype=complex)


def ladder(mode: int, create: bool) -> Terms:
    r"""Return :math:`a_p^{(\dagger)}=Z_{<p}(X_p\mp iY_p)/2` under Jordan-Wigner; occupied is :math:`|1\rangle`."""
    x = np.full(2, 1 << mode, dtype=np.int64)
    z = np.array([(1 << mode) - 1, (1 << (mode + 1)) - 1], dtype=np.int64)
    return x, z, np.array([0.5, 0.5 if create else -0.5], dtype=complex)


def excitation(p: int, q: int) -> Terms:
    r"""Return :math:`a_p^\dagger a_q`."""
    return multiply(ladder(p, True), ladder(q, False))


def one_body(matrix: NDArray[np.float64]) -> Terms:
    r"""Return :math:`\sum_{pq\sigma}h_{pq}a^\dagger_{p\sigma}a_{q\sigma}` for spatial orbitals."""
    m = matrix.shape[0]
    parts = [
        scale(excitation(p + s * m, q + s * m), matrix[p, q])
        for p in range(m)
        for q in range(m)
        for s in (0, 1)
        if abs(matrix[p, q]) > 1e-14
    ]
    return collect(parts or [constant(0.0)])


def electronic(core: float, one: NDArray[np.float64], two: NDArray[np.float64]) -> Terms:
    r"""Return :math:`E_c+\sum h_{pq}E_{pq}+\tfrac12\sum(pq|rs)(E_{pq}E_{rs}-\delta_{qr}E_{ps})`.

    Args:
        core: Constant energy, Ha.
        one: One-electron integrals of the spatial orbitals, Ha.
        two: Two-electron integrals (pq|rs) in chemists' order, Ha.
    """
    m = one.shape[0]
    effective = one - 0.5 * np.einsum("pqqs->ps", two)
    parts = [constant(core), one_body(effective)]
    for p in range(m):
        for q in range(m):
            if np.abs(two[p, q]).max() > 1e-14:
                unit = np.zeros((m, m))
                unit[p, q] = 0.5
                parts.append(multiply(one_body(unit), one_body(two[p, q])))
    return collect(parts)


def number(num_orbitals: int) -> tuple[Terms, Terms]:
    """Return the numbers of spin-up and of spin-down electrons."""
    m = num_orbitals
    up = collect([excitation(p, p) for p in range(m)])
    return up, collect([excitation(p + m, p + m) for p in range(m)])


def total_spin(num_orbitals: int) -> Terms:
    r"""Return :math:`S^2=S_-S_++S_z(S_z+1)`."""
    m = num_orbitals
    up, down = number(m)
    sz = collect([scale(up, 0.5), scale(down, -0.5)])
    raise_ = collect([excitation(p, p + m) for p in range(m)])
    lower = collect([excitation(p + m, p) for p in range(m)])
    return collect([multiply(lower, raise_), multiply(sz, sz), sz])


def to_parity(terms: Terms, num_modes: int) -> Terms:
    """Change from the occupation basis to the parity basis, in which qubit i holds the parity of modes 0..i."""
    x, z, c = terms
    new_x, new_z = np.zeros_like(x), np.zeros_like(z)
    running = np.zeros_like(x)
    for i in range(num_modes):
        running = running ^ (x >> i & 1)
        new_x |= running << i
        new_z |= ((z >> i & 1) ^ (z >> (i + 1) & 1)) << i
    return new_x, new_z, c


def taper(terms: Terms, qubit: int, eigenvalue: int) -> Terms:
    """Replace Z on ``qubit``, which must commute with every term, by its eigenvalue and remove the qubit."""
    x, z, c = terms
    if (x >> qubit & 1).any():
        raise ValueError(f"qubit {qubit} is not conserved by the operator")
    factor = np.where(z >> qubit & 1, eigenvalue, 1)
    low = (1 << qubit) - 1
    squeeze = [(mask & low) | (mask >> (qubit + 1) << qubit) for mask in (x, z)]
    return collect([(squeeze[0], squeeze[1], c * factor)])


def to_sparse(terms: Terms, num_qubits: int) -> SparsePauliOp:
    r"""Convert to Qiskit's form; :math:`XZ=-iY` on one qubit."""
    x, z, c = terms
    shifts = np.arange(num_qubits)
    xs = (x[:, None] >> shifts & 1).astype(bool)
    zs = (z[:, None] >> shifts & 1).astype(bool)
    coefficients = c * (-1j) ** np.bitwise_count(x & z).astype(np.int64)
    if np.abs(coefficients.imag).max(initial=0.0) < 1e-12:
        coefficients = coefficients.real
    return SparsePauliOp(PauliList.from_symplectic(zs, xs), coefficients).sort()
