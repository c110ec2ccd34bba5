"""Classical starts: where a warm start comes from, and what it cost in products with the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from qalgs.errors import expect, invalid

from ..linear_system import Kind, LinearSystem
from ..solvers.problem import Vector


@runtime_checkable
class Start(Protocol):
    """A classical method that yields a first guess."""

    def start(self, system: LinearSystem) -> tuple[Vector, int]:
        """Return a guess for ``x`` and the number of products with ``A`` spent on it."""


def _positive(system: LinearSystem, name: str) -> None:
    if system.kind is not Kind.POSITIVE:
        raise invalid(
            "initial_guess", name, f"must suit the matrix, which is {system.kind.value}", "give x0 itself"
        )


@dataclass(frozen=True)
class GradientDescent:
    """``steps`` of ``x += (step / |A|)(b - A x)`` from zero.

    Attributes:
        steps: Number of steps.
        step: In units of ``1/|A|``; 1 needs no knowledge of ``kappa``; must lie in (0, 2).

    Raises:
        InvalidInputError: If ``steps`` is negative or ``step`` not in (0, 2).

    Example:
        >>> from qalgs.qlsp import poisson
        >>> GradientDescent(steps=3).start(poisson(4))[1]
        3
    """

    steps: int
    step: float = 1.0

    def __post_init__(self) -> None:
        expect(Integral, steps=self.steps)
        expect(Real, step=self.step)
        if self.steps < 0:
            raise invalid("steps", self.steps, "must not be negative")
        if not 0.0 < self.step < 2.0:
            raise invalid("step", self.step, "must lie in (0, 2) to converge")

    def start(self, system: LinearSystem) -> tuple[Vector, int]:
        """Run it."""
        _positive(system, "GradientDescent")
        x = np.zeros(system.size, dtype=system.b.dtype)
        rate = self.step / system.norm
        for _ in range(self.steps):
            x = x + rate * (system.b - system.A @ x)
        return x, self.steps


@dataclass(frozen=True)
class ConjugateGradient:
    """``steps`` of the conjugate gradient method from zero.

    Attributes:
        steps: Number of steps.

    Raises:
        InvalidInputError: If ``steps`` is negative.

    Example:
        >>> from qalgs.qlsp import poisson
        >>> x, products = ConjugateGradient(steps=4).start(poisson(4))
        >>> x.round(6).tolist() == poisson(4).solution.round(6).tolist()
        True
    """

    steps: int

    def __post_init__(self) -> None:
        expect(Integral, steps=self.steps)
        if self.steps < 0:
            raise invalid("steps", self.steps, "must not be negative")

    def start(self, system: LinearSystem) -> tuple[Vector, int]:
        """Run it."""
        _positive(system, "ConjugateGradient")
        x = np.zeros(system.size, dtype=system.b.dtype)
        r = system.b.copy()
        p = r.copy()
        rr = np.vdot(r, r).real
        for k in range(self.steps):
            if rr <= 1e-32 * system.rhs_norm**2:
                return x, k
            image = system.A @ p
            rate = rr / np.vdot(p, image).real
            x, r = x + rate * p, r - rate * image
            following = np.vdot(r, r).real
            p, rr = r + (following / rr) * p, following
        return x, self.steps


def resolve(guess: Start | ArrayLike | None, system: LinearSystem) -> tuple[Vector, int]:
    """Return the start in the quantum form, and the classical products it cost."""
    if guess is None:
        return system.embed(np.zeros(system.size)), 0
    if isinstance(guess, Start):
        x, products = guess.start(system)
        return system.embed(x), products
    x0 = np.asarray(guess)
    if x0.dtype.kind not in "fiubc" or not np.isfinite(x0).all():
        raise invalid("initial_guess", x0.dtype, "must be None, a finite vector, or a classical start")
    return system.embed(x0), 0


def is_cold(y0: Vector, rhs: Vector) -> bool:
    """Whether a start carries no information: zero, or parallel to the right-hand side.

    From ``x0 = s b`` with ``s >= 0`` the proximal state is that of ``x0 = 0`` exactly.
    """
    size = float(np.linalg.norm(y0))
    if size == 0.0:
        return True
    return float(abs(np.vdot(rhs, y0))) >= size * float(np.linalg.norm(rhs)) * (1.0 - 1e-12)
