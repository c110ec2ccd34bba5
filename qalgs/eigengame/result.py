"""What a search for excited states returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import exact_observable
from qalgs.eigengame.events import Progress
from qalgs.eigengame.post import Amplification, Ritz
from qalgs.eigengame.problem import Problem, as_operator
from qalgs.errors import InvalidInputError, invalid
from qalgs.results import Result, Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs(Result):
    """What the run used.

    Attributes:
        gradients: Gradients of all players.
        evaluations: Evaluations of the energy or cost, gradients included.
        per_state: Evaluations of each player, in the order in which they were found.
        critical_path: Gradients on the longest chain of players that wait for one another.
        circuits: Circuits submitted, one for each group of commuting Paulis and set of angles; 0 in exact mode.
        shots: Shots of all circuits.
        two_qubit_gates: Two-qubit gates of the ansatz as written.
    """

    gradients: int
    evaluations: int
    per_state: tuple[int, ...]
    critical_path: int
    circuits: int
    shots: int
    two_qubit_gates: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExcitedStatesResult(Result):
    """The lowest levels of an operator, sorted by energy.

    Attributes:
        energies: Energies in the unit of the operator, offset included; on a device, calibrated ones.
        errors: Standard errors of the energies: shot noise, and what calibration leaves unexplained; zero in exact
            mode.
        states: State vectors (k, 2**n) at the final parameters, without noise; empty beyond 16 qubits.
        parameters: Circuit parameters of each state, (k, P).
        history: One entry per evaluation.
        overlaps: |<i|j>|, (k, k).
        variances: <H²> - <H>²; an exact eigenvalue lies within the square root of it from each energy.
        multiplets: Indices of levels that are equal within the resolution.
        costs: What it cost.
        status: How it ended.
        method: The method.
        schedule: The schedule.
        penalties: c (offset included), or beta for VQD, that each player used in the end.
        ritz: Re-diagonalisation in the span of the states.
        amplification: Which parent's error hurts which child.
        attenuations: Measured attenuation of the cross term of each parent, before calibration; 1 without noise.
        leakages: Weight of each state outside the sector's basis states.
        notes: Warnings, each naming the fix.
        seed: Root seed.
        versions: Of the package and its libraries.
        problem: The prepared problem.
    """

    energies: Real
    errors: Real
    states: Complex = field(repr=False)
    parameters: Real
    history: tuple[Progress, ...] = field(repr=False)
    overlaps: Real
    variances: Real
    multiplets: tuple[tuple[int, ...], ...]
    costs: Costs
    status: Status
    method: str
    schedule: str
    penalties: Real
    ritz: Ritz
    amplification: Amplification
    attenuations: Real
    leakages: Real
    notes: tuple[str, ...]
    seed: int
    versions: dict[str, str]
    problem: Problem = field(repr=False)

    def _rows(self) -> list[dict[str, object]]:
        columns = zip(self.energies, self.errors, self.excitation_energies, self.variances, strict=True)
        names = ("energy", "standard error", "excitation", "variance")
        return [{"level": i, **dict(zip(names, map(float, line), strict=True))} for i, line in enumerate(columns)]

    @property
    def excitation_energies(self) -> Real:
        """Energies above the lowest, computed without the offset so that they do not depend on it."""
        relative = self.energies - self.problem.offset
        return np.asarray(relative - relative[0])

    def exact_energies(self) -> Real:
        """Return the exact levels of the same sector by diagonalisation, for comparison."""
        from qalgs.circuits.sectors import find_sector

        sector = self.problem.sector or find_sector(self.problem.hamiltonian)
        return sector.energies(self.problem.hamiltonian, len(self.energies)) + self.problem.offset

    def noiseless_energies(self) -> Real:
        """Return <H> of :attr:`states`: the true energies of what a noisy run has prepared."""
        images = np.asarray(exact_observable(self.problem.hamiltonian).apply(self._vectors()))
        return np.einsum("ij,ij->i", self.states.conj(), images).real + self.problem.offset

    def expectation(self, operator: object) -> Real:
        """Return <i|O|i> of every state, shape (k,)."""
        return np.einsum("ij,ij->i", self._vectors().conj(), self._image(operator)).real

    def transition(self, operator: object, i: int, j: int) -> complex:
        """Return <i|O|j>; its phase depends on the free phases of the states."""
        vectors = self._vectors()
        k = len(vectors)
        for name, index in (("i", i), ("j", j)):
            if not -k <= index < k:
                raise invalid(name, index, f"must be the index of one of {k} states")
        return complex(np.vdot(vectors[i], self._image(operator)[j]))

    def oscillator_strengths(self, initial: int = 0) -> Real:
        r"""Return :math:`f_j=\tfrac23(E_j-E_i)\sum_\alpha|\langle j|\mu_\alpha|i\rangle|^2` in atomic units.

        Args:
            initial: Index i of the state that absorbs.

        Raises:
            InvalidInputError: If the operator did not come from a molecule.
        """
        if self.problem.molecule is None:
            raise InvalidInputError("oscillator strengths need a molecule, got a bare operator; pass the Molecule")
        total = np.zeros(len(self.energies))
        for axis in self.problem.molecule.dipole():
            total += np.abs(self._vectors().conj() @ self._image(axis)[initial]) ** 2
        return np.asarray(2.0 / 3.0 * (self.energies - self.energies[initial]) * total)

    def plot_levels(self, ax: Axes | None = None) -> Axes:
        """Draw the levels, multiplets side by side, with error bars."""
        from qalgs.eigengame.plots import plot_levels

        return plot_levels(self, ax)

    def plot_history(self, ax: Axes | None = None) -> Axes:
        """Draw the energy of every player against its evaluations."""
        from qalgs.eigengame.plots import plot_history

        return plot_history(self, ax)

    def _vectors(self) -> Complex:
        if not self.states.size:
            raise InvalidInputError("this needs state vectors, which are kept up to 16 qubits; measure it instead")
        return self.states

    def _image(self, operator: object) -> Complex:
        pauli: SparsePauliOp = operator if isinstance(operator, SparsePauliOp) else as_operator(operator)[0]
        if pauli.num_qubits != self.problem.num_qubits:
            raise invalid("operator", pauli.num_qubits, f"must act on {self.problem.num_qubits} qubits")
        if np.abs(pauli.coeffs.imag).max(initial=0.0) == 0.0:
            return np.asarray(exact_observable(pauli).apply(self._vectors()))
        real, imag = SparsePauliOp(pauli.paulis, pauli.coeffs.real), SparsePauliOp(pauli.paulis, pauli.coeffs.imag)
        states = self._vectors()
        combined: Complex = exact_observable(real).apply(states) + 1j * exact_observable(imag).apply(states)
        return combined
