"""Calibration against devices: what it learns is what was put in, and levels and energies come out right."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import CompiledEstimator, DeviceSnapshot, NoisyEstimator, NoisySampler
from qalgs.circuits import hardware_efficient, molecule
from qalgs.eigengame import ExcitedStates
from qalgs.eigengame.arena import Arena
from qalgs.eigengame.calibration import PauliCalibration, quarters
from qalgs.eigengame.exact import ExactPlayers
from qalgs.eigengame.measured import MeasuredPlayers
from qalgs.eigengame.measuring import Meter
from qalgs.eigengame.problem import prepare
from qalgs.errors import InvalidInputError

H2 = molecule("H2", 0.735, mapping="parity")
CIRCUIT = hardware_efficient(2, 2)
PAULIS = SparsePauliOp(["XX", "IZ", "ZI", "ZZ", "II"], [0.2, -0.4, 0.3, 0.1, 0.7])


class Damped(CompiledEstimator):
    """Multiplies every Pauli by a factor of its own and adds an offset; both are the truth to be found."""

    FACTORS: ClassVar[dict[str, float]] = {"XX": 0.6, "IZ": 0.9, "ZI": 0.8, "ZZ": 0.7, "II": 1.0}
    OFFSETS: ClassVar[dict[str, float]] = {"XX": 0.0, "IZ": 0.05, "ZI": -0.02, "ZZ": 0.01, "II": 0.0}

    def run(self, pubs: Any, *, precision: float | None = None) -> Any:
        spoiled = []
        for circuit, observables, values in pubs:
            flat = observables if isinstance(observables, list) else [[observables]]
            changed = [[self._spoil(o) for o in row] for row in flat]
            spoiled.append((circuit, changed if isinstance(observables, list) else changed[0][0], values))
        return super().run(spoiled, precision=precision)

    def _spoil(self, operator: SparsePauliOp) -> SparsePauliOp:
        labels = operator.paulis.to_labels()
        coefficients = operator.coeffs * np.array([self.FACTORS[p] for p in labels])
        offset = sum(c * self.OFFSETS[p] for p, c in zip(labels, operator.coeffs, strict=True))
        return (SparsePauliOp(labels, coefficients) + SparsePauliOp("II", offset)).simplify()


def test_lines_are_those_put_in(rng: np.random.Generator) -> None:
    calibration = PauliCalibration(CIRCUIT, Meter(Damped(), None, None), quarters(CIRCUIT, "test"))
    corrected = calibration.corrected(PAULIS)
    for label, line in calibration.lines.items():
        assert line.slope == pytest.approx(Damped.FACTORS[label], abs=0.002)
        assert line.offset == pytest.approx(Damped.OFFSETS[label], abs=0.001)
        assert line.scatter < 0.002
    points = rng.uniform(-3, 3, (20, CIRCUIT.num_parameters))
    truth = Meter(CompiledEstimator(), None, None).expectations(CIRCUIT, PAULIS, points)[0]
    found = Meter(Damped(), None, None).expectations(CIRCUIT, corrected, points)[0]
    raw = Meter(Damped(), None, None).expectations(CIRCUIT, PAULIS, points)[0]
    assert np.abs(found - truth).max() < 0.02 * np.abs(raw - truth).max()
    assert calibration.uncertainty(PAULIS) < 0.002


def test_a_device_that_leaves_nothing_is_refused() -> None:
    class Dead(Damped):
        FACTORS: ClassVar[dict[str, float]] = {**Damped.FACTORS, "XX": 0.001}

    calibration = PauliCalibration(CIRCUIT, Meter(Dead(), None, None), quarters(CIRCUIT, "test"))
    with pytest.raises(InvalidInputError, match=r"keeps only .* of XX on this backend; use "):
        calibration.corrected(PAULIS)


def test_nothing_is_changed_where_there_is_no_noise() -> None:
    calibration = PauliCalibration(CIRCUIT, Meter(CompiledEstimator(), None, None), quarters(CIRCUIT, "test"))
    np.testing.assert_allclose(calibration.corrected(PAULIS).to_matrix(), PAULIS.to_matrix(), atol=1e-9)
    assert calibration.uncertainty(PAULIS) < 1e-9


def test_shot_noise_is_part_of_the_uncertainty_but_not_of_the_scatter(rng: np.random.Generator) -> None:
    # 40 calibrations at 200 shots: pulls have unit variance at most; z = 5 on their mean square (variance 2/40).
    point = rng.uniform(-3, 3, (1, CIRCUIT.num_parameters))
    exact = Meter(CompiledEstimator(), None, None)
    truth = exact.expectations(CIRCUIT, PAULIS, point)[0][0]
    pulls = []
    for i in range(40):
        meter = Meter(CompiledEstimator(default_shots=200, seed=i), None, 200, precise=False)
        calibration = PauliCalibration(CIRCUIT, meter, quarters(CIRCUIT, f"test{i}"))
        mean = exact.expectations(CIRCUIT, calibration.corrected(PAULIS), point)[0][0]
        pulls.append((mean - truth) / calibration.uncertainty(PAULIS))
        assert calibration.uncertainty(PAULIS) < 0.03
    assert 0.02 < np.mean(np.square(pulls)) < 1 + 5 * np.sqrt(2 / 40)


def test_every_pauli_is_measured_alike_by_estimator_and_sampler(rng: np.random.Generator) -> None:
    points = rng.uniform(-3, 3, (4, CIRCUIT.num_parameters))
    exact = Meter(CompiledEstimator(), None, None).each(CIRCUIT, PAULIS.paulis, points)[0]
    for i, label in enumerate(PAULIS.paulis.to_labels()):
        single = Meter(CompiledEstimator(), None, None).expectations(CIRCUIT, SparsePauliOp(label), points)[0]
        np.testing.assert_allclose(exact[:, i], single, atol=1e-12)
    meter = Meter(None, StatevectorSampler(seed=7), 4000)
    sampled, errors = meter.each(CIRCUIT, PAULIS.paulis, points)
    assert (np.abs(sampled - exact) <= 5 * errors + 1e-12).all()
    # XX and the Z-like Paulis make two groups.
    assert meter.circuits == 2 * len(points)


def test_calibration_by_a_sampler_of_a_device(rng: np.random.Generator) -> None:
    sampler = NoisySampler(DeviceSnapshot.from_backend("fake_brisbane"), [0, 1, 2], seed=3)
    problem = prepare(H2, k=2, ansatz=CIRCUIT)
    players = MeasuredPlayers(problem, sampler=sampler, shots=2000, rng=rng)
    points = rng.uniform(-3, 3, (3, CIRCUIT.num_parameters))
    truth = ExactPlayers(problem).energies(points)
    assert players.calibration is not None
    left = players.calibration.uncertainty(problem.effective)
    # Each term has a shot error of at most its coefficient over sqrt(2000), amplified by 1 / 0.86.
    shot = float(np.linalg.norm(problem.effective.coeffs)) / np.sqrt(2000) / 0.86
    assert np.abs(players.energies(points) - truth).max() < 5 * np.hypot(left, shot)
    assert left < 0.01


def test_compact_device_gets_its_ancilla_between_the_others() -> None:
    estimator = NoisyEstimator(DeviceSnapshot.from_backend("fake_brisbane"), [0, 1, 2])
    problem = prepare(H2, k=2, ansatz=CIRCUIT)
    placed = MeasuredPlayers(problem, estimator=estimator, rng=np.random.default_rng(0)).cross
    fixed = MeasuredPlayers(problem, estimator=estimator, rng=np.random.default_rng(0), calibrate=False).cross
    # On the line 0-1-2 the ancilla talks to both qubits, so it belongs into the middle.
    assert placed.places == [0, 2, 1]
    assert fixed.places == [0, 1, 2]
    gates = [estimator.isa(c.circuits[0]).count_ops()["ecr"] for c in (placed, fixed)]
    assert gates[0] < 0.7 * gates[1]


@pytest.mark.parametrize("noisy", [False, True])
def test_automatic_penalty_grows_as_the_attenuation_falls(noisy: bool) -> None:
    estimator = NoisyEstimator(DeviceSnapshot.from_backend("fake_brisbane"), [0, 1, 2])
    solver = ExcitedStates(k=2, seed=0, ansatz=CIRCUIT, **({"estimator": estimator} if noisy else {}))
    _, players, arena = solver._open(H2, None)
    assert isinstance(arena, Arena)
    parent = players.snapshot(np.zeros(CIRCUIT.num_parameters))
    energies = np.array([parent.energy, parent.energy + 0.5])
    plain, raised = arena.auto(energies), arena.auto(energies, [parent])
    if not noisy:
        assert raised == plain
        return
    assert isinstance(players, MeasuredPlayers)
    f = players.attenuation(parent, plain)
    # The lift that survives, f²(c - E), is what the rule asks for without noise.
    assert f**2 * (raised - parent.energy) == pytest.approx(plain - parent.energy, rel=1e-9)
    assert raised > plain + 0.1


@pytest.mark.parametrize("device", ["fake_brisbane", "fake_torino"])
def test_calibrated_levels_on_a_compact_device(device: str) -> None:
    # No sampling: expectation values of the noisy circuits are exact, and all starts lead to like fixed points.
    estimator = NoisyEstimator(DeviceSnapshot.from_backend(device), [0, 1, 2])
    result = ExcitedStates(k=4, seed=11, estimator=estimator, budget=200).run(H2)
    exact = H2.energies(4)
    assert np.abs(result.noiseless_energies() - exact).max() < 3e-3
    assert np.abs(result.energies - result.noiseless_energies()).max() < 3e-3
    assert np.abs(result.energies - exact).max() < 4e-3
    # What calibration leaves is in the error bars: 5 standard errors.
    assert (np.abs(result.energies - result.noiseless_energies()) < 5 * result.errors).all()
    assert (result.attenuations > 0.5).all()
