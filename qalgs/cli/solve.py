"""``qalgs solve``: a linear system from a file, solved by circuits, its cost and error printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qalgs.qlsp import LinearSystem, QLSPResult, Solver

SOLVERS = ("qsvt", "chebyshev", "hhl", "adiabatic", "kernel", "vqls")
METAS = ("none", "proximal", "proximal-residual", "correction", "jacobi", "ilu")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("solve")(solve)


def solve(
    system: Annotated[
        Path, typer.Argument(help="A .npz with A and b (or a scipy sparse matrix), or Matrix Market .mtx.")
    ],
    rhs: Annotated[
        Path | None,
        typer.Option(help="Right-hand side: .mtx, .npy, .npz (key b) or text; default: inside, or ones."),
    ] = None,
    solver: Annotated[str, typer.Option(help=f"Inner solver: {', '.join(SOLVERS)}.")] = "qsvt",
    meta: Annotated[str, typer.Option(help=f"Around it: {', '.join(METAS)}.")] = "none",
    epsilon: Annotated[float, typer.Option(help="Direction error wanted.")] = 1e-3,
    eta: Annotated[str, typer.Option(help='Proximal step, or "auto".')] = "auto",
    start: Annotated[str | None, typer.Option(help="Warm start: gd:STEPS, cg:STEPS, or a file with x0.")] = None,
    encoding: Annotated[str, typer.Option(help="dilation, pauli, fable or banded.")] = "dilation",
    kappa_max: Annotated[float, typer.Option(help="Refuse systems worse conditioned than this.")] = 1e8,
    threshold: Annotated[
        float | None, typer.Option(help="Drop singular values below this share of the largest: a pseudo-inverse.")
    ] = None,
    backend: Annotated[
        str, typer.Option(help="compiled, aer, pennylane, statevector, or the name of a device (with --shots).")
    ] = "compiled",
    shots: Annotated[
        int | None, typer.Option(help="Shots for each measurement setting; none reads amplitudes.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Print the cost; run nothing.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run all six inner solvers (under --meta) at matched error.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write x to this file (.npy or text).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the history figure to this file.")] = None,
) -> None:
    """Solve A x = b with a quantum linear-system algorithm, every query counted in the circuit."""
    from qalgs.cli.files import FIGURES, check_outputs, plain_warnings
    from qalgs.errors import invalid
    from qalgs.results import Status

    for name, value, allowed in (("--solver", solver, SOLVERS), ("--meta", meta, METAS)):
        if value not in allowed:
            raise invalid(name, value, f"must be one of {', '.join(allowed)}")
    if eta != "auto" and not meta.startswith("proximal"):
        raise invalid("--eta", eta, f"must come with --meta proximal or proximal-residual, not {meta}")
    if estimate or compare:
        for name, given in {"--shots": shots, "--out": out, "--plot": plot}.items():
            if given is not None:
                mode = "estimate" if estimate else "compare"
                raise invalid(name, str(given), f"must be left out with --{mode}, which solves nothing with it")
    check_outputs({"--out": out, "--plot": plot}, {"--plot": FIGURES})
    problem, assumed = load_system(system, rhs, encoding=encoding, kappa_max=kappa_max, threshold=threshold)
    if assumed:
        typer.echo("note: no right-hand side was given; b = (1, ..., 1)", err=True)
    method = _solver(problem, solver, meta, epsilon, eta, start)
    if estimate:
        found = method.estimate(problem, epsilon)
        typer.echo(found.to_json() if json else _lines(found.to_dict()))
        return
    _announce(problem, len(SOLVERS) if compare else 1)
    if compare:
        from qalgs.qlsp import compare as side_by_side

        solvers = [_solver(problem, name, meta, epsilon, eta, start) for name in SOLVERS]
        with plain_warnings():
            table = side_by_side(solvers, problem, epsilon, backend=_backend(backend))
        typer.echo(table.to_json() if json else str(table))
        return
    with plain_warnings():
        result = method.solve(problem, epsilon=epsilon, backend=_backend(backend), shots=shots, seed=seed)
    typer.echo(result.to_json() if json else report(problem, result))
    if out is not None:
        _write(out, result.x)
        typer.echo(f"x written to {out}", err=True)
    if plot is not None:
        result.plot_history().figure.savefig(plot)
        typer.echo(f"figure written to {plot}", err=True)
    if not result.status.ok:
        raise typer.Exit(130 if result.status is Status.INTERRUPTED else 1)


def _announce(problem: LinearSystem, solvers: int) -> None:
    """Say so before work that takes minutes: dense algebra, 8 times as long and 4 times as large a qubit."""
    seconds = solvers * 5.0 * 7.5 ** (problem.num_qubits - 10)  # measured for QSVT on one core
    if seconds < 60:
        return
    memory = max(1, round(0.75 * 4.0 ** (problem.num_qubits - 10)))
    system = f"{problem.size} rows on {problem.num_qubits} qubits"
    typer.echo(
        f"note: {system} take about {round(seconds / 60)} min or more and {memory} GB; "
        "--estimate prints the cost at once, Ctrl-C stops",
        err=True,
    )


def load_system(
    path: Path,
    rhs: Path | None = None,
    *,
    encoding: str = "dilation",
    kappa_max: float = 1e8,
    threshold: float | None = None,
) -> tuple[LinearSystem, bool]:
    """Read a system from files.

    Args:
        path: ``.npz`` with ``A`` and ``b``, ``.npz`` of a scipy sparse matrix, or Matrix Market.
        rhs: File with ``b``; otherwise ``b`` of the ``.npz``, or a neighbour ``NAME_b.mtx``, or ones.
        encoding: Block encoding.
        kappa_max: Limit on the condition number.
        threshold: As in :class:`LinearSystem`.

    Returns:
        The system, and whether ``b`` had to be assumed.
    """
    import numpy as np

    from qalgs.errors import invalid
    from qalgs.qlsp import LinearSystem

    if not path.is_file():
        raise invalid("system", str(path), "must be a file that exists")
    b: Any = None
    if path.suffix == ".npz":
        a, b = _read_npz(path)
    elif path.suffix == ".mtx":
        a = _read_mtx(path)
        neighbour = path.with_name(path.stem + "_b.mtx")
        if rhs is None and neighbour.is_file():
            rhs = neighbour
    else:
        raise invalid("system", str(path), "must end in .npz or .mtx")
    if rhs is not None:
        b = _read_vector(rhs)
    assumed = b is None
    if assumed:
        b = np.ones(a.shape[0])
    return LinearSystem(a, b, encoding=encoding, kappa_max=kappa_max, threshold=threshold), assumed


def _read_npz(path: Path) -> tuple[Any, Any]:
    import zipfile

    import numpy as np
    import scipy.sparse as sp

    from qalgs.errors import InvalidInputError, invalid

    try:
        with np.load(path, allow_pickle=False) as data:
            names = set(data.files)
            if "A" in names:
                return data["A"], data["b"] if "b" in names else None
            if not {"format", "shape", "data"} <= names:
                raise invalid(
                    "system",
                    sorted(names),
                    "must hold A (and b), or a scipy sparse matrix",
                    "np.savez(file, A=A, b=b)",
                )
            b = data["b"] if "b" in names else None
        return sp.load_npz(path), b
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise invalid("system", str(path), f"must be a readable .npz ({error})") from error


def _read_mtx(path: Path) -> Any:
    import io

    from scipy.io import mmread

    from qalgs.errors import invalid

    # The compiled reader crashes at a byte 0, and at a bad last line without its end.
    content = path.read_bytes()
    if b"\0" in content:
        raise invalid("system", str(path), "must be a Matrix Market file (text, without bytes 0)")
    try:
        return mmread(io.BytesIO(content.rstrip() + b"\n"), spmatrix=False)
    except (ValueError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise invalid("system", str(path), f"must be a Matrix Market file ({reason})") from error


def _read_vector(path: Path) -> Any:
    import zipfile

    import numpy as np

    from qalgs.errors import invalid

    if not path.is_file():
        raise invalid("rhs", str(path), "must be a file that exists")
    if path.suffix == ".mtx":
        v = _read_mtx(path)
        return np.asarray(v.todense() if hasattr(v, "todense") else v).reshape(-1)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as data:
                if "b" in data.files:
                    return data["b"]
                names = ", ".join(data.files)
            raise ValueError(f"no key b, only {names}")
        return np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise invalid("rhs", str(path), f"must hold a vector of numbers ({error})") from error


def _inner(name: str, epsilon: float) -> Solver:
    from qalgs.qlsp import HHL, VQLS, ChebyshevLCU, DiscreteAdiabatic, KernelReflection, QSVTInversion

    made: dict[str, Any] = {
        "qsvt": QSVTInversion,
        "chebyshev": ChebyshevLCU,
        "hhl": HHL,
        "adiabatic": DiscreteAdiabatic,
        "kernel": KernelReflection,
        "vqls": VQLS,
    }
    solver: Solver = made[name](epsilon=epsilon)
    return solver


def _solver(problem: LinearSystem, name: str, meta: str, epsilon: float, eta: str, start: str | None) -> Solver:
    from qalgs.errors import invalid
    from qalgs.qlsp import ClassicalPreconditioner, ProximalPoint, ResidualCorrection

    inner = _inner(name, epsilon)
    guess = _start(start)
    if guess is not None and meta not in ("proximal", "proximal-residual", "correction"):
        raise invalid("--start", start, f"must come with a meta-solver that uses it, not --meta {meta}")
    if meta in ("proximal", "proximal-residual"):
        try:
            step: float | str = eta if eta == "auto" else float(eta)
        except ValueError as error:
            raise invalid("--eta", eta, 'must be "auto" or a number above zero') from error
        form = "residual" if meta.endswith("residual") else "direct"
        shift = "real" if problem.kind.name == "POSITIVE" or form == "direct" else "complex"
        return ProximalPoint(inner, eta=step, initial_guess=guess, form=form, shift=shift)
    if meta == "correction":
        return ResidualCorrection(inner, initial_guess=guess)
    return inner if meta == "none" else ClassicalPreconditioner(inner, meta)


def _start(text: str | None) -> Any:
    from qalgs.errors import invalid
    from qalgs.qlsp import ConjugateGradient, GradientDescent

    if text is None:
        return None
    kind, _, steps = text.partition(":")
    if kind in ("gd", "cg"):
        if not steps.isdigit():
            raise invalid("--start", text, "must be gd:STEPS, cg:STEPS or a file")
        return (GradientDescent if kind == "gd" else ConjugateGradient)(int(steps))
    return _read_vector(Path(text))


def _backend(name: str) -> Any:
    if name in ("compiled", "aer", "pennylane", "statevector"):
        return name
    from qalgs.backends import load_backend

    return load_backend(name)


def _write(path: Path, x: Any) -> None:
    import io

    import numpy as np

    from qalgs.results import write_atomic

    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, x)
    else:
        np.savetxt(buffer, x)
    write_atomic(path, buffer.getvalue())


def _lines(items: Any) -> str:
    width = max(len(k) for k in items)
    return "\n".join(
        f"{k.ljust(width)}  {v:.8g}" if isinstance(v, float) else f"{k.ljust(width)}  {v}"
        for k, v in items.items()
    )


def report(problem: LinearSystem, result: QLSPResult) -> str:
    """Return the summary that the command prints."""
    split = result.error_split
    lines = {
        "system": repr(problem),
        "solver": result.solver,
        "status": str(result.status),
        "direction error": f"{result.direction_error:.3e} (solver {split.solver:.2e}, "
        f"proximal {split.proximal:.2e})",
        "fidelity": f"{result.fidelity:.8f}",
        "residual": f"{result.residual:.3e}",
        "norm of x": f"{result.norm:.8g} (from the {result.norm_source})",
        "queries": f"{result.queries_A} of A, {result.queries_b} of b in one pass",
        "per success": f"{result.queries_A_per_success:.1f} of A (probability {result.success_probability:.4f})",
        "degree, depth, CX": f"{result.max_degree}, {result.depth}, {result.two_qubit_gates} "
        f"on {result.qubits} qubits",
        "kappa": f"{result.kappa:.6g} (kappa_hat {result.kappa_hat:.6g}, kappa_enc {result.kappa_enc:.6g})",
    }
    if result.verdict is not None:
        lines["eta"] = f"{result.eta} ({result.verdict.reason})"
    elif result.eta is not None:
        lines["eta"] = f"{result.eta:.6g} ({len(result.history)} steps)"
    if result.shots:
        lines["shots"] = f"{result.shots} in {result.circuits} settings"
    if result.classical_matvecs:
        lines["classical"] = f"{result.classical_matvecs} products with A"
    if result.message and result.verdict is None:
        lines["note"] = result.message
    return _lines(lines)
