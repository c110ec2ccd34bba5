"""The examples as notebooks: run cell by cell in a kernel, with figures and progress that a notebook can show."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import nbformat
import pytest

from qalgs.progress import Bar

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(ROOT.glob("examples/*.py"))


def execute(notebook: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[Any]:
    """Run a notebook in fast mode and return the outputs of all cells."""
    # The kernel draws into the page, not into a window or nowhere.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("QALGS_FAST", "1")
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["dissociation", "whole"])
def test_example_runs_as_a_notebook_with_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = jupytext.read(ROOT / "examples" / f"{name}.py")
    outputs = execute(notebook, monkeypatch, ROOT / "examples")
    pictures = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 2
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)
    assert not any(o.output_type == "error" for o in outputs)


def test_a_callback_reports_progress_in_a_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = """
from qalgs.parallel import run_all
from qalgs.progress import Bar
with Bar("squares", 3) as bar:
    assert run_all(abs, [-1, -2, -3], callback=bar, parallel="threading:2") == [1, 2, 3]
assert bar.done == 3
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])  # type: ignore[no-untyped-call]
    outputs = execute(notebook, monkeypatch, tmp_path)
    (shown,) = [o.data["text/plain"] for o in outputs if "data" in o]
    assert shown.startswith("squares ")
    assert shown.endswith(" 3/3 100%")


def test_the_bar_in_a_terminal_and_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bar("quiet", 2) as bar:
        bar()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Bar("loud", 2) as bar:
        bar("event")
        bar("event")
    assert capsys.readouterr().err.endswith("2/2 100%\n")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_is_a_notebook(path: Path) -> None:
    """A question first; the four of an algorithm and the one of the whole draw pictures and end with an answer."""
    cells = jupytext.read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert {cell.cell_type for cell in cells} == {"markdown", "code"}
    if path.stem == "linear_solvers":
        return
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "?" in prose.split("\n\n")[0] + prose.split("\n\n")[1]
    assert "plt.show()" in code
    assert "**Answer.**" in prose
