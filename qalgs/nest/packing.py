"""Several jobs on one chip, cycle by cycle, never closer than the buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from qalgs.errors import InfeasibleError, expect, invalid
from qalgs.results import Result
from qalgs.seeds import Seed, keyed, root_seed

from .chip import Chip
from .layouts import Layout, LayoutCatalogue
from .regions import check_buffer, clashes, distinct, free
from .requests import Request, as_requests
from .schedules import Schedule
from .walk import QubitWalk, WalkStep, record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qalgs.backends import DeviceSnapshot

Objective = Literal["targets", "max_min_esp"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packing(Result):
    """Where every job runs in every cycle.

    Attributes:
        device: Name of the device.
        buffer: Idle qubits between any two jobs, in every cycle.
        steps: Per job, one :class:`WalkStep` per cycle.
        exact: Whether the first cycle needed the exact solver.
        seed: Seed of the search.
    """

    device: str
    buffer: int
    steps: dict[str, tuple[WalkStep, ...]]
    exact: bool
    seed: int
    chip: Chip = field(repr=False)
    catalogues: dict[str, LayoutCatalogue] = field(repr=False)

    @property
    def cycles(self) -> int:
        """The number of cycles of the longest job."""
        return max(len(steps) for steps in self.steps.values())

    @property
    def jumps(self) -> dict[str, int]:
        """Jumps by job."""
        return {name: sum(s.jump for s in steps) for name, steps in self.steps.items()}

    def layouts(self, cycle: int) -> dict[str, Layout]:
        """Return the layout of every job that runs in ``cycle``."""
        return {name: steps[cycle].layout for name, steps in self.steps.items() if cycle < len(steps)}

    def utilisation(self) -> list[float]:
        """Return the fraction of the chip's qubits that compute, by cycle."""
        return [sum(len(m) for m in self.layouts(c).values()) / self.chip.num_qubits for c in range(self.cycles)]

    def violations(self) -> list[tuple[int, str, str, int]]:
        """Return ``(cycle, job, job, hops)`` wherever two jobs come within the buffer; always empty."""
        return [
            (c, *clash) for c in range(self.cycles) for clash in clashes(self.chip, self.layouts(c), self.buffer)
        ]

    def plot_targets(self, ax: Axes | None = None) -> Axes:
        """Draw target (dashed) and achieved ESP by cycle and job; jumps are circled."""
        import matplotlib.pyplot as plt

        axes: Axes = ax if ax is not None else plt.subplots()[1]
        for i, (name, steps) in enumerate(self.steps.items()):
            cycles = [s.cycle + 1 for s in steps]
            axes.plot(cycles, [s.target for s in steps], "--", color=f"C{i % 10}", linewidth=1)
            axes.plot(cycles, [s.esp for s in steps], "o-", color=f"C{i % 10}", markersize=4, label=name)
            jumps = [s for s in steps if s.jump]
            axes.plot([s.cycle + 1 for s in jumps], [s.esp for s in jumps], "o", mfc="none", mec="black", ms=9)
        axes.set(xlabel="cycle", ylabel="ESP", title=f"{self.device}: target (dashed) and achieved ESP")
        axes.legend(fontsize="small")
        return axes

    def plot_chip(self, cycle: int = 0, ax: Axes | None = None) -> Axes:
        """Draw the chip with the layouts of one cycle."""
        from .charts import chip_map

        return chip_map(self.chip, self.layouts(cycle), ax=ax, title=f"{self.device}, cycle {cycle + 1}")


