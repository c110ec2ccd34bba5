"""Many jobs in one circuit: co-located jobs share a submission, and their counts are taken apart again.

Each job is translated to its own region of the chip alone and routed inside it, so that its gates are the same
whether it runs by itself or in company. In *round* ``r`` of a step every job contributes its ``r``-th pair of
(point, measurement basis); the rounds of a step are as many as the longest job needs, and a job that has finished
stays out of the remaining rounds. Bases are groups of qubit-wise commuting Pauli terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, invalid

from .chip import Bools, Chip, Floats
from .translate import to_layout

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

_DIRECTIVES = frozenset({"barrier"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Basis:
    """One measurement basis of one job; K terms, w measured qubits.

    Attributes:
        rotation: The native gates that turn the basis into Z, on the region's n qubits.
        measured: Region qubits that are read out, rising; classical bit ``b`` is ``measured[b]``, shape (w,).
        terms: Which bits each term multiplies, shape (K, w).
        coefficients: Coefficient of each term, shape (K,).
    """

    rotation: QuantumCircuit = field(repr=False)
    measured: tuple[int, ...]
    terms: Bools = field(repr=False)
    coefficients: Floats = field(repr=False)

    def values(self, bits: NDArray[np.uint8]) -> Floats:
        """Return ``sum_k c_k prod_b (-1)**bit_b`` for each row of ``bits``, shape (S, w) to (S,)."""
        parity = (bits.astype(np.int64) @ self.terms.T.astype(np.int64)) & 1
        return (1.0 - 2.0 * parity) @ self.coefficients

    def estimate(self, packed: NDArray[np.uint8]) -> tuple[float, float]:
        """Return the mean of the basis' part of ⟨H⟩ and the variance of that mean.

        Args:
            packed: Shots as ``BitArray.array`` holds them, big-endian bytes, shape (S, ceil(w / 8)).
        """
        rows, counts = np.unique(packed, axis=0, return_counts=True)
        bits = np.unpackbits(rows, axis=1)[:, ::-1][:, : len(self.measured)]
        found, shots = self.values(bits), int(counts.sum())
        mean = float(counts @ found / shots)
        spread = float(counts @ (found - mean) ** 2 / shots)
        return mean, spread / max(1, shots - 1)

    def exact(self, probabilities: Floats) -> float:
        """Return the basis' part of ⟨H⟩ from the probabilities of its outcomes, shape (2**w,), bit 0 least."""
        w = len(self.measured)
        bits = (np.arange(2**w)[:, None] >> np.arange(w)[None, :]) & 1
        return float(np.asarray(probabilities, dtype=np.float64) @ self.values(bits.astype(np.uint8)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """One job on its region of the chip, ready to be merged; region qubit ``i`` is ``layout[i]``.

    Attributes:
        name: The job.
        layout: Physical qubits, shape (n,).
        circuit: The job in native gates on n qubits, parameters free, routed inside the region.
        observable: ⟨H⟩ on the region's qubits, where routing has left them.
        bases: Measurement bases.
        constant: Coefficient of the identity.
    """

    name: str
    layout: tuple[int, ...]
    circuit: QuantumCircuit = field(repr=False)
    observable: SparsePauliOp = field(repr=False)
    bases: tuple[Basis, ...] = field(repr=False)
    constant: float

    @property
    def num_parameters(self) -> int:
        """Number of free parameters d, in the order of the job's own circuit."""
        return int(self.circuit.num_parameters)


def place(
    name: str,
    circuit: QuantumCircuit,
    observable: SparsePauliOp,
    layout: Iterable[int],
    device: Any,
    *,
    optimization_level: int = 1,
    seed: int = 0,
) -> Placed:
    """Translate a job to the qubits of a layout and group its observable into measurement bases.

    Args:
        name: The job, for messages.
        circuit: n qubits, no measurements.
        observable: Hermitian, on the same n qubits.
        layout: n physical qubits, connected by live couplers; logical qubit ``i`` starts on ``layout[i]``.
        device: A snapshot, Target, backend or chip.
        optimization_level: Qiskit's, 0 to 3.
        seed: Seed of the routing.

    Raises:
        InvalidInputError: If the layout or the observable does not fit the circuit.
    """
    chip = Chip.of(device)
    qubits = chip.check_layout(layout, f"layout of job {name!r}")
    if observable.num_qubits != circuit.num_qubits:
        raise invalid(
            f"observable of job {name!r}", observable.num_qubits, f"must act on {circuit.num_qubits} qubits"
        )
    native = to_layout(circuit, chip, qubits, optimization_level=optimization_level, seed=seed)
    if [p.name for p in native.parameters] != [p.name for p in circuit.parameters]:
        raise invalid(
            f"circuit of job {name!r}", circuit.name, "must keep all its parameters", "remove those without effect"
        )
    moved = observable if native.layout is None else observable.apply_layout(native.layout)
    return placed_from_isa(name, native, moved, qubits, chip)


def placed_from_isa(
    name: str, circuit: QuantumCircuit, observable: SparsePauliOp, layout: Sequence[int], device: Any
) -> Placed:
    """Return a job that is in native gates already, with its observable on the region's qubits.

    Args:
        name: The job.
        circuit: Native gates; qubit ``i`` is ``layout[i]``.
        observable: On the same qubits, routing accounted for.
        layout: Physical qubits.
        device: A snapshot, Target, backend or chip.
    """
    chip = Chip.of(device)
    constant, bases = _bases(observable, tuple(layout), chip)
    return Placed(
        name=name,
        layout=tuple(int(q) for q in layout),
        circuit=circuit,
        observable=observable,
        bases=bases,
        constant=constant,
    )


def _bases(observable: SparsePauliOp, layout: tuple[int, ...], chip: Chip) -> tuple[float, tuple[Basis, ...]]:
    from qiskit import QuantumCircuit

    reduced = observable.simplify()
    bare = ~(reduced.paulis.x.any(axis=1) | reduced.paulis.z.any(axis=1))
    constant = float(np.real(reduced.coeffs[bare].sum()))
    if bare.all():
        return constant, ()
    found = []
    for group in reduced[~bare].group_commuting(qubit_wise=True):
        x, z = group.paulis.x, group.paulis.z
        rotation = QuantumCircuit(len(layout))
        for q in np.flatnonzero(x.any(axis=0)):
            if (x[:, q] & z[:, q]).any():
                rotation.sdg(int(q))
            rotation.h(int(q))
        measured = np.flatnonzero((x | z).any(axis=0))
        found.append(
            Basis(
                rotation=to_layout(rotation, chip, layout) if rotation.data else rotation,
                measured=tuple(int(q) for q in measured),
                terms=(x | z)[:, measured],
                coefficients=np.real(group.coeffs).astype(np.float64),
            )
        )
    return constant, tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MergedPub:
    """One merged circuit with the parameters of all rounds that use it.

    Attributes:
        circuit: On all qubits of the chip, register ``j{i}`` being that of job ``i``.
        values: Parameters by round, shape (R, P).
        rounds: The rounds, shape (R,).
        parts: ``(job index, basis index)`` of the jobs that take part.
    """

    circuit: QuantumCircuit = field(repr=False)
    values: Floats = field(repr=False)
    rounds: tuple[int, ...]
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MergedStep:
    """All circuits of one submission, and how to read their counts.

    Attributes:
        jobs: The placed jobs.
        points: Parameters of each job, shapes (m_j, d_j).
        pubs: The merged circuits.
        num_rounds: Executions of ``shots`` each: the largest ``m_j · bases_j``.
    """

    jobs: tuple[Placed, ...]
    points: tuple[Floats, ...] = field(repr=False)
    pubs: tuple[MergedPub, ...] = field(repr=False)
    num_rounds: int

    @property
    def circuits(self) -> list[QuantumCircuit]:
        """The circuits of all rounds in order, parameters bound."""
        bound = {
            r: p.circuit.assign_parameters(v) for p in self.pubs for r, v in zip(p.rounds, p.values, strict=True)
        }
        return [bound[r] for r in range(self.num_rounds)]

    def sampler_pubs(self, shots: int) -> list[tuple[Any, ...]]:
        """Return the PUBs for a V2 sampler."""
        return [(p.circuit, p.values, shots) for p in self.pubs]

    def portions(self, pub: MergedPub, most: int) -> list[tuple[QuantumCircuit, Floats]]:
        """Take one merged circuit apart into circuits of at most ``most`` qubits (or one job), for simulators.

        No gate joins two jobs, so the portions together have the distribution of the whole, as long as noise acts
        on each region by itself.

        Returns:
            Circuits on all qubits of the chip with their jobs' registers, and their parameters, shape (R, P').
        """
        groups: list[list[tuple[int, int]]] = []
        filled = most + 1
        for part in pub.parts:
            width = len(self.jobs[part[0]].layout)
            if filled + width > most:
                groups.append([])
                filled = 0
            groups[-1].append(part)
            filled += width
        if len(groups) == 1:
            return [(pub.circuit, pub.values)]
        place_of = {p.name: i for i, p in enumerate(pub.circuit.parameters)}
        found = []
        for group in groups:
            circuit, _ = _circuit(self.jobs, group, pub.circuit.num_qubits, barrier=False)
            found.append((circuit, pub.values[:, [place_of[p.name] for p in circuit.parameters]]))
        return found

    def split(
        self, data: Sequence[Any], shots: Mapping[str, int] | None = None
    ) -> dict[str, tuple[Floats, Floats]]:
        """Take the counts of a submission apart.

        Args:
            data: The ``data`` of each PUB result, one ``BitArray`` of shape (R,) per register.
            shots: Shots to use by job (the first ones); all by default. A job that asked for fewer shots than its
                neighbours thus gets the statistics it asked for.

        Returns:
            By job: ⟨H⟩ and its standard error, shapes (m_j,).

        Raises:
            InvalidInputError: If a register or a shot is missing.
        """
        sums = [np.full(len(p), job.constant) for job, p in zip(self.jobs, self.points, strict=True)]
        variances = [np.zeros(len(p)) for p in self.points]
        for pub, found in zip(self.pubs, data, strict=True):
            for j, b in pub.parts:
                job = self.jobs[j]
                array = _register(found, f"j{j}", job.name)
                wanted = array.shape[-2] if shots is None else shots.get(job.name, array.shape[-2])
                if not 0 < wanted <= array.shape[-2]:
                    raise invalid(f"shots of job {job.name!r}", wanted, f"must be 1 to {array.shape[-2]}")
                array = array.reshape(len(pub.rounds), *array.shape[-2:])
                for row, r in enumerate(pub.rounds):
                    mean, variance = job.bases[b].estimate(array[row, :wanted])
                    sums[j][r // len(job.bases)] += mean
                    variances[j][r // len(job.bases)] += variance
        return {job.name: (total, np.sqrt(v)) for job, total, v in zip(self.jobs, sums, variances, strict=True)}

    def combine(self, probabilities: Mapping[tuple[int, int], Floats]) -> dict[str, Floats]:
        """Return ⟨H⟩ by job, shapes (m_j,), from exact outcome probabilities by ``(round, job index)``."""
        sums = [np.full(len(p), job.constant) for job, p in zip(self.jobs, self.points, strict=True)]
        for (r, j), found in probabilities.items():
            bases = self.jobs[j].bases
            sums[j][r // len(bases)] += bases[r % len(bases)].exact(found)
        return {job.name: total for job, total in zip(self.jobs, sums, strict=True)}


def _register(data: Any, name: str, job: str) -> NDArray[np.uint8]:
    found = getattr(data, name, None)
    if found is None:
        raise InvalidInputError(
            f"the result of job {job!r} must hold register {name}, got none; run the step again"
        )
    return np.asarray(found.array, dtype=np.uint8)


def merge(
    jobs: Sequence[Placed], points: Sequence[Floats], device: Any, *, buffer: int = 0, barrier: bool = True
) -> MergedStep:
    """Merge jobs on disjoint regions into one circuit per round.

    Args:
        jobs: The placed jobs; the same job may be placed once.
        points: Parameters of each job, shapes (m_j, d_j).
        device: A snapshot, Target, backend or chip.
        buffer: Hops that must lie between two regions; 0 asks for disjoint regions only.
        barrier: Read all qubits out at the same moment. A backend that schedules as late as possible then starts
            short jobs late instead of letting them wait, and nobody's readout disturbs a neighbour's gates.

    Raises:
        InvalidInputError: If two regions meet or are closer than the buffer, a job would leave its region, or a
            gate is not in the device's instruction set; names the jobs.
    """
    chip = Chip.of(device)
    if len(jobs) != len(points) or not jobs:
        raise invalid("points", len(points), f"must be given for each of {len(jobs)} jobs")
    given = tuple(np.atleast_2d(np.asarray(p, dtype=np.float64)) for p in points)
    for job, p in zip(jobs, given, strict=True):
        if p.ndim != 2 or p.shape[1] != job.num_parameters or not np.all(np.isfinite(p)):
            raise invalid(f"points of job {job.name!r}", p.shape, f"must be finite, (m, {job.num_parameters})")
    _check_regions(jobs, chip, buffer)
    _check_gates(jobs, chip)
    rounds = max((len(p) * len(j.bases) for j, p in zip(jobs, given, strict=True)), default=0)
    by_parts: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for r in range(rounds):
        parts = tuple(
            (j, r % len(job.bases))
            for j, (job, p) in enumerate(zip(jobs, given, strict=True))
            if r < len(p) * len(job.bases)
        )
        by_parts.setdefault(parts, []).append(r)
    pubs = []
    for parts, held in by_parts.items():
        circuit, order = _circuit(jobs, parts, chip.num_qubits, barrier)
        flat = np.array(
            [np.concatenate([given[j][r // len(jobs[j].bases)] for j, _ in parts])[order] for r in held]
        ).reshape(len(held), len(order))
        pubs.append(MergedPub(circuit=circuit, values=flat, rounds=tuple(held), parts=parts))
    return MergedStep(jobs=tuple(jobs), points=given, pubs=tuple(pubs), num_rounds=rounds)


def _circuit(
    jobs: Sequence[Placed], parts: Sequence[tuple[int, int]], num_qubits: int, barrier: bool
) -> tuple[QuantumCircuit, list[int]]:
    """Compose the jobs; also return which entry of the jobs' concatenated points each merged parameter takes."""
    from qiskit import ClassicalRegister, QuantumCircuit
    from qiskit.circuit import Parameter

    merged = QuantumCircuit(num_qubits, name="merged")
    column: dict[Any, int] = {}
    for j, b in parts:
        job = jobs[j]
        fresh = [Parameter(f"j{j}_{k}") for k in range(job.num_parameters)]
        column.update({p: len(column) + k for k, p in enumerate(fresh)})
        renamed = job.circuit.assign_parameters(fresh)
        merged.compose(renamed, qubits=job.layout, inplace=True)
        merged.compose(job.bases[b].rotation, qubits=job.layout, inplace=True)
    read = [[jobs[j].layout[q] for q in jobs[j].bases[b].measured] for j, b in parts]
    if barrier:
        merged.barrier([q for one in read for q in one])
    for (j, _), qubits in zip(parts, read, strict=True):
        register = ClassicalRegister(len(qubits), f"j{j}")
        merged.add_register(register)
        merged.measure(qubits, register)
    return merged, [column[p] for p in merged.parameters]


def _check_regions(jobs: Sequence[Placed], chip: Chip, buffer: int) -> None:
    for i, a in enumerate(jobs):
        for b in jobs[:i]:
            if a.name == b.name:
                raise invalid("job name", a.name, "must be unique in a submission")
            near = int(chip.distance[np.ix_(a.layout, b.layout)].min())
            if near <= buffer:
                rule = "must be disjoint" if near == 0 else f"must have {buffer} qubits between them"
                raise invalid(f"regions of jobs {b.name!r} and {a.name!r}", (b.layout, a.layout), rule)


def _check_gates(jobs: Sequence[Placed], chip: Chip) -> None:
    """Every gate must lie on live couplers inside its job's region, in the device's own instruction set."""
    for job in jobs:
        circuit = job.circuit
        if circuit.num_qubits != len(job.layout):
            raise invalid(
                f"circuit of job {job.name!r}", circuit.num_qubits, f"must have {len(job.layout)} qubits"
            )
        place_of = {qubit: job.layout[i] for i, qubit in enumerate(circuit.qubits)}
        for item in circuit.data:
            name, where = item.operation.name, [place_of[q] for q in item.qubits]
            if name in _DIRECTIVES:
                continue
            if len(where) == 1:
                known = name in chip.log_one or name in {"delay", "reset"}
            else:
                table = chip.log_two.get(name)
                known = len(where) == 2 and table is not None and bool(table[where[0], where[1]] > -np.inf)
            if not known:
                raise invalid(
                    f"job {job.name!r}: gate {name} on qubits {where}",
                    circuit.name,
                    f"must be in the instruction set of {chip.name}",
                    "translate the job to its layout first",
                )
