"""Kernels of Max-3-Cut that only rarer instances enter, against brute force; small enough for plain Python."""

from __future__ import annotations

import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest

from qalgs.max3cut import kernels as compiled
from qalgs.max3cut import max3cut, packing
from qalgs.max3cut import refine as rf
from qalgs.max3cut.arcs import arcs_chunk, cells, maximize_arcs, merge, pairs
from qalgs.max3cut.low_rank import bound_real_rank2, maximize_real_rank2, roots
from qalgs.max3cut.matrices import diagonal_correction
from qalgs.max3cut.problem import Problem, as_problem, from_edges
from qalgs.max3cut.vertices import maximize_vertices

# Compiled functions have no signature that a type checker could read.
kernels: Any = compiled


def optimum(problem: Problem) -> float:
    z = np.array(list(itertools.product(range(3), repeat=problem.n)), dtype=np.int8)
    return float(((z[:, problem.rows] != z[:, problem.cols]) * problem.weights).sum(axis=1).max(initial=0.0))


def signed(rng: np.random.Generator, n: int, negative: float) -> Problem:
    ends = np.argwhere(np.triu(rng.random((n, n)) < 0.8, 1))
    weights = rng.exponential(1.0, len(ends)) * np.where(rng.random(len(ends)) < negative, -1, 1)
    return from_edges(tuple(range(n)), ends[:, 0], ends[:, 1], weights)


@pytest.mark.parametrize("negative", [0.0, 0.3, 0.6])
def test_packing_bounds_lie_between_optimum_and_weight(negative: float, rng: np.random.Generator) -> None:
    better = 0
    for n in (4, 5, 6, 7, 7, 7, 7, 7):
        problem = signed(rng, n, negative)
        bound = packing.combinatorial_bound(problem)
        assert optimum(problem) - 1e-9 <= bound <= problem.positive_total + 1e-9
        better += bound < problem.positive_total - 1e-9
    assert better >= 1  # no graph by graph: a tight bound may be the weight itself


def test_packings_take_what_conflicts_lose() -> None:
    # K4 loses its lightest edge; beyond Turan's number of pairs only the heaviest count.
    weights = {(0, 1): 5, (0, 2): 4, (0, 3): 3, (1, 2): 6, (1, 3): 2, (2, 3): 7}
    clique: Any = nx.Graph()
    clique.add_weighted_edges_from((u, v, w) for (u, v), w in weights.items())
    assert packing.combinatorial_bound(as_problem(clique)) == 27 - 2
    for length in (2, 6, 7):
        # One positive edge closed by a path of negative ones: the lightest edge is lost, up to six of them.
        ring: Any = nx.cycle_graph(length + 1)
        ring.add_edges_from((u, v, {"weight": -3}) for u, v in list(ring.edges))
        ring[0][1]["weight"], ring[1][2]["weight"] = 7, -2
        assert packing.combinatorial_bound(as_problem(ring)) == (5 if length <= 6 else 7)
    assert packing.combinatorial_bound(as_problem(nx.empty_graph(3))) == 0


