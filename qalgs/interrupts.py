"""Ctrl-C that is not lost."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

__all__ = ["deliver_interrupts"]

_PAUSE = 0.01


def _interrupt() -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)  # unlike the other, wakes system calls
    else:
        _thread.interrupt_main()


@contextlib.contextmanager
def deliver_interrupts() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` again where Python has dropped it.

    A signal that arrives while a finaliser or the callback of a weak reference runs raises there, where Python
    can only report the exception and go on: the run would continue as if Ctrl-C had not been pressed. Inside this
    block such an interrupt is repeated a moment later instead of being reported. Other exceptions that Python
    cannot raise are reported as before.

    Example:
        >>> with deliver_interrupts():
        ...     print("running")
        running
    """
    report = sys.unraisablehook
    timers: list[threading.Timer] = []

    def repeat(unraisable: sys.UnraisableHookArgs, /) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)
            return
        # Not at once: this hook still runs inside the finaliser.
        timers.append(threading.Timer(_PAUSE, _interrupt))
        timers[-1].daemon = True
        timers[-1].start()

    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = report
        for timer in timers:
            timer.cancel()
