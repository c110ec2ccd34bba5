"""The protocol of solvers: everything that solves a linear system, inner or meta, looks like this."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import BlockEncoding, Dilation, is_hermitian
from qalgs.errors import QalgsWarning, invalid
from qalgs.results import Status
from qalgs.seeds import Seed, root_seed

from ..execution import Executor, Program
from ..linear_system import Kind, LinearSystem
from ..polynomials import check_epsilon
from ..resources import CostEstimate, SystemModel, circuit_cost, model_of
from ..result import QLSPResult, Step, Verdict
from ..verify import direction_error, error_split

Vector = NDArray[Any]
Callback = Callable[[Step], object]


@dataclass(frozen=True, eq=False)
class Problem:
    """What an inner solver gets: an encoding and a right-hand side, nothing else.

    Attributes:
        encoding: Block encoding; the solver inverts ``block = matrix / alpha``.
        rhs: Unit vector.
        kappa: Inverse of the smallest singular value of the block.
        positive: Whether the block is positive definite.
        real: Whether everything is real.
    """

    encoding: BlockEncoding
    rhs: Vector
    kappa: float
    positive: bool
    real: bool

    def exact(self) -> Vector:
        """Return ``block^{-1} rhs`` by classical elimination (the reference of verification)."""
        block = self.encoding.matrix / self.encoding.alpha
        return np.linalg.solve(block.real if self.real else block, self.rhs)

    @property
    def hermitian(self) -> bool:
        """Whether the encoded matrix is Hermitian."""
        return self.encoding.hermitian


@dataclass(frozen=True, eq=False)
class InnerRun:
    """What an inner solver gives back for a problem.

    Attributes:
        vector: Estimate of ``block^{-1} rhs``, phase and norm included if ``norm_known``.
        norm_known: Whether the norm means anything.
        probability: Success probability of the circuit.
        queries_A: A-oracle gates in the circuits that make up one pass.
        queries_b: b-oracle gates, likewise.
        max_degree: Degree, or sequential queries of the longest circuit.
        circuit: The (last) circuit.
        stated_error: Direction error that the solver states for itself.
        shots: Shots spent.
        circuits: Settings run.
        status: How it ended.
        message: A sentence if something is to be said.
        program: The program, for observables.
        details: Solver's own numbers.
        queries_A_per_success: Where it is not ``queries_A / probability``.
        queries_b_per_success: Likewise.
        density: Density matrix of the state prepared, where tomography has seen it.
        executed: All circuits of the pass, if there are more than ``circuit``.
    """

    vector: Vector
    norm_known: bool
    probability: float
    queries_A: int
    queries_b: int
    max_degree: int
    circuit: QuantumCircuit | None
    stated_error: float
    shots: int = 0
    circuits: int = 0
    status: Status = Status.CONVERGED
    message: str = ""
    program: Program | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    queries_A_per_success: float | None = None
    queries_b_per_success: float | None = None
    density: NDArray[np.complex128] | None = None
    executed: tuple[tuple[QuantumCircuit, int], ...] = ()

    def ran(self) -> tuple[tuple[QuantumCircuit, int], ...]:
        """Every circuit of the pass with the number of times that it counts."""
        if self.executed or self.circuit is None:
            return self.executed
        return ((self.circuit, 1),)

    def fidelity(self, state: Vector, reference: Vector) -> float:
        """Overlap with ``reference``: of the mixed state prepared if it was seen, else of ``state``."""
        unit = reference / np.linalg.norm(reference)
        if self.density is not None and self.density.shape == (unit.size, unit.size):
            return float(np.vdot(unit, self.density @ unit).real)
        size = float(np.linalg.norm(state))
        return float(abs(np.vdot(unit, state)) ** 2 / size**2) if size > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Formula cost of one pass of an inner solver: A-queries, b-queries, longest circuit, extra qubits, p."""

    queries_A: float
    queries_b: float
    degree: float
    extra_qubits: int
    probability: float


