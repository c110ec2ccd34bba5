"""Running the circuits of solvers: exactly on four engines, or with shots on any V2 sampler.

A :class:`Program` is a circuit whose right-hand side may be left open (parameters), with the solution on its first
``num_system`` qubits and every other qubit a flag that must read 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit, transpile
from qiskit.circuit import Gate, ParameterVector

from qalgs.circuits.oracles import (
    B_LABEL,
    controlled_last,
    controlled_matrix,
    count_queries,
    dense_gate,
    oracle_gate,
    unitary_circuit,
)
from qalgs.circuits.state_preparation import PreparationTemplate, preparation_template
from qalgs.errors import ExecutionError, expect, invalid
from qalgs.seeds import Seed, as_generator, simulator_seed

Vector = NDArray[np.complex128]
ENGINES = ("compiled", "aer", "pennylane", "statevector")


class RightHandSide:
    """The oracle ``U_b``: open (one template for all vectors), fixed by gates, or fixed as a dense unitary.

    Args:
        vector: The amplitudes, or None for an open oracle.
        num_qubits: Number of system qubits.
        real: Whether the vectors are real.
        dense: Give a fixed oracle as a unitary, which exact simulators apply at once.
    """

    def __init__(self, vector: NDArray[Any] | None, num_qubits: int, *, real: bool, dense: bool) -> None:
        self.template: PreparationTemplate | None = None
        self.vector = vector
        self._dense = dense and vector is not None
        if vector is None:
            self.template = preparation_template(num_qubits, real=real)
            self.circuit = self.template.circuit
        elif dense:
            self.circuit = unitary_circuit(_first_column(np.asarray(vector, dtype=np.complex128)))
            self._prepare = preparation_template(num_qubits, real=real).bound(vector)
        else:
            self.circuit = preparation_template(num_qubits, real=real).bound(vector)
        self._gates: dict[tuple[bool, bool], Gate] = {}

    def gate(self, *, adjoint: bool = False, controlled: bool = False) -> Gate:
        """Return the oracle as a gate labelled ``U_b``; the control, if any, is the last qubit."""
        key = (adjoint, controlled)
        if key not in self._gates:
            if self._dense:
                self._gates[key] = self._dense_gate(adjoint, controlled)
                return self._gates[key]
            circuit = self.circuit.inverse() if adjoint else self.circuit
            if controlled:
                circuit = controlled_last(circuit)
            self._gates[key] = oracle_gate(circuit, B_LABEL, adjoint=adjoint, controlled=controlled)
        return self._gates[key]

    def _dense_gate(self, adjoint: bool, controlled: bool) -> Gate:
        matrix = np.asarray(self.circuit.data[0].operation.to_matrix(), dtype=np.complex128)
        matrix = np.ascontiguousarray(matrix.conj().T) if adjoint else matrix
        prepare = self._prepare
        if controlled:
            matrix = controlled_matrix(matrix)
        return dense_gate(
            matrix,
            B_LABEL,
            lambda: controlled_last(prepare) if controlled else prepare,
            adjoint=adjoint,
            controlled=controlled,
        )


def _first_column(v: Vector) -> Vector:
    """A unitary with ``v / |v|`` as its first column: a Householder reflection times a phase."""
    v = v / np.linalg.norm(v)
    phase = v[0] / abs(v[0]) if abs(v[0]) > 0 else 1.0 + 0j
    w = -v * np.conj(phase)
    w[0] += 1.0
    size = float(np.vdot(w, w).real)
    h = np.eye(v.size, dtype=np.complex128)
    if size > 1e-30:
        h -= 2.0 * np.outer(w, w.conj()) / size
    return h * phase


@dataclass(eq=False)
class Program:
    """A circuit to run, with what is needed to read it.

    Attributes:
        circuit: System qubits first; all others are flags. Open parameters are those of ``template``.
        num_system: Number of system qubits.
        template: Angles of the right-hand side, or None if it is fixed in the circuit.
        scale: The amplitudes times ``scale`` are the solution (0 where the circuit does not tell the norm).
        max_degree: Degree of the polynomial in the encoded matrix, or the number of sequential queries.
        real: Whether the solution is real.
        queries: Oracle calls, counted in the circuit.
        cache: What an executor keeps for it.
    """

    circuit: QuantumCircuit
    num_system: int
    template: PreparationTemplate | None
    scale: float
    max_degree: int
    real: bool
    queries: dict[str, int] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        expect(QuantumCircuit, circuit=self.circuit)
        self.queries = count_queries(self.circuit)

    def values(self, rhs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the parameter values for ``rhs`` in the order of ``circuit.parameters``."""
        return np.empty(0) if self.template is None else self.template.angles(rhs)


