"""Players on primitives: engines agree, gradients are right, shots and noise behave as predicted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from qiskit.primitives import StatevectorEstimator, StatevectorSampler

from qalgs.backends import CompiledEstimator, CompiledSampler
from qalgs.circuits import hardware_efficient, molecule, particle_conserving, tfim
from qalgs.eigengame import ExcitedStates
from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.exact import ExactPlayers
from qalgs.eigengame.measured import MeasuredPlayers
from qalgs.eigengame.measuring import Meter, qubit_wise
from qalgs.eigengame.penalty import collapse_threshold
from qalgs.eigengame.problem import Problem, prepare
from qalgs.errors import InvalidInputError, QalgsWarning
from qalgs.optimizers import Adam
from qalgs.results import Status

H2 = molecule("H2", 0.735, mapping="parity")
ANSATZE = {
    "real": (H2.hamiltonian, hardware_efficient(2, 1)),
    "complex": (H2.hamiltonian, hardware_efficient(2, 1, rotations=("ry", "rz"))),
    "givens": (molecule("H2").hamiltonian, particle_conserving(2, (1, 1))),
}


def aer(p2: float = 0.0) -> object:
    from qiskit_aer.noise import NoiseModel, depolarizing_error
    from qiskit_aer.primitives import EstimatorV2

    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(p2, 2), ["cx"])
    options = {"method": "density_matrix", "max_parallel_threads": 1}
    return EstimatorV2(options={"backend_options": {**options, "noise_model": noise} if p2 else options})


def pair(case: str, **options: object) -> tuple[Problem, ExactPlayers, MeasuredPlayers]:
    h, ansatz = ANSATZE[case]
    problem = prepare(h, k=2, ansatz=ansatz)
    measured = MeasuredPlayers(problem, rng=np.random.default_rng(0), **options)  # type: ignore[arg-type]
    return problem, ExactPlayers(problem), measured


@pytest.mark.parametrize("method", ["eigengame", "hotelling", "vqd"])
@pytest.mark.parametrize("case", ANSATZE)
def test_measured_costs_and_gradients_equal_exact_ones(method: str, case: str, rng: np.random.Generator) -> None:
    problem, exact, measured = pair(case, estimator=CompiledEstimator())
    points = rng.uniform(-3, 3, (3, exact.num_parameters))
    block = method == "eigengame"
    parents = [exact.snapshot(x) for x in points[:2]]
    published = [measured.snapshot(x) for x in points[:2]]
    np.testing.assert_allclose([p.energy for p in published], [p.energy for p in parents], atol=1e-10)
    a = exact.objective(method, 3.0, parents, block)(points[2])
    b = measured.objective(method, 3.0, published, block)(points[2])
    np.testing.assert_allclose(b[0], a[0], atol=1e-9)
    np.testing.assert_allclose(b[1], a[1], atol=1e-9)
    np.testing.assert_allclose(
        measured.overlaps(points[2], published), exact.overlaps(points[2], parents), atol=1e-9
    )
    assert measured.circuits > 0
    assert problem.num_qubits == exact.problem.num_qubits


@pytest.mark.parametrize("engine", ["qiskit", "aer", "pennylane"])
def test_engines_agree(engine: str, rng: np.random.Generator) -> None:
    if engine == "pennylane":
        import pennylane as qp

        estimator: object = qp.device("lightning.qubit", wires=3)
    else:
        estimator = StatevectorEstimator() if engine == "qiskit" else aer()
    _, exact, measured = pair("complex", estimator=estimator, calibrate=False)
    x, y = rng.uniform(-3, 3, (2, exact.num_parameters))
    parent = exact.snapshot(y)
    a = exact.objective("eigengame", 3.0, [parent], False)(x)
    b = measured.objective("eigengame", 3.0, [parent], False)(x)
    np.testing.assert_allclose(b[0], a[0], atol=1e-9)
    np.testing.assert_allclose(b[1], a[1], atol=1e-9)


@pytest.mark.parametrize("kind", ["sampler", "estimator"])
def test_shot_estimates_are_unbiased_within_their_errors(kind: str, rng: np.random.Generator) -> None:
    h, ansatz = ANSATZE["real"]
    sampler = CompiledSampler(default_shots=2000, seed=5) if kind == "sampler" else None
    estimator = CompiledEstimator(default_shots=2000, seed=5) if kind == "estimator" else None
    meter = Meter(estimator, sampler, 2000, precise=False)
    x = rng.uniform(-3, 3, (1, ansatz.num_parameters))
    means, errors = meter.expectations(ansatz, h, np.repeat(x, 50, axis=0))
    exact = Meter(CompiledEstimator(), None, None).expectations(ansatz, h, x)[0][0]
    assert abs(means.mean() - exact) < 5 * errors.mean() / np.sqrt(50)
    # The reported errors are the scatter: ratio of standard deviations from 50 samples, z = 5.
    assert means.std(ddof=1) / errors.mean() == pytest.approx(1, abs=5 / np.sqrt(2 * 49))
    assert meter.circuits == 50 * len(qubit_wise(h))
    assert meter.shots == 2000 * meter.circuits


def test_zero_probability_by_sampler_and_projector(rng: np.random.Generator) -> None:
    circuit = hardware_efficient(2, 1)
    x = rng.uniform(-1, 1, (1, 4))
    exact = Meter(CompiledEstimator(), None, None).zero_probability(circuit, x)[0][0]
    sampled, error = Meter(None, StatevectorSampler(seed=3), 4000).zero_probability(circuit, x)
    assert abs(sampled[0] - exact) < 5 * error[0]


def test_shots_find_all_levels_of_hydrogen() -> None:
    result = ExcitedStates(k=4, shots=1000, seed=0).run(H2)
    exact = H2.energies(4)
    assert np.abs(result.noiseless_energies() - exact).max() < 1.6e-3
    # Measured energies: the error of the parameters and five standard errors.
    assert (np.abs(result.energies - result.noiseless_energies()) < 5 * result.errors + 1e-6).all()
    assert 0 < result.errors.max() < 1e-3
    assert result.ritz.errors.max() > 0
    assert result.costs.shots == 1000 * result.costs.circuits


def test_cross_terms_cost_little_more_than_overlaps() -> None:
    circuits = {}
    for method in ("eigengame", "vqd"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", QalgsWarning)
            result = ExcitedStates(k=4, method=method, shots=100, seed=1, budget=40).run(H2)
        circuits[method] = result.costs.circuits / sum(result.costs.per_state)
    assert circuits["eigengame"] <= 1.3 * circuits["vqd"]


def test_noise_collapses_the_uncalibrated_player_as_predicted() -> None:
    # Parents exact; the question is where the attenuated cost of the last level has its minimum.
    estimator = aer(0.02)
    problem = prepare(H2, k=4, ansatz=hardware_efficient(2, 2))
    exact = ExactPlayers(problem)
    trained = ExcitedStates(k=4, seed=0, ansatz=hardware_efficient(2, 2)).run(H2)
    c = 0.5 + H2.nuclear_repulsion - problem.offset
    parents = [exact.snapshot(x) for x in trained.parameters[:3]]
    parents = [Snapshot(parameters=p.parameters, energy=p.energy, vector=p.vector, image=p.image) for p in parents]
    levels = H2.energies(4) - problem.offset
    target, ground = trained.parameters[3], trained.parameters[0]
    costs = {}
    for calibrate in (False, True):
        players = MeasuredPlayers(
            problem,
            estimator=estimator,
            rng=np.random.default_rng(0),
            calibrate=calibrate,
            cross_form="multiplexed",
        )
        objective = players.objective("eigengame", c, parents, False)
        costs[calibrate] = objective(ground)[0], objective(target)[0]
        attenuation = players.attenuation(parents[0], c)
    # The amplitude decays by f, so the parent is lifted by f² only.
    assert attenuation**2 < (levels[3] - levels[0]) / (c - levels[0])
    assert attenuation < collapse_threshold(levels[3] - levels[0], c, levels[0])
    assert costs[False][0] < costs[False][1]
    assert costs[True][0] > costs[True][1]


def test_calibrated_run_survives_two_percent_depolarising_noise() -> None:
    options = {"k": 2, "seed": 0, "estimator": aer(0.02), "optimizer": Adam(lr=(0.3, 0.05)), "budget": 60}
    result = ExcitedStates(**options).run(H2)  # type: ignore[arg-type]
    assert np.abs(result.noiseless_energies() - H2.energies(2)).max() < 3e-3
    assert (result.attenuations < 0.95).all()
    assert result.status in {Status.CONVERGED, Status.BUDGET}


def test_compact_device_takes_players_and_their_ancilla(rng: np.random.Generator) -> None:
    from qalgs.backends import DeviceSnapshot, NoisyEstimator

    snapshot = DeviceSnapshot.from_backend("fake_brisbane")
    _, exact, measured = pair("real", estimator=NoisyEstimator(snapshot, [0, 1, 2]))
    x, y = rng.uniform(-3, 3, (2, 4))
    parent = exact.snapshot(y)
    assert 0.5 < measured.attenuation(parent, 3.0) < 0.9
    raw = MeasuredPlayers(measured.problem, estimator=measured.meter.estimator, rng=rng, calibrate=False)
    # Noise moves energies towards the mean, here zero; calibration undoes most of it.
    points = np.vstack([x, rng.uniform(-3, 3, (19, 4))])
    truth, noisy = exact.energies(points), raw.energies(points)
    assert np.linalg.norm(noisy) < np.linalg.norm(truth)
    assert np.linalg.norm(measured.energies(points) - truth) < 0.2 * np.linalg.norm(noisy - truth)
    problem = prepare(H2, k=2, ansatz=hardware_efficient(2, 1))
    with pytest.raises(InvalidInputError, match="layout must have 3 qubits"):
        MeasuredPlayers(problem, estimator=NoisyEstimator(snapshot, [0, 1]), rng=rng)


def test_parallel_rounds_under_shots() -> None:
    h, ansatz = tfim(2), hardware_efficient(2, 1)
    options = {"shots": 500, "seed": 0, "budget": 80, "ansatz": ansatz, "schedule": "parallel"}
    result = ExcitedStates(k=2, **options).run(h)
    assert result.costs.critical_path < sum(result.costs.per_state)
    assert np.abs(result.noiseless_energies() - np.linalg.eigvalsh(h.to_matrix())[:2]).max() < 0.05


def test_lbfgs_under_shots_is_warned_about() -> None:
    with pytest.warns(QalgsWarning, match="does not tolerate shot noise"):
        ExcitedStates(k=1, shots=50, optimizer="lbfgs", budget=3, seed=0).run(tfim(2))


def test_derivative_free_optimiser_measures_no_gradient() -> None:
    result = ExcitedStates(k=1, shots=500, optimizer="spsa", budget=100, seed=0).run(tfim(2))
    assert result.costs.gradients == 0
    assert result.history[0].grad_norm != result.history[0].grad_norm
