"""One call from a graph to a partition, a certificate and a bound."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from numbers import Integral

import numpy as np

from qalgs.errors import expect, expect_callable, invalid
from qalgs.parallel import Parallel, placement, resolve_jobs
from qalgs.results import Status
from qalgs.seeds import Seed, keyed, root_seed

from .auto import run_auto
from .bounds import Bound, UpperBound, base_bound, best_of, check_bound, rounded
from .checks import check_count, check_seconds
from .enumeration import (
    DEFAULT_CIRCLES,
    Enumeration,
    Method,
    Work,
    check_method,
    check_size,
    enumerate_candidates,
)
from .matrices import Matrix, check_matrix
from .problem import GraphLike, Notice, Problem, as_problem
from .refine import Refine, check_refine, path_relink, refine_labels
from .result import Candidate, Max3CutResult, Progress, distinct
from .spectrum import check_rank
from .state import Options, RunState, eigenpairs, finish, merge_bounds, merge_parts
from .vertices import MAX_CANDIDATES


def max3cut(
    graph: GraphLike | Problem,
    weight: str | None = "weight",
    rank: int = 2,
    method: Method = "auto",
    matrix: Matrix = "corrected",
    refine: Refine | None = None,
    top: int = 10,
    bound: Bound | None = "rank",
    budget: float | None = None,
    seed: Seed = None,
    n_jobs: int | None = None,
    callback: Callable[[Progress], None] | None = None,
    *,
    circles: int = DEFAULT_CIRCLES,
    max_candidates: int = MAX_CANDIDATES,
    backend: str | None = None,
    parallel: Parallel | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Max3CutResult:
    r"""Split the nodes of a graph into three parts so that the edges between parts weigh as much as possible.

    With :math:`z_i \in \{1, \omega, \omega^2\}` the cut is :math:`\tfrac13 z^\dagger L z`; a low-rank factor
    of the top eigenpairs has polynomially many rounding patterns, which the engines enumerate (arXiv 2602.20376;
    Karystinos and Liavas 2010).

    Args:
        graph: An undirected networkx graph, a symmetric matrix (sparse or dense, zero diagonal; nodes are
            ``0..n-1``) or the path of a G-set file (nodes are ``1..n``). Weights may be negative. Disconnected
            graphs are solved by component.
        weight: The edge attribute that holds the weight (missing: 1); None counts each edge as 1.
        rank: Number of eigenvectors r in the factor.
        method: ``"auto"`` (enumeration as warm start and bound, then a memetic search that refines),
            ``"rank1"``, ``"three-arc"`` (exact rank 2), ``"arcs"`` (exact low-rank objective of rank 2, O(n^3)),
            ``"circles"`` (random great circles, any rank) or ``"vertices"`` (exact low-rank objective, small n).
        matrix: The form's diagonal: ``"laplacian"``, ``"adjacency"`` or ``"corrected"`` (lowers the largest
            eigenvalue, which improves bounds).
        refine: None, ``"1opt"``, ``"anneal"`` or ``"tabu"``, applied to the candidates of an enumeration engine
            and followed by path relinking between the best ones.
        top: Number of distinct candidates to return.
        bound: None or ``"trivial"`` (the sum of the positive weights), ``"packing"``, ``"eigen"``, ``"rank"`` or
            ``"sdp"``: see :func:`upper_bound`; the trivial bound always takes part, the packing bound in all but
            the first two.
        budget: Wall seconds. None does a fixed amount of work, with the same result for the same seed whatever
            ``n_jobs`` is.
        seed: Root seed.
        n_jobs: Workers; None takes all cores for ``"auto"`` under a time budget, else one.
        callback: Called with each :class:`Progress`.
        circles: Number of great circles where no budget is set.
        max_candidates: Limit of ``"vertices"``.
        backend: A joblib backend, or the address of a Dask scheduler, for the chunks of ``arcs`` and ``circles``.
        parallel: ``n_jobs`` and ``backend`` in one: a number of workers, or the address of a Dask scheduler.
        checkpoint: A file from which ``arcs`` and ``circles`` resume (connected graphs, no time budget).

    Returns:
        Partition, recounted cut, bound, candidates, trace, counters and times.

    Raises:
        InvalidInputError: For bad input, before any work: see :func:`as_problem` for graphs.
        InfeasibleError: If an exact run would exceed ``max_candidates``, with the predicted count.

    Example:
        >>> import networkx as nx
        >>> result = max3cut(nx.house_graph(), seed=1)
        >>> result.cut, result.upper_bound, sorted(set(result.partition.values()))
        (6, 6, [0, 1, 2])
    """
    expect_callable(callback=callback)
    events = iter_max3cut(
        graph, weight, rank, method, matrix, refine, top, bound, budget, seed, n_jobs,
        circles=circles, max_candidates=max_candidates, backend=backend, parallel=parallel,
        checkpoint=checkpoint,
    )  # fmt: skip
    return _collect(events, callback)


def _collect(
    events: Generator[Progress | Max3CutResult, None, None], callback: Callable[[Progress], None] | None
) -> Max3CutResult:
    """Run to the end, report every step and return the result."""
    result: Progress | Max3CutResult | None = None
    try:
        for result in events:
            if callback is not None and isinstance(result, Progress):
                callback(result)
    except KeyboardInterrupt as error:
        # Ctrl-C during the callback: the run has not seen it yet, and ends with what it has.
        result = events.throw(error)
    assert isinstance(result, Max3CutResult)
    return result


def iter_max3cut(
    graph: GraphLike | Problem,
    weight: str | None = "weight",
    rank: int = 2,
    method: Method = "auto",
    matrix: Matrix = "corrected",
    refine: Refine | None = None,
    top: int = 10,
    bound: Bound | None = "rank",
    budget: float | None = None,
    seed: Seed = None,
    n_jobs: int | None = None,
    *,
    circles: int = DEFAULT_CIRCLES,
    max_candidates: int = MAX_CANDIDATES,
    backend: str | None = None,
    parallel: Parallel | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Generator[Progress | Max3CutResult, None, None]:
    """Run :func:`max3cut` step by step: yield its progress, and the result last (also after Ctrl-C).

    Args:
        graph: As for :func:`max3cut`, like all that follow.
        weight: The edge attribute that holds the weight.
        rank: Number of eigenvectors in the factor.
        method: The engine.
        matrix: The form's diagonal.
        refine: The refinement.
        top: Number of distinct candidates.
        bound: The bound.
        budget: Wall seconds.
        seed: Root seed.
        n_jobs: Workers.
        circles: Number of great circles.
        max_candidates: Limit of ``"vertices"``.
        backend: A joblib backend or the address of a Dask scheduler.
        parallel: Both in one.
        checkpoint: A file to resume from.

    Yields:
        The steps, then the result.

    Raises:
        InvalidInputError: If the graph or an argument breaks its rule, before any work.

    Example:
        >>> import networkx as nx
        >>> *steps, result = iter_max3cut(nx.house_graph(), seed=1)
        >>> result.cut
        6
    """
    check_method(method, rank)
    check_matrix(matrix)
    check_refine(refine)
    check_bound(bound)
    check_count("top", top)
    check_count("circles", circles)
    expect(Integral, max_candidates=max_candidates)
    if isinstance(max_candidates, bool) or max_candidates < 1:
        raise invalid("max_candidates", max_candidates, "must be an int of at least 1")
    check_seconds(budget, 1e18)
    n_jobs, backend = placement(parallel, n_jobs, backend)
    options = Options(
        rank=rank, method=method, matrix=matrix, refine=refine, top=top, bound=bound,
        n_jobs=_workers(n_jobs, method, budget), budget=None if budget is None else float(budget),
        root=root_seed(seed), circles=circles, max_candidates=max_candidates, backend=backend,
        checkpoint=checkpoint,
    )  # fmt: skip
    if checkpoint is not None and (method not in ("arcs", "circles") or budget is not None):
        raise invalid("checkpoint", str(checkpoint), "must come with method='arcs' or 'circles' and no budget")
    began = time.perf_counter()
    return _run(RunState(_instance(graph, weight, options), options, began))


def _workers(n_jobs: int | None, method: str, budget: float | None) -> int:
    """Return how many workers run; unless told, only ``"auto"`` in limited time takes more than one: all cores."""
    if n_jobs is not None:
        return resolve_jobs(n_jobs)
    return (os.cpu_count() or 1) if method == "auto" and budget is not None else 1


def _instance(graph: GraphLike | Problem, weight: str | None, options: Options) -> Problem:
    """Read the graph and refuse one that the options do not suit."""
    problem, rank, checkpoint = as_problem(graph, weight), options.rank, options.checkpoint
    if checkpoint is not None and sum(len(part) > 2 for part in problem.components()) > 1:
        raise invalid("checkpoint", str(checkpoint), "must come with a connected graph", "solve its parts")
    if problem.n:
        check_rank(rank, max(problem.n, 2) if rank <= 2 else problem.n)
    return problem


def _run(state: RunState) -> Generator[Progress | Max3CutResult, None, None]:
    problem, options = state.problem, state.options
    state.notices += problem.notices
    if options.method != "auto":
        for part in problem.components():
            if len(part) >= 3:
                check_size(len(part), options.method, options.rank, options.max_candidates)
    deadline = None if options.budget is None else time.monotonic() + 0.97 * options.budget - 0.02
    state.add([Candidate(cut=0, source="trivial", labels=np.zeros(problem.n, dtype=np.int8))])
    try:
        if problem.n < 3 or problem.m == 0:
            labels = np.arange(problem.n, dtype=np.int8) if (problem.weights > 0).any() else None
            if labels is not None:
                state.add([Candidate(cut=problem.cut(labels), source="trivial", labels=labels)])
            state.exact = "instance optimum of a trivial instance"
            yield state.event("trivial")
        elif options.method == "auto":
            yield from run_auto(state, deadline)
        else:
            yield from _engine(state, deadline)
        if options.bound == "sdp" and problem.n >= 3 and problem.m:
            yield from _sdp(state)
    except KeyboardInterrupt:
        state.status = Status.INTERRUPTED
    yield finish(state)


def _engine(state: RunState, deadline: float | None) -> Iterator[Progress]:
    """Enumerate component by component, then refine the merged candidates on the whole graph."""
    problem, options = state.problem, state.options
    parts = [part for part in problem.components() if len(part) > 1]
    if len(parts) > 1:
        state.notices.append(Notice("disconnected", f"{len(parts)} components with edges were solved one by one"))
    work = Work(
        top=options.top, root=options.root, circles=options.circles, max_candidates=options.max_candidates,
        deadline=deadline, n_jobs=options.n_jobs, backend=options.backend, checkpoint=options.checkpoint,
    )  # fmt: skip
    bounds, pieces = [], []
    for part in parts:
        piece = problem if len(part) == problem.n else problem.restrict(part)
        found, limit = _solve_part(state, piece, work)
        pieces.append((part, found.candidates))
        bounds.append(limit)
        state.exact = found.exact
        state.notices += found.notices
        state.count(found.evaluations)
    merge_bounds(state, bounds)
    state.add(merge_parts(problem, pieces, options.top))
    yield state.event(options.method)
    if options.refine is not None:
        yield from _refine(state, deadline)


def _solve_part(state: RunState, piece: Problem, work: Work) -> tuple[Enumeration, UpperBound]:
    base = base_bound(piece, state.options.bound)
    if piece.n < 3:
        labels = np.array([0, int(piece.weights[0] > 0)], dtype=np.int8)
        found = [Candidate(cut=piece.cut(labels), source="trivial", labels=labels)]
        return Enumeration(found, state.exact, {}), base
    spec, limit = eigenpairs(state, piece, state.options.matrix)
    if state.spectrum is None:
        state.spectrum = spec
    state.notices += spec.notices
    with state.clock("enumeration"):
        found_ = enumerate_candidates(piece, spec, state.options.method, work)
    return found_, base if limit is None else best_of(base, limit)


def _refine(state: RunState, deadline: float | None) -> Iterator[Progress]:
    """Refine each candidate, then relink the two best refined ones."""
    problem, options = state.problem, state.options
    starts = [c for c in distinct(state.candidates, options.top) if c.source != "trivial"]
    with state.clock("refinement"):
        for k, start in enumerate(starts):
            if deadline is not None and time.monotonic() >= deadline:
                state.status = Status.BUDGET
                break
            rng = keyed(options.root, "refine", k)
            after = refine_labels(problem, start.labels, options.refine, rng, deadline)
            state.count({"flips": after.flips})
            better = after.cut > state.candidates[0].cut
            state.add([Candidate(cut=after.cut, source=str(options.refine), labels=after.labels)])
            if better:
                yield state.event(str(options.refine))
        pair = state.candidates[:2]
        if len(pair) == 2:
            linked = path_relink(problem, pair[0].labels, pair[1].labels)
            state.count({"flips": linked.flips})
            better = linked.cut > state.candidates[0].cut
            state.add([Candidate(cut=linked.cut, source="path relinking", labels=linked.labels)])
            if better:
                yield state.event("path relinking")
    if state.candidates[0].source != options.method:
        state.exact = ""


def _sdp(state: RunState) -> Iterator[Progress]:
    from .sdp import solve_sdp

    with state.clock("bound"):
        solution = solve_sdp(state.problem)
    state.bound = best_of(state.bound, rounded(state.problem, solution.bound, "sdp"))
    yield state.event("sdp bound")


def iter_cells(
    graph: GraphLike | Problem,
    weight: str | None = "weight",
    rank: int = 2,
    top: int = 100,
    *,
    method: Method | None = None,
    matrix: Matrix = "corrected",
    seed: Seed = None,
    n_jobs: int | None = 1,
    circles: int = DEFAULT_CIRCLES,
    max_candidates: int = MAX_CANDIDATES,
    backend: str | None = None,
    parallel: Parallel | None = None,
) -> Iterator[Candidate]:
    """Stream the best enumerated candidates, distinct modulo label permutations, falling by true cut.

    Args:
        graph: As in :func:`max3cut`.
        weight: The edge attribute that holds the weight.
        rank: The rank of the factor.
        top: How many candidates at most; an engine that finds fewer distinct ones yields fewer. The three-arc
            engine offers the best split for each first boundary, arcs the best pattern of each arc, circles the
            best candidate of each circle.
        method: An enumeration engine; by default ``rank1``, ``three-arc`` or ``circles`` after the rank.
        matrix: The form's diagonal.
        seed: Root seed (circles only).
        n_jobs: Workers.
        circles: Number of great circles.
        max_candidates: Limit of ``"vertices"``.
        backend: A joblib backend or the address of a Dask scheduler.
        parallel: ``n_jobs`` and ``backend`` in one.

    Yields:
        Candidates.

    Raises:
        InvalidInputError: If the graph or an argument breaks its rule.

    Example:
        >>> import networkx as nx
        >>> [candidate.cut for candidate in iter_cells(nx.house_graph(), top=1)]
        [6]
    """
    engine: Method = method or ("rank1" if rank == 1 else "three-arc" if rank == 2 else "circles")
    if engine == "auto":
        raise invalid("method", engine, "must be an enumeration engine", "use max3cut for method='auto'")
    result = max3cut(
        graph, weight, rank, engine, matrix, None, top, None, None, seed, n_jobs,
        circles=circles, max_candidates=max_candidates, backend=backend, parallel=parallel,
    )  # fmt: skip
    yield from result.candidates
