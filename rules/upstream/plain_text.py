"""Rules about upstream connections whose scheme and port disagree, or that use plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import with_text
from nginxtls.rules.upstream.helpers import PROXY, TLS_SCHEMES, all_passes, passes_of, shown

from nginxtls.finding import Confidence, Severity
from nginxtls.model import Upstream
from nginxtls.model.backends import connections
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer

from nginxtls.rules.common.hosts import is_public_host, without_port


class PlainTextToTlsPort(Rule):
    """Requests are sent in plain text to port 443 of an upstream server: the scheme is `http://`.

    An upstream server that speaks TLS there responds with 400. With one that does not, everyone on the network can read
    the requests.

    Clients: `400 The plain HTTP request was sent to HTTPS port`, or a similar page, if the back end speaks TLS there;
    otherwise no visible difference.

    Fix: use `https://`.

    ```nginx bad
    location / {
        proxy_pass http://backend.example.com:443;
    }
    ```

    ```nginx good
    location / {
        proxy_pass http://127.0.0.1:8080;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.9
    cwe = (319,)
    references = (f"{PROXY}#proxy_pass",)
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups = {name for _, name in configuration.upstream_groups}
        for upstream in all_passes(configuration, lambda target: ":443" in target or bool(groups)):
            scheme = upstream.target.partition("://")[0].lower()
            if scheme not in ("http", "grpc") or upstream.is_local:
                continue
            ports = {address.rpartition(":")[2] for address in upstream.servers}
            if ports and ports <= {"443"}:
                yield self.at(
                    upstream.directive,
                    f"requests to {shown(upstream)} are sent in plain text to port 443",
                    arg=0,
                    help=f"use `{scheme}s://`",
                    fix=with_text(upstream.directive, 0, f"{scheme}://", f"{scheme}s://"),
                )


class TlsToPlainPort(Rule):
    """nginx connects over TLS to port 80 of an upstream server, where plain HTTP is served.

    The handshake fails, and clients get 502.

    Clients: `502 Bad Gateway` for every request.

    Fix: remove the port, or use `http://`.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:80;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1;
    }
    ```
    """

    severity = Severity.WARNING
    references = (f"{PROXY}#proxy_pass",)

    def check_upstream(self, upstream: Upstream, configuration: Configuration) -> Iterator[Finding]:
        if upstream.family not in ("proxy", "grpc") or not upstream.host.endswith(":80") or upstream.is_variable:
            return
        own = (c for c in connections(configuration) if c.target.directive is upstream.directive)
        if all(connection.socket.speaks_tls for connection in own):  # else tls-to-plain-listener
            yield self.at(
                upstream.directive,
                f"requests to {shown(upstream)} fail with 502: nginx uses TLS on port 80",
                arg=0,
                help="remove the port, or use plain HTTP",
                fix=with_text(upstream.directive, 0, ":80", ""),
            )


class PlainTextToPublicUpstream(Rule):
    """Requests that clients send over TLS are forwarded in plain text to a host on the Internet.

    Clients: the browser shows a secure connection, but behind nginx everyone on the path can read and change requests
    and responses.

    Fix: use `https://`, or a private network.

    Reported for global addresses and for names that look public. The addresses of a name are not known.

    ```nginx bad
    location / {
        proxy_pass http://api.example.com;
    }
    ```

    ```nginx good
    location / {
        proxy_pass http://10.0.0.7:8080;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 5.3
    cwe = (319,)
    confidence = Confidence.LIKELY
    pedantic = True
    references = (f"{PROXY}#proxy_pass",)
    needs = ("*_pass",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if server.module != "http" or not server.speaks_tls:
            return
        for upstream in passes_of(configuration, server):
            if upstream.target.lower().startswith(TLS_SCHEMES) or upstream.is_variable:
                continue
            public = [address for address in upstream.servers if is_public_host(without_port(address))]
            if public and not without_port(public[0]).endswith(".") and upstream.family != "memcached":
                yield self.at(
                    upstream.directive,
                    f"requests are forwarded in plain text to {without_port(public[0])}",
                    arg=0,
                    help="connect to it over TLS",
                )
