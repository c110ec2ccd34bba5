"""SSVQE through primitives: equal to the exact one on exact estimators, right within errors under shots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import CompiledSampler, DeviceSnapshot, NoisyEstimator
from qalgs.circuits import molecule, tfim
from qalgs.eigengame import ExcitedStates
from qalgs.eigengame.exact import WeightedPlayers
from qalgs.eigengame.measured_weighted import MeasuredWeightedPlayers
from qalgs.eigengame.problem import prepare
from qalgs.eigengame.weighted import inputs
from qalgs.errors import InvalidInputError
from qalgs.results import Status

WEIGHTS = np.array([1.0, 0.6, 0.3])
# complex matrix elements between complex states
COMPLEX = SparsePauliOp(["XX", "ZI", "IZ", "XY", "YI"], [0.7, -0.4, 0.3, 0.25, 0.5])


def pair(operator: object, k: int, **options: Any) -> tuple[WeightedPlayers, MeasuredWeightedPlayers]:
    problem = prepare(operator, k=k, **options)
    masks = inputs(problem, k)
    measured = MeasuredWeightedPlayers(
        problem, masks, estimator=StatevectorEstimator(), rng=np.random.default_rng(0)
    )
    return WeightedPlayers(problem, masks), measured


@pytest.mark.parametrize("operator", [COMPLEX, molecule("H2", 0.9)], ids=["pauli", "sector"])
def test_costs_and_gradients_equal_the_exact_ones(operator: object, rng: np.random.Generator) -> None:
    exact, measured = pair(operator, 3)
    for x in rng.uniform(-3, 3, (2, exact.num_parameters)):
        cost, slope, _ = exact.weighted(WEIGHTS)(x)
        found, gradient, _ = measured.weighted(WEIGHTS)(x)
        assert found == pytest.approx(cost, abs=1e-10)
        assert np.allclose(gradient, slope, atol=1e-9)


def test_matrix_elements_follow_from_superposed_inputs(rng: np.random.Generator) -> None:
    exact, measured = pair(COMPLEX, 3, ansatz=efficient_su2(2, reps=2))
    x = rng.uniform(-3, 3, exact.num_parameters)
    vectors = np.array([s.vector for s in exact.snapshots(x, Status.CONVERGED)])
    h = vectors.conj() @ COMPLEX.to_matrix() @ vectors.T
    assert np.abs(h.imag).max() > 0.01
    readout = measured.readout(measured.snapshots(x, Status.CONVERGED), rng)
    assert np.allclose(readout.energies, h.diagonal().real, atol=1e-10)
    assert np.allclose(readout.ritz.energies, np.linalg.eigvalsh(h), atol=1e-10)
    square = COMPLEX.to_matrix() @ COMPLEX.to_matrix()
    variances = np.einsum("ia,ab,ib->i", vectors.conj(), square, vectors).real - readout.energies**2
    assert np.allclose(readout.variances, variances, atol=1e-9)


def test_levels_from_counts(rng: np.random.Generator) -> None:
    operator = tfim(2, 1.0, 0.6, False)
    solver = ExcitedStates(
        k=2, method="ssvqe", sampler=CompiledSampler(seed=rng), shots=1000, budget=80, restarts=1, seed=2
    )
    result = solver.run(operator)
    assert np.all(np.abs(result.energies - result.noiseless_energies()) < 5 * result.errors + 1e-3)
    assert np.all(np.abs(result.energies - result.exact_energies()) < 0.05)
    assert result.costs.shots > 0


def test_no_ancilla_is_needed_but_every_qubit_is() -> None:
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    options = {"k": 2, "method": "ssvqe", "budget": 4, "restarts": 1, "seed": 0, "shots": 100}
    result = ExcitedStates(estimator=NoisyEstimator(snapshot, [0, 1], seed=1), **options).run(tfim(2))  # type: ignore[arg-type]
    assert np.isfinite(result.energies).all()
    with pytest.raises(InvalidInputError, match="layout must have 3 qubits, got 2; add a qubit"):
        ExcitedStates(estimator=NoisyEstimator(snapshot, [0, 1]), **options).run(tfim(3))  # type: ignore[arg-type]
