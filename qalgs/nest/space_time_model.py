"""The joint space-time problem in arrays: kinds of jobs, regions, floors, and what bounds the number of slots.

Jobs of one circuit, one list of floors and one length of cycle are interchangeable: they form a :class:`Kind`. A
*region* is a connected set of qubits with its best orientation. Two regions clash iff they touch a common group
(:func:`regions.balls`). A *slot* is the greatest common divisor of all lengths, so that every cycle holds its
region for a whole number of slots.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .chip import Bools, Chip, Floats, Ints
from .cpsat import capacity
from .layouts import LayoutCatalogue
from .regions import balls, distinct, touches
from .requests import Request

SLACK = 1e-9
MANY_REGIONS = 1500


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Kind:
    """Interchangeable jobs.

    Attributes:
        catalogue: Their layouts.
        floors: Smallest ESP by cycle, shape (C,).
        targets: Target ESP by cycle, shape (C,).
        jobs: Indices of the requests.
        rows: Catalogue index of each region that meets the lowest floor, best first, shape (R,).
        esp: ESP by region, shape (R,).
        touch: Groups that each region touches, shape (R, G).
        need: By cycle, how many of the regions meet the floor; they are the first ones, shape (C,).
        length: Slots that one cycle lasts.
    """

    catalogue: LayoutCatalogue
    floors: tuple[float, ...]
    targets: tuple[float, ...]
    jobs: tuple[int, ...]
    rows: Ints = field(repr=False)
    esp: Floats = field(repr=False)
    touch: Bools = field(repr=False)
    need: Ints = field(repr=False)
    length: int = 1

    @property
    def cycles(self) -> int:
        """Number of cycles."""
        return len(self.floors)

    def near(self) -> Bools:
        """Return which regions share all but at most one qubit, shape (R, R)."""
        member = self.catalogue.member[self.rows].astype(np.float32)
        return np.asarray(member @ member.T >= self.catalogue.num_qubits - 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Problem:
    """All jobs on one chip.

    Attributes:
        chip: The device.
        requests: The jobs.
        kinds: Their kinds.
        reach: Hops that must be exceeded between two jobs: the buffer, or the reach of the crosstalk if larger.
        fidelity: Fraction f of a job's best ESP that its last cycle must reach.
    """

    chip: Chip
    requests: tuple[Request, ...] = field(repr=False)
    kinds: tuple[Kind, ...] = field(repr=False)
    reach: int
    fidelity: float

    @property
    def kind_of(self) -> NDArray[np.int64]:
        """Kind by job."""
        found = np.zeros(len(self.requests), dtype=np.int64)
        for k, kind in enumerate(self.kinds):
            found[list(kind.jobs)] = k
        return found

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Slots that one cycle lasts, by job."""
        return np.array([kind.length for kind in self.kinds], dtype=np.int64)[self.kind_of]


def floors_of(request: Request, fidelity: float) -> tuple[float, ...]:
    """Return the smallest ESP of each cycle.

    The schedule gives the shape: its targets are scaled so that the largest becomes ``f * best``; the last cycle's
    floor is ``f * best`` whatever the shape.
    """
    top = max(request.targets)
    goal = fidelity * request.best
    shape = [t / top if top > 0 else 1.0 for t in request.targets]
    return (*(goal * s for s in shape[:-1]), goal)


