"""The jobs file: TOML, checked by pydantic, every complaint with its key and line.

Its tables are in :mod:`~qalgs.cli.jobs_tables`, the kinds of jobs in :mod:`~qalgs.cli.kinds`.
"""

from __future__ import annotations

import functools
import operator
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from qalgs.cli import kinds_algorithms as _more_kinds  # noqa: F401  (puts its kinds into the table)
from qalgs.cli.jobs_tables import CoherentTable, Head, PlanTable
from qalgs.cli.kinds import KINDS, OptimizerTable
from qalgs.errors import InfeasibleError, InvalidInputError, QalgsError

if TYPE_CHECKING:
    from qalgs.nest import Campaign, Job, QubitWalk, Schedule, Strategy
    from qalgs.nest.space_time_plan import Plan
    from qalgs.optimizers import Optimizer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JobsFile:
    """A checked jobs file.

    Attributes:
        path: Where it was read.
        text: Its text.
        folder: What relative paths in it are relative to.
        head: The tables but for the jobs.
        models: The jobs.
    """

    path: Path
    text: str
    folder: Path
    head: Head
    models: tuple[Any, ...]

    @property
    def seed(self) -> int:
        """Root seed."""
        return self.head.campaign.seed

    def on(self, device: str) -> JobsFile:
        """Return the same jobs on another device."""
        head = self.head.model_copy(update={"device": self.head.device.model_copy(update={"name": device})})
        return replace(self, head=head)

    def planned(self) -> JobsFile:
        """Return the same jobs with a joint plan, if the file has none."""
        if self.head.plan is not None:
            return self
        return replace(self, head=self.head.model_copy(update={"plan": PlanTable()}))

    def schedule(self, cycles: int | None = None) -> Schedule:
        """Return the fidelity schedule; ``cycles`` wins over the file's."""
        from qalgs.nest import make_schedule

        table = self.head.schedule
        options = table.model_dump(exclude_none=True, exclude={"kind"})
        if "levels" not in options:
            chosen = cycles or table.cycles or self.head.campaign.cycles
            options |= {"cycles": chosen} if chosen else {}
        return make_schedule(table.kind, **options)

    def walk(self) -> QubitWalk:
        """Return how jobs move."""
        from qalgs.nest import QubitWalk

        return QubitWalk(**self.head.walk.model_dump())

    def strategy(self, name: str | None = None, cycles: int | None = None) -> Strategy:
        """Return a strategy by name with the file's schedule, walk and cycles."""
        from qalgs.nest import make_strategy
        from qalgs.nest.strategies import SCHEDULED, canonical_name

        chosen = canonical_name(name or self.head.campaign.strategy)
        if chosen in SCHEDULED:
            options: dict[str, Any] = {"schedule": self.schedule(cycles)}
            if chosen != "NestJump":
                options["walk"] = self.walk()
            return make_strategy(chosen, **options)
        length = cycles or self.head.campaign.cycles or self.schedule().cycles
        return make_strategy(chosen, cycles=length)

    def jobs(self, *, fast: bool = False, strategy: str | None = None) -> list[Job]:
        """Build all jobs.

        Args:
            fast: Cut evaluations and shots to a smoke test.
            strategy: Train all jobs under this strategy, whatever the file says.
        """
        from qalgs.nest import Job

        made = []
        for i, model in enumerate(self.models):
            where = f"job[{i}]"
            try:
                problem = model.problem(self.folder)
                own = strategy or model.strategy
                if own is None and model.cycles is not None:
                    own = self.head.campaign.strategy
                made.append(
                    Job(
                        model.id,
                        problem.circuit,
                        problem.observable,
                        optimizer=None if model.optimizer is None else build_optimizer(model.optimizer),
                        evaluations=_cut(model.evals_per_cycle, FAST_EVALUATIONS, fast),
                        cycles=model.cycles,
                        shots=_cut(model.shots, FAST_SHOTS, fast),
                        strategy=None if own is None else self.strategy(own, model.cycles),
                        start=problem.start if model.start is None else model.start,
                        exact=problem.exact,
                        baseline=problem.baseline,
                        baseline_name=problem.baseline_name,
                        kind=model.kind,
                    )
                )
            except (QalgsError, TypeError) as error:
                text = _named(model.id, error)
                key = re.search(r": (\w+) ", text)
                if key and key[1] in type(model).model_fields:
                    where += f".{key[1]}"
                raise self.error(where, text, error) from error
        return made

    def campaign(
        self,
        *,
        fast: bool = False,
        strategy: str | None = None,
        seed: int | None = None,
        ledger: Any = None,
        n_jobs: int = 1,
        jobs: list[Job] | None = None,
        plan: Any = None,
    ) -> Campaign:
        """Build the campaign; nothing is written.

        Args:
            fast: Cut evaluations and shots to a smoke test.
            strategy: Another strategy for all jobs.
            seed: Another root seed.
            ledger: As in :class:`Campaign`.
            n_jobs: Threads.
            jobs: The jobs, if they are built already.
            plan: Their joint plan, if it is made already; made here if the file has a ``[plan]``.
        """
        from qalgs.nest import Campaign

        head = self.head
        defaults = head.campaign
        made = self.jobs(fast=fast, strategy=strategy) if jobs is None else jobs
        try:
            return Campaign(
                made,
                head.device.name,
                strategy=self.strategy(strategy),
                **self.settings(fast=fast),
                seed=defaults.seed if seed is None else seed,
                ledger=ledger,
                executor=self._executor(),
                n_jobs=n_jobs,
                plan=self.plan(made, fast=fast) if plan is None and head.plan is not None else plan,
            )
        except (QalgsError, TypeError) as error:
            if str(error).startswith(str(self.path)):
                raise
            raise type(error)(f"{self.path}: {error}") from error

    def plan(self, jobs: list[Job], *, fast: bool = False) -> Plan:
        """Return the joint space-time plan of the jobs under the file's ``[plan]``, or the defaults.

        Args:
            jobs: The jobs.
            fast: Plan for the cut-down evaluations and shots.
        """
        from qalgs.backends import DeviceSnapshot
        from qalgs.nest.costs import CostModel
        from qalgs.nest.space_time import plan

        table = self.head.plan or PlanTable()
        settings = self.settings(fast=fast)
        return plan(
            jobs,
            DeviceSnapshot.from_backend(self.head.device.name),
            self.head.device.buffer,
            settings["crosstalk"],
            fidelity=table.fidelity,
            schedule=self.schedule(),
            planner=table.planner,
            jumps=table.jumps,
            cost=CostModel(rates=settings["rates"], shots=settings["shots"], evaluations=settings["evaluations"]),
            time_limit=table.time_limit,
            seed=self.seed,
        )

    def settings(self, *, fast: bool = False) -> dict[str, Any]:
        """Return the arguments that campaigns and the cells of a study share.

        Args:
            fast: Cut evaluations and shots to a smoke test.
        """
        from qalgs.nest import Convergence, Rates

        defaults = self.head.campaign
        return {
            "optimizer": build_optimizer(defaults.optimizer),
            "shots": _cut(defaults.shots, FAST_SHOTS, fast),
            "evaluations": _cut(defaults.evals_per_cycle, FAST_EVALUATIONS, fast),
            "buffer": self.head.device.buffer,
            "crosstalk": self._crosstalk(),
            "convergence": Convergence(**self.head.convergence.model_dump()),
            "rates": Rates(**self.head.rates.model_dump()),
        }

    def _crosstalk(self) -> Any:
        table = self.head.device.crosstalk
        if isinstance(table, str):
            return None
        from qalgs.nest import CoherentZZ, ErrorInflation

        if isinstance(table, CoherentTable):
            return CoherentZZ(rate=table.zz)
        return ErrorInflation(factor=table.factor, hops=table.hops)

    def _executor(self) -> Any:
        device = self.head.device
        if device.executor == "local":
            return None
        if device.crosstalk != "none":
            rule = "must be 'none' on a machine, which has its own"
            raise self.error(
                "device.crosstalk", f"device.crosstalk {rule}; use executor = 'local' or crosstalk = 'none'"
            )
        from qalgs.nest import MergedExecutor, Retry

        backend: Any = device.name
        if device.executor == "aer":
            from qiskit_aer import AerSimulator

            from qalgs.backends import load_backend

            backend = AerSimulator.from_backend(load_backend(device.name))
        retry = Retry(attempts=device.attempts, timeout=device.timeout)
        return MergedExecutor(backend, mode=device.mode, retry=retry, buffer=device.buffer)

    def error(self, where: str, text: str, cause: BaseException | None = None) -> InvalidInputError:
        """Return the error for a key, with its line if that can be found."""
        line = find_line(self.text, where)
        kind = InfeasibleError if isinstance(cause, InfeasibleError) else InvalidInputError
        return kind(f"{self.path}{f':{line}' if line else ''}: {text}")


