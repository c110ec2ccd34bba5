"""The report is drawn by a real browser, shows what the campaign holds, and lets no name become markup."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_fixture import NASTY, campaign, chip

from qalgs.cli import main
from qalgs.cli.runfolder import write_results
from qalgs.errors import InvalidInputError
from qalgs.nest import CampaignResult, Ledger
from qalgs.nest.chip import Chip
from qalgs.nest.lattice import lattice_coordinates
from qalgs.nest.ledger import Evaluation
from qalgs.nest.report_data import report_data, thinned
from qalgs.nest.report_html import embed, report, write_report


def browser() -> str:
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
    )
    if found is None:
        pytest.fail("no browser to check the report in: install Debian's package 'chromium'")
    return found


def dom(page: Path, profile: Path, fragment: str = "") -> str:
    """The document after its script ran, without any network."""
    command = [
        *(browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"),
        page.as_uri() + fragment,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Text(HTMLParser):
    """Elements and text of a document."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def fills(document: Text) -> list[str | None]:
    return [attributes.get("fill") for tag, attributes in document.tags if tag == "circle"]


def test_a_browser_draws_the_report_and_names_stay_names(tmp_path: Path) -> None:
    results = [campaign(strategy=s, seed=k) for s in ("Nest", "BestMapRestarts") for k in (1, 2)]
    page = write_report(results, tmp_path / "report.html")
    first, later, other = (
        Text(dom(page, tmp_path / "profile", fragment)) for fragment in ("", "#cycle=6", "#run=3&cycle=2")
    )
    for document in (first, later, other):
        assert ("html", "yes") in [(t, a.get("data-drawn")) for t, a in document.tags]
        assert document.text["title"][0] == "Nest campaign on fake_brisbane"
        assert document.count("img") == 0
        assert NASTY in document.text["h3"]
        assert any(text == NASTY for text in document.text["td"])
    qubits = chip().num_qubits
    held = sum(len(job.cycles[0].layout) for job in results[0].jobs)
    colours = {"#0072b2", "#d55e00", "#009e73"}
    assert sum(f in colours for f in fills(first)[:qubits]) == held
    assert fills(first)[:qubits] != fills(later)[:qubits]
    assert "cycle 6 of 6" in later.text["output"]
    assert [a["data-run"] for _, a in other.tags if "data-run" in a and "hidden" not in a] == [
        "BestMapRestarts1"
    ] * 4
    labels = [a.get("aria-label") or "" for tag, a in first.tags if tag == "svg"]
    jobs = len(results[0].jobs)
    # One chip map, one time line, two charts a job; per job one comparison and one difference to the control.
    assert len(labels) == 2 + 2 * jobs + 2 * jobs
    assert all(labels)


def test_staggered_jobs_are_drawn_slot_by_slot(tmp_path: Path) -> None:
    result = campaign(stagger=2, cycles=3)
    page = write_report(result, tmp_path / "report.html")
    for slot in (1, 5, 7):
        document = Text(dom(page, tmp_path / "profile", f"#cycle={slot}"))
        assert f"slot {slot} of 7" in document.text["output"]
        layouts = result.layouts(slot - 1)
        (title,) = [a["aria-label"] for _, a in document.tags if f"slot {slot}:" in (a.get("aria-label") or "")]
        held = sum(map(len, layouts.values()))
        assert title == f"fake_brisbane, slot {slot}: {held} of 127 qubits held by {len(layouts)} jobs"


def test_the_page_asks_for_nothing_from_outside() -> None:
    page = report(campaign())
    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|iframe|img|object|embed)\b", page)
    assert page.count("</script>") == 2


