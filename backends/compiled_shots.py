"""Shot noise by sampling: every term is estimated from counts in the basis of its qubit-wise commuting group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from qalgs.backends.kernels import apply_one
from qalgs.backends.kernels_pauli import diagonal_block
from qalgs.backends.observables import CompiledObservable

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Complexes = npt.NDArray[np.complex128]
# The rounding of a plain sum over more outcomes than this may reach the 1e-12 that NumPy's multinomial allows.
_PLAIN = 4096


@dataclass(frozen=True, slots=True)
class Basis:
    """One measurement setting: a letter (1 X, 2 Y, 3 Z) per qubit and the group's value for each outcome."""

    letters: npt.NDArray[np.int64]
    outcome: Floats


def bases(observable: CompiledObservable) -> tuple[list[Basis], float]:
    """Return the measurement settings of an observable and its constant part (the identity needs no shots)."""
    n = observable.num_qubits
    operator = observable.operator
    identity = ~(operator.paulis.x.any(axis=1) | operator.paulis.z.any(axis=1))
    constant = float(operator.coeffs[identity].real.sum())
    rest = operator[~identity]
    if len(rest) == 0:
        return [], constant
    weights = 1 << np.arange(n, dtype=np.int64)
    settings = []
    for group in rest.group_commuting(qubit_wise=True):
        x, z = group.paulis.x, group.paulis.z
        letters = np.where(x.any(axis=0), np.where(z.any(axis=0), 2, 1), 3).astype(np.int64)
        support = (x | z).astype(np.int64) @ weights
        outcome = np.empty(1 << n)
        coeffs = np.ascontiguousarray(group.coeffs.real)
        diagonal_block(0, len(support), support, coeffs, 0, n, outcome)
        settings.append(Basis(letters, outcome))
    return settings, constant


@njit(cache=True)
def probabilities(n: int, letters: Integers, states: Floats, out: Floats) -> None:
    """Outcome probabilities of states (B, 2N) in re, im pairs when qubit q is measured along ``letters[q]``."""
    size = 1 << n
    re = np.empty(size)
    im = np.empty(size)
    work = np.empty(32)
    h = np.sqrt(0.5)
    along_x = np.array([h, 0.0, h, 0.0, h, 0.0, -h, 0.0])
    along_y = np.array([h, 0.0, 0.0, -h, h, 0.0, 0.0, h])  # H S^dagger
    for b in range(states.shape[0]):
        for k in range(size):
            re[k] = states[b, 2 * k]
            im[k] = states[b, 2 * k + 1]
        for q in range(n):
            if letters[q] == 1:
                apply_one(re, im, q, along_x, work)
            elif letters[q] == 2:
                apply_one(re, im, q, along_y, work)
        total = 0.0
        for k in range(size):
            out[b, k] = re[k] * re[k] + im[k] * im[k]
            total += out[b, k]
        for k in range(size):
            out[b, k] /= total


def sample(
    observable: CompiledObservable, states: Complexes, shots: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Estimate <psi|H|psi> for each state from ``shots`` shots per measurement setting.

    Args:
        observable: The compiled H.
        states: Normalised, shape (B, 2**n).
        shots: Shots N per setting.
        rng: Where the shots come from.

    Returns:
        Estimates (B,) and their standard errors (B,), the square root of sum_g s_g^2 / N with s_g^2 the sample
        variance of the outcomes of setting g.
    """
    settings, constant = bases(observable)
    values = np.full(len(states), constant)
    variances = np.zeros(len(states))
    p = np.empty((len(states), states.shape[1]))
    for basis in settings:
        probabilities(observable.num_qubits, basis.letters, states.view(np.float64), p)
        if p.shape[1] > _PLAIN:
            p /= p.sum(axis=1, keepdims=True)
        counts = rng.multinomial(shots, p)
        mean = counts @ basis.outcome / shots
        values += mean
        if shots > 1:
            spread = (counts * (basis.outcome - mean[:, None]) ** 2).sum(axis=1) / (shots - 1)
            variances += spread / shots
    return values, np.sqrt(variances)
