"""What a campaign costs the machine: seconds, utilisation, throughput, and money shared among its jobs.

Co-located jobs run in the same shots, so a shot lasts as long as the longest circuit in it:

    seconds = sum over submissions of  overhead + sum over rounds r of  shots_r * (max_j duration_j + delay).

At the pace "together" one submission is one evaluation of every job, and a job with more measurement bases than
its neighbours runs on alone. At its "own" pace every job asks again as soon as its evaluation is complete: a
submission then holds as many circuits as the job closest to its end still needs, so that no job waits for another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from qalgs.errors import expect, invalid
from qalgs.results import Result

from .layouts import LayoutCatalogue
from .requests import count_bases

if TYPE_CHECKING:
    from .campaign import Campaign
    from .result import JobResult

Sharing = Literal["equal", "qubit_seconds"]
Pace = Literal["together", "own"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What is charged for.

    Attributes:
        repetition_delay: Seconds between two shots (IBM's default is 250 microseconds).
        overhead: Seconds per submission, for loading and classical work. The more it is, the less a joint plan
            gains from letting jobs with few measurement bases run ahead; it counts both.
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
        expect(Real, repetition_delay=self.repetition_delay, overhead=self.overhead, price=self.price)
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
        length: Slots that were planned for the cycle.
    """

    job: str
    cycle: int
    evaluations: int
    bases: int
    shots: int
    duration: float
    qubits: int
    length: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usage(Result):
    """Machine time of a campaign.

    Attributes:
        device_seconds: Seconds of the machine, jobs together.
        serial_seconds: Seconds that the same evaluations would take one job after another.
        submissions: How often something was sent to the machine.
        shots: Shots of all jobs.
        utilisation: Fraction of the chip's qubit-seconds that belonged to a job.
        jobs_per_second: Jobs finished per machine second.
        cost: Money for ``device_seconds``.
        currency: Its name.
        sharing: How it is shared.
        shares: ``device_seconds`` and ``cost`` by job.
        spans: ``(cycle or slot, start, end)`` in machine seconds, one for each in which a job begins.
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


def usage(loads: Sequence[Load], num_qubits: int, rates: Rates | None = None, pace: Pace = "together") -> Usage:
    """Return the machine time of co-located jobs.

    Args:
        loads: What each job does in each cycle.
        num_qubits: Qubits of the chip.
        rates: Delays, overheads, money.
        pace: Whether jobs wait for each other after every evaluation.
    """
    rates = rates or Rates()
    total = serial = held = 0.0
    submissions = shots = 0
    seconds: dict[str, float] = {load.job: 0.0 for load in loads}
    begins: dict[int, float] = {}
    stretches = _own(loads, rates) if pace == "own" else _together(loads, rates)
    for s in stretches:
        if s.slot is not None:
            begins.setdefault(s.slot, total)
        total += s.seconds + s.submissions * rates.overhead
        submissions += s.submissions
        for load, share, circuits in zip(s.alive, s.shares, s.circuits, strict=True):
            seconds[load.job] += share + s.submissions * rates.overhead / len(s.alive)
            held += circuits * load.qubits * load.shots * (load.duration + rates.repetition_delay)
    for load in loads:
        one = load.bases * load.shots * (load.duration + rates.repetition_delay) + rates.overhead
        serial += load.evaluations * one
        shots += load.evaluations * load.bases * load.shots
    ends = [*list(begins.values())[1:], total]
    spans = [(slot, start, end) for (slot, start), end in zip(begins.items(), ends, strict=True)]
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stretch:
    """Machine time in which the same jobs run side by side; ``slot`` is the one that begins with it, if any."""

    slot: int | None
    alive: Sequence[Load]
    seconds: float
    shares: Sequence[float]
    circuits: Sequence[int]
    submissions: int


def _together(loads: Sequence[Load], rates: Rates) -> Iterator[_Stretch]:
    """All jobs of a slot wait for each other after every evaluation."""
    for slot in sorted({load.cycle for load in loads}):
        here = [load for load in loads if load.cycle == slot]
        yield _Stretch(slot=slot, alive=(), seconds=0.0, shares=(), circuits=(), submissions=0)
        for alive, count in _plateaus(here):
            step, parts = _step(alive, rates)
            yield _Stretch(
                slot=None,
                alive=alive,
                seconds=count * step,
                shares=[count * part for part in parts],
                circuits=[count * load.bases for load in alive],
                submissions=count,
            )


def _own(loads: Sequence[Load], rates: Rates) -> Iterator[_Stretch]:
    """A cycle begins when all cycles that were to end by its slot have ended; nobody waits within it."""
    begin: dict[int, int] = {}
    finish: list[tuple[int, int]] = []
    runs: list[tuple[int, int, Load]] = []
    for slot in sorted({load.cycle for load in loads}):
        start = begin[slot] = max((end for until, end in finish if until <= slot), default=0)
        for load in loads:
            if load.cycle == slot:
                runs.append((start, start + load.evaluations * load.bases, load))
                finish.append((slot + load.length, runs[-1][1]))
    marks = sorted({*begin.values(), *(end for _, end, _ in runs)})
    slots = sorted(begin, reverse=True)
    for at, following in itertools.pairwise([*marks, marks[-1]] if marks else []):
        while slots and begin[slots[-1]] <= at:
            yield _Stretch(slot=slots.pop(), alive=(), seconds=0.0, shares=(), circuits=(), submissions=0)
        here = [(start, load) for start, end, load in runs if start <= at < end]
        if not here or following == at:
            continue
        alive, ticks = [load for _, load in here], following - at
        ends = [
            np.arange(start + load.bases * ((at - start) // load.bases + 1), following + 1, load.bases)
            for start, load in here
        ]
        seconds = ticks * _shot_seconds(alive, rates)
        weights = [1.0 if rates.sharing == "equal" else float(load.qubits) for load in alive]
        yield _Stretch(
            slot=None,
            alive=alive,
            seconds=seconds,
            shares=[seconds * weight / sum(weights) for weight in weights],
            circuits=[ticks] * len(alive),
            submissions=len(np.unique(np.concatenate(ends))),
        )


def _shot_seconds(loads: Sequence[Load], rates: Rates) -> float:
    """Seconds of one circuit of each job, side by side."""
    return max(load.shots for load in loads) * (max(load.duration for load in loads) + rates.repetition_delay)


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
        length = _shot_seconds([loads[i] for i in inside], rates)
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
                    length=c.length,
                    evaluations=c.evaluations,
                    bases=bases,
                    shots=max(1, settled.shots),
                    duration=duration_of(tenancy.catalogue, c.layout),
                    qubits=job.num_qubits,
                )
            )
    return usage(loads, campaign.snapshot.num_qubits, rates, campaign.pace)


def duration_of(catalogue: LayoutCatalogue, layout: Sequence[int]) -> float:
    """Return the seconds of one execution on a layout, readout included."""
    return float(catalogue.duration[catalogue.index(layout)])