def _named(job: str, error: BaseException) -> str:
    """Return the error's text with the job's name in front, once: many errors name their job themselves."""
    label, text = f"job {job!r}", " ".join(str(error).split())
    return text if re.match(rf"{re.escape(label)}[:, ]", text) else f"{label}: {text}"


FAST_EVALUATIONS = 8
FAST_SHOTS = 256


def _cut(value: int | None, most: int, fast: bool) -> int | None:
    return min(value, most) if fast and value is not None else value


def build_optimizer(given: str | OptimizerTable) -> Optimizer:
    """Return an optimiser by name (in any case) or table."""
    from qalgs.optimizers import Optimizer

    options: dict[str, Any] = {"kind": given} if isinstance(given, str) else given.model_dump()
    names = {"cobyla": "COBYLA", "spsa": "SPSA", "neldermead": "NelderMead", "adam": "Adam", "lbfgs": "LBFGS"}
    key = str(options["kind"]).lower().replace("-", "").replace("_", "").replace(" ", "")
    options["kind"] = names.get(key, options["kind"])
    if options == {"kind": "COBYLA"}:
        options["rhobeg"] = (1.0, 0.1)
    return Optimizer.from_dict(options)


def load_jobs(path: str | Path, *, folder: Path | None = None) -> JobsFile:
    """Read and check a jobs file.

    Args:
        path: The file.
        folder: What relative paths in it are relative to; its own folder by default.

    Raises:
        InvalidInputError: If it cannot be read, is not TOML, or a key breaks a rule; one line with key and line.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InvalidInputError(f"cannot read {source}: {reason}; give the path of a jobs file") from error
    return parse_jobs(text, source, folder or source.resolve().parent)


def parse_jobs(text: str, path: Path, folder: Path) -> JobsFile:
    """Check the text of a jobs file; see :func:`load_jobs`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path}: not TOML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InvalidInputError(f"{path}: not TOML of this kind: nested too deeply") from error
    head = _validate(Head, raw, "", text, path)
    assert isinstance(head, Head)
    models: list[Any] = []
    for i, entry in enumerate(head.job):
        models.append(_validate(_job_model(), entry, f"job[{i}]", text, path))
    names = [model.id for model in models]
    for i, name in enumerate(names):
        if name in names[:i]:
            line = find_line(text, f"job[{i}].id")
            raise InvalidInputError(
                f"{path}:{line}: job[{i}].id must be unique, got {name!r}; rename one of the jobs"
            )
    return JobsFile(path=path, text=text, folder=folder, head=head, models=tuple(models))


