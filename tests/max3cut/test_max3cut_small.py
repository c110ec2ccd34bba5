"""Kernels of Max-3-Cut on instances so small that they also run without compilation."""

from __future__ import annotations

import itertools
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs.circuits import max3cut_encoding
from qalgs.errors import InvalidInputError
from qalgs.max3cut import max3cut, maximize_form
from qalgs.max3cut.arcs import cells, maximize_arcs, merge
from qalgs.max3cut.low_rank import maximize_real_rank2, roots, score
from qalgs.max3cut.problem import Problem, as_problem
from qalgs.max3cut.qutrits import QutritQaoa
from qalgs.max3cut.three_arc import angular_order, three_arc
from qalgs.max3cut.vertices import maximize_vertices

SYMMETRIC: dict[str, Any] = {
    "wheel": nx.wheel_graph(6),
    "star": nx.star_graph(6),
    "lollipop": nx.lollipop_graph(4, 3),
    "cube": nx.hypercube_graph(3),
}
# Two graphs by their edges; the best labelling of the rank-2 form leads by more than 5 % and is a maximum 3-cut.
SIMPLE_SPECTRUM = (
    "0-1 0-4 0-5 0-6 1-4 1-5 2-3 2-5 2-6 3-5 4-6 5-6",
    "0-4 0-6 1-3 1-4 1-5 1-6 2-3 2-4 2-5 3-4 4-5 4-6",
)


def labellings(n: int, K: int = 3) -> np.ndarray:
    return np.array(list(itertools.product(range(K), repeat=n)), dtype=np.int8)


def best_value(form: np.ndarray, K: int) -> float:
    z = roots(K)[labellings(len(form), K)]
    return float(np.einsum("bi,ij,bj->b", z.conj(), form, z).real.max())


def hermitian(rng: np.random.Generator, n: int) -> np.ndarray:
    draw = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return draw + draw.conj().T


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_three_arcs_equal_all_splits_of_the_order(signed: bool, unit: bool, rng: np.random.Generator) -> None:
    graph: Any = nx.gnp_random_graph(7, 0.6, seed=3)
    for _, _, data in graph.edges(data=True):
        data["weight"] = (1.0 if unit else float(rng.exponential())) * (rng.choice([-1, 1]) if signed else 1)
    problem, factor = as_problem(graph), rng.standard_normal((7, 2))
    found = three_arc(problem, factor)
    order = angular_order(factor, np.arange(7))
    for a in range(7):
        cuts = []
        for b, c in itertools.combinations_with_replacement(range(a, 8), 2):
            labels = np.full(7, 2, dtype=np.int8)
            labels[order[a:b]], labels[order[b:c]] = 0, 1
            cuts.append(problem.cut(labels))
        assert np.isclose(found.values[a], max(cuts), rtol=1e-5)
        assert np.isclose(problem.cut(found.labels(a, 7)), max(cuts), rtol=1e-5)
    part = three_arc(problem, factor, np.array([5, 2, 4]))
    assert sorted(part.order) == [2, 4, 5]
    assert (part.labels(0, 7)[[0, 1, 3, 6]] == -1).all()


@pytest.mark.parametrize("K", [2, 3, 4])
def test_small_forms_of_every_rank(K: int, rng: np.random.Generator) -> None:
    for rank in (1, 2, 4):
        draw = rng.standard_normal((4, rank)) + 1j * rng.standard_normal((4, rank))
        for factor in (draw, draw.real.astype(complex)):
            form = factor @ factor.conj().T
            found = maximize_form(form, K)
            assert found.exact == "form optimum"
            assert np.isclose(found.value, best_value(form, K))
            assert np.isclose((found.z.conj() @ form @ found.z).real, found.value)


