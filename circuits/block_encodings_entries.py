"""Block encodings from matrix entries: FABLE for dense and Banded for few-diagonal real matrices."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import GatedEncoding, Matrix, is_hermitian, square_power_of_two
from qalgs.circuits.state_preparation import gray_angles, multiplexed_rotation, prepare_state
from qalgs.errors import as_array, expect, invalid


def _real(matrix: ArrayLike) -> NDArray[np.float64]:
    a = square_power_of_two(as_array("matrix", matrix, complex))
    if np.abs(a.imag).max() > 0:
        raise invalid("matrix", "complex entries", "must be real", "use PauliLCU or Dilation")
    if np.abs(a).max() == 0:
        raise invalid("matrix", "zero", "must not vanish")
    return a.real


class Fable(GatedEncoding):
    """FABLE (Camps and Van Beeumen, 2205.00081): entries as Gray-coded multiplexed rotations.

    ``alpha = 2**n max|a|``; ``n + 1`` ancillas; at most ``4**n`` RY and as many CX, fewer with ``cutoff``. A Z
    before the rotations makes each of them a reflection, so a symmetric matrix gives a Hermitian unitary.

    Args:
        matrix: Real, ``2**n`` by ``2**n``.
        cutoff: Rotations smaller than this (radians) are left out; the block then errs by at most about
            ``cutoff`` a rotation, and :meth:`check` compares with the matrix actually encoded.

    Raises:
        InvalidInputError: If the matrix is zero or not real of ``2**n`` rows, or ``cutoff`` is negative.

    Example:
        >>> encoding = Fable([[0.5, 0.25], [0.25, 0.5]])
        >>> encoding.num_qubits, encoding.check() < 1e-10
        (3, True)
    """

    def __init__(self, matrix: ArrayLike, cutoff: float = 0.0) -> None:
        expect(Real, cutoff=cutoff)
        a = _real(matrix)
        self.num_system = a.shape[0].bit_length() - 1
        self.num_ancillas = self.num_system + 1
        if not 0.0 <= cutoff < np.inf:
            raise invalid("cutoff", cutoff, "must be finite and not negative")
        peak = float(np.abs(a).max())
        self.alpha = peak * 2**self.num_system
        # The controls are the system (column, low bits) and the index register (row, high bits).
        self.steps = gray_angles(2.0 * np.arccos(np.clip(a / peak, -1.0, 1.0)).reshape(-1))
        self.steps[np.abs(self.steps) <= cutoff] = 0.0
        encoded = a
        if cutoff > 0:
            encoded = peak * np.cos(_from_gray(self.steps) / 2.0).reshape(a.shape)
        self._matrix = encoded.astype(np.complex128)
        self.hermitian = is_hermitian(self._matrix)

    @property
    def matrix(self) -> Matrix:
        """The encoded matrix (after compression)."""
        return self._matrix

    def _build(self, controlled: bool) -> QuantumCircuit:
        """H, multiplexed reflections, SWAP, H.

        The rotations gain a control of angle zero; SWAPs and Z are controlled; the H cancel.
        """
        n = self.num_system
        circuit = QuantumCircuit(self.num_qubits + controlled)
        system, index, flag, control = list(range(n)), list(range(n, 2 * n)), 2 * n, 2 * n + 1
        circuit.h(index)
        if controlled:
            angles = _from_gray(self.steps)
            steps = gray_angles(np.concatenate([np.zeros_like(angles), angles]))
            circuit.cz(control, flag)
            multiplexed_rotation(circuit, "y", list(steps), [*system, *index, control], flag)
            for s, i in zip(system, index, strict=True):
                circuit.cswap(control, s, i)
        else:
            circuit.z(flag)
            multiplexed_rotation(circuit, "y", list(self.steps), [*system, *index], flag)
            for s, i in zip(system, index, strict=True):
                circuit.swap(s, i)
        circuit.h(index)
        return circuit


def _from_gray(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`gray_angles`."""
    size = steps.size
    index = np.arange(size)
    plain = np.empty(size)
    plain[index ^ (index >> 1)] = steps
    order = np.argsort(index ^ (index >> 1))
    # gray_angles is its own inverse up to the factor and the permutation of its output.
    return gray_angles(plain)[order] * size


