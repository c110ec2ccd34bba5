"""Small campaigns on a small chip, shared by the tests of the scheduler."""

from __future__ import annotations

from functools import cache
from typing import Any

from qalgs.backends import DeviceSnapshot
from qalgs.circuits import hardware_efficient, max_cut, qaoa, tfim
from qalgs.nest import Campaign, Job


@cache
def snapshot(name: str = "fake_guadalupe") -> DeviceSnapshot:
    return DeviceSnapshot.from_backend(name)


def chain(name: str = "chain", n: int = 3, **options: Any) -> Job:
    return Job(name, hardware_efficient(n, 1), tfim(n), **options)


def ring(name: str = "ring") -> Job:
    import networkx as nx

    cost = max_cut(nx.path_graph(3))
    return Job(name, qaoa(cost, 1), cost, baseline=-1.0, baseline_name="random cut")


def campaign(*jobs: Job, **options: Any) -> Campaign:
    settings: dict[str, Any] = {"evaluations": 9, "shots": 64, "seed": 5, **options}
    return Campaign(jobs or (chain(), ring()), snapshot(), **settings)
