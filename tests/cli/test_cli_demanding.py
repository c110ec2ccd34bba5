"""What a demanding user does to ``qalgs solve`` and ``qalgs max3cut``: wrong outputs, odd inputs, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qalgs.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    matrix = np.array([[2.0, 0.3], [0.3, 1.0]])
    np.savez("ok.npz", A=matrix, b=np.array([1.0, 2.0]))
    np.savez("singular.npz", A=np.ones((4, 4)), b=np.ones(4))
    np.savez("zero.npz", A=np.zeros((4, 4)), b=np.ones(4))
    np.savez("none.npz", A=np.zeros((0, 0)), b=np.zeros(0))
    Path("corrupt.npz").write_bytes(b"PK" + bytes(range(64)))
    Path("empty.npy").write_bytes(b"")
    Path("house.txt").write_text("5 6\n1 2 1\n2 3 1\n3 4 1\n4 5 1\n5 1 1\n1 3 1\n")
    Path("multi.txt").write_text("3 3\n1 2 1\n2 1 1\n2 3 1\n")
    Path("two.txt").write_text("6 6\n1 2 1\n2 3 1\n1 3 1\n4 5 1\n5 6 1\n4 6 1\n")
    Path("huge.txt").write_text("3 2\n1 2 1e18\n2 3 -1e18\n")
    Path("nodes.txt").write_text("0 0\n")
    return tmp_path


SOLVE = ["max3cut", "solve", "house.txt", "-q"]
REFUSED = {
    "plot suffix": ([*SOLVE, "--plot", "p.xyz"], "--plot must end in one of .png"),
    "plot folder": ([*SOLVE, "--plot", "."], "--plot must be a file, not a folder"),
    "out folder": ([*SOLVE, "--out", "."], "--out must be a file, not a folder"),
    "no folder": ([*SOLVE, "--out", "a/b.txt"], "--out must lie in a folder that exists"),
    "bench suffix": (["max3cut", "bench", "house.txt", "--out", "t.xyz"], "--out must end in one of .csv"),
    "checkpoint": ([*SOLVE, "--checkpoint", "c"], "checkpoint must come with method='arcs' or 'circles'"),
    "checkpoint parts": (
        ["max3cut", "solve", "two.txt", "-q", "--method", "circles", "--checkpoint", "c"],
        "checkpoint must come with a connected graph",
    ),
    "no nodes": (["max3cut", "qaoa", "nodes.txt"], "graph must have at least one node, got 'no node'"),
    "figure": (["solve", "ok.npz", "--plot", "h.xyz"], "--plot must end in one of .png"),
    "x folder": (["solve", "ok.npz", "--out", "."], "--out must be a file"),
    "eta alone": (["solve", "ok.npz", "--eta", "3"], "--eta must come with --meta proximal"),
    "estimate with shots": (["solve", "ok.npz", "--estimate", "--shots", "3"], "--shots must be left out"),
    "compare with out": (["solve", "ok.npz", "--compare", "--out", "x.npy"], "--out must be left out"),
    "corrupt rhs": (["solve", "ok.npz", "--rhs", "corrupt.npz"], "rhs must hold a vector of numbers"),
    "empty rhs": (["solve", "ok.npz", "--rhs", "empty.npy"], "rhs must hold a vector of numbers"),
    "zero": (["solve", "zero.npz", "--threshold", "0.1"], "A must not vanish"),
    "no rows": (["solve", "none.npz"], "A must have at least one row"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line_before_any_work(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    arguments, words = REFUSED[name]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_odd_but_legal_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "singular.npz", "--threshold", "0.1", "--epsilon", "0.1"]) == 0
    assert "norm of x          0.5 " in capsys.readouterr().out
    assert main(["max3cut", "solve", "multi.txt", "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "warning: multi.txt: 1 parallel edges were summed into single edges\n"
    assert "parallel-edges" not in captured.out
    assert main(["max3cut", "solve", "huge.txt", "-q", "--bound", "none"]) == 0
    assert "upper bound  1e+18 (trivial)" in capsys.readouterr().out
    assert main(["max3cut", "bench", "nodes.txt", "-m", "frieze-jerrum"]) == 0


def test_estimates_build_no_encoding() -> None:
    from qalgs.qlsp import QSVTInversion, random_system

    system = random_system(8, 5.0, seed=1)
    found = QSVTInversion().estimate(system)
    assert "encoding" not in vars(system)
    assert found.qubits == system.encoding.num_qubits + 1


def test_ctrl_c_keeps_the_partition(folder: Path) -> None:
    from qalgs.max3cut import gnm, write_gset

    write_gset(gnm(200, 1500, seed=1), folder / "g.txt")
    # A shell's background jobs start with the signal ignored.
    listening = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    main = "from qalgs.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", listening + main]
    command += ["max3cut", "solve", "g.txt", "--budget", "100", "--out", "p.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "enumeration" in line:
                run.send_signal(signal.SIGINT)
                break
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted" in out
    assert len((folder / "p.txt").read_text().splitlines()) == 200
