"""The problem file of ``qalgs levels``: one operator, one search, optionally a backend and a scan."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from qalgs.cli.kinds import Count, MoleculeTable, OptimizerTable, Real, Reps, Spin, Strict, pauli_sum
from qalgs.errors import InvalidInputError, invalid

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qalgs.eigengame import ExcitedStates


class BackendTable(Strict):
    """Where the circuits run; without this table, on exact state vectors."""

    kind: Literal["compiled", "aer", "device"] = "compiled"
    shots: Count | None = None
    device: str | None = None
    layout: list[int] | None = None
    two_qubit_error: float | None = Field(default=None, ge=0, le=1)
    one_qubit_error: float | None = Field(default=None, ge=0, le=1)


class AnsatzTable(Strict):
    """A trial circuit by name and depth, or from an OpenQASM 3 file."""

    name: Literal["hardware_efficient", "hamiltonian_variational", "particle_conserving", "kupccgsd"] | None = None
    reps: Reps = 2
    rotations: tuple[Literal["rx", "ry", "rz"], ...] = ("ry",)
    entanglement: str = "linear"
    qasm3: str | None = None


class ScanTable(Strict):
    """Bond lengths in ångström, listed or from ``start`` to ``stop``."""

    lengths: list[Real] | None = None
    start: Real | None = None
    stop: Real | None = None
    points: Annotated[int, Field(ge=1, le=10_000)] | None = None
    n_jobs: int = 1

    def values(self) -> list[float]:
        """Return the lengths."""
        if self.lengths is not None:
            return list(self.lengths)
        if self.start is None or self.stop is None or self.points is None:
            raise InvalidInputError("scan needs lengths, or start, stop and points; add them")
        steps = max(1, self.points - 1)
        return [self.start + (self.stop - self.start) * i / steps for i in range(self.points)]


class LevelsModel(Strict):
    """All keys of the file."""

    name: str | None = None
    molecule: str | MoleculeTable | None = None
    hamiltonian: Spin | dict[str, Real] | None = None
    k: Count | Literal["auto"] = 2
    method: str = "eigengame"
    schedule: str = "sequential"
    penalty: Real | Literal["auto"] = "auto"
    shift: Real | None = None
    block: bool = False
    ansatz: str | AnsatzTable = "auto"
    optimizer: str | OptimizerTable = "auto"
    restarts: Count | None = None
    budget: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    budget_trend: Real = 0.0
    window: Real | None = None
    max_levels: Count = 16
    warm_start: str | None = None
    stagger: int = 1
    round_steps: Count | None = None
    weights: list[Real] | None = None
    calibrate: bool = True
    cross_form: str = "auto"
    symmetry: dict[str, Real] | None = None
    seed: int | None = Field(default=None, ge=0)
    backend: BackendTable | None = None
    scan: ScanTable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsFile:
    """A checked file.

    Attributes:
        path: Where it was read from.
        model: Its keys.
    """

    path: Path
    model: LevelsModel

    def hamiltonian(self) -> object:
        """Return the Molecule or Pauli sum."""
        model = self.model
        if (model.molecule is None) == (model.hamiltonian is None):
            raise InvalidInputError(
                f"{self.path}: needs exactly one of molecule and hamiltonian; add or remove one"
            )
        if model.hamiltonian is not None:
            return (
                model.hamiltonian.build() if isinstance(model.hamiltonian, Spin) else pauli_sum(model.hamiltonian)
            )
        from qalgs.circuits import molecule

        geometry, length, options = self.molecule()
        return molecule(geometry, length, **options)

    def molecule(self) -> tuple[Any, float | None, dict[str, Any]]:
        """Return name or geometry, bond length and options."""
        given = self.model.molecule
        table = given if isinstance(given, MoleculeTable) else MoleculeTable(name=given)
        if (table.name is None) == (table.geometry is None):
            raise InvalidInputError(
                f"{self.path}: molecule needs exactly one of name and geometry; add or remove one"
            )
        options = table.model_dump(exclude={"name", "geometry", "bond_length"})
        return table.name or table.geometry, table.bond_length, options

    def solver(self, hamiltonian: object, *, seed: int | None = None) -> ExcitedStates:
        """Return the configured search."""
        from qalgs.eigengame import ExcitedStates

        model = self.model
        optimizer: Any = model.optimizer
        if isinstance(optimizer, OptimizerTable):
            from qalgs.optimizers import Optimizer

            optimizer = Optimizer.from_dict(optimizer.model_dump())
        names = (
            "k method schedule penalty shift block restarts budget budget_trend window max_levels warm_start "
            "stagger round_steps weights calibrate cross_form symmetry"
        )
        options: dict[str, Any] = {name: getattr(model, name) for name in names.split()}
        return ExcitedStates(
            **options,
            ansatz=self._ansatz(hamiltonian),
            optimizer=optimizer,
            seed=model.seed if seed is None else seed,
            **self._primitives(hamiltonian, model.seed if seed is None else seed),
        )

    def _ansatz(self, hamiltonian: object) -> str | QuantumCircuit:
        table = self.model.ansatz
        if isinstance(table, str):
            return table
        from qalgs import circuits
        from qalgs.eigengame.problem import as_operator

        if (table.name is None) == (table.qasm3 is None):
            raise InvalidInputError(f"{self.path}: ansatz needs exactly one of name and qasm3; add or remove one")
        if table.qasm3 is not None:
            return circuits.read_qasm3(self.path.resolve().parent / table.qasm3)
        operator, molecule = as_operator(hamiltonian)
        if table.name == "hardware_efficient":
            return circuits.hardware_efficient(
                operator.num_qubits, table.reps, table.entanglement, rotations=table.rotations
            )
        if table.name == "hamiltonian_variational":
            return circuits.hamiltonian_variational(operator, table.reps, per_term=True)
        if molecule is None:
            raise InvalidInputError(f"{self.path}: ansatz.name {table.name!r} needs a molecule; choose another")
        kind = "givens" if table.name == "particle_conserving" else "kupccgsd"
        return circuits.particle_conserving(molecule.num_orbitals, molecule.num_particles, table.reps, kind=kind)

    def _primitives(self, hamiltonian: object, seed: int | None) -> dict[str, Any]:
        table = self.model.backend
        if table is None:
            return {}
        if table.kind == "compiled":
            return {"shots": table.shots or 1024}
        if table.kind == "aer":
            return {"estimator": _aer(table, seed), "shots": table.shots}
        if table.device is None:
            raise InvalidInputError(f"{self.path}: backend.device is missing; name one from 'qalgs devices'")
        from qalgs.backends import DeviceSnapshot, NoisyEstimator, load_backend
        from qalgs.eigengame.problem import as_operator

        snapshot = DeviceSnapshot.from_backend(load_backend(table.device))
        needed = as_operator(hamiltonian)[0].num_qubits + 1
        layout = table.layout
        if layout is None:
            raise InvalidInputError(
                f"{self.path}: backend.layout is missing; list {needed} physical qubits, one for the ancilla"
            )
        if len(layout) != needed:
            raise invalid("backend.layout", layout, f"must have {needed} qubits: the system's and an ancilla")
        return {"estimator": NoisyEstimator(snapshot, layout, default_shots=table.shots, seed=seed)}


def _aer(table: BackendTable, seed: int | None) -> Any:
    """Return an Aer estimator with depolarising errors."""
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    from qalgs.backends.aer_estimator import SeededAerEstimator
    from qalgs.seeds import as_generator

    noise = NoiseModel()
    if table.two_qubit_error:
        noise.add_all_qubit_quantum_error(depolarizing_error(table.two_qubit_error, 2), ["cx", "cz", "ecr"])
    if table.one_qubit_error:
        names = ["rx", "ry", "rz", "h", "x", "sx", "s", "sdg"]
        noise.add_all_qubit_quantum_error(depolarizing_error(table.one_qubit_error, 1), names)
    options = {"method": "density_matrix", "noise_model": noise, "max_parallel_threads": 1}
    return SeededAerEstimator(as_generator(seed), {"backend_options": options})


def load_levels(path: str | Path) -> LevelsFile:
    """Read and check a problem file.

    Raises:
        InvalidInputError: If it cannot be read, is not TOML, or a key breaks a rule; one line naming the key.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InvalidInputError(f"cannot read {source}: {reason}; give the path of a problem file") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{source}: not TOML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InvalidInputError(f"{source}: not TOML of this kind: nested too deeply") from error
    try:
        return LevelsFile(path=source, model=LevelsModel.model_validate(raw))
    except ValidationError as error:
        found = max(error.errors(include_url=False), key=lambda e: len(e["loc"]))
        # Alternatives of a union leave names of types in the location.
        types = {"int", "str", "float", "dict", "constrained-int"}
        key = ".".join(str(p) for p in found["loc"] if p not in types and (isinstance(p, int) or p.islower()))
        key = " ".join(key.split())
        if found["type"] == "extra_forbidden":
            raise InvalidInputError(f"{source}: {key} is not a key of this table; remove it") from error
        rule = found["msg"][:1].lower() + found["msg"][1:]
        rule = "must " + rule.removeprefix("input should ") if rule.startswith("input should ") else rule
        raise InvalidInputError(f"{source}: {key} {rule}, got {found['input']!r}") from error
