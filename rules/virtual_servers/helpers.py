"""How a server is reached on a socket: its `listen` directive and its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.model import Listen, ServerName, Socket, VirtualServer

REQUESTS = "https://nginx.org/en/docs/http/request_processing.html"
NAMES = "https://nginx.org/en/docs/http/server_names.html"
LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
HTTPS = "https://nginx.org/en/docs/http/configuring_https_servers.html"
REJECT = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_reject_handshake"


def listen_on(server: VirtualServer, socket: Socket) -> Listen | None:
    """The `listen` directive by which a server is on a socket."""
    return next((listen for other, listen in socket.listens if other is server), None)


def selects_by_name(socket: Socket) -> bool:
    """Whether nginx selects the servers of a socket by name (stream: since nginx 1.25.5)."""
    if socket.module == "http":
        return True
    return socket.module == "stream" and socket.servers[0].facts.assumed_nginx.at_least(1, 25, 5)


def host_names(server: VirtualServer) -> list[ServerName]:
    """The names of a server that a client can request: no wildcards, patterns or ``_``."""
    return [name for name in server.names if name.is_host]
