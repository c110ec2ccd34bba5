"""What co-located jobs do to each other.

Device noise models factorise over disjoint regions, so without a model of crosstalk packing costs nothing at all.
:class:`ErrorInflation` is the simplest model that does: two-qubit gates near a co-tenant become worse, and each job
can still be simulated on its own qubits. Published measurements see factors up to 11 (Murali et al., ASPLOS 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qalgs.errors import invalid

from .chip import Chip

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot


@dataclass(frozen=True, kw_only=True)
class ErrorInflation:
    """Errors of two-qubit gates grow by ``factor`` within ``hops`` couplers of a qubit that another job holds.

    Attributes:
        factor: At least 1.
        hops: Reach; with a buffer of ``hops`` or more between jobs nothing is inflated.
    """

    factor: float = 2.0
    hops: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise invalid("crosstalk.factor", self.factor, "must be finite and at least 1")
        if isinstance(self.hops, bool) or self.hops < 0:
            raise invalid("crosstalk.hops", self.hops, "must be a non-negative int")

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
