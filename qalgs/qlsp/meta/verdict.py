"""Whether a proximal step pays, and which: the search behind ``eta="auto"``."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from qalgs.errors import expect, invalid

from ..linear_system import LinearSystem
from ..resources import SystemModel
from ..result import Verdict
from ..solvers.base import Solver
from ..solvers.problem import Problem, Vector
from ..verify import certified_kappa_hat, direction_error
from .base import direction_errors
from .starts import is_cold

#: A predicted saving below this is not worth the assumptions behind it.
MIN_GAIN = 0.05


@dataclass(frozen=True, eq=False)
class Decision:
    """A verdict with the solver to run.

    Attributes:
        verdict: The grounds.
        inner: The inner solver, tuned if it can be.
        baseline: A-queries of the inner solver alone at the same error, by the same rules.
        untouched: The start is good enough as it is.
    """

    verdict: Verdict
    inner: Solver
    baseline: float
    untouched: bool = False


def certified_ratio(inner: Solver, model: SystemModel, rho: float, epsilon: float) -> tuple[float, float, float]:
    """Minimise the certified cost ratio over the split ``c`` (Theorem 4.8 with the solver's own cost formula).

    Args:
        inner: Inner solver.
        model: The system's numbers.
        rho: Relative error of the start, ``d / Psi``.
        epsilon: Total error.

    Returns:
        The best ratio to the solver alone, its ``c`` and its ``eta``.
    """
    kappa = model.kappa
    base = inner.cost(kappa * model.alpha, epsilon, model).queries_A
    best = (1.0, 1.0, float("inf"))
    for c in 1.0 + np.geomspace(0.01, 50.0, 60):
        part = (1.0 - 1.0 / c) * epsilon
        if part >= rho:
            continue
        eta = kappa * (rho / part - 1.0)
        hat = certified_kappa_hat(kappa, epsilon / rho, c)
        encoded = hat if model.alpha == 1.0 else (1.0 + eta * model.alpha) / (1.0 + eta / kappa)
        ratio = inner.cost(max(1.0, encoded), epsilon / c, model).queries_A / base
        if ratio < best[0]:
            best = (float(ratio), float(c), float(eta))
    return best


def check_eta(eta: float | str) -> None:
    """Refuse a step that is neither ``"auto"`` nor a positive number."""
    expect(Real, str, eta=eta)
    if isinstance(eta, str):
        if eta != "auto":
            raise invalid("eta", eta, 'must be "auto" or a number above zero')
    elif isinstance(eta, bool) or not (np.isfinite(eta) and eta > 0):
        raise invalid("eta", eta, 'must be "auto" or a finite number above zero', "a step of zero changes nothing")


def decide(
    inner: Solver,
    system: LinearSystem,
    model: SystemModel,
    y0: Vector,
    epsilon: float,
    plan: str,
    shifted: object,
    given: float | None,
) -> Decision:
    """Choose the step of the direct form.

    Args:
        inner: Inner solver.
        system: The system.
        model: Its numbers.
        y0: Start in the quantum form.
        epsilon: Total error.
        plan: ``"reference"`` or ``"certified"``.
        shifted: Function ``(eta, rhs) -> Problem`` for ``I + eta A``.
        given: A step from the caller, or None.
    """
    assert callable(shifted)
    base_problem = shifted(None, system.rhs)
    base = inner.cost(base_problem.kappa, epsilon, model)
    frontier = epsilon * base.queries_A / base_problem.kappa
    cold = is_cold(y0, system.rhs)
    reference = system.reference
    if plan == "reference":
        distance = float(np.linalg.norm(y0 - reference) / np.linalg.norm(reference))
        quality = direction_error(y0, reference)
    else:
        size = float(np.linalg.norm(y0))
        left = float(np.linalg.norm(system.rhs - system.matrix @ y0))
        distance = system.kappa * left / size if size > 0 else 1.0
        quality = distance
    rho = 1.0 if cold else distance

    def verdict(eta: float | None, ratio: float, reason: str, inside: float, used: str) -> Verdict:
        return Verdict(
            eta=eta, ratio=ratio, reason=reason, rho=rho, frontier=frontier, plan=used, epsilon_inner=inside
        )

    if not cold and quality <= epsilon:
        text = f"the start is already within {quality:.2g} <= epsilon = {epsilon:g}; it is returned untouched"
        return Decision(verdict(None, 0.0, text, epsilon, plan), inner, base.queries_A, untouched=True)
    if given is not None:
        problem = shifted(given, y0 + given * system.rhs)
        inside = 0.5 * epsilon
        prox = direction_error(problem.exact(), reference)
        if prox < epsilon:
            inside = max(0.5 * (epsilon - prox), 0.1 * epsilon)
        ratio = inner.cost(problem.kappa, inside, model).queries_A / base.queries_A
        return Decision(verdict(given, ratio, "the step was given", inside, "given"), inner, base.queries_A)
    if cold or plan == "certified":
        ratio, c, eta = certified_ratio(inner, model, rho, epsilon)
        if ratio < 1.0 - MIN_GAIN and np.isfinite(eta):
            text = f"certified gain at c = {c:.3g}: rho = {rho:.3g} < epsilon L = {frontier:.3g}"
            return Decision(verdict(eta, ratio, text, epsilon / c, "certified"), inner, base.queries_A)
        cause = "the start is zero or parallel to b, so it carries no information; " if cold else ""
        text = (
            f"do not precondition: {cause}rho = {rho:.3g} against the frontier epsilon L = {frontier:.3g} leaves "
            f"no certified gain above {MIN_GAIN:.0%}"
        )
        return Decision(verdict(None, 1.0, text, epsilon, "certified"), inner, base.queries_A)
    return _by_reference(inner, system, model, y0, epsilon, shifted, base_problem, rho, frontier)


def _by_reference(
    inner: Solver,
    system: LinearSystem,
    model: SystemModel,
    y0: Vector,
    epsilon: float,
    shifted: object,
    base_problem: Problem,
    rho: float,
    frontier: float,
) -> Decision:
    """Search the step with the classical solution in hand: the most that preconditioning could save."""
    assert callable(shifted)
    reference = system.reference
    errors = direction_errors(reference)
    alone = inner.tuned(base_problem, epsilon, errors)
    baseline = float(alone[1]) if alone else inner.cost(base_problem.kappa, epsilon, model).queries_A
    best: tuple[float, float, float, Solver] | None = None
    for h in np.geomspace(0.02, 20.0, 24):
        eta = float(h * system.kappa)
        problem = shifted(eta, y0 + eta * system.rhs)
        prox = direction_error(problem.exact(), reference)
        if prox >= 2.0 * epsilon:
            continue
        found = inner.tuned(problem, epsilon, errors, below=best[0] if best else baseline)
        if found is not None:
            cost, solver, inside = float(found[1]), found[0], max(epsilon - prox, 0.1 * epsilon)
        elif alone is None and prox < epsilon:
            inside = epsilon - prox
            cost, solver = inner.cost(problem.kappa, inside, model).queries_A, inner
        else:
            continue
        if best is None or cost < best[0]:
            best = (cost, eta, inside, solver)
    ratio = best[0] / baseline if best else 1.0
    if best is not None and ratio < 1.0 - MIN_GAIN:
        text = f"predicted ratio {ratio:.2f} with the classical solution known (an upper bound on the gain)"
        verdict = Verdict(
            eta=best[1],
            ratio=ratio,
            reason=text,
            rho=rho,
            frontier=frontier,
            plan="reference",
            epsilon_inner=best[2],
        )
        return Decision(verdict, best[3], baseline)
    text = (
        f"do not precondition: no step saves more than {MIN_GAIN:.0%} even with the classical solution known "
        f"(rho = {rho:.3g}, frontier epsilon L = {frontier:.3g}); consider ResidualCorrection"
    )
    verdict = Verdict(
        eta=None, ratio=1.0, reason=text, rho=rho, frontier=frontier, plan="reference", epsilon_inner=epsilon
    )
    return Decision(verdict, inner, baseline)
