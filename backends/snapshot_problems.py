"""Sanity report of a calibration: what would spoil a result silently if nobody said it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qalgs.backends.snapshot import DeviceSnapshot

LONGEST_GATE = {1: 1e-6, 2: 2e-6}
"""Longest credible gate in seconds by number of qubits; slower entries are reported as absurd."""
LONGEST_READOUT = 20e-6
SHORTEST_GATE = 1e-9


@dataclass(frozen=True, slots=True)
class Problem:
    """One doubtful entry of a calibration.

    Attributes:
        kind: A stable word: ``dead_coupler``, ``dead_gate``, ``no_usable_coupler``, ``isolated_qubit``,
            ``missing_t1``, ``missing_t2``, ``bad_t1``, ``bad_t2``, ``t2_above_2t1``, ``absurd_duration``,
            ``missing_error``, ``missing_duration``, ``bad_error``, ``missing_readout``, ``useless_readout``,
            ``unsupported_operation``.
        qubits: The physical qubits it concerns; empty for the whole device.
        message: The sentence for people.
        operation: The gate it concerns, or "".
        value: The offending number, or None.
    """

    kind: str
    qubits: tuple[int, ...]
    message: str
    operation: str = ""
    value: float | None = None

    def __str__(self) -> str:
        return self.message


def find_problems(snapshot: DeviceSnapshot) -> tuple[Problem, ...]:
    """Return everything doubtful in ``snapshot``, the gravest first."""
    return (
        *_couplers(snapshot),
        *_gates(snapshot),
        *_coherence(snapshot),
        *_readout(snapshot),
        *(
            Problem("unsupported_operation", (), f"operation {name!r} is not a standard gate and is ignored", name)
            for name in snapshot.ignored
        ),
    )


def _couplers(snapshot: DeviceSnapshot) -> Iterator[Problem]:
    edges, live = snapshot.edges, snapshot.live_edges
    if edges and not live:
        yield Problem(
            "no_usable_coupler", (), f"broken calibration: all {len(edges)} two-qubit gates have error 1 (or none)"
        )
    alive = {q for edge in live for q in edge}
    if live:
        for qubit in sorted({q for edge in edges for q in edge} - alive):
            yield Problem("isolated_qubit", (qubit,), f"qubit {qubit} has no usable coupler")


def _gates(snapshot: DeviceSnapshot) -> Iterator[Problem]:
    for (name, qubits), error in sorted(snapshot.gate_errors.items(), key=lambda item: (item[0][1], item[0][0])):
        where = f"{name} on {', '.join(map(str, qubits))}"
        duration = snapshot.gate_durations[name, qubits]
        if error is None:
            if len(qubits) > 1 or name not in ("reset", "delay"):
                yield Problem("missing_error", qubits, f"{where} has no error; it is simulated as ideal", name)
        elif error >= 1:
            kind = "dead_coupler" if len(qubits) > 1 else "dead_gate"
            yield Problem(kind, qubits, f"{where} is dead: its error is {error:g}", name, error)
        elif not error >= 0:
            yield Problem("bad_error", qubits, f"{where} has the impossible error {error:g}", name, error)
        if name == "delay" or (name == "reset" and duration is None):
            continue
        if duration is None:
            yield Problem(
                "missing_duration", qubits, f"{where} has no duration; no relaxation is simulated for it", name
            )
            continue
        longest = LONGEST_GATE.get(len(qubits), math.inf)
        if name == "reset":
            longest = LONGEST_READOUT
        if duration > longest or duration < 0 or 0 < duration < SHORTEST_GATE or math.isnan(duration):
            text = f"{where} has the absurd duration {duration * 1e9:g} ns"
            yield Problem("absurd_duration", qubits, text, name, duration)


def _coherence(snapshot: DeviceSnapshot) -> Iterator[Problem]:
    for qubit, (t1, t2) in enumerate(zip(snapshot.t1, snapshot.t2, strict=True)):
        for label, value in (("t1", t1), ("t2", t2)):
            if value is None:
                yield Problem(f"missing_{label}", (qubit,), f"qubit {qubit} has no {label.upper()}")
            elif not value > 0:
                text = f"qubit {qubit} has the impossible {label.upper()} {value:g} s"
                yield Problem(f"bad_{label}", (qubit,), text, value=value)
        if t1 is not None and t2 is not None and t2 > 2 * t1 > 0:
            text = (
                f"qubit {qubit} has T2 = {t2 * 1e6:.4g} us > 2 T1 = {2e6 * t1:.4g} us, "
                "which is unphysical; T2 is cut to 2 T1"
            )
            yield Problem("t2_above_2t1", (qubit,), text, value=t2)


def _readout(snapshot: DeviceSnapshot) -> Iterator[Problem]:
    for qubit, (error, duration) in enumerate(zip(snapshot.readout_error, snapshot.readout_duration, strict=True)):
        if error is None:
            yield Problem("missing_readout", (qubit,), f"qubit {qubit} has no readout error", "measure")
        elif error >= 0.5:
            text = f"qubit {qubit} reads out no better than a coin: error {error:g}"
            yield Problem("useless_readout", (qubit,), text, "measure", error)
        if duration is not None and not 0 <= duration <= LONGEST_READOUT:
            text = f"readout of qubit {qubit} has the absurd duration {duration * 1e6:g} us"
            yield Problem("absurd_duration", (qubit,), text, "measure", duration)
