"""One executor for simulators, local testing mode and machines: same numbers, one submission a step."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.cli.jobsfile import load_jobs
from qalgs.errors import ExecutionError, InvalidInputError
from qalgs.nest import BestMapRestarts, Campaign, Job, Ledger, LocalExecutor
from qalgs.nest.executor import Executor, Reading, Request
from qalgs.nest.machine import MergedExecutor
from qalgs.nest.sampling import IbmSampling, LocalSampling
from qalgs.nest.submission import Retry

ISING = SparsePauliOp(["ZZ", "ZI", "II"], [1.0, 0.5, -0.25])
MIXED = SparsePauliOp(["ZZ", "XI", "IX"], [-1.0, -0.7, -0.7])


@cache
def device() -> Any:
    from qalgs.backends import load_backend

    return load_backend("fake_manila")


@cache
def aer() -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator.from_backend(device())


@cache
def snapshot() -> Any:
    from qalgs.backends import DeviceSnapshot

    return DeviceSnapshot.from_backend(device())


def jobs(**options: Any) -> list[Job]:
    return [
        Job("ising", efficient_su2(2, reps=1), ISING, **options),
        Job("mixed", efficient_su2(2, reps=1), MIXED, **options),
    ]


def requests(made: list[Job], rng: np.random.Generator, shots: int) -> list[Request]:
    places = {"ising": (1, 0), "mixed": (3, 4)}
    return [
        Request(
            job=job,
            cycle=0,
            evaluation=0,
            layout=places[job.name],
            point=rng.uniform(-3, 3, job.circuit.num_parameters),
            shots=shots,
        )
        for job in made
    ]


def test_exact_values_equal_those_of_the_compact_simulators(rng: np.random.Generator) -> None:
    asked = requests(jobs(), rng, 0)
    merged = MergedExecutor(aer()).evaluate(asked, seed=1, step="0")
    separate = LocalExecutor(snapshot()).evaluate(asked, seed=1, step="0")
    assert merged[0].value == pytest.approx(separate[0].value, abs=1e-10)
    # X is measured after a noisy rotation here and read off the state there: the error of one gate apart.
    assert merged[1].value == pytest.approx(separate[1].value, abs=5e-3)
    assert [r.shots for r in merged] == [0, 0]


@pytest.mark.parametrize("way", ["aer", "local"])
def test_sampled_values_are_within_five_sigma_of_the_exact(rng: np.random.Generator, way: str) -> None:
    made = jobs()
    asked = requests(made, rng, 3000)
    exact = MergedExecutor(aer()).evaluate(
        [
            Request(job=r.job, cycle=0, evaluation=0, layout=r.layout, point=r.point, shots=0, neighbours=())
            for r in asked
        ],
        seed=1,
        step="0",
    )
    executor = MergedExecutor(aer() if way == "aer" else device())
    assert executor.kind == way
    found = executor.evaluate(asked, seed=1, step="0")
    assert [r.shots for r in found] == [3000, 6000]
    for reading, truth in zip(found, exact, strict=True):
        assert 0 < reading.std < 0.1
        assert abs(reading.value - truth.value) < 5 * reading.std
    again = MergedExecutor(executor.backend).evaluate(asked, seed=1, step="0")
    assert [r.value for r in again] == [r.value for r in found]
    other = executor.evaluate(asked, seed=1, step="1")
    assert [r.value for r in other] != [r.value for r in found]


def test_several_points_of_a_job_share_the_submission(rng: np.random.Generator) -> None:
    made = jobs()
    a, b = requests(made, rng, 200)
    c = Request(job=a.job, cycle=0, evaluation=1, layout=a.layout, point=-a.point, shots=200)
    sent: list[int] = []

    class Counting(LocalSampling):
        def send(self, merged: Any, shots: int, seeds: Any, tag: str) -> Any:
            sent.append(merged.num_rounds)
            return super().send(merged, shots, seeds, tag)

    MergedExecutor(device(), sampling=Counting(device())).evaluate([a, b, c], seed=1, step="0")
    assert sent == [2]


def small(executor: Executor | None, ledger: Ledger, **options: Any) -> Campaign:
    from qalgs.optimizers import SPSA

    settings: dict[str, Any] = {"shots": 100, "evaluations": 4, "optimizer": SPSA(), "seed": 5, **options}
    return Campaign(
        jobs(),
        device(),
        strategy=BestMapRestarts(cycles=2),
        buffer=1,
        ledger=ledger,
        executor=executor,
        **settings,
    )


def test_a_campaign_runs_on_the_machine_with_one_submission_a_step() -> None:
    with Ledger() as ledger:
        campaign = small(MergedExecutor(aer()), ledger)
        result = campaign.run()
        (identity,) = ledger.campaigns()
        rows = ledger.submissions(identity)
    steps = [step for step, *_ in rows]
    assert len(steps) == len(set(steps))
    assert {state for _, _, state, *_ in rows} == {"done"}
    assert result.evaluations == 2 * 2 * 4
    assert campaign.spec["executor"]["way"] == "aer"


class Breaking(Executor):
    """Fails for good after a number of steps."""

    def __init__(self, inner: Executor, steps: int) -> None:
        self.inner, self.left = inner, steps

    def evaluate(self, requests: Any, *, seed: int, step: str) -> list[Reading]:
        if self.left == 0:
            raise ExecutionError("the machine is down")
        self.left -= 1
        return self.inner.evaluate(requests, seed=seed, step=step)

    def describe(self) -> Any:
        return self.inner.describe()

    def attach(self, ledger: Ledger, campaign: str) -> None:
        self.inner.attach(ledger, campaign)


def test_an_interrupted_campaign_ends_like_an_uninterrupted_one() -> None:
    with Ledger() as whole:
        small(MergedExecutor(aer()), whole).run()
        expected = whole.digest()
    with Ledger() as ledger:
        with pytest.raises(ExecutionError, match="the machine is down"):
            small(Breaking(MergedExecutor(aer()), 2), ledger).run()
        small(MergedExecutor(aer()), ledger).run()
        assert ledger.digest() == expected


class Service:
    """A runtime service whose jobs run in local testing mode and outlive the process that sent them."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.sent: list[Any] = []
        self.asked: list[str] = []

    def sampler(self, mode: Any, options: Any) -> Any:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        (tag,) = options["environment"]["job_tags"]

        def run(pubs: Any) -> Any:
            real = Sampler(mode=self.backend, options={"simulator": {"seed_simulator": 11}}).run(pubs)
            identity = f"remote-{len(self.sent) + 1}"
            job = SimpleNamespace(
                job_id=lambda: identity,
                in_final_state=real.in_final_state,
                result=real.result,
                cancel=real.cancel,
                tag=tag,
                mode=mode,
            )
            self.sent.append(job)
            return job

        return SimpleNamespace(run=run)

    def job(self, identity: str) -> Any:
        self.asked.append(identity)
        return self.sent[int(identity.removeprefix("remote-")) - 1]

    def jobs(self, *, job_tags: list[str], limit: int, backend_name: str) -> list[Any]:
        self.asked.append(job_tags[0])
        return [job for job in reversed(self.sent) if job.tag == job_tags[0]][:limit]


