"""Circuits of the same structure share one compilation, whatever their fixed angles and parameter names.

A circuit that is rebuilt or bound for every evaluation differs from the last one only in its numbers. Its
structure, gates on qubits with the pattern of their parameters, is the key of a program in which every fixed angle
is a parameter too; such a program turns into the circuit's own by filling in the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping

from qalgs.backends.compiler_angles import Scaled, Step, tape_of
from qalgs.backends.compiler_lowering import Entry, supported


@dataclass(frozen=True, slots=True)
class Structure:
    """A circuit of standard gates without its numbers.

    Attributes:
        num_qubits: Number of qubits.
        gates: The gates, angles being functions of the columns: the circuit's parameters, then its fixed angles.
        phase: The global phase, None if it is zero.
        key: What two circuits of the same structure have in common.
        constants: The fixed angles, in order.
    """

    num_qubits: int
    gates: Sequence[Entry]
    phase: Scaled | None
    key: Hashable
    constants: list[float]


class _Reader:
    """Reads angles: parameters and expressions as they are, numbers as further columns."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.columns = {p: k for k, p in enumerate(parameters)}
        self.constants: list[float] = []
        self.known: dict[object, tuple[Hashable, Scaled]] = {}

    def angle(self, angle: object) -> tuple[Hashable, Scaled]:
        """Return what an angle adds to the key, None for a number, and the angle itself."""
        if isinstance(angle, ParameterExpression):
            found = self.known.get(angle)
            if found is not None:
                return found
            if angle.parameters:
                place: int | tuple[Step, ...]
                place = self.columns[angle] if isinstance(angle, Parameter) else tape_of(angle, self.columns)
                found = self.known[angle] = place, Scaled(place)
                return found
            angle = angle.numeric()
        self.constants.append(float(angle))  # type: ignore[arg-type]
        return None, Scaled(len(self.columns) + len(self.constants) - 1)


@cache
def _classes() -> dict[str, type[Gate]]:
    return {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


def structure(circuit: QuantumCircuit, parameters: Sequence[Parameter]) -> Structure | None:
    """Return a circuit's structure, or None if it has other gates or an angle that is not finite.

    Only standard gates count: their class and numbers say all about them.
    """
    reader = _Reader(parameters)
    places = {bit: k for k, bit in enumerate(circuit.qubits)}
    classes = _classes()
    key: list[Hashable] = [circuit.num_qubits, len(parameters)]
    phase: Scaled | None = None
    if isinstance(circuit.global_phase, ParameterExpression) or circuit.global_phase != 0:
        mark, phase = reader.angle(circuit.global_phase)
        key.append(("phase", mark))
    gates: list[Entry] = []
    for index, item in enumerate(circuit._data[:]):  # one slice is quicker than iterating
        name = item.name
        if not item.is_standard_gate():
            if name == "barrier":
                continue
            return None
        kind: type = classes.get(name) or item.operation.base_class
        qubits = tuple([places[q] for q in item.qubits])
        marks: list[Hashable] = [kind, qubits]
        angles = []
        for angle in item.params:
            mark, read = reader.angle(angle)
            marks.append(mark)
            angles.append(read)
        if not supported(kind, len(angles)):
            return None
        key.append(tuple(marks))
        gates.append((index, kind, qubits, angles))
    if not all(map(math.isfinite, reader.constants)):
        return None
    return Structure(circuit.num_qubits, gates, phase, tuple(key), reader.constants)
