"""Planning: scoring layouts against transpiling each, our planners against each other and against proofs.

Run with ``python -m pytest tests/benchmarks/bench_nest_plan.py``; ``QALGS_FAST=1`` or ``--benchmark-disable``
shrinks the sizes. Counts and ratios are in ``extra_info``, beside the times.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.transpiler import generate_preset_pass_manager

from qalgs.backends import DeviceSnapshot
from qalgs.nest import InvertedReLU, LayoutCatalogue, Linear, esp, frontier, plan
from qalgs.nest.chip import Chip
from qalgs.nest.requests import as_requests
from qalgs.nest.space_time_exact import exact_slots
from qalgs.nest.space_time_greedy import greedy_slots, stagger
from qalgs.nest.space_time_model import build_problem, capacity_bound
from qalgs.nest.translate import to_layout

FAST = os.environ.get("QALGS_FAST", "") not in ("", "0") or "--benchmark-disable" in sys.argv
DEVICES = ("fake_brisbane",) if FAST else ("fake_brisbane", "fake_torino", "fake_marrakesh", "fake_fez")


def line(n: int) -> QuantumCircuit:
    return efficient_su2(n, entanglement="linear", reps=3)


def batch() -> dict[str, QuantumCircuit]:
    return {f"four{i}": line(4) for i in range(6)} | {f"six{i}": line(6) for i in range(6)}


@pytest.fixture(scope="module")
def snapshots() -> dict[str, DeviceSnapshot]:
    return {name: DeviceSnapshot.from_backend(name) for name in {*DEVICES, "fake_fez"}}


def test_score_all_six_qubit_maps(benchmark: Any, snapshots: dict[str, DeviceSnapshot]) -> None:
    """All 828 maps from gate counts; the peer transpiles maps one by one and is scaled up."""
    snapshot, circuit = snapshots["fake_brisbane"], line(6)
    Chip.of(snapshot)
    catalogue = benchmark.pedantic(LayoutCatalogue.for_circuit, (circuit, snapshot), rounds=3, warmup_rounds=1)
    ours = time.process_time()
    LayoutCatalogue.for_circuit(circuit, snapshot)
    ours = time.process_time() - ours
    sample = catalogue.maps[:: max(1, len(catalogue) // (5 if FAST else 40))]
    theirs = time.process_time()
    counted = [esp(to_layout(circuit, snapshot, m), snapshot, m) for m in sample]
    theirs = (time.process_time() - theirs) * len(catalogue) / len(sample)
    rows = [catalogue.index(m) for m in sample]
    np.testing.assert_allclose(catalogue.esp[rows], counted, rtol=1e-12)
    benchmark.extra_info |= {
        "maps": len(catalogue),
        "seconds": ours,
        "seconds_transpiling_each": theirs,
        "times_faster": theirs / ours,
    }
    assert len(catalogue) == 828


@pytest.mark.parametrize("n", [4, 6, 8])
def test_best_layout_against_qiskit(benchmark: Any, snapshots: dict[str, DeviceSnapshot], n: int) -> None:
    """The ESP of our best map beside that of the map that Qiskit's own layout search returns at level 3."""
    snapshot, circuit = snapshots["fake_brisbane"], line(n)
    target = snapshot.target(drop_dead=True)
    manager = generate_preset_pass_manager(3, target=target, seed_transpiler=1)
    isa = benchmark.pedantic(manager.run, (circuit,), rounds=1 if FAST else 3)
    placed = tuple(isa.layout.initial_index_layout(filter_ancillas=True))
    ours = LayoutCatalogue.for_circuit(circuit, snapshot)
    theirs = esp(to_layout(circuit, snapshot, placed), snapshot, placed)
    benchmark.extra_info |= {"ours": ours.best().esp, "qiskit": theirs}
    assert ours.best().esp >= theirs - 1e-12


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("schedule", [Linear(), InvertedReLU()], ids=["linear", "inverted_relu"])
def test_twelve_jobs(benchmark: Any, snapshots: dict[str, DeviceSnapshot], device: str, schedule: Any) -> None:
    """Slots of the stagger, the greedy search and CP-SAT for six 4-qubit and six 6-qubit jobs of six cycles."""
    snapshot = snapshots[device]
    requests = as_requests(batch(), snapshot, schedule=schedule)
    problem = build_problem(requests, Chip.of(snapshot), 1, 0.97)
    bound = capacity_bound(problem)
    found = benchmark.pedantic(
        greedy_slots, (problem,), {"at_least": bound.slots, "rounds": 60, "time_limit": 60}, rounds=1
    )
    exact = exact_slots(problem, at_least=bound.slots, known=found, cuts=bound.cuts, time_limit=60)
    made = plan(batch(), snapshot, 1, "inflation:2:1", schedule=schedule)
    benchmark.extra_info |= {
        "stagger": len(stagger(problem)),
        "greedy": len(found),
        "exact": len(exact.slots or []),
        "capacity_bound": bound.slots,
        "proved_bound": exact.bound,
        "speedup": made.speedup,
        "jumps": made.jumps,
    }
    assert exact.optimal
    assert len(found) <= 1.1 * exact.bound
    assert made.violations() == []


def test_hundred_jobs_on_156_qubits(benchmark: Any, snapshots: dict[str, DeviceSnapshot]) -> None:
    """A queue of 100 jobs of 4 to 7 qubits and six cycles, planned from scratch."""
    jobs = {f"q{i}": line([4, 5, 6, 7][i % 4]) for i in range(20 if FAST else 100)}
    made = benchmark.pedantic(plan, (jobs, snapshots["fake_fez"]), rounds=1)
    benchmark.extra_info |= {"slots": made.slots, "bound": made.bound, "speedup": made.speedup}
    assert made.violations() == []


@pytest.mark.parametrize("seed", range(2 if FAST else 8))
def test_greedy_against_proofs_on_small_chips(
    benchmark: Any, seed: int, snapshots: dict[str, DeviceSnapshot]
) -> None:
    """Random batches on 27 qubits: the bare greedy search, the polished plan, and the proved optimum."""
    rng = np.random.default_rng(seed)
    snapshot = DeviceSnapshot.from_backend("fake_cairo")
    jobs = {f"j{i}": line(int(n)) for i, n in enumerate(rng.integers(2, 5, size=12))}
    schedule = [Linear(4), InvertedReLU(5)][seed % 2]
    bare = plan(jobs, snapshot, fidelity=0.95, schedule=schedule, polish=0)
    made = benchmark.pedantic(plan, (jobs, snapshot), {"fidelity": 0.95, "schedule": schedule}, rounds=1)
    exact = plan(jobs, snapshot, fidelity=0.95, schedule=schedule, planner="cpsat", time_limit=60)
    benchmark.extra_info |= {"bare_greedy": bare.slots, "polished": made.slots, "exact": exact.slots}
    if exact.status.ok:
        assert made.slots <= 1.1 * exact.slots


def test_frontier(benchmark: Any, snapshots: dict[str, DeviceSnapshot]) -> None:
    """The whole frontier of the twelve jobs on Brisbane."""
    fractions = (0.9, 0.97) if FAST else (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 1.0)
    found = benchmark.pedantic(frontier, (batch(), snapshots["fake_brisbane"]), {"fractions": fractions}, rounds=1)
    benchmark.extra_info |= {str(p.fidelity): [p.slots, p.bound] for p in found.points}
