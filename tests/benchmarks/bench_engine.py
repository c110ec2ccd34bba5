"""The compiled statevector engine against its peers, every peer timed in the same run.

``pytest tests/benchmarks/bench_engine.py`` (fast smoke mode with QALGS_FAST=1 or --benchmark-disable), or
``python tests/benchmarks/bench_engine.py`` for the table alone. Each call is one evaluation with one parameter
set, warm, single-threaded; bursts of calls of all engines alternate and the least wall time of each counts. The
peers' jobs run in threads, whose processor time some systems account for late: run this on a quiet machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import CompiledEstimator

Floats = npt.NDArray[np.float64]
LAYERS = 3
FAST = os.environ.get("QALGS_FAST") == "1"
ENERGY_SIZES = (4, 8) if FAST else (4, 6, 8, 10, 12)
GRADIENT_SIZES = (4, 8) if FAST else (4, 5, 6, 8, 10, 12, 16, 18, 20)
QULACS_UP_TO = 12


def required(work: str, peer: str, n: int) -> float:
    """The least ratio that the project promises."""
    if work == "energy":
        return 50.0
    if peer == "qulacs":
        return 2.0
    return 100.0 if n <= 6 else 10.0 if n <= 12 else 0.8


@dataclass
class Task:
    """The same layered circuit and Ising chain for everybody."""

    n: int
    values: Floats = field(init=False)
    circuit: QuantumCircuit = field(init=False)
    observable: SparsePauliOp = field(init=False)

    def __post_init__(self) -> None:
        angles = ParameterVector("a", 2 * self.n * (LAYERS + 1))
        self.values = np.random.default_rng(self.n).uniform(-np.pi, np.pi, len(angles))
        self.circuit = QuantumCircuit(self.n)
        for gate, k in self.gates():
            if gate == "cx":
                self.circuit.cx(k, k + 1)
            else:
                getattr(self.circuit, gate)(angles[k], self.qubit(k))
        self.observable = SparsePauliOp.from_sparse_list(
            [("ZZ", [k, k + 1], 1.0) for k in range(self.n - 1)] + [("X", [k], 0.5) for k in range(self.n)], self.n
        )

    def gates(self) -> Iterator[tuple[str, int]]:
        """Gates as (name, index of the angle, or of the control)."""
        angle = 0
        for layer in range(LAYERS + 1):
            for gate in ("ry", "rz"):
                for _ in range(self.n):
                    yield gate, angle
                    angle += 1
            if layer < LAYERS:
                for k in range(self.n - 1):
                    yield "cx", k

    def qubit(self, angle: int) -> int:
        return angle % self.n

    def lightning(self) -> Callable[[], Floats]:
        """PennyLane's adjoint gradient on lightning.qubit."""
        import pennylane as qml
        from pennylane import numpy as pnp

        terms = [qml.Z(k) @ qml.Z(k + 1) for k in range(self.n - 1)] + [qml.X(k) for k in range(self.n)]
        hamiltonian = qml.Hamiltonian([1.0] * (self.n - 1) + [0.5] * self.n, terms)

        def circuit(x: Floats) -> object:
            for gate, k in self.gates():
                if gate == "cx":
                    qml.CNOT([k, k + 1])
                else:
                    (qml.RY if gate == "ry" else qml.RZ)(x[k], self.qubit(k))
            return qml.expval(hamiltonian)

        energy = qml.QNode(circuit, qml.device("lightning.qubit", wires=self.n), diff_method="adjoint")
        point, gradient = pnp.array(self.values, requires_grad=True), qml.grad(energy)
        return lambda: np.asarray(gradient(point))

    def qulacs(self) -> Callable[[], Floats]:
        """qulacs' backpropagation; it counts angles the other way round."""
        import qulacs

        circuit, observable = qulacs.ParametricQuantumCircuit(self.n), qulacs.Observable(self.n)
        for gate, k in self.gates():
            if gate == "cx":
                circuit.add_CNOT_gate(k, k + 1)
            else:
                add = circuit.add_parametric_RY_gate if gate == "ry" else circuit.add_parametric_RZ_gate
                add(self.qubit(k), -self.values[k])
        for k in range(self.n - 1):
            observable.add_operator(1.0, f"Z {k} Z {k + 1}")
        for k in range(self.n):
            observable.add_operator(0.5, f"X {k}")
        return lambda: -np.array(circuit.backprop(observable))

    def gradients(self) -> dict[str, Callable[[], Floats]]:
        ours = CompiledEstimator(engine="auto")
        calls = {"qalgs": lambda: ours.gradient(self.circuit, self.observable, self.values)[1]}
        calls["lightning"] = self.lightning()
        if self.n <= QULACS_UP_TO:
            calls["qulacs"] = self.qulacs()
        return calls

    def energies(self) -> dict[str, Callable[[], Floats]]:
        from qiskit.primitives import BaseEstimatorV2, StatevectorEstimator
        from qiskit_aer.primitives import EstimatorV2

        pub = (self.circuit, self.observable, self.values)
        options = {"backend_options": {"method": "statevector", "max_parallel_threads": 1}}
        engines: dict[str, BaseEstimatorV2] = {
            "qalgs": CompiledEstimator(engine="auto"),
            "StatevectorEstimator": StatevectorEstimator(),
            "Aer EstimatorV2": EstimatorV2(options=options),
        }

        def call(engine: BaseEstimatorV2) -> Floats:
            return np.asarray(engine.run([pub]).result()[0].data.evs)

        return {name: partial(call, engine) for name, engine in engines.items()}


