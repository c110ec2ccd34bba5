"""What trained parameters are worth, measured the same way for every strategy, and intervals over seeds.

Measured energies of different strategies come from different maps, so they do not compare. The common yardstick
is the *exact noisy energy on a fixed reference map* (the job's best map, alone, without shot noise) of the
reported θ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import as_array, expect, invalid
from qalgs.results import Result
from qalgs.seeds import keyed

from .executor import Bench
from .jobs import Job
from .layouts import LayoutCatalogue

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot

Array = NDArray[np.float64]

IDEAL_LIMIT = 22
"""Most qubits for which the ideal circuit is simulated."""
EXACT_LIMIT = 14
"""Most qubits for which the lowest eigenvalue is computed when a job does not state it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quality(Result):
    """What one θ is worth.

    Attributes:
        reference: Exact noisy ⟨H⟩ on the reference map.
        reference_layout: The reference map: the job's best.
        reference_esp: Its ESP.
        noiseless: ⟨H⟩ of the ideal circuit; None beyond :data:`IDEAL_LIMIT` qubits.
        exact: Lowest value that counts as right (of the molecule's own sector, say); None if unknown.
        baseline: What is to be had without training.
        baseline_name: What that is.
    """

    reference: float
    reference_layout: tuple[int, ...]
    reference_esp: float
    noiseless: float | None
    exact: float | None
    baseline: float | None
    baseline_name: str

    @property
    def gap(self) -> float | None:
        """``reference - exact``."""
        return None if self.exact is None else self.reference - self.exact

    @property
    def gap_to_baseline(self) -> float | None:
        """``reference - baseline``; negative is better than the baseline."""
        return None if self.baseline is None else self.reference - self.baseline

    @property
    def ratio(self) -> float | None:
        """``(baseline - reference) / (baseline - exact)``: 0 at the baseline, 1 at the exact value."""
        if self.exact is None or self.baseline is None or self.baseline <= self.exact:
            return None
        return (self.baseline - self.reference) / (self.baseline - self.exact)


def quality_of(job: Job, theta: Array, catalogue: LayoutCatalogue, snapshot: DeviceSnapshot) -> Quality:
    """Measure parameters on the job's reference map and without noise.

    Args:
        job: The job.
        theta: The parameters, shape (d,).
        catalogue: Its layouts.
        snapshot: The device.
    """
    best = catalogue.best()
    reference = _bench(job, tuple(best), snapshot).exact(theta[None, :])
    return Quality(
        reference=float(reference[0]),
        reference_layout=tuple(best),
        reference_esp=best.esp,
        noiseless=float(noiseless(job, theta[None, :])[0]) if job.num_qubits <= IDEAL_LIMIT else None,
        exact=job.exact if job.exact is not None else lowest_eigenvalue(job),
        baseline=job.baseline,
        baseline_name=job.baseline_name,
    )


_BENCHES: OrderedDict[tuple[int, int, tuple[int, ...]], tuple[Job, DeviceSnapshot, Bench]] = OrderedDict()


def _bench(job: Job, layout: tuple[int, ...], snapshot: DeviceSnapshot) -> Bench:
    """The job on its reference map; the last few are kept, with the objects whose identities are their keys."""
    key = (id(job), id(snapshot), layout)
    if key not in _BENCHES:
        _BENCHES[key] = (job, snapshot, Bench(job, layout, snapshot))
        while len(_BENCHES) > 16:
            _BENCHES.popitem(last=False)
    return _BENCHES[key][2]


def noiseless(job: Job, points: Array) -> Array:
    """Return ⟨H⟩ of the ideal circuit at points of shape (m, d)."""
    from qalgs.backends import exact_observable, exact_program

    states = exact_program(job.circuit).states(points)
    return np.asarray(exact_observable(job.observable).expectation(states), dtype=np.float64)


