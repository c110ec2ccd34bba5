from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from campaign_cases import campaign, chain, ring, snapshot
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import NoisyEstimator
from qalgs.errors import InfeasibleError, InvalidInputError, LedgerError
from qalgs.nest import (
    BestMap,
    BestMapRestarts,
    Campaign,
    Convergence,
    ErrorInflation,
    InvertedReLU,
    Job,
    LayoutCatalogue,
    Ledger,
    Linear,
    Nest,
    QubitWalk,
    make_strategy,
)
from qalgs.nest.chip import Chip
from qalgs.nest.events import CampaignFinished, CampaignStarted, CycleFinished, CycleStarted, Evaluated, Event
from qalgs.nest.space_time import plan
from qalgs.nest.space_time_plan import Plan
from qalgs.nest.strategies import STRATEGIES
from qalgs.optimizers import COBYLA, LBFGS, SPSA, Adam, NelderMead, Optimizer, minimize
from qalgs.seeds import keyed

SHORT = Nest(InvertedReLU(cycles=3))


def digest(tmp_path: Path, name: str, **options: object) -> str:
    with Ledger(tmp_path / name) as ledger:
        campaign(strategy=SHORT, ledger=ledger, **options).run()
        return ledger.digest()


def test_events_tell_the_whole_story() -> None:
    running = campaign(strategy=SHORT)
    events = list(running.iter_run())
    assert isinstance(events[0], CampaignStarted)
    assert isinstance(events[-1], CampaignFinished)
    result = events[-1].result
    made = [e for e in events if isinstance(e, Evaluated)]
    assert [e.done for e in made] == list(range(1, len(made) + 1))
    assert events[0].budget == 2 * 3 * 9 >= len(made) == result.evaluations
    for job in result.jobs:
        own = [e for e in made if e.job == job.name]
        assert np.array_equal(job.values, [e.value for e in own])
        assert [e.best for e in own] == np.minimum.accumulate(job.values).tolist()
        started = [e for e in events if isinstance(e, CycleStarted) and e.job == job.name]
        finished = [e for e in events if isinstance(e, CycleFinished) and e.job == job.name]
        assert [e.layout for e in started] == [c.layout for c in job.cycles]
        assert [e.evaluations for e in finished] == [c.evaluations for c in job.cycles]
        assert job.measured == job.values.min()
        assert job.shots == sum(e.shots for e in own)
    assert sum(isinstance(e, CycleStarted) for e in events) == 6


def test_a_cycle_starts_at_the_lowest_measured_point_of_the_one_before() -> None:
    running = campaign(chain(), strategy=SHORT)
    with Ledger() as ledger:
        running._ledger = ledger
        result = running.run()
        made = ledger.evaluations(result.campaign)
    for cycle in (1, 2):
        before = [e for e in made if e.cycle == cycle - 1]
        first = next(e for e in made if e.cycle == cycle)
        assert np.array_equal(first.point, min(before, key=lambda e: e.value).point)


