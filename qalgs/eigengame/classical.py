r"""The classical relatives on matrices, for reference and teaching: the top k eigenvectors of a symmetric M.

All return eigenpairs of the largest eigenvalues. For the lowest levels of a Hamiltonian pass :math:`M=cI-H` with c
above its spectrum; :func:`shifted` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral
from numbers import Real as Number

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw

from qalgs.errors import as_array, expect, invalid
from qalgs.results import Result, Status
from qalgs.seeds import Seed, as_generator

Real = NDArray[np.float64]

GAMES = ("eigengame", "mu", "parallel_deflation", "sequential_rank1")
GRADIENTS = ("exact", "finite_difference")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EigenResult(Result):
    """Eigenpairs found by a game.

    Attributes:
        values: Rayleigh quotients, in the order of the players.
        vectors: Unit columns.
        iterations: Updates of each player.
        critical_path: Updates on the longest chain of waiting players.
        angles: History of the largest angle to the reference, if one was given; else empty.
        residuals: |Mv - (v'Mv) v| of each pair.
        bound: Error bound of sequential rank-1, one per player; empty for the others.
        status: How it ended.
    """

    values: Real
    vectors: Real = field(repr=False)
    iterations: tuple[int, ...]
    critical_path: int
    angles: Real = field(repr=False)
    residuals: Real
    bound: Real
    status: Status


def shifted(hamiltonian: ArrayLike, margin: float = 0.1) -> tuple[Real, float]:
    r"""Return :math:`M=cI-H` and c, with c above the spectrum by ``margin`` of Gershgorin's radius.

    Args:
        hamiltonian: H, real symmetric, (d, d).
        margin: Distance of c above the bound, in units of Gershgorin's radius.

    Example:
        >>> m, c = shifted(np.diag([-1.0, 1.0]))
        >>> float(c) > 1.0, bool(np.linalg.eigvalsh(m)[0] > 0)
        (True, True)
    """
    expect(Number, margin=margin)
    h = _symmetric("hamiltonian", hamiltonian)
    radius = np.abs(h).sum(axis=1) - np.abs(h.diagonal())
    top, bottom = float((h.diagonal() + radius).max()), float((h.diagonal() - radius).min())
    c = top + margin * max(top - bottom, 1e-12)
    return c * np.eye(len(h)) - h, c


def top_eigenvectors(
    matrix: ArrayLike,
    k: int,
    method: str = "eigengame",
    *,
    gradient: str = "exact",
    schedule: str = "sequential",
    step: float | None = None,
    iterations: int = 2000,
    tolerance: float = 1e-8,
    stagger: int | list[int] = 1,
    steps_per_round: int = 1,
    reference: ArrayLike | None = None,
    seed: Seed = None,
) -> EigenResult:
    """Find the leading eigenvectors of a symmetric positive semidefinite matrix by a game.

    Args:
        matrix: M, (d, d).
        k: Number of players.
        method: ``"eigengame"`` (Gemp et al., ICLR 2021, alg. 1), ``"mu"`` (EigenGame Unloaded, Gemp et al. 2022),
            ``"parallel_deflation"`` (Liao et al. 2025: every worker does power steps on its deflated matrix, from
            the latest vectors of those before it) or ``"sequential_rank1"`` (inexact Hotelling deflation).
        gradient: ``"exact"``, or ``"finite_difference"`` of the utility ("0th order"; games with a utility only).
        schedule: ``"sequential"`` or ``"parallel"`` for the two games; deflation methods have their own.
        step: Step on the sphere; 0.5 over the largest eigenvalue's bound by default.
        iterations: Most updates of each player (rounds, in parallel).
        tolerance: A player stops when its Riemannian gradient or update is below this times |M|.
        stagger: Rounds between the starts of neighbours, or the starting round of each player.
        steps_per_round: Updates T per round of parallel deflation.
        reference: True eigenvectors (columns), for the history of angles.
        seed: Randomness of the starts.

    Returns:
        Eigenvalues, eigenvectors, counters and status.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> top_eigenvectors(np.diag([3.0, 2.0, 1.0]), k=2, seed=0).values.round(6).tolist()
        [3.0, 2.0]
    """
    expect(Integral, list, tuple, stagger=stagger)
    truth = None if reference is None else np.atleast_2d(as_array("reference", reference))[:, :k]
    expect(Integral, k=k, iterations=iterations, steps_per_round=steps_per_round)
    expect(Number, tolerance=tolerance)
    expect(Number, type(None), step=step)
    m = _symmetric("matrix", matrix)
    _check_updates(iterations, steps_per_round, tolerance, step)
    _check_game(m, k, method, gradient, schedule)
    _starts(k, stagger)
    scale = float(np.linalg.norm(m, 2))
    rate = 0.5 / scale if step is None else float(step)
    game = _Game(
        update=_update(method, gradient, m, rate),
        vectors=_random_units(len(m), k, seed),
        limit=tolerance * scale * (rate if method in {"eigengame", "mu"} else 1.0 / scale),
        iterations=iterations,
        truth=truth,
    )
    if method == "parallel_deflation" or (method in {"eigengame", "mu"} and schedule == "parallel"):
        path = game.play_in_rounds(_starts(k, stagger), steps_per_round)
    else:
        path = game.play_in_turn()
    return _eigenpairs(m, game, path, bounded=method == "sequential_rank1")


def _eigenpairs(m: Real, game: _Game, path: int, *, bounded: bool) -> EigenResult:
    """Turn a game that is over into Rayleigh quotients, their residuals and, if asked, their bounds."""
    v = game.vectors
    values = np.einsum("ij,ij->j", v, m @ v)
    residuals = np.linalg.norm(m @ v - v * values, axis=0)
    return EigenResult(
        values=values,
        vectors=v,
        iterations=tuple(game.counts),
        critical_path=path,
        angles=np.array(game.angles),
        residuals=residuals,
        bound=rank1_bound(values, residuals) if bounded else np.empty(0),
        status=Status.CONVERGED if all(game.done) else Status.BUDGET,
    )


def _check_updates(iterations: int, steps_per_round: int, tolerance: float, step: float | None) -> None:
    """Refuse numbers and sizes of updates that mean nothing."""
    for name, value in (("iterations", iterations), ("steps_per_round", steps_per_round)):
        if isinstance(value, bool) or value < 1:
            raise invalid(name, value, "must be at least 1")
    if not 0 <= tolerance < np.inf:
        raise invalid("tolerance", tolerance, "must be finite and not negative")
    if step is not None and not 0 < step < np.inf:
        raise invalid("step", step, "must be positive and finite")


def _check_game(m: Real, k: int, method: str, gradient: str, schedule: str) -> None:
    if isinstance(k, bool) or not 1 <= k <= len(m):
        raise invalid("k", k, f"must be between 1 and {len(m)}", "reduce k")
    if method not in GAMES:
        raise invalid("method", method, f"must be one of {', '.join(GAMES)}")
    if gradient not in GRADIENTS:
        raise invalid("gradient", gradient, f"must be one of {', '.join(GRADIENTS)}")
    if gradient == "finite_difference" and method != "eigengame":
        raise invalid("gradient", gradient, f"needs a utility, which {method!r} has not", "use method='eigengame'")
    if schedule not in {"sequential", "parallel"}:
        raise invalid("schedule", schedule, "must be 'sequential' or 'parallel'")
    if float(np.linalg.eigvalsh(m)[0]) < -1e-9 * np.linalg.norm(m, 2):
        raise invalid("matrix", "an indefinite matrix", "must be positive semidefinite", "use shifted(H)")


def _random_units(d: int, k: int, seed: Seed) -> Real:
    start = as_generator(seed).normal(size=(d, k))
    return np.asarray(start / np.linalg.norm(start, axis=0))


class _Game:
    """The players' vectors (columns) and what happened to them."""

    def __init__(
        self,
        update: Callable[[Real, Real], Real],
        vectors: Real,
        limit: float,
        iterations: int,
        truth: Real | None,
    ) -> None:
        self.update, self.vectors, self.limit, self.iterations, self.truth = (
            update,
            vectors,
            limit,
            iterations,
            truth,
        )
        self.counts, self.done = [0] * vectors.shape[1], [False] * vectors.shape[1]
        self.angles: list[float] = []

    def _move(self, i: int, parents: Real) -> float:
        """Update player ``i`` once and return how far it moved."""
        new = self.update(self.vectors[:, i], parents)
        moved = float(np.linalg.norm(new - self.vectors[:, i]))
        self.vectors[:, i] = new
        self.counts[i] += 1
        return moved

    def _record(self) -> None:
        if self.truth is not None:
            self.angles.append(_angle(self.vectors, self.truth))

    def play_in_turn(self) -> int:
        """Let each player finish before the next one starts; return the number of updates."""
        for i in range(len(self.done)):
            while self.counts[i] < self.iterations and not self.done[i]:
                self.done[i] = self._move(i, self.vectors[:, :i]) < self.limit
                self._record()
        return sum(self.counts)

    def play_in_rounds(self, starts: list[int], steps: int) -> int:
        """Let all players that have started move side by side; return the updates on the critical path."""
        rounds = 0
        while not all(self.done) and rounds < self.iterations:
            snapshot = self.vectors.copy()
            for i, start in enumerate(starts):
                if rounds >= start:
                    moved = [self._move(i, snapshot[:, :i]) for _ in range(steps)][-1]
                    self.done[i] = moved < self.limit and all(self.done[:i])
            rounds += 1
            self._record()
        return rounds * steps


def utility(m: Real, v: Real, parents: Real) -> float:
    r"""Return :math:`v'Mv-\sum_j(v'Mv_j)^2/(v_j'Mv_j)`, the EigenGame utility of a unit vector."""
    mp = m @ parents
    return float(v @ m @ v - ((v @ mp) ** 2 / np.einsum("ij,ij->j", parents, mp)).sum())


def _update(method: str, gradient: str, m: Real, rate: float) -> Callable[[Real, Real], Real]:
    def ascend(v: Real, direction: Real) -> Real:
        tangent = direction - (direction @ v) * v
        new = v + rate * tangent
        return np.asarray(new / np.linalg.norm(new))

    def game(v: Real, parents: Real) -> Real:
        if gradient == "finite_difference":
            eps = 1e-5
            unit = np.eye(len(v))
            slopes = [utility(m, v + eps * e, parents) - utility(m, v - eps * e, parents) for e in unit]
            return ascend(v, np.array(slopes) / (2 * eps))
        mp = m @ parents
        return ascend(v, 2 * (m @ v - mp @ ((v @ mp) / np.einsum("ij,ij->j", parents, mp))))

    def unloaded(v: Real, parents: Real) -> Real:
        mv = m @ v
        return ascend(v, 2 * (mv - parents @ (parents.T @ mv)))

    def power(v: Real, parents: Real) -> Real:
        weights = np.einsum("ij,ij->j", parents, m @ parents)
        new = m @ v - parents @ (weights * (parents.T @ v))
        size = float(np.linalg.norm(new))
        new = new / size if size > 1e-300 else v
        return np.asarray(new if new @ v >= 0 else -new)

    return {"eigengame": game, "mu": unloaded}.get(method, power)


def rank1_bound(values: Real, residuals: Real) -> Real:
    r"""Return the error-propagation bound of sequential rank-1 deflation.

    The error of player k is at most :math:`\sum_{i\le k}\prod_{i\le j<k}\rho_j\,\|\psi_i\|` with
    :math:`\rho_j=2+6\sigma_j/(\sigma_j-\sigma_{j+1})` (Vandchali, Liao, Kyrillidis, TMLR), where psi_i is player
    i's own numerical error. It is infinite where a gap closes; it is not meant as a stopping rule.

    Args:
        values: Leading eigenvalues in descending order.
        residuals: Own error of each player.

    Returns:
        One bound per player; infinite for the last value, whose gap is not known.

    Raises:
        InvalidInputError: If there are not as many residuals as values.

    Example:
        >>> rank1_bound(np.array([4.0, 2.0]), np.array([1e-3, 1e-3]))[0].item()
        0.001
    """
    values, residuals = np.atleast_1d(as_array("values", values)), np.atleast_1d(as_array("residuals", residuals))
    if values.ndim != 1 or residuals.shape != values.shape:
        raise invalid("residuals", residuals, f"must be as many numbers as values, {values.size}")
    gaps = values[:-1] - values[1:]
    with np.errstate(divide="ignore"):
        rho = np.where(gaps > 0, 2 + 6 * values[:-1] / np.where(gaps > 0, gaps, 1), np.inf)
    bound = np.empty(len(values))
    total = 0.0
    for i, residual in enumerate(residuals):
        total = residual + (rho[i - 1] * total if i and total > 0 else 0.0)
        bound[i] = total
    return bound


def staggered_starts(values: ArrayLike, contraction: ArrayLike) -> list[int]:
    r"""Return sufficient starting rounds of parallel deflation (Liao et al. 2025, thm. 1).

    With :math:`m_1=F_1`, :math:`m_k=\max\{F_k,1/k+(k-1)m_{k-1}/k\}`, :math:`s_1=1` and
    :math:`\hat W(a)=-W_{-1}(-a)` below 1/e, else 1, for all k' <= k

    .. math:: s_{k+1}\ge\max\{\tfrac{\hat W(m_k\log1/m_k)}{\log1/m_k},\tfrac{km_k+1}{1-m_k}\}
        +\tfrac{\hat W((\lambda_{k+1}-\lambda_{k+2})/(12k\lambda_{k'})\log^2(1/m_k))}{\log1/m_{k'}}+s_{k'}.

    Args:
        values: At least K + 1 eigenvalues in strictly descending order; K players are scheduled.
        contraction: F_k, the factor in (0, 1) by which player k's own iteration shrinks its error in a round.

    Returns:
        Rounds counted from 1.

    Raises:
        InvalidInputError: If values do not fall strictly, or a factor is not in (0, 1).

    Example:
        >>> staggered_starts([3.0, 2.0, 1.0], [0.5, 0.5])[0]
        1
    """
    lam = np.atleast_1d(as_array("values", values))
    f = as_array("contraction", contraction)
    k_all = len(lam) - 1
    if k_all < 1 or (np.diff(lam) >= 0).any():
        raise invalid("values", values, "must be strictly descending, one more than the players")
    if f.shape != (k_all,) or not ((f > 0) & (f < 1)).all():
        raise invalid("contraction", contraction, f"must be {k_all} numbers between 0 and 1")

    def w_hat(a: float) -> float:
        return float(-lambertw(-a, -1).real) if 0 < a < 1 / math.e else 1.0

    m: list[float] = []
    for k in range(1, k_all + 1):
        previous = m[-1] if m else float(f[0])
        m.append(max(float(f[k - 1]), 1 / k + (k - 1) * previous / k if k > 1 else float(f[0])))
    starts = [1]
    for k in range(1, k_all):
        mk, log_k = m[k - 1], math.log(1 / m[k - 1])
        first = max(w_hat(mk * log_k) / log_k, (k * mk + 1) / (1 - mk))
        gap = float(lam[k] - lam[k + 1])
        needed = [
            first + w_hat(gap / (12 * k * lam[j]) * log_k**2) / math.log(1 / m[j]) + starts[j] for j in range(k)
        ]
        starts.append(math.ceil(max(needed)))
    return starts


def _starts(k: int, stagger: int | list[int]) -> list[int]:
    if isinstance(stagger, int):
        if stagger < 0:
            raise invalid("stagger", stagger, "must not be negative")
        return [stagger * i for i in range(k)]
    if len(stagger) != k or any(s < 0 for s in stagger):
        raise invalid("stagger", stagger, f"must be a number or {k} rounds that are not negative")
    return list(stagger)


def _symmetric(name: str, matrix: ArrayLike) -> Real:
    m = np.asarray(matrix)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or not m.size:
        raise invalid(name, m.shape, "must be a square matrix")
    if not np.isfinite(m).all():
        raise invalid(name, "NaN or infinity", "must be finite")
    if np.iscomplexobj(m):
        raise invalid(name, "a complex matrix", "must be real", "use [[Re, -Im], [Im, Re]]")
    m = m.astype(float)
    if np.abs(m - m.T).max() > 1e-10 * max(1.0, np.abs(m).max()):
        raise invalid(name, "an unsymmetric matrix", "must be symmetric", "use (M + M.T)/2")
    return m


def _angle(v: Real, truth: Real) -> float:
    cosines = np.clip(np.abs(np.einsum("ij,ij->j", v, truth)), 0.0, 1.0)
    return float(np.arccos(cosines).max())
