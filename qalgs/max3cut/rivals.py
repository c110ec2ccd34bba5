"""Rivals for the results table: rounding, greedy, colouring, exact programming, and an annealer on a QUBO."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, expect, invalid
from qalgs.seeds import Seed, as_generator, simulator_seed

from . import refine as rf
from .problem import GraphLike, Labels, Problem, as_problem


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """What a rival found.

    Attributes:
        method: Its name.
        labels: Labels in node order.
        cut: Recounted cut.
        upper_bound: A bound that comes with the method, or None.
        proved: Whether the method proves its cut optimal.
        evaluations: Its own unit of work: rounds, restarts, reads, branch-and-bound nodes.
    """

    method: str
    labels: Labels
    cut: int | float
    upper_bound: float | None
    proved: bool
    evaluations: int


def _counted(**counts: int) -> None:
    """Refuse amounts of work that are no positive integers."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise invalid(name, value, "must be an int of at least 1")


def _timed(seconds: float) -> None:
    expect(Real, seconds=seconds)
    if not (np.isfinite(seconds) and seconds > 0):
        raise invalid("seconds", seconds, "must be positive and finite")


def frieze_jerrum(
    graph: GraphLike | Problem,
    *,
    weight: str | None = "weight",
    rounds: int = 200,
    polish: bool = False,
    seed: Seed = 0,
) -> Rival:
    """Round the semidefinite relaxation with three random vectors (Frieze and Jerrum 1997), best of ``rounds``.

    Args:
        graph: Any graph that :func:`max3cut` accepts; at most 300 nodes.
        weight: Edge attribute with the weight.
        rounds: Random roundings.
        polish: Descend from each rounding.
        seed: Root seed.

    Returns:
        The best rounding, with the relaxation's bound.

    Example:
        >>> import networkx as nx
        >>> found = frieze_jerrum(nx.house_graph(), rounds=20, seed=1)
        >>> found.cut, found.upper_bound >= found.cut
        (6, True)
    """
    from .sdp import solve_sdp

    _counted(rounds=rounds)
    problem, rng = as_problem(graph, weight), as_generator(seed)
    solution = solve_sdp(problem)
    values, vectors = np.linalg.eigh(solution.gram)
    embedding = vectors * np.sqrt(np.maximum(values, 0.0))
    best: rf.Refined | None = None
    for _ in range(rounds):
        labels = (embedding @ rng.standard_normal((problem.n, 3))).argmax(axis=1).astype(np.int8)
        trial = rf.one_opt(problem, labels) if polish else rf.Refined(labels, problem.cut(labels), 0)
        if best is None or trial.cut > best.cut:
            best = trial
    assert best is not None
    name = "Frieze-Jerrum + 1-opt" if polish else "Frieze-Jerrum"
    return Rival(name, best.labels, best.cut, solution.bound, False, rounds)


def greedy(
    graph: GraphLike | Problem, *, weight: str | None = "weight", restarts: int = 1, seed: Seed = 0
) -> Rival:
    """Label the vertices one by one in random order, each at its best; keep the best of ``restarts``.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        weight: Edge attribute with the weight.
        restarts: Random orders.
        seed: Root seed.

    Returns:
        The best partition.

    Example:
        >>> import networkx as nx
        >>> greedy(nx.house_graph(), restarts=5, seed=1).cut
        6
    """
    _counted(restarts=restarts)
    problem, rng = as_problem(graph, weight), as_generator(seed)
    best: rf.Refined | None = None
    for _ in range(restarts):
        labels = _label_in_order(problem, rng.permutation(problem.n))
        cut = problem.cut(labels)
        if best is None or cut > best.cut:
            best = rf.Refined(labels, cut, 0)
    assert best is not None
    return Rival("greedy", best.labels, best.cut, None, False, restarts)


def _label_in_order(problem: Problem, order: NDArray[np.int64]) -> Labels:
    labels = np.full(problem.n, -1, dtype=np.int8)
    counts = np.zeros((problem.n, 3))
    for v in order.tolist():
        labels[v] = int(counts[v].argmin())
        span = slice(problem.indptr[v], problem.indptr[v + 1])
        counts[problem.indices[span], labels[v]] += problem.data[span]
    return labels


