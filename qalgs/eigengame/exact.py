"""Players on exact state vectors: one adjoint sweep of the compiled engine per gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from scipy.sparse.linalg import LinearOperator, eigsh

from qalgs.backends import exact_observable, exact_program
from qalgs.eigengame.deflation import Deflator
from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.problem import Problem
from qalgs.results import Status

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Evaluation = tuple[float, Real, float]
_NO_GRADIENT = np.empty(0)
Objective = Callable[[Real], Evaluation]


class ExactPlayers:
    """Energies, costs and gradients of the players without shots."""

    has_shots = False
    with_gradient = True

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.program = exact_program(problem.ansatz)
        self.observable = exact_observable(problem.effective)
        self.true_observable = exact_observable(problem.hamiltonian)
        self.gradients = 0
        self.evaluations = 0

    @property
    def circuits(self) -> int:
        """No circuit is submitted."""
        return 0

    @property
    def shots(self) -> int:
        """No shot is taken."""
        return 0

    @property
    def num_parameters(self) -> int:
        """Parameters of the ansatz."""
        return int(self.program.num_parameters)

    def states(self, parameters: Real) -> Complex:
        """Return state vectors (B, 2**n) for parameters (B, P)."""
        return np.asarray(self.program.states(np.atleast_2d(parameters)))

    def energies(self, parameters: Real) -> Real:
        """Return <H> (with the sector's constraint) for parameters (B, P)."""
        self.evaluations += len(np.atleast_2d(parameters))
        return np.atleast_1d(self.observable.expectation(self.states(parameters)))

    def snapshot(self, parameters: Real, status: Status = Status.CONVERGED) -> Snapshot:
        """Publish a player's state."""
        vector = self.states(parameters)
        image = np.asarray(self.observable.apply(vector))
        return Snapshot(
            parameters=np.array(parameters, dtype=float),
            energy=float(np.vdot(vector[0], image[0]).real),
            vector=vector[0],
            image=image[0],
            status=status,
        )

    def overlaps(self, parameters: Real, parents: Sequence[Snapshot]) -> Real:
        """Return |<j|psi>|^2 with each parent."""
        state = self.states(parameters)[0]
        return np.array([abs(np.vdot(p.vector, state)) ** 2 for p in parents])

    def lift(self, method: str, c: float, parents: Sequence[Snapshot]) -> float:
        """Return 1: exact cross terms lift their parents in full."""
        return 1.0

    def objective(self, method: str, penalty: float, parents: Sequence[Snapshot], block: bool) -> Objective:
        """Return x -> (cost, gradient, energy) against parents."""
        size = 2**self.problem.num_qubits
        vectors = np.array([p.vector for p in parents]).reshape(len(parents), size)
        images = np.array([p.image for p in parents]).reshape(len(parents), size)
        deflator = Deflator.build(method, penalty, vectors, images, block=block)
        program, observable = self.program, self.observable

        def evaluate(x: Real) -> Evaluation:
            point = x[None, :]
            states = program.states(point)
            cost, energy, cotangent = deflator.evaluate(states, observable.apply(states))
            gradient = 2.0 * program.vjp(point, cotangent)[0].real if self.with_gradient else _NO_GRADIENT
            self.gradients += self.with_gradient
            self.evaluations += 1
            return float(cost[0]), gradient, float(energy[0])

        return evaluate

    def extremes(self) -> tuple[float, float]:
        """Return the lowest and highest level of the traceless Hamiltonian (to about 1e-3 of their distance)."""
        size = 2**self.problem.num_qubits
        if size <= 64:
            values = np.linalg.eigvalsh(np.asarray(self.true_observable.apply(np.eye(size, dtype=complex))))
            return float(values[0]), float(values[-1])
        operator = LinearOperator(
            (size, size),
            matvec=lambda v: np.asarray(
                self.true_observable.apply(np.ascontiguousarray(v.reshape(1, -1), dtype=complex))
            )[0],
            dtype=complex,
        )
        start = np.random.default_rng(0).normal(size=size).astype(complex)
        low, high = (
            eigsh(operator, k=1, which=w, v0=start, tol=1e-3, return_eigenvectors=False)[0] for w in ("SA", "LA")
        )
        return float(low), float(high)


class WeightedPlayers(ExactPlayers):
    """All levels from one circuit on orthogonal basis states, as SSVQE has them."""

    def __init__(self, problem: Problem, preparations: Sequence[int]) -> None:
        super().__init__(problem)
        self.preparations = tuple(preparations)
        self.programs = [exact_program(prepared(problem.ansatz, bits)) for bits in preparations]

    def weighted(self, level_weights: Real) -> Objective:
        r"""Return x -> (:math:`\sum_jw_j\langle H\rangle_j`, gradient, same)."""

        def evaluate(x: Real) -> Evaluation:
            point = x[None, :]
            total, gradient = 0.0, np.zeros_like(x)
            for program, weight in zip(self.programs, level_weights, strict=True):
                states = program.states(point)
                images = self.observable.apply(states)
                total += weight * float(np.vdot(states[0], images[0]).real)
                gradient += 2.0 * weight * program.vjp(point, images)[0].real
            self.gradients += 1
            self.evaluations += len(self.programs)
            return total, gradient, total

        return evaluate

    def snapshots(self, parameters: Real, status: Status) -> list[Snapshot]:
        """Publish the k states of one set of parameters."""
        found = []
        for program, bits in zip(self.programs, self.preparations, strict=True):
            vector = np.asarray(program.states(parameters[None, :]))
            image = np.asarray(self.observable.apply(vector))
            energy = float(np.vdot(vector[0], image[0]).real)
            found.append(
                Snapshot(
                    parameters=np.array(parameters),
                    energy=energy,
                    vector=vector[0],
                    image=image[0],
                    status=status,
                    preparation=bits,
                )
            )
        return found


def prepared(ansatz: QuantumCircuit, bits: int) -> QuantumCircuit:
    """Return the ansatz on the computational basis state ``bits`` instead of zero."""
    circuit = QuantumCircuit(ansatz.num_qubits, name=ansatz.name)
    for q in range(ansatz.num_qubits):
        if bits >> q & 1:
            circuit.x(q)
    return circuit.compose(ansatz)
