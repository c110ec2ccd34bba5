"""Items of Max-3-Cut: engines, refinements, bounds, rivals, tables, QAOA."""

from __future__ import annotations

import functools
from functools import cache
from typing import Any, get_args

import networkx as nx
import numpy as np
from items_ground import SEED
from registry import Item, Refused, items_of

from qalgs import max3cut
from qalgs.max3cut.report import MethodName


@cache
def house() -> Any:
    graph: nx.Graph[int] = nx.house_graph()
    for number, edge in enumerate(graph.edges):
        graph.edges[edge]["weight"] = 1 + number % 2
    return graph


WEIGHT = frozenset({"weight", "n_jobs", "backend"})
"""Any word may name an attribute or a backend; any int counts workers, from the end if negative."""
LOOP: Refused = [
    ({"graph": nx.Graph([(0, 0)])}, "self-loop|itself|loop"),
    ({"graph": nx.DiGraph([(0, 1)])}, "undirected"),
]
LOOP_IN: Refused = [({"graphs": [nx.Graph([(0, 0)])]}, "self-loop|itself|loop")]
CHOICES: Refused = [
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


item = items_of("cut", max3cut, accepted=WEIGHT)


def cut(name: str, **given: Any) -> Item:
    return item(
        f"max3cut[{name}]",
        given=lambda: {"graph": house(), **given},
        seeded=True,
        refused=CHOICES,
        workers="parallel",
    )


RIVALS: list[tuple[str, dict[str, Any], bool, str, Refused]] = [
    ("dsatur", {}, False, "", []),
    ("greedy", {"restarts": 2}, True, "", [({"restarts": 0}, "restarts must be .*0"), *SEED]),
    ("frieze_jerrum", {"rounds": 5}, True, "", [({"rounds": 0}, "rounds must be .*0"), *SEED]),
    ("exact_cpsat", {}, False, "workers", [({"seconds": 0.0}, "seconds must be .*0")]),
    ("exact_milp", {}, False, "", [({"seconds": 0.0}, "seconds must be .*0")]),
    (
        "dwave_annealer",
        {"reads": 2, "sweeps": 50},
        True,
        "",
        [({"reads": 0}, "reads must be .*0"), ({"sweeps": 0}, "sweeps must be .*0"), *SEED],
    ),
]
CUTS = [
    cut("auto"),
    cut("rank1", method="rank1", rank=1),
    cut("three-arc", method="three-arc"),
    cut("arcs", method="arcs"),
    cut("circles", method="circles", rank=3, circles=20),
    cut("vertices", method="vertices"),
    *(
        cut(f"refine={refine}", method="circles", circles=5, refine=refine)
        for refine in ("1opt", "anneal", "tabu")
    ),
    *(cut(f"matrix={matrix}", method="three-arc", matrix=matrix) for matrix in ("laplacian", "adjacency")),
    *(
        item(
            f"upper_bound[{kind}]",
            given=lambda kind=kind: {"graph": house(), "kind": kind},
            refused=[*LOOP, ({"kind": "elastic"}, "must be .*elastic"), ({"rank": 0}, "rank must be .*0")],
        )
        for kind in ("trivial", "packing", "eigen", "rank", "sdp")
    ),
    *(
        item(
            name,
            given=lambda extra=extra: {"graph": house(), **extra},
            refused=[*LOOP, *refused],
            seeded=seeded,
            workers=workers,
        )
        for name, extra, seeded, workers, refused in RIVALS
    ),
    *(
        item(
            f"compare[{name}]",
            given=lambda name=name: {
                "graphs": [nx.path_graph(2)],
                "methods": (name,),
                "evaluations": 4,
                "samples": 16,
                "device": "fake_manila",
            },
            run=lambda table, seed: table.to_dicts(),
            refused=[
                ({"methods": ("guess",)}, "methods must be .*guess"),
                *LOOP_IN,
                ({"bound": "elastic"}, "bound must be .*elastic"),
                ({"budget": -1.0}, "budget must be .*-1"),
                ({"encoding": "ternary"}, "encoding must be .*ternary"),
                ({"evaluations": 3}, "evaluations must be .*3"),
                ({"reps": 0}, "reps must be .*0"),
            ],
            workers="parallel" if name in {"circles", "qaoa"} else "",
            accepted=WEIGHT if name == "qaoa-noisy" else WEIGHT | {"device"},
        )
        for name in get_args(MethodName)
    ),
    item(
        "iter_cells",
        make=listed(max3cut.iter_cells),
        given=lambda: {"graph": house(), "top": 3, "method": "circles", "circles": 20},
        seeded=True,
        workers="parallel",
        refused=[({"method": "guess"}, "method must be .*guess"), ({"top": 0}, "top must be .*0")],
    ),
    item(
        "iter_max3cut",
        make=listed(max3cut.iter_max3cut),
        run=lambda steps, seed: steps[-1],
        given=lambda: {"graph": house()},
        seeded=True,
        workers="parallel",
        refused=CHOICES,
    ),
    item(
        "maximize_form",
        given=lambda: {"Q": np.outer([1, 2, -1], [1, 2, -1]).astype(float), "K": 3, "rank": 2},
        seeded=True,
        workers="parallel",
        refused=[
            ({"K": 1}, "K must be .*1"),
            ({"rank": 0}, "rank must be .*0"),
            ({"Q": np.triu(np.ones((2, 2)))}, "Q must "),
            *SEED,
        ],
    ),
    *(
        item(
            f"run_qaoa[{name}]",
            given=lambda name=name: {
                "graph": nx.path_graph(2),
                "encoding": name,
                "budget": 5,
                "samples": 32,
            },
            seeded=True,
            random=True,
            refused=[
                *LOOP,
                ({"encoding": "ternary"}, "encoding must be .*ternary"),
                ({"budget": 3}, "budget must be .*3"),
                ({"samples": 0}, "samples must be .*0"),
                ({"reps": 0}, "reps must be .*0"),
                ({"bias": 2.0}, "bias must be .*2"),
                *SEED,
            ],
        )
        for name in ("one-hot", "binary", "binary-folded", "qutrit")
    ),
    item(
        "vqa_job",
        given=lambda: {"graph": nx.path_graph(2)},
        seeded=True,
        refused=[({"encoding": "qutrit"}, "encoding must be .*qutrit"), ({"budget": 0}, "budget must be .*0")],
    ),
]

ITEMS = CUTS
