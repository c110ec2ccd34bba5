"""Kill campaigns with SIGKILL at random moments and resume them until they end.

    python tests/nest/kills.py --kills 100

No evaluation may be lost (what one process recorded, the next finds) or repeated (what is recorded is not
evaluated again), and every campaign must end bit-identical to one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from qalgs.nest import Campaign, Executor, Ledger
from qalgs.nest.events import CycleFinished

Key = tuple[str, int, int]


class Witness(Executor):
    """Writes down which evaluations are made, in one system call each, so that a kill cannot hide one."""

    def __init__(self, inner: Executor, log: Path) -> None:
        self.inner, self.log = inner, log

    def evaluate(self, requests: Any, *, seed: int, step: str) -> Any:
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        lines = "".join(json.dumps([r.job.name, r.cycle, r.evaluation]) + "\n" for r in requests)
        os.write(handle, lines.encode())
        os.close(handle)
        return self.inner.evaluate(requests, seed=seed, step=step)

    def describe(self) -> Any:
        return self.inner.describe()

    def attach(self, ledger: Ledger, campaign: str) -> None:
        self.inner.attach(ledger, campaign)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Outcome:
    """What happened.

    Attributes:
        kills: Processes killed while they ran.
        campaigns: Campaigns that ended.
        evaluations: Evaluations recorded in the end, over all campaigns.
        made: Evaluations begun, those that a kill cut short included.
    """

    kills: int = 0
    campaigns: int = 0
    evaluations: int = 0
    made: int = 0


def kill_and_resume(
    build: Callable[[Path, Callable[[Executor], Executor]], Campaign],
    folder: Path,
    kills: int,
    rng: np.random.Generator,
) -> Outcome:
    """Run campaigns, killing ``kills`` processes at random moments.

    Args:
        build: Makes the campaign on a ledger, its executor passed through a wrapper.
        folder: Where ledgers go.
        kills: Processes to kill.
        rng: Draws the moments.
    """
    _load()
    start = time.monotonic()
    _child(lambda: _run(build, folder / "whole.sqlite", folder / "whole.log"), None)
    seconds = time.monotonic() - start
    with Ledger(folder / "whole.sqlite", read_only=True) as ledger:
        expected = ledger.digest()
    outcome = Outcome()
    while outcome.kills < kills:
        path, log = folder / f"{outcome.campaigns}.sqlite", folder / f"{outcome.campaigns}.log"
        known: set[Key] = set()
        logged = 0
        while True:
            wait = float(rng.uniform(0, seconds)) if outcome.kills < kills else None
            killed = _child(lambda path=path, log=log: _run(build, path, log), wait)  # type: ignore[misc]
            outcome.kills += killed
            recorded, made = _recorded(path), _made(log)
            begun, logged = made[logged:], len(made)
            assert known <= recorded, f"lost: {sorted(known - recorded)[:3]}"
            assert not known & set(begun), f"repeated: {sorted(known & set(begun))[:3]}"
            known = recorded
            if not killed:
                break
        with Ledger(path, read_only=True) as ledger:
            assert ledger.digest() == expected, "a resumed campaign ended differently"
        assert len(made) - len(set(made)) <= outcome.kills * 16
        outcome.campaigns += 1
        outcome.evaluations += len(known)
        outcome.made += len(made)
    return outcome


def _load() -> None:
    """Import what the children need, but start no thread: a fork would inherit its locks without it."""
    for name in ("numba", "qiskit.transpiler", "qiskit.circuit.library", "qiskit.primitives", "scipy.optimize"):
        import_module(name)
    for name in ("qalgs.nest.study", "qalgs.backends.noisy", "qalgs.backends.devices", "qiskit_aer.noise"):
        import_module(name)
    import_module("qiskit_ibm_runtime.fake_provider")


def _run(build: Any, path: Path, log: Path) -> None:
    """Train to the last evaluation; what is computed from the ledger afterwards is not at stake here."""
    campaign = build(path, lambda inner: Witness(inner, log))
    left = sum(settled.cycles for settled in campaign.settled)
    for event in campaign.iter_run():
        left -= isinstance(event, CycleFinished)
        if not left:
            return


def _child(work: Callable[[], None], wait: float | None) -> bool:
    """Run ``work`` in a process of its own; kill it after ``wait`` seconds; return whether it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the campaign failed"
    return False


def _recorded(path: Path) -> set[Key]:
    if not path.exists() or path.stat().st_size == 0:
        return set()
    with Ledger(path) as ledger:
        return {(e.job, e.cycle, e.evaluation) for c in ledger.campaigns() for e in ledger.evaluations(c)}


def _made(log: Path) -> list[Key]:
    if not log.exists():
        return []
    return [(job, cycle, index) for job, cycle, index in map(json.loads, log.read_text().splitlines())]


def local(path: Path, wrap: Callable[[Executor], Executor]) -> Campaign:
    """Two jobs on the compact simulators."""
    from qiskit.circuit.library import efficient_su2
    from qiskit.quantum_info import SparsePauliOp

    from qalgs.backends import DeviceSnapshot, load_backend
    from qalgs.nest import Job, LocalExecutor, Nest

    snapshot = DeviceSnapshot.from_backend(load_backend("fake_guadalupe"))
    jobs = [
        Job("ising", efficient_su2(2, reps=1), SparsePauliOp(["ZZ", "XI", "IX"], [-1.0, -0.7, -0.7])),
        Job("field", efficient_su2(3, reps=1), SparsePauliOp(["ZZI", "IZZ", "XII", "IIX"], [1.0, 1.0, 0.5, 0.5])),
    ]
    executor = wrap(LocalExecutor(snapshot))
    return Campaign(
        jobs, snapshot, strategy=Nest(), shots=200, evaluations=20, seed=3, ledger=path, executor=executor
    )


def merged(path: Path, wrap: Callable[[Executor], Executor]) -> Campaign:
    """Two jobs in one circuit on an Aer backend, with the population steps of SPSA."""
    from qiskit.circuit.library import efficient_su2
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer import AerSimulator

    from qalgs.backends import load_backend
    from qalgs.nest import BestMapRestarts, Job, MergedExecutor
    from qalgs.optimizers import SPSA

    backend = load_backend("fake_manila")
    jobs = [Job(name, efficient_su2(2, reps=1), SparsePauliOp(["ZZ", "XI"], [-1.0, 0.7])) for name in ("a", "b")]
    return Campaign(
        jobs,
        backend,
        strategy=BestMapRestarts(cycles=2),
        optimizer=SPSA(),
        shots=50,
        evaluations=8,
        seed=3,
        ledger=path,
        executor=wrap(MergedExecutor(AerSimulator.from_backend(backend))),
    )


def main() -> int:
    """Count kills as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=("local", "merged"), default="local")
    options = parser.parse_args()
    build = local if options.executor == "local" else merged
    with tempfile.TemporaryDirectory() as folder:
        found = kill_and_resume(build, Path(folder), options.kills, np.random.default_rng(options.seed))
    print(
        f"{found.kills} kills over {found.campaigns} campaigns: {found.evaluations} evaluations recorded, "
        f"{found.made - found.evaluations} cut short and made again, none lost, none repeated, all ledgers alike"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
