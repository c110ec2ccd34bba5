"""A device's calibration, frozen: plain numbers that pickle, hash, travel as JSON and rebuild a Qiskit Target."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from qalgs.backends.snapshot_problems import Problem, find_problems
from qalgs.errors import InvalidInputError, expect, invalid

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit.transpiler import Target

    from qalgs.backends.snapshot_target import CompactTarget

Gate = tuple[str, tuple[int, ...]]
"""A physical gate: its name and its qubits, in the order of the gate's operands."""
Inflation = Mapping[str | int | tuple[Any, ...], float]
"""Error factors, keyed by gate name, qubit, edge ``(a, b)`` (either direction) or gate ``(name, (a, b))``."""

FORMAT = "qalgs-device-snapshot"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceSnapshot:
    """The calibration of a device at one moment.

    Attributes:
        name: Name of the backend.
        num_qubits: Number of physical qubits.
        operations: Names of all operations of the device, control flow included.
        gate_errors: Error per physical gate, keyed by ``(name, qubits)``; None where the device reports none.
        gate_durations: Duration in seconds per physical gate; same keys.
        t1: Relaxation time per qubit in seconds, or None.
        t2: Dephasing time per qubit in seconds as reported (it may exceed ``2 * t1``), or None.
        frequency: Frequency per qubit in hertz, or None.
        readout_error: Readout error per qubit, or None.
        readout_flips: ``(p(1|0), p(0|1))`` per qubit, or None where the device reports only their mean.
        readout_duration: Duration of a readout in seconds per qubit, or None.
        dt: Time step of the control system in seconds, or None.
        angle_bounds: Names of the gates whose angle the device bounds to [0, pi/2] (fractional ``rzz``).
        ignored: Operations of the backend that are not standard gates and were left out.
        layout: For a compact snapshot, the physical qubit of the full device behind each of its qubits.
        problems: The sanity report.

    Example:
        >>> from qalgs.backends import DeviceSnapshot, load_backend
        >>> snapshot = DeviceSnapshot.from_backend(load_backend("fake_manila"))
        >>> snapshot.num_qubits, snapshot.edges[:2], [str(p) for p in snapshot.problems]
        (5, ((0, 1), (1, 0)), [])
    """

    name: str
    num_qubits: int
    operations: tuple[str, ...]
    gate_errors: dict[Gate, float | None] = field(repr=False)
    gate_durations: dict[Gate, float | None] = field(repr=False)
    t1: tuple[float | None, ...] = field(repr=False)
    t2: tuple[float | None, ...] = field(repr=False)
    frequency: tuple[float | None, ...] = field(repr=False)
    readout_error: tuple[float | None, ...] = field(repr=False)
    readout_flips: tuple[tuple[float, float] | None, ...] = field(repr=False)
    readout_duration: tuple[float | None, ...] = field(repr=False)
    dt: float | None = None
    angle_bounds: tuple[str, ...] = field(default=(), repr=False)
    ignored: tuple[str, ...] = field(default=(), repr=False)
    layout: tuple[int, ...] | None = None
    problems: tuple[Problem, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", find_problems(self))

    @classmethod
    def from_backend(cls, backend: BackendV2 | str) -> DeviceSnapshot:
        """Freeze the ``Target`` of ``backend``.

        Args:
            backend: A BackendV2, or a name that :func:`load_backend` knows.

        Returns:
            The snapshot.

        Raises:
            InvalidInputError: If the backend is unknown, or states no number of qubits (an ideal simulator).
        """
        from qalgs.backends.devices import load_backend

        if not isinstance(backend, str) and not hasattr(backend, "target"):
            raise invalid("backend", backend, "must be a BackendV2 or the name of one")
        loaded = load_backend(backend)
        return cls.from_target(loaded.target, name=str(loaded.name))

    @classmethod
    def from_target(cls, target: Target, *, name: str = "target") -> DeviceSnapshot:
        """Freeze a Qiskit ``Target``.

        Args:
            target: The target; it must state its number of qubits.
            name: What to call the device in messages.
        """
        from qalgs.backends.snapshot_target import read_target

        return cls(name=name, **read_target(target, name))

    @property
    def basis_gates(self) -> tuple[str, ...]:
        """Names of the unitary gates, sorted."""
        others = {"measure", "reset", "delay"}
        return tuple(sorted({name for name, _ in self.gate_errors} - others))

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Directed couplers ``(control, target)`` of all two-qubit gates, dead ones included, sorted."""
        return tuple(sorted({(q[0], q[1]) for _, q in self.gate_errors if len(q) == 2}))

    @property
    def live_edges(self) -> tuple[tuple[int, int], ...]:
        """Directed couplers with at least one two-qubit gate whose error is below 1, sorted."""
        return tuple(
            sorted({(q[0], q[1]) for (n, q) in self.gate_errors if len(q) == 2 and not self.is_dead(n, q)})
        )

    @property
    def coupling(self) -> tuple[tuple[int, int], ...]:
        """Undirected live couplers ``(a, b)`` with ``a < b``, sorted."""
        return tuple(sorted({(min(e), max(e)) for e in self.live_edges}))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the calibration; equal numbers give equal fingerprints whatever the name."""
        body = self.to_dict()
        body.pop("name")
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def is_dead(self, name: str, qubits: Sequence[int]) -> bool:
        """Whether a physical gate is reported with error 1 (or not a number), so that it must not be used."""
        error = self.gate_errors[name, tuple(qubits)]
        return error is not None and not error < 1

    def check_layout(self, layout: Iterable[int], *, connected: bool = True) -> tuple[int, ...]:
        """Return ``layout`` as a tuple of ints after checking it.

        Args:
            layout: Physical qubit per virtual qubit.
            connected: Whether live couplers must join all qubits of the layout.

        Raises:
            InvalidInputError: If a qubit is unknown or repeated, or if the layout falls apart.
        """
        expect(Iterable, layout=layout)
        qubits = tuple(layout)
        for q in qubits:
            if isinstance(q, bool) or not hasattr(q, "__index__"):
                raise invalid("layout", list(qubits), "must be a sequence of int")
        qubits = tuple(int(q) for q in qubits)
        if not qubits:
            raise invalid("layout", [], "must name at least one qubit")
        outside = [q for q in qubits if not 0 <= q < self.num_qubits]
        if outside:
            rule = f"must name qubits of {self.name} between 0 and {self.num_qubits - 1}"
            raise invalid("layout", outside[0], rule, "choose other qubits or a larger device")
        if len(set(qubits)) < len(qubits):
            raise invalid("layout", list(qubits), "must not repeat a qubit")
        if connected and not _connected(qubits, self.live_edges):
            if not self.live_edges:
                raise InvalidInputError(
                    f"{self.name} has a broken calibration: all its couplers are dead (error 1), so layout "
                    f"{list(qubits)} cannot be used; choose another device"
                )
            if _connected(qubits, self.edges):
                dead = sorted({(min(e), max(e)) for e in self.edges if set(e) <= set(qubits)} - set(self.coupling))
                raise InvalidInputError(
                    f"layout {list(qubits)} of {self.name} needs dead couplers (error 1: "
                    f"{', '.join(f'{a}-{b}' for a, b in dead[:4])}); choose other qubits"
                )
            raise invalid(
                "layout", list(qubits), f"must be connected on {self.name}", "choose qubits joined by couplers"
            )
        return qubits

    def subset(self, layout: Iterable[int]) -> DeviceSnapshot:
        """Return the snapshot of the qubits ``layout`` alone: qubit ``i`` of it is physical ``layout[i]``.

        Operations with all their qubits inside the layout are kept, dead ones included; nothing else is changed.
        """
        qubits = self.check_layout(layout, connected=False)
        new = {q: i for i, q in enumerate(qubits)}
        keep = {g: (g[0], tuple(new[q] for q in g[1])) for g in self.gate_errors if all(q in new for q in g[1])}
        origin = self.layout or tuple(range(self.num_qubits))
        per_qubit: dict[str, Any] = {name: tuple(getattr(self, name)[q] for q in qubits) for name in _PER_QUBIT}
        return replace(
            self,
            num_qubits=len(qubits),
            gate_errors={to: self.gate_errors[g] for g, to in keep.items()},
            gate_durations={to: self.gate_durations[g] for g, to in keep.items()},
            layout=tuple(origin[q] for q in qubits),
            **per_qubit,
        )

    def restrict(self, layout: Iterable[int]) -> CompactTarget:
        """Return the compact Qiskit ``Target`` of ``len(layout)`` qubits.

        Args:
            layout: Physical qubits; qubit ``i`` of the target is ``layout[i]``.

        Returns:
            A :class:`~qiskit.transpiler.Target` for the transpiler, noise models and simulators, with
            ``.layout``, ``.snapshot`` (the compact :class:`DeviceSnapshot`) and ``.backend()`` besides.

        Raises:
            InvalidInputError: If the layout names unknown or repeated qubits.
        """
        from qalgs.backends.snapshot_target import CompactTarget

        return CompactTarget.of(self.subset(layout))

    def target(self, *, drop_dead: bool = False) -> Target:
        """Return the Qiskit ``Target`` that the snapshot describes; ``drop_dead`` leaves out dead couplers."""
        from qalgs.backends.snapshot_target import build_target

        return build_target(self, drop_dead=drop_dead)

    def backend(self) -> BackendV2:
        """Return a BackendV2 with this target, which runs circuits on Aer under its noise model."""
        from qalgs.backends.snapshot_target import SnapshotBackend

        return SnapshotBackend(self)

    def inflate(self, factors: Inflation) -> DeviceSnapshot:
        """Return the snapshot with gate errors multiplied, as crosstalk would.

        Args:
            factors: Non-negative factors by gate name (``"ecr"``), qubit (its one-qubit gates), edge ``(a, b)``
                (both directions) or gate ``("ecr", (a, b))``. Factors that meet on a gate multiply. Errors stay
                below 1, so that an inflated gate is never taken for a dead one.

        Raises:
            InvalidInputError: If a factor is negative or not finite, or its key matches no gate.
        """
        expect(Mapping, factors=factors)
        errors = dict(self.gate_errors)
        for key, factor in factors.items():
            if not (isinstance(factor, int | float) and math.isfinite(factor) and factor >= 0):
                raise invalid(f"inflation[{key!r}]", factor, "must be a finite non-negative factor")
            hits = [gate for gate in errors if _matches(key, gate)]
            if not hits:
                raise invalid("inflation key", key, f"must match a gate of {self.name}")
            for gate in hits:
                error = errors[gate]
                if error is not None and error < 1:
                    errors[gate] = min(error * float(factor), _LARGEST)
        return replace(self, gate_errors=errors)

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain JSON values."""
        gates = [
            [n, list(q), _plain(e), _plain(self.gate_durations[n, q])] for (n, q), e in self.gate_errors.items()
        ]
        per_qubit: dict[str, list[Any]] = {k: [_plain(v) for v in getattr(self, k)] for k in _PER_QUBIT}
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "num_qubits": self.num_qubits,
            "dt": self.dt,
            "operations": list(self.operations),
            "angle_bounds": list(self.angle_bounds),
            "ignored": list(self.ignored),
            "layout": None if self.layout is None else list(self.layout),
            "gates": gates,
            **per_qubit,
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the snapshot as a JSON document; floats keep all their digits."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DeviceSnapshot:
        """Rebuild a snapshot from :meth:`to_dict`."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise InvalidInputError(f"not a device snapshot: the key 'format' must be {FORMAT!r}")
        if data.get("version") != VERSION:
            raise invalid("version of the snapshot", data.get("version"), f"must be {VERSION}")
        try:
            gates = [((n, tuple(q)), _number(e), _number(d)) for n, q, e, d in data["gates"]]
            per_qubit = {
                k: tuple(tuple(map(float, v)) if isinstance(v, list) else _number(v) for v in data[k])
                for k in _PER_QUBIT
            }
            layout = data["layout"]
            _check_parts(data, gates)
            return cls(
                name=data["name"],
                num_qubits=data["num_qubits"],
                dt=data["dt"],
                operations=tuple(data["operations"]),
                angle_bounds=tuple(data["angle_bounds"]),
                ignored=tuple(data["ignored"]),
                layout=None if layout is None else tuple(layout),
                gate_errors={g: e for g, e, _ in gates},
                gate_durations={g: d for g, _, d in gates},
                **per_qubit,  # type: ignore[arg-type]
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInputError(f"damaged device snapshot: {type(error).__name__}: {reason}") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> DeviceSnapshot:
        """Rebuild a snapshot from :meth:`to_json`.

        Raises:
            InvalidInputError: If the text is not JSON or not a snapshot.
        """
        try:
            data = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else error
            raise InvalidInputError(f"damaged device snapshot: not JSON: {reason}") from error
        return cls.from_dict(data)


_PER_QUBIT = ("t1", "t2", "frequency", "readout_error", "readout_flips", "readout_duration")
_LARGEST = 1 - 1e-9


def _plain(value: Any) -> Any:
    """JSON has no inf and nan: they travel as words."""
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or math.isfinite(value) else repr(float(value))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _check_parts(data: Mapping[str, Any], gates: list[tuple[Any, float | None, float | None]]) -> None:
    """Check that the parts of a document fit together: types, lengths, qubits of gates, numbers."""
    n = data["num_qubits"]
    if type(n) is not int or n < 1:
        raise invalid("num_qubits", n, "must be a positive int")
    if not isinstance(data["name"], str):
        raise invalid("name", data["name"], "must be a string")
    for key in ("operations", "angle_bounds", "ignored"):
        if not isinstance(data[key], list) or not all(isinstance(word, str) for word in data[key]):
            raise invalid(key, data[key], "must be a list of strings")
    dt = data["dt"]
    if dt is not None and not (type(dt) in (int, float) and math.isfinite(dt) and dt > 0):
        raise invalid("dt", dt, "must be a positive number of seconds or null")
    for key in _PER_QUBIT:
        if not isinstance(data[key], list) or len(data[key]) != n:
            raise invalid(key, data[key], f"must be a list of num_qubits = {n} entries")
        for entry in data[key]:
            pair = isinstance(entry, list) and len(entry) == 2
            if entry is not None and pair != (key == "readout_flips"):
                raise invalid(key, entry, "must hold " + ("pairs" if key == "readout_flips" else "numbers"))
    layout = data["layout"]
    if layout is not None and not (isinstance(layout, list) and len(layout) == n and _qubits(layout)):
        raise invalid("layout", layout, f"must be null or {n} different qubits")
    if len(set(data["operations"])) < len(data["operations"]):
        raise invalid("operations", data["operations"], "must not repeat a name")
    sizes: dict[str, int] = {}
    for (name, qubits), *_ in gates:
        if not isinstance(name, str) or name in (
            "",
            "measure",
            "if_else",
            "for_loop",
            "while_loop",
            "switch_case",
        ):
            raise invalid("gate", name, "must be named, and neither a measurement nor control flow")
        if sizes.setdefault(name, len(qubits)) != len(qubits):
            raise invalid(f"gate {name}", list(qubits), "must act on as many qubits everywhere")
        if not (qubits and _qubits(qubits) and max(qubits) < n):
            raise invalid(f"gate {name}", list(qubits), f"must act on different qubits between 0 and {n - 1}")


def _qubits(found: Sequence[Any]) -> bool:
    return all(type(q) is int and q >= 0 for q in found) and len(set(found)) == len(found)


def _connected(qubits: tuple[int, ...], edges: Iterable[tuple[int, int]]) -> bool:
    near: dict[int, set[int]] = {q: set() for q in qubits}
    for a, b in edges:
        if a in near and b in near:
            near[a].add(b)
            near[b].add(a)
    seen, queue = {qubits[0]}, [qubits[0]]
    while queue:
        fresh = near[queue.pop()] - seen
        seen |= fresh
        queue.extend(fresh)
    return len(seen) == len(near)


@functools.cache
def _matches(key: Any, gate: Gate) -> bool:
    name, qubits = gate
    if isinstance(key, str):
        return key == name
    if isinstance(key, int):
        return qubits == (key,)
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str):
        return key[0] == name and tuple(key[1]) == qubits
    return isinstance(key, tuple) and len(qubits) == len(key) and set(key) == set(qubits)
