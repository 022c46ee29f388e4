"""Checkstyle's XML: the findings of each file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.report.places import Place, Places
from nginxtls.report.words import circumstances, encodable, findings_to_show, markup

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options

_SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "info"}


def render(report: Report, options: Options) -> str:
    """A file element for each file that has findings or could not be linted."""
    files: dict[str, list[str]] = {}
    places = Places(report.root)
    for finding in findings_to_show(report, options):
        where = places.of(finding.location)
        files.setdefault(where.file, []).append(_error(finding, where))
    for failure in report.failures:
        place = places.of(failure.location) if failure.location else None
        at = f'line="{place.line}" column="{place.column}"' if place else 'line="1"'
        text = f'<error {at} severity="error" message="{_quoted(failure.reason)}" source="nginxtls"/>'
        files.setdefault(place.file if place else failure.subject, []).append(text)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<checkstyle version="4.3">']
    lines += [f"  <!-- {_comment(line)} -->" for line in circumstances(report)]
    for name, errors in files.items():
        lines += [f'  <file name="{_quoted(name)}">', *(f"    {error}" for error in errors), "  </file>"]
    return "\n".join([*lines, "</checkstyle>"]) + "\n"


def _error(finding: Finding, where: Place) -> str:
    return (
        f'<error line="{where.line}" column="{where.column}" severity="{_SEVERITIES[finding.severity]}" '
        f'message="{_quoted(finding.message)}" source="nginxtls.{finding.rule}"/>'
    )


def _comment(text: str) -> str:
    """The text for a comment of XML, which has no two hyphens in a row."""
    return re.sub("-(?=-)", "- ", _quoted(text))


def _quoted(text: str) -> str:
    return markup(encodable(text))
