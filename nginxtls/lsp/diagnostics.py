"""Findings as diagnostics: with related places, and with the edits of their fix as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp

from nginxtls.base.errors import printable
from nginxtls.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from nginxtls.finding import Finding, Fix
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
MOST = 1000
"""No more findings of a document are sent."""
RELATED = 20
"""No more related places of a finding are."""

Diagnostics = dict[str, list[lsp.Diagnostic]]
"""Diagnostics by the URI of their document."""


def diagnostics(checked: Checked, places: Places, page: Callable[[Rule], str | None]) -> Diagnostics:
    """The diagnostics of a check that has a report; ``page`` gives the address of a rule's page."""
    assert checked.report is not None
    found: Diagnostics = {}
    rules = checked.report.rules
    for failure in (*checked.reading.failures, *checked.report.failures):
        if failure.location is not None:
            _add(found, places.document(failure.location.file)[0], _of_failure(failure, places))
    for finding in checked.report.findings:
        rule = rules.get(finding.rule)
        _add(found, places.document(finding.location.file)[0], _of_finding(finding, rule, places, page))
    return found


def _add(found: Diagnostics, uri: str, diagnostic: lsp.Diagnostic) -> None:
    of_document = found.setdefault(uri, [])
    if len(of_document) < MOST:
        of_document.append(diagnostic)


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
