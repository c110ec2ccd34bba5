"""The wheel holds exactly the tree: qalgs with circuits and backends inside, nothing twice, nothing bare."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with zipfile.ZipFile(path) as wheel:
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


def test_links_are_relative() -> None:
    for name in ("circuits", "backends"):
        link = ROOT / "qalgs" / name
        if link.is_symlink():
            assert str(link.readlink()) == f"../{name}"
