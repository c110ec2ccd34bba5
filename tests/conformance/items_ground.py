"""Items of the ground floor: circuits, operators, encodings, engines, optimisers."""

from __future__ import annotations

from functools import cache
from typing import Any

import networkx as nx
import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from registry import Item, Refused, items_of

from qalgs import backends, circuits, optimizers
from qalgs.backends import DeviceSnapshot
from qalgs.circuits import Dilation, hardware_efficient, max3cut_encoding, max_cut, tfim

NAN = float("nan")
SEED: Refused = [({"seed": -1}, "seed must be non-negative.*-1")]
QASM = """OPENQASM 3.0;
include "stdgates.inc";
input float a;
qubit[2] q;
ry(a) q[0];
cx q[0], q[1];
"""
MATRIX = np.array([[0.5, 0.25, 0, 0], [0.25, 0.5, 0.25, 0], [0, 0.25, 0.5, 0.25], [0, 0, 0.25, 0.5]])


@cache
def manila() -> DeviceSnapshot:
    return DeviceSnapshot.from_backend("fake_manila")


def triangle() -> Any:
    graph: nx.Graph[int] = nx.cycle_graph(3)
    for edge in graph.edges:
        graph.edges[edge]["weight"] = 1.5
    return graph


def coded() -> Any:
    return max3cut_encoding(nx.path_graph(2), "one-hot")


PREFIX = frozenset({"parameter_prefix"})
"""Any word may name a parameter."""
circuit = items_of("circuit", circuits)
CIRCUITS = [
    circuit(
        "hardware_efficient",
        given=lambda: {"num_qubits": 3, "reps": 1},
        accepted=PREFIX,
        refused=[
            ({"num_qubits": 0}, "num_qubits must be .*0"),
            ({"reps": -1}, "reps must be .*-1"),
            ({"entanglement": "spiral"}, "entanglement must be .*spiral"),
            ({"rotations": "rq"}, "rotations must be .*rq"),
            ({"entangler": "h"}, "entangler must be .*h"),
        ],
    ),
    circuit(
        "hardware_efficient[efficient_su2]",
        given=lambda: {"num_qubits": 2, "reps": 1, "rotations": ("ry", "rz"), "entanglement": "full"},
        accepted=PREFIX,
        refused=[({"rotations": ()}, "rotations must be")],
    ),
    circuit(
        "hamiltonian_variational",
        given=lambda: {"hamiltonian": tfim(3), "reps": 2},
        accepted=PREFIX,
        refused=[
            ({"reps": 0}, "reps must be .*0"),
            ({"hamiltonian": SparsePauliOp("II")}, "hamiltonian must "),
            ({"hamiltonian": SparsePauliOp(["ZZ"], [1j])}, "hamiltonian must be Hermitian"),
            ({"initial_state": QuantumCircuit(2)}, "initial_state must "),
        ],
    ),
    circuit(
        "particle_conserving",
        given=lambda: {"num_orbitals": 2, "num_particles": (1, 1)},
        accepted=PREFIX,
        refused=[
            ({"num_particles": (3, 1)}, "num_particles must be .*3"),
            ({"kind": "pairs"}, "kind must be .*pairs"),
            ({"reps": 0}, "reps must be .*0"),
            ({"num_orbitals": 0}, "num_orbitals must be .*0"),
        ],
    ),
    circuit(
        "particle_conserving[kupccgsd]",
        given=lambda: {"num_orbitals": 2, "num_particles": (1, 1), "kind": "kupccgsd"},
        accepted=PREFIX,
        refused=[({"num_particles": (-1, 1)}, "num_particles must be .*-1")],
    ),
    circuit(
        "magnetization_conserving",
        given=lambda: {"num_qubits": 3, "num_ones": 1},
        accepted=PREFIX,
        refused=[
            ({"num_ones": 3}, "num_ones must be .*3"),
            ({"num_qubits": 1}, "num_qubits must be .*1"),
            ({"reps": 0}, "reps must be .*0"),
        ],
    ),
    circuit(
        "qaoa",
        given=lambda: {"cost": max_cut(triangle()), "reps": 2},
        refused=[
            ({"reps": 0}, "reps must be .*0"),
            ({"cost": SparsePauliOp("II")}, "cost must "),
            ({"cost": SparsePauliOp(["ZZ"], [1j])}, "cost must have .*real"),
        ],
    ),
    circuit(
        "max3cut_qaoa",
        given=lambda: {"encoding": coded()},
        refused=[
            ({"reps": 0}, "reps must be .*0"),
            ({"mixer": "grover"}, "mixer must be .*grover"),
            ({"bias": 1.5}, "bias must be .*1.5"),
            ({"encoding": max3cut_encoding(nx.path_graph(2), "qutrit")}, "encoding must "),
        ],
    ),
    circuit(
        "read_qasm3",
        given=lambda: {"source": QASM},
        accepted=frozenset({"source"}),
        refused=[
            ({"source": "OPENQASM 3.0; qubit q; wobble q;"}, "wobble"),
            ({"source": "absent.qasm"}, "absent.qasm"),
        ],
    ),
    circuit(
        "cross_term_circuit",
        given=lambda: {"ansatz": hardware_efficient(2, 1)},
        refused=[({"form": "woven"}, "form must be .*woven"), ({"part": "whole"}, "part must be .*whole")],
    ),
    circuit(
        "overlap_circuit",
        given=lambda: {"ansatz": hardware_efficient(2, 1)},
    ),
    circuit(
        "prepare_state",
        given=lambda: {"vector": [1.0, 2.0, 0.0, -1.0j]},
        refused=[
            ({"vector": [1.0, 2.0, 3.0]}, "vector must "),
            ({"vector": [0.0, 0.0]}, "vector must "),
            ({"vector": [NAN, 1.0]}, "vector must "),
        ],
    ),
    circuit(
        "qsvt_circuit",
        given=lambda: {"encoding": Dilation(MATRIX), "phases": [0.1, 0.2, 0.1]},
        refused=[({"phases": []}, "phases must "), ({"phases": [NAN, 0.0]}, "phases must be finite")],
    ),
]

