"""Optimisers against SciPy's own, evaluation by evaluation.

Rounding decides COBYLA's ties, and ties are common. SciPy's Python calls NumPy's BLAS, compiled steps SciPy's.
OpenBLAS rounds otherwise on every kind of processor (with AVX-512 it fuses multiplication and addition even in
sums of two products), but where both libraries round alike, which is measured below, all points agree exactly.
"""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray
from scipy import optimize
from scipy.linalg import blas

from qalgs.errors import InvalidInputError, QalgsError
from qalgs.optimizers import COBYLA, LBFGS, SPSA, Adam, NelderMead, Optimizer, OptimizerRun, minimize, resolve_step
from qalgs.optimizers.cobyla_kernel import _total
from qalgs.results import Status

Array = NDArray[np.float64]
# SciPy has PRIMA's COBYLA from 1.16 on, and Powell's before.
PRIMA = tuple(int(part) for part in scipy.__version__.split(".")[:2]) >= (1, 16)


def libraries_agree() -> bool:
    """Return whether NumPy's BLAS and SciPy's (which compiled code calls) round alike."""
    rng = np.random.default_rng(0)
    for d in [*range(1, 41)] * 5:
        a, x, y = rng.normal(size=(d, d)), rng.normal(size=d), rng.normal(size=d)
        rows, columns = blas.dgemv(1.0, a.T, x, trans=1), blas.dgemv(1.0, a.T, x)
        if blas.ddot(x, y) != x @ y or not (np.array_equal(rows, a @ x) and np.array_equal(columns, x @ a)):
            return False
    return True


ALIKE = PRIMA and (os.environ.get("OPENBLAS_CORETYPE") == "Haswell" or libraries_agree())
ENGINES: list[Literal["compiled", "scipy"]] = []
if ALIKE:
    ENGINES.append("compiled")
if PRIMA:
    ENGINES.append("scipy")
ALL: list[Optimizer] = [COBYLA(rhobeg=0.7), NelderMead(), LBFGS(), SPSA(), SPSA(learning_rate=0.3), Adam()]
if PRIMA:
    ALL.append(COBYLA(rhobeg=0.7, engine="scipy"))


def landscape(points: Array) -> Array:
    x = np.atleast_2d(points)
    return np.asarray(np.sum(np.cos(x + np.arange(x.shape[1])), axis=1) + 0.1 * np.sum(x**2, axis=1))


def slopes(points: Array) -> tuple[Array, Array]:
    x = np.atleast_2d(points)
    return landscape(x), np.asarray(-np.sin(x + np.arange(x.shape[1])) + 0.2 * x)


def advance(run: OptimizerRun, evaluations: int | None = None) -> list[Array]:
    seen = []
    while not run.done and (evaluations is None or run.evaluations < evaluations):
        points = run.ask()
        values, gradients = slopes(points)
        run.tell(points, values, gradients)
        seen.append(points)
    return seen


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("qalgs-")]


@pytest.mark.parametrize(
    ("optimizer", "method", "options"),
    [
        *[
            (COBYLA(rhobeg=0.5, tol=1e-3, engine=engine), "COBYLA", {"rhobeg": 0.5, "tol": 1e-3, "maxiter": 60})
            for engine in ENGINES
        ],
        (
            NelderMead(step=0.3),
            "Nelder-Mead",
            {"initial_simplex": True, "xatol": 1e-4, "fatol": 1e-4, "adaptive": True, "maxfev": 60},
        ),
        (LBFGS(), "L-BFGS-B", {"gtol": 1e-6, "ftol": 1e-12, "maxcor": 10, "maxfun": 60}),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Optimizer) else None,
)
def test_the_face_is_scipy_evaluation_by_evaluation(
    optimizer: Optimizer, method: str, options: dict[str, object], rng: np.random.Generator
) -> None:
    x0 = rng.normal(size=5)
    calls: list[Array] = []

    def cost(x: Array) -> object:
        calls.append(x0 + x if method == "L-BFGS-B" else x.copy())
        value, gradient = slopes(calls[-1])
        return (float(value[0]), gradient[0]) if method == "L-BFGS-B" else float(value[0])

    if options.pop("initial_simplex", None):
        options["initial_simplex"] = np.vstack([x0, x0 + 0.3 * np.eye(5)])
    gradient = method == "L-BFGS-B"
    solve: Callable[..., object] = optimize.minimize
    solve(cost, np.zeros(5) if gradient else x0, method=method, jac=gradient or None, options=options)
    ours = np.vstack(advance(optimizer.start(x0, budget=60)))
    assert len(calls) >= 8
    assert np.array_equal(ours, np.array(calls)[: len(ours)])
    assert len(ours) == min(60, len(calls))


