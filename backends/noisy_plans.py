"""What the noisy estimator keeps per circuit, and how it turns plans into values with standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qalgs.backends.lightcone import Operands, backward_cone
from qalgs.backends.noise import FloatArray
from qalgs.backends.noise_angles import AngleMap
from qalgs.backends.noise_device import Cache
from qalgs.backends.noise_engines import AerPlan, CompiledPlan, Plan, TrajectoryPlan
from qalgs.backends.noise_kernels import probabilities
from qalgs.backends.noise_observables import Basis, Terms, joint_basis
from qalgs.backends.noise_program import Op
from qalgs.backends.noisy_checks import as_rows
from qalgs.backends.noisy_trajectories import Trajectories
from qalgs.seeds import simulator_seed

AnyPlan = Plan | TrajectoryPlan | Trajectories


@dataclass(slots=True, eq=False)
class CompiledCircuit:
    """What is known about one circuit on one device."""

    isa: QuantumCircuit
    places: tuple[int, ...]
    parameters: tuple[Any, ...]
    ops: list[Op] | None
    exact: Cache[Any, ExactPlan] = field(default_factory=Cache)
    sampled: Cache[Any, SampledPlan] = field(default_factory=Cache)
    shifted: tuple[CompiledCircuit, AngleMap] | None = None
    turned: dict[Any, QuantumCircuit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ExactPlan:
    """A plan for the exact expectations of some observables: ``components @ weights``."""

    plan: AnyPlan
    weights: FloatArray
    observables: list[Terms]


@dataclass(frozen=True, slots=True, eq=False)
class SampledPlan:
    """A plan for sampled expectations of one observable."""

    plan: AnyPlan
    offset: float
    bases: list[Basis]
    values: list[FloatArray]


def split_basis(basis: Basis, operands: Operands, limit: int) -> list[Basis] | None:
    """Split a basis whose light cone is wider than ``limit`` qubits into parts whose cones are not.

    Args:
        basis: The basis.
        operands: The qubits of each operation of the circuit.
        limit: Most qubits of a cone.

    Returns:
        The parts, or None if a single term is too wide.
    """
    if len(backward_cone(operands, basis.qubits)[1]) <= limit:
        return [basis]
    parts: list[tuple[frozenset[int], Terms]] = []
    for pauli, coefficient in sorted(basis.terms.items()):
        cone = backward_cone(operands, [q for q, _ in pauli])[1]
        if len(cone) > limit:
            return None
        # The union of cones is the cone of the union: earlier operations are the same for both.
        for k, (joined, terms) in enumerate(parts):
            if len(joined | cone) <= limit:
                parts[k] = (joined | cone, {**terms, pauli: coefficient})
                break
        else:
            parts.append((cone, {pauli: coefficient}))
    return [joint_basis(terms) for _, terms in parts]


@dataclass(slots=True, eq=False)
class Prepared:
    """One PUB, checked and compiled."""

    flips: FloatArray
    trajectories: int
    values: FloatArray
    observables: tuple[int, ...]
    shots: int | None
    exact: ExactPlan | None
    sampled: list[SampledPlan]

    def evaluate(self, source: np.random.Generator) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        """Return values, standard errors and facts for the metadata."""
        batch = as_rows(self.values)
        lead = self.values.shape[:-1]
        if self.exact is not None and self.observables == ():
            evs, stds, info = self._exact(batch, source)
            return evs.reshape(lead), stds.reshape(lead), info
        shape = np.broadcast_shapes(lead, self.observables)
        sets = np.broadcast_to(np.arange(len(batch)).reshape(lead), shape).ravel()
        size = int(np.prod(self.observables, dtype=int))
        columns = np.broadcast_to(np.arange(size).reshape(self.observables), shape).ravel()
        if self.exact is not None:
            evs, stds, info = self._exact(batch, source)
            return evs[sets, columns].reshape(shape), stds[sets, columns].reshape(shape), info
        rng = source.spawn(1)[0]
        means, errors = np.empty(len(sets)), np.empty(len(sets))
        for column in range(size):
            where = np.flatnonzero(columns == column)
            means[where], errors[where] = sample_energy(
                self.sampled[column], batch[sets[where]], self.shots or 1, self.flips, rng
            )
        bases = sum(len(s.bases) for s in self.sampled)
        info = {"engine": _name(self.sampled[0].plan) if self.sampled else "none", "bases": bases}
        return means.reshape(shape), errors.reshape(shape), info

    def _exact(
        self, batch: FloatArray, source: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        assert self.exact is not None
        plan = self.exact.plan
        info: dict[str, Any] = {"engine": _name(plan)}
        if isinstance(plan, TrajectoryPlan | Trajectories):
            seed = simulator_seed(source.spawn(1)[0])
            count = self.trajectories
            evs, stds = plan.expectations(batch, self.exact.observables, count, seed)
            return evs, stds, {**info, "trajectories": count}
        evs = plan.components(batch) @ self.exact.weights
        return evs, np.zeros_like(evs), info


_NAMES: dict[type, str] = {
    CompiledPlan: "compiled",
    Trajectories: "trajectories",
    AerPlan: "aer",
    TrajectoryPlan: "aer trajectories",
}


def sample_energy(
    sampled: SampledPlan, values: FloatArray, shots: int, flips: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return sampled means and their standard errors (B,) with ``shots`` shots in every measurement basis."""
    means, variances = np.full(len(values), sampled.offset), np.zeros(len(values))
    plan = sampled.plan
    spectra = None
    if sampled.bases and not isinstance(plan, TrajectoryPlan | Trajectories):
        spectra = plan.components(values)
    start = 0
    for basis, outcome_values in zip(sampled.bases, sampled.values, strict=True):
        width = 1 << len(basis.qubits)
        if isinstance(plan, TrajectoryPlan | Trajectories):
            seed = simulator_seed(rng)
            counts = plan.counts(values, basis.qubits, basis.letters, shots, seed)
        else:
            assert spectra is not None
            spectrum = np.ascontiguousarray(spectra[:, start : start + width])
            chances = probabilities(spectrum, flips[list(basis.qubits)])
            counts = rng.multinomial(shots, chances).astype(float)
        start += width
        mean = counts @ outcome_values / shots
        square = counts @ outcome_values**2 / shots
        means += mean
        variances += np.maximum(square - mean**2, 0.0) / max(shots - 1, 1)
    return means, np.sqrt(variances)


def _name(plan: AnyPlan) -> str:
    return _NAMES[type(plan)]
