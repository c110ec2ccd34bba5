"""Exceptions and warnings, and the one form that every message has: name, value got, rule, remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


_KINDS = {
    Real: "a number",
    Integral: "an integer",
    str: "a string",
    Iterable: "a sequence",
    Sequence: "a sequence",
    Mapping: "a mapping",
    type(None): "None",
}


def expect(*kinds: type, **given: object) -> None:
    """Refuse arguments of the wrong type, by name, before anything is done with them.

    Args:
        *kinds: The types allowed; numbers are :class:`numbers.Real` or :class:`numbers.Integral`.
        **given: The arguments by name.

    Raises:
        InvalidInputError: If an argument is of none of the types.

    Example:
        >>> expect(Real, kappa=2.0, epsilon=0.1)
        >>> expect(Real, type(None), budget="soon")
        Traceback (most recent call last):
        ...
        qalgs.errors.InvalidInputError: budget must be a number or None, got 'soon'
    """
    for name, value in given.items():
        if not isinstance(value, kinds):
            words = [_KINDS.get(kind) or _with_article(kind.__name__) for kind in kinds]
            raise invalid(name, value, f"must be {' or '.join(words)}")


def expect_callable(**given: object) -> None:
    """Refuse arguments that are neither None nor callable.

    Args:
        **given: The arguments by name.

    Raises:
        InvalidInputError: If one cannot be called.

    Example:
        >>> expect_callable(callback=print, progress=None)
    """
    for name, value in given.items():
        if value is not None and not callable(value):
            raise invalid(name, value, "must be callable")


def as_array(name: str, value: object, dtype: type = float) -> NDArray[Any]:
    """Return an argument as an array of numbers.

    Args:
        name: The argument as the caller knows it.
        value: What was given.
        dtype: ``float`` or ``complex``.

    Raises:
        InvalidInputError: If it holds anything but numbers.

    Example:
        >>> as_array("values", [1, 2]).tolist()
        [1.0, 2.0]
    """
    import numpy as np

    try:
        if value is not None and not isinstance(value, str):
            return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError):
        pass
    raise invalid(name, value, "must be an array of numbers")


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word}"
