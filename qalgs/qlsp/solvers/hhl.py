"""The algorithm of Harrow, Hassidim and Lloyd, with an error that it states before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit.library import QFTGate

from qalgs.circuits.oracles import A_LABEL, controlled_matrix, oracle_gate, unitary_circuit
from qalgs.circuits.state_preparation import gray_angles, multiplexed_rotation, prepare_state
from qalgs.errors import expect, invalid

from ..execution import Executor, Program, RightHandSide
from ..resources import SystemModel
from .base import Cost, InnerSolver
from .problem import InnerRun, Problem, hermitise

MAX_CLOCK = 13
# With two qubits the sine window leaves no room for a phase.
MIN_CLOCK = 3


@dataclass(frozen=True, eq=False)
class HHL(InnerSolver):
    """Phase estimation, a rotation by the inverse eigenvalue, and phase estimation undone (0811.3171).

    With the clock read as 0 at the end, the circuit applies ``g(lambda) = sum_k |a_k(lambda)|^2 f_k`` exactly,
    where ``a_k`` is the clock amplitude and ``f_k`` the rotation. The least clock for which ``g`` is within
    ``epsilon`` of ``C/lambda`` on the whole spectrum ``[1/kappa, 1]`` is chosen, so the error is stated, not
    hoped for. The clock starts in the sine window, whose leakage falls fastest. One query is one controlled
    ``exp(2 pi i s A)``, exactly synthesised; there are ``2 (2^m - 1)``. Negative eigenvalues are handled in
    two's complement.

    Attributes:
        clock: Number of clock qubits instead of the least sufficient one.

    Example:
        >>> from qalgs.qlsp import random_system
        >>> HHL(epsilon=0.1).solve(random_system(2, 3.0, seed=1)).direction_error < 0.1
        True
    """

    clock: int | None = None

    def __post_init__(self) -> None:
        expect(Integral, type(None), clock=self.clock)
        super().__post_init__()
        if self.clock is not None and not MIN_CLOCK <= self.clock <= MAX_CLOCK:
            raise invalid("clock", self.clock, f"must be between {MIN_CLOCK} and {MAX_CLOCK}")

    def clock_qubits(self, kappa: float, epsilon: float) -> tuple[int, float]:
        """Return the clock size and the error stated for it."""
        if self.clock is not None:
            return self.clock, _uniform_error(self.clock, kappa)
        for m in range(MIN_CLOCK, MAX_CLOCK + 1):
            error = _uniform_error(m, kappa)
            if error <= epsilon:
                return m, error
        raise invalid(
            "epsilon",
            epsilon,
            f"must be at least {error:.2g} at kappa = {kappa:.4g} for {MAX_CLOCK} clock qubits",
            "use QSVTInversion",
        )

    def cost(self, kappa: float, epsilon: float, model: SystemModel) -> Cost:
        """Return ``2 (2^m - 1)`` with ``2^m`` about ``1.05 kappa / sqrt(epsilon)`` (fitted to the exact error)."""
        size = max(3.0, float(np.ceil(np.log2(2.2 * kappa / np.sqrt(epsilon)))))
        if self.clock is not None:
            size = float(self.clock)
        queries = 2.0 * (2.0**size - 1.0)
        amplitude = min(1.0, 0.5 * model.y_norm * model.alpha / kappa)
        return Cost(queries, 1.0, queries, int(size) + 1, amplitude**2)

    def run_problem(self, problem: Problem, epsilon: float, executor: Executor) -> InnerRun:
        """Run one circuit."""
        inside, extract = hermitise(problem)
        m, error = self.clock_qubits(inside.kappa, epsilon)
        key = ("hhl", m, inside.kappa, executor.exact, inside.real)
        program = inside.cached(key, lambda: self._program(inside, m))
        run = InnerRun.of(program, executor.read(program, inside.rhs), stated_error=error, details={"clock": m})
        return run if inside is problem else run.mapped(extract)

    def _program(self, problem: Problem, m: int) -> Program:
        n = problem.encoding.num_system
        block = problem.encoding.matrix / problem.encoding.alpha
        values, vectors = np.linalg.eigh((block + block.conj().T) / 2)
        gates = []
        for sign in (1.0, -1.0):
            power = (vectors * np.exp(sign * 2j * np.pi * _span(m) * values)) @ vectors.conj().T
            call = unitary_circuit(controlled_matrix(power))
            gates.append(oracle_gate(call, A_LABEL, adjoint=sign < 0, controlled=True))
        clock = list(range(n, n + m))
        flag = n + m
        rhs = RightHandSide(None, n, real=problem.real, dense=False)
        circuit = QuantumCircuit(n + m + 1, name="hhl")
        circuit.append(rhs.gate(), range(n))
        window = prepare_state(_window(m))
        circuit.compose(window, clock, inplace=True)
        for digit, control in enumerate(clock):
            for _ in range(2**digit):
                circuit.append(gates[0], [*range(n), control])
        circuit.append(QFTGate(m).inverse(), clock)
        angles = 2.0 * np.arcsin(_rotation(m, problem.kappa))
        multiplexed_rotation(circuit, "y", list(gray_angles(angles)), clock, flag)
        circuit.x(flag)
        circuit.append(QFTGate(m), clock)
        for digit, control in enumerate(clock):
            for _ in range(2**digit):
                circuit.append(gates[1], [*range(n), control])
        circuit.compose(window.inverse(), clock, inplace=True)
        return Program(circuit, n, rhs.template, _best_scale(m, problem.kappa), 2 * (2**m - 1), problem.real)


def _span(m: int) -> float:
    """Turns of phase per unit eigenvalue: +-1 fit into the clock with room for leakage."""
    return 0.5 - 2.0 / 2**m


def _window(m: int) -> NDArray[np.float64]:
    t = np.arange(2**m)
    return np.sqrt(2.0 / 2**m) * np.sin(np.pi * (t + 0.5) / 2**m)


def _rotation(m: int, kappa: float) -> NDArray[np.float64]:
    """``C/lambda_k`` for each clock value; linear inside half the gap, where nothing should be."""
    k = np.arange(2**m)
    value = np.where(k < 2 ** (m - 1), k, k - 2**m) / (2**m * _span(m))
    low = 0.5 / kappa
    safe = np.where(np.abs(value) >= low, value, 1.0)
    return np.asarray(np.where(np.abs(value) >= low, low / safe, value / low))


@lru_cache(maxsize=256)
def _response(m: int, kappa: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``lambda g(lambda)`` on a grid of the spectrum; the clock distributions by FFT."""
    grid = np.unique(np.concatenate([np.geomspace(1.0 / kappa, 1.0, 160), np.linspace(1.0 / kappa, 1.0, 60)]))
    f = _rotation(m, kappa)
    t = np.arange(2**m)
    window = _window(m)
    values = np.empty(grid.size)
    for i, value in enumerate(grid):
        a = np.fft.fft(window * np.exp(2j * np.pi * _span(m) * value * t)) / np.sqrt(2**m)
        values[i] = value * float(np.abs(a) ** 2 @ f)
    return grid, values


def _best_scale(m: int, kappa: float) -> float:
    _, values = _response(m, kappa)
    return float(2.0 / (values.max() + values.min()))


def _uniform_error(m: int, kappa: float) -> float:
    """Bound on the direction error of x, from the largest relative deviation e of ``g`` from a multiple of 1/x.

    With |x~ - s x| <= e |s x| the angle between the two is at most arcsin e.
    """
    _, values = _response(m, kappa)
    e = min(1.0, float((values.max() - values.min()) / (values.max() + values.min())))
    # The factor covers what lies between the points of the grid.
    return max(1.01 * e, 2.0 * float(np.sin(np.arcsin(e) / 2.0)))
