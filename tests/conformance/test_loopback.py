"""QALGS_ENGINE=aer runs the exact routes of every algorithm without the compiled kernels, to the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs.backends import CompiledEstimator, DeviceSnapshot, Program, exact_program
from qalgs.backends.noise_engines import CompiledPlan
from qalgs.circuits import hardware_efficient, tfim
from qalgs.eigengame import ExcitedStates
from qalgs.max3cut import run_qaoa
from qalgs.nest import BestMap, Campaign, Job
from qalgs.qlsp import VQLS, LinearSystem, QSVTInversion

SYSTEM = LinearSystem(np.array([[1.0, 0.25], [0.25, 0.7]]), np.array([1.0, -0.4]))


def levels(method: str) -> Callable[[], Any]:
    solver = ExcitedStates(k=2, method=method, restarts=1, seed=3, ansatz=hardware_efficient(2, 1))
    return lambda: solver.run(tfim(2, 1.0, 0.7, False)).energies


def sampled() -> Any:
    solver = ExcitedStates(k=2, shots=200, restarts=1, budget=4, seed=3, ansatz=hardware_efficient(2, 1))
    return solver.run(tfim(2, 1.0, 0.7, False)).energies


def batch() -> Any:
    job = Job("chain", hardware_efficient(2, 1), tfim(2))
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    running = Campaign(job, snapshot, strategy=BestMap(cycles=1), evaluations=4, shots=0, seed=1)
    return running.run().jobs[0].values


def cut() -> Any:
    return run_qaoa(nx.path_graph(2), "binary", budget=5, samples=64, seed=1).expected_cut


ROUTES: dict[str, Callable[[], Any]] = {
    "eigengame": levels("eigengame"),
    "hotelling": levels("hotelling"),
    "vqd": levels("vqd"),
    "ssvqe": levels("ssvqe"),
    "eigengame-shots": sampled,
    "qsvt": lambda: QSVTInversion(epsilon=0.05).solve(SYSTEM).x,
    "vqls": lambda: VQLS(epsilon=0.05, layers=2, restarts=1, budget=60).solve(SYSTEM).details["cost"],
    "nest": batch,
    "qaoa": cut,
}


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("a compiled kernel was run")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("route", list(ROUTES))
def test_the_second_engine_gives_the_same_numbers(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QALGS_ENGINE", raising=False)
    compiled = np.asarray(ROUTES[route]())
    monkeypatch.setenv("QALGS_ENGINE", "aer")
    for name in ("states", "vjp", "energies", "gradients"):
        monkeypatch.setattr(Program, name, forbidden)
    monkeypatch.setattr(CompiledPlan, "components", forbidden)
    # Minimisers stop at gradients of 1e-5; shots drawn from states equal to rounding are the same shots.
    assert np.allclose(np.asarray(ROUTES[route]()), compiled, atol=1e-6)


def test_the_check_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QALGS_ENGINE", raising=False)
    monkeypatch.setattr(Program, "states", forbidden)
    monkeypatch.setattr(Program, "energies", forbidden)
    circuit = hardware_efficient(2, 1)
    with pytest.raises(AssertionError, match="compiled kernel"):
        exact_program(circuit).states(np.zeros(circuit.num_parameters))
    with pytest.raises(AssertionError, match="compiled kernel"):
        CompiledEstimator().run([(circuit, tfim(2), np.zeros(circuit.num_parameters))])
