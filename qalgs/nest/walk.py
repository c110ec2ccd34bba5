"""Moving a job over the chip: from one cycle's layout to the next, with as few new qubits as possible.

Three kinds of move keep n-1 physical qubits:

* ``"leaf"`` keeps every logical qubit in place but one leaf of the interaction graph, which hops to a free
  neighbour. On a heavy-hex lattice few such moves exist.
* ``"snake"`` slides the whole circuit by one coupler: the tail leaves, a new head joins, and every logical
  qubit but the head takes the place of its neighbour.
* ``"any"`` is any layout with at least n-1 qubits in common, whoever sits where.

Staying is always among the candidates. What a step cost is recorded: physical qubits moved, logical qubits that
changed place, whether it was a jump, and how far the achieved ESP is from the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal, get_args

import numpy as np

from qalgs.errors import InfeasibleError, expect, invalid
from qalgs.results import Result

from .chip import Bools, Ints
from .layouts import Layout, LayoutCatalogue

Move = Literal["leaf", "snake", "any"]
OnFail = Literal["jump", "stay", "error"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WalkStep(Result):
    """One cycle of a walk.

    Attributes:
        cycle: Number of the cycle, from 0.
        layout: Physical qubit by logical qubit.
        esp: ESP achieved.
        target: ESP asked for.
        moved: Physical qubits that are new in this cycle, sorted.
        reassigned: Logical qubits that sit on another physical qubit than before.
        jump: Whether the step left the walk because no move came within the tolerance.
        kind: ``"start"``, ``"stay"``, ``"move"`` or ``"jump"``.
    """

    cycle: int
    layout: Layout
    esp: float
    target: float
    moved: tuple[int, ...] = ()
    reassigned: tuple[int, ...] = ()
    jump: bool = False
    kind: str = "start"

    @property
    def miss(self) -> float:
        """``|ESP - target|``."""
        return abs(self.esp - self.target)


@dataclass(frozen=True, slots=True, eq=False)
class QubitWalk:
    """How a job moves between cycles.

    Args:
        catalogue: The layouts; may be left out and given to each call instead.
        move: ``"leaf"``, ``"snake"`` or ``"any"``.
        tolerance: Largest ``|ESP - target|`` that a move may leave.
        on_fail: What to do when no move comes that close: ``"jump"`` to the closest layout anywhere, ``"stay"``
            with the closest move there is, or raise an ``"error"``.

    Raises:
        InvalidInputError: On an unknown move or rule, or a negative or NaN tolerance.
    """

    catalogue: LayoutCatalogue | None = field(default=None, repr=False)
    tolerance: float = 0.05
    move: Move = "any"
    on_fail: OnFail = "jump"

    def __post_init__(self) -> None:
        expect(Real, tolerance=self.tolerance)
        expect(LayoutCatalogue, type(None), catalogue=self.catalogue)
        if self.move not in get_args(Move):
            raise invalid("move", self.move, "must be 'leaf', 'snake' or 'any'")
        if self.on_fail not in get_args(OnFail):
            raise invalid("on_fail", self.on_fail, "must be 'jump', 'stay' or 'error'")
        if isinstance(self.tolerance, str) or not self.tolerance >= 0:
            raise invalid("tolerance", self.tolerance, "must be a non-negative number")

    def start(
        self, target: float, *, catalogue: LayoutCatalogue | None = None, allowed: Bools | None = None
    ) -> WalkStep:
        """Return the first step: the layout closest to ``target`` among the ``allowed`` ones, shape (M,)."""
        pool = self._pool(catalogue)
        layout = pool.nearest(target, allowed)
        return WalkStep(cycle=0, layout=layout, esp=layout.esp, target=float(target), moved=tuple(sorted(layout)))

    def neighbours(self, layout: Sequence[int], *, catalogue: LayoutCatalogue | None = None) -> Ints:
        """Return the indices of the layouts that one move reaches, the layout itself included."""
        return moves(self._pool(catalogue), layout, self.move)

    def step(
        self,
        previous: WalkStep | Sequence[int],
        target: float,
        *,
        catalogue: LayoutCatalogue | None = None,
        allowed: Bools | None = None,
    ) -> WalkStep:
        """Return the next step.

        Args:
            previous: The step before, or its layout.
            target: ESP asked for.
            catalogue: The layouts, unless the walk has them.
            allowed: Which of them are free, shape (M,).

        Raises:
            InfeasibleError: If no layout is free, or with ``on_fail="error"`` none within the tolerance.
        """
        pool = self._pool(catalogue)
        before = previous.layout if isinstance(previous, WalkStep) else tuple(previous)
        cycle = previous.cycle + 1 if isinstance(previous, WalkStep) else 1
        reachable = moves(pool, before, self.move)
        if allowed is not None:
            reachable = reachable[allowed[reachable]]
        chosen, jump = -1, False
        if len(reachable):
            chosen = _closest(pool, reachable, target, before)
        if chosen < 0 or abs(pool.esp[chosen] - target) > self.tolerance:
            if self.on_fail == "error":
                raise InfeasibleError(
                    f"no {self.move} move from {list(before)} on {pool.name} comes within {self.tolerance:g} of "
                    f"ESP {target:.4f}; raise the tolerance or allow jumps"
                )
            if self.on_fail == "jump" or chosen < 0:
                far = pool.nearest(target, allowed)
                if chosen < 0 or abs(far.esp - target) < abs(pool.esp[chosen] - target):
                    chosen, jump = far.rank, True
        return record(cycle, before, pool[chosen], target, jump)

    def path(
        self,
        targets: Iterable[float],
        *,
        catalogue: LayoutCatalogue | None = None,
        allowed: Bools | None = None,
    ) -> list[WalkStep]:
        """Return the steps of a whole schedule.

        Args:
            targets: ESP by cycle.
            catalogue: The layouts, unless the walk has them.
            allowed: Which of them may be used, shape (M,).
        """
        return list(self.iter_path(targets, catalogue=catalogue, allowed=allowed))

    def iter_path(
        self,
        targets: Iterable[float],
        *,
        catalogue: LayoutCatalogue | None = None,
        allowed: Bools | None = None,
    ) -> Iterator[WalkStep]:
        """Yield the steps of :meth:`path` one by one."""
        here: WalkStep | None = None
        for target in targets:
            if here is None:
                here = self.start(target, catalogue=catalogue, allowed=allowed)
            else:
                here = self.step(here, target, catalogue=catalogue, allowed=allowed)
            yield here

    def _pool(self, catalogue: LayoutCatalogue | None) -> LayoutCatalogue:
        pool = catalogue if catalogue is not None else self.catalogue
        if pool is None:
            raise invalid("catalogue", None, "must be given to the walk or to the call")
        return pool


def moves(catalogue: LayoutCatalogue, layout: Sequence[int], move: Move) -> Ints:
    """Return the indices of the layouts that one move reaches from ``layout``, itself included if known.

    Args:
        catalogue: The layouts.
        layout: Physical qubit by logical qubit; need not be in the catalogue.
        move: The kind of move.
    """
    here = np.asarray(tuple(layout))
    n = len(here)
    if n != catalogue.num_qubits:
        raise invalid("layout", tuple(layout), f"must have {catalogue.num_qubits} qubits")
    common = catalogue.member[:, here].sum(axis=1)
    close = np.flatnonzero(common >= n - 1)
    maps = catalogue.maps[close]
    same = (maps == here).all(axis=1)
    if move == "leaf":
        differs = maps != here
        degree = np.bincount(np.array(catalogue.edges, dtype=int).ravel(), minlength=n)
        fits = (differs.sum(axis=1) == 1) & (degree[differs.argmax(axis=1)] <= 1)
        close = close[same | fits]
    elif move == "snake":
        hops = catalogue.chip.distance[maps, here]
        slides = (hops <= 1).all(axis=1) & (common[close] == n - 1)
        close = close[same | slides]
    return close


def record(cycle: int, before: Sequence[int], layout: Layout, target: float, jump: bool) -> WalkStep:
    """Return the step from ``before`` to ``layout`` with what it cost."""
    moved = tuple(sorted(set(layout) - set(before)))
    reassigned = tuple(i for i, (a, b) in enumerate(zip(before, layout, strict=True)) if a != b)
    kind = "jump" if jump else ("move" if reassigned else "stay")
    return WalkStep(
        cycle=cycle,
        layout=layout,
        esp=layout.esp,
        target=float(target),
        moved=moved,
        reassigned=reassigned,
        jump=jump,
        kind=kind,
    )


def _closest(pool: LayoutCatalogue, candidates: Ints, target: float, before: Sequence[int]) -> int:
    """The candidate closest to the target; among equals the one that reassigns the fewest logical qubits."""
    miss = np.abs(pool.esp[candidates] - target)
    close = candidates[miss <= miss.min() + 1e-12]
    changed = (pool.maps[close] != np.asarray(tuple(before))).sum(axis=1)
    return int(close[np.argmin(changed)])
