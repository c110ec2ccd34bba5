"""A linear system made ready for a quantum computer: checked, scaled to norm 1, padded, dilated if need be."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable
from functools import cached_property
from numbers import Real
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import ArrayLike, NDArray

from qalgs.circuits.block_encodings import BlockEncoding, Dilation
from qalgs.errors import InvalidInputError, QalgsWarning, SingularSystemError, expect, invalid

Vector = NDArray[Any]
Matrix = NDArray[np.complex128]

#: Systems up to this size are decomposed exactly; larger ones get Lanczos bounds.
EXACT_SIZE = 2048
#: Largest number of rows (after padding and dilation) that is ever stored densely.
DENSE_SIZE = 8192


class Kind(enum.Enum):
    """What is known of the matrix; the value is the phrase for people."""

    POSITIVE = "positive definite"
    HERMITIAN = "Hermitian"
    GENERAL = "general"


class LinearSystem:
    """``A x = b`` and its quantum form ``H y = c`` with ``|H| = 1``, ``|c| = 1`` and ``2**n`` rows.

    ``A`` is divided by its spectral norm. A size that is no power of two is filled with an identity block, which
    leaves the norm and the smallest singular value alone, and zeros in ``b``. A matrix that is not Hermitian is
    dilated to ``[[0, A], [A*, 0]]`` with right-hand side ``(b, 0)`` and solution ``(0, x)``, one more qubit.

    Args:
        A: Square matrix, dense or scipy sparse, real or complex.
        b: Right-hand side of as many entries, not all zero.
        kappa: Condition number, if known; otherwise computed (exactly up to 2048 rows, else by Lanczos).
        kappa_max: Systems worse conditioned than this are refused.
        threshold: Solve in the least-squares sense on the singular values above ``threshold`` times the norm
            (a pseudo-inverse) instead of refusing a singular matrix.
        encoding: ``"dilation"``, ``"pauli"``, ``"fable"``, ``"banded"``, a block encoding of ``matrix``, or a
            function that makes one from the scaled matrix.

    Raises:
        InvalidInputError: If the data are ragged, not square, not finite, of unequal sizes, or ``b`` is zero.
        SingularSystemError: If ``A`` is singular or ``kappa`` exceeds ``kappa_max``.
    """

    def __init__(
        self,
        A: ArrayLike | sp.sparray | sp.spmatrix,
        b: ArrayLike,
        *,
        kappa: float | None = None,
        kappa_max: float = 1e8,
        threshold: float | None = None,
        encoding: str | BlockEncoding | Callable[[Matrix], BlockEncoding] = "dilation",
    ) -> None:
        expect(Real, type(None), kappa=kappa, threshold=threshold)
        expect(Real, kappa_max=kappa_max)
        if not callable(encoding):
            expect(str, BlockEncoding, encoding=encoding)
        self.A: Any = _matrix(A)
        self.b = _rhs(b, self.A.shape[0])
        self.size: int = int(self.A.shape[0])
        if threshold is not None and not 0.0 < threshold < 1.0:
            raise invalid("threshold", threshold, "must lie strictly between 0 and 1")
        self.threshold = threshold
        if kappa is not None and not (np.isfinite(kappa) and kappa >= 1.0):
            raise invalid("kappa", kappa, "must be finite and at least 1")
        if not (np.isfinite(kappa_max) and kappa_max >= 1.0):
            raise invalid("kappa_max", kappa_max, "must be finite and at least 1")
        hermitian = _is_hermitian(self.A)
        low, self.norm, positive = _spectrum_ends(self.A, hermitian, threshold)
        self.rhs_norm = _norm(self.b)
        for name, size in (("A", self.norm), ("b", self.rhs_norm)):
            if size > 0 and not 1e-290 < size < 1e290:
                raise invalid(name, f"norm {size:.3g}", "must have a norm between 1e-290 and 1e290", "rescale it")
        if threshold is not None and self.norm == 0.0:
            raise SingularSystemError("A must not vanish under a threshold, got the zero matrix; x = 0 solves it")
        self.sigma_min = low
        self.kind = Kind.GENERAL if not hermitian else Kind.POSITIVE if positive else Kind.HERMITIAN
        found = self.norm / low if low > 0 else np.inf
        if threshold is None and not (low > self.norm * 1e-15 and found <= kappa_max):
            raise SingularSystemError(
                f"A must be invertible with a condition number of at most kappa_max = {kappa_max:g}, got a "
                f"smallest singular value of {low:.3g} against a norm of {self.norm:.3g}; regularise it, raise "
                "kappa_max, or give threshold= for a pseudo-inverse"
            )
        self.kappa_found = float(found)
        self.kappa = float(found if kappa is None else kappa)
        if kappa is not None and kappa < found * (1.0 - 1e-6):
            warnings.warn(
                f"kappa must be at least the condition number, about {found:.4g}, got {kappa:g}; the solution "
                "will miss the smallest singular values (watch the residual)",
                QalgsWarning,
                stacklevel=2,
            )
        self.dilated = self.kind is Kind.GENERAL
        self.padded_size = 1 << max(1, (self.size - 1).bit_length())
        self.num_qubits = self.padded_size.bit_length() - 1 + self.dilated
        self._encoding = encoding

    @property
    def encoded_by_dilation(self) -> bool:
        """Whether the encoding is the unitary dilation, whose numbers are known without building it."""
        return isinstance(self._encoding, str) and self._encoding == "dilation"

    @property
    def real(self) -> bool:
        """Whether matrix and right-hand side are real."""
        return not (np.iscomplexobj(self.A) or np.iscomplexobj(self.b))

    @cached_property
    def matrix(self) -> Matrix:
        """The scaled, padded and, if need be, dilated matrix: Hermitian, norm 1."""
        rows = 2**self.num_qubits
        if rows > DENSE_SIZE:
            raise invalid(
                "A", f"{self.size} rows", f"must have at most {DENSE_SIZE} rows to be executed", "use estimate()"
            )
        padded = np.eye(self.padded_size, dtype=np.complex128)
        dense = densified(self.A)
        padded[: self.size, : self.size] = dense / self.norm
        if not self.dilated:
            return (padded + padded.conj().T) / 2
        zero = np.zeros_like(padded)
        return np.block([[zero, padded], [padded.conj().T, zero]])

    @cached_property
    def rhs(self) -> Vector:
        """The right-hand side in the quantum form, of norm 1."""
        full = np.zeros(2**self.num_qubits, dtype=self.b.dtype)
        full[: self.size] = self.b / self.rhs_norm
        return full

    @cached_property
    def encoding(self) -> BlockEncoding:
        """The block encoding of ``matrix``.

        Raises:
            InvalidInputError: If a given encoding is not one of ``matrix`` (its best-fitting alpha is named).
        """
        from qalgs.circuits.block_encodings_entries import Banded, Fable
        from qalgs.circuits.block_encodings_lcu import PauliLCU

        chosen = self._encoding
        if isinstance(chosen, str):
            known: dict[str, Callable[[Matrix], BlockEncoding]] = {
                "dilation": lambda m: Dilation(m, alpha=1.0),
                "pauli": PauliLCU,
                "fable": Fable,
                "banded": Banded,
            }
            if chosen not in known:
                raise invalid("encoding", chosen, f"must be one of {', '.join(known)}, an encoding or a function")
            return known[chosen](self.matrix)
        made = chosen if isinstance(chosen, BlockEncoding) else chosen(self.matrix)
        if made.num_system != self.num_qubits:
            raise invalid("encoding", made, f"must act on {self.num_qubits} system qubits")
        if made.num_qubits <= 11:
            block = made.block() * made.alpha
            deviation = float(np.abs(block - self.matrix).max())
            if deviation > 1e-10 * made.alpha:
                fit = made.alpha * float(
                    np.linalg.norm(self.matrix) ** 2 / max(1e-300, np.real(np.vdot(block, self.matrix)))
                )
                raise InvalidInputError(
                    f"encoding must hold the scaled matrix A / |A| over its alpha, got a deviation of "
                    f"{deviation:.3g} at alpha = {made.alpha:.6g}; the best fit is alpha = {fit:.6g} "
                    f"(|A| = {self.norm:.6g})"
                )
        return made

    def embed(self, x: ArrayLike) -> Vector:
        """Return the quantum form of a guess ``x`` for the solution, in units in which ``H y = c``."""
        v = np.asarray(x)
        if v.shape != (self.size,):
            raise invalid("x", v.shape, f"must have shape ({self.size},)")
        full = np.zeros(2**self.num_qubits, dtype=np.result_type(v.dtype, float))
        start = self.padded_size if self.dilated else 0
        full[start : start + self.size] = v * (self.norm / self.rhs_norm)
        return full

    def recover(self, y: ArrayLike) -> Vector:
        """Return ``x`` from a solution ``y`` of ``H y = c``: cut, and scaled back with norm and phase."""
        v = np.asarray(y)
        start = self.padded_size if self.dilated else 0
        cut = v[start : start + self.size] * (self.rhs_norm / self.norm)
        if self.real and np.iscomplexobj(cut) and np.abs(cut.imag).max() <= 1e-10 * np.abs(cut).max():
            cut = cut.real
        return cast(Vector, cut)

    @cached_property
    def solution(self) -> Vector:
        """The classical reference ``A^{-1} b`` (pseudo-inverse under a threshold)."""
        if self.threshold is not None:
            dense = densified(self.A)
            return cast(Vector, np.linalg.pinv(dense, rcond=self.threshold) @ self.b)
        if is_sparse(self.A):
            return cast(Vector, spla.spsolve(sp.csc_array(self.A), self.b))
        return cast(Vector, np.linalg.solve(self.A, self.b))

    @cached_property
    def reference(self) -> Vector:
        """The solution ``y`` of ``H y = c``."""
        return self.embed(self.solution)

    def residual(self, x: ArrayLike) -> float:
        """Return ``|b - A x| / |b|``."""
        return float(np.linalg.norm(self.b - self.A @ np.asarray(x)) / self.rhs_norm)

    def __repr__(self) -> str:
        return (
            f"LinearSystem({self.size} rows, {self.kind.value}, kappa={self.kappa:.6g}, {self.num_qubits} qubits)"
        )


def is_sparse(a: Any) -> bool:
    """Whether ``a`` is a scipy sparse array or matrix."""
    return bool(sp.issparse(a))


def densified(a: Any) -> NDArray[Any]:
    """Return ``a`` as a dense array."""
    return np.asarray(a.toarray()) if is_sparse(a) else np.asarray(a)


def _matrix(A: Any) -> Any:
    if is_sparse(A):
        a: Any = sp.csr_array(A)
        a = a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)
        values = a.data
    else:
        try:
            a = np.array(A)
        except ValueError as error:
            raise invalid("A", "rows of unequal length", "must be a square matrix") from error
        if a.dtype == object or a.dtype.kind not in "fiubc":
            raise invalid("A", a.dtype, "must be a square matrix of numbers", "check for ragged rows or text")
        a = a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)
        values = a
    if 0 in a.shape:
        raise invalid("A", a.shape, "must have at least one row")
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise invalid("A", a.shape, "must be square", "use least squares: A* A x = A* b")
    if not np.isfinite(values).all():
        raise invalid("A", "NaN or infinity", "must be finite")
    if np.iscomplexobj(a) and not np.any(values.imag):
        a = a.real
    return a


def _rhs(b: Any, rows: int) -> NDArray[Any]:
    try:
        v = np.array(b)
    except ValueError as error:
        raise invalid("b", "entries of unequal length", "must be a vector") from error
    if v.dtype == object or v.dtype.kind not in "fiubc":
        raise invalid("b", v.dtype, "must be a vector of numbers")
    if v.ndim == 2 and 1 in v.shape:
        v = v.reshape(-1)
    if v.shape != (rows,):
        raise invalid("b", v.shape, f"must have shape ({rows},) to match A")
    v = v.astype(np.complex128 if np.iscomplexobj(v) else np.float64)
    if not np.isfinite(v).all():
        raise invalid("b", "NaN or infinity", "must be finite")
    if not np.any(v):
        raise invalid("b", "the zero vector", "must not vanish", "the solution is x = 0")
    return v


def _norm(b: NDArray[Any]) -> float:
    """The 2-norm; entries are scaled first, so that no square overflows or vanishes."""
    largest = float(np.abs(b).max())
    with np.errstate(all="ignore"):
        return largest * float(np.linalg.norm(b / largest)) if largest > 1e-300 else largest


def _is_hermitian(a: Any) -> bool:
    difference = abs(a - a.conj().T)
    return float(difference.max()) <= 1e-12 * float(abs(a).max())


def _spectrum_ends(a: Any, hermitian: bool, threshold: float | None) -> tuple[float, float, bool]:
    """Smallest and largest singular value, and whether a Hermitian matrix is positive definite."""
    if a.shape[0] <= EXACT_SIZE:
        dense = densified(a)
        if hermitian:
            values = np.linalg.eigvalsh(dense)
            size, positive = np.abs(values), bool(values[0] > 0)
        else:
            size, positive = np.linalg.svd(dense, compute_uv=False), False
        top = float(size.max())
        kept = size[size > threshold * top] if threshold is not None else size
        return (float(kept.min()) if top > 0 else 0.0), top, positive
    return _lanczos_ends(a, hermitian)


def _lanczos_ends(a: Any, hermitian: bool) -> tuple[float, float, bool]:
    """Ends of the spectrum by Lanczos; the lower one by Lanczos on the inverse (one sparse factorisation)."""
    start = np.ones(a.shape[0])
    gram = sp.csc_array(a if hermitian else a.conj().T @ a)
    options: dict[str, Any] = {
        "k": 1,
        "which": "LM",
        "v0": start,
        "return_eigenvectors": False,
        "tol": 1e-9,
        "ncv": 64,
    }
    top = abs(float(spla.eigsh(gram, **options)[0]))
    try:
        factors = spla.splu(
            gram, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:
        return 0.0, top if hermitian else float(np.sqrt(top)), False
    inverse = spla.LinearOperator(gram.shape, matvec=factors.solve, dtype=gram.dtype)
    near = 1.0 / abs(float(spla.eigsh(inverse, **options)[0]))
    if not hermitian:
        return float(np.sqrt(near)), float(np.sqrt(top)), False
    # Sylvester: with symmetric pivoting the signs of U's diagonal are those of the eigenvalues.
    pivots = factors.U.diagonal()
    positive = bool((factors.perm_r == factors.perm_c).all() and (pivots.real > 0).all())
    return near, top, positive
