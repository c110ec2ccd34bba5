"""Rarer roads of the scheduler: odd chips, constant jobs, machines that answer late, tables without a control."""

from __future__ import annotations

import dataclasses
import json
import math
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from campaign_cases import snapshot
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import efficient_su2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import CompiledEstimator, DeviceSnapshot, load_backend
from qalgs.circuits import hardware_efficient, tfim
from qalgs.errors import ExecutionError, InfeasibleError, InvalidInputError, LedgerError
from qalgs.nest import (
    BestMap,
    Campaign,
    CoherentZZ,
    ErrorInflation,
    EstimatorExecutor,
    FewestSeconds,
    Job,
    LayoutCatalogue,
    Ledger,
    Linear,
    MaxMinEsp,
    esp,
    make_schedule,
    merge,
    pack,
    place,
    plan,
)
from qalgs.nest.charts import chip_map
from qalgs.nest.chip import Chip
from qalgs.nest.drift import plan_with_drift
from qalgs.nest.embeddings import live_graph
from qalgs.nest.executor import Request
from qalgs.nest.headlines import pooled
from qalgs.nest.joint import Tenant, joint_expectations
from qalgs.nest.joint_executor import JointExecutor
from qalgs.nest.lattice import lattice_coordinates
from qalgs.nest.machine import MergedExecutor as Machine
from qalgs.nest.report_data import compare
from qalgs.nest.report_html import write_folder_report
from qalgs.nest.requests import as_requests
from qalgs.nest.sampling import IbmSampling, LocalSampling, Sampling, open_sampling
from qalgs.nest.space_time_exact import exact_slots
from qalgs.nest.space_time_greedy import greedy_slots
from qalgs.nest.space_time_model import Problem, build_problem
from qalgs.nest.study import Cell, Study, run_cell
from qalgs.nest.study_result import CellOutcome, StudyResult
from qalgs.nest.submission import MemoryJournal, Retry, Submission
from qalgs.nest.subsets import connected_shapes, connected_subsets
from qalgs.nest.walk import QubitWalk

PAIR = hardware_efficient(2, 1)
ISING = tfim(2)


@pytest.fixture(scope="module")
def manila() -> DeviceSnapshot:
    return snapshot("fake_manila")


def chip_of(n: int, pairs: list[tuple[int, int]]) -> Chip:
    both = [list(p) for a, b in pairs for p in ((a, b), (b, a))]
    return Chip.of(device_of(n, both))


def device_of(n: int, pairs: list[list[int]]) -> DeviceSnapshot:
    return DeviceSnapshot.from_backend(GenericBackendV2(n, coupling_map=pairs, seed=1))


# -- chips -------------------------------------------------------------------------------------------------------

ROWS = [(0, 1), (1, 2), (3, 4), (4, 5)]
THIRD = [(6, 7), (7, 8)]


@pytest.mark.parametrize(
    ("n", "pairs"),
    [
        (8, [(0, 1), (1, 2), (5, 6), (6, 7), (0, 3), (1, 3), (3, 6)]),  # a bridge with three ends
        (9, [*ROWS, *THIRD, (0, 3), (3, 6), (0, 6)]),  # a coupler that skips a row
        (6, [*ROWS, (0, 3), (1, 5)]),  # couplers that ask for two shifts
        (9, [*ROWS, *THIRD, (0, 3)]),  # a row that hangs on nothing
    ],
)
def test_chips_that_are_no_lattice(n: int, pairs: list[tuple[int, int]]) -> None:
    assert lattice_coordinates(chip_of(n, pairs)) is None


def test_rows_are_shifted_below_one_another() -> None:
    points = lattice_coordinates(chip_of(6, [*ROWS, (1, 3), (2, 4)]))
    assert points is not None
    assert points[1, 0] == points[3, 0]
    assert points[2, 0] == points[4, 0]


