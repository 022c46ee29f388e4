"""Rules about TLS towards back ends, and about mail clients: the connections behind the front door and beside it."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from nginxtls.rules.common.grouping import listed, spoken
from nginxtls.rules.common.serving import PASSES, variables

from nginxtls.base.lazy import pattern
from nginxtls.finding import Confidence, Severity
from nginxtls.model import Upstream, refusals
from nginxtls.model.backends import connections
from nginxtls.model.effective import protocol_names
from nginxtls.model.upstreams import is_local
from nginxtls.rule import Rule, label
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Scope, VirtualServer
    from nginxtls.syntax.tree import Directive

PROXY = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
STREAM = "https://nginx.org/en/docs/stream/ngx_stream_proxy_module.html"
PREREAD = "https://nginx.org/en/docs/stream/ngx_stream_ssl_preread_module.html"
MAIL = "https://nginx.org/en/docs/mail/ngx_mail_ssl_module.html"
RFC8314 = "https://www.rfc-editor.org/rfc/rfc8314"
TLS_SCHEMES = ("https://", "grpcs://", "suwsgi://")
_PRIVATE = pattern(
    r"(^|\.)(local|localdomain|internal|intranet|lan|home|corp|private|svc|cluster|consul|test|example|invalid|localhost)$"
)
_WEAK = pattern(r"(RC4|EXP(ORT)?\b|EXPORT\d+|3DES|DES-CBC|NULL|ADH|AECDH|\bLOW\b|\bSSLv2\b)", re.IGNORECASE)


@lru_cache(maxsize=16384)
def _passes(configuration: Configuration, server: VirtualServer) -> list[Upstream]:
    """Every place of an http server that passes requests on, whatever it speaks."""
    return [
        Upstream(line, name.removesuffix("_pass"), scope, server, location, configuration.upstream_groups)
        for scope, location in server.levels(*PASSES)
        for name in PASSES
        for line in scope.all(name)
        if line.args
    ]


def _all_passes(configuration: Configuration, wanted: Callable[[str], bool]) -> Iterator[Upstream]:
    """The places of all http servers that pass requests on to a wanted target."""
    lines = {line for name in PASSES for line in configuration.directives(name) if line.args and wanted(line.args[0])}
    for server in configuration.servers if lines else ():
        if server.module == "http" and not server.mentions.isdisjoint(PASSES):
            yield from (upstream for upstream in _passes(configuration, server) if upstream.directive in lines)


def _shown(upstream: Upstream) -> str:
    return upstream.target.replace(UNKNOWN, "…")


def _is_public(host: str) -> bool:
    """An address of the internet, or a name that looks like one of its hosts."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not _PRIVATE.search(host.lower()) and "$" not in host and UNKNOWN not in host


def _bare(server: str) -> str:
    """An upstream address without port."""
    return server[1:].partition("]")[0] if server.startswith("[") else server.partition(":")[0]


