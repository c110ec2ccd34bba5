"""Refusals of the scheduler in their own words, and its rarer roads."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import DeviceSnapshot, load_backend
from qalgs.circuits import hardware_efficient, tfim
from qalgs.errors import InfeasibleError, InvalidInputError, LedgerError
from qalgs.nest import (
    Campaign,
    Custom,
    ErrorInflation,
    FewestSeconds,
    Flat,
    Job,
    LayoutCatalogue,
    MaxMinEsp,
    Plan,
    Step,
    Study,
    bootstrap,
    esp,
    gate_counts,
    make_schedule,
    merge,
    pack,
    place,
    plan,
)
from qalgs.nest.chip import Chip, _log_success
from qalgs.nest.lattice import lattice_coordinates
from qalgs.nest.metrics import lowest_eigenvalue, spectral_width
from qalgs.nest.salvage import salvage
from qalgs.nest.sampling import AerSampling, LocalSampling, Sampling, open_sampling
from qalgs.nest.subsets import connected_shapes, connected_subsets
from qalgs.nest.translate import flatten, to_layout

PAIR = hardware_efficient(2, 1)


@pytest.fixture(scope="module")
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


@pytest.fixture(scope="module")
def catalogue(manila: DeviceSnapshot) -> LayoutCatalogue:
    return LayoutCatalogue.for_circuit(PAIR, manila)


@pytest.fixture(scope="module")
def planned(manila: DeviceSnapshot) -> Plan:
    return plan([("a", PAIR), ("b", PAIR)], manila, schedule=make_schedule("linear", cycles=3))


def looped() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    with circuit.for_loop(range(2)):
        circuit.x(0)
    return circuit


def job(name: str = "a", circuit: Any = PAIR, **options: Any) -> Job:
    return Job(name, circuit, tfim(2), **options)


Refused = tuple[Callable[[DeviceSnapshot], object], str]
REFUSED: dict[str, Refused] = {
    "slots": (lambda _: MaxMinEsp(slots=0), "slots must be at least 1, got 0"),
    "seconds": (lambda _: MaxMinEsp(seconds=-1.0), "seconds must be a positive number, got -1.0"),
    "two goals": (
        lambda d: plan([("a", PAIR)], d, objective=MaxMinEsp(slots=3), fidelity=0.9, schedule="flat"),
        "fidelity must not be given with MaxMinEsp, which finds it, got 0.9",
    ),
    "no goal": (
        lambda d: plan([("a", PAIR)], d, objective="fun", schedule="flat"),
        "objective must be 'device_seconds', FewestSeconds(...) or MaxMinEsp(...), got 'fun'",
    ),
    "fidelity": (lambda _: FewestSeconds(fidelity=0.0), "fidelity must be a number in (0, 1], got 0.0"),
    "no job": (lambda d: pack([("a", 3)], d), "job 'a' must be a circuit or have one, got 'int'"),
    "no list": (lambda d: pack(PAIR, d), "jobs must be a sequence of jobs, got 'QuantumCircuit'"),
    "percentile": (
        lambda d: LayoutCatalogue.for_circuit(PAIR, d).level("q101"),
        "level must name a percentile of at most 100, got 'q101'",
    ),
    "layout": (
        lambda d: LayoutCatalogue.for_circuit(PAIR, d).index([0, 4]),
        "layout must be one of the 8 layouts on fake_manila, got [0, 4]",
    ),
    "empty circuit": (
        lambda d: LayoutCatalogue.for_circuit(QuantumCircuit(0), d),
        "circuit must have at least 1 qubit, got 0",
    ),
    "flat nothing": (lambda _: flatten(QuantumCircuit(0)), "circuit must have at least 1 qubit, got 0"),
    "loop": (lambda _: flatten(looped()), "circuit must have no control flow"),
    "width": (lambda d: to_layout(PAIR, d, [0, 1, 2]), "layout must name 2 physical qubits, got "),
    "switch": (lambda _: Step(3, switch=2.0), "switch must be a number in [0, 1], got 2.0"),
    "level without a catalogue": (
        lambda _: Custom([0.5, "best"]).targets(),
        "levels[1] must be a number when no catalogue is given, got 'best'",
    ),
    "no levels": (lambda _: Custom([]), "levels must be a non-empty sequence of ESPs, got []"),
    "circuit's type": (lambda _: job(circuit="h"), "job 'a': circuit must be a QuantumCircuit, got 'str'"),
    "finite": (lambda _: job(exact=float("nan")), "job 'a': exact must be finite, got nan"),
    "no jobs": (lambda d: Campaign([], d), "jobs must hold at least one job, got none"),
    "no device": (
        lambda _: Chip.of("manila"),
        "snapshot must be a DeviceSnapshot, a backend or a Target, got str; use DeviceSnapshot.from_backend(",
    ),
    "hops": (lambda _: ErrorInflation(hops=-1), "crosstalk.hops must be a non-negative int, got -1"),
    "factor": (lambda _: ErrorInflation(factor=0.5), "crosstalk.factor must be finite and at least 1, got 0.5"),
    "points": (
        lambda d: merge([place("a", PAIR, tfim(2), [0, 1], d)], [], d),
        "points must be given for each of 1 jobs, got 0",
    ),
    "level of an interval": (lambda _: bootstrap([1.0, 2.0], level=1.0), "level must be between 0 and 1, got 1.0"),
    "samples": (lambda _: bootstrap([]), "samples must be a non-empty vector of finite numbers, got (0,)"),
    "wide circuit": (lambda d: esp(hardware_efficient(6, 1), d), "circuit must have at most 5 qubits"),
    "cells": (lambda _: Study(cells=()), "cells must hold at least one campaign, got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, manila: DeviceSnapshot) -> None:
    call, text = REFUSED[name]
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call(manila)
    assert "\n" not in str(caught.value)


def test_types_are_named(manila: DeviceSnapshot, catalogue: LayoutCatalogue) -> None:
    anything: Any = "best"
    with pytest.raises(TypeError, match=r"^jobs must hold Job objects, got str$"):
        Campaign([anything], manila)
    with pytest.raises(TypeError, match=r"^optimizer must be an Optimizer such as COBYLA\(\), got str$"):
        Campaign(job(), manila, optimizer=anything)
    anything = None
    with pytest.raises(TypeError, match=r"^level must be a number in \[0, 1\], got NoneType$"):
        catalogue.level(anything)


def test_schedules_pass_through_and_draw_without_a_catalogue(catalogue: LayoutCatalogue) -> None:
    flat = Flat(2, 0.9)
    assert make_schedule(flat) is flat
    assert np.asarray(flat.plot().get_lines()[0].get_ydata())[0] == 0.9
    own = Figure().add_subplot()
    assert flat.plot(catalogue, ax=own) is own


# -- plans -------------------------------------------------------------------------------------------------------


def damaged(whole: Plan, **changes: Any) -> Plan:
    """The plan with the second cycle of its first job changed."""
    target = next(a for a in whole.assignments if a.job == "a" and a.cycle == 1)
    kept = [dataclasses.replace(a, **changes) if a is target else a for a in whole.assignments]
    return dataclasses.replace(whole, assignments=tuple(kept))


def test_a_valid_plan_has_no_violations(planned: Plan) -> None:
    assert planned.violations() == []
    with pytest.raises(InvalidInputError, match=r"^job must be one of the plan's 2 jobs, got 'c'$"):
        planned.of("c")


def test_replays_find_every_broken_rule(planned: Plan) -> None:
    first, second = planned.of("a")[:2]
    other = planned.of("b")[1]
    cases = {
        "are 0 hops apart": damaged(planned, layout=other.layout, slot=other.slot),
        "cycles [0, 2, 2] are out of order": damaged(planned, cycle=2),
        "two cycles in one slot": damaged(planned, slot=first.slot),
        "a jump is not recorded or not allowed": damaged(planned, jump=not second.jump),
        "is below": damaged(planned, esp=0.0),
    }
    for text, plan_ in cases.items():
        assert any(text in line for line in plan_.violations()), text
    last = [dataclasses.replace(a, esp=0.1, floor=0.0) for a in planned.assignments]
    missed = dataclasses.replace(planned, assignments=tuple(last)).violations()
    assert any("the last cycle misses" in line for line in missed)


def test_the_largest_fraction_in_a_given_time(manila: DeviceSnapshot) -> None:
    jobs, schedule = [("a", PAIR), ("b", PAIR)], make_schedule("flat", cycles=2, esp_min="best")
    short = plan(jobs, manila, objective=MaxMinEsp(slots=2), schedule=schedule)
    long = plan(jobs, manila, objective=MaxMinEsp(slots=4), schedule=schedule)
    assert short.slots <= 2
    assert long.slots <= 4
    assert long.violations() == short.violations() == []
    assert 0 < short.final_ratio <= long.final_ratio + 1e-9 <= 1 + 2e-9


# -- layouts and subsets -----------------------------------------------------------------------------------------


def test_rescoring_with_idling_equals_a_new_catalogue(manila: DeviceSnapshot) -> None:
    found = LayoutCatalogue.for_circuit(PAIR, manila, idle=True)
    worse = manila.inflate({0: 1.5, (1, 2): 3.0})
    again = LayoutCatalogue.for_circuit(PAIR, worse, idle=True)
    scores = found.rescored(worse)
    assert np.allclose(np.sort(scores), np.sort(again.esp))


def test_subsets_beyond_the_limit_are_spread_and_said(manila: DeviceSnapshot) -> None:
    graph = Chip.of(manila).graph
    every, cut = connected_subsets(graph, 2, 100)
    assert (every, cut) == ([(0, 1), (1, 2), (2, 3), (3, 4)], False)
    few, cut = connected_subsets(graph, 2, 2)
    assert cut
    assert len(few) == 2
    assert set(few) <= set(every)
    shapes, note = connected_shapes(graph, 3, 3)
    assert sum(len(s.maps) for s in shapes) <= 3
    assert note


def test_counts_of_a_circuit_and_of_its_delays(manila: DeviceSnapshot) -> None:
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.barrier()
    circuit.delay(1e-6, 0, unit="s")
    counts = gate_counts(circuit)
    assert counts["x", (0,)] == 1
    assert not any(name == "barrier" for name, _ in counts)
    in_samples = QuantumCircuit(1)
    in_samples.delay(100, 0, unit="dt")
    with pytest.raises(
        InvalidInputError, match=r"^delay must be in seconds when the device has no sample time dt"
    ):
        gate_counts(in_samples)
    assert esp(circuit, manila, [0]) < esp(circuit, manila, [0], idle=False)


def test_errors_of_gates_become_logarithms() -> None:
    assert _log_success(None) == 0.0
    assert _log_success(float("nan")) == _log_success(1.0) == -np.inf
    assert np.isclose(_log_success(0.1), np.log(0.9))


# -- metrics, sampling, salvage ----------------------------------------------------------------------------------


def test_the_lowest_level_of_small_diagonal_and_wide_jobs() -> None:
    assert np.isclose(lowest_eigenvalue(job()) or 0, np.linalg.eigvalsh(tfim(2).to_matrix())[0])
    seven = Job("b", hardware_efficient(7, 1), tfim(7))
    exact = np.linalg.eigvalsh(tfim(7).to_matrix())
    assert np.isclose(lowest_eigenvalue(seven) or 0, exact[0])
    assert np.isclose(spectral_width(seven), exact[-1] - exact[0])
    n = 30
    wide = Job("c", hardware_efficient(n, 1), SparsePauliOp("Z" * n, 0.5))
    assert lowest_eigenvalue(wide) is None
    assert np.isclose(spectral_width(wide), 1.0)


def test_the_way_to_sample_follows_the_backend() -> None:
    from qiskit.providers.fake_provider import GenericBackendV2
    from qiskit_aer import AerSimulator

    assert type(open_sampling(AerSimulator())) is AerSampling
    assert type(open_sampling(load_backend("fake_manila"))) is LocalSampling
    generic = open_sampling(GenericBackendV2(3, seed=1))
    assert type(generic) is Sampling
    with pytest.raises(
        InvalidInputError, match=r"^shots must be positive on .*, got 0; only an Aer density matrix is"
    ):
        generic.probabilities(None)  # type: ignore[arg-type]


def test_salvage_needs_a_ledger(tmp_path: Path) -> None:
    place_ = tmp_path / "ledger.sqlite"
    text = f"there is no ledger at {place_}; give the folder of a run"
    with pytest.raises(LedgerError, match=f"^{re.escape(text)}$"):
        salvage(place_)


def test_chips_that_are_no_lattice_have_no_coordinates(manila: DeviceSnapshot) -> None:
    assert lattice_coordinates(Chip.of(manila)) is None
    brisbane = lattice_coordinates(Chip.of(DeviceSnapshot.from_backend("fake_brisbane")))
    assert brisbane is not None
    assert len({tuple(p) for p in brisbane.tolist()}) == 127


def test_a_job_that_fits_nowhere_is_named(manila: DeviceSnapshot) -> None:
    with pytest.raises(InfeasibleError, match=r"job 'wide'|at most 5 qubits"):
        pack([("wide", hardware_efficient(6, 1))], manila)
