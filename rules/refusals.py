"""Errors and warnings of ``nginx -t`` that no more specific rule reports."""

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

REPORTED_ELSEWHERE: dict[str, tuple[str, ...]] = {
    # category of refusal: fragments of the messages that another rule reports ("": all of that category)
    "include": ("open()",),
    "unknown-directive": ("",),
    "context": ("",),
    "duplicate": ("",),
    "name": ("",),
    "server-name": ("",),
    "conf-command": ("",),
    "upstream": ("",),
    "ciphers": ("",),
    "groups": ("",),
    "stapling": ("",),
    "certificate": ("",),
    "key": ("",),
    "handler": ("",),
    "mail-variable": ("",),
    "zone": ("",),
    "dhparam": ("too small",),
    "client-ca": ("no ssl_client_certificate",),
    "listen": ('"listen ... http2" directive is deprecated', 'incompatible with "quic"', 'parameter "http3"'),
    "value": ('the "ssl" directive is deprecated', "session cache", "must enable TLSv1.3"),
}
"""Refusals that a more specific rule reports, so that each fault is reported once."""

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
        elsewhere = any(text in refusal.message for text in REPORTED_ELSEWHERE.get(refusal.category, ()))
        if elsewhere and (refusal.category not in DECIDED or refusal.directive in _deciding(configuration)):
            continue
        if refusal.category == "value" and refusal.directive.name in _PROTOCOLS:
            continue  # unknown-protocol, repeated-protocol
        if refusal.category == "value" and refusal.directive.name == "ssl_ciphers":
            continue  # split-cipher-list
        yield refusal


class NginxRefuses(Rule):
    """nginx does not start with this configuration: `nginx -t` reports `[emerg]`.

    Examples are an invalid value, contradictory `listen` directives, and files that are missing or empty. The message
    is nginx's own. Errors that a more specific rule reports are not reported again.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: correct the directive as described in the message.

    Limitations: only errors related to TLS are detected, measured on nginx 1.18.0 to 1.30.6. Run `nginx -t` as well to
    check whether nginx starts.

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
    """nginx starts with this configuration but reports a warning: `nginx -t` reports `[warn]`.

    The message is nginx's own. Warnings that a more specific rule reports are not reported again.

    Clients: clients connect; what the message names is ignored, or works otherwise than written.

    Fix: correct the directive as described in the message.

    ```nginx bad, nginx: 1.26.3
    server {
        listen 443 ssl http2;
        server_name example.com;
    }
    server {
        listen 443 ssl proxy_protocol;
        server_name www.example.com;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 443 ssl;
        server_name example.com;
    }
    ```
    """

    severity = Severity.WARNING
    references = (COMMAND, SSL)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in _left(configuration, "warn"):
            labels = [label(refusal.first, "other protocols here")] if refusal.first else ()
            yield self.at(refusal.location, f"nginx warns: {refusal.message}", labels=labels)
