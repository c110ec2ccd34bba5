"""Bad input, every primitive: one line that names what is wrong, before anything is run."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import (
    CompiledEstimator,
    CompiledSampler,
    DeviceSnapshot,
    NoisyEstimator,
    NoisySampler,
    PennyLaneEstimator,
    RuntimeEstimator,
    RuntimeSampler,
)

ZZ = SparsePauliOp("ZZ")
POINT = [0.3, 0.2]


@cache
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


ESTIMATORS: dict[str, Callable[[], Any]] = {
    "compiled": CompiledEstimator,
    "compiled-aer": lambda: CompiledEstimator(engine="aer"),
    "noisy": lambda: NoisyEstimator(manila(), [0, 1]),
    "noisy-aer": lambda: NoisyEstimator(manila(), [0, 1], engine="aer"),
    "runtime": lambda: RuntimeEstimator("fake_manila", optimization_level=1),
    "pennylane": lambda: PennyLaneEstimator("default.qubit"),
}
SAMPLERS: dict[str, Callable[[], Any]] = {
    "compiled": CompiledSampler,
    "noisy": lambda: NoisySampler(manila(), [0, 1], engine="compiled"),
    "runtime": lambda: RuntimeSampler("fake_manila", optimization_level=1),
}


def circuit(change: Callable[[QuantumCircuit], object] | None = None) -> QuantumCircuit:
    made = QuantumCircuit(2, 2)
    made.ry(Parameter("angle"), 0)
    made.rz(Parameter("bend"), 0)
    if change is not None:
        change(made)
    made.cx(0, 1)
    return made


def unknown(made: QuantumCircuit) -> None:
    made.append(Gate("mystery", 1, []), [1])


def loop(made: QuantumCircuit) -> None:
    with made.if_test((made.clbits[0], True)):
        made.x(1)


ESTIMATOR_CASES: dict[str, tuple[Any, str]] = {
    "unbound": ((circuit(), ZZ), r"angle|parameter"),
    "too few": ((circuit(), ZZ, [0.1]), r"parameter"),
    "too many": ((circuit(), ZZ, [0.1, 0.2, 0.3]), r"parameter"),
    "NaN": ((circuit(), ZZ, [np.nan, 0.2]), r"angle.*(finite|nan)|parameter.*finite"),
    "infinity": ((circuit(), ZZ, [np.inf, 0.2]), r"angle.*(finite|inf)|parameter.*finite"),
    "measurement": ((circuit(lambda c: c.measure(0, 0)), ZZ, POINT), r"measure"),
    "reset": ((circuit(lambda c: c.reset(0)), ZZ, POINT), r"reset"),
    "branch": ((circuit(loop), ZZ, POINT), r"if_else"),
    "unknown gate": ((circuit(unknown), ZZ, POINT), r"mystery"),
    "width": ((circuit(), SparsePauliOp("ZZZ"), POINT), r"observable.*qubits|qubits.*observable"),
    "not Hermitian": ((circuit(), SparsePauliOp(["ZZ"], [1j]), POINT), r"Hermitian|[Oo]bservable.*(complex|imag)"),
    "not finite": ((circuit(), SparsePauliOp(["ZZ"], [np.nan]), POINT), r"observable.*finite"),
}

SAMPLER_CASES: dict[str, tuple[Any, str]] = {
    "unbound": ((circuit().measure_all(inplace=False),), r"angle|parameter"),
    "nothing measured": ((circuit(), POINT), r"measure"),
    "NaN": ((circuit().measure_all(inplace=False), [np.nan, 0.2]), r"angle.*(finite|nan)|parameter.*finite"),
    "too many": ((circuit().measure_all(inplace=False), [0.1, 0.2, 0.3]), r"parameter"),
    "unknown gate": ((circuit(unknown).measure_all(inplace=False), POINT), r"mystery"),
    "shots": ((circuit().measure_all(inplace=False), POINT, 0), r"shots"),
}


def refused(run: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        run().result()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", list(ESTIMATOR_CASES))
@pytest.mark.parametrize("engine", list(ESTIMATORS))
def test_estimators_name_what_is_wrong(engine: str, case: str) -> None:
    pub, text = ESTIMATOR_CASES[case]
    refused(lambda: ESTIMATORS[engine]().run([pub]), text)


@pytest.mark.parametrize("case", list(SAMPLER_CASES))
@pytest.mark.parametrize("engine", list(SAMPLERS))
def test_samplers_name_what_is_wrong(engine: str, case: str) -> None:
    pub, text = SAMPLER_CASES[case]
    refused(lambda: SAMPLERS[engine]().run([pub]), text)


@pytest.mark.parametrize("engine", ["compiled", "noisy"])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda c: c.measure(0, 0), "measure"),
        (lambda c: c.reset(0), "reset"),
        (loop, "if_else"),
    ],
    ids=["measure", "reset", "branch"],
)
def test_samplers_of_final_measurements_name_what_comes_midway(
    engine: str, change: Callable[[QuantumCircuit], object], name: str
) -> None:
    pub = (circuit(change).measure_all(inplace=False), POINT)
    refused(lambda: SAMPLERS[engine]().run([pub]), name)
