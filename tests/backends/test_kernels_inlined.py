"""What a compiled kernel calls is part of it: then code from the cache rounds like freshly compiled code."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def kernels() -> dict[tuple[str, str], tuple[ast.FunctionDef, str]]:
    """Every compiled function by file and name, with its decorator's text."""
    found = {}
    for path in sorted((ROOT / "backends").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    if decorator.startswith("njit"):
                        found[path.name, node.name] = (node, decorator)
    return found


def test_callees_of_kernels_are_inlined() -> None:
    every = kernels()
    called = {
        call.func.id
        for node, _ in every.values()
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    inlined = [key for key, (_, decorator) in every.items() if "forceinline=True" in decorator]
    missing = [key for key in every if key[1] in called and key not in inlined]
    assert missing == []
    assert len(inlined) > 30
