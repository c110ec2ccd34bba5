"""The ledger of a solve: oracle calls counted in the circuits that ran, shots, settings, classical products."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qiskit import QuantumCircuit

from qalgs.circuits.oracles import count_queries
from qalgs.results import Status

from .solvers.problem import InnerRun, Vector

__all__ = ["Ledger", "count_queries"]


@dataclass(eq=False)
class Ledger:
    """Adds up the runs of one solve; the queries are those counted in the circuits.

    Attributes:
        queries_A: Calls of the matrix oracle.
        queries_b: Calls of the right-hand side.
        expected_A: A-queries with repetition until success.
        expected_b: b-queries, likewise.
        max_degree: Largest degree in one circuit.
        shots: Shots spent.
        circuits: Settings run.
        matvecs: Classical products with the matrix.
        circuit: The circuit of the largest degree.
        last: The latest run.
        executed: Every circuit with its multiplicity.
    """

    queries_A: int = 0
    queries_b: int = 0
    expected_A: float = 0.0
    expected_b: float = 0.0
    max_degree: int = 0
    shots: int = 0
    circuits: int = 0
    matvecs: int = 0
    circuit: QuantumCircuit | None = None
    last: InnerRun | None = None
    executed: dict[int, tuple[QuantumCircuit, int]] = field(default_factory=dict)

    def add(self, run: InnerRun) -> None:
        """Book one run."""
        p = max(run.probability, 1e-300)
        self.queries_A += run.queries_A
        self.queries_b += run.queries_b
        self.expected_A += run.queries_A / p if run.queries_A_per_success is None else run.queries_A_per_success
        self.expected_b += run.queries_b / p if run.queries_b_per_success is None else run.queries_b_per_success
        if run.max_degree >= self.max_degree:
            self.max_degree, self.circuit = run.max_degree, run.circuit
        self.shots += run.shots
        self.circuits += run.circuits
        self.last = run
        for circuit, times in run.ran():
            # Steps of one solve share their circuit; only its angles differ.
            known = self.executed.get(id(circuit), (circuit, 0))[1]
            self.executed[id(circuit)] = (circuit, known + times)

    def total(
        self, y: Vector, status: Status, message: str, *, norm_known: bool = True, **details: Any
    ) -> InnerRun:
        """Return the sum as one run with solution ``y`` in units of the block."""
        last = self.last
        return InnerRun(
            vector=y,
            norm_known=norm_known,
            probability=1.0 if last is None else last.probability,
            queries_A=self.queries_A,
            queries_b=self.queries_b,
            max_degree=self.max_degree,
            circuit=self.circuit,
            stated_error=float("nan"),
            shots=self.shots,
            circuits=self.circuits,
            status=status,
            message=message,
            details=details,
            queries_A_per_success=self.expected_A,
            queries_b_per_success=self.expected_b,
            executed=tuple(self.executed.values()),
        )
