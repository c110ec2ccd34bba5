"""Embeddings of a small graph in a chip's live couplers, by rustworkx's VF2."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qalgs.seeds import keyed

from .chip import Chip, Ints
from .translate import Edges

CALLS = 1_000_000
"""Steps of one VF2 search: whether a circuit as large as the chip fits can take forever to decide."""


def embeddings(graph: Any, n: int, edges: Edges, limit: int, *, induced: bool, seed: int = 0) -> tuple[Ints, str]:
    """Return the embeddings of a connected graph in the chip, by VF2, and a note if they had to be sampled.

    Args:
        graph: The chip, nodes carrying their physical qubit.
        n: Vertices of the small graph.
        edges: Its edges.
        limit: Most embeddings to return.
        induced: Whether couplers between the chosen qubits must be edges, too.
        seed: Seed of the sampling.

    Returns:
        Physical qubit by embedding and vertex, shape (M, n), and the note.
    """
    import rustworkx as rx

    pattern = rx.PyGraph()
    pattern.add_nodes_from([-1] * n)
    pattern.add_edges_from_no_data(list(edges))
    degree = max((len(graph.neighbors(i)) for i in graph.node_indices()), default=0)
    if n > graph.num_nodes() or max((len(pattern.neighbors(v)) for v in range(n)), default=0) > degree:
        return np.zeros((0, n), dtype=np.int64), ""
    how: dict[str, Any] = {"subgraph": True, "induced": induced, "id_order": False}
    mappings = rx.vf2_mapping(graph, pattern, call_limit=CALLS, **how)
    maps = _as_array(itertools.islice(mappings, limit + 1), graph, n)
    if len(maps) <= limit:
        return maps, ""
    nodes = list(graph.nodes())
    share = max(1, limit // len(nodes))
    sampled = []
    for qubit in nodes:
        order = keyed(seed, "embeddings", int(qubit)).permutation(len(nodes))
        shuffled = rx.PyGraph()
        shuffled.add_nodes_from([nodes[i] for i in order])
        place = {nodes[i]: p for p, i in enumerate(order)}
        shuffled.add_edges_from_no_data([(place[graph[a]], place[graph[b]]) for a, b in graph.edge_list()])
        pattern[0] = qubit
        anchored = rx.vf2_mapping(
            shuffled,
            pattern,
            node_matcher=lambda chip, vertex: vertex < 0 or chip == vertex,
            call_limit=CALLS // 100,
            subgraph=True,
            induced=induced,
            id_order=True,
        )
        sampled.append(_as_array(itertools.islice(anchored, share), shuffled, n))
    maps = np.unique(np.concatenate(sampled), axis=0)
    return (
        maps,
        f"more than {limit} layouts exist; {len(maps)} were sampled evenly over the chip (raise the limit)",
    )


def _as_array(mappings: Iterable[Any], graph: Any, n: int) -> Ints:
    rows = []
    for mapping in mappings:
        row = [0] * n
        for node, vertex in mapping.items():
            row[vertex] = graph[node]
        rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(-1, n)


def live_graph(chip: Chip, banned: Sequence[int]) -> Any:
    """Return the usable qubits but the ``banned`` as a graph, nodes carrying their physical qubit."""
    import rustworkx as rx

    keep = [q for q in range(chip.num_qubits) if chip.usable[q] and q not in set(banned)]
    place = {q: i for i, q in enumerate(keep)}
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(keep)
    graph.add_edges_from_no_data(
        [(place[int(a)], place[int(b)]) for a, b in chip.couplers[chip.alive] if a in place and b in place]
    )
    return graph
