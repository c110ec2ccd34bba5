"""Fused nodes as rows of integers and floats, the form that the kernels read."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from qalgs.backends import kernels_math as codes
from qalgs.backends.compiler_angles import Slots
from qalgs.backends.compiler_fusion import bits, invert
from qalgs.backends.compiler_lowering import Node

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
# operations, factors, matrices, terms (indices, coefficients), qubit lists, dense data
Arrays = tuple[Integers, Integers, Floats, Integers, Floats, Integers, Floats]

_ROTATIONS = {"rx": codes.RX, "ry": codes.RY, "rz": codes.RZ, "p": codes.P}


class Tables:
    """Writes nodes as rows of integers and floats."""

    def __init__(self, num_qubits: int, slots: Slots) -> None:
        self.n = num_qubits
        self.slots = slots
        self.varying = slots.varying
        self.ops: list[tuple[int, ...]] = []
        self.factors: list[tuple[int, int]] = []
        self.matrices: list[npt.NDArray[np.complex128]] = []
        self.term_i: list[tuple[int, int]] = []
        self.term_f: list[float] = []
        self.qubits: list[int] = []
        self.data: list[npt.NDArray[np.complex128]] = []
        self.offset = 0
        self.places: dict[tuple[int, bytes], list[tuple[int, npt.NDArray[np.complex128]]]] = {}
        self.width = max(32, num_qubits + num_qubits * (num_qubits - 1) // 2)

    def add(self, node: Node) -> None:
        """Append one node."""
        if node.kind == "one":
            self._one(node)
        elif node.kind == "flip":
            self._op(codes.FLIP, node.q, node)
        elif node.kind == "pair":
            self._pair(node)
        elif node.kind == "phases":
            start = self._terms(node, lambda m: _monomial(self.n, m))
            self._op(codes.PHASES, 0, node, start, len(self.term_f))
        elif node.kind == "phase":
            start = self._terms(node, lambda m: 0)
            self._op(codes.PHASE, 0, node, start, len(self.term_f))
        elif node.kind == "pauli":
            ny = (node.x & node.z).bit_count()
            self._op(codes.PAULI, node.x, node, node.slot, ny, node.z, self.varying[node.slot])
        elif node.kind == "matrix":
            assert node.matrix is not None
            start = len(self.qubits)
            self.qubits.extend(node.qubits)
            self._op(codes.MATRIX, 0, node, start, len(self.qubits), self._stored(node.matrix))
            self.width = max(self.width, 2 << len(node.qubits))
        else:
            self._linear(node)

    def _stored(self, matrix: npt.NDArray[np.complex128]) -> int:
        """Return where a dense matrix stands in the data; one that comes again (an oracle, say) is kept once."""
        flat = np.ascontiguousarray(matrix).ravel()
        alike = self.places.setdefault((flat.size, flat[:256].tobytes()), [])
        for place, known in alike:
            if np.array_equal(known, flat):
                return place
        alike.append((self.offset, flat))
        self.data.append(flat)
        self.offset += 2 * flat.size
        return alike[-1][0]

    def _op(
        self, code: int, q: int, node: Node, start: int = 0, stop: int = 0, aux: int = 0, vary: bool | None = None
    ) -> None:
        if vary is None:
            vary = any(self.varying[s] for terms in node.terms.values() for s, _ in terms)
        self.ops.append((code, q, node.mask, node.value, start, stop, aux, int(vary)))

    def _one(self, node: Node) -> None:
        start = len(self.factors)
        vary = False
        constant: npt.NDArray[np.complex128] | None = None
        for kind, payload in node.factors:
            if kind in _ROTATIONS:
                if constant is not None:
                    self._constant(constant)
                    constant = None
                assert isinstance(payload, int)
                self.factors.append((_ROTATIONS[kind], payload))
                vary = vary or bool(self.varying[payload])
            else:
                if kind == "phase":
                    assert isinstance(payload, float)
                    payload = np.diag([1.0, complex(math.cos(payload), math.sin(payload))])
                assert isinstance(payload, np.ndarray)
                constant = payload if constant is None else payload @ constant
        if constant is not None:
            self._constant(constant)
        self._op(codes.CHAIN, node.q, node, start, len(self.factors), vary=vary)

    def _linear(self, node: Node) -> None:
        # x -> A x ^ b: the state is read from A^-1 (x ^ b), and undone from A x ^ b
        start = len(self.qubits)
        inverse = invert(node.columns)
        self.qubits.extend(inverse)
        self.qubits.extend(node.columns)
        offset = 0
        for k in bits(node.value):
            offset ^= inverse[k]
        self.ops.append((codes.LINEAR, 0, 0, node.value, start, len(self.qubits), offset, 0))

    def _constant(self, matrix: npt.NDArray[np.complex128]) -> None:
        self.factors.append((codes.CONSTANT, len(self.matrices)))
        self.matrices.append(matrix.astype(np.complex128))

    def _pair(self, node: Node) -> None:
        lo, hi = bits(node.diag)
        place = {1 << lo: 0, 1 << hi: 1, (1 << lo) | (1 << hi): 2}
        start = self._terms(node, lambda m: place[m])
        self._op(codes.PAIR, lo, node, start, len(self.term_f), hi)

    def _terms(self, node: Node, index: Callable[[int], int]) -> int:
        start = len(self.term_f)
        for monomial, terms in node.terms.items():
            for slot, coefficient in terms:
                self.term_i.append((index(monomial), slot))
                self.term_f.append(coefficient)
        return start

    def vary(self, varying: npt.NDArray[np.bool_]) -> list[int]:
        """Return for each operation whether one of its slots depends on a parameter."""
        flags = []
        for code, _, _, _, start, stop, _, old in self.ops:
            if code == codes.CHAIN:
                new = any(kind != codes.CONSTANT and varying[slot] for kind, slot in self.factors[start:stop])
            elif code == codes.PAULI:
                new = bool(varying[start])
            else:
                new = bool(old) and any(varying[slot] for _, slot in self.term_i[start:stop])
            flags.append(int(new))
        return flags

    def arrays(self) -> Arrays:
        """Return operations, factors, matrices, terms (indices, coefficients), qubit lists and dense data."""
        mats = np.array([_pairs(m) for m in self.matrices], dtype=np.float64).reshape(-1, 8)
        data = np.concatenate([_pairs(m) for m in self.data]) if self.data else np.zeros(0)
        return (
            np.array(self.ops, dtype=np.int64).reshape(-1, 8),
            np.array(self.factors, dtype=np.int64).reshape(-1, 2),
            mats,
            np.array(self.term_i, dtype=np.int64).reshape(-1, 2),
            np.array(self.term_f, dtype=np.float64),
            np.array(self.qubits, dtype=np.int64),
            data,
        )


def _pairs(matrix: npt.NDArray[np.complex128]) -> Floats:
    return np.ascontiguousarray(matrix).ravel().view(np.float64)


def _monomial(n: int, mask: int) -> int:
    high = mask.bit_length() - 1
    low = mask ^ (1 << high)
    return n + high * (high - 1) // 2 + low.bit_length() - 1 if low else high
