"""A noise model that keeps its serialised form simulates as the plain one does, delays included."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qalgs.backends import DeviceSnapshot
from qalgs.backends.noise import noise_model
from qalgs.backends.noise_serial import SerialNoiseModel


def lying() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.sx(1)
    # Aer adds an error of its own for a delay, to a copy of the model.
    circuit.delay(3000, 1, unit="ns")
    circuit.save_density_matrix()
    return circuit


@pytest.mark.parametrize("readout", [False, True])
def test_states_are_those_of_the_plain_model(readout: bool) -> None:
    plain = noise_model(DeviceSnapshot.from_backend("fake_torino").restrict([0, 1]), readout=readout)
    kept = SerialNoiseModel(plain)
    short = lying()
    short.data = [item for item in short.data if item.name != "delay"]
    states = []
    for model in (plain, kept):
        simulator = AerSimulator(method="density_matrix", noise_model=model)
        # Twice, since the second run meets what the first has left.
        for _ in range(2):
            data = simulator.run([lying(), short]).result()
            states.append([np.asarray(data.data(k)["density_matrix"]) for k in range(2)])
    for found in states[1:]:
        np.testing.assert_allclose(found, states[0], rtol=0, atol=1e-14)
    assert np.abs(states[0][0] - states[0][1]).max() > 1e-4
    assert kept.to_dict(serializable=True) is kept.to_dict(serializable=True)
    assert kept.to_dict(serializable=True) == plain.to_dict(serializable=True)


def test_a_deep_copy_may_be_added_to() -> None:
    kept = SerialNoiseModel(noise_model(DeviceSnapshot.from_backend("fake_torino").restrict([0, 1])))
    other = copy.deepcopy(kept)
    assert type(other) is NoiseModel
    assert other == kept
    error = other._local_quantum_errors["sx"][(0,)]
    other.add_all_qubit_quantum_error(error, "added")
    assert "added" in str(other.to_dict(serializable=True))
    assert "added" not in str(kept.to_dict(serializable=True))
