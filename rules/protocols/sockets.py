"""Rules about the default server of a socket, which decides the protocol versions of other servers on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import put
from nginxtls.rules.common.grouping import cipher_text, default_is_sure, reaches_tls10, sockets, spoken, titles
from nginxtls.rules.protocols.common import CHANGES, LEGACY, MODERN, SSL_PROTOCOLS, unserved_by_default

from nginxtls.finding import Severity
from nginxtls.model.decides import live_groups
from nginxtls.model.effective import VERSIONS, cipher_string, effective, origin_of, protocol_names
from nginxtls.rule import Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding, Label
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive


class IgnoredProtocols(Rule):
    """`ssl_protocols` in a server that is not the default server of its socket has no effect on this nginx.

    Before nginx 1.29.2 the version was negotiated before nginx looked at the name that the client requests: the default
    server of the socket decides for all names on it. Since 1.29.2, with OpenSSL 1.1.1 or later, each server decides for
    itself (measured: with the default server on TLS 1.2 and the other on TLS 1.3 only, clients of the other get TLS 1.2
    on 1.18.0, 1.22.1 and 1.26.3, and TLS 1.3 on 1.30.6).

    Clients: the versions of the default server, so that a version this server excludes is accepted, or one it lists is
    refused.

    Fix: set the protocols at the http level, or in the default server.

    Reported only with an `--nginx-version` below 1.29.2; without one, see `protocols-differ-on-socket`.

    ```nginx bad, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3;
    }
    ```

    ```nginx good, nginx: 1.26.3
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 5.9
    cwe = (665,)
    references = (CHANGES, "https://nginx.org/en/docs/http/server_names.html#virtual_server_selection")
    since = "up to nginx 1.29.1"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        nginx = configuration.facts.nginx
        if nginx is None or nginx.at_least(1, 29, 2):
            return
        undecided: dict[Directive, tuple[VirtualServer, list[Directive], list[Endpoint]]] = {}
        for directive, default, endpoints in _overruled(configuration):
            setting = default.setting("ssl_protocols")
            if setting.is_default and default.directive is not None:
                _, ignored, affected = undecided.setdefault(default.directive, (default, [], []))
                ignored.append(directive)
                affected += endpoints
                continue
            names = _had(default, endpoints)
            if directive in setting.directives:
                message = (
                    f"before nginx 1.29.2 {names} applies to every name on {sockets(endpoints)}, not to this server"
                    " alone"
                )
            else:
                message = (
                    f"clients on {sockets(endpoints)} do not get these protocols: before nginx 1.29.2 the default"
                    f" server decides, which has {names}"
                )
            yield self.at(
                directive,
                message,
                label=f"ignored by nginx {nginx}" if directive not in setting.directives else "decides for all names",
                labels=_deciding(directive, default, "decides for every name on the socket"),
                help="set the protocols at the http level or in the default server",
                endpoints=titles(endpoints),
            )
        for place, (default, ignored, affected) in undecided.items():
            own = default.conf_command(*_LIMITS)
            which = (
                f"the default server's `ssl_conf_command`, {_had(default, affected)},"
                if own
                else "nginx's default for `ssl_protocols`"
            )
            yield self.at(
                place,
                f"{which} applies to every name on {sockets(affected)}: before nginx 1.29.2 the default server decides,"
                " and has no `ssl_protocols`",
                labels=[label(directive, "ignored") for directive in ignored[:3]],
                help="set the protocols at the http level or in the default server",
                endpoints=titles(affected),
            )


_LIMITS = ("MinProtocol", "MaxProtocol", "Protocol")


def _had(default: VirtualServer, endpoints: list[Endpoint]) -> str:
    """The versions that a default server gives to every name of its socket, in words."""
    if default.conf_command(*_LIMITS):
        return spoken(effective(endpoints[0].socket, default).versions)
    return spoken(protocol_names(default.setting("ssl_protocols").values))


class ProtocolsDifferOnSocket(Rule):
    """The servers of one socket have different protocols, so what clients get depends on the version of nginx.

    Before nginx 1.29.2 the default server's `ssl_protocols` applies to every name on the socket, since 1.29.2 each
    server's own. An update then silently changes what is accepted, in either direction.

    Clients: nothing today. After an update of nginx across 1.29.2 a name accepts versions it refused before, or refuses
    some of its clients.

    Fix: set the same protocols for all servers of a socket, preferably at the http level; or specify the version with
    `--nginx-version`.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
        ssl_protocols TLSv1.3 TLSv1.2;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    references = (CHANGES,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.facts.nginx is not None:
            return
        for directive, default, endpoints in _overruled(configuration):
            setting = default.setting("ssl_protocols")
            names = _had(default, endpoints)
            if directive in setting.directives:
                message = (
                    f"before nginx 1.29.2 {names} applies to every name on {sockets(endpoints)}, since then to this"
                    " server alone"
                )
            else:
                message = (
                    f"effective since nginx 1.29.2 only; before, the default server of {sockets(endpoints)} decides:"
                    f" {names}"
                )
            yield self.at(
                directive,
                message,
                labels=_deciding(directive, default, "decides before nginx 1.29.2"),
                help="set the protocols at the http level",
                endpoints=titles(endpoints),
            )


class DeadDefaultServer(Rule):
    """The default server's cipher suites fit none of its protocol versions, so every handshake on its socket fails.

    Before OpenSSL looks at the name that the client requests, it needs a suite of the default server's `ssl_ciphers`
    for the highest version of the lowest gapless range of its `ssl_protocols`. If there is none, the handshakes of all
    servers on the socket fail, however those are configured; `nginx -t` reports nothing (measured on nginx 1.18.0,
    1.22.1, 1.26.3 and 1.30.6: `no ciphers available`). A typical case is `ssl_protocols TLSv1 TLSv1.2` with suites of
    TLS 1.2 only.

    Clients: none connects, to whichever name: ERR_SSL_VERSION_OR_CIPHER_MISMATCH, `handshake failure` in curl (code
    35).

    Fix: remove the old versions from the default server.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.1;
        ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.2 TLSv1.3;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        server_name example.com;
        ssl_certificate certificates/good-rsa.pem;
        ssl_certificate_key certificates/good-rsa.key;
        ssl_protocols TLSv1.2;
        ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;
    }
    ```
    """

    severity = Severity.ERROR
    references = ("https://github.com/openssl/openssl/blob/openssl-3.5/ssl/statem/statem_lib.c", SSL_PROTOCOLS)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        groups: dict[Directive, list[Endpoint]] = {}
        why: dict[Directive, str] = {}
        for endpoint in configuration.endpoint_groups:
            default = endpoint.socket.default
            setting = default.setting("ssl_protocols")
            dead = endpoint.tls.dead_default
            if dead is None or not setting.known or not default_is_sure(endpoint.socket, configuration):
                continue
            if default.rejects_handshake and not default.has_certificate:
                continue
            if unserved_by_default(endpoint) is not None:
                continue  # reported by dead-protocols
            if not configuration.facts.openssl_known and _served_by_an_old_openssl(default):
                continue
            place = origin_of(default, "ssl_protocols") or origin_of(default, "ssl_ciphers") or default.directive
            if place is not None and _accepts_ciphers(default):
                groups.setdefault(place, []).append(endpoint)
                why[place] = _why_dead(default)
        for place, endpoints in groups.items():
            ciphers = origin_of(endpoints[0].socket.default, "ssl_ciphers")
            yield self.at(
                place,
                f"every handshake on {sockets(endpoints)} fails, for every name: {why[place]}",
                labels=[label(ciphers, "its cipher suites")] if ciphers and ciphers is not place else (),
                help="set `ssl_protocols TLSv1.2 TLSv1.3;` in the default server",
                fix=put(server, "ssl_protocols", *MODERN)
                if (server := endpoints[0].socket.default.directive) is not None
                else None,
                endpoints=titles(endpoints),
            )


def _overruled(configuration: Configuration) -> Iterator[tuple[Directive, VirtualServer, list[Endpoint]]]:
    """Where the default server of a socket decides the protocols of servers that are configured differently.

    Yields the directive at fault, the default server and the endpoints: the directive of the other server or of the
    level that it inherits from or, if only the default server has its own, that one.
    """
    groups: dict[tuple[Directive, VirtualServer], list[Endpoint]] = {}
    for endpoint in live_groups(configuration):
        server, default = endpoint.server, endpoint.socket.default
        if server is default or not server.has_tls_context or not default_is_sure(endpoint.socket, configuration):
            continue
        mine, theirs = server.setting("ssl_protocols"), default.setting("ssl_protocols")
        if not (mine.known and theirs.known) or not (theirs.directives or theirs.certain):
            continue
        if protocol_names(mine.values) == protocol_names(theirs.values):
            continue
        place = mine.origin if mine.level == "server" else theirs.origin
        if place is not None and (mine.directives or mine.certain):
            groups.setdefault((place, default), []).append(endpoint)
    yield from ((place, default, endpoints) for (place, default), endpoints in groups.items())


def _deciding(directive: Directive, default: VirtualServer, text: str) -> list[Label]:
    """The default server's ssl_protocols, or its block, as a second place of a finding."""
    place = default.setting("ssl_protocols").origin or default.directive
    return [label(place, text)] if place and place is not directive else []


def _served_by_an_old_openssl(server: VirtualServer) -> bool:
    """Whether OpenSSL 1.1.1 serves TLS 1.0 or 1.1 with this server's settings."""
    legacy = protocol_names(server.setting("ssl_protocols").values) & LEGACY
    origin = origin_of(server, "ssl_ciphers")
    return bool(legacy) and reaches_tls10(cipher_text(origin)[0] if origin else server.setting("ssl_ciphers").value)


def _accepts_ciphers(server: VirtualServer) -> bool:
    """Whether the cipher string is known and OpenSSL accepts it; other rules report those that it refuses."""
    return server.setting("ssl_ciphers").known and cipher_string(server).error is None


def _why_dead(server: VirtualServer) -> str:
    versions = protocol_names(server.setting("ssl_protocols").values) & set(VERSIONS)
    if not versions:
        return "its default server has no protocol version that OpenSSL serves"
    return f"the suites of its default server fit none of its lowest versions ({spoken(versions)})"
