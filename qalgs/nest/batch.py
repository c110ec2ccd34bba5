"""A batch under a joint plan against the same jobs one after another: machine time, and what it costs in quality.

The serial run gives every job the whole chip, its best map in every cycle, the same optimiser with the same
restarts and the same number of evaluations; only company, layouts and slots differ under the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.results import Result

from .jobs import Job
from .metrics import Interval, bootstrap
from .strategies import BestMapRestarts, Strategy
from .study import Cell
from .study_result import CellOutcome

if TYPE_CHECKING:
    from .space_time_plan import Plan

PLANNED, SERIAL = "planned", "serial"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchResult(Result):
    """Planned against serial over seeds.

    Attributes:
        device: The device.
        jobs: Number of jobs.
        seeds: Seeds.
        slots: Slots of the plan.
        bound: Slots that no plan can go below.
        most_speedup: What no plan can exceed.
        most_speedup_reason: Why.
        speedup: Serial over planned machine seconds, by seed.
        ratio: The same as a mean with its interval.
        planned_seconds: Mean machine seconds under the plan.
        serial_seconds: Mean machine seconds one after another.
        loss: Mean over jobs and seeds of (planned - serial) energy on the reference map, as a fraction of the
            job's spectral range; positive is worse. The interval is over seeds.
        by_job: The same by job.
        final_ratio: Smallest ESP of a last cycle over the job's best.
    """

    device: str
    jobs: int
    seeds: int
    slots: int
    bound: int
    most_speedup: float
    most_speedup_reason: str
    speedup: tuple[float, ...]
    ratio: Interval
    planned_seconds: float
    serial_seconds: float
    loss: Interval
    by_job: dict[str, Interval]
    final_ratio: float
    outcomes: tuple[CellOutcome, ...] = field(repr=False)


def batch_cells(
    jobs: Sequence[Job], plan: Plan, *, device: Any, seeds: Sequence[int], training: Strategy, **options: Any
) -> list[Cell]:
    """Return the campaigns of a comparison: per seed one under the plan and one for each job alone.

    Args:
        jobs: The jobs.
        plan: Their joint plan.
        device: As in :class:`Cell`.
        seeds: Root seeds.
        training: Strategy whose optimiser schedule both sides use.
        options: Further attributes of :class:`Cell`.
    """
    cells = []
    for seed in seeds:
        cells.append(
            Cell(
                device=device,
                jobs=tuple(jobs),
                strategy=training,
                seed=seed,
                plan=plan,
                label=PLANNED,
                **options,
            )
        )
        for job in jobs:
            alone = BestMapRestarts(cycles=len(plan.of(job.name)))
            cells.append(Cell(device=device, jobs=(job,), strategy=alone, seed=seed, label=SERIAL, **options))
    return cells


def compare_batch(outcomes: Sequence[CellOutcome], plan: Plan) -> BatchResult:
    """Return the comparison from the outcomes of :func:`batch_cells`.

    Args:
        outcomes: The outcomes, in any order.
        plan: The plan.
    """
    seconds: dict[str, dict[int, float]] = {PLANNED: {}, SERIAL: {}}
    energy: dict[tuple[str, int, str], float] = {}
    width: dict[str, float] = {}
    for outcome in outcomes:
        side = seconds[outcome.strategy]
        side[outcome.seed] = side.get(outcome.seed, 0.0) + float(outcome.payload["device_seconds"])
        for job in outcome.jobs:
            energy[outcome.strategy, outcome.seed, job["job"]] = float(job["reference"])
            width[job["job"]] = float(job["spectral_width"])
    seeds = sorted(seconds[PLANNED])
    names = sorted(width)
    losses = np.array([[(energy[PLANNED, s, n] - energy[SERIAL, s, n]) / width[n] for n in names] for s in seeds])
    speedup = [seconds[SERIAL][s] / seconds[PLANNED][s] for s in seeds]
    return BatchResult(
        device=plan.device,
        jobs=len(names),
        seeds=len(seeds),
        slots=plan.slots,
        bound=plan.bound,
        most_speedup=plan.most_speedup,
        most_speedup_reason=plan.bound_seconds_reason,
        speedup=tuple(speedup),
        ratio=bootstrap(speedup),
        planned_seconds=float(np.mean([seconds[PLANNED][s] for s in seeds])),
        serial_seconds=float(np.mean([seconds[SERIAL][s] for s in seeds])),
        loss=bootstrap(losses.mean(axis=1)),
        by_job={name: bootstrap(losses[:, i]) for i, name in enumerate(names)},
        final_ratio=plan.final_ratio,
        outcomes=tuple(outcomes),
    )
