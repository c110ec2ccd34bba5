"""A variational job: what to prepare, what to measure, how to train it, and what to compare the outcome with."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, as_array, expect, invalid
from qalgs.optimizers import Optimizer
from qalgs.seeds import keyed

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp

    from .strategies import Strategy

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Job:
    """A parametrised circuit, an observable to minimise, and the budget for it.

    Attributes:
        name: Unique within a campaign.
        circuit: The ansatz U(θ) on n qubits, without measurements.
        observable: H on the same n qubits; the cost is ⟨H⟩.
        optimizer: The minimiser with its step schedule; None takes the campaign's.
        evaluations: Evaluations per cycle; None takes the campaign's.
        cycles: Number of cycles; None takes the strategy's.
        shots: Shots per measurement basis and evaluation; None takes the campaign's, 0 is exact.
        strategy: Map and optimiser schedules; None takes the campaign's.
        start: First point, shape (d,); None draws it uniformly from [-π, π) with the campaign's seed.
        exact: Lowest value that counts as right, such as the energy of the molecule's own charge sector.
        baseline: The value to beat without training: Hartree-Fock energy, random cut.
        baseline_name: What ``baseline`` is.
        kind: The problem's kind, for tables.

    Raises:
        InvalidInputError: If the circuit has no parameters or measures, the observable does not fit it, or a
            number breaks its rule; the message names the job.

    Example:
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> Job("chain", hardware_efficient(4, 2), tfim(4), evaluations=36).num_qubits
        4
    """

    name: str
    circuit: QuantumCircuit
    observable: SparsePauliOp
    _: KW_ONLY
    optimizer: Optimizer | None = None
    evaluations: int | None = None
    cycles: int | None = None
    shots: int | None = None
    strategy: Strategy | None = None
    start: Sequence[float] | Array | None = None
    exact: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    kind: str = "custom"

    def __post_init__(self) -> None:
        check_name(self.name)
        label = f"job {self.name!r}"
        if not hasattr(self.circuit, "num_qubits") or not hasattr(self.circuit, "parameters"):
            raise invalid(f"{label}: circuit", type(self.circuit).__name__, "must be a QuantumCircuit")
        if self.circuit.num_parameters == 0:
            raise invalid(f"{label}: circuit", self.circuit.name, "must have parameters to train")
        if any(item.operation.name in ("measure", "reset") for item in self.circuit.data):
            raise invalid(
                f"{label}: circuit",
                self.circuit.name,
                "must have no measurements or resets",
                "remove_final_measurements() first: the observable says what is measured",
            )
        self._check_observable(label)
        for name, least in (("evaluations", 1), ("cycles", 1), ("shots", 0)):
            value = getattr(self, name)
            expect(Real, type(None), **{f"{label}: {name}": value})
            if value is not None and (isinstance(value, bool) or int(value) != value or value < least):
                raise invalid(f"{label}: {name}", value, f"must be an int of at least {least}")
        if self.start is not None:
            point = as_array(f"{label}: start", self.start)
            if point.shape != (self.circuit.num_parameters,) or not np.all(np.isfinite(point)):
                rule = f"must be {self.circuit.num_parameters} finite numbers, one per parameter"
                raise invalid(f"{label}: start", self.start, rule)
            object.__setattr__(self, "start", point)
        for name in ("exact", "baseline"):
            value = getattr(self, name)
            expect(Real, type(None), **{f"{label}: {name}": value})
            if value is not None and not math.isfinite(value):
                raise invalid(f"{label}: {name}", value, "must be finite")

    def _check_observable(self, label: str) -> None:
        n, found = self.circuit.num_qubits, getattr(self.observable, "num_qubits", None)
        if found != n:
            raise invalid(f"{label}: observable", found, f"must act on the circuit's {n} qubits")
        coefficients = np.asarray(self.observable.coeffs, dtype=np.complex128)
        if not np.all(np.isfinite(coefficients)):
            raise invalid(f"{label}: observable", "NaN or inf", "must have finite coefficients")
        if np.max(np.abs(coefficients.imag), initial=0.0) > 1e-12 * max(1.0, float(np.max(np.abs(coefficients)))):
            raise invalid(f"{label}: observable", "complex coefficients", "must be Hermitian")

    @property
    def num_qubits(self) -> int:
        """Number of qubits n."""
        return int(self.circuit.num_qubits)

    @property
    def spectral_range(self) -> float:
        """``sum |c_i|`` without the identity; no two values of ⟨H⟩ differ by more than twice this."""
        weights = np.abs(self.observable.coeffs)
        bare = np.array([not (p.x.any() or p.z.any()) for p in self.observable.paulis])
        return float(np.sum(weights[~bare]))

    def first_point(self, seed: int) -> Array:
        """Return the first point, shape (d,): ``start``, or a draw that only the seed and the name determine."""
        if self.start is not None:
            return np.array(self.start, dtype=np.float64)
        return keyed(seed, "start", self.name).uniform(-np.pi, np.pi, self.circuit.num_parameters)

    def describe(self) -> dict[str, Any]:
        """Return what determines the job's numbers, as JSON values; the campaign's hash is taken over it."""
        return {
            "name": self.name,
            "circuit": circuit_hash(self.circuit),
            "observable": [[label, float(c.real)] for label, c in self.observable.to_list()],
            "start": None if self.start is None else np.asarray(self.start).tolist(),
            "exact": self.exact,
            "baseline": self.baseline,
            "kind": self.kind,
        }


def check_name(name: object) -> None:
    """Refuse names that could not be shown in a table or file.

    Raises:
        InvalidInputError: If ``name`` is not a printable string of 1 to 80 characters.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
        raise invalid("job name", name, "must be 1 to 80 printable characters")


def check_names(names: Sequence[str]) -> None:
    """Refuse repeated names.

    Raises:
        InvalidInputError: If two jobs share a name, or there is no job.
    """
    if not names:
        raise InvalidInputError("jobs must hold at least one job, got none")
    for name in names:
        if names.count(name) > 1:
            raise invalid("job name", name, "must be unique", "rename one of the jobs")


def circuit_hash(circuit: QuantumCircuit) -> str:
    """Return a SHA-256 of the gates, qubits and parameters of a circuit, the same in every process."""
    found = hashlib.sha256("|".join(p.name for p in circuit.parameters).encode())
    _absorb(found, circuit)
    return found.hexdigest()


def _absorb(found: Any, circuit: QuantumCircuit) -> None:
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    found.update(f"{circuit.num_qubits}|{circuit.global_phase}".encode())
    for item in circuit.data:
        operation = item.operation
        arrays = [p for p in operation.params if isinstance(p, np.ndarray)]
        shown = [p.tobytes().hex() if isinstance(p, np.ndarray) else str(p) for p in operation.params]
        found.update(f"{operation.name}{[place[q] for q in item.qubits]}{shown}\n".encode())
        # A standard gate is its name and numbers; what a composite one does is in its definition alone.
        standard = getattr(operation, "_standard_gate", None) is not None
        if not standard and not arrays and getattr(operation, "definition", None) is not None:
            _absorb(found, operation.definition)
