"""The public call: recounted cuts, certificates, bounds, components, events, equal results for any workers."""

from __future__ import annotations

import itertools
import json
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from qalgs.max3cut import iter_cells, iter_max3cut, max3cut, upper_bound
from qalgs.max3cut.generators import gnm, planar_union, planted, regular, sbm, torus
from qalgs.max3cut.matrices import cut_form
from qalgs.max3cut.packing import combinatorial_bound
from qalgs.max3cut.problem import as_problem, from_edges
from qalgs.max3cut.result import Max3CutResult, Progress
from qalgs.max3cut.sdp import solve_sdp
from qalgs.max3cut.spectrum import spectrum
from qalgs.max3cut.three_arc import three_arc
from qalgs.results import Status

METHODS = ["auto", "rank1", "three-arc", "arcs", "circles", "vertices"]


def recount(graph: Any, partition: Any) -> float:
    return float(sum(d.get("weight", 1) for u, v, d in graph.edges(data=True) if partition[u] != partition[v]))


def optimum(graph: Any) -> float:
    problem = as_problem(graph)
    labels = np.array(list(itertools.product(range(3), repeat=problem.n - 1)), dtype=np.int8)
    labels = np.concatenate([np.zeros((len(labels), 1), dtype=np.int8), labels], axis=1)
    return float(((labels[:, problem.rows] != labels[:, problem.cols]) * problem.weights).sum(axis=1).max())


def weighted(seed: int, n: int, kind: str) -> Any:
    rng = np.random.default_rng(seed)
    graph: Any = nx.gnp_random_graph(n, 0.6, seed=seed)
    for u, v in graph.edges():
        draw = {
            "unit": 1,
            "signed": int(rng.choice([-1, 1])),
            "real": float(rng.normal()),
            "int": int(rng.integers(1, 9)),
        }
        graph[u][v]["weight"] = draw[kind]
    return graph


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["unit", "signed", "real"])
def test_cut_is_recounted_and_bounded(method: Any, kind: str) -> None:
    graph = nx.relabel_nodes(weighted(3, 8, kind), {i: f"v{i}" for i in range(8)})
    rank = 1 if method == "rank1" else 2
    result = max3cut(graph, rank=rank, method=method, refine="1opt", seed=1)
    assert set(result.partition) == set(graph.nodes)
    assert set(result.partition.values()) <= {0, 1, 2}
    assert result.cut == pytest.approx(recount(graph, dict(result.partition)), abs=1e-12)
    assert isinstance(result.cut, float if kind == "real" else int)
    assert result.upper_bound is not None
    assert result.upper_bound >= optimum(graph) - 1e-9
    assert "trivial" not in {c.source for c in result.candidates}
    assert list(result.candidates) == sorted(result.candidates, key=lambda c: -c.cut)
    assert len({c.labels.tobytes() for c in result.candidates}) == len(result.candidates)
    json.loads(result.to_json())


def test_auto_finds_the_optimum_of_small_graphs() -> None:
    for seed in range(12):
        graph = weighted(seed, 8, ["unit", "signed", "real", "int"][seed % 4])
        assert max3cut(graph, seed=seed).cut == pytest.approx(optimum(graph))


def test_bounds_hold_on_200_graphs() -> None:
    for seed in range(200):
        graph = weighted(seed, 5 + seed % 4, ["unit", "signed", "real", "int"][seed % 4])
        best = optimum(graph)
        for matrix in ("laplacian", "adjacency", "corrected"):
            assert upper_bound(graph, "rank", matrix=matrix, rank=1 + seed % 4).value >= best - 1e-9
        assert upper_bound(graph, "eigen").value >= best - 1e-9


def test_a_user_always_gets_a_bound() -> None:
    graph = weighted(3, 9, "real")
    positive = sum(w for _, _, w in graph.edges(data="weight") if w > 0)
    methods: list[Any] = METHODS
    for method in methods:
        result = max3cut(graph, rank=1 if method == "rank1" else 2, method=method, bound=None, seed=0)
        assert result.upper_bound == pytest.approx(positive)
        assert result.bound_kind == "trivial"
        assert all(event.upper_bound == result.upper_bound for event in result.trace)


