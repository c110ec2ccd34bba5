"""Molecules as qubit operators: geometry to integrals (PySCF or PennyLane), integrals to Pauli sums, sectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits import fermions
from qalgs.circuits._checks import real, whole
from qalgs.circuits.integrals import Integrals, active_space, pennylane_integrals, pyscf_integrals
from qalgs.circuits.sectors import Sector, find_sector
from qalgs.errors import expect, invalid

Geometry = tuple[tuple[str, tuple[float, float, float]], ...]
MAPPINGS = ("jordan_wigner", "parity")


def _line(*symbols: str) -> Callable[[float], Geometry]:
    return lambda d: tuple((s, (0.0, 0.0, i * d)) for i, s in enumerate(symbols))


def _triangle(d: float) -> Geometry:
    return (("H", (0.0, 0.0, 0.0)), ("H", (d, 0.0, 0.0)), ("H", (d / 2, d * math.sqrt(3) / 2, 0.0)))


def _water(d: float) -> Geometry:
    half = math.radians(104.5) / 2
    x, z = d * math.sin(half), d * math.cos(half)
    return (("O", (0.0, 0.0, 0.0)), ("H", (x, 0.0, z)), ("H", (-x, 0.0, z)))


# Name: geometry for a bond length, usual bond length in angstrom, charge.
CATALOGUE: dict[str, tuple[Callable[[float], Geometry], float, int]] = {
    "H2": (_line("H", "H"), 0.735, 0),
    "HeH+": (_line("He", "H"), 0.774, 1),
    "LiH": (_line("Li", "H"), 1.595, 0),
    "H3+": (_triangle, 0.873, 1),
    "H4": (_line("H", "H", "H", "H"), 0.9, 0),
    "BeH2": (lambda d: (("Be", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, -d)), ("H", (0.0, 0.0, d))), 1.326, 0),
    "H2O": (_water, 0.958, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Molecule:
    """A molecule in a finite basis as a qubit problem with its conserved quantities.

    Energies are total energies in Ha: electronic, frozen core and nuclear repulsion. Under ``"jordan_wigner"``
    qubit p is spatial orbital p with spin up, qubit p + m with spin down. Under ``"parity"`` the two qubits are
    gone that hold the parities of spin-up and of all electrons.

    Attributes:
        name: Formula or given name.
        geometry: Atoms and positions in angstrom.
        basis: Name of the basis set.
        charge: Total charge, e.
        mapping: ``"jordan_wigner"`` or ``"parity"``.
        hamiltonian: Total energy as a Pauli sum, Ha.
        num_orbitals: Active spatial orbitals m.
        num_particles: Active electrons with spin up and with spin down.
        nuclear_repulsion: Ha.
        core_energy: Nuclear repulsion and frozen electrons, Ha.
        hf_energy: Hartree-Fock total energy, Ha.
        operators: Conserved operators ``N``, ``Sz`` and ``S`` (the operator S²).
        integrals: One- and two-electron and dipole integrals of the active orbitals.
    """

    name: str
    geometry: Geometry
    basis: str
    charge: int
    mapping: str
    hamiltonian: SparsePauliOp
    num_orbitals: int
    num_particles: tuple[int, int]
    nuclear_repulsion: float
    core_energy: float
    hf_energy: float
    operators: dict[str, SparsePauliOp] = field(repr=False)
    integrals: Integrals = field(repr=False)

    @property
    def num_qubits(self) -> int:
        """Number of qubits."""
        return int(self.hamiltonian.num_qubits)

    @property
    def num_electrons(self) -> int:
        """Number of active electrons."""
        return sum(self.num_particles)

    @property
    def symmetry(self) -> dict[str, float]:
        """Electron number and Sz of the reference, the default sector."""
        up, down = self.num_particles
        return {"N": up + down, "Sz": (up - down) / 2}

    def sector(self, symmetry: dict[str, float] | None = None) -> Sector:
        """Return the sector of ``symmetry`` (names N, Sz, S), by default :attr:`symmetry`."""
        return find_sector(self.hamiltonian, self.symmetry if symmetry is None else symmetry, self.operators)

    def energies(self, k: int, symmetry: dict[str, float] | None = None) -> NDArray[np.float64]:
        """Return the lowest ``k`` exact levels in Ha of a sector, by default of :attr:`symmetry`."""
        return self.sector(symmetry).energies(self.hamiltonian, k)

    @property
    def hf_bits(self) -> int:
        """Index of the Hartree-Fock determinant among the computational basis states."""
        up, down = self.num_particles
        occupied = ((1 << up) - 1) | (((1 << down) - 1) << self.num_orbitals)
        if self.mapping == "jordan_wigner":
            return occupied
        terms = (np.array([occupied]), np.zeros(1, np.int64), np.ones(1, complex))
        index = int(fermions.to_parity(terms, 2 * self.num_orbitals)[0][0])
        m = self.num_orbitals
        low = (1 << (m - 1)) - 1
        return (index & low) | (((index >> m) & low) << (m - 1))

    def hartree_fock(self) -> QuantumCircuit:
        """Return the circuit that prepares the Hartree-Fock determinant."""
        circuit = QuantumCircuit(self.num_qubits, name="hartree_fock")
        for q in range(self.num_qubits):
            if self.hf_bits >> q & 1:
                circuit.x(q)
        return circuit

    def dipole(self) -> tuple[SparsePauliOp, SparsePauliOp, SparsePauliOp]:
        r"""Return the electrons' dipole operators :math:`-\sum_i r_i` along x, y, z in e·bohr."""
        found = [_map(fermions.one_body(-axis), self) for axis in self.integrals.dipole]
        return found[0], found[1], found[2]


