"""The tree of commands; every module of commands imports only typer at its top, so that help is instant."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qalgs.cli import devices, levels, max3cut, nest, solve


class Root(TyperGroup):
    """The root, which hands Ctrl-C on: typer would turn it into an exit code without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error


app = typer.Typer(
    name="qalgs",
    cls=Root,
    help="Quantum algorithms on noisy hardware.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Boxes are for terminals; what is piped stays plain, and starts in half the time.
    rich_markup_mode="rich" if sys.stdout is not None and sys.stdout.isatty() else None,
)


def _version(show: bool) -> None:
    if show:
        from qalgs import __version__

        typer.echo(f"qalgs {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (anywhere in the line).")] = False,
) -> None:
    """Quantum algorithms on noisy hardware: nest, levels, solve, max3cut."""


devices.register(app)
levels.register(app)
nest.register(app)
solve.register(app)
max3cut.register(app)
