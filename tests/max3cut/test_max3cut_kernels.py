"""Compiled moves keep their books: gains, neighbour weights and recounted cuts agree after every kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qalgs.max3cut import gnm, planar_union, torus
from qalgs.max3cut import kernels as compiled
from qalgs.max3cut import refine as rf
from qalgs.max3cut.circles import circle_block, circle_path, events
from qalgs.max3cut.kernels import LOG_TABLE
from qalgs.max3cut.low_rank import roots
from qalgs.max3cut.problem import Problem, as_problem

# Compiled functions have no signature that a type checker could read.
kernels: Any = compiled
GRAPHS = [gnm(40, 150, signed=True, seed=1), torus(6, 7, signed=True, seed=2), planar_union(50, seed=3)]


@pytest.fixture(params=range(len(GRAPHS)))
def problem(request: pytest.FixtureRequest) -> Problem:
    return as_problem(GRAPHS[request.param])


def setting(problem: Problem, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    graph = (problem.indptr, problem.indices, problem.data)
    labels = rng.integers(0, 3, problem.n).astype(np.int8)
    counts = np.empty((problem.n, 3))
    kernels.count(*graph, labels, counts)
    return graph, labels, counts


def slow_counts(problem: Problem, labels: Any) -> Any:
    counts = np.zeros((problem.n, 3))
    for u, v, w in zip(problem.rows, problem.cols, problem.weights, strict=True):
        counts[u, labels[v]] += w
        counts[v, labels[u]] += w
    return counts


def test_count_and_descend(problem: Problem, rng: np.random.Generator) -> None:
    graph, labels, counts = setting(problem, rng)
    assert np.allclose(counts, slow_counts(problem, labels))
    before = problem.cut(labels)
    gain, moves = kernels.descend(*graph, labels, counts)
    assert problem.cut(labels) - before == pytest.approx(gain)
    assert moves > 0
    assert np.allclose(counts, slow_counts(problem, labels))
    assert (counts.min(axis=1) == counts[np.arange(problem.n), labels]).all()


def test_anneal_and_tabu_track_the_cut(problem: Problem, rng: np.random.Generator) -> None:
    graph, labels, counts = setting(problem, rng)
    before, best, track = problem.cut(labels), labels.copy(), np.zeros(2)
    kernels.anneal(*graph, labels, counts, rf.rng_state(rng), np.linspace(2, 0.2, 50), LOG_TABLE, track, best)
    assert problem.cut(labels) - before == pytest.approx(track[0])
    assert problem.cut(best) - before == pytest.approx(track[1])
    assert np.allclose(counts, slow_counts(problem, labels))
    graph, labels, counts = setting(problem, rng)
    before, best, walk = problem.cut(labels), labels.copy(), np.zeros(3)
    until = np.zeros((problem.n, 3), dtype=np.int64)
    kernels.tabu(*graph, labels, counts, rf.rng_state(rng), 300, 8, until, walk, best)
    assert problem.cut(labels) - before == pytest.approx(walk[0])
    assert problem.cut(best) - before == pytest.approx(walk[1])
    assert walk[1] >= walk[0]
    assert walk[2] == 300
    assert np.allclose(counts, slow_counts(problem, labels))


def test_transplant_takes_exactly_the_gaining_patches(problem: Problem, rng: np.random.Generator) -> None:
    graph, labels, _ = setting(problem, rng)
    guide = labels.copy()
    far = rng.choice(problem.n, problem.n // 4, replace=False)
    guide[far] = (guide[far] + rng.integers(1, 3, len(far))) % 3
    start, before = labels.copy(), problem.cut(labels)
    gain, copied, patches = kernels.transplant(*graph, labels, guide, rf.rng_state(rng), False)
    assert problem.cut(labels) - before == pytest.approx(gain)
    assert patches >= 1
    # Independent check: components of the differing vertices, each tried alone.
    differing = np.flatnonzero(start != guide)
    expected = start.copy()
    taken = 0
    for part in problem.restrict(differing).components():
        trial = start.copy()
        trial[differing[part]] = guide[differing[part]]
        if problem.cut(trial) > before:
            taken += 1
            expected[differing[part]] = trial[differing[part]]
    assert (taken, copied) == (copied, taken)
    assert (labels == expected).all()


def test_relink_stays_between_its_ends(problem: Problem, rng: np.random.Generator) -> None:
    graph, labels, counts = setting(problem, rng)
    start, guide = labels.copy(), rng.integers(0, 3, problem.n).astype(np.int8)
    best = labels.copy()
    gain, distance = kernels.relink(*graph, labels, counts, guide, best)
    assert distance == (start != guide).sum()
    assert (labels == guide).all()
    assert problem.cut(best) - problem.cut(start) == pytest.approx(gain)
    assert ((best == start) | (best == guide)).all()
    assert (best != start).any()
    assert (best != guide).any()


def test_alignment_is_the_best_of_six(rng: np.random.Generator) -> None:
    first = rng.integers(0, 3, 60).astype(np.int8)
    assert (rf.align(first, ((first + 1) % 3).astype(np.int8)) == first).all()
    guide = rng.integers(0, 3, 60).astype(np.int8)
    agreement = [(np.array(p)[guide] == first).sum() for p in rf._PERMUTATIONS]
    assert (rf.align(first, guide) == first).sum() == max(agreement)


def test_deadline_compresses_the_annealing_schedule(rng: np.random.Generator) -> None:
    import time

    problem = as_problem(gnm(300, 3000, seed=1))
    labels = rf.random_labels(problem, rng)
    begin = time.monotonic()
    late = rf.anneal(problem, labels, rng, sweeps=10**7, deadline=begin + 0.4)
    assert time.monotonic() - begin < 20
    assert late.cut > 0.97 * rf.anneal(problem, labels, rng, sweeps=2000).cut


def test_circle_events_step_from_pattern_to_pattern(rng: np.random.Generator) -> None:
    a = rng.standard_normal(9) + 1j * rng.standard_normal(9)
    b = rng.standard_normal(9) + 1j * rng.standard_normal(9)
    labels, rows, steps, keys = events(a, b)
    assert (np.diff(keys) >= 0).all()
    angles = np.arange(20_000) * 2 * np.pi / 20_000
    along = (np.outer(np.cos(angles), a) + np.outer(np.sin(angles), b))[:, :, None] * np.conj(roots(3))
    patterns = along.real.argmax(axis=2)
    assert (patterns[0] == labels).all()
    walked = [labels.copy()]
    for row, step in zip(rows, steps, strict=True):
        labels[row] = (labels[row] + 3 + step) % 3
        walked.append(labels.copy())
    assert (walked[-1] == walked[0]).all()
    seen = {p.astype(np.int8).tobytes() for p in patterns}
    assert seen <= {w.tobytes() for w in walked}
    assert len(rows) == 27


def test_circle_block_reports_the_best_of_its_path(problem: Problem, rng: np.random.Generator) -> None:
    factor = rng.standard_normal((problem.n, 3))
    block = circle_block(problem, factor, 5, 0)
    assert block.candidates == 3 * problem.n * len(block.cuts)
    assert [problem.cut(p) for p in block.patterns] == block.cuts.tolist()
    path = circle_path(problem, factor, 5)
    assert len(path.cuts) == 3 * problem.n + 1
    assert path.cuts[0] == pytest.approx(path.cuts[-1])
    assert (np.diff(path.angles) >= 0).all()
    graph, labels, counts = setting(problem, rng)
    before = problem.cut(labels)
    rows, steps = np.arange(problem.n), np.ones(problem.n, dtype=np.int8)
    start = labels.copy()
    gain, where = kernels.sweep(*graph, labels, counts, rows, steps)
    start[:where] = (start[:where] + 1) % 3
    assert problem.cut(start) - before == pytest.approx(gain)
