"""``qalgs nest compare`` and ``study``: strategies side by side with intervals, and always the restart control."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qalgs.cli.jobsfile import JobsFile
    from qalgs.nest import Interval
    from qalgs.nest.study import Cell, CellFinished
    from qalgs.nest.study_result import Comparison, StudyResult

Seeds = Annotated[int | None, typer.Option("--seeds", "-n", min=1, help="Number of seeds; the file's by default.")]
Strategies = Annotated[
    str,
    typer.Option("--strategies", "-s", help="Names, separated by commas; the restart control is always added."),
]
Workers = Annotated[
    int, typer.Option("--workers", "-j", help="Worker processes; the numbers do not depend on it.")
]
Fast = Annotated[bool, typer.Option("--fast", help="Few evaluations and shots: a smoke test, not a result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the table as JSON to stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for ledger, table and report; a stopped one continues.")
]
LEDGER = "study.sqlite"


def compare(
    paths: Annotated[list[Path], typer.Argument(help="A jobs file, or folders of runs.", show_default=False)],
    strategies: Strategies = "Nest,BestMap",
    seeds: Seeds = None,
    out: Out = None,
    workers: Workers = 1,
    fast: Fast = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put strategies side by side over seeds; Nest against the restart control is always shown.

    From a jobs file, all strategies run with all seeds. From folders of runs, each run is read, and the control
    and the baseline are run with the same file and seed.
    """
    from qalgs.cli.nest import environment_fast

    cells = []
    for path in paths:
        if path.is_dir():
            cells += _from_folder(path)
        else:
            cells += _from_file(path, strategies, seeds, fast or environment_fast())
    _finish(_unique(cells), out, workers=workers, as_json=as_json, quiet=quiet)


