"""Roads that few games take: collapses in rounds, fixed penalties, no gradients, wide systems, half-done scans."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import CompiledEstimator, CompiledSampler
from qalgs.circuits import hardware_efficient, molecule, tfim, xxz
from qalgs.eigengame import (
    ExcitedStates,
    Finished,
    PlayerRounds,
    Progress,
    RoundDone,
    excited_states,
    scan,
    ssvqe,
    staggered_starts,
)
from qalgs.eigengame.exact import ExactPlayers
from qalgs.eigengame.measured import MeasuredPlayers
from qalgs.eigengame.measuring import Meter
from qalgs.eigengame.post import ritz
from qalgs.eigengame.problem import prepare
from qalgs.errors import InvalidInputError, QalgsWarning
from qalgs.optimizers import NelderMead
from qalgs.results import Status

CHAIN = tfim(2)
LEVELS = np.linalg.eigvalsh(CHAIN.to_matrix())
H2 = molecule("H2", 0.735, mapping="parity")
PAIR = hardware_efficient(2, 1)


# -- rounds ------------------------------------------------------------------------------------------------------


def test_rounds_under_a_weak_penalty_end_with_a_warning() -> None:
    """A penalty below the gap cannot hold the second player off the ground state, whatever its start."""
    solver = ExcitedStates(k=2, method="vqd", penalty=0.01, schedule="parallel", seed=0, restarts=1)
    with pytest.warns(QalgsWarning, match="level 1 fell onto the levels below it; raise the penalty or restarts"):
        events = list(solver.iter_run(CHAIN))
    last = events[-1]
    assert isinstance(last, Finished)
    found = last.result
    assert found.status is Status.STALLED
    np.testing.assert_allclose(found.energies, LEVELS[0], atol=1e-5)
    assert found.overlaps[0, 1] == pytest.approx(1.0, abs=1e-3)
    # Each of four fresh starts takes a round at least, and the warning is given once.
    assert sum(isinstance(e, RoundDone) for e in events) >= 2 + 4
    assert sum("raise the penalty" in note for note in found.notes) == 1


def test_reseeded_players_train_before_the_rounds_end() -> None:
    """Player 1 is started afresh when player 2 has no budget left: what it returns is trained all the same."""
    solver = ExcitedStates(
        k=3, method="vqd", penalty=0.01, schedule="parallel", seed=0, restarts=1, budget=400, budget_trend=1.0
    )
    with pytest.warns(QalgsWarning, match="level 1 fell onto the levels below it; raise the penalty or restarts"):
        found = solver.run(CHAIN)
    assert found.costs.per_state[2] < 5
    np.testing.assert_allclose(found.energies[:2], LEVELS[0], atol=1e-5)


def test_weak_ansatz_in_rounds_is_never_silent() -> None:
    weak = QuantumCircuit(2)
    weak.ry(Parameter("a"), 0)
    with pytest.warns(QalgsWarning, match="fell onto the levels below it"):
        found = ExcitedStates(k=3, seed=0, ansatz=weak, restarts=1, schedule="parallel").run(CHAIN)
    assert found.status is Status.STALLED


@pytest.mark.parametrize("late", [False, True])
def test_interrupted_runs_keep_what_was_found(late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ExactPlayers.snapshot
    calls = []

    def snapshot(self: ExactPlayers, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > late:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(ExactPlayers, "snapshot", snapshot)
    solver = ExcitedStates(k=2, seed=0, restarts=1)
    if not late:
        with pytest.raises(KeyboardInterrupt):
            solver.run(CHAIN)
        return
    found = solver.run(CHAIN)
    assert found.status is Status.INTERRUPTED
    np.testing.assert_allclose(found.energies, LEVELS[:1], atol=1e-6)


# -- players as jobs -----------------------------------------------------------------------------------------


def test_jobs_of_a_fixed_penalty_keep_it() -> None:
    game = PlayerRounds(ExcitedStates(k=2, method="vqd", penalty=3.0, seed=1, ansatz=PAIR), CHAIN)
    first, second = game.jobs()
    assert game.arena.shifts == {0: 3.0, 1: 3.0}
    ground = np.asarray(ExcitedStates(k=1, seed=1, ansatz=PAIR).run(CHAIN).parameters[0])
    for number in (1, 2):
        game.publish([ground, ground])
        collapsed = game.snapshots[1]
        # In the first round all is random; from the second on, a player on its parent's state starts afresh.
        assert np.array_equal(collapsed.parameters, ground) == (number == 1)
    assert game.arena.shifts == {0: 3.0, 1: 3.0}
    matrix = game.jobs()[1].observable.to_matrix()
    state = np.linalg.eigh(CHAIN.to_matrix())[1][:, 0]
    assert (state.conj() @ matrix @ state).real == pytest.approx(LEVELS[0] + 3.0, abs=1e-5)
    assert first.circuit is second.circuit


# -- refusals ----------------------------------------------------------------------------------------------------


def hadamards() -> QuantumCircuit:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    circuit.ry(Parameter("a"), 0)
    return circuit


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "name of an ansatz": (
        lambda: prepare(CHAIN, k=1, ansatz="magic"),
        "ansatz must be a QuantumCircuit or one of auto, real_amplitudes, ",
    ),
    "ansatz": (lambda: ExcitedStates(ansatz="magic").run(CHAIN), "ansatz must be one of auto, real_amplitudes, "),
    "initial": (
        lambda: ExcitedStates(k=1, ansatz=PAIR).run(CHAIN, initial=np.zeros((1, 3))),
        "initial must be finite and of shape (k, 4), got (1, 3)",
    ),
    "schedule of ssvqe": (
        lambda: ExcitedStates(method="ssvqe", schedule="parallel"),
        "schedule must be 'sequential': ssvqe has one player, got 'parallel'",
    ),
    "no determinant": (
        lambda: ssvqe(xxz(4), k=2, symmetry={"M": 0.0}, ansatz=hadamards(), seed=1),
        "ansatz must be a basis state at zero angles for ssvqe in a sector, got 'circuit-",
    ),
    "contraction": (
        lambda: staggered_starts([3.0, 2.0, 1.0], [0.5, 1.5]),
        "contraction must be 2 numbers between 0 and 1, got [0.5, 1.5]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


def test_weak_signals_are_refused() -> None:
    problem = prepare(CHAIN, k=2, ansatz=PAIR)
    players = MeasuredPlayers(problem, rng=np.random.default_rng(0), estimator=depolarising(0.9))
    parent = ExactPlayers(problem).snapshot(np.zeros(4))
    with pytest.raises(InvalidInputError, match=r"^the cross-term circuit keeps only \S+ of its signal"):
        players.attenuation(parent, 3.0)


# -- costs without gradients, repeated costs, fixed shifts under shots -------------------------------------------


@pytest.mark.parametrize("method", ["eigengame", "vqd"])
def test_costs_are_the_same_without_gradients(method: str, rng: np.random.Generator) -> None:
    problem = prepare(H2.hamiltonian, k=3, ansatz=PAIR)
    exact = ExactPlayers(problem)
    points = rng.uniform(-3, 3, (4, 4))
    parents = [exact.snapshot(x) for x in points[:3]]
    values = []
    for with_gradient in (True, False):
        players = MeasuredPlayers(
            problem,
            rng=np.random.default_rng(0),
            estimator=CompiledEstimator(),
            sampler=None,
            with_gradient=with_gradient,
        )
        objective = players.objective(method, 3.0, parents, method == "eigengame")
        cost, slope, _ = objective(points[3])
        before = players.circuits
        again = players.objective(method, 3.0, parents, method == "eigengame")(points[3])
        # What parents have in common with one another is measured once.
        assert players.circuits - before <= before
        assert again[0] == pytest.approx(cost, abs=1e-12)
        values.append(cost)
        assert with_gradient == bool(np.any(slope))
    reference = exact.objective(method, 3.0, parents, method == "eigengame")(points[3])[0]
    np.testing.assert_allclose(values, reference, atol=1e-9)


def test_costs_are_the_same_without_gradients_under_noise(rng: np.random.Generator) -> None:
    """Calibrated block costs on a noisy density matrix are the same, and what parents share is measured once."""
    problem = prepare(H2.hamiltonian, k=3, ansatz=PAIR)
    exact = ExactPlayers(problem)
    points = rng.uniform(-3, 3, (3, 4))
    parents = [exact.snapshot(x) for x in points[:2]]
    found = []
    for with_gradient in (True, False):
        players = MeasuredPlayers(
            problem, rng=np.random.default_rng(0), estimator=depolarising(0.01), with_gradient=with_gradient
        )
        counts = []
        for _ in range(2):
            before = players.circuits
            found.append(players.objective("eigengame", 3.0, parents, True)(points[2])[0])
            counts.append(players.circuits - before)
        assert counts[1] < counts[0]
    np.testing.assert_allclose(found, found[0], atol=1e-9)
    truth = exact.objective("eigengame", 3.0, parents, True)(points[2])[0]
    assert found[0] == pytest.approx(truth, abs=0.1)


def depolarising(p: float) -> Any:
    from qiskit_aer.noise import NoiseModel, depolarizing_error
    from qiskit_aer.primitives import EstimatorV2

    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(p, 2), ["cx"])
    options = {"method": "density_matrix", "max_parallel_threads": 1, "noise_model": noise}
    return EstimatorV2(options={"backend_options": options})


def test_estimator_and_sampler_together_are_calibrated_for_energies(rng: np.random.Generator) -> None:
    problem = prepare(H2.hamiltonian, k=2, ansatz=PAIR)
    exact = ExactPlayers(problem)
    players = MeasuredPlayers(
        problem,
        rng=np.random.default_rng(0),
        estimator=depolarising(1e-6),
        sampler=CompiledSampler(seed=1),
        shots=4000,
    )
    x, y = rng.uniform(-3, 3, (2, 4))
    parent = exact.snapshot(y)
    assert players.energies(x)[0] == pytest.approx(exact.energies(x)[0], abs=5 * 3 / np.sqrt(4000))
    found, truth = players.overlaps(x, [parent])[0], exact.overlaps(x, [parent])[0]
    assert found == pytest.approx(truth, abs=5 * 0.5 / np.sqrt(4000) + 0.02)


def test_weighted_search_without_gradients() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        found = ssvqe(CHAIN, k=2, ansatz=PAIR, shots=2000, optimizer="cobyla", budget=120, seed=0)
    assert found.costs.gradients == 0
    # Both circuits share their angles: the sum of the levels is bounded by the two lowest.
    assert found.noiseless_energies().sum() >= LEVELS[:2].sum() - 1e-9
    assert found.noiseless_energies()[0] < LEVELS[0] + 0.5


def test_a_shift_too_small_under_shots_is_a_warning() -> None:
    solver = ExcitedStates(
        k=2, method="hotelling", shift=float(LEVELS[0]) + 0.3, shots=200, budget=30, seed=0, ansatz=PAIR
    )
    with pytest.warns(
        QalgsWarning, match="level 1 fell onto the levels below it: shift c = -1.93607 is too small"
    ):
        found = solver.run(CHAIN)
    assert found.status is Status.STALLED


def test_a_wide_enough_penalty_is_not_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", QalgsWarning)
        found = ExcitedStates(k=2, method="vqd", penalty=2 * float(LEVELS[-1] - LEVELS[0]), seed=0).run(CHAIN)
    np.testing.assert_allclose(found.energies, LEVELS[:2], atol=1e-6)


def test_simplex_search() -> None:
    solver = ExcitedStates(k=1, seed=0, ansatz=PAIR, optimizer=NelderMead(xatol=1e-9, fatol=1e-12), restarts=2)
    assert solver.run(CHAIN).energies[0] == pytest.approx(LEVELS[0], abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        short = replace(solver, budget=10).run(CHAIN)
    assert short.status is not Status.CONVERGED
    assert short.energies[0] > LEVELS[0]


# -- measurement -------------------------------------------------------------------------------------------------


def test_samples_of_y_and_of_wide_registers() -> None:
    circuit = QuantumCircuit(1)
    angle = Parameter("a")
    circuit.rx(angle, 0)
    meter = Meter(None, CompiledSampler(seed=2), 4000)
    values = np.array([[0.3], [2.0]])
    means, errors = meter.expectations(circuit, SparsePauliOp("Y"), values)
    assert (np.abs(means + np.sin(values[:, 0])) < 5 * errors).all()
    wide = QuantumCircuit(17)
    wide.ry(angle, 16)
    operator = SparsePauliOp.from_sparse_list([("Z", [16], 1.0), ("ZZ", [0, 16], 2.0), ("Z", [3], 0.5)], 17)
    means, errors = meter.expectations(wide, operator, values)
    assert (np.abs(means - 3 * np.cos(values[:, 0]) - 0.5) < 5 * errors).all()


def test_resampled_errors_need_more_than_one_sample() -> None:
    h, s = np.diag([1.0, 2.0]).astype(complex), np.eye(2, dtype=complex)
    noise = np.full((2, 2), 1e-3)
    options: dict[str, Any] = {"h_errors": noise, "s_errors": np.zeros((2, 2))}
    one = ritz(h, s, rng=np.random.default_rng(0), samples=1, **options)
    assert one.errors.tolist() == [0.0, 0.0]
    assert ritz(h, s, rng=np.random.default_rng(0), samples=50, **options).errors.min() > 0
    # An overlap eigenvalue near the threshold is lost in some samples, which then say nothing of that level.
    thin = np.diag([1.0, 0.021]).astype(complex)
    options["s_errors"] = np.full((2, 2), 5e-3)
    found = ritz(h, thin, rng=np.random.default_rng(0), samples=50, **options)
    assert len(found.energies) == 2
    assert np.isfinite(found.errors).all()
    assert found.errors.min() > 0


# -- results -----------------------------------------------------------------------------------------------------


def test_transitions_of_operators_that_are_not_hermitian() -> None:
    found = excited_states(CHAIN, 2, seed=1)
    raising = SparsePauliOp(["IX", "IY"], [0.5, 0.5j])
    expected = found.states[0].conj() @ raising.to_matrix() @ found.states[1]
    assert found.transition(raising, 0, 1) == pytest.approx(expected, abs=1e-12)
    assert found.states[1].conj() @ raising.to_matrix().conj().T @ found.states[0] == pytest.approx(
        np.conj(expected), abs=1e-12
    )
    printed = str(found)
    assert f"{float(found.energies[1]):.6g}"[:6] in printed
    assert [line.split()[0] for line in printed.splitlines()[-2:]] == ["0", "1"]


def test_states_that_leave_their_sector_are_pointed_out() -> None:
    h2 = molecule("H2")
    with pytest.warns(QalgsWarning, match=r"weight .* outside the sector; use ansatz='givens'"):
        found = ExcitedStates(k=1, seed=0, ansatz=hardware_efficient(4, 1), budget=2, restarts=1).run(h2)
    assert found.leakages[0] > 1e-3
    assert found.status is Status.STALLED


def test_seventeen_qubits_have_energies_but_no_vectors() -> None:
    """Above 16 qubits the states are not kept; a product ansatz gives the energy of independent spins."""
    n = 17
    field = SparsePauliOp.from_sparse_list([("Z", [q], 1.0) for q in range(n)], n)
    ansatz = QuantumCircuit(n)
    ansatz.ry(Parameter("a"), range(n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        found = ExcitedStates(k=1, seed=0, ansatz=ansatz, restarts=1, budget=30).run(field)
    assert found.energies[0] == pytest.approx(-n, abs=1e-5)
    sampled = ExcitedStates(k=1, seed=0, ansatz=ansatz, restarts=1, budget=2, shots=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        assert sampled.run(field).states.size == 0
    with pytest.raises(InvalidInputError, match=r"^this needs state vectors, which are kept up to 16 qubits"):
        found.transition(field, 0, 0)


def test_a_penalty_is_judged_beyond_dense_solution() -> None:
    chain = tfim(7, h=2.0)
    exact = np.linalg.eigvalsh(chain.to_matrix())
    options: dict[str, Any] = {"k": 1, "method": "vqd", "seed": 0, "budget": 2, "restarts": 1}
    for factor in (0.9, 1.1):
        solver = ExcitedStates(
            penalty=factor * float(exact[-1] - exact[0]), ansatz=hardware_efficient(7, 1), **options
        )
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            solver.run(chain)
        wide = [str(w.message) for w in seen if "levels may collapse" in str(w.message)]
        assert bool(wide) == (factor < 1)


def test_histories_are_drawn_with_and_without_lines() -> None:
    found = excited_states(CHAIN, 1, seed=1)
    assert found.plot_history().get_legend() is not None
    assert replace(found, history=()).plot_history().get_legend() is None
    assert all(isinstance(p, Progress) for p in found.history)


# -- scans -------------------------------------------------------------------------------------------------------


def test_a_block_goes_on_from_its_last_point(tmp_path: Path) -> None:
    path = tmp_path / "scan.jsonl"
    solver = ExcitedStates(k=1, seed=4, restarts=1)
    lengths = [0.6, 0.7, 0.8]
    whole = scan("H2", lengths, solver, resume=path, block=3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:3]) + "\n")
    seen: list[float] = []
    again = scan("H2", lengths, solver, resume=path, block=3, callback=lambda p: seen.append(p.length))
    assert seen == [0.8]
    assert again.points == whole.points
    assert path.read_text().splitlines() == lines
    path.write_text(lines[0] + "\n{}\n" + lines[2] + "\n")
    with pytest.raises(InvalidInputError, match=r"is not a scan file: line 2 is no point; choose another file$"):
        scan("H2", lengths, solver, resume=path, block=3)
    path.write_text(lines[0] + "\n{\n")
    with pytest.raises(
        InvalidInputError, match=r"is not a scan file: Expecting property name .*; choose another file$"
    ):
        scan("H2", lengths, solver, resume=path, block=3)
    with pytest.raises(InvalidInputError, match=r"^cannot write .*; choose a writable file$"):
        scan("H2", [0.7], solver, resume=tmp_path / "absent" / "scan.jsonl")


def test_kept_corrections_do_not_change_a_number(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    problem = prepare(CHAIN, k=2, ansatz=PAIR)
    points = rng.uniform(-3, 3, (2, 4))
    values = []
    for kept in (256, 0):
        monkeypatch.setattr("qalgs.eigengame.calibration.KEPT", kept)
        players = MeasuredPlayers(problem, rng=np.random.default_rng(0), estimator=depolarising(0.01))
        values.append([players.energies(x)[0] for x in points])
        assert players.calibration is not None
        assert len(players.calibration._corrected) <= max(kept, 1)
    np.testing.assert_allclose(values[0], values[1], atol=1e-12)