def test_gates_of_three_qubits_are_no_couplers(manila: DeviceSnapshot) -> None:
    errors = {**manila.gate_errors, ("ccx", (0, 1, 2)): 0.01, ("odd", (0, 1)): 0.5, ("odd1", (0,)): 0.5}
    times = {**manila.gate_durations, ("ccx", (0, 1, 2)): 1e-6, ("odd", (0, 1)): 1e-6, ("odd1", (0,)): 1e-6}
    wide = dataclasses.replace(manila, gate_errors=errors, gate_durations=times)
    assert np.array_equal(Chip.of(wide).couplers, Chip.of(manila).couplers)
    ours, theirs = (LayoutCatalogue.for_circuit(PAIR, s).esp for s in (wide, manila))
    assert np.array_equal(ours, theirs)


# -- catalogues --------------------------------------------------------------------------------------------------


def triangle() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    for i in range(3):
        circuit.ry(Parameter(f"t{i}"), i)
    circuit.barrier()
    for a, b in ((0, 1), (1, 2), (2, 0)):
        circuit.cx(a, b)
    circuit.delay(100, 0, "ns")
    return circuit


def test_odd_rings_and_barriers_are_scored_like_the_circuit_itself() -> None:
    device = device_of(4, [[a, b] for a in range(3) for b in range(3) if a != b] + [[2, 3], [3, 2]])
    catalogue = LayoutCatalogue.for_circuit(triangle(), device)
    assert not catalogue.routed
    for layout in list(catalogue)[:6]:
        assert layout.esp == pytest.approx(esp(triangle(), device, tuple(layout), idle=False), rel=1e-9)


def test_gates_and_readout_are_scored_apart(manila: DeviceSnapshot) -> None:
    parts = {}
    for gates, readout in ((True, True), (True, False), (False, True)):
        catalogue = LayoutCatalogue.for_circuit(PAIR, manila, gates=gates, readout=readout)
        parts[gates, readout] = {tuple(x): x.esp for x in catalogue}
    for layout, whole in parts[True, True].items():
        product = parts[True, False][layout] * parts[False, True][layout]
        assert whole == pytest.approx(product, rel=1e-9)
        errors = [manila.readout_error[q] or 0.0 for q in layout]
        assert parts[False, True][layout] == pytest.approx(math.prod(1 - e for e in errors), rel=1e-9)


def test_catalogues_that_would_be_empty(manila: DeviceSnapshot) -> None:
    three = hardware_efficient(3, 1)
    with pytest.raises(InfeasibleError, match=r"without qubits \[1, 3\]"):
        LayoutCatalogue.for_circuit(three, manila, exclude=[1, 3])
    catalogue = LayoutCatalogue.for_circuit(PAIR, manila)
    for wrong in ([0, 1, 2], [0, 3]):
        with pytest.raises(InvalidInputError, match=r"^layout must be one of the 8 layouts on fake_manila, got "):
            catalogue.index(wrong)
    assert catalogue.worst().esp == min(x.esp for x in catalogue)


def test_rare_shapes_and_subsets_beyond_the_limit_are_left_out() -> None:
    graph = live_graph(Chip.of(snapshot("fake_guadalupe")), [])
    everything, cut = connected_subsets(graph, 6, 10_000)
    assert not cut
    some, cut = connected_subsets(graph, 6, 5)
    assert cut
    assert len(some) == 5
    assert set(some) <= set(everything)
    shapes, note = connected_shapes(graph, 6, 100_000)
    assert note == ""
    one, note = connected_shapes(graph, 6, 100_000, max_shapes=1)
    assert note == f"{len(shapes) - 1} rare shapes of {len(shapes)} were left out"
    assert np.array_equal(one[0].maps, shapes[0].maps)


# -- jobs on their qubits ----------------------------------------------------------------------------------------


def test_constants_need_no_circuit_and_barriers_none_of_their_own(manila: DeviceSnapshot) -> None:
    constant = place("a", PAIR, SparsePauliOp("II", 2.5), (0, 1), manila)
    assert (constant.constant, constant.bases) == (2.5, ())
    parted = QuantumCircuit(2)
    parted.compose(PAIR, inplace=True)
    parted.barrier()
    points = [np.full((1, PAIR.num_parameters), 0.3)]
    made = merge([place("a", parted, ISING, (0, 1), manila)], points, manila)
    assert made.num_rounds == merge([place("a", PAIR, ISING, (0, 1), manila)], points, manila).num_rounds


