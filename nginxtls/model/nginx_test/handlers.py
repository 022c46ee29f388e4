"""Stream servers in which nothing handles a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.nginx_test.refusal import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.nginx_test.refusal import Refusal

OPTIONAL_SINCE = (1, 27, 1)
"""CHANGES: "now the stream module handler is not mandatory"."""
_PREPARING = (
    "ssl_",
    "preread_",
    "proxy_",
    "access_",
    "error_",
    "limit_",
    "resolver",
    "tcp_",
    "set_real_ip",
    "variables_",
)
_HARMLESS = frozenset({"listen", "server_name", "ssl_preread", "set", "allow", "deny", "proxy_protocol_timeout"})


def handler_refusals(configuration: Configuration) -> Iterator[Refusal]:
    """``no handler for server``, where every directive of the server is one that prepares a connection only."""
    nginx = configuration.facts.nginx
    if nginx is None or nginx.at_least(*OPTIONAL_SINCE):
        return
    for server in configuration.servers:
        names = server.scope.own.keys()
        if server.module != "stream" or server.fragment or not server.scope.certain or server.directive is None:
            continue
        if "proxy_pass" not in names and all(name in _HARMLESS or name.startswith(_PREPARING) for name in names):
            yield refuse(server.directive, "handler", "no handler for server")
