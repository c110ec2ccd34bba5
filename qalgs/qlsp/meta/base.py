"""What the meta-solvers share: the inner solver that they wrap, residuals, steps, errors of predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import invalid

from ..linear_system import Kind, LinearSystem
from ..resources import SystemModel
from ..result import Step
from ..solvers.base import Solver, Task
from ..solvers.problem import InnerRun, Vector
from ..verify import direction_error

Errors = Callable[[NDArray[Any]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class MetaSolver(Solver):
    """Base of the solvers that wrap another.

    Attributes:
        inner: Any solver, a meta-solver included.
    """

    inner: Solver

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Solver):
            raise invalid("inner", self.inner, "must be a solver", "pass an instance, such as QSVTInversion()")

    @property
    def default_epsilon(self) -> float:
        """The inner solver's."""
        return self.inner.default_epsilon


def model_of_light(system: LinearSystem) -> SystemModel:
    """The numbers that formula costs need, without counting gates."""
    return SystemModel(
        kappa=system.kappa,
        num_qubits=system.num_qubits,
        alpha=system.encoding.alpha,
        ancillas=system.encoding.num_ancillas,
        positive=system.kind is Kind.POSITIVE,
        solution_norm=float(np.linalg.norm(system.reference)),
    )


def step_of(system: LinearSystem, y: Vector, run: InnerRun, index: int, task: Task) -> Step:
    """Return the step that ended at ``y``, after telling the caller."""
    return task.notify(
        Step(
            index=index,
            direction_error=direction_error(y, system.reference),
            residual=float(np.linalg.norm(system.rhs - system.matrix @ y)),
            queries_A=run.queries_A,
            max_degree=run.max_degree,
            success_probability=run.probability,
            shots=run.shots,
        )
    )


def direction_errors(reference: Vector, shift: Vector | None = None, scale: float = 1.0) -> Errors:
    """Return a function: rows ``v`` to direction errors of ``shift + scale v`` against ``reference``."""
    unit = reference / np.linalg.norm(reference)

    def errors(rows: NDArray[Any]) -> NDArray[np.float64]:
        v = rows * scale
        if shift is not None:
            v = v + shift
        v = v / np.linalg.norm(v, axis=1, keepdims=True)
        along = v @ unit.conj()
        across = np.linalg.norm(v - along[:, None] * unit, axis=1)
        return np.asarray(np.hypot(across, 1.0 - np.minimum(1.0, np.abs(along))))

    return errors


def search_line(matrix: Vector, step: Vector, residual: Vector, *, positive: bool) -> Vector:
    """Scale ``step`` (known up to norm and phase) to minimise the energy norm, or else the residual, exactly."""
    image = matrix @ step
    if positive:
        factor = np.vdot(step, residual) / max(float(np.vdot(step, image).real), 1e-300)
    else:
        factor = np.vdot(image, residual) / max(float(np.vdot(image, image).real), 1e-300)
    return step * factor


def quantum_residual(system: LinearSystem, y: Vector) -> Vector:
    """``c - H y`` in the quantum form (one classical product)."""
    r = system.rhs - system.matrix @ y
    return r.real if system.real and not np.iscomplexobj(y) else r
