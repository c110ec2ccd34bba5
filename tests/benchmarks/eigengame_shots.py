"""Two-qubit H2 under shots and noise.

``python -m tests.benchmarks.eigengame_shots shots [seeds]``: largest error over four levels at 1000 shots a
circuit, and circuits against VQD's.

``python -m tests.benchmarks.eigengame_shots noise [seeds] [device ...]``: collapse without calibration, predicted
and seen, and the errors with it, on 2 % two-qubit depolarising error (``aer``) and compact fake devices. All noisy
expectation values are exact, so seeds differ in their starts only.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np

from qalgs.circuits import molecule
from qalgs.eigengame import ExcitedStates
from qalgs.eigengame.measured import MeasuredPlayers
from qalgs.eigengame.problem import prepare
from qalgs.eigengame.sequential import COLLAPSE
from qalgs.errors import QalgsWarning

H2 = molecule("H2", 0.735, mapping="parity")
EXACT = H2.energies(4)
LIMIT = 3.0
SHIFTS = (0.5, 0.1)


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


def estimator(device: str) -> Any:
    """Return Aer with 2 % depolarising error, or a compact device with an ancilla."""
    if device != "aer":
        from qalgs.backends import DeviceSnapshot, NoisyEstimator

        return NoisyEstimator(DeviceSnapshot.from_backend(device), [0, 1, 2])
    from qiskit_aer.noise import NoiseModel, depolarizing_error
    from qiskit_aer.primitives import EstimatorV2

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cx"])
    options = {"method": "density_matrix", "noise_model": model, "max_parallel_threads": 1}
    return EstimatorV2(options={"backend_options": options})


def predicted(device: str, parameters: np.ndarray, shift: float) -> tuple[float, float, bool]:
    """Return f^2, what it must exceed, and whether a level falls: of the pair of levels with the least margin.

    All energies are those that the device shows, so the rule is f^2 < (E_k - E_j) / (c - E_j) for measured E.
    """
    problem = prepare(H2, k=4, ansatz="auto")
    players = MeasuredPlayers(problem, estimator=estimator(device), rng=np.random.default_rng(0), calibrate=False)
    levels = [players.snapshot(x) for x in parameters]
    c = shift - problem.offset
    pairs = [
        (players.attenuation(j, c) ** 2, (k.energy - j.energy) / (c - j.energy))
        for i, k in enumerate(levels)
        for j in levels[:i]
    ]
    kept, needed = min(pairs, key=lambda pair: pair[0] / pair[1])
    return kept, needed, kept < needed


def noise(seeds: int, device: str) -> None:
    """Print predicted and observed collapse without calibration, and the errors with it (default settings)."""
    errors = []
    for seed in range(seeds):
        run = ExcitedStates(k=4, seed=seed, estimator=estimator(device)).run(H2)
        truth = run.noiseless_energies()
        row = [1e3 * float(np.abs(x).max()) for x in (truth - EXACT, run.energies - truth, run.energies - EXACT)]
        errors.append(row)
        print(
            f"{device} seed {seed}: calibrated, defaults: states {row[0]:.2f}, reported - states {row[1]:.2f}, "
            f"reported {row[2]:.2f} (+- {1e3 * run.errors.max():.1f}) mHa",
            flush=True,
        )
        for electronic in SHIFTS[:1] if device == "aer" else SHIFTS:
            shift = electronic + H2.nuclear_repulsion
            kept, needed, falls = predicted(device, run.parameters, shift)
            options: dict[str, Any] = {"shift": shift, "calibrate": False, "estimator": estimator(device)}
            raw = ExcitedStates(k=4, seed=seed, **options).run(H2)
            overlap = np.triu(np.abs(raw.states.conj() @ raw.states.T) ** 2, 1).max()
            print(
                f"    uncalibrated, c = {electronic} Ha: f^2 = {kept:.3f}, must exceed {needed:.3f}: collapse "
                f"{'' if falls else 'not '}predicted, {'' if overlap > COLLAPSE else 'not '}seen (overlap "
                f"{overlap:.2f}, level off by {1e3 * np.abs(raw.noiseless_energies() - EXACT).max():.0f} mHa)",
                flush=True,
            )
    names = ("true energy of the states", "reported - true", "reported")
    for name, column in zip(names, np.array(errors).T, strict=True):
        print(
            f"{device}: {name:26s} within {LIMIT} mHa in {int((column <= LIMIT).sum())}/{seeds}; "
            f"median {np.median(column):.2f}, worst {column.max():.2f}"
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore", QalgsWarning)
    what = sys.argv[1] if len(sys.argv) > 1 else "shots"
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    if what == "shots":
        shots(number)
    else:
        for name in sys.argv[3:] or ("aer", "fake_brisbane", "fake_torino"):
            noise(number, name)
