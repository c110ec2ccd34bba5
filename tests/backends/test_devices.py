"""Devices by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from qiskit.providers.fake_provider import GenericBackendV2

from qalgs.backends import DeviceSnapshot, fake_names, load_backend
from qalgs.errors import InvalidInputError


def test_every_fake_of_the_provider_is_listed() -> None:
    from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2

    assert set(fake_names()) == {b.name for b in FakeProviderForBackendV2().backends()}


def test_a_backend_passes_through_and_a_name_is_loaded() -> None:
    backend = GenericBackendV2(4, seed=1)
    assert load_backend(backend) is backend
    assert load_backend(" Fake_Brisbane ").num_qubits == 127
    assert DeviceSnapshot.from_backend(backend).num_qubits == 4


def test_unknown_names_suggest_the_close_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"got 'fake_brisban'; did you mean fake_brisbane") as caught:
        load_backend("fake_brisban")
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="qalgs devices"):
        load_backend("zzz")
    with pytest.raises(TypeError, match="device must be a name or a BackendV2, got int"):
        load_backend(3)


def test_an_ibm_device_without_account_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import qiskit_ibm_runtime

    def absent() -> None:
        raise ValueError("Unable to find account.\nMore text.")

    monkeypatch.setattr(qiskit_ibm_runtime, "QiskitRuntimeService", absent)
    with pytest.raises(
        InvalidInputError, match=r"'ibm_fez' cannot be opened: Unable to find account; .*fake_fez"
    ) as caught:
        load_backend("ibm_fez")
    assert "\n" not in str(caught.value)


def test_an_ideal_simulator_is_no_device() -> None:
    from qiskit_aer import AerSimulator

    with pytest.raises(InvalidInputError, match="ideal simulator"):
        DeviceSnapshot.from_backend(AerSimulator())


def test_listing_and_refusing_load_no_provider() -> None:
    code = (
        "import sys\n"
        "from qalgs.backends import fake_names, load_backend\n"
        "assert len(fake_names()) >= 60\n"
        "try:\n    load_backend('fake_nothing')\nexcept ValueError:\n    pass\n"
        "bad = {'qiskit_ibm_runtime', 'qiskit_aer', 'qiskit', 'numba'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
