"""Damaged device snapshots: refused in one line, or a device whose parts fit together."""

from __future__ import annotations

import json
from typing import Any

from fuzzing import Refused, budget, damaged, outcome, scrambled
from hypothesis import example, given
from hypothesis import strategies as st

from qalgs.backends import DeviceSnapshot

SMALL: dict[str, Any] = {
    **DeviceSnapshot.from_backend("fake_manila").subset([0, 1]).to_dict(),
    "angle_bounds": ["rzz"],
    "ignored": ["odd"],
}


def judge(snapshot: DeviceSnapshot) -> None:
    """Use every part of a snapshot that was accepted."""
    n = snapshot.num_qubits
    assert all(0 <= q < n for _, qubits in snapshot.gate_errors for q in qubits)
    assert len(snapshot.t1) == len(snapshot.readout_error) == n
    again = DeviceSnapshot.from_json(snapshot.to_json())
    assert again.fingerprint == snapshot.fingerprint
    assert [str(p) for p in again.problems] == [str(p) for p in snapshot.problems]
    assert {q for edge in snapshot.edges for q in edge} <= set(range(n))
    assert set(snapshot.basis_gates) <= {name for name, _ in snapshot.gate_errors}
    assert all(str(problem) for problem in snapshot.problems)
    snapshot.subset(range(n))
    outcome(lambda: snapshot.target(drop_dead=True))


def check(text: str | bytes) -> Any:
    found = outcome(lambda: DeviceSnapshot.from_json(text))
    if not isinstance(found, Refused):
        judge(found)
    return found


def test_the_snapshot_is_accepted_before_it_is_damaged() -> None:
    assert not isinstance(check(json.dumps(SMALL)), Refused)


@given(data=damaged(st.just(SMALL)))
@example(data=SMALL | {"gates": [["delay", [], None, None]]})
@example(data=SMALL | {"gates": [["for_loop", [0], 0.1, 1e-8]]})
@example(data=SMALL | {"gates": [["cx", [0, 1], 0.1, 1e-8], ["cx", [0], 0.1, 1e-8]]})
@example(data=SMALL | {"gates": [["cx", [0], 0.1, 1e-8]]})
@example(data=SMALL | {"num_qubits": "2"})
@example(data=SMALL | {"t1": []})
@budget(1.0)
def test_damaged_keys_and_values(data: Any) -> None:
    check(json.dumps(data))


@given(content=scrambled(st.just(json.dumps(SMALL))))
@example(content=b"[" * 100_000)
@example(content=json.dumps(SMALL | {"dt": 10**400}).encode())
@budget(1.0)
def test_damaged_bytes(content: bytes) -> None:
    check(content)


@given(value=st.none() | st.booleans() | st.integers() | st.binary() | st.text() | st.lists(st.none()))
@example(value='{"format": "qalgs-device-snapshot"}')
@budget(0.5)
def test_anything(value: Any) -> None:
    check(value)
    outcome(lambda: DeviceSnapshot.from_dict(value))
