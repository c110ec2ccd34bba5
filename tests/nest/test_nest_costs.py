"""Costs by hand, crosstalk models by definition, frontiers that rise."""

from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InvalidInputError
from qalgs.nest import (
    CoherentZZ,
    CostModel,
    ErrorInflation,
    Linear,
    NoCrosstalk,
    circuit_seconds,
    frontier,
    make_crosstalk,
    plan,
)
from qalgs.nest.frontiers import FrontierPoint
from qalgs.nest.requests import count_bases, structure


def line(n: int) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=2)


class Job:
    def __init__(self, name: str, n: int, observable: SparsePauliOp, evaluations: int, shots: int) -> None:
        self.name, self.circuit, self.observable = name, line(n), observable
        self.evaluations, self.shots, self.cycles = evaluations, shots, None


@pytest.fixture(scope="module")
def guadalupe() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_guadalupe")


def test_seconds_of_one_job_by_hand(guadalupe: DeviceSnapshot) -> None:
    job = Job("a", 3, SparsePauliOp(["ZZI", "IZZ", "XXX"]), 10, 500)
    cost = CostModel.of(repetition_delay=1e-3, overhead=2.0, price=3.0)
    made = plan([job], guadalupe, schedule=Linear(4), cost=cost)
    expected = 0.0
    for a in made.assignments:
        expected += 10 * (2 * 500 * (1e-3 + circuit_seconds(job.circuit, guadalupe, a.layout)) + 2.0)
    assert made.device_seconds == pytest.approx(expected, rel=1e-12)
    assert made.usage.cost == pytest.approx(3 * expected)
    assert made.usage.shots == 4 * 10 * 2 * 500
    assert made.usage.submissions == 40


def test_a_slot_lasts_as_long_as_its_slowest_job_and_is_shared(guadalupe: DeviceSnapshot) -> None:
    z = SparsePauliOp(["ZII"])
    jobs = [Job("a", 3, z, 10, 500), Job("b", 3, z, 10, 500)]
    for sharing in ("equal", "qubit_seconds"):
        made = plan(jobs, guadalupe, schedule=Linear(1), fidelity=0.5, cost=CostModel.of(sharing=sharing))
        assert made.slots == 1
        longest = max(circuit_seconds(j.circuit, guadalupe, made.of(j.name)[0].layout) for j in jobs)
        assert made.device_seconds == pytest.approx(10 * 500 * (250e-6 + longest))
        assert sum(made.usage.shares["device_seconds"].values()) == pytest.approx(made.device_seconds)
        assert made.serial_seconds == pytest.approx(2 * made.device_seconds, rel=0.05)


def test_circuit_seconds_is_the_critical_path(guadalupe: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.cx(0, 1)
    circuit.x(0)
    pair = next(q for name, q in guadalupe.gate_errors if name == "cx")
    gate = guadalupe.gate_durations["cx", pair] or 0.0
    flip = guadalupe.gate_durations["x", (pair[0],)] or 0.0
    read = max(guadalupe.readout_duration[q] or 0.0 for q in pair)
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.x(0)
    assert circuit_seconds(circuit, guadalupe, pair) == pytest.approx(gate + flip + read, rel=1e-6)
    measured = circuit.copy()
    measured.measure_all()
    assert circuit_seconds(measured, guadalupe, pair) == pytest.approx(gate + flip + read, rel=1e-6)


def test_bases_and_structure() -> None:
    assert count_bases(SparsePauliOp(["ZZ", "IZ", "XX", "II"])) == 2
    assert count_bases(None) == 1
    assert count_bases(SparsePauliOp(["II"])) == 1
    assert structure(line(3)) == structure(efficient_su2(3, entanglement="linear", reps=2, parameter_prefix="x"))
    assert structure(line(3)) != structure(line(4))


def test_error_inflation_by_definition(guadalupe: DeviceSnapshot) -> None:
    model = ErrorInflation(factor=3, hops=1)
    layout, other = (0, 1, 2, 3), (8, 11)
    factors = model.inflation(guadalupe, layout, [other])
    assert factors == {}
    touching = model.inflation(guadalupe, layout, [(5, 8)])
    assert touching == {(2, 3): 3, (3, 5): 3} or touching == {(2, 3): 3}
    worse = model.inflated(guadalupe, layout, [(5, 8)])
    for gate, error in guadalupe.gate_errors.items():
        factor = 3 if len(gate[1]) == 2 and set(gate[1]) == {2, 3} else 1
        assert worse.gate_errors[gate] == pytest.approx(error * factor if error else error)
    assert model.reach == 1
    assert ErrorInflation(factor=1).reach == NoCrosstalk().reach == CoherentZZ().reach == 0


def test_coherent_zz_groups(guadalupe: DeviceSnapshot) -> None:
    model = CoherentZZ(rate=50e3)
    layouts = {"a": (0, 1), "b": (2, 3), "c": (5,), "d": (14, 13)}
    assert model.touching(guadalupe, layouts) == [("a", 1, "b", 2), ("b", 3, "c", 5)]
    assert model.coupled(guadalupe, layouts) == [["a", "b", "c"], ["d"]]
    assert CoherentZZ(rate=0).coupled(guadalupe, layouts) == [["a"], ["b"], ["c"], ["d"]]
    assert NoCrosstalk().coupled(guadalupe, layouts) == [["a"], ["b"], ["c"], ["d"]]


def test_crosstalk_by_name() -> None:
    assert make_crosstalk(None) == make_crosstalk("none") == NoCrosstalk()
    assert make_crosstalk("inflation:2.5:2") == ErrorInflation(factor=2.5, hops=2)
    assert make_crosstalk("zz:2e4") == CoherentZZ(rate=2e4)
    for model in (NoCrosstalk(), ErrorInflation(factor=4, hops=3), CoherentZZ(rate=1e4)):
        assert make_crosstalk(model.describe()) == model
        assert make_crosstalk(model) is model
    for bad, text in (
        ("loud", "must be 'none'"),
        ("inflation:a", "numbers after the colons"),
        ("inflation:0.5", "crosstalk.factor"),
        ("zz:nan", "crosstalk.rate"),
        ({"name": "zz", "volume": 3}, "does not take these options"),
        ({"name": "boom"}, "must be one of none, inflation, zz"),
    ):
        with pytest.raises(InvalidInputError, match=text):
            make_crosstalk(bad)


def test_cost_refusals() -> None:
    with pytest.raises(InvalidInputError, match="shots must be"):
        CostModel(shots=0)
    with pytest.raises(InvalidInputError, match="repetition_delay must be"):
        CostModel.of(repetition_delay=math.nan)


def test_frontier_rises_and_stays_above_its_bound(guadalupe: DeviceSnapshot) -> None:
    jobs = {f"j{i}": line(3) for i in range(4)}
    seen: list[FrontierPoint] = []
    made = frontier(
        jobs, guadalupe, fractions=(0.99, 0.7, 0.9), schedule=Linear(3), rounds=8, callback=seen.append
    )
    assert [p.fidelity for p in made.points] == [0.7, 0.9, 0.99]
    assert seen == list(made.points)
    slots = [p.slots or 0 for p in made.points]
    assert slots == sorted(slots)
    for p in made.points:
        assert (p.worst_ratio or 0) >= p.fidelity
        assert (p.bound_seconds or 0) <= (p.device_seconds or 0) <= made.serial_seconds
    axes = made.plot()
    assert axes.get_ylabel() == "device-seconds"
    with pytest.raises(InvalidInputError, match="fractions must hold"):
        frontier(jobs, guadalupe, fractions=())
