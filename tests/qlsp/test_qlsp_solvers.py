"""Inner solvers as executed circuits: accuracy, their own statements, and the ledger against the circuit."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from qalgs.errors import InvalidInputError
from qalgs.qlsp import (
    HHL,
    VQLS,
    ChebyshevLCU,
    DiscreteAdiabatic,
    InnerSolver,
    KernelReflection,
    LinearSystem,
    QSVTInversion,
    count_queries,
    poisson,
    random_system,
)
from qalgs.results import Status

SOLVERS: list[InnerSolver] = [
    QSVTInversion(epsilon=1e-3),
    ChebyshevLCU(epsilon=1e-3),
    HHL(epsilon=1e-2),
    DiscreteAdiabatic(epsilon=1e-3),
    KernelReflection(epsilon=1e-3),
    VQLS(epsilon=1e-2),
]
KINDS = {
    "positive": {"kind": "positive"},
    "hermitian": {"kind": "hermitian"},
    "complex": {"kind": "positive", "complex_entries": True},
    "general": {"kind": "general"},
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.name)
def test_every_solver_on_every_kind_within_its_statement(solver: InnerSolver, kind: str) -> None:
    size = 2 if kind == "general" else 4
    system = random_system(size, 4.0, seed=11, **KINDS[kind])  # type: ignore[arg-type]
    found = solver.solve(system)
    assert found.status is Status.CONVERGED
    assert found.direction_error <= min(found.stated_error * 1.001 + 1e-9, solver.epsilon)
    np.testing.assert_allclose(np.linalg.norm(found.state), 1.0)
    norm = float(np.linalg.norm(system.solution))
    np.testing.assert_allclose(found.x, system.solution, rtol=0, atol=0.03 * norm)
    assert found.residual < 0.05
    assert found.fidelity > 1 - 1e-4
    if not isinstance(solver, VQLS):
        assert found.circuit is not None
        assert found.counted_queries() == {"U_A": found.queries_A, "U_b": found.queries_b}
        counted = count_queries(found.circuit)
        extra = int(found.details.get("norm_queries_A", 0))
        assert found.queries_A == counted["U_A"] + extra
        assert found.queries_b == counted["U_b"] + 2 * extra
        flat = [inst.operation.label for inst in found.circuit.data]
        assert flat.count("U_A") == counted["U_A"]


@pytest.mark.parametrize(("kappa", "sizes", "fidelity"), [(20, (4, 8, 16), 0.9999), (100, (16, 32, 64), 0.999)])
def test_qsvt_fidelity(kappa: float, sizes: tuple[int, ...], fidelity: float) -> None:
    for size in sizes:
        found = QSVTInversion(epsilon=1e-3).solve(random_system(size, kappa, seed=size))
        assert found.fidelity >= fidelity
        assert found.direction_error <= 1e-3
        assert found.queries_A == found.max_degree == (151 if kappa == 20 else 761)
        assert found.queries_b == 1


def test_qsvt_circuit_is_the_polynomial_on_each_eigenvalue() -> None:
    system = random_system(4, 10, seed=5)
    solver = QSVTInversion(epsilon=1e-2)
    values, vectors = np.linalg.eigh(system.matrix)
    p = solver.polynomial(system.kappa, 1e-2)
    for k in range(4):
        eigen = LinearSystem(system.A, vectors[:, k])
        found = solver.solve(eigen)
        scale = float(found.details["scale"])
        got = np.sqrt(found.success_probability) * scale
        assert got == pytest.approx(abs(float(p(values[k]))), abs=1e-9 * scale)


@pytest.mark.parametrize("backend", ["aer", "statevector", "pennylane"])
def test_engines_agree(backend: str) -> None:
    system = random_system(4, 5, complex_entries=True, seed=3)
    for solver in (QSVTInversion(epsilon=1e-2), HHL(epsilon=5e-2), KernelReflection(epsilon=5e-2)):
        if backend == "pennylane" and not isinstance(solver, QSVTInversion):
            continue
        mine = solver.solve(system)
        other = solver.solve(system, backend=backend)
        np.testing.assert_allclose(other.state, mine.state, atol=1e-9)
        assert other.success_probability == pytest.approx(mine.success_probability, abs=1e-9)


def test_pennylane_runs_the_transformation_with_its_own_template() -> None:
    import pennylane as qp

    from qalgs.circuits.block_encodings import Dilation
    from qalgs.qlsp import minimax_inverse, symmetric_phases

    system = random_system(4, 3, seed=2)
    p = minimax_inverse(3, degree=9)
    p = p.scaled(0.9 / p.peak())
    phases = symmetric_phases(p).reflection()
    u = Dilation(system.matrix).unitary
    # PennyLane's first wire is the most significant bit, so the ancilla comes first; PCPhase(phi) puts e^{i phi}
    # on the block and e^{-i phi} off it, the same projector phase. Its product equals our branch of signal 0.
    projectors = [qp.PCPhase(float(phi), dim=4, wires=range(3)) for phi in phases]
    operator = qp.matrix(qp.QSVT(qp.QubitUnitary(u, wires=range(3)), projectors), wire_order=range(3))
    block = operator[:4, :4]
    values, vectors = np.linalg.eigh(system.matrix)
    np.testing.assert_allclose(block.real, (vectors * p(values)) @ vectors.T, atol=1e-9)


def test_encodings_change_cost_but_not_the_answer() -> None:
    a = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
    b = np.array([1.0, 0.0, 2.0, -1.0])
    for encoding in ("dilation", "pauli", "banded", "fable"):
        found = QSVTInversion(epsilon=1e-3).solve(LinearSystem(a, b, encoding=encoding))
        assert found.direction_error <= 1e-3
        assert found.kappa_enc == pytest.approx(found.kappa * LinearSystem(a, b, encoding=encoding).encoding.alpha)
    assert QSVTInversion(epsilon=1e-2).solve(poisson(8)).direction_error < 1e-2


@pytest.mark.parametrize("size", [4, 8])
def test_walk_with_filter(size: int) -> None:
    system = random_system(size, 10, seed=size)
    found = DiscreteAdiabatic(epsilon=1e-3).solve(system)
    bare = DiscreteAdiabatic(filtered=False).solve(system)
    assert found.direction_error <= 1e-3 < bare.direction_error
    assert found.success_probability > 0.8
    assert found.queries_b == 4 * found.queries_A + 1
    assert found.queries_A == found.details["steps"] + found.details["filter_degree"]


def test_kernel_reflection_norm() -> None:
    system = random_system(4, 12, seed=9)
    norm = float(np.linalg.norm(system.reference))
    unknown = KernelReflection().solve(system)
    assert unknown.details["norm_estimate"] == pytest.approx(norm, rel=0.05)
    known = KernelReflection(norm=norm).solve(system)
    assert known.queries_A < unknown.queries_A
    assert known.success_probability == pytest.approx(0.98**2, rel=1e-2)
    off = KernelReflection(norm=norm / 2).solve(system)
    assert off.direction_error <= 1e-3
    assert off.success_probability == pytest.approx(0.98**2 * (4 / 5) ** 2, rel=0.02)


def test_hhl_applies_its_stated_response() -> None:
    from qalgs.qlsp.solvers.hhl import _response, _rotation, _span, _window

    system = random_system(2, 6, seed=1)
    found = HHL(clock=5).solve(system)
    values, vectors = np.linalg.eigh(system.matrix)
    t = np.arange(32)
    g = []
    for value in values:
        a = np.fft.fft(_window(5) * np.exp(2j * np.pi * _span(5) * value * t)) / np.sqrt(32)
        g.append(np.abs(a) ** 2 @ _rotation(5, system.kappa))
    want = vectors @ (np.array(g) * (vectors.T @ system.rhs))
    assert found.success_probability == pytest.approx(want @ want, rel=1e-9)
    assert abs(want @ found.state) / np.linalg.norm(want) == pytest.approx(1.0)
    assert _response(5, system.kappa)[1].shape == _response(5, system.kappa)[0].shape
    errors = [HHL(clock=m).solve(system).stated_error for m in (4, 6, 8)]
    assert errors[0] > errors[1] > errors[2]


def test_vqls_says_when_it_failed() -> None:
    system = random_system(8, 50, seed=2)
    found = VQLS(epsilon=1e-3, layers=1, restarts=1, budget=30).solve(system)
    assert found.status is Status.FAILED
    assert "misses epsilon = 0.001" in found.message
    assert found.stated_error > 1e-3
    assert found.direction_error <= found.stated_error


def test_vqls_gradient_equals_differences(rng: np.random.Generator) -> None:
    from qalgs.qlsp.solvers.vqls import _ExactLoss

    system = random_system(4, 5, complex_entries=True, seed=4)
    ansatz = VQLS(layers=2).ansatz(2, real=False)
    loss = _ExactLoss(ansatz, system.matrix, system.rhs)
    point = rng.uniform(-np.pi, np.pi, size=(1, ansatz.num_parameters))
    value, slope = loss.gradients(point)
    state = Statevector(ansatz.assign_parameters(point[0])).data
    image = system.matrix @ state
    exact = 1 - abs(np.vdot(system.rhs, image)) ** 2 / np.vdot(image, image).real
    assert value[0] == pytest.approx(exact, abs=1e-12)
    for k in range(ansatz.num_parameters):
        step = np.zeros_like(point)
        step[0, k] = 1e-5
        difference = (loss.values(point + step) - loss.values(point - step)) / 2e-5
        assert slope[0, k] == pytest.approx(difference[0], abs=1e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: QSVTInversion(epsilon=0), "epsilon must lie strictly"),
        (lambda: QSVTInversion(degree=4), "degree must be odd"),
        (lambda: QSVTInversion(peak=1.0), "peak must lie"),
        (lambda: HHL(clock=1), "clock must be between"),
        (lambda: DiscreteAdiabatic(steps=3), "steps must be even"),
        (lambda: KernelReflection(norm=-1.0), "norm must be finite"),
        (lambda: VQLS(restarts=0), "restarts must be at least 1"),
        (lambda: ChebyshevLCU(terms=0), "terms must be at least 1"),
        (lambda: QSVTInversion().solve(random_system(2, 2, seed=1), backend="nowhere"), "backend must be one of"),
        (lambda: QSVTInversion().solve(random_system(2, 2, seed=1), shots=0), "shots must be"),
        (lambda: QSVTInversion().solve(random_system(2, 2, seed=1), sampler=object()), "shots must be given"),
        (lambda: QSVTInversion().solve(random_system(2, 1e5, seed=1)), "use estimate"),
        (lambda: HHL(epsilon=1e-9).solve(random_system(2, 50, seed=1)), "use QSVTInversion"),
    ],
)
def test_bad_input(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]
