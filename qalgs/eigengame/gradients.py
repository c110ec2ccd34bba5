r"""Parameter-shift rules for energies and for amplitudes.

An expectation value in one rotation :math:`e^{-i\phi P/2}` obeys :math:`f'=[f(\phi+\pi/2)-f(\phi-\pi/2)]/2`. An
amplitude :math:`\langle\psi(\phi)|M|j\rangle` is linear in the state, so one shifted circuit suffices:
:math:`a'=\tfrac12a(\phi+\pi)`. A Givens gate has the frequencies 0 and 1/2 in amplitudes, hence
:math:`a'=[a(\theta+\pi)-a(\theta-\pi)]/4`, and 1/2 and 1 in energies, hence the four-term rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.rotations import rotation_form

Real = NDArray[np.float64]
Rule = tuple[tuple[float, float], ...]

PAULI_ENERGY: Rule = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))
PAULI_AMPLITUDE: Rule = ((math.pi, 0.5),)
_C1, _C2 = (math.sqrt(2) + 1) / (4 * math.sqrt(2)), (math.sqrt(2) - 1) / (4 * math.sqrt(2))
GIVENS_ENERGY: Rule = (
    (math.pi / 2, _C1),
    (-math.pi / 2, -_C1),
    (3 * math.pi / 2, -_C2),
    (-3 * math.pi / 2, _C2),
)
GIVENS_AMPLITUDE: Rule = ((math.pi, 0.25), (-math.pi, -0.25))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShiftPlan:
    """How a circuit is differentiated by running it at shifted angles.

    Attributes:
        circuit: The circuit in its M angles.
        matrix: A of angles = A parameters + offset, (M, P).
        offset: (M,)
        energy_rule: (shift, coefficient) pairs for expectation values.
        amplitude_rule: The same for amplitudes that are linear in the state.
    """

    circuit: QuantumCircuit
    matrix: Real
    offset: Real
    energy_rule: Rule
    amplitude_rule: Rule

    @classmethod
    def of(cls, ansatz: QuantumCircuit) -> ShiftPlan:
        """Choose the rule: Givens gates are recognised by the circuit's metadata, all else becomes rotations."""
        if (ansatz.metadata or {}).get("shift_rule") == "givens":
            p = ansatz.num_parameters
            return cls(
                circuit=ansatz,
                matrix=np.eye(p),
                offset=np.zeros(p),
                energy_rule=GIVENS_ENERGY,
                amplitude_rule=GIVENS_AMPLITUDE,
            )
        form = rotation_form(ansatz)
        return cls(
            circuit=form.circuit,
            matrix=form.matrix,
            offset=form.offset,
            energy_rule=PAULI_ENERGY,
            amplitude_rule=PAULI_AMPLITUDE,
        )

    def angles(self, parameters: Real) -> Real:
        """Return the angles of parameters (..., P)."""
        return np.asarray(parameters @ self.matrix.T + self.offset)

    def points(self, angles: Real, rule: Rule) -> Real:
        """Return the shifted angles, (len(rule) * M, M), shifts outermost."""
        unit = np.eye(len(angles))
        return np.concatenate([angles + shift * unit for shift, _ in rule])

    def pull(self, values: NDArray[np.complex128] | Real, rule: Rule) -> NDArray[np.complex128]:
        """Combine the values (..., len(rule) * M) at :meth:`points` into the derivative by the P parameters."""
        m = len(self.offset)
        by_shift = np.asarray(values).reshape(*np.shape(values)[:-1], len(rule), m)
        slopes = np.tensordot(by_shift, np.array([c for _, c in rule]), axes=([-2], [0]))
        return np.asarray(slopes @ self.matrix, dtype=np.complex128)
