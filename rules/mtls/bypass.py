"""Rules about content that is served both with and without a client certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import rejecting_server, separate_redirect
from nginxtls.rules.common.serving import contents, titles, variables
from nginxtls.rules.mtls.helpers import REQUESTS, VERIFY, is_public

from nginxtls.finding import Severity
from nginxtls.rule import Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer


class OpenDefaultServer(Rule):
    """Content that requires a client certificate in one server is served to any client by the default server of the
    same socket.

    Clients that send no SNI, or a name that no server has, get the default server. If it does not verify client
    certificates and has the same upstream or root, the verification can be bypassed.

    Clients: whoever sends no SNI or an unknown name gets the content without a certificate.

    Fix: add a default server that rejects these clients (`ssl_reject_handshake on;`), or verify client certificates in
    the default server as well.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
        location / { proxy_pass http://127.0.0.1:8080; }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (288,)
    references = ("https://nginx.org/en/docs/http/request_processing.html", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full":
            return
        for socket in configuration.sockets:
            default = socket.default
            if not socket.tls or socket.is_loopback or default.rejects_handshake or default.directive is None:
                continue
            verify = default.setting("ssl_verify_client")
            if verify.value != "off" or not verify.certain or len(socket.servers) < 2:
                continue
            guarded = [s for s in socket.servers if s.setting("ssl_verify_client").value == "on" and s.has_tls_context]
            if not guarded:
                continue
            open_ = {content.target: content for content in contents(default) if content.target}
            shared = [(s, c) for s in guarded for c in contents(s) if c.target in open_ and not is_public(c)]
            if not shared:
                continue
            server, content = shared[0]
            here, there = open_[content.target or ""].place, content.place
            labels = [label(here, "served without a client certificate")] if here else []
            labels += [label(there, "the same content, with a client certificate only")] if there else []
            yield self.at(
                default.directive,
                f"{_target(content.target)} is served to clients without a certificate on {socket.label}:"
                f" the default server, {default.title}, does not verify clients, and {server.title} does",
                labels=labels,
                help="add a default server with `ssl_reject_handshake on;`",
                fix=rejecting_server(socket, configuration),
                endpoints=titles([default]),
            )


def _target(target: str | None) -> str:
    return (target or "").removeprefix("root ")


class ClientVerificationBypass(Rule):
    """A server that requires client certificates over TLS serves the same content to any client over plain HTTP.

    `ssl_verify_client` applies to TLS connections only. If the server also has `listen 80;`, requests on that port are
    served without a certificate.

    Clients: everyone gets the content over `http://`, without a certificate.

    Fix: move the plain HTTP listener to a separate server that redirects to https.

    Not reported if the plain HTTP listener is on a loopback address, or if the server decides by `$scheme`, `$https` or
    `$server_port`.

    ```nginx bad
    listen 80;
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    root /srv/www;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    root /srv/www;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (288, 319)
    references = (VERIFY, "https://nginx.org/en/docs/http/configuring_https_servers.html#single_http_https_server")
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        verify = server.setting("ssl_verify_client")
        if server.module != "http" or verify.value != "on" or not server.speaks_tls or server.ssl_on:
            return
        plain = [s for s in server.sockets if not s.tls and not s.is_loopback and not s.address.startswith("unix:")]
        if not plain or server.first("return") or not any(True for _ in contents(server)):
            return
        text = [" ".join(condition.directive.args) for condition in server.conditions]
        if any(variables(words) & {"scheme", "https", "server_port", "ssl_protocol"} for words in text):
            return
        listen = next((li for li in server.listens if li.directive and plain[0].port in li.ports), None)
        if listen is None or listen.directive is None or verify.origin is None:
            return
        yield self.at(
            listen.directive,
            f"{server.title} is served without a client certificate over plain HTTP on {plain[0].label}",
            labels=[label(verify.origin, "applies to TLS connections only")],
            help="move this `listen` to a separate server that redirects to https",
            fix=separate_redirect(server),
            endpoints=[f"{server.title} on {socket.label}" for socket in plain],
        )


class MixedClientVerification(Rule):
    """On one socket some servers verify client certificates and others do not.

    Whether a client is verified then depends on the server name. nginx rejects (421) a request whose Host selects a
    verifying server if SNI selected another one, and since 1.26.3 and 1.27.4 it does not resume sessions across
    servers. With a separate socket the verification depends on neither.

    Clients: whether a certificate is requested depends on the SNI; a browser that reuses an HTTP/2 connection may get
    `421 Misdirected Request`.

    Fix: move the verifying servers to a separate address or port.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 8443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 4.3
    cwe = (287,)
    pedantic = True
    references = ("https://www.cve.org/CVERecord?id=CVE-2025-23419", VERIFY)
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            live = [server for server in socket.servers if not server.rejects_handshake]
            asking = [server for server in live if server.setting("ssl_verify_client").value in REQUESTS]
            open_ = [(server, server.setting("ssl_verify_client")) for server in live]
            others = [server for server, verify in open_ if verify.value == "off" and (verify.origin or verify.certain)]
            if not socket.tls or not asking or not others:
                continue
            origin = asking[0].setting("ssl_verify_client").origin
            if origin is not None and others[0].directive is not None:
                yield self.at(
                    origin,
                    f"only some servers on {socket.label} verify client certificates",
                    labels=[label(others[0].directive, "does not verify them")],
                    help="move the servers that verify to a separate address or port",
                    endpoints=titles(asking),
                )
