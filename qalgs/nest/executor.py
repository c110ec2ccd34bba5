"""Where evaluations come from: one face for local noise simulation and for submissions to a machine.

A campaign hands over all points that its jobs want at this step, as :class:`Request` objects, and gets a
:class:`Reading` for each. :class:`LocalExecutor` simulates each job on its own qubits alone, which is exact as
long as noise factorises over disjoint regions; :class:`qalgs.nest.machine.MergedExecutor` sends one circuit per
measurement basis for all jobs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import expect
from qalgs.parallel import resolve_jobs
from qalgs.results import Described
from qalgs.seeds import keyed

from .chip import Chip
from .jobs import Job
from .requests import count_bases
from .translate import to_layout

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
        bases: First and last (exclusive) of the measurement bases to run now; None is all. Only executors that are
            ``partial`` are asked for some: their reading then is that part of the sum.
    """

    job: Job
    cycle: int
    evaluation: int
    layout: tuple[int, ...]
    point: Array
    shots: int
    neighbours: tuple[tuple[int, ...], ...] = ()
    gradient: bool = False
    bases: tuple[int, int] | None = None

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


class Executor(Described, ABC):
    """Makes evaluations; what it draws at random depends on the request's key alone.

    Attributes:
        partial: Whether it runs some measurement bases of an evaluation now and others in a later step. Where it
            does not, an evaluation is asked for as a whole in the step that completes it.
    """

    partial: bool = False

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

    def attach(self, ledger: Ledger, campaign: str) -> None:
        """Learn where the campaign keeps its books; executors that submit jobs write them down there."""

    def close(self) -> None:
        """Release threads and sessions."""


class Crosstalk(Protocol):
    """What co-located jobs do to each other's gates."""

    def inflation(
        self, snapshot: DeviceSnapshot, layout: tuple[int, ...], neighbours: Sequence[tuple[int, ...]]
    ) -> Mapping[Any, float]:
        """Return factors on gate errors, as :meth:`DeviceSnapshot.inflate` takes them."""

    def describe(self) -> Mapping[str, Any]:
        """Return what determines the factors, as JSON values."""


class Bench:
    """One job on one layout, ready to be evaluated: translated once, simulated on its own qubits alone.

    Args:
        job: The job.
        layout: Physical qubits by logical qubit.
        snapshot: The device.
        inflation: Factors on gate errors.
        engine: As in :class:`qalgs.backends.NoisyEstimator`.
    """

    def __init__(
        self,
        job: Job,
        layout: tuple[int, ...],
        snapshot: DeviceSnapshot,
        *,
        inflation: Mapping[Any, float] | None = None,
        engine: str = "auto",
    ) -> None:
        from qalgs.backends import NoisyEstimator

        self.job = job
        chip = Chip.of(snapshot)
        self.circuit = to_layout(job.circuit, chip, chip.check_layout(layout, f"layout of job {job.name!r}"))
        routed = self.circuit.layout is not None
        self.observable = job.observable.apply_layout(self.circuit.layout) if routed else job.observable
        self.bases = count_bases(job.observable)
        self.estimator = NoisyEstimator(snapshot, layout, engine=engine, inflation=dict(inflation or {}) or None)

    def exact(self, points: Array, seed: int = 0) -> Array:
        """Return the noisy ⟨H⟩ without shot noise, shape (m,); ``seed`` is for sizes that need trajectories."""
        pub = (self.circuit, self.observable, points)
        result = self.estimator.run([pub], precision=0.0, seed=keyed(seed, "exact")).result()
        return np.asarray(result[0].data.evs, dtype=np.float64).reshape(len(points))

    def measure(self, request: Request, seed: int) -> Reading:
        """Make one evaluation with the random stream that belongs to it."""
        if request.gradient:
            value, slope = self.estimator.gradient(self.circuit, self.observable, request.point)
            return Reading(value=float(value), std=0.0, shots=0, gradient=np.asarray(slope))
        options: dict[str, Any] = {"shots": request.shots} if request.shots else {"precision": 0.0}
        pub = (self.circuit, self.observable, request.point)
        data = self.estimator.run([pub], seed=keyed(seed, *request.key), **options).result()[0].data
        return Reading(value=float(data.evs), std=float(data.stds), shots=request.shots * self.bases)


class LocalExecutor(Executor):
    """Simulates every job on its own qubits; exact for co-located jobs whose noise factorises.

    Args:
        snapshot: The device.
        engine: As in :class:`qalgs.backends.NoisyEstimator`.
        crosstalk: Factors on gate errors by co-tenants; None is none.
        n_jobs: Threads over the jobs of a step; the numbers do not depend on it.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> LocalExecutor(DeviceSnapshot.from_backend("fake_manila")).describe()["name"]
        'local'
    """

    def __init__(
        self,
        snapshot: DeviceSnapshot,
        *,
        engine: str = "auto",
        crosstalk: Crosstalk | None = None,
        n_jobs: int | None = 1,
    ) -> None:
        from qalgs.backends import DeviceSnapshot

        expect(DeviceSnapshot, snapshot=snapshot)
        from qalgs.backends.noise_engines import check_noisy_engine

        check_noisy_engine(engine)
        self.snapshot, self.engine, self.crosstalk = snapshot, engine, crosstalk
        self._workers = resolve_jobs(n_jobs)
        self._benches: dict[str, tuple[object, Bench]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def describe(self) -> Mapping[str, Any]:
        """Return what determines the numbers, as JSON values."""
        crosstalk = None if self.crosstalk is None else dict(self.crosstalk.describe())
        return {"name": "local", "engine": self.engine, "crosstalk": crosstalk}

    def evaluate(self, requests: Sequence[Request], *, seed: int, step: str) -> list[Reading]:
        """Make all evaluations of one step."""
        groups: dict[str, list[int]] = {}
        for row, request in enumerate(requests):
            groups.setdefault(request.job.name, []).append(row)

        def work(rows: list[int]) -> list[Reading]:
            bench = self.bench(requests[rows[0]])
            return [bench.measure(requests[row], seed) for row in rows]

        parts = list(groups.values())
        if self._workers > 1 and len(parts) > 1:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="qalgs-step")
            made = list(self._pool.map(work, parts))
        else:
            made = [work(rows) for rows in parts]
        readings = {
            row: r for rows, found in zip(parts, made, strict=True) for row, r in zip(rows, found, strict=True)
        }
        return [readings[row] for row in range(len(requests))]

    def bench(self, request: Request) -> Bench:
        """Return the job on its layout; the latest one of each job is kept."""
        factors: Mapping[Any, float] = {}
        if self.crosstalk is not None and request.neighbours:
            factors = self.crosstalk.inflation(self.snapshot, request.layout, request.neighbours)
        key = (request.layout, tuple(sorted(factors.items(), key=str)))
        held = self._benches.get(request.job.name)
        if held is None or held[0] != key or held[1].job is not request.job:
            bench = Bench(request.job, request.layout, self.snapshot, inflation=factors, engine=self.engine)
            held = self._benches[request.job.name] = (key, bench)
        return held[1]

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
