"""Rules about which responses carry Strict-Transport-Security."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added, after, as_written, inside, removal, repeated
from nginxtls.rules.common.grouping import listed
from nginxtls.rules.hsts.helpers import ADD_HEADER, HSTS, RFC_6797, by_server, is_behind_proxy, is_hsts, titles

from nginxtls.base.lazy import pattern
from nginxtls.finding import Severity
from nginxtls.model import headers
from nginxtls.rule import Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Scope, VirtualServer
    from nginxtls.syntax.tree import Directive

INTERNAL = pattern(r"(^|\.)(localhost|local|internal|intranet|lan|test|invalid|home|corp|localdomain)$")


class MissingHsts(Rule):
    """A TLS server sends no Strict-Transport-Security header.

    Without it a browser follows links to `http://`, and an attacker on the network can answer instead of the server.
    RFC 9325 requires the header.

    Clients: no error. The first request after a typed name or an `http://` link is plain text, where an attacker on the
    network can answer and keep the visitor on plain HTTP.

    Fix: `add_header Strict-Transport-Security "max-age=63072000" always;` as soon as all names of the server support
    TLS.

    Not reported for servers that pass requests to an upstream server, which may send the header itself, or that use Lua
    or `more_set_headers`; for names that are not on the public Internet (`localhost`, `.local`, `.internal`, `.test`
    …); for servers without a name, on loopback addresses, or that reject every request. Reported only if the whole
    configuration was read.

    ```nginx bad
    root /var/www;
    ```

    ```nginx good
    root /var/www;
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (319,)
    references = (f"{RFC_6797}#section-7.1", "https://www.rfc-editor.org/rfc/rfc9325#section-3.2", ADD_HEADER)
    needs = ("http",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for server, endpoints in by_server(configuration).items():
            if headers.find(server.scope, HSTS):
                continue
            if server.directive is None or not _faces_browsers(server):
                continue
            scopes = [scope for scope, _ in server.levels()]
            # A location's file that is not known may pass requests on, to a server that sends the header.
            if not all(scope.certain for scope in scopes):
                continue
            if any(headers.find(scope, HSTS) for scope in scopes) or _sends_otherwise(server):
                continue
            if any(headers.lost(scope, HSTS) for scope in scopes):
                continue  # reported by lost-hsts
            yield self.at(
                server.directive,
                f"no {HSTS} header is sent for {_names(server)}",
                help=f'add `add_header {HSTS} "max-age=63072000" always;`',
                fix=_send(server),
                endpoints=[endpoint.title for endpoint in endpoints],
            )


class LostHsts(Rule):
    """Strict-Transport-Security is set at an outer level, but a block with `add_header` lines of its own does not
    inherit it.

    nginx inherits `add_header` only into blocks that have none: any other header in a location, or in an `if`, removes
    all those of the server (measured on nginx 1.18.0 to 1.30.6). Since 1.29.3 `add_header_inherit merge;` keeps them.

    Clients: no error. Visitors whose requests all go to this block do not get the policy, and a policy they have is not
    extended.

    Fix: repeat the line in the block, or move all headers to a file that each such block includes.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header Cache-Control public;
    }
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header Strict-Transport-Security "max-age=63072000" always;
        add_header Cache-Control public;
    }
    ```

    ```nginx good, nginx: 1.30.6
    add_header Strict-Transport-Security "max-age=63072000" always;
    location /static/ {
        add_header_inherit merge;
        add_header Cache-Control public;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (319,)
    references = (ADD_HEADER, "https://nginx.org/en/CHANGES", f"{RFC_6797}#section-7.1")
    needs = ("add_header",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or not (server.speaks_tls or server.fragment) or server.rejects_handshake:
            return
        for scope, _ in server.levels("add_header"):
            lost = headers.lost(scope, HSTS)
            if lost is not None and "include" not in scope.own and not _closes(scope):
                own = scope.all("add_header")
                where = "the server" if scope is server.scope else _block(own[0])
                yield self.at(
                    own[0],
                    f"{where} sends no {HSTS}: its own `add_header` replaces those of the outer level",
                    label="a block with `add_header` inherits none",
                    labels=[label(lost.directive, "not inherited")],
                    help="repeat the header in this block",
                    fix=repeated(lost.directive, own[-1]),
                    endpoints=titles(server),
                )


class DuplicateHsts(Rule):
    """Two Strict-Transport-Security headers are sent in one response.

    Browsers use the first and ignore the other (RFC 6797, section 8.1); nginx sends both in configuration order.

    Clients: browsers use the first header; the values of the second have no effect.

    Fix: keep one line.

    A server of the same nginx that requests are passed on to may send one of another value, too. It comes first, so
    browsers ignore the value of the server with TLS (measured on nginx 1.18.0 to 1.30.6).

    Limitations: the headers of other upstream servers are not known.

    ```nginx bad
    add_header Strict-Transport-Security "max-age=300" always;
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (f"{RFC_6797}#section-8.1", ADD_HEADER)
    needs = ("add_header",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        seen: set[Directive] = set()
        for scope, _ in [(server.scope, None), *server.levels("add_header")]:
            if len(headers.headers(scope)) < 2:
                continue
            found = [h for h in headers.find(scope, HSTS) if h.known and not scope.is_conditional(h.directive)]
            if len(found) > 1 and found[1].directive not in seen:
                seen.add(found[1].directive)
                yield self.at(
                    found[1].directive,
                    f"a second {HSTS} header is sent, and browsers ignore it",
                    labels=[label(found[0].directive, "the first header, which browsers use")],
                    help="remove one of the two lines",
                    fix=removal(found[1].directive),
                    endpoints=titles(server),
                )

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or not configuration.directives("proxy_pass"):
            return
        from nginxtls.model.backends import connections, passed_header

        seen: set[tuple[Directive, Directive]] = set()
        for connection in connections(configuration):
            target = connection.target
            own = headers.find(target.scope, HSTS)[:1] if target.server.speaks_tls else ()
            first = passed_header(configuration, connection, HSTS) if own and own[0].known else None
            if first is None or first.value == own[0].value or (own[0].directive, first.directive) in seen:
                continue
            seen.add((own[0].directive, first.directive))
            yield self.at(
                own[0].directive,
                f"browsers ignore this {HSTS} header: the server that requests are passed on to sends another one",
                labels=[
                    label(first.directive, "the first header, which browsers use"),
                    label(target.directive, "passes requests on"),
                ],
                help=f"add `{target.family}_hide_header {HSTS};`, or remove the header of the other server",
                endpoints=titles(target.server),
            )


class ConditionalHsts(Rule):
    """Strict-Transport-Security is set inside an `if`, so only responses that match the condition contain it.

    Clients: no error. A browser learns the policy only from the responses that match, and follows `http://` links in
    plain text until then.

    Fix: set it at server level. nginx sends it over TLS and plain HTTP alike, and browsers ignore it over plain HTTP.

    ```nginx bad
    location / {
        if ($host = example.com) {
            add_header Strict-Transport-Security "max-age=63072000" always;
        }
    }
    ```

    ```nginx good
    add_header Strict-Transport-Security "max-age=63072000" always;
    ```
    """

    severity = Severity.NOTE
    security_severity = 2.0
    references = (ADD_HEADER,)
    directives = ("add_header",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        block = directive.parent
        if is_hsts(directive) and block is not None and block.name == "if":
            if any("scheme" in arg or "https" in arg for arg in block.args):
                return
            yield self.at(
                directive,
                f"{HSTS} is sent only if a condition is true",
                labels=[label(block, "the condition")],
                help="set the header at server level",
                fix=_hoisted(directive),
            )


class HstsOverHttp(Rule):
    """Strict-Transport-Security is sent over plain HTTP, which RFC 6797 forbids.

    Browsers ignore it there (RFC 6797, section 7.2). Usually it is inherited from the http level.

    Clients: no difference.

    Fix: set it in the servers with TLS.

    Not reported for servers that listen for both TLS and plain HTTP, which cannot avoid it, nor for those to which a
    server with TLS of the same nginx passes requests on over loopback or a unix socket.

    ```nginx bad
    server {
        listen 80;
        server_name example.com;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        add_header Strict-Transport-Security "max-age=63072000" always;
    }
    ```
    """

    severity = Severity.NOTE
    references = (f"{RFC_6797}#section-7.2",)
    needs = ("add_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        found: dict[Directive, list[VirtualServer]] = {}
        for server in configuration.servers:
            if server.module != "http" or server.speaks_tls or not server.sockets:
                continue
            if not all(listen.directive is None or listen.directive.known for listen in server.listens):
                continue  # a template expression in it may expand to "ssl"
            sent = headers.find(server.scope, HSTS)[:1]
            for header in sent if sent and not is_behind_proxy(server) and not _is_own(server, configuration) else ():
                # A variable may be empty over plain HTTP: map $scheme $hsts { https …; }
                if header.known:
                    found.setdefault(header.directive, []).append(server)
        for directive, servers in found.items():
            titles = [f"{server.title} on {socket.label}" for server in servers for socket in server.sockets]
            yield self.at(
                directive,
                f"{HSTS} is sent over plain HTTP, where browsers ignore it",
                help="move it to the servers with TLS",
                fix=_dropped(directive),
                endpoints=titles,
            )


def _is_own(server: VirtualServer, configuration: Configuration) -> bool:
    """Whether only this nginx connects to a server, to pass on requests that it receives over TLS."""
    if not all(socket.is_loopback or socket.address.startswith("unix:") for socket in server.sockets):
        return False
    from nginxtls.model.backends import connections

    to = {each.socket for each in connections(configuration) if each.target.server.speaks_tls}
    return to.issuperset(server.sockets)


def _send(server: VirtualServer) -> Fix | None:
    """The fix that adds the header, beside those that apply: a level with one of its own inherits none."""
    given = headers.headers(server.scope)
    text = f'add_header {HSTS} "max-age=63072000" always;'
    if given:
        return Fix(f"add `{text}`", (after(given[-1].directive, text),))
    return added(server.directive, text) if server.directive is not None else None


def _hoisted(line: Directive) -> Fix | None:
    """The fix that moves a line to the level of its server."""
    block = line.parent
    while block is not None and block.name != "server":
        block = block.parent
    if block is None or any(each.name == "add_header" for each in block.block or ()):
        return None
    return Fix("set the header at server level", (inside(block, as_written(line)), delete(line)))


def _dropped(line: Directive) -> Fix | None:
    """The fix that removes the line from a server without TLS, unless the line above it would be inherited again."""
    block = line.parent
    if block is None or block.name != "server":
        return None
    return removal(line, safe=True)


def _names(server: VirtualServer) -> str:
    """The host names of a server in words."""
    return listed([name.text for name in server.names if name.is_host], 3)


def _faces_browsers(server: VirtualServer) -> bool:
    """Whether it serves a public name on a socket that other hosts can reach, and does not reject every request."""
    names = [name for name in server.names if name.is_host and not INTERNAL.search(name.key)]
    reachable = [socket for socket in server.sockets if socket.tls and not socket.is_loopback]
    line = server.first("return")
    rejects = line is not None and line.args[:1] and line.args[0][:1] == "4"
    return bool(names and reachable) and not rejects


_ELSEWHERE = pattern(r"_pass$|_by_lua|^js_|^perl|^more_set_headers$|^headers_more")


def _sends_otherwise(server: VirtualServer) -> bool:
    """Whether an upstream server or another module may send the header."""
    if any(_ELSEWHERE.search(line.name) for line in server.walk()):
        return True
    level = server.scope.parent
    return level is not None and any(_ELSEWHERE.search(name) for name in level.own)


def _closes(scope: Scope) -> bool:
    """Whether the connection is closed without a response: ``return 444``."""
    line = scope.first("return")
    return line is not None and line.args[:1] == ("444",)


def _block(directive: Directive) -> str:
    """The opening line of the block around a directive, as messages show it."""
    block = directive.parent
    return f"`{' '.join((block.name, *block.args))}`" if block is not None else "this block"
