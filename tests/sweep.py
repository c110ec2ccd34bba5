"""Run tests under many seeds and report how often each fails: ``python -m tests.sweep --seeds 20 PATHS``.

A statistical test with a bound of z standard errors may fail by chance; one that was tuned to its seed fails far
more often than its bound says. Every seed of 0..seeds-1 goes to the ``--seed`` option of ``tests/conftest.py``,
which is mixed into the generator of each test; only tests with such a generator are run. The exit code is 0 if no
test fails more often than ``--allowed`` (5 z tests should never do), 1 if one does, 2 if pytest could not run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Failures by test over all seeds.

    Attributes:
        seeds: The seeds.
        runs: How often each test ran.
        failures: The seeds under which each test failed, for those that ever did.
    """

    seeds: tuple[int, ...]
    runs: dict[str, int]
    failures: dict[str, list[int]]

    @property
    def rates(self) -> dict[str, float]:
        """Share of failed runs by test, the worst first."""
        found = {name: len(seeds) / self.runs[name] for name, seeds in self.failures.items()}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def overall(self) -> float:
        """Share of failed runs over all tests."""
        return sum(map(len, self.failures.values())) / max(1, sum(self.runs.values()))


def read_report(path: Path) -> dict[str, bool]:
    """Return whether each test of a JUnit report passed; tests that were not run are left out."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        outcomes = {child.tag for child in case}
        if "skipped" not in outcomes:
            found[f"{case.get('classname')}::{case.get('name')}"] = not outcomes & {"failure", "error"}
    return found


def sweep(paths: Sequence[str], seeds: int, extra: Sequence[str] = ()) -> Sweep:
    """Run the tests in ``paths`` under the seeds 0..seeds-1, one process per seed.

    Raises:
        RuntimeError: If pytest could not collect or run them.
    """
    runs: Counter[str] = Counter()
    failures: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        for seed in range(seeds):
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--seeded",
                "--seed",
                str(seed),
                f"--junitxml={report}",
            ]
            done = subprocess.run(
                [*command, *extra, *paths], cwd=ROOT, capture_output=True, text=True, check=False
            )
            if done.returncode not in (0, 1):
                raise RuntimeError(
                    f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-2000:]}"
                )
            for name, passed in read_report(report).items():
                runs[name] += 1
                if not passed:
                    failures.setdefault(name, []).append(seed)
            failed = sorted(name for name, where in failures.items() if seed in where)
            print(f"seed {seed}: {len(failed)} failed {' '.join(failed)}".rstrip(), file=sys.stderr, flush=True)
    return Sweep(seeds=tuple(range(seeds)), runs=dict(runs), failures=failures)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, sweep, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep", description="False-alarm rates over seeds.")
    parser.add_argument("paths", nargs="*", default=["tests"], metavar="PATHS", help="files, folders or test ids")
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds, from 0 on")
    parser.add_argument(
        "--allowed", type=float, default=0.0, help="highest rate of failures of a test that is fine"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--workers", type=int, default=1, help="processes that run tests (default 1)")
    parser.add_argument("-k", default="", help="pytest's own selection by name")
    options = parser.parse_args(argv)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {options.seeds}")
    try:
        extra = ["-n", str(options.workers)] if options.workers > 1 else []
        found = sweep(options.paths, options.seeds, [*extra, *(["-k", options.k] if options.k else [])])
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        record = {"seeds": len(found.seeds), "tests": len(found.runs), "overall": found.overall}
        print(json.dumps(record | {"rates": found.rates, "failures": found.failures}, indent=2))
    else:
        print(f"{len(found.runs)} tests under {len(found.seeds)} seeds: false-alarm rate {found.overall:.2%}")
        for name, rate in found.rates.items():
            print(f"{rate:7.1%}  {name}  seeds {found.failures[name]}")
    return 1 if any(rate > options.allowed for rate in found.rates.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
