"""Space-time plans: every rule replayed from raw calibration, greedy against proofs, both objectives, refusals."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InfeasibleError, InvalidInputError
from qalgs.nest import (
    CostModel,
    ErrorInflation,
    FewestSeconds,
    InvertedReLU,
    Linear,
    MaxMinEsp,
    Plan,
    VShape,
    esp,
    plan,
)
from qalgs.nest.chip import Chip
from qalgs.nest.cpsat import capacity
from qalgs.nest.requests import as_requests
from qalgs.nest.space_time_exact import exact_slots
from qalgs.nest.space_time_model import build_problem, capacity_bound


def line(n: int, reps: int = 3) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=reps)


def batch(fours: int = 6, sixes: int = 6) -> dict[str, QuantumCircuit]:
    return {f"four{i}": line(4) for i in range(fours)} | {f"six{i}": line(6) for i in range(sixes)}


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@pytest.fixture(scope="module")
def guadalupe() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_guadalupe")


def replay(made: Plan, snapshot: DeviceSnapshot, jobs: dict[str, QuantumCircuit], buffer: int, f: float) -> None:
    """Check every rule with networkx, the snapshot and :func:`esp` alone."""
    hops = dict(nx.all_pairs_shortest_path_length(nx.Graph(list(snapshot.edges))))
    slots: dict[int, dict[str, tuple[int, ...]]] = {}
    seen: dict[str, list[tuple[int, int]]] = {name: [] for name in jobs}
    for a in made.assignments:
        slots.setdefault(a.slot, {})[a.job] = tuple(a.layout)
        seen[a.job].append((a.slot, a.cycle))
    assert sorted(slots) == list(range(made.slots))
    for layouts in slots.values():
        for p, q in itertools.combinations(layouts.values(), 2):
            assert min(hops[a][b] for a in p for b in q) > buffer
    for name, steps in seen.items():
        steps.sort()
        assert [c for _, c in steps] == list(range(len(steps)))
        assert len({s for s, _ in steps}) == len(steps)
        request = next(r for r in made.requests if r.name == name)
        best = max(esp(jobs[name], snapshot, m) for m in request.catalogue.maps[:3])
        last = slots[steps[-1][0]][name]
        assert esp(jobs[name], snapshot, last) >= f * best - 1e-9
        jumps = 0
        for (s, _), (t, _) in itertools.pairwise(steps):
            jumps += len(set(slots[t][name]) - set(slots[s][name])) > 1
        assert jumps == sum(a.jump for a in made.of(name))
    assert made.violations() == []


@pytest.mark.parametrize(("schedule", "most"), [(Linear(), 8), (InvertedReLU(), 14)])
def test_twelve_jobs_on_brisbane(brisbane: DeviceSnapshot, schedule: Linear, most: int) -> None:
    jobs = batch()
    made = plan(jobs, brisbane, 1, ErrorInflation(factor=2, hops=1), schedule=schedule)
    replay(made, brisbane, jobs, 1, 0.97)
    assert made.bound <= made.slots <= most
    assert made.final_ratio >= 0.97
    if most == 8:
        assert made.speedup >= 8
        assert made.status.ok
        assert made.slots == made.bound
    baseline = plan(jobs, brisbane, schedule=schedule, planner="stagger")
    replay(baseline, brisbane, jobs, 1, 0.97)
    assert made.slots <= baseline.slots


def test_floors_follow_the_schedule(brisbane: DeviceSnapshot) -> None:
    made = plan({"a": line(4), "b": line(4)}, brisbane, fidelity=0.9, schedule=VShape(5, 0.4, 0.8))
    best = made.requests[0].best
    floors = [a.floor for a in made.of("a")]
    assert floors == pytest.approx([0.9 * best * t for t in (1, 0.75, 0.5, 0.75, 1)])
    assert all(a.esp >= a.floor - 1e-9 for a in made.assignments)
    assert made.slots == 5


@pytest.mark.parametrize("seed", range(6))
def test_greedy_is_within_a_tenth_of_the_proved_optimum(guadalupe: DeviceSnapshot, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, size=int(rng.integers(4, 8)))
    jobs = {f"j{i}": line(int(n), 2) for i, n in enumerate(sizes)}
    schedule = [Linear(4), InvertedReLU(5)][seed % 2]
    made = plan(jobs, guadalupe, schedule=schedule, fidelity=0.95)
    requests = as_requests(jobs, guadalupe, schedule=schedule)
    problem = build_problem(requests, Chip.of(guadalupe), 1, 0.95)
    bound = capacity_bound(problem)
    exact = exact_slots(problem, at_least=bound.slots, known=None, cuts=bound.cuts, time_limit=20)
    assert exact.optimal
    assert bound.slots <= exact.bound <= made.slots <= 1.1 * exact.bound
    greedy = plan(jobs, guadalupe, schedule=schedule, fidelity=0.95, polish=0)
    assert exact.bound <= greedy.slots <= exact.bound + 1


def test_exact_planner_equals_exhaustive_search() -> None:
    """Two-cycle jobs on five qubits: try every way to put cycles into slots and regions."""
    manila = DeviceSnapshot.from_backend("fake_manila")
    jobs = {f"j{i}": line(2, 1) for i in range(3)}
    made = plan(jobs, manila, buffer=1, schedule=Linear(2, "0.9*best", "best"), fidelity=0.99, planner="cpsat")
    request = made.requests[0]
    floors = [a.floor for a in made.of("j0")]
    maps = [
        (set(map(int, m)), float(e)) for m, e in zip(request.catalogue.maps, request.catalogue.esp, strict=True)
    ]
    hops = Chip.of(manila).distance

    @functools.cache
    def fits(cycles: tuple[int, ...]) -> bool:
        pools = [[m for m, e in maps if e >= floors[c] - 1e-9] for c in cycles]
        return any(
            all(hops[np.ix_(list(a), list(b))].min() > 1 for a, b in itertools.combinations(choice, 2))
            for choice in itertools.product(*pools)
        )

    def shortest() -> int:
        todo: set[tuple[int, ...]] = {(0, 0, 0)}
        for slots in itertools.count(1):
            following: set[tuple[int, ...]] = set()
            for state in todo:
                for run in itertools.product((0, 1), repeat=3):
                    cycles = tuple(c for c, r in zip(state, run, strict=True) if r and c < 2)
                    new = tuple(min(2, c + r) for c, r in zip(state, run, strict=True))
                    if cycles and fits(cycles):
                        following.add(new)
            if (2, 2, 2) in following:
                return slots
            todo = following
        raise AssertionError

    assert made.slots == made.bound == shortest()


def test_a_walk_without_jumps(brisbane: DeviceSnapshot) -> None:
    jobs = batch(3, 3)
    made = plan(jobs, brisbane, jumps=False)
    replay(made, brisbane, jobs, 1, 0.97)
    assert made.jumps == 0
    for name in jobs:
        for before, after in itertools.pairwise(made.of(name)):
            assert len(set(after.layout) - set(before.layout)) <= 1


def test_a_queue_longer_than_the_chip(guadalupe: DeviceSnapshot) -> None:
    jobs = {f"job{i:02d}": line(3, 1) for i in range(30)}
    made = plan(jobs, guadalupe, schedule=Linear(3))
    replay(made, guadalupe, jobs, 1, 0.97)
    assert made.slots >= 30 * 3 / 4
    assert made.device_seconds < made.serial_seconds


def test_hundred_jobs_are_planned(brisbane: DeviceSnapshot) -> None:
    fez = DeviceSnapshot.from_backend("fake_fez")
    jobs = {f"q{i}": line([4, 5, 6, 7][i % 4]) for i in range(100)}
    made = plan(jobs, fez, rounds=4)
    assert made.violations() == []
    assert len(made.assignments) == 600
    assert made.slots < 45
    assert made.bound >= 20


def test_most_esp_in_a_given_time(guadalupe: DeviceSnapshot) -> None:
    jobs = {"a": line(3), "b": line(3), "c": line(4)}
    ratios = []
    for slots in (3, 4, 6):
        made = plan(jobs, guadalupe, objective=MaxMinEsp(slots=slots), schedule=Linear(3))
        assert made.slots <= slots
        assert made.violations() == []
        ratios.append(made.final_ratio)
    assert ratios == sorted(ratios)
    chip = Chip.of(guadalupe)
    requests = as_requests(jobs, guadalupe, schedule=Linear(3))
    problem = build_problem(requests, chip, 1, min(1.0, round(ratios[0], 4) + 0.01))
    better = exact_slots(problem, at_least=3, known=None, time_limit=10)
    assert better.bound > 3
    one = CostModel().serial_seconds(requests[:1]) / 3
    timed = plan(jobs, guadalupe, objective=MaxMinEsp(seconds=4.2 * one), schedule=Linear(3))
    assert timed.slots <= 4
    assert timed.device_seconds <= 4.2 * one


def test_crosstalk_widens_the_gap(brisbane: DeviceSnapshot) -> None:
    jobs = batch(3, 2)
    made = plan(jobs, brisbane, 0, ErrorInflation(factor=3, hops=2))
    replay(made, brisbane, jobs, 2, 0.97)
    model = ErrorInflation(factor=3, hops=2)
    for a in made.assignments:
        beside = made.neighbours(a.job, a.cycle)
        seen = esp(jobs[a.job], model.inflated(brisbane, a.layout, beside), a.layout)
        assert seen == pytest.approx(a.esp, rel=1e-12)


def test_capacity_explains_the_bound(brisbane: DeviceSnapshot) -> None:
    made = plan(batch(0, 6), brisbane, schedule=InvertedReLU())
    catalogue = made.requests[0].catalogue
    _, cap, _ = capacity([(catalogue, 0.97 * catalogue.esp[0])], catalogue.chip, 1)
    assert made.bound == math.ceil(6 * 4 / cap) + 2
    assert f"holds {cap} at once" in made.bound_reason
    assert made.gap == pytest.approx(1 - made.bound / made.slots)


def test_same_seed_same_plan_and_views(brisbane: DeviceSnapshot) -> None:
    jobs = batch(3, 3)
    first, second = plan(jobs, brisbane, seed=5), plan(jobs, brisbane, seed=5)
    assert first.to_json() == second.to_json()
    assert [row["job"] for row in first.table()] == list(jobs)
    assert 0 < max(first.utilisation()) < 1
    assert len(first.plot_gantt().patches) == len(first.assignments)
    assert first.plot_targets().get_ylabel().startswith("ESP")
    assert "slot 1" in first.plot_chip(0).get_title()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"buffer": -1}, InvalidInputError, "buffer must be"),
        ({"fidelity": 1.2}, InvalidInputError, "fidelity must be"),
        ({"fidelity": float("nan")}, InvalidInputError, "fidelity must be"),
        ({"planner": "oracle"}, InvalidInputError, "planner must be"),
        ({"objective": "joy"}, InvalidInputError, "objective must be"),
        ({"crosstalk": "loud"}, InvalidInputError, "crosstalk must be"),
        ({"objective": MaxMinEsp(slots=2)}, InfeasibleError, "must have at least 6 slots"),
        ({"schedule": Linear(6, "best", "worst")}, InvalidInputError, "job 'a': esp_min must not exceed"),
    ],
)
def test_refusals(guadalupe: DeviceSnapshot, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        plan({"a": line(3)}, guadalupe, **options)


def test_more_refusals(guadalupe: DeviceSnapshot) -> None:
    with pytest.raises(InfeasibleError, match="job 'big'"):
        plan({"a": line(3), "big": line(17)}, guadalupe)
    with pytest.raises(InvalidInputError, match="slots or seconds"):
        MaxMinEsp()
    with pytest.raises(InvalidInputError, match="fidelity must be"):
        FewestSeconds(fidelity=0)
    made = plan({"a": line(3)}, guadalupe)
    with pytest.raises(InvalidInputError, match="one of the plan's 1 jobs"):
        made.of("b")


def test_long_jobs_are_put_together(guadalupe: DeviceSnapshot) -> None:
    """Two long and two short jobs, two at a time: long with long costs 2 L + 2 S, mixed costs 4 L."""

    class Job:
        def __init__(self, name: str, evaluations: int) -> None:
            self.name, self.circuit, self.evaluations = name, line(5), evaluations

    jobs = [Job("long0", 100), Job("short0", 10), Job("long1", 100), Job("short1", 10)]
    made = plan(jobs, guadalupe, schedule=Linear(2), fidelity=0.8)
    assert made.slots == made.bound == 22
    assert made.slot_circuits == 10
    assert {a.job[:4]: a.length for a in made.assignments} == {"long": 10, "shor": 1}
    shares = [{a.job[:4] for a in made.at(s).values()} for s in made.changes]
    assert sorted(map(len, shares)) == [1, 1, 1, 1]
