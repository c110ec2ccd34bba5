"""What a report shows, as plain JSON values: runs with chip, traces and machine time, and strategies compared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .charts import chip_coordinates
from .chip import Chip
from .metrics import bootstrap

if TYPE_CHECKING:
    from .result import CampaignResult, JobResult

MOST_POINTS = 1500
"""Longest energy trace that is drawn in full; longer ones keep the lowest value of each stretch."""

CONTROL = "BestMapRestarts"


def report_data(results: Sequence[CampaignResult], *, level: float = 0.95) -> dict[str, Any]:
    """Return the content of a report.

    Args:
        results: Campaigns; those that share a job's name with others are compared.
        level: Coverage of the intervals.
    """
    return {"runs": [_run(result) for result in results], "comparison": compare(results, level=level)}


def _run(result: CampaignResult) -> dict[str, Any]:
    usage = result.usage
    return {
        "campaign": result.campaign,
        "label": f"{', '.join(sorted({j.strategy for j in result.jobs}))}, seed {result.seed}",
        "device": result.device,
        "seed": result.seed,
        "buffer": result.buffer,
        "cycles": result.cycles,
        "digest": result.digest,
        "versions": dict(result.versions),
        "chip": chip_data(result.chip),
        "usage": {**usage.to_dict(), "spans": [list(span) for span in usage.spans]},
        "jobs": [_job(job) for job in result.jobs],
    }


def _job(job: JobResult) -> dict[str, Any]:
    counts, values = thinned(job.values)
    quality = job.quality
    return {
        "name": job.name,
        "kind": job.kind,
        "strategy": job.strategy,
        "num_qubits": job.num_qubits,
        "status": str(job.status),
        "evaluations": job.evaluations,
        "shots": job.shots,
        "measured": _number(job.measured),
        "measured_std": _number(job.measured_std),
        "reference": _number(quality.reference),
        "noiseless": _number(quality.noiseless),
        "exact": _number(quality.exact),
        "baseline": _number(quality.baseline),
        "baseline_name": quality.baseline_name,
        "best_esp": _number(quality.reference_esp),
        "converged_after": job.converged_after,
        "cycles": [
            {
                "layout": [int(q) for q in c.layout],
                "target": _number(c.target),
                "esp": _number(c.esp),
                "move": c.move,
                "evaluations": c.evaluations,
            }
            for c in job.cycles
        ],
        "counts": counts,
        "values": values,
    }


def chip_data(chip: Chip) -> dict[str, Any]:
    """Return a drawing of the chip: points, couplers as ``[a, b, error, alive]``, readout errors."""
    errors = []
    for a, b in chip.couplers:
        logs = [table[i, j] for table in chip.log_two.values() for i, j in ((a, b), (b, a))]
        finite = [float(x) for x in logs if np.isfinite(x)]
        errors.append(-math.expm1(max(finite)) if finite else 1.0)
    return {
        "points": [[round(float(x), 4), round(1 - float(y), 4)] for x, y in chip_coordinates(chip)],
        "couplers": [
            [int(a), int(b), _number(error), bool(alive)]
            for (a, b), error, alive in zip(chip.couplers, errors, chip.alive, strict=True)
        ],
        "readout": [_number(-math.expm1(x)) if x > -np.inf else 1.0 for x in chip.log_readout],
    }


def thinned(values: Iterable[float], most: int = MOST_POINTS) -> tuple[list[int], list[float]]:
    """Return evaluation counts (from 1) and values; a long trace keeps the lowest value of each stretch."""
    trace = np.asarray(list(values), dtype=np.float64)
    if len(trace) <= most:
        kept = np.arange(len(trace))
    else:
        edges = np.linspace(0, len(trace), most + 1).astype(int)
        kept = np.array([lo + int(np.argmin(trace[lo:hi])) for lo, hi in itertools.pairwise(edges)])
    return [int(k) + 1 for k in kept], [float(f"{trace[k]:.7g}") for k in kept]


def compare(results: Sequence[CampaignResult], *, level: float = 0.95) -> list[dict[str, Any]]:
    """Return the strategies side by side, per job: mean reference energy over seeds with its bootstrap interval.

    Where a job was trained under the restart control, a second group shows each strategy's paired difference to it
    over the seeds that both have; negative is better.
    """
    table: dict[str, dict[str, dict[int, float]]] = {}
    for result in results:
        for job in result.jobs:
            seeds = table.setdefault(job.name, {}).setdefault(job.strategy, {})
            seeds[result.seed] = float(job.quality.reference)
    groups = []
    for name, strategies in table.items():
        if len(strategies) < 2:
            continue
        rows = [
            {"strategy": s, "control": s == CONTROL, **_interval(list(found.values()), None, level)}
            for s, found in sorted(strategies.items())
        ]
        groups.append(
            {"job": name, "metric": "energy on the reference map", "paired": False, "level": level, "rows": rows}
        )
        control = strategies.get(CONTROL)
        if control is None:
            continue
        differences = []
        for s, found in sorted(strategies.items()):
            shared = sorted(set(found) & set(control))
            if s != CONTROL and shared:
                pair = [found[k] for k in shared], [control[k] for k in shared]
                differences.append({"strategy": s, "control": False, **_interval(*pair, level)})
        if differences:
            metric = f"difference to {CONTROL}, same seeds"
            groups.append({"job": name, "metric": metric, "paired": True, "level": level, "rows": differences})
    return groups


def _interval(samples: list[float], paired: list[float] | None, level: float) -> dict[str, Any]:
    found = bootstrap(samples, paired=paired, level=level)
    return {"low": found.low, "best": found.best, "high": found.high, "samples": found.samples}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
