"""Studies: strategies x devices x problems x seeds, in parallel, resumable, with a control in every comparison.

A *cell* is one campaign. Its outcome depends on its specification alone, so it is stored under the hash of that; a
study that is stopped, or extended by more seeds, computes only what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import InvalidInputError, LedgerError, expect, expect_callable, invalid
from qalgs.optimizers import Optimizer
from qalgs.parallel import Parallel, run_iter
from qalgs.results import jsonable

from .campaign import Campaign
from .convergence import Convergence
from .executor import Crosstalk
from .jobs import Job
from .layouts import LayoutCatalogue
from .ledger import Ledger, content_hash
from .metrics import progress_of, spectral_width
from .report_data import report_data
from .requests import structure
from .strategies import CONTROL, Strategy
from .study_result import CellOutcome, StudyResult
from .usage import Rates, duration_of

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot

    from .space_time_plan import Plan

PAYLOAD = 3
"""Raised when the content of a stored cell changes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One campaign of a study.

    Attributes:
        device: A name for :func:`qalgs.backends.load_backend`, or a snapshot.
        jobs: The jobs, co-located.
        strategy: The strategy of all of them.
        seed: Root seed.
        optimizer: As in :class:`Campaign`.
        shots: As in :class:`Campaign`.
        evaluations: As in :class:`Campaign`.
        buffer: As in :class:`Campaign`.
        crosstalk: As in :class:`Campaign`.
        convergence: As in :class:`Campaign`.
        rates: As in :class:`Campaign`.
        ledger: A ledger that may hold the campaign already.
        plan: A joint space-time plan of the jobs.
        label: Name of the cell's strategy in tables; the strategy's own by default.
    """

    device: str | DeviceSnapshot
    jobs: tuple[Job, ...]
    strategy: Strategy
    seed: int
    optimizer: Optimizer | None = None
    shots: int = 1024
    evaluations: int = 72
    buffer: int = 1
    crosstalk: Crosstalk | None = None
    convergence: Convergence | None = None
    rates: Rates | None = None
    ledger: str | os.PathLike[str] | None = None
    plan: Plan | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """Name of the strategy in tables."""
        return self.label or self.strategy.name

    def campaign(self, *, cached: bool = False, ledger: Ledger | None = None) -> Campaign:
        """Return the campaign.

        Args:
            cached: Look the layouts up in this process's cache.
            ledger: Where it is to run.
        """
        snapshot = _snapshot(self.device) if isinstance(self.device, str) else self.device
        look_up = cached and self.plan is None
        ready = {job.name: _catalogue(snapshot, job) for job in self.jobs} if look_up else None
        return Campaign(
            self.jobs,
            snapshot,
            strategy=self.strategy,
            optimizer=self.optimizer,
            shots=self.shots,
            evaluations=self.evaluations,
            buffer=self.buffer,
            crosstalk=self.crosstalk,
            convergence=self.convergence,
            rates=self.rates,
            seed=self.seed,
            ledger=ledger,
            plan=self.plan,
            catalogues=ready,
        )

    @property
    def key(self) -> str:
        """The hash under which the outcome is stored."""
        return content_hash({"payload": PAYLOAD, "spec": self.campaign().spec, "rates": jsonable(self.rates)})


@lru_cache(maxsize=16)
def _snapshot(name: str) -> DeviceSnapshot:
    from qalgs.backends import DeviceSnapshot

    return DeviceSnapshot.from_backend(name)


_CATALOGUES: dict[tuple[str, object], LayoutCatalogue] = {}


def _catalogue(snapshot: DeviceSnapshot, job: Job) -> LayoutCatalogue:
    key = (snapshot.fingerprint, structure(job.circuit))
    if key not in _CATALOGUES:
        if len(_CATALOGUES) >= 64:
            _CATALOGUES.clear()
        try:
            _CATALOGUES[key] = LayoutCatalogue.for_circuit(job.circuit, snapshot)
        except InvalidInputError as error:
            raise type(error)(f"job {job.name!r}: {error}") from error
    return _CATALOGUES[key]


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one campaign and return its outcome as JSON values; see :class:`CellOutcome`."""
    with Ledger() as ledger:
        running = cell.campaign(cached=True, ledger=ledger)
        if cell.ledger is not None:
            ledger.copy_from(cell.ledger)
            if content_hash(running.spec)[:16] not in ledger.campaigns():
                raise LedgerError(
                    f"ledger {os.fspath(cell.ledger)} does not hold the campaign that its jobs file describes; "
                    "run it again in another folder"
                )
        result = running.run()
        jobs = []
        for settled, tenancy, job in zip(running.settled, running.tenancies, result.jobs, strict=True):
            made = ledger.evaluations(result.campaign, job.name)
            at, energies = progress_of(
                settled.job, job.values, [e.point for e in made], tenancy.catalogue, running.snapshot
            )
            rates = running.rates
            durations = [duration_of(tenancy.catalogue, c.layout) for c in job.cycles]
            times = [e.shots * (durations[e.cycle] + rates.repetition_delay) + rates.overhead for e in made]
            seconds = np.cumsum(times)
            jobs.append(
                {
                    **job.row(),
                    **({"strategy": cell.label} if cell.label else {}),
                    "spectral_width": spectral_width(settled.job),
                    "esp_by_cycle": [c.esp for c in job.cycles],
                    "targets": [c.target for c in job.cycles],
                    "progress_evaluations": at,
                    "progress_energies": energies,
                    "progress_seconds": seconds[at - 1],
                    "seconds": float(seconds[-1]),
                    "converged_seconds": None if job.converged_after is None else seconds[job.converged_after - 1],
                }
            )
    payload = {
        "device": result.device,
        "strategy": cell.name,
        "seed": cell.seed,
        "digest": result.digest,
        "device_seconds": result.usage.device_seconds,
        "utilisation": result.usage.utilisation,
        "jobs": jobs,
        "run": report_data([result])["runs"][0],
    }
    found = jsonable(payload)
    assert isinstance(found, dict)
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellFinished:
    """A cell is done.

    Attributes:
        index: Cells done so far.
        cells: Cells of the study.
        cell: The cell.
        outcome: What it found.
        stored: Whether it came from the ledger.
    """

    index: int
    cells: int
    cell: Cell
    outcome: CellOutcome
    stored: bool