class Solver(ABC):
    """Anything with ``solve`` and ``estimate``."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name for tables."""

    @abstractmethod
    def solve(
        self,
        system: LinearSystem,
        *,
        epsilon: float | None = None,
        backend: object = None,
        sampler: Any = None,
        estimator: Any = None,
        shots: int | None = None,
        seed: Seed = None,
        observables: Mapping[str, ArrayLike] | None = None,
        callback: Callback | None = None,
        executor: Executor | None = None,
    ) -> QLSPResult:
        """Solve ``system`` and return the result.

        Args:
            system: The linear system.
            epsilon: Direction error wanted; the solver's own by default.
            backend: ``"compiled"`` (default), ``"aer"``, ``"pennylane"``, ``"statevector"``, or a Qiskit backend.
            sampler: Any V2 sampler; needs ``shots``.
            estimator: Any V2 estimator, for the observables.
            shots: Shots for each measurement setting; None reads exact amplitudes.
            seed: Seed.
            observables: Hermitian matrices of the system's size by name; ``<x|O|x>`` is returned for each.
            callback: Called with every :class:`Step`.
            executor: Replaces backend, sampler, estimator, shots and seed.
        """

    @abstractmethod
    def estimate(self, system: LinearSystem | SystemModel, epsilon: float | None = None) -> CostEstimate:
        """Return the cost without executing; a :class:`SystemModel` may have any size."""

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Solve a problem given by its encoding: a meta-solver sees it as a system of its own."""
        system = LinearSystem(problem.encoding.matrix / problem.encoding.alpha, problem.rhs, kappa_max=1e14)
        found = self.solve(system, epsilon=epsilon, executor=executor)
        return InnerRun(
            vector=found.x,
            norm_known=True,
            probability=found.success_probability,
            queries_A=found.queries_A,
            queries_b=found.queries_b,
            max_degree=found.max_degree,
            circuit=found.circuit,
            stated_error=found.stated_error,
            shots=found.shots,
            circuits=found.circuits,
            status=found.status,
            message=found.message,
            details={"inner": found.solver},
            executed=found.executed,
        )

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return the formula cost for inverse gap ``kappa``; meta-solvers answer through ``estimate``."""
        found = self.estimate(replace(model, kappa=kappa, alpha=1.0), epsilon)
        return Cost(found.queries_A, found.queries_b, found.max_degree, 1, found.success_probability)

    def tuned(
        self,
        problem: Problem,
        epsilon: float,
        error: Callable[[NDArray[Any]], NDArray[np.float64]],
        below: float = np.inf,
    ) -> tuple[Solver, int, float] | None:
        """Return the cheapest setting whose *predicted* output satisfies ``error(vectors) <= epsilon``.

        Args:
            problem: The problem.
            epsilon: Largest error allowed.
            error: Maps a stack of solution vectors (rows) to errors.
            below: Look only for settings of fewer A-queries than this.

        Returns:
            The solver so set, its A-queries and the predicted error; None if there is no
            such setting, or this solver cannot predict itself.
        """
        return None


@dataclass(frozen=True, eq=False)
class InnerSolver(Solver):
    """Base of the inner solvers.

    Attributes:
        epsilon: Direction error wanted, unless ``solve`` is given another.
    """

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon)

    @property
    def name(self) -> str:
        """Class name."""
        return type(self).__name__

    def solve(
        self,
        system: LinearSystem,
        *,
        epsilon: float | None = None,
        backend: object = None,
        sampler: Any = None,
        estimator: Any = None,
        shots: int | None = None,
        seed: Seed = None,
        observables: Mapping[str, ArrayLike] | None = None,
        callback: Callback | None = None,
        executor: Executor | None = None,
    ) -> QLSPResult:
        """Solve; see :meth:`Solver.solve`."""
        eps = check_epsilon(self.epsilon if epsilon is None else epsilon)
        root = None if seed is None else root_seed(seed)
        executor = executor or Executor(backend, sampler, shots, root, estimator)
        problem = problem_of(system)
        run = self.run_problem(problem, eps, executor)
        alpha = problem.encoding.alpha
        y = run.vector / alpha
        result = finish(
            self.name,
            system,
            y,
            run,
            kappa_enc=problem.kappa,
            seed=root,
            observables=measure(executor, run, system, observables, problem.rhs, y),
        )
        result = _judge_shots(system, result, eps)
        if callback is not None:
            callback(
                Step(
                    index=1,
                    direction_error=result.direction_error,
                    residual=result.residual,
                    queries_A=result.queries_A,
                    max_degree=result.max_degree,
                    success_probability=result.success_probability,
                    shots=result.shots,
                )
            )
        return result

    def estimate(self, system: LinearSystem | SystemModel, epsilon: float | None = None) -> CostEstimate:
        """Return the cost by formula; see :meth:`Solver.estimate`."""
        eps = check_epsilon(self.epsilon if epsilon is None else epsilon)
        model = model_of(system)
        cost = self.cost(model.kappa * model.alpha, eps, model)
        return estimate_from(self.name, model, cost, model.kappa * model.alpha)


