"""Kernel reflection (Dalzell's shortcut): one reflection turns a basis state into the solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real

import numpy as np
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import BlockEncoding, ComposedEncoding, Matrix
from qalgs.circuits.qsvt import append_qsvt, flip_zero
from qalgs.errors import expect, invalid

from ..angles import symmetric_phases
from ..execution import Executor, Program, RightHandSide
from ..polynomials import ChebyshevSeries, eigenstate_filter, filter_degree, kernel_reflection
from ..resources import SystemModel
from .base import Cost, InnerSolver
from .problem import InnerRun, Problem

PEAK_REFLECTION = 0.98
#: Precision of the projections that estimate the norm.
NORM_EPSILON = 0.1


class KernelMatrix(ComposedEncoding):
    """``G = Q (B ⊕ 1/t)`` with ``Q = 1 - |b'><b'|``, ``b' = (|0>|b> + |1>|0>)/sqrt(2)`` (Dalzell, 2406.12086).

    Its kernel is ``|0> x + t |1>|0>`` with ``x = B^{-1}b``, up to norm. One call holds one ``U_A`` and two
    ``U_b``.

    Args:
        base: Encoding of ``B`` (as a block).
        rhs: The oracle ``U_b``.
        t: Guess for ``|x|``, at least 1.
    """

    hermitian = False
    alpha = 1.0

    def __init__(self, base: BlockEncoding, rhs: RightHandSide, t: float) -> None:
        self.base, self.rhs, self.t = base, rhs, t
        self.num_system = base.num_system + 1
        self.num_ancillas = base.num_ancillas + 1

    @property
    def matrix(self) -> Matrix:
        """``G`` as a dense array."""
        block = self.base.matrix / self.base.alpha
        size = len(block)
        a = np.zeros((2 * size, 2 * size), dtype=np.complex128)
        a[:size, :size] = block
        a[size:, size:] = np.eye(size) / self.t
        b = np.concatenate([np.asarray(self.rhs.vector), np.eye(1, size)[0]]) / np.sqrt(2.0)
        return (np.eye(2 * size) - np.outer(b, b.conj())) @ a

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
        """Append the matrix, then the projector (the other way round for the adjoint)."""
        if control is not None:
            raise invalid("control", control, "must be None for a kernel matrix", "control its projector phases")
        inner, half, flags, flag = system[:-1], system[-1], ancillas[:-1], ancillas[-1]
        if adjoint:
            self._projector(circuit, inner, half, flag)
        circuit.x(half)
        self.base.append(circuit, inner, flags, adjoint=adjoint, control=half, dense=dense)
        circuit.x(half)
        angle = 2.0 * float(np.arccos(min(1.0, 1.0 / self.t)))
        circuit.cry(-angle if adjoint else angle, half, flags[0])
        if not adjoint:
            self._projector(circuit, inner, half, flag)

    def _projector(self, circuit: QuantumCircuit, inner: Sequence[int], half: int, flag: int) -> None:
        wires = [*inner, half]
        circuit.h(flag)
        circuit.x(half)
        circuit.append(self.rhs.gate(adjoint=True, controlled=True), wires)
        circuit.x(half)
        circuit.h(half)
        flip_zero(circuit, wires, [flag])
        circuit.h(half)
        circuit.x(half)
        circuit.append(self.rhs.gate(controlled=True), wires)
        circuit.x(half)
        circuit.h(flag)


@dataclass(frozen=True, eq=False)
class KernelReflection(InnerSolver):
    """Reflect ``|e>`` about the kernel of ``G_t``: for ``t = |x|`` it becomes ``|x>`` (Dalzell, 2406.12086).

    The reflection is an even polynomial of degree about ``kappa ln(8/epsilon)``. A wrong ``t`` costs success
    probability only, ``(2 t |x| / (t^2 + |x|^2))^2``. Unknown norms are first estimated by low-precision
    projections of ``|e>`` onto the kernel, which succeed with probability ``t^2 / (t^2 + |x|^2)``; their queries
    are counted.

    Attributes:
        norm: ``|B^{-1} b|`` if known (within a factor of two, say).
        projections: Largest number of estimating projections.

    Example:
        >>> from qalgs.qlsp import random_system
        >>> KernelReflection(epsilon=0.1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    norm: float | None = None
    projections: int = 3

    def __post_init__(self) -> None:
        expect(Real, type(None), norm=self.norm)
        expect(Integral, projections=self.projections)
        super().__post_init__()
        if self.norm is not None and not (np.isfinite(self.norm) and self.norm > 0):
            raise invalid("norm", self.norm, "must be finite and above zero")
        if self.projections < 1:
            raise invalid("projections", self.projections, "must be at least 1")

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return the reflection's degree, plus two projections if the norm is unknown."""
        main = float(filter_degree(1.0 / kappa, min(0.9, epsilon / 5.0)))
        total = main + (0.0 if self.norm is not None else 2.0 * filter_degree(1.0 / kappa, NORM_EPSILON))
        return Cost(total, 2.0 * total, main, 3, 0.9)

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Estimate the norm, then run the reflection."""
        rhs = RightHandSide(problem.rhs, problem.encoding.num_system, real=problem.real, dense=executor.exact)
        queries_a = queries_b = shots = circuits = 0
        t, found = self._first(problem), float("nan")
        executed = []
        rounds = 0 if self.norm is not None else self.projections
        for _ in range(rounds):
            series = eigenstate_filter(1.0 / problem.kappa, NORM_EPSILON).scaled(PEAK_REFLECTION)
            program = self._program(problem, rhs, t, series, executor.exact, keep_half=True)
            passed, spent = executor.probability(program, problem.rhs)
            queries_a += program.queries["U_A"]
            queries_b += program.queries["U_b"]
            shots, circuits = shots + spent, circuits + 1
            executed.append((program.circuit, 1))
            p = float(np.clip(passed / PEAK_REFLECTION**2, 1e-4, 1.0 - 1e-4))
            found = t * float(np.sqrt(1.0 / p - 1.0))
            previous, t = t, float(np.clip(found, 1.0, problem.kappa))
            if 0.5 < t / previous < 2.0:
                break
        series = kernel_reflection(1.0 / problem.kappa, 0.8 * epsilon).scaled(PEAK_REFLECTION)
        program = self._program(problem, rhs, t, series, executor.exact, keep_half=False)
        reading = executor.read(program, problem.rhs)
        amplitude = max(float(np.sqrt(reading.probability)), 1e-9)
        p = max(reading.probability, 1e-12)
        run = InnerRun.of(
            program,
            reading,
            stated_error=0.8 * epsilon * PEAK_REFLECTION / amplitude,
            details={"t": t, "norm_estimate": found, "norm_queries_A": queries_a},
        )
        return replace(
            run,
            queries_A=queries_a + run.queries_A,
            queries_b=queries_b + run.queries_b,
            shots=shots + run.shots,
            circuits=circuits + run.circuits,
            executed=(*executed, (program.circuit, 1)),
            queries_A_per_success=queries_a + program.queries["U_A"] / p,
            queries_b_per_success=queries_b + program.queries["U_b"] / p,
        )

    def _first(self, problem: Problem) -> float:
        guess = self.norm if self.norm is not None else float(np.sqrt(problem.kappa))
        return float(np.clip(guess, 1.0, problem.kappa))

    def _program(
        self,
        problem: Problem,
        rhs: RightHandSide,
        t: float,
        series: ChebyshevSeries,
        exact: bool,
        *,
        keep_half: bool,
    ) -> Program:
        kernel = KernelMatrix(problem.encoding, rhs, t)
        n = kernel.num_system
        circuit = QuantumCircuit(kernel.num_qubits + 1, name="kernel_reflection")
        circuit.x(n - 1)
        flags = range(n, kernel.num_qubits)
        phases = symmetric_phases(series).reflection()
        append_qsvt(circuit, kernel, phases, range(n), flags, kernel.num_qubits, dense=exact)
        return Program(circuit, n if keep_half else n - 1, None, 0.0, series.degree, problem.real)
