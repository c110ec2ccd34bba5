"""Branch coverage of qalgs, circuits and backends, compiled kernels included: ``python -m tests.coverage_report``.

Coverage cannot see into machine code, so two runs are joined: the whole suite as it is, and the tests of
``INTERPRETED`` with ``NUMBA_DISABLE_JIT=1``, where the kernels are plain Python (``tests/interpreted.py``).
Workers and subprocesses are measured as well (``patch`` in ``pyproject.toml``); files count once, under their real
path, though ``qalgs/circuits`` and ``qalgs/backends`` are links. The exit code is 0 if the share of branches and
the share of lines and branches together both reach ``--fail-under``, 1 if one does not, 2 if a test failed. All
takes about twice as long as the suite.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parents[1]
AREAS = ("circuits", "backends", "qalgs")
INTERPRETED = (
    "tests/backends/test_kernels.py",
    "tests/backends/test_compiler.py",
    "tests/backends/test_observables.py",
    "tests/backends/test_compiled_sampler.py",
    "tests/backends/test_compiler_cache.py",
    "tests/backends/test_noisy_kernels.py",
    "tests/backends/test_noisy.py",
    "tests/backends/test_noisy_sampler.py",
    "tests/backends/test_noisy_trajectories.py",
    "tests/backends/test_kernels_more.py",
    "tests/backends/test_backends_branches.py",
    "tests/max3cut/test_max3cut_kernels.py",
    "tests/max3cut/test_max3cut_kernels_more.py",
    "tests/max3cut/test_max3cut_small.py",
    "tests/qlsp/test_qlsp_angles.py",
    "tests/test_optimizers.py",
    "tests/test_optimizers_more.py",
)
"""Tests that together run every kernel and, but for ``LEFT_OUT``, suit plain Python."""
LEFT_OUT = (
    "tests/backends/test_noisy.py::test_states_equal_aer_on_the_full_device",
    "tests/backends/test_noisy.py::test_bases_with_wide_cones_are_measured_in_parts",
    "tests/backends/test_noisy.py::test_shot_noise_has_the_right_mean_and_variance",
    "tests/backends/test_noisy.py::test_trajectories_agree_with_the_density_matrix",
    "tests/backends/test_noisy_trajectories.py::test_outcomes_follow_the_noisy_distribution",
    "tests/backends/test_noisy_trajectories.py::test_operators_are_drawn_with_their_probabilities",
    "tests/backends/test_noisy_trajectories.py::test_the_sampler_uses_them_for_wide_circuits",
    "tests/backends/test_observables.py::test_apply_and_expectation[12",
    "tests/max3cut/test_max3cut_kernels.py::test_deadline_compresses_the_annealing_schedule",
    "tests/qlsp/test_qlsp_angles.py::test_inverse_phases_reach_the_residual[2001]",
    "tests/test_optimizers.py::test_compiled_steps_are_scipys_steps[",
    "tests/test_optimizers.py::test_compiled_steps_are_scipys_steps_under_noise[16]",
    "tests/test_optimizers.py::test_compiled_steps_are_scipys_steps_on_degenerate_functions[narrow valley]",
    "tests/test_optimizers.py::test_compiled_steps_are_scipys_steps_on_degenerate_functions[valley]",
)
"""Tests that take plain Python too long, or that compare paths which its other rounding changes."""


class Summary(TypedDict):
    """Counts of one file or of several, named as in coverage's JSON report."""

    num_statements: int
    covered_lines: int
    num_branches: int
    covered_branches: int


class Missing(TypedDict):
    """What coverage's JSON report says about one file."""

    summary: Summary
    missing_lines: list[int]
    missing_branches: list[list[int]]


def measure(name: str, tests: Sequence[str], out: Path, workers: int, *, interpreted: bool = False) -> int:
    """Run tests under coverage into ``out/name``; return pytest's exit code."""
    environment = dict(os.environ, COVERAGE_FILE=str(out / name), PYTHONPATH=str(ROOT))
    # A cache of its own, empty, so that what writes machine code runs as well.
    cache = tempfile.TemporaryDirectory()
    environment |= {"NUMBA_DISABLE_JIT": "1"} if interpreted else {"NUMBA_CACHE_DIR": cache.name}
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--timeout=600", "-p", "no:randomly"]
    command += ["--cov", "--cov-report=", *tests]
    if interpreted:
        command += ["-p", "tests.interpreted", *(f"--deselect={test}" for test in LEFT_OUT)]
    start = time.perf_counter()
    with cache:
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    print(f"{name}: {time.perf_counter() - start:.0f} s, exit code {code}", flush=True)
    return code


