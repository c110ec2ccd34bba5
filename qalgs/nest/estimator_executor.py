"""Any V2 estimator as the source of a campaign's evaluations: Aer, Runtime, a PennyLane device, ..."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qalgs.errors import ExecutionError, InvalidInputError
from qalgs.seeds import keyed

from .executor import Array, Executor, Reading, Request
from .jobs import Job
from .requests import count_bases


class EstimatorExecutor(Executor):
    r"""Evaluates every request's own circuit with one V2 estimator.

    Planning, layouts and books are those of any campaign, but the numbers are the estimator's: the job's logical
    circuit goes to it as it is (or decomposed into plain gates), so layouts matter only as far as the estimator
    knows of them. A request of N shots asks for the precision :math:`1/\sqrt N`, a request of 0 shots for
    precision 0, which an estimator that always samples refuses.

    Estimators whose ``run`` takes ``seed`` get the random stream of the evaluation, so that a resumed campaign
    repeats; others draw from a stream of their own.

    Gradients come from the estimator's ``gradient`` if it has one, else from the two-term shift rule
    :math:`E'=[E(a+\pi/2)-E(a-\pi/2)]/2` of every rotation, as evaluations of the same estimator.

    Args:
        estimator: A V2 estimator, or a PennyLane device.
        decompose: Whether circuits are taken apart into ``rx, ry, rz, h, cx, ...`` first: for estimators that do
            not know composite gates.

    Raises:
        InvalidInputError: If the object is no estimator.

    Example:
        >>> from qalgs.backends import CompiledEstimator
        >>> EstimatorExecutor(CompiledEstimator(seed=1)).describe()["estimator"]
        'CompiledEstimator'
    """

    def __init__(self, estimator: Any, *, decompose: bool = True) -> None:
        if type(estimator).__module__.partition(".")[0].startswith("pennylane"):
            from qalgs.backends import PennyLaneEstimator

            estimator = PennyLaneEstimator(estimator)
        if not callable(getattr(estimator, "run", None)):
            raise InvalidInputError(
                f"estimator must be a V2 estimator or a PennyLane device, got {type(estimator).__name__}; "
                "see qalgs.backends"
            )
        self.estimator, self.decompose = estimator, decompose
        self._seeded = "seed" in inspect.signature(estimator.run).parameters
        self._plain: dict[int, tuple[Job, QuantumCircuit]] = {}
        self._bases: dict[int, tuple[Job, int]] = {}

    def describe(self) -> Mapping[str, Any]:
        """Return what determines the numbers, as JSON values."""
        made = self.estimator
        found: dict[str, Any] = {"name": "estimator", "estimator": type(made).__name__}
        for key in ("backend", "device", "_backend", "_device"):
            held = getattr(made, key, None)
            label = held if isinstance(held, str) else getattr(held, "name", None)
            if isinstance(label, str):
                found["backend"] = label
                break
        for key in ("resilience_level", "layout", "engine", "_engine"):
            if isinstance(value := getattr(made, key, None), str | int | tuple):
                found[key.lstrip("_")] = list(value) if isinstance(value, tuple) else value
        return found

    def evaluate(self, requests: Sequence[Request], *, seed: int, step: str) -> list[Reading]:
        """Make all evaluations of one step, in the order of the requests.

        Raises:
            InvalidInputError: If the estimator refuses a circuit or a precision.
            ExecutionError: If it fails or returns values that are not finite.
        """
        if self._seeded or any(request.gradient for request in requests):
            return [self._one(request, seed) for request in requests]
        precisions = {precision_of(request) for request in requests}
        if len(precisions) > 1:
            return [self._one(request, seed) for request in requests]
        pubs = [(self._circuit(r.job), r.job.observable, r.point) for r in requests]
        found: Array | list[Any] = self._run(pubs, {"precision": precisions.pop()}) if pubs else []
        return [self._reading(r, float(v), float(s)) for r, (v, s) in zip(requests, found, strict=True)]

    def _one(self, request: Request, seed: int) -> Reading:
        circuit, observable = self._circuit(request.job), request.job.observable
        if request.gradient:
            value, slope = self._gradient(circuit, observable, request.point)
            return Reading(value=value, std=0.0, shots=0, gradient=slope)
        options: dict[str, Any] = {"precision": precision_of(request)}
        if self._seeded:
            options["seed"] = keyed(seed, *request.key)
        value, std = self._run([(circuit, observable, request.point)], options)[0]
        return self._reading(request, float(value), float(std))

    def _gradient(self, circuit: QuantumCircuit, observable: SparsePauliOp, point: Array) -> tuple[float, Array]:
        if callable(getattr(self.estimator, "gradient", None)):
            value, slope = self.estimator.gradient(circuit, observable, point)
            return float(value), np.asarray(slope, dtype=np.float64).reshape(-1)
        from qalgs.backends.auto_engines import shift_gradients

        def energies(shifted: QuantumCircuit, angles: Array) -> Array:
            return self._run([(shifted, observable, row) for row in angles], {"precision": 0.0})[:, 0]

        values, slopes = shift_gradients(energies, circuit, point[None, :])
        return float(values[0]), slopes[0]

    def _run(self, pubs: list[tuple[Any, ...]], options: Mapping[str, Any]) -> Array:
        """Return value and standard error of each PUB, shape (n, 2)."""
        try:
            results = self.estimator.run(pubs, **options).result()
        except InvalidInputError:
            raise
        except Exception as error:
            raise ExecutionError(
                f"estimator {type(self.estimator).__name__} failed: {' '.join(str(error).split())[:300]}"
            ) from error
        found: Array = np.array([[float(r.data.evs), float(getattr(r.data, "stds", 0.0))] for r in results])
        if not np.isfinite(found[:, 0]).all():
            raise ExecutionError(f"estimator {type(self.estimator).__name__} returned values that are not finite")
        return np.nan_to_num(found)

    def _circuit(self, job: Job) -> QuantumCircuit:
        """Return the job's circuit in plain gates, translated once."""
        if not self.decompose:
            return job.circuit
        held = self._plain.get(id(job))
        if held is None:
            from qalgs.backends.auto_engines import plain_gates

            held = self._plain[id(job)] = (job, plain_gates(job.circuit))
        return held[1]

    def _reading(self, request: Request, value: float, std: float) -> Reading:
        held = self._bases.get(id(request.job))
        if held is None:
            held = self._bases[id(request.job)] = (request.job, count_bases(request.job.observable))
        return Reading(value=value, std=std, shots=request.shots * held[1])


def precision_of(request: Request) -> float:
    """Return the precision that a request's shots stand for; 0 is exact."""
    return float(request.shots**-0.5) if request.shots else 0.0
