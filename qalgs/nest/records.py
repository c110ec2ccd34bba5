"""What a ledger records of a cost: evaluations, whole or under way, and their replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import LedgerError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One value of one job's cost.

    Attributes:
        job: Name of the job.
        cycle: Cycle, from 0.
        evaluation: Index within the cycle, from 0.
        point: Parameters, shape (d,).
        value: Measured ⟨H⟩.
        std: Its standard error.
        shots: Shots spent on it, over all measurement bases; 0 for an exact engine.
        seed_key: The key of its random stream, see :func:`qalgs.seeds.keyed`.
        gradient: Gradient at the point, shape (d,), if the optimiser uses it.
    """

    job: str
    cycle: int
    evaluation: int
    point: NDArray[np.float64]
    value: float
    std: float
    shots: int
    seed_key: str
    gradient: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What is known of an evaluation some of whose measurement bases have run.

    Attributes:
        job: Name of the job.
        cycle: Cycle, from 0.
        evaluation: Index within the cycle, from 0.
        bases: How many of the bases have run.
        point: Parameters, shape (d,).
        value: Their part of ⟨H⟩.
        variance: Its variance.
        shots: Shots spent.
    """

    job: str
    cycle: int
    evaluation: int
    bases: int
    point: NDArray[np.float64]
    value: float
    variance: float
    shots: int


def replayed(recorded: Sequence[Evaluation], index: int, point: NDArray[np.float64]) -> Evaluation | None:
    """Return evaluation ``index`` from the record, or None if it has not been made yet.

    Raises:
        LedgerError: If the record holds another point there, so that resuming would not give the identical run.
    """
    if index >= len(recorded):
        return None
    found = recorded[index]
    if found.evaluation != index or not np.array_equal(found.point, point):
        raise LedgerError(
            f"the ledger has evaluation {index} of job {found.job}, cycle {found.cycle} at another point "
            "than this version asks for; resume with the library versions it was started with"
        )
    return found
