"""What ``qalgs nest layouts | schedule | plan`` print, draw and write."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qalgs.nest import Frontier, LayoutCatalogue, Packing, Plan


def schedule_rows(packed: Packing) -> list[dict[str, Any]]:
    """Return one record per job and cycle: what was wanted, what the chip offers and what the walk gives."""
    return [
        {
            "job": name,
            "cycle": step.cycle + 1,
            "target": step.target,
            "offered": packed.catalogues[name].nearest(step.target).esp,
            "walk": step.esp,
            "miss": step.miss,
            "moved": len(step.moved) if step.cycle else 0,
            "reassigned": len(step.reassigned),
            "step": step.kind,
            "layout": list(step.layout),
        }
        for name, steps in packed.steps.items()
        for step in steps
    ]


def print_schedule(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the records of :func:`schedule_rows`."""
    heads = ["job", "cycle", "target", "offered", "walk", "miss", "moved", "reassigned", "step"]
    print_table(title, heads, [[cell(row[h]) for h in heads] for row in rows], left=1)


def print_layouts(name: str, catalogue: LayoutCatalogue, rows: int) -> None:
    """Print the best layouts of one job, and where the rest lies."""
    title = f"{name}: {len(catalogue)} layouts of {catalogue.num_qubits} qubits on {catalogue.name}"
    listed = [
        [str(i + 1), f"{layout.esp:.4f}", f"{1e6 * catalogue.duration[i]:.2f}", " ".join(map(str, layout))]
        for i, layout in enumerate(itertools.islice(catalogue, rows))
    ]
    print_table(title, ["rank", "ESP", "us", "qubits"], listed, left=0, last_left=True)
    levels = ("worst", "q25", "median", "q75", "best")
    print("ESP: " + ", ".join(f"{k} {catalogue.level(k):.4f}" for k in levels))
    if catalogue.routed:
        print("the circuit's couplings fit nowhere, so SWAPs were inserted")
    if catalogue.note:
        print(catalogue.note)


def print_plan(made: Plan) -> None:
    """Print a plan by job, its proof and what it costs."""
    heads = ["job", "qubits", "slots", "ESP", "of best", "jumps", "seconds", made.usage.currency]
    cells = [
        [
            str(row["job"]),
            str(row["qubits"]),
            _ranges(_ints(row["slots"])),
            f"{row['first_esp']:.3f} > {row['last_esp']:.3f}",
            f"{row['ratio']:.3f}",
            str(row["jumps"]),
            f"{row['device_seconds']:.1f}",
            f"{row['cost']:.2f}",
        ]
        for row in made.table()
    ]
    print_table(f"{made.device}, buffer {made.buffer}, {made.planner} planner", heads, cells, left=1)
    open_gap = f"at least {made.bound} are needed, gap {made.gap:.0%}"
    proof = "proved optimal" if made.slots == made.bound else open_gap
    each = f"{made.slot_circuits} circuits each" if made.slot_circuits else "jobs waiting for each other"
    print(f"{made.slots} slots ({proof}), {each}, {made.jumps} jumps")
    print(f"worst last cycle at {made.final_ratio:.4f} of its job's best ESP")
    print(f"bound: {made.bound_reason}")
    print(
        f"machine time: no plan at this fidelity is over {made.most_speedup:.2f} times quicker than one after "
        f"another: {made.bound_seconds_reason}"
    )
    usage = made.usage
    print(
        f"machine: {made.device_seconds:.1f} s jointly, {made.serial_seconds:.1f} s one after another on the best "
        f"maps ({made.speedup:.2f} times less); {usage.shots} shots, {usage.cost:.2f} {usage.currency} shared by "
        f"{usage.sharing.replace('_', '-')}"
    )


