"""The table of job kinds: how one ``[[job]]`` of a file becomes a circuit and an observable.

Only the command line knows all algorithms, so this table lives here; :mod:`qalgs.nest` schedules whatever comes
out. A kind is a pydantic model of its keys with a method ``problem``, put into the table by :func:`register_kind`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

from qalgs.errors import InvalidInputError, invalid

if TYPE_CHECKING:
    import networkx as nx
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

Real = FiniteFloat
Count = PositiveInt
Reps = Annotated[int, Field(ge=1, le=1000)]
Cycles = Annotated[int, Field(ge=1, le=10_000)]
AnsatzName = Literal[
    "hardware_efficient",
    "efficient_su2",
    "real_amplitudes",
    "hamiltonian_variational",
    "particle_conserving",
    "qaoa",
]


class Strict(BaseModel):
    """A table of the file: unknown keys are errors, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What a kind makes of its keys.

    Attributes:
        circuit: The ansatz.
        observable: The cost.
        exact: Lowest right value, if known without diagonalising.
        baseline: What is to be had without training.
        baseline_name: What that is.
        start: First point of the training where the kind knows a good one; the job's own ``start`` wins.
    """

    circuit: QuantumCircuit
    observable: SparsePauliOp
    exact: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    start: list[float] | None = None


class Ansatz(Strict):
    """Shape of the trial state."""

    name: AnsatzName = "hardware_efficient"
    reps: Reps | None = None
    entanglement: Literal["linear", "reverse_linear", "circular", "full", "pairwise", "sca"] = "linear"
    rotations: list[Literal["rx", "ry", "rz"]] | None = None

    def build(self, hamiltonian: SparsePauliOp) -> QuantumCircuit:
        """Return the circuit for a Hamiltonian."""
        from qalgs import circuits

        n = int(hamiltonian.num_qubits)
        if self.name == "qaoa":
            return circuits.qaoa(hamiltonian, self.reps or 1)
        if self.name == "hamiltonian_variational":
            return circuits.hamiltonian_variational(hamiltonian, self.reps or 1)
        defaults = {"hardware_efficient": ["ry"], "real_amplitudes": ["ry"], "efficient_su2": ["ry", "rz"]}
        rotations = self.rotations or defaults[self.name]
        return circuits.hardware_efficient(n, self.reps or 3, self.entanglement, rotations=tuple(rotations))


class OptimizerTable(Strict):
    """A minimiser with its options; a step size may be ``[first, last]`` over the cycles."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    kind: str = "COBYLA"


class JobModel(Strict):
    """Keys that every job has."""

    id: str = Field(min_length=1, max_length=80)
    shots: int | None = Field(default=None, ge=0)
    optimizer: str | OptimizerTable | None = None
    cycles: Cycles | None = None
    evals_per_cycle: Count | None = None
    strategy: str | None = None
    start: list[Real] | None = None

    @abstractmethod
    def problem(self, folder: Path) -> Problem:
        """Return circuit and observable.

        Args:
            folder: What relative paths are relative to.
        """


K = TypeVar("K", bound=type[JobModel])
KINDS: dict[str, type[JobModel]] = {}


def register_kind(name: str) -> Callable[[K], K]:
    """Put a model of keys into the table under ``kind = name``."""

    def put(model: K) -> K:
        KINDS[name] = model
        return model

    return put


class Spin(Strict):
    """A spin chain."""

    model: Literal["tfim", "heisenberg", "xxz"]
    n: int = Field(ge=2, le=64)
    j: Real = 1.0
    h: Real | None = None
    delta: Real | None = None
    periodic: bool = False

    def build(self) -> SparsePauliOp:
        """Return the Hamiltonian."""
        from qalgs import circuits

        if self.delta is not None and self.model != "xxz":
            raise invalid("delta", self.delta, "must be left out unless model = 'xxz'")
        options: dict[str, Any] = {"j": self.j, "periodic": self.periodic}
        if self.h is not None:
            options["h"] = self.h
        if self.delta is not None:
            options["delta"] = self.delta
        build: Callable[..., SparsePauliOp] = getattr(circuits, self.model)
        return build(self.n, **options)


