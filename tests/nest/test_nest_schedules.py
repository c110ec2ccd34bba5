"""Schedules: C entries for every C, the published numbers, ends from the catalogue, clear refusals."""

from __future__ import annotations

import itertools
import math

import pytest
from qiskit.circuit.library import efficient_su2

from qalgs.backends import DeviceSnapshot
from qalgs.errors import InvalidInputError
from qalgs.nest import (
    Cosine,
    Custom,
    Flat,
    InvertedReLU,
    InvertedV,
    LayoutCatalogue,
    Linear,
    Schedule,
    Step,
    VShape,
    make_schedule,
)

KINDS: list[type[Schedule]] = [InvertedReLU, Linear, Flat, Step, VShape, InvertedV, Cosine]


@pytest.fixture(scope="module")
def catalogue() -> LayoutCatalogue:
    snapshot = DeviceSnapshot.from_backend("fake_brisbane")
    return LayoutCatalogue.for_circuit(efficient_su2(4, entanglement="linear", reps=1), snapshot)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cycles", range(1, 13))
def test_exactly_c_targets_between_the_ends(kind: type[Schedule], cycles: int) -> None:
    targets = kind(cycles, 0.6, 0.9).targets()
    assert len(targets) == cycles
    assert all(0.6 - 1e-12 <= t <= 0.9 + 1e-12 for t in targets)
    assert max(targets) == 0.9
    if cycles >= 3 and kind is not Flat:
        assert min(targets) == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize("cycles", range(1, 20))
def test_inverted_relu_is_the_published_recipe(cycles: int) -> None:
    low, high = 0.7, 0.95
    ramp = cycles // 2
    rise = [low] if ramp == 1 else [low + (high - low) * i / (ramp - 1) for i in range(ramp)]
    expected = rise + [high] * (cycles - ramp)
    targets = InvertedReLU(cycles, low, high).targets()
    assert targets == pytest.approx(expected, abs=1e-15)
    assert targets == sorted(targets)
    assert targets[-1] == high


def test_published_brisbane_targets() -> None:
    assert InvertedReLU(6, 0.70, 0.95).targets() == pytest.approx([0.70, 0.825, 0.95, 0.95, 0.95, 0.95])


def test_shapes() -> None:
    assert Linear(3, 0.2, 0.4).targets() == pytest.approx([0.2, 0.3, 0.4])
    assert Cosine(3, 0.2, 0.4).targets() == pytest.approx([0.2, 0.3, 0.4])
    assert Cosine(5, 0, 1).targets()[1] == pytest.approx((1 - math.cos(math.pi / 4)) / 2)
    assert VShape(5, 0.2, 0.4).targets() == pytest.approx([0.4, 0.3, 0.2, 0.3, 0.4])
    assert VShape(4, 0.2, 0.4).targets() == pytest.approx([0.4, 0.2, 0.2, 0.4])
    assert InvertedV(5, 0.2, 0.4).targets() == pytest.approx([0.2, 0.3, 0.4, 0.3, 0.2])
    assert Step(4, 0.2, 0.4).targets() == [0.2, 0.2, 0.4, 0.4]
    assert Step(4, 0.2, 0.4, switch=1.0).targets() == [0.2, 0.2, 0.2, 0.4]
    assert Flat(3, 0.3).targets() == [0.3] * 3
    assert Flat(3, 0.2, 0.4).targets() == [0.4] * 3
    assert Custom([0.1, 0.5, 0.3]).targets() == [0.1, 0.5, 0.3]
    assert Linear(3, 0.2, 0.4).reversed().targets() == pytest.approx([0.4, 0.3, 0.2])
    assert InvertedReLU(7, 0.5, 0.5).targets() == [0.5] * 7


def test_ends_from_the_catalogue(catalogue: LayoutCatalogue) -> None:
    best = catalogue.best().esp
    schedule = InvertedReLU(6, "0.75*best", "best")
    assert schedule.targets(catalogue)[0] == pytest.approx(0.75 * best)
    assert schedule.targets(catalogue)[-1] == best
    fixed = schedule.resolved(catalogue)
    assert fixed.targets() == schedule.targets(catalogue)
    assert Flat(2).targets(catalogue) == [best, best]
    mixed = Custom(["worst", 0.5, "median", "best"])
    assert mixed.targets(catalogue) == [catalogue.level(v) for v in ("worst", 0.5, "median", "best")]
    assert mixed.resolved(catalogue).targets() == mixed.targets(catalogue)
    axes = schedule.plot(catalogue)
    assert len(axes.lines) >= 3


@pytest.mark.parametrize("kind", KINDS)
def test_by_name_and_round_trip(kind: type[Schedule]) -> None:
    made = kind(5, 0.4, 0.8)
    options = made.to_dict()
    assert make_schedule(str(options.pop("kind")), **options) == made
    assert make_schedule(kind.__name__, cycles=5, esp_min=0.4, esp_max=0.8) == made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 0.1, 0.2), "cycles must be at least 1, got 0"),
        ((6, 0.9, 0.2), r"esp_min must not exceed esp_max = 0\.2, got 0\.9; swap them"),
        ((6, math.nan, 0.2), "esp_min must be a number in"),
        ((6, 0.1, math.nan), "esp_max must be a number in"),
        ((6, 0.1, 1.5), "esp_max must be a number in"),
    ],
)
def test_refusals(kind: type[Schedule], arguments: tuple[int, float, float], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        kind(*arguments)


def test_more_refusals(catalogue: LayoutCatalogue) -> None:
    with pytest.raises(InvalidInputError, match="when no catalogue is given"):
        InvertedReLU(6).targets()
    with pytest.raises(InvalidInputError, match="must not exceed"):
        Linear(6, "best", "worst").targets(catalogue)
    with pytest.raises(InvalidInputError, match="like 'best'"):
        Linear(6, "bset", "best").targets(catalogue)
    with pytest.raises(InvalidInputError, match="non-empty"):
        Custom([])
    with pytest.raises(InvalidInputError, match="schedule must be one of"):
        make_schedule("zigzag")
    with pytest.raises(InvalidInputError, match="does not take these options"):
        make_schedule("linear", slope=3)
    with pytest.raises(TypeError, match="cycles must be an int"):
        Linear(2.5)  # type: ignore[arg-type]


def test_every_kind_has_its_own_name() -> None:
    kinds: list[type[Schedule]] = [*KINDS, Custom]
    names = [kind.name for kind in kinds]
    assert all(a != b for a, b in itertools.combinations(names, 2))
