"""Which layout every job has in every cycle: targets and walks of all jobs, with the buffer kept throughout.

The layouts of a campaign do not depend on what is measured, so they are settled before the first evaluation; what
cannot be placed is refused by name then, not in the middle of a run. The rules are those of :func:`pack`: the
first cycle is placed jointly, then jobs move one by one, each clear of where all others stand at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qalgs.errors import InfeasibleError, expect, invalid
from qalgs.seeds import keyed

from .chip import Bools, Chip
from .layouts import LayoutCatalogue
from .packing import place
from .regions import free
from .requests import Request, as_requests
from .schedules import Flat
from .strategies import MapSchedule
from .walk import WalkStep, record

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from qalgs.backends import DeviceSnapshot

    from .space_time_plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tenant:
    """A job as the chip sees it.

    Attributes:
        name: The job.
        circuit: What it runs.
        observable: What it measures.
        maps: Its map schedule.
        schedule: Its length as a schedule; the targets come from ``maps``.
    """

    name: str
    circuit: QuantumCircuit
    observable: SparsePauliOp
    maps: MapSchedule
    schedule: Flat


def requests_of(
    tenants: Sequence[Tenant],
    snapshot: DeviceSnapshot,
    seed: int,
    catalogues: Mapping[str, LayoutCatalogue] | None = None,
) -> list[Request]:
    """Return the jobs with their layouts and the target of every cycle.

    Raises:
        InfeasibleError: If a job fits nowhere on the chip; names it.
    """
    found = []
    for tenant, request in zip(tenants, as_requests(tenants, snapshot, catalogues=catalogues), strict=True):
        catalogue, cycles = request.catalogue, tenant.schedule.cycles
        targets = tenant.maps.targets(catalogue, cycles)
        if tenant.maps.random:
            rows = keyed(seed, "map", tenant.name, 0).integers(len(catalogue), size=cycles)
            targets = [float(catalogue.esp[row]) for row in rows]
        found.append(replace(request, targets=tuple(targets), walk=tenant.maps.walk or request.walk))
    return found


def settle(
    tenants: Sequence[Tenant], requests: Sequence[Request], chip: Chip, buffer: int, seed: int
) -> list[list[WalkStep]]:
    """Return the steps by job and cycle.

    Args:
        tenants: The jobs.
        requests: The same jobs with layouts and targets.
        chip: The device.
        buffer: Idle qubits between two jobs, in every cycle.
        seed: Seed of the search.

    Raises:
        InfeasibleError: If the jobs do not fit together; names one that finds no place.
    """
    placed, _ = place(requests, chip, buffer, {r.name: r.targets[0] for r in requests}, seed=seed)
    steps: list[list[WalkStep]] = []
    for request in requests:
        layout = placed[request.name]
        moved = tuple(sorted(layout))
        steps.append([WalkStep(cycle=0, layout=layout, esp=layout.esp, target=request.targets[0], moved=moved)])
    here = {j: tuple(steps[j][0].layout) for j in range(len(requests))}
    for cycle in range(1, max(r.cycles for r in requests)):
        here = {j: layout for j, layout in here.items() if cycle < requests[j].cycles}
        for j in sorted(here):
            used = {q for i, layout in here.items() if i != j for q in layout}
            allowed = free(requests[j].catalogue, used, buffer)
            steps[j].append(_move(tenants[j], requests[j], cycle, allowed, steps[j][-1]))
            here[j] = tuple(steps[j][-1].layout)
    return steps


def _move(tenant: Tenant, request: Request, cycle: int, allowed: Bools, past: WalkStep) -> WalkStep:
    target, catalogue, maps = request.targets[cycle], request.catalogue, tenant.maps
    if maps.fixed:
        return record(cycle, past.layout, past.layout, target, False)
    if maps.walk is not None:
        try:
            return maps.walk.step(past, target, catalogue=catalogue, allowed=allowed)
        except InfeasibleError as error:
            raise InfeasibleError(f"job {tenant.name!r}, cycle {cycle + 1}: {error}") from error
    layout = catalogue.nearest(target, allowed)
    return record(cycle, past.layout, layout, target, len(set(layout) - set(past.layout)) > 1)


def planned_steps(plan: Plan, job: str) -> list[WalkStep]:
    """Return what a joint plan decided for one job, by cycle."""
    steps: list[WalkStep] = []
    for a in plan.of(job):
        kind = "start" if not steps else "jump" if a.jump else "move" if a.reassigned else "stay"
        steps.append(
            WalkStep(
                cycle=a.cycle,
                layout=a.layout,
                esp=a.esp,
                target=a.floor,
                moved=tuple(a.moved) if steps else tuple(sorted(a.layout)),
                reassigned=tuple(a.reassigned),
                jump=a.jump,
                kind=kind,
            )
        )
    return steps


def check_plan(plan: Plan, jobs: Sequence[str], device: str, buffer: int) -> None:
    """Refuse a plan of other jobs, of another device or with a smaller buffer.

    Raises:
        InvalidInputError: If the plan does not fit the campaign.
    """
    from .space_time_plan import Plan

    expect(Plan, plan=plan)
    planned = sorted(request.name for request in plan.requests)
    if planned != sorted(jobs):
        raise invalid("plan", planned, f"must plan the jobs {sorted(jobs)}", "plan them anew")
    if plan.device != device:
        raise invalid("plan", plan.device, f"must be for {device}", "plan the jobs on this device")
    if plan.buffer < buffer:
        raise invalid("plan.buffer", plan.buffer, f"must be at least the campaign's buffer {buffer}")
