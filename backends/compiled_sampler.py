"""The compiled statevector engine behind Qiskit's sampler interface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import (
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveResult,
    SamplerPubLike,
    SamplerPubResult,
)
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qalgs.backends import auto_engines
from qalgs.backends.auto_choice import check_engine
from qalgs.backends.compiled_pubs import FinishedJob, as_list, check_shots, parameter_rows
from qalgs.backends.compiler import Program
from qalgs.backends.compiler_cache import CircuitCache
from qalgs.errors import InvalidInputError, invalid
from qalgs.results import Described
from qalgs.seeds import Seed, as_generator

CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Readout:
    """Terminal measurements: for each register its name and the measured qubit of each bit (-1: none)."""

    program: Program
    unitary: QuantumCircuit
    registers: tuple[tuple[str, npt.NDArray[np.int64]], ...]
    qubits: npt.NDArray[np.int64]


def read_out(circuit: QuantumCircuit) -> Readout:
    """Split a circuit into its unitary part and its terminal measurements.

    Raises:
        ValueError: If a qubit is used after it was measured, or an instruction is not unitary.
    """
    qubit_of: dict[object, int] = {}
    measured: dict[int, int] = {}
    places = {q: i for i, q in enumerate(circuit.qubits)}
    for index, instruction in enumerate(circuit.data):
        acted = [places[q] for q in instruction.qubits]
        if instruction.name == "measure" and not getattr(instruction.operation, "condition", None):
            measured[acted[0]] = index
            qubit_of[instruction.clbits[0]] = acted[0]
        elif instruction.name not in ("barrier", "delay"):
            again = [q for q in acted if q in measured]
            if again:
                raise InvalidInputError(
                    f"instruction {index} ({instruction.name} on qubits {acted}) must not follow the measurement "
                    f"of qubit {again[0]} (instruction {measured[again[0]]}); measure at the end, or use Aer for "
                    "mid-circuit measurement"
                )
    unitary = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.name != "measure":
            unitary.append(instruction)
    registers = tuple(
        (register.name, np.array([qubit_of.get(bit, -1) for bit in register], dtype=np.int64))
        for register in circuit.cregs
    )
    qubits = np.unique(np.array([q for _, r in registers for q in r if q >= 0], dtype=np.int64))
    return Readout(Program(circuit, skip=frozenset({"measure"})), unitary, registers, qubits)


_CACHE: CircuitCache[Readout] = CircuitCache(read_out)


class CompiledSampler(Described, BaseSamplerV2):
    """Samples of terminal measurements from exact distributions, by the compiled engine.

    Any number of classical registers, partial measurement and reordered bits; bits that are never measured read 0.
    Every call and PUB has shots of its own, also under a fixed seed.

    Args:
        default_shots: Shots where neither the PUB nor ``run`` gives a number.
        seed: Seed of the shots.
        engine: Where the exact distributions come from: "compiled" (also for "auto"), "aer", or None for what the
            environment variable QALGS_ENGINE says.

    Raises:
        InvalidInputError: If a number of shots or the engine breaks its rule.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> circuit = QuantumCircuit(2)
        >>> _ = circuit.h(0), circuit.cx(0, 1), circuit.measure_all()
        >>> counts = CompiledSampler(seed=7).run([circuit]).result()[0].data.meas.get_counts()
        >>> sorted(counts), sum(counts.values())
        (['00', '11'], 1024)
    """

    def __init__(self, *, default_shots: int = 1024, seed: Seed = None, engine: str | None = None) -> None:
        self._engine = check_engine(engine)
        self._shots = check_shots(default_shots, "default_shots")
        self._rng = as_generator(seed)

    @property
    def default_shots(self) -> int:
        """Shots where none are given."""
        return self._shots

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> FinishedJob:
        """Sample all PUBs.

        Args:
            pubs: ``(circuit[, parameter values[, shots]])`` or a circuit each.
            shots: Shots of the PUBs that give none.

        Returns:
            A finished job; ``job.result()[k].data.<register>`` is a ``BitArray`` of the PUB's shape.

        Raises:
            ValueError: Before anything is run, for a PUB that cannot be; the message names the instruction.
        """
        default = self._shots if shots is None else check_shots(shots)
        if isinstance(pubs, QuantumCircuit):
            raise invalid("pubs", "a circuit", "must be a list of sampler PUBs", "wrap it in [...]")
        tasks = [self._task(pub, default) for pub in as_list(pubs, "sampler")]
        return FinishedJob(PrimitiveResult([self._run(*task) for task in tasks], metadata={"version": 2}))

    def _task(
        self, pub: SamplerPubLike, shots: int
    ) -> tuple[QuantumCircuit, Readout, npt.NDArray[np.float64], tuple[int, ...], int]:
        if isinstance(pub, SamplerPub):
            circuit, values, own = pub.circuit, pub.parameter_values, pub.shots
        elif isinstance(pub, QuantumCircuit):
            circuit, values, own = pub, None, None
        elif isinstance(pub, tuple | list) and 1 <= len(pub) <= 3:
            circuit = pub[0]
            values = pub[1] if len(pub) > 1 else None
            own = pub[2] if len(pub) > 2 else None
        else:
            raise invalid("pub", type(pub).__name__, "must be a circuit or (circuit[, parameter values[, shots]])")
        if not isinstance(circuit, QuantumCircuit):
            raise TypeError(f"circuit must be a qiskit QuantumCircuit, got {type(circuit).__name__}")
        readout = _CACHE.get(circuit)
        if not len(readout.qubits):
            raise InvalidInputError(f"circuit {circuit.name!r} must measure at least one qubit; add measure_all()")
        rows, leading = parameter_rows(circuit, readout.program, values)
        return circuit, readout, rows, leading, shots if own is None else check_shots(own)

    def _run(
        self,
        circuit: QuantumCircuit,
        readout: Readout,
        values: npt.NDArray[np.float64],
        leading: tuple[int, ...],
        shots: int,
    ) -> SamplerPubResult:
        rng = self._rng.spawn(1)[0]
        n = readout.program.num_qubits
        outcomes = np.empty((len(values), shots), dtype=np.int64)
        chunk = max(1, CHUNK >> n)
        for start in range(0, len(values), chunk):
            if self._engine == "aer":
                states = auto_engines.aer_states(readout.unitary, values[start : start + chunk])
            else:
                states = readout.program.states(values[start : start + chunk])
            weights = states.real**2 + states.imag**2
            for row, weight in enumerate(np.cumsum(weights, axis=1)):
                draws = rng.random(shots) * weight[-1]
                outcomes[start + row] = np.minimum(np.searchsorted(weight, draws, side="right"), (1 << n) - 1)
        data = {}
        for name, qubits in readout.registers:
            data[name] = BitArray(_packed(outcomes, qubits).reshape(*leading, shots, -1), len(qubits))
        return SamplerPubResult(
            DataBin(**data, shape=leading), metadata={"shots": shots, "circuit_metadata": circuit.metadata}
        )


def _packed(outcomes: npt.NDArray[np.int64], qubits: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Pick the measured bits of the outcomes and pack them big-endian, as ``BitArray`` wants them."""
    bits = (outcomes[..., None] >> np.maximum(qubits[::-1], 0)) & 1
    bits[..., qubits[::-1] < 0] = 0
    padding = -len(qubits) % 8
    bits = np.concatenate([np.zeros((*bits.shape[:-1], padding), dtype=bits.dtype), bits], axis=-1)
    return np.packbits(bits.astype(np.uint8), axis=-1)
