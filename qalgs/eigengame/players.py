r"""The k players of a parallel game as independent VQA jobs, round by round, for whoever schedules jobs.

Against parents that are known, every method's cost is the expectation value of one deflated operator,

.. math:: D_i=H+\sum_{j<i}\frac{(c-H)|j\rangle\langle j|(c-H)}{c-E_j}\quad\text{or}\quad
    D_i=H+\sum_{j<i}(c-E_j)|j\rangle\langle j|,

so a player of one round is a plain job (circuit, observable, optimiser, budget, seed) and players of one round do
not wait for one another. The operators are written in Paulis, which limits this to small registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.eigengame.arena import Arena
from qalgs.eigengame.deflation import Deflator
from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.exact import ExactPlayers
from qalgs.eigengame.finish import assemble
from qalgs.eigengame.result import ExcitedStatesResult
from qalgs.eigengame.sequential import COLLAPSE
from qalgs.eigengame.solver import ExcitedStates
from qalgs.errors import expect, invalid
from qalgs.optimizers import COBYLA, Optimizer
from qalgs.seeds import keyed, simulator_seed

MAX_QUBITS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlayerJob:
    """One player's work in one round.

    Attributes:
        name: ``"player<i>"``.
        circuit: The ansatz.
        observable: The deflated operator, offset included; the cost is its expectation value.
        optimizer: The minimiser.
        budget: Evaluations of this round.
        seed: Of the optimiser.
        start: First point: the player's latest parameters.
    """

    name: str
    circuit: QuantumCircuit
    observable: SparsePauliOp
    optimizer: Optimizer
    budget: int
    seed: int
    start: NDArray[np.float64]


class PlayerRounds:
    """Hands out the jobs of a round and takes their parameters back.

    >>> from qalgs.circuits import tfim
    >>> game = PlayerRounds(ExcitedStates(k=2, seed=0), tfim(2), optimizer=COBYLA(), budget=30)
    >>> [job.name for job in game.jobs()]
    ['player0', 'player1']

    Args:
        solver: Method, k, penalty, ansatz and seed are taken from it.
        hamiltonian: As for :meth:`ExcitedStates.run`.
        optimizer: Minimiser of the jobs.
        budget: Evaluations per player and round.

    Raises:
        InvalidInputError: If the method has no players or the register is too large for Pauli sums.
    """

    def __init__(
        self, solver: ExcitedStates, hamiltonian: object, *, optimizer: Optimizer | None = None, budget: int = 50
    ) -> None:
        expect(ExcitedStates, solver=solver)
        expect(Optimizer, type(None), optimizer=optimizer)
        expect(Integral, budget=budget)
        if solver.method == "ssvqe" or solver.k == "auto":
            raise invalid("solver", solver.method, "must have k players (eigengame, hotelling or vqd, a fixed k)")
        problem, players, arena = solver._open(hamiltonian, None)
        if problem.num_qubits > MAX_QUBITS:
            raise invalid(
                "hamiltonian", problem.num_qubits, f"must have at most {MAX_QUBITS} qubits for player jobs"
            )
        self._players = players if isinstance(players, ExactPlayers) else ExactPlayers(problem)
        self.arena: Arena = arena
        self.k = int(solver.k)
        self.optimizer = optimizer or COBYLA(rhobeg=0.5)
        self.budget = budget
        self.round = 0
        starts = [arena.starts(i, 0)[0] for i in range(self.k)]
        self.snapshots: list[Snapshot] = [self._players.snapshot(x) for x in starts]

    def jobs(self) -> list[PlayerJob]:
        """Return the jobs of the current round, one per player, deflated against the latest snapshots."""
        found = []
        for i, snapshot in enumerate(self.snapshots):
            parents = self.snapshots[:i]
            c = self.arena.penalty
            if c is None:
                energies = np.array([p.energy for p in parents] + [snapshot.energy])
                c = max(self.arena.auto(energies), self.arena.shifts.get(i, -np.inf))
            self.arena.shifts[i] = c
            rng = keyed(self.arena.root, "job", i, self.round)
            found.append(
                PlayerJob(
                    name=f"player{i}",
                    circuit=self.arena.problem.ansatz,
                    observable=self._deflated(parents, c),
                    optimizer=self.optimizer,
                    budget=self.budget,
                    seed=simulator_seed(rng),
                    start=snapshot.parameters,
                )
            )
        return found

    def publish(self, parameters: Sequence[NDArray[np.float64]]) -> None:
        """Take the parameters that the jobs of the round ended with, in the order of the players.

        A player that has settled on the states below it starts afresh, with a higher penalty.
        """
        if len(parameters) != self.k:
            raise invalid("parameters", len(parameters), f"must be {self.k} vectors, one per player")
        self.snapshots = [self._players.snapshot(np.asarray(x, dtype=float)) for x in parameters]
        for i in range(self.k):
            self.arena.counts[i] = self.arena.counts.get(i, 0) + self.budget
        self.round += 1
        for i in range(1, self.k):
            self._reseed(i)

    def _reseed(self, i: int) -> None:
        parents, arena = self.snapshots[:i], self.arena
        if self.round < 2 or self._players.overlaps(self.snapshots[i].parameters, parents).sum() <= COLLAPSE:
            return
        if arena.penalty is None:
            lowest = min(p.energy for p in parents)
            arena.shifts[i] += 0.5 * (arena.shifts[i] - lowest) + 0.5 * arena.sigma
        self.snapshots[i] = self._players.snapshot(arena.starts(i, self.round)[0])

    def result(self) -> ExcitedStatesResult:
        """Return the current levels with overlaps, variances and Ritz energies."""
        return assemble(self.arena, self.snapshots, schedule="parallel", critical_path=self.round * self.budget)

    def _deflated(self, parents: Sequence[Snapshot], c: float) -> SparsePauliOp:
        problem = self.arena.problem
        offset = problem.offset * SparsePauliOp("I" * problem.num_qubits)
        if not parents:
            return (problem.effective + offset).simplify()
        vectors, images = np.array([p.vector for p in parents]), np.array([p.image for p in parents])
        deflator = Deflator.build(self.arena.method, c, vectors, images, block=self.arena.block)
        extra = deflator.rows.T @ deflator.weight @ deflator.rows.conj()
        paulis = SparsePauliOp.from_operator(extra)
        return (problem.effective + offset + SparsePauliOp(paulis.paulis, paulis.coeffs.real)).simplify(atol=1e-10)
