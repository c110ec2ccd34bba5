"""Where a Max-3-Cut QAOA runs: qutrits, or qubits through V2 primitives, a noisy device's among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2

from qalgs.circuits import Max3CutEncoding
from qalgs.errors import expect, invalid
from qalgs.seeds import Seed, keyed, root_seed

from .problem import Labels
from .qutrits import QutritQaoa


class Machine(ABC):
    """What trains and samples.

    Attributes:
        engine: Its name.
    """

    engine = ""

    @abstractmethod
    def energies(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the energies of points of shape (m, d)."""

    @abstractmethod
    def sample(
        self, point: NDArray[np.float64], shots: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int8], NDArray[np.float64] | None]:
        """Return labellings of shape (shots, n), and the probabilities of all states where they are known."""


class QutritMachine(Machine):
    """Three-level systems, simulated exactly."""

    engine = "qutrit simulator"

    def __init__(self, coded: Max3CutEncoding, labels: Labels | None, bias: float) -> None:
        self.qaoa = QutritQaoa(coded, warm_start=labels, bias=bias)

    def energies(self, points: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: D102
        return np.array([-self.qaoa.expected_cut(point) for point in points])

    def sample(  # noqa: D102
        self, point: NDArray[np.float64], shots: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int8], NDArray[np.float64] | None]:
        chances = self.qaoa.probabilities(point)
        picks = rng.choice(len(chances), shots, p=chances / chances.sum())
        return self.qaoa.encoding.labels(picks), chances


class QubitMachine(Machine):
    """Qubits, through an estimator and a sampler."""

    def __init__(
        self, coded: Max3CutEncoding, circuit: QuantumCircuit, estimator: BaseEstimatorV2 | None,
        sampler: BaseSamplerV2 | None, root: int,
    ) -> None:  # fmt: skip
        from qalgs.backends import CompiledEstimator

        self.coded, self.circuit, self.cost = coded, circuit, coded.cost
        if any(_foreign(primitive) for primitive in (estimator, sampler)):
            from qalgs.backends.auto_engines import plain_gates

            # Others may not know composite gates (Aer: xx_plus_yy), or bind them wrongly (Aer 0.18: crx, cp, ...).
            self.circuit = plain_gates(circuit)
        self.estimator = estimator or CompiledEstimator(seed=keyed(root, "qaoa", "estimator"))
        self.sampler = sampler
        self.exact = estimator is None and sampler is None
        self.engine = type(self.estimator).__name__

    def energies(self, points: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: D102
        evs = self.estimator.run([(self.circuit, self.cost, points)]).result()[0].data.evs
        return np.asarray(evs, dtype=np.float64).reshape(len(points))

    def sample(  # noqa: D102
        self, point: NDArray[np.float64], shots: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int8], NDArray[np.float64] | None]:
        if self.sampler is None:
            from qalgs.backends import exact_program

            chances = np.abs(exact_program(self.circuit).states(point).reshape(-1)) ** 2
            picks = rng.choice(len(chances), shots, p=chances / chances.sum())
            return self.coded.labels(picks), chances if self.exact else None
        measured = self.circuit.measure_all(inplace=False)
        data = self.sampler.run([(measured, point)], shots=shots).result()[0].data
        counts = next(iter(data.values())).get_int_counts()
        states = np.repeat(np.array(list(counts), dtype=np.int64), np.array(list(counts.values())))
        return self.coded.labels(states), None


def _foreign(primitive: object) -> bool:
    return primitive is not None and not type(primitive).__module__.startswith("qalgs.")


def noisy_primitives(
    device: str, num_qubits: int, *, seed: Seed = 0, shots: int | None = None, engine: str = "auto"
) -> tuple[BaseEstimatorV2, BaseSamplerV2]:
    """Return a noisy estimator and sampler on a well-connected patch of a (fake) device.

    Args:
        device: A name that :func:`qalgs.backends.load_backend` knows, such as ``"fake_torino"``.
        num_qubits: Size of the patch.
        seed: Root seed of the shot noise.
        shots: Shots a measurement basis; None gives exact noisy expectation values.
        engine: ``"aer"``, ``"compiled"`` or ``"auto"``.

    Returns:
        The estimator and the sampler.

    Raises:
        InvalidInputError: If the device has no connected patch of that size.

    Example:
        >>> estimator, sampler = noisy_primitives("fake_manila", 3)
        >>> len(estimator.layout)
        3
    """
    if not isinstance(device, str) and not hasattr(device, "target"):
        raise invalid("device", device, "must be a backend or the name of one")
    expect(Integral, num_qubits=num_qubits)
    from qalgs.backends import DeviceSnapshot, NoisyEstimator, NoisySampler

    snapshot = DeviceSnapshot.from_backend(device)
    layout = _patch(snapshot, num_qubits)
    root = root_seed(seed)
    estimator = NoisyEstimator(
        snapshot, layout, engine=engine, default_shots=shots, seed=keyed(root, "noisy", "estimator")
    )
    return estimator, NoisySampler(snapshot, layout, seed=keyed(root, "noisy", "sampler"))


def _patch(snapshot: Any, size: int) -> list[int]:
    """Grow a patch from each qubit over its best couplers; keep the one with the least total gate error."""
    errors: dict[tuple[int, int], float] = {}
    for (_, qubits), error in snapshot.gate_errors.items():
        if len(qubits) == 2 and error is not None and error < 0.5:
            pair = (min(qubits), max(qubits))
            errors[pair] = min(error, errors.get(pair, 1.0))
    near: dict[int, list[tuple[float, int]]] = {}
    for (a, b), error in errors.items():
        near.setdefault(a, []).append((error, b))
        near.setdefault(b, []).append((error, a))
    best: tuple[float, list[int]] | None = None
    for seed in near:
        patch, total = [seed], 0.0
        while len(patch) < size:
            edge = min(((e, q) for p in patch for e, q in near[p] if q not in patch), default=None)
            if edge is None:
                break
            total, patch = total + edge[0], [*patch, edge[1]]
        if len(patch) == size and (best is None or total < best[0]):
            best = total, patch
    if best is None:
        raise invalid("num_qubits", size, f"must fit a connected patch of {snapshot.name}", "take a smaller graph")
    return best[1]
