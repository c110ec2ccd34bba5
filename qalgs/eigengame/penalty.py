r"""The one hyperparameter of deflation: how high a found level is lifted.

The shift c of the EigenGame and the strength of Hotelling's deflation are the same number: a parent's level is
lifted exactly to c, so c must exceed the highest wanted level, and anything above c is invisible. Much larger
values make the landscape stiff and, under shots, noisy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

KAPPA, DELTA = 0.5, 0.25


def spread(hamiltonian: SparsePauliOp) -> float:
    r"""Return :math:`\sigma_H=\sqrt{\sum_{P\ne I}c_P^2}`, the standard deviation of the spectrum."""
    keep = hamiltonian.paulis.x.any(axis=1) | hamiltonian.paulis.z.any(axis=1)
    return math.sqrt(float((np.abs(hamiltonian.coeffs[keep]) ** 2).sum()))


def auto_shift(energies: NDArray[np.float64], sigma: float, kappa: float = KAPPA, delta: float = DELTA) -> float:
    r"""Return :math:`c=E_{\max}+\kappa(E_{\max}-E_{\min})+\delta\sigma_H` over the players up to the current one.

    The rule moves with any offset of the Hamiltonian, so excitation energies do not depend on it.

    Args:
        energies: Energies of the parents and the current energy of the player itself.
        sigma: :func:`spread` of the Hamiltonian.
        kappa: Head room in units of the energies' range.
        delta: Head room in units of sigma.
    """
    top, bottom = float(np.max(energies)), float(np.min(energies))
    return top + kappa * (top - bottom) + delta * sigma


def auto_beta(energies: NDArray[np.float64], sigma: float) -> float:
    """Return the VQD weight that lifts the lowest parent to :func:`auto_shift`."""
    return auto_shift(energies, sigma) - float(np.min(energies))


def collapse_threshold(gap: float, shift: float, parent: float) -> float:
    r"""Return the attenuation f below which an uncalibrated player falls onto its parent.

    A cross term attenuated to f times its value lifts the parent only by :math:`f^2(c-E_j)`; the player at
    :math:`E_k` prefers the parent's state if :math:`f^2<(E_k-E_j)/(c-E_j)`. On a device all energies are the
    measured ones: noise also draws them together.

    Args:
        gap: E_k - E_j, positive.
        shift: c.
        parent: E_j.
    """
    return math.sqrt(max(gap, 0.0) / (shift - parent))