def estimate_from(
    name: str, model: SystemModel, cost: Cost, kappa_enc: float, eta: float | None = None
) -> CostEstimate:
    """Assemble a :class:`CostEstimate` from a formula cost."""
    rounds = max(1.0, np.pi / (4.0 * np.sqrt(max(cost.probability, 1e-300))))
    return CostEstimate(
        solver=name,
        queries_A=cost.queries_A,
        queries_b=cost.queries_b,
        success_probability=cost.probability,
        queries_A_per_success=cost.queries_A * rounds,
        max_degree=cost.degree,
        kappa=model.kappa,
        kappa_enc=kappa_enc,
        eta=eta,
        qubits=model.num_qubits + model.ancillas + cost.extra_qubits + (eta is not None),
        two_qubit_gates=cost.degree * (model.cx_per_call + 2.0 * max(1, 8 * (model.ancillas - 1))),
        depth=cost.degree * (model.depth_per_call + 4.0 * max(1, 8 * (model.ancillas - 1))),
        note="formula; typical success probability for the stated solution norm",
    )


def problem_of(system: LinearSystem) -> Problem:
    """Return the problem that a system poses to an inner solver directly."""
    encoding = system.encoding
    return Problem(
        encoding,
        system.rhs,
        system.kappa * encoding.alpha,
        system.kind is Kind.POSITIVE,
        bool(np.isrealobj(system.rhs)) and system.real,
    )


def measure(
    executor: Executor,
    run: InnerRun,
    system: LinearSystem,
    observables: Mapping[str, ArrayLike] | None,
    rhs: Vector,
    y: Vector,
) -> dict[str, tuple[float, float]]:
    """Evaluate ``<x|O|x>`` for each observable, on the circuit where there is one and shots are used."""
    found: dict[str, tuple[float, float]] = {}
    for name, operator in (observables or {}).items():
        matrix = np.asarray(operator)
        if matrix.shape != (system.size, system.size) or np.abs(matrix - matrix.conj().T).max() > 1e-9:
            raise invalid(f"observables[{name!r}]", matrix.shape, f"must be Hermitian of {system.size} rows")
        if run.program is None or (executor.exact and executor.estimator is None):
            x = system.recover(y)
            found[name] = (float(np.vdot(x, matrix @ x).real / np.vdot(x, x).real), 0.0)
            continue
        from ..readout import expectation_value

        start = system.padded_size if system.dilated else 0
        full = np.zeros((2**system.num_qubits,) * 2, dtype=np.complex128)
        full[start : start + system.size, start : start + system.size] = matrix
        estimate = expectation_value(executor, run.program, rhs, full)
        found[name] = (estimate.value, estimate.std)
    return found


