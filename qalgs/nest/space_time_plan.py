"""A finished plan: assignments, what they cost, how far from optimal they can be, and a check of every rule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qalgs.errors import invalid
from qalgs.results import Result, Status

from .chip import Chip
from .costs import CostModel
from .crosstalk import Crosstalk
from .layouts import Layout, LayoutCatalogue
from .regions import clashes
from .requests import Request
from .space_time_greedy import Slots
from .space_time_model import SLACK, Bound, Problem
from .space_time_settle import settle_regions
from .usage import Load, Pace, Usage

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assignment(Result):
    """One cycle of one job.

    Attributes:
        job: The job.
        cycle: Its cycle, from 0.
        slot: When it begins, from 0.
        length: Slots that it lasts.
        layout: Physical qubit by logical qubit.
        esp: ESP there, true under the plan's crosstalk model.
        floor: Smallest ESP that would do.
        moved: Physical qubits that the job did not hold in its previous cycle.
        reassigned: Logical qubits that sit elsewhere than in the previous cycle.
        jump: Whether more than one physical qubit is new.
    """

    job: str
    cycle: int
    slot: int
    layout: Layout
    esp: float
    floor: float
    moved: tuple[int, ...]
    reassigned: tuple[int, ...]
    jump: bool
    length: int = 1

    @property
    def until(self) -> int:
        """The first slot after it."""
        return self.slot + self.length


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan(Result):
    """A joint space-time plan.

    Attributes:
        device: Name of the device.
        buffer: Idle qubits between two jobs, in every slot.
        crosstalk: The model that the ESPs hold under.
        objective: What was optimised.
        planner: Who planned.
        status: CONVERGED if the plan is proved optimal in slots, BUDGET if the gap is open.
        fidelity: Fraction f of the best solo ESP that every last cycle reaches.
        slots: Number of slots.
        slot_circuits: Circuits of one job in one slot; 0 where jobs wait for each other after every evaluation, so
            that a slot lasts as long as the slowest cycle in it.
        pace: "own" if every job asks again as soon as its evaluation is complete, "together" if jobs wait.
        bound: No plan at this fidelity has fewer slots.
        bound_reason: Why.
        gap: ``(slots - bound) / slots``.
        device_seconds: Machine time of the plan.
        bound_seconds: No plan at this fidelity takes less, at this pace.
        bound_seconds_reason: Why.
        serial_seconds: Machine time of the same evaluations one job after another, each on its best layout.
        jumps: Cycles reached by a jump.
        assignments: All cycles, by slot.
        usage: Seconds, shots and money in detail.
        seed: Seed of the search.
    """

    device: str
    buffer: int
    crosstalk: dict[str, Any]
    objective: str
    planner: str
    status: Status
    fidelity: float
    slots: int
    slot_circuits: int
    pace: Pace
    bound: int
    bound_reason: str
    gap: float
    device_seconds: float
    bound_seconds: float
    bound_seconds_reason: str
    serial_seconds: float
    jumps: int
    assignments: tuple[Assignment, ...]
    usage: Usage
    seed: int
    reach: int = field(repr=False)
    walk_only: bool = field(repr=False)
    chip: Chip = field(repr=False)
    requests: tuple[Request, ...] = field(repr=False)
    cost: CostModel = field(repr=False)
    model: Crosstalk = field(repr=False)

    @property
    def speedup(self) -> float:
        """``serial_seconds / device_seconds``."""
        return self.serial_seconds / self.device_seconds

    @property
    def most_speedup(self) -> float:
        """``serial_seconds / bound_seconds``: no plan is faster."""
        return self.serial_seconds / self.bound_seconds

    @property
    def final_ratio(self) -> float:
        """The smallest ESP of a last cycle over the job's best solo ESP."""
        best = {r.name: r.best for r in self.requests}
        last = {r.name: r.cycles - 1 for r in self.requests}
        return min(a.esp / best[a.job] for a in self.assignments if a.cycle == last[a.job])

    def at(self, slot: int) -> dict[str, Assignment]:
        """Return what runs in a slot, by job."""
        return {a.job: a for a in self.assignments if a.slot <= slot < a.until}

    @property
    def changes(self) -> list[int]:
        """The slots in which a job begins a cycle."""
        return sorted({a.slot for a in self.assignments})

    def of(self, job: str) -> list[Assignment]:
        """Return the cycles of a job in order."""
        found = sorted((a for a in self.assignments if a.job == job), key=lambda a: a.cycle)
        if not found:
            raise invalid("job", job, f"must be one of the plan's {len(self.requests)} jobs")
        return found

    def neighbours(self, job: str, cycle: int) -> list[Layout]:
        """Return the layouts of the jobs that run beside a cycle of a job."""
        here = self.of(job)[cycle]
        return [a.layout for a in self.assignments if a.slot < here.until and here.slot < a.until and a.job != job]

    def utilisation(self) -> list[float]:
        """Return the fraction of the chip's qubits that compute, by slot."""
        held = [0] * self.slots
        for a in self.assignments:
            for slot in range(a.slot, a.until):
                held[slot] += len(a.layout)
        return [qubits / self.chip.num_qubits for qubits in held]

    def violations(self) -> list[str]:
        """Replay the plan and return every broken rule as a sentence; empty for a valid plan."""
        broken = []
        for slot in self.changes:
            layouts = {job: a.layout for job, a in self.at(slot).items()}
            for one, other, hops in clashes(self.chip, layouts, self.buffer):
                broken.append(f"slot {slot}: {one!r} and {other!r} are {hops} hops apart")
        for request in self.requests:
            cycles = [a for a in self.assignments if a.job == request.name]
            cycles.sort(key=lambda a: a.slot)
            if [a.cycle for a in cycles] != list(range(request.cycles)):
                broken.append(f"job {request.name!r}: cycles {[a.cycle for a in cycles]} are out of order")
            if any(before.until > after.slot for before, after in itertools.pairwise(cycles)):
                broken.append(f"job {request.name!r}: two cycles in one slot")
            for before, after in itertools.pairwise(cycles):
                new = set(after.layout) - set(before.layout)
                if (len(new) > 1) != after.jump or (self.walk_only and after.jump):
                    broken.append(
                        f"job {request.name!r}, cycle {after.cycle}: a jump is not recorded or not allowed"
                    )
            for a in cycles:
                if a.esp < a.floor - 1e-6:
                    broken.append(f"job {request.name!r}, cycle {a.cycle}: ESP {a.esp:.4f} is below {a.floor:.4f}")
            if cycles and cycles[-1].esp < self.fidelity * request.best - 1e-6:
                broken.append(f"job {request.name!r}: the last cycle misses {self.fidelity:g} of the best ESP")
        return broken

    def table(self) -> list[dict[str, object]]:
        """Return one record per job: slots, first and last ESP, ratio to the best, jumps, seconds, money."""
        seconds = self.usage.shares["device_seconds"]
        rows: list[dict[str, object]] = []
        for request in self.requests:
            cycles = self.of(request.name)
            rows.append(
                {
                    "job": request.name,
                    "qubits": request.catalogue.num_qubits,
                    "slots": [s for a in cycles for s in range(a.slot, a.until)],
                    "first_esp": cycles[0].esp,
                    "last_esp": cycles[-1].esp,
                    "best_esp": request.best,
                    "ratio": cycles[-1].esp / request.best,
                    "jumps": sum(a.jump for a in cycles),
                    "moved": sum(len(a.moved) for a in cycles[1:]),
                    "device_seconds": seconds[request.name],
                    "cost": self.usage.shares["cost"][request.name],
                }
            )
        return rows

    def plot_gantt(self, ax: Axes | None = None) -> Axes:
        """Draw jobs over slots; colour is the ESP over the job's best, a circle marks a jump."""
        from .space_time_charts import gantt

        return gantt(self, ax)

    def plot_chip(self, slot: int = 0, ax: Axes | None = None) -> Axes:
        """Draw the chip with the layouts of one slot."""
        from .charts import chip_map

        layouts = {job: a.layout for job, a in self.at(slot).items()}
        return chip_map(self.chip, layouts, ax=ax, title=f"{self.device}, slot {slot + 1} of {self.slots}")

    def plot_targets(self, ax: Axes | None = None) -> Axes:
        """Draw the achieved ESP over the job's best by slot, with the floors dashed."""
        from .space_time_charts import targets

        return targets(self, ax)


