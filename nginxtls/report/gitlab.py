"""GitLab's Code Quality report: a JSON array of issues."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from nginxtls.base.printing import json_text
from nginxtls.finding import Severity
from nginxtls.report.places import Places
from nginxtls.report.words import (
    circumstances,
    compliance,
    count,
    encodable,
    findings_to_show,
    policy_rows,
    remarks,
    visible,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options

SHOWN_POLICIES = 1_000
_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}
CRITICAL = 9.0
"""Findings of at least this security severity are critical."""


def render(report: Report, options: Options) -> str:
    """The findings as Code Quality issues, and an ``info`` for each policy, with its table; fingerprints are unique."""
    seen: dict[str, int] = {}
    places = Places(report.root)
    made_for = "; ".join(circumstances(report._replace(policies=())))
    issues = [_issue(finding, places, seen, made_for) for finding in findings_to_show(report, options)]
    return json_text([*issues, *_tables(report, places)], indent=2) + "\n"


def _tables(report: Report, places: Places) -> Iterator[dict[str, Any]]:
    """For each policy an issue with its table, at the server of its first row."""
    for policy in dict.fromkeys(row.policy for row in report.policies):
        mine = [row for row in report.policies if row.policy == policy]
        rows, left = policy_rows(report._replace(policies=mine), SHOWN_POLICIES)
        lines = [f"{row.endpoint}: {compliance(row)}" for row in rows] + ([f"and {left:,} more"] if left else [])
        where = places.of(mine[0].location)
        passed = sum(row.result == "pass" for row in mine)
        yield {
            "type": "issue",
            "check_name": "policy",
            "description": encodable(visible(f"{policy}: {passed:,} of {count(len(mine), 'endpoint')} pass")),
            "categories": ["Security"],
            "severity": "info",
            "fingerprint": hashlib.sha256(f"policy/{policy}".encode()).hexdigest(),
            "location": {"path": encodable(where.file), "lines": {"begin": where.line, "end": where.line}},
            "content": {"body": encodable("\n".join(map(visible, lines)))},
        }


def _issue(finding: Finding, places: Places, seen: dict[str, int], made_for: str) -> dict[str, Any]:
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
        "content": {"body": "\n\n".join(encodable(visible(part)) for part in [*remarks(finding), made_for])},
    }
