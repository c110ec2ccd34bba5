"""The noisy sampler against Aer, exact distributions and its own seeds."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from noise_twin import density_matrix
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot, NoisySampler
from qalgs.errors import InvalidInputError


@pytest.fixture(scope="module")
def torino() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_torino")


def registers() -> QuantumCircuit:
    """Two registers, an unused bit, measurements out of order."""
    circuit = QuantumCircuit(QuantumRegister(4, "q"), ClassicalRegister(2, "a"), ClassicalRegister(3, "b"))
    circuit.h(0)
    circuit.cx(0, 3)
    circuit.cx(3, 1)
    circuit.ry(1.0, 2)
    circuit.measure([3, 2, 0], [1, 2, 4])
    return circuit


def test_probabilities_equal_the_twin(torino: DeviceSnapshot, rng: np.random.Generator) -> None:
    sampler = NoisySampler(torino, [0, 1, 2])
    circuit = efficient_su2(3, reps=1)
    points = rng.normal(size=(2, circuit.num_parameters))
    measured = circuit.copy()
    measured.measure_all()
    found = sampler.probabilities(measured, points)
    isa = sampler.isa(measured).remove_final_measurements(inplace=False)
    for row, point in enumerate(points):
        bound = isa.assign_parameters(dict(zip(circuit.parameters, point, strict=True)))
        ideal = np.diag(density_matrix(bound, torino.subset([0, 1, 2]))).real
        confusion = np.eye(1)
        for up, down in sampler.device.flips[::-1]:
            confusion = np.kron(confusion, [[1 - up, down], [up, 1 - down]])
        assert np.max(np.abs(found[row] - confusion @ ideal)) < 1e-7


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_registers_keep_names_and_order(torino: DeviceSnapshot, engine: str) -> None:
    shots = 20_000
    sampler = NoisySampler(torino, [0, 1, 2, 3], engine=engine, seed=4)
    data = sampler.run([registers()], shots=shots).result()[0].data
    a, b = data.a.get_int_counts(), data.b.get_int_counts()
    assert set(a) <= {0, 2}  # bit 0 of a is never measured
    assert set(b) <= {0, 1, 4, 5}  # bit 1 of b is never measured
    # b[0] reads qubit 2, turned by one radian; readout flips it with probability e.
    error = torino.readout_error[2]
    assert error is not None
    one = np.sin(0.5) ** 2 * (1 - error) + np.cos(0.5) ** 2 * error
    found = (b.get(1, 0) + b.get(5, 0)) / shots
    assert abs(found - one) < 5 * np.sqrt(one * (1 - one) / shots) + 0.005
    joint = data.a.get_bitstrings(), data.b.get_bitstrings()
    equal = np.mean([x[0] == y[0] for x, y in zip(*joint, strict=True)])
    assert equal > 0.8  # qubits 3 and 0 are entangled


def test_engines_sample_the_same_distribution(torino: DeviceSnapshot) -> None:
    circuit = registers()
    exact = NoisySampler(torino, [0, 1, 2, 3]).probabilities(circuit)
    counts = NoisySampler(torino, [0, 1, 2, 3], engine="aer", seed=1).run([circuit], shots=20_000).result()[0]
    words = counts.join_data().get_int_counts()
    # measured classical bits: a[1], b[0], b[2] = bits 1, 2, 4 of the joined word
    found = np.zeros(8)
    for word, count in words.items():
        found[(word >> 1 & 1) | (word >> 2 & 1) << 1 | (word >> 4 & 1) << 2] += count
    sigma = np.sqrt(20_000 * exact * (1 - exact))
    assert np.all(np.abs(found - 20_000 * exact) < 5 * sigma + 1)


def test_batches_seeds_and_pickles(torino: DeviceSnapshot, rng: np.random.Generator) -> None:
    circuit = efficient_su2(2, reps=1)
    circuit.measure_all()
    points = rng.normal(size=(3, 2, circuit.num_parameters))
    sampler = NoisySampler(torino, [0, 1], seed=3)

    def draw(source: NoisySampler, **options: int) -> list[bytes]:
        result = source.run([(circuit, points), (circuit, points[0, 0], 70)], **options).result()
        assert result[0].data.meas.shape == (3, 2)
        assert result[0].data.meas.num_shots == options.get("shots", 1024)
        assert result[1].data.meas.num_shots == 70
        return [r.data.meas.array.tobytes() for r in result]

    first, second = draw(sampler), draw(sampler)
    assert first != second
    again = NoisySampler(torino, [0, 1], seed=3)
    assert [draw(again), draw(again)] == [first, second]
    assert draw(again, seed=1) == draw(sampler, seed=1)
    assert draw(pickle.loads(pickle.dumps(sampler))) == draw(sampler)
    shuffled = sampler.run([(circuit, points[0, 0])], shots=64).result()[0].data.meas.get_bitstrings()
    assert shuffled != sorted(shuffled)


def test_dynamic_circuits_go_to_aer(torino: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    result = NoisySampler(torino, [0, 1], seed=1).run([circuit], shots=2000).result()[0]
    assert result.metadata["engine"] == "aer"
    counts = result.data.c.get_counts()
    assert counts["00"] + counts["11"] > 1800
    with pytest.raises(InvalidInputError, match="by the compiled engine: instruction 'if_else' on qubits"):
        NoisySampler(torino, [0, 1], engine="compiled").run([circuit])


def test_bad_circuits_are_named(torino: DeviceSnapshot) -> None:
    sampler = NoisySampler(torino, [0, 1], engine="compiled")
    with pytest.raises(InvalidInputError, match="must measure into a classical register"):
        sampler.run([QuantumCircuit(2)])
    midway = QuantumCircuit(2, 2)
    midway.measure(0, 0)
    midway.x(0)
    midway.measure(0, 1)
    with pytest.raises(InvalidInputError, match=r"instruction 'x' follows a measurement of qubits \[0\]"):
        sampler.run([midway])
    with pytest.raises(InvalidInputError, match="shots must be a positive int, got -2"):
        sampler.run([midway], shots=-2)
    reset = QuantumCircuit(1, 1)
    reset.reset(0)
    reset.measure(0, 0)
    with pytest.raises(InvalidInputError, match="instruction 'reset'"):
        sampler.run([reset])
