"""Every algorithm on every engine: one test, algorithms x engines.

Each algorithm runs on a small instance and returns checks: a number that it got from the engine, the number of the
exact engine, and the standard error of the first. Exact engines must agree to 1e-9, sampled ones to 5 sigma.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs.backends import (
    CompiledEstimator,
    CompiledSampler,
    DeviceSnapshot,
    PennyLaneEstimator,
    RuntimeEstimator,
    RuntimeSampler,
    compile_circuit,
)
from qalgs.circuits import hardware_efficient, max_cut, qaoa, tfim
from qalgs.eigengame import ExcitedStates
from qalgs.max3cut import run_qaoa
from qalgs.nest import BestMap, Campaign, EstimatorExecutor, Job, Ledger
from qalgs.optimizers import COBYLA, Adam
from qalgs.qlsp import VQLS, ChebyshevLCU, LinearSystem, ProximalPoint, QSVTInversion

SHOTS = 2048
EXACT = 1e-9
Check = tuple[float, float, float]


@cache
def quiet_backend() -> Any:
    """A fake device without noise, in local testing mode: what comes back differs by shot noise alone."""
    from qiskit.providers.fake_provider import GenericBackendV2

    return GenericBackendV2(6, noise_info=False, seed=1)


@dataclass(frozen=True)
class Engine:
    """An engine as users inject it.

    Attributes:
        estimator: Makes a V2 estimator.
        sampler: Makes a V2 sampler, or None where there is none.
        amplitudes: Name of the exact backend for algorithms that read amplitudes, or None.
        shots: Shots per circuit, None if exact.
    """

    estimator: Callable[[], Any]
    sampler: Callable[[], Any] | None
    amplitudes: str | None
    shots: int | None = None


def aer_estimator() -> Any:
    from qiskit_aer.primitives import EstimatorV2

    return EstimatorV2(options={"default_precision": 0.0, "backend_options": {"method": "statevector"}})


def aer_sampler() -> Any:
    from qiskit_aer.primitives import SamplerV2

    return SamplerV2(seed=11)


def runtime_estimator() -> Any:
    return RuntimeEstimator(quiet_backend(), optimization_level=1, seed=3, default_precision=SHOTS**-0.5)


def runtime_sampler() -> Any:
    return RuntimeSampler(quiet_backend(), optimization_level=1, seed=4, default_shots=SHOTS)


def pennylane_shots() -> Any:
    import pennylane as qml

    return PennyLaneEstimator(qml.device("default.qubit", wires=6, seed=5), default_shots=SHOTS)


ENGINES = {
    "compiled": Engine(CompiledEstimator, lambda: CompiledSampler(seed=1), "compiled"),
    "aer-engine": Engine(
        lambda: CompiledEstimator(engine="aer"), lambda: CompiledSampler(seed=2, engine="aer"), "aer"
    ),
    "aer-primitives": Engine(aer_estimator, aer_sampler, "aer"),
    "runtime-local": Engine(runtime_estimator, runtime_sampler, None, SHOTS),
    "pennylane": Engine(lambda: PennyLaneEstimator("default.qubit"), None, "pennylane"),
    "pennylane-shots": Engine(pennylane_shots, None, "pennylane", SHOTS),
}


def zipped(found: Any, exact: Any, errors: Any = 0.0) -> Iterable[Check]:
    arrays = np.broadcast_arrays(np.asarray(found), np.asarray(exact), np.asarray(errors))
    return [(float(f), float(e), float(s)) for f, e, s in zip(*(a.ravel() for a in arrays), strict=True)]


@cache
def snapshot() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def nest(engine: Engine) -> Iterable[Check]:
    """Two jobs of a campaign: every value against the exact one at its own point."""
    cost = max_cut(nx.path_graph(2))
    jobs = {"chain": Job("chain", hardware_efficient(2, 1), tfim(2)), "cut": Job("cut", qaoa(cost, 1), cost)}
    with Ledger() as ledger:
        result = Campaign(
            list(jobs.values()),
            snapshot(),
            strategy=BestMap(cycles=1),
            evaluations=4,
            shots=engine.shots or 0,
            optimizer=COBYLA(),
            seed=1,
            ledger=ledger,
            executor=EstimatorExecutor(engine.estimator()),
        ).run()
        made = ledger.evaluations(result.campaign)
    assert len(made) == 8
    for e in made:
        job = jobs[e.job]
        exact = CompiledEstimator().run([(job.circuit, job.observable, e.point)]).result()[0].data.evs
        yield e.value, float(exact), e.std


def levels(method: str) -> Callable[[Engine], Iterable[Check]]:
    def run(engine: Engine) -> Iterable[Check]:
        """Final energies against those of the final states, and for exact engines every step of the way."""

        def solve(estimator: Any, shots: int | None) -> Any:
            solver = ExcitedStates(
                k=2,
                method=method,
                estimator=estimator,
                shots=shots,
                optimizer=Adam(lr=0.2),
                budget=2 if shots else 4,
                restarts=1,
                seed=7,
                ansatz=hardware_efficient(2, 1),
            )
            return solver.run(tfim(2, 1.0, 0.7, False))

        result = solve(engine.estimator(), engine.shots)
        yield from zipped(result.energies, result.noiseless_energies(), result.errors)
        if engine.shots is None:
            expected = solve(CompiledEstimator(), None)
            yield from zipped([e.energy for e in result.history], [e.energy for e in expected.history])
            yield from zipped([e.utility for e in result.history], [e.utility for e in expected.history])
            yield from zipped(result.overlaps, np.abs(result.states.conj() @ result.states.T))
            yield from zipped(result.ritz.energies, expected.ritz.energies)

    return run


SYSTEM = LinearSystem(np.array([[1.0, 0.25], [0.25, 0.7]]), np.array([1.0, -0.4]))
OBSERVABLES = {"Z": np.diag([1.0, -1.0]), "X": np.array([[0.0, 1.0], [1.0, 0.0]])}


def linear(solver: Any) -> Callable[[Engine], Iterable[Check]]:
    def run(engine: Engine) -> Iterable[Check]:
        """Amplitudes, or probability and observables from counts or from an estimator."""
        if isinstance(solver, VQLS):
            yield from variational(solver, engine)
            return
        exact = solver.solve(SYSTEM, observables=OBSERVABLES, backend="compiled")
        if engine.amplitudes is not None:
            found = solver.solve(SYSTEM, observables=OBSERVABLES, backend=engine.amplitudes)
            yield from zipped(found.x, exact.x)
            yield found.success_probability, exact.success_probability, 0.0
        if isinstance(solver, ProximalPoint):
            if engine.sampler is not None:
                # Solving for the residual corrects the shot noise of every pass before.
                found = solver.solve(SYSTEM, epsilon=0.1, sampler=engine.sampler(), shots=SHOTS)
                assert found.shots > 0
                assert found.direction_error < 0.1
            return
        measured = solver.solve(SYSTEM, observables=OBSERVABLES, estimator=engine.estimator())
        for name, (value, std) in measured.observables.items():
            yield value, exact.observables[name][0], std if engine.shots else 0.0
        if engine.sampler is not None:
            counted = solver.solve(
                SYSTEM, observables=OBSERVABLES, sampler=Sampled(engine.sampler(), SHOTS), shots=SHOTS
            )
            p = exact.success_probability
            yield counted.success_probability, p, float(np.sqrt(p * (1 - p) / counted.shots)) + 1e-12
            for name, (value, std) in counted.observables.items():
                yield value, exact.observables[name][0], std

    return run


def variational(solver: VQLS, engine: Engine) -> Iterable[Check]:
    """The cost of a few steps; from counts, the observables of the state that the run ended with."""
    if engine.amplitudes is not None:
        exact = solver.solve(SYSTEM, backend="compiled")
        found = solver.solve(SYSTEM, backend=engine.amplitudes)
        yield from zipped(found.x, exact.x)
        yield found.details["cost"], exact.details["cost"], 0.0
    options: dict[str, Any] = {"estimator": engine.estimator()}
    if engine.sampler is not None:
        options = {"sampler": Sampled(engine.sampler(), SHOTS), "shots": SHOTS}
    measured = solver.solve(SYSTEM, observables=OBSERVABLES, **options)
    state = compile_circuit(measured.circuit).states(np.empty((1, 0)))[0]
    for name, (value, std) in measured.observables.items():
        sampled = engine.shots or engine.sampler
        yield value, float(np.vdot(state, OBSERVABLES[name] @ state).real), std if sampled else 0.0


class Sampled:
    """A sampler that insists on being asked for the number of shots agreed on."""

    def __init__(self, sampler: Any, shots: int) -> None:
        self.sampler, self.shots = sampler, shots

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sampler, name)

    def run(self, pubs: Any, *, shots: int | None = None) -> Any:
        assert shots == self.shots
        return self.sampler.run(pubs, shots=shots)


class Recorder:
    """An estimator that remembers what it was asked and what it said."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.said: list[tuple[Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.estimator, name)

    def run(self, pubs: Any, **options: Any) -> Any:
        job = self.estimator.run(pubs, **options)
        self.said += [(pub, result.data) for pub, result in zip(pubs, job.result(), strict=True)]
        return job


