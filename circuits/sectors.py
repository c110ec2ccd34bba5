"""Symmetry sectors: which basis states belong, exact levels inside, and what leaks out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Pauli, SparsePauliOp
from scipy import sparse
from scipy.sparse.linalg import eigsh

from qalgs.circuits._checks import real, whole
from qalgs.circuits.fermions import number, to_sparse, total_spin
from qalgs.errors import InfeasibleError, expect, invalid

_MAX_QUBITS = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sector:
    """The common eigenspace of some conserved quantities.

    Attributes:
        num_qubits: Number of qubits.
        quantities: Name to required eigenvalue.
        operators: Name to conserved operator.
        basis: Sorted indices of the computational basis states that satisfy the diagonal quantities.
    """

    num_qubits: int
    quantities: Mapping[str, float]
    operators: Mapping[str, SparsePauliOp] = field(repr=False)
    basis: NDArray[np.int64] = field(repr=False)

    @property
    def off_diagonal(self) -> dict[str, SparsePauliOp]:
        """Quantities that are not diagonal in the computational basis, such as total spin."""
        return {k: op for k, op in self.operators.items() if op.paulis.x.any()}

    @property
    def dimension(self) -> int:
        """Dimension of the sector, off-diagonal quantities included."""
        return int(self._frame().shape[1]) if self.off_diagonal else len(self.basis)

    def matrix(self, operator: SparsePauliOp) -> sparse.csr_array:
        """Return the block of ``operator`` on :attr:`basis`."""
        return block(operator, self.basis)

    def _frame(self) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Orthonormal columns over :attr:`basis` that span the sector."""
        frame = np.eye(len(self.basis))
        for name, operator in self.off_diagonal.items():
            inside = frame.conj().T @ np.asarray(self.matrix(operator) @ frame)
            values, vectors = np.linalg.eigh(inside)
            frame = frame @ vectors[:, np.abs(values - self.quantities[name]) < 1e-6]
        return frame

    def eigenstates(self, operator: SparsePauliOp, k: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """Return the lowest ``k`` exact levels and their state vectors (columns, full Hilbert space).

        Raises:
            InvalidInputError: If the sector has fewer than ``k`` states.
        """
        k = whole("k", k, 1)
        if k > self.dimension:
            raise invalid("k", k, f"must be at most the dimension of the sector, {self.dimension}", "reduce k")
        matrix = self.matrix(operator)
        if self.off_diagonal:
            frame = self._frame()
            values, inside = np.linalg.eigh(frame.conj().T @ np.asarray(matrix @ frame))
            values, inside = values[:k], frame @ inside[:, :k]
        elif matrix.shape[0] <= 512 or k >= matrix.shape[0] - 1:
            values, inside = np.linalg.eigh(matrix.toarray())
            values, inside = values[:k], inside[:, :k]
        else:
            values, inside = eigsh(matrix, k=k, which="SA", v0=np.ones(matrix.shape[0]), tol=1e-12)
            order = np.argsort(values)
            values, inside = values[order], inside[:, order]
        vectors = np.zeros((2**self.num_qubits, k), dtype=complex)
        vectors[self.basis] = inside
        return np.asarray(values, dtype=float), vectors

    def energies(self, operator: SparsePauliOp, k: int) -> NDArray[np.float64]:
        """Return the lowest ``k`` exact levels of ``operator`` in the sector."""
        levels, _ = self.eigenstates(operator, k)
        return levels

    def leakage(self, states: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the weight of each state (rows) outside :attr:`basis`."""
        states = np.atleast_2d(states)
        return np.clip(1.0 - (np.abs(states[:, self.basis]) ** 2).sum(axis=1), 0.0, 1.0)


def block(operator: SparsePauliOp, basis: NDArray[np.int64]) -> sparse.csr_array:
    """Return the matrix of ``operator`` between the computational basis states ``basis`` (sorted indices)."""
    weights = 1 << np.arange(operator.num_qubits, dtype=np.int64)
    xs, zs = operator.paulis.x @ weights, operator.paulis.z @ weights
    size = len(basis)
    flips, members = np.unique(xs, return_inverse=True)
    data, rows, columns = [], [], []
    for i, flip in enumerate(flips):
        target = basis ^ flip
        position = np.searchsorted(basis, target)
        inside = np.flatnonzero((position < size) & (basis[np.minimum(position, size - 1)] == target))
        if not len(inside):
            continue
        chosen = np.flatnonzero(members == i)
        # P|b> = i^{|x&z|} (-1)^{z.b} |b^x>
        phases = operator.coeffs[chosen] * 1j ** np.bitwise_count(xs[chosen] & zs[chosen]).astype(int)
        signs = 1 - 2 * (np.bitwise_count(zs[chosen][:, None] & basis[inside][None, :]).astype(np.int64) & 1)
        data.append(phases @ signs)
        rows.append(position[inside])
        columns.append(inside)
    if not data:
        return sparse.csr_array((size, size), dtype=float)
    values = np.concatenate(data)
    if np.abs(values.imag).max(initial=0.0) < 1e-13:
        values = values.real
    coordinates = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((values, coordinates), shape=(size, size))


def fermionic_operators(num_qubits: int, order: str = "blocked") -> dict[str, SparsePauliOp]:
    """Return N, Sz and S (the operator S², eigenvalue s(s+1)) under Jordan-Wigner.

    Args:
        num_qubits: Twice the number of spatial orbitals.
        order: ``"blocked"`` (all spin up, then all spin down) or ``"interleaved"``; S is only given for blocked.
    """
    m = num_qubits // 2
    up, down = (to_sparse(t, num_qubits) for t in number(m))
    if order == "interleaved":
        zs = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], num_qubits) for q in range(num_qubits)]
        one = SparsePauliOp("I" * num_qubits)
        up = sum((0.5 * (one - zs[q]) for q in range(0, num_qubits, 2)), 0.0 * one).simplify()
        down = sum((0.5 * (one - zs[q]) for q in range(1, num_qubits, 2)), 0.0 * one).simplify()
    found = {"N": (up + down).simplify(), "Sz": (0.5 * up - 0.5 * down).simplify()}
    return found if order == "interleaved" else {**found, "S": to_sparse(total_spin(m), num_qubits)}


def magnetization(num_qubits: int) -> SparsePauliOp:
    r"""Return the total magnetisation :math:`\tfrac12\sum_iZ_i`."""
    return SparsePauliOp.from_sparse_list([("Z", [q], 0.5) for q in range(num_qubits)], num_qubits)


def commutes(a: SparsePauliOp, b: SparsePauliOp) -> bool:
    """Whether two operators commute, to 1e-9 of their sizes."""
    difference = (a @ b - b @ a).simplify()
    return bool(
        np.abs(difference.coeffs).max() <= 1e-9 * max(1.0, np.abs(a.coeffs).max() * np.abs(b.coeffs).max())
    )


def find_sector(
    hamiltonian: SparsePauliOp,
    symmetry: Mapping[str, float] | None = None,
    operators: Mapping[str, SparsePauliOp] | None = None,
) -> Sector:
    """Resolve conserved quantities by name and check that the Hamiltonian conserves them.

    Args:
        hamiltonian: The operator.
        symmetry: Name to value: ``"N"`` electrons, ``"Sz"`` half the difference of up and down electrons, ``"S"``
            total spin s, ``"M"`` magnetisation (half the sum of Z; ``"Sz"`` too if only that is conserved), or a
            Pauli label such as ``"ZZZZ"`` with +1 or -1. None or empty: the whole space.
        operators: Operators for the names, as :attr:`qalgs.circuits.Molecule.operators` has them for its mapping;
            for bare operators Jordan-Wigner is assumed, blocked or interleaved, whichever is conserved.

    Returns:
        The sector with its operators and basis states.

    Raises:
        InvalidInputError: If a name is unknown, a quantity is not conserved or a value is not an eigenvalue.
        InfeasibleError: If no state has all the values.

    Example:
        >>> from qalgs.circuits import molecule
        >>> h2 = molecule("H2")
        >>> find_sector(h2.hamiltonian, {"N": 2, "Sz": 0}, h2.operators).basis.tolist()
        [5, 6, 9, 10]
    """
    expect(SparsePauliOp, hamiltonian=hamiltonian)
    expect(Mapping, type(None), symmetry=symmetry, operators=operators)
    n = hamiltonian.num_qubits
    if n > _MAX_QUBITS:
        raise invalid("num_qubits", n, f"must be at most {_MAX_QUBITS} for sector tools")
    chosen: dict[str, SparsePauliOp] = {}
    values: dict[str, float] = {}
    for name, value in (symmetry or {}).items():
        chosen[name] = _conserved(name, hamiltonian, operators)
        number_ = real(f"symmetry[{name!r}]", value)
        values[name] = number_ * (number_ + 1) if name == "S" else number_
    basis = np.arange(2**n, dtype=np.int64)
    for name, operator in chosen.items():
        if not operator.paulis.x.any():
            basis = basis[np.abs(_diagonal(operator, basis) - values[name]) < 1e-9]
    sector = Sector(num_qubits=n, quantities=values, operators=chosen, basis=basis)
    if not len(basis) or sector.dimension == 0:
        raise InfeasibleError(f"no state of {n} qubits has symmetry {dict(symmetry or {})}; change its values")
    return sector


def _conserved(name: str, h: SparsePauliOp, operators: Mapping[str, SparsePauliOp] | None) -> SparsePauliOp:
    n = h.num_qubits
    candidates: list[SparsePauliOp] = []
    if operators is not None and name in operators:
        candidates = [operators[name]]
    elif name == "M":
        candidates = [magnetization(n)]
    elif name in {"N", "Sz", "S"}:
        if n % 2 == 0:
            for order in ("blocked", "interleaved"):
                candidates += [op for key, op in fermionic_operators(n, order).items() if key == name]
        if name == "Sz":
            candidates.append(magnetization(n))
    elif len(name) == n and not set(name) - set("IXYZ"):
        candidates = [SparsePauliOp(Pauli(name))]
    if not candidates:
        raise invalid("symmetry", name, f"must be one of N, Sz, S, M or a Pauli label of {n} letters")
    for candidate in candidates:
        if commutes(candidate, h):
            return candidate
    raise invalid("symmetry", name, "must be conserved by the Hamiltonian", "drop it or check the mapping")


def _diagonal(operator: SparsePauliOp, basis: NDArray[np.int64]) -> NDArray[np.float64]:
    zs = operator.paulis.z @ (1 << np.arange(operator.num_qubits, dtype=np.int64))
    signs = 1 - 2 * (np.bitwise_count(zs[:, None] & basis[None, :]).astype(np.int64) & 1)
    return np.asarray((operator.coeffs.real[:, None] * signs).sum(axis=0), dtype=float)
