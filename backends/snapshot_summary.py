"""A device in one line: size, instruction set, medians of its calibration, number of problems."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qalgs.errors import expect
from qalgs.results import Result

if TYPE_CHECKING:
    from qalgs.backends.snapshot import DeviceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceSummary(Result):
    """Medians over what works; None where the device reports nothing.

    Attributes:
        name: Name of the backend.
        num_qubits: Number of qubits.
        basis_gates: Names of the unitary gates.
        couplers: Number of undirected couplers with a working gate.
        dead_couplers: Number of undirected couplers without one.
        two_qubit_error: Median error of working two-qubit gates.
        one_qubit_error: Median error of working physical one-qubit gates (``sx`` or what replaces it).
        readout_error: Median readout error.
        t1: Median T1 in seconds.
        t2: Median T2 in seconds.
        problems: The sentences of the sanity report.
    """

    name: str
    num_qubits: int
    basis_gates: tuple[str, ...]
    couplers: int
    dead_couplers: int
    two_qubit_error: float | None
    one_qubit_error: float | None
    readout_error: float | None
    t1: float | None
    t2: float | None
    problems: tuple[str, ...]


def _median(values: Iterable[float | None], below: float = float("inf")) -> float | None:
    kept = [v for v in values if v is not None and 0 < v < below]
    return statistics.median(kept) if kept else None


def summarise(snapshot: DeviceSnapshot) -> DeviceSummary:
    """Return the summary of a snapshot.

    Args:
        snapshot: The calibration.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> summarise(DeviceSnapshot.from_backend("fake_manila")).couplers
        4
    """
    from qalgs.backends.snapshot import DeviceSnapshot

    expect(DeviceSnapshot, snapshot=snapshot)
    errors = snapshot.gate_errors
    physical = [name for name in ("sx", "u2", "u3", "x", "rx") if name in snapshot.basis_gates][:1]
    everywhere = {(min(e), max(e)) for e in snapshot.edges}
    live = snapshot.coupling
    return DeviceSummary(
        name=snapshot.name,
        num_qubits=snapshot.num_qubits,
        basis_gates=snapshot.basis_gates,
        couplers=len(live),
        dead_couplers=len(everywhere) - len(live),
        two_qubit_error=_median((e for (_, q), e in errors.items() if len(q) == 2), 1.0),
        one_qubit_error=_median((e for (n, _), e in errors.items() if n in physical), 1.0),
        readout_error=_median(snapshot.readout_error, 1.0),
        t1=_median(snapshot.t1),
        t2=_median(snapshot.t2),
        problems=tuple(str(p) for p in snapshot.problems),
    )
