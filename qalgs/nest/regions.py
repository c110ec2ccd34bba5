"""Who is in whose way: occupied qubits and their buffer, and the cliques that state it to an exact solver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from qalgs.errors import invalid

from .chip import Bools, Chip, Ints
from .layouts import LayoutCatalogue


def check_buffer(buffer: int) -> int:
    """Return ``buffer``, the idle qubits that must lie between two jobs.

    Raises:
        InvalidInputError: If it is negative or not an int.
    """
    if isinstance(buffer, bool) or not hasattr(buffer, "__index__") or int(buffer) < 0:
        raise invalid("buffer", buffer, "must be a non-negative int", "0 lets jobs touch")
    return int(buffer)


def blocked(chip: Chip, used: Iterable[int], buffer: int) -> Bools:
    """Return the qubits at most ``buffer`` hops from a used one, shape (N,)."""
    rows = list(used)
    if not rows:
        return np.zeros(chip.num_qubits, dtype=bool)
    return np.asarray((chip.distance[rows] <= buffer).any(axis=0))


def free(catalogue: LayoutCatalogue, used: Iterable[int], buffer: int) -> Bools:
    """Return which layouts keep more than ``buffer`` hops from all used qubits, shape (M,)."""
    taken = blocked(catalogue.chip, used, buffer)
    return np.asarray(~catalogue.member[:, taken].any(axis=1))


def distinct(catalogue: LayoutCatalogue) -> Ints:
    """Return the index of the best layout of every distinct set of qubits, best first."""
    packed = np.packbits(catalogue.member, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    return np.sort(np.unique(keys, return_index=True)[1])


def balls(chip: Chip, buffer: int) -> Bools:
    """Return groups of qubits such that two sets come within ``buffer`` hops iff both touch one, shape (G, N).

    For an even buffer 2k the groups are the balls of radius k around qubits; for an odd one 2k+1, around couplers:
    the middle of a shortest path between the two sets is a qubit or a coupler.
    """
    near = chip.distance <= buffer // 2
    if buffer % 2 == 0:
        return np.asarray(near)
    pairs = near[chip.couplers[:, 0]] | near[chip.couplers[:, 1]]
    alone = np.setdiff1d(np.arange(chip.num_qubits), chip.couplers)
    return np.concatenate([pairs, near[alone]])


def touches(catalogue: LayoutCatalogue, rows: Ints, groups: Bools) -> Bools:
    """Return which of the ``groups`` the layouts ``rows`` touch, shape (len(rows), G)."""
    return np.asarray(catalogue.member[rows].astype(np.float32) @ groups.T.astype(np.float32) > 0)


def clashes(chip: Chip, layouts: Mapping[str, Sequence[int]], buffer: int) -> list[tuple[str, str, int]]:
    """Return every pair of layouts that come within ``buffer`` hops, with their distance; empty if all keep it."""
    names = sorted(layouts)
    found = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            hops = int(chip.distance[np.ix_(layouts[a], layouts[b])].min())
            if hops <= buffer:
                found.append((a, b, hops))
    return found
