"""Chunks of work: picklable callables over index ranges, spread over workers, resumable from a checkpoint file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qalgs.errors import InvalidInputError
from qalgs.parallel import run_iter

from .arcs import ArcChunk, arcs_chunk, pairs
from .circles import CircleBlock, circle_block
from .problem import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The outcome of one chunk: values falling or in the chunk's own order, patterns, and counters."""

    index: int
    values: NDArray[np.float64]
    patterns: NDArray[np.int8]
    visited: int
    ties: int = 0


class Task(Protocol):
    """A picklable function of a chunk's index, whose result depends on nothing else."""

    def __call__(self, index: int) -> Found:
        """Return the outcome of chunk ``index``."""

    def key(self) -> str:
        """Return a digest of everything that the outcome depends on."""


@dataclass(frozen=True, slots=True, eq=False)
class ArcsTask:
    """Walk the arcs of one range of pairs out of ``chunks`` equal ranges."""

    walk: NDArray[np.complex128]
    exact: NDArray[np.complex128]
    chunks: int
    K: int = 3
    top: int = 1

    def __call__(self, index: int) -> Found:
        """Return the best patterns of the range."""
        total = pairs(len(self.walk))
        start, stop = total * index // self.chunks, total * (index + 1) // self.chunks
        found: ArcChunk = arcs_chunk(self.walk, self.exact, start, stop, K=self.K, top=self.top)
        return Found(index, found.scores, found.patterns, found.segments, found.ties)

    def key(self) -> str:
        """Return a digest of the factors and settings."""
        return _digest(
            b"arcs", self.walk.tobytes(), self.exact.tobytes(), repr((self.chunks, self.K, self.top)).encode()
        )


@dataclass(frozen=True, slots=True, eq=False)
class CirclesTask:
    """Sweep one block of random great circles."""

    problem: Problem
    factor: NDArray[np.float64]
    root: int

    def __call__(self, index: int) -> Found:
        """Return the best candidate of each circle of the block."""
        block: CircleBlock = circle_block(self.problem, self.factor, self.root, index)
        return Found(index, block.cuts, block.patterns, block.candidates)

    def key(self) -> str:
        """Return a digest of the graph, the factor and the root seed."""
        graph = (self.problem.indptr, self.problem.indices, self.problem.data)
        parts = [array.tobytes() for array in graph]
        return _digest(b"circles", *parts, self.factor.tobytes(), str(self.root).encode())


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()


def run_chunks(
    task: Task,
    indices: Sequence[int],
    *,
    n_jobs: int | None = 1,
    backend: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Found]:
    """Yield the outcome of every chunk in order; chunks that the checkpoint holds are not computed again.

    Args:
        task: The chunk function.
        indices: The chunks.
        n_jobs: Number of workers.
        backend: A joblib backend or the address of a Dask scheduler.
        checkpoint: A file that receives each outcome as it arrives (one JSON line, flushed to disk).
        stop: Asked after each outcome; True ends the run early.

    Yields:
        The outcomes; identical for any number of workers, any backend, and with or without an interruption.

    Raises:
        InvalidInputError: If the checkpoint belongs to another run or cannot be written.
    """
    saved: dict[int, Found] = {}
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None:
        saved = _load(path, task.key())
    missing = [i for i in indices if i not in saved]
    fresh = run_iter(task, missing, n_jobs=n_jobs, backend=backend)
    try:
        for index in indices:
            if index in saved:
                found = saved[index]
            else:
                found = next(fresh)
                if path is not None:
                    _append(path, found)
            yield found
            if stop is not None and stop():
                return
    finally:
        close = getattr(fresh, "close", None)
        if close is not None:
            close()


def _load(path: Path, key: str) -> dict[int, Found]:
    """Read the outcomes of an earlier run; a last line cut short by a kill is dropped."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        if not whole:
            path.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")
            return {}
        if len(whole) < len(lines):
            path.write_text("".join(whole), encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"cannot use checkpoint {path}: {error.strerror}; choose a writable file"
        ) from None
    try:
        if json.loads(whole[0])["key"] != key:
            raise InvalidInputError(f"checkpoint {path} belongs to another run; delete it or choose another file")
        found = {}
        for line in whole[1:]:
            row = json.loads(line)
            patterns = np.array([[int(c) for c in text] for text in row["patterns"]], dtype=np.int8)
            values = np.array([float.fromhex(v) for v in row["values"]])
            found[row["index"]] = Found(row["index"], values, patterns, row["visited"], row["ties"])
        return found
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"checkpoint {path} is not readable; delete it or choose another file") from None


def _append(path: Path, found: Found) -> None:
    row = {
        "index": found.index,
        "values": [float(v).hex() for v in found.values],
        "patterns": ["".join(map(str, p)) for p in found.patterns.tolist()],
        "visited": found.visited,
        "ties": found.ties,
    }
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