def study(
    paths: Annotated[list[Path], typer.Argument(help="Jobs files.", show_default=False)],
    devices: Annotated[str, typer.Option("--devices", "-d", help="Devices, separated by commas.")] = (
        "fake_brisbane,fake_torino,fake_fez,fake_marrakesh"
    ),
    strategies: Strategies = "Nest,NestJump,BestMap,Qoncord,Reversed,RandomMap",
    seeds: Seeds = None,
    together: Annotated[
        bool, typer.Option("--together", help="Co-locate the jobs of a file; by default each runs alone.")
    ] = False,
    cluster: Annotated[str | None, typer.Option("--cluster", help="Dask scheduler, tcp://host:8786.")] = None,
    out: Out = None,
    workers: Workers = 1,
    fast: Fast = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run strategies x devices x jobs x seeds, resumable, and print the tables with all intervals.

    The last two tables average over devices and put the published figures beside those of this study.
    """
    from qalgs.cli.jobsfile import load_jobs
    from qalgs.cli.nest import environment_fast

    names = [name.strip() for name in devices.split(",") if name.strip()]
    cells: list[Cell] = []
    quick = fast or environment_fast()
    for path in paths:
        file = load_jobs(path)
        for device in names:
            cells += _grid(file, strategies, seeds, quick, device=device, together=together)
    _finish(_unique(cells), out, workers=workers, as_json=as_json, quiet=quiet, cluster=cluster, overall=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(compare)
    app.command()(study)


def _names(strategies: str) -> list[str]:
    """Return the wanted strategies in order, the control right behind the first."""
    from qalgs.nest.strategies import CONTROL, canonical_name

    wanted = [canonical_name(name) for name in strategies.split(",") if name.strip()]
    return list(dict.fromkeys([*wanted[:1], CONTROL, *wanted[1:]]))


def _from_file(path: Path, strategies: str, seeds: int | None, fast: bool) -> list[Cell]:
    from qalgs.cli.jobsfile import load_jobs

    return _grid(load_jobs(path), strategies, seeds, fast, together=True)


def _grid(
    file: JobsFile,
    strategies: str,
    seeds: int | None,
    fast: bool,
    *,
    device: str | None = None,
    together: bool,
) -> list[Cell]:
    count = seeds or file.head.campaign.seeds
    cells = []
    for name in _names(strategies):
        jobs = file.jobs(fast=fast, strategy=name)
        groups = [tuple(jobs)] if together else [(job,) for job in jobs]
        for group in groups:
            for k in range(count):
                cells.append(_cell(file, group, name, file.seed + k, fast, device))
    order = {name: i for i, name in enumerate(_names(strategies))}
    cells.sort(key=lambda c: (c.seed, order[c.strategy.name]))
    return cells


def _cell(
    file: JobsFile, jobs: Any, strategy: str, seed: int, fast: bool, device: str | None = None, ledger: Any = None
) -> Cell:
    from qalgs.nest.study import Cell

    return Cell(
        device=device or file.head.device.name,
        jobs=tuple(jobs),
        strategy=file.strategy(strategy),
        seed=seed,
        ledger=ledger,
        **file.settings(fast=fast),
    )


def _from_folder(folder: Path) -> list[Cell]:
    from qalgs.cli.runfolder import LEDGER as RUN_LEDGER
    from qalgs.cli.runfolder import read_summary, recall
    from qalgs.nest.strategies import CONTROL

    file, settings = recall(folder)
    read_summary(folder)
    fast, own = bool(settings["fast"]), settings["strategy"]
    seed = file.seed if settings["seed"] is None else int(settings["seed"])
    cells = [
        _cell(
            file,
            file.jobs(fast=fast, strategy=own),
            own or file.head.campaign.strategy,
            seed,
            fast,
            ledger=folder / RUN_LEDGER,
        )
    ]
    for name in (CONTROL, "BestMap"):
        if cells[0].strategy.name != name:
            cells.append(_cell(file, file.jobs(fast=fast, strategy=name), name, seed, fast))
    return cells


def _unique(cells: list[Cell]) -> list[Cell]:
    """Drop repeated cells (two folders share a control), keeping one that has a ledger."""
    kept: dict[str, Cell] = {}
    for cell in cells:
        key = cell.key
        if key not in kept or (kept[key].ledger is None and cell.ledger is not None):
            kept[key] = cell
    return list(kept.values())


def run_study(
    cells: list[Cell],
    out: Path | None,
    *,
    workers: int,
    quiet: bool,
    cluster: str | None = None,
    check: bool = True,
) -> StudyResult:
    """Run cells with progress, and keep them in ``out`` if that is given.

    Args:
        cells: The campaigns.
        out: Folder for the ledger.
        workers: Worker processes.
        quiet: Show no progress.
        cluster: A Dask scheduler.
        check: Place every distinct campaign first, so that what does not fit is refused before any work.
    """
    from qalgs.cli.nest import interruptible
    from qalgs.cli.runfolder import check_writable, opened
    from qalgs.nest import Ledger
    from qalgs.nest.study import Study

    study = Study(cells=tuple(cells))
    if check:
        for cell in {(c.device, tuple(j.name for j in c.jobs), c.strategy.name): c for c in cells}.values():
            cell.campaign(cached=True).steps  # noqa: B018
    progress = _Progress(quiet)
    if out is None:
        with interruptible("the same command and --out"):
            return study.run(n_jobs=workers, backend=cluster, callback=progress)
    check_writable(out)
    with opened(out), interruptible("the same command"), Ledger(out / LEDGER) as ledger:
        return study.run(ledger=ledger, n_jobs=workers, backend=cluster, callback=progress)


def _finish(
    cells: list[Cell],
    out: Path | None,
    *,
    workers: int,
    as_json: bool,
    quiet: bool,
    cluster: str | None = None,
    overall: bool = False,
) -> None:
    result = run_study(cells, out, workers=workers, quiet=quiet, cluster=cluster)
    if out is not None:
        write_study(out, result)
    if as_json:
        import json

        from qalgs.results import jsonable

        found = {"table": jsonable(result.table())}
        if overall:
            found |= {"pooled": jsonable(result.pooled()), "headlines": jsonable(result.headlines())}
        print(json.dumps(found, allow_nan=False))
        return
    for comparison in result.comparisons():
        _show(comparison)
    if overall:
        _show_overall(result)
    if out is not None:
        print(f"wrote {out / 'table.json'}, table.csv, summary.md and report.html")


def write_study(out: Path, result: StudyResult) -> None:
    """Write table and report of a study into its folder."""
    import json

    from qalgs.cli.runfolder import as_csv
    from qalgs.nest.headlines import markdown
    from qalgs.nest.report_html import render
    from qalgs.results import jsonable, write_atomic

    table = result.table()
    write_atomic(out / "table.json", json.dumps(jsonable(table), indent=2, allow_nan=False) + "\n")
    write_atomic(out / "table.csv", as_csv(table))
    write_atomic(out / "summary.md", markdown(result.pooled(), result.headlines(), control=result.control))
    write_atomic(out / "report.html", render(result.report_content()))


class _Progress:
    """A line per cell on stderr, with the time that remains."""

    def __init__(self, quiet: bool) -> None:
        import time

        self.quiet, self._clock = quiet, time.monotonic
        self._first, self._fresh = 0.0, 0

    def __call__(self, event: CellFinished) -> None:
        if self.quiet:
            return
        self._fresh += not event.stored
        if self._fresh <= 1:
            self._first = self._clock()
        # The first cells wait for workers to start and kernels to compile, which says nothing about the rest.
        rate = (self._clock() - self._first) / max(1, self._fresh - 1)
        left = f"ETA {rate * (event.cells - event.index):.0f} s" if self._fresh > 4 else "starting"
        found = ", ".join(f"{job['job']} {job['reference']:+.4f}" for job in event.outcome.jobs)
        state = "recorded" if event.stored else left
        where = f"{event.outcome.device} {event.outcome.strategy} seed {event.outcome.seed}"
        print(f"[{event.index}/{event.cells}] {where}: {found} ({state})", file=sys.stderr, flush=True)


def _show(c: Comparison) -> None:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    from qalgs.cli.nest import console

    title = Text(f"{c.job} on {c.device}: exact noisy energy on the job's best map, mean [95 % bootstrap]")
    table = Table(box=SIMPLE, title=title, title_justify="left")
    heads = [
        "strategy",
        "seeds",
        "energy",
        f"minus {c.control}",
        f"minus {c.baseline}",
        "equal seconds",
        "noiseless",
    ]
    for head in [*heads, "converged", "to threshold", "ESP", "jumps"]:
        table.add_column(head, justify="left" if head == "strategy" else "right")
    for row in c.rows:
        control, base = c.to_control.get(row.strategy), c.to_baseline.get(row.strategy)
        cells = [
            row.strategy,
            str(row.seeds),
            str(row.reference),
            "(control)" if row.strategy == c.control else str(control or "-"),
            "(baseline)" if row.strategy == c.baseline else str(base or "-"),
            f"{row.equal_seconds.best:+.4f}",
            "-" if row.noiseless is None else f"{row.noiseless:+.4f}",
            f"{row.converged:.0f}" if row.converged is not None else f"> ({row.censored} censored)",
            "-"
            if c.threshold is None
            else f"{'>' if row.to_threshold is None else f'{row.to_threshold:.0f}'} ({row.reached}/{row.seeds})",
            f"{row.esp_last:.3f}",
            f"{row.jumps:.1f}",
        ]
        table.add_row(*(Text(cell) for cell in cells))
    console().print(table)
    for name, interval in c.to_control.items():
        difference = f"{c.job} on {c.device}: {name} - {c.control} = {interval}"
        print(f"{difference} over {interval.samples} seeds: {_verdict(interval, c.control)}")


def _show_overall(result: StudyResult) -> None:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    from qalgs.cli.nest import console

    lines, claims = result.pooled(), result.headlines()
    title = "energy on the best maps, mean over devices [95 % bootstrap over seeds]"
    table = Table(box=SIMPLE, title=title, title_justify="left")
    for head in ("problem", "strategy", "devices", "seeds", "energy", f"minus {result.control}", "equal seconds"):
        table.add_column(head, justify="left" if head in ("problem", "strategy") else "right")
    for p in lines:
        compared = [str(x) if x is not None else "(control)" for x in (p.minus_control, p.minus_control_seconds)]
        row = [p.job, p.strategy, str(p.devices), str(p.seeds), str(p.reference), *compared]
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)
    if not claims:
        return
    table = Table(box=SIMPLE, title="Nest, as published and in this study", title_justify="left")
    for head in ("against", "quantity", "published", "this study", "censored"):
        table.add_column(head)
    for c in claims:
        row = [c.rival, c.quantity, c.published or "(none)", c.found, f"{c.censored}/{c.runs}"]
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


FEWEST_SEEDS = 6
"""Percentile intervals of fewer samples are too narrow to decide anything."""


def _verdict(interval: Interval, control: str) -> str:
    if interval.samples < FEWEST_SEEDS:
        return "too few seeds to tell"
    if interval.high < -1e-6:
        return f"below {control}"
    if interval.low > 1e-6:
        return f"above {control}"
    return f"not distinguishable from {control}"
