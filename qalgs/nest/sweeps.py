"""Every device asked the same question: can it hold and schedule these jobs, and if not, why?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from numbers import Integral

from qalgs.errors import QalgsError, expect, expect_callable, invalid
from qalgs.parallel import Parallel, run_iter
from qalgs.results import Result

from .layouts import LayoutCatalogue
from .regions import check_buffer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict(Result):
    """What a device can do.

    Attributes:
        device: Its name.
        num_qubits: Its qubits, None if it could not be read.
        schedulable: Whether the jobs were planned.
        reason: Why not, or what was left out.
        layouts: Layouts of one job.
        best: Best ESP.
        median: Median ESP.
        slots: Slots of the plan.
        problems: Entries of the snapshot's sanity report.
    """

    device: str
    num_qubits: int | None = None
    schedulable: bool = False
    reason: str = ""
    layouts: int = 0
    best: float | None = None
    median: float | None = None
    slots: int | None = None
    problems: int = 0


def sweep(
    devices: Iterable[str] | None = None,
    *,
    qubits: int = 4,
    jobs: int = 3,
    cycles: int = 3,
    buffer: int = 1,
    parallel: Parallel | None = None,
    callback: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Plan a few line-shaped jobs on every device.

    Args:
        devices: Names; all fake backends of the runtime client if None.
        qubits: Qubits per job.
        jobs: Jobs.
        cycles: Cycles per job.
        buffer: Idle qubits between two jobs.
        parallel: Judge devices side by side: a number of workers, or the address of a Dask scheduler.
        callback: Called with every verdict as it is found.

    Returns:
        One verdict per device; none raises.

    Raises:
        InvalidInputError: If a number is below 1, or the buffer negative.

    Example:
        >>> [verdict.schedulable for verdict in sweep(["fake_manila"], qubits=2, jobs=2, cycles=2)]
        [True]
    """
    expect(Iterable, type(None), devices=devices)
    expect(Integral, qubits=qubits, jobs=jobs, cycles=cycles)
    expect_callable(callback=callback)
    from qalgs.backends import fake_names

    for name, value in (("qubits", qubits), ("jobs", jobs), ("cycles", cycles)):
        if value < 1:
            raise invalid(name, value, "must be at least 1")
    check_buffer(buffer)
    work = partial(judge, qubits=qubits, jobs=jobs, cycles=cycles, buffer=buffer)
    verdicts = []
    for verdict in run_iter(work, fake_names() if devices is None else devices, parallel=parallel):
        verdicts.append(verdict)
        if callback is not None:
            callback(verdict)
    return verdicts


def judge(device: str, *, qubits: int, jobs: int, cycles: int, buffer: int) -> Verdict:
    """Return the verdict on one device; arguments as in :func:`sweep`."""
    from qiskit.circuit.library import efficient_su2

    from qalgs.backends import DeviceSnapshot

    from .schedules import Linear
    from .space_time import plan

    snapshot = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            snapshot = DeviceSnapshot.from_backend(device)
        circuit = efficient_su2(qubits, entanglement="linear", reps=1)
        catalogue = LayoutCatalogue.for_circuit(circuit, snapshot, limit=4000)
        named = {f"job{i}": circuit for i in range(jobs)}
        made = plan(
            named,
            snapshot,
            buffer,
            schedule=Linear(cycles),
            rounds=2,
            polish=0,
            catalogues=dict.fromkeys(named, catalogue),
        )
    except QalgsError as error:
        return Verdict(
            device=device,
            num_qubits=None if snapshot is None else snapshot.num_qubits,
            reason=" ".join(str(error).split()),
            problems=0 if snapshot is None else len(snapshot.problems),
        )
    return Verdict(
        device=device,
        num_qubits=snapshot.num_qubits,
        schedulable=True,
        reason=catalogue.note,
        layouts=len(catalogue),
        best=float(catalogue.esp[0]),
        median=catalogue.level("median"),
        slots=made.slots,
        problems=len(snapshot.problems),
    )
