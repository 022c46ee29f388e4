"""Words that several formats share: escaping of hostile text, counts, notes, what was not checked."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from nginxtls.base.errors import printable
from nginxtls.base.freshness import DATE
from nginxtls.finding import Severity
from nginxtls.linting.report import NOT_TLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nginxtls.finding import Finding
    from nginxtls.linting.report import EndpointRow, PolicyRow, Report
    from nginxtls.report.options import Options
    from nginxtls.syntax.places import NotChecked

SHOWN = 3
"""The number of names listed before "and 4 more"."""

SHOWN_HINTS = 10
"""The number of hints in formats of lines."""

_KINDS = {
    "include": ("include", "includes"),
    "listen": ("listener", "listeners"),
    "server_name": ("server name", "server names"),
    "ssl_dhparam": ("DH parameter file", "DH parameter files"),
    "ssl_certificate": ("certificate", "certificates"),
    "ssl_certificate_key": ("private key", "private keys"),
}


_LINK = re.compile(r"^a link to .*, which does not exist$")


def visible(text: str) -> str:
    """The text with control characters, bidirectional marks and the like written as escapes."""
    return text if text.isprintable() else printable(text)


def encodable(text: str) -> str:
    """The text with lone surrogates (bytes of a file name that are not UTF-8) written as escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def markup(text: str) -> str:
    """The visible text for XML and HTML, in content or in a quoted attribute."""
    from html import escape

    return escape(visible(text)).replace("##", "#&#35;")


def count(number: int, one: str, many: str = "") -> str:
    """``1 file``, ``2 files``, ``10,000 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listing(words: Iterable[str]) -> str:
    """``a``; ``a and b``; ``a, b and c``; ``a, b, c and 4 more``."""
    names = list(words)
    if len(names) > SHOWN + 1:
        names = [*names[:SHOWN], f"{len(names) - SHOWN:,} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def affected(finding: Finding) -> str:
    """The note on which endpoints a finding affects; empty if none are known."""
    return f"affects {listing(finding.endpoints)}" if finding.endpoints else ""


def notes(finding: Finding) -> list[str]:
    """All notes of a finding, with those on its endpoints and its suppression."""
    extra = [affected(finding)] if finding.endpoints else []
    if finding.suppressed is not None:
        extra.append(
            f"not counted: {'it is in the baseline' if finding.suppressed == 'baseline' else finding.suppressed}"
        )
    return [*finding.notes, *extra]


def help_line(finding: Finding) -> str:
    """The help of a finding, and whether its fix is safe."""
    fix = finding.fix
    if fix is None:
        return finding.help
    kind = "safe fix" if fix.safe else "unsafe fix"
    if not finding.help or finding.help == fix.title:
        return f"{fix.title} ({kind})"
    return f"{finding.help} ({kind}: {fix.title})"


def remarks(finding: Finding) -> list[str]:
    """The notes of a finding, then its help as ``help: …``."""
    helping = help_line(finding)
    return [*notes(finding), *([f"help: {helping}"] if helping else [])]


def findings_to_show(report: Report, options: Options) -> list[Finding]:
    """The findings to show in the order of the options; with ``show_suppressed`` also the suppressed ones."""
    findings = list(report.findings)
    if options.show_suppressed and report.suppressed:
        findings = sorted([*findings, *report.suppressed], key=_place)
    return worst_first(findings) if options.sort == "severity" else findings


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by severity, of the errors those first that keep nginx from starting; else in their order."""
    return sorted(findings, key=lambda f: (bool(f.group), -f.severity, not _stops_nginx(f), -f.security_severity))


def _stops_nginx(finding: Finding) -> bool:
    """Whether nginx does not start with it: rules say so in these words."""
    return " does not start" in finding.message


def _place(finding: Finding) -> tuple[object, ...]:
    return (finding.group, finding.location.name, finding.location.span.line, finding.location.span.column)


def checked(report: Report) -> str:
    """``4 files, 3 servers, 2 endpoints, 1 certificate with facts of 2026-11-23``."""
    numbers = ", ".join(
        [
            count(report.files, "file"),
            count(report.servers, "server"),
            count(len(report.endpoints), "endpoint"),
            count(report.certificates, "certificate"),
        ]
    )
    return f"{numbers} with facts of {DATE}"


def versions(report: Report) -> list[str]:
    """A line for each assumption that the report was made for: ``nginx 1.22.1, OpenSSL 3.0.20: detected from dpkg``."""
    if len(report.versions) < 2:
        return [entry.text for entry in report.versions]
    counts = Counter(entry.text for entry in report.versions for _ in entry.configurations)
    lines = [f"{text} ({count(number, 'configuration')})" for text, number in counts.most_common()]
    left = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {count(left, 'other version')}"] if left > 1 else lines