def test_packing_bound_holds_on_600_graphs(rng: np.random.Generator) -> None:
    better = 0
    for case in range(600):
        n = 4 + case % 5
        share, negative = rng.uniform(0.3, 1.0), rng.choice([0.0, 0.3, 0.7])
        pairs = np.argwhere(np.triu(rng.random((n, n)) < share, 1))
        scale = rng.integers(1, 6, len(pairs)) if case % 2 else rng.exponential(1.0, len(pairs))
        signs = np.where(rng.random(len(pairs)) < negative, -1, 1)
        problem = from_edges(tuple(range(n)), pairs[:, 0], pairs[:, 1], (signs * scale).astype(float))
        bound = combinatorial_bound(problem)
        best = optimum(problem)
        assert best - 1e-9 <= bound <= problem.positive_total + 1e-9
        better += bound < problem.positive_total - 1e-9
    # Most of these graphs have a conflict; a bound that were always trivial would pass the rest of the test.
    assert better > 250


def test_packing_bound_of_known_graphs() -> None:
    assert upper_bound(nx.complete_graph(4), "packing").value == 5
    assert upper_bound(nx.disjoint_union(nx.complete_graph(4), nx.complete_graph(4)), "packing").value == 10
    for n in range(4, 12):
        # Turán: the complete graph's best 3-cut is the balanced tripartite graph.
        assert upper_bound(nx.complete_graph(n), "packing").value == nx.turan_graph(n, 3).number_of_edges()
    for length in range(2, 7):
        # One positive edge closed by a path of negative ones: the lightest edge is lost.
        ring: Any = nx.cycle_graph(length + 1)
        ring.add_edges_from((u, v, {"weight": -3}) for u, v in list(ring.edges))
        ring[0][1]["weight"] = 7
        ring[1][2]["weight"] = -2
        assert upper_bound(ring, "packing").value == 5 == optimum(ring)
    # Eigenvectors bound a signed torus worse than the sum of its positive weights; its conflicts are many.
    signed = torus(20, 10, signed=True, seed=1)
    packing, trivial = upper_bound(signed, "packing"), upper_bound(signed, "trivial")
    assert packing.value < 0.9 * trivial.value
    assert packing.kind == "packing" == upper_bound(signed, "rank").kind


def test_short_budgets_still_bound() -> None:
    graph = torus(60, 50, signed=True, seed=2)
    result = max3cut(graph, budget=0.05, seed=0)
    assert result.bound_kind != "trivial"
    assert result.cut <= result.upper_bound


def test_repaired_sdp_bound_holds_and_is_tighter() -> None:
    for seed in range(40):
        graph = weighted(seed, 4 + seed % 6, ["unit", "signed", "real", "int"][seed % 4])
        if not graph.number_of_edges():
            continue
        solution = solve_sdp(as_problem(graph))
        assert solution.bound >= optimum(graph) - 1e-9
        assert solution.bound <= solution.value + 1e-3 * (1 + abs(solution.value))
    er = nx.gnp_random_graph(20, 0.5, seed=1)
    assert upper_bound(er, "sdp").raw <= upper_bound(er, "rank").raw


def test_rank_bound_is_at_most_the_eigenvalue_bound() -> None:
    for seed in range(5):
        graph = gnm(60, 400, seed=seed)
        assert upper_bound(graph, "rank").raw <= upper_bound(graph, "eigen").raw + 1e-6


def splits(graph: Any, factor: np.ndarray) -> float:
    """Best cut over all three-arc splits, by the definition."""
    problem = as_problem(graph)
    order = np.argsort(np.arctan2(factor[:, 1], factor[:, 0]), kind="stable")
    best = 0.0
    for a, b, c in itertools.combinations_with_replacement(range(problem.n + 1), 3):
        labels = np.full(problem.n, 2)
        labels[order[a:b]], labels[order[b:c]] = 0, 1
        best = max(best, float(problem.cut(labels)))
    return best


@pytest.mark.parametrize("kind", ["unit", "signed", "real", "int"])
def test_three_arc_is_exact_over_its_candidates(kind: str) -> None:
    for seed in range(6):
        graph = weighted(seed, 14, kind)
        problem = as_problem(graph)
        factor = spectrum(cut_form(problem, "adjacency").matrix, 2).factor
        found = three_arc(problem, factor)
        best = int(found.values.argmax())
        assert found.values[best] == pytest.approx(splits(graph, factor))
        assert problem.cut(found.labels(best, problem.n)) == pytest.approx(found.values[best])


