"""Drawings of a space-time plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .frontiers import Frontier
    from .space_time_plan import Plan


def gantt(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw jobs over slots; colour is ESP over the best solo ESP, numbers are cycles, in brackets after a jump."""
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    names = [r.name for r in plan.requests]
    best = {r.name: r.best for r in plan.requests}
    axes: Axes = ax if ax is not None else plt.subplots(figsize=(9, 1 + 0.3 * len(names)))[1]
    ratios = [a.esp / best[a.job] for a in plan.assignments]
    lowest = min(0.7, *ratios)
    scale = ScalarMappable(Normalize(lowest, 1.0), "viridis")
    colours = plt.get_cmap("viridis")
    for a, ratio in zip(plan.assignments, ratios, strict=True):
        y = names.index(a.job)
        axes.barh(y, a.length, left=a.slot, color=colours((ratio - lowest) / (1 - lowest)), edgecolor="white")
        text = f"({a.cycle + 1})" if a.jump else str(a.cycle + 1)
        axes.text(a.slot + a.length / 2, y, text, ha="center", va="center", fontsize=7, color="white")
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.invert_yaxis()
    axes.set(xlim=(0, plan.slots), xlabel="slot", title=f"{plan.device}: {plan.slots} slots, bound {plan.bound}")
    axes.figure.colorbar(scale, ax=axes, label="ESP / best solo ESP")
    return axes


def targets(plan: Plan, ax: Axes | None = None) -> Axes:
    """Draw ESP over the best solo ESP by slot and job; floors are dashed."""
    import matplotlib.pyplot as plt

    axes: Axes = ax if ax is not None else plt.subplots(figsize=(8, 5))[1]
    for i, request in enumerate(plan.requests):
        cycles = plan.of(request.name)
        slots = [a.slot + 1 for a in cycles]
        colour = f"C{i % 10}"
        axes.plot(
            slots, [a.esp / request.best for a in cycles], "o-", color=colour, ms=3, lw=1, label=request.name
        )
        axes.plot(slots, [a.floor / request.best for a in cycles], "--", color=colour, lw=0.8, alpha=0.6)
    axes.axhline(plan.fidelity, color="black", lw=0.8, ls=":")
    axes.set(xlabel="slot", ylabel="ESP / best solo ESP", title=f"{plan.device}: floors dashed")
    if len(plan.requests) <= 16:
        axes.legend(fontsize="x-small", ncols=2)
    return axes


def frontier_chart(frontier: Frontier, ax: Axes | None = None) -> Axes:
    """Draw device-seconds against the worst last-cycle ESP, with the capacity bound below."""
    import matplotlib.pyplot as plt

    axes: Axes = ax if ax is not None else plt.subplots(figsize=(7, 4.5))[1]
    points = [p for p in frontier.points if p.slots is not None]
    ratio = [p.worst_ratio or 0.0 for p in points]
    axes.plot(ratio, [p.device_seconds or 0.0 for p in points], "o-", label="planned")
    axes.plot(ratio, [p.bound_seconds or 0.0 for p in points], "--", color="grey", label="capacity bound")
    for p in points:
        axes.annotate(str(p.slots), (p.worst_ratio or 0, p.device_seconds or 0), fontsize=7, va="bottom")
    axes.axhline(frontier.serial_seconds, color="tab:red", lw=0.8, ls=":", label="one after another")
    axes.set_yscale("log")
    axes.set(
        xlabel="worst last-cycle ESP / best solo ESP",
        ylabel="device-seconds",
        title=f"{frontier.device}: {frontier.jobs} jobs (numbers are slots)",
    )
    axes.legend(fontsize="small")
    return axes
