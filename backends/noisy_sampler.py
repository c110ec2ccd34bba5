"""The noisy sampler: a V2 primitive that samples measured bits from a few qubits of a noisy device."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.primitives import BaseSamplerV2, BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike

from qalgs.backends.compiled_pubs import FinishedJob
from qalgs.backends.compiler_cache import CircuitCache
from qalgs.backends.lightcone import backward_cone
from qalgs.backends.noise import FloatArray
from qalgs.backends.noise_device import Cache, CompactDevice, circuit_key
from qalgs.backends.noise_engines import (
    AER_DENSITY_LIMIT,
    COMPILED_LIMIT,
    COMPILED_MOST,
    AerEngine,
    AerPlan,
    CompiledPlan,
    Plan,
    Request,
    bind,
    check_noisy_engine,
)
from qalgs.backends.noise_kernels import probabilities
from qalgs.backends.noise_observables import Basis
from qalgs.backends.noise_program import lower
from qalgs.backends.noisy_checks import as_rows, bound_values, check_shots, coerce_sampler_pub
from qalgs.backends.noisy_trajectories import Trajectories
from qalgs.backends.snapshot import DeviceSnapshot, Inflation
from qalgs.errors import InvalidInputError
from qalgs.results import Described
from qalgs.seeds import Seed, as_generator, simulator_seed

MOST_BITS = 20
"""Most measured bits whose joint distribution is tabulated."""
SHOTS_FROM = 12
FEW_SHOTS = 4000
"""Light cones of at least SHOTS_FROM qubits are sampled by trajectories for at most FEW_SHOTS shots.

Measured on one core, EfficientSU2 with three repetitions on a line of ``fake_brisbane``, density matrix against
1024 trajectories: 0.33 s against 0.23 s with 11 qubits, 1.4 s against 0.4 s with 12, about 6 s against 1.1 s
with 13. Aer's trajectories take 19 s for 14 qubits and one QAOA layer, ours 0.7 s
(``tests/benchmarks/bench_noise.py``).
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """A circuit ready for sampling.

    Attributes:
        exact: What gives the distribution, None where nothing does.
        plan: ``exact`` if shots are drawn from it.
        trajectories: What else draws shots; Aer does if there is neither.
    """

    isa: QuantumCircuit
    parameters: tuple[Any, ...]
    registers: tuple[tuple[str, tuple[int, ...]], ...]
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    exact: Plan | None
    plan: CompiledPlan | None
    trajectories: Trajectories | None

    def source(self, shots: int) -> CompiledPlan | Trajectories | None:
        """Return what draws so many shots, None for Aer."""
        if self.trajectories is not None and (self.plan is None or shots <= FEW_SHOTS):
            return self.trajectories
        return self.plan


