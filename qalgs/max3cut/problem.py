"""A weighted graph as arrays: what every engine, bound and rival of the package works on."""

from __future__ import annotations

import contextlib
import math
import numbers
import os
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from qalgs.errors import QalgsWarning, invalid

if TYPE_CHECKING:
    GraphLike: TypeAlias = nx.Graph[Any] | sp.sparray | sp.spmatrix | NDArray[np.float64] | str | os.PathLike[str]
else:
    GraphLike = nx.Graph | sp.sparray | sp.spmatrix | NDArray[np.float64] | str | os.PathLike
Labels = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Notice:
    """A doubtful but legal property of the input that the answer depends on.

    Attributes:
        kind: A fixed name: ``parallel-edges``, ``repeated-eigenvalue``, ``localised``, ``repeated-direction``,
            ``degenerate`` or ``disconnected``.
        message: One sentence with the numbers and the remedy.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """An undirected weighted graph without loops; edge ``e`` joins ``rows[e] < cols[e]``.

    Attributes:
        nodes: The caller's names; position is the index used everywhere else.
        rows: First ends, shape ``(m,)``.
        cols: Second ends, shape ``(m,)``.
        weights: Non-zero finite weights, shape ``(m,)``.
        integral: Whether every weight is an integer, so that cuts are exact integers.
        name: The instance's name, or an empty string.
        notices: What was doubtful about the input.
        indptr: Row pointers of the symmetric adjacency matrix, shape ``(n + 1,)``.
        indices: Its column indices, shape ``(2m,)``.
        data: Its values, shape ``(2m,)``.
    """

    nodes: tuple[Hashable, ...]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    weights: NDArray[np.float64]
    integral: bool
    name: str = ""
    notices: tuple[Notice, ...] = ()
    indptr: NDArray[np.int64] = field(repr=False)
    indices: NDArray[np.int32] = field(repr=False)
    data: NDArray[np.float64] = field(repr=False)

    @property
    def n(self) -> int:
        """Number of vertices."""
        return len(self.nodes)

    @property
    def m(self) -> int:
        """Number of edges with a non-zero weight."""
        return len(self.weights)

    @property
    def total(self) -> float:
        """Sum W of all weights."""
        return float(self.weights.sum())

    @property
    def positive_total(self) -> float:
        """Sum of the positive weights: the trivial upper bound on every cut."""
        return float(self.weights[self.weights > 0].sum())

    @property
    def nonnegative(self) -> bool:
        """Whether no weight is negative."""
        return bool((self.weights >= 0).all())

    def cut(self, labels: NDArray[np.int8] | NDArray[np.int64]) -> int | float:
        """Recount the weight of the edges whose ends carry different labels, from the edge list alone.

        Args:
            labels: One label a vertex, shape ``(n,)``.

        Returns:
            An ``int`` where all weights are integers, else a correctly rounded ``float``.
        """
        crossing = self.weights[labels[self.rows] != labels[self.cols]]
        return int(crossing.sum()) if self.integral else math.fsum(crossing)

    def number(self, value: float) -> int | float:
        """Return ``value`` as an ``int`` where all weights are integers."""
        return round(value) if self.integral else float(value)

    def adjacency(self) -> sp.csr_array:
        """Return the symmetric weighted adjacency matrix A."""
        return sp.csr_array((self.data, self.indices, self.indptr), shape=(self.n, self.n))

    def degrees(self) -> NDArray[np.float64]:
        """Return the weighted degrees, shape ``(n,)``."""
        both = np.bincount(self.rows, self.weights, self.n) + np.bincount(self.cols, self.weights, self.n)
        return both.astype(np.float64)

    def components(self) -> list[NDArray[np.int64]]:
        """Return the connected components as sorted index arrays, largest first."""
        count, which = sp.csgraph.connected_components(self.adjacency(), directed=False)
        order = np.argsort(which, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(which, minlength=count))[:-1])
        return sorted(parts, key=lambda part: (-len(part), int(part[0]) if len(part) else 0))

    def restrict(self, keep: NDArray[np.int64]) -> Problem:
        """Return the subgraph induced by the sorted indices ``keep``."""
        position = np.full(self.n, -1, dtype=np.int64)
        position[keep] = np.arange(len(keep))
        inside = (position[self.rows] >= 0) & (position[self.cols] >= 0)
        return from_edges(
            tuple(self.nodes[i] for i in keep),
            position[self.rows[inside]],
            position[self.cols[inside]],
            self.weights[inside],
            name=self.name,
        )

    def graph(self) -> nx.Graph[Any]:
        """Return the graph as networkx sees it, with the caller's node names."""
        graph: nx.Graph[Any] = nx.Graph(name=self.name)
        graph.add_nodes_from(self.nodes)
        for u, v, w in zip(self.rows.tolist(), self.cols.tolist(), self.weights.tolist(), strict=True):
            graph.add_edge(self.nodes[u], self.nodes[v], weight=int(w) if self.integral else w)
        return graph


