"""The root command: help, version, one line per error, light imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qalgs.cli import main

HEAVY = ("pennylane", "qiskit_aer", "qiskit_ibm_runtime", "cvxpy", "matplotlib", "ortools", "pyscf")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("devices", "nest", "levels", "solve", "max3cut"):
        assert command in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("qalgs ")


def test_unknown_command_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "frobnicate" in err


@pytest.mark.parametrize("code", ["import qalgs", "from qalgs.cli import main; main(['--help'])"])
def test_start_up_loads_nothing_heavy(code: str) -> None:
    probe = f"import sys; {code}; print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("LOADED []")


def test_module_form_runs() -> None:
    done = subprocess.run([sys.executable, "-m", "qalgs", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("qalgs ")
