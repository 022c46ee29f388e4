"""A rule about Encrypted ClientHello: keys that no connection ever uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import as_written, inside, with_word
from nginxtls.rules.common.grouping import default_is_sure
from nginxtls.rules.common.serving import titles

from nginxtls.finding import Severity
from nginxtls.model import ech
from nginxtls.rule import Fix, Rule, delete, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration, VirtualServer


class EchWithoutEffect(Rule):
    """The keys for Encrypted ClientHello are never used: clients that encrypt the server name are rejected.

    OpenSSL decrypts the ClientHello before nginx knows the name in it, with the keys of the socket's default server
    (measured: nginx 1.31.4, OpenSSL 4.0.3; the client fails with `ech required`). ECH is part of TLS 1.3, so it needs
    that version. `ssl_ech_file` with OpenSSL before 4.0 is reported as nginx's warning.

    Clients: those that encrypt the server name are rejected (`ech required`), or connect again without ECH and reveal
    the name to everyone on the path; all others connect.

    Fix: move `ssl_ech_file` to the default server or to the `http` block, and keep TLS 1.3 enabled.

    ```nginx bad
    server {
        listen 8443 ssl default_server;
        server_name example.com;
    }
    server {
        listen 8443 ssl;
        server_name www.example.com;
        ssl_ech_file certificates/ech.pem;
    }
    ```

    ```nginx good
    ssl_ech_file certificates/ech.pem;
    server {
        listen 8443 ssl default_server;
        server_name example.com;
    }
    server {
        listen 8443 ssl;
        server_name www.example.com;
    }
    ```
    """

    severity = Severity.WARNING
    since = "nginx 1.29.4"
    references = (
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_ech_file",
        "https://www.rfc-editor.org/rfc/rfc9849",
    )

    def check_server(self, server: VirtualServer, configuration: Configuration) -> Iterator[Finding]:
        facts = configuration.facts
        if facts.openssl_known and facts.openssl.version < ech.SINCE:
            return  # nginx-warns reports it
        sockets = [socket for socket in server.sockets if socket.tls and default_is_sure(socket, configuration)]
        for directive in server.scope.all("ssl_ech_file") if sockets else ():
            default = sockets[0].default
            if not ech.decides(server):
                yield self.at(
                    directive,
                    f"`ssl_ech_file` has no effect: {sockets[0].label} uses the keys of its default server,"
                    f" {default.title}",
                    labels=[label(default.directive, "default server")] if default.directive else (),
                    help="move it to the default server or to the http block",
                    fix=Fix(
                        "move it to the default server",
                        (inside(default.directive, as_written(directive)), delete(directive)),
                    )
                    if default.directive is not None
                    else None,
                    endpoints=titles([server]),
                )
            elif not any(_enables_tls13(other) for socket in sockets for other in socket.servers):
                yield self.at(
                    directive,
                    "`ssl_ech_file` has no effect: Encrypted ClientHello needs TLS 1.3, which is disabled",
                    help="add `TLSv1.3` to `ssl_protocols`",
                    fix=Fix("add `TLSv1.3` to `ssl_protocols`", (with_word(origin, "TLSv1.3"),))
                    if (origin := server.setting("ssl_protocols").origin) is not None
                    else None,
                    endpoints=titles([server]),
                )


def _enables_tls13(server: VirtualServer) -> bool:
    protocols = server.setting("ssl_protocols")
    return "TLSv1.3" in protocols.values or not protocols.known
