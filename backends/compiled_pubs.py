"""PUBs of the compiled primitives: read, checked and compiled before any work, cheaply for repeated ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import BasePrimitiveJob, EstimatorPubLike, PrimitiveResult, PubResult
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.object_array import object_array
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.providers import JobStatus
from qiskit.quantum_info import PauliList, SparsePauliOp

from qalgs.backends.compiled_narrow import narrow
from qalgs.backends.compiler import Program, compile_circuit
from qalgs.backends.observables import CompiledObservable, compile_observable
from qalgs.errors import InvalidInputError, invalid

Floats = npt.NDArray[np.float64]


class FinishedJob(BasePrimitiveJob[PrimitiveResult[PubResult], JobStatus]):
    """A job whose result is there already: the engine answers sooner than a thread starts."""

    def __init__(self, result: PrimitiveResult[PubResult]) -> None:
        super().__init__("")
        self._result = result

    def job_id(self) -> str:
        """Return an id that is unique while the job lives (a random one would cost more than a small circuit)."""
        return f"compiled-{id(self._result):x}"

    def result(self) -> PrimitiveResult[PubResult]:
        """Return the result."""
        return self._result

    def status(self) -> JobStatus:
        """Return ``JobStatus.DONE``."""
        return JobStatus.DONE

    def done(self) -> bool:
        """Return True."""
        return True

    def running(self) -> bool:
        """Return False."""
        return False

    def cancelled(self) -> bool:
        """Return False."""
        return False

    def in_final_state(self) -> bool:
        """Return True."""
        return True

    def cancel(self) -> None:
        """Do nothing: there is nothing left to stop."""


@dataclass(slots=True)
class EstimatorTask:
    """One estimator PUB, ready to run.

    Attributes:
        shape: Broadcast shape of the result.
        observables: The distinct observables.
        which: For each entry of the result, its observable; None if there is only one.
        values: Parameter values, shape (B, P).
        rows: For each entry of the result, its row of ``values``; None if entry k has row k.
    """

    circuit: QuantumCircuit
    program: Program
    observables: list[CompiledObservable]
    which: npt.NDArray[np.int64] | None
    values: Floats
    rows: npt.NDArray[np.int64] | None
    shape: tuple[int, ...]
    precision: float | None


def estimator_task(pub: EstimatorPubLike, precision: float | None, *, whole: bool = True) -> EstimatorTask:
    """Read one PUB.

    Args:
        pub: ``(circuit, observables)``, optionally with parameter values and a precision, or an ``EstimatorPub``.
        precision: What holds if the PUB gives none.
        whole: Keep idle qubits; otherwise the task of a wide circuit is cut down to the qubits in use.

    Raises:
        ValueError: For anything that cannot be run; the message names the instruction, parameter or observable.
    """
    if isinstance(pub, EstimatorPub):
        circuit, observables, values = pub.circuit, pub.observables, pub.parameter_values
        precision = precision if pub.precision is None else pub.precision
    else:
        if isinstance(pub, QuantumCircuit) or not 2 <= len(pub) <= 4:
            raise invalid(
                "pub",
                type(pub).__name__,
                "must be a tuple (circuit, observables[, parameter values[, precision]])",
                "call run([(circuit, observables, values)])",
            )
        circuit, observables = pub[0], pub[1]
        values = pub[2] if len(pub) > 2 else None
        if len(pub) > 3 and pub[3] is not None:
            precision = check_precision(pub[3])
    small = None if whole or not isinstance(circuit, QuantumCircuit) else narrow(circuit)
    if small is not None:
        circuit = small.circuit
    program = compile_circuit(circuit)
    array, leading = parameter_rows(circuit, program, values)
    if small is not None and type(observables) is SparsePauliOp:
        observables = small.observable(observables)
    if type(observables) is SparsePauliOp:
        compiled = compile_observable(observables)
        check_width(compiled, program)
        return EstimatorTask(circuit, program, [compiled], None, array, None, leading, precision)
    items = observable_array(observables)
    distinct: dict[int, int] = {}
    kept: list[CompiledObservable] = []
    which = np.empty(items.shape, dtype=np.int64)
    for index, item in np.ndenumerate(items):
        compiled = compile_observable(item if small is None else small.observable(item))
        check_width(compiled, program)
        if id(compiled) not in distinct:
            distinct[id(compiled)] = len(kept)
            kept.append(compiled)
        which[index] = distinct[id(compiled)]
    try:
        shape = np.broadcast_shapes(items.shape, leading)
    except ValueError:
        raise InvalidInputError(
            f"observables of shape {items.shape} and parameter values of shape {leading} must be broadcastable; "
            "add axes of length 1"
        ) from None
    rows = np.broadcast_to(np.arange(len(array)).reshape(leading), shape).ravel()
    return EstimatorTask(
        circuit, program, kept, np.broadcast_to(which, shape).ravel(), array, rows, shape, precision
    )


def parameter_rows(circuit: QuantumCircuit, program: Program, values: object) -> tuple[Floats, tuple[int, ...]]:
    """Return parameter values as rows (B, P) and the shape of the batch, whose size is B."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.shape == (program.num_parameters,):
        # the usual case in an optimiser's loop: one row; a sum of squares tells whether all are finite
        flags = values.flags
        if flags.c_contiguous and flags.writeable and values.size and math.isfinite(values.dot(values)):
            return values.reshape(1, -1), ()
    if values is None or (isinstance(values, BindingsArray) and values.num_parameters == 0):
        if program.num_parameters:
            names = ", ".join(p.name for p in program.parameters[:4])
            more = ", ..." if program.num_parameters > 4 else ""
            raise InvalidInputError(
                f"circuit {circuit.name!r} must have its parameters bound, got none for {names}{more}; "
                f"pass {program.num_parameters} parameter values in the pub"
            )
        leading = values.shape if isinstance(values, BindingsArray) else ()
        return np.zeros((int(np.prod(leading, dtype=int)), 0)), leading
    if isinstance(values, BindingsArray | Mapping):
        bindings = BindingsArray.coerce(values)
        try:
            array = np.asarray(bindings.as_array(program.parameters))
        except ValueError as error:
            raise InvalidInputError(f"parameter values do not fit circuit {circuit.name!r}: {error}") from error
    else:
        array = np.asarray(values)
    if program.num_parameters == 1 and (array.ndim == 0 or array.shape[-1] != 1):
        array = array[..., None]
    if program.num_parameters == 0 and array.size == 0 and array.ndim == 1:
        array = array.reshape(1, 0)
        return program.batch(array), ()
    if array.ndim == 0 or array.shape[-1] != program.num_parameters:
        raise invalid(
            "parameter values",
            array.shape,
            f"must have {program.num_parameters} entries along the last axis for circuit {circuit.name!r}",
            "give one value per entry of circuit.parameters",
        )
    leading = array.shape[:-1]
    if array.ndim != 2:
        array = array.reshape(int(np.prod(leading, dtype=int)), program.num_parameters)
    return program.batch(array), leading


