"""A job that is finished when it is returned: simulation happens in the call, so errors appear in the call."""

from __future__ import annotations

import uuid
from typing import Generic, TypeVar

from qiskit.primitives import BasePrimitiveJob
from qiskit.providers import JobStatus

T = TypeVar("T")


class FinishedJob(BasePrimitiveJob[T, JobStatus], Generic[T]):
    """A primitive job with its result inside."""

    def __init__(self, result: T) -> None:
        super().__init__("")
        self._result = result
        self._id = ""

    def job_id(self) -> str:
        """Return a unique id, made on first use."""
        self._id = self._id or str(uuid.uuid4())
        return self._id

    def result(self) -> T:
        """Return the result."""
        return self._result

    def status(self) -> JobStatus:
        """Return DONE."""
        return JobStatus.DONE

    def done(self) -> bool:
        """Return True."""
        return True

    def running(self) -> bool:
        """Return False."""
        return False

    def cancelled(self) -> bool:
        """Return False."""
        return False

    def in_final_state(self) -> bool:
        """Return True."""
        return True

    def cancel(self) -> bool:
        """Return False: there is nothing left to cancel."""
        return False
