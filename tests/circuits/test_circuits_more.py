"""Rarer roads through the circuits, each against linear algebra that knows nothing of it."""

from __future__ import annotations

import itertools
import re
from typing import Any

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from qalgs import circuits
from qalgs.circuits import oracles
from qalgs.circuits.block_encodings_entries import Fable
from qalgs.circuits.block_encodings_lcu import PauliLCU
from qalgs.circuits.fermions import electronic, ladder, to_sparse
from qalgs.circuits.max3cut_encodings import max3cut_encoding
from qalgs.circuits.sectors import find_sector
from qalgs.errors import ConvergenceError, InvalidInputError


@pytest.mark.parametrize("form", ["pauli_frame", "multiplexed"])
def test_fixed_turns_between_free_ones_in_cross_terms(form: str, rng: np.random.Generator) -> None:
    t = ParameterVector("t", 3)
    ansatz = QuantumCircuit(1)
    # Whichever Pauli a branch carries after the first turn, one of the T does not commute with it.
    for k in range(2):
        ansatz.ry(t[k], 0)
        ansatz.rz(0.3, 0)
        ansatz.t(0)
        ansatz.h(0)
        ansatz.t(0)
    ansatz.ry(t[2], 0)
    operator = SparsePauliOp(["X", "Y", "Z"], [0.3, 0.5, 0.7])
    left, right = rng.uniform(-3, 3, (2, 3))
    bra, ket = (Statevector(ansatz.assign_parameters(v)).data for v in (left, right))
    measured = []
    for part in ("real", "imag"):
        circuit = circuits.cross_term_circuit(ansatz, form=form, part=part)
        state = Statevector(circuit.assign_parameters([*left, *right]))
        measured.append(state.expectation_value(circuits.cross_term_observable(operator)).real)
    assert abs(complex(*measured) - np.vdot(bra, operator.to_matrix() @ ket)) < 1e-12


def lowering(mode: int, modes: int) -> np.ndarray:
    """The dense annihilator under Jordan and Wigner, mode 0 being the last factor."""
    total = np.ones((1, 1))
    for k in reversed(range(modes)):
        one = np.array([[0.0, 1.0], [0.0, 0.0]]) if k == mode else np.diag([1.0, -1.0 if k < mode else 1.0])
        total = np.kron(total, one)
    return total


def test_ladders_are_complex_sums_of_paulis() -> None:
    for mode in range(3):
        for create in (True, False):
            dense = lowering(mode, 3).T if create else lowering(mode, 3)
            assert np.allclose(to_sparse(ladder(mode, create), 3).to_matrix(), dense)


def test_sites_with_repulsion_alone_between_electrons() -> None:
    hop, repulsion, m = -0.7, 2.3, 2
    one = np.array([[0.1, hop], [hop, -0.2]])
    two = np.zeros((m, m, m, m))
    for p in range(m):
        two[p, p, p, p] = repulsion
    a = [lowering(k, 2 * m) for k in range(2 * m)]
    dense = 0.5 * np.eye(2 ** (2 * m))
    for p, q, s in itertools.product(range(m), range(m), (0, m)):
        dense += one[p, q] * a[p + s].T @ a[q + s]
    for p in range(m):
        dense += repulsion * a[p].T @ a[p] @ a[p + m].T @ a[p + m]
    assert np.allclose(to_sparse(electronic(0.5, one, two), 2 * m).to_matrix(), dense)


def test_hartree_fock_falls_back_to_newtons_method_or_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scf: Any = pytest.importorskip("pyscf.scf")
    usual = circuits.molecule("LiH").hf_energy
    taken = []
    newton = scf.hf.SCF.newton

    def noted(self: Any) -> Any:
        taken.append(self.converged)
        solver = newton(self)
        solver.max_cycle = 50
        return solver

    monkeypatch.setattr(scf.hf.SCF, "max_cycle", 1)
    monkeypatch.setattr(scf.hf.SCF, "newton", noted)
    assert circuits.molecule("LiH").hf_energy == pytest.approx(usual, abs=1e-8)
    assert taken == [False]
    monkeypatch.setattr(scf.hf.SCF, "newton", lambda self: self)
    monkeypatch.setattr(scf.hf.SCF, "run", lambda self, *args: self, raising=False)
    with pytest.raises(
        ConvergenceError, match=r"^Hartree-Fock did not converge; change the geometry, charge or sp"
    ):
        circuits.molecule("LiH")


def test_a_length_beside_a_geometry_is_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"^bond_length must be left out where the geometry is explicit, got"
    ):
        circuits.molecule("H 0 0 0; H 0 0 0.7", bond_length=0.7)


def test_a_negative_cutoff_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=re.escape("cutoff must be finite and not negative, got -0.1")):
        Fable(np.eye(2), cutoff=-0.1)


@pytest.mark.parametrize("coefficients", [[0.5, -0.3], [-0.5, 0.3], [-0.2, -0.4]])
def test_signs_of_the_identity_among_two_terms(coefficients: list[float]) -> None:
    operator = SparsePauliOp(["ZX", "II"], coefficients)
    encoding = PauliLCU(operator)
    assert encoding.num_ancillas == 1
    assert np.allclose(encoding.block() * encoding.alpha, operator.to_matrix())
    assert encoding.check() < 1e-12


def test_a_penalty_of_ones_own_weighs_infeasible_states() -> None:
    default, chosen = (max3cut_encoding(nx.path_graph(2), "one-hot", penalty=p) for p in (None, 4.0))
    assert (default.penalty, chosen.penalty) == (2.0, 4.0)
    violations = [
        sum((sum(key[3 * v : 3 * v + 3]) - 1) ** 2 for v in (0, 1)) for key in itertools.product((0, 1), repeat=6)
    ]
    extra = np.diag((chosen.cost - default.cost).to_matrix()).real
    assert sorted(extra) == pytest.approx(sorted(2.0 * v for v in violations))


def test_the_table_of_syntheses_starts_anew_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    old = QuantumCircuit(1)
    monkeypatch.setattr(oracles, "_SYNTHESES", dict.fromkeys(range(4097), (old, QuantumCircuit)))
    plain = QuantumCircuit(1)
    plain.x(0)
    gate = oracles.dense_gate(np.array([[0, 1], [1, 0]], dtype=complex), "U", lambda: plain)
    assert len(oracles._SYNTHESES) == 1
    assert oracles.synthesis_of(gate.definition) is plain
    assert oracles.synthesis_of(old) is None


def test_symmetries_of_an_odd_number_of_qubits() -> None:
    ring = SparsePauliOp.from_sparse_list([(s, [k, (k + 1) % 3], 0.5) for s in ("XX", "YY") for k in range(3)], 3)
    for value in (1.5, 0.5, -0.5):
        found, named = (find_sector(ring, {name: value}) for name in ("Sz", "M"))
        assert found.basis.tolist() == named.basis.tolist()
        assert found.basis.tolist() == [k for k in range(8) if 1.5 - k.bit_count() == value]
    with pytest.raises(
        InvalidInputError, match=r"^symmetry must be one of N, Sz, S, M or a Pauli label of 3 letters"
    ):
        find_sector(ring, {"N": 1.0})
