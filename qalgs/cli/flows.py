"""Flows across the algorithms: what a scheduler and a solver do together, where the roof knows both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from qalgs.results import Result
from qalgs.seeds import Seed, keyed, root_seed, simulator_seed

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot
    from qalgs.eigengame import ExcitedStates
    from qalgs.eigengame.result import ExcitedStatesResult
    from qalgs.nest import CampaignResult, Strategy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GameOnChip(Result):
    """A parallel game whose players trained as co-located jobs.

    Attributes:
        levels: The levels at the trained parameters, without noise.
        campaigns: One per round.
        energies: Noiseless energies after each round, shape (rounds, k).
        seed: Root seed.
    """

    levels: ExcitedStatesResult
    campaigns: tuple[CampaignResult, ...] = field(repr=False)
    energies: np.ndarray
    seed: int


def play(
    solver: ExcitedStates,
    hamiltonian: object,
    snapshot: DeviceSnapshot | str,
    *,
    rounds: int = 4,
    evaluations: int = 50,
    shots: int = 1024,
    buffer: int = 1,
    strategy: Strategy | str | None = None,
    crosstalk: object = None,
    seed: Seed = None,
    callback: Callable[[int, CampaignResult], None] | None = None,
) -> GameOnChip:
    """Train the k players of a parallel EigenGame as k co-located jobs, round by round.

    In each round every player minimises its operator deflated against the latest snapshots of its parents; all
    players of a round run at the same time on disjoint regions of the chip. Errors of parents correct themselves
    as rounds go on (parallel deflation, arXiv:2502.17615).

    Args:
        solver: Method, k, penalty, ansatz and seed.
        hamiltonian: As for :meth:`qalgs.eigengame.ExcitedStates.run`.
        snapshot: The device.
        rounds: Rounds.
        evaluations: Evaluations per player and round, split over the strategy's cycles.
        shots: Shots per measurement basis and evaluation; 0 is exact (noisy expectation values).
        buffer: Idle qubits between players.
        strategy: Map and optimiser schedules of each round; one cycle on the best map by default.
        crosstalk: As for :class:`qalgs.nest.Campaign`.
        seed: Root seed.
        callback: Called as ``callback(round, campaign result)``.

    Raises:
        InvalidInputError: If an argument breaks a rule, or the players do not fit on the chip.
    """
    from qalgs.eigengame import PlayerRounds
    from qalgs.errors import invalid
    from qalgs.nest import BestMap, Campaign, Job, make_strategy

    if rounds < 1:
        raise invalid("rounds", rounds, "must be at least 1")
    root = root_seed(seed)
    plan = BestMap(cycles=1) if strategy is None else make_strategy(strategy)
    game = PlayerRounds(solver, hamiltonian, budget=evaluations)
    campaigns, energies = [], []
    for number in range(rounds):
        jobs = [
            Job(p.name, p.circuit, p.observable, optimizer=p.optimizer, start=p.start, kind="eigengame")
            for p in game.jobs()
        ]
        campaign = Campaign(
            jobs,
            snapshot,
            strategy=plan,
            evaluations=max(1, evaluations // plan.length),
            shots=shots,
            buffer=buffer,
            crosstalk=crosstalk,
            seed=simulator_seed(keyed(root, "round", number)),
        )
        result = campaign.run()
        game.publish([np.asarray(result[job.name].theta, dtype=float) for job in jobs])
        campaigns.append(result)
        energies.append([s.energy + game.arena.problem.offset for s in game.snapshots])
        if callback is not None:
            callback(number, result)
    return GameOnChip(levels=game.result(), campaigns=tuple(campaigns), energies=np.array(energies), seed=root)
