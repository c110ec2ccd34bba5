"""Touching jobs under a coherent ZZ coupling, simulated together, because no error factor describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import expect, invalid

from .chip import Chip
from .crosstalk import CoherentZZ

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from qalgs.backends import DeviceSnapshot

MOST_QUBITS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tenant:
    """One job of a joint simulation.

    Attributes:
        circuit: ISA circuit of the job on its n qubits, all parameters bound; qubit ``i`` is ``layout[i]``.
        layout: Physical qubits.
        observable: H on the circuit's virtual qubits; it follows the circuit's own routing.
    """

    circuit: QuantumCircuit
    layout: Sequence[int]
    observable: SparsePauliOp


@dataclass(frozen=True, slots=True)
class _Event:
    start: float
    rank: int
    qubits: tuple[int, ...]
    operation: Any


def _check(tenants: object, model: object) -> None:
    """Refuse what are not tenants by name and a coupling."""
    expect(Mapping, tenants=tenants)
    for name, tenant in cast(Mapping[str, object], tenants).items():
        expect(Tenant, **{f"tenants[{name!r}]": tenant})
    expect(CoherentZZ, model=model)


def joint_circuit(
    tenants: Mapping[str, Tenant], snapshot: DeviceSnapshot, model: CoherentZZ
) -> tuple[QuantumCircuit, tuple[int, ...]]:
    r"""Merge the jobs into one circuit in which touching qubits couple all the time.

    Every job is scheduled as late as possible, so that all end together. Between two operations on a touching pair
    that lie :math:`t` apart the pair picks up :math:`R_{ZZ}(\pi \nu t)`, placed right before the later operation
    (the coupling during an operation follows it: first order in :math:`\nu t`).

    Args:
        tenants: The jobs by name.
        snapshot: The device.
        model: The coupling.

    Returns:
        The circuit, and the physical qubit behind each of its qubits.

    Raises:
        InvalidInputError: If a circuit has free parameters.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> from qalgs.backends import DeviceSnapshot
        >>> plus = QuantumCircuit(1)
        >>> _ = plus.sx(0), plus.sx(0)
        >>> tenant = lambda q: Tenant(circuit=plus, layout=(q,), observable=SparsePauliOp("Z"))
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> joint_circuit({"a": tenant(0), "b": tenant(1)}, manila, CoherentZZ())[1]
        (0, 1)
    """
    _check(tenants, model)
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import UnitaryGate

    chip = Chip.of(snapshot)
    layouts = {name: tuple(t.layout) for name, t in tenants.items()}
    order = tuple(q for layout in layouts.values() for q in layout)
    if len(set(order)) < len(order):
        raise invalid("tenants", order, "must hold disjoint layouts")
    place = {q: i for i, q in enumerate(order)}
    events: list[_Event] = []
    for tenant in tenants.values():
        events += _schedule(chip, tenant, len(events))
    end = 0.0
    begin = min((e.start for e in events), default=0.0)
    events.sort(key=lambda e: (e.start, e.rank))
    merged = QuantumCircuit(len(order))
    pairs = [(a, b) for _, a, _, b in model.touching(snapshot, layouts)]
    since = dict.fromkeys(pairs, begin)

    def couple(pair: tuple[int, int], now: float) -> None:
        angle = math.pi * model.rate * (now - since[pair])
        since[pair] = now
        if angle > 0:
            phases = np.exp(-0.5j * angle * np.array([1, -1, -1, 1]))
            merged.append(UnitaryGate(np.diag(phases), label="zz_crosstalk"), [place[q] for q in pair])

    for event in events:
        for pair in pairs:
            if set(pair) & set(event.qubits):
                couple(pair, event.start)
        merged.append(event.operation, [place[q] for q in event.qubits])
    for pair in pairs:
        couple(pair, end)
    return merged, order


def joint_expectations(
    tenants: Mapping[str, Tenant], snapshot: DeviceSnapshot, model: CoherentZZ, *, readout: bool = True
) -> dict[str, float]:
    """Return every job's noisy expectation value, exactly, jobs that touch simulated together.

    Args:
        tenants: The jobs by name.
        snapshot: The device; its gate and readout errors act as in :class:`~qalgs.backends.NoisyEstimator`.
        model: The coupling.
        readout: Whether readout errors count.

    Raises:
        InvalidInputError: If a group of touching jobs has more than 12 qubits, or a circuit has free parameters.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> from qalgs.backends import DeviceSnapshot
        >>> flip = QuantumCircuit(1)
        >>> _ = flip.x(0)
        >>> tenant = lambda q: Tenant(circuit=flip, layout=(q,), observable=SparsePauliOp("Z"))
        >>> manila = DeviceSnapshot.from_backend("fake_manila")
        >>> values = joint_expectations({"a": tenant(0), "b": tenant(1)}, manila, CoherentZZ())
        >>> values["a"] < -0.9
        True
    """
    from qalgs.backends.noise_observables import pauli_expectations, read_out

    found = {}
    for name, state in joint_states(tenants, snapshot, model).items():
        terms = read_out(state.terms, state.flips) if readout else state.terms
        paulis = list(terms)
        found[name] = float(np.dot([terms[p] for p in paulis], pauli_expectations(state.rho, paulis)))
    return found


def joint_samples(
    tenants: Mapping[str, Tenant],
    snapshot: DeviceSnapshot,
    model: CoherentZZ,
    shots: Mapping[str, int],
    seeds: Mapping[str, np.random.Generator],
) -> dict[str, tuple[float, float]]:
    """Return every job's estimate and its standard error from ``shots`` per measurement basis.

    Args:
        tenants: The jobs by name.
        snapshot: The device.
        model: The coupling.
        shots: Shots per measurement basis, by job.
        seeds: Source of the shot noise, by job.
    """
    from qalgs.backends.noise_kernels import probabilities
    from qalgs.backends.noise_observables import measurement_bases, pauli_expectations

    found = {}
    for name, state in joint_states(tenants, snapshot, model).items():
        value, bases = measurement_bases(state.terms)
        variance = 0.0
        for basis in bases:
            spectrum = pauli_expectations(state.rho, basis.spectrum())[None, :]
            chances = probabilities(spectrum, state.flips[list(basis.qubits)])[0]
            shares = seeds[name].multinomial(shots[name], chances) / shots[name]
            outcomes = basis.values()
            mean = float(shares @ outcomes)
            value += mean
            variance += max(0.0, float(shares @ outcomes**2) - mean**2) / shots[name]
        found[name] = (float(value), math.sqrt(variance))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointState:
    """One job inside its group's state.

    Attributes:
        rho: Density matrix of the whole group.
        terms: The job's observable on the group's qubits.
        flips: Readout flips of the group's qubits, shape (n, 2).
    """

    rho: NDArray[np.complex128]
    terms: dict[tuple[tuple[int, int], ...], float]
    flips: NDArray[np.float64]


def joint_states(
    tenants: Mapping[str, Tenant], snapshot: DeviceSnapshot, model: CoherentZZ
) -> dict[str, JointState]:
    """Simulate every group of touching jobs exactly and return each job's view of it.

    Raises:
        InvalidInputError: If a group has more than 12 qubits, or a circuit has free parameters.
    """
    _check(tenants, model)
    for name, tenant in tenants.items():
        if tenant.circuit.num_parameters:
            raise invalid(f"job {name!r}: circuit", tenant.circuit.num_parameters, "must have no free parameters")
        if tenant.circuit.num_qubits != len(tuple(tenant.layout)):
            raise invalid(f"job {name!r}: layout", tuple(tenant.layout), "must have one qubit per circuit qubit")
    states: dict[str, JointState] = {}
    for group in model.coupled(snapshot, {name: t.layout for name, t in tenants.items()}):
        part = {name: tenants[name] for name in group}
        total = sum(t.circuit.num_qubits for t in part.values())
        if total > MOST_QUBITS:
            names = ", ".join(repr(n) for n in group)
            raise invalid(
                f"jobs {names}", total, f"must have at most {MOST_QUBITS} touching qubits", "use a buffer of 1"
            )
        states |= _simulate(part, snapshot, model)
    return {name: states[name] for name in tenants}


def _simulate(part: Mapping[str, Tenant], snapshot: DeviceSnapshot, model: CoherentZZ) -> dict[str, JointState]:
    from qiskit.quantum_info import SparseObservable
    from qiskit_aer import AerSimulator

    from qalgs.backends.noise import noise_model, readout_flips
    from qalgs.backends.noise_observables import pauli_terms, place

    circuit, order = joint_circuit(part, snapshot, model)
    compact = snapshot.subset(order)
    circuit.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=noise_model(compact))
    rho = np.asarray(simulator.run(circuit, shots=1).result().data()["density_matrix"])
    flips = readout_flips(compact)
    found = {}
    offset = 0
    for name, tenant in part.items():
        layout = tenant.circuit.layout
        ends = range(tenant.circuit.num_qubits) if layout is None else layout.final_index_layout()
        terms = pauli_terms(SparseObservable.from_sparse_pauli_op(tenant.observable))
        found[name] = JointState(rho=rho, terms=place(terms, [offset + e for e in ends]), flips=flips)
        offset += tenant.circuit.num_qubits
    return found


def _schedule(chip: Chip, tenant: Tenant, rank: int) -> list[_Event]:
    """Start times counted back from the common end at 0, as late as possible."""
    layout = tuple(tenant.layout)
    circuit = tenant.circuit
    free = dict.fromkeys(layout, 0.0)
    events = []
    for position, instruction in reversed(list(enumerate(circuit.data))):
        name = instruction.operation.name
        qubits = tuple(layout[circuit.find_bit(q).index] for q in instruction.qubits)
        latest = min(free[q] for q in qubits)
        if name == "barrier":
            free.update(dict.fromkeys(qubits, latest))
            continue
        start = latest - _seconds(chip, instruction.operation, qubits)
        free.update(dict.fromkeys(qubits, start))
        events.append(_Event(start, rank + position, qubits, instruction.operation))
    return events[::-1]


def _seconds(chip: Chip, operation: Any, qubits: tuple[int, ...]) -> float:
    if operation.name == "delay":
        scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "dt": chip.dt or 0.0}[operation.unit]
        return float(operation.duration) * scale
    if len(qubits) == 1:
        times = chip.duration_one.get(operation.name)
        return 0.0 if times is None else float(times[qubits[0]])
    pairs = chip.duration_two.get(operation.name)
    if pairs is None:
        raise invalid(
            "circuit", operation.name, f"must use gates of {chip.name}", "transpile it to the layout first"
        )
    return float(pairs[qubits[0], qubits[1]])
