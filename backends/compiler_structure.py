"""Circuits of the same structure share one compilation, whatever their fixed angles and parameter names.

A circuit that is rebuilt or bound for every evaluation differs from the last one only in its numbers. Its
structure, gates on qubits with the pattern of their parameters, is the key of a program in which every fixed angle
is a parameter too; such a program turns into the circuit's own by filling in the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qalgs.backends.compiler_angles import tape_of


def structure(circuit: QuantumCircuit) -> tuple[Hashable, list[float]] | None:
    """Return the key of a circuit's structure and its fixed angles in order, or None if it has other gates.

    Only standard gates count: their class and numbers say all about them.
    """
    columns = {p: k for k, p in enumerate(circuit.parameters)}
    places = {bit: k for k, bit in enumerate(circuit.qubits)}
    constants: list[float] = []
    key: list[Hashable] = [circuit.num_qubits, len(columns)]
    phase = circuit.global_phase
    key.append("none" if not _symbolic(phase) and phase == 0 else _angle(phase, columns, constants))
    for item in circuit._data:
        if not item.is_standard_gate():
            if item.name == "barrier":
                continue
            return None
        key.append(item.name)
        key.extend([places[q] for q in item.qubits])
        for angle in item.params:
            key.append(_angle(angle, columns, constants))
    if not all(map(math.isfinite, constants)):
        return None
    return tuple(key), constants


def _symbolic(angle: object) -> bool:
    return isinstance(angle, ParameterExpression) and bool(angle.parameters)


def _angle(angle: object, columns: dict[Parameter, int], constants: list[float]) -> Hashable:
    if isinstance(angle, ParameterExpression) and angle.parameters:
        return columns[angle] if isinstance(angle, Parameter) else tape_of(angle, columns)
    constants.append(float(angle.numeric() if isinstance(angle, ParameterExpression) else angle))  # type: ignore[arg-type]
    return None


def lifted(circuit: QuantumCircuit) -> tuple[QuantumCircuit, tuple[Parameter, ...]]:
    """Return the circuit with a new parameter for every fixed angle, and all parameters, its own first."""
    new: list[Parameter] = []
    prefix = "fixed"
    while any(p.name.startswith(prefix) for p in circuit.parameters):
        prefix += "_"

    def lift(angle: object) -> object:
        if _symbolic(angle):
            return angle
        new.append(Parameter(f"{prefix}{len(new)}"))
        return new[-1]

    copy = circuit.copy_empty_like()
    if _symbolic(circuit.global_phase) or circuit.global_phase != 0:
        copy.global_phase = lift(circuit.global_phase)
    for item in circuit.data:
        operation = item.operation
        if operation.params and item.name != "barrier":
            operation = operation.base_class(*[lift(angle) for angle in item.params])
        copy.append(operation, item.qubits)
    return copy, (*circuit.parameters, *new)
