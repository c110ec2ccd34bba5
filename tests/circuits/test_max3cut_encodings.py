"""The three encodings agree with the cut on every feasible state, and their QAOA circuits with one another."""

from __future__ import annotations

import itertools
from typing import Any

import networkx as nx
import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from qalgs.circuits import max3cut_encoding, max3cut_qaoa, pennylane_qaoa
from qalgs.circuits.max3cut_encodings import Max3CutEncoding

NAMES: list[Any] = ["one-hot", "binary", "binary-folded", "qutrit"]


def weighted(n: int, rng: np.random.Generator) -> Any:
    graph = nx.gnp_random_graph(n, 0.8, seed=int(rng.integers(100)))
    for u, v in graph.edges():
        graph[u][v]["weight"] = float(rng.choice([-1.0, 1.0, 2.0, 0.5]))
    return graph


def cut(graph: Any, labels: Any) -> float:
    return float(sum(d["weight"] for u, v, d in graph.edges(data=True) if labels[u] != labels[v]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_diagonal_is_the_cut_on_every_feasible_state(name: Any, n: int, rng: np.random.Generator) -> None:
    graph = weighted(n, rng)
    encoding = max3cut_encoding(graph, name)
    diagonal, labels, feasible = encoding.cut_diagonal(), encoding.labels(), encoding.feasible()
    assert feasible.sum() == (4**n if name == "binary-folded" else 3**n)
    for state in np.flatnonzero(feasible):
        assert diagonal[state] == pytest.approx(cut(graph, labels[state]), abs=1e-12)
    for choice in itertools.product(range(3), repeat=n):
        code = encoding.index(np.array(choice, dtype=np.int8))
        assert feasible[code]
        assert labels[code].tolist() == list(choice)


@pytest.mark.parametrize("name", ["one-hot", "binary", "binary-folded"])
def test_operator_cost_and_penalty(name: Any, rng: np.random.Generator) -> None:
    graph = weighted(3, rng)
    encoding = max3cut_encoding(graph, name)
    operator = np.diag(encoding.cut_operator.to_matrix()).real
    assert np.allclose(operator, encoding.cut_diagonal())
    feasible = encoding.feasible()
    cost = np.diag(encoding.cost.to_matrix()).real
    assert np.allclose(cost[feasible], -operator[feasible])
    assert cost.argmin() in np.flatnonzero(feasible)
    violation = np.diag(encoding.penalty_operator.to_matrix()).real
    assert (np.isclose(violation, 0) == feasible).all()
    assert (violation > -1e-12).all()


def qutrit_energy(encoding: Max3CutEncoding, point: Any, warm: Any = None) -> float:
    p = len(point) // 2
    probabilities = pennylane_qaoa(encoding, warm_start=warm)(point[:p], point[p:])
    return float(probabilities @ encoding.cut_diagonal())


@pytest.mark.parametrize("reps", [1, 2, 3])
@pytest.mark.parametrize("warm", [False, True])
def test_all_encodings_give_the_same_energy(reps: int, warm: bool, rng: np.random.Generator) -> None:
    graph = nx.complete_graph(3)
    nx.set_edge_attributes(graph, {(0, 1): 1.0, (1, 2): -2.0, (0, 2): 0.5}, "weight")
    labels = rng.integers(0, 3, 3).astype(np.int8) if warm else None
    point = rng.uniform(-2, 2, 2 * reps)
    expected = qutrit_energy(max3cut_encoding(graph, "qutrit"), point, labels)
    for name in ("one-hot", "binary"):
        encoding = max3cut_encoding(graph, name)
        state = Statevector(max3cut_qaoa(encoding, reps, warm_start=labels).assign_parameters(point))
        probabilities = np.abs(state.data) ** 2
        assert probabilities[encoding.feasible()].sum() == pytest.approx(1, abs=1e-12)
        assert probabilities @ encoding.cut_diagonal() == pytest.approx(expected, abs=1e-9)


def test_warm_start_begins_near_its_partition() -> None:
    graph = nx.cycle_graph(3)
    encoding = max3cut_encoding(graph, "one-hot")
    labels = np.array([2, 0, 1], dtype=np.int8)
    state = Statevector(max3cut_qaoa(encoding, 1, warm_start=labels, bias=0.9).assign_parameters([0.0, 0.0]))
    assert abs(state.data[encoding.index(labels)]) ** 2 == pytest.approx(0.9**3)


@pytest.mark.parametrize("name", ["one-hot", "binary", "binary-folded"])
def test_transverse_mixer_starts_uniform(name: Any) -> None:
    encoding = max3cut_encoding(nx.path_graph(2), name)
    circuit = max3cut_qaoa(encoding, 1, mixer="x")
    uniform = np.abs(Statevector(circuit.assign_parameters([0.0, 0.0])).data) ** 2
    assert np.allclose(uniform, 1 / encoding.dimension)
    turned = Statevector(circuit.assign_parameters([0.3, 0.7]))
    layer = np.exp(-0.7j * np.diag(encoding.cost.to_matrix()).real) / np.sqrt(encoding.dimension)
    for q in range(encoding.num_qubits):
        cube = layer.reshape(-1, 2, 2**q)
        layer = (np.cos(0.3) * cube - 1j * np.sin(0.3) * cube[:, ::-1]).reshape(-1)
    assert abs(np.vdot(layer, turned.data)) == pytest.approx(1, abs=1e-10)


def test_bad_input_is_named() -> None:
    graph = nx.path_graph(3)
    wrong: Any = "trits"
    for call, words in (
        (lambda: max3cut_encoding(graph, wrong), "encoding must be one of one-hot"),
        (lambda: max3cut_encoding(nx.Graph()), "at least one node"),
        (lambda: max3cut_encoding(nx.Graph([(0, 0)])), r"self-loop at \(0, 0\)"),
        (lambda: max3cut_encoding(nx.Graph([(0, 1, {"weight": np.nan})])), r"edge \(0, 1\)"),
        (lambda: max3cut_encoding(graph, penalty=-1.0), "penalty must be a finite"),
        (lambda: max3cut_encoding(graph, "qutrit").cut_operator, "must be on qubits"),
        (lambda: max3cut_qaoa(max3cut_encoding(graph), 0), "reps must be an int of at least 1, got 0"),
        (lambda: max3cut_qaoa(max3cut_encoding(graph, "qutrit")), "must be on qubits"),
        (lambda: max3cut_qaoa(max3cut_encoding(graph), warm_start=np.zeros(2, np.int8)), "3 labels"),
        (lambda: max3cut_qaoa(max3cut_encoding(graph), warm_start=np.zeros(3, np.int8), mixer="x"), "x mixer"),
        (lambda: max3cut_encoding(nx.path_graph(30)).cut_diagonal(), r"within 2\*\*26 states"),
        (lambda: pennylane_qaoa(max3cut_encoding(graph)), "must be 'qutrit'"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
