"""Circuits and operators between Qiskit and PennyLane, without pennylane-qiskit (which pins an old Qiskit).

Wire k of the given order is qubit k. The two libraries write states in opposite bit order (PennyLane's first wire
is the highest bit), so a converted circuit's state vector is the bit-reversed one; operators need no such care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import StatePreparation, UnitaryGate
from qiskit.circuit.library import standard_gates as sg
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends.pennylane_template import Template
from qalgs.errors import InvalidInputError, expect, invalid

if TYPE_CHECKING:
    from pennylane.operation import Operator
    from pennylane.tape import QuantumScript

Wires = Sequence[object]

# PennyLane name -> Qiskit gate from the operation's parameters
_GATES: dict[str, Callable[..., Gate]] = {
    "Identity": sg.IGate,
    "PauliX": sg.XGate,
    "PauliY": sg.YGate,
    "PauliZ": sg.ZGate,
    "Hadamard": sg.HGate,
    "S": sg.SGate,
    "T": sg.TGate,
    "SX": sg.SXGate,
    "CNOT": sg.CXGate,
    "CY": sg.CYGate,
    "CZ": sg.CZGate,
    "CH": sg.CHGate,
    "SWAP": sg.SwapGate,
    "ISWAP": sg.iSwapGate,
    "CSWAP": sg.CSwapGate,
    "Toffoli": sg.CCXGate,
    "CCZ": sg.CCZGate,
    "ECR": sg.ECRGate,
    "RX": sg.RXGate,
    "RY": sg.RYGate,
    "RZ": sg.RZGate,
    "PhaseShift": sg.PhaseGate,
    "U1": sg.PhaseGate,
    "U2": sg.U2Gate,
    "U3": sg.UGate,
    "CRX": sg.CRXGate,
    "CRY": sg.CRYGate,
    "CRZ": sg.CRZGate,
    "ControlledPhaseShift": sg.CPhaseGate,
    "CPhase": sg.CPhaseGate,
    "IsingXX": sg.RXXGate,
    "IsingYY": sg.RYYGate,
    "IsingZZ": sg.RZZGate,
    "GlobalPhase": lambda angle: sg.GlobalPhaseGate(-angle),
}
_IGNORED = ("Barrier", "WireCut", "Snapshot")


def from_pennylane(
    source: QuantumScript | Callable[..., object] | Operator,
    *args: object,
    wires: Wires | None = None,
    **kwargs: object,
) -> QuantumCircuit | SparsePauliOp:
    """Convert a QNode, quantum function or tape to a circuit, or an operator to a Pauli sum.

    Args:
        source: A QNode or quantum function (called with ``args`` and ``kwargs``), a tape, or an observable.
        *args: Arguments of the QNode. Qiskit ``Parameter`` objects stay symbolic in the circuit.
        wires: Order of the wires: ``wires[k]`` becomes qubit k. By default that of the QNode's device, else
            0, 1, ..., max for integer wires, else their order of appearance.
        **kwargs: Keyword arguments of the QNode.

    Returns:
        The circuit, measurements left out; a ``SparsePauliOp`` for an observable.

    Raises:
        ValueError: If an operation has no unitary counterpart; the message names it.

    Example:
        >>> import pennylane as qml
        >>> from_pennylane(lambda: (qml.Hadamard(0), qml.CNOT([0, 1]))).count_ops()["cx"]
        1
    """
    import pennylane as qml

    if isinstance(source, qml.operation.Operator):
        return observable_from_pennylane(source, wires=wires)
    if isinstance(source, qml.tape.QuantumScript):
        tape = source
    elif isinstance(source, qml.QNode):
        tape = qml.workflow.construct_tape(source, level="top")(*args, **kwargs)
        if wires is None and source.device.wires is not None:
            wires = list(source.device.wires)
    elif callable(source):
        tape = qml.tape.make_qscript(source)(*args, **kwargs)
    else:
        raise invalid("source", type(source).__name__, "must be a QNode, quantum function, tape or operator")
    order = _order(tape.wires, wires)
    circuit = QuantumCircuit(len(order))
    for index, operation in enumerate(tape.operations):
        _append(circuit, operation, order, f"operation {index} ({operation.name})")
    return circuit


def to_pennylane(source: QuantumCircuit | SparsePauliOp, *, wires: Wires | None = None) -> Template | Operator:
    """Convert a circuit to a PennyLane quantum function, or a Pauli sum to a PennyLane operator.

    Args:
        source: A circuit of unitary gates (terminal measurements are left out), or a ``SparsePauliOp``.
        wires: Wire labels: qubit k becomes ``wires[k]``, by default k.

    Returns:
        For a circuit a callable ``template(values=None, wires=None)`` that queues the operations: ``values`` is
        one array in the order of ``circuit.parameters`` or a mapping from parameters (or names) to values, and may
        hold trainable tensors, through which PennyLane differentiates. For a Pauli sum an operator.

    Raises:
        ValueError: If an instruction is not unitary; the message names it.

    Example:
        >>> from qalgs.circuits import tfim
        >>> to_pennylane(tfim(3)).num_wires
        3
    """
    expect(Iterable, type(None), wires=wires)
    if isinstance(source, SparsePauliOp):
        return observable_to_pennylane(source, wires=wires)
    if not isinstance(source, QuantumCircuit):
        raise TypeError(f"source must be a QuantumCircuit or SparsePauliOp, got {type(source).__name__}")
    return Template(source, wires)


def observable_to_pennylane(operator: SparsePauliOp, *, wires: Wires | None = None) -> Operator:
    """Return a Pauli sum as a PennyLane ``LinearCombination``; qubit k acts on ``wires[k]``, by default k.

    Args:
        operator: The Pauli sum.
        wires: Wire labels.

    Example:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> observable_to_pennylane(SparsePauliOp("XZ")).wires.tolist()
        [0, 1]
    """
    expect(SparsePauliOp, operator=operator)
    import pennylane as qml

    labels = _labels(operator.num_qubits, wires)
    terms = []
    for word, qubits, _ in operator.to_sparse_list():
        word_map = {labels[q]: letter for letter, q in zip(word, qubits, strict=True) if letter != "I"}
        terms.append(qml.pauli.PauliWord(word_map).operation(wire_order=labels))
    coefficients = operator.coeffs.real if np.allclose(operator.coeffs.imag, 0) else operator.coeffs
    return qml.ops.LinearCombination(coefficients, terms)


def observable_from_pennylane(operator: Operator, *, wires: Wires | None = None) -> SparsePauliOp:
    """Return a PennyLane operator as a Pauli sum; ``wires[k]`` becomes qubit k (see :func:`from_pennylane`).

    Args:
        operator: Any operator with a Pauli representation.
        wires: Order of the wires.

    Returns:
        The Pauli sum.

    Raises:
        ValueError: If it has no Pauli representation.

    Example:
        >>> import pennylane as qml
        >>> observable_from_pennylane(qml.Z(0) @ qml.X(1)).paulis.to_labels()
        ['XZ']
    """
    import pennylane as qml

    if not hasattr(operator, "pauli_rep"):
        raise invalid("operator", operator, "must be a PennyLane operator")
    sentence = operator.pauli_rep
    if sentence is None:
        try:
            matrix = operator.matrix()
            zero = not np.any(matrix)  # PennyLane cannot take that one apart
            sentence = {} if zero else qml.pauli.pauli_decompose(matrix, wire_order=operator.wires, pauli=True)
        except Exception as error:
            raise invalid(
                "operator", operator, "must be a sum of Pauli words", f"PennyLane says: {error}"
            ) from error
    order = _order(operator.wires, wires)
    terms = []
    for word, coefficient in sentence.items():
        letters = "".join(word.values())
        terms.append((letters, [order[w] for w in word], complex(coefficient)))
    if not terms:
        terms = [("", [], 0.0)]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=max(1, len(order))).simplify(atol=0)


def _labels(num_qubits: int, wires: Wires | None) -> list[object]:
    expect(Iterable, type(None), wires=wires)
    labels: list[object] = list(range(num_qubits)) if wires is None else list(wires)
    if len(labels) != num_qubits or len(set(labels)) != num_qubits:
        raise invalid("wires", labels, f"must be {num_qubits} distinct labels")
    return labels


def _order(used: Iterable[object], wires: Wires | None) -> dict[object, int]:
    """Return the qubit of every wire."""
    expect(Iterable, type(None), wires=wires)
    wires = None if wires is None else list(wires)
    present = list(used)
    if wires is not None:
        missing = [w for w in present if w not in wires]
        if missing:
            raise invalid("wires", list(wires), f"must contain every wire in use, {missing[0]!r} is missing")
        return {w: k for k, w in enumerate(wires)}
    if present and all(isinstance(w, int | np.integer) and w >= 0 for w in present):
        return {w: w for w in range(max(int(w) for w in present) + 1)}  # type: ignore[call-overload]
    return {w: k for k, w in enumerate(present)}


def _append(circuit: QuantumCircuit, operation: Any, order: dict[object, int], where: str) -> None:
    """Append one PennyLane operation, taken apart if need be."""
    if operation.name in _IGNORED:
        return
    qubits = [order[w] for w in operation.wires]
    gate = _gate(operation)
    if gate is not None:
        circuit.append(gate, qubits[: gate.num_qubits] if gate.num_qubits else [])
        return
    if operation.has_decomposition and operation.name != "QubitUnitary":
        for part in operation.decomposition():
            _append(circuit, part, order, where)
        return
    if operation.has_matrix:
        # PennyLane's first wire is the highest bit
        circuit.append(UnitaryGate(np.asarray(operation.matrix())), qubits[::-1])
        return
    raise InvalidInputError(
        f"{where} must be unitary with a decomposition or a matrix, got neither; "
        "measure at the end only, or expand it first"
    )


def _gate(operation: Any) -> Gate | None:
    """Return the Qiskit gate of an operation, or None if it has to be taken apart."""
    import pennylane as qml

    name = operation.name
    if name in _GATES:
        return _GATES[name](*[_number(p) for p in operation.parameters])
    if name == "Rot":
        phi, theta, omega = (_number(p) for p in operation.parameters)
        part = QuantumCircuit(1, name="rot")
        part.rz(phi, 0)
        part.ry(theta, 0)
        part.rz(omega, 0)
        return part.to_gate()
    if name == "StatePrep":
        amplitudes = np.asarray(operation.parameters[0]).reshape(-1)
        n = len(operation.wires)
        reordered = amplitudes.reshape((2,) * n).transpose(range(n)[::-1]).ravel()
        return StatePreparation(reordered)
    if isinstance(operation, qml.ops.op_math.Adjoint):
        inner = _gate(operation.base)
        return None if inner is None else inner.inverse()
    if isinstance(operation, qml.ops.op_math.Controlled) and not operation.work_wires:
        inner = _gate(operation.base)
        values = operation.control_values
        state = sum(int(bool(v)) << k for k, v in enumerate(values))
        return None if inner is None else inner.control(len(values), ctrl_state=state, annotated=False)
    return None


def _number(value: Any) -> Any:
    """Return a parameter as Qiskit takes it: numbers as floats, symbols as they are."""
    if isinstance(value, int | float | complex | np.generic | np.ndarray) or hasattr(value, "detach"):
        return float(np.real(np.asarray(value)))
    return value
