"""Rules about SSL 2, SSL 3, TLS 1.0 and TLS 1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import set_for, written
from nginxtls.rules.common.grouping import (
    cipher_text,
    default_is_sure,
    listed,
    reaches_tls10,
    spoken,
    surely_absent,
    titles,
    where_missing,
)
from nginxtls.rules.protocols.common import CHANGES, LEGACY, MODERN, SSL_PROTOCOLS, unserved_by_default, without

from nginxtls.finding import Confidence, Severity
from nginxtls.model.decides import by_origin
from nginxtls.model.effective import origin_of, protocol_names, security_level
from nginxtls.model.offered import suites_by_version
from nginxtls.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive


class ObsoleteSsl(Rule):
    """SSL 2 or SSL 3 is enabled.

    Both are broken (DROWN, POODLE) and prohibited. Most builds of OpenSSL lack them, and OpenSSL 4.0 has removed the
    last of them; nginx accepts the words nevertheless, and `nginx -t` reports nothing. Clients are then protected by
    the library alone: another build of it may serve these versions.

    Clients: no difference for any client since 2015. If the library supports none of the versions listed, every
    handshake fails.

    Fix: remove `SSLv2` and `SSLv3` from `ssl_protocols`.

    Limitation: whether the OpenSSL of your nginx still has them is not known. With Debian's 1.1.1, 3.0, 3.5 and 3.6,
    `ssl_protocols SSLv3` makes every handshake fail (measured on nginx 1.18.0 to 1.30.6).

    ```nginx bad
    ssl_protocols SSLv3 TLSv1.2 TLSv1.3;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 9.1
    cwe = (327,)
    references = ("https://www.rfc-editor.org/rfc/rfc6176", "https://www.rfc-editor.org/rfc/rfc7568", SSL_PROTOCOLS)
    directives = ("ssl_protocols",)

    def check_directive(self, directive: Directive, configuration: Configuration) -> Iterator[Finding]:
        words = {i: next(iter(protocol_names([arg])), "") for i, arg in enumerate(directive.args)}
        old = [i for i, name in words.items() if name in ("SSLv2", "SSLv3")]
        if not old:
            return
        names = listed([words[i].replace("v", " ") for i in dict.fromkeys(old)])
        yield self.at(
            directive,
            f"{names} {'is' if len(set(old)) == 1 else 'are'} enabled",
            arg=old[0],
            label="obsolete since 2015" if words[old[0]] == "SSLv3" else "obsolete since 2011",
            notes=(
                "OpenSSL ignores the word if it is built without support; OpenSSL 4.0 supports neither SSL 2 nor SSL 3",
            ),
            help="remove it",
            fix=without(directive, old) or written(directive, *MODERN),
        )


class LegacyProtocol(Rule):
    """TLS 1.0 or TLS 1.1 is accepted.

    Both depend on SHA-1 and MD5, have no authenticated encryption, and were deprecated by RFC 8996 in 2021; no current
    browser supports them. PCI DSS and every policy since prohibit them.

    Clients: no difference for current clients, which negotiate TLS 1.2 or 1.3. Devices from before about 2014, such as
    Android 4.3 and Java 7, connect with TLS 1.0, and would be refused without it.

    Fix: set `ssl_protocols TLSv1.2 TLSv1.3;`

    The finding is at the deciding directive: before nginx 1.29.2 that of the default server of the socket, for every
    name on it. OpenSSL 3.0 and later serve these versions only at security level 0 (`@SECLEVEL=0`): with an
    `--openssl-version` under which no client can get them, see `unreachable-protocol`. Not reported if the cipher
    string has no suite that TLS 1.0 could use.

    ```nginx bad
    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    ```

    ```nginx bad, openssl: 1.1.1w, certificate: good-rsa.pem
    ssl_protocols TLSv1.1 TLSv1.2;
    ```

    ```nginx good
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 3.5.0
    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.ERROR
    security_severity = 6.5
    cwe = (327,)
    references = (
        "https://www.rfc-editor.org/rfc/rfc8996",
        "https://www.rfc-editor.org/rfc/rfc9325#section-3.1.1",
        SSL_PROTOCOLS,
    )
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        served = {endpoint: _legacy_served(endpoint) for endpoint in endpoints}
        versions = frozenset[str]().union(*served.values()) - _allowed_by_policy(configuration)
        affected = [endpoint for endpoint in endpoints if served[endpoint] & versions]
        if not versions:
            return
        place, args = _enabling(directive, affected[0], versions)
        yield self.at(
            place,
            f"{spoken(versions)} {'is' if len(versions) == 1 else 'are'} accepted",
            arg=args[0] if args else None,
            label=f"enables {spoken(versions)}",
            notes=_unknown_openssl(configuration),
            help="set `ssl_protocols TLSv1.2 TLSv1.3;`",
            fix=without(place, args) or (written(place, *MODERN) if place.name == "ssl_protocols" else None),
            endpoints=titles(affected),
            confidence=Confidence.CERTAIN if configuration.facts.openssl_known else Confidence.LIKELY,
        )


