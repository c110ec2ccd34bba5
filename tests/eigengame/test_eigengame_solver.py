"""Excited states against exact diagonalisation; invariances, collapse, warnings, bad input."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits import hardware_efficient, heisenberg, molecule, tfim
from qalgs.eigengame import (
    ExcitedStates,
    ExcitedStatesResult,
    Finished,
    LevelFound,
    Progress,
    RoundDone,
    excited_states,
    window_states,
)
from qalgs.errors import InvalidInputError, QalgsWarning
from qalgs.optimizers import Adam
from qalgs.results import Status

H2 = molecule("H2", 0.735)
H2_PARITY = molecule("H2", 0.735, mapping="parity")


@pytest.fixture(scope="module")
def hydrogen() -> ExcitedStatesResult:
    return ExcitedStates(k=4, seed=3).run(H2)


@pytest.mark.parametrize("method", ["eigengame", "hotelling", "vqd", "ssvqe"])
def test_hydrogen_by_every_method(method: str) -> None:
    result = ExcitedStates(k=4, method=method, seed=1).run(H2)
    np.testing.assert_allclose(result.energies, H2.energies(4), atol=1e-6)
    assert result.status is Status.CONVERGED
    np.testing.assert_allclose(result.leakages, 0, atol=1e-12)


@pytest.mark.parametrize("method", ["eigengame", "hotelling"])
@pytest.mark.parametrize("schedule", ["sequential", "parallel"])
def test_active_space_by_both_schedules(method: str, schedule: str) -> None:
    lih = molecule("LiH", active_electrons=2, active_orbitals=3)
    result = ExcitedStates(k=4, method=method, schedule=schedule, seed=0).run(lih)
    np.testing.assert_allclose(result.energies, lih.energies(4), atol=1e-5)


def test_block_form_and_chain_without_symmetry() -> None:
    h = heisenberg(3)
    result = ExcitedStates(k=4, block=True, seed=0).run(h)
    np.testing.assert_allclose(result.energies, np.linalg.eigvalsh(h.to_matrix())[:4], atol=1e-6)
    # Both doublets of three spins: labels inside are arbitrary, the grouping is not.
    assert result.multiplets == ((0, 1), (2, 3))


@pytest.mark.parametrize("offset", [5.0, -5.0])
@pytest.mark.parametrize("method", ["eigengame", "vqd"])
def test_offset_changes_nothing(method: str, offset: float) -> None:
    h = H2.hamiltonian
    moved = (h + offset * SparsePauliOp("IIII")).simplify()
    sector = {"N": 2, "Sz": 0}
    a, b = (excited_states(op, 4, method, seed=5, symmetry=sector) for op in (h, moved))
    np.testing.assert_allclose(b.excitation_energies, a.excitation_energies, atol=1e-8, rtol=0)
    np.testing.assert_allclose(b.parameters, a.parameters, atol=1e-6, rtol=0)
    np.testing.assert_allclose(b.energies, a.energies + offset, atol=1e-8)


def test_published_setting() -> None:
    # beta = 0.8 is less than E_2 - E_0 = 0.97 and E_3 - E_0 = 1.63: levels collapse, with warnings and a status.
    h = (H2_PARITY.hamiltonian - H2_PARITY.nuclear_repulsion * SparsePauliOp("II")).simplify()
    exact = np.linalg.eigvalsh(h.to_matrix())
    with pytest.warns(QalgsWarning, match="must exceed E_k - E_0"):
        collapsed = ExcitedStates(k=4, method="vqd", penalty=0.8, seed=0).run(h)
    assert np.abs(collapsed.energies - exact).max() > 0.5
    assert collapsed.status is Status.STALLED
    # EigenGame with c = 0 works here because all four levels are negative ...
    assert exact[-1] < 0
    solved = ExcitedStates(k=4, shift=0.0, seed=0).run(h)
    np.testing.assert_allclose(solved.energies, exact, atol=1e-6)
    # ... but not on the total energy of the four-qubit operator, where E_3 > 0: refused, or shifted on its own.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        with pytest.raises(InvalidInputError, match=r"shift must exceed the energy of level 3.*penalty='auto'"):
            ExcitedStates(k=4, shift=0.0, seed=0).run(H2)
    np.testing.assert_allclose(ExcitedStates(k=4, seed=0).run(H2).energies, H2.energies(4), atol=1e-6)


def test_result_has_what_is_promised(hydrogen: ExcitedStatesResult) -> None:
    k, p = hydrogen.parameters.shape
    assert (k, hydrogen.states.shape, hydrogen.errors.shape) == (4, (4, 16), (4,))
    assert len(hydrogen.history) == hydrogen.costs.gradients == sum(hydrogen.costs.per_state)
    np.testing.assert_allclose(hydrogen.overlaps, np.eye(4), atol=1e-4)
    assert hydrogen.variances.max() < 1e-9
    assert hydrogen.ritz.energies == pytest.approx(hydrogen.energies, abs=1e-8)
    assert hydrogen.noiseless_energies() == pytest.approx(hydrogen.energies, abs=1e-12)
    assert hydrogen.amplification.matrix[3, 0] == 1.0
    document = json.loads(hydrogen.to_json())
    assert document["status"] == "CONVERGED"
    assert document["seed"] == 3
    assert p == len(document["parameters"][0])


def test_properties_of_excited_states(hydrogen: ExcitedStatesResult) -> None:
    number, spin = H2.operators["N"], H2.operators["S"]
    np.testing.assert_allclose(hydrogen.expectation(number), 2.0, atol=1e-10)
    np.testing.assert_allclose(hydrogen.expectation(spin), [0, 2, 0, 0], atol=1e-6)
    dense = H2.hamiltonian.to_matrix()
    expected = np.vdot(hydrogen.states[0], dense @ hydrogen.states[3])
    assert hydrogen.transition(H2.hamiltonian, 0, 3) == pytest.approx(expected, abs=1e-12)
    strengths = hydrogen.oscillator_strengths()
    # Sigma_g to the triplet and to the doubly excited Sigma_g are forbidden; to Sigma_u it is along the axis.
    assert strengths[2] > 0.1
    np.testing.assert_allclose(strengths[[0, 1, 3]], 0, atol=1e-6)
    with pytest.raises(InvalidInputError, match="index of one of 4"):
        hydrogen.transition(number, 0, 4)
    with pytest.raises(InvalidInputError, match="must act on 4 qubits"):
        hydrogen.expectation(tfim(3))


def test_oscillator_strengths_obey_the_sum_rule_of_the_basis() -> None:
    result = ExcitedStates(k=4, seed=0).run(H2)
    total = result.oscillator_strengths().sum()
    # Sum over all final states of the sector: <0|[mu,[H,mu]]|0> / 3 per axis, evaluated with dense matrices.
    ground, h = result.states[0], H2.hamiltonian.to_matrix()
    expected = 0.0
    for axis in H2.dipole():
        mu = axis.to_matrix()
        inner = h @ mu - mu @ h
        expected += np.vdot(ground, (mu @ inner - inner @ mu) @ ground).real / 3
    # Strengths are linear in the error of the states, which the stopping rule keeps below 1e-4.
    assert total == pytest.approx(expected, abs=1e-4)


def test_events_and_callback_tell_the_same_story() -> None:
    heard: list[object] = []
    solver = ExcitedStates(k=2, seed=0, restarts=1, callback=heard.append)
    events = list(solver.iter_run(tfim(3)))
    assert heard == events
    assert isinstance(events[-1], Finished)
    found = [e for e in events if isinstance(e, LevelFound)]
    assert [e.state for e in found] == [0, 1]
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[0].utility == pytest.approx(progress[0].c - progress[0].energy - progress[0].penalty, abs=1e-9)
    assert len(progress) == events[-1].result.costs.gradients


def test_parallel_rounds_have_a_short_critical_path() -> None:
    h = tfim(4)
    sequential = ExcitedStates(k=3, seed=2, restarts=1).run(h)
    rounds = list(ExcitedStates(k=3, seed=2, restarts=1, schedule="parallel").iter_run(h))
    last = rounds[-1]
    assert isinstance(last, Finished)
    parallel = last.result
    np.testing.assert_allclose(parallel.energies, sequential.energies, atol=1e-6)
    assert parallel.costs.critical_path < sum(parallel.costs.per_state)
    assert sequential.costs.critical_path == sum(sequential.costs.per_state)
    paths = [e.critical_path for e in rounds if isinstance(e, RoundDone)]
    assert paths == sorted(paths)
    assert paths[-1] == parallel.costs.critical_path
    advanced = ExcitedStates(k=3, seed=2, restarts=1, schedule="parallel", warm_start="advance").run(h)
    np.testing.assert_allclose(advanced.energies, sequential.energies, atol=1e-6)


@pytest.mark.parametrize("schedule", ["sequential", "parallel"])
def test_same_seed_same_bits(schedule: str) -> None:
    runs = [ExcitedStates(k=2, seed=7, schedule=schedule, restarts=1).run(tfim(3)) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].parameters, runs[1].parameters)
    other = ExcitedStates(k=2, seed=8, schedule=schedule, restarts=1).run(tfim(3))
    assert not np.array_equal(other.parameters, runs[0].parameters)


def test_window_counts_the_levels() -> None:
    h = heisenberg(4)
    exact = np.linalg.eigvalsh(h.to_matrix())
    result = window_states(h, 4.0, seed=0, symmetry={"M": 0})
    inside = [e for e in exact if e < exact[0] + 4.0]
    # The triplets have one state each at M = 0.
    assert len(result.energies) == 2
    assert len(inside) == 4
    np.testing.assert_allclose(result.energies, [exact[0], exact[1]], atol=1e-6)


def test_window_over_everything_and_over_too_much() -> None:
    h2 = H2_PARITY
    everything = window_states(h2, 10.0, seed=0)
    np.testing.assert_allclose(everything.energies, h2.energies(4), atol=1e-6)
    assert everything.notes == ()
    with pytest.warns(QalgsWarning, match="more than the 2 levels searched; raise max_levels"):
        some = window_states(h2, 10.0, seed=0, max_levels=2)
    assert len(some.energies) == 2


def test_foreign_sectors_are_lifted_or_refused() -> None:
    # A hardware-efficient circuit leaves N = 2, where -0.5364 (N = 1, 3) lies below the triplet.
    everything = np.linalg.eigvalsh(H2.hamiltonian.to_matrix())
    assert everything[1] < H2.energies(2)[1] - 0.01
    with pytest.warns(QalgsWarning, match="leaves the sector"):
        result = ExcitedStates(k=2, seed=0, ansatz=hardware_efficient(4, 5)).run(H2)
    np.testing.assert_allclose(result.energies, H2.energies(2), atol=1e-4)
    assert result.leakages.max() < 1e-3
    singlets = ExcitedStates(k=3, seed=0, symmetry={"S": 0}).run(H2)
    np.testing.assert_allclose(singlets.energies, H2.energies(3, {"N": 2, "Sz": 0, "S": 0}), atol=1e-5)


def test_weak_ansatz_never_returns_a_silent_duplicate() -> None:
    weak = QuantumCircuit(2)
    weak.ry(Parameter("a"), 0)
    with pytest.warns(QalgsWarning, match="fell onto the levels below it"):
        result = ExcitedStates(k=3, seed=0, ansatz=weak, restarts=1).run(tfim(2))
    assert result.status is Status.STALLED
    assert any("duplicate" in note or "fell onto" in note for note in result.notes)


def test_states_that_are_no_eigenstates_are_pointed_out() -> None:
    with pytest.warns(QalgsWarning, match="level 0 is no eigenstate"):
        ExcitedStates(k=1, seed=0, ansatz=hardware_efficient(3, 0)).run(tfim(3))


def test_budgets_and_other_optimisers() -> None:
    solver = ExcitedStates(k=3, seed=0, budget=60, budget_trend=1.0, optimizer=Adam(lr=0.2), restarts=1)
    assert solver._budgets(3, 60) == [120, 60, 1]
    result = solver.run(tfim(2))
    # A player that collapses starts afresh, each time with the same budget.
    assert result.costs.per_state[0] == 120
    assert result.costs.per_state[1] % 60 == 0
    assert result.costs.per_state[2] <= 5
    assert result.status is not Status.CONVERGED
    quick = ExcitedStates(k=1, seed=0, optimizer="cobyla", restarts=1, budget=200).run(tfim(2))
    assert quick.energies[0] == pytest.approx(-math.sqrt(5), abs=1e-3)


def test_plots_return_axes(hydrogen: ExcitedStatesResult) -> None:
    from matplotlib.axes import Axes

    assert isinstance(hydrogen.plot_levels(), Axes)
    assert len(hydrogen.plot_history().get_lines()) >= 4


def nan_operator() -> SparsePauliOp:
    return SparsePauliOp(["ZZ", "XX"], [1.0, float("nan")])


def twice_named() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    other = Parameter("b")
    circuit.ry(other, 1)
    return circuit


@pytest.mark.parametrize(
    ("options", "operator", "text"),
    [
        ({"k": 5}, tfim(2), r"k must be at most 2\*\*num_qubits = 4, got 5; reduce k"),
        ({"k": 5}, H2, "k must be at most the dimension of the sector, 4, got 5"),
        ({"k": 0}, tfim(2), "k must be an integer of at least 1 or 'auto'"),
        ({}, nan_operator(), "hamiltonian must have finite coefficients"),
        ({}, SparsePauliOp(["ZZ"], [1j]), "hamiltonian must be Hermitian"),
        ({}, SparsePauliOp("II"), "besides the identity"),
        ({}, np.eye(4), "hamiltonian must be a SparsePauliOp"),
        ({"ansatz": hardware_efficient(3)}, tfim(2), "ansatz must have the Hamiltonian's 2 qubits"),
        ({"ansatz": QuantumCircuit(2)}, tfim(2), "ansatz must have at least one parameter"),
        ({"method": "qeom"}, tfim(2), "method must be one of eigengame, vqd, hotelling, ssvqe"),
        ({"schedule": "random"}, tfim(2), "schedule must be one of"),
        ({"penalty": float("inf")}, tfim(2), "penalty must be a finite number or 'auto'"),
        ({"penalty": -1.0, "method": "vqd"}, tfim(2), "penalty must be positive for vqd"),
        ({"shift": 0.0, "method": "vqd"}, tfim(2), "shift must be left out"),
        ({"shift": -9.0}, tfim(2), "shift must exceed the highest level wanted"),
        ({"k": "auto"}, tfim(2), "window must be given"),
        ({"window": 1.0}, tfim(2), "window must be left out unless"),
        ({"method": "ssvqe", "weights": [1, 1]}, tfim(2), "strictly decreasing"),
        ({"warm_start": "advance"}, tfim(2), "needs schedule='parallel'"),
        ({"optimizer": "sgd"}, tfim(2), "optimizer must be one of"),
        ({"restarts": 0}, tfim(2), "restarts must be an integer of at least 1"),
        ({"symmetry": {"N": 9, "Sz": 0}}, H2, "no state of 4 qubits"),
        ({"ansatz": "givens"}, tfim(2), "needs symmetry with N and Sz"),
        ({"estimator": 3}, tfim(2), "estimator must be a V2 estimator"),
    ],
)
def test_bad_input(options: dict[str, object], operator: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as caught:
        ExcitedStates(**options).run(operator)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["k", "shots", "restarts", "budget", "max_levels", "round_steps", "stagger"])
@pytest.mark.parametrize(
    "value",
    [10**400, -(10**5000), True, 2.0, np.float64(2), np.True_, "3", np.array([2])],
    ids=["huge", "printless", "bool", "float", "numpy float", "numpy bool", "text", "array"],
)
def test_counts_are_integers_of_a_sane_size(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name} must be .*got ") as caught:
        ExcitedStates(**{name: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    kept = getattr(ExcitedStates(**{name: np.int8(3)}), name)  # type: ignore[arg-type]
    assert type(kept) is int


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": 10**400},
        {"shift": 10**400},
        {"budget_trend": -(10**400)},
        {"k": "auto", "window": 10**400},
        {"method": "ssvqe", "weights": [10**400, 1]},
        {"method": "ssvqe", "weights": 3},
    ],
)
def test_numbers_that_no_float_holds(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="must be"):
        ExcitedStates(**options)  # type: ignore[arg-type]


def test_interrupt_keeps_what_was_found() -> None:
    def stopper(x: np.ndarray) -> tuple[float, np.ndarray, float]:
        raise KeyboardInterrupt

    solver = ExcitedStates(k=3, seed=0, restarts=1)
    problem, players, arena = solver._open(tfim(2), None)
    original = players.objective

    def objective(method: str, penalty: float, parents: list[object], block: bool) -> object:
        return stopper if len(parents) == 2 else original(method, penalty, parents, block)  # type: ignore[arg-type]

    players.objective = objective  # type: ignore[method-assign,assignment]
    last = list(solver._drive(problem, players, arena))[-1]
    assert isinstance(last, Finished)
    assert last.result.status is Status.INTERRUPTED
    assert len(last.result.energies) == 2
