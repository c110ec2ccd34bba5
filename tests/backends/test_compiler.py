"""The compiled engine against Qiskit: states, derivatives, caching and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import random_circuit
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from qalgs.backends import compile_circuit

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")


@pytest.mark.parametrize("num_qubits", range(1, 9))
@pytest.mark.parametrize("free", [False, True])
def test_states_equal_qiskit(num_qubits: int, free: bool, rng: np.random.Generator) -> None:
    for _ in range(15):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(1, 30)), free=free)
        values = rng.normal(size=(2, circuit.num_parameters)) * 0.6
        states = compile_circuit(circuit).states(values)
        for row, state in zip(values, states, strict=True):
            reference = Statevector(circuit.assign_parameters(row)).data
            assert np.abs(state - reference).max() < 1e-12, str(circuit.draw())


@pytest.mark.parametrize("num_qubits", range(1, 9))
def test_vjp_equals_central_differences(num_qubits: int, rng: np.random.Generator) -> None:
    step = 1e-5
    for _ in range(8):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(5, 30)), free=True)
        program = compile_circuit(circuit)
        values = rng.normal(size=(3, program.num_parameters)) * 0.6
        size = 2**num_qubits
        cotangents = rng.normal(size=(3, size)) + 1j * rng.normal(size=(3, size))
        cotangents /= np.linalg.norm(cotangents, axis=1)[:, None]
        grads = program.vjp(values, cotangents)
        for p in range(program.num_parameters):
            shift = np.eye(program.num_parameters)[p] * step
            difference = (program.states(values + shift) - program.states(values - shift)) / (2 * step)
            expected = np.einsum("bi,bi->b", cotangents.conj(), difference)
            assert np.abs(grads[:, p] - expected).max() < 1e-6, str(circuit.draw())


def test_program_is_cached_and_follows_changes_in_place() -> None:
    theta = Parameter("t")
    circuit = QuantumCircuit(2)
    circuit.rx(theta, 0)
    circuit.cx(0, 1)
    program = compile_circuit(circuit)
    assert compile_circuit(circuit) is program
    before = program.states([0.3])
    circuit.data[1] = circuit.data[1].replace(qubits=(circuit.qubits[1], circuit.qubits[0]))
    after = compile_circuit(circuit).states([0.3])
    assert np.allclose(after[0], Statevector(circuit.assign_parameters([0.3])).data, atol=1e-14)
    assert not np.allclose(before, after)
    circuit.assign_parameters([0.7], inplace=True)
    assert np.allclose(compile_circuit(circuit).states([])[0], Statevector(circuit).data, atol=1e-14)
    circuit.global_phase = 0.4
    assert np.allclose(compile_circuit(circuit).states([])[0], Statevector(circuit).data, atol=1e-14)