def finish(
    name: str,
    system: LinearSystem,
    y: Vector,
    run: InnerRun,
    *,
    kappa_enc: float,
    target: Vector | None = None,
    eta: float | None = None,
    kappa_hat: float | None = None,
    seed: int | None = None,
    observables: Mapping[str, tuple[float, float]] | None = None,
    history: tuple[Step, ...] = (),
    ratio: float = float("nan"),
    verdict: Verdict | None = None,
    classical_matvecs: int = 0,
) -> QLSPResult:
    """Turn a quantum-form solution into the result, with all verification done here, once."""
    x = system.recover(y)
    norm_source = "circuit"
    if not run.norm_known:
        x, norm_source = rescale(system, x), "residual"
    size = float(np.linalg.norm(x))
    state = x / size if size > 0 else x
    reference = system.reference
    split = error_split(y, reference if target is None else target, reference)
    total = direction_error(x, system.solution)
    cx, depth = circuit_cost(run.circuit) if run.circuit is not None else (0, 0)
    best = rescale(system, x)
    residual = system.residual(best if not run.norm_known else x)
    _warn_of_kappa(system, run, best)
    p = max(run.probability, 1e-300)
    return QLSPResult(
        solver=name,
        state=state,
        x=x,
        norm=size,
        norm_source=norm_source,
        direction_error=total,
        fidelity=run.fidelity(y, reference),
        error_split=split,
        stated_error=run.stated_error,
        success_probability=run.probability,
        queries_A=run.queries_A,
        queries_b=run.queries_b,
        queries_A_per_success=run.queries_A / p
        if run.queries_A_per_success is None
        else run.queries_A_per_success,
        queries_b_per_success=run.queries_b / p
        if run.queries_b_per_success is None
        else run.queries_b_per_success,
        max_degree=run.max_degree,
        depth=depth,
        two_qubit_gates=cx,
        qubits=run.circuit.num_qubits if run.circuit is not None else system.num_qubits,
        kappa=system.kappa,
        kappa_hat=system.kappa if kappa_hat is None else kappa_hat,
        kappa_enc=kappa_enc,
        eta=eta,
        residual=residual,
        observables=dict(observables or {}),
        history=history,
        ratio=ratio,
        verdict=verdict,
        shots=run.shots,
        circuits=run.circuits,
        classical_matvecs=classical_matvecs,
        status=run.status,
        message=run.message,
        seed=seed,
        details=dict(run.details),
        circuit=run.circuit,
        executed=run.ran(),
    )


def _judge_shots(system: LinearSystem, result: QLSPResult, epsilon: float) -> QLSPResult:
    """Fail a sampled run whose residual proves it wrong: ``|x - x*| >= |b - A x| / |A|``."""
    if result.shots == 0 or result.status is not Status.CONVERGED:
        return result
    least = result.residual * system.rhs_norm / (system.norm * max(result.norm, 1e-300))
    if least <= epsilon:
        return result
    text = (
        f"the residual proves a relative error of at least {least:.2g} > epsilon = {epsilon:g}; use more shots, a "
    )
    text += "quieter device, or ProximalPoint(form='residual')"
    return replace(result, status=Status.FAILED, message=text)


def _warn_of_kappa(system: LinearSystem, run: InnerRun, best: Vector) -> None:
    """Say so when the residual shows that the caller's kappa was too small."""
    if run.shots or system.threshold is not None or system.kappa >= system.kappa_found * (1 - 1e-6):
        return
    left = system.residual(best)
    expected = run.stated_error if np.isfinite(run.stated_error) else 0.0
    if left > expected:
        warnings.warn(
            f"residual must fall below {expected:.2g}, got {left:.2g}: kappa is underestimated "
            f"({system.kappa:.4g} was used, about {system.kappa_found:.4g} is needed)",
            QalgsWarning,
            stacklevel=4,
        )


def rescale(system: LinearSystem, x: Vector) -> Vector:
    """Return the multiple of ``x`` with the least residual ``|b - A x|`` (one classical product)."""
    image = system.A @ x
    size = float(np.vdot(image, image).real)
    if size == 0.0:
        return x
    factor = np.vdot(image, system.b) / size
    return x * (factor.real if system.real else factor)


def hermitise(problem: Problem) -> tuple[Problem, Callable[[Vector], Vector]]:
    """Return a problem whose encoding is a Hermitian reflection, and the map back of its solution.

    A block ``B`` without that is dilated to ``[[0, B], [B*, 0]]``, with the solution in the lower half.
    """
    if problem.hermitian:
        return problem, lambda v: v
    block = problem.encoding.matrix / problem.encoding.alpha
    if is_hermitian(block):
        return replace(problem, encoding=Dilation(block, alpha=1.0)), lambda v: v
    size = len(block)
    zero = np.zeros_like(block)
    encoding = Dilation(np.block([[zero, block], [block.conj().T, zero]]), alpha=1.0)
    rhs = np.concatenate([problem.rhs, np.zeros(size, dtype=problem.rhs.dtype)])
    return replace(problem, encoding=encoding, rhs=rhs, positive=False), lambda v: v[size:]
