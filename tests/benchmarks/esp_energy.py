"""Does ESP predict energy? ``python -m tests.benchmarks.esp_energy [device] [every]``.

Scores every map of a six-qubit chain's circuit (or every ``every``-th), simulates its exact noisy energy there at
trained and at random parameters, and prints Spearman's rank correlation of ESP and energy, the ESP with and
without readout. At trained parameters noise only raises the energy, so a good map should be a low one; at random
parameters nothing of the kind is to be expected, which makes them the control.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot, exact_observable, exact_program
from qalgs.circuits import tfim
from qalgs.nest import Job, LayoutCatalogue
from qalgs.nest.executor import Bench
from qalgs.optimizers import LBFGS, minimize

Array = NDArray[np.float64]


def chain(n: int = 6, reps: int = 3) -> Job:
    """Return the transverse-field Ising chain at J = h = 1 with a linear ansatz."""
    return Job("chain", efficient_su2(n, reps=reps, entanglement="linear"), tfim(n, 1.0, 1.0))


def trained(job: Job, seed: int = 1) -> tuple[Array, float]:
    """Return the parameters of the lowest noise-free energy that L-BFGS finds, and that energy."""
    program, observable = exact_program(job.circuit), exact_observable(job.observable)

    def energy(points: Array) -> Array:
        return np.asarray(observable.expectation(program.states(points)), dtype=np.float64)

    def slope(points: Array) -> tuple[Array, Array]:
        states = program.states(points)
        gradients = 2 * program.vjp(points, observable.apply(states)).real
        return energy(points), np.asarray(gradients, dtype=np.float64)

    found = minimize(LBFGS(), energy, job.first_point(seed), gradient=slope, seed=seed, budget=2000)
    return np.asarray(found.x, dtype=np.float64), float(found.value)


def correlations(
    job: Job, snapshot: DeviceSnapshot, points: dict[str, Array], every: int = 1
) -> tuple[int, dict[str, dict[str, float]]]:
    """Return the number of maps, and Spearman's correlation of ESP and exact noisy energy over them.

    Args:
        job: The job.
        snapshot: The device.
        points: Named parameters, each of shape (d,).
        every: Take every so-manieth map of the catalogue, which is in order of ESP.
    """
    from scipy.stats import spearmanr

    catalogue = LayoutCatalogue.for_circuit(job.circuit, snapshot)
    rows = np.arange(0, len(catalogue), every)
    stacked = np.stack(list(points.values()))
    energies = np.array([Bench(job, tuple(catalogue[int(r)]), snapshot).exact(stacked) for r in rows])
    readout = np.array([np.exp(catalogue.chip.log_readout[list(catalogue.maps[r])].sum()) for r in rows])
    scores = {"ESP": catalogue.esp[rows], "ESP of the gates alone": catalogue.esp[rows] / readout}
    found = {
        name: {label: float(spearmanr(score, energies[:, i]).statistic) for label, score in scores.items()}
        for i, name in enumerate(points)
    }
    return len(rows), found


def main(arguments: list[str]) -> None:
    """Print the table."""
    device = arguments[0] if arguments else "fake_brisbane"
    every = int(arguments[1]) if len(arguments) > 1 else 1
    job, snapshot = chain(), DeviceSnapshot.from_backend(device)
    theta, energy = trained(job)
    rng = np.random.default_rng(7)
    points: dict[str, Any] = {"trained": theta}
    points |= {f"random {k + 1}": rng.uniform(-np.pi, np.pi, theta.size) for k in range(2)}
    count, found = correlations(job, snapshot, points, every)
    print(f"{count} maps of {job.num_qubits} qubits on {device}; noise-free trained energy {energy:.4f}")
    for name, row in found.items():
        print(
            f"{name:10s} " + ", ".join(f"Spearman({label}, energy) = {value:+.3f}" for label, value in row.items())
        )


if __name__ == "__main__":
    main(sys.argv[1:])
