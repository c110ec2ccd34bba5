"""Coherent ZZ between touching jobs: against Aer without coupling, and against exact evolution with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp, Statevector
from scipy.linalg import expm

from qalgs.backends import DeviceSnapshot, NoisyEstimator
from qalgs.errors import InvalidInputError
from qalgs.nest import Campaign, CoherentZZ, Job, LocalExecutor
from qalgs.nest.executor import Request
from qalgs.nest.joint import Tenant, joint_circuit, joint_expectations, joint_samples
from qalgs.nest.joint_executor import JointExecutor
from qalgs.nest.translate import to_layout

OBSERVABLE = SparsePauliOp(["ZZ", "XI", "IY", "XX"], [1.0, 0.4, -0.3, 0.7])


@pytest.fixture(scope="module")
def guadalupe() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_guadalupe")


def tenants(snapshot: DeviceSnapshot, rng: np.random.Generator, *layouts: tuple[int, ...]) -> dict[str, Tenant]:
    made = {}
    for i, layout in enumerate(layouts):
        circuit = efficient_su2(2, entanglement="linear", reps=1)
        bound = circuit.assign_parameters(rng.uniform(-3, 3, circuit.num_parameters))
        made[f"job{i}"] = Tenant(circuit=to_layout(bound, snapshot, layout), layout=layout, observable=OBSERVABLE)
    return made


@pytest.mark.parametrize("layouts", [((0, 1), (2, 3)), ((0, 1), (8, 11))])
def test_without_coupling_each_job_is_alone(
    guadalupe: DeviceSnapshot, rng: np.random.Generator, layouts: tuple[tuple[int, ...], ...]
) -> None:
    jobs = tenants(guadalupe, rng, *layouts)
    found = joint_expectations(jobs, guadalupe, CoherentZZ(rate=0.0))
    apart = joint_expectations(jobs, guadalupe, CoherentZZ(rate=1e-3))
    for name, tenant in jobs.items():
        estimator = NoisyEstimator(guadalupe, tenant.layout)
        alone = estimator.run([(tenant.circuit, tenant.observable)], precision=0.0).result()[0].data.evs
        assert found[name] == pytest.approx(float(alone), abs=1e-8)
        assert apart[name] == pytest.approx(float(alone), abs=1e-6)


def test_coupling_matters_only_where_jobs_touch(guadalupe: DeviceSnapshot, rng: np.random.Generator) -> None:
    touching = tenants(guadalupe, rng, (0, 1), (2, 3), (13, 14))
    off = joint_expectations(touching, guadalupe, CoherentZZ(rate=0.0))
    on = joint_expectations(touching, guadalupe, CoherentZZ(rate=100e3))
    assert on["job2"] == pytest.approx(off["job2"], abs=1e-12)
    # Whatever the point: by no more than rounding, or by far more.
    assert abs(on["job0"] - off["job0"]) > 1e-6
    assert abs(on["job1"] - off["job1"]) > 1e-6


def test_the_phase_is_that_of_the_hamiltonian(guadalupe: DeviceSnapshot) -> None:
    """Two idle qubits in |+>: the joint circuit must be exp(-i 2 pi nu t ZZ / 4) between preparation and end."""
    seconds, rate = 800e-9, 70e3
    jobs = {}
    for name, q in (("a", 1), ("b", 2)):
        circuit = QuantumCircuit(1)
        circuit.rz(np.pi / 2, 0)
        circuit.sx(0)
        circuit.rz(np.pi / 2, 0)
        circuit.delay(seconds, 0, unit="s")
        jobs[name] = Tenant(circuit=circuit, layout=(q,), observable=SparsePauliOp(["X"]))
    quiet = dict.fromkeys(guadalupe.gate_durations, 0.0)
    instant = replace(guadalupe, gate_durations=dict(quiet))
    merged, order = joint_circuit(jobs, instant, CoherentZZ(rate=rate))
    assert order == (1, 2)
    zz = np.diag([1.0, -1, -1, 1])
    expected = expm(-2j * np.pi * rate * seconds / 4 * zz) @ np.full(4, 0.5)
    state = np.asarray(Statevector(merged.remove_final_measurements(inplace=False)))
    assert abs(np.vdot(expected, state)) == pytest.approx(1.0, abs=1e-12)
    x = Statevector(merged).expectation_value(SparsePauliOp(["IX"])).real
    assert x == pytest.approx(np.cos(np.pi * rate * seconds), abs=1e-12)


def test_jobs_end_together_and_couple_for_the_whole_circuit(
    guadalupe: DeviceSnapshot, rng: np.random.Generator
) -> None:
    jobs = tenants(guadalupe, rng, (0, 1), (2, 3))
    rate = 1e4
    merged, _ = joint_circuit(jobs, guadalupe, CoherentZZ(rate=rate))
    total = 0.0
    for instruction in merged.data:
        if instruction.operation.label == "zz_crosstalk":
            phase = np.angle(instruction.operation.to_matrix()[1, 1] / instruction.operation.to_matrix()[0, 0])
            total += phase / (np.pi * rate)
    lengths = []
    for tenant in jobs.values():
        target = guadalupe.restrict(tenant.layout)
        lengths.append(tenant.circuit.estimate_duration(target, unit="s"))
    assert total == pytest.approx(max(lengths), rel=1e-6)


def test_refusals(guadalupe: DeviceSnapshot, rng: np.random.Generator) -> None:
    jobs = tenants(guadalupe, rng, (0, 1), (2, 3))
    model = CoherentZZ(rate=1e4)
    with pytest.raises(InvalidInputError, match="disjoint layouts"):
        joint_circuit(tenants(guadalupe, rng, (0, 1), (1, 2)), guadalupe, model)
    free = replace(jobs["job0"], circuit=efficient_su2(2, reps=1))
    with pytest.raises(InvalidInputError, match="no free parameters"):
        joint_expectations({"a": free}, guadalupe, model)
    with pytest.raises(InvalidInputError, match="one qubit per circuit qubit"):
        joint_expectations({"a": replace(jobs["job0"], layout=(0, 1, 2))}, guadalupe, model)
    wide = {
        name: Tenant(circuit=QuantumCircuit(7), layout=layout, observable=SparsePauliOp(["Z" * 7]))
        for name, layout in (("a", (0, 1, 2, 3, 5, 8, 9)), ("b", (4, 7, 10, 12, 13, 14, 11)))
    }
    with pytest.raises(InvalidInputError, match="at most 12 touching qubits"):
        joint_expectations(wide, guadalupe, model)


def test_sampled_values_agree_with_exact_ones(guadalupe: DeviceSnapshot, rng: np.random.Generator) -> None:
    jobs = tenants(guadalupe, rng, (0, 1), (2, 3))
    model = CoherentZZ(rate=80e3)
    exact = joint_expectations(jobs, guadalupe, model)
    shots = dict.fromkeys(jobs, 200_000)
    seeds = {name: np.random.default_rng([7, i]) for i, name in enumerate(jobs)}
    for name, (value, std) in joint_samples(jobs, guadalupe, model, shots, seeds).items():
        assert 0 < std < 0.01
        assert abs(value - exact[name]) < 5 * std


def test_the_executor_couples_touching_jobs_only(guadalupe: DeviceSnapshot, rng: np.random.Generator) -> None:
    model = CoherentZZ(rate=80e3)
    circuit = efficient_su2(2, entanglement="linear", reps=1)
    jobs = [Job(name, circuit, OBSERVABLE) for name in "abc"]
    layouts = [(0, 1), (2, 3), (13, 14)]
    points = rng.uniform(-3, 3, size=(3, circuit.num_parameters))

    def requests(shots: int) -> list[Request]:
        return [
            Request(job=j, cycle=0, evaluation=0, layout=m, point=p, shots=shots)
            for j, m, p in zip(jobs, layouts, points, strict=True)
        ]

    joint = JointExecutor(guadalupe, model)
    alone = LocalExecutor(guadalupe)
    together = joint.evaluate(requests(0), seed=1, step="s")
    apart = alone.evaluate(requests(0), seed=1, step="s")
    assert together[2].value == pytest.approx(apart[2].value, abs=1e-12)
    assert abs(together[0].value - apart[0].value) > 1e-6
    held = {
        j.name: Tenant(
            circuit=to_layout(circuit.assign_parameters(p), guadalupe, m), layout=m, observable=OBSERVABLE
        )
        for j, m, p in zip(jobs, layouts, points, strict=True)
    }
    expected = joint_expectations(held, guadalupe, model)
    assert [r.value for r in together] == pytest.approx([expected[j.name] for j in jobs], abs=1e-8)
    first, second = (joint.evaluate(requests(500), seed=1, step="s") for _ in range(2))
    assert [r.value for r in first] == [r.value for r in second]
    assert first[0].shots == 500 * 3
    assert joint.describe()["crosstalk"] == {"name": "zz", "rate": 80e3}
    with pytest.raises(InvalidInputError, match="must not be needed beside a touching job"):
        joint.evaluate([replace(r, gradient=True) for r in requests(0)], seed=1, step="s")


def test_a_campaign_under_coherent_crosstalk_is_simulated_jointly() -> None:
    model = CoherentZZ(rate=90e3)
    jobs = []
    for name, n in (("a", 2), ("b", 3)):
        circuit = efficient_su2(n, entanglement="linear", reps=1)
        observable = SparsePauliOp(["Z" * n, "X" + "I" * (n - 1)], [1.0, 0.5])
        jobs.append(Job(name, circuit, observable, evaluations=3, shots=0))
    noisy = Campaign(jobs, "fake_manila", crosstalk=model, strategy="BestMap", seed=3, buffer=0)
    assert isinstance(noisy.executor, JointExecutor)
    layouts = {job.name: tuple(steps[0].layout) for job, steps in zip(jobs, noisy.steps, strict=True)}
    assert model.coupled(noisy.snapshot, layouts) == [["a", "b"]]
    quiet = Campaign(jobs, "fake_manila", strategy="BestMap", seed=3, buffer=0)
    assert noisy.run().jobs[0].measured != quiet.run().jobs[0].measured
