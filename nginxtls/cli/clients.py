"""``nginxtls clients CONFIG``: which named clients can connect, with what, and what locks the others out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from nginxtls.base.errors import UsageError, nearest
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import completion, options, values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.model.clients import Outcome, Table
    from nginxtls.model.facts import Facts
    from nginxtls.tls.clients import Client

FORMATS = ("text", "json", "markdown", "html")
MOST_NAMES = 3
PUBLISHED = "* from a published table, not recorded"
OTHERS = "for others use --nginx-version and --openssl-version"


def clients(
    config: Annotated[
        str,
        typer.Argument(
            metavar="[CONFIG]",
            help="The main file, a folder, or a dump of nginx -T. Default: as in check.",
            show_default=False,
        ),
    ] = "",
    client: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation while running, on Python 3.10, too
        typer.Option(
            "--client",
            autocompletion=completion.clients,
            metavar="NAME",
            help="Only clients with this in their name, or of this family, or browsers, libraries, tools, mail, "
            "servers, or recorded. May be repeated.",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="DATE", help="Only clients released since a year or month: 2014.", show_default=False
        ),
    ] = "",
    only_failing: Annotated[
        bool, typer.Option("--only-failing", help="Only show clients that cannot connect.")
    ] = False,
    connect: Annotated[
        str,
        typer.Option(
            "--connect",
            metavar="HOST:PORT",
            help="The address that the clients connect to. [default: every TLS socket]",
            show_default=False,
        ),
    ] = "",
    servername: Annotated[
        str,
        typer.Option(
            "--servername",
            metavar="NAME",
            help="The host name that they request. [default: each name]",
            show_default=False,
        ),
    ] = "",
    known: Annotated[bool, typer.Option("--list", help="List the known clients and exit.")] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.among(*FORMATS),
            help="Output format: text, json, markdown or html.",
        ),
    ] = "text",
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    openssl_conf: options.OpenSSLConf = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
) -> None:
    """Show which clients can connect, with which protocol, suite, group and certificate, and why others cannot."""
    if form not in FORMATS:
        raise UsageError(f"--format {form}", "is not an output format", f"use one of {', '.join(FORMATS)}")
    chosen = _chosen(client or [], since)
    if known:
        for line in _listed(chosen):
            typer.echo(line)
        return
    from nginxtls.linting.versions import made_for
    from nginxtls.model.clients import grouped, tables

    subject = values.subject(
        config,
        root,
        maps=maps,
        trust=trust,
        nginx_version=nginx_version,
        openssl_version=openssl_version,
        openssl_conf=openssl_conf,
        at=at,
    )
    configuration = subject.configuration
    if connect or servername:
        from nginxtls.model import handshake

        host, port = values.address(connect or "127.0.0.1:443")
        found = grouped([(servername or "(no name)", handshake(configuration, host, port, servername or None))], chosen)
        if not found:
            raise UsageError(
                f"--connect {connect or '127.0.0.1:443'}", "no server listens there", "see nginxtls handshake --all"
            )
    else:
        found = tables(configuration, chosen)
    (versions,) = made_for([(configuration, subject.alternatives)])
    write = {"text": _text, "json": _json, "markdown": _markdown, "html": _html}[form]
    for line in write(found, only_failing, versions.text, _assumed(configuration.facts)):
        typer.echo(shown(line))


def _assumed(facts: Facts) -> str:
    """The build that the clients are compared with, where its versions are not all known; else an empty text."""
    if facts.nginx is not None and facts.openssl_known:
        return ""
    return f"nginx {facts.assumed_nginx} with OpenSSL {facts.openssl}"


def _chosen(words: Sequence[str], since: str) -> list[Client]:
    from nginxtls.tls.clients import KINDS, clients, matching

    if since and not (
        since[:4].isdecimal()
        and len(since) in (4, 7)
        and since[4:5] in ("", "-")
        and since[5:].isdecimal() >= (len(since) == 7)
    ):
        raise UsageError(f"--since {since}", "is not a year or month", "write it as 2014 or 2014-06")
    try:
        chosen = matching(list(words), since)
    except ValueError as error:
        families = sorted({client.family for client in clients()})
        hint = nearest(str(error), [*families, *KINDS, "recorded"])
        raise UsageError(
            f"--client {error}", "matches no known client", hint or "see nginxtls clients --list"
        ) from None
    if not chosen:
        raise UsageError(f"--since {since}", "no client that was selected is as recent", "see nginxtls clients --list")
    return chosen


def _listed(chosen: Sequence[Client]) -> Iterator[str]:
    for client in chosen:
        origin = f"recorded {client.recorded}" if client.recorded else f"published: {client.source}"
        yield f"{client.name:<36} {client.released:<8} {' '.join(client.hello.protocols):<32} {origin}"


def _shown(table: Table, only_failing: bool) -> list[Outcome]:
    return [outcome for outcome in table.outcomes if outcome.connects is not True or not only_failing]


def _heading(table: Table) -> str:
    names = table.names[:MOST_NAMES]
    more = f" and {len(table.names) - MOST_NAMES:,} more" if len(table.names) > MOST_NAMES else ""
    return f"{table.socket.label}: {', '.join(names)}{more}"


def _summary(table: Table) -> str:
    total = len(table.outcomes)
    connecting = [outcome for outcome in table.outcomes if outcome.connects]
    quantum = sum(outcome.post_quantum for outcome in connecting)
    unknown = sum(outcome.connects is None for outcome in table.outcomes)
    text = f"{len(connecting)} of {total} clients connect, {quantum} of them with a post-quantum key exchange"
    return text + (f"; {unknown} not known" if unknown else "")


def _runs(shown: Sequence[Outcome]) -> list[tuple[str, Outcome]]:
    """Outcomes with the names to show: clients of a family in a row that get the same are one line."""
    found: list[tuple[list[Outcome], Outcome]] = []
    for outcome in shown:
        if found and found[-1][0][-1].client.family == outcome.client.family and _same(found[-1][1], outcome):
            found[-1][0].append(outcome)
        else:
            found.append(([outcome], outcome))
    return [(_name([each.client for each in run]), first) for run, first in found]


def _same(first: Outcome, other: Outcome) -> bool:
    """Whether two clients get the same; of those that cannot connect only the reason counts."""
    alike = first[1:] == other[1:] if first.connects else first[1:4] == other[1:4]
    return alike and bool(first.client.recorded) == bool(other.client.recorded)


def _name(run: Sequence[Client]) -> str:
    """``Node 12.22.12 to 26.12.1 (8)``; published ones have a star."""
    from nginxtls.tls.clients import run_name

    return run_name(run) + ("" if run[0].recorded else "*")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return (outcome.protocol or "", outcome.suite or "", outcome.group or "-", outcome.key or "-", outcome.alpn or "-")


def _text(found: Sequence[Table], only_failing: bool, versions: str, assumed: str) -> Iterator[str]:
    if not found:
        yield "no socket uses TLS"
    published = False
    for table in found:
        yield _heading(table)
        runs = _runs(_shown(table, only_failing))
        rows = [_cells(outcome) for _, outcome in runs if outcome.connects]
        widths = [max((len(row[number]) for row in rows), default=0) for number in range(5)]
        first = max((len(name) for name, _ in runs), default=0)
        for name, outcome in runs:
            published = published or not outcome.client.recorded
            if outcome.connects:
                cells = "  ".join(cell.ljust(width) for cell, width in zip(_cells(outcome), widths, strict=True))
                yield f"  {name:<{first}}  {cells}".rstrip()
            else:
                word = "no" if outcome.connects is False else "unknown"
                yield f"  {name:<{first}}  {word}: {outcome.reason}"
        yield f"  {_summary(table)}"
        yield ""
    if published:
        yield PUBLISHED
    yield f"versions: {versions}"
    if assumed:
        yield f"assumed here: {assumed}; {OTHERS}"


def _json(found: Sequence[Table], only_failing: bool, versions: str, assumed: str) -> Iterator[str]:
    document = {
        "versions": versions,
        "assumed": assumed or None,
        "endpoints": [
            {
                "listener": table.socket.label,
                "names": table.names,
                "certificates": table.certificates,
                "clients": [outcome.to_dict() for outcome in _shown(table, only_failing)],
            }
            for table in found
        ],
    }
    yield from json_text(document, indent=2).splitlines()


def _result(outcome: Outcome) -> str:
    return (
        "connects"
        if outcome.connects
        else outcome.reason
        if outcome.connects is False
        else f"unknown: {outcome.reason}"
    )


def _markdown(found: Sequence[Table], only_failing: bool, versions: str, assumed: str) -> Iterator[str]:
    from nginxtls.report.markdown import escaped

    for table in found:
        yield f"### {escaped(_heading(table))}"
        yield ""
        yield "| client | result | protocol | suite | group | key |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for name, outcome in _runs(_shown(table, only_failing)):
            cells: Sequence[str] = _cells(outcome)[:4] if outcome.connects else ("", "", "", "")
            yield f"| {' | '.join(escaped(cell) for cell in (name, _result(outcome), *cells))} |"
        yield ""
        yield f"{_summary(table)}."
        yield ""
    yield f"{escaped(PUBLISHED)}. Versions: {escaped(versions)}" + (
        f". Assumed here: {escaped(assumed)}; {escaped(OTHERS)}" if assumed else ""
    )


def _html(found: Sequence[Table], only_failing: bool, versions: str, assumed: str) -> Iterator[str]:
    from nginxtls.report.words import markup

    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Clients</title><style>'
    yield "body{font:15px/1.5 system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
    yield "table{border-collapse:collapse}"
    yield "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}.no td:nth-child(2){color:#b00020}"
    yield "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}.no td:nth-child(2){color:#ff7b7b}}"
    yield "</style></head><body>"
    for table in found:
        yield f"<h2>{markup(_heading(table))}</h2><p>{markup(_summary(table))}</p>"
        yield "<table><thead><tr>"
        yield "".join(f"<th>{word}</th>" for word in ("client", "result", "protocol", "suite", "group", "key", "ALPN"))
        yield "</tr></thead><tbody>"
        for name, outcome in _runs(_shown(table, only_failing)):
            cells: Sequence[str] = _cells(outcome) if outcome.connects else ("", "", "", "", "")
            row = "".join(f"<td>{markup(cell)}</td>" for cell in (name, _result(outcome), *cells))
            yield f"<tr{'' if outcome.connects else ' class=no'}>{row}</tr>"
        yield "</tbody></table>"
    yield f"<p>{markup(PUBLISHED)}. Versions: {markup(versions)}"
    yield f". Assumed here: {markup(assumed)}; {markup(OTHERS)}" if assumed else ""
    yield "</p></body></html>"
