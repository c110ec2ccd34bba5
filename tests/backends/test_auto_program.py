"""The second engine behind amplitudes: equal to the compiled one in states, derivatives and errors."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import random_circuit, random_observable
from qiskit import QuantumCircuit

from qalgs.backends import Program, ReferenceObservable, ReferenceProgram, compile_circuit, compile_observable
from qalgs.backends.auto_program import REFERENCES, exact_observable, exact_program
from qalgs.errors import InvalidInputError


@pytest.mark.parametrize("engine", REFERENCES)
def test_states_and_derivatives_equal_the_compiled_ones(engine: str, rng: np.random.Generator) -> None:
    for width in (1, 2, 3):
        circuit = random_circuit(rng, width, 8, free=True)
        compiled, reference = compile_circuit(circuit), exact_program(circuit, engine)
        assert isinstance(reference, ReferenceProgram)
        values = rng.normal(size=(2, circuit.num_parameters))
        bras = rng.normal(size=(2, 2**width)) + 1j * rng.normal(size=(2, 2**width))
        assert np.allclose(reference.states(values), compiled.states(values), atol=1e-9)
        assert np.allclose(reference.vjp(values, bras), compiled.vjp(values, bras), atol=1e-8)
        assert np.allclose(reference.states(values[0])[0], compiled.states(values[0])[0], atol=1e-9)


@pytest.mark.parametrize("engine", REFERENCES)
def test_a_circuit_without_parameters_has_no_derivatives(engine: str) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    for program in (exact_program(circuit, engine), compile_circuit(circuit)):
        assert program.vjp(np.empty((3, 0)), np.ones((3, 4))).shape == (3, 0)


def test_a_circuit_without_parameters_has_one_state_for_each_row() -> None:
    circuit = QuantumCircuit(2, global_phase=0.3)
    circuit.h(0)
    circuit.cx(0, 1)
    found = ReferenceProgram(circuit).states(np.empty((3, 0)))
    assert np.allclose(found, np.tile(np.exp(0.3j) * np.array([1, 0, 0, 1]) / np.sqrt(2), (3, 1)), atol=1e-12)


def test_observables_equal_the_compiled_ones(rng: np.random.Generator) -> None:
    operator = random_observable(rng, 3)
    states = rng.normal(size=(2, 8)) + 1j * rng.normal(size=(2, 8))
    ours, theirs = compile_observable(operator), ReferenceObservable(operator)
    assert np.allclose(theirs.apply(states), ours.apply(states), atol=1e-12)
    assert np.allclose(theirs.expectation(states), ours.expectation(states), atol=1e-12)
    assert theirs.norm_bound == ours.norm_bound


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, operator = QuantumCircuit(1), random_observable(np.random.default_rng(0), 1)
    monkeypatch.delenv("QALGS_ENGINE", raising=False)
    assert isinstance(exact_program(circuit), Program)
    monkeypatch.setenv("QALGS_ENGINE", "aer")
    made = exact_program(circuit)
    assert isinstance(made, ReferenceProgram)
    assert exact_program(circuit) is made
    assert isinstance(exact_observable(operator), ReferenceObservable)
    assert isinstance(exact_program(circuit, "compiled"), Program)
    monkeypatch.setenv("QALGS_ENGINE", "lightning")
    assert isinstance(exact_program(circuit), Program)


def test_bad_input_is_named() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.raises(InvalidInputError, match="measure"):
        exact_program(circuit, "aer")
    with pytest.raises(InvalidInputError, match="engine"):
        exact_program(QuantumCircuit(1), "abacus")
    circuit = random_circuit(np.random.default_rng(3), 2, 6, free=True)
    program = exact_program(circuit, "aer")
    with pytest.raises(InvalidInputError, match="finite"):
        program.states(np.full(circuit.num_parameters, np.nan))
    with pytest.raises(InvalidInputError, match="shape"):
        program.states(np.zeros(circuit.num_parameters + 1))
    with pytest.raises(InvalidInputError, match="cotangents"):
        program.vjp(np.zeros(circuit.num_parameters), np.zeros(3))
