"""Compile a Qiskit circuit once into a flat program; run it many times over batches of parameter values.

A program is a table of a few kinds of operations (fused one-qubit chains, flips, phases, Pauli rotations, dense
matrices) plus tables of numbers, interpreted by compiled kernels without returning to Python. Derivatives come
from one backward (adjoint) sweep whatever the number of parameters: Jones and Gacon, arXiv:2009.02823.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qalgs.backends import kernels_run
from qalgs.backends.compiler_angles import Slots, run_tape
from qalgs.backends.compiler_cache import CAPACITY, CircuitCache
from qalgs.backends.compiler_fusion import fuse
from qalgs.backends.compiler_lowering import Lowering
from qalgs.backends.compiler_structure import Structure, structure
from qalgs.backends.compiler_tables import Arrays, Tables
from qalgs.backends.kernels_run import run
from qalgs.backends.observables import MAX_QUBITS, CompiledObservable
from qalgs.errors import expect, invalid

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Integers = npt.NDArray[np.int64]
Derivatives = npt.NDArray[np.inexact[Any]]


_NONE = np.zeros((1, 0))
_NO_OBSERVABLE = np.zeros(4, dtype=np.int64)


class Program:
    """A compiled circuit.

    Args:
        circuit: The unitary circuit; :func:`compile_circuit` adds a cache.
        skip: Names of instructions to leave out.
        parameters: Order of the parameters, if not that of ``circuit.parameters``.

    Attributes:
        num_qubits: Number of qubits n.
        num_parameters: Number of free parameters P.
        parameters: The parameters, in the order of ``circuit.parameters``.
        num_operations: Length of the flat program after fusion.

    Raises:
        ValueError: If an instruction cannot be part of a unitary circuit.
    """

    def __init__(self, circuit: QuantumCircuit, *, skip: frozenset[str] = frozenset()) -> None:
        expect(QuantumCircuit, circuit=circuit)
        expect(Iterable, skip=skip)
        self._compile(
            circuit.num_qubits,
            tuple(circuit.parameters),
            lambda lowering: lowering.circuit(circuit, skip=skip),
        )

    def __repr__(self) -> str:
        sizes = f"num_qubits={self.num_qubits}, num_parameters={self.num_parameters}"
        return f"Program({sizes}, num_operations={self.num_operations})"

    @classmethod
    def of_structure(cls, found: Structure, parameters: tuple[Parameter, ...]) -> Program:
        """Return the program of a structure, to be completed by :meth:`fill`: its numbers are parameters, too."""
        program = cls.__new__(cls)
        program._compile(found.num_qubits, parameters, lambda lowering: lowering.gates(found.gates, found.phase))
        return program

    def _compile(
        self, num_qubits: int, parameters: tuple[Parameter, ...], lower: Callable[[Lowering], None]
    ) -> None:
        self.parameters = parameters
        self.num_qubits = num_qubits
        self.num_parameters = len(self.parameters)
        if self.num_qubits > MAX_QUBITS:
            raise invalid(
                "circuit.num_qubits",
                self.num_qubits,
                f"must be at most {MAX_QUBITS} for a statevector",
                "transpile it to fewer qubits or use a tensor-network method",
            )
        slots = Slots(self.parameters)
        lowering = Lowering(self.num_qubits, slots)
        lower(lowering)
        nodes = fuse(self.num_qubits, lowering.nodes, slots, lowering.phase)
        self.tapes = slots.tapes
        self._tables = Tables(self.num_qubits, slots)
        for node in nodes:
            self._tables.add(node)
        self._phase = lowering.phase
        self.num_operations = len(self._tables.ops)
        self.num_slots = len(slots)
        self._pack(self._tables.arrays(), slots.arrays())

    def _pack(self, tables: Arrays, lines: tuple[Floats, Integers, Integers, Floats]) -> None:
        self.lines = lines
        tape_slots = np.array([t[0] for t in self.tapes], dtype=np.int64)
        self.ints, self.floats = kernels_run.pack(
            self.num_qubits, tables, self._tables.width, lines, tape_slots, self._phase
        )

    def fill(self, parameters: tuple[Parameter, ...], constants: Sequence[float]) -> Program:
        """Return the program with its last parameters fixed at ``constants`` and the others renamed."""
        free = len(parameters)
        filled = copy(self)
        filled.parameters = parameters
        filled.num_parameters = free
        if not constants:
            return filled
        base, rows, cols, coef = self.lines
        numbers = np.concatenate([np.zeros(free), constants])
        base = base + np.bincount(rows, coef * numbers[cols], len(base))
        kept = cols < free
        lines = (base, rows[kept], cols[kept], coef[kept])
        tables = self._tables.arrays()
        if free:
            varying = np.zeros(len(base), dtype=np.bool_)
            varying[lines[1]] = True
            varying[[t[0] for t in self.tapes]] = True
            tables[0][:, 7] = self._tables.vary(varying)
        filled._pack(tables, lines)
        return filled

    # -- angles --------------------------------------------------------------------------------------------------

    def batch(self, values: npt.ArrayLike) -> Floats:
        """Return parameter values as a C-ordered (B, P) array.

        Raises:
            ValueError: If their shape or content is wrong, naming the first bad parameter.
        """
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise invalid("parameter values", values, "must be real numbers")
        array = np.ascontiguousarray(array, dtype=np.float64)
        if not array.flags.writeable:  # the kernels are compiled for writable arrays only
            array = array.copy()
        if array.ndim == 1 and (self.num_parameters or array.size == 0):
            array = array.reshape(1, -1)
        if array.ndim != 2 or array.shape[1] != self.num_parameters:
            raise invalid(
                "parameter values",
                array.shape,
                f"must have shape (B, {self.num_parameters}) or ({self.num_parameters},)",
                "give one value per entry of circuit.parameters",
            )
        if not np.isfinite(array).all():
            b, p = np.argwhere(~np.isfinite(array))[0]
            raise invalid(
                f"value of parameter {self.parameters[p].name!r} (row {b})",
                float(array[b, p]),
                "must be a finite number",
            )
        return array

    def extra(self, values: Floats) -> Floats:
        """Evaluate the angle slots that are not affine, shape (B, number of tapes)."""
        extra = np.empty((values.shape[0], len(self.tapes)))
        if not self.tapes:
            return extra
        for k, (_, tape) in enumerate(self.tapes):
            with np.errstate(all="ignore"):
                extra[:, k] = run_tape(tape, values)[0]
        if extra.size and not np.isfinite(extra).all():
            b, k = np.argwhere(~np.isfinite(extra))[0]
            raise invalid(
                f"angle of a parameter expression (row {b})",
                float(extra[b, k]),
                "must be a finite number at the given parameter values",
            )
        return extra

    def chain_rule(self, values: Floats, slot_grads: Derivatives, grads: Derivatives) -> None:
        """Add the derivatives through the slots that are not affine to ``grads`` (B, P)."""
        for slot, tape in self.tapes:
            with np.errstate(all="ignore"):
                _, partial = run_tape(tape, values)
            for column, slope in partial.items():
                grads[:, column] = grads[:, column] + slot_grads[:, slot] * slope

    # -- states and derivatives ----------------------------------------------------------------------------------

    def states(self, values: npt.ArrayLike) -> Complexes:
        """Return the final states.

        Args:
            values: Parameter values, shape (B, P) or (P,).

        Returns:
            Amplitudes, shape (B, 2**n), global phase included, qubit 0 being the lowest bit of the index.
        """
        values = self.batch(values)
        out = np.empty((values.shape[0], 1 << self.num_qubits), dtype=np.complex128)
        none = _NONE
        run(
            kernels_run.STATES,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            _NO_OBSERVABLE,
            none[0],
            none[0],
            out.view(np.float64),
            none[0],
            none,
            none,
        )
        return out

    def vjp(self, values: npt.ArrayLike, cotangents: npt.ArrayLike) -> Complexes:
        """Return ``<cotangent_b | d psi_b / d theta_p>`` by one adjoint sweep per row.

        Args:
            values: Parameter values, shape (B, P) or (P,).
            cotangents: Any vectors, shape (B, 2**n) or (2**n,).

        Returns:
            Shape (B, P), complex. The gradient of <psi|H|psi> is twice the real part for cotangents H psi.
        """
        values = self.batch(values)
        size = 1 << self.num_qubits
        rows = values.shape[0]
        bras = np.asarray(cotangents, dtype=np.complex128)
        if bras.shape not in ((size,), (1, size), (rows, size)):
            raise invalid("cotangents", bras.shape, f"must have shape ({rows}, {size}) or ({size},)")
        bras = np.array(np.broadcast_to(bras, (rows, size)), order="C")
        slot_grads = np.zeros((rows, self.num_slots), dtype=np.complex128)
        none = _NONE
        run(
            kernels_run.PULLBACK,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            _NO_OBSERVABLE,
            none[0],
            none[0],
            bras.view(np.float64),
            none[0],
            none,
            slot_grads.view(np.float64),
        )
        _, affine_rows, cols, coef = self.lines
        grads = np.zeros((rows, self.num_parameters), dtype=np.complex128)
        for slot, column, slope in zip(affine_rows.tolist(), cols.tolist(), coef.tolist(), strict=True):
            grads[:, column] += slope * slot_grads[:, slot]
        self.chain_rule(values, slot_grads, grads)
        return grads

    def energies(self, observable: CompiledObservable, values: Floats, keep: Floats | None = None) -> Floats:
        """Return <psi|H|psi> for each row of ``values`` (B, P), as made by :meth:`batch`.

        Args:
            observable: The compiled H.
            values: Parameter values, shape (B, P).
            keep: Projection onto basis states (1 keeps, 0 drops), shape (2**n,); the result is then
                <psi|PHP|psi> / <psi|P|psi>.
        """
        out = np.empty(values.shape[0])
        none = _NONE
        run(
            kernels_run.ENERGIES,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            observable.ints,
            observable.floats,
            none[0] if keep is None else keep,
            none,
            out,
            none,
            none,
        )
        return out

    def gradients(
        self, observable: CompiledObservable, values: Floats, keep: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return energies (B,) and their gradients (B, P); arguments as for :meth:`energies`."""
        rows = values.shape[0]
        out = np.empty(rows)
        grads = np.zeros((rows, self.num_parameters))
        slot_grads = np.zeros((rows, 2 * self.num_slots))
        run(
            kernels_run.GRADIENTS,
            self.ints,
            self.floats,
            values,
            self.extra(values),
            observable.ints,
            observable.floats,
            _NONE[0] if keep is None else keep,
            _NONE,
            out,
            grads,
            slot_grads,
        )
        if self.tapes:
            self.chain_rule(values, 2 * slot_grads[:, ::2], grads)
        return out, grads


