r"""The multiplexed cross term with one controlled flip per rotation.

Two circuits of one shape run side by side in the branches of an ancilla. A flip Q controlled by the ancilla need
not be undone at once: it may stay as a frame, :math:`|\mathrm{physical}\rangle=C(Q)|\mathrm{true}\rangle`. Gates
of the Clifford group turn it into another Pauli; under a rotation about P the second branch rotates forwards if Q
commutes with P and backwards if not. So a rotation by a in one branch and by b in the other is R((a+b)/2) while Q
commutes and R((a-b)/2) while it does not, with one controlled flip in between, whichever comes first. What is left
of the frame is undone at the end.

The register starts in all zeros, which Z leaves alone: any product of Z may be the first frame at no cost. That,
and which of two possible flips a qubit uses, is chosen by counting gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.quantum_info import Pauli

from qalgs.circuits.rotations import RotationForm

Angles = Sequence[ParameterExpression]
_FLIPS = {"rx": "ZY", "ry": "XZ", "rz": "XY"}
_EIGHTHS = {"t": 0.25 * np.pi, "tdg": -0.25 * np.pi}
_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class _Gate:
    """A gate of the given circuit: ``index`` of its parameter, or a fixed angle, or neither."""

    name: str
    qubits: tuple[int, ...]
    index: int = -1
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class _Step:
    """A gate of the combined circuit; a rotation takes half the sum (+1) or difference (-1) of two angles."""

    gate: _Gate
    sign: int = 0


@dataclass(frozen=True, slots=True)
class _Choice:
    """First frame (Z where True) and preferred flip (0 or 1) of each qubit."""

    start: tuple[bool, ...]
    flips: tuple[int, ...]


def add_framed(circuit: QuantumCircuit, form: RotationForm, left: Angles, right: Angles) -> None:
    """Append both circuits, for the branches 0 and 1 of the last qubit, which is the ancilla.

    Args:
        circuit: On n + 1 qubits; gates are appended in place.
        form: The n-qubit circuit.
        left: Its angles in branch 0.
        right: Its angles in branch 1.
    """
    gates, n = _gates(form.circuit), form.circuit.num_qubits
    best = _Choice((False,) * n, (0,) * n)
    steps, phase = _frame(gates, n, best)
    for _ in range(_SWEEPS):
        for trial in _neighbours(best):
            found, turn = _frame(gates, n, trial)
            if _entangling(found) < _entangling(steps):
                best, steps, phase = trial, found, turn
    for step in steps:
        gate = step.gate
        if not step.sign:
            arguments = [gate.angle] if gate.name in _FLIPS else []
            getattr(circuit, gate.name)(*arguments, *gate.qubits)
        elif gate.index >= 0:
            a, b = left[gate.index], right[gate.index]
            getattr(circuit, gate.name)((a + step.sign * b) / 2, *gate.qubits)
        elif step.sign > 0:
            # Both branches turn by the same fixed angle, so their difference needs no gate.
            getattr(circuit, gate.name)(gate.angle, *gate.qubits)
    if phase:
        circuit.p(phase, n)


def _gates(circuit: QuantumCircuit) -> list[_Gate]:
    """Flatten; T becomes a rotation, whose global phase both branches share."""
    found, index = [], 0
    for item in circuit.data:
        name, qubits = item.operation.name, tuple(circuit.find_bit(q).index for q in item.qubits)
        if name in _EIGHTHS:
            found.append(_Gate("rz", qubits, angle=_EIGHTHS[name]))
        elif name not in _FLIPS:
            found.append(_Gate(name, qubits))
        elif isinstance(item.operation.params[0], ParameterExpression):
            found.append(_Gate(name, qubits, index=index))
            index += 1
        else:
            found.append(_Gate(name, qubits, angle=float(item.operation.params[0])))
    return found


def _neighbours(choice: _Choice) -> Iterator[_Choice]:
    """Yield uniform and alternating choices, and those that differ from the given one in a single qubit."""
    n = len(choice.start)
    patterns = [tuple((a + b * q) % 2 for q in range(n)) for a in (0, 1) for b in (0, 1)]
    for start in (False, True):
        for flips in patterns:
            yield _Choice((start,) * n, flips)
    for q in range(n):
        for start, flip in ((True, 0), (False, 1), (True, 1)):
            starts, turned = list(choice.start), list(choice.flips)
            starts[q] ^= start
            turned[q] ^= flip
            yield _Choice(tuple(starts), tuple(turned))


def _entangling(steps: list[_Step]) -> int:
    return sum(3 if s.gate.name == "swap" else len(s.gate.qubits) == 2 for s in steps)


def _word(letter: str, qubit: int, n: int) -> Pauli:
    return Pauli("I" * (n - 1 - qubit) + letter + "I" * qubit)


def _frame(gates: list[_Gate], n: int, choice: _Choice) -> tuple[list[_Step], float]:
    """Return the steps under a choice, and the angle of the ancilla's phase gate at the end."""
    frame = Pauli("".join("Z" if z else "I" for z in reversed(choice.start)))
    steps: list[_Step] = []
    for gate in gates:
        if gate.name not in _FLIPS:
            steps.append(_Step(gate))
            frame = frame.evolve(_clifford(gate, n), frame="s")
            continue
        q = gate.qubits[0]
        axis = _word(gate.name[1].upper(), q, n)
        forwards = frame.commutes(axis)
        if gate.index < 0 and forwards:
            steps.append(_Step(gate))
            continue
        letter = _FLIPS[gate.name][choice.flips[q]]
        here = frame.to_label().lstrip("+-i")[n - 1 - q]
        if here in _FLIPS[gate.name]:
            # Flips of one kind cancel, so that the frame stays small.
            letter = here
        steps += [_Step(gate, 1 if forwards else -1), _Step(_Gate("c" + letter.lower(), (n, q)))]
        steps.append(_Step(gate, -1 if forwards else 1))
        frame = frame.compose(_word(letter, q, n))
    label = frame.to_label().lstrip("+-i")
    steps += [
        _Step(_Gate("c" + letter.lower(), (n, q))) for q, letter in enumerate(reversed(label)) if letter != "I"
    ]
    # The frame is (-i)^k times the letters; the controlled letters undo all but the phase.
    return steps, float(np.pi / 2 * frame.phase)


def _clifford(gate: _Gate, n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    getattr(circuit, gate.name)(*gate.qubits)
    return circuit
