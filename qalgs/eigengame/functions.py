"""One-liners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qalgs.eigengame.result import ExcitedStatesResult
from qalgs.eigengame.solver import ExcitedStates
from qalgs.seeds import Seed


def excited_states(
    hamiltonian: object,
    k: int = 2,
    method: str = "eigengame",
    *,
    symmetry: Mapping[str, float] | None = None,
    seed: Seed = None,
    **options: Any,
) -> ExcitedStatesResult:
    """Return the lowest ``k`` levels; all options are those of :class:`ExcitedStates`.

    >>> from qalgs.circuits import tfim
    >>> excited_states(tfim(3), k=2, seed=0).energies.round(4).tolist()
    [-3.494, -2.6039]

    Args:
        hamiltonian: A SparsePauliOp, Molecule, PySCF Mole or PennyLane operator.
        k: Number of levels.
        method: ``"eigengame"``, ``"hotelling"``, ``"vqd"`` or ``"ssvqe"``.
        symmetry: Conserved quantities of the sector.
        seed: Randomness of starts and of the optimiser.
        options: The other options of :class:`ExcitedStates`.
    """
    return ExcitedStates(k=k, method=method, symmetry=symmetry, seed=seed, **options).run(hamiltonian)


def eigengame(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run the Quantum EigenGame; see :class:`ExcitedStates`.

    Args:
        hamiltonian: A SparsePauliOp, Molecule, PySCF Mole or PennyLane operator.
        k: Number of levels.
        options: Those of :class:`ExcitedStates`.

    Returns:
        The levels.

    Example:
        >>> from qalgs.circuits import tfim
        >>> eigengame(tfim(2), k=2, seed=0).energies.round(4).tolist()
        [-2.2361, -1.0]
    """
    return ExcitedStates(k=k, method="eigengame", **options).run(hamiltonian)


def vqd(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run variational quantum deflation; see :class:`ExcitedStates`.

    Args:
        hamiltonian: As for :func:`eigengame`.
        k: Number of levels.
        options: Those of :class:`ExcitedStates`.

    Returns:
        The levels.

    Example:
        >>> from qalgs.circuits import tfim
        >>> vqd(tfim(2), k=2, seed=0).energies.round(4).tolist()
        [-2.2361, -1.0]
    """
    return ExcitedStates(k=k, method="vqd", **options).run(hamiltonian)


def hotelling(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run Hotelling deflation with the adaptive weight c - E_j; see :class:`ExcitedStates`.

    Args:
        hamiltonian: As for :func:`eigengame`.
        k: Number of levels.
        options: Those of :class:`ExcitedStates`.

    Returns:
        The levels.

    Example:
        >>> from qalgs.circuits import tfim
        >>> hotelling(tfim(2), k=2, seed=0).energies.round(4).tolist()
        [-2.2361, -1.0]
    """
    return ExcitedStates(k=k, method="hotelling", **options).run(hamiltonian)


def ssvqe(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run the weighted subspace-search VQE; see :class:`ExcitedStates`.

    Args:
        hamiltonian: As for :func:`eigengame`.
        k: Number of levels.
        options: Those of :class:`ExcitedStates`.

    Returns:
        The levels.

    Example:
        >>> from qalgs.circuits import tfim
        >>> ssvqe(tfim(2), k=2, seed=0).energies.round(3).tolist()
        [-2.236, -1.0]
    """
    return ExcitedStates(k=k, method="ssvqe", **options).run(hamiltonian)


def window_states(hamiltonian: object, window: float, **options: Any) -> ExcitedStatesResult:
    """Return all levels up to ``window`` above the lowest; see :class:`ExcitedStates`.

    Args:
        hamiltonian: As for :func:`eigengame`.
        window: Energy above the lowest level, in the operator's unit.
        options: Those of :class:`ExcitedStates`.

    Example:
        >>> from qalgs.circuits import tfim
        >>> window_states(tfim(2), 1.5, seed=0).energies.round(4).tolist()
        [-2.2361, -1.0]
    """
    return ExcitedStates(k="auto", window=window, **options).run(hamiltonian)
