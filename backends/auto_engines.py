"""Other libraries behind the compiled estimator: Aer as the reference engine, lightning where it is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter, ParameterExpression
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends.compiler_angles import Slots, run_tape
from qalgs.backends.compiler_cache import CircuitCache

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

# gates that Aer runs and whose only angles obey the two-term shift rule
_SHIFTABLE = ["rx", "ry", "rz", "cx", "h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg", "cz"]


def plain_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit in one-qubit Cliffords, T, axis rotations, cx and cz, which every library runs."""
    return transpile(circuit, basis_gates=_SHIFTABLE, optimization_level=0)


class ShiftCircuit:
    """A circuit whose every rotation has an angle of its own, and those angles as functions of the parameters."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        flat = plain_gates(circuit)
        self.slots = Slots(tuple(circuit.parameters))
        self.where: list[int] = []
        self.circuit = QuantumCircuit(circuit.num_qubits)
        places = {bit: k for k, bit in enumerate(flat.qubits)}
        for index, item in enumerate(flat.data):
            operation = item.operation
            angle = operation.params[0] if operation.params else None
            if isinstance(angle, ParameterExpression) and angle.parameters:
                self.where.append(self.slots.add(angle, f"instruction {index} ({item.name})"))
                operation = type(operation)(Parameter(f"a{len(self.where):06d}"))
            self.circuit.append(operation, [places[q] for q in item.qubits])
        self.phase = self.slots.add(flat.global_phase, "global phase")

    def angles(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the angles (B, A) and their derivatives (B, A, P) at parameter values (B, P)."""
        every, jacobian = self.every(values)
        return every[:, self.where], jacobian[:, self.where]

    def every(self, values: Floats) -> tuple[Floats, Floats]:
        """Return all slots (B, K), the global phase among them, and their derivatives (B, K, P)."""
        rows, width = values.shape
        base, slot, column, slope = self.slots.arrays()
        every = np.tile(base, (rows, 1))
        jacobian = np.zeros((rows, len(base), width))
        for s, c, m in zip(slot.tolist(), column.tolist(), slope.tolist(), strict=True):
            every[:, s] += m * values[:, c]
            jacobian[:, s, c] += m
        for s, tape in self.slots.tapes:
            value, partial = run_tape(tape, values)
            every[:, s] = value
            for c, d in partial.items():
                jacobian[:, s, c] = d
        return every, jacobian


_SHIFTS: CircuitCache[ShiftCircuit] = CircuitCache(ShiftCircuit)


@cache
def simulator() -> AerSimulator:
    """Return the exact simulator, one for all."""
    from qiskit_aer import AerSimulator

    return AerSimulator(method="statevector", max_parallel_threads=1)


def _flat(circuit: QuantumCircuit) -> QuantumCircuit:
    return transpile(circuit, simulator(), optimization_level=0)


_FLAT: CircuitCache[QuantumCircuit] = CircuitCache(_flat)


def aer_states(circuit: QuantumCircuit, values: Floats) -> Complexes:
    """Return Aer's final states, shape (B, 2**n)."""
    saved = _FLAT.get(circuit).copy()
    saved.save_statevector()
    bound = [saved.assign_parameters(dict(zip(circuit.parameters, row, strict=True))) for row in values]
    result = simulator().run(bound).result()
    return np.array([np.asarray(result.get_statevector(k)) for k in range(len(bound))])


def aer_energies(
    circuit: QuantumCircuit, operator: SparsePauliOp, values: Floats, keep: Floats | None = None
) -> Floats:
    """Return expectation values from Aer's estimator; with a projection ``keep``, from Aer's states."""
    return aer_table(circuit, [operator], values, [[0]] * len(values), keep)[:, 0]


