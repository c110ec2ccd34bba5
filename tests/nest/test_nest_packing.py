"""Packing: the buffer holds in every cycle by an independent search, and the infeasible is refused by name."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InfeasibleError, InvalidInputError
from qalgs.nest import Flat, InvertedReLU, LayoutCatalogue, Linear, Packing, QubitWalk, pack
from qalgs.nest.chip import Chip
from qalgs.nest.cpsat import capacity
from qalgs.nest.regions import balls


def line(n: int) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=2)


@pytest.fixture(scope="module")
def brisbane() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_brisbane")


def smallest_gap(packing: Packing, snapshot: DeviceSnapshot) -> float:
    """Fewest hops between two jobs in any cycle, by networkx on the raw coupling list."""
    hops = dict(nx.all_pairs_shortest_path_length(nx.Graph(list(snapshot.edges))))
    gaps = [np.inf]
    for cycle in range(packing.cycles):
        for a, b in itertools.combinations(packing.layouts(cycle).values(), 2):
            gaps += [hops[p][q] for p in a for q in b]
    return float(min(gaps))


@pytest.mark.parametrize("buffer", [0, 1, 2])
@pytest.mark.parametrize("move", ["leaf", "snake", "any"])
def test_buffer_holds_in_every_cycle(brisbane: DeviceSnapshot, buffer: int, move: str) -> None:
    jobs = {f"four{i}": line(4) for i in range(4)} | {f"six{i}": line(6) for i in range(3)}
    walk = QubitWalk(move=move, tolerance=0.02)  # type: ignore[arg-type]
    packing = pack(jobs, brisbane, buffer, schedule=Linear(7), walk=walk)
    assert smallest_gap(packing, brisbane) > buffer
    assert packing.violations() == []
    for name, steps in packing.steps.items():
        assert len(steps) == 7
        for before, step in itertools.pairwise(steps):
            assert step.jump or len(set(step.layout) - set(before.layout)) <= 1
            assert packing.catalogues[name].index(step.layout) >= 0


def test_jobs_of_different_lengths_free_their_qubits(brisbane: DeviceSnapshot) -> None:
    class Job:
        def __init__(self, name: str, cycles: int) -> None:
            self.name, self.circuit, self.schedule = name, line(4), InvertedReLU(cycles)

    packing = pack([Job("short", 2), Job("long", 5)], brisbane)
    assert [sorted(packing.layouts(c)) for c in (0, 1, 2, 4)] == [["long", "short"]] * 2 + [["long"]] * 2
    assert packing.utilisation() == pytest.approx([8 / 127] * 2 + [4 / 127] * 3)


def test_one_job_gets_what_it_asks_for(brisbane: DeviceSnapshot) -> None:
    packing = pack([("only", line(6))], brisbane, schedule=InvertedReLU(6))
    catalogue = packing.catalogues["only"]
    first, last = packing.steps["only"][0], packing.steps["only"][-1]
    assert first.esp == catalogue.nearest("0.85*best").esp
    assert last.esp == pytest.approx(catalogue.best().esp, abs=0.05)


def test_exact_solver_places_what_the_greedy_search_cannot(brisbane: DeviceSnapshot) -> None:
    jobs = {f"job{i}": line(4) for i in range(20)}
    packing = pack(jobs, brisbane, restarts=1, schedule=Flat(1, 0.7))
    assert packing.exact
    assert smallest_gap(packing, brisbane) > 1


def test_infeasible_is_refused_by_name(brisbane: DeviceSnapshot) -> None:
    manila = DeviceSnapshot.from_backend("fake_manila")
    with pytest.raises(InfeasibleError, match=r"job '(a|b)' must fit on fake_manila .* 1 of 2 .*proved"):
        pack({"a": line(2), "b": line(3)}, manila)
    assert len(pack({"a": line(2), "b": line(2)}, manila).steps) == 2
    with pytest.raises(InfeasibleError, match=r"job 'huge': circuit must have at most 5 qubits"):
        pack({"a": line(2), "huge": line(6)}, manila)
    with pytest.raises(InvalidInputError, match="buffer must be a non-negative int"):
        pack({"a": line(2)}, manila, -1)
    with pytest.raises(InvalidInputError, match="at least one job"):
        pack([], manila)
    with pytest.raises(InvalidInputError, match="distinct names"):
        pack([("a", line(2)), ("a", line(2))], manila)
    with pytest.raises(InvalidInputError, match="objective must be"):
        pack({"a": line(2)}, manila, objective="best")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"job 'a': esp_min must not exceed"):
        pack({"a": line(2)}, manila, schedule=Linear(3, "best", "worst"))


def test_max_min_is_the_best_over_all_pairs() -> None:
    guadalupe = DeviceSnapshot.from_backend("fake_guadalupe")
    packing = pack({"a": line(3), "b": line(4)}, guadalupe, objective="max_min_esp", schedule=Flat(2))
    a, b = packing.catalogues["a"], packing.catalogues["b"]
    hops = Chip.of(guadalupe).distance
    best = max(
        min(x.esp / a.esp[0], y.esp / b.esp[0]) for x, y in itertools.product(a, b) if hops[np.ix_(x, y)].min() > 1
    )
    found = min(packing.steps["a"][0].esp / a.esp[0], packing.steps["b"][0].esp / b.esp[0])
    assert found == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("buffer", [0, 1, 2, 3])
def test_balls_state_the_buffer_exactly(brisbane: DeviceSnapshot, buffer: int, rng: np.random.Generator) -> None:
    chip = Chip.of(brisbane)
    groups = balls(chip, buffer)
    for _ in range(200):
        a, b = rng.integers(127, size=2)
        assert bool((groups[:, a] & groups[:, b]).any()) == bool(chip.distance[a, b] <= buffer)


@pytest.mark.parametrize(("f", "expected"), [(0.97, (6, 3)), (0.85, (14, 10))])
def test_capacity_is_at_least_the_known_greedy_count(
    brisbane: DeviceSnapshot, f: float, expected: tuple[int, int]
) -> None:
    for n, count in zip((4, 6), expected, strict=True):
        circuit = efficient_su2(n, entanglement="linear", reps=3)
        catalogue = LayoutCatalogue.for_circuit(circuit, brisbane)
        value, bound, regions = capacity([(catalogue, f * catalogue.esp[0])], catalogue.chip, 1)
        assert value == bound == sum(regions) >= count


def test_same_seed_same_packing_and_plots(brisbane: DeviceSnapshot) -> None:
    jobs = {f"j{i}": line(4) for i in range(5)}
    first, second = pack(jobs, brisbane, seed=3), pack(jobs, brisbane, seed=3)
    assert first.to_json() == second.to_json()
    assert first.plot_targets().get_xlabel() == "cycle"
    assert "fake_brisbane" in first.plot_chip(2).get_title()