@dataclass(frozen=True, kw_only=True)
class Study:
    """A list of cells.

    Attributes:
        cells: The campaigns.
        control: The strategy that all others are compared with.
        baseline: The strategy whose median sets the threshold of evaluations-to-threshold.

    Raises:
        InvalidInputError: If there is no cell.
    """

    cells: tuple[Cell, ...]
    control: str = CONTROL
    baseline: str = "BestMap"

    def __post_init__(self) -> None:
        if not self.cells:
            raise invalid("cells", 0, "must hold at least one campaign")

    @classmethod
    def grid(
        cls,
        *,
        devices: Sequence[str | DeviceSnapshot],
        groups: Sequence[Sequence[Job]],
        strategies: Sequence[Strategy],
        seeds: Sequence[int],
        **options: Any,
    ) -> Study:
        """Return the full grid; each group of jobs is co-located.

        Args:
            devices: Devices.
            groups: Groups of jobs; one job a group for solo runs.
            strategies: Strategies; include the control.
            seeds: Root seeds; every strategy starts from the same points.
            options: Further attributes of :class:`Cell`.
        """
        expect(Iterable, devices=devices, groups=groups, strategies=strategies, seeds=seeds)
        return cls(
            cells=tuple(
                Cell(device=device, jobs=tuple(group), strategy=strategy, seed=seed, **options)
                for device in devices
                for group in groups
                for seed in seeds
                for strategy in strategies
            )
        )

    def iter_run(
        self,
        *,
        ledger: Ledger | None = None,
        n_jobs: int | None = 1,
        backend: str | None = None,
        parallel: Parallel | None = None,
    ) -> Iterator[CellFinished]:
        """Run what is missing, yielding each cell as it is done, in order.

        Args:
            ledger: Where outcomes are kept.
            n_jobs: Worker processes; the numbers do not depend on it.
            backend: A joblib backend, or the address of a Dask scheduler.
            parallel: Both in one: a number of workers, or such an address.
        """
        keys = [cell.key for cell in self.cells]
        stored = [None if ledger is None else ledger.cell(key) for key in keys]
        missing = [cell for cell, found in zip(self.cells, stored, strict=True) if found is None]
        fresh = run_iter(run_cell, missing, n_jobs=n_jobs, backend=backend, parallel=parallel)
        try:
            for index, (cell, key, found) in enumerate(zip(self.cells, keys, stored, strict=True), start=1):
                payload = next(fresh) if found is None else found
                if found is None and ledger is not None:
                    ledger.put_cell(key, payload)
                yield CellFinished(
                    index=index,
                    cells=len(self.cells),
                    cell=cell,
                    outcome=CellOutcome(payload=payload),
                    stored=found is not None,
                )
        finally:
            close = getattr(fresh, "close", None)
            if close is not None:
                close()

    def run(
        self,
        *,
        ledger: Ledger | None = None,
        n_jobs: int | None = 1,
        backend: str | None = None,
        parallel: Parallel | None = None,
        callback: Callable[[CellFinished], None] | None = None,
    ) -> StudyResult:
        """Run the study and return its tables; arguments as in :meth:`iter_run`.

        Args:
            ledger: Where outcomes are kept.
            n_jobs: Worker processes.
            backend: A joblib backend, or the address of a Dask scheduler.
            parallel: Both in one: a number of workers, or such an address.
            callback: Called with each cell.
        """
        expect_callable(callback=callback)
        outcomes = []
        for event in self.iter_run(ledger=ledger, n_jobs=n_jobs, backend=backend, parallel=parallel):
            outcomes.append(event.outcome)
            if callback is not None:
                callback(event)
        return StudyResult(outcomes=tuple(outcomes), control=self.control, baseline=self.baseline)
