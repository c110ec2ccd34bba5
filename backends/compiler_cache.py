"""Programs kept by circuit: a cheap, complete check that a circuit object is still what was compiled."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from operator import is_
from typing import Generic, TypeVar

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Operation

from qalgs.backends.compiler_wires import Wires

T = TypeVar("T")

CAPACITY = 256
# Operations without content beyond their qubits and bits, besides Qiskit's standard gates.
_PLAIN = frozenset(("barrier", "measure", "reset"))


class CircuitCache(Generic[T]):
    """Maps circuits to what ``build`` makes of them.

    A circuit is recognised by identity and then by content (see :class:`Content`), since it may have been changed
    in place. Nothing here keeps a circuit alive.
    """

    def __init__(self, build: Callable[[QuantumCircuit], T]) -> None:
        self._build = build
        self._entries: OrderedDict[int, tuple[weakref.ref[QuantumCircuit], Content, T]] = OrderedDict()

    def get(self, circuit: QuantumCircuit) -> T:
        """Return the cached value, building it if the circuit is new or changed."""
        key = id(circuit)
        entry = self._entries.get(key)
        if entry is not None and entry[0]() is circuit and entry[1].same(circuit):
            return entry[2]
        built = self._build(circuit)
        self._entries[key] = (weakref.ref(circuit), Content(circuit), built)
        self._entries.move_to_end(key)
        while len(self._entries) > CAPACITY:
            self._entries.popitem(last=False)
        return built

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class Content:
    """What a circuit held when it was compiled, to be compared with what it holds now.

    Operations are compared by identity: Qiskit keeps one object per instruction and puts another in its place when
    the instruction changes, and what is done to a standard gate's object from outside does not reach the circuit.
    Other operations (custom gates, matrices, controlled and annotated ones) can be changed from within, so what
    they hold is compared, too; so are all qubits and bits, the global phase and the classical registers.
    """

    __slots__ = ("_frame", "_inner", "_operations", "_wires")

    def __init__(self, circuit: QuantumCircuit) -> None:
        self._operations: list[Operation] = []
        circuit._data.foreach_op(self._operations.append)
        self._wires = Wires(circuit)
        self._frame = _frame(circuit)
        plain = [item.is_standard_gate() or item.name in _PLAIN for item in circuit._data[:]]
        own = {id(op): op for op, simple in zip(self._operations, plain, strict=True) if not simple}
        self._inner = [_Inner(op) for op in own.values()]

    def same(self, circuit: QuantumCircuit) -> bool:
        """Return whether ``circuit`` still holds this."""
        operations: list[Operation] = []
        circuit._data.foreach_op(operations.append)
        return (
            len(operations) == len(self._operations)
            and all(map(is_, operations, self._operations))
            and _frame(circuit) == self._frame
            and self._wires.same(circuit)
            and all(inner.same() for inner in self._inner)
        )


class _Inner:
    """What an operation held that can be changed from within."""

    __slots__ = ("_circuits", "_operation", "_operations", "_values")

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._values = _values(operation)
        self._circuits = [(circuit, Content(circuit)) for circuit in _circuits(operation)]
        self._operations = [_Inner(base) for base in _bases(operation)]

    def same(self) -> bool:
        circuits, bases = _circuits(self._operation), _bases(self._operation)
        return (
            _values(self._operation) == self._values
            and len(circuits) == len(self._circuits)
            and len(bases) == len(self._operations)
            and all(c is old and held.same(c) for c, (old, held) in zip(circuits, self._circuits, strict=True))
            and all(b is o._operation and o.same() for b, o in zip(bases, self._operations, strict=True))
        )


def _frame(circuit: QuantumCircuit) -> tuple[object, ...]:
    data = circuit._data
    return data.num_qubits, data.num_clbits, data.global_phase, data.cregs


def _values(operation: Operation) -> list[object]:
    """Return an operation's name, parameters, controls and modifiers, as later changes do not reach them."""
    held: list[object] = [operation.name, getattr(operation, "ctrl_state", None), getattr(operation, "unit", None)]
    held.extend(map(repr, getattr(operation, "modifiers", ())))
    for value in getattr(operation, "params", ()):
        if isinstance(value, np.ndarray):
            held.append((value.shape, value.dtype, value.tobytes()))
        elif not isinstance(value, QuantumCircuit):
            held.append(value)
    return held


def _circuits(operation: Operation) -> list[QuantumCircuit]:
    """Return the circuits inside an operation: its definition as far as there is one, its blocks."""
    circuits = [value for value in getattr(operation, "params", ()) if isinstance(value, QuantumCircuit)]
    definition = getattr(operation, "_definition", None)
    return circuits if definition is None else [*circuits, definition]


def _bases(operation: Operation) -> list[Operation]:
    found = (getattr(operation, name, None) for name in ("base_gate", "base_op"))
    return [base for base in found if base is not None]
