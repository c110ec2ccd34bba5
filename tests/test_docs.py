"""The pages under docs/ and CONTRIBUTING.md: their Python runs as printed, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import api_overview
import pytest

from qalgs.cli.kinds import KINDS
from qalgs.nest.schedules import SCHEDULES
from qalgs.nest.strategies import STRATEGIES
from qalgs.optimizers import base

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])
RUN = [path for path in PAGES if path.name != "README.md" and "```python" in path.read_text(encoding="utf-8")]


@pytest.fixture
def tables() -> Any:
    """Whatever a page registers is gone after its test."""
    kept = [(table, dict(table)) for table in (KINDS, SCHEDULES, STRATEGIES, base._KINDS)]
    yield
    for table, content in kept:
        table.clear()
        table.update(content)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", RUN, ids=lambda p: p.name)
def test_python_blocks_run_in_order(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: None
) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    for match in re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        # Line numbers in a traceback are those of the page.
        code = "\n" * (text[: match.start(1)].count("\n")) + match.group(1)
        exec(compile(code, str(path), "exec", dont_inherit=True), names)


def test_extension_guide_covers_every_kind_of_extension() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    for word in ("solver", "strategy", "ansatz", "schedule", "job kind", "optimiser"):
        assert any(word in heading for heading in headings), word


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings make (GitHub's rule)."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{path.name}: {target}"


def test_api_overview_is_current() -> None:
    assert api_overview.main([]) == 0, "run python -m tests.api_overview --write"


@pytest.mark.parametrize("package", api_overview.PACKAGES)
def test_every_public_name_says_what_it_is(package: str) -> None:
    entries = api_overview.package_entries(package)
    assert entries
    assert [e.name for e in entries if not e.summary] == []


def test_sentence_keeps_markdown_whole() -> None:
    made = api_overview.sentence("Return :math:`a|b` for :class:`~x.Y` (e.g. ``z``). More.\n\nRest.")
    assert made == r"Return $a\|b$ for `Y` (e.g. `z`)."
