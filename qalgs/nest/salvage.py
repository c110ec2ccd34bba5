"""What can still be read of a damaged ledger, as a ledger from which the run resumes.

SQLite stores rows in the order of their keys. A damaged page makes a scan from the front stop at some row and a
scan from the back at a later one; what lies between is lost. A job's evaluations depend on all its earlier ones,
so of the jobs that the gap touches only the part before the gap is kept; the rest is evaluated again on resume.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qalgs.errors import InvalidInputError, LedgerError
from qalgs.results import Result

from .ledger import Ledger

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Salvaged(Result):
    """What became of a ledger.

    Attributes:
        path: The new ledger, in the old one's place.
        damaged: Where the old one is now.
        kept: Evaluations kept.
        dropped: Evaluations that could be read but rest on lost ones.
        whole: Whether nothing was damaged; the ledger was left alone then.
    """

    path: str
    damaged: str | None
    kept: int
    dropped: int
    whole: bool


def salvage(path: str | os.PathLike[str]) -> Salvaged:
    """Replace a damaged ledger by one that holds what can be trusted; the damaged file is kept beside it.

    Args:
        path: The ledger.

    Raises:
        LedgerError: If there is no ledger, or not even the campaign can be read.
        InvalidInputError: If the folder is not writable.
    """
    place = Path(path)
    if not place.is_file():
        raise LedgerError(f"there is no ledger at {place}; give the folder of a run")
    with contextlib.suppress(LedgerError), Ledger(place) as ledger:
        kept = sum(ledger.count(campaign) for campaign in ledger.campaigns())
        return Salvaged(path=str(place), damaged=None, kept=kept, dropped=0, whole=True)
    tables = _read(place)
    evaluations, dropped = _trusted(*tables["evaluations"])
    rows = {name: _both(*ends) for name, ends in tables.items() if name != "evaluations"}
    if not rows["campaigns"]:
        raise LedgerError(f"nothing can be read of ledger {place}; start the run anew in another folder")
    fresh = place.with_name(place.name + ".salvaged")
    fresh.unlink(missing_ok=True)
    try:
        _write(fresh, {**rows, "evaluations": evaluations})
        damaged = _aside(place)
        os.replace(fresh, place)
    except sqlite3.Error as error:
        raise LedgerError(f"ledger {place} cannot be salvaged: {error}; start anew in another folder") from error
    except OSError as error:
        raise InvalidInputError(f"cannot write {fresh}: {error.strerror}; make the folder writable") from error
    return Salvaged(path=str(place), damaged=str(damaged), kept=len(evaluations), dropped=dropped, whole=False)


_KEYS = {
    "campaigns": ("id",),
    "evaluations": ("campaign", "job", "cycle", "evaluation"),
    "parts": ("campaign", "job", "cycle", "evaluation"),
    "submissions": ("campaign", "step", "attempt"),
    "cells": ("key",),
}


def _read(path: Path) -> dict[str, tuple[list[Row], list[Row]]]:
    """Return, by table, the rows readable from the front and those readable from the back, both in key order."""
    found = {}
    database = sqlite3.connect(path, timeout=60)
    try:
        for table, key in _KEYS.items():
            ends = []
            for direction in ("ASC", "DESC"):
                order = ", ".join(f"{column} {direction}" for column in key)
                ends.append(_scan(database, f"SELECT * FROM {table} ORDER BY {order}"))
            found[table] = (ends[0], ends[1][::-1])
    finally:
        database.close()
    return found


def _scan(database: sqlite3.Connection, query: str) -> list[Row]:
    rows: list[Row] = []
    with contextlib.suppress(sqlite3.Error):
        for row in database.execute(query):
            rows.append(row)
    return rows


def _both(front: list[Row], back: list[Row]) -> list[Row]:
    """Join two scans; rows are compared whole, so that an overlap counts once."""
    return list(dict.fromkeys([*front, *back]))


def _trusted(front: list[Row], back: list[Row]) -> tuple[list[Row], int]:
    """Return the evaluations whose predecessors are all there, and how many others could be read."""
    if front and front[-1] == (back[-1] if back else None):
        return front, 0
    seen = set(front)
    beyond = [row for row in back if row not in seen]
    touched = {front[-1][:2]} if front else set()
    jobs: dict[tuple[Any, Any], list[Row]] = {}
    for row in beyond:
        jobs.setdefault(row[:2], []).append(row)
    kept = list(front)
    for job, rows in jobs.items():
        if job not in touched and rows[0][2:4] == (0, 0):
            kept += rows
    return kept, len(front) + len(beyond) - len(kept)


def _write(path: Path, tables: dict[str, list[Row]]) -> None:
    with Ledger(path):
        pass
    database = sqlite3.connect(path)
    try:
        with database:
            for table in _KEYS:
                rows = tables[table]
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    """Move a database and its companions to names that are free."""
    number = 0
    while (target := path.with_name(f"{path.name}.damaged{number or ''}")).exists():
        number += 1
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(path.with_name(path.name + suffix), target.with_name(target.name + suffix))
    os.replace(path, target)
    return target
