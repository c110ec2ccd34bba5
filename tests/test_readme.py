"""Every block of the README runs as printed: Python blocks in order, command lines in process."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from qalgs.cli import main

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_block(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    code = compile(blocks("python")[number], f"README python block {number}", "exec", dont_inherit=True)
    exec(code, {"__name__": "__main__"})


COMMANDS = [
    [line[2:] for line in block.splitlines() if line.startswith("$ qalgs ")] for block in blocks("console")
]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_commands(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for line in COMMANDS[number]:
        arguments = shlex.split(line)[1:]
        if arguments[:2] in (["nest", "run"], ["nest", "compare"], ["nest", "study"]):
            arguments.append("--fast")
        assert main(arguments) == 0, line


def test_the_two_commands_are_one_line_each() -> None:
    for name in ("run", "test"):
        match = re.search(rf"<!-- ci: {name} -->\n```bash\n(.*?)```", TEXT, flags=re.DOTALL)
        assert match is not None
        assert match.group(1).count("\n") == 1
