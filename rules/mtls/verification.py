"""Rules about `ssl_verify_client` and the CA file that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside
from nginxtls.rules.common.serving import titles
from nginxtls.rules.mtls.helpers import REQUESTS, VERIFY, by_directive

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.rule import NGINX_SSL, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer


class ClientVerificationWithoutCa(Rule):
    """`ssl_verify_client` is enabled, but no CA file is configured to verify client certificates against: nginx does
    not start.

    `ssl_verify_client on` and `optional` require `ssl_client_certificate`; since nginx 1.27.2 `ssl_trusted_certificate`
    is accepted as well. `optional_no_ca` requires neither. Measured: `[emerg] no ssl_client_certificate for
    ssl_verify_client` up to 1.26.3, `no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client` on
    1.30.6. nginx does not check servers without a certificate of their own, and neither does this rule.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: set `ssl_client_certificate` to a file with the CA of the clients.

    ```nginx bad
    ssl_verify_client on;
    ```

    ```nginx good
    ssl_verify_client on;
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx bad, nginx: 1.26.3
    ssl_verify_client on;
    ssl_trusted_certificate certificates/client-ca.pem;
    ```
    """

    severity = Severity.ERROR
    references = (VERIFY, "https://nginx.org/en/CHANGES")
    needs = ("ssl_verify_client",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "client-ca" and refusal.message.startswith("no ssl_client_certificate"):
                old = "or ssl_trusted" not in refusal.message
                yield self.at(
                    refusal.directive,
                    "`ssl_verify_client` has no CA to verify client certificates against: nginx does not start",
                    notes=("`ssl_trusted_certificate` alone is sufficient since nginx 1.27.2",) if old else (),
                    help="add `ssl_client_certificate FILE;` with the CA of the clients",
                )


class ClientCaWithoutVerification(Rule):
    """A CA for client certificates is configured, but `ssl_verify_client` is off: clients without a certificate are
    accepted.

    With `ssl_client_certificate` a configuration looks as if only clients with a certificate had access.
    `ssl_verify_client` is `off` by default, and nginx then requests no certificate.

    Clients: nobody is requested to present a certificate, and everyone gets the content.

    Fix: set `ssl_verify_client on;`, or remove the CA.

    Not reported if any server that uses the same `ssl_client_certificate` line requests certificates, or if
    `ssl_verify_client` may be in a part of the configuration that was not read.

    ```nginx bad
    ssl_client_certificate certificates/client-ca.pem;
    ```

    ```nginx good
    ssl_client_certificate certificates/client-ca.pem;
    ssl_verify_client on;
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (306,)
    references = (VERIFY, f"{NGINX_SSL}#ssl_client_certificate")
    needs = ("ssl_client_certificate",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, servers in by_directive(configuration.servers, "ssl_client_certificate").items():
            settings = [server.setting("ssl_verify_client") for server in servers]
            if any(s.value in REQUESTS or not s.known or not s.certain for s in settings):
                continue
            speaking = [server for server in servers if server.speaks_tls]
            if not speaking:
                continue
            off = next((s.origin for s in settings if s.origin), None)
            yield self.at(
                directive,
                "clients without a certificate are accepted: `ssl_verify_client` is off",
                label="this CA is never used",
                labels=[label(off, "disables verification")] if off else (),
                help="set `ssl_verify_client on;`, or remove the CA",
                fix=beside(off or directive, "ssl_verify_client", "on"),
                endpoints=titles(speaking),
            )


class IneffectiveClientVerification(Rule):
    """`ssl_verify_client` has no effect in a server without a certificate of its own: nginx requests no client
    certificate.

    Such a server has no TLS context: its clients get all TLS settings of the default server, which may not request
    certificates. With `on` every request is then rejected with 400; with `optional` no client can authenticate.
    Measured on nginx 1.18.0 to 1.30.6; `nginx -t` reports nothing, even if the CA is missing.

    Clients: browsers never open their certificate dialog. With `on` every request gets `400 Bad Request` ("No required
    SSL certificate was sent"), with `optional` everyone counts as without a certificate.

    Fix: set `ssl_certificate` in the server (the default server's certificate, if it covers the names).

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name admin.example.com;
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
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_verify_client on;
        ssl_client_certificate certificates/client-ca.pem;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (287,)
    references = (VERIFY, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    needs = ("ssl_verify_client",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        verify = server.setting("ssl_verify_client")
        if server.has_tls_context or not server.scope.certain or verify.value not in REQUESTS or verify.origin is None:
            return
        if server.facts.completeness != "full":
            return
        for socket in server.sockets:
            default = socket.default
            if not socket.tls or default is server or not default.has_tls_context or default.directive is None:
                continue
            if default.setting("ssl_verify_client").value in REQUESTS:
                continue
            how = "every request is rejected with 400" if server.module == "http" else "every client is disconnected"
            rejected = f", and {how}" if verify.value == "on" else ""
            yield self.at(
                verify.origin,
                f"no client certificate is requested for {server.title}{rejected}: the server has no"
                " `ssl_certificate`, so the TLS settings of the default server apply",
                labels=[label(default.directive, f"decides the TLS settings of {server.title} on {socket.label}")],
                help="set `ssl_certificate` in this server",
                endpoints=titles([server]),
            )
            return
