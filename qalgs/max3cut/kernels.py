"""Compiled moves on the true graph: descent, annealing, tabu search, recombination and candidate sweeps.

All kernels keep ``counts[v, k]``, the weight between v and its neighbours of label k; moving v from a to b changes
the cut by ``counts[v, a] - counts[v, b]``. Random numbers come from a 64-bit xorshift state that the caller owns,
so that threads do not share one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LOG_TABLE = np.log((np.arange(4096) + 0.5) / 4096)


@njit(cache=True, nogil=True)
def count(indptr, indices, data, labels, counts):  # type: ignore[no-untyped-def]
    """Fill the neighbour weights of a labelling."""
    counts[:] = 0.0
    for v in range(len(labels)):
        for e in range(indptr[v], indptr[v + 1]):
            counts[v, labels[indices[e]]] += data[e]


@njit(cache=True, nogil=True)
def move(indptr, indices, data, labels, counts, v, b):  # type: ignore[no-untyped-def]
    """Give vertex v the label b and update its neighbours; return the change of the cut."""
    a = labels[v]
    gain = counts[v, a] - counts[v, b]
    labels[v] = b
    for e in range(indptr[v], indptr[v + 1]):
        u, w = indices[e], data[e]
        counts[u, a] -= w
        counts[u, b] += w
    return gain


@njit(cache=True, nogil=True)
def descend(indptr, indices, data, labels, counts):  # type: ignore[no-untyped-def]
    """Move single vertices to their best label until none gains (1-opt); return (gain, moves)."""
    total, moves = 0.0, 0
    improved = True
    while improved:
        improved = False
        for v in range(len(labels)):
            best = 0
            for k in range(1, 3):
                if counts[v, k] < counts[v, best]:
                    best = k
            if counts[v, best] < counts[v, labels[v]] - 1e-12 * (1.0 + abs(counts[v, labels[v]])):
                total += move(indptr, indices, data, labels, counts, v, best)
                moves += 1
                improved = True
    return total, moves


@njit(cache=True, nogil=True)
def anneal(indptr, indices, data, labels, counts, state, temperatures, logs, track, best):  # type: ignore[no-untyped-def]
    """Metropolis sweeps, one temperature each; ``track`` holds (current, best) gains, ``best`` the labels."""
    n = len(labels)
    x = state[0]
    current, record = track[0], track[1]
    threshold = np.empty(4096)
    for temperature in temperatures:
        for k in range(4096):
            threshold[k] = temperature * logs[k]
        for v in range(n):
            x ^= x << np.uint64(13)
            x ^= x >> np.uint64(7)
            x ^= x << np.uint64(17)
            a = labels[v]
            b = a + 1 + (np.int64(x >> np.uint64(40)) & 1)
            if b >= 3:
                b -= 3
            gain = counts[v, a] - counts[v, b]
            if gain >= threshold[np.int64(x >> np.uint64(20)) & 4095]:
                labels[v] = b
                current += gain
                for e in range(indptr[v], indptr[v + 1]):
                    u, w = indices[e], data[e]
                    counts[u, a] -= w
                    counts[u, b] += w
        if current > record:
            record = current
            best[:] = labels
    state[0] = x
    track[0], track[1] = current, record


@njit(cache=True, nogil=True)
def tabu(indptr, indices, data, labels, counts, state, steps, tenure, until, track, best):  # type: ignore[no-untyped-def]
    """Best-move search where a vertex may not return to a label it left; aspiration by a new record.

    ``until[v, k]`` is the step before which v may not take label k; ``track`` holds (current, record, step).
    """
    n = len(labels)
    x = state[0]
    current, record, clock = track[0], track[1], np.int64(track[2])
    for _ in range(steps):
        top, pick, label, ties = -np.inf, -1, 0, 0
        for v in range(n):
            a = labels[v]
            base = counts[v, a]
            for b in range(3):
                if b == a:
                    continue
                gain = base - counts[v, b]
                if gain < top:
                    continue
                if until[v, b] > clock and current + gain <= record + 1e-9:
                    continue
                if gain > top:
                    top, pick, label, ties = gain, v, b, 1
                else:
                    ties += 1
                    x ^= x << np.uint64(13)
                    x ^= x >> np.uint64(7)
                    x ^= x << np.uint64(17)
                    if np.int64(x >> np.uint64(33)) % ties == 0:
                        pick, label = v, b
        clock += 1
        if pick < 0:
            continue
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        until[pick, labels[pick]] = clock + tenure + np.int64(x >> np.uint64(33)) % 10
        current += move(indptr, indices, data, labels, counts, pick, label)
        if current > record + 1e-9:
            record = current
            best[:] = labels
    state[0] = x
    track[0], track[1], track[2] = current, record, clock


@njit(cache=True, nogil=True)
def transplant(indptr, indices, data, labels, guide, state, accept_equal):  # type: ignore[no-untyped-def]
    """Copy from ``guide`` every connected patch of differing vertices that raises the cut.

    Patches are not adjacent, so each one's gain is independent of the others (partition crossover); ties are
    copied with probability one half where ``accept_equal``. Returns (gain, patches copied, patches).
    """
    n = len(labels)
    patch = np.full(n, -1, dtype=np.int64)
    queue = np.empty(n, dtype=np.int64)
    x = state[0]
    total, copied, found = 0.0, 0, 0
    for seed in range(n):
        if patch[seed] >= 0 or labels[seed] == guide[seed]:
            continue
        queue[0], head, tail = seed, 0, 1
        patch[seed] = found
        while head < tail:
            v = queue[head]
            head += 1
            for e in range(indptr[v], indptr[v + 1]):
                u = indices[e]
                if patch[u] < 0 and labels[u] != guide[u]:
                    patch[u] = found
                    queue[tail] = u
                    tail += 1
        gain = 0.0
        for k in range(tail):
            v = queue[k]
            for e in range(indptr[v], indptr[v + 1]):
                u, w = indices[e], data[e]
                inside = patch[u] == found
                after = guide[u] if inside else labels[u]
                change = (guide[v] != after) * w - (labels[v] != labels[u]) * w
                gain += 0.5 * change if inside else change
        take = gain > 1e-12
        if not take and accept_equal and gain > -1e-12:
            x ^= x << np.uint64(13)
            x ^= x >> np.uint64(7)
            x ^= x << np.uint64(17)
            take = (x >> np.uint64(40)) & np.uint64(1) == np.uint64(1)
        if take:
            for k in range(tail):
                labels[queue[k]] = guide[queue[k]]
            total += gain
            copied += 1
        found += 1
        # Copied vertices now agree with the guide; patch numbers keep the others apart.
    state[0] = x
    return total, copied, found


@njit(cache=True, nogil=True)
def relink(indptr, indices, data, labels, counts, guide, best):  # type: ignore[no-untyped-def]
    """Walk greedily from ``labels`` to ``guide``, one vertex a step; write the best point strictly between.

    Returns (gain of that point, steps). The first and the last eighth of the way do not count, so that the point
    differs from both ends.
    """
    left = np.empty(len(labels), dtype=np.int64)
    remaining = 0
    for v in range(len(labels)):
        if labels[v] != guide[v]:
            left[remaining] = v
            remaining += 1
    distance = remaining
    current, record = 0.0, -np.inf
    best[:] = labels
    while remaining > 0:
        top, pick = -np.inf, 0
        for k in range(remaining):
            v = left[k]
            gain = counts[v, labels[v]] - counts[v, guide[v]]
            if gain > top:
                top, pick = gain, k
        v = left[pick]
        remaining -= 1
        left[pick] = left[remaining]
        current += move(indptr, indices, data, labels, counts, v, guide[v])
        if 8 * remaining >= distance and 8 * (distance - remaining) >= distance and current > record:
            record = current
            best[:] = labels
    return record, distance


@njit(cache=True, nogil=True)
def sweep(indptr, indices, data, labels, counts, rows, steps):  # type: ignore[no-untyped-def]
    """Step labels up or down by one in a given order; return (best gain, number of steps that reach it)."""
    current, record, where = 0.0, 0.0, 0
    for e in range(len(rows)):
        v = rows[e]
        b = (labels[v] + 3 + steps[e]) % 3
        current += move(indptr, indices, data, labels, counts, v, b)
        if current > record:
            record, where = current, e + 1
    return record, where
