"""Rarer PUBs, engines and refusals of the primitives and of the bridges to PennyLane and to devices."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Measure, Parameter
from qiskit.circuit import library as lib
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers import JobStatus
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector
from qiskit.transpiler import InstructionProperties, Target

from qalgs.backends import (
    CompiledEstimator,
    CompiledSampler,
    DeviceSnapshot,
    NoisyEstimator,
    NoisySampler,
    PennyLaneEstimator,
    RuntimeEstimator,
    RuntimeSampler,
    auto_engines,
    compile_circuit,
    from_pennylane,
    noisy,
    noisy_sampler,
    to_pennylane,
)
from qalgs.backends.compiled_narrow import narrow
from qalgs.backends.noise_angles import AngleMap, _constant
from qalgs.backends.noise_engines import AerEngine, CompiledPlan, Request
from qalgs.backends.noise_program import lower
from qalgs.backends.noisy_checks import read_pub
from qalgs.backends.runtime import _bindings
from qalgs.backends.runtime_isa import check_isa
from qalgs.errors import ExecutionError, InvalidInputError

A, B = Parameter("a"), Parameter("b")


@pytest.fixture(scope="module")
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def pair() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(A, 0)
    circuit.cx(0, 1)
    return circuit


# -- jobs and PUBs of the compiled engine ---------------------------------------------------------------


def test_finished_jobs_answer_as_jobs_do() -> None:
    job = CompiledEstimator().run([(pair(), "ZZ", [0.3])])
    assert job.status() is JobStatus.DONE
    assert (job.done(), job.running(), job.cancelled(), job.in_final_state()) == (True, False, False, True)
    job.cancel()
    assert job.status() is JobStatus.DONE
    assert job.job_id().startswith("compiled-")
    assert job.job_id() == job.job_id()
    assert float(job.result()[0].data.evs) == pytest.approx(1.0)


def test_pubs_may_come_from_any_iterable_but_not_alone() -> None:
    pub = (pair(), "IZ", [0.3])
    found = CompiledEstimator().run(iter([pub, pub])).result()
    assert [float(r.data.evs) for r in found] == pytest.approx([math.cos(0.3)] * 2)
    assert len(CompiledEstimator().run(()).result()) == 0
    for alone in (EstimatorPub.coerce(pub), pub):
        with pytest.raises(
            InvalidInputError, match=r"^pubs must be a list of estimator PUBs, got .*wrap the one you"
        ):
            CompiledEstimator().run(alone)


def test_bindings_by_name_must_be_complete() -> None:
    circuit = QuantumCircuit(1, name="pair")
    circuit.rx(A + B, 0)
    whole = CompiledEstimator().run([(circuit, "Z", {"a": [0.1, 0.2], "b": [0.3, 0.3]})]).result()[0]
    assert whole.data.evs == pytest.approx(np.cos([0.4, 0.5]))
    with pytest.raises(InvalidInputError, match=r"^parameter values do not fit circuit 'pair': "):
        CompiledEstimator().run([(circuit, "Z", {"a": [0.1, 0.2]})])


def test_expressions_without_parameters_are_numbers() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(lib.RXGate(A.assign(A, 0.4)), [0])
    circuit.append(lib.RYGate((A + B).assign(A, 0.2).assign(B, 0.1)), [0])
    state = Statevector(circuit).data
    assert np.allclose(compile_circuit(circuit).states([])[0], state, atol=1e-14)
    shifted = auto_engines.ShiftCircuit(circuit)
    assert shifted.where == []
    assert abs(np.vdot(Statevector(shifted.circuit).data, state)) == pytest.approx(1.0)


def test_wide_circuits_shrink_to_the_qubits_in_use() -> None:
    wide = QuantumCircuit(25)
    wide.ry(A, 3)
    wide.barrier()
    wide.cx(3, 20)
    wide.delay(10, 7, unit="ns")
    small = narrow(wide)
    assert small is not None
    assert small.circuit.count_ops() == {"ry": 1, "cx": 1}
    full = QuantumCircuit(25)
    full.h(range(25))
    assert narrow(full) is None
    assert narrow(pair()) is None
    observable = SparsePauliOp.from_sparse_list([("ZZ", [3, 20], 1.0), ("Z", [24], 0.5), ("X", [7], 9.0)], 25)
    data = CompiledEstimator().run([(wide, observable, [0.7])]).result()[0].data
    assert float(data.evs) == pytest.approx(1.5)


# -- PennyLane ------------------------------------------------------------------------------------------


def test_wires_of_nodes_are_the_devices_the_callers_or_those_in_use() -> None:
    qml = pytest.importorskip("pennylane")

    def function() -> Any:
        qml.Hadamard("b")
        qml.CNOT(["b", "a"])
        return qml.expval(qml.Z("a"))

    fixed = qml.QNode(function, qml.device("default.qubit", wires=["a", "b", "c"]))
    free = qml.QNode(function, qml.device("default.qubit"))
    for found, size, control in (
        (from_pennylane(fixed), 3, 1),
        (from_pennylane(fixed, wires=["b", "a"]), 2, 0),
        (from_pennylane(free), 2, 0),
    ):
        assert isinstance(found, QuantumCircuit)
        assert found.num_qubits == size
        (cx,) = [item for item in found.data if item.operation.name == "cx"]
        assert found.find_bit(cx.qubits[0]).index == control
    words = from_pennylane(qml.Z("u") @ qml.X("v"))
    assert words == SparsePauliOp("XZ")


def test_operators_without_pauli_words() -> None:
    qml: Any = pytest.importorskip("pennylane")
    nothing = from_pennylane(qml.Hermitian(np.zeros((2, 2)), wires=0))
    assert isinstance(nothing, SparsePauliOp)
    assert np.array_equal(nothing.to_matrix(), np.zeros((2, 2)))
    empty = from_pennylane(qml.ops.LinearCombination([], []))
    assert isinstance(empty, SparsePauliOp)
    assert np.array_equal(empty.to_matrix(), np.zeros((2, 2)))

    class Shapeless(qml.operation.Operator):  # type: ignore[misc, name-defined, unused-ignore]
        num_wires = 1

    with pytest.raises(
        InvalidInputError, match=r"^operator must be a sum of Pauli words, got .*; PennyLane says: "
    ):
        from_pennylane(Shapeless(wires=[0]))


def test_pennylane_gradients_without_parameters_and_single_shots() -> None:
    pytest.importorskip("pennylane")
    circuit = QuantumCircuit(2)
    circuit.ry(0.4, 0)
    circuit.cx(0, 1)
    values, gradients = PennyLaneEstimator("default.qubit").gradient(
        circuit, SparsePauliOp("IZ"), np.empty((3, 0))
    )
    assert values == pytest.approx([math.cos(0.4)] * 3)
    assert gradients.shape == (3, 0)
    once = PennyLaneEstimator("default.qubit", default_shots=1).run([(circuit, ["ZZ", "IZ"])]).result()[0].data
    assert once.evs[0] == 1.0
    assert abs(once.evs[1]) == 1.0
    assert once.stds.tolist() == [0.0, 0.0]  # one shot tells nothing of the spread


def test_failures_of_a_pennylane_device_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    qml = pytest.importorskip("pennylane")

    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("no power")

    monkeypatch.setattr(qml, "execute", broken)
    with pytest.raises(ExecutionError, match=r"^PennyLane device default\.qubit failed: no power$"):
        PennyLaneEstimator("default.qubit").run([(pair(), "ZZ", [0.1])])


def test_numbers_inside_templates() -> None:
    qml = pytest.importorskip("pennylane")
    circuit = QuantumCircuit(1)
    circuit.append(lib.RXGate(A.assign(A, 0.4)), [0])
    circuit.rz(A, 0)
    template = to_pennylane(circuit)

    @qml.qnode(qml.device("default.qubit", wires=1))
    def state(values: Any) -> Any:
        template(values)
        return qml.state()

    assert np.allclose(state([0.9]), Statevector(circuit.assign_parameters([0.9])).data)


# -- noisy simulation -----------------------------------------------------------------------------------


def test_pubs_that_need_qiskits_own_reading(manila: DeviceSnapshot) -> None:
    exact = float(NoisyEstimator(manila, [0, 1]).run([(pair(), SparsePauliOp("ZZ"), [0.3])]).result()[0].data.evs)
    observable = SparsePauliOp("ZZ")
    for pub in (
        [pair(), observable, [0.3]],
        (pair(), "ZZ", [0.3]),
        (pair(), observable, {"a": 0.3}),
        EstimatorPub.coerce((pair(), observable, [0.3])),
    ):
        read = read_pub(pub)
        assert read.shape == ()
        assert float(NoisyEstimator(manila, [0, 1]).run([pub]).result()[0].data.evs) == pytest.approx(exact)
    with pytest.raises((InvalidInputError, TypeError)):
        NoisyEstimator(manila, [0, 1]).run([(pair(), observable, ["x"])])
    with pytest.raises(InvalidInputError) as caught:
        NoisyEstimator(manila, [0, 1]).run([(pair(), SparsePauliOp("ZZZ"), [0.3])])
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInputError) as caught:
        NoisySampler(manila, [0, 1]).run([(pair(), [[[0.1, 0.2]]])])
    assert "\n" not in str(caught.value)


def test_layouts_and_bases_beyond_the_limits(manila: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    estimator = NoisyEstimator(manila, [0, 1, 2])
    assert isinstance(estimator.state(circuit), DensityMatrix)
    monkeypatch.setattr(noisy, "AER_DENSITY_LIMIT", 2)
    with pytest.raises(InvalidInputError, match=r"^layout must have at most 2 qubits for a state, got '3 qubits'"):
        estimator.state(circuit)
    monkeypatch.setattr(noisy, "COMPILED_LIMIT", 1)
    monkeypatch.setattr(noisy, "MOST_BITS", 2)
    text = (
        r"^observable must measure at most 2 qubits at once in trajectories, got 'a basis of 3 qubits'; use fewer"
    )
    with pytest.raises(InvalidInputError, match=text):
        NoisyEstimator(manila, [0, 1, 2]).run([(circuit, "ZZZ")], shots=100)
    measured = circuit.copy()
    measured.measure_all()
    monkeypatch.setattr(noisy_sampler, "COMPILED_MOST", 2)
    with pytest.raises(InvalidInputError, match=r"its light cone has 3 qubits, more than 2"):
        NoisySampler(manila, [0, 1, 2], engine="compiled").run([measured])


def test_components_in_any_order_and_of_identities(manila: DeviceSnapshot) -> None:
    estimator = NoisyEstimator(manila, [0, 1])
    isa = estimator.isa(pair())
    ops, values = lower(isa, estimator.device.snapshot), np.array([[0.3], [1.2]])
    z, zz = ((0, 3),), ((0, 3), (1, 3))
    straight = CompiledPlan(ops, [Request([z, zz])], (A,)).components(values)
    for requests, columns in (
        ([Request([zz, z])], (1, 0)),
        ([Request([zz]), Request([z])], (1, 0)),
        ([Request([z]), Request([zz])], (0, 1)),
    ):
        assert np.allclose(CompiledPlan(ops, requests, (A,)).components(values), straight[:, columns], atol=1e-13)
    assert CompiledPlan(ops, [Request([])], (A,)).components(values).shape == (2, 0)
    with_one = CompiledPlan(ops, [Request([()]), Request([z])], (A,)).components(values)
    assert np.allclose(with_one, np.column_stack([np.ones(2), straight[:, 0]]), atol=1e-13)


def test_a_failed_run_of_aer_is_named(manila: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = AerEngine(manila)
    failed = SimpleNamespace(success=False, status="ERROR: out of memory")
    simulator = SimpleNamespace(run=lambda circuits, **options: SimpleNamespace(result=lambda: failed))
    monkeypatch.setattr(engine, "simulator", lambda method: simulator)
    with pytest.raises(ExecutionError, match=r"^Aer failed: ERROR: out of memory$"):
        engine.run([pair()], "statevector")


def test_derivatives_that_are_numbers_in_disguise() -> None:
    assert _constant(A.assign(A, 2.0)) == 2.0
    assert _constant(-1.5 + 0j) == -1.5
    assert _constant(2 * A) is None


def test_angle_maps_of_straight_and_curved_expressions() -> None:
    expressions = [2 * A - B + 0.5, A * B, A.sin() + B]
    found = AngleMap(expressions, [A, B])
    values = np.array([[0.3, 0.7], [-1.0, 0.2]])
    a, b = values.T
    assert np.allclose(found(values), np.column_stack([2 * a - b + 0.5, a * b, np.sin(a) + b]))
    weights = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 0.25]])
    jacobian = np.array([[[2, -1], [q, p], [np.cos(p), 1]] for p, q in values])
    assert np.allclose(found.pull_back(values, weights), np.einsum("bk,bkp->bp", weights, jacobian))


def test_snapshots_keep_infinite_times() -> None:
    target = Target(num_qubits=1, dt=1e-9)
    target.add_instruction(lib.SXGate(), {(0,): InstructionProperties(error=0.0, duration=1e-8)})
    target.add_instruction(Delay(Parameter("t")), {(0,): None})
    target.add_instruction(Measure(), {(0,): InstructionProperties(error=0.0, duration=1e-6)})
    data = {**DeviceSnapshot.from_target(target).to_dict(), "t1": ["inf"], "t2": [1e-4]}
    snapshot = DeviceSnapshot.from_dict(data)
    assert snapshot.t1 == (math.inf,)
    assert snapshot.to_dict()["t1"] == ["inf"]
    assert DeviceSnapshot.from_json(snapshot.to_json()).t1 == (math.inf,)
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.delay(50, 0, unit="us")
    # pure dephasing: sx leaves Y = -1, which decays as exp(-t / T2); the duration of sx costs nothing (error 0)
    found = NoisyEstimator(snapshot, [0], engine="compiled").run([(circuit, ["Y", "Z"])]).result()[0].data.evs
    assert found == pytest.approx([-math.exp(-0.5), 0.0], abs=2e-4)


# -- devices --------------------------------------------------------------------------------------------


def test_readout_flips_travel_in_documents(manila: DeviceSnapshot) -> None:
    flips = [[0.01 * k, 0.02 * k] for k in range(1, 6)]
    snapshot = DeviceSnapshot.from_dict({**manila.to_dict(), "readout_flips": flips})
    assert snapshot.to_dict()["readout_flips"] == flips
    assert DeviceSnapshot.from_json(snapshot.to_json()).readout_flips == tuple(map(tuple, flips))
    circuit = QuantumCircuit(1)
    found = NoisyEstimator(snapshot, [2]).run([(circuit, "Z")]).result()[0].data.evs
    assert float(found) == pytest.approx(1 - 2 * 0.03)


def test_folded_angles_of_devices_with_bounds() -> None:
    target = Target(num_qubits=2)
    target.add_instruction(lib.RZZGate(Parameter("t")), {(0, 1): None})
    for angle, ok in ((0.4, True), (math.pi / 2, True), (A, True), (-0.2, False), (2.0, False)):
        circuit = QuantumCircuit(2)
        circuit.rzz(angle, 0, 1)
        if ok:
            check_isa(circuit, target, "device")
            continue
        with pytest.raises(
            InvalidInputError,
            match=r"^instruction 'rzz' on qubits \[0, 1\] must have an angle in \[0, pi/2\] on dev",
        ):
            check_isa(circuit, target, "device")


def test_observables_of_runtime_jobs_fit_the_circuit() -> None:
    estimator = RuntimeEstimator("fake_manila", seed=1)
    wide = QuantumCircuit(5)
    wide.x(0)
    with pytest.raises(InvalidInputError, match="qubits"):
        estimator.run([(wide, "ZZ")])


def test_instructions_that_only_the_device_knows_run_on_the_whole_device() -> None:
    sampler = RuntimeSampler("fake_manila", seed=1)
    circuit = QuantumCircuit(5)
    circuit.x(2)
    circuit.measure_all()
    pub = SamplerPub.coerce(circuit, 10)
    mode, small = sampler._compact(pub)
    assert mode is not sampler.mode
    assert small.circuit.num_qubits == 5
    known: Any = SimpleNamespace(snapshot=SimpleNamespace(ignored=("x",)))
    sampler._local = known
    assert sampler._compact(pub) == (sampler.mode, pub)


def test_documents_list_no_measurement_among_the_gates(manila: DeviceSnapshot) -> None:
    data = manila.to_dict()
    data["gates"] = [*data["gates"], ["measure", [0], 0.01, 1e-6]]
    with pytest.raises(
        InvalidInputError, match="gate must be named, and neither a measurement nor control flow, got 'measure'"
    ):
        DeviceSnapshot.from_dict(data)


def test_parameters_that_transpilation_removes_need_no_values() -> None:
    circuit = QuantumCircuit(1)
    circuit.rz(A, 0)
    circuit.rz(-A, 0)
    circuit.ry(B, 0)
    isa = QuantumCircuit(1)
    isa.ry(B, 0)
    values = BindingsArray({("a", "b"): np.array([[0.1, 0.2], [0.3, 0.4]])})
    kept = _bindings(isa, circuit, values)
    assert np.array_equal(kept.as_array(isa.parameters), [[0.2], [0.4]])
    assert _bindings(circuit, circuit, values) is values
    found = RuntimeSampler("fake_manila", seed=2, optimization_level=2)
    measured = circuit.copy()
    measured.measure_all()
    counts = found.run([(measured, [0.1, math.pi])], shots=300).result()[0].data.meas.get_counts()
    assert counts["1"] > 240


def test_samplers_take_circuits_from_any_iterable() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    found = CompiledSampler(seed=1).run(c for c in [circuit, circuit]).result()
    assert [r.data.c.get_counts() for r in found] == [{"1": 1024}] * 2
