"""Whatever breaks under a campaign ends in one clear line, and the campaign goes on to the same result."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qalgs.cli import main
from qalgs.errors import ExecutionError, LedgerError, QalgsError
from qalgs.nest import BestMapRestarts, Campaign, Job, Ledger, LocalExecutor, MergedExecutor
from qalgs.nest.events import CycleFinished
from qalgs.nest.executor import Executor
from qalgs.nest.salvage import salvage
from qalgs.nest.sampling import AerSampling
from qalgs.nest.submission import Retry

HAMILTONIAN = SparsePauliOp(["ZZ", "XI"], [-1.0, 0.7])


@cache
def snapshot() -> Any:
    from qalgs.backends import DeviceSnapshot, load_backend

    return DeviceSnapshot.from_backend(load_backend("fake_manila"))


@cache
def aer() -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator.from_backend(snapshot().backend())


def campaign(ledger: Ledger | Path, executor: Executor, **options: Any) -> Campaign:
    from qalgs.optimizers import SPSA

    settings: dict[str, Any] = {"shots": 50, "evaluations": 4, "optimizer": SPSA(), "seed": 3, **options}
    made = [Job(name, efficient_su2(2, reps=1), HAMILTONIAN) for name in ("a", "b", "c")[: settings.pop("n", 2)]]
    strategy = BestMapRestarts(cycles=settings.pop("cycles", 2))
    return Campaign(made, snapshot(), strategy=strategy, ledger=ledger, executor=executor, **settings)


def train(ledger: Ledger | Path, executor: Executor, **options: Any) -> None:
    """Run to the last evaluation; what is computed from the ledger afterwards is not at stake here."""
    made = campaign(ledger, executor, **options)
    left = sum(settled.cycles for settled in made.settled)
    with closing(made.iter_run()) as events:  # type: ignore[type-var]
        for event in events:
            left -= isinstance(event, CycleFinished)
            if not left:
                return


@cache
def undisturbed() -> str:
    with Ledger() as ledger:
        train(ledger, MergedExecutor(aer()))
        return ledger.digest()


class Clock:
    """Time that passes when somebody waits for it."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def one_line(error: QalgsError) -> str:
    text = str(error)
    assert "\n" not in text
    assert "resume" in text
    return text


def test_submission_errors_end_in_a_clear_line_and_the_run_resumes() -> None:
    def down(moment: str, step: str, attempt: int) -> None:
        if moment == "submit" and step == "1/0":
            raise ConnectionError("[Errno 111] connection refused")

    with Ledger() as ledger:
        broken = MergedExecutor(aer(), retry=Retry(attempts=3), clock=Clock(), faults=down)
        with pytest.raises(ExecutionError) as caught:
            train(ledger, broken)
        assert "step 1/0 failed 3 times, at last with ConnectionError: [Errno 111]" in one_line(caught.value)
        (identity,) = ledger.campaigns()
        assert ledger.count(identity) == 2 * 4
        train(ledger, MergedExecutor(aer()))
        assert ledger.digest() == undisturbed()
        assert ledger.count(identity) == 2 * 2 * 4
        failed = [row for row in ledger.submissions(identity) if row[2] == "failed"]
        assert [(step, attempt) for step, attempt, *_ in failed] == [("1/0", 0), ("1/0", 1), ("1/0", 2)]


def test_time_outs_end_in_a_clear_line_and_the_run_resumes() -> None:
    class Endless:
        """A job that never ends."""

        def job_id(self) -> str:
            return "endless"

        def in_final_state(self) -> bool:
            return False

        def result(self) -> Any:
            raise AssertionError("there is none")

        def cancel(self) -> None:
            pass

    class Hanging(AerSampling):
        """All steps but the first get stuck."""

        steps = 0

        def send(self, merged: Any, shots: int, seeds: Any, tag: str) -> Any:
            self.steps += 1
            return super().send(merged, shots, seeds, tag) if self.steps == 1 else Endless()

    with Ledger() as ledger:
        retry = Retry(attempts=2, timeout=60.0)
        stuck = MergedExecutor(aer(), retry=retry, clock=Clock(), sampling=Hanging(aer()))
        with pytest.raises(ExecutionError) as caught:
            train(ledger, stuck)
        assert "failed 2 times, at last with a time-out after 60 s" in one_line(caught.value)
        train(ledger, MergedExecutor(aer()))
        assert ledger.digest() == undisturbed()


