"""Imports only go down: the ground knows no algorithm, and algorithms do not know one another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALGORITHMS = ("eigengame", "qlsp", "nest", "max3cut")
SHARED = {"qalgs", "qalgs.errors", "qalgs.seeds", "qalgs.results", "qalgs.parallel", "qalgs.optimizers"}
GROUND = {"circuits": {"qalgs.errors", "qalgs.seeds", "qalgs.results"}}
GROUND["backends"] = GROUND["circuits"]


def imports(path: Path, module: str) -> list[tuple[int, str]]:
    """Every ``(line, absolute dotted name)`` of qalgs that the file imports, anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{prefix}.{alias.name}") for alias in node.names]
    return [(line, name) for line, name in found if name == "qalgs" or name.startswith("qalgs.")]


def files(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).rglob("*.py*") if p.suffix in {".py", ".pyi"})


def offences(folder: str, allowed: set[str], package: str) -> list[str]:
    bad = []
    for path in files(folder):
        inside = path.relative_to(ROOT / folder).with_suffix("").parts
        module = ".".join([package, *inside])
        for line, name in imports(path, module):
            if not any(name == a or name.startswith(a + ".") for a in allowed | {package}):
                bad.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return bad


@pytest.mark.parametrize("folder", sorted(GROUND))
def test_ground_stands_on_nothing(folder: str) -> None:
    assert offences(folder, GROUND[folder], f"qalgs.{folder}") == []


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_do_not_import_one_another(name: str) -> None:
    allowed = {"qalgs.circuits", "qalgs.backends"} | (SHARED - {"qalgs"}) | {"qalgs.__version__"}
    assert offences(f"qalgs/{name}", allowed, f"qalgs.{name}") == []


@pytest.mark.parametrize("module", ["errors", "seeds", "results", "parallel", "optimizers"])
def test_shared_modules_know_no_algorithm(module: str) -> None:
    paths = [ROOT / "qalgs" / f"{module}.py", *files(f"qalgs/{module}")]
    names = [name for path in paths if path.exists() for _, name in imports(path, f"qalgs.{module}")]
    assert any(path.exists() for path in paths)
    assert all(any(name == s or name.startswith(s + ".") for s in SHARED - {"qalgs"}) for name in names), names


def test_no_module_is_too_long() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for folder in ("qalgs", "circuits", "backends")
        for p in files(folder)
        if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_the_walker_sees_offences(tmp_path: Path) -> None:
    source = tmp_path / "m.py"
    source.write_text("from ..eigengame import solver\nimport qalgs.cli\nimport os\n")
    assert imports(source, "qalgs.nest.m") == [(1, "qalgs.eigengame.solver"), (2, "qalgs.cli")]
