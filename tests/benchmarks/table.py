"""Print the table of speed ratios: ``python -m tests.benchmarks.table [bench files]``.

Runs the benchmarks with their peers in one process per file and prints one Markdown row per (work, peer): ratio
of the medians, what is required, and the machine and versions that it holds for.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def measure(files: list[Path]) -> list[dict[str, object]]:
    """Run the files under pytest-benchmark and return its records."""
    records: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            target = Path(folder) / f"{file.stem}.json"
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                str(file),
                f"--benchmark-json={target}",
                "--timeout=1800",
            ]
            done = subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.DEVNULL, check=False)
            if done.returncode not in (0, 5) or not target.exists():
                print(f"{file.name}: pytest ended with {done.returncode}", file=sys.stderr)
            if target.exists():
                records += json.loads(target.read_text())["benchmarks"]
    return records


def rows(records: list[dict[str, object]]) -> list[tuple[str, str, float, float, str]]:
    """Return (work, peer, our median in s, ratio, required) for each peer that has a partner of ours."""
    groups: dict[str, dict[str, tuple[float, object]]] = {}
    for record in records:
        extra, stats = record["extra_info"], record["stats"]
        assert isinstance(extra, dict)
        assert isinstance(stats, dict)
        groups.setdefault(str(record["group"]), {})[str(extra.get("peer", record["name"]))] = (
            float(stats["median"]),
            extra.get("target"),
        )
    table = []
    for group, entries in groups.items():
        if "qalgs" not in entries:
            continue
        ours, required = entries.pop("qalgs")
        for peer, (median, own) in entries.items():
            wanted = required.get(peer) if isinstance(required, dict) else (own or required)
            table.append((group, peer, ours, median / ours, f"{wanted}×" if wanted else ""))
    return table


def main() -> None:
    """Measure the files named on the command line (all by default) and print the table."""
    chosen = [Path(a) for a in sys.argv[1:]] or sorted(HERE.glob("bench_*.py"))
    from qalgs.results import versions

    print("| work | peer | ours | times faster | required |\n|---|---|---|---|---|")
    for group, peer, ours, ratio, required in rows(measure(chosen)):
        print(f"| {group} | {peer} | {ours * 1e3:.3g} ms | {ratio:.3g}× | {required} |")
    known = ", ".join(f"{k} {v}" for k, v in versions().items())
    print(f"\nPython {platform.python_version()} on {platform.machine()}, {known}.")


if __name__ == "__main__":
    main()
