"""Drawings of the chip; axes in, axes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .chip import Chip, Floats
from .lattice import lattice_coordinates

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def chip_coordinates(chip: Chip) -> Floats:
    """Return a planar drawing of the coupling graph, shape (N, 2), in [0, 1], y upwards, both axes to one scale.

    Chips numbered row by row are drawn on their lattice; the others by classical multidimensional scaling of the
    hop distances (Torgerson, Psychometrika 17, 1952), the same on every machine.
    """
    lattice = lattice_coordinates(chip)
    points = _scaled(chip) if lattice is None else lattice * [1, -1]
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (float((high - low).max()) or 1.0)


def _scaled(chip: Chip) -> Floats:
    n = chip.num_qubits
    hops = chip.distance.astype(float)
    far = hops >= 10_000
    hops[far] = hops[~far].max(initial=1) + 2
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ hops**2 @ centring)
    order = np.argsort(values)[::-1][:2]
    points = np.zeros((n, 2))
    for axis, k in enumerate(order[: min(2, n)]):
        column = vectors[:, k] * np.sqrt(max(0.0, values[k]))
        points[:, axis] = column * (np.sign(column[np.argmax(np.abs(column))]) or 1)
    return points


def chip_map(chip: Chip, layouts: Mapping[str, Sequence[int]], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw the chip: couplers grey (dead ones dashed red), one colour per job, idle qubits white.

    Args:
        chip: The device.
        layouts: Physical qubits by job.
        ax: Where to draw; a new figure if None.
        title: The title.
    """
    import matplotlib.pyplot as plt

    axes: Axes = ax if ax is not None else plt.subplots(figsize=(9, 6))[1]
    points = chip_coordinates(chip)
    owner = {q: i for i, qubits in enumerate(layouts.values()) for q in qubits}
    for (a, b), alive in zip(chip.couplers, chip.alive, strict=True):
        inside = owner.get(int(a), -1) == owner.get(int(b), -2)
        colour = f"C{owner[int(a)] % 10}" if inside else ("lightgrey" if alive else "tab:red")
        style = "-" if alive else ":"
        axes.plot(*points[[a, b]].T, color=colour, zorder=1, linewidth=3 if inside else 1, linestyle=style)
    colours = [f"C{owner[q] % 10}" if q in owner else "white" for q in range(chip.num_qubits)]
    size = max(12.0, 4000 / max(30, chip.num_qubits))
    axes.scatter(points[:, 0], points[:, 1], s=size, c=colours, edgecolors="grey", linewidths=0.6, zorder=2)
    for i, name in enumerate(layouts):
        axes.scatter([], [], s=size, color=f"C{i % 10}", label=name)
    if layouts:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title(title or chip.name)
    return axes
