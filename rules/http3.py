"""Rules about HTTP/2 and HTTP/3."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nginxtls.rules.common.edits import added, after, inside, put, removal, rewritten, with_word, without_words, written
from nginxtls.rules.common.grouping import (
    listed,
)

from nginxtls.finding import Confidence, Edit, Severity
from nginxtls.model import headers, refusals
from nginxtls.model.decides import live
from nginxtls.model.header_values import alt_svc
from nginxtls.rule import Fix, Rule, delete, label, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint, Listen, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive

LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
HTTP2 = "https://nginx.org/en/docs/http/ngx_http_v2_module.html"
QUIC = "https://nginx.org/en/docs/quic.html"
CHANGES = "https://nginx.org/en/CHANGES"


class DeprecatedHttp2Listen(Rule):
    """`listen … http2` is deprecated since nginx 1.25.1.

    nginx warns about it at each start. The parameter applies to the whole address and port, whichever server has it;
    the directive `http2 on` applies to one server.

    Clients: no difference.

    Fix: remove the parameter from every `listen` directive of the socket, and set `http2 on;` in the servers or at the
    http level.

    Not reported with an `--nginx-version` below 1.25.1, which does not support `http2 on`.

    ```nginx bad
    server {
        listen 443 ssl http2;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        http2 on;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    references = (f"{HTTP2}#http2", LISTEN, CHANGES)
    since = "nginx 1.25.1"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.assumed_nginx.at_least(1, 25, 1):
            return
        for server, listen in _listens_with(configuration, "http2"):
            assert listen.directive is not None
            yield self.at(
                listen.directive,
                "`listen … http2` is deprecated since nginx 1.25.1",
                arg=listen.argument("http2"),
                help="remove `http2` from every `listen` of the socket, and set `http2 on;`",
                fix=_http2_on(server, configuration),
                endpoints=_endpoints(server, listen),
            )


class ClearTextHttp2(Rule):
    """HTTP/2 is enabled on a socket without TLS, where browsers do not use it and this nginx serves nothing else.

    Before nginx 1.25.1 a plain socket with `http2` interprets every connection as HTTP/2: browsers and curl, which send
    HTTP/1.1 there, fail.

    Clients: before nginx 1.25.1 browsers show ERR_INVALID_HTTP_RESPONSE or download a few bytes, and curl reports
    `Received HTTP/0.9 when not allowed`.

    Fix: add `ssl`, or remove `http2`.

    Reported only with an `--nginx-version` below 1.25.1, and not for servers with `grpc_pass`, whose clients expect it.

    ```nginx bad, nginx: 1.22.1
    server {
        listen 8080 http2;
        server_name example.com;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 8080 http2;
        server_name example.com;
    }
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc9113#section-3.3", CHANGES, LISTEN)
    since = "up to nginx 1.25.0"
    needs = ("listen", "http2")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None or nginx.at_least(1, 25, 1) or configuration.completeness != "full":
            return
        for socket in configuration.sockets:
            if socket.module != "http" or socket.tls or not socket.http2 or any(s.ssl_on for s in socket.servers):
                continue
            if any(line.name == "grpc_pass" for server in socket.servers for line in server.walk()):
                continue
            line = next((li for _, li in socket.listens if li.has("http2") and li.directive), None)
            if line is not None and line.directive is not None:
                yield self.at(
                    line.directive,
                    f"HTTP/1.1 clients fail on {socket.label}: nginx {nginx} accepts only HTTP/2 there",
                    arg=line.argument("http2"),
                    help="add `ssl`, or remove `http2`",
                    fix=_without_parameter(socket, "http2"),
                )