def pack(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    buffer: int = 1,
    *,
    schedule: Schedule | str | None = None,
    walk: QubitWalk | None = None,
    objective: Objective = "targets",
    catalogues: Mapping[str, LayoutCatalogue] | None = None,
    restarts: int = 20,
    time_limit: float = 20.0,
    seed: Seed = 0,
    **options: Any,
) -> Packing:
    """Place all jobs on the chip at once and move them cycle by cycle, keeping the buffer throughout.

    The first cycle is placed greedily, the most demanding job first, under several random orders; if none
    succeeds, CP-SAT decides whether any placement exists. In later cycles the jobs move one after another, each
    clear of where all others stand at that moment, so the buffer holds in every cycle, and staying is always
    possible.

    Args:
        jobs: The jobs; see :func:`qalgs.nest.requests.as_requests` for what counts as one.
        snapshot: The device.
        buffer: Idle qubits that must lie between two jobs: their distance in hops exceeds it.
        schedule: Fidelity schedule of jobs that bring none.
        walk: Moves of jobs that bring none.
        objective: ``"targets"`` follows the schedules; ``"max_min_esp"`` gives every job one layout for all
            cycles such that the smallest ratio of ESP to the job's own best is as large as the search can make it.
        catalogues: Ready catalogues by job name.
        restarts: Random orders of the greedy search.
        time_limit: Seconds for the exact solver.
        seed: Seed of the orders.
        options: Passed to :meth:`LayoutCatalogue.for_circuit`.

    Returns:
        Where every job runs in every cycle.

    Raises:
        InfeasibleError: If the jobs do not fit together; the message names one that finds no place.
        InvalidInputError: On a bad buffer, schedule or job.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.circuits import hardware_efficient
        >>> guadalupe = DeviceSnapshot.from_backend("fake_guadalupe")
        >>> packing = pack({"a": hardware_efficient(3, 1), "b": hardware_efficient(3, 1)}, guadalupe)
        >>> sorted(packing.steps), len(packing.steps["a"])
        (['a', 'b'], 6)
    """
    gap = check_buffer(buffer)
    _check_search(objective, restarts, time_limit)
    root = root_seed(seed)
    chip = Chip.of(snapshot)
    requests = as_requests(jobs, snapshot, schedule=schedule, walk=walk, catalogues=catalogues, **options)
    if objective == "max_min_esp":
        placed, exact = _max_min(requests, chip, gap, restarts, time_limit, root)
        steps = {r.name: _stay(r, placed[r.name]) for r in requests}
    else:
        wanted = {r.name: r.targets[0] for r in requests}
        placed, exact = place(requests, chip, gap, wanted, restarts=restarts, time_limit=time_limit, seed=root)
        steps = _walk_all(requests, chip, gap, placed)
    return Packing(
        device=chip.name,
        buffer=gap,
        steps=steps,
        exact=exact,
        seed=root,
        chip=chip,
        catalogues={r.name: r.catalogue for r in requests},
    )


def _check_search(objective: str, restarts: int, time_limit: float) -> None:
    """Refuse goals and limits of the search that mean nothing."""
    if objective not in get_args(Objective):
        raise invalid("objective", objective, "must be 'targets' or 'max_min_esp'")
    expect(Integral, restarts=restarts)
    expect(Real, time_limit=time_limit)
    if isinstance(restarts, bool) or restarts < 1:
        raise invalid("restarts", restarts, "must be at least 1")
    if not 0 < time_limit < math.inf:
        raise invalid("time_limit", time_limit, "must be a positive number of seconds")


def _stay(request: Request, layout: Layout) -> tuple[WalkStep, ...]:
    """Return the walk of a job that keeps one layout for all its cycles."""
    return tuple(
        WalkStep(cycle=c, layout=layout, esp=layout.esp, target=target, kind="stay" if c else "start")
        for c, target in enumerate(request.targets)
    )


def place(
    requests: Sequence[Request],
    chip: Chip,
    buffer: int,
    targets: Mapping[str, float],
    *,
    floors: Mapping[str, float] | None = None,
    restarts: int = 20,
    time_limit: float = 20.0,
    seed: int = 0,
) -> tuple[dict[str, Layout], bool]:
    """Give every job a layout close to its target, all clear of one another.

    Args:
        requests: The jobs.
        chip: The device.
        buffer: Idle qubits between jobs.
        targets: Wanted ESP by job name.
        floors: Smallest ESP by job name that will do.
        restarts: Random orders to try.
        time_limit: Seconds for the exact solver.
        seed: Seed of the orders.

    Returns:
        The layouts by name, and whether the exact solver had to find them.

    Raises:
        InfeasibleError: If none was found; the message names a job and says whether that is proved.
    """
    least = dict(floors or {})
    base = sorted(requests, key=lambda r: (-r.catalogue.num_qubits, len(r.catalogue), r.name))
    for attempt in range(max(1, restarts)):
        order = list(base)
        if attempt:
            keyed(seed, "pack", attempt).shuffle(order)
        placed = _greedy(order, chip, buffer, targets, least, tight=attempt % 2 == 1)
        if placed is not None:
            return placed, False
    from .cpsat import place_exactly

    return place_exactly(requests, chip, buffer, targets, least, time_limit=time_limit, seed=seed), True


