from __future__ import annotations

import numpy as np
import pytest
from campaign_cases import chain, ring, snapshot
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs.backends import NoisyEstimator
from qalgs.errors import InvalidInputError
from qalgs.nest import Convergence, Job, LayoutCatalogue, Rates, bootstrap
from qalgs.nest.convergence import evaluations_to
from qalgs.nest.metrics import lowest_eigenvalue, noiseless, progress_of, quality_of
from qalgs.nest.usage import Load, usage


def brute_convergence(values: np.ndarray, window: int, tolerance: float, least: int) -> int | None:
    for e in range(least, len(values) - window + 1):
        if values[:e].min() - values[: e + window].min() < tolerance:
            return e
    return None


@pytest.mark.parametrize("least", [1, 4])
@pytest.mark.parametrize("size", [1, 5, 6, 40])
def test_convergence_equals_its_definition(size: int, least: int, rng: np.random.Generator) -> None:
    for _ in range(20):
        values = np.cumsum(rng.normal(-0.05, 0.1, size=size))
        rule = Convergence(window=5, tolerance=0.1, least=least)
        assert rule.evaluations(values) == brute_convergence(values, 5, 0.1, least)


def test_convergence_reads_one_trace_the_same_whoever_made_it() -> None:
    falling = np.concatenate([np.linspace(1, 0, 50), np.zeros(100)])
    rule = Convergence(window=100, tolerance=0.04)
    assert rule.evaluations(falling) == 49
    assert rule.evaluations(falling[:100]) is None
    assert not rule.reached(list(falling))
    assert Convergence(window=100, tolerance=0.04, stop=True).reached(list(falling))


@pytest.mark.parametrize(
    ("options", "name"), [({"window": 0}, "window"), ({"tolerance": np.nan}, "tolerance"), ({"least": 0}, "least")]
)
def test_convergence_refuses_nonsense(options: dict[str, float], name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"convergence.{name} must be"):
        Convergence(**options)  # type: ignore[arg-type]


def test_censored_runs_count_as_later_than_any_other() -> None:
    traces = [([1, 5, 9], [3.0, 1.0, 0.0]), ([2, 4], [3.0, 2.0]), ([7], [0.5])]
    found = evaluations_to(1.0, traces)
    assert found.counts == (5, None, 7)
    assert (found.median, found.reached, found.censored) == (7.0, 2, 1)
    assert evaluations_to(0.2, traces).median is None
    assert evaluations_to(9.0, traces[:2]).median == 1.5


def test_bootstrap_covers_the_mean_at_its_level(rng: np.random.Generator) -> None:
    hits = 0
    for k in range(200):
        interval = bootstrap(rng.normal(3.0, 1.0, size=25), resamples=400, seed=k)
        assert interval.low <= interval.best <= interval.high
        hits += interval.low <= 3.0 <= interval.high
    # Percentile intervals of 25 samples cover about 93 %; z = 5 below that.
    assert hits >= 200 * (0.93 - 5 * np.sqrt(0.93 * 0.07 / 200))
    x, y = rng.normal(size=8), rng.normal(size=8)
    assert bootstrap(x, paired=y).best == pytest.approx(float(np.mean(x - y)))
    assert bootstrap(np.full(5, 2.0)).low == bootstrap(np.full(5, 2.0)).high == 2.0
    with pytest.raises(InvalidInputError, match="paired must have the shape"):
        bootstrap(x, paired=y[:3])
    with pytest.raises(InvalidInputError, match="samples must be a non-empty"):
        bootstrap([np.nan])


@pytest.mark.parametrize("job", [chain(), ring()], ids=lambda j: j.name)
def test_quality_is_what_it_says(job: Job, rng: np.random.Generator) -> None:
    theta = rng.normal(size=job.circuit.num_parameters)
    catalogue = LayoutCatalogue.for_circuit(job.circuit, snapshot())
    found = quality_of(job, theta, catalogue, snapshot())
    estimator = NoisyEstimator(snapshot(), catalogue.best())
    noisy = estimator.run([(job.circuit, job.observable, theta)]).result()[0].data.evs
    ideal = Statevector(job.circuit.assign_parameters(theta)).expectation_value(job.observable).real
    lowest = np.linalg.eigvalsh(job.observable.to_matrix())[0]
    assert found.reference == pytest.approx(float(noisy), abs=1e-12)
    assert found.noiseless == pytest.approx(ideal, abs=1e-12)
    assert found.exact == pytest.approx(lowest, abs=1e-12)
    assert found.gap == pytest.approx(found.reference - lowest)
    if job.baseline is not None:
        assert found.ratio == pytest.approx((job.baseline - found.reference) / (job.baseline - lowest))