def cut(encoding: Any) -> Callable[[Engine], Iterable[Check]]:
    def run(engine: Engine) -> Iterable[Check]:
        """Every energy of the training, and the final samples' cut."""
        graph: Any = nx.Graph()
        graph.add_edge(0, 1, weight=1.5)
        recorder = Recorder(engine.estimator())
        sampler = engine.sampler() if engine.sampler is not None else None
        result = run_qaoa(graph, encoding, budget=5, samples=SHOTS, seed=2, estimator=recorder, sampler=sampler)
        assert result.evaluations == 5
        for pub, data in recorder.said:
            exact = CompiledEstimator().run([pub]).result()[0].data.evs
            yield from zipped(data.evs, exact, data.stds if engine.shots else 0.0)
        # the final samples are drawn, whatever the engine
        yield result.expected_cut, exact_cut(graph, encoding, result.point), result.standard_error + EXACT

    return run


def exact_cut(graph: Any, encoding: Any, point: Any) -> float:
    """Expected cut of the feasible outcomes at given angles, from the exact distribution."""
    from qalgs.circuits import max3cut_encoding, max3cut_qaoa

    coded = max3cut_encoding(graph, encoding)
    chances = np.abs(compile_circuit(max3cut_qaoa(coded, 1)).states(point)[0]) ** 2
    labels, good = coded.labels(), coded.feasible()
    cuts = 1.5 * (labels[:, 0] != labels[:, 1])
    return float(chances[good] @ cuts[good] / chances[good].sum())


ALGORITHMS: dict[str, Callable[[Engine], Iterable[Check]]] = {
    "nest": nest,
    "eigengame": levels("eigengame"),
    "hotelling": levels("hotelling"),
    "vqd": levels("vqd"),
    "ssvqe": levels("ssvqe"),
    "qsvt": linear(QSVTInversion(epsilon=0.05)),
    "chebyshev": linear(ChebyshevLCU(epsilon=0.1)),
    "vqls": linear(VQLS(epsilon=0.3, layers=2, restarts=1, budget=8)),
    "proximal": linear(ProximalPoint(QSVTInversion(epsilon=0.05), form="residual")),
    "qaoa-one-hot": cut("one-hot"),
    "qaoa-binary": cut("binary"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", list(ENGINES))
@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_every_algorithm_takes_every_engine(algorithm: str, engine: str) -> None:
    checks = list(ALGORITHMS[algorithm](ENGINES[engine]))
    assert checks or algorithm == "proximal"
    for found, exact, error in checks:
        assert abs(found - exact) <= (5 * error if error else EXACT), f"{found} against {exact} +- {error}"
