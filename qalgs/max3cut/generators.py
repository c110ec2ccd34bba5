"""Instance families: the tori and random graphs of the G-set and their kin, and graphs with a known answer."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qalgs.errors import expect, invalid
from qalgs.seeds import Seed, as_generator


def torus(rows: int, cols: int, *, signed: bool = False, seed: Seed = None) -> nx.Graph[Any]:
    """Return the square lattice on a torus: 2 rows * cols edges (G48-G50: 50x60, 30x100, 25x120).

    Args:
        rows: At least 3.
        cols: At least 3.
        signed: Weights +1 or -1 at random (the family of G11: 100x8, and G32: 100x20) instead of 1.
        seed: For the signs.

    Returns:
        A graph on ``0..rows*cols-1`` in row-major order with edge attribute ``weight``.

    Raises:
        InvalidInputError: If a side is shorter than 3.

    Example:
        >>> torus(3, 4).number_of_edges()
        24
    """
    for name, value in (("rows", rows), ("cols", cols)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 3:
            raise invalid(name, value, "must be an int of at least 3", "shorter cycles are no simple torus")
    at = np.arange(rows * cols).reshape(rows, cols)
    ends = np.concatenate(
        [
            np.stack([at.ravel(), np.roll(at, -1, axis=1).ravel()], axis=1),
            np.stack([at.ravel(), np.roll(at, -1, axis=0).ravel()], axis=1),
        ]
    )
    return _build(f"torus-{rows}x{cols}", rows * cols, ends, _weights(len(ends), signed, seed))


def gnm(n: int, m: int, *, signed: bool = False, seed: Seed = None) -> nx.Graph[Any]:
    """Return a uniform graph with n nodes and m edges (G1: 800 and 19176; G22: 2000 and 19990).

    Args:
        n: Nodes.
        m: Edges.
        signed: Weights +1 or -1 at random instead of 1.
        seed: Root seed.

    Raises:
        InvalidInputError: If ``m`` edges do not fit.

    Example:
        >>> gnm(10, 20, seed=1).number_of_edges()
        20
    """
    _positive(n)
    if isinstance(m, bool) or not isinstance(m, int) or not 0 <= m <= n * (n - 1) // 2:
        raise invalid("m", m, f"must be an int between 0 and n(n-1)/2 = {n * (n - 1) // 2}")
    rng = as_generator(seed)
    picks = np.sort(rng.choice(n * (n - 1) // 2, m, replace=False))
    rows, cols = np.triu_indices(n, 1)
    return _build(f"gnm-{n}-{m}", n, np.stack([rows[picks], cols[picks]], axis=1), _weights(m, signed, rng))


def planar_union(n: int, *, density: float = 0.99, signed: bool = False, seed: Seed = None) -> nx.Graph[Any]:
    """Return the union of two random planar graphs, each a thinned triangulation (the family of G14, G35, G51).

    Args:
        n: Nodes, at least 4.
        density: Share of each triangulation's edges that is kept.
        signed: Weights +1 or -1 (the family of G18, G39).
        seed: Root seed.

    Returns:
        The graph.

    Raises:
        InvalidInputError: If ``n`` is below 4 or ``density`` is not in (0, 1].

    Example:
        >>> planar_union(20, seed=1).number_of_nodes()
        20
    """
    expect(Real, density=density)
    if isinstance(n, bool) or not isinstance(n, int) or n < 4:
        raise invalid("n", n, "must be an int of at least 4")
    if not 0 < density <= 1:
        raise invalid("density", density, "must be in (0, 1]")
    from scipy.spatial import Delaunay

    rng, pairs = as_generator(seed), set()
    for _ in range(2):
        corners = Delaunay(rng.random((n, 2))).simplices[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        edges = np.unique(np.sort(rng.permutation(n)[corners], axis=1), axis=0)
        pairs |= {tuple(e) for e in edges[rng.random(len(edges)) < density].tolist()}
    ends = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return _build(f"planar-union-{n}", n, ends, _weights(len(ends), signed, rng))


def regular(degree: int, n: int, *, signed: bool = False, seed: Seed = None) -> nx.Graph[Any]:
    """Return a random regular graph; ``degree * n`` must be even.

    Args:
        degree: Neighbours of each node.
        n: Nodes.
        signed: Weights +1 or -1 at random instead of 1.
        seed: Root seed.

    Raises:
        InvalidInputError: If there is no such graph.

    Example:
        >>> regular(3, 8, seed=1).number_of_edges()
        12
    """
    _positive(n)
    if isinstance(degree, bool) or not isinstance(degree, int) or not 0 <= degree < n or degree * n % 2:
        raise invalid("degree", degree, f"must be an int between 0 and n - 1 = {n - 1} with degree * n even")
    rng = as_generator(seed)
    graph = nx.random_regular_graph(degree, n, seed=int(rng.integers(2**31)))
    ends = np.array(sorted(sorted(e) for e in graph.edges()), dtype=np.int64).reshape(-1, 2)
    return _build(f"regular-{degree}-{n}", n, ends, _weights(len(ends), signed, rng))


def sbm(sizes: list[int], inside: float, outside: float, *, seed: Seed = None) -> nx.Graph[Any]:
    """Return a stochastic block model: edge probability ``inside`` within blocks and ``outside`` between them.

    Args:
        sizes: Nodes of each block.
        inside: Edge probability within a block.
        outside: Edge probability between blocks.
        seed: Root seed.

    Raises:
        InvalidInputError: If a size is below 1 or a probability is not in [0, 1].

    Example:
        >>> sbm([3, 3], 0.0, 1.0, seed=1).number_of_edges()
        9
    """
    expect(Iterable, sizes=sizes)
    expect(Real, inside=inside, outside=outside)
    for name, value in (("inside", inside), ("outside", outside)):
        if not 0 <= value <= 1:
            raise invalid(name, value, "must be a probability between 0 and 1")
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise invalid("sizes", sizes, "must be ints of at least 1")
    block = np.repeat(np.arange(len(sizes)), sizes)
    n = len(block)
    _positive(n)
    rows, cols = np.triu_indices(n, 1)
    chance = np.where(block[rows] == block[cols], inside, outside)
    keep = as_generator(seed).random(len(rows)) < chance
    ends = np.stack([rows[keep], cols[keep]], axis=1)
    return _build(f"sbm-{'-'.join(map(str, sizes))}", n, ends, np.ones(len(ends), dtype=np.int64))


def planted(n: int, m: int, *, seed: Seed = None) -> tuple[nx.Graph[Any], dict[int, int]]:
    """Return a graph whose m edges all join different parts of a hidden balanced 3-partition, and that partition.

    Its maximum 3-cut is m.

    Args:
        n: Nodes.
        m: Edges.
        seed: Root seed.

    Raises:
        InvalidInputError: If ``m`` edges do not fit between the parts.

    Example:
        >>> graph, labels = planted(9, 20, seed=1)
        >>> sum(labels[a] != labels[b] for a, b in graph.edges)
        20
    """
    _positive(n)
    rng = as_generator(seed)
    label = rng.permutation(np.arange(n) % 3)
    rows, cols = np.triu_indices(n, 1)
    crossing = np.flatnonzero(label[rows] != label[cols])
    if isinstance(m, bool) or not isinstance(m, int) or not 0 <= m <= len(crossing):
        raise invalid("m", m, f"must be an int between 0 and the number of crossing pairs = {len(crossing)}")
    picks = np.sort(rng.choice(crossing, m, replace=False))
    ends = np.stack([rows[picks], cols[picks]], axis=1)
    graph = _build(f"planted-{n}-{m}", n, ends, np.ones(m, dtype=np.int64))
    return graph, dict(enumerate(label.tolist()))


def _positive(n: int) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise invalid("n", n, "must be an int of at least 1")


def _weights(m: int, signed: bool, seed: Seed) -> NDArray[np.int64]:
    return as_generator(seed).choice(np.array([-1, 1]), m) if signed else np.ones(m, dtype=np.int64)


def _build(name: str, n: int, ends: NDArray[np.int64], weights: NDArray[np.int64]) -> nx.Graph[Any]:
    graph: nx.Graph[Any] = nx.Graph(name=name)
    graph.add_nodes_from(range(n))
    graph.add_weighted_edges_from(zip(ends[:, 0].tolist(), ends[:, 1].tolist(), weights.tolist(), strict=True))
    return graph
