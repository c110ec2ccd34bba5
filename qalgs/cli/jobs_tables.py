"""The tables of a jobs file: which keys they have, which values, and what holds where a key is missing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from qalgs.cli.kinds import Count, Cycles, OptimizerTable, Real, Strict

Level = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | str


class CrosstalkTable(Strict):
    """Gate errors grow by ``factor`` within ``hops`` of a co-tenant."""

    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 2.0
    hops: Count = 1


class CoherentTable(Strict):
    """Touching qubits of two jobs couple by ZZ at ``zz`` hertz; such jobs are simulated together."""

    zz: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Device(Strict):
    """Where the jobs run."""

    name: str = Field(min_length=1)
    buffer: int = Field(default=1, ge=0)
    crosstalk: Literal["none"] | CrosstalkTable | CoherentTable = "none"
    executor: Literal["local", "merged", "aer"] = "local"
    mode: Literal["job", "session", "batch"] = "job"
    attempts: Count = 5
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Defaults(Strict):
    """What jobs take when they say nothing."""

    seed: int = Field(default=0, ge=0)
    shots: int = Field(default=1024, ge=0)
    cycles: Cycles | None = None
    evals_per_cycle: Count = 72
    strategy: str = "Nest"
    optimizer: str | OptimizerTable = OptimizerTable.model_validate({"kind": "COBYLA", "rhobeg": [1.0, 0.1]})
    seeds: Count = 1


class ScheduleTable(Strict):
    """Target ESP by cycle for the strategies that follow a schedule."""

    kind: str = "inverted_relu"
    cycles: Cycles | None = None
    esp_min: Level | None = None
    esp_max: Level | None = None
    switch: Real | None = None
    levels: list[Level] | None = None


class WalkTable(Strict):
    """How jobs move between cycles."""

    move: Literal["leaf", "snake", "any"] = "any"
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05
    on_fail: Literal["jump", "stay", "error"] = "jump"


class ConvergenceTable(Strict):
    """The stopping rule, the same for all strategies."""

    window: Count = 100
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.04
    least: Count = 1
    stop: bool = False


class PlanTable(Strict):
    """A joint plan in space and time; without it, all jobs run their cycles side by side."""

    fidelity: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.97
    planner: Literal["greedy", "cpsat", "stagger"] = "greedy"
    jumps: bool = True
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0


class RatesTable(Strict):
    """What machine time costs."""

    repetition_delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 250e-6
    overhead: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    price: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.6
    currency: str = Field(default="USD", max_length=8)
    sharing: Literal["equal", "qubit_seconds"] = "qubit_seconds"


class Head(Strict):
    """A jobs file but for what its jobs say, which depends on their kinds."""

    device: Device
    campaign: Defaults = Defaults()
    schedule: ScheduleTable = ScheduleTable()
    walk: WalkTable = WalkTable()
    convergence: ConvergenceTable = ConvergenceTable()
    rates: RatesTable = RatesTable()
    plan: PlanTable | None = None
    job: list[Any] = Field(min_length=1)
