"""Light cones: what an observable can see of a circuit. Everything else may be dropped, exactly.

An operation outside the backward cone of the observed qubits acts on qubits that are traced out afterwards, and
every operation here, noisy or not, preserves the trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

from qalgs.errors import expect, invalid

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

Operands = Sequence[tuple[int, ...]]


def backward_cone(operands: Operands, observed: Iterable[int]) -> tuple[list[int], frozenset[int]]:
    """Return the operations and qubits that can influence ``observed``.

    Args:
        operands: The qubits of each operation, in the order of execution.
        observed: The qubits that are looked at in the end.

    Returns:
        The positions of the operations to keep, ascending, and all qubits of the cone.
    """
    seen = set(observed)
    kept = []
    for position in range(len(operands) - 1, -1, -1):
        qubits = operands[position]
        if any(q in seen for q in qubits):
            seen.update(qubits)
            kept.append(position)
    kept.reverse()
    return kept, frozenset(seen)


def cone_groups(
    operands: Operands, supports: Sequence[frozenset[int]]
) -> list[tuple[list[int], tuple[int, ...], list[int]]]:
    """Cover observables by few cones: an observable joins a cone that contains its own.

    Args:
        operands: The qubits of each operation.
        supports: The qubits that each observable looks at.

    Returns:
        Triples (operations, sorted qubits, positions in ``supports``), largest cone first.
    """
    cones = {s: backward_cone(operands, s)[1] for s in set(supports)}
    groups: list[tuple[frozenset[int], set[int], list[int]]] = []
    for index in sorted(range(len(supports)), key=lambda i: -len(cones[supports[i]])):
        cone = cones[supports[index]]
        for qubits, observed, members in groups:
            if cone <= qubits:
                observed |= supports[index]
                members.append(index)
                break
        else:
            groups.append((cone, set(supports[index]), [index]))
    return [
        (backward_cone(operands, observed)[0], tuple(sorted(qubits)), sorted(members))
        for qubits, observed, members in groups
    ]


def light_cone(circuit: QuantumCircuit, qubits: Iterable[int]) -> tuple[QuantumCircuit, tuple[int, ...]]:
    """Reduce a circuit to what the given qubits can see of it.

    Args:
        circuit: A circuit of gates and trace-preserving operations.
        qubits: Indices of the observed qubits.

    Returns:
        The reduced circuit on the qubits of the cone alone, and their indices in ``circuit``, ascending. States,
        expectation values and distributions of the observed qubits are unchanged, with or without noise.

    Raises:
        InvalidInputError: If a qubit is not in the circuit.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> circuit = QuantumCircuit(4)
        >>> for q in range(3): _ = circuit.cx(q, q + 1)
        >>> reduced, qubits = light_cone(circuit, [1])
        >>> qubits, reduced.count_ops()["cx"]
        ((0, 1, 2), 2)
    """
    from qiskit import QuantumCircuit

    expect(QuantumCircuit, circuit=circuit)
    expect(Iterable, qubits=qubits)
    observed = list(qubits)
    for q in observed:
        if not isinstance(q, Integral) or not 0 <= q < circuit.num_qubits:
            raise invalid("qubits", q, f"must be between 0 and {circuit.num_qubits - 1}")
    operands = [tuple(circuit.find_bit(q).index for q in item.qubits) for item in circuit.data]
    barrier = [item.operation.name == "barrier" for item in circuit.data]
    visible = [() if b else o for o, b in zip(operands, barrier, strict=True)]
    kept, cone = backward_cone(visible, observed)
    order = tuple(sorted(cone))
    new = {q: i for i, q in enumerate(order)}
    reduced = QuantumCircuit(len(order), *circuit.cregs, name=circuit.name, global_phase=circuit.global_phase)
    for position in kept:
        item = circuit.data[position]
        clbits = [circuit.find_bit(c).index for c in item.clbits]
        reduced.append(item.operation, [new[q] for q in operands[position]], clbits)
    return reduced, order
