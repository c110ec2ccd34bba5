r"""Maximise a complex Hermitian form over roots of unity: the problem behind every engine of the package."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from qalgs.errors import expect, invalid
from qalgs.parallel import Parallel, placement
from qalgs.results import Result, Status, versions
from qalgs.seeds import Seed, as_generator, root_seed

from .arcs import maximize_arcs, pairs, perturbed
from .engine import ArcsTask, run_chunks
from .low_rank import maximize_rank1, maximize_real_rank2, roots, score
from .problem import Labels
from .vertices import MAX_CANDIDATES, check_candidates, maximize_vertices, predicted_candidates

_RANK_TOLERANCE = 1e-10
_BRUTE = 3**12
_RESTARTS = 64
_PARALLEL_ROWS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FormResult(Result):
    r"""The maximum of a form :math:`z^\dagger Q z` over K-th roots of unity.

    Attributes:
        value: :math:`z^\dagger Q z`, recomputed from Q.
        z: The roots of unity, shape ``(n,)``; the first one is 1.
        labels: Their exponents, 0..K-1.
        upper_bound: A valid upper bound on the form; equals ``value`` up to rounding where that is exact.
        exact: What is exact: ``"form optimum"``, ``"low-rank objective"`` or nothing.
        method: ``rank1``, ``three-arc``, ``arcs``, ``vertices``, ``exhaustive`` or ``local search``.
        rank: Rank of the factor that was enumerated.
        evaluations: Counters.
        status: How the run ended.
        seed: Root seed (used by the local search only).
        versions: Library versions.
        K: Number of roots.
        n: Size of the form.
    """

    value: float
    upper_bound: float
    exact: str
    method: str
    rank: int
    K: int
    n: int
    evaluations: Mapping[str, int]
    status: Status
    seed: int
    z: NDArray[np.complex128]
    labels: Labels
    versions: Mapping[str, str] = field(default_factory=versions)


def maximize_form(
    Q: NDArray[np.complex128] | NDArray[np.float64] | sp.sparray | sp.spmatrix,
    K: int = 3,
    *,
    rank: int | None = None,
    max_candidates: int = MAX_CANDIDATES,
    seed: Seed = 0,
    n_jobs: int | None = 1,
    backend: str | None = None,
    parallel: Parallel | None = None,
) -> FormResult:
    r"""Maximise :math:`z^\dagger Q z` over :math:`z_i \in \{e^{2\pi i k/K}\}`.

    A form whose spectrum, apart from one repeated lowest value, has at most ``rank`` eigenvalues is maximised
    exactly by cell enumeration (any multiple of the identity adds a constant); so are small forms of any rank.
    Otherwise the leading ``rank`` eigenpairs are enumerated, the pattern is improved by a local search on Q, and
    the enumeration bound :math:`n\lambda_{r+1} + F_r` tells how far it can be from the maximum.

    Args:
        Q: Hermitian matrix, shape ``(n, n)``, dense or sparse.
        K: Number of roots, at least 2.
        rank: Rank of the enumerated factor; by default the numerical rank if that is feasible, else 2.
        max_candidates: Limit of the exhaustive engine for rank 3 and more.
        seed: Root seed of the local search.
        n_jobs: Workers for rank 2.
        backend: A joblib backend or the address of a Dask scheduler for rank 2.
        parallel: Both in one: a number of workers, or such an address.

    Returns:
        ``value`` and ``z``, with a bound and what is exact.

    Raises:
        InvalidInputError: If Q is not square, finite and Hermitian, or K or ``rank`` is out of range.
        InfeasibleError: If ``rank`` is given and its exact enumeration would exceed ``max_candidates``.

    Example:
        >>> v = np.array([1.0, 2.0, -1.0])
        >>> found = maximize_form(np.outer(v, v), K=3)
        >>> round(found.value, 6), found.exact
        (13.0, 'form optimum')
    """
    expect(Integral, max_candidates=max_candidates)
    matrix = _check(Q, K)
    n, root = len(matrix), root_seed(seed)
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= n):
        raise invalid("rank", rank, f"must be an int between 1 and n = {n}")
    if K == 2 and rank is not None and rank > 2:
        raise invalid("rank", rank, "must be at most 2 for K = 2", "leave rank to its default")
    if isinstance(max_candidates, bool) or max_candidates < 1:
        raise invalid("max_candidates", max_candidates, "must be an int of at least 1")
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1]
    scale = max(float(np.abs(values).max()), 1e-300)
    full = _numerical_rank(values, scale)
    if rank is not None and rank >= 3:
        check_candidates(n, rank, K, max_candidates)
    # With K = 2 each row has one plane only, so that cells of rank 3 and more need not be pointed.
    feasible = full <= 2 or (K > 2 and predicted_candidates(n, full, K) <= min(max_candidates, 3_000_000))
    if rank is None and not feasible and K**n <= _BRUTE:
        value, labels = _exhaustive(matrix, K)
        return _result(
            matrix, labels, value, "form optimum", "exhaustive", n, K, {"candidates": K ** (n - 1)}, root
        )
    used = max(1, min(full, rank) if rank is not None else full if feasible else 2)
    shift = float(values[used]) if used < n else float(min(values[-1], 0.0))
    factor = vectors[:, :used] * np.sqrt(np.maximum(values[:used] - shift, 0.0))
    if np.abs(factor.imag).max(initial=0.0) <= 1e-14 * np.abs(factor).max(initial=0.0):
        factor = factor.real
    top, labels, method, counters = _maximize_factor(
        factor, K, max_candidates, *placement(parallel, n_jobs, backend)
    )
    bound = top + n * shift + 1e-12 * scale * n
    if used >= full:
        return _result(matrix, labels, bound, "form optimum", method, used, K, counters, root)
    labels, moves = _improve(matrix, labels, K, root)
    return _result(
        matrix, labels, bound, "", f"{method} and local search", used, K, {**counters, "moves": moves}, root
    )


def _check(
    Q: NDArray[np.complex128] | NDArray[np.float64] | sp.sparray | sp.spmatrix, K: int
) -> NDArray[np.complex128]:
    given: Any = Q
    dense = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    if dense.ndim != 2 or dense.shape[0] != dense.shape[1] or dense.shape[0] == 0:
        raise invalid("Q", dense.shape, "must be a square matrix with at least one row")
    if not np.issubdtype(dense.dtype, np.number):
        raise TypeError(f"Q must hold numbers, got dtype {dense.dtype}")
    if isinstance(K, bool) or not isinstance(K, int) or K < 2:
        raise invalid("K", K, "must be an int of at least 2")
    matrix = dense.astype(np.complex128)
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        raise invalid("Q", complex(matrix[tuple(bad[0])]), f"must be finite at entry {tuple(bad[0].tolist())}")
    skew = np.abs(matrix - matrix.conj().T)
    if skew.max() > 1e-10 * max(float(np.abs(matrix).max()), 1e-300):
        where = tuple(int(i) for i in np.unravel_index(int(skew.argmax()), skew.shape))
        rule = f"must be Hermitian; entries {where} and {where[::-1]} are not conjugate"
        raise invalid("Q", complex(matrix[where]), rule, "pass (Q + Q.conj().T) / 2")
    return np.asarray((matrix + matrix.conj().T) / 2)


def _numerical_rank(values: NDArray[np.float64], scale: float) -> int:
    """Number of eigenvalues above the lowest cluster: the rank once a multiple of the identity is taken off."""
    return int((values > values[-1] + _RANK_TOLERANCE * scale).sum())


def _maximize_factor(
    factor: NDArray[np.complex128] | NDArray[np.float64], K: int, limit: int, n_jobs: int | None,
    backend: str | None,
) -> tuple[float, Labels, str, dict[str, int]]:  # fmt: skip
    n, rank = factor.shape
    if rank == 1:
        value, labels = maximize_rank1(factor[:, 0], K)
        return value, labels, "rank1", {"candidates": n}
    if rank == 2 and K == 3 and not np.iscomplexobj(factor):
        value, labels, boxes = maximize_real_rank2(np.ascontiguousarray(factor))
        return value, labels, "three-arc", {"boxes": boxes}
    if rank == 2 and n >= _PARALLEL_ROWS and np.iscomplexobj(factor):
        return _arcs_in_chunks(np.asarray(factor, dtype=np.complex128), K, n_jobs, backend)
    if rank == 2:
        scores, patterns, segments, _ = maximize_arcs(factor, K=K)
        return float(scores[0]), patterns[0], "arcs", {"segments": segments, "cells": 4 * segments}
    scores, patterns, rays, _ = maximize_vertices(factor, K=K, max_candidates=limit)
    return float(scores[0]), patterns[0], "vertices", {"candidates": rays}


def _arcs_in_chunks(
    factor: NDArray[np.complex128], K: int, n_jobs: int | None, backend: str | None
) -> tuple[float, Labels, str, dict[str, int]]:
    """Walk the arcs chunk by chunk; a degenerate factor is walked again perturbed."""
    n = len(factor)
    chunks = max(1, min(pairs(n), n // 4, 256))
    best: tuple[float, Labels] = (-np.inf, np.zeros(n, dtype=np.int8))
    segments = 0
    for walk in (factor, perturbed(factor)):
        ties = 0
        for chunk in run_chunks(
            ArcsTask(walk, factor, chunks, K, 1), range(chunks), n_jobs=n_jobs, backend=backend
        ):
            segments, ties = segments + chunk.visited, ties + chunk.ties
            for labels in chunk.patterns:
                value = score(factor, labels, K)
                if value > best[0]:
                    best = value, labels
        if not ties:
            break
    return best[0], best[1], "arcs", {"segments": segments, "cells": 4 * segments}


def _exhaustive(matrix: NDArray[np.complex128], K: int) -> tuple[float, Labels]:
    n, z = len(matrix), roots(K)
    best, labels = -np.inf, np.zeros(n, dtype=np.int8)
    inner = min(n - 1, 7)
    tails = np.array(list(itertools.product(range(K), repeat=inner)), dtype=np.int8)
    for head in itertools.product(range(K), repeat=n - 1 - inner):
        front = np.broadcast_to(np.array([0, *head], dtype=np.int8), (len(tails), n - inner))
        block = np.concatenate([front, tails], axis=1)
        state = z[block]
        scores = np.einsum("bi,ij,bj->b", state.conj(), matrix, state, optimize=True).real
        top = int(scores.argmax())
        if scores[top] > best:
            best, labels = float(scores[top]), block[top].copy()
    return best, labels


def _improve(matrix: NDArray[np.complex128], labels: Labels, K: int, root: int) -> tuple[Labels, int]:
    """Single-coordinate ascent on Q from the enumerated pattern and from random ones."""
    rng, z = as_generator(root), roots(K)
    off = matrix - np.diag(np.diag(matrix))
    best, moves = labels.copy(), 0
    record = -np.inf
    for k in range(_RESTARTS):
        trial = labels.copy() if k == 0 else rng.integers(0, K, len(labels)).astype(np.int8)
        moves += int(_ascend(off, z, trial))
        value = float((z[trial].conj() @ off @ z[trial]).real)
        if value > record + 1e-12:
            record, best = value, trial
    return best, moves


@njit(cache=True, nogil=True)
def _ascend(off, z, labels):  # type: ignore[no-untyped-def]
    n, K = len(labels), len(z)
    field_ = np.zeros(n, dtype=np.complex128)
    for i in range(n):
        for j in range(n):
            field_[i] += off[i, j] * z[labels[j]]
    moves, improved = 0, True
    while improved:
        improved = False
        for i in range(n):
            now = (np.conj(z[labels[i]]) * field_[i]).real
            best, pick = now + 1e-12 * (1.0 + abs(now)), -1
            for k in range(K):
                value = (np.conj(z[k]) * field_[i]).real
                if value > best:
                    best, pick = value, k
            if pick >= 0:
                change = z[pick] - z[labels[i]]
                labels[i] = pick
                for j in range(n):
                    field_[j] += off[j, i] * change
                moves += 1
                improved = True
    return moves


def _result(
    matrix: NDArray[np.complex128], labels: Labels, bound: float, exact: str, method: str, rank: int, K: int,
    counters: dict[str, int], root: int,
) -> FormResult:  # fmt: skip
    labels = ((labels - labels[0]) % K).astype(np.int8)
    z = roots(K)[labels]
    value = float((z.conj() @ matrix @ z).real)
    return FormResult(
        value=value, upper_bound=max(value, float(bound)), exact=exact, method=method, rank=rank, K=K,
        n=len(matrix), evaluations=counters, status=Status.CONVERGED, seed=root, z=z, labels=labels,
    )  # fmt: skip
