r"""The Frieze-Jerrum semidefinite relaxation, solved through cvxpy, with a bound valid whatever the solver did.

.. math:: \max_X \tfrac23 W - \tfrac13 \langle A, X\rangle, \quad X \succeq 0,\;
    X_{ii} = 1,\; X_{ij} \ge -\tfrac12.

For any multipliers :math:`\mu_{ij} \ge 0` and any diagonal d, with M the symmetric matrix of :math:`\mu/2`,
:math:`C = -\tfrac13 A + M`, weak duality gives the bound
:math:`\tfrac23 W + \tfrac12\sum_{i<j}\mu_{ij} + \sum_i d_i + n \max(0, \lambda_{\max}(C - \mathrm{diag}(d)))`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
from numpy.typing import NDArray

from qalgs.errors import ExecutionError, InfeasibleError

from .problem import Problem

MAX_SDP_NODES = 300
_ALL_PAIRS = 60


@dataclass(frozen=True, slots=True, eq=False)
class SdpSolution:
    """The relaxation's solution.

    Attributes:
        bound: The repaired dual value: valid for every cut.
        value: The primal value that the solver reports; not a bound.
        gram: X, shape ``(n, n)``.
        solver: Name of the solver.
    """

    bound: float
    value: float
    gram: NDArray[np.float64]
    solver: str


def _no_import_noise(record: logging.LogRecord) -> bool:
    return "importing solver" not in record.getMessage()


def solve_sdp(problem: Problem, *, solver: str | None = None) -> SdpSolution:
    """Solve the relaxation and repair its dual.

    Args:
        problem: The graph; at most 300 nodes. The constraints ``X_ij >= -1/2`` are imposed on all pairs up to 60
            nodes and on the edges beyond; either way the bound is valid.
        solver: A cvxpy solver name; Clarabel up to 120 nodes and SCS beyond by default.

    Returns:
        The solution and the valid bound.

    Raises:
        InfeasibleError: If the graph is too large for this solver.
        ExecutionError: If the solver fails.
    """
    n = problem.n
    if n > MAX_SDP_NODES:
        raise InfeasibleError(
            f"the SDP bound takes at most n = {MAX_SDP_NODES} nodes, got {n}; use bound='rank' or bound='eigen'"
        )
    if problem.m == 0:
        return SdpSolution(0.0, 0.0, np.eye(n), "none")
    # It logs a warning for every solver of which only half is installed.
    logging.getLogger("__cvxpy__").addFilter(_no_import_noise)
    # First: after cvxpy (which loads highspy) OR-Tools finds the wrong HiGHS library and cannot be loaded at all.
    import ortools.sat.python.cp_model  # noqa: F401
    import cvxpy  # isort: skip

    cp: Any = cvxpy

    adjacency = problem.adjacency().toarray()
    if n <= _ALL_PAIRS:
        rows, cols = np.triu_indices(n, 1)
    else:
        rows, cols = problem.rows, problem.cols
    gram = cp.Variable((n, n), PSD=True)
    diagonal = cp.diag(gram) == 1
    pairs = gram[rows, cols] >= -0.5
    objective = cp.Maximize(2 / 3 * problem.total - cp.sum(cp.multiply(adjacency, gram)) / 3)
    program = cp.Problem(objective, [diagonal, pairs])
    name = solver or ("CLARABEL" if n <= 120 else "SCS")
    try:
        program.solve(solver=name, **({"eps": 1e-5, "max_iters": 20_000} if name == "SCS" else {}))
    except cp.error.SolverError as error:
        raise ExecutionError(f"{name} could not solve the SDP: {error}; try another solver") from error
    if gram.value is None or diagonal.dual_value is None:
        raise ExecutionError(f"{name} ended with status {program.status}; try another solver")
    bound = repaired_bound(problem, rows, cols, np.asarray(pairs.dual_value), np.asarray(diagonal.dual_value))
    return SdpSolution(bound, float(program.value), np.asarray(gram.value), name)


def repaired_bound(
    problem: Problem,
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    multipliers: NDArray[np.float64],
    diagonal: NDArray[np.float64],
) -> float:
    """Turn any multipliers, feasible or not, into a valid bound; both signs of the diagonal are tried."""
    mu = np.maximum(multipliers, 0.0)
    matrix = -problem.adjacency().toarray() / 3
    matrix[rows, cols] += mu / 2
    matrix[cols, rows] += mu / 2
    n, best = problem.n, np.inf
    for d in (diagonal, -diagonal, np.zeros(problem.n)):
        shifted = matrix - np.diag(d)
        top = float(la.eigvalsh(shifted, subset_by_index=[n - 1, n - 1])[0])
        guard = 1e-13 * n * float(np.abs(shifted).sum(axis=1).max())
        best = min(best, float(d.sum()) + n * (top + guard))
    return 2 / 3 * problem.total + float(mu.sum()) / 2 + best
