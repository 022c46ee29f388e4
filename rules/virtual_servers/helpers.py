"""The names of servers, and references."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.model import ServerName, VirtualServer

REQUESTS = "https://nginx.org/en/docs/http/request_processing.html"
NAMES = "https://nginx.org/en/docs/http/server_names.html"
LISTEN = "https://nginx.org/en/docs/http/ngx_http_core_module.html#listen"
HTTPS = "https://nginx.org/en/docs/http/configuring_https_servers.html"
REJECT = "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#ssl_reject_handshake"


def host_names(server: VirtualServer) -> list[ServerName]:
    """The names of a server that a client can request: no wildcards, patterns or ``_``."""
    return [name for name in server.names if name.is_host]
