"""Rules about Alt-Svc as browsers receive it: values that they ignore, and announcements of another server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added, repeated
from nginxtls.rules.common.grouping import default_is_sure, listed

from nginxtls.finding import Severity
from nginxtls.model import headers
from nginxtls.model.decides import live
from nginxtls.model.header_values import alt_svc
from nginxtls.model.listens import WILDCARD4, WILDCARD6
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import expanded
from nginxtls.pki import match_hostname
from nginxtls.rule import Fix, Rule, label, replace_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

ALT_SVC = "Alt-Svc"
RFC_7838 = "https://www.rfc-editor.org/rfc/rfc7838"
RFC_9114 = "https://www.rfc-editor.org/rfc/rfc9114#section-3.1"
ADD_HEADER = "https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header"
QUIC = "https://nginx.org/en/docs/quic.html"
VALUE = "'h3=\":443\"; ma=86400'"


def _literal(directive: Directive) -> str | None:
    """The value of an add_header of Alt-Svc, any port for ``$server_port``; None with other variables."""
    args = directive.args
    if len(args) < 2 or args[0].lower() != "alt-svc" or not args[1] or not directive.known:
        return None
    value = re.sub(r"\$(\{server_port\}|server_port\b)", "443", args[1])
    return None if "$" in value else value


class MalformedAltSvc(Rule):
    """The value of `Alt-Svc` is malformed, and browsers ignore the whole header.

    A comma separates alternatives, a semicolon starts a parameter, and the port is in quotes: `h3=":443"; ma=86400`.

    Clients: no error; browsers stay on HTTP/2 over TCP, as without the header.

    Fix: `add_header Alt-Svc 'h3=":443"; ma=86400' always;`

    Values with variables other than `$server_port` are not checked.

    ```nginx bad
    add_header Alt-Svc "h3=:443; ma=86400" always;
    ```

    ```nginx bad
    add_header Alt-Svc 'h3=":443", ma=86400' always;
    ```

    ```nginx good
    add_header Alt-Svc 'h3=":443"; ma=86400, h3-29=":443"; ma=86400' always;
    ```
    """

    severity = Severity.WARNING
    references = (f"{RFC_7838}#section-3", ADD_HEADER)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        value = _literal(directive)
        if value is not None and alt_svc(value) is None:
            yield self.at(
                directive,
                f"browsers ignore this {ALT_SVC}: {_problem(value)}",
                arg=1,
                help=f"write {VALUE}",
                fix=_write(directive),
            )


def _write(directive: Directive) -> Fix:
    return Fix(f"write {VALUE}", (replace_argument(directive, 1, VALUE),))


def _problem(value: str) -> str:
    if '"' not in value:
        return 'the port must be in quotes, as in h3=":443"'
    if ", ma=" in value or ",ma=" in value:
        return "`ma` is a parameter, which a semicolon starts"
    return "it is not a list of alternatives"


class DraftAltSvc(Rule):
    """`Alt-Svc` announces drafts of HTTP/3 only, which browsers no longer use and nginx does not accept.

    The identifier is `h3` since RFC 9114. With `h3-29` or `quic` alone browsers stay on HTTP/2. A semicolon in place of
    the comma has the same effect: `h3-29=":443"; h3=":443"` is one alternative with an unknown parameter.

    Clients: no error; browsers stay on HTTP/2 over TCP.

    Fix: announce `h3`: `add_header Alt-Svc 'h3=":443"; ma=86400' always;`

    Values with variables other than `$server_port` are not checked.

    ```nginx bad
    add_header Alt-Svc 'h3-28=":443"; ma=86400' always;
    ```

    ```nginx good
    add_header Alt-Svc 'h3=":443"; ma=86400, h3-29=":443"; ma=86400' always;
    ```
    """

    severity = Severity.WARNING
    references = (RFC_9114, f"{RFC_7838}#section-3", QUIC)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        value = _literal(directive)
        found = alt_svc(value) or () if value is not None else ()
        protocols = list(dict.fromkeys(each.protocol for each in found))
        drafts = [name for name in protocols if name.startswith(("h3-", "hq")) or name in ("quic", "h2q")]
        if drafts and "h3" not in protocols:
            swallowed = any("h3" in each.parameters for each in found)
            yield self.at(
                directive,
                f"browsers do not use HTTP/3: {ALT_SVC} announces only {listed(drafts)}",
                arg=1,
                notes=("`h3` is read as a parameter: a comma separates alternatives",) if swallowed else (),
                help=f"write {VALUE}",
                fix=_write(directive),
            )


class AltSvcToOtherServer(Rule):
    """A server announces HTTP/3, but over QUIC its names get another server.

    Only other servers listen with `quic`, so nginx selects the default server of that socket: with its certificate, if
    that does not cover the name, or with its content, if it does. Browsers that follow the header lose time with a
    connection that fails, or show another site.

    Clients: the first visit, over TCP, works. Over QUIC a browser rejects the other server's certificate and stays on
    TCP, or, if the certificate has the name, shows the other server's pages.

    Fix: add `listen 443 quic;` to this server, or remove the header.

    Reported only for a header without a host name, which refers to this host, and if the whole configuration was read.

    ```nginx bad
    server {
        listen 443 ssl;
        listen 443 quic reuseport;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Alt-Svc 'h3=":443"; ma=86400' always;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        listen 443 quic reuseport;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        listen 443 quic;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Alt-Svc 'h3=":443"; ma=86400' always;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{RFC_7838}#section-2.1", QUIC)
    needs = ("add_header",)
    since = "nginx 1.25.0"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        sockets = [socket for socket in configuration.sockets if socket.quic]
        if configuration.completeness != "full" or not sockets:
            return
        found: dict[Directive, list[tuple[Endpoint, str, Socket]]] = {}
        for endpoint in live(configuration):
            server = endpoint.server
            if endpoint.socket.module != "http" or endpoint.socket.quic or not server.scope.certain:
                continue
            names = [name.key for name in server.names if name.is_host]
            announcing = _announcing(configuration, endpoint)
            over = _over_quic(endpoint.socket, sockets, names[0], configuration) if announcing and names else None
            if over is not None:
                for line in announcing:
                    found.setdefault(line, []).append((endpoint, names[0], over))
        for line, places in found.items():
            own, (_, name, socket) = places[0][0].server.directive, places[0]
            other = socket.default
            listen = next((li.directive for server, li in socket.listens if server is other), None)
            leaves = [bundle.leaf for bundle in other.bundles if bundle.leaf is not None]
            covered = all(match_hostname(name, leaf).matches for leaf in leaves)
            what = f"get {'another server' if covered else 'the certificate of another server'}: {other.title}"
            if other.rejects_handshake:
                what = f"are refused: {other.title} rejects their handshakes"
            yield self.at(
                line,
                f"over HTTP/3 clients of {name} {what}",
                arg=1,
                labels=[label(listen, f"{other.title} answers on {socket.label}")] if listen is not None else (),
                help=f"add `listen {socket.port} quic;` to the server of {name}, or remove the header",
                fix=added(own, f"listen {socket.port} quic;") if own is not None else None,
                endpoints=dict.fromkeys(endpoint.title for endpoint, _, _ in places),
            )


def _announcing(configuration: Configuration, endpoint: Endpoint) -> list[Directive]:
    """The add_header lines that announce HTTP/3 on this host, at any level of a server."""
    server = endpoint.server
    request = Request("https", next((name.key for name in server.names if name.is_host), ""), endpoint.socket.port)
    found: dict[Directive, None] = {}
    for scope, _ in server.levels():
        for header in headers.find(scope, ALT_SVC):
            value = expanded(configuration, server, request, header.value) if header.directive.known else None
            if any(each.protocol == "h3" and not each.host for each in alt_svc(value or "") or ()):
                found[header.directive] = None
    return list(found)


def _over_quic(tcp: Socket, sockets: list[Socket], name: str, configuration: Configuration) -> Socket | None:
    """The QUIC socket of an address on which another server gets a name; None if some socket has the name, or that is
    unknown."""
    for socket in sockets:
        if socket.names.find(name) is not None or socket.names.unknown or not socket.known:
            return None
        if not default_is_sure(socket, configuration) or socket.is_loopback != tcp.is_loopback:
            return None
    wildcards = (WILDCARD4, WILDCARD6)
    same = (s for s in sockets if s.address == tcp.address or tcp.address in wildcards or s.address in wildcards)
    return next((socket for socket in same if (":" in socket.address) == (":" in tcp.address)), None)


class LostAltSvc(Rule):
    """`Alt-Svc` is set at an outer level, but a block with an `add_header` of its own does not send it.

    nginx inherits `add_header` only into blocks that have none of their own. Browsers whose requests all go to this
    block stay on HTTP/2.

    Clients: no error; browsers that only request this block stay on HTTP/2 over TCP.

    Fix: repeat the header in the block; since nginx 1.29.3 `add_header_inherit merge;` inherits it.

    Reported only for the block that answers `/`: browsers learn of HTTP/3 from any response.

    ```nginx bad
    add_header Alt-Svc 'h3=":443"; ma=86400' always;
    location / {
        add_header Cache-Control public;
    }
    ```

    ```nginx good
    add_header Alt-Svc 'h3=":443"; ma=86400' always;
    location /static/ {
        add_header Cache-Control public;
    }
    ```
    """

    severity = Severity.NOTE
    references = (ADD_HEADER, RFC_9114)
    needs = ("add_header",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or not server.speaks_tls or server.rejects_handshake or server.fragment:
            return
        over_quic = {socket for socket in configuration.sockets if socket.quic}
        if over_quic and over_quic.isdisjoint(server.sockets):
            return  # HTTP/3 leads to another server, so the announcement is well lost
        if not configuration.memo("sends Alt-Svc", lambda: _sends_alt_svc(configuration)):
            return
        for scope, location in server.levels("add_header"):
            lost = headers.lost(scope, ALT_SVC)
            answers = location is None or (location.pattern == "/" and location.modifier in ("", "^~", "="))
            if lost is None or not answers or "include" in scope.own or (location and location.parent):
                continue
            own = scope.all("add_header")[0]
            yield self.at(
                own,
                f"{'the server' if location is None else 'location ' + location.pattern} sends no {ALT_SVC}:"
                " its `add_header` discards those of the outer level",
                label="with this directive the block inherits no `add_header`",
                labels=[label(lost.directive, "not sent from the block")],
                help="repeat the header in the block",
                fix=repeated(lost.directive, scope.all("add_header")[-1]),
            )


def _sends_alt_svc(configuration: Configuration) -> bool:
    lines = configuration.directives("add_header")
    return any(line.args[:1] and line.args[0].lower() == "alt-svc" for line in lines)
