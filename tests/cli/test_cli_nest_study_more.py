"""Studies from the shell: progress, verdicts, reports of studies, other devices, and folders that fail."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from qalgs.cli import main
from qalgs.cli.runfolder import opened
from qalgs.errors import LedgerError
from qalgs.nest import Ledger, Study
from qalgs.nest.report_html import write_folder_report
from qalgs.nest.study_result import CellOutcome, StudyResult

Capture = pytest.CaptureFixture[str]
CONTROL = "BestMapRestarts"
JOBS = """\
[device]
name = "fake_guadalupe"
[campaign]
seed = 3
shots = 16
evals_per_cycle = 3
[schedule]
cycles = 2
esp_min = 0.7
esp_max = "best"
[[job]]
id = "chain"
kind = "vqe"
hamiltonian = { model = "tfim", n = 2 }
reps = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(JOBS)
    return path


def run(*arguments: object) -> int:
    return main(["nest", *map(str, arguments)])


def test_every_cell_of_a_study_has_its_line(file: Path, capsys: Capture) -> None:
    out = file.parent / "out"
    command = ("compare", file, "--strategies", "Nest", "--seeds", 3, "--out", out)
    assert run(*command) == 0
    first = capsys.readouterr()
    lines = first.err.splitlines()
    assert [line.split("]")[0] for line in lines] == [f"[{i}/6" for i in range(1, 7)]
    table = json.loads((out / "table.json").read_text())
    with Ledger(out / "study.sqlite", read_only=True) as ledger:
        energies = {(c["strategy"], c["seed"]): c["jobs"][0]["reference"] for c in ledger.cells()}
    for line, (strategy, seed) in zip(lines, [(n, s) for s in (3, 4, 5) for n in ("Nest", CONTROL)], strict=True):
        assert f"fake_guadalupe {strategy} seed {seed}: chain {energies[strategy, seed]:+.4f} (" in line
    # Four cells say how long one takes; before that there is no estimate.
    assert [line.endswith("(starting)") for line in lines] == [True] * 4 + [False] * 2
    assert lines[-1].endswith("(ETA 0 s)")
    assert first.out.rstrip().endswith(f"wrote {out / 'table.json'}, table.csv, summary.md and report.html")
    assert run(*command) == 0
    again = capsys.readouterr()
    assert all(line.endswith("(recorded)") for line in again.err.splitlines())
    assert json.loads((out / "table.json").read_text()) == table
    assert run("report", out, "--out", out / "own.html", "--title", "own") == 0
    # A study's page draws the runs of its first seed, as the study itself did.
    assert f"{out / 'own.html'}: 2 runs, " in capsys.readouterr().out
    shown, own = (content(out / name) for name in ("report.html", "own.html"))
    assert shown["comparison"] == own["comparison"]
    assert [r["strategy"] for r in shown["comparison"][0]["rows"]] == ["Nest", CONTROL]
    assert run("compare", file, "--strategies", "Nest", "--seeds", 1, "-q") == 0
    assert "wrote " not in capsys.readouterr().out


