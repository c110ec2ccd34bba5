"""Where the qubits of a chip sit on its lattice, recovered from how they are numbered and coupled."""

from __future__ import annotations

import numpy as np

from .chip import Chip, Floats


def lattice_coordinates(chip: Chip) -> Floats | None:
    """Return integer coordinates of a chip that is numbered row by row, y downwards, shape (N, 2).

    Runs of consecutive, coupled qubits are the rows; single qubits between two rows are bridges. Rows are shifted
    until everything that couples from row to row stands exactly below one another. Heavy-hex chips from 65 qubits
    and square lattices are recovered.

    Returns:
        None if the chip is not of that kind.
    """
    n = chip.num_qubits
    pairs = {(int(a), int(b)) for a, b in chip.couplers}
    starts = [0, *(q for q in range(1, n) if (q - 1, q) not in pairs)]
    runs = [range(a, b) for a, b in zip(starts, [*starts[1:], n], strict=True)]
    rows = [run for run in runs if len(run) > 2]
    if len(rows) < 2 or any(len(run) == 2 for run in runs):
        return None
    row_of = {q: r for r, run in enumerate(rows) for q in run}
    near: dict[int, list[int]] = {q: [] for q in range(n)}
    for a, b in pairs:
        near[a].append(b)
        near[b].append(a)
    links = [(a, b) for a, b in pairs if a in row_of and b in row_of and row_of[a] != row_of[b]]
    for q in (q for q in range(n) if q not in row_of):
        if len(near[q]) not in (1, 2) or any(p not in row_of for p in near[q]):
            return None
        if len(near[q]) == 2:
            links.append((near[q][0], near[q][1]))
    shift = _shifts(rows, row_of, links)
    if shift is None:
        return None
    points = np.zeros((n, 2))
    for q, r in row_of.items():
        points[q] = (q - rows[r].start + shift[r], 2 * r)
    for q in (q for q in range(n) if q not in row_of):
        points[q, 0] = points[near[q][0], 0]
        heights = [points[p, 1] for p in near[q]]
        below = q > near[q][0]
        points[q, 1] = np.mean(heights) if len(heights) == 2 else heights[0] + (1 if below else -1)
    if len(row_of) == n:
        points[:, 1] /= 2
    return points if len({(x, y) for x, y in points.tolist()}) == n else None


def _shifts(rows: list[range], row_of: dict[int, int], links: list[tuple[int, int]]) -> list[int] | None:
    """Return by how much each row is shifted, or None if the links contradict one another."""
    shift: dict[int, int] = {0: 0}
    for _ in rows:
        for one, two in links:
            for a, b in ((one, two), (two, one)):
                ra, rb = row_of[a], row_of[b]
                if abs(ra - rb) != 1:
                    return None
                if ra in shift:
                    wanted = a - rows[ra].start + shift[ra] - (b - rows[rb].start)
                    if shift.setdefault(rb, wanted) != wanted:
                        return None
    return [shift[r] for r in range(len(rows))] if len(shift) == len(rows) else None
