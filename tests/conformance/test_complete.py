"""The registry is complete: whatever the package offers of a registered kind must be in it, and nothing else."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, get_args

import pytest
from registry import every


def offered(package: str) -> dict[str, Any]:
    """The public names of a package."""
    module = importlib.import_module(f"qalgs.{package}")
    return {name: getattr(module, name) for name in module.__all__}


def returning(package: str, *types: str) -> set[str]:
    """Public functions whose return annotation names one of some types."""
    found = set()
    for name, value in offered(package).items():
        if inspect.isfunction(value):
            words = re.split(r"[^\w.]+", str(inspect.signature(value).return_annotation))
            if any(kind in words for kind in types):
                found.add(name)
    return found


def subclasses(package: str, *bases: type) -> set[str]:
    """Public classes that can be made and derive from one of some bases."""
    return {
        name
        for name, value in offered(package).items()
        if inspect.isclass(value)
        and issubclass(value, bases)
        and value not in bases
        and not inspect.isabstract(value)
    }


def variants(name: str, values: Iterable[str]) -> set[str]:
    return {f"{name}[{value}]" for value in values}


def circuits() -> set[str]:
    return returning("circuits", "QuantumCircuit")


def operators() -> set[str]:
    return returning("circuits", "SparsePauliOp", "Molecule")


def encodings() -> set[str]:
    from qalgs.circuits import BlockEncoding
    from qalgs.circuits.max3cut_encodings import EncodingName

    found = subclasses("circuits", BlockEncoding) | returning("circuits", "PreparationTemplate")
    return found | variants("max3cut_encoding", get_args(EncodingName))


def engines() -> set[str]:
    from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2

    from qalgs.backends.auto_choice import ENGINES
    from qalgs.backends.auto_program import REFERENCES

    found = subclasses("backends", BaseEstimatorV2, BaseSamplerV2) | variants("exact_program", REFERENCES)
    return found | variants("CompiledEstimator", set(ENGINES) - {"auto", "compiled"})


def optimizers() -> set[str]:
    from qalgs.optimizers import Optimizer

    return subclasses("optimizers", Optimizer)


def solvers() -> set[str]:
    from qalgs.qlsp import Solver

    return subclasses("qlsp", Solver) - {"InnerSolver"}


def starts() -> set[str]:
    from qalgs.qlsp.meta.starts import Start

    return {n for n, v in offered("qlsp").items() if inspect.isclass(v) and issubclass(v, Start)}


def generators() -> set[str]:
    graphs = returning("max3cut", "nx.Graph") - {"read_gset"}
    return returning("qlsp", "LinearSystem") | graphs


def polynomials() -> set[str]:
    return returning("qlsp", "ChebyshevSeries")


def levels() -> set[str]:
    from qalgs.eigengame.classical import GAMES
    from qalgs.eigengame.deflation import METHODS
    from qalgs.eigengame.solver import SCHEDULES

    pairs = {f"{m}[{s}]" for m in METHODS for s in SCHEDULES} - {"ssvqe[parallel]"}
    return pairs | returning("eigengame", "ExcitedStatesResult") | variants("top_eigenvectors", GAMES)


def cuts() -> set[str]:
    from qalgs.circuits.max3cut_encodings import EncodingName
    from qalgs.max3cut.bounds import Bound
    from qalgs.max3cut.enumeration import Method
    from qalgs.max3cut.matrices import Matrix
    from qalgs.max3cut.refine import Refine
    from qalgs.max3cut.report import MethodName

    refinements = variants("max3cut", (f"refine={refine}" for refine in get_args(Refine)))
    matrices = variants("max3cut", (f"matrix={m}" for m in get_args(Matrix) if m != "corrected"))
    tables = variants("compare", get_args(MethodName)) | variants("upper_bound", get_args(Bound))
    results = ("Rival", "Max3CutResult", "Candidate", "FormResult", "QaoaResult", "VqaJob", "UpperBound")
    functions = returning("max3cut", *results) - {"max3cut", "upper_bound", "run_qaoa"}
    methods = variants("max3cut", get_args(Method)) | variants("run_qaoa", get_args(EncodingName))
    return functions | methods | refinements | matrices | tables


def strategies() -> set[str]:
    from qalgs.nest import Strategy
    from qalgs.nest.strategies import STRATEGIES

    return subclasses("nest", Strategy) | set(STRATEGIES) | returning("nest", "Strategy")


def schedules() -> set[str]:
    from qalgs.nest import Schedule
    from qalgs.nest.schedules import SCHEDULES

    found = subclasses("nest", Schedule) | {kind.__name__ for kind in SCHEDULES.values()}
    return found | returning("nest", "Schedule")


def trainings() -> set[str]:
    from qalgs.nest.training import Training

    return subclasses("nest", Training)


def crosstalks() -> set[str]:
    from qalgs.nest import Crosstalk

    return subclasses("nest", Crosstalk) | returning("nest", "Crosstalk")


def executors() -> set[str]:
    from qalgs.nest import Executor

    return subclasses("nest", Executor)


def planners() -> set[str]:
    from qalgs.nest.packing import Objective
    from qalgs.nest.space_time import Objective as Aim
    from qalgs.nest.space_time import Planner

    aims = {kind.__name__ for kind in get_args(Aim)}
    return variants("plan", get_args(Planner)) | variants("pack", get_args(Objective)) | aims


def jobs() -> set[str]:
    import qalgs.cli.jobsfile
    from qalgs.cli.kinds import KINDS

    assert qalgs.cli.jobsfile
    return set(KINDS)


KINDS: dict[str, Callable[[], set[str]]] = {
    "circuit": circuits,
    "operator": operators,
    "encoding": encodings,
    "engine": engines,
    "optimizer": optimizers,
    "solver": solvers,
    "start": starts,
    "generator": generators,
    "polynomial": polynomials,
    "levels": levels,
    "cut": cuts,
    "strategy": strategies,
    "schedule": schedules,
    "training": trainings,
    "crosstalk": crosstalks,
    "executor": executors,
    "planner": planners,
    "job": jobs,
}


@cache
def registered(kind: str) -> set[str]:
    """The names of a kind in the registry, variants and what they are variants of."""
    names = {item.name for item in every() if item.kind == kind}
    return names | {name.partition("[")[0] for name in names}


@pytest.mark.parametrize("kind", list(KINDS))
def test_everything_offered_is_registered(kind: str) -> None:
    expected = KINDS[kind]()
    assert expected, "nothing was found to compare with"
    missing = expected - registered(kind)
    assert not missing, f"add {sorted(missing)} to the registry, kind {kind!r}"


@pytest.mark.parametrize("kind", list(KINDS))
def test_everything_registered_is_offered(kind: str) -> None:
    known = {name.partition("[")[0] for name in KINDS[kind]()}
    stale = {name for name in registered(kind) if "[" not in name} - known
    assert not stale, f"{sorted(stale)} is registered as {kind!r}, but not offered"


def test_names_are_unique() -> None:
    keys = [item.key for item in every()]
    assert len(keys) == len(set(keys))


def test_every_kind_is_compared_with_the_package() -> None:
    assert {item.kind for item in every()} - {"driver"} == set(KINDS)


def test_whatever_spreads_its_work_is_checked_for_it() -> None:
    spread = set()
    for package in ("circuits", "backends", "eigengame", "qlsp", "nest", "max3cut", "optimizers"):
        for name, value in offered(package).items():
            methods = (
                [m for _, m in inspect.getmembers(value, inspect.isfunction)] if inspect.isclass(value) else []
            )
            callables = [value, *methods] if callable(value) else []
            arguments = [a for c in callables for a in signature(c)]
            if {"n_jobs", "workers", "parallel"} & set(arguments):
                spread.add(name)
    checked = {item.name.partition("[")[0] for item in every() if item.workers}
    assert spread - checked == set()


def signature(value: Any) -> list[str]:
    try:
        return list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return []
