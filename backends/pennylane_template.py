"""A Qiskit circuit as a PennyLane quantum function that PennyLane can differentiate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Parameter, ParameterExpression
from qiskit.circuit.library import standard_gates as sg

from qalgs.errors import InvalidInputError, invalid

# Qiskit class -> PennyLane name; parameters in the same order
_NAMES: dict[type, str] = {
    sg.IGate: "Identity",
    sg.XGate: "PauliX",
    sg.YGate: "PauliY",
    sg.ZGate: "PauliZ",
    sg.HGate: "Hadamard",
    sg.SGate: "S",
    sg.TGate: "T",
    sg.SXGate: "SX",
    sg.CXGate: "CNOT",
    sg.CYGate: "CY",
    sg.CZGate: "CZ",
    sg.CHGate: "CH",
    sg.SwapGate: "SWAP",
    sg.iSwapGate: "ISWAP",
    sg.CSwapGate: "CSWAP",
    sg.CCXGate: "Toffoli",
    sg.CCZGate: "CCZ",
    sg.ECRGate: "ECR",
    sg.RXGate: "RX",
    sg.RYGate: "RY",
    sg.RZGate: "RZ",
    sg.PhaseGate: "PhaseShift",
    sg.U1Gate: "PhaseShift",
    sg.U2Gate: "U2",
    sg.UGate: "U3",
    sg.U3Gate: "U3",
    sg.CRXGate: "CRX",
    sg.CRYGate: "CRY",
    sg.CRZGate: "CRZ",
    sg.CPhaseGate: "ControlledPhaseShift",
    sg.CU1Gate: "ControlledPhaseShift",
    sg.RXXGate: "IsingXX",
    sg.RYYGate: "IsingYY",
    sg.RZZGate: "IsingZZ",
}
_ADJOINT: dict[type, str] = {sg.SdgGate: "S", sg.TdgGate: "T", sg.SXdgGate: "SX"}
_FUNCTIONS = {
    "SIN": "sin",
    "COS": "cos",
    "TAN": "tan",
    "ASIN": "arcsin",
    "ACOS": "arccos",
    "ATAN": "arctan",
    "EXP": "exp",
    "LOG": "log",
    "ABS": "abs",
    "SIGN": "sign",
}

# name or special, parameters, qubit positions, control values (control qubits come first)
Entry = tuple[str, list[object], tuple[int, ...], tuple[bool, ...]]


class Template:
    """A circuit as a quantum function; see :func:`~qalgs.backends.to_pennylane`.

    Attributes:
        num_qubits: Number of wires.
        parameters: The circuit's parameters, in the order in which values are given.
    """

    def __init__(self, circuit: QuantumCircuit, wires: Sequence[object] | None = None) -> None:
        self.num_qubits: int = circuit.num_qubits
        self.parameters: tuple[Parameter, ...] = tuple(circuit.parameters)
        self._wires = list(range(self.num_qubits)) if wires is None else list(wires)
        if len(self._wires) != self.num_qubits:
            raise invalid("wires", self._wires, f"must be {self.num_qubits} labels, one per qubit")
        self._entries: list[Entry] = []
        places = {bit: k for k, bit in enumerate(circuit.qubits)}
        self._phase(circuit.global_phase, ())
        measured: set[int] = set()
        for index, item in enumerate(circuit.data):
            qubits = tuple(places[q] for q in item.qubits)
            where = f"instruction {index} ({item.name} on qubits {list(qubits)})"
            if item.name == "measure":
                measured.update(qubits)
                continue
            if measured.intersection(qubits) and item.name != "barrier":
                raise InvalidInputError(f"{where} must not follow a measurement; measure at the end")
            self._add(item.operation, qubits, (), (), where)

    def _phase(self, angle: Any, controls: tuple[int, ...], values: tuple[bool, ...] = ()) -> None:
        if isinstance(angle, ParameterExpression) or angle != 0:
            self._entries.append(("GlobalPhase", [-angle], controls, values))

    def _add(
        self, op: Any, qubits: tuple[int, ...], controls: tuple[int, ...], values: tuple[bool, ...], where: str
    ) -> None:
        if op.name in ("barrier", "delay"):
            return
        kind = getattr(op, "base_class", type(op))
        every = controls + qubits
        plain = not isinstance(op, ControlledGate) or op.ctrl_state == 2**op.num_ctrl_qubits - 1
        if kind in _NAMES and plain:
            self._entries.append((_NAMES[kind], list(op.params), every, values))
        elif kind in _ADJOINT:
            self._entries.append(("Adjoint " + _ADJOINT[kind], [], every, values))
        elif kind is sg.GlobalPhaseGate:
            self._phase(op.params[0], controls, values)
        elif op.name == "unitary":
            # PennyLane's first wire is the highest bit
            self._entries.append(("QubitUnitary", [np.asarray(op.to_matrix())], controls + qubits[::-1], values))
        elif isinstance(op, ControlledGate) and op.num_qubits == op.num_ctrl_qubits + op.base_gate.num_qubits:
            k = op.num_ctrl_qubits
            bits = tuple(bool((op.ctrl_state >> j) & 1) for j in range(k))
            if kind is sg.CUGate:
                self._phase(op.params[3], controls + qubits[:k], values + bits)
            self._add(op.base_gate, qubits[k:], controls + qubits[:k], values + bits, where)
        elif getattr(op, "definition", None) is not None and not op.num_clbits:
            inner = op.definition
            self._phase(inner.global_phase, controls, values)
            places = {bit: qubits[k] for k, bit in enumerate(inner.qubits)}
            for item in inner.data:
                self._add(item.operation, tuple(places[q] for q in item.qubits), controls, values, where)
        elif hasattr(op, "to_matrix"):
            self._entries.append(("QubitUnitary", [np.asarray(op.to_matrix())], controls + qubits[::-1], values))
        else:
            raise InvalidInputError(f"{where} must be unitary; remove it or decompose it into standard gates")

    def __call__(self, values: Any = None, wires: Sequence[object] | None = None) -> None:
        """Queue the operations.

        Args:
            values: One array of P values in the order of :attr:`parameters`, or a mapping; omitted if P = 0.
            wires: Wire labels, if other than those given at conversion.
        """
        import pennylane as qml

        labels = self._wires if wires is None else list(wires)
        if len(labels) != self.num_qubits:
            raise invalid("wires", labels, f"must be {self.num_qubits} labels, one per qubit")
        known = self._values(values)
        for name, params, places, controls in self._entries:
            numbers = [evaluate(p, known) if isinstance(p, ParameterExpression) else p for p in params]
            where = [labels[k] for k in places]
            held, acted = where[: len(controls)], where[len(controls) :]

            def act(name: str = name, numbers: list[Any] = numbers, acted: list[object] = acted) -> None:
                if name.startswith("Adjoint "):
                    qml.adjoint(getattr(qml, name[8:]))(acted)
                elif name == "GlobalPhase":
                    qml.GlobalPhase(*numbers)
                else:
                    getattr(qml, name)(*numbers, wires=acted)

            if controls:
                qml.ctrl(act, control=held, control_values=list(controls))()
            else:
                act()

    def _values(self, values: Any) -> dict[Parameter, Any]:
        if values is None:
            values = []
        if isinstance(values, Mapping):
            found = {p: values[p] if p in values else values.get(p.name) for p in self.parameters}
            missing = [p.name for p, v in found.items() if v is None]
            if missing:
                raise invalid("values", sorted(map(str, values)), f"must have a value for {missing[0]!r}")
            return found
        if len(values) != len(self.parameters):
            raise invalid("values", len(values), f"must be {len(self.parameters)} numbers, one per parameter")
        return {p: values[k] for k, p in enumerate(self.parameters)}


def evaluate(expression: ParameterExpression, known: Mapping[Parameter, Any]) -> Any:
    """Evaluate an expression with values of any array library that PennyLane knows, keeping derivatives."""
    import pennylane as qml

    if isinstance(expression, Parameter):
        return known[expression]
    if not expression.parameters:
        return float(np.real(complex(expression.numeric())))
    stack: list[Any] = []

    def fetch(operand: Any) -> Any:
        if operand is None:
            return stack.pop()
        return known[operand] if isinstance(operand, Parameter) else operand

    binary: dict[str, Callable[[Any, Any], Any]] = {
        "ADD": lambda a, b: a + b,
        "SUB": lambda a, b: a - b,
        "MUL": lambda a, b: a * b,
        "DIV": lambda a, b: a / b,
        "POW": lambda a, b: a**b,
        "RSUB": lambda a, b: b - a,
        "RDIV": lambda a, b: b / a,
        "RPOW": lambda a, b: b**a,
    }
    for step in expression._qpy_replay:
        name = str(step.op).rpartition(".")[2]
        if name in _FUNCTIONS:
            stack.append(getattr(qml.math, _FUNCTIONS[name])(fetch(step.lhs)))
        elif name == "CONJ":
            stack.append(fetch(step.lhs))
        else:
            right = fetch(step.rhs)
            stack.append(binary[name](fetch(step.lhs), right))
    return stack[-1]
