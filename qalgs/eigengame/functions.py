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
    [-3.494, -3.0269]
    """
    return ExcitedStates(k=k, method=method, symmetry=symmetry, seed=seed, **options).run(hamiltonian)


def eigengame(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run the Quantum EigenGame; see :class:`ExcitedStates`."""
    return ExcitedStates(k=k, method="eigengame", **options).run(hamiltonian)


def vqd(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run variational quantum deflation; see :class:`ExcitedStates`."""
    return ExcitedStates(k=k, method="vqd", **options).run(hamiltonian)


def hotelling(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run Hotelling deflation with the adaptive weight c - E_j; see :class:`ExcitedStates`."""
    return ExcitedStates(k=k, method="hotelling", **options).run(hamiltonian)


def ssvqe(hamiltonian: object, k: int = 2, **options: Any) -> ExcitedStatesResult:
    """Run the weighted subspace-search VQE; see :class:`ExcitedStates`."""
    return ExcitedStates(k=k, method="ssvqe", **options).run(hamiltonian)


def window_states(hamiltonian: object, window: float, **options: Any) -> ExcitedStatesResult:
    """Return all levels up to ``window`` above the lowest; see :class:`ExcitedStates`."""
    return ExcitedStates(k="auto", window=window, **options).run(hamiltonian)
