"""``qalgs nest``: run, resume, compare, report and study campaigns (planning commands are in nest_plan)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qalgs.cli.jobsfile import JobsFile
    from qalgs.nest import CampaignResult

nest_app = typer.Typer(
    name="nest", help="Fidelity-map scheduling of co-located variational jobs.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="The jobs file (TOML).", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="The folder of a run.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for ledger, summary and plots.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON to stdout.")]
Fast = Annotated[bool, typer.Option("--fast", help="Few evaluations and shots: a smoke test, not a result.")]
Workers = Annotated[int, typer.Option("--workers", "-j", help="Workers; the numbers do not depend on it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Plots = Annotated[str, typer.Option("--plots", help="Plots as svg, png or none.")]


@nest_app.command()
def run(
    file: File,
    out: Out = Path("out"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder, as is done anyway.")
    ] = False,
    fast: Fast = False,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Another strategy for all jobs.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Another root seed.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Stagger the jobs by a joint space-time plan.")] = False,
    workers: Workers = 1,
    plots: Plots = "svg",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the jobs of a file together on one chip; a run in the same folder with the same file is continued."""
    from qalgs.cli.jobsfile import load_jobs
    from qalgs.cli.runfolder import LEDGER, check_writable

    check_writable(out)
    settings = {"fast": fast or environment_fast(), "strategy": strategy, "seed": seed, "plan": plan}
    if resume and not (out / LEDGER).is_file() and not quiet:
        print(f"nothing is recorded in {out} yet; starting", file=sys.stderr)
    _execute(load_jobs(file), out, settings, workers=workers, plots=plots, as_json=as_json, quiet=quiet)


@nest_app.command()
def resume(
    folder: Folder, workers: Workers = 1, plots: Plots = "svg", as_json: AsJson = False, quiet: Quiet = False
) -> None:
    """Continue an interrupted run with the file and settings it was started with."""
    from qalgs.cli.runfolder import recall

    file, settings = recall(folder)
    _execute(file, folder, settings, workers=workers, plots=plots, as_json=as_json, quiet=quiet)


def environment_fast() -> bool:
    """Whether QALGS_FAST asks for smoke tests."""
    import os

    return os.environ.get("QALGS_FAST", "") not in ("", "0")


def _execute(
    file: JobsFile,
    out: Path,
    settings: dict[str, Any],
    *,
    workers: int,
    plots: str,
    as_json: bool,
    quiet: bool,
) -> None:
    from qalgs.cli.progress import CampaignProgress
    from qalgs.cli.runfolder import JOBS, LEDGER, opened, remember, summary, write_results
    from qalgs.errors import invalid
    from qalgs.nest import Ledger
    from qalgs.results import versions

    if plots not in ("svg", "png", "none"):
        raise invalid("--plots", plots, "must be svg, png or none")
    if workers == 0 or workers < -1:
        raise invalid("--workers", workers, "must be positive, or -1 for all cores")
    options: dict[str, Any] = {k: settings.get(k) for k in ("fast", "strategy", "seed")}
    source = file.planned() if settings.get("plan") else file
    campaign = source.campaign(**options, n_jobs=workers)
    campaign.steps  # noqa: B018  what cannot be placed is refused before anything is written
    with opened(out):
        if (out / JOBS).exists() or (out / LEDGER).exists():
            with Ledger(out / LEDGER) as ledger:
                ledger.open_campaign(campaign.spec, versions(), alone=True)
        remember(out, file, {**options, "plan": bool(settings.get("plan"))})
        campaign = source.campaign(
            **options, n_jobs=workers, ledger=out / LEDGER, jobs=list(campaign.jobs), plan=campaign.plan
        )
        with (
            interruptible(f"qalgs nest resume {out}"),
            CampaignProgress(quiet=quiet) as progress,
            closing(campaign.executor),
        ):
            result = campaign.run(progress)
        written = write_results(out, result, plots=None if plots == "none" else plots)
    if as_json:
        import json

        print(json.dumps(summary(result), allow_nan=False))
    else:
        show(result)
        print(f"{len(written)} files in {out}: {', '.join(p.name for p in written[:2])}", end="")
        print(f", plots/ ({len(written) - 2} {plots})" if len(written) > 2 else "")


def show(result: CampaignResult) -> None:
    """Print the table of a finished campaign."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE, title=f"{result.device}, seed {result.seed}, buffer {result.buffer}", title_justify="left"
    )
    heads = ["job", "strategy", "evals", "measured", "reference", "noiseless", "exact", "baseline", "ESP", "jumps"]
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i < 2 else "right")
    for job in result.jobs:
        q = job.quality
        cells = [
            job.name,
            job.strategy,
            str(job.evaluations),
            f"{job.measured:.4f}",
            f"{q.reference:.4f}",
            "-" if q.noiseless is None else f"{q.noiseless:.4f}",
            "-" if q.exact is None else f"{q.exact:.4f}",
            "-" if q.baseline is None else f"{q.baseline:.4f}",
            f"{job.cycles[0].esp:.3f} > {job.cycles[-1].esp:.3f}",
            str(job.jumps),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    console().print(table)
    usage = result.usage
    print("reference: exact noisy energy of the trained parameters on the job's best map, alone")
    print(
        f"machine: {usage.device_seconds:.1f} s together, {usage.serial_seconds:.1f} s one after another; "
        f"{usage.shots} shots, {usage.submissions} submissions, utilisation {usage.utilisation:.1%}, "
        f"{usage.cost:.2f} {usage.currency} (shared by {usage.sharing.replace('_', '-')})"
    )


@contextmanager
def interruptible(command: str) -> Iterator[None]:
    """Say on Ctrl-C how to go on; everything that was measured is in the ledger."""
    try:
        yield
    except KeyboardInterrupt as error:
        print(f"interrupted; what was measured is recorded: continue with '{command}'", file=sys.stderr)
        raise typer.Exit(130) from error


def console() -> Any:
    """Return rich's console for stdout."""
    from rich.console import Console

    # Tables keep their columns in a pipe, too.
    return Console() if sys.stdout.isatty() else Console(width=190)


def register(app: typer.Typer) -> None:
    """Add the group to the tree of commands."""
    for name in ("nest_plan", "nest_report", "nest_batch", "nest_compare"):
        import_module(f"qalgs.cli.{name}").register(nest_app)
    app.add_typer(nest_app)