def remote(service: Service, mode: Any = "job") -> IbmSampling:
    class Backend:
        name = "ibm_double"

    backend = Backend()
    backend.service = service  # type: ignore[attr-defined]
    return IbmSampling(backend, mode, sampler=service.sampler)


def test_a_job_that_was_on_its_way_is_fetched_and_not_paid_again(rng: np.random.Generator) -> None:
    service, asked = Service(device()), requests(jobs(), rng, 200)

    def crash(moment: str, step: str, attempt: int) -> None:
        if moment == "result":
            raise KeyboardInterrupt

    with Ledger() as ledger:
        identity = ledger.open_campaign({"x": 1}, {})
        first = MergedExecutor(device(), sampling=remote(service), faults=crash)
        first.attach(ledger, identity)
        with pytest.raises(KeyboardInterrupt):
            first.evaluate(asked, seed=1, step="0/0")
        second = MergedExecutor(device(), sampling=remote(service))
        second.attach(ledger, identity)
        found = second.evaluate(asked, seed=1, step="0/0")
        assert [job.tag for job in service.sent] == [service.sent[0].tag]
        assert service.asked == ["remote-1"]
        assert [row[2:4] for row in ledger.submissions(identity)] == [("done", "remote-1")]
    straight = MergedExecutor(device(), sampling=remote(Service(device()))).evaluate(asked, seed=1, step="0/0")
    assert [r.value for r in found] == [r.value for r in straight]


