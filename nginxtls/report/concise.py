"""One line a finding: ``file:line:column: severity[rule] message``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.report.words import circumstances, findings_to_show, visible

if TYPE_CHECKING:
    from nginxtls.finding import Finding
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options


def render(report: Report, options: Options) -> str:
    """The findings, then what could not be linted, a line each; last what they are based on."""
    lines = [_line(finding) for finding in findings_to_show(report, options)]
    for failure in report.failures:
        where = visible(failure.subject)
        if failure.location:
            span = failure.location.span
            where = f"{visible(failure.location.name)}:{span.line}:{span.column}"
        lines.append(f"{where}: error: {visible(failure.reason)}")
    if not options.quiet:
        lines += [visible(line) for line in circumstances(report)]
    return "".join(f"{line}\n" for line in lines)


def _line(finding: Finding) -> str:
    span = finding.location.span
    place = f"{visible(finding.location.name)}:{span.line}:{span.column}"
    extra = f" ({visible(finding.suppressed)})" if finding.suppressed else ""
    return f"{place}: {finding.severity}[{finding.rule}] {visible(finding.message)}{extra}"
