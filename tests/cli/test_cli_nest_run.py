from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qalgs.cli import main
from qalgs.cli.jobsfile import find_line, load_jobs, parse_jobs
from qalgs.cli.kinds import KINDS, read_graph
from qalgs.errors import InvalidInputError
from qalgs.nest import Ledger

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
[device]
name = "fake_guadalupe"

[campaign]
seed = 3
shots = 64
evals_per_cycle = 6

[schedule]
cycles = 2
esp_min = 0.7
esp_max = "best"

[[job]]
id = "chain"
kind = "vqe"
hamiltonian = { model = "tfim", n = 3 }
reps = 1

[[job]]
id = "cut <b>"
kind = "maxcut"
graph = [[0, 1], [1, 2, 0.5]]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jobs.toml"
    path.write_text(TEXT)
    return path


def run(*arguments: object) -> int:
    return main(["nest", *map(str, arguments)])


def digest(folder: Path) -> str:
    with Ledger(folder / "ledger.sqlite", read_only=True) as ledger:
        return ledger.digest()


def test_run_writes_a_complete_folder_and_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "deep" / "out"
    assert run("run", file, "--out", out) == 0
    printed = capsys.readouterr()
    assert "cut <b>" in printed.out
    assert "utilisation" in printed.out
    lines = [line for line in printed.err.splitlines() if "cycle" in line]
    assert [line.split(",")[0] for line in lines] == [
        "chain: cycle 1/2",
        "cut <b>: cycle 1/2",
        "chain: cycle 2/2",
        "cut <b>: cycle 2/2",
    ]
    assert all("ETA" in line and "ESP" in line for line in lines)
    found = json.loads((out / "summary.json").read_text())
    assert [row["job"] for row in found["table"]] == ["chain", "cut <b>"]
    assert found["digest"] == digest(out)
    with (out / "summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["reference"]) for row in rows] == [row["reference"] for row in found["table"]]
    plots = {path.name for path in (out / "plots").iterdir()}
    assert plots >= {
        "esp.svg",
        "energy.svg",
        "chip-1.svg",
        "chip-2.svg",
        "usage.svg",
        "energy-1.svg",
        "energy-2.svg",
    }
    assert all((out / "plots" / name).read_text().rstrip().endswith("</svg>") for name in plots)
    assert not [p for p in out.rglob("*") if p.name.startswith(".") and p.name != ".lock"]


def test_json_goes_to_stdout_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", file, "--out", file.parent / "out", "--json", "--plots", "none") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"] == "fake_guadalupe"
    assert not (file.parent / "out" / "plots").exists()


def test_the_same_command_continues_and_another_file_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "out"
    options = ("--out", out, "--plots", "none", "--quiet")
    assert run("run", file, *options[:-1], "--resume") == 0
    assert "nothing is recorded" in capsys.readouterr().err
    first, summary = digest(out), (out / "summary.json").read_bytes()
    (out / "summary.json").unlink()
    assert run("run", file, *options, "--resume") == 0
    assert (digest(out), (out / "summary.json").read_bytes()) == (first, summary)
    assert run("resume", out, "--plots", "none") == 0
    assert digest(out) == first
    capsys.readouterr()
    file.write_text(TEXT.replace("shots = 64", "shots = 65"))
    assert run("run", file, *options) == 2
    assert "jobs[0].shots, jobs[1].shots differ" in capsys.readouterr().err
    assert run("run", file, "--strategy", "best-map", *options) == 2
    assert (out / "summary.json").read_bytes() == summary
    assert run("resume", file.parent / "nowhere") == 2
    assert "holds no run" in capsys.readouterr().err


def test_workers_do_not_change_the_ledger(file: Path) -> None:
    for workers in (1, 2):
        out = file.parent / f"out{workers}"
        assert run("run", file, "--out", out, "--workers", workers, "--plots", "none", "-q") == 0
    assert digest(file.parent / "out1") == digest(file.parent / "out2")


