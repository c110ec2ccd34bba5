"""Damaged jobs files: what ``qalgs nest`` cannot run it refuses in one line, before anything is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Refused, budget, damaged, outcome, scrambled, toml
from hypothesis import example, given
from hypothesis import strategies as st

from qalgs.cli import main
from qalgs.cli.jobsfile import JobsFile, load_jobs
from qalgs.nest import Campaign

HEAD: dict[str, Any] = {
    "device": {"name": "fake_manila", "buffer": 0, "crosstalk": {"factor": 2.0, "hops": 1}, "executor": "local"},
    "campaign": {
        "seed": 3,
        "shots": 16,
        "cycles": 2,
        "evals_per_cycle": 4,
        "strategy": "Nest",
        "optimizer": "cobyla",
    },
    "schedule": {"kind": "linear", "esp_min": "0.5*best", "esp_max": "best"},
    "walk": {"move": "any", "tolerance": 0.05, "on_fail": "jump"},
    "convergence": {"window": 100, "tolerance": 0.04, "least": 1, "stop": False},
    "rates": {"price": 1.6, "currency": "USD"},
}
JOBS: list[dict[str, Any]] = [
    {
        "id": "chain",
        "kind": "vqe",
        "hamiltonian": {"model": "xxz", "n": 2, "j": 1.0, "delta": 0.5},
        "ansatz": {"name": "hardware_efficient", "reps": 1, "rotations": ["ry"]},
        "optimizer": {"kind": "SPSA", "learning_rate": 0.1},
    },
    {
        "id": "terms",
        "kind": "vqe",
        "hamiltonian": {"ZZ": 1.0, "XI": 0.5},
        "reps": 1,
        "start": [0.1, 0.2, 0.3, 0.4],
    },
    {"id": "edge", "kind": "maxcut", "graph": [[0, 1, 0.5]], "reps": 1, "strategy": "BestMap", "cycles": 2},
    {"id": "named", "kind": "maxcut", "graph": "path:2"},
    {"id": "three", "kind": "max3cut", "graph": [[0, 1]], "encoding": "binary", "reps": 1},
    {"id": "level", "kind": "eigengame", "hamiltonian": {"ZZ": 1.0, "XI": 0.5, "IX": 0.4}, "player": 0},
    {"id": "rod", "kind": "linear_system", "system": "poisson:4", "reps": 1},
    {"id": "own", "kind": "qasm3", "file": "ansatz.qasm", "hamiltonian": {"Z": 1.0}},
]
QASM = "OPENQASM 3.0;\ninput float a;\nqubit[1] q;\nU(a, 0, 0) q[0];\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("jobs")
    (made / "ansatz.qasm").write_text(QASM)
    return made


def build(path: Path) -> tuple[JobsFile, Campaign]:
    file = load_jobs(path)
    campaign = file.campaign(fast=True)
    campaign.steps  # noqa: B018  what cannot be placed is refused here
    return file, campaign


def judge(folder: Path, content: bytes) -> Any:
    path = folder / "jobs.toml"
    path.write_bytes(content)
    before = sorted(folder.iterdir())
    found = outcome(lambda: build(path))
    assert sorted(folder.iterdir()) == before
    if not isinstance(found, Refused):
        file, campaign = found
        assert [job.name for job in campaign.jobs] == [model.id for model in file.models]
    return found


def one(job: dict[str, Any], **tables: Any) -> bytes:
    return toml({**HEAD, **tables, "job": [job]}).encode()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job["id"])
def test_every_job_is_accepted_before_it_is_damaged(folder: Path, job: dict[str, Any]) -> None:
    assert not isinstance(judge(folder, one(job)), Refused)


trees = st.lists(st.sampled_from(JOBS), min_size=1, max_size=2).map(lambda jobs: {**HEAD, "job": jobs})


@given(tree=damaged(trees))
@example(tree=HEAD | {"job": [JOBS[0] | {"ansatz": {"reps": 10**9}}]})
@example(tree=HEAD | {"job": [JOBS[2] | {"reps": 10**9}]})
@example(tree=HEAD | {"job": [JOBS[4] | {"reps": 10**9}]})
@example(tree=HEAD | {"job": [JOBS[0] | {"cycles": 10**9}]})
@example(tree=HEAD | {"schedule": {"cycles": 10**9}, "job": [JOBS[3]]})
@example(tree=HEAD | {"job": [JOBS[6] | {"system": "poisson:" + "9" * 30}]})
@example(tree=HEAD | {"job": [JOBS[6] | {"system": "poisson:1000000000"}]})
@example(tree=HEAD | {"job": [JOBS[1] | {"hamiltonian": {"Z" * 300: 1.0}}]})
@example(tree=HEAD | {"job": [JOBS[5] | {"hamiltonian": {"model": "tfim", "n": 64}}]})
@example(tree=HEAD | {"job": [JOBS[3] | {"graph": "regular:3:200:1"}]})
@example(tree=HEAD | {"job": [JOBS[3] | {"graph": "complete:60"}]})
@example(tree=HEAD | {"job": [JOBS[2] | {"graph": [[0, 10**30]]}]})
@example(tree=HEAD | {"job": [JOBS[7] | {"file": "\x00"}]})
@budget(0.9)
def test_damaged_keys_and_values(folder: Path, tree: dict[str, Any]) -> None:
    judge(folder, toml(tree).encode())


@given(content=scrambled(trees.map(toml)))
@example(content=b"device = " + b"[" * 5000)
@example(content=b"device = " + b"{a=" * 5000)
@budget(0.9)
def test_damaged_bytes(folder: Path, content: bytes) -> None:
    judge(folder, content)


@given(tree=damaged(trees))
@budget(0.03)
def test_command(folder: Path, capsys: pytest.CaptureFixture[str], tree: dict[str, Any]) -> None:
    path, out = folder / "run.toml", folder / "out"
    path.write_text(toml(tree), encoding="utf-8")
    # What a file without rules for it would take: the tests above judge the files, this one the way out.
    for arguments in (
        ["schedule", path],
        ["plan", path, "--out", out],
        ["run", path, "--fast", "--out", out, "-q"],
    ):
        plots = [] if arguments[0] == "schedule" else ["--plots", "none"]
        code = main(["nest", *map(str, arguments), *plots, "--json"])
        shown = capsys.readouterr()
        assert code in (0, 2)
        if code == 2:
            assert len(shown.err.splitlines()) == 1
            assert shown.err.startswith("error: ")
            assert not shown.out
            assert not out.exists()
        else:
            assert json.loads(shown.out)
            shutil.rmtree(out, ignore_errors=True)