def combine(out: Path) -> dict[str, Missing]:
    """Join the runs in ``out`` and return what each file lacks, by its path in the repository."""
    environment = dict(os.environ, COVERAGE_FILE=str(out / "combined"))
    parts = sorted(str(p) for p in out.iterdir() if p.name.split(".")[0] in {"native", "interpreted"})
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "-q", "--keep", *parts], cwd=ROOT, env=environment, check=True)
    report = out / "coverage.json"
    subprocess.run([*coverage, "json", "-q", "-o", str(report)], cwd=ROOT, env=environment, check=True)
    found: dict[str, Missing] = json.loads(report.read_text(encoding="utf-8"))["files"]
    return found


def total(files: Sequence[Missing]) -> Summary:
    """Add up the counts of some files."""
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    s, line, b, branch = (sum(f["summary"][name] for f in files) for name in names)  # type: ignore[literal-required]
    return Summary(num_statements=s, covered_lines=line, num_branches=b, covered_branches=branch)


def shares(counts: Summary) -> tuple[float, float]:
    """Percentage of branches, and of lines and branches together, that ran; 100 where there are none."""
    lines, branches = counts["num_statements"], counts["num_branches"]
    both = counts["covered_lines"] + counts["covered_branches"]
    return (
        100.0 * counts["covered_branches"] / branches if branches else 100.0,
        100.0 * both / (lines + branches) if lines + branches else 100.0,
    )


def row(name: str, counts: Summary) -> str:
    """One line of the table."""
    branch, both = shares(counts)
    missed = counts["num_branches"] - counts["covered_branches"]
    lines = counts["num_statements"] - counts["covered_lines"]
    return f"{name:<42}{counts['num_branches']:>9}{missed:>9}{lines:>9}{branch:>10.2f}{both:>10.2f}"


def table(files: dict[str, Missing], *, details: bool) -> str:
    """The modules by missing branches, the worst first, then the areas and the total."""
    lines = [f"{'module':<42}{'branches':>9}{'missing':>9}{'lines':>9}{'branch %':>10}{'both %':>10}"]
    order = sorted(
        files, key=lambda n: (files[n]["summary"]["covered_branches"] - files[n]["summary"]["num_branches"], n)
    )
    for name in order:
        if files[name]["missing_branches"] or files[name]["missing_lines"]:
            lines.append(row(name, total([files[name]])))
            if details:
                arrows = ", ".join(f"{a}->{b if b > 0 else 'exit'}" for a, b in files[name]["missing_branches"])
                lines.append(f"    branches {arrows or '-'}; lines {files[name]['missing_lines'] or '-'}")
    packages = sorted({name.rsplit("/", 1)[0] for name in files})
    lines += [
        "",
        *(row(p + "/", total([f for n, f in files.items() if n.rsplit("/", 1)[0] == p])) for p in packages),
    ]
    lines += [row("total", total(list(files.values())))]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and compare it with the threshold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fail-under", type=float, default=95.0, help="required percentage (default 95)")
    parser.add_argument("--workers", type=int, default=2, help="processes that run tests (default 2)")
    parser.add_argument("--only", choices=("native", "interpreted", "report"), help="repeat one part alone")
    parser.add_argument("--details", action="store_true", help="list missing branches and lines")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "coverage", help="folder of the data files")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    codes = []
    for name, tests in (("native", ()), ("interpreted", INTERPRETED)):
        if options.only in (None, name):
            for old in options.out.glob(f"{name}*"):
                old.unlink()
            codes.append(measure(name, tests, options.out, options.workers, interpreted=name == "interpreted"))
    files = combine(options.out)
    print(table(files, details=options.details))
    unseen = sorted(
        {str(p.resolve().relative_to(ROOT)) for a in AREAS for p in (ROOT / a).rglob("*.py")} - set(files)
    )
    if unseen:
        print("never imported: " + ", ".join(unseen))
    if any(codes):
        return 2
    return int(bool(unseen) or min(shares(total(list(files.values())))) < options.fail_under)


if __name__ == "__main__":
    sys.exit(main())