class UnverifiedUpstream(Rule):
    """nginx speaks TLS to a back end and does not verify its certificate, so anyone on the way can be the back end.

    `proxy_ssl_verify`, `grpc_ssl_verify` and `uwsgi_ssl_verify` are `off` by default: any certificate is taken, and
    TLS keeps out only those who just listen.

    Mend: `proxy_ssl_verify on;` with `proxy_ssl_trusted_certificate FILE;` (and `proxy_ssl_name` where the certificate
    has another name than the target).

    Silent for loopback addresses and unix sockets. A target is told once.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        by_cause: dict[object, list[Upstream]] = {}
        for upstream in configuration.upstreams:
            verify = upstream.setting("verify")
            if verify.value == "on" or not verify.known or not verify.certain or upstream.is_local:
                continue
            if UNKNOWN in upstream.host:
                continue  # it may be this very machine
            if any(upstream.setting(name).directives for name in _VERIFICATION):
                continue  # upstream-ca-without-verification tells it
            by_cause.setdefault(verify.origin or (upstream.family, upstream.host), []).append(upstream)
        for upstreams in by_cause.values():
            first = upstreams[0]
            name = first.directive_name("verify")
            origin = first.setting("verify").origin
            targets = list(dict.fromkeys(_shown(upstream) for upstream in upstreams))
            whom = targets[0] if len(targets) == 1 else f"{targets[0]} and {len(targets) - 1} more"
            others = dict.fromkeys(u.directive for u in upstreams if u.directive is not first.directive)
            yield self.at(
                origin or first.directive,
                f"the certificate of {whom} is not verified: {name} is off{'' if origin else ' by default'}",
                arg=None if origin or first.family == "stream" else 0,
                labels=[label(d, "here, too") for d in list(others)[:3]],
                help=f"write {name} on; and {first.directive_name('trusted_certificate')} FILE;",
            )


_VERIFICATION = ("trusted_certificate", "crl", "verify_depth")


class UpstreamCaWithoutVerification(Rule):
    """A CA (or revocation list, or depth) for back ends is configured, but verification is off, so it does nothing.

    `proxy_ssl_trusted_certificate` alone verifies nothing: `proxy_ssl_verify` is `off` by default. Likewise for `grpc_`
    and `uwsgi_`.

    Mend: `proxy_ssl_verify on;`.

    Silent if any place that has the file from the same line verifies.

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
                f"{origin.name} does nothing: {name} is off, so the certificate of {_shown(upstreams[0])} is not"
                " verified",
                labels=[label(off, "switches it off") if off else label(upstreams[0].directive, "connects unverified")],
                help=f"write {name} on;",
            )


class _Refused(Rule):
    """Base of the rules that tell a refusal of nginx in the upstream's settings."""

    severity = Severity.ERROR
    fragment = ""

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for refusal in refusals(configuration):
            if refusal.category == "upstream" and self.fragment in refusal.message:
                yield self.told(refusal.directive, refusal.message)

    def told(self, directive: Directive, message: str) -> Finding:
        return self.at(directive, f"nginx does not start: {message}")


class UpstreamVerificationWithoutCa(_Refused):
    """Back ends are to be verified, but no file says against which CAs, and nginx does not start.

    Measured: `[emerg] no proxy_ssl_trusted_certificate for proxy_ssl_verify`.

    Mend: `proxy_ssl_trusted_certificate FILE;`; for public CAs the system's bundle will do
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

    references = (f"{PROXY}#proxy_ssl_trusted_certificate",)
    fragment = "_trusted_certificate for "


class UpstreamCertificateWithoutKey(_Refused):
    """A client certificate for a back end is configured without its key, and nginx does not start.

    Measured: `[emerg] no "proxy_ssl_certificate_key" is defined for certificate`.

    Mend: name the key with `proxy_ssl_certificate_key`.

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

    references = (f"{PROXY}#proxy_ssl_certificate_key",)
    fragment = "_certificate_key"


