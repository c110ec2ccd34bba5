"""The noisy estimator: a V2 primitive that simulates exactly the qubits of a layout, with their noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPubLike
from qiskit.quantum_info import DensityMatrix

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
    Request,
    TrajectoryPlan,
    check_noisy_engine,
)
from qalgs.backends.noise_observables import (
    Terms,
    from_components,
    measurement_bases,
    pauli_terms,
    place,
    read_out,
)
from qalgs.backends.noise_program import lower
from qalgs.backends.noisy_basis import evaluate, slopes
from qalgs.backends.noisy_checks import (
    Pub,
    as_rows,
    bound_values,
    check_precision,
    check_shots,
    coerce_pub,
    read_pub,
    refuse,
)
from qalgs.backends.noisy_gradient import gradient
from qalgs.backends.noisy_plans import AnyPlan, CompiledCircuit, ExactPlan, Prepared, SampledPlan, split_basis
from qalgs.backends.noisy_trajectories import Trajectories
from qalgs.backends.snapshot import DeviceSnapshot, Inflation
from qalgs.errors import invalid
from qalgs.results import Described
from qalgs.seeds import Seed, as_generator

MOST_BITS = 24
"""Most bits of a measurement whose outcomes are tabulated."""


class NoisyEstimator(Described, BaseEstimatorV2):
    """Expectation values on a few qubits of a noisy device, simulated without the rest of it.

    The noise is Aer's: gate errors, relaxation and readout errors of the device's calibration. A circuit that is
    not an ISA circuit of the layout is transpiled to it once per structure, virtual qubit ``i`` starting on
    ``layout[i]``; observables follow routing. Readout errors are part of the expectation values (exactly: each
    measured Pauli is damped as flipped bits damp it). The change of measurement basis, which on a device is a few
    more noisy gates on the qubits where X or Y is measured, is ideal unless ``basis_change_noise`` is set.

    With a precision of zero the values are exact. With a precision or a number of shots they are sampled: every
    qubit-wise commuting group of terms is measured with that many shots. A group whose light cone is too wide for
    one density matrix is measured in parts, each with that many shots of its own, so that means are unbiased and
    standard errors right, but correlations between the parts are not those of a single run.

    Args:
        snapshot: The calibration.
        layout: Physical qubits, joined by live couplers.
        engine: ``"compiled"`` (density matrices in the Pauli basis, light cones), ``"aer"`` (density matrix to
            10 qubits, trajectories beyond) or ``"auto"``: compiled while the light cone has at most 13 qubits,
            trajectories beyond (Aer throughout if the environment variable QALGS_ENGINE says "aer").
        default_precision: Precision of runs that state none; 0 is exact.
        default_shots: Shots per measurement basis of runs that state no precision; None is exact.
        seed: Seeds shot noise; every call and every PUB draws from its own stream.
        inflation: Factors on gate errors, for crosstalk: see :meth:`DeviceSnapshot.inflate`. Keys are physical.
        readout: Whether readout errors are applied.
        optimization_level: Of the transpiler, for circuits that need it.
        trajectories: Number of trajectories where exact values would need too large a density matrix.
        basis_change_noise: Append the device's own, noisy gates for each measurement basis to the circuit, as
            hardware does; each basis then is a circuit of its own. By default terms are read from the state
            before, as Aer's estimator does; each X or Y is then too large by about the error of one ``sx``.

    Raises:
        InvalidInputError: If the layout is unknown, repeated, disconnected or joined by dead couplers only.

    Example:
        >>> from qiskit.circuit.library import efficient_su2
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> snapshot = DeviceSnapshot.from_backend("fake_brisbane")
        >>> estimator = NoisyEstimator(snapshot, [0, 1, 2])
        >>> circuit = efficient_su2(3, reps=1)
        >>> result = estimator.run([(circuit, SparsePauliOp("ZZZ"), [0.0] * 12)]).result()[0]
        >>> 0.7 < float(result.data.evs) < 1.0
        True
    """

    def __init__(
        self,
        snapshot: DeviceSnapshot,
        layout: Iterable[int],
        *,
        engine: str = "auto",
        default_precision: float = 0.0,
        default_shots: int | None = None,
        seed: Seed = None,
        inflation: Inflation | None = None,
        readout: bool = True,
        optimization_level: int = 1,
        trajectories: int = 1024,
        basis_change_noise: bool = False,
    ) -> None:
        self.device = CompactDevice(snapshot, layout, inflation=inflation, optimization_level=optimization_level)
        self.engine = check_noisy_engine(engine)
        self.default_precision = check_precision(default_precision, "default_precision")
        self.default_shots = None if default_shots is None else check_shots("default_shots", default_shots)
        self.readout = readout
        self.trajectories = check_shots("trajectories", trajectories)
        self.basis_change_noise = bool(basis_change_noise)
        self._rng = as_generator(seed)
        self._aer = AerEngine(self.device.snapshot, readout=readout)
        self._flips = self.device.flips if readout else np.zeros_like(self.device.flips)
        self._structures: Cache[Hashable, CompiledCircuit] = Cache()
        self._circuits: CircuitCache[CompiledCircuit] = CircuitCache(self._build)

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
        return self._compile(circuit).isa

    def state(self, circuit: QuantumCircuit, values: Any = None) -> DensityMatrix:
        """Return the noisy state before readout, on the compact qubits in the order of the layout.

        Args:
            circuit: The circuit; routing, if any, is not undone.
            values: (P,) parameter values, None without parameters.

        Raises:
            InvalidInputError: If the layout is too large for a density matrix.
        """
        compiled = self._compile(circuit)
        n = self.device.num_qubits
        if n > AER_DENSITY_LIMIT:
            raise invalid("layout", f"{n} qubits", f"must have at most {AER_DENSITY_LIMIT} qubits for a state")
        pub = coerce_pub((circuit, "I" * circuit.num_qubits, values))
        point = as_rows(bound_values(circuit, pub.parameter_values))
        letters = itertools.product(range(4), repeat=n)
        paulis = [tuple((q, p) for q, p in enumerate(reversed(word)) if p) for word in letters]
        plan = self._plan(compiled, [Request(paulis)])
        assert not isinstance(plan, TrajectoryPlan | Trajectories)
        return DensityMatrix(from_components(plan.components(point)[0]))

    def run(
        self,
        pubs: Iterable[EstimatorPubLike],
        *,
        precision: float | None = None,
        shots: int | None = None,
        seed: Seed = None,
    ) -> FinishedJob:
        """Estimate expectation values.

        Args:
            pubs: ``(circuit, observables, parameter values, precision)`` tuples; the last two are optional.
            precision: Target precision of PUBs that state none: ``ceil(1 / precision**2)`` shots per basis.
            shots: Shots per basis of PUBs that state no precision; instead of ``precision``.
            seed: Seeds the shot noise of this call alone; the estimator's own stream is then left untouched.

        Returns:
            A finished job; each result has ``data.evs`` and ``data.stds`` (zero if exact).

        Raises:
            InvalidInputError: If a circuit, an observable or a value breaks a rule, before anything is simulated.
        """
        if precision is not None and shots is not None:
            raise invalid("shots", shots, "must not be given together with precision")
        read = [read_pub(pub) for pub in pubs]
        budgets = [self._budget(pub.precision, precision, shots) for pub in read]
        prepared = [self._ready(pub, n) for pub, n in zip(read, budgets, strict=True)]
        source = self._rng if seed is None else as_generator(seed)
        results = []
        for pub, n, ready in zip(read, budgets, prepared, strict=True):
            evs, stds, info = ready(source)
            data = DataBin(evs=evs, stds=stds, shape=evs.shape)
            meta = {"target_precision": 0.0 if n is None else n**-0.5, "shots": n, **info}
            results.append(PubResult(data, metadata={**meta, "circuit_metadata": pub.circuit.metadata}))
        return FinishedJob(PrimitiveResult(results, metadata={"version": 2}))

    def gradient(
        self,
        circuit: QuantumCircuit,
        observable: Any,
        parameter_values: Any,
        *,
        method: str = "auto",
        shots: int | None = None,
        precision: float | None = None,
        seed: Seed = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return noisy expectation values and their gradients by the parameters.

        Every parametrised rotation of the ISA circuit obeys ``dE/da = (E(a + pi/2) - E(a - pi/2)) / 2``, noise
        included, since the noise does not depend on the angle; the chain rule leads to the parameters.

        Args:
            circuit: The parametrised circuit.
            observable: One observable.
            parameter_values: (P,) or (B, P).
            method: ``"shift"`` (all shifted circuits as one batch), ``"adjoint"`` (one reverse sweep, the same
                numbers for about the price of four evaluations; exact values only) or ``"auto"``.
            shots: Shots per basis and shifted circuit; exact if neither this nor ``precision`` is given.
            precision: Instead of ``shots``.
            seed: Seeds the shot noise of this call.

        Returns:
            Values (B,) or (), and gradients (B, P) or (P,).
        """
        if method not in ("auto", "shift", "adjoint"):
            raise invalid("method", method, "must be 'auto', 'shift' or 'adjoint'")
        values = np.asarray(parameter_values, dtype=float)
        budget = self._budget(None, precision, shots)
        pub = read_pub((circuit, observable, values))
        if pub.shape != ():
            raise invalid("observable", pub.shape, "must be a single observable")
        value, slope = (slopes if self.basis_change_noise else gradient)(self, pub, method, budget, seed)
        return (value, slope) if values.ndim > 1 else (value.reshape(()), slope.reshape(-1))

    def _ready(self, pub: Pub, shots: int | None) -> Callable[[np.random.Generator], Any]:
        """Return what evaluates a PUB, once its errors are known."""
        compiled = self._compile(pub.circuit)
        if self.basis_change_noise:
            np.broadcast_shapes(pub.values.shape[:-1], pub.shape)
            return lambda source: evaluate(self, pub, shots, source)
        return self._prepare(compiled, pub, pub.values, shots).evaluate

    def _budget(self, own: float | None, precision: float | None, shots: int | None) -> int | None:
        """Return the shots per basis, None for exact values."""
        for given in (own, precision):
            if given is not None:
                return None if check_precision(given) == 0 else int(np.ceil(1 / given**2))
        if shots is not None:
            return check_shots("shots", shots)
        if self.default_precision > 0:
            return int(np.ceil(1 / self.default_precision**2))
        return self.default_shots

    def _compile(self, circuit: QuantumCircuit) -> CompiledCircuit:
        return self._circuits.get(circuit)

    def _build(self, circuit: QuantumCircuit) -> CompiledCircuit:
        key = circuit_key(circuit)
        found = self._structures.fetch(key)
        if found is not None:
            return found
        refuse(circuit)
        isa, places = self.device.isa(circuit, key)
        ops = None if self.engine == "aer" else lower(isa, self.device.snapshot)
        return self._structures.keep(key, CompiledCircuit(isa, places, tuple(circuit.parameters), ops))

    def _plan(self, compiled: CompiledCircuit, requests: Sequence[Request]) -> AnyPlan:
        """Choose the engine; the compiled one for as long as the light cones allow it."""
        if compiled.ops is None:
            if self.device.num_qubits <= AER_DENSITY_LIMIT:
                return AerPlan(self._aer, compiled.isa, requests, compiled.parameters)
        else:
            operands = [op.qubits for op in compiled.ops]
            widest = max((len(backward_cone(operands, r.support)[1]) for r in requests), default=0)
            if widest <= self._compiled_limit():
                return CompiledPlan(compiled.ops, requests, compiled.parameters)
            self._refuse_width(widest)
        return self._trajectories(compiled)

    def _trajectories(self, compiled: CompiledCircuit) -> TrajectoryPlan | Trajectories:
        if compiled.ops is None:
            return TrajectoryPlan(self._aer, compiled.isa, compiled.parameters)
        return Trajectories(compiled.ops, compiled.parameters, self._flips)

    def _compiled_limit(self) -> int:
        return COMPILED_MOST if self.engine == "compiled" else COMPILED_LIMIT

    def _refuse_width(self, widest: int) -> None:
        if self.engine == "compiled":
            raise invalid(
                "circuit",
                f"a light cone of {widest} qubits",
                f"must need at most {COMPILED_MOST} qubits with engine='compiled'",
                "use engine='auto' for trajectories",
            )

    def _plan_sampled(self, compiled: CompiledCircuit, observable: Any) -> SampledPlan:
        """Plan the measurement bases of one observable; a basis with too wide a light cone is split."""
        offset, bases = measurement_bases(place(pauli_terms(observable), compiled.places))
        small = self.device.num_qubits <= AER_DENSITY_LIMIT
        if compiled.ops is not None:
            operands = [op.qubits for op in compiled.ops]
            split = [split_basis(b, operands, self._compiled_limit()) for b in bases]
            small = None not in split
            if not small:
                self._refuse_width(max(len(backward_cone(operands, b.qubits)[1]) for b in bases))
            bases = [part for parts in split if parts is not None for part in parts] if small else bases
        if not small:
            widest = max((len(b.qubits) for b in bases), default=0)
            if widest > MOST_BITS:
                rule = f"must measure at most {MOST_BITS} qubits at once in trajectories"
                raise invalid(
                    "observable", f"a basis of {widest} qubits", rule, "use fewer qubits or shallower circuits"
                )
            return SampledPlan(self._trajectories(compiled), offset, bases, [b.values() for b in bases])
        plan = self._plan(compiled, [Request(b.spectrum()) for b in bases])
        return SampledPlan(plan, offset, bases, [b.values() for b in bases])

    def _prepare(self, compiled: CompiledCircuit, pub: Pub, values: FloatArray, shots: int | None) -> Prepared:
        if shots is None:
            exact = compiled.exact.fetch(pub.keys)
            if exact is None:
                terms = [read_out(place(pauli_terms(o), compiled.places), self._flips) for o in pub.observables]
                exact = compiled.exact.keep(pub.keys, self._plan_exact(compiled, terms))
            return Prepared(self._flips, self.trajectories, values, pub.shape, shots, exact, [])
        sampled = []
        for key, observable in zip(pub.keys, pub.observables, strict=True):
            one = compiled.sampled.fetch(key)
            if one is None:
                one = compiled.sampled.keep(key, self._plan_sampled(compiled, observable))
            sampled.append(one)
        return Prepared(self._flips, self.trajectories, values, pub.shape, shots, None, sampled)

    def _plan_exact(self, compiled: CompiledCircuit, observables: list[Terms]) -> ExactPlan:
        """Plan the expectations of all observables of a PUB at once; each Pauli is computed once."""
        paulis = sorted({p for terms in observables for p in terms})
        row = {p: i for i, p in enumerate(paulis)}
        weights = np.zeros((len(paulis), len(observables)))
        for column, terms in enumerate(observables):
            for pauli, coefficient in terms.items():
                weights[row[pauli], column] = coefficient
        plan = self._plan(compiled, [Request([p]) for p in paulis])
        return ExactPlan(plan, weights, observables)
