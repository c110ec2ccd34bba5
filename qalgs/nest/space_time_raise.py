"""The same number of slots on better qubits: floors are raised as far as a plan of that length can still be found.

Several plans are equally short. Those whose floors can be raised leave no good region empty while a job computes
on a poor one, and their jobs end closer to what they reach alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .space_time_greedy import Slots
from .space_time_model import SLACK, Kind, Problem

STEPS = 5
"""Bisections of each of the two questions."""


def raise_floors(problem: Problem, slots: Slots, find: Callable[[Problem], Slots | None]) -> tuple[Problem, Slots]:
    """Return the problem with the highest floors that a plan of as many slots meets, and the plan.

    First all floors rise together towards each job's best ESP, then those before the last cycle do. Regions keep
    their indices, so the plan is one of the given problem, too.

    Args:
        problem: The problem.
        slots: A plan for it.
        find: Returns a plan of at most as many slots for another problem, or None.
    """
    best = problem, slots
    for last in (True, False):
        low, high = 0.0, 1.0
        start = best[0]
        for _ in range(STEPS):
            share = (low + high) / 2
            tried = replace(start, kinds=tuple(_raised(kind, share, last) for kind in start.kinds))
            found = find(tried)
            if found is None:
                high = share
            else:
                best, low = (tried, found), share
    return best


def _raised(kind: Kind, share: float, last: bool) -> Kind:
    """Raise floors by a share of what is missing to the best region; the last one only if asked."""
    top = float(kind.esp[0])
    floors = [f + share * (top - f) for f in kind.floors]
    if not last:
        floors = [*(min(f, kind.floors[-1]) for f in floors[:-1]), kind.floors[-1]]
        floors = [max(f, old) for f, old in zip(floors, kind.floors, strict=True)]
    need = np.array([(kind.esp >= f - SLACK).sum() for f in floors], dtype=np.int64)
    return replace(kind, floors=tuple(floors), need=need)
