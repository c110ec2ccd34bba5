"""Exact states and their derivatives from a second engine: Aer, PennyLane or Qiskit instead of the compiled one.

Algorithms that work on amplitudes ask :func:`exact_program` and :func:`exact_observable`. These are the compiled
engine unless the environment variable QALGS_ENGINE says "aer" or another engine is named; so everything in the
package can be run once more on an engine that shares no code with the first.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs.backends.auto_choice import check_engine
from qalgs.backends.auto_engines import ShiftCircuit, simulator
from qalgs.backends.compiler import Program, compile_circuit
from qalgs.backends.compiler_cache import CircuitCache
from qalgs.backends.observables import CompiledObservable, compile_observable
from qalgs.errors import invalid
from qalgs.results import Described

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Reference = Literal["aer", "pennylane", "statevector"]
REFERENCES: tuple[Reference, ...] = ("aer", "pennylane", "statevector")


class ReferenceProgram(Described):
    r"""A circuit whose states come from another library, with the face of a compiled :class:`Program`.

    The circuit is taken apart into rotations :math:`e^{-iaG/2}` with :math:`G^2=1`, for which
    :math:`\partial|\psi\rangle/\partial a=\tfrac12|\psi(a+\pi)\rangle`; the chain rule leads to the parameters.
    This costs one run for each angle and is meant for checks, not for speed.

    Args:
        circuit: The unitary circuit, with P parameters.
        engine: ``"aer"``, ``"pennylane"`` (``default.qubit``) or ``"statevector"`` (Qiskit).

    Attributes:
        num_qubits: Width n.
        num_parameters: P.
        engine: The engine.
    """

    def __init__(self, circuit: QuantumCircuit, engine: Reference = "aer") -> None:
        compile_circuit(circuit)  # the same errors for the same mistakes, whatever the engine
        self.num_qubits, self.num_parameters = circuit.num_qubits, circuit.num_parameters
        self.engine: Reference = engine
        self._shift = ShiftCircuit(circuit)
        self._prepared: Any = None

    def states(self, values: npt.ArrayLike) -> Complexes:
        """Return final states (B, 2**n) for parameter values (B, P) or (P,); as :meth:`Program.states`."""
        every, _ = self._shift.every(self._batch(values))
        phases = np.exp(1j * every[:, self._shift.phase])
        return phases[:, None] * self._run(every[:, self._shift.where])

    def vjp(self, values: npt.ArrayLike, cotangents: npt.ArrayLike) -> Complexes:
        """Return ``<cotangent_b | d psi_b / d theta_p>``, shape (B, P); as :meth:`Program.vjp`."""
        rows = self._batch(values)
        size = 1 << self.num_qubits
        bras = np.asarray(cotangents, dtype=np.complex128)
        if bras.shape not in ((size,), (1, size), (len(rows), size)):
            raise invalid("cotangents", bras.shape, f"must have shape ({len(rows)}, {size}) or ({size},)")
        bras = np.broadcast_to(bras, (len(rows), size)).conj()
        every, jacobian = self._shift.every(rows)
        angles = every[:, self._shift.where]
        count = angles.shape[1]
        points = np.repeat(angles[:, None, :], count + 1, axis=1)
        points[:, np.arange(count), np.arange(count)] += np.pi
        flat = points.reshape(len(rows) * (count + 1), count)
        found = self._run(flat).reshape(len(rows), count + 1, size)
        found = found * np.exp(1j * every[:, self._shift.phase])[:, None, None]
        inner = np.einsum("bs,bas->ba", bras, found)
        slopes = np.einsum("ba,bap->bp", inner[:, :count] / 2, jacobian[:, self._shift.where])
        return np.asarray(slopes + 1j * inner[:, count:] * jacobian[:, self._shift.phase])

    def _batch(self, values: npt.ArrayLike) -> Floats:
        rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != self.num_parameters:
            raise invalid("parameter values", rows.shape, f"must have shape (B, {self.num_parameters})")
        if not np.isfinite(rows).all():
            raise invalid("parameter values", "NaN or infinity", "must be finite")
        return rows

    def _run(self, angles: Floats) -> Complexes:
        """Return the states (B, 2**n) at angles (B, A), without the global phase."""
        if not len(angles):
            return np.empty((0, 1 << self.num_qubits), dtype=np.complex128)
        if self.engine == "aer":
            return self._aer(angles)
        if self.engine == "pennylane":
            return np.array([self._pennylane(row) for row in angles])
        circuit = self._shift.circuit
        return np.array([Statevector(circuit.assign_parameters(row)).data for row in angles])

    def _aer(self, angles: Floats) -> Complexes:
        if self._prepared is None:
            self._prepared = self._shift.circuit.copy()
            self._prepared.save_statevector()
        names = self._shift.circuit.parameters
        if not len(names):
            result = simulator().run(self._prepared).result()
            return np.tile(np.asarray(result.data(0)["statevector"]), (len(angles), 1))
        binds = [{p: angles[:, k].tolist() for k, p in enumerate(names)}]
        result = simulator().run(self._prepared, parameter_binds=binds).result()
        return np.array([np.asarray(result.data(k)["statevector"]) for k in range(len(angles))])

    def _pennylane(self, row: Floats) -> Complexes:
        import pennylane as qml

        from qalgs.backends.pennylane_template import Template

        if self._prepared is None:
            template = Template(self._shift.circuit)
            # PennyLane's first wire is the highest bit, Qiskit's first qubit the lowest.
            device = qml.device("default.qubit", wires=range(self.num_qubits - 1, -1, -1))

            def state(values: Any) -> Any:
                template(values)
                return qml.state()

            self._prepared = qml.QNode(state, device, diff_method=None)
        return np.asarray(self._prepared(row), dtype=np.complex128)


class ReferenceObservable:
    """A Hermitian Pauli sum as Qiskit's own sparse matrix, with the face of a :class:`CompiledObservable`.

    Args:
        observable: The Pauli sum.

    Attributes:
        num_qubits: Width n.
        norm_bound: Sum of the absolute coefficients.
        operator: The merged terms.
    """

    def __init__(self, observable: object) -> None:
        compiled = compile_observable(observable)
        self.operator: SparsePauliOp = compiled.operator
        self.num_qubits, self.norm_bound = compiled.num_qubits, compiled.norm_bound
        self._matrix = self.operator.to_matrix(sparse=True)

    def apply(self, states: npt.ArrayLike) -> Complexes:
        """Return H psi for states (B, 2**n) or (2**n,), shape (B, 2**n)."""
        rows = np.atleast_2d(np.asarray(states, dtype=np.complex128))
        if rows.ndim != 2 or rows.shape[1] != 1 << self.num_qubits:
            raise invalid("states", rows.shape, f"must have shape (B, {1 << self.num_qubits})")
        return np.asarray((self._matrix @ rows.T).T)

    def expectation(self, states: npt.ArrayLike) -> Floats:
        """Return <psi|H|psi> for each state, shape (B,)."""
        rows = np.atleast_2d(np.asarray(states, dtype=np.complex128))
        return np.asarray(np.einsum("bi,bi->b", rows.conj(), self.apply(rows)).real)


_PROGRAMS: dict[Reference, CircuitCache[ReferenceProgram]] = {
    engine: CircuitCache(partial(ReferenceProgram, engine=engine)) for engine in REFERENCES
}


def exact_program(circuit: QuantumCircuit, engine: str | None = None) -> Program | ReferenceProgram:
    """Return what gives a circuit's exact states and their derivatives.

    Args:
        circuit: A unitary circuit.
        engine: ``"compiled"``, ``"aer"``, ``"pennylane"`` or ``"statevector"``; None for what the environment
            variable QALGS_ENGINE says (the compiled engine unless that is "aer").

    Returns:
        The compiled program, or a :class:`ReferenceProgram` with the same ``states`` and ``vjp``.

    Raises:
        ValueError: If there is no such engine, or an instruction cannot be part of a unitary circuit.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> circuit = hardware_efficient(2, 1)
        >>> compiled, aer = exact_program(circuit, "compiled"), exact_program(circuit, "aer")
        >>> bool(np.allclose(compiled.states(np.ones(4)), aer.states(np.ones(4)), atol=1e-12))
        True
    """
    for reference in REFERENCES:
        if engine == reference:
            return _PROGRAMS[reference].get(circuit)
    if engine is None and check_engine(None) == "aer":
        return _PROGRAMS["aer"].get(circuit)
    if engine not in (None, "compiled"):
        raise invalid("engine", engine, f"must be one of compiled, {', '.join(REFERENCES)}")
    return compile_circuit(circuit)


def exact_observable(observable: object) -> CompiledObservable | ReferenceObservable:
    """Return what applies a Hermitian Pauli sum to exact states: compiled, or a sparse matrix under "aer".

    Args:
        observable: A ``SparsePauliOp``, or anything that it accepts.

    Example:
        >>> exact_observable("ZX").norm_bound
        1.0
    """
    return ReferenceObservable(observable) if check_engine(None) == "aer" else compile_observable(observable)
