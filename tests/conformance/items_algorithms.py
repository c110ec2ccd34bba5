"""Items of the algorithms: solvers, levels, cuts, strategies, schedules, executors, job kinds."""

from __future__ import annotations

import functools
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, get_args

import networkx as nx
import numpy as np
from items_ground import NAN, QASM, manila
from registry import Item

from qalgs import eigengame, max3cut, nest, qlsp
from qalgs.backends import CompiledEstimator, DeviceSnapshot
from qalgs.circuits import hardware_efficient, max_cut, qaoa, tfim
from qalgs.cli.jobsfile import parse_jobs
from qalgs.eigengame import ExcitedStates
from qalgs.max3cut.report import MethodName
from qalgs.nest import BestMap, Campaign, Job, LayoutCatalogue
from qalgs.qlsp import LinearSystem, QSVTInversion

SEED = [({"seed": -1}, "seed must be non-negative.*-1")]


@cache
def system() -> LinearSystem:
    return LinearSystem(np.array([[1.0, 0.25], [0.25, 0.7]]), np.array([1.0, -0.4]))


def solved(solver: Any, seed: int | None) -> object:
    """The solution and the cost estimate."""
    result = solver.solve(system(), seed=seed)
    return result, solver.estimate(system())


def solver(name: str, refused: Any, **options: Any) -> Item:
    given = options.pop("given", dict)
    return Item(
        kind="solver", name=name, make=getattr(qlsp, name.partition("[")[0]), given=given, run=solved,
        refused=refused, **options,
    )  # fmt: skip


def inner() -> Any:
    return QSVTInversion(epsilon=0.05)


EPSILON = [({"epsilon": 0.0}, "epsilon must .*0"), ({"epsilon": NAN}, "epsilon must .*nan")]
INNER = [({"inner": "QSVT"}, "inner must be .*QSVT"), ({"inner": None}, "inner must be .*None")]
SOLVERS = [
    solver("QSVTInversion", [*EPSILON, ({"degree": 2}, "degree must be odd.*2"), ({"gap": 0.0}, "gap must be .*0")]),
    solver("ChebyshevLCU", [*EPSILON, ({"terms": 0}, "terms must be .*0")], given=lambda: {"epsilon": 0.1}),
    solver(
        "HHL", [*EPSILON, ({"clock": 0}, "clock must be .*0"), ({"clock": 99}, "clock must be .*99")],
        given=lambda: {"epsilon": 0.2},
    ),
    solver(
        "DiscreteAdiabatic",
        [
            *EPSILON,
            ({"steps": 3}, "steps must be .*even.*3"),
            ({"filter_epsilon": 2.0}, "filter_epsilon must be .*2"),
        ],
        given=lambda: {"epsilon": 0.1},
    ),
    solver(
        "KernelReflection",
        [*EPSILON, ({"norm": -1.0}, "norm must be .*-1"), ({"projections": 0}, "projections must be .*0")],
        given=lambda: {"epsilon": 0.1},
    ),
    solver(
        "VQLS",
        [
            *EPSILON,
            ({"layers": 0}, "layers must be .*0"),
            ({"restarts": 0}, "restarts must be .*0"),
            ({"budget": 0}, "budget must be .*0"),
            ({"seed": -1}, "seed must be .*-1"),
        ],
        given=lambda: {"epsilon": 0.1, "layers": 2, "restarts": 1, "budget": 40},
    ),
    solver(
        "ProximalPoint",
        [
            *INNER,
            ({"eta": -1.0}, "eta must be .*-1"),
            ({"form": "oblique"}, "form must be .*oblique"),
            ({"shift": "up"}, "shift must be .*up"),
            ({"plan": "none"}, "plan must be .*none"),
            ({"access": "open"}, "access must be .*open"),
            ({"steps": 0}, "steps must be .*0"),
            ({"max_degree": 0}, "max_degree must be .*0"),
        ],
        given=lambda: {"inner": inner(), "eta": 2.0},
    ),
    solver(
        "ProximalPoint[residual]", INNER, given=lambda: {"inner": inner(), "form": "residual"},
    ),
    solver(
        "ResidualCorrection",
        [
            *INNER,
            ({"steps": 0}, "steps must be .*0"),
            ({"epsilon_inner": 2.0}, "epsilon_inner must be .*2"),
            ({"plan": "none"}, "plan must be .*none"),
        ],
        given=lambda: {"inner": inner()},
    ),
    solver(
        "ClassicalPreconditioner", [*INNER, ({"kind": "magic"}, "kind must be .*magic")],
        given=lambda: {"inner": inner()},
    ),
]  # fmt: skip


