"""``qalgs devices``, called in process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from qalgs.backends import DeviceSnapshot, fake_names, summarise
from qalgs.cli import main


def test_table_of_named_devices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "fake_brisbane", "fake_kyoto"]) == 0
    out = capsys.readouterr().out
    brisbane, kyoto = (next(line for line in out.splitlines() if name in line) for name in ("brisbane", "kyoto"))
    cells = [c.strip() for c in brisbane.strip("│ \n").split("│")]
    assert cells[:5] == ["fake_brisbane", "ecr id rz sx x", "127", "143", "1"]
    assert [c.strip() for c in kyoto.strip("│ \n").split("│")][3:6] == ["0", "144", "-"]


def test_problems_are_printed_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--problems", "fake_brisbane", "fake_manila"]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = [f"  {p}" for p in DeviceSnapshot.from_backend("fake_brisbane").problems]
    assert lines == [f"fake_brisbane: {len(expected)} problems", *expected, "fake_manila: no problems"]
    assert any("24" in line and "25" in line and "dead" in line for line in lines)


def test_json_carries_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json", "fake_torino"]) == 0
    (device,) = json.loads(capsys.readouterr().out)
    summary = summarise(DeviceSnapshot.from_backend("fake_torino"))
    assert device == summary.to_dict()
    assert device["num_qubits"] == 133
    assert 1e-4 < device["two_qubit_error"] < 1e-2
    assert len(device["problems"]) == len(summary.problems) > 20


def test_names_load_nothing() -> None:
    code = (
        "import sys\nfrom qalgs.cli import main\nassert main(['devices', '--names']) == 0\n"
        "bad = {'qiskit_ibm_runtime', 'qiskit_aer', 'qiskit'} & set(sys.modules)\nassert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == list(fake_names())


def test_unknown_device_is_one_line_and_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "fake_brisban"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: device must be a known backend, got 'fake_brisban'; did you mean fake_brisbane?\n"
    )