class MoleculeTable(Strict):
    """A molecule by name or geometry (ångström)."""

    name: str | None = None
    geometry: list[tuple[str, tuple[Real, Real, Real]]] | None = None
    bond_length: Real | None = Field(default=None, gt=0)
    basis: str = "sto-3g"
    charge: int | None = None
    spin: int | None = None
    active_electrons: Count | None = None
    active_orbitals: Count | None = None
    mapping: str = "jordan_wigner"


@register_kind("vqe")
class Vqe(JobModel):
    """Ground state of a molecule, a spin chain, or a list of Pauli terms."""

    kind: Literal["vqe"]
    molecule: str | MoleculeTable | None = None
    hamiltonian: Spin | dict[str, Real] | None = None
    ansatz: AnsatzName | Ansatz = "hardware_efficient"
    reps: Reps | None = None

    def problem(self, folder: Path) -> Problem:
        """Return ansatz and Hamiltonian; molecules come with their own sector's energy and Hartree-Fock."""
        if (self.molecule is None) == (self.hamiltonian is None):
            raise InvalidInputError("needs exactly one of molecule and hamiltonian; add or remove one")
        ansatz = self.ansatz if isinstance(self.ansatz, Ansatz) else Ansatz(name=self.ansatz, reps=self.reps)
        if self.molecule is not None:
            return self._molecule(ansatz, self.molecule)
        assert self.hamiltonian is not None
        if isinstance(self.hamiltonian, Spin):
            observable = self.hamiltonian.build()
        else:
            observable = pauli_sum(self.hamiltonian)
        return Problem(circuit=ansatz.build(observable), observable=observable)

    def _molecule(self, ansatz: Ansatz, given: str | MoleculeTable) -> Problem:
        from qalgs import circuits

        table = given if isinstance(given, MoleculeTable) else MoleculeTable(name=given)
        if (table.name is None) == (table.geometry is None):
            raise InvalidInputError("molecule needs exactly one of name and geometry; add or remove one")
        found = circuits.molecule(
            table.name if table.geometry is None else table.geometry,  # type: ignore[arg-type]
            table.bond_length,
            **table.model_dump(exclude={"name", "geometry", "bond_length"}),
        )
        if ansatz.name == "particle_conserving":
            circuit = circuits.particle_conserving(found.num_orbitals, found.num_particles, ansatz.reps or 1)
        else:
            circuit = ansatz.build(found.hamiltonian)
        return Problem(
            circuit=circuit,
            observable=found.hamiltonian,
            exact=float(found.energies(1)[0]),
            baseline=found.hf_energy,
            baseline_name="Hartree-Fock",
        )


@register_kind("maxcut")
class MaxCut(JobModel):
    """QAOA, or another ansatz, for Max-Cut; the cost is minus the cut."""

    kind: Literal["maxcut"]
    graph: str | list[tuple[int, int] | tuple[int, int, Real]]
    ansatz: AnsatzName | Ansatz = "qaoa"
    reps: Reps | None = None

    def problem(self, folder: Path) -> Problem:
        """Return the QAOA circuit and minus the cut; the baseline is the mean cut of random bits."""
        from qalgs import circuits

        graph = read_graph(self.graph, folder)
        observable = edge_coloured(circuits.max_cut(graph))
        ansatz = self.ansatz if isinstance(self.ansatz, Ansatz) else Ansatz(name=self.ansatz, reps=self.reps)
        total = sum(float(d.get("weight", 1.0)) for _, _, d in graph.edges(data=True))
        return Problem(
            circuit=ansatz.build(observable),
            observable=observable,
            baseline=-total / 2,
            baseline_name="random cut",
        )


@register_kind("qasm3")
class Qasm3(JobModel):
    """An ansatz from an OpenQASM 3 file with a Hamiltonian."""

    kind: Literal["qasm3"]
    file: str
    hamiltonian: Spin | dict[str, Real]

    def problem(self, folder: Path) -> Problem:
        """Return the imported circuit and the Hamiltonian."""
        from qalgs import circuits

        observable = (
            self.hamiltonian.build() if isinstance(self.hamiltonian, Spin) else pauli_sum(self.hamiltonian)
        )
        return Problem(circuit=circuits.read_qasm3(folder / self.file), observable=observable)


