"""A circuit as fixed gates and Pauli rotations with one angle each: the form in which shift rules are simple."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector
from qiskit.transpiler import generate_preset_pass_manager

from qalgs.errors import InvalidInputError, expect

ROTATIONS = ("rx", "ry", "rz")
FIXED = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg", "cx", "cz", "swap")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotationForm:
    r"""A circuit with every angle :math:`\phi_m=\sum_pA_{mp}\theta_p+b_m` in exactly one rotation.

    Attributes:
        circuit: The circuit in the angles; its parameters are in the order of the gates.
        matrix: A, (M, P).
        offset: b, (M,).
        phase: Coefficients of the parameters in the global phase, (P,), and
        phase_offset: its constant, radians. The circuit itself carries no global phase.
    """

    circuit: QuantumCircuit
    matrix: NDArray[np.float64] = field(repr=False)
    offset: NDArray[np.float64] = field(repr=False)
    phase: NDArray[np.float64] = field(repr=False)
    phase_offset: float

    def angles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the angles (..., M) of parameter values (..., P)."""
        return np.asarray(values @ self.matrix.T + self.offset)


def rotation_form(circuit: QuantumCircuit) -> RotationForm:
    """Rewrite a circuit in Clifford, T and rotation gates.

    Args:
        circuit: Any unitary circuit whose gates have definitions and whose angles are linear in the parameters.

    Returns:
        The circuit in single angles, and how these follow from the parameters.

    Raises:
        InvalidInputError: If an angle is not linear, or the circuit measures or resets.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> form = rotation_form(hardware_efficient(2, 1))
        >>> form.matrix.shape, float(form.matrix.sum())
        ((4, 4), 4.0)
    """
    expect(QuantumCircuit, circuit=circuit)
    manager = generate_preset_pass_manager(optimization_level=0, basis_gates=[*ROTATIONS, *FIXED])
    flat = manager.run(circuit)
    order = {p: i for i, p in enumerate(circuit.parameters)}
    rows: list[tuple[NDArray[np.float64], float]] = []
    gates: list[tuple[str, list[int], int | None, float]] = []
    for item in flat.data:
        name = item.operation.name
        qubits = [flat.find_bit(q).index for q in item.qubits]
        if name == "barrier":
            continue
        if name not in ROTATIONS and name not in FIXED:
            raise InvalidInputError(f"ansatz contains {name!r}, which is not a unitary gate; remove it")
        angle = item.operation.params[0] if name in ROTATIONS else 0.0
        if isinstance(angle, ParameterExpression) and angle.parameters:
            rows.append(_linear(angle, order))
            gates.append((name, qubits, len(rows) - 1, 0.0))
        else:
            gates.append((name, qubits, None, float(angle)))
    angles = ParameterVector("φ", len(rows))
    built = QuantumCircuit(circuit.num_qubits, name=circuit.name)
    for name, qubits, index, value in gates:
        arguments = [angles[index] if index is not None else value] if name in ROTATIONS else []
        getattr(built, name)(*arguments, *qubits)
    phase, phase_offset = _linear(flat.global_phase, order)
    return RotationForm(
        circuit=built,
        matrix=np.array([row for row, _ in rows]).reshape(len(rows), len(order)),
        offset=np.array([b for _, b in rows]),
        phase=phase,
        phase_offset=phase_offset,
    )


def _linear(
    expression: float | ParameterExpression, order: dict[ParameterExpression, int]
) -> tuple[NDArray[np.float64], float]:
    """Return coefficients and constant of an expression that must be linear."""
    row = np.zeros(len(order))
    if not isinstance(expression, ParameterExpression) or not expression.parameters:
        return row, float(expression)
    for parameter in expression.parameters:
        slope = expression.gradient(parameter)
        if isinstance(slope, ParameterExpression) and slope.parameters:
            raise InvalidInputError(f"ansatz has the angle {expression}, which is not linear in {parameter.name}")
        row[order[parameter]] = float(slope)
    zero = expression.bind(dict.fromkeys(expression.parameters, 0.0))
    return row, float(zero)
