"""Cached programs notice every change of their circuit, whichever way its instructions are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import CircuitInstruction, Parameter
from qiskit.circuit.library import CXGate, RXGate, RYGate, UnitaryGate, XGate
from qiskit.quantum_info import Statevector

from qalgs.backends import compile_circuit, compiler_wires
from qalgs.backends.compiler_cache import CircuitCache, Content

A, B = Parameter("a"), Parameter("b")


@pytest.fixture(params=["in place", "in Python"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read instructions by Qiskit's C interface (where there is one), or as Python objects."""
    if request.param == "in Python":
        monkeypatch.setattr(compiler_wires, "_interface", lambda: None)


def part() -> QuantumCircuit:
    inner = QuantumCircuit(2, name="part")
    inner.ry(0.4, 0)
    inner.cx(0, 1)
    return inner


def example() -> QuantumCircuit:
    """Gates of every kind: standard, parametrised, custom, custom under a control, a matrix."""
    circuit = QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(2, "c"), global_phase=0.2)
    circuit.h(0)
    circuit.rx(A, 0)
    circuit.ry(A + B, 1)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.rz(0.3, 2)
    circuit.append(part().to_gate(), [2, 0])
    circuit.append(part().to_gate().control(1), [0, 1, 2])
    circuit.append(UnitaryGate(np.array([[0, 1], [1, 0]], dtype=complex)), [1])
    circuit.barrier()
    circuit.rzz(0.7, 0, 2)
    return circuit


def definition(circuit: QuantumCircuit) -> QuantumCircuit:
    found = circuit.data[6].operation.definition
    assert isinstance(found, QuantumCircuit)
    return found


def nested(circuit: QuantumCircuit) -> None:
    definition(circuit).data[0] = definition(circuit).data[0].replace(operation=RYGate(1.1))


def nested_wires(circuit: QuantumCircuit) -> None:
    inner = definition(circuit)
    inner.data[1] = inner.data[1].replace(qubits=inner.qubits[::-1])


def deeper(circuit: QuantumCircuit) -> None:
    inner = circuit.data[7].operation.base_gate.definition
    inner.data[0] = inner.data[0].replace(operation=RYGate(-0.9))


def control_state(circuit: QuantumCircuit) -> None:
    circuit.data[7].operation.ctrl_state = 0


def entries(circuit: QuantumCircuit) -> None:
    gate = circuit.data[8].operation
    gate.params = [np.array([[1, 0], [0, 1j]])]


def other_qubits(k: int, *qubits: int) -> Callable[[QuantumCircuit], None]:
    def change(circuit: QuantumCircuit) -> None:
        circuit.data[k] = circuit.data[k].replace(qubits=[circuit.qubits[q] for q in qubits])

    return change


def other_gate(k: int, gate: RXGate | XGate) -> Callable[[QuantumCircuit], None]:
    def change(circuit: QuantumCircuit) -> None:
        circuit.data[k] = circuit.data[k].replace(operation=gate)

    return change


def exchanged(circuit: QuantumCircuit) -> None:
    circuit.data[3], circuit.data[4] = circuit.data[4], circuit.data[3]


def phase(circuit: QuantumCircuit) -> None:
    circuit.global_phase += 1e-9


def symbolic_phase(circuit: QuantumCircuit) -> None:
    circuit.global_phase = A


def replaced(circuit: QuantumCircuit) -> None:
    moved = CircuitInstruction(CXGate(), [circuit.qubits[2], circuit.qubits[0]])
    circuit.data = [*circuit.data[:4], moved, *circuit.data[5:]]


