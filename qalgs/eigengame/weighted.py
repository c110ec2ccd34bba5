"""Subspace-search VQE: one circuit, orthogonal inputs, weighted energies (Nakanishi, Mitarai, Fujii 2019)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qalgs.backends import exact_program
from qalgs.eigengame.arena import Arena, Outcome
from qalgs.eigengame.events import Event, LevelFound, Snapshot
from qalgs.eigengame.exact import Objective
from qalgs.eigengame.problem import Problem
from qalgs.errors import invalid
from qalgs.results import Status


class WeightedCircuits(Protocol):
    """What evaluates the k circuits: exact vectors or primitives."""

    def weighted(self, level_weights: NDArray[np.float64]) -> Objective:
        """Return x -> (weighted energy, gradient, same)."""

    def snapshots(self, parameters: NDArray[np.float64], status: Status) -> list[Snapshot]:
        """Publish the k states."""


def inputs(problem: Problem, k: int) -> list[int]:
    """Return k bit masks to flip before the ansatz, so that the k circuits stay in the sector.

    Without a sector these are 0..k-1. With one, the mask turns the ansatz's own first determinant into another of
    the sector, nearest ones first.
    """
    if problem.sector is None:
        return list(range(k))
    reference = _reference(problem)
    masks = problem.sector.basis ^ reference
    order = np.lexsort([masks, np.bitwise_count(masks)])
    return [int(m) for m in masks[order[:k]]]


def _reference(problem: Problem) -> int:
    """The determinant that the ansatz prepares at zero angles, if it is one."""
    program = exact_program(problem.ansatz)
    amplitudes = np.abs(program.states(np.zeros((1, problem.ansatz.num_parameters)))[0])
    where = int(amplitudes.argmax())
    if amplitudes[where] < 1 - 1e-9:
        raise invalid("ansatz", problem.ansatz.name, "must be a basis state at zero angles for ssvqe in a sector")
    return where


def search(
    arena: Arena, players: WeightedCircuits, level_weights: NDArray[np.float64], budget: int
) -> Generator[Event, None, list[Snapshot]]:
    """Minimise the weighted sum from several starts and publish all levels of the best.

    Args:
        arena: The run.
        players: The k circuits.
        level_weights: Strictly decreasing positive weights; equal ones would only give the subspace.
        budget: Gradients of each start.
    """
    best: Outcome | None = None
    objective = players.weighted(level_weights)
    for restart, start in enumerate(arena.starts(0, 0)):
        outcome = yield from arena.minimise(0, restart, objective, start, 0.0, budget)
        if best is None or outcome.cost < best.cost:
            best = outcome
    assert best is not None
    found = players.snapshots(best.parameters, best.status)
    for state, snapshot in enumerate(found):
        yield LevelFound(
            state=state,
            energy=snapshot.energy + arena.problem.offset,
            status=snapshot.status,
            evaluations=best.evaluations,
        )
    return found
