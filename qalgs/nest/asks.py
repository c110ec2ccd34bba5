"""What one minimiser waits for, circuit by circuit: its points, the bases of each, and what is known of them.

A step of a campaign carries as many circuits of every running job as the step has room for. An evaluation may thus
be spread over several steps; its parts are added up here and written into the ledger as they come, so that an
interruption loses none of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qalgs.errors import LedgerError

from .executor import Reading, Request
from .ledger import Evaluation, Part
from .trainee import Trainee


@dataclass(kw_only=True, eq=False)
class Ask:
    """The evaluations that a job asked for and does not have yet.

    Attributes:
        trainee: The job.
        requests: One per point.
        readings: What is known of each, complete; None while it is not.
        replayed: Whether the ledger knew it from an earlier process.
        bases: Measurement bases of an evaluation.
        parts: Bases that are done, of evaluations under way.
        done: Circuits that have run, of ``len(requests) * bases``.
    """

    trainee: Trainee
    requests: Sequence[Request]
    readings: list[Reading | None]
    replayed: Sequence[bool]
    bases: int
    parts: dict[int, Part] = field(default_factory=dict)
    done: int = 0

    @classmethod
    def of(
        cls,
        trainee: Trainee,
        neighbours: tuple[tuple[int, ...], ...],
        bases: int,
        recorded: Mapping[int, Part],
    ) -> Ask:
        """Ask a job's minimiser for its next points, and the ledger what it knows of them.

        Args:
            trainee: The job; it wants something.
            neighbours: Layouts of the jobs beside it.
            bases: Its measurement bases.
            recorded: Parts that an earlier process recorded, by evaluation.

        Raises:
            LedgerError: If the ledger has an evaluation at another point.
        """
        requests = trainee.requests(neighbours)
        readings = [trainee.remembered(q) for q in requests]
        parts = {}
        for q, reading in zip(requests, readings, strict=True):
            part = recorded.get(q.evaluation)
            if reading is None and part is not None:
                if not np.array_equal(part.point, q.point):
                    raise LedgerError(
                        f"the ledger has a part of evaluation {q.evaluation} of job {part.job}, cycle "
                        f"{part.cycle} at another point than this version asks for; resume with the library "
                        "versions it was started with"
                    )
                parts[q.evaluation] = part
        known = [r is not None for r in readings]
        return cls(trainee=trainee, requests=requests, readings=readings, replayed=known, bases=bases, parts=parts)

    @property
    def left(self) -> int:
        """Circuits still to run."""
        return len(self.requests) * self.bases - self.done

    def missing(self, circuits: int, *, partial: bool) -> list[Request]:
        """Return what an executor must run for the next circuits.

        Args:
            circuits: How many of them.
            partial: Whether the executor takes some bases of an evaluation; otherwise only evaluations that these
                circuits complete are returned, as a whole.
        """
        found = []
        end = min(self.done + circuits, len(self.requests) * self.bases)
        for row in range(self.done // self.bases, -(-end // self.bases)):
            request = self.requests[row]
            first = max(0, self.done - row * self.bases)
            last = min(self.bases, end - row * self.bases)
            if self.readings[row] is not None:
                continue
            if not partial:
                found += [request] if last == self.bases else []
            elif last > (self.parts[request.evaluation].bases if request.evaluation in self.parts else 0):
                whole = first == 0 and last == self.bases
                found.append(request if whole else replace(request, bases=(first, last)))
        return found

    def take(
        self, requests: Sequence[Request], readings: Sequence[Reading]
    ) -> tuple[list[Evaluation], list[Part]]:
        """Add up what has been measured; return what to record: evaluations that are complete, and others."""
        complete, under_way = [], []
        first = self.requests[0].evaluation
        for q, r in zip(requests, readings, strict=True):
            done = self.bases if q.bases is None else q.bases[1]
            before = self.parts.pop(q.evaluation, None)
            if before is not None:
                std = math.sqrt(before.variance + r.std**2)
                r = Reading(value=before.value + r.value, std=std, shots=before.shots + r.shots)
            if done == self.bases:
                self.readings[q.evaluation - first] = r
                complete.append(
                    Evaluation(
                        job=q.job.name,
                        cycle=q.cycle,
                        evaluation=q.evaluation,
                        point=q.point,
                        value=r.value,
                        std=r.std,
                        shots=r.shots,
                        seed_key="/".join(map(str, q.key)),
                        gradient=r.gradient,
                    )
                )
            else:
                part = Part(
                    job=q.job.name,
                    cycle=q.cycle,
                    evaluation=q.evaluation,
                    bases=done,
                    point=q.point,
                    value=r.value,
                    variance=r.std**2,
                    shots=r.shots,
                )
                self.parts[q.evaluation] = part
                under_way.append(part)
        return complete, under_way
