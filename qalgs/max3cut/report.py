"""One honest table: a row per (instance, method, seed), with the bound, the best known value and all costs.

The rows and the table themselves are in :mod:`~qalgs.max3cut.table`.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from numbers import Integral
from pathlib import Path
from typing import Literal, get_args

from qalgs.circuits.max3cut_encodings import EncodingName
from qalgs.errors import expect, expect_callable, invalid
from qalgs.parallel import Parallel, run_iter

from . import rivals
from .bounds import UpperBound, best_of, check_bound, rounded, upper_bound
from .checks import check_count, check_seconds, check_series
from .problem import GraphLike, Problem, as_problem
from .registry import best_known
from .solver import max3cut
from .table import ResultsTable as ResultsTable
from .table import Row as Row
from .table import read_table as read_table

MethodName = Literal[
    "auto", "three-arc", "three-arc+1opt", "circles", "circles+1opt", "anneal", "tabu",
    "greedy", "dsatur", "frieze-jerrum", "cp-sat", "milp", "dwave", "qaoa", "qaoa-warm", "qaoa-noisy",
]  # fmt: skip
CLASSICAL: tuple[MethodName, ...] = ("auto", "three-arc", "circles+1opt", "anneal", "greedy", "dsatur")


@cache
def hardware() -> str:
    """Return the processor and the number of cores."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores"


def compare(
    graphs: Iterable[GraphLike],
    methods: Sequence[MethodName] = CLASSICAL,
    *,
    weight: str | None = "weight",
    seeds: Sequence[int] = (0,),
    budget: float | None = None,
    bound: str = "rank",
    reps: int = 1,
    samples: int = 1024,
    encoding: str = "qutrit",
    device: str = "fake_torino",
    evaluations: int = 150,
    parallel: Parallel | None = None,
    callback: Callable[[Row], None] | None = None,
) -> ResultsTable:
    """Run methods on graphs and collect one table.

    Args:
        graphs: Graphs that :func:`max3cut` accepts.
        methods: Names of methods.
        weight: Edge attribute with the weight.
        seeds: Root seeds; deterministic methods run once.
        budget: Seconds a run for methods that can use them.
        bound: The bound that all rows of an instance share.
        reps: QAOA layers.
        samples: QAOA samples, and uniform guesses beside them.
        encoding: QAOA encoding; noisy runs on qubits take ``"binary"`` in place of qutrits.
        device: The device whose noise ``"qaoa-noisy"`` runs under.
        evaluations: Energy evaluations of a QAOA run.
        parallel: Do the runs side by side: a number of workers, or the address of a Dask scheduler. Cuts do not
            depend on it; seconds may, where runs share a processor.
        callback: Called with each row.

    Returns:
        The table.

    Raises:
        InvalidInputError: If a method or bound is unknown, or a graph is refused by :func:`as_problem`.

    Example:
        >>> import networkx as nx
        >>> table = compare([nx.house_graph()], methods=("three-arc", "dsatur"))
        >>> [(row.method, row.cut) for row in table.rows]
        [('three-arc', 6), ('dsatur', 6)]
    """
    check_bound(bound)
    for key, value, least in (("reps", reps, 1), ("samples", samples, 1), ("evaluations", evaluations, 4)):
        check_count(key, value, least)
    if encoding not in get_args(EncodingName):
        raise invalid("encoding", encoding, f"must be one of {', '.join(get_args(EncodingName))}")
    check_seconds(budget)
    expect_callable(callback=callback)
    check_series(graphs=graphs, methods=methods, seeds=seeds)
    methods, seeds = tuple(methods), tuple(seeds)
    for seed in seeds:
        expect(Integral, seeds=seed)
    for name in methods:
        if name not in get_args(MethodName):
            raise invalid("methods", name, f"must be among {', '.join(get_args(MethodName))}")
    rows = []
    tasks = _tasks(graphs, methods, weight, seeds, bound)
    work = partial(_timed, budget=budget, quantum=_Quantum(reps, samples, encoding, device, evaluations))
    for row in run_iter(work, tasks, parallel=parallel):
        rows.append(row)
        if callback is not None:
            callback(row)
    return ResultsTable(tuple(_with_best(rows)))


