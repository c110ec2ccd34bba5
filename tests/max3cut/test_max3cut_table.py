"""Rivals, the results table, plots and the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest

from qalgs.cli import main
from qalgs.max3cut import (
    ResultsTable,
    Row,
    as_problem,
    compare,
    dsatur,
    dwave_annealer,
    exact_cpsat,
    exact_milp,
    frieze_jerrum,
    gnm,
    greedy,
    max3cut,
    torus,
    write_gset,
)
from qalgs.max3cut.report import read_table


def weighted(kind: str) -> Any:
    graph = gnm(9, 22, seed=4)
    rng = np.random.default_rng(1)
    for u, v in graph.edges():
        graph[u][v]["weight"] = {"unit": 1, "signed": int(rng.choice([-1, 1])), "real": float(rng.normal())}[kind]
    return graph


@pytest.mark.parametrize("kind", ["unit", "signed", "real"])
def test_rivals_recount_and_exact_ones_agree(kind: str) -> None:
    graph = weighted(kind)
    problem = as_problem(graph)
    best = max3cut(graph, seed=0).cut
    exact = exact_milp(graph)
    assert exact.proved
    assert exact.cut == pytest.approx(best)
    found = [
        exact,
        frieze_jerrum(graph, rounds=50),
        greedy(graph, restarts=5),
        dsatur(graph),
        dwave_annealer(graph),
    ]
    if kind == "signed":
        found.append(exact_cpsat(graph))
        assert found[-1].proved
        assert found[-1].cut == best
    for rival in found:
        assert rival.cut == problem.cut(rival.labels) <= best + 1e-9
        assert set(np.unique(rival.labels)) <= {0, 1, 2}
        if rival.upper_bound is not None:
            assert rival.upper_bound >= best - 1e-6
    assert found[1].cut >= 0.7 * best


def test_dsatur_colours_a_tree_and_a_wheel() -> None:
    assert dsatur(nx.balanced_tree(2, 4)).cut == 30
    assert dsatur(nx.wheel_graph(7)).cut == 12


def test_cpsat_refuses_real_weights() -> None:
    with pytest.raises(ValueError, match="integers for CP-SAT"):
        exact_cpsat(weighted("real"))


def test_table_of_classical_methods_and_qaoa(tmp_path: Path) -> None:
    graph: Any = nx.Graph(weighted("unit"), name="small")
    table = compare([graph], ("auto", "three-arc", "greedy", "milp", "frieze-jerrum", "qaoa"), seeds=(0, 1))
    assert len(table.rows) == 4 * 2 + 2
    best = max(row.cut for row in table.rows)
    for row in table.rows:
        assert isinstance(row.cut, int)
        assert row.upper_bound is not None
        assert row.cut <= row.upper_bound
        assert row.ratio_to_bound == row.cut / row.upper_bound
        assert row.hardware
        assert (row.expected_cut is None) == (row.method != "qaoa")
        assert row.shots == (1024 if row.method == "qaoa" else 0)
    assert next(r for r in table.rows if r.method == "milp").cut == best
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [int(r["cut"]) for r in rows] == [r.cut for r in table.rows]
    assert "uniform best" in table.to_markdown()
    assert read_table(table.write(tmp_path / "t.json")) == json.loads(table.to_json())
    with pytest.raises(ValueError, match="must end in one of"):
        table.write(tmp_path / "t.xls")
    with pytest.raises(ValueError, match="unique"):
        ResultsTable(table.rows + table.rows[:1])


def test_noisy_and_warm_rows_stand_beside_exact_ones() -> None:
    graph: Any = nx.path_graph(2)
    methods: Any = ("qaoa", "qaoa-warm", "qaoa-noisy")
    table = compare([graph], methods, samples=200, encoding="binary", device="fake_manila", evaluations=12)
    exact, warm, noisy = table.rows
    assert exact.cut == warm.cut == noisy.cut == 1
    assert noisy.expected_cut is not None
    assert exact.expected_cut is not None
    assert noisy.expected_cut < exact.expected_cut
    assert all(row.uniform_best is not None for row in table.rows)


def test_rows_refuse_contradictions() -> None:
    good: dict[str, Any] = {
        "instance": "x", "method": "auto", "seed": 0, "n": 3, "m": 3, "total_weight": 3,
        "weights": "unit", "cut": 3,
        "best_known": 3, "best_known_source": "proved here", "upper_bound": 3, "bound_kind": "trivial",
        "evaluations": 1, "evaluation_unit": "cells", "wall_seconds": 0.1, "cpu_seconds": 0.1,
        "preprocessing_seconds": 0.0, "hardware": "h", "proved": True,
    }  # fmt: skip
    assert Row(**good).ratio_to_bound == 1
    for change, words in (
        ({"cut": 4}, "must not exceed the upper bound"),
        ({"cut": 2.0}, "must be an int"),
        ({"cut": 2}, "contradicts the best known"),
        ({"wall_seconds": -1.0}, "negative"),
        ({"expected_cut": 2.0}, "uniform_best"),
    ):
        with pytest.raises(ValueError, match=words):
            Row(**(good | change))
    with pytest.raises(ValueError, match="methods must be among"):
        compare([nx.path_graph(3)], ("luck",))  # type: ignore[arg-type]


def test_plots_return_their_axes() -> None:
    result = max3cut(gnm(40, 150, seed=1), method="three-arc", matrix="laplacian")
    for draw in (
        result.plot_cells,
        result.plot_order,
        result.plot_circle,
        result.plot_trace,
        result.plot_spectrum,
    ):
        ax = plt.figure().add_subplot()
        assert draw(ax=ax) is ax
        assert ax.has_data()
        assert draw().get_figure() is not ax.get_figure()
    # The enumerated partition is three arcs, so at most three separators appear.
    ax = result.plot_order()
    assert len(ax.lines) <= 3 + 3
    plt.close("all")
    trivial = max3cut(nx.path_graph(2))
    with pytest.raises(ValueError, match="trivial"):
        trivial.plot_spectrum()


def test_cli_solve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_gset(torus(6, 9), tmp_path / "T.txt")
    assert (
        main(["max3cut", "solve", str(path), "--out", str(tmp_path / "p"), "--plot", str(tmp_path / "p.png")]) == 0
    )
    captured = capsys.readouterr()
    assert "cut          108" in captured.out
    assert "instance optimum because cut = bound" in captured.out
    assert "cut 108, bound 108" in captured.err
    labels = dict(line.split() for line in (tmp_path / "p").read_text().splitlines())
    assert len(labels) == 54
    assert set(labels.values()) <= {"0", "1", "2"}
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert main(["max3cut", "solve", str(path), "--method", "three-arc", "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cut"] == document["upper_bound"] == 108
    assert len(document["partition"]) == 54


def test_cli_bound_and_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_gset(gnm(20, 80, seed=1), tmp_path / "R.txt"))
    assert main(["max3cut", "bound", path, "--kind", "eigen", "--kind", "rank", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1]["raw"] <= rows[0]["raw"] + 1e-9
    assert main(["max3cut", "bench", path, "-m", "auto", "-m", "greedy", "--out", str(tmp_path / "t.csv")]) == 0
    assert "| R | auto | 0 |" in capsys.readouterr().out
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3


def test_cli_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = write_gset(torus(50, 60), tmp_path / "G48.txt"), write_gset(torus(5, 6), tmp_path / "G49.txt")
    assert main(["max3cut", "verify", str(good)]) == 0
    assert "verified" in capsys.readouterr().out
    assert main(["max3cut", "verify", str(good), str(bad)]) == 2
    assert "G49: not the G-set instance" in capsys.readouterr().err


def test_cli_qaoa(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_gset(nx.cycle_graph(5), tmp_path / "C5.txt"))
    assert main(["max3cut", "qaoa", path, "--budget", "30", "--shots", "64", "--warm"]) == 0
    out = capsys.readouterr().out
    assert "uniform best of 64" in out
    assert "classical             5, upper bound 5" in out
    assert main(["max3cut", "qaoa", path, "--budget", "30", "--shots", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classical_cut"] == 5


def test_cli_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("3 1\n1 9 1\n")
    for arguments, words in (
        (["solve", str(bad)], "line 2: vertices are numbered from 1 to 3"),
        (["solve", str(tmp_path / "none")], "cannot read"),
        (["bound", str(bad)], "line 2"),
        (["bench", str(bad), "-m", "luck"], "methods must be among"),
    ):
        assert main(["max3cut", *arguments]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
