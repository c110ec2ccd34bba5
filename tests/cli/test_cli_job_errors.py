"""Errors of single jobs: the job is named once, the line is that of the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from qalgs.cli import main

HEAD = '[device]\nname = "fake_guadalupe"\n[[job]]\nid = "terms"\n'
SPIN = 'kind = "vqe"\nhamiltonian = { model = "tfim", n = 3 }\n'
CASES = {
    "start": (SPIN + "shots = 100\nstart = [1.0]\n", 8, "start must be"),
    "shots": (SPIN + "shots = -5\n", 7, "job[0].shots must be"),
    "terms": ('kind = "vqe"\nhamiltonian = { ZZ = 1.0, ZX = 1.0, Z = 1.0 }\n', 6, "hamiltonian must"),
    "both": (SPIN + 'molecule = "H2"\n', 3, "needs exactly one of molecule and hamiltonian"),
    "graph": ('kind = "maxcut"\ngraph = "ring:x"\n', 6, "graph must be like"),
    "3-cut graph": ('kind = "max3cut"\ngraph = [[0, 0]]\n', 6, "graph must have edges"),
    "encoding": (
        'kind = "max3cut"\ngraph = "ring:3"\nencoding = "binary-folded"\nwarm_start = true\n',
        8,
        "warm_start must be",
    ),
    "system": ('kind = "linear_system"\nsystem = "poisson:x"\n', 6, "system must be"),
    "file": ('kind = "linear_system"\nsystem = "none.npz"\n', 6, "system must be a file that exists"),
    "optimizer": (SPIN + 'optimizer = "newton"\n', 7, "optimizer must be one of"),
    "strategy": (SPIN + 'strategy = "Luck"\n', 7, "strategy must be one of"),
}


@pytest.mark.parametrize("name", CASES)
def test_job_errors_name_the_job_once_and_the_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body, line, words = CASES[name]
    file = tmp_path / "jobs.toml"
    file.write_text(HEAD + body)
    assert main(["nest", "layouts", str(file)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert words in error
    assert error.startswith(f"error: {file}:{line}: ")
    assert error.count("job 'terms'") <= 1
    assert error.count(words) == 1