def test_circuits_and_layouts_of_different_size_are_refused(manila: DeviceSnapshot) -> None:
    good = place("a", PAIR, ISING, (0, 1), manila)
    wide = dataclasses.replace(good, layout=(0, 1, 2))
    points = [np.zeros((1, PAIR.num_parameters))]
    with pytest.raises(InvalidInputError, match=r"^circuit of job 'a' must have 3 qubits, got 2"):
        merge([wide], points, manila)


def request(job: Job, layout: tuple[int, ...], shots: int = 10, **more: Any) -> Request:
    fields = {"cycle": 0, "evaluation": 0, "point": np.full(job.circuit.num_parameters, 0.3), **more}
    return Request(job=job, layout=layout, shots=shots, **fields)


def test_constant_jobs_cost_no_submission() -> None:
    job = Job("a", PAIR, SparsePauliOp("II", 2.5))
    sent: list[object] = []

    class Counting(Sampling):
        def send(self, *arguments: Any) -> Any:
            sent.append(arguments)
            return super().send(*arguments)

    backend = load_backend("fake_manila")
    found = Machine(backend, sampling=Counting(backend)).evaluate([request(job, (0, 1))], seed=1, step="0")
    assert [reading.value for reading in found] == [2.5]
    assert sent == []


# -- ways to run -------------------------------------------------------------------------------------------------


def aer(noise: Any = None) -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator(noise_model=noise) if noise is not None else AerSimulator()


def test_simulators_refuse_what_they_could_not_hold() -> None:
    from qiskit_aer.noise import NoiseModel, ReadoutError

    def merged(n: int) -> Any:
        return SimpleNamespace(jobs=[SimpleNamespace(name="wide", layout=tuple(range(n)))], pubs=[])

    way = open_sampling(aer())
    with pytest.raises(InvalidInputError, match=r"^qubits of job .wide. on simulator \S+ must be at most 24"):
        way.check_size(merged(25))
    with pytest.raises(
        InvalidInputError, match=r"^qubits of job 'wide' in an exact simulation must be at most 11"
    ):
        way.probabilities(merged(12))
    noise = NoiseModel()
    noise.add_readout_error(ReadoutError(0.9 * np.eye(4) + 0.025), [0, 1])
    job = Job("a", PAIR, ISING)
    with pytest.raises(InvalidInputError, match=r"^readout errors must be of single qubits, got \[0, 1\]"):
        Machine(_on_manila(noise)).evaluate([request(job, (0, 1), 0)], seed=1, step="0")


def _on_manila(noise: Any) -> Any:
    from qiskit_aer import AerSimulator

    device = AerSimulator.from_backend(load_backend("fake_manila"))
    device.set_options(noise_model=noise)
    return device


def test_runtime_backends_are_machines() -> None:
    kind = type("IBMBackend", (), {"__module__": "qiskit_ibm_runtime.ibm_backend", "name": "ibm_double"})
    way = open_sampling(kind(), "session")
    assert isinstance(way, IbmSampling)
    assert way.mode == "session"
    way.close()  # nothing was opened
    assert way._opened is None


