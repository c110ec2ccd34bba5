"""Block encodings: unitaries whose top-left block is a matrix over ``alpha``, and the unitary dilation.

An encoding ``U`` of ``A`` acts on ``num_system`` qubits (least significant) and ``num_ancillas`` flag qubits above
them, and satisfies ``(<0| ⊗ I) U (|0> ⊗ I) = A / alpha``. Every call is one gate labelled ``U_A``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property, partial
from numbers import Real
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate

from qalgs.circuits.oracles import (
    A_LABEL,
    controlled_last,
    controlled_matrix,
    dense_gate,
    oracle_gate,
    unitary_circuit,
)
from qalgs.errors import InvalidInputError, as_array, expect, invalid

Matrix = NDArray[np.complex128]

#: Encodings of at most this many qubits are executed as one dense unitary on exact simulators.
DENSE_QUBITS = 11


class BlockEncoding(ABC):
    """A circuit that holds ``matrix / alpha`` in its top-left block.

    Attributes:
        num_system: Number of system qubits ``n``.
        num_ancillas: Number of flag qubits; zero on all of them selects the block.
        alpha: Subnormalisation, at least the spectral norm of ``matrix``.
        hermitian: Whether the whole unitary is its own inverse (a reflection), as walks need.
    """

    num_system: int
    num_ancillas: int
    alpha: float
    hermitian: bool

    @property
    @abstractmethod
    def matrix(self) -> Matrix:
        """The encoded matrix, of size ``2**num_system``."""

    @abstractmethod
    def circuit(self) -> QuantumCircuit:
        """Return the gates of ``U``, system qubits first."""

    @abstractmethod
    def controlled_circuit(self) -> QuantumCircuit:
        """Return the gates of ``U`` under one control, which is the last qubit."""

    @property
    def num_qubits(self) -> int:
        """System and flag qubits together."""
        return self.num_system + self.num_ancillas

    @property
    def queries_per_call(self) -> int:
        """Number of ``U_A`` gates in one call."""
        return 1

    @cached_property
    def unitary(self) -> Matrix:
        """The whole unitary as a dense array (at most 2**13 rows)."""
        if self.num_qubits > 13:
            raise invalid("num_qubits", self.num_qubits, "must be at most 13 for a dense unitary", "use circuit()")
        from qiskit.quantum_info import Operator

        return np.asarray(Operator(self.circuit()).data, dtype=np.complex128)

    def block(self) -> Matrix:
        """Return the top-left block of the circuit's unitary, which should equal ``matrix / alpha``."""
        size = 2**self.num_system
        return self.unitary[:size, :size]

    def check(self, atol: float = 1e-10) -> float:
        """Compare the block with the matrix.

        Args:
            atol: Largest allowed entry of ``|block - matrix / alpha|``.

        Returns:
            The largest deviation.

        Raises:
            InvalidInputError: If it exceeds ``atol``, naming the ``alpha`` that would fit best.
        """
        block = self.block()
        deviation = float(np.abs(block - self.matrix / self.alpha).max())
        if deviation > atol:
            overlap = float(np.real(np.vdot(block, self.matrix)))
            fit = float(np.linalg.norm(self.matrix) ** 2 / overlap) if overlap > 0 else float("nan")
            raise InvalidInputError(
                f"the block of the encoding must equal matrix / alpha to {atol:g}, got a deviation of "
                f"{deviation:.3g} at alpha = {self.alpha:g}; the best fit is alpha = {fit:.6g}"
            )
        return deviation

    def gate(self, *, adjoint: bool = False, controlled: bool = False, dense: bool = False) -> Gate:
        """Return one call as a gate labelled ``U_A``.

        Args:
            adjoint: The inverse.
            controlled: Add a control, which is the last qubit.
            dense: Define the gate by its matrix, which exact simulators apply at once.
        """
        key = (adjoint and not self.hermitian, controlled, dense and self.num_qubits <= DENSE_QUBITS)
        cache = self.__dict__.setdefault("_gates", {})
        if key not in cache:
            cache[key] = self._make_gate(*key)
        return cast(Gate, cache[key])

    def _make_gate(self, adjoint: bool, controlled: bool, dense: bool) -> Gate:
        if dense:
            matrix = self.unitary.conj().T if adjoint else self.unitary
            if controlled:
                matrix = controlled_matrix(matrix)
            make = self.controlled_circuit if controlled else self.circuit
            return dense_gate(np.ascontiguousarray(matrix), A_LABEL, make, adjoint=adjoint, controlled=controlled)
        circuit = self.controlled_circuit() if controlled else self.circuit()
        circuit = circuit.inverse() if adjoint else circuit
        return oracle_gate(circuit, A_LABEL, adjoint=adjoint, controlled=controlled)

    def append(
        self,
        circuit: QuantumCircuit,
        system: Sequence[int],
        ancillas: Sequence[int],
        *,
        adjoint: bool = False,
        control: int | None = None,
        dense: bool = False,
    ) -> None:
        """Append one call to ``circuit`` on the given qubits, each ``U_A`` as one labelled gate."""
        gate = self.gate(adjoint=adjoint, controlled=control is not None, dense=dense)
        circuit.append(gate, [*system, *ancillas, *([] if control is None else [control])])

    def gate_counts(self, basis: Sequence[str] = ("cx", "u")) -> dict[str, int]:
        """Return the number of gates of one call after translation to ``basis``, with its depth as ``"depth"``."""
        key = tuple(basis)
        cache = self.__dict__.setdefault("_counts", {})
        if key not in cache:
            from qiskit import transpile

            done = transpile(self.circuit(), basis_gates=list(basis), optimization_level=1, seed_transpiler=1)
            cache[key] = {**{str(k): int(v) for k, v in done.count_ops().items()}, "depth": int(done.depth())}
        return dict(cache[key])

    def __repr__(self) -> str:
        size = f"system={self.num_system}, ancillas={self.num_ancillas}"
        return f"{type(self).__name__}({size}, alpha={self.alpha:.6g})"


