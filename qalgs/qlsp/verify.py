"""Errors between directions, and the statements of the paper as functions to check them with.

Kim, Chia and Kyrillidis, "Proximal point preconditioning for quantum linear systems" (2406.13879).
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import as_array, expect, invalid

from .polynomials import check_epsilon, check_kappa
from .result import ErrorSplit


def _vectors(**given: ArrayLike) -> list[NDArray[Any]]:
    """Return vectors of one size, by name."""
    found = [as_array(name, value, complex) for name, value in given.items()]
    for name, vector in zip(given, found, strict=True):
        if vector.ndim != 1 or vector.shape != found[0].shape:
            raise invalid(name, vector.shape, "must be a vector of the same size as the others")
    return found


def direction_error(x: ArrayLike, y: ArrayLike) -> float:
    """Return ``min_phase | x/|x| - e^{i phase} y/|y| |``.

    Args:
        x: A vector, not zero.
        y: Another of the same size.

    Example:
        >>> direction_error([1.0, 0.0], [-2.0, 0.0])
        0.0
    """
    x, y = _vectors(x=x, y=y)
    u, v = np.asarray(x), np.asarray(y)
    nu, nv = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    if nu == 0.0 or nv == 0.0:
        return float(np.sqrt(2.0))
    u, v = u / nu, v / nv
    overlap = np.vdot(v, u)
    # Through the component across v, which keeps the digits that 1 - |overlap| loses.
    across = float(np.linalg.norm(u - overlap * v))
    return float(np.hypot(across, 1.0 - min(1.0, float(abs(overlap)))))


def identity_error(x: ArrayLike, y: ArrayLike) -> float:
    """Return ``sqrt((|x - y|^2 - (|x| - |y|)^2) / (|x| |y|))``, the direction error exactly, phases aligned."""
    u, v = np.asarray(x), np.asarray(y)
    nu, nv = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    inner = np.vdot(v, u)
    u = u * (np.conj(inner) / abs(inner)) if abs(inner) > 0 else u
    gap = float(np.linalg.norm(u - v)) ** 2 - (nu - nv) ** 2
    return float(np.sqrt(max(gap, 0.0) / (nu * nv)))


def lemma_bound(x: ArrayLike, y: ArrayLike) -> float:
    """Return ``|x - y| / sqrt(|x| |y|)``, which bounds the direction error (Lemma 4.3)."""
    u, v = np.asarray(x), np.asarray(y)
    return float(np.linalg.norm(u - v) / np.sqrt(np.linalg.norm(u) * np.linalg.norm(v)))


def error_split(found: ArrayLike, target: ArrayLike, reference: ArrayLike) -> ErrorSplit:
    """Split the error of ``found`` at ``target``, the exact solution of the system that was really solved.

    Args:
        found: The state returned, shape (d,).
        target: The exact solution of the system handed to the inner solver.
        reference: The solution wanted.

    Returns:
        The parts.

    Example:
        >>> error_split([1.0, 0.0], [1.0, 0.0], [1.0, 0.0]).total
        0.0
    """
    found, target, reference = _vectors(found=found, target=target, reference=reference)
    return ErrorSplit(
        solver=direction_error(found, target),
        proximal=direction_error(target, reference),
        total=direction_error(found, reference),
        identity=identity_error(target, reference),
        bound=lemma_bound(target, reference),
    )


def kappa_hat(kappa: float, eta: float) -> float:
    """Return ``kappa (1 + eta) / (kappa + eta)``, the condition number of ``I + eta A`` (Lemma 3.3).

    Args:
        kappa: Condition number of A.
        eta: Step of the proximal point.

    Example:
        >>> kappa_hat(20.0, 20.0)
        10.5
    """
    expect(Real, eta=eta)
    check_kappa(kappa)
    return float(kappa * (1.0 + eta) / (kappa + eta)) if np.isfinite(eta) else float(kappa)


def proximal_eta(kappa: float, distance: float, epsilon: float) -> float:
    """Return ``eta = kappa (d / epsilon - 1)``, for a proximal error of at most ``epsilon / Psi`` (Prop. 4.4).

    Args:
        kappa: Condition number.
        distance: ``d = |x0 - x*|``.
        epsilon: Allowed ``|x1 - x*|``; must be below ``distance``, else the start is good enough already.

    Raises:
        InvalidInputError: If ``epsilon`` is not between 0 and ``distance``.

    Example:
        >>> proximal_eta(kappa=20.0, distance=0.2, epsilon=0.1)
        20.0
    """
    expect(Real, distance=distance, epsilon=epsilon)
    if not 0.0 < epsilon < distance:
        raise invalid("epsilon", epsilon, f"must lie in (0, {distance:g})", "the start is already good enough")
    return float(check_kappa(kappa) * (distance / epsilon - 1.0))


def certified_kappa_hat(kappa: float, g: float, c: float) -> float:
    """Return ``kappa - (c - 1)(kappa - 1) g / c`` with ``g = Psi epsilon / d`` (eq. 18)."""
    return float(kappa - (c - 1.0) * (kappa - 1.0) * g / c)


def figure_two(kappa: float = 20.0, epsilon: float = 0.1, c: ArrayLike = (2, 5, 10, 19)) -> dict[str, list[float]]:
    """Return the numbers of Figure 2 (left) of the paper: cost ``kappa_hat log10(c / epsilon)`` against ``c``.

    They assume ``eta = kappa / (c - 1)``, which is Proposition 4.4 only for a start whose error already equals
    the target, ``d = epsilon Psi``: the factors shown are those for an already solved problem.

    Args:
        kappa: Condition number.
        epsilon: Target error.
        c: Split of the error between solver (``epsilon / c``) and proximal point.

    Returns:
        Lists ``c``, ``eta``, ``kappa_hat``, ``improvement`` (``kappa_hat log10(1/epsilon)``), ``overhead``
        (``kappa_hat log10 c``) and ``total``, and ``baseline`` (``kappa log10(1/epsilon)``).

    Raises:
        InvalidInputError: If a ``c`` does not exceed 1.

    Example:
        >>> figure_two(kappa=20.0, c=[2.0])["eta"]
        [20.0]
    """
    check_kappa(kappa)
    check_epsilon(epsilon)
    ratios = as_array("c", c)
    if (ratios <= 1).any():
        raise invalid("c", ratios.min(), "must exceed 1")
    eta = kappa / (ratios - 1.0)
    hats = np.array([kappa_hat(kappa, e) for e in eta])
    improvement, overhead = hats * np.log10(1.0 / epsilon), hats * np.log10(ratios)
    baseline = np.full_like(ratios, kappa * np.log10(1.0 / epsilon))
    columns = {
        "c": ratios,
        "eta": eta,
        "kappa_hat": hats,
        "improvement": improvement,
        "overhead": overhead,
        "total": improvement + overhead,
        "baseline": baseline,
    }
    return {name: [float(v) for v in column] for name, column in columns.items()}
