"""The benchmark of ESP against energy, on few maps: trained parameters follow ESP, its ingredients are right."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from qalgs.backends import DeviceSnapshot

bench: Any = importlib.import_module("tests.benchmarks.esp_energy")
chain, correlations, trained = bench.chain, bench.correlations, bench.trained


def test_a_trained_chain_is_lower_on_better_maps() -> None:
    job, snapshot = chain(3, 1), DeviceSnapshot.from_backend("fake_guadalupe")
    theta, energy = trained(job)
    exact = float(np.linalg.eigvalsh(job.observable.to_matrix())[0])
    assert exact <= energy < 0.9 * exact
    count, found = correlations(job, snapshot, {"trained": theta, "zero": 0 * theta}, every=2)
    assert count > 10
    assert found["trained"]["ESP"] < -0.8
    assert found["trained"]["ESP"] < found["trained"]["ESP of the gates alone"]
    for row in found.values():
        assert all(value == pytest.approx(value) and -1 <= value <= 1 for value in row.values())
