"""IBM Runtime's executor primitives as V2 primitives: checked first, mitigation stated, noise never shared.

On a real device, in a session, in a batch, or locally on a fake backend or an Aer simulator: the same calls. What
the adapter adds to ``executor_estimator.Estimator`` and ``executor_sampler.Sampler``:

* circuits are compared with the device's instruction set before anything is submitted (the executor itself finds
  out late, and says it badly), or transpiled once per structure if asked for;
* the resilience level is an argument of its own, 0 unless stated, and travels in the metadata (the Estimator's own
  default is 1: twirled readout mitigation);
* in local mode every PUB has a seed of its own (one seed for a job gives all its PUBs the same noise) and runs on
  the compact device of its own qubits (the executor measures all qubits of a device, too many to simulate);
* PUBs of different precision or shots, which one job refuses, become several jobs behind one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike

from qalgs.backends.devices import load_backend
from qalgs.backends.noise_device import Cache, circuit_key
from qalgs.backends.noisy_checks import (
    as_rows,
    bound_values,
    check_shots,
    coerce_pub,
    coerce_sampler_pub,
    measures,
    refuse,
)
from qalgs.backends.runtime_isa import check_isa
from qalgs.backends.runtime_job import RuntimeJob
from qalgs.backends.runtime_local import LocalDevice, active_qubits, shrink, shrink_observable
from qalgs.errors import InvalidInputError, expect, invalid
from qalgs.results import Described
from qalgs.seeds import Seed, as_generator, simulator_seed


class _RuntimeBase(Described):
    """What both primitives share: where they run, ISA circuits, seeds."""

    def __init__(
        self,
        mode: Any,
        *,
        options: Mapping[str, Any] | None,
        seed: Seed,
        optimization_level: int | None,
        layout: Sequence[int] | None,
    ) -> None:
        self.mode = load_backend(mode) if isinstance(mode, str) else mode
        self._backend = self._find_backend(self.mode)
        if optimization_level is None and layout is not None:
            raise invalid("layout", list(layout), "must come with optimization_level", "pass optimization_level=1")
        if optimization_level is not None and optimization_level not in (0, 1, 2, 3):
            raise invalid("optimization_level", optimization_level, "must be 0, 1, 2, 3 or None")
        self.optimization_level = optimization_level
        self.layout = None if layout is None else tuple(layout)
        self._options = {k: dict(v) if isinstance(v, Mapping) else v for k, v in (options or {}).items()}
        self._rng = as_generator(seed)
        self._isa: Cache[Hashable, tuple[QuantumCircuit, Any]] = Cache()
        self._passes: dict[int, Any] = {}
        self._local: LocalDevice | None = None

    @staticmethod
    def _find_backend(mode: Any) -> Any:
        from qiskit.providers import BackendV2
        from qiskit_ibm_runtime import Batch, Session

        if isinstance(mode, Session | Batch):
            return mode._backend
        if isinstance(mode, BackendV2):
            return mode
        raise TypeError(
            f"mode must be a backend, the name of one, a Session or a Batch, got {type(mode).__name__}"
        )

    @property
    def backend(self) -> Any:
        """The backend that circuits run on."""
        return self._backend

    @property
    def is_local(self) -> bool:
        """Whether circuits are simulated on this machine."""
        from qiskit_ibm_runtime import IBMBackend

        return not isinstance(self._backend, IBMBackend)

    def isa(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit that is submitted.

        Raises:
            InvalidInputError: If it is not an ISA circuit and no ``optimization_level`` was given.
        """
        return self._isa_of(circuit)[0]

    def _isa_of(self, circuit: QuantumCircuit) -> tuple[QuantumCircuit, Any]:
        """Return the ISA circuit, and the layout to apply to observables (None: they fit already)."""
        key = circuit_key(circuit)
        found = self._isa.fetch(key)
        if found is not None:
            return found
        name = str(getattr(self._backend, "name", "the device"))
        if self.optimization_level is None:
            check_isa(circuit, self._backend.target, name)
            return self._isa.keep(key, (circuit, None))
        isa = self._transpile(circuit, name)
        check_isa(isa, self._backend.target, name)
        return self._isa.keep(key, (isa, isa.layout))

    def _transpile(self, circuit: QuantumCircuit, name: str) -> QuantumCircuit:
        from qiskit.transpiler import generate_preset_pass_manager

        width = circuit.num_qubits
        if self.layout is not None and len(self.layout) < width:
            raise invalid("layout", list(self.layout), f"must name at least the {width} qubits of the circuit")
        if width not in self._passes:
            self._passes[width] = generate_preset_pass_manager(
                optimization_level=self.optimization_level,
                backend=self._backend,
                initial_layout=None if self.layout is None else list(self.layout[:width]),
                seed_transpiler=0,
            )
        try:
            return self._passes[width].run(circuit)
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            raise InvalidInputError(f"circuit cannot be transpiled to {name}: {text}") from error

    def _submit(
        self,
        make: Callable[[Any, dict[str, Any]], Any],
        pubs: Sequence[Any],
        budgets: Sequence[Any],
        keyword: str,
    ) -> tuple[list[Any], list[list[int]]]:
        """Submit PUBs: one job per budget on a device; locally one per PUB, each with a fresh seed."""
        if self.is_local:
            return self._submit_locally(make, pubs, budgets, keyword)
        groups: dict[Any, list[int]] = {}
        for position, budget in enumerate(budgets):
            groups.setdefault(budget, []).append(position)
        jobs = [
            make(self.mode, dict(self._options)).run([pubs[i] for i in members], **{keyword: budget})
            for budget, members in groups.items()
        ]
        return jobs, list(groups.values())

    def _submit_locally(
        self,
        make: Callable[[Any, dict[str, Any]], Any],
        pubs: Sequence[Any],
        budgets: Sequence[Any],
        keyword: str,
    ) -> tuple[list[Any], list[list[int]]]:
        jobs = []
        for pub, budget in zip(pubs, budgets, strict=True):
            options = dict(self._options)
            seed = simulator_seed(self._rng)
            options["simulator"] = {**options.get("simulator", {}), "seed_simulator": seed}
            mode, small = self._compact(pub)
            jobs.append(make(mode, options).run([small], **{keyword: budget}))
        return jobs, [[i] for i in range(len(jobs))]

    def _compact(self, pub: Any) -> tuple[Any, Any]:
        """Return a simulator of the PUB's own qubits and the PUB on them; Aer's simulators are left alone."""
        from qiskit_aer import AerSimulator

        if isinstance(self._backend, AerSimulator):
            return self._backend, pub
        if self._local is None:
            self._local = LocalDevice(self._backend)
        if any(item.operation.name in self._local.snapshot.ignored for item in pub.circuit.data):
            return self.mode, pub
        if isinstance(pub, SamplerPub):
            qubits = active_qubits(pub.circuit)
            small = SamplerPub(shrink(pub.circuit, qubits), pub.parameter_values, pub.shots, validate=True)
            return self._local.simulator(qubits), small
        observables = pub.observables.sparse_observables_array()
        observed = {int(q) for o in observables.ravel() for q in o.indices}
        qubits = active_qubits(pub.circuit, observed)
        moved = np.empty(observables.shape, dtype=object)
        for index in np.ndindex(observables.shape):
            moved[index] = shrink_observable(observables[index], qubits)
        array = ObservablesArray(moved, num_qubits=len(qubits))
        circuit = shrink(pub.circuit, qubits)
        return self._local.simulator(qubits), EstimatorPub(circuit, array, pub.parameter_values, pub.precision)


