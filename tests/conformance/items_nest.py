"""Items of campaigns: strategies, schedules, crosstalk, executors, planners, studies, job kinds."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import networkx as nx
from items_ground import NAN, QASM, SEED, manila
from registry import Item, items_of

from qalgs import nest
from qalgs.backends import CompiledEstimator, DeviceSnapshot
from qalgs.circuits import hardware_efficient, max_cut, qaoa, tfim
from qalgs.cli.jobsfile import parse_jobs
from qalgs.nest import BestMap, Campaign, Job, LayoutCatalogue


@cache
def guadalupe() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_guadalupe")


@cache
def jobs() -> tuple[Job, ...]:
    cost = max_cut(nx.path_graph(3))
    return Job("chain", hardware_efficient(2, 1), tfim(2)), Job("cut", qaoa(cost, 1), cost)


@cache
def catalogue() -> LayoutCatalogue:
    return LayoutCatalogue.for_circuit(jobs()[0].circuit, manila())


def campaign(**options: Any) -> Campaign:
    settings = {
        "jobs": jobs(),
        "snapshot": guadalupe(),
        "evaluations": 3,
        "shots": 32,
        "strategy": BestMap(cycles=2),
    }
    return Campaign(**{**settings, **options})


def trained(strategy: Any, seed: int | None) -> object:
    return campaign(strategy=strategy, seed=seed).run().to_dict()


def strategy(name: str, *refused: Any, **options: Any) -> Item:
    given = options.pop("given", lambda: {"cycles": 2})
    return Item(
        kind="strategy",
        name=name,
        make=getattr(nest, name),
        given=given,
        run=trained,
        random=True,
        refused=[*refused],
        **options,
    )


CYCLES = ({"cycles": 0}, "cycles must be .*0")
STRATEGIES = [
    strategy("Nest", CYCLES, ({"schedule": "steep"}, "schedule must be "), ({"walk": "far"}, "walk must be ")),
    strategy("NestJump", CYCLES, ({"schedule": 3}, "schedule must be ")),
    strategy("Reversed", CYCLES, ({"walk": 3}, "walk must be ")),
    strategy("BestMap", CYCLES),
    strategy("BestMapRestarts", CYCLES),
    strategy("RandomMap", CYCLES),
    strategy(
        "Qoncord",
        ({"starts": 9}, "starts must be .*9"),
        ({"esp_low": NAN}, "esp_low must be .*nan"),
        ({"esp_low": "nonsense"}, "esp_low must be .*nonsense"),
        CYCLES,
    ),
    Item(
        kind="strategy",
        name="make_strategy",
        make=nest.make_strategy,
        given=lambda: {"name": "best-map", "cycles": 2},
        run=trained,
        random=True,
        refused=[({"name": "Hope"}, "strategy must be .*Hope"), ({"wings": 2}, "wings")],
        accepted=frozenset({"name"}),
    ),
]


def rising(schedule: Any, seed: int | None) -> object:
    targets = schedule.targets(catalogue())
    assert len(targets) == schedule.cycles
    assert nest.make_schedule(**schedule.to_dict()) == schedule
    return targets, schedule.reversed(catalogue()).targets()


schedule = items_of("schedule", nest, run=rising, plain=True)
SCHEDULES = [
    *(
        schedule(
            name,
            given=lambda: {"cycles": 3},
            refused=[
                CYCLES,
                ({"esp_max": 1.5}, "esp_max must be .*1.5"),
                ({"esp_max": NAN}, "esp_max must be .*nan"),
            ],
        )
        for name in ("InvertedReLU", "Linear", "Flat", "Step", "VShape", "InvertedV", "Cosine")
    ),
    schedule(
        "Custom",
        given=lambda: {"levels": [0.5, "best"]},
        refused=[({"levels": []}, "levels must "), ({"levels": [1.5]}, "levels.* must .*1.5")],
    ),
    schedule(
        "make_schedule",
        given=lambda: {"kind": "v-shape", "cycles": 3},
        refused=[({"kind": "saw"}, "schedule must be .*saw"), ({"teeth": 2}, "teeth")],
        accepted=frozenset({"kind"}),
    ),
]


def opened(training: Any, seed: int | None) -> object:
    strategy = nest.Strategy(name="tested", maps=BestMap().maps, training=training, cycles=2)
    return trained(strategy, seed)


training = items_of("training", nest, run=opened, random=True, plain=True)
TRAININGS = [
    training("Restarts"),
    training("SingleRun"),
    training(
        "ExploreRefine",
        given=lambda: {"starts": 1},
        refused=[({"starts": 0}, "starts must be .*0"), ({"keep": NAN}, "keep must be .*nan")],
    ),
]

crosstalk = items_of("crosstalk", nest, plain=True)
CROSSTALKS = [
    crosstalk("NoCrosstalk", run=lambda m, s: m.describe()),
    crosstalk(
        "ErrorInflation",
        run=lambda m, s: sorted(m.inflation(manila(), [0, 1], [[2, 3]]).items()),
        refused=[({"factor": 0.5}, "factor must be .*0.5"), ({"hops": -1}, "hops must be .*-1")],
    ),
    crosstalk(
        "CoherentZZ",
        run=lambda m, s: m.coupled(manila(), {"a": [0, 1], "b": [2, 3]}),
        refused=[({"rate": NAN}, "rate must be .*nan")],
    ),
    crosstalk(
        "make_crosstalk",
        given=lambda: {"model": "inflation:2:1"},
        run=lambda m, s: m.describe(),
        refused=[({"model": "gossip"}, "crosstalk must be .*gossip")],
        accepted=frozenset({"model"}),
    ),
]


def evaluated(executor: Any, seed: int | None) -> object:
    with executor_closed(executor):
        options = {} if hasattr(executor, "snapshot") or hasattr(executor, "estimator") else {"snapshot": None}
        return campaign(executor=executor, seed=seed, **options).run().to_dict()


class executor_closed:  # noqa: N801
    """Closes an executor that was made for one run."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.executor.close()