def from_edges(
    nodes: tuple[Hashable, ...],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    name: str = "",
    notices: tuple[Notice, ...] = (),
) -> Problem:
    """Build a problem from clean arrays: no loops, no repeated pairs; zero weights are dropped."""
    keep = weights != 0
    rows, cols, weights = rows[keep], cols[keep], np.asarray(weights[keep], dtype=np.float64)
    low, high = np.minimum(rows, cols), np.maximum(rows, cols)
    n = len(nodes)
    matrix = sp.coo_array(
        (np.concatenate([weights, weights]), (np.concatenate([low, high]), np.concatenate([high, low]))),
        shape=(n, n),
    ).tocsr()
    matrix.sort_indices()
    return Problem(
        nodes=nodes,
        rows=low.astype(np.int64),
        cols=high.astype(np.int64),
        weights=weights,
        integral=bool((weights == np.rint(weights)).all() and np.abs(weights).sum() < 2**53),
        name=name,
        notices=notices,
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int32),
        data=matrix.data.astype(np.float64),
    )


def as_problem(graph: GraphLike | Problem, weight: str | None = "weight") -> Problem:
    """Read a graph in any accepted form and check it before any work is done.

    Args:
        graph: An undirected networkx graph (missing weights count 1), a symmetric matrix with an empty diagonal
            (sparse or dense; nodes are ``0..n-1``), or the path of a G-set file (nodes are ``1..n``).
        weight: The edge attribute that holds the weight; None counts every edge as 1. Networkx graphs only.

    Returns:
        The checked problem; parallel edges are summed, which adds a notice and a :class:`QalgsWarning`.

    Raises:
        InvalidInputError: For a self-loop or a weight that is not a finite real number (naming the edge), a
            directed graph, an asymmetric matrix, or a malformed file (naming the line).
        TypeError: If ``graph`` is none of these.

    Example:
        >>> import networkx as nx
        >>> problem = as_problem(nx.cycle_graph(5))
        >>> problem.n, problem.m, problem.integral
        (5, 5, True)
    """
    if isinstance(graph, Problem):
        return graph
    if isinstance(graph, nx.Graph):
        return _from_networkx(graph, weight)
    if isinstance(graph, str | os.PathLike):
        from .instances import parse_gset

        return parse_gset(Path(graph))
    if sp.issparse(graph) or isinstance(graph, np.ndarray):
        return _from_matrix(graph)
    raise TypeError(
        f"graph must be a networkx graph, a sparse or dense matrix or a G-set path, got {type(graph).__name__}"
    )


def _edge_weight(u: Hashable, v: Hashable, value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real | np.number)
        or isinstance(value, np.complexfloating)
    ):
        rule = f"of edge ({u!r}, {v!r}) must be a finite real number"
        raise invalid("weight", value, rule, "complex Hermitian matrices go to maximize_form")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise invalid("weight", number, f"of edge ({u!r}, {v!r}) must be a finite real number", "mend the edge")
    return number


