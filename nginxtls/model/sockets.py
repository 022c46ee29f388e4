"""The sockets that the listen directives of all servers make, and the one that a connection reaches."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple
from nginxtls.model.listens import WILDCARD4, WILDCARD6, is_ip
from nginxtls.model.servers import Socket
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.listens import Listen
    from nginxtls.model.servers import VirtualServer


def join(servers: list[VirtualServer]) -> list[Socket]:
    """The sockets of all servers, in order of first appearance.

    A TLS socket whose address is in a template is the server's alone, as who else listens there is not known.
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
                if not socket.servers or socket.servers[-1] is not server:  # servers come one after the other
                    server.sockets.append(socket)
                socket.add(server, listen)
    return list(sockets.values())


def _unplaced(server: VirtualServer, listen: Listen) -> Socket:
    port = listen.address.rpartition(":")[2]
    socket = Socket(server.module, listen.address, int(port) if port.isdecimal() else 0, listen.datagram)
    socket.add(server, listen)
    return socket


def connected(sockets: list[Socket], address: str, port: int, *, datagram: bool = False) -> Socket | None:
    """The socket that a connection to ``address`` and ``port`` reaches: the most specific address first.

    ``[::]`` takes IPv4 as well where it has ipv6only=off and no IPv4 wildcard has the port.
    """
    if address.startswith("unix:"):
        return next((socket for socket in sockets if socket.address == address), None)
    address = "127.0.0.1" if address.lower() == "localhost" else WILDCARD4 if address == "*" else address.strip("[]")
    parsed = _parsed(address)
    if parsed is None:
        return None
    here = {socket.address: socket for socket in sockets if socket.port == port and socket.datagram == datagram}
    if exact := here.get(parsed):
        return exact
    if ":" in parsed:
        return here.get(WILDCARD6)
    dual = here.get(WILDCARD6)
    return here.get(WILDCARD4) or (dual if dual and not dual.ipv6only else None)


@bounded(4096, 1_000_000)
def _parsed(address: str) -> str | None:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


class BindConflict(NamedTuple):
    """Two sockets that the kernel does not let nginx open side by side, in the order of the configuration."""

    first: Socket
    second: Socket
    shared: bool
    """Both have ``reuseport``: nginx starts, and the kernel gives each connection to either of them."""


_SEPARATE_BIND = ("bind", "reuseport", "deferred", "multipath", "setfib=", "fastopen=", "backlog=", "rcvbuf=",
                  "sndbuf=", "accept_filter=", "ipv6only=", "so_keepalive=")  # fmt: skip
"""The parameters that give an address a socket of its own beside the wildcard's (``lsopt.bind`` in nginx)."""


def bound(sockets: list[Socket]) -> list[Socket]:
    """The sockets that nginx opens: of a module, port and family with a wildcard only that and those with ``bind``.

    ngx_http_init_listening(); ngx_stream and ngx_mail do the same.
    """
    wild = {_wildcard_key(socket) for socket in sockets if socket.address in (WILDCARD4, WILDCARD6)}
    return [
        socket
        for socket in sockets
        if socket.address in (WILDCARD4, WILDCARD6)
        or _wildcard_key(socket) not in wild
        or any(parameter.startswith(_SEPARATE_BIND) for _, listen in socket.listens for parameter in listen.parameters)
    ]


def _wildcard_key(socket: Socket) -> tuple[str, int, bool, str]:
    family = "unix" if socket.address.startswith("unix:") else "6" if ":" in socket.address else "4"
    return socket.module, socket.port, socket.datagram, family


def bind_conflicts(sockets: list[Socket]) -> Iterator[BindConflict]:
    """The pairs of TCP and unix sockets of which Linux refuses the second bind() (measured on four generations).

    An address conflicts with itself and with the wildcard of its port, ``[::]`` with ipv6only=off with IPv4, too.
    ``reuseport`` on both lifts it. ``nginx -t`` ignores EADDRINUSE (ngx_open_listening_sockets). UDP sockets do not
    conflict, as nginx sets SO_REUSEADDR. Addresses that are not known conflict with nothing.
    """
    by_port: dict[tuple[int, str], list[Socket]] = {}
    for socket in bound([socket for socket in sockets if not socket.datagram and _is_address(socket.address)]):
        path = socket.address if socket.address.startswith("unix:") else ""
        by_port.setdefault((socket.port, path), []).append(socket)
    for together in by_port.values():
        for index, second in enumerate(together):
            for first in together[:index]:
                if _overlap(first, second):
                    yield BindConflict(first, second, _reuseport(first) and _reuseport(second))


def _is_address(address: str) -> bool:
    return address.startswith("unix:") or is_ip(address)


def _reuseport(socket: Socket) -> bool:
    return any(listen.has("reuseport") for _, listen in socket.listens)


def _overlap(first: Socket, second: Socket) -> bool:
    for one, other in ((first, second), (second, first)):
        if one.address == other.address:
            return True
        if one.address == WILDCARD6 and (":" in other.address or not one.ipv6only):
            return True
        if one.address == WILDCARD4 and ":" not in other.address:
            return True
    return False