def test_a_packing_ends_with_its_work(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    problem = signed(rng, 7, 0.4)
    found = []
    for work in (0, 10, 60, 200, 10**6):
        monkeypatch.setattr(packing, "_WORK", work)
        found.append(packing.combinatorial_bound(problem))
    assert found[0] == pytest.approx(problem.positive_total)
    assert (np.diff(found) <= 1e-9).all()
    assert found[-1] < found[0]
    assert found[-1] >= optimum(problem) - 1e-9


@pytest.mark.parametrize("kind", ["generic", "parallel"])
def test_cells_are_the_patterns_that_directions_round_to(kind: str, rng: np.random.Generator) -> None:
    factor = rng.standard_normal((4, 2)) + 1j * rng.standard_normal((4, 2))
    if kind == "parallel":
        factor[1] = factor[0] * 2 * np.exp(0.3j)
    directions = rng.standard_normal((2, 40_000)) + 1j * rng.standard_normal((2, 40_000))
    rounded = ((factor @ directions)[:, :, None] * np.conj(roots(3))).real.argmax(axis=2)
    codes = np.unique(((rounded - rounded[0]) % 3 * (3 ** np.arange(4))[:, None]).sum(axis=0))
    found = cells(factor)
    assert set(codes.tolist()) <= set(found.tolist())
    if kind == "generic":
        base = 4 + math.comb(4, 2)
        assert base + 2 * math.comb(4, 3) <= len(found) <= base + 3 * math.comb(4, 3)


def test_arcs_in_ranges_make_up_the_whole_walk(rng: np.random.Generator) -> None:
    factor = rng.standard_normal((5, 2)) + 1j * rng.standard_normal((5, 2))
    whole, _, segments, degenerate = maximize_arcs(factor)
    parts = [arcs_chunk(factor, factor, k, k + 1) for k in range(pairs(5))]
    assert not degenerate
    assert sum(part.segments for part in parts) == segments
    scores = np.concatenate([part.scores for part in parts])
    patterns = np.concatenate([part.patterns for part in parts])
    assert merge(factor, scores, patterns, K=3, top=1)[0][0] == pytest.approx(whole[0], rel=1e-12)


def test_rays_where_too_many_rows_meet_are_moved_apart() -> None:
    # 16 equal rows have 2**16 labellings on every boundary; the best sum has all labels equal.
    rows = np.ones((16, 1), dtype=complex)
    scores, patterns, _, moved = maximize_vertices(rows)
    assert moved
    assert scores[0] == pytest.approx(256.0)
    assert (patterns[0] == patterns[0, 0]).all()
    found = max3cut(nx.complete_graph(16), rank=1, method="vertices", matrix="adjacency", refine=None, bound=None)
    assert as_problem(nx.complete_graph(16)).cut(found.labels) == found.cut


def test_ties_are_transplanted_half_the_time(rng: np.random.Generator) -> None:
    n = 400
    none = np.zeros(0, dtype=np.int64)
    problem = from_edges(tuple(range(n)), none, none, np.zeros(0))
    graph = (problem.indptr, problem.indices, problem.data)
    labels, guide = np.zeros(n, dtype=np.int8), np.ones(n, dtype=np.int8)
    for equal in (False, True):
        child = labels.copy()
        gain, copied, patches = kernels.transplant(*graph, child, guide, rf.rng_state(rng), equal)
        assert (gain, patches) == (0.0, n)
        assert copied == child.sum()
        assert abs(copied - 0.5 * n * equal) < 5 * np.sqrt(n / 4) * equal + 1


def test_a_search_that_is_cut_short_bounds_the_maximum(rng: np.random.Generator) -> None:
    factor = rng.standard_normal((7, 2))
    best, *_ = maximize_real_rank2(factor)
    bounds = [bound_real_rank2(factor, limit=limit) for limit in (1, 10, 100, 10**6)]
    assert all(bound >= best - 1e-9 for bound in bounds)
    assert bounds[0] > best + 1e-6
    assert bounds[-1] == pytest.approx(best)


def test_isolated_vertices_need_no_correction_of_the_diagonal() -> None:
    graph = nx.complete_graph(3)
    graph.add_node(3)
    found: npt.NDArray[np.float64] = diagonal_correction(as_problem(graph))
    # Unit vectors of a triangle at 120 degrees: y = |u_j + u_k| = 1 for its vertices and 0 for the isolated one.
    assert found == pytest.approx([-0.25, -0.25, -0.25, 0.75], abs=1e-6)


def test_a_whole_spectrum_rebuilds_the_matrix() -> None:
    from qalgs.max3cut.matrices import cut_form
    from qalgs.max3cut.spectrum import spectrum

    matrix = cut_form(as_problem(nx.wheel_graph(5)), "adjacency").matrix
    spec = spectrum(matrix, 5)
    assert spec.shift < 0
    assert np.allclose(spec.factor @ spec.factor.T + spec.shift * np.eye(5), matrix.toarray())


def test_no_refinement_returns_the_start(rng: np.random.Generator) -> None:
    problem = as_problem(nx.wheel_graph(6))
    labels = np.zeros(6, dtype=np.int8)
    found = rf.refine_labels(problem, labels, None, rng, None)
    assert found.labels is labels
    assert (found.cut, found.flips) == (0.0, 0)
