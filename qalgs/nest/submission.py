"""One submission, made to last: waited for, sent again with back-off when it fails, found again on resume.

What is sent is known by its step and by a hash of its content. Before anything is sent, the journal is asked
whether this very step is already on its way; a machine's job is then fetched by its id instead of being paid for
twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qalgs.errors import ExecutionError, QalgsError, expect, invalid
from qalgs.seeds import keyed

if TYPE_CHECKING:
    from .ledger import Ledger


_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Where time comes from, so that tests need not wait."""

    def now(self) -> float:
        """Return seconds from an arbitrary origin."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock on the wall."""

    def now(self) -> float:
        """Return seconds from an arbitrary origin."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Job(Protocol):
    """What this module needs of a Qiskit job."""

    def job_id(self) -> str:
        """Return the name under which the backend knows the job."""

    def in_final_state(self) -> bool:
        """Whether the job has ended, well or badly."""

    def result(self) -> Any:
        """Return the result, or raise what went wrong."""

    def cancel(self) -> Any:
        """Ask for the job's end."""


class Finder(Protocol):
    """How a machine's jobs are found again by a later process."""

    def fetch(self, remote: str) -> Job:
        """Return the job of this id."""

    def find(self, tag: str) -> Job | None:
        """Return the latest job that was sent under this tag, if any."""

    def failed(self, error: Exception) -> bool:
        """Whether an error says that the job has failed, and not merely that the service did not answer."""


class Journal(Protocol):
    """Where submissions are written down."""

    def sent(self, step: str) -> list[tuple[int, str, str | None, str]]:
        """Return ``(attempt, state, remote id, content hash)`` of the step's submissions in order."""

    def write(self, step: str, attempt: int, state: str, *, remote: str | None = None, note: str = "") -> None:
        """Write the state of a submission."""


class MemoryJournal:
    """A journal that lasts as long as the process."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], tuple[str, str | None, str]] = {}

    def sent(self, step: str) -> list[tuple[int, str, str | None, str]]:
        """Return ``(attempt, state, remote id, note)`` of the step's submissions in order."""
        return [(a, *row) for (s, a), row in sorted(self.rows.items()) if s == step]

    def write(self, step: str, attempt: int, state: str, *, remote: str | None = None, note: str = "") -> None:
        """Write the state of a submission."""
        known = self.rows.get((step, attempt), ("", None, ""))
        self.rows[step, attempt] = (state, remote or known[1], note)


