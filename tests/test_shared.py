"""Errors, seeds, results and parallel work."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qalgs import errors, parallel, results, seeds


def test_message_is_one_line_with_name_rule_value_and_remedy() -> None:
    text = errors.message("k", "a\nb" * 100, "must be short", "cut it")
    assert text.startswith("k must be short, got 'a")
    assert text.endswith("...; cut it")
    assert "\n" not in text
    assert errors.message("k", 1, "must be 2") == "k must be 2, got 1"


@pytest.mark.parametrize("kind", [errors.InvalidInputError, errors.InfeasibleError, errors.SingularSystemError])
def test_bad_arguments_are_value_errors_too(kind: type[errors.QalgsError]) -> None:
    assert issubclass(kind, ValueError)
    assert issubclass(kind, errors.QalgsError)


def test_convergence_error_keeps_the_partial_result() -> None:
    assert errors.ConvergenceError("no", result=[1]).result == [1]


@pytest.mark.parametrize("bad", [True, 1.5, "7"])
def test_seed_type_is_checked(bad: object) -> None:
    with pytest.raises(TypeError, match="seed must be an int"):
        seeds.as_generator(bad)  # type: ignore[arg-type]


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative, got -1"):
        seeds.as_generator(-1)


def test_generators_pass_through_and_children_differ() -> None:
    rng = np.random.default_rng(3)
    assert seeds.as_generator(rng) is rng
    a, b = seeds.spawn(3, 2)
    assert not np.array_equal(a.random(4), b.random(4))
    c, _ = seeds.spawn(3, 2)
    assert np.array_equal(seeds.spawn(3, 1)[0].random(4), c.random(4))


def test_keyed_streams_depend_on_the_key_alone() -> None:
    first = seeds.keyed(5, "job", 1).random(3)
    seeds.keyed(5, "other").random(100)
    assert np.array_equal(first, seeds.keyed(5, "job", 1).random(3))
    others = [
        seeds.keyed(5, "job", 2),
        seeds.keyed(6, "job", 1),
        seeds.keyed(5, "job", "1"),
        seeds.keyed(5, "jo", "b1"),
    ]
    assert all(not np.array_equal(first, g.random(3)) for g in others)


def test_root_seed_reproduces() -> None:
    assert seeds.root_seed(9) == 9
    assert seeds.root_seed(np.random.default_rng(1)) == seeds.root_seed(np.random.default_rng(1))
    assert seeds.root_seed(None) != seeds.root_seed(None)


def test_simulator_seed_is_never_zero(rng: np.random.Generator) -> None:
    drawn = [seeds.simulator_seed(rng) for _ in range(1000)]
    assert min(drawn) >= 1
    assert len(set(drawn)) == 1000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demo(results.Result):
    energies: np.ndarray
    state: np.ndarray
    status: results.Status
    gap: float
    label: str = "<b>"
    hidden: object = dataclasses.field(default=None, repr=False)


def demo() -> Demo:
    return Demo(
        energies=np.array([1.0, np.inf]),
        state=np.array([1j]),
        status=results.Status.BUDGET,
        gap=float("nan"),
        hidden=object(),
    )


def test_result_round_trips_through_strict_json() -> None:
    back = json.loads(demo().to_json())
    assert back == {
        "energies": [1.0, None],
        "state": {"re": [0.0], "im": [1.0]},
        "status": "BUDGET",
        "gap": None,
        "label": "<b>",
    }


def test_notebook_view_escapes() -> None:
    assert "&lt;b&gt;" in demo()._repr_html_()
    assert "<b>" not in demo()._repr_html_()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inner(results.Result):
    value: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outer(results.Result):
    energy: float
    small: np.ndarray
    large: np.ndarray
    parts: tuple[Inner, ...]
    shares: dict[str, float]
    status: results.Status
    note: str
    versions: dict[str, str]
    hidden: np.ndarray = dataclasses.field(repr=False)

    def _rows(self) -> list[dict[str, object]]:
        return [{"part": i, "value": part.value} for i, part in enumerate(self.parts)]


def test_printing_a_result_shows_values_and_a_table_not_arrays() -> None:
    outer = Outer(
        energy=-1.1372838344885,
        small=np.array([1.0, 2.5]),
        large=np.zeros((3, 400)),
        parts=(Inner(value=1.0), Inner(value=np.pi)),
        shares={"a": 0.5},
        status=results.Status.BUDGET,
        note="x" * 500,
        versions={"qiskit": "2"},
        hidden=np.zeros(3),
    )
    lines = str(outer).splitlines()
    assert lines[0] == "Outer"
    shown = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines[1:8]}
    assert shown["energy"] == "-1.1372838"
    assert shown["small"] == "[1, 2.5]"
    assert shown["large"] == "array of shape (3, 400)"
    assert shown["parts"] == "2 x Inner"
    assert shown["shares"] == "a: 0.5"
    assert shown["status"].startswith("stopped at the evaluation budget")
    assert len(shown["note"]) == 120
    assert [line.split() for line in lines[8:]] == [["part", "value"], ["0", "1"], ["1", "3.1415927"]]
    html = outer._repr_html_()
    assert "3.1415927" in html
    assert "hidden" not in html + str(outer)
    assert "versions" not in html + str(outer)


def test_status_reads_as_a_sentence() -> None:
    assert results.Status.CONVERGED.ok
    assert not results.Status.BUDGET.ok
    assert "budget" in str(results.Status.BUDGET)


def test_jsonable_covers_numpy_scalars() -> None:
    assert results.jsonable({1: (np.int64(2), np.float32(0.5), np.bool_(True), 1 + 2j, {3})}) == {
        "1": [2, 0.5, True, {"re": 1.0, "im": 2.0}, [3]]
    }


def test_versions_name_what_computes() -> None:
    assert {"qalgs", "qiskit", "numpy"} <= results.versions().keys()
    assert results.versions()["qiskit"].startswith("2.")


def test_atomic_write_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    results.write_atomic(target, "old")
    results.write_atomic(target, b"new")
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_atomic_write_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.json"
    results.write_atomic(target, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(errors.InvalidInputError, match="No space left"):
        results.write_atomic(target, "new")
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_atomic_write_names_the_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInputError, match=r"cannot write .*No such file"):
        results.write_atomic(tmp_path / "no" / "a", "x")


def draw(index: int) -> float:
    return float(seeds.keyed(7, index).random())


@pytest.mark.parametrize(("n_jobs", "backend"), [(2, "loky"), (2, "threading"), (-1, None), (1, None)])
def test_any_number_of_workers_gives_the_same_numbers(n_jobs: int, backend: str | None) -> None:
    seen: list[int] = []
    values = parallel.run_all(draw, range(6), n_jobs=n_jobs, backend=backend, callback=lambda i, _: seen.append(i))
    assert values == [draw(i) for i in range(6)]
    assert seen == list(range(6))


def test_results_arrive_as_a_stream() -> None:
    stream = parallel.run_iter(draw, range(1000), n_jobs=1)
    assert next(stream) == draw(0)


def test_worker_count_is_checked() -> None:
    assert parallel.resolve_jobs(None) == parallel.resolve_jobs(0) == 1
    assert parallel.resolve_jobs(-1) == (os.cpu_count() or 1)
    with pytest.raises(TypeError, match="n_jobs must be an int"):
        parallel.resolve_jobs("2")  # type: ignore[arg-type]


DROPPED = """
import signal, sys, time, weakref
from qalgs.interrupts import deliver_interrupts

# A shell's background jobs start with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Owner:
    pass

owner = Owner()
watch = weakref.ref(owner, lambda _: signal.raise_signal(signal.SIGINT))
failing = Owner()
other = weakref.ref(failing, lambda _: 1 / 0)
try:
    with deliver_interrupts():
        del failing
        del owner
        print("not raised where it was dropped", flush=True)
        time.sleep(30)
except KeyboardInterrupt:
    print("raised", sys.unraisablehook is sys.__unraisablehook__)
"""


def test_an_interrupt_in_a_weak_reference_is_delivered() -> None:
    run = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=25, check=True)
    assert run.stdout.splitlines() == ["not raised where it was dropped", "raised True"]
    # Other exceptions are reported as ever, and the interrupt is not.
    assert "ZeroDivisionError" in run.stderr
    assert "KeyboardInterrupt" not in run.stderr
