"""Commands in process along rarer roads: other printouts, other files, interruptions, failures."""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from qalgs.backends import fake_names
from qalgs.circuits import molecule, tfim, xxz
from qalgs.cli import main
from qalgs.cli.files import plain_warnings
from qalgs.cli.jobsfile import find_line, load_jobs
from qalgs.cli.kinds import KINDS, read_graph
from qalgs.cli.levels_file import load_levels
from qalgs.eigengame.exact import ExactPlayers
from qalgs.errors import InvalidInputError, QalgsWarning
from qalgs.max3cut import torus, write_gset
from qalgs.nest import Custom

Capture = pytest.CaptureFixture[str]


def file(folder: Path, text: str, name: str = "problem.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


# -- levels ------------------------------------------------------------------------------------------------------

CHAIN = 'k = 1\nseed = 1\nhamiltonian = { model = "tfim", n = 2 }\n'


def test_a_table_without_the_exact_levels(tmp_path: Path, capsys: Capture) -> None:
    assert main(["levels", file(tmp_path, CHAIN), "--no-exact"]) == 0
    printed = capsys.readouterr().out
    assert "exact" not in printed
    energy = re.search(r"-\d+\.\d{8}", printed)
    assert energy
    assert float(energy[0]) == pytest.approx(np.linalg.eigvalsh(tfim(2).to_matrix())[0], abs=1e-6)


def test_a_scan_is_only_printed_without_a_folder(tmp_path: Path, capsys: Capture) -> None:
    text = 'k = 1\nseed = 1\nmolecule = "H2"\n[scan]\nlengths = [0.7, 0.9]\n'
    assert main(["levels", file(tmp_path, text), "-q"]) == 0
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["0.7000", "0.9000"]
    for length, energy in rows:
        assert float(energy) == pytest.approx(molecule("H2", float(length)).energies(1)[0], abs=1e-6)
    assert printed.err == ""
    assert [p.name for p in tmp_path.iterdir()] == ["problem.toml"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_follows_the_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["levels", file(tmp_path, CHAIN + 'optimizer = "cobyla"\n'), "--json"]) == 0
    text = screen.getvalue()
    shown = [int(n) for n in re.findall(r"\rlevel 0, evaluation (\d+): -\d+\.\d{6}\r", text)]
    assert len(shown) > 1
    assert not any(n % 20 for n in shown)
    assert re.search(r"level 0: -\d+\.\d{8} after \d+ evaluations\n", text)


def test_notes_of_a_run_are_warnings(tmp_path: Path, capsys: Capture) -> None:
    text = CHAIN.replace("k = 1", "k = 2") + 'method = "vqd"\npenalty = 0.01\n'
    assert main(["levels", file(tmp_path, text), "--json", "-q"]) in (0, 1)
    assert "warning" not in capsys.readouterr().err
    assert main(["levels", file(tmp_path, text), "--json"]) in (0, 1)
    noted = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert any("penalty (beta) = 0.01 must exceed E_k - E_0" in line for line in noted)


def test_interrupted_levels_are_shown_and_exit_130(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ExactPlayers.snapshot
    found: list[Any] = []

    def snapshot(self: ExactPlayers, *arguments: Any) -> Any:
        if found:
            raise KeyboardInterrupt
        found.append(real(self, *arguments))
        return found[0]

    monkeypatch.setattr(ExactPlayers, "snapshot", snapshot)
    assert main(["levels", file(tmp_path, CHAIN.replace("k = 1", "k = 2")), "--json", "-q"]) == 130
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "INTERRUPTED"
    assert document["energies"] == pytest.approx(document["exact"], abs=1e-6)
    assert len(document["energies"]) == 1


@pytest.mark.parametrize(
    ("rates", "noisy"),
    [
        ("", set()),
        ("two_qubit_error = 0.01\n", {"cx", "cz", "ecr"}),
        ("one_qubit_error = 0.01\n", {"rx", "ry", "rz", "h", "x", "sx", "s", "sdg"}),
    ],
)
def test_only_the_named_gates_are_noisy(rates: str, noisy: set[str], tmp_path: Path) -> None:
    text = CHAIN + '[backend]\nkind = "aer"\nshots = 64\n' + rates
    found: Any = load_levels(file(tmp_path, text)).solver(tfim(2))
    model = found.estimator.options.backend_options["noise_model"]
    assert set(model.noise_instructions) == noisy
    for name, table in model._default_quantum_errors.items():
        width = 2 if name in {"cx", "cz", "ecr"} else 1
        probabilities = np.sort(table.probabilities)
        # depolarising: the identity keeps 1 - p (1 - 4^-width)
        assert probabilities[-1] == pytest.approx(1 - 0.01 * (1 - 4.0**-width))


# -- max3cut -----------------------------------------------------------------------------------------------------


def test_best_known_cuts_are_printed(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "G49.txt"
    write_gset(torus(30, 100), path)
    assert (
        main(["max3cut", "solve", str(path), "--rank", "1", "--method", "rank1", "--bound", "trivial", "-q"]) == 0
    )
    lines = dict(re.split(r" {2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:])
    assert lines["best known"].startswith("6000 (")
    assert int(lines["cut"]) <= 6000
    assert lines["upper bound"] == "6000 (trivial)"


@pytest.mark.parametrize(("rank", "edges"), [(1, "1 2 1\n2 3 1\n1 3 1\n"), (2, "1 2 1\n2 3 1\n1 3 1\n")])
def test_figures_have_what_the_rank_allows(rank: int, edges: str, tmp_path: Path, capsys: Capture) -> None:
    plot = tmp_path / "plot.svg"
    path = file(tmp_path, "3 3\n" + edges, "triangle.txt")
    assert main(["max3cut", "solve", path, "--rank", str(rank), "--plot", str(plot), "-q"]) == 0
    assert "cut          3" in capsys.readouterr().out
    # The fourth panel shows the cells of the plane, which a line does not have.
    assert len(set(re.findall(r'id="(axes_\d)"', plot.read_text()))) == 4
    assert plot.read_text().count('id="patch_') > 0


def test_interrupted_partitions_are_printed_and_exit_130(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(event: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qalgs.cli.max3cut._progress", stop)
    edges = "".join(f"{u + 1} {v + 1} 1\n" for u, v in nx.wheel_graph(6).edges())
    assert main(["max3cut", "solve", file(tmp_path, "6 10\n" + edges, "wheel.txt")]) == 130
    printed = capsys.readouterr().out
    assert "status       interrupted" in printed
    assert re.search(r"^cut +\d+$", printed, re.MULTILINE)


# -- solve -------------------------------------------------------------------------------------------------------

MATRIX = np.array([[2.0, -1.0], [-1.0, 2.0]])
SOLUTION = np.linalg.solve(MATRIX, [1.0, 2.0])


@pytest.fixture
def system(tmp_path: Path) -> str:
    path = tmp_path / "system.npz"
    np.savez(path, A=MATRIX, b=np.array([1.0, 2.0]))
    return str(path)


def test_proximal_iterations_print_their_step(system: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "x.txt"
    assert main(["solve", system, "--meta", "proximal-residual", "--eta", "0.5", "--out", str(out)]) == 0
    assert re.search(r"^eta +0\.5 \(\d+ steps\)$", capsys.readouterr().out, re.MULTILINE)
    assert np.allclose(np.loadtxt(out), SOLUTION, rtol=2e-3)


def test_a_device_solves_with_its_noise(system: str, capsys: Capture) -> None:
    command = ["solve", system, "--backend", "fake_manila", "--shots", "200", "--epsilon", "0.1", "--seed", "1"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^shots +400 in 2 settings$", printed, re.MULTILINE)
    fidelity = re.search(r"^fidelity +(\S+)$", printed, re.MULTILINE)
    assert fidelity
    assert 0.7 < float(fidelity[1]) < 0.999  # 47 noisy gates are felt


def test_what_misses_its_precision_exits_1(system: str, capsys: Capture) -> None:
    assert main(["solve", system, "--solver", "vqls", "--epsilon", "1e-9", "--seed", "1"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^status +failed: see the message$", printed, re.MULTILINE)
    assert "misses epsilon = 1e-09" in printed


# -- nest plan, layouts and schedule -----------------------------------------------------------------------------

JOBS = """\
[device]
name = "fake_manila"
[campaign]
evals_per_cycle = 3
[schedule]
kind = "linear"
cycles = 2
[[job]]
id = "edge"
kind = "maxcut"
graph = "path:2"
"""


def test_a_sweep_over_devices(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("fake_manila", "fake_atlantis", "fake_guadalupe")
    monkeypatch.setattr("qalgs.backends.fake_names", lambda: names)
    assert fake_names() != names
    assert main(["nest", "layouts", "--sweep", "-n", "2"]) == 0
    printed = capsys.readouterr().out
    assert "three jobs of 2 qubits, three cycles" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip().startswith("fake_")}
    assert tuple(rows) == names
    assert rows["fake_manila"][0] == "5"
    assert rows["fake_guadalupe"][-1] == "schedulable"
    # What is not known is a dash: qubits, best and median ESP, and slots of a device that there is not.
    assert rows["fake_atlantis"][:7] == ["-", "0", "-", "-", "-", "0", "refused:"]
    assert main(["nest", "layouts", "--sweep", "-n", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(v["device"], v["schedulable"]) for v in found] == [
        ("fake_manila", found[0]["schedulable"]),
        ("fake_atlantis", False),
        ("fake_guadalupe", True),
    ]
    assert str(found[2]["slots"]) == rows["fake_guadalupe"][5 - 1]


def test_plans_without_figures_or_frontier(tmp_path: Path, capsys: Capture) -> None:
    jobs, out = file(tmp_path, JOBS), tmp_path / "out"
    assert main(["nest", "plan", jobs, "--frontier", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    frontier = record.pop("frontier")
    assert main(["nest", "plan", jobs, "--out", str(out)]) == 0
    assert {p.name for p in out.iterdir()} >= {"plan.json", "gantt.svg", "targets.svg"}
    assert not (out / "frontier.svg").exists()
    assert json.loads((out / "plan.json").read_text())["assignments"] == record["assignments"]
    assert json.dumps(frontier).count('"fidelity"') > 1


def test_side_by_side_without_a_folder_or_figures(tmp_path: Path, capsys: Capture) -> None:
    jobs, out = file(tmp_path, JOBS), tmp_path / "out"
    assert main(["nest", "plan", jobs, "--together"]) == 0
    assert "1 jobs side by side on fake_manila" in capsys.readouterr().out
    assert main(["nest", "plan", jobs, "--together", "--json", "--out", str(out), "--plots", "none"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "packing.json").read_text())
    assert [p.name for p in out.iterdir()] == ["packing.json"]


# -- jobs files --------------------------------------------------------------------------------------------------


def problem(kind: str, **keys: object) -> Any:
    return KINDS[kind].model_validate({"id": "j", "kind": kind, **keys}).problem(Path())


def test_named_ansatz_of_the_cost() -> None:
    found = problem(
        "vqe", hamiltonian={"model": "xxz", "n": 4, "delta": 0.5}, ansatz="hamiltonian_variational", reps=2
    )
    assert found.observable.equiv(xxz(4, delta=0.5))
    assert found.circuit.name.startswith("hamiltonian")
    h2 = problem("vqe", molecule="H2", ansatz="particle_conserving")
    values = np.linspace(0.1, 0.4, h2.circuit.num_parameters)
    from qiskit.quantum_info import Statevector

    state = Statevector(h2.circuit.assign_parameters(values))
    for bits, p in state.probabilities_dict().items():
        # Blocked Jordan-Wigner order: one electron of either spin
        assert p < 1e-12 or (bits[:2].count("1"), bits[2:].count("1")) == (1, 1)


def test_a_molecule_of_an_eigengame_by_name_and_by_geometry() -> None:
    levels = molecule("H2", 0.7).energies(1)
    table = {"geometry": [("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7))]}
    for given in ({"name": "H2", "bond_length": 0.7}, table):
        found = problem("eigengame", molecule=given)
        assert found.exact == pytest.approx(levels[0], abs=1e-8)
        assert np.linalg.eigvalsh(found.observable.to_matrix())[0] == pytest.approx(levels[0], abs=1e-6)
    assert problem("eigengame", molecule="H2").exact == pytest.approx(molecule("H2").energies(1)[0], abs=1e-8)


BOTH = '{ name = "H2", geometry = [["H", [0, 0, 0]], ["H", [0, 0, 1]]] }'
WRONG = {
    "delta": (
        'kind = "vqe"\nhamiltonian = { model = "tfim", n = 3, delta = 0.5 }\n',
        "delta must be left out unless model = 'xxz', got 0.5",
    ),
    "two molecules": (
        f'kind = "vqe"\nmolecule = {BOTH}\n',
        "molecule needs exactly one of name and geometry; add or remove one",
    ),
    "two molecules of a game": (
        f'kind = "eigengame"\nmolecule = {BOTH}\n',
        "molecule needs exactly one of name and geometry; add or remove one",
    ),
    "numbers of a graph": ('kind = "maxcut"\ngraph = "regular:3"\n', "graph must be like 'ring:6' or "),
    "size of a graph": ('kind = "maxcut"\ngraph = "ring:201"\n', "graph must be like 'ring:6' or "),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_jobs_are_named(name: str, tmp_path: Path, capsys: Capture) -> None:
    body, words = WRONG[name]
    assert (
        main(["nest", "layouts", file(tmp_path, '[device]\nname = "fake_manila"\n[[job]]\nid = "one"\n' + body)])
        == 2
    )
    error = capsys.readouterr().err.strip()
    assert words in error
    assert error.count("job 'one'") == 1
    assert "\n" not in error


def test_empty_names_keep_their_rule(tmp_path: Path, capsys: Capture) -> None:
    path = file(tmp_path, '[device]\nname = "fake_manila"\n[[job]]\nid = ""\nkind = "maxcut"\ngraph = "ring:3"\n')
    assert main(["nest", "layouts", path]) == 2
    error = f"error: {path}:4: job[0].id string should have at least 1 character, got ''"
    assert capsys.readouterr().err.strip() == error
    assert find_line("[device]\n", "") is None


def test_schedules_of_levels_and_jobs_of_their_own_length(tmp_path: Path) -> None:
    text = JOBS.replace('kind = "linear"\ncycles = 2', 'kind = "custom"\nlevels = [0.5, 0.6, 0.7]')
    source = load_jobs(file(tmp_path, text))
    assert isinstance(source.schedule(), Custom)
    assert source.schedule().cycles == 3
    assert source.head.plan is None
    planned = source.planned()
    assert planned.head.plan is not None
    assert planned.planned() is planned
    own = load_jobs(file(tmp_path, JOBS + "cycles = 5\n"))
    (job,) = own.jobs()
    assert job.strategy is not None
    assert (job.cycles, job.strategy.length) == (5, 5)


def test_graphs_with_the_wrong_count_of_numbers() -> None:
    with pytest.raises(InvalidInputError, match=r"^graph must be like 'ring:6' or .*, got 'ring:3:4'"):
        read_graph("ring:3:4", Path())


# -- the rest ----------------------------------------------------------------------------------------------------


def test_warnings_of_others_are_left_alone(capsys: Capture) -> None:
    with pytest.warns(UserWarning, match=r"^not ours$"), plain_warnings():
        warnings.warn("not ours", UserWarning, stacklevel=1)
    with plain_warnings():
        for _ in range(2):
            warnings.warn("ours", QalgsWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: ours\n"


def test_rounds_of_a_game() -> None:
    from qalgs.cli.flows import play
    from qalgs.eigengame import ExcitedStates

    with pytest.raises(InvalidInputError, match=r"^rounds must be at least 1, got 0"):
        play(ExcitedStates(k=1), tfim(2), "fake_manila", rounds=0)


def test_ctrl_c_during_a_command_says_how_to_go_on(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qalgs.cli.levels_file.load_levels", stop)
    assert main(["levels", file(tmp_path, CHAIN)]) == 130
    assert capsys.readouterr().err.strip() == "interrupted; run the same command again to resume"
