"""The portfolio behind ``method="auto"``: enumeration as warm start and bound, then a memetic search.

A pool of annealed partitions evolves: two parents are recombined (independent patches, uniform mixing or a
relinking path), the child is annealed from a mild temperature and takes every gaining patch of its parents. Each
task's randomness is keyed by its number, so that without a time budget no result depends on the workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qalgs.parallel import resolve_jobs, run_all
from qalgs.seeds import keyed

from . import refine as rf
from .problem import Labels, Problem

_RATE = 6e7
_BATCH = 4


@dataclass(frozen=True, slots=True, eq=False)
class Brood:
    """One task of the search; picklable, and its outcome depends on nothing else but a deadline.

    Attributes:
        problem: The graph.
        mode: ``fresh``, ``warm``, ``patch``, ``uniform`` or ``relink``.
        parents: No, one or two labellings.
        key: Names the task's random stream, after the root seed.
        sweeps: Annealing effort.
        deadline: ``time.monotonic`` value to stop by, or None.
    """

    problem: Problem
    mode: str
    parents: tuple[Labels, ...]
    root: int
    key: tuple[str | int, ...]
    sweeps: int
    deadline: float | None


def breed(task: Brood) -> rf.Refined:
    """Carry out one task."""
    problem, rng = task.problem, keyed(task.root, "portfolio", *task.key)
    heat = rf.hot(problem)
    if task.mode == "fresh":
        start = rf.random_labels(problem, rng)
        return rf.anneal(
            problem, start, rng, sweeps=task.sweeps, start=0.7 * heat, stop=0.1 * heat, deadline=task.deadline
        )
    first = task.parents[0]
    if task.mode == "warm":
        start, share = first, 0.3
    else:
        second = task.parents[1]
        share = float(rng.choice([0.25, 0.4]))
        if task.mode == "patch":
            start = rf.crossover(problem, first, second, rng)
        elif task.mode == "uniform":
            start = np.where(rng.random(problem.n) < 0.5, first, rf.align(first, second)).astype(np.int8)
        else:
            start = rf.path_relink(problem, first, second).labels
    child = rf.anneal(
        problem, start, rng, sweeps=task.sweeps, start=share * heat, stop=0.1 * heat, deadline=task.deadline
    )
    labels = child.labels
    for parent in task.parents:
        labels = rf.crossover(problem, labels, parent, rng)
    polished = rf.one_opt(problem, labels)
    return rf.Refined(polished.labels, polished.cut, child.flips + polished.flips)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work the search does.

    Attributes:
        pool: Size of the population.
        fresh: Annealing sweeps of a new member.
        child: Annealing sweeps of a child.
        generations: Number of batches of children; None runs until the deadline.
        batch: Children a batch.
    """

    pool: int
    fresh: int
    child: int
    generations: int | None
    batch: int


