"""The check that a circuit consists of a device's own instructions, with a message that says what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, ParameterExpression

from qalgs.errors import InvalidInputError, expect, invalid

if TYPE_CHECKING:
    from qiskit.transpiler import Target

_FREE = {"barrier", "store"}


def check_isa(circuit: QuantumCircuit, target: Target, device: str = "the device") -> None:
    """Check that every instruction of a circuit is an instruction of the device.

    Args:
        circuit: The circuit.
        target: The device's instruction set.
        device: Its name, for the message.

    Raises:
        InvalidInputError: Naming the first instruction that is not supported, and its qubits.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> from qalgs.backends import load_backend
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.sx(0)
        >>> check_isa(circuit, load_backend("fake_manila").target)
    """
    from qiskit.transpiler import Target

    expect(QuantumCircuit, circuit=circuit)
    expect(Target, target=target)
    if circuit.num_qubits > (target.num_qubits or 0):
        raise invalid(
            "circuit", f"{circuit.num_qubits} qubits", f"must fit {device} of {target.num_qubits} qubits"
        )
    _check_block(circuit, target, device, {bit: i for i, bit in enumerate(circuit.qubits)})


def _check_block(circuit: QuantumCircuit, target: Target, device: str, index: Mapping[Any, int]) -> None:
    for item in circuit.data:
        operation, qubits = item.operation, tuple(index[q] for q in item.qubits)
        if operation.name in _FREE:
            continue
        if not target.instruction_supported(operation.name, qubits):
            raise InvalidInputError(
                f"instruction {operation.name!r} on qubits {list(qubits)} is not an instruction of {device}; "
                "transpile the circuit to it, or pass optimization_level=..."
            )
        if operation.name == "rzz" and not isinstance(operation.params[0], ParameterExpression):
            angle = float(operation.params[0])
            if not -1e-10 <= angle <= np.pi / 2 + 1e-10:
                raise InvalidInputError(
                    f"instruction 'rzz' on qubits {list(qubits)} must have an angle in [0, pi/2] on {device}, "
                    f"got {angle:.6g}; fold the angle"
                )
        if isinstance(operation, ControlFlowOp):
            for block in operation.blocks:
                inner = dict(zip(block.qubits, qubits, strict=True))
                _check_block(block, target, device, inner)
