"""Ask/tell optimisers: COBYLA, SciPy's minimisers, SPSA and Adam behind one face that can be stopped and resumed.

An :class:`Optimizer` is an immutable configuration; :meth:`Optimizer.start` opens an :class:`OptimizerRun`, which
proposes points (``ask``) and takes their values (``tell``). Whoever evaluates the points may therefore interleave
many runs in one submission. ``state()`` is JSON; ``OptimizerRun.from_state`` continues as if nothing had happened.

>>> run = COBYLA(rhobeg=0.5).start([1.0, -1.0], budget=40)
>>> while not run.done:
...     points = run.ask()
...     run.tell(points, (points**2).sum(axis=1))
>>> run.best_value < 1e-2, run.evaluations <= 40
(True, True)
"""

from qalgs.optimizers.base import Optimizer, OptimizerRun, Step, resolve_step
from qalgs.optimizers.cobyla import COBYLA
from qalgs.optimizers.loop import Minimum, minimize
from qalgs.optimizers.scipy_methods import LBFGS, NelderMead
from qalgs.optimizers.stochastic import SPSA, Adam

__all__ = [
    "COBYLA",
    "LBFGS",
    "SPSA",
    "Adam",
    "Minimum",
    "NelderMead",
    "Optimizer",
    "OptimizerRun",
    "Step",
    "minimize",
    "resolve_step",
]
