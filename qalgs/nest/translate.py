"""From a circuit to the gates of a few physical qubits: targets, interaction graphs, routing per shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.errors import invalid

from .chip import Chip, Floats, Native

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from .templates import Template

Edges = tuple[tuple[int, int], ...]


def flatten(circuit: QuantumCircuit) -> QuantumCircuit:
    """Unroll Pauli evolutions, library blocks and gates on more qubits to one- and two-qubit gates.

    Raises:
        InvalidInputError: On control flow or an empty register.
    """
    from qiskit.circuit.library import get_standard_gate_name_mapping
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import HighLevelSynthesis

    if circuit.num_qubits < 1:
        raise invalid("circuit", circuit.num_qubits, "must have at least 1 qubit")
    if any(getattr(i.operation, "blocks", None) for i in circuit.data):
        raise invalid("circuit", circuit.name, "must have no control flow", "unroll it first")
    small = [name for name, gate in get_standard_gate_name_mapping().items() if gate.num_qubits <= 2]
    return PassManager([HighLevelSynthesis(basis_gates=[*small, "unitary"])]).run(circuit)


def interactions(circuit: QuantumCircuit) -> Edges:
    """Return the pairs of qubits that share a gate, sorted; the circuit is :func:`flatten`-ed."""
    place = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    pairs = set()
    for instruction in circuit.data:
        if len(instruction.qubits) == 2 and instruction.operation.name != "barrier":
            a, b = (place[q] for q in instruction.qubits)
            pairs.add((min(a, b), max(a, b)))
    return tuple(sorted(pairs))


def is_connected(n: int, edges: Edges) -> bool:
    """Whether the ``edges`` connect all of the ``n`` vertices."""
    import rustworkx as rx

    graph = rx.PyGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from_no_data(list(edges))
    return bool(rx.is_connected(graph))


def kinds_target(chip: Chip, n: int, edges: Edges, kinds: Sequence[Native]) -> Any:
    """Return a Target of ``n`` qubits on which every edge offers its gates as the given kind does.

    All errors of a gate are equal (the chip's median), so that only the kind of an edge decides the translation.
    """
    two: dict[str, dict[tuple[int, int], tuple[float, float]]] = {}
    for (u, v), native in zip(edges, kinds, strict=True):
        for gate, forward, backward in native:
            level = (_typical(chip.log_two[gate]), _median(chip.duration_two[gate]))
            for pair, offered in (((u, v), forward), ((v, u), backward)):
                if offered:
                    two.setdefault(gate, {})[pair] = level
    one = {g: [(_typical(v), _median(chip.duration_one[g]))] * n for g, v in chip.log_one.items()}
    return _target(chip, n, one, two)


def layout_target(chip: Chip, layout: Sequence[int]) -> Any:
    """Return the Target of the qubits of ``layout`` alone, relabelled 0..n-1, dead couplers left out."""
    where = range(len(layout))
    one = {
        gate: [(-float(np.expm1(v[q])), float(chip.duration_one[gate][q])) for q in layout]
        for gate, v in chip.log_one.items()
    }
    two: dict[str, dict[tuple[int, int], tuple[float, float]]] = {}
    for gate, values in chip.log_two.items():
        for i in where:
            for j in where:
                value = values[layout[i], layout[j]]
                if i != j and chip.kind[layout[i], layout[j]] >= 0 and value > -np.inf:
                    seconds = float(chip.duration_two[gate][layout[i], layout[j]])
                    two.setdefault(gate, {})[i, j] = (-float(np.expm1(value)), seconds)
    return _target(chip, len(layout), one, two)


def to_layout(
    circuit: QuantumCircuit, device: Any, layout: Iterable[int], *, optimization_level: int = 1, seed: int = 0
) -> QuantumCircuit:
    """Translate ``circuit`` to the gates of a layout, qubit ``i`` starting on ``layout[i]``.

    Args:
        circuit: The circuit, on as many qubits as the layout has.
        device: A snapshot, Target, backend or chip.
        layout: Physical qubits, connected by live couplers.
        optimization_level: Qiskit's, 0 to 3.
        seed: Seed of the routing.

    Returns:
        A circuit on n qubits whose qubit ``i`` *is* ``layout[i]``; routing is recorded in its ``layout``.
    """
    chip = Chip.of(device)
    qubits = chip.check_layout(layout)
    if circuit.num_qubits != len(qubits):
        raise invalid("layout", qubits, f"must name {circuit.num_qubits} physical qubits")
    target = layout_target(chip, qubits)
    return translate(circuit, target, optimization_level=optimization_level, seed=seed)


def route_on_shape(
    circuit: QuantumCircuit, n: int, edges: Edges, *, seed: int, trials: int
) -> tuple[QuantumCircuit, tuple[int, ...]]:
    """Place and route a flat circuit on a connected graph, keeping the trial with the fewest two-qubit gates.

    Returns:
        The routed circuit on the graph's vertices, and the vertex on which each circuit qubit starts.
    """
    from qiskit.transpiler import CouplingMap, PassManager
    from qiskit.transpiler.passes import SabreLayout

    coupling = CouplingMap([pair for u, v in edges for pair in ((u, v), (v, u))])
    best: tuple[int, Any, tuple[int, ...]] | None = None
    for trial in range(max(1, trials)):
        sabre = SabreLayout(coupling, seed=seed + trial, max_iterations=4, swap_trials=8, layout_trials=8)
        routed = PassManager([sabre]).run(circuit)
        swaps = sum(i.operation.name == "swap" for i in routed.data)
        if best is None or swaps < best[0]:
            best = (swaps, routed, tuple(routed.layout.initial_index_layout(filter_ancillas=True)))
    assert best is not None
    return best[1], best[2]


def translate(
    circuit: QuantumCircuit, target: Any, *, optimization_level: int = 1, seed: int = 0
) -> QuantumCircuit:
    """Run Qiskit's preset pass manager with qubit ``i`` on the target's qubit ``i``.

    Qiskit's direction pass cannot turn a CX around in a target that offers CX on some couplers and another gate on
    others (fake_cairo), so there the circuit is brought to CX gates that point the right way first.
    """
    from qiskit.transpiler import generate_preset_pass_manager

    if sum(name in target for name in ("cx", "ecr", "cz")) > 1:
        circuit = _orient(circuit, target)
    manager = generate_preset_pass_manager(
        optimization_level,
        target=target,
        initial_layout=list(range(circuit.num_qubits)),
        seed_transpiler=seed,
    )
    return manager.run(circuit)


def _orient(circuit: QuantumCircuit, target: Any) -> QuantumCircuit:
    from qiskit import QuantumCircuit, transpile

    flat = transpile(flatten(circuit), basis_gates=["cx", "rz", "sx", "x"], optimization_level=1)
    turned = QuantumCircuit(*flat.qregs, *flat.cregs, global_phase=flat.global_phase)
    offered = set(target["cx"]) if "cx" in target else set()
    for instruction in flat.data:
        where = tuple(flat.find_bit(q).index for q in instruction.qubits)
        if instruction.operation.name == "cx" and where not in offered and where[::-1] in offered:
            turned.h(where)
            turned.cx(*where[::-1])
            turned.h(where)
        else:
            turned.append(instruction)
    return turned


def routed_isa(template: Template, chip: Chip, layout: Sequence[int], level: int, seed: int) -> QuantumCircuit:
    """Translate a routed circuit to a layout, recording where each logical qubit ends.

    Args:
        template: Its circuit lies on vertices; ``start[i]`` is the vertex of logical qubit ``i`` at the beginning.
        chip: The calibration.
        layout: Physical qubit of each logical qubit at the beginning.
        level: Qiskit's optimization level.
        seed: Transpiler seed.
    """
    from qiskit import QuantumCircuit

    routed, start = template.circuit, template.start
    if routed.layout is None:
        return to_layout(routed, chip, layout, optimization_level=level, seed=seed)
    n = len(start)
    position = {vertex: i for i, vertex in enumerate(start)}
    plain = QuantumCircuit(n, *routed.cregs, global_phase=routed.global_phase)
    place = {qubit: position[v] for v, qubit in enumerate(routed.qubits)}
    for instruction in routed.data:
        plain.append(instruction.operation, [place[q] for q in instruction.qubits], instruction.clbits)
    isa = to_layout(plain, chip, layout, optimization_level=level, seed=seed)
    ends = [position[v] for v in routed.layout.final_index_layout(filter_ancillas=True)]
    return _with_final(isa, ends)


def _with_final(isa: QuantumCircuit, ends: Sequence[int]) -> QuantumCircuit:
    """Attach a layout that says: qubit ``i`` starts in place and ends at ``ends[i]``."""
    from qiskit.circuit import QuantumRegister
    from qiskit.transpiler import Layout as QiskitLayout
    from qiskit.transpiler import TranspileLayout

    register = QuantumRegister(len(ends), "q")
    isa._layout = TranspileLayout(
        initial_layout=QiskitLayout({register[i]: i for i in range(len(ends))}),
        input_qubit_mapping={register[i]: i for i in range(len(ends))},
        final_layout=QiskitLayout({isa.qubits[i]: end for i, end in enumerate(ends)}),
        _input_qubit_count=len(ends),
        _output_qubit_list=list(isa.qubits),
    )
    return isa


def _target(
    chip: Chip,
    n: int,
    one: dict[str, list[tuple[float, float]]],
    two: dict[str, dict[tuple[int, int], tuple[float, float]]],
) -> Any:
    from qiskit.circuit import Delay, Measure, Parameter, Reset
    from qiskit.circuit.library import get_standard_gate_name_mapping
    from qiskit.transpiler import InstructionProperties, Target

    gates = get_standard_gate_name_mapping()
    target = Target(num_qubits=n, dt=chip.dt)
    for name, levels in one.items():
        offered = {(q,): InstructionProperties(t, e) for q, (e, t) in enumerate(levels) if np.isfinite(e)}
        if name in gates and offered:
            target.add_instruction(gates[name], offered)
    for name, pairs in two.items():
        if name in gates:
            target.add_instruction(gates[name], {p: InstructionProperties(t, e) for p, (e, t) in pairs.items()})
    everywhere = {(q,): None for q in range(n)}
    target.add_instruction(Measure(), dict(everywhere))
    target.add_instruction(Reset(), dict(everywhere))
    target.add_instruction(Delay(Parameter("t")), dict(everywhere))
    return target


def _typical(logs: Floats) -> float:
    finite = logs[np.isfinite(logs)]
    return -float(np.expm1(np.median(finite))) if finite.size else 0.0


def _median(seconds: Floats) -> float:
    positive = seconds[seconds > 0]
    return float(np.median(positive)) if positive.size else 0.0
