"""Short NumPy twins of the compiled kernels: the same mathematics, written for reading, used as oracles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Complexes = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]


def as_tensor(state: Complexes) -> Complexes:
    """One axis per qubit, axis k being qubit k."""
    n = state.size.bit_length() - 1
    return state.reshape((2,) * n).transpose(range(n)[::-1])


def as_vector(tensor: Complexes) -> Complexes:
    return np.ascontiguousarray(tensor.transpose(range(tensor.ndim)[::-1])).reshape(-1)


def one(state: Complexes, q: int, u: Complexes) -> Complexes:
    """A 2 x 2 matrix on qubit q."""
    return as_vector(np.moveaxis(np.tensordot(u, as_tensor(state), axes=(1, q)), 0, q))


def where(size: int, mask: int, value: int) -> npt.NDArray[np.bool_]:
    """Indices whose bits ``mask`` equal ``value``."""
    return (np.arange(size) & mask) == value


def controlled(state: Complexes, q: int, mask: int, value: int, u: Complexes) -> Complexes:
    """The same where the control bits match."""
    return np.where(where(state.size, mask, value), one(state, q, u), state)


def phase(state: Complexes, mask: int, value: int, angle: float) -> Complexes:
    """exp(i angle) where the bits match."""
    return state * np.where(where(state.size, mask, value), np.exp(1j * angle), 1.0)


def pauli(state: Complexes, x: int, z: int) -> Complexes:
    """i**|x & z| X^x Z^z, the Pauli string with these bits."""
    index = np.arange(state.size)
    signs = (-1.0) ** np.array([bin(k & z).count("1") for k in index])
    out = np.empty_like(state)
    out[index ^ x] = 1j ** bin(x & z).count("1") * signs * state
    return out


def rotation(state: Complexes, x: int, z: int, mask: int, value: int, angle: float) -> Complexes:
    """exp(-i angle/2 P) where the bits match."""
    turned = np.cos(angle / 2) * state - 1j * np.sin(angle / 2) * pauli(state, x, z)
    return np.where(where(state.size, mask, value), turned, state)


def matrix(state: Complexes, qubits: list[int], u: Complexes) -> Complexes:
    """A dense matrix on ``qubits``, the first being its lowest bit."""
    k = len(qubits)
    tensor = np.moveaxis(as_tensor(state), qubits[::-1], range(k))
    shape = tensor.shape
    turned = (u @ tensor.reshape(1 << k, -1)).reshape(shape)
    return as_vector(np.moveaxis(turned, range(k), qubits[::-1]))


def permuted(state: Complexes, columns: list[int], offset: int) -> Complexes:
    """out(i) = in(M i ^ offset)."""
    index = np.zeros(state.size, dtype=int)
    for k, column in enumerate(columns):
        index ^= np.where((np.arange(state.size) >> k) & 1, column, 0)
    return state[index ^ offset]


def quadratic_phases(n: int, angles: Floats) -> Complexes:
    """exp(i sum_j a_j b_j + i sum_(m<j) w_jm b_j b_m)."""
    bits = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    total = bits @ angles[:n]
    for j in range(n):
        for m in range(j):
            total = total + angles[n + j * (j - 1) // 2 + m] * bits[:, j] * bits[:, m]
    return np.exp(1j * total)


def quadratic_sums(n: int, bra: Complexes, ket: Complexes) -> Complexes:
    """sum_x m(x) conj(bra) ket for every product m of one or two bits."""
    bits = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    products = np.conj(bra) * ket
    singles = [products @ bits[:, j] for j in range(n)]
    pairs = [products @ (bits[:, j] * bits[:, m]) for j in range(n) for m in range(j)]
    return np.array([*singles, *pairs])


def transition(bra: Complexes, ket: Complexes, q: int) -> Complexes:
    """T_ab = sum conj(bra_a) ket_b over the other qubits."""
    a = np.moveaxis(as_tensor(bra), q, 0).reshape(2, -1)
    b = np.moveaxis(as_tensor(ket), q, 0).reshape(2, -1)
    return a.conj() @ b.T