def executor(name: str, given: Any, *refused: Any, **options: Any) -> Item:
    return Item(
        kind="executor",
        name=name,
        make=getattr(nest, name),
        given=given,
        run=evaluated,
        random=True,
        refused=[*refused],
        copies=False,
        accepted=frozenset({"n_jobs"}),
        **options,
    )


EXECUTORS = [
    executor(
        "LocalExecutor",
        lambda: {"snapshot": guadalupe()},
        ({"engine": "abacus"}, "engine must be .*abacus"),
        workers="n_jobs",
    ),
    executor(
        "JointExecutor",
        lambda: {"snapshot": guadalupe(), "coupling": nest.CoherentZZ()},
        ({"engine": "abacus"}, "engine must be .*abacus"),
        workers="n_jobs",
    ),
    executor(
        "MergedExecutor",
        lambda: {"backend": "fake_guadalupe"},
        ({"backend": "fake_nowhere"}, "fake_nowhere"),
        ({"mode": "lease"}, "mode must be .*lease"),
        ({"buffer": -1}, "buffer must .*-1"),
    ),
    executor(
        "EstimatorExecutor",
        lambda: {"estimator": CompiledEstimator(seed=3)},
        ({"estimator": 3}, "estimator must "),
    ),
]


def summary(plan: Any, seed: int | None) -> object:
    return plan.to_dict()


planner = items_of("planner", nest)
PLANNERS = [
    *(
        planner(
            f"plan[{name}]",
            given=lambda name=name: {
                "jobs": jobs(),
                "snapshot": manila(),
                "schedule": nest.Linear(2),
                "planner": name,
                "time_limit": 2.0,
            },
            run=summary,
            seeded=True,
            refused=[
                ({"planner": "hope"}, "planner must be .*hope"),
                ({"buffer": -1}, "buffer must be .*-1"),
                ({"fidelity": 1.5}, "fidelity must be .*1.5"),
                ({"jobs": []}, "jobs must "),
                ({"objective": "beauty"}, "objective must be .*beauty"),
            ],
        )
        for name in ("greedy", "cpsat", "stagger")
    ),
    *(
        planner(
            f"pack[{name}]",
            given=lambda name=name: {
                "jobs": jobs(),
                "snapshot": guadalupe(),
                "schedule": nest.Linear(2),
                "objective": name,
            },
            run=summary,
            seeded=True,
            refused=[
                ({"objective": "beauty"}, "objective must be .*beauty"),
                ({"buffer": -1}, "buffer must be .*-1"),
                ({"jobs": []}, "jobs must "),
            ],
        )
        for name in ("targets", "max_min_esp")
    ),
    planner(
        "FewestSeconds",
        plain=True,
        refused=[({"fidelity": 0.0}, "fidelity must be .*0"), ({"fidelity": NAN}, "fidelity must be .*nan")],
    ),
    planner(
        "MaxMinEsp",
        given=lambda: {"slots": 3},
        plain=True,
        refused=[({"slots": 0}, "slots must be .*0"), ({"slots": None}, "slots")],
    ),
]


def study(seed: int | None = 0, **options: Any) -> Any:
    groups = options.pop("groups", [jobs()[:1]])
    grid = nest.Study.grid(
        devices=[manila()],
        groups=groups,
        strategies=[BestMap(cycles=1), nest.BestMapRestarts(cycles=1)],
        seeds=[seed or 0],
        shots=16,
        evaluations=2,
    )
    return grid.run(**options)


