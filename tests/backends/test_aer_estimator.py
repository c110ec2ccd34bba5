"""Aer's estimator with a generator repeats its numbers from a seed, and its noise never."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends.aer_estimator import SeededAerEstimator


def draws(seed: int, runs: int, precision: float) -> list[float]:
    circuit = QuantumCircuit(1)
    circuit.ry(0.7, 0)
    estimator = SeededAerEstimator(np.random.default_rng(seed), {"backend_options": {"method": "statevector"}})
    pubs = [(circuit, SparsePauliOp("Z"))] * 2
    found = [estimator.run(pubs, precision=precision).result() for _ in range(runs)]
    return [float(result.data.evs) for results in found for result in results]


def test_noise_is_never_shared_and_repeats_with_the_seed() -> None:
    first = draws(1, 3, 0.1)
    assert len(set(first)) == 6
    assert draws(1, 3, 0.1) == first
    assert not set(draws(2, 3, 0.1)) & set(first)


def test_noise_has_the_precision_asked_for() -> None:
    values = np.array(draws(3, 100, 0.1))
    # z = 5 for the mean, and for the variance of 200 normal values (2 / 200 of it).
    assert abs(values.mean() - np.cos(0.7)) < 5 * 0.1 / np.sqrt(200)
    assert abs(values.var() / 0.01 - 1) < 5 * np.sqrt(2 / 200)
    np.testing.assert_allclose(draws(3, 1, 0.0), np.cos(0.7), rtol=0, atol=1e-12)
