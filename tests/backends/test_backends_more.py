"""Rarer instructions, expressions, limits and caches of the backends, each against Qiskit or NumPy."""

from __future__ import annotations

import ctypes
import math
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Delay, Gate, Measure, Parameter
from qiskit.circuit import library as lib
from qiskit.circuit.controlflow import IfElseOp
from qiskit.quantum_info import Clifford, Operator, SparsePauliOp, Statevector, random_clifford
from qiskit.transpiler import InstructionProperties, Target

from qalgs.backends import (
    CompiledEstimator,
    DeviceSnapshot,
    NoisyEstimator,
    NoisySampler,
    auto_measure,
    compile_circuit,
    compiler_structure,
    compiler_wires,
    noise,
    noisy_gradient,
    snapshot_target,
)
from qalgs.backends import noisy_trajectories as own
from qalgs.backends.auto_program import ReferenceObservable, ReferenceProgram
from qalgs.backends.compiler_angles import Slots, _affine, tape_of
from qalgs.backends.compiler_lowering import supported
from qalgs.backends.devices import _catalogue, fake_names
from qalgs.backends.noise import unitary_transfer
from qalgs.backends.noise_device import CACHE_SIZE, Cache, circuit_key
from qalgs.backends.noise_program import Op, lower
from qalgs.errors import InvalidInputError

A, B = Parameter("a"), Parameter("b")


@pytest.fixture(scope="module")
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def perfect(*pairs: Gate) -> DeviceSnapshot:
    """Two qubits with noiseless gates."""
    target = Target(num_qubits=2, dt=1e-9)
    t, u, v = (Parameter(name) for name in "tuv")
    for gate in (lib.RXGate(t), lib.RZGate(t), lib.UGate(t, u, v), lib.RGate(t, u), lib.SXGate()):
        target.add_instruction(gate, {(q,): InstructionProperties(error=0.0, duration=1e-8) for q in range(2)})
    for pair in (lib.CXGate(), *pairs):
        target.add_instruction(pair, {(0, 1): InstructionProperties(error=0.0, duration=1e-7)})
    target.add_instruction(Delay(Parameter("d")), {(q,): None for q in range(2)})
    target.add_instruction(Measure(), {(q,): InstructionProperties(error=0.0, duration=1e-6) for q in range(2)})
    return DeviceSnapshot.from_target(target)


# -- the compiled engine --------------------------------------------------------------------------------


def agrees(circuit: QuantumCircuit) -> bool:
    return np.allclose(compile_circuit(circuit).states([])[0], Statevector(circuit).data, atol=1e-12)


def test_operations_that_are_circuits_or_numbers() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.append(random_clifford(2, seed=3), [1, 0])
    assert isinstance(circuit.data[-1].operation, Clifford)
    circuit.append(lib.UnitaryGate([[1j]]), [])
    assert agrees(circuit)
    circuit.append(lib.UnitaryGate([[np.exp(0.7j)]]).control(1), [1])
    circuit.h(1)
    assert agrees(circuit)


class Wide(Gate):
    """A gate on one qubit whose matrix is of two."""

    def __init__(self) -> None:
        super().__init__("wide", 1, [])

    def to_matrix(self) -> Any:
        return np.eye(4)


class Hidden(Gate):
    """A gate whose definition uses a parameter that the circuit does not have."""

    def __init__(self, angle: Any) -> None:
        super().__init__("hidden", 1, [])
        self._definition = QuantumCircuit(1)
        self._definition.rx(angle, 0)


def test_gates_that_do_not_fit_are_named() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Wide(), [0])
    with pytest.raises(
        ValueError, match=r"^instruction 0 \(wide on qubits \[0\]\) has a matrix of shape \(4, 4\); give it one of"
    ):
        compile_circuit(circuit)
    for angle in (A, 2 * A + 1):
        circuit = QuantumCircuit(1)
        circuit.append(Hidden(angle), [0])
        with pytest.raises(ValueError, match=r"parameter must belong to the circuit, got Parameter\(a\)"):
            compile_circuit(circuit)


