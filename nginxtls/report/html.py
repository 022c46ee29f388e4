"""One self-contained HTML page: totals, findings with source and explanation, tables. It loads and sends nothing."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from nginxtls.base.freshness import DATE
from nginxtls.finding import Severity
from nginxtls.report.cards import Column, Pick, Row, card, escaped, level
from nginxtls.report.hosts import short_names
from nginxtls.report.places import Places
from nginxtls.report.prose import prose, with_code
from nginxtls.report.words import (
    compliance,
    count,
    duration,
    findings_to_show,
    help_line,
    listing,
    not_checked,
    notes,
    policy_rows,
    served,
    verdict,
    versions,
    worst_first,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.finding import Finding, Location
    from nginxtls.linting.report import CertificateRow, ClientRow, EndpointRow, PolicyRow, Report
    from nginxtls.report.options import Options

MOST_ROWS, OPEN = 20_000, 50
"""The most rows of a table, and of one that is open from the start."""
CONTEXT = 160
"""The number of characters shown before and after the marked part of a line."""
MARKED = 400
"""The number of marked characters shown."""
SEVERITIES = sorted(Severity, reverse=True)
ENDPOINT = ("socket", "names", "protocols", "certificate")
CERTIFICATE = ("file", "names", "chain"), ("served on", "issuer", "key", "subject")
MOST_CLIENTS = 8
"""The most entries of a list of clients; ``nginxtls clients`` has all."""
DAYS = Column("days left", number=True, days=True)
_WORDS = re.compile(r"[^a-z0-9]+")


def render(report: Report, options: Options) -> str:
    """The page. Everything from a configuration is escaped, and the browser runs only the script with its hash."""
    page = _Page(report, options)
    style, script = _asset("page.css"), _asset("page.js")
    parts = {
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; "
        "form-action 'none'",
        "style": style,
        "script": script,
        "title": f"{page.title}: {escaped(verdict(report))}",
        "heading": page.title,
        "facts": "".join(
            f"<dt>{name}</dt>{''.join(f'<dd>{line}</dd>' for line in lines)}" for name, lines in page.facts()
        ),
        "tiles": page.tiles(),
        "failures": page.failures(),
        "hints": page.hints(),
        "totals": page.totals(),
        "filters": page.filters(),
        "findings": page.findings(),
        "tables": page.tables(),
        "unchecked": page.unchecked(),
        "rules": page.rules(),
        "version": escaped(options.version),
        "freshness": str(DATE),
    }
    sections = [f'<li><a href="#{name}">{title}</a></li>' for name, title in page.sections]
    text = _asset("page.html")
    for name, part in {**parts, "sections": "".join(sections)}.items():
        head, mark, tail = text.partition(f"<!--{name}-->")
        text = head + part + tail if mark else text
    return text


class _Page:
    """Writes the parts of the page."""

    def __init__(self, report: Report, options: Options) -> None:
        self.report = report
        self.places = Places(report.root)
        self.shown = worst_first(findings_to_show(report, options))
        self.hosts = short_names({*report.hosts.values()}) if len({*report.hosts.values()}) > 1 else {}
        self.sections = [("findings", "Findings")]

    @property
    def title(self) -> str:
        """What was linted."""
        scope = listing(self.report.scope) or "nginx configuration"
        return escaped(f"TLS report: {scope}" + (f" ({count(len(self.hosts), 'host')})" if self.hosts else ""))

    def facts(self) -> Iterator[tuple[str, list[str]]]:
        """What was checked, when and with what assumptions."""
        report = self.report
        yield "Result", [escaped(verdict(report))]
        numbers = [
            (report.files, "file"),
            (report.servers, "server"),
            (len(report.endpoints), "endpoint"),
            (report.certificates, "certificate"),
        ]
        yield "Checked", [escaped(f"{', '.join(count(*each) for each in numbers)} in {duration(report.seconds)}")]
        if left := not_checked(report.not_checked):
            yield "Not checked", [escaped(listing(left))]
        if report.versions:
            yield "Versions", [escaped(line) for line in versions(report)]
        if report.at:
            yield "As of", [f"{report.at:%Y-%m-%d %H:%M} UTC, with facts of {DATE}"]

    def tiles(self) -> str:
        """The number of findings of each severity, and what was not checked."""
        report = self.report
        numbers = [(str(severity), report.count(severity), f"{severity}s") for severity in SEVERITIES]
        if report.suppressed:
            numbers.append(("", len(report.suppressed), "suppressed or in the baseline"))
        unchecked = '<a href="#not-checked">not checked</a>' if report.not_checked else "not checked"
        numbers.append(("", len(report.not_checked), unchecked))
        return "".join(
            f'<li class="{kind}{"" if number else " zero"}"><b>{number:,}</b><span>{word}</span></li>'
            for kind, number, word in numbers
        )

    def failures(self) -> str:
        """The input that could not be linted."""
        rows = [
            f"<li><b>{escaped(each.subject)}</b>: {_rich(': '.join(filter(None, (each.reason, each.help))))}</li>"
            for each in self.report.failures
        ]
        return f'<ul class="failures">{"".join(rows)}</ul>' if rows else ""

    def hints(self) -> str:
        """Hints on path mappings and the baseline."""
        gone = [f"fixed, but still in the baseline: {entry}" for entry in self.report.gone]
        rows = [f"<li>{_rich(text)}</li>" for text in (*self.report.hints, *gone)]
        return f'<ul class="hints">{"".join(rows)}</ul>' if rows else ""

    def totals(self) -> str:
        """The findings per host and per rule, worst first."""
        report = self.report
        by_rule: dict[str, list[Finding]] = {}
        for finding in self.shown:
            by_rule.setdefault(finding.rule, []).append(finding)
        cards = []
        if self.hosts:
            columns = [Column("host"), *(Column(f"{severity}s", number=True) for severity in SEVERITIES)]
            columns += [Column("endpoints", number=True), Column("versions")]
            cards.append(card("Findings per host", columns, self._hosts(), folded=False))
        if by_rule:
            columns = [Column("rule"), Column("what is wrong"), Column("findings", number=True)]
            columns += [Column("hosts", number=True)] if self.hosts else []
            rows = [
                Row(
                    Pick("rule", name, members[0].severity),
                    report.rules[name].summary if name in report.rules else "",
                    len(members),
                    len({finding.location.file.host for finding in members}),
                )
                for name, members in sorted(by_rule.items(), key=lambda item: (-item[1][0].severity, -len(item[1])))
            ]
            cards.append(card("Findings per rule", columns, rows, folded=not self.hosts))
        return "".join(cards)

    def _hosts(self) -> Iterator[Row]:
        found: dict[str, Counter[Severity]] = {host: Counter() for host in self.hosts}
        for finding in self.report.findings:
            found.setdefault(finding.location.file.host, Counter())[finding.severity] += 1
        endpoints = Counter(row.location.file.host for row in self.report.endpoints)
        made_for = {
            self.report.hosts[name]: entry.text
            for entry in self.report.versions
            for name in entry.configurations
            if name in self.report.hosts
        }
        for host, numbers in sorted(found.items(), key=lambda item: tuple(-item[1][s] for s in SEVERITIES)):
            name = Pick("host", self.host(host))
            yield Row(name, *(numbers[s] for s in SEVERITIES), endpoints[host], made_for.get(host, ""))

    def host(self, host: str) -> str:
        """The short name of a host; empty if there are not several."""
        return self.hosts.get(host, host if self.hosts else "")

    def filters(self) -> str:
        """The bar that filters and groups findings; the script shows it."""
        if not self.shown:
            return ""
        rules = Counter(finding.rule for finding in self.shown)
        choices = {"severity": "severity", "rule": "rule", **({"host": "host"} if self.hosts else {}), "file": "file"}
        boxes = "".join(
            f'<label><input type="checkbox" value="{severity}" checked> {severity}s</label>' for severity in SEVERITIES
        )
        selects = [
            _select("grouping", "Group by", [(name, f"by {title}") for name, title in choices.items()]),
            _select(
                "rule", "Rule", [("", "every rule"), *((name, f"{name} ({rules[name]:,})") for name in sorted(rules))]
            ),
        ]
        if self.hosts:
            names = sorted(self.hosts.values())
            selects.append(_select("host", "Host", [("", "every host"), *((name, name) for name in names)]))
        return (
            '<form class="filters" aria-label="Filter findings">'
            f"<fieldset><legend>Severity</legend>{boxes}</fieldset>{''.join(selects)}"
            '<input type="search" name="words" placeholder="Search ( / )" aria-label="Search in findings">'
            '<button type="button" hidden>Show all</button><output></output></form>'
        )

    def findings(self) -> str:
        """The findings by severity."""
        if not self.shown:
            return '<p class="none">No findings.</p>'
        groups = []
        for severity in SEVERITIES:
            members = [self._finding(finding) for finding in self.shown if finding.severity is severity]
            if members:
                title = f"{severity}s".title()
                groups.append(
                    f'<section class="group"><h3>{title} <span>{len(members):,}</span></h3>\n'
                    + "\n".join(members)
                    + "</section>"
                )
        return "\n".join(groups)

    def _finding(self, finding: Finding) -> str:
        host = self.host(finding.location.file.host)
        file, line, column = self.place(finding.location)
        data = f' data-host="{escaped(host)}"' if host else ""
        shown_host = f'<span class="host">{escaped(host)}</span> · ' if host else ""
        more = [
            f'<li><span class="mono">{escaped(file)}:{line}</span> <code>{escaped(_line(label.location))}</code> '
            f"{_rich(label.text)}</li>"
            for label in finding.labels
            for file, line, _ in (self.place(label.location),)
        ]
        more += [f"<li>{_rich(note)}</li>" for note in notes(finding)]
        helping = help_line(finding)
        rule = escaped(finding.rule)
        explained = finding.rule in self.report.rules
        link = f'<a href="#rule-{rule}">{rule}</a>' if explained else rule
        return (
            f'<article class="{finding.severity}" data-rule="{rule}" data-file="{escaped(file)}"{data}>'
            f"<h4>{level(finding.severity)}{_rich(finding.message)}</h4>"
            f'<p class="place">{shown_host}<span class="mono">{escaped(file)}:{line}:{column}</span> · {link}</p>'
            f"{_source(finding)}"
            f"{'<ul>' + ''.join(more) + '</ul>' if more else ''}"
            f"{f'<p class=help><b>Fix:</b> {_rich(helping)}</p>' if helping else ''}"
            "</article>"
        )

    def place(self, location: Location) -> tuple[str, int, int]:
        """File, line and column: of a dump the file on the host, else from the root."""
        file, span = location.file, location.span
        if file.host and file.nginx_path:
            return file.nginx_path, span.line, span.column
        place = self.places.of(location)
        return place.file, place.line, place.column

    def tables(self) -> str:
        """Endpoints, certificates, policies and clients."""
        report = self.report
        host = [Column("host")] if self.hosts else []
        parts = [
            self._table(
                "Endpoints",
                [*host, *map(Column, ENDPOINT), DAYS, Column("grade")],
                [self._endpoint(row) for row in report.endpoints[:MOST_ROWS]],
                len(report.endpoints),
            )
        ]
        parts.append(
            self._table(
                "Certificates",
                [
                    *host,
                    *map(Column, CERTIFICATE[0]),
                    Column("expires", number=True),
                    DAYS,
                    *map(Column, CERTIFICATE[1]),
                ],
                [self._certificate(row) for row in report.served[:MOST_ROWS]],
                len(report.served),
            )
        )
        policies, _ = policy_rows(report, MOST_ROWS)
        parts.append(
            self._table(
                "Policies",
                [*host, Column("policy"), Column("endpoint"), Column("result")],
                [self._policy(row) for row in policies],
                len(report.policies),
            )
        )
        parts.append(
            self._table(
                "Clients",
                [*host, Column("endpoint"), Column("result"), Column("clients", number=True), Column("which")],
                [self._client(row) for row in report.clients[:MOST_ROWS]],
                len(report.clients),
                f"<p>What known clients get{self._of_first()}."
                " <code>nginxtls clients</code> shows each with suite, group and key.</p>",
            )
        )
        return "\n".join(filter(None, parts))

    def _of_first(self) -> str:
        left = self.report.clients_left
        return f" in the first configurations ({count(left, 'other')} left out)" if left else ""

    def _table(self, title: str, columns: Sequence[Column], rows: Sequence[Row], total: int, about: str = "") -> str:
        """A section with a table, and perhaps a paragraph about it before; empty if there are no rows."""
        below = count(total, "row")
        content = card(title, columns, rows, total=total, folded=total > OPEN, below=below)
        return self._section(title, about + content) if rows else ""

    def _section(self, title: str, content: str) -> str:
        anchor = _WORDS.sub("-", title.lower()).strip("-")
        self.sections.append((anchor, escaped(title)))
        return f'<section id="{anchor}" aria-label="{escaped(title)}"><h2>{escaped(title)}</h2>{content}</section>'

    def _endpoint(self, row: EndpointRow) -> Row:
        host = self.host(row.location.file.host)
        left = (row.not_after - self.report.at).days if row.not_after is not None and self.report.at else None
        cells = (row.socket, row.name, served(row), row.certificate, left, row.grade())
        return Row(*([host] if self.hosts else []), *cells, host=host)

    def _certificate(self, row: CertificateRow) -> Row:
        host = self.host(row.host)
        on = listing(row.endpoints) + (f" for {listing(row.server_names)}" if row.server_names else "")
        expires = (row.not_after or "")[:10]
        cells = (row.file, listing(row.names), row.chain, expires, row.days_left, on, row.issuer, row.key, row.subject)
        return Row(*([host] if self.hosts else []), *cells, host=host)

    def _client(self, row: ClientRow) -> Row:
        host = self.host(row.host)
        endpoint = f"{listing(row.names)} on {row.socket}"
        left = len(row.clients) - MOST_CLIENTS
        which = ", ".join(row.clients[:MOST_CLIENTS]) + (f" and {left} more" if left > 0 else "")
        which = "all" if row.number == row.total else which
        cells = (endpoint, row.result, f"{row.number} of {row.total}", which)
        return Row(*([host] if self.hosts else []), *cells, host=host)

    def _policy(self, row: PolicyRow) -> Row:
        host = self.host(row.location.file.host)
        return Row(*([host] if self.hosts else []), row.policy, row.endpoint, compliance(row), host=host)

    def unchecked(self) -> str:
        """What was not checked, and why."""
        entries = self.report.not_checked
        if not entries:
            return ""
        rows = []
        for entry in entries[:MOST_ROWS]:
            host, where = "", ""
            if entry.location:
                host, (file, line, _) = self.host(entry.location.file.host), self.place(entry.location)
                where = f"{host} {file}:{line}".strip()
            rows.append(Row(entry.subject, entry.reason, where, host=host))
        columns = [Column("what"), Column("why"), Column("named in")]
        return self._table("Not checked", columns, rows, len(entries))

    def rules(self) -> str:
        """The page of each rule that has findings."""
        names = sorted({finding.rule for finding in self.shown} & {*self.report.rules})
        if not names:
            return ""
        parts = []
        for name in names:
            rule = self.report.rules[name]
            links = [
                f'<li><a href="{escaped(link)}" rel="noreferrer">{escaped(link)}</a></li>'
                if link.startswith("https://")
                else f"<li>{escaped(link)}</li>"
                for link in rule.references
            ]
            references = f"<p>References:</p><ul>{''.join(links)}</ul>" if links else ""
            parts.append(
                f'<details class="card" id="rule-{escaped(name)}">'
                f"<summary>{escaped(name)}</summary>"
                f'<div class="prose">{prose(rule.documentation)}{references}</div></details>'
            )
        return self._section("Rules", "".join(parts))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    from base64 import b64encode

    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _rich(text: str) -> str:
    return with_code(escaped(text))


def _line(location: Location) -> str:
    """The first line of a related place."""
    text = location.file.line_text(location.span.line).strip()
    return text if len(text) <= CONTEXT else f"{text[:CONTEXT]}…"


def _source(finding: Finding) -> str:
    """The line of the finding with its place marked and its label below."""
    span, file = finding.location.span, finding.location.file
    line = file.line_text(span.line)
    start = span.column - 1
    end = min(span.end_column - 1 if span.end_line == span.line else len(line), start + MARKED)
    before, after = line[max(start - CONTEXT, 0) : start], line[end : end + CONTEXT]
    if start <= CONTEXT:
        before = before.lstrip()
    label = f"\n<em>{_rich(finding.label)}</em>" if finding.label else ""
    marked = f"{escaped(before)}<mark>{escaped(line[start:end])}</mark>{escaped(after.rstrip())}"
    return f"<pre><i>{span.line} </i>{marked}{label}</pre>"


def _select(name: str, label: str, choices: Iterable[tuple[str, str]]) -> str:
    options = "".join(f'<option value="{escaped(value)}">{escaped(text)}</option>' for value, text in choices)
    return f'<select name="{name}" aria-label="{label}">{options}</select>'
