"""Between snapshots and Qiskit: reading a Target, building one, and the backend that runs it on Aer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qiskit.circuit import (
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    Measure,
    Parameter,
    Reset,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.providers import BackendV2, Options, QubitProperties
from qiskit.transpiler import CouplingMap, InstructionProperties, Target

from qalgs.errors import invalid

if TYPE_CHECKING:
    from qalgs.backends.snapshot import DeviceSnapshot

CONTROL_FLOW = {"if_else": IfElseOp, "for_loop": ForLoopOp, "while_loop": WhileLoopOp, "switch_case": SwitchCaseOp}


def _operation(name: str) -> Instruction | None:
    """Return the standard operation called ``name`` with symbolic parameters, or None."""
    if name == "reset":
        return Reset()
    if name == "delay":
        return Delay(Parameter("t"))
    gate = get_standard_gate_name_mapping().get(name)
    return gate if isinstance(gate, Gate) else None


def read_target(target: Target, name: str) -> dict[str, Any]:
    """Return the fields of a snapshot from a Target.

    Args:
        target: The target.
        name: Name of the device, for messages.

    Raises:
        InvalidInputError: If the target does not state its number of qubits.
    """
    n = target.num_qubits
    if not n:
        raise invalid("backend", name, "must state its number of qubits", "use a device, not an ideal simulator")
    errors: dict[tuple[str, tuple[int, ...]], float | None] = {}
    durations: dict[tuple[str, tuple[int, ...]], float | None] = {}
    ignored = []
    for op_name, properties in sorted(target.items()):
        if op_name in CONTROL_FLOW or op_name == "measure":
            continue
        operation = _operation(op_name)
        if operation is None:
            ignored.append(op_name)
            continue
        located = properties is not None and None not in properties
        for qubits in properties if located else _everywhere(operation, n):
            entry = properties[qubits] if located else None
            errors[op_name, tuple(qubits)] = None if entry is None else entry.error
            durations[op_name, tuple(qubits)] = None if entry is None else entry.duration
    props = target.qubit_properties or [None] * n
    props = [*props, *[None] * (n - len(props))]
    measure = target.get("measure", None) or {}
    readout = [measure.get((q,)) for q in range(n)]
    if n > 1 and not any(len(q) > 1 for _, q in errors):
        raise invalid("backend", name, "must have couplers", "use a device, not an ideal simulator")
    return {
        "num_qubits": n,
        "operations": tuple(o for o in sorted(target.operation_names) if o not in ignored),
        "gate_errors": errors,
        "gate_durations": durations,
        "t1": tuple(getattr(p, "t1", None) for p in props),
        "t2": tuple(getattr(p, "t2", None) for p in props),
        "frequency": tuple(getattr(p, "frequency", None) for p in props),
        "readout_error": tuple(getattr(m, "error", None) for m in readout),
        "readout_flips": tuple(_flips(m) for m in readout),
        "readout_duration": tuple(getattr(m, "duration", None) for m in readout),
        "dt": target.dt,
        "angle_bounds": tuple(o for o in ("rzz",) if o in target and target.gate_has_angle_bounds(o)),
        "ignored": tuple(ignored),
    }


def _everywhere(operation: Instruction, n: int) -> list[tuple[int, ...]]:
    """A target entry without qubits means all of them; couplers cannot be guessed."""
    return [(q,) for q in range(n)] if operation.num_qubits == 1 else []


def _flips(properties: Any) -> tuple[float, float] | None:
    """``(p(1|0), p(0|1))`` where the backend states them, by the names that Aer looks for."""
    up, down = (getattr(properties, k, None) for k in ("prob_meas1_prep0", "prob_meas0_prep1"))
    return None if up is None or down is None else (float(up), float(down))


class ReadoutProperties(InstructionProperties):
    """Properties of a measurement whose two readout errors differ."""

    def __new__(cls, flips: tuple[float, float], duration: float | None, error: float | None) -> ReadoutProperties:
        """Create the properties; the flip probabilities are attributes that Aer reads."""
        return super().__new__(cls, duration, error)

    def __init__(self, flips: tuple[float, float], duration: float | None, error: float | None) -> None:
        super().__init__(duration=duration, error=error)
        self.prob_meas1_prep0, self.prob_meas0_prep1 = flips


def build_target(snapshot: DeviceSnapshot, *, drop_dead: bool = False, cls: type[Target] = Target) -> Target:
    """Return the Target of a snapshot.

    Args:
        snapshot: The calibration.
        drop_dead: Leave out couplers with error 1, so that the transpiler avoids them.
        cls: The class to build.
    """
    properties = [
        QubitProperties(t1=t1, t2=t2, frequency=f)
        for t1, t2, f in zip(snapshot.t1, snapshot.t2, snapshot.frequency, strict=True)
    ]
    target = cls(num_qubits=snapshot.num_qubits, dt=snapshot.dt, qubit_properties=properties)
    entries: dict[str, dict[tuple[int, ...], InstructionProperties | None]] = {}
    for (name, qubits), error in snapshot.gate_errors.items():
        if drop_dead and len(qubits) > 1 and snapshot.is_dead(name, qubits):
            entries.setdefault(name, {})
            continue
        duration = snapshot.gate_durations[name, qubits]
        blank = error is None and duration is None
        entries.setdefault(name, {})[qubits] = (
            None if blank else InstructionProperties(error=error, duration=duration)
        )
    for name, where in entries.items():
        if where:
            bounds = [(0.0, math.pi / 2)] if name in snapshot.angle_bounds else None
            operation = _operation(name)
            wrong = [qubits for qubits in where if operation is None or len(qubits) != operation.num_qubits]
            if wrong:
                raise invalid(f"gate {name!r}", list(wrong[0]), "must be a standard gate on its number of qubits")
            target.add_instruction(operation, where, name=name, angle_bounds=bounds)
    if "measure" in snapshot.operations:
        target.add_instruction(Measure(), {(q,): _readout(snapshot, q) for q in range(snapshot.num_qubits)})
    for name in snapshot.operations:
        if name in CONTROL_FLOW:
            target.add_instruction(CONTROL_FLOW[name], name=name)
    return target


def _readout(snapshot: DeviceSnapshot, qubit: int) -> InstructionProperties | None:
    error, duration = snapshot.readout_error[qubit], snapshot.readout_duration[qubit]
    flips = snapshot.readout_flips[qubit]
    if flips is not None:
        return ReadoutProperties(flips, duration, error)
    return None if error is None else InstructionProperties(error=error, duration=duration)


class CompactTarget(Target):
    """The Target of a few qubits of a device, which remembers where they came from.

    What a :class:`~qalgs.backends.DeviceSnapshot` has and a Target has not (``gate_errors``, ``t1``, ``problems``,
    ``to_json``, ...) is read from ``snapshot``.

    Attributes:
        snapshot: The compact snapshot behind it.
    """

    snapshot: DeviceSnapshot

    @classmethod
    def of(cls, snapshot: DeviceSnapshot) -> CompactTarget:
        """Build the target of a compact snapshot."""
        target = build_target(snapshot, cls=cls)
        assert isinstance(target, cls)
        target.snapshot = snapshot
        return target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "snapshot":
            raise AttributeError(name)
        return getattr(self.snapshot, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (CompactTarget.of, (self.snapshot,))

    @property
    def layout(self) -> tuple[int, ...]:
        """The physical qubit behind each qubit of the target."""
        return self.snapshot.layout or tuple(range(self.snapshot.num_qubits))

    def backend(self) -> BackendV2:
        """Return a BackendV2 with this target, which runs circuits on Aer under its noise model."""
        return SnapshotBackend(self.snapshot)


class SnapshotBackend(BackendV2):
    """A backend whose device is a snapshot; it runs circuits on Aer under the snapshot's noise model."""

    def __init__(self, snapshot: DeviceSnapshot) -> None:
        super().__init__(name=snapshot.name, description=f"snapshot of {snapshot.name}", backend_version="1")
        self.snapshot = snapshot
        self._target = build_target(snapshot)
        self._simulator: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (SnapshotBackend, (self.snapshot,))

    @property
    def target(self) -> Target:
        """The target of the snapshot."""
        return self._target

    @property
    def coupling_map(self) -> CouplingMap:
        """The couplers; Aer cannot do without a map, not even of a single qubit."""
        found = self._target.build_coupling_map()
        if found is None:
            found = CouplingMap()
            for q in range(self.snapshot.num_qubits):
                found.add_physical_qubit(q)
        return found

    @property
    def max_circuits(self) -> None:
        """No limit on the circuits of a job."""
        return

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024)

    def run(self, run_input: Any, **options: Any) -> Any:
        """Run circuits of this backend's basis on Aer; options are those of ``AerSimulator.run``."""
        if self._simulator is None:
            from qiskit_aer import AerSimulator

            self._simulator = AerSimulator.from_backend(self)
        return self._simulator.run(run_input, **{"shots": self.options.shots, **options})
