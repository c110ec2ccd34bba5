"""What goes into an inner solver and what comes out: a problem given by its encoding, and the run on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qalgs.circuits.block_encodings import BlockEncoding, Dilation, is_hermitian
from qalgs.circuits.oracles import A_LABEL, B_LABEL
from qalgs.results import Status

from ..execution import Program, Reading
from ..linear_system import Kind, LinearSystem

Vector = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """What an inner solver gets: an encoding and a right-hand side, nothing else.

    Attributes:
        encoding: Block encoding; the solver inverts ``block = matrix / alpha``.
        rhs: Unit vector.
        kappa: Inverse of the smallest singular value of the block.
        positive: Whether the block is positive definite.
        real: Whether everything is real.
    """

    encoding: BlockEncoding
    rhs: Vector
    kappa: float
    positive: bool
    real: bool

    def cached(self, key: tuple[object, ...], build: Callable[[], Program]) -> Program:
        """Return the program known under ``key`` to the encoding, built if it is new."""
        programs: dict[tuple[object, ...], Program] = self.encoding.__dict__.setdefault("_programs", {})
        if key not in programs:
            programs[key] = build()
        return programs[key]

    def exact(self) -> Vector:
        """Return ``block^{-1} rhs`` by classical elimination (the reference of verification)."""
        block = self.encoding.matrix / self.encoding.alpha
        return np.linalg.solve(block.real if self.real else block, self.rhs)

    @property
    def hermitian(self) -> bool:
        """Whether the encoded matrix is Hermitian."""
        return self.encoding.hermitian


@dataclass(frozen=True, eq=False)
class InnerRun:
    """What an inner solver gives back for a problem.

    Attributes:
        vector: Estimate of ``block^{-1} rhs``, phase and norm included if ``norm_known``.
        norm_known: Whether the norm means anything.
        probability: Success probability of the circuit.
        queries_A: A-oracle gates in the circuits that make up one pass.
        queries_b: b-oracle gates, likewise.
        max_degree: Degree, or sequential queries of the longest circuit.
        circuit: The (last) circuit.
        stated_error: Direction error that the solver states for itself.
        shots: Shots spent.
        circuits: Settings run.
        status: How it ended.
        message: A sentence if something is to be said.
        program: The program, for observables.
        details: Solver's own numbers.
        queries_A_per_success: Where it is not ``queries_A / probability``.
        queries_b_per_success: Likewise.
        density: Density matrix of the state prepared, where tomography has seen it.
        executed: All circuits of the pass, if there are more than ``circuit``.
    """

    vector: Vector
    norm_known: bool
    probability: float
    queries_A: int
    queries_b: int
    max_degree: int
    circuit: QuantumCircuit | None
    stated_error: float
    shots: int = 0
    circuits: int = 0
    status: Status = Status.CONVERGED
    message: str = ""
    program: Program | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    queries_A_per_success: float | None = None
    queries_b_per_success: float | None = None
    density: NDArray[np.complex128] | None = None
    executed: tuple[tuple[QuantumCircuit, int], ...] = ()

    @classmethod
    def of(
        cls,
        program: Program,
        reading: Reading,
        *,
        stated_error: float = float("nan"),
        details: Mapping[str, Any] | None = None,
    ) -> InnerRun:
        """Return the run of one program that was read once."""
        return cls(
            vector=reading.vector * program.scale if program.scale else reading.vector,
            norm_known=bool(program.scale) and reading.exact,
            probability=reading.probability,
            queries_A=program.queries[A_LABEL],
            queries_b=program.queries[B_LABEL],
            max_degree=program.max_degree,
            circuit=program.circuit,
            stated_error=stated_error,
            shots=reading.shots,
            circuits=max(1, reading.circuits),
            program=program,
            details=details or {},
            density=reading.density,
        )

    def mapped(self, back: Callable[[Vector], Vector]) -> InnerRun:
        """Return the run for another problem, whose vectors ``back`` gives; this one's own state is dropped."""
        return replace(self, vector=back(self.vector), program=None, density=None)

    def ran(self) -> tuple[tuple[QuantumCircuit, int], ...]:
        """Every circuit of the pass with the number of times that it counts."""
        if self.executed or self.circuit is None:
            return self.executed
        return ((self.circuit, 1),)

    def fidelity(self, state: Vector, reference: Vector) -> float:
        """Overlap with ``reference``: of the mixed state prepared if it was seen, else of ``state``."""
        unit = reference / np.linalg.norm(reference)
        if self.density is not None and self.density.shape == (unit.size, unit.size):
            found = float(np.vdot(unit, self.density @ unit).real)
        else:
            size = float(np.linalg.norm(state))
            found = float(abs(np.vdot(unit, state)) ** 2 / size**2) if size > 0 else 0.0
        return min(1.0, max(0.0, found))  # both lie within by construction, up to rounding


def problem_of(system: LinearSystem, rhs: Vector | None = None) -> Problem:
    """Return the problem that a system poses to an inner solver directly, for another right-hand side if given."""
    encoding, b = system.encoding, system.rhs if rhs is None else rhs / np.linalg.norm(rhs)
    return Problem(
        encoding,
        b,
        system.kappa * encoding.alpha,
        system.kind is Kind.POSITIVE,
        system.real and not np.iscomplexobj(b),
    )


def hermitise(problem: Problem) -> tuple[Problem, Callable[[Vector], Vector]]:
    """Return a problem whose encoding is a Hermitian reflection, and the map back of its solution.

    A block ``B`` without that is dilated to ``[[0, B], [B*, 0]]``, with the solution in the lower half.
    """
    if problem.hermitian:
        return problem, lambda v: v
    block = problem.encoding.matrix / problem.encoding.alpha
    if is_hermitian(block):
        return replace(problem, encoding=Dilation(block, alpha=1.0)), lambda v: v
    size = len(block)
    zero = np.zeros_like(block)
    encoding = Dilation(np.block([[zero, block], [block.conj().T, zero]]), alpha=1.0)
    rhs = np.concatenate([problem.rhs, np.zeros(size, dtype=problem.rhs.dtype)])
    return replace(problem, encoding=encoding, rhs=rhs, positive=False), lambda v: v[size:]