def square_power_of_two(matrix: ArrayLike, name: str = "matrix") -> Matrix:
    """Return ``matrix`` as a complex array after checking that it is 2**n by 2**n, finite, with n >= 1."""
    a = as_array(name, matrix, complex)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise invalid(name, a.shape, "must be square")
    if a.shape[0] < 2 or a.shape[0] & (a.shape[0] - 1):
        raise invalid(name, a.shape, "must have 2**n rows, n >= 1", "pad it with an identity block")
    if not np.isfinite(a).all():
        raise invalid(name, "NaN or infinity", "must be finite")
    return a


def is_hermitian(a: Matrix) -> bool:
    """Whether ``a`` equals its adjoint to rounding."""
    return bool(np.abs(a - a.conj().T).max() <= 1e-12 * max(1.0, float(np.abs(a).max())))


class Dilation(BlockEncoding):
    """The one-ancilla unitary dilation, Halmos' ``[[A, sqrt(1-AA*)], [sqrt(1-A*A), -A*]]``; exact, any matrix.

    It needs a classical decomposition of ``A``; it serves exact studies and small devices. For a Hermitian ``A``
    the dilation is a reflection.

    Args:
        matrix: ``2**n`` by ``2**n``.
        alpha: At least the spectral norm; defaults to 1 or the norm, whichever is larger.

    Raises:
        InvalidInputError: If the matrix is not finite of ``2**n`` rows, or ``alpha`` is below its norm.

    Example:
        >>> encoding = Dilation([[0.5, 0.25], [0.25, 0.5]])
        >>> encoding.block().real.round(2).tolist()
        [[0.5, 0.25], [0.25, 0.5]]
    """

    def __init__(self, matrix: ArrayLike, alpha: float | None = None) -> None:
        expect(Real, type(None), alpha=alpha)
        a = square_power_of_two(matrix)
        left, sigma, right = np.linalg.svd(a)
        norm = float(sigma[0])
        self.alpha = float(max(1.0, norm * (1 - 1e-15)) if alpha is None else alpha)
        if not self.alpha > 0 or norm > self.alpha * (1 + 1e-12):
            raise invalid("alpha", alpha, f"must be at least the norm of the matrix, {norm:.6g}", "raise alpha")
        self._matrix = a
        self.num_system = a.shape[0].bit_length() - 1
        self.num_ancillas = 1
        self.hermitian = is_hermitian(a)
        s = np.clip(sigma / self.alpha, 0.0, 1.0)
        c = np.sqrt(1.0 - s**2)
        scaled = a / self.alpha
        if self.hermitian:
            values, vectors = np.linalg.eigh((scaled + scaled.conj().T) / 2)
            values = np.clip(values, -1.0, 1.0)
            scaled = (vectors * values) @ vectors.conj().T
            rest = (vectors * np.sqrt(1.0 - values**2)) @ vectors.conj().T
            full = np.block([[scaled, rest], [rest, -scaled]])
        else:
            scaled = (left * s) @ right
            full = np.block(
                [
                    [scaled, (left * c) @ left.conj().T],
                    [(right.conj().T * c) @ right, -scaled.conj().T],
                ]
            )
        self._unitary = full

    @property
    def matrix(self) -> Matrix:
        """The encoded matrix."""
        return self._matrix

    @cached_property
    def unitary(self) -> Matrix:
        """The dilation itself."""
        return self._unitary

    def circuit(self) -> QuantumCircuit:
        """Return the dilation as one dense gate."""
        return unitary_circuit(self._unitary)

    def controlled_circuit(self) -> QuantumCircuit:
        """Return the controlled dilation as one dense gate."""
        return unitary_circuit(controlled_matrix(self._unitary))


