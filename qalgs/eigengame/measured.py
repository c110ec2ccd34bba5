"""Players on circuits: energies, cross terms and overlaps through V2 primitives, gradients by shift rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import exact_program
from qalgs.circuits.cross_terms import MAX_PROJECTOR, overlap_circuit, zero_projector
from qalgs.eigengame.arena import Evaluation, Objective
from qalgs.eigengame.calibration import REPEATS, WIDEST, CrossTerms, PauliCalibration, bind, ideal, near, quarters
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
Number = TypeVar("Number", NDArray[np.float64], NDArray[np.complex128])
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
        calibrate: Learn what the device makes of each Pauli and undo it, and divide cross terms by what remains of
            their attenuation on the parent itself. Noiseless primitives of known name are left alone.
        cross_form: Form of the cross-term circuits; ``"auto"`` takes the one with the fewest gates under
            calibration, and the multiplexed form, whose collapse is known, without.
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
        cross_form: str = "auto",
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
        self._overlap = overlap_circuit(self.plan.circuit)
        needed = problem.num_qubits + self.ancillas
        if 0 < self.meter.width < needed:
            remedy = "add an ancilla" if self.ancillas else "add a qubit"
            raise invalid("layout", self.meter.width, f"must have {needed} qubits", remedy)
        if cross_form == "auto":
            cross_form = "pauli_frame" if calibrate else "multiplexed"
        self.calibrating = calibrate and not ideal(self.meter)
        self.cross = CrossTerms(
            self.plan.circuit,
            self.meter,
            form=cross_form,
            parts=parts,
            calibrate=self.calibrating and bool(self.ancillas),
        )
        self.calibration: PauliCalibration | None = None
        self._local: dict[bytes, PauliCalibration] = {}
        self._projection: PauliCalibration | None = None
        if self.calibrating and problem.num_qubits <= WIDEST:
            self.calibration = PauliCalibration(
                self.plan.circuit, self.meter, quarters(self.plan.circuit, "energy")
            )
            alone = estimator is None or sampler is None
            if alone and problem.num_qubits <= MAX_PROJECTOR:
                self._projection = PauliCalibration(self._overlap, self.meter, quarters(self._overlap, "overlap"))
        self._observable = problem.effective
        self._identity = SparsePauliOp("I" * problem.num_qubits)
        self._attenuations: dict[tuple[bytes, float, bool], float] = {}
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
        return self.means(points)

    def means(self, points: Real) -> Real:
        """Return measured <H> of rows of angles, corrected under calibration."""
        return self.meter.expectations(self.plan.circuit, self.corrected(self._observable), points)[0]

    def corrected(self, operator: SparsePauliOp) -> SparsePauliOp:
        """Return what to measure for an operator's mean: itself, or under calibration its corrected form."""
        return operator if self.calibration is None else self.calibration.corrected(operator)

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
        """Return measured |<j|psi>|^2, under calibration corrected and relative to that of the parent itself."""
        if not parents:
            return np.empty(0)
        rights = np.array([self.plan.angles(parent.parameters) for parent in parents])
        lefts = np.broadcast_to(self.plan.angles(parameters), rights.shape)
        if not self.calibrate:
            return self._probabilities(bind(self._overlap, lefts, rights))
        rows = np.concatenate([lefts, rights]), np.concatenate([rights, rights])
        mine, own = self._probabilities(bind(self._overlap, *rows)).reshape(2, -1)
        return mine / np.maximum(own, MIN_ATTENUATION)

    def _probabilities(self, bound: Real) -> Real:
        """Return measured probabilities of all zeros after the overlap circuit, corrected under calibration."""
        if self._projection is None:
            return self.meter.zero_probability(self._overlap, bound)[0]
        wanted = self._projection.corrected(zero_projector(self.problem.num_qubits))
        return self.meter.expectations(self._overlap, wanted, bound)[0]

    def objective(self, method: str, penalty: float, parents: Sequence[Snapshot], block: bool) -> Objective:
        """Return x -> (cost, gradient, energy) against parents, from measurements."""
        energies = np.array([p.energy for p in parents])
        gram = self._gram(parents, penalty) if block and parents else None
        weight = weights(method, penalty, energies, gram)
        factors = np.array([self.factor(p, penalty) for p in parents]) if method == "eigengame" else None
        plan = self.plan
        rights = np.array([plan.angles(p.parameters) for p in parents])

        def evaluate(x: Real) -> Evaluation:
            angles = plan.angles(x)
            points = np.concatenate([angles[None, :], plan.points(angles, plan.energy_rule)])
            points = points if self.with_gradient else points[:1]
            values = self.means(points)
            self.evaluations += 1
            self.gradients += self.with_gradient
            cost, energy = float(values[0]), float(values[0])
            slope = plan.pull(values[1:], plan.energy_rule).real if self.with_gradient else np.empty(0)
            if not parents:
                return cost, slope, energy
            if factors is not None:
                return self._eigengame(angles, penalty, rights, weight, factors, cost, slope, energy)
            # All parents in one submission.
            p = self._probabilities(bind(self._overlap, *_pairs(points, rights))).reshape(len(parents), -1)
            weighted = weight.diagonal().real @ p
            cost += float(weighted[0])
            if self.with_gradient:
                slope = slope + plan.pull(weighted[1:], plan.energy_rule).real
            return cost, slope, energy

        return evaluate

    def _eigengame(
        self,
        angles: Real,
        penalty: float,
        rights: Real,
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
        rows = self.amplitudes(*_pairs(lefts, rights), penalty).reshape(len(rights), -1) / factors[:, None]
        b = rows[:, 0]
        wb = weight @ b
        cost += float((b.conj() @ wb).real)
        if self.with_gradient:
            slope = slope + 2.0 * (wb.conj() @ plan.pull(rows[:, 1:], plan.amplitude_rule)).real
        return cost, slope, energy

    def amplitudes(self, lefts: Real, rights: Real, penalty: float, *, raw: bool = False) -> Complex:
        """Return measured <j|c - H|psi> for rows of the player's angles and the parents' (one, or one per row)."""
        operator = canonical(penalty * self._identity - self._observable)
        return self.cross.measure(operator, lefts, rights, raw=raw)[0].conj()

    def attenuation(self, parent: Snapshot, penalty: float) -> float:
        """Return measured <j|M|j> from the cross-term circuit, uncorrected, over c - E_j: 1 without noise."""
        return 1.0 if ideal(self.meter) else self._kept(parent, penalty, raw=True)

    def factor(self, parent: Snapshot, penalty: float) -> float:
        """Return the same of corrected cross terms, by which they are divided; 1 without calibration."""
        return self._kept(parent, penalty, raw=False) if self.calibrating else 1.0

    def _kept(self, parent: Snapshot, penalty: float, *, raw: bool) -> float:
        key = (parent.parameters.tobytes(), penalty, raw)
        if key not in self._attenuations:
            angles = self.plan.angles(parent.parameters)
            rows = np.repeat(angles[None, :], REPEATS if self.meter.shots_per_circuit is not None else 1, axis=0)
            measured = self.amplitudes(rows, angles, penalty, raw=raw)
            value = float(measured.real.mean()) / (penalty - parent.energy)
            if value < MIN_ATTENUATION and self.calibrating:
                raise InvalidInputError(
                    f"the cross-term circuit keeps only {value:.3g} of its signal on this backend; use "
                    "method='hotelling', cross_form='pauli_frame' or a shallower ansatz"
                )
            self._attenuations[key] = value
        return self._attenuations[key]

    def lift(self, method: str, c: float, parents: Sequence[Snapshot]) -> float:
        r"""Return by how much the penalty on the parents must grow for the attenuated lift to be the ideal one.

        A cross term that keeps f of its value lifts its parent by :math:`f^2(c-E_j)`, so c - E_j grows by
        :math:`1/f^2`. The parent with the smallest f decides.
        """
        if not self.calibrating or method != "eigengame" or not parents:
            return 1.0
        return max(1.0, 1.0 / min(self.attenuation(p, c) for p in parents) ** 2)

    def _gram(self, parents: Sequence[Snapshot], penalty: float) -> Complex:
        """Measure G_jl = <j|c - H|l>."""
        gram = np.diag([complex(penalty - parent.energy) for parent in parents])
        names = [parent.parameters.tobytes() for parent in parents]
        pairs = [(j, l) for j in range(len(parents)) for l in range(j)]
        if new := [(j, l) for j, l in pairs if (names[j], names[l], penalty) not in self._grams]:
            angles = self.plan.angles(np.array([parent.parameters for parent in parents]))
            left, right = np.array(new).T
            values = self.amplitudes(angles[left], angles[right], penalty)
            for (j, l), value in zip(new, values.tolist(), strict=True):
                self._grams[names[j], names[l], penalty] = value
        for j, l in pairs:
            value = self._grams[names[j], names[l], penalty] / self.factor(parents[j], penalty)
            gram[l, j], gram[j, l] = value, value.conjugate()
        return gram

    def readout(self, found: list[Snapshot], rng: np.random.Generator) -> Readout:
        """Measure final energies, variances, overlaps and the Ritz matrices, with a tenth of the circuits."""
        k, h = len(found), self.problem.hamiltonian
        square = canonical((h @ h).simplify())
        sampled = self.meter.shots_per_circuit is not None or self.meter.estimator is None
        spent = READOUT_SHARE * self.circuits if sampled else 0.0
        # Energies are what users read: they get four fifths of the final measurements.
        often = int(np.clip(0.8 * spent / (k * len(qubit_wise(h))), 1, 1000))
        repeats = int(
            np.clip(0.1 * spent / (len(self.cross.circuits) * k * (k + 1) * len(qubit_wise(h)) / 2), 1, 200)
        )
        angles = self.plan.angles(np.array([s.parameters for s in found]))
        energies, errors = self._final(h, angles, often)
        squares, _ = self._final(square, angles, max(1, often // 8))
        s_matrix, s_errors = self._matrix(self._identity, found, repeats)
        h_matrix, h_errors = self._matrix(h, found, repeats)
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

    def _final(self, operator: SparsePauliOp, angles: Real, repeats: int) -> tuple[Real, Real]:
        """Return <O> of each state, corrected by lines learnt around its own angles, with standard errors."""
        k = len(angles)
        unseen = self._unseen(operator, repeats)
        if self.calibration is None:
            found = self.meter.expectations(self.plan.circuit, operator, np.repeat(angles, repeats, axis=0))
            value, error = _pool(found[0].reshape(k, -1), found[1].reshape(k, -1))
            return value, np.hypot(error, unseen)
        means, errors = np.empty(k), np.empty(k)
        for i, point in enumerate(angles):
            local = self._around(point)
            wanted = local.corrected(operator)
            found = self.meter.expectations(self.plan.circuit, wanted, np.repeat(point[None, :], repeats, axis=0))
            value, error = _pool(found[0][None, :], found[1][None, :])
            means[i], errors[i] = value[0], math.hypot(error[0], unseen, local.uncertainty(operator))
        return means, errors

    def _unseen(self, operator: SparsePauliOp, repeats: int) -> float:
        """Return what outcomes that no shot has shown may add: equal shots have no scatter, yet are not certain.

        An outcome unseen in N shots has a probability of the order of 1/N (the rule of three puts 95 % below
        3/N), and changes <O> by no more than twice the norm of its terms.
        """
        if self.meter.shots_per_circuit is None:
            return 0.0
        terms = operator[operator.paulis.x.any(axis=1) | operator.paulis.z.any(axis=1)]
        return float(np.abs(terms.coeffs).sum()) / (repeats * self.meter.shots_per_circuit)

    def _around(self, point: Real) -> PauliCalibration:
        """Return a calibration learnt near the angles of one state."""
        key = point.tobytes()
        if key not in self._local:
            rng = keyed(0, "training", "final")
            self._local[key] = PauliCalibration(
                self.plan.circuit, self.meter, lambda count: near(point, count, rng), prior=self.calibration
            )
        return self._local[key]

    def _matrix(self, operator: SparsePauliOp, found: list[Snapshot], repeats: int) -> tuple[Complex, Real]:
        """Measure <i|O|j> for all pairs i <= j."""
        k = len(found)
        angles = self.plan.angles(np.array([s.parameters for s in found]))
        matrix, errors = np.zeros((k, k), dtype=complex), np.zeros((k, k))
        columns, rows = np.tril_indices(k)
        lefts, rights = (np.repeat(angles[side], repeats, axis=0) for side in (rows, columns))
        means, stds = self.cross.measure(operator, lefts, rights)
        value, error = _pool(means.reshape(len(rows), -1), stds.reshape(len(rows), -1))
        matrix[columns, rows], errors[columns, rows] = value.conj(), error
        matrix[rows, columns], errors[rows, columns] = value, error
        return matrix, errors


def _pairs(lefts: Real, rights: Real) -> tuple[Real, Real]:
    """Return every row of ``lefts`` for the first of ``rights``, then for the next, as rows of both."""
    return np.tile(lefts, (len(rights), 1)), np.repeat(rights, len(lefts), axis=0)


def _pool(means: Number, errors: Real) -> tuple[Number, Real]:
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