def test_lowest_eigenvalues_agree_between_methods(rng: np.random.Generator) -> None:
    circuit = chain(n=8).circuit
    labels = ["".join(rng.choice(list("IXYZ"), size=8)) for _ in range(12)]
    diagonal = ["".join(rng.choice(list("IZ"), size=8)) for _ in range(12)]
    for terms in (labels, diagonal):
        op = SparsePauliOp(terms, rng.normal(size=12))
        expected = np.linalg.eigvalsh(op.to_matrix())[0]
        assert lowest_eigenvalue(Job("j", circuit, op)) == pytest.approx(expected, abs=1e-9)


def test_progress_follows_the_lowest_measured_point(rng: np.random.Generator) -> None:
    job = chain()
    catalogue = LayoutCatalogue.for_circuit(job.circuit, snapshot())
    points = list(rng.normal(size=(6, job.circuit.num_parameters)))
    at, energies = progress_of(job, [3.0, 4.0, 2.0, 2.0, 1.0, 5.0], points, catalogue, snapshot())
    assert at.tolist() == [1, 3, 5]
    expected = [quality_of(job, points[i], catalogue, snapshot()).reference for i in (0, 2, 4)]
    assert np.allclose(energies, expected, atol=1e-12)
    assert noiseless(job, np.stack(points)).shape == (6,)


def brute_seconds(loads: list[Load], rates: Rates) -> float:
    total = 0.0
    for cycle in {load.cycle for load in loads}:
        here = [load for load in loads if load.cycle == cycle]
        for step in range(max(load.evaluations for load in here)):
            alive = [load for load in here if load.evaluations > step]
            total += rates.overhead
            for r in range(max(load.bases for load in alive)):
                inside = [load for load in alive if load.bases > r]
                longest = max(load.duration for load in inside) + rates.repetition_delay
                total += max(load.shots for load in inside) * longest
    return total


@pytest.mark.parametrize("sharing", ["equal", "qubit_seconds"])
def test_usage_adds_up(sharing: str, rng: np.random.Generator) -> None:
    rates = Rates(overhead=0.5, sharing=sharing)  # type: ignore[arg-type]
    loads = [
        Load(
            job=f"j{j}",
            cycle=c,
            evaluations=int(rng.integers(0, 6)) + (j == 0),
            bases=int(rng.integers(1, 4)),
            shots=int(rng.integers(1, 100)),
            duration=float(rng.random()) * 1e-3,
            qubits=int(rng.integers(2, 7)),
        )
        for c in range(3)
        for j in range(4)
    ]
    found = usage(loads, 20, rates)
    assert found.device_seconds == pytest.approx(brute_seconds(loads, rates))
    assert sum(found.shares["device_seconds"].values()) == pytest.approx(found.device_seconds)
    assert sum(found.shares["cost"].values()) == pytest.approx(found.cost)
    assert found.serial_seconds >= found.device_seconds
    assert found.submissions == sum(max(x.evaluations for x in loads if x.cycle == c) for c in range(3))
    assert found.shots == sum(x.evaluations * x.bases * x.shots for x in loads)
    assert 0 < found.utilisation < 1
    assert found.spans[-1][2] == pytest.approx(found.device_seconds)


def test_one_job_alone_shares_with_nobody() -> None:
    load = Load(job="a", cycle=0, evaluations=10, bases=2, shots=100, duration=1e-3, qubits=5)
    found = usage([load], 10, Rates(repetition_delay=1e-3))
    assert found.device_seconds == pytest.approx(10 * 2 * 100 * 2e-3) == found.serial_seconds
    assert found.utilisation == pytest.approx(0.5)
    with pytest.raises(InvalidInputError, match="sharing must be"):
        Rates(sharing="never")  # type: ignore[arg-type]
