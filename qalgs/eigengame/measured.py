"""Players on circuits: energies, cross terms and overlaps through V2 primitives, gradients by shift rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import exact_program
from qalgs.circuits.cross_terms import cross_term_circuit, cross_term_observable, overlap_circuit
from qalgs.eigengame.arena import Evaluation, Objective
from qalgs.eigengame.deflation import weights
from qalgs.eigengame.events import Snapshot
from qalgs.eigengame.gradients import ShiftPlan
from qalgs.eigengame.measuring import Meter, qubit_wise
from qalgs.eigengame.post import Ritz, ritz
from qalgs.eigengame.problem import Problem, canonical
from qalgs.errors import InvalidInputError, invalid
from qalgs.results import Status
from qalgs.seeds import keyed

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
_NOTHING = np.empty(0, dtype=complex)
READOUT_SHARE = 0.1
MIN_ATTENUATION = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """Final measurements of all states."""

    energies: Real
    errors: Real
    variances: Real
    overlaps: Complex
    ritz: Ritz
    attenuations: Real


class MeasuredPlayers:
    """Energies, costs and gradients of the players from injected primitives.

    Args:
        problem: The prepared problem.
        estimator: A V2 estimator, a PennyLane device, or None.
        sampler: A V2 sampler, or None.
        shots: Shots per circuit; None leaves it to the primitive.
        rng: Randomness of the compiled estimator that is used if no primitive is given.
        calibrate: Divide cross terms by their attenuation on the parent itself.
        cross_form: Form of the cross-term circuits.
        with_gradient: Whether objectives also return gradients.
    """

    has_shots = True
    ancillas = 1

    def __init__(
        self,
        problem: Problem,
        *,
        estimator: Any = None,
        sampler: Any = None,
        shots: int | None = None,
        rng: np.random.Generator,
        calibrate: bool = True,
        cross_form: str = "multiplexed",
        with_gradient: bool = True,
    ) -> None:
        precise = True
        if type(estimator).__module__.partition(".")[0].startswith("pennylane"):
            from qalgs.backends import PennyLaneEstimator

            estimator = PennyLaneEstimator(estimator, default_shots=shots)
            precise = False
        if estimator is None and sampler is None:
            from qalgs.backends import CompiledEstimator

            estimator = CompiledEstimator(default_shots=shots or 1024, seed=rng)
            precise = False
        self.problem = problem
        self.plan = ShiftPlan.of(problem.ansatz)
        self.meter = Meter(estimator, sampler, shots, precise=precise)
        self.calibrate, self.with_gradient = calibrate, with_gradient
        parts = ("real",) if _is_real(self.plan) else ("real", "imag")
        self._cross = [cross_term_circuit(self.plan.circuit, form=cross_form, part=p) for p in parts]
        self._overlap = overlap_circuit(self.plan.circuit)
        needed = problem.num_qubits + self.ancillas
        if 0 < self.meter.width < needed:
            remedy = "add an ancilla" if self.ancillas else "add a qubit"
            raise invalid("layout", self.meter.width, f"must have {needed} qubits", remedy)
        self._observable = problem.effective
        self._identity = SparsePauliOp("I" * problem.num_qubits)
        self._attenuations: dict[tuple[bytes, float], float] = {}
        self._grams: dict[tuple[bytes, bytes, float], complex] = {}
        self.gradients = 0
        self.evaluations = 0

    @property
    def num_parameters(self) -> int:
        """Parameters of the ansatz."""
        return int(self.problem.ansatz.num_parameters)

    @property
    def circuits(self) -> int:
        """Circuits submitted so far."""
        return self.meter.circuits

    @property
    def shots(self) -> int:
        """Shots used so far."""
        return self.meter.shots

    def energies(self, parameters: Real) -> Real:
        """Return measured <H> (with the sector's constraint) of each row."""
        points = self.plan.angles(np.atleast_2d(parameters))
        self.evaluations += len(points)
        return self.meter.expectations(self.plan.circuit, self._observable, points)[0]

    def snapshot(self, parameters: Real, status: Status = Status.CONVERGED) -> Snapshot:
        """Publish a player's state with a freshly measured energy."""
        return Snapshot(
            parameters=np.array(parameters, dtype=float),
            energy=float(self.energies(parameters)[0]),
            vector=_NOTHING,
            image=_NOTHING,
            status=status,
        )

    def overlaps(self, parameters: Real, parents: Sequence[Snapshot]) -> Real:
        """Return measured |<j|psi>|^2, divided by its attenuation on the parent itself under calibration."""
        left = self.plan.angles(parameters)
        found = []
        for parent in parents:
            right = self.plan.angles(parent.parameters)
            rows = [left, right] if self.calibrate else [left]
            p = self.meter.zero_probability(self._overlap, self._bind(self._overlap, np.array(rows), right))[0]
            found.append(p[0] / max(p[1], MIN_ATTENUATION) if self.calibrate else p[0])
        return np.array(found)

    def objective(self, method: str, penalty: float, parents: Sequence[Snapshot], block: bool) -> Objective:
        """Return x -> (cost, gradient, energy) against parents, from measurements."""
        energies = np.array([p.energy for p in parents])
        gram = self._gram(parents, penalty) if block and parents else None
        weight = weights(method, penalty, energies, gram)
        factors = np.array([self.attenuation(p, penalty) for p in parents]) if method == "eigengame" else None
        plan = self.plan

        def evaluate(x: Real) -> Evaluation:
            angles = plan.angles(x)
            points = np.concatenate([angles[None, :], plan.points(angles, plan.energy_rule)])
            points = points if self.with_gradient else points[:1]
            values = self.meter.expectations(plan.circuit, self._observable, points)[0]
            self.evaluations += 1
            self.gradients += self.with_gradient
            cost, energy = float(values[0]), float(values[0])
            slope = plan.pull(values[1:], plan.energy_rule).real if self.with_gradient else np.empty(0)
            if not parents:
                return cost, slope, energy
            if factors is not None:
                return self._eigengame(angles, penalty, parents, weight, factors, cost, slope, energy)
            rule = plan.energy_rule
            for parent, w in zip(parents, weight.diagonal().real, strict=True):
                right = plan.angles(parent.parameters)
                bound = self._bind(self._overlap, points, right)
                p = self.meter.zero_probability(self._overlap, bound)[0]
                cost += w * p[0]
                if self.with_gradient:
                    slope = slope + w * plan.pull(p[1:], rule).real
            return cost, slope, energy

        return evaluate

    def _eigengame(
        self,
        angles: Real,
        penalty: float,
        parents: Sequence[Snapshot],
        weight: Complex,
        factors: Real,
        cost: float,
        slope: Real,
        energy: float,
    ) -> Evaluation:
        r"""Add :math:`b^\dagger Wb` with measured, calibrated amplitudes and their pi-shift derivatives."""
        plan = self.plan
        lefts = angles[None, :]
        if self.with_gradient:
            lefts = np.concatenate([lefts, plan.points(angles, plan.amplitude_rule)])
        rows = np.array([self.amplitudes(lefts, p.parameters, penalty) for p in parents]) / factors[:, None]
        b = rows[:, 0]
        wb = weight @ b
        cost += float((b.conj() @ wb).real)
        if self.with_gradient:
            slope = slope + 2.0 * (wb.conj() @ plan.pull(rows[:, 1:], plan.amplitude_rule)).real
        return cost, slope, energy

    def amplitudes(self, lefts: Real, right: Real, penalty: float) -> Complex:
        """Return measured <j|c - H|psi> for rows of the player's angles and one parent's parameters."""
        operator = canonical(penalty * self._identity - self._observable)
        observable = cross_term_observable(operator)
        parent = self.plan.angles(right)
        total = np.zeros(len(lefts), dtype=complex)
        # The circuits give <psi|M|j>; its conjugate is <j|M|psi>.
        for circuit, factor in zip(self._cross, (1.0, -1j), strict=False):
            total += factor * self.meter.expectations(circuit, observable, self._bind(circuit, lefts, parent))[0]
        return total

    def attenuation(self, parent: Snapshot, penalty: float) -> float:
        """Return measured <j|M|j> from the cross-term circuit over c - E_j: 1 without noise or calibration."""
        if not self.calibrate or self._ideal():
            return 1.0
        key = (parent.parameters.tobytes(), penalty)
        if key not in self._attenuations:
            angles = self.plan.angles(parent.parameters)
            repeats = 8 if self.meter.shots_per_circuit is not None else 1
            measured = self.amplitudes(np.repeat(angles[None, :], repeats, axis=0), parent.parameters, penalty)
            value = float(measured.real.mean()) / (penalty - parent.energy)
            if value < MIN_ATTENUATION:
                raise InvalidInputError(
                    f"the cross-term circuit keeps only {value:.3g} of its signal on this backend; use "
                    "method='hotelling', cross_form='multiplexed' or a shallower ansatz"
                )
            self._attenuations[key] = min(value, 1.0) if self.meter.shots_per_circuit is None else value
        return self._attenuations[key]

    def _ideal(self) -> bool:
        """Whether the primitives are the package's own noiseless ones, which need no calibration."""
        used = self.meter.estimator if self.meter.estimator is not None else self.meter.sampler
        return type(used).__name__ in {
            "CompiledSampler",
            "CompiledEstimator",
            "StatevectorEstimator",
            "StatevectorSampler",
        }

    def _gram(self, parents: Sequence[Snapshot], penalty: float) -> Complex:
        """Measure G_jl = <j|c - H|l>."""
        m = len(parents)
        gram = np.zeros((m, m), dtype=complex)
        for j, parent in enumerate(parents):
            gram[j, j] = penalty - parent.energy
            for l in range(j):
                key = (parent.parameters.tobytes(), parents[l].parameters.tobytes(), penalty)
                if key not in self._grams:
                    left = self.plan.angles(parent.parameters)[None, :]
                    self._grams[key] = complex(self.amplitudes(left, parents[l].parameters, penalty)[0])
                value = self._grams[key] / self.attenuation(parent, penalty)
                gram[l, j], gram[j, l] = value, value.conjugate()
        return gram

    def _bind(self, circuit: Any, lefts: Real, right: Real) -> Real:
        """Return values in ``circuit.parameters`` order for rows of left angles and one right vector."""
        m = len(right)
        stacked = np.concatenate([lefts, np.broadcast_to(right, (len(lefts), m))], axis=1)
        places = [p.index + (m if p.name.startswith("right") else 0) for p in circuit.parameters]
        return stacked[:, places]

    def readout(self, found: list[Snapshot], rng: np.random.Generator) -> Readout:
        """Measure final energies, variances, overlaps and the Ritz matrices, with a tenth of the circuits."""
        k, h = len(found), self.problem.hamiltonian
        square = canonical((h @ h).simplify())
        sampled = self.meter.shots_per_circuit is not None or self.meter.estimator is None
        spent = READOUT_SHARE * self.circuits if sampled else 0.0
        # Energies are what users read: they get four fifths of the final measurements.
        often = int(np.clip(0.8 * spent / (k * len(qubit_wise(h))), 1, 1000))
        repeats = int(np.clip(0.1 * spent / (len(self._cross) * k * (k + 1) * len(qubit_wise(h)) / 2), 1, 200))
        angles = self.plan.angles(np.array([s.parameters for s in found]))
        energies, errors = self._averages(h, np.repeat(angles, often, axis=0), k)
        squares, _ = self._averages(square, np.repeat(angles, max(1, often // 8), axis=0), k)
        s_matrix, s_errors = self._matrix(cross_term_observable(self._identity), found, repeats)
        h_matrix, h_errors = self._matrix(cross_term_observable(h), found, repeats)
        # Both matrices lose the same factor per pair to first order; the diagonal of S shows it.
        scale = np.sqrt(np.maximum(s_matrix.diagonal().real, MIN_ATTENUATION)) if self.calibrate else np.ones(k)
        scale = np.outer(scale, scale)
        s_matrix, h_matrix = s_matrix / scale, h_matrix / scale
        np.fill_diagonal(h_matrix, energies)
        np.fill_diagonal(s_matrix, 1.0)
        np.fill_diagonal(h_errors, errors)
        np.fill_diagonal(s_errors, 0.0)
        c = max(s.energy for s in found) + 1.0
        return Readout(
            energies=energies,
            errors=errors,
            variances=np.maximum(squares - energies**2, 0.0),
            overlaps=s_matrix,
            ritz=ritz(h_matrix, s_matrix, h_errors=h_errors, s_errors=s_errors, rng=rng),
            attenuations=np.array([self.attenuation(s, c) for s in found]),
        )

    def _averages(self, operator: SparsePauliOp, points: Real, k: int) -> tuple[Real, Real]:
        means, errors = self.meter.expectations(self.plan.circuit, operator, points)
        return _pool(means.reshape(k, -1), errors.reshape(k, -1))

    def _matrix(self, observable: SparsePauliOp, found: list[Snapshot], repeats: int) -> tuple[Complex, Real]:
        """Measure <i|O|j> for all pairs i <= j."""
        k = len(found)
        angles = self.plan.angles(np.array([s.parameters for s in found]))
        matrix, errors = np.zeros((k, k), dtype=complex), np.zeros((k, k))
        for j in range(k):
            lefts = np.repeat(angles[: j + 1], repeats, axis=0)
            for circuit, factor in zip(self._cross, (1.0, 1j), strict=False):
                means, stds = self.meter.expectations(circuit, observable, self._bind(circuit, lefts, angles[j]))
                value, error = _pool(means.reshape(j + 1, -1), stds.reshape(j + 1, -1))
                matrix[: j + 1, j] += factor * value
                errors[: j + 1, j] = np.hypot(errors[: j + 1, j], error)
            matrix[j, :j] = matrix[:j, j].conj()
            errors[j, :j] = errors[:j, j]
        return matrix, errors


def _pool(means: Real, errors: Real) -> tuple[Real, Real]:
    """Average repeated measurements (rows); the error of the mean from the primitive, or else from the scatter."""
    r = means.shape[1]
    if r > 1:
        scatter = means.std(axis=1, ddof=1) / np.sqrt(r)
        return means.mean(axis=1), np.maximum(scatter, np.sqrt((errors**2).mean(axis=1) / r))
    return means[:, 0], errors[:, 0]


def _is_real(plan: ShiftPlan) -> bool:
    """Whether all states of the ansatz are real up to a phase, so that cross terms have no imaginary part."""
    if plan.circuit.num_qubits > 16:
        return False
    program = exact_program(plan.circuit)
    angles = keyed(0, "real").uniform(-np.pi, np.pi, (3, program.num_parameters))
    states = np.asarray(program.states(angles))
    # States that are real in a common phase: psi^T psi has modulus 1, and the phases agree between states.
    squares = np.einsum("bi,bi->b", states, states)
    phases = np.einsum("i,bi->b", states[0].conj(), states)
    return bool(np.abs(np.abs(squares) - 1).max() < 1e-10 and np.abs(phases.imag).max() < 1e-10)