def test_operations_that_no_angle_has_are_named() -> None:
    with pytest.raises(
        InvalidInputError,
        match=r"^circuit: operation must be real arithmetic or an elementary function, got 'GRAD'",
    ):
        _affine((("GRAD", ("column", 0.0), None),), "circuit")


def test_angles_outside_a_circuit_are_refused_by_name() -> None:
    for make in (
        lambda: Slots([]).add(A, "instruction 3"),
        lambda: tape_of(2 * A, {}, "instruction 3"),
    ):
        with pytest.raises(InvalidInputError, match=r"^instruction 3: parameter must belong to the circuit, got "):
            make()
    wrong: Any = "half"
    with pytest.raises(
        InvalidInputError,
        match=r"^instruction 3: angle must be a real number or a parameter expression, got 'half'",
    ):
        Slots([]).add(wrong, "instruction 3")
    turn = QuantumCircuit(1, global_phase=math.nan)
    with pytest.raises(ValueError, match=r"^global phase: angle must be a finite real number, got nan"):
        compile_circuit(turn)


@pytest.mark.parametrize(
    "expression",
    [
        (A + B - B - A).exp() + A,
        2 ** (A + B - A - B + 3) * B,
        A.sign() * B,
        (A.sin() + 1) ** 2,
        2**A,
        A / B,
        1 / B,
        (A - B).abs(),
        A**0.5,
        (A * 0 + B).exp() - A,
    ],
)
def test_expressions_of_two_parameters(expression: Any) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(expression, 0)
    circuit.ry(0.3 * A + B, 0)
    program = compile_circuit(circuit)
    point = np.array([0.7, 1.3])
    state = Statevector(circuit.assign_parameters(point)).data
    assert np.allclose(program.states(point)[0], state, atol=1e-12)
    bra, step = np.array([0.3 - 0.2j, 0.9j]), 1e-6
    for p, shift in enumerate(step * np.eye(2)):
        ends = [Statevector(circuit.assign_parameters(point + s * shift)).data for s in (1, -1)]
        assert np.isclose(program.vjp(point, bra)[0, p], np.vdot(bra, ends[0] - ends[1]) / (2 * step), atol=1e-8)


class Turn(Gate):
    """A gate that no table knows."""

    def __init__(self, angle: Any) -> None:
        super().__init__("turn", 1, [angle])


class ControlledTurn(lib.CRXGate):
    """A controlled gate with an angle of which its base knows nothing."""

    def __init__(self, theta: Any, other: Any) -> None:
        super().__init__(theta)
        self.other = other


def test_only_known_gates_are_read_by_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    assert supported(lib.CRXGate, 1)
    assert supported(lib.CUGate, 4)
    assert supported(lib.CCXGate, 0)
    assert not supported(Turn, 1)
    assert not supported(ControlledTurn, 2)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.crx(A, 0, 1)
    known = compile_circuit(circuit.copy()).states([0.4])
    monkeypatch.setattr(compiler_structure, "supported", lambda kind, count: kind is not lib.CRXGate)
    other = circuit.copy()
    assert compiler_structure.structure(other, other.parameters) is None
    assert np.allclose(compile_circuit(other).states([0.4]), known, atol=1e-14)


def test_an_interface_of_another_shape_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    capi = pytest.importorskip("qiskit.capi")

    class Long(ctypes.Structure):
        _fields_ = (("words", ctypes.c_uint64 * 17),)

    circuit = QuantumCircuit(2)
    circuit.cx(1, 0)
    compiler_wires._interface.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(capi, "QkCircuitInstructionView", Long)
            assert compiler_wires._interface() is None
            wires = compiler_wires.Wires(circuit)
            assert wires.same(circuit.copy())
            circuit.data[0] = circuit.data[0].replace(qubits=circuit.qubits)
            assert not wires.same(circuit)
    finally:
        compiler_wires._interface.cache_clear()


@pytest.mark.parametrize("engine", ["reference", "aer", "pennylane"])
def test_reference_programs_of_no_points_at_all(engine: Any) -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(A, 0)
    program = ReferenceProgram(circuit, engine)
    assert program.states(np.empty((0, 1))).shape == (0, 4)


