r"""The candidate scan of arXiv 2602.20376 as published: slow, sequential, the yardstick of the fast engines.

Every (2r - 1)-subset of the 3n planes :math:`\mathrm{Im}(e^{-i\theta_k} V_i c) = 0` gives a null vector; of its
two signs the one whose last coordinate has its phase in :math:`(-\pi/3, \pi/3]` is a candidate. Rows off the
subset are rounded; a row of the subset takes the label it has where its own plane is replaced by "last phase =
pi/3". Then the scan repeats with the last column dropped. It holds in general position only.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from .low_rank import rank1, roots, score
from .problem import Labels

_THETA = np.array([np.pi / 3, np.pi, 5 * np.pi / 3])


def reference_scan(factor: NDArray[np.complex128]) -> tuple[float, Labels, int]:
    r"""Maximise :math:`\|V^\dagger z\|^2` over cube roots of unity by the paper's candidate set.

    Args:
        factor: Complex V in general position, shape ``(n, r)``; :math:`O(n^{2r})` work.

    Returns:
        ``(value, labels, candidates)``.
    """
    best, labels, count = -1.0, np.zeros(len(factor), dtype=np.int8), 0
    for candidate in _candidates(np.asarray(factor, dtype=np.complex128)):
        count += 1
        value = score(factor, candidate)
        if value > best:
            best, labels = value, candidate
    return best, labels, count


def _candidates(factor: NDArray[np.complex128]):  # type: ignore[no-untyped-def]
    n, rank = factor.shape
    if rank == 1:
        labels, order = rank1(factor[:, 0])
        for row in order:
            yield labels.copy()
            labels[row] = (labels[row] + 1) % 3
        return
    turned = factor[:, None, :] * np.exp(-1j * _THETA)[None, :, None]
    planes = np.concatenate([turned.imag, turned.real], axis=2).reshape(3 * n, 2 * rank)
    # The half hyperplane "phase of the last coordinate = pi/3" that closes the region.
    closing = np.zeros(2 * rank)
    closing[rank - 1], closing[-1] = -np.sin(np.pi / 3), np.cos(np.pi / 3)
    for subset in itertools.combinations(range(3 * n), 2 * rank - 1):
        ray = _null(planes[list(subset)])
        if ray is None:
            continue
        c = _oriented(ray, rank)
        if c is None:
            continue
        labels = _round(factor @ c)
        inside = True
        for plane in subset:
            row, k = divmod(plane, 3)
            x = np.exp(-1j * _THETA[k]) * (factor[row] @ c)
            if x.real < 0:
                # Beyond the origin the plane is no boundary of this row: rounding decides.
                continue
            rest = [p for p in subset if p != plane]
            other = _null(np.vstack([planes[rest], closing]))
            if other is None:
                inside = False
                break
            d = other[:rank] + 1j * other[rank:]
            if (d[-1] * np.exp(-1j * np.pi / 3)).real < 0:
                d = -d
            labels[row] = _round(factor[row : row + 1] @ d)[0]
        if inside:
            yield labels
    yield from _candidates(factor[:, :-1])


def _null(matrix: NDArray[np.float64]) -> NDArray[np.float64] | None:
    _, values, right = np.linalg.svd(matrix)
    return None if values[-1] <= 1e-10 * values[0] else right[-1]


def _oriented(ray: NDArray[np.float64], rank: int) -> NDArray[np.complex128] | None:
    c = ray[:rank] + 1j * ray[rank:]
    for sign in (1.0, -1.0):
        phase = np.angle(sign * c[-1])
        if -np.pi / 3 < phase <= np.pi / 3:
            return np.asarray(sign * c)
    return None


def _round(x: NDArray[np.complex128]) -> Labels:
    return np.argmax((x[:, None] * np.conj(roots(3))).real, axis=1).astype(np.int8)
