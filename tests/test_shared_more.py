"""Results as JSON and text, files written whole or not at all, and a checkout without symbolic links."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

import qalgs
from qalgs.results import Result, jsonable, write_atomic


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured(Result):
    where: Path
    value: complex
    rows: bool = False

    def _rows(self) -> list[dict[str, object]]:
        return [{"level": 0, "energy": -1.5}] if self.rows else []


def test_values_of_other_types_are_their_text() -> None:
    found = Measured(where=Path("a"), value=1 + 2j).to_dict()
    assert found == {"where": "a", "value": {"re": 1.0, "im": 2.0}, "rows": False}
    assert jsonable({"p": Path("b")}) == {"p": "b"}


def test_results_without_rows_have_no_table() -> None:
    plain, table = (str(Measured(where=Path("a"), value=1j, rows=rows)) for rows in (False, True))
    assert plain.splitlines()[0] == "Measured"
    assert len(plain.splitlines()) == 4
    assert [line.split() for line in table.splitlines()[4:]] == [["level", "energy"], ["0", "-1.5"]]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomic(tmp_path / "a.txt", "old")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_checkout_without_links_finds_its_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where qalgs/circuits is a text file instead of a link, the package looks beside itself as well."""
    root = str(Path(qalgs.__file__).resolve().parent.parent)
    real = Path.is_dir
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", lambda self: self.name != "circuits" and real(self))
        importlib.reload(qalgs)
        assert list(qalgs.__path__)[-1] == root
    importlib.reload(qalgs)
    assert root not in list(qalgs.__path__)
