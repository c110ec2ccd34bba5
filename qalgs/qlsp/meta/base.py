"""What the meta-solvers share: running an inner solver on an encoding, adding up its cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.results import Status

from ..execution import Program
from ..linear_system import LinearSystem
from ..solvers.base import InnerRun, Vector

Errors = Callable[[NDArray[Any]], NDArray[np.float64]]


@dataclass(eq=False)
class Ledger:
    """Adds up the runs of one solve; the queries are those counted in the circuits."""

    queries_A: int = 0
    queries_b: int = 0
    expected_A: float = 0.0
    expected_b: float = 0.0
    max_degree: int = 0
    shots: int = 0
    circuits: int = 0
    matvecs: int = 0
    circuit: QuantumCircuit | None = None
    program: Program | None = None
    last: InnerRun | None = None
    runs: list[InnerRun] = field(default_factory=list)

    def add(self, run: InnerRun) -> None:
        """Book one run."""
        p = max(run.probability, 1e-300)
        self.queries_A += run.queries_A
        self.queries_b += run.queries_b
        self.expected_A += run.queries_A / p if run.queries_A_per_success is None else run.queries_A_per_success
        self.expected_b += run.queries_b / p if run.queries_b_per_success is None else run.queries_b_per_success
        if run.max_degree >= self.max_degree:
            self.max_degree, self.circuit = run.max_degree, run.circuit
        self.shots += run.shots
        self.circuits += run.circuits
        self.last = run

    def total(
        self, y: Vector, status: Status, message: str, *, norm_known: bool = True, **details: Any
    ) -> InnerRun:
        """Return the sum as one run with solution ``y`` in units of the block."""
        last = self.last
        return InnerRun(
            vector=y,
            norm_known=norm_known,
            probability=1.0 if last is None else last.probability,
            queries_A=self.queries_A,
            queries_b=self.queries_b,
            max_degree=self.max_degree,
            circuit=self.circuit,
            stated_error=float("nan"),
            shots=self.shots,
            circuits=self.circuits,
            status=status,
            message=message,
            details=details,
            queries_A_per_success=self.expected_A,
            queries_b_per_success=self.expected_b,
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
