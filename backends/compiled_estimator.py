"""The compiled statevector engine behind Qiskit's estimator interface, with adjoint gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, DataBin, EstimatorPubLike, PrimitiveResult, PubResult
from qiskit.quantum_info import SparsePauliOp

from qalgs.backends import auto_engines, compiled_shots
from qalgs.backends.auto_choice import check_engine, fastest
from qalgs.backends.compiled_narrow import narrow
from qalgs.backends.compiled_pubs import (
    EstimatorTask,
    FinishedJob,
    as_list,
    check_precision,
    check_shots,
    check_width,
    estimator_task,
    parameter_rows,
)
from qalgs.backends.compiler import Program, compile_circuit
from qalgs.backends.observables import compile_observable
from qalgs.errors import InvalidInputError, invalid
from qalgs.results import Described
from qalgs.seeds import Seed, as_generator

Floats = npt.NDArray[np.float64]

# States are kept for several observables up to this many amplitudes at a time (64 MiB).
CHUNK = 1 << 22


class CompiledEstimator(Described, BaseEstimatorV2):
    """Expectation values by the compiled engine: exact, or with shot noise.

    Each circuit is compiled once (see :func:`~qalgs.backends.compile_circuit`) and run over all parameter sets of
    a PUB in one call. Results are those of ``StatevectorEstimator`` to rounding.

    Idle qubits of wide circuits (transpiled to a device, say) are left out, so only the qubits in use count. A
    ``PauliEvolutionGate`` of terms that do not commute is run as its own product formula, as on hardware.

    Noise is added in one of two ways. A *precision* p > 0 adds Gaussian noise of standard deviation p to every
    value, as Qiskit's reference estimator does. A *shot count* N instead draws N shots for every group of
    qubit-wise commuting terms from its exact distribution, and reports the standard errors of the sample. Every
    call, PUB and value has noise of its own, also under a fixed seed.

    Args:
        default_precision: Precision where neither the PUB nor ``run`` gives one; 0 is exact.
        default_shots: Shots per group of commuting terms where no precision is given.
        seed: Seed of the noise.
        sector: Basis states to keep: their indices, a mask of length 2**n, or an object with these as ``basis``.
            Values become <psi|PHP|psi> / <psi|P|psi>, the energy after post-selection on a symmetry.
        engine: "compiled"; "aer" or "lightning" for that library; "auto" for the fastest of them at the circuit's
            size by the measured table; None for what the environment variable QALGS_ENGINE says, else "auto".

    Raises:
        InvalidInputError: If a precision, a number of shots, the sector or the engine breaks its rule.

    Example:
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> circuit = hardware_efficient(3, 1)
        >>> job = CompiledEstimator().run([(circuit, tfim(3), [[0.0] * 6, [0.1] * 6])])
        >>> job.result()[0].data.evs.round(3).tolist()
        [-2.0, -2.376]
    """

    def __init__(
        self,
        *,
        default_precision: float = 0.0,
        default_shots: int | None = None,
        seed: Seed = None,
        sector: npt.ArrayLike | None = None,
        engine: str | None = None,
    ) -> None:
        self._engine = check_engine(engine)
        self._precision = check_precision(default_precision, "default_precision")
        self._shots = None if default_shots is None else check_shots(default_shots, "default_shots")
        if self._shots is not None and self._precision:
            raise InvalidInputError(
                "default_precision and default_shots must not both be given, "
                f"got {self._precision} and {self._shots}; choose one"
            )
        if self._shots is not None and sector is not None:
            raise InvalidInputError(
                "sector must be None with a shot count, since post-selection needs measurements in one basis; "
                "use default_precision for noise"
            )
        self._rng = as_generator(seed)
        self._sector = None if sector is None else np.asarray(getattr(sector, "basis", sector))

    @property
    def default_precision(self) -> float:
        """Precision where none is given; 0 is exact."""
        return self._precision

    @property
    def default_shots(self) -> int | None:
        """Shots per group of commuting terms where no precision is given; None is exact."""
        return self._shots

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> FinishedJob:
        """Estimate the expectation values of all PUBs.

        Args:
            pubs: ``(circuit, observables[, parameter values[, precision]])`` each; observables and parameter
                values are broadcast against each other.
            precision: Precision of the PUBs that give none.

        Returns:
            A finished job; ``job.result()[k].data`` has ``evs`` and ``stds`` of the broadcast shape.

        Raises:
            ValueError: Before anything is run, for a PUB that cannot be; the message names what is wrong.
        """
        if precision is not None:
            precision = check_precision(precision)
        whole = self._sector is not None
        tasks = [estimator_task(pub, precision, whole=whole) for pub in as_list(pubs, "estimator")]
        return FinishedJob(PrimitiveResult([self._run(task) for task in tasks], metadata={"version": 2}))

    def gradient(
        self, circuit: QuantumCircuit, observable: SparsePauliOp, parameter_values: npt.ArrayLike
    ) -> tuple[Floats, Floats]:
        """Return exact expectation values and their gradients, by one adjoint sweep per parameter set.

        Args:
            circuit: The circuit, with P parameters.
            observable: The Hermitian observable H.
            parameter_values: Shape (..., P), in the order of ``circuit.parameters``.

        Returns:
            Values of shape (...) and gradients of shape (..., P), the chain rule through parameter expressions
            included. Both are exact whatever the precision or shot count of the estimator.

        Raises:
            ValueError: For a circuit, observable or value that cannot be run.
        """
        small = narrow(circuit) if isinstance(circuit, QuantumCircuit) and self._sector is None else None
        if small is not None:
            circuit, observable = small.circuit, small.observable(observable)
        program = compile_circuit(circuit)
        compiled = compile_observable(observable)
        check_width(compiled, program)
        rows, leading = parameter_rows(circuit, program, parameter_values)
        keep = self._keep(program)
        engine = fastest("gradient", program.num_qubits) if self._engine == "auto" else self._engine
        if engine == "aer":
            values, grads = auto_engines.aer_gradients(circuit, compiled.operator, rows, keep)
        elif engine == "lightning" and keep is None:
            values, grads = auto_engines.lightning_gradients(circuit, compiled.operator, rows)
        else:
            values, grads = program.gradients(compiled, rows, keep)
        return values.reshape(leading), grads.reshape((*leading, program.num_parameters))

    def _keep(self, program: Program) -> Floats | None:
        if self._sector is None:
            return None
        size = 1 << program.num_qubits
        if self._sector.dtype == np.bool_:
            if self._sector.shape != (size,):
                raise invalid(
                    "sector", self._sector.shape, f"must be a mask of shape ({size},) or a list of indices"
                )
            return self._sector.astype(np.float64)
        if self._sector.size == 0 or self._sector.min() < 0 or self._sector.max() >= size:
            raise invalid("sector", self._sector, f"must hold basis state indices between 0 and {size - 1}")
        keep = np.zeros(size)
        keep[self._sector] = 1.0
        return keep

    def _run(self, task: EstimatorTask) -> PubResult:
        precision = task.precision
        shots = self._shots if precision is None else None
        if precision is None:
            precision = self._precision
        if shots is None:
            evs = self._exact(task)
            stds = np.full(task.shape, precision) if precision else np.zeros(task.shape)
            if precision:
                rng = self._rng.spawn(1)[0]
                evs = evs + rng.normal(0.0, precision, task.shape)
        else:
            evs, stds = self._sampled(task, shots, self._rng.spawn(1)[0])
        metadata = {"target_precision": precision, "shots": shots, "circuit_metadata": task.circuit.metadata}
        return PubResult(DataBin(evs=evs, stds=stds, shape=task.shape), metadata=metadata)

    def _elsewhere(self, engine: str, task: EstimatorTask, keep: Floats | None) -> Floats:
        """Run a task on another library: Aer point by point, lightning observable by observable."""
        count = int(np.prod(task.shape, dtype=int))
        which = np.zeros(count, dtype=np.int64) if task.which is None else task.which
        rows = np.arange(count) if task.rows is None else task.rows
        if engine == "aer":
            used, back = np.unique(rows, return_inverse=True)
            wanted: list[set[int]] = [set() for _ in used]
            for row, k in zip(back.tolist(), which.tolist(), strict=True):
                wanted[row].add(k)
            operators = [observable.operator for observable in task.observables]
            ordered = [sorted(mine) for mine in wanted]
            table = auto_engines.aer_table(task.circuit, operators, task.values[used], ordered, keep)
            return table[back, which].reshape(task.shape)
        evs = np.empty(count)
        for k, observable in enumerate(task.observables):
            mine = np.flatnonzero(which == k)
            used, back = np.unique(rows[mine], return_inverse=True)
            found = auto_engines.lightning_energies(task.circuit, observable.operator, task.values[used])
            evs[mine] = found[back]
        return evs.reshape(task.shape)

    def _exact(self, task: EstimatorTask) -> Floats:
        keep = self._keep(task.program)
        engine = self._engine if self._engine != "auto" else fastest("energy", task.program.num_qubits)
        if engine == "aer" or (engine == "lightning" and keep is None):
            return self._elsewhere(engine, task, keep)
        if task.which is None:
            return task.program.energies(task.observables[0], task.values, keep).reshape(task.shape)
        assert task.rows is not None
        evs = np.empty(len(task.which))
        if len(task.observables) == 1:
            evs[:] = task.program.energies(task.observables[0], task.values, keep)[task.rows]
            return evs.reshape(task.shape)
        for start, states in self._states(task):
            if keep is not None:
                states *= keep
                states /= np.linalg.norm(states, axis=1)[:, None]
            for k, observable in enumerate(task.observables):
                local = task.rows - start
                mine = np.flatnonzero((task.which == k) & (local >= 0) & (local < len(states)))
                if mine.size:
                    used, back = np.unique(local[mine], return_inverse=True)
                    evs[mine] = observable.expectation(states[used])[back]
        return evs.reshape(task.shape)

    def _sampled(self, task: EstimatorTask, shots: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        count = int(np.prod(task.shape, dtype=int))
        which = np.zeros(count, dtype=np.int64) if task.which is None else task.which
        rows = np.arange(count) if task.rows is None else task.rows
        evs, stds = np.empty(count), np.empty(count)
        for start, states in self._states(task):
            for k, observable in enumerate(task.observables):
                local = rows - start
                mine = np.flatnonzero((which == k) & (local >= 0) & (local < len(states)))
                if mine.size:
                    evs[mine], stds[mine] = compiled_shots.sample(observable, states[local[mine]], shots, rng)
        return evs.reshape(task.shape), stds.reshape(task.shape)

    def _states(self, task: EstimatorTask) -> Iterable[tuple[int, npt.NDArray[np.complex128]]]:
        chunk = max(1, CHUNK >> task.program.num_qubits)
        for start in range(0, len(task.values), chunk):
            values = task.values[start : start + chunk]
            if self._engine == "aer":
                yield start, auto_engines.aer_states(task.circuit, values)
            else:
                yield start, task.program.states(values)