def effort(problem: Problem, seconds: float | None, workers: int) -> Effort:
    """Choose the effort for a time budget (None: a fixed amount of work)."""
    pool = 12 if problem.n <= 5000 else 8
    if seconds is None:
        return Effort(pool=6, fresh=2000, child=1000, generations=8, batch=_BATCH)
    fresh = 0.2 * seconds * workers * _RATE / (pool * max(problem.n, 1))
    fresh = int(min(max(fresh, 200.0), 20_000.0))
    return Effort(pool=pool, fresh=fresh, child=max(100, fresh // 2), generations=None, batch=workers)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One event of the search: the best labelling so far and the work behind it."""

    labels: Labels
    cut: int | float
    stage: str
    flips: int
    generations: int
    pool: tuple[Labels, ...]


def evolve(
    problem: Problem,
    warm: list[Labels],
    plan: Effort,
    *,
    root: int,
    target: float | None,
    deadline: float | None = None,
    n_jobs: int | None = 1,
    backend: str | None = None,
) -> Iterator[Step]:
    """Run the search and yield after each batch.

    Args:
        problem: The graph.
        warm: Partitions to start from, best first; at most a quarter of the pool.
        plan: The effort.
        root: Root seed.
        target: An upper bound; reaching it ends the search.
        deadline: ``time.monotonic`` value to stop by.
        n_jobs: Number of workers.
        backend: A joblib backend; threads by default, since the kernels release the interpreter lock.

    Yields:
        A step after each batch, the last one with the final pool.
    """
    workers = resolve_jobs(n_jobs)
    # Threads share the graph and the kernels release the lock; other backends are as good, but slower to start.
    backend = backend or "threading"
    search = _Search(problem, warm, plan, root, deadline)
    if search.best is not None:
        yield search.step("warm start")
    while not search.over(target):
        filling = len(search.pool) < plan.pool
        search.take(run_all(breed, search.tasks(), n_jobs=workers, backend=backend), filling)
        yield search.step("anneal" if filling else "recombine")


class _Search:
    """The state of a search: the pool, the champion, and how long nothing has improved.

    The pool is filled first; then batches of children compete for places. A pool that has collapsed or stalled is
    started over beside the champion, which meets the new pool again once that has settled.
    """

    def __init__(
        self, problem: Problem, warm: list[Labels], plan: Effort, root: int, deadline: float | None
    ) -> None:
        self.problem, self.warm, self.plan, self.root, self.deadline = problem, warm, plan, root, deadline
        self.best = rf.one_opt(problem, warm[0]) if warm else None
        self.pool: list[rf.Refined] = []
        self.flips = self.generation = self.number = self.era = self.idle = 0
        self.rng = keyed(root, "portfolio", "parents")

    def over(self, target: float | None) -> bool:
        """Whether the target is reached, or the time or the work is spent."""
        if self.plan.generations is not None and self.generation >= self.plan.generations:
            return True
        reached = self.best is not None and target is not None and self.best.cut >= target
        return reached or (self.deadline is not None and time.monotonic() >= self.deadline)

    def step(self, stage: str) -> Step:
        """Return where the search stands."""
        assert self.best is not None
        pool = tuple(member.labels for member in self.pool)
        return Step(self.best.labels, self.best.cut, stage, self.flips, self.generation, pool)

    def tasks(self) -> list[Brood]:
        """Return the next batch of tasks, numbered through."""
        room = self.plan.pool - len(self.pool)
        found = []
        for slot in range(len(self.pool), len(self.pool) + min(self.plan.batch, room or self.plan.batch)):
            mode, parents, sweeps = self._fresh(slot) if room else self._child()
            key = (self.era, self.number)
            found.append(Brood(self.problem, mode, parents, self.root, key, sweeps, self.deadline))
            self.number += 1
        return found

    def _fresh(self, slot: int) -> tuple[str, tuple[Labels, ...], int]:
        if self.era == 0 and slot % 4 == 3 and slot // 4 < len(self.warm):
            return "warm", (self.warm[slot // 4],), self.plan.fresh
        return "fresh", (), self.plan.fresh

    def _child(self) -> tuple[str, tuple[Labels, ...], int]:
        i, j = self.rng.choice(len(self.pool), 2, replace=False).tolist()
        mode = ("patch", "uniform", "relink")[int(self.rng.integers(3))]
        return mode, (self.pool[i].labels, self.pool[j].labels), self.plan.child

    def take(self, children: list[rf.Refined], filling: bool) -> None:
        """Let the children in, and start over where the pool has nothing more to give."""
        before = None if self.best is None else self.best.cut
        for child in children:
            self.flips += child.flips
            if self.best is None or child.cut > self.best.cut:
                self.best = child
            if filling:
                self.pool.append(child)
            else:
                _admit(self.problem, self.pool, child)
        if filling:
            return
        assert self.best is not None
        self.generation += 1
        self.idle = 0 if before is None or self.best.cut > before else self.idle + len(children)
        stalled, settled = self.idle >= 12 * self.plan.pool, self.idle >= 2 * self.plan.pool
        if stalled or (settled and _collapsed(self.problem, self.pool)):
            self.era, self.idle = self.era + 1, 0
            self.pool = [self.best] if self.era % 2 == 0 else []


def distance(first: Labels, second: Labels) -> int:
    """Return the number of vertices that differ under the best label permutation."""
    return int((first != rf.align(first, second)).sum())


def _admit(problem: Problem, pool: list[rf.Refined], child: rf.Refined) -> None:
    """Let a child replace its near twin, or else the worst member, if it is no worse."""
    gaps = [distance(child.labels, member.labels) for member in pool]
    near = int(np.argmin(gaps))
    if gaps[near] >= max(3, problem.n // 100):
        near = int(np.argmin(_cuts(pool)))
    if child.cut >= pool[near].cut:
        pool[near] = child


def _cuts(pool: list[rf.Refined]) -> NDArray[np.float64]:
    return np.array([member.cut for member in pool], dtype=np.float64)


def _collapsed(problem: Problem, pool: list[rf.Refined]) -> bool:
    """Whether the members agree in cut and (nearly) in labels with the best one."""
    cuts = _cuts(pool)
    if cuts.max() - np.median(cuts) > 1e-4 * max(abs(cuts.max()), 1.0):
        return False
    top = pool[int(cuts.argmax())]
    return float(np.median([distance(top.labels, m.labels) for m in pool])) < max(4.0, 0.08 * problem.n)