def paired(calls: dict[str, Callable[[], Floats]], budget: float) -> dict[str, float]:
    """Least seconds of each call; calls alternate, cheap ones in bursts, for about ``budget`` seconds in all."""
    cost, first = {}, {}
    for name, call in calls.items():
        first[name] = call()
        start = time.perf_counter()
        call()
        cost[name] = time.perf_counter() - start
    for name, value in first.items():
        assert np.allclose(value, first["qalgs"], atol=1e-8), f"{name} disagrees"
    best = dict.fromkeys(calls, np.inf)
    stop = time.perf_counter() + budget
    rounds = 0
    while rounds < 3 or time.perf_counter() < stop:
        for name, call in calls.items():
            for _ in range(max(1, min(50, int(2e-3 / cost[name])))):
                start = time.perf_counter()
                call()
                best[name] = min(best[name], time.perf_counter() - start)
        rounds += 1
    return best


def report(work: str, n: int, times: dict[str, float]) -> list[str]:
    lines = []
    for peer, seconds in times.items():
        if peer != "qalgs":
            ratio, least = seconds / times["qalgs"], required(work, peer, n)
            mark = "ok" if ratio >= least else "BELOW"
            ours, theirs = times["qalgs"] * 1e6, seconds * 1e6
            lines.append(
                f"{work:9s}{n:3d} qubits  qalgs {ours:10.1f} us  {peer:21s}{theirs:12.1f} us"
                f"  ratio {ratio:7.1f}  required {least:5.1f}  {mark}"
            )
    return lines


_LINES: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + "\n".join(_LINES))


def run(benchmark: BenchmarkFixture, work: str, n: int) -> None:
    task = Task(n)
    calls = task.gradients() if work == "gradient" else task.energies()
    smoke = FAST or benchmark.disabled
    times = paired(calls, 0.0 if smoke else 1.5)
    for peer, seconds in times.items():
        benchmark.extra_info[peer] = seconds
    _LINES.extend(report(work, n, times))
    pedantic: Callable[..., object] = benchmark.pedantic
    pedantic(calls["qalgs"], rounds=1 if smoke else 20, iterations=1, warmup_rounds=1)


@pytest.mark.parametrize("n", GRADIENT_SIZES)
def test_gradient(benchmark: BenchmarkFixture, n: int) -> None:
    run(benchmark, "gradient", n)


@pytest.mark.parametrize("n", ENERGY_SIZES)
def test_energy(benchmark: BenchmarkFixture, n: int) -> None:
    run(benchmark, "energy", n)


if __name__ == "__main__":
    for size in GRADIENT_SIZES:
        print("\n".join(report("gradient", size, paired(Task(size).gradients(), 1.5))), flush=True)
    for size in ENERGY_SIZES:
        print("\n".join(report("energy", size, paired(Task(size).energies(), 1.5))), flush=True)
