"""Every encoding against its matrix, plain, controlled and adjoint; queries counted in the circuit."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from qalgs.circuits.block_encodings import BlockEncoding, Dilation, Shifted, UserEncoding
from qalgs.circuits.block_encodings_entries import Banded, Fable
from qalgs.circuits.block_encodings_lcu import PauliLCU, PoissonShifts
from qalgs.circuits.oracles import count_queries
from qalgs.errors import InvalidInputError


def hermitian(rng: np.random.Generator, n: int, real: bool = True) -> np.ndarray:
    a = rng.normal(size=(2**n, 2**n)) + (0 if real else 1j) * rng.normal(size=(2**n, 2**n))
    a = a + a.conj().T
    return a / np.linalg.norm(a, 2)


def banded(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    a = hermitian(rng, n)
    i = np.arange(2**n)
    return np.where(np.abs(i[:, None] - i) <= width, a, 0)


def encodings(rng: np.random.Generator) -> dict[str, BlockEncoding]:
    general = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    return {
        "dilation": Dilation(hermitian(rng, 2, real=False)),
        "dilation-general": Dilation(general),
        "pauli": PauliLCU(hermitian(rng, 2, real=False)),
        "pauli-general": PauliLCU(general),
        "fable": Fable(hermitian(rng, 2)),
        "fable-general": Fable(rng.normal(size=(4, 4))),
        "fable-cut": Fable(hermitian(rng, 3), cutoff=0.05),
        "banded": Banded(banded(rng, 2, 1)),
        "banded-5": Banded(banded(rng, 2, 3)),
        "diagonal": Banded(np.diag(rng.normal(size=4))),
        "poisson-1": PoissonShifts([3]),
        "poisson-2": PoissonShifts([1, 2], scale=7.5),
        "poisson-3": PoissonShifts([1, 1, 1]),
        "shifted": Shifted(Dilation(hermitian(rng, 2)), 3.7),
        "shifted-complex": Shifted(Dilation(hermitian(rng, 2)), 0.8, phase=1j),
        "shifted-pauli": Shifted(PauliLCU(hermitian(rng, 1)), 0.3),
        "shifted-twice": Shifted(Shifted(Dilation(hermitian(rng, 1)), 2.0), 0.5),
        "shifted-poisson": Shifted(PoissonShifts([2]), 5.0),
    }


NAMES = list(encodings(np.random.default_rng(0)))


@pytest.mark.parametrize("name", NAMES)
def test_block_unitarity_controlled_and_adjoint(name: str, rng: np.random.Generator) -> None:
    be = encodings(rng)[name]
    assert be.check(1e-10) <= 1e-10
    size = 2**be.num_system
    u = np.asarray(Operator(be.circuit()).data)
    np.testing.assert_allclose(u[:size, :size] * be.alpha, be.matrix, atol=1e-10 * be.alpha)
    np.testing.assert_allclose(u @ u.conj().T, np.eye(len(u)), atol=1e-10)
    assert be.alpha >= np.linalg.norm(be.matrix, 2) * (1 - 1e-12)
    if be.hermitian:
        np.testing.assert_allclose(u, u.conj().T, atol=1e-10)
    controlled = np.asarray(Operator(be.controlled_circuit()).data)
    np.testing.assert_allclose(controlled[: len(u), : len(u)], np.eye(len(u)), atol=1e-10)
    np.testing.assert_allclose(controlled[len(u) :, len(u) :], u, atol=1e-10)
    for dense in (False, True):
        for adjoint in (False, True) if be.num_qubits < 7 else (dense,):
            circuit = QuantumCircuit(be.num_qubits + 1)
            wires = list(range(be.num_qubits))
            be.append(
                circuit,
                wires[: be.num_system],
                wires[be.num_system :],
                adjoint=adjoint,
                control=be.num_qubits,
                dense=dense,
            )
            got = np.asarray(Operator(circuit).data)[len(u) :, len(u) :]
            np.testing.assert_allclose(got, u.conj().T if adjoint else u, atol=1e-10)
            assert count_queries(circuit) == {"U_A": 1, "U_b": 0}


def test_hermitian_matrices_give_reflections(rng: np.random.Generator) -> None:
    found = encodings(rng)
    assert all(
        found[name].hermitian
        for name in ("dilation", "pauli", "fable", "banded", "poisson-3", "shifted", "shifted-twice")
    )
    assert not any(found[name].hermitian for name in ("dilation-general", "fable-general", "shifted-complex"))


def test_stated_alphas(rng: np.random.Generator) -> None:
    a = hermitian(rng, 3)
    assert Dilation(a).alpha == 1.0
    assert Fable(a).alpha == pytest.approx(8 * np.abs(a).max())
    assert PoissonShifts([2, 3]).alpha == 8.0
    assert Shifted(PoissonShifts([2]), 0.5).alpha == 3.0
    t = 2 * np.eye(8) - np.eye(8, k=1) - np.eye(8, k=-1)
    assert Banded(t).alpha == pytest.approx(4.0)
    pauli = PauliLCU(a)
    assert pauli.alpha == pytest.approx(np.abs(pauli.terms.coeffs).sum())


def test_gate_counts_are_those_of_the_circuit() -> None:
    counts = PoissonShifts([3]).gate_counts()
    assert counts["cx"] > 0
    assert counts["depth"] > 0
    assert Fable(np.ones((4, 4)) + np.eye(4)).gate_counts()["cx"] <= 16 + 6


def test_fable_compression_saves_gates(rng: np.random.Generator) -> None:
    x = np.linspace(0, 1, 8)
    smooth = np.exp(-np.abs(x[:, None] - x))
    exact, cut = Fable(smooth), Fable(smooth, cutoff=0.02)
    assert cut.gate_counts()["cx"] < exact.gate_counts()["cx"]
    assert np.count_nonzero(cut.steps) < np.count_nonzero(exact.steps) / 2
    assert np.abs(cut.matrix - smooth).max() < 0.2


def test_user_encoding_with_wrong_alpha_names_the_right_one(rng: np.random.Generator) -> None:
    good = PauliLCU(hermitian(rng, 1))
    assert UserEncoding(good.circuit(), good.matrix, good.alpha).hermitian
    with pytest.raises(InvalidInputError, match=f"alpha = {good.alpha:.6g}"):
        UserEncoding(good.circuit(), good.matrix, 2 * good.alpha)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Dilation(np.ones((2, 3))), "square"),
        (lambda: Dilation(np.eye(3)), "2\\*\\*n rows"),
        (lambda: Dilation(np.array([[np.nan, 0], [0, 1]])), "finite"),
        (lambda: Dilation(np.eye(2), alpha=0.5), "at least the norm"),
        (lambda: Shifted(Dilation(np.eye(2)), -1.0), "eta must be finite and above zero, got -1.0"),
        (lambda: Fable(1j * np.eye(2)), "must be real"),
        (lambda: Banded([[0, 1], [2, 0]]), "symmetric"),
        (lambda: PoissonShifts([]), "one to three"),
        (lambda: PauliLCU(np.zeros((2, 2))), "must not vanish"),
    ],
)
def test_bad_input(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]