def pauli_sum(terms: dict[str, float]) -> SparsePauliOp:
    """Return ``{"ZZ": -1.0, "XI": 0.5}`` as an operator.

    Raises:
        InvalidInputError: If there is no term, a label has other letters than I, X, Y, Z, or lengths differ.
    """
    from qiskit.quantum_info import SparsePauliOp

    if not terms:
        raise invalid("hamiltonian", {}, "must have at least one Pauli term")
    lengths = {len(label) for label in terms}
    for label in terms:
        if not label or set(label) - set("IXYZ") or len(lengths) > 1:
            raise invalid("hamiltonian", label, "must have labels of equal length over I, X, Y, Z")
    return SparsePauliOp.from_list(list(terms.items()))


def edge_coloured(cost: SparsePauliOp) -> SparsePauliOp:
    """Return a Max-Cut cost with its terms in the order of an edge colouring.

    Edges of one colour share no vertex, so a QAOA layer is as shallow as the colouring is small, and what a term
    can see (its light cone) stays narrow: exact values on a path of 14 vertices need 6 qubits at a time.
    Dense graphs of over 1000 edges stay as they are: their light cones hold everything.
    """
    import networkx as nx
    from qiskit.quantum_info import SparsePauliOp

    if len(cost) > 1000:
        return cost
    terms = cost.to_sparse_list()
    graph: nx.Graph[int] = nx.Graph([tuple(qubits) for _, qubits, _ in terms if len(qubits) == 2])
    colours = nx.greedy_color(nx.line_graph(graph), strategy="DSATUR")
    order = {frozenset(edge): colour for edge, colour in colours.items()}
    terms.sort(key=lambda term: (order.get(frozenset(term[1]), -1), sorted(term[1])))
    return SparsePauliOp.from_sparse_list(terms, num_qubits=cost.num_qubits)


def read_graph(given: str | list[Any], folder: Path) -> nx.Graph[int]:
    """Return a graph by name (``"ring:6"``), by edges, or from an edge-list file.

    Names are ``ring``, ``path``, ``star``, ``complete``, ``ladder`` with the number of vertices, and
    ``regular:DEGREE:VERTICES:SEED``.

    Raises:
        InvalidInputError: If the name is unknown, the file unreadable, or there is no edge.
    """
    import networkx as nx

    if not isinstance(given, str):
        graph: nx.Graph[int] = nx.Graph()
        for edge in given:
            graph.add_edge(int(edge[0]), int(edge[1]), weight=float(edge[2]) if len(edge) > 2 else 1.0)
    elif ":" in given:
        graph = _named_graph(given)
    else:
        try:
            graph = nx.read_weighted_edgelist(folder / given, nodetype=int)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise InvalidInputError(f"graph: cannot read {given}: {reason}") from error
    if graph.number_of_edges() == 0 or any(a == b for a, b in graph.edges):
        raise invalid("graph", given, "must have edges between different vertices")
    place = {vertex: i for i, vertex in enumerate(sorted(graph.nodes))}
    return nx.relabel_nodes(graph, place)


def _named_graph(text: str) -> nx.Graph[int]:
    import networkx as nx

    name, *numbers = text.split(":")
    makers: dict[str, tuple[int, Callable[..., nx.Graph[int]]]] = {
        "ring": (1, nx.cycle_graph),
        "cycle": (1, nx.cycle_graph),
        "path": (1, nx.path_graph),
        "star": (1, lambda n: nx.star_graph(n - 1)),
        "complete": (1, nx.complete_graph),
        "ladder": (1, lambda n: nx.ladder_graph(n // 2)),
        "regular": (3, lambda d, n, seed: nx.random_regular_graph(d, n, seed=seed)),
    }
    try:
        values = [int(number) for number in numbers]
        count, make = makers[name]
        if len(values) != count or min(values) < 0 or max(values) > 200:
            raise ValueError
        return make(*values)
    except (KeyError, ValueError, nx.NetworkXException) as error:
        raise invalid(
            "graph", text, f"must be like 'ring:6' or 'regular:3:8:1', with one of {', '.join(makers)}"
        ) from error
