"""Output files that are checked before any work, and warnings in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

FIGURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")


def check_outputs(paths: Mapping[str, Path | None], endings: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse files that could not be written, before any work.

    Args:
        paths: Path by option; None where the option was not given.
        endings: Allowed endings by option; any ending where the option is missing here.

    Raises:
        InvalidInputError: If a path is a folder, its folder is missing or read-only, or its ending is not known.
    """
    from qalgs.cli.runfolder import check_writable
    from qalgs.errors import invalid

    for option, path in paths.items():
        if path is None:
            continue
        allowed = endings.get(option)
        if path.is_dir():
            raise invalid(option, str(path), "must be a file, not a folder")
        if allowed is not None and path.suffix.lower() not in allowed:
            raise invalid(option, str(path), f"must end in one of {', '.join(allowed)}")
        if not path.parent.exists():
            raise invalid(option, str(path), "must lie in a folder that exists", f"make {path.parent}")
        check_writable(path.parent)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings of the package as ``warning: ...`` on stderr, each text once; leave other warnings alone."""
    from qalgs.errors import QalgsWarning

    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", QalgsWarning)
        show = warnings.showwarning

        def short(message, category, filename, lineno, file=None, line=None):  # type: ignore[no-untyped-def]
            if not issubclass(category, QalgsWarning):
                show(message, category, filename, lineno, file, line)
            elif str(message) not in seen:
                seen.add(str(message))
                typer.echo(f"warning: {message}", err=True)

        warnings.showwarning = short
        yield