def lowest_eigenvalue(job: Job) -> float | None:
    """Return the lowest eigenvalue of the job's observable, or None beyond :data:`EXACT_LIMIT` qubits."""
    if job.num_qubits > EXACT_LIMIT:
        return None
    op = job.observable
    if not op.paulis.x.any():
        return float(np.min(_diagonal(op)))
    if job.num_qubits <= 6:
        return float(np.linalg.eigvalsh(op.to_matrix())[0])
    from scipy.sparse.linalg import eigsh

    matrix = op.to_matrix(sparse=True)
    start = keyed(0, "lanczos", job.num_qubits).normal(size=matrix.shape[0])
    return float(eigsh(matrix, k=1, which="SA", v0=start, return_eigenvectors=False)[0])


def spectral_width(job: Job) -> float:
    """Return the distance of the outermost eigenvalues; beyond :data:`EXACT_LIMIT` an upper bound."""
    low = lowest_eigenvalue(job)
    if low is None:
        return 2 * job.spectral_range
    high = lowest_eigenvalue(replace(job, observable=-job.observable))
    assert high is not None
    return -high - low


def _diagonal(op: object) -> Array:
    z, coefficients = op.paulis.z, np.real(op.coeffs)  # type: ignore[attr-defined]
    states = np.arange(2 ** z.shape[1])
    masks = (z.astype(np.int64) << np.arange(z.shape[1])).sum(axis=1)
    parity = np.bitwise_count(states[:, None] & masks[None, :]) & 1
    return np.asarray((1.0 - 2.0 * parity) @ coefficients)


def progress_of(
    job: Job, values: ArrayLike, points: Sequence[Array], catalogue: LayoutCatalogue, snapshot: DeviceSnapshot
) -> tuple[NDArray[np.int64], Array]:
    """Return how the reference energy of the reported θ fell during training.

    Args:
        job: The job.
        values: Measured values in order, shape (e,).
        points: Their points.
        catalogue: The job's layouts.
        snapshot: The device.

    Returns:
        ``(evaluations, energies)`` at each new lowest measured value: evaluations made so far, and the exact noisy
        energy of that point on the reference map.
    """
    trace = np.asarray(values, dtype=np.float64)
    lowest = np.minimum.accumulate(trace)
    records = np.flatnonzero(np.concatenate([[True], lowest[1:] < lowest[:-1]]))
    bench = _bench(job, tuple(catalogue.best()), snapshot)
    return records + 1, bench.exact(np.stack([points[int(r)] for r in records]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interval(Result):
    """An estimate with its interval.

    Attributes:
        low: Lower end.
        best: The estimate.
        high: Upper end.
        level: Coverage.
        samples: Number of samples behind it.
    """

    low: float
    best: float
    high: float
    level: float
    samples: int

    def __str__(self) -> str:
        return f"{self.best:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def bootstrap(
    samples: ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    paired: ArrayLike | None = None,
) -> Interval:
    """Return the mean with its percentile bootstrap interval (Efron 1979).

    Args:
        samples: Shape (n,).
        level: Coverage.
        resamples: Bootstrap samples.
        seed: Seed of the resampling.
        paired: Samples of the other side, shape (n,); the interval is then that of the mean difference
            ``samples - paired`` over pairs (same seed, other strategy).

    Raises:
        InvalidInputError: If there is no sample, the level is not in (0, 1), or the pairs do not match.

    Example:
        >>> interval = bootstrap([1.0, 2.0, 3.0, 4.0], seed=1)
        >>> interval.best, interval.low < interval.best < interval.high
        (2.5, True)
    """
    expect(Real, level=level)
    expect(Integral, resamples=resamples, seed=seed)
    x = as_array("samples", samples)
    if paired is not None:
        y = as_array("paired", paired)
        if y.shape != x.shape:
            raise invalid("paired", y.shape, f"must have the shape of samples, {x.shape}")
        x = x - y
    if x.ndim != 1 or x.size == 0 or not np.all(np.isfinite(x)):
        raise invalid("samples", x.shape, "must be a non-empty vector of finite numbers")
    if not 0 < level < 1:
        raise invalid("level", level, "must be between 0 and 1")
    rng = keyed(seed, "bootstrap", x.size)
    means = x[rng.integers(x.size, size=(resamples, x.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), best=float(x.mean()), high=float(high), level=level, samples=x.size)
