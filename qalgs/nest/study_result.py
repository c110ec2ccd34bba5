"""Tables of a study: strategies side by side with intervals over seeds, and every one against the control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result

from .convergence import evaluations_to
from .headlines import Headline, Pooled, at_seconds, headlines, pooled
from .metrics import Interval, bootstrap

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellOutcome:
    """What one campaign of a study found, as it is stored.

    Attributes:
        payload: JSON values: device, strategy, seed, digest, and per job the flat row and the progress.
    """

    payload: dict[str, Any]

    @property
    def device(self) -> str:
        """Name of the device."""
        return str(self.payload["device"])

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return str(self.payload["strategy"])

    @property
    def seed(self) -> int:
        """Root seed."""
        return int(self.payload["seed"])

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs."""
        return list(self.payload["jobs"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StrategyRow(Result):
    """One strategy on one job and device.

    Attributes:
        strategy: The strategy.
        seeds: Runs.
        reference: Mean exact noisy energy on the reference map, with its interval.
        noiseless: Mean noiseless energy; None beyond the simulable size.
        gap: Mean distance of ``reference`` to the exact value; None if that is unknown.
        against_baseline: Mean of ``reference`` minus the baseline; negative is better; None without one.
        equal_seconds: ``reference`` when every run is cut at the machine time of the shortest.
        converged: Median evaluations until the convergence rule held; None if it did not in half of the runs.
        censored: Runs in which it never held.
        to_threshold: Median evaluations to the threshold; None if half of the runs never reached it.
        reached: Runs that reached the threshold.
        seconds: Mean machine seconds of the job alone.
        esp_last: Mean ESP of the last cycle.
        jumps: Mean jumps.
    """

    strategy: str
    seeds: int
    reference: Interval
    noiseless: float | None
    gap: float | None
    against_baseline: float | None
    equal_seconds: Interval
    converged: float | None
    censored: int
    to_threshold: float | None
    reached: int
    seconds: float
    esp_last: float
    jumps: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison(Result):
    """All strategies on one job and device.

    Attributes:
        device: The device.
        job: The job.
        threshold: Median reference energy of the baseline strategy; None if it was not run.
        rows: The strategies.
        to_control: Paired difference of each strategy to the control over common seeds; negative is better.
        to_control_seconds: The same with every run cut at the machine time of the shortest.
        to_baseline: The same to the baseline strategy.
        control: The control.
        baseline: The baseline strategy.
    """

    device: str
    job: str
    threshold: float | None
    rows: tuple[StrategyRow, ...]
    to_control: dict[str, Interval]
    to_control_seconds: dict[str, Interval]
    to_baseline: dict[str, Interval]
    control: str
    baseline: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyResult(Result):
    """All outcomes of a study.

    Attributes:
        outcomes: The cells.
        control: The control.
        baseline: The strategy that sets the threshold.
    """

    outcomes: tuple[CellOutcome, ...] = field(repr=False)
    control: str
    baseline: str

    def comparisons(self, *, level: float = 0.95) -> list[Comparison]:
        """Return one comparison per device and job, in the order of the cells.

        Args:
            level: Coverage of the intervals.
        """
        found: dict[tuple[str, str], dict[str, dict[int, dict[str, Any]]]] = {}
        for outcome in self.outcomes:
            for job in outcome.jobs:
                strategies = found.setdefault((outcome.device, job["job"]), {})
                strategies.setdefault(job["strategy"], {})[outcome.seed] = job
        return [self._compare(device, job, table, level) for (device, job), table in found.items()]

    def _compare(
        self, device: str, job: str, table: dict[str, dict[int, dict[str, Any]]], level: float
    ) -> Comparison:
        base = table.get(self.baseline)
        threshold = None if base is None else float(np.median([r["reference"] for r in base.values()]))
        common = min(r["seconds"] for runs in table.values() for r in runs.values())
        rows = tuple(_row(name, list(runs.values()), threshold, common, level) for name, runs in table.items())
        return Comparison(
            device=device,
            job=job,
            threshold=threshold,
            rows=rows,
            to_control=_differences(table, self.control, level),
            to_control_seconds=_differences(table, self.control, level, seconds=common),
            to_baseline=_differences(table, self.baseline, level),
            control=self.control,
            baseline=self.baseline,
        )

    def table(self, *, level: float = 0.95) -> list[dict[str, Any]]:
        """Return one flat line per device, job and strategy.

        Args:
            level: Coverage of the intervals.
        """
        lines = []
        for c in self.comparisons(level=level):
            for row in c.rows:
                line: dict[str, Any] = {
                    "device": c.device,
                    "job": c.job,
                    "strategy": row.strategy,
                    "seeds": row.seeds,
                }
                for key, interval in (
                    ("reference", row.reference),
                    ("minus_control", c.to_control.get(row.strategy)),
                    ("minus_control_seconds", c.to_control_seconds.get(row.strategy)),
                    ("minus_baseline", c.to_baseline.get(row.strategy)),
                    ("equal_seconds", row.equal_seconds),
                ):
                    line |= {
                        key: interval.best if interval else None,
                        f"{key}_low": interval.low if interval else None,
                        f"{key}_high": interval.high if interval else None,
                    }
                for key in (
                    *("noiseless", "gap", "against_baseline", "converged", "censored", "to_threshold", "reached"),
                    *("seconds", "esp_last", "jumps"),
                ):
                    line[key] = getattr(row, key)
                line["threshold"] = c.threshold
                lines.append(line)
        return lines

    def headlines(self, *, level: float = 0.95) -> list[Headline]:
        """Return every published claim about Nest beside the figure of this study.

        Args:
            level: Coverage of the intervals.
        """
        return headlines(self.outcomes, control=self.control, level=level)

    def pooled(self, *, level: float = 0.95) -> list[Pooled]:
        """Return every strategy averaged over the devices, against the control.

        Args:
            level: Coverage of the intervals.
        """
        return pooled(self.outcomes, control=self.control, level=level)

    def report_content(self, *, level: float = 0.95, every: bool = False) -> dict[str, Any]:
        """Return what :func:`qalgs.nest.report_html.render` draws: runs and comparisons.

        Args:
            level: Coverage of the intervals.
            every: Draw all runs, not only those of the first seed.
        """
        first = min(o.seed for o in self.outcomes)
        runs = [o.payload["run"] for o in self.outcomes if every or o.seed == first]
        groups = []
        for c in self.comparisons(level=level):
            if len(c.rows) < 2:
                continue
            where = f"{c.job} on {c.device}"
            rows = [_entry(r.strategy, r.reference, r.strategy == c.control) for r in c.rows]
            groups.append(_group(where, "energy on the reference map", False, level, rows))
            rows = [_entry(name, interval, False) for name, interval in c.to_control.items()]
            if rows:
                groups.append(_group(where, f"difference to {c.control}, same seeds", True, level, rows))
        return {"runs": runs, "comparison": groups}


def _entry(name: str, interval: Interval, control: bool) -> dict[str, Any]:
    ends = {"low": interval.low, "best": interval.best, "high": interval.high, "samples": interval.samples}
    return {"strategy": name, "control": control, **ends}


def _group(job: str, metric: str, paired: bool, level: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"job": job, "metric": metric, "paired": paired, "level": level, "rows": rows}


def _mean(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [v for v in found if v is not None]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def _row(
    name: str, runs: Sequence[dict[str, Any]], threshold: float | None, seconds: float, level: float
) -> StrategyRow:
    converged = [r["converged_after"] for r in runs]
    ordered = sorted(np.inf if c is None else float(c) for c in converged)
    median = float(np.median(ordered)) if np.isfinite(ordered[len(ordered) // 2]) else None
    to_threshold, reached = None, 0
    if threshold is not None:
        traces = [(r["progress_evaluations"], r["progress_energies"]) for r in runs]
        counted = evaluations_to(threshold, traces)
        to_threshold, reached = counted.median, counted.reached
    return StrategyRow(
        strategy=name,
        seeds=len(runs),
        reference=bootstrap([r["reference"] for r in runs], level=level),
        noiseless=_mean(r["noiseless"] for r in runs),
        gap=_mean(r["gap"] for r in runs),
        against_baseline=_mean(r["gap_to_baseline"] for r in runs),
        equal_seconds=bootstrap([at_seconds(r, seconds) for r in runs], level=level),
        converged=median,
        censored=sum(c is None for c in converged),
        to_threshold=to_threshold,
        reached=reached,
        seconds=float(np.mean([r["seconds"] for r in runs])),
        esp_last=float(np.mean([r["esp_last"] for r in runs])),
        jumps=float(np.mean([r["jumps"] for r in runs])),
    )


def _differences(
    table: dict[str, dict[int, dict[str, Any]]], to: str, level: float, *, seconds: float | None = None
) -> dict[str, Interval]:
    other = table.get(to)
    if other is None:
        return {}

    def worth(run: dict[str, Any]) -> float:
        return float(run["reference"]) if seconds is None else at_seconds(run, seconds)

    found = {}
    for name, runs in table.items():
        shared = sorted(set(runs) & set(other))
        if name != to and shared:
            ours, theirs = ([worth(side[s]) for s in shared] for side in (runs, other))
            found[name] = bootstrap(ours, paired=theirs, level=level)
    return found
