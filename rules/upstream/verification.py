"""Rules about verifying the certificates of upstream servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import beside
from nginxtls.rules.upstream.helpers import PROXY, STREAM, shown, upstream_refusals

from nginxtls.finding import Severity
from nginxtls.model import Upstream
from nginxtls.rule import Rule, label
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration
    from nginxtls.syntax.tree import Directive

_VERIFICATION = ("trusted_certificate", "crl", "verify_depth")


class UnverifiedUpstream(Rule):
    """nginx connects to an upstream server over TLS without verifying its certificate, so an attacker on the network
    can impersonate it.

    `proxy_ssl_verify`, `grpc_ssl_verify` and `uwsgi_ssl_verify` are `off` by default: nginx accepts any certificate,
    and TLS protects against passive eavesdropping only.

    Clients: no difference without an attacker. One between nginx and the back end can read and change requests and
    responses, while the browser shows a secure connection.

    Fix: `proxy_ssl_verify on;` with `proxy_ssl_trusted_certificate FILE;` (and `proxy_ssl_name` if the certificate has
    another name than the target).

    Not reported for loopback addresses and unix sockets. Each target is reported once.

    ```nginx bad
    location / {
        proxy_pass https://backend.example.com;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (295,)
    references = (f"{PROXY}#proxy_ssl_verify", f"{STREAM}#proxy_ssl_verify")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_cause: dict[object, list[Upstream]] = {}
        for upstream in configuration.upstreams:
            verify = upstream.setting("verify")
            if verify.value == "on" or not verify.known or not verify.certain or upstream.is_local:
                continue
            if UNKNOWN in upstream.host:
                continue  # it may be a local address
            if any(upstream.setting(name).directives for name in _VERIFICATION):
                continue  # reported by upstream-ca-without-verification
            by_cause.setdefault(verify.origin or (upstream.family, upstream.host), []).append(upstream)
        for upstreams in by_cause.values():
            first = upstreams[0]
            name = first.directive_name("verify")
            origin = first.setting("verify").origin
            targets = list(dict.fromkeys(shown(upstream) for upstream in upstreams))
            whom = targets[0] if len(targets) == 1 else f"{targets[0]} and {len(targets) - 1} more"
            others = dict.fromkeys(u.directive for u in upstreams if u.directive is not first.directive)
            yield self.at(
                origin or first.directive,
                f"the certificate of {whom} is not verified: `{name}` is off{'' if origin else ' by default'}",
                arg=None if origin or first.family == "stream" else 0,
                labels=[label(d, "also not verified") for d in list(others)[:3]],
                help=f"add `{name} on;` and `{first.directive_name('trusted_certificate')} FILE;`",
            )


class UpstreamCaWithoutVerification(Rule):
    """A CA (or revocation list, or depth) for upstream servers is configured, but verification is off, so it has no
    effect.

    `proxy_ssl_trusted_certificate` alone verifies nothing: `proxy_ssl_verify` is `off` by default. The same applies to
    the `grpc_` and `uwsgi_` directives.

    Clients: no difference without an attacker. One between nginx and the back end can read and change requests and
    responses, although a CA is configured.

    Fix: `proxy_ssl_verify on;`.

    Not reported if any location that uses the file from the same line verifies.

    ```nginx bad
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_verify on;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (295,)
    references = (f"{PROXY}#proxy_ssl_verify", f"{PROXY}#proxy_ssl_trusted_certificate")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_origin: dict[Directive, list[Upstream]] = {}
        for upstream in configuration.upstreams:
            origins = (upstream.setting(name).origin for name in _VERIFICATION)
            if origin := next((found for found in origins if found), None):
                by_origin.setdefault(origin, []).append(upstream)
        for origin, upstreams in by_origin.items():
            settings = [upstream.setting("verify") for upstream in upstreams]
            if any(s.value == "on" or not s.certain or not s.known for s in settings):
                continue
            name = upstreams[0].directive_name("verify")
            off = next((s.origin for s in settings if s.origin), None)
            yield self.at(
                origin,
                f"the certificate of {shown(upstreams[0])} is not verified: `{name}` is off, so `{origin.name}` has no"
                " effect",
                labels=[label(off, "disables verification") if off else label(upstreams[0].directive, "not verified")],
                help=f"set `{name} on;`",
                fix=beside(off or origin, name, "on")
                if all(upstream.setting("trusted_certificate").directives for upstream in upstreams)
                else None,
            )


class UpstreamVerificationWithoutCa(Rule):
    """Verification of upstream servers is enabled, but no CA file is configured, and nginx does not start.

    Measured: `[emerg] no proxy_ssl_trusted_certificate for proxy_ssl_verify`.

    Clients: connection refused once nginx is restarted; after a failed reload they still get the previous
    configuration.

    Fix: set `proxy_ssl_trusted_certificate`; for public CAs the system's bundle is sufficient
    (`/etc/ssl/certs/ca-certificates.crt`).

    ```nginx bad
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_verify on;
        proxy_ssl_server_name on;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://backend.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.ERROR
    references = (f"{PROXY}#proxy_ssl_trusted_certificate",)
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, message in upstream_refusals(configuration, "_trusted_certificate for "):
            yield self.at(directive, f"nginx does not start: {message}", help=f"add `{message.split()[1]} FILE;`")
