"""``qalgs devices``: the devices that can be named, their size, quality and problems."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qalgs.backends import DeviceSummary


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(devices)


Names = Annotated[
    list[str] | None, typer.Argument(help="Devices to show; all fake ones if none is named.", show_default=False)
]
ShowProblems = Annotated[bool, typer.Option("--problems", help="Print what is doubtful in each calibration.")]
OnlyNames = Annotated[bool, typer.Option("--names", help="Print the names alone; nothing is loaded.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]


def devices(
    names: Names = None, problems: ShowProblems = False, only_names: OnlyNames = False, as_json: AsJson = False
) -> None:
    """List devices: qubits, gates, median errors, coherence times and problems of their calibration."""
    from qalgs.backends import fake_names

    chosen = list(dict.fromkeys(names or fake_names()))
    if only_names:
        typer.echo(json.dumps(chosen) if as_json else "\n".join(chosen))
        return
    found = list(_load(chosen))
    if as_json:
        typer.echo(json.dumps([summary.to_dict() for summary in found], indent=2))
    elif problems:
        _print_problems(found)
    else:
        _print_table(found)


def _load(names: Sequence[str]) -> Iterator[DeviceSummary]:
    """Load one device after the other, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    from qalgs.backends import DeviceSnapshot, summarise

    console = Console(stderr=True)
    for name in track(
        names, "loading", console=console, transient=True, disable=len(names) < 2 or not sys.stderr.isatty()
    ):
        with warnings.catch_warnings():
            # Some fakes announce on loading that they are not typical; the table shows their numbers anyway.
            warnings.simplefilter("ignore")
            yield summarise(DeviceSnapshot.from_backend(name))


def _print_problems(found: Sequence[DeviceSummary]) -> None:
    for summary in found:
        count = len(summary.problems)
        typer.echo(f"{summary.name}: {count or 'no'} problem{'' if count == 1 else 's'}")
        for sentence in summary.problems:
            typer.echo(f"  {sentence}")


def _print_table(found: Sequence[DeviceSummary]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(caption="medians over what works; T1, T2 in microseconds; details with --problems")
    for title in ("device", "gates"):
        table.add_column(title, no_wrap=True)
    for title in ("qubits", "couplers", "dead", "2q error", "1q error", "readout", "T1", "T2", "problems"):
        table.add_column(title, justify="right", no_wrap=True)
    for s in found:
        table.add_row(
            s.name,
            " ".join(s.basis_gates),
            str(s.num_qubits),
            str(s.couplers),
            str(s.dead_couplers or "-"),
            *(_number(v, "{:.2e}") for v in (s.two_qubit_error, s.one_qubit_error)),
            _number(s.readout_error, "{:.4f}"),
            *(_number(None if t is None else 1e6 * t, "{:.0f}") for t in (s.t1, s.t2)),
            str(len(s.problems) or "-"),
        )
    width = None if sys.stdout.isatty() else 140
    Console(width=width).print(table)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
