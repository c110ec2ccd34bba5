"""Residual correction (iterative refinement): the rival of any preconditioner for warm starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qalgs.errors import invalid
from qalgs.results import Status
from qalgs.seeds import Seed, root_seed

from ..execution import Executor
from ..ledger import Ledger
from ..linear_system import Kind, LinearSystem
from ..polynomials import check_epsilon
from ..resources import CostEstimate, SystemModel, model_of
from ..result import QLSPResult, Step
from ..solvers.base import Callback, Problem, Solver, Vector, estimate_from, finish, measure
from ..solvers.qsvt import QSVTInversion
from ..verify import direction_error
from .base import direction_errors, quantum_residual, search_line
from .coherent import correct_in_circuit
from .proximal import _step, model_of_light
from .starts import Start, is_cold, resolve


@dataclass(frozen=True, eq=False)
class ResidualCorrection(Solver):
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
    """

    inner: Solver
    initial_guess: Start | ArrayLike | None = None
    steps: int | None = None
    epsilon_inner: float | None = None
    plan: str = "reference"
    coherent: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Solver):
            raise invalid("inner", self.inner, "must be a solver", "pass an instance, such as QSVTInversion()")
        if self.coherent and not isinstance(self.inner, QSVTInversion):
            raise invalid("coherent", self.inner, "must come with QSVTInversion", "leave it off")
        if self.plan not in ("reference", "certified"):
            raise invalid("plan", self.plan, "must be one of reference, certified")
        if self.steps is not None and self.steps < 1:
            raise invalid("steps", self.steps, "must be at least 1")
        if self.epsilon_inner is not None:
            check_epsilon(self.epsilon_inner)

    @property
    def name(self) -> str:
        """``ResidualCorrection(inner)``."""
        return f"ResidualCorrection({self.inner.name})"

    def solve(
        self,
        system: LinearSystem,
        *,
        epsilon: float | None = None,
        backend: object = None,
        sampler: Any = None,
        estimator: Any = None,
        shots: int | None = None,
        seed: Seed = None,
        observables: Mapping[str, ArrayLike] | None = None,
        callback: Callback | None = None,
        executor: Executor | None = None,
    ) -> QLSPResult:
        """Solve; see :meth:`qalgs.qlsp.solvers.base.Solver.solve`."""
        eps = check_epsilon(getattr(self.inner, "epsilon", 1e-3) if epsilon is None else epsilon)
        root = None if seed is None else root_seed(seed)
        executor = executor or Executor(backend, sampler, shots, root, estimator)
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
            for index in range(1, limit + 2):
                r = quantum_residual(system, y)
                ledger.matvecs += 1
                if self._error(system, y, r) <= eps:
                    status = Status.CONVERGED
                    break
                if index > limit:
                    break
                problem = self._problem(system, r)
                inner, inside = self._choose(system, problem, y, r, eps, cold)
                if self.coherent and not cold:
                    assert isinstance(inner, QSVTInversion)
                    run = correct_in_circuit(inner, problem, y, float(np.linalg.norm(r)), inside, executor)
                    ledger.add(run)
                    y = run.vector.real if system.real else run.vector
                    if not run.norm_known:
                        y = search_line(system.matrix, y, system.rhs, positive=system.kind is Kind.POSITIVE)
                    amplitude = float(np.sqrt(run.probability))
                    history.append(_step(system, y, run, index, callback))
                    continue
                run = inner.run_problem(problem, inside, executor)
                ledger.add(run)
                step = run.vector * (np.linalg.norm(r) / problem.encoding.alpha)
                if not run.norm_known:
                    step = search_line(system.matrix, step, r, positive=system.kind is Kind.POSITIVE)
                step = step.real if system.real else step
                sizes = float(np.linalg.norm(y)) + float(np.linalg.norm(step))
                y = y + step
                amplitude = float(np.linalg.norm(y)) / sizes
                history.append(_step(system, y, run, index, callback))
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
            seed=root,
            observables=measure(executor, total, system, observables, system.rhs, y),
            history=tuple(history),
            ratio=ledger.queries_A / baseline,
            classical_matvecs=ledger.matvecs,
        )

    def _problem(self, system: LinearSystem, r: Vector) -> Problem:
        encoding = system.encoding
        return Problem(
            encoding,
            r / np.linalg.norm(r),
            system.kappa * encoding.alpha,
            system.kind is Kind.POSITIVE,
            system.real and not np.iscomplexobj(r),
        )

    def _baseline(self, system: LinearSystem, eps: float, model: SystemModel) -> float:
        """A-queries of the inner solver alone by the same rules."""
        problem = self._problem(system, system.rhs)
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
        eps = check_epsilon(getattr(self.inner, "epsilon", 1e-3) if epsilon is None else epsilon)
        model = model_of(system)
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