@pytest.mark.parametrize(("rows", "cols"), [(50, 60), (30, 100), (25, 120)])
def test_tori_are_solved_and_certified(rows: int, cols: int) -> None:
    result = max3cut(torus(rows, cols), method="three-arc", matrix="laplacian")
    assert result.cut == result.upper_bound == 2 * rows * cols
    assert result.exact == "instance optimum because cut = bound"


def test_regular_graph_of_3600_nodes() -> None:
    graph = nx.random_regular_graph(5, 3600, seed=0)
    result = max3cut(graph, method="three-arc", matrix="laplacian")
    assert result.cut == 8439 == recount(graph, dict(result.partition))
    assert result.exact == "rank-2 candidate set"


def test_planted_partition_is_found_and_certified() -> None:
    graph, hidden = planted(60, 500, seed=2)
    result = max3cut(graph, seed=0)
    assert result.cut == recount(graph, hidden) == 500 == result.upper_bound
    assert result.status is Status.CONVERGED


@pytest.mark.parametrize("refine", ["1opt", "anneal", "tabu"])
def test_refinement_only_improves(refine: Any) -> None:
    graph = gnm(100, 500, seed=1)
    bare = max3cut(graph, method="three-arc", seed=0)
    better = max3cut(graph, method="three-arc", refine=refine, seed=0)
    assert better.cut > bare.cut
    assert better.evaluations["flips"] > 0
    problem = as_problem(graph)
    for node, k in enumerate(better.labels):
        moved = better.labels.copy()
        moved[node] = (k + 1) % 3
        assert problem.cut(moved) <= better.cut


def test_annealing_solves_a_known_instance() -> None:
    # ER(20, 0.5) is small enough for the memetic search to agree with every restart.
    graph = nx.gnp_random_graph(20, 0.5, seed=3)
    assert len({max3cut(graph, seed=s).cut for s in range(3)}) == 1


def test_disconnected_graphs_are_solved_by_component() -> None:
    parts = [nx.complete_graph(4), nx.cycle_graph(7), nx.path_graph(2), nx.empty_graph(2)]
    graph = nx.disjoint_union_all(parts)
    for method in ("three-arc", "auto", "vertices"):
        result = max3cut(graph, method=method, seed=0)
        assert result.cut == 5 + 7 + 1
    assert "disconnected" in [w.kind for w in max3cut(graph, method="three-arc").warnings]


@pytest.mark.parametrize(
    ("graph", "cut"),
    [
        (nx.empty_graph(0), 0),
        (nx.empty_graph(1), 0),
        (nx.empty_graph(5), 0),
        (nx.path_graph(2), 1),
        (nx.Graph([("a", "b", {"weight": -2})]), 0),
        (nx.Graph([("a", "b", {"weight": 0}), ("b", "c", {"weight": 0})]), 0),
    ],
)
@pytest.mark.parametrize("method", ["auto", "three-arc"])
def test_trivial_instances(graph: Any, cut: int, method: Any) -> None:
    result = max3cut(graph, method=method)
    assert result.cut == cut == result.upper_bound
    assert set(result.partition) == set(graph.nodes)
    assert "optimum" in result.exact


def test_same_seed_same_result_for_any_workers() -> None:
    graph = gnm(80, 500, seed=4)
    for options in ({"method": "auto"}, {"method": "circles", "rank": 4, "circles": 32}, {"method": "arcs"}):
        if options["method"] == "arcs":
            graph = gnm(24, 100, seed=4)
        one = max3cut(graph, seed=7, n_jobs=1, **options)
        two = max3cut(graph, seed=7, n_jobs=2, backend="threading", **options)
        assert one.partition == two.partition
        assert [c.cut for c in one.candidates] == [c.cut for c in two.candidates]
        assert one.evaluations == two.evaluations