class UpstreamWithoutServerName(Rule):
    """nginx tells a back end on the internet no server name, so a host with several sites answers with the wrong one.

    `proxy_ssl_server_name` is `off` by default: no SNI is sent, and the back end uses its default certificate, or
    refuses. With `proxy_ssl_verify on` the connection then fails.

    Mend: `proxy_ssl_server_name on;`.

    Told only for names that look public; behind an address, a name of the local network or a variable one certificate
    for all is usual.

    ```nginx bad
    location / {
        proxy_pass https://api.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://api.example.com;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.1
    references = (f"{PROXY}#proxy_ssl_server_name", "https://www.rfc-editor.org/rfc/rfc6066#section-3")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        told: set[tuple[str, str]] = set()
        for upstream in configuration.upstreams:
            setting = upstream.setting("server_name")
            if setting.value == "on" or not setting.known or not setting.certain or upstream.is_variable:
                continue
            named = upstream.setting("name")
            if not _is_public(upstream.host_name) or upstream.is_address or (named.directives and not named.known):
                continue
            if upstream.group is not None or (upstream.family, upstream.host) in told:
                continue
            told.add((upstream.family, upstream.host))
            yield self.at(
                setting.origin or upstream.directive,
                f"{upstream.host_name} is not told which host is wanted: {upstream.directive_name('server_name')} is"
                f" off{'' if setting.origin else ' by default'}",
                arg=None if setting.origin or upstream.family == "stream" else 0,
                help=f"write {upstream.directive_name('server_name')} on;",
            )


class UpstreamNameIsGroup(Rule):
    """The name that a back end's certificate is compared with, and that it is told, is that of an `upstream` block.

    Without `proxy_ssl_name` it is `$proxy_host`, the host in `proxy_pass`: with a group that is the group's name, for
    which no certificate is issued. Verification then always fails; SNI leads to the back end's default server.
    `proxy_set_header Host` does not change it.

    Mend: `proxy_ssl_name` with the back end's host name.

    Silent if the group is named like a host (with a dot), or verification and SNI are both off.

    ```nginx bad
    events {}
    http {
        upstream app {
            server app1.example.com:443;
        }
        server {
            location / {
                proxy_pass https://app;
                proxy_ssl_verify on;
                proxy_ssl_trusted_certificate certificates/root.pem;
            }
        }
    }
    ```

    ```nginx good
    events {}
    http {
        upstream app {
            server app1.example.com:443;
        }
        server {
            location / {
                proxy_pass https://app;
                proxy_ssl_verify on;
                proxy_ssl_trusted_certificate certificates/root.pem;
                proxy_ssl_name app1.example.com;
            }
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.3
    references = (f"{PROXY}#proxy_ssl_name",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for upstream in configuration.upstreams:
            group, name = upstream.group, upstream.setting("name")
            if group is None or "." in group.args[0] or name.directives or not name.certain or upstream.is_variable:
                continue
            verify, told = upstream.setting("verify").enabled, upstream.setting("server_name").enabled
            if not verify and not told:
                continue
            effect = "no certificate has that name, so every request fails" if verify else "no host has that name"
            yield self.at(
                upstream.directive,
                f'the back end is asked for "{group.args[0]}", the name of the upstream block: {effect}',
                arg=0 if upstream.family != "stream" else None,
                labels=[label(group, "names a group, not a host")],
                help=f"write {upstream.directive_name('name')} HOST;",
            )


class WeakUpstreamProtocols(Rule):
    """TLS 1.1 or older is allowed towards back ends.

    Mend: `proxy_ssl_protocols TLSv1.2 TLSv1.3;`, or remove the line (nginx 1.27.3 and later have that default).

    Only what is written is told, not old defaults.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.8
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc8996", f"{PROXY}#proxy_ssl_protocols")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        told: set[Directive] = set()
        for upstream in configuration.upstreams:
            for directive in upstream.setting("protocols").directives:
                old = [i for i, word in enumerate(directive.args) if protocol_names([word]) & _OLD]
                if old and directive not in told:
                    told.add(directive)
                    words = spoken(protocol_names(directive.args) & _OLD) or "SSL 3"
                    yield self.at(
                        directive,
                        f"{words} {'is' if len(old) == 1 else 'are'} allowed towards {_shown(upstream)}",
                        arg=old[0],
                        help="leave TLSv1.2 TLSv1.3",
                    )


_OLD = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"})


class WeakUpstreamCiphers(Rule):
    """Broken suites are asked for towards back ends: without encryption or authentication, export, RC4, DES or 3DES.

    Mend: remove the words, or the whole line: OpenSSL's `DEFAULT` (nginx's default here) has none of them.

    Only what a word names is told, not what a class brings in.

    ```nginx bad
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_ciphers HIGH:RC4-SHA;
    }
    ```

    ```nginx good
    location / {
        proxy_pass https://127.0.0.1:8443;
        proxy_ssl_ciphers HIGH:!aNULL:!RC4;
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (326, 327)
    references = ("https://www.rfc-editor.org/rfc/rfc9325#section-4.1", f"{PROXY}#proxy_ssl_ciphers")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        told: set[Directive] = set()
        for upstream in configuration.upstreams:
            setting = upstream.setting("ciphers")
            origin = setting.origin
            if origin is None or origin in told or not setting.known:
                continue
            told.add(origin)
            words = [word for word in re.split(r"[:;, ]+", setting.value) if word]
            banned = {word[1:] for word in words if word.startswith("!")}
            weak = [w for w in words if w[0] not in "!-+@" and _WEAK.search(w) and w not in banned]
            if weak:
                yield self.at(
                    origin,
                    f"{listed(weak)} {'is' if len(weak) == 1 else 'are'} asked for towards {_shown(upstream)}",
                    arg=0,
                    help="remove it",
                )


class PlainTextToTlsPort(Rule):
    """Requests go to port 443 of a back end in plain text: the scheme is `http://`.

    A back end that speaks TLS there answers 400; one that does not makes the port a lie, and everybody on the way can
    read along.

    Mend: `https://`.

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
        for upstream in _all_passes(configuration, lambda target: ":443" in target or bool(groups)):
            scheme = upstream.target.partition("://")[0].lower()
            if scheme not in ("http", "grpc") or upstream.is_local:
                continue
            ports = {address.rpartition(":")[2] for address in upstream.servers}
            if ports and ports <= {"443"}:
                yield self.at(
                    upstream.directive,
                    f"{_shown(upstream)} is asked in plain text on port 443",
                    arg=0,
                    help=f"write {scheme}s://",
                )


class TlsToPlainPort(Rule):
    """A back end is asked over TLS on port 80, where plain HTTP is served.

    The handshake fails and clients get 502.

    Mend: leave the port out, or write `http://`.

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
                upstream.directive, f"{_shown(upstream)} is asked over TLS on port 80, so requests fail with 502", arg=0
            )


