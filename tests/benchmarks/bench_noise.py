"""Noisy evaluations: the compiled engine, Aer on the compact device, and the plain route, in the same run.

    pytest tests/benchmarks/bench_noise.py -q --benchmark-sort=name

Each ratio test measures both sides alternately in one process, in wall seconds, and stores
``extra_info["ratio"]``; nothing here asserts a time. ``QALGS_FAST=1`` runs the smallest size of each once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot, NoisyEstimator, NoisySampler, load_backend

FAST = bool(os.environ.get("QALGS_FAST"))
SIZES = [4] if FAST else [4, 6, 8]
PATH = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
LONG_PATH = [*PATH, 12, 13]


@pytest.fixture(scope="module")
def snapshot() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@pytest.fixture(scope="module")
def whole() -> Any:
    """All of fake_brisbane in Aer."""
    from qiskit_aer import AerSimulator

    return AerSimulator.from_backend(load_backend("fake_brisbane"), method="density_matrix")


def problem(n: int) -> tuple[QuantumCircuit, SparsePauliOp, np.ndarray]:
    """EfficientSU2 (three repetitions, linear) on an Ising chain."""
    circuit = efficient_su2(n, reps=3, entanglement="linear")
    bonds = [("ZZ", [q, q + 1], -1.0) for q in range(n - 1)]
    fields = [("X", [q], -1.0) for q in range(n)]
    observable = SparsePauliOp.from_sparse_list(bonds + fields, n)
    return circuit, observable, np.random.default_rng(n).normal(size=circuit.num_parameters)


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """The least wall time of ``call`` over ``repeats`` runs."""
    best = np.inf
    for _ in range(1 if FAST else repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return float(best)


def report(benchmark: Any, ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int, label: str) -> None:
    """Benchmark ``ours`` and attach the paired ratio."""
    ours(), theirs()
    mine = other = np.inf
    for _ in range(1 if FAST else repeats):
        mine, other = min(mine, seconds(ours, 10)), min(other, seconds(theirs, 1))
    benchmark.extra_info.update(ratio=other / mine, ours=mine, theirs=other)
    benchmark.pedantic(ours, rounds=1 if FAST else 10, iterations=1)
    print(f"\n{label}: {1e3 * mine:.3f} ms against {1e3 * other:.1f} ms, {other / mine:.1f} times faster")


@pytest.mark.parametrize("n", SIZES)
def test_evaluation_against_aer_on_the_same_compact_device(
    benchmark: Any, snapshot: DeviceSnapshot, n: int
) -> None:
    circuit, observable, values = problem(n)
    ours, aer = (NoisyEstimator(snapshot, PATH[:n], engine=e) for e in ("compiled", "aer"))
    pub = (circuit, observable, values)
    report(benchmark, lambda: ours.run([pub]).result(), lambda: aer.run([pub]).result(), 5, f"{n} qubits, Aer")


@pytest.mark.parametrize("n", SIZES)
def test_evaluation_against_aer_at_its_barest(benchmark: Any, snapshot: DeviceSnapshot, n: int) -> None:
    """Aer without any of this package: transpiled once, bound, expectation value of its density matrix."""
    from qiskit_aer import AerSimulator

    circuit, observable, values = problem(n)
    ours = NoisyEstimator(snapshot, PATH[:n], engine="compiled")
    isa = ours.isa(circuit)
    simulator = AerSimulator.from_backend(
        snapshot.restrict(PATH[:n]).backend(), method="density_matrix", max_parallel_threads=1
    )
    ready = isa.copy()
    ready.save_expectation_value(observable, range(n))
    order = list(circuit.parameters)

    def theirs() -> float:
        bound = ready.assign_parameters(dict(zip(order, values, strict=True)))
        return float(simulator.run(bound, shots=1).result().data(0)["expectation_value"])

    report(
        benchmark,
        lambda: ours.run([(circuit, observable, values)]).result(),
        theirs,
        5,
        f"{n} qubits, bare Aer",
    )


@pytest.mark.parametrize("n", SIZES)
def test_shots_against_aer_shots(benchmark: Any, snapshot: DeviceSnapshot, n: int) -> None:
    circuit, observable, values = problem(n)
    measured = circuit.copy()
    measured.measure_all()
    estimator = NoisyEstimator(snapshot, PATH[:n], engine="compiled", seed=1)
    aer = NoisySampler(snapshot, PATH[:n], engine="aer", seed=1)
    report(
        benchmark,
        lambda: estimator.run([(circuit, observable, values)], shots=1024).result(),
        lambda: aer.run([(measured, values)], shots=1024).result(),
        3,
        f"{n} qubits, 1024 shots per basis against one Aer basis",
    )


def test_evaluation_against_the_plain_route(benchmark: Any, snapshot: DeviceSnapshot, whole: Any) -> None:
    """What a tutorial does: the whole device in Aer, transpiling to it for every evaluation."""
    from qiskit import transpile

    circuit, observable, values = problem(4)
    ours = NoisyEstimator(snapshot, PATH[:4])

    def plain() -> float:
        bound = circuit.assign_parameters(values)
        isa = transpile(bound, whole, initial_layout=PATH[:4], seed_transpiler=0)
        isa.save_expectation_value(observable, PATH[:4])
        return float(whole.run(isa, shots=1024).result().data(0)["expectation_value"])

    report(
        benchmark, lambda: ours.run([(circuit, observable, values)]).result(), plain, 3, "4 qubits, plain route"
    )


def test_evaluation_in_a_batch_against_the_plain_route(
    benchmark: Any, snapshot: DeviceSnapshot, whole: Any
) -> None:
    """The same per evaluation, where ours come in batches of 100 parameter sets."""
    from qiskit import transpile

    circuit, observable, values = problem(4)
    ours = NoisyEstimator(snapshot, PATH[:4])
    batch = np.tile(values, (100, 1))

    def plain() -> None:
        bound = circuit.assign_parameters(values)
        isa = transpile(bound, whole, initial_layout=PATH[:4], seed_transpiler=0)
        isa.save_expectation_value(observable, PATH[:4])
        whole.run(isa, shots=1024).result()

    def many() -> None:
        ours.run([(circuit, observable, batch)]).result()

    report(benchmark, many, plain, 3, "100 evaluations of 4 qubits against one of the plain route")
    benchmark.extra_info["ratio"] *= len(batch)


@pytest.mark.parametrize("n", SIZES)
def test_gradient_sweep_against_parameter_shift(benchmark: Any, snapshot: DeviceSnapshot, n: int) -> None:
    circuit, observable, values = problem(n)
    estimator = NoisyEstimator(snapshot, PATH[:n])
    report(
        benchmark,
        lambda: estimator.gradient(circuit, observable, values, method="adjoint"),
        lambda: estimator.gradient(circuit, observable, values, method="shift"),
        2,
        f"{n} qubits, reverse sweep against parameter shift",
    )


@pytest.mark.parametrize("name", ["fake_prague"] if FAST else ["fake_brisbane", "fake_torino", "fake_nighthawk"])
def test_building_the_compact_noise_model(benchmark: Any, name: str) -> None:
    from qiskit_aer.noise import NoiseModel

    from qalgs.backends.noise import noise_model

    backend = load_backend(name)
    snapshot = DeviceSnapshot.from_backend(backend)
    report(
        benchmark,
        lambda: noise_model(snapshot.subset(PATH[:4])),
        lambda: NoiseModel.from_backend(backend),
        1,
        f"noise model of 4 qubits against all of {name}",
    )


@pytest.mark.parametrize("n", [4] if FAST else [12, 14])
def test_trajectories_against_aer_trajectories(benchmark: Any, snapshot: DeviceSnapshot, n: int) -> None:
    """All bits of one QAOA layer on a line, 1024 shots, against 64 of Aer's (scaled to 1024)."""
    from qalgs.backends.noise_program import lower
    from qalgs.backends.noisy_trajectories import Trajectories

    gamma, beta = Parameter("gamma"), Parameter("beta")
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    for q in range(n - 1):
        circuit.rzz(2 * gamma, q, q + 1)
    circuit.rx(2 * beta, range(n))
    circuit.measure_all()
    values = np.array([0.4, 0.3])
    aer = NoisySampler(snapshot, LONG_PATH[:n], seed=1)
    ready = aer._circuits.get(circuit)
    rng = np.random.default_rng(1)
    plan = Trajectories(lower(ready.isa, aer.device.snapshot), ready.parameters, aer.device.flips)
    rows, letters, shots, count = values.reshape(1, -1), (3,) * n, 1024, 64
    bits = np.zeros((1, count, n), dtype=bool)
    aer._sample_aer(ready, rows, 1, rng, bits[:, :1])
    plan.outcomes(rows, range(n), letters, 1, 1)
    mine = seconds(lambda: plan.outcomes(rows, range(n), letters, shots, 1), 3)
    other = seconds(lambda: aer._sample_aer(ready, rows, count, rng, bits), 2) * shots / count
    benchmark.extra_info.update(ratio=other / mine, ours=mine, theirs=other)
    benchmark.pedantic(lambda: plan.outcomes(rows, range(n), letters, shots, 1), rounds=1)
    print(f"\n{n} qubits, 1024 shots: {mine:.3f} s against {other:.1f} s of Aer, {other / mine:.1f} times faster")