def test_local_testing_forgets_circuits_and_says_which_job_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qalgs.nest.sampling._MOST_KEPT", 0)
    backend = load_backend("fake_manila")
    way = LocalSampling(backend)
    job = Job("a", PAIR, ISING)
    machine = Machine(backend, sampling=way)
    values = [machine.evaluate([request(job, (0, 1))], seed=1, step="0")[0].value for _ in "ab"]
    assert values[0] == values[1]
    assert len(way._small) == 1
    chip = Chip.of(snapshot("fake_manila"))
    merged = merge([place("a", PAIR, ISING, (0, 1), chip)], [np.zeros((1, PAIR.num_parameters))], chip)
    sent = way.send(merged, 10, [1] * len(merged.pubs), "tag")
    assert sent.job_id()
    sent.cancel()
    assert len(sent.result()) == len(merged.pubs)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Remote:
    """A service with one job, which ends at a time and may have ended when it is cancelled."""

    def __init__(
        self, clock: Clock, *, ends: float = 0.0, error: Exception | None = None, known: bool = True
    ) -> None:
        self.clock, self.ends, self.error, self.known, self.sent = clock, ends, error, known, 0

    def send(self) -> Remote:
        self.sent += 1
        return self

    def find(self, tag: str) -> Remote | None:
        return self if self.known else None

    def fetch(self, remote: str) -> Remote:
        return self

    def failed(self, error: Exception) -> bool:
        return isinstance(error, RuntimeError)

    def job_id(self) -> str:
        return "id"

    def in_final_state(self) -> bool:
        return self.clock.time >= self.ends

    def cancel(self) -> None:
        self.ends = self.clock.time
        raise RuntimeError("the job has ended")

    def result(self) -> str:
        if self.error is not None and self.sent == 0:
            raise self.error
        return "result"


def submission(machine: Remote, journal: Any, **options: Any) -> Submission:
    return Submission(retry=Retry(attempts=2, **options), clock=machine.clock, journal=journal, finder=machine)


def test_a_job_that_ends_while_it_is_cancelled_has_its_result() -> None:
    machine = Remote(Clock(), ends=100.0)
    assert submission(machine, MemoryJournal(), timeout=10.0).run("s", "tag", 1, machine.send) == "result"
    assert machine.sent == 1
    assert 10 <= machine.clock.time < 100


@pytest.mark.parametrize("case", ["lost", "failed"])
def test_a_job_on_its_way_that_gives_nothing_is_sent_again(case: str) -> None:
    error = RuntimeError("error 1524") if case == "failed" else None
    machine, journal = Remote(Clock(), error=error, known=case != "lost"), MemoryJournal()
    journal.write("s", 0, "sending", note="tag")
    assert submission(machine, journal).run("s", "tag", 1, machine.send) == "result"
    assert machine.sent == 1
    assert [row[1] for row in journal.sent("s")][-1] == "done"


def test_a_job_on_its_way_whose_service_falls_silent_is_waited_for() -> None:
    machine, journal = Remote(Clock(), error=ConnectionError("reset")), MemoryJournal()
    journal.write("s", 0, "sending", note="tag")
    with pytest.raises(ExecutionError, match=r"^step s was sent, but the service does not answer"):
        submission(machine, journal).run("s", "tag", 1, machine.send)
    assert machine.sent == 0


# -- estimators --------------------------------------------------------------------------------------------------


