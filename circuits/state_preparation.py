"""State preparation and multiplexed rotations with explicit, shareable angles.

A preparation is a *template*: one circuit whose rotation angles are parameters. Many right-hand sides of the same
size then run as one circuit with many rows of parameter values, so that a transpiled circuit is reused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector

from qalgs.errors import expect, invalid

Angle: TypeAlias = "float | ParameterExpression"


def gray_angles(angles: ArrayLike) -> NDArray[np.float64]:
    """Transform the angles of a multiplexed rotation into those of its CNOT-interleaved form.

    The angle that acts when the controls read ``i`` is ``sum_g (-1)^{<gray(g), i>} t_g``, so
    ``t = 2^{-k} H_gray angles``, a Walsh-Hadamard transform read in Gray-code order (Möttönen et al.,
    quant-ph/0404089, eq. 3).

    Args:
        angles: ``2**k`` angles in radians, indexed by the value of the control register (little-endian).

    Returns:
        The ``2**k`` angles of the uncontrolled rotations, in the order in which they are applied.
    """
    t = np.array(angles, dtype=float)
    size = t.size
    half = 1
    while half < size:
        view = t.reshape(-1, 2, half)
        t = np.stack([view[:, 0] + view[:, 1], view[:, 0] - view[:, 1]], axis=1).reshape(-1)
        half *= 2
    index = np.arange(size)
    return t[index ^ (index >> 1)] / size


def multiplexed_rotation(
    circuit: QuantumCircuit, axis: str, steps: Sequence[Angle], controls: Sequence[int], target: int
) -> None:
    """Append a rotation about ``axis`` whose angle depends on the controls.

    Rotations by exactly zero are left out, and CNOTs that then meet cancel (the compression of FABLE).

    Args:
        circuit: The circuit to extend.
        axis: ``"y"`` or ``"z"``.
        steps: The ``2**len(controls)`` angles from :func:`gray_angles` (numbers or parameters).
        controls: Control qubits, least significant first.
        target: The rotated qubit.
    """
    rotate = circuit.ry if axis == "y" else circuit.rz
    size = len(steps)
    pending = 0
    for g in range(size):
        step = steps[g]
        if isinstance(step, ParameterExpression) or step != 0.0:
            pending = _flush(circuit, pending, controls, target)
            rotate(step, target)
        following = ((g + 1) % size) ^ (((g + 1) % size) >> 1)
        pending ^= (g ^ (g >> 1)) ^ following
    _flush(circuit, pending, controls, target)


def _flush(circuit: QuantumCircuit, pending: int, controls: Sequence[int], target: int) -> int:
    for k, control in enumerate(controls):
        if pending >> k & 1:
            circuit.cx(control, target)
    return 0


@dataclass(frozen=True, eq=False)
class PreparationTemplate:
    """A parametrised circuit that prepares any normalised vector of ``2**num_qubits`` entries from ``|0...0>``.

    Attributes:
        num_qubits: Number of qubits.
        real: Whether the vectors are real; then only RY and CX are used and no phases are spent.
        circuit: The circuit; its parameters are in the order of :meth:`angles`.
    """

    num_qubits: int
    real: bool
    circuit: QuantumCircuit = field(repr=False)

    @property
    def num_parameters(self) -> int:
        """Number of angles."""
        return (2**self.num_qubits - 1) * (1 if self.real else 2) + (0 if self.real else 1)

    def angles(self, vector: ArrayLike) -> NDArray[np.float64]:
        """Return the parameter values that prepare ``vector / norm(vector)`` exactly, sign or phase included.

        Args:
            vector: ``2**num_qubits`` amplitudes, not all zero.

        Raises:
            InvalidInputError: If the vector is zero, of the wrong length, or complex for a real template.
        """
        v = np.asarray(vector)
        size = 2**self.num_qubits
        if v.shape != (size,):
            raise invalid("vector", v.shape, f"must have shape ({size},)")
        norm = float(np.linalg.norm(v))
        if not np.isfinite(norm) or norm == 0.0:
            raise invalid("vector", norm, "must have a finite norm above zero")
        if self.real:
            if np.iscomplexobj(v) and np.abs(v.imag).max() > 0:
                raise invalid("vector", "complex entries", "must be real", "use a complex template")
            return np.concatenate(_tree(np.real(v) / norm))
        v = v / norm
        return np.concatenate([*_tree(np.abs(v)), *_phases(np.angle(v))])

    def bound(self, vector: ArrayLike) -> QuantumCircuit:
        """Return the circuit that prepares ``vector``, without parameters."""
        bound: QuantumCircuit = self.circuit.assign_parameters(self.angles(vector))
        return bound


def preparation_template(num_qubits: int, *, real: bool) -> PreparationTemplate:
    """Build the binary-tree preparation of Möttönen et al. (quant-ph/0407010) with parameters for angles.

    Args:
        num_qubits: Number of qubits, at least 1.
        real: Leave out the phases.

    Returns:
        The template.

    Raises:
        InvalidInputError: If there is no qubit.

    Example:
        >>> template = preparation_template(2, real=True)
        >>> template.angles(np.array([1.0, 0.0, 0.0, 0.0])).tolist()
        [0.0, 0.0, 0.0]
    """
    expect(Integral, num_qubits=num_qubits)
    if num_qubits < 1:
        raise invalid("num_qubits", num_qubits, "must be at least 1")
    count = 2**num_qubits - 1
    angles = ParameterVector("b", count if real else 2 * count + 1)
    circuit = QuantumCircuit(num_qubits, name="U_b")
    used = 0
    for level in range(num_qubits):
        target = num_qubits - 1 - level
        steps = list(angles[used : used + 2**level])
        multiplexed_rotation(circuit, "y", steps, list(range(target + 1, num_qubits)), target)
        used += 2**level
    if not real:
        for target in range(num_qubits):
            size = 2 ** (num_qubits - 1 - target)
            steps = list(angles[used : used + size])
            multiplexed_rotation(circuit, "z", steps, list(range(target + 1, num_qubits)), target)
            used += size
        circuit.global_phase = angles[used]
    return PreparationTemplate(num_qubits, real, circuit)


def prepare_state(vector: ArrayLike) -> QuantumCircuit:
    """Return a circuit that prepares ``vector / norm(vector)`` from ``|0...0>``, global phase included.

    Args:
        vector: ``2**n`` real or complex amplitudes.

    Raises:
        InvalidInputError: If the vector is zero, not finite, or its length is no power of two.

    Example:
        >>> from qiskit.quantum_info import Statevector
        >>> Statevector(prepare_state([3, 4])).data.real.round(3).tolist()
        [0.6, 0.8]
    """
    v = np.asarray(vector)
    n = int(v.size).bit_length() - 1
    if v.ndim != 1 or v.size != 2**n or n < 1:
        raise invalid("vector", v.shape, "must be one-dimensional with 2**n entries, n >= 1", "pad it")
    real = not (np.iscomplexobj(v) and float(np.abs(v.imag).max()) > 0)
    return preparation_template(n, real=real).bound(v)


def _tree(v: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """RY angles per level, root (most significant qubit) first; the leaves carry the signs."""
    levels = []
    current = v
    while current.size > 1:
        even, odd = current[0::2], current[1::2]
        levels.append(gray_angles(2.0 * np.arctan2(odd, even)))
        current = np.hypot(even, odd)
    return levels[::-1]


def _phases(phase: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """RZ angles per qubit, least significant first, then the global phase."""
    out = []
    current = phase
    while current.size > 1:
        even, odd = current[0::2], current[1::2]
        out.append(gray_angles(odd - even))
        current = (even + odd) / 2.0
    return [*out, current]
