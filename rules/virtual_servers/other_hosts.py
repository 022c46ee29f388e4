"""A rule about requests for a name other than the one of the handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.edits import added
from nginxtls.rules.common.serving import titles

from nginxtls.finding import Severity
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer
from nginxtls.rule import Rule, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.finding import Finding
    from nginxtls.model import Configuration


class RejectedNamesAnswered(Rule):
    """The default server rejects handshakes for unknown names, but answers requests for them on other connections.

    `ssl_reject_handshake` looks at the name in the handshake (SNI). A client that connects with the name of another
    server and then sends `Host: unknown.example` gets the content of the default server (measured on 1.22.1 to 1.30.6).

    Clients: no difference for browsers. A client that sends a known name in SNI and an unknown `Host` gets the default
    server's content.

    Fix: `return 421;` in the default server, which makes clients open a new connection, or `return 444;`.

    Reported only if the server has content of its own: locations, a root or a back end.

    ```nginx bad
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
        root /var/www/default;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```

    ```nginx good
    server {
        listen 443 ssl default_server;
        ssl_reject_handshake on;
        return 421;
    }
    server {
        listen 443 ssl;
        server_name example.com;
        ssl_certificate certificates/good.pem;
        ssl_certificate_key certificates/good.key;
    }
    ```
    """

    severity = Severity.NOTE
    references = (
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_reject_handshake",
        "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20",
    )
    needs = ("ssl_reject_handshake",)
    since = "nginx 1.19.4"

    def check_configuration(self, configuration: Configuration) -> Iterator[Finding]:
        reported = set()
        for socket in configuration.sockets:
            server = socket.default
            if socket.module != "http" or not socket.speaks_tls or not server.rejects_handshake or server in reported:
                continue
            line = server.setting("ssl_reject_handshake").origin
            others = [other for other in socket.servers if not other.rejects_handshake]
            if line is None or not others or not (server.locations or {"root", "proxy_pass"} & server.scope.own.keys()):
                continue
            found = answer(configuration, socket, Request("https", "name.invalid", socket.port))
            if found is None or found.server is not server or found.status.startswith(("4", "5")):
                continue
            reported.add(server)
            place = found.directive or (found.location.directive if found.location else None)
            yield self.at(
                line,
                f"requests for unknown names are still answered on connections to {others[0].title}",
                labels=[label(place, "answers them")] if place is not None else (),
                help="add `return 421;` to this server",
                fix=added(server.directive, "return 421;") if server.directive is not None else None,
                endpoints=titles(others[:1]),
            )
