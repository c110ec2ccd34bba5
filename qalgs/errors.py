"""Exceptions and warnings, and the one form that every message has: name, value got, rule, remedy."""

from __future__ import annotations


class QalgsError(Exception):
    """Base of every error that the package raises on purpose; its text is one line for people."""


class InvalidInputError(QalgsError, ValueError):
    """An argument, file or device breaks a rule; raised before any work is done."""


class InfeasibleError(InvalidInputError):
    """The request is well formed, but no solution exists (a job that fits nowhere on the chip, say)."""


class SingularSystemError(InvalidInputError):
    """A linear system is singular, or worse conditioned than the stated limit."""


class ConvergenceError(QalgsError):
    """An iteration ended without meeting its rule.

    Attributes:
        result: The partial result, so that nothing computed is lost.
    """

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class ExecutionError(QalgsError):
    """A backend failed to run a submission (after the allowed retries)."""


class LedgerError(QalgsError):
    """A ledger cannot be opened, read or written."""


class QalgsWarning(UserWarning):
    """A doubtful but legal request; the text names the fix."""


def invalid(name: str, value: object, rule: str, remedy: str = "") -> InvalidInputError:
    """Build the error for one bad argument.

    Args:
        name: The argument, key or file as the caller knows it.
        value: What was given; shown with ``repr`` and cut at 80 characters.
        rule: What must hold, starting with "must".
        remedy: What to do about it.

    Returns:
        The exception, to be raised by the caller.

    >>> invalid("k", 20, "must be between 1 and 2**num_qubits = 16", "reduce k")
    InvalidInputError('k must be between 1 and 2**num_qubits = 16, got 20; reduce k')
    """
    return InvalidInputError(message(name, value, rule, remedy))


def message(name: str, value: object, rule: str, remedy: str = "") -> str:
    """Return ``name rule, got value; remedy`` on one line.

    Args:
        name: The argument, key or file as the caller knows it.
        value: What was given.
        rule: What must hold.
        remedy: What to do about it.

    Example:
        >>> message("reps", 0, "must be at least 1")
        'reps must be at least 1, got 0'
    """
    shown = " ".join(repr(value).split())
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{name} {rule}, got {shown}" + (f"; {remedy}" if remedy else "")