def _job_model() -> Any:
    return Annotated[functools.reduce(operator.or_, KINDS.values()), Field(discriminator="kind")]


def _validate(model: Any, raw: Any, where: str, text: str, path: Path) -> BaseModel:
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    try:
        found: BaseModel = adapter.validate_python(raw)
        return found
    except ValidationError as error:
        raise InvalidInputError(_complaint(error, where, text, path)) from error


def _complaint(error: ValidationError, where: str, text: str, path: Path) -> str:
    """Say the first complaint in one line: file, line, key, rule, value."""
    # A union complains once per alternative; the deepest location is the alternative that was meant.
    found = max(error.errors(include_url=False), key=lambda e: len(e["loc"]))
    key = where
    for part in found["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        elif part not in KINDS and re.fullmatch(r"[a-z_0-9]+|[A-Z]+", str(part)):
            key += f".{part}" if key else str(part)
    value = found["input"]
    shown = "" if isinstance(value, dict | list) else f", got {value!r}"
    rule = found["msg"][:1].lower() + found["msg"][1:]
    if found["type"] == "extra_forbidden":
        rule, shown = "is not a key of this table", ""
    elif found["type"] == "missing":
        rule, shown = "is missing", ""
    elif found["type"] == "union_tag_invalid":
        rule, shown, key = f"must be one of {', '.join(KINDS)}", f", got {value.get('kind')!r}", f"{key}.kind"
    elif found["type"] == "union_tag_not_found":
        rule, shown, key = f"is missing; it must be one of {', '.join(KINDS)}", "", f"{key}.kind"
    elif rule.startswith("input should "):
        rule = "must " + rule.removeprefix("input should ")
    line = find_line(text, key)
    return f"{path}{f':{line}' if line else ''}: {key} {rule}{shown}"


def find_line(text: str, key: str) -> int | None:
    """Return the line, from 1, where a key such as ``job[1].shots`` or ``device.name`` stands, if it can be found.

    The search reads table headers and the first word of each line; it is for messages, not for parsing.
    """
    parts = [part for part in re.split(r"[.\[\]]+", key) if part]
    if not parts:
        return None
    table, index = parts[0], None
    rest = parts[1:]
    if rest and rest[0].isdigit():
        index, rest = int(rest[0]), rest[1:]
    seen, inside, start = -1, False, None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        header = re.match(r"^\[{1,2}\s*([\w.\-]+)\s*\]{1,2}", line)
        if header:
            name = header[1].split(".")
            if name == [table]:
                seen += 1
            inside = name[0] == table and (index is None or seen == index)
            if inside and start is None:
                start = number
            if inside and len(name) > 1 and rest[:1] == name[1:2]:
                start = number
        elif (inside and rest and re.match(rf"^[\"']?{re.escape(rest[0])}[\"']?\s*[.=]", line)) or (
            start is None and not rest and re.match(rf"^{re.escape(table)}\s*[.=]", line)
        ):
            return number
    return start
