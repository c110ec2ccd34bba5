"""Gradients of noisy expectation values: parameter shift in one batch, or one exact reverse sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from qalgs.backends.noise import FloatArray
from qalgs.backends.noise_angles import AngleMap
from qalgs.backends.noise_engines import CompiledPlan
from qalgs.backends.noise_program import lower
from qalgs.backends.noisy_checks import Pub, as_rows
from qalgs.errors import InvalidInputError, invalid
from qalgs.seeds import Seed, as_generator

if TYPE_CHECKING:
    from qalgs.backends.noisy import NoisyEstimator
    from qalgs.backends.noisy_plans import CompiledCircuit

LARGEST_SWEEP = 1 << 29
"""Most bytes of intermediate states that a reverse sweep may keep; parameter shift beyond."""
SHIFTABLE = {"rz", "rx", "ry", "p", "u1", "u2", "u3", "u", "rzz", "rxx", "ryy", "rzx", "cp", "cu1"}
"""Gates in which the expectation is ``a + b cos t + c sin t`` of each angle."""


def gradient(
    estimator: NoisyEstimator,
    pub: Pub,
    method: str,
    shots: int | None,
    seed: Seed,
) -> tuple[FloatArray, FloatArray]:
    """Return values (B,) and gradients (B, P); see :meth:`NoisyEstimator.gradient`."""
    values = as_rows(pub.values)
    compiled = estimator._compile(pub.circuit)
    if method != "shift" and shots is None:
        exact = estimator._prepare(compiled, pub, values, None).exact
        assert exact is not None
        if isinstance(exact.plan, CompiledPlan):
            needed = max((program.gradient_bytes for program, _, _ in exact.plan.parts), default=0)
            if method == "adjoint" or needed <= LARGEST_SWEEP:
                return exact.plan.value_and_gradient(values, exact.weights[:, 0])
    if method == "adjoint":
        raise invalid(
            "method", method, "must be 'shift' with shots or another engine than the compiled one", "use 'auto'"
        )
    source = estimator._rng if seed is None else as_generator(seed)
    return _shift(estimator, compiled, pub, values, shots, source)


def _shift(
    estimator: NoisyEstimator,
    compiled: CompiledCircuit,
    pub: Pub,
    values: FloatArray,
    shots: int | None,
    source: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    if compiled.shifted is None:
        compiled.shifted = _separate(estimator, compiled)
    apart, angle_map = compiled.shifted
    angles = angle_map(values)
    count, width = angles.shape
    moves = np.concatenate([np.zeros((1, width)), np.pi / 2 * np.eye(width), -np.pi / 2 * np.eye(width)])
    batch = (angles[:, None, :] + moves).reshape(count * (1 + 2 * width), width)
    prepared = estimator._prepare(apart, pub, batch, shots)
    evs = prepared.evaluate(source)[0].reshape(count, 1 + 2 * width)
    slopes = (evs[:, 1 : 1 + width] - evs[:, 1 + width :]) / 2
    return evs[:, 0], angle_map.pull_back(values, slopes)


def _separate(estimator: NoisyEstimator, compiled: CompiledCircuit) -> tuple[CompiledCircuit, AngleMap]:
    """Give every parametrised angle of the ISA circuit a parameter of its own, so that it can be shifted alone."""
    from qalgs.backends.noisy_plans import CompiledCircuit

    isa = compiled.isa
    apart = isa.copy_empty_like()
    apart.global_phase = 0
    expressions: list[ParameterExpression] = []
    fresh: list[Parameter] = []
    for item in isa.data:
        params: Sequence[Any] = item.operation.params
        moving = [isinstance(p, ParameterExpression) and bool(p.parameters) for p in params]
        if not any(moving):
            apart.append(item)
            continue
        if item.operation.name not in SHIFTABLE:
            raise InvalidInputError(
                f"instruction {item.operation.name!r} has no two-term parameter shift; transpile it to rotations"
            )
        operation = item.operation.copy()
        replaced = list(params)
        for k, free in enumerate(moving):
            if free:
                expressions.append(params[k])
                fresh.append(Parameter(f"angle{len(fresh)}"))
                replaced[k] = fresh[-1]
        operation.params = replaced
        apart.append(operation, item.qubits, item.clbits)
    ops = None if compiled.ops is None else lower(apart, estimator.device.snapshot)
    return (
        CompiledCircuit(apart, compiled.places, tuple(fresh), ops),
        AngleMap(expressions, compiled.parameters),
    )