def test_reference_observables_refuse_states_of_another_width() -> None:
    observable = ReferenceObservable("ZX")
    state = np.array([0.6, 0, 0.8j, 0])
    assert np.allclose(observable.apply(state)[0], Operator(SparsePauliOp("ZX")).data @ state)
    with pytest.raises(InvalidInputError, match=r"^states must have shape \(B, 4\), got \(1, 8\)"):
        observable.apply(np.zeros(8))


def test_measured_tables_are_written_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    table = {"energy": {2: {"compiled": 0.1, "aer": 2.5}}, "gradient": {2: {"compiled": 0.2}}}
    asked: list[object] = []
    texts: list[tuple[Path, str]] = []

    def measured(*given: object) -> object:
        asked.append(given)
        return table

    monkeypatch.setattr(auto_measure, "measure", measured)
    monkeypatch.setattr(auto_measure, "write_atomic", lambda path, text: texts.append((path, text)))
    monkeypatch.setattr(sys, "argv", ["auto_measure", "--sizes", "2", "--budget", "0.1", "--dry-run"])
    auto_measure.main()
    assert texts == []
    monkeypatch.setattr(sys, "argv", ["auto_measure", "--sizes", "2", "3"])
    auto_measure.main()
    assert asked == [((2,), 0.1), ((2, 3), 0.5)]
    ((path, text),) = texts
    assert path.name == "auto_table.py"
    names: dict[str, Any] = {}
    exec(compile(text, path.name, "exec"), names)
    assert names["SECONDS"] == table
    monkeypatch.setattr(sys, "argv", ["auto_measure", "--help"])
    monkeypatch.delitem(sys.modules, auto_measure.__name__)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(auto_measure.__name__, run_name="__main__")
    assert ended.value.code == 0
    assert "Measure the crossover between the engines." in capsys.readouterr().out


# -- devices ------------------------------------------------------------------------------------------


def test_delays_of_other_units_are_other_circuits(manila: DeviceSnapshot) -> None:
    def waiting(duration: float, unit: str) -> QuantumCircuit:
        circuit = QuantumCircuit(1)
        circuit.x(0)
        circuit.delay(duration, 0, unit=unit)
        return circuit

    assert circuit_key(waiting(100.0, "ns")) == circuit_key(waiting(100.0, "ns"))
    assert circuit_key(waiting(100.0, "ns")) != circuit_key(waiting(100.0, "us"))
    shared = NoisyEstimator(manila, [0])
    found = [float(shared.run([(waiting(100.0, unit), "Z")]).result()[0].data.evs) for unit in ("ns", "us", "ns")]
    alone = float(NoisyEstimator(manila, [0]).run([(waiting(100.0, "us"), "Z")]).result()[0].data.evs)
    assert found[1] == alone > 0 > found[0] == found[2]  # after 100 us the qubit has decayed


def test_keys_of_matrices_and_of_unhashable_numbers() -> None:
    def one(matrix: Any) -> QuantumCircuit:
        circuit = QuantumCircuit(1)
        circuit.append(lib.UnitaryGate(matrix), [0])
        return circuit

    assert circuit_key(one(np.eye(2))) == circuit_key(one(np.eye(2)))
    assert circuit_key(one(np.eye(2))) != circuit_key(one(-np.eye(2)))
    listed = QuantumCircuit(1)
    listed.append(lib.RXGate(0.1), [0])
    strange = lib.RXGate(0.1)
    strange._params = [[0.1]]
    other = QuantumCircuit(1)
    other._append(strange, other.qubits, [])
    hash(circuit_key(other))
    assert circuit_key(other) != circuit_key(listed)


def test_caches_forget_what_was_used_longest_ago() -> None:
    cache: Cache[int, str] = Cache()
    for k in range(CACHE_SIZE):
        assert cache.keep(k, str(k)) == str(k)
    assert cache.fetch(0) == "0"
    cache.keep(-1, "new")
    assert len(cache) == CACHE_SIZE
    assert cache.fetch(1) is None
    assert cache.fetch(0) == "0"


