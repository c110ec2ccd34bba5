"""Random circuits over the whole standard gate set, with parameter expressions of every kind."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterExpression
from qiskit.circuit.library import (
    C3SXGate,
    C4XGate,
    MCMTGate,
    MCPhaseGate,
    MCXGate,
    PauliEvolutionGate,
    PermutationGate,
    RC3XGate,
    RYGate,
    UnitaryGate,
    standard_gates,
)
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp, random_unitary

STANDARD: dict[str, Gate] = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if name not in ("measure", "reset", "delay")
}


def expressions(parameters: list[Parameter]) -> list[ParameterExpression]:
    """Plain, shared, affine and nonlinear expressions of the parameters."""
    a, b, c = parameters[:3]
    return [
        a,
        b,
        c,
        2 * a - b / 3 + 0.1,
        -c,
        a * b,
        (a + 2 * c).sin(),
        b.cos() * c + 1,
        (a / 2).exp() - c,
        a / (2 + b * b),
        1 - a**2,
        (1 + b * b).log(),
        c.arctan(),
        2.0 ** (a / 3),
    ]


def special(rng: np.random.Generator, k: int) -> Gate:
    """A gate on ``k`` qubits outside the standard mapping."""
    seed = int(rng.integers(2**31))
    if k == 1:
        return UnitaryGate(random_unitary(2, seed=seed))
    labels = ["".join(rng.choice(list("IXYZ"), k)) for _ in range(2)]
    options: list[Gate] = [
        UnitaryGate(random_unitary(1 << k, seed=seed)) if k <= 3 else MCXGate(k - 1),
        MCXGate(k - 1, ctrl_state=int(rng.integers(2 ** (k - 1)))),
        MCPhaseGate(float(rng.normal()), k - 1),
        RYGate(float(rng.normal())).control(
            k - 1, annotated=bool(rng.integers(2)), ctrl_state=int(rng.integers(2 ** (k - 1)))
        ),
        PermutationGate(list(rng.permutation(k))),
        PauliEvolutionGate(SparsePauliOp(labels[:1], [0.7]), time=float(rng.normal())),
        MCMTGate(standard_gates.ZGate(), k - 1, 1),
    ]
    if k == 4:
        options += [C3SXGate(), RC3XGate(), standard_gates.C3XGate(ctrl_state=5)]
    if k == 5:
        options.append(C4XGate())
    return options[int(rng.integers(len(options)))]


def random_circuit(rng: np.random.Generator, num_qubits: int, depth: int, *, free: bool) -> QuantumCircuit:
    """A random circuit with ``depth`` gates; ``free`` ones use parameter expressions."""
    parameters = [Parameter(f"p{k}") for k in range(3)]
    pool = expressions(parameters)
    circuit = QuantumCircuit(num_qubits, global_phase=float(rng.normal()))
    names = [n for n, g in STANDARD.items() if g.num_qubits <= num_qubits]
    for _ in range(depth):
        if rng.random() < 0.15:
            k = int(rng.integers(1, min(num_qubits, 5) + 1))
            gate = special(rng, k)
        else:
            template = STANDARD[names[int(rng.integers(len(names)))]]
            values = [pool[int(rng.integers(len(pool)))] if free else float(rng.normal()) for _ in template.params]
            gate = type(template)(*values) if values else template.copy()
            if getattr(gate, "num_ctrl_qubits", 0):
                gate = gate.to_mutable()
                gate.ctrl_state = int(rng.integers(2**gate.num_ctrl_qubits))
            k = gate.num_qubits
        circuit.append(gate, [int(q) for q in rng.choice(num_qubits, k, replace=False)])
        if rng.random() < 0.05:
            circuit.barrier()
    if free:
        circuit.global_phase = circuit.global_phase + parameters[0] * 0.5
    return circuit


def random_observable(rng: np.random.Generator, num_qubits: int, terms: int = 6) -> SparsePauliOp:
    """A random Hermitian Pauli sum."""
    labels = ["".join(rng.choice(list("IXYZ"), num_qubits)) for _ in range(terms)]
    return SparsePauliOp(labels, rng.normal(size=terms))
