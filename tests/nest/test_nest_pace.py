"""Jobs of different lengths side by side: nobody waits in the plan, in the execution, or in the books."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot
from qalgs.errors import LedgerError
from qalgs.nest import Campaign, CostModel, Job, Ledger, Linear, Plan, plan
from qalgs.nest.chip import Chip
from qalgs.nest.crosstalk import CoherentZZ
from qalgs.nest.drift import revise
from qalgs.nest.ledger import Part
from qalgs.nest.machine import MergedExecutor
from qalgs.nest.merge import merge, place
from qalgs.nest.requests import as_requests
from qalgs.nest.space_time_exact import exact_slots
from qalgs.nest.space_time_greedy import greedy_slots, stagger
from qalgs.nest.space_time_model import Problem, build_problem, capacity_bound
from qalgs.nest.usage import Load, Rates, usage

OBSERVABLES = {
    1: SparsePauliOp(["ZZ", "ZI", "II"], [1.0, 0.5, -0.25]),
    2: SparsePauliOp(["ZZ", "XI", "IX"], [-1.0, -0.7, -0.7]),
    3: SparsePauliOp(["ZZ", "XX", "YY", "II"], [0.4, 0.6, 0.5, 0.1]),
}


SHORT = Linear(2, "0.9*best", "best")


@cache
def snapshot(name: str = "fake_guadalupe") -> DeviceSnapshot:
    return DeviceSnapshot.from_backend(name)


@cache
def aer() -> Any:
    from qiskit_aer import AerSimulator

    from qalgs.backends import load_backend

    return AerSimulator.from_backend(load_backend("fake_guadalupe"))


def job(name: str, bases: int, **options: Any) -> Job:
    return Job(name, efficient_su2(2, reps=1), OBSERVABLES[bases], **options)


def batch(evaluations: int = 6) -> list[Job]:
    return [job(f"{b}-{i}", b, evaluations=evaluations) for i in range(2) for b in (3, 1, 2)]


def planned(jobs: list[Job], **options: Any) -> Plan:
    given: dict[str, Any] = {"schedule": Linear(3, "0.9*best", "best"), "seed": 1, "fidelity": 0.9, **options}
    return plan(jobs, snapshot(), **given)


def ticks(loads: list[Load], rates: Rates) -> tuple[float, int]:
    """Circuit after circuit: who may begin does, everyone runs one, and a submission ends with an evaluation."""
    left = {i: load.evaluations * load.bases for i, load in enumerate(loads)}
    begun: set[int] = set()
    seconds, submissions = 0.0, 0
    while any(left.values()) or len(begun) < len(loads):
        for _ in loads:  # a cycle without evaluations ends at once and lets others begin
            ended = {i for i in begun if not left[i]}
            begun |= {
                i
                for i, load in enumerate(loads)
                if all(o in ended for o, other in enumerate(loads) if other.cycle + other.length <= load.cycle)
            }
        here = [i for i in begun if left[i]]
        if not here:
            continue
        longest = max(loads[i].duration for i in here) + rates.repetition_delay
        seconds += max(loads[i].shots for i in here) * longest
        for i in here:
            left[i] -= 1
        if any(left[i] % loads[i].bases == 0 for i in here):
            submissions += 1
            seconds += rates.overhead
    return seconds, submissions


@pytest.mark.parametrize("sharing", ["equal", "qubit_seconds"])
def test_machine_time_at_the_own_pace_is_that_of_a_circuit_by_circuit_replay(
    sharing: str, rng: np.random.Generator
) -> None:
    rates = Rates(overhead=0.5, sharing=sharing)  # type: ignore[arg-type]
    for _ in range(20):
        loads = []
        for j in range(4):
            slot = int(rng.integers(0, 3))
            for _ in range(3):
                length = int(rng.integers(1, 4))
                loads.append(
                    Load(
                        job=f"j{j}",
                        cycle=slot,
                        evaluations=int(rng.integers(0, 5)),
                        bases=int(rng.integers(1, 4)),
                        shots=int(rng.integers(1, 100)),
                        duration=float(rng.random()) * 1e-3,
                        qubits=int(rng.integers(2, 7)),
                        length=length,
                    )
                )
                slot += length + int(rng.integers(0, 2))
        found = usage(loads, 40, rates, "own")
        seconds, submissions = ticks(loads, rates)
        assert found.device_seconds == pytest.approx(seconds)
        assert found.submissions == submissions
        assert sum(found.shares["device_seconds"].values()) == pytest.approx(found.device_seconds)
        assert found.spans[-1][2] == pytest.approx(found.device_seconds)
        assert [slot for slot, *_ in found.spans] == sorted({load.cycle for load in loads})


def test_jobs_of_one_length_take_the_same_time_at_either_pace(rng: np.random.Generator) -> None:
    loads = [
        Load(job=f"j{j}", cycle=c, evaluations=int(rng.integers(1, 6)), bases=2, shots=9, duration=1e-4, qubits=2)
        for c in range(3)
        for j in range(4)
    ]
    rates = Rates(overhead=0.1)
    own, together = usage(loads, 9, rates, "own"), usage(loads, 9, rates)
    assert own.device_seconds == pytest.approx(together.device_seconds)
    assert (own.submissions, own.shots) == (together.submissions, together.shots)
    for name, seconds in own.shares["device_seconds"].items():
        assert seconds == pytest.approx(together.shares["device_seconds"][name])


def test_short_cycles_run_beside_long_ones() -> None:
    jobs = batch()
    made = planned(jobs)
    assert made.violations() == []
    assert made.pace == "own"
    assert made.slot_circuits == 6
    assert {a.job: a.length for a in made.assignments} == {j.name: int(j.name[0]) for j in jobs}
    assert made.slots == made.bound == 9
    waiting = planned(jobs, crosstalk=CoherentZZ(rate=1e4), buffer=0)
    assert (waiting.pace, {a.length for a in waiting.assignments}) == ("together", {1})
    # 9 slots of 6 circuits are the longest job's own time: nothing is quicker, and the plan says which job it is.
    assert made.device_seconds == pytest.approx(made.bound_seconds, rel=1e-2)
    assert "job '3-0' alone" in made.bound_seconds_reason
    assert made.speedup <= made.most_speedup == pytest.approx(4, rel=1e-2)
    for a, b in itertools.combinations(made.assignments, 2):
        if a.slot < b.until and b.slot < a.until:
            assert a.job != b.job
            assert Chip.of(snapshot()).distance[np.ix_(list(a.layout), list(b.layout))].min() > 1
            assert b.layout in made.neighbours(a.job, a.cycle)
    assert made.utilisation()[0] == sum(len(a.layout) for a in made.at(0).values()) / 16
    assert planned(jobs, planner="stagger").violations() == []


def test_overhead_decides_the_pace() -> None:
    """Submissions that cost nothing favour many of them; where they are dear, jobs wait for each other."""
    jobs = batch()
    free = planned(jobs, cost=CostModel.of(overhead=0.0))
    dear = planned(jobs, cost=CostModel.of(overhead=100.0))
    assert (free.pace, dear.pace) == ("own", "together")
    assert dear.usage.submissions < free.usage.submissions
    assert dear.bound_seconds <= dear.device_seconds
    assert dear.slot_circuits == 0


def tiny(lengths: list[int]) -> Problem:
    """Two-qubit jobs of two cycles on a line of five qubits: two at once at best."""
    manila = snapshot("fake_manila")
    named = {f"j{i}": efficient_su2(2, reps=1) for i in range(len(lengths))}
    requests = as_requests(named, manila, schedule=Linear(2, "0.9*best", "best"))
    return build_problem(requests, Chip.of(manila), 1, 0.97, lengths)


@pytest.mark.parametrize("lengths", [[1, 2], [3, 1, 1], [2, 3, 1]])
def test_exact_planner_with_lengths_equals_exhaustive_search(lengths: list[int]) -> None:
    problem = tiny(lengths)
    kind_of = problem.kind_of

    def fits(running: list[tuple[int, int]]) -> bool:
        pools = [problem.kinds[kind_of[j]].touch[: problem.kinds[kind_of[j]].need[c]] for j, c in running]
        return any(not (np.sum(choice, axis=0, dtype=int) > 1).any() for choice in itertools.product(*pools))

    def possible(horizon: int) -> bool:
        ranges = []
        for n in lengths:
            pairs = [(a, b) for a in range(horizon) for b in range(a + n, horizon - n + 1)]
            ranges.append(pairs)
        # A region is held for a whole cycle; on a line of five, what fits slot by slot fits at all.
        return any(
            all(
                fits([(j, c) for j, p in enumerate(starts) for c, s in enumerate(p) if s <= t < s + lengths[j]])
                for t in range(horizon)
            )
            for starts in itertools.product(*ranges)
        )

    shortest = next(h for h in itertools.count(2 * max(lengths)) if possible(h))
    bound = capacity_bound(problem)
    exact = exact_slots(problem, at_least=bound.slots, known=None, cuts=bound.cuts, time_limit=20)
    assert bound.slots <= exact.bound == shortest
    assert exact.optimal
    greedy = greedy_slots(problem, at_least=bound.slots, rounds=40)
    assert shortest <= len(greedy) <= shortest + 1
    assert len(greedy) <= len(stagger(problem))


@pytest.mark.parametrize("first", [0, 1, 2, 4, 5])
def test_parts_of_evaluations_add_up(first: int, rng: np.random.Generator) -> None:
    """Two points of three bases cut anywhere: the parts' sums are those of the whole."""
    chip = snapshot()
    made = place("a", efficient_su2(2, reps=1), OBSERVABLES[3], (0, 1), chip)
    points = rng.uniform(-3, 3, (2, made.num_parameters))
    chances = {r: rng.dirichlet(np.ones(2 ** len(made.bases[r % 3].measured))) for r in range(6)}
    whole = merge([made], [points], chip)
    expected = whole.combine({(r, 0): p for r, p in chances.items()})["a"]
    total = np.zeros(2)
    for lo, hi in ((0, first), (first, 6)):
        part = merge([made], [points], chip, spans=[(lo, hi)])
        assert part.num_rounds == hi - lo == sum(len(p.rounds) for p in part.pubs)
        assert all((lo + r) % 3 == dict(p.parts)[0] for p in part.pubs for r in p.rounds)
        found = part.combine({(r - lo, 0): chances[r] for r in range(lo, hi)})["a"]
        total += found
    assert total == pytest.approx(expected, abs=1e-12)


