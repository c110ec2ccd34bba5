"""Checks that the engines, QAOA and the table share."""

from __future__ import annotations

from qalgs.errors import invalid


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise unless ``value`` is an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise invalid(name, value, f"must be an int of at least {least}")