def print_frontier(found: Frontier) -> None:
    """Print what every fraction of the best ESP takes."""
    cells = [
        [
            f"{p.fidelity:.2f}",
            cell(p.slots),
            cell(p.bound),
            cell(p.device_seconds, "{:.1f}"),
            cell(p.worst_ratio),
            p.message or p.bound_reason,
        ]
        for p in found.points
    ]
    print_table(
        "frontier", ["fidelity", "slots", "bound", "seconds", "worst", "why"], cells, left=0, last_left=True
    )


def write_packing(out: Path, packed: Packing, plots: str) -> None:
    """Write a packing and its plots into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "packing.json", packed.to_json())
    if plots == "none":
        return
    save_figure(out / f"targets.{plots}", lambda axes: [packed.plot_targets(axes[0])], 1)
    for c in range(packed.cycles):
        save_figure(out / f"chip-{c + 1:02d}.{plots}", lambda axes, c=c: [packed.plot_chip(c, axes[0])], 1)


def write_plan(out: Path, made: Plan, found: Frontier | None, plots: str) -> list[Path]:
    """Write a plan and its plots into a folder and return the files."""
    out.mkdir(parents=True, exist_ok=True)
    written = [_write(out / "plan.json", made.to_json())]
    if found is not None:
        written.append(_write(out / "frontier.json", found.to_json()))
    if plots == "none":
        return written
    written.append(save_figure(out / f"gantt.{plots}", lambda axes: [made.plot_gantt(axes[0])], 1))
    written.append(save_figure(out / f"targets.{plots}", lambda axes: [made.plot_targets(axes[0])], 1))
    for s in made.changes:
        written.append(
            save_figure(out / f"chip-{s + 1:02d}.{plots}", lambda axes, s=s: [made.plot_chip(s, axes[0])], 1)
        )
    if found is not None:
        written.append(save_figure(out / f"frontier.{plots}", lambda axes: [found.plot(axes[0])], 1))
    return written


def _write(path: Path, text: str) -> Path:
    from qalgs.results import write_atomic

    return write_atomic(path, text)


def save_figure(path: Path, draw: Any, panels: int) -> Path:
    """Draw ``panels`` axes in one figure, without touching a display."""
    import io

    import matplotlib as mpl
    from matplotlib.figure import Figure

    from qalgs.errors import invalid
    from qalgs.results import write_atomic

    kind = path.suffix.lstrip(".")
    if kind not in ("svg", "png", "pdf"):
        raise invalid("--plot", str(path), "must end in .svg, .png or .pdf")
    figure = Figure(figsize=(9, 5 * panels), layout="constrained")
    with mpl.rc_context({"svg.hashsalt": "qalgs"}):
        draw([figure.add_subplot(panels, 1, i + 1) for i in range(panels)])
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return write_atomic(path, stream.getvalue())


def print_table(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int, last_left: bool = False
) -> None:
    """Print a table whose first ``left`` columns, and the last one if asked, are text."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE)
    for i, head in enumerate(heads):
        is_left = i < left or (last_left and i == len(heads) - 1)
        table.add_column(head, justify="left" if is_left else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Tables keep their columns in a pipe, too.
    console = Console() if sys.stdout.isatty() else Console(width=190)
    console.print(Text(title))
    console.print(table)


def cell(value: object, form: str = "{:.4f}") -> str:
    """Return a cell: a dash for what is missing, few digits of a number."""
    if value is None:
        return "-"
    return form.format(value) if isinstance(value, float) else str(value)


def _ints(value: object) -> list[int]:
    assert isinstance(value, list)
    return value


def _ranges(slots: Sequence[int]) -> str:
    """``1-3 5`` for the slots 0, 1, 2 and 4."""
    parts: list[list[int]] = []
    for slot in slots:
        if parts and slot == parts[-1][-1] + 1:
            parts[-1].append(slot)
        else:
            parts.append([slot])
    return " ".join(str(p[0] + 1) if len(p) == 1 else f"{p[0] + 1}-{p[-1] + 1}" for p in parts)
