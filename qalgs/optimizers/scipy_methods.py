"""SciPy's own minimisers, halted at each evaluation so that they can be asked and told."""

from __future__ import annotations

import queue
import threading
import weakref
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qalgs.optimizers.base import Array, Optimizer, OptimizerRun, Step, number
from qalgs.results import Status


class _StopServing(BaseException):
    """Ends SciPy's loop inside its thread; no library catches it."""


def _serve(
    solve: Callable[[Callable[[Array], Any]], Any],
    answers: queue.SimpleQueue[Any],
    questions: queue.SimpleQueue[Any],
) -> None:
    def cost(x: Array) -> Any:
        questions.put(("ask", np.array(x, dtype=np.float64)))
        answer = answers.get()
        if answer is None:
            raise _StopServing
        return answer

    try:
        outcome = solve(cost)
        questions.put(("done", bool(outcome.success), str(outcome.message)))
    except _StopServing:
        pass
    except BaseException as error:  # handed to the caller of tell()
        questions.put(("error", error))


class _SciPyRun(OptimizerRun):
    """SciPy's loop in a thread of its own, halted at each evaluation; the thread ends with the run."""

    optimizer: SciPyOptimizer

    def __init__(self, optimizer: SciPyOptimizer, x0: Array, seed: int, budget: int | None) -> None:
        super().__init__(optimizer, x0, seed, budget)
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._point: Array | None = None
        self.message = ""
        limit = budget if budget is not None else 1000 * (x0.size + 1)
        thread = threading.Thread(
            target=_serve,
            args=(optimizer._solver(x0.copy(), limit), self._answers, self._questions),
            name=f"qalgs-{type(optimizer).__name__}",
            daemon=True,
        )
        thread.start()
        self._release = weakref.finalize(self, _dismiss, self._answers, thread)

    @property
    def status(self) -> Status | None:
        if self._status is None and self._point is None:
            self._wait()
        return self._status

    def _wait(self) -> None:
        kind, *rest = self._questions.get()
        if kind == "ask":
            self._point = rest[0]
        elif kind == "error":
            self._status = Status.FAILED
            raise rest[0]
        else:
            success, self.message = rest
            full = self.budget is not None and self.evaluations >= self.budget
            self._status = Status.CONVERGED if success else Status.BUDGET if full else Status.STALLED

    def _next(self) -> Array:
        assert self._point is not None
        point = self.optimizer._leave(self._point, self.x0)
        return np.asarray(point, dtype=np.float64)[None, :]

    def _take(self, points: Array, values: Array, gradients: Array | None) -> None:
        if self.budget is not None and self.evaluations >= self.budget:
            return
        self._point = None
        self._answers.put(self.optimizer._answer(values, gradients))
        self._wait()

    def close(self) -> None:
        super().close()
        self._release()


def _dismiss(answers: queue.SimpleQueue[Any], thread: threading.Thread) -> None:
    answers.put(None)
    if thread is not threading.current_thread():
        thread.join(timeout=5.0)


@dataclass(frozen=True, kw_only=True)
class SciPyOptimizer(Optimizer):
    """A minimiser of ``scipy.optimize.minimize``."""

    def _open(self, x0: Array, seed: int, budget: int | None) -> OptimizerRun:
        return _SciPyRun(self, x0, seed, budget)

    def _solver(self, x0: Array, limit: int) -> Callable[[Callable[[Array], Any]], Any]:
        method, start, jac, options = self._method(x0, limit)

        def solve(cost: Callable[[Array], Any]) -> Any:
            from scipy import optimize

            minimizer: Callable[..., Any] = optimize.minimize
            return minimizer(cost, start, method=method, jac=jac, options=options)

        return solve

    def _leave(self, z: Array, x0: Array) -> Array:
        return z

    def _answer(self, values: Array, gradients: Array | None) -> Any:
        return float(values[0])

    @abstractmethod
    def _method(self, x0: Array, limit: int) -> tuple[str, Array, bool | None, dict[str, Any]]: ...


@dataclass(frozen=True, kw_only=True)
class NelderMead(SciPyOptimizer):
    """The downhill simplex (Nelder and Mead 1965), SciPy's own implementation.

    Attributes:
        step: Edge of the first simplex, in the units of the parameters; may be scheduled over cycles.
        xatol: Largest extent of the simplex at convergence.
        fatol: Largest spread of its values at convergence.
        adaptive: Scale the coefficients with the dimension (Gao and Han 2012).

    Raises:
        InvalidInputError: If an option is negative or not finite.

    Example:
        >>> from qalgs.optimizers import minimize
        >>> minimize(NelderMead(), lambda x: (x**2).sum(axis=1), [1.0, 1.0]).value < 1e-6
        True
    """

    scheduled: ClassVar[tuple[str, ...]] = ("step",)
    step: Step = 0.5
    xatol: float = 1e-4
    fatol: float = 1e-4
    adaptive: bool = True

    def _method(self, x0: Array, limit: int) -> tuple[str, Array, bool | None, dict[str, Any]]:
        step = number(self.step)
        simplex = np.vstack([x0, x0 + step * np.eye(x0.size)])
        options = {"initial_simplex": simplex, "xatol": self.xatol, "fatol": self.fatol, "adaptive": self.adaptive}
        return "Nelder-Mead", x0, None, {**options, "maxfev": max(limit, x0.size + 2), "maxiter": 10**9}


@dataclass(frozen=True, kw_only=True)
class LBFGS(SciPyOptimizer):
    """Limited-memory BFGS (Byrd et al. 1995), SciPy's own L-BFGS-B; for gradients without shot noise.

    The method takes its step sizes from curvature but for its first trial step, which has length 1. ``step`` = s
    makes that length s, by running in z = (x - x0) / s; with ``step=1`` it is SciPy's iteration, shifted.

    Attributes:
        step: Length of the first trial step; may be scheduled over cycles.
        gtol: Largest gradient entry at convergence.
        ftol: Relative decrease at convergence.
        memory: Number of stored corrections.

    Raises:
        InvalidInputError: If an option is negative or not finite.

    Example:
        >>> from qalgs.optimizers import minimize
        >>> bowl = lambda x: ((x**2).sum(axis=1), 2 * x)
        >>> minimize(LBFGS(), lambda x: bowl(x)[0], [1.0], gradient=bowl).value < 1e-12
        True
    """

    needs_gradient: ClassVar[bool] = True
    scheduled: ClassVar[tuple[str, ...]] = ("step",)
    step: Step = 1.0
    gtol: float = 1e-6
    ftol: float = 1e-12
    memory: int = 10

    def _method(self, x0: Array, limit: int) -> tuple[str, Array, bool | None, dict[str, Any]]:
        step = number(self.step)
        options = {"gtol": self.gtol * step, "ftol": self.ftol, "maxcor": self.memory, "maxfun": limit}
        return "L-BFGS-B", np.zeros_like(x0), True, {**options, "maxiter": 10**9}

    def _leave(self, z: Array, x0: Array) -> Array:
        return x0 + number(self.step) * z

    def _answer(self, values: Array, gradients: Array | None) -> Any:
        assert gradients is not None
        return float(values[0]), number(self.step) * gradients[0]