EDGES: dict[str, tuple[Callable[[Array], float], Array]] = {
    "linear": (lambda x: float(x @ np.arange(1.0, 4.0)), np.zeros(3)),
    "flat": (lambda x: 0.0, np.ones(4)),
    "one parameter": (lambda x: float(np.cos(x[0]) + 0.3 * x[0]), np.array([0.4])),
    "needless parameters": (lambda x: float(np.cos(x[1])), np.zeros(4)),
    "steps": (lambda x: float(np.round(4 * np.sum(x**2))), np.full(3, 0.77)),
    "huge slopes": (lambda x: float(1e13 * np.abs(x).sum()), np.full(3, 0.5)),
    "minute slopes": (lambda x: float(1e-30 * np.sum(x**2)), np.full(3, 0.5)),
    "narrow valley": (lambda x: float(np.sum(1e4 ** np.arange(6) * x**2)), np.ones(6)),
    "largest": (lambda x: float(np.abs(x).max()), np.ones(4)),
    "ratio at the upper limit": (lambda x: float(x[0] if x[0] > 0 else 0.7000000000000001 * x[0]), np.zeros(1)),
    "many equal parameters": (lambda x: float(np.sum(x**2)), np.full(12, 0.77)),
    "valley": (lambda x: float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)), np.zeros(5)),
}


def follow_scipy(
    cost: Callable[[Array], float],
    x0: Array,
    *,
    rhobeg: float,
    tol: float,
    budget: int,
    powell: int = 1,
    share: float = math.inf,
) -> None:
    """Compare all points and the end of a run with SciPy's, to the last bit.

    Without ALIKE: the simplex, ``powell`` steps, and the best values up to a ``share`` of the descent.
    """
    seen: list[Array] = []

    def record(x: Array) -> float:
        seen.append(x.copy())
        return cost(x)

    solve: Callable[..., Any] = optimize.minimize
    theirs = solve(record, x0, method="COBYLA", options={"rhobeg": rhobeg, "tol": tol, "maxiter": budget})
    run = COBYLA(rhobeg=rhobeg, tol=tol).start(x0, budget=budget)
    ours = []
    while not run.done:
        ours.append(run.ask()[0].copy())
        run.tell(ours[-1], cost(ours[-1]))
    if ALIKE:
        assert len(ours) == len(seen)
        assert np.array_equal(ours, seen)
        ended = {0: Status.CONVERGED, 3: Status.BUDGET}.get(theirs.status, Status.STALLED)
        assert run.status is ended or (len(ours) == budget and run.status is Status.BUDGET)
    else:
        first = x0.size + 1 + powell
        assert np.allclose(ours[:first], seen[:first], rtol=1e-9, atol=1e-9)
        start, lowest = cost(x0), min(map(cost, seen))
        assert abs(run.best_value - lowest) <= share * max(start - lowest, 1e-3)


def test_whole_runs_are_scipys_with_other_kernels() -> None:
    if not PRIMA or platform.machine().lower() not in ("x86_64", "amd64"):
        return  # OpenBLAS has one kernel
    # The kernels that OpenBLAS takes by itself, or those for Haswell: whichever this process does not use.
    environment = os.environ | {"OPENBLAS_CORETYPE": "Haswell"}
    if "OPENBLAS_CORETYPE" in os.environ:
        del environment["OPENBLAS_CORETYPE"]
    chosen = "(scipys or face_is_scipy) and not whole_runs"
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", chosen],
        env=environment,
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert found.returncode == 0, found.stdout
    assert int(found.stdout.split(" passed")[0].split()[-1]) > 15


