"""Refusals of the excited-state solvers in their own words, and their rarer roads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from qiskit import QuantumCircuit

from qalgs.circuits import hardware_efficient, molecule, tfim, xxz
from qalgs.eigengame import ExcitedStates, excited_states, scan, ssvqe, top_eigenvectors
from qalgs.errors import InvalidInputError

CHAIN = tfim(2)


def measured() -> QuantumCircuit:
    circuit = hardware_efficient(2, 1)
    circuit.measure_all()
    return circuit


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "word for k": (lambda: ExcitedStates(k="all"), "k must be a positive integer or 'auto', got 'all'"),
    "auto in parallel": (
        lambda: ExcitedStates(k="auto", window=1.0, schedule="parallel"),
        "k needs method 'eigengame' or 'hotelling' and the sequential schedule, got 'auto'",
    ),
    "window": (lambda: ExcitedStates(k="auto", window=-1.0), "window must be a positive number, got -1.0"),
    "window alone": (lambda: ExcitedStates(k=2, window=1.0), "window must be left out unless k='auto', got 1.0"),
    "warm start": (
        lambda: ExcitedStates(schedule="parallel", warm_start="retreat"),
        "warm_start must be None or 'advance', got 'retreat'",
    ),
    "shift beside penalty": (
        lambda: ExcitedStates(shift=1.0, penalty=2.0),
        "shift must be left out where penalty is a number, got 1.0",
    ),
    "penalty of ssvqe": (
        lambda: ExcitedStates(method="ssvqe", penalty=2.0),
        "penalty must be 'auto': ssvqe has no penalty, got 2.0; use weights",
    ),
    "penalty of auto": (
        lambda: ExcitedStates(k="auto", window=1.0, penalty=2.0),
        "penalty must be 'auto' with k='auto': the window sets the shift, got 2.0",
    ),
    "optimiser": (lambda: ExcitedStates(optimizer=3), "optimizer must be a name or an Optimizer, got 'int'"),  # type: ignore[arg-type]
    "trend": (lambda: ExcitedStates(budget_trend=11.0), "budget_trend must be "),
    "sampler": (
        lambda: ExcitedStates(sampler=3, shots=10).run(CHAIN),
        "sampler must be a V2 sampler, got int; see qalgs.backends",
    ),
    "other width": (
        lambda: ExcitedStates(ansatz=hardware_efficient(3, 1)).run(CHAIN),
        "ansatz must have the Hamiltonian's 2 qubits, got 3",
    ),
    "no parameters": (
        lambda: ExcitedStates(ansatz=QuantumCircuit(2)).run(CHAIN),
        "ansatz must have at least one parameter",
    ),
    "measurement": (
        lambda: ExcitedStates(ansatz=measured()).run(CHAIN),
        "ansatz must not measure or reset",
    ),
    "particles of a chain": (
        lambda: ExcitedStates(ansatz="givens").run(CHAIN),
        "ansatz needs symmetry with N and Sz in blocked Jordan-Wigner order, got 'givens'",
    ),
    "ones of a chain": (
        lambda: ExcitedStates(ansatz="brick_wall").run(CHAIN),
        "ansatz needs symmetry {'M': value}, got 'brick_wall'",
    ),
    "too many levels of a sector": (
        lambda: ssvqe(xxz(2), k=3, symmetry={"M": 0.0}, seed=1),
        "k must be at most the ",
    ),
    "game's slopes": (
        lambda: top_eigenvectors(np.eye(3), 1, gradient="guess"),
        "gradient must be one of ",
    ),
    "game's schedule": (
        lambda: top_eigenvectors(np.eye(3), 1, schedule="random"),
        "schedule must be ",
    ),
    "stagger": (
        lambda: top_eigenvectors(np.eye(3), 1, schedule="parallel", stagger=-1),
        "stagger must ",
    ),
    "block of a scan": (
        lambda: scan("H2", [0.7], ExcitedStates(k=1), block=0),
        "block must be at least 1, got 0",
    ),
    "lengths": (lambda: scan("H2", [], ExcitedStates(k=1)), "lengths must be positive bond lengths in angstrom"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises((InvalidInputError, TypeError), match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_pyscf_molecule_is_taken_as_it_is() -> None:
    gto = pytest.importorskip("pyscf.gto")
    mole = gto.M(atom="H 0 0 0; H 0 0 0.7414", basis="sto-3g", verbose=0)
    found = excited_states(mole, 1, seed=1)
    assert found.energies[0] == pytest.approx(molecule("H2", 0.7414).energies(1)[0], abs=1e-6)
    # f of the ground state with itself vanishes
    assert np.allclose(found.oscillator_strengths(), 0)


def test_strengths_need_a_molecule() -> None:
    found = excited_states(CHAIN, 2, seed=1)
    text = "oscillator strengths need a molecule, got a bare operator; pass the Molecule"
    with pytest.raises(InvalidInputError, match=f"^{text}$"):
        found.oscillator_strengths()


def test_named_ansatz_of_the_hamiltonian() -> None:
    found = excited_states(CHAIN, 1, seed=1, ansatz="hamiltonian_variational")
    assert found.energies[0] == pytest.approx(np.linalg.eigvalsh(CHAIN.to_matrix())[0], abs=1e-5)


def test_a_chain_beyond_dense_solution() -> None:
    """Seven sites: the extremes come from Lanczos, and the shift must still keep the levels apart."""
    h = tfim(7, h=2.0)
    found = excited_states(h, 1, seed=1, ansatz=hardware_efficient(7, 2), restarts=1)
    exact = np.linalg.eigvalsh(h.to_matrix())
    assert exact[0] - 1e-9 <= found.energies[0] <= exact[0] + 0.05 * (exact[-1] - exact[0])


def test_figures_on_given_axes() -> None:
    found = excited_states(CHAIN, 2, seed=1)
    axes = Figure().subplots(1, 2)
    assert found.plot_levels(axes[0]) is axes[0]
    assert found.plot_history(axes[1]) is axes[1]
    assert len(axes[1].get_lines()) >= 4  # two players and two levels
    noisy: Any = excited_states(CHAIN, 1, seed=1, shots=200, budget=5)
    drawn = noisy.plot_levels()
    assert noisy.errors[0] > 0
    assert drawn.containers  # the error bar
