"""The run behind ``method="auto"``: cheap enumeration and bounds first, then the memetic search."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from qalgs.results import Status

from .bounds import base_bound, best_of
from .enumeration import MAX_TABLE_ROWS, Work, enumerate_candidates
from .matrices import Matrix
from .portfolio import effort, evolve
from .problem import Labels
from .result import Candidate, Progress
from .state import RunState, eigenpairs, merge_bounds, merge_parts

_SIGNED_TABLE_ROWS = 2500
_WARM_TABLE_ROWS = 6000
_CORRECTED_ROWS = 5000


def run_auto(state: RunState, deadline: float | None) -> Iterator[Progress]:
    """Enumerate what is cheap, bound, then search."""
    problem, options = state.problem, state.options
    yield from _warm_starts(state, deadline)
    warm: list[Labels] = [c.labels for c in state.candidates if c.source != "trivial"]
    left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
    plan = effort(problem, left, options.n_jobs)
    target = float(state.bound.value)
    flips = generations = 0
    pool: tuple[Labels, ...] = ()
    with state.clock("search"):
        for step in evolve(
            problem,
            warm,
            plan,
            root=options.root,
            target=target,
            deadline=deadline,
            n_jobs=options.n_jobs,
            backend=options.backend,
        ):
            better = step.cut > state.candidates[0].cut
            if better:
                state.add([Candidate(cut=step.cut, source=step.stage, labels=step.labels)])
            flips, generations = step.flips, step.generations
            pool = step.pool
            if better:
                yield state.event(step.stage)
    state.add([Candidate(cut=problem.cut(labels), source="pool", labels=labels) for labels in pool])
    state.count({"flips": flips, "generations": generations})
    reached = state.candidates[0].cut >= target
    state.status = Status.CONVERGED if reached or deadline is None else Status.BUDGET
    yield state.event("search")


def _warm_starts(state: RunState, deadline: float | None) -> Iterator[Progress]:
    """Enumerate the largest component under the chosen matrix and under -A, and bound every component."""
    problem, options = state.problem, state.options
    parts = [part for part in problem.components() if len(part) > 1]
    bounds, pieces = [], []
    patience = None if deadline is None else time.monotonic() + 0.2 * (deadline - time.monotonic())
    for k, part in enumerate(parts):
        piece = problem if len(part) == problem.n else problem.restrict(part)
        limit = base_bound(piece, options.bound)
        found: list[Candidate] = []
        if piece.n >= 3 and k < 8:
            # The corrected form's leading eigenvalues cluster, which takes ARPACK long: it comes last, and not at
            # all on large graphs.
            choices: tuple[Matrix, ...] = ("adjacency",)
            if piece.n <= _CORRECTED_ROWS:
                choices = ("adjacency", options.matrix)
            for matrix in dict.fromkeys(choices):
                try:
                    spec, spectral = eigenpairs(state, piece, matrix, patience)
                except TimeoutError:
                    break
                limit = limit if spectral is None else best_of(limit, spectral)
                if state.spectrum is None:
                    state.spectrum = spec
                    state.notices += spec.notices
                rows = _WARM_TABLE_ROWS if piece.nonnegative else _SIGNED_TABLE_ROWS
                table = spec.rank == 2 and piece.n <= min(rows, MAX_TABLE_ROWS)
                engine = "rank1" if spec.rank == 1 else "three-arc" if table else "circles"
                work = Work(top=options.top, root=options.root, circles=16)
                with state.clock("enumeration"):
                    result = enumerate_candidates(piece, spec, engine, work)
                state.count(result.evaluations)
                found += result.candidates
                if deadline is not None and time.monotonic() > deadline:
                    break
        if not found:
            labels = np.zeros(piece.n, dtype=np.int8)
            labels[0] = 1
            found = [Candidate(cut=piece.cut(labels), source="trivial", labels=labels)]
        bounds.append(limit)
        pieces.append((part, found))
    merge_bounds(state, bounds)
    state.add(merge_parts(problem, pieces, options.top))
    yield state.event("enumeration")
