"""Findings for people: the source with carets under the fault, labels on other places, notes, help, and a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.report.source import Wanted, row, under, wrapped
from nginxtls.report.words import (
    checked,
    compliance,
    count,
    duration,
    findings_to_show,
    help_line,
    not_checked,
    notes,
    policy_rows,
    unread_includes,
    verdict,
    versions,
    visible,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Location
    from nginxtls.linting.report import Report
    from nginxtls.report.options import Options
    from nginxtls.syntax.places import Failure
    from nginxtls.syntax.tree import SourceFile

RED, YELLOW, GREEN, BLUE, BOLD, DIM = "1;31", "1;33", "1;32", "1;34", "1", "2"
_COLORS = {"error": RED, "warning": YELLOW, "note": GREEN}
NARROWEST, WIDEST = 40, 200
SHOWN_INCLUDES = 5
"""The number of unread includes that are listed without ``--verbose``."""
SHOWN_POLICIES = 30
"""The number of rows of the policies table that are shown without ``--verbose``."""
SHOWN_HINTS = 3
"""The number of hints on path mappings that are shown without ``--verbose``."""


def render(report: Report, options: Options) -> str:
    """The report as text: findings, input that could not be linted, summary."""
    pen = Pen(report, options)
    parts: list[str] = []
    group = ""
    for finding in findings_to_show(report, options):
        if finding.group != group:
            group = finding.group
            parts.append(pen.heading(group))
        parts.append(pen.finding(finding))
    parts += [pen.failure(failure) for failure in report.failures]
    if options.statistics and report.findings:
        parts.append("".join(f"{line}\n" for line in _statistics(report)))
    if report.policies and not options.quiet:
        parts.append("".join(f"{line}\n" for line in pen.policies()))
    if not options.quiet:
        parts.append("".join(f"{line}\n" for line in pen.summary()))
    return "\n".join(parts)


class Pen:
    """Writes the parts of a report, with or without colour."""

    def __init__(self, report: Report, options: Options) -> None:
        self.report = report
        self.options = options
        self.width = max(options.width or WIDEST, NARROWEST)

    def paint(self, text: str, style: str) -> str:
        """The text in a style of SGR parameters such as ``1;31``; unchanged without colour."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.options.color and text else text

    def heading(self, group: str) -> str:
        """The line above the findings of a group."""
        return self.paint(f"{group} (these findings do not count for the exit code):", BOLD) + "\n"

    def finding(self, finding: Finding) -> str:
        """A finding in full."""
        severity = str(finding.severity)
        color = _COLORS[severity]
        title = self.paint(f"{severity}[", color) + self._link(finding.rule, color) + self.paint("]", color)
        lines = [title + self.paint(f": {visible(finding.message)}", BOLD)]
        primary = Wanted(finding.location, finding.label, True)
        places = [primary, *(Wanted(label.location, label.text, False) for label in finding.labels)]
        gutter = max(2, *(len(str(place.location.span.line)) for place in places))
        files: dict[SourceFile, list[Wanted]] = {}
        for place in places:
            files.setdefault(place.location.file, []).append(place)
        bar = self._bar(gutter)
        for arrow, wanted in zip(["-->", *[":::"] * len(files)], files.values(), strict=False):
            if arrow == ":::":
                lines.append(bar)
            lines.append(" " * gutter + self.paint(arrow, BLUE) + " " + _where(wanted[0].location))
            lines.append(bar)
            lines += self._excerpt(wanted, gutter, color)
        remarks = [("note", note) for note in notes(finding)]
        if advice := help_line(finding):
            remarks.append(("help", advice))
        if remarks and len(places) > 1:
            lines.append(bar)
        for word, text in remarks:
            lines += self._remark(word, text, gutter)
        return "".join(f"{line}\n" for line in lines)

    def failure(self, failure: Failure) -> str:
        """Input that could not be linted, in the form of a finding."""
        lines = [
            self.paint("error", RED) + self.paint(f": {visible(failure.subject)}: {visible(failure.reason)}", BOLD)
        ]
        gutter = 2
        if failure.location:
            gutter = max(gutter, len(str(failure.location.span.line)))
            lines.append(" " * gutter + self.paint("-->", BLUE) + " " + _where(failure.location))
            lines.append(self._bar(gutter))
            lines += self._excerpt([Wanted(failure.location, "", True)], gutter, RED)
        if failure.help:
            lines += self._remark("help", failure.help, gutter)
        if failure.trace and self.options.verbose:
            lines += [f"   {visible(line)}" for line in failure.trace.splitlines()]
        return "".join(f"{line}\n" for line in lines)

    def policies(self) -> Iterator[str]:
        """The table of policies: a row for each endpoint and policy."""
        everything = len(self.report.policies)
        rows, left = policy_rows(self.report, everything if self.options.verbose else SHOWN_POLICIES)
        cells = [(visible(row.policy), visible(row.endpoint)) for row in rows]
        first = max(len("POLICY"), *(len(policy) for policy, _ in cells))
        second = max(len("ENDPOINT"), *(len(endpoint) for _, endpoint in cells))
        yield self.paint(f"{'POLICY':<{first}}  {'ENDPOINT':<{second}}  RESULT", BOLD)
        for each, (policy, endpoint) in zip(rows, cells, strict=True):
            style = {"fail": RED, "pass": GREEN}.get(each.result, YELLOW)
            yield f"{policy:<{first}}  {endpoint:<{second}}  {self.paint(compliance(each), style)}"
        if left:
            yield f"and {left:,} more, which -v lists"

    def summary(self) -> Iterator[str]:
        """What was checked and what was not, and the result."""
        report = self.report
        left = not_checked(report.not_checked)
        line = f"checked {checked(report)}" + (f"; not checked: {', '.join(left)}" if left else "")
        yield from wrapped(visible(line), self.width)
        for made_for in versions(report):
            yield from wrapped(visible(f"versions: {made_for}"), self.width)
        named = report.not_checked if self.options.verbose else unread_includes(report.not_checked)
        for entry in named if self.options.verbose else named[:SHOWN_INCLUDES]:
            where = f" ({_where(entry.location)})" if entry.location else ""
            yield visible(f"  not checked: {entry.subject}: {entry.reason}{where}")
        if not self.options.verbose and len(named) > SHOWN_INCLUDES:
            yield f"  and {len(named) - SHOWN_INCLUDES} more includes, which -v lists"
        shown = report.hints if self.options.verbose else report.hints[:SHOWN_HINTS]
        for remark in shown:
            yield visible(f"  {remark}")
        if len(shown) < len(report.hints):
            yield f"  and {len(report.hints) - len(shown)} more mappings, which -v lists"
        for gone in report.gone:
            yield from wrapped(visible(f"fixed, but still in the baseline: {gone}"), self.width)
        if report.failures:
            inputs = {failure.location.file if failure.location else failure.subject for failure in report.failures}
            yield self.paint(f"{count(len(inputs), 'input')} could not be linted", RED)
        style = RED if report.errors else YELLOW if report.findings else GREEN
        yield self.paint(verdict(report), style) + self.paint(f"; took {duration(report.seconds)}", DIM)

    def _excerpt(self, wanted: list[Wanted], gutter: int, color: str) -> Iterator[str]:
        """The marked lines of one file, with carets and labels under them."""
        by_line: dict[int, list[Wanted]] = {}
        for place in wanted:
            shown = Wanted(place.location, visible(place.text), place.primary)
            by_line.setdefault(place.location.span.line, []).append(shown)
        room = self.width - gutter - 3
        previous = 0
        file = wanted[0].location.file
        for number in sorted(by_line):
            if previous and number == previous + 2:
                yield self._source(number - 1, row(number - 1, file.line_text(number - 1), (), room).text, gutter)
            elif previous and number > previous + 1:
                yield self.paint("...", BLUE)
            line = row(number, file.line_text(number), by_line[number], room)
            yield self._source(number, line.text, gutter)
            for text, stretches in under(line.marks, room):
                yield f"{self._bar(gutter)} {self._painted(text, stretches, color)}"
            previous = number

    def _source(self, number: int, text: str, gutter: int) -> str:
        return f"{self.paint(f'{number:>{gutter}} |', BLUE)} {text}".rstrip()

    def _bar(self, gutter: int) -> str:
        return self.paint(" " * (gutter + 1) + "|", BLUE)

    def _painted(self, text: str, stretches: list[tuple[int, int, bool]], color: str) -> str:
        if not self.options.color:
            return text
        styles = [""] * len(text)
        for start, end, primary in sorted(stretches, key=lambda stretch: stretch[2]):
            styles[start:end] = [color if primary else BLUE] * (min(end, len(text)) - start)
        painted, begin = [], 0
        for at in range(1, len(text) + 1):
            if at == len(text) or styles[at] != styles[begin]:
                part = text[begin:at]
                painted.append(self.paint(part, styles[begin]) if styles[begin] else part)
                begin = at
        return "".join(painted)

    def _remark(self, word: str, text: str, gutter: int) -> Iterator[str]:
        indent = gutter + 1
        first, *rest = wrapped(visible(text), self.width - indent - len(word) - 4)
        yield " " * indent + self.paint("=", BLUE) + " " + self.paint(f"{word}:", BOLD) + f" {first}"
        for line in rest:
            yield " " * (indent + len(word) + 4) + line

    def _link(self, name: str, style: str) -> str:
        """The rule's name, linked to the first of its references."""
        rule = self.report.rules.get(name)
        text = self.paint(name, style)
        if not self.options.hyperlinks or rule is None or not rule.references:
            return text
        return f"\x1b]8;;{visible(rule.references[0])}\x1b\\{text}\x1b]8;;\x1b\\"


def _where(location: Location) -> str:
    return f"{visible(location.name)}:{location.span.line}:{location.span.column}"


def _statistics(report: Report) -> Iterator[str]:
    counts = Counter((finding.severity, finding.rule) for finding in report.findings)
    for (severity, rule), number in sorted(counts.items(), key=lambda item: (-item[1], -item[0][0], item[0][1])):
        yield f"{number:>6} {severity}[{rule}]"
