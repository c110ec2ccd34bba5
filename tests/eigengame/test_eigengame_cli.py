"""``qalgs levels`` in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qalgs.circuits import molecule
from qalgs.cli import main

GOOD = 'k = 2\nseed = 1\nmolecule = { name = "H2", bond_length = 0.8 }\n'


def write(folder: Path, text: str) -> str:
    path = folder / "problem.toml"
    path.write_text(text)
    return str(path)


def test_levels_prints_json_and_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["levels", write(tmp_path, GOOD), "--json", "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["energies"] == pytest.approx(molecule("H2", 0.8).energies(2).tolist(), abs=1e-6)
    assert document["exact"] == pytest.approx(document["energies"], abs=1e-6)
    assert {p.name for p in out.iterdir()} == {"summary.json", "levels.csv", "levels.svg", "history.svg"}


def test_levels_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'k = "auto"\nwindow = 3.0\nseed = 0\nhamiltonian = { model = "tfim", n = 3 }\n'
    assert main(["levels", write(tmp_path, text)]) == 0
    printed = capsys.readouterr()
    assert "above lowest" in printed.out
    assert "level 0:" in printed.err


def test_scan_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'k = 2\nseed = 1\nmolecule = "H2"\n[scan]\nlengths = [0.7, 0.9]\n'
    out = tmp_path / "out"
    assert main(["levels", write(tmp_path, text), "--out", str(out), "-q"]) == 0
    assert "0.9000" in capsys.readouterr().out
    assert (out / "scan.svg").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k = 2\n", "exactly one of molecule and hamiltonian"),
        ("k = [\n", "not TOML"),
        (GOOD + "kk = 3\n", "kk is not a key"),
        ('k = -1\nmolecule = "H2"\n', "k must be"),
        ('molecule = "H2"\nmethod = "qeom"\n', "method must be one of"),
        ('k = 9\nmolecule = "H2"\n', "k must be at most the dimension of the sector"),
        ("hamiltonian = { ZZ = 1.0, X = 1.0 }\n", "labels of equal length"),
        ('molecule = "H2"\n[backend]\nkind = "device"\n', "backend.device is missing"),
        ('molecule = "H2"\nansatz = { qasm3 = "absent.qasm" }\n', "cannot read"),
    ],
)
def test_bad_files_end_with_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["levels", write(tmp_path, text)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert error.startswith("error: ")
    assert "\n" not in error
