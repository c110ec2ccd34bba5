"""Judging a request before the run: sectors, fixed penalties, warm starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from qalgs.eigengame.arena import Arena
from qalgs.eigengame.exact import ExactPlayers
from qalgs.eigengame.problem import Problem, with_constraint
from qalgs.errors import as_array, invalid
from qalgs.seeds import keyed

MOST, MOST_RESTARTS = 1_000_000_000, 100_000


def confine(problem: Problem, notes: list[str]) -> Problem:
    """Add a penalty for foreign sectors if the ansatz leaves the chosen one."""
    if problem.sector is None:
        return problem
    players = ExactPlayers(problem)
    angles = keyed(0, "leakage").uniform(-np.pi, np.pi, (3, players.num_parameters))
    leak = float(problem.sector.leakage(players.states(angles)).max())
    if leak <= 1e-9 and not problem.sector.off_diagonal:
        return problem
    if leak > 1e-9:
        notes.append(
            f"the ansatz leaves the sector {dict(problem.sector.quantities)} (weight {leak:.2g} outside); foreign "
            "levels are lifted by a penalty, but ansatz='givens' or 'kupccgsd' would stay inside"
        )
    low, high = players.extremes()
    gaps = [_gap(name) for name in problem.sector.quantities]
    return with_constraint(problem, 1.5 * (high - low) / min(gaps))


def _gap(name: str) -> float:
    """Smallest (Q - q)² of a foreign eigenvalue: electrons step by 1, Sz by 1/2, s(s+1) by 3/4, signs by 2."""
    return {"S": 0.5625, "N": 1.0, "Sz": 0.25, "M": 1.0}.get(name, 4.0)


def judge_fixed(method: str, arena: Arena, players: ExactPlayers) -> None:
    """Warn about a fixed penalty that cannot be right for all levels."""
    low, high = players.extremes()
    assert arena.penalty is not None
    offset = arena.problem.offset
    if method == "vqd":
        if arena.penalty < high - low:
            arena.notes.append(
                f"penalty (beta) = {arena.penalty:.6g} must exceed E_k - E_0 of every level wanted; the spectrum "
                f"is {high - low:.3g} wide, so levels may collapse; use penalty='auto'"
            )
        return
    if arena.penalty <= low:
        raise invalid(
            "shift" if method == "eigengame" else "penalty",
            round(arena.penalty + offset, 10),
            f"must exceed the highest level wanted; the lowest is about {low + offset:.6g}",
            "use penalty='auto'",
        )
    if arena.penalty < high:
        arena.notes.append(
            f"shift c = {arena.penalty + offset:.6g} lies below the top of the spectrum, about "
            f"{high + offset:.6g}: c - H is indefinite and levels above c are invisible; use penalty='auto' "
            "unless that is meant"
        )


def warm_start(initial: NDArray[np.float64] | None, parameters: int) -> NDArray[np.float64] | None:
    """Check the parameters to start from."""
    if initial is None:
        return None
    points = np.atleast_2d(as_array("initial", initial))
    if points.ndim != 2 or points.shape[1] != parameters or not np.isfinite(points).all():
        raise invalid("initial", points.shape, f"must be finite and of shape (k, {parameters})")
    return points


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Check a choice."""
    if value not in allowed:
        raise invalid(name, value, f"must be one of {', '.join(allowed)}")


def count(name: str, value: object, least: int, most: int = MOST) -> int:
    """Check a count and return it as a Python integer, which no product overflows."""
    extra = " or 'auto'" if name == "k" else ""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise invalid(name, shown(value), f"must be an integer of at least {least}{extra}")
    if value > most:
        raise invalid(name, shown(value), f"must be at most {most}")
    return int(value)


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a real number that a float can hold."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: object) -> object:
    """Return what an error message shows: Python refuses to print integers of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"about {'-' if value < 0 else ''}1e{value.bit_length() * math.log10(2):.0f}"
    return value
