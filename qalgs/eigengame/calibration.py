"""Where a run's cross terms are measured, and how much of them a noisy device keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import PauliList, SparsePauliOp

from qalgs.backends import CompiledEstimator
from qalgs.circuits.cross_terms import cross_term_circuit, cross_term_observable
from qalgs.eigengame.measuring import Meter
from qalgs.eigengame.problem import canonical
from qalgs.errors import InvalidInputError
from qalgs.seeds import keyed

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
REPEATS = 8
POINTS, MOST_POINTS, RESOLUTION = 128, 512, 2e-3
FAINT, HELD, KEPT = 0.02, 0.1, 256
WIDEST = 16
_SUPPORT = str.maketrans("XYZ", "111")
IDEAL = frozenset({"CompiledSampler", "CompiledEstimator", "StatevectorEstimator", "StatevectorSampler"})


def ideal(meter: Meter) -> bool:
    """Whether the primitives are noiseless ones that are known by name, which need no calibration."""
    used = meter.estimator if meter.estimator is not None else meter.sampler
    return type(used).__name__ in IDEAL


@dataclass(frozen=True, slots=True)
class Line:
    r"""What a device makes of one Pauli: :math:`\langle P\rangle_\mathrm{measured}=f\langle P\rangle+o` + scatter.

    Attributes:
        slope: f.
        offset: o.
        scatter: Standard deviation of what the line does not explain, shot noise excluded.
        error: Standard error of the line itself where it matters most, at values of 1 in modulus.
    """

    slope: float
    offset: float
    scatter: float
    error: float


class PauliCalibration:
    r"""Clifford data regression: how each Pauli is damped by one circuit, learnt where its value is known.

    With angles that are multiples of :math:`\pi/2` the circuit is a Clifford circuit (or close to one): the ideal
    values are known and mostly 0 or 1 in modulus, while gates, relaxation and readout spoil them as they spoil
    those of any other angles. A line per Pauli is fitted through measured against ideal values (Czarnik,
    Arrasmith, Coles and Cincio, Quantum 5, 592 (2021)); its inverse is applied to observables, at no cost in
    circuits.

    Args:
        circuit: The circuit, in its angles.
        meter: Measures it.
        draw: Returns that many rows of parameter values, in ``circuit.parameters`` order, for training.
        prior: Calibration whose lines are the starting point of this one, which then needs little data.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        meter: Meter,
        draw: Callable[[int], Real],
        prior: PauliCalibration | None = None,
    ) -> None:
        self.circuit, self.meter, self.draw, self.prior = circuit, meter, draw, prior
        self._exact = Meter(CompiledEstimator(), None, None)
        self.lines: dict[str, Line] = {}
        self._corrected: dict[tuple[bytes, bytes, bytes], SparsePauliOp] = {}

    def corrected(self, observable: SparsePauliOp) -> SparsePauliOp:
        """Return what has the measured mean that ``observable`` would have without noise, going by the lines.

        Raises:
            InvalidInputError: If the device leaves nothing of a Pauli.
        """
        paulis = observable.paulis
        key = (paulis.x.tobytes(), paulis.z.tobytes(), observable.coeffs.tobytes())
        if key not in self._corrected:
            if len(self._corrected) >= KEPT:
                self._corrected.clear()
            self._corrected[key] = self._correct(observable)
        return self._corrected[key]

    def _correct(self, observable: SparsePauliOp) -> SparsePauliOp:
        lines = self._lines(observable)
        slopes, offsets = np.array([(line.slope, line.offset) for line in lines]).T
        coefficients = observable.coeffs / slopes
        constant = SparsePauliOp("I" * observable.num_qubits, -(coefficients * offsets).sum())
        return canonical((SparsePauliOp(observable.paulis, coefficients) + constant).simplify(atol=0.0))

    def uncertainty(self, observable: SparsePauliOp) -> float:
        """Return the standard error that the calibration leaves in the mean of the corrected observable."""
        parts = [
            abs(c) / line.slope * math.hypot(line.scatter, line.error)
            for c, line in zip(observable.coeffs, self._lines(observable), strict=True)
        ]
        return float(np.linalg.norm(parts))

    def _lines(self, observable: SparsePauliOp) -> list[Line]:
        labels = observable.paulis.to_labels()
        missing = [p for p in labels if p not in self.lines]
        if missing:
            self._learn(missing)
        return [self.lines[p] for p in labels]

    def _learn(self, labels: list[str]) -> None:
        paulis = PauliList(labels)
        values = self.draw(POINTS)
        measured, stds = self.meter.each(self.circuit, paulis, values)
        noise = float(np.sqrt((stds**2).mean()))
        more = int(np.clip((noise / RESOLUTION) ** 2, POINTS, MOST_POINTS)) - POINTS
        if more > 0:
            extra = self.draw(more)
            found = self.meter.each(self.circuit, paulis, extra)
            values = np.concatenate([values, extra])
            measured, stds = np.concatenate([measured, found[0]]), np.concatenate([stds, found[1]])
        known = self._exact.each(self.circuit, paulis, values)[0]
        priors = self._priors(labels, known, measured)
        for i, label in enumerate(labels):
            line = _fit(known[:, i], measured[:, i], stds[:, i], priors[i])
            if line.slope + 3 * line.error < FAINT:
                raise InvalidInputError(
                    f"circuit {self.circuit.name!r} keeps only {line.slope:.3g} of {label} on this backend; use "
                    "method='hotelling', cross_form='pauli_frame' or a shallower ansatz"
                )
            self.lines[label] = replace(line, slope=max(line.slope, FAINT))

    def _priors(self, labels: list[str], known: Real, measured: Real) -> list[tuple[float, float]]:
        """Return where each fit starts: another calibration's line, or one slope for all Paulis of one support."""
        if self.prior is not None:
            fitted = [self.prior.lines.get(p) for p in labels]
            if all(line is not None for line in fitted):
                return [(line.slope, line.offset) for line in fitted if line is not None]
        supports = [p.translate(_SUPPORT) for p in labels]
        weight, signal = (known**2).sum(axis=0), (known * measured).sum(axis=0)
        everything = float(signal.sum() / weight.sum()) if weight.sum() > 1.0 else 1.0
        found = []
        for support in supports:
            same = [i for i, other in enumerate(supports) if other == support]
            found.append(((signal[same].sum() + everything) / (weight[same].sum() + 1.0), 0.0))
        return found