def started(start: Any, seed: int | None) -> object:
    return start.start(system())


STARTS = [
    Item(
        kind="start", name="GradientDescent", make=qlsp.GradientDescent, given=lambda: {"steps": 3}, run=started,
        plain=True, refused=[({"steps": -1}, "steps must .*-1"), ({"step": 2.0}, "step must .*2")],
    ),
    Item(
        kind="start", name="ConjugateGradient", make=qlsp.ConjugateGradient, given=lambda: {"steps": 1},
        run=started, plain=True, refused=[({"steps": -1}, "steps must .*-1")],
    ),
]  # fmt: skip

GRAPH_SIZES = [({"n": 1}, "n must be .*1")]
GENERATORS = [
    Item(
        kind="generator", name="poisson", make=qlsp.poisson, given=lambda: {"shape": 4, "b": "random"}, seeded=True,
        random=True, refused=[({"shape": 0}, "shape must .*0"), ({"b": "loud"}, "b must .*loud"), *SEED],
    ),
    Item(
        kind="generator", name="random_system", make=qlsp.random_system, given=lambda: {"size": 4, "kappa": 5.0},
        seeded=True, random=True,
        refused=[
            ({"size": 0}, "size must .*0"),
            ({"kappa": 0.5}, "kappa must .*0.5"),
            ({"spectrum": "rainbow"}, "spectrum must .*rainbow"),
            ({"kind": "rude"}, "kind must .*rude"),
            *SEED,
        ],
    ),
    Item(
        kind="generator", name="graph_laplacian", make=qlsp.graph_laplacian, given=lambda: {"graph": nx.path_graph(4)},
        refused=[({"ground": 0.0}, "ground must .*0"), ({"b": [1.0]}, "b must ")],
    ),
    Item(
        kind="generator", name="ridge_regression", make=qlsp.ridge_regression,
        refused=[({"ridge": 0.0}, "ridge must .*0"), ({"ridge": NAN}, "ridge must .*nan")],
    ),
    Item(
        kind="generator", name="gnm", make=max3cut.gnm, given=lambda: {"n": 6, "m": 8}, seeded=True, random=True,
        refused=[({"n": 0}, "n must .*0"), ({"m": 99}, "m must .*99"), *SEED],
    ),
    Item(
        kind="generator", name="planted", make=max3cut.planted, given=lambda: {"n": 6, "m": 8}, seeded=True,
        random=True, refused=[({"n": 0}, "n must .*0"), ({"m": 99}, "m must .*99"), *SEED],
    ),
    Item(
        kind="generator", name="regular", make=max3cut.regular, given=lambda: {"degree": 3, "n": 6}, seeded=True,
        random=True, refused=[({"degree": 9}, "degree must .*9"), ({"n": 5}, "degree . n even"), *SEED],
    ),
    Item(
        kind="generator", name="sbm", make=max3cut.sbm,
        given=lambda: {"sizes": [4, 4], "inside": 0.2, "outside": 0.9}, seeded=True, random=True,
        refused=[({"sizes": []}, "sizes must "), ({"inside": 1.5}, "inside must .*1.5"), *SEED],
    ),
    Item(
        kind="generator", name="torus", make=max3cut.torus, given=lambda: {"rows": 3, "cols": 3, "signed": True},
        seeded=True, random=True, refused=[({"rows": 2}, "rows must .*2"), *SEED],
    ),
    Item(
        kind="generator", name="planar_union", make=max3cut.planar_union, given=lambda: {"n": 8}, seeded=True,
        random=True, refused=[({"n": 3}, "n must .*3"), ({"density": 1.5}, "density must .*1.5"), *SEED],
    ),
]  # fmt: skip

