"""Hypothesis profiles: "ci", the same inputs every time, and "nightly", fresh ones by the thousand."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as settings

_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
}
settings.register_profile("ci", derandomize=True, max_examples=200, **_COMMON)
settings.register_profile("nightly", max_examples=10_000, print_blob=True, **_COMMON)
