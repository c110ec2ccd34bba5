"""Commands in process: their rarer options, and one line for each mistake."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy import sparse

from qalgs.circuits import tfim
from qalgs.cli import main
from qalgs.cli.progress import CampaignProgress
from qalgs.nest import events

Capture = pytest.CaptureFixture[str]


def file(folder: Path, text: str, name: str = "problem.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def graph(folder: Path) -> str:
    edges = list(nx.wheel_graph(6).edges())
    return file(folder, "6 10\n" + "".join(f"{u + 1} {v + 1} 1\n" for u, v in edges), "wheel.txt")


# -- levels ------------------------------------------------------------------------------------------------------

H2 = 'k = 2\nseed = 1\nmolecule = "H2"\n'
CHAIN = 'k = 1\nseed = 1\nhamiltonian = { model = "tfim", n = 2 }\n'


def test_levels_written_and_shown_beside_the_exact_ones(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert main(["levels", file(tmp_path, CHAIN), "--out", str(out), "--no-plots"]) == 0
    printed = capsys.readouterr().out
    assert "− exact" in printed
    assert f"written to {out}" in printed
    assert {p.name for p in out.iterdir()} == {"summary.json", "levels.csv"}
    row = (out / "levels.csv").read_text().splitlines()[1].split(",")
    expected = np.linalg.eigvalsh(tfim(2).to_matrix())[0]
    assert float(row[1]) == pytest.approx(expected, abs=1e-6)
    assert float(row[5]) == pytest.approx(expected, abs=1e-12)


def test_levels_without_an_exact_solution(tmp_path: Path, capsys: Capture) -> None:
    assert main(["levels", file(tmp_path, CHAIN), "--no-exact", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact"] is None


def test_scan_of_a_range_as_json(tmp_path: Path, capsys: Capture) -> None:
    text = 'k = 1\nseed = 1\nmolecule = "H2"\n[scan]\nstart = 0.7\nstop = 0.9\npoints = 2\n'
    out = tmp_path / "out"
    assert main(["levels", file(tmp_path, text), "--json", "--out", str(out), "--no-plots"]) == 0
    printed = capsys.readouterr()
    assert [p["length"] for p in json.loads(printed.out)["points"]] == [0.7, 0.9]
    assert "0.7000 Å: " in printed.err
    assert not (out / "scan.svg").exists()


@pytest.mark.parametrize(
    ("problem", "ansatz"),
    [
        ('hamiltonian = { model = "tfim", n = 2 }', '{ name = "hamiltonian_variational", reps = 2 }'),
        ('molecule = "H2"', '{ name = "particle_conserving", reps = 1 }'),
        ('molecule = "H2"', '{ name = "kupccgsd", reps = 1 }'),
    ],
)
def test_ansatz_tables(problem: str, ansatz: str, tmp_path: Path, capsys: Capture) -> None:
    assert (
        main(["levels", file(tmp_path, f"k = 1\nseed = 1\n{problem}\nansatz = {ansatz}\n"), "--json", "-q"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["energies"][0] == pytest.approx(document["exact"][0], abs=1e-3)


def test_levels_on_a_noisy_simulator(tmp_path: Path, capsys: Capture) -> None:
    noise = '[backend]\nkind = "aer"\nshots = 256\ntwo_qubit_error = 0.01\none_qubit_error = 0.001\n'
    text = 'k = 1\nseed = 1\nbudget = 5\nhamiltonian = { model = "tfim", n = 2 }\n'
    document: dict[str, Any] = {}
    again: dict[str, Any] = {}
    for found in (document, again):
        assert main(["levels", file(tmp_path, text + noise), "--json", "-q"]) in (0, 1)
        found.update(json.loads(capsys.readouterr().out))
    assert document["energies"] == again["energies"]  # the same seed
    assert document["costs"]["shots"] > 0
    assert document["energies"][0] > document["exact"][0] - 5 * document["errors"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHAIN + "[scan]\nlengths = [0.7]\n", "scan needs a molecule; add one"),
        (
            'k = 1\nmolecule = { name = "H2", bond_length = 0.7 }\n[scan]\nlengths = [0.7]\n',
            "scan needs a molecule by name, without bond_length; change it",
        ),
        (H2 + "[scan]\nstart = 0.7\n", "scan needs lengths, or start, stop and points; add them"),
        (CHAIN + 'ansatz = { name = "kupccgsd" }\n', "ansatz.name 'kupccgsd' needs a molecule; choose another"),
        (CHAIN + "ansatz = { reps = 1 }\n", "ansatz needs exactly one of name and qasm3; add or remove one"),
        (
            "k = 1\nmolecule = { bond_length = 1.0 }\n",
            "molecule needs exactly one of name and geometry; add or remove one",
        ),
        (
            CHAIN + '[backend]\nkind = "device"\ndevice = "fake_manila"\n',
            "backend.layout is missing; list 3 physical qubits, one for the ancilla",
        ),
        (
            CHAIN + '[backend]\nkind = "device"\ndevice = "fake_manila"\nlayout = [0, 1]\n',
            "backend.layout must have 3 qubits: the system's and an ancilla, got [0, 1]",
        ),
    ],
)
def test_bad_level_files(text: str, message: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["levels", file(tmp_path, text)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert error.endswith(message)
    assert "\n" not in error


# -- max3cut -----------------------------------------------------------------------------------------------------


def test_bounds_as_a_table_and_as_json(tmp_path: Path, capsys: Capture) -> None:
    path = graph(tmp_path)
    assert main(["max3cut", "bound", path, "--kind", "trivial", "--kind", "eigen"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["trivial", "eigen"]
    assert main(["max3cut", "bound", path, "--kind", "trivial", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert (rows[0]["asked"], rows[0]["bound"]) == ("trivial", 10)


def test_a_partition_with_its_figure(tmp_path: Path, capsys: Capture) -> None:
    plot, out = tmp_path / "plot.svg", tmp_path / "labels.txt"
    assert main(["max3cut", "solve", graph(tmp_path), "--plot", str(plot), "--out", str(out)]) == 0
    assert "cut          9" in capsys.readouterr().out  # the rim is an odd cycle: one of its edges is lost
    assert plot.read_text().count("<svg") == 1
    labels = [line.split() for line in out.read_text().splitlines()]
    assert len(labels) == 6
    lonely = file(tmp_path, "3 0\n", "empty.txt")
    assert main(["max3cut", "solve", lonely, "--plot", str(plot), "-q"]) == 0
    assert "cut          0" in capsys.readouterr().out


def test_qaoa_on_a_noisy_device(tmp_path: Path, capsys: Capture) -> None:
    path = file(tmp_path, "2 1\n1 2 1\n", "edge.txt")
    command = ["max3cut", "qaoa", path, "--encoding", "binary", "--backend", "fake_manila", "--budget", "4"]
    assert main([*command, "--shots", "64", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["classical_cut"] == 1
    assert 0 <= document["expected_cut"] <= 1
    assert document["best_of_shots"] == 1


# -- solve -------------------------------------------------------------------------------------------------------

MATRIX = np.array([[2.0, -1.0], [-1.0, 2.0]])


def system(folder: Path, a: np.ndarray, b: np.ndarray) -> str:
    path = folder / "system.npz"
    np.savez(path, A=a, b=b)
    return str(path)


def test_solutions_from_every_kind_of_file(tmp_path: Path, capsys: Capture) -> None:
    vector, out = tmp_path / "b.npz", tmp_path / "x.npy"
    np.savez(vector, b=np.array([1.0, 2.0]))
    matrix = tmp_path / "a.npz"
    sparse.save_npz(matrix, sparse.csr_array(MATRIX))
    command = ["solve", str(matrix), "--rhs", str(vector), "--out", str(out), "--epsilon", "1e-4"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "kappa" in captured.out
    assert f"x written to {out}" in captured.err
    found, exact = np.load(out), np.linalg.solve(MATRIX, [1.0, 2.0])
    assert abs(np.vdot(found, exact)) / np.linalg.norm(found) / np.linalg.norm(exact) > 1 - 1e-6
    start = tmp_path / "start.txt"
    np.savetxt(start, exact + 0.01)
    assert main([*command, "--meta", "proximal", "--eta", "0.5", "--start", str(start), "--shots", "2000"]) in (
        0,
        1,
    )
    printed = capsys.readouterr().out
    assert re.search(r"^eta +0\.5 \(", printed, re.MULTILINE)
    assert re.search(r"^shots +\d+ in \d+ settings$", printed, re.MULTILINE)


def test_solvers_side_by_side(tmp_path: Path, capsys: Capture) -> None:
    path = system(tmp_path, np.diag([1.0, 0.8]), np.array([1.0, 1.0]))
    assert main(["solve", path, "--compare", "--epsilon", "0.1"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("QSVT", "HHL", "VQLS"))


@pytest.mark.parametrize(("rows", "options", "minutes"), [(4096, [], 5), (2048, ["--compare"], 4), (1024, [], 0)])
def test_long_work_is_announced(
    rows: int,
    options: list[str],
    minutes: int,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from qalgs.qlsp.solvers.base import Solver

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Solver, "solve", stopped)
    laplacian = sparse.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(rows, rows)).tocsr()
    path = tmp_path / "system.npz"
    sparse.save_npz(path, laplacian)
    assert main(["solve", str(path), *options]) == 130
    note = f"note: {rows} rows on {rows.bit_length() - 1} qubits take about {minutes} min or more and "
    assert (note in capsys.readouterr().err) is (minutes > 0)


def test_vectors_without_the_key(tmp_path: Path, capsys: Capture) -> None:
    vector = tmp_path / "v.npz"
    np.savez(vector, c=np.ones(2))
    assert main(["solve", system(tmp_path, MATRIX, np.ones(2)), "--rhs", str(vector)]) == 2
    error = f"error: rhs must hold a vector of numbers (no key b, only c), got {str(vector)!r}"
    assert capsys.readouterr().err.strip() == error


# -- nest --------------------------------------------------------------------------------------------------------


JOBS = """
[device]
name = "fake_manila"
[[job]]
id = "edge"
kind = "maxcut"
graph = "ring:3"
"""


def test_options_of_nest_are_checked_first(tmp_path: Path, capsys: Capture) -> None:
    jobs = file(tmp_path, JOBS, "jobs.toml")
    for option, value, rule in (
        ("--plots", "gif", "must be svg, png or none, got 'gif'"),
        ("--workers", "0", "must be positive, or -1 for all cores, got 0"),
    ):
        assert main(["nest", "run", jobs, "--out", str(tmp_path / "out"), option, value]) == 2
        assert capsys.readouterr().err.strip() == f"error: {option} {rule}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with CampaignProgress() as show:
        for event in campaign():
            show(event)
    text = screen.getvalue()
    assert "resuming abc: 3 evaluations are recorded" in text
    assert "h2" in text
    assert "cycle 2/2" in text
    assert "-1.2500" in text


def test_progress_in_a_log_and_in_silence(capsys: Capture) -> None:
    for quiet in (False, True):
        with CampaignProgress(quiet=quiet) as show:
            for event in campaign():
                show(event)
        lines = capsys.readouterr().err.splitlines()
        assert lines == [] if quiet else "resuming abc: 3 evaluations are recorded" in lines
        assert quiet or any(line.startswith("h2: cycle 2/2, ESP 0.900") for line in lines)


def campaign() -> list[events.Event]:
    """The events of a campaign of one job and two cycles, in short."""
    made: list[events.Event] = [_made(events.CampaignStarted, campaign="abc", recorded=3, budget=10)]
    for cycle in range(2):
        made.append(_made(events.CycleStarted, job="h2", cycle=cycle, cycles=2, esp=0.9, target=0.8))
        made.append(_made(events.Evaluated, job="h2", cycle=cycle, best=-1.25, replayed=False))
        values = {"job": "h2", "cycle": cycle, "best_value": -1.25, "evaluations": 5}
        made.append(_made(events.CycleFinished, **values))
    return made


def _made(kind: type[events.Event], **values: object) -> events.Event:
    """Make an event with the given fields; the others do not matter here."""
    event = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(event, name, value)
    return event


def test_debugging_shows_the_traceback(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QALGS_DEBUG", "1")
    assert main(["--debug", "levels", str(tmp_path / "absent.toml")]) == 2
    assert "error: " in capsys.readouterr().err
