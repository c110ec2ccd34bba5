"""Two-qubit H2 under shots and noise: ``python -m tests.benchmarks.eigengame_shots [shots|noise|device] [seeds]``.

``shots``: largest error over four levels at 1000 shots a circuit, and circuits against VQD's. ``noise``: 2 %
two-qubit depolarising error with and without self-calibration. ``device``: the same on a compact fake_brisbane.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np

from qalgs.circuits import molecule
from qalgs.eigengame import ExcitedStates
from qalgs.eigengame.penalty import collapse_threshold
from qalgs.errors import QalgsWarning

H2 = molecule("H2", 0.735, mapping="parity")
EXACT = H2.energies(4)


def shots(seeds: int) -> None:
    """Print the success rate and the circuits of each method."""
    circuits = {}
    for method in ("eigengame", "hotelling", "vqd"):
        measured, true, used, start = [], [], [], time.process_time()
        for seed in range(seeds):
            result = ExcitedStates(k=4, method=method, shots=1000, seed=seed).run(H2)
            measured.append(1e3 * float(np.abs(result.energies - EXACT).max()))
            true.append(1e3 * float(np.abs(result.noiseless_energies() - EXACT).max()))
            used.append(result.costs.circuits)
        circuits[method] = np.mean(used)
        ok = sum(max(a, b) <= 1.6 for a, b in zip(measured, true, strict=True))
        print(
            f"{method:10s} {ok}/{seeds} within 1.6 mHa; measured {np.round(measured, 2)}, "
            f"true {np.round(true, 2)} mHa"
        )
        print(f"{'':10s} {circuits[method]:.0f} circuits, {(time.process_time() - start) / seeds:.1f} CPU s a run")
    print(f"circuits eigengame/vqd = {circuits['eigengame'] / circuits['vqd']:.3f}")


def estimator(device: bool) -> Any:
    """Return Aer with 2 % depolarising error, or a compact device with an ancilla."""
    if device:
        from qalgs.backends import DeviceSnapshot, NoisyEstimator

        return NoisyEstimator(DeviceSnapshot.from_backend("fake_brisbane"), [0, 1, 2])
    from qiskit_aer.noise import NoiseModel, depolarizing_error
    from qiskit_aer.primitives import EstimatorV2

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cx"])
    options = {"method": "density_matrix", "noise_model": model, "max_parallel_threads": 1}
    return EstimatorV2(options={"backend_options": options})


def noise(seeds: int, device: bool) -> None:
    """Print the true energies of the prepared states with and without calibration."""
    c = 0.5 + H2.nuclear_repulsion
    needed = collapse_threshold(EXACT[3] - EXACT[0], c, EXACT[0])
    for seed in range(seeds):
        cases: tuple[tuple[str, dict[str, Any]], ...] = (
            ("c = 0.5 Ha (electronic), raw", {"shift": c, "calibrate": False}),
            ("c = 0.5 Ha (electronic), calibrated", {"shift": c}),
            ("automatic c, calibrated", {}),
        )
        for label, options in cases:
            result = ExcitedStates(k=4, seed=seed, estimator=estimator(device), **options).run(H2)
            error = 1e3 * (result.noiseless_energies() - EXACT)
            print(
                f"seed {seed} {label:36s} f = {result.attenuations.min():.3f} (level 3 needs {needed:.3f}), ",
                end="",
            )
            print(f"true error {np.round(error, 2)} mHa, {result.status.name}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", QalgsWarning)
    what = sys.argv[1] if len(sys.argv) > 1 else "shots"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    if what == "shots":
        shots(count)
    else:
        noise(count, what == "device")
