"""``qalgs max3cut solve|bound|bench|qaoa``: Max-3-Cut of a graph in a G-set file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qalgs.max3cut import Progress

max3cut_app = typer.Typer(
    name="max3cut", help="Split a graph into three parts; G-set files.", no_args_is_help=True
)

Graph = Annotated[Path, typer.Argument(help="Graph file in G-set format: 'n m', then 'i j w' a line.")]
Graphs = Annotated[list[Path], typer.Argument(help="Graph files in G-set format.")]
Rank = Annotated[int, typer.Option(min=1, help="Rank of the factor.")]
Matrix = Annotated[str, typer.Option(help="Diagonal: laplacian, adjacency or corrected.")]
Bound = Annotated[str, typer.Option(help="Upper bound: none, trivial, packing, eigen, rank or sdp.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Root seed.")]
METHODS = (
    "Repeatable: auto, three-arc, three-arc+1opt, circles, circles+1opt, anneal, tabu, greedy, dsatur, "
    "frieze-jerrum, cp-sat, milp, dwave, qaoa, qaoa-warm, qaoa-noisy."
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(max3cut_app)


@max3cut_app.command()
def solve(
    graph: Graph,
    rank: Rank = 2,
    method: Annotated[str, typer.Option(help="auto, rank1, three-arc, arcs, circles or vertices.")] = "auto",
    matrix: Matrix = "corrected",
    refine: Annotated[str | None, typer.Option(help="1opt, anneal or tabu.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of candidates.")] = 10,
    bound: Bound = "rank",
    budget: Annotated[float | None, typer.Option(help="Wall seconds; a fixed amount of work if absent.")] = None,
    seed: SeedOption = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Workers.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File to resume arcs and circles from.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the partition: 'node label' a line.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write plots to this image file.")] = None,
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Find a partition with a large cut, and bound how much larger a cut can be."""
    from qalgs.cli.files import FIGURES, check_outputs, plain_warnings
    from qalgs.max3cut import max3cut
    from qalgs.results import Status, write_atomic

    check_outputs({"--out": out, "--plot": plot}, {"--plot": FIGURES})
    with plain_warnings():
        result = max3cut(
            graph, rank=rank, method=method, matrix=matrix, refine=refine, top=top,  # type: ignore[arg-type]
            bound=None if bound == "none" else bound, budget=budget, seed=seed, n_jobs=jobs,  # type: ignore[arg-type]
            checkpoint=checkpoint, callback=None if quiet else _progress,
        )  # fmt: skip
    if out is not None:
        write_atomic(out, "".join(f"{node} {label}\n" for node, label in result.partition.items()))
    if plot is not None:
        _plots(result, plot)
    if json_:
        typer.echo(result.to_json())
    else:
        _report(result)
    if result.status is Status.INTERRUPTED:
        raise typer.Exit(130)


def _report(result: Any) -> None:
    """Print a result for people."""
    from qalgs.max3cut import best_known

    known = best_known(result.name)
    typer.echo(f"{result.name}: n = {result.n}, m = {result.m}")
    typer.echo(f"cut          {_number(result.cut)}")
    if known is not None:
        typer.echo(f"best known   {known.cut} ({known.source}{'' if known.confirmed else ', unconfirmed'})")
    typer.echo(f"upper bound  {_number(result.upper_bound)} ({result.bound_kind})")
    typer.echo(f"exact        {result.exact or 'nothing: a heuristic answer'}")
    typer.echo(f"time         {result.times['total']:.2f} s wall, {result.times['cpu']:.2f} s CPU")
    typer.echo(f"status       {result.status}")
    # Parallel edges were warned of when the graph was read.
    for notice in (n for n in result.warnings if n.kind != "parallel-edges"):
        typer.echo(f"note         {notice.kind}: {notice.message}")


@max3cut_app.command()
def bound(
    graphs: Graphs,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="trivial, packing, eigen, rank or sdp; repeatable.")
    ] = None,
    rank: Rank = 2,
    matrix: Matrix = "corrected",
    json_: Json = False,
) -> None:
    """Bound the largest cut from above."""
    import json

    from qalgs.cli.files import plain_warnings
    from qalgs.max3cut import as_problem, upper_bound

    rows = []
    for path in graphs:
        with plain_warnings():
            problem = as_problem(path)
        for name in kind or ["trivial", "packing", "eigen", "rank"]:
            found = upper_bound(problem, name, rank=rank, matrix=matrix)  # type: ignore[arg-type]
            rows.append(
                {
                    "instance": problem.name,
                    "asked": name,
                    "bound": found.value,
                    "kind": found.kind,
                    "raw": found.raw,
                }
            )
    if json_:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        note = "" if row["kind"] == row["asked"] else f" (the {row['kind']} bound is smaller)"
        typer.echo(f"{row['instance']:<12} {row['asked']:<8} {_number(row['bound'])}{note}")


