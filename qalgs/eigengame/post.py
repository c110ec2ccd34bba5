"""After the run: multiplets, Ritz re-diagonalisation, variance certificates, amplification of parents' errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qalgs.results import Result

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


def multiplets(energies: Real, tolerance: float) -> tuple[tuple[int, ...], ...]:
    """Group sorted energies whose neighbours differ by at most ``tolerance``; order inside is arbitrary."""
    groups: list[list[int]] = []
    for i, energy in enumerate(energies):
        if groups and energy - energies[i - 1] <= tolerance:
            groups[-1].append(i)
        else:
            groups.append([i])
    return tuple(tuple(g) for g in groups)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ritz(Result):
    """The Hamiltonian diagonalised in the span of the found states.

    It repairs mixing among the states, not what lies outside their span, and is exact trivially when they span the
    whole space.

    Attributes:
        energies: Ritz values in ascending order, one per independent direction.
        errors: Standard errors under shots, by resampling the measured matrices; zero without.
        coefficients: Columns combine the found states into Ritz states.
        condition: Condition number of the overlap matrix.
    """

    energies: Real
    errors: Real
    coefficients: Complex = field(repr=False)
    condition: float


def ritz(
    h: Complex,
    s: Complex,
    *,
    h_errors: Real | None = None,
    s_errors: Real | None = None,
    rng: np.random.Generator | None = None,
    samples: int = 200,
    threshold: float = 1e-8,
) -> Ritz:
    """Solve H x = E S x on the span whose overlap eigenvalues exceed a threshold.

    Args:
        h: <i|H|j>, (k, k).
        s: <i|j>, (k, k).
        h_errors: Standard errors of the entries of h.
        s_errors: Standard errors of the entries of s; their size also sets the threshold.
        rng: Randomness of the resampling, needed with errors.
        samples: Resampled matrices.
        threshold: Overlap eigenvalues below this are dropped.
    """
    noisy = h_errors is not None and s_errors is not None and rng is not None
    if noisy and s_errors is not None:
        threshold = max(threshold, 2.0 * float(np.linalg.norm(s_errors, 2)))
    values, vectors, condition = _solve(h, s, threshold)
    errors = np.zeros(len(values))
    if noisy and h_errors is not None and s_errors is not None and rng is not None:
        drawn = []
        for _ in range(samples):
            again = _solve(_jitter(h, h_errors, rng), _jitter(s, s_errors, rng), threshold)[0]
            if len(again) == len(values):
                drawn.append(again)
        if len(drawn) > 1:
            errors = np.std(drawn, axis=0, ddof=1)
    return Ritz(energies=values, errors=errors, coefficients=vectors, condition=condition)


def _solve(h: Complex, s: Complex, threshold: float) -> tuple[Real, Complex, float]:
    h, s = (h + h.conj().T) / 2, (s + s.conj().T) / 2
    weights, modes = np.linalg.eigh(s)
    keep = weights > threshold
    basis = modes[:, keep] / np.sqrt(weights[keep])
    values, inside = np.linalg.eigh(basis.conj().T @ h @ basis)
    return values, basis @ inside, float(weights[-1] / max(weights[0], 1e-300))


def _jitter(matrix: Complex, errors: Real, rng: np.random.Generator) -> Complex:
    noise = rng.normal(size=matrix.shape) * errors
    noise = np.triu(noise) + np.triu(noise, 1).T
    moved: Complex = matrix + noise
    return moved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amplification(Result):
    r"""How much a parent's error turns each child, to first order around exact eigenstates.

    If parent j is tilted by a small angle towards child k, the child is tilted by ``matrix[k, j]`` times that
    angle: 1 for the EigenGame (Schur-complement deflation), :math:`(c-E_j)/(c-E_k)` for Hotelling and
    :math:`\beta/(\beta-(E_k-E_j))` for VQD.

    Attributes:
        matrix: (k, k), lower triangular; NaN where the penalty does not lift the parent above the child.
        gap_ratios: :math:`\rho_j=2+6\sigma_j/(\sigma_j-\sigma_{j+1})` of the sequential rank-1 bound, with
            :math:`\sigma_j=c-E_j` and c of the last player; infinite inside multiplets.
        angles: Own error angle of each state, bounded by standard deviation over gap (inf if the gap is closed).
        worst_parent: For each child the parent whose estimated error contributes most; -1 for the first.
    """

    matrix: Real
    gap_ratios: Real
    angles: Real
    worst_parent: tuple[int, ...]


def amplification(method: str, energies: Real, shifts: Real, variances: Real) -> Amplification:
    """Evaluate :class:`Amplification`.

    Args:
        method: ``"eigengame"``, ``"hotelling"`` or ``"vqd"`` (``"ssvqe"`` has no parents: zeros).
        energies: Sorted energies.
        shifts: c (or beta) that each player used.
        variances: <H²> - <H>² of each state.
    """
    k = len(energies)
    matrix = np.zeros((k, k))
    for child in range(k if method != "ssvqe" else 0):
        for parent in range(child):
            if method == "eigengame":
                lift, top = shifts[child] - energies[child], shifts[child] - energies[child]
            elif method == "hotelling":
                lift, top = shifts[child] - energies[child], shifts[child] - energies[parent]
            else:
                lift, top = shifts[child] - (energies[child] - energies[parent]), shifts[child]
            matrix[child, parent] = top / lift if lift > 0 else np.nan
    sigma = (shifts[-1] if method != "vqd" else shifts[-1] + energies[0]) - energies
    steps = -np.diff(sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(steps > 1e-9, 2 + 6 * sigma[:-1] / steps, np.inf)
        gaps = np.array([np.min(np.abs(np.delete(energies, i) - energies[i]), initial=np.inf) for i in range(k)])
        angles = np.where(gaps > 1e-9, np.sqrt(np.maximum(variances, 0)) / np.maximum(gaps, 1e-300), np.inf)
    hurt = np.nan_to_num(np.abs(matrix) * np.where(np.isfinite(angles), angles, 0.0)[None, :])
    worst = tuple(int(hurt[i, :i].argmax()) if i else -1 for i in range(k))
    return Amplification(matrix=matrix, gap_ratios=ratios, angles=angles, worst_parent=worst)
