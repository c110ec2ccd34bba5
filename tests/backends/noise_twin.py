"""The readable twin of the noisy engine: dense density matrices, Kraus operators, NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Kraus, Operator, SparsePauliOp

from qalgs.backends import DeviceSnapshot
from qalgs.backends.noise import noise_model

Complex = NDArray[np.complex128]


def embed(matrix: Complex, qubits: tuple[int, ...], n: int) -> Complex:
    """``matrix`` on the given qubits of n, little-endian."""
    return np.asarray(Operator(np.eye(2**n)).compose(Operator(matrix), list(qubits)).data)


def density_matrix(circuit: QuantumCircuit, snapshot: DeviceSnapshot) -> Complex:
    """Run a bound ISA circuit gate by gate: the unitary, then the Kraus operators of Aer's error."""
    n = circuit.num_qubits
    local = noise_model(snapshot)._local_quantum_errors
    rho = np.zeros((2**n, 2**n), complex)
    rho[0, 0] = 1.0
    for item in circuit.data:
        qubits = tuple(circuit.find_bit(q).index for q in item.qubits)
        if item.operation.name == "barrier":
            continue
        u = embed(item.operation.to_matrix(), qubits, n)
        rho = u @ rho @ u.conj().T
        error = local.get(item.operation.name, {}).get(qubits)
        if error is not None:
            kraus = [embed(k, qubits, n) for k in Kraus(error).data]
            rho = sum((k @ rho @ k.conj().T for k in kraus), np.zeros_like(rho))
    return rho


def measured(rho: Complex, observable: SparsePauliOp, flips: NDArray[np.float64]) -> float:
    """Measure each Pauli by rotating, flipping the bits of the distribution and averaging the parities."""
    n = observable.num_qubits
    h = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    turn = {"X": h, "Y": h @ np.diag([1, -1j]), "Z": np.eye(2), "I": np.eye(2)}
    total = 0.0
    for label, coefficient in observable.to_list():
        u = np.eye(1)
        confusion = np.eye(1)
        sign: NDArray[np.float64] = np.ones(1)
        for k, letter in enumerate(label):
            up, down = flips[n - 1 - k]
            u = np.kron(u, turn[letter])
            confusion = np.kron(confusion, np.array([[1 - up, down], [up, 1 - down]]))
            sign = np.kron(sign, np.array([1.0, -1.0 if letter != "I" else 1.0]))
        p = np.diag(u @ rho @ u.conj().T).real
        total += float(coefficient.real) * float(sign @ (confusion @ p))
    return total
