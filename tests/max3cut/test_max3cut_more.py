"""Ends of time, failing solvers, degenerate factors and odd results of Max-3-Cut."""

from __future__ import annotations

import dataclasses
import itertools
import os
import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from qalgs.errors import ExecutionError, InfeasibleError, InvalidInputError
from qalgs.max3cut import (
    auto,
    compare,
    dwave_annealer,
    engine,
    exact_cpsat,
    exact_milp,
    gnm,
    iter_cells,
    max3cut,
    maximize_form,
    portfolio,
)
from qalgs.max3cut import form as forms
from qalgs.max3cut import refine as rf
from qalgs.max3cut.arcs import maximize_arcs, pairs
from qalgs.max3cut.low_rank import roots, score
from qalgs.max3cut.problem import as_problem
from qalgs.max3cut.reference import reference_scan
from qalgs.max3cut.report import _with_best, hardware
from qalgs.max3cut.sdp import MAX_SDP_NODES, solve_sdp
from qalgs.max3cut.state import eigenpairs, merge_bounds

WHEEL = nx.wheel_graph(6)
Factor = npt.NDArray[np.complex128]


def brute(form: Factor, K: int) -> float:
    z = roots(K)[np.array(list(itertools.product(range(K), repeat=len(form))))]
    return float(np.einsum("bi,ij,bj->b", z.conj(), form, z, optimize=True).real.max())


def gaussian(rng: np.random.Generator, *shape: int) -> Factor:
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def test_rows_meeting_in_one_ray_are_reported() -> None:
    # The leading eigenvector of -A is +1 on one side and -1 on the other: 16 rows tie on every boundary.
    graph = nx.complete_bipartite_graph(16, 16)
    found = max3cut(graph, rank=1, method="vertices", matrix="adjacency", refine="1opt", seed=0)
    assert found.cut == 256
    (notice,) = [n for n in found.warnings if n.kind == "degenerate"]
    assert notice.message.startswith("too many rows meet in one ray: vertices were taken of a factor perturbed by")