def test_values_are_those_of_the_noisy_estimator_at_the_evaluations_own_stream() -> None:
    job = chain()
    with Ledger() as ledger:
        result = campaign(job, strategy=SHORT, ledger=ledger).run()
        made = ledger.evaluations(result.campaign)
    for e in made[:: len(made) // 4]:
        layout = result["chain"].cycles[e.cycle].layout
        estimator = NoisyEstimator(snapshot(), layout)
        rng = keyed(5, "shots", "chain", e.cycle, e.evaluation)
        data = estimator.run([(job.circuit, job.observable, e.point)], shots=64, seed=rng).result()[0].data
        assert float(data.evs) == pytest.approx(e.value, abs=1e-12)
        assert float(data.stds) == pytest.approx(e.std, abs=1e-12)


def test_without_noise_between_them_packed_jobs_equal_solo_jobs() -> None:
    together = campaign(chain(), ring(), strategy=BestMapRestarts(cycles=2), shots=0)
    alone = {j.name: j for j in together.run().jobs}
    for make in (chain, ring):
        job = make()
        layouts = {c.layout for c in alone[job.name].cycles}
        solo = campaign(job, strategy=BestMapRestarts(cycles=2), shots=0)
        solo.steps = [together.steps[[j.name for j in together.jobs].index(job.name)]]
        result = solo.run()
        assert {c.layout for c in result.jobs[0].cycles} == layouts
        assert np.allclose(result.jobs[0].values, alone[job.name].values, atol=1e-8)


def test_crosstalk_costs_fidelity_only_within_reach() -> None:
    def energy(crosstalk: ErrorInflation | None, buffer: int) -> float:
        jobs = (chain("a"), chain("b"))
        made = campaign(
            *jobs, strategy=BestMap(cycles=1), shots=0, evaluations=1, crosstalk=crosstalk, buffer=buffer
        )
        return float(sum(abs(job.values[0]) for job in made.run().jobs))

    plain = energy(None, 1)
    assert energy(ErrorInflation(factor=5.0, hops=1), 1) == plain
    assert energy(ErrorInflation(factor=5.0, hops=3), 1) < plain - 1e-6


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_keeps_budget_and_buffer_and_can_be_resumed(name: str) -> None:
    strategy = make_strategy(name, cycles=4)
    jobs = (chain("a", n=2), chain("b", n=3))
    with Ledger() as ledger:
        running = campaign(*jobs, strategy=strategy, ledger=ledger, evaluations=5)
        result = running.run()
        first = ledger.digest()
        again = campaign(*jobs, strategy=strategy, ledger=ledger, evaluations=5).run()
        assert ledger.digest() == first == again.digest
    chip = Chip.of(snapshot())
    for cycle in range(4):
        a, b = (list(layout) for layout in result.layouts(cycle).values())
        assert chip.distance[np.ix_(a, b)].min() > 1
    for job in result.jobs:
        assert len(job.cycles) == 4
        assert 0 < job.evaluations <= 20
        assert all(c.evaluations <= 5 for c in job.cycles)
        assert job.quality.reference >= (job.quality.exact or 0) - 1e-9


def recorded(job: Job, **options: object) -> tuple[np.ndarray, tuple[int, ...]]:
    with Ledger() as ledger:
        result = campaign(job, ledger=ledger, shots=0, evaluations=7, **options).run()
        points = np.array([e.point for e in ledger.evaluations(result.campaign)])
    return points, result.jobs[0].cycles[0].layout


def test_restarts_open_a_new_minimiser_in_each_cycle_with_a_smaller_step() -> None:
    points, _ = recorded(chain(), strategy=BestMapRestarts(cycles=3))
    assert len(points) == 21
    steps = [np.linalg.norm(points[7 * c + 1] - points[7 * c]) for c in range(3)]
    assert steps == pytest.approx([1.0, 0.55, 0.1])


def test_best_map_is_one_uninterrupted_minimiser() -> None:
    job = chain()
    points, layout = recorded(job, strategy=BestMap(cycles=3))
    estimator = NoisyEstimator(snapshot(), layout)
    whole: list[np.ndarray] = []

    def cost(x: np.ndarray) -> np.ndarray:
        whole.append(x)
        return np.asarray(estimator.run([(job.circuit, job.observable, x)]).result()[0].data.evs)

    minimize(COBYLA(rhobeg=1.0), cost, job.first_point(5), budget=21)
    assert np.allclose(np.vstack(whole), points, atol=1e-9)


def test_the_same_seed_gives_the_same_ledger_for_any_number_of_workers(tmp_path: Path) -> None:
    one = digest(tmp_path, "one", n_jobs=1)
    assert one == digest(tmp_path, "two", n_jobs=2)
    assert one != digest(tmp_path, "other", seed=6)


@pytest.mark.parametrize("stop", [0, 7, 20, 41])
def test_a_stopped_run_resumes_to_the_identical_ledger(tmp_path: Path, stop: int) -> None:
    whole = digest(tmp_path, "whole")
    with Ledger(tmp_path / "part") as ledger:
        events = campaign(strategy=SHORT, ledger=ledger).iter_run()
        for event in events:
            if isinstance(event, Evaluated) and event.done > stop:
                break
        events.close()  # type: ignore[attr-defined]
        before = ledger.count(next(iter(ledger.campaigns())))
    assert stop < before <= stop + 2
    fresh = 0

    def count(event: Event) -> None:
        nonlocal fresh
        fresh += isinstance(event, Evaluated) and not event.replayed

    with Ledger(tmp_path / "part") as ledger:
        result = campaign(strategy=SHORT, ledger=ledger).run(count)
        assert ledger.digest() == whole
    assert fresh == result.evaluations - before


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    whole = digest(tmp_path, "whole")
    path = tmp_path / "killed"
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from campaign_cases import campaign\n"
        "from qalgs.nest import InvertedReLU, Nest\n"
        "import time\n"
        "running = campaign(strategy=Nest(InvertedReLU(cycles=3)), ledger=sys.argv[1])\n"
        "for event in running.iter_run():\n"
        "    print(type(event).__name__, flush=True); time.sleep(0.005)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.strip() == "Evaluated"
        if seen == 14:
            time.sleep(0.012)
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    with Ledger(path) as ledger:
        assert 14 <= ledger.count(next(iter(ledger.campaigns()))) < 54
        campaign(strategy=SHORT, ledger=ledger).run()
        assert ledger.digest() == whole


def test_a_ledger_of_another_campaign_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    campaign(strategy=SHORT, ledger=path, evaluations=2).run()
    with pytest.raises(LedgerError, match="seed differ"):
        campaign(strategy=SHORT, ledger=path, evaluations=2, seed=6).run()
    with pytest.raises(LedgerError, match=r"jobs\[0\]\.evaluations"):
        campaign(strategy=SHORT, ledger=path, evaluations=3).run()


@pytest.mark.parametrize("optimizer", [SPSA(), NelderMead(), Adam(), LBFGS()], ids=lambda o: type(o).__name__)
def test_every_optimiser_can_be_scheduled_and_resumed(optimizer: Optimizer) -> None:
    shots = 0 if optimizer.needs_gradient else 64
    with Ledger() as ledger:
        result = campaign(chain(), strategy=SHORT, optimizer=optimizer, shots=shots, ledger=ledger).run()
        again = campaign(chain(), strategy=SHORT, optimizer=optimizer, shots=shots, ledger=ledger).run()
    assert again.digest == result.digest
    values = result.jobs[0].values
    assert values.min() < values[0]


def test_convergence_may_stop_a_job_early_for_all_strategies_alike() -> None:
    rule = Convergence(window=6, tolerance=1e6, least=1, stop=True)
    for strategy in (BestMap(cycles=3), SHORT):
        result = campaign(chain(), strategy=strategy, convergence=rule).run()
        assert result.jobs[0].evaluations == 7


def test_jobs_may_differ_in_everything() -> None:
    jobs = (
        chain("a", n=2, strategy=BestMap(), cycles=1, evaluations=3, shots=8, optimizer=SPSA()),
        chain("b", n=3, cycles=2, evaluations=4),
    )
    result = campaign(*jobs, strategy=Nest()).run()
    assert [(len(j.cycles), j.evaluations) for j in result.jobs] == [(1, 3), (2, 8)]
    assert [j.strategy for j in result.jobs] == ["BestMap", "Nest"]
    assert result["a"].shots == 3 * 2 * 8


def test_what_does_not_fit_is_refused_by_name_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    jobs = [chain(f"job-{i}", n=7) for i in range(2)]
    with pytest.raises(InfeasibleError, match=r"job-\d"):
        campaign(*jobs, ledger=path).run()
    with pytest.raises(InfeasibleError, match=r"job 'wide'.*at most 16 qubits"):
        campaign(chain("wide", n=17), ledger=path).run()
    assert not path.exists()


def test_a_walk_that_may_not_jump_names_job_and_cycle() -> None:
    strict = Nest(InvertedReLU(cycles=4), QubitWalk(move="leaf", tolerance=1e-6, on_fail="error"))
    with pytest.raises(InfeasibleError, match="job 'chain', cycle 2: no leaf move"):
        campaign(chain(), strategy=strict).run()


def test_the_device_may_come_with_the_walk() -> None:
    job = chain()
    catalogue = LayoutCatalogue.for_circuit(job.circuit, snapshot())
    schedule = InvertedReLU(cycles=2, esp_min=0.7, esp_max="best")
    walk = QubitWalk(catalogue, tolerance=0.05, move="snake", on_fail="jump")
    options = {"optimizer": COBYLA(rhobeg=(1, 0.1)), "shots": 16, "evaluations": 3, "seed": 7}
    short = Campaign([job], strategy=Nest(schedule, walk), **options).run()  # type: ignore[arg-type]
    full = Campaign([job], snapshot(), strategy=Nest(schedule, walk), **options).run()  # type: ignore[arg-type]
    assert short.digest == full.digest


def unmeasurable() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("a"), 0)
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Job("", chain().circuit, chain().observable), "job name must be 1 to 80 printable"),
        (lambda: Job("a\nb", chain().circuit, chain().observable), "printable"),
        (lambda: Job("a", QuantumCircuit(3), chain().observable), "job 'a': circuit must have parameters"),
        (lambda: Job("a", unmeasurable(), SparsePauliOp("Z")), "must have no measurements"),
        (lambda: Job("a", chain().circuit, SparsePauliOp("ZZ")), "observable must act on the circuit's 3 qubits"),
        (lambda: Job("a", chain().circuit, SparsePauliOp("ZZZ", np.nan)), "must have finite coefficients"),
        (lambda: Job("a", chain().circuit, SparsePauliOp("ZZZ", 1j)), "must be Hermitian"),
        (lambda: chain(start=[np.nan] * 6), "start must be 6 finite numbers"),
        (lambda: chain(cycles=0), "cycles must be an int of at least 1"),
        (lambda: campaign(chain(), chain()), "job name must be unique"),
        (lambda: campaign(evaluations=0), "evaluations must be an int of at least 1"),
        (lambda: campaign(shots=-1), "shots must be an int"),
        (lambda: campaign(buffer=-1), "buffer must be"),
        (lambda: campaign(strategy="Nast"), "strategy must be one of Nest, NestJump"),
        (lambda: campaign(optimizer=Adam()), "must not need gradients when values carry shot noise"),
        (lambda: Campaign([chain()]), "snapshot must be a DeviceSnapshot"),
        (lambda: Campaign([chain()], "fake_nowhere"), "fake_nowhere"),
    ],
)
def test_bad_input_is_named(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]