@pytest.mark.parametrize("n", [1, 7, 8, 9, 23, 128, 129, 150, 300, 1000])
def test_sums_are_taken_in_numpys_order(n: int, rng: np.random.Generator) -> None:
    for terms in rng.normal(size=(20, n)):
        assert _total(terms) == np.sum(terms)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 16, 33])
def test_compiled_steps_are_scipys_steps(d: int, rng: np.random.Generator) -> None:
    for rhobeg, tol in ((1.0, 1e-4), (0.3, 1e-2), (0.1, 1e-9)):
        mix, weights, phases = rng.normal(size=(6, d)), rng.normal(size=6), rng.uniform(0, 6, 6)

        def cost(x: Array, parts: tuple[Array, ...] = (mix, weights, phases)) -> float:
            return float(parts[1] @ np.cos(parts[0] @ x + parts[2]) + 0.2 * np.cos(x).sum())

        # 528 such runs with SciPy's sums taken in another order: 2 steps or more agreed, shares were below 0.3.
        x0 = rng.uniform(-np.pi, np.pi, d)
        follow_scipy(cost, x0, rhobeg=rhobeg, tol=tol, budget=200, powell=2, share=0.5)


@pytest.mark.parametrize("d", [4, 16])
def test_compiled_steps_are_scipys_steps_under_noise(d: int, rng: np.random.Generator) -> None:
    for rhobeg in (1.0, 0.1):
        cost: Callable[[Array], float] = lambda x: float(np.cos(x).sum() + 0.3 * np.sin(1e5 * x.sum()))  # noqa: E731
        follow_scipy(cost, rng.normal(size=d), rhobeg=rhobeg, tol=1e-3, budget=200)


@pytest.mark.parametrize("name", EDGES)
def test_compiled_steps_are_scipys_steps_on_degenerate_functions(name: str) -> None:
    cost, x0 = EDGES[name]
    follow_scipy(cost, x0, rhobeg=0.5, tol=1e-6, budget=250, powell=0, share=0.1)


def test_a_last_radius_as_large_as_the_first_or_zero_is_taken_as_scipys_is() -> None:
    for rhobeg, tol in ((0.5, 0.5), (0.5, 0.5 - 1e-15), (0.01, 1e-2)):
        follow_scipy(lambda x: float(np.sum(x**2)), np.ones(3), rhobeg=rhobeg, tol=tol, budget=100)
    assert minimize(COBYLA(tol=0.0), landscape, np.ones(2)).status is Status.CONVERGED
    assert minimize(COBYLA(rhobeg=0.1, tol=5.0), landscape, np.ones(2)).status is Status.CONVERGED


def test_lost_digits_of_the_inverse_are_restored_or_the_run_stalls() -> None:
    whole, hurt = (COBYLA(tol=1e-8).start(np.ones(4), budget=120) for _ in range(2))
    advance(whole)
    advance(hurt, 30)
    hurt._inverse[:] *= 1.5  # type: ignore[attr-defined]
    advance(hurt)
    assert hurt.best_value == pytest.approx(whole.best_value, abs=1e-3)
    lost = COBYLA(tol=1e-8).start(np.ones(4), budget=120)
    advance(lost, 30)
    lost._edges[1] = lost._edges[0]  # type: ignore[attr-defined]
    lost._inverse[:] = 0.0  # type: ignore[attr-defined]
    advance(lost)
    assert lost.status is Status.STALLED


@pytest.mark.parametrize("slope", [1e-12, 1.0])
def test_a_descent_without_end_stays_finite(slope: float) -> None:
    found = minimize(COBYLA(), lambda x: -slope * x.sum(axis=1), np.zeros(2), budget=1500)
    assert found.status is Status.BUDGET
    assert np.isfinite(found.x).all()
    assert found.value < -1e6 * slope


def test_an_engine_is_described_only_if_it_was_chosen() -> None:
    assert COBYLA(rhobeg=0.5).to_dict() == {"kind": "COBYLA", "rhobeg": 0.5, "tol": 1e-4}
    chosen = COBYLA(engine="scipy")
    assert chosen.to_dict()["engine"] == "scipy"
    assert Optimizer.from_dict(chosen.to_dict()) == chosen
    assert chosen.at_cycle(0, 3).engine == "scipy"  # type: ignore[attr-defined, unused-ignore]


