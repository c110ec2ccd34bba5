"""Drift: plans stand while floors hold, move when they break, and say which number moved."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InfeasibleError, InvalidInputError
from qalgs.nest import Linear, Plan, esp, plan
from qalgs.nest.drift import plan_with_drift, revise


def line(n: int) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=2)


JOBS = {"a": line(3), "b": line(3), "c": line(4)}


@pytest.fixture(scope="module")
def snapshot() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_kolkata")


@pytest.fixture(scope="module")
def made(snapshot: DeviceSnapshot) -> Plan:
    return plan(JOBS, snapshot, schedule=Linear(4))


def last_layout(made: Plan, job: str) -> tuple[int, ...]:
    return tuple(made.of(job)[-1].layout)


def test_no_drift_no_change(snapshot: DeviceSnapshot, made: Plan) -> None:
    revision = revise(made, snapshot, 2)
    assert not revision.changed
    assert revision.changes == ()
    assert "still meet their floors" in revision.reason
    assert [tuple(a.layout) for a in revision.plan.assignments] == [tuple(a.layout) for a in made.assignments]


def test_better_calibration_updates_the_esps(snapshot: DeviceSnapshot, made: Plan) -> None:
    better = snapshot.inflate({"cx": 0.999})
    revision = revise(made, better, 1)
    assert not revision.changed
    for a in revision.plan.assignments:
        expected = esp(JOBS[a.job], better if a.slot >= 1 else snapshot, a.layout)
        assert a.esp == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["readout", "gate", "dead"])
def test_a_broken_floor_moves_the_job_and_names_the_cause(snapshot: DeviceSnapshot, made: Plan, kind: str) -> None:
    layout = last_layout(made, "c")
    pair = next((layout[i], layout[i + 1]) for i in range(3))
    if kind == "readout":
        errors = list(snapshot.readout_error)
        errors[layout[1]] = 0.4
        moved = replace(snapshot, readout_error=tuple(errors))
        text = rf"readout error of qubit {layout[1]} went from"
    elif kind == "gate":
        moved = snapshot.inflate({pair: 40.0})
        text = r"error of cx .* went from"
    else:
        dead: dict[tuple[str, tuple[int, ...]], float | None] = {
            (n, q): 1.0 for n, q in snapshot.gate_errors if set(q) == set(pair)
        }
        moved = replace(snapshot, gate_errors={**snapshot.gate_errors, **dead})
        text = r"coupler \d+-\d+ died"
    revision = revise(made, moved, 2)
    assert revision.changed
    mine = [c for c in revision.changes if c.job == "c"]
    assert mine
    assert any(re.search(text, c.reason) for c in mine)
    assert revision.plan.violations() == []
    assert [a for a in revision.plan.assignments if a.slot < 2] == [a for a in made.assignments if a.slot < 2]
    final = revision.plan.of("c")[-1]
    assert final.esp == pytest.approx(esp(JOBS["c"], moved, final.layout), rel=1e-12)
    best = next(r for r in revision.plan.requests if r.name == "c").best
    assert final.esp >= 0.97 * best - 1e-9
    assert revision.plan.device_seconds > 0


def test_a_sequence_of_snapshots(snapshot: DeviceSnapshot) -> None:
    worse = snapshot.inflate({"cx": 3.0})
    final, revisions = plan_with_drift(JOBS, [(0, snapshot), (1, worse), (2, snapshot)], schedule=Linear(4))
    assert len(revisions) == 2
    assert final.violations() == []
    assert revisions[-1].at_slot == 2
    with pytest.raises(InvalidInputError, match="must start with slot 0"):
        plan_with_drift(JOBS, [(1, snapshot)])
    with pytest.raises(InvalidInputError, match="rising slots"):
        plan_with_drift(JOBS, [(0, snapshot), (3, worse), (2, worse)])


def test_refusals(snapshot: DeviceSnapshot, made: Plan) -> None:
    with pytest.raises(InvalidInputError, match="at_slot must be between"):
        revise(made, snapshot, 99)
    with pytest.raises(InvalidInputError, match="must be of the plan's device"):
        revise(made, DeviceSnapshot.from_backend("fake_manila"), 1)
    with pytest.raises(InfeasibleError, match="job 'a'"):
        revise(made, _all_dead(snapshot), 1)
    assert revise(made, snapshot, made.slots).reason == "nothing is left to run"


def _all_dead(snapshot: DeviceSnapshot) -> DeviceSnapshot:
    dead: dict[tuple[str, tuple[int, ...]], float | None] = {
        (n, q): 1.0 for n, q in snapshot.gate_errors if len(q) == 2
    }
    return replace(snapshot, gate_errors={**snapshot.gate_errors, **dead})
