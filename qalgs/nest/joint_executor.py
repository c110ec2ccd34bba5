"""Local simulation of a campaign under a coherent coupling: touching jobs share one density matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qalgs.errors import invalid
from qalgs.seeds import keyed

from .crosstalk import CoherentZZ
from .executor import LocalExecutor, Reading, Request
from .joint import Tenant, joint_expectations, joint_samples

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot


class JointExecutor(LocalExecutor):
    """Simulates jobs that touch together and all others alone.

    The points of one step are run in rounds, the r-th point of every job beside the r-th of the others; a job that
    has no point in a round holds its qubits in the ground state, where the coupling is part of the calibration.

    Args:
        snapshot: The device.
        coupling: The coherent coupling.
        engine: As in :class:`qalgs.backends.NoisyEstimator`, for jobs that are alone.
        n_jobs: Threads over these.

    Example:
        >>> from qalgs.backends import DeviceSnapshot
        >>> from qalgs.nest import CoherentZZ
        >>> JointExecutor(DeviceSnapshot.from_backend("fake_manila"), CoherentZZ()).describe()["name"]
        'joint'
    """

    def __init__(
        self, snapshot: DeviceSnapshot, coupling: CoherentZZ, *, engine: str = "auto", n_jobs: int | None = 1
    ) -> None:
        super().__init__(snapshot, engine=engine, n_jobs=n_jobs)
        self.coupling = coupling

    def describe(self) -> Mapping[str, Any]:
        """Return what determines the numbers, as JSON values."""
        return {"name": "joint", "engine": self.engine, "crosstalk": self.coupling.describe()}

    def evaluate(self, requests: Sequence[Request], *, seed: int, step: str) -> list[Reading]:
        """Make all evaluations of one step."""
        readings: dict[int, Reading] = {}
        alone: list[int] = []
        for rows in _rounds(requests):
            by_name = {requests[row].job.name: row for row in rows}
            layouts = {name: requests[row].layout for name, row in by_name.items()}
            for group in self.coupling.coupled(self.snapshot, layouts):
                if len(group) == 1:
                    alone.append(by_name[group[0]])
                else:
                    readings |= self._together([by_name[name] for name in group], requests, seed)
        for row, reading in zip(
            alone, super().evaluate([requests[row] for row in alone], seed=seed, step=step), strict=True
        ):
            readings[row] = reading
        return [readings[row] for row in range(len(requests))]

    def _together(self, rows: Sequence[int], requests: Sequence[Request], seed: int) -> dict[int, Reading]:
        tenants, shots, streams = {}, {}, {}
        for row in rows:
            request = requests[row]
            name = request.job.name
            if request.gradient:
                raise invalid(
                    f"job {name!r}: optimizer",
                    "a gradient",
                    "must not be needed beside a touching job",
                    "use COBYLA",
                )
            bound = self.bench(request).circuit.assign_parameters(request.point)
            tenants[name] = Tenant(circuit=bound, layout=request.layout, observable=request.job.observable)
            shots[name] = request.shots
            streams[name] = keyed(seed, *request.key)
        if len({bool(s) for s in shots.values()}) > 1:
            raise invalid("shots", shots, "must all be 0 or all be positive for jobs that touch")
        if any(shots.values()):
            values = joint_samples(tenants, self.snapshot, self.coupling, shots, streams)
        else:
            values = {n: (v, 0.0) for n, v in joint_expectations(tenants, self.snapshot, self.coupling).items()}
        return {
            row: Reading(
                value=values[requests[row].job.name][0],
                std=values[requests[row].job.name][1],
                shots=requests[row].shots * self.bench(requests[row]).bases,
            )
            for row in rows
        }


def _rounds(requests: Sequence[Request]) -> list[list[int]]:
    """Rows of the r-th point of every job, by r."""
    seen: dict[str, int] = {}
    rounds: list[list[int]] = []
    for row, request in enumerate(requests):
        r = seen.get(request.job.name, 0)
        seen[request.job.name] = r + 1
        if r == len(rounds):
            rounds.append([])
        rounds[r].append(row)
    return rounds
