"""Starting is cheap: exactly what is imported by ``import qalgs`` and by ``qalgs --help``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import start_up

TYPER = {"annotated_doc", "click", "rich", "shellingham", "typer", "typing_extensions"}
"""Typer and what it may import itself."""

PROBE = """
import json, sys
before = set(sys.modules)
{code}
import importlib.machinery
def is_ours(name):
    module = sys.modules[name]
    return name.split(".")[0] not in sys.stdlib_module_names and getattr(module, "__file__", None) is not None
print("LOADED", json.dumps(sorted({{n.split(".")[0] for n in sys.modules if n not in before and is_ours(n)}})))
"""


def loaded(code: str) -> set[str]:
    """Top-level packages outside the standard library that ``code`` imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.rsplit("LOADED ", 1)[1]))


def test_import_loads_nothing_but_the_package() -> None:
    assert loaded("import qalgs") == {"qalgs"}


def test_every_subpackage_is_lazy() -> None:
    packages = ("backends", "circuits", "eigengame", "max3cut", "nest", "qlsp")
    assert loaded("; ".join(f"import qalgs.{name}" for name in packages)) == {"lazy_loader", "qalgs"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_root_loads_nothing_but_typer(arguments: list[str]) -> None:
    found = loaded(f"from qalgs.cli import main; main({arguments!r})")
    assert {"qalgs", "typer"} <= found <= {"qalgs", *TYPER}


@pytest.mark.parametrize("arguments", [["nest", "run", "--help"], ["max3cut", "solve", "--help"]])
def test_help_of_a_command_loads_no_numerics(arguments: list[str]) -> None:
    found = loaded(f"from qalgs.cli import main; main({arguments!r})")
    # Typer reads the parameters of a command with pydantic.
    assert found & {"numpy", "scipy", "numba", "networkx", "joblib", "qiskit", "matplotlib", "cvxpy"} == set()


def test_the_timer_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_up.main(["--repeats", "1"]) in (0, 1)
    out = capsys.readouterr().out
    assert all(name in out for name in start_up.CODE)
