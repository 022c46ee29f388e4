"""SARIF 2.1.0 as GitHub code scanning and other readers use it best."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from nginxtls.base.freshness import DATE
from nginxtls.base.printing import json_text
from nginxtls.finding import Confidence, Severity
from nginxtls.linting.pages import page
from nginxtls.report.places import Place, Places, uri
from nginxtls.report.words import affected, compliance, findings_to_show, help_line, policy_rows, versions, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nginxtls.finding import Finding, Label, Location
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options, Revision
    from nginxtls.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"
FINGERPRINT = "nginxtls/v1"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
PRECISION = {Confidence.CERTAIN: "very-high", Confidence.LIKELY: "medium"}
NOTIFICATIONS = {
    "not-linted": "Requested input could not be linted.",
    "not-checked": "A file or setting of the configuration could not be checked.",
    "remark": "A circumstance of the run, such as a version newer than those that are modelled.",
    "cut": "The report exceeds the limits of code scanning.",
}

# GitHub's limits: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
RESULTS = 5_000
"""GitHub accepts 25,000 results, but shows no more than these."""
BYTES = 10_000_000
RELATED = 100
TEXT = 1_024
TAGS = 10
NOTED = 1_000
SNIPPET = 1_000
"""Longer lines are not copied into the file."""


def render(report: Report, options: Options) -> str:
    """One run. Above GitHub's limit the most severe findings are kept, and a notification reports the rest."""
    findings = findings_to_show(report, options)
    total = len(findings)
    if total > RESULTS:
        findings = _severest(findings, RESULTS)
    while True:
        text = _Run(report, options).render(findings, total - len(findings))
        size = len(text) if len(text) <= BYTES else len(gzip.compress(text.encode(), compresslevel=1))
        if size <= BYTES or not findings:
            return text
        findings = _severest(findings, len(findings) * BYTES * 9 // (size * 10))


def _severest(findings: list[Finding], number: int) -> list[Finding]:
    return sorted(findings, key=lambda f: (-f.severity, -f.security_severity))[:number]


class _Run:
    """Writes one run; rules are numbered as in the driver."""

    def __init__(self, report: Report, options: Options) -> None:
        self.report = report
        self.options = options
        self.places = Places(report.root)

    def render(self, findings: Iterable[Finding], left_out: int) -> str:
        findings = list(findings)
        by_rule: dict[str, Finding] = {}
        for finding in findings:
            by_rule.setdefault(finding.rule, finding)
        names = sorted(by_rule)  # GitHub needs no rules without results, and their pages take half a megabyte
        numbers = {name: number for number, name in enumerate(names)}
        driver: dict[str, Any] = {
            "name": "nginxtls",
            "properties": {"facts": DATE.isoformat()},
            "rules": [_descriptor(name, self.report.rules.get(name), by_rule.get(name)) for name in names],
            "notifications": [
                # GitHub requires the same properties as for rules.
                {"id": name, **{part: {"text": text} for part in ("shortDescription", "fullDescription", "help")}}
                for name, text in NOTIFICATIONS.items()
            ],
        }
        if self.options.version:
            driver |= {"version": self.options.version, "semanticVersion": self.options.version}
        run: dict[str, Any] = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "invocations": [self._invocation(left_out)],
            "results": [self._result(finding, numbers) for finding in findings],
            "properties": {"versions": [visible(line) for line in versions(self.report)], **self._policies()},
        }
        if self.places.root:
            root = uri(self.places.root.rstrip("/") + "/")
            run["originalUriBaseIds"] = {BASE: {"uri": root}}
        if self.options.revision:
            run["versionControlProvenance"] = [_provenance(self.options.revision)]
        return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, separators=(",", ":")) + "\n"

    def _policies(self) -> dict[str, Any]:
        """The table of policies, if any was chosen."""
        rows, left = policy_rows(self.report, RESULTS)
        table = [
            {"policy": row.policy, "endpoint": visible(row.endpoint), "result": row.result, "text": compliance(row)}
            for row in rows
        ]
        return {"policies": table, **({"policiesLeftOut": left} if left else {})} if table else {}

    def _result(self, finding: Finding, numbers: Mapping[str, int]) -> dict[str, Any]:
        labels = finding.labels[:RELATED]
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "ruleIndex": numbers[finding.rule],
            "level": LEVELS[finding.severity],
            "message": {"text": self._message(finding)},
            "locations": [self._location(finding.location, finding.label)],
            "partialFingerprints": {FINGERPRINT: finding.fingerprint} if finding.fingerprint else {},
            "properties": {
                "confidence": finding.confidence.value,
                "endpoints": [visible(name) for name in finding.endpoints[:RELATED]],
            },
        }
        if labels:
            result["relatedLocations"] = [
                {"id": number, **self._location(label.location, label.text)} for number, label in enumerate(labels, 1)
            ]
            result["codeFlows"] = [self._flow(finding, labels)]
        if finding.fix and finding.suppressed is None:
            result["fixes"] = [self._fix(finding)]
        if finding.suppressed is not None:
            result["suppressions"] = [_suppression(finding.suppressed)]
        return result

    def _message(self, finding: Finding) -> str:
        """The message, then a line each for other places (linked), notes and help. Brackets would make links."""
        lines = [_plain(finding.message)]
        if finding.label:
            lines[0] += f" ({_plain(finding.label)})"
        for number, label in enumerate(finding.labels[:RELATED], 1):
            place = self.places.of(label.location)
            where = _plain(f"{label.location.name}:{place.line}")
            lines.append(f"[{_plain(label.text) or where}]({number}) ({where})")
        extra = [affected(finding)] if finding.endpoints else []
        lines += [f"Note: {_plain(note)}" for note in (*finding.notes, *extra)]
        if advice := help_line(finding):
            lines.append(f"Help: {_plain(advice)}")
        return "\n".join(lines)

    def _flow(self, finding: Finding, labels: Iterable[Label]) -> dict[str, Any]:
        """The place of the fault, then the related places, as a code flow."""
        steps = [(finding.location, finding.label or finding.message), *((x.location, x.text) for x in labels)]
        return {
            "threadFlows": [
                {"locations": [{"location": self._location(place, text)} for place, text in steps[:RELATED]]}
            ]
        }

    def _fix(self, finding: Finding) -> dict[str, Any]:
        assert finding.fix
        changes: dict[str, list[dict[str, Any]]] = {}
        for edit in finding.fix.edits:
            place = self.places.of(edit.location, one_line=False)
            content = {"text": edit.replacement}
            changes.setdefault(place.file, []).append({"deletedRegion": _region(place), "insertedContent": content})
        kind = "safe" if finding.fix.safe else "unsafe"
        return {
            "description": {"text": visible(f"{finding.fix.title} ({kind})")},
            "artifactChanges": [
                {"artifactLocation": self._artifact(file), "replacements": replacements}
                for file, replacements in changes.items()
            ],
        }

    def _location(self, location: Location, text: str = "") -> dict[str, Any]:
        place = self.places.of(location)
        region = _region(place)
        line = location.file.line_text(location.span.line)
        physical: dict[str, Any] = {"artifactLocation": self._artifact(place.file), "region": region}
        if len(line) <= SNIPPET:
            start = location.span.column - 1
            region["snippet"] = {"text": visible(line[start : place.end_column - 1])}
            if place.column > 1 or place.end_column <= len(line):  # a context is more than its region
                physical["contextRegion"] = {
                    "startLine": place.line,
                    "startColumn": 1,
                    "endLine": place.line,
                    "endColumn": max(len(line) + 1, place.end_column),
                    "snippet": {"text": _tabbed(line)},
                }
        return {"physicalLocation": physical, **({"message": {"text": _plain(text)}} if text else {})}

    def _artifact(self, file: str) -> dict[str, Any]:
        base = {"uriBaseId": BASE} if self.places.root and self.places.is_inside(file) else {}
        return {"uri": uri(file), **base}

    def _invocation(self, left_out: int) -> dict[str, Any]:
        report = self.report
        notes: list[dict[str, Any]] = []
        for failure in report.failures:
            help = f" ({failure.help})" if failure.help else ""
            notes.append(
                self._notification(
                    "not-linted", "error", f"{failure.subject}: {failure.reason}{help}", failure.location
                )
            )
        if left_out:
            text = f"{left_out:,} of the least severe findings are left out to stay within GitHub's limits"
            notes.append(self._notification("cut", "warning", text))
        notes += [self._notification("remark", "note", text) for text in report.hints]
        for entry in report.not_checked[:NOTED]:
            text = f"not checked: {entry.subject}: {entry.reason}"
            notes.append(self._notification("not-checked", "note", text, entry.location))
        if len(report.not_checked) > NOTED:
            text = f"{len(report.not_checked) - NOTED:,} more entries were not checked"
            notes.append(self._notification("not-checked", "note", text))
        invocation: dict[str, Any] = {
            "executionSuccessful": not report.failures,
            "toolExecutionNotifications": notes,
        }
        if self.options.status is not None:
            invocation["exitCode"] = self.options.status
        return invocation

    def _notification(self, name: str, level: str, text: str, location: Location | None = None) -> dict[str, Any]:
        return {
            "descriptor": {"id": name, "index": list(NOTIFICATIONS).index(name)},
            "level": level,
            "message": {"text": _plain(text)},
            **({"locations": [self._location(location)]} if location else {}),
        }


