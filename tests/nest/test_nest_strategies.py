from __future__ import annotations

import numpy as np
import pytest
from campaign_cases import chain, snapshot

from qalgs.errors import InvalidInputError
from qalgs.nest import (
    Custom,
    ExploreRefine,
    Flat,
    InvertedReLU,
    LayoutCatalogue,
    Nest,
    NestJump,
    Qoncord,
    Restarts,
    Reversed,
    SingleRun,
    Strategy,
    make_strategy,
)
from qalgs.nest.campaign_maps import Tenant, requests_of, settle
from qalgs.nest.chip import Chip
from qalgs.nest.strategies import STRATEGIES, BestFixed, MapSchedule, RandomMaps, Scheduled, combinations
from qalgs.nest.training import CycleOutcome, Situation
from qalgs.nest.walk import QubitWalk, WalkStep
from qalgs.optimizers import COBYLA


def tenants(*maps: MapSchedule, cycles: int = 6) -> list[Tenant]:
    jobs = [chain(f"job-{i}", n=2 + i % 2) for i in range(len(maps))]
    return [
        Tenant(name=j.name, circuit=j.circuit, observable=j.observable, maps=m, schedule=Flat(cycles))
        for j, m in zip(jobs, maps, strict=True)
    ]


def settled(*maps: MapSchedule, cycles: int = 6, buffer: int = 1, seed: int = 0) -> list[list[WalkStep]]:
    made = tenants(*maps, cycles=cycles)
    return settle(made, requests_of(made, snapshot(), seed), Chip.of(snapshot()), buffer, seed)


SCHEDULE = InvertedReLU(cycles=6)
KINDS = [
    Scheduled(schedule=SCHEDULE, walk_by=QubitWalk()),
    Scheduled(schedule=SCHEDULE),
    Scheduled(schedule=SCHEDULE, reverse=True),
    BestFixed(),
    RandomMaps(),
]