class RuntimeEstimator(_RuntimeBase, BaseEstimatorV2):
    """Expectation values through ``qiskit_ibm_runtime.executor_estimator.Estimator``.

    Args:
        mode: A backend (IBM's, a fake one, an Aer simulator), its name, a ``Session`` or a ``Batch``.
        resilience_level: Error mitigation: 0 none, 1 twirled readout, 2 zero-noise extrapolation besides.
        default_precision: Precision of runs that state none; ``ceil(1 / precision**2)`` shots per basis.
        options: Further options of the Estimator as a (nested) mapping.
        seed: Seeds local mode; devices have their own noise.
        optimization_level: If given, circuits are transpiled (once per structure) and observables follow; if None,
            circuits must be ISA circuits of the backend.
        layout: Physical qubits for transpilation.

    Raises:
        InvalidInputError: If the backend is unknown, or an option breaks its rule.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> estimator = RuntimeEstimator("fake_manila", seed=7, optimization_level=1)
        >>> circuit = QuantumCircuit(2); _ = circuit.h(0), circuit.cx(0, 1)
        >>> data = estimator.run([(circuit, "ZZ")], precision=0.05).result()[0].data
        >>> bool(0.7 < data.evs < 1.0)
        True
    """

    def __init__(
        self,
        mode: Any,
        *,
        resilience_level: int = 0,
        default_precision: float = 1 / 64,
        options: Mapping[str, Any] | None = None,
        seed: Seed = None,
        optimization_level: int | None = None,
        layout: Sequence[int] | None = None,
    ) -> None:
        expect(Mapping, type(None), options=options)
        expect(Iterable, type(None), layout=layout)
        if resilience_level not in (0, 1, 2) or isinstance(resilience_level, bool):
            raise invalid("resilience_level", resilience_level, "must be 0, 1 or 2")
        if "resilience_level" in (options or {}):
            raise invalid("options", "resilience_level", "must not repeat the argument resilience_level")
        super().__init__(mode, options=options, seed=seed, optimization_level=optimization_level, layout=layout)
        self.resilience_level = resilience_level
        self.default_precision = _positive(default_precision, "default_precision")

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> RuntimeJob:
        """Submit PUBs.

        Args:
            pubs: ``(circuit, observables, parameter values, precision)`` tuples.
            precision: Precision of PUBs that state none; it must be positive.

        Returns:
            A job; each result's metadata states ``resilience_level``, ``target_precision`` and ``backend``.

        Raises:
            InvalidInputError: If a PUB breaks a rule; nothing is submitted then.
        """
        default = self.default_precision if precision is None else _positive(precision)
        ready, budgets = [], []
        for pub in pubs:
            coerced = coerce_pub(pub)
            refuse(coerced.circuit)
            bound_values(coerced.circuit, coerced.parameter_values)
            isa, layout = self._isa_of(coerced.circuit)
            observables = coerced.observables
            if layout is not None:
                observables = observables.apply_layout(layout, num_qubits=isa.num_qubits)
            values = _bindings(isa, coerced.circuit, coerced.parameter_values)
            budgets.append(default if coerced.precision is None else _positive(coerced.precision))
            ready.append(EstimatorPub(isa, observables, values, None, validate=True))
        if not ready:
            return RuntimeJob([], [], lambda _, result: result)
        jobs, positions = self._submit(self._make, ready, budgets, "precision")

        def finish(position: int, result: Any) -> PubResult:
            facts = {
                "resilience_level": self.resilience_level,
                "target_precision": budgets[position],
                "backend": str(self._backend.name),
            }
            return PubResult(result.data, metadata={**result.metadata, **facts})

        return RuntimeJob(jobs, positions, finish)

    def _make(self, mode: Any, options: dict[str, Any]) -> Any:
        from qiskit_ibm_runtime.executor_estimator import Estimator

        return Estimator(mode=mode, options={**options, "resilience_level": self.resilience_level})


