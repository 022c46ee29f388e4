"""One self-contained HTML page: summary, endpoints, each finding with its source. No outside resources."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from nginxtls.report.places import Places
from nginxtls.report.words import (
    checked,
    compliance,
    count,
    duration,
    encodable,
    findings_to_show,
    help_line,
    markup,
    not_checked,
    notes,
    policy_rows,
    served,
    versions,
)
from nginxtls.report.words import verdict as verdict_of

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import EndpointRow, Report
    from nginxtls.report.options import Options

MOST_ENDPOINTS, OPEN = 20_000, 20
CONTEXT = 160
"""The number of characters shown before and after the marked part of a line."""


def render(report: Report, options: Options) -> str:
    """The page. Everything from the configuration is escaped; the script only hides and shows rows."""
    template = files(__package__).joinpath("page.html").read_text("utf-8")
    places = Places(report.root)
    findings = findings_to_show(report, options.show_suppressed)
    parts = {
        "verdict": _text(verdict_of(report)),
        "summary": _text(_summary(report)),
        "findings": "\n".join(_finding(finding, places) for finding in findings) or '<p class="none">No findings.</p>',
        "failures": _failures(report),
        "endpoints": _endpoints(report),
        "policies": _policies(report),
        "rules": "\n".join(f"<option>{_text(name)}</option>" for name in sorted({f.rule for f in findings})),
        "version": _text(options.version),
    }
    for name, text in parts.items():
        head, mark, tail = template.partition(f"<!--{name}-->")
        template = head + text + tail if mark else template
    return template


def _text(text: str) -> str:
    return markup(encodable(text))


def _summary(report: Report) -> str:
    parts = [f"Checked {checked(report)} in {duration(report.seconds)}"]
    if report.at:
        parts.append(f"as of {report.at:%Y-%m-%d %H:%M} UTC")
    parts += [f"versions: {line}" for line in versions(report)]
    left = not_checked(report.not_checked)
    if left:
        parts.append(f"not checked: {', '.join(left)}")
    return "; ".join([*parts, *report.hints])


def _failures(report: Report) -> str:
    rows = [
        f"<li><b>{_text(f.subject)}</b>: {_text(f.reason)}{f' ({_text(f.help)})' if f.help else ''}</li>"
        for f in report.failures
    ]
    return f'<ul class="failures">{"".join(rows)}</ul>' if rows else ""


def _finding(finding: Finding, places: Places) -> str:
    where = places.of(finding.location)
    span = finding.location.span
    line = finding.location.file.line_text(span.line)
    start = span.column - 1
    end = min(span.end_column - 1 if span.end_line == span.line else len(line), start + 400)
    before, after = line[max(start - CONTEXT, 0) : start], line[end : end + CONTEXT]
    source = f"{_text(before)}<mark>{_text(line[start:end])}</mark>{_text(after)}"
    more = [f"<li>{_text(finding.label)}</li>"] if finding.label else []
    more += [
        f"<li>{_text(label.location.name)}:{label.location.span.line}: {_text(label.text)}</li>"
        for label in finding.labels
    ]
    more += [f"<li>{_text(note)}</li>" for note in notes(finding)]
    if helping := help_line(finding):
        more.append(f"<li><b>help</b>: {_text(helping)}</li>")
    return (
        f'<article class="{finding.severity}" data-rule="{_text(finding.rule)}">'
        f"<h3><span>{finding.severity}</span> {_text(finding.message)}</h3>"
        f'<p class="place">{_text(where.file)}:{where.line}:{where.column} <code>{_text(finding.rule)}</code></p>'
        f"<pre>{source}</pre>"
        f"{'<ul>' + ''.join(more) + '</ul>' if more else ''}</article>"
    )


def _endpoints(report: Report) -> str:
    """A table, closed if it is so long that it would hide the findings."""
    rows = report.endpoints
    if not rows:
        return ""
    left = len(rows) - MOST_ENDPOINTS
    more = f'<p class="dim">and {left:,} more</p>' if left > 0 else ""
    return (
        f"<details{' open' if len(rows) <= OPEN else ''}><summary>{count(len(rows), 'endpoint')}</summary>"
        '<div class="scroll"><table><thead><tr><th>socket</th><th>name</th><th>protocols</th><th>certificate</th>'
        "<th>days left</th><th>grade</th></tr></thead><tbody>\n"
        + "\n".join(_endpoint(row, report) for row in rows[:MOST_ENDPOINTS])
        + f"\n</tbody></table></div>{more}</details>"
    )


def _policies(report: Report) -> str:
    """The table of policies, closed if it is long."""
    rows, left = policy_rows(report, MOST_ENDPOINTS)
    if not rows:
        return ""
    more = f'<p class="dim">and {left:,} more</p>' if left else ""
    cells = ((row.result, (row.policy, row.endpoint, compliance(row))) for row in rows)
    return (
        f"<details{' open' if len(rows) <= OPEN else ''}><summary>policies</summary>"
        '<div class="scroll"><table class="policies"><thead><tr><th>policy</th><th>endpoint</th><th>result</th></tr>'
        "</thead><tbody>\n"
        + "\n".join(
            f'<tr class="{result}">{"".join(f"<td>{_text(cell)}</td>" for cell in texts)}</tr>'
            for result, texts in cells
        )
        + f"\n</tbody></table></div>{more}</details>"
    )


def _endpoint(row: EndpointRow, report: Report) -> str:
    days = ""
    kind = ""
    if row.not_after is not None and report.at is not None:
        left = (row.not_after - report.at).days
        days, kind = str(left), ' class="late"' if left < 0 else ' class="soon"' if left < 14 else ""
    cells = (row.socket, row.name, served(row), row.certificate)
    return f"<tr{kind}>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}<td>{days}</td><td>{row.grade()}</td></tr>"
