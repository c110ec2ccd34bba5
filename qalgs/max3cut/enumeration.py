"""The enumeration engines behind one call: candidates of a connected graph, with what is exact about them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InfeasibleError, expect, invalid

from . import kernels
from .arcs import pairs, perturbed, predicted_segments
from .circles import BLOCK
from .engine import ArcsTask, CirclesTask, run_chunks
from .low_rank import rank1, score
from .problem import Labels, Notice, Problem
from .result import Candidate
from .spectrum import Spectrum, cluster
from .three_arc import ArcSplits, three_arc
from .vertices import MAX_CANDIDATES, check_candidates, maximize_vertices

Method = Literal["auto", "rank1", "three-arc", "arcs", "circles", "vertices"]
DEFAULT_CIRCLES = 200
MAX_TABLE_ROWS = 16_000
MAX_SEGMENTS = 10**11
_ROTATIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How to spread and limit an enumeration."""

    top: int = 10
    root: int = 0
    circles: int = DEFAULT_CIRCLES
    max_candidates: int = MAX_CANDIDATES
    deadline: float | None = None
    n_jobs: int | None = 1
    backend: str | None = None
    checkpoint: str | os.PathLike[str] | None = None

    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline


@dataclass(slots=True)
class Enumeration:
    """Candidates, the words for what is exact about them, counters and notices."""

    candidates: list[Candidate]
    exact: str
    evaluations: dict[str, int]
    notices: list[Notice] = field(default_factory=list)


def check_method(method: str, rank: int) -> None:
    """Raise unless ``method`` exists and can handle ``rank``."""
    expect(Integral, rank=rank)
    if method not in get_args(Method):
        raise invalid("method", method, f"must be one of {', '.join(get_args(Method))}")
    if method == "rank1" and rank != 1:
        raise invalid("rank", rank, "must be 1 for method='rank1'", "pass rank=1")
    if method in ("three-arc", "arcs") and rank != 2:
        raise invalid("rank", rank, f"must be 2 for method={method!r}", "use method='circles' or 'vertices'")


def check_size(n: int, method: str, rank: int, max_candidates: int) -> None:
    """Refuse, before any work, an exact run that would not end or not fit."""
    expect(Integral, max_candidates=max_candidates)
    if method == "vertices":
        check_candidates(n, min(rank, n), 3, max_candidates)
    if method == "arcs" and predicted_segments(n) > MAX_SEGMENTS:
        raise InfeasibleError(
            f"exact arcs on n = {n} rows walk about {predicted_segments(n)} segments, more than the limit of "
            f"{MAX_SEGMENTS}; use method='three-arc' (real factors) or method='circles'"
        )
    if method == "three-arc" and n > MAX_TABLE_ROWS:
        rule = f"must be at most {MAX_TABLE_ROWS} for method='three-arc' (its table has (n + 1)^2 entries)"
        raise invalid("n", n, rule, "use method='circles'")


def enumerate_candidates(problem: Problem, spec: Spectrum, method: str, work: Work) -> Enumeration:
    """Run one engine on a connected graph with at least three vertices.

    Args:
        problem: The graph.
        spec: Leading eigenpairs of its form.
        method: Any method but ``"auto"``.
        work: Limits and workers.

    Returns:
        The candidates, best first.
    """
    engine = {
        "rank1": _rank1,
        "three-arc": _three_arc,
        "arcs": _arcs,
        "circles": _circles,
        "vertices": _vertices,
    }[method]
    return engine(problem, spec, work)


def _rank1(problem: Problem, spec: Spectrum, work: Work) -> Enumeration:
    labels, order = rank1(spec.factor[:, 0])
    counts, walker = np.empty((problem.n, 3)), labels.copy()
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, walker, counts)
    ones = np.ones(len(order), dtype=np.int8)
    _, where = kernels.sweep(*graph, walker, counts, order, ones)
    labels[order[:where]] = (labels[order[:where]] + 1) % 3
    best = Candidate(cut=problem.cut(labels), source="rank1", score=score(spec.factor, labels), labels=labels)
    return Enumeration([best], "rank-1 candidate set", {"candidates": problem.n + 1})


def _three_arc(problem: Problem, spec: Spectrum, work: Work) -> Enumeration:
    keep = np.flatnonzero(~spec.free)
    found, triples = [], 0
    notices: list[Notice] = []
    for factor in _bases(spec):
        splits = three_arc(problem, factor, keep)
        triples += splits.triples
        found += list(_candidates(problem, factor, splits, work.top))
    if len(keep) < problem.n:
        return Enumeration(
            found, "rank-2 candidate set of the vertices that are not free", {"candidates": triples}, notices
        )
    return Enumeration(found, "rank-2 candidate set", {"candidates": triples}, notices)


