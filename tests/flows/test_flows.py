"""Flows across algorithms: games, graphs and linear systems as co-located jobs of one chip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from qalgs.backends import DeviceSnapshot
from qalgs.cli import main
from qalgs.cli.flows import play
from qalgs.cli.kinds import KINDS
from qalgs.cli.kinds_algorithms import Max3Cut
from qalgs.eigengame import ExcitedStates

MIXED = """
[device]
name = "fake_guadalupe"
buffer = 0
[campaign]
seed = 3
shots = 256
evals_per_cycle = 6
[schedule]
kind = "linear"
cycles = 2
[[job]]
id = "h2"
kind = "vqe"
molecule = { name = "H2", mapping = "parity" }
[[job]]
id = "level"
kind = "eigengame"
hamiltonian = { model = "tfim", n = 3, j = 1.0, h = 0.6 }
player = 1
[[job]]
id = "graph"
kind = "max3cut"
graph = [[0, 1], [1, 2], [0, 2]]
encoding = "binary"
[[job]]
id = "plate"
kind = "linear_system"
system = "poisson:4"
"""


def test_a_mixed_campaign_runs_every_kind_on_one_chip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mixed.toml"
    file.write_text(MIXED)
    assert (
        main(["nest", "run", str(file), "--out", str(tmp_path / "out"), "--quiet", "--json", "--plots", "none"])
        == 0
    )
    summary = json.loads(capsys.readouterr().out)
    text = json.dumps(summary)
    for kind in ("vqe", "eigengame", "max3cut", "linear_system"):
        assert kind in text


def test_all_job_kinds_are_in_the_table() -> None:
    assert KINDS["max3cut"] is Max3Cut
    assert set(KINDS) == {"vqe", "maxcut", "max3cut", "eigengame", "linear_system", "qasm3"}


def problem(kind: str, **keys: object) -> object:
    return KINDS[kind].model_validate({"id": "j", "kind": kind, **keys}).problem(Path())


def test_linear_system_cost_is_zero_at_the_solution_only() -> None:
    found = problem("linear_system", system="poisson:4")
    matrix = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
    x = np.linalg.solve(matrix, np.ones(4))
    x /= np.linalg.norm(x)
    cost = found.observable.to_matrix()  # type: ignore[attr-defined]
    levels = np.linalg.eigvalsh(cost)
    assert abs(x @ cost @ x) < 1e-12
    assert abs(levels[0]) < 1e-12
    assert levels[1] > 1e-3


def test_an_eigengame_job_has_its_level_as_lowest_value() -> None:
    found = problem("eigengame", hamiltonian={"model": "tfim", "n": 3, "j": 1.0, "h": 0.6}, player=2)
    from qalgs.circuits import tfim

    exact = np.linalg.eigvalsh(tfim(3, 1.0, 0.6).to_matrix())
    lowest = np.linalg.eigvalsh(found.observable.to_matrix())[0]  # type: ignore[attr-defined]
    assert found.exact == pytest.approx(exact[2], abs=1e-9)  # type: ignore[attr-defined]
    assert lowest == pytest.approx(exact[2], abs=1e-5)


def test_a_max3cut_job_never_undercuts_its_optimum() -> None:
    found = problem("max3cut", graph=[[0, 1], [1, 2], [0, 2], [2, 3]], encoding="one-hot")
    matrix = found.observable.to_matrix(sparse=True)  # type: ignore[attr-defined]
    assert found.exact == pytest.approx(-4.0)  # type: ignore[attr-defined]
    assert abs(matrix - sparse.diags_array(matrix.diagonal())).max() == 0
    assert matrix.diagonal().real.min() == pytest.approx(-4.0)


def test_players_of_a_game_train_as_co_located_jobs() -> None:
    from qalgs.circuits import molecule

    h2 = molecule("H2", 0.735, mapping="parity")
    solver = ExcitedStates(k=3, method="hotelling", seed=2)
    seen: list[int] = []
    game = play(
        solver,
        h2,
        DeviceSnapshot.from_backend("fake_guadalupe"),
        rounds=3,
        evaluations=60,
        shots=0,
        seed=5,
        callback=lambda number, _: seen.append(number),
    )
    assert seen == [0, 1, 2]
    assert game.energies.shape == (3, 3)
    for campaign in game.campaigns:
        held = [set(layout) for layout in campaign.layouts(0).values()]
        assert len(held) == 3
        assert all(a.isdisjoint(b) for i, a in enumerate(held) for b in held[:i])
    again = play(solver, h2, "fake_guadalupe", rounds=1, evaluations=60, shots=0, seed=5)
    np.testing.assert_array_equal(again.energies[0], game.energies[0])
    exact = np.sort(np.linalg.eigvalsh(h2.hamiltonian.to_matrix()))[:3]
    np.testing.assert_allclose(game.energies[-1], exact, atol=5e-3)
