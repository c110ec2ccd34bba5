"""Which fidelity a job asks for in which cycle: target ESPs, rising from forgiving to the best.

A schedule of C cycles has exactly C targets for every C >= 1. Its ends are numbers, or levels that a catalogue
turns into numbers (``"best"``, ``"0.75*best"``, ``"median"``, ``"q25"``), so that one schedule serves any chip
and circuit.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from qalgs.errors import InvalidInputError, expect, invalid

from .layouts import LayoutCatalogue, check_target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Level = float | str
S = TypeVar("S", bound="Schedule")


@dataclass(frozen=True)
class Schedule(ABC):
    """Target ESP by cycle.

    Args:
        cycles: Number of cycles C, at least 1.
        esp_min: The lowest target, a number in [0, 1] or a level of the catalogue. The default, 0.85 of the best,
            is what measured best over 40 seeds of H2 on fake_brisbane (0.75 and 0.9 ended higher).
        esp_max: The highest target, likewise.

    Raises:
        InvalidInputError: If ``cycles`` is below 1, a number is NaN or outside [0, 1], or ``esp_min > esp_max``.
    """

    cycles: int = 6
    esp_min: Level = "0.85*best"
    esp_max: Level = "best"
    name: ClassVar[str] = "schedule"

    def __post_init__(self) -> None:
        if isinstance(self.cycles, bool) or not hasattr(self.cycles, "__index__"):
            raise TypeError(f"cycles must be an int, got {type(self.cycles).__name__}")
        if self.cycles < 1:
            raise invalid("cycles", self.cycles, "must be at least 1")
        for key in ("esp_min", "esp_max"):
            object.__setattr__(self, key, check_target(getattr(self, key), key))
        if not isinstance(self.esp_min, str) and not isinstance(self.esp_max, str):
            _ordered(self.esp_min, self.esp_max)

    @abstractmethod
    def fractions(self) -> list[float]:
        """Return where each cycle lies between ``esp_min`` (0) and ``esp_max`` (1)."""

    def bounds(self, catalogue: LayoutCatalogue | None = None) -> tuple[float, float]:
        """Return ``(esp_min, esp_max)`` as numbers.

        Raises:
            InvalidInputError: If an end is a level and there is no catalogue, or the ends are the wrong way round.
        """
        values = []
        for key in ("esp_min", "esp_max"):
            value = getattr(self, key)
            if isinstance(value, str) and catalogue is None:
                raise invalid(key, value, "must be a number when no catalogue is given", "pass targets(catalogue)")
            values.append(float(value) if catalogue is None else catalogue.level(value, key))
        return _ordered(values[0], values[1])

    def targets(self, catalogue: LayoutCatalogue | None = None) -> list[float]:
        """Return the target ESP of each cycle, exactly ``cycles`` numbers.

        Args:
            catalogue: Turns levels such as ``"best"`` into numbers; not needed when both ends are numbers.
        """
        low, high = self.bounds(catalogue)
        return [high if f == 1 else low + (high - low) * f for f in self.fractions()]

    def resolved(self: S, catalogue: LayoutCatalogue) -> S:
        """Return the schedule with both ends as numbers."""
        low, high = self.bounds(catalogue)
        return replace(self, esp_min=low, esp_max=high)

    def reversed(self, catalogue: LayoutCatalogue | None = None) -> Custom:
        """Return the same targets in reverse order: the control that starts on the best qubits."""
        return Custom(self.targets(catalogue)[::-1])

    def to_dict(self) -> dict[str, object]:
        """Return the schedule as JSON values; :func:`make_schedule` reads them."""
        return {"kind": self.name, "cycles": self.cycles, "esp_min": self.esp_min, "esp_max": self.esp_max}

    def plot(self, catalogue: LayoutCatalogue | None = None, ax: Axes | None = None) -> Axes:
        """Draw the targets by cycle and, with a catalogue, the closest ESP that the chip offers."""
        import matplotlib.pyplot as plt

        axes: Axes = ax if ax is not None else plt.subplots()[1]
        targets = self.targets(catalogue)
        cycles = range(1, len(targets) + 1)
        axes.step(cycles, targets, where="mid", color="tab:blue", label="target")
        axes.plot(cycles, targets, "o", color="tab:blue", markersize=4)
        if catalogue is not None:
            offered = [catalogue.nearest(t).esp for t in targets]
            axes.plot(cycles, offered, "x", color="tab:orange", markersize=8, label="closest layout")
            axes.axhline(catalogue.best().esp, color="black", linewidth=0.8, linestyle=":", label="best")
        axes.set(xlabel="cycle", ylabel="ESP", title=type(self).__name__)
        axes.legend()
        return axes


@dataclass(frozen=True)
class InvertedReLU(Schedule):
    """A linear ramp over the first half of the cycles, then flat at the top (the published schedule).

    With ``r = C // 2`` ramp cycles from ``esp_min`` to ``esp_max``; the remaining ``C - r`` stay at
    ``esp_max``, so odd C is fine and one cycle runs at ``esp_max``. (NEST, arXiv:2510.09578.)

    Example:
        >>> InvertedReLU(6, 0.6, 0.9).targets()
        [0.6, 0.75, 0.9, 0.9, 0.9, 0.9]
    """

    name: ClassVar[str] = "inverted_relu"

    def fractions(self) -> list[float]:
        """Return the ramp and the plateau."""
        ramp = self.cycles // 2
        rise = [0.0] if ramp == 1 else [i / (ramp - 1) for i in range(ramp)]
        return rise + [1.0] * (self.cycles - ramp)


@dataclass(frozen=True)
class Linear(Schedule):
    """A linear ramp that ends at ``esp_max``; a single cycle runs at ``esp_max``.

    Example:
        >>> Linear(3, 0.5, 0.9).targets()
        [0.5, 0.7, 0.9]
    """

    name: ClassVar[str] = "linear"

    def fractions(self) -> list[float]:
        """Return ``c / (C - 1)``."""
        return _ramp(self.cycles)


@dataclass(frozen=True)
class Flat(Schedule):
    """Always ``esp_max``: no fidelity schedule at all. ``Flat(6, 0.9)`` stays at 0.9, ``Flat(6)`` at the best.

    Example:
        >>> Flat(3, 0.9).targets()
        [0.9, 0.9, 0.9]
    """

    esp_min: Level = "best"
    esp_max: Level = ""
    name: ClassVar[str] = "flat"

    def __post_init__(self) -> None:
        if self.esp_max == "":
            object.__setattr__(self, "esp_max", self.esp_min)
        super().__post_init__()

    def fractions(self) -> list[float]:
        """Return ones."""
        return [1.0] * self.cycles


@dataclass(frozen=True)
class Step(Schedule):
    """``esp_min`` for the first ``switch`` of the cycles (never the last one), then ``esp_max``.

    Args:
        switch: Share of the cycles at ``esp_min``, between 0 and 1.

    Example:
        >>> Step(4, 0.5, 0.9).targets()
        [0.5, 0.5, 0.9, 0.9]
    """

    switch: float = 0.5
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        expect(Real, switch=self.switch)
        super().__post_init__()
        if not 0 <= self.switch <= 1:
            raise invalid("switch", self.switch, "must be a number in [0, 1]")

    def fractions(self) -> list[float]:
        """Return zeros, then ones."""
        low = min(math.floor(self.switch * self.cycles), self.cycles - 1)
        return [0.0] * low + [1.0] * (self.cycles - low)


@dataclass(frozen=True)
class VShape(Schedule):
    """From ``esp_max`` down to ``esp_min`` in the middle and back up.

    Example:
        >>> VShape(3, 0.5, 0.9).targets()
        [0.9, 0.5, 0.9]
    """

    name: ClassVar[str] = "v_shape"

    def fractions(self) -> list[float]:
        """Return ``|2 c / (C - 1) - 1|``, rescaled so that the middle reaches 0."""
        return _vee(self.cycles)


@dataclass(frozen=True)
class InvertedV(Schedule):
    """From ``esp_min`` up to ``esp_max`` in the middle and back down; one or two cycles run at ``esp_max``.

    Example:
        >>> InvertedV(3, 0.5, 0.9).targets()
        [0.5, 0.9, 0.5]
    """

    name: ClassVar[str] = "inverted_v"

    def fractions(self) -> list[float]:
        """Return one minus the V."""
        return [1.0] * self.cycles if self.cycles <= 2 else [1 - f for f in _vee(self.cycles)]


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from ``esp_min`` to ``esp_max``: slow at both ends.

    Example:
        >>> [round(target, 6) for target in Cosine(3, 0.5, 0.9).targets()]
        [0.5, 0.7, 0.9]
    """

    name: ClassVar[str] = "cosine"

    def fractions(self) -> list[float]:
        """Return ``(1 - cos(pi c / (C - 1))) / 2``."""
        return [(1 - math.cos(math.pi * f)) / 2 for f in _ramp(self.cycles)]


