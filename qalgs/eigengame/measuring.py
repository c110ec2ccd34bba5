"""Expectation values through V2 primitives, with what they cost: groups, circuits, shots, standard errors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.quantum_info import PauliList, SparsePauliOp

from qalgs.errors import ExecutionError, InvalidInputError

Real = NDArray[np.float64]
_TABLE_QUBITS = 16


class Meter:
    """Runs circuits on an estimator, or on a sampler by groups of commuting Paulis.

    Args:
        estimator: A V2 estimator, or None.
        sampler: A V2 sampler, or None; with both, it measures overlaps only.
        shots: Shots per circuit, if known.
        precise: Ask the estimator for the precision 1/sqrt(shots); otherwise leave it to its own default.

    Attributes:
        circuits: Circuits submitted so far: one per group and set of angles.
        shots: Shots of all of them; 0 if the primitive was not told a number.
    """

    def __init__(self, estimator: Any, sampler: Any, shots: int | None, *, precise: bool = True) -> None:
        if estimator is not None and not hasattr(estimator, "run"):
            raise InvalidInputError(
                f"estimator must be a V2 estimator, got {type(estimator).__name__}; see qalgs.backends"
            )
        if sampler is not None and not hasattr(sampler, "run"):
            raise InvalidInputError(
                f"sampler must be a V2 sampler, got {type(sampler).__name__}; see qalgs.backends"
            )
        self.estimator, self.sampler, self.shots_per_circuit = estimator, sampler, shots
        self.precision = 1.0 / np.sqrt(shots) if precise and shots is not None else None
        # Primitives of a compact device take circuits of the layout's size only.
        self.width = max(len(getattr(p, "layout", None) or ()) for p in (estimator, sampler))
        self._padded: dict[int, tuple[QuantumCircuit, QuantumCircuit]] = {}
        self.circuits = 0
        self.shots = 0

    def expectations(self, circuit: QuantumCircuit, observable: SparsePauliOp, values: Real) -> tuple[Real, Real]:
        """Return means and standard errors for each row of parameter values (in ``circuit.parameters`` order)."""
        groups = qubit_wise(observable)
        self.circuits += len(groups) * len(values)
        self.shots += len(groups) * len(values) * (self.shots_per_circuit or 0)
        circuit, observable = self._pad(circuit), self._pad_observable(observable)
        if self.estimator is not None:
            return self._estimate(circuit, observable, values)
        groups = qubit_wise(observable)
        means, variances = np.zeros(len(values)), np.zeros(len(values))
        pubs = [_measured(circuit, group, values) for group in groups]
        for group, samples in zip(groups, self._sample(pubs), strict=True):
            scores = _score(group, samples)
            means += scores.mean(axis=1)
            variances += scores.var(axis=1, ddof=1) / scores.shape[1]
        constant = float(observable.coeffs[~_mask(observable)].real.sum())
        return means + constant, np.sqrt(variances)

    def each(self, circuit: QuantumCircuit, paulis: PauliList, values: Real) -> tuple[Real, Real]:
        """Return means and standard errors of every Pauli for each row of values, both (rows, Paulis)."""
        total = SparsePauliOp(paulis, np.ones(len(paulis)))
        groups = qubit_wise(total)
        self.circuits += len(groups) * len(values)
        self.shots += len(groups) * len(values) * (self.shots_per_circuit or 0)
        circuit, total = self._pad(circuit), self._pad_observable(total)
        if self.estimator is not None:
            terms = [[SparsePauliOp(p)] for p in total.paulis]
            data = self._run(self.estimator, [(circuit, terms, values)], precision=self.precision)[0].data
            means = np.asarray(data.evs, dtype=float).reshape(len(paulis), len(values))
            stds = np.broadcast_to(np.asarray(getattr(data, "stds", 0.0), dtype=float), means.shape)
            return means.T, np.nan_to_num(stds).T
        column = {label: i for i, label in enumerate(total.paulis.to_labels())}
        means, variances = np.ones((len(values), len(paulis))), np.zeros((len(values), len(paulis)))
        groups = qubit_wise(total)
        for group, samples in zip(
            groups, self._sample([_measured(circuit, g, values) for g in groups]), strict=True
        ):
            for pauli in group.paulis:
                scores = _score(SparsePauliOp(pauli), samples)
                i = column[pauli.to_label()]
                means[:, i] = scores.mean(axis=1)
                variances[:, i] = scores.var(axis=1, ddof=1) / scores.shape[1]
        return means, np.sqrt(variances)

    def zero_probability(self, circuit: QuantumCircuit, values: Real) -> tuple[Real, Real]:
        """Return the probability of measuring all zeros, with its standard error, for each row of values."""
        if self.sampler is None:
            from qalgs.circuits.cross_terms import zero_projector

            return self.expectations(circuit, zero_projector(circuit.num_qubits), values)
        self.circuits += len(values)
        self.shots += len(values) * (self.shots_per_circuit or 0)
        measured = self._pad(circuit).copy()
        register = ClassicalRegister(circuit.num_qubits, "meas")
        measured.add_register(register)
        measured.measure(range(circuit.num_qubits), register)
        hits = self._sample([(measured, values)])[0] == 0
        p = hits.mean(axis=1)
        return p, np.sqrt(np.maximum(p * (1 - p), 1.0 / hits.shape[1] ** 2) / hits.shape[1])

    def _pad(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Add idle qubits up to the layout's size; one object per circuit, so that primitives can cache it."""
        if self.width <= circuit.num_qubits:
            return circuit
        if id(circuit) not in self._padded:
            wide = QuantumCircuit(self.width, name=circuit.name)
            self._padded[id(circuit)] = (circuit, wide.compose(circuit, range(circuit.num_qubits)))
        return self._padded[id(circuit)][1]

    def _pad_observable(self, observable: SparsePauliOp) -> SparsePauliOp:
        missing = self.width - observable.num_qubits
        return SparsePauliOp("I" * missing).tensor(observable) if missing > 0 else observable

    def _estimate(self, circuit: QuantumCircuit, observable: SparsePauliOp, values: Real) -> tuple[Real, Real]:
        data = self._run(self.estimator, [(circuit, observable, values)], precision=self.precision)[0].data
        means = np.asarray(data.evs, dtype=float).reshape(len(values))
        errors = np.broadcast_to(np.asarray(getattr(data, "stds", 0.0), dtype=float), means.shape)
        if not np.isfinite(means).all():
            raise ExecutionError("the estimator returned values that are not finite; check the backend")
        return means, np.nan_to_num(errors)

    def _sample(self, pubs: list[tuple[QuantumCircuit, Real]]) -> list[NDArray[np.int64]]:
        """Return measured integers (rows of values, shots) of each pub."""
        found = []
        for (circuit, values), result in zip(
            pubs, self._run(self.sampler, pubs, shots=self.shots_per_circuit), strict=True
        ):
            packed = result.data.meas.array
            weights = 256 ** np.arange(packed.shape[-1], dtype=np.int64)[::-1]
            found.append((packed.astype(np.int64) @ weights).reshape(len(values), -1))
            del circuit
        return found

    @staticmethod
    def _run(primitive: Any, pubs: list[Any], **options: object) -> Any:
        given = {k: v for k, v in options.items() if v is not None}
        return primitive.run(pubs, **given).result()


