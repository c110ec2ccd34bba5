r"""Max-3-Cut on qubits and qutrits: three encodings of the labels, each with operator, diagonal and decoding.

The label of vertex v is stored in qubits 3v, 3v+1, 3v+2 (one-hot: qubit 3v+k is set for label k), in qubits 2v and
2v+1 (binary: codes 0, 1, 2 with qubit 2v the low bit; code 3 is folded onto label 2 or left out), or in qutrit v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qalgs.errors import expect, invalid

EncodingName = Literal["one-hot", "binary", "binary-folded", "qutrit"]
_MAX_DIAGONAL = 2**26


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Max3CutEncoding:
    """One way of storing n labels.

    Attributes:
        name: ``one-hot``, ``binary`` (code 3 infeasible), ``binary-folded`` (code 3 means label 2) or ``qutrit``.
        num_vertices: n.
        edges: Ends of the edges, shape ``(m, 2)``.
        weights: Their weights, shape ``(m,)``.
        penalty: Added to the cost for each unit of violation: ``(sum_k x_vk - 1)^2`` for one-hot, one for each
            code 3 in binary; 0 for the encodings without infeasible states.
    """

    name: EncodingName
    num_vertices: int
    edges: NDArray[np.int64]
    weights: NDArray[np.float64]
    penalty: float

    @property
    def width(self) -> int:
        """Qubits (or qutrits) a vertex."""
        return {"one-hot": 3, "binary": 2, "binary-folded": 2, "qutrit": 1}[self.name]

    @property
    def num_qubits(self) -> int:
        """Qubits (or qutrits) in all."""
        return self.width * self.num_vertices

    @property
    def dimension(self) -> int:
        """Dimension of the state space."""
        return int((3 if self.name == "qutrit" else 2) ** self.num_qubits)

    @property
    def cut_operator(self) -> SparsePauliOp:
        """The operator whose diagonal entry is the cut at every feasible basis state.

        Raises:
            InvalidInputError: For qutrits, which Pauli operators do not describe.
        """
        if self.name == "qutrit":
            raise invalid("encoding", self.name, "must be on qubits", "use cut_diagonal() for qutrits")
        terms: dict[tuple[int, ...], float] = {(): float(self.weights.sum())}
        for (u, v), w in zip(self.edges.tolist(), self.weights.tolist(), strict=True):
            for label in range(3):
                _add_product(terms, self._indicator(u, label), self._indicator(v, label), -w)
        return self._operator(terms)

    @property
    def penalty_operator(self) -> SparsePauliOp:
        """The violation, without the factor ``penalty``."""
        terms: dict[tuple[int, ...], float] = {(): 0.0}
        if self.name == "one-hot":
            for v in range(self.num_vertices):
                # (x0 + x1 + x2 - 1)^2 = 1 - sum_k x_k + 2 sum_{k<l} x_k x_l for bits.
                terms[()] += 1.0
                for k in range(3):
                    _add_product(terms, self._indicator(v, k), {(): 1.0}, -1.0)
                    for other in range(k):
                        _add_product(terms, self._indicator(v, k), self._indicator(v, other), 2.0)
        elif self.name == "binary":
            for v in range(self.num_vertices):
                low, high = {(): 0.5, (2 * v,): -0.5}, {(): 0.5, (2 * v + 1,): -0.5}
                _add_product(terms, low, high, 1.0)
        elif self.name == "qutrit":
            raise invalid("encoding", self.name, "must be on qubits", "qutrits have no infeasible states")
        return self._operator(terms)

    @property
    def cost(self) -> SparsePauliOp:
        """The observable to minimise: minus the cut plus the penalised violation."""
        return (-self.cut_operator + self.penalty * self.penalty_operator).simplify()

    def labels(self, states: NDArray[np.int64] | None = None) -> NDArray[np.int8]:
        """Decode basis states (all of them by default) into labels; -1 marks an undefined label.

        Args:
            states: Basis state indices, little-endian as in Qiskit (vertex 0 is the least significant digit).

        Returns:
            Labels, shape ``(len(states), n)``.
        """
        if states is None:
            self._check_size()
            states = np.arange(self.dimension)
        states = np.asarray(states, dtype=np.int64)
        shape = (len(states), self.num_vertices)
        found = np.empty(shape, dtype=np.int8)
        base = 3 if self.name == "qutrit" else 2**self.width
        table = self._code_table()
        for v in range(self.num_vertices):
            found[:, v] = table[states % base]
            states = states // base
        return found

    def index(self, labels: NDArray[np.int8]) -> int:
        """Return the basis state that stores the labels."""
        base = 3 if self.name == "qutrit" else 2**self.width
        code = (1, 2, 4) if self.name == "one-hot" else (0, 1, 2)
        total = 0
        for label in reversed(np.asarray(labels).tolist()):
            if label not in (0, 1, 2):
                raise invalid("labels", label, "must be 0, 1 or 2")
            total = total * base + code[label]
        return total

    def feasible(self) -> NDArray[np.bool_]:
        """Return which basis states store labels, shape ``(dimension,)``."""
        return np.asarray((self.labels() >= 0).all(axis=1))

    def cut_diagonal(self) -> NDArray[np.float64]:
        """Return the cut at every basis state, shape ``(dimension,)``; infeasible states as the operator has it.

        Qutrit states are indexed with vertex 0 as the least significant base-3 digit.
        """
        self._check_size()
        if self.name in ("qutrit", "binary-folded"):
            labels = self.labels()
            total = np.zeros(self.dimension)
            for (u, v), w in zip(self.edges.tolist(), self.weights.tolist(), strict=True):
                total += w * (labels[:, u] != labels[:, v])
            return total
        return _diagonal(self.cut_operator)

    def _code_table(self) -> NDArray[np.int8]:
        if self.name == "one-hot":
            return np.array([-1, 0, 1, -1, 2, -1, -1, -1], dtype=np.int8)
        if self.name == "qutrit":
            return np.array([0, 1, 2], dtype=np.int8)
        return np.array([0, 1, 2, 2 if self.name == "binary-folded" else -1], dtype=np.int8)

    def _indicator(self, v: int, label: int) -> dict[tuple[int, ...], float]:
        """Indicator of "vertex v has this label" as a polynomial in Z: tuples of qubits to coefficients."""
        if self.name == "one-hot":
            return {(): 0.5, (3 * v + label,): -0.5}
        low, high = 2 * v, 2 * v + 1
        if label == 2 and self.name == "binary-folded":
            return {(): 0.5, (high,): -0.5}
        a, b = (1.0 if label != 1 else -1.0), (1.0 if label != 2 else -1.0)
        return {(): 0.25, (low,): 0.25 * a, (high,): 0.25 * b, (low, high): 0.25 * a * b}

    def _operator(self, terms: dict[tuple[int, ...], float]) -> SparsePauliOp:
        listed = [("Z" * len(where), list(where), c) for where, c in sorted(terms.items()) if c != 0 or not where]
        return SparsePauliOp.from_sparse_list(listed, num_qubits=self.num_qubits).simplify()

    def _check_size(self) -> None:
        if self.dimension > _MAX_DIAGONAL:
            raise invalid(
                "num_vertices", self.num_vertices, f"must keep the {self.name} space within 2**26 states",
                "take a smaller graph or the qutrit encoding",
            )  # fmt: skip


def max3cut_encoding(
    graph: nx.Graph[int],
    encoding: EncodingName = "one-hot",
    *,
    weight: str | None = "weight",
    penalty: float | None = None,
) -> Max3CutEncoding:
    """Encode Max-3-Cut of a graph; vertex v is the v-th node of the graph.

    Args:
        graph: Undirected, without self-loops; weights must be finite (missing: 1).
        encoding: ``"one-hot"``, ``"binary"``, ``"binary-folded"`` or ``"qutrit"``.
        weight: Edge attribute with the weight; None counts every edge as 1.
        penalty: Weight of a violation; by default one more than the largest weighted degree, which makes every
            infeasible state worse than some feasible one.

    Returns:
        The encoding.

    Raises:
        InvalidInputError: If the graph or an argument breaks these rules.

    Example:
        >>> import networkx as nx
        >>> encoding = max3cut_encoding(nx.path_graph(3), "binary")
        >>> encoding.num_qubits, int(encoding.feasible().sum())
        (6, 27)
    """
    expect(Real, type(None), penalty=penalty)
    if encoding not in get_args(EncodingName):
        raise invalid("encoding", encoding, f"must be one of {', '.join(get_args(EncodingName))}")
    if not isinstance(graph, nx.Graph) or graph.is_directed() or graph.is_multigraph():
        raise invalid("graph", type(graph).__name__, "must be an undirected networkx graph without parallel edges")
    if len(graph) == 0:
        raise invalid("graph", "no node", "must have at least one node")
    position = {node: i for i, node in enumerate(graph.nodes)}
    edges, weights = [], []
    for u, v, data in graph.edges(data=True):
        w = 1.0 if weight is None else data.get(weight, 1.0)
        if u == v:
            raise invalid("graph", f"self-loop at ({u!r}, {u!r})", "must have no self-loops", "remove the edge")
        if isinstance(w, complex) or not math.isfinite(w):
            raise invalid("weight", w, f"of edge ({u!r}, {v!r}) must be a finite real number")
        edges.append((position[u], position[v]))
        weights.append(float(w))
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    values = np.array(weights, dtype=np.float64)
    if penalty is None:
        degrees = np.bincount(ends.ravel(), np.repeat(np.abs(values), 2), len(graph))
        penalty = 1.0 + float(degrees.max(initial=0.0))
    elif not (math.isfinite(penalty) and penalty >= 0):
        raise invalid("penalty", penalty, "must be a finite number of at least 0")
    return Max3CutEncoding(
        name=encoding,
        num_vertices=len(graph),
        edges=ends,
        weights=values,
        penalty=penalty if encoding in ("one-hot", "binary") else 0.0,
    )


def _add_product(
    terms: dict[tuple[int, ...], float],
    first: dict[tuple[int, ...], float],
    second: dict[tuple[int, ...], float],
    factor: float,
) -> None:
    """Add ``factor * first * second`` to a polynomial in Z; Z^2 = 1."""
    for a, x in first.items():
        for b, y in second.items():
            key = tuple(sorted(set(a) ^ set(b)))
            terms[key] = terms.get(key, 0.0) + factor * x * y


def _diagonal(operator: SparsePauliOp) -> NDArray[np.float64]:
    """Diagonal of an operator of I and Z only."""
    n = operator.num_qubits
    total = np.zeros(2**n)
    states = np.arange(2**n, dtype=np.int64)
    for mask, c in zip(operator.paulis.z, operator.coeffs.real, strict=True):
        bits = states & int(sum(1 << q for q in np.flatnonzero(mask).tolist()))
        total += c * (1.0 - 2.0 * (np.bitwise_count(bits) & 1))
    return total
