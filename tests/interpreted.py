"""A pytest plugin for runs without compilation: ``NUMBA_DISABLE_JIT=1 pytest -p tests.interpreted PATHS``.

Numba's intrinsics emit machine code and cannot be called from Python. Here each gets a NumPy twin with the same
arguments, so that the kernels around them run as plain Python.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]


def mixer(q: int) -> Callable[[Floats, Floats, int, Floats], None]:
    """Return the twin that applies a matrix on qubit ``q`` < 3 to eight amplitudes."""
    other = np.arange(8) ^ (1 << q)

    def mix(re: Floats, im: Floats, index: int, coef: Floats) -> None:
        x = re[index : index + 8] + 1j * im[index : index + 8]
        out = (coef[:8] + 1j * coef[8:16]) * x + (coef[16:24] + 1j * coef[24:32]) * x[other]
        re[index : index + 8], im[index : index + 8] = out.real, out.imag

    return mix


def back_mixer(q: int) -> Callable[..., None]:
    """Return the twin that also adds conj(lambda) psi and conj(lambda) swapped(psi) to the sums."""
    other = np.arange(8) ^ (1 << q)
    mix = mixer(q)

    def back(pr: Floats, pi: Floats, lr: Floats, li: Floats, index: int, coef: Floats, total: Floats) -> None:
        x, bra = (re[index : index + 8] + 1j * im[index : index + 8] for re, im in ((pr, pi), (lr, li)))
        for m, product in enumerate((bra.conj() * x, bra.conj() * x[other])):
            total[16 * m : 16 * m + 8] += product.real
            total[16 * m + 8 : 16 * m + 16] += product.imag
        mix(pr, pi, index, coef)
        mix(lr, li, index, coef)

    return back


def pair(re: Floats, im: Floats, index: int, step: int, *entries: float) -> None:
    """Apply a matrix, given by the real and imaginary parts of its entries, to two vectors of eight."""
    u = np.array(entries).view(np.complex128).reshape(2, 2)
    places = np.arange(8) + np.array([[index], [index + step]])
    out = u @ (re[places] + 1j * im[places])
    re[places], im[places] = out.real, out.imag


def back_pair(
    pr: Floats, pi: Floats, lr: Floats, li: Floats, index: int, step: int, total: Floats, *entries: float
) -> None:
    """Add conj(lambda_a) psi_b of the two vectors to the sums, then do as ``pair`` for both states."""
    places = np.arange(8) + np.array([[index], [index + step]])
    ket: Complexes = pr[places] + 1j * pi[places]
    bra: Complexes = lr[places] + 1j * li[places]
    products = bra.conj()[:, None] * ket[None, :]
    total[:64] += np.stack([products.real, products.imag], axis=2).ravel()
    pair(pr, pi, index, step, *entries)
    pair(lr, li, index, step, *entries)


def dot_lanes(
    kind: int, low: int, high: int, top: int, count: int, dr: Floats, di: Floats,
    sr: Floats, si: Floats, tr: Floats, ti: Floats,
) -> float:  # fmt: skip
    """Return Re sum_i conj(psi(i ^ x)) D(i) psi(i) over ``count`` vectors whose index has bit ``top`` clear."""
    steps = 8 * np.arange(count)
    places = (steps + (steps & -top))[:, None] + np.arange(8)
    others = places ^ (high | low)
    product = (tr[others] - 1j * ti[others]) * (sr[places] + 1j * si[places])
    if kind == 4:
        return float(product.real.sum())
    diagonal = dr[places] * (kind & 1) + 1j * di[places] * (kind // 2)
    return float((diagonal * product).real.sum())


def add_lanes(
    kind: int, low: int, high: int, count: int, scale: float, dr: Floats, di: Floats,
    sr: Floats, si: Floats, outr: Floats, outi: Floats,
) -> None:  # fmt: skip
    """Add D(i ^ x) psi(i ^ x) to out(i) over ``count`` vectors."""
    others = np.arange(8 * count) ^ (high | low)
    diagonal = scale if kind == 4 else dr[others] * (kind & 1) + 1j * di[others] * (kind // 2)
    product = diagonal * (sr[others] + 1j * si[others])
    outr[: 8 * count] += product.real
    outi[: 8 * count] += product.imag


def dot(kind: int, low: int, high: int, top: int, count: int, *arrays: Floats) -> float:
    """Return Re sum conj(t(i ^ x)) D(i) s(i), x = high | low, over ``count`` vectors, without bit ``top``."""
    step = 8 * np.arange(count)
    first = (step + (step & -top))[:, None] + np.arange(8)
    second = ((step + (step & -top)) ^ high)[:, None] + (np.arange(8) ^ low)
    return float((diagonal(kind, 1.0, arrays[0], arrays[1], first) * inner(arrays[2:], first, second)).sum().real)


def inner(arrays: tuple[Floats, ...], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Complexes:
    """Return s conj(t) at the given places."""
    sr, si, tr, ti = arrays
    return np.asarray((sr[first] + 1j * si[first]) * (tr[second] - 1j * ti[second]))


def diagonal(kind: int, scale: float, dr: Floats, di: Floats, at: npt.NDArray[np.int64]) -> Complexes:
    """Return the numbers of a group's diagonal: real, imaginary, complex or one real number."""
    if kind == 4:
        return np.full(at.shape, scale, dtype=np.complex128)
    return np.asarray((dr[at] if kind & 1 else 0.0) + (1j * di[at] if kind & 2 else 0.0), dtype=np.complex128)


def add(kind: int, low: int, high: int, count: int, scale: float, *arrays: Floats) -> None:
    """Add D(i ^ x) s(i ^ x) to out(i), x = high | low, over ``count`` vectors."""
    dr, di, sr, si, outr, outi = arrays
    start = 8 * np.arange(count)
    at = (start ^ high)[:, None] + (np.arange(8) ^ low)
    value = diagonal(kind, scale, dr, di, at) * (sr[at] + 1j * si[at])
    outr[start[:, None] + np.arange(8)] += value.real
    outi[start[:, None] + np.arange(8)] += value.imag


def call_view(function: int, circuit: int, index: int, out: int) -> None:
    """Call the C function at an address."""
    word = ctypes.c_uint64
    ctypes.CFUNCTYPE(None, word, word, word)(int(function))(int(circuit), int(index), int(out))


def load_word(address: int) -> int:
    """Read the unsigned 32-bit integer at an address."""
    return ctypes.c_uint32.from_address(int(address)).value


def pytest_sessionstart() -> None:
    """Put the twins in place, where compilation is off."""
    from numba import config
    from numba.core.extending import _Intrinsic

    if not getattr(config, "DISABLE_JIT", 0):
        return
    from qalgs.backends import compiler_wires, kernels_lanes, kernels_pauli_lanes, kernels_run

    twins: dict[object, Callable[..., object]] = {
        kernels_lanes._apply_pair: pair,
        kernels_lanes._apply_back_pair: back_pair,
        kernels_pauli_lanes.dot_lanes: dot,
        kernels_pauli_lanes.add_lanes: add,
        compiler_wires._call_view: call_view,
        compiler_wires._load_word: load_word,
    }
    for q in range(3):
        twins[getattr(kernels_lanes, f"_mix{q}")] = mixer(q)
        twins[getattr(kernels_lanes, f"_back{q}")] = back_mixer(q)
    assert kernels_run.run
    for module in [m for name, m in sys.modules.items() if name.startswith("qalgs.")]:
        for name, value in list(vars(module).items()):
            if isinstance(value, _Intrinsic):
                setattr(module, name, twins[value])