class ObsoleteHttp2Directive(Rule):
    """This HTTP/2 directive is obsolete since nginx 1.19.7.

    nginx ignores it, with a warning. `http2_recv_timeout` is replaced by `client_header_timeout`, `http2_idle_timeout`
    by `keepalive_timeout`, `http2_max_requests` by `keepalive_requests`, and `http2_max_field_size` and
    `http2_max_header_size` by `large_client_header_buffers`.

    Clients: no error; clients get the limits and timeouts that the replacing directive has, by default or by another
    line.

    Fix: use the directive that replaces it, or remove the line.

    ```nginx bad
    http2_idle_timeout 3m;
    ```

    ```nginx good
    keepalive_timeout 3m;
    ```

    ```nginx good, nginx: 1.18.0
    http2_idle_timeout 3m;
    ```
    """

    severity = Severity.NOTE
    references = (HTTP2, CHANGES)
    since = "nginx 1.19.7"
    successors: ClassVar[dict[str, str]] = {
        "http2_idle_timeout": "keepalive_timeout",
        "http2_recv_timeout": "client_header_timeout",
        "http2_max_requests": "keepalive_requests",
        "http2_max_field_size": "large_client_header_buffers",
        "http2_max_header_size": "large_client_header_buffers",
    }
    directives = tuple(successors)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.assumed_nginx.at_least(1, 19, 7):
            yield self.at(
                directive,
                f"`{directive.name}` has no effect since nginx 1.19.7",
                help=f"use `{self.successors[directive.name]}`",
                fix=Fix(f"remove {directive.name}", (delete(directive),), safe=True),
            )


class RemovedHttp2Push(Rule):
    """HTTP/2 server push was removed in nginx 1.25.1, and its directives have no effect.

    Browsers removed it as well.

    Clients: no difference; files are no longer pushed, with or without the line.

    Fix: remove the line. `Link: …; rel=preload` and 103 Early Hints replace it.

    ```nginx bad
    http2_push_preload on;
    ```

    ```nginx good, nginx: 1.22.1
    http2_push_preload on;
    ```

    ```nginx good
    http2_max_concurrent_streams 128;
    ```
    """

    severity = Severity.NOTE
    references = (CHANGES, HTTP2)
    since = "nginx 1.25.1"
    directives = ("http2_push", "http2_push_preload", "http2_max_concurrent_pushes")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.assumed_nginx.at_least(1, 25, 1):
            yield self.at(
                directive,
                f"`{directive.name}` has no effect: nginx 1.25.1 removed server push",
                help=f"remove `{directive.name}`",
                fix=Fix(f"remove {directive.name}", (delete(directive),), safe=True),
            )


