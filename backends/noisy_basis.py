"""Measurement bases with noisy gates: what a device does to measure X and Y, as circuits that measure Z."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit

from qalgs.backends.noise import FloatArray
from qalgs.backends.noise_observables import effective_operator, measurement_bases, pauli_terms, place
from qalgs.backends.noisy_checks import Pub, as_rows, read_pub
from qalgs.backends.noisy_gradient import gradient
from qalgs.seeds import Seed, as_generator

if TYPE_CHECKING:
    from qalgs.backends.noisy import NoisyEstimator
    from qalgs.backends.noisy_plans import CompiledCircuit


def _turned(
    estimator: NoisyEstimator, compiled: CompiledCircuit, qubits: tuple[int, ...], letters: tuple[int, ...]
) -> QuantumCircuit:
    """Return the ISA circuit followed by the device's gates for a change of basis."""
    key = qubits, letters
    if key not in compiled.turned:
        change = QuantumCircuit(compiled.isa.num_qubits)
        for q, letter in zip(qubits, letters, strict=True):
            if letter == 2:
                change.sdg(q)
            if letter in (1, 2):
                change.h(q)
        compiled.turned[key] = compiled.isa.compose(estimator.device.isa(change)[0])
    return compiled.turned[key]


def _parts(estimator: NoisyEstimator, pub: Pub, column: int, values: FloatArray) -> tuple[float, Iterator[Any]]:
    """Return one observable's constant, and for each basis a PUB of Z operators with its parameters' places."""
    compiled = estimator._compile(pub.circuit)
    offset, bases = measurement_bases(place(pauli_terms(pub.observables[column]), compiled.places))

    def parts() -> Iterator[tuple[Pub, list[int]]]:
        for basis in bases:
            circuit = _turned(estimator, compiled, basis.qubits, basis.letters)
            terms = {tuple((q, 3) for q, _ in pauli): c for pauli, c in basis.terms.items()}
            used = [compiled.parameters.index(p) for p in circuit.parameters]
            operator = effective_operator(terms, circuit.num_qubits)
            yield read_pub((circuit, operator, values[:, used])), used

    return offset, parts()


def evaluate(
    estimator: NoisyEstimator, pub: Pub, shots: int | None, source: np.random.Generator
) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
    """Return values, standard errors and facts for the metadata, every basis being a circuit of its own."""
    batch, lead = as_rows(pub.values), pub.values.shape[:-1]
    shape = np.broadcast_shapes(lead, pub.shape)
    rows = np.broadcast_to(np.arange(len(batch)).reshape(lead), shape).ravel()
    columns = np.broadcast_to(np.arange(len(pub.observables)).reshape(pub.shape), shape).ravel()
    evs, variances = np.zeros(len(rows)), np.zeros(len(rows))
    info: dict[str, Any] = {"engine": "none"}
    count = 0
    for column in range(len(pub.observables)):
        where = np.flatnonzero(columns == column)
        offset, parts = _parts(estimator, pub, column, batch[rows[where]])
        evs[where] = offset
        for part, _ in parts:
            ready = estimator._prepare(estimator._compile(part.circuit), part, part.values, shots)
            found, errors, info = ready.evaluate(source)
            evs[where] += found
            variances[where] += errors**2
            count += 1
    return evs.reshape(shape), np.sqrt(variances).reshape(shape), {**info, "bases": count}


def slopes(
    estimator: NoisyEstimator, pub: Pub, method: str, shots: int | None, seed: Seed
) -> tuple[FloatArray, FloatArray]:
    """Return values (B,) and gradients (B, P)."""
    values = as_rows(pub.values)
    source = estimator._rng if seed is None else as_generator(seed)
    offset, parts = _parts(estimator, pub, 0, values)
    total, slope = np.full(len(values), offset), np.zeros(values.shape)
    for part, used in parts:
        value, by_parameter = gradient(estimator, part, method, shots, source)
        total += value
        slope[:, used] += by_parameter
    return total, slope
