r"""Exact QAOA on n qutrits: the cost is a table of :math:`3^n` numbers, the mixer a rank-one update an axis."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qalgs.circuits import Max3CutEncoding
from qalgs.circuits.max3cut_mixers import warm_amplitudes
from qalgs.errors import invalid

MAX_QUTRITS = 15


class QutritQaoa:
    r"""QAOA states :math:`\prod_l U_M(\beta_l) e^{i\gamma_l \mathrm{cut}} |a\rangle` over the label space.

    Args:
        encoding: A qutrit encoding with at most 15 vertices.
        warm_start: Labels to start near, or None for the uniform state.
        bias: Probability of each warm-start label.
    """

    def __init__(
        self, encoding: Max3CutEncoding, *, warm_start: NDArray[np.int8] | None = None, bias: float = 0.6
    ) -> None:
        if encoding.name != "qutrit":
            raise invalid("encoding", encoding.name, "must be 'qutrit'")
        if encoding.num_vertices > MAX_QUTRITS:
            rule = f"must have at most {MAX_QUTRITS} vertices for the exact simulator"
            raise invalid("graph", encoding.num_vertices, rule, "take a smaller graph")
        self.encoding = encoding
        self.cuts = encoding.cut_diagonal()
        # Cuts take few values, so phases are computed once a value.
        self._levels, self._level = np.unique(self.cuts, return_inverse=True)
        self._amplitudes = warm_amplitudes(encoding.num_vertices, warm_start, bias)
        start = np.ones(1)
        for a in self._amplitudes:
            start = np.kron(a, start)
        self._start = start.astype(np.complex128)

    def state(self, point: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the state for the betas, then the gammas, shape ``(3**n,)``, vertex 0 least significant."""
        reps = len(point) // 2
        state = self._start.copy()
        for beta, gamma in zip(point[:reps], point[reps:], strict=True):
            state *= np.exp(1j * gamma * self._levels)[self._level]
            _mix(state, self._amplitudes, complex(np.exp(-3j * beta) - 1))
        return state

    def probabilities(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of every labelling, shape ``(3**n,)``."""
        return np.asarray(np.abs(self.state(point)) ** 2)

    def expected_cut(self, point: NDArray[np.float64]) -> float:
        """Return the expected cut."""
        return float((self.probabilities(point) * self.cuts).sum())


@njit(cache=True, nogil=True)
def _mix(state, amplitudes, factor):  # type: ignore[no-untyped-def]
    """Apply ``1 + factor |a_v><a_v|`` to every qutrit in place."""
    inner = 1
    for v in range(len(amplitudes)):
        a, b, c = amplitudes[v, 0], amplitudes[v, 1], amplitudes[v, 2]
        for outer in range(0, len(state), 3 * inner):
            for i in range(outer, outer + inner):
                overlap = factor * (a * state[i] + b * state[i + inner] + c * state[i + 2 * inner])
                state[i] += a * overlap
                state[i + inner] += b * overlap
                state[i + 2 * inner] += c * overlap
        inner *= 3
