"""Levels along a bond: warm-started, parallel over geometries, resumable from a file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qalgs.circuits.molecules import molecule
from qalgs.eigengame.solver import ExcitedStates
from qalgs.errors import InvalidInputError, as_array, expect, expect_callable, invalid
from qalgs.parallel import Parallel, run_iter
from qalgs.results import Result, Status, write_atomic
from qalgs.seeds import root_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPoint:
    """Levels at one geometry; energies and errors in Ha.

    Attributes:
        length: Bond length, angstrom.
        energies: Lowest levels.
        errors: Standard errors.
        status: How the search ended.
        parameters: Circuit parameters of each level.
    """

    length: float
    energies: tuple[float, ...]
    errors: tuple[float, ...]
    status: Status
    parameters: tuple[tuple[float, ...], ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanResult(Result):
    """Potential-energy curves.

    Attributes:
        name: Species.
        points: One entry per bond length, in ascending order.
        seed: Root seed.
    """

    name: str
    points: tuple[ScanPoint, ...]
    seed: int

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw one curve per level."""
        from qalgs.eigengame.plots import plot_scan

        return plot_scan(self, ax)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write one line per bond length."""
        k = len(self.points[0].energies)
        lines = [",".join(["length", *(f"E{i}" for i in range(k)), *(f"error{i}" for i in range(k)), "status"])]
        for p in self.points:
            lines.append(",".join([repr(p.length), *map(repr, p.energies), *map(repr, p.errors), p.status.name]))
        return write_atomic(path, "\n".join(lines) + "\n")


def scan(
    name: str,
    lengths: Sequence[float],
    solver: ExcitedStates,
    *,
    resume: str | os.PathLike[str] | None = None,
    n_jobs: int = 1,
    parallel: Parallel | None = None,
    block: int = 4,
    callback: Callable[[ScanPoint], None] | None = None,
    **options: Any,
) -> ScanResult:
    """Compute the levels of a named molecule at several bond lengths.

    Lengths are sorted and cut into blocks; inside a block each geometry starts from the parameters of its
    neighbour, and blocks run in parallel. Blocks do not depend on the number of workers, so the result does not
    either, to the last bit.

    Args:
        name: Name known to :func:`qalgs.circuits.molecule`.
        lengths: Bond lengths, angstrom.
        solver: The search; its seed is used at every geometry.
        resume: A JSON-lines file: geometries in it are not computed again, new ones are added as they finish.
        n_jobs: Worker processes.
        parallel: Instead of ``n_jobs``: a number of workers, or the address of a Dask scheduler
            (:data:`qalgs.parallel.Parallel`).
        block: Geometries per block.
        callback: Called with every finished geometry.
        options: Passed to :func:`qalgs.circuits.molecule`.

    Returns:
        The curves.

    Raises:
        InvalidInputError: If a length is not positive, or the file belongs to another scan.

    Example:
        >>> from qalgs.eigengame import ExcitedStates
        >>> curve = scan("H2", [0.7, 0.8], ExcitedStates(k=1, seed=0))
        >>> [round(point.energies[0], 3) for point in curve.points]
        [-1.136, -1.134]
    """
    expect(str, name=name)
    expect(Iterable, lengths=lengths)
    lengths = as_array("lengths", list(lengths)).tolist()
    expect(ExcitedStates, solver=solver)
    expect(Integral, block=block)
    expect(str, os.PathLike, type(None), resume=resume)
    expect_callable(callback=callback)
    wanted = sorted({float(x) for x in lengths})
    if not wanted or not all(math.isfinite(x) and x > 0 for x in wanted):
        raise invalid("lengths", list(lengths), "must be positive bond lengths in angstrom")
    if block < 1:
        raise invalid("block", block, "must be at least 1")
    seed = root_seed(solver.seed)
    solver = replace(solver, seed=seed)
    header = {
        "scan": name,
        "k": solver.k,
        "method": solver.method,
        "options": {k: str(v) for k, v in options.items()},
    }
    known = _load(resume, header) if resume is not None else {}
    blocks = [wanted[i : i + block] for i in range(0, len(wanted), block)]
    todo = [[(x, known.get(x)) for x in part] for part in blocks if any(x not in known for x in part)]
    work = partial(_block, name, solver, options)
    for found in run_iter(work, todo, n_jobs=n_jobs, parallel=parallel):
        for point in found:
            if point.length in known:
                continue
            known[point.length] = point
            if resume is not None:
                _append(resume, header, point)
            if callback is not None:
                callback(point)
    return ScanResult(name=name, points=tuple(known[x] for x in wanted), seed=seed)


def _block(
    name: str, solver: ExcitedStates, options: dict[str, Any], items: list[tuple[float, ScanPoint | None]]
) -> list[ScanPoint]:
    """Run one block in order, each geometry from its neighbour."""
    found: list[ScanPoint] = []
    for length, done in items:
        if done is not None:
            found.append(done)
            continue
        initial = np.array(found[-1].parameters) if found and solver.method != "ssvqe" else None
        result = solver.run(molecule(name, length, **options), initial=initial)
        found.append(
            ScanPoint(
                length=length,
                energies=tuple(result.energies.tolist()),
                errors=tuple(result.errors.tolist()),
                status=result.status,
                parameters=tuple(tuple(row) for row in result.parameters.tolist()),
            )
        )
    return found


def _append(path: str | os.PathLike[str], header: dict[str, Any], point: ScanPoint) -> None:
    target = Path(path)
    fresh = not target.exists()
    try:
        with target.open("a", encoding="utf-8") as stream:
            if fresh:
                stream.write(json.dumps(header) + "\n")
            record = {"length": point.length, "energies": point.energies, "errors": point.errors}
            stream.write(
                json.dumps({**record, "status": point.status.name, "parameters": point.parameters}) + "\n"
            )
            stream.flush()
    except OSError as error:
        raise InvalidInputError(f"cannot write {target}: {error.strerror}; choose a writable file") from error


def _load(path: str | os.PathLike[str], header: dict[str, Any]) -> dict[float, ScanPoint]:
    target = Path(path)
    if not target.exists():
        return {}
    known: dict[float, ScanPoint] = {}
    for number, record in enumerate(_records(target)):
        if number == 0:
            if record != header:
                raise InvalidInputError(f"{target} belongs to another scan: {record}; choose another file")
            continue
        try:
            known[record["length"]] = ScanPoint(
                length=record["length"],
                energies=tuple(record["energies"]),
                errors=tuple(record["errors"]),
                status=Status[record["status"]],
                parameters=tuple(tuple(row) for row in record["parameters"]),
            )
        except (KeyError, TypeError) as error:
            raise InvalidInputError(
                f"{target} is not a scan file: line {number + 1} is no point; choose another file"
            ) from error
    return known


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines; a last line cut off by a kill is ignored and removed."""
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines[-1]:
        write_atomic(path, "\n".join(lines[:-1]) + "\n")
    for line in lines[:-1]:
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"{path} is not a scan file: {error}; choose another file") from error
