"""Costs without execution, figures, results as JSON, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from qalgs.cli import main
from qalgs.errors import InvalidInputError
from qalgs.qlsp import (
    HHL,
    VQLS,
    ChebyshevLCU,
    DiscreteAdiabatic,
    KernelReflection,
    NoiseSweep,
    ProximalPoint,
    QSVTInversion,
    ResidualCorrection,
    Solver,
    SystemModel,
    inverse_degree,
    plots,
    poisson,
    poisson_model,
    random_system,
)
from qalgs.qlsp.resources import circuit_cost, dense_cost

INNER: list[Solver] = [QSVTInversion(), ChebyshevLCU(), HHL(), DiscreteAdiabatic(), KernelReflection(), VQLS()]


@pytest.mark.parametrize("solver", INNER, ids=lambda s: s.name)
def test_estimates_at_a_million_and_a_trillion(solver: Solver) -> None:
    model = SystemModel(kappa=1e6, num_qubits=40, cx_per_call=1000.0, depth_per_call=2000.0)
    for wrapped in (
        solver,
        ProximalPoint(solver),
        ProximalPoint(solver, form="residual"),
        ResidualCorrection(solver),
    ):
        found = wrapped.estimate(model, 1e-3)
        assert np.isfinite(found.queries_A)
        assert found.queries_A > 0
        assert found.qubits > 40
        assert json.loads(found.to_json())["kappa"] == 1e6
    assert ProximalPoint(solver).estimate(model, 1e-3).eta is None


def test_estimate_equals_execution() -> None:
    system = random_system(4, 20, seed=3)
    for solver in (QSVTInversion(), DiscreteAdiabatic(), ChebyshevLCU()):
        predicted, found = solver.estimate(system), solver.solve(system)
        assert predicted.queries_A == found.queries_A
        assert predicted.queries_b == found.queries_b
        assert predicted.max_degree == found.max_degree
        assert predicted.success_probability == pytest.approx(found.success_probability, rel=0.25)
    assert QSVTInversion().estimate(system).qubits == QSVTInversion().solve(system).qubits


def test_poisson_grid_of_a_trillion_points() -> None:
    model = poisson_model((20, 20))
    assert model.num_qubits == 40
    assert model.kappa == pytest.approx((2 * (2**20 + 1) / np.pi) ** 2, rel=1e-3)
    assert model.alpha == pytest.approx(1.0, rel=1e-6)
    found = QSVTInversion().estimate(model, 1e-2)
    assert found.queries_A == inverse_degree(model.kappa * model.alpha, 1e-2)
    assert found.two_qubit_gates > found.queries_A
    small = poisson_model((3,))
    assert small.kappa == pytest.approx(32.1634, rel=1e-5)


def test_warm_models() -> None:
    warm = SystemModel(kappa=1e4, num_qubits=20, start_error=2e-3)
    assert 0.6 < ProximalPoint(QSVTInversion()).estimate(warm, 1e-3).ratio < 0.8
    assert ResidualCorrection(QSVTInversion()).estimate(warm, 1e-3).ratio < 0.25
    done = SystemModel(kappa=1e4, num_qubits=20, start_error=1e-4)
    assert ProximalPoint(QSVTInversion()).estimate(done, 1e-3).queries_A == 0
    with pytest.raises(InvalidInputError, match="must have kappa >= 1"):
        QSVTInversion().estimate(SystemModel(kappa=0.1, num_qubits=3))


def test_circuit_cost_bounds_the_transpiled_circuit() -> None:
    from qiskit import transpile

    from qalgs.circuits.block_encodings_lcu import PauliLCU
    from qalgs.circuits.qsvt import qsvt_circuit

    circuit = qsvt_circuit(PauliLCU(np.array([[1.0, 0.2], [0.2, 0.5]])), [0.1, 0.2, 0.2, 0.1])
    cx, depth = circuit_cost(circuit)
    done = transpile(circuit, basis_gates=["cx", "u"], optimization_level=0)
    assert done.count_ops()["cx"] <= cx
    assert done.depth() <= depth
    assert dense_cost(3)[0] == 20


def test_cost_of_an_exact_run_is_that_of_real_gates() -> None:
    system = poisson(4)
    found = QSVTInversion(epsilon=0.2).solve(system)
    call = system.encoding.gate_counts()["cx"]
    # Each call comes with one projector phase on three flags (two Toffoli-like gates of at most 14 CX).
    assert found.queries_A * call <= found.two_qubit_gates <= found.queries_A * (2 * call + 2 * 14) + 20
    walk = DiscreteAdiabatic().solve(random_system(4, 5, seed=1))
    assert walk.two_qubit_gates < 250 * walk.queries_A


def test_figures_have_their_content() -> None:
    from matplotlib import pyplot as plt

    system = random_system(4, 20, seed=1)
    found = ProximalPoint(QSVTInversion(), form="residual").solve(system, epsilon=1e-2)
    sweep = NoiseSweep(levels=(1e-4, 1e-3), direction_errors={"a": (0.1, 0.2)}, fidelities={}, shots={}, seed=1)
    axes = [
        found.plot_history(),
        plots.plot_eta(QSVTInversion(), 100.0, 1e-3, 3e-3),
        plots.plot_frontier(QSVTInversion()),
        plots.plot_cost_vs_kappa(QSVTInversion(), [10, 100, 1000]),
        plots.plot_depth_tradeoff(QSVTInversion()),
        plots.plot_noise(sweep),
        plots.plot_alignment(system),
        plots.plot_figure_two(),
        plots.plot_costs(INNER[:3], SystemModel(kappa=10, num_qubits=3), 1e-2),
    ]
    assert all(ax.has_data() and ax.get_xlabel() for ax in axes)
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), [s.direction_error for s in found.history])
    own = plt.subplots()[1]
    assert found.plot_history(ax=own) is own
    plt.close("all")


def test_result_is_complete_json() -> None:
    found = QSVTInversion(epsilon=1e-2).solve(random_system(4, 5, seed=1), seed=7)
    data = json.loads(found.to_json())
    for name in [
        "state",
        "eta",
        "kappa",
        "kappa_hat",
        "kappa_enc",
        "max_degree",
        "queries_A",
        "queries_b",
        "success_probability",
        "direction_error",
        "error_split",
        "depth",
        "two_qubit_gates",
        "qubits",
        "norm",
        "residual",
        "observables",
        "history",
        "ratio",
        "seed",
        "versions",
        "status",
    ]:
        assert name in data, name
    assert data["eta"] is None
    assert data["seed"] == 7
    assert set(data["error_split"]) == {"solver", "proximal", "total", "identity", "bound"}
    assert found.expectation(np.eye(4)) == pytest.approx(1.0)
    assert abs(found.overlap(found.x)) == pytest.approx(1.0)
    assert "<table>" in found._repr_html_()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    system = random_system(4, 10, seed=1)
    np.savez(tmp_path / "s.npz", A=system.A, b=system.b)
    scipy.io.mmwrite(tmp_path / "m.mtx", sp.coo_array(system.A))
    scipy.io.mmwrite(tmp_path / "m_b.mtx", system.b[:, None])
    scipy.io.mmwrite(tmp_path / "lone.mtx", sp.coo_array(system.A))
    sp.save_npz(tmp_path / "sparse.npz", sp.csr_array(system.A))
    np.save(tmp_path / "b.npy", system.b)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["solve", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command_line_solves(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    system = random_system(4, 10, seed=1)
    for name, extra in (("s.npz", []), ("m.mtx", []), ("sparse.npz", ["--rhs", files / "b.npy"])):
        code, out, err = run(capsys, files / name, "--json", *extra)
        assert code == 0
        assert err == ""
        found = np.array(json.loads(out)["state"])
        want = system.solution / np.linalg.norm(system.solution)
        assert np.linalg.norm(found - want) <= 1e-3
    code, out, err = run(
        capsys, files / "lone.mtx", "--epsilon", 0.01, "--out", files / "x.npy", "--plot", files / "h.png"
    )
    assert code == 0
    assert "b = (1, ..., 1)" in err
    assert "queries" in out
    assert system.residual(np.load(files / "x.npy")) > 0
    assert (files / "h.png").stat().st_size > 1000
    code, out, _ = run(capsys, files / "s.npz", "--meta", "proximal")
    assert code == 0
    assert "do not precondition" in out
    code, out, _ = run(capsys, files / "s.npz", "--meta", "correction", "--start", "gd:20", "--epsilon", 0.01)
    assert code == 0
    assert "20 products" in out or "products with A" in out
    code, out, _ = run(capsys, files / "s.npz", "--estimate")
    assert code == 0
    assert "queries_A" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.npz"], "must be a file that exists"),
        (["s.npz", "--solver", "magic"], "--solver must be one of"),
        (["s.npz", "--meta", "magic"], "--meta must be one of"),
        (["s.npz", "--meta", "proximal", "--eta", "big"], "--eta must be"),
        (["s.npz", "--meta", "proximal", "--eta", "-1"], "above zero"),
        (["s.npz", "--start", "gd:5"], "--start must come with"),
        (["s.npz", "--meta", "correction", "--start", "gd:x"], "--start must be gd:STEPS"),
        (["s.npz", "--kappa-max", "2"], "kappa_max = 2"),
        (["s.npz", "--epsilon", "2"], "epsilon must lie"),
        (["b.npy"], "must end in .npz or .mtx"),
        (["bad.mtx"], "must be a Matrix Market file"),
        (["bad.npz"], "must be a readable .npz"),
        (["other.npz"], "must hold A"),
        (["s.npz", "--rhs", "gone.npy"], "rhs must be a file"),
    ],
)
def test_command_line_errors_are_one_line(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    Path("bad.mtx").write_text("nothing\n")
    Path("bad.npz").write_text("nothing\n")
    np.savez("other.npz", c=np.eye(2))
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
