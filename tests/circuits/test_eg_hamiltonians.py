"""Ansätze, Hamiltonians, molecules and sectors against independent constructions."""

from __future__ import annotations

import math
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

from qalgs.circuits import (
    find_sector,
    hamiltonian_variational,
    hardware_efficient,
    heisenberg,
    magnetization_conserving,
    max_cut,
    molecule,
    particle_conserving,
    qaoa,
    read_qasm3,
    tfim,
    xxz,
)
from qalgs.circuits.sectors import block, fermionic_operators
from qalgs.errors import InfeasibleError, InvalidInputError

X, Y, Z = (SparsePauliOp(p).to_matrix() for p in "XYZ")


def at(matrix: np.ndarray, qubit: int, n: int) -> np.ndarray:
    return np.kron(np.kron(np.eye(2 ** (n - 1 - qubit)), matrix), np.eye(2**qubit))


@pytest.mark.parametrize("periodic", [False, True])
def test_chains_equal_kronecker_products(periodic: bool) -> None:
    n, j, h, delta = 4, 0.7, 0.3, 1.4
    bonds = [(i, (i + 1) % n) for i in range(n if periodic else n - 1)]
    ising = -sum(j * at(Z, a, n) @ at(Z, b, n) for a, b in bonds) - sum(h * at(X, i, n) for i in range(n))
    chain = sum(j * (at(X, a, n) @ at(X, b, n) + at(Y, a, n) @ at(Y, b, n)) for a, b in bonds)
    chain = (
        chain
        + sum(j * delta * at(Z, a, n) @ at(Z, b, n) for a, b in bonds)
        + sum(h * at(Z, i, n) for i in range(n))
    )
    np.testing.assert_allclose(tfim(n, j, h, periodic).to_matrix(), ising, atol=1e-14)
    np.testing.assert_allclose(xxz(n, j, delta, h, periodic).to_matrix(), chain, atol=1e-14)


def test_energy_of_a_bit_string_is_minus_its_cut(rng: np.random.Generator) -> None:
    graph = nx.gnp_random_graph(6, 0.6, seed=4)
    for u, v in graph.edges:
        graph[u][v]["weight"] = float(rng.normal())
    diagonal = max_cut(graph).to_matrix().diagonal().real
    for bits in rng.integers(0, 64, 10):
        cut = sum(d["weight"] for u, v, d in graph.edges(data=True) if (bits >> u & 1) != (bits >> v & 1))
        assert diagonal[bits] == pytest.approx(-cut, abs=1e-12)


def test_qaoa_is_alternating_exponentials() -> None:
    cost = max_cut(nx.cycle_graph(3))
    circuit = qaoa(cost, reps=2)
    betas, gammas = [0.3, -0.4], [0.7, 0.2]
    values = [{"β": betas, "γ": gammas}[p.vector.name][p.index] for p in circuit.parameters]
    state = np.full(8, 8**-0.5, dtype=complex)
    energies = cost.to_matrix().diagonal().real
    for beta, gamma in zip(betas, gammas, strict=True):
        state = np.exp(-1j * gamma * energies) * state
        rotation = math.cos(beta) * np.eye(2) - 1j * math.sin(beta) * X
        state = np.kron(np.kron(rotation, rotation), rotation) @ state
    built = Statevector(circuit.assign_parameters(values)).data
    assert abs(np.vdot(state, built)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("rotations", "layers"), [("ry", 1), (("ry", "rz"), 2)])
def test_hardware_efficient_counts_and_reality(
    rotations: str | tuple[str, ...], layers: int, rng: np.random.Generator
) -> None:
    circuit = hardware_efficient(3, 2, rotations=rotations)
    assert circuit.num_parameters == 9 * layers
    state = Statevector(circuit.assign_parameters(rng.normal(size=circuit.num_parameters))).data
    assert (np.abs(state.imag).max() < 1e-14) == (layers == 1)
    assert hardware_efficient(1, 2).num_parameters == 3


