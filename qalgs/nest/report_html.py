"""A campaign as one HTML file that needs no network: chip by cycle, ESP, energies, machine time, cost, strategies.

Names come from job files that others may have written, so nothing of them reaches the page unescaped; a content
security policy admits the page's own script and style by their hashes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qalgs.errors import expect, invalid
from qalgs.results import write_atomic

if TYPE_CHECKING:
    from .result import CampaignResult


def write_report(
    results: CampaignResult | Sequence[CampaignResult], path: str | os.PathLike[str], *, title: str = ""
) -> Path:
    """Write one self-contained HTML file.

    Args:
        results: One campaign, or several to choose from and to compare.
        path: The file.
        title: Heading; by default the jobs' device.

    Returns:
        The path.

    Raises:
        InvalidInputError: If there is nothing to report or the file cannot be written.

    Example:
        >>> from qalgs.circuits import hardware_efficient, tfim
        >>> from qalgs.nest import BestMap, Campaign, Job
        >>> job = Job("chain", hardware_efficient(2, 1), tfim(2))
        >>> campaign = Campaign(job, "fake_manila", strategy=BestMap(cycles=1), evaluations=3, shots=16, seed=1)
        >>> write_report(campaign.run(), "report.html").name
        'report.html'
    """
    expect(str, os.PathLike, path=path)
    return write_atomic(path, report(results, title=title))


def write_folder_report(
    folders: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str], *, title: str = ""
) -> Path:
    """Write one file about finished runs on disk: their ``summary.json``, ``chip.json`` and ``ledger.sqlite``.

    Args:
        folders: Folders of runs.
        path: The file.
        title: Heading.

    Raises:
        LedgerError: If a folder holds no finished run, or its files are damaged.
        InvalidInputError: If there is no folder or the file cannot be written.
    """
    from .report_data import compare, read_run

    if not folders:
        raise invalid("folders", 0, "must hold at least one run")
    runs = [read_run(folder) for folder in folders]
    return write_atomic(path, render({"runs": runs, "comparison": compare(runs)}, title=title))


def report(results: CampaignResult | Sequence[CampaignResult], *, title: str = "") -> str:
    """Return the page as text; see :func:`write_report`."""
    from .report_data import report_data
    from .result import CampaignResult

    expect(CampaignResult, Sequence, results=results)
    given = [results] if isinstance(results, CampaignResult) else list(results)
    for index, result in enumerate(given):
        expect(CampaignResult, **{f"results[{index}]": result})
    if not given:
        raise invalid("results", 0, "must hold at least one campaign")
    return render(report_data(given), title=title)


def render(data: Mapping[str, Any], *, title: str = "") -> str:
    """Return the page of :func:`qalgs.nest.report_data.report_data`'s content."""
    runs = data["runs"]
    first = runs[0]
    heading = title or f"Nest campaign on {first['device']}"
    assets = files("qalgs.nest") / "assets"
    style = (assets / "report.css").read_text(encoding="utf-8")
    script = (assets / "report.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'"
    body = [
        f'<header><h1>{_e(heading)}</h1><p class="sub">{_e(_subtitle(first))}</p>{_picker(runs)}</header>',
        "<main>",
        *(_part(run, _tiles(run)) for run in runs),
        _CHIP,
        "<section><h2>Machine time</h2>"
        '<p class="note">Who runs when, in seconds of the machine, and the share of its qubits that belongs to a '
        "job. A bar is the darker, the closer the region's ESP is to the best the job could have alone.</p>"
        '<div id="gantt" class="scroll"></div></section>',
        *(_part(run, _costs(run)) for run in runs),
        "<section><h2>Jobs</h2>"
        '<p class="note">Above: ESP by cycle, bars achieved (pale: reached by a jump), dashes the target. Below: '
        "all measured energies (dots) and the lowest so far (line). A minimum over noisy values is biased low; "
        "the table gives the exact noisy energy on the job's best map.</p>"
        '<div id="jobs" class="jobs"></div></section>',
        *(_part(run, _quality(run)) for run in runs),
        _strategies(data["comparison"]),
        "</main>",
        *(_part(run, _footer(run), "footer") for run in runs),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(heading)}</title><style>{style}</style></head>\n<body>\n"
        + "\n".join(body)
        + f'\n<script type="application/json" id="data">{embed(data)}</script>\n<script>{script}</script>\n'
        "</body></html>\n"
    )


