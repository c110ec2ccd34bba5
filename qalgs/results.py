"""What results have in common: a status that reads as a sentence, JSON, a notebook view, safe files."""

from __future__ import annotations

import dataclasses
import enum
import html
import inspect
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from qalgs.errors import InvalidInputError

JSON = dict[str, "JSON"] | list["JSON"] | str | int | float | bool | None


class Status(enum.Enum):
    """How a run ended; the value of each member is the message for people."""

    CONVERGED = "converged: the stopping rule was met"
    BUDGET = "stopped at the evaluation budget before the stopping rule was met"
    STALLED = "stopped because no further progress was made"
    INTERRUPTED = "interrupted; it can be resumed"
    FAILED = "failed: see the message"

    @property
    def ok(self) -> bool:
        """Whether the stopping rule was met."""
        return self is Status.CONVERGED

    def __str__(self) -> str:
        return str(self.value)


@cache
def versions() -> dict[str, str]:
    """Return the versions of the package and of what it computes with.

    Example:
        >>> sorted(versions())[:3]
        ['numba', 'numpy', 'pennylane']
    """
    found = {}
    for name in (
        "qalgs",
        "qiskit",
        "qiskit-aer",
        "qiskit-ibm-runtime",
        "pennylane",
        "numpy",
        "scipy",
        "numba",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def jsonable(value: object) -> JSON:
    """Convert ``value`` to what JSON can hold: arrays to lists, complex to ``{"re", "im"}``, NaN to null.

    Args:
        value: Anything.

    Returns:
        The value in JSON's own types.

    Example:
        >>> jsonable({"z": 1 + 2j, "v": np.array([1.0, np.nan])})
        {'z': {'re': 1.0, 'im': 2.0}, 'v': [1.0, None]}
    """
    if value is None or isinstance(value, bool | str | int):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, complex | np.complexfloating):
        return {"re": float(value.real), "im": float(value.imag)}
    if isinstance(value, np.ndarray):
        if np.iscomplexobj(value):
            return {"re": jsonable(value.real), "im": jsonable(value.imag)}
        return [jsonable(v) for v in value.tolist()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    return str(value)


class Result:
    """Mix-in for frozen result dataclasses; fields with ``repr=False`` stay out of JSON and tables."""

    def to_dict(self) -> dict[str, JSON]:
        """Return the fields as plain JSON values."""
        converted = jsonable(self)
        assert isinstance(converted, dict)
        return converted

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return the fields as a JSON document."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def _rows(self) -> list[dict[str, object]]:
        """Lines of the table that people see under the fields; overridden where a result is a list of things."""
        return []

    def __str__(self) -> str:
        shown = _fields(self)
        width = max(map(len, shown), default=0)
        lines = [type(self).__name__, *(f"  {name:<{width}}  {value}" for name, value in shown.items())]
        if rows := self._rows():
            table = [list(rows[0]), *([_short(v) for v in row.values()] for row in rows)]
            widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
            lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in table]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Iterable[str]) -> str:
            return (
                "<tr>"
                + "".join(f"<{tag} style='text-align:left'>{html.escape(c)}</{tag}>" for c in cells)
                + "</tr>"
            )

        fields = "".join(line("td", (name, value)) for name, value in _fields(self).items())
        text = f"<table><caption>{html.escape(type(self).__name__)}</caption>{fields}</table>"
        if rows := self._rows():
            body = "".join(line("td", map(_short, row.values())) for row in rows)
            text += f"<table>{line('th', rows[0])}{body}</table>"
        return text


def _fields(result: Result) -> dict[str, str]:
    """What to show of each field: values where they are short, else how many there are of what."""
    assert dataclasses.is_dataclass(result)
    return {
        f.name: _short(getattr(result, f.name))
        for f in dataclasses.fields(result)
        if f.repr and f.name != "versions"
    }


class Described:
    """Mix-in: ``repr`` shows the constructor's arguments that the object keeps, large ones by name or type."""

    def __repr__(self) -> str:
        shown = []
        for name in inspect.signature(type(self)).parameters:
            value = getattr(self, name, getattr(self, f"_{name}", None))
            if value is not None and value != {}:
                shown.append(f"{name}={_brief(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _brief(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, list | tuple) and all(isinstance(v, int) for v in value):
        return repr(value)
    name = getattr(value, "name", None)
    return repr(name) if isinstance(name, str) else type(value).__name__


def _short(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.8g}"
    if isinstance(value, complex | np.complexfloating):
        return f"{value:.6g}"
    if isinstance(value, Result):
        if type(value).__str__ is not Result.__str__:
            return str(value)
        numbers = {k: v for k, v in _fields(value).items() if isinstance(getattr(value, k), int | float)}
        return ", ".join(f"{k} {v}" for k, v in numbers.items()) or type(value).__name__
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= 8:
            return "[" + ", ".join(_short(v) for v in value) + "]"
        return f"array of shape {value.shape}"
    if isinstance(value, list | tuple | set | frozenset):
        if any(isinstance(v, Result) for v in value):
            return f"{len(value)} x {type(next(iter(value))).__name__}"
        text = "[" + ", ".join(_short(v) for v in value) + "]" if value else "-"
        return text if len(text) <= 100 else f"{len(value)} entries"
    if isinstance(value, Mapping):
        text = ", ".join(f"{k}: {_short(v)}" for k, v in value.items()) or "-"
        return text if len(text) <= 100 else f"{len(value)} entries"
    text = " ".join(str(value).split())
    return (text if len(text) <= 120 else text[:117] + "...") or "-"


def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> Path:
    """Write ``content`` so that ``path`` holds the old or the new content, never a part.

    Args:
        path: The file.
        content: What it is to hold.

    Returns:
        The path.

    Raises:
        InvalidInputError: If the folder does not exist or is not writable.

    Example:
        >>> write_atomic("note.txt", "hello").read_text()
        'hello'
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise InvalidInputError(f"cannot write {target}: {error.strerror}; choose a writable folder") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InvalidInputError(f"cannot write {target}: {error.strerror}; free some space") from error
        raise
    return target
