"""Roads that few systems take: refusals at the edge, noisy or narrow machines, steps given by hand, spectra."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendEstimatorV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Operator, SparsePauliOp
from scipy import sparse

from qalgs.circuits import PoissonShifts, prepare_state
from qalgs.errors import ConvergenceError, InvalidInputError, QalgsWarning
from qalgs.qlsp import (
    HHL,
    VQLS,
    ChebyshevLCU,
    DiscreteAdiabatic,
    Executor,
    KernelReflection,
    Ledger,
    LinearSystem,
    Program,
    ProximalPoint,
    QSVTInversion,
    ResidualCorrection,
    SystemModel,
    expectation_value,
    minimax_inverse,
    overlap,
    poisson,
    random_system,
    symmetric_phases,
    tomography,
)
from qalgs.qlsp.execution import RightHandSide
from qalgs.qlsp.plots import plot_eta
from qalgs.qlsp.resources import circuit_cost
from qalgs.qlsp.solvers.finish import rescale
from qalgs.qlsp.solvers.problem import problem_of
from qalgs.results import Status

SMALL = LinearSystem(np.diag([1.0, 0.5]), np.ones(2))


def program(n: int, flags: int = 0) -> Program:
    circuit = QuantumCircuit(n + flags)
    circuit.compose(prepare_state(np.ones(2**n)), range(n), inplace=True)
    return Program(circuit, n, None, 1.0, 1, True)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "wide tomography": (
        lambda: tomography(Executor(shots=10), program(7), np.ones(1)),
        "num_qubits must be at most 6 for tomography, got 7; read observables instead",
    ),
    "observable": (
        lambda: expectation_value(Executor(), program(1), np.ones(1), np.eye(4)),
        "observable must have shape (2, 2), got (4, 4)",
    ),
    "vector": (
        lambda: overlap(Executor(), program(1), np.ones(1), np.ones(4)),
        "vector must have shape (2,), got (4,)",
    ),
    "flags": (
        lambda: expectation_value(Executor(estimator=object()), program(1, 9), np.ones(1), np.eye(2)),
        "flags must be at most 8 for an estimator (2**flags terms), got 9; use a sampler",
    ),
    "shots of an exact engine": (
        lambda: Executor(backend="statevector", shots=10),
        "backend must be compiled, aer or a Qiskit backend to sample, got 'statevector'",
    ),
    "terms of VQLS": (
        lambda: VQLS().solve(poisson(512)),
        "num_qubits must be at most 8 for VQLS, got 9; its Pauli terms number 4**n",
    ),
    "terms of Chebyshev": (
        lambda: ChebyshevLCU().solve(LinearSystem(np.diag([1.0, 1e-5]), np.ones(2)), epsilon=1e-4),
        "kappa must need at most 2**14 terms to be executed, got ",
    ),
    "ragged b": (
        lambda: LinearSystem(np.eye(2), [[1.0], [1.0, 2.0]]),
        "b must be a vector, got 'entries of unequal length'",
    ),
    "clock": (lambda: HHL(clock=2), "clock must be between 3 and 13, got 2"),
    "singular": (
        lambda: LinearSystem(sparse.diags_array([1.0] * 3000 + [0.0] * 1096, format="csr"), np.ones(4096)),
        "A must ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


# -- phases ------------------------------------------------------------------------------------------------------


def test_phases_stop_where_rounding_stops_them_or_say_that_they_failed() -> None:
    series = minimax_inverse(kappa=5.0, epsilon=1e-3)
    series = series.scaled(0.95 / series.peak())
    best = symmetric_phases(series, tol=0.0)
    assert best.iterations < 40
    assert best.residual < 1e-11
    text = rf"^phases of degree {series.degree} must reach a residual of 1e-8, got \S+; scale the polynomial down$"
    with pytest.raises(ConvergenceError, match=text):
        symmetric_phases(series, max_iterations=0)
    # Close to 1 a Newton step may go too far; the later ones make up for it.
    edge = minimax_inverse(kappa=20.0, epsilon=1e-2)
    assert symmetric_phases(edge.scaled((1 - 1e-9) / edge.peak())).residual < 1e-8


# -- execution ---------------------------------------------------------------------------------------------------


def test_a_basis_vector_needs_no_reflection() -> None:
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    for b in ([1.0, 0.0], [1j, 0.0]):
        found = QSVTInversion(epsilon=1e-4).solve(LinearSystem(a, b))
        np.testing.assert_allclose(found.x, np.linalg.solve(a, b), atol=1e-3)


def test_the_first_column_of_an_oracle_is_b() -> None:
    for b in ([1.0, 0.0], [-1.0, 0.0], [0.6, 0.8j], [0.0, 1.0]):
        oracle = RightHandSide(np.array(b), 1, real=not np.iscomplexobj(b), dense=True)
        matrix = Operator(oracle.circuit).data
        np.testing.assert_allclose(matrix[:, 0], b, atol=1e-12)
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(2), atol=1e-12)


def test_the_largest_circuit_stays_in_the_books() -> None:
    problem, ledger = problem_of(SMALL), Ledger()
    runs = [QSVTInversion(degree=d).run_problem(problem, 0.1, Executor()) for d in (9, 5, 11)]
    for run, degree in zip(runs, (9, 9, 11), strict=True):
        ledger.add(run)
        assert ledger.max_degree == degree
    assert ledger.circuit is runs[2].circuit
    assert ledger.queries_A == 9 + 5 + 11


def test_probabilities_are_counted() -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(2 * np.arcsin(np.sqrt(0.3)), 1)  # the flag reads 1 with probability 0.3
    prepared = Program(circuit, 1, None, 1.0, 1, True)
    p, shots = Executor().probability(prepared, np.ones(1))
    assert shots == 0
    assert p == pytest.approx(0.7)
    p, shots = Executor(shots=4000, seed=1).probability(prepared, np.ones(1))
    assert shots == 4000
    assert p == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 4000))


class Sampler:
    """A sampler that tells its device by a method, or fails to."""

    def __init__(self, device: object) -> None:
        self.device = device

    def backend(self) -> object:
        raise RuntimeError("no session")

    def mode(self) -> object:
        return self.device


def test_devices_of_samplers_are_asked_for() -> None:
    device = GenericBackendV2(2, seed=1)
    assert Executor(sampler=Sampler(device), shots=10).device is device
    assert Executor(sampler=Sampler(None), shots=10).device is None


def test_an_estimator_of_a_device_gets_its_layout() -> None:
    device = GenericBackendV2(5, noise_info=False, seed=1)
    estimator = BackendEstimatorV2(backend=device, options={"default_precision": 0.02, "seed_simulator": 3})
    operator = SparsePauliOp("Z")
    found = QSVTInversion(epsilon=1e-2).solve(SMALL, estimator=estimator, observables={"Z": operator})
    value, error = found.observables["Z"]
    x = SMALL.solution / np.linalg.norm(SMALL.solution)
    assert 0 < error < 0.2
    assert value == pytest.approx(float(x @ np.diag([1.0, -1.0]) @ x), abs=5 * error + 0.02)


# -- solvers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["pauli", "fable", "banded"])
def test_encodings_that_are_no_reflections(encoding: str) -> None:
    a = np.array([[1.0, 0.2, 0.0, 0.0], [0.2, 0.8, 0.1, 0.0], [0.0, 0.1, 0.9, 0.2], [0.0, 0.0, 0.2, 0.7]])
    system = LinearSystem(a, np.arange(1.0, 5.0), encoding=encoding)
    for solver in (ChebyshevLCU(epsilon=1e-2), KernelReflection(epsilon=1e-2)):
        found = solver.solve(system)
        assert found.direction_error < 1e-2
        np.testing.assert_allclose(found.x, np.linalg.solve(a, system.b), rtol=0.05, atol=0.05)


def test_shifts_off_the_real_line_are_dilated() -> None:
    """1 + i eta A is not Hermitian: solvers that need a reflection get its dilation."""
    system = random_system(2, 3.0, kind="hermitian", seed=3)
    solver = ProximalPoint(
        ChebyshevLCU(), eta=4.0, shift="complex", initial_guess=0.9 * np.asarray(system.solution)
    )
    found = solver.solve(system, epsilon=0.05)
    assert found.verdict is not None
    assert found.verdict.reason == "the step was given (complex shift: experimental, not in the paper)"
    # One step contracts the distance by 1/|1 + i eta lambda| at most.
    assert found.direction_error < 0.05
    assert found.verdict.eta == 4.0


def test_complex_systems_are_trained_on_samples() -> None:
    system = LinearSystem(np.array([[1.0, 0.3j], [-0.3j, 0.8]]), np.array([1.0, 1.0]))
    found = VQLS(layers=1, restarts=1, budget=60, seed=2).solve(system, epsilon=0.3, shots=2000, seed=1)
    assert found.shots > 0
    assert found.direction_error < 0.3
    several = VQLS(layers=1, restarts=4, budget=6, seed=1).solve(system, epsilon=1e-12)
    assert several.status is Status.FAILED
    assert several.details["evaluations"] <= 4 * 6
    alone = [VQLS(layers=1, restarts=1, budget=6, seed=1).solve(system, epsilon=1e-12).details["cost"]]
    assert several.details["cost"] <= alone[0]


def test_costs_without_a_filter_are_those_of_the_walk() -> None:
    model = SystemModel(kappa=10.0, num_qubits=3)
    with_filter, without = (DiscreteAdiabatic(filtered=f).cost(10.0, 1e-3, model) for f in (True, False))
    assert without.queries_A < with_filter.queries_A
    assert without.queries_b == 4 * without.queries_A + 1
    assert without.queries_A == DiscreteAdiabatic().walk_steps(10.0, model.positive)


def test_a_wrong_kappa_is_told_by_the_residual_alone() -> None:
    a = np.diag([1.0, 0.25])
    for b, hurt in (([1.0, 0.0], False), ([1.0, 1.0], True)):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            QSVTInversion().solve(LinearSystem(a, b, kappa=1.5), epsilon=1e-2)
        told = [w for w in seen if issubclass(w.category, QalgsWarning) and "underestimated" in str(w.message)]
        assert bool(told) == hurt


def test_gates_that_cost_nothing_and_narrow_unitaries() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.barrier()
    circuit.unitary(np.eye(2), [0])
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    assert circuit_cost(circuit) == (1, 2)
    system = LinearSystem(np.array([[2.0, 1.0], [1.0, 3.0]]), np.ones(2))
    plain = QSVTInversion().estimate(system)
    coded = QSVTInversion().estimate(LinearSystem(system.A, system.b, encoding="pauli"))
    # alpha of the Pauli form is the sum of its coefficients over the norm
    assert coded.queries_A > plain.queries_A


def test_rescaled_vectors() -> None:
    x = np.array([2.0, 4.0])
    scaled = rescale(SMALL, x)
    grid = np.linspace(0.9, 1.1, 21)
    residuals = [np.linalg.norm(SMALL.b - SMALL.A @ (t * scaled)) for t in grid]
    assert int(np.argmin(residuals)) == 10
    assert np.array_equal(rescale(SMALL, np.zeros(2)), np.zeros(2))


# -- systems -----------------------------------------------------------------------------------------------------


def test_large_sparse_systems_have_their_singular_values() -> None:
    size = 4096
    values = np.linspace(1.0, 4.0, size)
    turned = sparse.diags_array(values, format="csr")[np.roll(np.arange(size), 1)]
    system = LinearSystem(sparse.csr_array(turned), np.ones(size))
    assert system.kappa == pytest.approx(4.0, rel=1e-5)


def test_a_wide_encoding_is_taken_at_its_word_and_b_may_be_a_vector() -> None:
    ramp = np.arange(1.0, 1025.0)
    system = poisson((32, 32), ramp)
    assert np.array_equal(np.asarray(system.b), ramp)
    top = 8 * np.sin(np.pi * 32 / 66) ** 2
    encoding = PoissonShifts((5, 5), scale=float(top))
    assert encoding.num_qubits > 11
    given = LinearSystem(system.A, ramp, encoding=encoding)
    assert given.encoding is encoding


# -- around the solvers ------------------------------------------------------------------------------------------


def indefinite() -> LinearSystem:
    return LinearSystem(np.array([[0.0, 1.0], [1.0, 0.5]]), np.array([1.0, 2.0]))


def test_corrections_stop_at_their_number() -> None:
    system = random_system(4, 5.0, seed=1)
    one = ResidualCorrection(QSVTInversion(), steps=1, epsilon_inner=0.3).solve(system, epsilon=1e-6)
    assert one.status is Status.BUDGET
    assert len(one.history) == 1
    assert 1e-6 < one.direction_error < 0.3
    many = ResidualCorrection(QSVTInversion(), epsilon_inner=0.3).solve(system, epsilon=1e-6)
    assert many.status is Status.CONVERGED
    assert many.direction_error <= 1e-6
    errors = [step.direction_error for step in many.history]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) > 3


def test_corrections_say_that_the_inner_solver_failed_or_was_stopped() -> None:
    system = random_system(2, 4.0, seed=1)
    failing = VQLS(layers=1, restarts=1, budget=1, seed=1)
    found = ResidualCorrection(failing, steps=1).solve(system, epsilon=1e-6)
    assert found.status is Status.FAILED

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    stopped = ResidualCorrection(QSVTInversion(), epsilon_inner=0.5).solve(system, epsilon=1e-9, callback=stop)
    assert stopped.status is Status.INTERRUPTED


@pytest.mark.parametrize("positive", [True, False])
def test_corrections_inside_the_circuit_with_shots(positive: bool) -> None:
    system = random_system(2, 3.0, seed=5, kind="positive") if positive else indefinite()
    start = np.asarray(system.solution) * [0.5, 1.2]
    solver = ResidualCorrection(QSVTInversion(), initial_guess=start, coherent=True, steps=1)
    found = solver.solve(system, epsilon=0.05, shots=20_000, seed=2)
    assert found.shots > 0
    assert found.direction_error < 0.05
    # The norm, which tomography does not see, comes from one classical product.
    assert float(np.linalg.norm(found.x)) == pytest.approx(float(np.linalg.norm(system.solution)), rel=0.1)


def test_a_start_that_is_good_enough_costs_nothing() -> None:
    model = SystemModel(kappa=10.0, num_qubits=3, start_error=1e-4)
    found = ResidualCorrection(QSVTInversion()).estimate(model, 1e-3)
    assert (found.queries_A, found.ratio) == (0.0, 0.0)
    assert ResidualCorrection(QSVTInversion()).estimate(model, 1e-5).queries_A > 0


def test_a_certified_gain_needs_no_solution() -> None:
    """A start beyond epsilon by less than the query factor pays, and the bound proves it beforehand."""
    system = LinearSystem(np.diag(np.linspace(0.02, 1.0, 4)), np.array([0.02, 0.3, 0.6, 1.0]))
    exact = np.asarray(system.solution)
    start = exact + 0.012 * float(np.linalg.norm(exact)) * np.eye(4)[0]
    found = ProximalPoint(QSVTInversion(), initial_guess=start, plan="certified").solve(system, epsilon=0.01)
    assert found.verdict is not None
    assert found.verdict.reason.startswith("certified gain at c = ")
    assert found.direction_error <= 0.01
    assert found.ratio < 1.0


def test_figures_without_an_optimum_have_none() -> None:
    axes = plot_eta(QSVTInversion(), 10.0, 0.005, 1.0)
    assert not [line for line in axes.get_lines() if line.get_marker() == "*"]
    paid = plot_eta(QSVTInversion(), 10.0, 0.1, 0.1)
    assert [line for line in paid.get_lines() if line.get_marker() == "*"]


def test_a_short_clock_promises_nothing() -> None:
    for kappa in (2.0, 50.0, 1e6):
        found = HHL(clock=3).solve(LinearSystem(np.diag([1.0, 1 / kappa]), np.ones(2)), epsilon=0.1)
        assert found.direction_error <= found.stated_error <= np.sqrt(2.0)
    assert found.stated_error > 1.3