class OldDefaultProtocols(Rule):
    """No `ssl_protocols` is set, and the default of this nginx still includes TLS 1.0 and TLS 1.1.

    nginx 1.27.3 removed them from the default. What a server on an older nginx offers depends on OpenSSL alone.

    Clients: no difference for current clients; where OpenSSL allows it, old ones connect with TLS 1.0 or 1.1.

    Fix: set `ssl_protocols TLSv1.2 TLSv1.3;` at the http level.

    Reported only with an `--nginx-version` below 1.27.3, and not if the given OpenSSL disables these versions: 3.0 and
    later do at their default level (measured: nginx 1.22.1 with OpenSSL 3.0.20 serves TLS 1.2 only).

    ```nginx bad, nginx: 1.22.1, openssl: 1.1.1w
    events {}
    http {
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good-rsa.pem;
            ssl_certificate_key certificates/good-rsa.key;
        }
    }
    ```

    ```nginx good, nginx: 1.30.6
    events {}
    http {
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good-rsa.pem;
            ssl_certificate_key certificates/good-rsa.key;
        }
    }
    ```
    """

    severity = Severity.WARNING
    security_severity = 5.3
    cwe = (327, 1188)
    references = (CHANGES, "https://www.rfc-editor.org/rfc/rfc8996")
    since = "up to nginx 1.27.2"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is None or configuration.facts.nginx.at_least(1, 27, 3):
            return
        bare = by_origin(configuration, "ssl_protocols").get(None, [])
        allowed = _allowed_by_policy(configuration)
        served = {e: _legacy_served(e) - allowed for e in surely_absent(bare, "ssl_protocols")}
        endpoints = [endpoint for endpoint, versions in served.items() if versions]
        place = where_missing(configuration, endpoints, "ssl_protocols") if endpoints else None
        if place is None:
            return
        versions = frozenset[str]().union(*served.values())
        yield self.at(
            place,
            f"`ssl_protocols` is not set, and the default of nginx {configuration.facts.nginx} accepts"
            f" {spoken(versions)}",
            notes=_unknown_openssl(configuration),
            help="set `ssl_protocols TLSv1.2 TLSv1.3;`",
            fix=set_for(configuration, endpoints, "ssl_protocols", *MODERN),
            endpoints=titles(endpoints),
            confidence=Confidence.CERTAIN if configuration.facts.openssl_known else Confidence.LIKELY,
        )


class UnreachableProtocol(Rule):
    """TLS 1.0 or 1.1 is listed, but OpenSSL's security level disables it.

    OpenSSL 3.0 and later serve TLS 1.0 and 1.1 only at level 0; 1.1.1 disables TLS 1.0 at level 3 and TLS 1.1 at level
    4. The configuration suggests that old clients can connect, and they cannot. `nginx -t` reports nothing (measured:
    OpenSSL 3.0.20, 3.5.9 and 3.6.5 at their default level 2 refuse such handshakes).

    Clients: those with TLS 1.0 or 1.1 alone are refused with `protocol version`, although the line lists these
    versions.

    Fix: remove the values. Clients are not affected.

    Reported only with `--openssl-version`.

    ```nginx bad, openssl: 3.0.20
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, openssl: 1.1.1w, certificate: good-rsa.pem
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ```
    """

    severity = Severity.NOTE
    needless = True
    references = ("https://docs.openssl.org/3.0/man7/migration_guide/", SSL_PROTOCOLS)
    since = "OpenSSL 1.1.1"
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or directive.name != "ssl_protocols":
            return
        dead = [e for e in endpoints if e.tls.enabled & LEGACY and not _legacy_served(e)]
        if not dead or len(dead) < len(endpoints) or any(e.tls.refusal_at_hello or _is_dead(e) for e in dead):
            return
        versions = frozenset[str]().union(*(e.tls.enabled for e in dead)) & LEGACY
        args = [i for i, arg in enumerate(directive.args) if protocol_names([arg]) & versions]
        if args:
            yield self.at(
                directive,
                f"{spoken(versions)} {'is' if len(versions) == 1 else 'are'} listed, but no client gets"
                f" {'it' if len(versions) == 1 else 'them'} from OpenSSL {configuration.facts.openssl}"
                f" at security level {dead[0].tls.level}",
                arg=args[0],
                help="remove it; clients are not affected",
                fix=without(directive, args, safe=True),
                endpoints=titles(dead),
            )