def _descriptor(name: str, rule: Rule | None, finding: Finding | None) -> dict[str, Any]:
    """A rule as code scanning shows it; of a rule that did not run, only what its findings contain."""
    if rule is None:
        level = LEVELS[finding.severity] if finding else "warning"
        text = {"text": name}
        return {"id": name, "shortDescription": text, "fullDescription": text, "help": text,
                "defaultConfiguration": {"level": level}}  # fmt: skip
    documentation = _visible_lines(rule.documentation)
    markdown = page(rule).partition("\n\n")[2]
    properties: dict[str, Any] = {
        "tags": ["security", rule.topic, *(f"external/cwe/cwe-{number:03}" for number in rule.cwe)][:TAGS],
        "precision": PRECISION[rule.confidence],
        "problem.severity": {"note": "recommendation"}.get(str(rule.severity), str(rule.severity)),
    }
    if rule.security_severity:
        properties["security-severity"] = f"{rule.security_severity:.1f}"
    descriptor: dict[str, Any] = {
        "id": name,
        "name": type(rule).__name__[:255],
        "shortDescription": {"text": _cut(rule.summary or name)},
        "fullDescription": {"text": _cut(_prose(documentation) or name)},
        "help": {"text": documentation or name, "markdown": markdown},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": properties,
    }
    if rule.references and rule.references[0].startswith("http"):
        descriptor["helpUri"] = rule.references[0]
    return descriptor


def _prose(documentation: str) -> str:
    """The paragraphs before the first example, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in documentation.partition("```")[0].split("\n\n")).strip()


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _region(place: Place) -> dict[str, Any]:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _suppression(reason: str) -> dict[str, Any]:
    if reason == "baseline":
        return {"kind": "external", "status": "accepted", "justification": "in the baseline"}
    justification = reason.partition(": ")[2]
    extra = {"justification": visible(justification)} if justification else {}
    return {"kind": "inSource", "status": "accepted", **extra}


def _provenance(revision: Revision) -> dict[str, Any]:
    branch = {"branch": revision.branch} if revision.branch else {}
    return {
        "repositoryUri": revision.uri,
        "revisionId": revision.commit,
        **branch,
        "mappedTo": {"uriBaseId": BASE},
    }


def _plain(text: str) -> str:
    """The text with brackets escaped, so that they make no link (SARIF 3.11.6)."""
    return visible(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _tabbed(line: str) -> str:
    return "\t".join(visible(part) for part in line.split("\t"))


def _visible_lines(text: str) -> str:
    """Visible text that keeps its lines."""
    return "\n".join(visible(line) for line in text.split("\n"))