def test_branches_are_transpiled_and_run(manila: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(2, "c"))
    circuit.x(0)
    circuit.measure(0, 0)
    body = QuantumCircuit(1)
    body.x(0)
    circuit.append(IfElseOp((circuit.clbits[0], 1), body), [0])
    circuit.measure(0, 1)
    counts = NoisySampler(manila, [0], seed=1).run([circuit], shots=400).result()[0].data.c.get_counts()
    assert counts["01"] > 330
    with pytest.raises(
        InvalidInputError, match="is not a gate with a matrix, so it has no noisy simulation; remove"
    ):
        lower(circuit, manila)


def test_lowering_takes_matrices_bound_numbers_and_gates_without_an_error() -> None:
    snapshot = perfect()
    matrix = Operator(lib.RYGate(0.4)).data
    circuit = QuantumCircuit(2)
    circuit.append(lib.UnitaryGate(matrix), [0])
    circuit.rzz(A, 0, 1)
    circuit.append(lib.RZGate(A.assign(A, 0.25)), [1])
    one, two, three = lower(circuit, snapshot)
    assert np.allclose(one.factors[0][1], unitary_transfer(matrix))
    assert three.factors[0][1] == 0.25
    assert two.pair is not None
    assert two.angle == A
    for t in (0.3, -2.0):
        found = two.pair[0] + np.cos(t) * two.pair[1] + np.sin(t) * two.pair[2]
        assert np.allclose(found, unitary_transfer(Operator(lib.RZZGate(t)).data))
    for gate, qubits in ((lib.CRXGate(A), [0, 1]), (lib.CCXGate(), [0, 1, 2])):
        wide = QuantumCircuit(3)
        wide.append(gate, qubits)
        with pytest.raises(
            InvalidInputError, match=rf"^instruction '{gate.name}' on qubits .* has no noisy simulat"
        ):
            lower(wide, snapshot)


def test_shifts_of_some_of_a_gates_angles_equal_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = QuantumCircuit(2)
    circuit.u(A, 0.3, B, 0)
    circuit.cx(0, 1)
    circuit.rx(A * B, 1)
    circuit.rz(0.2, 1)
    observable, points = SparsePauliOp(["ZX", "XI"], [0.7, 0.4]), np.array([[0.3, 1.1], [-0.8, 0.2]])
    estimator = NoisyEstimator(perfect(), [0, 1], engine="compiled")
    swept = estimator.gradient(circuit, observable, points, method="adjoint")
    monkeypatch.setattr(noisy_gradient, "LARGEST_SWEEP", 0)
    for method in ("shift", "auto"):
        shifted = estimator.gradient(circuit, observable, points, method=method)
        assert np.allclose(shifted[0], swept[0], atol=1e-10)
        assert np.allclose(shifted[1], swept[1], atol=1e-10)
    plain = QuantumCircuit(2)
    plain.r(A, B, 0)
    with pytest.raises(
        InvalidInputError, match=r"^instruction 'r' has no two-term parameter shift; transpile it to rotations$"
    ):
        estimator.gradient(plain, observable, points, method="shift")


def test_trajectories_need_few_qubits_and_take_free_pairs() -> None:
    chain = [Op((q, q + 1)) for q in range(59)]
    with pytest.raises(
        InvalidInputError, match=r"^circuit must need at most \d+ qubits for trajectories, got 'a light c"
    ):
        own.TrajectoryProgram(chain, [59], [])
    circuit = QuantumCircuit(2)
    circuit.rzz(2 * A, 0, 1)
    circuit.rx(0.4, 0)
    ops = lower(circuit, perfect())
    ((q, r, transfer),) = own.TrajectoryProgram(ops, [0, 1], [A]).channels(np.array([0.3]))
    bound = circuit.assign_parameters([0.3])
    assert (q, r) == (0, 1)
    assert np.allclose(transfer, unitary_transfer(Operator(bound).data))
    flip = unitary_transfer(np.array([[0, 1], [1, 0]]))
    alone = own.TrajectoryProgram(ops[1:], [0], [A], {0: flip, 1: flip}).channels(np.array([0.3]))
    assert [(q, r) for q, r, _ in alone] == [(0, -1)]
    assert np.allclose(alone[0][2], flip @ unitary_transfer(Operator(lib.RXGate(0.4)).data))


