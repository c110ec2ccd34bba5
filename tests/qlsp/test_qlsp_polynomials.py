"""Polynomials against what defines them: optimality by equioscillation, stated degrees, stated errors."""

from __future__ import annotations

import numpy as np
import pytest

from qalgs.errors import InvalidInputError
from qalgs.qlsp.polynomials import (
    cks_inverse,
    cks_parameters,
    eigenstate_filter,
    filter_degree,
    inverse_degree,
    inverse_residual,
    kernel_reflection,
    minimax_inverse,
)


@pytest.mark.parametrize(("kappa", "epsilon", "degree"), [(5, 1e-2, 27), (10, 1e-3, 75), (50, 1e-3, 379)])
def test_minimax_degrees(kappa: float, epsilon: float, degree: int) -> None:
    p = minimax_inverse(kappa, epsilon)
    assert p.degree == inverse_degree(kappa, epsilon) == degree
    x = np.linspace(1 / kappa, 1, 20001)
    error = 1 - x * p(x)
    assert np.abs(error).max() == pytest.approx(p.error, rel=1e-6)
    assert p.error <= epsilon < float(inverse_residual(1 / kappa, kappa, degree - 2))
    # Chebyshev's criterion: n + 1 alternations prove that no polynomial of this degree does better.
    n = (degree + 1) // 2
    a2 = kappa**-2.0
    points = np.sqrt(a2 + (1 - a2) * (1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2)
    np.testing.assert_allclose(1 - points * p(points), p.error * (-1.0) ** np.arange(n + 1), rtol=1e-6)


@pytest.mark.parametrize(("kappa", "epsilon", "degree"), [(10, 1e-3, 237), (50, 1e-3, 1415)])
def test_cks_degrees_and_error(kappa: float, epsilon: float, degree: int) -> None:
    assert 2 * cks_parameters(kappa, epsilon)[1] + 1 == degree
    p = cks_inverse(kappa, epsilon)
    assert p.degree == degree
    x = np.linspace(1 / kappa, 1, 5001)
    assert np.abs(p(x) - 1 / x).max() <= epsilon


def test_cks_coefficients_are_binomial_tails() -> None:
    from math import comb

    b, j0 = cks_parameters(2.0, 0.1)
    p = cks_inverse(2.0, 0.1)
    for j in range(min(j0, b)):
        exact = 4 * (-1) ** j * sum(comb(2 * b, b + i) for i in range(j + 1, b + 1)) / 4**b
        assert p.coefficients[2 * j + 1] == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(("gap", "epsilon"), [(0.5, 0.1), (0.1, 1e-3), (1.0, 1e-2)])
def test_filters(gap: float, epsilon: float) -> None:
    x = np.linspace(gap, 1, 4001)
    f = eigenstate_filter(gap, epsilon)
    assert f.degree == filter_degree(gap, epsilon)
    assert float(f(0.0)) == pytest.approx(1)
    assert np.abs(f(x)).max() <= epsilon
    assert f.peak() <= 1.002
    k = kernel_reflection(gap, epsilon)
    assert float(k(0.0)) == pytest.approx(1)
    assert np.abs(k(x) + 1).max() <= epsilon
    assert np.abs(k(np.linspace(-1, 1, 4001))).max() <= 1 + 1e-11


def test_peak_bounds_the_polynomial() -> None:
    p = minimax_inverse(30, 1e-2)
    grid = np.abs(p(np.linspace(-1, 1, 400001))).max()
    assert grid <= p.peak() <= grid * 1.003


def test_degrees_do_not_need_the_polynomial() -> None:
    assert inverse_degree(1e6, 1e-3) == pytest.approx(1e6 * np.log(2e3), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: minimax_inverse(0.5, 0.1), "kappa must be finite and at least 1, got 0.5"),
        (lambda: minimax_inverse(2, 0.0), "epsilon must lie strictly between 0 and 1"),
        (lambda: minimax_inverse(2, degree=4), "degree must be odd"),
        (lambda: minimax_inverse(2), "one and only one"),
        (lambda: eigenstate_filter(0.0, 0.1), "gap must lie"),
    ],
)
def test_bad_input(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]
