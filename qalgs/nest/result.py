"""What a campaign found, read from its ledger alone: per job and cycle, and for the machine as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result, Status, versions

from .metrics import Quality, quality_of
from .usage import Usage, usage_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .campaign import Campaign
    from .chip import Chip
    from .ledger import Evaluation, Ledger

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleResult(Result):
    """One cycle of one job.

    Attributes:
        cycle: From 0.
        slot: When it began, from 0; the cycle itself unless a joint plan staggered the jobs.
        length: Slots that it was planned to last.
        layout: Physical qubit by logical qubit.
        target: ESP asked for.
        esp: ESP achieved.
        move: "start", "stay", "move" or "jump".
        moved: Physical qubits that are new in this cycle.
        reassigned: Logical qubits that changed place.
        evaluations: Evaluations made.
        shots: Shots spent.
        best_value: Lowest measured value; None if nothing was evaluated.
    """

    cycle: int
    slot: int
    layout: tuple[int, ...]
    target: float
    esp: float
    move: str
    moved: int
    reassigned: int
    evaluations: int
    shots: int
    best_value: float | None
    length: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobResult(Result):
    """One trained job.

    Attributes:
        name: The job.
        kind: Its problem.
        strategy: Its strategy.
        num_qubits: Its width n.
        status: Whether the convergence rule held, or the budget ended first.
        converged_after: Evaluations after which the rule held; None if it never did (censored).
        evaluations: Evaluations made.
        shots: Shots spent.
        measured: Lowest measured value.
        measured_std: Its standard error (it is a minimum over noisy values: expect it to be too low).
        theta: The parameters there, shape (d,).
        quality: What θ is worth, measured the same way for every strategy.
        cycles: The cycles.
        values: All measured values in order, shape (evaluations,).
        stds: Their standard errors.
    """

    name: str
    kind: str
    strategy: str
    num_qubits: int
    status: Status
    converged_after: int | None
    evaluations: int
    shots: int
    measured: float
    measured_std: float
    theta: Array
    quality: Quality
    cycles: tuple[CycleResult, ...]
    values: Array = field(repr=False)
    stds: Array = field(repr=False)

    @property
    def jumps(self) -> int:
        """Cycles that left the walk."""
        return sum(c.move == "jump" for c in self.cycles)

    @property
    def esp_miss(self) -> float:
        """Mean of ``|achieved - target|`` ESP over the cycles."""
        return float(np.mean([abs(c.esp - c.target) for c in self.cycles]))

    def row(self) -> dict[str, Any]:
        """Return one flat line for tables and CSV files."""
        q = self.quality
        return {
            "job": self.name,
            "kind": self.kind,
            "strategy": self.strategy,
            "qubits": self.num_qubits,
            "status": self.status.name,
            "evaluations": self.evaluations,
            "converged_after": self.converged_after,
            "shots": self.shots,
            "measured": self.measured,
            "measured_std": self.measured_std,
            "reference": q.reference,
            "noiseless": q.noiseless,
            "exact": q.exact,
            "gap": q.gap,
            "baseline": q.baseline,
            "baseline_name": q.baseline_name,
            "gap_to_baseline": q.gap_to_baseline,
            "ratio": q.ratio,
            "esp_first": self.cycles[0].esp,
            "esp_last": self.cycles[-1].esp,
            "esp_best_alone": q.reference_esp,
            "esp_loss": q.reference_esp - self.cycles[-1].esp,
            "esp_miss": self.esp_miss,
            "qubits_moved": sum(c.moved for c in self.cycles[1:]),
            "reassigned": sum(c.reassigned for c in self.cycles[1:]),
            "jumps": self.jumps,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CampaignResult(Result):
    """Everything a campaign found.

    Attributes:
        campaign: Its id.
        device: Name of the device.
        seed: Root seed.
        buffer: Idle qubits between jobs.
        jobs: The jobs, in the order given.
        usage: Machine time, utilisation and cost.
        digest: Digest of the ledger; equal for runs that made the same evaluations.
        versions: Versions of the libraries.
    """

    campaign: str
    device: str
    seed: int
    buffer: int
    jobs: tuple[JobResult, ...]
    usage: Usage
    digest: str
    versions: dict[str, str]
    chip: Chip = field(repr=False)

    @property
    def evaluations(self) -> int:
        """Evaluations of all jobs."""
        return sum(job.evaluations for job in self.jobs)

    @property
    def cycles(self) -> int:
        """Cycles of the longest job."""
        return max(len(job.cycles) for job in self.jobs)

    @property
    def slots(self) -> int:
        """Slots of the campaign."""
        return max(c.slot + c.length for job in self.jobs for c in job.cycles)

    def __getitem__(self, name: str) -> JobResult:
        """Return a job by name."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise KeyError(name)

    def layouts(self, slot: int) -> dict[str, tuple[int, ...]]:
        """Return the layouts of one slot by job."""
        return {j.name: c.layout for j in self.jobs for c in j.cycles if c.slot <= slot < c.slot + c.length}

    def table(self) -> list[dict[str, Any]]:
        """Return one flat line per job."""
        costs = self.usage.shares
        return [{**job.row(), **{k: v[job.name] for k, v in costs.items()}} for job in self.jobs]

    def _rows(self) -> list[dict[str, object]]:
        shown = (
            "job",
            "strategy",
            "status",
            "evaluations",
            "measured",
            "reference",
            "noiseless",
            "exact",
            "esp_last",
        )
        return [{key: row[key] for key in shown} for row in (job.row() for job in self.jobs)]

    def plot_esp(self, ax: Axes | None = None) -> Axes:
        """Draw target against achieved ESP."""
        from .plots import plot_esp

        return plot_esp(self, ax)

    def plot_energy(self, job: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw measured values and their running minimum by evaluation."""
        from .plots import plot_energy

        return plot_energy(self, job, ax)

    def plot_chip(self, slot: int = 0, ax: Axes | None = None) -> Axes:
        """Draw who sits where in one slot."""
        from .plots import plot_chip

        return plot_chip(self, slot, ax)


def collect(campaign: Campaign, ledger: Ledger, identity: str) -> CampaignResult:
    """Read a finished campaign from its ledger.

    Args:
        campaign: The campaign.
        ledger: Its ledger.
        identity: Its id there.
    """
    jobs = []
    per_job: dict[str, list[Evaluation]] = {job.name: [] for job in campaign.jobs}
    for evaluation in ledger.evaluations(identity):
        per_job[evaluation.job].append(evaluation)
    for settled, steps, slots, lengths, request in zip(
        campaign.settled, campaign.steps, campaign.slots, campaign.lengths, campaign.tenancies, strict=True
    ):
        made = per_job[settled.job.name]
        values, stds = np.array([e.value for e in made]), np.array([e.std for e in made])
        lowest = int(np.argmin(values))
        rows = []
        for step in steps:
            here = [e for e in made if e.cycle == step.cycle]
            rows.append(
                CycleResult(
                    cycle=step.cycle,
                    slot=slots[step.cycle],
                    length=lengths[step.cycle],
                    layout=tuple(step.layout),
                    target=step.target,
                    esp=step.esp,
                    move=step.kind,
                    moved=len(step.moved),
                    reassigned=len(step.reassigned),
                    evaluations=len(here),
                    shots=sum(e.shots for e in here),
                    best_value=min((e.value for e in here), default=None),
                )
            )
        after = campaign.convergence.evaluations(values)
        jobs.append(
            JobResult(
                name=settled.job.name,
                kind=settled.job.kind,
                strategy=settled.strategy.name,
                num_qubits=settled.job.num_qubits,
                status=Status.BUDGET if after is None else Status.CONVERGED,
                converged_after=after,
                evaluations=len(made),
                shots=sum(e.shots for e in made),
                measured=float(values[lowest]),
                measured_std=float(stds[lowest]),
                theta=made[lowest].point,
                quality=quality_of(settled.job, made[lowest].point, request.catalogue, campaign.snapshot),
                cycles=tuple(rows),
                values=values,
                stds=stds,
            )
        )
    from .chip import Chip

    return CampaignResult(
        campaign=identity,
        device=campaign.snapshot.name,
        seed=campaign.seed,
        buffer=campaign.buffer,
        jobs=tuple(jobs),
        usage=usage_of(campaign, jobs, campaign.rates),
        digest=ledger.digest(),
        versions=versions(),
        chip=Chip.of(campaign.snapshot),
    )