def test_scipys_engine_shares_its_states_or_is_refused(rng: np.random.Generator) -> None:
    x0 = rng.normal(size=5)
    chosen = COBYLA(engine="scipy")
    if not PRIMA:
        with pytest.raises(
            InvalidInputError, match=r"COBYLA.engine needs SciPy >= 1.16 .*use the compiled engine"
        ):
            chosen.start(x0)
        return
    old = chosen.start(x0, budget=60)
    head = advance(old, 25)
    state = old.state()
    old.close()
    del state["optimizer"]["engine"]
    tail = advance(OptimizerRun.from_state(state))
    assert np.array_equal(np.vstack([*head, *tail]), np.vstack(advance(COBYLA().start(x0, budget=60))))


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("stop", [0, 1, 17])
def test_a_run_restored_from_json_continues_identically(
    optimizer: Optimizer, stop: int, rng: np.random.Generator
) -> None:
    x0 = rng.normal(size=4)
    whole = optimizer.start(x0, seed=3, budget=45)
    points = np.vstack(advance(whole))
    first = optimizer.start(x0, seed=3, budget=45)
    head = advance(first, stop)
    second = OptimizerRun.from_state(json.loads(json.dumps(first.state())))
    assert second.evaluations == first.evaluations
    tail = advance(second)
    assert np.array_equal(np.vstack([*head, *tail]), points)
    assert second.status is whole.status
    assert second.best_value == whole.best_value
    assert np.array_equal(second.best_x, whole.best_x)
    first.close()


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("budget", [1, 2, 7, 8])
def test_the_budget_is_never_exceeded(optimizer: Optimizer, budget: int, rng: np.random.Generator) -> None:
    run = optimizer.start(rng.normal(size=6), seed=1, budget=budget)
    advance(run)
    assert run.evaluations == budget
    assert run.status is Status.BUDGET
    assert run.ask().shape == (0, 6)


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: type(o).__name__)
def test_every_method_descends(optimizer: Optimizer, rng: np.random.Generator) -> None:
    x0 = rng.normal(size=3)
    found = minimize(optimizer, landscape, x0, gradient=slopes, seed=5, budget=1600)
    cost: Callable[[Array], float] = lambda x: float(landscape(x)[0])  # noqa: E731
    # The minimum of the valley that the run has reached: the landscape has several.
    best = optimize.minimize(cost, found.x).fun
    assert found.value <= landscape(x0)[0]
    assert found.value - best < 0.15 * (landscape(x0)[0] - best) + 1e-9
    assert found.evaluations == len(found.values) <= 1600
    assert found.value == found.values.min()


def test_converged_runs_say_so(rng: np.random.Generator) -> None:
    for optimizer in (COBYLA(tol=1e-2), NelderMead(), LBFGS()):
        assert minimize(optimizer, landscape, rng.normal(size=2), gradient=slopes).status is Status.CONVERGED


def test_threads_end_with_their_run() -> None:
    before = len(workers())
    runs = [NelderMead().start(np.zeros(3)) for _ in range(4)]
    for run in runs:
        run.ask()
    assert len(workers()) == before + 4
    runs[0].close()
    assert runs[0].status is Status.INTERRUPTED
    finished = NelderMead().start(np.zeros(2), budget=5)
    advance(finished)
    del runs, run
    gc.collect()
    assert len(workers()) == before


