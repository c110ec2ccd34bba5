"""Gates as primitives: every instruction becomes chains on one qubit, flips, phases, Pauli rotations or matrices.

Standard gates are written out exactly, phases included; a controlled gate is its base gate under a control; what
is not known by class is taken apart by its definition, or applied as a matrix where it has none.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit.circuit import (
    AnnotatedOperation,
    ControlFlowOp,
    ControlledGate,
    Operation,
    ParameterExpression,
    QuantumCircuit,
)
from qiskit.circuit.annotated_operation import ControlModifier, InverseModifier, PowerModifier
from qiskit.circuit.library import standard_gates as sg

from qalgs.backends.compiler_angles import Scaled, Slots
from qalgs.errors import InvalidInputError

Matrix = npt.NDArray[np.complex128]
# a number or a ParameterExpression; Qiskit ships no types, so expression arithmetic is Any
Angle = Any
# ("matrix", 2 x 2 array), ("phase", fixed angle), ("rx" | "ry" | "rz" | "p", angle); nodes hold slots for angles
Factor = tuple[str, object]
# control qubit and the bit value it acts on
Controls = tuple[tuple[int, int], ...]
# a standard gate: index in the circuit, class, qubits, angles
Entry = tuple[int, type, tuple[int, ...], list[Scaled]]


@dataclass(slots=True)
class Node:
    """One primitive: ``busy`` are the qubits it changes, ``diag`` those on which it is diagonal (bit masks)."""

    kind: str
    busy: int
    diag: int = 0
    q: int = 0
    mask: int = 0
    value: int = 0
    factors: list[Factor] = field(default_factory=list)
    # phases: monomial bit mask -> [(slot, coefficient)]
    terms: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    x: int = 0
    z: int = 0
    slot: int = 0
    qubits: tuple[int, ...] = ()
    matrix: Matrix | None = None
    # a chain of flips x -> A x ^ value: the columns of A, and the flips (control, bit value, target) themselves
    columns: list[int] = field(default_factory=list)
    flips: list[tuple[int, int, int]] = field(default_factory=list)


def _m(*rows: Sequence[complex]) -> Matrix:
    return np.array(rows, dtype=np.complex128)


_H = _m([1, 1], [1, -1]) / math.sqrt(2)
_X = _m([0, 1], [1, 0])
_Y = _m([0, -1j], [1j, 0])
_SX = _m([1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]) / 2
_PI = math.pi

# One-qubit gates as factors, the first acting first. Strings name the gate's parameters by position.
FIXED: dict[type, list[Factor]] = {
    sg.IGate: [],
    sg.HGate: [("matrix", _H)],
    sg.XGate: [("matrix", _X)],
    sg.YGate: [("matrix", _Y)],
    sg.SXGate: [("matrix", _SX)],
    sg.SXdgGate: [("matrix", _SX.conj().T)],
    sg.ZGate: [("phase", _PI)],
    sg.SGate: [("phase", _PI / 2)],
    sg.SdgGate: [("phase", -_PI / 2)],
    sg.TGate: [("phase", _PI / 4)],
    sg.TdgGate: [("phase", -_PI / 4)],
}
PAULI_ROTATIONS: dict[type, tuple[str, str]] = {
    sg.RXXGate: ("X", "X"),
    sg.RYYGate: ("Y", "Y"),
    sg.RZZGate: ("Z", "Z"),
    sg.RZXGate: ("Z", "X"),
}


# The factors of the parametrised ones. U(theta, phi, lambda) = P(phi) RY(theta) P(lambda), phase included.
ROTATIONS: dict[type, Callable[[Sequence[Angle]], list[Factor]]] = {
    sg.RXGate: lambda p: [("rx", p[0])],
    sg.RYGate: lambda p: [("ry", p[0])],
    sg.RZGate: lambda p: [("rz", p[0])],
    sg.PhaseGate: lambda p: [("p", p[0])],
    sg.U1Gate: lambda p: [("p", p[0])],
    sg.UGate: lambda p: [("p", p[2]), ("ry", p[0]), ("p", p[1])],
    sg.U3Gate: lambda p: [("p", p[2]), ("ry", p[0]), ("p", p[1])],
    sg.U2Gate: lambda p: [("p", p[1]), ("ry", _PI / 2), ("p", p[0])],
    sg.RGate: lambda p: [("rz", -p[1]), ("rx", p[0]), ("rz", p[1])],
}
OTHERS = frozenset(
    (sg.SwapGate, sg.DCXGate, sg.XXPlusYYGate, sg.XXMinusYYGate, sg.GlobalPhaseGate, sg.iSwapGate, sg.ECRGate)
)


@cache
def sample(kind: type, count: int) -> Any:
    """Return a gate of a class with ``count`` angles, all different."""
    return kind(*[0.1 * (k + 1) for k in range(count)])


@cache
def supported(kind: type, count: int) -> bool:
    """Whether a standard gate's class and angles are enough to lower it: not so for gates yet unknown here."""
    if kind in FIXED or kind in ROTATIONS or kind in PAULI_ROTATIONS or kind in OTHERS or count == 0:
        return True
    gate = sample(kind, count)
    if not isinstance(gate, ControlledGate) or gate.num_qubits != gate.num_ctrl_qubits + gate.base_gate.num_qubits:
        return False
    base = list(gate.base_gate.params)
    if len(base) < count and kind is not sg.CUGate:
        return False
    return base == list(gate.params[: len(base)]) and supported(gate.base_gate.base_class, len(base))


