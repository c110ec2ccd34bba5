"""Strategies: a map schedule (which qubits in which cycle) and an optimiser schedule, two axes that combine.

The published comparison gives Nest five optimiser restarts with a shrinking step and its baseline none. Here every
strategy states both axes, :class:`BestMapRestarts` (Nest's optimiser on a fixed best map) is the control that
isolates the effect of the maps, and any other pair is ``Strategy(maps=..., training=...)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

from qalgs.errors import InvalidInputError, expect, invalid
from qalgs.optimizers import Optimizer

from .layouts import LayoutCatalogue, check_target
from .schedules import Custom, Flat, InvertedReLU, Schedule
from .training import ExploreRefine, Restarts, SingleRun, Training
from .walk import QubitWalk

DEFAULT_CYCLES = 6


@dataclass(frozen=True, kw_only=True)
class MapSchedule(ABC):
    """The map axis: what a job asks of the chip in each cycle."""

    name: ClassVar[str]

    @property
    def cycles(self) -> int | None:
        """The number of cycles that the schedule fixes, if it does."""
        return None

    @property
    def walk(self) -> QubitWalk | None:
        """The walk from cycle to cycle; None places every cycle anew."""
        return None

    @property
    def fixed(self) -> bool:
        """Whether the first layout is kept for good."""
        return False

    @property
    def random(self) -> bool:
        """Whether layouts are drawn instead of chosen by ESP."""
        return False

    @abstractmethod
    def targets(self, catalogue: LayoutCatalogue, cycles: int) -> list[float]:
        """Return the target ESP of each cycle."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what determines the layouts, as JSON values."""


@dataclass(frozen=True, kw_only=True)
class BestFixed(MapSchedule):
    """The best map that is free, for all cycles."""

    name: ClassVar[str] = "best"

    @property
    def fixed(self) -> bool:
        """True: the first layout is kept."""
        return True

    def targets(self, catalogue: LayoutCatalogue, cycles: int) -> list[float]:
        """Return the target ESP of each cycle."""
        return [catalogue.level("best")] * cycles

    def describe(self) -> dict[str, Any]:
        """Return what determines the layouts, as JSON values."""
        return {"name": self.name}


@dataclass(frozen=True, kw_only=True)
class Scheduled(MapSchedule):
    """Targets from a schedule, reached by a walk or by the nearest layout of the whole chip.

    Attributes:
        schedule: Target ESP by cycle.
        walk_by: The walk; None jumps to the nearest layout each cycle.
        reverse: Run the targets backwards.
    """

    name: ClassVar[str] = "scheduled"
    schedule: Schedule
    walk_by: QubitWalk | None = None
    reverse: bool = False

    @property
    def cycles(self) -> int | None:
        """The number of cycles that the schedule fixes, if it does."""
        return self.schedule.cycles

    @property
    def walk(self) -> QubitWalk | None:
        """The walk from cycle to cycle."""
        return self.walk_by

    def targets(self, catalogue: LayoutCatalogue, cycles: int) -> list[float]:
        """Return the target ESP of each cycle."""
        found = with_cycles(self.schedule, cycles).targets(catalogue)
        return found[::-1] if self.reverse else found

    def describe(self) -> dict[str, Any]:
        """Return what determines the layouts, as JSON values."""
        w = self.walk_by
        walk = None if w is None else {"move": w.move, "tolerance": w.tolerance, "on_fail": w.on_fail}
        return {"name": self.name, "schedule": self.schedule.to_dict(), "walk": walk, "reverse": self.reverse}


@dataclass(frozen=True, kw_only=True)
class RandomMaps(MapSchedule):
    """A map drawn anew in each cycle from all that are free: the control without any fidelity."""

    name: ClassVar[str] = "random"

    @property
    def random(self) -> bool:
        """True: layouts are drawn."""
        return True

    def targets(self, catalogue: LayoutCatalogue, cycles: int) -> list[float]:
        """Return the target ESP of each cycle."""
        return [catalogue.level("mean")] * cycles

    def describe(self) -> dict[str, Any]:
        """Return what determines the layouts, as JSON values."""
        return {"name": self.name}


