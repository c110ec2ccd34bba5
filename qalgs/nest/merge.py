"""Many jobs in one circuit: co-located jobs share a submission, and their counts are taken apart again.

Each job is translated to its own region of the chip alone and routed inside it, so that its gates are the same
whether it runs by itself or in company. In *round* ``r`` of a step every job contributes its ``r``-th pair of
(point, measurement basis); the rounds of a step are as many as the longest job needs, and a job that has finished
stays out of the remaining rounds. Bases are groups of qubit-wise commuting Pauli terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, as_array, expect, invalid

from .chip import Chip, Floats
from .placed import Placed, place, placed_from_isa

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["MergedPub", "MergedStep", "Placed", "merge", "place", "placed_from_isa"]

_DIRECTIVES = frozenset({"barrier"})
_MOST_KEPT = 500


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
        num_rounds: Executions of ``shots`` each: the largest number of circuits of a job.
        spans: First and last (exclusive) circuit of each job, of its ``m_j · bases_j``, points one after another.
        cache: Circuits that were built before for the same placed jobs.
    """

    jobs: tuple[Placed, ...]
    points: tuple[Floats, ...] = field(repr=False)
    pubs: tuple[MergedPub, ...] = field(repr=False)
    num_rounds: int
    spans: tuple[tuple[int, int], ...]
    cache: dict[Any, Any] = field(repr=False)

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
            circuit, _ = _circuit(self.jobs, group, pub.circuit.num_qubits, False, self.cache)
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
            By job: ⟨H⟩ and its standard error, shapes (m_j,). Of a point whose bases are not all here, the part
            that they contribute; the identity belongs to the first basis.

        Raises:
            InvalidInputError: If a register or a shot is missing.
        """
        sums = self._constants()
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
                    point = (self.spans[j][0] + r) // len(job.bases)
                    sums[j][point] += mean
                    variances[j][point] += variance
        return {job.name: (total, np.sqrt(v)) for job, total, v in zip(self.jobs, sums, variances, strict=True)}

    def combine(self, probabilities: Mapping[tuple[int, int], Floats]) -> dict[str, Floats]:
        """Return ⟨H⟩ by job, shapes (m_j,), from exact outcome probabilities by ``(round, job index)``."""
        sums = self._constants()
        for (r, j), found in probabilities.items():
            bases = self.jobs[j].bases
            point, basis = divmod(self.spans[j][0] + r, len(bases))
            sums[j][point] += bases[basis].exact(found)
        return {job.name: total for job, total in zip(self.jobs, sums, strict=True)}

    def _constants(self) -> list[Floats]:
        """The identity's part of every point whose first basis is here."""
        sums = []
        for job, points, (first, last) in zip(self.jobs, self.points, self.spans, strict=True):
            count = len(job.bases)
            here = [not count or first <= k * count < last for k in range(len(points))]
            sums.append(np.where(here, job.constant, 0.0))
        return sums


def _register(data: Any, name: str, job: str) -> NDArray[np.uint8]:
    found = getattr(data, name, None)
    if found is None:
        raise InvalidInputError(
            f"the result of job {job!r} must hold register {name}, got none; run the step again"
        )
    return np.asarray(found.array, dtype=np.uint8)


