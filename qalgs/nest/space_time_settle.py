"""From regions to layouts: fewer jumps, better last cycles, logical qubits kept in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .chip import Ints
from .space_time_greedy import Slots
from .space_time_model import SLACK, Kind, Problem


def settle_regions(
    problem: Problem,
    slots: Slots,
    *,
    walk_only: bool,
    before: Mapping[str, Sequence[int]] | None = None,
    sweeps: int = 3,
) -> Slots:
    """Improve where each cycle runs without changing when, and return catalogue indices in place of regions.

    Sweep by sweep every cycle moves to the region, among those free in its slot and above its floor, that makes
    the fewest jumps from its job's previous and to its next cycle; among these a last cycle takes the best ESP,
    any other the one closest to its floor. When all last cycles have their places, nothing is gained by leaving
    good regions empty: the other cycles, late ones first, take the best that is free and costs no further jump.

    Args:
        problem: The jobs and regions.
        slots: Who runs when, on which region.
        walk_only: Whether no jump may appear.
        before: Qubits that jobs held before the first slot.
        sweeps: Passes over the plan.
    """
    where = {(j, c): r for running in slots for j, c, r in running}
    beside = _beside(problem, slots)
    kind_of = problem.kind_of
    overlap = [k.catalogue.member[k.rows].astype(np.float32) for k in problem.kinds]
    for sweep in range(sweeps):
        changed = False
        for running in slots if sweep % 2 == 0 else reversed(slots):
            for j, c, _ in running:
                kind, member = problem.kinds[kind_of[j]], overlap[kind_of[j]]
                options = _free(problem, where, beside, j, c)
                jumps = _jumps(problem, kind, member, options, j, c, where, before)
                fewest = options[jumps <= jumps.min()]
                best = _preferred(kind, fewest, c)
                changed |= best != where[j, c]
                where[j, c] = best
        if not changed:
            break
    _lift(problem, where, beside, overlap, before)
    return _orient(problem, slots, where, before or {})


def _free(
    problem: Problem,
    where: Mapping[tuple[int, int], int],
    beside: Mapping[tuple[int, int], list[tuple[int, int]]],
    job: int,
    cycle: int,
) -> Ints:
    """The regions above the floor that no cycle beside this one touches, its own among them."""
    kind_of = problem.kind_of
    kind = problem.kinds[kind_of[job]]
    others = [problem.kinds[kind_of[i]].touch[where[i, d]] for i, d in beside[job, cycle]]
    need = int(kind.need[cycle])
    fits = np.ones(need, dtype=bool)
    if others:
        fits = ~(kind.touch[:need] & np.logical_or.reduce(others)).any(axis=1)
    return np.flatnonzero(fits)


def _lift(
    problem: Problem,
    where: dict[tuple[int, int], int],
    beside: Mapping[tuple[int, int], list[tuple[int, int]]],
    overlap: Sequence[NDArray[np.float32]],
    before: Mapping[str, Sequence[int]] | None,
) -> None:
    """Move every cycle to the best free region that costs no further jump, late cycles first."""
    kind_of = problem.kind_of
    for j, c in sorted(where, key=lambda jc: (problem.kinds[kind_of[jc[0]]].cycles - jc[1], jc[0])):
        kind, member = problem.kinds[kind_of[j]], overlap[kind_of[j]]
        options = _free(problem, where, beside, j, c)
        jumps = _jumps(problem, kind, member, options, j, c, where, before)
        kept = options[jumps <= jumps[np.flatnonzero(options == where[j, c])[0]]]
        where[j, c] = int(kept[np.argmax(kind.esp[kept])])


def _beside(problem: Problem, slots: Slots) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The cycles of other jobs that share a slot with each cycle."""
    lengths = problem.lengths
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    running: dict[tuple[int, int], int] = {}
    for slot, starting in enumerate(slots):
        running = {key: until for key, until in running.items() if until > slot}
        for j, c, _ in starting:
            found[j, c] = list(running)
            for other in running:
                found[other].append((j, c))
            running[j, c] = slot + int(lengths[j])
    return found


def _jumps(
    problem: Problem,
    kind: Kind,
    member: NDArray[np.float32],
    options: Ints,
    job: int,
    cycle: int,
    where: Mapping[tuple[int, int], int],
    before: Mapping[str, Sequence[int]] | None,
) -> Ints:
    """Jumps that each option makes from the previous and to the next cycle."""
    count = np.zeros(len(options), dtype=np.int64)
    n = kind.catalogue.num_qubits
    ends = [where[job, c] for c in (cycle - 1, cycle + 1) if (job, c) in where]
    for end in ends:
        count += member[options] @ member[end] < n - 1.5
    held = (before or {}).get(problem.requests[job].name)
    if held is not None and (job, cycle - 1) not in where:
        count += kind.catalogue.member[kind.rows[options]][:, list(held)].sum(axis=1) < n - 1
    return count


def _preferred(kind: Kind, options: Ints, cycle: int) -> int:
    esp = kind.esp[options]
    if cycle == kind.cycles - 1:
        return int(options[np.argmax(esp)])
    return int(options[np.argmin(np.abs(esp - kind.floors[cycle]))])


def _orient(
    problem: Problem,
    slots: Slots,
    where: Mapping[tuple[int, int], int],
    before: Mapping[str, Sequence[int]],
) -> Slots:
    """Choose, for each region, the orientation above the floor that leaves the most logical qubits in place."""
    kind_of = problem.kind_of
    held = {j: tuple(before[r.name]) for j, r in enumerate(problem.requests) if r.name in before}
    settled: Slots = []
    for running in slots:
        row = []
        for j, c, _ in running:
            kind = problem.kinds[kind_of[j]]
            catalogue = kind.catalogue
            index = int(kind.rows[where[j, c]])
            if j in held:
                qubits = catalogue.maps[index]
                same = np.flatnonzero(catalogue.member[:, qubits].all(axis=1))
                same = same[catalogue.esp[same] >= kind.floors[c] - SLACK]
                kept = (catalogue.maps[same] == np.asarray(held[j])).sum(axis=1)
                index = int(same[np.argmax(kept)])
            held[j] = tuple(int(q) for q in catalogue.maps[index])
            row.append((j, c, index))
        settled.append(row)
    return settled
