"""What a campaign tells while it runs: typed events, in an order that only the campaign determines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result, Status

if TYPE_CHECKING:
    from .result import CampaignResult


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Event(Result):
    """Base of all events."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CampaignStarted(Event):
    """The plan stands and the ledger is open.

    Attributes:
        campaign: Its id in the ledger.
        device: Name of the device.
        jobs: Names of the jobs.
        cycles: Cycles per job.
        budget: Largest number of evaluations of the whole campaign.
        recorded: Evaluations that the ledger already holds.
    """

    campaign: str
    device: str
    jobs: tuple[str, ...]
    cycles: tuple[int, ...]
    budget: int
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleStarted(Event):
    """A job moves to the layout of its next cycle.

    Attributes:
        job: The job.
        cycle: Cycle, from 0.
        cycles: Number of cycles of the job.
        layout: Physical qubit per logical qubit.
        target: The ESP that the schedule asks for; None where it asks for the best map or any map.
        esp: The ESP of ``layout``.
        move: How the layout was reached: "start", "stay", "leaf", "snake", "any" or "jump".
    """

    job: str
    cycle: int
    cycles: int
    layout: tuple[int, ...]
    target: float | None
    esp: float
    move: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated(Event):
    """One value was measured, or read back from the ledger.

    Attributes:
        job: The job.
        cycle: Cycle, from 0.
        evaluation: Index within the cycle, from 0.
        value: Measured ⟨H⟩.
        std: Its standard error.
        best: Lowest value of the job so far.
        shots: Shots spent on it.
        replayed: Whether it came from the ledger.
        done: Evaluations of the campaign so far, this one included.
    """

    job: str
    cycle: int
    evaluation: int
    value: float
    std: float
    best: float
    shots: int
    replayed: bool
    done: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CycleFinished(Event):
    """A job has spent its evaluations of a cycle, or its optimiser has ended.

    Attributes:
        job: The job.
        cycle: Cycle, from 0.
        evaluations: Evaluations made in it.
        best_value: Lowest value measured in it; None if nothing was evaluated.
        best_point: Where, shape (d,).
        status: How the optimiser stands.
    """

    job: str
    cycle: int
    evaluations: int
    best_value: float | None
    best_point: NDArray[np.float64] | None
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CampaignFinished(Event):
    """Everything is done.

    Attributes:
        result: The frozen result.
    """

    result: CampaignResult
