"""All four levels of the two-qubit H2 operator: this package, qiskit-algorithms' VQD and a PennyLane VQD.

    python -m tests.benchmarks.table tests/benchmarks/bench_eigengame.py

Every row is one run with the same ansatz, starting points and optimiser, to 1.6 mHa on all four states (checked;
the error of the sampled peer is only recorded). qiskit-algorithms optimises without gradients on overlaps of
10 000 shots, since its fidelities need a sampler; the PennyLane VQD is that of its demos: Adam, backpropagated
states, overlaps by the adjoint circuit. qiskit-algorithms runs with its own optimisers, which are SciPy's, and
with the COBYLA object of our runs.
``QALGS_FAST=1`` runs a few evaluations of each.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from qalgs.circuits import hardware_efficient, molecule
from qalgs.eigengame import ExcitedStates
from qalgs.optimizers import COBYLA, Adam, NelderMead, minimize

FAST = bool(os.environ.get("QALGS_FAST"))
K, BETA, SEED = 4, 3.0, 3
STEPS = 2 if FAST else 150
RATE, TOLERANCE, BUDGET = 0.15, 1e-4, 1000
WORK = "four levels of H2 (2 qubits)"
MOLECULE = molecule("H2", 0.735, mapping="parity")
ANSATZ = hardware_efficient(2, 2)
EXACT = MOLECULE.energies(K)
STARTS = np.random.default_rng(SEED).uniform(-np.pi, np.pi, (K, ANSATZ.num_parameters))


def check(energies: np.ndarray, tolerance: float = 1.6e-3) -> None:
    if not FAST:
        assert np.abs(np.sort(energies) - EXACT).max() < tolerance


def ours(method: str, optimizer: Any, budget: int) -> np.ndarray:
    solver = ExcitedStates(
        k=K,
        method=method,
        ansatz=ANSATZ,
        optimizer=optimizer,
        restarts=1,
        budget=budget,
        seed=SEED,
        **PENALTY[method],
    )
    return solver.run(MOLECULE, initial=STARTS).energies


PENALTY: dict[str, dict[str, Any]] = {"vqd": {"penalty": BETA}, "eigengame": {}, "hotelling": {}}


OPTIMIZERS = {"COBYLA": COBYLA(rhobeg=1.0, tol=TOLERANCE), "Nelder-Mead": NelderMead(xatol=1e-3, fatol=TOLERANCE)}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("method", ["vqd", "eigengame"])
def test_ours_without_gradient(benchmark: Any, method: str, name: str) -> None:
    benchmark.group = f"{WORK}, {name}, {method}"
    benchmark.extra_info.update(
        peer="qalgs", target={"qiskit-algorithms VQD": 100, "qiskit-algorithms VQD, our COBYLA": 100}
    )
    check(ours(method, OPTIMIZERS[name], BUDGET))
    benchmark.pedantic(lambda: ours(method, OPTIMIZERS[name], BUDGET), rounds=1 if FAST else 5)


@pytest.mark.parametrize("method", ["vqd", "eigengame"])
def test_ours_with_adam(benchmark: Any, method: str) -> None:
    benchmark.group = f"{WORK}, Adam, {method}"
    benchmark.extra_info.update(peer="qalgs", target={"PennyLane VQD": 30})
    check(ours(method, Adam(lr=RATE), STEPS))
    benchmark.pedantic(lambda: ours(method, Adam(lr=RATE), STEPS), rounds=1 if FAST else 5)


def test_ours_with_defaults(benchmark: Any) -> None:
    benchmark.group = f"{WORK}, defaults"
    benchmark.extra_info.update(peer="qalgs")
    solver = ExcitedStates(k=K, seed=SEED)
    check(solver.run(MOLECULE).energies)
    benchmark.pedantic(lambda: solver.run(MOLECULE), rounds=1 if FAST else 5)


@pytest.mark.parametrize("name", [*OPTIMIZERS, "our COBYLA"])
@pytest.mark.parametrize("method", ["vqd", "eigengame"])
def test_qiskit_algorithms_vqd(benchmark: Any, method: str, name: str) -> None:
    algorithms = pytest.importorskip("qiskit_algorithms")
    from qiskit.primitives import StatevectorEstimator, StatevectorSampler
    from qiskit_algorithms import optimizers
    from qiskit_algorithms.state_fidelities import ComputeUncompute

    most = 8 if FAST else BUDGET

    def compiled(fun: Any, x0: np.ndarray, jac: Any, bounds: Any) -> Any:
        found = minimize(OPTIMIZERS["COBYLA"], lambda p: float(np.real(fun(p[0]))), x0, budget=most)
        result = optimizers.OptimizerResult()
        result.x, result.fun, result.nfev = found.x, found.value, found.evaluations
        return result

    chosen = {
        "our COBYLA": compiled,
        "COBYLA": optimizers.COBYLA(maxiter=most, rhobeg=1.0, tol=TOLERANCE),
        "Nelder-Mead": optimizers.NELDER_MEAD(
            maxiter=most, maxfev=most, xatol=1e-3, adaptive=True, options={"fatol": TOLERANCE}
        ),
    }

    def run() -> np.ndarray:
        rng = np.random.default_rng(SEED)
        solver = algorithms.VQD(
            StatevectorEstimator(seed=rng),
            ComputeUncompute(StatevectorSampler(default_shots=10_000, seed=rng)),
            ANSATZ,
            chosen[name],
            k=K,
            betas=[BETA] * K,
            initial_point=list(STARTS),
        )
        return np.real(solver.compute_eigenvalues(MOLECULE.hamiltonian).eigenvalues)

    benchmark.group = f"{WORK}, {name.removeprefix('our ')}, {method}"
    benchmark.extra_info["peer"] = "qiskit-algorithms VQD" + (", our COBYLA" if name == "our COBYLA" else "")
    energies = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["error"] = float(np.abs(np.sort(energies) - EXACT).max())


@pytest.mark.parametrize("method", ["vqd", "eigengame"])
def test_pennylane_vqd(benchmark: Any, method: str) -> None:
    import pennylane as qp
    from pennylane import numpy as pnp

    letters = {"X": qp.X, "Y": qp.Y, "Z": qp.Z, "I": qp.I}
    terms = [
        qp.prod(*(letters[letter](wire) for wire, letter in enumerate(reversed(label))))
        for label in MOLECULE.hamiltonian.paulis.to_labels()
    ]
    hamiltonian = qp.dot(MOLECULE.hamiltonian.coeffs.real, terms)
    device = qp.device("default.qubit", wires=2)

    def ansatz(x: Any) -> None:
        for layer in range(3):
            for wire in range(2):
                qp.RY(x[2 * layer + wire], wires=wire)
            if layer < 2:
                qp.CNOT(wires=[0, 1])

    @qp.qnode(device)
    def energy(x: Any) -> Any:
        ansatz(x)
        return qp.expval(hamiltonian)

    @qp.qnode(device)
    def overlap(x: Any, parent: Any) -> Any:
        ansatz(x)
        qp.adjoint(ansatz)(parent)
        return qp.probs(wires=[0, 1])

    def run() -> np.ndarray:
        found: list[Any] = []
        for start in STARTS:
            x = pnp.array(start, requires_grad=True)
            parents = list(found)

            def cost(x: Any, parents: list[Any] = parents) -> Any:
                return energy(x) + BETA * sum(overlap(x, parent)[0] for parent in parents)

            optimizer = qp.AdamOptimizer(RATE)
            for _ in range(STEPS):
                x = optimizer.step(cost, x)
            found.append(x)
        return np.array([float(energy(x)) for x in found])

    benchmark.group = f"{WORK}, Adam, {method}"
    benchmark.extra_info["peer"] = "PennyLane VQD"
    check(benchmark.pedantic(run, rounds=1))