@dataclass(frozen=True, init=False)
class Custom(Schedule):
    """Targets given one by one, as numbers or levels.

    Args:
        levels: The targets, first cycle first.

    Example:
        >>> Custom([0.5, 0.9]).targets()
        [0.5, 0.9]
    """

    levels: tuple[Level, ...] = ()
    name: ClassVar[str] = "custom"

    def __init__(self, levels: Sequence[Level]) -> None:
        expect(Iterable, levels=levels)
        if isinstance(levels, str) or not len(levels):
            raise invalid("levels", levels, "must be a non-empty sequence of ESPs")
        fixed = tuple(check_target(v, f"levels[{i}]") for i, v in enumerate(levels))
        numbers = [v for v in fixed if not isinstance(v, str)]
        for key, value in (
            ("cycles", len(fixed)),
            ("esp_min", min(numbers, default="worst")),
            ("esp_max", max(numbers, default="best")),
            ("levels", fixed),
        ):
            object.__setattr__(self, key, value)

    def __repr__(self) -> str:
        return f"Custom({list(self.levels)!r})"

    def fractions(self) -> list[float]:
        """Return where each number lies between the smallest and the largest."""
        numbers = self.targets()
        low, high = min(numbers), max(numbers)
        return [1.0 if high == low else (v - low) / (high - low) for v in numbers]

    def targets(self, catalogue: LayoutCatalogue | None = None) -> list[float]:
        """Return the levels as numbers."""
        values = []
        for i, level in enumerate(self.levels):
            if isinstance(level, str) and catalogue is None:
                raise invalid(f"levels[{i}]", level, "must be a number when no catalogue is given")
            values.append(catalogue.level(level, f"levels[{i}]") if catalogue is not None else float(level))
        return values

    def resolved(self, catalogue: LayoutCatalogue) -> Custom:
        """Return the schedule with numbers only."""
        return Custom(self.targets(catalogue))

    def to_dict(self) -> dict[str, object]:
        """Return the schedule as JSON values."""
        return {"kind": self.name, "levels": list(self.levels)}


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind for kind in (InvertedReLU, Linear, Flat, Step, VShape, InvertedV, Cosine, Custom)
}