def dsatur(graph: GraphLike | Problem, *, weight: str | None = "weight") -> Rival:
    """Label the vertex that sees most labels next (Brelaz 1979), ties by weighted degree, each at its best.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        weight: Edge attribute with the weight.

    Returns:
        The partition and its cut.

    Example:
        >>> import networkx as nx
        >>> dsatur(nx.house_graph()).cut
        6
    """
    problem = as_problem(graph, weight)
    labels = np.full(problem.n, -1, dtype=np.int8)
    counts, sees = np.zeros((problem.n, 3)), np.zeros((problem.n, 3), dtype=bool)
    degrees = problem.degrees()
    priority = np.argsort(np.argsort(-degrees, kind="stable"), kind="stable")
    waiting = np.ones(problem.n, dtype=bool)
    for _ in range(problem.n):
        rank = np.where(waiting, sees.sum(axis=1) * (problem.n + 1) - priority, -(10**9))
        v = int(rank.argmax())
        waiting[v] = False
        labels[v] = int(counts[v].argmin())
        span = slice(problem.indptr[v], problem.indptr[v + 1])
        counts[problem.indices[span], labels[v]] += problem.data[span]
        sees[problem.indices[span], labels[v]] = True
    return Rival("DSatur", labels, problem.cut(labels), None, False, problem.n)


def exact_cpsat(
    graph: GraphLike | Problem, *, weight: str | None = "weight", seconds: float = 30.0, workers: int = 1
) -> Rival:
    """Solve by CP-SAT (one label variable a vertex, one indicator an edge); integer weights only.

    Args:
        graph: Any graph that :func:`max3cut` accepts; proves optimality up to about 20 dense or 50 sparse nodes.
        weight: Edge attribute with the weight.
        seconds: Time limit.
        workers: Search workers.

    Returns:
        The best partition, its bound, and whether it is proved optimal.

    Raises:
        InvalidInputError: If a weight is no integer, or no partition was found in time.

    Example:
        >>> import networkx as nx
        >>> found = exact_cpsat(nx.house_graph())
        >>> found.cut, found.proved
        (6, True)
    """
    _timed(seconds)
    _counted(workers=workers)
    problem = as_problem(graph, weight)
    if not problem.integral:
        raise invalid("weight", "non-integer weights", "must be integers for CP-SAT", "use exact_milp")
    try:
        return _cpsat(problem, seconds, workers)
    except ImportError:
        # OR-Tools cannot be loaded beside another copy of HiGHS that came first; a fresh process can.
        import joblib

        runs = joblib.Parallel(n_jobs=2, backend="loky")(
            joblib.delayed(_cpsat)(p, seconds, workers) for p in [problem]
        )
        return next(iter(runs))


def _cpsat(problem: Problem, seconds: float, workers: int) -> Rival:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    x = [[model.new_bool_var(f"x{v}_{k}") for k in range(3)] for v in range(problem.n)]
    for v, row in enumerate(x):
        model.add_exactly_one(row)
        # Labels are interchangeable: vertex v uses label v at most.
        for k in range(v + 1, 3):
            model.add(row[k] == 0)
    gains = []
    for u, v, w in zip(problem.rows.tolist(), problem.cols.tolist(), problem.weights.tolist(), strict=True):
        cut = model.new_bool_var(f"c{u}_{v}")
        for k in range(3):
            if w > 0:
                model.add_bool_or([~x[u][k], ~x[v][k], ~cut])
            else:
                model.add_bool_or([~x[u][k], x[v][k], cut])
        gains.append(int(w) * cut)
    model.maximize(sum(gains))
    usable = (cp_model.OPTIMAL, cp_model.FEASIBLE)

    def solve(count: int) -> tuple[Any, Any]:
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = float(seconds)
        solver.parameters.num_workers = count
        solver.parameters.random_seed = 1
        return solver, solver.solve(model)

    solver, status = solve(workers)
    if status not in usable:
        raise InvalidInputError(f"CP-SAT found no partition within {seconds} s; allow more time")
    bound, proved = float(solver.best_objective_bound), status == cp_model.OPTIMAL
    if proved and gains:
        # Which of several optima racing workers find is chance: take what one worker finds at that value.
        model.maximize(0)
        model.add(sum(gains) == round(solver.objective_value))
        again, found = solve(1)
        if found in usable:
            solver = again
    labels = np.array([max(range(3), key=lambda k: solver.value(row[k])) for row in x], dtype=np.int8)
    return Rival("CP-SAT", labels, problem.cut(labels), bound, proved, int(solver.num_branches))


