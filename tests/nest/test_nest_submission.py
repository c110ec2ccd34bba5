"""Submissions fail, hang and are found again; nothing is sent twice without need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qalgs.errors import ExecutionError, InvalidInputError
from qalgs.nest.submission import MemoryJournal, Retry, Submission


class Clock:
    def __init__(self) -> None:
        self.time = 0.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds


class Machine:
    """Jobs end after a while; some fail; all can be looked up."""

    def __init__(self, clock: Clock, takes: float = 0.0, errors: tuple[Exception | None, ...] = ()) -> None:
        self.clock, self.takes, self.errors = clock, takes, list(errors)
        self.jobs: list[Any] = []
        self.lookups: list[str] = []
        self.silent = 0

    def send(self, tag: str = "content") -> Any:
        machine, index, born = self, len(self.jobs), self.clock.time
        error = self.errors[index] if index < len(self.errors) else None

        class Job:
            cancelled = False
            label = tag

            def job_id(self) -> str:
                return f"id{index}"

            def in_final_state(self) -> bool:
                return machine.clock.time >= born + machine.takes

            def result(self) -> str:
                if error is not None:
                    raise error
                return f"result {index}"

            def cancel(self) -> None:
                self.cancelled = True

        self.jobs.append(Job())
        return self.jobs[-1]

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise ConnectionError("no route to host")

    def fetch(self, remote: str) -> Any:
        self.lookups.append(remote)
        self._answer()
        return self.jobs[int(remote.removeprefix("id"))]

    def failed(self, error: Exception) -> bool:
        return isinstance(error, RuntimeError)

    def find(self, tag: str) -> Any:
        self.lookups.append(tag)
        self._answer()
        return next((job for job in reversed(self.jobs) if job.label == tag), None)


def submission(machine: Machine, journal: Any = None, **options: Any) -> Submission:
    retry = Retry(**{"attempts": 4, "first": 1.0, "jitter": 0.5, **options})
    return Submission(retry=retry, clock=machine.clock, journal=journal, finder=machine)


def test_failures_are_sent_again_after_growing_pauses() -> None:
    clock = Clock()
    machine = Machine(clock, errors=(RuntimeError("a"), RuntimeError("b"), None))
    journal = MemoryJournal()
    assert submission(machine, journal).run("0/3", "content", 7, machine.send) == "result 2"
    assert len(clock.sleeps) == 2
    assert 1 <= clock.sleeps[0] <= 1.5
    assert 2 <= clock.sleeps[1] <= 3
    assert [row[1] for row in journal.sent("0/3")] == ["failed", "failed", "done"]
    again = Machine(Clock(), errors=(RuntimeError("a"), RuntimeError("b"), None))
    submission(again).run("0/3", "content", 7, again.send)
    assert again.clock.sleeps == clock.sleeps


def test_the_jitter_belongs_to_the_seed_and_the_step() -> None:
    retry = Retry(first=1.0, largest=5.0, jitter=0.5)
    assert retry.pause(1, "s", 2) == retry.pause(1, "s", 2)
    assert len({retry.pause(s, step, 1) for s in (1, 2) for step in ("a", "b")}) == 4
    assert 5 <= retry.pause(1, "s", 30) <= 7.5


def test_giving_up_says_what_happened_and_what_to_do() -> None:
    machine = Machine(Clock(), errors=(RuntimeError("queue\nis gone, token=abc123"),) * 9)
    with pytest.raises(ExecutionError) as caught:
        submission(machine).run("2/5", "content", 7, machine.send)
    text = str(caught.value)
    assert text.startswith("step 2/5 failed 4 times, at last with RuntimeError: queue is gone")
    assert "resume" in text
    assert "\n" not in text
    assert "abc123" not in text


def test_a_time_out_cancels_and_sends_again() -> None:
    machine = Machine(Clock(), takes=100.0)
    with pytest.raises(ExecutionError, match=r"step s failed 2 times, at last with a time-out after 30 s"):
        submission(machine, attempts=2, timeout=30.0).run("s", "content", 7, machine.send)
    assert [job.cancelled for job in machine.jobs] == [True, True]
    patient = Machine(Clock(), takes=100.0)
    assert submission(patient, timeout=200.0).run("s", "content", 7, patient.send) == "result 0"


def test_a_broken_rule_is_not_sent_again() -> None:
    machine = Machine(Clock(), errors=(InvalidInputError("shots must be positive"),) * 3)
    with pytest.raises(InvalidInputError, match="shots must be positive"):
        submission(machine).run("s", "content", 7, machine.send)
    assert len(machine.jobs) == 1


def test_a_mistake_in_a_program_is_not_sent_again() -> None:
    machine = Machine(Clock(), errors=(AttributeError("no such attribute"),) * 3)
    with pytest.raises(AttributeError, match="no such attribute"):
        submission(machine).run("s", "content", 7, machine.send)
    assert len(machine.jobs) == 1


def test_an_interrupt_passes_and_the_job_is_found_again() -> None:
    clock, journal = Clock(), MemoryJournal()
    machine = Machine(clock, takes=50.0)
    real_sleep = clock.sleep

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    clock.sleep = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        submission(machine, journal).run("s", "content", 7, machine.send)
    clock.sleep = real_sleep  # type: ignore[method-assign]
    assert submission(machine, journal).run("s", "content", 7, machine.send) == "result 0"
    assert (len(machine.jobs), machine.lookups) == (1, ["id0"])


def test_a_crash_between_sending_and_noting_the_id_is_found_by_its_tag() -> None:
    clock, journal = Clock(), MemoryJournal()
    machine = Machine(clock)

    def send_and_die() -> Any:
        machine.send()
        raise SystemExit

    with pytest.raises(SystemExit):
        submission(machine, journal).run("s", "content", 7, send_and_die)
    assert submission(machine, journal).run("s", "content", 7, machine.send) == "result 0"
    assert machine.lookups == ["content"]


def test_other_content_is_not_taken_for_the_step() -> None:
    machine, journal = Machine(Clock()), MemoryJournal()
    submission(machine, journal).run("s", "content", 7, machine.send)
    assert submission(machine, journal).run("s", "other", 7, machine.send) == "result 1"


def test_a_silent_service_is_asked_again_and_never_paid_twice() -> None:
    machine, journal = Machine(Clock()), MemoryJournal()
    journal.write("s", 0, "sent", remote="id0", note="content")
    machine.send()
    machine.silent = 2
    assert submission(machine, journal).run("s", "content", 7, machine.send) == "result 0"
    machine.silent = 99
    with pytest.raises(ExecutionError, match="was sent before, but its job cannot be looked up"):
        submission(machine, journal).run("s", "content", 7, machine.send)
    assert len(machine.jobs) == 1


def test_a_lost_connection_while_waiting_is_not_a_failed_job(caplog: pytest.LogCaptureFixture) -> None:
    lost = [ConnectionError("reset"), TimeoutError("gateway")]
    machine, journal = Machine(Clock(), takes=1.0), MemoryJournal()

    def flaky(count: int) -> Callable[[], Any]:
        def send() -> Any:
            job = machine.send()
            answer, failures = job.in_final_state, lost[:count] if count < 9 else lost * 9

            def in_final_state() -> bool:
                if failures:
                    raise failures.pop()
                return bool(answer())

            job.in_final_state = in_final_state
            return job

        return send

    assert submission(machine, journal).run("a", "content", 7, flaky(2)) == "result 0"
    with pytest.raises(ExecutionError, match=r"step b was sent, but the service does not answer .*resume"):
        submission(machine, journal).run("b", "other", 7, flaky(9))
    assert len(machine.jobs) == 2
    del machine.jobs[1].in_final_state
    assert submission(machine, journal).run("b", "other", 7, machine.send) == "result 1"
    assert len(machine.jobs) == 2
    assert caplog.text == ""


def test_retries_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(Clock(), errors=(RuntimeError("calibrating"), None))
    submission(machine).run("0/3", "content", 7, machine.send)
    assert "step 0/3 failed with RuntimeError: calibrating; sending it again in" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("attempts", 0), ("first", -1.0), ("factor", 0.5), ("jitter", float("nan")), ("timeout", 0.0)],
)
def test_bad_settings(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=name):
        Retry(**{name: value})  # type: ignore[arg-type]
