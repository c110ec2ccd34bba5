"""Any PennyLane device behind Qiskit's estimator interface."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, DataBin, EstimatorPubLike, PrimitiveResult, PubResult
from qiskit.quantum_info import SparsePauliOp

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
from qalgs.backends.compiled_shots import bases
from qalgs.backends.compiler import compile_circuit
from qalgs.backends.observables import CompiledObservable, compile_observable
from qalgs.backends.pennylane_bridge import observable_to_pennylane
from qalgs.backends.pennylane_template import Template
from qalgs.errors import ExecutionError, InvalidInputError, invalid
from qalgs.results import Described

if TYPE_CHECKING:
    from pennylane.devices import Device

Floats = npt.NDArray[np.float64]
DIFF_METHODS = (
    "best", "device", "backprop", "adjoint", "parameter-shift", "hadamard", "reversed-hadamard", "finite-diff",
    "spsa",
)  # fmt: skip


class PennyLaneEstimator(Described, BaseEstimatorV2):
    """Expectation values on a PennyLane device.

    Exact devices give exact values. With a precision p > 0 or a shot count, every group of qubit-wise commuting
    terms is measured with N = ceil(1 / p**2) shots (or that count), on the device; standard errors are those of
    the sample. A device seeds its own shots: pass ``qml.device(..., seed=...)``.

    Args:
        device: The device, or its name (``"default.qubit"``, ``"lightning.qubit"``, ...), made with enough wires.
        default_precision: Precision where neither the PUB nor ``run`` gives one; 0 is exact.
        default_shots: Shots per group of commuting terms where no precision is given.
        diff_method: PennyLane's differentiation method for :meth:`gradient`.

    Raises:
        InvalidInputError: If the device is unknown, or a precision or number of shots breaks its rule.

    Example:
        >>> from qalgs.circuits import hardware_efficient
        >>> job = PennyLaneEstimator("default.qubit").run([(hardware_efficient(2, 0), "ZZ", [0.0, 0.0])])
        >>> round(float(job.result()[0].data.evs), 6)
        1.0
    """

    def __init__(
        self,
        device: Device | str,
        *,
        default_precision: float = 0.0,
        default_shots: int | None = None,
        diff_method: str = "best",
    ) -> None:
        if isinstance(device, str) and device not in {e.name for e in entry_points(group="pennylane.plugins")}:
            raise invalid(
                "device", device, "must name a PennyLane device", "install its plugin, or pass the device"
            )
        if diff_method not in DIFF_METHODS:
            raise invalid("diff_method", diff_method, f"must be one of {', '.join(DIFF_METHODS)}")
        self._device = device
        self._precision = check_precision(default_precision, "default_precision")
        self._shots = None if default_shots is None else check_shots(default_shots, "default_shots")
        if self._shots is not None and self._precision:
            raise InvalidInputError(
                "default_precision and default_shots must not both be given, "
                f"got {self._precision} and {self._shots}; choose one"
            )
        self._diff_method = diff_method
        self._made: dict[int, Device] = {}

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> FinishedJob:
        """Estimate the expectation values of all PUBs on the device.

        Args:
            pubs: ``(circuit, observables[, parameter values[, precision]])`` each, broadcast as usual.
            precision: Precision of the PUBs that give none.

        Returns:
            A finished job with ``evs`` and ``stds``.

        Raises:
            ValueError: Before anything is run, for a PUB that cannot be.
            ExecutionError: If the device fails.
        """
        if precision is not None:
            precision = check_precision(precision)
        tasks = [estimator_task(pub, precision) for pub in as_list(pubs, "estimator")]
        return FinishedJob(PrimitiveResult([self._run(task) for task in tasks], metadata={"version": 2}))

    def gradient(
        self, circuit: QuantumCircuit, observable: SparsePauliOp, parameter_values: npt.ArrayLike
    ) -> tuple[Floats, Floats]:
        """Return expectation values and gradients by the device's differentiation method.

        Args:
            circuit: The circuit, with P parameters.
            observable: The Hermitian observable.
            parameter_values: Shape (..., P).

        Returns:
            Values (...) and gradients (..., P).
        """
        import pennylane as qml
        from pennylane import numpy as pnp

        program = compile_circuit(circuit)
        check_width(compile_observable(observable), program)
        rows, leading = parameter_rows(circuit, program, parameter_values)
        template = Template(circuit)
        hamiltonian = observable_to_pennylane(observable)

        @qml.qnode(self._get_device(circuit.num_qubits), diff_method=self._diff_method)
        def energy(values: Any) -> Any:
            template(values)
            return qml.expval(hamiltonian)

        derivative = qml.grad(energy)
        values = np.empty(len(rows))
        grads = np.zeros((len(rows), program.num_parameters))
        for k, row in enumerate(rows):
            point = pnp.array(row, requires_grad=True)
            if program.num_parameters:
                grads[k] = derivative(point)
                values[k] = derivative.forward
            else:
                values[k] = energy(point)
        return values.reshape(leading), grads.reshape((*leading, program.num_parameters))

    def _get_device(self, num_qubits: int) -> Device:
        import pennylane as qml

        if not isinstance(self._device, str):
            wires = self._device.wires
            if wires is not None and any(k not in wires for k in range(num_qubits)):
                raise invalid(
                    "device wires",
                    list(wires),
                    f"must contain 0 to {num_qubits - 1} for this circuit",
                    "add wires",
                )
            return self._device
        if num_qubits not in self._made:
            self._made[num_qubits] = qml.device(self._device, wires=num_qubits)
        return self._made[num_qubits]

    def _run(self, task: EstimatorTask) -> PubResult:
        precision = task.precision
        shots = self._shots if precision is None else None
        if precision is None:
            precision = self._precision
        if shots is None and precision:
            shots = math.ceil(1.0 / precision**2)
        count = math.prod(task.shape)
        which = np.zeros(count, dtype=np.int64) if task.which is None else task.which
        rows = np.arange(count) if task.rows is None else task.rows
        evs, stds = np.zeros(count), np.zeros(count)
        device = self._get_device(task.circuit.num_qubits)
        template = Template(task.circuit)
        run = self._exact if shots is None else self._sampled
        for k, observable in enumerate(task.observables):
            mine = np.flatnonzero(which == k)
            used, back = np.unique(rows[mine], return_inverse=True)
            found = run(device, template, observable, task.values[used], shots or 0)
            evs[mine], stds[mine] = found[0][back], found[1][back]
        metadata = {"target_precision": precision, "shots": shots, "circuit_metadata": task.circuit.metadata}
        data = DataBin(evs=evs.reshape(task.shape), stds=stds.reshape(task.shape), shape=task.shape)
        return PubResult(data, metadata=metadata)

    def _exact(
        self, device: Device, template: Template, observable: CompiledObservable, values: Floats, shots: int
    ) -> tuple[Floats, Floats]:
        import pennylane as qml

        hamiltonian = observable_to_pennylane(observable.operator)
        tapes = []
        for row in values:
            with qml.queuing.AnnotatedQueue() as queue:
                template(row)
                qml.expval(hamiltonian)
            tapes.append(qml.tape.QuantumScript.from_queue(queue))
        found = np.array([float(x) for x in _execute(tapes, device)])
        return found, np.zeros(len(values))

    def _sampled(
        self, device: Device, template: Template, observable: CompiledObservable, values: Floats, shots: int
    ) -> tuple[Floats, Floats]:
        import pennylane as qml

        n = observable.num_qubits
        settings, constant = bases(observable)
        tapes = []
        for row in values:
            for basis in settings:
                with qml.queuing.AnnotatedQueue() as queue:
                    template(row)
                    for q, letter in enumerate(basis.letters):
                        if letter == 2:
                            qml.adjoint(qml.S)(q)
                        if letter in (1, 2):
                            qml.Hadamard(q)
                    qml.counts(wires=range(n - 1, -1, -1))
                tapes.append(qml.tape.QuantumScript.from_queue(queue, shots=shots))
        results = iter(_execute(tapes, device))
        evs, variances = np.full(len(values), constant), np.zeros(len(values))
        for k in range(len(values)):
            for basis in settings:
                counts = next(results)
                outcomes = basis.outcome[[int(str(bits), 2) for bits in counts]]
                weights = np.array([int(c) for c in counts.values()], dtype=float)
                mean = weights @ outcomes / shots
                evs[k] += mean
                if shots > 1:
                    variances[k] += weights @ (outcomes - mean) ** 2 / (shots - 1) / shots
        return evs, np.sqrt(variances)


def _execute(tapes: list[Any], device: Device) -> Any:
    import pennylane as qml

    if not tapes:
        return ()
    try:
        return qml.execute(tapes, device, diff_method=None)
    except Exception as error:
        raise ExecutionError(f"PennyLane device {device.name} failed: {error}") from error
