"""Polynomials for linear systems, as Chebyshev series: odd inverses, and filters around zero.

All are real, of definite parity, and meant for spectra in ``1/kappa <= |x| <= 1``. Only the Chebyshev basis is
used: monomial coefficients are useless beyond degree 40.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct
from scipy.special import betainc

from qalgs.errors import expect, invalid

Array = NDArray[np.float64]

#: The largest value on [-1, 1] that a polynomial for a circuit is scaled to.
PEAK = 0.9


@dataclass(frozen=True, eq=False)
class ChebyshevSeries:
    """``sum_k coefficients[k] T_k(x)`` of definite parity.

    Attributes:
        coefficients: One coefficient for each degree ``0..degree``; those of the other parity are zero.
        name: What the polynomial is.
        error: The stated uniform error (see the function that made it).
    """

    coefficients: Array
    name: str
    error: float

    @property
    def degree(self) -> int:
        """Degree."""
        return len(self.coefficients) - 1

    def __call__(self, x: ArrayLike) -> Array:
        """Evaluate by Clenshaw's recurrence."""
        return np.asarray(np.polynomial.chebyshev.chebval(np.asarray(x, dtype=float), self.coefficients))

    def peak(self) -> float:
        """Return ``max |p|`` on [-1, 1], from a grid of 32 points a half-wave with a safety of 1e-3."""
        points = 16 * (self.degree + 2)
        padded = np.zeros(points + 1)
        padded[: self.degree + 1] = self.coefficients
        padded[1:-1] /= 2.0
        return float(np.abs(dct(padded, type=1)).max() * (1.0 + 1e-3))

    def scaled(self, factor: float) -> ChebyshevSeries:
        """Return the series times ``factor`` (the error scales as well)."""
        return ChebyshevSeries(self.coefficients * factor, self.name, self.error * abs(factor))


def check_kappa(kappa: float) -> float:
    """Return ``kappa`` if it is finite and at least 1."""
    expect(Real, kappa=kappa)
    if not (np.isfinite(kappa) and kappa >= 1.0):
        raise invalid("kappa", kappa, "must be finite and at least 1")
    return float(kappa)


def check_epsilon(epsilon: float, name: str = "epsilon") -> float:
    """Return ``epsilon``, called ``name`` by the caller, if it lies strictly between 0 and 1."""
    expect(Real, **{name: epsilon})
    if not (np.isfinite(epsilon) and 0.0 < epsilon < 1.0):
        raise invalid(name, epsilon, "must lie strictly between 0 and 1")
    return float(epsilon)


def inverse_degree(kappa: float, epsilon: float) -> int:
    """Return the least odd degree ``d`` with ``max |1 - x p(x)| <= epsilon`` on ``1/kappa <= |x| <= 1``.

    ``d = 2 n - 1`` with ``n = ceil(arccosh(1/epsilon) / arccosh((1 + a^2)/(1 - a^2)))``, ``a = 1/kappa``; that is
    about ``kappa ln(2/epsilon)``. No polynomial of lower degree does it.

    Args:
        kappa: Inverse of the smallest singular value, norm 1.
        epsilon: Relative error.

    Example:
        >>> inverse_degree(kappa=10.0, epsilon=0.01)
        53
    """
    n = np.arccosh(1.0 / check_epsilon(epsilon)) / (2.0 * np.arctanh(_gap(1.0 / check_kappa(kappa))))
    return max(1, 2 * int(np.ceil(n - 1e-9)) - 1)


def _gap(gap: float) -> float:
    """Keep the gap just below 1, where the intervals degenerate to points."""
    return min(gap, 1.0 - 1e-12)