def aer_table(
    circuit: QuantumCircuit,
    operators: Sequence[SparsePauliOp],
    values: Floats,
    wanted: Sequence[Sequence[int]],
    keep: Floats | None = None,
) -> Floats:
    """Return the expectation values of several operators, each point run once for all that it is wanted for.

    Args:
        circuit: The circuit.
        operators: K operators.
        values: Parameter values (B, P).
        wanted: For each of the B points, the indices of the operators asked for.
        keep: Projection on basis states; with one, values come from Aer's states.

    Returns:
        Values (B, K), NaN where none is wanted.
    """
    found = np.full((len(values), len(operators)), np.nan)
    if keep is not None:
        states = aer_states(circuit, values) * keep
        states /= np.linalg.norm(states, axis=1)[:, None]
        matrices = [operator.to_matrix(sparse=True) for operator in operators]
        for row, (state, mine) in enumerate(zip(states, wanted, strict=True)):
            found[row, mine] = [np.vdot(state, matrices[k] @ state).real for k in mine]
        return found
    from qiskit_aer.primitives import EstimatorV2

    estimator = EstimatorV2(
        options={"backend_options": {"method": "statevector", "max_parallel_threads": 1}, "default_precision": 0.0}
    )
    flat = _FLAT.get(circuit)
    # bound here: Aer 0.18 binds the angles of controlled rotations (cp, crx, cu3, ...) to wrong values
    bound = [flat.assign_parameters(dict(zip(circuit.parameters, row, strict=True))) for row in values]
    pubs = [(one, [operators[k] for k in mine]) for one, mine in zip(bound, wanted, strict=True)]
    for row, result in enumerate(estimator.run(pubs).result()):
        found[row, wanted[row]] = result.data.evs
    return found


def aer_gradients(
    circuit: QuantumCircuit, operator: SparsePauliOp, values: Floats, keep: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return energies (B,) and gradients (B, P) from Aer, by the shift rule of every rotation and the chain rule.

    With U = exp(-i a G / 2) and G**2 = 1 for each angle a, dE/da = (E(a + pi/2) - E(a - pi/2)) / 2 (Mitarai et
    al., PRA 98, 032309, 2018). A projected energy is a quotient of two such expectation values.
    """
    if keep is None:
        return shift_gradients(lambda shifted, points: aer_energies(shifted, operator, points), circuit, values)
    shift = _SHIFTS.get(circuit)
    angles, jacobian = shift.angles(values)
    rows, flat = len(angles), shifted_points(angles)
    states = aer_states(shift.circuit, flat) * keep
    matrix = operator.to_matrix(sparse=True)
    top = np.array([np.vdot(s, matrix @ s).real for s in states]).reshape(rows, -1)
    bottom = (np.abs(states) ** 2).sum(axis=1).reshape(rows, -1)
    value = top[:, 0] / bottom[:, 0]
    d_top, d_bottom = ((x[:, 1::2] - x[:, 2::2]) / 2 for x in (top, bottom))
    slopes = (d_top - value[:, None] * d_bottom) / bottom[:, :1]
    return value, np.einsum("ba,bap->bp", slopes, jacobian)


def shift_gradients(
    energies: Callable[[QuantumCircuit, Floats], Floats], circuit: QuantumCircuit, values: Floats
) -> tuple[Floats, Floats]:
    """Return energies (B,) and gradients (B, P) from energies alone, by the shift rule of every rotation.

    Args:
        energies: Returns <H> (M,) of a circuit at its parameter values (M, A).
        circuit: The circuit.
        values: Parameter values (B, P).
    """
    shift = _SHIFTS.get(circuit)
    angles, jacobian = shift.angles(values)
    found = energies(shift.circuit, shifted_points(angles)).reshape(len(angles), -1)
    slopes = (found[:, 1::2] - found[:, 2::2]) / 2
    return found[:, 0], np.einsum("ba,bap->bp", slopes, jacobian)


def shifted_points(angles: Floats) -> Floats:
    """Return angles (B, A) and every one of them moved by +-pi/2, as rows (B * (2 A + 1), A)."""
    width = angles.shape[1]
    points = np.repeat(angles[:, None, :], 2 * width + 1, axis=1)
    for k in range(width):
        points[:, 1 + 2 * k, k] += np.pi / 2
        points[:, 2 + 2 * k, k] -= np.pi / 2
    return points.reshape(-1, width)


def lightning_gradients(circuit: QuantumCircuit, operator: SparsePauliOp, values: Floats) -> tuple[Floats, Floats]:
    """Return energies (B,) and adjoint gradients (B, P) from PennyLane's lightning.qubit."""
    from qalgs.backends.pennylane_estimator import PennyLaneEstimator

    return PennyLaneEstimator("lightning.qubit", diff_method="adjoint").gradient(circuit, operator, values)


def lightning_energies(circuit: QuantumCircuit, operator: SparsePauliOp, values: Floats) -> Floats:
    """Return expectation values (B,) from PennyLane's lightning.qubit."""
    from qalgs.backends.pennylane_estimator import PennyLaneEstimator

    evs = PennyLaneEstimator("lightning.qubit").run([(circuit, operator, values)]).result()[0].data.evs
    return np.asarray(evs, dtype=np.float64)
