"""Critical path of the parallel schedule: ``python -m tests.benchmarks.eigengame_parallel [seeds] [--single]``.

Prints gradients on the longest chain of waiting players over those of the sequential schedule, with the defaults
(three restarts), or with a single start of each player under ``--single``.
"""

from __future__ import annotations

import sys

import numpy as np

from qalgs.circuits import heisenberg, molecule, tfim
from qalgs.eigengame import ExcitedStates


def main(seeds: int, restarts: int | None) -> None:
    """Run both schedules on the same seeds."""
    for name, h in (("TFIM-6", tfim(6)), ("Heisenberg-6", heisenberg(6)), ("H4", molecule("H4"))):
        paths, errors = [], []
        for seed in range(seeds):
            a, b = (
                ExcitedStates(k=4, seed=seed, restarts=restarts, schedule=schedule).run(h)
                for schedule in ("sequential", "parallel")
            )
            paths.append((a.costs.critical_path, b.costs.critical_path))
            errors.append(1e3 * float(np.abs(b.energies - b.exact_energies()).max()))
        total = np.sum(paths, axis=0)
        ratios = np.round([p / s for s, p in paths], 2)
        print(f"{name:13s} ratio {total[1] / total[0]:.2f} in total, each {ratios}, worst {max(errors):.1e} mHa")


if __name__ == "__main__":
    numbers = [a for a in sys.argv[1:] if a != "--single"]
    main(int(numbers[0]) if numbers else 3, 1 if "--single" in sys.argv else None)
