"""The exact planner: is there a plan of T slots, asked of CP-SAT for rising T.

Interchangeable jobs are counted, not named: ``n[k, c, t]`` jobs of kind k begin cycle c in slot t, ``x[k, r, t]``
says that one of them does so on region r. Floors are thresholds on one ranking of the regions, so by Hall's
theorem the regions of a slot serve its cycles iff for every floor at least as many chosen regions meet it as
cycles demand it. A job's cycles are in order iff in every slot no more jobs have begun cycle c than had finished
c-1 before. ``n`` and ``x`` count beginnings; a cycle of length L holds its region for L slots.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cpsat import solver
from .space_time_greedy import Slots
from .space_time_model import SLACK, Cut, Kind, Problem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExactOutcome:
    """What the exact planner knows.

    Attributes:
        slots: The shortest plan found, or None if none was found below the given one.
        bound: No plan is shorter; proved.
        optimal: Whether bound and plan meet.
        seconds: Time spent.
    """

    slots: Slots | None
    bound: int
    optimal: bool
    seconds: float


def exact_slots(
    problem: Problem,
    *,
    at_least: int,
    known: Slots | None,
    cuts: Sequence[Cut] = (),
    time_limit: float = 60.0,
    effort: float | None = None,
    seed: int = 0,
) -> ExactOutcome:
    """Find the shortest plan, or the best bound in the time.

    Args:
        problem: The jobs, regions and floors.
        at_least: A lower bound to start from.
        known: A plan to beat, such as the greedy one.
        cuts: Capacities of a slot; redundant, but they shorten the proofs.
        time_limit: Seconds of the clock.
        effort: Instead of the clock, the solver's deterministic time for each question, of which at most four are
            asked; the outcome then is the same on every machine.
        seed: Seed of the solver.
    """
    asked = 0
    started = time.monotonic()
    most = sum(problem.kinds[k].cycles * problem.kinds[k].length for k in problem.kind_of)
    ceiling = len(known) if known is not None else most
    bound, best = at_least, known

    def left() -> float:
        if effort is not None:
            return effort if asked < 4 else 0.0
        return time_limit - (time.monotonic() - started)

    while bound < ceiling and left() > 0:
        verdict, slots = _ask(problem, bound, cuts, left(), effort is None, seed)
        asked += 1
        if verdict == "no":
            bound += 1
        elif slots is not None:
            best, ceiling = slots, len(slots)
        else:
            break
    while best is not None and ceiling - 1 > bound and left() > 0:
        verdict, slots = _ask(problem, ceiling - 1, cuts, left(), effort is None, seed)
        asked += 1
        if slots is None:
            bound = max(bound, ceiling) if verdict == "no" else bound
            break
        best, ceiling = slots, len(slots)
    return ExactOutcome(
        slots=best,
        bound=bound,
        optimal=best is not None and len(best) <= bound,
        seconds=time.monotonic() - started,
    )


def _ask(
    problem: Problem, horizon: int, cuts: Sequence[Cut], time_limit: float, by_clock: bool, seed: int
) -> tuple[str, Slots | None]:
    """Ask for a plan of at most ``horizon`` slots: ("yes", plan), ("no", None) or ("unknown", None)."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    groups = problem.kinds[0].touch.shape[1]
    hits: list[list[list[Any]]] = [[[] for _ in range(groups)] for _ in range(horizon)]
    counts, places = [], []
    for kind in problem.kinds:
        n, x = _add_kind(model, kind, horizon, hits)
        counts.append(n)
        places.append(x)
    for cut in cuts:
        for t in range(horizon):
            model.add(
                sum(
                    _load(kind, n, k, t, cut)
                    for k, (kind, n) in enumerate(zip(problem.kinds, counts, strict=True))
                )
                <= cut.cap
            )
    for slot in hits:
        for group in slot:
            if len(group) > 1:
                model.add_at_most_one(group)
    limit = max(0.1, time_limit)
    run = solver(10 * limit, seed, wall=limit) if by_clock else solver(limit, seed)
    status = run.solve(model)
    if status == cp_model.INFEASIBLE:
        return "no", None
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return "unknown", None
    return "yes", _read(problem, run, counts, places, horizon)


def _load(kind: Kind, n: Any, k: int, t: int, cut: Cut) -> Any:
    """The weighted cycles of a kind that run in a slot and count for a cut."""
    counted = [c for c in range(kind.cycles) if kind.floors[c] >= cut.floors[k] - SLACK]
    return cut.weights[k] * sum(n[c][s] for c in counted for s in range(max(0, t - kind.length + 1), t + 1))


def _add_kind(model: Any, kind: Kind, horizon: int, hits: list[list[list[Any]]]) -> tuple[Any, Any]:
    jobs, cycles, length = len(kind.jobs), kind.cycles, kind.length
    n = [
        [
            model.new_int_var(0, jobs if c * length <= t <= horizon - (cycles - c) * length else 0, "")
            for t in range(horizon)
        ]
        for c in range(cycles)
    ]
    x = [[model.new_bool_var("") for _ in kind.rows] for _ in range(horizon)]
    pairs = list(zip(*np.nonzero(kind.touch), strict=True))
    for t in range(horizon):
        for row, group in pairs:
            for s in range(t, min(horizon, t + length)):
                hits[s][group].append(x[t][row])
        for floor in sorted(set(kind.floors)):
            meets = int((kind.esp >= floor - SLACK).sum())
            model.add(sum(x[t][:meets]) >= sum(n[c][t] for c in range(cycles) if kind.floors[c] >= floor - SLACK))
        model.add(sum(x[t]) == sum(n[c][t] for c in range(cycles)))
    for c in range(cycles):
        model.add(sum(n[c]) == jobs)
        for t in range(horizon):
            if t > horizon - (cycles - c) * length:
                continue
            if c:
                model.add(sum(n[c][: t + 1]) <= sum(n[c - 1][: max(0, t - length + 1)]))
    return n, x


def _read(problem: Problem, run: Any, counts: list[Any], places: list[Any], horizon: int) -> Slots:
    """Name the jobs: the a-th to reach a cycle is the a-th of its kind; the neediest cycle takes the best."""
    slots: Slots = [[] for _ in range(horizon)]
    for kind, n, x in zip(problem.kinds, counts, places, strict=True):
        done = [0] * kind.cycles
        for t in range(horizon):
            regions = [r for r, v in enumerate(x[t]) if run.value(v)]
            running = []
            for c in range(kind.cycles):
                for _ in range(int(run.value(n[c][t]))):
                    running.append((kind.floors[c], kind.jobs[done[c]], c))
                    done[c] += 1
            running.sort(key=lambda item: -item[0])
            for (_, job, c), region in zip(running, regions, strict=True):
                slots[t].append((job, c, region))
    end = 0
    for t, slot in enumerate(slots):
        end = max([end, *(t + int(problem.lengths[job]) for job, _, _ in slot)])
    if max(problem.lengths) == 1:
        return [slot for slot in slots if slot]
    return slots[:end]
