"""A progress bar that any callback of the package can feed, in a terminal and in a notebook.

>>> from qalgs.parallel import run_all
>>> with Bar("squares", 3) as bar:
...     _ = run_all(abs, [-1, -2, -3], callback=bar)
>>> bar.done
3
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

WIDTH = 30


class Bar:
    """Counts calls: pass it as ``callback`` to a study, a scan, a sweep, a comparison or ``run_all``.

    A notebook shows one line that is drawn anew (no widgets needed), a terminal a live bar on stderr; elsewhere
    nothing is shown.

    Args:
        label: What is counted.
        total: How many calls make it full.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self._shown: Any = None

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is None and _terminal():
            print(file=sys.stderr)

    def __call__(self, *event: object) -> None:
        """Count one event, whatever it says."""
        self.done += 1
        self._show()

    def __str__(self) -> str:
        share = min(1.0, self.done / max(1, self.total))
        full = round(WIDTH * share)
        return f"{self.label} {'█' * full}{'░' * (WIDTH - full)} {self.done}/{self.total} {share:.0%}"

    def _show(self) -> None:
        if _notebook():
            import IPython.display

            page: Any = IPython.display  # has no types
            line = page.Pretty(str(self))
            if self._shown is None:
                self._shown = page.display(line, display_id=True)
            else:
                self._shown.update(line)
        elif _terminal():
            print(f"\r{self}", end="", file=sys.stderr, flush=True)


def _terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _notebook() -> bool:
    """Whether a Jupyter kernel runs this; IPython is not loaded to find out."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return found is not None and hasattr(found, "kernel")