def test_kill_9_and_resume_give_the_uninterrupted_summary(file: Path) -> None:
    whole, killed = file.parent / "whole", file.parent / "killed"
    assert run("run", file, "--out", whole, "--plots", "none", "-q") == 0
    code = (
        "import os, sys\n"
        "from qalgs.nest.ledger import Ledger\n"
        "record, seen = Ledger.record, []\n"
        "def dying(self, *arguments):\n"
        "    record(self, *arguments); seen.append(1)\n"
        "    if len(seen) == 8: os.kill(os.getpid(), 9)\n"
        "Ledger.record = dying\n"
        "from qalgs.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "nest", "run", str(file), "--out", str(killed), "-q"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (killed / "summary.json").exists()
    assert run("resume", killed, "--plots", "none", "-q") == 0
    assert (killed / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_interrupting_exits_130_and_keeps_what_was_measured(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "out"
    record, seen = Ledger.record, []

    def interrupted(self: Ledger, *arguments: object) -> None:
        record(self, *arguments)  # type: ignore[arg-type]
        seen.append(1)
        if len(seen) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "record", interrupted)
    assert run("run", file, "--out", out, "--plots", "none") == 130
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.undo()
    assert run("run", file, "--out", out, "--plots", "none") == 0
    assert "10 evaluations are recorded" in capsys.readouterr().err


BAD = {
    "device": ('name = "fake_guadalupe"', 'name = "fake_nowhere"', "fake_nowhere"),
    "broken device": ('name = "fake_guadalupe"', 'name = "fake_kyoto"', "fake_kyoto must have a coupler"),
    "qubits": ("n = 3", "n = 17", "job 'chain'"),
    "esp order": ('esp_max = "best"', "esp_max = 0.5", "esp_min must not exceed esp_max = 0.5"),
    "nan": ("esp_min = 0.7", "esp_min = nan", "jobs.toml:11: schedule.esp_min"),
    "esp range": ("esp_min = 0.7", "esp_min = 1.7", "jobs.toml:11: schedule.esp_min"),
    "malformed": ("[device]", "[device", "not TOML"),
    "negative": (
        "shots = 64",
        "shots = -1",
        "jobs.toml:6: campaign.shots must be greater than or equal to 0, got -1",
    ),
    "unknown key": ("reps = 1", "repz = 1", "jobs.toml:18: job[0].repz is not a key of this table"),
    "unknown kind": ('kind = "maxcut"', 'kind = "maxcat"', "jobs.toml:22: job[1].kind must be one of"),
    "missing": ('id = "chain"\n', "", "job[0].id is missing"),
    "twice": ('id = "cut <b>"', 'id = "chain"', "jobs.toml:21: job[1].id must be unique, got 'chain'"),
    "graph": ("graph = [[0, 1], [1, 2, 0.5]]", 'graph = "ring:x"', "graph must be like 'ring:6'"),
    "loop": ("graph = [[0, 1], [1, 2, 0.5]]", "graph = [[0, 0]]", "must have edges between different vertices"),
    "coupling": ("n = 3 }", "n = 3, j = inf }", "job[0].hamiltonian.j must be a finite number"),
    "strategy": ("seed = 3", 'seed = 3\nstrategy = "Nast"', "strategy must be one of Nest"),
    "optimiser": ("seed = 3", 'seed = 3\noptimizer = "Powell"', "optimizer must be one of Adam"),
    "schedule": ("cycles = 2", 'cycles = 2\nkind = "relu"', "schedule must be one of"),
    "no jobs": (TEXT[TEXT.index("[[job]]") :], "", "job is missing"),
    "both": ("n = 3 }", 'n = 3 }\nmolecule = "H2"', "exactly one of molecule and hamiltonian"),
    "molecule": ('hamiltonian = { model = "tfim", n = 3 }', 'molecule = "Xx9"', "Xx9"),
    "buffer": ('name = "fake_guadalupe"', 'name = "fake_guadalupe"\nbuffer = 9', "job 'c"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_files_end_in_one_line_and_nothing_written(
    case: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, expected = BAD[case]
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1))
    assert run("run", file, "--out", file.parent / "out") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("error: ")
    assert expected in printed.err
    assert [p.name for p in file.parent.iterdir()] == ["jobs.toml"]


def test_bad_qasm_and_missing_files_are_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qasm = '[device]\nname = "fake_guadalupe"\n[[job]]\nid = "q"\nkind = "qasm3"\nfile = "a.qasm"\n'
    file.write_text(qasm + "hamiltonian = { ZZ = 1.0 }\n")
    for text in (None, "OPENQASM 3; qubit[2 q;"):
        if text is not None:
            (file.parent / "a.qasm").write_text(text)
        assert run("run", file, "--out", file.parent / "out") == 2
        error = capsys.readouterr().err
        assert "a.qasm" in error
        assert "jobs.toml:3: job 'q'" in error
        assert len(error.splitlines()) == 1
    assert run("run", file.parent / "none.toml") == 2
    assert "cannot read" in capsys.readouterr().err
    assert not (file.parent / "out").exists()


def test_unwritable_folders_are_refused_before_any_work(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", file, "--out", file / "inside") == 2
    assert "is not a folder; choose another --out" in capsys.readouterr().err
    assert run("run", file, "--out", "/proc/nowhere") == 2
    assert "cannot write /proc/nowhere" in capsys.readouterr().err


def test_qasm_jobs_run(file: Path) -> None:
    (file.parent / "a.qasm").write_text(
        'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput angle[32] a;\nqubit[2] q;\nrx(a) q[0];\ncx q[0], q[1];\n'
    )
    file.write_text(
        '[device]\nname = "fake_guadalupe"\n[campaign]\nevals_per_cycle = 3\nshots = 32\n'
        '[[job]]\nid = "q"\nkind = "qasm3"\nfile = "a.qasm"\nhamiltonian = { ZZ = 1.0, IX = 0.5 }\n'
    )
    out = file.parent / "elsewhere" / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q", "--strategy", "BestMap") == 0
    assert json.loads((out / "summary.json").read_text())["table"][0]["strategy"] == "BestMap"


def test_fast_cuts_the_budget(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(
        TEXT.replace("evals_per_cycle = 6", "evals_per_cycle = 50").replace("shots = 64", "shots = 4000")
    )
    options = ("--plots", "none", "-q", "--json")
    assert run("run", file, "--out", file.parent / "a", "--fast", *options) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["jobs"][0]["evaluations"] == 16
    assert found["jobs"][1]["shots"] == found["jobs"][1]["evaluations"] * 256
    monkeypatch.setenv("QALGS_FAST", "1")
    assert run("run", file, "--out", file.parent / "b", *options) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == found["digest"]


def test_lines_are_found_in_any_style_of_toml() -> None:
    text = (
        '[device]\nname = "x"\n\n[[job]]\nid = "a"\n[job.optimizer]\nkind = "SPSA"\n[[job]]\n"id" = "b"\nshots=1\n'
    )
    assert find_line(text, "device.name") == 2
    assert find_line(text, "job[0].id") == 5
    assert find_line(text, "job[0].optimizer.kind") == 6
    assert find_line(text, "job[1].id") == 9
    assert find_line(text, "job[1].shots") == 10
    assert find_line(text, "job[1].absent") == 8
    assert find_line(text, "absent") is None


def test_strategies_share_the_files_schedule(file: Path) -> None:
    jobs = parse_jobs(TEXT, file, file.parent)
    for name in ("Nest", "NestJump", "Reversed", "BestMap", "BestMapRestarts", "RandomMap", "Qoncord"):
        assert jobs.strategy(name).length == 2
    with pytest.raises(InvalidInputError, match="strategy must be one of"):
        jobs.strategy("none")


@pytest.mark.parametrize(
    ("name", "edges"), [("ring:6", 6), ("path:4", 3), ("star:5", 4), ("complete:4", 6), ("ladder:6", 7)]
)
def test_graphs_by_name(name: str, edges: int, tmp_path: Path) -> None:
    assert read_graph(name, tmp_path).number_of_edges() == edges
    (tmp_path / "g.txt").write_text("3 5 2.0\n5 9 1.5\n")
    found = read_graph("g.txt", tmp_path)
    assert sorted(found.edges(data="weight")) == [(0, 1, 2.0), (1, 2, 1.5)]


def test_the_example_is_what_the_readme_promises() -> None:
    jobs = load_jobs(ROOT / "examples" / "jobs.toml")
    assert {model.kind for model in jobs.models} == {"vqe", "maxcut"}
    assert jobs.head.device.name == "fake_brisbane"
    campaign = jobs.campaign(fast=True)
    assert len(campaign.jobs) >= 3
    h2 = next(job for job in campaign.jobs if job.name == "H2")
    assert h2.exact == pytest.approx(-1.1372633, abs=1e-5)
    assert h2.baseline == pytest.approx(-1.1166512, abs=1e-5)
    assert set(KINDS) >= {"vqe", "maxcut", "qasm3"}


def test_compare_always_shows_the_control(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "cmp"
    arguments = ("compare", file, "--strategies", "Nest", "--seeds", 2, "--out", out, "-q")
    start = time.process_time()
    assert run(*arguments) == 0
    spent = time.process_time() - start
    text = capsys.readouterr().out
    assert "chain on fake_guadalupe: Nest - BestMapRestarts = " in text
    assert "over 2 seeds: too few seeds to tell" in text
    table = json.loads((out / "table.json").read_text())
    assert {(row["job"], row["strategy"], row["seeds"]) for row in table} == {
        (job, strategy, 2) for job in ("chain", "cut <b>") for strategy in ("Nest", "BestMapRestarts")
    }
    for row in table:
        assert (row["minus_control"] is None) == (row["strategy"] == "BestMapRestarts")
    start = time.process_time()
    assert run(*arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"] == table
    assert time.process_time() - start < max(spent, 1.0)
    assert "cut <b>" not in (out / "report.html").read_text()


def test_compare_reads_run_folders_and_adds_control_and_baseline(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = file.parent / "out"
    assert run("run", file, "--out", out, "--plots", "none", "-q") == 0
    before, summary = digest(out), json.loads((out / "summary.json").read_text())
    capsys.readouterr()
    assert run("compare", out, "-q", "--json") == 0
    table = json.loads(capsys.readouterr().out)["table"]
    assert [row["strategy"] for row in table if row["job"] == "chain"] == ["Nest", "BestMapRestarts", "BestMap"]
    assert table[0]["reference"] == summary["table"][0]["reference"]
    assert digest(out) == before


def test_studies_cover_the_grid_and_workers_do_not_matter(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("study", file, "--devices", "fake_guadalupe,fake_nairobi", "--strategies", "BestMap", "--fast")
    tables = []
    for workers in (1, 2):
        assert run(*arguments, "--workers", workers, "--seeds", 1, "-q", "--json") == 0
        tables.append(json.loads(capsys.readouterr().out)["table"])
    assert tables[0] == tables[1]
    cells = {(row["device"], row["job"], row["strategy"]) for row in tables[0]}
    assert len(cells) == 2 * 2 * 2
    assert {row["strategy"] for row in tables[0]} == {"BestMap", "BestMapRestarts"}


def test_a_study_ends_with_pooled_tables_and_headlines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = file.parent / "study"
    arguments = (
        "study",
        file,
        "--devices",
        "fake_guadalupe",
        "--strategies",
        "Nest,BestMap",
        "--seeds",
        2,
        "--fast",
    )
    assert run(*arguments, "--out", out, "-q") == 0
    text = capsys.readouterr().out
    assert "mean over devices" in text
    assert "12.7 % fewer" in text
    assert "| cut <b> | Nest |" in (out / "summary.md").read_text()
    assert run(*arguments, "--out", out, "-q", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {(h["rival"], h["quantity"]) for h in found["headlines"]} >= {
        ("BestMap", "cost"),
        ("BestMap", "energy"),
    }
    assert {p["strategy"] for p in found["pooled"]} == {"Nest", "BestMap", "BestMapRestarts"}


def test_help_is_instant_and_lists_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for command in ("run", "resume", "compare", "report", "study"):
        assert command in text


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom qalgs.cli import main\nmain(['nest', 'run', '--help'])\n"
        "heavy = {'pennylane', 'qiskit_aer', 'matplotlib', 'qiskit_ibm_runtime.fake_provider', 'numba'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr.strip() == "[]"