class RuntimeSampler(_RuntimeBase, BaseSamplerV2):
    """Measured bits through ``qiskit_ibm_runtime.executor_sampler.Sampler``.

    Args:
        mode: A backend (IBM's, a fake one, an Aer simulator), its name, a ``Session`` or a ``Batch``.
        default_shots: Shots of runs that state none.
        options: Options of the Sampler as a (nested) mapping.
        seed: Seeds local mode.
        optimization_level: If given, circuits are transpiled; if None, they must be ISA circuits.
        layout: Physical qubits for transpilation.

    Raises:
        InvalidInputError: If the backend is unknown, or an option breaks its rule.

    Example:
        >>> from qiskit import QuantumCircuit
        >>> sampler = RuntimeSampler("fake_manila", seed=7, optimization_level=1)
        >>> circuit = QuantumCircuit(1)
        >>> _ = circuit.x(0), circuit.measure_all()
        >>> sampler.run([circuit], shots=1000).result()[0].data.meas.get_counts()["1"] > 900
        True
    """

    def __init__(
        self,
        mode: Any,
        *,
        default_shots: int = 4096,
        options: Mapping[str, Any] | None = None,
        seed: Seed = None,
        optimization_level: int | None = None,
        layout: Sequence[int] | None = None,
    ) -> None:
        expect(Mapping, type(None), options=options)
        expect(Iterable, type(None), layout=layout)
        super().__init__(mode, options=options, seed=seed, optimization_level=optimization_level, layout=layout)
        self.default_shots = check_shots("default_shots", default_shots)

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> RuntimeJob:
        """Submit PUBs.

        Args:
            pubs: Circuits, or ``(circuit, parameter values, shots)`` tuples.
            shots: Shots of PUBs that state none.

        Raises:
            InvalidInputError: If a PUB breaks a rule; nothing is submitted then.
        """
        default = self.default_shots if shots is None else check_shots("shots", shots)
        ready, budgets = [], []
        for pub in pubs:
            coerced = coerce_sampler_pub(pub, default)
            if not coerced.circuit.cregs or not measures(coerced.circuit):
                raise InvalidInputError("sampler circuit must measure into a classical register; add measurements")
            bound_values(coerced.circuit, coerced.parameter_values)
            isa, _ = self._isa_of(coerced.circuit)
            budgets.append(int(coerced.shots))
            values = _bindings(isa, coerced.circuit, coerced.parameter_values)
            ready.append(SamplerPub(isa, values, None, validate=True))
        if not ready:
            return RuntimeJob([], [], lambda _, result: result)
        jobs, positions = self._submit(self._make, ready, budgets, "shots")
        return RuntimeJob(jobs, positions, lambda _, result: result)

    def _make(self, mode: Any, options: dict[str, Any]) -> Any:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        return Sampler(mode=mode, options=options)


def _bindings(isa: QuantumCircuit, circuit: QuantumCircuit, values: Any) -> Any:
    """Return the values of those parameters that transpilation has left in the circuit."""
    if isa is circuit or isa.num_parameters == circuit.num_parameters:
        return values
    from qiskit.primitives.containers.bindings_array import BindingsArray

    column = {p: i for i, p in enumerate(circuit.parameters)}
    table = as_rows(bound_values(circuit, values))
    kept = table[:, [column[p] for p in isa.parameters]].reshape(*values.shape, isa.num_parameters)
    return BindingsArray({tuple(isa.parameters): kept}, shape=values.shape)


def _positive(precision: Any, name: str = "precision") -> float:
    if not (isinstance(precision, int | float | np.floating) and 0 < precision < np.inf):
        raise invalid(
            name,
            precision,
            "must be positive on hardware and in local mode",
            "use NoisyEstimator for exact values",
        )
    return float(precision)