def make_plan(
    problem: Problem,
    slots: Slots,
    *,
    bound: Bound,
    status: Status,
    buffer: int,
    crosstalk: Crosstalk,
    cost: CostModel,
    planner: str,
    jumps: bool,
    objective: str,
    seed: int,
    pace: Pace = "own",
    slot_circuits: int = 0,
    raised: Problem | None = None,
    before: Mapping[str, Sequence[int]] | None = None,
) -> Plan:
    """Settle the regions of a plan on layouts and compute its costs.

    Args:
        problem: What was planned.
        slots: Who runs when, on which region.
        bound: The lower bound on the slots.
        status: Whether it is met.
        buffer: As asked for.
        crosstalk: The model.
        cost: The cost model.
        planner: Who planned.
        jumps: Whether jumps are allowed.
        objective: What was optimised.
        seed: Seed of the search.
        pace: Whether jobs wait for each other after every evaluation.
        slot_circuits: Circuits of one job in one slot at its own pace.
        raised: The problem with higher floors that the plan meets, too.
        before: Where jobs stood before the first slot, when a plan is revised.
    """
    settled = settle_regions(raised or problem, slots, walk_only=not jumps, before=before)
    assignments = _assign(problem, settled, dict(before or {}))
    used = cost.usage(_loads(problem, settled, cost), problem.chip.num_qubits, pace)
    least, reason = least_seconds(problem.requests, bound, cost, pace, slot_circuits)
    return Plan(
        device=problem.chip.name,
        buffer=buffer,
        crosstalk=crosstalk.describe(),
        objective=objective,
        planner=planner,
        status=status,
        fidelity=problem.fidelity,
        slots=len(slots),
        slot_circuits=slot_circuits,
        pace=pace,
        bound=bound.slots,
        bound_reason=bound.reason,
        gap=max(0.0, (len(slots) - bound.slots) / len(slots)),
        device_seconds=used.device_seconds,
        bound_seconds=least,
        bound_seconds_reason=reason,
        serial_seconds=cost.serial_seconds(problem.requests),
        jumps=sum(a.jump for a in assignments),
        assignments=assignments,
        usage=used,
        seed=seed,
        reach=problem.reach,
        walk_only=not jumps,
        chip=problem.chip,
        requests=problem.requests,
        cost=cost,
        model=crosstalk,
    )


