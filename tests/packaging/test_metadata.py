"""What the package index will read: metadata by the standard's own parser, known classifiers, a whole sdist."""

from __future__ import annotations

import re
import tarfile
import tomllib
import zipfile

import pytest
from distributions import ROOT, built
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from trove_classifiers import classifiers


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    with zipfile.ZipFile(built().wheel) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
        return Metadata.from_email(wheel.read(name), validate=True)


@pytest.fixture(scope="module")
def shipped() -> set[str]:
    with tarfile.open(built().sdist) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_metadata_is_complete(metadata: Metadata) -> None:
    assert metadata.name == "qalgs"
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.summary
    assert metadata.keywords
    assert str(metadata.requires_python) == ">=3.11"


def test_both_distributions_say_the_same(metadata: Metadata) -> None:
    with tarfile.open(built().sdist) as sdist:
        (name,) = [n for n in sdist.getnames() if n.endswith("/PKG-INFO")]
        stream = sdist.extractfile(name)
        assert stream is not None
        assert Metadata.from_email(stream.read(), validate=True).as_rfc822().as_string() == (
            metadata.as_rfc822().as_string()
        )


def test_classifiers_are_known_and_do_not_repeat_the_licence(metadata: Metadata) -> None:
    found = metadata.classifiers or []
    assert set(found) <= set(classifiers)
    assert len(set(found)) == len(found)
    # With a licence expression the index refuses licence classifiers.
    assert not any(c.startswith("License ::") for c in found)
    assert "Typing :: Typed" in found


def test_urls_are_https(metadata: Metadata) -> None:
    assert all(url.startswith("https://") for url in (metadata.project_urls or {}).values())


def test_no_dependency_by_address(metadata: Metadata) -> None:
    assert [r for r in metadata.requires_dist or [] if r.url is not None] == []


def test_sdist_is_whole(shipped: set[str]) -> None:
    for name in ("LICENSE", "README.md", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"):
        assert name in shipped
    for folder in ("qalgs", "circuits", "backends", "tests", "examples", "docs"):
        tree = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*.*") if p.suffix in {".py", ".md"}}
        # The links' targets stand at the top.
        assert {n for n in tree if not n.startswith(("qalgs/circuits", "qalgs/backends"))} <= shipped


def test_neither_distribution_holds_rubbish(shipped: set[str]) -> None:
    with zipfile.ZipFile(built().wheel) as wheel:
        names = shipped | set(wheel.namelist())
    bad = re.compile(r"__pycache__|\.(pyc|nbi|nbc|ipynb|so|log)$|(^|/)\.(venv|coverage|pytest_cache|benchmarks)")
    assert [n for n in names if bad.search(n)] == []


def test_versions_of_package_citation_and_changelog_agree() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        version = tomllib.load(stream)["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, list[Requirement]]:
    """The requirements of a constraints file by name, comments left out."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            found.setdefault(requirement.name.lower().replace("_", "-"), []).append(requirement)
    return found


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-minimum.txt"])
def test_constraints_pin_what_is_required(name: str, metadata: Metadata) -> None:
    pinned = pins(name)
    assert all(len(r.specifier) == 1 and "==" in str(r.specifier) for rs in pinned.values() for r in rs)
    for wanted in metadata.requires_dist or []:
        extra = str(wanted.marker or "")
        if name == "constraints-minimum.txt" and ("bench" in extra or "lint" in extra):
            continue
        for pin in pinned[wanted.name.lower().replace("_", "-")]:
            (exact,) = pin.specifier
            assert wanted.specifier.contains(exact.version), (str(wanted), str(pin))


def test_minimum_constraints_are_the_promised_minima(metadata: Metadata) -> None:
    pinned = pins("constraints-minimum.txt")
    for wanted in metadata.requires_dist or []:
        lowest = [s.version for s in wanted.specifier if s.operator == ">="]
        if lowest and "extra" not in str(wanted.marker or ""):
            (pin,) = pinned[wanted.name.lower().replace("_", "-")]
            (exact,) = pin.specifier
            given, promised = (tuple(int(p) for p in v.split(".")) for v in (exact.version, lowest[0]))
            assert given[: len(promised)] == promised, (str(wanted), str(pin))
