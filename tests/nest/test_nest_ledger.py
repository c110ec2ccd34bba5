from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qalgs.errors import InvalidInputError, LedgerError
from qalgs.nest.ledger import Evaluation, Ledger, content_hash, differences, exclusive, replayed

SPEC = {"seed": 7, "jobs": [{"name": "a", "shots": 100}], "x": 0.1}


def made(index: int, *, job: str = "a", cycle: int = 0, value: float | None = None) -> Evaluation:
    rng = np.random.default_rng([index, cycle])
    return Evaluation(
        job=job,
        cycle=cycle,
        evaluation=index,
        point=rng.normal(size=3),
        value=rng.normal() if value is None else value,
        std=0.1,
        shots=64,
        seed_key=f"shots/{job}/{cycle}/{index}",
        gradient=rng.normal(size=3) if index % 2 else None,
    )


def test_entries_come_back_bit_by_bit(tmp_path: Path) -> None:
    entries = [made(i, value=v) for i, v in enumerate([0.1 + 0.2, -1e-308, 5e-324, np.pi])]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.record(campaign, reversed(entries))
    with Ledger(tmp_path / "l.sqlite", read_only=True) as ledger:
        found = ledger.evaluations(campaign)
        assert ledger.campaigns() == {campaign: SPEC}
        assert ledger.count(campaign) == 4
    for ours, theirs in zip(entries, found, strict=True):
        assert np.array_equal(ours.point, theirs.point)
        assert (ours.value, ours.std, ours.shots, ours.seed_key) == (
            theirs.value,
            theirs.std,
            theirs.shots,
            theirs.seed_key,
        )
        if ours.gradient is None or theirs.gradient is None:
            assert ours.gradient is theirs.gradient
        else:
            assert np.array_equal(ours.gradient, theirs.gradient)


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.record(campaign, [made(0)])
        with pytest.raises(LedgerError, match="already holds this entry"):
            ledger.record(campaign, [made(1), made(0)])
        assert ledger.count(campaign) == 1


def test_another_campaign_is_refused_naming_what_differs(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        first = ledger.open_campaign(SPEC, {}, alone=True)
        assert ledger.open_campaign(dict(reversed(SPEC.items())), {}, alone=True) == first
        changed = {**SPEC, "jobs": [{"name": "a", "shots": 200}]}
        with pytest.raises(LedgerError, match=r"jobs\[0\]\.shots differ; resume with the file"):
            ledger.open_campaign(changed, {}, alone=True)
        assert ledger.open_campaign(changed, {}) != first
        assert len(ledger.campaigns()) == 2


def test_decisions_are_final() -> None:
    with Ledger() as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.record_cycle(campaign, "a", 0, {"layout": [1, 2], "esp": 0.5})
        ledger.record_cycle(campaign, "a", 0, {"esp": 0.5, "layout": [1, 2]})
        with pytest.raises(LedgerError, match="another cycle 0 of job a: esp differ"):
            ledger.record_cycle(campaign, "a", 0, {"layout": [1, 2], "esp": 0.6})


def test_the_digest_sees_values_and_not_times_or_order(tmp_path: Path) -> None:
    digests = []
    for name, order in (("1", (0, 1, 2)), ("2", (2, 0, 1))):
        with Ledger(tmp_path / name) as ledger:
            campaign = ledger.open_campaign(SPEC, {"qalgs": name})
            for i in order:
                ledger.record(campaign, [made(i)])
            digests.append(ledger.digest())
            assert all(json.loads(line)["campaign"] == campaign for line in ledger.export())
    assert digests[0] == digests[1]
    with Ledger() as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        last = made(2)
        ledger.record(campaign, [made(0), made(1), made(2, value=np.nextafter(last.value, 9))])
        assert ledger.digest() != digests[0]


def test_a_killed_writer_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from test_nest_ledger import SPEC, made\n"
        "from qalgs.nest.ledger import Ledger\n"
        "ledger = Ledger(sys.argv[1])\n"
        "campaign = ledger.open_campaign(SPEC, {})\n"
        "for i in range(5):\n"
        "    ledger.record(campaign, [made(i)])\n"
        "ledger._db.execute('BEGIN IMMEDIATE')\n"
        "ledger._db.execute('DELETE FROM evaluations')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "l.sqlite"
    done = subprocess.run([sys.executable, "-c", code, str(path), str(Path(__file__).parent)], check=False)
    assert done.returncode == -9
    with Ledger(path) as ledger:
        (campaign,) = ledger.campaigns()
        assert [e.evaluation for e in ledger.evaluations(campaign)] == list(range(5))


def test_a_damaged_page_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.record(campaign, [made(i) for i in range(200)])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 4096] = os.urandom(4096)
    path.write_bytes(raw)
    with pytest.raises(LedgerError, match="keep what can be read with 'qalgs nest salvage"):
        Ledger(path)
    path.write_bytes(b"not a database at all, but long enough to have a header" * 30)
    with pytest.raises(LedgerError, match=r"file is not a database; .* salvage"):
        Ledger(path)


def test_a_full_disk_is_reported_and_recoverable(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.record(campaign, [made(0)])
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LedgerError, match="full; free some space and resume"):
            ledger.record(campaign, [made(i) for i in range(1, 500)])
    with Ledger(path) as ledger:
        assert ledger.count(campaign) == 1
        ledger.record(campaign, [made(i) for i in range(1, 500)])
        assert ledger.count(campaign) == 500


def test_another_schema_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET value = '99'")
    db.commit()
    db.close()
    with pytest.raises(LedgerError, match="has schema 99, this version writes 1"):
        Ledger(path)
    with pytest.raises(LedgerError, match="no ledger"):
        Ledger(tmp_path / "none.sqlite", read_only=True)
    with pytest.raises(LedgerError, match="choose a writable folder"):
        Ledger(tmp_path / "absent" / "l.sqlite")


def test_submissions_keep_their_last_state() -> None:
    with Ledger() as ledger:
        campaign = ledger.open_campaign(SPEC, {})
        ledger.submission(campaign, "0/3", 0, "sent", remote="job-1")
        ledger.submission(campaign, "0/3", 0, "failed", note="time-out")
        ledger.submission(campaign, "0/3", 1, "done")
        assert ledger.submissions(campaign) == [
            ("0/3", 0, "failed", "job-1", "time-out"),
            ("0/3", 1, "done", None, ""),
        ]


def test_replay_demands_the_same_points() -> None:
    record = [made(0), made(1)]
    assert replayed(record, 1, record[1].point) is record[1]
    assert replayed(record, 2, record[1].point) is None
    with pytest.raises(LedgerError, match="evaluation 1 of job a, cycle 0 at another point"):
        replayed(record, 1, np.nextafter(record[1].point, 1))


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(InvalidInputError, match="in use by another run"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass
    with pytest.raises(InvalidInputError, match="choose a writable folder"), exclusive(tmp_path / "absent"):
        pass


def test_content_is_hashed_by_meaning() -> None:
    assert content_hash({"a": 1, "b": [1.0]}) == content_hash({"b": [1.0], "a": 1})
    assert differences({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}, "c": 0}) == ["a.b[1]", "c"]
