"""Rules about the client certificate that nginx presents to upstream servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.upstream.helpers import PROXY, shown, upstream_refusals

from nginxtls.finding import Severity
from nginxtls.model import Upstream
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive


class UpstreamCertificateWithoutKey(Rule):
    """A client certificate for upstream servers is configured without its key, and nginx does not start.

    Measured: `[emerg] no "proxy_ssl_certificate_key" is defined for certificate`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: set `proxy_ssl_certificate_key`.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client.pem;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client.pem;
        proxy_ssl_certificate_key certificates/client.key;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_certificate_key",)
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, message in upstream_refusals(configuration, "_certificate_key"):
            name = message.split('"')[1]
            yield self.at(directive, f"nginx does not start: {message}", help=f"add `{name} FILE;`")


class ExpiredUpstreamClientCertificate(Rule):
    """The client certificate that nginx presents to an upstream server has expired or is not yet valid, so it is
    rejected.

    Clients: the error of the back end, such as `400 Bad Request` ("The SSL certificate error") from nginx, or `502 Bad
    Gateway` where it aborts the handshake.

    Fix: renew the certificate and reload nginx.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client-expired.pem;
        proxy_ssl_certificate_key certificates/client.key;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client.pem;
        proxy_ssl_certificate_key certificates/client.key;
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 5.9
    cwe = (298,)
    references = (f"{PROXY}#proxy_ssl_certificate", "https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, upstream in _client_certificates(configuration):
            bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
            for leaf in bundle.certificates[:1] if bundle else ():
                if leaf.not_after < configuration.facts.at:
                    when = f"expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC"
                elif leaf.not_before > configuration.facts.at:
                    when = f"is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC"
                else:
                    continue
                yield self.at(
                    directive,
                    f"the client certificate for {shown(upstream)} {when}",
                    arg=0,
                    help="renew the certificate and reload nginx",
                )


class UpstreamCertificateWithoutClientAuth(Rule):
    """The client certificate that nginx presents to an upstream server is not valid for clients: its extended key usage
    lacks `clientAuth`.

    An upstream server that verifies client certificates rejects it. Public CAs stop issuing certificates for client
    authentication by 2027-03-15, some did in 2026: a certificate that works today fails after its next renewal.

    Clients: the error of the back end, such as `400 Bad Request` ("The SSL certificate error") from nginx, or `502 Bad
    Gateway` where it aborts the handshake.

    Fix: use a certificate with `clientAuth` from a private CA.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client-server-auth.pem;
        proxy_ssl_certificate_key certificates/client.key;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_certificate certificates/client.pem;
        proxy_ssl_certificate_key certificates/client.key;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    references = (f"{PROXY}#proxy_ssl_certificate", "https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, upstream in _client_certificates(configuration):
            bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
            for leaf in bundle.certificates[:1] if bundle else ():
                usage = leaf.extended_key_usage
                if usage is not None and not {"clientAuth", "anyExtendedKeyUsage"} & set(usage):
                    yield self.at(
                        directive,
                        f'{shown(upstream)} may reject the client certificate "{leaf.subject_name}": it is valid for'
                        f" {', '.join(usage)} only",
                        arg=0,
                        help="use a certificate with `clientAuth`",
                    )


def _client_certificates(configuration: Configuration) -> Iterator[tuple[Directive, Upstream]]:
    """The client certificates for upstream servers, each once, with the first place that presents it."""
    seen: set[Directive] = set()
    for upstream in configuration.upstreams:
        origin = upstream.setting("certificate").origin
        if origin is not None and origin.args and origin.args[0] and origin not in seen:
            seen.add(origin)
            yield origin, upstream