def _with_best(rows: list[Row]) -> list[Row]:
    """Give instances without a value on record the best cut of the table."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.instance not in best or (row.cut, row.proved) > (best[row.instance].cut, best[row.instance].proved):
            best[row.instance] = row
    filled = []
    for row in rows:
        top = best[row.instance]
        if row.best_known is None:
            source = "proved here" if top.proved else f"best of this table ({top.method})"
            row = dataclasses.replace(row, best_known=top.cut, best_known_source=source)
        filled.append(row)
    return filled


@dataclass(frozen=True, slots=True)
class _Quantum:
    """Settings that all QAOA rows share."""

    reps: int
    samples: int
    encoding: str
    device: str
    evaluations: int


@dataclass(frozen=True, slots=True)
class _Run:
    """What a method says about an instance, before it becomes a row."""

    cut: int | float
    evaluations: int
    unit: str
    bound: UpperBound | None = None
    preprocessing: float = 0.0
    proved: bool = False
    quantum: tuple[float, int | float, float] | None = None
    shots: int = 0
    circuits: int = 0


@dataclass(frozen=True, slots=True)
class _Task:
    """One run: an instance, what all its rows share, a method and a seed."""

    problem: Problem
    name: str
    shared: UpperBound
    reading: float
    method: MethodName
    seed: int


def _tasks(
    graphs: Iterable[GraphLike], methods: Sequence[MethodName], weight: str | None, seeds: Sequence[int],
    bound: str,
) -> Iterator[_Task]:  # fmt: skip
    for number, graph in enumerate(graphs):
        begin = time.perf_counter()
        problem = as_problem(graph, weight)
        shared = upper_bound(problem, bound)  # type: ignore[arg-type]
        reading = time.perf_counter() - begin
        name = problem.name or f"graph-{number}"
        for method in methods:
            once = method in ("three-arc", "dsatur", "cp-sat", "milp", "three-arc+1opt")
            for seed in seeds[:1] if once else seeds:
                yield _Task(problem, name, shared, reading, method, seed)


def _timed(task: _Task, *, budget: float | None, quantum: _Quantum) -> Row:
    wall, cpu = time.perf_counter(), time.process_time()
    run = _run(task.problem, task.method, task.seed, budget, quantum)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return _row(task.problem, task.name, task.method, task.seed, run, task.shared, task.reading, wall, cpu)


def _row(
    problem: Problem, name: str, method: str, seed: int, run: _Run, shared: UpperBound, reading: float,
    wall: float, cpu: float,
) -> Row:  # fmt: skip
    known = best_known(problem.name)
    limit = shared if run.bound is None else best_of(shared, run.bound)
    proved = run.proved or run.cut >= limit.value
    unit = bool((problem.weights == 1).all())
    quantum = run.quantum or (None, None, None)
    return Row(
        instance=name, method=method, seed=seed, n=problem.n, m=problem.m,
        total_weight=problem.number(problem.total),
        weights="unit" if unit else "integer" if problem.integral else "real",
        cut=run.cut, best_known=None if known is None else known.cut,
        best_known_source="" if known is None else known.source,
        upper_bound=limit.value, bound_kind=limit.kind,
        expected_cut=quantum[0], uniform_best=quantum[1], success_probability=quantum[2],
        evaluations=run.evaluations, evaluation_unit=run.unit, shots=run.shots, circuits=run.circuits,
        wall_seconds=max(wall - run.preprocessing, 0.0), cpu_seconds=cpu,
        preprocessing_seconds=reading + run.preprocessing, hardware=hardware(), proved=proved,
    )  # fmt: skip


def _run(problem: Problem, method: MethodName, seed: int, budget: float | None, settings: _Quantum) -> _Run:
    if method in ("qaoa", "qaoa-warm", "qaoa-noisy"):
        return _qaoa(problem, method, seed, settings)
    if method in ("greedy", "dsatur", "frieze-jerrum", "cp-sat", "milp", "dwave"):
        return _rival(problem, method, seed, budget)
    engine, _, refine = method.partition("+")
    if method in ("anneal", "tabu"):
        engine, refine = "circles", method
    rank = min(4, max(problem.n, 1)) if engine == "circles" else 2
    result = max3cut(
        problem.graph(), rank=rank, method=engine, refine=refine or None, bound=None, budget=budget, seed=seed,  # type: ignore[arg-type]
        matrix="adjacency", circles=64,
    )  # fmt: skip
    unit = "flips" if "flips" in result.evaluations else "candidates"
    return _Run(
        result.cut, result.evaluations.get(unit, 0), unit, preprocessing=result.times.get("eigenvectors", 0.0)
    )


def _qaoa(problem: Problem, method: str, seed: int, settings: _Quantum) -> _Run:
    from .qaoa import run_qaoa
    from .qaoa_machines import noisy_primitives

    encoding, options = settings.encoding, {}
    if method == "qaoa-noisy":
        encoding = "binary" if encoding == "qutrit" else encoding
        width = 3 if encoding == "one-hot" else 2
        estimator, sampler = noisy_primitives(settings.device, width * problem.n, seed=seed)
        options = {"estimator": estimator, "sampler": sampler}
    warm = None
    if method == "qaoa-warm":
        warm = max3cut(problem.graph(), method="three-arc", bound=None).partition
    q = run_qaoa(
        problem.graph(),
        encoding,  # type: ignore[arg-type]
        reps=settings.reps,
        samples=settings.samples,
        budget=settings.evaluations,
        seed=seed,
        warm_start=warm,
        **options,
    )
    quantum = (q.expected_cut, q.uniform_best_of_shots, q.success_probability)
    return _Run(
        q.best_of_shots, q.evaluations, "circuit evaluations", quantum=quantum, shots=q.shots, circuits=q.circuits
    )


def _rival(problem: Problem, method: str, seed: int, budget: float | None) -> _Run:
    seconds = budget or 30.0
    if method == "greedy":
        rival, unit = rivals.greedy(problem, restarts=20, seed=seed), "restarts"
    elif method == "dsatur":
        rival, unit = rivals.dsatur(problem), "vertices"
    elif method == "frieze-jerrum":
        rival, unit = rivals.frieze_jerrum(problem, seed=seed), "roundings"
    elif method == "cp-sat":
        rival, unit = rivals.exact_cpsat(problem, seconds=seconds), "branches"
    elif method == "milp":
        rival, unit = rivals.exact_milp(problem, seconds=seconds), "nodes"
    else:
        rival, unit = rivals.dwave_annealer(problem, seed=seed), "sweeps"
    bound = None
    if rival.upper_bound is not None:
        kind = "sdp" if method == "frieze-jerrum" else method
        bound = rounded(
            problem, rival.upper_bound + 1e-6 * max(1.0, abs(rival.upper_bound)) * (method == "milp"), kind
        )
    if rival.proved and not problem.integral and method == "milp":
        bound = None
    return _Run(rival.cut, rival.evaluations, unit, bound=bound, proved=rival.proved)
