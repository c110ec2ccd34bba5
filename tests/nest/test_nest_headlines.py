"""Pooled tables and headlines of a study, on hand-made outcomes whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qalgs.nest.headlines import PUBLISHED, at_seconds, headlines, markdown, pooled
from qalgs.nest.study_result import CellOutcome, StudyResult

CONTROL = "BestMapRestarts"


def outcome(
    device: str, strategy: str, seed: int, energy: float, converged: int | None, **more: Any
) -> CellOutcome:
    job = {
        "job": "H2",
        "strategy": strategy,
        "reference": energy,
        "spectral_width": 2.0,
        "evaluations": 400,
        "converged_after": converged,
        "seconds": 800.0,
        "converged_seconds": None if converged is None else 2.0 * converged,
        "progress_seconds": [2.0, 100.0, 800.0],
        "progress_evaluations": [1, 50, 400],
        "progress_energies": [energy + 1.0, energy + 0.5, energy],
        **more,
    }
    return CellOutcome(payload={"device": device, "strategy": strategy, "seed": seed, "jobs": [job]})


def grid(**energies: float) -> list[CellOutcome]:
    return [
        outcome(device, strategy, seed, energy + 0.1 * (device == "b") + 0.01 * seed, 100 + 10 * seed)
        for device in "ab"
        for strategy, energy in energies.items()
        for seed in range(4)
    ]


def test_pooled_means_are_means_over_devices_and_seeds() -> None:
    lines = {p.strategy: p for p in pooled(grid(Nest=-1.1, BestMapRestarts=-1.0), control=CONTROL)}
    assert lines["Nest"].devices == 2
    assert lines["Nest"].seeds == 4
    assert lines["Nest"].reference.best == pytest.approx(-1.1 + 0.05 + 0.015)
    # The same shift for every seed and device: the paired difference has no spread.
    difference = lines["Nest"].minus_control
    assert difference is not None
    assert (difference.low, difference.best, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert lines[CONTROL].minus_control is None
    assert lines[CONTROL].minus_control_seconds is None


def test_equal_seconds_cuts_every_run_at_the_shortest_of_its_device() -> None:
    cells = [
        outcome("a", "Nest", 0, -1.0, 100),
        outcome("a", CONTROL, 0, -1.0, 100, seconds=150.0, progress_seconds=[1.0, 2.0, 150.0]),
        outcome("b", "Nest", 0, -1.0, 100),
        outcome("b", CONTROL, 0, -1.0, 100),
    ]
    (line,) = [p for p in pooled(cells, control=CONTROL) if p.strategy == "Nest"]
    # On a, Nest stops after 150 s at -0.5, the control at its end, -1; on b both run to the end.
    assert line.minus_control is not None
    assert line.minus_control_seconds is not None
    assert line.minus_control.best == pytest.approx(0.0)
    assert line.minus_control_seconds.best == pytest.approx(0.25)


def test_seeds_that_a_device_lacks_are_left_out() -> None:
    cells = [c for c in grid(Nest=-1.1, BestMapRestarts=-1.0) if not (c.device == "b" and c.seed == 3)]
    assert {p.seeds for p in pooled(cells, control=CONTROL)} == {3}


def test_headlines_are_ratios_of_summed_means() -> None:
    cells = [
        *(outcome("a", "Nest", s, -1.2, c) for s, c in enumerate([100, 120])),
        *(outcome("b", "Nest", s, -1.2, c) for s, c in enumerate([50, None])),
        *(outcome(d, "BestMap", s, -1.0, 200) for d in "ab" for s in range(2)),
    ]
    found = {(h.rival, h.quantity): h for h in headlines(cells, control=CONTROL)}
    assert set(found) == {("BestMap", q) for q in ("iterations", "cost", "threshold", "energy")}
    fewer = found[("BestMap", "iterations")]
    assert fewer.ours.best == pytest.approx(1 - (110 + 225) / 400)  # the censored run counts its 400 evaluations
    assert (fewer.censored, fewer.runs) == (1, 8)
    assert found[("BestMap", "cost")].ours.best == pytest.approx(800 / (220 + 450))
    assert found[("BestMap", "energy")].ours.best == pytest.approx(-0.1)
    assert fewer.found.startswith("16.2 % fewer [-30.0")
    # Nest's record at -1.2 + 0.5 misses the threshold -1.0, the last one passes it: 400 evaluations, as BestMap.
    assert found[("BestMap", "threshold")].ours.best == pytest.approx(0.0)
    assert found[("BestMap", "threshold")].censored == 0
    assert fewer.published == "12.7 % fewer"
    # Resampling two seeds gives (0, 0), (0, 1) or (1, 1): the interval is made of those ratios.
    assert fewer.ours.low == pytest.approx(1 - 520 / 400)
    assert fewer.ours.high == pytest.approx(1 - 150 / 400)


def test_the_control_gets_the_same_lines_without_a_published_figure() -> None:
    found = headlines(grid(Nest=-1.1, BestMapRestarts=-1.0, BestMap=-0.9), control=CONTROL)
    assert [h.published for h in found if h.rival == CONTROL] == ["", "", "", ""]
    assert {h.rival for h in found} == {CONTROL, "BestMap"}
    assert all(np.isclose(h.ours.best, 0) for h in found if h.quantity == "iterations")


def test_threshold_counts_evaluations_and_says_who_never_got_there() -> None:
    cells = [
        outcome("a", "Nest", 0, -1.6, 100),  # -1.1 after 50 evaluations: below the threshold
        outcome("a", "Nest", 1, -0.5, 100),  # never
        outcome("a", "BestMap", 0, -1.0, 100),
        outcome("a", "BestMap", 1, -1.0, 100),
    ]
    (found,) = [h for h in headlines(cells, control=CONTROL) if h.quantity == "threshold"]
    assert found.ours.best == pytest.approx(1 - (50 + 400) / 800)
    assert (found.censored, found.runs) == (1, 4)


def test_more_is_said_as_more() -> None:
    cells = [outcome("a", "Nest", 0, -1.0, 300), outcome("a", "BestMap", 0, -1.0, 100)]
    (found,) = [h for h in headlines(cells, control=CONTROL) if h.quantity == "iterations"]
    assert found.found == "200.0 % more [+200.0, +200.0]"


def test_no_headline_without_nest() -> None:
    assert headlines(grid(BestMapRestarts=-1.0, BestMap=-0.9), control=CONTROL) == []
    assert {rival for rival, _, _ in PUBLISHED} == {"BestMap", "Qoncord"}


def test_result_and_markdown() -> None:
    result = StudyResult(
        outcomes=tuple(grid(Nest=-1.1, BestMapRestarts=-1.0)), control=CONTROL, baseline="BestMap"
    )
    text = markdown(result.pooled(), result.headlines(), control=CONTROL)
    rows = [line for line in text.splitlines() if line.startswith("| H2 ")]
    assert len(rows) == 2
    assert "-0.1000 [-0.1000, -0.1000]" in rows[0]
    assert "(control)" in rows[1]
    assert "(none)" in text
    assert "0.0 % fewer" in text


@pytest.mark.parametrize(("seconds", "energy"), [(1.0, 0.0), (2.0, 0.0), (99.0, 0.0), (100.0, -0.5), (1e9, -1.0)])
def test_at_seconds(seconds: float, energy: float) -> None:
    run = outcome("a", "Nest", 0, -1.0, 100).jobs[0]
    assert at_seconds(run, seconds) == pytest.approx(energy)
