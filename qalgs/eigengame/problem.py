"""What is to be solved: an operator without its offset, a sector, and trial states that fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits.ansatz import hamiltonian_variational, hardware_efficient
from qalgs.circuits.molecules import Molecule, molecule
from qalgs.circuits.particles import excitations, magnetization_conserving, particle_conserving
from qalgs.circuits.sectors import Sector, find_sector
from qalgs.errors import invalid

ANSATZE = (
    "auto",
    "real_amplitudes",
    "efficient_su2",
    "hamiltonian_variational",
    "givens",
    "kupccgsd",
    "brick_wall",
)
_MAX_PARAMETERS = 300
_SECTOR_QUBITS = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """A prepared eigenvalue problem.

    Attributes:
        hamiltonian: Traceless part, terms in a fixed order, so that an offset cannot change a single bit of a run.
        offset: Coefficient of the identity; levels of the user's operator are those of ``hamiltonian`` plus this.
        sector: The chosen symmetry sector; None where the whole space is meant.
        ansatz: The parametrised circuit.
        constraint: Penalty operator that lifts foreign sectors; None if the ansatz stays inside.
        molecule: The molecule the operator came from, if any.
        name: For titles.
    """

    hamiltonian: SparsePauliOp
    offset: float
    sector: Sector | None
    ansatz: QuantumCircuit
    constraint: SparsePauliOp | None = None
    molecule: Molecule | None = field(default=None, repr=False)
    name: str = "levels"

    @property
    def num_qubits(self) -> int:
        """Number of qubits."""
        return int(self.hamiltonian.num_qubits)

    @property
    def dimension(self) -> int:
        """Number of states of the sector, or of the whole space."""
        return self.sector.dimension if self.sector is not None else int(2**self.num_qubits)

    @property
    def effective(self) -> SparsePauliOp:
        """The operator that is minimised: the Hamiltonian plus the constraint's penalty."""
        if self.constraint is None:
            return self.hamiltonian
        return canonical((self.hamiltonian + self.constraint).simplify())


def canonical(operator: SparsePauliOp) -> SparsePauliOp:
    """Return the operator with equal terms merged and in a fixed order."""
    merged = operator.simplify(atol=1e-14)
    order = np.lexsort([*merged.paulis.x.T, *merged.paulis.z.T])
    return SparsePauliOp(merged.paulis[order], merged.coeffs[order])


def split_offset(operator: SparsePauliOp) -> tuple[SparsePauliOp, float]:
    """Return the traceless part in canonical order, and the coefficient of the identity.

    Terms below 1e-14 of the largest are dropped one by one, so an added multiple of the identity changes nothing.
    """
    keep = operator.paulis.x.any(axis=1) | operator.paulis.z.any(axis=1)
    offset = float(operator.coeffs[~keep].real.sum())
    if not keep.any():
        raise invalid("hamiltonian", operator, "must have a term besides the identity")
    return canonical(SparsePauliOp(operator.paulis[keep], operator.coeffs[keep])), offset