@dataclass(frozen=True, eq=False)
class Reading:
    """What came back.

    Attributes:
        vector: Amplitudes with all flags 0; with shots, the reconstructed direction times the root of the
            success probability, up to a global phase.
        probability: Success probability (all flags 0).
        probability_error: Its standard error, 0 if exact.
        shots: Shots spent.
        circuits: Circuits (measurement settings) run.
        density: With shots, the reconstructed density matrix of the system given the flags: a physical state, or 0
            if no shot passed them.
    """

    vector: Vector
    probability: float
    probability_error: float
    shots: int
    circuits: int
    density: Vector | None = None

    @property
    def exact(self) -> bool:
        """Whether these are amplitudes, not estimates."""
        return self.circuits == 0


class Executor:
    """Where programs run.

    Args:
        backend: ``"compiled"`` (default, unless the environment variable QALGS_ENGINE says "aer"), ``"aer"``,
            ``"pennylane"`` or ``"statevector"`` (Qiskit) for exact amplitudes; or a Qiskit
            backend, real, fake or Aer, for shots.
        sampler: Any V2 sampler, for shots.
        shots: Shots for each measurement setting. Needed with a sampler or a Qiskit backend; with a name, sampling
            runs on the compiled engine or on Aer.
        seed: Seed of samplers made here.
        estimator: Any V2 estimator; observables are then measured by it, as ``<O P> / <P>`` with the projector
            ``P`` of the flags.

    Raises:
        InvalidInputError: If the backend is unknown, or shots are missing or not positive.
    """

    def __init__(
        self,
        backend: object = None,
        sampler: Any = None,
        shots: int | None = None,
        seed: Seed = None,
        estimator: Any = None,
    ) -> None:
        expect(Real, type(None), shots=shots)
        self.estimator = estimator
        self.name = backend if isinstance(backend, str) else _default_engine() if backend is None else ""
        if isinstance(backend, str) and backend not in ENGINES:
            raise invalid("backend", backend, f"must be one of {', '.join(ENGINES)}, or a Qiskit backend")
        if shots is not None and (isinstance(shots, bool) or int(shots) != shots or shots < 1):
            raise invalid("shots", shots, "must be a positive whole number")
        self.device = backend if self.name == "" else None
        if (sampler is not None or self.device is not None) and shots is None:
            raise invalid("shots", shots, "must be given with a sampler or a backend", "say shots=4096")
        self.shots = None if shots is None else int(shots)
        self.rng = as_generator(seed)
        self.sampler = sampler
        self._own = self.shots is not None and sampler is None
        if self._own:
            self.sampler = self._make_sampler()
        for primitive in (self.sampler, self.estimator):
            if primitive is not None and self.device is None:
                self.device = _device_of(primitive)

    @property
    def exact(self) -> bool:
        """Whether amplitudes are available."""
        return self.shots is None

    def _make_sampler(self) -> Any:
        seed = simulator_seed(self.rng)
        if self.device is not None:
            from qiskit.primitives import BackendSamplerV2

            return BackendSamplerV2(backend=self.device, options={"seed_simulator": seed})
        if self.name == "compiled":
            from qalgs.backends import CompiledSampler

            return CompiledSampler(seed=self.rng)
        if self.name == "aer":
            from qiskit_aer.primitives import SamplerV2

            return SamplerV2(seed=seed)
        raise invalid("backend", self.name, "must be compiled, aer or a Qiskit backend to sample")

    def amplitudes(self, program: Program, rhs: NDArray[Any]) -> Vector:
        """Return the full statevector of ``program`` for ``rhs`` (exact engines only)."""
        values = program.values(rhs)
        if self.name == "compiled":
            from qalgs.backends import compile_circuit

            if "compiled" not in program.cache:
                program.cache["compiled"] = compile_circuit(_with_matrices(program.circuit))
            found = program.cache["compiled"].states(values)
            return np.asarray(found).reshape(-1)
        if self.name == "aer":
            if "aer" not in program.cache:
                program.cache["aer"] = _for_aer(program.circuit)
            ready = program.cache["aer"]
            return _aer_state(ready.assign_parameters(values) if values.size else ready)
        bound = program.circuit.assign_parameters(values) if values.size else program.circuit
        if self.name == "pennylane":
            return pennylane_state(bound)
        from qiskit.quantum_info import Statevector

        return np.asarray(Statevector(bound).data)

    def read(self, program: Program, rhs: NDArray[Any]) -> Reading:
        """Run ``program`` and return its solution state: amplitudes, or tomography when there are shots."""
        if not self.exact:
            from .readout import tomography

            return tomography(self, program, rhs)
        v = self.amplitudes(program, rhs)[: 2**program.num_system]
        return Reading(v, float(np.vdot(v, v).real), 0.0, 0, 0)

    def probability(self, program: Program, rhs: NDArray[Any]) -> tuple[float, int]:
        """Return the probability that all flags read 0, and the shots spent on it (one setting)."""
        if self.exact:
            return self.read(program, rhs).probability, 0
        values = program.values(rhs)[None, :]
        counts = self.sample(program, program.circuit, values, "plain")[0]
        total = sum(counts.values())
        return sum(c for k, c in counts.items() if k < 2**program.num_system) / total, total

    def sample(
        self, program: Program, circuit: QuantumCircuit, values: NDArray[np.float64], key: str
    ) -> list[dict[int, int]]:
        """Measure all qubits of ``circuit`` for each row of ``values``; return outcome counts a row.

        Args:
            program: Holds the cache of translated circuits.
            circuit: Open circuit without measurements.
            values: One row of parameter values a setting.
            key: Name of the circuit in the cache.
        """
        ready = self.translated(program, f"measured {key}", lambda: _measured(circuit))
        order = {p.name: k for k, p in enumerate(circuit.parameters)}
        columns = [order[p.name] for p in ready.parameters]
        pubs = self.pubs(ready, values[:, columns])
        # A sampler with an int for a seed repeats its noise in every call: ours is made anew.
        fresh = self._own and self.name != "compiled"
        sampler = self._make_sampler() if fresh else self.sampler
        try:
            results = list(sampler.run(pubs, shots=self.shots).result())
        except Exception as error:
            raise ExecutionError(f"the sampler failed: {' '.join(str(error).split())}") from error
        found: list[dict[int, int]] = []
        for result in results:
            data = result.data
            bits = next(iter(data.values())) if hasattr(data, "values") else data.all
            found += [bits.get_int_counts(k) for k in range(bits.size)] if bits.shape else [bits.get_int_counts()]
        # Without parameters one run serves all rows, which are alike.
        return found if len(found) == len(values) else found * len(values)

    def pubs(self, circuit: QuantumCircuit, values: NDArray[np.float64], *rest: object) -> list[Any]:
        """Return the PUBs that run ``circuit`` at each row of ``values``; ``rest`` comes before the values.

        Aer 0.18 binds the angles of controlled rotations to wrong values, so its primitives get bound circuits,
        one PUB a row. All others get one PUB.
        """
        if not values.shape[1]:
            return [(circuit, *rest)]
        if type(self.device).__module__.startswith("qiskit_aer"):
            return [(circuit.assign_parameters(row), *rest) for row in values]
        return [(circuit, *rest, values)]

    def translated(self, program: Program, key: str, make: Callable[[], QuantumCircuit]) -> QuantumCircuit:
        """Return what ``make`` returns in the device's gates, made once for each program, key and device."""
        # The device itself is kept and compared: a number such as its id may return with another device.
        held = program.cache.get(key)
        if held is None or held[0] is not self.device:
            held = program.cache[key] = (self.device, self.translate(make()))
        found: QuantumCircuit = held[1]
        return found

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return ``circuit`` in gates that the sampler's or estimator's device takes."""
        if self.device is not None:
            from qiskit.transpiler import generate_preset_pass_manager

            manager = generate_preset_pass_manager(backend=self.device, optimization_level=2, seed_transpiler=7)
            return manager.run(circuit)
        return transpile(
            circuit, basis_gates=["rz", "ry", "rx", "u", "cx"], optimization_level=1, seed_transpiler=7
        )


def _measured(circuit: QuantumCircuit) -> QuantumCircuit:
    register = ClassicalRegister(circuit.num_qubits, "all")
    measured = circuit.copy()
    measured.add_register(register)
    measured.measure(range(circuit.num_qubits), range(circuit.num_qubits))
    return measured


def _default_engine() -> str:
    """The compiled engine, or Aer if the environment variable QALGS_ENGINE says so."""
    from qalgs.backends.auto_choice import check_engine

    return "aer" if check_engine(None) == "aer" else "compiled"


def _device_of(sampler: Any) -> Any:
    """The backend that a sampler runs on, where it has one whose gates and couplings must be respected."""
    if hasattr(sampler, "isa"):
        return None
    for name in ("backend", "_backend", "mode", "_mode"):
        found = getattr(sampler, name, None)
        if callable(found):
            try:
                found = found()
            except Exception:
                continue
        if found is not None and hasattr(found, "target"):
            return found
    return None


class _MatrixGate(Gate):
    """A gate that is nothing but its matrix, so that no engine tries to synthesise it."""

    def __init__(self, matrix: Vector) -> None:
        super().__init__("matrix", int(matrix.shape[0]).bit_length() - 1, [])
        self._matrix = matrix

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Vector:
        return self._matrix


def _with_matrices(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return ``circuit`` with each dense oracle replaced by a bare matrix."""
    out = circuit.copy_empty_like()
    known: dict[int, tuple[object, Gate]] = {}
    for instruction in circuit.data:
        # Only labelled gates can be dense oracles; asking others for their definition is slow.
        definition = (
            instruction.operation.definition if instruction.label and instruction.name != "unitary" else None
        )
        if definition is not None and len(definition.data) == 1 and definition.data[0].name == "unitary":
            if id(definition) not in known:
                matrix = np.asarray(definition.data[0].operation.to_matrix(), dtype=np.complex128)
                known[id(definition)] = (definition, _MatrixGate(matrix))
            out.append(known[id(definition)][1], instruction.qubits)
        else:
            out.append(instruction)
    return out


