"""Observables on a noisy device: Pauli terms on compact qubits, readout error, measurement bases."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rustworkx
from numpy.typing import NDArray
from qiskit.quantum_info import PauliList, SparseObservable, SparsePauliOp

from qalgs.backends.noise import FloatArray
from qalgs.errors import invalid

Pauli = tuple[tuple[int, int], ...]
"""Sorted ``(qubit, letter)`` pairs with letters 1, 2, 3 for X, Y, Z; the empty tuple is the identity."""
Terms = dict[Pauli, float]

_LETTER = {0b10: 1, 0b11: 2, 0b01: 3}
"""From the bit terms of ``SparseObservable`` to letters."""


def observable_key(observable: SparseObservable) -> Hashable:
    """Return a key that is equal for equal lists of terms."""
    return (
        observable.num_qubits,
        np.asarray(observable.coeffs).tobytes(),
        np.asarray(observable.bit_terms).tobytes(),
        np.asarray(observable.indices).tobytes(),
        np.asarray(observable.boundaries).tobytes(),
    )


def pauli_terms(observable: SparseObservable | SparsePauliOp) -> Terms:
    """Return the Pauli terms of a Hermitian observable on virtual qubits.

    Raises:
        InvalidInputError: If a coefficient is complex, infinite or not a number.
    """
    if isinstance(observable, SparsePauliOp):
        observable = SparseObservable.from_sparse_pauli_op(observable)
    plain = observable.as_paulis()
    coefficients = np.asarray(plain.coeffs)
    if not np.all(np.isfinite(coefficients)):
        raise invalid("observable", coefficients[~np.isfinite(coefficients)][0], "must have finite coefficients")
    scale = float(np.max(np.abs(coefficients), initial=1.0))
    terms: Terms = {}
    imaginary = 0.0
    bits, indices, ends = plain.bit_terms, plain.indices, plain.boundaries
    sums: dict[Pauli, complex] = {}
    for k, coefficient in enumerate(coefficients):
        span = range(int(ends[k]), int(ends[k + 1]))
        pauli = tuple(sorted((int(indices[i]), _LETTER[int(bits[i])]) for i in span))
        sums[pauli] = sums.get(pauli, 0.0) + complex(coefficient)
    for pauli, total in sums.items():
        imaginary = max(imaginary, abs(total.imag))
        terms[pauli] = total.real
    if imaginary > 1e-10 * scale:
        raise invalid(
            "observable", f"imaginary part {imaginary:g}", "must be Hermitian", "use its real and imaginary parts"
        )
    return terms


def place(terms: Terms, places: Sequence[int]) -> Terms:
    """Return the terms with virtual qubit ``v`` replaced by compact qubit ``places[v]``."""
    return {tuple(sorted((places[q], p) for q, p in pauli)): c for pauli, c in terms.items()}


def read_out(terms: Terms, flips: FloatArray) -> Terms:
    """Return the observable that an ideal readout must measure to see what the faulty one sees.

    A flip with ``(u, d) = (p(1|0), p(0|1))`` turns P into ``(1 - u - d) P + (d - u)`` on each measured qubit.

    Args:
        terms: The observable on compact qubits.
        flips: (num_qubits, 2) readout flips.
    """
    seen: Terms = {}
    for pauli, coefficient in terms.items():
        partial: list[tuple[Pauli, float]] = [((), coefficient)]
        for q, p in pauli:
            up, down = flips[q]
            grown = [((*done, (q, p)), c * (1 - up - down)) for done, c in partial]
            if down != up:
                grown += [(done, c * (down - up)) for done, c in partial]
            partial = grown
        for reduced, c in partial:
            seen[reduced] = seen.get(reduced, 0.0) + c
    return seen


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """One measurement basis and the terms that are estimated from it.

    Attributes:
        qubits: Measured compact qubits; bit ``i`` of an outcome belongs to ``qubits[i]``.
        letters: The Pauli measured on each.
        terms: The terms measured, with their coefficients.
    """

    qubits: tuple[int, ...]
    letters: tuple[int, ...]
    terms: Terms

    def values(self) -> FloatArray:
        """Return the value of the terms' sum for each of the 2**m outcomes."""
        position = {q: i for i, q in enumerate(self.qubits)}
        coefficients = np.zeros(1 << len(self.qubits))
        for pauli, coefficient in self.terms.items():
            coefficients[sum(1 << position[q] for q, _ in pauli)] += coefficient
        return walsh(coefficients)

    def spectrum(self) -> list[Pauli]:
        """Return the Paulis whose expectations are the Walsh spectrum of the outcomes."""
        pairs = list(zip(self.qubits, self.letters, strict=True))
        return [tuple(sorted(pairs[i] for i in range(len(pairs)) if s >> i & 1)) for s in range(1 << len(pairs))]


