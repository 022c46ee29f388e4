"""Rules about which cipher string is effective, and whether any client can connect with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.ciphers.lists import SSL_CIPHERS, SSL_CONF, _CipherRule
from nginxtls.rules.common.edits import STRONG_CIPHERS, moved, quoted, set_for
from nginxtls.rules.common.grouping import listed, surely_absent, titles, where_missing

from nginxtls.finding import Severity
from nginxtls.model.decides import by_origin
from nginxtls.model.offered import legacy_suites
from nginxtls.rule import NGINX_SSL, Rule, label
from nginxtls.tls import CipherString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.rules.ciphers.lists import CipherList

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, Endpoint
    from nginxtls.syntax.tree import Directive
    from nginxtls.tls import ServerKey


class DefaultCiphers(Rule):
    """No `ssl_ciphers` is set, and nginx's default `HIGH:!aNULL:!MD5` offers suites without forward secrecy.

    The default dates from 2011. With an RSA certificate it lets clients choose RSA key transport (RFC 10015 deprecates
    it) and CBC.

    Clients: no visible difference. nginx follows the client's order by default, so a client that lists RSA key
    transport or CBC first gets it.

    Fix: set `ssl_ciphers` at the http level, for example to Mozilla's intermediate list.

    Not reported if no client can get such a suite: with ECDSA certificates, or with TLS 1.3 alone.

    ```nginx bad, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.3;
    ```
    """

    severity = Severity.WARNING
    security_severity = 3.7
    cwe = (327, 1188)
    references = (SSL_CIPHERS, "https://www.rfc-editor.org/rfc/rfc10015", "https://ssl-config.mozilla.org/")

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        bare = by_origin(configuration, "ssl_ciphers").get(None, [])
        endpoints = [
            e
            for e in surely_absent(bare, "ssl_ciphers")
            if any(s.key_exchange == "RSA" for s in legacy_suites(e)) and e.tls.certificates_known
        ]
        place = where_missing(configuration, endpoints, "ssl_ciphers") if endpoints else None
        if place is not None:
            yield self.at(
                place,
                "`ssl_ciphers` is not set, and nginx's default `HIGH:!aNULL:!MD5` offers suites without forward"
                " secrecy",
                help="set `ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;` at the http level",
                fix=set_for(configuration, endpoints, "ssl_ciphers", STRONG_CIPHERS),
                endpoints=titles(endpoints),
            )


class ConfCommandOverridesCiphers(Rule):
    """`ssl_conf_command CipherString` overrides `ssl_ciphers`.

    nginx applies `ssl_conf_command` last, so `ssl_ciphers` has no effect except for its `@SECLEVEL`, if it has one
    (measured on nginx 1.22.1, 1.26.3 and 1.30.6; `nginx -t` reports nothing).

    Clients: the suites of `CipherString`; a client for which only `ssl_ciphers` has a suite is refused with `handshake
    failure`.

    Fix: keep one of the two, preferably `ssl_ciphers`.

    Not reported if both select the same suites.

    ```nginx bad
    ssl_ciphers ECDHE+AESGCM;
    ssl_conf_command CipherString ECDHE+CHACHA20;
    ```

    ```nginx good
    ssl_ciphers ECDHE+CHACHA20;
    ```
    """

    severity = Severity.WARNING
    security_severity = 2.0
    cwe = (1188,)
    references = (SSL_CONF, f"{NGINX_SSL}#ssl_conf_command")
    since = "nginx 1.19.4"
    needs = ("ssl_conf_command",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        seen: set[tuple[Directive, Directive]] = set()
        for server in configuration.servers:
            command, setting = server.conf_command("CipherString"), server.setting("ssl_ciphers")
            line = setting.origin
            if command is None or line is None or not setting.known or (command[1], line) in seen:
                continue
            seen.add((command[1], line))
            both = [CipherString(t).evaluate(configuration.facts.openssl) for t in (command[0], setting.value)]
            if not any(e.error for e in both) and both[0].suites != both[1].suites:
                yield self.at(
                    command[1],
                    "`CipherString` overrides `ssl_ciphers`",
                    labels=[label(line, "overridden")],
                    help="remove it, and set the suites in `ssl_ciphers`",
                    fix=moved(command[1], "ssl_ciphers", quoted(command[0])),
                )


class UnusableCiphers(_CipherRule):
    """No suite of the list fits the key of the server's certificate, and no handshake succeeds.

    An `ECDHE-ECDSA` suite needs an ECDSA certificate, an `ECDHE-RSA` suite an RSA one; DHE needs `ssl_dhparam`. Only
    TLS 1.3 is independent of the key, and it is not enabled. `nginx -t` reports nothing.

    Clients: none connects: ERR_SSL_VERSION_OR_CIPHER_MISMATCH, SSL_ERROR_NO_CYPHER_OVERLAP, `handshake failure` in curl
    (code 35).

    Fix: list suites for the key of the certificate.

    ```nginx bad
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good
    ssl_protocols TLSv1.2;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.ERROR
    references = ("https://www.rfc-editor.org/rfc/rfc8422#section-2", SSL_CIPHERS)

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        for keys, endpoints in _unfitting(ciphers):
            dead = [e for e in endpoints if not e.tls.suites]
            if dead:
                yield self.at(
                    ciphers.directive,
                    f"every handshake fails: none of these suites fits the certificate's key ({keys})",
                    arg=ciphers.arg,
                    labels=[label(b.directive, keys) for b in dead[0].tls.bundles[:1]],
                    help="add suites for that key",
                    fix=ciphers.appended(STRONG_CIPHERS),
                    endpoints=titles(dead),
                )


class DeadTls12(_CipherRule):
    """TLS 1.2 is enabled, but no suite of the list fits the key of the server's certificate.

    Clients with TLS 1.3 connect; the handshakes of all others fail. An `ECDHE-ECDSA` suite needs an ECDSA certificate,
    an `ECDHE-RSA` suite an RSA one, DHE needs `ssl_dhparam`.

    Clients: clients without TLS 1.3, such as Android 8, Internet Explorer 11 and Windows Server 2019, are refused with
    `handshake failure` or ERR_SSL_VERSION_OR_CIPHER_MISMATCH.

    Fix: list suites for the key of the certificate, or enable TLS 1.3 only.

    ```nginx bad
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```

    ```nginx good, certificate: good-rsa.pem
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    ```
    """

    severity = Severity.WARNING
    references = ("https://www.rfc-editor.org/rfc/rfc8422#section-2", SSL_CIPHERS)

    def check_ciphers(self, ciphers: CipherList, configuration: Configuration) -> Iterator[Finding]:
        for keys, endpoints in _unfitting(ciphers):
            some = [e for e in endpoints if e.tls.suites]
            if some:
                yield self.at(
                    ciphers.directive,
                    f"the handshakes of TLS 1.2 clients fail: none of these suites fits the certificate's key ({keys})",
                    arg=ciphers.arg,
                    labels=[label(b.directive, keys) for b in some[0].tls.bundles[:1]],
                    help="add suites for that key",
                    fix=ciphers.appended(STRONG_CIPHERS),
                    endpoints=titles(some),
                )


def _unfitting(ciphers: CipherList) -> Iterator[tuple[str, list[Endpoint]]]:
    """The keys and the endpoints that the list has no TLS 1.2 suite for, although TLS 1.2 is enabled."""
    groups: dict[str, list[Endpoint]] = {}
    for endpoint in ciphers.endpoints:
        tls = endpoint.tls
        if "TLSv1.2" not in tls.enabled or endpoint.socket.quic or tls.refusal_at_hello:
            continue
        if not tls.bundles or not tls.certificates_known or "TLSv1.2" in tls.suites:
            continue
        keys = listed([_key(bundle.leaf.key) for bundle in tls.bundles if bundle.leaf])
        groups.setdefault(keys, []).append(endpoint)
    yield from groups.items()


def _key(key: ServerKey) -> str:
    return " ".join(filter(None, (key.kind, key.curve or str(key.bits or ""))))
