"""A device's calibration as arrays, because the scheduler asks thousands of times.

A :class:`Chip` is a read-only view of a ``DeviceSnapshot`` (or of a Qiskit ``Target``): couplers, which of them
are alive, how a two-qubit gate can be placed on each, the logarithms of all success probabilities, and the
distance of every two qubits over *all* couplers (a dead coupler still carries crosstalk).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InfeasibleError, InvalidInputError, invalid

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Native = tuple[tuple[str, bool, bool], ...]

_NOT_GATES = frozenset(
    {"measure", "reset", "delay", "barrier", "if_else", "for_loop", "while_loop", "switch_case"}
)
_FAR = np.int16(10_000)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Chip:
    """Calibration of one device as arrays; ``N`` is the number of physical qubits.

    Attributes:
        name: The device.
        num_qubits: N.
        couplers: All couplers, dead or alive, as sorted pairs, shape (E, 2).
        alive: Which couplers carry a two-qubit gate of error below one on usable qubits, shape (E,).
        usable: Which qubits can hold a circuit, shape (N,): a readout error below one and working 1-qubit gates.
        kinds: The distinct ways a coupler offers its gates; each is a tuple of ``(gate, forward, backward)``.
        kind: Index into ``kinds`` for the ordered pair (a, b), -1 where no coupler is alive, shape (N, N).
        log_two: Per gate name, ``log(1 - error)`` on the ordered pair, shape (N, N); NaN where absent.
        log_one: Per gate name, ``log(1 - error)`` per qubit, shape (N,).
        log_readout: ``log(1 - readout error)``, shape (N,).
        duration_two: Per gate name, seconds on the ordered pair, shape (N, N).
        duration_one: Per gate name, seconds per qubit, shape (N,).
        readout_duration: Seconds, shape (N,).
        t1: Relaxation times in seconds, NaN where unknown, shape (N,).
        t2: Dephasing times in seconds, NaN where unknown, shape (N,).
        distance: Hops between qubits over all couplers, shape (N, N).
        dt: The sample time in seconds, or None.
    """

    name: str
    num_qubits: int
    couplers: Ints
    alive: Bools
    usable: Bools
    kinds: tuple[Native, ...]
    kind: NDArray[np.int16]
    log_two: dict[str, Floats] = field(repr=False)
    log_one: dict[str, Floats] = field(repr=False)
    log_readout: Floats = field(repr=False)
    duration_two: dict[str, Floats] = field(repr=False)
    duration_one: dict[str, Floats] = field(repr=False)
    readout_duration: Floats = field(repr=False)
    t1: Floats = field(repr=False)
    t2: Floats = field(repr=False)
    distance: NDArray[np.int16] = field(repr=False)
    dt: float | None = None

    @classmethod
    def of(cls, device: DeviceSnapshot | Chip | Any, name: str = "snapshot") -> Chip:
        """Return the view of a snapshot, a Qiskit ``Target``, a backend, or a chip itself.

        Views of the last sixteen devices are kept, so repeated calls cost nothing.

        Args:
            device: Any of these.
            name: What the caller calls it.

        Raises:
            InvalidInputError: If ``device`` is none of these.
        """
        if isinstance(device, Chip):
            return device
        held = _CACHE.get(id(device))
        if held is not None and held[0] is device:
            _CACHE.move_to_end(id(device))
            return held[1]
        chip = _view(device, name)
        _CACHE[id(device)] = (device, chip)
        while len(_CACHE) > 16:
            _CACHE.popitem(last=False)
        return chip

    @property
    def rates_idle(self) -> Floats:
        """Decay rate of an idle qubit, ``1/T1 + 1/Tphi`` in 1/s, with ``1/Tphi = max(0, 1/T2 - 1/(2 T1))``.

        An unknown T1 or T2 contributes nothing (the snapshot's ``problems`` report it).
        """
        relax = np.where(self.t1 > 0, 1 / np.where(self.t1 > 0, self.t1, 1), 0.0)
        total = np.where(self.t2 > 0, 1 / np.where(self.t2 > 0, self.t2, 1), 0.0)
        return relax + np.maximum(0.0, total - relax / 2)

    @property
    def graph(self) -> Any:
        """The live couplers as a ``rustworkx.PyGraph`` whose indices are the physical qubits."""
        import rustworkx as rx

        graph = rx.PyGraph(multigraph=False)
        graph.add_nodes_from(range(self.num_qubits))
        graph.add_edges_from_no_data([(int(a), int(b)) for a, b in self.couplers[self.alive]])
        return graph

    def check_layout(self, layout: Iterable[int], name: str = "layout") -> tuple[int, ...]:
        """Return ``layout`` as a tuple of distinct physical qubits that live couplers connect.

        Raises:
            InvalidInputError: If a qubit is not on the device, repeated, or cut off from the others.
        """
        try:
            qubits = tuple(int(q) for q in layout)
        except (TypeError, ValueError) as error:
            raise invalid(name, layout, "must be a sequence of physical qubits") from error
        if not qubits or len(set(qubits)) != len(qubits):
            raise invalid(name, qubits, "must hold distinct physical qubits", "remove repetitions")
        outside = [q for q in qubits if not 0 <= q < self.num_qubits]
        if outside:
            raise invalid(name, outside, f"must hold qubits 0..{self.num_qubits - 1} of {self.name}")
        reached, frontier, inside = {qubits[0]}, [qubits[0]], set(qubits)
        while frontier:
            here = frontier.pop()
            new = [q for q in inside - reached if self.kind[here, q] >= 0]
            reached.update(new)
            frontier += new
        if reached != inside:
            cut = sorted(inside - reached)
            raise invalid(name, qubits, "must be connected by live couplers", f"qubits {cut} are cut off")
        return qubits

    def require_couplers(self) -> None:
        """Raise an :class:`InfeasibleError` when a chip of several qubits has no live coupler at all."""
        if self.num_qubits > 1 and not self.alive.any():
            raise InfeasibleError(
                f"{self.name} must have a coupler with error below 1 to be scheduled, "
                f"got {len(self.couplers)} couplers, all dead; choose another device"
            )


_CACHE: OrderedDict[int, tuple[Any, Chip]] = OrderedDict()


def device_of(chip: Chip) -> Any | None:
    """Return the snapshot, target or backend that a chip was made of, if it is among the last ones looked at."""
    return next((device for device, known in _CACHE.values() if known is chip), None)


def _view(device: Any, name: str = "snapshot") -> Chip:
    if hasattr(device, "gate_errors") and hasattr(device, "readout_error"):
        return _build(
            device.name,
            device.num_qubits,
            dict(device.gate_errors),
            dict(device.gate_durations),
            device.readout_error,
            device.readout_duration,
            device.t1,
            device.t2,
            device.dt,
        )
    from qalgs.backends import DeviceSnapshot

    target = getattr(device, "target", device)
    if not hasattr(target, "operation_names"):
        raise InvalidInputError(
            f"{name} must be a DeviceSnapshot, a backend or a Target, got {type(device).__name__}; "
            "use DeviceSnapshot.from_backend(backend)"
        )
    return _view(DeviceSnapshot.from_target(target, name=str(getattr(device, "name", None) or "target")))


def _build(
    name: str,
    n: int,
    errors: Mapping[tuple[str, tuple[int, ...]], float | None],
    durations: Mapping[tuple[str, tuple[int, ...]], float | None],
    readout: Iterable[float | None],
    readout_duration: Iterable[float | None],
    t1: Iterable[float | None],
    t2: Iterable[float | None],
    dt: float | None,
) -> Chip:
    one: dict[str, Floats] = {}
    two: dict[str, Floats] = {}
    time_one: dict[str, Floats] = {}
    time_two: dict[str, Floats] = {}
    offers: dict[tuple[int, int], dict[str, set[bool]]] = {}
    pairs: set[tuple[int, int]] = set()
    for (gate, qubits), error in errors.items():
        if gate in _NOT_GATES:
            continue
        value, seconds = _log_success(error), durations.get((gate, qubits)) or 0.0
        if len(qubits) == 1:
            one.setdefault(gate, np.full(n, np.nan))[qubits[0]] = value
            time_one.setdefault(gate, np.zeros(n))[qubits[0]] = seconds
        elif len(qubits) == 2:
            a, b = qubits
            pair = (min(a, b), max(a, b))
            pairs.add(pair)
            two.setdefault(gate, np.full((n, n), np.nan))[a, b] = value
            time_two.setdefault(gate, np.zeros((n, n)))[a, b] = seconds
            if value > -np.inf:
                offers.setdefault(pair, {}).setdefault(gate, set()).add(a < b)
    log_readout = np.array([_log_success(r) for r in readout])
    usable = log_readout > -np.inf
    for values in one.values():
        usable &= ~np.isneginf(values)
    couplers = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    kinds: list[Native] = []
    kind = np.full((n, n), -1, dtype=np.int16)
    alive = np.zeros(len(couplers), dtype=bool)
    for e, (a, b) in enumerate(couplers):
        offer = offers.get((int(a), int(b)), {})
        if not offer or not (usable[a] and usable[b]):
            continue
        alive[e] = True
        for x, y, up in ((a, b, True), (b, a, False)):
            native = tuple(sorted((g, up in ways, (not up) in ways) for g, ways in offer.items()))
            if native not in kinds:
                kinds.append(native)
            kind[x, y] = kinds.index(native)
    return Chip(
        name=name,
        num_qubits=n,
        couplers=couplers,
        alive=alive,
        usable=usable,
        kinds=tuple(kinds),
        kind=kind,
        log_two=two,
        log_one=one,
        log_readout=log_readout,
        duration_two=time_two,
        duration_one=time_one,
        readout_duration=_seconds(readout_duration, 0.0),
        t1=_seconds(t1, np.nan),
        t2=_seconds(t2, np.nan),
        distance=_distances(n, couplers),
        dt=dt,
    )


def _log_success(error: float | None) -> float:
    """``log(1 - error)``: an unreported error is no error, NaN or at least 1 is fatal."""
    if error is None:
        return 0.0
    if math.isnan(error) or error >= 1:
        return -math.inf
    return math.log1p(-max(0.0, error))


def _seconds(values: Iterable[float | None], missing: float) -> Floats:
    return np.array([missing if v is None else float(v) for v in values], dtype=float)


def _distances(n: int, couplers: Ints) -> NDArray[np.int16]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import shortest_path

    ones = np.ones(len(couplers))
    # Of dense chips SciPy takes the rows apart, which coordinates do not let it do.
    adjacency = csr_array((ones, (couplers[:, 0], couplers[:, 1])), shape=(n, n))
    hops = shortest_path(adjacency, directed=False, unweighted=True)
    return np.where(np.isfinite(hops), hops, _FAR).astype(np.int16)
