"""The two distributions, built once."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = tempfile.TemporaryDirectory()


@dataclass(frozen=True, slots=True)
class Built:
    """The files that an upload would consist of."""

    wheel: Path
    sdist: Path


@cache
def built() -> Built:
    """Build both; their folder goes with the process."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=_FOLDER.name, versions=["standard"])
    (sdist,) = SdistBuilder(str(ROOT)).build(directory=_FOLDER.name, versions=["standard"])
    return Built(Path(wheel), Path(sdist))
