"""Players as jobs: their observables are the costs, and rounds of jobs find the levels."""

from __future__ import annotations

import numpy as np
import pytest

from qalgs.backends import CompiledEstimator
from qalgs.circuits import hardware_efficient, molecule, tfim
from qalgs.eigengame import ExcitedStates, PlayerRounds
from qalgs.errors import InvalidInputError
from qalgs.optimizers import LBFGS, minimize

H2 = molecule("H2", 0.735, mapping="parity")


@pytest.mark.parametrize("method", ["eigengame", "hotelling", "vqd"])
def test_observables_are_the_players_costs(method: str, rng: np.random.Generator) -> None:
    game = PlayerRounds(ExcitedStates(k=3, method=method, seed=1), tfim(2))
    jobs = game.jobs()
    x = rng.uniform(-3, 3, jobs[2].circuit.num_parameters)
    c = game.arena.shifts[2]
    expected = game._players.objective(method, c, game.snapshots[:2], False)(x)[0] + game.arena.problem.offset
    found = float(CompiledEstimator().run([(jobs[2].circuit, jobs[2].observable, x)]).result()[0].data.evs)
    assert found == pytest.approx(expected, abs=1e-9)


def test_rounds_of_jobs_find_all_levels() -> None:
    game = PlayerRounds(ExcitedStates(k=4, seed=0), H2, optimizer=LBFGS(), budget=25)
    for _ in range(10):
        ends = []
        for job in game.jobs():
            estimator = CompiledEstimator()

            def gradient(points: np.ndarray, job=job, estimator=estimator):  # type: ignore[no-untyped-def]
                return estimator.gradient(job.circuit, job.observable, points)

            best = minimize(
                job.optimizer, lambda p: p[:, 0], job.start, gradient=gradient, seed=job.seed, budget=job.budget
            )
            ends.append(best.x)
        game.publish(ends)
    result = game.result()
    np.testing.assert_allclose(result.energies, H2.energies(4), atol=1e-5)
    assert result.costs.critical_path == 10 * 25
    assert sum(result.costs.per_state) == 4 * 10 * 25


def test_players_run_as_co_located_jobs_of_a_campaign() -> None:
    from qalgs.nest import BestMap, Campaign, Job

    ansatz = hardware_efficient(2, 1)
    game = PlayerRounds(ExcitedStates(k=2, seed=0, ansatz=ansatz), tfim(2), budget=30)
    before = [s.energy for s in game.snapshots]
    for _ in range(2):
        jobs = [
            Job(
                j.name,
                j.circuit,
                j.observable,
                optimizer=j.optimizer,
                evaluations=j.budget,
                cycles=1,
                start=j.start,
            )
            for j in game.jobs()
        ]
        campaign = Campaign(jobs, "fake_brisbane", strategy=BestMap(cycles=1), shots=0, seed=1)
        found = {job.name: job for job in campaign.run().jobs}
        layouts = [set(found[f"player{i}"].cycles[0].layout) for i in range(2)]
        assert not layouts[0] & layouts[1]
        game.publish([found[f"player{i}"].theta for i in range(2)])
    result = game.result()
    exact = np.linalg.eigvalsh(tfim(2).to_matrix())[:2]
    assert np.abs(result.energies - exact).max() < np.abs(np.sort(before) - exact).max()
    assert np.abs(result.energies - exact).max() < 0.2


def test_bad_requests() -> None:
    with pytest.raises(InvalidInputError, match="must have k players"):
        PlayerRounds(ExcitedStates(k=2, method="ssvqe"), tfim(2))
    with pytest.raises(InvalidInputError, match="at most 8 qubits"):
        PlayerRounds(ExcitedStates(k=2), tfim(9))
    with pytest.raises(InvalidInputError, match="must be 2 vectors"):
        PlayerRounds(ExcitedStates(k=2), tfim(2)).publish([np.zeros(6)])
