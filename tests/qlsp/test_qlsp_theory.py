"""The paper's statements on many random systems, Figure 2, and the corrected frontier."""

from __future__ import annotations

import numpy as np
import pytest

from qalgs.errors import InvalidInputError
from qalgs.qlsp import (
    HHL,
    KernelReflection,
    QSVTInversion,
    SystemModel,
    direction_error,
    error_split,
    figure_two,
    kappa_hat,
    proximal_eta,
    random_system,
)
from qalgs.qlsp.meta.verdict import certified_ratio
from qalgs.qlsp.verify import certified_kappa_hat, identity_error, lemma_bound


@pytest.mark.parametrize("block", range(10))
def test_statements_of_the_paper_on_ten_random_systems(block: int, rng: np.random.Generator) -> None:
    for _ in range(10):
        kappa = float(10 ** rng.uniform(0.5, 3))
        system = random_system(8, kappa, spectrum=str(rng.choice(["log", "uniform", "outlier"])), seed=rng)
        a, b, x = system.matrix, system.rhs, system.reference
        x0 = x + rng.normal(size=8) * np.linalg.norm(x) * 10 ** rng.uniform(-2, 0)
        distance = float(np.linalg.norm(x0 - x))
        # Lemma 3.3: the condition number of I + eta A.
        eta = float(kappa * 10 ** rng.uniform(-2, 2))
        m = np.eye(8) + eta * a
        assert np.linalg.cond(m) == pytest.approx(kappa_hat(kappa, eta), rel=1e-8)
        # Proposition 4.4: eta from d and epsilon bounds |x1 - x*|; Lemma 4.3 and the identity for its direction.
        epsilon = distance * rng.uniform(0.05, 0.95)
        step = proximal_eta(kappa, distance, epsilon)
        x1 = np.linalg.solve(np.eye(8) + step * a, x0 + step * b)
        assert np.linalg.norm(x1 - x) <= epsilon * (1 + 1e-9)
        psi = np.sqrt(np.linalg.norm(x1) * np.linalg.norm(x))
        assert direction_error(x1, x) <= epsilon / psi * (1 + 1e-9)
        assert direction_error(x1, x) <= lemma_bound(x1, x) * (1 + 1e-9)
        if x1 @ x > 0:
            assert identity_error(x1, x) == pytest.approx(direction_error(x1, x), rel=1e-6, abs=1e-9)
        # Equation 18 is kappa_hat at that step, written with c and g = Psi epsilon_total / d.
        c = float(rng.uniform(1.5, 20))
        g = epsilon / distance * c / (c - 1.0)
        assert certified_kappa_hat(kappa, g, c) == pytest.approx(kappa_hat(kappa, step), rel=1e-9)
        # The split: total <= solver + proximal for any output of the inner solver.
        found = x1 + 0.1 * np.linalg.norm(x1) * rng.normal(size=8) / 3
        split = error_split(found, x1, x)
        assert split.total <= split.solver + split.proximal + 1e-12
        assert split.proximal <= split.bound * (1 + 1e-9)


def test_figure_two_is_reproduced() -> None:
    data = figure_two(20, 0.1, (2, 5, 10, 19))
    np.testing.assert_allclose(data["total"], [13.66, 8.16, 5.80, 4.56], atol=5e-3)
    np.testing.assert_allclose(data["baseline"], 20.0)
    np.testing.assert_allclose(np.add(data["improvement"], data["overhead"]), data["total"])
    # What it assumes: eta = kappa/(c - 1) is Proposition 4.4 for d = epsilon Psi, an already solved problem.
    for c, eta in zip(data["c"], data["eta"], strict=True):
        assert eta == pytest.approx(proximal_eta(20, 1.0, (1 - 1 / c) * 1.0))


def test_certified_frontier() -> None:
    qsvt = QSVTInversion()
    model = SystemModel(kappa=1e3, num_qubits=10)
    # A cold start never has a certified gain with a solver that costs kappa log(2/epsilon).
    for epsilon in (0.1, 1e-2, 1e-3, 1e-6):
        assert certified_ratio(qsvt, model, 1.0, epsilon)[0] > 0.995
    # rho = 2 epsilon: the measured table of the corrected theory.
    for epsilon, expected in ((1e-1, 0.91), (1e-2, 0.78), (1e-3, 0.72), (1e-6, 0.63)):
        assert certified_ratio(qsvt, model, 2 * epsilon, epsilon)[0] == pytest.approx(expected, abs=0.02)
    assert certified_ratio(qsvt, model, 10 * 1e-6, 1e-6)[0] == pytest.approx(0.994, abs=0.01)
    # Beyond the frontier rho = epsilon L there is none; well inside there is.
    frontier = 1e-3 * np.log(2e3)
    assert certified_ratio(qsvt, model, 1.5 * frontier, 1e-3)[0] > 0.99
    assert certified_ratio(qsvt, model, 0.4 * frontier, 1e-3)[0] < 0.9
    # HHL pays for accuracy, so the split does not pay at rho = 2 epsilon.
    assert certified_ratio(HHL(), model, 2e-2, 1e-2)[0] >= 0.75
    assert certified_ratio(KernelReflection(), model, 1.0, 1e-2)[0] > 0.97


def test_direction_error_keeps_its_digits(rng: np.random.Generator) -> None:
    x = rng.normal(size=5) + 1j * rng.normal(size=5)
    y = x * np.exp(0.7j) * 3.0
    across = rng.normal(size=5)
    across = across - np.vdot(x, across) / np.vdot(x, x) * x
    across = across / np.linalg.norm(across) * np.linalg.norm(x)
    assert direction_error(x, y) < 1e-14
    assert direction_error(x + 1e-11 * across, y) == pytest.approx(1e-11, rel=1e-3)
    assert direction_error(x, np.zeros(5)) == pytest.approx(np.sqrt(2))


def test_bad_steps() -> None:
    with pytest.raises(InvalidInputError, match="start is already good enough"):
        proximal_eta(10, 0.1, 0.2)
    with pytest.raises(InvalidInputError, match="c must exceed 1"):
        figure_two(c=[1.0])
