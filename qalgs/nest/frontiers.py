"""What fidelity costs in time: the shortest plan for each fraction of the best ESP, and the bound behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qalgs.errors import InfeasibleError, as_array, expect, expect_callable, invalid
from qalgs.parallel import Parallel, run_iter
from qalgs.results import Result

from .requests import as_requests
from .schedules import Linear, Schedule
from .space_time import plan
from .space_time_charts import frontier_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qalgs.backends import DeviceSnapshot

FRACTIONS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrontierPoint(Result):
    """The plan for one fraction.

    Attributes:
        fidelity: The fraction f asked for.
        slots: Slots of the plan, None if there is none.
        bound: No plan has fewer.
        bound_reason: Why.
        device_seconds: Machine time of the plan.
        bound_seconds: No plan takes less machine time.
        worst_ratio: Smallest last-cycle ESP over the job's best, as planned; at least f.
        worst_esp: Smallest last-cycle ESP.
        message: Why there is no plan, if so.
    """

    fidelity: float
    slots: int | None = None
    bound: int | None = None
    bound_reason: str = ""
    device_seconds: float | None = None
    bound_seconds: float | None = None
    worst_ratio: float | None = None
    worst_esp: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frontier(Result):
    """Device-seconds against the worst last-cycle ESP.

    Attributes:
        device: Name of the device.
        jobs: Number of jobs.
        serial_seconds: Machine time of all jobs one after another on their best layouts.
        points: One per fraction, rising.
    """

    device: str
    jobs: int
    serial_seconds: float
    points: tuple[FrontierPoint, ...]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the frontier with its capacity bound."""
        return frontier_chart(self, ax)


def frontier(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    buffer: int = 1,
    crosstalk: Any = None,
    *,
    fractions: Sequence[float] = FRACTIONS,
    schedule: Schedule | str | None = None,
    parallel: Parallel | None = None,
    callback: Callable[[FrontierPoint], None] | None = None,
    **options: Any,
) -> Frontier:
    """Plan the jobs once per fraction of the best ESP.

    Args:
        jobs: The jobs.
        snapshot: The device.
        buffer: Idle qubits between two jobs.
        crosstalk: A crosstalk model.
        fractions: The fractions f in (0, 1].
        schedule: For jobs that bring none.
        parallel: Plan the fractions side by side: a number of workers, or the address of a Dask scheduler.
        callback: Called with every point as it is found.
        options: Passed to :func:`plan`, whose ``fidelity`` is the fraction.

    Returns:
        One point per fraction, with the bound.

    Raises:
        InvalidInputError: If there is no fraction, or one is not in (0, 1].
        TypeError: If :func:`plan` has no option of a name.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> jobs = {"a": hardware_efficient(2, 1), "b": hardware_efficient(2, 1)}
        >>> [point.slots is not None for point in frontier(jobs, manila, fractions=(0.9, 1.0)).points]
        [True, True]
    """
    expect(Iterable, fractions=fractions)
    fractions = as_array("fractions", list(fractions)).tolist()
    expect_callable(callback=callback)
    if not len(fractions):
        raise invalid("fractions", fractions, "must hold at least one number in (0, 1]")
    chosen = schedule if schedule is not None else Linear(6, "0.75*best", "best")
    requests = as_requests(jobs, snapshot, schedule=chosen, **_of_layouts(options))
    ready = {r.name: r.catalogue for r in requests}
    best = {r.name: r.best for r in requests}
    arguments = {**options, "schedule": chosen, "catalogues": ready}
    work = partial(_point, jobs, snapshot, buffer, crosstalk, arguments, best)
    serial = 0.0
    points = []
    for point, seconds in run_iter(work, sorted(float(f) for f in fractions), parallel=parallel):
        serial = seconds or serial
        points.append(point)
        if callback is not None:
            callback(point)
    return Frontier(
        device=requests[0].catalogue.name, jobs=len(requests), serial_seconds=serial, points=tuple(points)
    )


def _of_layouts(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that choose the layouts; the others are the search's own."""
    planning = set(inspect.signature(plan).parameters) - {"fidelity", "catalogues", "options"}
    return {name: value for name, value in options.items() if name not in planning}


def _point(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    buffer: int,
    crosstalk: Any,
    arguments: dict[str, Any],
    best: Mapping[str, float],
    fraction: float,
) -> tuple[FrontierPoint, float]:
    """Return the point of one fraction and the serial seconds of the jobs, 0 if there is no plan."""
    try:
        made = plan(jobs, snapshot, buffer, crosstalk, fidelity=fraction, **arguments)
    except InfeasibleError as error:
        return FrontierPoint(fidelity=fraction, message=str(error)), 0.0
    last = [made.of(name)[-1] for name in best]
    point = FrontierPoint(
        fidelity=fraction,
        slots=made.slots,
        bound=made.bound,
        bound_reason=made.bound_reason,
        device_seconds=made.device_seconds,
        bound_seconds=made.bound_seconds,
        worst_ratio=min(a.esp / best[a.job] for a in last),
        worst_esp=min(a.esp for a in last),
    )
    return point, made.serial_seconds
