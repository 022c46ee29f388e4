"""Rules about the default server of a socket, and what it decides for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import rejecting_server, with_word
from nginxtls.rules.common.grouping import default_is_sure, listed
from nginxtls.rules.common.listening import selects_by_name
from nginxtls.rules.common.serving import titles
from nginxtls.rules.virtual_servers.helpers import HTTPS, NAMES, REJECT, REQUESTS, host_names

from nginxtls.finding import Severity
from nginxtls.rule import Fix, Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer
    from nginxtls.syntax.tree import Directive


class ImplicitDefaultServer(Rule):
    """Several servers share a TLS socket and none has `default_server`: the first one that nginx reads is the default
    server.

    Which one is the first depends on file names. A new file can change the server that clients without SNI get.

    Clients: those without SNI or with an unknown name get whichever server is first, which a new file can change.

    Fix: set `default_server`, preferably in a server with `ssl_reject_handshake on;`.

    ```nginx bad
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    server {
        listen 443 ssl;
        server_name www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
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
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.1
    pedantic = True
    references = (REQUESTS,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        for socket in configuration.sockets:
            if not socket.tls or socket.explicit_default or len(socket.servers) < 2 or not selects_by_name(socket):
                continue
            if configuration.completeness != "full" or not default_is_sure(socket, configuration):
                continue
            _, listen = socket.listens[0]
            if listen.directive is not None:
                yield self.at(
                    listen.directive,
                    f"clients without a known name get {socket.default.title} on {socket.label} because it is the first"
                    " server",
                    help="set `default_server` in one of the servers",
                    fix=Fix("add `default_server`", (with_word(listen.directive, "default_server"),), safe=True)
                    if listen.directive.known
                    else None,
                    endpoints=titles([socket.default]),
                )


class RealSiteForUnknownNames(Rule):
    """Clients that send no name, or an unknown one, get the certificate and the content of a real site.

    Scanners learn which sites an address serves, and unrelated names that resolve to the address show that site.

    Clients: those that open an unrelated name that leads here see a certificate error for it, and behind that the real
    site.

    Fix: add a default server with `ssl_reject_handshake on;` (nginx 1.19.4).

    Reported only if a socket has several servers. Clients without SNI may need the site.

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
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
    }
    server {
        listen 443 ssl;
        server_name example.com www.example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    security_severity = 3.7
    cwe = (200,)
    pedantic = True
    since = "nginx 1.19.4"
    references = (REJECT,)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or not configuration.facts.assumed_nginx.at_least(1, 19, 4):
            return
        for socket in configuration.sockets:
            default = socket.default
            if not socket.tls or socket.datagram or len(socket.servers) < 2 or default.rejects_handshake:
                continue
            if not host_names(default) or not default_is_sure(socket, configuration) or default.directive is None:
                continue
            answer = default.first("return")
            if answer is not None and answer.args[:1] == ("444",):
                continue
            yield self.at(
                default.directive,
                f"clients that request an unknown name on {socket.label} get {default.title}",
                help="add a default server with `ssl_reject_handshake on;`",
                fix=rejecting_server(socket, configuration),
                endpoints=titles([default]),
            )


class InheritedRejection(Rule):
    """A server with a certificate inherits `ssl_reject_handshake on;`, so every handshake for its names is rejected.

    At the http level the directive applies to every server that does not set it. `nginx -t` reports nothing, and the
    certificate of the server is never sent (measured on nginx 1.22.1 to 1.30.6).

    Clients: ERR_SSL_UNRECOGNIZED_NAME_ALERT, `curl: (35)` with `unrecognized name`.

    Fix: move the directive into the default server, or set `ssl_reject_handshake off;` in this one.

    ```nginx bad
    http {
        ssl_reject_handshake on;
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
        }
    }
    ```

    ```nginx good
    http {
        ssl_reject_handshake on;
        server {
            listen 443 ssl default_server;
        }
        server {
            listen 443 ssl;
            server_name example.com;
            ssl_certificate certificates/good.pem;
            ssl_certificate_key certificates/good.key;
            ssl_reject_handshake off;
        }
    }
    ```
    """

    severity = Severity.ERROR
    since = "nginx 1.19.4"
    references = (REJECT,)
    needs = ("ssl_reject_handshake",)

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        found: dict[Directive, list[VirtualServer]] = {}
        for server in configuration.servers:
            setting = server.setting("ssl_reject_handshake")
            own = "ssl_certificate" in server.scope.own and "ssl_reject_handshake" not in server.scope.own
            if server.rejects_handshake and own and setting.origin and setting.certain and server.speaks_tls:
                found.setdefault(setting.origin, []).append(server)
        for line, servers in found.items():
            certificate = servers[0].first("ssl_certificate")
            yield self.at(
                line,
                f"every handshake for {listed([server.title for server in servers])} is rejected: the server inherits"
                " `ssl_reject_handshake on`",
                labels=[label(certificate, "never sent")] if certificate is not None else (),
                help="move the directive into the default server, or set `ssl_reject_handshake off;` in this one",
                endpoints=titles(servers),
            )


class DeadSettingsWithoutCertificate(Rule):
    """TLS settings have no effect in a server without a certificate of its own.

    Such a server has no TLS context: its clients get all TLS settings of the socket's default server, including
    certificate, protocols, ciphers and session tickets (measured, all generations). `nginx -t` reports nothing.

    Clients: the protocols, suites and other settings of the default server, in place of those written here.

    Fix: set `ssl_certificate` in the server, or move the settings to the default server.

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
    }
    ```
    """

    severity = Severity.WARNING
    needless = True
    security_severity = 3.7
    references = (f"{NAMES}#virtual_server_selection", f"{HTTPS}#name_based_https_servers")
    needs = ("ssl_*",)

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        if configuration.completeness != "full" or server.module == "mail":
            return
        if server.has_tls_context or not server.scope.certain:
            return
        socket = next((s for s in server.sockets if s.tls and s.default is not server and selects_by_name(s)), None)
        own = [name for name in server.scope.own if name.startswith("ssl_") and name not in _NOT_TLS]
        if socket is None or not own or not socket.default.has_tls_context or socket.default.rejects_handshake:
            return
        default = socket.default
        yield self.at(
            min((server.scope.own[name][0] for name in own), key=lambda d: (d.file.name, d.start)),
            f"{listed(own)} {'has' if len(own) == 1 else 'have'} no effect: {server.title} has no `ssl_certificate`, so"
            f" {default.title} decides the TLS settings on {socket.label}",
            labels=[label(default.directive, "decides the TLS settings")] if default.directive else [],
            help="set `ssl_certificate` in this server",
            endpoints=titles([server]),
        )


_NOT_TLS = frozenset(
    {"ssl_verify_client", "ssl_client_certificate", "ssl_preread", "ssl_engine", "ssl_certificate_key"}
    | {"ssl_buffer_size", "ssl_verify_depth"}
)
"""Reported by ineffective-client-verification, or not part of the TLS context."""
