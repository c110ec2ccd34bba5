"""A study as a whole: strategies pooled over devices, and every published headline next to what the study found.

The published figures (arXiv:2510.09578) are ratios of summed mean iteration counts. Theirs were trimmed for Nest
only; here one stopping rule (:class:`qalgs.nest.Convergence`) reads every strategy's trace, the restart control
stands beside the published baselines, and every ratio has an interval over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result
from qalgs.seeds import keyed

from .convergence import evaluations_to
from .metrics import Interval, bootstrap

if TYPE_CHECKING:
    from .study_result import CellOutcome

Array = NDArray[np.float64]

SUBJECT = "Nest"
PUBLISHED: tuple[tuple[str, str, str], ...] = (
    ("BestMap", "iterations", "12.7 % fewer"),
    ("Qoncord", "iterations", "47.1 % fewer"),
    ("BestMap", "cost", "1.1x lower"),
    ("Qoncord", "cost", "2.0x lower"),
    ("BestMap", "energy", "H2 -0.033, HeH+ -0.029 Ha"),
    ("Qoncord", "energy", "H2 -0.052, HeH+ -0.067 Ha"),
)
"""Rival, quantity and what the paper (its artifact, for energies) says of Nest against it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Headline(Result):
    """One claim about Nest against a rival, as published and as a study found it.

    Attributes:
        rival: The strategy that Nest is compared with.
        quantity: "iterations" (1 - sum over problems of mean evaluations until convergence, Nest by rival),
            "cost" (the same sums of machine seconds, rival by Nest), "threshold" (as "iterations", but until the
            reference energy reaches the median of the rival's final ones: a strategy that stalls early converges
            early without getting anywhere), or "energy" (mean difference of the reference energies in units of
            each problem's spectral width).
        published: The published figure; empty where there is none.
        ours: The figure of the study with its interval over seeds: a fraction for "iterations"
            and "threshold", a ratio for "cost".
        censored: Runs of either strategy in which the rule never held, or that never reached the threshold; they
            count with their full length.
        runs: Runs of either strategy.
    """

    rival: str
    quantity: str
    published: str
    ours: Interval
    censored: int
    runs: int

    @property
    def found(self) -> str:
        """``ours`` in the words of the published figure."""
        low, best, high = self.ours.low, self.ours.best, self.ours.high
        if self.quantity in ("iterations", "threshold"):
            if best < 0:
                return f"{-100 * best:.1f} % more [{-100 * high:+.1f}, {-100 * low:+.1f}]"
            return f"{100 * best:.1f} % fewer [{100 * low:+.1f}, {100 * high:+.1f}]"
        if self.quantity == "cost":
            return f"{best:.2f}x lower [{low:.2f}, {high:.2f}]"
        return f"{100 * best:+.2f} % of the spectrum [{100 * low:+.2f}, {100 * high:+.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled(Result):
    """One strategy on one problem, averaged over the devices of a study.

    Attributes:
        job: The problem.
        strategy: The strategy.
        devices: Devices behind the mean.
        seeds: Seeds behind the interval.
        reference: Mean exact noisy energy on the reference maps.
        minus_control: Mean difference to the control at equal evaluations; negative is better. None for the
            control itself.
        minus_control_seconds: The same with every run cut at the machine time of its device's shortest run.
    """

    job: str
    strategy: str
    devices: int
    seeds: int
    reference: Interval
    minus_control: Interval | None
    minus_control_seconds: Interval | None


def at_seconds(run: dict[str, Any], seconds: float) -> float:
    """The reference energy of the θ that a run would report after this machine time."""
    done = np.flatnonzero(np.asarray(run["progress_seconds"]) <= seconds * (1 + 1e-12))
    return float(run["progress_energies"][int(done[-1]) if done.size else 0])


Key = tuple[str, str, str, int]


