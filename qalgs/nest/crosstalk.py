"""What co-located jobs do to each other.

Device noise models factorise over disjoint regions, so without a model of crosstalk packing costs nothing at all.
:class:`ErrorInflation` makes two-qubit gates near a co-tenant worse, and each job can still be simulated on its
own qubits; measured factors reach 11 (Murali et al., ASPLOS 2020). :class:`CoherentZZ` couples touching qubits
of two jobs, which then must be simulated together (:mod:`qalgs.nest.joint`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from qalgs.errors import InvalidInputError, expect, invalid

from .chip import Chip

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot


@dataclass(frozen=True, kw_only=True)
class Crosstalk(ABC):
    """A model of what jobs on one chip do to each other."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """Hops within which a job's ESP feels another; jobs further apart do not."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the model as JSON values."""

    def inflation(
        self, snapshot: DeviceSnapshot, layout: Sequence[int], neighbours: Sequence[Sequence[int]]
    ) -> Mapping[Any, float]:
        """Return error factors by coupler of ``layout``, for :meth:`DeviceSnapshot.inflate`; none by default.

        Args:
            snapshot: The device.
            layout: Physical qubits of the job.
            neighbours: Physical qubits of the jobs beside it.
        """
        return {}

    def inflated(
        self, snapshot: DeviceSnapshot, layout: Sequence[int], neighbours: Sequence[Sequence[int]]
    ) -> DeviceSnapshot:
        """Return the calibration that a job on ``layout`` sees beside its neighbours."""
        factors = self.inflation(snapshot, layout, neighbours)
        return snapshot.inflate(factors) if factors else snapshot

    def coupled(self, snapshot: DeviceSnapshot, layouts: Mapping[str, Sequence[int]]) -> list[list[str]]:
        """Return the groups of jobs that must be simulated together; each job alone by default."""
        return [[name] for name in layouts]


@dataclass(frozen=True, kw_only=True)
class NoCrosstalk(Crosstalk):
    """Jobs do not feel each other.

    Example:
        >>> NoCrosstalk().reach
        0
    """

    @property
    def reach(self) -> int:
        """Nothing is felt at any distance."""
        return 0

    def describe(self) -> dict[str, Any]:
        """Return the model as JSON values."""
        return {"name": "none"}


@dataclass(frozen=True, kw_only=True)
class ErrorInflation(Crosstalk):
    """Errors of two-qubit gates grow by ``factor`` within ``hops`` couplers of a qubit that another job holds.

    Attributes:
        factor: At least 1.
        hops: Reach; with a buffer of ``hops`` or more between jobs nothing is inflated.

    Raises:
        InvalidInputError: If the factor is below 1, or ``hops`` is negative.

    Example:
        >>> ErrorInflation(factor=2.0).reach
        1
    """

    factor: float = 2.0
    hops: int = 1

    def __post_init__(self) -> None:
        expect(Real, **{"crosstalk.factor": self.factor})
        expect(Integral, **{"crosstalk.hops": self.hops})
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise invalid("crosstalk.factor", self.factor, "must be finite and at least 1")
        if isinstance(self.hops, bool) or self.hops < 0:
            raise invalid("crosstalk.hops", self.hops, "must be a non-negative int")

    @property
    def reach(self) -> int:
        """``hops``, or 0 if the factor is 1."""
        return self.hops if self.factor > 1 else 0

    def inflation(
        self, snapshot: DeviceSnapshot, layout: Sequence[int], neighbours: Sequence[Sequence[int]]
    ) -> Mapping[Any, float]:
        """Return the factor of every coupler inside ``layout`` that is within reach of a neighbour.

        Args:
            snapshot: The device.
            layout: Physical qubits of the job.
            neighbours: Physical qubits of the jobs beside it.
        """
        chip = Chip.of(snapshot)
        others = [q for job in neighbours for q in job]
        if not others or self.factor == 1:
            return {}
        near = {q for q in layout if int(chip.distance[q, others].min()) <= self.hops}
        inside = set(layout)
        return {
            (int(a), int(b)): self.factor
            for a, b in chip.couplers
            if a in inside and b in inside and (a in near or b in near)
        }

    def describe(self) -> dict[str, Any]:
        """Return the model as JSON values."""
        return {"name": "inflation", "factor": self.factor, "hops": self.hops}


