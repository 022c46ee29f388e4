"""JUnit's XML, which any CI can show: a test case for each finding, failed; one that passed if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.report.places import Places
from nginxtls.report.words import (
    checked,
    circumstances,
    compliance,
    encodable,
    findings_to_show,
    help_line,
    markup,
    notes,
    policy_rows,
    visible,
)

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options


SHOWN_POLICIES = 1_000


def render(report: Report, options: Options) -> str:
    """One test suite: a finding is a failure, input that could not be linted is an error."""
    findings = findings_to_show(report, options.show_suppressed)
    places = Places(report.root)
    cases = [_case(finding, places) for finding in findings]
    for failure in report.failures:
        cases += [
            f'    <testcase name="{_quoted(failure.subject)}" classname="nginxtls" time="0">',
            f'      <error message="{_quoted(failure.reason)}" type="input"/>',
            "    </testcase>",
        ]
    if not cases:
        cases = [f'    <testcase name="{_quoted(checked(report))}" classname="nginxtls" time="{report.seconds:.3f}"/>']
    total = max(len(findings) + len(report.failures), 1)
    counts = f'tests="{total}" failures="{len(report.findings)}" errors="{len(report.failures)}"'
    skipped = len(findings) - len(report.findings)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="nginxtls" {counts} time="{report.seconds:.3f}">',
            f'  <testsuite name="nginxtls" {counts} skipped="{skipped}" time="{report.seconds:.3f}">',
            *_properties(report),
            *cases,
            "  </testsuite>",
            "</testsuites>",
            "",
        ]
    )


def _properties(report: Report) -> list[str]:
    """What the findings are based on, and the table of policies: ``policy stig: shop.example.com on *:443``."""
    facts, *lines = circumstances(report._replace(policies=()))
    pairs = [("facts", facts), *(line.split(": ", 1) for line in lines)]
    rows, left = policy_rows(report, SHOWN_POLICIES)
    pairs += [(f"policy {row.policy}: {row.endpoint}", compliance(row)) for row in rows]
    pairs += [("policies left out", f"{left:,}")] if left else []
    entries = [f'      <property name="{_quoted(name)}" value="{_quoted(value)}"/>' for name, value in pairs]
    return ["    <properties>", *entries, "    </properties>"]


def _case(finding: Finding, places: Places) -> str:
    where = places.of(finding.location)
    title = f"{where.file}:{where.line}:{where.column} {finding.rule}"
    parts = [f"{title}: {finding.message}", *notes(finding), help_line(finding)]
    text = "\n".join(visible(part) for part in parts if part)
    if finding.suppressed is not None:
        outcome = f'<skipped message="{_quoted(finding.suppressed)}"/>'
    else:
        lines = "\n".join(_quoted(line) for line in text.split("\n"))
        outcome = f'<failure message="{_quoted(finding.message)}" type="{finding.severity}">{lines}</failure>'
    return "\n".join(
        [
            f'    <testcase name="{_quoted(title)}" classname="nginxtls.{finding.rule}" time="0">',
            f"      {outcome}",
            "    </testcase>",
        ]
    )


def _quoted(text: str) -> str:
    return markup(encodable(text))