class Lowering:
    """Collects the nodes of a circuit.

    Attributes:
        nodes: The primitives in order.
        phase: The global phase as ``(slot, coefficient)`` terms.
        where: Physical place of each circuit qubit; plain swaps only change this table.
    """

    def __init__(self, num_qubits: int, slots: Slots) -> None:
        self.slots = slots
        self.nodes: list[Node] = []
        self.phase: list[tuple[int, float]] = []
        self.where = list(range(num_qubits))
        self.touched = 0
        self._place: tuple[int, str, tuple[int, ...]] | None = None

    def __str__(self) -> str:
        """Name the present instruction."""
        if self._place is None:
            return "global phase"
        index, kind, qubits = self._place
        return f"instruction {index} ({kind} on qubits {list(qubits)})"

    def gates(self, gates: Iterable[Entry], phase: Scaled | None) -> None:
        """Lower standard gates, given as index, class, qubits and angles."""
        if phase is not None:
            self._global_phase(phase, ())
        for index, kind, qubits, angles in gates:
            self._place = index, kind.__name__, qubits
            self._standard(kind, angles, qubits, ())
        self._restore()

    def _standard(self, kind: type, angles: list[Angle], qubits: tuple[int, ...], controls: Controls) -> None:
        if self._known(kind, angles, qubits, controls):
            return
        gate = sample(kind, len(angles))
        if not angles:
            self._operation(gate, qubits, controls)
            return
        k = gate.num_ctrl_qubits
        more = controls + tuple((q, (gate.ctrl_state >> i) & 1) for i, q in enumerate(qubits[:k]))
        if kind is sg.CUGate:
            self._global_phase(angles[3], more)
        base = gate.base_gate
        self._standard(base.base_class, angles[: len(base.params)], qubits[k:], more)

    def circuit(self, circuit: QuantumCircuit, *, skip: frozenset[str] = frozenset()) -> None:
        """Lower a whole circuit; instructions whose name is in ``skip`` are left out."""
        self._global_phase(circuit.global_phase, ())
        places = {bit: i for i, bit in enumerate(circuit.qubits)}
        for index, instruction in enumerate(circuit.data):
            if instruction.name in skip:
                continue
            qubits = tuple(places[q] for q in instruction.qubits)
            self._place = index, instruction.name, qubits
            self._operation(instruction.operation, qubits, ())
        self._restore()

    def refuse(self, rule: str, remedy: str) -> InvalidInputError:
        """Build the error that names the present instruction."""
        return InvalidInputError(f"{self} {rule}; {remedy}")

    def _restore(self) -> None:
        for target in range(len(self.where)):
            place = self.where[target]
            if place != target:
                other = self.where.index(target)
                for c, t in ((place, target), (target, place), (place, target)):
                    self.nodes.append(Node("flip", 1 << t, 1 << c, q=t, mask=1 << c, value=1 << c))
                self.where[target], self.where[other] = target, place

    # -- one operation -------------------------------------------------------------------------------------------

    def _operation(self, op: Operation, qubits: tuple[int, ...], controls: Controls) -> None:
        kind = getattr(op, "base_class", type(op))
        if self._known(kind, getattr(op, "params", ()), qubits, controls):
            return
        name = op.name
        if name in ("barrier", "delay"):
            return
        if name == "reset":
            if controls or (self.touched >> self.where[qubits[0]]) & 1:
                raise self.refuse(
                    "must not reset a qubit in use: the statevector engine runs unitary circuits",
                    "use the noisy engine or Aer",
                )
            return
        if name == "measure":
            raise self.refuse(
                "must not be part of the circuit: an estimator measures through its observables",
                "call circuit.remove_final_measurements(), or use a sampler",
            )
        if isinstance(op, ControlFlowOp) or getattr(op, "condition", None) is not None:
            raise self.refuse("must not depend on measured bits", "use Aer for dynamic circuits")
        if isinstance(op, AnnotatedOperation):
            self._annotated(op, qubits, controls)
            return
        if isinstance(op, ControlledGate) and op.num_qubits == op.num_ctrl_qubits + op.base_gate.num_qubits:
            k = op.num_ctrl_qubits
            more = tuple((q, (op.ctrl_state >> i) & 1) for i, q in enumerate(qubits[:k]))
            if kind is sg.CUGate:
                self._global_phase(op.params[3], controls + more)
            self._operation(op.base_gate, qubits[k:], controls + more)
            return
        self._opaque(op, kind, qubits, controls)

    def _known(self, kind: type, p: Sequence[Angle], qubits: tuple[int, ...], controls: Controls) -> bool:
        if kind in FIXED:
            self._one(qubits[0], FIXED[kind], controls)
        elif kind in ROTATIONS:
            self._one(qubits[0], ROTATIONS[kind](p), controls)
        elif kind in PAULI_ROTATIONS:
            self._pauli(PAULI_ROTATIONS[kind], qubits, p[0], controls)
        elif kind is sg.SwapGate:
            self._swap(qubits, controls)
        elif kind is sg.DCXGate:
            self._one(qubits[1], FIXED[sg.XGate], (*controls, (qubits[0], 1)))
            self._one(qubits[0], FIXED[sg.XGate], (*controls, (qubits[1], 1)))
        elif kind in (sg.XXPlusYYGate, sg.XXMinusYYGate):
            # exp(-i theta/4 (XX +- YY)) between rz(beta) on the first (plus) or second (minus) qubit
            plus = kind is sg.XXPlusYYGate
            turned = qubits[0] if plus else qubits[1]
            self._one(turned, [("rz", p[1] if plus else -p[1])], controls)
            self._pauli(("X", "X"), qubits, p[0] / 2, controls)
            self._pauli(("Y", "Y"), qubits, p[0] / 2 if plus else -p[0] / 2, controls)
            self._one(turned, [("rz", -p[1] if plus else p[1])], controls)
        elif kind is sg.GlobalPhaseGate:
            self._global_phase(p[0], controls)
        elif kind in (sg.iSwapGate, sg.ECRGate):
            self._matrix(kind().to_matrix(), qubits, controls)
        else:
            return False
        return True

    def _annotated(self, op: AnnotatedOperation, qubits: tuple[int, ...], controls: Controls) -> None:
        base = op.base_op
        for modifier in op.modifiers:
            if isinstance(modifier, InverseModifier):
                base = base.inverse()
            elif isinstance(modifier, PowerModifier):
                base = base.power(modifier.power)
            else:
                assert isinstance(modifier, ControlModifier)  # there is no other kind
                base = base.control(modifier.num_ctrl_qubits, ctrl_state=modifier.ctrl_state, annotated=False)
        self._operation(base, qubits, controls)

    def _opaque(self, op: Operation, kind: type, qubits: tuple[int, ...], controls: Controls) -> None:
        if op.num_clbits:
            raise self.refuse("must act on qubits only", "remove it, or use Aer for dynamic circuits")
        # A dense unitary's definition is a synthesis, which its matrix makes superfluous.
        definition = None if op.name == "unitary" else getattr(op, "definition", None)
        if op.name != "unitary" and definition is None and hasattr(op, "to_circuit"):
            definition = op.to_circuit()
        if definition is None:
            try:
                matrix = np.asarray(op.to_matrix(), dtype=np.complex128)
            except Exception as error:
                raise self.refuse(
                    "is not supported: it is no standard gate and has neither a definition nor a matrix",
                    "decompose it into standard gates",
                ) from error
            if matrix.shape != (1 << len(qubits), 1 << len(qubits)):
                raise self.refuse(f"has a matrix of shape {matrix.shape}", "give it one of the gate's size")
            self._matrix(matrix, qubits, controls)
            return
        self._global_phase(definition.global_phase, controls)
        places = {bit: qubits[i] for i, bit in enumerate(definition.qubits)}
        for inner in definition.data:
            self._operation(inner.operation, tuple(places[q] for q in inner.qubits), controls)

    # -- primitives ----------------------------------------------------------------------------------------------

    def _controls(self, controls: Controls) -> tuple[int, int]:
        mask = value = 0
        for q, bit in controls:
            place = 1 << self.where[q]
            mask |= place
            value |= place * bit
        self.touched |= mask
        return mask, value

    def _slot(self, angle: Angle) -> int:
        return self.slots.add(angle, self)

    def _one(self, q: int, factors: list[Factor], controls: Controls) -> None:
        if not factors:
            return
        mask, value = self._controls(controls)
        place = self.where[q]
        self.touched |= 1 << place
        if controls and all(kind in ("p", "phase", "rz") for kind, _ in factors):
            for kind, angle in factors:
                slot = self._slot(angle)
                if kind == "rz":
                    self._phase(mask, value, slot, -0.5)
                self._phase(mask | (1 << place), value | (1 << place), slot, 1.0)
            return
        if controls and len(factors) == 1 and factors[0][1] is _X:
            self.nodes.append(Node("flip", 1 << place, mask, q=place, mask=mask, value=value))
            return
        done = [(kind, a) if kind in ("matrix", "phase") else (kind, self._slot(a)) for kind, a in factors]
        self.nodes.append(Node("one", 1 << place, mask, q=place, mask=mask, value=value, factors=done))

    def _phase(self, mask: int, value: int, slot: int, coefficient: float) -> None:
        """Multiply by exp(i coefficient slot) where the bits ``mask`` equal ``value``."""
        if mask == 0:
            self.phase.append((slot, coefficient))
        elif mask.bit_count() > 2:
            node = Node("phase", 0, mask, mask=mask, value=value)
            node.terms[mask] = [(slot, coefficient)]
            self.nodes.append(node)
        else:
            node = Node("diag", 0, mask)
            for monomial, sign in expand(mask, value):
                if monomial:
                    node.terms.setdefault(monomial, []).append((slot, sign * coefficient))
                else:
                    self.phase.append((slot, sign * coefficient))
            self.nodes.append(node)

    def _global_phase(self, angle: Angle, controls: Controls) -> None:
        if not isinstance(angle, ParameterExpression) and angle == 0:
            return
        mask, value = self._controls(controls)
        self._phase(mask, value, self._slot(angle), 1.0)

    def _pauli(self, letters: Sequence[str], qubits: tuple[int, ...], angle: Angle, controls: Controls) -> None:
        """exp(-i angle/2 P) for the Pauli string with ``letters[k]`` on ``qubits[k]``."""
        mask, value = self._controls(controls)
        x = z = 0
        for letter, q in zip(letters, qubits, strict=True):
            place = 1 << self.where[q]
            self.touched |= place
            x |= place * (letter in "XY")
            z |= place * (letter in "YZ")
        slot = self._slot(angle)
        if x == 0 and not controls and z.bit_count() == 2:
            # -angle/2 (1 - 2 b0)(1 - 2 b1)
            self.phase.append((slot, -0.5))
            node = Node("diag", 0, z)
            for k in range(z.bit_length()):
                if (z >> k) & 1:
                    node.terms[1 << k] = [(slot, 1.0)]
            node.terms[z] = [(slot, -2.0)]
            self.nodes.append(node)
            return
        busy = x
        diag = mask | (z & ~x)
        self.nodes.append(Node("pauli", busy, diag, mask=mask, value=value, x=x, z=z, slot=slot))

    def _swap(self, qubits: tuple[int, ...], controls: Controls) -> None:
        a, b = qubits
        if not controls:
            where = self.where
            where[a], where[b] = where[b], where[a]
            return
        flip = FIXED[sg.XGate]
        self._one(a, flip, ((b, 1),))
        self._one(b, flip, (*controls, (a, 1)))
        self._one(a, flip, ((b, 1),))

    def _matrix(self, matrix: Matrix, qubits: tuple[int, ...], controls: Controls) -> None:
        if len(qubits) == 1:
            self._one(qubits[0], [("matrix", matrix)], controls)
            return
        if not qubits:
            self._global_phase(cmath.phase(complex(matrix[0, 0])), controls)
            return
        mask, value = self._controls(controls)
        places = tuple(self.where[q] for q in qubits)
        busy = sum(1 << p for p in places)
        self.touched |= busy
        self.nodes.append(Node("matrix", busy, mask, mask=mask, value=value, qubits=places, matrix=matrix))


def expand(mask: int, value: int) -> list[tuple[int, float]]:
    """Write the indicator of "bits ``mask`` equal ``value``" as products of bits: (product mask, sign)."""
    terms = [(mask & value, 1.0)]
    zeros = mask & ~value
    for k in range(zeros.bit_length()):
        if (zeros >> k) & 1:
            terms += [(m | (1 << k), -s) for m, s in terms]
    return terms
