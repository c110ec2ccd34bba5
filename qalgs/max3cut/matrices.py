r"""The quadratic form of a cut, and the choice of its diagonal.

With :math:`z_i \in \{1, \omega, \omega^2\}`, :math:`\omega = e^{2\pi i/3}`, and W the sum of all weights,

.. math:: \mathrm{cut}(z) = \tfrac13 z^\dagger L z = \tfrac13\left(z^\dagger Q z - \textstyle\sum_i x_i\right),
    \qquad Q = L + \mathrm{diag}(x).

The diagonal x adds a constant to the objective but moves the eigenvectors, so it is free to choose
(arXiv 2602.20376 uses x = 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from qalgs.errors import invalid

from .problem import Problem

Matrix = Literal["laplacian", "adjacency", "corrected"]


@dataclass(frozen=True, slots=True)
class CutForm:
    """The matrix Q with ``cut(z) = (z^dagger Q z - shift) / 3``.

    Attributes:
        matrix: Q, real symmetric, shape ``(n, n)``.
        shift: The sum of the diagonal correction x.
    """

    matrix: sp.csr_array
    shift: float


def cut_form(problem: Problem, matrix: Matrix = "corrected") -> CutForm:
    """Return Q for one choice of the diagonal.

    Args:
        problem: The graph.
        matrix: ``"laplacian"`` (L), ``"adjacency"`` (-A) or ``"corrected"`` (-A plus the zero-mean diagonal that
            makes the largest eigenvalue small: the dual of the basic semidefinite relaxation, solved to a few
            digits; any diagonal is valid).

    Returns:
        The matrix and its shift.

    Raises:
        InvalidInputError: If ``matrix`` is none of these.
    """
    check_matrix(matrix)
    adjacency, degrees = problem.adjacency(), problem.degrees()
    if matrix == "laplacian":
        return CutForm(sp.csr_array(sp.diags_array(degrees) - adjacency), 0.0)
    if matrix == "adjacency":
        return CutForm(sp.csr_array(-adjacency), -float(degrees.sum()))
    extra = diagonal_correction(problem)
    return CutForm(sp.csr_array(sp.diags_array(extra) - adjacency), float(extra.sum() - degrees.sum()))


def check_matrix(matrix: str) -> None:
    """Raise unless ``matrix`` names a choice of the diagonal."""
    if matrix not in get_args(Matrix):
        raise invalid("matrix", matrix, f"must be one of {', '.join(get_args(Matrix))}")


def diagonal_correction(problem: Problem, *, sweeps: int = 60, width: int = 16) -> NDArray[np.float64]:
    r"""Return a zero-mean diagonal x that nearly minimises :math:`\lambda_{\max}(-A + \mathrm{diag}(x))`.

    Coordinate ascent on unit vectors, :math:`g_i = -\sum_j w_{ij} u_j,\; u_i \leftarrow g_i/\|g_i\|` (Wang, Chang,
    Kolter 2018, the mixing method), solves the relaxation; its dual variables are :math:`y_i = \|g_i\|` and
    :math:`x = \bar y - y`.

    Args:
        problem: The graph.
        sweeps: Passes over all vertices.
        width: Dimension of the vectors.

    Returns:
        The diagonal, shape ``(n,)``, summing to zero up to rounding.
    """
    vectors = np.random.default_rng(0).standard_normal((problem.n, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    dual = np.zeros(problem.n)
    _mix(problem.indptr, problem.indices, problem.data, vectors, dual, sweeps)
    return dual.mean() - dual


@njit(cache=True, nogil=True)
def _mix(indptr, indices, data, vectors, dual, sweeps):  # type: ignore[no-untyped-def]
    n, width = vectors.shape
    gradient = np.empty(width)
    for _ in range(sweeps):
        for i in range(n):
            gradient[:] = 0.0
            for e in range(indptr[i], indptr[i + 1]):
                j, w = indices[e], data[e]
                for k in range(width):
                    gradient[k] -= w * vectors[j, k]
            norm = 0.0
            for k in range(width):
                norm += gradient[k] * gradient[k]
            norm = np.sqrt(norm)
            dual[i] = norm
            if norm > 0.0:
                for k in range(width):
                    vectors[i, k] = gradient[k] / norm