def as_operator(source: object) -> tuple[SparsePauliOp, Molecule | None]:
    """Convert what users have to a Pauli sum: a SparsePauliOp, a Molecule, a PySCF Mole or a PennyLane operator.

    Raises:
        InvalidInputError: If the operator is of no known type, not finite or not Hermitian.
    """
    made: Molecule | None = None
    root = type(source).__module__.partition(".")[0]
    if isinstance(source, Molecule):
        made = source
    elif root == "pyscf" and hasattr(source, "atom_coords"):
        mole: Any = source
        positions = mole.atom_coords(unit="Angstrom")
        atoms = [(mole.atom_pure_symbol(i), positions[i]) for i in range(mole.natm)]
        made = molecule(atoms, basis=mole.basis, charge=mole.charge, spin=mole.spin)
    if made is not None:
        return made.hamiltonian, made
    if root == "pennylane":
        from qalgs.backends import observable_from_pennylane

        found: Any = source
        operator = observable_from_pennylane(found, wires=sorted(found.wires))
    elif isinstance(source, SparsePauliOp):
        operator = source
    else:
        raise invalid(
            "hamiltonian",
            type(source).__name__,
            "must be a SparsePauliOp, a Molecule, a PySCF Mole or a PennyLane operator",
            "SparsePauliOp.from_operator converts matrices",
        )
    if not np.isfinite(operator.coeffs).all():
        raise invalid("hamiltonian", operator.coeffs, "must have finite coefficients")
    merged = operator.simplify()
    if np.abs(merged.coeffs.imag).max() > 1e-10 * max(1.0, np.abs(merged.coeffs).max()):
        raise invalid(
            "hamiltonian", merged.coeffs, "must be Hermitian (real coefficients)", "use (H + H.adjoint())/2"
        )
    return SparsePauliOp(operator.paulis, operator.coeffs.real), None


def prepare(
    hamiltonian: object,
    *,
    k: int,
    ansatz: str | QuantumCircuit = "auto",
    symmetry: Mapping[str, float] | None = None,
) -> Problem:
    """Check the input and choose what was left open.

    Args:
        hamiltonian: See :func:`as_operator`.
        k: Number of levels wanted.
        ansatz: A circuit, or one of ``"auto"``, ``"real_amplitudes"``, ``"efficient_su2"``,
            ``"hamiltonian_variational"``, ``"givens"``, ``"kupccgsd"``, ``"brick_wall"``.
        symmetry: See :func:`qalgs.circuits.find_sector`. A molecule's own N and Sz by default, ``{}`` for all.

    Raises:
        InvalidInputError: If an argument breaks a rule.
    """
    operator, source = as_operator(hamiltonian)
    reduced, offset = split_offset(operator)
    chosen = source.symmetry if symmetry is None and source is not None else dict(symmetry or {})
    if source is not None and symmetry and "S" in symmetry:
        chosen = {**source.symmetry, **symmetry}
    sector = None
    dimension: float = math.ldexp(1.0, reduced.num_qubits)
    if chosen:
        sector = find_sector(reduced, chosen, None if source is None else source.operators)
        dimension = sector.dimension
    if k > dimension:
        most = f"the dimension of the sector, {dimension}" if chosen else f"2**num_qubits = {int(dimension)}"
        raise invalid("k", k, f"must be at most {most}", "reduce k")
    circuit = ansatz if isinstance(ansatz, QuantumCircuit) else _choose(ansatz, reduced, sector, source)
    check_ansatz(circuit, reduced.num_qubits)
    name = "levels" if source is None else source.name
    return Problem(hamiltonian=reduced, offset=offset, sector=sector, ansatz=circuit, molecule=source, name=name)


def check_ansatz(circuit: QuantumCircuit, num_qubits: int) -> None:
    """Refuse circuits that cannot be a trial state."""
    if circuit.num_qubits != num_qubits:
        raise invalid("ansatz", circuit.num_qubits, f"must have the Hamiltonian's {num_qubits} qubits")
    if circuit.num_parameters == 0:
        raise invalid("ansatz", circuit.name, "must have at least one parameter")
    if any(item.operation.name in {"measure", "reset"} for item in circuit.data):
        raise invalid("ansatz", circuit.name, "must not measure or reset", "call remove_final_measurements()")


