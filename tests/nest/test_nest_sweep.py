"""Every fake backend of the provider is schedulable, or refused with the reason."""

from __future__ import annotations

import pytest

from qalgs.backends import fake_names
from qalgs.errors import InvalidInputError
from qalgs.nest.sweeps import sweep

NAMES = fake_names()


@pytest.mark.parametrize("part", range(4))
def test_all_fakes(part: int) -> None:
    verdicts = sweep(NAMES[part::4], jobs=2, cycles=2)
    assert [v.device for v in verdicts] == list(NAMES[part::4])
    for v in verdicts:
        if v.schedulable:
            assert v.layouts > 0
            assert 0 < (v.median or 0) <= (v.best or 0) <= 1
            assert 2 <= (v.slots or 0) <= 4
        else:
            assert v.device in {"fake_armonk", "fake_kyoto"}
            assert "all dead" in v.reason or "at most 1 qubits" in v.reason


def test_unknown_devices_are_refused_not_raised() -> None:
    (verdict,) = sweep(["fake_atlantis"])
    assert not verdict.schedulable
    assert "must be a known backend" in verdict.reason
    with pytest.raises(InvalidInputError, match="qubits must be at least 1"):
        sweep([], qubits=0)


def test_the_provider_has_fakes() -> None:
    assert len(NAMES) >= 60
