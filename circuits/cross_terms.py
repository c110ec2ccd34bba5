r"""Cross terms :math:`\langle\psi(\theta)|P|\psi(\theta')\rangle` and overlaps as circuits.

An ancilla (the last qubit) in superposition carries the two states, :math:`(|0\rangle|\psi\rangle+
|1\rangle|\psi'\rangle)/\sqrt2`; after a Hadamard on it, :math:`\langle Z\otimes P\rangle` is the real part of
the cross term, and with an inverse phase gate before, the imaginary part. The Paulis are measured, not controlled,
so groups of commuting ones share a circuit.
"""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits.cross_frames import Angles, add_framed
from qalgs.circuits.rotations import RotationForm, rotation_form
from qalgs.errors import expect, invalid

FORMS = ("multiplexed", "pauli_frame", "two_controlled")
PARTS = ("real", "imag")
MAX_PROJECTOR = 12


def cross_term_circuit(ansatz: QuantumCircuit, *, form: str = "multiplexed", part: str = "real") -> QuantumCircuit:
    r"""Build the circuit whose :math:`\langle Z_{anc}\otimes P\rangle` is a part of a cross term.

    The **two-controlled** form (Quantum EigenGame) applies U(left), controlled U(left)† and controlled U(right).
    The **multiplexed** form is equal and far shallower: the two circuits have one shape, so fixed gates act once,
    uncontrolled, and each rotation becomes R((a+b)/2), flip, R((a-b)/2), flip with two controlled flips. The
    **Pauli-frame** form does the same with one controlled flip per rotation: see
    :mod:`qalgs.circuits.cross_frames`.

    Args:
        ansatz: The trial circuit with P parameters.
        form: ``"multiplexed"``, ``"pauli_frame"`` or ``"two_controlled"``.
        part: ``"real"`` or ``"imag"`` of <left|P|right>.

    Returns:
        A circuit on n + 1 qubits with 2P parameters: those of ``left``, then of ``right``, in the ansatz's order.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> circuit = cross_term_circuit(hardware_efficient(2, 1))
        >>> circuit.num_qubits, circuit.num_parameters
        (3, 8)
    """
    expect(QuantumCircuit, ansatz=ansatz)
    if form not in FORMS:
        raise invalid("form", form, f"must be one of {', '.join(FORMS)}")
    if part not in PARTS:
        raise invalid("part", part, f"must be one of {', '.join(PARTS)}")
    n, p = ansatz.num_qubits, ansatz.num_parameters
    left, right = ParameterVector("left", p), ParameterVector("right", p)
    circuit = QuantumCircuit(n + 1, name=f"cross_term_{form}")
    circuit.h(n)
    if form != "two_controlled":
        flat = rotation_form(ansatz)
        angles = (_angles(flat, left), _angles(flat, right))
        if form == "multiplexed":
            _multiplex(circuit, flat, *angles)
        else:
            add_framed(circuit, flat, *angles)
        turn = sum((w * (r - l) for w, l, r in zip(flat.phase, left, right, strict=True) if w), 0.0)
        if isinstance(turn, ParameterExpression):
            circuit.p(turn, n)
    else:
        system = list(range(n))
        first, second = (ansatz.assign_parameters(list(v)) for v in (left, right))
        circuit.compose(first, system, inplace=True)
        for block in (first.inverse(), second):
            circuit.compose(block.to_gate().control(1).definition, [n, *system], inplace=True)
    if part == "imag":
        circuit.sdg(n)
    circuit.h(n)
    return circuit


def _multiplex(circuit: QuantumCircuit, form: RotationForm, left: Angles, right: Angles) -> None:
    n = circuit.num_qubits - 1
    index = 0
    for item in form.circuit.data:
        qubits = [form.circuit.find_bit(q).index for q in item.qubits]
        name = item.operation.name
        if not item.operation.params or not isinstance(item.operation.params[0], ParameterExpression):
            circuit.append(item.operation, qubits)
            continue
        a, b = left[index], right[index]
        index += 1
        rotate = getattr(circuit, name)
        # X reverses rotations about Y and Z, and Z those about X.
        flip = circuit.cz if name == "rx" else circuit.cx
        rotate((a + b) / 2, qubits[0])
        flip(n, qubits[0])
        rotate((a - b) / 2, qubits[0])
        flip(n, qubits[0])


def _angles(form: RotationForm, vector: ParameterVector) -> list[ParameterExpression]:
    found = []
    for row, b in zip(form.matrix, form.offset, strict=True):
        terms = [vector[i] if row[i] == 1.0 else row[i] * vector[i] for i in np.flatnonzero(row)]
        total = sum(terms[1:], terms[0]) if terms else 0.0
        found.append(total + b if b else total)
    return found


def cross_term_observable(operator: SparsePauliOp) -> SparsePauliOp:
    """Return Z on the ancilla times ``operator`` on the system.

    Args:
        operator: Acts on the n system qubits.

    Example:
        >>> cross_term_observable(SparsePauliOp("XX")).paulis.to_labels()
        ['ZXX']
    """
    expect(SparsePauliOp, operator=operator)
    return SparsePauliOp("Z").tensor(operator)


def overlap_circuit(ansatz: QuantumCircuit) -> QuantumCircuit:
    r"""Build U(right)†U(left): the probability of all zeros is :math:`|\langle\psi'|\psi\rangle|^2`.

    Args:
        ansatz: The trial circuit with P parameters.

    Returns:
        A circuit with 2P parameters: all of ``left``, then all of ``right``.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> overlap_circuit(hardware_efficient(2, 1)).num_parameters
        8
    """
    expect(QuantumCircuit, ansatz=ansatz)
    p = ansatz.num_parameters
    left, right = ParameterVector("left", p), ParameterVector("right", p)
    circuit = QuantumCircuit(ansatz.num_qubits, name="overlap")
    circuit.compose(ansatz.assign_parameters(list(left)), inplace=True)
    circuit.compose(ansatz.assign_parameters(list(right)).inverse(), inplace=True)
    return circuit


def zero_projector(num_qubits: int) -> SparsePauliOp:
    r"""Return :math:`|0\dots0\rangle\langle0\dots0|` as its :math:`2^n` products of Z, all measured at once."""
    if num_qubits > MAX_PROJECTOR:
        raise invalid(
            "num_qubits",
            num_qubits,
            f"must be at most {MAX_PROJECTOR} for the projector as Paulis",
            "use a sampler",
        )
    single = SparsePauliOp(["I", "Z"], [0.5, 0.5])
    total = single
    for _ in range(num_qubits - 1):
        total = total.tensor(single)
    return total