operator = items_of("operator", circuits)
OPERATORS = [
    operator(
        "tfim",
        given=lambda: {"n": 3},
        refused=[({"n": 1}, "n must be .*1"), ({"h": NAN}, "h must be a finite")],
    ),
    operator(
        "xxz",
        given=lambda: {"n": 3, "delta": 0.5},
        refused=[({"n": 1}, "n must be .*1"), ({"delta": NAN}, "delta must be a finite")],
    ),
    operator(
        "heisenberg",
        given=lambda: {"n": 3},
        refused=[({"n": 1}, "n must be .*1"), ({"j": NAN}, "j must be a finite")],
    ),
    operator(
        "max_cut",
        given=lambda: {"graph": triangle()},
        refused=[({"graph": nx.Graph()}, "graph must "), ({"graph": nx.path_graph(2, nx.DiGraph)}, "graph must ")],
        accepted=frozenset({"weight"}),
    ),
    operator(
        "cross_term_observable",
        given=lambda: {"operator": tfim(2)},
    ),
    operator(
        "molecule",
        given=lambda: {"geometry": "H2"},
        refused=[
            ({"geometry": "Kryptonite"}, "Kryptonite"),
            ({"mapping": "braid"}, "mapping must be .*braid"),
            ({"basis": "none-such"}, "basis .*none-such"),
            ({"bond_length": -1.0}, "bond_length must be .*-1"),
            ({"active_electrons": 7}, "active_electrons must .*7"),
        ],
    ),
]


def applied(encoding: Any, seed: int | None) -> object:
    """How far the circuit is from what it must encode."""
    assert encoding.check() <= 1e-10
    return encoding.block()


def decoded(encoding: Any, seed: int | None) -> object:
    return encoding.labels()


