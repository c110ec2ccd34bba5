"""What a linear-system run returns: the state, what it cost, how wrong it is and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qalgs.results import Result, Status, versions

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

Vector = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorSplit(Result):
    """Where the direction error comes from.

    Attributes:
        solver: Between the state returned and the exact solution of the system handed to the inner solver.
        proximal: Between that exact solution and the solution wanted.
        total: Between the state returned and the solution wanted; at most ``solver + proximal``.
        identity: ``sqrt((|x - y|^2 - (|x| - |y|)^2) / (|x| |y|))``, which equals ``proximal`` exactly.
        bound: ``|x - y| / sqrt(|x| |y|)``, Lemma 4.3 of the paper.
    """

    solver: float
    proximal: float
    total: float
    identity: float
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict(Result):
    """Whether to precondition, and on what grounds.

    Attributes:
        eta: The step, or None: do not precondition.
        ratio: Predicted A-queries relative to the inner solver alone.
        reason: One sentence.
        rho: Relative error of the start, ``|x0 - x*| / sqrt(|x1| |x*|)`` or its best known bound.
        frontier: ``epsilon L``, ``L = cost / kappa`` of the inner solver; a certified gain needs ``rho`` below it.
        plan: ``"reference"`` (the classical solution was used to choose: an upper bound on the gain, part of which
            is errors that happen to cancel), ``"certified"`` (bounds only) or ``"given"`` (by the caller).
        epsilon_inner: Error left to the inner solver.
    """

    eta: float | None
    ratio: float
    reason: str
    rho: float
    frontier: float
    plan: str
    epsilon_inner: float

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step(Result):
    """One step of a meta-solver.

    Attributes:
        index: Step number from 1.
        direction_error: Against the classical reference.
        residual: ``|b - A x| / |b|``.
        queries_A: A-queries of this step.
        max_degree: Largest degree in it.
        success_probability: Of its circuit.
        shots: Shots spent in it.
    """

    index: int
    direction_error: float
    residual: float
    queries_A: int
    max_degree: int
    success_probability: float
    shots: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QLSPResult(Result):
    """The outcome of a solver or meta-solver on a :class:`LinearSystem`.

    Attributes:
        solver: Its name and settings.
        state: Normalised solution direction, of the size of the original system.
        x: Solution with norm and phase where the method yields them, else scaled to the least residual.
        norm: ``|x|``.
        norm_source: ``"circuit"`` (from the success probability) or ``"residual"`` (scaled classically).
        direction_error: ``| x/|x| - x*/|x*| |`` minimised over the phase, against the classical solution.
        fidelity: ``|<x|x*>|^2``, within [0, 1]; for one circuit read by tomography ``<x*|rho|x*>`` of the physical
            state nearest to what was measured (close to 1 biased downwards by about its standard error).
        error_split: Parts of the error.
        stated_error: The error that the solver guarantees or predicts for itself, NaN if it cannot.
        success_probability: That all flags read 0 (of the last circuit).
        queries_A: Calls of the matrix oracle, as counted in the circuits of one successful pass.
        queries_b: Calls of the right-hand-side oracle, likewise.
        queries_A_per_success: Expected A-queries with repetition until success.
        queries_b_per_success: Expected b-queries.
        max_degree: Largest polynomial degree (or number of sequential queries) in any one circuit.
        depth: Depth of the deepest circuit in {CX, one-qubit} gates (an upper bound, gates of oracles included).
        two_qubit_gates: CX gates of that circuit (upper bound).
        qubits: Qubits of the widest circuit.
        kappa: Condition number of the system.
        kappa_hat: ``kappa (1 + eta)/(kappa + eta)``; equals ``kappa`` without preconditioning.
        kappa_enc: Inverse gap that the inner solver saw, subnormalisation included.
        eta: Step of the proximal point, None when the verdict is not to precondition.
        residual: ``|b - A x| / |b|``.
        observables: Values asked for by name, with standard errors.
        history: One entry a step.
        ratio: A-queries relative to the baseline (the inner solver alone at the same error), NaN if none.
        verdict: Grounds for ``eta``, or None.
        shots: All shots spent, readout included.
        circuits: All circuits (settings) run.
        classical_matvecs: Classical products with ``A`` spent on starts and residuals.
        status: How it ended.
        message: Details in a sentence.
        seed: Root seed, if any.
        details: Numbers particular to the solver.
        circuit: The deepest circuit (not in JSON).
        executed: Every circuit of the pass with its multiplicity (not in JSON); see :meth:`counted_queries`.
        versions: Library versions.
    """

    solver: str
    state: Vector
    x: Vector = field(repr=False)
    norm: float
    norm_source: str
    direction_error: float
    fidelity: float
    error_split: ErrorSplit
    stated_error: float
    success_probability: float
    queries_A: int
    queries_b: int
    queries_A_per_success: float
    queries_b_per_success: float
    max_degree: int
    depth: int
    two_qubit_gates: int
    qubits: int
    kappa: float
    kappa_hat: float
    kappa_enc: float
    eta: float | None
    residual: float
    observables: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    history: tuple[Step, ...] = ()
    ratio: float = float("nan")
    verdict: Verdict | None = None
    shots: int = 0
    circuits: int = 0
    classical_matvecs: int = 0
    status: Status = Status.CONVERGED
    message: str = ""
    seed: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    circuit: QuantumCircuit | None = field(default=None, repr=False)
    executed: tuple[tuple[QuantumCircuit, int], ...] = field(default=(), repr=False)
    versions: Mapping[str, str] = field(default_factory=versions)

    def _rows(self) -> list[dict[str, object]]:
        return [{f.name: getattr(step, f.name) for f in fields(step)} for step in self.history]

    def counted_queries(self) -> dict[str, int]:
        """Count the labelled oracle gates in all circuits of the pass; equals ``queries_A`` and ``queries_b``."""
        from qalgs.circuits.oracles import count_queries

        total = {"U_A": 0, "U_b": 0}
        for circuit, times in self.executed:
            for label, count in count_queries(circuit).items():
                total[label] += times * count
        return total

    def expectation(self, operator: ArrayLike) -> float:
        """Return ``<x|O|x>`` of the normalised state for a Hermitian matrix of the system's size."""
        o = np.asarray(operator)
        return float(np.vdot(self.state, o @ self.state).real)

    def overlap(self, vector: ArrayLike) -> complex:
        """Return ``<v|x>`` with the normalised state and ``v`` normalised."""
        v = np.asarray(vector)
        return complex(np.vdot(v, self.state) / np.linalg.norm(v))

    def plot_history(self, ax: Any = None) -> Any:
        """Plot error and residual against the step; returns the Axes."""
        from .plots import plot_history

        return plot_history(self, ax=ax)
