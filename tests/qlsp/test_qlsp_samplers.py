"""Programs with parameters on samplers of others: right distributions, and noise of its own in every call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import EstimatorV2, SamplerV2

from qalgs.backends import load_backend
from qalgs.qlsp import Executor, Program

SHOTS = 20_000
EXECUTORS: dict[str, Callable[[], Executor]] = {
    "compiled": lambda: Executor("compiled", shots=SHOTS, seed=1),
    "aer": lambda: Executor("aer", shots=SHOTS, seed=1),
    "Aer's sampler": lambda: Executor(sampler=SamplerV2(seed=1), shots=SHOTS),
    "Aer as a backend": lambda: Executor(AerSimulator(), shots=SHOTS, seed=1),
    "Qiskit's sampler": lambda: Executor(sampler=StatevectorSampler(seed=1), shots=SHOTS),
}


def controlled() -> QuantumCircuit:
    """Rotations that Aer 0.18 binds to wrong angles."""
    a = ParameterVector("a", 4)
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, 0)
    circuit.h(1)
    circuit.cry(a[3], 1, 0)
    circuit.crz(a[1] / 2, 1, 0)
    circuit.crx(a[0] - a[2], 1, 0)
    circuit.h(1)
    return circuit


@pytest.mark.parametrize("name", EXECUTORS)
def test_rows_of_angles_are_those_asked_for(name: str, rng: np.random.Generator) -> None:
    circuit, executor = controlled(), EXECUTORS[name]()
    program = Program(circuit, 1, None, 0.0, 1, False)
    rows = rng.uniform(-3, 3, (3, 4))
    counts = executor.sample(program, circuit, rows, "rows")
    assert len(counts) == 3
    for row, found in zip(rows, counts, strict=True):
        exact = Statevector(circuit.assign_parameters(row)).probabilities()
        shares = np.array([found.get(k, 0) for k in range(4)]) / SHOTS
        assert (np.abs(shares - exact) <= 5 * np.sqrt(exact * (1 - exact) / SHOTS) + 1 / SHOTS).all()


def test_rows_without_angles_are_one_run() -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    program = Program(circuit, 1, None, 0.0, 1, True)
    counts = Executor("aer", shots=100, seed=1).sample(program, circuit, np.zeros((3, 0)), "none")
    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0].values()) == 100


@pytest.mark.parametrize("backend", ["aer", "fake_manila"])
def test_calls_never_share_noise_and_seeds_repeat(backend: str) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(range(3))
    program = Program(circuit, 3, None, 0.0, 1, True)

    def draw() -> list[dict[int, int]]:
        device = backend if backend == "aer" else load_backend(backend)
        executor = Executor(device, shots=1000, seed=5)
        return [executor.sample(program, circuit, np.zeros((1, 0)), f"h:{id(executor)}")[0] for _ in range(3)]

    first = draw()
    assert first[0] != first[1] != first[2] != first[0]
    assert draw() == first


def test_aers_estimator_gets_the_angles_asked_for(rng: np.random.Generator) -> None:
    circuit, observables = controlled(), [SparsePauliOp("XZ"), SparsePauliOp("YI")]
    estimator = EstimatorV2(options={"default_precision": 0.0})
    rows = rng.uniform(-3, 3, (2, 4))
    pubs = Executor(estimator=estimator, shots=1).pubs(circuit, rows, observables)
    for row, result in zip(rows, estimator.run(pubs).result(), strict=True):
        state = Statevector(circuit.assign_parameters(row))
        exact = [state.expectation_value(o).real for o in observables]
        np.testing.assert_allclose(result.data.evs, exact, rtol=0, atol=1e-12)


def test_programs_are_translated_once_for_each_device() -> None:
    program = Program(controlled().assign_parameters([0.1, 0.2, 0.3, 0.4]), 1, None, 0.0, 1, False)
    made = []
    executors = [Executor(load_backend(name), shots=10, seed=1) for name in ("fake_manila", "fake_torino")]
    for executor in (executors[0], executors[0], executors[1], executors[0]):
        made.append(executor.translated(program, "circuit", lambda: program.circuit))
    assert made[0] is made[1]
    assert [circuit.num_qubits for circuit in made] == [5, 5, 133, 5]
    for executor in executors:
        assert sum(executor.sample(program, program.circuit, np.zeros((1, 0)), "plain")[0].values()) == 10
