"""``qalgs levels problem.toml``: the lowest levels of a molecule or spin chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qalgs.cli.levels_file import LevelsFile
    from qalgs.eigengame import ExcitedStatesResult

HARTREE_EV = 27.211386245988
EXACT_QUBITS = 14


def levels(
    problem: Annotated[Path, typer.Argument(help="Problem file (TOML); see examples/levels.toml.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for summary, tables and plots.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Override the file's seed.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON to stdout.")] = False,
    exact: Annotated[bool, typer.Option(help="Compare with exact diagonalisation up to 14 qubits.")] = True,
    plots: Annotated[bool, typer.Option(help="Write plots into --out.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Find the lowest levels of the operator in PROBLEM."""
    from qalgs.cli.levels_file import load_levels
    from qalgs.cli.runfolder import check_writable
    from qalgs.results import Status

    file = load_levels(problem)
    if out is not None:
        check_writable(out)
    if file.model.scan is not None:
        _scan(file, out, seed, json_, plots, quiet)
        return
    hamiltonian = file.hamiltonian()
    solver = file.solver(hamiltonian, seed=seed)
    result = _run(solver, hamiltonian, quiet)
    reference = result.exact_energies() if exact and result.problem.num_qubits <= EXACT_QUBITS else None
    if out is not None:
        _write(out, result, reference, plots)
    if json_:
        document = result.to_dict()
        document["exact"] = None if reference is None else reference.tolist()
        document["excitation_energies"] = result.excitation_energies.tolist()
        _print_json(document)
    else:
        _table(result, reference)
        if out is not None:
            typer.echo(f"written to {out}")
    if result.status is Status.INTERRUPTED:
        raise typer.Exit(130)


def _run(solver: Any, hamiltonian: object, quiet: bool) -> ExcitedStatesResult:
    """Run the search with one live line on stderr."""
    import sys
    import warnings

    from qalgs.eigengame import Finished, LevelFound, Note, Progress
    from qalgs.errors import QalgsWarning

    live = sys.stderr.isatty() and not quiet
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QalgsWarning)
        for event in solver.iter_run(hamiltonian):
            if isinstance(event, Finished):
                return event.result
            if isinstance(event, Note) and not quiet:
                typer.echo(f"warning: {event.text}", err=True)
            elif isinstance(event, LevelFound) and not quiet:
                typer.echo(
                    f"level {event.state}: {event.energy:.8f} after {event.evaluations} evaluations", err=True
                )
            elif isinstance(event, Progress) and live and event.iteration % 20 == 0:
                line = f"\rlevel {event.state}, evaluation {event.iteration}: {event.energy:.6f}"
                print(line, end="\r", file=sys.stderr, flush=True)
    raise AssertionError("the run ended without a result")


def _table(result: ExcitedStatesResult, reference: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    molecular = result.problem.molecule is not None
    table = Table(title=f"{result.problem.name}: {result.method}, {result.schedule}")
    table.add_column("level", justify="right")
    table.add_column("energy (Ha)" if molecular else "energy", justify="right")
    table.add_column("± error", justify="right")
    table.add_column("above lowest (eV)" if molecular else "above lowest", justify="right")
    table.add_column("√variance", justify="right")
    if reference is not None:
        table.add_column("− exact", justify="right")
    groups = {i: g for g, members in enumerate(result.multiplets) for i in members}
    for i, energy in enumerate(result.energies):
        above = result.excitation_energies[i] * (HARTREE_EV if molecular else 1.0)
        row = [
            f"{i}",
            f"{energy:.8f}",
            f"{result.errors[i]:.1e}",
            f"{above:.5f}",
            f"{result.variances[i] ** 0.5:.1e}",
        ]
        if reference is not None:
            row.append(f"{energy - reference[i]:+.1e}")
        table.add_row(*row, end_section=i + 1 in groups and groups.get(i) != groups.get(i + 1))
    Console().print(table)
    costs = result.costs
    typer.echo(
        f"{result.status}; {costs.gradients} gradients, {costs.evaluations} evaluations, "
        f"{costs.circuits} circuits, {costs.shots} shots; seed {result.seed}"
    )


def _write(folder: Path, result: ExcitedStatesResult, reference: Any, plots: bool) -> None:
    from qalgs.results import write_atomic

    folder.mkdir(parents=True, exist_ok=True)
    document = result.to_dict()
    document["exact"] = None if reference is None else reference.tolist()
    write_atomic(folder / "summary.json", _json(document))
    lines = ["level,energy,error,excitation,variance,exact"]
    for i, energy in enumerate(result.energies):
        known = "" if reference is None else repr(float(reference[i]))
        values = (energy, result.errors[i], result.excitation_energies[i], result.variances[i])
        lines.append(",".join([str(i), *(repr(float(v)) for v in values), known]))
    write_atomic(folder / "levels.csv", "\n".join(lines) + "\n")
    if plots:
        for name, axes in (("levels.svg", result.plot_levels()), ("history.svg", result.plot_history())):
            _save(axes, folder / name)


def _save(axes: Any, path: Path) -> None:
    import io

    from qalgs.results import write_atomic

    buffer = io.BytesIO()
    axes.figure.savefig(buffer, format="svg")
    write_atomic(path, buffer.getvalue())


def _scan(file: LevelsFile, out: Path | None, seed: int | None, json_: bool, plots: bool, quiet: bool) -> None:
    from qalgs.eigengame import scan
    from qalgs.eigengame.scanning import ScanPoint
    from qalgs.errors import InvalidInputError

    table = file.model.scan
    assert table is not None
    if file.model.molecule is None:
        raise InvalidInputError(f"{file.path}: scan needs a molecule; add one")
    name, length, options = file.molecule()
    if not isinstance(name, str) or length is not None:
        raise InvalidInputError(f"{file.path}: scan needs a molecule by name, without bond_length; change it")
    lengths = table.values()
    from qalgs.circuits import molecule

    solver = file.solver(molecule(name, lengths[0], **options), seed=seed)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    def show(point: ScanPoint) -> None:
        if not quiet:
            typer.echo(f"{point.length:.4f} Å: " + "  ".join(f"{e:.8f}" for e in point.energies), err=True)

    resume = None if out is None else out / "scan.jsonl"
    result = scan(name, lengths, solver, resume=resume, n_jobs=table.n_jobs, callback=show, **options)
    if out is not None:
        result.to_csv(out / "scan.csv")
        if plots:
            _save(result.plot(), out / "scan.svg")
    if json_:
        _print_json(result.to_dict())
        return
    typer.echo("length (Å)  " + "  ".join(f"E{i} (Ha)".rjust(14) for i in range(len(result.points[0].energies))))
    for point in result.points:
        typer.echo(f"{point.length:10.4f}  " + "  ".join(f"{e:14.8f}" for e in point.energies))


def _json(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(_json(document), nl=False)


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command("levels")(levels)