def _for_aer(circuit: QuantumCircuit) -> QuantumCircuit:
    from qiskit_aer import AerSimulator

    ready = transpile(circuit, AerSimulator(method="statevector"), optimization_level=0)
    ready.save_statevector()
    return ready


def _aer_state(ready: QuantumCircuit) -> Vector:
    from qiskit_aer import AerSimulator

    result = AerSimulator(method="statevector").run(ready, shots=1).result()
    return np.asarray(result.get_statevector().data)


def pennylane_state(circuit: QuantumCircuit) -> Vector:
    """Return the statevector of a bound circuit by PennyLane's ``default.qubit``.

    Labelled oracles become ``QubitUnitary``; rotations become PennyLane's own; the rest is taken apart.
    """
    import pennylane as qp

    n = circuit.num_qubits
    operations: list[Any] = []
    _to_pennylane(circuit, list(range(n)), operations)

    @qp.qnode(qp.device("default.qubit", wires=n), diff_method=None)
    def run() -> Any:
        for operation in operations:
            qp.apply(operation)
        return qp.state()

    state = np.asarray(run())
    # PennyLane's first wire is the most significant bit; Qiskit's first qubit the least.
    return np.transpose(state.reshape((2,) * n), range(n - 1, -1, -1)).reshape(-1)