class Unseeded:
    """An estimator without a seed that notes the precisions asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def run(self, pubs: Any, *, precision: float) -> Any:
        self.asked.append(precision)
        return CompiledEstimator().run(pubs)


def test_jobs_of_different_shots_are_asked_one_by_one() -> None:
    estimator = Unseeded()
    jobs = [Job(name, PAIR, ISING) for name in "ab"]
    asked = [request(jobs[0], (0, 1), 100), request(jobs[1], (2, 3), 400)]
    found = EstimatorExecutor(estimator).evaluate(asked, seed=1, step="0")
    assert estimator.asked == [0.1, 0.05]
    exact = float(CompiledEstimator().run([(PAIR, ISING, asked[0].point)]).result()[0].data.evs)
    assert [r.value for r in found] == pytest.approx([exact, exact], abs=1e-9)
    with pytest.raises(InvalidInputError, match="precision"):
        EstimatorExecutor(Refusing()).evaluate(asked, seed=1, step="0")


class Refusing(Unseeded):
    def run(self, pubs: Any, *, precision: float) -> Any:
        raise InvalidInputError("precision must be 0")


def test_a_pennylane_device_is_an_estimator() -> None:
    qp = pytest.importorskip("pennylane")
    job = Job("a", PAIR, ISING)
    executor = EstimatorExecutor(qp.device("default.qubit", wires=2))
    (found,) = executor.evaluate([request(job, (0, 1), 0)], seed=1, step="0")
    exact = float(CompiledEstimator().run([(PAIR, ISING, np.full(PAIR.num_parameters, 0.3))]).result()[0].data.evs)
    assert found.value == pytest.approx(exact, abs=1e-9)


# -- campaigns ---------------------------------------------------------------------------------------------------


def test_a_target_is_a_device() -> None:
    target = load_backend("fake_manila").target
    made = Campaign([Job("a", PAIR, ISING)], target, strategy=BestMap(cycles=1), evaluations=3, shots=0, seed=1)
    named = Campaign(
        [Job("a", PAIR, ISING)], "fake_manila", strategy=BestMap(cycles=1), evaluations=3, shots=0, seed=1
    )
    ours, theirs = made.run(), named.run()
    assert ours["a"].measured == pytest.approx(theirs["a"].measured, abs=1e-12)
    with pytest.raises(KeyError, match="b"):
        ours["b"]
    printed = str(ours).splitlines()[-2:]
    assert printed[0].split()[0] == "job"
    assert printed[1].split()[:2] == ["a", "BestMap"]
    axes = ours.plot_energy("a")
    assert len(axes.get_lines()) >= 2
    with pytest.raises(TypeError, match=r"^crosstalk must be"):
        Campaign([Job("a", PAIR, ISING)], "fake_manila", crosstalk=3)


def test_inflation_without_neighbours_or_factor_changes_nothing(manila: DeviceSnapshot) -> None:
    assert ErrorInflation(factor=3.0).inflation(manila, (0, 1), []) == {}
    assert ErrorInflation(factor=1.0).inflation(manila, (0, 1), [(2, 3)]) == {}
    (coupler,) = {tuple(sorted(k)) for k in ErrorInflation(factor=3.0).inflation(manila, (0, 1), [(2, 3)])}
    assert coupler == (0, 1)


def test_a_walk_without_a_free_neighbour_jumps(manila: DeviceSnapshot) -> None:
    catalogue = LayoutCatalogue.for_circuit(PAIR, manila)
    walk = QubitWalk()
    first = walk.start(0.9, catalogue=catalogue)
    near = walk.neighbours(first.layout, catalogue=catalogue)
    allowed = np.ones(len(catalogue), dtype=bool)
    allowed[near] = False
    step = walk.step(first, 0.9, catalogue=catalogue, allowed=allowed)
    assert step.jump
    assert allowed[catalogue.index(step.layout)]


def test_schedules_by_name_keep_their_own_refusals() -> None:
    with pytest.raises(InvalidInputError, match=r"^levels must be a non-empty sequence of ESPs"):
        make_schedule("custom", levels=[])
    with pytest.raises(InvalidInputError, match=r"^schedule linear does not take these options: "):
        make_schedule("linear", colour=1)
    with pytest.raises(TypeError, match=r"^cycles must be an int, got str"):
        make_schedule("linear", cycles="x")
    steps = make_schedule("custom", levels=[0.5, 0.75, 1.0])
    assert steps.fractions() == [0.0, 0.5, 1.0]
    assert make_schedule("custom", levels=[0.5, 0.5]).fractions() == [1.0, 1.0]


# -- plans -------------------------------------------------------------------------------------------------------


def test_objectives_that_say_the_same_plan_the_same(manila: DeviceSnapshot) -> None:
    jobs: dict[str, QuantumCircuit] = {name: efficient_su2(2, reps=1) for name in "ab"}
    options: dict[str, Any] = {"schedule": Linear(2), "polish": 0, "rounds": 2}
    plans = [
        plan(jobs, manila, fidelity=0.9, **options),
        plan(jobs, manila, objective=FewestSeconds(fidelity=0.9), **options),
        plan(jobs, manila, objective=FewestSeconds(fidelity=0.5), fidelity=0.9, **options),
    ]
    assert len({json.dumps(p.to_dict()["assignments"]) for p in plans}) == 1
    with pytest.raises(InvalidInputError, match=r"^rounds must be at least 1, got 0"):
        plan(jobs, manila, **{**options, "rounds": 0})
    with pytest.raises(InfeasibleError, match=r"must fit into 3 slots|at least"):
        plan({n: efficient_su2(4, reps=1) for n in "abc"}, manila, objective=MaxMinEsp(slots=3), **options)


def test_jobs_may_bring_the_number_of_their_cycles(manila: DeviceSnapshot) -> None:
    job = Job("a", PAIR, ISING, cycles=4)
    assert pack([job], manila).cycles == 4
    assert pack([job], manila, schedule="linear").cycles == 4
    assert pack([Job("a", PAIR, ISING)], manila).cycles == 6


def test_many_jobs_are_drawn_without_a_legend() -> None:
    jobs = {f"j{i:02d}": efficient_su2(2, reps=1) for i in range(17)}
    options: dict[str, Any] = {"schedule": Linear(1), "polish": 0, "rounds": 1}
    made = plan(jobs, snapshot("fake_guadalupe"), **options)
    assert made.plot_targets().get_legend() is None
    few = plan({"a": efficient_su2(2, reps=1)}, snapshot("fake_guadalupe"), **options)
    assert few.plot_targets().get_legend() is not None


# -- studies and tables ------------------------------------------------------------------------------------------


def outcome(strategy: str, seed: int, device: str = "chip") -> CellOutcome:
    job = {
        "job": "a",
        "strategy": strategy,
        "reference": -1.0 - 0.1 * seed,
        "noiseless": None,
        "gap": None,
        "gap_to_baseline": None,
        "spectral_width": 2.0,
        "evaluations": 2,
        "converged_after": None,
        "esp_last": 0.5,
        "jumps": 0,
        "seconds": 2.0,
        "converged_seconds": None,
        "progress_seconds": [2.0],
        "progress_evaluations": [2],
        "progress_energies": [-1.0],
    }
    payload = {"device": device, "strategy": strategy, "seed": seed, "jobs": [job], "run": {"strategy": strategy}}
    return CellOutcome(payload=payload)


def test_tables_of_one_strategy_and_without_the_control() -> None:
    alone = StudyResult(outcomes=(outcome("Nest", 0),), control="BestMapRestarts", baseline="BestMap")
    assert alone.report_content() == {"runs": [{"strategy": "Nest"}], "comparison": []}
    pair = StudyResult(
        outcomes=(outcome("Nest", 0), outcome("Qoncord", 0)), control="BestMapRestarts", baseline="BestMap"
    )
    (group,) = pair.report_content()["comparison"]
    assert not group["paired"]
    assert [row["strategy"] for row in group["rows"]] == ["Nest", "Qoncord"]


def test_strategies_without_a_seed_in_common_are_not_pooled() -> None:
    outcomes = [outcome("Nest", 0, "a"), outcome("Nest", 1, "b"), outcome("BestMapRestarts", 0, "a")]
    outcomes += [outcome("BestMapRestarts", 0, "b")]
    assert [p.strategy for p in pooled(outcomes, control="BestMapRestarts")] == ["BestMapRestarts"]


def test_runs_are_compared_with_a_control_where_there_is_one() -> None:
    def run(strategy: str, job: str, seed: int) -> dict[str, Any]:
        made = {"name": job, "strategy": strategy, "reference": -1.0}
        return {"seed": seed, "strategy": strategy, "device": "chip", "jobs": [made]}

    for runs, paired in (
        ([("Nest", "a", 0), ("BestMap", "a", 0)], 0),
        ([("Nest", "a", 0), ("BestMapRestarts", "a", 1)], 0),
        ([("Nest", "a", 0), ("BestMapRestarts", "a", 0)], 1),
    ):
        groups = compare([run(*r) for r in runs])
        assert sum(g["paired"] for g in groups) == paired


def test_cells_name_their_job_and_refuse_a_foreign_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(tmp_path / "empty.sqlite"):
        pass
    options: dict[str, Any] = {"strategy": BestMap(cycles=1), "seed": 1, "evaluations": 2, "shots": 0}
    cell = Cell(device="fake_manila", jobs=(Job("a", PAIR, ISING),), ledger=tmp_path / "empty.sqlite", **options)
    with pytest.raises(
        LedgerError, match=r"empty\.sqlite does not hold the campaign that its jobs file describes"
    ):
        run_cell(cell)
    wide = Cell(device="fake_manila", jobs=(Job("wide", hardware_efficient(6, 1), tfim(6)),), **options)
    with pytest.raises(InfeasibleError, match=r"^job 'wide': "):
        run_cell(wide)
    kept: dict[Any, Any] = dict.fromkeys(range(64))
    monkeypatch.setattr("qalgs.nest.study._CATALOGUES", kept)
    found = dataclasses.replace(cell, ledger=None)
    assert run_cell(found)["jobs"][0]["job"] == "a"
    assert len(kept) == 1


def test_ledgers_export_the_cells_of_studies(tmp_path: Path) -> None:
    with Ledger() as ledger:
        before = ledger.digest()
        ledger.put_cell("key", {"value": 1.5})
        assert list(ledger.export())[-1] == '{"cell":"key","payload":{"value":1.5}}'
        assert ledger.digest() != before


def test_folder_reports_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"^folders must hold at least one run, got 0"):
        write_folder_report([], tmp_path / "page.html")


def test_study_of_one_cell_from_a_snapshot(manila: DeviceSnapshot) -> None:
    study = Study.grid(
        devices=[manila],
        groups=[[Job("a", PAIR, ISING)]],
        strategies=[BestMap(cycles=1)],
        seeds=[1],
        evaluations=2,
        shots=0,
    )
    (row,) = study.run().table()
    assert (row["device"], row["job"], row["strategy"]) == ("fake_manila", "a", "BestMap")


# -- the exact planner -------------------------------------------------------------------------------------------


def tiny() -> Problem:
    """Two two-qubit jobs of two cycles on a line of five qubits."""
    manila = snapshot("fake_manila")
    requests = as_requests(
        {n: efficient_su2(2, reps=1) for n in "ab"}, manila, schedule=Linear(2, "0.9*best", "best")
    )
    return build_problem(requests, Chip.of(manila), 1, 0.97, [1, 1])


@pytest.mark.parametrize(
    ("answers", "slots", "bound"),
    [
        ([("unknown", None), ("yes", [[]] * 4), ("unknown", None)], 4, 2),
        ([("unknown", None), ("no", None)], 6, 6),
        ([("no", None), ("unknown", None), ("unknown", None)], 6, 3),
        ([("no", None), ("no", None), ("yes", [[]] * 4)], 4, 4),
    ],
)
def test_what_the_solver_leaves_open_is_asked_from_above(
    answers: list[Any], slots: int, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound climbs while the solver says no; a question left open turns to plans below the known one."""
    asked: list[int] = []

    def ask(problem: object, horizon: int, *_: object) -> Any:
        asked.append(horizon)
        return answers[len(asked) - 1]

    monkeypatch.setattr("qalgs.nest.space_time_exact._ask", ask)
    known: Any = [[]] * 6
    found = exact_slots(tiny(), at_least=2, known=known, effort=1.0)
    assert (len(found.slots or ()), found.bound) == (slots, bound)
    assert found.optimal == (slots == bound)
    assert len(asked) == len(answers)


