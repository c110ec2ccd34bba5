"""Rarer turns of the optimisers: extreme slopes, coinciding points, lost ends; also run without compilation."""

from __future__ import annotations

import gc
import math
import threading
import weakref

import numpy as np
import pytest
import scipy
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import InvalidInputError, QalgsError
from qalgs.optimizers import COBYLA, SPSA, Adam, NelderMead, OptimizerRun, cobyla_kernel, minimize
from qalgs.results import Status

Array = NDArray[np.float64]


def bowl(x: Array) -> Array:
    return np.asarray(np.sum((np.atleast_2d(x) - 0.3) ** 2, axis=1))


def finish(run: OptimizerRun, evaluations: int | None = None) -> OptimizerRun:
    while not run.done and (evaluations is None or run.evaluations < evaluations):
        points = run.ask()
        run.tell(points, bowl(points))
    return run


def descent(gradient: ArrayLike, delta: float) -> Array:
    step = np.full(np.size(gradient), 7.0)
    cobyla_kernel._descend(np.asarray(gradient, dtype=np.float64), delta, step)
    return step


@pytest.mark.parametrize(
    "gradient",
    [
        [3.0, 4.0],
        [-2.0],
        [1.0, 1e-20],
        [1e-20, -1.0],
        [0.0, 5.0],
        [1.0, 3e-170, 4e-170],
        [1.0, 4e-170, -3e-170],
        [1e12, 2e13, -3e13],
        [0.0, 0.0, -2.0, 0.0],
    ],
)
def test_descents_point_against_the_gradient(gradient: list[float]) -> None:
    g = np.array(gradient)
    assert descent(g, 0.25) == pytest.approx(-0.25 * g / np.linalg.norm(g), rel=1e-14, abs=1e-17)


@pytest.mark.parametrize("gradient", [[0.0, 0.0], [1e-40, 1e-40], [np.inf, 1.0], [np.inf, -np.inf]])
def test_without_a_usable_gradient_there_is_no_step(gradient: list[float]) -> None:
    assert descent(gradient, 1.0).tolist() == [0.0] * len(gradient)


@pytest.mark.parametrize("pair", [(3e-170, 4e-170), (-4e-170, 3e-170), (1.0, 1e-17), (1e-17, -1.0), (6.0, 8.0)])
def test_rotations_keep_their_digits_at_any_size(pair: tuple[float, float]) -> None:
    scale = max(map(abs, pair))
    x, y = (p / scale for p in pair)
    expected = (x / math.hypot(x, y), y / math.hypot(x, y))
    assert cobyla_kernel._rotation(np.array(pair)) == pytest.approx(expected, rel=1e-14, abs=1e-16)


def test_a_point_next_to_a_vertex_takes_its_value() -> None:
    edges, pole, values = 0.5 * np.eye(2), np.array([1.0, 2.0]), np.array([7.0, 8.0, 9.0])
    real, point = np.zeros(cobyla_kernel.REALS), np.empty(2)
    real[cobyla_kernel.LAST] = 1e-2
    for step, value in ([0.0, 0.5 + 1e-9], 8.0), ([0.5, 1e-9], 7.0), ([1e-9, 0.0], 9.0):
        real[cobyla_kernel.VALUE] = math.nan
        assert cobyla_kernel._place(edges, pole, values, np.array(step), point, real)
        assert real[cobyla_kernel.VALUE] == value
        assert point.tolist() == [1.0 + step[0], 2.0 + step[1]]
    assert not cobyla_kernel._place(edges, pole, values, np.array([0.3, 0.3]), point, real)


def test_searches_without_end_are_given_up() -> None:
    run = finish(COBYLA().start(np.ones(2), budget=90), 12)
    best = run.best_value
    whole = run._whole  # type: ignore[attr-defined]
    whole[cobyla_kernel.ROUNDS] = 10 * whole[cobyla_kernel.MOST]
    finish(run)
    assert run.status is Status.STALLED
    assert run.evaluations <= 13
    assert run.best_value <= best


