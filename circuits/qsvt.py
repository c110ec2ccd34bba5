"""Quantum singular value transformation and qubitised walks over any block encoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import BlockEncoding
from qalgs.errors import as_array, expect, invalid


def append_qsvt(
    circuit: QuantumCircuit,
    encoding: BlockEncoding,
    phases: ArrayLike,
    system: Sequence[int],
    ancillas: Sequence[int],
    signal: int,
    *,
    inverse_side: bool = True,
    dense: bool = False,
    control: int | None = None,
) -> None:
    """Append the singular value transformation by a real polynomial of definite parity.

    The signal qubit starts in ``|0>``; reading 0 on it and on all ancillas leaves ``p(A/alpha)`` applied to the
    system. The two branches of the signal carry opposite phases, whose mean is the real polynomial. The projector
    phase ``exp(i phi Z_signal (2 Pi - 1))`` is one RZZ for one ancilla, else two multi-controlled X and an RZ.

    Args:
        circuit: The circuit to extend.
        encoding: Block encoding, called ``degree`` times, alternately plain and inverted.
        phases: ``degree + 1`` phases for reflections (:meth:`qalgs.qlsp.angles.Phases.reflection`).
        system: System qubits.
        ancillas: Flag qubits of the encoding.
        signal: The additional qubit.
        inverse_side: For odd degree, apply ``p`` with left and right singular vectors exchanged, as an inverse
            needs: the first call is then inverted. Even degrees act on the right singular vectors.
        dense: Give the calls by their matrices (exact simulators).
        control: Apply it only where this qubit is 1 (odd degree). Idle phases leave pairs of calls that cancel, so
            only the last call itself is controlled.
    """
    phi = np.asarray(phases, dtype=float)
    degree = len(phi) - 1
    if not np.isfinite(phi).all():
        raise invalid("phases", phi.tolist(), "must be finite")
    if degree < 1:
        raise invalid("phases", len(phi), "must hold at least two phases")
    if control is not None and degree % 2 == 0:
        raise invalid("phases", degree, "must be of odd degree to be controlled")
    adjoint = bool(inverse_side and degree % 2)
    circuit.h(signal)
    projector_phase(circuit, float(phi[-1]), ancillas, signal, control)
    for k in range(degree):
        last = control if k == degree - 1 else None
        encoding.append(circuit, system, ancillas, adjoint=adjoint, dense=dense, control=last)
        adjoint = not adjoint
        projector_phase(circuit, float(phi[degree - 1 - k]), ancillas, signal, control)
    if degree % 2 == 0:
        circuit.rz(np.pi, signal)
    circuit.h(signal)


def projector_phase(
    circuit: QuantumCircuit, phi: float, ancillas: Sequence[int], signal: int, control: int | None = None
) -> None:
    """Append ``exp(i phi Z_signal (2 |0><0|_ancillas - 1))``, under ``control`` if given."""
    if len(ancillas) == 1 and control is None:
        circuit.rzz(-2.0 * phi, ancillas[0], signal)
        return
    for q in ancillas:
        circuit.x(q)
    circuit.mcx(list(ancillas), signal)
    if control is None:
        circuit.rz(2.0 * phi, signal)
    else:
        circuit.crz(2.0 * phi, control, signal)
    circuit.mcx(list(ancillas), signal)
    for q in ancillas:
        circuit.x(q)


def reflect_zero(circuit: QuantumCircuit, qubits: Sequence[int], control: int | None = None) -> None:
    """Append ``2 |0><0| - 1`` on ``qubits`` (under ``control``), sign included."""
    if control is None:
        circuit.global_phase += np.pi
    else:
        circuit.z(control)
    flip_zero(circuit, qubits, [] if control is None else [control])


def flip_zero(circuit: QuantumCircuit, qubits: Sequence[int], controls: Sequence[int] = ()) -> None:
    """Append ``1 - 2 |0><0|`` on ``qubits`` where all ``controls`` are 1."""
    for q in qubits:
        circuit.x(q)
    others = [*qubits[:-1], *controls]
    if others:
        circuit.h(qubits[-1])
        circuit.mcx(others, qubits[-1])
        circuit.h(qubits[-1])
    else:
        circuit.z(qubits[-1])
    for q in qubits:
        circuit.x(q)


def qsvt_circuit(
    encoding: BlockEncoding, phases: ArrayLike, *, inverse_side: bool = True, dense: bool = False
) -> QuantumCircuit:
    """Return the transformation as a circuit: system, ancillas, then the signal qubit.

    Args:
        encoding: Block encoding of the matrix.
        phases: The ``degree + 1`` phases in radians, as :func:`qalgs.qlsp.symmetric_phases` finds them.
        inverse_side: Apply the polynomial to the adjoint, as the inverse needs; Hermitian matrices do not care.
        dense: Define each call by its matrix, which exact simulators apply at once.

    Example:
        >>> from qalgs.circuits import Dilation
        >>> qsvt_circuit(Dilation([[0.5, 0.25], [0.25, 0.5]]), [0.1, 0.2, 0.1]).num_qubits
        3
    """
    expect(BlockEncoding, encoding=encoding)
    phases = np.atleast_1d(as_array("phases", phases))
    n = encoding.num_qubits
    circuit = QuantumCircuit(n + 1)
    append_qsvt(
        circuit,
        encoding,
        phases,
        range(encoding.num_system),
        range(encoding.num_system, n),
        n,
        inverse_side=inverse_side,
        dense=dense,
    )
    return circuit