def inverse_residual(x: ArrayLike, kappa: float, degree: int) -> Array:
    """Return ``1 - x p(x)`` for the minimax inverse ``p`` of that degree.

    It equals ``T_n((1 + a^2 - 2 x^2)/(1 - a^2)) / T_n((1 + a^2)/(1 - a^2))``, ``a = 1/kappa``, ``n = (d + 1)/2``,
    and has the least maximum on ``[a, 1]`` of all even polynomials of degree ``2 n`` that are 1 at 0 (Chebyshev;
    Gribling, Kerenidis and Szilágyi, 2109.04248).
    """
    n = (degree + 1) // 2
    a = _gap(1.0 / check_kappa(kappa))
    # With y = 1 + 2 w: arccosh y = 2 arcsinh sqrt(w), arccos y = 2 arcsin sqrt(-w); exact near y = 1.
    w = (
        (a - np.abs(np.asarray(x, dtype=float)))
        * (a + np.abs(np.asarray(x, dtype=float)))
        / ((1.0 - a) * (1.0 + a))
    )
    top = 2.0 * n * np.arctanh(a)
    t = 2.0 * n * np.arcsinh(np.sqrt(np.maximum(w, 0.0)))
    outside = np.exp(t - top) * (1.0 + np.exp(-2.0 * t)) / (1.0 + np.exp(-2.0 * top))
    scale = 2.0 * np.exp(-top) / (1.0 + np.exp(-2.0 * top))
    inside = np.cos(2.0 * n * np.arcsin(np.sqrt(np.clip(-w, 0.0, 1.0)))) * scale
    return np.asarray(np.where(w > 0.0, outside, inside))


def minimax_inverse(kappa: float, epsilon: float | None = None, *, degree: int | None = None) -> ChebyshevSeries:
    """Return the odd polynomial closest to ``1/x`` in relative error on ``1/kappa <= |x| <= 1``.

    Args:
        kappa: Inverse gap.
        epsilon: Relative error; gives the least degree.
        degree: Odd degree, instead of ``epsilon``.

    Returns:
        The series; ``error`` is ``max |1 - x p(x)|``, which the polynomial attains.

    Raises:
        InvalidInputError: If not exactly one of ``epsilon`` and ``degree`` is given, or a number breaks its rule.

    Example:
        >>> series = minimax_inverse(kappa=10.0, epsilon=0.01)
        >>> series.degree, series.error <= 0.01
        (53, True)
    """
    if (epsilon is None) == (degree is None):
        raise invalid("epsilon, degree", (epsilon, degree), "must be given one and only one")
    d = inverse_degree(kappa, epsilon) if epsilon is not None else int(degree or 0)
    if d < 1 or d % 2 == 0:
        raise invalid("degree", d, "must be odd and positive")
    theta = np.pi * (np.arange(d + 1) + 0.5) / (d + 1)
    x = np.cos(theta)
    values = (1.0 - inverse_residual(x, kappa, d)) / x
    coefficients = dct(values, type=2) / (d + 1)
    coefficients[0] /= 2.0
    coefficients[0::2] = 0.0
    return ChebyshevSeries(
        coefficients, "minimax inverse", float(inverse_residual(1.0 / check_kappa(kappa), kappa, d))
    )


def cks_parameters(kappa: float, epsilon: float) -> tuple[int, int]:
    """Return ``(b, j0)`` of Childs, Kothari and Somma (1511.02306, Lemma 14); the degree is ``2 j0 + 1``."""
    b = int(np.ceil(check_kappa(kappa) ** 2 * np.log(max(kappa, 1.0 + 1e-9) / check_epsilon(epsilon))))
    b = max(b, 1)
    return b, max(1, int(np.sqrt(b * np.log(4.0 * b / epsilon))))