@pytest.mark.parametrize("optimizer", ALL, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(optimizer: Optimizer, bad: float) -> None:
    run = optimizer.start(np.zeros(3))
    points = run.ask()
    with pytest.raises(InvalidInputError, match=r"values must be finite \(evaluation 0\)"):
        run.tell(points, np.full(len(points), bad), np.zeros_like(points))
    assert run.evaluations == 0
    values, gradients = slopes(points)
    run.tell(points, values, gradients)
    assert run.evaluations == len(points)
    run.close()


def test_only_what_was_asked_can_be_told() -> None:
    run = COBYLA().start(np.zeros(2))
    with pytest.raises(InvalidInputError, match="must be the points that ask"):
        run.tell(run.ask() + 1e-12, [0.0])
    with pytest.raises(InvalidInputError, match="values must have shape"):
        run.tell(run.ask(), [0.0, 1.0])
    assert np.array_equal(run.ask(), run.ask())
    run.close()


def test_gradients_are_required_where_needed() -> None:
    run = Adam().start(np.zeros(2))
    with pytest.raises(InvalidInputError, match="Adam needs them"):
        run.tell(run.ask(), [0.0])
    with pytest.raises(InvalidInputError, match="must be given for LBFGS"):
        minimize(LBFGS(), landscape, np.zeros(2))


def test_step_schedules() -> None:
    assert [resolve_step((1.0, 0.1), c, 4) for c in range(4)] == pytest.approx([1.0, 0.7, 0.4, 0.1])
    assert resolve_step((1.0, 0.1), 0, 1) == 1.0
    assert [COBYLA(rhobeg=(1, 0.5)).at_cycle(c, 3).rhobeg for c in range(3)] == [1.0, 0.75, 0.5]
    assert COBYLA(rhobeg=lambda c, n: 0.5**c).at_cycle(2, 9).rhobeg == 0.25
    assert SPSA(learning_rate=(0.4, 0.2)).at_cycle(1, 2).learning_rate == 0.2
    assert SPSA().at_cycle(1, 2).learning_rate is None
    run = COBYLA(rhobeg=(0.3, 0.1)).start(np.zeros(2))
    head = advance(run, 2)
    assert np.allclose(np.linalg.norm(head[1] - head[0]), 0.3)
    run.close()


def test_the_first_trial_step_of_lbfgs_has_the_given_length(rng: np.random.Generator) -> None:
    x0 = rng.normal(size=4) * 3
    for step in (1.0, 0.1):
        first, second = advance(LBFGS(step=step).start(x0, budget=2))
        assert np.linalg.norm(second - first) == pytest.approx(step)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: COBYLA(rhobeg=0), "COBYLA.rhobeg must be positive, got 0"),
        (lambda: COBYLA(rhobeg=(1.0, math.nan)), "COBYLA.rhobeg must be finite"),
        (lambda: COBYLA(rhobeg=(1.0, 0.5, 0.1)), "pair"),  # type: ignore[arg-type]
        (lambda: SPSA(alpha=-1), "SPSA.alpha"),
        (lambda: COBYLA().start([math.nan]), "x0 must be a non-empty vector of finite numbers"),
        (lambda: COBYLA().start([]), "x0"),
        (lambda: COBYLA().start([0.0], budget=0), "budget must be at least 1, got 0"),
        (lambda: COBYLA().at_cycle(3, 3), "cycle must be between 0 and 2, got 3"),
        (lambda: Optimizer.from_dict({"kind": "Powell"}), "optimizer must be one of Adam, COBYLA"),
        (lambda: Optimizer.from_dict({"kind": "COBYLA", "rho": 1}), "COBYLA option must be one of engine, rhobeg"),
        (lambda: COBYLA(engine="fortran"), 'COBYLA.engine must be "compiled" or "scipy", got \'fortran\''),  # type: ignore[arg-type]
        (lambda: COBYLA(rhobeg=lambda c, n: 1.0).to_dict(), "call at_cycle"),
    ],
)
def test_bad_options_are_named(make: Callable[[], object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text.replace("(", r"\(")):
        make()


def test_a_replay_that_differs_is_refused() -> None:
    run = COBYLA().start(np.zeros(3), budget=30)
    advance(run, 10)
    state = run.state()
    state["values"][4][0] += 0.5
    with pytest.raises(QalgsError, match="replay proposes other points"):
        OptimizerRun.from_state(state)
    run.close()


def test_errors_of_the_library_reach_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(optimize, "minimize", broken)
    with pytest.raises(RuntimeError, match="broken"):
        NelderMead().start(np.zeros(2)).ask()


def test_spsa_draws_from_its_seed_alone(rng: np.random.Generator) -> None:
    x0 = rng.normal(size=4)
    one, two, other = (np.vstack(advance(SPSA().start(x0, seed=s, budget=20))) for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_callback_stops(rng: np.random.Generator) -> None:
    found = minimize(COBYLA(), landscape, np.zeros(2), callback=lambda run: run.evaluations >= 6)
    assert found.evaluations == 6
    assert found.status is Status.INTERRUPTED
