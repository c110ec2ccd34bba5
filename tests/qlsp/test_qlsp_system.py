"""Linear systems and generators: the quantum form against the original, and every kind of bad input."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from qalgs.circuits.block_encodings import Dilation, UserEncoding
from qalgs.errors import InvalidInputError, QalgsWarning, SingularSystemError
from qalgs.qlsp import Kind, LinearSystem, graph_laplacian, poisson, random_system, ridge_regression


def systems() -> dict[str, LinearSystem]:
    return {
        "positive": random_system(6, 30, seed=1),
        "hermitian": random_system(5, 30, kind="hermitian", complex_entries=True, seed=2),
        "general": random_system(3, 30, kind="general", seed=3),
        "general-complex": random_system(4, 7, kind="general", complex_entries=True, seed=3),
        "poisson-1": poisson(6, "point"),
        "poisson-2": poisson((4, 2), "random", seed=1),
        "poisson-3": poisson((2, 2, 2)),
        "graph": graph_laplacian(nx.petersen_graph()),
        "ridge": ridge_regression(),
        "one": LinearSystem([[2.0]], [3.0]),
        "integers": LinearSystem([[2, 1], [1, 3]], [1, 1]),
    }


@pytest.mark.parametrize("name", list(systems()))
def test_quantum_form_has_the_same_solution(name: str) -> None:
    system = systems()[name]
    h, c = system.matrix, system.rhs
    np.testing.assert_allclose(h, h.conj().T, atol=1e-14)
    assert np.linalg.norm(h, 2) == pytest.approx(1.0)
    assert np.linalg.norm(c) == pytest.approx(1.0)
    y = np.linalg.solve(h, c)
    np.testing.assert_allclose(system.recover(y), system.solution, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(system.reference, y, rtol=1e-8, atol=1e-12)
    assert system.residual(system.solution) < 1e-10
    sizes = np.abs(np.linalg.eigvalsh(h))
    assert 1 / sizes.min() == pytest.approx(system.kappa, rel=1e-8)
    assert system.encoding.check(1e-10) <= 1e-10
    assert (system.kind is Kind.GENERAL) == name.startswith("general")


def test_padding_is_an_identity_block() -> None:
    system = random_system(5, 10, seed=0)
    assert system.num_qubits == 3
    np.testing.assert_array_equal(system.matrix[5:, 5:], np.eye(3))
    np.testing.assert_array_equal(system.rhs[5:], 0)


def test_classification_and_kappa() -> None:
    assert random_system(4, 10, seed=1).kind is Kind.POSITIVE
    assert random_system(4, 10, kind="hermitian", seed=4).kind is Kind.HERMITIAN
    assert LinearSystem(-np.eye(2), [1, 0]).kind is Kind.HERMITIAN
    assert random_system(16, 123.0, seed=3).kappa == pytest.approx(123.0)
    assert random_system(4, 8.0, spectrum="outlier", seed=1).kappa == pytest.approx(8.0)


def test_lanczos_bounds_of_a_large_sparse_system() -> None:
    system = poisson(4096)
    exact = 1 / np.tan(np.pi / (2 * 4097)) ** 2
    assert system.kappa == pytest.approx(exact, rel=1e-6)
    assert system.kind is Kind.POSITIVE


def test_ridge_regression_is_the_classical_estimator() -> None:
    system = ridge_regression(0.01)
    assert system.size == 8
    assert system.kind is Kind.POSITIVE
    # The S&P 500 moves with its members: every coefficient of a one-stock regression is positive.
    assert (system.b > 0).all()


def test_threshold_gives_the_pseudo_inverse() -> None:
    a = np.diag([1.0, 0.5, 0.0, 0.25])
    with pytest.raises(SingularSystemError, match="smallest singular value of 0"):
        LinearSystem(a, np.ones(4))
    system = LinearSystem(a, np.ones(4), threshold=0.1)
    np.testing.assert_allclose(system.solution, [1, 2, 0, 4])
    assert system.kappa == pytest.approx(4.0)


@pytest.mark.parametrize("encoding", ["dilation", "pauli", "fable", "banded"])
def test_named_encodings(encoding: str) -> None:
    a = 2 * np.eye(4) - np.eye(4, k=1) - np.eye(4, k=-1)
    system = LinearSystem(a, np.ones(4), encoding=encoding)
    np.testing.assert_allclose(system.encoding.block() * system.encoding.alpha, system.matrix, atol=1e-10)


def test_misscaled_user_encoding_is_named() -> None:
    a = np.diag([1.0, 0.5])
    good = Dilation(a)
    assert LinearSystem(a, [1, 1], encoding=good).encoding is good
    with pytest.raises(InvalidInputError, match="best fit is alpha = 1 "):
        LinearSystem(a, [1, 1], encoding=Dilation(2 * a, alpha=2.0)).encoding  # noqa: B018
    with pytest.raises(InvalidInputError, match=r"best fit is alpha = 1$"):
        UserEncoding(good.circuit(), a, alpha=2.0)
    with pytest.raises(InvalidInputError, match="must act on 1 system qubits"):
        LinearSystem(a, [1, 1], encoding=Dilation(np.eye(4))).encoding  # noqa: B018


def test_underestimated_kappa_warns_at_once_and_by_the_residual() -> None:
    from qalgs.qlsp import QSVTInversion

    good = random_system(4, 50, seed=1)
    with pytest.warns(QalgsWarning, match="kappa must be at least"):
        system = LinearSystem(good.A, good.b, kappa=5.0)
    with pytest.warns(QalgsWarning, match="residual must fall below"):
        QSVTInversion(epsilon=1e-3).solve(system)


def ragged() -> object:
    return [[1, 2], [3]]


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (ragged(), [1, 1], "rows of unequal length"),
        (np.ones((2, 3)), [1, 1], "must be square"),
        ([[1, np.nan], [0, 1]], [1, 1], "A must be finite"),
        ([[1, 0], [0, 1]], [1, np.inf], "b must be finite"),
        ([[1, 0], [0, 1]], [0, 0], "b must not vanish"),
        ([[1, 0], [0, 1]], [1, 1, 1], "b must have shape"),
        ([["a", "b"], ["c", "d"]], [1, 1], "matrix of numbers"),
        ([[1, 1], [1, 1]], [1, 0], "smallest singular value"),
        (sp.csr_array((4, 4)), np.ones(4), "smallest singular value"),
        (np.diag([1, 1e-12]), [1, 1], "kappa_max = 1e\\+08"),
    ],
)
def test_bad_systems(a: object, b: object, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as caught:
        LinearSystem(a, b)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_bad_options() -> None:
    for options, text in (
        ({"kappa": 0.5}, "kappa must be"),
        ({"kappa_max": np.nan}, "kappa_max must be"),
        ({"threshold": 2.0}, "threshold must lie"),
    ):
        with pytest.raises(InvalidInputError, match=text):
            LinearSystem(np.eye(2), [1, 1], **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="encoding must be one of"):
        LinearSystem(np.eye(2), [1, 1], encoding="magic").encoding  # noqa: B018
    with pytest.raises(InvalidInputError, match="ground must be"):
        graph_laplacian(nx.path_graph(3), ground=0)
    with pytest.raises(InvalidInputError, match="spectrum must be"):
        random_system(4, 2, spectrum="odd")
    with pytest.raises(InvalidInputError, match="shape must be"):
        poisson((2, 2, 2, 2))
