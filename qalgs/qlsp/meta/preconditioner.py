"""Classical preconditioning: solve the product system, which is formed classically, and map the solution back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import InvalidInputError, invalid
from qalgs.seeds import Seed

from ..execution import Executor
from ..linear_system import Kind, LinearSystem, densified
from ..resources import CostEstimate, SystemModel
from ..result import QLSPResult
from ..solvers.base import Callback, Cost, Solver
from ..verify import direction_error, error_split

Apply = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ClassicalPreconditioner(Solver):
    """Multiply by an approximate inverse before the quantum computer sees the matrix.

    A positive definite system is preconditioned from both sides, ``C^T A C`` with ``C C^T`` the approximate
    inverse, and stays positive definite; any other from the left. The product is formed classically: a product
    of block encodings would lose the gain to subnormalisation (Lapworth and Sünderhauf, 2502.20908). The circuit
    prepares ``C^{-1} x``; the map back to ``x`` is classical.

    Attributes:
        inner: Any solver, a :class:`ProximalPoint` included.
        kind: ``"jacobi"``, ``"ilu"`` (incomplete LU without fill), or a function ``v -> P^{-1} v``.
    """

    inner: Solver
    kind: str | Apply = "jacobi"

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Solver):
            raise invalid("inner", self.inner, "must be a solver", "pass an instance, such as QSVTInversion()")
        if not callable(self.kind) and self.kind not in ("jacobi", "ilu"):
            raise invalid("kind", self.kind, 'must be "jacobi", "ilu" or a function')

    @property
    def name(self) -> str:
        """``ClassicalPreconditioner(inner, kind)``."""
        label = self.kind if isinstance(self.kind, str) else getattr(self.kind, "__name__", "custom")
        return f"ClassicalPreconditioner({self.inner.name}, {label})"

    def product(self, system: LinearSystem) -> tuple[LinearSystem, Apply]:
        """Return the preconditioned system and the map from its solution to that of ``system``."""
        a = densified(system.A)
        p = self._inverse(system, a)
        scale = float(np.abs(p).max())
        symmetric = float(np.abs(p - p.conj().T).max()) <= 1e-9 * scale
        if system.kind is Kind.POSITIVE and symmetric:
            values, vectors = np.linalg.eigh((p + p.conj().T) / 2)
            if values[0] > 0:
                c = (vectors * np.sqrt(values)) @ vectors.conj().T
                m = c @ a @ c
                return LinearSystem((m + m.conj().T) / 2, c @ system.b), lambda z: c @ z
        return LinearSystem(p @ a, p @ system.b), lambda z: z

    def _inverse(self, system: LinearSystem, a: NDArray[Any]) -> NDArray[Any]:
        if self.kind == "jacobi":
            diagonal = np.diagonal(a)
            if np.abs(diagonal).min() <= 1e-14 * np.abs(diagonal).max():
                raise invalid("kind", "jacobi", "must not meet zeros on the diagonal", 'use "ilu" or a function')
            return np.diag(1.0 / (diagonal.real if np.isrealobj(a) or system.kind is Kind.POSITIVE else diagonal))
        if self.kind == "ilu":
            try:
                factors = spla.spilu(
                    sp.csc_array(a), drop_tol=1e-3, fill_factor=1.0, permc_spec="NATURAL", diag_pivot_thresh=0.0
                )
            except RuntimeError as error:
                raise InvalidInputError(
                    f"kind 'ilu' must not meet a zero pivot ({error}); use a function"
                ) from error
            p = factors.solve(np.eye(len(a), dtype=a.dtype))
            return (p + p.conj().T) / 2 if system.kind is Kind.POSITIVE else p
        assert callable(self.kind)
        columns = [np.asarray(self.kind(column)) for column in np.eye(len(a))]
        if any(c.shape != (len(a),) or not np.isfinite(c).all() for c in columns):
            raise invalid("kind", self.kind, f"must map vectors of {len(a)} entries to finite ones")
        return np.stack(columns, axis=1)

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
        executor = executor or Executor(backend, sampler, shots, seed, estimator)
        inside, back = self.product(system)
        found = self.inner.solve(inside, epsilon=epsilon, executor=executor, callback=callback)
        x = back(found.x)
        size = float(np.linalg.norm(x))
        state = x / size
        target = back(inside.solution)
        values = {
            name: (float(np.vdot(state, np.asarray(o) @ state).real), 0.0)
            for name, o in (observables or {}).items()
        }
        return replace(
            found,
            solver=self.name,
            x=x,
            state=state,
            norm=size,
            direction_error=direction_error(x, system.solution),
            fidelity=float(
                abs(np.vdot(state, system.solution)) ** 2 / np.vdot(system.solution, system.solution).real
            ),
            error_split=error_split(x, target, system.solution),
            residual=system.residual(x),
            kappa=system.kappa,
            observables=values,
            details={**found.details, "kappa_preconditioned": inside.kappa},
        )

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return the inner solver's cost at ``kappa``: what the preconditioner saves is unknown in advance."""
        return self.inner.cost(kappa, epsilon, model)

    def estimate(self, system: LinearSystem | SystemModel, epsilon: float | None = None) -> CostEstimate:
        """Return the inner solver's estimate for the preconditioned system, which must be in hand.

        Raises:
            InvalidInputError: For a :class:`SystemModel`, whose entries are unknown.
        """
        if isinstance(system, SystemModel):
            raise invalid(
                "system", system, "must be a LinearSystem to be preconditioned", "estimate with its new kappa"
            )
        inside, _ = self.product(system)
        alone = self.inner.estimate(system, epsilon)
        found = self.inner.estimate(inside, epsilon)
        note = f"kappa {system.kappa:.4g} -> {inside.kappa:.4g}"
        return replace(
            found,
            solver=self.name,
            ratio=found.queries_A / max(alone.queries_A, 1e-300),
            note=note,
            kappa=system.kappa,
        )