def molecule(
    geometry: str | Sequence[tuple[str, Sequence[float]]],
    bond_length: float | None = None,
    *,
    basis: str = "sto-3g",
    charge: int | None = None,
    spin: int | None = None,
    active_electrons: int | None = None,
    active_orbitals: int | None = None,
    mapping: str = "jordan_wigner",
    route: str = "pyscf",
) -> Molecule:
    """Build the qubit Hamiltonian of a molecule.

    >>> from qalgs.circuits import molecule
    >>> h2 = molecule("H2", 0.735)
    >>> h2.num_qubits, h2.num_particles
    (4, (1, 1))

    Args:
        geometry: A name (H2, HeH+, LiH, H3+, H4, BeH2, H2O), a string such as ``"Li 0 0 0; H 0 0 1.6"`` in
            angstrom, or a sequence of (symbol, position).
        bond_length: Distance of neighbours in angstrom, for names only; the usual one by default.
        basis: Basis set.
        charge: Total charge; that of the named species, or 0.
        spin: Number of unpaired electrons; the lowest possible by default.
        active_electrons: Electrons in the active space; the others are frozen in the lowest orbitals.
        active_orbitals: Spatial orbitals in the active space.
        mapping: ``"jordan_wigner"``, or ``"parity"`` with its two-qubit reduction.
        route: ``"pyscf"`` or ``"pennylane"`` (differentiable Hartree-Fock; closed shells in basis sets it knows).

    Returns:
        The molecule with its Hamiltonian, Hartree-Fock energy and conserved operators.

    Raises:
        InvalidInputError: If an argument breaks a rule.
    """
    expect(str, Iterable, geometry=geometry)
    expect(str, basis=basis)
    expect(Integral, type(None), charge=charge)
    if mapping not in MAPPINGS:
        raise invalid("mapping", mapping, f"must be one of {', '.join(MAPPINGS)}")
    if route not in {"pyscf", "pennylane"}:
        raise invalid("route", route, "must be 'pyscf' or 'pennylane'")
    name, atoms, usual = _atoms(geometry, bond_length)
    charge = usual if charge is None else int(charge)
    up, down = _spins(name, atoms, charge, spin)
    compute = pyscf_integrals if route == "pyscf" else pennylane_integrals
    full = compute(atoms, basis, charge, up - down)
    chosen, particles = active_space(full, (up, down), active_electrons, active_orbitals)
    m = len(chosen.one)
    if mapping == "parity" and m < 2:
        raise invalid("mapping", mapping, "must be 'jordan_wigner' for a single active orbital")
    frame = _Frame(mapping, m, particles)
    return Molecule(
        name=name,
        geometry=atoms,
        basis=basis,
        charge=charge,
        mapping=mapping,
        hamiltonian=frame.map(fermions.electronic(chosen.core, chosen.one, chosen.two)),
        num_orbitals=m,
        num_particles=particles,
        nuclear_repulsion=full.nuclear_repulsion,
        core_energy=chosen.core,
        hf_energy=full.hf_energy,
        operators=frame.conserved(),
        integrals=chosen,
    )