@pytest.mark.parametrize("kind", ["generic", "repeated rows"])
def test_forms_walked_in_chunks_equal_brute_force(
    kind: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_PARALLEL_ROWS", 4)
    factor = gaussian(rng, 6, 2)
    if kind == "repeated rows":
        factor[3:] = factor[:3]
    form = factor @ factor.conj().T
    found = maximize_form(form, 3)
    assert (found.method, found.exact) == ("arcs", "form optimum")
    assert found.value == pytest.approx(brute(form, 3))
    _, _, segments, degenerate = maximize_arcs(factor)
    assert degenerate == (kind != "generic")
    assert found.evaluations["segments"] == pytest.approx(segments, rel=0.2)


@pytest.mark.parametrize(("n", "K"), [(9, 2), (11, 2), (9, 3)])
def test_exhausted_forms_of_more_rows_than_a_block(n: int, K: int, rng: np.random.Generator) -> None:
    draw = gaussian(rng, n, n)
    form = draw + draw.conj().T
    found = maximize_form(form, K)
    assert found.method == "exhaustive"
    assert found.value == pytest.approx(brute(form, K))


def test_the_papers_scan_of_parallel_rows_finds_no_more_than_there_is(rng: np.random.Generator) -> None:
    factor = gaussian(rng, 4, 2)
    factor[2] = factor[0]
    factor[3] = [0.0, 1.0]  # a boundary of this row is where the region of phases ends
    value, labels, candidates = reference_scan(factor)
    assert value == pytest.approx(score(factor, labels), rel=1e-12)
    assert value <= brute(factor @ factor.conj().T, 3) + 1e-9
    assert candidates > 0


def test_a_search_whose_time_is_over_keeps_what_was_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(state: Any, piece: Any, matrix: Any, deadline: Any = None) -> Any:
        asked.append(matrix)
        return eigenpairs(state, piece, matrix, deadline)

    monkeypatch.setattr(auto, "eigenpairs", noted)
    graph = gnm(30, 90, seed=2)
    problem = as_problem(graph)
    late = max3cut(graph, budget=1e-9, seed=1)
    assert asked == ["adjacency"]
    assert problem.cut(late.labels) == late.cut <= late.upper_bound
    whole = max3cut(graph, seed=1)
    assert asked == ["adjacency", "adjacency", "corrected"]
    monkeypatch.setattr(auto, "_CORRECTED_ROWS", 10)
    assert max3cut(graph, seed=1).cut <= whole.upper_bound
    assert asked[3:] == ["adjacency"]


def test_relinking_the_two_best_finds_better_ones() -> None:
    found = []
    for seed, top in itertools.product(range(8), (1, 10)):
        graph = gnm(60, 200, seed=seed)
        result = max3cut(graph, method="three-arc", refine="1opt", seed=seed, top=top, bound=None)
        cuts = [event.cut for event in result.trace]
        assert cuts == sorted(cuts)
        assert as_problem(graph).cut(result.labels) == result.cut == cuts[-1]
        found += [event.stage for event in result.trace]
    assert found.count("path relinking") >= 2


def test_auto_is_no_enumeration() -> None:
    with pytest.raises(
        InvalidInputError,
        match=r"^method must be an enumeration engine, got 'auto'; use max3cut for method='auto'$",
    ):
        next(iter(iter_cells(WHEEL, method="auto")))


def test_without_components_there_is_no_bound_to_merge() -> None:
    state: Any = SimpleNamespace(bound="as it was")
    merge_bounds(state, [])
    assert state.bound == "as it was"


def test_children_must_be_as_good_as_those_they_replace() -> None:
    problem = as_problem(nx.complete_graph(9))
    tops = [np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)]
    pool = [rf.Refined(t.astype(np.int8), problem.cut(t.astype(np.int8)), 0) for t in tops]
    poor = np.zeros(9, dtype=np.int8)
    before = list(pool)
    portfolio._admit(problem, pool, rf.Refined(poor, 0, 0))
    assert pool == before
    spread = [*pool, rf.Refined(poor, 0, 0), rf.Refined(poor, 0, 0), rf.Refined(poor, 0, 0)]
    assert not portfolio._collapsed(problem, spread)
    assert portfolio._collapsed(problem, [pool[0]] * 3)
    portfolio._admit(problem, spread, pool[0])
    assert min(m.cut for m in spread) == 0
    equal = rf.Refined(np.roll(pool[1].labels, 1), pool[1].cut, 7)
    portfolio._admit(problem, spread, equal)
    assert any(m is equal for m in spread)


def test_outcomes_of_any_iterator_and_checkpoints_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    factor = gaussian(rng, 8, 2)
    task = engine.ArcsTask(factor, factor, 4, 3, 1)
    usual = [found.visited for found in engine.run_chunks(task, range(4))]
    monkeypatch.setattr(engine, "run_iter", lambda task, missing, **options: map(task, missing))
    assert [found.visited for found in engine.run_chunks(task, range(4))] == usual
    assert sum(usual) >= 3 * pairs(8)
    with pytest.raises(
        InvalidInputError, match=r"^cannot use checkpoint .*: Is a directory; choose a writable file$"
    ):
        list(engine.run_chunks(task, range(4), checkpoint=tmp_path))


class Solver:
    """CP-SAT which gives up in some of its calls."""

    def __init__(self, usual: Any, usable: list[bool]) -> None:
        self.usual, self.usable = usual, usable

    def __call__(self) -> Any:
        from ortools.sat.python import cp_model

        good = self.usable.pop(0)

        class Tired(self.usual):  # type: ignore[name-defined]
            def solve(self, model: Any, *rest: Any) -> Any:
                found = super().solve(model, *rest)
                return found if good else cp_model.UNKNOWN

        return Tired()


