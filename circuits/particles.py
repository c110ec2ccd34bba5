"""Trial states that conserve particle number and spin: Givens rotations and k-UpCCGSD."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TypeAlias

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression, ParameterVector

from qalgs.circuits._checks import whole
from qalgs.errors import expect, invalid

Angle: TypeAlias = "float | ParameterExpression"
Excitation = tuple[tuple[int, ...], tuple[int, ...]]


def single_excitation(circuit: QuantumCircuit, angle: Angle, p: int, q: int) -> None:
    r"""Append the Givens rotation of :math:`|1_p0_q\rangle,|0_p1_q\rangle` by ``angle``/2 (real, 4 CX)."""
    circuit.cx(q, p)
    circuit.ry(angle / 2, q)
    circuit.cx(p, q)
    circuit.ry(-angle / 2, q)
    circuit.cx(p, q)
    circuit.cx(q, p)


def double_excitation(circuit: QuantumCircuit, angle: Angle, p: int, q: int, r: int, s: int) -> None:
    r"""Append the Givens rotation of :math:`|1_p1_q0_r0_s\rangle,|0_p0_q1_r1_s\rangle` by ``angle``/2.

    Parity-mapped to one triply controlled Y rotation, of which the eight angles of :math:`\pm\theta/8` are written
    out (Yordanov et al., Phys. Rev. A 102, 062612, 2020, up to gate order).
    """
    # The two patterns differ only in qubit p once the others hold parities with it: q = p -> 0, r, s != p -> 1.
    for other in (q, r, s):
        circuit.cx(p, other)
    circuit.x(q)
    signs_and_controls = (q, r, q, s, q, r, q, s)
    sign = 1
    for control in signs_and_controls:
        circuit.ry(sign * angle / 8, p)
        circuit.cz(control, p)
        sign = -sign
    circuit.x(q)
    for other in (s, r, q):
        circuit.cx(p, other)


def excitations(
    num_orbitals: int, *, doubles: str = "all", generalized: bool = True, occupied: tuple[int, int] = (0, 0)
) -> list[Excitation]:
    """List spin-conserving single and double excitations between blocked spin orbitals.

    Args:
        num_orbitals: Number of spatial orbitals m; orbital p with spin up is qubit p, with spin down qubit p + m.
        doubles: ``"all"``, ``"paired"`` (both electrons of one orbital, as in UpCCGSD) or ``"none"``.
        generalized: Between any orbitals; otherwise only from occupied to virtual ones.
        occupied: Numbers of spin-up and spin-down electrons, used when not ``generalized``.

    Returns:
        Pairs (from, to) of tuples of qubits.
    """
    m = num_orbitals
    found: list[Excitation] = []
    for spin in (0, 1):
        for p, q in combinations(range(m), 2):
            if generalized or p < occupied[spin] <= q:
                found.append(((p + spin * m,), (q + spin * m,)))
    if doubles == "paired":
        for p, q in combinations(range(m), 2):
            if generalized or p < min(occupied) <= q:
                found.append(((p, p + m), (q, q + m)))
    elif doubles == "all":
        for spin in (0, 1):
            for pair in combinations(range(m), 2):
                for other in combinations(range(m), 2):
                    disjoint = not set(pair) & set(other)
                    down = pair < other if generalized else (pair[1] < occupied[spin] <= other[0])
                    if disjoint and down:
                        found.append((tuple(i + spin * m for i in pair), tuple(i + spin * m for i in other)))
        for p, q in combinations(range(m), 2):
            for r, s in combinations(range(m), 2):
                if generalized or (p < occupied[0] <= q and r < occupied[1] <= s):
                    found.append(((p, r + m), (q, s + m)))
                    if generalized:
                        found.append(((p, s + m), (q, r + m)))
    return found


def particle_conserving(
    num_orbitals: int,
    num_particles: tuple[int, int],
    reps: int = 1,
    *,
    kind: str = "givens",
    generalized: bool = True,
    parameter_prefix: str = "θ",
) -> QuantumCircuit:
    """Build a trial state with fixed numbers of spin-up and spin-down electrons (blocked Jordan-Wigner order).

    It starts from the determinant with the lowest orbitals filled. All gates are real Givens rotations in the
    occupation basis, so every state is real, has exactly ``num_particles``, and one parameter is one gate.

    Args:
        num_orbitals: Number of spatial orbitals; the circuit has twice as many qubits.
        num_particles: Numbers of spin-up and spin-down electrons.
        reps: Number of layers k.
        kind: ``"givens"`` with all singles and doubles, or ``"kupccgsd"`` with generalised singles and paired
            doubles (Lee et al., J. Chem. Theory Comput. 15, 311, 2019).
        generalized: Excite between any orbitals instead of occupied to virtual ones only.
        parameter_prefix: Name of the parameter vector.

    Returns:
        The circuit on ``2 * num_orbitals`` qubits.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> circuit = particle_conserving(2, (1, 1))
        >>> circuit.num_qubits, circuit.num_parameters
        (4, 4)
    """
    expect(Iterable, num_particles=num_particles)
    expect(str, parameter_prefix=parameter_prefix)
    m, reps = whole("num_orbitals", num_orbitals, 1), whole("reps", reps, 1)
    counts = tuple(whole("num_particles", n, 0) for n in num_particles)
    if len(counts) != 2 or max(counts) > m:
        raise invalid("num_particles", num_particles, f"must be two counts between 0 and num_orbitals = {m}")
    if kind not in {"givens", "kupccgsd"}:
        raise invalid("kind", kind, "must be 'givens' or 'kupccgsd'")
    up, down = counts
    gates = excitations(
        m, doubles="all" if kind == "givens" else "paired", generalized=generalized, occupied=(up, down)
    )
    gates = [g for g in gates if _acts(g, m, up, down)]
    if not gates:
        raise invalid(
            "num_particles", num_particles, "must leave an electron something to do", "enlarge the space"
        )
    circuit = QuantumCircuit(2 * m, name=kind)
    for orbital in range(up):
        circuit.x(orbital)
    for orbital in range(down):
        circuit.x(orbital + m)
    angles = iter(ParameterVector(parameter_prefix, reps * len(gates)))
    for _ in range(reps):
        for source, target in gates:
            if len(source) == 1:
                single_excitation(circuit, next(angles), source[0], target[0])
            else:
                double_excitation(circuit, next(angles), source[0], source[1], target[0], target[1])
    circuit.metadata = {"shift_rule": "givens"}
    return circuit


def _acts(gate: Excitation, m: int, up: int, down: int) -> bool:
    """Whether the sector holds a determinant that the excitation moves."""
    need_up = sum(q < m for q in gate[0])
    need_down = len(gate[0]) - need_up
    free_up, free_down = sum(q < m for q in gate[1]), sum(q >= m for q in gate[1])
    return up >= need_up and down >= need_down and m - up >= free_up and m - down >= free_down


def magnetization_conserving(
    num_qubits: int, num_ones: int, reps: int = 1, *, periodic: bool = False, parameter_prefix: str = "θ"
) -> QuantumCircuit:
    """Build a brick wall of Givens and CZ gates with a fixed number of ones, for chains conserving total Z.

    The CZ gates take it beyond free fermions; all states are real.

    Args:
        num_qubits: Number of sites, at least 2.
        num_ones: Number of ones, between 1 and num_qubits - 1.
        reps: Number of layers; a layer has one Givens rotation and one CZ per bond.
        periodic: Whether the first and last sites are neighbours.
        parameter_prefix: Name of the parameter vector.

    Returns:
        The circuit.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> from qiskit.quantum_info import Statevector
        >>> circuit = magnetization_conserving(3, num_ones=1)
        >>> state = Statevector(circuit.assign_parameters([0.3] * circuit.num_parameters))
        >>> sorted(str(bits) for bits in state.probabilities_dict(decimals=10))
        ['001', '010', '100']
    """
    expect(str, parameter_prefix=parameter_prefix)
    n, reps, ones = whole("num_qubits", num_qubits, 2), whole("reps", reps, 1), whole("num_ones", num_ones, 1)
    if ones >= n:
        raise invalid("num_ones", num_ones, f"must be between 1 and num_qubits - 1 = {n - 1}")
    bonds = [(i, i + 1) for i in range(0, n - 1, 2)] + [(i, i + 1) for i in range(1, n - 1, 2)]
    if periodic and n > 2:
        bonds.append((n - 1, 0))
    circuit = QuantumCircuit(n, name="magnetization_conserving")
    # Spread the ones: a Neel state at half filling.
    for i in range(ones):
        circuit.x((i * n) // ones)
    angles = iter(ParameterVector(parameter_prefix, reps * len(bonds)))
    for _ in range(reps):
        for p, q in bonds:
            single_excitation(circuit, next(angles), p, q)
            circuit.cz(p, q)
    circuit.metadata = {"shift_rule": "givens"}
    return circuit