def test_embedded_data_is_inert_and_exact() -> None:
    value = {"name": NASTY + "\u2028<!--", "x": [1.5, None]}
    text = embed(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value


def test_numbers_of_the_page_are_those_of_the_campaign() -> None:
    result = campaign()
    (run,) = report_data([result])["runs"]
    assert [job["values"] for job in run["jobs"]] == [pytest.approx(job.values, rel=1e-6) for job in result.jobs]
    assert run["usage"]["device_seconds"] == result.usage.device_seconds
    assert [c["layout"] for c in run["jobs"][1]["cycles"]] == [list(c.layout) for c in result.jobs[1].cycles]
    text = report(result)
    for job in result.jobs:
        assert f"<td>{job.evaluations:,}</td>" in text
    assert f"{result.usage.serial_seconds / result.usage.device_seconds:.2f} ×" in text


def test_comparison_pairs_seeds_and_marks_the_control() -> None:
    nest = [campaign(("a",), strategy="Nest", seed=k) for k in range(6)]
    control = [campaign(("a",), strategy="BestMapRestarts", seed=k) for k in range(1, 7)]
    values, differences = report_data([*nest, *control])["comparison"]
    assert [(r["strategy"], r["control"], r["samples"]) for r in values["rows"]] == [
        ("BestMapRestarts", True, 6),
        ("Nest", False, 6),
    ]
    (row,) = differences["rows"]
    by_seed = {r.seed: r.jobs[0].quality.reference for r in control}
    expected = [r.jobs[0].quality.reference - by_seed[r.seed] for r in nest if r.seed in by_seed]
    assert row["samples"] == len(expected) == 5
    assert row["best"] == pytest.approx(np.mean(expected))
    assert row["low"] <= row["best"] <= row["high"]
    assert report_data(nest)["comparison"] == []


def test_long_traces_keep_their_lowest_values(rng: np.random.Generator) -> None:
    trace = rng.normal(size=5000)
    counts, values = thinned(trace, 100)
    assert len(counts) == len(values) == 100
    assert min(values) == pytest.approx(trace.min(), rel=1e-6)
    assert counts == sorted(counts)
    assert values == pytest.approx(trace[np.array(counts) - 1], rel=1e-6)
    assert thinned(trace[:7])[0] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", ["fake_brisbane", "fake_torino", "fake_nighthawk"])
@pytest.mark.filterwarnings("ignore:Properties of fake_nighthawk")
def test_lattices_are_recovered_with_all_couplers_one_step_long(name: str) -> None:
    found = chip(name)
    points = lattice_coordinates(found)
    assert points is not None
    assert len({tuple(p) for p in points}) == found.num_qubits
    steps = np.abs(points[found.couplers[:, 0]] - points[found.couplers[:, 1]]).sum(axis=1)
    assert np.all(steps == 1)


def test_other_chips_have_no_lattice() -> None:
    from qalgs.backends import load_backend

    assert lattice_coordinates(Chip.of(load_backend("fake_guadalupe").target)) is None
    assert lattice_coordinates(Chip.of(load_backend("fake_manila").target)) is None


def test_nothing_to_report_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="must hold at least one campaign"):
        report([])
    with pytest.raises(InvalidInputError, match="choose a writable folder"):
        write_report(campaign(), tmp_path / "absent" / "report.html")


def folder_of(result: CampaignResult, place: Path) -> Path:
    """A run's folder as ``qalgs nest run`` leaves it."""
    place.mkdir(parents=True)
    write_results(place, result, plots=None)
    with Ledger(place / "ledger.sqlite") as ledger:
        identity = ledger.open_campaign({"seed": result.seed, "strategy": result.jobs[0].strategy}, {})
        ledger.record(
            identity,
            [
                Evaluation(
                    job=job.name,
                    cycle=i // job.cycles[0].evaluations,
                    evaluation=i % job.cycles[0].evaluations,
                    point=np.zeros(1),
                    value=float(value),
                    std=0.01,
                    shots=1024,
                    seed_key="",
                )
                for job in result.jobs
                for i, value in enumerate(job.values)
            ],
        )
    text = (place / "summary.json").read_text()
    (place / "summary.json").write_text(
        text.replace(f'"campaign": "{result.campaign}"', f'"campaign": "{identity}"')
    )
    return place


def test_the_command_reports_on_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [campaign(strategy=s, evaluations=10) for s in ("Nest", "BestMapRestarts")]
    for result in results:
        folder_of(result, tmp_path / "study" / result.jobs[0].strategy)
    assert main(["nest", "report", str(tmp_path / "study")]) == 0
    assert "2 runs" in capsys.readouterr().out
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    text = page.split('id="data">')[1].split("</script>")[0]
    shown, expected = json.loads(text), json.loads(embed(report_data([results[1], results[0]])))
    for run, wanted in zip(shown["runs"], expected["runs"], strict=True):
        run["campaign"] = wanted["campaign"]
    assert shown == expected
    one = tmp_path / "one.html"
    assert main(["nest", "report", str(tmp_path / "study" / "Nest"), "--out", str(one), "--title", "A & B"]) == 0
    assert "<h1>A &amp; B</h1>" in one.read_text(encoding="utf-8")


def test_the_command_says_what_is_wrong_with_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def complaint(place: Path) -> str:
        assert main(["nest", "report", str(place)]) == 2
        text = capsys.readouterr().err.strip()
        assert "\n" not in text
        return text

    assert "holds no run" in complaint(tmp_path)
    place = folder_of(campaign(("a",), evaluations=3, cycles=2), tmp_path / "run")
    assert main(["nest", "report", str(place)]) == 0
    summary = (place / "summary.json").read_text()
    (place / "summary.json").write_text("{")
    assert "summary.json is damaged" in complaint(place)
    (place / "summary.json").write_text("{}")
    assert "do not belong together" in complaint(place)
    (place / "summary.json").unlink()
    assert "holds no finished run (no summary.json)" in complaint(place)
    (place / "summary.json").write_text(summary)
    (place / "ledger.sqlite").write_bytes(b"not a database" * 100)
    assert "ledger.sqlite cannot be used" in complaint(place)
