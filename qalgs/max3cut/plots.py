"""Plots of a result; each takes an optional Axes and returns the one it drew on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import invalid

from .circles import circle_path
from .result import Max3CutResult
from .three_arc import angular_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .spectrum import Spectrum

_COLOURS = ("#4477aa", "#ee6677", "#228833")


def _axes(ax: Any, **options: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(**options)[1]


def _spectrum(result: Max3CutResult) -> Spectrum:
    if result.spectrum is None:
        raise invalid("result", result.method, "must carry eigenvectors; this instance was trivial")
    return result.spectrum


def _plane(result: Max3CutResult) -> NDArray[np.float64]:
    spec = _spectrum(result)
    if len(spec.vectors) != result.n:
        raise invalid("result", result.method, "must come from a connected graph", "plot one component at a time")
    if spec.rank < 2:
        raise invalid("rank", spec.rank, "must be at least 2 for a plot of the plane")
    return spec.factor[:, :2]


def plot_cells(result: Max3CutResult, ax: Any = None) -> Any:
    """Plot the rows of the factor on the (v1, v2) plane, coloured by label, with the sectors between the arcs."""
    rows, labels = _plane(result), result.labels
    ax = _axes(ax, figsize=(5, 5), layout="constrained")
    for k, colour in enumerate(_COLOURS):
        ax.plot(*rows[labels == k].T, "o", ms=3, color=colour, alpha=0.7, label=f"part {k}")
    reach = 1.05 * float(np.abs(rows).max(initial=1e-12))
    for angle in _breaks(rows, labels, limit=3):
        ax.plot([0, reach * np.cos(angle)], [0, reach * np.sin(angle)], color="0.4", lw=0.8)
    ax.set(xlabel="$v_1$", ylabel="$v_2$", aspect="equal", title=f"{result.name or 'graph'}: cut {result.cut}")
    ax.legend(loc="upper right", fontsize="small")
    return ax


def plot_order(result: Max3CutResult, ax: Any = None) -> Any:
    """Plot the labels in angular order; the enumerated partitions show as three arcs."""
    rows, labels = _plane(result), result.labels
    order = angular_order(rows, np.arange(result.n))
    ax = _axes(ax, figsize=(7, 2), layout="constrained")
    angles = np.degrees(np.arctan2(rows[order, 1], rows[order, 0]))
    for k, colour in enumerate(_COLOURS):
        inside = labels[order] == k
        ax.plot(angles[inside], np.full(inside.sum(), k), "|", color=colour, ms=12)
    for angle in _breaks(rows, labels, limit=3):
        ax.axvline(np.degrees(angle), color="0.4", lw=0.8)
    ax.set(xlabel="angle of $(v_1, v_2)$ in degrees", yticks=[0, 1, 2], ylabel="part", xlim=(-180, 180))
    return ax


def _breaks(rows: NDArray[np.float64], labels: NDArray[np.int8], limit: int) -> NDArray[np.float64]:
    """Angles midway between neighbours of different label, if there are at most ``limit`` of them."""
    order = angular_order(rows, np.arange(len(rows)))
    angles = np.arctan2(rows[order, 1], rows[order, 0])
    change = np.flatnonzero(labels[order] != np.roll(labels[order], -1))
    if len(change) > limit:
        return np.empty(0)
    after = np.where(change + 1 < len(order), angles[(change + 1) % len(order)], angles[0] + 2 * np.pi)
    return np.asarray((angles[change] + after) / 2)


def plot_circle(result: Max3CutResult, ax: Any = None, seed: int = 0) -> Any:
    """Plot the true cut of the 3n candidates along one random great circle."""
    spec = _spectrum(result)
    if len(spec.vectors) != result.n:
        raise invalid("result", result.method, "must come from a connected graph", "plot one component at a time")
    path = circle_path(result.problem, spec.factor, seed)
    ax = _axes(ax, figsize=(7, 3), layout="constrained")
    ax.step(np.append(path.angles, 2 * np.pi), np.append(path.cuts, path.cuts[-1]), where="post", lw=0.8)
    ax.axhline(result.cut, color="0.4", ls="--", lw=0.8, label="best cut")
    ax.set(xlabel=r"angle $\varphi$ on the circle", ylabel="cut", xlim=(0, 2 * np.pi))
    ax.legend(fontsize="small")
    return ax


def plot_trace(result: Max3CutResult, ax: Any = None) -> Any:
    """Plot the best cut and the bound against time."""
    ax = _axes(ax, figsize=(6, 3.5), layout="constrained")
    seconds = [p.seconds for p in result.trace]
    ax.step(seconds, [p.cut for p in result.trace], where="post", marker=".", label="best cut")
    ax.axhline(result.upper_bound, color="0.4", ls="--", lw=0.8, label=f"upper bound ({result.bound_kind})")
    ax.set(xlabel="wall seconds", ylabel="cut")
    ax.legend(fontsize="small")
    return ax


def plot_spectrum(result: Max3CutResult, ax: Any = None) -> Any:
    """Plot the leading eigenvalues and mark the gap behind the rank."""
    spec = _spectrum(result)
    ax = _axes(ax, figsize=(5, 3.5), layout="constrained")
    index = np.arange(1, len(spec.values) + 1)
    ax.plot(index, spec.values, "o-", lw=0.8)
    if len(spec.values) > spec.rank:
        low, high = spec.values[spec.rank], spec.values[spec.rank - 1]
        ax.axhspan(low, high, color="#ccbb44", alpha=0.4, label=f"gap {high - low:.3g} behind rank {spec.rank}")
        ax.legend(fontsize="small")
    ax.set(xlabel="index", ylabel="eigenvalue", xticks=index, title=f"{result.matrix} form")
    return ax
