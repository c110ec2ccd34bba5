"""Hamiltonians of spin chains and of Max-Cut as ``SparsePauliOp`` (qubit 0 is the rightmost label)."""

from __future__ import annotations

from typing import Any

import networkx as nx
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits._checks import real, whole
from qalgs.errors import invalid


def _bonds(n: int, periodic: bool) -> list[tuple[int, int]]:
    bonds = [(i, i + 1) for i in range(n - 1)]
    return [*bonds, (n - 1, 0)] if periodic and n > 2 else bonds


def _operator(terms: list[tuple[str, list[int], float]], n: int) -> SparsePauliOp:
    kept = [t for t in terms if t[2] != 0.0] or [("", [], 0.0)]
    return SparsePauliOp.from_sparse_list(kept, num_qubits=n).simplify(atol=0.0)


def tfim(n: int, j: float = 1.0, h: float = 1.0, periodic: bool = False) -> SparsePauliOp:
    r"""Return the transverse-field Ising chain :math:`-J\sum_i Z_iZ_{i+1}-h\sum_i X_i`.

    Args:
        n: Number of sites, at least 2.
        j: Coupling J; positive is ferromagnetic.
        h: Transverse field h.
        periodic: Whether the last site couples to the first (no effect for two sites).

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> sorted(tfim(2).paulis.to_labels())
        ['IX', 'XI', 'ZZ']
    """
    n, j, h = whole("n", n, 2), real("j", j), real("h", h)
    terms = [("ZZ", [a, b], -j) for a, b in _bonds(n, periodic)] + [("X", [i], -h) for i in range(n)]
    return _operator(terms, n)


def xxz(n: int, j: float = 1.0, delta: float = 1.0, h: float = 0.0, periodic: bool = False) -> SparsePauliOp:
    r"""Return the XXZ chain :math:`J\sum_i(X_iX_{i+1}+Y_iY_{i+1}+\Delta Z_iZ_{i+1})+h\sum_i Z_i`.

    The operators are Pauli matrices, not spins: in terms of :math:`S=\sigma/2` the coupling is 4J.

    Args:
        n: Number of sites, at least 2.
        j: Coupling J; positive is antiferromagnetic.
        delta: Anisotropy.
        h: Longitudinal field.
        periodic: Whether the last site couples to the first (no effect for two sites).

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> [float(c.real) for _, c in sorted(xxz(2, delta=0.5).to_list())]
        [1.0, 1.0, 0.5]
    """
    n, j, delta, h = whole("n", n, 2), real("j", j), real("delta", delta), real("h", h)
    terms = [
        (pauli, [a, b], weight)
        for a, b in _bonds(n, periodic)
        for pauli, weight in (("XX", j), ("YY", j), ("ZZ", j * delta))
    ]
    return _operator(terms + [("Z", [i], h) for i in range(n)], n)


def heisenberg(n: int, j: float = 1.0, h: float = 0.0, periodic: bool = False) -> SparsePauliOp:
    """Return the isotropic Heisenberg chain, :func:`xxz` with anisotropy 1.

    Args:
        n: Number of sites, at least 2.
        j: Coupling; positive is antiferromagnetic.
        h: Longitudinal field.
        periodic: Whether the last site couples to the first.

    Returns:
        The Hamiltonian.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> sorted(heisenberg(2).paulis.to_labels())
        ['XX', 'YY', 'ZZ']
    """
    return xxz(n, j, 1.0, h, periodic)


def max_cut(graph: nx.Graph[Any], weight: str | None = "weight") -> SparsePauliOp:
    r"""Return :math:`\tfrac12\sum_{(u,v)}w_{uv}(Z_uZ_v-1)`: the energy of a bit string is minus its cut.

    Args:
        graph: An undirected graph; qubit i is the i-th node of ``graph.nodes``. Self-loops are never cut.
        weight: Name of the edge attribute with the weight (1 where absent); None counts edges.

    Raises:
        InvalidInputError: If the graph is directed or has no edge, or a weight is not a finite number.

    Example:
        >>> import networkx as nx
        >>> max_cut(nx.path_graph(2)).to_matrix().diagonal().real.tolist()
        [0.0, -1.0, -1.0, 0.0]
    """
    if not isinstance(graph, nx.Graph) or graph.is_directed():
        raise invalid("graph", graph, "must be an undirected networkx graph")
    nodes = {node: i for i, node in enumerate(graph.nodes)}
    edges = [(nodes[u], nodes[v], data) for u, v, data in graph.edges(data=True) if u != v]
    if not edges:
        raise invalid("graph", graph, "must have at least one edge between different nodes")
    terms: list[tuple[str, list[int], float]] = []
    for u, v, data in edges:
        value = 1.0 if weight is None else real(f"{weight} of edge ({u}, {v})", data.get(weight, 1.0))
        terms += [("ZZ", [u, v], value / 2), ("", [], -value / 2)]
    return _operator(terms, len(nodes))