@pytest.mark.parametrize("n", [4] if FAST else [10, 12])
def test_crossover_to_trajectories(benchmark: Any, snapshot: DeviceSnapshot, n: int) -> None:
    """Where ``engine="auto"`` leaves density matrices: against 128 of Aer's trajectories (scaled to 1024)."""
    from qiskit.quantum_info import SparseObservable

    from qalgs.backends.noise_engines import AerEngine, TrajectoryPlan
    from qalgs.backends.noise_observables import pauli_terms

    circuit, observable, values = problem(n)
    ours = NoisyEstimator(snapshot, PATH[:n], engine="compiled")
    plan = TrajectoryPlan(AerEngine(ours.device.snapshot), ours.isa(circuit), tuple(circuit.parameters))
    terms = [pauli_terms(SparseObservable.from_sparse_pauli_op(observable))]
    count = 128
    ours.run([(circuit, observable, values)])
    mine = seconds(lambda: ours.run([(circuit, observable, values)]), 2)
    other = seconds(lambda: plan.expectations(values.reshape(1, -1), terms, count, 1), 1) * 1024 / count
    benchmark.extra_info.update(ratio=other / mine, ours=mine, theirs=other)
    benchmark.pedantic(lambda: ours.run([(circuit, observable, values)]), rounds=1)
    print(f"\n{n} qubits: density matrix {mine:.3f} s against 1024 trajectories {other:.1f} s")
