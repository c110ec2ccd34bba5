r"""How one player sees the levels below it: a cost :math:`\langle H\rangle+b^\dagger W b` for every method.

With parents :math:`|j\rangle` (j < i), :math:`M=c-H` and :math:`a_j=\langle j|\psi\rangle`,
:math:`b_j=\langle j|M|\psi\rangle`, :math:`E_j=\langle j|H|j\rangle`:

=============== ============ =========================================== =====================================
method          uses         weight W                                     source
=============== ============ =========================================== =====================================
vqd             a            diag(beta)                                   Higgott, Wang, Brierley, Quantum 3, 156
hotelling       a            diag(c - E_j)                                Hotelling 1933; parallel deflation
eigengame       b            diag(1 / (c - E_j))                          Gemp et al. 2021; Quantum EigenGame
eigengame block b            inverse of G, G_jl = <j|M|l>                 Schur complement, Mackey 2008
=============== ============ =========================================== =====================================

The quantum EigenGame maximises the utility :math:`u=\langle M\rangle-\sum_j|b_j|^2/(c-E_j)`; the cost is
:math:`c-u`, so all methods are minimisations whose optimum is the level itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, invalid

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

METHODS = ("eigengame", "vqd", "hotelling", "ssvqe")


def weights(method: str, penalty: float, energies: Real, gram: Complex | None = None) -> Complex:
    """Return W of the module's table.

    Args:
        method: ``"eigengame"``, ``"hotelling"`` or ``"vqd"``.
        penalty: c, or beta for ``"vqd"``, in the unit of the Hamiltonian.
        energies: Energies of the m parents.
        gram: The (m, m) matrix G; asks for the block form.

    Raises:
        InvalidInputError: If c does not exceed every parent's energy, or G is not positive definite.
    """
    m = len(energies)
    if method == "vqd":
        return np.diag(np.full(m, penalty, dtype=complex))
    gaps = penalty - energies
    if m and gaps.min() <= 0.0:
        raise invalid(
            "penalty",
            penalty,
            f"must exceed the energy of every state found so far, {energies.max():.8g}, and of the highest wanted",
            "use penalty='auto'",
        )
    if method == "hotelling":
        return np.diag(gaps.astype(np.complex128))
    if gram is None:
        return np.diag((1.0 / gaps).astype(np.complex128))
    floor = np.linalg.eigvalsh(gram)[0] if m else 1.0
    if floor <= 1e-10 * gaps.max(initial=1.0):
        raise InvalidInputError(
            "the block form needs linearly independent parents below penalty, "
            f"got a smallest eigenvalue of <j|c-H|l> of {floor:.3g}; use penalty='auto' or block=False"
        )
    return np.asarray(np.linalg.inv(gram), dtype=np.complex128)


@dataclass(frozen=True, slots=True, eq=False)
class Deflator:
    """The cost of one player on state vectors, with its derivative.

    Attributes:
        rows: (m, 2**n) vectors k_j with b_j = <k_j|psi>.
        weight: W, (m, m) Hermitian.
    """

    rows: Complex
    weight: Complex

    @classmethod
    def build(
        cls, method: str, penalty: float, vectors: Complex, images: Complex, *, block: bool = False
    ) -> Deflator:
        """Deflate against parents.

        Args:
            method: As in :func:`weights`.
            penalty: c or beta.
            vectors: Parent states, (m, 2**n).
            images: H times each parent, (m, 2**n).
            block: Use the block form of ``"eigengame"``.
        """
        energies = np.einsum("ij,ij->i", vectors.conj(), images).real
        if method != "eigengame":
            return cls(vectors, weights(method, penalty, energies))
        rows = penalty * vectors - images
        return cls(rows, weights(method, penalty, energies, vectors.conj() @ rows.T if block else None))

    def evaluate(self, states: Complex, images: Complex) -> tuple[Real, Real, Complex]:
        """Return costs, energies and cotangents.

        Args:
            states: (B, 2**n).
            images: H times each state, (B, 2**n).

        Returns:
            The costs (B,), the energies (B,), and the vectors v (B, 2**n) for which the derivative of the cost is
            ``2 Re <v|d psi>``.
        """
        energies = np.einsum("ij,ij->i", states.conj(), images).real
        if not len(self.rows):
            return energies, energies, images
        b = states @ self.rows.conj().T
        wb = b @ self.weight.T
        extra = np.einsum("ij,ij->i", b.conj(), wb).real
        return energies + extra, energies, images + wb @ self.rows
