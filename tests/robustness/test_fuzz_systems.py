"""Odd matrices and right-hand sides: a LinearSystem refuses them in one line, or solves them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from fuzzing import HUGE, Refused, budget, outcome, scrambled
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qalgs.cli import main
from qalgs.qlsp import LinearSystem

numeric: st.SearchStrategy[Any] = st.sampled_from(
    [np.float64, np.float32, np.int64, np.complex128, np.bool_, np.uint8, object, "U3"]
)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
odd: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "1", 0, 1, [], [[]], [[1, 2], [3]], [1, "a"], {}, {1: 2}, math.nan, [[10**400]], [[1j]]]
)
arrays: st.SearchStrategy[Any] = hnp.arrays(numeric, shapes)
sparse = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4)).map(sp.coo_array)
finite = st.floats(-100, 100) | st.sampled_from([0.0, 1.0, 1e-300, 1e300, 5e-324, 1.7e308])


def judge(system: LinearSystem) -> None:
    """Check what a system that was accepted says about itself."""
    assert 0 < system.norm < math.inf
    assert system.kappa_found >= 1 - 1e-9
    assert math.isfinite(system.kappa)
    assert np.isfinite(system.rhs).all()
    assert np.linalg.norm(system.rhs) == pytest.approx(1)
    assert np.isfinite(system.matrix).all()
    assert np.linalg.norm(system.matrix, 2) == pytest.approx(1)
    if system.threshold is None and system.kappa_found < 1e8:
        assert np.isfinite(system.solution).all()


def check(*arguments: Any, **options: Any) -> Any:
    found = outcome(lambda: LinearSystem(*arguments, **options))
    if not isinstance(found, Refused):
        judge(found)
    return found


@given(A=arrays | sparse | odd, b=arrays | odd)
@budget(1.0)
def test_anything(A: Any, b: Any) -> None:
    check(A, b)


@st.composite
def square(draw: st.DrawFn) -> tuple[Any, Any]:
    """A square matrix with a matching right-hand side, of any scale and structure."""
    n = draw(st.integers(1, 4))
    A = draw(hnp.arrays(np.float64, (n, n), elements=finite))
    match draw(st.sampled_from(["as it is", "symmetric", "singular", "complex", "diagonal", "integer"])):
        case "symmetric":
            A = np.triu(A) + np.triu(A, 1).T
        case "singular":
            A[:, -1] = A[:, 0]
        case "complex":
            A = A * (1 + draw(st.sampled_from([0, 1, -1e-3])) * 1j)
        case "diagonal":
            A = np.diag(np.diag(A))
        case "integer":
            A = np.where(np.abs(A) < 1e9, A, 1).astype(np.int64)
    b = draw(hnp.arrays(np.float64, n, elements=finite))
    return (sp.csr_array(A) if draw(st.booleans()) else A), b


@given(system=square())
@example(system=(np.diag([1e300, 1e300]), np.array([1e300, 1e300])))
@example(system=(np.diag([1e-320, 1e-320]), np.array([1e-320, 0.0])))
@example(system=(sp.csr_array((2, 2)), np.ones(2)))
@budget(1.0)
def test_square_systems(system: tuple[Any, Any]) -> None:
    check(*system)


values = st.sampled_from(
    [*HUGE, math.nan, math.inf, 0.5, 1e-3, "dilation", "pauli", "fable", "banded", "", None, True, [1], 1j]
)
options = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("kappa", "kappa_max", "threshold", "encoding"), values)
)


@given(changed=options)
@budget(1.0)
def test_options(changed: dict[str, Any]) -> None:
    system = outcome(lambda: LinearSystem(np.diag([1.0, 0.5, 0.25, 1.0]), np.ones(4), **changed))
    if not isinstance(system, Refused):
        judge(system)
        outcome(lambda: system.encoding)


MARKET = "%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 2.0\n2 2 1.0\n1 2 0.5\n"


@given(content=scrambled(st.just(MARKET)))
@example(content=MARKET.encode() + b"\x00")
@example(content=MARKET.rstrip().encode() + b"=")
@example(content=MARKET.replace("2 2 3", "2 2 99999999999999999").encode())
@example(content=MARKET.replace("2 2 3", "99999999999999 99999999999999 3").encode())
@example(content=MARKET.replace("2 2 3", "0 0 0").encode())
@budget(0.25)
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    path = tmp_path / "a.mtx"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main(["solve", str(path), "--estimate", "--json"])
    errors = capsys.readouterr().err.splitlines()
    refusals = [line for line in errors if line.startswith("error: ")]
    assert (code, len(refusals)) in ((0, 0), (2, 1))
    assert code == 0 or len(errors) == 1
    assert list(tmp_path.iterdir()) == [path]
