"""Endpoints: virtual servers on TLS sockets, each by itself and in groups that serve alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.effective import EffectiveTLS, effective

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nginxtls.model.bundles import ServedBundle
    from nginxtls.model.servers import Socket, VirtualServer


class Endpoint:
    """A virtual server on one of its TLS sockets; ``number`` is its place among the endpoints of the configuration."""

    __slots__ = ("number", "server", "socket")

    def __init__(self, socket: Socket, server: VirtualServer, number: int = 0) -> None:
        self.socket = socket
        self.server = server
        self.number = number

    @property
    def tls(self) -> EffectiveTLS:
        """The TLS settings that a client of this endpoint gets."""
        return effective(self.socket, self.server)

    @property
    def is_default(self) -> bool:
        """Whether the server is the default server of the socket."""
        return self.socket.default is self.server

    @property
    def context(self) -> VirtualServer:
        """The server whose TLS context serves the connection after SNI: a server without a certificate has none."""
        return self.server if self.server.has_tls_context else self.socket.default

    @property
    def bundles(self) -> tuple[ServedBundle, ...]:
        """The bundles that may be sent, at most one for each type of key."""
        return self.context.slots[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names for people, without the empty one."""
        return tuple(name.shown for name in self.server.names if name.text)

    @property
    def title(self) -> str:
        """``shop.example.com on *:443``."""
        return f"{self.server.title} on {self.socket.label}"

    @property
    def everyone(self) -> Sequence[Endpoint]:
        """The endpoints that this one represents: itself, or all of its group."""
        return (self,)


class EndpointGroup(Endpoint):
    """The first of the endpoints that serve alike: the same TLS lines and keys behind the same default server.

    Its ``tls`` but for names, certificates and locations is that of ``everyone``, so that a rule about
    protocols looks once at what thousands of servers share.
    """

    __slots__ = ("endpoints",)

    def __init__(self, first: Endpoint) -> None:
        super().__init__(first.socket, first.server, first.number)
        self.endpoints: list[Endpoint] = []

    @property
    def everyone(self) -> Sequence[Endpoint]:
        """All endpoints of the group."""
        return self.endpoints


def endpoint_groups_of(endpoints: Iterable[Endpoint]) -> list[EndpointGroup]:
    """Endpoints by group, in order of each group's first."""
    found: dict[object, EndpointGroup] = {}
    for endpoint in endpoints:
        socket, server = endpoint.socket, endpoint.server
        default, context = socket.default, endpoint.context
        key = (
            default,
            socket.module,
            socket.quic,
            socket.http2,
            socket.explicit_default is None,
            server.tls_lines,
            context is server,
            context.key_types,
            server is default,
            server.fragment,
        )
        group = found.get(key)
        if group is None:
            group = found[key] = EndpointGroup(endpoint)
        group.endpoints.append(endpoint)
    return list(found.values())