def _spins(name: str, atoms: Geometry, charge: int, spin: int | None) -> tuple[int, int]:
    """Return how many electrons have spin up and spin down."""
    electrons = sum(atomic_number(s) for s, _ in atoms) - charge
    if electrons < 1:
        raise invalid("charge", charge, f"must leave {name} at least one electron")
    unpaired = electrons % 2 if spin is None else whole("spin", spin, 0)
    if unpaired > electrons or (electrons - unpaired) % 2:
        raise invalid("spin", spin, f"must have the parity of the {electrons} electrons and not exceed them")
    up = (electrons + unpaired) // 2
    return up, electrons - up


@dataclass(frozen=True, slots=True)
class _Frame:
    """How fermionic operators become qubit operators."""

    mapping: str
    num_orbitals: int
    num_particles: tuple[int, int]

    def map(self, terms: fermions.Terms) -> SparsePauliOp:
        m, (up, down) = self.num_orbitals, self.num_particles
        if self.mapping == "jordan_wigner":
            return fermions.to_sparse(terms, 2 * m)
        terms = fermions.to_parity(terms, 2 * m)
        terms = fermions.taper(terms, 2 * m - 1, 1 - 2 * ((up + down) % 2))
        return fermions.to_sparse(fermions.taper(terms, m - 1, 1 - 2 * (up % 2)), 2 * m - 2)

    def conserved(self) -> dict[str, SparsePauliOp]:
        """Return the numbers that every molecule conserves: electrons, spin along z, total spin."""
        up, down = fermions.number(self.num_orbitals)
        return {
            "N": self.map(fermions.collect([up, down])),
            "Sz": self.map(fermions.collect([fermions.scale(up, 0.5), fermions.scale(down, -0.5)])),
            "S": self.map(fermions.total_spin(self.num_orbitals)),
        }


def _map(terms: fermions.Terms, of: Molecule) -> SparsePauliOp:
    return _Frame(of.mapping, of.num_orbitals, of.num_particles).map(terms)


_ELEMENTS = tuple(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar "  # noqa: SIM905
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr".split()
)


def atomic_number(symbol: str) -> int:
    """Return the atomic number of a symbol up to krypton."""
    if symbol not in _ELEMENTS:
        raise invalid("element", symbol, "must be a chemical symbol from H to Kr")
    return _ELEMENTS.index(symbol) + 1


def _atoms(
    geometry: str | Sequence[tuple[str, Sequence[float]]], bond_length: float | None
) -> tuple[str, Geometry, int]:
    if isinstance(geometry, str) and geometry.strip() in CATALOGUE:
        build, usual, charge = CATALOGUE[geometry.strip()]
        length = usual if bond_length is None else real("bond_length", bond_length)
        if length <= 0.0:
            raise invalid("bond_length", bond_length, "must be positive (angstrom)")
        return geometry.strip(), build(length), charge
    if isinstance(geometry, str):
        lines = [part.split() for part in geometry.replace("\n", ";").split(";") if part.strip()]
        if any(len(parts) != 4 for parts in lines) or not lines:
            known = ", ".join(CATALOGUE)
            raise invalid("geometry", geometry, f"must be one of {known}, or atoms such as 'H 0 0 0; H 0 0 0.74'")
        raw: list[tuple[str, Sequence[object]]] = [(parts[0], parts[1:]) for parts in lines]
    else:
        raw = [(symbol, list(position)) for symbol, position in geometry]
    if bond_length is not None:
        raise invalid("bond_length", bond_length, "must be left out where the geometry is explicit")
    atoms = []
    for symbol, position in raw:
        try:
            x, y, z = (float(str(v)) for v in position)
        except ValueError:
            raise invalid("geometry", position, f"must give three coordinates for {symbol}") from None
        if not all(map(math.isfinite, (x, y, z))):
            raise invalid("geometry", position, f"must give finite coordinates for {symbol}")
        atomic_number(symbol)
        atoms.append((symbol, (x, y, z)))
    if not atoms:
        raise invalid("geometry", geometry, "must have at least one atom")
    for i, (_, a) in enumerate(atoms):
        if any(math.dist(a, b) < 1e-3 for _, b in atoms[:i]):
            raise invalid("geometry", a, "must not have two atoms in one place")
    return "".join(symbol for symbol, _ in atoms), tuple(atoms), 0
