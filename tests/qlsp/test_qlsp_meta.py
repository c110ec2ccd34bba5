"""Meta-solvers: verdicts, ratios, depth, errors, and every inner solver under every one of them."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qalgs.errors import InvalidInputError
from qalgs.qlsp import (
    HHL,
    VQLS,
    ChebyshevLCU,
    ClassicalPreconditioner,
    ConjugateGradient,
    DiscreteAdiabatic,
    GradientDescent,
    KernelReflection,
    LinearSystem,
    ProximalPoint,
    QSVTInversion,
    ResidualCorrection,
    Solver,
    Step,
    compare,
    count_queries,
    direction_error,
    poisson,
    random_system,
)
from qalgs.results import Status

INNER: list[Solver] = [QSVTInversion(), ChebyshevLCU(), HHL(), DiscreteAdiabatic(), KernelReflection(), VQLS()]
META: dict[str, Callable[[Solver], Solver]] = {
    "direct": lambda inner: ProximalPoint(inner, eta=400.0, initial_guess=GradientDescent(5)),
    "residual": lambda inner: ProximalPoint(inner, form="residual"),
    "correction": lambda inner: ResidualCorrection(inner, initial_guess=GradientDescent(10)),
    "jacobi": lambda inner: ClassicalPreconditioner(inner, "jacobi"),
    "nested": lambda inner: ClassicalPreconditioner(ProximalPoint(inner), "ilu"),
}


@pytest.mark.parametrize("meta", list(META))
@pytest.mark.parametrize("inner", INNER, ids=lambda s: s.name)
def test_swapping_the_inner_solver_changes_nothing_else(inner: Solver, meta: str) -> None:
    system = random_system(4, 8.0, seed=21)
    solver = META[meta](inner)
    found = solver.solve(system, epsilon=2e-2)
    assert found.solver == solver.name
    assert inner.name in found.solver
    assert found.direction_error <= 2e-2
    assert found.queries_A > 0
    if not isinstance(inner, VQLS):
        assert found.counted_queries() == {"U_A": found.queries_A, "U_b": found.queries_b}
    assert found.kappa == pytest.approx(8.0)
    assert found.error_split.total <= found.error_split.solver + found.error_split.proximal + 1e-9
    assert solver.estimate(system, 2e-2).queries_A > 0


def test_cold_start_is_told_not_to_precondition() -> None:
    for seed in range(3):
        system = random_system(8, 50, seed=seed)
        base = QSVTInversion(epsilon=1e-3).solve(system)
        for guess in (None, np.zeros(8), 3.0 * system.b):
            found = ProximalPoint(QSVTInversion(), initial_guess=guess).solve(system, epsilon=1e-3)
            assert found.eta is None
            assert found.ratio == 1.0
            assert found.queries_A == base.queries_A
            np.testing.assert_allclose(found.state, base.state, atol=1e-12)
            assert found.verdict is not None
            assert "do not precondition" in found.verdict.reason
            assert "parallel to b" in found.verdict.reason
            assert found.verdict.rho == 1.0
            assert found.verdict.frontier == pytest.approx(1e-3 * base.queries_A / 50, rel=1e-9)


def test_start_parallel_to_b_prepares_the_same_state_as_zero() -> None:
    system = random_system(4, 10, seed=3)
    states = [
        ProximalPoint(QSVTInversion(), eta=5.0, initial_guess=guess).solve(system).state
        for guess in (None, 7.0 * system.b)
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-10)


def test_good_start_is_returned_untouched() -> None:
    system = random_system(8, 50, seed=1)
    x0 = system.solution * 1.7 + 1e-6
    for solver in (
        ProximalPoint(QSVTInversion(), initial_guess=x0),
        ProximalPoint(QSVTInversion(), eta=3.0, initial_guess=x0),
        ResidualCorrection(QSVTInversion(), initial_guess=x0),
    ):
        found = solver.solve(system, epsilon=1e-3)
        np.testing.assert_allclose(found.x, x0, rtol=1e-10)
        assert found.queries_A == 0
        assert found.eta is None
        assert "untouched" in found.message


@pytest.mark.parametrize("seed", [0, 6])
def test_warm_start_ratios(seed: int) -> None:
    system = random_system(16, 100, seed=seed)
    base = QSVTInversion(epsilon=1e-3).solve(system)
    start = GradientDescent(500)
    proximal = ProximalPoint(QSVTInversion(), initial_guess=start).solve(system, epsilon=1e-3)
    assert proximal.queries_A <= 0.8 * base.queries_A
    assert proximal.ratio <= 0.8
    assert proximal.direction_error <= 1e-3
    assert proximal.eta is not None
    assert proximal.kappa_hat == pytest.approx(100 * (1 + proximal.eta) / (100 + proximal.eta))
    assert proximal.classical_matvecs >= 500
    assert count_queries(proximal.circuit) == {"U_A": proximal.queries_A, "U_b": 1}
    correction = ResidualCorrection(QSVTInversion(), initial_guess=start).solve(system, epsilon=1e-3)
    assert correction.queries_A <= 0.3 * base.queries_A
    assert correction.ratio <= 0.3
    assert correction.direction_error <= 1e-3
    assert correction.details["lcu_amplitude"] > 0.99


@pytest.mark.parametrize("encoding", ["dilation", "banded"])
def test_correction_inside_the_circuit(encoding: str) -> None:
    a = 2.2 * np.eye(8) - np.eye(8, k=1) - np.eye(8, k=-1)
    system = LinearSystem(a, np.arange(1.0, 9.0), encoding=encoding)
    start = GradientDescent(60)
    apart = ResidualCorrection(QSVTInversion(), initial_guess=start).solve(system, epsilon=1e-3)
    inside = ResidualCorrection(QSVTInversion(), initial_guess=start, coherent=True).solve(system, epsilon=1e-3)
    np.testing.assert_allclose(inside.x, apart.x, atol=1e-9 * float(np.linalg.norm(apart.x)))
    assert count_queries(inside.circuit) == {"U_A": inside.queries_A, "U_b": 1}
    assert inside.queries_A == apart.queries_A
    # The circuit's own state is the solution: its success amplitude is that of the combination.
    assert inside.success_probability > 0.9 > apart.success_probability
    with pytest.raises(InvalidInputError, match="must come with QSVTInversion"):
        ResidualCorrection(HHL(), coherent=True)


def test_certified_plan_uses_no_solution() -> None:
    system = random_system(8, 100, seed=2)
    x0, products = GradientDescent(500).start(system)
    assert products == 500
    found = ProximalPoint(QSVTInversion(), initial_guess=x0, plan="certified").solve(system, epsilon=1e-3)
    assert found.verdict is not None
    assert found.verdict.plan == "certified"
    bound = system.kappa * np.linalg.norm(system.b - system.A @ x0) / np.linalg.norm(x0)
    assert found.verdict.rho == pytest.approx(bound, rel=1e-6)
    correction = ResidualCorrection(QSVTInversion(), initial_guess=x0, plan="certified").solve(
        system, epsilon=1e-3
    )
    assert correction.direction_error <= 1e-3


@pytest.mark.parametrize("encoding", ["dilation", "pauli"])
def test_shifted_encoding_costs_what_it_states(encoding: str) -> None:
    base = random_system(4, 10, seed=4)
    system = LinearSystem(base.A, base.b, encoding=encoding)
    alpha = system.encoding.alpha
    found = ProximalPoint(QSVTInversion(epsilon=1e-3), eta=30.0, access="lcu").solve(system)
    assert found.kappa_enc == pytest.approx((1 + 30 * alpha) / (1 + 30 / 10))
    assert found.qubits == 2 + system.encoding.num_ancillas + 2
    assert count_queries(found.circuit)["U_A"] == found.queries_A == found.max_degree
    x1 = np.linalg.solve(np.eye(4) + 30 * system.matrix, 30 * system.rhs)
    assert found.error_split.solver <= 1e-3
    assert found.error_split.proximal == pytest.approx(direction_error(x1, system.reference), rel=1e-6)
    assert found.error_split.identity == pytest.approx(found.error_split.proximal, rel=1e-6)
    direct = ProximalPoint(QSVTInversion(epsilon=1e-3), eta=30.0, access="direct").solve(system)
    assert direct.qubits == 2 + 1 + 1
    np.testing.assert_allclose(direct.norm, found.norm, rtol=2e-3)


def test_direct_steps_contract_towards_the_solution() -> None:
    system = random_system(4, 10, seed=6)
    found = ProximalPoint(QSVTInversion(epsilon=1e-5), eta=10.0, steps=6).solve(system)
    errors = [step.direction_error for step in found.history]
    assert len(errors) == 6
    assert errors[-1] < errors[0] / 10
    assert found.queries_A == sum(step.queries_A for step in found.history)


def test_residual_form_trades_depth_for_total_queries() -> None:
    system = random_system(16, 1000, seed=5)
    seen: list[Step] = []
    found = ProximalPoint(QSVTInversion(), form="residual").solve(system, epsilon=1e-4, callback=seen.append)
    one_shot = QSVTInversion().estimate(system, 1e-4)
    assert found.status is Status.CONVERGED
    assert found.direction_error <= 1e-4
    assert found.max_degree <= one_shot.max_degree / 50
    assert found.queries_A == sum(step.queries_A for step in found.history)
    assert found.ratio == pytest.approx(found.queries_A / one_shot.queries_A)
    assert 1.0 < found.ratio < 3.0
    assert tuple(seen) == found.history
    # Classical combination of the same shallow circuits, with an exact line search, needs fewer of them.
    searched = ProximalPoint(QSVTInversion(), form="residual", line_search=True).solve(system, epsilon=1e-4)
    assert searched.direction_error <= 1e-4


def test_degree_budget_is_kept() -> None:
    system = random_system(8, 200, seed=5)
    for budget in (9, 41):
        found = ProximalPoint(QSVTInversion(), form="residual", max_degree=budget).solve(system, epsilon=1e-3)
        assert found.max_degree <= budget
        assert found.direction_error <= 1e-3


def test_steps_are_a_budget() -> None:
    system = random_system(8, 200, seed=5)
    found = ProximalPoint(QSVTInversion(), form="residual", steps=3).solve(system, epsilon=1e-3)
    assert found.status is Status.BUDGET
    assert len(found.history) == 3


def test_interrupt_loses_nothing() -> None:
    def stop(step: Step) -> None:
        if step.index == 4:
            raise KeyboardInterrupt

    system = random_system(8, 200, seed=5)
    found = ProximalPoint(QSVTInversion(), form="residual").solve(system, epsilon=1e-3, callback=stop)
    assert found.status is Status.INTERRUPTED
    assert found.queries_A > 0
    again = ProximalPoint(QSVTInversion(), form="residual", initial_guess=found.x).solve(system, epsilon=1e-3)
    whole = ProximalPoint(QSVTInversion(), form="residual").solve(system, epsilon=1e-3)
    assert again.status is Status.CONVERGED
    np.testing.assert_allclose(again.x, whole.x, rtol=1e-6)


def test_complex_shift_for_indefinite_matrices() -> None:
    for kind in ("hermitian", "general"):
        system = random_system(4, 6, kind=kind, seed=8)
        found = ProximalPoint(QSVTInversion(), eta=12.0, shift="complex", form="residual").solve(
            system, epsilon=1e-3
        )
        assert found.direction_error <= 1e-3
        shifted = np.eye(len(system.matrix)) + 12j * system.matrix
        assert found.kappa_hat == pytest.approx(np.linalg.cond(shifted), rel=1e-6)


def test_refinement_from_a_cold_start() -> None:
    system = random_system(8, 100, seed=3)
    found = ResidualCorrection(QSVTInversion()).solve(system, epsilon=1e-4)
    assert found.direction_error <= 1e-4
    assert len(found.history) > 1
    assert found.max_degree < 0.5 * QSVTInversion().estimate(system, 1e-4).max_degree


def test_jacobi_and_ilu_reduce_kappa_where_they_should() -> None:
    scale = np.array([1.0, 10.0, 0.1, 3.0])
    a = np.diag(scale) @ (2 * np.eye(4) - 0.5 * np.eye(4, k=1) - 0.5 * np.eye(4, k=-1)) @ np.diag(scale)
    system = LinearSystem(a, [1, 2, 3, 4])
    plain = QSVTInversion(epsilon=1e-3).estimate(system)
    found = ClassicalPreconditioner(QSVTInversion(), "jacobi").solve(system, epsilon=1e-3)
    assert found.queries_A < plain.queries_A / 100
    assert found.details["kappa_preconditioned"] < 10 < system.kappa
    assert found.direction_error < 1e-2
    exact = np.linalg.inv(a)
    custom = ClassicalPreconditioner(QSVTInversion(), lambda v: exact @ v).solve(system)
    assert custom.details["kappa_preconditioned"] == pytest.approx(1.0, rel=1e-6)
    assert "kappa" in ClassicalPreconditioner(QSVTInversion(), "ilu").estimate(system).note


def test_starts() -> None:
    system = random_system(8, 30, seed=1)
    x, products = ConjugateGradient(8).start(system)
    assert products <= 8
    assert system.residual(x) < 1e-8
    x, _ = GradientDescent(3, step=1.5).start(system)
    iterate = np.zeros(8)
    for _ in range(3):
        iterate = iterate + 1.5 / system.norm * (system.b - system.A @ iterate)
    np.testing.assert_allclose(x, iterate)
    with pytest.raises(InvalidInputError, match="must suit the matrix"):
        ConjugateGradient(2).start(random_system(4, 3, kind="hermitian", seed=4))


def test_comparison_is_at_matched_error() -> None:
    system = random_system(4, 10, seed=2)
    rows: list[object] = []
    table = compare([QSVTInversion(), HHL(), KernelReflection()], system, 2e-2, callback=rows.append)
    assert len(rows) == 3
    assert all(row.met and row.direction_error <= 2e-2 for row in table.rows)
    loose = QSVTInversion(epsilon=2e-2).solve(system)
    assert table.rows[0].queries_A <= loose.queries_A
    assert table.rows[0].setting >= 2e-2
    text = str(table)
    assert text.count("\n") == 5
    assert "KernelReflection" in text
    refused = compare(
        [ProximalPoint(QSVTInversion(), eta=1.0)], random_system(4, 3, kind="hermitian", seed=4), 0.1
    )
    assert not refused.rows[0].met
    assert "shift must be complex" in refused.rows[0].note


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: ProximalPoint(QSVTInversion(), eta=0.0),
            'eta must be "auto" or a finite number above zero, got 0.0',
        ),
        (lambda: ProximalPoint(QSVTInversion(), eta=-2.0), "above zero, got -2.0"),
        (lambda: ProximalPoint(QSVTInversion(), eta="best"), "eta must be"),
        (
            lambda: ProximalPoint("qsvt"),  # type: ignore[arg-type]
            "inner must be a solver",
        ),
        (lambda: ProximalPoint(QSVTInversion(), form="both"), "form must be one of direct, residual"),
        (lambda: ProximalPoint(QSVTInversion(), shift="imaginary"), "shift must be one of"),
        (lambda: ProximalPoint(QSVTInversion(), steps=0), "steps must be at least 1"),
        (lambda: ProximalPoint(QSVTInversion(), shift="complex"), "must be a number with a complex shift"),
        (lambda: ResidualCorrection(QSVTInversion(), steps=0), "steps must be at least 1"),
        (lambda: ClassicalPreconditioner(QSVTInversion(), "magic"), "kind must be"),
        (lambda: GradientDescent(-1), "steps must not be negative"),
        (lambda: GradientDescent(1, step=2.0), "step must lie"),
        (lambda: ProximalPoint(QSVTInversion(), initial_guess=[1, 2]).solve(poisson(4)), "x must have shape"),
        (lambda: ProximalPoint(QSVTInversion(), initial_guess=[np.nan] * 4).solve(poisson(4)), "a finite vector"),
    ],
)
def test_bad_input(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]


def test_real_shift_of_an_indefinite_matrix_names_the_singular_step() -> None:
    system = LinearSystem(np.diag([1.0, -0.5]), [1, 1])
    with pytest.raises(InvalidInputError, match=r"singular at eta = -1/lambda = 2 \(lambda = -0.5\)"):
        ProximalPoint(QSVTInversion(), eta=1.0).solve(system)
    with pytest.raises(InvalidInputError, match="its dilation has eigenvalues of both signs"):
        ProximalPoint(QSVTInversion(), eta=1.0).solve(random_system(2, 2, kind="general", seed=1))


def test_the_example_runs_all_six_under_all_meta_solvers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QALGS_FAST", "1")
    runpy.run_path(str(Path(__file__).parents[2] / "examples" / "linear_solvers.py"))
    text = capsys.readouterr().out
    for solver in INNER:
        for form in ("ProximalPoint({}, direct)", "ProximalPoint({}, residual)", "ResidualCorrection({})"):
            assert form.format(solver.name) in text
        assert f"ClassicalPreconditioner({solver.name}, jacobi)" in text
    assert " !" not in text
