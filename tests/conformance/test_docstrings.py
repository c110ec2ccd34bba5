"""Docstrings: every example runs, every public name says what it takes, gives and refuses."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import enum
import importlib
import inspect
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import qalgs

ROOT = Path(qalgs.__file__).parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Example")
RANDOM = {"as_generator", "spawn", "keyed", "root_seed", "default_rng", "simulator_seed"}


def modules() -> list[str]:
    """Every module of the package, by path: nothing is imported to find them."""
    found = []
    for folder in (ROOT, ROOT / "circuits", ROOT / "backends"):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(("qalgs", *parts)).removesuffix(".__init__")
            if not name.endswith("__main__") and name not in found:
                found.append(name)
    return found


def source(module: str) -> str:
    path = ROOT.joinpath(*module.split(".")[1:])
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [m for m in modules() if ">>>" in source(m)])
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test, out=report.append)
    assert runner.tries > 0
    assert runner.failures == 0, "\n".join(report)


def test_no_example_is_left_out() -> None:
    for name in modules():
        assert "doctest: +" not in source(name), f"{name} has an example with a directive"


@dataclass
class Docstring:
    """A docstring in Google style.

    Attributes:
        summary: Its first paragraph.
        sections: The entries of each section, or its text as one entry where it has no names.
    """

    summary: str
    sections: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What Args and Attributes name."""
        return [*self.sections.get("Args", []), *self.sections.get("Attributes", [])]


def read(text: str | None) -> Docstring:
    lines = inspect.cleandoc(text or "").splitlines()
    summary = " ".join(first_paragraph(lines))
    found = Docstring(summary)
    current: str | None = None
    for line in lines:
        head = re.fullmatch(rf"({'|'.join(SECTIONS)}):", line)
        if head:
            current = head[1]
            found.sections[current] = []
        elif current and line.strip() and not line.startswith(" "):
            current = None
        elif current and (entry := re.match(r"    (\*{0,2}\w+)( \(.*?\))?:( |$)", line)):
            found.sections[current].append(entry[1].lstrip("*"))
        elif current and line.startswith("    ") and not found.sections[current]:
            found.sections[current].append("")
    return found


def first_paragraph(lines: list[str]) -> list[str]:
    end = lines.index("") if "" in lines else len(lines)
    return lines[:end]


Definition = ast.FunctionDef | ast.ClassDef


@cache
def defined(module: str) -> dict[str, Definition]:
    return {node.name: node for node in ast.parse(source(module)).body if isinstance(node, Definition)}


def exported(text: str) -> list[str]:
    """The ``__all__`` of a stub or package."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(node.value))
    return []


@cache
def public() -> dict[str, Definition]:
    """Every public function and class by its full name, found without importing anything."""
    found: dict[str, Definition] = {}
    for package in sorted({m.split(".")[1] for m in modules() if m.count(".")}):
        stub = ROOT / package / "__init__.pyi"
        text = stub.read_text(encoding="utf-8") if stub.exists() else source(f"qalgs.{package}")
        names = exported(text)
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom) and names:
                home = f"qalgs.{package}.{node.module}" if node.level else str(node.module)
                for alias in node.names:
                    if alias.name in names and alias.name in defined(home):
                        found[f"{package}.{alias.name}"] = defined(home)[alias.name]
    for package in ("errors", "seeds", "results", "parallel"):
        shared = defined(f"qalgs.{package}").items()
        found.update({f"{package}.{name}": node for name, node in shared if not name.startswith("_")})
    return found


def resolve(name: str) -> Any:
    """The object behind a full name."""
    package, _, last = name.partition(".")
    return getattr(importlib.import_module(f"qalgs.{package}"), last)


FUNCTIONS = [name for name, node in public().items() if isinstance(node, ast.FunctionDef)]
CLASSES = [name for name, node in public().items() if isinstance(node, ast.ClassDef)]


def imported(stub: Path) -> set[str]:
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    return {alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names}


@pytest.mark.parametrize("stub", sorted(ROOT.glob("*/__init__.pyi")), ids=lambda p: p.parent.name)
def test_stubs_import_what_they_export(stub: Path) -> None:
    names = exported(stub.read_text(encoding="utf-8"))
    assert imported(stub) == set(names)
    assert len(names) == len(set(names))
    package = importlib.import_module(f"qalgs.{stub.parent.name}")
    assert set(names) == set(package.__all__)
    assert all(getattr(package, name) is not None for name in names)


def parameters(value: Any) -> list[str]:
    """The names of the arguments, without self."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in found if not p.name.startswith("_")]


