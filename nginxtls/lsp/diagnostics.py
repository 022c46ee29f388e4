"""Findings as diagnostics: with related places, and with the edits of their fix as data."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from attrs import evolve
from lsprotocol import types as lsp

from nginxtls.base.errors import printable
from nginxtls.base.limits import LIMITS
from nginxtls.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nginxtls.finding import Fix
    from nginxtls.lsp.checking import Checked
    from nginxtls.lsp.places import Places
    from nginxtls.rule import Rule
    from nginxtls.syntax.places import Failure

SOURCE = "nginxtls"
SYNTAX = "syntax"
"""The code of what nginx cannot read."""
LEVELS = {
    Severity.ERROR: lsp.DiagnosticSeverity.Error,
    Severity.WARNING: lsp.DiagnosticSeverity.Warning,
    Severity.NOTE: lsp.DiagnosticSeverity.Information,
}
NOT_SHOWN = "not-shown"
"""The code of a remark that something is not shown."""
RELATED = 20
"""No more related places of a finding are."""

Diagnostics = dict[str, list[lsp.Diagnostic]]
"""Diagnostics by the URI of their document."""


def diagnostics(checked: Checked, places: Places, page: Callable[[Rule], str | None]) -> Diagnostics:
    """The diagnostics of a check that has a report; ``page`` gives the address of a rule's page."""
    assert checked.report is not None
    opened = {*places.opened.values()}
    rules, most = checked.report.rules, LIMITS["diagnostics"]
    of_documents: dict[str, list[Failure | Finding]] = {}
    everything: Iterable[Failure | Finding] = chain(
        checked.reading.failures, checked.report.failures, checked.report.findings
    )
    for each in everything:
        if each.location is not None and (uri := places.document(each.location.file)[0]) in opened:
            of_documents.setdefault(uri, []).append(each)
    found: Diagnostics = {}
    for uri, several in of_documents.items():
        sent = _most_important(several, most)
        if len(several) > most:
            few = len(checked.report.findings) < LIMITS["findings"]
            found[uri] = [_left_out(len(several) - most, "" if few else "at least ")]
        found.setdefault(uri, []).extend(
            _of_finding(each, rules.get(each.rule), places, page)
            if isinstance(each, Finding)
            else _of_failure(each, places)
            for number, each in enumerate(several)
            if number in sent
        )
    return found


def _most_important(found: list[Failure | Finding], most: int) -> set[int]:
    """The places of the most severe ones in a list, of each rule some; what nginx cannot read is an error."""
    counts: Counter[str] = Counter()
    ranks = []
    for number, each in enumerate(found):
        code, severity = (each.rule, each.severity) if isinstance(each, Finding) else (SYNTAX, Severity.ERROR)
        counts[code] += 1
        ranks.append((-severity, counts[code], number))
    return {number for _, _, number in sorted(ranks)[:most]}


def _left_out(count: int, about: str) -> lsp.Diagnostic:
    sent = f"the {LIMITS['diagnostics']:,} most severe are; `nginxtls check` reports all"
    return _remark(f"{about}{count:,} findings of this file are not shown: {sent}")


def elsewhere(uri: str) -> lsp.Diagnostic:
    """The remark on a document whose file is open as another one, with another text."""
    return _remark(
        f"this text is not checked: the file is open as {printable(uri)}, too, with a text that was changed later"
    )


def _remark(text: str) -> lsp.Diagnostic:
    start = lsp.Position(0, 0)
    level = lsp.DiagnosticSeverity.Information
    return lsp.Diagnostic(lsp.Range(start, start), text, level, code=NOT_SHOWN, source=SOURCE)


def moved(found: list[lsp.Diagnostic], old: str, new: str) -> list[lsp.Diagnostic]:
    """The diagnostics of a document for another one with the same text; their fixes edit that."""

    def of_fix(data: Any) -> Any:
        edits = {new if uri == old else uri: several for uri, several in data["edits"].items()}
        return {**data, "edits": edits}

    return [evolve(each, data=of_fix(each.data)) if each.data else each for each in found]


def _of_failure(failure: Failure, places: Places) -> lsp.Diagnostic:
    assert failure.location is not None
    help = f"\nhelp: {printable(failure.help)}" if failure.help else ""
    return lsp.Diagnostic(
        range=places.range(failure.location.file, failure.location.span),
        message=f"{printable(failure.reason)}{help}",
        severity=lsp.DiagnosticSeverity.Error,
        code=SYNTAX,
        source=SOURCE,
    )


def _of_finding(
    finding: Finding, rule: Rule | None, places: Places, page: Callable[[Rule], str | None]
) -> lsp.Diagnostic:
    lines = [finding.message, *(f"note: {note}" for note in finding.notes)]
    if finding.help:
        lines.append(f"help: {finding.help}")
    if len(finding.labels) > RELATED:
        lines.append(f"note: {len(finding.labels) - RELATED:,} more places are involved")
    address = page(rule) if rule is not None else None
    related = [
        lsp.DiagnosticRelatedInformation(places.target(label.location), printable(label.text) or "related")
        for label in finding.labels[:RELATED]
    ]
    return lsp.Diagnostic(
        range=places.range(finding.location.file, finding.location.span),
        message="\n".join(map(printable, lines)),
        severity=LEVELS[finding.severity],
        code=finding.rule,
        code_description=lsp.CodeDescription(address) if address else None,
        source=SOURCE,
        tags=[lsp.DiagnosticTag.Unnecessary] if rule is not None and rule.needless else None,
        related_information=related or None,
        data=_fix(finding.fix, places) if finding.fix and not finding.group else None,
    )


def _fix(fix: Fix, places: Places) -> dict[str, Any] | None:
    """A fix as plain data: its title, whether it is safe, and its edits by the URI of their document."""
    edits: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        file = edit.location.file
        if file.outer is not None or file.first_line != 1:
            return None  # in a dump or a manifest, which is not edited
        spot = places.range(file, edit.location.span)
        ends = {
            name: {"line": place.line, "character": place.character}
            for name, place in (("start", spot.start), ("end", spot.end))
        }
        edits.setdefault(places.document(file)[0], []).append({"range": ends, "newText": edit.replacement})
    return {"title": fix.title, "safe": fix.safe, "edits": edits}