def embed(value: object) -> str:
    """Return JSON that can stand inside a ``<script>`` element: no ``<``, ``>``, ``&`` or line separators."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


_CHIP = """<section><h2>Chip</h2>
<p class="note">Coloured qubits belong to a job; idle ones are the redder, the worse they read out. Dotted red
couplers are dead. Hover over a qubit or coupler for its errors.</p>
<div class="controls"><label for="cycle">Cycle</label>
<input id="cycle" type="range" min="0" max="0" value="0" step="1" aria-controls="chip">
<output id="cycle-shown" for="cycle"></output><button id="play" type="button">Play</button></div>
<div id="chip"></div><ul id="legend" class="legend"></ul>
<noscript>The drawings need JavaScript; the tables do not.</noscript></section>"""


def _e(value: object) -> str:
    return html.escape(str(value), quote=True)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(run: Mapping[str, Any], content: str, tag: str = "div") -> str:
    """Mark what belongs to one campaign, so that the picker can show its own."""
    return f'<{tag} data-run="{_e(run["campaign"])}">{content}</{tag}>'


def _subtitle(run: Mapping[str, Any]) -> str:
    n = len(run["jobs"])
    return (
        f"{n} job{'s' if n != 1 else ''} side by side on {len(run['chip']['points'])} qubits, "
        f"{run['cycles']} cycles, buffer {run['buffer']}, {run['label']}"
    )


def _picker(runs: Sequence[Mapping[str, Any]]) -> str:
    if len(runs) < 2:
        return ""
    options = "".join(
        f'<option value="{i}">{_e(run["device"])}: {_e(run["label"])}</option>' for i, run in enumerate(runs)
    )
    return f'<p class="controls"><label for="run">Campaign</label><select id="run">{options}</select></p>'


def _tiles(run: Mapping[str, Any]) -> str:
    usage = run["usage"]
    serial, together = usage["serial_seconds"], usage["device_seconds"]
    tiles = [
        (len(run["jobs"]), "jobs"),
        (f"{sum(job['evaluations'] for job in run['jobs']):,}", "evaluations"),
        (f"{usage['shots']:,}", "shots"),
        (_seconds(together), "of machine time"),
        (f"{serial / together:.2f} ×" if together else "–", "faster than one after another"),
        (f"{100 * usage['utilisation']:.1f} %", "utilisation of the qubits"),
        (f"{usage['cost']:,.2f} {usage['currency']}", "cost"),
    ]
    return (
        '<ul class="tiles">'
        + "".join(f"<li><b>{_e(v)}</b><span>{_e(name)}</span></li>" for v, name in tiles)
        + "</ul>"
    )


def _costs(run: Mapping[str, Any]) -> str:
    usage = run["usage"]
    shares = usage["shares"]
    rows = [
        (
            job["name"],
            job["num_qubits"],
            f"{job['evaluations']:,}",
            f"{job['shots']:,}",
            _seconds(shares["device_seconds"][job["name"]]),
            f"{shares['cost'][job['name']]:,.2f}",
        )
        for job in run["jobs"]
    ]
    how = {"equal": "equal parts", "qubit_seconds": "qubit-seconds"}.get(usage["sharing"], usage["sharing"])
    total = (
        "all jobs",
        "",
        f"{sum(job['evaluations'] for job in run['jobs']):,}",
        f"{usage['shots']:,}",
        _seconds(usage["device_seconds"]),
        f"{usage['cost']:,.2f}",
    )
    caption = (
        f"Shared machine time and cost are divided by {how}. One after another, the same evaluations would take "
        f"{_seconds(usage['serial_seconds'])}."
    )
    head = ("job", "qubits", "evaluations", "shots", "machine time", f"cost ({usage['currency']})")
    return f"<section><h2>Cost</h2>{_table(head, [*rows, total], caption)}</section>"


def _quality(run: Mapping[str, Any]) -> str:
    rows = []
    for job in run["jobs"]:
        exact, reference = job["exact"], job["reference"]
        gap = None if exact is None or reference is None else reference - exact
        last = job["cycles"][-1]["esp"]
        rows.append(
            (
                job["name"],
                job["strategy"],
                _value(job["measured"]),
                _value(reference),
                _value(job["noiseless"]),
                _value(exact),
                _value(gap),
                _value(job["baseline"]),
                _value(last, 3),
                _value(job["best_esp"], 3),
                "–" if job["converged_after"] is None else f"{job['converged_after']:,}",
            )
        )
    head = (
        *("job", "strategy", "lowest measured", "on its best map", "noiseless", "exact", "gap"),
        *("baseline", "last ESP", "best ESP", "converged after"),
    )
    caption = (
        "Energies of the reported parameters; the gap is that of the exact noisy energy on the job's best map."
    )
    return f"<section><h2>Outcome</h2>{_table(head, rows, caption)}</section>"


def _strategies(groups: Sequence[Mapping[str, Any]]) -> str:
    if not groups:
        return (
            '<section><h2>Strategies compared</h2><p class="note">There is nothing to compare yet: '
            "<code>qalgs nest compare jobs.toml --out DIR</code> trains the same jobs under several strategies "
            'and seeds, the restart control always among them.</p><div id="comparison" hidden></div></section>'
        )
    rows = [
        (
            f"{group['job']}: {group['metric']}",
            row["strategy"],
            _value(row["best"]),
            f"[{_value(row['low'])}, {_value(row['high'])}]",
            row["samples"],
        )
        for group in groups
        for row in group["rows"]
    ]
    level = f"{100 * groups[0]['level']:g} %"
    return (
        "<section><h2>Strategies compared</h2>"
        f'<p class="note">Means over seeds with {level} bootstrap intervals. Differences are paired: same job, '
        "same seed, other strategy; negative is better. The control has the same optimiser restarts on a fixed "
        "map.</p>"
        '<div id="comparison" class="jobs"></div>'
        f"{_table(('quantity', 'strategy', 'mean', f'{level} interval', 'seeds'), rows, '')}</section>"
    )


def _footer(run: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items() if number != "absent")
    return f"Campaign <code>{_e(run['campaign'])}</code>, digest <code>{_e(run['digest'])}</code>. {_e(versions)}."


def _table(head: Iterable[object], rows: Iterable[Iterable[object]], caption: str) -> str:
    top = "".join(f'<th scope="col">{_e(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    label = f"<caption>{_e(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{label}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _value(value: float | None, digits: int = 4) -> str:
    if value is None:
        return "–"
    small = 10.0**-digits <= abs(value) < 1e5 or value == 0
    return (f"{value:.{digits}f}" if small else f"{value:.{digits}g}").replace("-", "−")


def _seconds(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"
