"""Merged circuits give every job what it would have got alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import StatevectorEstimator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Operator, SparsePauliOp

from qalgs.errors import InvalidInputError
from qalgs.nest.merge import Placed, merge, place, placed_from_isa
from qalgs.nest.sampling import AerSampling, Sampling

LINE = [(i, i + 1) for i in range(8)] + [(i + 1, i) for i in range(8)]


@cache
def device() -> Any:
    return GenericBackendV2(9, basis_gates=["cx", "rz", "sx", "x"], coupling_map=LINE, seed=4)


@cache
def noisy_aer() -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator.from_backend(device())


PAIR = (efficient_su2(2, reps=1), SparsePauliOp(["ZZ", "XI", "IY", "II"], [1.0, 0.5, 0.3, -1.0]))
# All-to-all entanglement on a line: cannot be placed without SWAPs.
ROUTED = (
    efficient_su2(4, reps=1, entanglement="full"),
    SparsePauliOp(["ZZII", "IXXI", "YIYZ", "ZIZI", "IIIX"], [1.0, -0.5, 0.3, 0.2, 0.7]),
)


def jobs(routed: bool) -> list[Placed]:
    second = ROUTED if routed else (efficient_su2(4, reps=1), ROUTED[1])
    return [
        place("pair", *PAIR, (1, 0), device().target),
        place("four", *second, (4, 3, 5, 6) if routed else (3, 4, 5, 6), device().target),
    ]


def points(rng: np.random.Generator, placed: list[Placed], counts: tuple[int, ...]) -> list[Any]:
    return [rng.uniform(-3, 3, (m, job.num_parameters)) for m, job in zip(counts, placed, strict=True)]


@pytest.mark.parametrize("routed", [False, True])
def test_without_noise_merged_is_the_exact_expectation(rng: np.random.Generator, routed: bool) -> None:
    from qiskit_aer import AerSimulator

    placed = jobs(routed)
    xs = points(rng, placed, (2, 1))
    merged = merge(placed, xs, device().target)
    found = merged.combine(AerSampling(AerSimulator()).probabilities(merged))
    circuits = [PAIR, ROUTED if routed else (efficient_su2(4, reps=1), ROUTED[1])]
    for job, (circuit, observable), x in zip(placed, circuits, xs, strict=True):
        expected = StatevectorEstimator().run([(circuit, observable, x)]).result()[0].data.evs
        np.testing.assert_allclose(found[job.name], expected, atol=1e-10)


@pytest.mark.parametrize("routed", [False, True])
def test_with_noise_merged_equals_separate_exactly(rng: np.random.Generator, routed: bool) -> None:
    placed = jobs(routed)
    assert any(i.operation.num_qubits == 2 for i in placed[1].circuit.data)
    xs = points(rng, placed, (1, 2))
    way = AerSampling(noisy_aer())
    together = merge(placed, xs, device().target)
    found = together.combine(way.probabilities(together))
    for job, x in zip(placed, xs, strict=True):
        alone = merge([job], [x], device().target)
        np.testing.assert_allclose(found[job.name], alone.combine(way.probabilities(alone))[job.name], atol=1e-12)


def test_portions_of_a_merged_circuit_are_equivalent_to_the_whole(rng: np.random.Generator) -> None:
    placed = jobs(routed=True)
    merged = merge(placed, points(rng, placed, (2, 1)), device().target)
    whole, parted = (AerSampling(noisy_aer(), together=most) for most in (10, 4))
    assert [len(merged.portions(pub, 4)) for pub in merged.pubs] == [len(pub.parts) for pub in merged.pubs]
    expected = merged.combine(whole.probabilities(merged))
    found = merged.combine(parted.probabilities(merged))
    sampled = merged.split(parted.send(merged, 4000, list(range(1, 1 + len(merged.pubs))), "").result())
    for job in placed:
        np.testing.assert_allclose(found[job.name], expected[job.name], atol=1e-12)
        value, std = sampled[job.name]
        assert np.all(np.abs(value - expected[job.name]) < 5 * std)


def test_readout_errors_are_in_the_exact_value(rng: np.random.Generator) -> None:
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, ReadoutError

    noise = NoiseModel()
    flip = [0.03, 0.1]
    noise.add_readout_error(ReadoutError([[1 - flip[0], flip[0]], [flip[1], 1 - flip[1]]]), [3])
    circuit = QuantumCircuit(1)
    from qiskit.circuit import Parameter

    circuit.rx(Parameter("t"), 0)
    job = place("one", circuit, SparsePauliOp(["Z"]), (3,), device().target)
    merged = merge([job], [np.array([[0.0], [np.pi]])], device().target)
    found = merged.combine(AerSampling(AerSimulator(noise_model=noise)).probabilities(merged))["one"]
    np.testing.assert_allclose(found, [1 - 2 * flip[0], -1 + 2 * flip[1]], atol=1e-12)


@pytest.mark.parametrize("routed", [False, True])
def test_shots_agree_with_separate_within_five_sigma(rng: np.random.Generator, routed: bool) -> None:
    placed = jobs(routed)
    xs = points(rng, placed, (1, 1))
    exact_way, way, shots = AerSampling(noisy_aer()), Sampling(noisy_aer()), 4000

    def run(step: Any) -> Any:
        seeds = [int(s) for s in rng.integers(1, 2**31 - 1, len(step.pubs))]
        return step.split(way.send(step, shots, seeds, "").result())

    together = merge(placed, xs, device().target)
    merged = run(together)
    exact = together.combine(exact_way.probabilities(together))
    for job, x in zip(placed, xs, strict=True):
        alone = run(merge([job], [x], device().target))[job.name]
        value, std = merged[job.name]
        assert std[0] > 0
        assert abs(value[0] - alone[0][0]) < 5 * np.hypot(std[0], alone[1][0])
        assert abs(value[0] - exact[job.name][0]) < 5 * std[0]


def test_as_many_circuits_as_the_longest_job_and_no_job_is_measured_again() -> None:
    placed = jobs(routed=False)
    few, many = (len(job.bases) for job in placed)
    assert few < many
    merged = merge(placed, [np.zeros((1, job.num_parameters)) for job in placed], device().target)
    assert merged.num_rounds == many == len(merged.circuits)
    for r, circuit in enumerate(merged.circuits):
        registers = [register.name for register in circuit.cregs]
        assert registers == (["j0", "j1"] if r < few else ["j1"])
        used = {circuit.find_bit(q).index for i in circuit.data for q in i.qubits}
        assert used <= {0, 1, 3, 4, 5, 6}
        assert (0 in used) == (r < few)


def test_bases_cover_the_observable(rng: np.random.Generator) -> None:
    job = jobs(routed=True)[1]
    n = len(job.layout)
    found = job.constant * np.eye(2**n, dtype=complex)
    for basis in job.bases:
        turn = Operator(basis.rotation).data
        bits = (np.arange(2**n)[:, None] >> np.array(basis.measured)[None, :]) & 1
        diagonal = basis.values(bits.astype(np.uint8))
        found += turn.conj().T @ np.diag(diagonal) @ turn
    np.testing.assert_allclose(found, job.observable.to_matrix(), atol=1e-9)


def test_estimate_is_mean_and_variance_of_the_shots(rng: np.random.Generator) -> None:
    labels = ["".join(rng.choice(["I", "Z"], 9)) for _ in range(6)]
    terms = SparsePauliOp([*labels, "Z" * 9], rng.normal(size=7))
    job = placed_from_isa("wide", QuantumCircuit(9), terms, tuple(range(9)), device().target)
    (basis,) = job.bases
    assert len(basis.measured) == 9
    bits = rng.integers(0, 2, (300, 9)).astype(np.uint8)
    packed = np.packbits(np.pad(bits, ((0, 0), (0, 7)))[:, ::-1], axis=1)
    per_shot = []
    for row in bits:
        state = int(sum(int(b) << i for i, b in enumerate(row)))
        bare = terms.simplify()
        per_shot.append(
            sum(
                c.real * (-1) ** bin(state & sum(1 << i for i in range(9) if p.z[i])).count("1")
                for p, c in zip(bare.paulis, bare.coeffs, strict=True)
                if p.z.any()
            )
        )
    mean, variance = basis.estimate(packed)
    assert mean == pytest.approx(np.mean(per_shot), abs=1e-12)
    assert variance == pytest.approx(np.var(per_shot, ddof=1) / 300, rel=1e-12)


def test_a_job_takes_only_the_shots_it_asked_for(rng: np.random.Generator) -> None:
    job = jobs(routed=False)[0]
    merged = merge([job], points(rng, [job], (1,)), device().target)
    data = Sampling(noisy_aer()).send(merged, 100, [5] * len(merged.pubs), "").result()
    part, whole = (merged.split(data, {"pair": n})["pair"] for n in (25, 100))
    assert part[1][0] > whole[1][0]
    with pytest.raises(InvalidInputError, match="shots of job 'pair' must be 1 to 100, got 101"):
        merged.split(data, {"pair": 101})


def test_circuits_are_composed_once(rng: np.random.Generator) -> None:
    cache: dict[Any, Any] = {}
    placed = jobs(routed=True)
    first, second = (merge(placed, points(rng, placed, (1, 1)), device().target, cache=cache) for _ in range(2))
    other = merge(jobs(routed=True), second.points, device().target, cache=cache)
    for a, b, c in zip(first.pubs, second.pubs, other.pubs, strict=True):
        assert a.circuit is b.circuit
        assert c.circuit is not b.circuit
        np.testing.assert_array_equal(b.values, c.values)
        assert not np.array_equal(a.values, b.values)
    near = [place("a", *PAIR, (0, 1), device().target), place("b", *PAIR, (2, 3), device().target)]
    merge(near, points(rng, near, (1, 1)), device().target, cache=cache)
    with pytest.raises(InvalidInputError, match="must have 1 qubits between them"):
        merge(near, points(rng, near, (1, 1)), device().target, cache=cache, buffer=1)


def test_regions_that_meet_are_refused_by_name() -> None:
    a, b = place("a", *PAIR, (0, 1), device().target), place("b", *PAIR, (1, 2), device().target)
    near = place("near", *PAIR, (2, 3), device().target)
    xs = [np.zeros((1, a.num_parameters))] * 2
    with pytest.raises(InvalidInputError, match="regions of jobs 'a' and 'b' must be disjoint"):
        merge([a, b], xs, device().target)
    with pytest.raises(InvalidInputError, match="'a' and 'near' must have 1 qubits between them"):
        merge([a, near], xs, device().target, buffer=1)
    with pytest.raises(InvalidInputError, match="job name must be unique"):
        merge([a, place("a", *PAIR, (4, 5), device().target)], xs, device().target)


@pytest.mark.parametrize(("gate", "qubits"), [("cx", (0, 2)), ("h", (0,))])
def test_gates_outside_the_instruction_set_are_refused(gate: str, qubits: tuple[int, ...]) -> None:
    circuit = QuantumCircuit(3)
    getattr(circuit, gate)(*qubits)
    job = placed_from_isa("bad", circuit, SparsePauliOp(["ZZZ"]), (0, 1, 2), device().target)
    with pytest.raises(InvalidInputError, match=f"job 'bad': gate {gate} on qubits .* instruction set"):
        merge([job], [np.zeros((1, 0))], device().target)


def test_bad_points_and_observables() -> None:
    job = place("a", *PAIR, (0, 1), device().target)
    with pytest.raises(InvalidInputError, match="points of job 'a' must be finite"):
        merge([job], [np.full((1, job.num_parameters), np.nan)], device().target)
    with pytest.raises(InvalidInputError, match="observable of job 'a' must act on 2 qubits, got 3"):
        place("a", PAIR[0], SparsePauliOp(["ZZZ"]), (0, 1), device().target)
