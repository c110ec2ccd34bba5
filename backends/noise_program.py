"""Compilation of ISA circuits: physical gates with their noise to flat programs for the kernels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qalgs.backends.lightcone import cone_groups
from qalgs.backends.noise import FloatArray, delay_noise, gate_noise, unitary_transfer
from qalgs.backends.noise_angles import AngleMap
from qalgs.backends.noise_kernels import CHAIN, CONST, PAIR, RX, RY, RZ, components, value_and_gradient
from qalgs.backends.snapshot import DeviceSnapshot
from qalgs.errors import InvalidInputError

IntArray = NDArray[np.int64]
Angle: TypeAlias = Any
"""A float, or an expression of the circuit's parameters."""
Factor = tuple[int, Any]
"""A factor of a chain: ``(CONST, 4 x 4 transfer matrix)`` or ``(RZ | RX | RY, angle)``."""

_TRIGONOMETRIC = {"rzz", "rxx", "ryy", "rzx", "cp", "cu1"}
"""Two-qubit gates whose transfer matrix is ``A + B cos t + C sin t``."""
_WHOLE_LIMIT = 8
_VIRTUAL = {"barrier", "measure"}


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One noisy operation: a chain of factors on one qubit, or a map ``a + b cos t + c sin t`` on two."""

    qubits: tuple[int, ...]
    factors: tuple[Factor, ...] = ()
    pair: tuple[FloatArray, FloatArray, FloatArray] | None = None
    angle: Angle | None = None


def _rotations(name: str, params: Sequence[Angle]) -> list[tuple[int, Angle]] | None:
    """Return a parametrised one-qubit gate as rotations in the order of time, or None if it is not known."""
    half = math.pi / 2
    if name in ("rz", "p", "u1"):
        return [(RZ, params[0])]
    if name in ("rx", "ry"):
        return [(RX if name == "rx" else RY, params[0])]
    if name == "u2":
        return [(RZ, params[1]), (RY, half), (RZ, params[0])]
    if name in ("u", "u3"):
        return [(RZ, params[2]), (RY, params[0]), (RZ, params[1])]
    if name == "r":
        return [(RZ, -params[1]), (RX, params[0]), (RZ, params[1])]
    return None


def lower(circuit: QuantumCircuit, snapshot: DeviceSnapshot) -> list[Op]:
    """Return the noisy operations of an ISA circuit; barriers and measurements are left out.

    Args:
        circuit: A circuit of physical gates of ``snapshot``.
        snapshot: The compact device.

    Raises:
        InvalidInputError: If an instruction has no transfer matrix (control flow, an unbound unknown gate).
    """
    index = {q: i for i, q in enumerate(circuit.qubits)}
    items = [(item.operation, tuple(index[q] for q in item.qubits)) for item in circuit.data]
    physical = {(op.name, qubits) for op, qubits in items if (op.name, qubits) in snapshot.gate_errors}
    noise = gate_noise(snapshot, (g for g in physical if g[0] != "delay"))
    ideal: dict[tuple[str, tuple[float, ...]], FloatArray] = {}
    known: dict[tuple[str, tuple[int, ...]], Op] = {}
    ops = []
    for operation, qubits in items:
        name = operation.name
        if name in _VIRTUAL:
            continue
        if name == "delay":
            error = delay_noise(snapshot, qubits[0], _seconds(operation, snapshot))
            if error is not None:
                ops.append(Op(qubits, ((CONST, error),)))
            continue
        error = noise.get((name, qubits))
        if operation.params:
            ops.append(_lower_gate(operation, qubits, error, ideal))
            continue
        if (name, qubits) not in known:
            known[name, qubits] = _lower_gate(operation, qubits, error, ideal)
        ops.append(known[name, qubits])
    return ops


def _lower_gate(
    operation: Any,
    qubits: tuple[int, ...],
    error: FloatArray | None,
    ideal: dict[tuple[str, tuple[float, ...]], FloatArray],
) -> Op:
    name = operation.name
    params = [_simple(p) for p in operation.params]
    free = any(isinstance(p, ParameterExpression) for p in params)
    if len(qubits) == 1:
        rotations = _rotations(name, params) if params else None
        if rotations is not None:
            return Op(qubits, _with_error(tuple(rotations), error))
    if (free and not (len(qubits) == 2 and name in _TRIGONOMETRIC)) or len(qubits) > 2:
        raise InvalidInputError(
            f"instruction {name!r} on qubits {list(qubits)} has no noisy simulation in the compiled engine; "
            "bind its parameters, transpile it to the device or use engine='aer'"
        )
    if free:
        ends = [_fixed(operation, (t,), ideal) for t in (0.0, math.pi, math.pi / 2)]
        base = (ends[0] + ends[1]) / 2
        parts = (base, (ends[0] - ends[1]) / 2, ends[2] - base)
        if error is not None:
            parts = (error @ parts[0], error @ parts[1], error @ parts[2])
        return Op(qubits, pair=parts, angle=params[0])
    fixed = _fixed(operation, tuple(params), ideal)
    if len(qubits) == 1:
        return Op(qubits, _with_error(((CONST, fixed),), error))
    full = fixed if error is None else error @ fixed
    return Op(qubits, pair=(full, np.zeros_like(full), np.zeros_like(full)))


def _simple(value: Any) -> Any:
    """Return bound expressions as floats."""
    if isinstance(value, ParameterExpression) and not value.parameters:
        return float(np.real(value.numeric()))
    return value


def _fixed(
    operation: Any, params: tuple[Any, ...], ideal: dict[tuple[str, tuple[float, ...]], FloatArray]
) -> FloatArray:
    """Return the ideal transfer matrix of a gate with these parameter values."""
    hashable = all(isinstance(p, int | float) for p in params)
    key = (operation.name, params)
    if hashable and key in ideal:
        return ideal[key]
    gate = operation
    if params and hashable:
        gate = operation.copy()
        gate.params = list(params)
    try:
        matrix = np.asarray(gate.to_matrix(), dtype=complex)
    except Exception as error:
        raise InvalidInputError(
            f"instruction {operation.name!r} is not a gate with a matrix, so it has no noisy simulation; "
            "remove it or use engine='aer'"
        ) from error
    transfer = unitary_transfer(matrix)
    if hashable:
        ideal[key] = transfer
    return transfer


def _with_error(factors: tuple[Factor, ...], error: FloatArray | None) -> tuple[Factor, ...]:
    return factors if error is None else (*factors, (CONST, error))


def _seconds(delay: Any, snapshot: DeviceSnapshot) -> float:
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "dt": snapshot.dt}[delay.unit]
    duration = _simple(delay.duration)
    if isinstance(duration, ParameterExpression) or scale is None:
        raise InvalidInputError(
            "instruction 'delay' must have a bound duration, in seconds or on a device with dt"
        )
    return float(duration) * scale


class NoisyProgram:
    """A compiled part of a circuit: the arrays of :mod:`qalgs.backends.noise_kernels`.

    Attributes:
        qubits: The compact qubits simulated, ascending; qubit ``i`` of the program is ``qubits[i]``.
        angles: The map from parameter values to angles.
    """

    def __init__(self, ops: Iterable[Op], qubits: Sequence[int], parameters: Sequence[Any]) -> None:
        self.qubits = tuple(qubits)
        self._place = {q: i for i, q in enumerate(self.qubits)}
        self._expressions: list[ParameterExpression] = []
        self._rows: list[tuple[int, int, int, int, int, int]] = []
        self._factors: list[tuple[int, int]] = []
        self._consts: list[FloatArray] = []
        self._entries: dict[int, tuple[int, int]] = {}
        self._ij: list[IntArray] = []
        self._abc: list[FloatArray] = []
        self._length = 0
        self._keep: list[Any] = []
        open_chains: dict[int, list[Factor]] = {}
        for op in ops:
            if op.pair is None:
                open_chains.setdefault(op.qubits[0], []).extend(op.factors)
                continue
            for q in op.qubits:
                self._close(q, open_chains.pop(q, []))
            first, last = self._sparse(op.pair)
            slot = -1 if op.angle is None else self._angle(op.angle)
            self._rows.append((PAIR, self._place[op.qubits[0]], self._place[op.qubits[1]], first, last, slot))
        for q, factors in open_chains.items():
            self._close(q, factors)
        self.angles = AngleMap(self._expressions, parameters)
        self._pack()

    def _close(self, qubit: int, chain: list[Factor]) -> None:
        """Append a chain with neighbouring constants multiplied."""
        first = len(self._factors)
        pending: FloatArray | None = None
        for kind, what in chain:
            if kind != CONST and isinstance(what, ParameterExpression):
                self._flush(pending)
                pending = None
                self._factors.append((kind, self._angle(what)))
                continue
            matrix = what if kind == CONST else _rotation(kind, float(what))
            pending = matrix if pending is None else matrix @ pending
        self._flush(pending)
        if len(self._factors) > first:
            self._rows.append((CHAIN, self._place[qubit], -1, first, len(self._factors), -1))

    def _flush(self, matrix: FloatArray | None) -> None:
        if matrix is not None:
            self._factors.append((CONST, len(self._consts)))
            self._consts.append(_tidy(matrix))

    def _angle(self, expression: Angle) -> int:
        """Every occurrence has its own slot: shifting one must not shift another."""
        assert isinstance(expression, ParameterExpression)
        self._expressions.append(expression)
        return len(self._expressions) - 1

    def _sparse(self, pair: tuple[FloatArray, FloatArray, FloatArray]) -> tuple[int, int]:
        """Store the non-zero entries of a map once per map."""
        known = self._entries.get(id(pair))
        if known is not None:
            return known
        self._keep.append(pair)
        stacked = np.stack(pair, axis=-1)
        stacked[np.abs(stacked) < 1e-15] = 0.0
        ij = np.argwhere(np.any(stacked != 0, axis=-1))
        self._ij.append(ij.astype(np.int64))
        self._abc.append(stacked[ij[:, 0], ij[:, 1]])
        span = (self._length, self._length + len(ij))
        self._length = span[1]
        self._entries[id(pair)] = span
        return span

    def _pack(self) -> None:
        self.ops = np.array(self._rows, dtype=np.int64).reshape(-1, 6)
        self.factors = np.array(self._factors, dtype=np.int64).reshape(-1, 2)
        self.consts = np.array(self._consts, dtype=float).reshape(-1, 4, 4)
        self.entry_ij = np.concatenate([np.zeros((0, 2), np.int64), *self._ij])
        self.entry_abc = np.concatenate([np.zeros((0, 3)), *self._abc])
        slots = np.full(len(self.ops), -1, np.int64)
        used = 0
        for k, (kind, _, _, first, last, angle) in enumerate(self.ops):
            moving = angle >= 0 if kind == PAIR else bool(np.any(self.factors[first:last, 0] != CONST))
            if moving:
                slots[k] = used
                used += 1
        self.slots, self.num_slots = slots, used
        self._keep.clear()

    @property
    def num_qubits(self) -> int:
        """Number of qubits simulated."""
        return len(self.qubits)

    @property
    def num_angles(self) -> int:
        """Number of parametrised angles, one per occurrence."""
        return len(self._expressions)

    def index(self, letters: Iterable[tuple[int, int]]) -> int:
        """Return the Pauli index of ``(compact qubit, 1 | 2 | 3 for X | Y | Z)`` pairs."""
        return sum(p << (2 * self._place[q]) for q, p in letters)

    def components(self, angles: FloatArray, wanted: IntArray) -> FloatArray:
        """Return ``Tr(P_i rho)`` for Pauli indices ``wanted`` (K,) and angles (B, A): (B, K)."""
        return components(
            self.num_qubits,
            self.ops,
            self.factors,
            self.consts,
            self.entry_ij,
            self.entry_abc,
            angles,
            wanted,
        )

    def value_and_gradient(
        self, angles: FloatArray, wanted: IntArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return ``sum_k weights[k] Tr(P_k rho)`` (B,) and its gradient by the angles (B, A)."""
        return value_and_gradient(
            self.num_qubits,
            self.ops,
            self.factors,
            self.consts,
            self.entry_ij,
            self.entry_abc,
            angles,
            wanted,
            weights,
            self.slots,
            self.num_slots,
        )

    @property
    def gradient_bytes(self) -> int:
        """Memory of a reverse sweep."""
        return 8 * (self.num_slots + 2) * 4**self.num_qubits