def test_a_truncated_form_is_climbed_within_its_bound(rng: np.random.Generator) -> None:
    for _ in range(3):
        form = hermitian(rng, 6)
        found = maximize_form(form, 3, rank=1, seed=1)
        assert found.method == "rank1 and local search"
        assert found.value <= best_value(form, 3) + 1e-9 <= found.upper_bound + 2e-9
        step = [found.z.copy() for _ in range(18)]
        for k, (i, z) in enumerate(itertools.product(range(6), roots(3))):
            step[k][i] = z
        assert max((s.conj() @ form @ s).real for s in step) <= found.value + 1e-9


@pytest.mark.parametrize("rank", [0, 7, True])
def test_ranks_of_forms(rank: int, rng: np.random.Generator) -> None:
    with pytest.raises(InvalidInputError, match=f"^rank must be an int between 1 and n = 6, got {rank}$"):
        maximize_form(hermitian(rng, 6), rank=rank)


def test_ranks_of_two_labels_and_forms_that_are_no_numbers(rng: np.random.Generator) -> None:
    with pytest.raises(
        InvalidInputError, match=r"^rank must be at most 2 for K = 2, got 3; leave rank to its default$"
    ):
        maximize_form(hermitian(rng, 6), 2, rank=3)
    with pytest.raises(TypeError, match=r"^Q must hold numbers, got dtype <U1$"):
        maximize_form(np.array([["a", "b"], ["b", "a"]]))


def test_one_row_and_parallel_rows() -> None:
    scores, patterns, segments, degenerate = maximize_arcs(np.array([[3.0, 4.0j]]))
    assert (scores.tolist(), patterns.tolist(), segments, degenerate) == ([25.0], [[0]], 0, False)
    rows = np.array([[1, 1j], [2, 2j], [1j, -1], [0.3, 1.0]])
    form = rows @ rows.conj().T
    scores, _, _, degenerate = maximize_arcs(rows)
    assert degenerate
    assert np.isclose(scores[0], best_value(form, 3))
    with pytest.raises(ArithmeticError, match="a walked score differs from its recomputed value"):
        merge(rows, np.array([1e3]), np.zeros((1, 4), dtype=np.int8), K=3, top=1)
    with pytest.raises(
        ValueError, match=r"^n \* log2\(K\) must be at most 62 to number the cells, got n = 63, K = 2"
    ):
        cells(np.ones((63, 2), dtype=complex), 2)


@pytest.mark.parametrize("kind", ["zero row", "equal rows", "axes", "generic"])
def test_vertices_with_rows_on_boundaries(kind: str, rng: np.random.Generator) -> None:
    rows = rng.standard_normal((4, 2)) + 1j * rng.standard_normal((4, 2))
    if kind == "zero row":
        rows[1] = 0
    elif kind == "equal rows":
        rows[2:] = rows[0]
    elif kind == "axes":
        rows = np.array([[1, 0], [0, 1], [1, 1], [1j, 0]], dtype=complex)
    scores, patterns, rays, _ = maximize_vertices(rows, top=2)
    assert rays > 0
    assert np.isclose(scores[0], best_value(rows @ rows.conj().T, 3))
    for value, labels in zip(scores, patterns, strict=True):
        assert np.isclose(value, (np.abs(rows.conj().T @ roots(3)[labels]) ** 2).sum())


