"""Level diagrams, convergence and potential-energy curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qalgs.eigengame.result import ExcitedStatesResult
    from qalgs.eigengame.scanning import ScanResult


def axes(ax: Axes | None) -> Axes:
    """Return ``ax`` or the axes of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(6.0, 4.0), layout="constrained").add_subplot()


def unit(result: ExcitedStatesResult) -> str:
    """Return the unit of the energies for labels."""
    return "energy (Ha)" if result.problem.molecule is not None else "energy"


def plot_levels(result: ExcitedStatesResult, ax: Axes | None = None) -> Axes:
    """See :meth:`ExcitedStatesResult.plot_levels`."""
    ax = axes(ax)
    for group in result.multiplets:
        width = 0.8 / len(group)
        for place, i in enumerate(group):
            left = 0.1 + place * width
            energy, error = result.energies[i], result.errors[i]
            ax.hlines(energy, left, left + 0.9 * width, color=f"C{i % 10}", lw=2)
            if error > 0:
                ax.errorbar(left + 0.45 * width, energy, yerr=error, color=f"C{i % 10}", capsize=3)
        ax.annotate(
            f"{np.mean(result.energies[list(group)]):.6f}", (0.92, result.energies[group[0]]), va="center", size=8
        )
    ax.set(xlim=(0, 1.15), xticks=[], ylabel=unit(result), title=f"{result.problem.name}, {result.method}")
    return ax


def plot_history(result: ExcitedStatesResult, ax: Axes | None = None) -> Axes:
    """See :meth:`ExcitedStatesResult.plot_history`."""
    ax = axes(ax)
    for state in sorted({event.state for event in result.history}):
        own = [event for event in result.history if event.state == state]
        ax.plot(
            [e.iteration for e in own],
            [e.energy for e in own],
            lw=1,
            color=f"C{state % 10}",
            label=f"player {state}",
        )
    for energy in result.energies:
        ax.axhline(energy, color="0.8", lw=0.5, zorder=0)
    ax.set(
        xlabel="evaluations of the player", ylabel=unit(result), title=f"{result.problem.name}, {result.method}"
    )
    if result.history:
        ax.legend(fontsize=8)
    return ax


def plot_scan(scan: ScanResult, ax: Axes | None = None) -> Axes:
    """See :meth:`ScanResult.plot`."""
    ax = axes(ax)
    lengths = [point.length for point in scan.points]
    for level in range(len(scan.points[0].energies)):
        ax.errorbar(
            lengths,
            [point.energies[level] for point in scan.points],
            yerr=[point.errors[level] for point in scan.points],
            marker="o",
            ms=3,
            lw=1,
            label=f"level {level}",
        )
    ax.set(xlabel="bond length (Å)", ylabel="energy (Ha)", title=scan.name)
    ax.legend(fontsize=8)
    return ax
