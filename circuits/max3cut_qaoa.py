r"""QAOA circuits of Max-3-Cut for qubit encodings, and the same circuit for PennyLane qutrits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qalgs.circuits.max3cut_encodings import Max3CutEncoding
from qalgs.circuits.max3cut_mixers import (
    Angle,
    binary_mixer,
    binary_state,
    one_hot_mixer,
    one_hot_state,
    qutrit_mixer,
    warm_amplitudes,
)
from qalgs.errors import expect, invalid

MixerName = Literal["xy", "x"]


def max3cut_qaoa(
    encoding: Max3CutEncoding,
    reps: int = 1,
    *,
    warm_start: NDArray[np.int8] | None = None,
    bias: float = 0.6,
    mixer: MixerName | None = None,
) -> QuantumCircuit:
    r"""Build :math:`\prod_l U_M(\beta_l) e^{-i\gamma_l C} |a\rangle` with C = ``encoding.cost`` up to constants.

    The ``"xy"`` mixer stays among the feasible states, where the penalty vanishes and is left out of C; the
    ``"x"`` mixer (transverse field) starts from all states and needs the penalty, except with folded codes.

    Args:
        encoding: A qubit encoding.
        reps: Number of layers p, at least 1.
        warm_start: Labels to start near, shape ``(n,)``; ``"xy"`` mixer only.
        bias: Probability of each warm-start label.
        mixer: ``"xy"`` or ``"x"``; by default ``"x"`` for folded codes and ``"xy"`` otherwise.

    Returns:
        The circuit; parameters are all betas, then all gammas.

    Raises:
        InvalidInputError: For qutrits, ``reps`` below 1, or a warm start with the ``"x"`` mixer.

    Example:
        >>> import networkx as nx
        >>> from qalgs.circuits import max3cut_encoding
        >>> circuit = max3cut_qaoa(max3cut_encoding(nx.path_graph(3)), reps=2)
        >>> circuit.num_qubits, circuit.num_parameters
        (9, 4)
    """
    expect(Max3CutEncoding, encoding=encoding)
    expect(Real, bias=bias)
    if encoding.name == "qutrit":
        raise invalid("encoding", encoding.name, "must be on qubits", "use pennylane_qaoa or the qutrit simulator")
    check_reps(reps)
    if not encoding.weights.any():
        raise invalid("graph", "no weighted edge", "must have an edge with a non-zero weight")
    mixer = mixer or ("x" if encoding.name == "binary-folded" else "xy")
    if mixer not in ("xy", "x"):
        raise invalid("mixer", mixer, "must be 'xy' or 'x'")
    if mixer == "x" and warm_start is not None:
        remedy = "use mixer='xy'" if encoding.name != "binary-folded" else "use encoding='binary' or 'one-hot'"
        raise invalid("warm_start", "labels", "must be None for the x mixer", remedy)
    if mixer == "xy" and encoding.name == "binary-folded":
        raise invalid("mixer", mixer, "must be 'x' for folded codes", "use encoding='binary'")
    amplitudes = warm_amplitudes(encoding.num_vertices, warm_start, bias)
    betas, gammas = ParameterVector("β", reps), ParameterVector("γ", reps)
    circuit = QuantumCircuit(encoding.num_qubits, name=f"max3cut-{encoding.name}-{reps}")
    _prepare(circuit, encoding, amplitudes, mixer)
    cost = encoding.cost if mixer == "x" else -encoding.cut_operator
    for beta, gamma in zip(betas, gammas, strict=True):
        _phase(circuit, cost, gamma)
        _mix(circuit, encoding, amplitudes, mixer, beta)
    return circuit


def check_reps(reps: int) -> None:
    """Raise unless ``reps`` is an int of at least 1."""
    if isinstance(reps, bool) or not isinstance(reps, int) or reps < 1:
        raise invalid("reps", reps, "must be an int of at least 1")


def _prepare(
    circuit: QuantumCircuit, encoding: Max3CutEncoding, amplitudes: NDArray[np.float64], mixer: str
) -> None:
    if mixer == "x":
        circuit.h(range(encoding.num_qubits))
        return
    for v in range(encoding.num_vertices):
        if encoding.name == "one-hot":
            circuit.x(3 * v)
            circuit.compose(one_hot_state(amplitudes[v]), range(3 * v, 3 * v + 3), inplace=True)
        else:
            circuit.compose(binary_state(amplitudes[v]), range(2 * v, 2 * v + 2), inplace=True)


def _mix(
    circuit: QuantumCircuit, encoding: Max3CutEncoding, amplitudes: NDArray[np.float64], mixer: str, beta: Angle
) -> None:
    if mixer == "x":
        circuit.rx(2 * beta, range(encoding.num_qubits))
        return
    for v in range(encoding.num_vertices):
        if encoding.name == "one-hot":
            circuit.compose(one_hot_mixer(beta, amplitudes[v]), range(3 * v, 3 * v + 3), inplace=True)
        else:
            circuit.compose(binary_mixer(beta, amplitudes[v]), range(2 * v, 2 * v + 2), inplace=True)


def _phase(circuit: QuantumCircuit, cost, gamma: Angle) -> None:  # type: ignore[no-untyped-def]
    """Append ``exp(-i gamma C)`` for a diagonal C; longer products of Z go through a ladder of CNOTs."""
    for mask, c in zip(cost.paulis.z, cost.coeffs.real.tolist(), strict=True):
        qubits = np.flatnonzero(mask).tolist()
        if not qubits or c == 0:
            continue
        angle = 2 * c * gamma
        if len(qubits) == 1:
            circuit.rz(angle, qubits[0])
        elif len(qubits) == 2:
            circuit.rzz(angle, *qubits)
        else:
            ladder = list(pairwise(qubits[:-1]))
            for a, b in ladder:
                circuit.cx(a, b)
            circuit.rzz(angle, qubits[-2], qubits[-1])
            for a, b in reversed(ladder):
                circuit.cx(a, b)


def pennylane_qaoa(
    encoding: Max3CutEncoding,
    *,
    warm_start: NDArray[np.int8] | None = None,
    bias: float = 0.6,
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """Return a QNode on ``default.qutrit``: ``(betas, gammas)`` to the probabilities of all basis states.

    Wire v is vertex v; the returned probabilities are reordered so that vertex 0 is the least significant digit,
    as in :meth:`Max3CutEncoding.cut_diagonal`.

    Args:
        encoding: A qutrit encoding.
        warm_start: Labels to start near.
        bias: Probability of each warm-start label.

    Returns:
        The QNode as a function of two arrays of p angles.

    Raises:
        InvalidInputError: If the encoding is not of qutrits.

    Example:
        >>> import networkx as nx
        >>> from qalgs.circuits import max3cut_encoding
        >>> node = pennylane_qaoa(max3cut_encoding(nx.path_graph(2), "qutrit"))
        >>> node(np.zeros(1), np.zeros(1)).round(3).tolist() == [0.111] * 9
        True
    """
    expect(Max3CutEncoding, encoding=encoding)
    expect(Real, bias=bias)
    if encoding.name != "qutrit":
        raise invalid("encoding", encoding.name, "must be 'qutrit'", "use max3cut_qaoa for qubits")
    import pennylane as qp

    n = encoding.num_vertices
    amplitudes = warm_amplitudes(n, warm_start, bias)

    @qp.qnode(qp.device("default.qutrit", wires=n))
    def node(betas: NDArray[np.float64], gammas: NDArray[np.float64]) -> object:
        for v in range(n):
            qp.QutritUnitary(_first_column(amplitudes[v]), wires=v)
        same = np.eye(3, dtype=bool).ravel()
        for beta, gamma in zip(betas, gammas, strict=True):
            for (u, v), w in zip(encoding.edges.tolist(), encoding.weights.tolist(), strict=True):
                qp.QutritUnitary(np.diag(np.exp(1j * gamma * w * ~same)), wires=[u, v])
            for v in range(n):
                qp.QutritUnitary(qutrit_mixer(float(beta), amplitudes[v]), wires=v)
        return qp.probs(wires=range(n))

    def probabilities(betas: NDArray[np.float64], gammas: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.asarray(node(np.asarray(betas, float), np.asarray(gammas, float)), dtype=np.float64)
        return found.reshape((3,) * n).transpose(range(n)[::-1]).reshape(-1)

    return probabilities


def _first_column(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a real orthogonal matrix (a Householder reflection) whose first column is a."""
    v = a - np.array([1.0, 0.0, 0.0])
    norm = float(v @ v)
    return np.eye(3) if norm < 1e-30 else np.eye(3) - 2 * np.outer(v, v) / norm
