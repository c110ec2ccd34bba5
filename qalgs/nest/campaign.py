"""A campaign: co-located jobs trained cycle by cycle on one chip, every evaluation in the ledger before it counts.

:meth:`Campaign.iter_run` is the one loop; :meth:`Campaign.run` collects its events, the command line prints them.
In each *slot* some jobs run one of their cycles at the same time, on layouts that keep the buffer, and one *step*
runs the next circuits of all of them in one submission. Without a plan, slot c holds cycle c of every job, and a
step is an evaluation of each. A joint space-time :func:`~qalgs.nest.space_time.plan` staggers them, and a step
then ends with the evaluation that is complete first, so that a job with few measurement bases waits for no other.
Randomness belongs to (job, cycle, evaluation), so neither the number of workers nor an interruption can change a
number.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from qalgs.errors import LedgerError, expect, expect_callable, invalid
from qalgs.optimizers import COBYLA, Optimizer
from qalgs.results import Described, versions
from qalgs.seeds import Seed, root_seed

from .asks import Ask
from .campaign_maps import Tenant, check_plan, planned_steps, requests_of, settle
from .chip import Chip, device_of
from .convergence import Convergence
from .crosstalk import CoherentZZ, make_crosstalk
from .events import CampaignFinished, CampaignStarted, CycleFinished, CycleStarted, Evaluated, Event
from .executor import Executor, LocalExecutor
from .jobs import Job, check_names
from .joint_executor import JointExecutor
from .layouts import LayoutCatalogue
from .ledger import Ledger, Part
from .regions import check_buffer
from .requests import Request as Tenancy
from .requests import count_bases
from .result import CampaignResult, collect
from .schedules import Flat
from .strategies import Nest, Scheduled, Strategy, make_strategy, with_cycles
from .trainee import Settled, Trainee
from .usage import Pace, Rates
from .walk import WalkStep

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

    from qalgs.backends import DeviceSnapshot

    from .space_time_plan import Plan


class Campaign(Described):
    """Jobs, a device, a strategy and a seed.

    Args:
        jobs: The jobs; their own strategy, optimiser, cycles, evaluations and shots win over the campaign's.
        snapshot: The device: a snapshot, a backend, or a name for :func:`qalgs.backends.load_backend`. May be left
            out when the executor has a backend, or the strategy's walk a catalogue.
        strategy: Map and optimiser schedules, :func:`Nest` by default, or a name.
        optimizer: The minimiser with its step schedule.
        shots: Shots per measurement basis and evaluation; 0 is exact.
        evaluations: Evaluations per cycle and job.
        buffer: Idle qubits between two jobs, in every cycle.
        crosstalk: A model of what co-tenants do to each other, see :mod:`qalgs.nest.crosstalk`; None is none.
        convergence: The stopping rule, the same for all jobs and strategies.
        rates: What machine time costs.
        seed: Root seed.
        ledger: The ledger or its path; None keeps it in memory.
        executor: Where evaluations come from; local noise simulation by default.
        plan: A joint space-time plan of these jobs on this device: it then decides slots, cycles and layouts, and
            strategies only how the optimiser is restarted.
        catalogues: Ready layout catalogues by job name.
        n_jobs: Threads for the evaluations of one step; the numbers do not depend on it.

    Raises:
        InvalidInputError: If anything breaks a rule; nothing has been written then.

    Example:
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> from qalgs.nest import Job, Nest
        >>> job = Job("chain", hardware_efficient(2, 1), tfim(2))
        >>> campaign = Campaign(job, "fake_manila", strategy=Nest(cycles=2), evaluations=3, shots=64, seed=7)
        >>> campaign.run()["chain"].evaluations
        6
    """

    def __init__(
        self,
        jobs: Sequence[Job] | Job,
        snapshot: DeviceSnapshot | BackendV2 | str | None = None,
        *,
        strategy: Strategy | str | None = None,
        optimizer: Optimizer | None = None,
        shots: int = 1024,
        evaluations: int = 72,
        buffer: int = 1,
        crosstalk: Any = None,
        convergence: Convergence | None = None,
        rates: Rates | None = None,
        seed: Seed = None,
        ledger: Ledger | str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        plan: Plan | None = None,
        catalogues: Mapping[str, LayoutCatalogue] | None = None,
        n_jobs: int | None = 1,
    ) -> None:
        expect(Job, Iterable, jobs=jobs)
        expect(Real, shots=shots, evaluations=evaluations)
        expect(Convergence, type(None), convergence=convergence)
        expect(Rates, type(None), rates=rates)
        expect(Executor, type(None), executor=executor)
        expect(Mapping, type(None), catalogues=catalogues)
        expect(Ledger, str, os.PathLike, type(None), ledger=ledger)
        expect(Integral, type(None), n_jobs=n_jobs)
        self.jobs = (jobs,) if isinstance(jobs, Job) else tuple(jobs)
        for job in self.jobs:
            if not isinstance(job, Job):
                raise TypeError(f"jobs must hold Job objects, got {type(job).__name__}")
        check_names([job.name for job in self.jobs])
        for name, value, least in (("shots", shots, 0), ("evaluations", evaluations, 1)):
            if isinstance(value, bool) or int(value) != value or value < least:
                raise invalid(name, value, f"must be an int of at least {least}")
        self.strategy = Nest() if strategy is None else make_strategy(strategy)
        self.optimizer = COBYLA(rhobeg=(1.0, 0.1)) if optimizer is None else optimizer
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer such as COBYLA(), got {type(optimizer).__name__}")
        self.shots, self.evaluations, self.buffer = int(shots), int(evaluations), check_buffer(buffer)
        self.crosstalk = make_crosstalk(crosstalk) if isinstance(crosstalk, str | Mapping) else crosstalk
        if crosstalk is not None and not hasattr(self.crosstalk, "inflation"):
            raise TypeError(f"crosstalk must be a crosstalk model or its name, got {type(crosstalk).__name__}")
        self.convergence = convergence or Convergence()
        self.rates = rates or Rates()
        self.seed = root_seed(seed)
        self.snapshot = _device(snapshot, executor, self.strategy)
        self.plan = plan
        if plan is not None:
            check_plan(plan, [job.name for job in self.jobs], self.snapshot.name, self.buffer)
        self._ledger = ledger
        self._catalogues = catalogues
        self._executor = executor
        self.n_jobs = n_jobs
        self.settled = tuple(self._settle(job) for job in self.jobs)

    def _settle(self, job: Job) -> Settled:
        strategy = job.strategy or self.strategy
        cycles = job.cycles or strategy.length
        if self.plan is not None:
            cycles = len(self.plan.of(job.name))
        elif isinstance(strategy.maps, Scheduled):
            with_cycles(strategy.maps.schedule, cycles)
        optimizer = job.optimizer or self.optimizer
        if optimizer.needs_gradient and (job.shots if job.shots is not None else self.shots):
            raise invalid(
                f"job {job.name!r}: optimizer",
                type(optimizer).__name__,
                "must not need gradients when values carry shot noise",
                "use COBYLA or SPSA, or shots = 0",
            )
        return Settled(
            job=job,
            strategy=strategy,
            optimizer=optimizer,
            cycles=cycles,
            evaluations=job.evaluations or self.evaluations,
            shots=self.shots if job.shots is None else job.shots,
        )

    @cached_property
    def tenants(self) -> tuple[Tenant, ...]:
        """The jobs as the chip sees them."""
        return tuple(
            Tenant(
                name=s.job.name,
                circuit=s.job.circuit,
                observable=s.job.observable,
                maps=s.strategy.maps,
                schedule=Flat(s.cycles),
            )
            for s in self.settled
        )

    @cached_property
    def tenancies(self) -> list[Tenancy]:
        """The jobs with their layout catalogues and targets."""
        if self.plan is not None:
            known = {request.name: request for request in self.plan.requests}
            return [known[job.name] for job in self.jobs]
        return requests_of(self.tenants, self.snapshot, self.seed, self._catalogues)

    @cached_property
    def steps(self) -> list[list[WalkStep]]:
        """The layouts by job and cycle; a pure function of the campaign."""
        if self.plan is not None:
            return [planned_steps(self.plan, job.name) for job in self.jobs]
        return settle(self.tenants, self.tenancies, Chip.of(self.snapshot), self.buffer, self.seed)

    @cached_property
    def slots(self) -> list[list[int]]:
        """The slot by job and cycle."""
        if self.plan is not None:
            return [[a.slot for a in self.plan.of(job.name)] for job in self.jobs]
        return [list(range(s.cycles)) for s in self.settled]

    @cached_property
    def lengths(self) -> list[list[int]]:
        """The slots that each cycle lasts, by job and cycle."""
        if self.plan is not None:
            return [[a.length for a in self.plan.of(job.name)] for job in self.jobs]
        return [[1] * s.cycles for s in self.settled]

    @property
    def pace(self) -> Pace:
        """Whether jobs wait for each other after every evaluation ("together") or not ("own")."""
        return "together" if self.plan is None else self.plan.pace

    @cached_property
    def executor(self) -> Executor:
        """Where evaluations come from."""
        if self._executor is not None:
            return self._executor
        if isinstance(self.crosstalk, CoherentZZ):
            return JointExecutor(self.snapshot, self.crosstalk, n_jobs=self.n_jobs)
        return LocalExecutor(self.snapshot, crosstalk=self.crosstalk, n_jobs=self.n_jobs)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Everything that determines the numbers, as JSON values; its hash names the campaign."""
        return {
            "format": 1,
            "device": {"name": self.snapshot.name, "fingerprint": self.snapshot.fingerprint},
            "buffer": self.buffer,
            "seed": self.seed,
            "executor": dict(self.executor.describe()),
            "stop": [self.convergence.window, self.convergence.tolerance, self.convergence.least]
            if self.convergence.stop
            else None,
            "plan": None if self.plan is None else [[s, list(map(list, m))] for s, m in self._planned()],
            **({"lengths": self.lengths} if any(n != 1 for row in self.lengths for n in row) else {}),
            "jobs": [
                {
                    **s.job.describe(),
                    "strategy": s.strategy.describe(s.optimizer, s.cycles),
                    "evaluations": s.evaluations,
                    "shots": s.shots,
                }
                for s in self.settled
            ],
        }

    def _planned(self) -> list[tuple[list[int], list[tuple[int, ...]]]]:
        return [(s, [tuple(w.layout) for w in steps]) for s, steps in zip(self.slots, self.steps, strict=True)]

    @property
    def budget(self) -> int:
        """The largest number of evaluations."""
        return sum(s.budget for s in self.settled)

    def run(self, callback: Callable[[Event], None] | None = None) -> CampaignResult:
        """Run to the end and return the result.

        Args:
            callback: Called with every event.

        Raises:
            InfeasibleError: If the jobs do not fit on the chip together; nothing has been written then.
            LedgerError: If the ledger belongs to another campaign or cannot be written.
        """
        expect_callable(callback=callback)
        for event in self.iter_run():
            if callback is not None:
                callback(event)
            if isinstance(event, CampaignFinished):
                return event.result
        raise LedgerError("the campaign ended without a result; resume it")

    def iter_run(self) -> Iterator[Event]:
        """Run, yielding typed events; closing the generator early loses nothing that was yielded."""
        steps = self.steps
        with ExitStack() as stack:
            shared = isinstance(self._ledger, Ledger)
            ledger = self._ledger if isinstance(self._ledger, Ledger) else Ledger(self._ledger or ":memory:")
            if not shared:
                stack.callback(ledger.close)
            campaign = ledger.open_campaign(self.spec, versions(), alone=not shared)
            self.executor.attach(ledger, campaign)
            trainees = [
                Trainee(settled=s, steps=steps[j], seed=self.seed, convergence=self.convergence)
                for j, s in enumerate(self.settled)
            ]
            for trainee in trainees:
                stack.callback(trainee.close)
            if self._executor is None:
                stack.callback(self.executor.close)
            yield CampaignStarted(
                campaign=campaign,
                device=self.snapshot.name,
                jobs=tuple(job.name for job in self.jobs),
                cycles=tuple(s.cycles for s in self.settled),
                budget=self.budget,
                recorded=ledger.count(campaign),
            )
            done = 0
            for events in self._running(trainees, ledger, campaign):
                for event in events:
                    done += isinstance(event, Evaluated)
                    yield replace(event, done=done) if isinstance(event, Evaluated) else event
            yield CampaignFinished(result=collect(self, ledger, campaign))

    def _running(
        self, trainees: Sequence[Trainee], ledger: Ledger, campaign: str
    ) -> Iterator[list[CycleStarted] | list[Evaluated] | list[CycleFinished]]:
        """Begin each cycle once all that were to end by its slot have ended; yield what happens, recorded."""
        waiting = sorted((slot, j, c) for j, slots in enumerate(self.slots) for c, slot in enumerate(slots))
        waiting.reverse()
        running: dict[int, int] = {}
        asks: dict[int, Ask] = {}
        beside: dict[int, tuple[tuple[tuple[int, ...], ...], int, dict[int, Part]]] = {}
        slot = step = 0
        while waiting or running:
            if waiting and all(until > waiting[-1][0] for until in running.values()):
                slot, step, starting = waiting[-1][0], 0, []
                while waiting and waiting[-1][0] == slot:
                    _, j, c = waiting.pop()
                    starting.append(self._begin(trainees[j], c, slot, ledger, campaign))
                    running[j] = slot + self.lengths[j][c]
                    beside[j] = (
                        self._beside(j, c),
                        count_bases(self.jobs[j].observable),
                        ledger.parts(campaign, trainees[j].name, c),
                    )
                yield starting
            for j in sorted(running):
                if j not in asks and trainees[j].wants:
                    asks[j] = Ask.of(trainees[j], *beside[j])
            if asks:
                pick = min if self.pace == "own" else max
                circuits = pick(ask.left for ask in asks.values())
                self._evaluate(list(asks.values()), circuits, f"{slot}/{step}", ledger, campaign)
                step += 1
                ready = [j for j, ask in asks.items() if not ask.left]
                yield [event for j in ready for event in _taken(asks.pop(j))]
            over = [j for j in sorted(running) if j not in asks and not trainees[j].wants]
            for j in over:
                del running[j]
            yield [_finished(trainees[j]) for j in over]

    def _begin(self, trainee: Trainee, cycle: int, slot: int, ledger: Ledger, campaign: str) -> CycleStarted:
        step = trainee.begin(cycle, ledger.evaluations(campaign, trainee.name, cycle))
        entry = {"layout": list(step.layout), "target": step.target, "esp": step.esp, "move": step.kind}
        entry |= {"slot": slot} if slot != cycle else {}
        ledger.record_cycle(campaign, trainee.name, cycle, entry)
        return CycleStarted(
            job=trainee.name,
            cycle=cycle,
            cycles=trainee.settled.cycles,
            layout=tuple(step.layout),
            target=step.target,
            esp=step.esp,
            move=step.kind,
        )

    def _beside(self, j: int, c: int) -> tuple[tuple[int, ...], ...]:
        """The layouts of the cycles of other jobs that share a slot with a cycle."""
        start, end = self.slots[j][c], self.slots[j][c] + self.lengths[j][c]
        return tuple(
            tuple(self.steps[i][d].layout)
            for i, slots in enumerate(self.slots)
            for d, slot in enumerate(slots)
            if i != j and slot < end and start < slot + self.lengths[i][d]
        )

    def _evaluate(self, asks: Sequence[Ask], circuits: int, step: str, ledger: Ledger, campaign: str) -> None:
        """Run the next circuits of all jobs and record what they gave."""
        wanted = [ask.missing(circuits, partial=self.executor.partial) for ask in asks]
        missing = [q for requests in wanted for q in requests]
        if missing:
            readings = iter(self.executor.evaluate(missing, seed=self.seed, step=step))
            made = [
                ask.take(requests, list(itertools.islice(readings, len(requests))))
                for ask, requests in zip(asks, wanted, strict=True)
            ]
            ledger.record(campaign, [e for done, _ in made for e in done], [p for _, parts in made for p in parts])
        for ask in asks:
            ask.done += min(circuits, ask.left)


