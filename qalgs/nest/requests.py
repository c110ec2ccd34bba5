"""What the planners need to know about a job: where it fits, which ESP it wants when, how it moves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qalgs.errors import InfeasibleError, InvalidInputError, expect, invalid

from .chip import Chip
from .layouts import LayoutCatalogue
from .schedules import InvertedReLU, Schedule, make_schedule
from .walk import QubitWalk

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qalgs.backends import DeviceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One job as the planners see it.

    Attributes:
        name: The job.
        circuit: Its circuit.
        catalogue: Where the circuit fits.
        schedule: Its fidelity schedule, with numbers only.
        targets: Target ESP by cycle.
        walk: How it moves between cycles.
        evaluations: Evaluations per cycle, None if the job does not say.
        shots: Shots per evaluation and measurement basis, None if the job does not say.
        bases: Measurement bases per evaluation (qubit-wise commuting groups of its observable, 1 without one).
    """

    name: str
    circuit: QuantumCircuit = field(repr=False)
    catalogue: LayoutCatalogue = field(repr=False)
    schedule: Schedule
    targets: tuple[float, ...]
    walk: QubitWalk
    evaluations: int | None = None
    shots: int | None = None
    bases: int = 1

    @property
    def cycles(self) -> int:
        """Number of cycles."""
        return len(self.targets)

    @property
    def best(self) -> float:
        """The best ESP that the job reaches alone."""
        return float(self.catalogue.esp[0])


def as_requests(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    *,
    schedule: Schedule | str | None = None,
    walk: QubitWalk | None = None,
    catalogues: Mapping[str, LayoutCatalogue] | None = None,
    **options: Any,
) -> list[Request]:
    """Read jobs of any form and build one catalogue per distinct circuit.

    Args:
        jobs: Objects with ``.name`` and ``.circuit``; or circuits; or ``(name, circuit)`` pairs; or a mapping of
            names to any of these. A job's own ``schedule``, ``walk`` or ``strategy`` wins over the arguments.
        snapshot: The device.
        schedule: For jobs that bring none; :class:`InvertedReLU` by default.
        walk: For jobs that bring none; ``QubitWalk()`` by default.
        catalogues: Ready catalogues by job name.
        options: Passed to :meth:`LayoutCatalogue.for_circuit`.

    Raises:
        InfeasibleError: If a job fits nowhere; the message names it.
        InvalidInputError: If there is no job, a name comes twice, or a job has no circuit.
        TypeError: If there is no option of a name, also where every catalogue is ready.
    """
    _check_options(options)
    expect(Schedule, str, type(None), schedule=schedule)
    expect(Mapping, type(None), catalogues=catalogues)
    expect(QubitWalk, type(None), walk=walk)
    Chip.of(snapshot)
    ready = dict(catalogues or {})
    known: dict[tuple[object, ...], LayoutCatalogue] = {}
    requests: list[Request] = []
    for name, job in _named(jobs):
        circuit = getattr(job, "circuit", job)
        if not hasattr(circuit, "num_qubits") or not hasattr(circuit, "data"):
            raise invalid(f"job {name!r}", type(job).__name__, "must be a circuit or have one")
        key = structure(circuit)
        catalogue = ready.get(name) or known.get(key)
        if catalogue is None:
            try:
                catalogue = LayoutCatalogue.for_circuit(circuit, snapshot, **options)
            except InvalidInputError as error:
                raise type(error)(f"job {name!r}: {error}") from error
        known[key] = catalogue
        requests.append(_request(name, job, circuit, catalogue, schedule, walk))
    if not requests:
        raise InvalidInputError("jobs must hold at least one job, got none")
    return requests


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that :meth:`LayoutCatalogue.for_circuit` does not have."""
    parameters = inspect.signature(LayoutCatalogue.for_circuit).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise TypeError(
                f"got an unexpected keyword argument {name!r}; options of layouts are {', '.join(known)}"
            )


def structure(circuit: QuantumCircuit) -> tuple[object, ...]:
    """Return a key that circuits share when they differ in the names of their parameters alone."""
    seen: dict[object, int] = {}
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    rows: list[object] = [circuit.num_qubits]
    for instruction in circuit.data:
        operation = instruction.operation
        marks: list[object] = []
        for value in operation.params:
            if isinstance(value, int | float | complex):
                marks.append(value)
            elif hasattr(value, "name") and hasattr(value, "uuid"):
                marks.append(("p", seen.setdefault(value, len(seen))))
            else:
                marks.append(str(value))
        plain = getattr(operation, "_standard_gate", None) is not None
        inner = (
            None if plain or getattr(operation, "definition", None) is None else structure(operation.definition)
        )
        rows.append((operation.name, tuple(place[q] for q in instruction.qubits), tuple(marks), inner))
    return tuple(rows)


def count_bases(observable: Any) -> int:
    """Return the number of measurement bases: qubit-wise commuting groups of the terms, at least 1."""
    if observable is None or not hasattr(observable, "paulis"):
        return 1
    paulis = observable.paulis
    terms = paulis[(paulis.x | paulis.z).any(axis=1)]
    return max(1, len(terms.group_commuting(qubit_wise=True))) if len(terms) else 1


def _named(jobs: Sequence[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if isinstance(jobs, Mapping):
        named = [(str(name), job) for name, job in jobs.items()]
    else:
        if isinstance(jobs, str) or not hasattr(jobs, "__iter__") or hasattr(jobs, "data"):
            raise invalid("jobs", type(jobs).__name__, "must be a sequence of jobs")
        named = []
        for i, job in enumerate(jobs):
            if isinstance(job, tuple) and len(job) == 2 and isinstance(job[0], str):
                named.append(job)
            else:
                is_circuit = not hasattr(job, "circuit")
                named.append((f"job{i}" if is_circuit else str(getattr(job, "name", f"job{i}")), job))
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise invalid("jobs", name, "must have distinct names", "rename one of them")
    return named


def _request(
    name: str,
    job: Any,
    circuit: QuantumCircuit,
    catalogue: LayoutCatalogue,
    schedule: Schedule | str | None,
    walk: QubitWalk | None,
) -> Request:
    strategy = getattr(job, "strategy", None)
    own = getattr(job, "schedule", None) or getattr(strategy, "schedule", None)
    chosen = own if own is not None else (schedule if schedule is not None else InvertedReLU())
    cycles = getattr(job, "cycles", None)
    if isinstance(chosen, str):
        chosen = make_schedule(chosen, **({"cycles": cycles} if cycles else {}))
    elif cycles and own is None and schedule is None:
        chosen = InvertedReLU(cycles)
    try:
        targets = tuple(chosen.targets(catalogue))
        numbers = chosen.resolved(catalogue)
    except InfeasibleError:
        raise
    except InvalidInputError as error:
        raise InvalidInputError(f"job {name!r}: {error}") from error
    return Request(
        name=name,
        circuit=circuit,
        catalogue=catalogue,
        schedule=numbers,
        targets=targets,
        walk=getattr(job, "walk", None) or getattr(strategy, "walk", None) or walk or QubitWalk(),
        evaluations=getattr(job, "evaluations", None),
        shots=getattr(job, "shots", None),
        bases=count_bases(getattr(job, "observable", None)),
    )