def test_kernels_end_with_the_values_they_may_take() -> None:
    for d in (1, 2, 4):
        for most in range(d + 2, d + 20):
            run = COBYLA(tol=1e-12).start(np.linspace(-1, 2, d))
            run._whole[cobyla_kernel.MOST] = most  # type: ignore[attr-defined]
            finish(run)
            assert run.evaluations == most
            assert run.status is Status.STALLED
            assert run.best_value < bowl(np.linspace(-1, 2, d))[0]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_coarse_runs_end_at_their_resolution(d: int, rng: np.random.Generator) -> None:
    for tol in (0.5, 0.1, 1e-2):
        found = minimize(COBYLA(rhobeg=0.5, tol=tol), bowl, rng.normal(size=d))
        assert found.status is Status.CONVERGED
        assert found.value < 4 * d * tol**2


def test_lists_are_schedules_as_pairs_are() -> None:
    run = COBYLA(rhobeg=[1.0, 0.5])  # type: ignore[arg-type]
    assert run.rhobeg == (1.0, 0.5)
    assert run == COBYLA(rhobeg=(1.0, 0.5))
    with pytest.raises(InvalidInputError, match="pair"):
        COBYLA(rhobeg=[1.0])  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [[[math.nan, 0.0]], [[1.0]], [[1.0, math.inf]]])
def test_gradients_are_finite_and_of_the_points_shape(bad: list[list[float]]) -> None:
    run = Adam().start(np.zeros(2))
    with pytest.raises(InvalidInputError, match=r"^gradients must be finite and of shape \(1, 2\), got "):
        run.tell(run.ask(), [0.0], bad)
    assert run.evaluations == 0


def test_nothing_is_told_after_the_end() -> None:
    run = finish(SPSA().start(np.zeros(2), seed=1, budget=4))
    state = run.state()
    run.tell(run.ask(), np.empty(0))
    assert run.evaluations == 4
    assert run.best_value == min(min(v) for v in state["values"] if v)


def test_records_of_another_number_of_points_cannot_be_continued() -> None:
    run = finish(SPSA().start(np.zeros(2), seed=1, budget=20), 8)
    state = run.state()
    state["values"][1] = state["values"][1][:1]
    with pytest.raises(QalgsError, match=r"^the recorded SPSA run cannot be continued: its replay proposes other"):
        OptimizerRun.from_state(state)


def test_without_a_budget_the_steps_count() -> None:
    for steps, rate, evaluations in ((3, 0.1, 6), (3, None, 16)):
        found = minimize(SPSA(steps=steps, learning_rate=rate), bowl, np.zeros(2), seed=1)
        assert found.status is Status.BUDGET
        assert found.evaluations == evaluations
    found = minimize(Adam(steps=5), bowl, np.zeros(2), gradient=lambda x: (bowl(x), 2 * (x - 0.3)))
    assert found.status is Status.BUDGET
    assert found.evaluations == 5


def test_an_old_scipy_is_refused_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scipy, "__version__", "1.15.3")
    text = r"COBYLA.engine needs SciPy >= 1.16 \(SciPy 1.15.3 can run only one COBYLA at a time\), got 'scipy'"
    with pytest.raises(InvalidInputError, match=text):
        COBYLA(engine="scipy").start(np.zeros(2))
    assert finish(COBYLA().start(np.zeros(2), budget=9)).evaluations == 9


def test_an_optimiser_without_a_point_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COBYLA, "_open", lambda self, x0, seed, budget: _Ended(self, x0, seed, budget))
    with pytest.raises(InvalidInputError, match=r"^nothing was evaluated: the optimiser ended before its first"):
        minimize(COBYLA(), bowl, np.zeros(2))


class _Ended(OptimizerRun):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.close()

    def _next(self) -> Array:
        raise AssertionError

    def _take(self, points: Array, values: Array, gradients: Array | None) -> None:
        raise AssertionError


def test_a_run_that_its_own_thread_drops_does_not_wait_for_itself() -> None:
    from qalgs.optimizers.scipy_methods import _dismiss

    before = set(threading.enumerate())
    run = NelderMead().start(np.zeros(2), budget=30)
    (thread,) = set(threading.enumerate()) - before
    answers = run._answers  # type: ignore[attr-defined]
    _dismiss(answers, threading.current_thread())  # puts the end and returns at once
    thread.join(timeout=5.0)
    assert not thread.is_alive()
    watched = weakref.ref(run)
    run.close()
    del run
    gc.collect()
    assert watched() is None