class LedgerJournal:
    """The submissions table of a campaign's ledger."""

    def __init__(self, ledger: Ledger, campaign: str) -> None:
        self._ledger, self._campaign = ledger, campaign

    def sent(self, step: str) -> list[tuple[int, str, str | None, str]]:
        """Return ``(attempt, state, remote id, note)`` of the step's submissions in order."""
        rows = self._ledger.submissions(self._campaign)
        return sorted((a, state, remote, note) for s, a, state, remote, note in rows if s == step)

    def write(self, step: str, attempt: int, state: str, *, remote: str | None = None, note: str = "") -> None:
        """Write the state of a submission."""
        self._ledger.submission(self._campaign, step, attempt, state, remote=remote, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and after which pauses, a failed submission is sent again.

    The pause before attempt ``a`` (from 1) is ``min(largest, first * factor**(a - 1)) * (1 + jitter * u)``, ``u``
    uniform in [0, 1) from the seed and the step, so that many clients do not come back together.

    Attributes:
        attempts: Submissions of one step altogether.
        first: First pause in seconds.
        factor: Growth of the pause.
        largest: Longest pause in seconds, before jitter.
        jitter: Relative size of the random part.
        timeout: Seconds to wait for one submission; None waits for ever (a machine's queue may be long).

    Raises:
        InvalidInputError: If a number breaks its rule.
    """

    attempts: int = 5
    first: float = 2.0
    factor: float = 2.0
    largest: float = 120.0
    jitter: float = 0.25
    timeout: float | None = None

    def __post_init__(self) -> None:
        expect(Integral, attempts=self.attempts)
        expect(Real, first=self.first, factor=self.factor, largest=self.largest, jitter=self.jitter)
        expect(Real, type(None), timeout=self.timeout)
        if isinstance(self.attempts, bool) or self.attempts < 1:
            raise invalid("attempts", self.attempts, "must be at least 1")
        for name in ("first", "largest", "jitter"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise invalid(name, getattr(self, name), "must be finite and not negative")
        if not (np.isfinite(self.factor) and self.factor >= 1):
            raise invalid("factor", self.factor, "must be at least 1")
        if self.timeout is not None and not self.timeout > 0:
            raise invalid("timeout", self.timeout, "must be positive seconds, or None")

    def pause(self, seed: int, step: str, attempt: int) -> float:
        """Return the seconds to wait before ``attempt`` (from 1; attempt 0 is not waited for)."""
        base = min(self.largest, self.first * self.factor ** (attempt - 1))
        return base * (1.0 + self.jitter * float(keyed(seed, "retry", step, attempt).random()))


Faults = Callable[[str, str, int], None]
"""Called as ``faults(moment, step, attempt)``, moment "submit" or "result"; tests raise from it."""

_MISTAKES = (AttributeError, NameError, ImportError, TypeError, AssertionError)
"""Errors of a program; sending again would not help."""

_POLL_FIRST, _POLL_LARGEST = 0.002, 5.0


class _UnreachableError(ExecutionError):
    """A job was sent and nothing is known about it; it must be looked up later, not sent again."""


class Submission:
    """Sends steps; holds no result.

    Args:
        retry: Attempts, pauses and time-out.
        clock: Where time comes from.
        journal: Where submissions are written down.
        finder: Finds a job again; None where jobs end with this process.
        faults: Called before a submission and before its result is taken; for tests.
    """

    def __init__(
        self,
        *,
        retry: Retry | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        finder: Finder | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.retry = retry or Retry()
        self.clock: Clock = clock or SystemClock()
        self.journal: Journal = journal or MemoryJournal()
        self._finder, self._faults = finder, faults

    def run(self, step: str, content: str, seed: int, send: Callable[[], Job]) -> Any:
        """Return the result of a step, sending it as often as needed and allowed.

        Args:
            step: Name of the step.
            content: Hash of what is sent.
            seed: Root seed, for the pauses.
            send: Sends it and returns the job.

        Raises:
            ExecutionError: If every attempt failed; says what the last one died of.
            QalgsError: If what is sent breaks a rule; sending it again would not help.
        """
        known = self.journal.sent(step)
        found = self._resume(step, content, seed, known)
        if found is not None:
            return found
        # Attempts of an earlier process are history: this one has all of its own.
        start = max((a for a, *_ in known), default=-1) + 1
        last: Exception | None = None
        for attempt in range(self.retry.attempts):
            if attempt:
                pause = self.retry.pause(seed, step, attempt)
                _log.warning("step %s failed with %s; sending it again in %.1f s", step, _one_line(last), pause)
                self.clock.sleep(pause)
            try:
                return self._attempt(step, content, start + attempt, seed, send)
            except QalgsError as error:
                if isinstance(error, _UnreachableError) or not isinstance(error, ExecutionError):
                    raise
                last = error
            except _MISTAKES:
                raise
            except Exception as error:
                last = error
            self.journal.write(step, start + attempt, "failed", note=_one_line(last))
        times = "once" if self.retry.attempts == 1 else f"{self.retry.attempts} times"
        raise ExecutionError(
            f"step {step} failed {times}, at last with {_one_line(last)}; "
            "everything before it is recorded: resume when the backend is available again"
        ) from last

    def _attempt(self, step: str, content: str, attempt: int, seed: int, send: Callable[[], Job]) -> Any:
        self.journal.write(step, attempt, "sending", note=content)
        if self._faults is not None:
            self._faults("submit", step, attempt)
        job = send()
        remote = str(job.job_id()) if self._finder is not None else None
        self.journal.write(step, attempt, "sent", remote=remote, note=content)
        result = self._wait(step, attempt, seed, job)
        self.journal.write(step, attempt, "done", remote=remote, note=content)
        return result

    def _wait(self, step: str, attempt: int, seed: int, job: Job) -> Any:
        start, pause = self.clock.now(), _POLL_FIRST
        while not self._ask(step, seed, job.in_final_state):
            waited = self.clock.now() - start
            if self.retry.timeout is not None and waited >= self.retry.timeout:
                if not _cancelled(job):
                    break
                raise ExecutionError(f"a time-out after {self.retry.timeout:g} s")
            self.clock.sleep(pause)
            pause = min(_POLL_LARGEST, 1.5 * pause)
        if self._faults is not None:
            self._faults("result", step, attempt)
        return self._ask(step, seed, job.result)

    def _ask(self, step: str, seed: int, question: Callable[[], Any]) -> Any:
        """Ask about a job; on a machine, a lost connection is no failure of the job, which may well be running."""
        if self._finder is None:
            return question()
        for attempt in range(self.retry.attempts):
            if attempt:
                self.clock.sleep(self.retry.pause(seed, step, attempt))
            try:
                return question()
            except Exception as error:
                if isinstance(error, (QalgsError, *_MISTAKES)) or self._finder.failed(error):
                    raise
                last = error
        raise _UnreachableError(
            f"step {step} was sent, but the service does not answer ({_one_line(last)}); "
            "nothing is lost: resume when the service is available again"
        ) from last

    def _resume(self, step: str, content: str, seed: int, known: list[tuple[int, str, str | None, str]]) -> Any:
        """Return the result of a job that an earlier process sent for this step, or None if there is none."""
        for attempt, state, remote, note in reversed(known):
            if self._finder is None or note != content or state not in {"sending", "sent", "done"}:
                continue
            job = self._find(step, content, seed, remote)
            if job is None:
                continue
            try:
                result = self._wait(step, attempt, seed, job)
            except _UnreachableError:
                raise
            except Exception as error:
                self.journal.write(step, attempt, "failed", remote=remote, note=_one_line(error))
                continue
            self.journal.write(step, attempt, "done", remote=str(job.job_id()), note=content)
            return result
        return None

    def _find(self, step: str, content: str, seed: int, remote: str | None) -> Job | None:
        """Look the job up; a service that does not answer is asked again, for sending anew would be paid twice."""
        assert self._finder is not None
        for attempt in range(self.retry.attempts):
            if attempt:
                self.clock.sleep(self.retry.pause(seed, step, attempt))
            try:
                return self._finder.find(content) if remote is None else self._finder.fetch(remote)
            except Exception as error:
                last = error
        raise ExecutionError(
            f"step {step} was sent before, but its job cannot be looked up ({_one_line(last)}); "
            "nothing is lost: resume when the service is available again"
        ) from last


def _cancelled(job: Job) -> bool:
    """Cancel; False if the job has ended in the meantime, so that its result is there after all."""
    try:
        job.cancel()
    except Exception:
        return not job.in_final_state()
    return True


def _one_line(error: object) -> str:
    """Return an error as one short line without anything that could be a credential."""
    import re

    text = " ".join(str(error).split())
    text = re.sub(r"(?i)(token|api[_-]?key|authorization|bearer|crn)(\W{1,3})\S+", r"\1\2[hidden]", text)
    name = "" if isinstance(error, ExecutionError) else type(error).__name__
    shown = ": ".join(part for part in (name, text) if part)
    return shown if len(shown) <= 200 else shown[:197] + "..."
