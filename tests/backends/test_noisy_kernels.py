"""Kernels of the noisy engine against dense NumPy linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.quantum_info import PTM, Operator, SuperOp, random_quantum_channel, random_unitary

from qalgs.backends import noise_kernels as kernels
from qalgs.backends.noise import superop_transfer, unitary_transfer
from qalgs.backends.noise_observables import (
    from_components,
    joint_basis,
    measurement_bases,
    pauli_expectations,
    read_out,
)

Floats = NDArray[np.float64]


def dense(matrix: Floats, qubits: list[int], n: int) -> Floats:
    """A map of some qubits' Paulis as a 4**n square matrix, digit q of an index being qubit q."""
    k = len(qubits)
    full = np.zeros((4**n, 4**n))
    others = [q for q in range(n) if q not in qubits]
    for rest in range(4 ** len(others)):
        base = sum((rest >> (2 * i) & 3) << (2 * q) for i, q in enumerate(others))
        where = [base + sum((a >> (2 * i) & 3) << (2 * q) for i, q in enumerate(qubits)) for a in range(4**k)]
        full[np.ix_(where, where)] = matrix
    return full


@pytest.mark.parametrize("k", [1, 2])
def test_transfer_matrices_equal_qiskits(k: int, rng: np.random.Generator) -> None:
    seed = int(rng.integers(1000))
    unitary = random_unitary(2**k, seed=seed)
    channel = SuperOp(random_quantum_channel(2**k, 2**k, seed=seed))
    assert np.allclose(unitary_transfer(unitary.data), PTM(Operator(unitary)).data.real, atol=1e-13)
    assert np.allclose(superop_transfer(channel.data), PTM(channel).data.real, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("lossy", [False, True])
def test_chain_maps(n: int, lossy: bool, rng: np.random.Generator) -> None:
    for qubit in range(n):
        m = rng.normal(size=(4, 4))
        if not lossy:
            m[0] = [1, 0, 0, 0]
        r = rng.normal(size=4**n)
        expected = dense(m, [qubit], n) @ r
        kernels.apply_chain(r, qubit, m)
        assert np.max(np.abs(r - expected)) < 1e-12


@pytest.mark.parametrize("n", [2, 3, 5])
def test_pair_maps(n: int, rng: np.random.Generator) -> None:
    for a in range(n):
        for b in set(range(n)) - {a}:
            matrix = rng.normal(size=(16, 16)) * (rng.random((16, 16)) < 0.2)
            ij = np.argwhere(matrix)
            r = rng.normal(size=4**n)
            full = dense(matrix, [a, b], n)
            for transposed in (False, True):
                out = r.copy()
                kernels.apply_pair(out, a, b, ij, matrix[ij[:, 0], ij[:, 1]], transposed)
                assert np.max(np.abs(out - (full.T if transposed else full) @ r)) < 1e-12


def test_chains_compose_rotations_and_constants(rng: np.random.Generator) -> None:
    consts = rng.normal(size=(2, 4, 4))
    factors = np.array([[kernels.CONST, 1], [kernels.RZ, 0], [kernels.RX, 1], [kernels.CONST, 0], [kernels.RY, 2]])
    angles = rng.normal(size=3)
    m, work = np.empty((4, 4)), np.empty((4, 4))
    kernels.chain_map(factors, consts, 0, 5, angles, m, work)
    x, y, z = (np.array(p) for p in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))

    def turn(p: NDArray[np.complex128], t: float) -> Floats:
        return unitary_transfer(np.cos(t / 2) * np.eye(2) - 1j * np.sin(t / 2) * p)

    rz, rx, ry = turn(z, angles[0]), turn(x, angles[1]), turn(y, angles[2])
    assert np.max(np.abs(m - ry @ consts[0] @ rx @ rz @ consts[1])) < 1e-12


def test_probabilities(rng: np.random.Generator) -> None:
    chances = rng.dirichlet(np.ones(8), size=3)
    flips = rng.uniform(0, 0.4, size=(3, 2))
    signs = np.array([[(-1) ** bin(s & k).count("1") for k in range(8)] for s in range(8)])
    confusion = np.eye(1)
    for up, down in flips[::-1]:
        confusion = np.kron(confusion, [[1 - up, down], [up, 1 - down]])
    found = kernels.probabilities(chances @ signs.T.astype(float), flips)
    assert np.max(np.abs(found - chances @ confusion.T)) < 1e-13


def test_states_from_and_to_components(rng: np.random.Generator) -> None:
    n = 3
    raw = rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8))
    rho = raw @ raw.conj().T
    rho /= np.trace(rho)
    paulis = [tuple((q, i >> (2 * q) & 3) for q in range(n) if i >> (2 * q) & 3) for i in range(4**n)]
    components = pauli_expectations(rho, paulis)
    assert np.max(np.abs(from_components(components) - rho)) < 1e-14


def test_ground_state() -> None:
    r = np.empty(64)
    kernels.ground(r)
    expected = np.zeros((8, 8))
    expected[0, 0] = 1
    assert np.max(np.abs(from_components(r) - expected)) == 0


def test_bases_cover_all_terms_once_and_commute(rng: np.random.Generator) -> None:
    terms = {}
    for _ in range(40):
        qubits = sorted(int(q) for q in rng.choice(5, int(rng.integers(1, 5)), replace=False))
        terms[tuple((q, int(rng.integers(1, 4))) for q in qubits)] = float(rng.normal())
    offset, bases = measurement_bases({(): 2.5, **terms})
    assert offset == 2.5
    merged = {p: c for b in bases for p, c in b.terms.items()}
    assert merged == terms
    assert sum(len(b.terms) for b in bases) == len(terms)
    for basis in bases:
        letters = dict(zip(basis.qubits, basis.letters, strict=True))
        assert all(letters[q] == p for pauli in basis.terms for q, p in pauli)


def test_values_of_outcomes() -> None:
    basis = joint_basis({((1, 3),): 2.0, ((1, 3), (4, 1)): -0.5})
    assert basis.qubits == (1, 4)
    assert basis.values().tolist() == [1.5, -1.5, 2.5, -2.5]
    assert basis.spectrum() == [(), ((1, 3),), ((4, 1),), ((1, 3), (4, 1))]


def test_readout_of_a_product() -> None:
    flips = np.array([[0.1, 0.3], [0.2, 0.2]])
    seen = read_out({((0, 3), (1, 1)): 2.0}, flips)
    assert seen == pytest.approx({((0, 3), (1, 1)): 2 * 0.6 * 0.6, ((1, 1),): 2 * 0.2 * 0.6})