def _fit(known: Real, measured: Real, stds: Real, prior: tuple[float, float]) -> Line:
    """Fit a line, held to its prior by the weight of a tenth of a point."""
    if np.ptp(known) < 1e-12 and abs(known[0] - 1.0) < 1e-12:
        return Line(1.0, 0.0, 0.0, 0.0)
    design = np.stack([known, np.ones_like(known)], axis=1)
    normal = design.T @ design + HELD * np.eye(2)
    slope, offset = np.linalg.solve(normal, design.T @ measured + HELD * np.array(prior))
    rest = measured - slope * known - offset
    shot = float((stds**2).mean())
    scatter = math.sqrt(max(float((rest**2).sum()) / max(len(known) - 2, 1) - shot, 0.0))
    error = math.sqrt(float(np.trace(np.linalg.inv(normal))) * (shot + scatter**2))
    return Line(float(slope), float(offset), scatter, error)


def quarters(circuit: QuantumCircuit, purpose: str) -> Callable[[int], Real]:
    r"""Return a source of rows of random multiples of :math:`\pi/2` for a circuit's parameters."""
    rng, shape = keyed(0, "training", purpose), int(circuit.num_parameters)

    def draw(count: int) -> Real:
        return np.asarray(rng.integers(0, 4, (count, shape)) * (np.pi / 2), dtype=np.float64)

    return draw


