"""The quantum approximate optimisation ansatz."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import qaoa_ansatz
from qiskit.quantum_info import SparsePauliOp

from qalgs.circuits._checks import whole
from qalgs.errors import expect, invalid


def qaoa(
    cost: SparsePauliOp,
    reps: int = 1,
    *,
    initial_state: QuantumCircuit | None = None,
    mixer: SparsePauliOp | QuantumCircuit | None = None,
) -> QuantumCircuit:
    r"""Build :math:`\prod_l e^{-i\beta_lB}e^{-i\gamma_lC}|+\dots+\rangle` (Farhi, Goldstone and Gutmann, 2014).

    Args:
        cost: The diagonal cost operator C; a multiple of the identity in it is only a phase and is left out.
        reps: Number of layers p, at least 1.
        initial_state: Start instead of the uniform superposition.
        mixer: Operator B or circuit; the sum of X by default.

    Returns:
        The circuit in one- and two-qubit gates; parameters are all betas, then all gammas.

    Raises:
        InvalidInputError: If the cost is not Hermitian or is a multiple of the identity, or ``reps`` < 1.

    Example:
        >>> import networkx as nx
        >>> from qalgs.circuits import max_cut
        >>> [p.name for p in qaoa(max_cut(nx.cycle_graph(4)), reps=2).parameters]
        ['β[0]', 'β[1]', 'γ[0]', 'γ[1]']
    """
    expect(QuantumCircuit, type(None), initial_state=initial_state)
    expect(SparsePauliOp, QuantumCircuit, type(None), mixer=mixer)
    reps = whole("reps", reps, 1)
    if not isinstance(cost, SparsePauliOp):
        raise invalid("cost", type(cost).__name__, "must be a SparsePauliOp", "see qalgs.circuits.max_cut")
    if not np.isfinite(cost.coeffs).all() or abs(cost.coeffs.imag).max() > 1e-12:
        raise invalid("cost", cost, "must have finite real coefficients")
    cost = cost.simplify()
    keep = cost.paulis.x.any(axis=1) | cost.paulis.z.any(axis=1)
    if not keep.any():
        raise invalid("cost", cost, "must have a term besides the identity")
    cost = SparsePauliOp(cost.paulis[keep], cost.coeffs[keep].real)
    return qaoa_ansatz(cost, reps, initial_state=initial_state, mixer_operator=mixer, name="qaoa")
