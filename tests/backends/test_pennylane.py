"""The PennyLane bridge both ways, and PennyLane devices as estimators."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from engine_cases import random_circuit, random_observable
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import (
    CompiledEstimator,
    PennyLaneEstimator,
    compile_circuit,
    from_pennylane,
    observable_from_pennylane,
    to_pennylane,
)

qml = pytest.importorskip("pennylane")


def reversed_bits(state: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    n = state.size.bit_length() - 1
    return state.reshape((2,) * n).transpose(range(n)[::-1]).reshape(-1)


def distance(a: object, b: SparsePauliOp) -> float:
    assert isinstance(a, SparsePauliOp)
    return float(np.abs((a - b).simplify(atol=0).coeffs).max())


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
def test_round_trip_of_random_circuits(num_qubits: int, rng: np.random.Generator) -> None:
    for free in (False, True, False, True):
        circuit = random_circuit(rng, num_qubits, 12, free=free)
        values = rng.normal(size=circuit.num_parameters) * 0.6
        template = to_pennylane(circuit)

        def function(values: npt.NDArray[np.float64]) -> object:
            template(values)  # noqa: B023
            return qml.state()

        state = qml.QNode(function, qml.device("default.qubit", wires=num_qubits))
        expected = compile_circuit(circuit).states(values)[0]
        assert np.abs(reversed_bits(np.asarray(state(values))) - expected).max() < 1e-10
        back = from_pennylane(state, values)
        assert isinstance(back, QuantumCircuit)
        assert np.abs(compile_circuit(back).states([])[0] - expected).max() < 1e-10


def test_operations_that_only_pennylane_has() -> None:
    def function(angle: object) -> None:
        qml.Hadamard(0)
        qml.Rot(angle, 0.2, 0.3, wires=1)
        qml.CRot(0.1, angle, 0.3, wires=[0, 2])
        qml.SingleExcitation(0.4, wires=[0, 1])
        qml.PauliRot(0.7, "XYZ", wires=[2, 0, 1])
        qml.MultiRZ(0.3, wires=[0, 1, 2])
        qml.ctrl(qml.RY(0.9, 2), control=[0, 1], control_values=[0, 1])
        qml.adjoint(qml.S)(0)
        qml.QubitUnitary(qml.matrix(qml.IsingXY(0.3, wires=[0, 1])), wires=[2, 0])
        qml.GlobalPhase(0.2)

    def whole() -> object:
        function(0.6)
        return qml.state()

    state = qml.QNode(whole, qml.device("default.qubit", wires=3))
    expected = reversed_bits(np.asarray(state()))
    for source, args in ((state, ()), (function, (0.6,)), (qml.tape.make_qscript(function)(0.6), ())):
        circuit = from_pennylane(source, *args)
        assert np.abs(compile_circuit(circuit).states([])[0] - expected).max() < 1e-10
    symbolic = from_pennylane(function, Parameter("x"))
    assert isinstance(symbolic, QuantumCircuit)
    assert np.abs(compile_circuit(symbolic).states([0.6])[0] - expected).max() < 1e-10


def test_state_preparation_and_wire_order() -> None:
    def function() -> None:
        qml.StatePrep(np.array([0, 0.6, 0, 0.8]), wires=["b", "a"])
        qml.CNOT(["a", "c"])

    circuit = from_pennylane(function, wires=["a", "b", "c"])
    # |b a> = |01> with 0.6 and |11> with 0.8; then c copies a
    expected = np.zeros(8)
    expected[0b101], expected[0b111] = 0.6, 0.8
    assert np.allclose(compile_circuit(circuit).states([])[0], expected, atol=1e-12)
    with pytest.raises(ValueError, match="wires must contain every wire in use, 'c' is missing"):
        from_pennylane(function, wires=["a", "b"])


def test_templates_take_mappings_and_wires() -> None:
    x, y = Parameter("x"), Parameter("y")
    circuit = QuantumCircuit(2)
    circuit.rx(x * y, 0)
    circuit.cx(0, 1)
    template = to_pennylane(circuit, wires=["left", "right"])
    tape = qml.tape.make_qscript(template)({x: 0.2, "y": 3.0})
    assert [(op.name, list(op.wires)) for op in tape.operations] == [
        ("RX", ["left"]),
        ("CNOT", ["left", "right"]),
    ]
    assert np.isclose(tape.operations[0].parameters[0], 0.6)
    with pytest.raises(ValueError, match="values must be 2 numbers, one per parameter, got 1"):
        template([0.1])


def test_observables_both_ways(rng: np.random.Generator) -> None:
    for n in range(1, 5):
        operator = random_observable(rng, n).simplify()
        there = to_pennylane(operator)
        matrix = np.asarray(qml.matrix(there, wire_order=range(n)[::-1]))
        assert np.allclose(matrix, operator.to_matrix(), atol=1e-12)
        back = observable_from_pennylane(there, wires=range(n))
        assert distance(back, operator) < 1e-12
    mixed = from_pennylane(0.5 * qml.Z(0) @ qml.X(2) + 2 * qml.Y(1) - 0.25)
    expected = SparsePauliOp(["XIZ", "IYI", "III"], [0.5, 2.0, -0.25])
    assert distance(mixed, expected) < 1e-14
    hermitian = from_pennylane(qml.Hermitian(np.array([[1.0, 2.0], [2.0, -1.0]]), wires=0))
    assert distance(hermitian, SparsePauliOp(["Z", "X"], [1.0, 2.0])) < 1e-12


@pytest.mark.parametrize("device", ["default.qubit", "lightning.qubit"])
def test_devices_as_estimators(device: str, rng: np.random.Generator) -> None:
    circuit = random_circuit(rng, 3, 12, free=True)
    operator = random_observable(rng, 3)
    values = rng.normal(size=(2, circuit.num_parameters)) * 0.5
    ours, theirs = CompiledEstimator(engine="compiled"), PennyLaneEstimator(device)
    pub = (circuit, [[operator], ["ZZZ"]], values)
    expected = ours.run([pub]).result()[0].data.evs
    found = theirs.run([pub]).result()[0].data
    assert found.evs.shape == (2, 2)
    assert np.abs(found.evs - expected).max() < 1e-10
    for mine, other in zip(
        ours.gradient(circuit, operator, values), theirs.gradient(circuit, operator, values), strict=True
    ):
        assert np.abs(mine - other).max() < 1e-10


def test_shots_on_a_device() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.s(0)
    operator = SparsePauliOp(["ZZ", "IZ", "XY", "II"], [1.0, -0.5, 0.7, 2.0])
    exact = CompiledEstimator().run([(circuit, operator)]).result()[0].data.evs
    estimator = PennyLaneEstimator(qml.device("default.qubit", wires=2, seed=4))
    data = estimator.run([(circuit, [operator] * 2)], precision=0.02).result()[0].data
    assert (np.abs(data.evs - exact) < 5 * data.stds).all()
    # 2500 shots: sqrt of the two settings' variances over the shots
    assert ((data.stds > 0.005) & (data.stds < 0.04)).all()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="source must be a QNode, quantum function, tape or operator, got 'int'"):
        from_pennylane(3)

    def measured() -> None:
        qml.Hadamard(0)
        qml.measure(0)

    with pytest.raises(ValueError, match=r"operation 1 \(.*\) must be unitary"):
        from_pennylane(measured)
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    circuit.x(0)
    with pytest.raises(ValueError, match=r"instruction 1 \(x on qubits \[0\]\) must not follow a measurement"):
        to_pennylane(circuit)
    small = PennyLaneEstimator(qml.device("default.qubit", wires=1))
    with pytest.raises(ValueError, match="device wires must contain 0 to 1 for this circuit"):
        small.run([(QuantumCircuit(2), "ZZ")])
