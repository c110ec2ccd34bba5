"""The joint space-time plan: which job runs which cycle in which slot, and where.

On one job most of what fidelity maps promise comes from restarting the optimiser; on a batch they pay, because
only last cycles need the best qubits. The plan staggers the jobs so that the best regions are always held by
jobs that are nearly done, and everyone else waits on poorer ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from qalgs.errors import InfeasibleError, expect, invalid
from qalgs.results import Status
from qalgs.seeds import Seed, root_seed

from .chip import Chip
from .costs import CostModel
from .crosstalk import CoherentZZ, Crosstalk, make_crosstalk
from .layouts import LayoutCatalogue
from .regions import check_buffer
from .requests import Request, as_requests
from .schedules import Linear, Schedule
from .space_time_exact import exact_slots
from .space_time_greedy import Slots, greedy_slots, require_floors, stagger
from .space_time_model import Bound, Problem, build_problem, capacity_bound
from .space_time_plan import Plan, make_plan
from .space_time_raise import raise_floors
from .usage import Pace

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot

Planner = Literal["greedy", "cpsat", "stagger"]
POLISH_SIZE = 20_000
"""Regions times slots up to which a greedy plan is polished."""
LARGE = 200
"""Cycles of all jobs together above which a batch is large."""


@dataclass(frozen=True, kw_only=True)
class FewestSeconds:
    """As few slots as possible, then as few device-seconds, with every last cycle at ``fidelity`` of the best ESP.

    Attributes:
        fidelity: The fraction f of a job's best solo ESP.

    Raises:
        InvalidInputError: If the fraction is not in (0, 1].

    Example:
        >>> FewestSeconds(fidelity=0.95)
        FewestSeconds(fidelity=0.95)
    """

    fidelity: float = 0.97

    def __post_init__(self) -> None:
        expect(Real, fidelity=self.fidelity)
        if not 0 < self.fidelity <= 1:
            raise invalid("fidelity", self.fidelity, "must be a number in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class MaxMinEsp:
    """The largest fraction f that all jobs can have at their last cycle within a given time.

    Attributes:
        slots: Slots to plan in.
        seconds: Or device-seconds to plan in.

    Raises:
        InvalidInputError: If not exactly one of the two is given, or it is not positive.

    Example:
        >>> MaxMinEsp(slots=12)
        MaxMinEsp(slots=12, seconds=None)
    """

    slots: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        expect(Real, type(None), slots=self.slots, seconds=self.seconds)
        if (self.slots is None) == (self.seconds is None):
            raise invalid("objective", (self.slots, self.seconds), "must give slots or seconds, and not both")
        if self.slots is not None and self.slots < 1:
            raise invalid("slots", self.slots, "must be at least 1")
        if self.seconds is not None and not self.seconds > 0:
            raise invalid("seconds", self.seconds, "must be a positive number")


Objective = FewestSeconds | MaxMinEsp


def plan(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    buffer: int = 1,
    crosstalk: Crosstalk | Mapping[str, Any] | str | None = None,
    objective: Objective | str | None = None,
    *,
    fidelity: float | None = None,
    schedule: Schedule | str | None = None,
    planner: Planner = "greedy",
    jumps: bool = True,
    cost: CostModel | None = None,
    catalogues: Mapping[str, LayoutCatalogue] | None = None,
    rounds: int | None = None,
    time_limit: float | None = None,
    polish: float = 2.0,
    seed: Seed = 0,
    **options: Any,
) -> Plan:
    """Plan all cycles of all jobs in space and time.

    Every cycle has a floor: the shape of the job's fidelity schedule, scaled so that its largest target becomes
    ``f * best solo ESP``; the last cycle's floor is ``f * best`` for any shape. The buffer holds in every slot;
    jobs that do not fit wait in the queue. Where crosstalk reaches further than the buffer, jobs keep its reach
    instead, so that the ESPs of the plan are true under the model.

    A cycle lasts as many slots as its circuits (evaluations times measurement bases) need, so a job with one basis
    may run several cycles beside one cycle of a job with five. Where every submission costs an overhead and jobs
    differ in bases, the plan in which all jobs wait for each other after every evaluation is made, too, and the
    quicker one is returned; under a coherent coupling of touching jobs it is the only one.

    Args:
        jobs: The jobs; see :func:`qalgs.nest.requests.as_requests`.
        snapshot: The device.
        buffer: Idle qubits between two jobs.
        crosstalk: A model, or what :func:`~qalgs.nest.crosstalk.make_crosstalk` reads.
        objective: :class:`FewestSeconds` (also ``"device_seconds"``) or :class:`MaxMinEsp`.
        fidelity: Short for ``FewestSeconds(fidelity=...)``.
        schedule: Fidelity schedule of jobs that bring none; ``Linear(6, "0.75*best", "best")`` by default.
        planner: ``"greedy"`` searches, compares with the capacity bound, and polishes; ``"cpsat"`` asks
            OR-Tools for a shorter plan or a proof that there is none until the time is up; ``"stagger"`` is the
            plain baseline.
        jumps: Whether a job may move more than one physical qubit between cycles; jumps are avoided and counted.
        cost: What an evaluation takes and costs.
        catalogues: Ready catalogues by job name.
        rounds: Most constructions of the greedy search; 60 for small batches, fewer for large ones by default.
        time_limit: Seconds after which the search stops with what it has; by default 60 for the exact planner, and
            for the greedy one 4 for large batches and 60 for small ones, whose rounds end long before. Where the
            rounds end the search, the plan depends on the seed alone.
        polish: Effort (CP-SAT's deterministic time, about seconds) that the greedy planner may spend on each of at
            most four questions for fewer slots or a better bound, on small batches whose gap is open. Small
            batches are also planned again on better qubits in as many slots. 0 leaves the greedy plan as it is.
        seed: Seed of the search.
        options: Passed to :meth:`LayoutCatalogue.for_circuit`.

    Returns:
        The plan, with its bound, gap and cost.

    Raises:
        InfeasibleError: If a job fits nowhere or cannot meet its floors; the message names it.
        InvalidInputError: If an argument breaks its rule.

    Example:
        >>> from qiskit.circuit.library import efficient_su2
        >>> from qalgs.backends import DeviceSnapshot
        >>> jobs = {f"job{i}": efficient_su2(3, entanglement="linear") for i in range(4)}
        >>> plan(jobs, DeviceSnapshot.from_backend("fake_guadalupe")).slots <= 4 * 6
        True
    """
    expect(Real, type(None), fidelity=fidelity)
    expect(CostModel, type(None), cost=cost)
    gap, model, goal = check_buffer(buffer), make_crosstalk(crosstalk), _objective(objective, fidelity)
    effort = _Effort(planner=planner, rounds=rounds, time_limit=time_limit, polish=polish)
    search = _Search(
        chip=Chip.of(snapshot), requests=_requests(jobs, snapshot, schedule, catalogues, options), buffer=gap,
        crosstalk=model, effort=effort, jumps=jumps, cost=cost or CostModel(), seed=root_seed(seed),
    )  # fmt: skip
    return search.best(goal)


def _requests(
    jobs: Sequence[Any] | Mapping[str, Any],
    snapshot: DeviceSnapshot,
    schedule: Schedule | str | None,
    catalogues: Mapping[str, LayoutCatalogue] | None,
    options: Mapping[str, Any],
) -> tuple[Request, ...]:
    """Read the jobs; the fidelity of those that bring no schedule rises linearly to their best."""
    shape = schedule if schedule is not None else Linear(6, "0.75*best", "best")
    return tuple(as_requests(jobs, snapshot, schedule=shape, catalogues=catalogues, **options))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """Who searches and how hard; a limit that is None depends on the size of the batch."""

    planner: Planner
    rounds: int | None
    time_limit: float | None
    polish: float

    def __post_init__(self) -> None:
        expect(Real, type(None), rounds=self.rounds, time_limit=self.time_limit)
        expect(Real, polish=self.polish)
        if self.planner not in get_args(Planner):
            raise invalid("planner", self.planner, "must be 'greedy', 'cpsat' or 'stagger'")
        if self.time_limit is not None and not 0 < self.time_limit < math.inf:
            raise invalid("time_limit", self.time_limit, "must be a positive number of seconds")
        if not 0 <= self.polish < math.inf:
            raise invalid("polish", self.polish, "must be finite and not negative")
        if self.rounds is not None and (isinstance(self.rounds, bool) or self.rounds < 1):
            raise invalid("rounds", self.rounds, "must be at least 1")

    def rounds_for(self, cycles: int) -> int:
        """Return the most constructions of the greedy search, for a batch of so many cycles."""
        return max(10, min(60, 6000 // cycles)) if self.rounds is None else self.rounds

    def seconds_for(self, cycles: int) -> float:
        """Return the seconds after which the search stops, for a batch of so many cycles."""
        if self.time_limit is not None:
            return self.time_limit
        return 4.0 if cycles > LARGE and self.planner != "cpsat" else 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    requests: tuple[Request, ...]
    chip: Chip
    buffer: int
    crosstalk: Crosstalk
    effort: _Effort
    jumps: bool
    cost: CostModel
    seed: int
    pace: Pace = "own"
    slot_circuits: int = 0

    @property
    def cycles(self) -> int:
        """Cycles of all jobs together."""
        return sum(r.cycles for r in self.requests)

    @property
    def reach(self) -> int:
        """Hops that must be exceeded between two jobs."""
        return max(self.buffer, self.crosstalk.reach)

    def at_pace(self, pace: Pace) -> _Search:
        """Return the search with slots of the pace: the common divisor of all cycles, or whole cycles."""
        circuits = math.gcd(*(self.cost.circuits(r) for r in self.requests)) if pace == "own" else 0
        return replace(self, pace=pace, slot_circuits=circuits)

    @property
    def lengths(self) -> list[int]:
        """Slots that one cycle lasts, by job."""
        if self.pace == "together":
            return [1] * len(self.requests)
        return [self.cost.circuits(r) // self.slot_circuits for r in self.requests]

    @property
    def slot_seconds(self) -> list[float]:
        """Seconds of one slot, by job alone."""
        return [self.cost.cycle_seconds(r) / n for r, n in zip(self.requests, self.lengths, strict=True)]

    def best(self, goal: Objective) -> Plan:
        """Return the best plan over all paces worth planning for."""
        made = [self.at_pace(pace).plan(goal) for pace in _paces(self)]
        return min(made, key=lambda p: (-p.fidelity if isinstance(goal, MaxMinEsp) else 0.0, p.device_seconds))

    def plan(self, goal: Objective) -> Plan:
        """Return the best plan for the objective at this pace."""
        if isinstance(goal, FewestSeconds):
            problem, slots, bound, status = self.solve(goal.fidelity)
        else:
            problem, slots, bound, status = _max_min(self, goal)
        raised, slots = self._raised(problem, slots)
        return make_plan(
            problem,
            slots,
            raised=raised,
            bound=bound,
            status=status,
            buffer=self.buffer,
            crosstalk=self.crosstalk,
            cost=self.cost,
            planner=self.effort.planner,
            jumps=self.jumps,
            objective="device_seconds" if isinstance(goal, FewestSeconds) else "max_min_esp",
            seed=self.seed,
            pace=self.pace,
            slot_circuits=self.slot_circuits,
        )

    def solve(self, fidelity: float, *, at_most: int | None = None) -> tuple[Problem, Slots, Bound, Status]:
        """Return the shortest plan for a fraction f that the chosen planner finds."""
        problem = build_problem(self.requests, self.chip, self.reach, fidelity, self.lengths)
        require_floors(problem)
        bound = capacity_bound(problem, seed=self.seed)
        if self.effort.planner == "stagger":
            return problem, stagger(problem), bound, Status.BUDGET
        found = greedy_slots(
            problem,
            at_least=max(bound.slots, at_most or 0),
            rounds=self.effort.rounds_for(self.cycles),
            time_limit=self.effort.seconds_for(self.cycles),
            walk_only=not self.jumps,
            seconds=self.slot_seconds,
            seed=self.seed,
        )
        found, bound = self._polished(problem, found, bound)
        status = Status.CONVERGED if len(found) <= bound.slots else Status.BUDGET
        return problem, found, bound, status

    def _raised(self, problem: Problem, slots: Slots) -> tuple[Problem, Slots]:
        """Look for a plan of as many slots on better qubits, on small batches."""
        small = self.cycles <= LARGE
        if self.effort.planner == "stagger" or self.effort.polish <= 0 or not small:
            return problem, slots

        def find(raised: Problem) -> Slots | None:
            try:
                found = greedy_slots(
                    raised,
                    at_least=len(slots),
                    rounds=24,
                    time_limit=self.effort.seconds_for(self.cycles),
                    walk_only=not self.jumps,
                    seconds=self.slot_seconds,
                    seed=self.seed,
                )
            except InfeasibleError:
                return None
            return found if len(found) <= len(slots) else None

        return raise_floors(problem, slots, find)

    def _polished(self, problem: Problem, found: Slots, bound: Bound) -> tuple[Slots, Bound]:
        """Ask the exact planner for a shorter plan or a better bound, if it is wanted or cheap."""
        exact = self.effort.planner == "cpsat"
        small = sum(len(k.rows) for k in problem.kinds) * len(found) <= POLISH_SIZE and self.jumps
        if len(found) <= bound.slots or not (exact or (small and self.effort.polish > 0)):
            return found, bound
        outcome = exact_slots(
            problem,
            at_least=bound.slots,
            known=found,
            cuts=bound.cuts,
            time_limit=self.effort.seconds_for(self.cycles),
            effort=None if exact else self.effort.polish,
            seed=self.seed,
        )
        if outcome.bound > bound.slots:
            bound = Bound(slots=outcome.bound, reason=f"CP-SAT: no plan has {outcome.bound - 1} slots")
        return (outcome.slots if self.jumps and outcome.slots is not None else found), bound


def _paces(search: _Search) -> list[Pace]:
    """The paces worth planning for."""
    if isinstance(search.crosstalk, CoherentZZ) and search.buffer < 1:
        return ["together"]
    mixed = len({r.bases for r in search.requests}) > 1
    return ["own", "together"] if mixed and search.cost.rates.overhead > 0 else ["own"]


def _objective(objective: Objective | str | None, fidelity: float | None) -> Objective:
    if isinstance(objective, MaxMinEsp):
        if fidelity is not None:
            raise invalid("fidelity", fidelity, "must not be given with MaxMinEsp, which finds it")
        return objective
    if isinstance(objective, FewestSeconds):
        return objective if fidelity is None else FewestSeconds(fidelity=fidelity)
    if objective is None or objective in ("device_seconds", "fewest_seconds"):
        return FewestSeconds() if fidelity is None else FewestSeconds(fidelity=fidelity)
    raise invalid("objective", objective, "must be 'device_seconds', FewestSeconds(...) or MaxMinEsp(...)")


def _max_min(search: _Search, goal: MaxMinEsp) -> tuple[Problem, Slots, Bound, Status]:
    """Bisect over f for the largest one whose plan fits in the time."""
    limit = goal.slots if goal.slots is not None else int((goal.seconds or 0.0) / max(search.slot_seconds) + 1e-9)
    needed = {r.name: r.cycles * n for r, n in zip(search.requests, search.lengths, strict=True)}
    name = max(needed, key=lambda n: needed[n])
    if limit < needed[name]:
        raise InfeasibleError(
            f"job {name!r} must have at least {needed[name]} slots for its cycles, got {limit}; allow more time"
        )
    fractions = np.unique(np.round(np.concatenate([r.catalogue.esp / r.best for r in search.requests]), 4))
    best: tuple[Problem, Slots, Bound, Status] | None = None
    low, high = 0, len(fractions) - 1
    while low <= high:
        middle = (low + high) // 2
        try:
            found = search.solve(float(fractions[middle]), at_most=limit)
        except InfeasibleError:
            high = middle - 1
            continue
        if len(found[1]) <= limit:
            best, low = found, middle + 1
        else:
            high = middle - 1
    if best is None:
        names = ", ".join(repr(r.name) for r in search.requests[:3]) + (" ..." if len(search.requests) > 3 else "")
        raise InfeasibleError(
            f"jobs {names} must fit into {limit} slots, got no plan at any fidelity; allow more time"
        )
    return best