def planned(*jobs: Job, **options: object) -> tuple[Campaign, Plan]:
    made = plan(jobs, snapshot(), schedule=Linear(3), polish=0.0, seed=1)
    return campaign(*jobs, plan=made, **options), made


def test_a_joint_plan_is_followed_slot_by_slot_and_resumes(tmp_path: Path) -> None:
    jobs = tuple(chain(f"job-{i}", n=4) for i in range(4))
    running, made = planned(*jobs)
    with Ledger(tmp_path / "a") as ledger:
        running._ledger = ledger
        events = list(running.iter_run())
        whole = ledger.digest()
    result = events[-1].result  # type: ignore[attr-defined]
    assert made.slots > 3
    assert result.slots == made.slots
    for job in result.jobs:
        assert [(c.slot, c.layout) for c in job.cycles] == [(a.slot, tuple(a.layout)) for a in made.of(job.name)]
        assert len(job.cycles) == 3
    chip = Chip.of(snapshot())
    for slot in range(made.slots):
        held = [list(layout) for layout in result.layouts(slot).values()]
        for i, a in enumerate(held):
            for b in held[:i]:
                assert chip.distance[np.ix_(a, b)].min() > 1
    started = [(e.job, e.cycle) for e in events if isinstance(e, CycleStarted)]
    expected = sorted((c.slot, j, c.cycle) for j, job in enumerate(result.jobs) for c in job.cycles)
    assert started == [(f"job-{j}", cycle) for _, j, cycle in expected]
    assert [cycle for cycle, *_ in result.usage.spans] == list(range(made.slots))
    with Ledger(tmp_path / "b") as ledger:
        again, _ = planned(*jobs, ledger=ledger)
        part = again.iter_run()
        for event in part:
            if isinstance(event, Evaluated) and event.done == 50:
                break
        part.close()  # type: ignore[attr-defined]
        planned(*jobs, ledger=ledger)[0].run()
        assert ledger.digest() == whole


def test_company_and_slots_do_not_change_what_a_job_measures() -> None:
    jobs = tuple(chain(f"job-{i}", n=4) for i in range(3))
    running, made = planned(*jobs, shots=0)
    together = running.run()
    alone = campaign(jobs[1], shots=0, strategy=BestMapRestarts(cycles=3))
    alone.steps = [running.steps[1]]
    assert np.allclose(alone.run().jobs[0].values, together["job-1"].values, atol=1e-8)
    with pytest.raises(InvalidInputError, match=r"plan must plan the jobs \['job-0'\]"):
        campaign(jobs[0], plan=made)
    with pytest.raises(InvalidInputError, match="plan must be for fake_nairobi"):
        Campaign(jobs, "fake_nairobi", plan=made)
    with pytest.raises(InvalidInputError, match=r"plan.buffer must be at least the campaign's buffer 2"):
        campaign(*jobs, plan=made, buffer=2)