def exact_milp(graph: GraphLike | Problem, *, weight: str | None = "weight", seconds: float = 30.0) -> Rival:
    """Solve the same model as a mixed-integer program with HiGHS (scipy); any finite weights.

    Args:
        graph: Any graph that :func:`max3cut` accepts; small.
        weight: Edge attribute with the weight.
        seconds: Time limit.

    Returns:
        The best partition, its bound, and whether it is proved optimal.

    Raises:
        InvalidInputError: If no partition was found in time.

    Example:
        >>> import networkx as nx
        >>> found = exact_milp(nx.house_graph())
        >>> found.cut, found.proved
        (6, True)
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    _timed(seconds)
    problem = as_problem(graph, weight)
    n, m = problem.n, problem.m
    entries: list[tuple[int, int, float]] = []
    lower: list[float] = []
    upper: list[float] = []
    for v in range(n):
        entries += [(len(lower), 3 * v + k, 1.0) for k in range(3)]
        lower.append(1.0)
        upper.append(1.0)
    for e, (u, v, w) in enumerate(
        zip(problem.rows.tolist(), problem.cols.tolist(), problem.weights.tolist(), strict=True)
    ):
        for k in range(3):
            sign = 1.0 if w > 0 else -1.0
            # w > 0: x_u + x_v + c <= 2; w < 0: x_u - x_v - c <= 0.
            entries += [(len(lower), 3 * u + k, 1.0), (len(lower), 3 * v + k, sign), (len(lower), 3 * n + e, sign)]
            lower.append(-np.inf)
            upper.append(2.0 if w > 0 else 0.0)
    rows, cols, values = zip(*entries, strict=True)
    matrix = coo_array((values, (rows, cols)), shape=(len(lower), 3 * n + m)).tocsr()
    top = np.ones(3 * n + m)
    for v in range(min(n, 3)):
        top[3 * v + v + 1 : 3 * v + 3] = 0.0
    found = milp(
        np.concatenate([np.zeros(3 * n), -problem.weights]),
        constraints=LinearConstraint(matrix, np.array(lower), np.array(upper)),
        integrality=np.ones(3 * n + m, dtype=np.int64),
        bounds=Bounds(np.zeros(3 * n + m), top),
        options={"time_limit": seconds},
    )
    if found.x is None:
        raise InvalidInputError(f"HiGHS found no partition within {seconds} s; allow more time")
    labels = found.x[: 3 * n].reshape(n, 3).argmax(axis=1).astype(np.int8)
    bound = None if found.mip_dual_bound is None else -float(found.mip_dual_bound)
    return Rival("MILP", labels, problem.cut(labels), bound, found.status == 0, int(found.mip_node_count or 0))


def dwave_annealer(
    graph: GraphLike | Problem,
    *,
    weight: str | None = "weight",
    reads: int = 20,
    sweeps: int = 1000,
    seed: Seed = 0,
) -> Rival:
    """Run D-Wave's classical annealer on the one-hot QUBO; samples that break the encoding are repaired greedily.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        weight: Edge attribute with the weight.
        reads: Independent runs.
        sweeps: Sweeps a run.
        seed: Root seed.

    Returns:
        The best partition read.

    Raises:
        InvalidInputError: If ``dwave-samplers`` is not installed, or an argument breaks its rule.

    Example:
        >>> import networkx as nx
        >>> dwave_annealer(nx.house_graph(), reads=5, sweeps=100, seed=1).cut
        6
    """
    _counted(reads=reads, sweeps=sweeps)
    try:
        from dwave.samplers import SimulatedAnnealingSampler
    except ImportError:
        raise InvalidInputError("dwave-samplers is not installed; pip install dwave-samplers") from None
    problem, rng = as_problem(graph, weight), as_generator(seed)
    qubo: dict[tuple[int, int], float] = {}
    degree = np.bincount(
        np.concatenate([problem.rows, problem.cols]), np.abs(np.tile(problem.weights, 2)), max(problem.n, 1)
    )
    penalty = 1.0 + float(degree.max(initial=0.0)) / 3
    for v in range(problem.n):
        for k in range(3):
            qubo[3 * v + k, 3 * v + k] = -penalty
            for other in range(k):
                qubo[3 * v + other, 3 * v + k] = 2 * penalty
    for u, v, w in zip(problem.rows.tolist(), problem.cols.tolist(), problem.weights.tolist(), strict=True):
        for k in range(3):
            qubo[3 * u + k, 3 * v + k] = w
    annealer: Any = SimulatedAnnealingSampler
    answer = annealer().sample_qubo(qubo, num_reads=reads, num_sweeps=sweeps, seed=simulator_seed(rng))
    best: rf.Refined | None = None
    order = np.argsort(np.array(answer.variables))
    for row in answer.record.sample[:, order].reshape(reads, problem.n, 3):
        labels = np.where(row.sum(axis=1) == 1, row.argmax(axis=1), -1).astype(np.int8)
        from .enumeration import fill

        labels = fill(problem, labels)
        cut = problem.cut(labels)
        if best is None or cut > best.cut:
            best = rf.Refined(labels, cut, 0)
    assert best is not None
    return Rival("D-Wave annealer", best.labels, best.cut, None, False, reads * sweeps)
