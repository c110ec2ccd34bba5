"""The variational quantum linear solver, which says when it has failed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits.oracles import A_LABEL, controlled_last, oracle_gate
from qalgs.errors import expect, invalid
from qalgs.optimizers import COBYLA, LBFGS, Optimizer, minimize
from qalgs.results import Status

from ..execution import Executor, Program, RightHandSide
from ..resources import SystemModel
from .base import Cost, InnerSolver
from .problem import InnerRun, Problem

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VQLS(InnerSolver):
    """Minimise ``C = 1 - |<b|A|v>|^2 / <v|A^2|v>`` over ``|v> = V(theta)|0>`` (Bravo-Prieto et al., 1909.05820).

    The matrix enters as its Pauli terms. With shots, ``<b|P_l|v>`` comes from one Hadamard test a term and part,
    and ``<v|A^2|v>`` from Pauli measurements. Exactly, the same quantities come from the ansatz's amplitudes, with
    adjoint gradients; the queries stated are then those that the tests would have made. ``kappa sqrt(C)`` bounds
    the sine of the angle to the solution; a run whose bound misses ``epsilon`` ends as ``FAILED``, whatever its
    true error.

    Attributes:
        layers: Layers of the ansatz; by default twice the least number of angles the state needs.
        restarts: Random starting points.
        budget: Evaluations of ``C`` for each start.
        optimizer: Any optimiser; by default L-BFGS exactly and COBYLA with shots.
        seed: Seed of the starting points.

    Example:
        >>> from qalgs.qlsp import random_system
        >>> VQLS(epsilon=0.1, seed=1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    layers: int | None = None
    restarts: int = 4
    budget: int = 400
    optimizer: Optimizer | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        expect(Integral, restarts=self.restarts, budget=self.budget, seed=self.seed)
        expect(Integral, type(None), layers=self.layers)
        expect(Optimizer, type(None), optimizer=self.optimizer)
        super().__post_init__()
        for name in ("restarts", "budget"):
            if getattr(self, name) < 1:
                raise invalid(name, getattr(self, name), "must be at least 1")
        if self.seed < 0:
            raise invalid("seed", self.seed, "must be non-negative")
        if self.layers is not None and self.layers < 1:
            raise invalid("layers", self.layers, "must be at least 1")

    def ansatz(self, num_qubits: int, *, real: bool) -> QuantumCircuit:
        """Return RY (and RZ) layers between chains of CX."""
        kinds = 1 if real else 2
        needed = int(np.ceil(2.0 * (2**num_qubits - 1) / num_qubits))
        layers = self.layers if self.layers is not None else max(2, needed)
        theta = ParameterVector("v", num_qubits * (layers + 1) * kinds)
        circuit = QuantumCircuit(num_qubits, name="V")
        used = 0
        for layer in range(layers + 1):
            for q in range(num_qubits):
                circuit.ry(theta[used], q)
                used += 1
                if kinds == 2:
                    circuit.rz(theta[used], q)
                    used += 1
            if layer < layers:
                for q in range(num_qubits - 1):
                    circuit.cx(q, q + 1)
        return circuit

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return the budget times the number of Pauli terms (at most ``4**n``): a heuristic has no bound."""
        terms = 4.0 ** min(model.num_qubits, 64)
        queries = float(self.budget * self.restarts) * terms
        return Cost(queries, queries, 1.0, 1, 1.0)

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Optimise from each start until the bound meets ``epsilon``."""
        block = problem.encoding.matrix / problem.encoding.alpha
        n = problem.encoding.num_system
        if n > 8:
            raise invalid("num_qubits", n, "must be at most 8 for VQLS", "its Pauli terms number 4**n")
        terms = SparsePauliOp.from_operator(block).simplify(atol=1e-12)
        ansatz = self.ansatz(n, real=problem.real)
        exact = executor.exact
        loss: _ExactLoss | _SampledLoss
        if exact:
            loss = _ExactLoss(ansatz, block, problem.rhs, executor.name)
        else:
            loss = _SampledLoss(ansatz, terms, problem, executor)
        optimizer = self.optimizer or (LBFGS() if exact else COBYLA(rhobeg=0.6))
        rng = np.random.default_rng(self.seed)
        best_value, best_x, evaluations = np.inf, np.zeros(ansatz.num_parameters), 0
        # sin(angle) <= kappa sqrt(C) turns epsilon into a target for C.
        target = (np.sin(2.0 * np.arcsin(min(epsilon, 1.0) / 2.0)) / problem.kappa) ** 2
        for _ in range(self.restarts):
            start = rng.uniform(-np.pi, np.pi, size=ansatz.num_parameters)
            found = minimize(
                optimizer,
                loss.values,
                start,
                gradient=loss.gradients if isinstance(loss, _ExactLoss) else None,
                seed=int(rng.integers(2**31)),
                budget=self.budget,
                callback=lambda run: bool(run.best_value <= 0.25 * target),
            )
            evaluations += int(found.evaluations)
            if float(found.value) < best_value:
                best_value, best_x = float(found.value), np.asarray(found.x)
            if best_value <= target:
                break
        # With shots the best of many noisy values flatters: measure again and add three standard errors.
        value = max(best_value, 0.0) if exact else loss.upper(best_x)
        sine = min(1.0, problem.kappa * float(np.sqrt(value)))
        stated = float(2.0 * np.sin(np.arcsin(sine) / 2.0)) if sine < 1.0 else float(np.sqrt(2.0))
        program = Program(ansatz.assign_parameters(best_x), n, None, 0.0, 1, problem.real)
        reading = executor.read(program, problem.rhs)
        failed = stated > epsilon
        text = f"the bound kappa sqrt(C) = {stated:.2g} misses epsilon = {epsilon:g} (C = {value:.2g}); "
        text += "raise layers, restarts or budget"
        tests = len(terms) * (1 if problem.real else 2)
        times = evaluations if exact else evaluations + 1
        details = {"cost": value, "evaluations": evaluations, "terms": len(terms)}
        return replace(
            InnerRun.of(program, reading, stated_error=stated, details=details),
            queries_A=tests * times,
            queries_b=tests * times,
            shots=reading.shots + loss.shots,
            circuits=reading.circuits + loss.circuits,
            status=Status.FAILED if failed else Status.CONVERGED,
            message=text if failed else "",
            executed=tuple((test.circuit, times) for parts in getattr(loss, "tests", ()) for test in parts),
        )


class _ExactLoss:
    """``C`` and its gradient from amplitudes of the ansatz, by the engine named."""

    def __init__(
        self, ansatz: QuantumCircuit, block: NDArray[np.complex128], rhs: NDArray[Any], engine: str = "compiled"
    ) -> None:
        from qalgs.backends import exact_program

        self.program = exact_program(ansatz, engine)
        self.block = block
        self.target = block.conj().T @ rhs
        self.shots = self.circuits = 0

    def upper(self, theta: Array) -> float:
        """``C`` itself: nothing is uncertain."""
        return float(self.values(theta[None, :])[0])

    def _parts(self, points: Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128], Array]:
        states = self.program.states(np.ascontiguousarray(points))
        image = states @ self.block.T
        return image, states @ self.target.conj(), np.einsum("bi,bi->b", image.conj(), image).real

    def values(self, points: Array) -> Array:
        """``C`` for each row."""
        _, overlap, size = self._parts(points)
        return np.asarray(1.0 - np.abs(overlap) ** 2 / size)

    def gradients(self, points: Array) -> tuple[Array, Array]:
        """``C`` and ``dC`` for each row, by one adjoint sweep."""
        image, overlap, size = self._parts(points)
        value = np.abs(overlap) ** 2 / size
        cotangent = -(overlap / size)[:, None] * self.target + (value / size)[:, None] * (
            image @ self.block.conj()
        )
        slopes = self.program.vjp(np.ascontiguousarray(points), np.ascontiguousarray(cotangent))
        return 1.0 - value, 2.0 * np.real(slopes)