def _from_networkx(graph: nx.Graph[Any], weight: str | None) -> Problem:
    if graph.is_directed():
        raise invalid("graph", type(graph).__name__, "must be undirected", "pass graph.to_undirected()")
    nodes = tuple(graph.nodes)
    index = {node: i for i, node in enumerate(nodes)}
    data = [(u, v, 1) for u, v in graph.edges()] if weight is None else list(graph.edges(data=weight, default=1))
    rows = np.array([index[u] for u, _, _ in data], dtype=np.int64)
    cols = np.array([index[v] for _, v, _ in data], dtype=np.int64)
    weights = _edge_weights(data)
    for e in np.flatnonzero(rows == cols)[:1]:
        u = data[e][0]
        raise invalid("graph", f"self-loop at ({u!r}, {u!r})", "must have no self-loops", "remove the edge")
    notices: tuple[Notice, ...] = ()
    if graph.is_multigraph():
        n = len(nodes)
        keys, which = np.unique(np.minimum(rows, cols) * n + np.maximum(rows, cols), return_inverse=True)
        if len(keys) < len(rows):
            message = f"{len(rows) - len(keys)} parallel edges were summed into single edges"
            notices = (Notice("parallel-edges", message),)
            warnings.warn(message, QalgsWarning, stacklevel=4)
            rows, cols = keys // n, keys % n
            weights = np.bincount(which, weights, len(keys)).astype(np.float64).astype(np.float64)
    return from_edges(nodes, rows, cols, weights, name=str(graph.name or ""), notices=notices)


def _edge_weights(data: Sequence[tuple[Hashable, Hashable, object]]) -> NDArray[np.float64]:
    """Return the weights as floats; the vectorised way is taken where every weight is a plain finite number."""
    values = [w for _, _, w in data]
    if {type(w) for w in values} <= {int, float}:
        with contextlib.suppress(OverflowError):
            weights = np.array(values, dtype=np.float64)
            if np.isfinite(weights).all():
                return weights
    return np.array([_edge_weight(u, v, w) for u, v, w in data], dtype=np.float64)


def _from_matrix(matrix: Any) -> Problem:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise invalid("graph", matrix.shape, "must be a square adjacency matrix", "pass A with A[i, j] = w_ij")
    if np.iscomplexobj(matrix):
        raise invalid("graph", str(matrix.dtype), "must be real", "complex Hermitian matrices go to maximize_form")
    if not np.issubdtype(matrix.dtype, np.number) and matrix.dtype != np.bool_:
        raise TypeError(f"graph must hold numbers, got dtype {matrix.dtype}")
    entries = sp.coo_array(matrix)
    entries.sum_duplicates()
    i, j, w = entries.row.astype(np.int64), entries.col.astype(np.int64), entries.data.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(w))
    if len(bad):
        _edge_weight(int(i[bad[0]]), int(j[bad[0]]), float(w[bad[0]]))
    loop = np.flatnonzero((i == j) & (w != 0))
    if len(loop):
        v = int(i[loop[0]])
        raise invalid("graph", f"self-loop at ({v}, {v})", "must have no self-loops", "set the diagonal to zero")
    compressed = sp.csr_array((w, (i, j)), shape=matrix.shape)
    skew = sp.coo_array(compressed - compressed.T)
    wrong = np.flatnonzero(skew.data != 0)
    if len(wrong):
        u, v = int(skew.row[wrong[0]]), int(skew.col[wrong[0]])
        raise invalid("graph", f"A[{u}, {v}] != A[{v}, {u}]", "must be symmetric", "pass (A + A.T) / 2")
    upper = i < j
    return from_edges(tuple(range(matrix.shape[0])), i[upper], j[upper], w[upper])
