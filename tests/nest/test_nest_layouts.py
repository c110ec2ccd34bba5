"""The catalogue: published counts, ESP equal to a real transpile of each map, dead couplers, routing, caps."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2, qaoa_ansatz
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InfeasibleError, InvalidInputError
from qalgs.nest import LayoutCatalogue, esp
from qalgs.nest.subsets import connected_subsets
from qalgs.nest.translate import layout_target, to_layout


def line(n: int, reps: int = 3) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=reps)


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


@pytest.fixture(scope="module")
def fez() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_fez")


@pytest.mark.parametrize(
    ("device", "counts"),
    [("brisbane", (484, 828, 1416, 2422, 6428)), ("fez", (550, 892, 1448, 2304, 5362))],
)
def test_directed_path_counts(device: str, counts: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    snapshot = request.getfixturevalue(device)
    found = tuple(len(LayoutCatalogue.for_circuit(line(n, 1), snapshot)) for n in (4, 6, 8, 10, 14))
    assert found == counts


@pytest.mark.parametrize("device", ["brisbane", "fez"])
def test_every_score_equals_a_transpile_of_that_map(
    device: str, rng: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    snapshot = request.getfixturevalue(device)
    circuit = line(6)
    catalogue = LayoutCatalogue.for_circuit(circuit, snapshot)
    assert np.all(np.diff(catalogue.esp) <= 1e-12)
    for i in [0, len(catalogue) - 1, *rng.integers(len(catalogue), size=10)]:
        layout = catalogue[int(i)]
        counted = esp(to_layout(circuit, snapshot, layout), snapshot, layout)
        assert layout.esp == pytest.approx(counted, rel=1e-12)


def test_mixed_native_gates_are_scored_exactly(rng: np.random.Generator) -> None:
    cairo = DeviceSnapshot.from_backend("fake_cairo")
    circuit = line(4)
    catalogue = LayoutCatalogue.for_circuit(circuit, cairo)
    assert len({n for n, q in cairo.gate_errors if len(q) == 2}) == 2
    for i in rng.integers(len(catalogue), size=8):
        layout = catalogue[int(i)]
        assert layout.esp == pytest.approx(esp(to_layout(circuit, cairo, layout), cairo, layout), rel=1e-12)


def test_durations_and_idling_equal_qiskits_alap_schedule(
    brisbane: DeviceSnapshot, rng: np.random.Generator
) -> None:
    circuit = QuantumCircuit(4)
    circuit.ry(0.3, 0)
    circuit.cx(0, 1)
    for _ in range(3):
        circuit.rx(0.7, 2)
        circuit.cx(2, 3)
    circuit.cx(1, 2)
    plain = LayoutCatalogue.for_circuit(circuit, brisbane)
    idle = LayoutCatalogue.for_circuit(circuit, brisbane, idle=True)
    for i in rng.integers(len(plain), size=5):
        layout = plain[int(i)]
        isa = to_layout(circuit, brisbane, layout)
        target = layout_target(idle.chip, layout)
        passes = [ALAPScheduleAnalysis(target=target), PadDelay(target=target)]
        scheduled = PassManager(passes).run(isa)
        end = isa.estimate_duration(target, unit="s")
        readout = max(brisbane.readout_duration[q] or 0.0 for q in layout)
        assert plain.duration[i] == pytest.approx(end + readout, rel=1e-9)
        started = scheduled.copy_empty_like()
        seen: set[int] = set()
        for instruction in scheduled.data:
            where = {scheduled.find_bit(q).index for q in instruction.qubits}
            if instruction.operation.name != "delay":
                seen |= where
            if instruction.operation.name != "delay" or where <= seen:
                started.append(instruction)
        row = idle.index(layout)
        assert idle.esp[row] == pytest.approx(esp(started, brisbane, layout), rel=1e-9)
        assert idle.esp[row] < plain.esp[i]


def test_dead_couplers_are_never_used(brisbane: DeviceSnapshot) -> None:
    catalogue = LayoutCatalogue.for_circuit(line(4), brisbane)
    steps = {frozenset((a, b)) for row in catalogue.maps for a, b in itertools.pairwise(row.tolist())}
    assert frozenset((24, 25)) not in steps
    assert all(frozenset(e) in steps for e in [(0, 1), (20, 21)])


@pytest.mark.parametrize(("n", "entanglement"), [(4, "circular"), (5, "full")])
def test_circuits_that_do_not_embed_are_routed(brisbane: DeviceSnapshot, n: int, entanglement: str) -> None:
    circuit = efficient_su2(n, entanglement=entanglement, reps=1)
    catalogue = LayoutCatalogue.for_circuit(circuit, brisbane)
    assert catalogue.routed
    values = np.linspace(0.1, 2, circuit.num_parameters)
    hamiltonian = SparsePauliOp.from_list(
        [("Z" + "I" * (n - 1), 1.0), ("I" * (n - 2) + "XZ", 0.5), ("Y" * n, 0.3)]
    )
    exact = Statevector(circuit.assign_parameters(values)).expectation_value(hamiltonian)
    for i in (0, len(catalogue) // 2, len(catalogue) - 1):
        layout = catalogue[i]
        isa = catalogue.isa(layout)
        assert esp(isa, brisbane, layout) == pytest.approx(layout.esp, rel=1e-12)
        state = Statevector(isa.assign_parameters(values))
        assert state.expectation_value(hamiltonian.apply_layout(isa.layout)) == pytest.approx(exact, abs=1e-10)


def test_a_ring_of_twelve_needs_no_routing(brisbane: DeviceSnapshot) -> None:
    ring = SparsePauliOp.from_sparse_list([("ZZ", [i, (i + 1) % 12], 1.0) for i in range(12)], 12)
    catalogue = LayoutCatalogue.for_circuit(qaoa_ansatz(ring, reps=1), brisbane)
    assert not catalogue.routed
    assert len(catalogue) % 24 == 0


def test_connected_subsets_match_brute_force() -> None:
    lagos = DeviceSnapshot.from_backend("fake_guadalupe")
    catalogue = LayoutCatalogue.for_circuit(line(2), lagos)
    graph = catalogue.chip.graph
    near = {q: set(graph.neighbors(q)) for q in range(16)}

    def connected(qubits: tuple[int, ...]) -> bool:
        seen, todo = {qubits[0]}, [qubits[0]]
        while todo:
            new = (near[todo.pop()] & set(qubits)) - seen
            seen |= new
            todo += new
        return len(seen) == len(qubits)

    for n in (1, 3, 5):
        expected = [c for c in itertools.combinations(range(16), n) if connected(c)]
        assert connected_subsets(graph, n, 10**6) == (expected, False)


def test_a_lattice_that_explodes_is_capped_and_says_so() -> None:
    nighthawk = DeviceSnapshot.from_backend("fake_nighthawk")
    catalogue = LayoutCatalogue.for_circuit(line(8, 1), nighthawk, limit=3000)
    assert len(catalogue) <= 3000
    assert "more than 3000 layouts" in catalogue.note
    assert len(np.unique(catalogue.maps[:, 0])) > 100
    again = LayoutCatalogue.for_circuit(line(8, 1), nighthawk, limit=3000)
    np.testing.assert_array_equal(catalogue.maps, again.maps)


def test_a_circuit_as_large_as_the_chip_is_decided_in_bounded_time() -> None:
    """No line of 65 qubits exists on this lattice; an exhaustive search would never end."""
    brooklyn = DeviceSnapshot.from_backend("fake_brooklyn")
    catalogue = LayoutCatalogue.for_circuit(line(65, 1), brooklyn)
    assert catalogue.routed
    assert sorted(catalogue.best()) == list(range(65))
    layout = catalogue.best()
    assert esp(catalogue.isa(layout), brooklyn, layout) == pytest.approx(layout.esp, rel=1e-9)


def test_queries(brisbane: DeviceSnapshot) -> None:
    catalogue = LayoutCatalogue.for_circuit(line(4), brisbane)
    best = catalogue.best()
    assert best.esp == catalogue.esp.max()
    assert best == catalogue[0]
    assert tuple(best) == best.qubits
    for target in (0.0, 0.5, 0.8, 1.0):
        near = catalogue.nearest(target)
        assert abs(near.esp - target) == np.abs(catalogue.esp - target).min()
    assert catalogue.level("0.75*best") == pytest.approx(0.75 * best.esp)
    assert catalogue.level("median") == pytest.approx(np.median(catalogue.esp))
    assert catalogue.level("q25") == pytest.approx(np.percentile(catalogue.esp, 25))
    assert catalogue.nearest("worst").esp == catalogue.esp.min()
    assert [layout.rank for layout in itertools.islice(catalogue, 3)] == [0, 1, 2]
    assert catalogue.index(catalogue[17]) == 17
    np.testing.assert_allclose(catalogue.rescored(brisbane), catalogue.esp, rtol=1e-12)
    worse = catalogue.rescored(brisbane.inflate({"ecr": 3.0}))
    assert np.all(worse < catalogue.esp)
    assert set(catalogue.to_dict()) >= {"device", "layouts", "esp", "table"}
    assert catalogue.plot_histogram().get_title().startswith("484 layouts")


def test_one_qubit_and_unentangled_circuits(brisbane: DeviceSnapshot) -> None:
    single = QuantumCircuit(1)
    single.x(0)
    assert len(LayoutCatalogue.for_circuit(single, brisbane)) == 127
    loose = QuantumCircuit(3)
    loose.x([0, 1, 2])
    catalogue = LayoutCatalogue.for_circuit(loose, brisbane)
    layout = catalogue.best()
    errors = [
        (1 - (brisbane.gate_errors["x", (q,)] or 0)) * (1 - (brisbane.readout_error[q] or 0)) for q in layout
    ]
    assert layout.esp == pytest.approx(math.prod(errors), rel=1e-12)


def test_refusals(brisbane: DeviceSnapshot) -> None:
    with pytest.raises(InfeasibleError, match="at most 127 qubits to run on fake_brisbane, got 130"):
        LayoutCatalogue.for_circuit(QuantumCircuit(130), brisbane)
    kyoto = DeviceSnapshot.from_backend("fake_kyoto")
    with pytest.raises(InfeasibleError, match=r"fake_kyoto.*all dead"):
        LayoutCatalogue.for_circuit(line(2), kyoto)
    with pytest.raises(InvalidInputError, match="limit must be at least 1"):
        LayoutCatalogue.for_circuit(line(2), brisbane, limit=0)
    with pytest.raises(InvalidInputError, match="exclude must hold qubits"):
        LayoutCatalogue.for_circuit(line(2), brisbane, exclude=[500])
    catalogue = LayoutCatalogue.for_circuit(line(2), brisbane, exclude=[0, 1])
    assert not np.isin(catalogue.maps, [0, 1]).any()
    with pytest.raises(InvalidInputError, match="must be a number in"):
        catalogue.level(math.nan)
    with pytest.raises(InvalidInputError, match="best"):
        catalogue.level("brilliant")
    with pytest.raises(InvalidInputError, match="one of the"):
        catalogue.index((0, 1))
    with pytest.raises(InfeasibleError, match="is free"):
        catalogue.best(np.zeros(len(catalogue), dtype=bool))


def test_routed_unitary_is_the_circuit_up_to_the_recorded_permutation(brisbane: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.rzz(0.3, 0, 1)
    circuit.rzz(0.4, 1, 2)
    circuit.rzz(0.5, 0, 2)
    catalogue = LayoutCatalogue.for_circuit(circuit, brisbane)
    isa = catalogue.isa(catalogue.best())
    assert Operator.from_circuit(isa).equiv(Operator(circuit))
