"""G-set files: reading with errors that name the line, writing, and checking against known fingerprints."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError, QalgsWarning, expect
from qalgs.results import write_atomic

from .problem import GraphLike, Notice, Problem, as_problem, from_edges
from .registry import FINGERPRINTS

MAX_NODES = 10_000_000
"""More vertices than this in a header are taken for a mistake, before anything of that size is made."""


def read_gset(path: str | os.PathLike[str]) -> nx.Graph[Any]:
    """Read a graph in the G-set (rudy) format: a line ``n m``, then ``m`` lines ``i j [w]`` counted from 1.

    Args:
        path: The file; its stem becomes the graph's name.

    Returns:
        A graph on the nodes ``1..n`` with edge attribute ``weight`` (an ``int`` where all weights are integers).

    Raises:
        InvalidInputError: Naming the file and the line for a malformed header or edge, an end outside ``1..n``,
            a self-loop, a weight that is not finite, or a number of edges other than the header's.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("tiny.txt").write_text("\\n".join(["3 2", "1 2 1", "2 3 -1"]))
        >>> read_gset("tiny.txt").edges[2, 3]["weight"]
        -1
    """
    expect(str, os.PathLike, path=path)
    return parse_gset(Path(path)).graph()


def parse_gset(path: Path) -> Problem:
    """Read a G-set file as :func:`read_gset` does, into arrays."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} must be a text file in G-set format; byte {error.start} is not") from None
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}; check the path") from None
    n, ends, weights = _parse(path, text)
    low, high = ends.min(axis=1, initial=n), ends.max(axis=1, initial=-1)
    keys, first, which = np.unique(low * max(n, 1) + high, return_index=True, return_inverse=True)
    notices: tuple[Notice, ...] = ()
    if len(keys) < len(low):
        count = len(low) - len(keys)
        notices = (Notice("parallel-edges", f"{path.name}: {count} parallel edges were summed into single edges"),)
        warnings.warn(notices[0].message, QalgsWarning, stacklevel=4)
        weights = np.bincount(which, weights, len(keys)).astype(np.float64)
        low, high = low[first], high[first]
    return from_edges(tuple(range(1, n + 1)), low, high, weights, name=path.stem, notices=notices)


def _parse(path: Path, text: str) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    """Return ``(n, ends counted from 0, weights)``; well-formed files take the vectorised way."""
    header, _, body = text.partition("\n")
    try:
        n, m = (int(word) for word in header.split())
        table = np.array(body.split(), dtype=np.float64).reshape(m, 3)
    except (ValueError, OverflowError):
        return _parse_slowly(path, text)
    ends = table[:, :2]
    fine = 0 <= n <= MAX_NODES and (ends == np.rint(ends)).all() and (ends >= 1).all() and (ends <= n).all()
    lines = body.count("\n") + (not body.endswith("\n") and bool(body))
    if not fine or (ends[:, 0] == ends[:, 1]).any() or not np.isfinite(table[:, 2]).all() or lines != m:
        return _parse_slowly(path, text)
    return n, ends.astype(np.int64) - 1, table[:, 2].copy()


def _parse_slowly(path: Path, text: str) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
    lines = text.splitlines()

    def error(line: int, got: str) -> InvalidInputError:
        return InvalidInputError(f"{path}, line {line}: {got}")

    if not lines or not lines[0].strip():
        raise error(1, "expected the header 'n m', got an empty line")
    try:
        n, m = (int(word) for word in lines[0].split())
    except ValueError:
        raise error(1, f"expected the header 'n m', got {lines[0].strip()!r}") from None
    if n < 0 or m < 0:
        raise error(1, f"n and m must not be negative, got {lines[0].strip()!r}")
    if n > MAX_NODES:
        raise error(1, f"n must be at most {MAX_NODES}, got {lines[0].strip()[:40]!r}")
    ends, weights = [], []
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words:
            continue
        if len(words) not in (2, 3):
            raise error(number, f"expected 'i j w', got {line.strip()!r}")
        try:
            i, j = int(words[0]), int(words[1])
            w = float(words[2]) if len(words) == 3 else 1.0
        except ValueError:
            raise error(number, f"expected integers i, j and a number w, got {line.strip()!r}") from None
        if not (1 <= i <= n and 1 <= j <= n):
            raise error(number, f"vertices are numbered from 1 to {n}, got edge ({i}, {j})")
        if i == j:
            raise error(number, f"self-loop at edge ({i}, {j}); remove it")
        if not np.isfinite(w):
            raise error(number, f"weight of edge ({i}, {j}) must be finite, got {w}")
        ends.append((i - 1, j - 1))
        weights.append(w)
    if len(ends) != m:
        raise error(1, f"the header announces m = {m} edges, the file holds {len(ends)}")
    return n, np.array(ends, dtype=np.int64).reshape(-1, 2), np.array(weights, dtype=np.float64)


def write_gset(graph: GraphLike | Problem, path: str | os.PathLike[str], *, weight: str | None = "weight") -> Path:
    """Write a graph in the G-set format; nodes are numbered from 1 in the graph's own order.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        path: Where to write; replaced as a whole.
        weight: The edge attribute that holds the weight.

    Returns:
        The path.

    Raises:
        InvalidInputError: If the graph is refused by :func:`as_problem` or the file cannot be written.

    Example:
        >>> import networkx as nx
        >>> read_gset(write_gset(nx.path_graph(3), "mine.txt")).number_of_edges()
        2
    """
    expect(str, os.PathLike, path=path)
    problem = as_problem(graph, weight)
    lines = [f"{problem.n} {problem.m}"]
    for i, j, w in zip(problem.rows.tolist(), problem.cols.tolist(), problem.weights.tolist(), strict=True):
        lines.append(f"{i + 1} {j + 1} {int(w) if problem.integral else repr(w)}")
    return write_atomic(path, "\n".join(lines) + "\n")


def fingerprint(graph: GraphLike | Problem, *, weight: str | None = "weight") -> str:
    """Return the SHA-256 of the sorted edge list, which line ends, spacing and order cannot change.

    Args:
        graph: Any graph that :func:`max3cut` accepts.
        weight: Edge attribute with the weight.

    Example:
        >>> import networkx as nx
        >>> fingerprint(nx.path_graph(3)) == fingerprint(nx.Graph([(1, 2), (0, 1)]).subgraph([0, 1, 2]))
        False
    """
    problem = as_problem(graph, weight)
    order = np.lexsort((problem.cols, problem.rows))
    text = [f"{problem.n} {problem.m}"]
    for e in order.tolist():
        w = problem.weights[e]
        text.append(
            f"{problem.rows[e] + 1} {problem.cols[e] + 1} {int(w) if problem.integral else repr(float(w))}"
        )
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a file is the G-set instance that its name says.

    Attributes:
        name: The instance, from the file's stem.
        fingerprint: Of the file's graph, see :func:`fingerprint`.
        verified: True or False where the instance's fingerprint is on record, None where it is not.
    """

    name: str
    fingerprint: str
    verified: bool | None


def verify_gset(path: str | os.PathLike[str]) -> Verification:
    """Compare the graph in a G-set file with the recorded fingerprint of the instance of that name.

    Args:
        path: The file.

    Returns:
        The verdict.

    Example:
        >>> import networkx as nx
        >>> _ = write_gset(nx.path_graph(3), "mine.txt")
        >>> verify_gset("mine.txt").verified is None
        True
    """
    expect(str, os.PathLike, path=path)
    problem = parse_gset(Path(path))
    found = fingerprint(problem)
    known = FINGERPRINTS.get(problem.name)
    return Verification(problem.name, found, None if known is None else known == found)
