"""One worker, two processes and a Dask cluster by address: every parallel function gives the same bits."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs import backends, circuits, eigengame, max3cut, nest, optimizers, parallel, qlsp
from qalgs.backends import DeviceSnapshot
from qalgs.circuits import hardware_efficient, tfim
from qalgs.errors import InvalidInputError
from qalgs.nest.strategies import BestMapRestarts

TIMES = ("wall_seconds", "cpu_seconds", "preprocessing_seconds", "seconds", "times")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from distributed import LocalCluster

    made: Any = LocalCluster  # Dask has no types
    with made(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def levels(where: Any, seen: list[Any]) -> Any:
    solver = eigengame.ExcitedStates(k=2, seed=4, restarts=1)
    return eigengame.scan("H2", [0.7, 0.9], solver, block=1, parallel=where, callback=seen.append).points


def campaigns() -> nest.Study:
    job = nest.Job("chain", hardware_efficient(3, 1), tfim(3, 1.0, 0.5))
    return nest.Study.grid(
        devices=["fake_manila"], groups=[[job]], strategies=[BestMapRestarts(cycles=2)], seeds=[1, 2],
        evaluations=3, shots=64,
    )  # fmt: skip


def study(where: Any, seen: list[Any]) -> Any:
    found = campaigns().run(parallel=where, callback=seen.append)
    return [outcome.payload for outcome in found.outcomes]


def study_by_cells(where: Any, seen: list[Any]) -> Any:
    seen += campaigns().iter_run(parallel=where)
    return [(event.index, event.outcome.payload) for event in seen]


def devices(where: Any, seen: list[Any]) -> Any:
    names = ["fake_manila", "fake_quito"]
    return nest.sweep(names, qubits=2, jobs=2, cycles=2, parallel=where, callback=seen.append)


def frontier(where: Any, seen: list[Any]) -> Any:
    jobs = dict.fromkeys("abcde", hardware_efficient(3, 1))
    snapshot = DeviceSnapshot.from_backend("fake_guadalupe")
    return nest.frontier(jobs, snapshot, fractions=(0.9, 1.0), parallel=where, callback=seen.append)


def frontier_unpolished(where: Any, seen: list[Any]) -> Any:
    jobs = dict.fromkeys("ab", hardware_efficient(2, 1))
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    return nest.frontier(
        jobs, snapshot, fractions=(0.9, 1.0), rounds=2, polish=0, parallel=where, callback=seen.append
    )


def frontier_exact(where: Any, seen: list[Any]) -> Any:
    jobs = dict.fromkeys("abc", hardware_efficient(2, 1))
    snapshot = DeviceSnapshot.from_backend("fake_perth")
    return nest.frontier(
        jobs, snapshot, fractions=(0.9, 1.0), planner="cpsat", parallel=where, callback=seen.append
    )


def solvers(where: Any, seen: list[Any]) -> Any:
    both = [qlsp.QSVTInversion(), qlsp.ChebyshevLCU()]
    system = qlsp.random_system(4, 3.0, seed=1)
    return qlsp.compare(both, system, epsilon=0.1, parallel=where, callback=seen.append).rows


def noise(where: Any, seen: list[Any]) -> Any:
    both = [qlsp.QSVTInversion(), qlsp.HHL()]
    system = qlsp.random_system(2, 2.0, seed=1)
    found = qlsp.noise_sweep(both, system, (0.0, 1e-2), epsilon=0.2, shots=100, seed=1, parallel=where)
    assert len({e for row in found.direction_errors.values() for e in row}) == 4  # noise and method show
    seen += found.levels
    return found


def cut(where: Any, seen: list[Any]) -> Any:
    graph = nx.random_regular_graph(4, 24, seed=5)
    found = max3cut.max3cut(graph, method="circles", rank=3, circles=96, seed=2, parallel=where)
    seen += [None, None]
    return [(c.cut, c.source, c.labels.tolist()) for c in found.candidates]


def cut_by_steps(where: Any, seen: list[Any]) -> Any:
    graph = nx.random_regular_graph(4, 14, seed=5)
    seen += max3cut.iter_max3cut(graph, method="vertices", seed=2, parallel=where)
    found = seen[-1]
    return [(c.cut, c.source, c.labels.tolist()) for c in found.candidates]


def cells(where: Any, seen: list[Any]) -> Any:
    seen += [None, None]
    found = max3cut.iter_cells(nx.petersen_graph(), method="arcs", top=5, parallel=where)
    return [(c.cut, c.labels.tolist()) for c in found]


def form(where: Any, seen: list[Any]) -> Any:
    vectors = np.random.default_rng(3).normal(size=(14, 2)) + 1j * np.random.default_rng(4).normal(size=(14, 2))
    found = max3cut.maximize_form(vectors @ vectors.conj().T, parallel=where)
    seen += [None, None]
    return found.value, found.labels.tolist()


def table(where: Any, seen: list[Any]) -> Any:
    graphs = [nx.petersen_graph(), nx.house_graph()]
    found = max3cut.compare(
        graphs, ("greedy", "dsatur"), seeds=(0, 1), parallel=where, callback=lambda row: seen.append(row.cut)
    )
    rows = json.loads(found.to_json())
    rows = rows["rows"] if isinstance(rows, dict) else rows
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def plain_tasks(where: Any, seen: list[Any]) -> Any:
    items = [float(k) for k in range(20)]
    found = parallel.run_all(math.lgamma, items[1:], parallel=where, callback=lambda *step: seen.append(step))
    assert [step[1] for step in seen] == found  # told in order
    return found


def plain_tasks_one_by_one(where: Any, seen: list[Any]) -> Any:
    seen += parallel.run_iter(math.exp, [k / 7 for k in range(20)], parallel=where)
    return seen


CASES: dict[Callable[[Any, list[Any]], Any], Callable[..., Any]] = {
    levels: eigengame.scan,
    study: nest.Study.run,
    study_by_cells: nest.Study.iter_run,
    devices: nest.sweep,
    frontier: nest.frontier,
    frontier_unpolished: nest.frontier,
    frontier_exact: nest.frontier,
    solvers: qlsp.compare,
    noise: qlsp.noise_sweep,
    cut: max3cut.max3cut,
    cut_by_steps: max3cut.iter_max3cut,
    cells: max3cut.iter_cells,
    form: max3cut.maximize_form,
    table: max3cut.compare,
    plain_tasks: parallel.run_all,
    plain_tasks_one_by_one: parallel.run_iter,
}
PARALLEL = sorted(set(CASES.values()), key=lambda f: f"{f.__module__}.{f.__qualname__}")


def frozen(value: Any) -> str:
    """A result as text to the last bit, without what a clock has measured."""

    def plain(x: Any) -> Any:
        if hasattr(x, "to_dict"):
            return plain(x.to_dict())
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items() if k not in TIMES}
        if isinstance(x, list | tuple):
            return [plain(v) for v in x]
        return x

    return json.dumps(plain(value), sort_keys=True, default=repr)


@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_one_worker_two_workers_and_a_cluster_agree_to_the_bit(
    case: Callable[[Any, list[Any]], Any], address: str
) -> None:
    results, steps = [], []
    for where in (None, 2, address):
        seen: list[Any] = []
        results.append(frozen(case(where, seen)))
        steps.append(len(seen))
    assert results[0] == results[1] == results[2]
    assert steps[0] == steps[1] == steps[2] >= 2  # progress is told alike


def offered() -> set[Callable[..., Any]]:
    """Every public function and method that takes ``parallel``."""
    found: set[Callable[..., Any]] = {parallel.run_all, parallel.run_iter}
    for package in (backends, circuits, eigengame, max3cut, nest, optimizers, qlsp):
        for name in package.__all__:
            value = getattr(package, name)
            made = inspect.getmembers(value, inspect.isfunction) if inspect.isclass(value) else [(name, value)]
            for _, function in made:
                if inspect.isfunction(function) and "parallel" in inspect.signature(function).parameters:
                    found.add(function)
    return found


def test_whatever_takes_parallel_has_a_case() -> None:
    assert set(PARALLEL) == offered()


@pytest.mark.parametrize("function", PARALLEL, ids=lambda f: f.__qualname__)
def test_the_argument_is_the_same_everywhere(function: Callable[..., Any]) -> None:
    argument = inspect.signature(function).parameters["parallel"]
    assert argument.kind is inspect.Parameter.KEYWORD_ONLY
    assert argument.default is None
    assert argument.annotation == "Parallel | None"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (3, "loky")),
        (1, (1, None)),
        ("threading:4", (4, "threading")),
        ("threading", (-1, "threading")),
        ("tcp://127.0.0.1:8786", (None, "tcp://127.0.0.1:8786")),
    ],
)
def test_placement(given: Any, expected: Any) -> None:
    found = parallel.placement(given, 3, "loky") if given is None else parallel.placement(given)
    assert found == expected


@pytest.mark.parametrize("bad", [True, 2.0, "", "two workers", "loky:0", "loky:x", "4"])
def test_nonsense_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="parallel must be a number of workers"):
        parallel.placement(bad)


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="parallel must name a registered joblib backend, got 'abacus'"):
        parallel.run_all(abs, [1], parallel="abacus:2")


def test_parallel_stands_alone() -> None:
    with pytest.raises(InvalidInputError, match="parallel must stand alone"):
        parallel.run_all(abs, [1], n_jobs=2, parallel=2)
    with pytest.raises(InvalidInputError, match="parallel must stand alone"):
        max3cut.max3cut(nx.house_graph(), backend="loky", parallel=2)


def test_threads_by_name() -> None:
    assert parallel.run_all(abs, [-1, -2, -3], parallel="threading:2") == [1, 2, 3]
