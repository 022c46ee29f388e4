"""JSON for programs: everything that a report holds, versioned; described by ``report.schema.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Severity
from nginxtls.report.words import encodable, place, told

if TYPE_CHECKING:
    from nginxtls.finding import Finding, Label, Location, Report
    from nginxtls.report.options import Options

VERSION = 1
"""Raised when a field is renamed or removed; new fields may come without."""


def render(report: Report, options: Options) -> str:
    """The report as one JSON object."""
    return json.dumps(document(report, options), indent=2, ensure_ascii=True) + "\n"


def document(report: Report, options: Options) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "version": VERSION,
        "tool": {"name": "nginxtls", "version": options.version},
        "at": report.at.isoformat() if report.at else None,
        "findings": [_finding(finding) for finding in told(report, options.show_suppressed)],
        "notChecked": [
            {"subject": encodable(entry.subject), "reason": entry.reason, "location": _location(entry.location)}
            for entry in report.not_checked
        ],
        "failures": [
            {
                "subject": encodable(failure.subject),
                "reason": failure.reason,
                "help": failure.help,
                "location": _location(failure.location),
            }
            for failure in report.failures
        ],
        "endpoints": [
            {
                "socket": row.socket,
                "name": row.name,
                "protocols": list(row.protocols),
                "certificate": encodable(row.certificate),
                "notAfter": row.not_after.isoformat() if row.not_after else None,
                "location": _location(row.location),
            }
            for row in report.endpoints
        ],
        "summary": {
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.NOTE),
            "suppressed": len(report.suppressed),
            "files": report.files,
            "servers": report.servers,
            "certificates": report.certificates,
            "hints": list(report.hints),
            "goneFromBaseline": list(report.gone),
        },
    }


def _finding(finding: Finding) -> dict[str, Any]:
    fix = finding.fix
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "confidence": finding.confidence.value,
        "securitySeverity": finding.security_severity,
        "message": encodable(finding.message),
        "label": encodable(finding.label),
        "location": _location(finding.location),
        "related": [_label(label) for label in finding.labels],
        "notes": [encodable(note) for note in finding.notes],
        "help": encodable(finding.help),
        "endpoints": [encodable(endpoint) for endpoint in finding.endpoints],
        "fix": None
        if fix is None
        else {
            "title": encodable(fix.title),
            "safe": fix.safe,
            "edits": [
                {"location": _location(edit.location), "replacement": encodable(edit.replacement)} for edit in fix.edits
            ],
        },
        "fingerprint": finding.fingerprint,
        "suppressed": finding.suppressed,
    }


def _label(label: Label) -> dict[str, Any]:
    return {"location": _location(label.location), "text": encodable(label.text)}


def _location(location: Location | None) -> dict[str, Any] | None:
    """Lines and columns in characters, from 1, the end exclusive; for a dump also the place in the original file."""
    if location is None:
        return None
    span, real = location.span, place(location)
    found: dict[str, Any] = {
        "file": encodable(real.file),
        "line": real.line,
        "column": real.column,
        "endLine": real.end_line,
        "endColumn": real.end_column,
    }
    if real.file != location.name:
        found["original"] = {"file": encodable(location.name), "line": span.line, "endLine": span.end_line}
    return found
