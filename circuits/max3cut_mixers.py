r"""Mixers and initial states of Max-3-Cut QAOA that keep every label well defined.

Each vertex starts in a real state :math:`|a_v\rangle = \sum_k a_{vk} |k\rangle` over its three labels, uniform or
biased towards a known label (Egger, Marecek and Woerner 2021), and mixes by
:math:`e^{-i\beta(3|a_v\rangle\langle a_v| - 1)}`; for the uniform state this is the complete-graph XY mixer
:math:`e^{-i\beta(J - 1)}` (Hadfield et al. 2019), J the all-ones matrix. The same mixer in every encoding makes
their QAOA states equal.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.circuit.library import XXPlusYYGate

from qalgs.errors import invalid

Angle: TypeAlias = float | ParameterExpression


def warm_amplitudes(
    num_vertices: int, labels: NDArray[np.int8] | None = None, bias: float = 0.6
) -> NDArray[np.float64]:
    r"""Return the amplitudes :math:`a_{vk}` of every vertex.

    Args:
        num_vertices: n.
        labels: A partition to start near, shape ``(n,)``; None gives the uniform state.
        bias: Probability of the partition's own label, from 1/3 (uniform) to below 1 (then nothing mixes).

    Returns:
        Unit rows, shape ``(n, 3)``.
    """
    if not 1 / 3 - 1e-12 <= bias < 1:
        raise invalid("bias", bias, "must be at least 1/3 and below 1")
    if labels is None:
        return np.full((num_vertices, 3), 1 / math.sqrt(3))
    labels = np.asarray(labels)
    if labels.shape != (num_vertices,) or not np.isin(labels, (0, 1, 2)).all():
        raise invalid("warm_start", labels, f"must be {num_vertices} labels 0, 1 or 2")
    amplitudes = np.full((num_vertices, 3), math.sqrt((1 - bias) / 2))
    amplitudes[np.arange(num_vertices), labels] = math.sqrt(bias)
    return amplitudes


def one_hot_state(amplitudes: NDArray[np.float64]) -> QuantumCircuit:
    """Return the circuit from ``|100>`` to ``sum_k a_k |k>`` on three one-hot qubits: two Givens rotations."""
    first, second = _angles(amplitudes)
    circuit = QuantumCircuit(3)
    _givens(circuit, first, 0, 1)
    _givens(circuit, second, 1, 2)
    return circuit


def binary_state(amplitudes: NDArray[np.float64]) -> QuantumCircuit:
    """Return the circuit from ``|00>`` to ``sum_k a_k |code k>`` on a low and a high qubit."""
    circuit = QuantumCircuit(2)
    circuit.ry(2 * math.asin(min(1.0, amplitudes[2])), 1)
    angle = 2 * math.atan2(amplitudes[1], amplitudes[0])
    # Rotation of the low qubit where the high one is 0.
    circuit.ry(angle / 2, 0)
    circuit.cx(1, 0)
    circuit.ry(angle / 2, 0)
    circuit.cx(1, 0)
    return circuit


def one_hot_mixer(beta: Angle, amplitudes: NDArray[np.float64]) -> QuantumCircuit:
    """Return the mixer of one vertex on three one-hot qubits, exact on the one-hot subspace."""
    prepare = one_hot_state(amplitudes)
    circuit = QuantumCircuit(3)
    circuit.compose(prepare.inverse(), inplace=True)
    circuit.p(-3 * beta, 0)
    circuit.compose(prepare, inplace=True)
    return circuit


def binary_mixer(beta: Angle, amplitudes: NDArray[np.float64]) -> QuantumCircuit:
    """Return the mixer of one vertex on two qubits; it leaves code 3 alone."""
    prepare = binary_state(amplitudes)
    circuit = QuantumCircuit(2)
    circuit.compose(prepare.inverse(), inplace=True)
    circuit.x([0, 1])
    circuit.cp(-3 * beta, 0, 1)
    circuit.x([0, 1])
    circuit.compose(prepare, inplace=True)
    return circuit


def qutrit_mixer(beta: float, amplitudes: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the 3 x 3 mixer of one qutrit, up to the phase ``exp(i beta)`` as on qubits."""
    return np.eye(3) + (np.exp(-3j * beta) - 1) * np.outer(amplitudes, amplitudes)


def _angles(amplitudes: NDArray[np.float64]) -> tuple[float, float]:
    rest = math.hypot(amplitudes[1], amplitudes[2])
    return 2 * math.atan2(rest, amplitudes[0]), 2 * math.atan2(amplitudes[2], amplitudes[1])


def _givens(circuit: QuantumCircuit, angle: float, source: int, target: int) -> None:
    """Rotate amplitude from "source set" to "target set" by a real Givens rotation."""
    circuit.append(XXPlusYYGate(angle, -math.pi / 2), [source, target])
