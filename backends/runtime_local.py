"""Local testing mode on large devices: circuits are run on their own qubits alone.

The executor's Estimator measures every qubit of the device, so that Aer would have to simulate all 127 of them,
and every call would build the noise model of the whole device. A circuit on the compact device of its active
qubits has the same noise and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qalgs.backends.noise_device import Cache
from qalgs.backends.snapshot import DeviceSnapshot


class LocalDevice:
    """Simulators of parts of a device.

    Args:
        backend: The backend, not a simulator.
    """

    def __init__(self, backend: Any) -> None:
        self.snapshot = DeviceSnapshot.from_backend(backend)
        self._simulators: Cache[tuple[int, ...], Any] = Cache()

    def simulator(self, qubits: tuple[int, ...]) -> Any:
        """Return an Aer simulator of the given qubits with the device's noise."""
        found = self._simulators.fetch(qubits)
        if found is None:
            from qiskit_aer import AerSimulator

            found = self._simulators.keep(
                qubits, AerSimulator.from_backend(self.snapshot.subset(qubits).backend())
            )
        return found


def active_qubits(circuit: QuantumCircuit, observed: Iterable[int] = ()) -> tuple[int, ...]:
    """Return the qubits that instructions act on or that are observed, ascending; at least one."""
    index = {bit: i for i, bit in enumerate(circuit.qubits)}
    active = set(observed)
    for item in circuit.data:
        if item.operation.name != "barrier":
            active.update(index[q] for q in item.qubits)
    return tuple(sorted(active)) or (0,)


def shrink(circuit: QuantumCircuit, qubits: tuple[int, ...]) -> QuantumCircuit:
    """Return the circuit on the given qubits alone, which must include its active ones."""
    index = {bit: i for i, bit in enumerate(circuit.qubits)}
    new = {q: i for i, q in enumerate(qubits)}
    small = QuantumCircuit(len(qubits), name=circuit.name, global_phase=circuit.global_phase)
    small.add_bits(circuit.clbits)
    for register in circuit.cregs:
        small.add_register(register)
    for item in circuit.data:
        where = [new[index[q]] for q in item.qubits if index[q] in new]
        if item.operation.name == "barrier":
            small.barrier(where)
        else:
            small.append(item.operation, where, item.clbits)
    return small


def shrink_observable(observable: SparseObservable, qubits: tuple[int, ...]) -> SparseObservable:
    """Return the observable on the given qubits alone, which must include its support."""
    new = {q: i for i, q in enumerate(qubits)}
    return SparseObservable.from_raw_parts(
        len(qubits),
        observable.coeffs,
        observable.bit_terms,
        [new[int(q)] for q in observable.indices],
        observable.boundaries,
    )
