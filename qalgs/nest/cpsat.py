"""Exact questions to OR-Tools CP-SAT: does a placement exist, how many regions fit, what is the shortest plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import InfeasibleError

from .chip import Bools, Chip, Ints
from .layouts import Layout
from .regions import balls, distinct, touches

if TYPE_CHECKING:
    from .requests import Request


def solver(time_limit: float, seed: int, *, wall: float | None = None) -> Any:
    """Return a single-threaded CP-SAT solver with a fixed seed.

    Args:
        time_limit: Limit in the solver's deterministic time, about seconds: the same on every machine, so that
            what it finds is, too.
        seed: Seed of the search.
        wall: Limit in seconds of the clock; thirty times the other one by default, against runaways alone.
    """
    from ortools.sat.python import cp_model

    made = cp_model.CpSolver()
    made.parameters.max_deterministic_time = float(time_limit)
    made.parameters.max_time_in_seconds = float(wall if wall is not None else 30 * time_limit)
    made.parameters.random_seed = int(seed) % (2**31 - 1)
    made.parameters.num_workers = 1
    return made


def place_exactly(
    requests: Sequence[Request],
    chip: Chip,
    buffer: int,
    targets: Mapping[str, float],
    floors: Mapping[str, float],
    *,
    time_limit: float,
    seed: int,
) -> dict[str, Layout]:
    """Place all jobs, or as many as possible, minimising the summed distance of ESP from target.

    Jobs of one circuit and floor are interchangeable, so they share variables.

    Raises:
        InfeasibleError: Naming the jobs that find no place, and whether the solver proved it.
    """
    from ortools.sat.python import cp_model

    groups = _group(requests, floors)
    model = cp_model.CpModel()
    cliques = balls(chip, buffer)
    hits: list[list[Any]] = [[] for _ in range(len(cliques))]
    chosen: list[tuple[list[Request], Ints, list[Any]]] = []
    reward = []
    for members in groups:
        catalogue = members[0].catalogue
        rows = distinct(catalogue)
        rows = rows[catalogue.esp[rows] >= floors.get(members[0].name, 0.0)]
        variables = [model.new_bool_var("") for _ in rows]
        _cover(hits, touches(catalogue, rows, cliques), variables)
        model.add(sum(variables) <= len(members))
        wanted = float(np.mean([targets[r.name] for r in members]))
        for row, variable in zip(rows, variables, strict=True):
            reward.append((10_000 - int(1000 * abs(catalogue.esp[row] - wanted))) * variable)
        chosen.append((members, rows, variables))
    for group in hits:
        if len(group) > 1:
            model.add_at_most_one(group)
    model.maximize(sum(reward))
    run = solver(time_limit, seed)
    status = run.solve(model)
    placed: dict[str, Layout] = {}
    left: list[str] = []
    for members, rows, variables in chosen:
        taken = [row for row, v in zip(rows, variables, strict=True) if _is_set(run, status, v)]
        for request, row in zip(sorted(members, key=lambda r: targets[r.name], reverse=True), taken, strict=False):
            placed[request.name] = request.catalogue[int(row)]
        left += [r.name for r in members if r.name not in placed]
    if left:
        proved = "proved" if status == cp_model.OPTIMAL else f"not found within {time_limit:g} s"
        names = ", ".join(repr(name) for name in left)
        raise InfeasibleError(
            f"job {names} must fit on {chip.name} beside the others with buffer {buffer}, got room for "
            f"{len(placed)} of {len(requests)} jobs at once ({proved}); use fewer jobs, a smaller buffer or plan()"
        )
    return placed


def capacity(
    groups: Sequence[tuple[Any, float]],
    chip: Chip,
    buffer: int,
    *,
    weights: Sequence[int] | None = None,
    most: Sequence[int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> tuple[int, int, list[int]]:
    """Return how many regions fit on the chip at once.

    Args:
        groups: Pairs of a catalogue and the smallest ESP that counts.
        chip: The device.
        buffer: Idle qubits between regions.
        weights: Worth of a region by group, 1 by default.
        most: Largest number of regions by group.
        time_limit: Seconds.
        seed: Seed of the solver.

    Returns:
        The best total weight found, the proven upper bound, and the regions by group.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    cliques = balls(chip, buffer)
    hits: list[list[Any]] = [[] for _ in range(len(cliques))]
    worth = list(weights or [1] * len(groups))
    sums = []
    for g, (catalogue, floor) in enumerate(groups):
        rows = distinct(catalogue)
        rows = rows[catalogue.esp[rows] >= floor - 1e-12]
        variables = [model.new_bool_var("") for _ in rows]
        _cover(hits, touches(catalogue, rows, cliques), variables)
        if most is not None:
            model.add(sum(variables) <= most[g])
        sums.append(sum(variables))
    for group in hits:
        if len(group) > 1:
            model.add_at_most_one(group)
    model.maximize(sum(w * s for w, s in zip(worth, sums, strict=True)))
    run = solver(time_limit, seed)
    status = run.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return 0, sum(worth[g] * len(distinct(c)) for g, (c, _) in enumerate(groups)), [0] * len(groups)
    counts = [int(run.value(s)) if not isinstance(s, int) else s for s in sums]
    return int(run.objective_value), int(np.floor(run.best_objective_bound + 1e-6)), counts


def _cover(hits: list[list[Any]], touched: Bools, variables: Sequence[Any]) -> None:
    for row, group in zip(*np.nonzero(touched), strict=True):
        hits[group].append(variables[row])


def _group(requests: Sequence[Request], floors: Mapping[str, float]) -> list[list[Request]]:
    groups: dict[tuple[int, float], list[Request]] = {}
    for request in requests:
        groups.setdefault((id(request.catalogue), floors.get(request.name, 0.0)), []).append(request)
    return list(groups.values())


def _is_set(run: Any, status: Any, variable: Any) -> bool:
    from ortools.sat.python import cp_model

    return status in (cp_model.OPTIMAL, cp_model.FEASIBLE) and bool(run.value(variable))
