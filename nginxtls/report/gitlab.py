"""GitLab's Code Quality report: a JSON array of issues."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Severity
from nginxtls.report.places import Places
from nginxtls.report.words import encodable, remarks, told, versions, visible

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}
CRITICAL = 9.0
"""Findings of at least this security severity are critical."""


def render(report: Report, options: Options) -> str:
    """The findings as Code Quality issues; fingerprints are unique, as GitLab requires."""
    seen: dict[str, int] = {}
    places = Places(report.root)
    made_for = [f"versions: {'; '.join(versions(report))}"] if report.versions else []
    issues = [_issue(finding, places, seen, made_for) for finding in told(report, options)]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, places: Places, seen: dict[str, int], made_for: list[str]) -> dict[str, Any]:
    where = places.of(finding.location)
    number = seen[finding.fingerprint] = seen.get(finding.fingerprint, -1) + 1
    severe = finding.severity is Severity.ERROR and finding.security_severity >= CRITICAL
    return {
        "type": "issue",
        "check_name": finding.rule,
        "description": encodable(visible(finding.message)),
        "categories": ["Security"],
        "severity": "critical" if severe else _SEVERITIES[finding.severity],
        "fingerprint": hashlib.sha256(f"{finding.fingerprint}/{number}".encode()).hexdigest(),
        "location": {
            "path": encodable(where.file),
            "lines": {"begin": where.line, "end": where.end_line},
        },
        "content": {"body": "\n\n".join(encodable(visible(part)) for part in [*remarks(finding), *made_for])},
    }
