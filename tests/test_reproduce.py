"""The command behind the table of published headlines."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

main: Any = importlib.import_module("tests.benchmarks.reproduce").main


def test_cluster_runs_are_reproduced_in_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("QALGS_GSET", raising=False)
    main(["max3cut"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "published: 8439, 65 852 s on 8 H200 | ours: 8439, " in lines[0]
    assert all("ours: 6000" in line and "instance optimum" in line for line in lines[1:])


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sudoku"])
    assert "nest, eigengame, qlsp, max3cut" in capsys.readouterr().err
