"""GitHub's workflow commands: each finding an annotation of the pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.report.places import Places
from nginxtls.report.words import encodable, help_line, notes, told, visible

if TYPE_CHECKING:
    from nginxtls.finding import Finding, Report
    from nginxtls.report.options import Options

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, options: Options) -> str:
    """A command a finding, and one for each thing that could not be linted."""
    places = Places(report.root)
    lines = [_command(finding, places) for finding in told(report, options.show_suppressed)]
    lines += [
        f"::error title=nginxtls::{_data(f'{visible(failure.subject)}: {visible(failure.reason)}')}"
        for failure in report.failures
    ]
    return "".join(f"{line}\n" for line in lines)


def _command(finding: Finding, places: Places) -> str:
    where = places.of(finding.location)
    properties = {
        "file": where.file,
        "line": str(where.line),
        "endLine": str(where.end_line),
        "col": str(where.column),
        "endColumn": str(max(where.end_column - 1, 1)),
        "title": f"nginxtls: {finding.rule}",
    }
    text = "\n".join(visible(part) for part in [finding.message, *notes(finding), help_line(finding)] if part)
    told_of = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {told_of}::{_data(text)}"


def _data(text: str) -> str:
    """Escaped as @actions/core does: percent first, so that nothing in it ends the command."""
    return encodable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