class _SampledLoss:
    """``C`` from Hadamard tests and Pauli measurements on a sampler; everything is counted."""

    def __init__(self, ansatz: QuantumCircuit, terms: SparsePauliOp, problem: Problem, executor: Executor) -> None:
        self.terms, self.executor, self.problem = terms, executor, problem
        n = ansatz.num_qubits
        rhs = RightHandSide(problem.rhs, n, real=problem.real, dense=False)
        self.tests = [
            [
                _hadamard_test(ansatz, pauli, rhs, imaginary=part)
                for part in ((False,) if problem.real else (False, True))
            ]
            for pauli in terms.paulis
        ]
        self.state = Program(ansatz, n, None, 0.0, 1, problem.real)
        self.square = (terms @ terms).simplify(atol=1e-12)
        self.shots = self.circuits = 0

    def values(self, points: Array) -> Array:
        """``C`` for each row."""
        return np.array([self._value(row) for row in np.atleast_2d(points)])

    def upper(self, theta: Array) -> float:
        """A fresh ``C`` plus three standard errors."""
        return self._value(theta, sigmas=3.0)

    def _value(self, theta: Array, sigmas: float = 0.0) -> float:
        overlap, variance = 0.0 + 0.0j, 0.0
        for coefficient, tests in zip(self.terms.coeffs, self.tests, strict=True):
            parts = [self._zero(test, theta) for test in tests]
            overlap += coefficient * (parts[0] + (1j * parts[1] if len(parts) > 1 else 0.0))
            variance += abs(coefficient) ** 2 * sum(max(0.0, 1.0 - part**2) for part in parts)
        size = max(self._norm(theta), 1e-12)
        spread = 2.0 * abs(overlap) * np.sqrt(variance / float(self.executor.shots or 1)) / size
        return float(max(0.0, 1.0 - abs(overlap) ** 2 / size) + sigmas * spread)

    def _zero(self, program: Program, theta: Array) -> float:
        """``P(0) - P(1)`` of the control, the highest qubit."""
        counts = self.executor.sample(program, program.circuit, theta[None, :], "test")[0]
        total = sum(counts.values())
        ones = sum(c for k, c in counts.items() if k >> program.num_system & 1)
        self.shots += total
        self.circuits += 1
        return 1.0 - 2.0 * ones / total

    def _norm(self, theta: Array) -> float:
        from ..readout import expectation_value

        bound = Program(self.state.circuit.assign_parameters(theta), self.state.num_system, None, 0.0, 1, True)
        found = expectation_value(self.executor, bound, self.problem.rhs, self.square)
        self.shots += found.shots
        self.circuits += found.circuits
        return found.value


def _hadamard_test(ansatz: QuantumCircuit, pauli: object, rhs: RightHandSide, *, imaginary: bool) -> Program:
    """``Re`` or ``Im`` of ``<b|P V|0>`` as the bias of a control qubit."""
    n = ansatz.num_qubits
    circuit = QuantumCircuit(n + 1)
    circuit.h(n)
    if imaginary:
        circuit.sdg(n)
    circuit.append(ansatz.to_gate().control(1), [n, *range(n)])
    body = QuantumCircuit(n)
    body.append(pauli.to_instruction(), range(n))  # type: ignore[attr-defined]
    circuit.append(oracle_gate(controlled_last(body), A_LABEL, controlled=True), range(n + 1))
    circuit.append(rhs.gate(adjoint=True, controlled=True), range(n + 1))
    circuit.h(n)
    return Program(circuit, n, None, 0.0, 1, True)
