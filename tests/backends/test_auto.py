"""Engines behind the compiled estimator agree, and the measured table decides between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_cases import random_circuit, random_observable

from qalgs.backends import CompiledEstimator, auto_choice, auto_engines, auto_measure
from qalgs.backends.auto_table import SECONDS


@pytest.mark.parametrize("engine", ["aer", "lightning"])
@pytest.mark.parametrize("sector", [None, np.array([0, 1, 3])])
def test_engines_agree(engine: str, sector: np.ndarray | None, rng: np.random.Generator) -> None:
    for _ in range(2):
        circuit = random_circuit(rng, 2, 12, free=True)
        operator = random_observable(rng, 2)
        values = rng.normal(size=(2, circuit.num_parameters)) * 0.5
        ours, other = (CompiledEstimator(engine=e, sector=sector) for e in ("compiled", engine))
        pub = (circuit, [[operator], ["XY"]], values)
        mine, theirs = (e.run([pub]).result()[0].data.evs for e in (ours, other))
        assert np.abs(mine - theirs).max() < 1e-10
        for a, b in zip(
            ours.gradient(circuit, operator, values), other.gradient(circuit, operator, values), strict=True
        ):
            assert np.abs(a - b).max() < 1e-9


@pytest.mark.parametrize("sector", [None, np.array([0, 1, 3])])
def test_aer_runs_each_point_once_for_all_its_observables(
    sector: np.ndarray | None, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = random_circuit(rng, 2, 12, free=True)
    points = 0.5 * rng.normal(size=(2, circuit.num_parameters))
    paired = (circuit, ["XY", "ZZ", "XY"], points[[0, 1, 1]])
    grid = (circuit, [["XY"], ["ZZ"], ["ZI"]], points)
    seen: list[list[list[int]]] = []
    table = auto_engines.aer_table

    def counted(*args: Any) -> Any:
        seen.append([list(wanted) for wanted in args[3]])
        return table(*args)

    monkeypatch.setattr(auto_engines, "aer_table", counted)
    ours, aer = (
        CompiledEstimator(engine=e, sector=sector).run([paired, grid]).result() for e in ("compiled", "aer")
    )
    for mine, theirs in zip(ours, aer, strict=True):
        np.testing.assert_allclose(mine.data.evs, theirs.data.evs, rtol=0, atol=1e-12)
    assert seen == [[[0], [1], [0]], [[0, 1, 2], [0, 1, 2]]]


def test_choice_follows_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"energy": {4: {"compiled": 1.0, "aer": 2.0}, 10: {"compiled": 3.0, "aer": 2.0}}}
    monkeypatch.setattr(auto_choice, "SECONDS", table)
    choose = auto_choice.fastest.__wrapped__
    assert [choose("energy", n) for n in (2, 4, 9, 10, 25)] == ["compiled"] * 3 + ["aer"] * 2


def test_table_is_complete() -> None:
    assert set(SECONDS) == {"energy", "gradient"}
    for rows in SECONDS.values():
        assert set(rows) == set(auto_measure.SIZES)
        assert all(0 < t < 60 for row in rows.values() for t in row.values())


def test_environment_and_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(auto_choice.VARIABLE, "aer")
    assert auto_choice.check_engine(None) == "aer"
    assert auto_choice.check_engine("compiled") == "compiled"
    monkeypatch.setenv(auto_choice.VARIABLE, "abacus")
    with pytest.raises(ValueError, match=r"QALGS_ENGINE must be one of auto, .*, got 'abacus'"):
        CompiledEstimator()
    with pytest.raises(ValueError, match="engine must be one of"):
        CompiledEstimator(engine="abacus")


def test_measurement_writes_a_module() -> None:
    table = auto_measure.measure((2,), 0.001)
    scope: dict[str, object] = {}
    exec(compile(auto_measure.written(table), "auto_table.py", "exec"), scope)
    assert scope["SECONDS"] == table
    assert set(table["gradient"][2]) == {"compiled", "lightning"}
