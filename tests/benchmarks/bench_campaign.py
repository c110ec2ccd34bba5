"""Campaigns: evaluations per second through scheduler, optimiser, simulator and ledger, against what it replaces.

pytest tests/benchmarks/bench_campaign.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from qalgs.backends import DeviceSnapshot
from qalgs.circuits import hardware_efficient, tfim
from qalgs.nest import (
    BestMap,
    BestMapRestarts,
    Campaign,
    InvertedReLU,
    Job,
    LayoutCatalogue,
    Ledger,
    LocalExecutor,
    Nest,
)
from qalgs.nest.ledger import Evaluation
from qalgs.optimizers import COBYLA, minimize

FAST = os.environ.get("QALGS_FAST", "") not in ("", "0") or "--benchmark-disable" in sys.argv
EVALUATIONS = 6 if FAST else 72
LAST: dict[int, list[float]] = {}


@cache
def snapshot() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@cache
def job(n: int) -> Job:
    return Job(f"tfim-{n}", hardware_efficient(n, 3, rotations=("ry", "rz")), tfim(n))


@cache
def catalogue(n: int) -> LayoutCatalogue:
    return LayoutCatalogue.for_circuit(job(n).circuit, snapshot())


def train(n: int, engine: str, evaluations: int, cycles: int) -> int:
    executor = LocalExecutor(snapshot(), engine=engine)
    running = Campaign(
        job(n),
        snapshot(),
        strategy=Nest(InvertedReLU(cycles=cycles)),
        evaluations=evaluations,
        seed=1,
        executor=executor,
        catalogues={job(n).name: catalogue(n)},
    )
    return running.run().evaluations


@pytest.mark.parametrize("peer", ["qalgs", "aer"])
@pytest.mark.parametrize("n", [4, 6])
def test_training_on_the_compiled_engine_and_on_aer(benchmark: Any, n: int, peer: str) -> None:
    """The same campaign, once on the compiled engine and once on Aer's density matrices."""
    evaluations = 4 if FAST else 24
    benchmark.group = f"Nest campaign, {n} qubits, {evaluations} evaluations"
    benchmark.extra_info.update({"peer": peer, "target": {"aer": 10}})
    engine = "compiled" if peer == "qalgs" else "aer"
    train(n, engine, 2, 1)
    assert benchmark.pedantic(train, args=(n, engine, evaluations, 1), rounds=1 if FAST else 3) == evaluations


def test_recording_an_evaluation(benchmark: Any, tmp_path: Path) -> None:
    """One transaction per evaluation, on disk."""
    ledger = Ledger(tmp_path / "ledger")
    campaign = ledger.open_campaign({"bench": 1}, {})
    point, counter = np.zeros(32), iter(range(10**9))

    def record() -> None:
        index = next(counter)
        made = Evaluation(
            job="a",
            cycle=0,
            evaluation=index,
            point=point,
            value=0.0,
            std=0.0,
            shots=1,
            seed_key=f"shots/a/0/{index}",
        )
        ledger.record(campaign, [made])

    benchmark(record)
    ledger.close()


@pytest.mark.parametrize("peer", ["qalgs", "qalgs with SciPy's COBYLA"])
def test_twelve_jobs_with_a_ledger_on_disk(benchmark: Any, tmp_path: Path, peer: str) -> None:
    """12 jobs of 4 qubits, 432 evaluations each, from the transpiler to the summary, in at most a minute."""
    jobs, evaluations = (2, 8) if FAST else (12, 72)
    engine: Literal["compiled", "scipy"] = "compiled" if peer == "qalgs" else "scipy"
    count = iter(range(100))

    def run() -> tuple[int, list[float]]:
        with Ledger(tmp_path / f"ledger-{next(count)}") as ledger:
            made = Campaign(
                [Job(f"tfim-{i}", job(4).circuit, job(4).observable) for i in range(jobs)],
                snapshot(),
                strategy=Nest(),
                optimizer=COBYLA(rhobeg=(1.0, 0.1), engine=engine),
                evaluations=evaluations,
                seed=1,
                ledger=ledger,
            ).run()
        return made.evaluations, [float(j.values[-1]) for j in made.jobs]

    benchmark.group = f"Nest campaign, {jobs} jobs, 4 qubits"
    benchmark.extra_info["peer"] = peer
    total, last = benchmark.pedantic(run, rounds=1 if FAST else 3)
    assert total == jobs * 6 * evaluations
    assert LAST.setdefault(jobs, last) == last
    if not FAST and peer == "qalgs" and benchmark.stats:
        assert benchmark.stats["median"] <= 60.0


@pytest.mark.parametrize("peer", ["qalgs", "scipy"])
def test_a_run_of_cobyla_and_scipys(benchmark: Any, peer: str) -> None:
    """The same points by compiled steps behind ask/tell and by SciPy's loop."""
    from scipy import optimize

    solve: Callable[..., Any] = optimize.minimize
    x0, budget = np.linspace(-1.0, 1.0, 16), 60 if FAST else 200
    mix = np.random.default_rng(5).normal(size=(4, 16))

    def cost(x: np.ndarray) -> float:
        return float(np.cos(mix @ x).sum() + 0.2 * np.cos(x).sum())

    def ours() -> int:
        return minimize(COBYLA(tol=1e-9), lambda p: np.array([cost(p[0])]), x0, budget=budget).evaluations

    def theirs() -> int:
        options = {"maxiter": budget, "tol": 1e-9}
        return int(solve(cost, x0, method="COBYLA", options=options).nfev)

    benchmark.group = "COBYLA, 16 parameters"
    benchmark.extra_info.update(peer=peer, target={"scipy": 15})
    assert benchmark(ours if peer == "qalgs" else theirs) == budget


def test_h2_on_brisbane_beats_the_published_baseline(benchmark: Any) -> None:
    """Nest and the restart control each lie well below one uninterrupted run, over seeds; smoke test when fast."""
    from qalgs.circuits import molecule
    from qalgs.nest.study import Study

    h2 = molecule("H2", 0.742)
    group = Job("H2", hardware_efficient(4, 3, rotations=("ry", "rz")), h2.hamiltonian)
    strategies = [Nest(), BestMapRestarts(), BestMap()]
    seeds = 1 if FAST else 20
    study = Study.grid(
        devices=[snapshot()],
        groups=[[group]],
        strategies=strategies,
        seeds=range(seeds),
        evaluations=EVALUATIONS,
        optimizer=COBYLA(rhobeg=(1.0, 0.1)),
    )
    result = benchmark.pedantic(study.run, rounds=1)
    (comparison,) = result.comparisons()
    benchmark.extra_info["nest minus control"] = str(comparison.to_control["Nest"])
    if not FAST:
        means = {row.strategy: row.reference.best for row in comparison.rows}
        assert means["Nest"] <= means["BestMap"] - 0.08
        assert means["BestMapRestarts"] <= means["BestMap"] - 0.08
