"""The planning commands, in process: tables, JSON, files, and one line with exit code 2 for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qalgs.cli import main

TEXT = """\
[device]
name = "fake_guadalupe"
buffer = 1
crosstalk = { factor = 2.0, hops = 1 }

[campaign]
seed = 3
shots = 64
evals_per_cycle = 6

[schedule]
kind = "linear"
cycles = 3
esp_min = "0.8*best"
esp_max = "best"

[[job]]
id = "chain"
kind = "vqe"
hamiltonian = { model = "tfim", n = 3 }
reps = 1

[[job]]
id = "pair <b>"
kind = "vqe"
hamiltonian = { model = "tfim", n = 2 }
reps = 1
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(TEXT)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_layouts_of_a_file(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "layouts.svg"
    code, out, _ = run(capsys, "nest", "layouts", jobs, "--rows", 2, "--plot", picture)
    assert code == 0
    assert "chain: 40 layouts of 3 qubits on fake_guadalupe" in out
    assert "pair <b>: 32 layouts" in out
    assert picture.read_text().lstrip().startswith("<?xml")
    code, out, _ = run(capsys, "nest", "layouts", jobs, "--job", "chain", "--json")
    assert code == 0
    shown = json.loads(out)
    assert list(shown) == ["chain"]
    assert len(shown["chain"]["table"]) == 10
    assert shown["chain"]["esp"]["best"] == shown["chain"]["table"][0]["esp"]


def test_layouts_of_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "nest", "layouts", "-n", 6, "-d", "fake_brisbane", "--idle")
    assert code == 0
    assert "828 layouts of 6 qubits on fake_brisbane" in out


def test_schedule_preview(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "nest", "schedule", jobs, "--json")
    assert code == 0
    rows = json.loads(out)["cycles"]
    assert [r["cycle"] for r in rows] == [1, 2, 3] * 2
    assert all(r["miss"] == pytest.approx(abs(r["walk"] - r["target"])) for r in rows)
    picture = tmp_path / "targets.png"
    code, out, _ = run(
        capsys, "nest", "schedule", jobs, "--kind", "cosine", "--cycles", 5, "--esp-min", "0.5", "--plot", picture
    )
    assert code == 0
    assert "Cosine on fake_guadalupe" in out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_plan_prints_writes_and_repeats(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    code, out, _ = run(capsys, "nest", "plan", jobs, "--out", folder, "--frontier")
    assert code == 0
    assert "pair <b>" in out
    assert "slots (" in out
    assert "one after another" in out
    names = {p.name for p in folder.iterdir()}
    assert {"plan.json", "frontier.json", "gantt.svg", "targets.svg", "frontier.svg", "chip-01.svg"} <= names
    made = json.loads((folder / "plan.json").read_text())
    assert made["device"] == "fake_guadalupe"
    assert len(made["assignments"]) == 6
    code, out, _ = run(capsys, "nest", "plan", jobs, "--json")
    assert code == 0
    assert json.loads(out)["assignments"] == made["assignments"]


def test_plan_options(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "nest", "plan", jobs, "--slots", 3, "--crosstalk", "none", "--json")
    assert code == 0
    made = json.loads(out)
    assert made["slots"] == 3
    assert made["objective"] == "max_min_esp"
    code, out, _ = run(capsys, "nest", "plan", jobs, "--planner", "cpsat", "-f", 0.9, "--no-jumps", "--json")
    assert code == 0
    assert json.loads(out)["jumps"] == 0
    folder = tmp_path / "side"
    code, out, _ = run(capsys, "nest", "plan", jobs, "--together", "--out", folder, "--plots", "png")
    assert code == 0
    assert "side by side on fake_guadalupe" in out
    assert (folder / "chip-03.png").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("plan", "--device", "fake_athens", "--together"), "job 'pair <b>' must fit"),
        (("plan", "--device", "fake_armonk"), "job 'chain'"),
        (("plan", "--device", "fake_atlantis"), "must be a known backend"),
        (("plan", "--device", "fake_kyoto"), "all dead"),
        (("plan", "--fidelity", "nan"), "fidelity must be"),
        (("plan", "--slots", "2"), "must have at least 3 slots"),
        (("plan", "--slots", "9", "--fidelity", "0.9"), "--slots must not be combined"),
        (("plan", "--crosstalk", "loud"), "crosstalk must be"),
        (("plan", "--planner", "oracle"), "planner must be"),
        (("plan", "--plots", "bmp"), "--plots must be"),
        (("schedule", "--esp-min", "best", "--esp-max", "0.1"), "esp_min must not exceed"),
        (("schedule", "--esp-min", "nan"), "esp_min must be"),
        (("schedule", "--kind", "zigzag"), "schedule must be one of"),
        (("schedule", "--plot", "x.bmp"), "must end in .svg"),
        (("layouts", "--job", "nobody"), "--job must be one of"),
        (("layouts", "--qubits", "3"), "must be given a jobs file or --qubits"),
    ],
)
def test_one_line_and_exit_two(
    jobs: Path, arguments: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "nest", arguments[0], jobs, *arguments[1:])
    assert code == 2
    assert out == ""
    assert text in err
    assert len(err.strip().splitlines()) == 1


def test_unwritable_folder(jobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    code, _, err = run(capsys, "nest", "plan", jobs, "--out", blocked / "out")
    assert code == 2
    assert "cannot write" in err


def test_coherent_crosstalk_in_the_file(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.write_text(TEXT.replace("{ factor = 2.0, hops = 1 }", "{ zz = 5e4 }"))
    code, out, _ = run(capsys, "nest", "plan", jobs, "--buffer", 0, "--json")
    assert code == 0
    assert json.loads(out)["crosstalk"] == {"name": "zz", "rate": 5e4}
    jobs.write_text(TEXT.replace("{ factor = 2.0, hops = 1 }", "{ zz = -1.0 }"))
    code, _, err = run(capsys, "nest", "plan", jobs)
    assert code == 2
    assert "crosstalk" in err