def test_a_solver_without_an_answer_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ortools.sat.python import cp_model

    mute = SimpleNamespace(solve=lambda model: cp_model.UNKNOWN)
    monkeypatch.setattr("qalgs.nest.space_time_exact.solver", lambda *_, **__: mute)
    found = exact_slots(tiny(), at_least=2, known=None)
    assert (found.slots, found.bound, found.optimal) == (None, 2, False)


def test_greedy_rounds_end_with_the_clock_and_floors_must_be_met_somewhere() -> None:
    problem = tiny()
    short = greedy_slots(problem, at_least=0, rounds=1000, time_limit=0.0)
    assert short == greedy_slots(problem, at_least=0, rounds=1)
    high = build_problem(
        as_requests({"a": PAIR}, snapshot("fake_manila"), schedule=Linear(2)),
        Chip.of(snapshot("fake_manila")),
        1,
        1.5,
        [1],
    )
    with pytest.raises(
        InfeasibleError, match=r"^job 'a' must reach ESP 1\.\d+ on fake_manila, got at most 0\.\d+; "
    ):
        greedy_slots(high, at_least=0)


# -- machines and ledgers that fail ------------------------------------------------------------------------------


def test_results_without_a_register_are_refused(manila: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [np.zeros((1, PAIR.num_parameters))]
    made = place("a", PAIR, ISING, (0, 1), manila)
    monkeypatch.setattr(sys.modules["qalgs.nest.merge"], "_MOST_KEPT", 0)
    cache: dict[Any, Any] = {}
    first, second = (merge([made], points, manila, cache=cache) for _ in "ab")
    assert [p.circuit.count_ops() for p in first.pubs] == [p.circuit.count_ops() for p in second.pubs]
    text = r"^the result of job 'a' must hold register j0, got none; run the step again$"
    with pytest.raises(InvalidInputError, match=text):
        first.split([SimpleNamespace()] * len(first.pubs))


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("database is locked", "wait for the other run to end"),
        ("disk I/O error", "check the disk (space, quota, permissions) and resume; nothing recorded is lost"),
    ],
)
def test_troubles_of_a_ledger_come_with_a_remedy(error: str, remedy: str) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError(error)

    with Ledger() as ledger:
        real, ledger._db = ledger._db, SimpleNamespace(execute=fail)  # type: ignore[assignment]
        with pytest.raises(LedgerError) as caught:
            ledger.campaigns()
        ledger._db = real
    assert error in str(caught.value)
    assert str(caught.value).endswith(remedy)