def with_cycles(schedule: Schedule, cycles: int) -> Schedule:
    """Return the schedule with another number of cycles.

    Raises:
        InvalidInputError: If it lists its targets one by one, so that their number is fixed.
    """
    if schedule.cycles == cycles:
        return schedule
    if isinstance(schedule, Custom):
        raise invalid("cycles", cycles, f"must equal the {schedule.cycles} targets of the custom schedule")
    return replace(schedule, cycles=cycles)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A map schedule and a training schedule.

    Attributes:
        name: For tables.
        maps: The map axis.
        training: The optimiser axis.
        cycles: Cycles C where the map schedule leaves them open.

    Raises:
        InvalidInputError: If ``cycles`` is below 1.
    """

    name: str
    maps: MapSchedule
    training: Training
    cycles: int = DEFAULT_CYCLES

    def __post_init__(self) -> None:
        expect(Integral, cycles=self.cycles)
        if isinstance(self.cycles, bool) or self.cycles < 1:
            raise invalid("cycles", self.cycles, "must be at least 1")

    @property
    def length(self) -> int:
        """The number of cycles C."""
        return self.maps.cycles or self.cycles

    @property
    def schedule(self) -> Schedule:
        """The map axis as targets, for :func:`qalgs.nest.pack`."""
        return getattr(self.maps, "schedule", None) or Flat(self.length)

    @property
    def walk(self) -> QubitWalk | None:
        """The walk between cycles, for :func:`qalgs.nest.pack`."""
        return self.maps.walk

    def describe(self, optimizer: Optimizer, cycles: int) -> dict[str, Any]:
        """Return what determines the strategy's numbers, as JSON values."""
        return {
            "name": self.name,
            "cycles": cycles,
            "maps": self.maps.describe(),
            "training": self.training.describe(optimizer, cycles),
        }


def _schedule(schedule: Schedule | None, cycles: int | None) -> Schedule:
    if schedule is None:
        return InvertedReLU(cycles=DEFAULT_CYCLES if cycles is None else cycles)
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule such as InvertedReLU(), got {type(schedule).__name__}")
    return schedule if cycles is None else with_cycles(schedule, cycles)


def _walk(walk: QubitWalk | None) -> QubitWalk:
    if walk is None:
        return QubitWalk()
    if not isinstance(walk, QubitWalk):
        raise TypeError(f"walk must be a QubitWalk, got {type(walk).__name__}")
    return walk


class Nest(Strategy):
    """Rising targets, a qubit walk between them, a restart with a smaller step in each cycle (arXiv:2510.09578).

    Args:
        schedule: Target ESP by cycle; an inverted ReLU from 0.75 of the best to the best ESP by default.
        walk: How to move between cycles; by default whichever move comes closest, else a jump.
        cycles: Another number of cycles.

    Raises:
        InvalidInputError: If ``cycles`` does not suit the schedule.

    Example:
        >>> Nest(cycles=4).length
        4
    """

    def __init__(
        self, schedule: Schedule | None = None, walk: QubitWalk | None = None, *, cycles: int | None = None
    ) -> None:
        maps = Scheduled(schedule=_schedule(schedule, cycles), walk_by=_walk(walk))
        super().__init__(name="Nest", maps=maps, training=Restarts())


class NestJump(Strategy):
    """Nest without locality: the layout nearest to the target anywhere on the chip.

    Args:
        schedule: Target ESP by cycle, as for :class:`Nest`.
        cycles: Another number of cycles.

    Example:
        >>> NestJump().walk is None
        True
    """

    def __init__(self, schedule: Schedule | None = None, *, cycles: int | None = None) -> None:
        maps = Scheduled(schedule=_schedule(schedule, cycles))
        super().__init__(name="NestJump", maps=maps, training=Restarts())


class Reversed(Strategy):
    """Nest with its targets backwards: the control for the direction of the schedule.

    Args:
        schedule: Target ESP by cycle, as for :class:`Nest`; run backwards.
        walk: How to move between cycles.
        cycles: Another number of cycles.

    Example:
        >>> Reversed(cycles=4).maps.describe()["reverse"]
        True
    """

    def __init__(
        self, schedule: Schedule | None = None, walk: QubitWalk | None = None, *, cycles: int | None = None
    ) -> None:
        maps = Scheduled(schedule=_schedule(schedule, cycles), walk_by=_walk(walk), reverse=True)
        super().__init__(name="Reversed", maps=maps, training=Restarts())


class BestMap(Strategy):
    """One minimiser run of C times I evaluations on the best map: the published baseline, without its ESP cap.

    Args:
        cycles: Cycles C, which only set the budget.

    Example:
        >>> BestMap(cycles=4).training.name
        'single'
    """

    def __init__(self, *, cycles: int = DEFAULT_CYCLES) -> None:
        super().__init__(name="BestMap", maps=BestFixed(), training=SingleRun(), cycles=cycles)


