"""The noisy estimator against Aer on the full device, a NumPy twin, and the statistics of shots."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from noise_twin import density_matrix, measured
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot, NoisyEstimator, load_backend
from qalgs.backends.noise import readout_flips
from qalgs.errors import InvalidInputError


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@pytest.fixture(scope="module")
def torino() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_torino")


def random_observable(n: int, terms: int, rng: np.random.Generator) -> SparsePauliOp:
    labels = ["".join(rng.choice(list("IXYZ"), n)) for _ in range(terms)]
    return SparsePauliOp(labels, rng.normal(size=terms))


def value(estimator: NoisyEstimator, *pub: object, **options: object) -> float:
    return float(estimator.run([pub], **options).result()[0].data.evs)  # type: ignore[arg-type]


# Heavy-hex ECR, heavy-hex CZ with T2 > T1, CX, older u-gates, mixed couplers, square lattice.
FULL = {
    "fake_peekskill": [0, 1, 4, 7, 10],
    "fake_prague": [7, 4, 1, 0],
    "fake_guadalupe": [0, 1, 4, 7],
    "fake_almaden": [0, 1, 2],
    "fake_cairo": [4, 1, 2, 3],
    "fake_nighthawk": [0, 1, 2, 12],
}


@pytest.mark.parametrize(
    ("name", "engine"), [*((name, "compiled") for name in FULL), ("fake_peekskill", "aer"), ("fake_prague", "aer")]
)
def test_states_equal_aer_on_the_full_device(
    name: str, engine: str, rng: np.random.Generator, full_device: Callable[[str], Any]
) -> None:
    layout = FULL[name]
    snapshot = DeviceSnapshot.from_backend(name)
    estimator = NoisyEstimator(snapshot, layout, engine=engine)
    circuit = efficient_su2(len(layout), reps=2, entanglement="circular")
    values = rng.normal(size=circuit.num_parameters)
    isa = estimator.isa(circuit)
    bound = isa.assign_parameters(dict(zip(circuit.parameters, values, strict=True)))
    large = QuantumCircuit(snapshot.num_qubits)
    large.compose(bound, layout, inplace=True)
    large.save_density_matrix(layout)
    simulator = full_device(name)
    expected = np.asarray(simulator.run(large, shots=1).result().data(0)["density_matrix"])
    found = estimator.state(circuit, values).data
    assert np.max(np.abs(found - expected)) < 1e-12


@pytest.fixture(scope="module")
def full_device() -> Callable[[str], Any]:
    """Aer simulators of whole devices, built once."""
    from qiskit_aer import AerSimulator

    built: dict[str, AerSimulator] = {}

    def get(name: str) -> AerSimulator:
        if name not in built:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built[name] = AerSimulator.from_backend(
                    load_backend(name), method="density_matrix", max_parallel_threads=1
                )
        return built[name]

    return get


GATES = {
    "fake_peekskill": ["sx", "x", "id", "rz", "delay", "ecr"],
    "fake_prague": ["sx", "x", "id", "rz", "delay", "cz"],
    "fake_almaden": ["u1", "u2", "u3", "id", "cx"],
    "fake_fractional": ["sx", "x", "rz", "rx", "rzz", "delay", "cx"],
}


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("seed", range(6))
def test_random_isa_circuits_equal_aer(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    snapshot = DeviceSnapshot.from_backend(name)
    layout = [0, 1, 2, 3] if name in ("fake_almaden", "fake_fractional") else [0, 1, 4, 7]
    layout = layout[: int(rng.integers(1, 5))]
    compact = snapshot.subset(layout)
    circuit = QuantumCircuit(len(layout))
    for _ in range(25):
        gate = str(rng.choice(GATES[name]))
        where = [q for n, q in compact.gate_errors if n == gate and not compact.is_dead(n, q)]
        if not where:
            continue
        qubits = list(where[int(rng.integers(len(where)))])
        angles = rng.uniform(-4, 4, {"u2": 2, "u3": 3, "rz": 1, "rx": 1, "rzz": 1, "u1": 1}.get(gate, 0))
        if gate == "delay":
            circuit.delay(float(rng.integers(100, 3000)), qubits[0], unit="ns")
        elif gate == "rzz":
            circuit.rzz(abs(float(angles[0])) % 1.5, *qubits)
        elif gate in ("u1", "u2", "u3"):
            from qiskit.circuit.library import U1Gate, U2Gate, U3Gate

            circuit.append({"u1": U1Gate, "u2": U2Gate, "u3": U3Gate}[gate](*angles), qubits)
        else:
            getattr(circuit, gate)(*angles, *qubits)
    states = [NoisyEstimator(snapshot, layout, engine=e).state(circuit).data for e in ("compiled", "aer")]
    assert np.max(np.abs(states[0] - states[1])) < 1e-12


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_state_and_energy_equal_the_twin(torino: DeviceSnapshot, engine: str, rng: np.random.Generator) -> None:
    layout = [0, 1, 2]
    estimator = NoisyEstimator(torino, layout, engine=engine)
    circuit = efficient_su2(3, reps=1)
    values = rng.normal(size=circuit.num_parameters)
    isa = estimator.isa(circuit)
    rho = density_matrix(
        isa.assign_parameters(dict(zip(circuit.parameters, values, strict=True))), torino.subset(layout)
    )
    # Aer drops Kraus terms of negligible weight, hence not 1e-12.
    assert np.max(np.abs(estimator.state(circuit, values).data - rho)) < 1e-7
    observable = random_observable(3, 10, rng)
    expected = measured(rho, observable, readout_flips(torino.subset(layout)))
    assert value(estimator, circuit, observable, values) == pytest.approx(expected, abs=1e-7)


def test_unphysical_t2_is_cut_as_aer_does_and_said(torino: DeviceSnapshot, rng: np.random.Generator) -> None:
    said = next(p for p in torino.problems if p.kind == "t2_above_2t1")
    assert "T2 is cut to 2 T1" in str(said)
    (bad,) = said.qubits
    edge = next(e for e in torino.coupling if bad in e)
    t1, t2 = torino.t1[bad], torino.t2[bad]
    assert t1 is not None
    assert t2 is not None
    assert t2 > 2 * t1
    circuit = efficient_su2(2, reps=2)
    circuit.delay(5e-6, 0, unit="s")
    circuit.delay(5e-6, 1, unit="s")
    values = rng.normal(size=circuit.num_parameters)
    states = [NoisyEstimator(torino, edge, engine=e).state(circuit, values).data for e in ("compiled", "aer")]
    assert np.max(np.abs(states[0] - states[1])) < 1e-12
    data = torino.to_dict()
    data["t2"][bad] = 2 * t1
    cut = NoisyEstimator(DeviceSnapshot.from_dict(data), edge).state(circuit, values).data
    assert np.max(np.abs(cut - states[0])) < 1e-12


def test_asymmetric_readout_equals_the_twin(rng: np.random.Generator) -> None:
    data = DeviceSnapshot.from_backend("fake_manila").to_dict()
    data["readout_flips"] = [[0.02, 0.2], [0.3, 0.1], [0.0, 0.15], None, None]
    snapshot = DeviceSnapshot.from_dict(data)
    circuit = efficient_su2(4, reps=1)
    values = rng.normal(size=circuit.num_parameters)
    observable = random_observable(4, 12, rng)
    estimator = NoisyEstimator(snapshot, [0, 1, 2, 3])
    isa = estimator.isa(circuit)
    rho = density_matrix(
        isa.assign_parameters(dict(zip(circuit.parameters, values, strict=True))), estimator.device.snapshot
    )
    expected = measured(rho, observable, estimator.device.flips)
    # The twin keeps what Aer drops from every error of its models: terms of a probability below 1e-8.
    assert value(estimator, circuit, observable, values) == pytest.approx(expected, abs=1e-8)
    assert value(estimator, circuit, observable, values) == pytest.approx(
        value(NoisyEstimator(snapshot, [0, 1, 2, 3], engine="aer"), circuit, observable, values), abs=1e-13
    )
    mean = estimator.run([(circuit, observable, values)], shots=200_000, seed=1).result()[0].data
    assert abs(float(mean.evs) - expected) < 5 * float(mean.stds)


def test_observables_follow_routing(brisbane: DeviceSnapshot, rng: np.random.Generator) -> None:
    """Without errors, a circuit that needs swaps gives what the ideal circuit gives."""
    quiet = brisbane.inflate(dict.fromkeys(("ecr", "sx", "x", "id"), 0.0)).to_dict()
    quiet["t1"] = quiet["t2"] = [None] * 127
    quiet["readout_error"] = [None] * 127
    estimator = NoisyEstimator(DeviceSnapshot.from_dict(quiet), [0, 1, 2, 3, 4])
    circuit = QuantumCircuit(5)
    angles = rng.uniform(0, 6, size=10)
    for k, (a, b) in enumerate([(0, 4), (1, 3), (4, 2), (3, 0), (2, 1)]):
        circuit.ry(angles[2 * k], a)
        circuit.cx(a, b)
        circuit.rz(angles[2 * k + 1], b)
        circuit.rx(0.3, b)
    observable = random_observable(5, 30, rng)
    from qiskit.quantum_info import Statevector

    expected = float(Statevector(circuit).expectation_value(observable).real)
    assert value(estimator, circuit, observable) == pytest.approx(expected, abs=1e-10)
    assert estimator.isa(circuit).count_ops()["ecr"] > 5


def test_isa_circuits_are_used_as_they_are(brisbane: DeviceSnapshot) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1])
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.ecr(1, 0)
    circuit.rz(Parameter("t"), 1)
    assert estimator.isa(circuit) is circuit
    wrong = QuantumCircuit(2)
    wrong.ecr(0, 1)
    assert estimator.isa(wrong) is not wrong


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_a_layout_may_be_larger_than_the_circuit(
    brisbane: DeviceSnapshot, engine: str, rng: np.random.Generator
) -> None:
    circuit = efficient_su2(2, reps=1)
    values = rng.normal(size=(70, circuit.num_parameters))
    observable = random_observable(2, 5, rng)
    small, large = (NoisyEstimator(brisbane, [0, 1, 2, 3][:n], engine=engine) for n in (2, 4))
    evs = [e.run([(circuit, observable, values)]).result()[0].data.evs for e in (small, large)]
    assert np.max(np.abs(evs[0] - evs[1])) < 1e-12


def test_broken_calibration_is_one_clear_line() -> None:
    data = DeviceSnapshot.from_backend("fake_manila").to_dict()
    data["t1"][1] = -1.0
    snapshot = DeviceSnapshot.from_dict(data)
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    for engine in ("compiled", "aer"):
        with pytest.raises(
            InvalidInputError, match=r"calibration of fake_manila cannot be simulated: .*T_1"
        ) as caught:
            NoisyEstimator(snapshot, [0, 1], engine=engine).run([(circuit, "ZZ")])
        assert "\n" not in str(caught.value)


def test_broadcasting_equals_single_evaluations(brisbane: DeviceSnapshot, rng: np.random.Generator) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1, 2])
    circuit = efficient_su2(3, reps=1)
    points = rng.normal(size=(3, 1, circuit.num_parameters))
    observables = [SparsePauliOp("ZZI"), SparsePauliOp("XXX"), SparsePauliOp("IYI"), SparsePauliOp("III", 2.0)]
    found = estimator.run([(circuit, observables, points)]).result()[0].data.evs
    assert found.shape == (3, 4)
    for i in range(3):
        for j, observable in enumerate(observables):
            assert found[i, j] == pytest.approx(value(estimator, circuit, observable, points[i, 0]), abs=1e-13)
    projector = estimator.run([(circuit, {"0I1": 0.5}, points[0, 0])]).result()[0].data.evs
    pauli = SparsePauliOp(["III", "ZII", "IIZ", "ZIZ"], np.array([1, 1, -1, -1]) / 8)
    assert float(projector) == pytest.approx(value(estimator, circuit, pauli, points[0, 0]), abs=1e-13)


def angle_circuit() -> tuple[QuantumCircuit, ParameterVector]:
    """Shared, repeated, affine and nonlinear parameters, on a device with rzz and rx."""
    t = ParameterVector("t", 4)
    circuit = QuantumCircuit(3)
    circuit.rx(t[0], 0)
    circuit.rx(2 * t[0] - t[1] + 0.3, 1)
    circuit.rzz(t[2] / 3 + 0.1, 0, 1)
    circuit.cx(1, 2)
    circuit.rx(t[1] * t[2], 2)
    circuit.rz(t[3].sin() + t[0], 1)
    circuit.rzz(t[3] ** 2, 1, 2)
    circuit.sx(0)
    circuit.rx(t[0], 0)
    return circuit, t


@pytest.mark.parametrize("engine", ["compiled", "aer"])
def test_gradients_equal_central_differences(engine: str, rng: np.random.Generator) -> None:
    snapshot = DeviceSnapshot.from_backend("fake_fractional")
    estimator = NoisyEstimator(snapshot, [0, 1, 2], engine=engine)
    circuit, _ = angle_circuit()
    assert estimator.isa(circuit) is circuit
    observable = random_observable(3, 8, rng)
    point = rng.uniform(0.2, 0.9, size=4)
    methods = ["shift", "adjoint"] if engine == "compiled" else ["auto"]
    step = 1e-5
    moved = np.concatenate([point + step * np.eye(4), point - step * np.eye(4)])
    evs = estimator.run([(circuit, observable, moved)]).result()[0].data.evs
    central = (evs[:4] - evs[4:]) / (2 * step)
    for method in methods:
        found, slope = estimator.gradient(circuit, observable, point, method=method)
        assert float(found) == pytest.approx(value(estimator, circuit, observable, point), abs=1e-13)
        assert np.max(np.abs(slope - central)) < 1e-8


def test_sweep_equals_shift_in_a_batch(torino: DeviceSnapshot, rng: np.random.Generator) -> None:
    estimator = NoisyEstimator(torino, [0, 1, 2, 3], engine="compiled")
    circuit = efficient_su2(4, reps=2, entanglement="circular")
    points = rng.normal(size=(3, circuit.num_parameters))
    observable = random_observable(4, 15, rng)
    sweep = estimator.gradient(circuit, observable, points, method="adjoint")
    shift = estimator.gradient(circuit, observable, points, method="shift")
    assert sweep[1].shape == points.shape
    for a, b in zip(sweep, shift, strict=True):
        assert np.max(np.abs(a - b)) < 1e-11


def test_sampled_gradient_is_unbiased(brisbane: DeviceSnapshot, rng: np.random.Generator) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1])
    circuit = efficient_su2(2, reps=1)
    point = rng.normal(size=circuit.num_parameters)
    observable = SparsePauliOp(["ZZ", "XI"], [1.0, 0.5])
    exact = estimator.gradient(circuit, observable, point)[1]
    sampled = estimator.gradient(circuit, observable, np.tile(point, (400, 1)), shots=100, seed=3)[1]
    error = sampled.std(axis=0, ddof=1) / 20
    assert np.all(np.abs(sampled.mean(axis=0) - exact) < 5 * error)
    assert np.all(error > 0)


def test_inflation_is_the_inflated_device(brisbane: DeviceSnapshot, rng: np.random.Generator) -> None:
    circuit = efficient_su2(3, reps=1)
    values = rng.normal(size=circuit.num_parameters)
    observable = random_observable(3, 6, rng)
    factors: dict[str | int | tuple[Any, ...], float] = {(1, 2): 3.0, ("sx", (0,)): 10.0}
    inflated = NoisyEstimator(brisbane, [0, 1, 2], inflation=factors)
    louder = NoisyEstimator(brisbane.inflate(factors), [0, 1, 2], engine="aer")
    plain = NoisyEstimator(brisbane, [0, 1, 2])
    found = value(inflated, circuit, observable, values)
    assert found == pytest.approx(value(louder, circuit, observable, values), abs=1e-12)
    assert abs(found - value(plain, circuit, observable, values)) > 1e-4


def test_wide_circuits_are_reduced_to_light_cones(torino: DeviceSnapshot) -> None:
    """Fourteen qubits as a density matrix would need 2 GiB; the cones of a shallow chain need six qubits."""
    path = [0]
    couplers = set(torino.coupling)
    while len(path) < 14:
        path.append(
            next(q for q in range(133) if q not in path and (min(q, path[-1]), max(q, path[-1])) in couplers)
        )
    wide = NoisyEstimator(torino, path, engine="compiled")
    observable = SparsePauliOp.from_sparse_list([("ZZ", [q, q + 1], 1.0) for q in range(13)], 14)
    result = wide.run([(brick(14), observable, [0.7, 0.4])]).result()[0]
    assert result.metadata["engine"] == "compiled"
    # The cone of the bond 6-7 reaches qubits 4 to 9, where the circuit is the same brick pattern.
    single = SparsePauliOp.from_sparse_list([("ZZ", [6, 7], 1.0)], 14)
    small = NoisyEstimator(torino, path[4:10], engine="aer")
    expected = value(small, brick(6), SparsePauliOp.from_sparse_list([("ZZ", [2, 3], 1.0)], 6), [0.7, 0.4])
    assert value(wide, brick(14), single, [0.7, 0.4]) == pytest.approx(expected, abs=1e-7)


def test_bases_with_wide_cones_are_measured_in_parts(torino: DeviceSnapshot) -> None:
    import qalgs.backends.noisy as noisy

    observable = SparsePauliOp.from_sparse_list([("ZZ", [q, q + 1], 1.0) for q in range(7)], 8)
    path = [0, 1, 2, 3, 4, 5, 6, 7]
    pub = (brick(8), observable, np.tile([0.7, 0.4], (300, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noisy, "COMPILED_MOST", 6)
        estimator = NoisyEstimator(torino, path, engine="compiled", seed=2)
        exact = float(estimator.run([(brick(8), observable, [0.7, 0.4])]).result()[0].data.evs)
        sampled = estimator.run([pub], shots=40).result()[0]
    assert sampled.metadata["engine"] == "compiled"
    assert sampled.metadata["bases"] > 1
    data = sampled.data
    error = data.evs.std(ddof=1) / np.sqrt(300)
    assert abs(data.evs.mean() - exact) < 5 * error
    assert data.evs.var(ddof=1) == pytest.approx(np.mean(data.stds**2), rel=5 * np.sqrt(2.5 / 300))


def test_too_wide_cones_are_refused_or_left_to_trajectories(torino: DeviceSnapshot) -> None:
    import qalgs.backends.noisy as noisy

    circuit = efficient_su2(3, reps=1)
    values = np.zeros(circuit.num_parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("QALGS_ENGINE", raising=False)
        patch.setattr(noisy, "COMPILED_MOST", 2)
        patch.setattr(noisy, "COMPILED_LIMIT", 2)
        with pytest.raises(InvalidInputError, match=r"at most 2 qubits .* got .* of 3 qubits"):
            NoisyEstimator(torino, [0, 1, 2], engine="compiled").run([(circuit, "ZZZ", values)])
        with pytest.raises(InvalidInputError, match=r"at most 2 qubits with engine='compiled'"):
            NoisyEstimator(torino, [0, 1, 2], engine="compiled").run([(circuit, "ZZZ", values)], shots=10)
        auto = NoisyEstimator(torino, [0, 1, 2], trajectories=20, seed=1)
        assert auto.run([(circuit, "ZZZ", values)]).result()[0].metadata["engine"] == "trajectories"
        assert auto.run([(circuit, "ZZZ", values)], shots=9).result()[0].metadata["engine"] == "trajectories"


def brick(n: int) -> QuantumCircuit:
    """Rotations, two layers of bonds, rotations."""
    theta = ParameterVector("t", 2)
    circuit = QuantumCircuit(n)
    for q in range(n):
        circuit.ry(theta[0], q)
    for start in (0, 1):
        for q in range(start, n - 1, 2):
            circuit.cz(q, q + 1)
    for q in range(n):
        circuit.rx(theta[1], q)
    return circuit


@pytest.mark.parametrize(("engine", "name"), [("auto", "trajectories"), ("aer", "aer trajectories")])
def test_trajectories_agree_with_the_density_matrix(
    brisbane: DeviceSnapshot, rng: np.random.Generator, engine: str, name: str
) -> None:
    import qalgs.backends.noisy as noisy

    circuit = efficient_su2(2, reps=1)
    values = rng.normal(size=circuit.num_parameters)
    observable = random_observable(2, 5, rng)
    exact = value(NoisyEstimator(brisbane, [0, 1]), circuit, observable, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("QALGS_ENGINE", raising=False)
        patch.setattr(noisy, "COMPILED_LIMIT", 1)
        patch.setattr(noisy, "AER_DENSITY_LIMIT", 1)
        estimator = NoisyEstimator(brisbane, [0, 1], engine=engine, seed=5, trajectories=4000)
        result = estimator.run([(circuit, observable, values)]).result()[0]
        assert result.metadata["engine"] == name
        assert 0 < float(result.data.stds) < 0.1
        assert abs(float(result.data.evs) - exact) < 5 * float(result.data.stds)
        for readout in (True, False):
            sampled = NoisyEstimator(brisbane, [0, 1], engine=engine, seed=5, readout=readout)
            plain = NoisyEstimator(brisbane, [0, 1], engine="compiled", readout=readout)
            shots = sampled.run([(circuit, observable, values)], shots=4000).result()[0].data
            expected = value(plain, circuit, observable, values)
            assert abs(float(shots.evs) - expected) < 5 * float(shots.stds)


def test_shot_noise_has_the_right_mean_and_variance(brisbane: DeviceSnapshot, rng: np.random.Generator) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1, 2], seed=11)
    circuit = efficient_su2(3, reps=1)
    values = rng.normal(size=circuit.num_parameters)
    observable = SparsePauliOp(["ZZI", "IZZ", "XXI", "III"], [1.0, -0.5, 0.7, 3.0])
    shots, runs = 50, 2000
    exact = value(estimator, circuit, observable, values)
    data = estimator.run([(circuit, observable, np.tile(values, (runs, 1)))], shots=shots).result()[0].data
    # Two bases: ZZI and IZZ together, XXI alone. Variances follow from exact expectations of squares.
    zz = value(estimator, circuit, SparsePauliOp(["ZZI", "IZZ"], [1.0, -0.5]), values)
    square = value(estimator, circuit, SparsePauliOp(["III", "ZIZ"], [1.25, -1.0]), values)
    xx = value(estimator, circuit, SparsePauliOp("XXI"), values)
    variance = (square - zz**2 + 0.49 * (1 - xx**2)) / shots
    assert abs(np.mean(data.evs) - exact) < 5 * np.sqrt(variance / runs)
    spread = np.var(data.evs, ddof=1)
    assert abs(spread - variance) < 5 * variance * np.sqrt(2.5 / runs)
    assert abs(np.mean(data.stds**2) - variance) < 5 * variance * np.sqrt(2.5 / runs)


def test_calls_and_pubs_never_share_noise(brisbane: DeviceSnapshot) -> None:
    circuit = efficient_su2(2, reps=1)
    pub = (circuit, SparsePauliOp("ZX"), np.ones(circuit.num_parameters))
    estimator = NoisyEstimator(brisbane, [0, 1], seed=1)

    def draw(source: NoisyEstimator, **options: object) -> list[float]:
        result = source.run([pub] * 3, shots=10_000_000, **options).result()  # type: ignore[arg-type]
        return [float(r.data.evs) for r in result]

    first, second = draw(estimator), draw(estimator)
    assert len({*first, *second}) == 6
    again = NoisyEstimator(brisbane, [0, 1], seed=1)
    assert draw(again) == first
    assert draw(again) == second
    assert draw(again, seed=9) == draw(estimator, seed=9)
    assert draw(again) == draw(estimator)
    copy = pickle.loads(pickle.dumps(estimator))
    assert draw(copy) == draw(estimator)


def test_precision_sets_the_shots(brisbane: DeviceSnapshot) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1], seed=1, default_shots=77)
    circuit = QuantumCircuit(2)
    metas = [
        estimator.run([(circuit, "ZZ")]).result()[0].metadata["shots"],
        estimator.run([(circuit, "ZZ", None, 0.1)], precision=0.5).result()[0].metadata["shots"],
        estimator.run([(circuit, "ZZ")], precision=0.5).result()[0].metadata["shots"],
        estimator.run([(circuit, "ZZ")], precision=0.0).result()[0].metadata["shots"],
    ]
    assert metas == [77, 100, 4, None]


def test_a_changed_circuit_is_compiled_again(brisbane: DeviceSnapshot) -> None:
    estimator = NoisyEstimator(brisbane, [0, 1])
    circuit = QuantumCircuit(2)
    assert value(estimator, circuit, "IZ") > 0.9
    circuit.x(0)
    assert value(estimator, circuit, "IZ") < -0.9


def test_gates_that_hide_their_content_are_told_apart(brisbane: DeviceSnapshot) -> None:
    from qiskit.circuit.library import PauliEvolutionGate

    estimator = NoisyEstimator(brisbane, [0, 1])
    found = []
    for label in ("XI", "IX", "XI"):
        circuit = QuantumCircuit(2)
        circuit.append(PauliEvolutionGate(SparsePauliOp(label), np.pi / 2), [0, 1])
        found.append([value(estimator, circuit, o) for o in ("IZ", "ZI")])
    assert found[0] == found[2]
    assert found[0][0] > 0.8 > -0.8 > found[0][1]
    assert found[1][1] > 0.8 > -0.8 > found[1][0]


@pytest.mark.parametrize(
    ("name", "layout", "text"),
    [
        ("fake_kyoto", [0, 1], "fake_kyoto has a broken calibration: all its couplers are dead"),
        ("fake_brisbane", [24, 25], "dead couplers"),
        ("fake_brisbane", [0, 3], "must be connected on fake_brisbane"),
        ("fake_brisbane", [0, 1, 1], "must not repeat"),
        ("fake_brisbane", [0, 127], "between 0 and 126, got 127"),
        ("fake_brisbane", [], "at least one qubit"),
    ],
)
def test_bad_layouts_are_refused(name: str, layout: list[int], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as caught:
        NoisyEstimator(DeviceSnapshot.from_backend(name), layout)
    assert "\n" not in str(caught.value)


def bad_circuits() -> list[tuple[QuantumCircuit, str, object, str]]:
    t = Parameter("t")
    plain, measure, reset, wide, bound = (QuantumCircuit(2) for _ in range(5))
    wide = QuantumCircuit(4)
    measure = QuantumCircuit(2, 2)
    measure.measure(1, 1)
    reset.reset(0)
    bound.rx(t, 0)
    branch = QuantumCircuit(2, 1)
    with branch.if_test((0, 1)):
        branch.x(0)
    return [
        (measure, "ZZ", None, r"instruction 'measure' on qubits \[1\] must not be in an estimator circuit"),
        (reset, "ZZ", None, r"instruction 'reset' on qubits \[0\]"),
        (branch, "ZZ", None, "instruction 'if_else'"),
        (wide, "ZZZZ", None, r"circuit must fit the layout of 3 qubits, got '4 qubits'"),
        (plain, "ZZZ", None, "number of qubits"),
        (bound, "ZZ", None, "number of values"),
        (bound, "ZZ", [float("nan")], "value of parameter 't' must be finite, got nan"),
    ]


@pytest.mark.parametrize(("circuit", "observable", "values", "text"), bad_circuits())
def test_bad_circuits_are_named(
    brisbane: DeviceSnapshot, circuit: QuantumCircuit, observable: str, values: object, text: str
) -> None:
    with pytest.raises(InvalidInputError, match=text) as caught:
        NoisyEstimator(brisbane, [0, 1, 2]).run([(circuit, observable, values)])
    assert "\n" not in str(caught.value)


def test_unknown_gates_are_named(brisbane: DeviceSnapshot) -> None:
    from qiskit.circuit import Gate

    circuit = QuantumCircuit(2)
    circuit.append(Gate("riddle", 2, []), [0, 1])
    with pytest.raises(InvalidInputError, match=r"transpiled to qubits \[0, 1\] of fake_brisbane: .*riddle"):
        NoisyEstimator(brisbane, [0, 1]).run([(circuit, "ZZ")])


def test_other_bad_arguments(brisbane: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(2)
    estimator = NoisyEstimator(brisbane, [0, 1])
    with pytest.raises(InvalidInputError, match="must be one of auto, compiled, aer, got 'gpu'"):
        NoisyEstimator(brisbane, [0, 1], engine="gpu")
    with pytest.raises(TypeError, match="must be a DeviceSnapshot, got str"):
        NoisyEstimator("fake_brisbane", [0, 1])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="shots must be a positive int, got 0"):
        estimator.run([(circuit, "ZZ")], shots=0)
    with pytest.raises(InvalidInputError, match="precision must be a finite non-negative number, got -1"):
        estimator.run([(circuit, "ZZ")], precision=-1)
    with pytest.raises(InvalidInputError, match="precision must be a finite non-negative number, got -2"):
        estimator.run([(circuit, SparsePauliOp("ZZ"), [], -2)])
    with pytest.raises(ValueError, match=r"Hermitian|complex|imaginary"):
        estimator.run([(circuit, SparsePauliOp("ZZ", 1j))])
    dead = DeviceSnapshot.from_backend("fake_brussels")
    bad = next(p for p in dead.problems if p.kind == "dead_gate" and p.operation == "sx").qubits[0]
    edge = next((e for e in dead.coupling if bad in e), None)
    layout = [bad] if edge is None else list(edge)
    rotated = QuantumCircuit(len(layout))
    rotated.sx(layout.index(bad))
    with pytest.raises(InvalidInputError, match=rf"instruction 'sx' on qubits {bad} of fake_brussels is dead"):
        NoisyEstimator(dead, layout).run([(rotated, "Z" * len(layout))])
