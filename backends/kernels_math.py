"""What all kernels share: codes of the flat program and arithmetic on 2 x 2 matrices."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Reassociation and contraction let the loops vectorise; NaN and infinity keep their meaning. Rounding then depends
# on what is compiled together, so whatever a kernel calls is inlined (forceinline): else the process that compiles
# would link the callees' own code, one that loads from the cache the copies, and their last bits would differ.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}

CHAIN, FLIP, PAIR, PHASES, PHASE, PAULI, MATRIX, LINEAR = range(8)
CONSTANT, RX, RY, RZ, P = range(5)


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def factor(kind: int, index: int, slots: Floats, mats: Floats, f: Floats) -> None:
    """Write one factor of a chain, a constant or a rotation, into ``f`` as (re, im) of 00, 01, 10, 11."""
    if kind == CONSTANT:
        for k in range(8):
            f[k] = mats[index, k]
        return
    for k in range(8):
        f[k] = 0.0
    half = slots[index] if kind == P else 0.5 * slots[index]
    c = math.cos(half)
    s = math.sin(half)
    if kind == RX:
        f[0] = c
        f[3] = -s
        f[5] = -s
        f[6] = c
    elif kind == RY:
        f[0] = c
        f[2] = -s
        f[4] = s
        f[6] = c
    elif kind == RZ:
        f[0] = c
        f[1] = -s
        f[6] = c
        f[7] = s
    else:
        f[0] = 1.0
        f[6] = c
        f[7] = s


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def matmul2(a: Floats, b: Floats, out: Floats) -> None:
    """Write the product ``a @ b`` of two 2 x 2 complex matrices in (re, im) pairs."""
    for i in range(2):
        for j in range(2):
            re = 0.0
            im = 0.0
            for k in range(2):
                ar = a[4 * i + 2 * k]
                ai = a[4 * i + 2 * k + 1]
                br = b[4 * k + 2 * j]
                bi = b[4 * k + 2 * j + 1]
                re += ar * br - ai * bi
                im += ar * bi + ai * br
            out[4 * i + 2 * j] = re
            out[4 * i + 2 * j + 1] = im


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def chain(start: int, stop: int, fac: Integers, slots: Floats, mats: Floats, u: Floats, work: Floats) -> None:
    """Write the product of the factors ``start:stop`` (the first acts first) into ``u``."""
    factor(fac[start, 0], fac[start, 1], slots, mats, u)
    for k in range(start + 1, stop):
        factor(fac[k, 0], fac[k, 1], slots, mats, work[:8])
        matmul2(work[:8], u, work[8:16])
        for m in range(8):
            u[m] = work[8 + m]


@njit(cache=True, fastmath=FASTMATH, forceinline=True)
def dagger2(u: Floats, out: Floats) -> None:
    """Write the adjoint of a 2 x 2 matrix."""
    for i in range(2):
        for j in range(2):
            out[4 * i + 2 * j] = u[4 * j + 2 * i]
            out[4 * i + 2 * j + 1] = -u[4 * j + 2 * i + 1]


@njit(cache=True, forceinline=True)
def parity(x: int) -> int:
    """Return the parity of the bits of ``x``."""
    x ^= x >> 32
    x ^= x >> 16
    x ^= x >> 8
    x ^= x >> 4
    return (0x6996 >> (x & 15)) & 1
