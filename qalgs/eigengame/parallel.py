"""All players at once, in staggered rounds against each other's latest snapshots (parallel deflation).

A player's operator is wrong by the sum of its parents' errors, which shrink from round to round; the players
correct themselves (Liao et al., arXiv 2502.17615). Players of one round do not wait for one another: they form one
set of jobs.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from qalgs.eigengame.arena import STAGES, Arena, Outcome, scheduled
from qalgs.eigengame.events import Event, LevelFound, RoundDone, Snapshot
from qalgs.eigengame.sequential import COLLAPSE
from qalgs.optimizers import LBFGS, OptimizerRun
from qalgs.results import Status
from qalgs.seeds import keyed


class Rounds:
    """The staggered schedule.

    Args:
        arena: The run.
        k: Number of players.
        steps: Evaluations per player and round.
        budgets: Evaluations per player in total.
        stagger: Rounds between the starts of neighbours.
        advance: Let waiting players train against those already started.
        tolerance: A player is quiet when its energy moves by less between rounds and its minimisation converged.
    """

    def __init__(
        self,
        arena: Arena,
        k: int,
        *,
        steps: int,
        budgets: list[int],
        stagger: int = 1,
        advance: bool = False,
        tolerance: float = 1e-9,
    ) -> None:
        self.arena, self.k, self.steps, self.budgets = arena, k, steps, budgets
        self.stagger, self.advance, self.tolerance = stagger, advance, tolerance
        self.latest: dict[int, Snapshot] = {}
        self.moved: dict[int, bool] = {}
        self.last_change: dict[int, float] = {}
        self.runs: dict[int, tuple[OptimizerRun, int]] = {}
        self.attempts = dict.fromkeys(range(k), 0)
        self.critical_path = 0

    def play(self) -> Generator[Event, None, list[Snapshot]]:
        """Run rounds until every player is quiet or out of budget."""
        index = 0
        while True:
            started = index // max(1, self.stagger) + 1 if self.stagger else self.k
            active = [i for i in range(self.k) if i < started or self.advance]
            published: dict[int, Snapshot] = {}
            longest = 0
            for i in active:
                snapshot, used = yield from self._turn(i, index, started)
                if snapshot is not None:
                    published[i] = snapshot
                longest = max(longest, used)
            self.critical_path += longest
            changes = {i: self._change(i, s) for i, s in published.items()}
            self.latest.update(published)
            self.last_change = {i: changes.get(i, 0.0) for i in range(self.k)}
            self.moved = {i: change > self.tolerance for i, change in self.last_change.items()}
            offset = self.arena.problem.offset
            yield RoundDone(
                round=index,
                energies=tuple(self.latest[i].energy + offset for i in sorted(self.latest)),
                critical_path=self.critical_path,
            )
            settled = len(self.latest) == self.k and started >= self.k and not any(self.moved.values())
            if settled and not self._reseed():
                break
            index += 1
        for run, _ in self.runs.values():
            run.close()
        return [self.latest[i] for i in range(self.k)]

    def _continued(self, i: int) -> OptimizerRun:
        """Return player i's optimiser, which lives on while its parents stand almost still.

        L-BFGS keeps its curvature and Adam its moments that way; a parent that has moved makes them wrong.
        """
        arena = self.arena
        stage = 0
        if scheduled(arena.optimizer):
            stage = min(STAGES - 1, STAGES * arena.counts.get(i, 0) // self.budgets[i])
        stages = STAGES if scheduled(arena.optimizer) else 1
        moving = any(self.last_change.get(j, np.inf) > 1e-5 * arena.sigma for j in range(i))
        stale = isinstance(arena.optimizer, LBFGS) and moving
        held = self.runs.get(i)
        if held is None or held[0].done or held[1] != stage or stale:
            if held is not None:
                held[0].close()
            seed = keyed(arena.root, "optimizer", i, arena.counts.get(i, 0))
            run = arena.optimizer.at_cycle(stage, stages).start(self.latest[i].parameters, seed=seed)
            held = self.runs[i] = (run, stage)
        return held[0]

    def _change(self, i: int, snapshot: Snapshot) -> float:
        return abs(snapshot.energy - self.latest[i].energy) if i in self.latest else np.inf

    def _turn(self, i: int, index: int, started: int) -> Generator[Event, None, tuple[Snapshot | None, int]]:
        """Let player i take its steps of this round; None if it has nothing to do."""
        arena = self.arena
        parents = [self.latest[j] for j in range(i) if j in self.latest and (j < started or not self.advance)]
        left = self.budgets[i] - arena.counts.get(i, 0)
        idle = (
            i in self.latest and not self.moved.get(i, True) and not any(self.moved.get(j, True) for j in range(i))
        )
        if left <= 0 or idle:
            return None, 0
        fresh = i not in self.latest
        starts = list(arena.starts(i, self.attempts[i])) if fresh else [self.latest[i].parameters]
        c = arena.penalty
        if c is None:
            energies = np.array([p.energy for p in parents])
            here = float(arena.players.energies(np.array(starts)).max())
            c = max(arena.auto(np.append(energies, here), parents), arena.shifts.get(i, -np.inf))
        arena.shifts[i] = c
        objective = arena.players.objective(arena.method, c, parents, arena.block)
        best: Outcome | None = None
        before = arena.counts.get(i, 0)
        run = None if fresh else self._continued(i)
        for start in starts:
            outcome = yield from arena.minimise(i, index, objective, start, c, min(self.steps, left), run)
            if best is None or outcome.cost < best.cost:
                best = outcome
        assert best is not None
        used = arena.counts.get(i, 0) - before
        snapshot = arena.players.snapshot(best.parameters, best.status)
        yield LevelFound(
            state=i,
            energy=snapshot.energy + arena.problem.offset,
            status=best.status,
            evaluations=arena.counts.get(i, 0),
        )
        return snapshot, used

    def _reseed(self) -> bool:
        """Start players afresh, with a higher penalty, that have settled on another's state."""
        for i in range(1, self.k):
            parents = [self.latest[j] for j in range(i)]
            if self.arena.players.overlaps(self.latest[i].parameters, parents).sum() <= COLLAPSE:
                continue
            if self.attempts[i] >= 4 or self.arena.counts.get(i, 0) >= self.budgets[i]:
                snapshot = self.latest[i]
                self.arena.note(f"level {i} fell onto the levels below it; raise the penalty or restarts")
                self.latest[i] = Snapshot(
                    parameters=snapshot.parameters,
                    energy=snapshot.energy,
                    vector=snapshot.vector,
                    image=snapshot.image,
                    status=Status.STALLED,
                )
                continue
            self.attempts[i] += 1
            lowest = min(p.energy for p in parents)
            self.arena.shifts[i] += 0.5 * (self.arena.shifts[i] - lowest) + 0.5 * self.arena.sigma
            fresh = self.arena.players.snapshot(self.arena.starts(i, self.attempts[i])[0])
            self.latest[i] = fresh
            self.moved[i] = True
            self.last_change[i] = np.inf
            self.runs.pop(i)[0].close()
            return True
        return False