def test_tables_of_errors_start_anew_when_full(monkeypatch: pytest.MonkeyPatch, manila: DeviceSnapshot) -> None:
    gates = [("sx", (0,)), ("cx", (0, 1))]
    usual = noise.gate_noise(manila, gates)
    table: dict[Any, Any] = dict.fromkeys(range(5))
    monkeypatch.setattr(noise, "_ERRORS", table)
    monkeypatch.setattr(noise, "_ERRORS_LIMIT", 4)
    found = noise.gate_noise(manila, gates)
    assert len(table) == 2
    for gate in gates:
        one, other = found[gate], usual[gate]
        assert one is not None
        assert other is not None
        assert np.allclose(one, other)


def test_targets_state_their_size_and_leave_out_dead_gates(manila: DeviceSnapshot) -> None:
    with pytest.raises(
        InvalidInputError, match=r"^backend must state its number of qubits, got 'ideal'; use a device"
    ):
        snapshot_target.read_target(Target(), "ideal")
    data = manila.to_dict()
    data["gates"] = [[g, q, 1.0 if g == "cx" else error, time] for g, q, error, time in data["gates"]]
    dead = DeviceSnapshot.from_dict(data)
    assert "cx" in dead.target()
    assert "cx" not in dead.target(drop_dead=True)
    assert "sx" in dead.target(drop_dead=True)
    bare = DeviceSnapshot.from_target(Target(num_qubits=1)).backend()
    assert list(bare.coupling_map.physical_qubits) == [0]
    assert bare.max_circuits is None


def test_fakes_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib.machinery import ModuleSpec

    from qalgs.backends import devices

    folder = tmp_path / "fake_provider" / "backends" / "odd"
    folder.mkdir(parents=True)
    (folder / "fake_odd.py").write_text('class FakeOdd(Fake):\n    backend_name = "fake_odd"\n')
    (folder / "fake_none.py").write_text("class FakeNone:\n    pass\n")
    spec = ModuleSpec("qiskit_ibm_runtime", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    _catalogue.cache_clear()
    try:
        monkeypatch.setattr(devices, "find_spec", lambda name: spec)
        assert fake_names() == ("fake_odd",)
        assert _catalogue()["fake_odd"] == ("qiskit_ibm_runtime.fake_provider.backends.odd", "FakeOdd")
        _catalogue.cache_clear()
        monkeypatch.setattr(devices, "find_spec", lambda name: None)
        assert fake_names() == ()
    finally:
        _catalogue.cache_clear()


def test_several_observables_of_more_points_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    from qalgs.backends import compiled_estimator

    monkeypatch.setattr(compiled_estimator, "CHUNK", 4)  # one point at a time
    circuit = QuantumCircuit(2)
    circuit.ry(A, 0)
    circuit.cx(0, 1)
    points = np.linspace(-1, 1, 5)[:, None]
    observables = [[SparsePauliOp("ZI")], [SparsePauliOp("XX")]]
    exact = np.array([[math.cos(t) for t in points[:, 0]], [math.sin(t) for t in points[:, 0]]])
    found = CompiledEstimator(engine="compiled").run([(circuit, observables, points)]).result()[0].data.evs
    assert np.allclose(found, exact, atol=1e-12)
    few = CompiledEstimator(engine="compiled").run([(circuit, [observables[0][0], observables[1][0]], points[:2])])
    assert np.allclose(few.result()[0].data.evs, [exact[0, 0], exact[1, 1]], atol=1e-12)
    pair = [observables[0][0], observables[1][0]]
    shots = CompiledEstimator(default_shots=4000, seed=1).run([(circuit, pair, points[:2])]).result()[0].data
    assert (np.abs(shots.evs - [exact[0, 0], exact[1, 1]]) < 5 * shots.stds + 1e-9).all()