def least_seconds(
    requests: Sequence[Request], bound: Bound, cost: CostModel, pace: Pace, slot_circuits: int
) -> tuple[float, str]:
    """Return machine seconds that no plan goes below, and why.

    No job is quicker than alone on its quickest layout, and no slot of the bound is quicker than the quickest
    circuits (or cycle) that could fill it.

    Args:
        requests: The jobs.
        bound: The lower bound on the slots.
        cost: The cost model.
        pace: Whether jobs wait for each other after every evaluation.
        slot_circuits: Circuits of one job in one slot at its own pace.
    """
    alone = {r.name: r.cycles * cost.cycle_seconds(r) for r in requests}
    name = max(alone, key=lambda n: alone[n])
    longest = next(r for r in requests if r.name == name)
    bases = f"{longest.bases} measurement bas{'is' if longest.bases == 1 else 'es'}"
    reason = f"job {name!r} alone, {longest.cycles} cycles of {cost.circuits(longest)} circuits in {bases}"
    if pace == "own":
        slot = slot_circuits * min(cost.circuit_seconds(r) for r in requests)
    else:
        slot = min(cost.cycle_seconds(r) for r in requests)
    if bound.slots * slot > alone[name]:
        return bound.slots * slot, f"{bound.slots} slots: {bound.reason}"
    return alone[name], reason


def _loads(problem: Problem, settled: Slots, cost: CostModel) -> list[Load]:
    """Return what every cycle asks of the machine on its layout."""
    durations = {r.name: r.catalogue.duration for r in problem.requests}
    return [
        cost.load(
            problem.requests[j],
            slot,
            float(durations[problem.requests[j].name][index]),
            problem.kinds[problem.kind_of[j]].length,
        )
        for slot, running in enumerate(settled)
        for j, _, index in running
    ]


def _assign(problem: Problem, settled: Slots, last: dict[str, Sequence[int]]) -> tuple[Assignment, ...]:
    kind_of = problem.kind_of
    found = []
    for slot, running in enumerate(settled):
        for j, cycle, index in running:
            request = problem.requests[j]
            catalogue: LayoutCatalogue = request.catalogue
            layout = catalogue[index]
            held = last.get(request.name)
            moved = tuple(sorted(set(layout) - set(held or ())))
            changed = (
                ()
                if held is None
                else tuple(i for i, (a, b) in enumerate(zip(held, layout, strict=True)) if a != b)
            )
            found.append(
                Assignment(
                    job=request.name,
                    cycle=cycle,
                    slot=slot,
                    layout=layout,
                    esp=layout.esp,
                    floor=float(problem.kinds[kind_of[j]].floors[cycle]),
                    moved=moved,
                    reassigned=changed,
                    jump=held is not None and len(moved) > 1,
                    length=problem.kinds[kind_of[j]].length,
                )
            )
            last[request.name] = layout
    return tuple(found)


__all__ = ["SLACK", "Assignment", "Plan", "make_plan"]
