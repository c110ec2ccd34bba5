"""The Runtime adapter in local mode: the same calls as on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Session

from qalgs.backends import (
    DeviceSnapshot,
    NoisyEstimator,
    NoisySampler,
    RuntimeEstimator,
    RuntimeSampler,
    load_backend,
)
from qalgs.errors import InvalidInputError

OBSERVABLE = SparsePauliOp(["ZZI", "IXX"], [1.0, 0.5])


@pytest.fixture(scope="module")
def manila() -> Any:
    return load_backend("fake_manila")


def ansatz(rng: np.random.Generator) -> tuple[QuantumCircuit, np.ndarray]:
    circuit = efficient_su2(3, reps=1)
    return circuit, rng.normal(size=circuit.num_parameters)


def test_isa_estimates_agree_with_the_compact_device(manila: Any, rng: np.random.Generator) -> None:
    circuit, values = ansatz(rng)
    layout = [1, 2, 3]
    passes = generate_preset_pass_manager(1, backend=manila, initial_layout=layout, seed_transpiler=0)
    isa = passes.run(circuit)
    compact = NoisyEstimator(DeviceSnapshot.from_backend(manila), layout)
    exact = float(compact.run([(circuit, OBSERVABLE, values)]).result()[0].data.evs)
    with Session(backend=manila) as session:
        estimator = RuntimeEstimator(session, seed=3)
        result = estimator.run([(isa, OBSERVABLE.apply_layout(isa.layout), values)], precision=0.02).result()[0]
    # The change of basis is noisy here and ideal there: allow one noisy gate besides five standard errors.
    assert abs(float(result.data.evs) - exact) < 5 * float(result.data.stds) + 0.01
    assert result.metadata["resilience_level"] == 0
    assert result.metadata["target_precision"] == 0.02
    assert result.metadata["backend"] == "fake_manila"


def test_pubs_and_calls_have_their_own_noise_and_seeds_repeat(manila: Any, rng: np.random.Generator) -> None:
    circuit, values = ansatz(rng)
    pub = (circuit, OBSERVABLE, np.tile(values, (3, 1)))

    def draw(estimator: RuntimeEstimator) -> list[tuple[float, ...]]:
        job = estimator.run([pub, (*pub, 0.1)], precision=0.05)
        assert len(job.jobs) == 2
        return [tuple(r.data.evs.tolist()) for r in job.result()]

    one = RuntimeEstimator(manila, seed=5, optimization_level=1)
    first, second = draw(one), draw(one)
    assert len({*first, *second}) == 4
    again = RuntimeEstimator(manila, seed=5, optimization_level=1)
    assert [draw(again), draw(again)] == [first, second]


def test_the_resilience_level_is_the_one_stated(manila: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qiskit_ibm_runtime import executor_estimator

    seen = []
    original = executor_estimator.Estimator

    def spy(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        seen.append(made.options.resilience_level)
        return made

    monkeypatch.setattr(executor_estimator, "Estimator", spy)
    circuit = QuantumCircuit(2)
    circuit.x(0)
    plain = RuntimeEstimator(manila, seed=1, optimization_level=0)
    mitigated = RuntimeEstimator(manila, seed=1, optimization_level=0, resilience_level=1)
    raw = plain.run([(circuit, "IZ")], precision=0.03).result()[0]
    better = mitigated.run([(circuit, "IZ")], precision=0.03).result()[0]
    assert seen == [0, 1]
    assert (raw.metadata["resilience_level"], better.metadata["resilience_level"]) == (0, 1)
    assert abs(float(better.data.evs) + 1) < abs(float(raw.data.evs) + 1)


def test_samples_agree_with_the_compact_device(manila: Any, rng: np.random.Generator) -> None:
    circuit, values = ansatz(rng)
    circuit.measure_all()
    compact = NoisySampler(DeviceSnapshot.from_backend(manila), [0, 1, 2])
    expected = compact.probabilities(circuit, values)
    sampler = RuntimeSampler(manila, seed=2, optimization_level=1, layout=[0, 1, 2])
    result = sampler.run([(circuit, values), (circuit, values, 500)], shots=4000).result()
    counts = result[0].data.meas.get_int_counts()
    found = np.array([counts.get(k, 0) for k in range(8)])
    assert found.sum() == 4000
    assert result[1].data.meas.num_shots == 500
    sigma = np.sqrt(4000 * expected * (1 - expected))
    assert np.all(np.abs(found - 4000 * expected) < 5 * sigma + 1)


def test_devices_too_large_for_simulation_run_on_their_active_qubits(rng: np.random.Generator) -> None:
    circuit, values = ansatz(rng)
    layout = [100, 101, 102]
    snapshot = DeviceSnapshot.from_backend("fake_brisbane")
    observables = [[OBSERVABLE], [SparsePauliOp("ZIZ")]]
    exact = NoisyEstimator(snapshot, layout).run([(circuit, observables, values)]).result()[0].data.evs
    estimator = RuntimeEstimator("fake_brisbane", seed=3, optimization_level=1, layout=layout)
    data = estimator.run([(circuit, observables, values)], precision=0.02).result()[0].data
    assert data.evs.shape == exact.shape
    assert np.all(np.abs(data.evs - exact) < 5 * data.stds + 0.01)
    assert estimator.isa(circuit).num_qubits == 127
    single = QuantumCircuit(1)
    single.x(0)
    assert float(estimator.run([(single, "Z")], precision=0.05).result()[0].data.evs) < -0.8


def test_dynamic_circuits_are_sampled() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    sampler = RuntimeSampler("fake_brisbane", seed=3, optimization_level=1, layout=[4, 5])
    counts = sampler.run([circuit], shots=500).result()[0].data.c.get_counts()
    assert counts["11"] > 350


def test_an_aer_simulator_is_a_mode_too() -> None:
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    data = RuntimeEstimator(AerSimulator(), seed=1).run([(circuit, "ZZ")], precision=0.05).result()[0].data
    assert float(data.evs) == 1.0


def test_parameters_that_transpilation_removes(manila: Any) -> None:
    from qiskit.circuit import Parameter

    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(1)
    circuit.rz(a, 0)
    circuit.rz(-a, 0)
    circuit.rx(b, 0)
    estimator = RuntimeEstimator(manila, seed=1, optimization_level=2)
    found = estimator.run([(circuit, "Z", [0.3, np.pi])], precision=0.05).result()[0].data.evs
    assert float(found) < -0.8


def test_circuits_off_the_instruction_set_are_named(manila: Any, rng: np.random.Generator) -> None:
    estimator = RuntimeEstimator(manila)
    circuit = QuantumCircuit(2)
    circuit.h(1)
    text = r"instruction 'h' on qubits \[1\] is not an instruction of fake_manila; transpile"
    with pytest.raises(InvalidInputError, match=text):
        estimator.run([(circuit, "ZZ")])
    far = QuantumCircuit(5)
    far.cx(0, 4)
    with pytest.raises(InvalidInputError, match=r"instruction 'cx' on qubits \[0, 4\]"):
        estimator.run([(far, "ZZZZZ")])
    with pytest.raises(InvalidInputError, match="must fit fake_manila of 5 qubits, got '6 qubits'"):
        estimator.run([(QuantumCircuit(6), "Z" * 6)])
    branch = QuantumCircuit(2, 1)
    with branch.if_test((0, 1)):
        branch.h(1)
    with pytest.raises(InvalidInputError, match=r"instruction 'if_else'|instruction 'h' on qubits \[1\]"):
        RuntimeSampler(manila).run([branch])
    fractional = QuantumCircuit(2)
    fractional.rzz(2.0, 0, 1)
    with pytest.raises(InvalidInputError, match=r"'rzz' on qubits \[0, 1\] must have an angle in \[0, pi/2\]"):
        RuntimeEstimator("fake_fractional").run([(fractional, "ZZ")])


def test_other_bad_arguments(manila: Any) -> None:
    with pytest.raises(InvalidInputError, match="resilience_level must be 0, 1 or 2, got 3"):
        RuntimeEstimator(manila, resilience_level=3)
    with pytest.raises(InvalidInputError, match="must not repeat the argument resilience_level"):
        RuntimeEstimator(manila, options={"resilience_level": 1})
    with pytest.raises(InvalidInputError, match="layout must come with optimization_level"):
        RuntimeEstimator(manila, layout=[0, 1])
    with pytest.raises(InvalidInputError, match="at least the 3 qubits of the circuit"):
        RuntimeEstimator(manila, optimization_level=1, layout=[0, 1]).run([(QuantumCircuit(3), "ZZZ")])
    with pytest.raises(TypeError, match="mode must be a backend, the name of one, a Session or a Batch, got int"):
        RuntimeEstimator(5)
    with pytest.raises(InvalidInputError, match=r"did you mean fake_manila"):
        RuntimeEstimator("fake_manilla")
    estimator = RuntimeEstimator(manila, optimization_level=0)
    with pytest.raises(InvalidInputError, match=r"precision must be positive .* use NoisyEstimator"):
        estimator.run([(QuantumCircuit(1), "Z")], precision=0.0)
    measured = QuantumCircuit(1, 1)
    measured.measure(0, 0)
    with pytest.raises(InvalidInputError, match="instruction 'measure' on qubits"):
        estimator.run([(measured, "Z")])
    with pytest.raises(InvalidInputError, match="must measure into a classical register"):
        RuntimeSampler(manila).run([QuantumCircuit(1)])
