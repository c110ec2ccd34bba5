"""Which engine is fastest for a circuit's size, from the measured table."""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

from qalgs.backends.auto_table import SECONDS
from qalgs.errors import invalid

Engine = Literal["auto", "compiled", "aer", "lightning"]
Work = Literal["energy", "gradient"]
ENGINES: tuple[Engine, ...] = ("auto", "compiled", "aer", "lightning")
VARIABLE = "QALGS_ENGINE"


def check_engine(engine: str | None) -> Engine:
    """Return the engine asked for; None asks the environment variable QALGS_ENGINE, by default "auto".

    Raises:
        ValueError: If there is no engine of that name.
    """
    name = "engine"
    if engine is None:
        engine, name = os.environ.get(VARIABLE) or "auto", VARIABLE
    for known in ENGINES:
        if engine == known:
            return known
    raise invalid(name, engine, f"must be one of {', '.join(ENGINES)}")


@cache
def fastest(work: Work, num_qubits: int) -> Engine:
    """Return the engine with the least measured time for one call at the largest measured size not above.

    >>> fastest("energy", 4)
    'compiled'
    """
    table = SECONDS[work]
    sizes = sorted(table)
    size = max((s for s in sizes if s <= num_qubits), default=sizes[0])
    row = table[size]
    return check_engine(min(row, key=lambda name: row[name]))
