"""Exactness on low-rank factors: every engine against brute force, degenerate families included."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from qalgs.errors import InfeasibleError
from qalgs.max3cut import maximize_form
from qalgs.max3cut.arcs import cells, maximize_arcs, predicted_segments
from qalgs.max3cut.low_rank import maximize_rank1, maximize_real_rank2, roots, score
from qalgs.max3cut.reference import reference_scan
from qalgs.max3cut.vertices import maximize_vertices, predicted_candidates

Factor = NDArray[np.complex128]


def brute(factor: NDArray[np.float64] | Factor, K: int = 3) -> float:
    """Largest ``||V^dagger z||^2`` over all patterns with the first label 0."""
    n = len(factor)
    tails = np.array(list(itertools.product(range(K), repeat=n - 1)), dtype=int).reshape(K ** (n - 1), n - 1)
    labels = np.concatenate([np.zeros((len(tails), 1), dtype=int), tails], axis=1)
    return float((np.abs(roots(K)[labels] @ np.conj(factor)) ** 2).sum(axis=1).max())


def agrees(value: float, expected: float) -> bool:
    return abs(value - expected) <= 1e-8 * (1 + expected)


def gaussian(rng: np.random.Generator, n: int, r: int) -> Factor:
    return np.asarray(rng.standard_normal((n, r)) + 1j * rng.standard_normal((n, r)))


def families(rng: np.random.Generator, kind: str, n: int, r: int) -> Factor:
    draw = gaussian(rng, n, r)
    if kind == "real":
        return draw.real.astype(complex)
    if kind == "real integer":
        return np.rint(1.5 * draw.real).astype(complex)
    if kind == "complex integer":
        return np.rint(1.2 * draw.real) + 1j * np.rint(1.2 * draw.imag)
    if kind == "rotated real":
        return np.asarray(draw.real @ np.linalg.qr(gaussian(rng, r, r))[0])
    if kind == "repeated rows":
        return np.asarray(draw[rng.integers(0, max(1, n // 2), n)])
    if kind == "zero rows":
        return np.asarray(draw * (rng.random((n, 1)) < 0.6))
    return draw


KINDS = ["generic", "real", "real integer", "complex integer", "rotated real", "repeated rows", "zero rows"]


@pytest.mark.parametrize("kind", KINDS)
def test_rank2_arcs_equal_brute_force(rng: np.random.Generator, kind: str) -> None:
    for _ in range(40):
        factor = families(rng, kind, int(rng.integers(2, 8)), 2)
        if not factor.any():
            continue
        scores, patterns, _, _ = maximize_arcs(factor, top=3)
        assert agrees(scores[0], brute(factor))
        assert scores[0] == pytest.approx(score(factor, patterns[0]), rel=1e-12)
        assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("K", [2, 4, 5])
def test_arcs_and_rank1_for_other_numbers_of_labels(rng: np.random.Generator, K: int) -> None:
    for _ in range(20):
        factor = gaussian(rng, int(rng.integers(2, 6)), 2)
        assert agrees(maximize_arcs(factor, K=K)[0][0], brute(factor, K))
        assert agrees(maximize_rank1(factor[:, 0], K)[0], brute(factor[:, :1], K))


@pytest.mark.parametrize("kind", ["real", "real integer", "repeated rows", "zero rows"])
def test_real_rank2_branch_and_bound_equals_brute_force(rng: np.random.Generator, kind: str) -> None:
    for _ in range(40):
        factor = families(rng, kind, int(rng.integers(1, 9)), 2).real
        value, labels, _ = maximize_real_rank2(factor)
        assert agrees(value, brute(factor))
        assert value == pytest.approx(score(factor, labels), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_rank1_equals_brute_force(rng: np.random.Generator, kind: str) -> None:
    for _ in range(20):
        factor = families(rng, kind, int(rng.integers(1, 8)), 1)
        assert agrees(maximize_rank1(factor[:, 0])[0], brute(factor))


@pytest.mark.parametrize("kind", KINDS)
def test_vertices_equal_brute_force(rng: np.random.Generator, kind: str) -> None:
    for r, largest in ((2, 6), (3, 5)):
        for _ in range(6):
            factor = families(rng, kind, int(rng.integers(2, largest + 1)), r)
            if factor.any():
                assert agrees(maximize_vertices(factor)[0][0], brute(factor))


SYMMETRIC = {
    "C5": nx.cycle_graph(5),
    "C6": nx.cycle_graph(6),
    "C8": nx.cycle_graph(8),
    "K5": nx.complete_graph(5),
    "K33": nx.complete_bipartite_graph(3, 3),
    "star": nx.star_graph(6),
    "Q3": nx.hypercube_graph(3),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_graphs_in_every_engine(name: str) -> None:
    values, vectors = np.linalg.eigh(nx.laplacian_matrix(SYMMETRIC[name]).toarray().astype(float))
    factor = vectors[:, -2:] * np.sqrt(values[-2:])
    best = brute(factor)
    assert agrees(maximize_real_rank2(factor)[0], best)
    assert agrees(maximize_arcs(factor)[0][0], best)
    assert agrees(maximize_vertices(factor)[0][0], best)


def test_er_laplacians(rng: np.random.Generator) -> None:
    for k in range(30):
        graph = nx.gnp_random_graph(6, 0.5, seed=k)
        values, vectors = np.linalg.eigh(nx.laplacian_matrix(graph).toarray().astype(float))
        factor = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
        if factor.any():
            assert agrees(maximize_arcs(factor)[0][0], brute(factor))
            assert agrees(maximize_real_rank2(factor)[0], brute(factor))


@pytest.mark.parametrize("n", [3, 4, 5, 6, 9])
def test_cell_counts_are_in_range(rng: np.random.Generator, n: int) -> None:
    for _ in range(5):
        factor = gaussian(rng, n, 2)
        count, base = len(cells(factor)), n + math.comb(n, 2)
        assert base + 2 * math.comb(n, 3) <= count <= base + 3 * math.comb(n, 3)


def test_cells_are_the_patterns_that_sampling_meets(rng: np.random.Generator) -> None:
    factor = gaussian(rng, 4, 2)
    directions = gaussian(rng, 2, 20_000)
    along = ((factor @ directions)[:, :, None] * np.conj(roots(3))).real
    rounded = along.argmax(axis=2)
    codes = ((rounded - rounded[0]) % 3 * (3 ** np.arange(4))[:, None]).sum(axis=0)
    assert set(codes.tolist()) <= set(cells(factor).tolist())
    assert len(set(codes.tolist())) >= 0.6 * len(cells(factor))


def test_segments_are_as_many_as_predicted(rng: np.random.Generator) -> None:
    _, _, segments, degenerate = maximize_arcs(gaussian(rng, 60, 2))
    assert not degenerate
    assert 0.9 <= segments / predicted_segments(60) <= 1.0


def test_paper_scan_is_exact_in_general_position_and_agrees(rng: np.random.Generator) -> None:
    for _ in range(8):
        factor = gaussian(rng, 5, 2)
        value, labels, candidates = reference_scan(factor)
        assert agrees(value, brute(factor))
        assert agrees(maximize_arcs(factor)[0][0], value)
        assert value == pytest.approx(score(factor, labels), rel=1e-12)
        assert candidates <= math.comb(15, 3) + 5


@pytest.mark.parametrize("K", [2, 3, 4])
def test_maximize_form_equals_brute_force(rng: np.random.Generator, K: int) -> None:
    for trial in range(25):
        n, r = int(rng.integers(1, 7)), int(rng.integers(1, 4))
        factor = families(rng, KINDS[trial % len(KINDS)], n, r)
        form = factor @ factor.conj().T
        if trial % 5 == 0:
            form = form - 1.5 * np.eye(n) + np.diag(np.zeros(n))
        result = maximize_form(form, K)
        assert np.isclose(
            result.value, brute(factor, K) - (1.5 * n if trial % 5 == 0 else 0), atol=1e-8, rtol=1e-8
        )
        assert np.isclose((result.z.conj() @ form @ result.z).real, result.value)
        assert np.allclose(result.z**K, 1)
        assert result.upper_bound >= result.value
        assert result.exact == "form optimum"


def test_maximize_form_of_an_indefinite_hermitian_matrix(rng: np.random.Generator) -> None:
    form = gaussian(rng, 6, 6)
    form = form + form.conj().T
    shifted = form - np.linalg.eigvalsh(form)[0] * np.eye(6)
    expected = brute(np.linalg.cholesky(shifted + 1e-12 * np.eye(6))) + 6 * np.linalg.eigvalsh(form)[0]
    assert np.isclose(maximize_form(form).value, expected, rtol=1e-6)


def test_maximize_form_in_two_workers_and_truncated(rng: np.random.Generator) -> None:
    factor = gaussian(rng, 70, 2)
    form = factor @ factor.conj().T
    one, two = maximize_form(form), maximize_form(form, n_jobs=2, backend="threading")
    assert one.value == two.value
    assert one.method == "arcs"
    noisy = form + 1e-3 * np.diag(rng.standard_normal(70))
    truncated = maximize_form(noisy, rank=2)
    assert truncated.value <= truncated.upper_bound
    assert truncated.value >= one.value - 1.0


def test_maximize_form_rejects_bad_input(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="square"):
        maximize_form(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"Hermitian; entries \(0, 1\) and \(1, 0\)"):
        maximize_form(np.array([[0, 1.0], [2.0, 0]]))
    with pytest.raises(ValueError, match=r"finite at entry \(1, 1\)"):
        maximize_form(np.diag([0.0, np.nan]))
    with pytest.raises(ValueError, match="K must be an int of at least 2, got 1"):
        maximize_form(np.eye(2), 1)
    big = gaussian(rng, 60, 3)
    count = predicted_candidates(60, 3)
    with pytest.raises(InfeasibleError, match=str(count)):
        maximize_form(big @ big.conj().T, rank=3)
