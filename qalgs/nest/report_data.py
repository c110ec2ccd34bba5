"""What a report shows, as plain JSON values: runs with chip, traces and machine time, and strategies compared."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import LedgerError

from .charts import chip_coordinates
from .chip import Chip
from .ledger import Ledger
from .metrics import bootstrap

if TYPE_CHECKING:
    from .result import CampaignResult

MOST_POINTS = 1500
"""Longest energy trace that is drawn in full; longer ones keep the lowest value of each stretch."""

CONTROL = "BestMapRestarts"

_JOB = (
    "name",
    "kind",
    "strategy",
    "num_qubits",
    "evaluations",
    "shots",
    "measured",
    "measured_std",
    "converged_after",
)
_QUALITY = ("reference", "noiseless", "exact", "baseline", "baseline_name")
_CYCLE = ("slot", "length", "layout", "target", "esp", "move", "evaluations")


def report_data(results: Sequence[CampaignResult], *, level: float = 0.95) -> dict[str, Any]:
    """Return the content of a report on campaigns in memory.

    Args:
        results: Campaigns; those that share a job's name with others are compared.
        level: Coverage of the intervals.
    """
    runs = [run_data(r.to_dict(), chip_data(r.chip), {job.name: job.values for job in r.jobs}) for r in results]
    return {"runs": runs, "comparison": compare(runs, level=level)}


def run_data(
    summary: Mapping[str, Any], chip: Mapping[str, Any], traces: Mapping[str, Iterable[float]]
) -> dict[str, Any]:
    """Return one run as the page wants it.

    Args:
        summary: ``CampaignResult.to_dict()``, as ``summary.json`` holds it.
        chip: What :func:`chip_data` returned.
        traces: All measured values by job, in order.
    """
    strategies = ", ".join(sorted({job["strategy"] for job in summary["jobs"]}))
    return {
        **{key: summary[key] for key in ("campaign", "device", "seed", "buffer", "digest", "versions", "usage")},
        "label": f"{strategies}, seed {summary['seed']}",
        "cycles": max(len(job["cycles"]) for job in summary["jobs"]),
        "slots": max(c["slot"] + c.get("length", 1) for job in summary["jobs"] for c in job["cycles"]),
        "chip": dict(chip),
        "jobs": [_job(job, traces[job["name"]]) for job in summary["jobs"]],
    }


def read_run(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a finished run on disk as the page wants it.

    Raises:
        LedgerError: If the folder holds no finished run, or its files are damaged.
    """
    place = Path(folder)
    summary, chip = (_read(place, name) for name in ("summary.json", "chip.json"))
    try:
        with Ledger(place / "ledger.sqlite", read_only=True) as ledger:
            traces: dict[str, list[float]] = {job["name"]: [] for job in summary["jobs"]}
            for evaluation in ledger.evaluations(summary["campaign"]):
                traces[evaluation.job].append(evaluation.value)
        return run_data(summary, chip, traces)
    except (KeyError, TypeError) as error:
        raise LedgerError(
            f"summary and ledger in {place} do not belong together ({error} is missing); "
            f"write the summary again with 'qalgs nest resume {place}'"
        ) from error


def _read(folder: Path, name: str) -> dict[str, Any]:
    remedy = f"'qalgs nest resume {folder}'"
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise LedgerError(f"{folder} holds no finished run (no {name}); finish it with {remedy}") from error
    except ValueError as error:
        raise LedgerError(f"{folder / name} is damaged; write it again with {remedy}") from error
    if not isinstance(found, dict):
        raise LedgerError(f"{folder / name} is damaged; write it again with {remedy}")
    return found


def _job(job: Mapping[str, Any], trace: Iterable[float]) -> dict[str, Any]:
    counts, values = thinned(trace)
    quality = job["quality"]
    return {
        **{key: job[key] for key in _JOB},
        **{key: quality[key] for key in _QUALITY},
        "best_esp": quality["reference_esp"],
        "cycles": [
            {key: cycle.get(key, 1) if key == "length" else cycle[key] for key in _CYCLE}
            for cycle in job["cycles"]
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


def compare(runs: Sequence[Mapping[str, Any]], *, level: float = 0.95) -> list[dict[str, Any]]:
    """Return the strategies side by side, per job: mean reference energy over seeds with its bootstrap interval.

    Where a job was trained under the restart control, a second group shows each strategy's paired difference to it
    over the seeds that both have; negative is better.

    Args:
        runs: What :func:`run_data` returned.
        level: Coverage of the intervals.
    """
    table: dict[str, dict[str, dict[int, float]]] = {}
    for run in runs:
        for job in run["jobs"]:
            seeds = table.setdefault(job["name"], {}).setdefault(job["strategy"], {})
            seeds[run["seed"]] = float(job["reference"])
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
