"""What circuits cost: gates and depth of circuits in hand, and formulae for circuits far too large to build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Operation

from qalgs.circuits.oracles import synthesis_of
from qalgs.errors import expect, invalid
from qalgs.results import Result

from .linear_system import LinearSystem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemModel(Result):
    """A linear system known only by its numbers, for estimates at sizes that cannot be stored.

    Attributes:
        kappa: Condition number.
        num_qubits: ``log2`` of the number of unknowns.
        alpha: Subnormalisation of the block encoding of ``A / |A|``.
        ancillas: Its flag qubits.
        cx_per_call: CX gates of one call.
        depth_per_call: Depth of one call.
        positive: Whether the matrix is positive definite.
        start_error: Relative error of a warm start, 1 for none.
        solution_norm: ``|A^{-1} b|`` for unit ``A`` and ``b``, between 1 and ``kappa``; the geometric mean of the
            two if NaN.
    """

    kappa: float
    num_qubits: int
    alpha: float = 1.0
    ancillas: int = 1
    cx_per_call: float = float("nan")
    depth_per_call: float = float("nan")
    positive: bool = True
    start_error: float = 1.0
    solution_norm: float = float("nan")

    @property
    def y_norm(self) -> float:
        """The norm of the solution used in estimates."""
        return self.solution_norm if np.isfinite(self.solution_norm) else float(np.sqrt(self.kappa))


def poisson_model(bits: tuple[int, ...]) -> SystemModel:
    """Return the numbers of the Dirichlet Laplacian on a grid of ``2**bits[k]`` points a side.

    Exact spectrum ends; gates of the shift encoding counted on the real circuit.

    Args:
        bits: Qubits of each direction.

    Example:
        >>> model = poisson_model((5, 5))
        >>> model.num_qubits, round(model.kappa)
        (10, 441)
    """
    expect(Iterable, bits=bits)
    for count in bits:
        expect(Integral, bits=count)
    from qalgs.circuits.block_encodings_lcu import PoissonShifts

    top = sum(4 * np.sin(np.pi * 2.0**b / (2 * (2.0**b + 1))) ** 2 for b in bits)
    low = sum(4 * np.sin(np.pi / (2 * (2.0**b + 1))) ** 2 for b in bits)
    encoding = PoissonShifts(bits, scale=float(top))
    counts = encoding.gate_counts()
    return SystemModel(
        kappa=float(top / low),
        num_qubits=sum(bits),
        alpha=encoding.alpha,
        ancillas=encoding.num_ancillas,
        cx_per_call=float(counts["cx"]),
        depth_per_call=float(counts["depth"]),
    )


def model_of(system: LinearSystem | SystemModel) -> SystemModel:
    """Return the numbers of a system in hand (its encoding is not built for a dilation)."""
    expect(LinearSystem, SystemModel, system=system)
    if isinstance(system, SystemModel):
        if not (
            np.isfinite(system.kappa) and system.kappa >= 1 and system.num_qubits >= 1 and system.alpha >= 1e-12
        ):
            raise invalid("system", system, "must have kappa >= 1, num_qubits >= 1 and alpha above zero")
        return system
    if system.encoded_by_dilation:
        alpha, ancillas, (cx, depth) = 1.0, 1, dense_cost(system.num_qubits + 1)
    else:
        encoding = system.encoding
        alpha, ancillas, (cx, depth) = encoding.alpha, encoding.num_ancillas, encoding_cost(encoding.circuit())
    norm = float(np.linalg.norm(system.reference)) if system.size <= 2048 else float("nan")
    return SystemModel(
        kappa=system.kappa,
        num_qubits=system.num_qubits,
        alpha=alpha,
        ancillas=ancillas,
        cx_per_call=float(cx),
        depth_per_call=float(depth),
        positive=system.kind.name == "POSITIVE",
        solution_norm=norm,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostEstimate(Result):
    """Cost of one solution state without executing anything.

    Attributes:
        solver: What was estimated.
        queries_A: Calls of the matrix oracle in one pass.
        queries_b: Calls of the right-hand side in one pass.
        success_probability: Typical for the stated norm of the solution (worst case at ``|x| = 1``).
        queries_A_per_success: With amplitude amplification, ``queries_A * max(1, pi / (4 sqrt(p)))`` rounds.
        max_degree: Largest degree of one circuit.
        kappa: Condition number.
        kappa_enc: Inverse gap seen by the solver.
        eta: Step of the proximal point, or None.
        qubits: Width.
        two_qubit_gates: CX of the deepest circuit, NaN if the encoding's count is unknown.
        depth: Its depth, likewise.
        ratio: A-queries relative to the inner solver alone.
        note: What the numbers rest on.
    """

    solver: str
    queries_A: float
    queries_b: float
    success_probability: float
    queries_A_per_success: float
    max_degree: float
    kappa: float
    kappa_enc: float
    eta: float | None
    qubits: int
    two_qubit_gates: float
    depth: float
    ratio: float = 1.0
    note: str = ""


def dense_cost(num_qubits: int) -> tuple[int, int]:
    """CX and depth of a generic unitary by the quantum Shannon decomposition (Shende et al., quant-ph/0406176)."""
    if num_qubits <= 1:
        return 0, 1
    if num_qubits == 2:
        return 3, 7
    cx = int(np.ceil(23 / 48 * 4**num_qubits - 3 / 2 * 2**num_qubits + 4 / 3))
    return cx, 2 * cx + 1


_COSTS: dict[object, tuple[int, int]] = {}


def encoding_cost(circuit: QuantumCircuit) -> tuple[int, int]:
    """CX and depth of ``circuit``: dense unitaries by formula, everything else by translation."""
    return circuit_cost(circuit)


def circuit_cost(circuit: QuantumCircuit) -> tuple[int, int]:
    """Return the CX count and the depth of a circuit as an upper bound, each kind of gate translated once.

    Oracle gates are costed by their definitions and placed on a weighted critical path.
    """
    ends = [0] * circuit.num_qubits
    total = 0
    for instruction in circuit.data:
        cx, depth = _operation_cost(instruction.operation)
        wires = [circuit.find_bit(q).index for q in instruction.qubits]
        finish = max((ends[w] for w in wires), default=0) + depth
        for w in wires:
            ends[w] = finish
        total += cx
    return total, max(ends, default=0)


def _operation_cost(operation: Operation) -> tuple[int, int]:
    name, width = operation.name, operation.num_qubits
    if name in ("barrier", "measure", "global_phase"):
        return 0, 0
    if width == 1 and name != "unitary":
        return 0, 1
    if name == "unitary":
        return dense_cost(width)
    if name in ("cx", "cz"):
        return 1, 1
    if name == "rzz":
        return 2, 3
    definition = getattr(operation, "definition", None)
    labelled = getattr(operation, "label", None) is not None
    key = id(definition) if labelled else (name, width)
    if labelled and definition is not None:
        # Keep the definition alive with its cost, so that the id cannot be reused.
        found = _LABELLED.get(key)
        if found is None or found[0] is not definition:
            found = (definition, circuit_cost(synthesis_of(definition) or definition))
            if len(_LABELLED) > 256:
                _LABELLED.clear()
            _LABELLED[key] = found
        return found[1]
    if key not in _COSTS:
        single = QuantumCircuit(width)
        single.append(operation, range(width))
        free = dict.fromkeys(single.parameters, 0.1)
        single = single.assign_parameters(free) if free else single
        done = transpile(single, basis_gates=["cx", "u"], optimization_level=0)
        _COSTS[key] = (int(done.count_ops().get("cx", 0)), int(done.depth()))
    return _COSTS[key]


_LABELLED: dict[object, tuple[QuantumCircuit, tuple[int, int]]] = {}
