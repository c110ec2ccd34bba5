"""What the meta-solvers share: running an inner solver on an encoding, adding up its cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..linear_system import LinearSystem
from ..solvers.base import Vector

Errors = Callable[[NDArray[Any]], NDArray[np.float64]]


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