def test_hamiltonian_variational_layer_is_the_product_of_exponentials() -> None:
    from scipy.linalg import expm

    h = tfim(3, 1.0, 0.6)
    circuit = hamiltonian_variational(h)
    assert circuit.num_parameters == 2
    groups = h.group_commuting()
    state = np.full(8, 8**-0.5, dtype=complex)
    for angle, group in zip((0.4, 0.9), groups, strict=True):
        state = expm(-1j * angle * group.to_matrix()) @ state
    built = Statevector(circuit.assign_parameters([0.4, 0.9])).data
    assert abs(np.vdot(state, built)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("kind", ["givens", "kupccgsd"])
def test_particle_conserving_states_stay_in_the_sector_and_are_real(kind: str, rng: np.random.Generator) -> None:
    circuit = particle_conserving(3, (2, 1), kind=kind)
    state = Statevector(circuit.assign_parameters(rng.uniform(-3, 3, circuit.num_parameters))).data
    operators = fermionic_operators(6)
    for name, value in (("N", 3.0), ("Sz", 0.5)):
        image = operators[name].to_matrix() @ state
        np.testing.assert_allclose(image, value * state, atol=1e-12)
    assert np.abs(state.imag).max() < 1e-12


def test_double_excitation_is_one_plane_rotation() -> None:
    circuit = particle_conserving(2, (1, 1))
    from qiskit import QuantumCircuit

    from qalgs.circuits.particles import double_excitation

    gate = QuantumCircuit(4)
    double_excitation(gate, 0.7, 0, 1, 2, 3)
    expected = np.eye(16, dtype=complex)
    c, s = math.cos(0.35), math.sin(0.35)
    expected[0b0011, 0b0011] = expected[0b1100, 0b1100] = c
    expected[0b0011, 0b1100], expected[0b1100, 0b0011] = s, -s
    np.testing.assert_allclose(Operator(gate).data, expected, atol=1e-12)
    assert circuit.metadata == {"shift_rule": "givens"}


def test_brick_wall_reaches_beyond_free_fermions_in_its_sector(rng: np.random.Generator) -> None:
    circuit = magnetization_conserving(4, 2, 3)
    states = np.array(
        [
            Statevector(circuit.assign_parameters(rng.uniform(-3, 3, circuit.num_parameters))).data
            for _ in range(40)
        ]
    )
    ones = np.bitwise_count(np.arange(16)) == 2
    assert np.abs(states[:, ~ones]).max() < 1e-12
    assert np.linalg.matrix_rank(states) == 6


# PennyLane's Hartree-Fock stops at 1e-8, so total energies agree to about 1e-7.
@pytest.mark.parametrize("name", ["HeH+", "H3+"])
def test_two_quantum_chemistry_routes_agree(name: str) -> None:
    a, b = molecule(name), molecule(name, route="pennylane")
    assert a.hf_energy == pytest.approx(b.hf_energy, abs=1e-6)
    np.testing.assert_allclose(a.energies(4), b.energies(4), atol=1e-6)


def test_molecular_spectrum_equals_full_configuration_interaction() -> None:
    from pyscf import fci, gto, scf

    found = molecule("LiH", 1.6, active_electrons=2, active_orbitals=4)
    one, two = found.integrals.one, found.integrals.two
    solver = fci.direct_spin1.FCI()
    energies, _ = solver.kernel(one, two, 4, (1, 1), nroots=6, ecore=found.core_energy)
    np.testing.assert_allclose(found.energies(6), energies, atol=1e-8)
    mean_field = scf.RHF(gto.M(atom="Li 0 0 0; H 0 0 1.6", basis="sto-3g", verbose=0)).run()
    assert found.hf_energy == pytest.approx(mean_field.e_tot, abs=1e-9)


@pytest.mark.parametrize("name", ["H2", "H4"])
def test_parity_mapping_keeps_the_sector(name: str) -> None:
    a, b = molecule(name), molecule(name, mapping="parity")
    assert b.num_qubits == a.num_qubits - 2
    np.testing.assert_allclose(a.energies(3), b.energies(3), atol=1e-10)
    for found in (a, b):
        bits = found.hf_bits
        matrix = block(found.hamiltonian, np.array([bits]))
        assert matrix.toarray()[0, 0] == pytest.approx(found.hf_energy, abs=1e-9)
        state = Statevector(found.hartree_fock())
        assert abs(state.data[bits]) == pytest.approx(1.0)


def test_published_two_qubit_hydrogen() -> None:
    electronic = molecule("H2", 0.735, mapping="parity")
    levels = electronic.energies(4) - electronic.nuclear_repulsion
    np.testing.assert_allclose(levels, [-1.8573, -1.2446, -0.8827, -0.2249], atol=6e-5)


def test_singlets_and_triplets_split_the_sector() -> None:
    h2 = molecule("H2")
    everything = h2.energies(4)
    singlets, triplets = h2.energies(3, {"N": 2, "Sz": 0, "S": 0}), h2.energies(1, {"N": 2, "Sz": 0, "S": 1})
    np.testing.assert_allclose(np.sort(np.concatenate([singlets, triplets])), everything, atol=1e-10)
    assert triplets[0] == pytest.approx(everything[1])


def test_sector_levels_equal_projected_dense_matrix() -> None:
    h = heisenberg(6)
    sector = find_sector(h, {"M": 1})
    keep = np.bitwise_count(np.arange(64)) == 2
    expected = np.linalg.eigvalsh(h.to_matrix()[np.ix_(keep, keep)])
    np.testing.assert_allclose(sector.energies(h, 15), expected, atol=1e-10)
    assert sector.dimension == 15
    assert find_sector(h, {"Sz": 1}).dimension == 15
    flip = find_sector(tfim(4), {"XXXX": -1})
    assert flip.dimension == 8


def test_interleaved_operators_are_recognised() -> None:
    import pennylane as qp

    from qalgs.eigengame.problem import as_operator

    coordinates = np.array([[0, 0, 0], [0, 0, 1.4]])
    h, _ = qp.qchem.molecular_hamiltonian(qp.qchem.Molecule(["H", "H"], coordinates))
    operator, _ = as_operator(h)
    levels = find_sector(operator, {"N": 2, "Sz": 0}).energies(operator, 4)
    np.testing.assert_allclose(levels, molecule("H2", 1.4 / 1.8897261246257702).energies(4), atol=1e-6)


def test_qasm3_round_trip_and_errors(tmp_path: Path) -> None:
    text = 'OPENQASM 3.0; include "stdgates.inc"; input float[64] a; qubit[2] q; bit[2] c;'
    text += "ry(2*a) q[0]; cx q[0], q[1]; c = measure q;"
    circuit = read_qasm3(text)
    assert [p.name for p in circuit.parameters] == ["a"]
    assert circuit.count_ops().get("measure", 0) == 0
    path = tmp_path / "ansatz.qasm"
    path.write_text(text)
    assert read_qasm3(path).assign_parameters([0.3]) == circuit.assign_parameters([0.3])
    with pytest.raises(InvalidInputError, match=r"1,12: gate .nonsense. is not defined"):
        read_qasm3("OPENQASM 3; nonsense here;")
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_qasm3(tmp_path / "absent.qasm")
    with pytest.raises(InvalidInputError, match="must be unitary"):
        read_qasm3("OPENQASM 3; qubit[1] q; reset q[0];")
    with pytest.raises(InvalidInputError, match="no qubit"):
        read_qasm3("OPENQASM 3; bit[1] c;")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hardware_efficient(0), "num_qubits must be an integer of at least 1, got 0"),
        (lambda: hardware_efficient(2, -1), "reps must be"),
        (lambda: hardware_efficient(2, 1, "ring"), "entanglement must be one of"),
        (lambda: hardware_efficient(2, 1, [(0, 2)]), "pairs of different qubits below 2"),
        (lambda: hardware_efficient(2, rotations="u"), "rotations must be"),
        (lambda: tfim(1), "n must be an integer of at least 2"),
        (lambda: tfim(3, float("nan")), "j must be a finite real number"),
        (lambda: max_cut(nx.DiGraph([(0, 1)])), "undirected"),
        (lambda: max_cut(nx.empty_graph(3)), "at least one edge"),
        (lambda: qaoa(SparsePauliOp("II")), "besides the identity"),
        (lambda: molecule("Xy2"), "geometry must be one of H2"),
        (lambda: molecule("H2", -1.0), "bond_length must be positive"),
        (lambda: molecule("H 0 0 0; Q 0 0 1"), "element must be a chemical symbol"),
        (lambda: molecule("H 0 0 0; H 0 0 0"), "two atoms in one place"),
        (lambda: molecule("H2", basis="nonsense"), "basis must be"),
        (lambda: molecule("H2", spin=1), "spin must have the parity"),
        (lambda: molecule("LiH", active_electrons=3), "active_electrons must freeze an even number"),
        (lambda: molecule("LiH", active_electrons=2, active_orbitals=9), "active_orbitals must be between"),
        (lambda: molecule("H2", mapping="bravyi"), "mapping must be one of"),
        (lambda: particle_conserving(2, (3, 0)), "num_particles must be"),
        (lambda: particle_conserving(2, (2, 2)), "something to do"),
        (lambda: find_sector(tfim(4), {"M": 0}), "must be conserved"),
        (lambda: find_sector(tfim(4), {"spin": 0}), "must be one of N, Sz, S, M"),
    ],
)
def test_bad_input_is_one_clear_line(call: object, text: str) -> None:
    assert callable(call)
    with pytest.raises(InvalidInputError, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_impossible_sector_is_infeasible() -> None:
    with pytest.raises(InfeasibleError, match="no state"):
        find_sector(heisenberg(4), {"M": 5})
