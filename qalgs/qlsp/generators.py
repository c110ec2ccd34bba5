"""Linear systems to try things on: grids, graphs, random spectra, and a regression on real data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from qalgs.errors import as_array, expect, invalid
from qalgs.seeds import Seed, as_generator

from .linear_system import LinearSystem, Matrix

if TYPE_CHECKING:
    from qalgs.circuits.block_encodings_lcu import PoissonShifts


def _shifts(bits: list[int], scale: float, matrix: Matrix) -> PoissonShifts:
    """Return the encoding that needs no entries of ``matrix``; not a lambda, so that systems pickle."""
    from qalgs.circuits.block_encodings_lcu import PoissonShifts

    return PoissonShifts(bits, scale=scale)


def poisson(shape: int | Sequence[int], b: ArrayLike | str = "constant", *, seed: Seed = None) -> LinearSystem:
    """Return the Dirichlet Laplacian of a grid, ``tridiag(-1, 2, -1)`` in each of one to three directions.

    If every side is a power of two, the system uses the shift encoding, which needs no entries of the matrix.

    Args:
        shape: Points a direction; direction 0 runs fastest.
        b: ``"constant"``, ``"point"`` (the middle), ``"random"``, or a vector.
        seed: For ``"random"``.

    Raises:
        InvalidInputError: If there are no, more than three or too small sides, or ``b`` is none of these.

    Example:
        >>> poisson(4).A.toarray().astype(int).tolist()[0]
        [2, -1, 0, 0]
    """
    expect(Integral, Iterable, shape=shape)
    sides = (shape,) if isinstance(shape, int) else tuple(shape)
    if not 1 <= len(sides) <= 3 or min(sides) < 2:
        raise invalid("shape", shape, "must be one to three sizes of at least 2")
    total: Any = None
    done = 1
    for side in sides:
        t: Any = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
        if done == 1:
            total = sp.csr_array(t)
        else:
            total = sp.csr_array(sp.kron(sp.eye_array(side), total) + sp.kron(t, sp.eye_array(done)))
        done *= side
    if isinstance(b, str):
        choices = {"constant": np.ones(done), "point": np.eye(1, done, done // 2)[0]}
        if b == "random":
            rhs: NDArray[np.float64] = as_generator(seed).normal(size=done)
        elif b in choices:
            rhs = choices[b]
        else:
            raise invalid("b", b, 'must be "constant", "point", "random" or a vector')
    else:
        rhs = np.asarray(b)
    if all(side & (side - 1) == 0 for side in sides):
        bits = [side.bit_length() - 1 for side in sides]
        ends = sum(4 * np.sin(np.pi * side / (2 * (side + 1))) ** 2 for side in sides)
        return LinearSystem(total, rhs, encoding=partial(_shifts, bits, float(ends)))
    return LinearSystem(total, rhs)


def graph_laplacian(graph: nx.Graph[Any], b: ArrayLike | None = None, *, ground: float = 0.1) -> LinearSystem:
    """Return ``(L + ground I) x = b`` for a weighted graph (a resistor network with leaks).

    Args:
        graph: Any undirected graph; weights from the ``weight`` attribute.
        b: Currents; by default one unit in at the first node and out at the last.
        ground: Leak at every node, above zero, which makes the Laplacian invertible.

    Raises:
        InvalidInputError: If there are fewer than two nodes or ``ground`` is not positive.

    Example:
        >>> import networkx as nx
        >>> graph_laplacian(nx.path_graph(3)).size
        3
    """
    expect(Real, ground=ground)
    expect(nx.Graph, graph=graph)
    if not (np.isfinite(ground) and ground > 0):
        raise invalid("ground", ground, "must be finite and above zero", "a Laplacian alone is singular")
    n = graph.number_of_nodes()
    if n < 2:
        raise invalid("graph", n, "must have at least two nodes")
    laplacian = sp.csr_array(nx.laplacian_matrix(graph).astype(float)) + ground * sp.eye_array(n)
    rhs = np.zeros(n)
    rhs[0], rhs[-1] = 1.0, -1.0
    return LinearSystem(laplacian, rhs if b is None else b)


def random_system(
    size: int,
    kappa: float,
    *,
    spectrum: str | ArrayLike = "log",
    kind: str = "positive",
    complex_entries: bool = False,
    seed: Seed = None,
) -> LinearSystem:
    """Return a random system with a prescribed spectrum, ends included, in a Haar-random basis.

    Args:
        size: Number of rows.
        kappa: Condition number.
        spectrum: ``"log"`` or ``"uniform"`` (random between ``1/kappa`` and 1), ``"outlier"`` (one small value),
            or the singular values themselves.
        kind: ``"positive"``, ``"hermitian"`` (random signs) or ``"general"`` (two bases).
        complex_entries: Complex instead of real.
        seed: Seed.

    Raises:
        InvalidInputError: If an argument breaks its rule.

    Example:
        >>> round(random_system(4, 10.0, seed=1).kappa, 6)
        10.0
    """
    expect(Integral, size=size)
    expect(Real, kappa=kappa)
    if size < 2:
        raise invalid("size", size, "must be at least 2")
    if not (np.isfinite(kappa) and kappa >= 1):
        raise invalid("kappa", kappa, "must be finite and at least 1")
    rng = as_generator(seed)
    if not isinstance(spectrum, str):
        values = as_array("spectrum", spectrum)
        if values.shape != (size,):
            raise invalid("spectrum", values.shape, f"must hold {size} singular values")
    elif spectrum == "log":
        values = kappa ** -rng.uniform(size=size)
    elif spectrum == "uniform":
        values = rng.uniform(1 / kappa, 1, size=size)
    elif spectrum == "outlier":
        values = rng.uniform(0.5, 1, size=size)
    else:
        raise invalid("spectrum", spectrum, 'must be "log", "uniform", "outlier" or the values')
    if isinstance(spectrum, str):
        values[0], values[-1] = 1 / kappa, 1.0
    left = _haar(size, complex_entries, rng)
    if kind == "positive":
        a = (left * values) @ left.conj().T
    elif kind == "hermitian":
        a = (left * (values * rng.choice([-1.0, 1.0], size=size))) @ left.conj().T
    elif kind == "general":
        a = (left * values) @ _haar(size, complex_entries, rng)
    else:
        raise invalid("kind", kind, 'must be "positive", "hermitian" or "general"')
    if kind != "general":
        a = (a + a.conj().T) / 2
    b = rng.normal(size=size) + (1j * rng.normal(size=size) if complex_entries else 0)
    return LinearSystem(a, b / np.linalg.norm(b))


def _haar(size: int, complex_entries: bool, rng: np.random.Generator) -> Matrix:
    z = rng.normal(size=(size, size)) + (1j * rng.normal(size=(size, size)) if complex_entries else 0)
    q, r = np.linalg.qr(z)
    d = np.diagonal(r)
    return np.asarray(q * (d / np.abs(d)))


def ridge_regression(ridge: float = 1e-3) -> LinearSystem:
    """Return the normal equations of a ridge regression on real data: monthly stock prices that matplotlib ships.

    The monthly return of the S&P 500 is regressed on those of IBM, Apple, Microsoft, Xerox, Amazon, Dell, Adobe
    and Nasdaq, over the months in which all are listed: ``(X^T X / m + ridge I) x = X^T y / m``, standardised.

    Args:
        ridge: Weight of the penalty, above zero.

    Raises:
        InvalidInputError: If ``ridge`` is not positive.

    Example:
        >>> ridge_regression().size
        8
    """
    expect(Real, ridge=ridge)
    if not (np.isfinite(ridge) and ridge > 0):
        raise invalid("ridge", ridge, "must be finite and above zero")
    from matplotlib import cbook

    table = np.genfromtxt(
        str(cbook.get_sample_data("Stocks.csv", asfileobj=False)), delimiter=",", comments="#", skip_header=2
    )
    prices = table[:, [1, 2, 3, 4, 5, 6, 8, 10, 9]]
    prices = prices[np.isfinite(prices).all(axis=1)]
    returns = np.diff(np.log(prices), axis=0)
    returns = (returns - returns.mean(axis=0)) / returns.std(axis=0)
    x, y = returns[:, :-1], returns[:, -1]
    months = len(y)
    return LinearSystem(x.T @ x / months + ridge * np.eye(x.shape[1]), x.T @ y / months)
