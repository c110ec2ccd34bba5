"""The proximal-point meta-solver: any inner solver on ``I + eta A``, once or many times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from qalgs.circuits.block_encodings import BlockEncoding, Dilation, Shifted
from qalgs.errors import InvalidInputError, expect, invalid
from qalgs.results import Status

from ..execution import Executor
from ..ledger import Ledger
from ..linear_system import Kind, LinearSystem
from ..resources import CostEstimate, SystemModel, model_of
from ..result import QLSPResult, Step
from ..solvers.base import Task, estimate_from
from ..solvers.finish import finish, measure
from ..solvers.problem import InnerRun, Problem, Vector, problem_of
from ..verify import kappa_hat
from .base import MetaSolver, model_of_light, quantum_residual, search_line, step_of
from .starts import Start, resolve
from .verdict import Decision, certified_ratio, check_eta, decide

#: Relative accuracy of the inner solves of the residual form; near the optimum of (1 - e)/arccosh(1/e).
RESIDUAL_EPSILON = 0.4


@dataclass(frozen=True, eq=False)
class ProximalPoint(MetaSolver):
    """Precondition by the proximal point (Kim, Chia and Kyrillidis, 2406.13879).

    One step solves ``(I + eta A) x1 = x0 + eta b`` with the inner solver; the condition number falls to
    ``kappa (1 + eta)/(kappa + eta)`` and ``x1`` differs from the solution by ``(I + eta A)^{-1}(x0 - x*)``.

    Attributes:
        inner: Any solver.
        eta: ``"auto"`` minimises the inner solver's own cost and may decide against preconditioning; or a number.
        initial_guess: None (zero), a vector, ``GradientDescent(steps)`` or ``ConjugateGradient(steps)``.
        steps: Number of proximal steps; by default one in the direct form, and until ``epsilon`` in the residual.
        form: ``"direct"`` hands ``x_t + eta b`` to the inner solver; ``"residual"`` solves
            ``(I + eta A) D = eta (b - A x_t)`` at low precision and adds up classically.
        shift: ``"real"``, or ``"complex"`` for ``I + i eta A`` (any invertible Hermitian matrix; experimental, not
            in the paper).
        plan: How ``"auto"`` may choose for a warm start: ``"reference"`` uses the classical solution that
            verification computes anyway and so shows the most that can be gained; ``"certified"`` uses bounds.
        max_degree: Residual form: largest degree of a circuit; by default a 60th of the one-shot degree (>= 7).
        access: ``"lcu"`` makes ``I + eta A`` from one controlled ``U_A`` and one ancilla; ``"direct"`` encodes it
            afresh; ``"auto"`` is direct where the encoding is a classical dilation anyway.
        line_search: Scale each residual step classically; by default only when the norm was not read (shots).

    Raises:
        InvalidInputError: If a setting breaks its rule.

    Example:
        >>> from qalgs.qlsp import QSVTInversion, random_system
        >>> solver = ProximalPoint(QSVTInversion(), form="residual")
        >>> solver.solve(random_system(2, 10.0, seed=1), epsilon=0.01).direction_error < 0.01
        True
    """

    eta: float | str = "auto"
    initial_guess: Start | ArrayLike | None = None
    steps: int | None = None
    form: str = "direct"
    shift: str = "real"
    plan: str = "reference"
    max_degree: int | None = None
    access: str = "auto"
    line_search: bool | None = None

    def __post_init__(self) -> None:
        expect(Integral, type(None), steps=self.steps, max_degree=self.max_degree)
        super().__post_init__()
        check_eta(self.eta)
        for name, allowed in {
            "form": ("direct", "residual"),
            "shift": ("real", "complex"),
            "plan": ("reference", "certified"),
            "access": ("auto", "lcu", "direct"),
        }.items():
            if getattr(self, name) not in allowed:
                raise invalid(name, getattr(self, name), f"must be one of {', '.join(allowed)}")
        for name in ("steps", "max_degree"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or value < 1):
                raise invalid(name, value, "must be at least 1")
        if self.shift == "complex" and self.eta == "auto" and self.form == "direct":
            raise invalid(
                "eta", "auto", "must be a number with a complex shift", "the theory behind auto is for real shifts"
            )

    @property
    def name(self) -> str:
        """``ProximalPoint(inner, form)``."""
        return f"ProximalPoint({self.inner.name}, {self.form})"

    # -- the shifted problem ------------------------------------------------------------

    def shifted(self, system: LinearSystem, eta: float | None, rhs: Vector) -> Problem:
        """Return the inner problem for ``I + eta A`` (for ``A`` itself if ``eta`` is None)."""
        if eta is None:
            return problem_of(system, rhs)
        real = system.real and not np.iscomplexobj(rhs)
        unit = rhs / np.linalg.norm(rhs)
        encoding = self.encoding(system, eta)
        low = 1.0 + eta / system.kappa
        if self.shift == "complex":
            low = float(np.hypot(1.0, eta / system.kappa))
        return Problem(encoding, unit, encoding.alpha / low, self.shift == "real", real and self.shift == "real")

    def encoding(self, system: LinearSystem, eta: float) -> BlockEncoding:
        """Return the encoding of ``I + eta A`` (or ``I + i eta A``)."""
        base = system.encoding
        phase = 1j if self.shift == "complex" else 1.0
        direct = self.access == "direct" or (self.access == "auto" and isinstance(base, Dilation))
        if not direct:
            return Shifted(base, eta, phase)
        norm = float(np.hypot(1.0, eta)) if self.shift == "complex" else 1.0 + eta
        return Dilation(np.eye(2**system.num_qubits) + phase * eta * system.matrix, alpha=norm * (1.0 + 1e-12))

    def check(self, system: LinearSystem) -> None:
        """Refuse a real shift unless the matrix is positive definite, naming a step at which it is singular."""
        if self.shift == "complex" or system.kind is Kind.POSITIVE:
            return
        values = np.linalg.eigvalsh(system.matrix)
        worst = float(values[0])
        raise InvalidInputError(
            f"shift must be complex for a matrix that is {system.kind.value}"
            f"{' (its dilation has eigenvalues of both signs)' if system.dilated else ''}: I + eta A is singular "
            f"at eta = -1/lambda = {-1.0 / worst:.6g} (lambda = {worst:.6g}); use shift='complex' or the normal "
            "equations"
        )

    # -- solve ------------------------------------------------------------

    def run(self, system: LinearSystem, task: Task) -> QLSPResult:
        """Decide on the step, then take it (or not)."""
        self.check(system)
        eps, executor = task.epsilon, task.executor
        y0, products = resolve(self.initial_guess, system)
        ledger = Ledger(matvecs=products)
        model = model_of_light(system)
        if self.form == "residual":
            return self._solve_residual(system, y0, task, ledger, model)
        given = None if self.eta == "auto" else float(self.eta)

        def shifted(eta: float | None, rhs: Vector) -> Problem:
            return self.shifted(system, eta, rhs)

        if self.shift == "complex":
            decision = self._complex_decision(system, y0, eps, model, given)
        else:
            decision = decide(self.inner, system, model, y0, eps, self.plan, shifted, given)
        eta = decision.verdict.eta
        if decision.untouched:
            run = ledger.total(y0, Status.CONVERGED, decision.verdict.reason)
            return finish(
                self.name,
                system,
                y0,
                run,
                kappa_enc=system.kappa * system.encoding.alpha,
                seed=task.seed,
                ratio=0.0,
                verdict=decision.verdict,
                classical_matvecs=products,
                observables=measure(executor, run, system, task.observables, system.rhs, y0),
            )
        if eta is None:
            base = self.inner.solve(
                system, epsilon=eps, executor=executor, observables=task.observables, callback=task.callback
            )
            return replace(
                base,
                solver=self.name,
                ratio=1.0,
                verdict=decision.verdict,
                message=decision.verdict.reason,
                classical_matvecs=base.classical_matvecs + products,
                seed=task.seed,
            )
        return self._solve_direct(system, y0, decision, task, ledger)

    def _complex_decision(
        self, system: LinearSystem, y0: Vector, eps: float, model: SystemModel, given: float | None
    ) -> Decision:
        assert given is not None
        from ..result import Verdict

        base = self.inner.cost(system.kappa * system.encoding.alpha, eps, model).queries_A
        problem = self.shifted(system, given, y0 + 1j * given * system.rhs)
        ratio = self.inner.cost(problem.kappa, eps / 2, model).queries_A / base
        text = "the step was given (complex shift: experimental, not in the paper)"
        rho = float(np.linalg.norm(y0 - system.reference) / np.linalg.norm(system.reference))
        return Decision(
            Verdict(
                eta=given,
                ratio=ratio,
                reason=text,
                rho=rho,
                frontier=float("nan"),
                plan="given",
                epsilon_inner=eps / 2,
            ),
            self.inner,
            base,
        )

    def _solve_direct(
        self,
        system: LinearSystem,
        y0: Vector,
        decision: Decision,
        task: Task,
        ledger: Ledger,
    ) -> QLSPResult:
        eta = float(decision.verdict.eta or 0.0)
        factor = 1j * eta if self.shift == "complex" else eta
        y: Vector = y0
        history: list[Step] = []
        problem = None
        norm_known = True
        for index in range(1, (self.steps or 1) + 1):
            rhs = y + factor * system.rhs
            problem = self.shifted(system, eta, rhs) if problem is None else _with_rhs(problem, rhs)
            run = decision.inner.run_problem(problem, decision.verdict.epsilon_inner, task.executor)
            ledger.add(run)
            norm_known = run.norm_known
            y = run.vector * (np.linalg.norm(rhs) / problem.encoding.alpha)
            if not norm_known:
                y = search_line(system.matrix, y, system.rhs, positive=system.kind is Kind.POSITIVE)
                ledger.matvecs += 1
            history.append(step_of(system, y, run, index, task))
        assert problem is not None
        target = problem.exact() * (np.linalg.norm(rhs) / problem.encoding.alpha)
        assert ledger.last is not None
        total = replace(
            ledger.total(y, ledger.last.status, ledger.last.message, norm_known=norm_known),
            program=ledger.last.program,
            density=ledger.last.density if len(history) == 1 else None,
            stated_error=float("nan"),
            details={"epsilon_inner": decision.verdict.epsilon_inner, "baseline_queries_A": decision.baseline},
        )
        return finish(
            self.name,
            system,
            y,
            total,
            kappa_enc=problem.kappa,
            target=target,
            eta=eta,
            kappa_hat=self._hat(system.kappa, eta),
            seed=task.seed,
            observables=measure(task.executor, total, system, task.observables, problem.rhs, y),
            history=tuple(history),
            ratio=ledger.queries_A / decision.baseline,
            verdict=decision.verdict,
            classical_matvecs=ledger.matvecs,
        )

    def _hat(self, kappa: float, eta: float) -> float:
        if self.shift == "real":
            return kappa_hat(kappa, eta)
        return float(np.hypot(1.0, eta) / np.hypot(1.0, eta / kappa))

    # -- the residual form ------------------------------------------------------------

    def residual_eta(self, model: SystemModel, epsilon: float) -> float:
        """Return the largest step whose inner circuits stay within ``max_degree``."""
        if self.eta != "auto":
            return float(self.eta)
        one_shot = self.inner.cost(model.kappa * model.alpha, epsilon, model).degree
        limit = self.max_degree or max(7.0, np.floor(one_shot / 60.0))

        def degree(h: float) -> float:
            low = 1.0 + h if self.shift == "real" else float(np.hypot(1.0, h))
            return self.inner.cost((1.0 + h * model.kappa * model.alpha) / low, RESIDUAL_EPSILON, model).degree

        low, high = 1e-4, 20.0
        if degree(high) <= limit:
            return high * model.kappa
        # Solvers with a floor on their depth cannot go lower; then a moderate step serves best.
        if degree(low) > limit:
            return 0.3 * model.kappa
        for _ in range(60):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if degree(middle) <= limit else (low, middle)
        return 0.999 * low * model.kappa

    def iter_residual(
        self, system: LinearSystem, y0: Vector, eta: float, epsilon: float, executor: Executor, ledger: Ledger
    ) -> Iterator[tuple[Vector, InnerRun]]:
        """Yield ``(y_t, run)`` of the residual form until it has converged or its steps are spent."""
        phase = 1j if self.shift == "complex" else 1.0
        y = y0
        problem: Problem | None = None
        limit = self.steps if self.steps is not None else 10_000
        norm = 0.0
        for _ in range(limit):
            r = quantum_residual(system, y)
            ledger.matvecs += 1
            size, norm = float(np.linalg.norm(r)), float(np.linalg.norm(y))
            if self.steps is None and norm > 0 and system.kappa * size <= epsilon * norm:
                return
            rhs = phase * r if phase == 1j else r
            problem = self.shifted(system, eta, rhs) if problem is None else _with_rhs(problem, rhs)
            run = self.inner.run_problem(problem, RESIDUAL_EPSILON, executor)
            ledger.add(run)
            step = run.vector * (eta * size / problem.encoding.alpha)
            if self.line_search or (self.line_search is None and not run.norm_known):
                step = search_line(system.matrix, step, r, positive=system.kind is Kind.POSITIVE)
            y = y + (step.real if system.real else step)
            yield y, run

    def _solve_residual(
        self,
        system: LinearSystem,
        y0: Vector,
        task: Task,
        ledger: Ledger,
        model: SystemModel,
    ) -> QLSPResult:
        eps, executor = task.epsilon, task.executor
        eta = self.residual_eta(model, eps)
        base = self.inner.cost(model.kappa * model.alpha, eps, model)
        history: list[Step] = []
        y, status, message = y0, Status.BUDGET, ""
        try:
            for index, (y, run) in enumerate(self.iter_residual(system, y0, eta, eps, executor, ledger), start=1):
                history.append(step_of(system, y, run, index, task))
        except KeyboardInterrupt:
            status, message = Status.INTERRUPTED, f"interrupted after {len(history)} steps; start again from x"
        left = float(np.linalg.norm(quantum_residual(system, y)))
        if status is not Status.INTERRUPTED:
            done = system.kappa * left <= eps * float(np.linalg.norm(y))
            status = Status.CONVERGED if done else Status.BUDGET
            message = f"kappa |b - A x| / |x| = {system.kappa * left / max(float(np.linalg.norm(y)), 1e-300):.3g}"
        problem = self.shifted(system, eta, system.rhs)
        total = ledger.total(
            y,
            status,
            message,
            steps=len(history),
            one_shot_degree=base.degree,
            one_shot_queries_A=base.queries_A,
            degree_ratio=ledger.max_degree / base.degree,
            epsilon_inner=RESIDUAL_EPSILON,
        )
        return finish(
            self.name,
            system,
            y,
            total,
            kappa_enc=problem.kappa,
            eta=eta,
            kappa_hat=self._hat(system.kappa, eta),
            seed=task.seed,
            observables=measure(executor, total, system, task.observables, system.rhs, y),
            history=tuple(history),
            ratio=ledger.queries_A / base.queries_A,
            classical_matvecs=ledger.matvecs,
        )

    # -- estimate ------------------------------------------------------------

    def estimate(self, system: LinearSystem | SystemModel, epsilon: float | None = None) -> CostEstimate:
        """Return the certified cost without executing; the verdict is in ``eta``, ``ratio`` and ``note``."""
        eps, model = self.wanted(epsilon), model_of(system)
        alone = self.inner.cost(model.kappa * model.alpha, eps, model)
        if self.form == "residual":
            eta = self.residual_eta(model, eps)
            encoded = (1.0 + eta * model.alpha) / (1.0 + eta / model.kappa)
            cost = self.inner.cost(encoded, RESIDUAL_EPSILON, model)
            h = eta / model.kappa
            steps = float(
                np.ceil(np.log(model.start_error / eps) / np.log((1.0 + h) / (1.0 + RESIDUAL_EPSILON * h)))
            )
            steps = max(1.0, steps)
            total = replace(cost, queries_A=cost.queries_A * steps, queries_b=cost.queries_b * steps)
            found = estimate_from(self.name, model, total, encoded, eta)
            note = f"{steps:.0f} steps of degree {cost.degree:.0f} against one of {alone.degree:.0f}"
            return replace(found, max_degree=cost.degree, ratio=total.queries_A / alone.queries_A, note=note)
        if self.eta == "auto":
            ratio, c, eta = certified_ratio(self.inner, model, min(1.0, model.start_error), eps)
            if model.start_error <= eps:
                return replace(
                    estimate_from(self.name, model, replace(alone, queries_A=0.0), model.kappa),
                    ratio=0.0,
                    note="the start is already good enough",
                )
            if not np.isfinite(eta) or ratio > 1.0 - 0.05:
                found = estimate_from(self.name, model, alone, model.kappa * model.alpha)
                return replace(
                    found, note=f"do not precondition: no certified gain at rho = {model.start_error:.3g}"
                )
        else:
            eta, c = float(self.eta), 2.0
        encoded = (1.0 + eta * model.alpha) / (1.0 + eta / model.kappa)
        cost = self.inner.cost(encoded, eps / c, model)
        found = estimate_from(self.name, model, cost, encoded, eta)
        return replace(found, ratio=cost.queries_A / alone.queries_A, note=f"certified split c = {c:.3g}")


def _with_rhs(problem: Problem, rhs: Vector) -> Problem:
    return replace(problem, rhs=rhs / np.linalg.norm(rhs), real=problem.real and not np.iscomplexobj(rhs))
