"""The classical games against ``eigh``."""

from __future__ import annotations

import numpy as np
import pytest

from qalgs.circuits import molecule
from qalgs.eigengame import rank1_bound, shifted, staggered_starts, top_eigenvectors
from qalgs.eigengame.classical import utility
from qalgs.errors import InvalidInputError


def psd(rng: np.random.Generator, d: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = np.linspace(10, 1, d)
    return q @ np.diag(values) @ q.T, values, q


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "parallel"},
        {"gradient": "finite_difference"},
        {"method": "mu"},
        {"method": "mu", "schedule": "parallel"},
        {"method": "parallel_deflation"},
        {"method": "parallel_deflation", "stagger": [0, 5, 10], "steps_per_round": 3},
        {"method": "sequential_rank1"},
    ],
)
def test_games_find_the_leading_eigenvectors(options: dict[str, object], rng: np.random.Generator) -> None:
    m, values, q = psd(rng)
    result = top_eigenvectors(m, 3, seed=1, iterations=4000, reference=q[:, :3], **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(result.values, values[:3], atol=1e-9)
    np.testing.assert_allclose(np.abs(np.einsum("ij,ij->j", result.vectors, q[:, :3])), 1, atol=1e-9)
    assert result.status.ok
    assert result.angles[-1] < 1e-5
    parallel = options.get("schedule") == "parallel" or options.get("method") == "parallel_deflation"
    assert (result.critical_path < sum(result.iterations)) == parallel


def test_levels_of_a_molecule_by_the_classical_game() -> None:
    h2 = molecule("H2")
    sector = h2.sector()
    m, c = shifted(sector.matrix(h2.hamiltonian).toarray())
    result = top_eigenvectors(m, 4, seed=0, iterations=20000, tolerance=1e-9)
    np.testing.assert_allclose(c - result.values, h2.energies(4), atol=1e-8)


def test_utility_is_the_schur_complement(rng: np.random.Generator) -> None:
    m, _, _ = psd(rng, 5)
    v, parent = rng.normal(size=(2, 5))
    complement = m - np.outer(m @ parent, parent @ m) / (parent @ m @ parent)
    assert utility(m, v, parent[:, None]) == pytest.approx(v @ complement @ v)
    assert utility(m, parent, parent[:, None]) == pytest.approx(0, abs=1e-9)


def test_rank1_bound_covers_the_observed_error(rng: np.random.Generator) -> None:
    m, values, q = psd(rng)
    result = top_eigenvectors(m, 4, "sequential_rank1", seed=0, iterations=150)
    observed = [np.linalg.norm(v - np.sign(v @ u) * u) for v, u in zip(result.vectors.T, q.T[:4], strict=True)]
    gap = values[0] - values[1]
    # The bound holds while errors stay below half the smallest gap.
    assert 1e-8 < result.residuals.max() < gap / 2
    # Residual over gap is the angle to first order, hence a part in a thousand of slack.
    assert (np.array(observed) * gap <= 1.001 * rank1_bound(values[:4], result.residuals)).all()
    assert np.isinf(rank1_bound(np.array([2.0, 2.0, 1.0]), np.full(3, 0.1))[2])


def test_staggered_starts_grow_and_need_strict_gaps() -> None:
    starts = staggered_starts([5, 4, 3, 2, 1], [0.5] * 4)
    assert starts[0] == 1
    assert all(np.diff(starts) > 0)
    # The floor of the first step: (k m + 1) / (1 - m) with m = 1/2 is 3.
    assert starts[1] >= 1 + 3
    with pytest.raises(InvalidInputError, match="strictly descending"):
        staggered_starts([3, 3, 1], [0.5, 0.5])


@pytest.mark.parametrize(
    ("matrix", "options", "text"),
    [
        (np.eye(3), {"k": 4}, "k must be between 1 and 3"),
        (np.ones((2, 3)), {"k": 1}, "must be a square matrix"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), {"k": 1}, "must be finite"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), {"k": 1}, "must be symmetric"),
        (np.diag([1.0, -1.0]), {"k": 1}, "positive semidefinite"),
        (1j * np.eye(2), {"k": 1}, "must be real"),
        (np.eye(2), {"k": 1, "method": "pca"}, "method must be one of"),
        (np.eye(2), {"k": 1, "method": "mu", "gradient": "finite_difference"}, "needs a utility"),
        (np.eye(2), {"k": 2, "schedule": "parallel", "stagger": [0]}, "stagger must be"),
    ],
)
def test_bad_matrices(matrix: np.ndarray, options: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        top_eigenvectors(matrix, **options)  # type: ignore[arg-type]
