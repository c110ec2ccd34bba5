"""Where noisy states come from: the compiled engine, Aer's density matrix, Aer's trajectories.

A *plan* belongs to one ISA circuit and a list of Paulis; it returns their expectations for a batch of parameter
values. Both density-matrix engines answer the same question to rounding error; Aer is the reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from qiskit import QuantumCircuit

from qalgs.backends.auto_choice import check_engine
from qalgs.backends.noise import FloatArray, noise_model
from qalgs.backends.noise_observables import Pauli, Terms, effective_operator, pauli_expectations
from qalgs.backends.noise_program import NoisyProgram, Op, cone_programs
from qalgs.backends.snapshot import DeviceSnapshot
from qalgs.errors import invalid

COMPILED_LIMIT = 13
"""Most qubits of a light cone that ``engine="auto"`` simulates as a compiled density matrix; trajectories beyond.

Measured on one core, EfficientSU2 with three repetitions, exact values against 1024 of Aer's trajectories: 1.4 s
against 12 s with 12 qubits, 6 s against 21 s with 13 (tests/benchmarks/bench_noise.py). 14 would take 2 GiB. Own
trajectories take 0.4 s and 1.1 s, but leave a statistical error, so they are used for shots only.
"""
COMPILED_MOST = 14
"""Most qubits of a light cone with ``engine="compiled"``: 2 GiB for the state."""
AER_DENSITY_LIMIT = 10
"""Most qubits for which ``engine="aer"`` uses a density matrix; trajectories beyond."""
_CHUNK = 64
"""Circuits per Aer run, to bound the memory of their density matrices."""
ENGINES = ("auto", "compiled", "aer")


def check_noisy_engine(engine: str) -> str:
    """Return the engine asked for; "auto" is Aer if the environment variable QALGS_ENGINE says so.

    Raises:
        InvalidInputError: If there is no engine of that name.
    """
    if engine not in ENGINES:
        raise invalid("engine", engine, f"must be one of {', '.join(ENGINES)}")
    return "aer" if engine == "auto" and check_engine(None) == "aer" else engine


class Plan(Protocol):
    """Expectations of fixed Paulis in the final state of one circuit."""

    def components(self, values: FloatArray) -> FloatArray:
        """Return ``Tr(P_k rho)`` (B, K) for parameter values (B, P)."""


class Request:
    """Paulis that one observable or measurement basis looks at, with their common support."""

    __slots__ = ("paulis", "support")

    def __init__(self, paulis: Sequence[Pauli]) -> None:
        self.paulis = list(paulis)
        self.support = frozenset(q for pauli in paulis for q, _ in pauli)


class CompiledPlan:
    """Compiled density matrices, one per light cone.

    Args:
        ops: The lowered circuit.
        requests: What to return; columns follow the Paulis of all requests, in order.
        parameters: The parameters of the circuit, in the order of the values.
    """

    def __init__(self, ops: Sequence[Op], requests: Sequence[Request], parameters: Sequence[Any]) -> None:
        starts = np.cumsum([0, *(len(r.paulis) for r in requests)])
        self.width = int(starts[-1])
        self.parts: list[tuple[NoisyProgram, Any, Any]] = []
        self.identity: list[int] = []
        for program, members in cone_programs(ops, [r.support for r in requests], parameters):
            columns, wanted = [], []
            for i in members:
                for k, pauli in enumerate(requests[i].paulis):
                    columns.append(int(starts[i]) + k)
                    wanted.append(program.index(pauli))
            if program.num_qubits == 0:
                self.identity += columns
                continue
            self.parts.append((program, np.array(wanted, np.int64), np.array(columns, np.int64)))

    @property
    def largest(self) -> int:
        """Number of qubits of the largest cone."""
        return max((program.num_qubits for program, _, _ in self.parts), default=0)

    def components(self, values: FloatArray) -> FloatArray:
        """Return the expectations (B, K)."""
        if len(self.parts) == 1 and not self.identity:
            program, wanted, columns = self.parts[0]
            found = program.components(program.angles(values), wanted)
            if len(columns) and np.array_equal(columns, np.arange(self.width)):
                return found
        out = np.ones((len(values), self.width))
        for program, wanted, columns in self.parts:
            out[:, columns] = program.components(program.angles(values), wanted)
        return out

    def value_and_gradient(self, values: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``components @ weights`` (B,) and its gradient by the parameters (B, P)."""
        total = np.full(len(values), float(np.sum(weights[self.identity])))
        gradient = np.zeros(values.shape)
        for program, wanted, columns in self.parts:
            unique, inverse = np.unique(wanted, return_inverse=True)
            merged: FloatArray = np.zeros(len(unique))
            np.add.at(merged, inverse, weights[columns])
            angles = program.angles(values)
            value, by_angle = program.value_and_gradient(angles, unique, merged)
            total += value
            gradient += program.angles.pull_back(values, by_angle)
        return total, gradient


