"""``nginxtls handshake CONFIG``: what a client would get, read like ``openssl s_client``, answered without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nginxtls.base.errors import UsageError, printable
from nginxtls.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model import Configuration, Handshake


def handshake(
    config: Annotated[
        str,
        typer.Argument(
            metavar="[CONFIG]",
            help="The main file, a folder, or a dump of nginx -T. Default: as for check.",
            show_default=False,
        ),
    ] = "",
    connect: Annotated[
        str, typer.Option("--connect", metavar="HOST:PORT", help="The address that the client connects to.")
    ] = "127.0.0.1:443",
    servername: Annotated[
        str,
        typer.Option("--servername", metavar="NAME", help="The name sent in SNI (default: none).", show_default=False),
    ] = "",
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="The path asked for, for HSTS.")] = "/",
    every: Annotated[bool, typer.Option("--all", help="Every socket and every name on it.")] = False,
    upstreams: Annotated[
        bool, typer.Option("--upstreams", help="Every back end to which nginx speaks TLS, with nginx as the client.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each setting which line decides it.")] = False,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text or json.")] = "text",
    nginx_version: options.NginxVersion = "",
    openssl_version: options.OpenSSLVersion = "",
    openssl_conf: options.OpenSSLConf = "",
    root: options.Root = "",
    maps: options.Map = None,
    trust: options.Trust = None,
    at: options.At = "",
) -> None:
    """Say what a client would get from a configuration: server, protocols, suites, groups, certificates, HSTS."""
    from nginxtls.api import read, root_for

    if form not in ("text", "json"):
        raise UsageError(f"--format {form}", "is not known", "choose text or json")
    config = options.default_paths([config] if config else None, root)[0]
    settings = options.settings(
        [config], "", True, maps=maps, trust=trust, nginx_version=nginx_version, openssl_version=openssl_version
    )
    reading = read(
        [config],
        settings,
        root=root_for(config, root),
        at=options.moment(at),
        openssl_conf=openssl_conf or None,
        stdin_text=options.stdin_text([config]),
    )
    if not reading.subjects:
        failure = next(iter(reading.failures), None)
        raise UsageError(config, failure.reason if failure else "there is no nginx configuration")
    configuration = reading.subjects[0].configuration
    from nginxtls.model import handshake as answer_to

    if upstreams:
        _show_upstreams(configuration, form)
        return
    if every:
        answers = list(_all(configuration, path))
    else:
        host, port = _address(connect)
        answers = [answer_to(configuration, host, port, servername or None, path)]
    if form == "json":
        import json

        found = [_json(answer, explain) for answer in answers]
        typer.echo(json.dumps(found if every else found[0], indent=2, ensure_ascii=False))
        return
    for number, answer in enumerate(answers):
        if number:
            typer.echo("")
        for line in _text(answer, explain):
            typer.echo(printable(line))


def _address(text: str) -> tuple[str, int]:
    if text.startswith("unix:"):
        return text, 0
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(
            f"--connect {text}", "is no address", "write HOST:PORT, for example 127.0.0.1:443 or [::1]:443"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def _all(configuration: Configuration, path: str) -> Iterator[Handshake]:
    """Every TLS socket: without SNI, then with each name that a client could ask for."""
    from nginxtls.model.handshake import Handshake

    for socket in configuration.sockets:
        if not socket.speaks_tls:
            continue
        names = {
            name.key: None for server in socket.servers for name in server.names if name.form in ("exact", "suffix")
        }
        for name in (None, *names):
            if name != "_":
                yield Handshake(configuration, socket, name, path)


def _show_upstreams(configuration: Configuration, form: str) -> None:
    from nginxtls.model.outgoing import upstream_handshakes

    answers = [answer.to_dict() for answer in upstream_handshakes(configuration)]
    if form == "json":
        import json

        typer.echo(json.dumps(answers, indent=2, ensure_ascii=False))
        return
    if not answers:
        typer.echo("nginx speaks TLS to no back end")
    for number, answer in enumerate(answers):
        if number:
            typer.echo("")
        for line in _upstream_text(answer):
            typer.echo(printable(line))


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
    for unknown in answer["unknown"]:
        yield f"  unknown        {unknown}"


def _json(answer: Handshake, explain: bool) -> dict[str, Any]:
    return {"servername": answer.servername, "path": answer.path, **answer.to_dict(explain=explain)}


def _text(answer: Handshake, explain: bool) -> Iterator[str]:
    told = answer.to_dict(explain=explain)
    asked = f"servername {answer.servername}" if answer.servername is not None else "no servername"
    yield f"{told['listener'] or 'no listener'}, {asked}"
    server = told["server"]
    if server:
        names = " ".join(server["names"]) or "without a name"
        yield f"  server         {names} ({server['file']}:{server['line']})"
    if not told["accepts"]:
        yield f"  handshake      none: {told['refusal']}"
        return
    yield f"  protocols      {' '.join(told['protocols'])}"
    for version in reversed(told["protocols"]):
        first, *rest = told["ciphers"][version]
        yield f"  {version:<14} {first}"
        yield from (f"{'':<17}{suite}" for suite in rest)
    yield f"  groups         {' '.join(told['groups']) or 'none'}"
    for certificate in told["certificates"]:
        if "unreadable" in certificate:
            yield f"  certificate    {certificate['file']}: {certificate['unreadable']}"
            continue
        yield f"  certificate    {certificate['file']} ({certificate['key']}, {len(certificate['chain'])} sent)"
        yield f"{'':<17}{certificate['subject']}; {' '.join(certificate['sans'])}"
        yield f"{'':<17}until {certificate['not_after']}, SHA-256 {certificate['sha256']}"
    yield f"  client cert    {told['client_certificate']}"
    yield f"  tickets        {_switch(told['session_tickets'])}; early data {_switch(told['early_data'])}"
    yield f"  ALPN           {' '.join(told['alpn']) or 'none'}"
    yield f"  stapling       {_switch(told['stapling'])}"
    yield f"  HSTS           {told['hsts'] or 'not sent'}{'' if answer.path == '/' else ' for ' + answer.path}"
    for unknown in told["unknown"]:
        yield f"  unknown        {unknown}"
    if explain:
        yield "  why:"
        for part, origin in told["origins"].items():
            place = origin["origin"]
            where = place if isinstance(place, str) else f"{place['file']}:{place['line']}"
            who = f"{origin['server']['file']}:{origin['server']['line']}"
            yield f"    {part:<19} {origin['setting']} {origin['value']} [{where}], of the server at {who}"


def _switch(on: bool) -> str:
    return "on" if on else "off"
