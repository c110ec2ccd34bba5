"""The wheel holds exactly the tree: qalgs with circuits and backends inside, nothing twice, nothing bare."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from distributions import ROOT, built


@pytest.fixture(scope="module")
def names() -> set[str]:
    with zipfile.ZipFile(built().wheel) as wheel:
        listed = wheel.namelist()
    assert len(listed) == len(set(listed))
    return {n for n in listed if ".dist-info/" not in n}


def tree() -> set[str]:
    found = set()
    for folder in ("qalgs", "circuits", "backends"):
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT)
            if not path.is_file() or "__pycache__" in inside.parts or path.suffix in {".pyc", ".nbi", ".nbc"}:
                continue
            found.add(inside.as_posix() if folder == "qalgs" else f"qalgs/{inside.as_posix()}")
    return {n for n in found if not n.startswith(("qalgs/circuits/../", "qalgs/backends/../"))}


def test_wheel_equals_tree(names: set[str]) -> None:
    assert names == tree()


def test_no_generic_top_level_package(names: set[str]) -> None:
    assert {n.split("/")[0] for n in names} == {"qalgs"}
    assert {"qalgs/circuits/__init__.py", "qalgs/backends/__init__.py", "qalgs/py.typed"} <= names


def test_every_lazy_package_ships_its_stub(names: set[str]) -> None:
    packages = ("backends", "circuits", "eigengame", "max3cut", "nest", "qlsp")
    assert {f"qalgs/{name}/__init__.pyi" for name in packages} <= names


def test_links_are_relative() -> None:
    for name in ("circuits", "backends"):
        link = ROOT / "qalgs" / name
        if link.is_symlink():
            assert str(link.readlink()) == f"../{name}"


PROBE = """
import importlib, pathlib, sys
from importlib.metadata import distribution, entry_points
import qalgs
site = pathlib.Path(sys.argv[1])
for name in ("backends", "circuits", "eigengame", "max3cut", "nest", "optimizers", "qlsp"):
    module = importlib.import_module(f"qalgs.{name}")
    assert site in pathlib.Path(module.__file__).parents, module.__file__
    assert module.__all__ and all(hasattr(module, public) for public in module.__all__), name
assert distribution("qalgs").version == qalgs.__version__
from qiskit.transpiler.preset_passmanagers.plugin import list_stage_plugins
assert "qalgs_esp" in list_stage_plugins("layout")
script, = [e for e in entry_points(group="console_scripts") if e.name == "qalgs" and site in e.dist._path.parents]
raise SystemExit(script.load()(["--version"]))
"""


def test_unpacked_wheel_works_without_the_checkout(tmp_path: Path) -> None:
    """Names, entry points, the transpiler's layout plugin and the command, all from the wheel's own files."""
    site = tmp_path / "site"
    with zipfile.ZipFile(built().wheel) as wheel:
        wheel.extractall(site)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(site)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("qalgs ")
