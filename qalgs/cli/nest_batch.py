"""``qalgs nest batch``: a jointly planned batch against the same jobs one after another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qalgs.nest import Interval


def batch(
    file: Annotated[Path, typer.Argument(help="The jobs file (TOML).", show_default=False)],
    device: Annotated[str | None, typer.Option("--device", "-d", help="Another device than the file's.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", "-n", min=1, help="Number of seeds.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for ledger, table and report.")] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Worker processes.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="Few evaluations and shots: a smoke test.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON to stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Train a batch under a joint space-time plan and one after another; compare machine time and quality."""
    from qalgs.cli.jobsfile import load_jobs
    from qalgs.cli.nest import environment_fast
    from qalgs.cli.nest_compare import run_study, write_study
    from qalgs.nest.batch import batch_cells, compare_batch
    from qalgs.nest.study_result import StudyResult

    source = load_jobs(file)
    if device is not None:
        source = source.on(device)
    quick = fast or environment_fast()
    jobs = source.jobs(fast=quick)
    plan = source.plan(jobs, fast=quick)
    count = seeds or source.head.campaign.seeds
    cells = batch_cells(
        jobs,
        plan,
        device=source.head.device.name,
        seeds=range(source.seed, source.seed + count),
        training=source.strategy(),
        **source.settings(fast=quick),
    )
    result = run_study(cells, out, workers=workers, quiet=quiet, check=False)
    found = compare_batch(result.outcomes, plan)
    if out is not None:
        write_study(out, StudyResult(outcomes=result.outcomes, control="serial", baseline="serial"))
    if as_json:
        print(found.to_json())
        return
    gap = "optimal" if plan.slots == plan.bound else f"at least {plan.bound} are needed"
    each = f"{plan.slot_circuits} circuits each" if plan.slot_circuits else "jobs waiting for each other"
    print(f"{found.jobs} jobs on {found.device}: {plan.slots} slots ({gap}), {each}, {plan.jumps} jumps")
    print(f"  {plan.bound_reason}")
    print(f"  smallest last-cycle ESP: {found.final_ratio:.3f} of the job's best")
    print(
        f"machine time: {found.planned_seconds:.1f} s planned, {found.serial_seconds:.1f} s one after another: "
        f"1/{found.ratio.best:.2f} [1/{found.ratio.low:.2f}, 1/{found.ratio.high:.2f}] over {found.seeds} seeds"
    )
    print(f"  no plan at this fidelity goes below 1/{found.most_speedup:.2f}: {found.most_speedup_reason}")
    print(f"quality: planned - serial = {_percent(found.loss)} of the spectral range")
    for name, interval in found.by_job.items():
        print(f"  {name}: {_percent(interval)}")


def _percent(interval: Interval) -> str:
    return f"{100 * interval.best:+.2f} % [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]"


def register(app: typer.Typer) -> None:
    """Add the command to ``qalgs nest``."""
    app.command()(batch)
