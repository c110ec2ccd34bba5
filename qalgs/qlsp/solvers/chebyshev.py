"""Inversion as a linear combination of Chebyshev polynomials, each a power of the qubitised walk."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from qiskit import QuantumCircuit

from qalgs.circuits.qsvt import reflect_zero
from qalgs.circuits.state_preparation import prepare_state
from qalgs.errors import expect, invalid

from ..execution import Executor, Program, RightHandSide
from ..polynomials import cks_inverse, cks_parameters
from ..resources import SystemModel
from .base import Cost, InnerSolver
from .problem import InnerRun, Problem, hermitise


@dataclass(frozen=True, eq=False)
class ChebyshevLCU(InnerSolver):
    """Childs, Kothari and Somma (1511.02306): ``1/x = 4 sum_j (-1)^j c_j T_{2j+1}(x)`` by LCU.

    An index register in ``sum_j sqrt(c_j) |j>`` steers powers of the walk ``W = (2|0><0| - 1) U_A``, binary
    digit by binary digit: ``2^{m+1} - 1`` calls of ``U_A`` for ``2^m`` terms. Only the reflections are
    controlled, since ``U_A^2 = 1`` undoes an idle pair of calls.

    Attributes:
        terms: Number of terms instead of the guaranteed ``j0 + 1``; rounded up to a power of two.

    Example:
        >>> from qalgs.qlsp import random_system
        >>> ChebyshevLCU(epsilon=0.1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    terms: int | None = None

    def __post_init__(self) -> None:
        expect(Integral, type(None), terms=self.terms)
        super().__post_init__()
        if self.terms is not None and self.terms < 1:
            raise invalid("terms", self.terms, "must be at least 1")

    def index_qubits(self, kappa: float, epsilon: float) -> int:
        """Return ``m``, the size of the index register."""
        count = self.terms or cks_parameters(kappa, epsilon)[1] + 1
        return max(1, int(count - 1).bit_length())

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return the queries of the circuit; the weights sum to ``2 sqrt(b/pi)``."""
        m = self.index_qubits(kappa, epsilon)
        b, _ = cks_parameters(kappa, epsilon)
        amplitude = min(1.0, model.y_norm * model.alpha / (2.0 * np.sqrt(b / np.pi)))
        queries = float(2 ** (m + 1) - 1)
        return Cost(queries, 1.0, queries, m, amplitude**2)

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Run one circuit."""
        inside, extract = hermitise(problem)
        m = self.index_qubits(inside.kappa, epsilon)
        if m > 14:
            raise invalid("kappa", inside.kappa, "must need at most 2**14 terms to be executed", "use estimate()")
        key = ("chebyshev", m, inside.kappa, epsilon, executor.exact, inside.real)
        program = inside.cached(key, lambda: self._program(inside, epsilon, m, executor.exact))
        run = InnerRun.of(
            program,
            executor.read(program, inside.rhs),
            stated_error=float("nan") if self.terms is not None else epsilon,
            details={"terms": 2**m, "weight": program.scale},
        )
        return run if inside is problem else run.mapped(extract)

    def _program(self, problem: Problem, epsilon: float, m: int, dense: bool) -> Program:
        encoding, n = problem.encoding, problem.encoding.num_system
        series = cks_inverse(problem.kappa, epsilon, terms=2**m)
        weights = np.abs(series.coefficients[1::2])
        flags = list(range(n, encoding.num_qubits))
        index = list(range(encoding.num_qubits, encoding.num_qubits + m))
        rhs = RightHandSide(None, n, real=problem.real, dense=False)
        circuit = QuantumCircuit(encoding.num_qubits + m, name="chebyshev_lcu")
        circuit.append(rhs.gate(), range(n))
        prepare = prepare_state(np.sqrt(weights))
        circuit.compose(prepare, index, inplace=True)
        # The sign (-1)^j sits on the lowest digit of j.
        circuit.z(index[0])
        for digit, control in enumerate(index):
            for _ in range(2 ** (digit + 1)):
                encoding.append(circuit, range(n), flags, dense=dense)
                reflect_zero(circuit, flags, control)
        encoding.append(circuit, range(n), flags, dense=dense)
        circuit.compose(prepare.inverse(), index, inplace=True)
        return Program(circuit, n, rhs.template, float(weights.sum()), 2 ** (m + 1) - 1, problem.real)
