"""Randomness: one root seed, many independent streams, never the same int twice.

A stream is derived either by *spawning* (order of calls matters) or by *key* (only the key matters). Work that
is scheduled, resumed or spread over workers uses keys, so that its numbers do not depend on who runs it when.
"""

from __future__ import annotations

import hashlib
import secrets

import numpy as np

Seed = int | np.random.Generator | np.random.SeedSequence | None


def as_generator(seed: Seed) -> np.random.Generator:
    """Return ``seed`` as a generator; an existing generator is passed through, not copied.

    Args:
        seed: A non-negative int, a Generator, a SeedSequence, or None for fresh entropy.

    Raises:
        ValueError: If ``seed`` is a negative int.
        TypeError: If ``seed`` is of another type.

    Example:
        >>> as_generator(1).random() == as_generator(1).random()
        True
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None or isinstance(seed, np.random.SeedSequence):
        return np.random.default_rng(seed)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be an int, a Generator, a SeedSequence or None, got {type(seed).__name__}")
    if seed < 0:
        raise ValueError(f"seed must be non-negative, got {seed}; use its absolute value")
    return np.random.default_rng(int(seed))


def spawn(seed: Seed, n: int) -> list[np.random.Generator]:
    """Return ``n`` independent child generators of ``seed``.

    Args:
        seed: As for :func:`as_generator`.
        n: Number of children.

    Example:
        >>> len(spawn(1, 3))
        3
    """
    return list(as_generator(seed).spawn(n))


def root_seed(seed: Seed) -> int:
    """Return an int that reproduces the run: ``seed`` itself if it is one, else 63 fresh or drawn bits.

    Args:
        seed: As for :func:`as_generator`.

    Example:
        >>> root_seed(7)
        7
    """
    if seed is None:
        return secrets.randbits(63)
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0:
        return int(seed)
    return int(as_generator(seed).integers(2**63 - 1))


def keyed(root: int, *key: str | int) -> np.random.Generator:
    """Return the generator that belongs to ``key`` under ``root``, whatever was drawn before.

    Args:
        root: The root seed of the run, non-negative.
        key: What the stream is for, such as ``("shots", job, cycle, evaluation)``.

    Example:
        >>> keyed(7, "shots", 3).random() == keyed(7, "shots", 3).random()
        True
    """
    digest = hashlib.sha256("\x1f".join(f"{type(k).__name__}:{k}" for k in key).encode()).digest()
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4))
    return np.random.default_rng(np.random.SeedSequence(root, spawn_key=words))


def simulator_seed(rng: np.random.Generator) -> int:
    """Draw a fresh positive 31-bit int for simulators that take no generator (zero means "unseeded" to some).

    Args:
        rng: The generator to draw from.

    Returns:
        The seed.

    Example:
        >>> 0 < simulator_seed(as_generator(1)) < 2**31
        True
    """
    return int(rng.integers(1, 2**31 - 1))
