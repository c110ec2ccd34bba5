"""Argument checks that the builders share."""

from __future__ import annotations

import math
from numbers import Integral, Real

from qiskit import QiskitError
from qiskit.quantum_info import SparsePauliOp

from qalgs.errors import invalid


def whole(name: str, value: object, least: int) -> int:
    """Return ``value`` as an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise invalid(name, value, f"must be an integer of at least {least}")
    return int(value)


def real(name: str, value: object) -> float:
    """Return ``value`` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise invalid(name, value, "must be a finite real number")
    return float(value)


def pauli_sum(name: str, value: object) -> SparsePauliOp:
    """Return a Pauli sum, or what Qiskit reads as one (a label, say)."""
    try:
        return value if isinstance(value, SparsePauliOp) else SparsePauliOp(value)
    except (QiskitError, TypeError, ValueError) as error:
        raise invalid(name, value, "must be a SparsePauliOp") from error
