"""What a run tells its listeners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Status

if TYPE_CHECKING:
    from qalgs.eigengame.result import ExcitedStatesResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One evaluation of one player; energies in the unit of the user's operator, offset included.

    Attributes:
        state: Index of the player.
        round: Round of the parallel schedule, or restart of the sequential one.
        iteration: Evaluations of this player so far.
        energy: <H>.
        utility: c - cost, what the player maximises (minus the cost for VQD and SSVQE).
        penalty: cost - energy.
        c: Shift c, or beta for VQD.
        grad_norm: Largest entry of the gradient; NaN without gradient.
        shots: Shots spent in the run so far.
        circuits: Circuits run so far; 0 in exact mode.
    """

    state: int
    round: int
    iteration: int
    energy: float
    utility: float
    penalty: float
    c: float
    grad_norm: float
    shots: int
    circuits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFound:
    """A player has ended (for now, in the parallel schedule).

    Attributes:
        state: Index of the player.
        energy: Its energy, offset included.
        status: How its minimisation ended.
        evaluations: Evaluations it used in total.
    """

    state: int
    energy: float
    status: Status
    evaluations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDone:
    """All players of a round have published their snapshots.

    Attributes:
        round: Its index.
        energies: Current energies of the players that have started, offset included.
        critical_path: Gradients on the longest chain of players that wait for one another so far.
    """

    round: int
    energies: tuple[float, ...]
    critical_path: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that a careful reader should know, with the fix named.

    Attributes:
        text: The sentence.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is over.

    Attributes:
        result: Everything found.
    """

    result: ExcitedStatesResult


Event = Progress | LevelFound | RoundDone | Note | Finished


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A player's published state.

    Attributes:
        parameters: Circuit parameters.
        energy: Energy relative to the problem's offset.
        vector: State vector; empty when the player lives on a device.
        image: H times the state vector, or empty.
        status: How its last minimisation ended.
        preparation: Bits flipped before the ansatz (SSVQE's orthogonal inputs).
    """

    parameters: NDArray[np.float64]
    energy: float
    vector: NDArray[np.complex128]
    image: NDArray[np.complex128]
    status: Status = Status.CONVERGED
    preparation: int = 0
