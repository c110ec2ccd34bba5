"""Leading eigenpairs of the cut's quadratic form, the low-rank factor, and what is doubtful about it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

from qalgs.errors import invalid

from .problem import Notice

EXTRA = 3
_DENSE = 160
_PRECISE = 5000
_LOCALISED = 1e-6
_REPEATED = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    r"""The top of the spectrum of Q and the factor :math:`V = [\sqrt{\lambda_k - \lambda_{r+1}}\, v_k]_{k\le r}`.

    Attributes:
        rank: Columns used, r.
        values: The largest eigenvalues in falling order, at least r + 1 of them where n allows.
        vectors: Unit eigenvectors, shape ``(n, len(values))``, the largest entry of each positive.
        shift: :math:`\lambda_{r+1}`, subtracted from the r leading eigenvalues (0 where n = r).
        residual: Largest 2-norm of ``Q v - lambda v`` over the pairs.
        notices: Repeated eigenvalues, localised eigenvectors and repeated directions, each with its remedy.
    """

    rank: int
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    shift: float
    residual: float
    notices: tuple[Notice, ...]

    @property
    def factor(self) -> NDArray[np.float64]:
        """The real factor V, shape ``(n, r)``."""
        scale = np.sqrt(np.maximum(self.values[: self.rank] - self.shift, 0.0))
        return self.vectors[:, : self.rank] * scale

    @property
    def gap(self) -> float:
        r"""The gap :math:`\lambda_r - \lambda_{r+1}` behind the factor."""
        return float(self.values[self.rank - 1] - self.shift)

    @property
    def free(self) -> NDArray[np.bool_]:
        """The rows where all r eigenvectors (nearly) vanish: their angles are noise; they are filled greedily."""
        unit = self.vectors[:, : self.rank]
        size = np.abs(unit).max(axis=1)
        return size < _LOCALISED * max(float(size.max(initial=0.0)), 1e-300)


def spectrum(matrix: sp.csr_array, rank: int, *, deadline: float | None = None) -> Spectrum:
    """Compute the r leading eigenpairs and a few more behind them, reproducibly.

    Small matrices are diagonalised densely; large ones go to ARPACK with a fixed random start vector (the
    all-ones vector is an eigenvector of every Laplacian and makes it fail).

    Args:
        matrix: Real symmetric Q, shape ``(n, n)``.
        rank: The rank r, between 1 and n.
        deadline: ``time.monotonic`` value past which the iteration is given up.

    Returns:
        The eigenpairs, with notices.

    Raises:
        InvalidInputError: If ``rank`` is not an int between 1 and n.
        TimeoutError: If the deadline passed.
    """
    n = matrix.shape[0]
    check_rank(rank, n)
    count = min(n, rank + EXTRA)
    if n <= _DENSE or count >= n - 1:
        values, vectors = la.eigh(matrix.toarray(), subset_by_index=[n - count, n - 1])
    else:
        start = np.random.default_rng(0).standard_normal(n)
        width = min(n, max(2 * count + 1, 32))

        def apply(x: NDArray[np.float64]) -> NDArray[np.float64]:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("the eigenvectors took longer than their share of the budget")
            return np.asarray(matrix @ x)

        operator = spla.LinearOperator((n, n), matvec=apply, dtype=np.float64)
        tolerance = 0.0 if n <= _PRECISE and deadline is None else 1e-8
        values, vectors = spla.eigsh(
            operator, k=count, which="LA", v0=start, ncv=width, maxiter=50 * n, tol=tolerance
        )
    order = np.argsort(values)[::-1]
    values, vectors = np.ascontiguousarray(values[order]), np.ascontiguousarray(vectors[:, order])
    vectors *= np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)] < 0, -1.0, 1.0)
    residual = float(np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max())
    shift = float(values[rank]) if count > rank else 0.0
    if count == rank:
        shift = min(0.0, float(values[-1]))
    bare = Spectrum(rank, values, vectors, shift, residual, ())
    return Spectrum(rank, values, vectors, shift, residual, _notices(bare))


def check_rank(rank: int, n: int) -> None:
    """Raise unless ``rank`` is an int between 1 and ``n``."""
    if isinstance(rank, bool) or not isinstance(rank, int):
        raise TypeError(f"rank must be an int, got {type(rank).__name__}")
    if not 1 <= rank <= n:
        raise invalid("rank", rank, f"must be between 1 and the number of vertices = {n}", "lower the rank")


def _notices(spec: Spectrum) -> tuple[Notice, ...]:
    found = []
    r, values = spec.rank, spec.values
    scale = max(float(np.abs(values).max(initial=0.0)), 1e-300)
    if len(values) > r and values[r - 1] - values[r] <= _REPEATED * scale:
        found.append(
            Notice(
                "repeated-eigenvalue",
                f"eigenvalues {r} and {r + 1} agree ({values[r - 1]:.9g}, gap {values[r - 1] - values[r]:.1e}): "
                "the leading subspace is arbitrary; raise the rank past the cluster or use method='auto'",
            )
        )
    inner = np.flatnonzero(np.diff(values[:r]) >= -_REPEATED * scale)
    if len(inner):
        found.append(
            Notice(
                "repeated-direction",
                f"eigenvalue {inner[0] + 1} of the leading {r} is repeated ({values[inner[0]]:.9g}): "
                "its eigenvectors are one basis among many",
            )
        )
    free = int(spec.free.sum())
    if free:
        found.append(
            Notice(
                "localised",
                f"the leading {r} eigenvectors vanish on {free} of {len(spec.vectors)} vertices: these are left "
                "free and filled greedily; try another matrix or method='auto'",
            )
        )
    return tuple(found)


def cluster(spec: Spectrum) -> NDArray[np.int64]:
    """Return the positions of the known eigenvalues that equal the r-th within rounding."""
    scale = max(float(np.abs(spec.values).max(initial=0.0)), 1e-300)
    return np.flatnonzero(np.abs(spec.values - spec.values[spec.rank - 1]) <= _REPEATED * scale)
