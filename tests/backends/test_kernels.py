"""Every kernel against its NumPy twin."""

from __future__ import annotations

import engine_twin as twin
import numpy as np
import numpy.typing as npt
import pytest

from qalgs.backends import kernels, kernels_adjoint
from qalgs.backends.compiler_fusion import invert, linear

Complexes = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]
SIZES = [1, 2, 3, 4, 7]


def random_state(rng: np.random.Generator, n: int) -> Complexes:
    state = rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n)
    return np.asarray(state / np.linalg.norm(state))


def parts(state: Complexes) -> tuple[Floats, Floats]:
    return state.real.copy(), state.imag.copy()


def pairs(matrix: Complexes) -> Floats:
    return np.ascontiguousarray(matrix).reshape(-1).view(np.float64)


def random_matrix(rng: np.random.Generator, size: int) -> Complexes:
    return rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))


def random_mask(rng: np.random.Generator, n: int, without: int) -> tuple[int, int]:
    mask = int(rng.integers(1 << n)) & ~without
    return mask, int(rng.integers(1 << n)) & mask


@pytest.mark.parametrize("n", SIZES)
def test_one_qubit_gates(n: int, rng: np.random.Generator) -> None:
    for q in range(n):
        state, u = random_state(rng, n), random_matrix(rng, 2)
        re, im = parts(state)
        kernels.apply_one(re, im, q, pairs(u), np.empty(32))
        assert np.allclose(re + 1j * im, twin.one(state, q, u), atol=1e-14)
        mask, value = random_mask(rng, n, 1 << q)
        re, im = parts(state)
        kernels.apply_controlled(re, im, q, mask, value, pairs(u))
        assert np.allclose(re + 1j * im, twin.controlled(state, q, mask, value, u), atol=1e-14)
        if mask:
            re, im = parts(state)
            kernels.apply_flip(re, im, q, mask, value)
            x = np.array([[0, 1], [1, 0]], dtype=complex)
            assert np.array_equal(re + 1j * im, twin.controlled(state, q, mask, value, x))


@pytest.mark.parametrize("n", SIZES)
def test_transitions(n: int, rng: np.random.Generator) -> None:
    for q in range(n):
        ket, bra, u = random_state(rng, n), random_state(rng, n), random_matrix(rng, 2)
        (pr, pi), (lr, li), t = parts(ket), parts(bra), np.empty(8)
        kernels_adjoint.back_one(pr, pi, lr, li, q, pairs(u), t, np.empty(64))
        assert np.allclose(t.view(np.complex128).reshape(2, 2), twin.transition(bra, ket, q), atol=1e-14)
        assert np.allclose(pr + 1j * pi, twin.one(ket, q, u), atol=1e-14)
        assert np.allclose(lr + 1j * li, twin.one(bra, q, u), atol=1e-14)
        mask, value = random_mask(rng, n, 1 << q)
        (pr, pi), (lr, li) = parts(ket), parts(bra)
        kernels_adjoint.transition_controlled(pr, pi, lr, li, q, mask, value, t)
        inside = twin.where(1 << n, mask, value)
        expected = twin.transition(bra * inside, ket, q)
        assert np.allclose(t.view(np.complex128).reshape(2, 2), expected, atol=1e-14)


@pytest.mark.parametrize("n", SIZES)
def test_phases_and_pauli_rotations(n: int, rng: np.random.Generator) -> None:
    for _ in range(12):
        ket, bra = random_state(rng, n), random_state(rng, n)
        angle = float(rng.normal())
        mask, value = random_mask(rng, n, 0)
        re, im = parts(ket)
        kernels.apply_phase(re, im, mask, value, np.cos(angle), np.sin(angle))
        assert np.allclose(re + 1j * im, twin.phase(ket, mask, value, angle), atol=1e-14)
        inside = twin.where(1 << n, mask, value)
        (pr, pi), (lr, li) = parts(ket), parts(bra)
        found = complex(*kernels_adjoint.overlap_where(pr, pi, lr, li, mask, value))
        assert np.isclose(found, np.vdot(bra, inside * ket), atol=1e-14)
        x, z = int(rng.integers(1 << n)), int(rng.integers(1 << n))
        mask, value = random_mask(rng, n, x)
        ny = bin(x & z).count("1")
        re, im = parts(ket)
        kernels.apply_pauli(re, im, x, z, ny, mask, value, np.cos(angle / 2), np.sin(angle / 2))
        assert np.allclose(re + 1j * im, twin.rotation(ket, x, z, mask, value, angle), atol=1e-14)
        found = complex(*kernels_adjoint.overlap_pauli(pr, pi, lr, li, x, z, ny, mask, value))
        inside = twin.where(1 << n, mask, value)
        assert np.isclose(found, np.vdot(bra, twin.pauli(inside * ket, x, z)), atol=1e-14)


@pytest.mark.parametrize("n", SIZES)
def test_dense_matrices(n: int, rng: np.random.Generator) -> None:
    for k in range(1, min(n, 4) + 1):
        qubits = [int(q) for q in rng.choice(n, k, replace=False)]
        state, u = random_state(rng, n), random_matrix(rng, 1 << k)
        for adjoint in (False, True):
            re, im = parts(state)
            kernels.apply_matrix(re, im, np.array(qubits), pairs(u), adjoint, 0, 0, np.empty(2 << k))
            expected = twin.matrix(state, qubits, u.conj().T if adjoint else u)
            assert np.allclose(re + 1j * im, expected, atol=1e-13)


@pytest.mark.parametrize("n", SIZES)
def test_diagonal_groups(n: int, rng: np.random.Generator) -> None:
    angles = rng.normal(size=n + n * (n - 1) // 2)
    angles[rng.random(angles.size) < 0.3] = 0.0
    cr, ci = np.empty(1 << n), np.empty(1 << n)
    kernels.build_phases(n, angles, cr, ci)
    assert np.allclose(cr + 1j * ci, twin.quadratic_phases(n, angles), atol=1e-13)
    ket, bra = random_state(rng, n), random_state(rng, n)
    (pr, pi), (lr, li), out = parts(ket), parts(bra), np.empty(2 * angles.size)
    kernels_adjoint.monomial_sums(n, pr, pi, lr, li, cr, ci, out)
    assert np.allclose(out.view(np.complex128), twin.quadratic_sums(n, bra, ket), atol=1e-14)


@pytest.mark.parametrize("n", SIZES[1:])
def test_chains_of_flips_are_permutations(n: int, rng: np.random.Generator) -> None:
    x = np.array([[0, 1], [1, 0]], dtype=complex)
    state = random_state(rng, n)
    flips, expected = [], state
    for _ in range(9):
        c, t = (int(q) for q in rng.choice(n, 2, replace=False))
        v = int(rng.integers(2))
        flips.append((c, v, t))
        expected = twin.controlled(expected, t, 1 << c, v << c, x)
    node = linear(flips, n)
    inverse = invert(node.columns)
    offset = 0
    for k in range(n):
        offset ^= inverse[k] * ((node.value >> k) & 1)
    re, im = parts(state)
    outr, outi = np.empty_like(re), np.empty_like(im)
    kernels.permute(re, im, np.array(inverse), offset, outr, outi)
    assert np.array_equal(outr + 1j * outi, expected)
    assert np.array_equal(twin.permuted(state, inverse, offset), expected)
    kernels.permute(outr, outi, np.array(node.columns), node.value, re, im)
    assert np.array_equal(re + 1j * im, state)