encoding = items_of("encoding", circuits, run=applied)
ENCODINGS = [
    encoding(
        "Dilation",
        given=lambda: {"matrix": MATRIX},
        refused=[
            ({"matrix": np.ones((3, 3))}, "matrix must "),
            ({"matrix": MATRIX * NAN}, "matrix must "),
            ({"alpha": 0.1}, "alpha must be .*0.1"),
        ],
    ),
    encoding(
        "Dilation[zero]",
        given=lambda: {"matrix": 0 * MATRIX},
        refused=[({"alpha": 0.0}, "alpha must be .*0")],
    ),
    encoding(
        "Fable",
        given=lambda: {"matrix": MATRIX},
        refused=[
            ({"matrix": 1j * MATRIX}, "matrix must be real"),
            ({"matrix": 0 * MATRIX}, "matrix must not vanish"),
            ({"cutoff": -1.0}, "cutoff must be .*-1"),
        ],
    ),
    encoding(
        "Banded",
        given=lambda: {"matrix": MATRIX},
        refused=[
            ({"matrix": np.triu(MATRIX)}, "matrix must be .*symmetric"),
            ({"matrix": 0 * MATRIX}, "matrix must not vanish"),
        ],
    ),
    encoding(
        "PauliLCU",
        given=lambda: {"operator": MATRIX},
        refused=[({"operator": np.zeros((2, 2))}, "operator must "), ({"cutoff": -1.0}, "cutoff must be .*-1")],
    ),
    encoding(
        "PoissonShifts",
        given=lambda: {"bits": (1, 1)},
        refused=[
            ({"bits": ()}, "bits must "),
            ({"bits": (0,)}, "bits must "),
            ({"scale": 0.0}, "scale must be .*0"),
        ],
    ),
    encoding(
        "Shifted",
        given=lambda: {"base": Dilation(MATRIX), "eta": 2.0},
        refused=[({"eta": 0.0}, "eta must be .*0"), ({"phase": 2.0}, "phase must be .*2")],
    ),
    encoding(
        "UserEncoding",
        given=lambda: {"circuit": Dilation(MATRIX).circuit(), "matrix": MATRIX, "alpha": 1.0},
        refused=[({"alpha": 2.0}, "alpha")],
    ),
    *(
        encoding(
            f"max3cut_encoding[{name}]",
            given=lambda name=name: {"graph": triangle(), "encoding": name},
            run=decoded,
            refused=[
                ({"encoding": "ternary"}, "encoding must be .*ternary"),
                ({"penalty": NAN}, "penalty must "),
                ({"graph": nx.DiGraph([(0, 1)])}, "graph must "),
            ],
            accepted=frozenset({"weight"}),
        )
        for name in ("one-hot", "binary", "binary-folded", "qutrit")
    ),
    encoding(
        "preparation_template",
        given=lambda: {"num_qubits": 2, "real": True},
        run=lambda made, seed: made.angles(np.array([0.5, -0.5, 0.5, 0.5])),
        refused=[({"num_qubits": 0}, "num_qubits must be .*0")],
    ),
]

POINTS = np.linspace(-1.0, 1.0, 8).reshape(2, 4)


def expectations(estimator: Any, seed: int | None) -> object:
    """Values at two points of a circuit in plain gates."""
    circuit = QuantumCircuit(2)
    for gate, angle in zip(("ry", "rx", "rz", "ry"), hardware_efficient(2, 1).parameters, strict=True):
        getattr(circuit, gate)(angle, 0)
        circuit.cx(0, 1)
    observable = SparsePauliOp.from_list([("ZZ", 0.5), ("XI", -0.25), ("IY", 0.75)])
    data = estimator.run([(circuit, observable, POINTS)]).result()[0].data
    return np.asarray(data.evs), np.asarray(data.stds)


