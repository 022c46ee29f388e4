"""Rules about early data of TLS 1.3, which an attacker can replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import after, for_default_server, written
from nginxtls.rules.common.grouping import everyone, sockets, titles
from nginxtls.rules.sessions.common import overruled

from nginxtls.finding import Severity
from nginxtls.model.decides import live_groups
from nginxtls.rule import NGINX_SSL, Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, Scope, VirtualServer
    from nginxtls.syntax.tree import Directive

RFC_8470 = "https://www.rfc-editor.org/rfc/rfc8470"
SSL_EARLY_DATA = f"{NGINX_SSL}#ssl_early_data"
PASSES = {
    "proxy_pass": "proxy_set_header",
    "grpc_pass": "grpc_set_header",
    "fastcgi_pass": "fastcgi_param",
    "uwsgi_pass": "uwsgi_param",
    "scgi_pass": "scgi_param",
}
"""The directives that forward requests, each with the directive that sets a header or parameter for it."""


class ReplayableEarlyData(Rule):
    """Early data is accepted and forwarded to a back end that cannot detect it, so requests can be replayed.

    Anyone who records a TLS 1.3 connection can send its early data again, to this server or to another with the same
    ticket keys: an order is placed twice. The protocol cannot prevent it; RFC 8470 leaves it to the application, which
    needs the header `Early-Data: 1` to answer 425.

    Clients: no error. A request that an attacker records and sends again is carried out twice.

    Fix: `ssl_early_data off;`, or pass the header: `proxy_set_header Early-Data $ssl_early_data;`

    Accepted as protection: the header where the request is forwarded, or any use of `$ssl_early_data` in the server or
    in a `map`. Servers that serve static files only, and those with Lua or njs, are not reported.

    ```nginx bad
    ssl_early_data on;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```

    ```nginx good
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (294,)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-8", f"{RFC_8470}#section-3", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)
    decides = ("ssl_early_data",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        exposed = {
            e: bare
            for e in _accepting(endpoints)
            if (bare := _unprotected(configuration, e.server)) and not _has_header(e.server)
        }
        if exposed:
            passes = list(dict.fromkeys(line for lines in exposed.values() for line in lines))
            yield self.at(
                directive,
                "early data can be replayed: requests are forwarded without the `Early-Data` header",
                labels=[label(line, "forwards requests without `Early-Data`") for line in passes[:5]],
                help=f"set `ssl_early_data off;`, or add `{_header(passes[0])}`",
                fix=written(directive, "off"),
                endpoints=titles(exposed),
            )


class MissingEarlyDataHeader(Rule):
    """One location of a server with early data forwards requests without the `Early-Data` header that another sets.

    A location with its own `proxy_set_header` inherits none, so it drops the `Early-Data` that the server sets.

    Clients: no error. A request that an attacker records and sends again reaches the application as if it were new.

    Fix: repeat `proxy_set_header Early-Data $ssl_early_data;` in the location.

    ```nginx bad
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    location /api/ {
        proxy_set_header Host $host;
        proxy_pass http://127.0.0.1:8081;
    }
    ```

    ```nginx good
    ssl_early_data on;
    proxy_set_header Early-Data $ssl_early_data;
    location /api/ {
        proxy_set_header Host $host;
        proxy_set_header Early-Data $ssl_early_data;
        proxy_pass http://127.0.0.1:8081;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (294,)
    references = (f"{RFC_8470}#section-5.1", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[Endpoint]] = {}
        for endpoint in _accepting(live_groups(configuration)):
            if _has_header(endpoint.server):
                for line in _unprotected(configuration, endpoint.server):
                    found.setdefault(line, []).append(endpoint)
        for line, endpoints in found.items():
            origin = endpoints[0].tls.setting("ssl_early_data").origin
            yield self.at(
                line,
                "early data is forwarded to this back end without the `Early-Data` header",
                labels=[label(origin, "early data is enabled here")] if origin else (),
                help=f"add `{_header(line)}`",
                fix=_add_header(line, endpoints[0].server),
                endpoints=titles(endpoints),
            )


class EarlyDataWithoutTls13(Rule):
    """Early data is enabled, but TLS 1.3 is not offered, so `ssl_early_data` has no effect.

    Clients: no difference.

    Fix: remove `ssl_early_data`, or offer TLS 1.3.

    ```nginx bad
    ssl_early_data on;
    ssl_protocols TLSv1.2;
    ```

    ```nginx good
    ssl_early_data on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = (SSL_EARLY_DATA,)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)
    decides = ("ssl_early_data",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if not endpoints[0].tls.setting("ssl_early_data").enabled:
            return
        if all("TLSv1.3" not in e.tls.enabled and _is_sure_of_protocols(e) for e in endpoints):
            # Without this line a server would inherit that of the outer level.
            outer = directive.parent.parent if directive.parent is not None else None
            inherits = outer is not None and any(
                line.parent is outer for line in configuration.directives("ssl_early_data")
            )
            yield self.at(
                directive,
                "early data needs TLS 1.3, which is not offered",
                help="set `ssl_early_data off;`" if inherits else "remove it",
                fix=written(directive, "off", safe=True)
                if inherits
                else Fix("remove `ssl_early_data`", (delete(directive),), safe=True),
                endpoints=titles(endpoints),
            )


class IgnoredEarlyData(Rule):
    """`ssl_early_data` in a server differs from that of the default server of its socket, and has no effect.

    OpenSSL fixes whether early data is accepted before nginx switches to the requested server: the default server's
    setting applies to every name on the socket, on all versions (measured on nginx 1.18.0 to 1.30.6). The worst case is
    `off` in a server whose default server enables it: its requests can still be replayed.

    Clients: early data is accepted or refused as the default server has it, whatever this server says.

    Fix: set it at the http level.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data off;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_early_data on;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 4.3
    cwe = (665,)
    references = (SSL_EARLY_DATA, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, default, endpoints in overruled(configuration, "ssl_early_data", lambda s: s.enabled):
            mine, theirs = endpoints[0].server.setting("ssl_early_data"), default.setting("ssl_early_data")
            winner = theirs.origin or default.directive
            yield self.at(
                directive,
                f"`ssl_early_data {mine.value}` has no effect on {sockets(endpoints)}: the default server decides, and"
                f" its value is {theirs.value or 'off'}",
                labels=[label(winner, "decides for every name on the socket")] if winner else (),
                help="set it at the http level",
                fix=for_default_server(directive, endpoints),
                endpoints=titles(endpoints),
            )


class EarlyDataWithClientCertificates(Rule):
    """Early data is accepted on a server that requests client certificates.

    A replayed request is attributed to the client whose certificate belongs to the session: whoever recorded it acts
    with that identity once more.

    Clients: no difference for legitimate clients. A request that somebody recorded and sends again is carried out in
    the name of the client that sent it first.

    Fix: `ssl_early_data off;`

    ```nginx bad
    ssl_early_data on;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_early_data off;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (294,)
    references = ("https://www.rfc-editor.org/rfc/rfc8446#section-8", SSL_EARLY_DATA)
    since = "nginx 1.15.3"
    needs = ("ssl_early_data",)
    decides = ("ssl_early_data",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        requesting = [e for e in _accepting(endpoints) if e.tls.client_certificate != "none"]
        if requesting:
            verify = requesting[0].tls.verify_client.origin
            yield self.at(
                directive,
                "early data can be replayed with the identity of a client certificate",
                labels=[label(verify, "requests client certificates")] if verify else (),
                help="set `ssl_early_data off;`",
                fix=written(directive, "off"),
                endpoints=titles(requesting),
            )


def _accepting(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Those of the endpoints and of their groups that accept early data of HTTP requests."""
    return everyone(
        e
        for e in endpoints
        if e.socket.module == "http"
        and e.tls.setting("ssl_early_data").enabled
        and "TLSv1.3" in e.tls.enabled
        and e.tls.nginx.at_least(1, 15, 3)
    )


def _passes(server: VirtualServer) -> Iterator[tuple[Directive, Scope]]:
    """The directives that forward requests, each with the scope of its block."""
    for scope, _ in server.levels(*PASSES):
        for name in PASSES:
            for line in scope.all(name):
                yield line, scope


def _unprotected(configuration: Configuration, server: VirtualServer) -> list[Directive]:
    """The directives that forward early data without the header; none if the server handles it in another way."""
    if _handles_early_data(configuration, server):
        return []
    return [line for line, scope in _passes(server) if not _sets_header(scope, line)]


def _has_header(server: VirtualServer) -> bool:
    return any(_sets_header(scope, line) for line, scope in _passes(server))


def _sets_header(scope: Scope, line: Directive) -> bool:
    lines = scope.setting(PASSES[line.name]).directives
    return any("$ssl_early_data" in arg or "${ssl_early_data}" in arg for header in lines for arg in header.args[1:])


def _header(line: Directive) -> str:
    """The directive that passes the header to the back end of this line."""
    directive = PASSES[line.name]
    return f"{directive} {'Early-Data' if directive.endswith('_header') else 'HTTP_EARLY_DATA'} $ssl_early_data;"


def _add_header(line: Directive, server: VirtualServer) -> Fix | None:
    """The fix that passes the header; beside those that apply, as a level with one of its own inherits none."""
    scope = next((scope for found, scope in _passes(server) if found is line), None)
    given = scope.setting(PASSES[line.name]).origin if scope is not None else None
    return Fix(f"add `{_header(line)}`", (after(given or line, _header(line)),))


def _handles_early_data(configuration: Configuration, server: VirtualServer) -> bool:
    """Whether the server runs code, or uses the variable anywhere but in a header."""
    headers = set(PASSES.values())
    for line in server.walk():
        if line.name.endswith(("_by_lua_block", "_by_lua_file", "_by_lua")) or line.name.startswith("js_"):
            return True
        if line.name not in headers and any("ssl_early_data" in arg for arg in line.args):
            return True
    return any("ssl_early_data" in arg for line in configuration.directives("map") for arg in line.args[:1])


def _is_sure_of_protocols(endpoint: Endpoint) -> bool:
    setting = endpoint.tls.protocols
    return setting.known and bool(setting.directives or setting.certain)
