"""Solvers side by side at matched error, and one solver against rising noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle
from numbers import Integral, Real
from typing import cast

import numpy as np

from qalgs.errors import QalgsError, expect, expect_callable, invalid
from qalgs.parallel import Parallel, run_iter
from qalgs.results import Result, Status
from qalgs.seeds import Seed, root_seed

from .linear_system import LinearSystem
from .polynomials import check_epsilon
from .result import QLSPResult
from .solvers.base import Solver


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparisonRow(Result):
    """One solver of a comparison.

    Attributes:
        solver: Its name.
        setting: The ``epsilon`` it was given so that its true error just meets the target.
        direction_error: Its true error.
        queries_A: A-queries of one pass.
        queries_b: b-queries of one pass.
        per_success: Expected A-queries until success.
        max_degree: Largest degree.
        two_qubit_gates: CX of its deepest circuit (upper bound).
        depth: Depth of that circuit (upper bound).
        qubits: Width.
        classical_matvecs: Classical products spent.
        ratio: A-queries relative to the first solver.
        met: Whether the target error was met.
        note: Why not, or what was decided.
    """

    solver: str
    setting: float
    direction_error: float
    queries_A: int
    queries_b: int
    per_success: float
    max_degree: int
    two_qubit_gates: int
    depth: int
    qubits: int
    classical_matvecs: int
    ratio: float
    met: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison(Result):
    """A matched-error table.

    Attributes:
        epsilon: The error that all were asked to meet.
        kappa: Condition number of the system.
        rows: One row a solver.
        results: The full results, None where a solver refused.
    """

    epsilon: float
    kappa: float
    rows: tuple[ComparisonRow, ...]
    results: tuple[QLSPResult | None, ...]

    def __str__(self) -> str:
        head = (
            "solver",
            "error",
            "A-queries",
            "b-queries",
            "per success",
            "degree",
            "CX",
            "qubits",
            "ratio",
            "note",
        )
        table = [head]
        for r in self.rows:
            table.append(
                (
                    r.solver,
                    f"{r.direction_error:.2e}" + ("" if r.met else " !"),
                    str(r.queries_A),
                    str(r.queries_b),
                    f"{r.per_success:.0f}",
                    str(r.max_degree),
                    str(r.two_qubit_gates),
                    str(r.qubits),
                    f"{r.ratio:.3g}",
                    r.note[:60],
                )
            )
        widths = [max(len(row[k]) for row in table) for k in range(len(head))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
        lines.insert(1, "  ".join("-" * w for w in widths))
        return f"kappa = {self.kappa:.6g}, epsilon = {self.epsilon:g}\n" + "\n".join(lines)


def compare(
    solvers: Sequence[Solver],
    system: LinearSystem,
    epsilon: float = 1e-2,
    *,
    matched: bool = True,
    attempts: int = 4,
    backend: object = None,
    parallel: Parallel | None = None,
    callback: Callable[[ComparisonRow], object] | None = None,
) -> Comparison:
    """Run every solver on ``system`` so that its *true* direction error just meets ``epsilon``.

    Guarantees differ in how loose they are. With ``matched``, each solver's own ``epsilon`` is therefore relaxed
    in steps of two as long as its true error stays within the target, so that costs are compared at like errors.

    Args:
        solvers: Solvers and meta-solvers; ratios are relative to the first.
        system: The system.
        epsilon: Direction error to meet.
        matched: Relax each solver's setting; otherwise all get ``epsilon``.
        attempts: Largest number of relaxations.
        backend: Exact engine to run on.
        parallel: Run the solvers side by side: a number of workers, or the address of a Dask scheduler.
        callback: Called with each row.

    Returns:
        The table.

    Raises:
        InvalidInputError: If there is no solver, or a number breaks its rule.

    Example:
        >>> from qalgs.qlsp import QSVTInversion, random_system
        >>> table = compare([QSVTInversion()], random_system(2, 3.0, seed=1), epsilon=0.1)
        >>> table.rows[0].direction_error <= 0.1
        True
    """
    _check(solvers, system)
    expect(Integral, attempts=attempts)
    expect_callable(callback=callback)
    eps = check_epsilon(epsilon)
    if not solvers:
        raise invalid("solvers", solvers, "must hold at least one solver")
    rows: list[ComparisonRow] = []
    results: list[QLSPResult | None] = []
    base: float | None = None
    work = partial(_match, system=system, eps=eps, attempts=attempts if matched else 0, backend=backend)
    for solver, (found, setting, note) in zip(solvers, run_iter(work, solvers, parallel=parallel), strict=True):
        results.append(found)
        if found is None:
            row = _refusal(solver.name, note)
        else:
            base = float(found.queries_A) if base is None else base
            row = _row(found, setting, eps, base)
        rows.append(row)
        if callback is not None:
            callback(row)
    return Comparison(epsilon=eps, kappa=system.kappa, rows=tuple(rows), results=tuple(results))


def _check(solvers: object, system: object) -> None:
    """Refuse what are not solvers and a system."""
    expect(Sequence, solvers=solvers)
    for index, solver in enumerate(cast(Sequence[object], solvers)):
        expect(Solver, **{f"solvers[{index}]": solver})
    expect(LinearSystem, system=system)


def _match(
    solver: Solver, system: LinearSystem, eps: float, attempts: int, backend: object
) -> tuple[QLSPResult | None, float, str]:
    setting = eps
    try:
        best = solver.solve(system, epsilon=eps, backend=backend)
    except QalgsError as error:
        return None, eps, str(error)
    for _ in range(attempts):
        wider = setting * 2.0
        if wider >= 0.5 or best.direction_error > eps or best.queries_A == 0:
            break
        try:
            trial = solver.solve(system, epsilon=wider, backend=backend)
        except QalgsError:
            break
        if trial.direction_error > eps or trial.queries_A > best.queries_A:
            break
        best, setting = trial, wider
    return best, setting, ""


def _row(found: QLSPResult, setting: float, eps: float, base: float) -> ComparisonRow:
    note = found.verdict.reason if found.verdict is not None else found.message
    return ComparisonRow(
        solver=found.solver,
        setting=setting,
        direction_error=found.direction_error,
        queries_A=found.queries_A,
        queries_b=found.queries_b,
        per_success=found.queries_A_per_success,
        max_degree=found.max_degree,
        two_qubit_gates=found.two_qubit_gates,
        depth=found.depth,
        qubits=found.qubits,
        classical_matvecs=found.classical_matvecs,
        ratio=found.queries_A / base if base else float("nan"),
        met=found.direction_error <= eps and found.status is not Status.FAILED,
        note=note,
    )


def _refusal(name: str, note: str) -> ComparisonRow:
    return ComparisonRow(
        solver=name,
        setting=float("nan"),
        direction_error=float("nan"),
        queries_A=0,
        queries_b=0,
        per_success=float("nan"),
        max_degree=0,
        two_qubit_gates=0,
        depth=0,
        qubits=0,
        classical_matvecs=0,
        ratio=float("nan"),
        met=False,
        note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseSweep(Result):
    """Errors of solvers under depolarising noise on every CX.

    Attributes:
        levels: Two-qubit error probabilities.
        direction_errors: For each solver, the error at each level. Of several solvers of one name, the second is
            called ``"name (2)"`` and so on, in the order given; likewise below.
        fidelities: For each solver, the fidelity at each level, within [0, 1]: see :attr:`QLSPResult.fidelity`.
        shots: For each solver, the shots spent at each level.
        seed: Root seed.
    """

    levels: tuple[float, ...]
    direction_errors: dict[str, tuple[float, ...]]
    fidelities: dict[str, tuple[float, ...]]
    shots: dict[str, tuple[int, ...]]
    seed: int


def noise_sweep(
    solvers: Sequence[Solver],
    system: LinearSystem,
    levels: Sequence[float] = (1e-4, 1e-3, 5e-3),
    *,
    epsilon: float = 2e-2,
    shots: int = 2000,
    seed: Seed = None,
    parallel: Parallel | None = None,
) -> NoiseSweep:
    """Solve with shots on Aer under two-qubit depolarising noise; readout by tomography is part of the cost.

    Args:
        solvers: What to run.
        system: A small system.
        levels: Depolarising probabilities of each CX.
        epsilon: Error asked for.
        shots: Shots for each measurement setting.
        seed: Seed.
        parallel: Run levels and solvers side by side: a number of workers, or the address of a Dask scheduler.

    Returns:
        Errors and shots by solver and level.

    Raises:
        InvalidInputError: If there is no solver or no level, or a level is not between 0 and 0.9.

    Example:
        >>> from qalgs.qlsp import QSVTInversion, random_system
        >>> system = random_system(2, 2.0, seed=1)
        >>> noise_sweep([QSVTInversion()], system, (0.0,), epsilon=0.2, shots=200, seed=1).levels
        (0.0,)
    """
    _check(solvers, system)
    expect(Sequence, np.ndarray, levels=levels)
    expect(Real, shots=shots)
    check_epsilon(epsilon)
    root = root_seed(seed)
    for given, value in (("solvers", solvers), ("levels", levels)):
        if not len(value):
            raise invalid(given, value, "must not be empty")
    for level in levels:
        expect(Real, levels=level)
        if not 0.0 <= level <= 0.9:
            raise invalid("levels", level, "must lie between 0 and 0.9")
    work = partial(_under_noise, system, epsilon, shots)
    tasks = [
        (solver, float(level), int(np.random.SeedSequence([root, k]).generate_state(1)[0]))
        for k, level in enumerate(levels)
        for solver in solvers
    ]
    names = _distinct([s.name for s in solvers])
    errors: dict[str, list[float]] = {name: [] for name in names}
    fidelities: dict[str, list[float]] = {name: [] for name in names}
    spent: dict[str, list[int]] = {name: [] for name in names}
    for name, (error, fidelity, used) in zip(cycle(names), run_iter(work, tasks, parallel=parallel), strict=False):
        errors[name].append(error)
        fidelities[name].append(fidelity)
        spent[name].append(used)
    return NoiseSweep(
        levels=tuple(float(v) for v in levels),
        direction_errors={k: tuple(v) for k, v in errors.items()},
        fidelities={k: tuple(v) for k, v in fidelities.items()},
        shots={k: tuple(v) for k, v in spent.items()},
        seed=root,
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names with a number after those that came before."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name} ({k})" for k in count(2))
        found.append(name if name not in found else next(n for n in numbered if n not in found))
    return found


def _under_noise(
    system: LinearSystem, epsilon: float, shots: int, task: tuple[Solver, float, int]
) -> tuple[float, float, int]:
    """Return direction error, fidelity and shots of one solver at one level of noise."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    solver, level, seed = task
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(level, 2), ["cx"])
    device = AerSimulator(noise_model=model, method="density_matrix")
    found = solver.solve(system, epsilon=epsilon, backend=device, shots=shots, seed=seed)
    return found.direction_error, found.fidelity, found.shots
