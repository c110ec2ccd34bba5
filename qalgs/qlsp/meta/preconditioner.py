"""Classical preconditioning: solve the product system, which is formed classically, and map the solution back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, invalid

from ..linear_system import Kind, LinearSystem, densified
from ..resources import CostEstimate, SystemModel
from ..result import QLSPResult
from ..solvers.base import Cost, Task
from ..verify import direction_error, error_split
from .base import MetaSolver

Apply = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ClassicalPreconditioner(MetaSolver):
    """Multiply by an approximate inverse before the quantum computer sees the matrix.

    A positive definite system is preconditioned from both sides, ``C^T A C`` with ``C C^T`` the approximate
    inverse, and stays positive definite; any other from the left. The product is formed classically: a product
    of block encodings would lose the gain to subnormalisation (Lapworth and Sünderhauf, 2502.20908). The circuit
    prepares ``C^{-1} x``; the map back to ``x`` is classical.

    Attributes:
        inner: Any solver, a :class:`ProximalPoint` included.
        kind: ``"jacobi"``, ``"ilu"`` (incomplete LU without fill), or a function ``v -> P^{-1} v``.

    Raises:
        InvalidInputError: If ``inner`` is no solver or ``kind`` is unknown.

    Example:
        >>> from qalgs.qlsp import LinearSystem, QSVTInversion
        >>> system = LinearSystem(np.array([[1.0, 0.1], [0.1, 9.0]]), np.ones(2))
        >>> result = ClassicalPreconditioner(QSVTInversion()).solve(system, epsilon=0.01)
        >>> result.kappa_enc < system.kappa
        True
    """

    kind: str | Apply = "jacobi"

    def __post_init__(self) -> None:
        super().__post_init__()
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

    def run(self, system: LinearSystem, task: Task) -> QLSPResult:
        """Solve the product system and map its solution back; observables are read from the mapped vector."""
        inside, back = self.product(system)
        found = self.inner.solve(inside, epsilon=task.epsilon, executor=task.executor, callback=task.callback)
        x = back(found.x)
        size = float(np.linalg.norm(x))
        state = x / size
        target = back(inside.solution)
        # With shots the vector comes from tomography, which gives no standard error of the mapped values.
        std = float("nan") if found.shots else 0.0
        values = {name: (float(np.vdot(state, o @ state).real), std) for name, o in task.observables.items()}
        return replace(
            found,
            solver=self.name,
            x=x,
            state=state,
            norm=size,
            direction_error=direction_error(x, system.solution),
            fidelity=min(
                1.0,
                float(abs(np.vdot(state, system.solution)) ** 2 / np.vdot(system.solution, system.solution).real),
            ),
            error_split=error_split(x, target, system.solution),
            residual=system.residual(x),
            kappa=system.kappa,
            observables=values,
            seed=task.seed,
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