def _choose(kind: str, h: SparsePauliOp, sector: Sector | None, source: Molecule | None) -> QuantumCircuit:
    """Build the ansatz of a name; under ``"auto"`` the most economical one that can reach every state."""
    if kind not in ANSATZE:
        raise invalid("ansatz", kind, f"must be a QuantumCircuit or one of {', '.join(ANSATZE)}")
    n = int(h.num_qubits)
    particles = _particles(sector, source, n)
    ones = _ones(sector, n)
    if kind == "auto":
        if particles is not None:
            kind = "givens" if n <= 8 else "kupccgsd"
        elif ones is not None:
            kind = "brick_wall"
        else:
            real = not (np.bitwise_xor.reduce(h.paulis.x & h.paulis.z, axis=1)).any()
            kind = "real_amplitudes" if real else "efficient_su2"
    dimension = 2**n if sector is None else len(sector.basis)
    if kind in {"givens", "kupccgsd"}:
        if particles is None:
            raise invalid("ansatz", kind, "needs symmetry with N and Sz in blocked Jordan-Wigner order")
        return _fermionic(kind, n // 2, particles, dimension)
    if kind == "brick_wall":
        if ones is None:
            raise invalid("ansatz", kind, "needs symmetry {'M': value}")
        return magnetization_conserving(n, ones, _layers(dimension, n - 1))
    if kind == "hamiltonian_variational":
        return hamiltonian_variational(h, max(2, n), per_term=True)
    rotations = ("ry",) if kind == "real_amplitudes" else ("ry", "rz")
    target = (2**n - 1) * len(rotations)
    return hardware_efficient(n, max(2, _layers(target, n * len(rotations)) - 1), "linear", rotations=rotations)


def _layers(target: int, per_layer: int) -> int:
    """Layers for about ``target`` parameters, within the cap."""
    wanted = min(target, _MAX_PARAMETERS)
    return max(2, math.ceil(wanted / per_layer))


def _fermionic(kind: str, m: int, particles: tuple[int, int], dimension: int) -> QuantumCircuit:
    per_layer = len(excitations(m, doubles="all" if kind == "givens" else "paired"))
    reps = max(1, math.ceil(min(1.2 * (dimension - 1), _MAX_PARAMETERS) / per_layer))
    circuit = particle_conserving(m, particles, max(reps, 2 if kind == "kupccgsd" else 1), kind=kind)
    while circuit.num_parameters < dimension - 1 and circuit.num_parameters < _MAX_PARAMETERS:
        reps += 1
        circuit = particle_conserving(m, particles, reps, kind=kind)
    return circuit


def _particles(sector: Sector | None, source: Molecule | None, n: int) -> tuple[int, int] | None:
    """Electrons with spin up and down, where blocked Jordan-Wigner order fixes them."""
    if sector is None or n % 2 or not {"N", "Sz"} <= set(sector.quantities):
        return None
    if source is not None and source.mapping != "jordan_wigner":
        return None
    total, sz = sector.quantities["N"], sector.quantities["Sz"]
    up, down = round(total / 2 + sz), round(total / 2 - sz)
    low = (1 << (n // 2)) - 1
    blocked = (np.bitwise_count(sector.basis & low) == up).all() and (
        np.bitwise_count(sector.basis >> (n // 2)) == down
    ).all()
    return (up, down) if blocked and 0 < up + down < n else None


def _ones(sector: Sector | None, n: int) -> int | None:
    """Number of ones, where all basis states of the sector have the same."""
    if sector is None or not len(sector.basis):
        return None
    counts = np.unique(np.bitwise_count(sector.basis))
    return (
        int(counts[0])
        if len(counts) == 1 and 0 < counts[0] < n and len(sector.basis) == math.comb(n, int(counts[0]))
        else None
    )


def with_constraint(problem: Problem, weight: float) -> Problem:
    r"""Add :math:`\mu\sum_Q(Q-q)^2` for every chosen quantity.

    Args:
        problem: A problem with a sector.
        weight: mu, in the unit of the Hamiltonian.
    """
    assert problem.sector is not None
    identity = SparsePauliOp("I" * problem.num_qubits)
    total = 0.0 * identity
    for name, operator in problem.sector.operators.items():
        shifted = (operator - problem.sector.quantities[name] * identity).simplify()
        total = (total + (shifted @ shifted)).simplify()
    return replace(problem, constraint=canonical(weight * total))