class GatedEncoding(BlockEncoding):
    """An encoding whose plain and controlled circuits differ by the controls of a few of its gates."""

    @abstractmethod
    def _build(self, controlled: bool) -> QuantumCircuit:
        """Return one call, with the control (if any) as the last qubit."""

    def circuit(self) -> QuantumCircuit:
        """Return the gates of one call."""
        return self._build(controlled=False)

    def controlled_circuit(self) -> QuantumCircuit:
        """Return one call under a control, which only the gates that do not cancel otherwise carry."""
        return self._build(controlled=True)


class UserEncoding(BlockEncoding):
    """A circuit of your own, checked against its matrix when built.

    Args:
        circuit: System qubits first, then the flag qubits.
        matrix: What the block times ``alpha`` must equal.
        alpha: Subnormalisation.

    Raises:
        InvalidInputError: If the block differs (a wrong ``alpha`` is named).

    Example:
        >>> own = QuantumCircuit(2)  # system qubit 0, flag qubit 1
        >>> _ = own.z(0)
        >>> UserEncoding(own, np.diag([1.0, -1.0]), alpha=1.0).num_ancillas
        1
    """

    def __init__(self, circuit: QuantumCircuit, matrix: ArrayLike, alpha: float) -> None:
        expect(QuantumCircuit, circuit=circuit)
        expect(Real, alpha=alpha)
        a = square_power_of_two(matrix)
        self._matrix = a
        self._circuit = circuit
        self.num_system = a.shape[0].bit_length() - 1
        self.num_ancillas = circuit.num_qubits - self.num_system
        if self.num_ancillas < 0:
            raise invalid("circuit", circuit.num_qubits, f"must have at least {self.num_system} qubits")
        if not (np.isfinite(alpha) and alpha > 0):
            raise invalid("alpha", alpha, "must be finite and above zero")
        self.alpha = float(alpha)
        self.check()
        self.hermitian = is_hermitian(self.unitary)

    @property
    def matrix(self) -> Matrix:
        """The encoded matrix."""
        return self._matrix

    def circuit(self) -> QuantumCircuit:
        """Return the circuit as given."""
        return self._circuit.copy()

    def controlled_circuit(self) -> QuantumCircuit:
        """Return Qiskit's controlled form, with the control moved to the end."""
        return controlled_last(self._circuit)


class ComposedEncoding(BlockEncoding):
    """An encoding made of other oracles: defined by what :meth:`append` does, calls of ``U_A`` and all.

    It holds at least one labelled oracle gate a call, which queries are counted by, so it must not be wrapped in a
    labelled gate of its own.
    """

    @abstractmethod
    def append(
        self,
        circuit: QuantumCircuit,
        system: Sequence[int],
        ancillas: Sequence[int],
        *,
        adjoint: bool = False,
        control: int | None = None,
        dense: bool = False,
    ) -> None:
        """Append one call."""

    def circuit(self) -> QuantumCircuit:
        """Return one call."""
        out = QuantumCircuit(self.num_qubits)
        self.append(out, range(self.num_system), range(self.num_system, self.num_qubits))
        return out

    def controlled_circuit(self) -> QuantumCircuit:
        """Return Qiskit's controlled form."""
        return controlled_last(self.circuit())