POLYNOMIALS = [
    Item(
        kind="polynomial", name="minimax_inverse", make=qlsp.minimax_inverse,
        given=lambda: {"kappa": 3.0, "epsilon": 0.1}, plain=False,
        refused=[({"kappa": 0.5}, "kappa must .*0.5"), ({"epsilon": 2.0}, "epsilon must .*2")],
    ),
    Item(
        kind="polynomial", name="cks_inverse", make=qlsp.cks_inverse, given=lambda: {"kappa": 3.0, "epsilon": 0.1},
        refused=[({"kappa": 0.5}, "kappa must .*0.5"), ({"terms": 0}, "terms must .*0")],
    ),
    Item(
        kind="polynomial", name="eigenstate_filter", make=qlsp.eigenstate_filter,
        given=lambda: {"gap": 0.3, "epsilon": 0.1},
        refused=[({"gap": 0.0}, "gap must .*0"), ({"epsilon": 2.0}, "epsilon must .*2")],
    ),
    Item(
        kind="polynomial", name="kernel_reflection", make=qlsp.kernel_reflection,
        given=lambda: {"gap": 0.3, "epsilon": 0.1},
        refused=[({"gap": 2.0}, "gap must .*2"), ({"epsilon": 0.0}, "epsilon must .*0")],
    ),
]  # fmt: skip


def chain() -> Any:
    return tfim(2, 1.0, 0.7)


def found(solver: Any, seed: int | None) -> object:
    result = solver.run(chain())
    return result.to_dict(), result.states


LEVELS = [
    *(
        Item(
            kind="levels",
            name=f"{method}[{schedule}]",
            make=ExcitedStates,
            given=lambda method=method, schedule=schedule: {  # type: ignore[misc]
                "method": method, "schedule": schedule, "k": 2, "restarts": 1, "budget": 25,
                "ansatz": hardware_efficient(2, 1),
            },
            run=found,
            seeded=True,
            random=True,
            refused=[
                ({"k": 0}, "k must be .*0"),
                ({"method": "guess"}, "method must be .*guess"),
                ({"schedule": "later"}, "schedule must be .*later"),
                ({"ansatz": "cloud"}, "ansatz must be .*cloud"),
                ({"optimizer": "luck"}, "optimizer must be .*luck"),
                ({"restarts": 0}, "restarts must be .*0"),
                ({"budget": 0}, "budget must be .*0"),
                ({"shots": 0}, "shots must be .*0"),
                ({"penalty": NAN}, "penalty must be .*nan"),
            ],
        )
        for method, schedule in [
            ("eigengame", "sequential"), ("eigengame", "parallel"), ("hotelling", "sequential"),
            ("hotelling", "parallel"), ("vqd", "sequential"), ("vqd", "parallel"), ("ssvqe", "sequential"),
        ]
    ),
    *(
        Item(
            kind="levels", name=name, make=getattr(eigengame, name),
            given=lambda extra=extra: {"hamiltonian": chain(), "restarts": 1, **extra},  # type: ignore[misc]
            run=lambda result, seed: (result.to_dict(), result.states), seeded=True, random=True,
            refused=[*refused, ({"hamiltonian": "ZZ?"}, "hamiltonian must ")],
        )
        for name, extra, refused in [
            ("eigengame", {"k": 2}, [({"k": 5}, "k must be .*5")]),
            ("vqd", {"k": 2}, [({"k": 5}, "k must be .*5")]),
            ("hotelling", {"k": 2}, [({"k": 5}, "k must be .*5")]),
            ("ssvqe", {"k": 2}, [({"k": 5}, "k must be .*5")]),
            ("excited_states", {"k": 2}, [({"method": "guess"}, "method must be .*guess")]),
            ("window_states", {"window": 0.7}, [({"window": -1.0}, "window must be .*-1")]),
        ]
    ),
    *(
        Item(
            kind="levels", name=f"top_eigenvectors[{method}]", make=eigengame.top_eigenvectors,
            given=lambda method=method: {"matrix": np.diag([3.0, 2.0, 1.0]), "k": 2, "method": method},  # type: ignore[misc]
            seeded=True, random=True,
            refused=[
                ({"k": 9}, "k must be .*9"),
                ({"method": "guess"}, "method must be .*guess"),
                ({"gradient": "steep"}, "gradient .*steep"),
                ({"schedule": "later"}, "schedule must be .*later"),
                ({"matrix": np.eye(3)[:2]}, "matrix must be "),
                ({"iterations": 0}, "iterations must be .*0"),
                ({"step": NAN}, "step must be .*nan"),
            ],
        )
        for method in ("eigengame", "mu", "parallel_deflation", "sequential_rank1")
    ),
]  # fmt: skip


