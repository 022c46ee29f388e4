"""IPv4 and IPv6: the sockets of one port on both, and the names that only one of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.rules.common.listening import all_lines_sure, selects_by_name

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.listens import WILDCARD4, WILDCARD6
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model import Configuration, Listen, ServerName, Socket, VirtualServer
    from nginxtls.syntax.tree import Directive


def wildcard_pairs(configuration: Configuration) -> Iterator[tuple[Socket, Socket]]:
    """The sockets on all addresses of IPv4 and of IPv6 that have the same port, where nginx selects by name.

    Both over TCP or both over UDP (QUIC), both with TLS or both without.
    """
    found: dict[tuple[str, int, bool, bool], Socket] = {}
    for socket in configuration.sockets:
        if socket.address == WILDCARD6 and socket.ipv6only:
            found[socket.module, socket.port, socket.datagram, socket.tls] = socket
    for socket in configuration.sockets:
        level = configuration.blocks.get(socket.module)
        if configuration.completeness != "full" or level is None or not level.certain:
            continue
        other = found.get((socket.module, socket.port, socket.datagram, socket.tls))
        if socket.address == WILDCARD4 and other is not None and selects_by_name(socket):
            yield socket, other


class Lost(NamedTuple):
    """A name of a server that leads to another server over the other address family."""

    name: ServerName
    server: VirtualServer
    listen: Directive
    socket: Socket
    other: Socket

    @property
    def line(self) -> str:
        """The listen directive that is missing."""
        address = f"[::]:{self.other.port}" if self.other.address == WILDCARD6 else str(self.other.port)
        flag = " quic" if self.other.quic else " ssl" if self.other.tls else ""
        return f"listen {address}{flag};"

    @property
    def answers(self) -> Listen | None:
        """The listen line of the server that answers instead."""
        return self.other.listen_of(self.other.default)


def lost_names(configuration: Configuration, address: str) -> Iterator[Lost]:
    """Each server with a name that only its own family has: the first such name. ``address`` is the other wildcard."""
    for pair in wildcard_pairs(configuration):
        other, socket = sorted(pair, key=lambda each: each.address != address)
        if not (all_lines_sure(socket) and all_lines_sure(other)):
            continue
        for server in socket.servers:
            listen = socket.listen_of(server)
            if server.rejects_handshake or not server.scope.certain or listen is None or listen.directive is None:
                continue
            if any(_same_family(each, other) for each in server.sockets):
                continue
            for name in server.names:
                sample = _sample(name)
                if sample and other.names.find(sample) is None and _differ(configuration, socket, other, sample):
                    yield Lost(name, server, listen.directive, socket, other)
                    break


def _same_family(socket: Socket, other: Socket) -> bool:
    """The server itself listens in the other family, on all addresses or on one of them."""
    same = socket.port == other.port and socket.datagram == other.datagram and not socket.address.startswith("unix:")
    return same and (":" in socket.address) == (":" in other.address)


def _sample(name: ServerName) -> str:
    """A host that a client can request by this name; empty for what is not a host."""
    if name.is_host:
        return name.key
    return f"sample.{name.key}" if name.form == "leading" and "." in name.key else ""


def _differ(configuration: Configuration, socket: Socket, other: Socket, host: str) -> bool:
    """Over TLS another certificate is reason enough; in plain HTTP the other server has to answer otherwise."""
    if socket.tls or socket.module != "http":
        return socket.tls
    request = Request("http", host, socket.port)
    mine, theirs = answer(configuration, socket, request), answer(configuration, other, request)
    if mine is None or theirs is None:
        return False
    return not mine.target or mine.target != theirs.target
