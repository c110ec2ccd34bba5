"""Players one after another, each against the final states of those below it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from qalgs.eigengame.arena import Arena, Outcome
from qalgs.eigengame.events import Event, LevelFound, Snapshot
from qalgs.errors import invalid
from qalgs.results import Status

COLLAPSE = 0.3
WINDOW_REST = 0.02
_ATTEMPTS = 5


def play(
    arena: Arena, k: int, budgets: list[int], window: float | None = None, found: list[Snapshot] | None = None
) -> Generator[Event, None, list[Snapshot]]:
    """Find ``k`` levels, or all below ``window`` above the lowest.

    Args:
        arena: The run.
        k: Number of levels, or the most that may be found under ``window``.
        budgets: Evaluations of each player and restart.
        window: With it, c is E_0 + window from the second player on, and the run ends when a utility shows that
            nothing is left below c.

    Returns:
        The published states, in the order in which they were found.
    """
    found = [] if found is None else found
    for state in range(k):
        fixed = arena.penalty
        if window is not None and state > 0:
            fixed = found[0].energy + window
        outcome = yield from _player(arena, state, found, budgets[state], fixed, window)
        if outcome is None:
            return found
        snapshot = arena.players.snapshot(outcome.parameters, outcome.status)
        found.append(snapshot)
        yield LevelFound(
            state=state,
            energy=snapshot.energy + arena.problem.offset,
            status=outcome.status,
            evaluations=arena.counts.get(state, 0),
        )
    if window is not None and k < arena.problem.dimension:
        yield arena.note(f"the window may hold more than the {k} levels searched; raise max_levels")
    return found


def _player(
    arena: Arena, state: int, parents: list[Snapshot], budget: int, fixed: float | None, window: float | None
) -> Generator[Event, None, Outcome | None]:
    """Minimise one player; raise the automatic penalty and start afresh while it collapses onto its parents."""
    energies = np.array([p.energy for p in parents])
    raised = -np.inf
    best: Outcome | None = None
    for attempt in range(_ATTEMPTS):
        starts = arena.starts(state, attempt)
        c = fixed
        if c is None:
            here = arena.players.energies(starts)
            c = max(raised, arena.auto(np.append(energies, here.max()), parents))
        arena.shifts[state] = c
        objective = arena.players.objective(arena.method, c, parents, arena.block)
        best = None
        for restart, start in enumerate(starts):
            outcome = yield from arena.minimise(state, restart, objective, start, c, budget)
            if best is None or outcome.cost < best.cost:
                best = outcome
        assert best is not None
        if window is not None and parents and c - best.cost < WINDOW_REST * window:
            return None
        if not parents or arena.players.overlaps(best.parameters, parents).sum() <= COLLAPSE:
            return best
        if fixed is not None:
            if arena.players.has_shots:
                break
            continue
        raised = c + 0.5 * (c - energies.min()) + 0.5 * arena.sigma
    assert best is not None
    best.status = Status.STALLED
    yield arena.note(_refusal(arena, state, parents, best))
    return best


def _refusal(arena: Arena, state: int, parents: list[Snapshot], best: Outcome) -> str:
    """Refuse a fixed shift that hides all further levels; otherwise word the warning."""
    c = arena.shifts[state]
    where = f"level {state} fell onto the levels below it"
    if arena.penalty is None:
        return f"{where}; use more restarts or a more expressive ansatz"
    top = max(p.energy for p in parents)
    if arena.method == "vqd":
        return f"{where}: penalty (beta) = {c:.6g} must exceed E_k - E_0; use penalty='auto' or a larger value"
    shown = c + arena.problem.offset
    if arena.players.has_shots:
        return f"{where}: shift c = {shown:.6g} is too small for this noise; use calibrate=True or penalty='auto'"
    raise invalid(
        "shift",
        round(shown, 10),
        f"must exceed the energy of level {state}, but no state is left below it "
        f"(found up to {top + arena.problem.offset:.6g})",
        "use penalty='auto'",
    )
