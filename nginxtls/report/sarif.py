"""SARIF 2.1.0 for code scanning: within GitHub's limits, with rules' help, regions, related places and fixes.

The limits are those of GitHub's documentation "SARIF support for code scanning" (2026); what does not fit is cut by
severity and told in a notification.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxtls.finding import Confidence, Severity
from nginxtls.report.words import encodable, help_line, notes, place, told, uri

if TYPE_CHECKING:
    from nginxtls.finding import Failure, Finding, Location, NotChecked, Report
    from nginxtls.report.options import Options
    from nginxtls.rule import Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/nginxtls/nginxtls"
MOST_RESULTS = 5000
MOST_RELATED = 100
MOST_NOTIFICATIONS = 1000
TEXT_LIMIT = 1024

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(report: Report, options: Options) -> str:
    """The report as a SARIF log with one run."""
    findings = told(report, options.show_suppressed)
    kept = findings
    if len(findings) > MOST_RESULTS:
        ranked = sorted(range(len(findings)), key=lambda i: (-findings[i].severity, -findings[i].security_severity, i))
        kept = [findings[i] for i in sorted(ranked[:MOST_RESULTS])]
    names = sorted({finding.rule for finding in kept} | set(report.rules))
    index = {name: number for number, name in enumerate(names)}
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "nginxtls",
                "semanticVersion": options.version or "0.0.0",
                "informationUri": HOME,
                "rules": [_rule(name, report.rules.get(name)) for name in names],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"uri": _root(report.root)}},
        "invocations": [_invocation(report, options, len(findings) - len(kept))],
        "results": [_result(finding, index) for finding in kept],
    }
    if options.revision is not None and options.revision.uri:
        control = {"repositoryUri": options.revision.uri, "revisionId": options.revision.commit}
        if options.revision.branch:
            control["branch"] = options.revision.branch
        run["versionControlProvenance"] = [control]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=True) + "\n"


def _root(root: str) -> str:
    return Path(root or "/").absolute().as_uri().rstrip("/") + "/"


def _rule(name: str, rule: Rule | None) -> dict[str, Any]:
    """A rule's descriptor; one that the registry does not know (the linter's own) has its name alone."""
    if rule is None:
        text = name.replace("-", " ")
        return {"id": name, "shortDescription": {"text": text}, "help": {"text": text}}
    level = _LEVELS[rule.severity]
    properties: dict[str, Any] = {
        "tags": ["security", rule.topic, *(f"external/cwe/cwe-{number:03}" for number in rule.cwe)][:10],
        "precision": "very-high" if rule.confidence is Confidence.CERTAIN else "medium",
        "problem.severity": {"error": "error", "warning": "warning", "note": "recommendation"}[level],
    }
    if rule.security_severity > 0:
        properties["security-severity"] = f"{rule.security_severity:.1f}"
    found: dict[str, Any] = {
        "id": name,
        "shortDescription": {"text": _cut(rule.summary)},
        "fullDescription": {"text": _cut(_plain(rule.documentation))},
        "help": {"text": _plain(rule.documentation), "markdown": rule.documentation},
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }
    if rule.references:
        found["helpUri"] = rule.references[0]
    return found


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    related = [
        {**_physical(label.location), "id": number, "message": {"text": encodable(label.text)}}
        for number, label in enumerate(finding.labels[:MOST_RELATED], 1)
    ]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [_physical(finding.location, snippet=True)],
        "partialFingerprints": {"nginxtls/v1": finding.fingerprint or "0"},
    }
    if related:
        result["relatedLocations"] = related
        result["codeFlows"] = [_flow(finding)]
    if finding.fix is not None:
        result["fixes"] = [_fix(finding)]
    if finding.suppressed is not None:
        external = finding.suppressed == "baseline"
        result["suppressions"] = [
            {"kind": "external" if external else "inSource", "justification": encodable(finding.suppressed)}
        ]
    return result


def _message(finding: Finding) -> str:
    """The message, each related place linked from it, then notes and help: GitHub shows nothing else."""
    lines = [_unlinked(finding.message)]
    lines += [f"[{_unlinked(label.text)}]({number})" for number, label in enumerate(finding.labels[:MOST_RELATED], 1)]
    lines += [_unlinked(note) for note in notes(finding)]
    if help_text := help_line(finding):
        lines.append(f"Help: {_unlinked(help_text)}")
    return encodable("\n".join(lines))


def _unlinked(text: str) -> str:
    """Text in which SARIF sees no embedded link or placeholder (3.11.5, 3.11.6)."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace("{", "{{").replace("}", "}}")


