"""Phases, circuits and solvers against peers, in one run: ``pytest tests/benchmarks/bench_qlsp.py``.

``QALGS_FAST=1`` or ``--benchmark-disable`` keeps the sizes small. Peers: qsppack, pyqsp (sym_qsp), nlft-qsp.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qalgs.qlsp import QSVTInversion, cks_inverse, inverse_degree, minimax_inverse, random_system, symmetric_phases

FAST = os.environ.get("QALGS_FAST") == "1"


def target(degree: int) -> Any:
    p = minimax_inverse(max(2.0, (degree + 1) / 7.6), degree=degree)
    return p.scaled(0.9 / p.peak())


def seconds(function: Callable[[], object], repeats: int = 3) -> float:
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            function()
        best = min(best, time.process_time() - start)
    return float(best)


def qsppack(series: Any) -> object:
    solve = pytest.importorskip("qsppack.solver").solve
    options = {
        "maxiter": 100,
        "criteria": 1e-12,
        "useReal": True,
        "targetPre": True,
        "method": "Newton",
        "print": 0,
    }
    return solve(series.coefficients[1::2], 1, options)


def pyqsp(series: Any) -> object:
    angles = pytest.importorskip("pyqsp.angle_sequence")
    return angles.QuantumSignalProcessingPhases(
        np.polynomial.chebyshev.Chebyshev(series.coefficients), method="sym_qsp", chebyshev_basis=True
    )


def nlft(series: Any) -> object:
    module = pytest.importorskip("nlft_qsp.qsp")
    return module.ChebyshevQSPPhaseFactors.solve(list(series.coefficients))


@pytest.mark.parametrize("degree", [27, 75, 379] if FAST else [27, 75, 379, 2001])
def test_phases(benchmark: Any, degree: int) -> None:
    series = target(degree)
    symmetric_phases(target(5))
    found = benchmark(symmetric_phases, series)
    benchmark.extra_info.update(degree=degree, residual=found.residual, iterations=found.iterations)
    assert found.residual <= 1e-10


@pytest.mark.parametrize("peer", [qsppack, pyqsp, nlft], ids=lambda f: f.__name__)
def test_phases_against_peers(peer: Callable[[Any], object]) -> None:
    degree = 75 if FAST else 379
    series = target(degree)
    symmetric_phases(series)
    peer(target(5))
    mine, theirs = seconds(lambda: symmetric_phases(series), 5), seconds(lambda: peer(series), 1)
    print(f"\ndegree {degree}: qalgs {mine:.4f} s, {peer.__name__} {theirs:.4f} s, ratio {theirs / mine:.1f}")
    if peer is not nlft and not FAST:
        assert theirs >= 10 * mine


def test_degree_two_thousand_within_three_seconds() -> None:
    series = target(501 if FAST else 2001)
    spent = seconds(lambda: symmetric_phases(series), 1)
    print(f"\ndegree {series.degree}: {spent:.3f} s, residual {symmetric_phases(series).residual:.1e}")
    assert spent <= 3.0


def test_degrees_against_cks() -> None:
    print("\nkappa  epsilon  minimax  CKS")
    for kappa, epsilon in ((5.0, 1e-2), (10.0, 1e-3), (50.0, 1e-3)):
        mine, theirs = inverse_degree(kappa, epsilon), cks_inverse(kappa, epsilon).degree
        print(f"{kappa:5g}  {epsilon:7g}  {mine:7d}  {theirs}")
        assert mine < theirs / 2.5


@pytest.mark.parametrize("size", [4] if FAST else [4, 16, 64])
def test_solve(benchmark: Any, size: int) -> None:
    system = random_system(size, 20 if FAST else 100, seed=1)
    solver = QSVTInversion(epsilon=1e-3)
    found = benchmark(solver.solve, system)
    benchmark.extra_info.update(queries_A=found.queries_A, error=found.direction_error)
    assert found.direction_error <= 1e-3
