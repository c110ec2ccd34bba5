"""What a campaign costs the machine: seconds, utilisation, throughput, and money shared among its jobs.

One step is one submission. Co-located jobs run in the same shots, so a shot lasts as long as the longest circuit
in it, and a job with more measurement bases or shots than its neighbours runs on alone:

    seconds = sum over steps of  overhead + sum over rounds r of  shots_r * (max_j duration_j + repetition delay).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from qalgs.errors import invalid
from qalgs.results import Result

from .layouts import LayoutCatalogue
from .requests import count_bases

if TYPE_CHECKING:
    from .campaign import Campaign
    from .result import JobResult

Sharing = Literal["equal", "qubit_seconds"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What is charged for.

    Attributes:
        repetition_delay: Seconds between two shots (IBM's default is 250 microseconds).
        overhead: Seconds per submission, for loading and classical work.
        price: Money per machine second.
        currency: Its name.
        sharing: How co-located jobs share a second: "equal" parts, or by their "qubit_seconds".

    Raises:
        InvalidInputError: If a number is negative or the sharing rule unknown.
    """

    repetition_delay: float = 250e-6
    overhead: float = 0.0
    price: float = 1.6
    currency: str = "USD"
    sharing: Sharing = "qubit_seconds"

    def __post_init__(self) -> None:
        for name in ("repetition_delay", "overhead", "price"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise invalid(name, getattr(self, name), "must be finite and not negative")
        if self.sharing not in get_args(Sharing):
            raise invalid("sharing", self.sharing, "must be 'equal' or 'qubit_seconds'")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load(Result):
    """One job's part in one cycle.

    Attributes:
        job: The job.
        cycle: The cycle, or the slot of a staggered campaign.
        evaluations: Evaluations made.
        bases: Measurement bases per evaluation.
        shots: Shots per basis.
        duration: Seconds of one execution.
        qubits: Qubits held.
    """

    job: str
    cycle: int
    evaluations: int
    bases: int
    shots: int
    duration: float
    qubits: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usage(Result):
    """Machine time of a campaign.

    Attributes:
        device_seconds: Seconds of the machine, jobs together.
        serial_seconds: Seconds that the same evaluations would take one job after another.
        submissions: Steps.
        shots: Shots of all jobs.
        utilisation: Fraction of the chip's qubit-seconds that belonged to a job.
        jobs_per_second: Jobs finished per machine second.
        cost: Money for ``device_seconds``.
        currency: Its name.
        sharing: How it is shared.
        shares: ``device_seconds`` and ``cost`` by job.
        spans: ``(cycle, start, end)`` in machine seconds.
    """

    device_seconds: float
    serial_seconds: float
    submissions: int
    shots: int
    utilisation: float
    jobs_per_second: float
    cost: float
    currency: str
    sharing: str
    shares: dict[str, dict[str, float]]
    spans: tuple[tuple[int, float, float], ...]


def usage(loads: Sequence[Load], num_qubits: int, rates: Rates | None = None) -> Usage:
    """Return the machine time of co-located jobs that run their cycles side by side.

    Args:
        loads: What each job does in each cycle.
        num_qubits: Qubits of the chip.
        rates: Delays, overheads, money.
    """
    rates = rates or Rates()
    total = serial = held = 0.0
    submissions = shots = 0
    seconds: dict[str, float] = {load.job: 0.0 for load in loads}
    spans = []
    for cycle in sorted({load.cycle for load in loads}):
        start, here = total, [load for load in loads if load.cycle == cycle]
        for alive, count in _plateaus(here):
            step, parts = _step(alive, rates)
            total += count * (step + rates.overhead)
            submissions += count
            for load, share in zip(alive, parts, strict=True):
                seconds[load.job] += count * (share + rates.overhead / len(alive))
                held += count * load.qubits * load.bases * load.shots * (load.duration + rates.repetition_delay)
        for load in here:
            one = load.bases * load.shots * (load.duration + rates.repetition_delay) + rates.overhead
            serial += load.evaluations * one
            shots += load.evaluations * load.bases * load.shots
        spans.append((cycle, start, total))
    return Usage(
        device_seconds=total,
        serial_seconds=serial,
        submissions=submissions,
        shots=shots,
        utilisation=held / (num_qubits * total) if total else 0.0,
        jobs_per_second=len(seconds) / total if total else 0.0,
        cost=total * rates.price,
        currency=rates.currency,
        sharing=rates.sharing,
        shares={"device_seconds": seconds, "cost": {name: s * rates.price for name, s in seconds.items()}},
        spans=tuple(spans),
    )


def _plateaus(loads: Sequence[Load]) -> list[tuple[list[Load], int]]:
    """Return runs of steps in which the same jobs take part, as ``(jobs, steps)``."""
    ends = sorted({load.evaluations for load in loads if load.evaluations})
    return [
        ([load for load in loads if load.evaluations >= end], end - begin)
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def _step(loads: Sequence[Load], rates: Rates) -> tuple[float, list[float]]:
    """Return the seconds of one step and how the jobs share them."""
    total, parts = 0.0, [0.0] * len(loads)
    for r in range(max(load.bases for load in loads)):
        inside = [i for i, load in enumerate(loads) if r < load.bases]
        length = max(loads[i].shots for i in inside) * (
            max(loads[i].duration for i in inside) + rates.repetition_delay
        )
        total += length
        weights = [1.0 if rates.sharing == "equal" else float(loads[i].qubits) for i in inside]
        for i, weight in zip(inside, weights, strict=True):
            parts[i] += length * weight / sum(weights)
    return total, parts


def usage_of(campaign: Campaign, jobs: Sequence[JobResult], rates: Rates | None = None) -> Usage:
    """Return the machine time of a finished campaign."""
    loads = []
    for settled, tenancy, job in zip(campaign.settled, campaign.tenancies, jobs, strict=True):
        bases = count_bases(settled.job.observable)
        for c in job.cycles:
            loads.append(
                Load(
                    job=job.name,
                    cycle=c.slot,
                    evaluations=c.evaluations,
                    bases=bases,
                    shots=max(1, settled.shots),
                    duration=duration_of(tenancy.catalogue, c.layout),
                    qubits=job.num_qubits,
                )
            )
    return usage(loads, campaign.snapshot.num_qubits, rates)


def duration_of(catalogue: LayoutCatalogue, layout: Sequence[int]) -> float:
    """Return the seconds of one execution on a layout, readout included."""
    return float(catalogue.duration[catalogue.index(layout)])
