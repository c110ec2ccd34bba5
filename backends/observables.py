"""Pauli sums compiled for the statevector kernels: applied and averaged without a matrix."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from qiskit.quantum_info import SparseObservable, SparsePauliOp

from qalgs.backends import kernels_pauli
from qalgs.errors import InvalidInputError, expect, invalid

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

# Diagonals are tabulated up to this many entries in all (32 MiB).
TABLE_ENTRIES = 1 << 22
# 2**28 amplitudes take 4 GiB, and the engine holds a few such vectors.
MAX_QUBITS = 28
HERMITIAN_TOLERANCE = 1e-10


class CompiledObservable:
    """A Hermitian Pauli sum, grouped by X part.

    Args:
        operator: The Pauli sum.

    Attributes:
        num_qubits: Width n.
        norm_bound: Sum of the absolute coefficients, an upper bound of the spectral norm.
        operator: The merged terms, as a ``SparsePauliOp``.

    Raises:
        ValueError: If it is not Hermitian or has a coefficient that is not finite.
    """

    def __init__(self, operator: SparsePauliOp) -> None:
        expect(SparsePauliOp, operator=operator)
        if operator.num_qubits > MAX_QUBITS:
            raise invalid("observable.num_qubits", operator.num_qubits, f"must be at most {MAX_QUBITS}")
        simple = operator.simplify(atol=0.0, rtol=0.0)
        self.operator = simple
        self.num_qubits: int = operator.num_qubits
        coeffs = np.asarray(simple.coeffs, dtype=np.complex128)
        if not np.isfinite(coeffs).all():
            bad = int(np.argmin(np.isfinite(coeffs)))
            raise invalid(
                f"observable coefficient of {simple.paulis[bad].to_label()}",
                coeffs[bad],
                "must be a finite number",
            )
        self.norm_bound = float(np.abs(coeffs).sum())
        worst = int(np.argmax(np.abs(coeffs.imag)))
        if abs(coeffs[worst].imag) > HERMITIAN_TOLERANCE * max(1.0, self.norm_bound):
            raise InvalidInputError(
                f"observable must be Hermitian, got coefficient {coeffs[worst]:.6g} of "
                f"{simple.paulis[worst].to_label()}; use its real and imaginary parts as two observables"
            )
        weights = 1 << np.arange(self.num_qubits, dtype=np.int64)
        x = simple.paulis.x.astype(np.int64) @ weights
        z = simple.paulis.z.astype(np.int64) @ weights
        factors = coeffs.real * 1j ** ((simple.paulis.x & simple.paulis.z).sum(axis=1) % 4)
        order = np.lexsort((z, x))
        x, z, factors = x[order], z[order], factors[order]
        xs, starts = np.unique(x, return_index=True)
        ptr = np.append(starts, len(x)).astype(np.int64)
        cr, ci = np.ascontiguousarray(factors.real), np.ascontiguousarray(factors.imag)
        cr[np.abs(cr) < 1e-15 * np.abs(factors)] = 0.0
        ci[np.abs(ci) < 1e-15 * np.abs(factors)] = 0.0
        kinds = np.array([_kind(cr[a:b], ci[a:b], z[a:b]) for a, b in pairwise(ptr)], dtype=np.int64)
        size = 1 << self.num_qubits
        table = np.empty((0, 2, size))
        if 2 * len(xs) * size <= TABLE_ENTRIES:
            table = np.empty((len(xs), 2, size))
            kernels_pauli.diagonal_tables(self.num_qubits, ptr, z, cr, ci, table)
        self.core = (self.num_qubits, xs, ptr, z, cr, ci, kinds, table)
        sizes = np.array([len(xs), len(z), int(len(table) > 0)], dtype=np.int64)
        self.ints = np.concatenate([sizes, xs, kinds, ptr, z])
        self.floats = np.concatenate([cr, ci, table.ravel()])

    def _states(self, states: npt.ArrayLike) -> Complexes:
        array = np.ascontiguousarray(np.atleast_2d(np.asarray(states, dtype=np.complex128)))
        if array.ndim != 2 or array.shape[1] != 1 << self.num_qubits:
            raise invalid(
                "states", array.shape, f"must have shape (B, {1 << self.num_qubits}) for {self.num_qubits} qubits"
            )
        return array

    def apply(self, states: npt.ArrayLike) -> Complexes:
        """Return H psi for each state.

        Args:
            states: Shape (B, 2**n) or (2**n,).

        Returns:
            Shape (B, 2**n).
        """
        array = self._states(states)
        out = np.empty_like(array)
        kernels_pauli.run_sum(*self.core, array.view(np.float64), out.view(np.float64), np.empty(0))
        return out

    def expectation(self, states: npt.ArrayLike) -> Floats:
        """Return <psi|H|psi> for each state, shape (B,)."""
        array = self._states(states)
        out = np.empty(array.shape[0])
        kernels_pauli.run_sum(*self.core, array.view(np.float64), np.empty((0, 0)), out)
        return out


def _kind(cr: Floats, ci: Floats, z: npt.NDArray[np.int64]) -> int:
    """Return 4 if a group's diagonal is a real constant, else bits 1 for a real and 2 for an imaginary part."""
    if len(z) == 1 and z[0] == 0 and ci[0] == 0.0:
        return 4
    return int(np.any(cr)) + 2 * int(np.any(ci))


_CACHE: OrderedDict[tuple[bytes, ...], CompiledObservable] = OrderedDict()
_CAPACITY = 256


def compile_observable(observable: object) -> CompiledObservable:
    """Compile a Hermitian Pauli sum; the result is cached by content.

    Args:
        observable: A ``SparsePauliOp``, or anything ``SparsePauliOp`` accepts (a ``Pauli``, a label).

    Returns:
        The compiled sum.

    Raises:
        ValueError: If it is not Hermitian or has a coefficient that is not finite.

    Example:
        >>> compile_observable("ZZ").expectation(np.eye(4, dtype=complex)).tolist()
        [1.0, -1.0, -1.0, 1.0]
    """
    operator = pauli_sum(observable)
    paulis = operator.paulis
    key = (paulis._x.tobytes(), paulis._z.tobytes(), paulis._phase.tobytes(), _coefficients(operator).tobytes())
    found = _CACHE.get(key)
    if found is not None and found.num_qubits == operator.num_qubits:
        return found
    built = CompiledObservable(operator)
    _CACHE[key] = built
    while len(_CACHE) > _CAPACITY:
        _CACHE.popitem(last=False)
    return built


def pauli_sum(observable: object) -> SparsePauliOp:
    """Return an observable as a ``SparsePauliOp``.

    Raises:
        ValueError: If it cannot be one.
    """
    if isinstance(observable, SparsePauliOp):
        return observable
    if isinstance(observable, SparseObservable):
        return SparsePauliOp.from_sparse_observable(observable)
    try:
        return SparsePauliOp(observable)
    except Exception as error:
        raise invalid("observable", observable, "must be a SparsePauliOp", "build one first") from error


def _coefficients(observable: SparsePauliOp) -> Complexes:
    coeffs = observable.coeffs
    if coeffs.dtype == object:
        raise invalid(
            "observable coefficients", list(coeffs), "must be numbers", "bind them with assign_parameters first"
        )
    return coeffs
