r"""SSVQE on primitives: k circuits on orthogonal basis states, with matrix elements between them.

The states are :math:`U|b_i\rangle`, orthogonal for any angles, so only the Hamiltonian's matrix elements have to
be measured. Off the diagonal they follow from the energies of superposed inputs (Nakanishi, Mitarai, Fujii 2019):

.. math:: \mathrm{Re}\langle i|H|j\rangle=E_{(i+j)/\sqrt2}-\tfrac12(E_i+E_j),\qquad
    \mathrm{Im}\langle i|H|j\rangle=\tfrac12(E_i+E_j)-E_{(i+\mathrm ij)/\sqrt2}.

No ancilla and no inverse circuit is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.exact import Evaluation, Objective, prepared
from qalgs.eigengame.measured import READOUT_SHARE, MeasuredPlayers, Readout, _pool
from qalgs.eigengame.measuring import qubit_wise
from qalgs.eigengame.post import ritz
from qalgs.eigengame.problem import Problem, canonical
from qalgs.results import Status

Real = NDArray[np.float64]
_NOTHING = np.empty(0, dtype=complex)


class MeasuredWeightedPlayers(MeasuredPlayers):
    """All levels from one circuit on orthogonal basis states, measured with injected primitives.

    Args:
        problem: The prepared problem.
        preparations: Bits flipped before the ansatz, one mask per level.
        options: As for :class:`MeasuredPlayers`.
    """

    ancillas = 0

    def __init__(self, problem: Problem, preparations: Sequence[int], **options: Any) -> None:
        super().__init__(problem, **options)
        self.preparations = tuple(preparations)
        self._inputs = [prepared(self.plan.circuit, bits) for bits in preparations]

    def weighted(self, level_weights: Real) -> Objective:
        r"""Return x -> (:math:`\sum_jw_j\langle H\rangle_j`, gradient, same), by parameter shift."""
        plan = self.plan

        def evaluate(x: Real) -> Evaluation:
            angles = plan.angles(x)
            points = angles[None, :]
            if self.with_gradient:
                points = np.concatenate([points, plan.points(angles, plan.energy_rule)])
            total, slope = 0.0, np.zeros(self.num_parameters if self.with_gradient else 0)
            for circuit, weight in zip(self._inputs, level_weights, strict=True):
                values = self.meter.expectations(circuit, self.corrected(self._observable), points)[0]
                total += weight * float(values[0])
                if self.with_gradient:
                    slope += weight * plan.pull(values[1:], plan.energy_rule).real
            self.evaluations += len(self._inputs)
            self.gradients += self.with_gradient
            return total, slope, total

        return evaluate

    def snapshots(self, parameters: Real, status: Status) -> list[Snapshot]:
        """Publish the k states of one set of parameters, with freshly measured energies."""
        point = self.plan.angles(np.atleast_2d(parameters))
        return [
            Snapshot(
                parameters=np.array(parameters, dtype=float),
                energy=float(self.meter.expectations(circuit, self.corrected(self._observable), point)[0][0]),
                vector=_NOTHING,
                image=_NOTHING,
                status=status,
                preparation=bits,
            )
            for circuit, bits in zip(self._inputs, self.preparations, strict=True)
        ]

    def readout(self, found: list[Snapshot], rng: np.random.Generator) -> Readout:
        """Measure final energies, variances and <i|H|j> of all pairs, with a tenth of the circuits."""
        k, h = len(found), self.problem.hamiltonian
        sampled = self.meter.shots_per_circuit is not None or self.meter.estimator is None
        spent = READOUT_SHARE * self.circuits if sampled else 0.0
        groups = len(qubit_wise(h))
        often = int(np.clip(0.8 * spent / (k * groups), 1, 1000))
        repeats = int(np.clip(0.1 * spent / max(1, k * (k - 1) * groups), 1, 200))
        angles = self.plan.angles(found[0].parameters)
        circuits = [prepared(self.plan.circuit, s.preparation) for s in found]
        square = canonical((h @ h).simplify())
        levels = np.array([self._mean(c, h, angles, often) for c in circuits])
        squares = np.array([self._mean(c, square, angles, max(1, often // 8))[0] for c in circuits])
        energies, errors = levels[:, 0], levels[:, 1]
        matrix, spread = np.diag(energies).astype(complex), np.diag(errors)
        for j in range(k):
            for i in range(j):
                middle = (energies[i] + energies[j]) / 2
                pair = found[i].preparation, found[j].preparation
                real, e_real = self._mean(superposed(self.plan.circuit, *pair), h, angles, repeats)
                imag, e_imag = self._mean(superposed(self.plan.circuit, *pair, turned=True), h, angles, repeats)
                matrix[i, j] = complex(real - middle, middle - imag)
                matrix[j, i] = matrix[i, j].conjugate()
                spread[i, j] = spread[j, i] = np.sqrt(
                    e_real**2 + e_imag**2 + (errors[i] ** 2 + errors[j] ** 2) / 2
                )
        overlaps = np.eye(k, dtype=complex)
        return Readout(
            energies=energies,
            errors=errors,
            variances=np.maximum(squares - energies**2, 0.0),
            overlaps=overlaps,
            ritz=ritz(matrix, overlaps, h_errors=spread, s_errors=np.zeros((k, k)), rng=rng),
            attenuations=np.ones(k),
        )

    def _mean(
        self, circuit: QuantumCircuit, operator: SparsePauliOp, angles: Real, repeats: int
    ) -> tuple[float, float]:
        wanted = self.corrected(operator)
        means, errors = self.meter.expectations(circuit, wanted, np.repeat(angles[None, :], repeats, axis=0))
        value, error = _pool(means[None, :], errors[None, :])
        left = 0.0 if self.calibration is None else self.calibration.uncertainty(operator)
        return float(value[0]), math.hypot(float(error[0]), left)


def superposed(ansatz: QuantumCircuit, first: int, second: int, *, turned: bool = False) -> QuantumCircuit:
    r"""Return the ansatz on :math:`(|b_1\rangle+|b_2\rangle)/\sqrt2`, or with a factor i before the second.

    >>> superposed(QuantumCircuit(2), 0b00, 0b11).count_ops()["cx"]
    1
    """
    circuit = QuantumCircuit(ansatz.num_qubits, name=ansatz.name)
    apart = [q for q in range(ansatz.num_qubits) if (first ^ second) >> q & 1]
    circuit.h(apart[0])
    if turned:
        circuit.s(apart[0])
    for q in apart[1:]:
        circuit.cx(apart[0], q)
    for q in range(ansatz.num_qubits):
        if first >> q & 1:
            circuit.x(q)
    return circuit.compose(ansatz)
