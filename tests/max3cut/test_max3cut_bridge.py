"""QAOA of the same instance in every engine, with guessing beside it, and as a job for a scheduler."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs.backends import CompiledEstimator, CompiledSampler
from qalgs.circuits import max3cut_encoding, max3cut_qaoa, pennylane_qaoa
from qalgs.max3cut import max3cut, noisy_primitives, regular, run_qaoa, vqa_job
from qalgs.max3cut.qutrits import QutritQaoa
from qalgs.optimizers import COBYLA, minimize


def triangle() -> Any:
    graph: Any = nx.complete_graph(3)
    nx.set_edge_attributes(graph, {(0, 1): 1, (1, 2): -2, (0, 2): 3}, "weight")
    return graph


@pytest.mark.parametrize("reps", [1, 2, 3])
@pytest.mark.parametrize("warm", [False, True])
def test_energies_agree_between_engines(reps: int, warm: bool, rng: np.random.Generator) -> None:
    graph = triangle()
    labels = np.array([2, 0, 1], dtype=np.int8) if warm else None
    point = rng.uniform(-2, 2, 2 * reps)
    qutrits = max3cut_encoding(graph, "qutrit")
    expected = QutritQaoa(qutrits, warm_start=labels).expected_cut(point)
    chances = pennylane_qaoa(qutrits, warm_start=labels)(point[:reps], point[reps:])
    assert chances == pytest.approx(QutritQaoa(qutrits, warm_start=labels).probabilities(point), abs=1e-9)
    estimator = CompiledEstimator()
    for name in ("one-hot", "binary"):
        encoding = max3cut_encoding(graph, name)
        circuit = max3cut_qaoa(encoding, reps, warm_start=labels)
        energy = estimator.run([(circuit, encoding.cost, point)]).result()[0].data.evs
        assert float(energy) == pytest.approx(-expected, abs=1e-9)


def test_qaoa_beats_guessing_on_a_regular_graph_and_reports_the_control() -> None:
    graph = regular(3, 8, seed=1)
    shallow = run_qaoa(graph, "qutrit", reps=1, seed=3, budget=80)
    deep = run_qaoa(graph, "qutrit", reps=2, seed=3, budget=160)
    assert shallow.uniform_cut == pytest.approx(8)
    assert shallow.uniform_cut + 1 < shallow.expected_cut < deep.expected_cut < deep.optimum
    assert shallow.uniform_success_probability is not None
    assert 3 * shallow.uniform_success_probability < shallow.success_probability < deep.success_probability
    assert deep.best_of_shots <= deep.optimum == max3cut(graph, seed=0).cut
    assert 0 < shallow.uniform_best_of_shots <= shallow.optimum
    assert (shallow.shots, shallow.circuits) == (1024, shallow.evaluations + 1)
    again = run_qaoa(graph, "qutrit", reps=1, seed=3, budget=80)
    assert again.expected_cut == shallow.expected_cut
    assert again.partition == shallow.partition


def test_warm_start_raises_the_mean() -> None:
    graph = regular(3, 8, seed=1)
    best = max3cut(graph, seed=0).partition
    cold = run_qaoa(graph, "qutrit", budget=60, seed=1)
    warm = run_qaoa(graph, "qutrit", budget=60, seed=1, warm_start=best, bias=0.8)
    assert warm.expected_cut > cold.expected_cut
    assert warm.warm_start
    assert not cold.warm_start


def test_samples_of_an_injected_sampler_and_estimator() -> None:
    graph = triangle()
    exact = run_qaoa(graph, "binary", budget=30, seed=5, samples=400)
    sampled = run_qaoa(
        graph, "binary", budget=30, seed=5, samples=4000,
        estimator=CompiledEstimator(seed=1), sampler=CompiledSampler(seed=2),
    )  # fmt: skip
    assert np.allclose(sampled.point, exact.point)
    assert sampled.feasible_share == 1
    assert abs(sampled.expected_cut - exact.expected_cut) < 5 * sampled.standard_error
    assert exact.standard_error == 0


def test_noise_lowers_the_mean_and_leaves_the_code_space() -> None:
    graph: Any = nx.path_graph(2)
    estimator, sampler = noisy_primitives("fake_manila", 4, seed=1)
    point = run_qaoa(graph, "binary", budget=30, seed=1).point
    exact = run_qaoa(graph, "binary", budget=4, seed=1, initial_point=point)
    noisy = run_qaoa(
        graph, "binary", budget=4, seed=1, initial_point=point, estimator=estimator, sampler=sampler, samples=2000
    )
    assert noisy.feasible_share < 1
    assert noisy.engine == "NoisyEstimator"
    assert noisy.expected_cut < exact.expected_cut
    with pytest.raises(ValueError, match="connected patch of fake_manila"):
        noisy_primitives("fake_manila", 6)


def test_vqa_job_is_what_a_scheduler_runs() -> None:
    job = vqa_job(triangle(), "one-hot", reps=1, budget=40, seed=3)
    assert job.circuit.num_parameters == len(job.initial_point) == 2
    assert job.observable.num_qubits == job.circuit.num_qubits == 9
    assert job.exact == -4
    estimator = CompiledEstimator()

    def energies(points: Any) -> Any:
        return estimator.run([(job.circuit, job.observable, points)]).result()[0].data.evs

    found = minimize(job.optimizer, energies, job.initial_point, seed=job.seed, budget=job.budget)
    assert job.exact <= found.value < -4 / 3
    assert found.evaluations <= 40
    assert isinstance(job.optimizer, COBYLA)


def test_bad_input_is_named() -> None:
    graph = triangle()
    for call, words in (
        (lambda: run_qaoa(graph, budget=3), "budget must be an int of at least 4"),
        (lambda: run_qaoa(graph, samples=0), "samples must be an int of at least 1"),
        (lambda: run_qaoa(nx.empty_graph(3)), "must have an edge"),
        (lambda: run_qaoa(graph, estimator=CompiledEstimator()), "None for qutrits"),
        (lambda: run_qaoa(graph, initial_point=np.zeros(3)), r"must have shape \(2,\)"),
        (lambda: run_qaoa(graph, warm_start={0: 1}), "must label every node"),
        (lambda: run_qaoa(nx.cycle_graph(16)), "at most 15 vertices"),
    ):
        with pytest.raises(ValueError, match=words):
            call()  # type: ignore[no-untyped-call]
