"""Calibration moves: plans are checked against every new snapshot and revised where they must be, with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

from qalgs.errors import InfeasibleError, expect, invalid
from qalgs.results import Result

from .chip import Chip
from .layouts import LayoutCatalogue
from .requests import Request, structure
from .space_time import plan
from .space_time_greedy import greedy_slots
from .space_time_model import Bound, build_problem
from .space_time_plan import Assignment, Plan, make_plan
from .success import gate_counts
from .translate import to_layout

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change(Result):
    """One cycle that runs elsewhere or at another time than planned.

    Attributes:
        job: The job.
        cycle: Its cycle.
        old_slot: When it was to run.
        new_slot: When it runs now.
        old_layout: Where it was to run.
        new_layout: Where it runs now.
        old_esp: What the old place promised.
        drifted_esp: What the old place gives under the new calibration.
        new_esp: What the new place gives.
        reason: Why.
    """

    job: str
    cycle: int
    old_slot: int
    new_slot: int
    old_layout: tuple[int, ...]
    new_layout: tuple[int, ...]
    old_esp: float
    drifted_esp: float
    new_esp: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Revision(Result):
    """What a new snapshot did to a plan.

    Attributes:
        at_slot: First slot that runs under the new calibration.
        changed: Whether anything moved.
        reason: The summary in one sentence.
        changes: The cycles that moved.
        plan: The plan from now on; cycles before ``at_slot`` are as they were.
    """

    at_slot: int
    changed: bool
    reason: str
    changes: tuple[Change, ...]
    plan: Plan = field(repr=False)


def revise(made: Plan, snapshot: DeviceSnapshot, at_slot: int, *, rounds: int = 24, seed: int = 0) -> Revision:
    """Check the rest of a plan against a new calibration and replan it if a floor is broken.

    The floors move with the calibration: the last cycle must reach f times the job's best ESP *now*. While every
    remaining cycle still meets its floor the plan stands and only its ESPs are updated; otherwise all remaining
    cycles are planned again from where the jobs are.

    Args:
        made: The plan.
        snapshot: The new calibration of the same device.
        at_slot: First slot that runs under it.
        rounds: Constructions of the greedy search.
        seed: Seed of the search.

    Returns:
        What moved, and the plan from now on.

    Raises:
        InvalidInputError: If the slot or the device does not fit the plan.
        InfeasibleError: If a job finds no place any more; the message names it.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> from qalgs.nest import plan
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> revise(plan({"a": hardware_efficient(2, 1)}, manila), manila, at_slot=3).changed
        False
    """
    expect(Plan, made=made)
    expect(Integral, at_slot=at_slot, rounds=rounds)
    chip = Chip.of(snapshot)
    if chip.num_qubits != made.chip.num_qubits:
        raise invalid("snapshot", chip.name, f"must be of the plan's device with {made.chip.num_qubits} qubits")
    if not 0 <= at_slot <= made.slots:
        raise invalid("at_slot", at_slot, f"must be between 0 and {made.slots}")
    done = {r.name: sum(a.slot < at_slot for a in made.of(r.name)) for r in made.requests}
    requests = _updated(made, snapshot)
    rest = [replace(r, targets=r.targets[done[r.name] :]) for r in requests if done[r.name] < r.cycles]
    if not rest:
        return Revision(at_slot=at_slot, changed=False, reason="nothing is left to run", changes=(), plan=made)
    lengths = [made.of(r.name)[0].length for r in rest]
    problem = build_problem(rest, chip, made.reach, made.fidelity, lengths)
    floors = _floors(made, requests)
    drifted, broken = _check(made, requests, floors, at_slot)
    if not broken:
        kept = _with_esp(made, requests, drifted, at_slot)
        return Revision(
            at_slot=at_slot,
            changed=False,
            reason=f"all {len(drifted)} remaining cycles still meet their floors",
            changes=(),
            plan=kept,
        )
    slots = greedy_slots(problem, rounds=rounds, walk_only=made.walk_only, seed=seed)
    before = {r.name: tuple(made.of(r.name)[done[r.name] - 1].layout) for r in rest if done[r.name]}
    tail = make_plan(
        problem,
        slots,
        bound=Bound(
            slots=max(r.cycles * n for r, n in zip(rest, lengths, strict=True)),
            reason="the job with the most time left",
        ),
        status=made.status,
        buffer=made.buffer,
        crosstalk=made.model,
        cost=made.cost,
        planner=made.planner,
        jumps=not made.walk_only,
        objective=made.objective,
        seed=made.seed,
        pace=made.pace,
        slot_circuits=made.slot_circuits,
        before=before,
    )
    revised = _joined(made, tail, requests, done, at_slot)
    return _report(made, revised, drifted, broken, at_slot)


def plan_with_drift(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshots: Sequence[tuple[int, DeviceSnapshot]],
    buffer: int = 1,
    crosstalk: Any = None,
    **options: Any,
) -> tuple[Plan, list[Revision]]:
    """Plan under the first snapshot and revise at every later one.

    Args:
        jobs: The jobs.
        snapshots: Pairs of the first slot and the calibration from then on; the first pair starts at slot 0.
        buffer: Idle qubits between two jobs.
        crosstalk: A crosstalk model.
        options: Passed to :func:`plan`.

    Returns:
        The final plan and one revision per later snapshot.

    Raises:
        InvalidInputError: If the snapshots do not start at slot 0 with rising slots.
        InfeasibleError: If a job finds no place.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> made, revisions = plan_with_drift({"a": hardware_efficient(2, 1)}, [(0, manila), (2, manila)])
        >>> made.slots, [revision.changed for revision in revisions]
        (6, [False])
    """
    expect(Sequence, snapshots=snapshots)
    for pair in snapshots:
        expect(tuple, list, snapshots=pair)
    if not snapshots or snapshots[0][0] != 0:
        raise invalid("snapshots", [s for s, _ in snapshots], "must start with slot 0")
    starts = [slot for slot, _ in snapshots]
    if starts != sorted(set(starts)):
        raise invalid("snapshots", starts, "must have rising slots")
    made = plan(jobs, snapshots[0][1], buffer, crosstalk, **options)
    revisions = []
    for slot, snapshot in snapshots[1:]:
        if slot > made.slots:
            break
        revision = revise(made, snapshot, slot)
        revisions.append(revision)
        made = revision.plan
    return made, revisions


def _updated(made: Plan, snapshot: DeviceSnapshot) -> list[Request]:
    """The same requests with catalogues of the new calibration; targets keep their shape relative to the best."""
    known: dict[tuple[object, ...], LayoutCatalogue] = {}
    found = []
    for request in made.requests:
        key = structure(request.circuit)
        if key not in known:
            try:
                known[key] = LayoutCatalogue.for_circuit(request.circuit, snapshot)
            except InfeasibleError as error:
                raise InfeasibleError(f"job {request.name!r}: {error}") from error
        scale = float(known[key].esp[0]) / request.best
        targets = tuple(min(1.0, t * scale) for t in request.targets)
        found.append(replace(request, catalogue=known[key], targets=targets))
    return found


def _floors(made: Plan, requests: Sequence[Request]) -> dict[str, list[float]]:
    floors = {}
    for old, new in zip(made.requests, requests, strict=True):
        floors[old.name] = [a.floor * new.best / old.best for a in made.of(old.name)]
    return floors


def _check(
    made: Plan, requests: Sequence[Request], floors: Mapping[str, Sequence[float]], at_slot: int
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], str]]:
    """ESPs of the remaining cycles under the new calibration, and why some of them break their floor."""
    drifted, broken = {}, {}
    for old, new in zip(made.requests, requests, strict=True):
        scores = None
        for a in made.of(old.name):
            if a.slot < at_slot:
                continue
            if scores is None:
                scores = old.catalogue.rescored(new.catalogue.chip)
            now = float(scores[old.catalogue.index(a.layout)])
            drifted[a.job, a.cycle] = now
            if now < floors[a.job][a.cycle] - 1e-9:
                broken[a.job, a.cycle] = (
                    f"ESP of {list(a.layout)} moved from {a.esp:.4f} to {now:.4f}, below its floor "
                    f"{floors[a.job][a.cycle]:.4f}: {_blame(old, new, a)}"
                )
    return drifted, broken


def _blame(old: Request, new: Request, a: Assignment) -> str:
    """The calibration entry whose change costs the layout most, or the better best that raised the floor."""
    before, after = old.catalogue.chip, new.catalogue.chip
    layout = tuple(a.layout)
    for i, p in enumerate(layout):
        for q in layout[i + 1 :]:
            if before.kind[p, q] >= 0 and after.kind[p, q] < 0:
                return f"coupler {p}-{q} died"
    worst, text = -1e-12, f"the best ESP elsewhere rose from {old.best:.4f} to {new.best:.4f}"
    for (name, qubits), count in gate_counts(to_layout(old.circuit, before, layout), before.dt).items():
        where = tuple(layout[i] for i in qubits)
        tables = [(c.log_one if len(where) == 1 else c.log_two).get(name) for c in (before, after)]
        if tables[0] is None or tables[1] is None:
            continue
        was, now = (float(t[where]) for t in tables if t is not None)
        if count * (now - was) < worst:
            worst = count * (now - was)
            text = f"error of {name} {where} went from {-math.expm1(was):.2e} to {-math.expm1(now):.2e}"
    for q in layout:
        was, now = float(before.log_readout[q]), float(after.log_readout[q])
        if now - was < worst:
            worst = now - was
            text = f"readout error of qubit {q} went from {-math.expm1(was):.2e} to {-math.expm1(now):.2e}"
    return text


def _with_esp(
    made: Plan, requests: Sequence[Request], drifted: Mapping[tuple[str, int], float], at_slot: int
) -> Plan:
    floors = _floors(made, requests)
    moved = tuple(
        a if a.slot < at_slot else replace(a, esp=drifted[a.job, a.cycle], floor=floors[a.job][a.cycle])
        for a in made.assignments
    )
    return replace(made, assignments=moved, requests=tuple(requests), chip=requests[0].catalogue.chip)


def _joined(made: Plan, tail: Plan, requests: Sequence[Request], done: Mapping[str, int], at_slot: int) -> Plan:
    past = tuple(a for a in made.assignments if a.slot < at_slot)
    # Cycles that are under way end where they are, before anyone moves to a new place.
    start = max([at_slot, *(a.until for a in past)])
    future = tuple(replace(a, slot=a.slot + start, cycle=a.cycle + done[a.job]) for a in tail.assignments)
    everything = past + future
    slots = start + tail.slots
    by_name = {r.name: r for r in requests}
    loads = [
        made.cost.load(by_name[a.job], a.slot, _duration(made, by_name[a.job], a), a.length) for a in everything
    ]
    used = made.cost.usage(loads, made.chip.num_qubits, made.pace)
    bound = max(made.bound, start + tail.bound) if made.bound <= slots else slots
    return replace(
        made,
        assignments=everything,
        slots=slots,
        bound=min(bound, slots),
        bound_reason=f"{made.bound_reason}; slots before {at_slot} are past",
        gap=max(0.0, (slots - bound) / slots),
        device_seconds=used.device_seconds,
        jumps=sum(a.jump for a in everything),
        usage=used,
        requests=tuple(requests),
        chip=tail.chip,
    )


def _duration(made: Plan, request: Request, a: Assignment) -> float:
    for catalogue in (request.catalogue, next(r for r in made.requests if r.name == a.job).catalogue):
        rows = (catalogue.maps == list(a.layout)).all(axis=1).nonzero()[0]
        if len(rows):
            return float(catalogue.duration[rows[0]])
    raise invalid("layout", list(a.layout), "must be in a catalogue of the job")


def _report(
    made: Plan,
    revised: Plan,
    drifted: Mapping[tuple[str, int], float],
    broken: Mapping[tuple[str, int], str],
    at_slot: int,
) -> Revision:
    old = {(a.job, a.cycle): a for a in made.assignments}
    changes = []
    for a in revised.assignments:
        was = old[a.job, a.cycle]
        if a.slot < at_slot or (a.slot == was.slot and tuple(a.layout) == tuple(was.layout)):
            continue
        reason = broken.get((a.job, a.cycle), "made room for cycles whose floor broke")
        changes.append(
            Change(
                job=a.job,
                cycle=a.cycle,
                old_slot=was.slot,
                new_slot=a.slot,
                old_layout=tuple(was.layout),
                new_layout=tuple(a.layout),
                old_esp=was.esp,
                drifted_esp=drifted[a.job, a.cycle],
                new_esp=a.esp,
                reason=reason,
            )
        )
    first = next(iter(broken))
    return Revision(
        at_slot=at_slot,
        changed=True,
        reason=(
            f"{len(broken)} of {len(drifted)} remaining cycles break their floor; "
            f"first: job {first[0]!r}, cycle {first[1] + 1}: {broken[first]}"
        ),
        changes=tuple(changes),
        plan=revised,
    )
