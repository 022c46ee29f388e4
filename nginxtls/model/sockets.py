"""The sockets that the listen directives of all servers make, and the one that a connection reaches."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from nginxtls.model.listens import WILDCARD4, WILDCARD6
from nginxtls.model.servers import Socket
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from nginxtls.model.listens import Listen
    from nginxtls.model.servers import VirtualServer


def join(servers: list[VirtualServer]) -> list[Socket]:
    """The sockets of all servers, in order of first appearance.

    A TLS socket whose address stands in a template is the server's alone, as who else listens there is not known.
    """
    sockets: dict[tuple[bool, str, str, int], Socket] = {}
    for server in servers:
        for listen in server.listens:
            if listen.problem:
                continue
            if UNKNOWN in listen.address and (listen.has("ssl") or listen.quic):
                server.sockets.append(_unplaced(server, listen))
            for port in listen.ports:
                key = (listen.datagram, server.module, listen.address, port)
                socket = sockets.get(key)
                if socket is None:
                    socket = sockets[key] = Socket(server.module, listen.address, port, listen.datagram)
                socket.add(server, listen)
                if socket not in server.sockets:
                    server.sockets.append(socket)
    return list(sockets.values())


def _unplaced(server: VirtualServer, listen: Listen) -> Socket:
    port = listen.address.rpartition(":")[2]
    socket = Socket(server.module, listen.address, int(port) if port.isdecimal() else 0, listen.datagram)
    socket.add(server, listen)
    return socket


def connected(sockets: list[Socket], address: str, port: int, *, datagram: bool = False) -> Socket | None:
    """The socket that a connection to ``address`` and ``port`` reaches: the most specific address first.

    ``[::]`` takes IPv4 as well where it stands with ipv6only=off and no IPv4 wildcard has the port.
    """
    if address.startswith("unix:"):
        return next((socket for socket in sockets if socket.address == address), None)
    address = "127.0.0.1" if address.lower() == "localhost" else WILDCARD4 if address == "*" else address.strip("[]")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    here = {socket.address: socket for socket in sockets if socket.port == port and socket.datagram == datagram}
    if exact := here.get(str(parsed)):
        return exact
    if parsed.version == 6:
        return here.get(WILDCARD6)
    dual = here.get(WILDCARD6)
    return here.get(WILDCARD4) or (dual if dual and not dual.ipv6only else None)
