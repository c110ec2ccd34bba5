"""Bond scans: right curves, any number of workers, resume after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qalgs.circuits import molecule
from qalgs.eigengame import ExcitedStates, ScanPoint, scan
from qalgs.errors import InvalidInputError

SOLVER = ExcitedStates(k=3, seed=4, restarts=2)
LENGTHS = [0.6, 0.735, 1.2]


def test_scan_equals_exact_curves_and_resumes(tmp_path: Path) -> None:
    path = tmp_path / "scan.jsonl"
    seen: list[ScanPoint] = []
    full = scan("H2", LENGTHS, SOLVER, resume=path, block=2, callback=seen.append)
    for point in full.points:
        np.testing.assert_allclose(point.energies, molecule("H2", point.length).energies(3), atol=1e-6)
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    # Killed in the middle of the last line: it is dropped and computed again, identically.
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])
    seen.clear()
    again = scan("H2", LENGTHS, SOLVER, resume=path, block=2, callback=seen.append)
    assert [p.length for p in seen] == [1.2]
    assert again.points == full.points
    assert path.read_text().splitlines() == lines
    full.to_csv(tmp_path / "scan.csv")
    assert (tmp_path / "scan.csv").read_text().startswith("length,E0,E1,E2,error0")
    assert len(full.plot().get_lines()) >= 3


def test_other_scan_in_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scan.jsonl"
    scan("H2", [0.7], SOLVER, resume=path)
    with pytest.raises(InvalidInputError, match="belongs to another scan"):
        scan("HeH+", [0.7], SOLVER, resume=path)
    with pytest.raises(InvalidInputError, match="must be positive bond lengths"):
        scan("H2", [-1.0], SOLVER)


def test_workers_do_not_change_the_curve() -> None:
    one, two = (scan("H2", [0.7, 0.8], SOLVER, block=1, n_jobs=n) for n in (1, 2))
    assert one.points == two.points