def campaign(jobs: list[Job], made: Plan, executor: MergedExecutor | None = None, **options: Any) -> Campaign:
    given: dict[str, Any] = {"shots": 64, "evaluations": 3, **options}
    return Campaign(jobs, snapshot(), plan=made, executor=executor, seed=3, **given)


def test_books_and_plan_agree_whoever_executes() -> None:
    jobs = batch(3)
    made = planned(jobs, cost=CostModel.of(shots=64))
    local = campaign(jobs, made).run()
    assert local.usage.device_seconds == pytest.approx(made.device_seconds, rel=1e-12)
    assert local.usage.submissions == made.usage.submissions
    assert local.slots == made.slots
    assert local.layouts(2) == {name: tuple(a.layout) for name, a in made.at(2).items()}
    with Ledger() as ledger:
        merged = campaign(jobs, made, MergedExecutor(aer(), buffer=1), ledger=ledger).run()
        sent = ledger.submissions(merged.campaign)
    assert merged.usage.device_seconds == pytest.approx(made.device_seconds, rel=1e-12)
    assert len(sent) == made.usage.submissions
    assert [j.evaluations for j in merged.jobs] == [9] * 6
    assert merged.usage.shots == sum(j.shots for j in merged.jobs)


def test_exact_values_are_those_of_each_job_alone() -> None:
    jobs = batch(2)[:4]
    made = planned(jobs, schedule=SHORT)
    running = campaign(jobs, made, MergedExecutor(aer(), buffer=1), shots=0)
    merged = running.run()
    for one in jobs[:2]:
        alone = campaign([one], planned([one], schedule=SHORT), MergedExecutor(aer()), shots=0)
        # The same places, without company.
        alone.steps = [running.steps[jobs.index(one)]]
        assert alone.run().jobs[0].values == pytest.approx(merged[one.name].values, abs=1e-9)


