"""Residual correction (iterative refinement): the rival of any preconditioner for warm starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from qalgs.errors import expect, invalid
from qalgs.results import Status

from ..execution import Executor
from ..ledger import Ledger
from ..linear_system import Kind, LinearSystem
from ..polynomials import check_epsilon
from ..resources import CostEstimate, SystemModel, model_of
from ..result import QLSPResult, Step
from ..solvers.base import Solver, Task, estimate_from
from ..solvers.finish import finish, measure
from ..solvers.problem import InnerRun, Problem, Vector, problem_of
from ..solvers.qsvt import QSVTInversion
from ..verify import direction_error
from .base import MetaSolver, direction_errors, model_of_light, quantum_residual, search_line, step_of
from .coherent import correct_in_circuit
from .starts import Start, is_cold, resolve


@dataclass(frozen=True, eq=False)
class ResidualCorrection(MetaSolver):
    """Solve ``A D = b - A x0`` at just the precision needed, and add (Koska et al., 2502.02212).

    The correction may err by ``epsilon |x| / |D|``, so a good start makes it cheap; no shift is involved. From a
    cold start it is mixed-precision iterative refinement.

    Attributes:
        inner: Any solver.
        initial_guess: As for :class:`ProximalPoint`.
        steps: Largest number of corrections; by default until ``epsilon`` (at most 100).
        epsilon_inner: Precision of each correction; by default just enough from a warm start, 0.05 from a cold.
        coherent: Add the correction inside the circuit, one linear combination of the start and the transformed
            residual, so that the state prepared *is* the corrected solution (QSVTInversion only; needs a start).
        plan: ``"reference"`` lets the start's true error (known to verification) choose degree and precision;
            ``"certified"`` uses ``kappa |b - A x| / |x|``.

    Raises:
        InvalidInputError: If a setting breaks its rule.

    Example:
        >>> from qalgs.qlsp import QSVTInversion, random_system
        >>> solver = ResidualCorrection(QSVTInversion())
        >>> solver.solve(random_system(2, 3.0, seed=1), epsilon=0.01).direction_error < 0.01
        True
    """

    initial_guess: Start | ArrayLike | None = None
    steps: int | None = None
    epsilon_inner: float | None = None
    plan: str = "reference"
    coherent: bool = False

    def __post_init__(self) -> None:
        expect(Integral, type(None), steps=self.steps)
        super().__post_init__()
        if self.coherent and not isinstance(self.inner, QSVTInversion):
            raise invalid("coherent", self.inner, "must come with QSVTInversion", "leave it off")
        if self.plan not in ("reference", "certified"):
            raise invalid("plan", self.plan, "must be one of reference, certified")
        if self.steps is not None and self.steps < 1:
            raise invalid("steps", self.steps, "must be at least 1")
        if self.epsilon_inner is not None:
            check_epsilon(self.epsilon_inner, "epsilon_inner")

    @property
    def name(self) -> str:
        """``ResidualCorrection(inner)``."""
        return f"ResidualCorrection({self.inner.name})"

    def run(self, system: LinearSystem, task: Task) -> QLSPResult:
        """Correct until the error is met."""
        eps, executor = task.epsilon, task.executor
        y, products = resolve(self.initial_guess, system)
        ledger = Ledger(matvecs=products)
        model = model_of_light(system)
        cold = is_cold(y, system.rhs)
        if cold:
            y = np.zeros_like(y)
        baseline = self._baseline(system, eps, model)
        history: list[Step] = []
        amplitude = 1.0
        limit = self.steps if self.steps is not None else 100
        status = Status.BUDGET
        try:
            while True:
                r = quantum_residual(system, y)
                ledger.matvecs += 1
                if self._error(system, y, r) <= eps:
                    status = Status.CONVERGED
                    break
                index = len(history) + 1
                if index > limit:
                    break
                problem = problem_of(system, r)
                inner, inside = self._choose(system, problem, y, r, eps, cold)
                correct = self._inside if self.coherent and not cold else self._beside
                y, amplitude, run = correct(system, inner, problem, y, r, inside, executor)
                ledger.add(run)
                history.append(step_of(system, y, run, index, task))
        except KeyboardInterrupt:
            status = Status.INTERRUPTED
        if ledger.last is not None and ledger.last.status is Status.FAILED and status is Status.BUDGET:
            status = Status.FAILED
        message = "the start is returned untouched" if not history and status is Status.CONVERGED else str(status)
        total = ledger.total(
            y, status, message, lcu_amplitude=amplitude, baseline_queries_A=baseline, steps=len(history)
        )
        return finish(
            self.name,
            system,
            y,
            total,
            kappa_enc=system.kappa * system.encoding.alpha,
            seed=task.seed,
            observables=measure(executor, total, system, task.observables, system.rhs, y),
            history=tuple(history),
            ratio=ledger.queries_A / baseline,
            classical_matvecs=ledger.matvecs,
        )

    def _inside(
        self, system: LinearSystem, inner: Solver, problem: Problem, y: Vector, r: Vector, inside: float,
        executor: Executor,
    ) -> tuple[Vector, float, InnerRun]:  # fmt: skip
        """Correct in the circuit: the new vector, the amplitude of its combination, the run."""
        assert isinstance(inner, QSVTInversion)
        run = correct_in_circuit(inner, problem, y, float(np.linalg.norm(r)), inside, executor)
        y = run.vector.real if system.real else run.vector
        if not run.norm_known:
            y = search_line(system.matrix, y, system.rhs, positive=system.kind is Kind.POSITIVE)
        return y, float(np.sqrt(run.probability)), run

    def _beside(
        self, system: LinearSystem, inner: Solver, problem: Problem, y: Vector, r: Vector, inside: float,
        executor: Executor,
    ) -> tuple[Vector, float, InnerRun]:  # fmt: skip
        """Solve for the correction and add it classically; the amplitude is what a combination would have."""
        run = inner.run_problem(problem, inside, executor)
        step = run.vector * (np.linalg.norm(r) / problem.encoding.alpha)
        if not run.norm_known:
            step = search_line(system.matrix, step, r, positive=system.kind is Kind.POSITIVE)
        step = step.real if system.real else step
        sizes = float(np.linalg.norm(y)) + float(np.linalg.norm(step))
        y = y + step
        return y, float(np.linalg.norm(y)) / sizes, run

    def _baseline(self, system: LinearSystem, eps: float, model: SystemModel) -> float:
        """A-queries of the inner solver alone by the same rules."""
        problem = problem_of(system)
        if self.plan == "reference":
            found = self.inner.tuned(problem, eps, direction_errors(system.reference))
            if found is not None:
                return float(found[1])
        return self.inner.cost(problem.kappa, eps, model).queries_A

    def _error(self, system: LinearSystem, y: Vector, r: Vector) -> float:
        size = float(np.linalg.norm(y))
        if size == 0.0:
            return float("inf")
        if self.plan == "reference":
            return direction_error(y, system.reference)
        return system.kappa * float(np.linalg.norm(r)) / size

    def _choose(
        self, system: LinearSystem, problem: Problem, y: Vector, r: Vector, eps: float, cold: bool
    ) -> tuple[Solver, float]:
        """The inner solver and the precision for the next correction."""
        if self.epsilon_inner is not None:
            return self.inner, self.epsilon_inner
        if cold:
            return self.inner, 0.05
        size = float(np.linalg.norm(y))
        if self.plan == "reference":
            errors = direction_errors(system.reference, y, float(np.linalg.norm(r)) / problem.encoding.alpha)
            found = self.inner.tuned(problem, 0.999 * eps, errors)
            if found is not None:
                return found[0], min(0.5, eps)
            gap = float(np.linalg.norm(y - system.reference)) / size
        else:
            gap = system.kappa * float(np.linalg.norm(r)) / size
        return self.inner, float(np.clip(0.9 * eps / gap, 1e-6, 0.5))

    def estimate(self, system: LinearSystem | SystemModel, epsilon: float | None = None) -> CostEstimate:
        """Return the certified cost without executing, for the model's start error."""
        eps, model = self.wanted(epsilon), model_of(system)
        encoded = model.kappa * model.alpha
        alone = self.inner.cost(encoded, eps, model)
        inside, steps = min(0.5, eps / model.start_error), 1.0
        if model.start_error >= 1.0:
            inside = self.epsilon_inner or 0.05
            steps = float(np.ceil(np.log(eps) / np.log(inside)))
        cost = self.inner.cost(encoded, inside, model)
        total = replace(cost, queries_A=cost.queries_A * steps, queries_b=cost.queries_b * steps)
        if model.start_error <= eps:
            total = replace(total, queries_A=0.0, queries_b=0.0)
        found = estimate_from(self.name, model, total, encoded)
        note = f"{steps:.0f} corrections at precision {inside:.2g}"
        return replace(found, max_degree=cost.degree, ratio=total.queries_A / alone.queries_A, note=note)
