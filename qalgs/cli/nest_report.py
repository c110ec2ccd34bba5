"""``qalgs nest report``: finished runs as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or folders that hold such folders.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; DIR/report.html by default.")] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the page.")] = "",
) -> None:
    """Write one self-contained HTML file: chip by cycle, ESP, energies, machine time, cost, strategies."""
    from qalgs.cli.runfolder import check_writable
    from qalgs.nest.report_html import write_folder_report

    target = out if out is not None else folders[0] / "report.html"
    check_writable(target.parent)
    runs = [run for folder in folders for run in runs_in(folder)]
    written = write_folder_report(runs, target, title=title)
    print(f"{written}: {len(runs)} run{'s' if len(runs) != 1 else ''}, {written.stat().st_size / 1e6:.1f} MB")


def runs_in(folder: Path) -> list[Path]:
    """Return the runs at or right below a folder.

    Raises:
        LedgerError: If there is none.
    """
    from qalgs.cli.runfolder import LEDGER
    from qalgs.errors import LedgerError

    if (folder / LEDGER).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{LEDGER}"))
    if not found:
        raise LedgerError(f"{folder} holds no run; give the folder that 'qalgs nest run --out' wrote")
    return found


def register(app: typer.Typer) -> None:
    """Add the command to ``qalgs nest``."""
    app.command()(report)
