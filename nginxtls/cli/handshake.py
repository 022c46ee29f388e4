"""``nginxtls handshake CONFIG``: what a client would get, like ``openssl s_client`` but without a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nginxtls.base.errors import UsageError
from nginxtls.base.printing import json_text, shown
from nginxtls.cli import options, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nginxtls.model import Configuration, Handshake
    from nginxtls.model.alternatives import Alternatives


def handshake(
    config: Annotated[
        str,
        typer.Argument(
            metavar="[CONFIG]",
            help="The main file, a folder, or a dump of nginx -T. Default: as in check.",
            show_default=False,
        ),
    ] = "",
    connect: Annotated[
        str, typer.Option("--connect", metavar="HOST:PORT", help="The address that the client connects to.")
    ] = "127.0.0.1:443",
    servername: Annotated[
        str,
        typer.Option(
            "--servername", metavar="NAME", help="The host name sent in SNI. [default: none]", show_default=False
        ),
    ] = "",
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="The path requested, for HSTS.")] = "/",
    quic: Annotated[bool, typer.Option("--quic", help="Connect over QUIC, as HTTP/3 does.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every socket and every name on it.")] = False,
    upstreams: Annotated[
        bool, typer.Option("--upstreams", help="Show every back end that nginx connects to over TLS, as its client.")
    ] = False,
    graded: Annotated[
        bool, typer.Option("--grade", help="Show the grade that SSL Labs' rating guide gives, and each criterion.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show the line that decides each setting.")] = False,
    form: options.TextOrJSON = "text",
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    openssl_conf: options.OpenSSLConf = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
) -> None:
    """Show what a client would get: server, protocols, cipher suites, groups, certificates, HSTS."""
    if form not in ("text", "json"):
        raise UsageError(f"--format {form}", "is not an output format", "use text or json")
    if every and servername:
        raise UsageError("--servername", "is one handshake, and --all is every one", "use one of the two")
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
    from nginxtls.linting.versions import made_for
    from nginxtls.model import handshake as answer_to

    if upstreams:
        _show_upstreams(configuration, form)
        return
    (versions,) = made_for([(configuration, subject.alternatives)])

    def ask(configuration: Configuration) -> list[Handshake]:
        if every:
            return list(_all(configuration, path))
        host, port = values.address(connect)
        return [answer_to(configuration, host, port, servername or None, path, quic=quic)]

    answers = ask(configuration)
    differing = _differing(answers, subject.alternatives, ask)
    if form == "json":
        found = [
            {**_json(answer, explain, graded), "versions": versions.text, "differing": differing[number]}
            for number, answer in enumerate(answers)
        ]
        typer.echo(json_text(found if every else found[0], indent=2))
        return
    for number, answer in enumerate(answers):
        if number:
            typer.echo("")
        grading = _grade(answer) if graded else ()
        for line in (*_text(answer, explain), *grading, *_difference(answer, differing[number])):
            typer.echo(shown(line))
    typer.echo(shown(f"versions: {versions.text}"))


def _all(configuration: Configuration, path: str) -> Iterator[Handshake]:
    """Every TLS socket: without SNI, then with each name that a client could request."""
    from nginxtls.model.handshakes import Handshake

    for socket in configuration.sockets:
        if not socket.speaks_tls:
            continue
        names = {
            name.key: None for server in socket.servers for name in server.names if name.form in ("exact", "suffix")
        }
        for name in (None, *names):
            if name != "_":
                yield Handshake(configuration, socket, name, path)


_COMPARED = ("accepts", "protocols", "groups", "session_tickets", "early_data", "alpn", "server", "client_certificate")
"""The parts of an answer that are compared between builds; suites differ in names that few clients offer."""


def _differing(
    answers: Sequence[Handshake], alternatives: Alternatives | None, ask: Callable[[Configuration], list[Handshake]]
) -> list[dict[str, list[dict[str, Any]]]]:
    """For each answer, the parts that are not the same in all builds in question: the values, by builds in words."""
    if alternatives is None or not alternatives.matter:
        return [{} for _ in answers]
    numbers = range(len(alternatives.builds))
    others = [[answer.to_dict() for answer in ask(alternatives.configuration_in(number))] for number in numbers]
    found: list[dict[str, list[dict[str, Any]]]] = []
    for place in range(len(answers)):
        parts: dict[str, list[dict[str, Any]]] = {}
        for part in _COMPARED:
            values: dict[str, list[int]] = {}
            for number in numbers:
                value = others[number][place][part] if place < len(others[number]) else None
                values.setdefault(repr(value), []).append(number)
            if len(values) > 1:
                parts[part] = [
                    {"builds": alternatives.part(having, numbers), "value": others[having[0]][place][part]}
                    for having in values.values()
                    if place < len(others[having[0]])
                ]
        found.append(parts)
    return found


def _difference(answer: Handshake, parts: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    if parts.keys() - {"groups"}:
        yield "  differs between versions:"
    for part, each in parts.items():
        if part == "groups":
            continue  # long, and of interest to programs
        for entry in each:
            yield f"    {part.replace('_', ' '):<19} {_shown(entry['value'])} with {entry['builds']}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(value["names"]) or f"{value['file']}:{value['line']}"
    return " ".join(value) or "none" if isinstance(value, list) else str(value)


def _show_upstreams(configuration: Configuration, form: str) -> None:
    from nginxtls.model.outgoing import upstream_handshakes

    answers = [answer.to_dict() for answer in upstream_handshakes(configuration)]
    if form == "json":
        typer.echo(json_text(answers, indent=2))
        return
    if not answers:
        typer.echo("nginx speaks TLS to no back end")
    for number, answer in enumerate(answers):
        if number:
            typer.echo("")
        for line in _upstream_text(answer):
            typer.echo(shown(line))


def _upstream_text(answer: dict[str, Any]) -> Iterator[str]:
    place = answer["place"]
    yield f"{answer['directive']} {answer['target']} ({place['file']}:{place['line']})"
    if answer["listener"]:
        yield f"  reaches        {answer['listener']} of this configuration, by {answer['address']}"
    yield f"  protocols      {' '.join(answer['protocols']) or 'none'}"
    yield f"  servername     {answer['servername'] or 'not sent'}"
    if answer["verify"]:
        yield f"  verifies       {answer['name'] or 'a name that is not known'}, by {answer['trusted_certificate']}"
        yield f"  depth          {answer['verify_depth']}"
    else:
        yield "  verifies       nothing"
    yield f"  ALPN           {' '.join(answer['alpn']) or 'none'}"
    yield f"  client cert    {answer['client_certificate'] or 'none'}"
    yield f"  session reuse  {_switch(answer['session_reuse'])}"
    yield f"  result         {answer['result'] or 'not known'}"
    for note in answer["notes"]:
        yield f"  note           {note}"
    for unknown in answer["unknown"]:
        yield f"  unknown        {unknown}"


def _json(answer: Handshake, explain: bool, graded: bool) -> dict[str, Any]:
    found = {"servername": answer.servername, "path": answer.path, **answer.to_dict(explain=explain)}
    if graded:
        from nginxtls.model.grade import grade

        found["grade"] = grade(answer).to_dict()
    return found


def _grade(answer: Handshake) -> Iterator[str]:
    from nginxtls.model.grade import ASSUMED, GUIDE, grade

    found = grade(answer)
    yield f"  grade          {found.letter or 'none'}, score {found.score} (SSL Labs' rating guide {GUIDE})"
    for criterion in found.criteria:
        cap = f" (at most {criterion.cap})" if criterion.cap else ""
        yield f"{'':<17}{criterion.name}: {criterion.result}{cap}"
    for text in found.unknown:
        yield f"{'':<17}unknown: {text}"
    for text in ASSUMED:
        yield f"{'':<17}assumed: {text}"


def _text(answer: Handshake, explain: bool) -> Iterator[str]:
    found = answer.to_dict(explain=explain)
    requested = f"servername {answer.servername}" if answer.servername is not None else "no servername"
    yield f"{found['listener'] or 'no listener'}, {requested}"
    server = found["server"]
    if server:
        names = " ".join(server["names"]) or "without a name"
        yield f"  server         {names} ({server['file']}:{server['line']})"
    if not found["accepts"]:
        yield f"  handshake      none: {found['refusal']}"
        return
    yield f"  protocols      {' '.join(found['protocols'])}"
    for version in reversed(found["protocols"]):
        first, *rest = found["ciphers"][version]
        yield f"  {version:<14} {first}"
        yield from (f"{'':<17}{suite}" for suite in rest)
    yield f"  groups         {' '.join(found['groups']) or 'none'}"
    for certificate in found["certificates"]:
        if "unreadable" in certificate:
            yield f"  certificate    {certificate['file']}: {certificate['unreadable']}"
            continue
        yield f"  certificate    {certificate['file']} ({certificate['key']}, {len(certificate['chain'])} sent)"
        yield f"{'':<17}{certificate['subject']}; {' '.join(certificate['sans'])}"
        yield f"{'':<17}until {certificate['not_after']}, SHA-256 {certificate['sha256']}"
    yield f"  client cert    {found['client_certificate']}"
    yield f"  tickets        {_switch(found['session_tickets'])}; early data {_switch(found['early_data'])}"
    yield f"  ALPN           {' '.join(found['alpn']) or 'none'}"
    yield f"  stapling       {_switch(found['stapling'])}"
    yield f"  HSTS           {found['hsts'] or 'not sent'}{'' if answer.path == '/' else ' for ' + answer.path}"
    for note in found["notes"]:
        yield f"  note           {note}"
    for unknown in found["unknown"]:
        yield f"  unknown        {unknown}"
    if explain:
        yield "  decided by:"
        for part, origin in found["origins"].items():
            place = origin["origin"]
            where = place if isinstance(place, str) else f"{place['file']}:{place['line']}"
            who = f"{origin['server']['file']}:{origin['server']['line']}"
            yield f"    {part:<19} {origin['setting']} {origin['value']} [{where}], of the server at {who}"


def _switch(on: bool) -> str:
    return "on" if on else "off"