CHANGES: dict[str, Callable[[QuantumCircuit], object]] = {
    "another gate": other_gate(0, XGate()),
    "an angle by 1e-11": other_gate(5, RXGate(0.3 + 1e-11)),
    "an angle's expression": lambda c: c.assign_parameters({B: 2 * A}, inplace=True),
    "the control exchanged with the target": other_qubits(3, 1, 0),
    "a gate of one shared object moved": other_qubits(4, 0, 2),
    "a rotation moved": other_qubits(1, 2),
    "gates exchanged": exchanged,
    "gate inserted": lambda c: c.data.insert(2, c.data[0]),
    "gate removed": lambda c: c.data.pop(),
    "gate appended": lambda c: c.x(2),
    "one of a kind removed, another added": lambda c: (c.data.pop(), c.rzz(0.7, 0, 1)),
    "global phase by 1e-9": phase,
    "symbolic global phase": symbolic_phase,
    "all instructions set": replaced,
    "a gate inside a custom gate": nested,
    "qubits inside a custom gate": nested_wires,
    "the state of a control": control_state,
    "one more qubit": lambda c: c.add_register(QuantumRegister(1, "more")),
    "cleared": lambda c: c.clear(),
}


# Qiskit's own answers differ here, since some of its functions use what it derived from the object earlier.
DEEP: dict[str, Callable[[QuantumCircuit], object]] = {
    "a gate inside a controlled custom gate": deeper,
    "the entries of a matrix": entries,
}


def reference(circuit: QuantumCircuit, values: dict[Parameter, float]) -> np.ndarray:
    return np.asarray(Statevector(circuit.assign_parameters({p: values[p] for p in circuit.parameters})).data)


def ours(circuit: QuantumCircuit, values: dict[Parameter, float]) -> np.ndarray:
    return compile_circuit(circuit).states([values[p] for p in circuit.parameters])[0]


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(change: str) -> None:
    circuit, values = example(), {A: 0.8, B: -0.5}
    assert np.allclose(ours(circuit, values), reference(circuit, values), atol=1e-12)
    held = Content(circuit)
    assert held.same(circuit)
    CHANGES[change](circuit)
    assert not held.same(circuit)
    assert np.abs(ours(circuit, values) - reference(circuit, values)).max() < 1e-12
    assert Content(circuit).same(circuit)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("change", DEEP)
def test_changes_inside_an_operation_are_seen(change: str) -> None:
    circuit, values = example(), {A: 0.8, B: -0.5}
    before, held = ours(circuit, values), Content(circuit)
    DEEP[change](circuit)
    assert not held.same(circuit)
    assert np.abs(ours(circuit, values) - before).max() > 1e-2


@pytest.mark.usefixtures("reading")
def test_an_untouched_circuit_is_built_once() -> None:
    built: list[QuantumCircuit] = []
    cache = CircuitCache(lambda circuit: built.append(circuit) or len(built))  # type: ignore[func-returns-value]
    circuit = example()
    circuit.measure([0, 1], [0, 1])
    assert [cache.get(circuit) for _ in range(3)] == [1, 1, 1]
    circuit.draw()
    circuit.count_ops()
    _ = [item.operation.definition for item in circuit.data[:5]], circuit.copy(), circuit.parameters
    Statevector(circuit.remove_final_measurements(inplace=False).assign_parameters({A: 0.1, B: 0.2}))
    assert cache.get(circuit) == 1
    circuit.data[-1] = circuit.data[-1].replace(clbits=circuit.clbits[:1])
    assert cache.get(circuit) == 2
    circuit.add_register(ClassicalRegister(1, "d"))
    assert cache.get(circuit) == 3


def test_wires_are_those_that_python_shows(rng: np.random.Generator) -> None:
    circuit = QuantumCircuit(9, 9)
    for _ in range(40):
        width = int(rng.integers(1, 9))
        qubits = [int(q) for q in rng.choice(9, width, replace=False)]
        circuit.mcx(qubits, 8 if 8 not in qubits else next(q for q in range(9) if q not in qubits))
        circuit.barrier(qubits)
        circuit.measure(qubits, qubits[::-1])
    flat: list[int] = []
    for item in circuit.data:
        for bits in (item.qubits, item.clbits):
            flat += [len(bits), *(circuit.find_bit(b).index for b in bits)]
    interface = compiler_wires._interface()
    if interface is not None:
        assert np.asarray(compiler_wires.Wires(circuit)._found).tolist() == flat
        short = np.full(5, -1, dtype=np.int64)
        assert interface.read(circuit, short) == len(flat)
        assert short.tolist() == flat[:5]