class PlainTextToPublicUpstream(Rule):
    """What came in over TLS goes on in plain text to a host on the internet.

    Mend: `https://`, or a private network.

    Told for global addresses and for names that look public; what a name resolves to is not known.

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
        for upstream in _passes(configuration, server):
            if upstream.target.lower().startswith(TLS_SCHEMES) or upstream.is_variable:
                continue
            public = [address for address in upstream.servers if _is_public(_bare(address))]
            if public and not _bare(public[0]).endswith(".") and upstream.family != "memcached":
                yield self.at(
                    upstream.directive,
                    f"requests go on in plain text to {_bare(public[0])}",
                    arg=0,
                    help="speak TLS to it",
                )


class ExpiredUpstreamClientCertificate(Rule):
    """The client certificate that nginx shows to a back end has expired or is not yet valid, so it is refused.

    Mend: renew it and reload nginx.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, upstream in _client_certificates(configuration):
            bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
            for leaf in bundle.certificates[:1] if bundle else ():
                if leaf.not_after < configuration.facts.at:
                    when = f"expired {leaf.not_after:%Y-%m-%d %H:%M} UTC"
                elif leaf.not_before > configuration.facts.at:
                    when = f"is valid only from {leaf.not_before:%Y-%m-%d %H:%M} UTC"
                else:
                    continue
                yield self.at(directive, f"the client certificate shown to {_shown(upstream)} {when}", arg=0)


