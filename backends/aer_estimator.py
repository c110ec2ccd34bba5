"""Aer's estimator with a generator: noise of its own for every PUB and call, and the same from the same seed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from qiskit.primitives import EstimatorPubLike, PrimitiveResult
from qiskit_aer.primitives import EstimatorV2

from qalgs.backends.compiled_pubs import FinishedJob
from qalgs.seeds import simulator_seed


class SeededAerEstimator(EstimatorV2):
    """``qiskit_aer.primitives.EstimatorV2`` that draws a seed for each PUB from a generator.

    Aer's own takes one int, from which all PUBs and calls get the same noise, or none, and then repeats nothing.

    Args:
        rng: Where the seeds come from.
        options: As of Aer's estimator.
    """

    def __init__(self, rng: np.random.Generator, options: dict[str, Any]) -> None:
        super().__init__(options=options)
        self._rng = rng

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> FinishedJob:
        """Estimate the PUBs one by one; see Qiskit's ``BaseEstimatorV2.run``."""
        results = []
        for pub in pubs:
            self.options.run_options = {"seed_simulator": simulator_seed(self._rng)}
            results += list(super().run([pub], precision=precision).result())
        return FinishedJob(PrimitiveResult(results, metadata={"version": 2}))