def build_problem(
    requests: Sequence[Request],
    chip: Chip,
    reach: int,
    fidelity: float,
    lengths: Sequence[int] | None = None,
) -> Problem:
    """Group the jobs into kinds and list the regions that each may use.

    Args:
        requests: The jobs.
        chip: The device.
        reach: Hops that must be exceeded between two jobs.
        fidelity: Fraction f of a job's best ESP that its last cycle must reach.
        lengths: Slots that one cycle lasts, by job; 1 by default.
    """
    grouped: dict[tuple[int, tuple[float, ...], int], list[int]] = {}
    floors = [floors_of(r, fidelity) for r in requests]
    slots = [1] * len(requests) if lengths is None else [int(n) for n in lengths]
    for j, request in enumerate(requests):
        key = (id(request.catalogue), tuple(round(f, 12) for f in floors[j]), slots[j])
        grouped.setdefault(key, []).append(j)
    groups = balls(chip, reach)
    kinds = []
    for jobs in grouped.values():
        catalogue, least = requests[jobs[0]].catalogue, floors[jobs[0]]
        rows = distinct(catalogue)
        rows = rows[catalogue.esp[rows] >= min(least) - SLACK]
        esp = catalogue.esp[rows]
        kinds.append(
            Kind(
                catalogue=catalogue,
                floors=least,
                targets=least,
                jobs=tuple(jobs),
                rows=rows,
                esp=esp,
                touch=touches(catalogue, rows, groups),
                need=np.array([(esp >= f - SLACK).sum() for f in least], dtype=np.int64),
                length=slots[jobs[0]],
            )
        )
    return Problem(chip=chip, requests=tuple(requests), kinds=tuple(kinds), reach=reach, fidelity=fidelity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What no slot can exceed: the weighted number of cycles whose floor is at least the given one.

    Attributes:
        weights: Weight by kind.
        floors: Floor by kind.
        cap: The largest weighted number that the chip holds at once.
    """

    weights: tuple[int, ...]
    floors: tuple[float, ...]
    cap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A lower bound on the number of slots, and why it holds.

    Attributes:
        slots: No plan is shorter.
        reason: The argument in one sentence.
        cuts: All capacities that were computed on the way.
    """

    slots: int
    reason: str
    cuts: tuple[Cut, ...] = field(default=(), repr=False)


def capacity_bound(problem: Problem, *, time_limit: float = 0.5, seed: int = 0) -> Bound:
    """Return the bound that the chip's room imposes.

    Take one floor of every kind. In one slot the chip holds at most ``cap`` cycles (weighted by w) that need at
    least that floor; the jobs need ``sum_k w_k J_k h_k L_k`` of them, with h the cycles at or above it and L the
    slots that one lasts. Cycles that every job must spend before the first or after the last of these come on
    top. The longest job bounds the plan, too.
    """
    longest = max(problem.kinds, key=lambda k: k.cycles * k.length)
    name, each = problem.requests[longest.jobs[0]].name, longest.length
    lasting = "one per slot" if each == 1 else f"{each} slots each"
    best = Bound(slots=longest.cycles * each, reason=f"job {name!r} alone has {longest.cycles} cycles, {lasting}")
    longest = max(problem.kinds, key=lambda k: k.cycles)
    sizes = [k.catalogue.num_qubits for k in problem.kinds]
    seen = set()
    cuts = []
    levels: Sequence[int] = range(longest.cycles - 1, -1, -1)
    if sum(len(k.rows) for k in problem.kinds) > MANY_REGIONS:
        # On large chips with many kinds of jobs the first, the middle and the last floor tell nearly as much.
        levels = sorted({0, longest.cycles // 2, longest.cycles - 1}, reverse=True)
    for level in levels:
        floors = tuple(_level(k, level / max(1, longest.cycles - 1)) for k in problem.kinds)
        if floors in seen:
            continue
        seen.add(floors)
        for weights in _weights(problem.kinds, sizes, thorough=level == longest.cycles - 1):
            cut = _cut(problem, floors, weights, time_limit, seed)
            cuts.append(cut)
            best = max(best, _bound(problem, cut), key=lambda b: b.slots)
    return replace(best, cuts=tuple(cuts))


def _level(kind: Kind, share: float) -> float:
    """The floor that stands at a share of the kind's floors in rising order."""
    ranked = sorted(kind.floors)
    return ranked[round(share * (len(ranked) - 1))]


def _cut(
    problem: Problem, floors: tuple[float, ...], weights: tuple[int, ...], time_limit: float, seed: int
) -> Cut:
    # Kinds that differ in length alone share their regions.
    alike: dict[tuple[int, float, int], list[Kind]] = {}
    for kind, floor, weight in zip(problem.kinds, floors, weights, strict=True):
        if weight:
            alike.setdefault((id(kind.catalogue), floor, weight), []).append(kind)
    value, cap, _ = capacity(
        [(kinds[0].catalogue, floor) for (_, floor, _), kinds in alike.items()],
        problem.chip,
        problem.reach,
        weights=[weight for _, _, weight in alike],
        most=[sum(len(kind.jobs) for kind in kinds) for kinds in alike.values()],
        time_limit=time_limit,
        seed=seed,
    )
    return Cut(weights=weights, floors=floors, cap=max(1, value, cap))


def _bound(problem: Problem, cut: Cut) -> Bound:
    weights, floors, cap = cut.weights, cut.floors, cut.cap
    used = [k for k, w in enumerate(weights) if w]
    meets = [[f >= floor - SLACK for f in kind.floors] for kind, floor in zip(problem.kinds, floors, strict=True)]
    each = [kind.length for kind in problem.kinds]
    work = sum(weights[k] * len(problem.kinds[k].jobs) * sum(meets[k]) * each[k] for k in used)
    lead = min(meets[k].index(True) * each[k] for k in used)
    lead += min(meets[k][::-1].index(True) * each[k] for k in used)
    slots = math.ceil(work / cap - SLACK) + lead
    names = "/".join(map(str, dict.fromkeys(problem.kinds[k].catalogue.num_qubits for k in used)))
    unit = "job-cycles" if set(each) == {1} else "job-slots"
    if {weights[k] for k in used} != {1}:
        unit += f" weighted {[weights[k] for k in used]}"
    ratio = floors[used[0]] / problem.requests[problem.kinds[used[0]].jobs[0]].best
    steps = "cycles" if set(each) == {1} else "slots"
    after = f"; {lead} {steps} of each job come before or after" if lead else ""
    reason = (
        f"{work} {unit} of {names}-qubit jobs need an ESP of at least {ratio:.3f} of the best; the chip holds "
        f"{cap} at once{after}"
    )
    return Bound(slots=slots, reason=reason)


def _weights(kinds: Sequence[Kind], sizes: Sequence[int], *, thorough: bool) -> list[tuple[int, ...]]:
    """All together, all by size; if thorough also each circuit alone and, with few kinds, small mixtures."""
    count = len(kinds)
    found = [(1,) * count, tuple(sizes)]
    if thorough:
        circuits = list(dict.fromkeys(id(k.catalogue) for k in kinds))[:12]
        found += [tuple(int(id(k.catalogue) == c) for k in kinds) for c in circuits]
        widths = list(dict.fromkeys(sizes))
        found += [tuple(int(size == w) for size in sizes) for w in widths if len(widths) <= 3]
        if count <= 3:
            found += [w for w in itertools.product(range(3), repeat=count) if any(w)]
    return list(dict.fromkeys(found))
