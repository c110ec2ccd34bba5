"""Own trajectories against density matrices and their NumPy twin; seeds; the sampler's use of them."""

from __future__ import annotations

import numpy as np
import pytest
from noise_twin import density_matrix
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot, NoisyEstimator, NoisySampler, kernels_trajectories
from qalgs.backends import noisy_trajectories as own
from qalgs.backends.noise import superop_transfer, unitary_transfer
from qalgs.backends.noise_program import lower

HADAMARD = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


def random_channel(rng: np.random.Generator, dim: int, count: int) -> np.ndarray:
    """Kraus operators (count, dim, dim) of a random channel: blocks of an isometry."""
    matrix = rng.normal(size=(count * dim, dim)) + 1j * rng.normal(size=(count * dim, dim))
    return np.linalg.qr(matrix)[0].reshape(count, dim, dim)


def transfer(operators: np.ndarray) -> np.ndarray:
    return superop_transfer(np.sum([np.kron(k.conj(), k) for k in operators], axis=0))


def embedded(matrix: np.ndarray, qubits: tuple[int, ...], n: int) -> np.ndarray:
    """A matrix on some qubits, the first being its lowest digit, as a matrix on all."""
    full = np.zeros((1 << n, 1 << n), dtype=complex)
    for column in range(1 << n):
        low = sum(((column >> q) & 1) << k for k, q in enumerate(qubits))
        rest = column & ~sum(1 << q for q in qubits)
        for row in range(len(matrix)):
            full[rest | sum(((row >> k) & 1) << q for k, q in enumerate(qubits)), column] += matrix[row, low]
    return full


@pytest.mark.parametrize(("dim", "count"), [(2, 1), (2, 3), (4, 1), (4, 7), (4, 16)])
def test_kraus_operators_make_up_the_channel(dim: int, count: int, rng: np.random.Generator) -> None:
    operators = random_channel(rng, dim, count)
    found = own.kraus_operators(transfer(operators))
    assert len(found) == min(count, dim * dim)
    assert np.abs(transfer(found) - transfer(operators)).max() < 1e-12
    assert np.abs(sum(k.conj().T @ k for k in found) - np.eye(dim)).max() < 1e-12
    sizes = [np.linalg.norm(k) for k in found]
    assert sizes == sorted(sizes, reverse=True)


def test_merged_channels_are_the_same_map(rng: np.random.Generator) -> None:
    n = 3
    steps, full = [], np.eye(4**n)
    for _ in range(14):
        qubits = tuple(int(q) for q in rng.choice(n, int(rng.integers(1, 3)), replace=False))
        operators = random_channel(rng, 2 ** len(qubits), 2)
        steps.append((qubits, transfer(operators)))
        full = transfer(np.array([embedded(k, qubits, n) for k in operators])) @ full
    merged = np.eye(4**n)
    channels = own.merge(iter(steps))
    for q, r, matrix in channels:
        qubits = (q,) if r < 0 else (q, r)
        operators = own.kraus_operators(matrix)
        merged = transfer(np.array([embedded(k, qubits, n) for k in operators])) @ merged
    assert np.abs(merged - full).max() < 1e-11
    assert len(channels) < 14


@pytest.mark.parametrize("n", [2, 3, 5])
def test_kernels_equal_their_twins(n: int, rng: np.random.Generator) -> None:
    state = rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n)
    for _ in range(6):
        q, r = (int(k) for k in rng.choice(n, 2, replace=False))
        u = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
        re, im = state.real.copy(), state.imag.copy()
        norm = kernels_trajectories.apply_two(re, im, q, r, u.ravel().view(np.float64), 0.5)
        expected = 0.5 * embedded(u, (q, r), n) @ state
        assert np.allclose(re + 1j * im, expected, atol=1e-13)
        assert np.isclose(norm, np.vdot(expected, expected).real)
        for qubits in ((q, r), (q,)):
            dim = 1 << len(qubits)
            rho = np.empty(32)
            partner = qubits[1] if len(qubits) == 2 else -1
            kernels_trajectories.reduced(state.real.copy(), state.imag.copy(), q, partner, rho)
            for k in range(dim):
                for m in range(dim):
                    unit = np.zeros((dim, dim), dtype=complex)
                    unit[m, k] = 1.0
                    found = complex(*rho[2 * (k * dim + m) : 2 * (k * dim + m) + 2])
                    assert np.isclose(found, np.vdot(state, embedded(unit, qubits, n) @ state))


def test_operators_are_drawn_with_their_probabilities(rng: np.random.Generator) -> None:
    """The averaged projectors of many shots are the density matrix, also for channels far from the identity."""
    n, shots = 2, 20_000
    steps: list[tuple[tuple[int, ...], np.ndarray]] = [((0,), unitary_transfer(HADAMARD))]
    rho = np.zeros((4, 4), dtype=complex)
    rho[0, 0] = 1.0
    h = embedded(HADAMARD, (0,), n)
    rho = h @ rho @ h.conj().T
    for qubits in ((0, 1), (1,), (1, 0)):
        operators = random_channel(rng, 2 ** len(qubits), 3)
        steps.append((qubits, transfer(operators)))
        rho = sum(embedded(k, qubits, n) @ rho @ embedded(k, qubits, n).conj().T for k in operators)

    class Fixed(own.TrajectoryProgram):
        def channels(self, values: np.ndarray) -> list[own.Channel]:
            return [(q[0], q[1] if len(q) == 2 else -1, t) for q, t in steps]

    arrays = Fixed([], [0, 1], []).arrays(np.zeros(0))
    out = np.empty(shots, dtype=np.int64)
    kernels_trajectories.sample_shots(n, *arrays, np.array([0, 1]), np.zeros((2, 2)), 77, 0, out)
    expected = shots * np.diag(rho).real
    found = np.bincount(out, minlength=4)
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected * (1 - expected / shots)) + 1)