def _measured(circuit: QuantumCircuit, group: SparsePauliOp, values: Real) -> tuple[QuantumCircuit, Real]:
    measured = circuit.compose(_basis_change(group))
    measured.measure_all()
    return measured, values


def _mask(observable: SparsePauliOp) -> NDArray[np.bool_]:
    return np.asarray(observable.paulis.x.any(axis=1) | observable.paulis.z.any(axis=1))


def qubit_wise(observable: SparsePauliOp) -> list[SparsePauliOp]:
    """Return groups of terms that can be measured in one basis, the identity left out; cached."""
    labels = tuple(observable.paulis.to_labels())
    keep = _mask(observable)
    return [
        SparsePauliOp(observable.paulis[list(group)], observable.coeffs[list(group)])
        for group in _groups(labels, tuple(np.flatnonzero(keep).tolist()))
    ]


@lru_cache(maxsize=64)
def _groups(labels: tuple[str, ...], members: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    if not members:
        return ()
    tagged = SparsePauliOp([labels[i] for i in members], np.arange(1, len(members) + 1))
    return tuple(
        tuple(members[round(c.real) - 1] for c in group.coeffs)
        for group in tagged.group_commuting(qubit_wise=True)
    )


def _basis_change(group: SparsePauliOp) -> QuantumCircuit:
    circuit = QuantumCircuit(group.num_qubits)
    xs, zs = group.paulis.x.any(axis=0), group.paulis.z.any(axis=0)
    for q in range(group.num_qubits):
        if xs[q] and zs[q]:
            circuit.sdg(q)
        if xs[q]:
            circuit.h(q)
    return circuit


def _score(group: SparsePauliOp, samples: NDArray[np.int64]) -> Real:
    """Return the value of the group's operator in every sample."""
    weights = 1 << np.arange(group.num_qubits, dtype=np.int64)
    masks = (group.paulis.x | group.paulis.z) @ weights
    if group.num_qubits <= _TABLE_QUBITS:
        everything = np.arange(2**group.num_qubits, dtype=np.int64)
        return _evaluate(masks, group.coeffs.real, everything)[samples]
    return _evaluate(masks, group.coeffs.real, samples)


def _evaluate(masks: NDArray[np.int64], coefficients: Real, bits: NDArray[np.int64]) -> Real:
    total = np.zeros(bits.shape)
    for mask, coefficient in zip(masks, coefficients, strict=True):
        total += coefficient * (1 - 2 * (np.bitwise_count(bits & mask).astype(np.int64) & 1))
    return total
