"""The command line: parse, call, print. One line on stderr and exit code 2 for whatever the user can mend."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``qalgs`` with ``argv`` and return the exit code.

    Args:
        argv: The arguments after the program name; ``sys.argv[1:]`` if None.

    Returns:
        0 on success, 2 on input that breaks a rule, 130 when interrupted, 1 otherwise.
    """
    import typer
    from typer.exceptions import TyperException

    from qalgs.cli.app import app
    from qalgs.errors import QalgsError
    from qalgs.interrupts import deliver_interrupts

    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        with deliver_interrupts():
            code = app(arguments, standalone_mode=False, prog_name="qalgs")
    except TyperException as error:
        return _fail(error, error.format_message(), debug, 2)
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    except (QalgsError, ValueError, TypeError, OSError) as error:
        return _fail(error, str(error), debug, 2)
    except MemoryError as error:
        return _fail(error, f"not enough memory: {error}; make the problem smaller".replace(": ;", ";"), debug, 2)
    return int(code or 0)


def _fail(error: BaseException, text: str, debug: bool, code: int) -> int:
    if debug:
        traceback.print_exception(error)
    print("error: " + " ".join((text or type(error).__name__).split()), file=sys.stderr)
    return code
