"""Shared fixtures: a generator per test that depends on the test's name alone, and single-threaded libraries."""

from __future__ import annotations

import hashlib
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=0, help="session seed mixed into every test's generator")
    parser.addoption("--seeded", action="store_true", help="run only tests with a generator, which a seed changes")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator that neither the order of the tests nor the number of workers can change."""
    digest = hashlib.sha256(request.node.nodeid.encode()).digest()
    return np.random.default_rng([request.config.getoption("--seed"), int.from_bytes(digest[:8], "little")])


def _is_seeded(item: pytest.Item) -> bool:
    return "rng" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep seeded tests alone where asked to; let the ten thousand inputs of a nightly run take their time."""
    if config.getoption("--seeded"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_seeded(item)])
        items[:] = filter(_is_seeded, items)
    if os.environ.get("QALGS_FUZZ") == "nightly":
        for item in items:
            if "robustness" in item.path.parts:
                item.add_marker(pytest.mark.timeout(0))
