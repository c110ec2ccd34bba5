"""ESP against a product written out gate by gate, and what must never happen: more error, higher ESP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InvalidInputError
from qalgs.nest import LayoutCatalogue, esp, gate_counts
from qalgs.nest.translate import to_layout

TERMS = [(g, r, i) for g in (False, True) for r in (False, True) for i in (False, True)]


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


def product(
    circuit: QuantumCircuit,
    snapshot: DeviceSnapshot,
    layout: tuple[int, ...],
    gates: bool,
    readout: bool,
    idle: bool,
) -> float:
    """The definition, one factor after another, from the snapshot's own dictionaries."""
    value = 1.0
    for instruction in circuit.data:
        name = instruction.operation.name
        where = tuple(layout[circuit.find_bit(q).index] for q in instruction.qubits)
        if name == "delay":
            seconds = instruction.operation.duration
            seconds *= {"dt": snapshot.dt, "s": 1.0, "ns": 1e-9}[instruction.operation.unit]
            t1, t2 = snapshot.t1[where[0]], snapshot.t2[where[0]]
            assert t1 is not None
            assert t2 is not None
            if idle:
                value *= math.exp(-seconds / t1) * math.exp(-seconds * max(0.0, 1 / t2 - 1 / (2 * t1)))
        elif name not in ("measure", "barrier") and gates:
            value *= 1 - (snapshot.gate_errors[name, where] or 0.0)
    measured = {layout[circuit.find_bit(i.qubits[0]).index] for i in circuit.data if i.operation.name == "measure"}
    for q in measured or layout:
        value *= 1 - (snapshot.readout_error[q] or 0.0) if readout else 1.0
    return value


@pytest.mark.parametrize(("gates", "readout", "idle"), TERMS)
def test_equals_the_product(
    brisbane: DeviceSnapshot, rng: np.random.Generator, gates: bool, readout: bool, idle: bool
) -> None:
    catalogue = LayoutCatalogue.for_circuit(efficient_su2(5, entanglement="linear", reps=2), brisbane)
    layout = catalogue[int(rng.integers(len(catalogue)))]
    circuit = catalogue.isa(layout)
    scheduled = circuit.copy()
    scheduled.delay(300, 2, unit="ns")
    scheduled.delay(1000, 0, unit="dt")
    for c in (circuit, scheduled):
        found = esp(c, brisbane, layout, gates=gates, readout=readout, idle=idle)
        expected = product(c, brisbane, tuple(layout), gates, readout, idle)
        assert found == pytest.approx(expected, rel=1e-12, abs=0)
        assert esp(gate_counts(c, brisbane.dt), brisbane, layout, gates=gates, readout=readout, idle=idle) == found


def test_measured_qubits_alone_are_read_out(brisbane: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(3, 1)
    circuit.x(0)
    circuit.measure(1, 0)
    r = brisbane.readout_error[5] or 0.0
    assert esp(circuit, brisbane, (4, 5, 6), gates=False) == pytest.approx(1 - r, rel=1e-14)


def test_full_width_circuit_needs_no_layout(brisbane: DeviceSnapshot) -> None:
    target = brisbane.target(drop_dead=True)
    isa = transpile(efficient_su2(4, reps=1), target=target, initial_layout=[0, 1, 2, 3], seed_transpiler=1)
    wide = esp(isa, brisbane)
    expected = product(isa, brisbane, tuple(range(127)), True, False, True)
    readout = math.prod(1 - (brisbane.readout_error[q] or 0.0) for q in sorted(isa.layout.final_index_layout()))
    assert wide == pytest.approx(expected * readout, rel=1e-12)


@pytest.mark.parametrize("what", ["ecr", "sx", "readout", "t1", "t2"])
def test_never_rises_when_an_error_rises(brisbane: DeviceSnapshot, rng: np.random.Generator, what: str) -> None:
    layout = (37, 38, 39, 40)
    circuit = to_layout(efficient_su2(4, entanglement="linear", reps=2), brisbane, layout)
    circuit.delay(2000, 1, unit="ns")
    before = esp(circuit, brisbane, layout)
    strict = 0
    for _ in range(20):
        factor = float(rng.uniform(1.01, 20))
        if what in ("t1", "t2"):
            times = [None if t is None else t / factor for t in getattr(brisbane, what)]
            worse = replace(brisbane, t1=tuple(times)) if what == "t1" else replace(brisbane, t2=tuple(times))
        elif what == "readout":
            errors = tuple(min(1.0, (r or 0.0) * factor) for r in brisbane.readout_error)
            worse = replace(brisbane, readout_error=errors)
        else:
            worse = brisbane.inflate({what: factor})
        after = esp(circuit, worse, layout)
        assert after <= before
        strict += after < before
    assert strict == 20


def test_a_dead_gate_gives_zero(brisbane: DeviceSnapshot) -> None:
    counts = {("ecr", (0, 1)): 1}
    dead = replace(brisbane, gate_errors=dict(brisbane.gate_errors) | {("ecr", (37, 38)): 1.0})
    pair = (37, 38) if ("ecr", (37, 38)) in brisbane.gate_errors else (38, 37)
    dead = replace(brisbane, gate_errors=dict(brisbane.gate_errors) | {("ecr", pair): 1.0})
    with pytest.raises(InvalidInputError, match="connected by live couplers"):
        esp(counts, dead, pair)
    lost = replace(brisbane, readout_error=(1.0, *brisbane.readout_error[1:]))
    assert esp({("sx", (0,)): 3}, lost, (0,)) == 0.0


def test_a_foreign_circuit_is_translated(brisbane: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    layout = (37, 38, 39)
    isa = to_layout(circuit, brisbane, layout)
    assert esp(circuit, brisbane, layout) == pytest.approx(
        product(isa, brisbane, layout, True, True, True), rel=1e-12
    )


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ((0, 1, 1), "distinct physical qubits"),
        ((0, 1, 60), "connected by live couplers"),
        ((0, 1, 127), "qubits 0..126"),
        ((0, 1), "one physical qubit for each of the 3"),
        ((), "distinct physical qubits"),
        ("ab", "sequence of physical qubits"),
    ],
)
def test_bad_layouts(brisbane: DeviceSnapshot, layout: tuple[int, ...], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        esp(efficient_su2(3, reps=1), brisbane, layout)


def test_unknown_gates_and_control_flow(brisbane: DeviceSnapshot) -> None:
    counts: Mapping[tuple[str, tuple[int, ...]], int] = {("ccx", (0, 1, 2)): 1}
    with pytest.raises(InvalidInputError, match="transpile it first"):
        esp(counts, brisbane, (0, 1, 2))
    circuit = QuantumCircuit(2, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    with pytest.raises(InvalidInputError, match="no control flow"):
        esp(circuit, brisbane, (0, 1))