def _halves(circuit: QuantumCircuit, rng: np.random.Generator) -> Callable[[int], Real]:
    """Return a source of training points of a cross term.

    The rotations get half sums and differences of both sides' angles; these are multiples of pi/2.
    """

    def draw(count: int) -> Real:
        x, y = rng.integers(0, 4, (2, count, circuit.num_parameters // 2)) * (np.pi / 2)
        return np.concatenate([bind(circuit, (a + b)[None, :], a - b) for a, b in zip(x, y, strict=True)])

    return draw


def near(angles: Real, count: int, rng: np.random.Generator) -> Real:
    r"""Return points around angles: half of the angles stay, the others go to a neighbouring multiple of pi/2.

    Of the two neighbours the nearer is taken more often. The closer training comes to the circuit in question, the
    less a line leaves unexplained.
    """
    steps = angles / (np.pi / 2)
    low = np.floor(steps)
    snapped = (low + (rng.random((count, len(angles))) < steps - low)) * (np.pi / 2)
    return np.asarray(np.where(rng.random(snapped.shape) < 0.5, angles, snapped), dtype=np.float64)


class CrossTerms:
    r"""The circuits of :math:`\langle\psi|O|\psi'\rangle` on one meter.

    A compact device decides by its couplers what an ancilla at the end, or between the others, costs in routing.
    Which place keeps most of the signal is measured: :math:`\langle\psi|\psi\rangle` is 1 without noise.

    Args:
        ansatz: The circuit in its angles.
        meter: Measures.
        form: Form of the circuits (see :func:`qalgs.circuits.cross_term_circuit`).
        parts: ``("real",)``, or with ``"imag"``.
        calibrate: Choose the ancilla's place by measurement, if the primitive has a layout, and correct Paulis.
    """

    def __init__(
        self, ansatz: QuantumCircuit, meter: Meter, *, form: str, parts: tuple[str, ...], calibrate: bool
    ) -> None:
        self.num_angles = int(ansatz.num_parameters)
        self.num_qubits = int(ansatz.num_qubits)
        self.meter = meter
        self._plain = [cross_term_circuit(ansatz, form=form, part=p) for p in parts]
        self.places = list(range(self.num_qubits + 1))
        self.circuits = self._plain
        if calibrate and meter.width > self.num_qubits:
            self._settle()
        self._calibrations: list[PauliCalibration] = []
        if calibrate and self.num_qubits < WIDEST:
            rng = keyed(0, "training", "cross")
            self._calibrations = [PauliCalibration(c, meter, _halves(c, rng)) for c in self.circuits]

    def _settle(self) -> None:
        n = self.num_qubits
        point = keyed(0, "placement").uniform(-np.pi, np.pi, (1, self.num_angles))
        identity = SparsePauliOp("I" * n)
        kept = []
        for ancilla in range(n, -1, -1):
            self._put(ancilla)
            found = self.measure(identity, np.repeat(point, REPEATS, axis=0), point[0], raw=True)[0]
            kept.append(found.real.mean())
        # At equal retention the ancilla stays last.
        self._put(n - int(np.argmax(np.round(kept, 3))))

    def _put(self, ancilla: int) -> None:
        n = self.num_qubits
        self.places = [q for q in range(n + 1) if q != ancilla] + [ancilla]
        wide = QuantumCircuit(n + 1)
        self.circuits = [wide.compose(c, self.places) for c in self._plain] if ancilla < n else self._plain

    def measure(
        self, operator: SparsePauliOp, lefts: Real, right: Real, *, raw: bool = False
    ) -> tuple[Complex, Real]:
        """Return <left|O|right> for rows of left and right angles, with standard errors, in one submission a part.

        Args:
            operator: O.
            lefts: (B, M) angles.
            right: (M,) angles for all rows, or (B, M).
            raw: Leave out the correction of the Paulis.
        """
        wanted = cross_term_observable(operator).apply_layout(self.places)
        total, errors = np.zeros(len(lefts), dtype=complex), np.zeros(len(lefts))
        for i, (circuit, factor) in enumerate(zip(self.circuits, (1.0, 1j), strict=False)):
            observable = wanted if raw or not self._calibrations else self._calibrations[i].corrected(wanted)
            means, stds = self.meter.expectations(circuit, observable, bind(circuit, lefts, right))
            total += factor * means
            errors = np.hypot(errors, stds)
        return total, errors


def bind(circuit: Any, lefts: Real, right: Real) -> Real:
    """Return values in ``circuit.parameters`` order for rows of left angles and of right ones (or one vector)."""
    m = lefts.shape[1]
    stacked = np.concatenate([lefts, np.broadcast_to(right, (len(lefts), m))], axis=1)
    places = [p.index + (m if p.name.startswith("right") else 0) for p in circuit.parameters]
    return stacked[:, places]
