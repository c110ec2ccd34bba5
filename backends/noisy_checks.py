"""Checks that the noisy primitives share: shots, precision, parameter values, circuits."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends.noise import FloatArray
from qalgs.backends.noise_observables import observable_key
from qalgs.errors import InvalidInputError, invalid


@dataclass(frozen=True, slots=True, eq=False)
class Pub:
    """An estimator PUB, read.

    Attributes:
        circuit: The circuit.
        observables: The observables, flattened.
        keys: One key per observable, equal for equal observables.
        shape: Shape of the array of observables.
        values: (..., P) parameter values in the order of ``circuit.parameters``.
        precision: The PUB's own precision, or None.
    """

    circuit: QuantumCircuit
    observables: tuple[Any, ...]
    keys: tuple[Hashable, ...]
    shape: tuple[int, ...]
    values: FloatArray
    precision: float | None


def read_pub(pub: EstimatorPubLike) -> Pub:
    """Return a PUB checked and flattened; one observable with an array of values takes a short way.

    Raises:
        InvalidInputError: If the parts do not fit one another or a value is not finite.
    """
    short = _read_plain(pub)
    if short is not None:
        return short
    coerced = coerce_pub(pub)
    flat = tuple(coerced.observables.sparse_observables_array().ravel())
    keys = tuple(observable_key(o) for o in flat)
    values = bound_values(coerced.circuit, coerced.parameter_values)
    return Pub(coerced.circuit, flat, keys, coerced.observables.shape, values, coerced.precision)


def _read_plain(pub: Any) -> Pub | None:
    """Read ``(circuit, SparsePauliOp, array)``, or return None for anything that needs Qiskit's own reading."""
    if type(pub) is not tuple or not 2 <= len(pub) <= 4:
        return None
    circuit, observable = pub[0], pub[1]
    if not isinstance(circuit, QuantumCircuit) or not isinstance(observable, SparsePauliOp):
        return None
    if circuit.num_qubits != observable.num_qubits or observable.coeffs.dtype == object:
        return None
    raw = pub[2] if len(pub) > 2 and pub[2] is not None else ()
    if not isinstance(raw, np.ndarray | list | tuple):
        return None
    try:
        values = np.asarray(raw, dtype=float)
    except (TypeError, ValueError):
        return None
    if values.ndim < 1 or values.shape[-1] != circuit.num_parameters or not np.isfinite(values).all():
        return None
    paulis = observable.paulis
    key = (paulis.num_qubits, observable.coeffs.tobytes(), paulis.x.tobytes(), paulis.z.tobytes())
    return Pub(circuit, (observable,), (key,), (), values, pub[3] if len(pub) > 3 else None)


def coerce_pub(pub: EstimatorPubLike) -> EstimatorPub:
    """Return a PUB; its own precision stays None where it states none."""
    observable = pub[1] if isinstance(pub, tuple | list) and len(pub) > 1 else None
    if isinstance(observable, SparsePauliOp) and observable.coeffs.dtype != object:
        finite = np.isfinite(observable.coeffs)
        if not finite.all():
            bad = int(np.argmin(finite))
            label = observable.paulis[bad].to_label()
            raise invalid(f"observable coefficient of {label}", observable.coeffs[bad], "must be finite")
    _check_count(pub, 2)
    try:
        return EstimatorPub.coerce(pub)
    except (InvalidInputError, TypeError):
        raise
    except ValueError as error:
        raise InvalidInputError(" ".join(str(error).split())) from error


def coerce_sampler_pub(pub: SamplerPubLike, shots: int) -> SamplerPub:
    """Return a sampler PUB; ``shots`` where it states none."""
    _check_count(pub, 1)
    try:
        return SamplerPub.coerce(pub, shots)
    except (InvalidInputError, TypeError):
        raise
    except ValueError as error:
        raise InvalidInputError(" ".join(str(error).split())) from error


def _check_count(pub: Any, position: int) -> None:
    """Refuse parameter values of the wrong number in words that say so."""
    if not isinstance(pub, tuple | list) or len(pub) <= position or not isinstance(pub[0], QuantumCircuit):
        return
    circuit, raw = pub[0], pub[position]
    if circuit.num_parameters < 2 or not isinstance(raw, np.ndarray | list | tuple):
        return  # a single parameter may also be given as a plain batch of numbers
    shape = np.shape(raw)
    if not shape or shape[-1] != circuit.num_parameters:
        rule = f"must have {circuit.num_parameters} entries along the last axis for circuit {circuit.name!r}"
        raise invalid("parameter values", shape, rule, "give one value per entry of circuit.parameters")


def bound_values(circuit: QuantumCircuit, bindings: BindingsArray) -> FloatArray:
    """Return the parameter values (..., P) in the order of ``circuit.parameters``.

    Raises:
        InvalidInputError: If a value is not finite.
    """
    parameters = circuit.parameters
    if not len(parameters):
        return np.zeros((*bindings.shape, 0))
    values = np.asarray(bindings.as_array(parameters), dtype=float)
    if not np.all(np.isfinite(values)):
        bad = np.argwhere(~np.isfinite(values))[0]
        name = parameters[int(bad[-1])].name
        raise invalid(f"value of parameter {name!r}", float(values[tuple(bad)]), "must be finite")
    return values


def as_rows(values: FloatArray) -> FloatArray:
    """Return values (..., P) as (B, P); P may be zero."""
    return values.reshape(int(np.prod(values.shape[:-1], dtype=int)), values.shape[-1])


def refuse(circuit: QuantumCircuit) -> None:
    """Reject what has no place in an estimator circuit, by name."""
    for item in circuit.data:
        name = item.operation.name
        if name in ("measure", "reset", "initialize") or isinstance(item.operation, ControlFlowOp):
            where = [circuit.find_bit(q).index for q in item.qubits]
            raise InvalidInputError(
                f"instruction {name!r} on qubits {where} must not be in an estimator circuit; remove it"
            )


def measures(circuit: QuantumCircuit) -> bool:
    """Whether a circuit measures anything, if only in a branch."""
    return any(
        item.operation.name == "measure" or isinstance(item.operation, ControlFlowOp) for item in circuit.data
    )


def check_precision(value: Any, name: str = "precision") -> float:
    """Return ``value`` as a finite non-negative float."""
    if not (isinstance(value, int | float | np.floating) and 0 <= value < np.inf):
        raise invalid(name, value, "must be a finite non-negative number")
    return float(value)


def check_shots(name: str, value: Any) -> int:
    """Return ``value`` as a positive int."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise invalid(name, value, "must be a positive int")
    return int(value)
