"""Chunks: the same numbers in any backend, from a checkpoint, and after a Dask worker was killed."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qalgs.errors import InvalidInputError
from qalgs.max3cut import gnm, max3cut
from qalgs.max3cut.engine import ArcsTask, CirclesTask, Found, run_chunks
from qalgs.max3cut.problem import as_problem


def arcs_task(n: int = 24, chunks: int = 8) -> ArcsTask:
    rng = np.random.default_rng(3)
    factor = rng.standard_normal((n, 2)) + 1j * rng.standard_normal((n, 2))
    return ArcsTask(factor, factor, chunks, 3, 2)


def circles_task() -> CirclesTask:
    rng = np.random.default_rng(3)
    return CirclesTask(as_problem(gnm(40, 150, seed=1)), rng.standard_normal((40, 3)), 7)


def signature(found: list[Found]) -> list[tuple[Any, ...]]:
    return [(f.index, f.values.tobytes(), f.patterns.tobytes(), f.visited, f.ties) for f in found]


@pytest.mark.parametrize("make", [arcs_task, circles_task])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_two_workers_equal_one(make: Any, backend: str) -> None:
    task = pickle.loads(pickle.dumps(make()))
    assert task.key() == make().key()
    one = signature(list(run_chunks(make(), range(8))))
    assert signature(list(run_chunks(task, range(8), n_jobs=2, backend=backend))) == one


def test_chunks_cover_all_pairs() -> None:
    whole = next(iter(run_chunks(arcs_task(chunks=1), [0])))
    parts = list(run_chunks(arcs_task(), range(8)))
    assert sum(p.visited for p in parts) == whole.visited
    assert max(p.values[0] for p in parts) == whole.values[0]


@pytest.mark.parametrize("make", [arcs_task, circles_task])
def test_checkpoint_resumes_with_the_same_numbers(make: Any, tmp_path: Path) -> None:
    task, path = make(), tmp_path / "run.jsonl"
    expected = signature(list(run_chunks(task, range(8))))
    partly = run_chunks(task, range(8), checkpoint=path)
    for _ in range(3):
        next(partly)
    partly.close()  # type: ignore[attr-defined]
    # A kill in the middle of a write leaves half a line.
    with path.open("a") as stream:
        stream.write('{"index": 3, "val')
    assert signature(list(run_chunks(task, range(8), checkpoint=path))) == expected
    assert len(path.read_text().splitlines()) == 9
    assert signature(list(run_chunks(_Refuses(task.key()), range(8), checkpoint=path))) == expected
    with pytest.raises(InvalidInputError, match="belongs to another run"):
        list(run_chunks(_Refuses("other"), range(8), checkpoint=path))
    path.write_text("nonsense\n")
    with pytest.raises(InvalidInputError, match="not readable"):
        list(run_chunks(task, range(8), checkpoint=path))


class _Refuses:
    """A task that must not be called: all its chunks are saved."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, index: int) -> Found:
        raise AssertionError(f"chunk {index} was computed again")

    def key(self) -> str:
        return self._key


def test_solver_with_checkpoint(tmp_path: Path) -> None:
    graph = gnm(30, 90, seed=2)
    options: dict[str, Any] = {"method": "circles", "rank": 3, "circles": 32, "seed": 5}
    plain = max3cut(graph, **options)
    for _ in range(2):
        saved = max3cut(graph, checkpoint=tmp_path / "c", **options)
        assert saved.partition == plain.partition


class Slow:
    """A chunk that says which process works on it and takes long enough to be killed."""

    def __init__(self, folder: str) -> None:
        self.folder, self.inner = folder, arcs_task()

    def __call__(self, index: int) -> Found:
        (Path(self.folder) / f"{os.getpid()}-{index}").touch()
        time.sleep(0.25)
        return self.inner(index)

    def key(self) -> str:
        return "slow"


def test_dask_with_a_worker_killed_mid_run(tmp_path: Path) -> None:
    import distributed

    expected = signature(list(run_chunks(arcs_task(), range(8))))
    killed: list[int] = []

    def kill_one() -> None:
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            started = [p.name.split("-") for p in tmp_path.iterdir()]
            if len(started) >= 2:
                victim = int(started[0][0])
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)
                return
            time.sleep(0.02)

    cluster_type: Any = distributed.LocalCluster
    with cluster_type(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        watcher = threading.Thread(target=kill_one)
        watcher.start()
        found = list(run_chunks(Slow(str(tmp_path)), range(8), backend=cluster.scheduler_address))
        watcher.join()
    assert killed
    assert signature(found) == expected
    attempts = [p.name.split("-")[1] for p in tmp_path.iterdir()]
    assert len(attempts) > 8
