"""Snapshots against the Qiskit Targets that they freeze."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from qiskit.transpiler import Target

from qalgs.backends import DeviceSnapshot, Problem, load_backend
from qalgs.errors import InvalidInputError

NAMES = ["fake_brisbane", "fake_torino", "fake_berlin", "fake_fractional", "fake_almaden"]


def entries(target: Target) -> dict[str, dict[tuple[int, ...], tuple[float | None, float | None]]]:
    """The numbers of a target, without control flow and operations that are not standard."""
    found: dict[str, dict[tuple[int, ...], tuple[float | None, float | None]]] = {}
    for name, table in target.items():
        if name.endswith("_2") or table is None or None in table:
            continue
        found[name] = {q: (None, None) if p is None else (p.error, p.duration) for q, p in table.items()}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_rebuilt_target_equals_the_backends(name: str) -> None:
    backend = load_backend(name)
    rebuilt = DeviceSnapshot.from_backend(backend).target()
    assert entries(rebuilt) == entries(backend.target)
    assert [(p.t1, p.t2) for p in rebuilt.qubit_properties] == [
        (p.t1, p.t2) for p in backend.target.qubit_properties
    ]
    assert rebuilt.dt == backend.target.dt
    assert rebuilt.has_angle_bounds() == backend.target.has_angle_bounds()


@pytest.mark.parametrize("name", [*NAMES, "fake_kingston"])
def test_json_round_trip_keeps_every_digit(name: str) -> None:
    snapshot = DeviceSnapshot.from_backend(name)
    again = DeviceSnapshot.from_json(snapshot.to_json())
    assert again.gate_errors == snapshot.gate_errors
    assert again.gate_durations == snapshot.gate_durations
    assert (again.t1, again.t2, again.readout_error) == (snapshot.t1, snapshot.t2, snapshot.readout_error)
    assert again.problems == snapshot.problems
    assert again.fingerprint == snapshot.fingerprint


def test_json_survives_not_a_number() -> None:
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    data = snapshot.to_dict()
    data["gates"][0][2] = "nan"
    data["t1"][2] = "inf"
    broken = DeviceSnapshot.from_dict(data)
    again = DeviceSnapshot.from_json(broken.to_json())
    assert again.t1[2] == np.inf
    assert again.to_json() == broken.to_json()
    assert {p.kind for p in again.problems} & {"dead_gate", "bad_error"}


def test_restrict_relabels_and_keeps_inner_operations(rng: np.random.Generator) -> None:
    backend = load_backend("fake_torino")
    snapshot = DeviceSnapshot.from_backend(backend)
    layout = [int(q) for q in rng.permutation(133)[:30]]
    compact = snapshot.restrict(layout)
    assert isinstance(compact, Target)
    assert compact.num_qubits == 30
    assert compact.layout == tuple(layout)
    full = entries(backend.target)
    for name, table in entries(compact).items():
        inner = {q: v for q, v in full[name].items() if set(q) <= set(layout)}
        assert {tuple(layout[i] for i in q): v for q, v in table.items()} == inner
    copy = pickle.loads(pickle.dumps(compact))
    assert copy.layout == compact.layout
    assert entries(copy) == entries(compact)
    assert compact.backend().num_qubits == 30
    assert compact.t1 == tuple(snapshot.t1[q] for q in layout)
    with pytest.raises(AttributeError, match="nonsense"):
        compact.nonsense  # noqa: B018


def test_subset_of_subset_remembers_the_device() -> None:
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    assert snapshot.subset([4, 3, 2]).subset([2, 0]).layout == (2, 4)


def test_problems_of_known_devices() -> None:
    brisbane = DeviceSnapshot.from_backend("fake_brisbane")
    dead = [p for p in brisbane.problems if p.kind == "dead_coupler"]
    assert [set(p.qubits) for p in dead] == [{24, 25}]
    assert (24, 25) not in brisbane.coupling
    kingston = DeviceSnapshot.from_backend("fake_kingston")
    assert [p.qubits for p in kingston.problems if p.kind in ("missing_t1", "missing_t2")] == [(146,), (146,)]
    torino = DeviceSnapshot.from_backend("fake_torino")
    assert sum(p.kind == "t2_above_2t1" for p in torino.problems) == 5
    kyoto = DeviceSnapshot.from_backend("fake_kyoto")
    assert kyoto.problems[0].kind == "no_usable_coupler"
    assert kyoto.live_edges == ()
    toronto = DeviceSnapshot.from_backend("fake_toronto")
    assert sum(p.kind == "absurd_duration" for p in toronto.problems) > 50


def test_planted_problems_are_found() -> None:
    data = DeviceSnapshot.from_backend("fake_manila").to_dict()
    assert DeviceSnapshot.from_dict(data).problems == ()
    data["t1"][0], data["t2"][1] = -1.0, None
    data["t1"][2], data["t2"][2] = 1e-5, 3e-5
    data["readout_error"][3], data["readout_duration"][4] = 0.5, 1e-3
    for gate in data["gates"]:
        if gate[:2] == ["cx", [0, 1]]:
            gate[2], gate[3] = 1.0, 5e-6
    found = DeviceSnapshot.from_dict(data).problems
    assert all(isinstance(p, Problem) and str(p) == p.message for p in found)
    assert {(p.kind, p.qubits) for p in found} == {
        ("dead_coupler", (0, 1)),
        ("absurd_duration", (0, 1)),
        ("bad_t1", (0,)),
        ("missing_t2", (1,)),
        ("t2_above_2t1", (2,)),
        ("useless_readout", (3,)),
        ("absurd_duration", (4,)),
    }


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ([], "layout must name at least one qubit"),
        ([0, 0], "layout must not repeat a qubit"),
        ([0, 200], "between 0 and 126, got 200"),
        ([0, 5], "layout must be connected on fake_brisbane"),
        ([24, 25], "needs dead couplers"),
        ([0, 1.5], "layout must be a sequence of int"),
    ],
)
def test_bad_layouts(layout: list[int], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        DeviceSnapshot.from_backend("fake_brisbane").check_layout(layout)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a device snapshot"),
        ('{"format": "qalgs-device-snapshot", "version": 99}', "must be 1, got 99"),
        ('{"format": "qalgs-device-snapshot", "version": 1}', "damaged device snapshot: KeyError"),
    ],
)
def test_damaged_json(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        DeviceSnapshot.from_json(text)


def test_inflation_multiplies_the_named_errors_only() -> None:
    snapshot = DeviceSnapshot.from_backend("fake_manila")
    louder = snapshot.inflate({(1, 0): 3.0, ("sx", (2,)): 2.0, 4: 5.0, "cx": 1.5})
    for gate, error in snapshot.gate_errors.items():
        assert error is not None or gate[0] in ("reset", "delay")
        factor = 1.0
        if gate[0] == "cx":
            factor *= 1.5 * (3.0 if set(gate[1]) == {0, 1} else 1.0)
        factor *= 2.0 if gate == ("sx", (2,)) else 1.0
        factor *= 5.0 if gate[1] == (4,) else 1.0
        if error is not None:
            assert louder.gate_errors[gate] == pytest.approx(error * factor, rel=1e-15)
    assert max(e or 0 for e in snapshot.inflate({"cx": 1e9}).gate_errors.values()) < 1


@pytest.mark.parametrize(("factors", "text"), [({(0, 4): 2.0}, "match a gate"), ({"cx": -1.0}, "non-negative")])
def test_bad_inflation(factors: dict[str | tuple[int, int], float], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        DeviceSnapshot.from_backend("fake_manila").inflate(factors)  # type: ignore[arg-type]


def test_json_is_plain() -> None:
    data = json.loads(DeviceSnapshot.from_backend("fake_manila").to_json(indent=1))
    assert data["format"] == "qalgs-device-snapshot"
    assert data["num_qubits"] == 5
