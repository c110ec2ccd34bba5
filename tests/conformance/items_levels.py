"""Items of excited states: methods by schedule, one-liners, games, scans."""

from __future__ import annotations

from typing import Any

import numpy as np
from items_ground import NAN
from registry import Item, Refused, items_of

from qalgs import eigengame
from qalgs.circuits import hardware_efficient, tfim
from qalgs.eigengame import ExcitedStates


def chain() -> Any:
    return tfim(2, 1.0, 0.7)


def found(solver: Any, seed: int | None) -> object:
    result = solver.run(chain())
    return result.to_dict(), result.states


ONE_LINERS: list[tuple[str, dict[str, Any], Refused]] = [
    ("eigengame", {"k": 2}, [({"k": 5}, "k must be .*5")]),
    ("vqd", {"k": 2}, [({"k": 5}, "k must be .*5")]),
    ("hotelling", {"k": 2}, [({"k": 5}, "k must be .*5")]),
    ("ssvqe", {"k": 2}, [({"k": 5}, "k must be .*5")]),
    ("excited_states", {"k": 2}, [({"method": "guess"}, "method must be .*guess")]),
    ("window_states", {"window": 0.7}, [({"window": -1.0}, "window must be .*-1")]),
]
levels = items_of("levels", eigengame, seeded=True, random=True)
LEVELS = [
    *(
        levels(
            f"{method}[{schedule}]",
            make=ExcitedStates,
            given=lambda method=method, schedule=schedule: {
                "method": method,
                "schedule": schedule,
                "k": 2,
                "restarts": 1,
                "budget": 25,
                "ansatz": hardware_efficient(2, 1),
            },
            run=found,
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
            ("eigengame", "sequential"),
            ("eigengame", "parallel"),
            ("hotelling", "sequential"),
            ("hotelling", "parallel"),
            ("vqd", "sequential"),
            ("vqd", "parallel"),
            ("ssvqe", "sequential"),
        ]
    ),
    *(
        levels(
            name,
            given=lambda extra=extra: {"hamiltonian": chain(), "restarts": 1, **extra},
            run=lambda result, seed: (result.to_dict(), result.states),
            refused=[*refused, ({"hamiltonian": "ZZ?"}, "hamiltonian must ")],
        )
        for name, extra, refused in ONE_LINERS
    ),
    *(
        levels(
            f"top_eigenvectors[{method}]",
            given=lambda method=method: {"matrix": np.diag([3.0, 2.0, 1.0]), "k": 2, "method": method},
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
]


def scanned(**options: Any) -> Any:
    seed = options.pop("seed", 0)
    solver = ExcitedStates(k=1, seed=seed, restarts=1)
    return eigengame.scan(solver=solver, **options)


SCANS = [
    Item(
        kind="driver",
        name="scan",
        make=scanned,
        given=lambda: {"name": "H2", "lengths": [0.7, 0.8], "block": 1},
        run=lambda result, seed: result.to_dict(),
        workers="parallel",
        seeded=True,
        refused=[
            ({"lengths": [-1.0]}, "lengths must .*-1"),
            ({"name": "Kryptonite"}, "must .*Kryptonite"),
            ({"block": 0}, "block must be .*0"),
        ],
    ),
]

ITEMS = [*LEVELS, *SCANS]
