"""The registry: every public ansatz, encoding, solver, method, strategy, schedule, engine and job kind, once.

:mod:`test_battery` puts every item through the same checks; :mod:`test_complete` compares the registry with what
the package offers, so that nothing new escapes. An item says how to make a small one (``make(**given())``), how to
run it (``run(made, seed)``), and which arguments must be refused. The items stand in the ``items_*`` modules.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.nest.jobs import circuit_hash

Run = Callable[..., object]
Refused = Sequence[tuple[dict[str, Any], str]]
CLOCKS = {"seconds", "cpu_seconds", "wall_seconds", "preprocessing_seconds", "times", "campaign", "created"}
"""Fields that a clock fills: no two runs share them."""


def nothing() -> dict[str, Any]:
    return {}


def as_made(made: object, seed: int | None) -> object:
    return made


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that a user can choose.

    Attributes:
        kind: What it is; the checks that apply follow from it.
        name: As the package calls it; variants of one name carry brackets, ``name[variant]``.
        make: The public class or function.
        given: Arguments for ``make``, made afresh.
        refused: Arguments that must be refused, each with a part of the message.
        run: What to do with what was made, given a seed; returns whatever is to be compared.
        random: Whether another seed gives another result.
        seeded: Whether ``make`` itself takes the seed.
        plain: Whether ``repr`` is an expression that makes an equal object.
        workers: The argument of ``make`` that spreads the work, or "".
        copies: Whether what was made can be pickled and copied.
        accepted: Arguments whose wrong values mean something else and are no errors.
    """

    kind: str
    name: str
    make: Callable[..., Any]
    given: Callable[[], dict[str, Any]] = nothing
    refused: Refused = ()
    run: Run = as_made
    random: bool = False
    seeded: bool = False
    plain: bool = False
    workers: str = ""
    copies: bool = True
    accepted: frozenset[str] = field(default_factory=frozenset)

    @property
    def key(self) -> str:
        """The item's name for tests."""
        return f"{self.kind}:{self.name}"

    def build(self, **changes: Any) -> Any:
        """Make a small one."""
        return self.make(**{**self.given(), **changes})

    def outcome(self, seed: int | None = None, **changes: Any) -> Any:
        """Make and run."""
        made = self.build(**({"seed": seed} if self.seeded else {}), **changes)
        return self.run(made, seed)


def items_of(kind: str, package: object, **common: Any) -> Callable[..., Item]:
    """Return a maker of items of one kind, which ``package`` offers under their names, with what they share."""

    def item(name: str, refused: Refused = (), **options: Any) -> Item:
        settings = {"make": getattr(package, name.partition("[")[0]), **common, **options}
        return Item(kind=kind, name=name, refused=refused, **settings)

    return item


def content(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Return what a value says, comparable with ``==``, without what clocks and counters of objects add."""
    if value is None or isinstance(value, bool | int | str | bytes | type):
        return value
    if isinstance(value, float | complex | np.generic):
        return repr(value)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, np.ndarray):
        return (value.shape, [content(v, seen) for v in value.ravel().tolist()])
    if sp.issparse(value):
        matrix: Any = value
        return content(matrix.toarray(), seen)
    if id(value) in seen:
        return "..."
    return _composite(value, seen | {id(value)})


def _composite(value: Any, seen: frozenset[int]) -> Any:
    if isinstance(value, QuantumCircuit):
        return circuit_hash(value)
    if isinstance(value, SparsePauliOp):
        return [(label, repr(c)) for label, c in value.to_list()]
    if isinstance(value, nx.Graph):
        return (list(value.nodes), sorted((a, b, content(d)) for a, b, d in value.edges(data=True)))
    if isinstance(value, Mapping):
        return {str(k): content(v, seen) for k, v in value.items() if k not in CLOCKS}
    if isinstance(value, list | tuple | range):
        return [content(v, seen) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(repr(content(v, seen)) for v in value)
    kind = type(value).__qualname__
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value) if f.name not in CLOCKS]
        return (kind, {name: content(getattr(value, name), seen) for name in names})
    if callable(value) and hasattr(value, "__qualname__"):
        return value.__qualname__
    if type(value).__module__.startswith("qalgs"):
        kept = {k: v for k, v in sorted(vars(value).items()) if not k.startswith("_")}
        lazy = {k for k in kept if isinstance(getattr(type(value), k, None), functools.cached_property)}
        return (kind, {k: content(v, seen) for k, v in kept.items() if k not in lazy})
    return kind


def every() -> list[Item]:
    """Return all items."""
    import items_cuts
    import items_ground
    import items_levels
    import items_nest
    import items_solvers

    return [*items_ground.ITEMS, *items_solvers.ITEMS, *items_levels.ITEMS, *items_cuts.ITEMS, *items_nest.ITEMS]