def _bases(spec: Spectrum) -> Iterator[NDArray[np.float64]]:
    """Yield the factor and, where an eigenvalue cluster runs past the rank, a few fixed rotations within it."""
    yield spec.factor
    members = cluster(spec)
    if len(members) and members[-1] >= spec.rank:
        rng = np.random.default_rng(0)
        for _ in range(_ROTATIONS):
            turn, _ = np.linalg.qr(rng.standard_normal((len(members), len(members))))
            vectors = spec.vectors.copy()
            vectors[:, members] = vectors[:, members] @ turn
            # Inside a cluster the gap is zero, so the columns keep their natural scale instead.
            yield vectors[:, : spec.rank] * np.sqrt(np.maximum(spec.values[: spec.rank] - spec.values[-1], 1e-12))


def _candidates(problem: Problem, factor: NDArray[np.float64], splits: ArcSplits, top: int) -> Iterator[Candidate]:
    for a in np.argsort(-splits.values, kind="stable")[:top].tolist():
        labels = fill(problem, splits.labels(a, problem.n))
        yield Candidate(cut=problem.cut(labels), source="three-arc", score=score(factor, labels), labels=labels)


def fill(problem: Problem, labels: Labels) -> Labels:
    """Give every vertex labelled -1 its best label, those with the strongest ties to labelled vertices first."""
    free = np.flatnonzero(labels < 0)
    if not len(free):
        return labels
    labels = labels.copy()
    counts = np.zeros((problem.n, 3))
    for v in free.tolist():
        span = slice(problem.indptr[v], problem.indptr[v + 1])
        near = labels[problem.indices[span]]
        np.add.at(counts[v], near[near >= 0], problem.data[span][near >= 0])
    waiting = free[np.argsort(-np.abs(counts[free]).sum(axis=1), kind="stable")]
    for v in waiting.tolist():
        labels[v] = int(np.argmin(counts[v]))
        span = slice(problem.indptr[v], problem.indptr[v + 1])
        counts[problem.indices[span], labels[v]] += problem.data[span]
    return labels


def _arcs(problem: Problem, spec: Spectrum, work: Work) -> Enumeration:
    # Real eigenvectors make the planes of all rows coincide, so the arcs are those of a perturbed factor.
    exact = spec.factor.astype(np.complex128)
    chunks = max(1, min(pairs(problem.n), problem.n // 4, 256))
    task = ArcsTask(perturbed(exact), exact, chunks, 3, work.top)
    found, segments, done = [], 0, 0
    for chunk in _run(task, range(chunks), work):
        segments, done = segments + chunk.visited, done + 1
        for labels in chunk.patterns:
            found.append(
                Candidate(cut=problem.cut(labels), source="arcs", score=score(exact, labels), labels=labels)
            )
    found.sort(key=lambda c: -(c.score or 0.0))
    notice = Notice(
        "degenerate", "real eigenvectors: arcs were walked on a factor perturbed by 1e-7, scored exactly"
    )
    words = "low-rank objective" if done == chunks else ""
    return Enumeration(found, words, {"segments": segments, "cells": 4 * segments}, [notice])


def _circles(problem: Problem, spec: Spectrum, work: Work) -> Enumeration:
    blocks = -(-work.circles // BLOCK) if work.deadline is None else 10**9
    task = CirclesTask(problem, spec.factor, work.root)
    found: list[Candidate] = []
    visited = done = 0
    for block in _run(task, range(blocks), work):
        visited, done = visited + block.visited, done + 1
        for cut, labels in zip(block.values, block.patterns, strict=True):
            found.append(Candidate(cut=problem.number(cut), source="circles", labels=labels))
        if len(found) > 4 * work.top + BLOCK:
            found.sort(key=lambda c: -c.cut)
            del found[2 * work.top :]
    return Enumeration(found, "", {"candidates": visited, "circles": done * BLOCK})


def _vertices(problem: Problem, spec: Spectrum, work: Work) -> Enumeration:
    scores, patterns, rays, moved = maximize_vertices(
        spec.factor, top=work.top, max_candidates=work.max_candidates
    )
    found = [
        Candidate(cut=problem.cut(p), source="vertices", score=float(s), labels=p)
        for s, p in zip(scores, patterns, strict=True)
    ]
    notices = []
    if moved:
        message = (
            "too many rows meet in one ray: vertices were taken of a factor perturbed by 1e-7, scored exactly"
        )
        notices.append(Notice("degenerate", message))
    return Enumeration(found, "low-rank objective", {"candidates": rays}, notices)


def _run(task: ArcsTask | CirclesTask, indices: range, work: Work):  # type: ignore[no-untyped-def]
    stop = work.late if work.deadline is not None else None
    if len(indices) > 10**6:
        # Open-ended: in rounds, so that no worker holds an endless queue.
        for start in range(0, len(indices), 64):
            yield from run_chunks(
                task, indices[start : start + 64], n_jobs=work.n_jobs, backend=work.backend, stop=stop
            )
            if work.late():
                return
        return
    yield from run_chunks(
        task, indices, n_jobs=work.n_jobs, backend=work.backend, checkpoint=work.checkpoint, stop=stop
    )
