"""Checks that the noisy primitives share: shots, precision, parameter values, circuits."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike

from qalgs.backends.noise import FloatArray
from qalgs.errors import InvalidInputError, invalid


def coerce_pub(pub: EstimatorPubLike) -> EstimatorPub:
    """Return a PUB; its own precision stays None where it states none."""
    try:
        return EstimatorPub.coerce(pub)
    except (InvalidInputError, TypeError):
        raise
    except ValueError as error:
        raise InvalidInputError(" ".join(str(error).split())) from error


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


def check_precision(value: Any) -> float:
    """Return ``value`` as a finite non-negative float."""
    if not (isinstance(value, int | float | np.floating) and 0 <= value < np.inf):
        raise invalid("precision", value, "must be a finite non-negative number")
    return float(value)


def check_shots(name: str, value: Any) -> int:
    """Return ``value`` as a positive int."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise invalid(name, value, "must be a positive int")
    return int(value)
