"""Damaged graphs and G-set files: refused by edge or line, or solved with a cut that a recount confirms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from fuzzing import HUGE, Refused, budget, outcome, scrambled
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qalgs.cli import main
from qalgs.max3cut import max3cut, read_gset

odd_weights = st.sampled_from(
    [
        None,
        "1",
        "x",
        True,
        1j,
        math.nan,
        math.inf,
        -math.inf,
        1e308,
        -1e308,
        5e-324,
        10**400,
        2**63,
        [1],
        np.float32(2),
        np.nan,
    ]
)
weights = st.integers(-5, 5) | st.floats(-10, 10) | odd_weights
labels = st.integers(0, 4) | st.sampled_from(["a", "", "é", (1, 2), 2.5, frozenset({1}), True, b"x", 10**30])
kinds = st.sampled_from([nx.Graph, nx.MultiGraph, nx.DiGraph])


def recounted(graph: nx.Graph[Any], partition: dict[Any, int]) -> float:
    return math.fsum(d.get("weight", 1) for u, v, d in graph.edges(data=True) if partition[u] != partition[v])


def solve(graph: Any, **options: Any) -> Any:
    return max3cut(graph, method="three-arc", bound="trivial", seed=0, n_jobs=1, **options)


@given(
    kind=kinds, edges=st.lists(st.tuples(labels, labels, weights), max_size=6), lone=st.lists(labels, max_size=2)
)
@example(kind=nx.Graph, edges=[(0, 1, 10**400)], lone=[])
@example(kind=nx.Graph, edges=[(0, 1, 10**400), (1, 2, None)], lone=[])
@budget(1.0)
def test_networkx_graphs(kind: type[nx.Graph[Any]], edges: list[tuple[Any, Any, Any]], lone: list[Any]) -> None:
    graph = kind()
    graph.add_nodes_from(lone)
    for u, v, w in edges:
        graph.add_edge(u, v, weight=w)
    found = outcome(lambda: solve(graph))
    bad = [d["weight"] for *_, d in graph.edges(data=True) if not _finite(d["weight"])]
    loops = nx.number_of_selfloops(graph)
    if bad or loops or graph.is_directed():
        assert isinstance(found, Refused)
    elif not isinstance(found, Refused):
        assert set(found.partition) == set(graph)
        assert set(found.partition.values()) <= {0, 1, 2}
        assert found.cut == pytest.approx(recounted(graph, found.partition), rel=1e-12, abs=1e-12)
        assert found.cut <= found.upper_bound


def _finite(weight: Any) -> bool:
    real = isinstance(weight, int | float | np.floating) and not isinstance(weight, bool)
    return real and abs(weight) <= 1.7976931348623157e308


numeric: st.SearchStrategy[Any] = st.sampled_from(
    [np.float64, np.int64, np.complex128, np.bool_, np.uint8, np.float32, object, "U3"]
)
entries: st.SearchStrategy[Any] = hnp.arrays(
    numeric, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
)


@given(array=entries, symmetric=st.booleans(), sparse=st.booleans())
@budget(0.5)
def test_matrices(array: Any, symmetric: bool, sparse: bool) -> None:
    if symmetric and array.ndim == 2 and array.shape[0] == array.shape[1] and array.dtype.kind in "fic":
        with np.errstate(all="ignore"):
            array = np.triu(array, 1) + np.triu(array, 1).T
    given_ = sp.csr_array(array) if sparse and array.ndim == 2 and array.dtype.kind in "fic" else array
    found = outcome(lambda: solve(given_))
    if not isinstance(found, Refused):
        dense = np.asarray(array, dtype=float)
        split = np.array([found.partition[i] for i in range(len(dense))])
        assert found.cut == pytest.approx(dense[split[:, None] != split].sum() / 2, rel=1e-9, abs=1e-12)


options = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from([*HUGE, math.nan, 0.5, "auto", "", None, True, [1]])
        for name in (
            "weight",
            "rank",
            "refine",
            "top",
            "budget",
            "seed",
            "circles",
            "max_candidates",
            "matrix",
            "bound",
        )
    },
)


@given(changed=options)
@example(changed={"budget": 10**400})
@example(changed={"bound": None})
@budget(0.5)
def test_options(changed: dict[str, Any]) -> None:
    base: dict[str, Any] = {"method": "three-arc", "bound": "trivial", "seed": 0, "n_jobs": 1, "budget": 0.01}
    graph: nx.Graph[int] = nx.Graph([(0, 1, {"weight": 2.0}), (1, 2), (0, 2)])
    found = outcome(lambda: max3cut(graph, **(base | changed)))
    if not isinstance(found, Refused):
        assert 0 <= found.cut <= 4
        assert found.upper_bound is None or found.cut <= found.upper_bound


GSET = "4 5\n1 2 1\n2 3 -1\n3 4 2\n4 1 1\n1 3 0.5\n"
cells = st.sampled_from(
    ["0", "1", "2", "5", "-1", "1.5", "nan", "inf", "1e400", "x", "", "0x1", "1_0", "9" * 30, "9" * 5000]
)
lines = st.lists(st.lists(cells, max_size=4).map(" ".join), max_size=5).map("\n".join)


@given(content=scrambled(st.just(GSET)) | lines.map(str.encode))
@example(content=b"1000000000000 0\n")
@example(content=f"{10**30} 1\n1 2 1\n".encode())
@example(content=b"3 1\n1 2 1\n\n\n")
@example(content=b"4" * 400 + b" 1\n1 2 1\n")
@example(content=b"4 " + b"4" * 400 + b"\n1 2 1\n")
@budget(1.0)
def test_gset_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "g.txt"
    path.write_bytes(content)
    graph = outcome(lambda: read_gset(path))
    if isinstance(graph, Refused):
        assert "g.txt" in graph
        return
    # Whatever was read survives the trip through the solver.
    found = outcome(lambda: solve(graph))
    if not isinstance(found, Refused):
        assert found.cut == pytest.approx(recounted(graph, found.partition), rel=1e-12, abs=1e-12)


@given(content=scrambled(st.just(GSET)))
@budget(0.1)
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    path = tmp_path / "g.txt"
    path.write_bytes(content)
    code = main(["max3cut", "solve", str(path), "--budget", "0.05", "--json"])
    errors = capsys.readouterr().err.splitlines()
    refusals = [line for line in errors if line.startswith("error: ")]
    assert (code, len(refusals)) in ((0, 0), (2, 1))
    assert code == 0 or len(errors) == 1