THETA = Parameter("t")


def circuit(theta: Parameter = THETA) -> QuantumCircuit:
    made = QuantumCircuit(4)
    made.h(range(4))
    for q in range(3):
        made.rzz(2 * theta, q, q + 1)
    made.rx(theta**2, range(4))
    return made


@pytest.mark.parametrize("letters", [(3, 3, 3), (1, 2, 3), (2, 1, 1)])
def test_outcomes_follow_the_noisy_distribution(
    brisbane: DeviceSnapshot, letters: tuple[int, ...], rng: np.random.Generator
) -> None:
    layout, qubits, shots = [0, 1, 2, 3], (2, 0, 3), 30_000
    snapshot = brisbane.subset(layout)
    device = NoisyEstimator(brisbane, layout).device
    isa, _ = device.isa(circuit())
    plan = own.Trajectories(lower(isa, snapshot), (THETA,), device.flips)
    values = rng.normal(size=(2, 1))
    found = plan.counts(values, qubits, letters, shots, 5)
    turns = {1: HADAMARD, 2: np.array([[1, -1j], [1, 1j]]) / np.sqrt(2)}
    for row, point in zip(found, values, strict=True):
        rho = density_matrix(isa.assign_parameters(point), snapshot)
        for q, letter in zip(qubits, letters, strict=True):
            u = embedded(turns.get(letter, np.eye(2)), (q,), 4)
            rho = u @ rho @ u.conj().T
        chances = np.zeros(8)
        for index, p in enumerate(np.diag(rho).real):
            chances[sum(((index >> q) & 1) << k for k, q in enumerate(qubits))] += p
        confusion = np.eye(1)
        for up, down in device.flips[list(qubits)][::-1]:
            confusion = np.kron(confusion, [[1 - up, down], [up, 1 - down]])
        expected = shots * (confusion @ chances)
        assert np.all(np.abs(row - expected) < 5 * np.sqrt(expected) + 1)


def test_shots_have_streams_of_their_own(brisbane: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    device = NoisyEstimator(brisbane, [0, 1, 2, 3]).device
    isa, _ = device.isa(circuit())
    plan = own.Trajectories(lower(isa, device.snapshot), (THETA,), device.flips)
    values = np.array([[0.4], [0.4], [1.0]])
    first = plan.outcomes(values, (0, 1, 2, 3), (3,) * 4, 100, 9)
    averages = plan.expectations(values, [{((0, 3),): 1.0}, {((1, 1), (2, 1)): 0.5}], 100, 9)
    assert not np.array_equal(first[0], first[1])
    monkeypatch.setattr(own, "CHUNK", 7)
    assert np.array_equal(plan.outcomes(values, (0, 1, 2, 3), (3,) * 4, 100, 9), first)
    again = plan.expectations(values, [{((0, 3),): 1.0}, {((1, 1), (2, 1)): 0.5}], 100, 9)
    assert np.allclose(again[0], averages[0], atol=1e-15)
    assert np.array_equal(plan.outcomes(values, (0, 1, 2, 3), (3,) * 4, 40, 9), first[:, :40])
    assert not np.array_equal(plan.outcomes(values, (0, 1, 2, 3), (3,) * 4, 100, 10), first)


def test_the_sampler_uses_them_for_wide_circuits(
    brisbane: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qalgs.backends.noisy_sampler as noisy_sampler

    monkeypatch.delenv("QALGS_ENGINE", raising=False)
    made = efficient_su2(3, reps=1)
    made.measure_all()
    values = np.linspace(-1, 1, made.num_parameters)
    exact = NoisySampler(brisbane, [0, 1, 2]).probabilities(made, values)
    monkeypatch.setattr(noisy_sampler, "COMPILED_LIMIT", 2)
    shots = 20_000
    sampler = NoisySampler(brisbane, [0, 1, 2], seed=3)
    result = sampler.run([(made, values), (made, values, 50)], shots=shots).result()
    assert result[0].metadata["engine"] == "trajectories"
    counts = result[0].data.meas.get_int_counts()
    found = np.array([counts.get(k, 0) for k in range(8)])
    assert np.all(np.abs(found - shots * exact) < 5 * np.sqrt(shots * exact) + 1)
    same = (
        NoisySampler(brisbane, [0, 1, 2], seed=3).run([(made, values), (made, values, 50)], shots=shots).result()
    )
    for a, b in zip(result, same, strict=True):
        assert np.array_equal(a.data.meas.array, b.data.meas.array)
    other = result[1].data.meas.get_bitstrings()
    assert other != result[0].data.meas.get_bitstrings()[:50]


def test_few_shots_of_wide_circuits_are_trajectories(
    brisbane: DeviceSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qalgs.backends.noisy_sampler as noisy_sampler

    monkeypatch.delenv("QALGS_ENGINE", raising=False)
    monkeypatch.setattr(noisy_sampler, "SHOTS_FROM", 2)
    monkeypatch.setattr(noisy_sampler, "FEW_SHOTS", 100)
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    for engine, names in (("auto", ["trajectories", "compiled"]), ("compiled", ["compiled"] * 2)):
        sampler = NoisySampler(brisbane, [0, 1], engine=engine, seed=3)
        result = sampler.run([(bell, None, 100), (bell, None, 101)]).result()
        assert [r.metadata["engine"] for r in result] == names
        assert [r.data.meas.num_shots for r in result] == [100, 101]
