"""Readout with shots and noisy devices: what one deep circuit loses and the residual proximal run keeps."""

from __future__ import annotations

import numpy as np
import pytest

from qalgs.circuits import prepare_state
from qalgs.errors import ExecutionError, InvalidInputError
from qalgs.qlsp import (
    HHL,
    VQLS,
    Executor,
    ProximalPoint,
    QSVTInversion,
    expectation_value,
    noise_sweep,
    overlap,
    random_system,
    tomography,
)
from qalgs.qlsp.execution import Program
from qalgs.qlsp.readout import nearest_state
from qalgs.qlsp.solvers.base import problem_of


def test_readout_is_unbiased_and_counted() -> None:
    for complex_entries in (False, True):
        system = random_system(4, 4, complex_entries=complex_entries, seed=3)
        exact = QSVTInversion(epsilon=1e-2).solve(system)
        found = QSVTInversion(epsilon=1e-2).solve(system, shots=4000, seed=5)
        assert found.circuits == 9
        assert found.shots == 9 * 4000
        assert found.norm_source == "residual"
        # Five standard errors: each Pauli of the conditional state is known to 1/sqrt(9 shots p / 9).
        sigma = np.sqrt(16 / (4000 * exact.success_probability))
        assert found.direction_error < exact.direction_error + 5 * sigma
        p = exact.success_probability
        assert abs(found.success_probability - p) < 5 * np.sqrt(p * (1 - p) / found.shots)


def test_observables_and_overlaps_without_reading_the_state() -> None:
    system = random_system(4, 4, seed=3)
    problem = problem_of(system)
    program = QSVTInversion(epsilon=1e-2).program(problem, 1e-2, dense=True)
    exact = Executor().read(program, system.rhs).vector
    exact = exact / np.linalg.norm(exact)
    operator = np.diag([1.0, -2.0, 0.5, 3.0]) + 0.3 * (np.eye(4, k=1) + np.eye(4, k=-1))
    truth = float(np.vdot(exact, operator @ exact).real)
    assert expectation_value(Executor(), program, system.rhs, operator).value == pytest.approx(truth)
    shots = Executor(shots=20_000, seed=2)
    sampled = expectation_value(shots, program, system.rhs, operator)
    assert sampled.circuits <= 3
    assert abs(sampled.value - truth) < 5 * sampled.std
    v = np.array([1.0, 1.0, 0.0, -1.0])
    fraction = abs(v @ exact) ** 2 / 3
    assert overlap(Executor(), program, system.rhs, v).value == pytest.approx(fraction)
    seen = overlap(shots, program, system.rhs, v)
    assert seen.circuits == 1
    assert abs(seen.value - fraction) < 5 * seen.std
    asked = QSVTInversion(epsilon=1e-2).solve(system, shots=20_000, seed=4, observables={"O": operator})
    value, std = asked.observables["O"]
    assert abs(value - truth) < 5 * std
    value, std = QSVTInversion(epsilon=1e-2).solve(system, observables={"O": operator}).observables["O"]
    assert value == pytest.approx(truth)
    assert std == 0.0
    with pytest.raises(InvalidInputError, match="must be Hermitian of 4 rows"):
        QSVTInversion().solve(system, observables={"bad": np.eye(3)})


def test_any_estimator_measures_the_observables() -> None:
    from qiskit.primitives import StatevectorEstimator
    from qiskit_aer.primitives import EstimatorV2

    from qalgs.backends import CompiledEstimator

    system = random_system(4, 4, seed=3)
    operator = np.diag([1.0, -2.0, 0.5, 3.0]) + 0.3 * (np.eye(4, k=1) + np.eye(4, k=-1))
    found = QSVTInversion(epsilon=1e-2).solve(system)
    for estimator in (CompiledEstimator(), StatevectorEstimator(), EstimatorV2()):
        asked = QSVTInversion(epsilon=1e-2).solve(system, estimator=estimator, observables={"O": operator})
        assert asked.observables["O"][0] == pytest.approx(found.expectation(operator), abs=1e-8)


def test_depolarising_noise_fails_one_shot_but_not_the_residual_form() -> None:
    system = random_system(4, 20, seed=1)
    sweep = noise_sweep(
        [QSVTInversion(epsilon=1e-2), ProximalPoint(QSVTInversion(), form="residual")],
        system,
        [5e-3],
        epsilon=2e-2,
        shots=2000,
        seed=1,
    )
    one_shot, residual = (sweep.fidelities[name][0] for name in sweep.fidelities)
    assert one_shot < 0.5 < residual
    errors = list(sweep.direction_errors.values())
    assert errors[1][0] < 0.02
    spent = list(sweep.shots.values())
    assert spent[0][0] == 9 * 2000
    assert spent[1][0] % (9 * 2000) == 0