@max3cut_app.command()
def bench(
    graphs: Graphs,
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help=METHODS)] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")] = 1,
    budget: Annotated[float | None, typer.Option(help="Wall seconds a run.")] = None,
    bound: Bound = "rank",
    reps: Annotated[int, typer.Option(min=1, help="QAOA layers.")] = 1,
    shots: Annotated[int, typer.Option(min=1, help="QAOA samples, and uniform guesses beside them.")] = 1024,
    encoding: Annotated[str, typer.Option(help="QAOA encoding.")] = "qutrit",
    device: Annotated[str, typer.Option(help="Device whose noise qaoa-noisy runs under.")] = "fake_torino",
    evaluations: Annotated[int, typer.Option(min=4, help="Energy evaluations of a QAOA run.")] = 150,
    out: Annotated[Path | None, typer.Option(help="Write the table to .csv, .json or .md.")] = None,
    json_: Json = False,
) -> None:
    """Compare methods on graphs in one table."""
    from qalgs.cli.files import check_outputs, plain_warnings
    from qalgs.max3cut import compare
    from qalgs.max3cut.report import CLASSICAL

    check_outputs({"--out": out}, {"--out": (".csv", ".json", ".md")})
    with plain_warnings():
        table = compare(
            graphs,
            tuple(method or CLASSICAL),  # type: ignore[arg-type]
            seeds=range(seeds),
            budget=budget,
            bound=bound,
            reps=reps,
            samples=shots,
            encoding=encoding,
            device=device,
            evaluations=evaluations,
            callback=lambda row: typer.echo(
                f"{row.instance} {row.method} seed {row.seed}: cut {_number(row.cut)}", err=True
            ),
        )
    _emit(table, out, json_)


@max3cut_app.command()
def verify(graphs: Graphs) -> None:
    """Check files against the recorded fingerprints of the G-set instances of their names."""
    from qalgs.errors import InvalidInputError
    from qalgs.max3cut import verify_gset

    wrong = []
    for path in graphs:
        found = verify_gset(path)
        words = {True: "verified", False: "DIFFERS from the G-set instance", None: "no fingerprint on record"}
        typer.echo(f"{found.name:<12} {words[found.verified]}")
        if found.verified is False:
            wrong.append(found.name)
    if wrong:
        raise InvalidInputError(f"{', '.join(wrong)}: not the G-set instance of that name; fetch the file again")


@max3cut_app.command()
def qaoa(
    graph: Graph,
    encoding: Annotated[str, typer.Option(help="qutrit, one-hot, binary or binary-folded.")] = "qutrit",
    reps: Annotated[int, typer.Option(min=1, help="QAOA layers p.")] = 1,
    shots: Annotated[int, typer.Option(min=1, help="Final samples, and uniform guesses beside them.")] = 1024,
    budget: Annotated[int, typer.Option(min=4, help="Energy evaluations.")] = 150,
    warm: Annotated[bool, typer.Option("--warm", help="Start near the best rank-2 partition.")] = False,
    backend: Annotated[str | None, typer.Option(help="Noise of this (fake) device; exact if absent.")] = None,
    seed: SeedOption = 0,
    json_: Json = False,
) -> None:
    """Run QAOA on a small graph and put guessing and the classical solver beside it."""
    import json

    from qalgs.cli.files import plain_warnings
    from qalgs.max3cut import as_problem, max3cut, noisy_primitives, run_qaoa

    with plain_warnings():
        problem = as_problem(graph)
    classical = max3cut(problem, seed=seed)
    start = max3cut(problem, method="three-arc", seed=seed).partition if warm and problem.n >= 3 else None
    options: dict[str, Any] = {}
    if backend is not None:
        width = {"one-hot": 3, "binary": 2, "binary-folded": 2}.get(encoding, 1)
        estimator, sampler = noisy_primitives(backend, width * problem.n, seed=seed)
        options = {"estimator": estimator, "sampler": sampler}
    result = run_qaoa(
        problem, encoding, reps=reps, samples=shots, budget=budget, warm_start=start, seed=seed, **options  # type: ignore[arg-type]
    )  # fmt: skip
    if json_:
        document = result.to_dict()
        document["classical_cut"] = classical.cut
        document["upper_bound"] = classical.upper_bound
        document["bound_kind"] = classical.bound_kind
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"{problem.name}: n = {problem.n}, m = {problem.m}, {encoding}, p = {reps}, {result.engine}")
    typer.echo(f"<cut>                 {result.expected_cut:.6g} (uniform guess {result.uniform_cut:.6g})")
    typer.echo(f"best of {shots:<13} {_number(result.best_of_shots)}")
    typer.echo(f"uniform best of {shots:<5} {_number(result.uniform_best_of_shots)}")
    typer.echo(f"P(optimum) per shot   {result.success_probability:.4g}")
    typer.echo(
        f"classical             {_number(classical.cut)}, upper bound {_number(classical.upper_bound)} "
        f"({classical.bound_kind})"
    )
    typer.echo(
        f"cost                  {result.evaluations} evaluations, {result.shots} shots, {result.seconds:.2f} s"
    )


def _emit(table: Any, out: Path | None, json_: bool) -> None:
    if out is not None:
        table.write(out)
    typer.echo(table.to_json() if json_ else table.to_markdown())


def _progress(event: Progress) -> None:
    cut, bound = _number(event.cut), _number(event.upper_bound)
    typer.echo(f"[{event.seconds:7.2f} s] {event.stage}: cut {cut}, bound {bound}", err=True)


def _number(value: Any) -> str:
    """Integers in full, others to ten digits (a float bound carries its guard against rounding in the last)."""
    return str(value) if isinstance(value, int) else f"{value:.10g}"


def _plots(result: Any, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    draw = [result.plot_trace]
    if result.spectrum is not None:
        draw.append(result.plot_spectrum)
        if len(result.spectrum.vectors) == result.n:
            draw.append(result.plot_circle)
            if result.rank >= 2:
                draw.append(result.plot_cells)
    for ax, function in zip(axes.flat, draw, strict=False):
        function(ax=ax)
    for ax in list(axes.flat)[len(draw) :]:
        ax.set_axis_off()
    figure.savefig(path)
    plt.close(figure)
