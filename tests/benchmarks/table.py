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
    """Return (work, peer, our seconds, ratio, required) of every comparison in the records.

    A record compares in one of three ways: it holds paired seconds by name, ``qalgs`` among them; it holds a
    finished ``ratio``; or it belongs to a group of records whose ``peer`` says whose time it is.
    """
    table = []
    groups: dict[str, dict[str, tuple[float, object]]] = {}
    for record in records:
        extra, stats, name = record["extra_info"], record["stats"], str(record["name"]).removeprefix("test_")
        assert isinstance(extra, dict)
        assert isinstance(stats, dict)
        work = name.replace("_", " ")
        if "qalgs" in extra:
            ours = float(extra["qalgs"])
            table += [(work, p, ours, float(t) / ours, "") for p, t in extra.items() if p != "qalgs"]
        elif "peer" in extra:
            entry = (float(stats["median"]), extra.get("target"))
            groups.setdefault(str(record["group"]), {})[str(extra["peer"])] = entry
        elif "ratio" in extra:
            table.append(
                (work, "", float(extra["ours"] if "ours" in extra else stats["median"]), float(extra["ratio"]), "")
            )
    for group, entries in groups.items():
        ours, required = entries.pop("qalgs", (float("nan"), None))
        for peer, (median, _) in entries.items():
            wanted = required.get(peer) if isinstance(required, dict) else required
            table.append((group, peer, ours, median / ours, f"{wanted}×" if wanted else ""))
    return [row for row in table if row[3] == row[3]]


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
