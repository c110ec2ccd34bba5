"""Several submitted jobs behind one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qiskit.primitives import BasePrimitiveJob, PrimitiveResult
from qiskit.providers import JobStatus

from qalgs.errors import ExecutionError


class RuntimeJob(BasePrimitiveJob[PrimitiveResult[Any], JobStatus]):
    """One or more submitted jobs whose results together are one result.

    Attributes:
        jobs: The underlying jobs, with their ids.
    """

    def __init__(
        self, jobs: Sequence[Any], positions: Sequence[Sequence[int]], finish: Callable[[int, Any], Any]
    ) -> None:
        super().__init__(" ".join(str(job.job_id()) for job in jobs))
        self.jobs = list(jobs)
        self._positions = [list(p) for p in positions]
        self._finish = finish
        self._result: PrimitiveResult[Any] | None = None

    def result(self) -> PrimitiveResult[Any]:
        """Wait for all jobs and return their PUB results in the order of submission.

        Raises:
            ExecutionError: If a job failed; its message names the job.
        """
        if self._result is None:
            found: dict[int, Any] = {}
            for job, positions in zip(self.jobs, self._positions, strict=True):
                try:
                    results = job.result()
                except Exception as error:
                    text = " ".join(str(error).split())
                    raise ExecutionError(f"runtime job {job.job_id()} failed: {text[:300]}") from error
                for position, result in zip(positions, results, strict=True):
                    found[position] = self._finish(position, result)
            self._result = PrimitiveResult([found[i] for i in sorted(found)], metadata={"version": 2})
        return self._result

    def status(self) -> JobStatus:
        """Return DONE once all jobs are done, else the state of the first that is not."""
        return next(
            (s for s in (job.status() for job in self.jobs) if str(s) != str(JobStatus.DONE)), JobStatus.DONE
        )

    def _all(self, name: str) -> bool:
        return all(bool(getattr(job, name)()) for job in self.jobs)

    def done(self) -> bool:
        """Whether all jobs ended well."""
        return self._all("done")

    def running(self) -> bool:
        """Whether a job is running."""
        return any(bool(job.running()) for job in self.jobs)

    def cancelled(self) -> bool:
        """Whether a job was cancelled."""
        return any(bool(job.cancelled()) for job in self.jobs)

    def in_final_state(self) -> bool:
        """Whether all jobs have ended."""
        return self._all("in_final_state")

    def cancel(self) -> bool:
        """Cancel what has not ended."""
        open_jobs = [job for job in self.jobs if not job.in_final_state()]
        for job in open_jobs:
            job.cancel()
        return bool(open_jobs)
