"""G-set files, fingerprints, and everything that must be refused with the right words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from qalgs.errors import InfeasibleError, InvalidInputError, QalgsWarning
from qalgs.max3cut import best_known, fingerprint, max3cut, read_gset, verify_gset, write_gset
from qalgs.max3cut.arcs import predicted_segments
from qalgs.max3cut.generators import gnm, torus
from qalgs.max3cut.registry import BEST_KNOWN, FINGERPRINTS
from qalgs.max3cut.vertices import predicted_candidates


def test_gset_round_trip(tmp_path: Path) -> None:
    for graph in (gnm(12, 30, signed=True, seed=1), torus(3, 4)):
        path = write_gset(graph, tmp_path / "T1.txt")
        back = read_gset(path)
        assert back.graph["name"] == "T1"
        assert sorted(back.nodes) == list(range(1, len(graph) + 1))
        weights = {(u - 1, v - 1): w for (u, v), w in nx.get_edge_attributes(back, "weight").items()}
        assert weights == {tuple(sorted(e)): w for e, w in nx.get_edge_attributes(graph, "weight").items()}
        assert fingerprint(back) == fingerprint(path)


def test_gset_accepts_loose_layout(tmp_path: Path) -> None:
    tidy, loose = tmp_path / "a", tmp_path / "b"
    tidy.write_text("3 2\n1 2 1\n2 3 -2\n")
    loose.write_text("3   2  \r\n  3 2 -2\r\n\r\n1 2\r\n")
    assert fingerprint(tidy) == fingerprint(loose)
    result = max3cut(loose, method="three-arc")
    assert (result.cut, set(result.partition)) == (1, {1, 2, 3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: expected the header"),
        ("3\n", "line 1: expected the header 'n m', got '3'"),
        ("3 2\n1 2 1\n", "line 1: the header announces m = 2 edges, the file holds 1"),
        ("3 1\n1 2 1\n2 3 1\n", "line 1: the header announces m = 1 edges, the file holds 2"),
        ("3 2\n1 2 1\n0 3 1\n", r"line 3: vertices are numbered from 1 to 3, got edge \(0, 3\)"),
        ("3 1\n1 4 1\n", r"line 2: vertices are numbered from 1 to 3, got edge \(1, 4\)"),
        ("3 1\n2 2 1\n", r"line 2: self-loop at edge \(2, 2\)"),
        ("3 1\n1 2 nan\n", r"line 2: weight of edge \(1, 2\) must be finite"),
        ("3 1\n1 2 x\n", "line 2: expected integers i, j and a number w, got '1 2 x'"),
        ("3 1\n1.5 2 1\n", "line 2: expected integers"),
        ("3 1\n1 2 1 7\n", "line 2: expected 'i j w', got '1 2 1 7'"),
        ("-1 0\n", "must not be negative"),
    ],
)
def test_malformed_gset_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=words):
        max3cut(path)
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_gset(tmp_path / "missing.txt")


def test_parallel_edges_are_summed_with_a_warning(tmp_path: Path) -> None:
    graph: Any = nx.MultiGraph([("a", "b", {"weight": 2}), ("b", "a", {"weight": 3}), ("b", "c", {"weight": 1})])
    with pytest.warns(QalgsWarning, match="1 parallel edges were summed"):
        result = max3cut(graph, method="three-arc")
    assert result.cut == 6
    assert result.warnings[0].kind == "parallel-edges"
    path = tmp_path / "p"
    path.write_text("3 3\n1 2 1\n2 1 4\n2 3 1\n")
    with pytest.warns(QalgsWarning, match="parallel"):
        assert max3cut(path).cut == 6


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (nx.Graph([("a", "a")]), "self-loop at \\('a', 'a'\\)"),
        (
            nx.Graph([("a", "b", {"weight": float("nan")})]),
            r"edge \('a', 'b'\) must be a finite real number, got nan",
        ),
        (nx.Graph([("a", "b", {"weight": float("inf")})]), r"edge \('a', 'b'\)"),
        (nx.Graph([("a", "b", {"weight": 1j})]), r"edge \('a', 'b'\).*maximize_form"),
        (nx.Graph([("a", "b", {"weight": "heavy"})]), r"edge \('a', 'b'\)"),
        (nx.DiGraph([("a", "b")]), "undirected"),
        (np.ones((2, 3)), "square"),
        (np.array([[0, 1.0], [2.0, 0]]), r"symmetric, got .A\[0, 1\] != A\[1, 0\]"),
        (np.eye(3), r"self-loop at \(0, 0\)"),
        (np.array([[0, np.inf], [np.inf, 0]]), r"edge \(0, 1\)"),
        (sp.csr_array(np.array([[0, 1j], [-1j, 0]])), "maximize_form"),
    ],
)
def test_bad_graphs_are_named(graph: object, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        max3cut(graph)  # type: ignore[arg-type]


def test_bad_arguments_are_named() -> None:
    graph = nx.cycle_graph(6)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"method": "magic"}, "method must be one of auto, rank1"),
        ({"matrix": "hessian"}, "matrix must be one of laplacian"),
        ({"refine": "hope"}, "refine must be None or one of 1opt"),
        ({"bound": "none"}, "bound must be None or one of trivial"),
        ({"rank": 7}, "rank must be between 1 and the number of vertices = 6, got 7"),
        ({"rank": 0}, "rank must be between 1"),
        ({"method": "three-arc", "rank": 3}, "rank must be 2 for method='three-arc'"),
        ({"top": 0}, "top must be an int of at least 1, got 0"),
        ({"budget": -1}, "budget must be a positive number"),
        ({"budget": float("nan")}, "budget must be a positive number"),
    ]
    for options, words in cases:
        with pytest.raises(ValueError, match=words):
            max3cut(graph, **options)
    with pytest.raises(TypeError, match="graph must be a networkx graph"):
        max3cut(7)  # type: ignore[arg-type]


def test_exact_runs_are_refused_with_the_predicted_count() -> None:
    with pytest.raises(InfeasibleError, match=str(predicted_candidates(100, 3))):
        max3cut(gnm(100, 400, seed=1), rank=3, method="vertices")
    with pytest.raises(InfeasibleError, match=f"walk about {predicted_segments(5000)} segments"):
        max3cut(nx.cycle_graph(5000), method="arcs")
    with pytest.raises(InvalidInputError, match="n must be at most 16000 for method='three-arc'"):
        max3cut(nx.cycle_graph(16_001), method="three-arc")


def test_registry_and_fingerprints(tmp_path: Path) -> None:
    assert best_known("G1") is not None
    assert best_known("G1").cut == 15165  # type: ignore[union-attr]
    assert best_known("g1") is best_known("G1")
    assert best_known("nothing") is None
    assert all(entry.source for entry in BEST_KNOWN.values())
    assert set(FINGERPRINTS) <= set(BEST_KNOWN)
    # The unsigned tori of the G-set are numbered row by row, so that the generator reproduces them exactly.
    for name, shape in (("G48", (50, 60)), ("G49", (30, 100)), ("G50", (25, 120))):
        assert verify_gset(write_gset(torus(*shape), tmp_path / f"{name}.txt")).verified is True
    assert verify_gset(write_gset(torus(60, 50), tmp_path / "G48.txt")).verified is False
    assert verify_gset(write_gset(torus(3, 3), tmp_path / "other.txt")).verified is None
