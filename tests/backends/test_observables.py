"""Compiled Pauli sums against Qiskit's matrices, tabulated and block by block."""

from __future__ import annotations

import numpy as np
import pytest
from engine_cases import random_observable
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp

from qalgs.backends import CompiledObservable, compile_observable, observables


@pytest.mark.parametrize("tabulate", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 12])
def test_apply_and_expectation(
    n: int, tabulate: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observables, "TABLE_ENTRIES", 1 << 22 if tabulate else 0)
    for terms in (1, 4, 15):
        operator = random_observable(rng, n, terms) + SparsePauliOp("X" + "I" * (n - 1), 0.3)
        compiled = CompiledObservable(operator)
        states = rng.normal(size=(3, 1 << n)) + 1j * rng.normal(size=(3, 1 << n))
        states /= np.linalg.norm(states, axis=1)[:, None]
        expected = (operator.to_matrix(sparse=True) @ states.T).T
        assert np.abs(compiled.apply(states) - expected).max() < 1e-13
        values = np.einsum("bi,bi->b", states.conj(), expected).real
        assert np.abs(compiled.expectation(states) - values).max() < 1e-13
        if n < 6:
            assert np.linalg.norm(operator.to_matrix(), 2) <= compiled.norm_bound + 1e-12


def test_cached_by_content() -> None:
    first = SparsePauliOp(["ZZ", "XI"], [1.0, 0.5])
    assert compile_observable(first) is compile_observable(first.copy())
    first.coeffs[0] = 2.0
    assert compile_observable(first).norm_bound == 2.5


def test_other_types() -> None:
    assert compile_observable(Pauli("ZX")).norm_bound == 1.0
    assert compile_observable("ZX").num_qubits == 2
    projector = compile_observable(SparseObservable.from_label("0+"))
    assert np.isclose(projector.expectation(np.array([1, 0, 0, 0.0]))[0], 0.5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"observable must be Hermitian, got coefficient .*1j.* of XY"):
        compile_observable(SparsePauliOp(["ZZ", "XY"], [1.0, 1j]))
    with pytest.raises(ValueError, match=r"observable coefficient of ZZ must be a finite number"):
        compile_observable(SparsePauliOp(["ZZ"], [np.nan]))
    with pytest.raises(ValueError, match="observable must be a SparsePauliOp"):
        compile_observable("no Pauli")
    with pytest.raises(ValueError, match=r"states must have shape \(B, 4\) for 2 qubits, got \(1, 8\)"):
        compile_observable("ZZ").expectation(np.zeros(8))
