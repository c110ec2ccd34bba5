"""Where evaluations come from: one face for local noise simulation and for submissions to a machine.

A campaign hands over all points that its jobs want at this step, as :class:`Request` objects, and gets a
:class:`Reading` for each. :class:`LocalExecutor` simulates each job on its own qubits alone, which is exact as long
as noise factorises over disjoint regions; the merged executor sends one circuit per measurement basis for all jobs.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import invalid
from qalgs.parallel import resolve_jobs
from qalgs.seeds import keyed

from .jobs import Job

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot

    from .ledger import Ledger

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One evaluation to be made.

    Attributes:
        job: The job.
        cycle: Its cycle.
        evaluation: Index within the cycle.
        layout: Physical qubits by logical qubit.
        point: Parameters, shape (d,).
        shots: Shots per measurement basis; 0 is exact.
        neighbours: Physical qubits of all co-located jobs in this cycle.
        gradient: Whether the gradient is wanted, too.
    """

    job: Job
    cycle: int
    evaluation: int
    layout: tuple[int, ...]
    point: Array
    shots: int
    neighbours: tuple[tuple[int, ...], ...] = ()
    gradient: bool = False

    @property
    def key(self) -> tuple[str | int, ...]:
        """The key of the random stream that belongs to this evaluation and no other."""
        return ("shots", self.job.name, self.cycle, self.evaluation)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """The answer to a request.

    Attributes:
        value: Measured ⟨H⟩.
        std: Its standard error.
        shots: Shots spent, over all measurement bases.
        gradient: Gradient, shape (d,), if it was wanted.
    """

    value: float
    std: float
    shots: int
    gradient: Array | None = None


class Executor(ABC):
    """Makes evaluations; what it needs is fixed when it is built, what it draws depends on the request's key alone."""

    @abstractmethod
    def evaluate(self, requests: Sequence[Request], *, seed: int, step: str) -> list[Reading]:
        """Make all evaluations of one step.

        Args:
            requests: What to evaluate; different jobs, or several points of one.
            seed: Root seed of the campaign.
            step: Name of the step, unique within the campaign.
        """

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return what determines the numbers, as JSON values."""

    def attach(self, ledger: Ledger, campaign: str) -> None:  # noqa: B027
        """Learn where the campaign keeps its books; executors that submit jobs write them down there."""

    def close(self) -> None:  # noqa: B027
        """Release threads and sessions."""


def pauli_bases(job: Job) -> list[Any]:
    """Return the observable split into groups that one measurement basis serves (qubit-wise commuting)."""
    from qiskit.quantum_info import SparsePauliOp

    op = job.observable.simplify(atol=0)
    weights = np.any(op.paulis.x | op.paulis.z, axis=1)
    if not weights.any():
        return []
    measured = SparsePauliOp(op.paulis[weights], op.coeffs[weights])
    return list(measured.group_commuting(qubit_wise=True))


def constant_part(job: Job) -> float:
    """Return the coefficient of the identity in the observable."""
    op = job.observable
    bare = ~np.any(op.paulis.x | op.paulis.z, axis=1)
    return float(np.sum(np.real(op.coeffs[bare])))