@pytest.mark.parametrize("mode", ["session", "batch"])
def test_sessions_and_batches_are_opened_once_and_closed(rng: np.random.Generator, mode: Any) -> None:
    from qiskit_ibm_runtime import Batch, Session

    way = IbmSampling(device(), mode)
    executor = MergedExecutor(device(), mode=mode, sampling=way)
    asked = requests(jobs(), rng, 50)
    opened = way._open()
    assert isinstance(opened, Session if mode == "session" else Batch)
    executor.evaluate(asked, seed=1, step="0")
    assert way._open() is opened
    executor.close()
    assert way._opened is None


def test_only_what_ibm_calls_a_failure_is_one() -> None:
    from qiskit_ibm_runtime.exceptions import IBMApiError, RuntimeInvalidStateError, RuntimeJobFailureError

    way = remote(Service(device()))
    assert way.failed(RuntimeJobFailureError("error 1524"))
    assert way.failed(RuntimeInvalidStateError("cancelled"))
    assert not way.failed(IBMApiError("bad gateway"))
    assert not way.failed(ConnectionError("reset"))


def test_what_cannot_be_run_is_refused_before_it_is_sent(rng: np.random.Generator) -> None:
    made = jobs()
    a, b = requests(made, rng, 100)
    executor = MergedExecutor(aer(), buffer=1)

    def but(request: Request, **changes: Any) -> Request:
        fields = {k: getattr(request, k) for k in ("job", "cycle", "evaluation", "layout", "point", "shots")}
        return Request(**{**fields, **changes})

    with pytest.raises(InvalidInputError, match="'mixed' must have 1 qubits between them"):
        executor.evaluate([a, but(b, layout=(2, 3))], seed=1, step="0")
    with pytest.raises(InvalidInputError, match="shots must be positive for all co-located jobs, or 0"):
        executor.evaluate([a, but(b, shots=0)], seed=1, step="0")
    with pytest.raises(InvalidInputError, match="optimizer of job 'ising' must need values only on a machine"):
        executor.evaluate([but(a, gradient=True)], seed=1, step="0")
    with pytest.raises(InvalidInputError, match="must share layout and shots"):
        executor.evaluate([a, but(a, evaluation=1, shots=50)], seed=1, step="0")
    with pytest.raises(InvalidInputError, match="shots must be positive on fake_manila"):
        MergedExecutor(device()).evaluate([but(a, shots=0)], seed=1, step="0")
    with pytest.raises(InvalidInputError, match="mode must be 'job', 'session' or 'batch', got 'lease'"):
        MergedExecutor(device(), mode="lease")  # type: ignore[arg-type]
    assert executor.evaluate([], seed=1, step="0") == []


def test_retries_do_not_change_a_number(rng: np.random.Generator) -> None:
    asked, failures = requests(jobs(), rng, 100), [ConnectionError("reset"), TimeoutError("gateway")]

    def faults(moment: str, step: str, attempt: int) -> None:
        if moment == "submit" and failures:
            raise failures.pop()

    clock = SimpleNamespace(now=lambda: 0.0, sleep=lambda seconds: None)
    shaky = MergedExecutor(aer(), retry=Retry(attempts=3), faults=faults, clock=clock)
    assert [r.value for r in shaky.evaluate(asked, seed=1, step="0")] == [
        r.value for r in MergedExecutor(aer()).evaluate(asked, seed=1, step="0")
    ]
    assert failures == []


JOBS = """
[device]
name = "fake_manila"
executor = "{executor}"
attempts = 2
timeout = 30.0
{more}
[[job]]
id = "tfim"
kind = "vqe"
hamiltonian = {{ model = "tfim", n = 2, j = 1.0, h = 1.0 }}
ansatz = "hardware_efficient"
reps = 1
"""


@pytest.mark.parametrize(("executor", "kind"), [("merged", "local"), ("aer", "aer")])
def test_a_jobs_file_chooses_the_executor(tmp_path: Path, executor: str, kind: str) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(JOBS.format(executor=executor, more=""))
    made = load_jobs(file).campaign().executor
    assert isinstance(made, MergedExecutor)
    assert made.kind == kind
    assert (made.retry.attempts, made.retry.timeout) == (2, 30.0)


def test_a_machine_takes_no_crosstalk_model(tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text(JOBS.format(executor="merged", more="crosstalk = { factor = 2.0, hops = 1 }"))
    with pytest.raises(InvalidInputError, match=r"jobs.toml:\d+: device.crosstalk must be 'none' on a machine"):
        load_jobs(file).campaign()
