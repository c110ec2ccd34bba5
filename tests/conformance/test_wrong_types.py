"""Objects of the wrong type, every argument of every public callable: one line that names the argument."""

from __future__ import annotations

import importlib
import inspect
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from wrong_types import CALLS, METHODS, NAMED_OTHERWISE, RECORDS, Arguments

from qalgs.errors import QalgsError


class Thing:
    """Like nothing that any argument can be."""

    def __repr__(self) -> str:
        return "Thing()"


PACKAGES = ("backends", "circuits", "eigengame", "max3cut", "nest", "optimizers", "qlsp")
WORKERS = {"parallel", "n_jobs", "workers"}
"""Arguments of which 3 is a fine value that starts processes."""

pytestmark = pytest.mark.filterwarnings("ignore")


def public(key: str) -> Any:
    package, _, name = key.partition(".")
    return getattr(importlib.import_module(f"qalgs.{package}"), name)


def call(function: Any, arguments: dict[str, Any]) -> None:
    """Call, and take the first step of what is made of steps."""
    made = function(**arguments)
    if inspect.isgenerator(made):
        list(itertools.islice(made, 1))
        made.close()


def refusal_of(function: Any, arguments: dict[str, Any]) -> Exception | None:
    """Return what a call raises."""
    try:
        call(function, arguments)
    except Exception as error:
        return error
    return None


def wrong(function: Any, given: dict[str, Any]) -> list[tuple[str, Any]]:
    """Arguments with values of the wrong type: those that must be given, and those whose type is a class."""
    found: list[tuple[str, Any]] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        values: list[Any] = ["nonsense", Thing()]
        if name not in WORKERS:
            values.append(3)
        if parameter.default is parameter.empty:
            values.append(None)
        if name in given or not isinstance(parameter.default, bool | str | int | float):
            found += [(name, value) for value in values]
    return found


PROBED: dict[str, tuple[Any, Arguments]] = {
    **{key: (partial(public, key), given) for key, given in CALLS.items()},
    **METHODS,
}


@pytest.mark.parametrize("key", sorted(PROBED))
def test_wrong_types_are_named(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    get, arguments = PROBED[key]
    function, given = get(), arguments()
    for name, value in wrong(function, given):
        refusal = refusal_of(function, {**given, name: value})
        if refusal is None:
            continue
        shown = f"{key}({name}={value!r}): {refusal!r}"
        if not isinstance(refusal, QalgsError | TypeError):
            pytest.fail(shown)
        text = str(refusal)
        names = {name, NAMED_OTHERWISE.get((key, name), name)}
        if isinstance(value, str) and isinstance(refusal, QalgsError):
            names.add(value)  # a file or device that does not exist is named itself
        assert any(word in text for word in names), shown
        assert len(text.splitlines()) == 1, shown


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_callable_is_probed(package: str) -> None:
    module = importlib.import_module(f"qalgs.{package}")
    offered = {f"{package}.{name}" for name in module.__all__ if callable(getattr(module, name))}
    known = {key for key in {*CALLS, *RECORDS} if key.startswith(f"{package}.")}
    assert offered - known == set(), "add them to wrong_types.py"
    assert known - offered == set()


def test_a_snapshot_is_inflated_by_a_mapping() -> None:
    snapshot = public("backends.DeviceSnapshot").from_backend("fake_manila")
    for factors in (1.5, None, [1.5]):
        with pytest.raises(QalgsError, match="factors must be a mapping, got"):
            snapshot.inflate(factors)


@pytest.mark.parametrize("key", ["nest.frontier", "nest.pack", "nest.plan"])
@pytest.mark.parametrize("ready", [False, True], ids=["catalogues made", "catalogues given"])
def test_unknown_options_are_named(key: str, ready: bool) -> None:
    given = CALLS[key]()
    if ready:
        find = public("nest.LayoutCatalogue").for_circuit
        given["catalogues"] = {"job0": find(given["jobs"][0], given["snapshot"])}
    with pytest.raises(TypeError, match="unexpected keyword argument 'fractons'"):
        public(key)(**given, fractons=(0.9,))


@pytest.mark.parametrize("item", ["house.txt", CALLS["max3cut.compare"]()["graphs"][0]])
def test_one_graph_is_not_a_series_of_graphs(item: Any) -> None:
    with pytest.raises(QalgsError, match=r"graphs must be a sequence, got .*; put it into a list"):
        public("max3cut.compare")(item, ("greedy",))


@pytest.mark.parametrize(("label", "rule"), [("red", "must be an integer"), (3, "must be 0, 1 or 2")])
def test_labels_of_a_warm_start_are_named(label: Any, rule: str) -> None:
    with pytest.raises(QalgsError, match=rf"warm_start\[1\] {rule}, got {label!r}"):
        public("max3cut.vqa_job")(CALLS["max3cut.vqa_job"]()["graph"], warm_start={0: 0, 1: label, 2: 2})


def test_pairs_and_lengths_of_a_merge_are_named() -> None:
    given = CALLS["nest.merge"]()
    with pytest.raises(QalgsError, match=r"spans must be given for each of 1 jobs, got 2"):
        public("nest.merge")(**given, spans=[(0, 1), (0, 1)])
    with pytest.raises(QalgsError, match=r"spans\[0\] must be a pair"):
        public("nest.merge")(**given, spans=[(0,)])
    with pytest.raises(QalgsError, match=r"jobs\[0\] must be a Placed, got 3"):
        public("nest.merge")(**{**given, "jobs": [3]})


def test_frontier_options_choose_the_layouts() -> None:
    found = [public("nest.frontier")(**CALLS["nest.frontier"](), exclude=out) for out in ((), (3, 4))]
    assert found[0].points[0].worst_esp > found[1].points[0].worst_esp