def make_schedule(kind: str | Schedule, **options: Any) -> Schedule:
    """Return a schedule by name, such as ``make_schedule("inverted_relu", cycles=6)``.

    Args:
        kind: A key of :data:`SCHEDULES`, in any case and with or without separators; or a schedule, returned as
            is.
        options: The arguments of its class.

    Raises:
        InvalidInputError: If there is no such schedule, or it has no such option.

    Example:
        >>> make_schedule("v-shape", cycles=3, esp_min=0.5, esp_max=0.9)
        VShape(cycles=3, esp_min=0.5, esp_max=0.9)
    """
    if isinstance(kind, Schedule):
        return kind
    plain = {name.replace("_", ""): made for name, made in SCHEDULES.items()}
    key = str(kind).lower().replace("_", "").replace("-", "").replace(" ", "")
    if key not in plain:
        raise invalid("schedule", kind, f"must be one of {', '.join(SCHEDULES)}")
    try:
        inspect.signature(plain[key]).bind(**options)
    except TypeError as error:
        raise InvalidInputError(f"schedule {kind} does not take these options: {error}") from error
    return plain[key](**options)


def _ordered(low: float, high: float) -> tuple[float, float]:
    if low > high:
        raise invalid("esp_min", low, f"must not exceed esp_max = {high:g}", "swap them")
    return low, high


def _ramp(cycles: int) -> list[float]:
    return [1.0] if cycles == 1 else [c / (cycles - 1) for c in range(cycles)]


def _vee(cycles: int) -> list[float]:
    if cycles <= 2:
        return [1.0] * cycles
    raw = [abs(2 * f - 1) for f in _ramp(cycles)]
    lowest = min(raw)
    return [(r - lowest) / (1 - lowest) for r in raw]
