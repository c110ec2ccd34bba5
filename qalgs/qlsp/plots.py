"""Figures; each takes ``ax=None`` and returns the Axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .linear_system import LinearSystem
from .resources import SystemModel, model_of
from .solvers.base import Solver
from .verify import figure_two, kappa_hat

if TYPE_CHECKING:
    from .compare import NoiseSweep
    from .result import QLSPResult


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(layout="constrained")[1]


def plot_history(result: QLSPResult, ax: Any = None) -> Any:
    """Direction error and residual of each step."""
    ax = _axes(ax)
    steps = [s.index for s in result.history] or [1]
    errors = [s.direction_error for s in result.history] or [result.direction_error]
    residuals = [s.residual for s in result.history] or [result.residual]
    ax.semilogy(steps, errors, "o-", label="direction error")
    ax.semilogy(steps, residuals, "s--", label="|b - Ax| / |b|")
    ax.set(xlabel="step", ylabel="error", title=result.solver)
    ax.legend()
    return ax


def plot_eta(inner: Solver, kappa: float, epsilon: float, rho: float, ax: Any = None) -> Any:
    """``kappa_hat`` and the certified cost of a proximal step against ``eta``, with the optimum.

    Args:
        inner: Inner solver.
        kappa: Condition number.
        epsilon: Total error.
        rho: Relative error of the start.
        ax: Axes.
    """
    ax = _axes(ax)
    model = SystemModel(kappa=kappa, num_qubits=10)
    base = inner.cost(kappa, epsilon, model).queries_A
    eta = kappa * np.geomspace(0.01, 100.0, 200)
    hats = np.array([kappa_hat(kappa, e) for e in eta])
    inside = epsilon - rho / (1.0 + eta / kappa)
    cost = np.array(
        [inner.cost(h, e, model).queries_A / base if e > 0 else np.nan for h, e in zip(hats, inside, strict=True)]
    )
    ax.semilogx(eta, hats / kappa, label="kappa_hat / kappa")
    ax.semilogx(eta, cost, label="certified cost / cost alone")
    if np.isfinite(cost).any():
        best = int(np.nanargmin(cost))
        ax.plot(eta[best], cost[best], "k*", markersize=12, label=f"best {cost[best]:.2f}")
    ax.axhline(1.0, color="gray", lw=0.8)
    ax.set(
        xlabel="eta", ylabel="ratio", ylim=(0, 2), title=f"kappa = {kappa:g}, epsilon = {epsilon:g}, rho = {rho:g}"
    )
    ax.legend()
    return ax


def plot_frontier(inner: Solver, kappa: float = 100.0, ax: Any = None) -> Any:
    """Certified cost ratio over ``rho/epsilon`` and ``epsilon``, with the frontier ``rho = epsilon L``."""
    from .meta.verdict import certified_ratio

    ax = _axes(ax)
    model = SystemModel(kappa=kappa, num_qubits=10)
    epsilons, multiples = np.geomspace(1e-6, 0.2, 16), np.geomspace(1.05, 20.0, 20)
    ratio = np.array([[certified_ratio(inner, model, m * e, e)[0] for m in multiples] for e in epsilons])
    mesh = ax.pcolormesh(multiples, epsilons, ratio, shading="nearest", vmin=0.5, vmax=1.0, cmap="viridis")
    ax.figure.colorbar(mesh, ax=ax, label="certified cost ratio")
    frontier = [inner.cost(kappa, e, model).queries_A / kappa for e in epsilons]
    ax.plot(frontier, epsilons, "w--", label="rho = epsilon L")
    ax.set(xscale="log", yscale="log", xlabel="rho / epsilon", ylabel="epsilon", title=inner.name)
    ax.legend()
    return ax


def plot_cost_vs_kappa(
    inner: Solver, kappas: Sequence[float], epsilon: float = 1e-3, start_error: float = 3e-3, ax: Any = None
) -> Any:
    """A-queries against ``kappa``: cold, warm proximal, correction, and products of conjugate gradients."""
    from .meta.proximal import ProximalPoint
    from .meta.residual import ResidualCorrection

    ax = _axes(ax)
    k = np.asarray(kappas, dtype=float)
    warm = [SystemModel(kappa=v, num_qubits=10, start_error=start_error) for v in k]
    cold = [inner.estimate(SystemModel(kappa=v, num_qubits=10), epsilon).queries_A for v in k]
    ax.loglog(k, cold, "o-", label=f"{inner.name} (cold)")
    ax.loglog(
        k, [ProximalPoint(inner).estimate(m, epsilon).queries_A for m in warm], "s-", label="proximal (warm)"
    )
    ax.loglog(
        k,
        [ResidualCorrection(inner).estimate(m, epsilon).queries_A for m in warm],
        "^-",
        label="correction (warm)",
    )
    ax.loglog(k, 0.5 * np.sqrt(k) * np.log(2.0 / epsilon), "k--", label="conjugate gradient products")
    ax.set(xlabel="kappa", ylabel="queries", title=f"epsilon = {epsilon:g}, start error {start_error:g}")
    ax.legend()
    return ax


def plot_depth_tradeoff(inner: Solver, kappa: float = 1000.0, epsilon: float = 1e-4, ax: Any = None) -> Any:
    """Total A-queries against the largest degree for the residual form, from shallow to one shot."""
    from .meta.proximal import ProximalPoint

    ax = _axes(ax)
    model = SystemModel(kappa=kappa, num_qubits=10)
    alone = inner.estimate(model, epsilon)
    etas = kappa * np.geomspace(0.005, 10.0, 30)
    points = [ProximalPoint(inner, eta=float(e), form="residual").estimate(model, epsilon) for e in etas]
    ax.loglog([p.max_degree for p in points], [p.queries_A for p in points], "o-", label="residual proximal")
    ax.loglog(alone.max_degree, alone.queries_A, "k*", markersize=14, label="one shot")
    ax.set(xlabel="largest degree", ylabel="total A-queries", title=f"kappa = {kappa:g}, epsilon = {epsilon:g}")
    ax.legend()
    return ax


def plot_noise(sweep: NoiseSweep, ax: Any = None) -> Any:
    """Direction error against the two-qubit error probability."""
    ax = _axes(ax)
    for name, errors in sweep.direction_errors.items():
        ax.loglog(sweep.levels, errors, "o-", label=name)
    ax.set(xlabel="two-qubit error", ylabel="direction error")
    ax.legend()
    return ax


def plot_alignment(system: LinearSystem, ax: Any = None) -> Any:
    """Spectral weights of the right-hand side and of the solution: few low modes mean cheap gains."""
    ax = _axes(ax)
    values, vectors = np.linalg.eigh(system.matrix)
    for label, vector in (("b", system.rhs), ("x", system.reference)):
        weights = np.abs(vectors.conj().T @ vector) ** 2
        ax.semilogx(np.abs(values), weights / weights.sum(), "o", label=f"|<v|{label}>|^2")
    ax.set(xlabel="|eigenvalue| of A/|A|", ylabel="weight")
    ax.legend()
    return ax


def plot_figure_two(kappa: float = 20.0, epsilon: float = 0.1, ax: Any = None) -> Any:
    """Figure 2 (left) of the paper; it assumes a start that already has the target accuracy."""
    ax = _axes(ax)
    data = figure_two(kappa, epsilon, np.arange(2, 20))
    ax.bar(data["c"], data["improvement"], label="improvement term")
    ax.bar(data["c"], data["overhead"], bottom=data["improvement"], label="overhead term")
    ax.axhline(data["baseline"][0], color="k", ls="--", label="baseline")
    ax.set(xlabel="c", ylabel="cost", title="assumes |x0 - x*| = epsilon Psi: an already solved problem")
    ax.legend()
    return ax


def plot_costs(
    solvers: Sequence[Solver], system: LinearSystem | SystemModel, epsilon: float, ax: Any = None
) -> Any:
    """A-queries of several solvers by formula."""
    ax = _axes(ax)
    model = model_of(system)
    found = [s.estimate(model, epsilon) for s in solvers]
    ax.barh([f.solver for f in found], [f.queries_A for f in found])
    ax.set(xscale="log", xlabel="A-queries", title=f"kappa = {model.kappa:.4g}, epsilon = {epsilon:g}")
    return ax
