"""The Strict-Transport-Security header, and the servers that clients reach over TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.decides import live

if TYPE_CHECKING:
    from nginxtls.model import Configuration, Endpoint, VirtualServer
    from nginxtls.syntax.tree import Directive

HSTS = "Strict-Transport-Security"
RFC_6797 = "https://www.rfc-editor.org/rfc/rfc6797"
ADD_HEADER = "https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header"


def is_hsts(directive: Directive) -> bool:
    """Whether it is an add_header of Strict-Transport-Security with a literal value."""
    args = directive.args
    return (
        len(args) > 1 and args[0].lower() == HSTS.lower() and args[1] != "" and "$" not in args[1] and directive.known
    )


def by_server(configuration: Configuration) -> dict[VirtualServer, list[Endpoint]]:
    """The http servers with their endpoints, without those that reject every handshake on purpose."""

    def work() -> dict[VirtualServer, list[Endpoint]]:
        found: dict[VirtualServer, list[Endpoint]] = {}
        for endpoint in live(configuration):
            if endpoint.socket.module == "http" and not endpoint.server.fragment:
                found.setdefault(endpoint.server, []).append(endpoint)
        return found

    return configuration.memo("http servers with TLS", work)


def titles(server: VirtualServer) -> list[str]:
    """The TLS endpoints of a server as findings name them."""
    return [f"{server.title} on {socket.label}" for socket in server.sockets if socket.tls]


def is_behind_proxy(server: VirtualServer) -> bool:
    """Whether TLS may end at a proxy in front of the server: its configuration uses what such a proxy sends."""
    words = ("x_forwarded", "x-forwarded-proto", "cf_visitor", "proxy_protocol")
    if any(socket.proxy_protocol for socket in server.sockets):
        return True
    conditions = (line for line in server.walk() if line.name in ("if", "set", "return", "rewrite"))
    return any(word in arg.lower() for line in conditions for arg in line.args for word in words)
