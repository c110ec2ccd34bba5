"""The API overview, written from the stubs and docstrings: ``python -m tests.api_overview --write``.

Every public name of every package stands in ``docs/api.md`` with the first sentence of its docstring. Without
``--write`` the command only says whether the file is current (exit code 1 if not), as its test does.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "api.md"
PACKAGES = {
    "qalgs.circuits": "circuits",
    "qalgs.backends": "backends",
    "qalgs.nest": "qalgs/nest",
    "qalgs.eigengame": "qalgs/eigengame",
    "qalgs.qlsp": "qalgs/qlsp",
    "qalgs.max3cut": "qalgs/max3cut",
    "qalgs.optimizers": "qalgs/optimizers",
}
MODULES = ("qalgs.results", "qalgs.errors", "qalgs.seeds", "qalgs.parallel", "qalgs.progress")
HEAD = """# API overview

Every public name, by package, with the first sentence of its docstring; `help(name)` in Python shows the rest:
arguments, shapes, units, errors, and the paper that a method comes from. This page is written by
`python -m tests.api_overview --write`, and a test keeps it current.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A public name: where it is defined and what its docstring says first."""

    name: str
    source: str
    line: int
    kind: str
    summary: str


def sentence(docstring: str) -> str:
    """Return the first sentence of a docstring as Markdown."""
    text = " ".join(docstring.strip().split("\n\n")[0].split())
    stop = re.search(r"(?<![A-Z])(?<!et al)(?<!e\.g)\.(?=\s+[A-Z`(])", text)
    text = text[: stop.end()] if stop else text
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    text = re.sub(r":\w+:`~?\.?([^`]+)`", lambda m: f"`{m[1].split('.')[-1]}`", text)
    return text.replace("``", "`").replace("|", "\\|")


def definitions(path: Path) -> dict[str, Entry]:
    """Return what a module defines at its top level, by name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found = {}
    for i, node in enumerate(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            kind, text = "class" if isinstance(node, ast.ClassDef) else "function", ast.get_docstring(node)
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            kind, after = "constant", body[i + 1] if i + 1 < len(body) else None
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = str(after.value.value) if is_text else None  # type: ignore[union-attr]
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            continue
        for name in names:
            source = path.relative_to(ROOT).as_posix()
            found[name] = Entry(
                name=name, source=source, line=node.lineno, kind=kind, summary=sentence(text or "")
            )
    return found


def exported(path: Path) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return ``__all__`` of a stub or package and, by name, the module and the name that it comes from."""
    names: list[str] = []
    origins = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                origins[alias.asname or alias.name] = (node.module, alias.name)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
    return names, origins


def package_entries(package: str) -> list[Entry]:
    """Return the public names of a package, in alphabetical order.

    Raises:
        LookupError: If a name is exported but not defined where the stub says.
    """
    folder = ROOT / PACKAGES[package]
    stub = folder / "__init__.pyi"
    names, origins = exported(stub if stub.exists() else folder / "__init__.py")
    return [find(folder, package, *origins[name]) for name in sorted(names, key=str.lower)]


def find(folder: Path, package: str, module: str, name: str) -> Entry:
    """Return the definition of ``name``, following the imports of the modules of one package.

    Raises:
        LookupError: If it is not defined where the stub says.
    """
    inside = module.removeprefix(f"{package}.")
    base = ROOT if inside.startswith("qalgs.") else folder
    path = (base / f"{inside.replace('.', '/')}.py").resolve()
    defined = definitions(path)
    if name in defined:
        return defined[name]
    onward = exported(path)[1].get(name)
    if onward is None:
        raise LookupError(f"{package}.{name} is not defined in {path.relative_to(ROOT)}")
    return find(path.parent, package, *onward)


def module_entries(module: str) -> list[Entry]:
    """Return the public names of a module without a stub."""
    found = definitions(ROOT / f"{module.replace('.', '/')}.py")
    public = [e for e in found.values() if not e.name.startswith("_") and (e.summary or e.kind != "constant")]
    return sorted(public, key=lambda e: e.name.lower())


def docstring(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    return sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")


def commands() -> list[tuple[str, str]]:
    """Return every command of ``qalgs`` with the first sentence of its help."""
    from qalgs.cli.app import app

    def walk(command: Any, words: list[str]) -> list[tuple[str, str]]:
        if not hasattr(command, "commands"):
            return [(" ".join(words), sentence(command.help or ""))]
        return [row for name in command.commands for row in walk(command.commands[name], [*words, name])]

    return walk(typer.main.get_command(app), ["qalgs"])


def table(entries: Sequence[Entry]) -> list[str]:
    """Return the rows of a table of names."""
    rows = ["| name | what it is |", "|---|---|"]
    for e in entries:
        shown = f"{e.name}()" if e.kind == "function" else e.name
        rows.append(f"| [`{shown}`](../{e.source}) | {e.summary} |")
    return rows


def overview() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for package, folder in PACKAGES.items():
        parts += [f"## {package}", "", docstring(ROOT / folder / "__init__.py"), ""]
        parts += [*table(package_entries(package)), ""]
    for module in MODULES:
        parts += [f"## {module}", "", docstring(ROOT / f"{module.replace('.', '/')}.py"), ""]
        parts += [*table(module_entries(module)), ""]
    parts += ["## Commands", "", "| command | what it does |", "|---|---|"]
    parts += [f"| `{name}` | {text} |" for name, text in commands()]
    return "\n".join(parts) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is current."""
    parser = argparse.ArgumentParser(prog="python -m tests.api_overview", description="Write docs/api.md.")
    parser.add_argument("--write", action="store_true", help="write the page instead of comparing")
    text = overview()
    if parser.parse_args(argv).write:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is out of date: run python -m tests.api_overview --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