class Shifted(ComposedEncoding):
    """``I + eta A`` from one controlled call of ``U_A`` and one more ancilla.

    ``RY(-t) c-U_A RY(t)`` with ``tan(t/2) = sqrt(eta alpha)`` holds ``(I + eta A) / (1 + eta alpha)``; with
    ``phase`` it holds ``(I + phase eta A) / (1 + eta alpha)``. The inverse gap that a solver sees is
    ``(1 + eta alpha) / (1 + eta / kappa)`` for a positive definite ``A`` of norm 1.

    Args:
        base: Encoding of ``A``.
        eta: Step of the proximal point, above zero.
        phase: 1 (real shift) or 1j (complex shift ``I + i eta A``).

    Raises:
        InvalidInputError: If ``eta`` is not positive or ``phase`` is neither 1 nor 1j.

    Example:
        >>> shifted = Shifted(Dilation([[0.5, 0.25], [0.25, 0.5]]), eta=2.0)
        >>> shifted.alpha, shifted.matrix.real.tolist()
        (3.0, [[2.0, 0.5], [0.5, 2.0]])
    """

    def __init__(self, base: BlockEncoding, eta: float, phase: complex = 1.0) -> None:
        expect(BlockEncoding, base=base)
        expect(Real, eta=eta)
        if not (np.isfinite(eta) and eta > 0):
            raise invalid("eta", eta, "must be finite and above zero")
        if phase not in (1.0, 1j):
            raise invalid("phase", phase, "must be 1 or 1j")
        self.base = base
        self.eta = float(eta)
        self.phase = complex(phase)
        self.num_system = base.num_system
        self.num_ancillas = base.num_ancillas + 1
        self.alpha = 1.0 + self.eta * base.alpha
        self.hermitian = base.hermitian and phase == 1.0
        self.angle = 2.0 * float(np.arctan(np.sqrt(self.eta * base.alpha)))

    @property
    def matrix(self) -> Matrix:
        """``I + phase eta A``."""
        return np.eye(2**self.num_system) + self.phase * self.eta * self.base.matrix

    @property
    def queries_per_call(self) -> int:
        """As many as the base, that is one."""
        return self.base.queries_per_call

    def append(
        self,
        circuit: QuantumCircuit,
        system: Sequence[int],
        ancillas: Sequence[int],
        *,
        adjoint: bool = False,
        control: int | None = None,
        dense: bool = False,
    ) -> None:
        """Append ``RY, (phase,) controlled U_A, RY``; a further control acts on the rotations' middle only."""
        switch = ancillas[-1]
        circuit.ry(self.angle, switch)
        if control is None:
            self._middle(circuit, system, ancillas[:-1], switch, adjoint, dense)
        else:
            # The rotations cancel when the middle is off, so only it needs the control: an AND in place.
            gate = self._doubly_controlled(adjoint, dense)
            circuit.append(gate, [*system, *ancillas, control])
        circuit.ry(-self.angle, switch)

    def _middle(
        self,
        circuit: QuantumCircuit,
        system: Sequence[int],
        ancillas: Sequence[int],
        switch: int,
        adjoint: bool,
        dense: bool,
    ) -> None:
        self.base.append(circuit, system, ancillas, adjoint=adjoint, control=switch, dense=dense)
        if self.phase == 1j:
            (circuit.sdg if adjoint else circuit.s)(switch)

    def _doubly_controlled(self, adjoint: bool, dense: bool) -> Gate:
        n = self.num_qubits
        if dense and n < DENSE_QUBITS:
            inner = self.base.unitary.conj().T if adjoint else self.base.unitary
            full = np.eye(2 ** (n + 1), dtype=np.complex128)
            full[-inner.shape[0] :, -inner.shape[0] :] = inner * (
                self.phase.conjugate() if adjoint else self.phase
            )
            make = partial(self._doubly_controlled_circuit, adjoint)
            return dense_gate(full, A_LABEL, make, adjoint=adjoint, controlled=True)
        return oracle_gate(self._doubly_controlled_circuit(adjoint), A_LABEL, adjoint=adjoint, controlled=True)

    def _doubly_controlled_circuit(self, adjoint: bool) -> QuantumCircuit:
        n = self.num_qubits
        body = QuantumCircuit(n)
        self._middle(body, range(self.num_system), range(self.num_system, n - 1), n - 1, adjoint, False)
        return controlled_last(body)

    def controlled_circuit(self) -> QuantumCircuit:
        """Return the controlled form."""
        n = self.num_qubits
        out = QuantumCircuit(n + 1)
        self.append(out, range(self.num_system), range(self.num_system, n), control=n)
        return out
