"""The loop for whoever has no scheduler: ask, evaluate, tell, until done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from qalgs.errors import InvalidInputError, expect, expect_callable, invalid
from qalgs.optimizers.base import Array, Optimizer, OptimizerRun
from qalgs.results import Result, Status
from qalgs.seeds import Seed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minimum(Result):
    """What :func:`minimize` found.

    Attributes:
        x: The point with the lowest measured value, shape (d,).
        value: That value.
        status: How the run ended.
        evaluations: Number of values taken.
        values: All values in order, shape (evaluations,).
    """

    x: Array
    value: float
    status: Status
    evaluations: int
    values: Array = field(repr=False)


def minimize(
    optimizer: Optimizer,
    fun: Callable[[Array], ArrayLike],
    x0: ArrayLike,
    *,
    gradient: Callable[[Array], tuple[ArrayLike, ArrayLike]] | None = None,
    seed: Seed = None,
    budget: int | None = None,
    callback: Callable[[OptimizerRun], bool | None] | None = None,
) -> Minimum:
    """Run ``optimizer`` to its end.

    Args:
        optimizer: The configuration.
        fun: Maps points of shape (m, d) to values of shape (m,).
        x0: The first point, shape (d,).
        gradient: Maps points to ``(values, gradients)`` of shapes (m,) and (m, d); used instead of ``fun`` by
            optimisers that need gradients.
        seed: Randomness of the method.
        budget: The largest number of evaluations.
        callback: Called with the run after each batch; a true return value stops it.

    Returns:
        The lowest measured point and the whole trace.

    Raises:
        InvalidInputError: If the optimiser needs gradients and ``gradient`` is None, or a value is not finite.

    Example:
        >>> from qalgs.optimizers import COBYLA
        >>> found = minimize(COBYLA(), lambda x: ((x - 1) ** 2).sum(axis=1), [0.0, 0.0], budget=100)
        >>> found.x.round(2).tolist(), found.status.name
        ([1.0, 1.0], 'CONVERGED')
    """
    expect(Optimizer, optimizer=optimizer)
    if not callable(fun):
        raise invalid("fun", fun, "must be callable")
    expect_callable(gradient=gradient, callback=callback)
    expect(Integral, type(None), budget=budget)
    if optimizer.needs_gradient and gradient is None:
        raise invalid("gradient", None, f"must be given for {type(optimizer).__name__}", "or use COBYLA or SPSA")
    run = optimizer.start(x0, seed=seed, budget=budget)
    history: list[float] = []
    try:
        while not run.done:
            points = run.ask()
            if optimizer.needs_gradient and gradient is not None:
                values, slopes = gradient(points)
            else:
                values, slopes = fun(points), None
            run.tell(points, values, slopes)
            history += np.atleast_1d(np.asarray(values, dtype=np.float64)).tolist()
            if callback is not None and callback(run):
                break
    finally:
        run.close()
    if not history:
        raise InvalidInputError("nothing was evaluated: the optimiser ended before its first point")
    assert run.status is not None
    return Minimum(
        x=run.best_x,
        value=run.best_value,
        status=run.status,
        evaluations=run.evaluations,
        values=np.array(history),
    )
