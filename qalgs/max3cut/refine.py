"""Refinement of a partition on the true graph: 1-opt, annealing, tabu search, relinking and recombination."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import invalid

from . import kernels
from .problem import Labels, Problem

Refine = Literal["1opt", "anneal", "tabu"]
_SLICE = 6_000_000
_COLD = 0.2
_HOT = 0.4
_PERMUTATIONS = np.array(list(itertools.permutations(range(3))), dtype=np.int8)


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A refined labelling.

    Attributes:
        labels: The best labels met.
        cut: Their recounted cut.
        flips: Single-vertex moves proposed or examined.
    """

    labels: Labels
    cut: int | float
    flips: int


def check_refine(refine: str | None) -> None:
    """Raise unless ``refine`` is None or names a method."""
    if refine is not None and refine not in get_args(Refine):
        raise invalid("refine", refine, f"must be None or one of {', '.join(get_args(Refine))}")


def hot(problem: Problem) -> float:
    """Return the starting temperature that suits the weights: 0.4 of the root-mean-square local field."""
    return _HOT * math.sqrt(2.0 * float((problem.weights**2).sum()) / max(problem.n, 1))


def random_labels(problem: Problem, rng: np.random.Generator) -> Labels:
    """Return uniform labels."""
    return rng.integers(0, 3, problem.n).astype(np.int8)


def rng_state(rng: np.random.Generator) -> NDArray[np.uint64]:
    """Return a fresh non-zero state for the compiled generator."""
    return np.array([int(rng.integers(1, 2**63 - 1))], dtype=np.uint64)


def one_opt(problem: Problem, labels: Labels) -> Refined:
    """Move single vertices to their best label until none gains."""
    labels, counts = labels.astype(np.int8), np.empty((problem.n, 3))
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, labels, counts)
    _, moves = kernels.descend(*graph, labels, counts)
    return Refined(labels, problem.cut(labels), int(moves))


def anneal(
    problem: Problem,
    labels: Labels,
    rng: np.random.Generator,
    *,
    sweeps: int,
    start: float | None = None,
    stop: float | None = None,
    deadline: float | None = None,
) -> Refined:
    """Anneal with a linear schedule, then descend.

    Args:
        problem: The graph.
        labels: Where to start; irrelevant if ``start`` is hot.
        rng: Source of the run's randomness.
        sweeps: Passes over all vertices.
        start: First temperature; :func:`hot` by default.
        stop: Last temperature; a fifth of :func:`hot` by default.
        deadline: ``time.monotonic`` value at which to cut the run short (the schedule is then compressed).
    """
    start = hot(problem) if start is None else start
    stop = _COLD * hot(problem) if stop is None else stop
    labels, counts = labels.astype(np.int8), np.empty((problem.n, 3))
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, labels, counts)
    state, track, best = rng_state(rng), np.zeros(2), labels.copy()
    piece = max(1, _SLICE // max(problem.n, 1))
    done, used, now = 0, 0, time.monotonic()
    while done < sweeps:
        part = min(piece, sweeps - done)
        share = (done + np.arange(part)) / max(sweeps - 1, 1)
        kernels.anneal(
            *graph, labels, counts, state, start + (stop - start) * share, kernels.LOG_TABLE, track, best
        )
        done, used = done + part, used + part
        if deadline is None:
            continue
        before, now = now, time.monotonic()
        left = (deadline - now) / max(now - before, 1e-9) * part
        if left < sweeps - done:
            # Compress what is left of the schedule into the time that is left.
            skip = sweeps - done - max(left, 0.0)
            done += int(skip) if left >= 1 else sweeps
    polished = one_opt(problem, best)
    return Refined(polished.labels, polished.cut, used * problem.n + polished.flips)


def tabu(
    problem: Problem,
    labels: Labels,
    rng: np.random.Generator,
    *,
    steps: int,
    tenure: int | None = None,
    deadline: float | None = None,
) -> Refined:
    """Take the best admissible single move at every step, with random tenure.

    Args:
        problem: The graph.
        labels: Where to start.
        rng: Source of tie breaks and tenures.
        steps: Moves to make; each examines 2n.
        tenure: Least number of steps for which a label stays forbidden; n / 100 + 10 by default.
        deadline: ``time.monotonic`` value at which to stop.
    """
    labels, counts = labels.astype(np.int8), np.empty((problem.n, 3))
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, labels, counts)
    state, track, best = rng_state(rng), np.zeros(3), labels.copy()
    until = np.zeros((problem.n, 3), dtype=np.int64)
    tenure = problem.n // 100 + 10 if tenure is None else tenure
    piece, done = max(1, _SLICE // max(2 * problem.n, 1)), 0
    while done < steps and (deadline is None or time.monotonic() < deadline):
        part = min(piece, steps - done)
        kernels.tabu(*graph, labels, counts, state, part, tenure, until, track, best)
        done += part
    return Refined(best, problem.cut(best), 2 * done * problem.n)


def align(labels: Labels, guide: Labels) -> Labels:
    """Permute the labels of ``guide`` so that it agrees with ``labels`` on as many vertices as possible."""
    agreement = np.zeros((3, 3), dtype=np.int64)
    np.add.at(agreement, (guide, labels), 1)
    best = max(_PERMUTATIONS, key=lambda p: int(agreement[np.arange(3), p].sum()))
    return best[guide]


def crossover(problem: Problem, labels: Labels, guide: Labels, rng: np.random.Generator) -> Labels:
    """Improve ``labels`` by every independent patch of ``guide`` that gains, under all six label permutations."""
    child, state = labels.copy(), rng_state(rng)
    graph = (problem.indptr, problem.indices, problem.data)
    for permutation in _PERMUTATIONS:
        kernels.transplant(*graph, child, permutation[guide], state, True)
    return child


def path_relink(problem: Problem, labels: Labels, guide: Labels) -> Refined:
    """Walk greedily from one partition to another (labels aligned), then descend from the best point between."""
    walker, target = labels.copy(), align(labels, guide)
    counts, best = np.empty((problem.n, 3)), labels.copy()
    graph = (problem.indptr, problem.indices, problem.data)
    kernels.count(*graph, walker, counts)
    _, steps = kernels.relink(*graph, walker, counts, target, best)
    polished = one_opt(problem, best)
    return Refined(polished.labels, polished.cut, int(steps) + polished.flips)


def refine_labels(
    problem: Problem, labels: Labels, refine: Refine | None, rng: np.random.Generator, deadline: float | None
) -> Refined:
    """Apply one refinement method with its default effort; the result is never worse than the start."""
    before = Refined(labels, problem.cut(labels), 0)
    if refine is None:
        return before
    if refine == "1opt":
        after = one_opt(problem, labels)
    elif refine == "anneal":
        warm = 0.35 * hot(problem)
        after = anneal(problem, labels, rng, sweeps=3000, start=warm, deadline=deadline)
    else:
        after = tabu(problem, one_opt(problem, labels).labels, rng, steps=20 * problem.n, deadline=deadline)
    return max(before, after, key=lambda r: r.cut)
