"""Refusals of backends in their own words, and the rarer roads through them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Measure, Parameter
from qiskit.circuit.annotated_operation import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier
from qiskit.circuit.library import CXGate, RGate, RYGate, RZXGate, SXGate, U2Gate, UGate
from qiskit.primitives import PrimitiveResult, StatevectorEstimator
from qiskit.providers import JobStatus
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit.transpiler import InstructionProperties, Target

from qalgs import backends
from qalgs.backends import (
    CompiledEstimator,
    CompiledSampler,
    DeviceSnapshot,
    NoisyEstimator,
    NoisySampler,
    PennyLaneEstimator,
    RuntimeEstimator,
    RuntimeSampler,
    compile_circuit,
    compile_observable,
    from_pennylane,
    load_backend,
    to_pennylane,
)
from qalgs.backends.runtime_job import RuntimeJob
from qalgs.errors import ExecutionError, InvalidInputError

THETA = Parameter("θ")


def rotated() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(THETA, 0)
    circuit.cx(0, 1)
    return circuit


@pytest.fixture(scope="module")
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def refused(call: Callable[[], object], text: str, kind: type[Exception] = InvalidInputError) -> None:
    with pytest.raises(kind, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


PUB = "pub must be a circuit or (circuit[, parameter values[, shots]]), got 'int'"
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "shots and sector": (
        lambda: CompiledEstimator(default_shots=10, sector=[True, False]),
        "sector must be None with a shot count, since post-selection needs measurements in one basis; ",
    ),
    "sector's size": (
        lambda: CompiledEstimator(sector=[True, False, True, True, True]).run([(rotated(), "ZZ", [0.1])]),
        "sector must ",
    ),
    "estimator PUB": (
        lambda: CompiledEstimator().run([(rotated(),)]),
        "pub must be a tuple (circuit, observables[, parameter values[, precision]]), got 'tuple'; ",
    ),
    "precision's type": (
        lambda: CompiledEstimator(default_precision="high"),  # type: ignore[arg-type]
        "default_precision must be a finite non-negative number, got 'high'",
    ),
    "sampler PUB": (lambda: CompiledSampler().run([3]), PUB),
    "values' shape": (
        lambda: compile_circuit(rotated()).states([[0.1, 0.2]]),
        "parameter values must have shape (B, 1) or (1,), got (1, 2); give one value per entry of ",
    ),
    "cotangents": (
        lambda: compile_circuit(rotated()).vjp([[0.1], [0.2]], np.ones(3)),
        "cotangents must have shape (2, 4) or (4,), got (3,)",
    ),
    "unbound coefficient": (
        lambda: compile_observable(SparsePauliOp(["ZZ"], np.array([THETA]))),
        "observable coefficients must be numbers, got ",
    ),
    "wide observable": (
        lambda: compile_observable(SparsePauliOp("Z" * 40)),
        "observable.num_qubits must be at most ",
    ),
    "wires": (
        lambda: to_pennylane(rotated(), wires=["a"]),
        "wires must be 2 labels, one per qubit, got ['a']",
    ),
    "wires of a call": (
        lambda: to_pennylane(rotated())([0.1], wires=["a"]),
        "wires must be 2 labels, one per qubit, got ['a']",
    ),
    "wires of a sum": (
        lambda: to_pennylane(SparsePauliOp("ZZ"), wires=["a", "a"]),
        "wires must be 2 distinct labels, got ['a', 'a']",
    ),
    "missing value": (
        lambda: to_pennylane(rotated())({"φ": 0.1}),
        "values must have a value for 'θ', got ['φ']",
    ),
    "number of values": (
        lambda: to_pennylane(rotated())(),
        "values must be 1 numbers, one per parameter, got 0",
    ),
    "no unitary": (lambda: to_pennylane(_reset()), "instruction 0 (reset on qubits [0]) must be unitary; "),
    "shots and precision": (
        lambda: PennyLaneEstimator("default.qubit", default_precision=0.1, default_shots=5),
        "default_precision and default_shots must not both be given, got 0.1 and 5; choose one",
    ),
    "runtime's level": (
        lambda: RuntimeEstimator("fake_manila", optimization_level=4),
        "optimization_level must be 0, 1, 2, 3 or None, got 4",
    ),
}


def _reset() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.reset(0)
    return circuit


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    refused(*REFUSED[name])


def test_other_types_are_named() -> None:
    circuit: Any = "h q[0];"
    refused(
        lambda: CompiledSampler().run([(circuit,)]), "circuit must be a qiskit QuantumCircuit, got str", TypeError
    )
    refused(lambda: to_pennylane(circuit), "source must be a QuantumCircuit or SparsePauliOp, got str", TypeError)


NOISY: dict[str, tuple[Callable[[NoisyEstimator], object], str]] = {
    "both": (
        lambda e: e.run([(rotated(), "ZZ", [0.1])], precision=0.1, shots=10),
        "shots must not be given together with precision, got 10",
    ),
    "method": (
        lambda e: e.gradient(rotated(), SparsePauliOp("ZZ"), [0.1], method="exact"),
        "method must be 'auto', 'shift' or 'adjoint', got 'exact'",
    ),
    "several observables": (
        lambda e: e.gradient(rotated(), ["ZZ", "XX"], [0.1]),
        "observable must be a single observable, got (2,)",
    ),
    "adjoint with shots": (
        lambda e: e.gradient(rotated(), SparsePauliOp("ZZ"), [0.1], method="adjoint", shots=10),
        "method must be 'shift' with shots or another engine than the compiled one, got 'adjoint'; use 'auto'",
    ),
    "level": (
        lambda e: NoisyEstimator(e.device.snapshot, [0, 1], optimization_level=7),
        "optimization_level must be 0, 1, 2 or 3, got 7",
    ),
}


@pytest.mark.parametrize("name", NOISY)
def test_refusals_of_noisy_estimates(name: str, manila: DeviceSnapshot) -> None:
    call, text = NOISY[name]
    refused(lambda: call(NoisyEstimator(manila, [0, 1])), text)


def test_a_default_precision_sets_the_shots(manila: DeviceSnapshot) -> None:
    pub = (rotated(), SparsePauliOp("ZI"), [1.1])
    estimator = NoisyEstimator(manila, [0, 1], default_precision=0.1, seed=1)
    exact = float(NoisyEstimator(manila, [0, 1]).run([pub]).result()[0].data.evs)
    data = estimator.run([pub]).result()[0].data
    # 100 shots: the standard error is sqrt((1 - E^2) / 100)
    assert abs(float(data.stds) - np.sqrt((1 - exact**2) / 100)) < 0.03
    assert abs(float(data.evs) - exact) < 0.5


def noiseless() -> DeviceSnapshot:
    """Two qubits whose gates are those that devices seldom have, all perfect."""
    target = Target(num_qubits=2, dt=1e-9)
    a, b, c = (Parameter(name) for name in "abc")
    for gate in (UGate(a, b, c), U2Gate(a, b), RGate(a, b), RYGate(a), SXGate()):
        target.add_instruction(gate, {(q,): InstructionProperties(error=0.0, duration=1e-8) for q in range(2)})
    target.add_instruction(CXGate(), {(0, 1): InstructionProperties(error=0.0, duration=1e-7)})
    target.add_instruction(Delay(Parameter("t")), {(q,): None for q in range(2)})
    target.add_instruction(Measure(), {(q,): InstructionProperties(error=0.0, duration=1e-6) for q in range(2)})
    return DeviceSnapshot.from_target(target)


@pytest.mark.parametrize("bound", [True, False])
def test_gates_of_rare_bases_equal_qiskits(bound: bool, rng: np.random.Generator) -> None:
    a, b, c = rng.normal(size=3) if bound else (Parameter(name) for name in "abc")
    circuit = QuantumCircuit(2)
    circuit.append(UGate(a, b, c), [0])
    circuit.cx(0, 1)
    circuit.append(U2Gate(b, a), [1])
    circuit.append(RGate(c, a), [0])
    circuit.delay(100, 0, unit="ns")
    values = rng.normal(size=circuit.num_parameters)
    observables = [SparsePauliOp(label) for label in ("XI", "YZ", "ZY", "ZX")]
    found = NoisyEstimator(noiseless(), [0, 1], engine="compiled").run([(circuit, observables, values)]).result()
    state = Statevector(circuit.assign_parameters(values))
    assert np.allclose(found[0].data.evs, [state.expectation_value(o).real for o in observables], atol=1e-9)


def test_delays_need_a_duration(manila: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(1)
    circuit.delay(Parameter("t"), 0, unit="s")
    refused(
        lambda: NoisyEstimator(manila, [0], engine="compiled").run([(circuit, "Z", [1e-6])]),
        "instruction 'delay' must have a bound duration, in seconds or on a device with dt",
    )


def test_sampling_of_what_only_aer_can_run(manila: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.reset(0)
    circuit.measure(0, 0)
    sampler = NoisySampler(manila, [0], seed=2)
    text = "probabilities need final measurements and a circuit that fits a density matrix; use run(...) inst"
    refused(lambda: sampler.probabilities(circuit), text)
    counts = sampler.run([circuit], shots=400).result()[0].data.c.get_counts()
    assert counts["0"] > 320
    twice = QuantumCircuit(2, 1)
    twice.x(1)
    twice.measure([0, 1], [0, 0])
    refused(lambda: NoisySampler(manila, [0, 1]).probabilities(twice), text)


def test_annotated_operations_are_compiled() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    modifiers = [ControlModifier(1), InverseModifier(), PowerModifier(0.5)]
    for chosen in (modifiers[:1], modifiers[:2], [modifiers[2], modifiers[0]]):
        operation = AnnotatedOperation(RYGate(0.8), chosen)
        one = circuit.copy()
        one.append(operation, [0, 1])
        assert np.allclose(compile_circuit(one).states([])[0], Operator(one).data[:, 0], atol=1e-12)


@pytest.mark.parametrize("values", [[], [[]], np.empty((0, 0))])
def test_empty_batches(values: Any) -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    states = compile_circuit(circuit).states(values)
    assert states.shape == (len(np.atleast_2d(np.asarray(values))), 2)


def test_read_only_values_are_accepted() -> None:
    values = np.array([[0.3], [0.4]])
    values.flags.writeable = False
    program = compile_circuit(rotated())
    assert np.array_equal(program.states(values), program.states(values.copy()))


@pytest.mark.parametrize("basis", ["X", "Y"])
def test_shots_in_another_basis(basis: str) -> None:
    observable = SparsePauliOp([basis * 2, "ZI", "IZ"], [0.5, 0.3, 0.2])
    exact = float(StatevectorEstimator().run([(rotated(), observable, [0.7])]).result()[0].data.evs)
    data = CompiledEstimator(default_shots=20_000, seed=1).run([(rotated(), observable, [0.7])]).result()[0].data
    assert abs(float(data.evs) - exact) < 5 * float(data.stds)
    alone = CompiledEstimator(default_shots=1, seed=1).run([(rotated(), observable, [0.7])]).result()[0].data
    assert abs(float(alone.evs)) <= 1.0


class FakeJob:
    """A submitted job of a device, which ends when told to."""

    def __init__(self, name: str, values: list[float]) -> None:
        self.name, self.values, self.state = name, values, "RUNNING"

    def job_id(self) -> str:
        return self.name

    def result(self) -> list[float]:
        if self.state == "ERROR":
            raise RuntimeError("the fridge\nis warm")
        self.state = "DONE"
        return self.values

    def status(self) -> str | JobStatus:
        return JobStatus.DONE if self.state == "DONE" else self.state

    def done(self) -> bool:
        return self.state == "DONE"

    def running(self) -> bool:
        return self.state == "RUNNING"

    def cancelled(self) -> bool:
        return self.state == "CANCELLED"

    def in_final_state(self) -> bool:
        return self.state in ("DONE", "CANCELLED", "ERROR")

    def cancel(self) -> None:
        self.state = "CANCELLED"


def test_a_job_of_several_jobs() -> None:
    jobs = [FakeJob("one", [0.1, 0.3]), FakeJob("two", [0.2])]
    job = RuntimeJob(jobs, [[0, 2], [1]], lambda place, value: (place, value))
    assert job.job_id() == "one two"
    assert job.running()
    assert not job.done()
    assert not job.in_final_state()
    assert str(job.status()) == "RUNNING"
    result = job.result()
    assert isinstance(result, PrimitiveResult)
    assert list(result) == [(0, 0.1), (1, 0.2), (2, 0.3)]
    assert job.result() is result
    assert job.done()
    assert job.status() == JobStatus.DONE
    assert not job.cancel()
    assert not job.cancelled()


def test_cancelled_and_failed_jobs() -> None:
    jobs = [FakeJob("one", [0.1]), FakeJob("two", [0.2])]
    job = RuntimeJob(jobs, [[0], [1]], lambda _, value: value)
    jobs[0].result()
    assert job.cancel()
    assert [j.state for j in jobs] == ["DONE", "CANCELLED"]
    assert job.cancelled()
    jobs[1].state = "ERROR"
    refused(job.result, "runtime job two failed: the fridge is warm", ExecutionError)


class FakeDevice:
    """A device primitive that notes what is submitted to it."""

    def __init__(self, log: list[tuple[int, object]]) -> None:
        self.log = log

    def run(self, pubs: list[Any], **options: object) -> FakeJob:
        self.log.append((len(pubs), next(iter(options.values()))))
        return FakeJob(f"job{len(self.log)}", [0.0] * len(pubs))


def test_a_device_gets_one_job_per_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[int, object]] = []
    monkeypatch.setattr(RuntimeSampler, "is_local", property(lambda self: False))
    monkeypatch.setattr(RuntimeSampler, "_make", lambda self, mode, options: FakeDevice(log))
    circuit = QuantumCircuit(5)
    circuit.measure_all()
    job = RuntimeSampler("fake_manila").run([(circuit, None, 10), (circuit, None, 20), (circuit, None, 10)])
    assert log == [(2, 10), (1, 20)]
    assert len(list(job.result())) == 3


def test_no_pubs_no_jobs() -> None:
    for primitive in (RuntimeEstimator("fake_manila"), RuntimeSampler("fake_manila")):
        job = primitive.run([])
        assert (job.jobs, len(job.result())) == ([], 0)


def test_snapshot_backends_run_circuits_even_of_one_qubit(manila: DeviceSnapshot) -> None:
    backend = manila.restrict([3]).backend()
    assert list(backend.coupling_map.physical_qubits) == [0]
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    first = backend.run(circuit, shots=500, seed_simulator=1).result().get_counts()
    assert first == backend.run(circuit, shots=500, seed_simulator=1).result().get_counts()
    assert first["1"] > 400
    with pytest.raises(AttributeError, match="_missing"):
        _ = manila.restrict([3])._missing


def test_wires_of_every_kind_and_idle_operations() -> None:
    qml = pytest.importorskip("pennylane")

    def function() -> None:
        qml.Hadamard("b")
        qml.Identity("a")
        qml.Barrier(["a", "b"])
        qml.CNOT(["b", "a"])

    circuit = from_pennylane(function, wires=["a", "b"])
    assert isinstance(circuit, QuantumCircuit)
    assert np.allclose(Statevector(circuit).data, np.array([1, 0, 0, 1]) / np.sqrt(2))

    def measured() -> Any:
        function()
        return qml.state()

    node = qml.QNode(measured, qml.device("default.qubit", wires=["a", "b"]))
    assert np.allclose(Statevector(from_pennylane(node)).data, np.array([1, 0, 0, 1]) / np.sqrt(2))
    zero = from_pennylane(qml.Z(0) - qml.Z(0))
    assert isinstance(zero, SparsePauliOp)
    assert np.allclose(zero.to_matrix(), 0)


def test_conjugated_and_bound_expressions_reach_pennylane() -> None:
    qml = pytest.importorskip("pennylane")
    circuit = QuantumCircuit(2)
    circuit.ry(THETA.conjugate() / 2, 0)
    circuit.append(RZXGate(THETA.assign(THETA, 0.4)), [0, 1])
    template = to_pennylane(circuit)

    @qml.qnode(qml.device("default.qubit", wires=2))
    def state(value: float) -> Any:
        template({"θ": value})
        return qml.state()

    expected = Statevector(circuit.assign_parameters([0.9])).data
    assert np.allclose(np.asarray(state(0.9)).reshape(2, 2).T.ravel(), expected)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("t1", [[1.0, 2.0]] * 5, "t1 must hold numbers, got [1.0, 2.0]"),
        ("readout_flips", [0.1] * 5, "readout_flips must hold pairs, got 0.1"),
        ("layout", [0, 0, 1, 2, 3], "layout must be null or 5 different qubits, got [0, 0, 1, 2, 3]"),
        ("dt", -1.0, "dt must be a positive number of seconds or null, got -1.0"),
    ],
)
def test_damaged_snapshots(key: str, value: object, text: str, manila: DeviceSnapshot) -> None:
    document = {**manila.to_dict(), key: value}
    with pytest.raises(InvalidInputError, match=re.escape(text)):
        DeviceSnapshot.from_dict(document)


def test_ideal_simulators_are_no_devices() -> None:
    from qiskit_aer import AerSimulator

    with pytest.raises(InvalidInputError) as caught:
        DeviceSnapshot.from_backend(AerSimulator(n_qubits=None))
    assert "\n" not in str(caught.value)
    assert "simulator" in str(caught.value)
    assert load_backend("fake_manila").num_qubits == 5
    assert "fake_manila" in backends.devices.fake_names()


@pytest.mark.parametrize("kept", [None, [True, False, True, True]])
def test_energies_and_slopes_of_two_qubits(kept: list[bool] | None, rng: np.random.Generator) -> None:
    """Against dense matrices and central differences, small enough to run without compilation."""
    circuit = rotated()
    circuit.rx(Parameter("φ"), 1)
    circuit.global_phase = 0.4
    observable = SparsePauliOp(["ZX", "YY", "IZ"], [0.5, 0.3, 0.2])
    keep = np.ones(4, dtype=bool) if kept is None else np.array(kept)
    estimator = CompiledEstimator(sector=kept, engine="compiled")

    def energy(point: np.ndarray) -> float:
        state = Statevector(circuit.assign_parameters(point)).data * keep
        return float((state.conj() @ observable.to_matrix() @ state).real / np.vdot(state, state).real)

    points = rng.normal(size=(2, 2))
    values, slopes = estimator.gradient(circuit, observable, points)
    found = estimator.run([(circuit, observable, points)]).result()[0].data.evs
    for point, value, slope, ev in zip(points, values, slopes, found, strict=True):
        assert np.isclose(value, energy(point))
        assert np.isclose(ev, energy(point))
        steps = 1e-5 * np.eye(2)
        assert np.allclose(slope, [(energy(point + e) - energy(point - e)) / 2e-5 for e in steps], atol=1e-7)
    program, bra = compile_circuit(circuit), rng.normal(size=4) + 1j * rng.normal(size=4)
    states = [Statevector(circuit.assign_parameters(points[0] + e)).data for e in (steps[0], -steps[0])]
    assert np.isclose(program.vjp(points[0], bra)[0, 0], np.vdot(bra, states[0] - states[1]) / 2e-5, atol=1e-7)


def test_shots_of_wide_registers_add_up_to_one() -> None:
    """Many outcomes: the rounding of their sum must not be refused as a probability above 1."""
    n = 17
    circuit = QuantumCircuit(n)
    circuit.ry(Parameter("a"), range(n))
    total = SparsePauliOp.from_sparse_list([("Z", [q], 1.0) for q in range(n)], n)
    angles = np.array([[0.4485917877809862], [-0.44124258698566], [-0.6809779034588956]])
    data = CompiledEstimator(default_shots=1000, seed=1).run([(circuit, total, angles)]).result()[0].data
    assert (np.abs(data.evs - n * np.cos(angles[:, 0])) < 5 * data.stds + 1e-9).all()
