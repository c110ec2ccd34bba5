"""Walks: what each kind of move may change, and that steps record exactly what they changed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InfeasibleError, InvalidInputError
from qalgs.nest import InvertedReLU, LayoutCatalogue, Linear, QubitWalk


@pytest.fixture(scope="module")
def catalogue() -> LayoutCatalogue:
    snapshot = DeviceSnapshot.from_backend("fake_brisbane")
    return LayoutCatalogue.for_circuit(efficient_su2(6, entanglement="linear", reps=2), snapshot)


def test_neighbours_match_their_definition(catalogue: LayoutCatalogue, rng: np.random.Generator) -> None:
    near = {frozenset(map(int, e)) for e in catalogue.chip.couplers[catalogue.chip.alive]}
    for i in rng.integers(len(catalogue), size=6):
        here = tuple(catalogue[int(i)])
        expected: dict[str, set[int]] = {"leaf": set(), "snake": set(), "any": set()}
        for j, there in enumerate(catalogue):
            common = len(set(here) & set(there))
            changed = [k for k in range(6) if here[k] != there[k]]
            if j == i:
                for found in expected.values():
                    found.add(j)
            elif common >= 5:
                expected["any"].add(j)
                if changed in ([0], [5]):
                    expected["leaf"].add(j)
                if common == 5 and all(frozenset((here[k], there[k])) in near for k in changed):
                    expected["snake"].add(j)
        for move in ("leaf", "snake", "any"):
            walk = QubitWalk(catalogue, move=move)
            assert set(walk.neighbours(here).tolist()) == expected[move]
        shift_up = {j for j, there in enumerate(catalogue) if tuple(there)[:5] == here[1:]}
        shift_down = {j for j, there in enumerate(catalogue) if tuple(there)[1:] == here[:5]}
        assert expected["snake"] == {int(i)} | shift_up | shift_down


@pytest.mark.parametrize("move", ["leaf", "snake", "any"])
@pytest.mark.parametrize("on_fail", ["jump", "stay"])
def test_steps_record_what_they_changed(
    catalogue: LayoutCatalogue, move: str, on_fail: str, rng: np.random.Generator
) -> None:
    walk = QubitWalk(tolerance=0.05, move=move, on_fail=on_fail)  # type: ignore[arg-type]
    targets = rng.uniform(0.4, 0.83, size=12)
    steps = walk.path(targets, catalogue=catalogue)
    assert [s.cycle for s in steps] == list(range(12))
    jumps = 0
    for before, step, target in zip(steps, steps[1:], targets[1:], strict=False):
        assert step.target == target
        assert step.moved == tuple(sorted(set(step.layout) - set(before.layout)))
        changed = [k for k, (a, b) in enumerate(zip(before.layout, step.layout, strict=True)) if a != b]
        assert step.reassigned == tuple(changed)
        assert step.esp == catalogue.esp[catalogue.index(step.layout)]
        reachable = walk.neighbours(before.layout, catalogue=catalogue)
        closest = np.abs(catalogue.esp[reachable] - target).min()
        if step.jump:
            jumps += 1
            assert closest > 0.05
            assert step.miss == np.abs(catalogue.esp - target).min()
        else:
            assert len(step.moved) <= 1
            assert step.miss == pytest.approx(closest, abs=1e-12)
    assert (jumps == 0) == (on_fail == "stay")


def test_a_flat_target_stays_put(catalogue: LayoutCatalogue) -> None:
    steps = QubitWalk(catalogue).path([catalogue.best().esp] * 4)
    assert [s.kind for s in steps] == ["start", "stay", "stay", "stay"]
    assert len({tuple(s.layout) for s in steps}) == 1


def test_allowed_layouts_only(catalogue: LayoutCatalogue) -> None:
    allowed = np.asarray(~catalogue.member[:, 60:].any(axis=1))
    for step in QubitWalk(catalogue, move="any").path(InvertedReLU(6).targets(catalogue), allowed=allowed):
        assert max(step.layout) < 60
    with pytest.raises(InfeasibleError, match="is free"):
        QubitWalk(catalogue).start(0.5, allowed=np.zeros(len(catalogue), dtype=bool))


def test_error_rule_names_the_target(catalogue: LayoutCatalogue) -> None:
    walk = QubitWalk(catalogue, move="leaf", tolerance=1e-6, on_fail="error")
    with pytest.raises(InfeasibleError, match=r"no leaf move from .* within 1e-06 of ESP 0\.6"):
        walk.path(Linear(4, 0.5, 0.8).targets())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"move": "jump"}, "move must be 'leaf', 'snake' or 'any', got 'jump'"),
        ({"on_fail": "pray"}, "on_fail must be"),
        ({"tolerance": -0.1}, "tolerance must be"),
        ({"tolerance": math.nan}, "tolerance must be"),
    ],
)
def test_bad_options(options: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        QubitWalk(**options)  # type: ignore[arg-type]


def test_needs_a_catalogue_and_a_fitting_layout(catalogue: LayoutCatalogue) -> None:
    with pytest.raises(InvalidInputError, match="given to the walk or to the call"):
        QubitWalk().path([0.5])
    with pytest.raises(InvalidInputError, match="must have 6 qubits"):
        QubitWalk(catalogue).step((0, 1, 2), 0.5)
