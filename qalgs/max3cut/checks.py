"""Checks that the engines, QAOA and the table share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import networkx as nx

from qalgs.errors import expect, invalid


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise unless ``value`` is an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise invalid(name, value, f"must be an int of at least {least}")


def check_seconds(budget: float | None, most: float = math.inf) -> None:
    """Raise unless ``budget`` is None or a positive number below ``most``."""
    expect(Real, type(None), budget=budget)
    if budget is not None and not 0 < budget < most:
        raise invalid("budget", budget, "must be a positive number of seconds or None")


def check_series(**given: object) -> None:
    """Raise unless the arguments hold items, and are not, like a string or a graph, one item themselves."""
    expect(Iterable, **given)
    for name, values in given.items():
        if isinstance(values, str | nx.Graph):
            raise invalid(name, values, "must be a sequence", "put it into a list")


def check_primitive(name: str, value: object) -> None:
    """Raise unless ``value`` is None or has the ``run`` method of a V2 primitive."""
    if value is not None and not callable(getattr(value, "run", None)):
        raise invalid(name, value, f"must be a V2 {name} or None", "see qalgs.backends")
