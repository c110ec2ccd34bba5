"""Optimisers that keep their own state: SPSA for noisy values, Adam for gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qalgs.optimizers.base import Array, Optimizer, OptimizerRun, Step, number
from qalgs.results import Status
from qalgs.seeds import keyed


@dataclass(frozen=True, kw_only=True)
class SPSA(Optimizer):
    """Simultaneous-perturbation stochastic approximation (Spall 1998): two evaluations a step, any dimension.

    Step k moves by ``-a_k * g_k`` with ``a_k = a / (k + 1 + A)**alpha`` and
    ``g_k = Δ (f(x + c_k Δ) - f(x - c_k Δ)) / 2 c_k``, where ``c_k = c / (k + 1)**gamma`` and Δ is a random vector
    of signs. With ``learning_rate=None`` the first ``calibration`` steps only measure, and a is set so that the
    first move is ``target_step`` long in each parameter on average (Kandala et al. 2017).

    Attributes:
        perturbation: c, in the units of the parameters; may be scheduled over cycles.
        learning_rate: a; may be scheduled over cycles.
        target_step: Mean first move per parameter if a is calibrated; may be scheduled over cycles.
        calibration: Steps (two evaluations each) that calibration may use.
        stability: A.
        alpha: Decay of a_k.
        gamma: Decay of c_k.
        steps: Steps to take when no budget is given.

    Raises:
        InvalidInputError: If an option is negative or not finite.

    Example:
        >>> from qalgs.optimizers import minimize
        >>> minimize(SPSA(), lambda x: (x**2).sum(axis=1), [1.0, 1.0], seed=1, budget=200).value < 0.1
        True
    """

    scheduled: ClassVar[tuple[str, ...]] = ("perturbation", "learning_rate", "target_step")
    perturbation: Step = 0.1
    learning_rate: Step | None = None
    target_step: Step = 0.2
    calibration: int = 5
    stability: float = 0.0
    alpha: float = 0.602
    gamma: float = 0.101
    steps: int = 100

    def _open(self, x0: Array, seed: int, budget: int | None) -> OptimizerRun:
        return _SPSARun(self, x0, seed, budget)


class _SPSARun(OptimizerRun):
    optimizer: SPSA

    def __init__(self, optimizer: SPSA, x0: Array, seed: int, budget: int | None) -> None:
        super().__init__(optimizer, x0, seed, budget)
        self.x, self._step = x0.copy(), 0
        self._slopes: list[float] = []
        rate = optimizer.learning_rate
        self._rate = None if rate is None else number(rate)
        self._calibration = optimizer.calibration if rate is None else 0
        self._signs = self._draw()

    def _draw(self) -> Array:
        rng = keyed(self.seed, "spsa", self._step)
        return rng.choice(np.array([-1.0, 1.0]), size=self.x0.size)

    @property
    def _width(self) -> float:
        k = max(self._step - self._calibration, 0)
        return number(self.optimizer.perturbation) / (k + 1) ** self.optimizer.gamma

    def _next(self) -> Array:
        shift = self._width * self._signs
        points = np.stack([self.x + shift, self.x - shift])
        if self.budget is not None and self.evaluations + 2 > self.budget:
            return points[: self.budget - self.evaluations]
        return points

    def _take(self, points: Array, values: Array, gradients: Array | None) -> None:
        if len(values) < 2:
            return
        slope = float(values[0] - values[1]) / (2 * self._width)
        options = self.optimizer
        if self._step < self._calibration:
            self._slopes.append(abs(slope))
        else:
            if self._rate is None:
                mean = float(np.mean(self._slopes)) if self._slopes else 0.0
                self._rate = number(options.target_step) * (1 + options.stability) ** options.alpha / (mean or 1.0)
            gain = self._rate / (self._step - self._calibration + 1 + options.stability) ** options.alpha
            self.x = self.x - gain * slope * self._signs
        self._step += 1
        if self.budget is None and self._step >= options.steps + self._calibration:
            self._status = Status.BUDGET
        self._signs = self._draw()


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), for exact or noisy gradients.

    Attributes:
        lr: Step size; may be scheduled over cycles.
        beta1: Decay of the mean gradient.
        beta2: Decay of the mean squared gradient.
        eps: Added to the root in the denominator.
        gtol: Largest gradient entry at convergence.
        steps: Evaluations when no budget is given.

    Raises:
        InvalidInputError: If an option is negative or not finite.

    Example:
        >>> from qalgs.optimizers import minimize
        >>> bowl = lambda x: ((x**2).sum(axis=1), 2 * x)
        >>> minimize(Adam(lr=0.2), lambda x: bowl(x)[0], [1.0], gradient=bowl, budget=200).value < 1e-3
        True
    """

    needs_gradient: ClassVar[bool] = True
    scheduled: ClassVar[tuple[str, ...]] = ("lr",)
    lr: Step = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    gtol: float = 1e-6
    steps: int = 1000

    def _open(self, x0: Array, seed: int, budget: int | None) -> OptimizerRun:
        return _AdamRun(self, x0, seed, budget)


class _AdamRun(OptimizerRun):
    optimizer: Adam

    def __init__(self, optimizer: Adam, x0: Array, seed: int, budget: int | None) -> None:
        super().__init__(optimizer, x0, seed, budget)
        self.x, self._m, self._v = x0.copy(), np.zeros_like(x0), np.zeros_like(x0)

    def _next(self) -> Array:
        return self.x[None, :]

    def _take(self, points: Array, values: Array, gradients: Array | None) -> None:
        assert gradients is not None
        g, o, k = gradients[0], self.optimizer, self.evaluations
        self._m = o.beta1 * self._m + (1 - o.beta1) * g
        self._v = o.beta2 * self._v + (1 - o.beta2) * g * g
        mean, square = self._m / (1 - o.beta1**k), self._v / (1 - o.beta2**k)
        self.x = self.x - number(o.lr) * mean / (np.sqrt(square) + o.eps)
        if float(np.max(np.abs(g))) <= o.gtol:
            self._status = Status.CONVERGED
        elif self.budget is None and self.evaluations >= o.steps:
            self._status = Status.BUDGET
