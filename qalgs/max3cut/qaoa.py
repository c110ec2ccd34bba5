"""The bridge: the same instance as a variational quantum job, run exactly, under noise or inside a campaign."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits import Max3CutEncoding, max3cut_encoding, max3cut_qaoa
from qalgs.circuits.max3cut_encodings import EncodingName
from qalgs.errors import as_array, expect, invalid
from qalgs.optimizers import COBYLA, Optimizer, minimize
from qalgs.results import Result, Status, versions
from qalgs.seeds import Seed, keyed, root_seed

from .checks import check_count, check_primitive
from .problem import GraphLike, Labels, Problem, as_problem
from .qaoa_machines import Machine, QubitMachine, QutritMachine

_GRID = 9
_EXACT_OPTIMUM = 3**12
Energies = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VqaJob:
    """A job that a scheduler can run: minimise an observable over the parameters of a circuit.

    Attributes:
        name: For people.
        circuit: Parametrised circuit; parameters are all betas, then all gammas.
        observable: Minus the cut (plus the penalised violation where states can be infeasible).
        optimizer: Ask/tell optimiser.
        budget: Largest number of energy evaluations.
        seed: Root seed.
        initial_point: Where to start.
        exact: The lowest value, minus the largest cut, where it is known by exhaustion.
        encoding: How to decode samples.
    """

    name: str
    circuit: QuantumCircuit
    observable: SparsePauliOp
    optimizer: Optimizer
    budget: int
    seed: int
    initial_point: NDArray[np.float64]
    exact: float | None
    encoding: Max3CutEncoding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QaoaResult(Result):
    """What a QAOA run says about an instance, beside what guessing would say.

    Attributes:
        expected_cut: Mean cut of the final state (of its feasible part if that is smaller).
        standard_error: Of ``expected_cut`` (0 for exact engines).
        best_of_shots: Largest recounted cut among the S samples.
        uniform_best_of_shots: The same for S uniform random partitions: the control.
        uniform_cut: Mean cut of a uniform random partition, ``2 W / 3``.
        success_probability: Share of the samples (or exact probability) at the optimum.
        uniform_success_probability: The same for uniform random partitions, where known.
        optimum: The largest cut, by exhaustion for small graphs, else the best cut known.
        feasible_share: Share of samples that decode to a partition.
        point: Final angles, all betas and then all gammas.
        evaluations: Energy evaluations.
        shots: Shots taken, for energies and samples together.
        circuits: Circuit executions.
        seconds: Wall time.
        partition: The best sample.
        name: The instance's name, or an empty string.
        encoding: How labels were stored.
        engine: What ran the circuits.
        reps: QAOA layers p.
        warm_start: Whether a partition was given to start near.
        samples: S, the number of final samples.
        cpu_seconds: Processor time.
        status: How the training ended.
        seed: Root seed.
        versions: Library versions.
    """

    name: str
    encoding: str
    engine: str
    reps: int
    warm_start: bool
    expected_cut: float
    standard_error: float
    best_of_shots: int | float
    uniform_best_of_shots: int | float
    uniform_cut: float
    success_probability: float
    uniform_success_probability: float | None
    optimum: int | float
    feasible_share: float
    samples: int
    evaluations: int
    shots: int
    circuits: int
    seconds: float
    cpu_seconds: float
    status: Status
    seed: int
    point: NDArray[np.float64]
    partition: Mapping[Any, int]
    versions: Mapping[str, str] = field(default_factory=versions)


def vqa_job(
    graph: GraphLike | Problem,
    encoding: EncodingName = "one-hot",
    *,
    weight: str | None = "weight",
    reps: int = 1,
    warm_start: Mapping[Any, int] | None = None,
    optimizer: Optimizer | None = None,
    budget: int = 60,
    seed: Seed = 0,
) -> VqaJob:
    """Return the instance as a VQA job (circuit, observable, optimiser, budget, seed) for qubit encodings.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        encoding: ``"one-hot"``, ``"binary"`` or ``"binary-folded"``.
        weight: Edge attribute with the weight.
        reps: QAOA layers.
        warm_start: A partition to start near, such as ``max3cut(graph).partition``.
        optimizer: COBYLA by default.
        budget: Energy evaluations.
        seed: Root seed.

    Returns:
        The job.

    Raises:
        InvalidInputError: If the graph or an argument breaks its rule.

    Example:
        >>> import networkx as nx
        >>> job = vqa_job(nx.path_graph(3))
        >>> job.circuit.num_qubits, job.exact
        (9, -2.0)
    """
    check_count("budget", budget)
    _check_start(warm_start, optimizer)
    problem = as_problem(graph, weight)
    coded = max3cut_encoding(_plain(problem), encoding)
    labels = _labels(problem, warm_start)
    circuit = max3cut_qaoa(coded, reps, warm_start=labels)
    optimum = _optimum(problem)
    return VqaJob(
        name=f"max3cut {problem.name or problem.n} {encoding} p={reps}",
        circuit=circuit,
        observable=coded.cost,
        optimizer=optimizer or COBYLA(rhobeg=0.3),
        budget=budget,
        seed=root_seed(seed),
        initial_point=ramp(reps, problem),
        exact=None if optimum is None else -float(optimum),
        encoding=coded,
    )


def ramp(reps: int, problem: Problem) -> NDArray[np.float64]:
    """Return annealing-like angles: betas falling, gammas rising, scaled by the mean local field."""
    scale = max(np.sqrt(2 * float((problem.weights**2).sum()) / max(problem.n, 1)), 1e-12)
    steps = (np.arange(reps) + 0.5) / reps
    return np.concatenate([0.45 * (1 - 0.7 * steps), (0.35 + 0.65 * steps) / scale])


def run_qaoa(
    graph: GraphLike | Problem,
    encoding: EncodingName = "qutrit",
    *,
    weight: str | None = "weight",
    reps: int = 1,
    warm_start: Mapping[Any, int] | None = None,
    bias: float = 0.6,
    optimizer: Optimizer | None = None,
    budget: int = 150,
    samples: int = 1024,
    initial_point: NDArray[np.float64] | None = None,
    estimator: BaseEstimatorV2 | None = None,
    sampler: BaseSamplerV2 | None = None,
    estimator_shots: int = 0,
    seed: Seed = 0,
) -> QaoaResult:
    """Train QAOA on an instance, sample it, and put guessing beside it.

    Args:
        graph: Any graph that :func:`max3cut` accepts; small, since a label takes 1 qutrit, 2 or 3 qubits.
        encoding: ``"qutrit"`` (exact simulator only), ``"one-hot"``, ``"binary"`` or ``"binary-folded"``.
        weight: Edge attribute with the weight.
        reps: QAOA layers p.
        warm_start: A partition to start near, such as ``max3cut(graph).partition``.
        bias: Probability of each warm-start label.
        optimizer: Ask/tell optimiser without gradients; COBYLA by default.
        budget: Energy evaluations, at least 4.
        samples: S, the number of final samples and of uniform guesses.
        initial_point: First angles; by default the best point of a small grid over the scale of a linear ramp,
            paid from the budget.
        estimator: Any V2 estimator, such as a noisy one; the compiled exact engine by default.
        sampler: Any V2 sampler for the final samples; exact sampling of the compiled engine by default.
        estimator_shots: Shots that one evaluation of ``estimator`` costs, for the account.
        seed: Root seed.

    Returns:
        The result.

    Raises:
        InvalidInputError: If the graph has no weighted edge, or an argument breaks its rule.

    Example:
        >>> import networkx as nx
        >>> result = run_qaoa(nx.path_graph(2), budget=30, seed=1)
        >>> result.optimum, result.expected_cut > result.uniform_cut
        (1, True)
    """
    check_count("budget", budget, 4)
    check_count("samples", samples)
    check_count("reps", reps)
    check_count("estimator_shots", estimator_shots, 0)
    _check_start(warm_start, optimizer, bias, initial_point)
    check_primitive("estimator", estimator)
    check_primitive("sampler", sampler)
    began, cpu = time.perf_counter(), time.process_time()
    problem, root = as_problem(graph, weight), root_seed(seed)
    labels = _labels(problem, warm_start)
    coded = max3cut_encoding(_plain(problem), encoding)
    if problem.m == 0:
        raise invalid("graph", "no weighted edge", "must have an edge with a non-zero weight")
    machine = _machine(coded, reps, labels, bias, estimator, sampler, root)
    point, evaluations, status = _train(machine, problem, reps, optimizer, budget, initial_point, root)
    guess = keyed(root, "qaoa", "uniform").integers(0, 3, (samples, problem.n)).astype(np.int8)
    seen = _observe(machine, problem, coded, point, samples, _cuts(problem, guess), root)
    return QaoaResult(
        name=problem.name, encoding=encoding, engine=machine.engine, reps=reps, warm_start=labels is not None,
        uniform_cut=2 * problem.total / 3, samples=samples, evaluations=evaluations,
        shots=samples + estimator_shots * evaluations, circuits=evaluations + 1,
        seconds=time.perf_counter() - began, cpu_seconds=time.process_time() - cpu, status=status, seed=root,
        point=point, **seen,
    )  # fmt: skip


def _check_start(
    warm_start: object, optimizer: object, bias: object = 0.6, initial_point: object | None = None
) -> None:
    """Refuse what a run starts from, or is trained with, if it is of the wrong type."""
    expect(Mapping, type(None), warm_start=warm_start)
    expect(Optimizer, type(None), optimizer=optimizer)
    expect(Real, bias=bias)
    if initial_point is not None:
        as_array("initial_point", initial_point)


def _machine(
    coded: Max3CutEncoding, reps: int, labels: Labels | None, bias: float,
    estimator: BaseEstimatorV2 | None, sampler: BaseSamplerV2 | None, root: int,
) -> Machine:  # fmt: skip
    """Return what runs the encoding: the simulator of qutrits, or a circuit of qubits on the given primitives."""
    if coded.name != "qutrit":
        circuit = max3cut_qaoa(coded, reps, warm_start=labels, bias=bias)
        return QubitMachine(coded, circuit, estimator, sampler, root)
    for name, given in (("estimator", estimator), ("sampler", sampler)):
        if given is not None:
            raise invalid(name, given, "must be None for qutrits", "take a qubit encoding")
    return QutritMachine(coded, labels, bias)


def _observe(
    machine: Machine, problem: Problem, coded: Max3CutEncoding, point: NDArray[np.float64], samples: int,
    guesses: NDArray[np.float64], root: int,
) -> dict[str, Any]:  # fmt: skip
    """Sample the trained state and return the fields of the result that its samples and the guesses fill."""
    drawn, exact = machine.sample(point, samples, keyed(root, "qaoa", "samples"))
    good = drawn[(drawn >= 0).all(axis=1)]
    cuts = _cuts(problem, good)
    optimum, chance = _best_cut(problem, cuts, guesses)
    tolerance = 1e-9 * max(1.0, abs(optimum))
    if exact is not None:
        table = _cuts(problem, coded.labels())
        defined = coded.feasible()
        mass = float(exact[defined].sum())
        mean, error = float(exact[defined] @ table[defined]) / max(mass, 1e-300), 0.0
        success = float(exact[defined & (table >= optimum - tolerance)].sum())
    else:
        mass = len(good) / len(drawn)
        mean = float(cuts.mean()) if len(cuts) else float("nan")
        error = float(cuts.std(ddof=1) / np.sqrt(len(cuts))) if len(cuts) > 1 else float("nan")
        success = float((cuts >= optimum - tolerance).sum() / len(drawn))
    winner = good[int(cuts.argmax())] if len(good) else np.zeros(problem.n, dtype=np.int8)
    return {
        "expected_cut": mean,
        "standard_error": error,
        "best_of_shots": problem.cut(winner),
        "uniform_best_of_shots": problem.number(float(guesses.max())),
        "success_probability": success,
        "uniform_success_probability": chance,
        "optimum": problem.number(optimum),
        "feasible_share": mass,
        "partition": dict(zip(problem.nodes, winner.tolist(), strict=True)),
    }


def _train(
    machine: Machine, problem: Problem, reps: int, optimizer: Optimizer | None, budget: int,
    initial_point: NDArray[np.float64] | None, root: int,
) -> tuple[NDArray[np.float64], int, Status]:  # fmt: skip
    spent = 0
    if initial_point is None:
        # A linear ramp has two scales; a coarse grid over them avoids the barren ends of the landscape.
        base = ramp(reps, problem)
        side = max(2, min(_GRID, int(np.sqrt(budget // 2))))
        scales = np.stack(np.meshgrid(np.linspace(0.4, 1.8, side), np.linspace(-2, 2, side)), axis=-1).reshape(
            -1, 2
        )
        points = np.concatenate([scales[:, :1] * base[:reps], scales[:, 1:] * base[reps:]], axis=1)
        values = machine.energies(points)
        start, spent = points[int(values.argmin())], len(points)
    else:
        start = as_array("initial_point", initial_point)
        if start.shape != (2 * reps,):
            raise invalid("initial_point", start.shape, f"must have shape ({2 * reps},)", "betas, then gammas")
    left = budget - spent
    if left < 1:
        return start, spent, Status.BUDGET
    found = minimize(
        optimizer or COBYLA(rhobeg=0.2),
        machine.energies,
        start,
        seed=keyed(root, "qaoa", "optimizer"),
        budget=left,
    )
    return found.x, spent + found.evaluations, found.status


def _plain(problem: Problem) -> Any:
    """Return the graph on 0..n-1 in index order."""
    graph: Any = nx.Graph()
    graph.add_nodes_from(range(problem.n))
    graph.add_weighted_edges_from(
        zip(problem.rows.tolist(), problem.cols.tolist(), problem.weights.tolist(), strict=True)
    )
    return graph


def _labels(problem: Problem, partition: Mapping[Any, int] | None) -> Labels | None:
    if partition is None:
        return None
    missing = [node for node in problem.nodes if node not in partition]
    if missing:
        raise invalid("warm_start", missing[0], "must label every node; this one is missing")
    for node in problem.nodes:
        expect(Integral, **{f"warm_start[{node!r}]": partition[node]})
        if not 0 <= partition[node] <= 2:
            raise invalid(f"warm_start[{node!r}]", partition[node], "must be 0, 1 or 2")
    return np.array([partition[node] for node in problem.nodes], dtype=np.int8)


def _cuts(problem: Problem, labels: NDArray[np.int8]) -> NDArray[np.float64]:
    total = np.zeros(len(labels))
    for u, v, w in zip(problem.rows, problem.cols, problem.weights, strict=True):
        total += w * (labels[:, u] != labels[:, v])
    return total


def _optimum(problem: Problem) -> float | None:
    """Return the largest cut by exhaustion for small graphs, else None."""
    if 3 ** max(problem.n - 1, 0) > _EXACT_OPTIMUM:
        return None
    return float(_all_cuts(problem).max(initial=0.0))


def _all_cuts(problem: Problem) -> NDArray[np.float64]:
    """Cuts of all labellings with vertex 0 in part 0."""
    states = np.arange(3 ** max(problem.n - 1, 0)) * 3
    labels = np.stack([states // 3**v % 3 for v in range(problem.n)], axis=1).astype(np.int8)
    return _cuts(problem, labels)


def _best_cut(
    problem: Problem, cuts: NDArray[np.float64], guesses: NDArray[np.float64]
) -> tuple[float, float | None]:
    if 3 ** max(problem.n - 1, 0) <= _EXACT_OPTIMUM:
        table = _all_cuts(problem)
        best = float(table.max(initial=0.0))
        return best, float((table >= best - 1e-9 * max(1.0, abs(best))).mean())
    from .solver import max3cut

    known = float(max3cut(problem.graph(), seed=0).cut)
    return max(known, float(cuts.max(initial=-np.inf)), float(guesses.max())), None
