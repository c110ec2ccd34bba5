"""Block encodings that are linear combinations of unitaries: Pauli strings, and shifts for Poisson matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits.block_encodings import GatedEncoding, Matrix, square_power_of_two
from qalgs.circuits.state_preparation import prepare_state
from qalgs.errors import as_array, expect, invalid


class PauliLCU(GatedEncoding):
    """PREPARE-SELECT-PREPARE over the Pauli strings of the matrix, ``alpha = sum |c|``.

    Args:
        operator: A matrix of ``2**n`` rows or a ``SparsePauliOp``.
        cutoff: Drop terms below this fraction of the largest.

    Raises:
        InvalidInputError: If the operator is zero or not of ``2**n`` rows, or ``cutoff`` is negative.

    Example:
        >>> encoding = PauliLCU([[0.5, 0.25], [0.25, 0.5]])
        >>> encoding.alpha, encoding.num_ancillas
        (0.75, 1)
    """

    def __init__(self, operator: ArrayLike | SparsePauliOp, cutoff: float = 1e-14) -> None:
        expect(Real, cutoff=cutoff)
        if not 0.0 <= cutoff < 1.0:
            raise invalid("cutoff", cutoff, "must be at least 0 and below 1")
        if isinstance(operator, SparsePauliOp):
            terms = operator.simplify()
        else:
            matrix = as_array("operator", operator, complex)
            if matrix.ndim != 2:
                raise invalid("operator", operator, "must be a SparsePauliOp or a square matrix")
            terms = SparsePauliOp.from_operator(square_power_of_two(matrix), atol=0, rtol=0)
        size = np.abs(terms.coeffs)
        if size.size == 0 or size.max() == 0:
            raise invalid("operator", "zero", "must not vanish")
        keep = size > cutoff * size.max()
        self.terms = SparsePauliOp(terms.paulis[keep], terms.coeffs[keep])
        self.num_system = int(self.terms.num_qubits)
        self.alpha = float(np.abs(self.terms.coeffs).sum())
        self.num_ancillas = max(1, int(np.ceil(np.log2(len(self.terms)))))
        self.hermitian = bool(np.abs(self.terms.coeffs.imag).max() <= 1e-13 * self.alpha)

    @cached_property
    def matrix(self) -> Matrix:
        """The sum of the terms."""
        return np.asarray(self.terms.to_matrix(), dtype=np.complex128)

    def _prepare(self) -> QuantumCircuit:
        weights = np.zeros(2**self.num_ancillas)
        weights[: len(self.terms)] = np.sqrt(np.abs(self.terms.coeffs) / self.alpha)
        return prepare_state(weights)

    def _build(self, controlled: bool) -> QuantumCircuit:
        """PREPARE, SELECT, PREPARE inverse; only SELECT is controlled: the two PREPAREs cancel when it is off."""
        n, m = self.num_system, self.num_ancillas
        circuit = QuantumCircuit(n + m + controlled)
        index = list(range(n, n + m))
        controls = [*index, n + m] if controlled else index
        prepare = self._prepare()
        circuit.compose(prepare, index, inplace=True)
        on = 2**m - 1
        for k, (pauli, coefficient) in enumerate(zip(self.terms.paulis, self.terms.coeffs, strict=True)):
            on = _flip(circuit, index, on, k)
            phase = float(np.angle(coefficient))
            _controlled_pauli(circuit, pauli.z, pauli.x, controls, phase)
        _flip(circuit, index, on, 2**m - 1)
        circuit.compose(prepare.inverse(), index, inplace=True)
        return circuit


def _flip(circuit: QuantumCircuit, index: Sequence[int], now: int, wanted: int) -> int:
    """X gates that turn 'all ones means ``now``' into 'all ones means ``wanted``'."""
    for bit, qubit in enumerate(index):
        if (now ^ wanted) >> bit & 1:
            circuit.x(qubit)
    return wanted


def _controlled_pauli(
    circuit: QuantumCircuit, z: np.ndarray, x: np.ndarray, controls: Sequence[int], phase: float
) -> None:
    """``e^{i phase} P`` under ``controls``: the string is turned into one Z by uncontrolled gates that cancel."""
    support = [q for q in range(len(z)) if z[q] or x[q]]
    sign = abs(abs(phase) - np.pi) < 1e-12
    if not support:
        if sign or abs(phase) > 1e-15:
            _phase(circuit, np.pi if sign else phase, controls)
        return
    turn = QuantumCircuit(circuit.num_qubits)
    for q in support:
        if x[q] and z[q]:
            turn.sdg(q)
        if x[q]:
            turn.h(q)
    pivot = support[-1]
    for q in support[:-1]:
        turn.cx(q, pivot)
    if sign:
        turn.x(pivot)
    circuit.compose(turn, inplace=True)
    circuit.h(pivot)
    circuit.mcx(list(controls), pivot)
    circuit.h(pivot)
    circuit.compose(turn.inverse(), inplace=True)
    if not sign and abs(phase) > 1e-15:
        _phase(circuit, phase, controls)


def _phase(circuit: QuantumCircuit, angle: float, controls: Sequence[int]) -> None:
    if len(controls) == 1:
        circuit.p(angle, controls[0])
    else:
        circuit.mcp(angle, list(controls[:-1]), controls[-1])


class PoissonShifts(GatedEncoding):
    """The Dirichlet Laplacian of a grid as an LCU of two shifts a direction; no index arithmetic.

    Per direction ``T = tridiag(-1, 2, -1) = 2 I - S - S^T``. The open-ended shift ``S`` is the increment of the
    coordinate with one overflow flag. One call holds a single controlled increment: ``|10><11| ⊗ S + h.c.`` on
    two index qubits in ``|+>|+>`` gives ``S + S^T`` and, being Hermitian, makes the whole unitary a reflection.
    ``alpha = 4 d / scale``, which is tight for large grids; ancillas: 2 index, 1 overflow, ceil(log2 d) direction.

    Args:
        bits: Qubits of each direction; the grid has ``2**bits[k]`` points along direction ``k``.
        scale: The encoded matrix is the Laplacian over ``scale`` (its norm, to encode a unit matrix).

    Raises:
        InvalidInputError: If there is no direction, a direction has no qubit, or ``scale`` is not positive.

    Example:
        >>> PoissonShifts([2]).matrix.real.astype(int).tolist()
        [[2, -1, 0, 0], [-1, 2, -1, 0], [0, -1, 2, -1], [0, 0, -1, 2]]
    """

    def __init__(self, bits: Sequence[int], scale: float = 1.0) -> None:
        expect(Iterable, bits=bits)
        expect(Real, scale=scale)
        bits = tuple(bits)
        for count in bits:
            expect(Integral, bits=count)
        if not bits or len(bits) > 3 or min(bits) < 1:
            raise invalid("bits", tuple(bits), "must be one to three positive numbers of qubits")
        if not (np.isfinite(scale) and scale > 0):
            raise invalid("scale", scale, "must be finite and above zero")
        self.bits = tuple(int(b) for b in bits)
        self.scale = float(scale)
        self.num_system = sum(self.bits)
        self._directions = (len(self.bits) - 1).bit_length()
        self.num_ancillas = 3 + self._directions
        self.alpha = 4.0 * len(self.bits) / self.scale
        self.hermitian = True

    @cached_property
    def matrix(self) -> Matrix:
        """The Laplacian over ``scale`` as a dense array; direction 0 is least significant."""
        total = np.zeros((2**self.num_system,) * 2)
        for k, b in enumerate(self.bits):
            size = 2**b
            t = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
            low, high = sum(self.bits[:k]), sum(self.bits[k + 1 :])
            total += np.kron(np.eye(2**high), np.kron(t, np.eye(2**low)))
        return np.asarray(total / self.scale, dtype=np.complex128)

    def _build(self, controlled: bool) -> QuantumCircuit:
        """PREPARE, one conditional shift a direction, PREPARE inverse.

        Only the shifts and signs are controlled.
        """
        n, d = self.num_system, len(self.bits)
        circuit = QuantumCircuit(self.num_qubits + controlled)
        way, active, flag = n, n + 1, n + 2
        direction = list(range(n + 3, n + 3 + self._directions))
        extra = [self.num_qubits] if controlled else []
        prepare = None
        if direction:
            weights = np.zeros(2**self._directions)
            weights[:d] = np.sqrt(1.0 / d)
            prepare = prepare_state(weights)
            circuit.compose(prepare, direction, inplace=True)
        circuit.h([way, active])
        on, first = 2**self._directions - 1, 0
        for k, b in enumerate(self.bits):
            on = _flip(circuit, direction, on, k)
            coordinate = [*range(first, first + b), flag]
            first += b
            # Flipping all bits turns the increment into the decrement.
            for q in coordinate:
                circuit.cx(way, q)
            _increment(circuit, coordinate, [active, *direction, *extra])
            for q in coordinate:
                circuit.cx(way, q)
        _flip(circuit, direction, on, 2**self._directions - 1)
        if extra:
            circuit.ccx(active, extra[0], way)
            circuit.cz(extra[0], active)
        else:
            circuit.cx(active, way)
            circuit.z(active)
        circuit.h([way, active])
        if prepare is not None:
            circuit.compose(prepare.inverse(), direction, inplace=True)
        return circuit


def _increment(circuit: QuantumCircuit, register: Sequence[int], controls: Sequence[int]) -> None:
    """Add one to ``register`` (least significant first) when all ``controls`` are set."""
    for k in range(len(register) - 1, -1, -1):
        wires = [*controls, *register[:k]]
        if len(wires) == 1:
            circuit.cx(wires[0], register[k])
        else:
            circuit.mcx(wires, register[k])