def cks_inverse(kappa: float, epsilon: float, *, terms: int | None = None) -> ChebyshevSeries:
    """Return the Childs-Kothari-Somma series ``4 sum_j (-1)^j c_j T_{2j+1}(x)`` for ``1/x``.

    ``c_j = 2^{-2b} sum_{i>j} binom(2b, b+i)``, the tail of a binomial distribution, evaluated by the incomplete
    beta function.

    Args:
        kappa: Inverse gap.
        epsilon: Absolute error of ``1/x`` that ``b`` and ``j0`` guarantee.
        terms: Number of odd Chebyshev terms, ``j0 + 1`` by default; fewer loses the guarantee.

    Returns:
        The series.

    Raises:
        InvalidInputError: If ``kappa`` is below 1, ``epsilon`` not in (0, 1), or there is no term.

    Example:
        >>> cks_inverse(kappa=4.0, epsilon=0.1).degree % 2
        1
    """
    expect(Integral, type(None), terms=terms)
    b, j0 = cks_parameters(kappa, epsilon)
    if terms is not None and (isinstance(terms, bool) or terms < 1):
        raise invalid("terms", terms, "must be at least 1")
    count = j0 + 1 if terms is None else int(terms)
    j = np.arange(count)
    tail = np.where(j < b, betainc(np.minimum(b + j + 1, 2 * b), np.maximum(b - j, 1), 0.5), 0.0)
    coefficients = np.zeros(2 * count)
    coefficients[1::2] = 4.0 * (-1.0) ** j * tail
    return ChebyshevSeries(coefficients, "CKS inverse", float(epsilon))


def filter_degree(gap: float, epsilon: float) -> int:
    """Return the least even degree of :func:`eigenstate_filter` that leaves at most ``epsilon`` beyond ``gap``."""
    if not 0.0 < gap <= 1.0:
        raise invalid("gap", gap, "must lie in (0, 1]")
    n = np.arccosh(1.0 / check_epsilon(epsilon)) / (2.0 * np.arctanh(_gap(gap)))
    return max(2, 2 * int(np.ceil(n - 1e-9)))


def eigenstate_filter(gap: float, epsilon: float) -> ChebyshevSeries:
    """Return the even polynomial that is 1 at 0 and least beyond ``gap`` (Lin and Tong, 1910.14596, eq. 6).

    Args:
        gap: Distance from 0 to the rest of the spectrum (or of the singular values).
        epsilon: Largest value allowed on ``gap <= |x| <= 1``.

    Example:
        >>> series = eigenstate_filter(gap=0.25, epsilon=0.01)
        >>> series.degree, abs(float(series(0.0)) - 1.0) < 1e-12
        (22, True)
    """
    expect(Real, gap=gap)
    d = filter_degree(gap, epsilon)
    x = np.cos(np.pi * (np.arange(d + 1) + 0.5) / (d + 1))
    coefficients = dct(inverse_residual(x, 1.0 / gap, d - 1), type=2) / (d + 1)
    coefficients[0] /= 2.0
    coefficients[1::2] = 0.0
    return ChebyshevSeries(coefficients, "eigenstate filter", float(inverse_residual(gap, 1.0 / gap, d - 1)))


def kernel_reflection(gap: float, epsilon: float) -> ChebyshevSeries:
    """Return the even polynomial that is 1 at 0 and close to -1 beyond ``gap`` (Dalzell, 2406.12086, eq. 9).

    ``(2 R - 1 + delta)/(1 + delta)`` with the eigenstate filter ``R`` of ripple ``delta = epsilon/4``: bounded by
    1, and within ``epsilon`` of -1 beyond the gap.

    Args:
        gap: Smallest nonzero singular value.
        epsilon: Uniform error of the reflection.

    Example:
        >>> series = kernel_reflection(gap=0.25, epsilon=0.01)
        >>> bool(abs(series(0.5) + 1.0) < 0.01)
        True
    """
    expect(Real, gap=gap, epsilon=epsilon)
    base = eigenstate_filter(gap, epsilon / 4.0)
    delta = base.error
    coefficients = 2.0 * base.coefficients / (1.0 + delta)
    coefficients[0] += (delta - 1.0) / (1.0 + delta)
    return ChebyshevSeries(coefficients, "kernel reflection", float(4.0 * delta / (1.0 + delta)))
