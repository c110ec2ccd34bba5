"""The Qiskit ecosystem's published checks that need no network; the names are theirs (see docs/ecosystem.md)."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from distributions import ROOT
from packaging.requirements import Requirement
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2

from qalgs import backends

with (ROOT / "pyproject.toml").open("rb") as _stream:
    PROJECT: dict[str, Any] = tomllib.load(_stream)["project"]
(QISKIT,) = [r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "qiskit"]


def test_000_extends_the_transpiler() -> None:
    assert PROJECT["entry-points"]["qiskit.transpiler.layout"]["qalgs_esp"]


def test_001_o01_p13_licence() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "license: Apache-2.0" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_coc_code_of_conduct() -> None:
    assert "https://qisk.it/coc" in (ROOT / "CODE_OF_CONDUCT.md").read_text(encoding="utf-8")


def test_q20_pq2_p10_qiskit_2_with_a_cap() -> None:
    assert QISKIT.specifier.contains(version("qiskit"))
    assert not QISKIT.specifier.contains("1.4.5")
    assert not QISKIT.specifier.contains("3.0.0", prereleases=True)


def test_010_name() -> None:
    assert "test" not in PROJECT["name"]


def test_011_013_urls() -> None:
    urls = list(PROJECT.get("urls", {}).values())
    assert len(set(urls)) == len(urls)
    assert all(url.startswith("https://") for url in urls)


def test_014_description() -> None:
    assert 20 < len(PROJECT["description"]) <= 135


@pytest.mark.parametrize("name", [n for n in backends.__all__ if n.endswith(("Estimator", "Sampler"))])
def test_020_primitives_are_v2(name: str) -> None:
    base = BaseEstimatorV2 if name.endswith("Estimator") else BaseSamplerV2
    made = getattr(backends, name)
    assert issubclass(made, base)
    assert list(inspect.signature(made.run).parameters)[1] == "pubs"


def test_p11_beta_is_not_production_ready() -> None:
    assert "Development Status :: 4 - Beta" in PROJECT["classifiers"]


def test_page_names_every_check_that_is_tested() -> None:
    page = (ROOT / "docs" / "ecosystem.md").read_text(encoding="utf-8")
    for name in ("000", "001", "O01", "P13", "COC", "Q20", "PQ2", "P10", "020", "010", "014", "011", "013", "P11"):
        assert re.search(rf"\b{name}\b", page), name
