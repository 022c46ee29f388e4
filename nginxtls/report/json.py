"""JSON for programs and editors: the whole report, as ``report.schema.json`` describes it."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Any

from nginxtls.base.freshness import DATE
from nginxtls.base.printing import json_text
from nginxtls.finding import Severity
from nginxtls.report.places import Places
from nginxtls.report.words import findings_to_show

if TYPE_CHECKING:
    from datetime import datetime

    from nginxtls.finding import Finding, Location
    from nginxtls.linting.report import EndpointRow, MadeFor, PolicyRow, Report
    from nginxtls.report.options import Options
    from nginxtls.rule import Rule
    from nginxtls.syntax.places import Failure, NotChecked

VERSION = 1
"""Incremented when a member is removed or changes its meaning."""


def render(report: Report, options: Options) -> str:
    """One object; ASCII only, so that no terminal interprets any of it."""
    writer = _Writer(report)
    shown = findings_to_show(report, options)
    document = {
        "version": VERSION,
        "tool": {"name": "nginxtls", "version": options.version, "facts": DATE.isoformat()},
        "at": _time(report.at),
        "root": report.root,
        "versions": [_versions(entry) for entry in report.versions],
        "status": options.status,
        "summary": {
            "files": report.files,
            "servers": report.servers,
            "endpoints": len(report.endpoints),
            "certificates": report.certificates,
            **{f"{severity}s": report.count(severity) for severity in sorted(Severity, reverse=True)},
            "suppressed": len(report.suppressed),
            "not_checked": len(report.not_checked),
            "failures": len(report.failures),
            "seconds": round(report.seconds, 3),
        },
        "findings": [writer.finding(finding) for finding in shown],
        "failures": [writer.failure(failure) for failure in report.failures],
        "not_checked": [writer.not_checked(entry) for entry in report.not_checked],
        "endpoints": [writer.endpoint(endpoint) for endpoint in report.endpoints],
        "policies": [writer.policy(row) for row in report.policies],
        "rules": {name: _rule(report.rules[name]) for name in sorted({f.rule for f in shown} & {*report.rules})},
        "baseline_gone": list(report.gone),
        "hints": list(report.hints),
    }
    return json_text(document) + "\n"


class _Writer:
    """Turns the parts of a report into JSON values."""

    def __init__(self, report: Report) -> None:
        self.places = Places(report.root)
        self.at = report.at

    def finding(self, finding: Finding) -> dict[str, Any]:
        fix = finding.fix
        return {
            "rule": finding.rule,
            "severity": str(finding.severity),
            "confidence": finding.confidence.value,
            "security_severity": finding.security_severity,
            "message": finding.message,
            "location": self.location(finding.location),
            "label": finding.label,
            "related": [{"location": self.location(label.location), "text": label.text} for label in finding.labels],
            "notes": list(finding.notes),
            "help": finding.help,
            "fix": fix
            and {
                "title": fix.title,
                "safe": fix.safe,
                "edits": [{"location": self.location(edit.location), "text": edit.replacement} for edit in fix.edits],
            },
            "endpoints": list(finding.endpoints),
            "fingerprint": finding.fingerprint,
            "suppressed": finding.suppressed,
            "group": finding.group,
        }

    def location(self, location: Location | None) -> dict[str, Any] | None:
        """``name`` is the file as shown to people, ``file`` its path from the root."""
        if location is None:
            return None
        place = self.places.of(location, one_line=False)
        return {
            "name": location.name,
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "end_line": place.end_line,
            "end_column": place.end_column,
            "dumped": _dumped(location),
        }

    def not_checked(self, entry: NotChecked) -> dict[str, Any]:
        return {"subject": entry.subject, "reason": entry.reason, "location": self.location(entry.location)}

    def failure(self, failure: Failure) -> dict[str, Any]:
        return {
            "subject": failure.subject,
            "reason": failure.reason,
            "help": failure.help,
            "location": self.location(failure.location),
        }

    def endpoint(self, endpoint: EndpointRow) -> dict[str, Any]:
        days = (endpoint.not_after - self.at).days if endpoint.not_after and self.at else None
        return {
            "socket": endpoint.socket,
            "name": endpoint.name,
            "protocols": list(endpoint.protocols),
            "differing": [{"builds": part, "protocols": list(protocols)} for part, protocols in endpoint.differing],
            "certificate": endpoint.certificate,
            "not_after": _time(endpoint.not_after),
            "days_left": days,
            "location": self.location(endpoint.location),
        }

    def policy(self, row: PolicyRow) -> dict[str, Any]:
        return {
            "policy": row.policy,
            "title": row.title,
            "endpoint": row.endpoint,
            "socket": row.socket,
            "name": row.name,
            "result": row.result,
            "violated": list(row.violated),
            "unknown": list(row.unknown),
            "serves": row.serves,
            "differing": [{"builds": part, "violated": list(items)} for part, items in row.differing],
            "location": self.location(row.location),
        }


def _dumped(location: Location) -> dict[str, Any] | None:
    """The host of a dump, and the place in the file on the host; ``file`` and ``line`` are of the dump."""
    file, span = location.file, location.span
    if not file.host:
        return None
    return {"host": file.host, "file": file.nginx_path or "", "line": span.line, "end_line": span.end_line}


def _versions(entry: MadeFor) -> dict[str, Any]:
    return {
        "nginx": entry.nginx,
        "openssl": entry.openssl,
        "package": entry.package,
        "source": entry.source,
        "likely": entry.likely,
        "builds": [{"nginx": nginx, "openssl": openssl, "where": where} for nginx, openssl, where in entry.builds],
        "text": entry.text,
        "configurations": list(entry.configurations),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "summary": rule.summary,
        "severity": str(rule.severity),
        "topic": rule.topic,
        "security_severity": rule.security_severity,
        "cwe": list(rule.cwe),
        "references": list(rule.references),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
