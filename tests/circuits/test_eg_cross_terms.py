"""Cross-term circuits against inner products of state vectors."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs.circuits import (
    cross_term_circuit,
    cross_term_observable,
    hardware_efficient,
    overlap_circuit,
    particle_conserving,
    rotation_form,
)
from qalgs.circuits.cross_terms import zero_projector
from qalgs.errors import InvalidInputError


def odd_circuit() -> QuantumCircuit:
    """Shared parameters, sums, phases, controlled and two-qubit rotations."""
    p = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.p(2 * p[0] + 0.3, 0)
    circuit.u(p[1], 0.2, p[2], 1)
    circuit.cry(p[0] - p[2], 0, 1)
    circuit.rzz(p[1], 1, 2)
    circuit.rx(p[2], 2)
    circuit.t(1)
    return circuit


CIRCUITS = {
    "real": hardware_efficient(3, 2),
    "complex": hardware_efficient(2, 1, rotations=("ry", "rz")),
    "givens": particle_conserving(2, (1, 1)),
    "odd": odd_circuit(),
}


def state(circuit: QuantumCircuit, values: np.ndarray) -> np.ndarray:
    return np.asarray(Statevector(circuit.assign_parameters(values)).data)


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("form", ["multiplexed", "pauli_frame", "two_controlled"])
def test_cross_terms_equal_inner_products(name: str, form: str, rng: np.random.Generator) -> None:
    ansatz = CIRCUITS[name]
    n = ansatz.num_qubits
    operator = SparsePauliOp(["X" * n, "Y" + "Z" * (n - 1), "I" * n], [0.3, 0.5, 0.7])
    left, right = rng.uniform(-3, 3, (2, ansatz.num_parameters))
    expected = np.vdot(state(ansatz, left), operator.to_matrix() @ state(ansatz, right))
    measured = [
        Statevector(cross_term_circuit(ansatz, form=form, part=part).assign_parameters([*left, *right]))
        .expectation_value(cross_term_observable(operator))
        .real
        for part in ("real", "imag")
    ]
    assert abs(complex(*measured) - expected) < 1e-12


@pytest.mark.parametrize("name", CIRCUITS)
def test_overlap_circuit(name: str, rng: np.random.Generator) -> None:
    ansatz = CIRCUITS[name]
    left, right = rng.uniform(-3, 3, (2, ansatz.num_parameters))
    expected = abs(np.vdot(state(ansatz, left), state(ansatz, right))) ** 2
    found = Statevector(overlap_circuit(ansatz).assign_parameters([*left, *right]))
    assert found.expectation_value(zero_projector(ansatz.num_qubits)).real == pytest.approx(expected, abs=1e-12)


def test_multiplexed_form_is_shallow() -> None:
    ansatz = hardware_efficient(4, 4)
    counts = {}
    for form in ("multiplexed", "pauli_frame", "two_controlled"):
        circuit = cross_term_circuit(ansatz, form=form)
        counts[form] = transpile(circuit, basis_gates=["cx", "u"], optimization_level=1).count_ops()["cx"]
    # Two controlled flips per rotation, and the entanglers once.
    assert counts["multiplexed"] <= 2 * ansatz.num_parameters + 12
    assert counts["two_controlled"] > 3 * counts["multiplexed"]
    # One per rotation, with nothing left of the frame at the end.
    assert counts["pauli_frame"] == ansatz.num_parameters + 12


def test_rotation_form_is_the_same_circuit(rng: np.random.Generator) -> None:
    ansatz = CIRCUITS["odd"]
    form = rotation_form(ansatz)
    values = rng.uniform(-3, 3, 3)
    assert len(form.circuit.parameters) == len(form.offset)
    phase = np.exp(1j * (form.phase @ values + form.phase_offset))
    np.testing.assert_allclose(phase * state(form.circuit, form.angles(values)), state(ansatz, values), atol=1e-12)


def test_bad_cross_terms() -> None:
    with pytest.raises(InvalidInputError, match="form must be one of"):
        cross_term_circuit(CIRCUITS["real"], form="hadamard")
    p = ParameterVector("a", 1)
    curved = QuantumCircuit(1)
    curved.ry(p[0] * p[0], 0)
    with pytest.raises(InvalidInputError, match="not linear"):
        rotation_form(curved)