def counts(sampler: Any, seed: int | None) -> object:
    """Counts of an entangled pair."""
    circuit = QuantumCircuit(2)
    circuit.ry(1.0, 0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return sorted(sampler.run([circuit], shots=400).result()[0].data.meas.get_counts().items())


def engine(name: str, given: Any, **options: Any) -> Item:
    make = getattr(backends, name.partition("[")[0])
    run = counts if "Sampler" in name else expectations
    return Item(kind="engine", name=name, make=make, given=given, run=run, **options)


SHOTS = [({"default_shots": 0}, "default_shots must be .*0")]
PRECISION = [({"default_precision": -1.0}, "default_precision must be .*-1")]
LAYOUT = [({"layout": [0, 0]}, "layout must .*0"), ({"layout": [0, 99]}, "layout must .*99")]
UNKNOWN = [({"engine": "abacus"}, "engine must be .*abacus")]
ENGINES = [
    engine("CompiledEstimator", dict, refused=[*PRECISION, *SHOTS, *UNKNOWN]),
    engine("CompiledEstimator[aer]", lambda: {"engine": "aer"}, refused=UNKNOWN),
    engine("CompiledEstimator[lightning]", lambda: {"engine": "lightning"}, refused=UNKNOWN),
    engine(
        "CompiledEstimator[shots]",
        lambda: {"default_shots": 100},
        seeded=True,
        random=True,
        refused=[({"seed": -1}, "seed must be non-negative.*-1")],
    ),
    engine("CompiledSampler", dict, seeded=True, random=True, refused=[*SHOTS, *UNKNOWN]),
    engine("CompiledSampler[aer]", lambda: {"engine": "aer"}, seeded=True, random=True, refused=UNKNOWN),
    engine(
        "NoisyEstimator",
        lambda: {"snapshot": manila(), "layout": [0, 1], "engine": "compiled"},
        refused=[*PRECISION, *SHOTS, *LAYOUT, *UNKNOWN],
    ),
    engine(
        "NoisyEstimator[aer]", lambda: {"snapshot": manila(), "layout": [0, 1], "engine": "aer"}, refused=UNKNOWN
    ),
    engine(
        "NoisyEstimator[shots]",
        lambda: {"snapshot": manila(), "layout": [0, 1], "default_shots": 100},
        seeded=True,
        random=True,
        refused=[({"trajectories": 0}, "trajectories must be .*0")],
    ),
    engine(
        "NoisySampler",
        lambda: {"snapshot": manila(), "layout": [0, 1]},
        seeded=True,
        random=True,
        refused=[*SHOTS, *LAYOUT, *UNKNOWN],
    ),
    engine(
        "RuntimeEstimator",
        lambda: {"mode": "fake_manila", "optimization_level": 1, "default_precision": 0.1},
        seeded=True,
        random=True,
        copies=False,
        accepted=frozenset({"mode"}),
        refused=[
            ({"mode": "fake_nowhere"}, "fake_nowhere"),
            ({"resilience_level": 7}, "resilience_level must be .*7"),
            ({"default_precision": 0.0}, "default_precision must be .*0"),
        ],
    ),
    engine(
        "RuntimeSampler",
        lambda: {"mode": "fake_manila", "optimization_level": 1},
        seeded=True,
        random=True,
        copies=False,
        refused=[({"mode": "fake_nowhere"}, "fake_nowhere"), *SHOTS],
        accepted=frozenset({"mode"}),
    ),
    engine(
        "PennyLaneEstimator",
        lambda: {"device": "default.qubit"},
        copies=False,
        refused=[({"device": "default.nowhere"}, "default.nowhere"), *PRECISION, *SHOTS],
    ),
    *(
        Item(
            kind="engine",
            name=f"exact_program[{name}]",
            make=backends.exact_program,
            given=lambda name=name: {"circuit": hardware_efficient(2, 1), "engine": name},  # type: ignore[misc]
            run=lambda made, seed: (made.states(POINTS[0]), made.vjp(POINTS[0], np.ones((1, 4), dtype=complex))),
            refused=[({"engine": "abacus"}, "engine must be .*abacus")],
            copies=False,
        )
        for name in ("compiled", "aer", "pennylane", "statevector")
    ),
]


def bowl(points: Any) -> Any:
    return ((np.asarray(points) - 0.3) ** 2).sum(axis=1)


def slope(points: Any) -> Any:
    return bowl(points), 2 * (np.asarray(points) - 0.3)


def minimised(optimizer: Any, seed: int | None) -> object:
    return optimizers.minimize(optimizer, bowl, [1.0, -1.0], gradient=slope, seed=seed, budget=30)


def optimizer(name: str, option: str, **options: Any) -> Item:
    return Item(
        kind="optimizer",
        name=name,
        make=getattr(optimizers, name),
        run=minimised,
        plain=True,
        refused=[({option: -1.0}, f"{name}.{option} must be .*-1"), ({option: NAN}, f"{name}.{option} must be")],
        **options,
    )


OPTIMIZERS = [
    optimizer("COBYLA", "rhobeg"),
    optimizer("NelderMead", "step"),
    optimizer("LBFGS", "step"),
    optimizer("Adam", "lr"),
    optimizer("SPSA", "perturbation", random=True),
]

ITEMS = [*CIRCUITS, *OPERATORS, *ENCODINGS, *ENGINES, *OPTIMIZERS]