class BestMapRestarts(Strategy):
    """Nest's optimiser schedule on the best map: the control that isolates the effect of the maps.

    Args:
        cycles: Cycles C.

    Example:
        >>> BestMapRestarts(cycles=4).training.name
        'restarts'
    """

    def __init__(self, *, cycles: int = DEFAULT_CYCLES) -> None:
        super().__init__(name="BestMapRestarts", maps=BestFixed(), training=Restarts(), cycles=cycles)


class RandomMap(Strategy):
    """Nest's optimiser schedule on maps drawn at random.

    Args:
        cycles: Cycles C.

    Example:
        >>> RandomMap(cycles=4).maps.random
        True
    """

    def __init__(self, *, cycles: int = DEFAULT_CYCLES) -> None:
        super().__init__(name="RandomMap", maps=RandomMaps(), training=Restarts(), cycles=cycles)


class Qoncord(Strategy):
    """Explore from several starts on a poor map, refine the promising ones on the best (arXiv:2409.12432).

    The original moves between devices; on one chip a map of ESP ``esp_low`` stands for the poor device.

    Args:
        cycles: Cycles C; the budget equals that of the other strategies.
        starts: Exploration cycles, each from a new start; half of the cycles by default.
        esp_low: ESP of the exploration's map, a number or a level of the catalogue.
        keep: Survivors lie within this distance of the lowest value, in units of the cost.

    Raises:
        InvalidInputError: If ``starts`` is not between 1 and the cycles, or another argument breaks its rule.

    Example:
        >>> Qoncord(cycles=6).training.starts
        3
    """

    def __init__(
        self,
        *,
        cycles: int = DEFAULT_CYCLES,
        starts: int | None = None,
        esp_low: float | str = "0.75*best",
        keep: float = 0.02,
    ) -> None:
        expect(Integral, cycles=cycles)
        expect(Integral, type(None), starts=starts)
        if isinstance(cycles, bool) or cycles < 1:
            raise invalid("cycles", cycles, "must be at least 1")
        esp_low = check_target(esp_low, "esp_low")
        count = max(1, cycles // 2) if starts is None else starts
        if not 1 <= count <= cycles:
            raise invalid("starts", count, f"must be between 1 and the {cycles} cycles")
        maps = Scheduled(schedule=Custom([esp_low] * count + ["best"] * (cycles - count)))
        super().__init__(name="Qoncord", maps=maps, training=ExploreRefine(starts=count, keep=keep), cycles=cycles)


STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "Nest": Nest,
    "NestJump": NestJump,
    "BestMap": BestMap,
    "BestMapRestarts": BestMapRestarts,
    "Qoncord": Qoncord,
    "Reversed": Reversed,
    "RandomMap": RandomMap,
}
CONTROL = "BestMapRestarts"


SCHEDULED = ("Nest", "NestJump", "Reversed")
"""The strategies that take a fidelity schedule."""


def canonical_name(name: str) -> str:
    """Return the name of a strategy as :data:`STRATEGIES` spells it, from ``"best-map-restarts"`` for example.

    Raises:
        InvalidInputError: If there is no such strategy.
    """
    plain = {key.lower(): key for key in STRATEGIES}
    key = str(name).lower().replace("-", "").replace("_", "").replace(" ", "")
    if key not in plain:
        raise invalid("strategy", name, f"must be one of {', '.join(STRATEGIES)}")
    return plain[key]


def make_strategy(name: str | Strategy, **options: Any) -> Strategy:
    """Return a strategy by name, in any case and with or without separators.

    Args:
        name: A key of :data:`STRATEGIES` in any spelling, or a strategy, returned as is.
        options: The arguments of its class.

    Raises:
        InvalidInputError: If there is no such strategy, or it has no such option.

    Example:
        >>> make_strategy("best-map-restarts", cycles=4).name
        'BestMapRestarts'
    """
    if isinstance(name, Strategy):
        return name
    try:
        return STRATEGIES[canonical_name(name)](**options)
    except TypeError as error:
        raise InvalidInputError(f"strategy {name} does not take these options: {error}") from error


def combinations(schedules: Sequence[MapSchedule], trainings: Sequence[Training]) -> list[Strategy]:
    """Return the full grid of the two axes, named ``maps+training``, for ablations."""
    return [
        Strategy(name=f"{maps.name}+{training.name}", maps=maps, training=training)
        for maps in schedules
        for training in trainings
    ]
