"""What a run knows: its options, its state, and the result made of it."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Status, versions

from .bounds import Bound, UpperBound, base_bound, best_of, spectral_bound
from .enumeration import Method
from .matrices import Matrix, cut_form
from .problem import Notice, Problem
from .refine import Refine
from .result import Candidate, Max3CutResult, Progress, canonical, distinct
from .spectrum import Spectrum, spectrum

OPTIMUM = "instance optimum because cut = bound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The checked arguments of a run."""

    rank: int
    method: Method
    matrix: Matrix
    refine: Refine | None
    top: int
    bound: Bound | None
    budget: float | None
    root: int
    n_jobs: int
    circles: int
    max_candidates: int
    backend: str | None
    checkpoint: str | os.PathLike[str] | None


@dataclass(slots=True)
class RunState:
    """What a run has so far; turned into a result at the end, or when interrupted."""

    problem: Problem
    options: Options
    begin: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)
    candidates: list[Candidate] = field(default_factory=list)
    trace: list[Progress] = field(default_factory=list)
    bound: UpperBound = field(init=False)
    exact: str = ""
    notices: list[Notice] = field(default_factory=list)
    evaluations: dict[str, int] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    spectrum: Spectrum | None = None
    status: Status = Status.CONVERGED

    def __post_init__(self) -> None:
        with self.clock("bound"):
            self.bound = base_bound(self.problem, self.options.bound)

    def add(self, candidates: list[Candidate]) -> None:
        """Take over candidates, keeping the list short."""
        self.candidates = list(distinct(self.candidates + candidates, max(4 * self.options.top, 32)))

    def count(self, counters: dict[str, int]) -> None:
        """Add counters."""
        for name, value in counters.items():
            self.evaluations[name] = self.evaluations.get(name, 0) + value

    @contextlib.contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the wall time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.times[stage] = self.times.get(stage, 0.0) + time.perf_counter() - start

    def event(self, stage: str) -> Progress:
        """Record and return where the run stands."""
        seconds = time.perf_counter() - self.begin
        point = Progress(seconds, self.candidates[0].cut, self.bound.value, stage)
        self.trace.append(point)
        return point


def eigenpairs(
    state: RunState, problem: Problem, matrix: Matrix, deadline: float | None = None
) -> tuple[Spectrum, UpperBound | None]:
    """Return eigenpairs of a connected graph and the bound that comes with them."""
    options = state.options
    with state.clock("eigenvectors"):
        form = cut_form(problem, matrix)
        spec = spectrum(form.matrix, min(options.rank, problem.n), deadline=deadline)
    if options.bound not in ("eigen", "rank"):
        return spec, None
    with state.clock("bound"):
        return spec, spectral_bound(problem, form, spec, options.bound)


def merge_bounds(state: RunState, bounds: list[UpperBound]) -> None:
    """Add up the bounds of all components and keep the sum if it is smaller."""
    if not bounds:
        return
    total = math.fsum(b.value for b in bounds)
    kinds = [b.kind for b in bounds if b.kind != "trivial"]
    merged = UpperBound(state.problem.number(total), kinds[0] if kinds else "trivial", total)
    state.bound = best_of(state.bound, merged)


def merge_parts(
    problem: Problem, pieces: list[tuple[NDArray[np.int64], list[Candidate]]], top: int
) -> list[Candidate]:
    """Join the k-th best candidates of all components, k = 1..top."""
    ranked = [(part, distinct(found, top)) for part, found in pieces]
    if len(ranked) == 1 and len(ranked[0][0]) == problem.n:
        return list(ranked[0][1])
    merged = []
    for k in range(max((len(found) for _, found in ranked), default=0)):
        labels = np.zeros(problem.n, dtype=np.int8)
        for part, found in ranked:
            labels[part] = found[min(k, len(found) - 1)].labels
        source = ranked[0][1][0].source
        merged.append(Candidate(cut=problem.cut(labels), source=source, labels=labels))
    return merged


def finish(state: RunState) -> Max3CutResult:
    """Turn the state into the result."""
    problem, options = state.problem, state.options
    # The all-in-one-part start is only a candidate where nothing else was found.
    found = [c for c in state.candidates if c.source != "trivial"]
    candidates = distinct(found or state.candidates, options.top)
    if state.candidates[0].cut > candidates[0].cut:
        candidates = distinct(state.candidates, options.top)
    best = candidates[0]
    bound = state.bound
    exact = state.exact
    if best.cut >= bound.value - 1e-9 * max(1.0, abs(bound.value)):
        exact = OPTIMUM
    times = dict(state.times)
    times["total"] = time.perf_counter() - state.begin
    times["cpu"] = time.process_time() - state.cpu
    labels = canonical(best.labels)
    spec = state.spectrum
    return Max3CutResult(
        cut=problem.cut(labels),
        upper_bound=bound.value,
        bound_kind=bound.kind,
        exact=exact,
        method=options.method,
        matrix=options.matrix,
        rank=options.rank,
        refine=options.refine,
        n=problem.n,
        m=problem.m,
        total_weight=problem.number(problem.total),
        eigenvalues=() if spec is None else tuple(float(v) for v in spec.values),
        warnings=tuple(dict.fromkeys(state.notices)),
        evaluations=state.evaluations,
        times=times,
        status=state.status,
        seed=options.root,
        name=problem.name,
        partition=dict(zip(problem.nodes, labels.tolist(), strict=True)),
        candidates=candidates,
        trace=tuple(state.trace),
        versions=versions(),
        problem=problem,
        spectrum=spec,
    )
