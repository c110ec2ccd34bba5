"""Refusals of the linear-system solvers in their own words, and their generators against their definitions."""

from __future__ import annotations

import re
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit
from scipy import sparse

from qalgs.circuits import Dilation
from qalgs.errors import InvalidInputError
from qalgs.qlsp import (
    HHL,
    VQLS,
    ClassicalPreconditioner,
    ConjugateGradient,
    GradientDescent,
    KernelReflection,
    LinearSystem,
    QSVTInversion,
    ResidualCorrection,
    compare,
    graph_laplacian,
    noise_sweep,
    poisson,
    random_system,
)
from qalgs.qlsp.execution import RightHandSide
from qalgs.qlsp.resources import SystemModel
from qalgs.qlsp.solvers.adiabatic import PathHamiltonian
from qalgs.qlsp.solvers.kernel import KernelMatrix

SMALL = LinearSystem(np.diag([1.0, 0.5]), np.ones(2))
INNER = QSVTInversion(epsilon=0.1)

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "side": (lambda: poisson(1), "shape must be one to three sizes of at least 2, got 1"),
    "b": (lambda: poisson(4, "ramp"), 'b must be "constant", "point", "random" or a vector, got \'ramp\''),
    "lonely node": (lambda: graph_laplacian(nx.empty_graph(1)), "graph must have at least two nodes, got 1"),
    "ground": (
        lambda: graph_laplacian(nx.path_graph(3), ground=0.0),
        "ground must be finite and above zero, got 0.0",
    ),
    "size": (lambda: random_system(1, 2.0), "size must be at least 2, got 1"),
    "kappa": (lambda: random_system(2, 0.5), "kappa must be finite and at least 1, got 0.5"),
    "values": (lambda: random_system(2, 2.0, spectrum=[1.0]), "spectrum must hold 2 singular values, got (1,)"),
    "spectrum": (lambda: random_system(2, 2.0, spectrum="flat"), 'spectrum must be "log", "uniform", "outlier"'),
    "kind": (
        lambda: random_system(2, 2.0, kind="odd"),
        'kind must be "positive", "hermitian" or "general", got \'odd\'',
    ),
    "no solver": (lambda: compare([], SMALL), "solvers must hold at least one solver"),
    "level": (lambda: noise_sweep([INNER], SMALL, [0.95]), "levels must lie between 0 and 0.9, got 0.95"),
    "no level": (lambda: noise_sweep([INNER], SMALL, []), "levels must not be empty, got []"),
    "nothing to run": (lambda: noise_sweep([], SMALL, [0.1]), "solvers must not be empty, got []"),
    "wide readout": (
        lambda: INNER.solve(poisson(128), shots=10, seed=1),
        "num_qubits must be at most 6 for tomography, got 7; read observables instead",
    ),
    "steps": (lambda: ConjugateGradient(-1), "steps must not be negative, got -1"),
    "steps of descent": (lambda: GradientDescent(-1), "steps must not be negative, got -1"),
    "plan": (
        lambda: ResidualCorrection(INNER, plan="bold"),
        "plan must be one of reference, certified, got 'bold'",
    ),
    "inner": (lambda: ResidualCorrection("qsvt"), "inner must be a solver, got 'qsvt'; pass an instance"),  # type: ignore[arg-type]
    "inner of a preconditioner": (
        lambda: ClassicalPreconditioner("qsvt"),  # type: ignore[arg-type]
        "inner must be a solver, got 'qsvt'; pass an instance",
    ),
    "preconditioner": (lambda: ClassicalPreconditioner(INNER, "lu"), 'kind must be "jacobi", "ilu" or a function'),
    "zero diagonal": (
        lambda: ClassicalPreconditioner(INNER).solve(LinearSystem([[0.0, 1.0], [1.0, 0.0]], [1.0, 2.0])),
        "kind must not meet zeros on the diagonal, got 'jacobi'; use \"ilu\" or a function",
    ),
    "short columns": (
        lambda: ClassicalPreconditioner(INNER, lambda v: v[:1]).solve(SMALL),
        "kind must map vectors of 2 entries to finite ones",
    ),
    "model": (
        lambda: ClassicalPreconditioner(INNER).estimate(SystemModel(kappa=2.0, num_qubits=2), 0.1),
        "system must be a LinearSystem to be preconditioned",
    ),
    "layers": (lambda: VQLS(layers=0), "layers must be at least 1, got 0"),
    "restarts": (lambda: VQLS(restarts=0), "restarts must be at least 1, got 0"),
    "gap": (lambda: QSVTInversion(gap=0.0), "gap must be above zero, got 0.0"),
    "peak": (lambda: QSVTInversion(peak=1.0), "peak must lie strictly between 0 and 1, got 1.0"),
    "degree": (lambda: QSVTInversion(degree=2), "degree must be odd and positive, got 2"),
    "norm": (lambda: KernelReflection(norm=0.0), "norm must be finite and above zero, got 0.0"),
    "projections": (lambda: KernelReflection(projections=0), "projections must be at least 1, got 0"),
    "table of b": (
        lambda: LinearSystem(np.eye(2), np.ones((2, 2))),
        "b must have shape (2,) to match A, got (2, 2)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, text = REFUSED[name]
    with pytest.raises(InvalidInputError, match=f"^{re.escape(text)}") as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("b", ["constant", "point", "random"])
def test_right_hand_sides_of_a_grid(b: str) -> None:
    system = poisson((4, 2), b, seed=1)
    values = np.asarray(system.b)
    if b == "random":
        assert np.array_equal(values, np.asarray(poisson((4, 2), b, seed=1).b))
        assert len(set(values.tolist())) == 8
    else:
        expected = np.ones(8) if b == "constant" else np.eye(8)[4]
        assert np.array_equal(values, expected)
    one, two = (np.asarray(poisson(n).A.todense()) for n in (4, 2))
    assert np.array_equal(np.asarray(system.A.todense()), np.kron(np.eye(2), one) + np.kron(two, np.eye(4)))


@pytest.mark.parametrize("kind", ["positive", "hermitian", "general"])
@pytest.mark.parametrize("spectrum", ["log", "uniform", "outlier", [1.0, 0.5, 0.4, 0.25]])
def test_random_systems_have_their_spectrum(kind: str, spectrum: str | list[float]) -> None:
    system = random_system(4, 4.0, spectrum=spectrum, kind=kind, complex_entries=True, seed=2)
    a = np.asarray(system.A)
    values = np.linalg.svd(a, compute_uv=False)
    assert np.isclose(values[0] / values[-1], 4.0)
    assert np.iscomplexobj(a)
    if not isinstance(spectrum, str):
        assert np.allclose(values, spectrum)
    assert np.allclose(a, a.conj().T) == (kind != "general")


def test_columns_are_vectors() -> None:
    for shape in ((2, 1), (1, 2)):
        system = LinearSystem(np.eye(2), np.array([1.0, 2.0]).reshape(shape))
        assert np.array_equal(np.asarray(system.b), [1.0, 2.0])


def test_an_exact_start_needs_no_more_steps() -> None:
    system = poisson(4)
    x, products = ConjugateGradient(50).start(system)
    assert products < 50
    assert np.allclose(system.A @ x, system.b)


@pytest.mark.parametrize("kind", ["positive", "indefinite"])
def test_paths_and_kernels_equal_their_dense_matrices(kind: str, rng: np.random.Generator) -> None:
    base = Dilation(np.diag([1.0, 0.5 if kind == "positive" else -0.5]))
    vector = rng.normal(size=2)
    rhs = RightHandSide(vector / np.linalg.norm(vector), 1, real=True, dense=True)
    path = PathHamiltonian(base, rhs, 0.3, positive=kind == "positive")
    assert path.check() < 1e-9
    assert KernelMatrix(base, rhs, 1.5).check() < 1e-9
    for made in (path, KernelMatrix(base, rhs, 1.5)):
        n, k = made.num_qubits, made.num_system
        with pytest.raises(InvalidInputError, match=r"^control must be None for a"):
            made.append(QuantumCircuit(n + 1), range(k), range(k, n), control=n)


def test_preconditioners_that_are_not_symmetric_or_not_positive() -> None:
    a = np.array([[2.0, 0.5], [0.5, 1.0]])
    for p in (np.array([[1.0, 0.2], [0.0, 1.0]]), -np.eye(2)):
        inside, back = ClassicalPreconditioner(INNER, p.__matmul__).product(LinearSystem(a, [1.0, 2.0]))
        assert np.allclose(np.asarray(inside.A), p @ a)
        assert np.allclose(back(inside.solution), np.linalg.solve(a, [1.0, 2.0]))


def test_a_fixed_clock_sets_the_cost() -> None:
    alone = HHL(clock=5).estimate(SMALL, 0.1)
    assert alone.max_degree == 2 * (2**5 - 1)


def test_systems_beyond_execution_are_refused() -> None:
    system = LinearSystem(sparse.eye_array(2**14, format="csr") * 2.0, np.ones(2**14))
    with pytest.raises(InvalidInputError, match=r"^A must have at most \d+ rows to be executed, got '16384 rows'"):
        _ = system.matrix
