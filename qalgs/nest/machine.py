"""Execution on a machine: all co-located jobs of a step in one submission.

The same :class:`MergedExecutor` drives an Aer backend, a fake backend in the runtime's local testing mode, any
other ``BackendV2``, and IBM's machines in job, session or batch mode. Credentials are the runtime's own saved
account; this package neither reads nor writes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, expect, invalid
from qalgs.seeds import keyed, simulator_seed

from .chip import Chip
from .executor import Executor, Reading, Request
from .ledger import content_hash
from .merge import MergedStep, Placed, merge, place
from .sampling import Mode, Sampling, open_sampling
from .submission import Clock, Faults, Job, LedgerJournal, Retry, Submission

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

    from .ledger import Ledger


class MergedExecutor(Executor):
    """Sends each step as one merged submission and splits the counts.

    A step may hold some measurement bases of an evaluation and leave the others to later steps.

    Args:
        backend: A name for :func:`qalgs.backends.load_backend`, or a ``BackendV2``.
        mode: On IBM's machines: single jobs, a session or a batch. Elsewhere it changes nothing.
        retry: Attempts, pauses and time-out.
        buffer: Hops between any two co-located jobs, checked for every submission.
        optimization_level: Qiskit's, for the translation of each job to its region.
        sampling: How merged circuits are run; by default what fits the backend.
        clock: Where time comes from; for tests.
        faults: Called before a submission and before its result is taken; for tests.

    Raises:
        InvalidInputError: If the backend is unknown, or ``mode`` is none of the three.

    Example:
        >>> MergedExecutor("fake_manila").describe()["name"]
        'merged'
    """

    partial = True

    def __init__(
        self,
        backend: BackendV2 | str,
        *,
        mode: Mode = "job",
        retry: Retry | None = None,
        buffer: int = 0,
        optimization_level: int = 1,
        sampling: Sampling | None = None,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        from qalgs.backends import load_backend

        if mode not in ("job", "session", "batch"):
            raise invalid("mode", mode, "must be 'job', 'session' or 'batch'")
        if not isinstance(backend, str) and not hasattr(backend, "target"):
            raise invalid("backend", backend, "must be a backend or the name of one")
        expect(Integral, buffer=buffer)
        expect(Retry, type(None), retry=retry)
        expect(Sampling, type(None), sampling=sampling)
        if buffer < 0:
            raise invalid("buffer", buffer, "must not be negative")
        if optimization_level not in (0, 1, 2, 3):
            raise invalid("optimization_level", optimization_level, "must be 0, 1, 2 or 3")
        self.backend: Any = load_backend(backend)
        self.mode, self.buffer = mode, buffer
        self.chip = Chip.of(self.backend.target)
        self._device = sampling or open_sampling(self.backend, mode)
        self._submission = Submission(retry=retry, clock=clock, finder=self._device.finder, faults=faults)
        self._level = optimization_level
        self._placed: dict[tuple[Any, ...], tuple[Any, Placed]] = {}
        self._circuits: dict[Any, Any] = {}

    @property
    def kind(self) -> str:
        """Which way is taken: "aer", "local" (fake backend in local testing mode), "ibm" or "backend"."""
        return self._device.kind

    @property
    def retry(self) -> Retry:
        """Attempts, pauses and time-out."""
        return self._submission.retry

    def attach(self, ledger: Ledger, campaign: str) -> None:
        """Write submissions into a campaign's ledger, so that a resumed run finds what is already on its way."""
        self._submission.journal = LedgerJournal(ledger, campaign)

    def describe(self) -> Mapping[str, Any]:
        """Return what determines the numbers, as JSON values; the mode of payment is not among them."""
        return {
            "name": "merged",
            "backend": str(self.backend.name),
            "way": self.kind,
            "optimization_level": self._level,
        }

    def evaluate(self, requests: Sequence[Request], *, seed: int, step: str) -> list[Reading]:
        """Make all evaluations of one step in one submission.

        Args:
            requests: What to evaluate; several points of one job follow one another in the same submission.
            seed: Root seed of the campaign.
            step: Name of the step.

        Raises:
            InvalidInputError: If two regions meet, a job does not fit, or the request cannot be made here.
            ExecutionError: If the submission failed as often as allowed; resume sends it again.
        """
        if not requests:
            return []
        groups = _by_job(requests)
        placed = [self._place(requests[rows[0]]) for rows in groups]
        points = [np.array([requests[r].point for r in rows], dtype=np.float64) for rows in groups]
        spans = [_span(job, [requests[r] for r in rows]) for job, rows in zip(placed, groups, strict=True)]
        step_circuits = merge(placed, points, self.chip, buffer=self.buffer, cache=self._circuits, spans=spans)
        shots = [requests[rows[0]].shots for rows in groups]
        if not any(shots):
            values = self._exact(step_circuits)
            found = {name: (v, np.zeros_like(v)) for name, v in values.items()}
        elif all(shots):
            found = self._sampled(step_circuits, shots, _content(requests), seed, step)
        else:
            raise InvalidInputError("shots must be positive for all co-located jobs, or 0 (exact) for all")
        readings: list[Reading | None] = [None] * len(requests)
        for rows, job, asked in zip(groups, placed, shots, strict=True):
            values_of, stds_of = found[job.name]
            for k, r in enumerate(rows):
                first, last = requests[r].bases or (0, len(job.bases))
                spent = asked * (last - first)
                readings[r] = Reading(value=float(values_of[k]), std=float(stds_of[k]), shots=spent)
        return [reading for reading in readings if reading is not None]

    def close(self) -> None:
        """End the session or batch, if one was opened."""
        self._device.close()

    def _place(self, request: Request) -> Placed:
        if request.gradient:
            raise invalid(
                f"optimizer of job {request.job.name!r}",
                "gradients",
                "must need values only on a machine",
                "use COBYLA, SPSA or Nelder-Mead, or the compact simulators",
            )
        key = (id(request.job), request.layout)
        held = self._placed.get(key)
        if held is None:
            job = request.job
            made = place(
                job.name,
                job.circuit,
                job.observable,
                request.layout,
                self.chip,
                optimization_level=self._level,
            )
            # The job is kept with its entry: an id is only unique among the living.
            held = self._placed[key] = (job, made)
        return held[1]

    def _sampled(
        self, merged: MergedStep, shots: Sequence[int], content: str, seed: int, step: str
    ) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        if merged.num_rounds == 0:
            return merged.split([])
        self._device.check_size(merged)
        seeds = [simulator_seed(keyed(seed, "submission", step, k)) for k in range(len(merged.pubs))]
        most = max(shots)

        def send() -> Job:
            return self._device.send(merged, most, seeds, content)

        data = self._submission.run(step, content, seed, send)
        return merged.split(data, {job.name: n for job, n in zip(merged.jobs, shots, strict=True)})

    def _exact(self, merged: MergedStep) -> dict[str, NDArray[np.float64]]:
        return merged.combine(self._device.probabilities(merged))