def test_coupled_jobs_must_all_be_exact_or_all_be_sampled(manila: DeviceSnapshot) -> None:
    jobs = [Job(name, PAIR, ISING) for name in "ab"]
    asked = [request(jobs[0], (0, 1), 0), request(jobs[1], (2, 3), 100)]
    with pytest.raises(
        InvalidInputError, match=r"^shots must all be 0 or all be positive for jobs that touch, got "
    ):
        JointExecutor(manila, CoherentZZ(rate=1e5)).evaluate(asked, seed=1, step="0")


def test_barriers_of_coupled_jobs_hold_their_gates_back(manila: DeviceSnapshot) -> None:
    """A gate before a barrier ends before the gates behind it begin, so that the others wait and are coupled."""
    model = CoherentZZ(rate=2e5)
    values = {}
    for barrier in (False, True):
        circuit = QuantumCircuit(2)
        circuit.sx(0)
        if barrier:
            circuit.barrier()
        for _ in range(20):
            circuit.sx(1)
        other = QuantumCircuit(2)
        other.x(0)
        tenants = {
            "a": Tenant(circuit=circuit, layout=(1, 0), observable=SparsePauliOp("IX")),
            "b": Tenant(circuit=other, layout=(2, 3), observable=SparsePauliOp("IZ")),
        }
        values[barrier] = joint_expectations(tenants, manila, model)["a"]
    assert abs(values[True] - values[False]) > 1e-3
    foreign = QuantumCircuit(2)
    foreign.rzz(0.1, 0, 1)
    tenants["a"] = Tenant(circuit=foreign, layout=(1, 0), observable=SparsePauliOp("IX"))
    with pytest.raises(InvalidInputError, match=r"^circuit must use gates of fake_manila, got 'rzz'"):
        joint_expectations(tenants, manila, model)


def test_calibrations_beyond_the_end_of_a_plan_change_nothing(manila: DeviceSnapshot) -> None:
    jobs = {"a": efficient_su2(2, reps=1)}
    options: dict[str, Any] = {"schedule": Linear(2), "polish": 0, "rounds": 1}
    made, revisions = plan_with_drift(jobs, [(0, manila), (99, manila.inflate({"cx": 9.0}))], **options)
    assert list(revisions) == []
    assert made.to_dict()["assignments"] == plan(jobs, manila, **options).to_dict()["assignments"]


def test_an_empty_map_has_no_legend() -> None:
    chip = Chip.of(snapshot("fake_manila"))
    assert chip_map(chip, {}).get_legend() is None
    legend = chip_map(chip, {"a": (0, 1)}).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a"]
