"""Electron integrals over Hartree-Fock orbitals, from PySCF or PennyLane, and active spaces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qalgs.circuits._checks import whole
from qalgs.errors import ConvergenceError, InvalidInputError, invalid

Geometry = tuple[tuple[str, tuple[float, float, float]], ...]
BOHR_PER_ANGSTROM = 1.8897261246257702


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Integrals:
    """Integrals over orthonormal spatial orbitals, in Ha and bohr.

    Attributes:
        core: Nuclear repulsion and the energy of frozen electrons.
        nuclear_repulsion: Nuclear repulsion alone.
        hf_energy: Hartree-Fock total energy.
        one: One-electron integrals, (m, m).
        two: Two-electron integrals (pq|rs) in chemists' order, (m, m, m, m).
        dipole: Position integrals, (3, m, m).
        orbital_energies: (m,)
    """

    core: float
    nuclear_repulsion: float
    hf_energy: float
    one: NDArray[np.float64] = field(repr=False)
    two: NDArray[np.float64] = field(repr=False)
    dipole: NDArray[np.float64] = field(repr=False)
    orbital_energies: NDArray[np.float64] = field(repr=False)


def pyscf_integrals(atoms: Geometry, basis: str, charge: int, spin: int) -> Integrals:
    """Run restricted (open-shell) Hartree-Fock with PySCF and transform the integrals.

    Raises:
        InvalidInputError: If PySCF is absent or refuses the basis, or it has too few orbitals.
        ConvergenceError: If Hartree-Fock does not converge.
    """
    try:
        from pyscf import ao2mo, gto, lib, scf
    except ImportError as error:
        raise InvalidInputError("PySCF is not installed; install it or use route='pennylane'") from error
    with lib.with_omp_threads(1):
        try:
            mol = gto.M(atom=list(atoms), basis=basis, charge=charge, spin=spin, verbose=0)
        except (KeyError, RuntimeError, ValueError, SyntaxError) as error:
            reason = " ".join(str(error).split())
            raise invalid("basis", basis, f"must be a basis set for these atoms ({reason})") from error
        _check_room(mol.nao, max(mol.nelec), basis)
        field_ = scf.ROHF(mol) if spin else scf.RHF(mol)
        field_.conv_tol = 1e-12
        field_.kernel()
        if not field_.converged:
            field_ = field_.newton().run(field_.mo_coeff, field_.mo_occ)
        if not field_.converged:
            raise ConvergenceError("Hartree-Fock did not converge; change the geometry, charge or spin")
        orbitals = np.asarray(field_.mo_coeff)
        # The sign of an orbital is free; fix it so that runs can be compared.
        orbitals = orbitals * np.sign(orbitals[np.abs(orbitals).argmax(axis=0), np.arange(orbitals.shape[1])])
        m = orbitals.shape[1]
        return Integrals(
            core=float(mol.energy_nuc()),
            nuclear_repulsion=float(mol.energy_nuc()),
            hf_energy=float(field_.e_tot),
            one=orbitals.T @ field_.get_hcore() @ orbitals,
            two=ao2mo.restore(1, ao2mo.kernel(mol, orbitals), m),
            dipole=np.einsum("xab,ap,bq->xpq", mol.intor("int1e_r"), orbitals, orbitals),
            orbital_energies=np.asarray(field_.mo_energy),
        )


def pennylane_integrals(atoms: Geometry, basis: str, charge: int, spin: int) -> Integrals:
    """Compute closed-shell Hartree-Fock integrals with PennyLane's own quantum chemistry.

    Raises:
        InvalidInputError: If the shell is open, PennyLane does not know the basis or it has too few orbitals.
    """
    if spin:
        raise invalid("spin", spin, "must be 0 for route='pennylane'", "use route='pyscf'")
    import pennylane as qp

    symbols = [symbol for symbol, _ in atoms]
    positions = qp.numpy.array([p for _, p in atoms], requires_grad=False) * BOHR_PER_ANGSTROM
    try:
        mol = qp.qchem.Molecule(symbols, positions, charge=charge, basis_name=basis)
    except ValueError as error:
        raise invalid("basis", basis, f"must be one that PennyLane knows ({error})") from error
    _check_room(mol.n_orbitals, mol.n_electrons // 2, basis)
    energies = qp.qchem.scf(mol)()[0]
    core, one, two = qp.qchem.electron_integrals(mol)()
    moments = qp.qchem.dipole_integrals(mol)()[1]
    return Integrals(
        core=float(np.asarray(core).item()),
        nuclear_repulsion=float(np.asarray(core).item()),
        hf_energy=float(qp.qchem.hf_energy(mol)()),
        one=np.asarray(one),
        two=np.asarray(two).transpose(0, 3, 1, 2),
        dipole=np.stack([np.asarray(axis) for axis in moments]),
        orbital_energies=np.asarray(energies),
    )


def _check_room(orbitals: int, needed: int, basis: str) -> None:
    """Refuse electrons that the basis has no orbitals for, before Hartree-Fock fails on them."""
    if orbitals < needed:
        raise invalid(
            "basis", basis, f"must have at least {needed} orbitals for these electrons", "use a larger basis"
        )


def active_space(
    full: Integrals, particles: tuple[int, int], electrons: int | None, orbitals: int | None
) -> tuple[Integrals, tuple[int, int]]:
    """Freeze the lowest orbitals doubly occupied and drop the highest.

    Args:
        full: Integrals over all orbitals.
        particles: All electrons with spin up and with spin down.
        electrons: Active electrons; all by default.
        orbitals: Active orbitals; all that are not frozen by default.

    Returns:
        The integrals of the active space and its electrons with spin up and down.
    """
    total = len(full.one)
    active = sum(particles) if electrons is None else whole("active_electrons", electrons, 1)
    if active > sum(particles) or (sum(particles) - active) % 2:
        raise invalid(
            "active_electrons", electrons, f"must freeze an even number of the {sum(particles)} electrons"
        )
    frozen = (sum(particles) - active) // 2
    up, down = particles[0] - frozen, particles[1] - frozen
    if down < 0:
        raise invalid("active_electrons", electrons, "must include all unpaired electrons")
    m = total - frozen if orbitals is None else whole("active_orbitals", orbitals, 1)
    if m > total - frozen or m < up:
        raise invalid("active_orbitals", orbitals, f"must be between {up} and {total - frozen}")
    core, keep = slice(0, frozen), slice(frozen, frozen + m)
    coulomb = np.einsum("pqii->pq", full.two[:, :, core, core])
    exchange = np.einsum("piiq->pq", full.two[:, core, core, :])
    effective = full.one + 2 * coulomb - exchange
    energy = np.trace((full.one + effective)[core, core])
    chosen = Integrals(
        core=float(full.core + energy),
        nuclear_repulsion=full.nuclear_repulsion,
        hf_energy=full.hf_energy,
        one=effective[keep, keep],
        two=full.two[keep, keep, keep, keep],
        dipole=full.dipole[:, keep, keep],
        orbital_energies=full.orbital_energies[keep],
    )
    return chosen, (up, down)
