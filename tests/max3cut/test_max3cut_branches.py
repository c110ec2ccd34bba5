"""Refusals of the Max-3-Cut area in their own words, and its rarer roads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from matplotlib.figure import Figure

from qalgs.errors import InvalidInputError, QalgsError
from qalgs.max3cut import compare, gnm, max3cut, planar_union, planted, regular, run_qaoa, sbm, torus, upper_bound
from qalgs.max3cut import plots as drawn
from qalgs.max3cut.problem import as_problem
from qalgs.max3cut.report import read_table
from qalgs.max3cut.spectrum import check_rank

WHEEL = nx.wheel_graph(6)


def shifted_pair() -> nx.Graph[Any]:
    return nx.disjoint_union(nx.wheel_graph(5), nx.cycle_graph(4))


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "short torus": (
        lambda: torus(2, 5),
        "rows must be an int of at least 3, got 2; shorter cycles are no simple torus",
    ),
    "too many edges": (lambda: gnm(4, 7), "m must be an int between 0 and n(n-1)/2 = 6, got 7"),
    "no nodes": (lambda: gnm(0, 0), "n must be an int of at least 1, got 0"),
    "small plane": (lambda: planar_union(3), "n must be an int of at least 4, got 3"),
    "density": (lambda: planar_union(5, density=0.0), "density must be in (0, 1], got 0.0"),
    "odd degrees": (
        lambda: regular(3, 5),
        "degree must be an int between 0 and n - 1 = 4 with degree * n even, got 3",
    ),
    "planted edges": (lambda: planted(3, 9), "m must be an int between 0 and the number of crossing pairs = "),
    "block's share": (lambda: sbm([3, 3], 2.0, 0.1), "inside must be a probability between 0 and 1, got 2.0"),
    "rank of rank1": (
        lambda: max3cut(WHEEL, method="rank1", rank=2),
        "rank must be 1 for method='rank1', got 2; pass rank=1",
    ),
    "rank of arcs": (
        lambda: max3cut(WHEEL, method="arcs", rank=3),
        "rank must be 2 for method='arcs', got 3; use method='circles' or 'vertices'",
    ),
    "circles": (lambda: max3cut(WHEEL, circles=0), "circles must be an int of at least 1, got 0"),
    "rank": (lambda: max3cut(WHEEL, rank=7), "rank must be "),
    "trivial instance": (
        lambda: max3cut(nx.empty_graph(3)).plot_cells(),
        "result must carry eigenvectors; this instance was trivial",
    ),
    "plane of rank 1": (
        lambda: max3cut(WHEEL, method="rank1", rank=1).plot_cells(),
        "rank must be at least 2 for a plot of the plane, got 1",
    ),
    "start": (
        lambda: run_qaoa(nx.path_graph(2), reps=1, initial_point=np.array([0.1]), budget=4, samples=4),
        "initial_point must have shape (2,), got (1,); betas, then gammas",
    ),
    "method of a table": (lambda: compare([WHEEL], ["oracle"]), "method"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_ranks_are_integers() -> None:
    with pytest.raises(TypeError, match=r"^rank must be an int, got float$"):
        check_rank(2.0, 3)  # type: ignore[arg-type]


def test_generators_keep_their_promises() -> None:
    signed = torus(3, 4, signed=True, seed=1)
    assert set(nx.get_edge_attributes(signed, "weight").values()) == {1, -1}
    assert {d for _, d in regular(3, 8, seed=1).degree()} == {3}
    crossing, hidden = planted(9, 12, seed=1)
    assert all(hidden[u] != hidden[v] for u, v in crossing.edges())
    assert crossing.number_of_edges() == 12
    assert max3cut(crossing, seed=1).cut == 12


def test_figures_of_a_connected_graph_and_refusals_of_others(tmp_path: Path) -> None:
    found = max3cut(WHEEL, method="arcs", bound="rank", seed=1)
    for name in ("plot_cells", "plot_order", "plot_circle", "plot_trace", "plot_spectrum"):
        ax = Figure().add_subplot()
        assert getattr(found, name)(ax=ax) is ax
        assert ax.lines or ax.patches
    apart = max3cut(shifted_pair(), method="three-arc", seed=1)
    for draw in (drawn.plot_cells, drawn.plot_circle):
        with pytest.raises(QalgsError, match="must"):
            draw(apart)


def test_the_gap_compares_cut_and_bound() -> None:
    found = max3cut(WHEEL, seed=1)
    assert found.gap == (found.upper_bound - found.cut) / found.upper_bound
    assert max3cut(nx.empty_graph(2)).gap is None


@pytest.mark.parametrize(
    "method", ["greedy", "dsatur", "cp-sat", "milp", "dwave", "anneal", "tabu", "frieze-jerrum"]
)
def test_rivals_in_a_table_never_beat_the_optimum(method: Any, tmp_path: Path) -> None:
    problem = as_problem(WHEEL)
    best = max(problem.cut(np.array(p, dtype=np.int8)) for p in itertools.product(range(3), repeat=6))
    table = compare([WHEEL], [method], seeds=[1], budget=2.0)
    (row,) = table.rows
    assert row.method == method
    assert row.upper_bound is not None
    assert row.cut <= best <= row.upper_bound + 1e-9
    if method in ("cp-sat", "milp"):
        assert row.proved
        assert row.cut == best
    path = tmp_path / "table.json"
    table.write(path)
    assert read_table(path)[0]["cut"] == row.cut
    path.write_text('{"rows": [1]}')
    with pytest.raises(InvalidInputError, match=r"is not a results table; write it with ResultsTable\.write"):
        read_table(path)


def test_bounds_of_every_kind_hold() -> None:
    problem = as_problem(WHEEL)
    best = max(problem.cut(np.array(p, dtype=np.int8)) for p in itertools.product(range(3), repeat=6))
    for kind in ("trivial", "packing", "eigen", "rank", "sdp"):
        assert upper_bound(WHEEL, kind).value >= best - 1e-9


def test_a_budget_that_is_over_at_once() -> None:
    graph = gnm(60, 200, seed=2)
    found = max3cut(graph, method="circles", budget=1e-6, seed=1)
    assert as_problem(graph).cut(found.labels) == found.cut


def test_qaoa_whose_grid_takes_the_whole_budget() -> None:
    found = run_qaoa(nx.path_graph(2), reps=1, budget=4, samples=32, seed=1)
    assert found.evaluations == 4
    assert found.best_of_shots <= 1