def test_tomography_returns_physical_states() -> None:
    program = Program(prepare_state([0.6, 0.0, 0.8j, 0.0]), 2, None, 1.0, 1, False)
    unit = np.array([0.6, 0.0, 0.8j, 0.0])
    for seed in range(8):
        rho = tomography(Executor(shots=40, seed=seed), program, np.ones(4)).density
        assert rho is not None
        assert np.trace(rho).real == pytest.approx(1.0)
        assert np.linalg.eigvalsh(rho)[0] > -1e-12  # forty shots of a pure state: linear inversion goes below 0
        assert np.vdot(unit, rho @ unit).real <= 1.0 + 1e-12


def test_the_nearest_state_is_the_nearest(rng: np.random.Generator) -> None:
    for size in (2, 4, 8):
        noise = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
        hermitian = (noise + noise.conj().T) / 2
        raw = hermitian + np.eye(size) * (1 - np.trace(hermitian).real) / size
        found = nearest_state(raw)
        assert np.trace(found).real == pytest.approx(1.0)
        assert np.linalg.eigvalsh(found)[0] > -1e-12
        # The condition for the projection on a convex set: no state lies on the far side of the plane through it.
        for _ in range(50):
            half = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
            other = half @ half.conj().T
            other /= np.trace(other).real
            assert np.vdot(other - found, raw - found).real < 1e-12
        np.testing.assert_allclose(nearest_state(found), found, atol=1e-12)


def test_fidelities_under_noise_lie_within_bounds_and_keep_solvers_apart() -> None:
    system = random_system(2, 2.0, seed=1)
    solvers = [QSVTInversion(epsilon=0.2), QSVTInversion(epsilon=0.1), HHL(epsilon=0.2), QSVTInversion()]
    sweep = noise_sweep(solvers, system, (0.0, 0.01), epsilon=0.2, shots=60, seed=4)
    names = ["QSVTInversion", "QSVTInversion (2)", "HHL", "QSVTInversion (3)"]
    for table in (sweep.direction_errors, sweep.fidelities, sweep.shots):
        assert list(table) == names
        assert all(len(row) == 2 for row in table.values())
    assert all(0.0 <= f <= 1.0 for row in sweep.fidelities.values() for f in row)
    assert sweep.fidelities["QSVTInversion"] == sweep.fidelities["QSVTInversion (2)"]  # same epsilon, same shots
    assert sweep.fidelities["HHL"] != sweep.fidelities["QSVTInversion"]


def test_compact_fake_device_fails_one_shot_but_not_the_residual_form() -> None:
    from qalgs.backends import DeviceSnapshot, NoisySampler

    snapshot = DeviceSnapshot.from_backend("fake_brisbane")
    system = random_system(4, 20, seed=0)
    deep = QSVTInversion(epsilon=1e-2).solve(
        system, sampler=NoisySampler(snapshot, [0, 1, 2, 3], seed=3), shots=2000
    )
    assert deep.fidelity < 0.5
    solver = ProximalPoint(QSVTInversion(), form="residual")
    sampler = NoisySampler(snapshot, [0, 1, 2, 3], seed=3)
    found = solver.solve(system, epsilon=2e-2, sampler=sampler, shots=2000)
    assert found.direction_error < 0.02
    assert found.shots == len(found.history) * 9 * 2000
    assert found.circuits == len(found.history) * 9
    assert found.max_degree <= 7
    # The same seed gives the same run.
    again = solver.solve(system, epsilon=2e-2, sampler=NoisySampler(snapshot, [0, 1, 2, 3], seed=3), shots=2000)
    np.testing.assert_array_equal(again.state, found.state)


def test_runtime_in_local_mode_and_aer_samplers() -> None:
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    from qalgs.backends import RuntimeSampler

    system = random_system(2, 3, seed=2)
    simulator = AerSimulator()
    for options in (
        {"sampler": RuntimeSampler(simulator, seed=5)},
        {"sampler": SamplerV2(seed=5)},
        {"backend": simulator},
        {"backend": "aer"},
        {"backend": "compiled"},
    ):
        found = QSVTInversion(epsilon=1e-2).solve(system, shots=4000, seed=1, **options)
        # Two settings (X and Z) of 4000 shots; five standard errors of the angle.
        assert found.direction_error < 0.01 + 5 / np.sqrt(4000 * found.success_probability)
        assert found.circuits == 2
    assert HHL(epsilon=0.2).solve(system, shots=2000, seed=1).shots == 4000


def test_variational_solver_with_shots_counts_its_tests() -> None:
    system = random_system(2, 2, seed=1)
    found = VQLS(epsilon=0.3, restarts=1, budget=12).solve(system, shots=500, seed=1)
    assert found.shots > 12 * 500
    assert found.circuits > 12
    # One more evaluation than the optimiser made: the fresh one behind the stated error.
    assert found.queries_A == found.queries_b == (found.details["evaluations"] + 1) * found.details["terms"]
    assert found.counted_queries() == {"U_A": found.queries_A, "U_b": found.queries_b}


def test_a_failing_sampler_is_named() -> None:
    class Broken:
        def run(self, pubs: object, *, shots: int) -> object:
            raise RuntimeError("no\nluck")

    with pytest.raises(ExecutionError, match="the sampler failed: no luck"):
        QSVTInversion(epsilon=0.1).solve(random_system(2, 2, seed=1), sampler=Broken(), shots=10)
