"""Hypothesis profiles: "ci", the same inputs every time, and "nightly", fresh ones by the thousand."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
}
settings.register_profile("ci", derandomize=True, max_examples=200, **_COMMON)
settings.register_profile("nightly", max_examples=10_000, print_blob=True, **_COMMON)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let ten thousand inputs take their time."""
    if os.environ.get("QALGS_FUZZ") == "nightly":
        for item in items:
            if "robustness" in item.path.parts:
                item.add_marker(pytest.mark.timeout(0))
