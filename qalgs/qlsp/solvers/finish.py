"""The end of every solve: observables, verification against the classical solution, warnings, the result."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import QalgsWarning, expect, invalid
from qalgs.results import Status

from ..execution import Executor
from ..linear_system import LinearSystem
from ..resources import circuit_cost
from ..result import QLSPResult, Step, Verdict
from ..verify import direction_error, error_split
from .problem import InnerRun, Vector


def checked_observables(
    system: LinearSystem, observables: Mapping[str, ArrayLike] | None
) -> dict[str, NDArray[Any]]:
    """Return the observables as dense arrays, or raise for one that is not Hermitian of the system's size."""
    expect(Mapping, type(None), observables=observables)
    found = {}
    for name, operator in (observables or {}).items():
        dense: Any = operator
        for method in ("to_matrix", "toarray"):
            if hasattr(dense, method):
                dense = getattr(dense, method)()
        matrix = np.asarray(dense)
        square = matrix.shape == (system.size, system.size) and matrix.dtype.kind in "fiubc"
        # Written so that NaN fails.
        if not (square and np.abs(matrix - matrix.conj().T).max() <= 1e-9 * max(1.0, np.abs(matrix).max())):
            raise invalid(f"observables[{name!r}]", matrix.shape, f"must be Hermitian of {system.size} rows")
        found[name] = matrix
    return found


def measure(
    executor: Executor,
    run: InnerRun,
    system: LinearSystem,
    observables: Mapping[str, NDArray[Any]],
    rhs: Vector,
    y: Vector,
) -> dict[str, tuple[float, float]]:
    """Evaluate ``<x|O|x>`` for each observable, on the circuit where there is one and shots are used."""
    found: dict[str, tuple[float, float]] = {}
    for name, matrix in observables.items():
        if run.program is None or (executor.exact and executor.estimator is None):
            x = system.recover(y)
            found[name] = (float(np.vdot(x, matrix @ x).real / np.vdot(x, x).real), 0.0)
            continue
        from ..readout import expectation_value

        start = system.padded_size if system.dilated else 0
        full = np.zeros((2**system.num_qubits,) * 2, dtype=np.complex128)
        full[start : start + system.size, start : start + system.size] = matrix
        estimate = expectation_value(executor, run.program, rhs, full)
        found[name] = (estimate.value, estimate.std)
    return found


def finish(
    name: str,
    system: LinearSystem,
    y: Vector,
    run: InnerRun,
    *,
    kappa_enc: float,
    target: Vector | None = None,
    eta: float | None = None,
    kappa_hat: float | None = None,
    seed: int | None = None,
    observables: Mapping[str, tuple[float, float]] | None = None,
    history: tuple[Step, ...] = (),
    ratio: float = float("nan"),
    verdict: Verdict | None = None,
    classical_matvecs: int = 0,
) -> QLSPResult:
    """Turn a quantum-form solution into the result, with all verification done here, once."""
    x = system.recover(y)
    norm_source = "circuit"
    if not run.norm_known:
        x, norm_source = rescale(system, x), "residual"
    size = float(np.linalg.norm(x))
    state = x / size if size > 0 else x
    reference = system.reference
    split = error_split(y, reference if target is None else target, reference)
    total = direction_error(x, system.solution)
    cx, depth = circuit_cost(run.circuit) if run.circuit is not None else (0, 0)
    best = rescale(system, x)
    residual = system.residual(best if not run.norm_known else x)
    _warn_of_kappa(system, run, best)
    p = max(run.probability, 1e-300)
    return QLSPResult(
        solver=name,
        state=state,
        x=x,
        norm=size,
        norm_source=norm_source,
        direction_error=total,
        fidelity=run.fidelity(y, reference),
        error_split=split,
        stated_error=run.stated_error,
        success_probability=run.probability,
        queries_A=run.queries_A,
        queries_b=run.queries_b,
        queries_A_per_success=run.queries_A / p
        if run.queries_A_per_success is None
        else run.queries_A_per_success,
        queries_b_per_success=run.queries_b / p
        if run.queries_b_per_success is None
        else run.queries_b_per_success,
        max_degree=run.max_degree,
        depth=depth,
        two_qubit_gates=cx,
        qubits=run.circuit.num_qubits if run.circuit is not None else system.num_qubits,
        kappa=system.kappa,
        kappa_hat=system.kappa if kappa_hat is None else kappa_hat,
        kappa_enc=kappa_enc,
        eta=eta,
        residual=residual,
        observables=dict(observables or {}),
        history=history,
        ratio=ratio,
        verdict=verdict,
        shots=run.shots,
        circuits=run.circuits,
        classical_matvecs=classical_matvecs,
        status=run.status,
        message=run.message,
        seed=seed,
        details=dict(run.details),
        circuit=run.circuit,
        executed=run.ran(),
    )


def judge_shots(system: LinearSystem, result: QLSPResult, epsilon: float) -> QLSPResult:
    """Fail a sampled run whose residual proves it wrong: ``|x - x*| >= |b - A x| / |A|``."""
    if result.shots == 0 or result.status is not Status.CONVERGED:
        return result
    least = result.residual * system.rhs_norm / (system.norm * max(result.norm, 1e-300))
    if least <= epsilon:
        return result
    text = (
        f"the residual proves a relative error of at least {least:.2g} > epsilon = {epsilon:g}; use more shots, a "
    )
    text += "quieter device, or ProximalPoint(form='residual')"
    return replace(result, status=Status.FAILED, message=text)


def _warn_of_kappa(system: LinearSystem, run: InnerRun, best: Vector) -> None:
    """Say so when the residual shows that the caller's kappa was too small."""
    if run.shots or system.threshold is not None or system.kappa >= system.kappa_found * (1 - 1e-6):
        return
    left = system.residual(best)
    expected = run.stated_error if np.isfinite(run.stated_error) else 0.0
    if left > expected:
        warnings.warn(
            f"residual must fall below {expected:.2g}, got {left:.2g}: kappa is underestimated "
            f"({system.kappa:.4g} was used, about {system.kappa_found:.4g} is needed)",
            QalgsWarning,
            stacklevel=5,
        )


def rescale(system: LinearSystem, x: Vector) -> Vector:
    """Return the multiple of ``x`` with the least residual ``|b - A x|`` (one classical product)."""
    image = system.A @ x
    size = float(np.vdot(image, image).real)
    if size == 0.0:
        return x
    factor = np.vdot(image, system.b) / size
    return x * (factor.real if system.real else factor)
