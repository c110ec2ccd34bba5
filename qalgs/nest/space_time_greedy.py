"""The greedy planner: slot after slot, furthest jobs first, each on the region that costs the others least.

Every group of qubits carries a price, first the number of top regions that need it. A job takes the cheapest
region that meets its cycle's floor. Whenever a job finds none, the groups of the regions it wanted become
dearer, and the plan is made again: a multiplicative-weights search whose every round is a complete, valid plan.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InfeasibleError
from qalgs.seeds import keyed

from .chip import Bools, Floats, Ints
from .space_time_model import Kind, Problem

Slots = list[list[tuple[int, int, int]]]
"""Per slot, the (job, cycle, region) that start there; the region indexes the kind's list.

A cycle holds its region for as many slots as its kind's ``length`` says; slots in which nobody starts are empty.
"""


LOOK_ON = 15
"""Rounds after which a plan that meets the bound is good enough."""


@dataclass(slots=True)
class _Round:
    """One construction, from one end of a cycle to the next."""

    problem: Problem
    prices: Floats
    rng: np.random.Generator
    noise: float
    rule: int
    reachable: list[list[Bools]] | None
    near: list[Bools] | None
    cap: int
    touch: list[NDArray[np.float32]]
    clash: list[list[Bools]]
    dense: bool = False
    backward: bool = False
    blame: Floats = field(init=False)
    cost: list[Floats] = field(init=False)
    rank: Floats = field(init=False)
    mixture: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.blame = np.zeros_like(self.prices)
        self.cost = [k.touch @ self.prices for k in self.problem.kinds]
        self.rank = self.rng.uniform(size=len(self.problem.requests))
        self.mixture = self.rng.uniform(-0.5, 1, size=5) * np.array([1, 1, 1, 1, 0.3])
        if self.noise:
            self.cost = [c * self.rng.uniform(1, 1 + self.noise, size=len(c)) for c in self.cost]

    def run(self) -> Slots | None:
        kind_of, lengths = self.problem.kind_of, self.problem.lengths
        total = len(kind_of)
        cycle = np.zeros(total, dtype=np.int64)
        last = np.full(total, -1, dtype=np.int64)
        until = np.zeros(total, dtype=np.int64)
        cycles = np.array([self.problem.kinds[k].cycles for k in kind_of])
        begun: list[tuple[int, int, int, int]] = []
        held: dict[int, tuple[int, int]] = {}
        now = 0
        while (cycle < cycles).any():
            if now >= self.cap:
                return None
            held = {job: seat for job, seat in held.items() if until[job] > now}
            fresh: set[int] = set()
            failed: set[tuple[int, int]] = set()
            for job in self._order(cycle, cycles, until <= now, kind_of, lengths):
                k, c = int(kind_of[job]), self._cycle(int(kind_of[job]), int(cycle[job]))
                shared = (k, int(self.problem.kinds[k].need[c]))
                if self.near is None and shared in failed:
                    continue
                if self._seat(job, k, c, last, held, fresh, kind_of):
                    fresh.add(job)
                    continue
                failed.add(shared)
                self.blame += self.problem.kinds[k].touch[: shared[1]].mean(axis=0)
            if not held:
                return None
            for job in held:
                if job in fresh:
                    cycle[job] += 1
                    last[job] = held[job][1]
                    until[job] = now + lengths[job]
                    begun.append((now, job, *held[job]))
            now = min(int(until[job]) for job in held)
        return self._slots(begun, lengths)

    def _slots(self, begun: Sequence[tuple[int, int, int, int]], lengths: Ints) -> Slots:
        """Sort the cycles by slot, from the other end of time if planned backward."""
        total = max(start + int(lengths[job]) for start, job, _, _ in begun)
        slots: Slots = [[] for _ in range(total)]
        for start, job, c, region in begun:
            slot = total - start - int(lengths[job]) if self.backward else start
            slots[slot].append((job, c, region))
        return slots

    def _cycle(self, k: int, done: int) -> int:
        """The cycle that comes after ``done`` others, counted from the end when planning backward."""
        return self.problem.kinds[k].cycles - 1 - done if self.backward else done

    def _seat(
        self,
        job: int,
        k: int,
        c: int,
        last: Ints,
        running: dict[int, tuple[int, int]],
        fresh: set[int],
        kind_of: Ints,
    ) -> bool:
        """Give the job a region, if need be by moving aside one other job that starts in this slot, too."""
        touches = {i: self.problem.kinds[kind_of[i]].touch[r] for i, (_, r) in running.items()}
        load = np.zeros(len(self.prices), dtype=np.int64)
        for touched in touches.values():
            load += touched
        options = self._options(k, c, int(last[job]), load > 0)
        if len(options):
            running[job] = (c, self._pick(k, options, load > 0))
            return True
        for other, (oc, here) in running.items():
            if other not in fresh:
                continue
            rest = (load - touches[other]) > 0
            mine = self._cheapest(k, self._options(k, c, int(last[job]), rest))
            if not len(mine):
                continue
            ok = int(kind_of[other])
            theirs = self._options(ok, oc, int(last[other]), rest)
            theirs = self._cheapest(ok, theirs[theirs != here])
            if not len(theirs):
                continue
            apart = ~self.clash[k][ok][np.ix_(mine, theirs)]
            if apart.any():
                price = np.where(apart, self.cost[k][mine][:, None] + self.cost[ok][theirs], np.inf)
                i, j = np.unravel_index(int(np.argmin(price)), price.shape)
                running[other] = (oc, int(theirs[j]))
                running[job] = (c, int(mine[i]))
                return True
        return False

    def _pick(self, k: int, options: Ints, taken: Bools) -> int:
        """The cheapest option; if ``dense``, the one that kills the fewest regions that are still free."""
        cost = self.cost[k][options]
        if self.dense:
            killed = np.zeros(len(options))
            busy = taken.astype(np.float32)
            for other, kind in enumerate(self.problem.kinds):
                alive = self.touch[other] @ busy < 0.5
                killed += len(kind.jobs) * (
                    self.clash[k][other][options][:, alive].sum(axis=1) / max(1, alive.sum())
                )
            cost = killed / max(1e-12, killed.max()) + 0.2 * cost / cost.max()
        return int(options[np.argmin(cost)])

    def _cheapest(self, k: int, options: Ints, most: int = 150) -> Ints:
        return options if len(options) <= most else options[np.argsort(self.cost[k][options])[:most]]

    def _order(self, cycle: Ints, cycles: Ints, idle: Bools, kind_of: Ints, lengths: Ints) -> list[int]:
        """Idle jobs that still have cycles; the first four rules are plain, the fifth weighs them at random.

        0: least time left first; 1: most time left; 2: scarcest floor; 3: scarcest share of the kind's
        regions; 4: a random mixture of these with a random rank that a job keeps for the whole round.
        """
        active = np.flatnonzero((cycle < cycles) & idle)
        if not len(active):
            return []
        left = ((cycles - cycle) * lengths)[active].astype(float)
        needs = [self.problem.kinds[kind_of[j]].need[self._cycle(int(kind_of[j]), int(cycle[j]))] for j in active]
        scarce = np.array(needs, dtype=float)
        share = scarce / np.array([len(self.problem.kinds[kind_of[j]].rows) for j in active])
        if self.rule == 4:
            a, b, c, d, e = self.mixture
            size = np.array([self.problem.kinds[kind_of[j]].catalogue.num_qubits for j in active])
            score = a * left / (cycles * lengths).max() + b * share + c * self.rank[active] - d * size / size.max()
            score += e * self.rng.uniform(size=len(active))
            return [int(j) for j in active[np.argsort(score, kind="stable")]]
        keys = {
            0: (active, share, left),
            1: (active, share, -left),
            2: (active, left, share),
            3: (active, share, left),
        }
        return [int(j) for j in active[np.lexsort(keys[self.rule])]]

    def _options(self, k: int, c: int, last: int, taken: Bools) -> Ints:
        """The free regions that meet the floor (and, in a walk, the previous region and all later floors)."""
        kind = self.problem.kinds[k]
        need = int(kind.need[c])
        fits = self.touch[k][:need] @ taken.astype(np.float32) < 0.5
        if self.near is not None and self.reachable is not None:
            fits &= self.reachable[k][c][:need]
            if last >= 0:
                fits &= self.near[k][last][:need]
        return np.flatnonzero(fits)


def greedy_slots(
    problem: Problem,
    *,
    at_least: int = 0,
    rounds: int = 400,
    time_limit: float = 6.0,
    walk_only: bool = False,
    seconds: Sequence[float] | None = None,
    seed: int = 0,
) -> Slots:
    """Return the shortest plan that the search finds.

    Args:
        problem: The jobs, regions and floors.
        at_least: A proven lower bound; the search ends when it is met.
        rounds: Most constructions.
        time_limit: Seconds after which no further round starts.
        walk_only: Whether consecutive cycles must share all but one qubit.
        seconds: Machine time of one slot by job. A slot lasts as long as its longest job; among plans of equally
            many slots the search prefers the one that puts long jobs together, and so it looks on for a while
            after the bound is met.
        seed: Seed of the variations.

    Raises:
        InfeasibleError: If a job meets its floors nowhere, naming it.
    """
    require_floors(problem)
    near = [kind.near() for kind in problem.kinds] if walk_only else None
    reachable = None if near is None else _walks(problem, near)
    prices = _first_prices(problem)
    touch = [kind.touch.astype(np.float32) for kind in problem.kinds]
    clash = [[np.asarray(a @ b.T > 0.5) for b in touch] for a in touch]
    weights = np.ones(len(problem.requests)) if seconds is None else np.asarray(seconds, dtype=float)
    even = bool(np.ptp(weights) <= 0.02 * weights.max())
    best: Slots | None = None
    started = time.monotonic()
    ceiling = int(sum(problem.kinds[k].cycles * problem.kinds[k].length for k in problem.kind_of))
    for step in range(max(1, rounds)):
        construction = _Round(
            problem=problem,
            prices=np.ones_like(prices) if step % 16 >= 12 else prices,
            rng=keyed(seed, "greedy plan", step),
            noise=0.0 if step < 4 else 0.15,
            rule=step if step < 4 else (4 if step % 4 else step // 4 % 4),
            reachable=reachable,
            near=near,
            cap=ceiling if best is None else len(best) - (1 if even else 0),
            touch=touch,
            clash=clash,
            dense=step % 8 >= 4,
            backward=not walk_only and step % 3 == 2,
        )
        slots = construction.run()
        if slots is not None:
            best = slots if best is None else min(best, slots, key=lambda s: _worth(problem, s, weights))
        if best is not None and len(best) <= at_least and (even or step >= LOOK_ON):
            break
        if time.monotonic() - started > time_limit and best is not None:
            break
        blame = construction.blame
        if blame.max() > 0:
            prices = prices * (1 + 0.5 * blame / blame.max())
            prices /= prices.mean()
    if best is None:
        names = ", ".join(repr(problem.requests[j].name) for k in problem.kinds for j in k.jobs[:1])
        raise InfeasibleError(
            f"jobs {names} found no plan on {problem.chip.name}; allow jumps or lower the fidelity"
        )
    return best


def require_floors(problem: Problem) -> None:
    """Refuse jobs whose floors no region meets.

    Raises:
        InfeasibleError: If there is one; names it.
    """
    for kind in problem.kinds:
        if not kind.need.min():
            request = problem.requests[kind.jobs[0]]
            raise InfeasibleError(
                f"job {request.name!r} must reach ESP {max(kind.floors):.4f} on {problem.chip.name}, got at most "
                f"{request.best:.4f}; lower the fidelity"
            )


def _walks(problem: Problem, near: Sequence[Bools]) -> list[list[Bools]]:
    """The regions of each kind, by cycle, from which a walk meets all later floors."""
    reachable = [_reachable(kind, n) for kind, n in zip(problem.kinds, near, strict=True)]
    for kind, reach in zip(problem.kinds, reachable, strict=True):
        if not reach[0].any():
            name = problem.requests[kind.jobs[0]].name
            raise InfeasibleError(
                f"job {name!r} must meet its floors by a walk without jumps, got none; allow jumps"
            )
    return reachable


def _worth(problem: Problem, slots: Slots, weights: Floats) -> tuple[int, float]:
    """Slots first, then machine time."""
    longest = np.zeros(len(slots))
    lengths = problem.lengths
    for slot, starting in enumerate(slots):
        for j, _, _ in starting:
            held = slice(slot, slot + int(lengths[j]))
            longest[held] = np.maximum(longest[held], weights[j])
    return len(slots), float(longest.sum())


def stagger(problem: Problem) -> Slots:
    """Return the plain greedy stagger: furthest jobs first, each on the poorest free map that meets its target.

    It is the baseline that the planners are compared with; one round, no prices.
    """
    kind_of, lengths = problem.kind_of, problem.lengths
    cycle = [0] * len(problem.requests)
    until = [0] * len(problem.requests)
    held: dict[int, Bools] = {}
    slots: Slots = []
    while any(cycle[j] < problem.kinds[kind_of[j]].cycles for j in range(len(cycle))):
        now = len(slots)
        held = {j: touched for j, touched in held.items() if until[j] > now}
        waiting = [j for j in range(len(cycle)) if until[j] <= now and cycle[j] < problem.kinds[kind_of[j]].cycles]
        waiting.sort(key=lambda j: -cycle[j])
        starting: list[tuple[int, int, int]] = []
        taken = np.zeros(problem.kinds[0].touch.shape[1], dtype=bool)
        for touched in held.values():
            taken |= touched
        for job in waiting:
            kind = problem.kinds[kind_of[job]]
            fits = np.flatnonzero(~(kind.touch[: kind.need[cycle[job]]] & taken).any(axis=1))
            if len(fits):
                starting.append((job, cycle[job], int(fits[-1])))
                held[job] = kind.touch[fits[-1]]
                taken = taken | held[job]
        for job, _, _ in starting:
            cycle[job] += 1
            until[job] = now + int(lengths[job])
        slots += [starting, *([] for _ in range(min(until[j] for j in held) - now - 1))]
    slots += [[] for _ in range(max(until) - len(slots))]
    return slots


def _first_prices(problem: Problem) -> Floats:
    """How many of the regions at each kind's top floor need a group, weighted by the kind's jobs."""
    prices = np.full(problem.kinds[0].touch.shape[1], 1e-3)
    for kind in problem.kinds:
        top = int(kind.need[int(np.argmax(kind.floors))])
        prices += len(kind.jobs) * kind.touch[:top].sum(axis=0) / max(1, top)
    return np.asarray(prices / prices.mean())


def _reachable(kind: Kind, near: Bools) -> list[Bools]:
    """By cycle, the regions from which a walk of single moves meets all later floors."""
    count = len(kind.rows)
    rank = np.arange(count)
    after = rank < kind.need[-1]
    found = [after]
    for c in range(kind.cycles - 2, -1, -1):
        after = (rank < kind.need[c]) & (near[:, after].any(axis=1))
        found.append(after)
    return found[::-1]