def _runs(outcomes: Iterable[CellOutcome]) -> dict[Key, dict[str, Any]]:
    """Rows by (device, job, strategy, seed)."""
    return {(o.device, j["job"], j["strategy"], o.seed): j for o in outcomes for j in o.jobs}


def _grid(
    runs: dict[Key, dict[str, Any]], pair: tuple[str, str]
) -> tuple[list[tuple[str, str]], list[int]] | None:
    """The (device, job) pairs and the seeds for which both strategies were run throughout."""
    cells = [(d, j) for d, j in dict.fromkeys((d, j) for d, j, _, _ in runs)]
    seeds = sorted({s for *_, s in runs})
    seeds = [s for s in seeds if all((d, j, name, s) in runs for d, j in cells for name in pair)]
    return (cells, seeds) if cells and seeds else None


def _ratio_interval(top: Array, bottom: Array, level: float, turn: Callable[[Array], Array]) -> Interval:
    """Bootstrap ``turn(sum of means of top / sum of means of bottom)``; arrays are (cells, seeds)."""
    seeds = top.shape[1]
    drawn = keyed(0, "bootstrap", seeds).integers(seeds, size=(10_000, seeds))
    above, below = top.sum(axis=0), bottom.sum(axis=0)
    low, high = np.quantile(
        turn(above[drawn].sum(axis=1) / below[drawn].sum(axis=1)), [(1 - level) / 2, (1 + level) / 2]
    )
    best = turn(np.array([above.sum() / below.sum()]))[0]
    return Interval(low=float(low), best=float(best), high=float(high), level=level, samples=seeds)


def headlines(outcomes: Sequence[CellOutcome], *, control: str, level: float = 0.95) -> list[Headline]:
    """Put what the paper says of Nest beside what a study found; the control gets the same lines.

    Args:
        outcomes: The cells of a study.
        control: The restart control.
        level: Coverage of the intervals.

    Returns:
        One entry per claim whose rival the study ran; empty if it did not run Nest.
    """
    runs = _runs(outcomes)
    published = {(rival, quantity): text for rival, quantity, text in PUBLISHED}
    rivals = dict.fromkeys([control, *(rival for rival, _, _ in PUBLISHED)])
    found = []
    for rival in rivals:
        grid = _grid(runs, (SUBJECT, rival))
        if grid is None or rival == SUBJECT:
            continue
        cells, seeds = grid
        sides = [[[runs[(d, j, name, s)] for s in seeds] for d, j in cells] for name in (SUBJECT, rival)]
        counts, seconds, energies = (
            [np.array([[take(r) for r in row] for row in side]) for side in sides]
            for take in (_counted, _seconds, _scaled)
        )
        both = [r for side in sides for row in side for r in row]
        until, unreached = _until(*sides)
        intervals = {
            "iterations": _ratio_interval(counts[0], counts[1], level, lambda x: 1 - x),
            "threshold": _ratio_interval(until[0], until[1], level, lambda x: 1 - x),
            "cost": _ratio_interval(seconds[1], seconds[0], level, lambda x: x),
            "energy": bootstrap((energies[0] - energies[1]).mean(axis=0), level=level),
        }
        censored = {"energy": 0, "threshold": unreached}
        never = sum(r["converged_after"] is None for r in both)
        found += [
            Headline(
                rival=rival,
                quantity=quantity,
                published=published.get((rival, quantity), ""),
                ours=interval,
                censored=censored.get(quantity, never),
                runs=len(both),
            )
            for quantity, interval in intervals.items()
        ]
    return found


def _until(
    ours: Sequence[Sequence[dict[str, Any]]], rival: Sequence[Sequence[dict[str, Any]]]
) -> tuple[Array, int]:
    """Evaluations of both sides to the rival's median energy, shape (2, cells, seeds), and how many fell short."""
    counts, short = [], 0
    for side in (ours, rival):
        rows = []
        for row, others in zip(side, rival, strict=True):
            threshold = float(np.median([r["reference"] for r in others]))
            traces = [(r["progress_evaluations"], r["progress_energies"]) for r in row]
            reached = evaluations_to(threshold, traces)
            short += reached.censored
            rows.append(
                [float(r["evaluations"] if c is None else c) for r, c in zip(row, reached.counts, strict=True)]
            )
        counts.append(rows)
    return np.array(counts), short


