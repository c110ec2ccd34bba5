"""``qalgs nest layouts | schedule | plan``: look before you run; nothing is executed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qalgs.cli.nest_views import (
    cell,
    print_frontier,
    print_layouts,
    print_plan,
    print_schedule,
    print_table,
    save_figure,
    schedule_rows,
    write_packing,
    write_plan,
)

if TYPE_CHECKING:
    from qalgs.backends import DeviceSnapshot
    from qalgs.cli.jobsfile import JobsFile
    from qalgs.nest import LayoutCatalogue, Verdict

File = Annotated[Path, typer.Argument(help="The jobs file (TOML).", show_default=False)]
MaybeFile = Annotated[Path | None, typer.Argument(help="The jobs file (TOML).", show_default=False)]
OnDevice = Annotated[str | None, typer.Option("--device", "-d", help="A device instead of the file's.")]
OneJob = Annotated[str | None, typer.Option("--job", help="One job of the file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
Picture = Annotated[Path | None, typer.Option("--plot", help="Draw into this file (svg, png or pdf).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command()(layouts)
    app.command()(schedule)
    app.command()(plan)


def layouts(
    file: MaybeFile = None,
    qubits: Annotated[
        int | None, typer.Option("--qubits", "-n", min=1, help="A line of this many qubits instead of a file.")
    ] = None,
    device: OnDevice = None,
    job: OneJob = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Layouts to list per job.")] = 10,
    idle: Annotated[bool, typer.Option("--idle", help="Count the idling of the scheduled circuit.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Ask every fake device instead.")] = False,
    as_json: AsJson = False,
    plot: Picture = None,
) -> None:
    """Show where each job fits on a chip and with which estimated success probability (ESP)."""
    from qalgs.errors import invalid

    if sweep:
        _sweep(qubits or 4, as_json)
        return
    if (file is None) == (qubits is None):
        raise invalid("layouts", "nothing" if file is None else "both", "must be given a jobs file or --qubits")
    snapshot, circuits = _circuits(file, qubits, device, job)
    catalogues = _catalogues(circuits, snapshot, idle)
    if plot is not None:
        drawn = list(catalogues.values())
        save_figure(plot, lambda axes: [c.plot_histogram(a) for a, c in zip(axes, drawn, strict=True)], len(drawn))
    if as_json:
        shown = {n: c.to_dict() | {"table": c.table(rows)} for n, c in catalogues.items()}
        typer.echo(json.dumps(shown, allow_nan=False))
        return
    for name, catalogue in catalogues.items():
        print_layouts(name, catalogue, rows)


def schedule(
    file: File,
    kind: Annotated[str | None, typer.Option("--kind", help="Another schedule: linear, flat, step, ...")] = None,
    cycles: Annotated[int | None, typer.Option("--cycles", min=1, help="Another number of cycles.")] = None,
    esp_min: Annotated[str | None, typer.Option("--esp-min", help="A number or a level like 0.75*best.")] = None,
    esp_max: Annotated[str | None, typer.Option("--esp-max", help="A number or a level like best.")] = None,
    device: OnDevice = None,
    job: OneJob = None,
    as_json: AsJson = False,
    plot: Picture = None,
) -> None:
    """Preview the target ESP of every cycle, the closest that the chip offers, and where the walks lead."""
    from qalgs.nest import make_schedule, pack

    source = _load(file)
    snapshot = _snapshot(source, device)
    jobs = _chosen(source, job)
    base = source.schedule(cycles)
    options = base.to_dict()
    given = {"cycles": cycles, "esp_min": _level(esp_min), "esp_max": _level(esp_max)}
    options |= {k: v for k, v in given.items() if v is not None}
    options.pop("kind")
    if kind is not None:
        options.pop("levels", None)
    chosen = make_schedule(kind or str(base.to_dict()["kind"]), **options)
    named = {j.name: j.circuit for j in jobs}
    packed = pack(
        named, snapshot, source.head.device.buffer, schedule=chosen, walk=source.walk(), seed=source.seed
    )
    if plot is not None:
        save_figure(plot, lambda axes: [packed.plot_targets(axes[0])], 1)
    rows = schedule_rows(packed)
    if as_json:
        shown = {"device": packed.device, "schedule": chosen.to_dict(), "cycles": rows}
        typer.echo(json.dumps(shown, allow_nan=False))
        return
    title = f"{type(chosen).__name__} on {packed.device}, buffer {packed.buffer}"
    print_schedule(title, rows)
    print("offered: the closest layout on the whole chip; walk: what the job gets beside the others")


def plan(
    file: File,
    device: OnDevice = None,
    buffer: Annotated[int | None, typer.Option("--buffer", min=0, help="Idle qubits between jobs.")] = None,
    crosstalk: Annotated[
        str | None, typer.Option("--crosstalk", help="none, inflation:FACTOR:HOPS or zz:HERTZ.")
    ] = None,
    fidelity: Annotated[
        float | None, typer.Option("--fidelity", "-f", help="Last cycles reach this fraction of the best ESP.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option("--slots", min=1, help="Instead: the largest such fraction within these slots.")
    ] = None,
    planner: Annotated[str | None, typer.Option("--planner", help="greedy, cpsat or stagger.")] = None,
    jumps: Annotated[bool, typer.Option("--jumps/--no-jumps", help="Whether jobs may jump.")] = True,
    together: Annotated[
        bool, typer.Option("--together", help="All jobs side by side, cycle by cycle, without a queue.")
    ] = False,
    with_frontier: Annotated[bool, typer.Option("--frontier", help="Also plan for other fractions.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for plan.json and plots.")] = None,
    plots: Annotated[str, typer.Option("--plots", help="Plots as svg, png or none.")] = "svg",
    as_json: AsJson = False,
) -> None:
    """Plan all jobs of a file jointly in space and time, and say how far from optimal the plan can be."""
    from qalgs.cli.runfolder import check_writable
    from qalgs.errors import invalid
    from qalgs.nest import MaxMinEsp, frontier
    from qalgs.nest import plan as make

    if plots not in ("svg", "png", "none"):
        raise invalid("--plots", plots, "must be svg, png or none")
    if slots is not None and (fidelity is not None or with_frontier):
        raise invalid("--slots", slots, "must not be combined with --fidelity or --frontier")
    if out is not None:
        check_writable(out)
    source = _load(file)
    snapshot = _snapshot(source, device)
    if together:
        _together(source, snapshot, buffer, out, plots, as_json)
        return
    options = _plan_options(source, buffer, crosstalk, planner, jumps)
    jobs = source.jobs()
    table = source.head.plan
    if slots is not None:
        made = make(jobs, snapshot, objective=MaxMinEsp(slots=slots), **options)
    else:
        f = fidelity if fidelity is not None else (0.97 if table is None else table.fidelity)
        made = make(jobs, snapshot, fidelity=f, **options)
    found = frontier(jobs, snapshot, **options) if with_frontier else None
    written = [] if out is None else write_plan(out, made, found, plots)
    if as_json:
        record: dict[str, Any] = made.to_dict()
        if found is not None:
            record["frontier"] = found.to_dict()
        typer.echo(json.dumps(record, allow_nan=False))
        return
    print_plan(made)
    if found is not None:
        print_frontier(found)
    if written:
        print(f"{len(written)} files in {out}: {', '.join(p.name for p in written)}")


def _plan_options(
    source: JobsFile, buffer: int | None, crosstalk: str | None, planner: str | None, jumps: bool
) -> dict[str, Any]:
    from qalgs.nest import CostModel

    table, settings = source.head.plan, source.settings()
    return {
        "buffer": source.head.device.buffer if buffer is None else buffer,
        "crosstalk": settings["crosstalk"] if crosstalk is None else crosstalk,
        "schedule": source.schedule(),
        "planner": planner or ("greedy" if table is None else table.planner),
        "jumps": jumps and (table is None or table.jumps),
        "cost": CostModel(
            rates=settings["rates"], shots=max(1, settings["shots"]), evaluations=settings["evaluations"]
        ),
        "time_limit": 60.0 if table is None else table.time_limit,
        "seed": source.seed,
    }


def _together(
    source: JobsFile, snapshot: DeviceSnapshot, buffer: int | None, out: Path | None, plots: str, as_json: bool
) -> None:
    from qalgs.nest import pack

    gap = source.head.device.buffer if buffer is None else buffer
    packed = pack(source.jobs(), snapshot, gap, schedule=source.schedule(), walk=source.walk(), seed=source.seed)
    if out is not None:
        write_packing(out, packed, plots)
    if as_json:
        typer.echo(packed.to_json(indent=None))
        return
    title = f"{len(packed.steps)} jobs side by side on {packed.device}, buffer {gap}"
    print_schedule(title, schedule_rows(packed))
    shares = ", ".join(f"{u:.0%}" for u in packed.utilisation())
    print(f"qubits in use by cycle: {shares}; jumps: {sum(packed.jumps.values())}")


def _load(file: Path) -> JobsFile:
    from qalgs.cli.jobsfile import load_jobs

    return load_jobs(file)


def _snapshot(source: JobsFile, device: str | None) -> DeviceSnapshot:
    from qalgs.backends import DeviceSnapshot

    return DeviceSnapshot.from_backend(device or source.head.device.name)


def _chosen(source: JobsFile, job: str | None) -> list[Any]:
    from qalgs.errors import invalid

    jobs = source.jobs()
    if job is None:
        return jobs
    found = [j for j in jobs if j.name == job]
    if not found:
        raise invalid("--job", job, f"must be one of {', '.join(j.name for j in jobs)}")
    return found


def _circuits(
    file: Path | None, qubits: int | None, device: str | None, job: str | None
) -> tuple[DeviceSnapshot, dict[str, Any]]:
    from qiskit.circuit.library import efficient_su2

    from qalgs.backends import DeviceSnapshot

    if file is None:
        assert qubits is not None
        snapshot = DeviceSnapshot.from_backend(device or "fake_brisbane")
        return snapshot, {f"line of {qubits}": efficient_su2(qubits, entanglement="linear", reps=3)}
    source = _load(file)
    return _snapshot(source, device), {j.name: j.circuit for j in _chosen(source, job)}


def _catalogues(circuits: Mapping[str, Any], snapshot: DeviceSnapshot, idle: bool) -> dict[str, LayoutCatalogue]:
    from qalgs.nest.requests import as_requests

    return {r.name: r.catalogue for r in as_requests(circuits, snapshot, schedule="flat", idle=idle)}


def _level(text: str | None) -> float | str | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _sweep(qubits: int, as_json: bool) -> None:
    from rich.progress import Progress

    from qalgs.backends import fake_names
    from qalgs.nest import sweep

    found: list[Verdict] = []
    with Progress(transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("devices", total=len(fake_names()))

        def note(verdict: Verdict) -> None:
            found.append(verdict)
            bar.update(task, advance=1, description=verdict.device)

        sweep(qubits=qubits, callback=note)
    if as_json:
        typer.echo(json.dumps([v.to_dict() for v in found], allow_nan=False))
        return
    heads = ["device", "qubits", "layouts", "best", "median", "slots", "problems", "verdict"]
    cells = [
        [
            v.device,
            cell(v.num_qubits),
            str(v.layouts),
            cell(v.best),
            cell(v.median),
            cell(v.slots),
            str(v.problems),
            ("schedulable" + (f"; {v.reason}" if v.reason else "")) if v.schedulable else f"refused: {v.reason}",
        ]
        for v in found
    ]
    print_table(f"three jobs of {qubits} qubits, three cycles", heads, cells, left=1, last_left=True)