def content(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def outcome(strategy: str, seed: int, energies: dict[str, float]) -> CellOutcome:
    jobs = [
        {
            "job": name,
            "strategy": strategy,
            "reference": energy,
            "noiseless": energy,
            "gap": None,
            "gap_to_baseline": None,
            "spectral_width": 2.0,
            "evaluations": 4,
            "converged_after": None,
            "esp_last": 0.5,
            "jumps": 0,
            "seconds": 8.0,
            "converged_seconds": None,
            "progress_seconds": [2.0, 8.0],
            "progress_evaluations": [1, 4],
            "progress_energies": [energy + 1.0, energy],
        }
        for name, energy in energies.items()
    ]
    return CellOutcome(payload={"device": "chip", "strategy": strategy, "seed": seed, "jobs": jobs})


def test_verdicts_follow_the_interval(file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference is called one where its whole interval lies on one side of zero."""
    outcomes = []
    for seed in range(6):
        wave = 0.1 * (-1) ** seed
        outcomes.append(outcome("Nest", seed, {"low": -1.0 + wave, "high": 1.0 + wave, "same": wave}))
        outcomes.append(outcome(CONTROL, seed, {"low": 0.0, "high": 0.0, "same": 0.0}))
    made = StudyResult(outcomes=tuple(outcomes), control=CONTROL, baseline="BestMap")
    monkeypatch.setattr(Study, "run", lambda self, **options: made)
    assert run("compare", file, "--strategies", "Nest", "-q") == 0
    printed = capsys.readouterr().out
    said = dict(re.findall(rf"^(\w+) on chip: Nest - {CONTROL} = .* over 6 seeds: (.*)$", printed, re.MULTILINE))
    assert said == {
        "low": f"below {CONTROL}",
        "high": f"above {CONTROL}",
        "same": f"not distinguishable from {CONTROL}",
    }


def test_without_nest_there_is_nothing_published_to_compare_with(file: Path, capsys: Capture) -> None:
    command = ("study", file, "--devices", "fake_guadalupe", "--strategies", "BestMap", "--seeds", 1, "-q")
    assert run(*command) == 0
    printed = capsys.readouterr().out
    assert "mean over devices" in printed
    assert "as published" not in printed


def test_folders_of_a_control_are_compared_with_the_baseline_alone(file: Path, capsys: Capture) -> None:
    """Two folders: each run is read, the control's own folder serves both."""
    folders = [file.parent / name for name in ("nest", "control")]
    for folder, strategy in zip(folders, ("nest", "best-map-restarts"), strict=True):
        assert run("run", file, "--out", folder, "--strategy", strategy, "--plots", "none", "-q") == 0
    capsys.readouterr()
    assert run("compare", *folders, "-q", "--json") == 0
    table = json.loads(capsys.readouterr().out)["table"]
    assert [(row["strategy"], row["seeds"]) for row in table] == [("Nest", 1), (CONTROL, 1), ("BestMap", 1)]
    for row, folder in zip(table, folders, strict=False):
        summary = json.loads((folder / "summary.json").read_text())
        assert row["reference"] == summary["table"][0]["reference"]


def test_unfinished_studies_and_damaged_runs_are_named(file: Path, capsys: Capture) -> None:
    place = file.parent / "empty"
    place.mkdir()
    with Ledger(place / "study.sqlite"):
        pass
    assert run("report", place) == 2
    text = f"error: {place} holds no finished run; run the same command again to continue it"
    assert capsys.readouterr().err.strip() == text
    out = file.parent / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q") == 0
    capsys.readouterr()
    settings, summary = (out / name for name in ("run.json", "summary.json"))
    kept = summary.read_text()
    for made, text in (
        ("{", f"{summary} is damaged; write it again with 'qalgs nest resume {out}'"),
        (None, f"{out} holds no finished run; finish it with 'qalgs nest resume {out}'"),
    ):
        if made is None:
            summary.unlink()
        else:
            summary.write_text(made)
        assert run("compare", out, "-q") == 2
        assert capsys.readouterr().err.strip() == f"error: {text}"
    summary.write_text(kept)
    settings.write_text("[")
    assert run("resume", out) == 2
    text = f"error: {settings} is damaged; start the run anew in another folder"
    assert capsys.readouterr().err.strip() == text


def test_a_damaged_study_is_salvaged(file: Path, capsys: Capture) -> None:
    out = file.parent / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q") == 0
    capsys.readouterr()
    assert run("salvage", out) == 0
    assert "is whole: " in capsys.readouterr().out
    ledger = out / "ledger.sqlite"
    # A file of an earlier rescue keeps its name.
    for aside in ("ledger.sqlite.damaged", "ledger.sqlite.damaged1"):
        data = ledger.read_bytes()
        ledger.write_bytes(data[: len(data) // 2] + b"\xff" * (len(data) - len(data) // 2))
        capsys.readouterr()
        assert run("salvage", out) == 0
        printed = capsys.readouterr().out
        assert re.match(
            r"kept \d+ evaluations, dropped \d+ that rest on lost ones; the damaged ledger is ", printed
        )
        assert f"{out / aside}; go on with 'qalgs nest resume {out}'" in printed
        assert (out / aside).read_bytes().endswith(b"\xff" * 4096)
        assert run("resume", out, "--plots", "none", "-q") == 0


def test_pages_about_folders_are_those_of_the_command(file: Path, capsys: Capture) -> None:
    out = file.parent / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q") == 0
    assert run("report", out, "--title", "one run") == 0
    page = write_folder_report([out], file.parent / "page.html", title="one run")
    assert page.read_bytes() == (out / "report.html").read_bytes()
    (out / "summary.json").write_text("[]")
    with pytest.raises(LedgerError, match=r"summary\.json is damaged; write it again with "):
        write_folder_report([out], page)


def test_a_batch_on_another_device(file: Path, capsys: Capture) -> None:
    file.write_text(JOBS + JOBS.split("[[job]]")[1].join(["[[job]]", ""]).replace("chain", "other"))
    assert run("batch", file, "--device", "fake_nairobi", "--seeds", 1, "--fast", "-q") == 0
    assert capsys.readouterr().out.startswith("2 jobs on fake_nairobi: ")


def test_folders_without_permission(file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = file.parent / "locked"
    locked.mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked and real(path, mode))
    out = locked / "deep" / "out"
    assert run("run", file, "--out", out) == 2
    text = f"error: cannot write {out}: no permission in {locked}; choose another --out"
    assert capsys.readouterr().err.strip() == text
    assert not any(locked.iterdir())


def test_folders_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"^refused$"), opened(tmp_path / "a" / "b"):
        raise LedgerError("refused")
    assert not (tmp_path / "a").exists()
    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "a" / "b") as folder:
        stopped_after_writing(folder / "kept")
    assert (tmp_path / "a" / "b" / "kept").exists()


def stopped_after_writing(path: Path) -> None:
    path.touch()
    raise KeyboardInterrupt