@dataclass(frozen=True, kw_only=True)
class CoherentZZ(Crosstalk):
    r"""An always-on ZZ coupling between touching qubits of two jobs.

    The coupling is :math:`H = 2\pi\,\nu\; Z_a Z_b / 4`, so that the two-qubit phase advances at ``nu``; it acts on
    every coupler that joins two jobs, for the whole circuit. It is coherent: no ESP knows of it, it entangles the
    jobs, and they are simulated together. With a buffer of at least one qubit no jobs touch.

    Attributes:
        rate: nu in hertz; 20 to 100 kHz are typical of fixed-frequency transmons.

    Raises:
        InvalidInputError: If the rate is not finite.

    Example:
        >>> CoherentZZ(rate=50e3).describe()["name"]
        'zz'
    """

    rate: float = 50e3

    def __post_init__(self) -> None:
        expect(Real, **{"crosstalk.rate": self.rate})
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise invalid("crosstalk.rate", self.rate, "must be finite and not negative, in hertz")

    @property
    def reach(self) -> int:
        """No ESP is changed at any distance."""
        return 0

    def touching(
        self, snapshot: DeviceSnapshot, layouts: Mapping[str, Sequence[int]]
    ) -> list[tuple[str, int, str, int]]:
        """Return every coupler that joins two jobs as ``(job, qubit, job, qubit)``."""
        chip = Chip.of(snapshot)
        owner = {int(q): name for name, qubits in layouts.items() for q in qubits}
        found = []
        for a, b in chip.couplers:
            left, right = owner.get(int(a)), owner.get(int(b))
            if left is not None and right is not None and left != right:
                found.append((left, int(a), right, int(b)))
        return found

    def coupled(self, snapshot: DeviceSnapshot, layouts: Mapping[str, Sequence[int]]) -> list[list[str]]:
        """Return the groups of jobs that touch, directly or through others."""
        group = {name: {name} for name in layouts}
        if self.rate:
            for left, _, right, _ in self.touching(snapshot, layouts):
                merged = group[left] | group[right]
                for name in merged:
                    group[name] = merged
        order = list(layouts)
        return [list(g) for g in dict.fromkeys(tuple(n for n in order if n in group[name]) for name in order)]

    def describe(self) -> dict[str, Any]:
        """Return the model as JSON values."""
        return {"name": "zz", "rate": self.rate}


def make_crosstalk(model: Crosstalk | Mapping[str, Any] | str | None) -> Crosstalk:
    """Return a crosstalk model.

    Args:
        model: A model, returned as is; None or ``"none"``; ``"inflation"`` or ``"inflation:2:1"`` (factor and
            hops); ``"zz"`` or ``"zz:50e3"`` (hertz); or a mapping with ``name`` and the model's fields.

    Raises:
        InvalidInputError: If there is no such model, or it has no such field.

    Example:
        >>> make_crosstalk("inflation:2:1")
        ErrorInflation(factor=2.0, hops=1)
    """
    if isinstance(model, Crosstalk):
        return model
    if model is None:
        return NoCrosstalk()
    if isinstance(model, str):
        name, *numbers = model.strip().lower().split(":")
        fields: dict[str, list[str]] = {"none": [], "inflation": ["factor", "hops"], "zz": ["rate"]}
        if name not in fields or len(numbers) > len(fields[name]):
            raise invalid("crosstalk", model, "must be 'none', 'inflation:FACTOR:HOPS' or 'zz:HERTZ'")
        try:
            values = {k: int(v) if k == "hops" else float(v) for k, v in zip(fields[name], numbers, strict=False)}
        except ValueError as error:
            raise invalid("crosstalk", model, "must have numbers after the colons") from error
        return make_crosstalk({"name": name, **values})
    expect(Mapping, crosstalk=model)
    options = dict(model)
    kinds = {"none": NoCrosstalk, "inflation": ErrorInflation, "zz": CoherentZZ}
    name = str(options.pop("name", options.pop("model", "inflation"))).lower()
    if name not in kinds:
        raise invalid("crosstalk", name, f"must be one of {', '.join(kinds)}")
    try:
        return kinds[name](**options)
    except TypeError as error:
        raise InvalidInputError(f"crosstalk {name!r} does not take these options: {error}") from error
