"""Job kinds made from the package's other algorithms: Max-3-Cut, one player of an EigenGame, a linear system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qalgs.cli.kinds import (
    Ansatz,
    AnsatzName,
    JobModel,
    MoleculeTable,
    Problem,
    Real,
    Reps,
    Spin,
    pauli_sum,
    read_graph,
    register_kind,
)
from qalgs.errors import InvalidInputError, invalid

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_DENSE_QUBITS = 6


@register_kind("max3cut")
class Max3Cut(JobModel):
    """QAOA for Max-3-Cut; the cost is minus the cut, plus a penalty for states that are no partition."""

    kind: Literal["max3cut"]
    graph: str | list[tuple[int, int] | tuple[int, int, Real]]
    encoding: Literal["one-hot", "binary", "binary-folded"] = "one-hot"
    reps: Reps = 1
    warm_start: bool = False

    def problem(self, folder: Path) -> Problem:
        """Return the circuit and cost; the baseline is the mean cut of uniform random partitions, 2W/3."""
        from qalgs.max3cut import max3cut, vqa_job

        graph = read_graph(self.graph, folder)
        partition = max3cut(graph, seed=0, budget=1.0).partition if self.warm_start else None
        found = vqa_job(graph, self.encoding, reps=self.reps, warm_start=partition)
        total = sum(float(d.get("weight", 1.0)) for _, _, d in graph.edges(data=True))
        return Problem(
            circuit=found.circuit,
            observable=found.observable,
            exact=found.exact,
            baseline=-2.0 * total / 3.0,
            baseline_name="random partition",
            start=found.initial_point.tolist(),
        )


@register_kind("eigengame")
class EigenGamePlayer(JobModel):
    """Player ``player`` of an EigenGame: a level by deflation against parents trained on the exact simulator.

    The job's cost is the expectation value of the deflated operator; its minimum over all states is the level
    itself. ``qalgs.cli.flows.play`` runs all players together, with parents that are trained on the device too.
    """

    kind: Literal["eigengame"]
    molecule: str | MoleculeTable | None = None
    hamiltonian: Spin | dict[str, Real] | None = None
    player: int = Field(default=0, ge=0, le=15)
    method: Literal["eigengame", "hotelling", "vqd"] = "hotelling"
    parents_seed: int = Field(default=0, ge=0)

    def problem(self, folder: Path) -> Problem:
        """Return the ansatz and the deflated operator."""
        from qalgs.eigengame import ExcitedStates, PlayerRounds

        source = self._source()
        solver = ExcitedStates(k=self.player + 1, method=self.method, seed=self.parents_seed)
        known = solver.run(source)
        rounds = PlayerRounds(solver, source)
        rounds.publish(list(known.parameters))
        job = rounds.jobs()[self.player]
        return Problem(
            circuit=job.circuit,
            observable=job.observable,
            exact=float(known.exact_energies()[self.player]),
        )

    def _source(self) -> object:
        from qalgs import circuits

        if (self.molecule is None) == (self.hamiltonian is None):
            raise InvalidInputError("needs exactly one of molecule and hamiltonian; add or remove one")
        if self.molecule is None:
            spin = self.hamiltonian
            return spin.build() if isinstance(spin, Spin) else pauli_sum(spin or {})
        table = self.molecule if isinstance(self.molecule, MoleculeTable) else MoleculeTable(name=self.molecule)
        if (table.name is None) == (table.geometry is None):
            raise InvalidInputError("molecule needs exactly one of name and geometry; add or remove one")
        return circuits.molecule(
            table.name if table.geometry is None else table.geometry,  # type: ignore[arg-type]
            table.bond_length,
            **table.model_dump(exclude={"name", "geometry", "bond_length"}),
        )


@register_kind("linear_system")
class Linear(JobModel):
    """A x = b as a variational problem: minimise <x| A^H (1 - |b><b|) A |x>, zero at the solution's direction.

    Source: Bravo-Prieto et al., arXiv:1909.05820, equation 5 (the global cost without its norm).
    """

    kind: Literal["linear_system"]
    system: str
    rhs: str | None = None
    ansatz: AnsatzName | Ansatz = "hardware_efficient"
    reps: Reps | None = None

    def problem(self, folder: Path) -> Problem:
        """Return the ansatz and the cost operator of a ``.npz`` or ``.mtx`` file or of ``poisson:N``."""
        import numpy as np
        from qiskit.quantum_info import SparsePauliOp

        matrix, b = self._load(folder)
        n = int(matrix.shape[0]).bit_length() - 1
        if n > MAX_DENSE_QUBITS:
            raise invalid(
                "system", 2**n, f"must have at most {2**MAX_DENSE_QUBITS} unknowns as a job", "use 'qalgs solve'"
            )
        image = matrix - np.outer(b, b.conj() @ matrix)
        cost = SparsePauliOp.from_operator(matrix.conj().T @ image).simplify(atol=1e-12)
        cost = SparsePauliOp(cost.paulis, cost.coeffs.real)
        ansatz = self.ansatz if isinstance(self.ansatz, Ansatz) else Ansatz(name=self.ansatz, reps=self.reps)
        mean = float(np.trace(matrix.conj().T @ image).real) / 2**n
        return Problem(
            circuit=ansatz.build(cost),
            observable=cost,
            exact=0.0,
            baseline=mean,
            baseline_name="random state",
        )

    def _load(self, folder: Path) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
        import numpy as np

        from qalgs.cli.solve import load_system
        from qalgs.qlsp import poisson

        if self.system.startswith("poisson:"):
            size = self.system.removeprefix("poisson:")
            if not (size.isascii() and size.isdigit() and len(size) <= 4):
                raise invalid("system", self.system, "must be a file or like 'poisson:8'")
            system = poisson(int(size))
        else:
            system, _ = load_system(folder / self.system, None if self.rhs is None else folder / self.rhs)
        matrix = np.asarray(system.matrix.toarray() if hasattr(system.matrix, "toarray") else system.matrix)
        return matrix, np.asarray(system.rhs)
