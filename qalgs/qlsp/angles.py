"""Phases of symmetric quantum signal processing by Newton's method in the space of node values.

Convention: ``U(x) = e^{i phi_0 Z} prod_j W(x) e^{i phi_j Z}``, ``W = e^{i arccos(x) X}``, symmetric phases, and
the wanted polynomial is ``Im <0|U|0>``, so that zero phases give zero. Newton's method for symmetric QSP is due to
Dong, Lin, Ni and Wang (2307.12468). Here the unknowns are the reduced phases and the equations are the values at
as many Chebyshev nodes, which is the coefficient form up to an orthogonal transform; each row of the Jacobian is
one forward and one backward sweep of 2-vectors, so an iteration costs O(d^2) plus one dense solve.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qalgs.errors import ConvergenceError, expect, invalid

from .polynomials import ChebyshevSeries

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Phases:
    """Phases for one polynomial.

    Attributes:
        values: The ``degree + 1`` symmetric phases in radians, in the convention of this module.
        residual: Largest deviation of ``Im <0|U|0>`` from the polynomial on the nodes and on as many other points.
        iterations: Newton steps taken.
    """

    values: Array
    residual: float
    iterations: int

    @property
    def degree(self) -> int:
        """Degree of the polynomial."""
        return len(self.values) - 1

    def reflection(self) -> Array:
        """Return the phases for circuits that alternate a reflection ``[[x, s], [s, -x]]`` instead of ``W``.

        With them ``Re`` (odd degree) or ``Im`` (even degree) of ``<0|...|0>`` is the polynomial; see
        :func:`qalgs.circuits.qsvt.qsvt_circuit`.
        """
        d = self.degree
        shifted = self.values - np.pi / 2.0
        shifted[0] += np.pi / 4.0
        shifted[-1] += np.pi / 4.0
        if (d // 2) % 2:
            shifted[0] += np.pi
        return shifted


@njit(cache=True)  # type: ignore[misc, unused-ignore]
def _sweep(reduced: Array, odd: bool, x: Array, values: Array, jacobian: Array, wanted: bool) -> None:
    """Values of ``Im <0|U|0>`` at ``x`` and, if ``wanted``, their derivatives by the reduced phases."""
    m = reduced.size
    forward = np.empty((m, 2), dtype=np.complex128)
    turn = np.exp(1j * reduced)
    for k in range(x.size):
        c = x[k]
        s = 1j * np.sqrt(max(0.0, 1.0 - c * c))
        u, v = 1.0 + 0.0j, 0.0 + 0.0j
        for j in range(m):
            if j > 0:
                u, v = c * u + s * v, s * u + c * v
            if odd or j < m - 1:
                u, v = u * turn[j], v * np.conj(turn[j])
            forward[j, 0], forward[j, 1] = u, v
        # The whole is v^T C v with v the last forward vector and C = W (odd) or e^{i phi Z} (even).
        if odd:
            p, q = c * u + s * v, s * u + c * v
        else:
            p, q = u * turn[m - 1], v * np.conj(turn[m - 1])
        values[k] = (u * p + v * q).imag
        if not wanted:
            continue
        start = m - 1
        if not odd:
            jacobian[k, m - 1] = (1j * (u * p - v * q)).imag
            start = m - 2
            p, q = c * p + s * q, s * p + c * q
        for j in range(start, -1, -1):
            u, v = forward[j, 0], forward[j, 1]
            jacobian[k, j] = 2.0 * (1j * (p * u - q * v)).imag
            p, q = p * turn[j], q * np.conj(turn[j])
            p, q = c * p + s * q, s * p + c * q


def response(phases: Array, x: Array) -> Array:
    """Return ``Im <0|U(x)|0>`` for symmetric ``phases``."""
    d = len(phases) - 1
    m = (d + 1) // 2 if d % 2 else d // 2 + 1
    values = np.empty(len(x))
    reduced = np.ascontiguousarray(phases[:m])
    _sweep(reduced, bool(d % 2), np.ascontiguousarray(x, dtype=float), values, np.empty((0, 0)), False)
    return values


def symmetric_phases(series: ChebyshevSeries, *, tol: float = 1e-12, max_iterations: int = 40) -> Phases:
    """Find the symmetric phases whose signal-processing polynomial is ``series``.

    Args:
        series: Real, of definite parity, with ``|p| < 1`` on [-1, 1].
        tol: Wanted largest deviation at the nodes; the best iterate is returned once rounding stops progress.
        max_iterations: Limit on Newton steps.

    Returns:
        The phases with their verified residual.

    Raises:
        InvalidInputError: If the series has mixed parity, or reaches 1.
        ConvergenceError: If the residual stays above 1e-8.

    Example:
        >>> from qalgs.qlsp import minimax_inverse
        >>> series = minimax_inverse(kappa=3.0, epsilon=0.1)
        >>> symmetric_phases(series.scaled(0.9 / series.peak())).residual < 1e-10
        True
    """
    expect(ChebyshevSeries, series=series)
    expect(Real, tol=tol)
    expect(Integral, max_iterations=max_iterations)
    c = np.asarray(series.coefficients, dtype=float)
    d = series.degree
    odd = bool(d % 2)
    if d < 1 or np.abs(c[1 - d % 2 :: 2]).max(initial=0.0) > 1e-12 * np.abs(c).max():
        raise invalid("series", series.name, "must have definite parity and degree of at least 1")
    m = (d + 1) // 2 if odd else d // 2 + 1
    x = np.cos(np.pi * (2.0 * np.arange(m) + 1.0) / (4.0 * m))
    target = series(x)
    peak = float(np.abs(target).max())
    if peak >= 1.0:
        raise invalid("series", f"a value of {peak:.6g}", "must stay below 1 on [-1, 1]", "scale it down")
    # To first order Im <0|U|0> = 2 sum_j phi_j T_{d - 2j}; the middle phase of an even degree counts once.
    reduced = c[d::-2][:m] / 2.0
    if not odd:
        reduced[-1] *= 2.0
    best, best_error, iterations = reduced, np.inf, 0
    values, jacobian = np.empty(m), np.empty((m, m))
    for steps in range(max_iterations + 1):
        _sweep(reduced, odd, x, values, jacobian, True)
        iterations = steps
        error = float(np.abs(values - target).max())
        if error < best_error:
            best, best_error = reduced.copy(), error
        elif best_error < 1e-9:
            break
        if best_error <= tol:
            break
        step = np.linalg.solve(jacobian, target - values)
        reduced = reduced + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
    full = np.concatenate([best, best[::-1] if odd else best[-2::-1]])
    other = np.cos(np.pi * (2.0 * np.arange(m) + 0.37) / (4.0 * m))
    residual = max(best_error, float(np.abs(response(full, other) - series(other)).max()))
    phases = Phases(full, residual, iterations)
    if residual > 1e-8:
        text = f"phases of degree {d} must reach a residual of 1e-8, got {residual:.2g}; scale the polynomial down"
        raise ConvergenceError(text, phases)
    return phases
