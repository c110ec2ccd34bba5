"""A run's folder: the jobs file as it was run, the ledger, summary and plots; each written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qalgs.errors import InvalidInputError, LedgerError

if TYPE_CHECKING:
    from qalgs.cli.jobsfile import JobsFile
    from qalgs.nest import CampaignResult

LEDGER, SUMMARY, TABLE, JOBS, RUN = "ledger.sqlite", "summary.json", "summary.csv", "jobs.toml", "run.json"
CHIP = "chip.json"


def check_writable(folder: Path) -> None:
    """Refuse an output folder that could not be written, before any work.

    Raises:
        InvalidInputError: If it is a file, cannot be made, or cannot be written into.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise InvalidInputError(f"cannot write {folder}: {place} is not a folder; choose another --out")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InvalidInputError(f"cannot write {folder}: no permission in {place}; choose another --out")


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    """Make the folder and hold it alone; a folder that was made for a run that failed at once is removed again."""
    from qalgs.nest.ledger import exclusive

    made: list[Path] = []
    place = folder
    while not place.exists():
        made.append(place)
        place = place.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {folder}: {error.strerror}; choose another --out") from error
    try:
        with exclusive(folder):
            yield folder
    except BaseException:
        if made and not any(p.name != ".lock" for p in folder.iterdir()):
            (folder / ".lock").unlink(missing_ok=True)
            for place in made:
                place.rmdir()
        raise


def remember(folder: Path, file: JobsFile, settings: dict[str, Any]) -> None:
    """Keep the jobs file and the settings of a run, so that the folder alone resumes it."""
    from qalgs.results import write_atomic

    write_atomic(folder / JOBS, file.text)
    write_atomic(folder / RUN, json.dumps({**settings, "folder": str(file.folder)}, indent=2) + "\n")


def recall(folder: Path) -> tuple[JobsFile, dict[str, Any]]:
    """Return the jobs file and the settings of a run.

    Raises:
        LedgerError: If the folder holds no run.
    """
    from qalgs.cli.jobsfile import load_jobs

    if not (folder / JOBS).is_file() or not (folder / RUN).is_file():
        raise LedgerError(f"{folder} holds no run; give the folder that 'qalgs nest run --out' wrote")
    try:
        settings = json.loads((folder / RUN).read_text(encoding="utf-8"))
        base = Path(settings.pop("folder"))
    except (ValueError, KeyError, OSError) as error:
        raise LedgerError(f"{folder / RUN} is damaged; start the run anew in another folder") from error
    return load_jobs(folder / JOBS, folder=base), settings


def write_results(folder: Path, result: CampaignResult, *, plots: str | None = "svg") -> list[Path]:
    """Write summary and plots, each atomically; return what was written.

    Args:
        folder: The run's folder.
        result: The result.
        plots: "svg", "png", or None for no plots.
    """
    from qalgs.nest.report_data import chip_data
    from qalgs.results import write_atomic

    write_atomic(folder / CHIP, json.dumps(chip_data(result.chip), allow_nan=False) + "\n")
    written = [
        write_atomic(folder / SUMMARY, json.dumps(summary(result), indent=2, allow_nan=False) + "\n"),
        write_atomic(folder / TABLE, as_csv(result.table())),
    ]
    if plots:
        from qalgs.nest.plots import figures

        (folder / "plots").mkdir(exist_ok=True)
        for name, draw in figures(result).items():
            buffer = io.BytesIO()
            draw().savefig(buffer, format=plots, dpi=120, metadata={"Date": None} if plots == "svg" else None)
            written.append(write_atomic(folder / "plots" / f"{name}.{plots}", buffer.getvalue()))
    return written


def summary(result: CampaignResult) -> dict[str, Any]:
    """Return the whole result with one flat table, as JSON values."""
    from qalgs.results import jsonable

    return {**result.to_dict(), "table": jsonable(result.table())}


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows of equal keys as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the summary of a finished run.

    Raises:
        LedgerError: If the folder holds none.
    """
    try:
        found: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except OSError as error:
        raise LedgerError(
            f"{folder} holds no finished run; finish it with 'qalgs nest resume {folder}'"
        ) from error
    except ValueError as error:
        raise LedgerError(
            f"{folder / SUMMARY} is damaged; write it again with 'qalgs nest resume {folder}'"
        ) from error
    return found
