"""Campaigns on any V2 estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from campaign_cases import campaign, chain, ring, snapshot
from qiskit.primitives import DataBin, PrimitiveResult, PubResult, StatevectorEstimator

from qalgs.backends import CompiledEstimator, NoisyEstimator
from qalgs.backends.compiled_pubs import FinishedJob
from qalgs.errors import ExecutionError, InvalidInputError
from qalgs.nest import BestMap, EstimatorExecutor, InvertedReLU, Ledger, Nest
from qalgs.optimizers import LBFGS
from qalgs.seeds import keyed

SHORT = Nest(InvertedReLU(cycles=2))


def test_exact_values_are_those_of_the_ideal_circuits() -> None:
    with Ledger() as ledger:
        made = campaign(strategy=SHORT, shots=0, ledger=ledger, executor=EstimatorExecutor(StatevectorEstimator()))
        result = made.run()
        evaluations = ledger.evaluations(result.campaign)
    jobs = {"chain": chain(), "ring": ring()}
    assert {e.job for e in evaluations} == set(jobs)
    for e in evaluations:
        job = jobs[e.job]
        ideal = CompiledEstimator().run([(job.circuit, job.observable, e.point)]).result()[0].data.evs
        assert e.value == pytest.approx(float(ideal), abs=1e-10)
        assert e.shots == 0


def test_a_seeded_estimator_draws_from_the_evaluations_own_stream() -> None:
    job, layout = chain(), (0, 1, 2)
    executor = EstimatorExecutor(NoisyEstimator(snapshot(), layout, seed=99), decompose=False)
    with Ledger() as ledger:
        result = campaign(job, strategy=SHORT, ledger=ledger, executor=executor).run()
        made = ledger.evaluations(result.campaign)
    for e in made[:: len(made) // 4]:
        rng = keyed(5, "shots", "chain", e.cycle, e.evaluation)
        pub = (job.circuit, job.observable, e.point)
        data = NoisyEstimator(snapshot(), layout).run([pub], precision=1 / 8, seed=rng).result()[0].data
        assert (float(data.evs), float(data.stds)) == (e.value, e.std)


@pytest.mark.parametrize("estimator", [CompiledEstimator(), StatevectorEstimator()], ids=["gradient", "shift"])
def test_gradients_with_and_without_a_gradient_method(estimator: Any) -> None:
    job = ring()
    executor = EstimatorExecutor(estimator)
    run = campaign(
        job, strategy=BestMap(cycles=1), shots=0, optimizer=LBFGS(), evaluations=20, executor=executor
    ).run()
    assert run.jobs[0].measured < -1.5
    point = np.array([0.3, 0.7])
    value, slope = executor._gradient(job.circuit, job.observable, point)
    expected = CompiledEstimator().gradient(job.circuit, job.observable, point)
    assert value == pytest.approx(float(expected[0]), abs=1e-10)
    assert np.allclose(slope, expected[1], atol=1e-9)


class Broken:
    """An estimator that answers with something that is no number."""

    def __init__(self, value: float | Exception) -> None:
        self.value = value

    def run(self, pubs: list[Any], *, precision: float | None = None) -> FinishedJob:
        if isinstance(self.value, Exception):
            raise self.value
        data = DataBin(evs=np.array(self.value), stds=np.array(0.0), shape=())
        return FinishedJob(PrimitiveResult([PubResult(data) for _ in pubs]))


@pytest.mark.parametrize("value", [float("nan"), RuntimeError("out of service")])
def test_failures_are_told_in_one_line(value: Any) -> None:
    running = campaign(strategy=SHORT, executor=EstimatorExecutor(Broken(value)))
    with pytest.raises(ExecutionError, match=r"Broken (failed: out of service|returned values)"):
        running.run()


def test_what_is_no_estimator_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="V2 estimator"):
        EstimatorExecutor(object())


def test_the_description_names_estimator_and_backend() -> None:
    assert EstimatorExecutor(StatevectorEstimator()).describe() == {
        "name": "estimator",
        "estimator": "StatevectorEstimator",
    }
    noisy = EstimatorExecutor(NoisyEstimator(snapshot(), (0, 1))).describe()
    assert noisy["layout"] == [0, 1]