def _counted(run: dict[str, Any]) -> float:
    return float(run["evaluations"] if run["converged_after"] is None else run["converged_after"])


def _seconds(run: dict[str, Any]) -> float:
    return float(run["seconds"] if run["converged_seconds"] is None else run["converged_seconds"])


def _scaled(run: dict[str, Any]) -> float:
    return float(run["reference"] / run["spectral_width"])


def pooled(outcomes: Sequence[CellOutcome], *, control: str, level: float = 0.95) -> list[Pooled]:
    """Average every strategy over the devices, seed by seed, and compare it with the control.

    Args:
        outcomes: The cells of a study.
        control: The control.
        level: Coverage of the intervals, over seeds.

    Returns:
        One entry per problem and strategy; seeds that some device lacks are left out.
    """
    runs = _runs(outcomes)
    shortest: dict[tuple[str, str], float] = {}
    for (device, job, _, _), run in runs.items():
        shortest[(device, job)] = min(run["seconds"], shortest.get((device, job), np.inf))
    lines = []
    for job, strategy in dict.fromkeys((j, name) for _, j, name, _ in runs):
        own = {k: r for k, r in runs.items() if k[1] == job}
        devices = list(dict.fromkeys(d for d, *_ in own))
        pair = (strategy, control) if any(name == control for _, _, name, _ in own) else (strategy,)
        seeds = [
            s
            for s in sorted({k[3] for k in own})
            if all((d, job, name, s) in own for d in devices for name in pair)
        ]
        if not seeds:
            continue
        equal = {n: _means(own, devices, job, n, seeds, lambda r, d: float(r["reference"])) for n in pair}
        cut = {
            n: _means(own, devices, job, n, seeds, lambda r, d: at_seconds(r, shortest[(d, r["job"])]))
            for n in pair
        }
        compared = len(pair) == 2 and strategy != control
        lines.append(
            Pooled(
                job=job,
                strategy=strategy,
                devices=len(devices),
                seeds=len(seeds),
                reference=bootstrap(equal[strategy], level=level),
                minus_control=bootstrap(equal[strategy], paired=equal[control], level=level) if compared else None,
                minus_control_seconds=(
                    bootstrap(cut[strategy], paired=cut[control], level=level) if compared else None
                ),
            )
        )
    return lines


def _means(
    runs: dict[Key, dict[str, Any]],
    devices: Sequence[str],
    job: str,
    strategy: str,
    seeds: Sequence[int],
    take: Callable[[dict[str, Any], str], float],
) -> Array:
    return np.array([np.mean([take(runs[(d, job, strategy, s)], d) for d in devices]) for s in seeds])


def markdown(lines: Sequence[Pooled], claims: Sequence[Headline], *, control: str) -> str:
    """Return both tables in Markdown, as README quotes them.

    Args:
        lines: From :func:`pooled`.
        claims: From :func:`headlines`.
        control: The control.
    """
    text = [
        f"| problem | strategy | energy | minus {control}, equal evaluations | the same, equal seconds |",
        "|---|---|---|---|---|",
    ]
    for p in lines:
        differences = [
            str(x) if x is not None else "(control)" for x in (p.minus_control, p.minus_control_seconds)
        ]
        text.append(f"| {p.job} | {p.strategy} | {p.reference} | {differences[0]} | {differences[1]} |")
    text += ["", f"| {SUBJECT} against | published | this study | censored |", "|---|---|---|---|"]
    text += [
        f"| {c.rival}, {c.quantity} | {c.published or '(none)'} | {c.found} | {c.censored}/{c.runs} |"
        for c in claims
    ]
    return "\n".join(text) + "\n"
