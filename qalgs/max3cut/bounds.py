r"""Upper bounds on every 3-cut, all valid as stated: rounding errors of the solvers are added, not ignored.

With Q the form of :mod:`qalgs.max3cut.matrices` (shift :math:`\sum_i x_i`), eigenvalues
:math:`\lambda_1 \ge \lambda_2 \ge \dots` and :math:`F_r = \max_z z^\dagger \sum_{k\le r}(\lambda_k -
\lambda_{r+1}) v_k v_k^\dagger z`,

.. math:: \mathrm{cut}(z) \le \tfrac13\left(n \lambda_{r+1} + F_r - \textstyle\sum_i x_i\right),

so the enumeration returns its own bound; r = 0 is the eigenvalue bound. The combinatorial bound of
:mod:`qalgs.max3cut.packing` needs no eigenvectors and takes part in all but the trivial one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from qalgs.errors import invalid

from .low_rank import bound_real_rank2, maximize_rank1
from .matrices import CutForm, Matrix, check_matrix, cut_form
from .packing import combinatorial_bound
from .problem import GraphLike, Problem, as_problem
from .spectrum import Spectrum, spectrum

Bound = Literal["trivial", "packing", "eigen", "rank", "sdp"]


@dataclass(frozen=True, slots=True)
class UpperBound:
    """A valid upper bound.

    Attributes:
        value: The bound, rounded down to an integer where all weights are integers.
        kind: ``trivial``, ``packing``, ``eigen``, ``rank`` or ``sdp``: the smallest of those computed.
        raw: The value before rounding down.
    """

    value: int | float
    kind: str
    raw: float


def check_bound(bound: str | None, name: str = "bound") -> None:
    """Raise unless ``bound``, called ``name`` by the caller, is None or names a bound."""
    if bound is not None and bound not in get_args(Bound):
        raise invalid(name, bound, f"must be None or one of {', '.join(get_args(Bound))}")


def upper_bound(
    graph: GraphLike | Problem, kind: Bound = "rank", *, weight: str | None = "weight",
    matrix: Matrix = "corrected", rank: int = 2,
) -> UpperBound:  # fmt: skip
    """Bound the largest 3-cut of a graph from above; the trivial and the packing bound always take part.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        kind: ``"trivial"`` (sum of positive weights), ``"packing"`` (less what edge-disjoint conflicts cost:
            milliseconds, and close for sparse signed graphs), ``"eigen"``, ``"rank"`` (the enumeration bound)
            or ``"sdp"`` (the Frieze-Jerrum relaxation, its dual repaired to be feasible).
        weight: The edge attribute that holds the weight.
        matrix: The diagonal for ``eigen`` and ``rank``.
        rank: The rank for ``rank``.

    Returns:
        The smallest of these bounds and the one asked for.

    Raises:
        InvalidInputError: If the kind is unknown or the graph is refused by :func:`as_problem`.

    Example:
        >>> import networkx as nx
        >>> upper_bound(nx.complete_graph(4), "sdp").value
        5
    """
    check_bound(kind, "kind")
    check_matrix(matrix)
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise invalid("rank", rank, "must be an int of at least 1")
    problem = as_problem(graph, weight)
    base = base_bound(problem, kind)
    if kind in ("trivial", "packing") or problem.n < 3 or problem.m == 0:
        return base
    if kind == "sdp":
        from .sdp import solve_sdp

        return best_of(base, rounded(problem, solve_sdp(problem).bound, "sdp"))
    form = cut_form(problem, matrix)
    spec = spectrum(form.matrix, min(rank, problem.n))
    return best_of(base, spectral_bound(problem, form, spec, kind))


def base_bound(problem: Problem, kind: str | None) -> UpperBound:
    """Return what is known without eigenvectors: the trivial and, if bounds are wanted, the packing bound."""
    trivial = rounded(problem, problem.positive_total, "trivial")
    if kind is None or kind == "trivial":
        return trivial
    return best_of(trivial, rounded(problem, combinatorial_bound(problem), "packing"))


def spectral_bound(problem: Problem, form: CutForm, spec: Spectrum, kind: str) -> UpperBound:
    """Return the eigenvalue or the enumeration bound from eigenpairs at hand."""
    n = problem.n
    # The residual bounds the distance of each Ritz value to the spectrum and perturbs the projected form.
    slack = n * (2 * spec.residual + 1e-12 * float(np.abs(spec.values).max(initial=0.0))) * max(spec.rank, 1)
    if kind == "eigen":
        raw = (n * float(spec.values[0]) - form.shift + slack) / 3
        return rounded(problem, raw, "eigen")
    raw = (n * spec.shift + low_rank_maximum(spec) - form.shift + slack) / 3
    return rounded(problem, raw, "rank")


def low_rank_maximum(spec: Spectrum) -> float:
    """Return F_r for r <= 2 (or a close upper bound where that takes long), else its sum over column pairs."""
    factor, total = spec.factor, 0.0
    for k in range(0, spec.rank - 1, 2):
        total += bound_real_rank2(np.ascontiguousarray(factor[:, k : k + 2]))
    if spec.rank % 2:
        total += maximize_rank1(factor[:, -1])[0]
    return total


def rounded(problem: Problem, raw: float, kind: str) -> UpperBound:
    """Round a bound down to an integer where cuts are integers, guarding against rounding errors below."""
    guard = 1e-9 * max(1.0, float(np.abs(problem.weights).sum()))
    return UpperBound(math.floor(raw + guard) if problem.integral else raw + guard * 1e-3, kind, raw)


def best_of(*bounds: UpperBound) -> UpperBound:
    """Return the smallest bound, the first among equals."""
    return min(bounds, key=lambda b: b.value)