def test_a_run_that_dies_between_two_bases_resumes_bit_by_bit(tmp_path: Path) -> None:
    jobs = batch(2)[:4]
    made = planned(jobs, schedule=SHORT)
    whole, alone = tmp_path / "whole", tmp_path / "parts"
    with Ledger(whole) as ledger:
        expected = campaign(jobs, made, MergedExecutor(aer()), ledger=ledger).run()
        steps = [step for step, *_ in ledger.submissions(expected.campaign)]
        assert ledger.parts(expected.campaign, "3-0", 0) == {}
    for moment in ("submit", "result"):
        for died in (1, 6):
            path = alone.with_name(f"{moment}-{died}")
            count = 0

            def fault(when: str, step: str, attempt: int, moment: str = moment, died: int = died) -> None:
                nonlocal count
                count += when == moment
                if when == moment and count > died:
                    raise KeyboardInterrupt

            with Ledger(path) as ledger, pytest.raises(KeyboardInterrupt):
                campaign(jobs, made, MergedExecutor(aer(), faults=fault), ledger=ledger).run()
            with Ledger(path) as ledger:
                if died == 1 and moment == "submit":
                    part = ledger.parts(expected.campaign, "3-0", 0)[0]
                    assert 0 < part.bases < 3
                    assert part.shots == 64 * part.bases
                resumed = campaign(jobs, made, MergedExecutor(aer()), ledger=ledger).run()
                assert resumed.digest == expected.digest
                assert sorted({s for s, *_ in ledger.submissions(resumed.campaign)}) == sorted(set(steps))