def bind(circuit: QuantumCircuit, parameters: Sequence[Any], row: FloatArray) -> QuantumCircuit:
    """Return ``circuit`` with the values of those ``parameters`` that it still has."""
    present = set(circuit.parameters)
    return circuit.assign_parameters({p: float(v) for p, v in zip(parameters, row, strict=True) if p in present})


class AerEngine:
    """Aer under the noise model of the compact device.

    Args:
        snapshot: The compact device; its noise model is built on first use.
        readout: Whether measurements have readout errors.
    """

    def __init__(self, snapshot: DeviceSnapshot, *, readout: bool = True) -> None:
        self.snapshot, self.readout = snapshot, readout
        self._simulators: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_simulators": {}}

    def simulator(self, method: str) -> Any:
        """Return the simulator for ``density_matrix`` or ``statevector`` (trajectories)."""
        if method not in self._simulators:
            from qiskit_aer import AerSimulator

            from qalgs.backends.noise_serial import SerialNoiseModel

            model = next((s.options.noise_model for s in self._simulators.values()), None)
            if model is None:
                model = SerialNoiseModel(noise_model(self.snapshot, readout=self.readout))
            self._simulators[method] = AerSimulator(method=method, noise_model=model, max_parallel_threads=1)
        return self._simulators[method]

    def run(self, circuits: Sequence[QuantumCircuit], method: str, **options: Any) -> Any:
        """Run circuits and return Aer's result.

        Raises:
            ExecutionError: If Aer fails.
        """
        from qalgs.errors import ExecutionError

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*RelaxationNoisePass ignores.*")
            result = self.simulator(method).run(list(circuits), **options).result()
        if not result.success:
            raise ExecutionError(f"Aer failed: {result.status}")
        return result


class AerPlan:
    """Aer's density matrix of one circuit."""

    def __init__(
        self, engine: AerEngine, isa: QuantumCircuit, requests: Sequence[Request], parameters: Sequence[Any]
    ) -> None:
        self.engine, self.isa, self.parameters = engine, isa, tuple(parameters)
        self.paulis = [pauli for request in requests for pauli in request.paulis]

    def components(self, values: FloatArray) -> FloatArray:
        """Return the expectations (B, K)."""
        found = np.empty((len(values), len(self.paulis)))
        for start in range(0, len(values), _CHUNK):
            circuits = []
            for row in values[start : start + _CHUNK]:
                circuit = bind(self.isa, self.parameters, row)
                circuit.save_density_matrix()
                circuits.append(circuit)
            result = self.engine.run(circuits, "density_matrix", shots=1)
            for i in range(len(circuits)):
                rho = np.asarray(result.data(i)["density_matrix"])
                found[start + i] = pauli_expectations(rho, self.paulis)
        return found


class TrajectoryPlan:
    """Aer's trajectories of one circuit: estimates with standard errors, for sizes beyond density matrices."""

    def __init__(self, engine: AerEngine, isa: QuantumCircuit, parameters: Sequence[Any]) -> None:
        self.engine, self.isa, self.parameters = engine, isa, tuple(parameters)

    def expectations(
        self, values: FloatArray, observables: Sequence[Terms], trajectories: int, seed: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return means and standard errors (B, O) over ``trajectories`` runs."""
        operators = [effective_operator(terms, self.isa.num_qubits) for terms in observables]
        circuits = []
        for row in values:
            circuit = bind(self.isa, self.parameters, row)
            for k, operator in enumerate(operators):
                circuit.save_expectation_value(operator, range(circuit.num_qubits), label=f"o{k}", pershot=True)
            circuits.append(circuit)
        result = self.engine.run(circuits, "statevector", shots=trajectories, seed_simulator=seed)
        samples = np.array(
            [[result.data(i)[f"o{k}"] for k in range(len(operators))] for i in range(len(circuits))]
        )
        return samples.mean(axis=2), samples.std(axis=2, ddof=1) / np.sqrt(trajectories)

    def counts(
        self, values: FloatArray, qubits: Sequence[int], letters: Sequence[int], shots: int, seed: int
    ) -> FloatArray:
        """Return counts (B, 2**m) of measuring ``letters`` on ``qubits``; the change of basis is noise-free."""
        from qiskit.circuit.library import UnitaryGate

        h = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
        turns = {1: h, 2: h @ np.diag([1, -1j])}
        circuits = []
        for row in values:
            bound = bind(self.isa, self.parameters, row)
            circuit = QuantumCircuit(bound.num_qubits, len(qubits))
            circuit.compose(bound, inplace=True)
            for bit, (q, letter) in enumerate(zip(qubits, letters, strict=True)):
                if letter in turns:
                    circuit.append(UnitaryGate(turns[letter], label="ideal_basis"), [q])
                circuit.measure(q, bit)
            circuits.append(circuit)
        result = self.engine.run(circuits, "statevector", shots=shots, seed_simulator=seed)
        table = np.zeros((len(values), 1 << len(qubits)))
        for i in range(len(circuits)):
            for outcome, count in result.data(i)["counts"].items():
                table[i, int(outcome, 16)] = count
        return table
