"""Light cones are exact, with and without noise."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, partial_trace

from qalgs.backends import light_cone
from qalgs.backends.lightcone import backward_cone, cone_groups
from qalgs.errors import InvalidInputError


def random_circuit(n: int, gates: int, rng: np.random.Generator) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    for _ in range(gates):
        if rng.random() < 0.5:
            circuit.u(*rng.uniform(0, 6, 3), int(rng.integers(n)))
        else:
            a, b = rng.choice(n, 2, replace=False)
            circuit.cp(rng.uniform(0, 6), int(a), int(b))
        if rng.random() < 0.1:
            circuit.barrier()
        if rng.random() < 0.1:
            circuit.reset(int(rng.integers(n)))
    return circuit


@pytest.mark.parametrize("seed", range(20))
def test_reduced_states_are_unchanged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    circuit = random_circuit(n, int(rng.integers(1, 14)), rng)
    observed = sorted(int(q) for q in rng.choice(n, int(rng.integers(1, n)), replace=False))
    reduced, qubits = light_cone(circuit, observed)
    assert reduced.num_qubits == len(qubits)
    full = partial_trace(DensityMatrix(circuit), [q for q in range(n) if q not in observed])
    kept = [qubits.index(q) for q in observed]
    part = partial_trace(DensityMatrix(reduced), [i for i in range(len(qubits)) if i not in kept])
    assert np.max(np.abs(full.data - part.data)) < 1e-12


def test_cones_are_small_where_they_can_be() -> None:
    chain = [(q, q + 1) for q in range(9)]
    assert backward_cone(chain, [0]) == ([0], frozenset({0, 1}))
    kept, qubits = backward_cone(chain, [9])
    assert kept == list(range(9))
    assert len(qubits) == 10
    assert backward_cone([], [3]) == ([], frozenset({3}))
    pairs = [(0, 1), (2, 3), (4, 5)]
    groups = cone_groups(pairs, [frozenset({0}), frozenset({1}), frozenset({3}), frozenset({4, 5})])
    assert sorted(q for _, q, _ in groups) == [(0, 1), (2, 3), (4, 5)]
    assert sorted(i for _, _, members in groups for i in members) == [0, 1, 2, 3]


def test_bad_qubits() -> None:
    with pytest.raises(InvalidInputError, match="qubits must be between 0 and 2, got 3"):
        light_cone(QuantumCircuit(3), [3])
