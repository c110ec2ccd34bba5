"""Argument checks that the builders share."""

from __future__ import annotations

import math
from numbers import Integral, Real

from qalgs.errors import invalid


def whole(name: str, value: object, least: int) -> int:
    """Return ``value`` as an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise invalid(name, value, f"must be an integer of at least {least}")
    return int(value)


def real(name: str, value: object) -> float:
    """Return ``value`` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise invalid(name, value, "must be a finite real number")
    return float(value)