class DeadProtocols(Rule):
    """Only TLS 1.0 or 1.1 is enabled, and OpenSSL serves neither, so every handshake fails.

    OpenSSL 3.0 and later serve them only at security level 0, with suites that these versions can use. `nginx -t`
    reports nothing, nginx starts, and no client whatsoever can connect (measured on OpenSSL 3.0.20, 3.5.9 and 3.6.5;
    from 3.5 on the default server's versions decide over all names of a socket).

    Clients: none connects, whatever it offers: `curl` exits with code 35, and browsers show an SSL error.

    Fix: set `ssl_protocols TLSv1.2 TLSv1.3;`.

    Reported only with `--openssl-version`, or where the version is found.

    ```nginx bad, openssl: 3.0.20
    ssl_protocols TLSv1 TLSv1.1;
    ```

    ```nginx good, openssl: 3.0.20
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
    ```

    ```nginx good, openssl: 1.1.1w, certificate: good-rsa.pem
    ssl_protocols TLSv1 TLSv1.1;
    ```
    """

    severity = Severity.ERROR
    references = ("https://docs.openssl.org/3.0/man7/migration_guide/", SSL_PROTOCOLS)
    since = "OpenSSL 1.1.1"
    decides = ("ssl_protocols",)

    def check_setting(
        self, directive: Directive, endpoints: Sequence[Endpoint], configuration: Configuration
    ) -> Iterator[Finding]:
        if not configuration.facts.openssl_known or directive.name != "ssl_protocols":
            return
        dead = [endpoint for endpoint in endpoints if _is_dead(endpoint)]
        if dead:
            yield self._dead(directive, dead[0].tls.enabled, dead[0].tls.level, dead)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        """Default servers that fail the handshakes of all names on their sockets."""
        groups: dict[Directive, list[Endpoint]] = {}
        for endpoint in configuration.endpoint_groups if configuration.facts.openssl_known else ():
            place, default = unserved_by_default(endpoint), endpoint.socket.default
            if default.rejects_handshake and not default.has_certificate:
                continue
            if place is not None and (endpoint.server is default or default_is_sure(endpoint.socket, configuration)):
                groups.setdefault(place, []).append(endpoint)
        for place, endpoints in groups.items():
            default = endpoints[0].socket.default
            enabled = protocol_names(default.setting("ssl_protocols").values)
            yield self._dead(place, enabled, security_level(default), endpoints)

    def _dead(self, place: Directive, enabled: frozenset[str], level: int, endpoints: Sequence[Endpoint]) -> Finding:
        return self.at(
            place,
            f"every handshake fails: OpenSSL does not serve {spoken(enabled & LEGACY)}, all that is enabled, at"
            f" security level {level}",
            help="set `ssl_protocols TLSv1.2 TLSv1.3;`",
            fix=written(place, *MODERN),
            endpoints=titles(endpoints),
        )


def _is_dead(endpoint: Endpoint) -> bool:
    """Whether only TLS 1.0 and 1.1 are enabled, and the server accepts nobody for want of a suite for them."""
    tls = endpoint.tls
    if not tls.enabled & LEGACY or tls.enabled & frozenset(MODERN) or tls.refusal_at_hello:
        return False
    if tls.bundles:
        return not tls.versions
    # In a snippet the certificate is elsewhere.
    return endpoint.server.fragment and not suites_by_version(endpoint)


def _legacy_served(endpoint: Endpoint) -> frozenset[str]:
    """The legacy versions that a client can get; if OpenSSL is unknown, those that some version of it serves."""
    tls = endpoint.tls
    enabled = tls.enabled & LEGACY
    if not enabled or endpoint.socket.quic:
        return frozenset()
    if tls.facts.openssl_known:
        return enabled & suites_by_version(endpoint).keys()
    origin = origin_of(tls.context, "ssl_ciphers")
    text = cipher_text(origin)[0] if origin else tls.ciphers.value
    return enabled if reaches_tls10(text) or not tls.ciphers.known else frozenset()


def _unknown_openssl(configuration: Configuration) -> tuple[str, ...]:
    if configuration.facts.openssl_known:
        return ()
    return (
        "OpenSSL 3.0 and later serve it only at security level 0, earlier versions also at their default level;"
        " specify the version with `--openssl-version`",
    )


def _allowed_by_policy(configuration: Configuration) -> frozenset[str]:
    """The versions that the chosen policies allow: an old policy is chosen for the sake of old versions."""
    allowed = (policy.items.get("protocols", {}).get("allowed", ()) for policy in configuration.facts.policies)
    return frozenset(version for versions in allowed for version in versions)


def _enabling(directive: Directive, endpoint: Endpoint, versions: frozenset[str]) -> tuple[Directive, list[int]]:
    """The line and the arguments that enable these versions: of several lines that add up, the first that has one."""
    lines = endpoint.tls.protocols.directives if directive.name == "ssl_protocols" else ()
    for line in lines or (directive,):
        args = [i for i, arg in enumerate(line.args) if protocol_names([arg]) & versions]
        if args:
            return line, args
    return directive, []