class Banded(GatedEncoding):
    """A real symmetric matrix of few diagonals: one multiplexed reflection and one shift a diagonal.

    ``A = D_0 + sum_k (S^k D_k + h.c.)`` with diagonals ``D_k`` and the open-ended shift ``S`` (increments with an
    overflow flag). ``alpha = max|D_0| + 2 sum_k max|D_k|``, close to the norm for stencils, where FABLE's grows
    with the size. Ancillas: ceil(log2(diagonals)) index, 1 way, 1 overflow, 1 amplitude flag.

    Args:
        matrix: Real symmetric, ``2**n`` by ``2**n``.

    Raises:
        InvalidInputError: If the matrix is not real symmetric of ``2**n`` rows, or is zero.

    Example:
        >>> laplacian = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
        >>> encoding = Banded(laplacian)
        >>> encoding.alpha, encoding.num_ancillas
        (4.0, 4)
    """

    def __init__(self, matrix: ArrayLike) -> None:
        a = _real(matrix)
        if not is_hermitian(a.astype(np.complex128)):
            raise invalid("matrix", "not symmetric", "must be symmetric", "dilate it, or use Fable")
        size = a.shape[0]
        self.num_system = size.bit_length() - 1
        self._matrix = a.astype(np.complex128)
        self.offsets = [k for k in range(size) if np.abs(np.diagonal(a, -k)).max(initial=0.0) > 0]
        self.peaks = [float(np.abs(np.diagonal(a, -k)).max()) for k in self.offsets]
        # Column j of offset k holds a[j + k, j].
        self.values = [
            np.concatenate([np.diagonal(a, -k), np.zeros(k)]) / p
            for k, p in zip(self.offsets, self.peaks, strict=True)
        ]
        self.alpha = float(sum(p if k == 0 else 2 * p for k, p in zip(self.offsets, self.peaks, strict=True)))
        self._index = (len(self.offsets) - 1).bit_length()
        self.num_ancillas = self._index + 3
        self.hermitian = True

    @property
    def matrix(self) -> Matrix:
        """The encoded matrix."""
        return self._matrix

    def _build(self, controlled: bool) -> QuantumCircuit:
        """PREPARE, the diagonals one after another, PREPARE inverse.

        Rotations and shifts gain the control; PREPARE does not.
        """
        n = self.num_system
        circuit = QuantumCircuit(self.num_qubits + controlled)
        overflow, flag, way = n, n + 1, n + 2
        index = list(range(n + 3, n + 3 + self._index))
        extra = [self.num_qubits] if controlled else []
        weights = np.zeros(2**self._index)
        for k, (offset, peak) in enumerate(zip(self.offsets, self.peaks, strict=True)):
            weights[k] = np.sqrt((peak if offset == 0 else 2 * peak) / self.alpha)
        prepare = prepare_state(weights) if index else None
        if prepare is not None:
            circuit.compose(prepare, index, inplace=True)
        circuit.h(way)
        for k, offset in enumerate(self.offsets):
            angles = 2.0 * np.arccos(np.clip(self.values[k], -1.0, 1.0))
            here = [(q, k >> bit & 1) for bit, q in enumerate(index)] + [(q, 1) for q in extra]
            if offset == 0:
                _diagonal(circuit, angles, n, flag, here)
                continue
            # way = 0: the diagonal, then up; way = 1: the adjoint. Flipping way makes the pair Hermitian.
            _diagonal(circuit, angles, n, flag, [*here, (way, 0)])
            _shift(circuit, offset, [*range(n), overflow], way, here)
            _diagonal(circuit, angles, n, flag, [*here, (way, 1)])
            _when(circuit, here, way)
        circuit.h(way)
        if prepare is not None:
            circuit.compose(prepare.inverse(), index, inplace=True)
        return circuit


Condition = list[tuple[int, int]]


def _when(circuit: QuantumCircuit, condition: Condition, target: int) -> None:
    """X on ``target`` where every ``(qubit, value)`` holds."""
    zeros = [q for q, value in condition if not value]
    controls = [q for q, _ in condition]
    for q in zeros:
        circuit.x(q)
    if not controls:
        circuit.x(target)
    elif len(controls) == 1:
        circuit.cx(controls[0], target)
    else:
        circuit.mcx(controls, target)
    for q in zeros:
        circuit.x(q)


def _diagonal(
    circuit: QuantumCircuit, angles: NDArray[np.float64], n: int, flag: int, condition: Condition
) -> None:
    """Reflections ``[[a, s], [s, -a]]`` of the flag by the column, where the condition holds."""
    table = np.zeros((2 ** len(condition), angles.size))
    table[sum(value << bit for bit, (_, value) in enumerate(condition))] = angles
    circuit.h(flag)
    _when(circuit, condition, flag)
    circuit.h(flag)
    controls = [*range(n), *(q for q, _ in condition)]
    multiplexed_rotation(circuit, "y", list(gray_angles(table.reshape(-1))), controls, flag)


def _shift(circuit: QuantumCircuit, offset: int, register: list[int], way: int, condition: Condition) -> None:
    """Add ``offset`` (way = 0) or subtract it (way = 1) where the condition holds."""
    for q in register:
        circuit.cx(way, q)
    for bit in range(offset.bit_length()):
        if offset >> bit & 1:
            for k in range(len(register) - 1, bit - 1, -1):
                _when(circuit, [*condition, *((q, 1) for q in register[bit:k])], register[k])
    for q in register:
        circuit.cx(way, q)
