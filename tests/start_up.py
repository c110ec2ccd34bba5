"""How long starting takes: ``python -m tests.start_up`` prints the seconds of two commands.

Each is the least of several fresh processes, with the interpreter's own start beside it: elapsed time, and the
processor's, which a busy machine stretches less. An elapsed time above its limit makes the exit code 1. What is
imported is checked by ``tests/packaging/test_start_up.py``; times are not, since they depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

CODE = {
    "python -c pass": ("pass", None),
    "import qalgs": ("import qalgs", 0.3),
    "qalgs --help": ("from qalgs.cli import main; main(['--help'])", 0.5),
}


def seconds(code: str, repeats: int) -> tuple[float, float]:
    """Return the least elapsed and the least processor time of fresh interpreters that run ``code``."""
    elapsed, processor = [], []
    for _ in range(repeats):
        wall, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        elapsed.append(time.perf_counter() - wall)
        processor.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    return min(elapsed), min(processor)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the times beside their limits."""
    parser = argparse.ArgumentParser(prog="python -m tests.start_up", description="Start-up times.")
    parser.add_argument("--repeats", type=int, default=7, help="fresh processes for each line; the least counts")
    repeats = parser.parse_args(argv).repeats
    late = False
    for name, (code, limit) in CODE.items():
        elapsed, processor = seconds(code, repeats)
        late |= limit is not None and elapsed > limit
        line = f"{name:16s}{elapsed:7.3f} s elapsed {processor:7.3f} s of processor"
        print(line + (f"  (limit {limit} s)" if limit is not None else ""))
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