def test_cpsat_without_a_partition_or_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cp_model: Any = pytest.importorskip("ortools.sat.python.cp_model")
    best = exact_cpsat(WHEEL).cut
    usual = cp_model.CpSolver
    monkeypatch.setattr(cp_model, "CpSolver", Solver(usual, [False]))
    with pytest.raises(InvalidInputError, match=r"^CP-SAT found no partition within 5\.0 s; allow more time$"):
        exact_cpsat(WHEEL, seconds=5.0)
    monkeypatch.setattr(cp_model, "CpSolver", Solver(usual, [True, False]))
    found = exact_cpsat(WHEEL)
    assert found.proved
    assert found.cut == best == as_problem(WHEEL).cut(found.labels)
    monkeypatch.setattr(cp_model, "CpSolver", usual)
    nothing = exact_cpsat(nx.empty_graph(3))
    assert (nothing.cut, nothing.proved, nothing.upper_bound) == (0, True, 0.0)


def test_highs_without_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    monkeypatch.setattr(scipy.optimize, "milp", lambda *args, **options: SimpleNamespace(x=None))
    with pytest.raises(InvalidInputError, match=r"^HiGHS found no partition within 2\.0 s; allow more time$"):
        exact_milp(WHEEL, seconds=2.0)


def test_an_annealer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dwave.samplers", None)
    with pytest.raises(InvalidInputError, match=r"^dwave-samplers is not installed; pip install dwave-samplers$"):
        dwave_annealer(WHEEL)


def test_proofs_by_floating_point_give_real_weights_no_bound(rng: np.random.Generator) -> None:
    graph: Any = nx.wheel_graph(6)
    for u, v in graph.edges():
        graph[u][v]["weight"] = float(rng.normal())
    problem = as_problem(graph)
    best = max(problem.cut(np.array(p, dtype=np.int8)) for p in itertools.product(range(3), repeat=6))
    (row,) = compare([graph], ["milp"], seeds=[0]).rows
    assert row.proved
    assert row.cut == pytest.approx(best)
    assert row.upper_bound is not None
    assert row.upper_bound >= best - 1e-9


def test_processors_without_a_name_are_called_by_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path, **options: object) -> str:
        raise FileNotFoundError

    usual = platform.processor() or platform.machine()
    for read in (missing, lambda self, **options: "processor : 0\n"):
        hardware.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", read)
            assert hardware() == f"{usual}, {os.cpu_count()} cores"
    hardware.cache_clear()
    assert hardware().endswith(f", {os.cpu_count()} cores")


def test_cuts_on_record_stay_in_a_table() -> None:
    table = compare([WHEEL], ["greedy", "auto"], seeds=[1])
    known = dataclasses.replace(table.rows[0], best_known=table.rows[0].cut, best_known_source="a paper")
    assert _with_best([known])[0] is known
    open_ = dataclasses.replace(known, best_known=None, best_known_source="")
    assert _with_best([open_])[0].best_known == known.cut


def test_programs_that_cannot_be_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InfeasibleError, match=rf"^the SDP bound takes at most n = {MAX_SDP_NODES} nodes, got 301; use"
    ):
        solve_sdp(as_problem(nx.path_graph(MAX_SDP_NODES + 1)))
    with pytest.raises(ExecutionError, match=r"^NOPE could not solve the SDP: .*; try another solver$"):
        solve_sdp(as_problem(WHEEL), solver="NOPE")
    # Imported by solve_sdp, after OR-Tools: the other way round OR-Tools cannot be loaded.
    monkeypatch.setattr(sys.modules["cvxpy"].Problem, "solve", lambda self, **options: None)
    with pytest.raises(ExecutionError, match=r"^CLARABEL ended with status None; try another solver$"):
        solve_sdp(as_problem(WHEEL))


def test_a_whole_spectrum_has_no_gap_to_draw() -> None:
    found = max3cut(nx.complete_graph(3), rank=3, method="vertices")
    spectrum = found.plot_spectrum(ax=Figure().add_subplot())
    assert len(spectrum.lines[0].get_xdata()) == 3
    assert spectrum.get_legend() is None