def measurement_bases(terms: Terms) -> tuple[float, list[Basis]]:
    """Group terms that commute qubit by qubit into measurement bases.

    Returns:
        The coefficient of the identity, and the bases (Qiskit's graph colouring decides the groups).
    """
    offset = terms.get((), 0.0)
    paulis = [p for p in terms if p]
    if not paulis:
        return offset, []
    width = 1 + max(q for p in paulis for q, _ in p)
    z = np.zeros((len(paulis), width), dtype=bool)
    x = np.zeros_like(z)
    for row, pauli in enumerate(paulis):
        for q, letter in pauli:
            x[row, q] = letter in (1, 2)
            z[row, q] = letter in (2, 3)
    graph = PauliList.from_symplectic(z, x).noncommutation_graph(qubit_wise=True)
    members: dict[int, list[Pauli]] = {}
    for node, colour in sorted(rustworkx.graph_greedy_color(graph).items()):
        members.setdefault(colour, []).append(paulis[node])
    return offset, [joint_basis({p: terms[p] for p in members[colour]}) for colour in sorted(members)]


def joint_basis(terms: Terms) -> Basis:
    """Return the basis that measures terms which agree on every qubit."""
    letters = {q: letter for pauli in terms for q, letter in pauli}
    qubits = tuple(sorted(letters))
    return Basis(qubits, tuple(letters[q] for q in qubits), terms)


def walsh(vector: FloatArray) -> FloatArray:
    """Return ``sum_s (-1)**popcount(s & k) vector[s]`` for every k."""
    result = np.array(vector, dtype=float)
    half = 1
    while half < len(result):
        pairs = result.reshape(-1, 2, half)
        result = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return result


def pauli_expectations(rho: NDArray[np.complex128], paulis: Sequence[Pauli]) -> FloatArray:
    """Return ``Tr(P rho)`` for each Pauli from a dense density matrix."""
    size = len(rho)
    rows = np.arange(size)
    found = np.empty(len(paulis))
    for k, pauli in enumerate(paulis):
        flip = sum(1 << q for q, letter in pauli if letter in (1, 2))
        sign = sum(1 << q for q, letter in pauli if letter in (2, 3))
        ys = sum(letter == 2 for _, letter in pauli)
        # P |j> = i^{#Y} (-1)^{j . sign} |j ^ flip>, so Tr(P rho) sums rho[j, j ^ flip].
        parity = np.bitwise_count(rows & sign) & 1
        found[k] = (1j**ys * np.sum(np.where(parity, -1.0, 1.0) * rho[rows, rows ^ flip])).real
    return found


def from_components(components: FloatArray) -> NDArray[np.complex128]:
    """Return the density matrix from all its 4**n Pauli expectations, qubit 0 = least significant digit."""
    n = (len(components).bit_length() - 1) // 2
    single = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2
    tensor = components.astype(complex).reshape((4,) * n)
    for _ in range(n):
        # The leading Pauli digit becomes a pair of trailing (row, column) bits, most significant qubit first.
        tensor = np.tensordot(tensor, single, axes=(0, 0))
    order = [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]
    return tensor.transpose(order).reshape(2**n, 2**n)


def as_letters(pauli: Pauli, num_qubits: int) -> str:
    """Return the label of a Pauli, qubit 0 rightmost."""
    letters = ["I"] * num_qubits
    for q, p in pauli:
        letters[num_qubits - 1 - q] = "IXYZ"[p]
    return "".join(letters)


def effective_operator(terms: Terms, num_qubits: int) -> Any:
    """Return terms as a ``SparsePauliOp`` of ``num_qubits`` qubits."""
    listed = [(as_letters(p, num_qubits), c) for p, c in terms.items()] or [("I" * num_qubits, 0.0)]
    return SparsePauliOp.from_list(listed)
