"""Drawings of a finished campaign; axes in, axes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .result import CampaignResult


def _axes(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    if ax is not None:
        return ax
    # A figure of its own, not pyplot's: nothing accumulates, no display is asked for.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    made: Axes = figure.add_subplot()
    return made


def plot_esp(result: CampaignResult, ax: Axes | None = None) -> Axes:
    """Draw target (dashed) and achieved ESP (solid) of every job by cycle; jumps are circled."""
    axes = _axes(ax)
    for i, job in enumerate(result.jobs):
        cycles = [c.cycle + 1 for c in job.cycles]
        axes.plot(cycles, [c.target for c in job.cycles], "--", color=f"C{i % 10}", linewidth=1.2)
        axes.plot(
            cycles, [c.esp for c in job.cycles], "o-", color=f"C{i % 10}", markersize=4, label=_plain(job.name)
        )
        jumps = [c for c in job.cycles if c.move == "jump"]
        axes.plot([c.cycle + 1 for c in jumps], [c.esp for c in jumps], "o", mfc="none", mec="black", ms=9)
    axes.set(xlabel="cycle", ylabel="ESP", title=f"{result.device}: target (dashed), achieved, jumps circled")
    axes.set_xticks(range(1, result.cycles + 1))
    axes.legend(fontsize="small")
    return axes


def plot_energy(result: CampaignResult, job: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw measured values (dots) and their running minimum by evaluation, cycles separated by lines.

    Args:
        result: The campaign.
        job: One job; all of them, scaled to [0, 1] from exact to first value, if None.
        ax: Where to draw.
    """
    axes = _axes(ax)
    chosen = [result[job]] if job is not None else list(result.jobs)
    for i, j in enumerate(chosen):
        low, scale = 0.0, 1.0
        if job is None:
            low = j.quality.exact if j.quality.exact is not None else float(j.values.min())
            scale = float(j.values.max()) - low or 1.0
        x = np.arange(1, len(j.values) + 1)
        axes.plot(x, (j.values - low) / scale, ".", color=f"C{i % 10}", markersize=2, alpha=0.5)
        best = np.minimum.accumulate(j.values)
        axes.plot(x, (best - low) / scale, "-", color=f"C{i % 10}", label=_plain(j.name))
        if job is not None:
            for end in np.cumsum([c.evaluations for c in j.cycles])[:-1]:
                axes.axvline(end + 0.5, color="lightgrey", linewidth=0.8, zorder=0)
            for value, style, text in (
                (j.quality.exact, ":", "exact"),
                (j.quality.baseline, "-.", j.quality.baseline_name),
            ):
                if value is not None:
                    axes.axhline(value, color="black", linewidth=0.8, linestyle=style, label=text)
    label = "⟨H⟩" if job is not None else "distance to exact, largest = 1"
    axes.set(xlabel="evaluation", ylabel=label, title=_plain(job) if job is not None else result.device)
    axes.legend(fontsize="small")
    return axes


def plot_chip(result: CampaignResult, slot: int = 0, ax: Axes | None = None) -> Axes:
    """Draw who sits where in one slot."""
    from .charts import chip_map

    layouts = {_plain(name): layout for name, layout in result.layouts(slot).items()}
    return chip_map(
        result.chip, layouts, ax=_axes(ax, 9, 6), title=f"{result.device}, slot {slot + 1} of {result.slots}"
    )


def plot_usage(result: CampaignResult, ax: Axes | None = None) -> Axes:
    """Draw the machine's time as a Gantt chart: one bar per job and cycle, shaded by ESP."""
    axes = _axes(ax)
    begins = {slot: start for slot, start, _ in result.usage.spans}
    total = result.usage.device_seconds
    for row, job in enumerate(result.jobs):
        for c in job.cycles:
            start = begins[c.slot]
            end = min((at for slot, at in begins.items() if slot >= c.slot + c.length), default=total)
            axes.barh(
                row, end - start, left=start, color=f"C{row % 10}", alpha=0.25 + 0.75 * c.esp, edgecolor="white"
            )
    axes.set_yticks(range(len(result.jobs)), [_plain(job.name) for job in result.jobs])
    axes.invert_yaxis()
    axes.set(xlabel="machine seconds", title=f"{result.device}: utilisation {result.usage.utilisation:.1%}")
    return axes


def _plain(text: str) -> str:
    """Matplotlib reads dollar signs as mathematics and a leading underscore as "no legend"."""
    shown = text.replace("$", r"\$")
    return " " + shown if shown.startswith("_") else shown


def figures(result: CampaignResult) -> dict[str, Callable[[], Figure]]:
    """Return all drawings by file name (without ending), made when called."""

    def figure(draw: Callable[[], Axes]) -> Callable[[], Figure]:
        return lambda: draw().figure  # type: ignore[return-value]

    found: dict[str, Callable[[], Figure]] = {
        "esp": figure(lambda: plot_esp(result)),
        "energy": figure(lambda: plot_energy(result)),
        "usage": figure(lambda: plot_usage(result)),
    }
    for i, job in enumerate(result.jobs):
        found[f"energy-{i + 1}"] = figure(lambda name=job.name: plot_energy(result, name))  # type: ignore[misc]
    for slot in sorted({c.slot for job in result.jobs for c in job.cycles}):
        found[f"chip-{slot + 1}"] = figure(lambda s=slot: plot_chip(result, s))  # type: ignore[misc]
    return found