def _taken(ask: Ask) -> list[Evaluated]:
    """Tell the minimiser all values it asked for."""
    readings = [r for r in ask.readings if r is not None]
    ask.trainee.take(ask.requests, readings)
    return [
        Evaluated(
            job=ask.trainee.name,
            cycle=q.cycle,
            evaluation=q.evaluation,
            value=r.value,
            std=r.std,
            best=ask.trainee.best,
            shots=r.shots,
            replayed=old,
            done=0,
        )
        for q, r, old in zip(ask.requests, readings, ask.replayed, strict=True)
    ]


def _finished(trainee: Trainee) -> CycleFinished:
    outcome = trainee.finish()
    return CycleFinished(
        job=trainee.name,
        cycle=trainee.cycle,
        evaluations=len(outcome.values),
        best_value=outcome.best_value if outcome.values else None,
        best_point=outcome.best_point,
        status=trainee.status,
    )


def _device(given: Any, executor: Executor | None, strategy: Strategy) -> DeviceSnapshot:
    from qalgs.backends import DeviceSnapshot

    if given is None:
        given = getattr(executor, "backend", None)
    if given is None and strategy.walk is not None and strategy.walk.catalogue is not None:
        given = device_of(strategy.walk.catalogue.chip)
    if isinstance(given, DeviceSnapshot):
        return given
    if given is None:
        raise invalid("snapshot", None, "must be a DeviceSnapshot, a backend or the name of one")
    if hasattr(given, "operation_names") and not hasattr(given, "target"):  # a Target; backends have both
        return DeviceSnapshot.from_target(given)
    if not isinstance(given, str) and not hasattr(given, "target"):
        raise invalid("snapshot", given, "must be a DeviceSnapshot, a backend or the name of one")
    return DeviceSnapshot.from_backend(given)
