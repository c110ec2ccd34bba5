"""The compact device behind the noisy primitives: circuits become ISA once, and know where their qubits went."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, ControlFlowOp, Delay, Measure, Reset
from qiskit.circuit.library import UnitaryGate, get_standard_gate_name_mapping

from qalgs.backends.noise import FloatArray, readout_flips
from qalgs.backends.snapshot import DeviceSnapshot, Inflation
from qalgs.errors import InvalidInputError, expect, invalid

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

CACHE_SIZE = 256


class Cache(OrderedDict[K, V], Generic[K, V]):
    """A dictionary that forgets what was used longest ago."""

    def fetch(self, key: K) -> V | None:
        """Return the value and mark it as used, or None."""
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value

    def keep(self, key: K, value: V) -> V:
        """Store and return ``value``."""
        self[key] = value
        while len(self) > CACHE_SIZE:
            self.popitem(last=False)
        return value


class _Itself:
    """A key that is equal only for the same object, which it keeps alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


@cache
def _plain_types() -> frozenset[type]:
    """Operations that name and parameters determine; others hide an operator, a definition or a condition."""
    gates = {type(gate) for gate in get_standard_gate_name_mapping().values()}
    return frozenset(gates | {Measure, Reset, Barrier, UnitaryGate})


def circuit_key(circuit: QuantumCircuit) -> Hashable:
    """Return a key that is equal for circuits with the same instructions on the same bits."""
    index = {bit: i for i, bit in enumerate(circuit.qubits)}
    clbits = {bit: i for i, bit in enumerate(circuit.clbits)}
    body = tuple(
        (
            _operation_key(item.operation),
            tuple([index[q] for q in item.qubits]),
            tuple([clbits[c] for c in item.clbits]),
        )
        for item in circuit.data
    )
    registers = tuple([(r.name, tuple([clbits[c] for c in r])) for r in circuit.cregs])
    return (circuit.num_qubits, registers, body)


def _operation_key(operation: Any) -> Hashable:
    if isinstance(operation, Delay):  # its unit is no parameter
        return (operation.name, _hashable(operation.duration), operation.unit)
    if operation.base_class in _plain_types():
        return (operation.name, tuple([_hashable(p) for p in operation.params]))
    return _Itself(operation)


def _hashable(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


class CompactDevice:
    """A few qubits of a device, for simulation.

    Args:
        snapshot: The calibration of the full device.
        layout: Physical qubit of each virtual qubit; connected by live couplers.
        inflation: Error factors as in :meth:`DeviceSnapshot.inflate`, keyed by physical qubits of the device.
        optimization_level: Of the transpiler, for circuits that are not ISA circuits of the compact device yet.
    """

    def __init__(
        self,
        snapshot: DeviceSnapshot,
        layout: Iterable[int],
        *,
        inflation: Inflation | None = None,
        optimization_level: int = 1,
    ) -> None:
        if not isinstance(snapshot, DeviceSnapshot):
            raise TypeError(
                f"snapshot must be a DeviceSnapshot, got {type(snapshot).__name__}; "
                "use DeviceSnapshot.from_backend(...)"
            )
        if optimization_level not in (0, 1, 2, 3):
            raise invalid("optimization_level", optimization_level, "must be 0, 1, 2 or 3")
        expect(Mapping, type(None), inflation=inflation)
        self.layout = snapshot.check_layout(layout)
        source = snapshot.inflate(inflation) if inflation else snapshot
        self.snapshot = source.subset(self.layout)
        self.optimization_level = optimization_level
        self._isa: Cache[Hashable, tuple[QuantumCircuit, tuple[int, ...]]] = Cache()
        self._passes: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Pass managers do not pickle and caches are rebuilt: a worker receives the numbers only.
        kept = ("layout", "snapshot", "optimization_level")
        return {k: self.__dict__[k] for k in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._isa = Cache()
        self._passes = {}

    @property
    def num_qubits(self) -> int:
        """Number of qubits of the layout."""
        return len(self.layout)

    @cached_property
    def flips(self) -> FloatArray:
        """Readout flips ``(p(1|0), p(0|1))`` per compact qubit."""
        return readout_flips(self.snapshot)

    def _pass_manager(self, width: int) -> Any:
        """Return the transpiler for circuits of ``width`` qubits, which start on the first of the layout."""
        if width not in self._passes:
            from qiskit.transpiler import generate_preset_pass_manager

            self._passes[width] = generate_preset_pass_manager(
                optimization_level=self.optimization_level,
                target=self.snapshot.target(drop_dead=True),
                initial_layout=list(range(width)),
                seed_transpiler=0,
            )
        return self._passes[width]

    def isa(self, circuit: QuantumCircuit, key: Hashable | None = None) -> tuple[QuantumCircuit, tuple[int, ...]]:
        """Return ``circuit`` in the gates of the compact device, virtual qubit ``i`` starting on qubit ``i``.

        A circuit that is an ISA circuit already is returned as it is. Each structure is transpiled once.

        Returns:
            The circuit, and the compact qubit on which each virtual qubit ends after routing.

        Raises:
            InvalidInputError: If the circuit is too wide, uses dead gates, or cannot be transpiled.
        """
        key = circuit_key(circuit) if key is None else key
        found = self._isa.fetch(key)
        if found is not None:
            return found
        if circuit.num_qubits > self.num_qubits:
            raise invalid(
                "circuit",
                f"{circuit.num_qubits} qubits",
                f"must fit the layout of {self.num_qubits} qubits",
                "give a larger layout",
            )
        result, places = circuit, tuple(range(circuit.num_qubits))
        if not self._is_isa(circuit):
            result = self._transpile(circuit)
            if result.layout is not None:
                places = tuple(result.layout.final_index_layout(filter_ancillas=True))
        self._refuse_dead(result)
        return self._isa.keep(key, (result, places))

    def _transpile(self, circuit: QuantumCircuit) -> QuantumCircuit:
        try:
            return self._pass_manager(circuit.num_qubits).run(circuit)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise InvalidInputError(
                f"circuit cannot be transpiled to qubits {list(self.layout)} of {self.snapshot.name}: {reason}"
            ) from error

    def _is_isa(self, circuit: QuantumCircuit) -> bool:
        index = {bit: i for i, bit in enumerate(circuit.qubits)}
        known = self.snapshot.gate_errors
        for item in circuit.data:
            name = item.operation.name
            if name in ("barrier", "measure"):
                continue
            if isinstance(item.operation, ControlFlowOp):
                return False
            if (name, tuple([index[q] for q in item.qubits])) not in known:
                return False
        return True

    def _refuse_dead(self, circuit: QuantumCircuit) -> None:
        index = {bit: i for i, bit in enumerate(circuit.qubits)}
        for item in circuit.data:
            gate = (item.operation.name, tuple([index[q] for q in item.qubits]))
            if gate in self.snapshot.gate_errors and self.snapshot.is_dead(*gate):
                where = ", ".join(str(self.layout[q]) for q in gate[1])
                raise InvalidInputError(
                    f"instruction {gate[0]!r} on qubits {where} of {self.snapshot.name} is dead (error 1); "
                    "choose another layout"
                )
