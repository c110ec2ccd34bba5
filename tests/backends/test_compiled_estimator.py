"""CompiledEstimator: values, gradients, broadcasting, noise, projection and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import random_circuit, random_observable
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import StatevectorEstimator
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import Pauli, SparsePauliOp, Statevector

from qalgs.backends import CompiledEstimator, compile_circuit

pytestmark = pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
EXACT = CompiledEstimator(engine="compiled")


@pytest.mark.parametrize("num_qubits", range(1, 9))
def test_energies_equal_qiskit(num_qubits: int, rng: np.random.Generator) -> None:
    for k in range(12):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(1, 25)), free=bool(k % 2))
        observable = random_observable(rng, num_qubits)
        values = rng.normal(size=circuit.num_parameters) * 0.6
        data = EXACT.run([(circuit, observable, values)]).result()[0].data
        state = Statevector(circuit.assign_parameters(values))
        assert abs(data.evs - state.expectation_value(observable).real) < 1e-12 * max(1, observable.size)
        assert data.evs.shape == data.stds.shape == ()
        assert data.stds == 0


@pytest.mark.parametrize("num_qubits", range(1, 7))
def test_gradients_equal_central_differences(num_qubits: int, rng: np.random.Generator) -> None:
    step = 1e-5
    for _ in range(6):
        circuit = random_circuit(rng, num_qubits, int(rng.integers(5, 25)), free=True)
        observable = random_observable(rng, num_qubits)
        size = circuit.num_parameters
        values = rng.normal(size=(3, size)) * 0.6
        energies, gradients = EXACT.gradient(circuit, observable, values)
        assert gradients.shape == (3, size)
        shifts = step * np.concatenate([np.eye(size), -np.eye(size)])
        around = EXACT.run([(circuit, observable, values[:, None] + shifts)]).result()[0].data.evs
        assert np.abs((around[:, :size] - around[:, size:]) / (2 * step) - gradients).max() < 1e-6
        assert np.abs(energies - EXACT.run([(circuit, observable, values)]).result()[0].data.evs).max() < 1e-12


@pytest.mark.parametrize("entanglement", ["linear", "circular", "full"])
def test_gradients_equal_parameter_shift(entanglement: str, rng: np.random.Generator) -> None:
    for n in range(2, 9):
        circuit = efficient_su2(n, reps=2, su2_gates=["rx", "rz", "ry"], entanglement=entanglement)
        circuit.compose(_pair_rotations(n), inplace=True)
        observable = random_observable(rng, n)
        size = circuit.num_parameters
        values = rng.uniform(-np.pi, np.pi, size)
        _, gradient = EXACT.gradient(circuit, observable, values)
        shifts = np.pi / 2 * np.concatenate([np.eye(size), -np.eye(size)])
        around = EXACT.run([(circuit, observable, values + shifts)]).result()[0].data.evs
        assert gradient.shape == (size,)
        assert np.abs((around[:size] - around[size:]) / 2 - gradient).max() < 1e-10


def _pair_rotations(n: int) -> QuantumCircuit:
    """Two-qubit rotations, diagonal ones among them in a group large enough for one phase vector."""
    circuit = QuantumCircuit(n)
    angles = iter(ParameterVector("w", 4 * n * n))
    for a in range(n):
        for b in range(a + 1, n):
            circuit.rzz(next(angles), a, b)
    circuit.h(range(n))
    for a in range(n - 1):
        circuit.rxx(next(angles), a, a + 1)
        circuit.ryy(next(angles), a + 1, a)
        circuit.rzx(next(angles), a, a + 1)
        circuit.rzz(next(angles), a, a + 1)
    circuit.rx(next(angles), 0)
    return circuit


def test_broadcasting_equals_qiskit(rng: np.random.Generator) -> None:
    circuit = efficient_su2(3, reps=1)
    values = rng.normal(size=(4, 1, circuit.num_parameters))
    lists = [["ZZI", SparsePauliOp(["XXI", "IYZ"], [1.0, -2.0])], [Pauli("IIX"), {"ZIZ": 0.5, "III": 1.0}]]
    names = dict(zip(circuit.parameters, np.moveaxis(values, -1, 0), strict=True))
    for observables in (lists[0], [lists], "XYZ"):
        for bindings in (values, names, {tuple(circuit.parameters): values}):
            try:
                expected = StatevectorEstimator().run([(circuit, observables, bindings)]).result()[0].data.evs
            except ValueError:
                with pytest.raises(ValueError, match="broadcastable"):
                    EXACT.run([(circuit, observables, bindings)])
                continue
            pubs = [(circuit, observables, bindings), EstimatorPub.coerce((circuit, observables, bindings))]
            for result in EXACT.run(pubs).result():
                assert result.data.evs.shape == expected.shape
                assert np.abs(result.data.evs - expected).max() < 1e-12


def test_one_parameter_and_none(rng: np.random.Generator) -> None:
    theta = Parameter("t")
    circuit = QuantumCircuit(1)
    circuit.rx(theta, 0)
    grid = rng.normal(size=5)
    assert np.allclose(EXACT.run([(circuit, "Z", grid)]).result()[0].data.evs, np.cos(grid), atol=1e-14)
    assert np.allclose(EXACT.run([(circuit, "Z", [0.3])]).result()[0].data.evs, np.cos(0.3), atol=1e-14)
    bound = circuit.assign_parameters([0.3])
    pubs: list[tuple[object, ...]] = [(bound, "Z"), (bound, "Z", []), (bound, "Z", None)]
    for pub in pubs:
        assert np.isclose(EXACT.run([pub]).result()[0].data.evs, np.cos(0.3), atol=1e-14)
    values, gradients = EXACT.gradient(bound, SparsePauliOp("Z"), [])
    assert np.isclose(values, np.cos(0.3))
    assert gradients.shape == (0,)
    assert compile_circuit(QuantumCircuit(2)).states([]).shape == (1, 4)


def test_precision_noise_has_the_stated_variance() -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(0.4, 0)
    runs, precision = 2000, 0.05
    estimator = CompiledEstimator(default_precision=precision, seed=5)
    data = estimator.run([(circuit, ["Z"] * runs)]).result()[0].data
    noise = (data.evs - np.cos(0.4)) / precision
    assert abs(noise.mean()) < 5 / np.sqrt(runs)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / runs)
    assert (data.stds == precision).all()


def test_shot_noise_has_the_theoretical_mean_and_variance() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.rx(0.4, 1)
    observable = SparsePauliOp(["ZZ", "IZ", "XX", "YI", "II"], [1.0, -0.5, 0.7, 0.3, 2.0])
    state = Statevector(circuit)
    # ZZ and IZ are measured together; XX and YI need settings of their own
    parts = [SparsePauliOp(["ZZ", "IZ"], [1.0, -0.5]), SparsePauliOp("XX", 0.7), SparsePauliOp("YI", 0.3)]
    variance = sum((state.expectation_value(p @ p) - state.expectation_value(p) ** 2).real for p in parts)
    runs, shots = 2000, 64
    estimator = CompiledEstimator(default_shots=shots, seed=11)
    data = estimator.run([(circuit, [observable] * runs)]).result()[0].data
    sigma = np.sqrt(variance / shots)
    mean = state.expectation_value(observable).real
    assert abs(data.evs.mean() - mean) < 5 * sigma / np.sqrt(runs)
    kurtosis = ((data.evs - data.evs.mean()) ** 4).mean() / data.evs.var() ** 2
    assert abs(data.evs.var() / sigma**2 - 1) < 5 * np.sqrt((kurtosis - 1) / runs)
    assert abs((data.stds**2).mean() / sigma**2 - 1) < 5 * (data.stds**2).std() / sigma**2 / np.sqrt(runs)


def test_no_two_pubs_or_calls_share_noise() -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    for options in ({"default_precision": 0.1}, {"default_shots": 1001}):
        estimator = CompiledEstimator(seed=3, **options)
        first = [r.data.evs for r in estimator.run([(circuit, "Z"), (circuit, "Z")]).result()]
        second = [r.data.evs for r in estimator.run([(circuit, "Z"), (circuit, "Z")]).result()]
        assert len({float(x) for x in first + second}) == 4
        again = CompiledEstimator(seed=3, **options)
        assert [r.data.evs for r in again.run([(circuit, "Z"), (circuit, "Z")]).result()] == first


def test_precision_of_pub_and_call() -> None:
    circuit = QuantumCircuit(1)
    estimator = CompiledEstimator(default_shots=100, seed=1)
    job = estimator.run([(circuit, "X"), (circuit, "X", None, 0.0)], precision=0.2)
    assert [float(r.data.stds) for r in job.result()] == [0.2, 0.0]
    assert job.done()
    assert [r.metadata["target_precision"] for r in job.result()] == [0.2, 0.0]


@pytest.mark.parametrize("mask", [False, True])
def test_sector_projection(mask: bool, rng: np.random.Generator) -> None:
    circuit = random_circuit(rng, 3, 15, free=True)
    observable = random_observable(rng, 3)
    basis = np.array([1, 2, 4, 7])
    sector = np.isin(np.arange(8), basis) if mask else basis
    estimator = CompiledEstimator(sector=sector, engine="compiled")
    values = rng.normal(size=circuit.num_parameters) * 0.5
    amplitudes = Statevector(circuit.assign_parameters(values)).data * np.isin(np.arange(8), basis)
    amplitudes /= np.linalg.norm(amplitudes)
    expected = (amplitudes.conj() @ observable.to_matrix() @ amplitudes).real
    many = estimator.run([(circuit, [observable, "ZZZ"], values)]).result()[0].data.evs
    assert np.isclose(many[0], expected, atol=1e-12)
    energy, gradient = estimator.gradient(circuit, observable, values)
    assert np.isclose(energy, expected, atol=1e-12)
    step = 1e-5 * np.eye(len(values))
    around = estimator.run([(circuit, observable, values + np.concatenate([step, -step]))]).result()[0].data.evs
    difference = (around[: len(values)] - around[len(values) :]) / 2e-5
    assert np.abs(difference - gradient).max() < 1e-6


def _measured() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    return circuit


def _reset() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(1)
    circuit.reset(1)
    return circuit


def _conditional() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "c"))
    with circuit.if_test((circuit.cregs[0], 1)):
        circuit.x(0)
    return circuit


def _unbound() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("alpha"), 0)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "values", "match"),
    [
        (_measured(), None, r"instruction 1 \(measure on qubits \[0\]\) must not be part of the circuit"),
        (_reset(), None, r"instruction 1 \(reset on qubits \[1\]\) must not reset a qubit in use"),
        (_conditional(), None, r"instruction 0 \(if_else on qubits \[0\]\) must not depend on measured bits"),
        (_unbound(), None, r"must have its parameters bound, got none for alpha; pass 1 parameter values"),
        (_unbound(), [np.nan], r"value of parameter 'alpha' \(row 0\) must be a finite number, got nan"),
        (_unbound(), [1.0, 2.0, 3.0], None),
        (_unbound(), ["one"], r"parameter values must be real numbers"),
        (efficient_su2(2, reps=1), [0.1, 0.2], r"must have 8 entries along the last axis"),
    ],
)
def test_refusals_name_the_culprit(circuit: QuantumCircuit, values: list[float] | None, match: str | None) -> None:
    if match is None:
        assert EXACT.run([(circuit, "ZZ", values)]).result()[0].data.evs.shape == (3,)
        return
    with pytest.raises(ValueError, match=match):
        EXACT.run([(circuit, "ZZ", values)])


def test_refusals_of_instructions_and_arguments() -> None:
    from qiskit.circuit import Gate, Instruction

    circuit = QuantumCircuit(2)
    circuit.append(Gate("mystery", 2, []), [1, 0])
    with pytest.raises(ValueError, match=r"instruction 0 \(mystery on qubits \[1, 0\]\) is not supported"):
        compile_circuit(circuit)
    circuit = QuantumCircuit(1, 1)
    circuit.append(Instruction("readout", 1, 1, []), [0], [0])
    with pytest.raises(ValueError, match=r"instruction 0 \(readout on qubits \[0\]\) must act on qubits only"):
        compile_circuit(circuit)
    alpha = Parameter("alpha")
    circuit = QuantumCircuit(1)
    circuit.rx(1 / alpha, 0)
    with pytest.raises(ValueError, match="angle of a parameter expression"):
        compile_circuit(circuit).states([0.0])
    bell = QuantumCircuit(2)
    with pytest.raises(ValueError, match="observable must act on the circuit's 2 qubits, got 3"):
        EXACT.run([(bell, "ZZZ")])
    with pytest.raises(ValueError, match="observable must be Hermitian"):
        EXACT.run([(bell, SparsePauliOp(["ZZ"], [1j]))])
    with pytest.raises(ValueError, match="pubs must be a list of estimator PUBs"):
        EXACT.run((bell, "ZZ"))
    with pytest.raises(ValueError, match="precision must be a finite non-negative number, got -1"):
        EXACT.run([(bell, "ZZ")], precision=-1)
    with pytest.raises(ValueError, match="default_shots must be a positive integer, got 0"):
        CompiledEstimator(default_shots=0)
    with pytest.raises(ValueError, match="must not both be given"):
        CompiledEstimator(default_shots=10, default_precision=0.1)
    with pytest.raises(ValueError, match="sector must hold basis state indices between 0 and 3"):
        CompiledEstimator(sector=[4], engine="compiled").run([(bell, "ZZ")])
    with pytest.raises(TypeError, match="circuit must be a qiskit QuantumCircuit, got str"):
        compile_circuit("h 0")
    with pytest.raises(ValueError, match=r"circuit\.num_qubits must be at most 28"):
        compile_circuit(QuantumCircuit(40))


def test_reset_of_fresh_qubits_is_allowed() -> None:
    circuit = QuantumCircuit(2)
    circuit.initialize([0.6, 0.8], 0)
    circuit.reset(1)
    assert np.allclose(compile_circuit(circuit).states([])[0], [0.6, 0.8, 0, 0], atol=1e-14)


def test_idle_qubits_of_wide_circuits_are_left_out(rng: np.random.Generator) -> None:
    circuit = efficient_su2(3, reps=1)
    observable = random_observable(rng, 3) + SparsePauliOp("III", 0.7)
    values = rng.normal(size=(2, circuit.num_parameters))
    expected = EXACT.run([(circuit, observable, values)]).result()[0].data.evs
    wide = QuantumCircuit(60, 1)
    wide.compose(circuit, [41, 7, 23], inplace=True)
    moved = observable.apply_layout([41, 7, 23], 60)
    spread = moved + SparsePauliOp.from_sparse_list([("ZZ", [0, 41], 1.0), ("XZ", [1, 7], 1.0)], 60)
    single = SparsePauliOp("IIZ")
    found = EXACT.run([(wide, [[moved], [spread]], values)]).result()[0].data.evs
    extra = EXACT.run([(circuit, single, values)]).result()[0].data.evs
    assert np.abs(found - [expected, expected + extra]).max() < 1e-12
    for a, b in zip(EXACT.gradient(wide, moved, values), EXACT.gradient(circuit, observable, values), strict=True):
        assert np.abs(a - b).max() < 1e-12
    with pytest.raises(ValueError, match="observable must act on the circuit's 60 qubits, got 3"):
        EXACT.run([(wide, observable, values)])
