"""Items of linear systems: solvers, starts, generators, polynomials."""

from __future__ import annotations

from functools import cache
from typing import Any

import networkx as nx
import numpy as np
from items_ground import NAN, SEED
from registry import items_of

from qalgs import max3cut, qlsp
from qalgs.qlsp import LinearSystem, QSVTInversion


@cache
def system() -> LinearSystem:
    return LinearSystem(np.array([[1.0, 0.25], [0.25, 0.7]]), np.array([1.0, -0.4]))


def solved(solver: Any, seed: int | None) -> object:
    """The solution and the cost estimate."""
    result = solver.solve(system(), seed=seed)
    return result, solver.estimate(system())


def inner() -> Any:
    return QSVTInversion(epsilon=0.05)


EPSILON = [({"epsilon": 0.0}, "epsilon must .*0"), ({"epsilon": NAN}, "epsilon must .*nan")]
INNER = [({"inner": "QSVT"}, "inner must be .*QSVT"), ({"inner": None}, "inner must be .*None")]
solver = items_of("solver", qlsp, run=solved)
SOLVERS = [
    solver(
        "QSVTInversion", [*EPSILON, ({"degree": 2}, "degree must be odd.*2"), ({"gap": 0.0}, "gap must be .*0")]
    ),
    solver("ChebyshevLCU", [*EPSILON, ({"terms": 0}, "terms must be .*0")], given=lambda: {"epsilon": 0.1}),
    solver(
        "HHL",
        [*EPSILON, ({"clock": 0}, "clock must be .*0"), ({"clock": 99}, "clock must be .*99")],
        given=lambda: {"epsilon": 0.2},
    ),
    solver(
        "DiscreteAdiabatic",
        [
            *EPSILON,
            ({"steps": 3}, "steps must be .*even.*3"),
            ({"filter_epsilon": 2.0}, "filter_epsilon must .*2"),
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
        "ProximalPoint[residual]",
        INNER,
        given=lambda: {"inner": inner(), "form": "residual"},
    ),
    solver(
        "ResidualCorrection",
        [
            *INNER,
            ({"steps": 0}, "steps must be .*0"),
            ({"epsilon_inner": 2.0}, "epsilon_inner must .*2"),
            ({"plan": "none"}, "plan must be .*none"),
        ],
        given=lambda: {"inner": inner()},
    ),
    solver(
        "ClassicalPreconditioner",
        [*INNER, ({"kind": "magic"}, "kind must be .*magic")],
        given=lambda: {"inner": inner()},
    ),
]


def started(start: Any, seed: int | None) -> object:
    return start.start(system())


start = items_of("start", qlsp, run=started, plain=True)
STARTS = [
    start(
        "GradientDescent",
        given=lambda: {"steps": 3},
        refused=[({"steps": -1}, "steps must .*-1"), ({"step": 2.0}, "step must .*2")],
    ),
    start(
        "ConjugateGradient",
        given=lambda: {"steps": 1},
        refused=[({"steps": -1}, "steps must .*-1")],
    ),
]

generator = items_of("generator", qlsp)
graph = items_of("generator", max3cut, seeded=True, random=True)
GENERATORS = [
    generator(
        "poisson",
        given=lambda: {"shape": 4, "b": "random"},
        seeded=True,
        random=True,
        refused=[({"shape": 0}, "shape must .*0"), ({"b": "loud"}, "b must .*loud"), *SEED],
    ),
    generator(
        "random_system",
        given=lambda: {"size": 4, "kappa": 5.0},
        seeded=True,
        random=True,
        refused=[
            ({"size": 0}, "size must .*0"),
            ({"kappa": 0.5}, "kappa must .*0.5"),
            ({"spectrum": "rainbow"}, "spectrum must .*rainbow"),
            ({"kind": "rude"}, "kind must .*rude"),
            *SEED,
        ],
    ),
    generator(
        "graph_laplacian",
        given=lambda: {"graph": nx.path_graph(4)},
        refused=[({"ground": 0.0}, "ground must .*0"), ({"b": [1.0]}, "b must ")],
    ),
    generator(
        "ridge_regression",
        refused=[({"ridge": 0.0}, "ridge must .*0"), ({"ridge": NAN}, "ridge must .*nan")],
    ),
    graph(
        "gnm",
        given=lambda: {"n": 6, "m": 8},
        refused=[({"n": 0}, "n must .*0"), ({"m": 99}, "m must .*99"), *SEED],
    ),
    graph(
        "planted",
        given=lambda: {"n": 6, "m": 8},
        refused=[({"n": 0}, "n must .*0"), ({"m": 99}, "m must .*99"), *SEED],
    ),
    graph(
        "regular",
        given=lambda: {"degree": 3, "n": 6},
        refused=[({"degree": 9}, "degree must .*9"), ({"n": 5}, "degree . n even"), *SEED],
    ),
    graph(
        "sbm",
        given=lambda: {"sizes": [4, 4], "inside": 0.2, "outside": 0.9},
        refused=[({"sizes": []}, "sizes must "), ({"inside": 1.5}, "inside must .*1.5"), *SEED],
    ),
    graph(
        "torus",
        given=lambda: {"rows": 3, "cols": 3, "signed": True},
        refused=[({"rows": 2}, "rows must .*2"), *SEED],
    ),
    graph(
        "planar_union",
        given=lambda: {"n": 8},
        refused=[({"n": 3}, "n must .*3"), ({"density": 1.5}, "density must .*1.5"), *SEED],
    ),
]

polynomial = items_of("polynomial", qlsp)
POLYNOMIALS = [
    polynomial(
        "minimax_inverse",
        given=lambda: {"kappa": 3.0, "epsilon": 0.1},
        refused=[({"kappa": 0.5}, "kappa must .*0.5"), ({"epsilon": 2.0}, "epsilon must .*2")],
    ),
    polynomial(
        "cks_inverse",
        given=lambda: {"kappa": 3.0, "epsilon": 0.1},
        refused=[({"kappa": 0.5}, "kappa must .*0.5"), ({"terms": 0}, "terms must .*0")],
    ),
    polynomial(
        "eigenstate_filter",
        given=lambda: {"gap": 0.3, "epsilon": 0.1},
        refused=[({"gap": 0.0}, "gap must .*0"), ({"epsilon": 2.0}, "epsilon must .*2")],
    ),
    polynomial(
        "kernel_reflection",
        given=lambda: {"gap": 0.3, "epsilon": 0.1},
        refused=[({"gap": 2.0}, "gap must .*2"), ({"epsilon": 0.0}, "epsilon must .*0")],
    ),
]

driver = items_of("driver", qlsp, workers="parallel")
DRIVERS = [
    driver(
        "compare",
        given=lambda: {"solvers": [inner(), qlsp.ChebyshevLCU()], "system": system(), "epsilon": 0.1},
        run=lambda table, seed: table.to_dict(),
        refused=[*EPSILON, ({"solvers": []}, "solvers must ")],
        accepted=frozenset({"attempts"}),
    ),
    driver(
        "noise_sweep",
        given=lambda: {"solvers": [inner()], "system": system(), "levels": (0.0, 0.01), "shots": 50},
        run=lambda sweep, seed: sweep.to_dict(),
        seeded=True,
        random=True,
        refused=[*EPSILON, ({"levels": (2.0,)}, "levels must .*2"), ({"shots": 0}, "shots must .*0"), *SEED],
    ),
]

ITEMS = [*SOLVERS, *STARTS, *GENERATORS, *POLYNOMIALS, *DRIVERS]
