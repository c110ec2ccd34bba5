"""Compile a Qiskit circuit once into a flat program; run it many times over batches of parameter values.

A program is a table of a few kinds of operations (fused one-qubit chains, flips, phases, Pauli rotations, dense
matrices) plus tables of numbers, interpreted by compiled kernels without returning to Python. Derivatives come
from one backward (adjoint) sweep whatever the number of parameters: Jones and Gacon, arXiv:2009.02823.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qalgs.backends import kernels_math as codes
from qalgs.backends import kernels_run
from qalgs.backends.compiler_angles import Slots, run_tape
from qalgs.backends.compiler_cache import CircuitCache
from qalgs.backends.compiler_fusion import bits, fuse, invert
from qalgs.backends.compiler_lowering import Lowering, Node
from qalgs.backends.kernels_run import run
from qalgs.backends.observables import CompiledObservable
from qalgs.errors import invalid

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Derivatives = npt.NDArray[np.inexact[Any]]

# 2**26 amplitudes are a gibibyte; the density of a laptop is reached well before.
MAX_QUBITS = 28

_NONE = np.zeros((1, 0))
_NO_OBSERVABLE = np.zeros(4, dtype=np.int64)
_ROTATIONS = {"rx": codes.RX, "ry": codes.RY, "rz": codes.RZ, "p": codes.P}


class Program:
    """A compiled circuit.

    Attributes:
        num_qubits: Number of qubits n.
        num_parameters: Number of free parameters P.
        parameters: The parameters, in the order of ``circuit.parameters``.
        num_operations: Length of the flat program after fusion.
    """

    def __init__(self, circuit: QuantumCircuit, *, skip: frozenset[str] = frozenset()) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(circuit.parameters)
        self.num_qubits: int = circuit.num_qubits
        self.num_parameters = len(self.parameters)
        if self.num_qubits > MAX_QUBITS:
            raise invalid(
                "circuit.num_qubits",
                self.num_qubits,
                f"must be at most {MAX_QUBITS} for a statevector",
                "transpile it to fewer qubits or use a tensor-network method",
            )
        slots = Slots(self.parameters)
        lowering = Lowering(self.num_qubits, slots)
        lowering.circuit(circuit, skip=skip)
        nodes = fuse(self.num_qubits, lowering.nodes, slots, lowering.phase)
        self.tapes = slots.tapes
        tables = _Tables(self.num_qubits, slots)
        for node in nodes:
            tables.add(node)
        self.num_operations = len(tables.ops)
        self.num_slots = len(slots)
        self.lines = slots.arrays()
        tape_slots = np.array([t[0] for t in self.tapes], dtype=np.int64)
        self.ints, self.floats = kernels_run.pack(
            self.num_qubits, tables.arrays(), tables.width, self.lines, tape_slots, lowering.phase
        )

    # -- angles --------------------------------------------------------------------------------------------------

    def batch(self, values: npt.ArrayLike) -> Floats:
        """Return parameter values as a C-ordered (B, P) array.

        Raises:
            ValueError: If their shape or content is wrong, naming the first bad parameter.
        """
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise invalid("parameter values", values, "must be real numbers")
        array = np.ascontiguousarray(array, dtype=np.float64)
        if not array.flags.writeable:  # the kernels are compiled for writable arrays only
            array = array.copy()
        if array.ndim == 1 and (self.num_parameters or array.size == 0):
            array = array.reshape(1, -1)
        if array.ndim != 2 or array.shape[1] != self.num_parameters:
            raise invalid(
                "parameter values",
                array.shape,
                f"must have shape (B, {self.num_parameters}) or ({self.num_parameters},)",
                "give one value per entry of circuit.parameters",
            )
        if not np.isfinite(array).all():
            b, p = np.argwhere(~np.isfinite(array))[0]
            raise invalid(
                f"value of parameter {self.parameters[p].name!r} (row {b})",
                float(array[b, p]),
                "must be a finite number",
            )
        return array

    def extra(self, values: Floats) -> Floats:
        """Evaluate the angle slots that are not affine, shape (B, number of tapes)."""
        extra = np.empty((values.shape[0], len(self.tapes)))
        if not self.tapes:
            return extra
        for k, (_, tape) in enumerate(self.tapes):
            with np.errstate(all="ignore"):
                extra[:, k] = run_tape(tape, values)[0]
        if extra.size and not np.isfinite(extra).all():
            b, k = np.argwhere(~np.isfinite(extra))[0]
            raise invalid(
                f"angle of a parameter expression (row {b})",
                float(extra[b, k]),
                "must be a finite number at the given parameter values",
            )
        return extra

    def chain_rule(self, values: Floats, slot_grads: Derivatives, grads: Derivatives) -> None:
        """Add the derivatives through the slots that are not affine to ``grads`` (B, P)."""
        for slot, tape in self.tapes:
            with np.errstate(all="ignore"):
                _, partial = run_tape(tape, values)
            for column, slope in partial.items():
                grads[:, column] = grads[:, column] + slot_grads[:, slot] * slope

    # -- states and derivatives ----------------------------------------------------------------------------------

    def states(self, values: npt.ArrayLike) -> Complexes:
        """Return the final states.

        Args:
            values: Parameter values, shape (B, P) or (P,).

        Returns:
            Amplitudes, shape (B, 2**n), global phase included, qubit 0 being the lowest bit of the index.
        """
        values = self.batch(values)
        out = np.empty((values.shape[0], 1 << self.num_qubits), dtype=np.complex128)
        none = _NONE
        run(
            kernels_run.STATES,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            _NO_OBSERVABLE,
            none[0],
            none[0],
            out.view(np.float64),
            none[0],
            none,
            none,
        )
        return out

    def vjp(self, values: npt.ArrayLike, cotangents: npt.ArrayLike) -> Complexes:
        """Return ``<cotangent_b | d psi_b / d theta_p>`` by one adjoint sweep per row.

        Args:
            values: Parameter values, shape (B, P) or (P,).
            cotangents: Any vectors, shape (B, 2**n) or (2**n,).

        Returns:
            Shape (B, P), complex. The gradient of <psi|H|psi> is twice the real part for cotangents H psi.
        """
        values = self.batch(values)
        size = 1 << self.num_qubits
        rows = values.shape[0]
        bras = np.asarray(cotangents, dtype=np.complex128)
        if bras.shape not in ((size,), (1, size), (rows, size)):
            raise invalid("cotangents", bras.shape, f"must have shape ({rows}, {size}) or ({size},)")
        bras = np.array(np.broadcast_to(bras, (rows, size)), order="C")
        slot_grads = np.zeros((rows, self.num_slots), dtype=np.complex128)
        none = _NONE
        run(
            kernels_run.PULLBACK,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            _NO_OBSERVABLE,
            none[0],
            none[0],
            bras.view(np.float64),
            none[0],
            none,
            slot_grads.view(np.float64),
        )
        _, affine_rows, cols, coef = self.lines
        grads = np.zeros((rows, self.num_parameters), dtype=np.complex128)
        for slot, column, slope in zip(affine_rows.tolist(), cols.tolist(), coef.tolist(), strict=True):
            grads[:, column] += slope * slot_grads[:, slot]
        self.chain_rule(values, slot_grads, grads)
        return grads

    def energies(self, observable: CompiledObservable, values: Floats, keep: Floats | None = None) -> Floats:
        """Return <psi|H|psi> for each row of ``values`` (B, P), as made by :meth:`batch`.

        Args:
            observable: The compiled H.
            values: Parameter values, shape (B, P).
            keep: Projection onto basis states (1 keeps, 0 drops), shape (2**n,); the result is then
                <psi|PHP|psi> / <psi|P|psi>.
        """
        out = np.empty(values.shape[0])
        none = _NONE
        run(
            kernels_run.ENERGIES,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            observable.ints,
            observable.floats,
            none[0] if keep is None else keep,
            none,
            out,
            none,
            none,
        )
        return out

    def gradients(
        self, observable: CompiledObservable, values: Floats, keep: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return energies (B,) and their gradients (B, P); arguments as for :meth:`energies`."""
        rows = values.shape[0]
        out = np.empty(rows)
        grads = np.zeros((rows, self.num_parameters))
        slot_grads = np.zeros((rows, 2 * self.num_slots))
        run(
            kernels_run.GRADIENTS,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            observable.ints,
            observable.floats,
            _NONE[0] if keep is None else keep,
            _NONE,
            out,
            grads,
            slot_grads,
        )
        if self.tapes:
            self.chain_rule(values, 2 * slot_grads[:, ::2], grads)
        return out, grads


class _Tables:
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
        self.width = max(32, num_qubits + num_qubits * (num_qubits - 1) // 2)

    def add(self, node: Node) -> None:
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
            self._op(codes.MATRIX, 0, node, start, len(self.qubits), self.offset)
            self.data.append(node.matrix.ravel())
            self.offset += 2 * node.matrix.size
            self.width = max(self.width, 2 << len(node.qubits))
        else:
            self._linear(node)

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

    def arrays(self) -> tuple[Integers, Integers, Floats, Integers, Floats, Integers, Floats]:
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
    places = bits(mask)
    if len(places) == 1:
        return places[0]
    low, high = places
    return n + high * (high - 1) // 2 + low


_CACHE: CircuitCache[Program] = CircuitCache(Program)


def compile_circuit(circuit: QuantumCircuit) -> Program:
    """Compile ``circuit`` (unitary, any standard gates and parameter expressions) into a program.

    Programs are cached by the circuit's content: the same circuit is compiled once, and a circuit changed in
    place is compiled anew.

    Raises:
        ValueError: If an instruction cannot be part of a unitary circuit; the message names it.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise TypeError(f"circuit must be a qiskit QuantumCircuit, got {type(circuit).__name__}; build one first")
    return _CACHE.get(circuit)