BUFFER = ({"buffer": -1}, "buffer must .*-1")
DRIVERS = [
    Item(
        kind="driver",
        name="Campaign",
        make=campaign,
        run=lambda c, s: c.run().to_dict(),
        seeded=True,
        random=True,
        workers="n_jobs",
        copies=False,
        refused=[
            ({"jobs": []}, "jobs must "),
            ({"shots": -1}, "shots must be .*-1"),
            ({"buffer": -1}, "buffer must be .*-1"),
            ({"evaluations": 0}, "evaluations must be .*0"),
            ({"strategy": "Hope"}, "strategy must be .*Hope"),
            ({"snapshot": None}, "snapshot"),
            ({"crosstalk": "gossip"}, "crosstalk must be .*gossip"),
            *SEED,
        ],
    ),
    Item(
        kind="driver",
        name="Study",
        make=study,
        seeded=True,
        random=True,
        workers="parallel",
        run=lambda result, seed: (result.table(), result.pooled()),
        refused=[({"groups": []}, "cells must hold"), ({"groups": [[]]}, "jobs must ")],
    ),
    Item(
        kind="driver",
        name="frontier",
        make=nest.frontier,
        given=lambda: {"jobs": jobs(), "snapshot": manila(), "fractions": (0.9, 1.0), "schedule": nest.Linear(2)},
        run=summary,
        workers="parallel",
        refused=[({"fractions": ()}, "fractions must "), ({"fractions": (1.5,)}, "must .*1.5"), BUFFER],
    ),
    Item(
        kind="driver",
        name="sweep",
        make=nest.sweep,
        given=lambda: {"devices": ["fake_manila", "fake_quito"], "qubits": 2, "jobs": 2, "cycles": 2},
        workers="parallel",
        refused=[({"qubits": 0}, "qubits must .*0"), ({"jobs": 0}, "jobs must .*0"), BUFFER],
    ),
]

HEAD = '[device]\nname = "fake_guadalupe"\n[campaign]\nseed = {seed}\nstrategy = "BestMap"\ncycles = 1\n'
JOB = "evals_per_cycle = 3\nshots = 16\n[[job]]\n"


def batch(seed: int = 0, **keys: Any) -> Any:
    """Read a jobs file with one job whose keys are written as TOML."""
    entries = {key: value for key, value in keys.items() if value is not None}
    text = HEAD.format(seed=seed) + JOB + "\n".join(f"{key} = {value}" for key, value in entries.items())
    return parse_jobs(text, Path("jobs.toml"), program().parent).jobs()[0]


@cache
def program() -> Path:
    path = Path(tempfile.mkdtemp()) / "own.qasm"
    path.write_text(QASM, encoding="utf-8")
    return path


def kind(name: str, keys: dict[str, str], *refused: Any) -> Item:
    return Item(
        kind="job",
        name=name,
        make=batch,
        given=lambda: {"id": '"it"', "kind": f'"{name}"', **keys},
        run=lambda job, seed: (
            Campaign(job, guadalupe(), strategy=BestMap(cycles=1), evaluations=3, shots=16, seed=seed)
            .run()
            .to_dict()
        ),
        random=True,
        refused=[
            *refused,
            ({"flavour": "1"}, "flavour"),
            ({"shots": "-1"}, "shots.*-1"),
            ({"evals_per_cycle": "0"}, "evals_per_cycle.*0"),
            ({"strategy": '"Hope"'}, "strategy must be .*Hope"),
            ({"optimizer": '"luck"'}, "luck"),
            ({"kind": '"magic"'}, "magic"),
        ],
    )


CHAIN = '{ model = "tfim", n = 2 }'
KINDS = [
    kind(
        "vqe",
        {"hamiltonian": CHAIN, "reps": "1"},
        ({"hamiltonian": None}, "molecule and hamiltonian"),
        ({"hamiltonian": '{ model = "tfim", n = 1 }'}, "n.*1"),
        ({"ansatz": '"cloud"'}, "ansatz.*cloud"),
        ({"reps": "0"}, "reps.*0"),
        ({"molecule": '"Kryptonite"', "hamiltonian": None}, "Kryptonite"),
    ),
    kind(
        "maxcut", {"graph": '"ring:3"'}, ({"graph": '"blob:3"'}, "graph must .*blob"), ({"graph": "[]"}, "graph")
    ),
    kind(
        "max3cut",
        {"graph": '"path:2"'},
        ({"encoding": '"ternary"'}, "encoding.*ternary"),
        ({"graph": "[[0, 0]]"}, "graph must "),
    ),
    kind(
        "eigengame",
        {"hamiltonian": CHAIN, "player": "1"},
        ({"player": "-1"}, "player.*-1"),
        ({"method": '"guess"'}, "method.*guess"),
        ({"hamiltonian": None}, "molecule and hamiltonian"),
    ),
    kind(
        "linear_system",
        {"system": '"poisson:2"'},
        ({"system": '"poisson:x"'}, "system must .*poisson:x"),
        ({"system": '"absent.npz"'}, "absent.npz"),
        ({"system": '"poisson:128"'}, "system must .*128"),
    ),
    kind(
        "qasm3",
        {"file": '"own.qasm"', "hamiltonian": CHAIN},
        ({"file": '"absent.qasm"'}, "absent.qasm"),
        ({"hamiltonian": "{ ZX? = 1.0 }"}, "ZX|TOML"),
    ),
]

ITEMS = [
    *STRATEGIES,
    *SCHEDULES,
    *TRAININGS,
    *CROSSTALKS,
    *EXECUTORS,
    *PLANNERS,
    *DRIVERS,
    *KINDS,
]