@pytest.mark.parametrize("buffer", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_no_cycle_ever_breaks_the_buffer_whatever_the_mixture(seed: int, buffer: int) -> None:
    rng = np.random.default_rng(seed)
    mixture = [KINDS[i] for i in rng.integers(len(KINDS), size=3)]
    steps = settled(*mixture, buffer=buffer, seed=seed)
    chip = Chip.of(snapshot())
    for cycle in range(6):
        layouts = [list(s[cycle].layout) for s in steps]
        for i, a in enumerate(layouts):
            for b in layouts[:i]:
                assert chip.distance[np.ix_(a, b)].min() > buffer


def test_map_schedules_ask_for_what_their_name_says() -> None:
    catalogue = LayoutCatalogue.for_circuit(chain(n=2).circuit, snapshot())
    best = catalogue.level("best")
    rising = Nest(SCHEDULE).maps.targets(catalogue, 6)
    assert len(rising) == 6
    assert rising == sorted(rising)
    assert rising[0] == pytest.approx(0.85 * best)
    assert rising[-1] == best
    assert Reversed(SCHEDULE).maps.targets(catalogue, 6) == rising[::-1]
    assert Qoncord(cycles=4, starts=3).maps.targets(catalogue, 4) == pytest.approx([0.75 * best] * 3 + [best])
    (fixed,) = settled(BestFixed())
    assert {tuple(s.layout) for s in fixed} == {tuple(catalogue.best())}
    (drawn,) = settled(RandomMaps(), seed=1)
    assert len({tuple(s.layout) for s in drawn}) > 2
    again, other = settled(RandomMaps(), seed=1)[0], settled(RandomMaps(), seed=2)[0]
    assert [tuple(s.layout) for s in drawn] == [tuple(s.layout) for s in again]
    assert [tuple(s.layout) for s in drawn] != [tuple(s.layout) for s in other]


def test_a_jumping_job_takes_the_layout_nearest_to_its_target() -> None:
    catalogue = LayoutCatalogue.for_circuit(chain(n=2).circuit, snapshot())
    (steps,) = settled(NestJump(SCHEDULE).maps)
    for step in steps:
        assert abs(step.esp - step.target) == pytest.approx(np.abs(catalogue.esp - step.target).min(), abs=1e-12)


def test_both_axes_combine_freely() -> None:
    grid = combinations([KINDS[0], BestFixed()], [Restarts(), SingleRun()])
    assert [s.name for s in grid] == ["scheduled+restarts", "scheduled+single", "best+restarts", "best+single"]
    specs = [str(s.describe(COBYLA(rhobeg=(1.0, 0.1)), 6)) for s in grid]
    assert len(set(specs)) == 4
    by_name = {name: make_strategy(name) for name in STRATEGIES}
    assert by_name["Nest"].training == by_name["BestMapRestarts"].training == by_name["Reversed"].training
    assert by_name["BestMap"].maps == by_name["BestMapRestarts"].maps
    assert by_name["BestMap"].training != by_name["BestMapRestarts"].training


def situation(cycle: int, past: list[CycleOutcome]) -> Situation:
    return Situation(
        job="j",
        seed=3,
        cycle=cycle,
        cycles=6,
        evaluations=5,
        start=np.zeros(2),
        optimizer=COBYLA(rhobeg=(1.0, 0.5)),
        past=past,
        run=None,
    )


def outcome(value: float) -> CycleOutcome:
    return CycleOutcome(best_point=np.full(2, value), best_value=value, values=(value,))


def test_exploration_tries_new_starts_and_refines_the_survivors_in_turn() -> None:
    training = ExploreRefine(starts=3, keep=0.5)
    starts = [training.open(situation(c, [])) for c in range(3)]
    assert np.array_equal(starts[0].x0, np.zeros(2))
    assert not np.array_equal(starts[1].x0, starts[2].x0)
    assert starts[0].optimizer == COBYLA(rhobeg=1.0, tol=0.1)
    past = [outcome(-1.0), outcome(5.0), outcome(-1.2)]
    picked = []
    for cycle in range(3, 6):
        run = training.open(situation(cycle, past))
        assert run.optimizer == COBYLA(rhobeg=0.1)
        picked.append(float(run.x0[0]))
        past.append(outcome(picked[-1] - 0.1))
        run.close()
    # Starts 2 and 0 survive; each continues from its own lowest point.
    assert picked == pytest.approx([-1.2, -1.0, -1.3])
    for run in starts:
        run.close()


def test_warm_starts_skip_cycles_that_measured_nothing() -> None:
    empty = CycleOutcome(best_point=None, best_value=np.inf, values=())
    run = Restarts().open(situation(2, [outcome(-3.0), empty]))
    assert run.x0.tolist() == [-3.0, -3.0]
    assert run.optimizer == COBYLA(rhobeg=0.8)
    run.close()


@pytest.mark.parametrize(
    ("name", "expected"), [("nest", "Nest"), ("best-map-restarts", "BestMapRestarts"), ("RANDOM_MAP", "RandomMap")]
)
def test_names_are_forgiving(name: str, expected: str) -> None:
    made = make_strategy(name)
    assert made.name == expected
    assert isinstance(made, Strategy)
    assert make_strategy(made) is made


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: make_strategy("nast"), "strategy must be one of Nest"),
        (lambda: make_strategy("BestMap", walk=1), "does not take these options"),
        (lambda: Nest(Custom([0.5, 0.6]), cycles=3), "must equal the 2 targets"),
        (lambda: Qoncord(cycles=2, starts=3), "starts must be between 1 and the 2 cycles"),
        (lambda: ExploreRefine(starts=1, keep=-1.0), "keep must be finite"),
        (lambda: make_strategy("BestMap", cycles=0), "cycles must be at least 1"),
    ],
)
def test_bad_strategies_are_refused(make: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        make()  # type: ignore[operator]


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match="schedule must be a Schedule"):
        Nest("inverted_relu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="walk must be a QubitWalk"):
        Nest(SCHEDULE, "any")  # type: ignore[arg-type]
