"""Connected sets of qubits, grouped by shape: where circuits live that need routing."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .chip import Ints
from .translate import Edges


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Shape:
    """One isomorphism class of connected subsets.

    Attributes:
        edges: The couplers of the class, on vertices 0..n-1.
        maps: Physical qubit by placement and vertex, shape (M, n); every subset in each of its orientations.
    """

    edges: Edges
    maps: Ints = field(repr=False)


STEPS = 1_000_000
"""Steps of the enumeration: subsets nearly as large as the chip are rare among exponentially many partial ones."""


def connected_subsets(graph: Any, n: int, limit: int) -> tuple[list[tuple[int, ...]], bool]:
    """Return the connected ``n``-qubit subsets of a chip, each once, sorted.

    The enumeration is ESU (Wernicke, IEEE/ACM TCBB 3(4), 2006, Sec. 3): a subset grows only by exclusive
    neighbours with a larger index than its root, so none comes twice and no memory of the past is needed.

    Args:
        graph: The chip, nodes carrying their physical qubit.
        n: Size of the subsets.
        limit: Most subsets; beyond it every root contributes an equal share.

    Returns:
        The subsets, and whether some were left out.
    """
    near = {i: set(graph.neighbors(i)) for i in graph.node_indices()}
    found: list[tuple[int, ...]] = []
    truncated = False
    share = max(1, limit // max(1, len(near)))
    for root in near:
        budget = [max(2_000, STEPS // max(1, len(near)))]
        grown = _grow((root,), {w for w in near[root] if w > root}, near[root] | {root}, root, near, n, budget)
        for mine, subset in enumerate(grown):
            if mine > limit or (mine >= share and len(found) >= limit):
                truncated = True
                break
            found.append(tuple(sorted(graph[i] for i in subset)))
        truncated |= budget[0] <= 0
    if len(found) > limit:
        step = np.linspace(0, len(found) - 1, limit).round().astype(int)
        found, truncated = [found[i] for i in np.unique(step)], True
    return sorted(found), truncated


def connected_shapes(graph: Any, n: int, limit: int, *, max_shapes: int = 64) -> tuple[list[Shape], str]:
    """Group the connected subsets by isomorphism of their live couplers and orient each in every possible way.

    Args:
        graph: The chip, nodes carrying their physical qubit.
        n: Size of the subsets.
        limit: Most placements altogether.
        max_shapes: Most shapes; the rarest beyond it are dropped, because each costs one routing.

    Returns:
        The shapes, the commonest first, and a note on what was left out.
    """
    import rustworkx as rx

    subsets, truncated = connected_subsets(graph, n, limit)
    place = {graph[i]: i for i in graph.node_indices()}
    classes: dict[tuple[int, ...], list[tuple[Any, list[Ints]]]] = {}
    for subset in subsets:
        part = graph.subgraph([place[q] for q in subset])
        key = _signature(part)
        for representative, maps in classes.setdefault(key, []):
            if rx.is_isomorphic(part, representative):
                maps.append(_orientations(part, representative, n))
                break
        else:
            classes[key].append((part, [_orientations(part, part, n)]))
    groups = sorted((g for gs in classes.values() for g in gs), key=lambda g: -len(g[1]))
    notes = []
    if truncated:
        notes.append(f"not all connected subsets were listed; {len(subsets)} were kept (raise the limit)")
    if len(groups) > max_shapes:
        notes.append(f"{len(groups) - max_shapes} rare shapes of {len(groups)} were left out")
    shapes, room = [], limit
    for part, maps in groups[:max_shapes]:
        stacked = np.concatenate(maps)
        if len(stacked) > room:
            stacked = stacked[np.linspace(0, len(stacked) - 1, max(1, room)).round().astype(int)]
            notes.append("some orientations were left out")
        room = max(0, room - len(stacked))
        edges = tuple(sorted((min(a, b), max(a, b)) for a, b in part.edge_list()))
        shapes.append(Shape(edges=edges, maps=stacked))
        if not room:
            break
    return shapes, "; ".join(dict.fromkeys(notes))


def _grow(
    subset: tuple[int, ...],
    extension: set[int],
    seen: set[int],
    root: int,
    near: dict[int, set[int]],
    n: int,
    budget: list[int],
) -> Any:
    budget[0] -= 1
    if budget[0] <= 0:
        return
    if len(subset) == n:
        yield subset
        return
    extension = set(extension)
    while extension:
        vertex = extension.pop()
        exclusive = {w for w in near[vertex] if w > root and w not in seen}
        yield from _grow((*subset, vertex), extension | exclusive, seen | near[vertex], root, near, n, budget)


def _signature(part: Any) -> tuple[int, ...]:
    degrees = [part.degree(i) for i in part.node_indices()]
    return tuple(
        sorted(degrees[i] * 100 + sum(degrees[j] for j in part.neighbors(i)) for i in part.node_indices())
    )


def _orientations(part: Any, representative: Any, n: int, most: int = 64) -> Ints:
    """The placements of the class's vertices on one subset."""
    import rustworkx as rx

    rows = []
    mappings = rx.vf2_mapping(part, representative, subgraph=False, id_order=False)
    for mapping in itertools.islice(mappings, most):
        row = [0] * n
        for node, vertex in mapping.items():
            row[vertex] = part[node]
        rows.append(row)
    return np.array(rows, dtype=np.int64)
