"""A campaign result made up from a real chip: what a report shows must not need a training run to be tested."""

from __future__ import annotations

from functools import cache

import numpy as np

from qalgs.nest import LayoutCatalogue
from qalgs.nest.chip import Chip
from qalgs.nest.metrics import Quality
from qalgs.nest.result import CampaignResult, CycleResult, JobResult
from qalgs.nest.usage import Load, usage
from qalgs.results import Status

NASTY = "</script><img src=x onerror=\"document.title='taken'\">&'"


@cache
def chip(name: str = "fake_brisbane") -> Chip:
    from qalgs.backends import DeviceSnapshot, load_backend

    return Chip.of(DeviceSnapshot.from_backend(load_backend(name)))


@cache
def catalogue(width: int, name: str = "fake_brisbane") -> LayoutCatalogue:
    from qiskit.circuit.library import efficient_su2

    return LayoutCatalogue.for_circuit(efficient_su2(width, reps=1), chip(name))  # type: ignore[arg-type]


def campaign(
    names: tuple[str, ...] = ("H2", "ring-6", NASTY),
    *,
    strategy: str = "Nest",
    seed: int = 1,
    cycles: int = 6,
    evaluations: int = 40,
    device: str = "fake_brisbane",
    stagger: int = 0,
) -> CampaignResult:
    """Jobs of 4 and 6 qubits on free regions, each ``stagger`` slots after the one before; energies fall."""
    rng = np.random.default_rng([seed, len(strategy)])
    taken: list[set[int]] = [set() for _ in range(cycles + stagger * len(names))]
    jobs, loads = [], []
    on = chip(device)
    for j, name in enumerate(names):
        width = 4 if j % 2 == 0 else 6
        pool = catalogue(width, device)
        best, rows = pool.best().esp, []
        for c in range(cycles):
            target = best * (0.75 + 0.25 * min(1.0, 2 * c / cycles))
            free = np.array([not taken[c + stagger * j] & set(map(int, m)) for m in pool.maps])
            layout = pool.nearest(target, free)
            rows.append((tuple(layout), target, layout.esp))
            taken[c + stagger * j] |= {
                int(q) for q in np.flatnonzero((on.distance[list(layout)] <= 1).any(axis=0))
            }
        steps = np.arange(cycles * evaluations)
        exact, baseline = -1.137 - j, -0.9 - j
        floor = exact + 0.1 + 0.02 * rng.normal()
        values = floor + 0.9 * np.exp(-steps / (0.2 * len(steps))) + 0.03 * rng.normal(size=len(steps))
        part = values.reshape(cycles, evaluations)
        done = tuple(
            CycleResult(
                cycle=c,
                slot=c + stagger * j,
                layout=layout,
                target=target,
                esp=esp,
                move="start" if c == 0 else "jump" if c == 2 else "move",
                moved=1,
                reassigned=1,
                evaluations=evaluations,
                shots=evaluations * 5 * 1024,
                best_value=float(part[c].min()),
            )
            for c, (layout, target, esp) in enumerate(rows)
        )
        jobs.append(
            JobResult(
                name=name,
                kind="vqe",
                strategy=strategy,
                num_qubits=width,
                status=Status.CONVERGED,
                converged_after=int(0.7 * len(steps)),
                evaluations=len(steps),
                shots=len(steps) * 5 * 1024,
                measured=float(values.min()),
                measured_std=0.01,
                theta=np.zeros(3),
                quality=Quality(
                    reference=float(floor),
                    reference_layout=rows[-1][0],
                    reference_esp=best,
                    noiseless=float(floor) - 0.05,
                    exact=exact,
                    baseline=baseline,
                    baseline_name="Hartree-Fock",
                ),
                cycles=done,
                values=values,
                stds=np.full(len(steps), 0.01),
            )
        )
        loads += [
            Load(
                job=name,
                cycle=c + stagger * j,
                evaluations=evaluations,
                bases=5,
                shots=1024,
                duration=6e-6,
                qubits=width,
            )
            for c in range(cycles)
        ]
    return CampaignResult(
        campaign=f"{strategy}{seed}",
        device=device,
        seed=seed,
        buffer=1,
        jobs=tuple(jobs),
        usage=usage(loads, on.num_qubits),
        digest="0" * 64,
        versions={"qalgs": "0.1.0"},
        chip=on,
    )
