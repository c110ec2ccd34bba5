"""Matrix inversion by quantum singular value transformation with the minimax odd polynomial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.qsvt import append_qsvt
from qalgs.errors import expect, invalid

from ..angles import symmetric_phases
from ..execution import Executor, Program, RightHandSide
from ..polynomials import PEAK, ChebyshevSeries, inverse_degree, inverse_residual, minimax_inverse
from ..resources import SystemModel
from .base import Cost, InnerSolver, Solver
from .problem import InnerRun, Problem

#: Degrees above this are estimated, not executed.
MAX_DEGREE = 20001


@dataclass(frozen=True, eq=False)
class QSVTInversion(InnerSolver):
    """Apply the odd polynomial closest to ``1/x`` (Gilyén et al., 1806.01838; Gribling et al., 2109.04248).

    One pass calls ``U_A`` ``degree`` times (about ``kappa ln(2/epsilon)``) and ``U_b`` once, on one qubit more
    than the encoding. It accepts any encoding, Hermitian or not.

    Attributes:
        degree: Odd degree instead of the least one that guarantees ``epsilon``.
        gap: Gap ``1/kappa`` that the polynomial is made for, relative to the true one.
        peak: Largest value that the polynomial is scaled to; larger succeeds more often.

    Example:
        >>> from qalgs.qlsp import random_system
        >>> QSVTInversion(epsilon=0.1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    degree: int | None = None
    gap: float = 1.0
    peak: float = PEAK

    def __post_init__(self) -> None:
        expect(Integral, type(None), degree=self.degree)
        expect(Real, gap=self.gap, peak=self.peak)
        super().__post_init__()
        if self.degree is not None and (self.degree < 1 or self.degree % 2 == 0):
            raise invalid("degree", self.degree, "must be odd and positive")
        if not 0.0 < self.peak < 1.0:
            raise invalid("peak", self.peak, "must lie strictly between 0 and 1")
        if not self.gap > 0:
            raise invalid("gap", self.gap, "must be above zero")

    def polynomial(self, kappa: float, epsilon: float) -> ChebyshevSeries:
        """Return the polynomial, not yet scaled."""
        made_for = max(1.0, kappa / self.gap)
        if self.degree is not None:
            return minimax_inverse(made_for, degree=self.degree)
        return minimax_inverse(made_for, epsilon)

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return ``degree`` A-queries and one b-query; ``p`` for the model's solution norm."""
        degree = self.degree or inverse_degree(max(1.0, kappa / self.gap), epsilon)
        # The scaled polynomial peaks at about 1.31 kappa (measured for kappa >= 5).
        amplitude = min(1.0, self.peak * model.y_norm * model.alpha / (1.31 * kappa))
        return Cost(float(degree), 1.0, float(degree), 1, amplitude**2)

    def transformation(self, problem: Problem, epsilon: float) -> tuple[NDArray[np.float64], float, int]:
        """Return the phases for reflections, the factor that undoes the scaling, and the degree."""
        series = self.polynomial(problem.kappa, epsilon)
        factor = self.peak / series.peak()
        return symmetric_phases(series.scaled(factor)).reflection(), 1.0 / factor, series.degree

    def program(self, problem: Problem, epsilon: float, *, dense: bool) -> Program:
        """Build the circuit, open in the right-hand side; cached on the encoding."""
        series = self.polynomial(problem.kappa, epsilon)
        if series.degree > MAX_DEGREE:
            raise invalid(
                "kappa", problem.kappa, f"must need at most degree {MAX_DEGREE} to be executed", "use estimate()"
            )
        key = ("qsvt", series.degree, problem.kappa / self.gap, self.peak, dense, problem.real)
        return problem.cached(key, lambda: self._build(problem, series, dense))

    def _build(self, problem: Problem, series: ChebyshevSeries, dense: bool) -> Program:
        factor = self.peak / series.peak()
        phases = symmetric_phases(series.scaled(factor))
        encoding, n = problem.encoding, problem.encoding.num_system
        rhs = RightHandSide(None, n, real=problem.real, dense=False)
        circuit = QuantumCircuit(encoding.num_qubits + 1, name="qsvt")
        circuit.append(rhs.gate(), range(n))
        flags = range(n, encoding.num_qubits)
        append_qsvt(circuit, encoding, phases.reflection(), range(n), flags, encoding.num_qubits, dense=dense)
        program = Program(circuit, n, rhs.template, 1.0 / factor, series.degree, problem.real)
        program.cache["phases"] = phases
        return program

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Run one circuit."""
        program = self.program(problem, epsilon, dense=executor.exact)
        reading = executor.read(program, problem.rhs)
        series_error = self.polynomial(problem.kappa, epsilon).error if self.degree is None else float("nan")
        details = {"scale": program.scale, "phase_residual": program.cache["phases"].residual}
        return InnerRun.of(program, reading, stated_error=series_error, details=details)

    def tuned(
        self,
        problem: Problem,
        epsilon: float,
        error: Callable[[NDArray[Any]], NDArray[np.float64]],
        below: float = np.inf,
    ) -> tuple[Solver, int, float] | None:
        """Search degree and gap; predictions come from the eigenvalues, not from circuits."""
        block = problem.encoding.matrix / problem.encoding.alpha
        left, sigma, right = np.linalg.svd(block)
        weights = left.conj().T @ problem.rhs / sigma
        limit = inverse_degree(problem.kappa, min(0.5, epsilon / 4.0))
        degrees = np.unique(np.concatenate([np.arange(1, 402, 2), _odd(np.geomspace(401, max(402, limit), 200))]))
        degrees = degrees[(degrees <= limit + 2) & (degrees < below)]
        best: tuple[Solver, int, float] | None = None
        for gap in (g for g in (0.1, 0.3, 0.5, 0.7, 0.85, 1.0, 1.1, 1.2) if g <= problem.kappa):
            candidates = degrees if best is None else degrees[degrees < best[1]]
            for start in range(0, len(candidates), 64):
                part = candidates[start : start + 64]
                residuals = np.stack([inverse_residual(sigma, problem.kappa / gap, int(d)) for d in part])
                errors = error(((1.0 - residuals) * weights) @ right.conj())
                good = np.flatnonzero(errors <= epsilon)
                if good.size:
                    d = int(part[good[0]])
                    best = (replace(self, degree=d, gap=gap), d, float(errors[good[0]]))
                    break
        return best


def _odd(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return 2 * (values.astype(np.int64) // 2) + 1