def test_fewer_rows_than_a_ray_needs(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((1, 3)) + 1j * rng.standard_normal((1, 3))
    scores, *_ = maximize_vertices(rows)
    assert np.isclose(scores[0], (np.abs(rows) ** 2).sum())


def test_boxes_of_real_factors_equal_brute_force(rng: np.random.Generator) -> None:
    for n in (3, 5, 6):
        rows = rng.standard_normal((n, 2))
        value, labels, boxes = maximize_real_rank2(rows)
        assert boxes > 0
        assert np.isclose(value, best_value(rows @ rows.T, 3))
        assert np.isclose(value, (np.abs(rows.T @ roots(3)[labels]) ** 2).sum())


def test_qutrit_states_equal_dense_products(rng: np.random.Generator) -> None:
    encoding = max3cut_encoding(nx.path_graph(3), "qutrit")
    for warm in (None, np.array([0, 2, 1], dtype=np.int8)):
        simulator, point = QutritQaoa(encoding, warm_start=warm), rng.normal(size=4)
        start = [np.full(3, 1 / np.sqrt(3))] * 3 if warm is None else [_near(label) for label in warm]
        state = np.ones(1, dtype=complex)
        for a in start:
            state = np.kron(a, state)
        for beta, gamma in zip(point[:2], point[2:], strict=True):
            state = state * np.exp(1j * gamma * encoding.cut_diagonal())
            mixer = np.ones((1, 1), dtype=complex)
            for a in start:
                mixer = np.kron(np.eye(3) + (np.exp(-3j * beta) - 1) * np.outer(a, a), mixer)
            state = mixer @ state
        assert np.allclose(simulator.state(point), state)
        assert np.isclose(simulator.expected_cut(point), (np.abs(state) ** 2 * encoding.cut_diagonal()).sum())
    with pytest.raises(InvalidInputError, match=r"^encoding must be 'qutrit', got 'binary'$"):
        QutritQaoa(max3cut_encoding(nx.path_graph(3), "binary"))


def _near(label: int) -> np.ndarray:
    amplitudes = np.full(3, np.sqrt(0.2))
    amplitudes[label] = np.sqrt(0.6)
    return amplitudes


@pytest.mark.parametrize("method", ["three-arc", "arcs", "circles", "vertices", "auto"])
@pytest.mark.parametrize("refine", [None, "1opt", "anneal", "tabu"])
def test_every_engine_and_refinement_on_a_small_wheel(method: Any, refine: Any) -> None:
    graph = nx.wheel_graph(6)
    problem: Problem = as_problem(graph)
    best = max(problem.cut(labels) for labels in labellings(6))
    found = max3cut(
        graph, method=method, refine=refine, circles=4, seed=1, budget=0.2 if method == "auto" else None
    )
    assert problem.cut(found.labels) == found.cut
    assert found.cut <= best <= found.upper_bound + 1e-9
    # Eigenvalues of a wheel are degenerate: what bare low-rank engines cut depends on the basis that LAPACK takes.
    # The two tests below hold on every machine.
    if method == "auto" or refine is not None:
        assert found.cut == best


@pytest.mark.parametrize("method", ["arcs", "vertices"])
@pytest.mark.parametrize("matrix", ["laplacian", "adjacency", "corrected"])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_bare_engines_maximise_the_form_of_their_own_factor(method: Any, matrix: Any, name: str) -> None:
    graph = SYMMETRIC[name]
    found = max3cut(graph, method=method, matrix=matrix, top=40, seed=1)
    assert found.spectrum is not None
    factor = found.spectrum.factor
    products = roots(3)[labellings(len(graph))] @ factor
    best = float((np.abs(products) ** 2).sum(axis=1).max())
    scored = [c for c in found.candidates if c.score is not None]
    # Relative to the maximum, for a factor of equal eigenvalues has entries of rounding's size.
    assert 1 - 1e-6 <= max(float(c.score or 0) for c in scored) / best <= 1 + 1e-9
    for candidate in scored:
        assert abs(float(candidate.score or 0) - score(factor, candidate.labels)) <= 1e-9 * best


@pytest.mark.parametrize("method", ["three-arc", "arcs", "vertices"])
@pytest.mark.parametrize("edges", SIMPLE_SPECTRUM)
def test_bare_engines_where_eigenvalues_are_simple(method: Any, edges: str) -> None:
    graph: Any = nx.Graph()
    graph.add_edges_from(pair.split("-") for pair in edges.split())
    problem = as_problem(graph)
    found = max3cut(graph, method=method, matrix="laplacian", seed=1)
    assert found.spectrum is not None
    values = found.spectrum.values
    assert (values[:3] - values[1:4]).min() > 0.6
    assert found.cut == max(problem.cut(labels) for labels in labellings(7)) == 12