def _build(circuit: QuantumCircuit) -> Program:
    """Compile a circuit, or fill in its numbers if one of the same structure was compiled."""
    parameters = tuple(circuit.parameters)
    found = structure(circuit, parameters)
    if found is None:
        return Program(circuit)
    program = _STRUCTURES.get(found.key)
    if program is None:
        program = _STRUCTURES[found.key] = Program.of_structure(found, parameters)
        while len(_STRUCTURES) > CAPACITY:
            _STRUCTURES.popitem(last=False)
    return program.fill(parameters, found.constants)


_STRUCTURES: OrderedDict[Hashable, Program] = OrderedDict()
_CACHE: CircuitCache[Program] = CircuitCache(_build)


def compile_circuit(circuit: QuantumCircuit) -> Program:
    """Compile ``circuit`` (unitary, any standard gates and parameter expressions) into a program.

    Programs are cached by the circuit's content: the same circuit is compiled once, a circuit changed in place is
    compiled anew, and circuits of standard gates that differ only in numbers or parameter names share the work.

    A composite gate is what its definition says; so a ``PauliEvolutionGate`` whose terms do not commute is its
    product formula, not the exact exponential.

    Args:
        circuit: The circuit, with P free parameters.

    Returns:
        The program.

    Raises:
        ValueError: If an instruction cannot be part of a unitary circuit; the message names it.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> program = compile_circuit(hardware_efficient(2, 1))
        >>> program.states(np.zeros((5, 4))).shape
        (5, 4)
    """
    if not isinstance(circuit, QuantumCircuit):
        raise TypeError(f"circuit must be a qiskit QuantumCircuit, got {type(circuit).__name__}; build one first")
    return _CACHE.get(circuit)