class IgnoredHttp2Off(Rule):
    """`http2 off` has no effect, because a `listen` directive enables HTTP/2 for the whole socket.

    `listen … http2` applies to every server on that address and port, and overrides `http2 off` (measured on nginx
    1.26.3 and 1.30.6).

    Clients: HTTP/2 is negotiated all the same.

    Fix: replace `listen … http2` with `http2 on;` in the servers that need it.

    ```nginx bad
    server {
        listen 443 ssl http2;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        http2 off;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        http2 on;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        http2 off;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    references = (f"{HTTP2}#http2", LISTEN)
    since = "nginx 1.25.1"
    needs = ("http2",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        line = server.first("http2")
        if line is None or line.args[:1] != ("off",):
            return
        on = [socket for socket in server.sockets if socket.http2]
        if on:
            flag = next((li for _, li in on[0].listens if li.has("http2") and li.directive), None)
            labels = []
            if flag is not None and flag.directive is not None:
                labels.append(label(flag.directive, "enables HTTP/2 for every server", flag.argument("http2")))
            yield self.at(
                line,
                f"`http2 off` has no effect on {listed([socket.label for socket in on])}",
                labels=labels,
                help="replace `listen … http2` with `http2 on;` in the servers that need it",
                fix=_http2_on(server, configuration, despite_off=True),
                endpoints=[f"{server.title} on {socket.label}" for socket in on],
            )


class RaisedHttp2Limits(Rule):
    """The limits that protect HTTP/2 from floods of requests are far above their defaults.

    In the rapid reset attack (CVE-2023-44487) a client opens and cancels streams as fast as it can. nginx withstands it
    as long as `keepalive_requests` (default 1000) and `http2_max_concurrent_streams` (128) are near their defaults.

    Clients: nothing until an attack; during one, all clients wait or time out.

    Fix: keep the defaults.

    ```nginx bad
    http2_max_concurrent_streams 100000;
    ```

    ```nginx good
    http2_max_concurrent_streams 256;
    ```
    """

    severity = Severity.NOTE
    security_severity = 5.3
    cwe = (400,)
    confidence = Confidence.LIKELY
    references = ("https://nvd.nist.gov/vuln/detail/CVE-2023-44487", f"{HTTP2}#http2_max_concurrent_streams")
    directives = ("http2_max_concurrent_streams", "keepalive_requests")
    limits: ClassVar[dict[str, tuple[int, int]]] = {
        "http2_max_concurrent_streams": (128, 1280),
        "keepalive_requests": (1000, 100_000),
    }

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        default, most = self.limits[directive.name]
        parent = directive.parent
        if parent is not None and parent.name == "upstream":
            return
        value = directive.args[0] if directive.args else ""
        if value.isdigit() and len(value) < 12 and int(value) > most:
            yield self.at(
                directive,
                f"`{directive.name}` is {int(value)}, far above the default of {default}",
                arg=0,
                help=f"remove it, or set `{directive.name} {default};`",
                fix=written(directive, str(default)),
            )


# -- HTTP/3 ------------------------------------------------------------------------------------------------------------


class QuicWithoutTls13(Rule):
    """A socket has `quic`, but the protocols of its default server lack TLS 1.3, and nginx does not start.

    `"ssl_protocols" must enable TLSv1.3 for the "listen ... quic" directive` (measured on nginx 1.26.3 and 1.30.6):
    QUIC supports no older version.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: add `TLSv1.3`.

    ```nginx bad
    server {
        listen 443 quic;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2;
    }
    ```

    ```nginx good
    server {
        listen 443 quic;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.ERROR
    references = ("https://www.rfc-editor.org/rfc/rfc9001#section-4.2", QUIC)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if '"ssl_protocols" must enable TLSv1.3' in refusal.message:
                yield self.at(
                    refusal.directive,
                    "nginx does not start: a socket with `quic` requires `TLSv1.3` in `ssl_protocols`",
                    help="add `TLSv1.3`",
                    fix=_with_tls13(refusal.directive),
                )


class QuicWithSsl(Rule):
    """A `listen` directive has both `ssl` and `quic`, and nginx does not start.

    TLS over TCP and QUIC over UDP are two sockets: each needs its own `listen` directive.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: `listen 443 ssl; listen 443 quic;`

    ```nginx bad
    server {
        listen 443 ssl quic;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl;
        listen 443 quic;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (LISTEN, QUIC)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for _, listen in _listens_with(configuration, "quic"):
            if listen.directive is not None and listen.has("ssl"):
                yield self.at(
                    listen.directive,
                    "nginx does not start: one `listen` directive has both `ssl` and `quic`",
                    arg=listen.argument("quic"),
                    help="split it into two `listen` directives",
                    fix=_split(listen.directive),
                )


class MissingAltSvc(Rule):
    """HTTP/3 is enabled, but no `Alt-Svc` header announces it to browsers.

    Browsers connect over TCP and switch to QUIC only if the server announces it: without the header (or an HTTPS record
    in DNS, which is not checked here) no browser uses HTTP/3.

    Clients: no error; browsers stay on HTTP/2 over TCP.

    Fix: `add_header Alt-Svc 'h3=":443"; ma=86400' always;`

    Not reported for servers with Lua, and if a part of the configuration was not read.

    ```nginx bad
    server {
        listen 443 ssl;
        listen 443 quic;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
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

    severity = Severity.NOTE
    references = ("https://www.rfc-editor.org/rfc/rfc9114#section-3.1", "https://www.rfc-editor.org/rfc/rfc7838", QUIC)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for endpoint in live(configuration) if _has_quic(configuration) else ():
            server = endpoint.server
            if (
                not endpoint.socket.quic
                or configuration.completeness != "full"
                or not configuration.absence_is_certain(server)
            ):
                continue
            if not any(name.is_host for name in server.names) or _announces(server) or _http3_off(server):
                continue
            if headers.lost(server.scope, "Alt-Svc") is not None:
                continue  # reported by lost-alt-svc
            line = next((li for li in server.listens if li.quic and li.directive and not li.has("ssl")), None)
            if line is not None and line.directive is not None:
                yield self.at(
                    line.directive,
                    "browsers do not use HTTP/3: no Alt-Svc header announces it",
                    arg=line.argument("quic"),
                    help=f"add `add_header Alt-Svc 'h3=\":{endpoint.socket.port}\"; ma=86400' always;`",
                    fix=_announced_by(server, f"add_header Alt-Svc 'h3=\":{endpoint.socket.port}\"; ma=86400' always;"),
                    endpoints=(endpoint.title,),
                )


class DeadAltSvc(Rule):
    """`Alt-Svc` announces HTTP/3 for a name without a QUIC listener.

    Browsers try the announced port, wait, and fall back to TCP: each first visit is slower.

    Clients: no error; browsers try QUIC in vain and stay on TCP.

    Fix: add `listen 443 quic;`, or remove the header.

    Reported only for a header without a host name, which refers to this host, and if the whole configuration was read.
    The port may differ from the listener's: a container or a firewall may map it.

    ```nginx bad
    add_header Alt-Svc 'h3=":443"; ma=86400' always;
    ```

    ```nginx good
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

    severity = Severity.WARNING
    confidence = Confidence.LIKELY
    references = ("https://www.rfc-editor.org/rfc/rfc7838#section-2", QUIC)
    needs = ("add_header",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        found: dict[Directive, tuple[int, list[Endpoint]]] = {}
        lines = configuration.directives("add_header")
        announced = any(line.args[0].lower() == "alt-svc" for line in lines if line.args)
        for endpoint in live(configuration) if announced else ():
            server = endpoint.server
            if endpoint.socket.module != "http" or not configuration.absence_is_certain(server):
                continue
            for scope, _ in server.levels():
                for header in headers.find(scope, "Alt-Svc"):
                    port = _announced(header.value)
                    if port is not None and header.known and not _quic_on(configuration, server):
                        found.setdefault(header.directive, (port, []))[1].append(endpoint)
        for directive, (port, endpoints) in found.items():
            yield self.at(
                directive,
                f"HTTP/3 is announced on port {port}, where no server with this name listens for QUIC",
                arg=1,
                help=f"add `listen {port} quic;`, or remove the header",
                fix=removal(directive),
                endpoints=dict.fromkeys(endpoint.title for endpoint in endpoints),
            )


class QuicOnly(Rule):
    """A server listens for QUIC only, so clients that cannot use UDP cannot connect.

    Many networks block UDP, and browsers connect over TCP first.

    Clients: browsers connect over TCP first and show ERR_CONNECTION_REFUSED, unless they already know of HTTP/3 here;
    in networks that block UDP nobody connects.

    Fix: add `listen 443 ssl;` next to `listen 443 quic;`

    ```nginx bad
    server {
        listen 443 quic;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 quic;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc9114#section-3.2", QUIC)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or not _has_quic(configuration):
            return
        over_tcp = {name.key for e in live(configuration) if not e.socket.quic for name in e.server.names}
        for server in configuration.servers:
            if not server.sockets or not all(s.quic for s in server.sockets) or server.rejects_handshake:
                continue
            names = [name for name in server.names if name.is_host]
            line = next((li for li in server.listens if li.quic and li.directive and not li.has("ssl")), None)
            if not names or line is None or line.directive is None or not configuration.absence_is_certain(server):
                continue
            if not any(name.key in over_tcp for name in names):
                yield self.at(
                    line.directive,
                    f"{names[0].text} is served over QUIC only: clients without UDP cannot connect",
                    arg=line.argument("quic"),
                    help="add a `listen` directive with `ssl`",
                    fix=Fix(
                        f"add `listen {line.directive.args[0]} ssl;`",
                        (after(line.directive, f"listen {line.directive.args[0]} ssl;"),),
                    ),
                    endpoints=[f"{server.title} on {socket.label}" for socket in server.sockets],
                )


class QuicWithoutReuseport(Rule):
    """QUIC is used without `reuseport`, although nginx has several worker processes.

    All workers then share one UDP socket, and packets of a connection can arrive at another worker than its own.

    Clients: QUIC connections stall or break off when packets arrive at another worker, and browsers fall back to TCP.

    Fix: add `reuseport` to exactly one `listen … quic` directive of each address.

    `quic_bpf on` does not replace it: nginx attaches its program to sockets with `reuseport` alone
    (ngx_event_quic_bpf.c). Not reported with `worker_processes 1` (the default).

    ```nginx bad
    worker_processes auto;
    events {}
    http {
        server {
            listen 443 quic;
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    worker_processes auto;
    events {}
    http {
        server {
            listen 443 quic reuseport;
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.NOTE
    references = (QUIC, LISTEN)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        workers = [line for line in configuration.directives("worker_processes") if line.args and line.known]
        if not workers or workers[0].args[0] == "1" or "$" in workers[0].args[0]:
            return
        for socket in configuration.sockets:
            lines = [li for _, li in socket.listens if li.quic and li.directive]
            if socket.quic and lines and not any(li.has("reuseport") for li in lines):
                line = lines[0]
                assert line.directive is not None
                yield self.at(
                    line.directive,
                    f"packets of QUIC connections can arrive at the wrong worker: {socket.label} has no `reuseport`",
                    arg=line.argument("quic"),
                    labels=[label(workers[0], "several worker processes")],
                    help="add `reuseport` to this `listen` directive",
                    fix=_with_reuseport(line.directive),
                )


class QuicWithoutHostKey(Rule):
    """`quic_retry` is on without `quic_host_key`, so each reload invalidates all address validation tokens.

    Clients: no error; after a reload, clients need one more round trip to validate their address.

    Fix: `quic_host_key /etc/nginx/quic.key;` with 32 random bytes.

    ```nginx bad
    quic_retry on;
    ```

    ```nginx good
    quic_retry on;
    quic_host_key quic.key;
    ```
    """

    severity = Severity.NOTE
    pedantic = True
    references = ("https://nginx.org/en/docs/http/ngx_http_v3_module.html#quic_host_key",)
    directives = ("quic_retry",)
    since = "nginx 1.25.0"

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if (
            directive.args[:1] == ("on",)
            and configuration.completeness == "full"
            and not configuration.directives("quic_host_key")
        ):
            yield self.at(
                directive, "each reload invalidates all address validation tokens", help="set `quic_host_key FILE;`"
            )


class QuicCompatibilityLayer(Rule):
    """HTTP/3 uses the compatibility layer for OpenSSL versions older than 3.5.1.

    nginx uses OpenSSL's own QUIC API since 3.5.1. With older versions early data is not supported, and up to 3.5.0 the
    layer has a vulnerability of its own (CVE-2026-90439, fixed in nginx 1.30.5).

    Clients: HTTP/3 works, without early data (0-RTT).

    Fix: build nginx with OpenSSL 3.5.1 or newer.

    Reported only with an `--openssl-version`.

    ```nginx bad, openssl: 3.0.20
    server {
        listen 443 quic;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, openssl: 3.5.9
    server {
        listen 443 quic;
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    references = (CHANGES, QUIC)
    since = "nginx 1.25.0"
    needs = ("listen",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or configuration.facts.openssl.version >= (3, 5, 1):
            return
        for socket in configuration.sockets:
            line = next((li for _, li in socket.listens if li.has("quic") and li.directive), None)
            if socket.quic and line is not None and line.directive is not None:
                openssl = configuration.facts.openssl
                yield self.at(
                    line.directive,
                    f"HTTP/3 uses nginx's compatibility layer with OpenSSL {openssl}: QUIC of its own needs 3.5.1",
                    arg=line.argument("quic"),
                    help="build nginx with OpenSSL 3.5.1 or newer",
                )
                return


# -- helpers -----------------------------------------------------------------------------------------------------------


def _has_quic(configuration: Configuration) -> bool:
    """Whether any socket is for QUIC."""
    return any(socket.quic for socket in configuration.sockets)


def _listens_with(configuration: Configuration, parameter: str) -> Iterator[tuple[VirtualServer, Listen]]:
    """The `listen` directives of http servers with a parameter."""
    if any(parameter in line.args for line in configuration.directives("listen")):
        for server in configuration.servers:
            for listen in server.listens if server.module == "http" else ():
                if listen.has(parameter) and listen.directive is not None:
                    yield server, listen


def _endpoints(server: VirtualServer, listen: Listen) -> list[str]:
    """The endpoints of a `listen` directive over TCP as findings name them."""
    sockets = [s for s in server.sockets if s.port in listen.ports and s.address == listen.address and not s.quic]
    return [f"{server.title} on {socket.label}" for socket in sockets]


def _announces(server: VirtualServer) -> bool:
    """Whether the server sends an Alt-Svc header at some level, or may send one."""
    if any(headers.find(scope, "Alt-Svc") for scope, _ in server.levels()):
        return True
    names = ("_by_lua_block", "_by_lua_file", "_by_lua", "_set_headers")
    return any(line.name.endswith(names) or line.name.startswith("js_") for line in server.walk())


def _http3_off(server: VirtualServer) -> bool:
    return server.setting("http3").value == "off"


def _announced(value: str) -> int | None:
    """The port of this host on which an Alt-Svc value announces HTTP/3, or None."""
    ports = (each.port for each in alt_svc(value) or () if each.protocol.startswith("h3") and not each.host)
    return next(ports, None)


def _quic_on(configuration: Configuration, server: VirtualServer) -> bool:
    """Whether a server with one of these names, or a default server, may serve HTTP/3.

    On any port: the one that is announced may be mapped to it, by a container or a firewall.
    """
    names = {name.key for name in server.names}
    return any(socket.quic and not _all_off(socket, names) for socket in configuration.sockets)


def _all_off(socket: Socket, names: set[str]) -> bool:
    """Whether HTTP/3 is off in the servers that nginx selects for these names."""
    fitting = [s for s in socket.servers if names & {name.key for name in s.names}] or [socket.default]
    return all(_http3_off(server) for server in fitting)


def _with_reuseport(directive: Directive) -> Fix:
    """The edit that appends ``reuseport`` to a `listen` directive."""
    text = " ".join([directive.name, *(directive.arg_text(i) for i in range(len(directive.args))), "reuseport"])
    return Fix("add reuseport", (Edit(locate(directive), text),))


def _http2_on(server: VirtualServer, configuration: Configuration, *, despite_off: bool = False) -> Fix | None:
    """The fix that moves HTTP/2 from the listen lines of all connected sockets to the servers.

    None if a server of them has ``http2 off``, which has no effect beside such a line, or nginx may be older than the
    directive. ``despite_off``: let it have an effect.
    """
    nginx = configuration.facts.nginx
    if not (nginx.at_least(1, 25, 1) if nginx is not None else despite_off):
        return None
    sockets, servers = dict.fromkeys(server.sockets), [server]
    for each in servers:
        sockets |= dict.fromkeys(each.sockets)
        servers += [other for socket in each.sockets for other in socket.servers if other not in servers]
    edits = dict[Edit, None]()
    for each in servers:
        setting = each.setting("http2")
        off = bool(setting.directives) and not setting.enabled
        if each.directive is None or each.directive.block is None or (off and not despite_off):
            return None
        for listen in each.listens:
            if listen.has("http2") and listen.directive is not None:
                edits[_without_words(listen.directive, "http2")] = None
        if not setting.directives:
            edits[inside(each.directive, "http2 on;")] = None
    safe = all(socket.http2 for socket in sockets if socket.tls and not socket.datagram)
    return Fix(
        "remove `http2` from every `listen` of the socket, and set `http2 on;`", tuple(edits), safe and not despite_off
    )


def _without_parameter(socket: Socket, parameter: str) -> Fix | None:
    lines = [li.directive for _, li in socket.listens if li.has(parameter) and li.directive is not None]
    edits = tuple(dict.fromkeys(_without_words(line, parameter) for line in lines))
    return Fix(f"remove `{parameter}`", edits) if edits else None


def _without_words(line: Directive, word: str) -> Edit:
    return without_words(line, [index for index, arg in enumerate(line.args) if arg == word])


def _with_tls13(place: Directive) -> Fix | None:
    """The fix that enables TLS 1.3 in an ``ssl_protocols``, or in a block without one."""
    if place.name == "ssl_protocols":
        return Fix("append `TLSv1.3`", (with_word(place, "TLSv1.3"),))
    return put(place, "ssl_protocols", "TLSv1.2", "TLSv1.3") if place.block is not None else None


def _split(line: Directive) -> Fix:
    """The fix that gives TCP and QUIC a listen line each."""
    words = [line.arg_text(index) for index in range(len(line.args))]
    tcp = " ".join(["listen", *(word for word in words if word != "quic")])
    shared = [word for word in words[1:] if word in ("default_server", "reuseport") or word.startswith("ipv6only=")]
    both = (rewritten(line, tcp), after(line, " ".join(["listen", words[0], "quic", *shared]) + ";"))
    return Fix("split it into two `listen` directives", both)


def _announced_by(server: VirtualServer, text: str) -> Fix | None:
    """The fix that adds a header to a server, beside those that apply: a level with one of its own inherits none."""
    given = headers.headers(server.scope)
    if given:
        return Fix(f"add `{text}`", (after(given[-1].directive, text),))
    return added(server.directive, text) if server.directive is not None else None
