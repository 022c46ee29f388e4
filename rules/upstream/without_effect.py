"""Rules about TLS settings for upstream servers that have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside, removal, renamed
from nginxtls.rules.upstream.helpers import PROXY, STREAM, passes_of, shown

from nginxtls.finding import Severity
from nginxtls.rule import Fix, Rule, label
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Scope, Upstream, VirtualServer
    from nginxtls.syntax.tree import Directive

PREREAD = "https://nginx.org/en/docs/stream/ngx_stream_ssl_preread_module.html"

_PREFIXES = {"proxy_ssl_": "proxy", "grpc_ssl_": "grpc", "uwsgi_ssl_": "uwsgi"}


class DeadUpstreamSettings(Rule):
    """TLS settings for upstream servers have no effect where every request is passed on in plain text.

    `proxy_ssl_*` applies only to `https://`, `grpc_ssl_*` to `grpcs://`, `uwsgi_ssl_*` to `suwsgi://`.

    Clients: no difference; between nginx and the back end everyone on the path can read the requests.

    Fix: change the scheme, or remove the settings.

    Reported only for settings in the location or server itself, not for inherited ones. The scheme of a variable target
    is unknown.

    ```nginx bad
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```
    """

    severity = Severity.NOTE
    needless = True
    security_severity = 2.0
    references = (f"{PROXY}#proxy_pass",)
    needs = ("proxy_ssl_*", "grpc_ssl_*", "uwsgi_ssl_*")

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or server.fragment:
            return
        for scope, passes in _below(configuration, server):
            for family, directive in _own_settings(scope).items():
                mine = [upstream for upstream in passes if upstream.family == family]
                if mine and all(_is_plain(upstream) for upstream in mine):
                    yield self.at(
                        directive,
                        f"`{directive.name}` has no effect: requests to {shown(mine[0])} are sent in plain text",
                        labels=[label(mine[0].directive, "no TLS")],
                        help=f"change the scheme, or remove `{directive.name}`",
                    )


class WrongUpstreamFamily(Rule):
    """TLS settings of one module have no effect where another module passes the requests on.

    `grpc_pass` uses `grpc_ssl_*`, and `uwsgi_pass` uses `uwsgi_ssl_*`; `proxy_ssl_*` applies to `proxy_pass` only.
    FastCGI, SCGI and memcached do not support TLS. `proxy_ssl_verify on;` next to `grpc_pass grpcs://` verifies
    nothing.

    Clients: no visible difference; the connection to the back end has none of the settings, such as verification or a
    client certificate.

    Fix: rename the directives.

    ```nginx bad
    location / {
        grpc_pass grpcs://127.0.0.1:8443;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```

    ```nginx good
    location / {
        grpc_pass grpcs://127.0.0.1:8443;
        grpc_ssl_verify on;
        grpc_ssl_trusted_certificate certificates/root.pem;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 4.3
    cwe = (295,)
    references = ("https://nginx.org/en/docs/http/ngx_http_grpc_module.html#grpc_ssl_verify", f"{PROXY}#proxy_pass")
    needs = ("proxy_ssl_*", "grpc_ssl_*", "uwsgi_ssl_*")

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or server.fragment:
            return
        for scope, passes in _below(configuration, server):
            for family, directive in _own_settings(scope).items():
                if passes and all(upstream.family != family for upstream in passes):
                    other = passes[0]
                    prefix = f"{other.family}_ssl_"
                    with_tls = prefix in _PREFIXES
                    replacement = directive.name.replace(f"{family}_ssl_", prefix, 1)
                    yield self.at(
                        directive,
                        f"`{directive.name}` has no effect: `{other.directive.name}` passes the requests on",
                        labels=[
                            label(other.directive, f"uses `{prefix}*` only" if with_tls else "does not support TLS")
                        ],
                        help=f"replace it with `{replacement}`" if with_tls else f"remove `{directive.name}`",
                        fix=_in_family(scope, family, prefix) if with_tls else removal(directive, safe=True),
                    )


def _in_family(scope: Scope, family: str, prefix: str) -> Fix:
    """The fix that gives all TLS directives of a family at a level the names of another family."""
    lines = [line for name, found in scope.own.items() if name.startswith(f"{family}_ssl_") for line in found]
    names = {line: line.name.replace(f"{family}_ssl_", prefix, 1) for line in lines}
    edits = (edit for line, name in names.items() for edit in renamed(line, name).edits)
    return Fix(f"use `{prefix}*`", tuple(edits))


class StreamUpstreamInPlainText(Rule):
    """In a stream server TLS to the upstream server is configured but not enabled: data is forwarded in plain text.

    `proxy_ssl` is `off` by default, and without it the `proxy_ssl_*` directives have no effect.

    Clients: the connection fails if the back end expects TLS; otherwise no visible difference, and everyone on the path
    can read the data.

    Fix: `proxy_ssl on;`.

    ```nginx bad
    stream {
        server {
            listen 5432 ssl;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate certificates/root.pem;
            proxy_pass 10.0.0.5:5432;
        }
    }
    ```

    ```nginx good
    stream {
        server {
            listen 5432 ssl;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            proxy_ssl on;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate certificates/root.pem;
            proxy_pass 10.0.0.5:5432;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (319,)
    references = (f"{STREAM}#proxy_ssl",)
    needs = ("proxy_ssl_*",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "stream" or server.fragment:
            return
        switch = server.setting("proxy_ssl")
        own = _own_settings(server.scope).get("proxy")
        target = server.first("proxy_pass")
        if own is None or target is None or switch.value == "on" or not switch.certain or not switch.known:
            return
        if server.setting("ssl_preread").enabled and not any(socket.tls for socket in server.sockets):
            return  # the clients' own TLS is passed through: passed-through-tls-settings
        yield self.at(
            own,
            f"data is forwarded to {' '.join(target.args)} in plain text: `proxy_ssl` is off, so `{own.name}` has no"
            " effect",
            labels=[label(switch.origin or target, "no TLS")],
            help="set `proxy_ssl on;`",
            fix=beside(switch.origin or own, "proxy_ssl", "on"),
        )


class PrereadAfterTls(Rule):
    """`ssl_preread` is on for a listener where nginx terminates TLS, so there is no ClientHello left to read.

    `$ssl_preread_server_name` and similar variables are empty, and a map of them returns its default.

    Clients: all get the back end that the map names as its default, whichever name they request.

    Fix: remove `ssl_preread` and use `$ssl_server_name`, or remove `ssl` from the `listen` directive.

    ```nginx bad
    stream {
        server {
            listen 443 ssl;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_preread on;
            proxy_pass 127.0.0.1:8443;
        }
    }
    ```

    ```nginx good
    stream {
        server {
            listen 443;
            ssl_preread on;
            proxy_pass 127.0.0.1:8443;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    references = (f"{PREREAD}#ssl_preread",)
    needs = ("ssl_preread",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        preread = server.setting("ssl_preread") if server.module == "stream" else None
        if preread is None or not preread.enabled or preread.origin is None:
            return
        listen = next((li for li in server.listens if li.has("ssl") and li.directive), None)
        if listen is not None and listen.directive is not None and all(socket.tls for socket in server.sockets):
            yield self.at(
                preread.origin,
                "the `ssl_preread` variables are empty: nginx terminates TLS on this listener",
                labels=[label(listen.directive, "terminates TLS")],
                help="use `$ssl_server_name`",
            )


def _own_settings(scope: Scope) -> dict[str, Directive]:
    """The first TLS directive of each family at this level itself."""
    found: dict[str, Directive] = {}
    for name, lines in scope.own.items():
        for prefix, family in _PREFIXES.items():
            if name.startswith(prefix) and (family not in found or lines[0].start < found[family].start):
                found[family] = lines[0]
    return found


def _below(configuration: Configuration, server: VirtualServer) -> Iterator[tuple[Scope, list[Upstream]]]:
    """The levels of a server with TLS settings for upstream servers, each with the places that pass requests on."""
    own = [scope for scope, _ in server.levels() if scope.certain and _own_settings(scope)]
    inside: dict[int, list[Upstream]] = {}
    for upstream in passes_of(configuration, server) if own else ():
        level: Scope | None = upstream.scope
        while level is not None:
            inside.setdefault(id(level), []).append(upstream)
            level = level.parent
    for scope in own:
        yield scope, inside.get(id(scope), [])


def _is_plain(upstream: Upstream) -> bool:
    """Whether requests are certainly passed on without TLS."""
    target = upstream.target.lower()
    if UNKNOWN in target or target.startswith("$"):
        return False
    scheme, separator, _ = target.partition("://")
    return not separator or ("$" not in scheme and scheme in ("http", "grpc", "uwsgi"))
