"""A correction added inside the circuit: ``x0 + p(A) r`` by one linear combination of unitaries."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit

from qalgs.circuits.oracles import B_LABEL, controlled_last, oracle_gate
from qalgs.circuits.qsvt import append_qsvt
from qalgs.circuits.state_preparation import prepare_state

from ..execution import Executor, Program
from ..solvers.problem import InnerRun, Problem, Vector
from ..solvers.qsvt import QSVTInversion

#: Label of the preparation of the start.
START_LABEL = "U_x0"


def correct_in_circuit(
    inner: QSVTInversion, problem: Problem, y0: Vector, size: float, epsilon: float, executor: Executor
) -> InnerRun:
    """Prepare ``y0 + D`` as one state, ``D = size alpha^{-1} p(block) r`` for the unit residual ``r``.

    One qubit chooses between the start and the transformed residual; its amplitudes are the norms of the two
    branches, so that the success amplitude is ``|y0 + D| / (|y0| + size scale / alpha)``,
    close to 1 for a good start.

    Args:
        inner: Degree, gap and peak of the polynomial.
        problem: ``A D = r`` with unit ``r``.
        y0: Start, not zero.
        size: Norm of the residual.
        epsilon: Error of the polynomial, if ``inner`` fixes no degree.
        executor: Where to run.

    Returns:
        The run; its vector is ``y0 + D`` itself.
    """
    phases, scale, degree = inner.transformation(problem, epsilon)
    encoding, n = problem.encoding, problem.encoding.num_system
    signal, choice = encoding.num_qubits, encoding.num_qubits + 1
    weights = np.array([np.linalg.norm(y0), size * scale / encoding.alpha])
    total = float(weights.sum())
    angle = 2.0 * float(np.arctan2(np.sqrt(weights[1]), np.sqrt(weights[0])))
    circuit = QuantumCircuit(choice + 1, name="corrected")
    circuit.ry(angle, choice)
    for vector, label, flip in ((y0, START_LABEL, True), (problem.rhs, B_LABEL, False)):
        if flip:
            circuit.x(choice)
        controlled = controlled_last(prepare_state(vector))
        circuit.append(oracle_gate(controlled, label, controlled=True), [*range(n), choice])
        if flip:
            circuit.x(choice)
    flags = range(n, encoding.num_qubits)
    append_qsvt(circuit, encoding, phases, range(n), flags, signal, dense=executor.exact, control=choice)
    circuit.ry(-angle, choice)
    program = Program(circuit, n, None, total, degree, problem.real)
    return InnerRun.of(program, executor.read(program, problem.rhs))