class UpstreamCertificateWithoutClientAuth(Rule):
    """The client certificate that nginx shows to a back end is not for clients: its key usage lacks `clientAuth`.

    A back end that verifies refuses it. Public CAs stopped issuing certificates for client authentication in 2026: one
    that worked fails after its next renewal.

    Mend: a certificate from a CA of your own, with `clientAuth`.

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

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for directive, upstream in _client_certificates(configuration):
            bundle, _ = configuration.store.read_bundle(directive.args[0], directive)
            for leaf in bundle.certificates[:1] if bundle else ():
                usage = leaf.extended_key_usage
                if usage is not None and not {"clientAuth", "anyExtendedKeyUsage"} & set(usage):
                    yield self.at(
                        directive,
                        f'"{leaf.subject_name}" is no client certificate: it is for {", ".join(usage)} only, so'
                        f" {_shown(upstream)} may refuse it",
                        arg=0,
                    )


def _client_certificates(configuration: Configuration) -> Iterator[tuple[Directive, Upstream]]:
    """The client certificates for back ends, each once, with the first place that shows it."""
    told: set[Directive] = set()
    for upstream in configuration.upstreams:
        origin = upstream.setting("certificate").origin
        if origin is not None and origin.args and origin.args[0] and origin not in told:
            told.add(origin)
            yield origin, upstream


_PREFIXES = {"proxy_ssl_": "proxy", "grpc_ssl_": "grpc", "uwsgi_ssl_": "uwsgi"}


def _own_settings(scope: Scope) -> dict[str, Directive]:
    """The first TLS directive of each family that stands in this very level."""
    found: dict[str, Directive] = {}
    for name, lines in scope.own.items():
        for prefix, family in _PREFIXES.items():
            if name.startswith(prefix) and (family not in found or lines[0].start < found[family].start):
                found[family] = lines[0]
    return found


def _below(configuration: Configuration, server: VirtualServer) -> Iterator[tuple[Scope, list[Upstream]]]:
    """The levels of a server that have TLS settings for back ends of their own, with what they pass on."""
    own = [scope for scope, _ in server.levels() if scope.certain and _own_settings(scope)]
    passes = _passes(configuration, server) if own else []
    for scope in own:
        yield scope, [upstream for upstream in passes if _within(upstream.scope, scope)]


def _within(inner: Scope, outer: Scope) -> bool:
    level: Scope | None = inner
    while level is not None and level is not outer:
        level = level.parent
    return level is outer


class DeadUpstreamSettings(Rule):
    """TLS settings for back ends stand where everything is passed on in plain text, so they do nothing.

    `proxy_ssl_*` counts only for `https://`, `grpc_ssl_*` for `grpcs://`, `uwsgi_ssl_*` for `suwsgi://`.

    Mend: change the scheme, or remove the settings.

    Judged only in the very location or server where they stand; a target with a variable scheme is unknown.

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
                        f"{directive.name} does nothing: {_shown(mine[0])} is asked in plain text",
                        labels=[label(mine[0].directive, "no TLS")],
                    )


def _is_plain(upstream: Upstream) -> bool:
    target = upstream.target.lower()
    if UNKNOWN in target or target.startswith("$"):
        return False
    scheme, separator, _ = target.partition("://")
    return not separator or ("$" not in scheme and scheme in ("http", "grpc", "uwsgi"))


class WrongUpstreamFamily(Rule):
    """TLS settings of one module stand where another module passes the requests on, so they do nothing.

    `grpc_pass` reads `grpc_ssl_*` and `uwsgi_pass` reads `uwsgi_ssl_*`; `proxy_ssl_*` is for `proxy_pass` only.
    FastCGI, SCGI and memcached have no TLS at all. `proxy_ssl_verify on;` beside `grpc_pass grpcs://` verifies nothing.

    Mend: rename the directives.

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
                    yield self.at(
                        directive,
                        f"{directive.name} does nothing: {other.directive.name} passes the requests on",
                        labels=[label(other.directive, f"reads {other.family}_ssl_* only")]
                        if other.family in ("grpc", "uwsgi", "proxy")
                        else [label(other.directive, "has no TLS")],
                    )


class StreamUpstreamInPlainText(Rule):
    """In a stream server TLS towards the back end is configured but not switched on: the bytes go on in plain text.

    `proxy_ssl` is `off` by default, and without it every `proxy_ssl_*` line does nothing.

    Mend: `proxy_ssl on;`.

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
            f"{own.name} does nothing: proxy_ssl is off, so {' '.join(target.args)} is asked in plain text",
            labels=[label(switch.origin or target, "no TLS")],
            help="write proxy_ssl on;",
        )