def observable_array(observables: object) -> npt.NDArray[Any]:
    """Return observables as an object array of things that ``compile_observable`` takes."""
    if isinstance(observables, ObservablesArray):
        return np.asarray(observables.sparse_observables_array(), dtype=object)
    array = object_array(observables, copy=True, list_types=(PauliList,))
    for index, item in np.ndenumerate(array):
        if isinstance(item, Mapping):
            array[index] = ObservablesArray.coerce_observable(item)
    return np.asarray(array, dtype=object)


def check_width(observable: CompiledObservable, program: Program) -> None:
    """Refuse an observable of another width than the circuit."""
    if observable.num_qubits != program.num_qubits:
        raise InvalidInputError(
            f"observable must act on the circuit's {program.num_qubits} qubits, got {observable.num_qubits}; "
            "use apply_layout(...) or pad it with identities"
        )


def check_precision(precision: object, name: str = "precision") -> float:
    """Return a precision as a float.

    Raises:
        ValueError: If it is negative or not a number.
    """
    if isinstance(precision, bool) or not isinstance(precision, int | float | np.integer | np.floating):
        raise invalid(name, precision, "must be a finite non-negative number")
    if not 0.0 <= precision < float("inf"):
        raise invalid(name, precision, "must be a finite non-negative number")
    return float(precision)


def check_shots(shots: object, name: str = "shots") -> int:
    """Return a shot count as an int.

    Raises:
        ValueError: If it is not a positive integer.
    """
    if isinstance(shots, bool) or not isinstance(shots, int | np.integer) or shots < 1:
        raise invalid(name, shots, "must be a positive integer")
    return int(shots)


def as_list(pubs: Iterable[Any], name: str) -> list[Any]:
    """Return the PUBs as a list, refusing a bare circuit or PUB."""
    if type(pubs) is list:
        return pubs
    if isinstance(pubs, QuantumCircuit | EstimatorPub) or (
        isinstance(pubs, tuple) and pubs and isinstance(pubs[0], QuantumCircuit)
    ):
        raise invalid(
            "pubs", type(pubs).__name__, f"must be a list of {name} PUBs", "wrap the one you have in [...]"
        )
    return list(pubs)