@cache
def house() -> Any:
    graph: nx.Graph[int] = nx.house_graph()
    for number, edge in enumerate(graph.edges):
        graph.edges[edge]["weight"] = 1 + number % 2
    return graph


WEIGHT = frozenset({"weight", "n_jobs"})
"""Any word may name an attribute; any int counts workers, from the end if negative."""
LOOP = [({"graph": nx.Graph([(0, 0)])}, "self-loop|itself|loop"), ({"graph": nx.DiGraph([(0, 1)])}, "undirected")]
LOOP_IN = [({"graphs": [nx.Graph([(0, 0)])]}, "self-loop|itself|loop")]
CHOICES = [
    *LOOP,
    ({"method": "guess"}, "method must be .*guess"),
    ({"matrix": "green"}, "matrix must be .*green"),
    ({"refine": "sand"}, "refine must be .*sand"),
    ({"bound": "elastic"}, "bound must be .*elastic"),
    ({"rank": 0}, "rank must be .*0"),
    ({"top": 0}, "top must be .*0"),
    ({"budget": -1.0}, "budget must be .*-1"),
    ({"circles": 0}, "circles must be .*0"),
    *SEED,
]


def listed(function: Any) -> Any:
    """A generator function that runs to its end at once."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> list[Any]:
        return list(function(*args, **kwargs))

    return run


def cut(name: str, **given: Any) -> Item:
    return Item(
        kind="cut", name=f"max3cut[{name}]", make=max3cut.max3cut, given=lambda: {"graph": house(), **given},
        seeded=True, refused=CHOICES, workers="n_jobs", accepted=WEIGHT,
    )  # fmt: skip


CUTS = [
    cut("auto"),
    cut("rank1", method="rank1", rank=1),
    cut("three-arc", method="three-arc"),
    cut("arcs", method="arcs"),
    cut("circles", method="circles", rank=3, circles=20),
    cut("vertices", method="vertices"),
    *(cut(f"refine={refine}", method="circles", circles=5, refine=refine) for refine in ("1opt", "anneal", "tabu")),
    *(cut(f"matrix={matrix}", method="three-arc", matrix=matrix) for matrix in ("laplacian", "adjacency")),
    *(
        Item(
            kind="cut", name=f"upper_bound[{kind}]", make=max3cut.upper_bound,
            given=lambda kind=kind: {"graph": house(), "kind": kind},  # type: ignore[misc]
            refused=[*LOOP, ({"kind": "elastic"}, "must be .*elastic"), ({"rank": 0}, "rank must be .*0")],
            accepted=WEIGHT,
        )
        for kind in ("trivial", "packing", "eigen", "rank", "sdp")
    ),
    *(
        Item(
            kind="cut", name=name, make=getattr(max3cut, name),
            given=lambda extra=extra: {"graph": house(), **extra},  # type: ignore[misc]
            refused=[*LOOP, *refused], seeded=seeded, workers=workers, accepted=WEIGHT,
        )
        for name, extra, seeded, workers, refused in [
            ("dsatur", {}, False, "", []),
            ("greedy", {"restarts": 2}, True, "", [({"restarts": 0}, "restarts must be .*0"), *SEED]),
            ("frieze_jerrum", {"rounds": 5}, True, "", [({"rounds": 0}, "rounds must be .*0"), *SEED]),
            ("exact_cpsat", {}, False, "workers", [({"seconds": 0.0}, "seconds must be .*0")]),
            ("exact_milp", {}, False, "", [({"seconds": 0.0}, "seconds must be .*0")]),
            (
                "dwave_annealer", {"reads": 2, "sweeps": 50}, True, "",
                [({"reads": 0}, "reads must be .*0"), ({"sweeps": 0}, "sweeps must be .*0"), *SEED],
            ),
        ]
    ),
    *(
        Item(
            kind="cut", name=f"compare[{name}]", make=max3cut.compare,
            given=lambda name=name: {  # type: ignore[misc]
                "graphs": [nx.path_graph(2)], "methods": (name,), "evaluations": 4, "samples": 16,
                "device": "fake_manila",
            },
            run=lambda table, seed: table.to_dicts(),
            refused=[
                ({"methods": ("guess",)}, "methods must be .*guess"), *LOOP_IN,
                ({"bound": "elastic"}, "bound must be .*elastic"), ({"budget": -1.0}, "budget must be .*-1"), ({"encoding": "ternary"}, "encoding must be .*ternary"),
                ({"evaluations": 3}, "evaluations must be .*3"), ({"reps": 0}, "reps must be .*0"),
            ],
            accepted=WEIGHT if name == "qaoa-noisy" else WEIGHT | {"device"},
        )
        for name in get_args(MethodName)
    ),
    Item(
        kind="cut", name="iter_cells", make=listed(max3cut.iter_cells),
        given=lambda: {"graph": house(), "top": 3, "method": "circles", "circles": 20}, seeded=True, workers="n_jobs",
        accepted=WEIGHT, refused=[({"method": "guess"}, "method must be .*guess"), ({"top": 0}, "top must be .*0")],
    ),
    Item(
        kind="cut", name="iter_max3cut", make=listed(max3cut.iter_max3cut), run=lambda steps, seed: steps[-1],
        given=lambda: {"graph": house()}, seeded=True, workers="n_jobs", refused=CHOICES, accepted=WEIGHT,
    ),
    Item(
        kind="cut", name="maximize_form", make=max3cut.maximize_form,
        given=lambda: {"Q": np.outer([1, 2, -1], [1, 2, -1]).astype(float), "K": 3, "rank": 2}, seeded=True,
        workers="n_jobs", accepted=WEIGHT,
        refused=[
            ({"K": 1}, "K must be .*1"), ({"rank": 0}, "rank must be .*0"), ({"Q": np.triu(np.ones((2, 2)))}, "Q must "),
            *SEED,
        ],
    ),
    *(
        Item(
            kind="cut", name=f"run_qaoa[{name}]", make=max3cut.run_qaoa,
            given=lambda name=name: {  # type: ignore[misc]
                "graph": nx.path_graph(2), "encoding": name, "budget": 5, "samples": 32,
            },
            seeded=True, random=True,
            refused=[
                *LOOP, ({"encoding": "ternary"}, "encoding must be .*ternary"), ({"budget": 3}, "budget must be .*3"),
                ({"samples": 0}, "samples must be .*0"), ({"reps": 0}, "reps must be .*0"),
                ({"bias": 2.0, "warm_start": {0: 0, 1: 1}}, "bias must be .*2"), *SEED,
            ],
            accepted=WEIGHT,
        )
        for name in ("one-hot", "binary", "binary-folded", "qutrit")
    ),
    Item(
        kind="cut", name="vqa_job", make=max3cut.vqa_job, given=lambda: {"graph": nx.path_graph(2)}, seeded=True,
        refused=[({"encoding": "qutrit"}, "encoding must be .*qutrit"), ({"budget": 0}, "budget must be .*0")],
        accepted=WEIGHT,
    ),
]  # fmt: skip


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
        kind="strategy", name=name, make=getattr(nest, name), given=given, run=trained, random=True,
        refused=[*refused], **options,
    )  # fmt: skip


CYCLES = ({"cycles": 0}, "cycles must be .*0")
STRATEGIES = [
    strategy("Nest", CYCLES, ({"schedule": "steep"}, "schedule must be "), ({"walk": "far"}, "walk must be ")),
    strategy("NestJump", CYCLES, ({"schedule": 3}, "schedule must be ")),
    strategy("Reversed", CYCLES, ({"walk": 3}, "walk must be ")),
    strategy("BestMap", CYCLES),
    strategy("BestMapRestarts", CYCLES),
    strategy("RandomMap", CYCLES),
    strategy(
        "Qoncord", ({"starts": 9}, "starts must be .*9"), ({"esp_low": NAN}, "esp_low must be .*nan"), CYCLES,
        accepted=frozenset({"esp_low"}),
    ),
    Item(
        kind="strategy", name="make_strategy", make=nest.make_strategy,
        given=lambda: {"name": "best-map", "cycles": 2}, run=trained, random=True,
        refused=[({"name": "Hope"}, "strategy must be .*Hope"), ({"wings": 2}, "wings")],
        accepted=frozenset({"name"}),
    ),
]  # fmt: skip


def rising(schedule: Any, seed: int | None) -> object:
    targets = schedule.targets(catalogue())
    assert len(targets) == schedule.cycles
    assert nest.make_schedule(**schedule.to_dict()) == schedule
    return targets, schedule.reversed(catalogue()).targets()


SCHEDULES = [
    *(
        Item(
            kind="schedule", name=name, make=getattr(nest, name), given=lambda: {"cycles": 3}, run=rising, plain=True,
            refused=[CYCLES, ({"esp_max": 1.5}, "esp_max must be .*1.5"), ({"esp_max": NAN}, "esp_max must be .*nan")],
        )
        for name in ("InvertedReLU", "Linear", "Flat", "Step", "VShape", "InvertedV", "Cosine")
    ),
    Item(
        kind="schedule", name="Custom", make=nest.Custom, given=lambda: {"levels": [0.5, "best"]}, run=rising,
        plain=True, refused=[({"levels": []}, "levels must "), ({"levels": [1.5]}, "levels.* must .*1.5")],
    ),
    Item(
        kind="schedule", name="make_schedule", make=nest.make_schedule, given=lambda: {"kind": "v-shape", "cycles": 3},
        run=rising, plain=True, refused=[({"kind": "saw"}, "schedule must be .*saw"), ({"teeth": 2}, "teeth")],
        accepted=frozenset({"kind"}),
    ),
]  # fmt: skip


def opened(training: Any, seed: int | None) -> object:
    strategy = nest.Strategy(name="tested", maps=BestMap().maps, training=training, cycles=2)
    return trained(strategy, seed)


TRAININGS = [
    Item(kind="training", name="Restarts", make=nest.Restarts, run=opened, random=True, plain=True),
    Item(kind="training", name="SingleRun", make=nest.SingleRun, run=opened, random=True, plain=True),
    Item(
        kind="training", name="ExploreRefine", make=nest.ExploreRefine, given=lambda: {"starts": 1}, run=opened,
        random=True, plain=True, refused=[({"starts": 0}, "starts must be .*0"), ({"keep": NAN}, "keep must be .*nan")],
    ),
]  # fmt: skip

CROSSTALKS = [
    Item(kind="crosstalk", name="NoCrosstalk", make=nest.NoCrosstalk, run=lambda m, s: m.describe(), plain=True),
    Item(
        kind="crosstalk", name="ErrorInflation", make=nest.ErrorInflation, plain=True,
        run=lambda m, s: sorted(m.inflation(manila(), [0, 1], [[2, 3]]).items()),
        refused=[({"factor": 0.5}, "factor must be .*0.5"), ({"hops": -1}, "hops must be .*-1")],
    ),
    Item(
        kind="crosstalk", name="CoherentZZ", make=nest.CoherentZZ, plain=True,
        run=lambda m, s: m.coupled(manila(), {"a": [0, 1], "b": [2, 3]}),
        refused=[({"rate": NAN}, "rate must be .*nan")],
    ),
    Item(
        kind="crosstalk", name="make_crosstalk", make=nest.make_crosstalk, given=lambda: {"model": "inflation:2:1"},
        plain=True, run=lambda m, s: m.describe(), refused=[({"model": "gossip"}, "crosstalk must be .*gossip")],
        accepted=frozenset({"model"}),
    ),
]  # fmt: skip


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
        kind="executor", name=name, make=getattr(nest, name), given=given, run=evaluated, random=True,
        refused=[*refused], copies=False, accepted=frozenset({"n_jobs"}), **options,
    )  # fmt: skip


EXECUTORS = [
    executor(
        "LocalExecutor", lambda: {"snapshot": guadalupe()}, ({"engine": "abacus"}, "engine must be .*abacus"),
        workers="n_jobs",
    ),
    executor(
        "JointExecutor", lambda: {"snapshot": guadalupe(), "coupling": nest.CoherentZZ()},
        ({"engine": "abacus"}, "engine must be .*abacus"), workers="n_jobs",
    ),
    executor(
        "MergedExecutor", lambda: {"backend": "fake_guadalupe"}, ({"backend": "fake_nowhere"}, "fake_nowhere"),
        ({"mode": "lease"}, "mode must be .*lease"), ({"buffer": -1}, "buffer must be .*-1"),
    ),
    executor(
        "EstimatorExecutor", lambda: {"estimator": CompiledEstimator(seed=3)}, ({"estimator": 3}, "estimator must "),
    ),
]  # fmt: skip


def summary(plan: Any, seed: int | None) -> object:
    return plan.to_dict()


JOBS = {"jobs": ["absent"]}
PLANNERS = [
    *(
        Item(
            kind="planner", name=f"plan[{name}]", make=nest.plan,
            given=lambda name=name: {  # type: ignore[misc]
                "jobs": jobs(), "snapshot": manila(), "schedule": nest.Linear(2), "planner": name, "time_limit": 2.0,
            },
            run=summary, seeded=True,
            refused=[
                ({"planner": "hope"}, "planner must be .*hope"), ({"buffer": -1}, "buffer must be .*-1"),
                ({"fidelity": 1.5}, "fidelity must be .*1.5"), ({"jobs": []}, "jobs must "),
                ({"objective": "beauty"}, "objective must be .*beauty"),
            ],
        )
        for name in ("greedy", "cpsat", "stagger")
    ),
    *(
        Item(
            kind="planner", name=f"pack[{name}]", make=nest.pack,
            given=lambda name=name: {  # type: ignore[misc]
                "jobs": jobs(), "snapshot": guadalupe(), "schedule": nest.Linear(2), "objective": name,
            },
            run=summary, seeded=True,
            refused=[
                ({"objective": "beauty"}, "objective must be .*beauty"), ({"buffer": -1}, "buffer must be .*-1"),
                ({"jobs": []}, "jobs must "),
            ],
        )
        for name in ("targets", "max_min_esp")
    ),
    Item(
        kind="planner", name="FewestSeconds", make=nest.FewestSeconds, plain=True,
        refused=[({"fidelity": 0.0}, "fidelity must be .*0"), ({"fidelity": NAN}, "fidelity must be .*nan")],
    ),
    Item(
        kind="planner", name="MaxMinEsp", make=nest.MaxMinEsp, given=lambda: {"slots": 3}, plain=True,
        refused=[({"slots": 0}, "slots must be .*0"), ({"slots": None}, "slots")],
    ),
]  # fmt: skip


def scanned(**options: Any) -> Any:
    seed = options.pop("seed", 0)
    solver = ExcitedStates(k=1, seed=seed, restarts=1)
    return eigengame.scan(solver=solver, **options)


def study(seed: int | None = 0, **options: Any) -> Any:
    groups = options.pop("groups", [jobs()[:1]])
    grid = nest.Study.grid(
        devices=[manila()], groups=groups, strategies=[BestMap(cycles=1), nest.BestMapRestarts(cycles=1)],
        seeds=[seed or 0], shots=16, evaluations=2,
    )  # fmt: skip
    return grid.run(**options)


DRIVERS = [
    Item(
        kind="driver", name="Campaign", make=campaign, run=lambda c, s: c.run().to_dict(), seeded=True, random=True,
        workers="n_jobs", copies=False,
        refused=[
            ({"jobs": []}, "jobs must "), ({"shots": -1}, "shots must be .*-1"), ({"buffer": -1}, "buffer must be .*-1"),
            ({"evaluations": 0}, "evaluations must be .*0"), ({"strategy": "Hope"}, "strategy must be .*Hope"),
            ({"snapshot": None}, "snapshot"), ({"crosstalk": "gossip"}, "crosstalk must be .*gossip"), *SEED,
        ],
    ),
    Item(
        kind="driver", name="Study", make=study, given=lambda: {"backend": "threading"}, seeded=True, random=True,
        workers="n_jobs", run=lambda result, seed: result.to_dict(),
        refused=[({"groups": []}, "cells must hold"), ({"groups": [[]]}, "jobs must ")],
    ),
    Item(
        kind="driver", name="scan", make=scanned, given=lambda: {"name": "H2", "lengths": [0.7, 0.8], "block": 1},
        run=lambda result, seed: result.to_dict(), seeded=True,
        refused=[({"lengths": [-1.0]}, "lengths must .*-1"), ({"name": "Kryptonite"}, "name must .*Kryptonite"), ({"block": 0}, "block must be .*0")],
    ),
]  # fmt: skip

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
        kind="job", name=name, make=batch, given=lambda: {"id": '"it"', "kind": f'"{name}"', **keys},
        run=lambda job, seed: Campaign(job, guadalupe(), strategy=BestMap(cycles=1), evaluations=3, shots=16,
                                       seed=seed).run().to_dict(),
        random=True,
        refused=[
            *refused, ({"flavour": "1"}, "flavour"), ({"shots": "-1"}, "shots.*-1"),
            ({"evals_per_cycle": "0"}, "evals_per_cycle.*0"), ({"strategy": '"Hope"'}, "strategy must be .*Hope"),
            ({"optimizer": '"luck"'}, "luck"), ({"kind": '"magic"'}, "magic"),
        ],
    )  # fmt: skip


CHAIN = '{ model = "tfim", n = 2 }'
KINDS = [
    kind(
        "vqe", {"hamiltonian": CHAIN, "reps": "1"}, ({"hamiltonian": None}, "molecule and hamiltonian"),
        ({"hamiltonian": '{ model = "tfim", n = 1 }'}, "n.*1"), ({"ansatz": '"cloud"'}, "ansatz.*cloud"),
        ({"reps": "0"}, "reps.*0"), ({"molecule": '"Kryptonite"', "hamiltonian": None}, "Kryptonite"),
    ),
    kind("maxcut", {"graph": '"ring:3"'}, ({"graph": '"blob:3"'}, "graph must .*blob"), ({"graph": "[]"}, "graph")),
    kind(
        "max3cut", {"graph": '"path:2"'}, ({"encoding": '"ternary"'}, "encoding.*ternary"),
        ({"graph": "[[0, 0]]"}, "graph must "),
    ),
    kind(
        "eigengame", {"hamiltonian": CHAIN, "player": "1"}, ({"player": "-1"}, "player.*-1"),
        ({"method": '"guess"'}, "method.*guess"), ({"hamiltonian": None}, "molecule and hamiltonian"),
    ),
    kind(
        "linear_system", {"system": '"poisson:2"'}, ({"system": '"poisson:x"'}, "system must .*poisson:x"),
        ({"system": '"absent.npz"'}, "absent.npz"), ({"system": '"poisson:128"'}, "system must .*128"),
    ),
    kind(
        "qasm3", {"file": '"own.qasm"', "hamiltonian": CHAIN}, ({"file": '"absent.qasm"'}, "absent.qasm"),
        ({"hamiltonian": '{ ZX? = 1.0 }'}, "ZX|TOML"),
    ),
]  # fmt: skip

ITEMS = [
    *SOLVERS, *STARTS, *GENERATORS, *POLYNOMIALS, *LEVELS, *CUTS, *STRATEGIES, *SCHEDULES, *TRAININGS, *CROSSTALKS,
    *EXECUTORS, *PLANNERS, *DRIVERS, *KINDS,
]  # fmt: skip