def _span(job: Placed, requests: Sequence[Request]) -> tuple[int, int]:
    """First and last circuit of a job's consecutive points."""
    count = len(job.bases)
    first = 0 if requests[0].bases is None else requests[0].bases[0]
    last = count if requests[-1].bases is None else requests[-1].bases[1]
    return first, (len(requests) - 1) * count + last


def _by_job(requests: Sequence[Request]) -> list[list[int]]:
    """Return the rows of each job; all requests of a job must agree on everything but the point."""
    groups: dict[str, list[int]] = {}
    for r, request in enumerate(requests):
        rows = groups.setdefault(request.job.name, [])
        rows.append(r)
        first = requests[rows[0]]
        if (first.layout, first.shots) != (request.layout, request.shots) or first.job is not request.job:
            raise invalid(
                f"requests of job {request.job.name!r}",
                (request.layout, request.shots),
                f"must share layout and shots {(first.layout, first.shots)} within a step",
            )
    return list(groups.values())


def _content(requests: Sequence[Request]) -> str:
    """Return a hash of what is asked, whatever the order of the jobs."""
    rows = [
        [
            *(r.job.name, r.cycle, r.evaluation, list(r.layout), r.shots),
            hashlib.sha256(_bytes(r.point)).hexdigest(),
            *([] if r.bases is None else r.bases),
        ]
        for r in requests
    ]
    return content_hash(sorted(rows, key=str))[:32]


def _bytes(point: NDArray[np.float64]) -> bytes:
    return np.asarray(point, dtype="<f8").tobytes()