def raises(node: ast.AST) -> bool:
    """Whether a body raises by itself, nested functions aside."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None and "AssertionError" not in ast.dump(child):
            return True
        if raises(child):
            return True
    return False


def constructor(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name in {"__init__", "__post_init__"}]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_give_and_refuse(name: str) -> None:
    value, node = resolve(name), public()[name]
    doc = read(value.__doc__)
    assert doc.summary.endswith((".", ":", "`")), f"{name}: the summary is no sentence: {doc.summary!r}"
    assert doc.names == parameters(value), f"{name}: Args do not match the signature"
    returned = inspect.signature(value).return_annotation
    if returned not in (None, "None", inspect.Signature.empty):
        said = "Returns" in doc.sections or "Yields" in doc.sections
        assert said or doc.summary.startswith(("Return ", "Yield ")), f"{name}: no Returns"
    if raises(node):
        assert doc.sections.get("Raises"), f"{name}: no Raises"
    assert ">>>" in (value.__doc__ or ""), f"{name}: no example"


@pytest.mark.parametrize("name", CLASSES)
def test_classes_say_what_they_hold_and_refuse(name: str) -> None:
    value, node = resolve(name), public()[name]
    assert value.__dict__.get("__doc__"), f"{name}: no docstring of its own"
    docs = [read(base.__doc__) for base in value.__mro__ if base.__module__.startswith("qalgs")]
    assert docs[0].summary.endswith((".", ":", "`")), f"{name}: the summary is no sentence: {docs[0].summary!r}"
    if issubclass(value, BaseException) or not value.__module__.startswith("qalgs"):
        return
    known = [n for doc in docs for n in doc.names]
    if not inspect.isabstract(value) and not issubclass(value, enum.Enum):
        inner = (
            [f.name for f in dataclasses.fields(value) if not f.repr] if dataclasses.is_dataclass(value) else []
        )
        missing = [p for p in parameters(value) if p not in {*known, *inner, "args", "kwargs"}]
        assert not missing, f"{name}: {missing} are not described"
    for named in docs[0].names:
        fields = getattr(value, "__annotations__", {})
        there = named in parameters(value) or named in fields or hasattr(value, named)
        assert there or assigned(value, named), f"{name}: {named} is described, but not there"
    if isinstance(node, ast.ClassDef) and any(raises(f) for f in constructor(node)):
        assert any(doc.sections.get("Raises") for doc in docs), f"{name}: no Raises"


def assigned(value: type, name: str) -> bool:
    """Whether a method sets ``self.name``, or a base declares it."""
    for base in value.__mro__:
        if not base.__module__.startswith("qalgs"):
            continue
        if name in getattr(base, "__annotations__", {}) or f"self.{name}" in inspect.getsource(base):
            return True
    return False


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_what_draws_random_numbers_takes_a_seed(name: str) -> None:
    value, node = resolve(name), public()[name]
    if name.startswith("seeds.") or not value.__module__.startswith("qalgs"):
        return
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if not used & RANDOM:
        return
    signatures = [n for n in ast.walk(node) if isinstance(n, ast.arguments)]
    arguments = {a.arg for n in signatures for a in (*n.args, *n.kwonlyargs)} | set(parameters(value))
    attributes = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    given = arguments & {"seed", "rng", "root", "solver"} or "seed" in attributes
    assert given, f"{name} draws {used & RANDOM} without a seed"
