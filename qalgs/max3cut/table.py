"""Rows of results that cannot contradict themselves, and tables of them: JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qalgs.errors import InvalidInputError, invalid
from qalgs.results import JSON, jsonable, write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run; construction fails on a row that contradicts itself.

    Attributes:
        instance: Name of the graph.
        method: Name of the method.
        seed: Root seed.
        n: Nodes.
        m: Edges.
        total_weight: Sum of weights W.
        weights: ``unit``, ``integer`` or ``real``.
        cut: Recounted cut of the best partition; an integer where weights are.
        best_known: Best cut known, or None.
        best_known_source: Where it comes from.
        upper_bound: Valid upper bound, or None.
        bound_kind: ``trivial``, ``eigen``, ``rank`` or ``sdp``.
        expected_cut: QAOA's mean cut; None for classical methods.
        uniform_best: Best of as many uniform random partitions as samples were taken; None for classical methods.
        success_probability: Of one QAOA sample; None for classical methods.
        evaluations: Units of ``evaluation_unit``.
        evaluation_unit: What is counted: cells, flips, shots, ...
        shots: Shots taken.
        circuits: Circuit executions.
        wall_seconds: Wall time without preprocessing.
        cpu_seconds: Processor time.
        preprocessing_seconds: Reading, eigenvectors and bound.
        hardware: Processor and cores.
        proved: Whether the cut is proved optimal.

    Raises:
        InvalidInputError: If the cut exceeds its bound, a counter is negative, or the row contradicts itself.
    """

    instance: str
    method: str
    seed: int
    n: int
    m: int
    total_weight: float
    weights: str
    cut: int | float
    best_known: int | float | None
    best_known_source: str
    upper_bound: int | float | None
    bound_kind: str | None
    expected_cut: float | None = None
    uniform_best: int | float | None = None
    success_probability: float | None = None
    evaluations: int
    evaluation_unit: str
    shots: int = 0
    circuits: int = 0
    wall_seconds: float
    cpu_seconds: float
    preprocessing_seconds: float
    hardware: str
    proved: bool

    def __post_init__(self) -> None:
        slack = 1e-9 * max(1.0, abs(self.cut))
        if self.weights != "real" and not isinstance(self.cut, int):
            raise invalid("cut", self.cut, "must be an int for integer weights", "recount it from the edge list")
        if self.upper_bound is not None and self.cut > self.upper_bound + slack:
            raise invalid(
                "cut", self.cut, f"must not exceed the upper bound {self.upper_bound}", "recount the cut"
            )
        if self.proved and self.best_known is not None and self.cut < self.best_known - slack:
            raise invalid("proved", True, f"contradicts the best known cut {self.best_known}")
        if min(self.wall_seconds, self.cpu_seconds, self.preprocessing_seconds, self.evaluations) < 0:
            raise invalid("wall_seconds", self.wall_seconds, "and all counters must not be negative")
        quantum = (self.expected_cut, self.uniform_best, self.success_probability)
        if any(v is None for v in quantum) != all(v is None for v in quantum):
            raise invalid("expected_cut", self.expected_cut, "must come with uniform_best and success_probability")

    @property
    def ratio_to_best_known(self) -> float | None:
        """``cut / best_known``."""
        return None if not self.best_known else self.cut / self.best_known

    @property
    def ratio_to_bound(self) -> float | None:
        """``cut / upper_bound``: a certified lower bound on the approximation ratio."""
        return None if not self.upper_bound else self.cut / self.upper_bound


_RATIOS = ("ratio_to_best_known", "ratio_to_bound")


@dataclass(frozen=True, slots=True)
class ResultsTable:
    """Rows of :class:`Row`; no two share instance, method and seed.

    Attributes:
        rows: The rows.

    Raises:
        InvalidInputError: If two rows share instance, method and seed.
    """

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        keys = [(r.instance, r.method, r.seed) for r in self.rows]
        for key in keys:
            if keys.count(key) > 1:
                raise invalid("rows", key, "must be unique in (instance, method, seed)", "merge or rename them")

    def to_dicts(self) -> list[dict[str, JSON]]:
        """Return the rows with both ratios as plain JSON values."""
        found = []
        for row in self.rows:
            values = {f.name: jsonable(getattr(row, f.name)) for f in dataclasses.fields(row)}
            found.append(values | {name: jsonable(getattr(row, name)) for name in _RATIOS})
        return found

    def to_json(self) -> str:
        """Return the rows as a JSON array."""
        return json.dumps(self.to_dicts(), indent=2, allow_nan=False)

    def to_csv(self) -> str:
        """Return the rows as CSV with a header."""
        names = [f.name for f in dataclasses.fields(Row)] + list(_RATIOS)
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_dicts())
        return stream.getvalue()

    def to_markdown(self) -> str:
        """Return the columns that people compare as a Markdown table."""
        head = [
            "instance",
            "method",
            "seed",
            "cut",
            "best known",
            "ratio",
            "bound",
            "⟨cut⟩",
            "uniform best",
            "P(opt)",
            "CPU s",
        ]
        lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        for r in self.rows:
            cells = [
                r.instance, r.method, str(r.seed), _text(r.cut), _text(r.best_known), _text(r.ratio_to_best_known),
                f"{_text(r.upper_bound)} ({r.bound_kind})", _text(r.expected_cut), _text(r.uniform_best),
                _text(r.success_probability), f"{r.cpu_seconds:.2f}",
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the table; the suffix ``.csv``, ``.json`` or ``.md`` chooses the format."""
        formats: dict[str, Callable[[], str]] = {
            ".csv": self.to_csv,
            ".json": self.to_json,
            ".md": self.to_markdown,
        }
        suffix = Path(path).suffix
        if suffix not in formats:
            raise invalid("path", str(path), f"must end in one of {', '.join(formats)}")
        return write_atomic(path, formats[suffix]())


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}"


def read_table(path: str | os.PathLike[str]) -> list[dict[str, JSON]]:
    """Read a table written as JSON, for plotting or merging.

    Raises:
        InvalidInputError: If the file is not such a table.
    """
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read table {path}: {error}; write it with ResultsTable.write") from None
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "instance" in r for r in rows):
        raise InvalidInputError(f"{path} is not a results table; write it with ResultsTable.write")
    return rows
