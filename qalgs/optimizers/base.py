"""What every ask/tell optimiser has in common: configuration, step schedules, the run and its JSON state."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import QalgsError, as_array, expect, invalid
from qalgs.results import Status
from qalgs.seeds import Seed, root_seed

Array = NDArray[np.float64]
Step = float | tuple[float, float] | Callable[[int, int], float]
"""A step size: a number, ``(first, last)`` spread linearly over the cycles, or ``f(cycle, cycles)``."""

_KINDS: dict[str, type[Optimizer]] = {}


def resolve_step(step: Step, cycle: int, cycles: int) -> float:
    """Return the step size of one cycle; a pair gives ``first + (last - first) * cycle / (cycles - 1)``.

    Args:
        step: A number, a pair (first, last), or a function of ``(cycle, cycles)``.
        cycle: The cycle, from 0.
        cycles: Number of cycles.

    Example:
        >>> [round(resolve_step((1.0, 0.1), cycle, 4), 2) for cycle in range(4)]
        [1.0, 0.7, 0.4, 0.1]
    """
    expect(Integral, cycle=cycle, cycles=cycles)
    if callable(step):
        return float(step(cycle, cycles))
    if isinstance(step, tuple):
        first, last = step
        return float(first + (last - first) * (cycle / (cycles - 1) if cycles > 1 else 0.0))
    expect(Real, step=step)
    return float(step)


def number(step: Step | None) -> float:
    """Return a step size that :meth:`Optimizer.at_cycle` has resolved."""
    assert isinstance(step, float)
    return step


@dataclass(frozen=True, kw_only=True)
class Optimizer(ABC):
    """Configuration of a minimiser; subclasses add their options.

    Raises:
        InvalidInputError: If an option is negative, not finite, or no step size where one is due.
    """

    needs_gradient: ClassVar[bool] = False
    scheduled: ClassVar[tuple[str, ...]] = ()
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        _KINDS[cls.__name__] = cls

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name in self.choices:
                if value not in self.choices[f.name]:
                    rule = "must be " + " or ".join(f'"{c}"' for c in self.choices[f.name])
                    raise invalid(f"{type(self).__name__}.{f.name}", value, rule)
                continue
            if f.name in self.scheduled and isinstance(value, list):
                object.__setattr__(self, f.name, value := tuple(value))
            if f.name in self.scheduled and callable(value):
                continue
            parts = value if f.name in self.scheduled and isinstance(value, tuple) else (value,)
            if isinstance(value, tuple) and len(value) != 2:
                raise invalid(f.name, value, "must be a number, a pair (first, last) or a function of the cycle")
            for part in parts:
                number = isinstance(part, int | float | np.number) and not isinstance(part, bool)
                if part is not None and not isinstance(part, bool) and not (number and 0 <= part < math.inf):
                    raise invalid(f"{type(self).__name__}.{f.name}", value, "must be finite and not negative")
                if f.name in self.scheduled and part is not None and part <= 0:
                    raise invalid(f"{type(self).__name__}.{f.name}", value, "must be positive")

    def at_cycle(self, cycle: int, cycles: int) -> Self:
        """Return the configuration of one cycle (counted from 0), with every step size a plain number."""
        if not 0 <= cycle < cycles:
            raise invalid("cycle", cycle, f"must be between 0 and {cycles - 1}")
        steps = {name: getattr(self, name) for name in self.scheduled}
        return replace(self, **{k: resolve_step(v, cycle, cycles) for k, v in steps.items() if v is not None})

    def start(self, x0: ArrayLike, *, seed: Seed = None, budget: int | None = None) -> OptimizerRun:
        """Open a run.

        Args:
            x0: The first point, shape (d,).
            seed: Randomness of the method itself (SPSA); the others draw nothing.
            budget: The largest number of evaluations; None leaves it to the method's own rule.

        Raises:
            InvalidInputError: If ``x0`` is empty or not finite, or ``budget`` is not positive.
        """
        point = as_array("x0", x0).copy()
        expect(Integral, type(None), budget=budget)
        if point.ndim != 1 or point.size == 0 or not np.all(np.isfinite(point)):
            raise invalid("x0", x0, "must be a non-empty vector of finite numbers")
        if budget is not None and (isinstance(budget, bool) or budget < 1):
            raise invalid("budget", budget, "must be at least 1")
        return self.at_cycle(0, 1)._open(point, root_seed(seed), budget)

    def to_dict(self) -> dict[str, Any]:
        """Return kind and options; step sizes that are functions must be resolved by :meth:`at_cycle` first.

        An engine is named only if it is not the default one, so descriptions made before there was a choice hold.
        """
        named = [f.name for f in dataclasses.fields(self)]
        named = [
            name for name in named if name not in self.choices or getattr(self, name) != getattr(type(self), name)
        ]
        options = {name: getattr(self, name) for name in named}
        functions = [name for name, value in options.items() if callable(value)]
        if functions:
            raise invalid(functions[0], options[functions[0]], "must be a number here", "call at_cycle() first")
        return {"kind": type(self).__name__, **options}

    @staticmethod
    def from_dict(options: Mapping[str, Any]) -> Optimizer:
        """Return the optimiser that :meth:`to_dict` described."""
        kind, rest = options.get("kind"), {k: v for k, v in options.items() if k != "kind"}
        if kind not in _KINDS:
            names = sorted(name for name in _KINDS if not name.startswith("_"))
            raise invalid("optimizer", kind, "must be one of " + ", ".join(names))
        known = {f.name for f in dataclasses.fields(_KINDS[kind])}
        for name in rest:
            if name not in known:
                raise invalid(f"{kind} option", name, f"must be one of {', '.join(sorted(known))}")
        return _KINDS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()})

    @abstractmethod
    def _open(self, x0: Array, seed: int, budget: int | None) -> OptimizerRun: ...


class OptimizerRun(ABC):
    """One minimisation under way. Points are rows; ``ask`` repeats itself until ``tell`` has answered.

    Args:
        optimizer: The configuration.
        x0: The first point, shape (d,).
        seed: Root seed of the method.
        budget: The largest number of evaluations, or None.

    Attributes:
        optimizer: The resolved configuration.
        evaluations: How many values have been told.
        best_x: The point with the lowest measured value, shape (d,); ``x0`` before the first value.
        best_value: That value; ``inf`` before the first.
    """

    def __init__(self, optimizer: Optimizer, x0: Array, seed: int, budget: int | None) -> None:
        self.optimizer, self.x0, self.seed, self.budget = optimizer, x0, seed, budget
        self.evaluations, self.best_x, self.best_value = 0, x0.copy(), math.inf
        self._batches: list[tuple[list[float], list[list[float]] | None]] = []
        self._hash = hashlib.sha256()
        self._status: Status | None = None

    @property
    def done(self) -> bool:
        """Whether the run wants no further evaluation."""
        return self.status is not None

    @property
    def status(self) -> Status | None:
        """How the run ended; None while it goes on."""
        return self._status

    def ask(self) -> Array:
        """Return the points to evaluate next, shape (m, d); (0, d) once the run is done."""
        return np.empty((0, self.x0.size)) if self.done else self._next().copy()

    def tell(self, points: ArrayLike, values: ArrayLike, gradients: ArrayLike | None = None) -> None:
        """Take the values of the points that :meth:`ask` returned, all of them, in the same order.

        Args:
            points: The asked points, shape (m, d).
            values: Their values, shape (m,).
            gradients: Their gradients, shape (m, d); required if ``optimizer.needs_gradient``.

        Raises:
            InvalidInputError: If the points are not those asked for, or a value or gradient is not finite.
        """
        asked = np.empty((0, self.x0.size)) if self.done else self._next()
        given = np.asarray(points, dtype=np.float64)
        if given.ndim < 2:
            given = given.reshape(1, -1)
        if asked.shape != given.shape or not (asked == given).all():
            raise invalid("points", given, "must be the points that ask() returned", "tell() what was asked")
        f = np.asarray(values, dtype=np.float64)
        if f.ndim == 0:
            f = f.reshape(1)
        if f.shape != (len(asked),):
            raise invalid("values", f.shape, f"must have shape {(len(asked),)}")
        listed: list[float] = f.tolist()
        for i, value in enumerate(listed):
            if not math.isfinite(value):
                raise invalid(
                    "values",
                    value,
                    f"must be finite (evaluation {self.evaluations + i})",
                    "check the cost function at " + np.array2string(asked[i], precision=4, threshold=8),
                )
        g: Array | None = None
        if self.optimizer.needs_gradient:
            if gradients is None:
                raise invalid("gradients", None, f"must be given: {type(self.optimizer).__name__} needs them")
            g = np.atleast_2d(np.asarray(gradients, dtype=np.float64))
            if g.shape != asked.shape or not np.all(np.isfinite(g)):
                raise invalid("gradients", g, f"must be finite and of shape {asked.shape}")
        self._batches.append((listed, None if g is None else g.tolist()))
        self._hash.update(asked.tobytes())
        self.evaluations += len(listed)
        if not listed:
            return
        lowest = min(listed)
        if lowest < self.best_value:
            self.best_x, self.best_value = asked[listed.index(lowest)].copy(), lowest
        self._take(asked, f, g)
        if self._status is None and self.budget is not None and self.evaluations >= self.budget:
            self._status = Status.BUDGET
        if self._status is not None:
            self.close()

    def state(self) -> dict[str, Any]:
        """Return what :meth:`from_state` needs, as JSON: configuration, start and the values told so far."""
        return {
            "optimizer": self.optimizer.to_dict(),
            "x0": self.x0.tolist(),
            "seed": self.seed,
            "budget": self.budget,
            "values": [list(v) for v, _ in self._batches],
            "gradients": [g for _, g in self._batches] if self.optimizer.needs_gradient else None,
            "points_sha256": self._hash.hexdigest(),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> OptimizerRun:
        """Return a run that continues exactly where ``state`` was taken, by replaying the recorded values.

        Raises:
            QalgsError: If the replay proposes other points (another SciPy, say), so that the run cannot go on
                identically.
        """
        optimizer = Optimizer.from_dict(state["optimizer"])
        run = optimizer.start(state["x0"], seed=state["seed"], budget=state["budget"])
        gradients = state["gradients"] or [None] * len(state["values"])
        for values, gradient in zip(state["values"], gradients, strict=True):
            points = run.ask()
            if len(points) != len(values):
                break
            run.tell(points, values, gradient)
        if run._hash.hexdigest() != state["points_sha256"]:
            run.close()
            raise QalgsError(
                f"the recorded {state['optimizer']['kind']} run cannot be continued: its replay proposes other "
                "points; use the library versions it was recorded with"
            )
        return run

    def close(self) -> None:
        """Release what the run holds; a closed run that was not done reports that it was interrupted."""
        if self._status is None:
            self._status = Status.INTERRUPTED

    @abstractmethod
    def _next(self) -> Array: ...

    @abstractmethod
    def _take(self, points: Array, values: Array, gradients: Array | None) -> None: ...
