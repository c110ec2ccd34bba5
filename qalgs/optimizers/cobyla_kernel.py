"""COBYLA without constraints, compiled: the interpolation simplex and what follows from one more value.

The method of Powell (1994) as revised in PRIMA (Zhang 2023, doi:10.5281/zenodo.8052654), which SciPy >= 1.16
translates to Python: a trust radius delta above the resolution rho, and a vertex to drop that weighs distance
against poisedness. Without constraints the linear program of a step has the solution -delta * g / |g|. Sums are
taken in SciPy's order, products by the same BLAS calls, so that rounding agrees too: rounding decides ties, and
ties are common (a vertex lies exactly at the radius).

The state is kept in arrays so that :func:`advance` can be left for an evaluation and entered again:

- ``edges`` (d, d): row j is vertex j minus the pole, the pole being the best vertex; ``inverse`` (d, d) is the
  inverse of ``edges.T``; ``pole`` (d,); ``values`` (d + 1,): those of the vertices, the pole's last;
- ``step`` (d,): the displacement under trial; ``point`` (d,): the point to evaluate;
- ``real`` and ``whole``: scalars, in the order of the constants below.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.int64]

# real
RHO, DELTA, LENGTH, PREDICTED, RATIO, VALUE, FIRST, LAST = range(REALS := 8)
# whole
PHASE, DROP, ADEQUATE, SHORT, BAD, TOLD, MOST, ROUNDS = range(WHOLES := 8)
# phases
START, SEARCH, TRIED, TRIED_REPLACED, TRIED_DONE, DECIDE, MEASURED, MEASURED_REPLACED, MEASURED_DONE, ENDING = (
    range(10)
)
# what advance() returns
ASK, INVERT, CONVERGED, FULL, STALLED = range(5)

EPS = float(np.finfo(np.float64).eps)
TINY, HUGE = math.sqrt(float(np.finfo(np.float64).tiny)), math.sqrt(float(np.finfo(np.float64).max) / 2.1)
# eta2 as PRIMA computes it: the double above 0.7, and ratios do lie just there.
ETA1, ETA2, SHRINK, GROW, SNAP = 0.1, (0.1 + 2.0) / 3.0, 0.5, 2.0, 1.5


@njit(cache=True, nogil=True, error_model="numpy")
def _rotation(pair: Array) -> tuple[float, float]:
    """Return (c, s) = (x, y) / |(x, y)| for y != 0 without over- or underflow."""
    x, y = pair[0], pair[1]
    if abs(y) <= EPS * abs(x):
        return np.sign(x), 0.0
    if abs(x) <= EPS * abs(y):
        return 0.0, np.sign(y)
    if TINY < abs(x) < HUGE and TINY < abs(y) < HUGE:
        # By BLAS, as in SciPy: kernels with AVX-512 fuse the second product and the sum.
        r = math.sqrt(np.dot(pair, pair))
        return x / r, y / r
    if abs(x) > abs(y):
        t = y / x
        u = math.sqrt(1.0 + t * t) * np.sign(x)
        return 1.0 / u, t / u
    t = x / y
    u = math.sqrt(1.0 + t * t) * np.sign(y)
    return t / u, 1.0 / u


@njit(cache=True, nogil=True, error_model="numpy")
def _descend(gradient: Array, delta: float, step: Array) -> None:
    """Set ``step`` to -delta * g / |g|, by the rotations that turn g into a multiple of the first axis."""
    d, largest = gradient.size, 0.0
    for i in range(d):
        step[i] = 0.0
        if not abs(gradient[i]) <= largest:
            largest = abs(gradient[i])
    if not largest < np.inf:
        return
    scale = 1.0 / largest if largest > 1e12 else 1.0
    rest, axis, pair = np.empty(d), np.zeros(d), np.empty(2)
    for i in range(d):
        rest[i] = scale * gradient[i]
    axis[d - 1] = 1.0
    for k in range(d - 2, -1, -1):
        if rest[k + 1] != 0.0:
            pair[0], pair[1] = rest[k], rest[k + 1]
            c, s = _rotation(pair)
            axis[k] = c
            for i in range(k + 1, d):
                axis[i] *= s
            rest[k] = np.hypot(rest[k], rest[k + 1])
        else:
            axis[k] = 1.0
            for i in range(k + 1, d):
                axis[i] = 0.0
    if abs(rest[0]) <= EPS * EPS:
        return
    scale = -1.0 / rest[0]
    for i in range(d):
        axis[i] *= scale
    square = np.dot(axis, axis)
    if square <= EPS * delta * delta:
        return
    length = math.sqrt(square * (delta * delta)) / square
    if 0.0 < length < np.inf:
        for i in range(d):
            step[i] = length * axis[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _total(terms: Array) -> float:
    """Return the sum in NumPy's order for one axis: halves to 128 terms, then eight sums side by side."""
    n, total = terms.size, 0.0
    if n < 8:
        for i in range(n):
            total += terms[i]
        return total
    if n > 128:
        half = n // 2 - n // 2 % 8
        return _total(terms[:half]) + _total(terms[half:])
    r = terms[:8].copy()
    for i in range(8, n - n % 8):
        r[i % 8] += terms[i]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for i in range(n - n % 8, n):
        total += terms[i]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _square(row: Array, shift: Array) -> float:
    total = 0.0
    for i in range(row.size):
        total += (row[i] - shift[i]) * (row[i] - shift[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _farthest(edges: Array) -> tuple[int, float]:
    """Return the vertex farthest from the pole and its squared distance."""
    best, most = 0, -1.0
    for j in range(edges.shape[0]):
        square = 0.0
        for i in range(edges.shape[1]):
            square += edges[j, i] * edges[j, i]
        if square > most:
            best, most = j, square
    return best, most


@njit(cache=True, nogil=True, error_model="numpy")
def _place(edges: Array, pole: Array, values: Array, step: Array, point: Array, real: Array) -> bool:
    """Set ``point`` to pole + step; return whether a vertex is so close that its value stands for the point's."""
    d = pole.size
    for i in range(d):
        point[i] = pole[i] + step[i]
    near, least = d, _square(point, pole)
    for j in range(d):
        square = 0.0
        for i in range(d):
            difference = point[i] - (pole[i] + edges[j, i])
            square += difference * difference
        if square < least:
            near, least = j, square
    limit = 1e-4 * real[LAST]
    if least <= limit * limit:
        real[VALUE] = values[near]
        return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _leaving(edges: Array, lagrange: Array, step: Array, improved: bool, reach: float) -> int:
    """Return the vertex that the trial point replaces (d: the pole), or -1: the farther and the less poised.

    Scheinberg and Toint (2010), eq. (4.1); ``lagrange`` holds the values at the trial point of the Lagrange
    polynomials of all vertices but the pole.
    """
    d = step.size
    shift = step if improved else np.zeros(d)
    square = reach * reach
    drop, most, far, farthest = -1, 0.0, -1, -1.0
    for j in range(d + 1 if improved else d):
        if j < d:
            distance, weight = _square(edges[j], shift), lagrange[j]
        else:
            distance, weight = _total(step * step), 1.0 - _total(lagrange)
        score = max(1.0, distance / square) * abs(weight)
        if score > most:
            drop, most = j, score
        if distance > farthest:
            far, farthest = j, distance
    return far if improved and drop < 0 else drop


@njit(cache=True, nogil=True, error_model="numpy")
def _replace(drop: int, edges: Array, inverse: Array, pole: Array, step: Array, lagrange: Array) -> None:
    """Put the trial point in place of a vertex (d: of the pole, whose role it takes); rank-one update."""
    d = step.size
    row = np.zeros(d)
    if drop < d:
        scale = np.dot(inverse[drop], step)
        for i in range(d):
            edges[drop, i] = step[i]
            row[i] = inverse[drop, i] / scale
        for j in range(d):
            for i in range(d):
                inverse[j, i] -= lagrange[j] * row[i]
        for i in range(d):
            inverse[drop, i] = row[i]
        return
    total = 0.0
    for j in range(d):
        total += lagrange[j]
        pole[j] += step[j]
        for i in range(d):
            row[i] += inverse[j, i]
            edges[j, i] -= step[i]
    for i in range(d):
        row[i] /= 1.0 - total
    for j in range(d):
        for i in range(d):
            inverse[j, i] += lagrange[j] * row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _crown(edges: Array, inverse: Array, pole: Array, values: Array) -> bool:
    """Make the best vertex the pole; return whether it was another."""
    d = pole.size
    best = d
    for j in range(d):
        if values[j] < values[best]:
            best = j
    if best == d:
        return False
    for i in range(d):
        move, total = edges[best, i], 0.0
        pole[i] += move
        edges[best, i] = 0.0
        for j in range(d):
            edges[j, i] -= move
            total += inverse[j, i]
        inverse[best, i] = -total
    values[best], values[d] = values[d], values[best]
    return True


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def error(edges: Array, inverse: Array) -> float:
    """Return the largest entry of inverse @ edges.T - 1."""
    d, largest = edges.shape[0], 0.0
    for j in range(d):
        for i in range(d):
            entry = 0.0
            for k in range(d):
                entry += inverse[j, k] * edges[i, k]
            difference = abs(entry - 1.0) if i == j else abs(entry)
            if not difference <= largest:
                largest = difference
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(values: Array, inverse: Array) -> Array:
    """Return the gradient of the linear interpolation."""
    d = values.size - 1
    rise = np.empty(d)
    for j in range(d):
        rise[j] = values[j] - values[d]
    return np.dot(rise, inverse)


@njit(cache=True, nogil=True, error_model="numpy")
def _widen(delta: float, inverse: Array, values: Array, vertex: int, step: Array) -> None:
    """Set ``step`` orthogonal to the face opposite to a vertex, downhill; eq. (15)-(17) of Powell."""
    row = inverse[vertex]
    length = math.sqrt(np.dot(row, row))
    for i in range(step.size):
        step[i] = delta * (row[i] / length)
    if np.dot(step, _slope(values, inverse)) > 0.0:
        for i in range(step.size):
            step[i] = -step[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _begin(edges: Array, pole: Array, values: Array, point: Array, real: Array, whole: Flags) -> bool:
    """Take a value of the first simplex; return whether it is complete. A better vertex becomes the pole."""
    d, k, value, edge = pole.size, whole[TOLD] - 1, real[VALUE], real[FIRST]
    if k == 0:
        values[d] = value
    elif value < values[d]:
        values[k - 1], values[d] = values[d], value
        for i in range(d):
            pole[i] = point[i]
        for j in range(k):
            edges[j, k - 1] = -edge
    else:
        values[k - 1] = value
    if k == d:
        return True
    for i in range(d):
        point[i] = pole[i]
    point[k] += edge
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(values: Array, real: Array) -> bool:
    """Compare actual and predicted decrease and set the radius; return whether the point is the best so far."""
    actual = values[values.size - 1] - real[VALUE]
    real[RATIO] = actual / real[PREDICTED]
    if real[RATIO] <= ETA1:
        delta = SHRINK * real[LENGTH]
    elif real[RATIO] <= ETA2:
        delta = max(SHRINK * real[DELTA], real[LENGTH])
    else:
        delta = max(SHRINK * real[DELTA], GROW * real[LENGTH])
    real[DELTA] = real[RHO] if delta <= SNAP * real[RHO] else delta
    return actual > 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _refine(real: Array) -> None:
    """Reduce the resolution rho."""
    rho, last = real[RHO], real[LAST]
    if rho / last > 250.0:
        finer = 0.1 * rho
    elif rho / last <= 16.0:
        finer = last
    else:
        finer = math.sqrt(rho / last) * last
    real[DELTA], real[RHO] = max(0.5 * rho, finer), finer


@njit(cache=True, nogil=True, error_model="numpy")
def _search(edges: Array, inverse: Array, values: Array, step: Array, real: Array, whole: Flags) -> bool:
    """Set ``step`` to the linear model's minimiser in the trust region; return whether it is worth a value."""
    _, most = _farthest(edges)
    whole[ADEQUATE] = most <= 4.0 * (real[DELTA] * real[DELTA])
    gradient = _slope(values, inverse)
    _descend(gradient, real[DELTA], step)
    real[LENGTH] = min(real[DELTA], math.sqrt(np.dot(step, step)))
    real[PREDICTED] = -np.dot(step, gradient)
    whole[SHORT] = real[LENGTH] <= 0.1 * real[RHO]
    if not whole[SHORT] and real[PREDICTED] > 1e-6 * EPS * real[RHO]:
        return True
    delta = 0.1 * real[DELTA]
    real[DELTA] = real[RHO] if delta <= SNAP * real[RHO] else delta
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _decide(
    edges: Array, inverse: Array, pole: Array, values: Array, step: Array, point: Array, real: Array, whole: Flags
) -> int:
    """After a trial, improve the geometry (``MEASURED``), end (``ENDING``) or search on, at a finer resolution."""
    if not whole[BAD]:
        return SEARCH
    if whole[ADEQUATE]:
        if max(real[DELTA], real[LENGTH]) > real[RHO]:
            return SEARCH
        if real[RHO] > real[LAST]:
            _refine(real)
            return SEARCH
        for i in range(pole.size):
            point[i] = pole[i] + step[i]
        moved = math.sqrt(np.dot(point - pole, point - pole)) > 1e-3 * real[LAST]
        whole[SHORT] = whole[SHORT] and moved and whole[TOLD] < whole[MOST]
        return ENDING
    vertex, most = _farthest(edges)
    if most <= 4.0 * (real[DELTA] * real[DELTA]):
        return SEARCH
    _widen(real[DELTA] / 2.0, inverse, values, vertex, step)
    whole[DROP] = vertex
    return MEASURED


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    edges: Array, inverse: Array, pole: Array, values: Array, step: Array, point: Array, real: Array, whole: Flags
) -> int:
    """Take ``real[VALUE]``, the value at ``point``, and go on to the next point.

    Returns:
        ASK: ``point`` is to be evaluated. INVERT: ``inverse`` is to be computed anew (then call again).
        CONVERGED, FULL (``whole[MOST]`` values) or STALLED: the end.
    """
    lagrange = step
    while True:
        phase = whole[PHASE]
        if phase in (TRIED, MEASURED):
            lagrange = np.dot(inverse, step)
        if phase == START:
            if not _begin(edges, pole, values, point, real, whole):
                return ASK
            whole[PHASE] = SEARCH
            return INVERT
        if phase == SEARCH:
            whole[ROUNDS] += 1
            if whole[ROUNDS] > 10 * whole[MOST]:
                return STALLED
            whole[BAD] = not _search(edges, inverse, values, step, real, whole)
            whole[PHASE] = DECIDE if whole[BAD] else TRIED
        elif phase == TRIED:
            improved = _judge(values, real)
            reach = max(real[RHO], real[DELTA] / 10.0)
            whole[DROP] = _leaving(edges, lagrange, step, improved, reach)
            whole[PHASE] = TRIED_DONE
        elif phase == DECIDE:
            whole[PHASE] = _decide(edges, inverse, pole, values, step, point, real, whole)
            if whole[PHASE] == ENDING and whole[SHORT]:
                return ASK
        elif phase == MEASURED:
            whole[PHASE] = MEASURED_DONE
        elif phase in (TRIED_REPLACED, MEASURED_REPLACED):
            values[whole[DROP]] = real[VALUE]
            whole[PHASE] = TRIED_DONE if phase == TRIED_REPLACED else MEASURED_DONE
            if _crown(edges, inverse, pole, values) and not error(edges, inverse) <= 0.1:
                return INVERT
            continue
        elif phase == TRIED_DONE:
            if whole[TOLD] >= whole[MOST]:
                return FULL
            whole[BAD], whole[PHASE] = real[RATIO] <= 0.0 or whole[DROP] < 0, DECIDE
        elif phase == MEASURED_DONE:
            if whole[TOLD] >= whole[MOST]:
                return FULL
            whole[PHASE] = SEARCH
        else:
            return CONVERGED
        if phase in (SEARCH, DECIDE) and whole[PHASE] in (TRIED, MEASURED):
            if not _place(edges, pole, values, step, point, real):
                return ASK if math.isfinite(_square(point, step)) else STALLED
        elif phase in (TRIED, MEASURED) and whole[DROP] >= 0:
            _replace(whole[DROP], edges, inverse, pole, step, lagrange)
            whole[PHASE] = TRIED_REPLACED if phase == TRIED else MEASURED_REPLACED
            if not error(edges, inverse) <= 0.1:
                return INVERT
