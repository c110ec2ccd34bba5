"""``qalgs nest report`` (runs, comparisons and studies as one HTML file) and ``qalgs nest salvage``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

STUDY = "study.sqlite"


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs, comparisons or studies, or what holds them.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; DIR/report.html by default.")] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the page.")] = "",
) -> None:
    """Write one self-contained HTML file: chip by cycle, ESP, energies, machine time, cost, strategies."""
    from qalgs.cli.runfolder import check_writable
    from qalgs.nest.report_data import compare, read_run
    from qalgs.nest.report_html import render
    from qalgs.results import write_atomic

    target = out if out is not None else folders[0] / "report.html"
    check_writable(target.parent)
    single: list[dict[str, Any]] = []
    studied: list[dict[str, Any]] = []
    for place in [found for folder in folders for found in _places(folder)]:
        if (place / STUDY).is_file():
            studied.append(_study(place))
        else:
            single.append(read_run(place))
    content = {
        "runs": [*single, *(run for study in studied for run in study["runs"])],
        "comparison": [*compare(single), *(group for study in studied for group in study["comparison"])],
    }
    written = write_atomic(target, render(content, title=title))
    count = len(content["runs"])
    print(f"{written}: {count} run{'s' if count != 1 else ''}, {written.stat().st_size / 1e6:.1f} MB")


def _places(folder: Path) -> list[Path]:
    """Return the runs and studies at or right below a folder."""
    from qalgs.cli.runfolder import LEDGER
    from qalgs.errors import LedgerError

    if any((folder / name).is_file() for name in (LEDGER, STUDY)):
        return [folder]
    found = sorted({path.parent for name in (LEDGER, STUDY) for path in folder.glob(f"*/{name}")})
    if not found:
        raise LedgerError(f"{folder} holds no run; give the folder that 'qalgs nest run --out' wrote")
    return found


def _study(folder: Path) -> dict[str, Any]:
    from qalgs.errors import LedgerError
    from qalgs.nest import Ledger
    from qalgs.nest.strategies import CONTROL
    from qalgs.nest.study_result import CellOutcome, StudyResult

    with Ledger(folder / STUDY, read_only=True) as ledger:
        outcomes = tuple(CellOutcome(payload=payload) for payload in ledger.cells())
    if not outcomes:
        raise LedgerError(f"{folder} holds no finished run; run the same command again to continue it")
    return StudyResult(outcomes=outcomes, control=CONTROL, baseline="BestMap").report_content()


def salvage(
    folder: Annotated[Path, typer.Argument(help="The folder of a run with a damaged ledger.", show_default=False)],
) -> None:
    """Keep what can be read of a damaged ledger; the run resumes from there."""
    from qalgs.cli.runfolder import LEDGER
    from qalgs.nest.ledger import exclusive
    from qalgs.nest.salvage import salvage as mend

    if not folder.is_dir():
        from qalgs.errors import LedgerError

        raise LedgerError(f"{folder} holds no run; give the folder that 'qalgs nest run --out' wrote")
    with exclusive(folder):
        found = mend(folder / (STUDY if (folder / STUDY).is_file() else LEDGER))
    if found.whole:
        print(f"{found.path} is whole: {found.kept} evaluations; nothing was changed")
        return
    print(
        f"kept {found.kept} evaluations, dropped {found.dropped} that rest on lost ones; the damaged ledger is "
        f"{found.damaged}; go on with 'qalgs nest resume {folder}'"
    )


def register(app: typer.Typer) -> None:
    """Add the commands to ``qalgs nest``."""
    app.command()(report)
    app.command()(salvage)
