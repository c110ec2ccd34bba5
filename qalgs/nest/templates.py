"""Gate counts of one circuit on every embedding of one shape, from a handful of translations.

Once a circuit's two-qubit gates all lie on the edges of a graph, translating it to a device is local: the
one-qubit gates of a qubit depend only on how its own edges offer their gates (an ECR that points the wrong way
costs extra rotations). So the counts are tabulated per qubit and *kinds of its edges*. The edges are properly
coloured, all edges of one colour get the same kind, and K**(number of colours) translations fill all tables,
whatever the number of maps.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .chip import Chip, Floats, Ints
from .translate import Edges, kinds_target, translate

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Template:
    """Counts of a circuit whose two-qubit gates lie on ``edges``; K kinds, c colours, n qubits, S segments.

    A *segment* of a qubit is what it does between two of its two-qubit gates.

    Attributes:
        circuit: The flat circuit, on the vertices of the shape.
        start: The vertex on which each logical qubit starts.
        edges: Pairs of vertices.
        colour: Colour of each edge.
        one: Per one-qubit gate, counts by vertex, segment and kinds around the vertex, shape (n, S, K**c).
        two: Per two-qubit gate, counts by edge, kind and direction (0 forward), shape (E, K, 2).
        events: The two-qubit gates in time order, as (edge, gate name per kind, direction per kind).
        measured: Vertices that are read out.
        kinds: Indices of the chip's kinds that the tables know, in the tables' order.
        local: Whether every translation agreed with the tables; if not, durations are those of a reference.
    """

    circuit: QuantumCircuit = field(repr=False)
    start: tuple[int, ...]
    edges: Edges
    colour: tuple[int, ...]
    one: dict[str, NDArray[np.int64]] = field(repr=False)
    two: dict[str, NDArray[np.int64]] = field(repr=False)
    events: tuple[tuple[int, tuple[str, ...], tuple[int, ...]], ...] = field(repr=False)
    measured: tuple[int, ...]
    kinds: tuple[int, ...]
    local: bool = True

    def log_esp(self, chip: Chip, maps: Ints, *, gates: bool = True, readout: bool = True) -> Floats:
        """Return ``log ESP`` of the embeddings ``maps``, shape (M, n), vertex to physical qubit; shape (M,)."""
        total = np.zeros(len(maps))
        if gates:
            code, kind = self._codes(chip, maps)
            for name, table in self.one.items():
                sums = table.sum(axis=1)
                for q in range(maps.shape[1]):
                    total += _product(sums[q, code[:, q]], chip.log_one[name][maps[:, q]])
            for name, table in self.two.items():
                for e, (u, v) in enumerate(self.edges):
                    a, b = maps[:, u], maps[:, v]
                    total += _product(table[e, kind[:, e], 0], chip.log_two[name][a, b])
                    total += _product(table[e, kind[:, e], 1], chip.log_two[name][b, a])
        if readout:
            for q in self.measured:
                total += chip.log_readout[maps[:, q]]
        return total

    def timing(self, chip: Chip, maps: Ints) -> tuple[Floats, Floats]:
        """Schedule the circuit as late as possible on every embedding.

        Returns:
            The duration in seconds without readout, shape (M,), and the idle seconds of each vertex between its
            first gate and the end, shape (M, n). Before its first gate a qubit rests in its ground state.
        """
        code, kind = self._codes(chip, maps)
        m, n = maps.shape
        rows = np.arange(m)
        clock, idle = np.zeros((m, n)), np.zeros((m, n))
        segment = [sum(e_q in self.edges[e] for e, _, _ in self.events) for e_q in range(n)]

        def singles(q: int) -> None:
            for name, table in self.one.items():
                clock[:, q] += table[q, segment[q], code[:, q]] * chip.duration_one[name][maps[:, q]]

        for q in range(n):
            singles(q)
        for edge, names, directions in reversed(self.events):
            u, v = self.edges[edge]
            begin = np.maximum(clock[:, u], clock[:, v])
            spent = np.zeros(m)
            for k, (name, direction) in enumerate(zip(names, directions, strict=True)):
                a, b = (u, v) if direction == 0 else (v, u)
                chosen = rows[kind[:, edge] == k]
                spent[chosen] = chip.duration_two[name][maps[chosen, a], maps[chosen, b]]
            for q in (u, v):
                idle[:, q] += begin - clock[:, q]
                clock[:, q] = begin + spent
                segment[q] -= 1
                singles(q)
        return clock.max(axis=1), idle

    def _codes(self, chip: Chip, maps: Ints) -> tuple[Ints, Ints]:
        index = np.full(len(chip.kinds) + 1, 0, dtype=np.int64)
        index[list(self.kinds)] = np.arange(len(self.kinds))
        base = len(self.kinds)
        code = np.zeros(maps.shape, dtype=np.int64)
        kind = np.zeros((len(maps), len(self.edges)), dtype=np.int64)
        for e, (u, v) in enumerate(self.edges):
            kind[:, e] = index[chip.kind[maps[:, u], maps[:, v]]]
            weight = base ** self.colour[e]
            code[:, u] += weight * kind[:, e]
            code[:, v] += weight * kind[:, e]
        return code, kind


def build_template(
    circuit: QuantumCircuit,
    edges: Edges,
    chip: Chip,
    *,
    start: tuple[int, ...] | None = None,
    optimization_level: int = 1,
    seed: int = 0,
) -> Template:
    """Translate a flat, routed circuit once per assignment of coupler kinds to colours and tabulate the counts.

    Args:
        circuit: Its two-qubit gates lie on ``edges``.
        edges: Pairs of qubits.
        chip: Supplies the kinds of its live couplers.
        start: Vertex of each logical qubit; the identity if None.
        optimization_level: Qiskit's.
        seed: Transpiler seed.
    """
    n = circuit.num_qubits
    present = sorted({int(k) for k in np.unique(chip.kind) if k >= 0}) or [0]
    colour = _colour(n, edges)
    colours = max(colour, default=-1) + 1
    base = len(present)
    walks = []
    for digits in itertools.product(range(base), repeat=colours):
        kinds = [chip.kinds[present[digits[c]]] for c in colour]
        target = kinds_target(chip, n, edges, kinds)
        walks.append(
            (digits, _walk(translate(circuit, target, optimization_level=optimization_level, seed=seed), edges))
        )
    twos = [sum(q in edges[e] for e, _, _ in events) for _, (_, _, events) in walks for q in range(n)]
    segments = 1 + max(twos, default=0)
    shape = (n, segments, base**colours)
    one: dict[str, NDArray[np.int64]] = {}
    two: dict[str, NDArray[np.int64]] = {}
    filled = np.full((n, base**colours), -1, dtype=np.int64)
    local = True
    for step, (digits, (ones, pairs, _)) in enumerate(walks):
        codes = np.zeros(n, dtype=np.int64)
        for (u, v), c in zip(edges, colour, strict=True):
            codes[u] += base**c * digits[c]
            codes[v] += base**c * digits[c]
        fresh = filled[np.arange(n), codes] < 0
        filled[np.flatnonzero(fresh), codes[fresh]] = step
        mine = dict.fromkeys(one, 0)
        for (q, s, name), count in ones.items():
            table = one.setdefault(name, np.zeros(shape, dtype=np.int64))
            mine[name] = mine.get(name, 0) + count
            if fresh[q]:
                table[q, s, codes[q]] = count
            local &= bool(table[q, s, codes[q]] == count)
        for (e, name, direction), count in pairs.items():
            table = two.setdefault(name, np.zeros((len(edges), base, 2), dtype=np.int64))
            table[e, digits[colour[e]], direction] = count
    events, same = _events(walks, edges, colour, base)
    measured = _measured(circuit)
    return Template(
        circuit=circuit,
        start=start or tuple(range(n)),
        edges=edges,
        colour=tuple(colour),
        one=one,
        two=two,
        events=events,
        measured=measured,
        kinds=tuple(present),
        local=local and same,
    )


Walk = tuple[dict[tuple[int, int, str], int], dict[tuple[int, str, int], int], list[tuple[int, str, int]]]


def _walk(circuit: QuantumCircuit, edges: Edges) -> Walk:
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    number = {edge: e for e, edge in enumerate(edges)}
    segment = [0] * circuit.num_qubits
    ones: dict[tuple[int, int, str], int] = {}
    pairs: dict[tuple[int, str, int], int] = {}
    events = []
    for instruction in circuit.data:
        name = instruction.operation.name
        if name in {"barrier", "measure", "delay", "reset"}:
            continue
        qubits = [place[q] for q in instruction.qubits]
        if len(qubits) == 1:
            key = (qubits[0], segment[qubits[0]], name)
            ones[key] = ones.get(key, 0) + 1
            continue
        u, v = qubits
        direction = int(u > v)
        edge = number[(v, u) if direction else (u, v)]
        pairs[edge, name, direction] = pairs.get((edge, name, direction), 0) + 1
        events.append((edge, name, direction))
        segment[u] += 1
        segment[v] += 1
    return ones, pairs, events


def _events(
    walks: list[tuple[tuple[int, ...], Walk]], edges: Edges, colour: list[int], base: int
) -> tuple[tuple[tuple[int, tuple[str, ...], tuple[int, ...]], ...], bool]:
    """Merge the event lists of all translations: one order, and the gate's name and direction per kind."""
    by_kind: list[dict[int, list[tuple[str, int]]]] = [{} for _ in edges]
    order = [edge for edge, _, _ in walks[0][1][2]]
    same = True
    for digits, (_, _, events) in walks:
        lists: list[list[tuple[str, int]]] = [[] for _ in edges]
        for edge, name, direction in events:
            lists[edge].append((name, direction))
        for e in range(len(edges)):
            held = by_kind[e].setdefault(digits[colour[e]], lists[e])
            same &= len(held) == len(by_kind[e][walks[0][0][colour[e]]])
    merged = []
    seen = [0] * len(edges)
    for edge in order:
        i = seen[edge]
        seen[edge] += 1
        reference = by_kind[edge][0][i]
        choice = [by_kind[edge][k][i] if i < len(by_kind[edge][k]) else reference for k in range(base)]
        merged.append((edge, tuple(c[0] for c in choice), tuple(c[1] for c in choice)))
    return tuple(merged), same


def _colour(n: int, edges: Edges) -> list[int]:
    import rustworkx as rx

    graph = rx.PyGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from_no_data(list(edges))
    if not edges:
        return []
    if rx.two_color(graph) is not None:
        colours = rx.graph_bipartite_edge_color(graph)
    else:
        colours = rx.graph_misra_gries_edge_color(graph)
    return [int(colours[e]) for e in range(len(edges))]


def _measured(circuit: QuantumCircuit) -> tuple[int, ...]:
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    read = sorted({place[i.qubits[0]] for i in circuit.data if i.operation.name == "measure"})
    return tuple(read) or tuple(range(circuit.num_qubits))


def _product(counts: Ints, logs: Floats) -> Floats:
    return np.where(counts > 0, counts * np.where(counts > 0, logs, 0.0), 0.0)