def _region(location: Location) -> dict[str, int]:
    """A region on one line: pull requests are annotated only where all lines of it are in the change."""
    where = place(location)
    end = where.end_column
    if where.end_line != where.line:
        span = location.span
        end = len(location.file.line_text(span.line).rstrip()) + 1
    return {
        "startLine": where.line,
        "startColumn": where.column,
        "endLine": where.line,
        "endColumn": max(end, where.column + 1),
    }


def _artifact(location: Location) -> dict[str, str]:
    name = uri(place(location).file)
    if name.startswith("/"):
        return {"uri": f"file://{name}"}
    return {"uri": name or "-", "uriBaseId": "%SRCROOT%"}


def _physical(location: Location, *, snippet: bool = False) -> dict[str, Any]:
    region: dict[str, Any] = dict(_region(location))
    if snippet:
        span = location.span
        line = location.file.line_text(span.line)
        text = line[span.column - 1 : region["endColumn"] - 1]
        region["snippet"] = {"text": encodable(text)}
    return {"physicalLocation": {"artifactLocation": _artifact(location), "region": region}}


def _flow(finding: Finding) -> dict[str, Any]:
    """The way of the value: the related places, then where it is told."""
    steps = [(label.location, label.text) for label in finding.labels[:MOST_RELATED]]
    steps.append((finding.location, finding.label or finding.message))
    return {
        "threadFlows": [
            {
                "locations": [
                    {"location": {**_physical(where), "message": {"text": encodable(text)}}} for where, text in steps
                ]
            }
        ]
    }


def _fix(finding: Finding) -> dict[str, Any]:
    assert finding.fix is not None
    changes: dict[str, dict[str, Any]] = {}
    for edit in finding.fix.edits:
        artifact = _artifact(edit.location)
        where = place(edit.location)
        change = changes.setdefault(artifact["uri"], {"artifactLocation": artifact, "replacements": []})
        change["replacements"].append(
            {
                "deletedRegion": {
                    "startLine": where.line,
                    "startColumn": where.column,
                    "endLine": where.end_line,
                    "endColumn": where.end_column,
                },
                "insertedContent": {"text": encodable(edit.replacement)},
            }
        )
    kind = "safe" if finding.fix.safe else "unsafe"
    return {
        "description": {"text": encodable(f"{finding.fix.title} ({kind})")},
        "artifactChanges": list(changes.values()),
    }


def _invocation(report: Report, options: Options, cut: int) -> dict[str, Any]:
    told_of = [_notification("error", failure, failure.help) for failure in report.failures]
    told_of += [_notification("note", entry) for entry in report.not_checked]
    found: dict[str, Any] = {
        "executionSuccessful": not report.failures,
        "toolExecutionNotifications": told_of[:MOST_NOTIFICATIONS],
    }
    if cut:
        text = f"{cut} findings of lesser severity are left out: no more than {MOST_RESULTS} are shown"
        found["toolExecutionNotifications"].append({"level": "warning", "message": {"text": text}})
    if options.status is not None:
        found["exitCode"] = options.status
    return found


def _notification(level: str, entry: Failure | NotChecked, help_text: str = "") -> dict[str, Any]:
    word = "could not be linted" if level == "error" else "not checked"
    text = f"{entry.subject}: {word}: {entry.reason}" + (f"; {help_text}" if help_text else "")
    found: dict[str, Any] = {"level": level, "message": {"text": encodable(text)}}
    if entry.location is not None:
        found["locations"] = [_physical(entry.location)]
    return found
