"""Noisy changes of basis are the device's gates, appended; everything else is as before."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot, NoisyEstimator

OBSERVABLE = SparsePauliOp(["XYI", "ZZI", "IXZ", "YIX", "III"], [0.7, -1.0, 0.4, 0.3, 2.0])


@pytest.fixture(scope="module")
def snapshot() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def by_hand(snapshot: DeviceSnapshot, circuit: QuantumCircuit, values: np.ndarray) -> float:
    """Every term measured as Z after sdg and h in the device's gates, one by one."""
    plain = NoisyEstimator(snapshot, [0, 1, 2])
    total = 0.0
    for label, coefficient in OBSERVABLE.to_list():
        change = QuantumCircuit(3)
        for q, letter in enumerate(reversed(label)):
            if letter == "Y":
                change.sdg(q)
            if letter in "XY":
                change.h(q)
        turned = plain.isa(circuit).compose(plain.isa(change))
        diagonal = SparsePauliOp("".join("I" if letter == "I" else "Z" for letter in label))
        total += coefficient.real * float(plain.run([(turned, diagonal, values)]).result()[0].data.evs)
    return total


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_values_are_those_of_circuits_with_the_gates(
    snapshot: DeviceSnapshot, engine: str, rng: np.random.Generator
) -> None:
    circuit = efficient_su2(3, reps=1)
    points = rng.normal(size=(4, circuit.num_parameters))
    noisy = NoisyEstimator(snapshot, [0, 1, 2], engine=engine, basis_change_noise=True)
    plain = NoisyEstimator(snapshot, [0, 1, 2], engine=engine)
    pub = (circuit, [[OBSERVABLE], [SparsePauliOp("ZIZ")]], points)
    data, ideal = (estimator.run([pub]).result()[0].data for estimator in (noisy, plain))
    assert data.evs[0] == pytest.approx([by_hand(snapshot, circuit, values) for values in points], abs=1e-7)
    assert 1e-5 < np.abs(data.evs[0] - ideal.evs[0]).max() < 0.02
    assert data.evs[1] == pytest.approx(ideal.evs[1], abs=1e-7)  # nothing to turn
    assert np.array_equal(data.stds, np.zeros((2, 4)))


def test_shapes_shots_and_gradients(snapshot: DeviceSnapshot, rng: np.random.Generator) -> None:
    circuit = efficient_su2(3, reps=1)
    points = rng.normal(size=(2, circuit.num_parameters))
    noisy = NoisyEstimator(snapshot, [0, 1, 2], basis_change_noise=True, seed=4)
    grid = noisy.run([(circuit, [[OBSERVABLE], [SparsePauliOp("XII")]], points)]).result()[0].data.evs
    assert grid.shape == (2, 2)
    one = noisy.run([(circuit, OBSERVABLE, points[1])]).result()[0].data.evs
    assert grid[0, 1] == pytest.approx(float(one), abs=1e-12)
    runs = 400
    batch = np.tile(points[:1], (runs, 1))
    sampled = noisy.run([(circuit, OBSERVABLE, batch)], shots=50).result()[0].data
    assert abs(sampled.evs.mean() - grid[0, 0]) < 5 * sampled.evs.std(ddof=1) / np.sqrt(runs)
    assert sampled.evs.var(ddof=1) == pytest.approx(np.mean(sampled.stds**2), rel=5 * np.sqrt(2.5 / runs))
    values, slopes = noisy.gradient(circuit, OBSERVABLE, points)
    assert values == pytest.approx(grid[0], abs=1e-12)
    step = 1e-4
    for k in (0, 5):
        moved = points[0] + step * np.eye(circuit.num_parameters)[k], points[0] - step * np.eye(len(points[0]))[k]
        up, down = (float(noisy.run([(circuit, OBSERVABLE, p)]).result()[0].data.evs) for p in moved)
        assert slopes[0, k] == pytest.approx((up - down) / (2 * step), abs=1e-6)
