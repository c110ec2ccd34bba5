"""Refusals in their own words, and the rarer roads through the circuits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from math import inf, nan

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

from qalgs import circuits
from qalgs.circuits import block_encodings as be
from qalgs.circuits.block_encodings_entries import Fable
from qalgs.circuits.block_encodings_lcu import PauliLCU, PoissonShifts
from qalgs.circuits.cross_terms import zero_projector
from qalgs.circuits.fermions import constant, ladder, taper
from qalgs.circuits.max3cut_encodings import max3cut_encoding
from qalgs.circuits.max3cut_mixers import warm_amplitudes
from qalgs.circuits.max3cut_qaoa import max3cut_qaoa
from qalgs.circuits.oracles import controlled_last, controlled_matrix, count_queries, oracle_gate
from qalgs.circuits.particles import excitations
from qalgs.circuits.qsvt import append_qsvt, flip_zero
from qalgs.circuits.sectors import block, find_sector
from qalgs.circuits.state_preparation import preparation_template
from qalgs.errors import InvalidInputError

PATH = nx.path_graph(3)
Z2, X = SparsePauliOp("ZZ"), np.array([[0.0, 1.0], [1.0, 0.0]])


def refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


def walsh(name: str) -> QuantumCircuit:
    circuit = QuantumCircuit(2, name=name)
    circuit.h([0, 1])
    return circuit


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "entangler": (
        lambda: circuits.hardware_efficient(2, 1, entangler="cy"),
        "entangler must be one of ",
    ),
    "pairs": (
        lambda: circuits.hardware_efficient(2, 1, entanglement=[(0, 2)]),
        "entanglement must be pairs of different qubits below 2, got [(0, 2)]",
    ),
    "identity alone": (
        lambda: circuits.hamiltonian_variational(SparsePauliOp("II")),
        "hamiltonian must have a term besides the identity",
    ),
    "not Hermitian": (
        lambda: circuits.hamiltonian_variational(SparsePauliOp("ZZ", 1j)),
        "hamiltonian must be Hermitian (real coefficients)",
    ),
    "start of other width": (
        lambda: circuits.hamiltonian_variational(Z2, initial_state=QuantumCircuit(3)),
        "initial_state must ",
    ),
    "givens kind": (
        lambda: circuits.particle_conserving(2, (1, 1), kind="uccsd"),
        "kind must be 'givens' or 'kupccgsd', got 'uccsd'",
    ),
    "all ones": (
        lambda: circuits.magnetization_conserving(3, 3),
        "num_ones must be between 1 and num_qubits - 1 = 2, got 3",
    ),
    "cost type": (
        lambda: circuits.qaoa(np.eye(2), 1),
        "cost must be a SparsePauliOp, got 'ndarray'; see qalgs.circuits.max_cut",
    ),
    "cost complex": (
        lambda: circuits.qaoa(SparsePauliOp("Z", 1j), 1),
        "cost must have finite real coefficients",
    ),
    "no edge": (
        lambda: max3cut_qaoa(max3cut_encoding(nx.empty_graph(2))),
        "graph must have an edge with a non-zero weight, got 'no weighted edge'",
    ),
    "mixer": (
        lambda: max3cut_qaoa(max3cut_encoding(PATH), mixer="z"),  # type: ignore[arg-type]
        "mixer must be 'xy' or 'x', got 'z'",
    ),
    "folded codes": (
        lambda: max3cut_qaoa(max3cut_encoding(PATH, "binary-folded"), mixer="xy"),
        "mixer must be 'x' for folded codes, got 'xy'; use encoding='binary'",
    ),
    "bias": (
        lambda: warm_amplitudes(2, np.array([0, 1], dtype=np.int8), 0.2),
        "bias must be at least 1/3 and below 1, got 0.2",
    ),
    "qutrit penalty": (
        lambda: max3cut_encoding(PATH, "qutrit").penalty_operator,
        "encoding must be on qubits, got 'qutrit'; qutrits have no infeasible states",
    ),
    "label": (
        lambda: max3cut_encoding(PATH).index(np.array([0, 3, 1], dtype=np.int8)),
        "labels must be 0, 1 or 2, got 3",
    ),
    "directed": (
        lambda: max3cut_encoding(nx.DiGraph([(0, 1)])),
        "graph must be an undirected networkx graph without parallel edges, got 'DiGraph'",
    ),
    "penalty": (
        lambda: max3cut_encoding(PATH, penalty=nan),
        "penalty must be a finite number of at least 0, got nan",
    ),
    "mapping": (
        lambda: circuits.molecule("H2", route="psi4"),
        "route must be 'pyscf' or 'pennylane', got 'psi4'",
    ),
    "too many electrons": (
        lambda: circuits.molecule("H 0 0 0", charge=-2),
        "basis must have at least 2 orbitals for these electrons, got 'sto-3g'; use a larger basis",
    ),
    "too many electrons for PennyLane": (
        lambda: circuits.molecule("H 0 0 0", charge=-3, route="pennylane"),
        "basis must have at least 2 orbitals for these electrons, got 'sto-3g'; use a larger basis",
    ),
    "parity of one orbital": (
        lambda: circuits.molecule("H2", active_electrons=2, active_orbitals=1, mapping="parity"),
        "mapping must be 'jordan_wigner' for a single active orbital, got 'parity'",
    ),
    "infinite place": (
        lambda: circuits.molecule([("H", (0, 0, 0)), ("H", (0, 0, inf))]),
        "geometry must give finite coordinates for H, got [0, 0, inf]",
    ),
    "no atoms": (lambda: circuits.molecule([]), "geometry must have at least one atom, got []"),
    "open shell": (
        lambda: circuits.molecule("H 0 0 0; H 0 0 1", spin=2, route="pennylane"),
        "spin must be 0 for route='pennylane', got 2; use route='pyscf'",
    ),
    "unpaired electrons": (
        lambda: circuits.molecule("H 0 0 0; H 0 0 1; H 0 0 2", spin=3, active_electrons=1, active_orbitals=2),
        "active_electrons must ",
    ),
    "dense unitary": (
        lambda: PoissonShifts([6, 6]).unitary,
        "num_qubits must be at most 13 for a dense unitary, got ",
    ),
    "few qubits": (
        lambda: be.UserEncoding(QuantumCircuit(1), np.eye(4), 1.0),
        "circuit must have at least 2 qubits, got 1",
    ),
    "alpha": (
        lambda: be.UserEncoding(QuantumCircuit(1), np.eye(2), 0.0),
        "alpha must be finite and above zero, got 0.0",
    ),
    "shift's phase": (
        lambda: be.Shifted(be.Dilation(X), 0.5, phase=2.0),
        "phase must be 1 or 1j, got 2.0",
    ),
    "zero matrix": (lambda: Fable(np.zeros((2, 2))), "matrix must not vanish, got 'zero'"),
    "grid's scale": (
        lambda: PoissonShifts([1], scale=0.0),
        "scale must be finite and above zero, got 0.0",
    ),
    "part": (
        lambda: circuits.cross_term_circuit(circuits.hardware_efficient(2, 1), part="abs"),
        "part must be one of real, imag, got 'abs'",
    ),
    "projector": (
        lambda: zero_projector(13),
        "num_qubits must be at most 12 for the projector as Paulis, got 13",
    ),
    "one phase": (
        lambda: append_qsvt(QuantumCircuit(3), be.Dilation(X), [0.1], system=[0], ancillas=[1], signal=2),
        "phases must hold at least two phases, got 1",
    ),
    "even degree": (
        lambda: append_qsvt(
            QuantumCircuit(4), be.Dilation(X), [0.1] * 3, system=[0], ancillas=[1], signal=2, control=3
        ),
        "phases must be of odd degree to be controlled, got 2",
    ),
    "measured ansatz": (
        lambda: circuits.rotation_form(_measured()),
        "ansatz contains 'reset', which is not a unitary gate; remove it",
    ),
    "vector's length": (
        lambda: preparation_template(2, real=True).angles([1.0, 0.0]),
        "vector must have shape (4,), got (2,)",
    ),
    "no qubit": (lambda: preparation_template(0, real=True), "num_qubits must be at least 1, got 0"),
    "too many levels": (
        lambda: find_sector(Z2, {"M": 1.0}).eigenstates(Z2, 2),
        "k must be at most the dimension of the sector, 1, got 2; reduce k",
    ),
}


def _measured() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.reset(0)
    return circuit


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    refused(*REFUSED[name])


def test_barriers_are_no_part_of_an_ansatz() -> None:
    plain = circuits.hardware_efficient(2, 1)
    parted = plain.copy_empty_like()
    for item in plain.data:
        parted.append(item)
        parted.barrier()
    values = np.linspace(0.1, 1.0, plain.num_parameters)
    one, other = circuits.rotation_form(plain), circuits.rotation_form(parted)
    assert np.array_equal(one.angles(values), other.angles(values))


def test_pairs_and_a_start_of_ones_own(rng: np.random.Generator) -> None:
    chosen = circuits.hardware_efficient(3, 2, entanglement=[(2, 0)])
    assert {tuple(chosen.find_bit(q).index for q in i.qubits) for i in chosen.data if len(i.qubits) == 2} == {
        (2, 0)
    }
    start = QuantumCircuit(2)
    start.x(0)
    hamiltonian = SparsePauliOp(["XX", "ZI"], [0.7, 0.2])
    found = circuits.hamiltonian_variational(hamiltonian, initial_state=start)
    angles = rng.normal(size=found.num_parameters)
    assert Statevector(found.assign_parameters(np.zeros(found.num_parameters))).probabilities_dict() == {"01": 1.0}
    assert abs(np.vdot(Statevector(found.assign_parameters(angles)).data, [0, 0, 0, 1])) < 1e-12  # parity is kept


@pytest.mark.parametrize("generalized", [True, False])
@pytest.mark.parametrize("doubles", ["all", "paired", "none"])
def test_excitations_are_those_of_the_definition(doubles: str, generalized: bool) -> None:
    m, occupied = 4, (2, 1)
    found = excitations(m, doubles=doubles, generalized=generalized, occupied=occupied)

    def lower(p: int) -> bool:
        return p % m < occupied[p // m]

    def allowed(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        spins = sorted(p // m for p in one) == sorted(p // m for p in other)
        down = all(map(lower, one)) and not any(map(lower, other))
        return spins and not set(one) & set(other) and (generalized or down)

    singles = {((p,), (q,)) for p, q in itertools.combinations(range(2 * m), 2) if allowed((p,), (q,))}
    assert {e for e in found if len(e[0]) == 1} == singles
    pairs = list(itertools.combinations(range(2 * m), 2))
    if doubles == "none":
        wanted: set[frozenset[frozenset[int]]] = set()
    elif doubles == "paired":
        both = [(p, p + m) for p in range(m)]
        wanted = {
            frozenset(map(frozenset, (a, b)))
            for a, b in itertools.combinations(both, 2)
            if generalized or (a[0] < min(occupied) <= b[0])
        }
    else:
        wanted = {frozenset(map(frozenset, (a, b))) for a in pairs for b in pairs if allowed(a, b)}
        if generalized:  # opposite spins move between different orbitals each
            wanted = {e for e in wanted if _moves_every_spin(e, m)}
    assert {frozenset(map(frozenset, e)) for e in found if len(e[0]) == 2} == wanted


def _moves_every_spin(excitation: frozenset[frozenset[int]], m: int) -> bool:
    one, other = excitation
    return {p % m + m * (p // m) for p in one}.isdisjoint(other)


def test_a_ring_of_sites_keeps_the_number_of_ones(rng: np.random.Generator) -> None:
    chain, ring = (circuits.magnetization_conserving(4, 2, periodic=p) for p in (False, True))
    assert (chain.num_parameters, ring.num_parameters) == (3, 4)
    state = Statevector(ring.assign_parameters(rng.normal(size=4)))
    assert all(key.count("1") == 2 for key, p in state.probabilities_dict().items() if p > 1e-12)


def test_a_sector_without_matrix_elements_and_one_of_complex_ones() -> None:
    empty = block(SparsePauliOp("XI"), np.array([0, 1], dtype=np.int64))
    assert empty.shape == (2, 2)
    assert empty.nnz == 0
    basis = np.arange(4, dtype=np.int64)
    mixed = SparsePauliOp(["XY", "YZ"], [0.3, 0.4])
    assert np.allclose(block(mixed, basis).toarray(), mixed.to_matrix())


def test_a_large_sector_is_solved_by_lanczos() -> None:
    n = 11
    h = circuits.tfim(n, h=0.0) + circuits.sectors.magnetization(n) * 0.1
    sector = find_sector(h)
    assert sector.dimension == 2**n
    assert np.allclose(sector.energies(h, 1), np.sort(h.to_matrix(sparse=True).diagonal().real)[:1])


def test_tapering_needs_a_conserved_qubit() -> None:
    with pytest.raises(ValueError, match=r"^qubit 0 is not conserved by the operator$"):
        taper(ladder(0, True), 0, 1)
    x, z, c = taper(constant(2.0), 0, -1)
    assert (x.tolist(), z.tolist(), c.tolist()) == ([0], [0], [2.0])


def test_calls_are_counted_inside_gates_under_controls_and_beside_opaque_ones() -> None:
    call = oracle_gate(walsh("A"), "U_A")
    inner = QuantumCircuit(2)
    inner.append(call, [0, 1])
    inner.append(oracle_gate(walsh("A").inverse(), "U_A", adjoint=True), [0, 1])
    outer = QuantumCircuit(3)
    outer.append(inner.to_gate(), [0, 1])
    outer.append(call.control(1), [2, 0, 1])
    outer.measure_all()
    assert count_queries(outer, ("U_A",)) == {"U_A": 3}


def test_flags_of_none_and_of_several(rng: np.random.Generator) -> None:
    for size, controls in ((1, ()), (3, ()), (2, (2,))):
        circuit = QuantumCircuit(size + len(controls))
        flip_zero(circuit, list(range(size)), controls)
        diagonal = np.diag(Operator(circuit).data)
        expected = np.ones(2**circuit.num_qubits)
        expected[sum(1 << c for c in controls)] = -1
        assert np.allclose(diagonal, expected)


def test_encodings_made_of_an_operator_count_their_gates_once(rng: np.random.Generator) -> None:
    operator = SparsePauliOp(["XI", "ZZ", "II"], [0.5, -0.3, 0.2])
    encoding = PauliLCU(operator)
    assert np.allclose(encoding.block() * encoding.alpha, operator.to_matrix())
    first = encoding.gate_counts()
    first["cx"] = -1
    assert encoding.gate_counts()["cx"] > 0
    for sign in (1.0, -1.0):
        one = PauliLCU(SparsePauliOp("ZX", sign))
        assert np.allclose(one.block() * one.alpha, sign * SparsePauliOp("ZX").to_matrix())
        qubits = one.num_qubits
        whole: npt.NDArray[np.complex128] = Operator(one.controlled_circuit()).data
        assert np.allclose(whole, controlled_matrix(Operator(one.circuit()).data))
        assert whole.shape == (2 ** (qubits + 1),) * 2


def test_controlled_circuits_put_the_control_last() -> None:
    circuit = walsh("h")
    found = Operator(controlled_last(circuit)).data
    assert np.allclose(found, controlled_matrix(Operator(circuit).data))


def test_templates_without_angles() -> None:
    template = preparation_template(1, real=True)
    assert np.allclose(Statevector(template.bound([3.0, -4.0])).data, [0.6, -0.8])
