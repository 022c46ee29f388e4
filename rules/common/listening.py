"""How a server is reached on a socket: its `listen` lines, and whether nginx selects it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.model import Socket


def all_lines_sure(socket: Socket) -> bool:
    """No listen line of the socket depends on a condition of a template."""
    return socket.known and not any(
        listen.directive is not None and server.scope.is_conditional(listen.directive)
        for server, listen in socket.listens
    )


def selects_by_name(socket: Socket) -> bool:
    """Whether nginx selects the servers of a socket by name (stream: since nginx 1.25.5)."""
    if socket.module == "http":
        return True
    return socket.module == "stream" and socket.servers[0].facts.assumed_nginx.at_least(1, 25, 5)
