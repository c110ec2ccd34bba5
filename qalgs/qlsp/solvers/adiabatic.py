"""The discrete adiabatic method of Costa et al.: a qubitised walk along a path, then an eigenstate filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import BlockEncoding, ComposedEncoding, Matrix
from qalgs.circuits.qsvt import append_qsvt, flip_zero, reflect_zero
from qalgs.errors import expect, invalid

from ..angles import symmetric_phases
from ..execution import Executor, Program, RightHandSide
from ..polynomials import check_epsilon, eigenstate_filter, filter_degree
from ..resources import SystemModel
from .base import Cost, InnerSolver
from .problem import InnerRun, Problem, hermitise

#: The filter is scaled to this peak, so that its phases exist with room to spare.
FILTER_PEAK = 0.98


class PathHamiltonian(ComposedEncoding):
    """Hermitian encoding of ``H(f) = |0><1| ⊗ A(f) Q + |1><0| ⊗ Q A(f)``, ``Q = 1 - |b><b|``.

    ``A(f) = (1 - f) + f B`` for a positive definite block ``B``, else ``(1 - f) Z ⊗ 1 + f X ⊗ B`` on one qubit
    more, with ``|b>`` replaced by ``|+>|b>`` (Costa et al., 2111.08152, sec. 2). Zero is an eigenvalue with
    eigenvectors ``|0> A(f)^{-1}|b>`` and ``|1>|b>``; the rest lies beyond ``1 - f + f/kappa``. One call holds one
    ``U_A`` (controlled) and four ``U_b``. The two projectors use two ancillas that are swapped in each call, which
    makes the unitary a reflection.

    Args:
        base: Hermitian encoding of ``B`` (used as a block: its ``alpha`` is part of ``B``).
        rhs: The oracle ``U_b``.
        f: Position on the path, in [0, 1].
        positive: Whether ``B`` is positive definite.
    """

    hermitian = True
    alpha = 1.0

    def __init__(self, base: BlockEncoding, rhs: RightHandSide, f: float, positive: bool) -> None:
        self.base, self.rhs, self.f, self.positive = base, rhs, f, positive
        # System: base system, (sign qubit), half qubit h. Ancillas: base's, switch, two projector flags.
        self.inner = base.num_system
        self.num_system = base.num_system + (1 if positive else 2)
        self.num_ancillas = base.num_ancillas + 3
        self.angle = 2.0 * float(np.arcsin(np.sqrt(f)))

    @property
    def matrix(self) -> Matrix:
        """The Hamiltonian as a dense array."""
        block = self.base.matrix / self.base.alpha
        size = len(block)
        a: NDArray[Any]
        b = np.asarray(self.rhs.vector)
        if self.positive:
            a = (1.0 - self.f) * np.eye(size, dtype=np.complex128) + self.f * block
        else:
            z, x = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
            a = (1.0 - self.f) * np.kron(z, np.eye(size)) + self.f * np.kron(x, block)
            b = np.kron([1.0, 1.0], b) / np.sqrt(2.0)
        q = np.eye(len(a)) - np.outer(b, b.conj())
        zero = np.zeros_like(a)
        return np.asarray(np.block([[zero, a @ q], [q @ a, zero]]), dtype=np.complex128)

    def append(
        self,
        circuit: QuantumCircuit,
        system: Sequence[int],
        ancillas: Sequence[int],
        *,
        adjoint: bool = False,
        control: int | None = None,
        dense: bool = False,
    ) -> None:
        """Append projector, path, projector, swap; it is its own adjoint."""
        if control is not None:
            raise invalid(
                "control", control, "must be None for a path Hamiltonian", "control its reflections instead"
            )
        flags, switch, first, second = ancillas[:-3], ancillas[-3], ancillas[-2], ancillas[-1]
        inner, half = system[: self.inner], system[-1]
        sign = None if self.positive else system[-2]
        self._projector(circuit, inner, sign, half, first)
        circuit.ry(self.angle, switch)
        if sign is not None:
            # Off: Z on the sign qubit; on: X.
            circuit.x(switch)
            circuit.cz(switch, sign)
            circuit.x(switch)
            circuit.cx(switch, sign)
        self.base.append(circuit, inner, flags, control=switch, dense=dense)
        circuit.ry(-self.angle, switch)
        circuit.x(half)
        self._projector(circuit, inner, sign, half, second)
        circuit.swap(first, second)

    def _projector(
        self, circuit: QuantumCircuit, inner: Sequence[int], sign: int | None, half: int, flag: int
    ) -> None:
        """``(1 + c_half R_b)/2`` by one flag: 1 where half is 0, ``Q`` where it is 1."""
        wires = [*inner, *([] if sign is None else [sign])]
        circuit.h(flag)
        circuit.append(self.rhs.gate(adjoint=True), inner)
        if sign is not None:
            circuit.h(sign)
        flip_zero(circuit, wires, [half, flag])
        if sign is not None:
            circuit.h(sign)
        circuit.append(self.rhs.gate(), inner)
        circuit.h(flag)


def schedule(kappa: float, steps: int, power: float = 1.5) -> np.ndarray:
    """Return ``f`` at the ``steps`` points of the path (Costa et al., eq. 14).

    ``f(s) = kappa/(kappa - 1) (1 - (1 + s (kappa^{p-1} - 1))^{1/(1-p)})``: slow where the gap is small.
    """
    s = np.arange(1, steps + 1) / steps
    if kappa <= 1.0 + 1e-9:
        return np.asarray(s)
    inside = 1.0 + s * (kappa ** (power - 1.0) - 1.0)
    return np.clip(kappa / (kappa - 1.0) * (1.0 - inside ** (1.0 / (1.0 - power))), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class DiscreteAdiabatic(InnerSolver):
    """Follow the kernel of ``H(f)`` from ``|b>`` to ``A^{-1}|b>`` by walk steps, then filter (Costa et al.).

    Each of the ``steps`` and each of the filter's ``degree`` calls is one ``U_A`` and four ``U_b``. The walk
    operator is ``(2|0><0| - 1) U_H``; an even number of steps brings the kernel back to itself. The filter is the
    Chebyshev projector onto eigenvalue 0 by singular value transformation.

    Attributes:
        steps: Even number of walk steps; by default ``2 kappa`` for a positive definite matrix, else ``4 kappa``.
        filter_epsilon: What the filter leaves of the rest; by default ``epsilon / 2``.
        filtered: Apply the filter (switch off to see the bare walk).

    Example:
        >>> from qalgs.qlsp import random_system
        >>> DiscreteAdiabatic(epsilon=0.1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    steps: int | None = None
    filter_epsilon: float | None = None
    filtered: bool = True

    def __post_init__(self) -> None:
        expect(Integral, type(None), steps=self.steps)
        super().__post_init__()
        if self.steps is not None and (self.steps < 2 or self.steps % 2):
            raise invalid("steps", self.steps, "must be even and at least 2")
        if self.filter_epsilon is not None:
            check_epsilon(self.filter_epsilon, "filter_epsilon")

    def walk_steps(self, kappa: float, positive: bool = True) -> int:
        """Return the number of walk steps."""
        return self.steps if self.steps is not None else (2 if positive else 4) * int(np.ceil(max(3.0, kappa)))

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return steps plus filter degree in A-queries, four times that plus one in b-queries."""
        total = float(self.walk_steps(kappa, model.positive))
        if self.filtered:
            total += filter_degree(1.0 / kappa, self.filter_epsilon or epsilon / 2.0)
        return Cost(total, 4.0 * total + 1.0, total, 5 if model.positive else 6, 0.85)

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Run one circuit."""
        inside, extract = hermitise(problem)
        steps = self.walk_steps(inside.kappa, inside.positive)
        program = self._program(inside, steps, self.filter_epsilon or epsilon / 2.0, executor.exact)
        reading = executor.read(program, inside.rhs)
        stated = float("nan")
        if self.filtered and reading.probability > 0:
            # What is left outside the kernel shrinks by filter_epsilon; p tells how much is inside.
            kept = max(reading.probability / FILTER_PEAK**2, 1e-12)
            stated = (self.filter_epsilon or epsilon / 2.0) * float(np.sqrt(1.0 / min(1.0, kept)))
        details = {"steps": steps, "filter_degree": program.max_degree - steps}
        run = InnerRun.of(program, reading, stated_error=stated, details=details)
        return run if inside is problem else run.mapped(extract)

    def _program(self, problem: Problem, steps: int, remainder: float, exact: bool) -> Program:
        base, positive = problem.encoding, problem.positive
        n = base.num_system
        rhs = RightHandSide(problem.rhs, n, real=problem.real, dense=exact)
        ends = PathHamiltonian(base, rhs, 1.0, positive)
        system, ancillas = list(range(ends.num_system)), list(range(ends.num_system, ends.num_qubits))
        circuit = QuantumCircuit(ends.num_qubits + 2 * self.filtered, name="discrete_adiabatic")
        circuit.append(rhs.gate(), range(n))
        if not positive:
            # Kernel at f = 0: Z acts as A(0), so it starts in |->|b> (Z|-> = |+>).
            circuit.x(n)
            circuit.h(n)
        for f in schedule(problem.kappa, steps):
            PathHamiltonian(base, rhs, float(f), positive).append(circuit, system, ancillas, dense=exact)
            reflect_zero(circuit, ancillas)
        degree = steps
        if self.filtered:
            # What the walk left outside the flags' zero would come back through the filter, so it is marked first.
            mark = ends.num_qubits + 1
            circuit.x([*ancillas, mark])
            circuit.mcx(ancillas, mark)
            circuit.x(ancillas)
            series = eigenstate_filter(1.0 / problem.kappa, remainder).scaled(FILTER_PEAK)
            phases = symmetric_phases(series).reflection()
            append_qsvt(circuit, ends, phases, system, ancillas, ends.num_qubits, dense=exact)
            degree += series.degree
        if not positive:
            # The solution is |+> A^{-1}|b>.
            circuit.h(n)
        return Program(circuit, n, None, 0.0, degree, problem.real)
