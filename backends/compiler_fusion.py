"""Fusion: fewer passes over the state, the same unitary.

One-qubit gates on a qubit are gathered until something else acts on it non-diagonally; a purely diagonal chain
(``rz``, ``p``, ``s`` ...) slides through controls and phases ("virtual rz"); diagonal two-qubit gates that commute
to each other join one group, whose phases are applied in a single pass.
"""

from __future__ import annotations

from qalgs.backends.compiler_angles import Slots
from qalgs.backends.compiler_lowering import Factor, Node

# A group of this many two-qubit phases is cheaper as one phase vector than pair by pair.
GROUP_PAIRS = 4
# A chain of this many CX is cheaper as one permutation than flip by flip.
CHAIN_FLIPS = 3


def fuse(num_qubits: int, nodes: list[Node], slots: Slots, phase: list[tuple[int, float]]) -> list[Node]:
    """Return the fused nodes; constant phases split off diagonal gates are appended to ``phase``."""
    return _Fusion(num_qubits, slots, phase).run(nodes)


class _Fusion:
    def __init__(self, num_qubits: int, slots: Slots, phase: list[tuple[int, float]]) -> None:
        self.num_qubits = num_qubits
        self.slots = slots
        self.phase = phase
        self.out: list[Node] = []
        self.pending: dict[int, list[Factor]] = {}

    def run(self, nodes: list[Node]) -> list[Node]:
        for node in nodes:
            if node.kind == "one" and node.mask == 0:
                self.pending.setdefault(node.q, []).extend(node.factors)
                continue
            for q in bits(node.busy):
                self.flush(q)
            for q in bits(node.diag):
                if q in self.pending and not diagonal(self.pending[q]):
                    self.flush(q)
            if node.kind == "diag":
                self.group(node)
            elif node.kind == "flip" and node.mask.bit_count() == 1:
                self.flip(node)
            else:
                self.out.append(node)
        for q in sorted(self.pending):
            if not diagonal(self.pending[q]):
                self.flush(q)
        if len(self.pending) >= GROUP_PAIRS and all(self.find(1 << q) is None for q in self.pending):
            self.out.append(Node("diag", 0, 0))  # the last phases of all qubits in one pass
        for q in sorted(self.pending):
            self.flush(q)
        for node in self.out:
            if node.kind == "diag" and len(node.terms) >= GROUP_PAIRS and self.worthwhile(node):
                node.kind = "phases"
        return [part for node in self.out for part in split(node, self.num_qubits)]

    def worthwhile(self, node: Node) -> bool:
        """Whether one phase vector is cheaper than the node's pairs and single phases one by one."""
        pairs = [m for m in node.terms if m.bit_count() == 2]
        covered = 0
        for m in pairs:
            covered |= m
        alone = sum(1 for m in node.terms if m.bit_count() == 1 and not m & covered)
        return len(pairs) + alone >= GROUP_PAIRS

    def flush(self, q: int) -> None:
        factors = self.pending.pop(q, None)
        if not factors:
            return
        if diagonal(factors):
            group = self.find(1 << q)
            if group is not None:
                for kind, angle in factors:
                    slot = self.slots.add(angle, "phase") if kind == "phase" else angle
                    if kind == "rz":
                        self.phase.append((slot, -0.5))  # type: ignore[arg-type]
                    group.terms.setdefault(1 << q, []).append((slot, 1.0))  # type: ignore[arg-type]
                group.diag |= 1 << q
                return
        # as early as possible, so that flips meet flips and first gates make a product state
        place = len(self.out)
        while place and not (self.out[place - 1].busy | self.out[place - 1].diag) >> q & 1:
            place -= 1
        self.out.insert(place, Node("one", 1 << q, q=q, factors=factors))

    def flip(self, node: Node) -> None:
        """Join a flip to an earlier chain of flips if all in between commutes with it."""
        flip = (node.mask.bit_length() - 1, int(node.value != 0), node.q)
        both = node.busy | node.diag
        for earlier in reversed(self.out):
            if earlier.flips:
                earlier.flips.append(flip)
                earlier.busy |= earlier.diag | both
                earlier.diag = 0
                return
            if earlier.busy & both or earlier.diag & node.busy:
                break
        node.flips = [flip]
        self.out.append(node)

    def find(self, mask: int) -> Node | None:
        """Return the last diagonal group that a phase on ``mask`` can join, if any."""
        for node in reversed(self.out):
            if node.kind == "diag":
                return node
            if node.busy & mask:
                return None
        return None

    def group(self, node: Node) -> None:
        earlier = self.find(node.diag)
        if earlier is None:
            self.out.append(node)
            return
        earlier.diag |= node.diag
        for monomial, terms in node.terms.items():
            earlier.terms.setdefault(monomial, []).extend(terms)


def split(node: Node, num_qubits: int) -> list[Node]:
    """Cut a small diagonal group into one node per pair of qubits (or qubit), and a short chain into flips."""
    if node.flips:
        if len(node.flips) >= CHAIN_FLIPS:
            return [linear(node.flips, num_qubits)]
        return [Node("flip", 1 << t, 1 << c, q=t, mask=1 << c, value=v << c) for c, v, t in node.flips]
    if node.kind != "diag":
        return [node]
    pairs = {m: Node("pair", 0, m, terms={m: t}) for m, t in node.terms.items() if m.bit_count() == 2}
    rest = []
    for monomial, terms in node.terms.items():
        if monomial.bit_count() == 2:
            continue
        host = next((p for m, p in pairs.items() if m & monomial), None)
        if host is None:
            rest.append(Node("phase", 0, monomial, mask=monomial, value=monomial, terms={monomial: terms}))
        else:
            host.terms.setdefault(monomial, []).extend(terms)
    return [*pairs.values(), *rest]


def linear(flips: list[tuple[int, int, int]], num_qubits: int) -> Node:
    """Return a chain of flips as one map x -> A x ^ b over the bits of the index."""
    columns = [1 << k for k in range(num_qubits)]
    offset = 0
    for c, v, t in flips:
        columns = [x ^ (((x >> c) & 1) << t) for x in columns]
        offset ^= (((offset >> c) & 1) ^ (1 - v)) << t
    return Node("linear", 0, value=offset, columns=columns)


def invert(columns: list[int]) -> list[int]:
    """Return the columns of the inverse of a matrix over GF(2), by elimination on its columns."""
    n = len(columns)
    left, right = list(columns), [1 << k for k in range(n)]
    for row in range(n):
        pivot = next(k for k in range(row, n) if (left[k] >> row) & 1)
        left[row], left[pivot] = left[pivot], left[row]
        right[row], right[pivot] = right[pivot], right[row]
        for k in range(n):
            if k != row and (left[k] >> row) & 1:
                left[k] ^= left[row]
                right[k] ^= right[row]
    return right


def diagonal(factors: list[Factor]) -> bool:
    """Whether every factor is a phase."""
    return all(kind in ("rz", "p", "phase") for kind, _ in factors)


def bits(mask: int) -> list[int]:
    """Return the positions of the set bits."""
    places = []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places
