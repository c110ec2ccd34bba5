"""Damaged problem files of ``qalgs levels``: one line and exit code 2, or a search that is ready to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fuzzing import Refused, budget, damaged, outcome, scrambled, toml
from hypothesis import example, given
from hypothesis import strategies as st

from qalgs.cli import main
from qalgs.cli.levels_file import load_levels

PROBLEMS: list[dict[str, Any]] = [
    {
        "k": 2,
        "method": "hotelling",
        "hamiltonian": {"ZZ": 1.0, "XI": 0.5, "IX": 0.4},
        "optimizer": {"kind": "Adam", "lr": 0.1},
        "restarts": 1,
        "budget": 5,
        "seed": 1,
        "ansatz": {"name": "hardware_efficient", "reps": 1, "rotations": ["ry"], "entanglement": "linear"},
        "backend": {"kind": "compiled", "shots": 10},
    },
    {
        "k": "auto",
        "window": 1.0,
        "max_levels": 2,
        "hamiltonian": {"model": "heisenberg", "n": 2},
        "symmetry": {"M": 0},
        "budget": 5,
        "restarts": 1,
        "penalty": "auto",
    },
    {
        "k": 2,
        "method": "ssvqe",
        "weights": [1.0, 0.5],
        "hamiltonian": {"model": "tfim", "n": 2, "j": 1.0, "h": 0.7},
        "budget": 5,
        "restarts": 1,
        "ansatz": {"qasm3": "ansatz.qasm"},
    },
    {
        "k": 2,
        "hamiltonian": {"Z": 1.0},
        "schedule": "parallel",
        "stagger": 1,
        "round_steps": 2,
        "budget": 4,
        "restarts": 1,
        "backend": {"kind": "device", "device": "fake_manila", "layout": [0, 1], "shots": 10},
    },
]
MOLECULE: dict[str, Any] = {
    "k": 2,
    "molecule": {"name": "H2", "bond_length": 0.7, "basis": "sto-3g", "mapping": "parity", "charge": 0, "spin": 0},
    "budget": 3,
    "restarts": 1,
}
QASM = "OPENQASM 3.0;\ninput float a;\nqubit[2] q;\nU(a, 0, 0) q[0];\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("levels")
    (made / "ansatz.qasm").write_text(QASM)
    return made


def judge(folder: Path, content: bytes) -> Any:
    """Build everything up to the first event of the search."""
    path = folder / "problem.toml"
    path.write_bytes(content)
    before = sorted(folder.iterdir())

    def build() -> Any:
        file = load_levels(path)
        if file.model.scan is not None:
            return file.model.scan.values()
        hamiltonian = file.hamiltonian()
        return next(iter(file.solver(hamiltonian).iter_run(hamiltonian)))

    found = outcome(build)
    assert sorted(folder.iterdir()) == before
    return found


@pytest.mark.parametrize("problem", [*PROBLEMS, MOLECULE])
def test_every_problem_is_accepted_before_it_is_damaged(folder: Path, problem: dict[str, Any]) -> None:
    assert not isinstance(judge(folder, toml(problem).encode()), Refused)


@given(problem=damaged(st.sampled_from(PROBLEMS)))
@example(problem=PROBLEMS[0] | {"ansatz": {"name": "hardware_efficient", "reps": 10**9}})
@example(problem=PROBLEMS[1] | {"hamiltonian": {"model": "tfim", "n": 64}})
@example(problem=PROBLEMS[1] | {"hamiltonian": {"I" * 300: 1.0}})
@example(problem=PROBLEMS[1] | {"hamiltonian": {"II": 0.0}})
@example(problem=PROBLEMS[0] | {"budget": 10**400})
@example(problem=PROBLEMS[1] | {"symmetry": {"a\nb": float("nan")}})
@example(problem=PROBLEMS[1] | {"scan": {"start": 0.5, "stop": 1.0, "points": 10**30}})
@example(problem=PROBLEMS[0] | {"backend": {"kind": "device", "device": "fake_manila", "layout": [0, 10**30, 1]}})
@budget(1.0)
def test_damaged_keys_and_values(folder: Path, problem: dict[str, Any]) -> None:
    judge(folder, toml(problem).encode())


@given(content=scrambled(st.sampled_from(PROBLEMS).map(toml)))
@example(content=b"k = " + b"[" * 5000)
@example(content=b"k = " + b"{a=" * 5000)
@budget(0.5)
def test_damaged_bytes(folder: Path, content: bytes) -> None:
    judge(folder, content)


@given(problem=damaged(st.just(MOLECULE)))
@budget(0.15)
def test_damaged_molecules(folder: Path, problem: dict[str, Any]) -> None:
    judge(folder, toml(problem).encode())


@given(problem=damaged(st.sampled_from(PROBLEMS)))
@budget(0.05)
def test_command(folder: Path, capsys: pytest.CaptureFixture[str], problem: dict[str, Any]) -> None:
    path = folder / "problem.toml"
    path.write_text(toml(problem), encoding="utf-8")
    out = folder / "out"
    code = main(["levels", str(path), "--out", str(out), "--no-plots", "--quiet", "--json"])
    errors = capsys.readouterr().err.splitlines()
    assert code in (0, 2)
    if code == 2:
        assert len(errors) == 1
        assert errors[0].startswith("error: ")
        assert len(errors[0]) > 8
        assert not out.exists()
    else:
        for written in out.iterdir():
            written.unlink()
        out.rmdir()
