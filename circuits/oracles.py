"""Oracle gates: black boxes whose label says what they query, so that queries can be counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit.library import UnitaryGate

from qalgs.errors import expect

#: Label of one call of the matrix (a block encoding, or an evolution for HHL) and of the right-hand side.
A_LABEL = "U_A"
B_LABEL = "U_b"

# Gates of Qiskit's own library hold no oracle (a controlled oracle is found by its base gate).
_LEAVES = ("qiskit.circuit.library.standard_gates", "qiskit.circuit.library.generalized_gates.unitary")


def oracle_gate(circuit: QuantumCircuit, label: str, *, adjoint: bool = False, controlled: bool = False) -> Gate:
    """Wrap ``circuit`` as one gate labelled ``label``.

    Args:
        circuit: What the gate does; already inverted or controlled if the flags say so.
        label: The oracle that one such gate counts as.
        adjoint: Only changes the name, for drawings.
        controlled: Only changes the name, for drawings.

    Returns:
        The gate.

    Example:
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.h(0)
        >>> oracle_gate(circuit, "U_b").label
        'U_b'
    """
    expect(QuantumCircuit, circuit=circuit)
    expect(str, label=label)
    name = ("c" if controlled else "") + label + ("_dg" if adjoint else "")
    gate: Gate = circuit.to_gate(label=label)
    gate.name = name
    return gate


_SYNTHESES: dict[int, tuple[QuantumCircuit, Callable[[], QuantumCircuit]]] = {}


def dense_gate(
    matrix: NDArray[np.complex128],
    label: str,
    synthesis: Callable[[], QuantumCircuit],
    *,
    adjoint: bool = False,
    controlled: bool = False,
) -> Gate:
    """Wrap ``matrix`` as one gate labelled ``label``, for exact simulators, and remember the gates it stands for.

    Args:
        matrix: What the gate does.
        label: The oracle that it counts as.
        synthesis: Makes the circuit that a device would run, for cost counts (:func:`synthesis_of`).
        adjoint: As for :func:`oracle_gate`.
        controlled: As for :func:`oracle_gate`.
    """
    definition = unitary_circuit(matrix)
    if len(_SYNTHESES) > 4096:
        _SYNTHESES.clear()
    gate = oracle_gate(definition, label, adjoint=adjoint, controlled=controlled)
    # Kept alive by the table, so that the id stays its own.
    _SYNTHESES[id(gate.definition)] = (gate.definition, synthesis)
    return gate


def synthesis_of(definition: QuantumCircuit) -> QuantumCircuit | None:
    """Return the circuit behind the definition of a dense gate, or None if it is what it seems."""
    found = _SYNTHESES.get(id(definition))
    return found[1]() if found is not None and found[0] is definition else None


def unitary_circuit(matrix: NDArray[np.complex128]) -> QuantumCircuit:
    """Return a circuit with ``matrix`` as its only gate."""
    n = int(matrix.shape[0]).bit_length() - 1
    circuit = QuantumCircuit(n)
    circuit.append(UnitaryGate(matrix, check_input=False), range(n))
    return circuit


def controlled_last(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return ``circuit`` under one control, which is a new last qubit."""
    n = circuit.num_qubits
    out = QuantumCircuit(n + 1)
    out.append(circuit.to_gate().control(1), [n, *range(n)])
    return out


def controlled_matrix(matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the matrix of :func:`controlled_last`: the identity, then ``matrix`` where the last qubit is 1."""
    size = len(matrix)
    out = np.eye(2 * size, dtype=np.complex128)
    out[size:, size:] = matrix
    return out


def count_queries(circuit: QuantumCircuit, labels: tuple[str, ...] = (A_LABEL, B_LABEL)) -> dict[str, int]:
    """Count the gates that carry an oracle's label, at any depth of nesting.

    A labelled gate counts once, whatever it contains; adjoint and controlled calls count like plain ones.

    Args:
        circuit: Any circuit.
        labels: The labels to look for.

    Returns:
        A count for each label, zero included.

    Example:
        >>> from qalgs.circuits import Dilation, qsvt_circuit
        >>> count_queries(qsvt_circuit(Dilation([[0.5, 0], [0, 1]]), [0.1, 0.2, 0.1]))
        {'U_A': 2, 'U_b': 0}
    """
    expect(QuantumCircuit, circuit=circuit)
    expect(tuple, list, labels=labels)
    found: Counter[str] = Counter()
    for instruction in circuit.data:
        label = instruction.label
        if label in labels:
            found[str(label)] += 1
            continue
        if instruction.is_standard_gate():
            continue
        operation = instruction.operation
        base = getattr(operation, "base_gate", None)
        if base is not None and base.label in labels:
            found[str(base.label)] += 1
        elif not (type(operation).__module__ or "").startswith(
            _LEAVES
        ):  # Qiskit makes inverse classes without one
            definition = getattr(operation, "definition", None)
            if definition is not None:
                found.update(count_queries(definition, labels))
    return {label: found[label] for label in labels}
