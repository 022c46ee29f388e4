"""Markdown for a pull request's comment: a table of the findings and the summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.report.places import Places
from nginxtls.report.words import (
    checked,
    compliance,
    encodable,
    findings_to_show,
    not_checked,
    policy_rows,
    remarks,
    verdict,
    versions,
    visible,
)

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options

SHOWN_POLICIES = 60
LIMIT = 50_000
"""A comment on GitHub holds 65,536 characters."""

_MARKS = re.compile(r"([\\`*_\[\]|~!])")
_CALLS = re.compile(r"([@#])(?=\w)|(:)(?=//)|((?i:\bwww))(?=\.)")


def render(report: Report, options: Options) -> str:
    """Heading, table, what could not be checked; rows are cut where a comment would get too long."""
    lines = [f"### nginxtls: {escaped(verdict(report))}", ""]
    places = Places(report.root)
    rows = [_row(finding, places) for finding in findings_to_show(report, options)]
    if rows:
        lines += ["| | rule | place | finding |", "| --- | --- | --- | --- |"]
        used = 0
        for number, row in enumerate(rows):
            used += len(row)
            if used > LIMIT:
                lines += ["", f"… and {len(rows) - number:,} more."]
                break
            lines.append(row)
        lines.append("")
    rows_of_policies, left_out = policy_rows(report, SHOWN_POLICIES)
    if rows_of_policies:
        lines += ["| policy | endpoint | result |", "| --- | --- | --- |"]
        lines += [
            f"| {escaped(row.policy)} | {escaped(row.endpoint)} | {escaped(compliance(row))} |"
            for row in rows_of_policies
        ]
        lines += ["", *([f"… and {left_out:,} more.", ""] if left_out else [])]
    for failure in report.failures:
        lines += [f"- **could not be linted**: {escaped(failure.subject)}: {escaped(failure.reason)}"]
    if report.failures:
        lines.append("")
    tail = [f"Checked {checked(report)}."]
    if made_for := versions(report):
        tail.append(f"Versions: {'; '.join(made_for)}.")
    if left := not_checked(report.not_checked):
        tail.append(f"Not checked: {', '.join(left)}.")
    # A line each: Markdown would join them.
    summary = "<br>\n".join(escaped(text) for text in (*tail, *report.hints))
    return "\n".join([*lines, summary, ""])


def _row(finding: Finding, places: Places) -> str:
    where = places.of(finding.location)
    text = "<br>".join(escaped(part) for part in [finding.message, *remarks(finding)])
    return f"| {finding.severity} | {escaped(finding.rule)} | {escaped(where.file)}:{where.line} | {text} |"


def escaped(text: str) -> str:
    """The text with the special characters of Markdown and HTML escaped."""
    safe = encodable(visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # GitHub links a name after @, a number after # and what looks like an address, escaped or not
    return _CALLS.sub(lambda found: f"{found[0]}&#8203;", _MARKS.sub(r"\\\1", safe))
