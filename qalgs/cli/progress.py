"""Progress of a campaign on stderr: a live line per job on a terminal, else a plain line per job and cycle."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from qalgs.nest.events import CycleFinished, CycleStarted, Event


class CampaignProgress:
    """Listens to a campaign's events.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._live: Any = None
        self._tasks: dict[str, Any] = {}
        self._start = time.monotonic()
        self._replayed = self._done = self._budget = 0
        self._esp: dict[str, tuple[int, float, float]] = {}

    def __enter__(self) -> Self:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._live = Progress(
                TextColumn("{task.fields[job]:<14.14}", markup=False),
                TextColumn("cycle {task.fields[cycle]}/{task.fields[cycles]}"),
                TextColumn("ESP {task.fields[esp]:.3f}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("best {task.fields[best]:+.4f}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        from qalgs.nest import events

        if self.quiet:
            return
        if isinstance(event, events.CampaignStarted):
            self._budget = event.budget
            if event.recorded:
                self._say(f"resuming {event.campaign}: {event.recorded} evaluations are recorded")
        elif isinstance(event, events.CycleStarted):
            self._begin(event)
        elif isinstance(event, events.Evaluated):
            self._done += 1
            self._replayed += event.replayed
            if self._live is not None:
                self._live.update(self._tasks[event.job], advance=1, best=event.best)
        elif isinstance(event, events.CycleFinished):
            self._end(event)

    def _begin(self, event: CycleStarted) -> None:
        self._esp[event.job] = (event.cycles, event.esp, event.target or 0.0)
        if self._live is None:
            return
        fields = {"job": event.job, "cycle": event.cycle + 1, "cycles": event.cycles, "esp": event.esp}
        if event.job not in self._tasks:
            share = self._budget // max(1, len(self._tasks) + 1)
            self._tasks[event.job] = self._live.add_task("", total=share, best=float("nan"), **fields)
        self._live.update(self._tasks[event.job], **fields)

    def _end(self, event: CycleFinished) -> None:
        cycles, esp, target = self._esp[event.job]
        best = "nothing measured" if event.best_value is None else f"best {event.best_value:+.4f}"
        if self._live is None:
            self._say(
                f"{event.job}: cycle {event.cycle + 1}/{cycles}, ESP {esp:.3f} (target {target:.3f}), "
                f"{event.evaluations} evaluations, {best}, ETA {self._eta()}"
            )

    def _eta(self) -> str:
        fresh = self._done - self._replayed
        if fresh <= 0:
            return "?"
        left = (time.monotonic() - self._start) / fresh * max(0, self._budget - self._done)
        return f"{left:.0f} s" if left < 120 else f"{left / 60:.1f} min"

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)