class PrereadAfterTls(Rule):
    """`ssl_preread` is on where nginx itself ends TLS, so there is no ClientHello left to look into.

    `$ssl_preread_server_name` and its like stay empty, and whatever a map makes of them is its default.

    Mend: remove `ssl_preread` and use `$ssl_server_name`, or remove `ssl` from the `listen` line.

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
                "ssl_preread sees nothing: nginx has ended TLS before",
                labels=[label(listen.directive, "ends TLS")],
                help="use $ssl_server_name",
            )


class VariableUpstreamWithoutResolver(Rule):
    """The back end's name comes from a variable, and no `resolver` is in force: requests fail with 502.

    A name in a variable is resolved for each request, and nginx asks no system resolver for that. A name that is
    written out is resolved when nginx starts and needs none.

    Mend: `resolver ADDRESS;`.

    Told only where the variable surely holds a host name: it is set to one, or is `$host`, `$http_host` or
    `$ssl_preread_server_name`. Names of upstream groups and addresses need no resolver.

    ```nginx bad
    location / {
        set $backend api.example.com;
        proxy_pass https://$backend;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```

    ```nginx good
    resolver 127.0.0.1;
    location / {
        set $backend api.example.com;
        proxy_pass https://$backend;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate certificates/root.pem;
        proxy_ssl_server_name on;
    }
    ```
    """

    severity = Severity.WARNING
    references = ("https://nginx.org/en/docs/http/ngx_http_core_module.html#resolver", f"{PROXY}#proxy_pass")
    needs = ("*_pass",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        values: dict[str, set[str]] = {}
        for directive in configuration.directives("set"):
            if len(directive.args) == 2:
                values.setdefault(directive.args[0].lstrip("$"), set()).add(directive.args[1])
        groups = {name for _, name in configuration.upstream_groups}
        for upstream in _all_passes(configuration, lambda target: "$" in target):
            resolver = upstream.scope.setting("resolver")
            used = variables(upstream.host)
            if not used or resolver.directives or not resolver.certain:
                continue
            name = upstream.host.partition(":")[0] if "$" in upstream.host.partition(":")[0] else ""
            single = re.fullmatch(r"\$\{?(\w+)\}?", name)
            if single is None:
                continue
            hosts = {single[1]} & {"host", "http_host", "ssl_preread_server_name"} or {
                host for host in map(_host_of, values.get(single[1], ())) if host
            }
            if hosts and not hosts & groups and all(not _is_ip(host) and "$" not in host for host in hosts):
                yield self.at(
                    upstream.directive,
                    f"requests fail with 502: {next(iter(sorted(hosts)))} comes from a variable, and there is no"
                    " resolver to ask for it",
                    arg=0,
                    help="write resolver ADDRESS;",
                )


def _host_of(value: str) -> str | None:
    """The host in the value of a variable, if it is one that must be resolved."""
    rest = value.partition("://")[2] or value
    host = rest.partition("/")[0].partition(":")[0]
    return host if re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", host) else None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class UnsafeOpensslOption(Rule):
    """`Options UnsafeLegacyRenegotiation` or `UnsafeLegacyServerConnect` switches a protection of TLS off.

    It lets nginx renegotiate, or connect to servers that renegotiate, without RFC 5746: what an attacker sent first can
    be taken for what the client said (CVE-2009-3555).

    Mend: remove the word; update the peer that needs it.

    ```nginx bad
    ssl_conf_command Options UnsafeLegacyRenegotiation;
    ```

    ```nginx good
    ssl_conf_command Options PrioritizeChaCha;
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (757,)
    directives = ("ssl_conf_command", "proxy_ssl_conf_command", "grpc_ssl_conf_command", "uwsgi_ssl_conf_command")
    references = ("https://docs.openssl.org/3.5/man3/SSL_CONF_cmd/", "https://www.rfc-editor.org/rfc/rfc5746")

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        if len(directive.args) < 2 or directive.args[0].lower() != "options":
            return
        for word in directive.args[1].split(","):
            bare = word.strip().lstrip("+")
            if bare.lower() in ("unsafelegacyrenegotiation", "unsafelegacyserverconnect"):
                yield self.at(directive, f"{bare} allows renegotiation without RFC 5746", arg=1, help="remove it")


class PlainTextMailLogin(Rule):
    """A mail server takes passwords in plain text: its listener has no TLS, and `starttls` is off.

    `starttls` is `off` by default, and nginx then offers plain and login authentication all the same.

    Mend: `starttls only;` with a certificate, or `listen … ssl` on port 993, 995 or 465.

    Silent on loopback addresses, and where only methods without a password on the wire are offered.

    ```nginx bad
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
        }
    }
    ```

    ```nginx good
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls only;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.ERROR
    security_severity = 7.5
    cwe = (319,)
    references = (f"{MAIL}#starttls", RFC8314)
    needs = ("mail",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        starttls = server.setting("starttls")
        if (
            server.module != "mail"
            or server.fragment
            or starttls.value not in ("", "off")
            or not starttls.certain
            or server.ssl_on
        ):
            return
        plain = [socket for socket in server.sockets if not socket.tls and not socket.is_loopback]
        protocol = _protocol(server)
        if not plain or protocol is None or not _takes_passwords(server, protocol):
            return
        listen = next((li.directive for li in server.listens if plain[0].port in li.ports and li.directive), None)
        place = starttls.origin or listen
        if place is not None:
            yield self.at(
                place,
                f"{protocol} passwords cross the network in plain text on {plain[0].label}: starttls is off",
                help="write starttls only;",
                endpoints=[f"{server.title} on {socket.label}" for socket in plain],
            )


class OptionalStarttls(Rule):
    """`starttls on` lets mail clients go on without TLS, and whoever is on the way can make them.

    An attacker removes STARTTLS from what the server offers; a client that does not insist then sends its password in
    plain text. `only` refuses that.

    Mend: `starttls only;`.

    Silent for SMTP on port 25, where other servers deliver and TLS must stay optional.

    ```nginx bad
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls on;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    mail {
        server {
            listen 143;
            protocol imap;
            auth_http 127.0.0.1:8080/auth;
            starttls only;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 4.8
    cwe = (757,)
    references = (f"{MAIL}#starttls", RFC8314)
    needs = ("starttls",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        starttls = server.setting("starttls")
        if server.module != "mail" or starttls.value != "on" or starttls.origin is None:
            return
        plain = [s for s in server.sockets if not s.tls and not s.is_loopback and s.port != 25]
        protocol = _protocol(server)
        if plain and protocol and _takes_passwords(server, protocol):
            yield self.at(
                starttls.origin,
                f"{protocol} clients may send passwords in plain text on {plain[0].label}: starttls is only offered",
                help="write starttls only;",
                endpoints=[f"{server.title} on {socket.label}" for socket in plain],
            )


_BY_PORT = {25: "smtp", 587: "smtp", 465: "smtp", 110: "pop3", 995: "pop3", 143: "imap", 993: "imap"}


def _protocol(server: VirtualServer) -> str | None:
    setting = server.setting("protocol")
    if setting.directives:
        return setting.value.lower() if setting.known else None
    return next((_BY_PORT[socket.port] for socket in server.sockets if socket.port in _BY_PORT), None)


def _takes_passwords(server: VirtualServer, protocol: str) -> bool:
    """Plain or login is among the authentication methods (nginx's defaults have them)."""
    setting = server.setting(f"{protocol}_auth")
    if not setting.directives:
        return True
    return bool({"plain", "login"} & {word.lower() for word in setting.values})


class MailAuthOverNetwork(Rule):
    """nginx sends the passwords of mail users to an authentication server on the internet, in plain HTTP.

    `auth_http` knows no TLS.

    Mend: an authentication server on the same host or a private network, or a local proxy that speaks TLS to it.

    ```nginx bad
    mail {
        auth_http auth.example.com/auth;
        server {
            listen 993 ssl;
            protocol imap;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    mail {
        auth_http 127.0.0.1:8080/auth;
        server {
            listen 993 ssl;
            protocol imap;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 6.5
    cwe = (319,)
    confidence = Confidence.LIKELY
    directives = ("auth_http",)
    references = ("https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html#auth_http",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterable[Finding]:
        if not directive.args or not directive.known:
            return
        host = _bare((directive.args[0].partition("://")[2] or directive.args[0]).partition("/")[0])
        if _is_public(host) and not is_local(host):
            yield self.at(directive, f"mail passwords go to {host} in plain HTTP", arg=0)