def _tidy(matrix: FloatArray) -> FloatArray:
    """Remove rounding errors from the first row, which decides whether a map is treated as trace preserving."""
    tidy = np.array(matrix)
    if np.max(np.abs(tidy[0] - np.eye(4)[0])) < 1e-14:
        tidy[0] = np.eye(4)[0]
    return tidy


def _rotation(kind: int, angle: float) -> FloatArray:
    """Return the transfer matrix of a one-qubit rotation."""
    u, v = {RZ: (1, 2), RX: (2, 3), RY: (3, 1)}[kind]
    matrix = np.eye(4)
    matrix[u, u] = matrix[v, v] = math.cos(angle)
    matrix[u, v], matrix[v, u] = -math.sin(angle), math.sin(angle)
    return matrix


def _loss(op: Op) -> float:
    """Return by how much an operation fails to preserve the trace."""
    rows = [np.abs(m[0]) for kind, m in op.factors if kind == CONST]
    if op.pair is not None:
        rows.append(np.abs(np.stack(op.pair)[:, 0]).sum(axis=0))
    return float(max((max(abs(row[0] - 1.0), row[1:].max()) for row in rows), default=0.0))


def cone_programs(
    ops: Sequence[Op], supports: Sequence[frozenset[int]], parameters: Sequence[Any]
) -> list[tuple[NoisyProgram, list[int]]]:
    """Compile what the observables with these supports can see: programs with the positions they serve.

    As Aer executes them, errors of qubits with T2 > T1 lose some 1e-9 of the trace. Light cones would not lose it,
    so small circuits with such gates are compiled as a whole, to remain equal to Aer.
    """
    operands = [op.qubits for op in ops]
    touched = frozenset(q for qubits in operands for q in qubits).union(*supports)
    if len(touched) <= _WHOLE_LIMIT and any(_loss(op) > 1e-13 for op in ops):
        supports = [touched] * len(supports)
    groups = cone_groups(operands, supports)
    return [
        (NoisyProgram([ops[k] for k in kept], qubits, parameters), members) for kept, qubits, members in groups
    ]