def _greedy(
    order: Sequence[Request],
    chip: Chip,
    buffer: int,
    targets: Mapping[str, float],
    floors: Mapping[str, float],
    *,
    tight: bool,
) -> dict[str, Layout] | None:
    used: set[int] = set()
    placed: dict[str, Layout] = {}
    for request in order:
        catalogue = request.catalogue
        allowed = free(catalogue, used, buffer) & (catalogue.esp >= floors.get(request.name, 0.0))
        rows = np.flatnonzero(allowed)
        if not len(rows):
            return None
        if tight and used:
            taken = (chip.distance[sorted(used)] <= 2 * buffer + 1).any(axis=0)
            hugging = catalogue.member[rows][:, taken].sum(axis=1)
            rows = rows[hugging >= hugging.max()]
        elif tight:
            degree = catalogue.member[rows].astype(np.int64) @ (chip.distance == 1).sum(axis=1)
            rows = rows[degree <= degree.min()]
        index = int(rows[np.argmin(np.abs(catalogue.esp[rows] - targets[request.name]))])
        placed[request.name] = catalogue[index]
        used.update(placed[request.name])
    return placed


def _walk_all(
    requests: Sequence[Request], chip: Chip, buffer: int, placed: Mapping[str, Layout]
) -> dict[str, tuple[WalkStep, ...]]:
    trails = {
        r.name: [
            WalkStep(
                cycle=0,
                layout=placed[r.name],
                esp=placed[r.name].esp,
                target=r.targets[0],
                moved=tuple(sorted(placed[r.name])),
            )
        ]
        for r in requests
    }
    here = {name: tuple(layout) for name, layout in placed.items()}
    for cycle in range(1, max(r.cycles for r in requests)):
        running = [r for r in requests if cycle < r.cycles]
        for name in set(here) - {r.name for r in running}:
            del here[name]
        for request in running:
            used = {q for name, layout in here.items() if name != request.name for q in layout}
            allowed = free(request.catalogue, used, buffer)
            before = trails[request.name][-1]
            try:
                step = request.walk.step(
                    before, request.targets[cycle], catalogue=request.catalogue, allowed=allowed
                )
            except InfeasibleError as error:
                raise InfeasibleError(f"job {request.name!r}, cycle {cycle + 1}: {error}") from error
            trails[request.name].append(step)
            here[request.name] = tuple(step.layout)
    return {name: tuple(steps) for name, steps in trails.items()}


def _max_min(
    requests: Sequence[Request], chip: Chip, buffer: int, restarts: int, time_limit: float, seed: int
) -> tuple[dict[str, Layout], bool]:
    """Bisect over the distinct ratios ESP / best of all jobs."""
    ratios = np.unique(
        np.concatenate([r.catalogue.esp[distinct(r.catalogue)] / r.best for r in requests]).round(12)
    )
    targets = {r.name: r.best for r in requests}
    found = place(requests, chip, buffer, targets, restarts=restarts, time_limit=time_limit, seed=seed)
    low, high = 0, len(ratios) - 1
    while low <= high:
        middle = (low + high) // 2
        floors = {r.name: ratios[middle] * r.best - 1e-9 for r in requests}
        try:
            found = place(
                requests,
                chip,
                buffer,
                targets,
                floors=floors,
                restarts=restarts,
                time_limit=time_limit / 8,
                seed=seed,
            )
            low = middle + 1
        except InfeasibleError:
            high = middle - 1
    return found


__all__ = ["Packing", "clashes", "pack", "place", "record"]
