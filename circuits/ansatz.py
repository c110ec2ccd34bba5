"""Parametrised trial states: hardware-efficient and Hamiltonian-variational."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import PauliEvolutionGate, n_local
from qiskit.quantum_info import SparsePauliOp
from qiskit.synthesis import LieTrotter

from qalgs.circuits._checks import pauli_sum, whole
from qalgs.errors import expect, invalid

Entanglement = str | Sequence[tuple[int, int]]
_ENTANGLEMENTS = ("linear", "reverse_linear", "circular", "full", "pairwise", "sca")
_ROTATIONS = ("rx", "ry", "rz")
_ENTANGLERS = ("cx", "cz", "ecr", "rzz", "rxx", "ryy", "iswap", "swap")


def hardware_efficient(
    num_qubits: int,
    reps: int = 2,
    entanglement: Entanglement = "linear",
    *,
    rotations: str | Sequence[str] = "ry",
    entangler: str = "cx",
    final_rotation: bool = True,
    parameter_prefix: str = "θ",
) -> QuantumCircuit:
    r"""Build alternating layers of one-qubit rotations and an entangler.

    With the defaults the states are real (``RealAmplitudes``); ``rotations=("ry", "rz")`` gives ``EfficientSU2``.
    For one rotation per qubit the circuit has :math:`n(\mathrm{reps}+1)` parameters.

    Args:
        num_qubits: Number of qubits, at least 1.
        reps: Number of entangling layers, at least 0.
        entanglement: ``"linear"``, ``"reverse_linear"``, ``"circular"``, ``"full"``, ``"pairwise"``, ``"sca"`` or
            explicit qubit pairs.
        rotations: One or more of ``"rx"``, ``"ry"``, ``"rz"``, applied in this order in every layer.
        entangler: A two-qubit gate by name, ``"cx"`` or ``"cz"`` for example.
        final_rotation: Whether a rotation layer follows the last entangling layer.
        parameter_prefix: Name of the parameter vector.

    Returns:
        The circuit; parameters in the order of the layers.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> real_amplitudes = hardware_efficient(4, 2)
        >>> efficient_su2 = hardware_efficient(4, 2, rotations=("ry", "rz"))
        >>> real_amplitudes.num_parameters, efficient_su2.num_parameters
        (12, 24)
    """
    expect(Iterable, entanglement=entanglement, rotations=rotations)
    expect(str, parameter_prefix=parameter_prefix)
    num_qubits, reps = whole("num_qubits", num_qubits, 1), whole("reps", reps, 0)
    blocks = [rotations] if isinstance(rotations, str) else list(rotations)
    if not blocks or any(b not in _ROTATIONS for b in blocks):
        raise invalid("rotations", rotations, f"must be one or more of {', '.join(_ROTATIONS)}")
    if entangler not in _ENTANGLERS:
        raise invalid("entangler", entangler, f"must be one of {', '.join(_ENTANGLERS)}")
    if isinstance(entanglement, str):
        if entanglement not in _ENTANGLEMENTS:
            raise invalid(
                "entanglement", entanglement, f"must be one of {', '.join(_ENTANGLEMENTS)} or qubit pairs"
            )
        pairs: Entanglement = entanglement
    else:
        pairs = [(int(a), int(b)) for a, b in entanglement]
        if any(a == b or not (0 <= a < num_qubits and 0 <= b < num_qubits) for a, b in pairs):
            raise invalid("entanglement", pairs, f"must be pairs of different qubits below {num_qubits}")
    if num_qubits == 1:
        circuit = QuantumCircuit(1, name="hardware_efficient")
        angles = iter(ParameterVector(parameter_prefix, len(blocks) * (reps + bool(final_rotation))))
        for _ in range(reps + bool(final_rotation)):
            for block in blocks:
                getattr(circuit, block)(next(angles), 0)
        return circuit
    return n_local(
        num_qubits,
        blocks,
        entangler,
        entanglement=pairs,
        reps=reps,
        skip_final_rotation_layer=not final_rotation,
        parameter_prefix=parameter_prefix,
        name="hardware_efficient",
    )


def hamiltonian_variational(
    hamiltonian: SparsePauliOp,
    reps: int = 1,
    *,
    initial_state: QuantumCircuit | None = None,
    per_term: bool = False,
    parameter_prefix: str = "θ",
) -> QuantumCircuit:
    r"""Build the Hamiltonian-variational ansatz :math:`\prod_l\prod_g e^{-i\theta_{lg}H_g}|\psi_0\rangle`.

    The :math:`H_g` are the groups of mutually commuting terms of the Hamiltonian, so each exponential is exact
    (Wecker, Hastings and Troyer, Phys. Rev. A 92, 042303, 2015). For the transverse-field Ising chain these are
    the couplings and the field.

    Args:
        hamiltonian: A Hermitian operator with at least one term besides the identity.
        reps: Number of layers, at least 1.
        initial_state: Circuit without parameters that prepares the start; :math:`|+\dots+\rangle` if None.
        per_term: Give each Pauli term its own angle (more parameters, breaks translation symmetry).
        parameter_prefix: Name of the parameter vector.

    Returns:
        The circuit; parameters layer by layer, in each layer group by group.

    Raises:
        InvalidInputError: If an argument breaks a rule.

    Example:
        >>> from qalgs.circuits import tfim
        >>> hamiltonian_variational(tfim(4), reps=2).num_parameters
        4
    """
    expect(QuantumCircuit, type(None), initial_state=initial_state)
    expect(str, parameter_prefix=parameter_prefix)
    reps = whole("reps", reps, 1)
    terms = pauli_sum("hamiltonian", hamiltonian).simplify()
    keep = [i for i, p in enumerate(terms.paulis) if p.x.any() or p.z.any()]
    if not keep:
        raise invalid("hamiltonian", hamiltonian, "must have a term besides the identity")
    if abs(terms.coeffs.imag).max() > 1e-12:
        raise invalid("hamiltonian", hamiltonian, "must be Hermitian (real coefficients)")
    terms = SparsePauliOp(terms.paulis[keep], terms.coeffs[keep].real)
    groups = [terms[i] for i in range(len(terms))] if per_term else terms.group_commuting()
    circuit = QuantumCircuit(terms.num_qubits, name="hamiltonian_variational")
    if initial_state is None:
        circuit.h(range(terms.num_qubits))
    elif initial_state.num_qubits != terms.num_qubits or initial_state.num_parameters:
        raise invalid(
            "initial_state", initial_state.name, f"must act on {terms.num_qubits} qubits without parameters"
        )
    else:
        circuit.compose(initial_state, inplace=True)
    angles = ParameterVector(parameter_prefix, reps * len(groups))
    for i, angle in enumerate(angles):
        gate = PauliEvolutionGate(groups[i % len(groups)], angle, synthesis=LieTrotter())
        circuit.compose(gate.definition, range(terms.num_qubits), inplace=True)
    return circuit