def test_a_part_at_another_point_is_refused(tmp_path: Path) -> None:
    jobs = batch(2)[:4]
    made = planned(jobs, schedule=SHORT)
    with Ledger(tmp_path / "a") as ledger:
        started = campaign(jobs, made, MergedExecutor(aer()), ledger=ledger)
        identity = next(iter(started.iter_run())).campaign  # type: ignore[attr-defined]
        point = np.zeros(jobs[0].circuit.num_parameters)
        part = Part(job="3-0", cycle=0, evaluation=0, bases=1, point=point, value=0.0, variance=0.0, shots=64)
        ledger.record(identity, [], [part])
        assert ledger.parts(identity, "3-0", 0)[0].bases == 1
        with pytest.raises(LedgerError, match="a part of evaluation 0 of job 3-0, cycle 0 at another point"):
            campaign(jobs, made, MergedExecutor(aer()), ledger=ledger).run()


def test_a_plan_with_long_cycles_is_revised_where_they_end() -> None:
    from dataclasses import replace

    jobs = batch()
    made = planned(jobs)
    layout = set(next(a for a in made.of("3-0") if a.cycle == 2).layout)
    worse = {
        key: min(0.9, (e or 0.0) + 0.2) if len(key[1]) == 2 and set(key[1]) <= layout else e
        for key, e in snapshot().gate_errors.items()
    }
    revision = revise(made, replace(snapshot(), gate_errors=worse), 1)
    assert revision.changed
    after = revision.plan
    assert [a.cycle for a in after.of("3-0")] == [0, 1, 2]
    for name in (j.name for j in jobs):
        for before, following in itertools.pairwise(after.of(name)):
            assert before.until <= following.slot
    assert after.device_seconds >= made.device_seconds
