"""What the tests of bad input share: budgets, the rule for refusals, TOML text, damage to values and texts."""

from __future__ import annotations

import copy
import datetime
import json
import os
import warnings
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from profiles import settings

from qalgs.errors import QalgsError, QalgsWarning

PROFILE = "nightly" if os.environ.get("QALGS_FUZZ") == "nightly" else "ci"


class Refused(str):
    """The message of an accepted refusal."""

    __slots__ = ()


def budget(share: float) -> settings:
    """Return the settings of a test that gets this share of the profile's inputs."""
    profile = settings.get_profile(PROFILE)
    return settings(profile, max_examples=max(1, round(share * profile.max_examples)))


def outcome(call: Callable[[], Any]) -> Any:
    """Return what ``call`` returns, or its refusal: a QalgsError, ValueError or TypeError of one non-empty line.

    Anything else that is raised passes through and fails the test.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", QalgsWarning)
            return call()
    except (QalgsError, ValueError, TypeError) as error:
        text, kind = str(error), type(error).__name__
    assert text.strip(), f"{kind} without a message"
    assert len(text.splitlines()) == 1, f"{kind} with a message of several lines: {text!r}"
    return Refused(text)


HUGE = [-(10**400), -(2**63) - 1, -1, 0, 1, 2, 3, 7, 10**6, 2**31, 2**63, 10**30, 10**400]
WORDS = [
    "",
    " ",
    "\x00",
    "a\nb",
    "best",
    "2*best",
    "nan",
    "ring:6",
    "ring:-1",
    "regular:3:4:x",
    "path:3",
    "é",
    "H2",
    "auto",
]
numbers = st.sampled_from(HUGE) | st.integers(-5, 40)
reals = st.sampled_from([0.0, -0.0, -1.5, 0.5, 1e-320, 1e308, -1e308, float("nan"), float("inf")]) | st.floats()
words = st.sampled_from(WORDS) | st.text(max_size=8)
scalars = st.booleans() | numbers | reals | words
dates = st.sampled_from([datetime.date(2020, 2, 29), datetime.datetime(1999, 1, 1, 1, 1), datetime.time(1, 2)])
junk = st.recursive(
    scalars, lambda s: st.lists(s, max_size=3) | st.dictionaries(words, s, max_size=2), max_leaves=4
)


TERMS = [
    "COBYLA",
    "SPSA",
    "Adam",
    "lbfgs",
    "nelder-mead",
    "Nest",
    "NestJump",
    "BestMap",
    "BestMapRestarts",
    "Qoncord",
    "Reversed",
    "RandomMap",
    "linear",
    "flat",
    "step",
    "custom",
    "cosine",
    "qaoa",
    "efficient_su2",
    "particle_conserving",
    "hamiltonian_variational",
    "givens",
    "kupccgsd",
    "full",
    "parity",
    "bravyi_kitaev",
    "6-31g",
    "HeH+",
    "vqd",
    "hotelling",
    "ssvqe",
    "eigengame",
    "parallel",
    "sequential",
    "snake",
    "leaf",
    "error",
    "stay",
    "advance",
    "auto",
    "median",
    "q25",
    "one-hot",
    "binary",
    "none",
    "poisson:3",
    "poisson:0",
    "ring:3",
    "star:2",
    "tfim",
    "xxz",
    "heisenberg",
    "aer",
    "compiled",
    "device",
    "merged",
]


def alike(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same type as ``value``: they pass the first checks and reach the later ones."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(-1, 4) | numbers
    if isinstance(value, float):
        return st.floats(-2, 2) | reals
    if isinstance(value, str):
        return st.sampled_from(TERMS) | words
    return st.just(copy.deepcopy(value)) | junk


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values inside a tree of dicts and lists."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, value in inside for path in [(*at, key), *places(value, (*at, key))]]


def holder(tree: Any, path: tuple[Any, ...]) -> Any:
    """Return the dict or list that holds the value at ``path``."""
    for key in path[:-1]:
        tree = tree[key]
    return tree


ACTIONS = ["replace", "replace", "remove", "remove", "rename", "wrap", "swap", "add"]


@st.composite
def damaged(draw: st.DrawFn, trees: st.SearchStrategy[Any], values: st.SearchStrategy[Any] = junk) -> Any:
    """Draw a tree with one to three of its values replaced, removed, renamed, swapped or wrapped."""
    tree = copy.deepcopy(draw(trees))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        known = places(tree)
        if not known:
            break
        path = draw(st.sampled_from(known))
        inside, key = holder(tree, path), path[-1]
        action = draw(st.sampled_from(["alike"] * 8 + ACTIONS))
        if action == "alike":
            inside[key] = draw(alike(inside[key]))
        elif action == "replace":
            inside[key] = draw(values)
        elif action == "remove":
            del inside[key]
        elif action == "wrap":
            inside[key] = draw(st.sampled_from([[inside[key]], {"name": inside[key]}, [inside[key]] * 2]))
        elif action == "swap":
            other = draw(st.sampled_from(known))
            inside[key] = copy.deepcopy(holder(tree, other)[other[-1]])
        elif isinstance(inside, dict) and action == "rename":
            inside[draw(words)] = inside.pop(key)
        elif isinstance(inside, dict):
            inside[draw(words)] = draw(values)
        else:
            inside.append(draw(values))
    return tree


def toml(value: dict[str, Any]) -> str:
    """Return a dict as TOML, tables inline."""
    return "".join(f"{_string(key)} = {_inline(item)}\n" for key, item in value.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_string(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return _string(value) if isinstance(value, str) else repr(value)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for surrogates (which TOML has not) and DEL.
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


@st.composite
def scrambled(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """Draw a text with bytes inserted, removed, overwritten or repeated."""
    data = bytearray(draw(texts).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 12))
        action = draw(st.sampled_from(["insert", "remove", "overwrite", "repeat"]))
        if action == "repeat":
            data[at:at] = data[at : at + length] * draw(st.sampled_from([1, 2, 500]))
            continue
        fresh = b"" if action == "remove" else draw(st.sampled_from(SCRAPS) | st.binary(max_size=4))
        data[at : at + (0 if action == "insert" else length)] = fresh
    return bytes(data)


SCRAPS = [
    b"\n",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b";",
    b"-",
    b"1e999",
    b"0",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[" * 3000,
]
