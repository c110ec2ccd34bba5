"""Measure the table behind ``engine="auto"``: ``python -m qalgs.backends.auto_measure`` rewrites it.

One call with one parameter set for a hardware-efficient circuit (three layers) and the transverse-field Ising
chain, single-threaded, best of several repetitions, on each engine and number of qubits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import auto_engines
from qalgs.backends.compiled_estimator import CompiledEstimator
from qalgs.results import write_atomic

SIZES = (4, 6, 8, 10, 12, 14, 16, 18, 20)
HEAD = '''"""Measured seconds per call; written by ``python -m qalgs.backends.auto_measure``, not by hand."""

from __future__ import annotations

'''


def problem(num_qubits: int) -> tuple[object, SparsePauliOp, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Return circuit, observable and one row of parameter values of the measured task."""
    circuit = efficient_su2(num_qubits, reps=3, entanglement="linear")
    terms = [("ZZ", [k, k + 1], 1.0) for k in range(num_qubits - 1)]
    terms += [("X", [k], 0.5) for k in range(num_qubits)]
    operator = SparsePauliOp.from_sparse_list(terms, num_qubits)
    values = np.random.default_rng(7).uniform(-np.pi, np.pi, (1, circuit.num_parameters))
    return circuit, operator, values


def seconds(call: Callable[[], object], budget: float) -> float:
    """Return the least time of one call, repeated for about ``budget`` seconds after a first one."""
    call()
    best, spent = np.inf, 0.0
    while spent < budget:
        start = time.perf_counter()
        call()
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return float(best)


def measure(sizes: tuple[int, ...], budget: float) -> dict[str, dict[int, dict[str, float]]]:
    """Return seconds by work, number of qubits and engine."""
    table: dict[str, dict[int, dict[str, float]]] = {"energy": {}, "gradient": {}}
    ours = CompiledEstimator(engine="compiled")
    for n in sizes:
        circuit, operator, values = problem(n)
        calls: dict[str, dict[str, Callable[[], object]]] = {
            "energy": {
                "compiled": lambda: ours.run([(circuit, operator, values[0])]).result(),  # noqa: B023
                "aer": lambda: auto_engines.aer_energies(circuit, operator, values),  # noqa: B023
                "lightning": lambda: auto_engines.lightning_energies(circuit, operator, values),  # noqa: B023
            },
            "gradient": {
                "compiled": lambda: ours.gradient(circuit, operator, values[0]),  # noqa: B023
                "lightning": lambda: auto_engines.lightning_gradients(circuit, operator, values),  # noqa: B023
            },
        }
        for work, engines in calls.items():
            table[work][n] = {name: float(f"{seconds(call, budget):.3g}") for name, call in engines.items()}
            print(work, n, table[work][n], flush=True)
    return table


def written(table: dict[str, dict[int, dict[str, float]]]) -> str:
    """Return the module's text."""
    lines = [HEAD + "SECONDS: dict[str, dict[int, dict[str, float]]] = {"]
    for work, rows in table.items():
        lines.append(f'    "{work}": {{')
        for size, row in rows.items():
            cells = ", ".join(f'"{name}": {value!r}' for name, value in row.items())
            lines.append(f"        {size}: {{{cells}}},")
        lines.append("    },")
    return "\n".join([*lines, "}"]) + "\n"


def main() -> None:
    """Measure and write ``auto_table.py`` beside this file."""
    parser = argparse.ArgumentParser(description="Measure the crossover between the engines.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of qubits")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds per measurement")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    arguments = parser.parse_args()
    table = measure(tuple(arguments.sizes), arguments.budget)
    if not arguments.dry_run:
        write_atomic(Path(__file__).with_name("auto_table.py"), written(table))


if __name__ == "__main__":
    main()
