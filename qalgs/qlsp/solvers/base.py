"""The protocol of solvers: everything that solves a linear system, inner or meta, looks like this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import expect, expect_callable
from qalgs.seeds import Seed, root_seed

from ..execution import Executor
from ..linear_system import LinearSystem
from ..polynomials import check_epsilon
from ..resources import CostEstimate, SystemModel, model_of
from ..result import QLSPResult, Step
from .finish import checked_observables, finish, judge_shots, measure
from .problem import InnerRun as InnerRun
from .problem import Problem as Problem
from .problem import Vector as Vector
from .problem import problem_of as problem_of

Callback = Callable[[Step], object]


@dataclass(frozen=True, eq=False)
class Task:
    """The checked arguments of one solve.

    Attributes:
        epsilon: Direction error wanted.
        executor: Where circuits run.
        seed: Root seed, None where none was given.
        observables: Hermitian matrices by name.
        callback: Called with every step.
    """

    epsilon: float
    executor: Executor
    seed: int | None = None
    observables: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    callback: Callback | None = None

    def notify(self, step: Step) -> Step:
        """Hand ``step`` to the callback, if there is one, and return it."""
        if self.callback is not None:
            self.callback(step)
        return step


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
            shots: Shots for each measurement setting; None reads exact amplitudes, of n qubits in time
                ``8**n`` and memory ``4**n`` (5 s at n = 10 for QSVT, 5 min and 12 GB at n = 12).
            seed: Seed.
            observables: Hermitian matrices of the system's size (dense, sparse or operators with ``to_matrix``) by
                name; ``<x|O|x>`` is returned for each.
            callback: Called with every :class:`Step`.
            executor: Replaces backend, sampler, estimator, shots and seed.
        """
        expect(LinearSystem, system=system)
        expect_callable(callback=callback)
        expect(Executor, type(None), executor=executor)
        root = None if seed is None else root_seed(seed)
        executor = executor or Executor(backend, sampler, shots, root, estimator)
        if not executor.exact:
            from ..readout import check_readable

            check_readable(system.num_qubits)
        wanted = checked_observables(system, observables)
        return self.run(system, Task(self.wanted(epsilon), executor, root, wanted, callback))

    def run(self, system: LinearSystem, task: Task) -> QLSPResult:
        """Do the work of :meth:`solve`, whose arguments are checked by now."""
        raise TypeError(f"{type(self).__name__} must define run")

    @property
    def default_epsilon(self) -> float:
        """Direction error that is aimed at where the caller names none."""
        return 1e-3

    def wanted(self, epsilon: float | None) -> float:
        """Return the direction error to aim at, checked."""
        return check_epsilon(self.default_epsilon if epsilon is None else epsilon)

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

    Raises:
        InvalidInputError: If a setting breaks its rule.
    """

    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        check_epsilon(self.epsilon)

    @property
    def name(self) -> str:
        """Class name."""
        return type(self).__name__

    @property
    def default_epsilon(self) -> float:
        """The solver's own ``epsilon``."""
        return self.epsilon

    def run(self, system: LinearSystem, task: Task) -> QLSPResult:
        """Run the problem that the system poses, and verify."""
        problem = problem_of(system)
        run = self.run_problem(problem, task.epsilon, task.executor)
        y = run.vector / problem.encoding.alpha
        result = finish(
            self.name,
            system,
            y,
            run,
            kappa_enc=problem.kappa,
            seed=task.seed,
            observables=measure(task.executor, run, system, task.observables, problem.rhs, y),
        )
        result = judge_shots(system, result, task.epsilon)
        task.notify(
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
        model = model_of(system)
        cost = self.cost(model.kappa * model.alpha, self.wanted(epsilon), model)
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
