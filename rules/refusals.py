"""What ``nginx -t`` itself stops at or warns of, where no other rule says it better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.finding import Severity
from nginxtls.model import refusals
from nginxtls.rule import Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Refusal
    from nginxtls.syntax.tree import Directive

COMMAND = "https://nginx.org/en/docs/switches.html"
SSL = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html"

TOLD_ELSEWHERE: dict[str, tuple[str, ...]] = {
    # kind of refusal: fragments of the messages that a rule of its own tells ("": all of that kind)
    "unknown-directive": ("",),
    "context": ("",),
    "duplicate": ("",),
    "name": ("",),
    "conf-command": ("",),
    "upstream": ("",),
    "ciphers": ("",),
    "groups": ("",),
    "stapling": ("",),
    "certificate": ("",),
    "key": ("",),
    "handler": ("",),
    "mail-variable": ("",),
    "dhparam": ("too small",),
    "client-ca": ("no ssl_client_certificate",),
    "listen": ('"listen ... http2" directive is deprecated', 'incompatible with "quic"', 'parameter "http3"'),
    "value": ('the "ssl" directive is deprecated', "session cache", "must enable TLSv1.3"),
}
"""One finding a fault: these have rules of their own."""

DECIDED = {"ciphers": "ssl_ciphers", "groups": "ssl_ecdh_curve"}
"""Kinds that rules about endpoints report: they see a line only if it decides for a TLS socket. nginx also loads what
belongs to servers that have a certificate and no such socket."""


def _deciding(configuration: Configuration) -> frozenset[Directive]:
    """The lines of these settings that decide for an endpoint."""
    return configuration.memo(
        "deciding lines of refusals",
        lambda: frozenset(
            origin
            for endpoint in configuration.endpoints
            for name in DECIDED.values()
            if (origin := endpoint.tls.decided_by(name).setting(name).origin)
        ),
    )


_PROTOCOLS = frozenset({"ssl_protocols"})


def _left(configuration: Configuration, level: str) -> Iterator[Refusal]:
    for refusal in refusals(configuration):
        if refusal.level != level:
            continue
        told = any(text in refusal.message for text in TOLD_ELSEWHERE.get(refusal.category, ()))
        if told and (refusal.category not in DECIDED or refusal.directive in _deciding(configuration)):
            continue
        if refusal.category == "value" and refusal.directive.name in _PROTOCOLS:
            continue  # unknown-protocol, repeated-protocol
        if refusal.category == "value" and refusal.directive.name == "ssl_ciphers":
            continue  # split-cipher-list
        yield refusal


class NginxRefuses(Rule):
    """nginx does not start with this configuration: `nginx -t` says `[emerg]`.

    A value that a directive does not take, a `listen` line that contradicts another, a file that is missing or empty:
    what the server is to load and cannot. Told in nginx's own words, where no other rule says it better.

    Mend: what the message says.

    The cases are those that TLS hangs on, measured on nginx 1.18.0 to 1.30.6. That nothing is told does not mean that
    nginx starts: run `nginx -t`, too.

    ```nginx bad
    ssl_session_tickets maybe;
    ```

    ```nginx good
    ssl_session_tickets off;
    ```
    """

    severity = Severity.ERROR
    references = (COMMAND, SSL)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _left(configuration, "emerg"):
            labels = [label(refusal.first, "the first one")] if refusal.first else ()
            yield self.at(refusal.location, f"nginx does not start: {refusal.message}", labels=labels)


class NginxWarns(Rule):
    """nginx starts and warns of this line: `nginx -t` says `[warn]`.

    Told in nginx's own words, where no other rule says it better.

    Mend: what the message says.

    ```nginx bad, nginx: 1.26.3
    server {
        listen 443 ssl http2;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl proxy_protocol;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.WARNING
    references = (COMMAND, SSL)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _left(configuration, "warn"):
            yield self.at(refusal.location, f"nginx warns: {refusal.message}")
