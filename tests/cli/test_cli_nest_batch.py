from __future__ import annotations

import json
from pathlib import Path

import pytest

from qalgs.cli import main
from qalgs.cli.jobsfile import load_jobs
from qalgs.nest import Ledger
from qalgs.nest.requests import count_bases

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
[device]
name = "fake_guadalupe"
[campaign]
shots = 64
evals_per_cycle = 4
[schedule]
kind = "linear"
cycles = 3
[plan]
fidelity = 0.9
"""
JOB = '[[job]]\nid = "tfim-{i}"\nkind = "vqe"\nhamiltonian = {{ model = "tfim", n = 4, h = {i}.0 }}\nreps = 1\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "batch.toml"
    path.write_text(HEAD + "".join(JOB.format(i=i) for i in range(1, 5)))
    return path


def run(*arguments: object) -> int:
    return main(["nest", *map(str, arguments)])


def test_a_planned_batch_is_compared_with_one_after_another(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "out"
    assert run("batch", file, "--seeds", 2, "--out", out, "-q") == 0
    text = capsys.readouterr().out
    assert "machine time:" in text
    assert "of the spectral range" in text
    assert run("batch", file, "--seeds", 2, "--out", out, "-q", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["jobs"], found["seeds"]) == (4, 2)
    assert found["slots"] >= found["bound"] >= 3
    assert found["final_ratio"] >= 0.9
    assert 1 < found["ratio"]["low"] <= found["ratio"]["best"] <= 4 + 1e-9
    assert found["serial_seconds"] == pytest.approx(found["ratio"]["best"] * found["planned_seconds"], rel=0.05)
    assert set(found["by_job"]) == {f"tfim-{i}" for i in range(1, 5)}
    with Ledger(out / "study.sqlite", read_only=True) as ledger:
        cells = ledger.cells()
    assert len(cells) == 2 * 5
    by_hand = [
        sum(
            (job["reference"] - serial["reference"]) / job["spectral_width"]
            for job in planned["jobs"]
            for cell in cells
            if cell["strategy"] == "serial" and cell["seed"] == planned["seed"]
            for serial in cell["jobs"]
            if serial["job"] == job["job"]
        )
        / 4
        for planned in cells
        if planned["strategy"] == "planned"
    ]
    assert found["loss"]["best"] == pytest.approx(sum(by_hand) / 2)


def test_a_planned_run_resumes_and_staggers(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    slots = {(c["slot"], c["cycle"]) for job in found["jobs"] for c in job["cycles"]}
    assert max(slot for slot, _ in slots) > 2
    (out / "summary.json").unlink()
    assert run("resume", out, "--plots", "none", "-q", "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    assert run("report", out) == 0
    page = (out / "report.html").read_text()
    assert '"slots"' in page


def test_planning_can_be_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("[plan]\nfidelity = 0.9\n", ""))
    out = file.parent / "out"
    arguments = ("run", file, "--plots", "none", "-q", "--json")
    assert run(*arguments, "--out", out) == 2
    assert "job 'tfim-" in capsys.readouterr().err
    assert run(*arguments, "--out", out, "--plan") == 0
    first = json.loads(capsys.readouterr().out)["digest"]
    assert run("resume", out, "--plots", "none", "-q", "--json") == 0
    assert json.loads(capsys.readouterr().out)["digest"] == first


def test_the_example_batch_is_twelve_jobs_of_two_sizes() -> None:
    jobs = load_jobs(ROOT / "examples" / "batch.toml").jobs(fast=True)
    assert sorted(job.num_qubits for job in jobs) == [4] * 6 + [6] * 6
    mixed = load_jobs(ROOT / "examples" / "batch_mixed.toml").jobs()
    assert len(mixed) == 12
    assert {job.num_qubits for job in mixed} == {4, 5, 6}
    assert {count_bases(job.observable) for job in mixed} == {1, 2, 3, 5}
    # Twelve jobs can be eight times quicker together only if none is longer than an eighth of all.
    circuits = [(job.evaluations or 36) * count_bases(job.observable) for job in mixed]
    assert sum(circuits) > 9 * max(circuits)
    study = load_jobs(ROOT / "examples" / "study.toml")
    assert len(study.models) >= 4
    assert study.head.campaign.seeds == 20
