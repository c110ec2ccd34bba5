"""Success over seeds with the defaults: ``python -m tests.benchmarks.eigengame_levels [seeds] [--large]``.

Prints, for every system and method, how many seeds have all k = 4 levels within 1.6 mHa of exact diagonalisation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from qalgs.circuits import heisenberg, molecule, tfim
from qalgs.eigengame import ExcitedStates

SYSTEMS: dict[str, Callable[[], object]] = {
    **{f"H2 {d} A": partial(molecule, "H2", d) for d in (0.4, 0.735, 1.2, 1.8, 2.5)},
    "LiH (2e,3o)": lambda: molecule("LiH", active_electrons=2, active_orbitals=3),
    "TFIM-6": lambda: tfim(6),
    "Heisenberg-6": lambda: heisenberg(6),
    "H4 chain 0.9 A": lambda: molecule("H4"),
    "H4 chain 1.5 A": lambda: molecule("H4", 1.5),
}


def main(seeds: int, large: bool) -> None:
    """Run all systems and print a table."""
    systems = {"LiH STO-3G 12q": lambda: molecule("LiH")} if large else SYSTEMS
    k = 3 if large else 4
    print(f"{'system':16s} {'method':10s} {'seeds ok':>9s} {'worst mHa':>10s} {'gradients':>9s} {'s/run':>7s}")
    for name, build in systems.items():
        hamiltonian = build()
        for method in ("eigengame", "hotelling"):
            errors, gradients, start = [], [], time.process_time()
            for seed in range(seeds):
                result = ExcitedStates(k=k, method=method, seed=seed).run(hamiltonian)
                errors.append(float(np.abs(result.energies - result.exact_energies()).max()))
                gradients.append(result.costs.gradients)
            ok = sum(e <= 1.6e-3 for e in errors)
            seconds = (time.process_time() - start) / seeds
            worst, work = 1e3 * max(errors), np.mean(gradients)
            print(
                f"{name:16s} {method:10s} {ok:5d}/{seeds:<3d} {worst:10.2e} {work:9.0f} {seconds:7.2f}", flush=True
            )


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--large"]
    main(int(arguments[0]) if arguments else 10, "--large" in sys.argv)