def test_iter_cells_streams_falling_distinct_candidates() -> None:
    graph = gnm(40, 150, seed=1)
    found = list(iter_cells(graph, rank=2, top=20))
    assert 2 <= len(found) <= 20
    assert [c.cut for c in found] == sorted((c.cut for c in found), reverse=True)
    problem = as_problem(graph)
    assert all(problem.cut(c.labels) == c.cut for c in found)
    assert found[0].cut == max3cut(graph, method="three-arc").cut
    assert len(list(iter_cells(graph, rank=4, top=5, seed=1, circles=16))) == 5


def test_events_callback_and_budget() -> None:
    graph = planar_union(120, seed=1)
    events: list[Progress] = []
    result = max3cut(graph, budget=0.6, seed=0, callback=events.append)
    assert result.times["total"] < 3
    assert tuple(events) == result.trace
    assert [e.cut for e in events] == sorted(e.cut for e in events)
    assert result.status in (Status.BUDGET, Status.CONVERGED)


def test_interrupt_keeps_the_best_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    import qalgs.max3cut.portfolio as portfolio

    def stop(task: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(portfolio, "breed", stop)
    *_, result = iter_max3cut(gnm(40, 150, seed=1), seed=0)
    assert isinstance(result, Max3CutResult)
    assert result.status is Status.INTERRUPTED
    assert result.cut > 0


def test_interrupt_in_the_callback_keeps_the_best_partition() -> None:
    def stop(event: Progress) -> None:
        raise KeyboardInterrupt

    result = max3cut(gnm(40, 150, seed=1), seed=0, callback=stop)
    assert result.status is Status.INTERRUPTED
    assert result.cut == recount(gnm(40, 150, seed=1), dict(result.partition)) > 0


def test_matrix_choices_describe_the_same_cut(rng: np.random.Generator) -> None:
    problem = as_problem(weighted(5, 9, "real"))
    z = np.exp(2j * np.pi * np.arange(3) / 3)
    for matrix in ("laplacian", "adjacency", "corrected"):
        form = cut_form(problem, matrix)
        for _ in range(20):
            labels = rng.integers(0, 3, 9)
            state = z[labels]
            assert ((state.conj() @ (form.matrix @ state)).real - form.shift) / 3 == pytest.approx(
                problem.cut(labels)
            )


def test_corrected_diagonal_lowers_the_eigenvalue_bound() -> None:
    graph = planar_union(150, seed=3)
    assert (
        upper_bound(graph, "eigen", matrix="corrected").raw
        < 0.98 * upper_bound(graph, "eigen", matrix="adjacency").raw
    )


def test_spectral_notices() -> None:
    assert "repeated-eigenvalue" in [
        w.kind for w in max3cut(torus(6, 8), method="three-arc", matrix="laplacian").warnings
    ]
    lollipop = nx.disjoint_union(nx.complete_graph(12), nx.path_graph(60))
    lollipop.add_edge(0, 12)
    result = max3cut(lollipop, method="three-arc", matrix="laplacian")
    assert "localised" in [w.kind for w in result.warnings]
    assert result.cut == recount(lollipop, dict(result.partition))
    assert "not free" in result.exact


def test_generators_have_the_advertised_shape() -> None:
    assert torus(100, 8, signed=True, seed=1).number_of_edges() == 1600
    assert set(nx.get_edge_attributes(torus(5, 4, signed=True, seed=1), "weight").values()) == {-1, 1}
    assert gnm(50, 300, seed=1).number_of_edges() == 300
    assert dict(regular(5, 20, seed=1).degree()) == dict.fromkeys(range(20), 5)
    assert 4 < 2 * planar_union(400, seed=2).number_of_edges() / 400 < 12
    blocks = sbm([20, 20], 0.9, 0.1, seed=1)
    assert nx.algorithms.community.modularity(blocks, [set(range(20)), set(range(20, 40))]) > 0.3
    builders: list[Any] = [
        lambda s: gnm(30, 60, seed=s),
        lambda s: planar_union(30, seed=s),
        lambda s: regular(3, 30, seed=s),
    ]
    for build in builders:
        assert nx.utils.graphs_equal(build(4), build(4))
        assert not nx.utils.graphs_equal(build(4), build(5))


def test_accepts_matrices() -> None:
    graph = gnm(20, 60, seed=2)
    dense = nx.to_numpy_array(graph)
    expected = max3cut(graph, seed=0).cut
    assert max3cut(dense, seed=0).cut == max3cut(sp.csr_array(dense), seed=0).cut == expected