class NoisySampler(Described, BaseSamplerV2):
    """Measured bits of circuits on a few qubits of a noisy device, simulated without the rest of it.

    Noise, layouts, transpilation and engines are those of :class:`NoisyEstimator`. Circuits with final
    measurements are sampled from the exact distribution of the measured bits, readout errors included, or shot by
    shot from trajectories if their light cone is wide (more than 13 qubits, or 12 for few shots); circuits
    that measure or branch midway, or reset qubits, go to Aer (unless ``engine="compiled"``).

    Args:
        snapshot: The calibration.
        layout: Physical qubits, joined by live couplers.
        engine: ``"auto"``, ``"compiled"`` or ``"aer"``.
        default_shots: Shots of runs that state none.
        seed: Seeds the sampling; every call and every PUB draws from its own stream.
        inflation: Factors on gate errors: see :meth:`DeviceSnapshot.inflate`.
        optimization_level: Of the transpiler, for circuits that need it.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> sampler = NoisySampler(DeviceSnapshot.from_backend("fake_brisbane"), [0, 1], seed=7)
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.h(0), circuit.cx(0, 1), circuit.measure_all()
        >>> counts = sampler.run([circuit], shots=1000).result()[0].data.meas.get_counts()
        >>> counts["00"] + counts["11"] > 900
        True
    """

    def __init__(
        self,
        snapshot: DeviceSnapshot,
        layout: Iterable[int],
        *,
        engine: str = "auto",
        default_shots: int = 1024,
        seed: Seed = None,
        inflation: Inflation | None = None,
        optimization_level: int = 1,
    ) -> None:
        self.device = CompactDevice(snapshot, layout, inflation=inflation, optimization_level=optimization_level)
        self.engine = check_noisy_engine(engine)
        self.default_shots = check_shots("default_shots", default_shots)
        self._rng = as_generator(seed)
        self._aer = AerEngine(self.device.snapshot)
        self._structures: Cache[Hashable, _Compiled] = Cache()
        self._circuits: CircuitCache[_Compiled] = CircuitCache(self._build)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_structures", "_circuits")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._structures = Cache()
        self._circuits = CircuitCache(self._build)

    @property
    def layout(self) -> tuple[int, ...]:
        """Physical qubit of each virtual qubit."""
        return self.device.layout

    def isa(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit that is simulated, in gates of the compact device."""
        return self._circuits.get(circuit).isa

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None, seed: Seed = None) -> FinishedJob:
        """Sample the classical registers of circuits.

        Args:
            pubs: Circuits, or ``(circuit, parameter values, shots)`` tuples.
            shots: Shots of PUBs that state none.
            seed: Seeds this call alone; the sampler's own stream is then left untouched.

        Returns:
            A finished job; each result has one ``BitArray`` per classical register.

        Raises:
            InvalidInputError: If a circuit or a value breaks a rule, before anything is simulated.
        """
        default = self.default_shots if shots is None else check_shots("shots", shots)
        coerced = [coerce_sampler_pub(pub, default) for pub in pubs]
        compiled = [self._circuits.get(pub.circuit) for pub in coerced]
        values = [bound_values(pub.circuit, pub.parameter_values) for pub in coerced]
        source = self._rng if seed is None else as_generator(seed)
        results = []
        for pub, ready, batch in zip(coerced, compiled, values, strict=True):
            rng = source.spawn(1)[0]
            rows = as_rows(batch)
            bits = self._sample(ready, rows, pub.shots, rng).reshape(*batch.shape[:-1], pub.shots, -1)
            arrays = {
                name: BitArray.from_bool_array(bits[..., list(where)], order="little")
                for name, where in ready.registers
            }
            meta = {"shots": pub.shots, "circuit_metadata": pub.circuit.metadata}
            meta["engine"] = _name(ready.source(pub.shots))
            results.append(SamplerPubResult(DataBin(**arrays, shape=batch.shape[:-1]), metadata=meta))
        return FinishedJob(PrimitiveResult(results, metadata={"version": 2}))

    def probabilities(self, circuit: QuantumCircuit, values: Any = ()) -> FloatArray:
        """Return the exact distribution of the measured bits, readout errors included.

        Args:
            circuit: A circuit with final measurements.
            values: (P,) or (B, P) parameter values.

        Returns:
            (2**m,) or (B, 2**m); bit ``i`` of an outcome is the i-th measured classical bit.

        Raises:
            InvalidInputError: If the circuit measures or branches midway, or is too wide for a density matrix.
        """
        ready = self._circuits.get(circuit)
        if ready.exact is None:
            raise InvalidInputError(
                "probabilities need final measurements and a circuit that fits a density matrix; "
                "use run(...) instead"
            )
        pub = SamplerPub.coerce((circuit, values), 1) if np.size(values) else SamplerPub.coerce(circuit, 1)
        batch = bound_values(circuit, pub.parameter_values)
        found = self._chances(ready, as_rows(batch))
        return found.reshape(*batch.shape[:-1], -1)

    def _chances(self, ready: _Compiled, rows: FloatArray) -> FloatArray:
        assert ready.exact is not None
        flips = np.ascontiguousarray(self.device.flips[list(ready.qubits)])
        return np.asarray(probabilities(ready.exact.components(rows), flips))

    def _sample(
        self, ready: _Compiled, rows: FloatArray, shots: int, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Return bits (B, shots, number of clbits)."""
        width = sum(len(where) for _, where in ready.registers)
        width = max(width, ready.isa.num_clbits)
        bits = np.zeros((len(rows), shots, width), dtype=bool)
        source = ready.source(shots)
        if source is None:
            return self._sample_aer(ready, rows, shots, rng, bits)
        if isinstance(source, Trajectories):
            letters = (3,) * len(ready.qubits)
            found = list(source.outcomes(rows, ready.qubits, letters, shots, simulator_seed(rng)))
        else:
            chances = np.cumsum(self._chances(ready, rows), axis=1)
            found = [np.searchsorted(c, rng.random(shots) * c[-1], side="right") for c in chances]
        for row, outcomes in enumerate(found):
            for bit, clbit in enumerate(ready.clbits):
                bits[row, :, clbit] = outcomes >> bit & 1
        return bits

    def _sample_aer(
        self,
        ready: _Compiled,
        rows: FloatArray,
        shots: int,
        rng: np.random.Generator,
        bits: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        small = self.device.num_qubits <= AER_DENSITY_LIMIT
        circuits = [bind(ready.isa, ready.parameters, row) for row in rows]
        result = self._aer.run(
            circuits,
            "density_matrix" if small else "statevector",
            shots=shots,
            memory=True,
            seed_simulator=simulator_seed(rng),
        )
        for row in range(len(rows)):
            memory = result.data(row)["memory"]
            words = np.array([int(word, 16) for word in memory], dtype=object)
            for clbit in range(ready.isa.num_clbits):
                bits[row, :, clbit] = (words >> clbit) & 1
        return bits

    def _build(self, circuit: QuantumCircuit) -> _Compiled:
        key = circuit_key(circuit)
        found = self._structures.fetch(key)
        if found is not None:
            return found
        names = {item.operation.name for item in circuit.data}
        branching = any(isinstance(item.operation, ControlFlowOp) for item in circuit.data)
        if not circuit.cregs or not ("measure" in names or branching):
            raise InvalidInputError("sampler circuit must measure into a classical register; add measurements")
        isa, _ = self.device.isa(circuit, key)
        position = {bit: i for i, bit in enumerate(isa.clbits)}
        registers = tuple((r.name, tuple(position[c] for c in r)) for r in isa.cregs)
        parameters = tuple(circuit.parameters)
        final, reason = _final_measurements(isa)
        if self.engine == "compiled" and reason:
            raise _unsampled(reason)
        qubits, clbits = tuple(q for q, _ in final), tuple(c for _, c in final)
        exact: Plan | None = None
        plan: CompiledPlan | None = None
        trajectories: Trajectories | None = None
        if self.engine != "aer" and not reason:
            ops = lower(isa, self.device.snapshot)
            widest = len(backward_cone([op.qubits for op in ops], qubits)[1])
            limit = COMPILED_MOST if self.engine == "compiled" else COMPILED_LIMIT
            if widest <= limit:
                plan = exact = CompiledPlan(ops, [_distribution(qubits)], parameters)
            elif self.engine == "compiled":
                raise _unsampled(f"its light cone has {widest} qubits, more than {limit}")
            if self.engine == "auto" and (plan is None or widest >= SHOTS_FROM):
                trajectories = Trajectories(ops, parameters, self.device.flips)
        elif not reason and self.device.num_qubits <= AER_DENSITY_LIMIT:
            before = isa.remove_final_measurements(inplace=False)
            exact = AerPlan(self._aer, before, [_distribution(qubits)], parameters)
        ready = _Compiled(isa, parameters, registers, qubits, clbits, exact, plan, trajectories)
        return self._structures.keep(key, ready)


def _distribution(qubits: tuple[int, ...]) -> Request:
    """Return the Paulis that determine the distribution of the measured qubits."""
    return Request(Basis(qubits, (3,) * len(qubits), {}).spectrum())


def _unsampled(reason: str) -> InvalidInputError:
    return InvalidInputError(f"circuit cannot be sampled by the compiled engine: {reason}; use engine='auto'")


def _name(plan: CompiledPlan | Trajectories | None) -> str:
    return "aer" if plan is None else "trajectories" if isinstance(plan, Trajectories) else "compiled"


def _final_measurements(isa: QuantumCircuit) -> tuple[list[tuple[int, int]], str]:
    """Return ``(qubit, clbit)`` of the measurements, and why they are not all final ("" if they are)."""
    qubits = {bit: i for i, bit in enumerate(isa.qubits)}
    clbits = {bit: i for i, bit in enumerate(isa.clbits)}
    measured: dict[int, int] = {}
    for item in isa.data:
        operation = item.operation
        where = [qubits[q] for q in item.qubits]
        if operation.name == "barrier":
            continue
        if isinstance(operation, ControlFlowOp) or operation.name in ("reset", "initialize"):
            return [], f"instruction {operation.name!r} on qubits {where}"
        if any(q in measured for q in where):
            return [], f"instruction {operation.name!r} follows a measurement of qubits {where}"
        if operation.name == "measure":
            clbit = clbits[item.clbits[0]]
            if clbit in measured.values():
                return [], f"classical bit {clbit} is measured twice"
            measured[where[0]] = clbit
    return sorted(measured.items(), key=lambda pair: pair[1]), ""