def served(row: EndpointRow) -> str:
    """The protocols of an endpoint; where two groups of builds differ those of each, where more do those of some."""
    if not row.differing:
        return ", ".join(row.protocols)
    if len(row.differing) == 2 and not any(", or " in part for part, _ in row.differing):
        return "; ".join(f"{', '.join(protocols) or 'none'} with {part}" for part, protocols in row.differing)
    common = [version for version in row.protocols if all(version in protocols for _, protocols in row.differing)]
    rest = [version for version in row.protocols if version not in common]
    return "; ".join(filter(None, (", ".join(common), f"depending on the version {', '.join(rest)}")))


def compliance(row: PolicyRow) -> str:
    """``pass``; ``fail: protocols, key``; ``depends: fails with nginx 1.26.3 and older: groups``; ``unknown: key``."""
    if row.differing:
        parts = "; ".join(
            f"fails with {part}: {_items(items)}" if items else f"passes with {part}" for part, items in row.differing
        )
        text = f"{row.result}: {parts}"
    else:
        text = row.result + (f": {_items(row.violated)}" if row.violated else "")
    if row.unknown:
        text += f"{'; not known' if row.violated else ''}: {_items(row.unknown)}"
    return text if row.serves else f"{text} (no handshake succeeds)"


def _items(names: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


_RESULTS = ("fail", "depends", "unknown", "pass")


def policy_rows(report: Report, most: int) -> tuple[list[PolicyRow], int]:
    """The rows of the policies table, at most so many, and the number of the others; then failed ones come first."""
    rows = list(report.policies)
    if len(rows) > most:
        rows.sort(key=lambda row: _RESULTS.index(row.result))
    return rows[:most], max(len(rows) - most, 0)


def policy_lines(report: Report, most: int = 1_000) -> list[str]:
    """The policies table as lines: ``policy stig: shop.example.com on *:443: fail: protocols``."""
    rows, left = policy_rows(report, most)
    lines = [f"policy {row.policy}: {row.endpoint}: {compliance(row)}" for row in rows]
    return [*lines, f"and {left:,} more"] if left else lines


def circumstances(report: Report) -> list[str]:
    """What findings alone do not say, for formats of lines: facts, versions, what was not checked, hints, policies."""
    left = not_checked(report.not_checked)
    return [
        f"facts of {DATE}",
        *(f"versions: {line}" for line in versions(report)),
        *([f"not checked: {', '.join(left)}"] if left else []),
        *(f"note: {hint}" for hint in report.hints[:SHOWN_HINTS]),
        *policy_lines(report),
    ]


def not_checked(entries: Iterable[NotChecked]) -> list[str]:
    """``2 private keys (no permission)``, most first."""
    groups = Counter((_kind(entry), _LINK.sub("links to missing files", entry.reason)) for entry in entries)
    return [f"{count(number, *kind)} ({reason})" for (kind, reason), number in groups.most_common()]


def unread_includes(entries: Iterable[NotChecked]) -> list[NotChecked]:
    """The entries that are includes: every answer lacks their content."""
    return [entry for entry in entries if _kind(entry)[0] == "include"]


def verdict(report: Report) -> str:
    """``1 error, 1 unsafe fix; 3 suppressed, 12 in the baseline``."""
    found = [count(report.count(s), str(s)) for s in sorted(Severity, reverse=True) if report.count(s)]
    fixes = Counter(finding.fix.safe for finding in report.findings if finding.fix)
    if fixes[True]:
        found.append(count(fixes[True], "safe fix", "safe fixes"))
    if fixes[False]:
        found.append(count(fixes[False], "unsafe fix", "unsafe fixes"))
    baselined = sum(finding.suppressed == "baseline" for finding in report.suppressed)
    hidden = []
    if len(report.suppressed) > baselined:
        hidden.append(f"{len(report.suppressed) - baselined:,} suppressed")
    if baselined:
        hidden.append(f"{baselined:,} in the baseline")
    return "; ".join(filter(None, [", ".join(found) or "no findings", ", ".join(hidden)]))


def duration(seconds: float) -> str:
    """``0.12 s``."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _kind(entry: NotChecked) -> tuple[str, str]:
    """What a subject is, in singular and plural, from the directive that names it."""
    if entry.location is None:
        return ("file", "files")
    if entry.reason == NOT_TLS:
        return ("directive", "directives")
    span = entry.location.span
    line = entry.location.file.line_text(span.line)[span.column - 1 :][:80]
    words = line.split(None, 1)
    return _KINDS.get(words[0] if words else "", ("file", "files"))
