"""Programs kept by circuit: a cheap, complete check that a circuit object is still what was compiled."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter
from typing import Generic, TypeVar

from qiskit import QuantumCircuit

T = TypeVar("T")

_qubits = attrgetter("qubits")
CAPACITY = 256


class CircuitCache(Generic[T]):
    """Maps circuits to what ``build`` makes of them.

    A circuit is recognised by identity and then by content, since it may have been changed in place: its gates
    must be the same objects (Qiskit keeps one object per instruction and replaces it on change) on the same
    qubits, under the same global phase. Nothing here keeps a circuit alive.
    """

    def __init__(self, build: Callable[[QuantumCircuit], T], *, full: bool = False) -> None:
        self._build = build
        self._fingerprint = measured_fingerprint if full else fingerprint
        self._entries: OrderedDict[int, tuple[weakref.ref[QuantumCircuit], object, T]] = OrderedDict()

    def get(self, circuit: QuantumCircuit) -> T:
        """Return the cached value, building it if the circuit is new or changed."""
        key = id(circuit)
        entry = self._entries.get(key)
        if entry is not None and entry[0]() is circuit and entry[1] == self._fingerprint(circuit):
            return entry[2]
        built = self._build(circuit)
        self._entries[key] = (weakref.ref(circuit), self._fingerprint(circuit), built)
        self._entries.move_to_end(key)
        while len(self._entries) > CAPACITY:
            self._entries.popitem(last=False)
        return built

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def fingerprint(circuit: QuantumCircuit) -> object:
    """Return what identifies the circuit's content, cheap to compute and to compare."""
    data = circuit._data
    operations: list[object] = []
    data.foreach_op(operations.append)
    return operations, list(map(_qubits, data[:])), data.global_phase  # one slice is quicker than iterating


def measured_fingerprint(circuit: QuantumCircuit) -> object:
    """Return the same with the classical bits and registers."""
    return fingerprint(circuit), [i.clbits for i in circuit._data], tuple(circuit.cregs)
