"""Trajectories of noisy circuits: samples and averages where a density matrix would be too large.

Consecutive noisy gates on the same one or two qubits are multiplied to one channel first, which leaves about one
channel per interacting pair in a row of gates; each is taken apart into Kraus operators, the largest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit.circuit import ParameterExpression

from qalgs.backends import kernels_trajectories
from qalgs.backends.lightcone import backward_cone
from qalgs.backends.noise import FloatArray, unitary_transfer
from qalgs.backends.noise_angles import AngleMap
from qalgs.backends.noise_kernels import CONST, RX, RZ
from qalgs.backends.noise_observables import Terms, effective_operator
from qalgs.backends.noise_program import Op
from qalgs.backends.observables import MAX_QUBITS, compile_observable
from qalgs.errors import invalid

Integers = npt.NDArray[np.int64]
Complexes = npt.NDArray[np.complex128]
# qubit, other qubit or -1, Pauli transfer matrix (first qubit = lower digit)
Channel = tuple[int, int, FloatArray]

CHUNK = 256
"""Shots per call of a kernel, after which an interrupt is noticed."""
NEGLIGIBLE = 1e-12
"""Weight below which an operator of a channel is rounding."""


@cache
def _choi_map(num_qubits: int) -> Complexes:
    """Return the linear map from Pauli transfer matrices to Choi matrices, both flattened."""
    one = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    basis = one
    if num_qubits == 2:  # the second qubit is the higher digit
        basis = np.einsum("xij,ykl->xyikjl", one, one).reshape(16, 4, 4)
    size = len(basis)
    return np.einsum("yba,xij->aibjxy", basis, basis).reshape(size * size, size * size) / 2**num_qubits


def kraus_operators(transfer: FloatArray) -> Complexes:
    """Return Kraus operators (K, d, d) of a channel on one or two qubits, the largest first.

    They belong to the eigenvectors of the Choi matrix, so there are no fewer.

    Args:
        transfer: Pauli transfer matrix, 4 x 4 or 16 x 16, the first qubit being the lower digit.
    """
    size = len(transfer)
    dim = 2 if size == 4 else 4
    choi = (_choi_map(dim // 2) @ transfer.ravel()).reshape(size, size)
    weights, vectors = np.linalg.eigh(choi)
    kept = np.flatnonzero(weights > NEGLIGIBLE)[::-1]
    operators = (vectors[:, kept] * np.sqrt(weights[kept])).T.reshape(-1, dim, dim)
    return np.ascontiguousarray(operators.transpose(0, 2, 1))


def _rotation(kind: int, angle: float) -> FloatArray:
    u, v = (1, 2) if kind == RZ else (2, 3) if kind == RX else (3, 1)
    transfer: FloatArray = np.eye(4)
    transfer[u, u] = transfer[v, v] = np.cos(angle)
    transfer[v, u] = np.sin(angle)
    transfer[u, v] = -transfer[v, u]
    return transfer


def _on(transfer: FloatArray, higher: bool) -> FloatArray:
    """Return a one-qubit map as one on two qubits."""
    both = np.kron(transfer, np.eye(4)) if higher else np.kron(np.eye(4), transfer)
    return np.asarray(both, dtype=np.float64)


def merge(steps: Iterator[tuple[tuple[int, ...], FloatArray]]) -> list[Channel]:
    """Multiply maps on one or two qubits to as few channels as there are changes of partners."""
    pairs: list[tuple[int, int]] = []
    maps: list[FloatArray] = []
    last: dict[int, int] = {}
    alone: dict[int, FloatArray] = {}
    for qubits, transfer in steps:
        if len(qubits) == 1:
            q = qubits[0]
            if q in last:
                k = last[q]
                maps[k] = _on(transfer, q == pairs[k][1]) @ maps[k]
            else:
                alone[q] = transfer @ alone[q] if q in alone else transfer
            continue
        q, r = qubits
        if q in last and last[q] == last.get(r):
            k = last[q]
            if pairs[k] != (q, r):
                transfer = transfer.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
            maps[k] = transfer @ maps[k]
            continue
        start = np.kron(alone.pop(r, np.eye(4)), alone.pop(q, np.eye(4)))
        last[q] = last[r] = len(maps)
        pairs.append((q, r))
        maps.append(transfer @ start)
    channels: list[Channel] = [(q, -1, transfer) for q, transfer in alone.items()]
    return channels + [(q, r, transfer) for (q, r), transfer in zip(pairs, maps, strict=True)]


class TrajectoryProgram:
    """The channels of one circuit, or of its part that some qubits can see.

    Args:
        ops: The lowered circuit.
        observed: The qubits that are looked at.
        parameters: The parameters of the circuit, in the order of the values.
        turns: Ideal one-qubit maps at the end, by qubit.

    Attributes:
        qubits: The qubits simulated, ascending; qubit ``i`` of the program is ``qubits[i]``.

    Raises:
        InvalidInputError: If they are too many for a state vector.
    """

    def __init__(
        self,
        ops: Sequence[Op],
        observed: Sequence[int],
        parameters: Sequence[Any],
        turns: dict[int, FloatArray] | None = None,
    ) -> None:
        kept, cone = backward_cone([op.qubits for op in ops], observed)
        self.qubits = tuple(sorted(cone)) or (0,)
        if len(self.qubits) > MAX_QUBITS:
            rule = f"must need at most {MAX_QUBITS} qubits for trajectories"
            raise invalid("circuit", f"a light cone of {len(self.qubits)} qubits", rule, "measure fewer qubits")
        self.place = {q: i for i, q in enumerate(self.qubits)}
        self._ops = [ops[k] for k in kept]
        self._turns = turns or {}
        angles = [a for op in self._ops for a in _angles(op) if isinstance(a, ParameterExpression)]
        self._angles = AngleMap(angles, parameters)

    def channels(self, values: FloatArray) -> list[Channel]:
        """Return the channels at parameter values (P,)."""
        return merge(self._steps(self._angles(values[None, :])[0]))

    def _steps(self, angles: FloatArray) -> Iterator[tuple[tuple[int, ...], FloatArray]]:
        free = iter(angles.tolist())
        for op in self._ops:
            where = tuple([self.place[q] for q in op.qubits])
            if op.pair is None:
                for kind, what in op.factors:
                    if kind == CONST:
                        yield where, what
                    else:
                        yield where, _rotation(kind, next(free) if isinstance(what, ParameterExpression) else what)
            else:
                base, cosine, sine = op.pair
                if op.angle is None:
                    yield where, base
                else:
                    t = next(free) if isinstance(op.angle, ParameterExpression) else float(op.angle)
                    yield where, base + np.cos(t) * cosine + np.sin(t) * sine
        for q, turn in self._turns.items():
            if q in self.place:
                yield (self.place[q],), turn

    def arrays(self, values: FloatArray) -> tuple[Integers, FloatArray, FloatArray, FloatArray]:
        """Return what the kernels read at parameter values (P,): channels, floors, operators K and K^+ K."""
        table, floors = [], []
        entries: list[FloatArray] = []
        weights: list[FloatArray] = []
        for q, r, transfer in self.channels(values):
            operators = kraus_operators(transfer)
            squares = operators.conj().transpose(0, 2, 1) @ operators
            table.append((q, r, len(entries), len(entries) + len(operators)))
            floors.append(np.linalg.eigvalsh(squares[0])[0])
            for operator, square in zip(operators, squares, strict=True):
                entries.append(_pairs(operator))
                weights.append(_pairs(square))
        shape = (-1, 32)
        return (
            np.array(table, dtype=np.int64).reshape(-1, 4),
            np.array(floors, dtype=np.float64),
            np.array(entries, dtype=np.float64).reshape(shape),
            np.array(weights, dtype=np.float64).reshape(shape),
        )


def _angles(op: Op) -> list[Any]:
    return [op.angle] if op.pair is not None else [what for kind, what in op.factors if kind != CONST]


def _pairs(matrix: Complexes) -> FloatArray:
    flat = np.zeros(32)
    flat[: 2 * matrix.size] = np.ascontiguousarray(matrix).ravel().view(np.float64)
    return flat


class Trajectories:
    """Own trajectories of one circuit: as :class:`~qalgs.backends.noise_engines.TrajectoryPlan` of Aer's.

    Measured on one core, 14 qubits in a line, one QAOA layer on ``fake_brisbane`` (26 ECR and 76 other noisy
    gates), 1024 shots: 0.7 s, Aer 19 s (``tests/benchmarks/bench_noise.py``).

    Args:
        ops: The lowered circuit.
        parameters: The parameters of the circuit, in the order of the values.
        flips: Readout errors p(1|0), p(0|1) of every compact qubit.
    """

    def __init__(self, ops: Sequence[Op], parameters: Sequence[Any], flips: FloatArray) -> None:
        self._ops, self._parameters, self._flips = list(ops), tuple(parameters), flips
        self._programs: dict[Any, TrajectoryProgram] = {}

    def _program(self, observed: tuple[int, ...], letters: tuple[int, ...] = ()) -> TrajectoryProgram:
        key = observed, letters
        if key not in self._programs:
            h = np.array([[1, 1], [1, -1]], dtype=np.complex128) / np.sqrt(2)
            turn = {1: unitary_transfer(h), 2: unitary_transfer(h @ np.diag([1, -1j]))}
            turns = {q: turn[p] for q, p in zip(observed, letters, strict=False) if p in turn}
            self._programs[key] = TrajectoryProgram(self._ops, observed, self._parameters, turns)
        return self._programs[key]

    def outcomes(
        self, values: FloatArray, qubits: Sequence[int], letters: Sequence[int], shots: int, seed: int
    ) -> Integers:
        """Return measured bits (B, shots), bit ``k`` of an outcome being ``letters[k]`` on ``qubits[k]``.

        Readout errors are included, the change of basis is noise-free. Shot s of row b has a random stream of its
        own, so results do not depend on how many are run at a time.
        """
        program = self._program(tuple(qubits), tuple(letters))
        where = np.array([program.place[q] for q in qubits], dtype=np.int64)
        flips = np.ascontiguousarray(self._flips[list(qubits)])
        out = np.empty((len(values), shots), dtype=np.int64)
        for row, key in zip(range(len(values)), _keys(seed, len(values)), strict=True):
            arrays = program.arrays(values[row])
            for first in range(0, shots, CHUNK):
                part = out[row, first : first + CHUNK]
                kernels_trajectories.sample_shots(len(program.qubits), *arrays, where, flips, key, first, part)
        return out

    def counts(
        self, values: FloatArray, qubits: Sequence[int], letters: Sequence[int], shots: int, seed: int
    ) -> FloatArray:
        """Return counts (B, 2**m) of measuring ``letters`` on ``qubits``; the change of basis is noise-free."""
        found = self.outcomes(values, qubits, letters, shots, seed)
        return np.array([np.bincount(row, minlength=1 << len(qubits)) for row in found], dtype=np.float64)

    def expectations(
        self, values: FloatArray, observables: Sequence[Terms], trajectories: int, seed: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return means and standard errors (B, O) over ``trajectories`` runs."""
        observed = sorted({q for terms in observables for pauli in terms for q, _ in pauli})
        program = self._program(tuple(observed))
        n = len(program.qubits)
        compiled = []
        for terms in observables:
            here = {tuple((program.place[q], p) for q, p in pauli): c for pauli, c in terms.items()}
            compiled.append(compile_observable(effective_operator(here, n)))
        ints, floats = [c.ints for c in compiled], [c.floats for c in compiled]
        starts = np.array([(0, 0), *zip(map(len, ints), map(len, floats), strict=True)], dtype=np.int64).cumsum(0)
        packed = np.concatenate(ints), np.concatenate(floats)
        found = np.empty((len(values), trajectories, len(compiled)))
        for row, key in zip(range(len(values)), _keys(seed, len(values)), strict=True):
            arrays = program.arrays(values[row])
            for first in range(0, trajectories, CHUNK):
                part = found[row, first : first + CHUNK]
                kernels_trajectories.average_shots(n, *arrays, starts, *packed, key, first, part)
        return found.mean(axis=1), found.std(axis=1, ddof=min(1, trajectories - 1)) / np.sqrt(trajectories)


def _keys(seed: int, rows: int) -> list[int]:
    """Return a 63-bit seed for each row."""
    words = np.random.SeedSequence(seed).generate_state(rows, np.uint64)
    return [int(word >> np.uint64(1)) for word in words]