def merge(
    jobs: Sequence[Placed],
    points: Sequence[Floats],
    device: Any,
    *,
    buffer: int = 0,
    barrier: bool = True,
    cache: dict[Any, Any] | None = None,
    spans: Sequence[tuple[int, int]] | None = None,
) -> MergedStep:
    """Merge jobs on disjoint regions into one circuit per round.

    Args:
        jobs: The placed jobs; the same job may be placed once.
        points: Parameters of each job, shapes (m_j, d_j).
        device: A snapshot, Target, backend or chip.
        buffer: Hops that must lie between two regions; 0 asks for disjoint regions only.
        barrier: Read all qubits out at the same moment. A backend that schedules as late as possible then starts
            short jobs late instead of letting them wait, and nobody's readout disturbs a neighbour's gates.
        cache: Keeps checks and circuits from call to call; pass the same dictionary for the same device.
        spans: First and last (exclusive) circuit of each job to run, of its ``m_j · bases_j``; all by default.

    Returns:
        The circuits of one submission, and how to read their counts.

    Raises:
        InvalidInputError: If two regions meet or are closer than the buffer, a job would leave its region, or a
            gate is not in the device's instruction set; names the jobs.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> from qalgs.nest import place
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> spots = {"a": [0, 1], "b": [3, 4]}
        >>> jobs = [place(name, hardware_efficient(2, 1), tfim(2), q, manila) for name, q in spots.items()]
        >>> merge(jobs, [np.zeros((1, 4))] * 2, manila, buffer=1).num_rounds
        2
    """
    chip = Chip.of(device, "device")
    expect(dict, type(None), cache=cache)
    given = _points(jobs, points)
    held_by = _spans(jobs, given, spans)
    kept: dict[Any, Any] = {} if cache is None else cache
    if len(kept) > _MOST_KEPT:
        kept.clear()
    together = (*(id(job) for job in jobs), buffer)
    if together not in kept:
        _check_regions(jobs, chip, buffer)
        _check_gates(jobs, chip)
        # The jobs are kept with their entry: an id is only unique among the living.
        kept[together] = tuple(jobs)
    pubs = []
    for parts, held in _rounds_by_parts(jobs, held_by).items():
        circuit, order = _circuit(jobs, parts, chip.num_qubits, barrier, kept)
        flat = np.array(
            [
                np.concatenate([given[j][(held_by[j][0] + r) // len(jobs[j].bases)] for j, _ in parts])[order]
                for r in held
            ]
        ).reshape(len(held), len(order))
        pubs.append(MergedPub(circuit=circuit, values=flat, rounds=tuple(held), parts=parts))
    return MergedStep(
        jobs=tuple(jobs),
        points=given,
        pubs=tuple(pubs),
        num_rounds=_num_rounds(held_by),
        spans=tuple(held_by),
        cache=kept,
    )


def _points(jobs: Sequence[Placed], points: Sequence[Floats]) -> tuple[Floats, ...]:
    """Return the parameters of each job as a finite array of shape (m_j, d_j)."""
    expect(Sequence, jobs=jobs)
    for i, job in enumerate(jobs):
        expect(Placed, **{f"jobs[{i}]": job})
    expect(Sequence, np.ndarray, points=points)
    if len(jobs) != len(points) or not jobs:
        raise invalid("points", len(points), f"must be given for each of {len(jobs)} jobs")
    given = tuple(
        np.atleast_2d(as_array(f"points of job {job.name!r}", p)) for job, p in zip(jobs, points, strict=True)
    )
    for job, p in zip(jobs, given, strict=True):
        if p.ndim != 2 or p.shape[1] != job.num_parameters or not np.all(np.isfinite(p)):
            raise invalid(f"points of job {job.name!r}", p.shape, f"must be finite, (m, {job.num_parameters})")
    return given


def _spans(
    jobs: Sequence[Placed], points: Sequence[Floats], spans: Sequence[tuple[int, int]] | None
) -> list[tuple[int, int]]:
    """Return the first and last (exclusive) circuit of each job: what was asked for, as far as there are any."""
    whole = [(0, len(p) * len(job.bases)) for job, p in zip(jobs, points, strict=True)]
    if spans is None:
        return whole
    expect(Sequence, spans=spans)
    if len(spans) != len(jobs):
        raise invalid("spans", len(spans), f"must be given for each of {len(jobs)} jobs")
    for i, span in enumerate(spans):
        if not isinstance(span, Sequence) or len(span) != 2:
            raise invalid(f"spans[{i}]", span, "must be a pair: first and last circuit")
        expect(Integral, **{f"spans[{i}][0]": span[0], f"spans[{i}][1]": span[1]})
    return [(lo, min(hi, most)) for (lo, hi), (_, most) in zip(spans, whole, strict=True)]


def _num_rounds(spans: Sequence[tuple[int, int]]) -> int:
    return max((hi - lo for lo, hi in spans), default=0)


def _rounds_by_parts(
    jobs: Sequence[Placed], spans: Sequence[tuple[int, int]]
) -> dict[tuple[tuple[int, int], ...], list[int]]:
    """Group the rounds in which the same jobs take part in the same bases: they share one merged circuit."""
    found: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for r in range(_num_rounds(spans)):
        parts = tuple(
            (j, (lo + r) % len(job.bases))
            for j, (job, (lo, hi)) in enumerate(zip(jobs, spans, strict=True))
            if lo + r < hi
        )
        found.setdefault(parts, []).append(r)
    return found


def _circuit(
    jobs: Sequence[Placed],
    parts: Sequence[tuple[int, int]],
    num_qubits: int,
    barrier: bool,
    cache: dict[Any, Any],
) -> tuple[QuantumCircuit, list[int]]:
    """Compose the jobs once; also return which entry of their concatenated points each parameter takes."""
    key = (tuple((j, id(jobs[j]), b) for j, b in parts), num_qubits, barrier)
    found = cache.get(key)
    if found is None:
        held = [jobs[j] for j, _ in parts]
        found = cache[key] = (held, *_compose(jobs, parts, num_qubits, barrier))
    return found[1], found[2]


def _compose(
    jobs: Sequence[Placed], parts: Sequence[tuple[int, int]], num_qubits: int, barrier: bool
) -> tuple[QuantumCircuit, list[int]]:
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
