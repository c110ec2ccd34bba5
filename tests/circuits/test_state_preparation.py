"""State preparation against the vector itself; multiplexed rotations against their block-diagonal matrix."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector
from scipy.linalg import block_diag

from qalgs.circuits.state_preparation import (
    gray_angles,
    multiplexed_rotation,
    preparation_template,
    prepare_state,
)
from qalgs.errors import InvalidInputError


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("real", [True, False])
def test_prepares_the_vector_with_its_phase(n: int, real: bool, rng: np.random.Generator) -> None:
    v = rng.normal(size=2**n) + (0 if real else 1j * rng.normal(size=2**n))
    v[rng.integers(2**n)] = 0
    got = Statevector(prepare_state(v)).data
    np.testing.assert_allclose(got, v / np.linalg.norm(v), atol=1e-13)


def test_one_template_serves_many_vectors(rng: np.random.Generator) -> None:
    template = preparation_template(3, real=True)
    assert template.circuit.num_parameters == template.num_parameters == 7
    for _ in range(3):
        v = rng.normal(size=8)
        got = Statevector(template.circuit.assign_parameters(template.angles(v))).data
        np.testing.assert_allclose(got, v / np.linalg.norm(v), atol=1e-13)


@pytest.mark.parametrize("k", [0, 1, 3])
def test_multiplexed_rotation(k: int, rng: np.random.Generator) -> None:
    angles = rng.normal(size=2**k)
    circuit = QuantumCircuit(k + 1)
    multiplexed_rotation(circuit, "y", list(gray_angles(angles)), range(1, k + 1), 0)
    blocks = [np.array([[np.cos(a / 2), -np.sin(a / 2)], [np.sin(a / 2), np.cos(a / 2)]]) for a in angles]
    np.testing.assert_allclose(Operator(circuit).data, block_diag(*blocks), atol=1e-13)


def test_bad_vectors() -> None:
    with pytest.raises(InvalidInputError, match="2\\*\\*n entries"):
        prepare_state(np.ones(3))
    with pytest.raises(InvalidInputError, match="norm above zero"):
        prepare_state(np.zeros(4))
    with pytest.raises(InvalidInputError, match="must be real"):
        preparation_template(1, real=True).angles([1, 1j])
