"""The ledger: a transactional SQLite file in which every evaluation is written once, before anyone builds on it.

A run that is killed at any moment resumes from it to the identical result: what is recorded is replayed, what is
missing is evaluated with the random stream that belongs to its key. :meth:`Ledger.digest` is the test of
"identical": it covers everything but wall-clock times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from qalgs.errors import InvalidInputError, LedgerError

from .content import canonical as canonical
from .content import content_hash as content_hash
from .content import differences as differences
from .records import Evaluation as Evaluation
from .records import Part as Part
from .records import replayed as replayed

SCHEMA_VERSION = 1
"""Raised with every change of the tables; a ledger of another version is refused, never guessed at."""

_PARTS = """
CREATE TABLE IF NOT EXISTS parts (
    campaign TEXT NOT NULL REFERENCES campaigns (id), job TEXT NOT NULL, cycle INTEGER NOT NULL,
    evaluation INTEGER NOT NULL, bases INTEGER NOT NULL, point BLOB NOT NULL, value REAL NOT NULL,
    variance REAL NOT NULL, shots INTEGER NOT NULL,
    PRIMARY KEY (campaign, job, cycle, evaluation)
) STRICT, WITHOUT ROWID
"""
"""Evaluations under way. A row ends with its evaluation, so ledgers of finished runs are the same without it."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE campaigns (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, spec TEXT NOT NULL, versions TEXT NOT NULL, created REAL NOT NULL
) STRICT;
CREATE TABLE cycles (
    campaign TEXT NOT NULL REFERENCES campaigns (id), job TEXT NOT NULL, cycle INTEGER NOT NULL,
    entry TEXT NOT NULL, recorded REAL NOT NULL,
    PRIMARY KEY (campaign, job, cycle)
) STRICT, WITHOUT ROWID;
CREATE TABLE evaluations (
    campaign TEXT NOT NULL REFERENCES campaigns (id), job TEXT NOT NULL, cycle INTEGER NOT NULL,
    evaluation INTEGER NOT NULL, point BLOB NOT NULL, value REAL NOT NULL, std REAL NOT NULL, gradient BLOB,
    shots INTEGER NOT NULL, seed_key TEXT NOT NULL, recorded REAL NOT NULL,
    PRIMARY KEY (campaign, job, cycle, evaluation)
) STRICT, WITHOUT ROWID;
CREATE TABLE cells (key TEXT PRIMARY KEY, payload TEXT NOT NULL, recorded REAL NOT NULL) STRICT;
CREATE TABLE submissions (
    campaign TEXT NOT NULL REFERENCES campaigns (id), step TEXT NOT NULL, attempt INTEGER NOT NULL,
    state TEXT NOT NULL, remote TEXT, note TEXT, recorded REAL NOT NULL,
    PRIMARY KEY (campaign, step, attempt)
) STRICT, WITHOUT ROWID;
"""


class Ledger:
    """An open ledger; use it as a context manager.

    Args:
        path: The SQLite file, created if absent; ``":memory:"`` keeps everything in this process.
        read_only: Open an existing file for reading.

    Raises:
        LedgerError: If the file cannot be opened, is damaged, or has another schema version.
    """

    def __init__(self, path: str | os.PathLike[str] = ":memory:", *, read_only: bool = False) -> None:
        self.path = os.fspath(path)
        if read_only and not Path(self.path).is_file():
            raise LedgerError(f"there is no ledger at {self.path}; give the folder of a run")
        with self._errors():
            if read_only:
                uri = f"{Path(self.path).absolute().as_uri()}?mode=ro"
                self._db = sqlite3.connect(uri, uri=True, timeout=60, isolation_level=None)
            else:
                self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            with self._errors():
                self._prepare(read_only)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, read_only: bool) -> None:
        if not read_only:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            with self.transaction():
                if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone():
                    for statement in _TABLES.split(";"):
                        self._db.execute(statement)
                    self._db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
                self._db.execute(_PARTS)
        check = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if check[0] != "ok":
            raise sqlite3.DatabaseError(check[0])
        row = self._db.execute("SELECT value FROM meta WHERE key='schema'").fetchone()
        if row is None or row[0] != str(SCHEMA_VERSION):
            found = "none" if row is None else row[0]
            raise LedgerError(
                f"ledger {self.path} has schema {found}, this version writes {SCHEMA_VERSION}; "
                "read it with the version that wrote it, or start in a new folder"
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"ledger {self.path} already holds this entry: {error}") from error
        except sqlite3.Error as error:
            text = " ".join(str(error).split())
            if "full" in text:
                remedy = "free some space and resume; nothing recorded is lost"
            elif "readonly" in text or "unable to open" in text:
                remedy = "choose a writable folder"
            elif "locked" in text:
                remedy = "wait for the other run to end"
            elif "disk i/o" in text.lower():
                remedy = "check the disk (space, quota, permissions) and resume; nothing recorded is lost"
            else:
                folder = Path(self.path).parent
                remedy = f"keep what can be read with 'qalgs nest salvage {folder}', then resume"
            raise LedgerError(f"ledger {self.path} cannot be used: {text}; {remedy}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside is in the file afterwards, or none of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def open_campaign(self, spec: Mapping[str, Any], versions: Mapping[str, str], *, alone: bool = False) -> str:
        """Return the id of the campaign that ``spec`` describes, writing it on first use.

        Args:
            spec: Everything that determines the result, as JSON values.
            versions: Versions of the libraries, for the record.
            alone: Refuse a ledger that holds another campaign.

        Raises:
            LedgerError: If ``alone`` and the ledger belongs to another campaign; names what differs.
        """
        sha = content_hash(spec)
        with self._errors(), self.transaction():
            rows = self._db.execute("SELECT id, sha256, spec FROM campaigns ORDER BY created").fetchall()
            for identity, found, _ in rows:
                if found == sha:
                    return str(identity)
            if alone and rows:
                changed = differences(json.loads(rows[0][2]), json.loads(canonical(spec)))
                shown = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
                raise LedgerError(
                    f"ledger {self.path} belongs to campaign {rows[0][0]}, not to this one: {shown} differ; "
                    "resume with the file it was started with, or choose another folder"
                )
            values = (sha[:16], sha, canonical(spec), canonical(dict(versions)), time.time())
            self._db.execute("INSERT INTO campaigns VALUES (?, ?, ?, ?, ?)", values)
        return sha[:16]

    def campaigns(self) -> dict[str, dict[str, Any]]:
        """Return the specifications of all campaigns by id, oldest first."""
        with self._errors():
            rows = self._db.execute("SELECT id, spec FROM campaigns ORDER BY created, id").fetchall()
        return {identity: json.loads(spec) for identity, spec in rows}

    def record(self, campaign: str, evaluations: Iterable[Evaluation], parts: Iterable[Part] = ()) -> None:
        """Write evaluations in one transaction; what was known of their parts goes.

        Args:
            campaign: Its id.
            evaluations: Complete evaluations.
            parts: Evaluations under way, replacing what was known of them.

        Raises:
            LedgerError: If one of them is already there (nothing is written then), or the disk is full.
        """
        rows = [
            (
                campaign,
                e.job,
                e.cycle,
                e.evaluation,
                np.asarray(e.point, dtype="<f8").tobytes(),
                float(e.value),
                float(e.std),
                None if e.gradient is None else np.asarray(e.gradient, dtype="<f8").tobytes(),
                int(e.shots),
                e.seed_key,
                time.time(),
            )
            for e in evaluations
        ]
        under_way = [
            (
                *(campaign, p.job, p.cycle, p.evaluation, p.bases, np.asarray(p.point, dtype="<f8").tobytes()),
                *(float(p.value), float(p.variance), int(p.shots)),
            )
            for p in parts
        ]
        ended = [row[:4] for row in rows]
        with self._errors(), self.transaction():
            self._db.executemany("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany(
                "DELETE FROM parts WHERE campaign = ? AND job = ? AND cycle = ? AND evaluation = ?", ended
            )
            self._db.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", under_way)

    def parts(self, campaign: str, job: str, cycle: int) -> dict[int, Part]:
        """Return the evaluations of a job's cycle that are under way, by index."""
        text = (
            "SELECT evaluation, bases, point, value, variance, shots FROM parts "
            "WHERE campaign = ? AND job = ? AND cycle = ?"
        )
        with self._errors():
            rows = self._db.execute(text, (campaign, job, cycle)).fetchall()
        return {
            r[0]: Part(
                job=job,
                cycle=cycle,
                evaluation=r[0],
                bases=r[1],
                point=np.frombuffer(r[2], dtype="<f8").astype(np.float64),
                value=r[3],
                variance=r[4],
                shots=r[5],
            )
            for r in rows
        }

    def evaluations(self, campaign: str, job: str | None = None, cycle: int | None = None) -> list[Evaluation]:
        """Return the recorded evaluations in order of (job, cycle, evaluation), optionally of one job or cycle."""
        text = (
            "SELECT job, cycle, evaluation, point, value, std, gradient, shots, seed_key FROM evaluations "
            "WHERE campaign = ? AND (? IS NULL OR job = ?) AND (? IS NULL OR cycle = ?) "
            "ORDER BY job, cycle, evaluation"
        )
        with self._errors():
            rows = self._db.execute(text, (campaign, job, job, cycle, cycle)).fetchall()
        return [
            Evaluation(
                job=r[0],
                cycle=r[1],
                evaluation=r[2],
                point=np.frombuffer(r[3], dtype="<f8").astype(np.float64),
                value=r[4],
                std=r[5],
                gradient=None if r[6] is None else np.frombuffer(r[6], dtype="<f8").astype(np.float64),
                shots=r[7],
                seed_key=r[8],
            )
            for r in rows
        ]

    def count(self, campaign: str) -> int:
        """Return how many evaluations of the campaign are recorded."""
        with self._errors():
            row = self._db.execute("SELECT COUNT(*) FROM evaluations WHERE campaign = ?", (campaign,)).fetchone()
        return int(row[0])

    def record_cycle(self, campaign: str, job: str, cycle: int, entry: Mapping[str, Any]) -> None:
        """Write what was decided for one cycle of one job; writing the same again changes nothing.

        Raises:
            LedgerError: If another decision is recorded.
        """
        text = canonical(dict(entry))
        with self._errors(), self.transaction():
            row = self._db.execute(
                "SELECT entry FROM cycles WHERE campaign = ? AND job = ? AND cycle = ?", (campaign, job, cycle)
            ).fetchone()
            if row is None:
                values = (campaign, job, cycle, text, time.time())
                self._db.execute("INSERT INTO cycles VALUES (?, ?, ?, ?, ?)", values)
            elif row[0] != text:
                changed = ", ".join(differences(json.loads(row[0]), json.loads(text)))
                raise LedgerError(
                    f"ledger {self.path} records another cycle {cycle} of job {job}: {changed} differ; "
                    "resume with the versions it was started with, or choose another folder"
                )

    def cycles(self, campaign: str) -> list[tuple[str, int, dict[str, Any]]]:
        """Return ``(job, cycle, entry)`` in order of job and cycle."""
        with self._errors():
            rows = self._db.execute(
                "SELECT job, cycle, entry FROM cycles WHERE campaign = ? ORDER BY job, cycle", (campaign,)
            ).fetchall()
        return [(job, cycle, json.loads(entry)) for job, cycle, entry in rows]

    def put_cell(self, key: str, payload: Mapping[str, Any]) -> None:
        """Write the outcome of one cell of a study; a cell that is there already stays as it is."""
        with self._errors(), self.transaction():
            values = (key, canonical(dict(payload)), time.time())
            self._db.execute("INSERT INTO cells VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)

    def cell(self, key: str) -> dict[str, Any] | None:
        """Return the outcome of a cell, or None if it has not been run."""
        with self._errors():
            row = self._db.execute("SELECT payload FROM cells WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def cells(self) -> list[dict[str, Any]]:
        """Return the outcomes of all cells in the order they were written."""
        with self._errors():
            rows = self._db.execute("SELECT payload FROM cells ORDER BY recorded, key").fetchall()
        return [json.loads(payload) for (payload,) in rows]

    def copy_from(self, path: str | os.PathLike[str]) -> None:
        """Replace everything by the content of another ledger, which is only read."""
        with Ledger(path, read_only=True) as other, self._errors():
            other._db.backup(self._db)

    def submission(
        self, campaign: str, step: str, attempt: int, state: str, *, remote: str | None = None, note: str = ""
    ) -> None:
        """Write the state of one submission ("sent", "done", "failed"), replacing its earlier state."""
        with self._errors(), self.transaction():
            self._db.execute(
                "INSERT INTO submissions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "state = excluded.state, remote = COALESCE(excluded.remote, remote), note = excluded.note, "
                "recorded = excluded.recorded",
                (campaign, step, attempt, state, remote, note, time.time()),
            )

    def submissions(self, campaign: str) -> list[tuple[str, int, str, str | None, str]]:
        """Return ``(step, attempt, state, remote id, note)`` of every submission in the order they were made."""
        with self._errors():
            return self._db.execute(
                "SELECT step, attempt, state, remote, note FROM submissions WHERE campaign = ? "
                "ORDER BY recorded, step, attempt",
                (campaign,),
            ).fetchall()

    def export(self) -> Iterator[str]:
        """Yield everything but submissions as JSON lines in the order of their keys, without any times."""
        with self._errors():
            for identity, spec in self._db.execute("SELECT id, spec FROM campaigns ORDER BY id").fetchall():
                yield canonical({"campaign": identity, "spec": json.loads(spec)})
                for job, cycle, entry in self.cycles(identity):
                    yield canonical({"campaign": identity, "job": job, "cycle": cycle, "entry": entry})
                for e in self.evaluations(identity):
                    yield canonical(
                        {
                            "campaign": identity,
                            "job": e.job,
                            "cycle": e.cycle,
                            "evaluation": e.evaluation,
                            "point": [x.hex() for x in e.point.tolist()],
                            "value": e.value.hex(),
                            "std": e.std.hex(),
                            "gradient": None if e.gradient is None else [x.hex() for x in e.gradient.tolist()],
                            "shots": e.shots,
                            "seed_key": e.seed_key,
                        }
                    )
            for key, payload in self._db.execute("SELECT key, payload FROM cells ORDER BY key").fetchall():
                yield canonical({"cell": key, "payload": json.loads(payload)})

    def digest(self) -> str:
        """Return the SHA-256 of :meth:`export`; equal for two runs exactly if nothing but times differs."""
        found = hashlib.sha256()
        for line in self.export():
            found.update(line.encode() + b"\n")
        return found.hexdigest()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged when the last user closes."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a run folder alone; the lock ends with the process, however it ends.

    Raises:
        InvalidInputError: If another process runs in the folder, or the folder is not writable.
    """
    target = Path(folder) / ".lock"
    try:
        handle = target.open("a")
    except OSError as error:
        raise InvalidInputError(f"cannot write {target}: {error.strerror}; choose a writable folder") from error
    with handle:
        try:
            import fcntl
        except ImportError:  # no advisory locks on this system: SQLite's own locks remain
            yield
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidInputError(
                f"folder {os.fspath(folder)} is in use by another run; wait for it or choose another folder"
            ) from error
        yield
