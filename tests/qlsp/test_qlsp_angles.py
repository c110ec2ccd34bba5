"""Phases against a plain product of 2x2 matrices, and the transformed circuit against Chebyshev evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Operator

from qalgs.circuits.block_encodings import BlockEncoding, Dilation, Shifted
from qalgs.circuits.block_encodings_lcu import PauliLCU, PoissonShifts
from qalgs.circuits.oracles import count_queries
from qalgs.circuits.qsvt import qsvt_circuit
from qalgs.errors import InvalidInputError
from qalgs.qlsp.angles import _sweep, response, symmetric_phases
from qalgs.qlsp.polynomials import ChebyshevSeries, eigenstate_filter, minimax_inverse


def product(phases: np.ndarray, x: float) -> complex:
    s = np.sqrt(1 - x * x)
    w = np.array([[x, 1j * s], [1j * s, x]])
    u = np.diag(np.exp(1j * phases[0] * np.array([1, -1])))
    for phi in phases[1:]:
        u = u @ w @ np.diag(np.exp(1j * phi * np.array([1, -1])))
    return complex(u[0, 0])


@pytest.mark.parametrize("degree", [1, 2, 7, 8])
def test_kernel_equals_the_matrix_product(degree: int, rng: np.random.Generator) -> None:
    m = (degree + 1) // 2 if degree % 2 else degree // 2 + 1
    half = rng.normal(size=m)
    phases = np.concatenate([half, half[::-1] if degree % 2 else half[-2::-1]])
    x = rng.uniform(-1, 1, size=5)
    np.testing.assert_allclose(response(phases, x), [product(phases, t).imag for t in x], atol=1e-13)
    values, jacobian = np.empty(5), np.empty((5, m))
    _sweep(half, bool(degree % 2), x, values, jacobian, True)
    for j in range(m):
        step = np.zeros(m)
        step[j] = 1e-6
        ends = []
        for sign in (1, -1):
            moved = half + sign * step
            ends.append(response(np.concatenate([moved, moved[::-1] if degree % 2 else moved[-2::-1]]), x))
        np.testing.assert_allclose(jacobian[:, j], (ends[0] - ends[1]) / 2e-6, atol=1e-6)


@pytest.mark.parametrize("degree", [1, 27, 379, 2001])
def test_inverse_phases_reach_the_residual(degree: int) -> None:
    p = minimax_inverse(max(2.0, degree / 7.6), degree=degree)
    p = p.scaled(0.9 / p.peak())
    found = symmetric_phases(p)
    assert found.residual <= 1e-10
    np.testing.assert_array_equal(found.values, found.values[::-1])
    x = np.array([0.013, 0.4, 0.97])
    np.testing.assert_allclose([product(found.values, t).imag for t in x], p(x), atol=1e-9)


def test_random_polynomials_near_one(rng: np.random.Generator) -> None:
    for degree in (30, 31):
        c = np.zeros(degree + 1)
        c[degree % 2 :: 2] = rng.normal(size=len(c[degree % 2 :: 2]))
        p = ChebyshevSeries(c, "random", 0.0)
        assert symmetric_phases(p.scaled(0.97 / p.peak())).residual < 1e-10


def test_bad_series() -> None:
    with pytest.raises(InvalidInputError, match="definite parity"):
        symmetric_phases(ChebyshevSeries(np.array([0.1, 0.2]), "mixed", 0.0))
    with pytest.raises(InvalidInputError, match="below 1"):
        symmetric_phases(minimax_inverse(3, degree=5))


def encodings(rng: np.random.Generator) -> list[BlockEncoding]:
    a = rng.normal(size=(4, 4))
    return [
        Dilation(a + a.T),
        Dilation(a + 1j * rng.normal(size=(4, 4))),
        PauliLCU((a + a.T)[:2, :2]),
        PoissonShifts([2]),
        Shifted(Dilation((a + a.T) / 10), 2.0),
        Shifted(Dilation((a + a.T) / 10), 2.0, phase=1j),
    ]


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("make", [lambda: minimax_inverse(3, degree=7), lambda: eigenstate_filter(0.4, 0.1)])
def test_polynomial_by_circuit_equals_chebyshev(which: int, make: object, rng: np.random.Generator) -> None:
    be = encodings(rng)[which]
    p = make()  # type: ignore[operator]
    p = p.scaled(0.9 / p.peak())
    circuit = qsvt_circuit(be, symmetric_phases(p).reflection(), dense=True)
    assert count_queries(circuit)["U_A"] == p.degree
    size = 2**be.num_system
    got = np.asarray(Operator(circuit).data)[:size, :size]
    left, sigma, right = np.linalg.svd(be.matrix / be.alpha)
    first = left.conj().T if p.degree % 2 else right
    np.testing.assert_allclose(got, right.conj().T @ np.diag(p(sigma)) @ first, atol=1e-9)
