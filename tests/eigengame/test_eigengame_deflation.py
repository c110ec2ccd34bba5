"""Costs, weights and gradients of the players against dense linear algebra and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs.circuits import hardware_efficient, heisenberg, molecule, particle_conserving, tfim
from qalgs.eigengame.deflation import Deflator, weights
from qalgs.eigengame.exact import ExactPlayers, WeightedPlayers
from qalgs.eigengame.gradients import ShiftPlan
from qalgs.eigengame.penalty import auto_beta, auto_shift, collapse_threshold, spread
from qalgs.eigengame.post import amplification, multiplets, ritz
from qalgs.eigengame.problem import Problem, prepare, split_offset
from qalgs.errors import InvalidInputError


def hermitian(d: int, rng: np.random.Generator) -> np.ndarray:
    a = rng.normal(size=(d, d)) + 1j * rng.normal(size=(d, d))
    return (a + a.conj().T) / 2


def states(m: int, d: int, rng: np.random.Generator) -> np.ndarray:
    v = rng.normal(size=(m, d)) + 1j * rng.normal(size=(m, d))
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("method", "block"), [("vqd", False), ("hotelling", False), ("eigengame", False), ("eigengame", True)]
)
def test_cost_is_the_expectation_of_the_deflated_matrix(
    method: str, block: bool, rng: np.random.Generator
) -> None:
    d, m, c = 6, 3, 12.0
    h, parents, psi = hermitian(d, rng), states(m, d, rng), states(1, d, rng)
    shifted = c * np.eye(d) - h
    energies = np.einsum("ij,jk,ik->i", parents.conj(), h, parents).real
    if method == "vqd":
        lifted = sum(c * np.outer(v, v.conj()) for v in parents)
    elif method == "hotelling":
        lifted = sum((c - e) * np.outer(v, v.conj()) for v, e in zip(parents, energies, strict=True))
    elif not block:
        lifted = sum(
            shifted @ np.outer(v, v.conj()) @ shifted / (c - e) for v, e in zip(parents, energies, strict=True)
        )
    else:
        columns = parents.T
        lifted = (
            shifted @ columns @ np.linalg.inv(columns.conj().T @ shifted @ columns) @ columns.conj().T @ shifted
        )
    deflated = h + lifted
    deflator = Deflator.build(method, c, parents, parents @ h.T, block=block)
    cost, energy, cotangent = deflator.evaluate(psi, psi @ h.T)
    assert cost[0] == pytest.approx(np.vdot(psi[0], deflated @ psi[0]).real, abs=1e-10)
    assert energy[0] == pytest.approx(np.vdot(psi[0], h @ psi[0]).real, abs=1e-10)
    np.testing.assert_allclose(cotangent[0], deflated @ psi[0], atol=1e-10)


def test_block_form_annihilates_inexact_and_dependent_parents(rng: np.random.Generator) -> None:
    h, parents = hermitian(5, rng), states(2, 5, rng)
    c = 9.0
    deflator = Deflator.build("eigengame", c, parents, parents @ h.T, block=True)
    costs, _, _ = deflator.evaluate(parents, parents @ h.T)
    # Every state in the parents' span is lifted exactly to c: its utility is zero.
    np.testing.assert_allclose(costs, c, atol=1e-10)
    single = Deflator.build("eigengame", c, parents[:1], parents[:1] @ h.T)
    assert single.evaluate(parents[:1], parents[:1] @ h.T)[0][0] == pytest.approx(c)


def test_too_small_shift_is_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"penalty must exceed the energy of every state found so far, 0\.5"
    ):
        weights("eigengame", 0.2, np.array([-1.0, 0.5]))
    parents = np.array([[1.0, 0], [1.0, 0]], dtype=complex)
    with pytest.raises(InvalidInputError, match="linearly independent"):
        Deflator.build("eigengame", 3.0, parents, parents, block=True)


@pytest.mark.parametrize("method", ["eigengame", "hotelling", "vqd"])
@pytest.mark.parametrize("case", ["real", "complex", "givens"])
def test_exact_gradients_equal_finite_differences(method: str, case: str, rng: np.random.Generator) -> None:
    h = molecule("H2").hamiltonian if case == "givens" else heisenberg(3)
    ansatz = {
        "real": hardware_efficient(3, 2),
        "complex": hardware_efficient(3, 1, rotations=("ry", "rz")),
        "givens": particle_conserving(2, (1, 1)),
    }[case]
    players = ExactPlayers(Problem(hamiltonian=split_offset(h)[0], offset=0.0, sector=None, ansatz=ansatz))
    parents = [players.snapshot(rng.uniform(-3, 3, ansatz.num_parameters)) for _ in range(2)]
    objective = players.objective(method, 8.0, parents, block=method == "eigengame")
    x = rng.uniform(-3, 3, ansatz.num_parameters)
    gradient = objective(x)[1]
    step = 1e-5 * np.eye(len(x))
    numeric = [(objective(x + e)[0] - objective(x - e)[0]) / 2e-5 for e in step]
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)


def test_weighted_gradient_equals_finite_differences(rng: np.random.Generator) -> None:
    problem = prepare(tfim(3), k=3, ansatz=hardware_efficient(3, 2))
    players = WeightedPlayers(problem, [0, 1, 2])
    objective = players.weighted(np.array([1.0, 0.6, 0.2]))
    x = rng.uniform(-3, 3, 9)
    numeric = [(objective(x + e)[0] - objective(x - e)[0]) / 2e-5 for e in 1e-5 * np.eye(9)]
    np.testing.assert_allclose(objective(x)[1], numeric, atol=1e-6)
    found = players.snapshots(x, status=players.snapshot(x).status)
    vectors = np.array([s.vector for s in found])
    np.testing.assert_allclose(vectors.conj() @ vectors.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("case", ["rotations", "givens", "shared"])
def test_shift_rules_equal_finite_differences(case: str, rng: np.random.Generator) -> None:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    if case == "rotations":
        ansatz = hardware_efficient(2, 1, rotations=("ry", "rz"))
    elif case == "givens":
        ansatz = particle_conserving(2, (1, 1))
    else:
        a, b = Parameter("a"), Parameter("b")
        ansatz = QuantumCircuit(2)
        ansatz.ry(2 * a + b, 0)
        ansatz.cry(a - b, 0, 1)
        ansatz.rx(a, 1)
    plan = ShiftPlan.of(ansatz)
    h = SparsePauliOp(
        ["Z" * ansatz.num_qubits, "X" * ansatz.num_qubits, "Y" + "I" * (ansatz.num_qubits - 1)], [0.3, 0.8, 0.4]
    )
    matrix = h.to_matrix()
    other = rng.normal(size=2**ansatz.num_qubits)

    def run(angles: np.ndarray) -> np.ndarray:
        return np.asarray(Statevector(plan.circuit.assign_parameters(angles)).data)

    def energy(x: np.ndarray) -> float:
        return float(np.vdot(run(plan.angles(x)), matrix @ run(plan.angles(x))).real)

    def amplitude(x: np.ndarray) -> complex:
        return complex(np.vdot(other, matrix @ run(plan.angles(x))))

    x = rng.uniform(-3, 3, ansatz.num_parameters)
    angles = plan.angles(x)
    energies = [np.vdot(run(p), matrix @ run(p)).real for p in plan.points(angles, plan.energy_rule)]
    amplitudes = [np.vdot(other, matrix @ run(p)) for p in plan.points(angles, plan.amplitude_rule)]
    step = 1e-5 * np.eye(len(x))
    for found, function in (
        (plan.pull(np.array(energies), plan.energy_rule), energy),
        (plan.pull(np.array(amplitudes), plan.amplitude_rule), amplitude),
    ):
        numeric = [(function(x + e) - function(x - e)) / 2e-5 for e in step]
        np.testing.assert_allclose(found, numeric, atol=1e-6)
    # One circuit set per amplitude derivative of a rotation, two per energy derivative.
    if case == "rotations":
        assert len(plan.amplitude_rule) == 1
        assert len(plan.energy_rule) == 2


def test_penalty_rules_move_with_the_offset() -> None:
    energies, h = np.array([-2.0, -1.0, 0.5]), tfim(3)
    sigma = spread(h)
    assert sigma == pytest.approx(np.std(np.linalg.eigvalsh(h.to_matrix())))
    assert auto_shift(energies + 5, sigma) == pytest.approx(auto_shift(energies, sigma) + 5)
    assert auto_beta(energies + 5, sigma) == pytest.approx(auto_beta(energies, sigma))
    assert auto_shift(energies, sigma) > energies.max()


def test_collapse_threshold_is_where_the_deflated_levels_cross() -> None:
    parent, child, c = -1.8, -0.2, 0.5
    f = collapse_threshold(child - parent, c, parent)
    # The parent lifted by attenuated deflation meets the child's level.
    assert parent + f**2 * (c - parent) == pytest.approx(child)


def test_ritz_repairs_mixing_and_reports_errors(rng: np.random.Generator) -> None:
    h = hermitian(8, rng)
    levels, exact = np.linalg.eigh(h)
    mix = np.linalg.qr(rng.normal(size=(3, 3)))[0] + 0.1 * rng.normal(size=(3, 3))
    vectors = (exact[:, :3] @ mix).T
    h_small = np.asarray(vectors.conj() @ h @ vectors.T, dtype=np.complex128)
    s_small = np.asarray(vectors.conj() @ vectors.T, dtype=np.complex128)
    np.testing.assert_allclose(ritz(h_small, s_small).energies - levels[:3], 0, atol=1e-10)
    sigma = 1e-3
    noisy = ritz(
        h_small,
        s_small,
        h_errors=np.full((3, 3), sigma),
        s_errors=np.zeros((3, 3)),
        rng=np.random.default_rng(1),
        samples=400,
    )
    # First order: the variance of x'Nx for symmetric noise N with independent entries.
    expected = [
        sigma * np.sqrt(np.sum(np.abs(x) ** 4) + 4 * np.sum(np.triu(np.abs(np.outer(x.conj(), x).real) ** 2, 1)))
        for x in noisy.coefficients.T
    ]
    # The relative error of a standard deviation from 400 samples is 1/sqrt(800); z = 5.
    np.testing.assert_allclose(noisy.errors / np.array(expected), 1, rtol=5 / np.sqrt(800) + 0.02)


@pytest.mark.parametrize("method", ["eigengame", "hotelling", "vqd"])
def test_amplification_predicts_the_tilt_of_a_child(method: str) -> None:
    levels, c, eps = np.array([-2.0, -1.2, 0.1, 0.9, 2.0]), 1.5, 1e-4
    h = np.diag(levels).astype(complex)
    penalty = 4.0 if method == "vqd" else c
    child, parent = 2, 0
    parents = np.eye(5, dtype=complex)[:2]
    parents[parent] = np.cos(eps) * np.eye(5)[parent] + np.sin(eps) * np.eye(5)[child]
    deflator = Deflator.build(method, penalty, parents, parents @ h.T)
    deflated = h + deflator.rows.T @ deflator.weight @ deflator.rows.conj()
    lowest = np.linalg.eigh(deflated)[1][:, 0]
    tilt = abs(lowest[parent] / lowest[child])
    report = amplification(method, levels[:3], np.full(3, penalty), np.zeros(3))
    assert report.matrix[child, parent] == pytest.approx(tilt / eps, rel=1e-3)


def test_multiplets_group_neighbours() -> None:
    assert multiplets(np.array([0.0, 1.0, 1.0 + 1e-7, 1.0 + 2e-7, 3.0]), 1.5e-7) == ((0,), (1, 2, 3), (4,))