def test_a_full_disk_ends_in_a_clear_line_and_the_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(LedgerError) as caught:
            train(ledger, LocalExecutor(snapshot()), evaluations=60)
        assert "database or disk is full; free some space" in one_line(caught.value)
        (identity,) = ledger.campaigns()
        recorded = [(e.job, e.cycle, e.evaluation) for e in ledger.evaluations(identity)]
    with Ledger(path) as ledger:
        train(ledger, LocalExecutor(snapshot()), evaluations=60)
        made = [(e.job, e.cycle, e.evaluation) for e in ledger.evaluations(identity)]
        assert 0 < len(recorded) < len(made) == len(set(made)) == 2 * 2 * 60
        assert set(recorded) <= set(made)
        resumed = ledger.digest()
    with Ledger() as whole:
        train(whole, LocalExecutor(snapshot()), evaluations=60)
        assert whole.digest() == resumed


JOBS = """
[device]
name = "fake_manila"
[campaign]
seed = 3
shots = 50
evals_per_cycle = 60
[schedule]
cycles = 2
[[job]]
id = "tfim"
kind = "vqe"
hamiltonian = { model = "tfim", n = 2, j = 1.0, h = 1.0 }
ansatz = "hardware_efficient"
reps = 1
"""

LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
from qalgs.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_survives_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    file, out = tmp_path / "jobs.toml", tmp_path / "out"
    file.write_text(JOBS)
    command = ["nest", "run", str(file), "--out", str(out), "--plots", "none", "--quiet"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *command],
        capture_output=True, text=True, timeout=100, check=False, env=unmeasured,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("error:")]
    assert "resume" in line
    assert main(["nest", "resume", str(out), "--plots", "none", "--quiet"]) == 0
    assert main(["nest", "run", str(file), "--out", str(tmp_path / "whole"), "--plots", "none", "--quiet"]) == 0
    with Ledger(out / "ledger.sqlite") as one, Ledger(tmp_path / "whole" / "ledger.sqlite") as two:
        assert one.digest() == two.digest()


@cache
def recorded(folder: Path) -> Path:
    """A finished ledger of many pages, all of it in the main file."""
    path = folder / "finished.sqlite"
    with Ledger(path) as ledger:
        train(ledger, LocalExecutor(snapshot()), evaluations=100, shots=0, cycles=2)
        ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def damage(path: Path, pages: Callable[[int], list[int]]) -> None:
    size = 4096
    noise = random.Random(5)
    with path.open("r+b") as file:
        count = os.fstat(file.fileno()).st_size // size
        for page in pages(count):
            file.seek((page - 1) * size)
            file.write(noise.randbytes(size))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledgers")


@pytest.mark.parametrize("where", [0.5, 0.7, 0.95])
def test_a_corrupted_page_is_reported_salvaged_and_resumed_to_the_same_end(
    workplace: Path, tmp_path: Path, where: float
) -> None:
    source = recorded(workplace)
    with Ledger(source) as ledger:
        expected = ledger.digest()
        (identity,) = ledger.campaigns()
        whole = {(e.job, e.cycle, e.evaluation): e.value for e in ledger.evaluations(identity)}
    path = tmp_path / "ledger.sqlite"
    shutil.copy(source, path)
    damage(path, lambda count: [max(12, int(where * count))])
    with pytest.raises(LedgerError) as caught:
        train(path, LocalExecutor(snapshot()), evaluations=100, shots=0)
    assert f"keep what can be read with 'qalgs nest salvage {tmp_path}', then resume" in one_line(caught.value)
    found = salvage(path)
    assert not found.whole
    assert Path(str(found.damaged)).is_file()
    with Ledger(path) as ledger:
        kept = {(e.job, e.cycle, e.evaluation): e.value for e in ledger.evaluations(identity)}
    assert 0 < len(kept) == found.kept < len(whole)
    assert kept.items() <= whole.items()
    for job in ("a", "b"):
        mine = sorted(key for key in kept if key[0] == job)
        assert mine == sorted(key for key in whole if key[0] == job)[: len(mine)]
    train(path, LocalExecutor(snapshot()), evaluations=100, shots=0)
    with Ledger(path) as ledger:
        assert ledger.digest() == expected


def test_salvage_leaves_a_whole_ledger_alone_and_refuses_a_hopeless_one(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.sqlite"
    shutil.copy(recorded(workplace), path)
    before = path.read_bytes()
    assert main(["nest", "salvage", str(tmp_path)]) == 0
    assert "is whole: 400 evaluations; nothing was changed" in capsys.readouterr().out
    assert path.read_bytes() == before
    damage(path, lambda count: [1])
    assert main(["nest", "salvage", str(tmp_path)]) == 2
    assert "nothing can be read of ledger" in capsys.readouterr().err
    assert path.exists()
    assert main(["nest", "salvage", str(tmp_path / "absent")]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_kills_lose_and_repeat_nothing() -> None:
    """Five kills in a process of its own (it forks, and this one may have threads); see kills.py for a hundred."""
    script = Path(__file__).with_name("kills.py")
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "5"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 kills over ")
    assert "none lost, none repeated, all ledgers alike" in done.stdout
