"""Circuits on wide devices cut down to the qubits they use, so that transpiled circuits run as fast as before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends.compiler_cache import CircuitCache
from qalgs.backends.observables import pauli_sum
from qalgs.errors import InvalidInputError

# Narrower circuits are run as they are: their idle qubits cost little.
WIDE = 14


@dataclass(frozen=True, slots=True)
class Narrow:
    """A circuit on its active qubits.

    Attributes:
        circuit: The circuit without the idle qubits.
        active: The active qubits of the original, in order.
        num_qubits: Width of the original.
    """

    circuit: QuantumCircuit
    active: tuple[int, ...]
    num_qubits: int

    def observable(self, observable: object) -> SparsePauliOp:
        """Return the observable on the active qubits: an idle one is |0>, so Z is 1 there and X, Y give 0.

        Raises:
            ValueError: If the observable has another width than the original circuit.
        """
        operator = pauli_sum(observable)
        if operator.num_qubits != self.num_qubits:
            raise InvalidInputError(
                f"observable must act on the circuit's {self.num_qubits} qubits, got {operator.num_qubits}; "
                "use apply_layout(...) or pad it with identities"
            )
        idle = [q for q in range(self.num_qubits) if q not in set(self.active)]
        alive = ~operator.paulis.x[:, idle].any(axis=1)
        kept = operator[alive] if alive.any() else 0 * operator[:1]
        labels = ["".join(label[::-1][q] for q in self.active)[::-1] for label in kept.paulis.to_labels()]
        return SparsePauliOp(labels, np.asarray(kept.coeffs)).simplify()


def narrow(circuit: QuantumCircuit) -> Narrow | None:
    """Return the circuit on its active qubits, or None if it is narrow already or uses all of them."""
    if circuit.num_qubits <= WIDE:
        return None
    return _CACHE.get(circuit)


def _narrow(circuit: QuantumCircuit) -> Narrow | None:
    places = {bit: k for k, bit in enumerate(circuit.qubits)}
    used = {places[q] for item in circuit.data if item.name not in ("barrier", "delay") for q in item.qubits}
    active = sorted(used) or [0]
    if len(active) == circuit.num_qubits:
        return None
    small = QuantumCircuit(len(active), name=circuit.name, metadata=circuit.metadata)
    small.add_bits(circuit.clbits)
    small.global_phase = circuit.global_phase
    new = {q: k for k, q in enumerate(active)}
    for item in circuit.data:
        if item.name not in ("barrier", "delay"):
            small.append(item.operation, [new[places[q]] for q in item.qubits], item.clbits)
    return Narrow(small, tuple(active), circuit.num_qubits)


_CACHE: CircuitCache[Narrow | None] = CircuitCache(_narrow)