def _to_pennylane(circuit: QuantumCircuit, wires: list[int], out: list[Any]) -> None:
    import pennylane as qp

    if float(circuit.global_phase) != 0.0:
        out.append(qp.GlobalPhase(-float(circuit.global_phase), wires=wires))
    named = {
        "h": qp.Hadamard,
        "x": qp.X,
        "y": qp.Y,
        "z": qp.Z,
        "s": qp.S,
        "cx": qp.CNOT,
        "cz": qp.CZ,
        "swap": qp.SWAP,
    }
    turns = {"rx": qp.RX, "ry": qp.RY, "rz": qp.RZ, "p": qp.PhaseShift, "rzz": qp.IsingZZ}
    for instruction in circuit.data:
        operation = instruction.operation
        target = [wires[circuit.find_bit(q).index] for q in instruction.qubits]
        if operation.name in named:
            out.append(named[operation.name](wires=target))
        elif operation.name in turns:
            out.append(turns[operation.name](float(operation.params[0]), wires=target))
        elif operation.name == "unitary" or operation.definition is None:
            out.append(qp.QubitUnitary(np.asarray(operation.to_matrix()), wires=target[::-1]))
        else:
            _to_pennylane(operation.definition, target, out)


def basis_circuit(program: Program) -> tuple[QuantumCircuit, ParameterVector]:
    """Return ``program.circuit`` followed by open rotations into Pauli bases on the system qubits."""
    angles = ParameterVector("m", 2 * program.num_system)
    circuit = program.circuit.copy()
    for q in range(program.num_system):
        circuit.rx(angles[2 * q], q)
        circuit.ry(angles[2 * q + 1], q)
    return circuit, angles
