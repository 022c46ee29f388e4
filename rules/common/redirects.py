"""Helpers for rules about redirects: where the requests of browsers to each server lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.names import valid_host
from nginxtls.model.request_variables import Request
from nginxtls.model.requests import follow, leads_to, selected, served_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nginxtls.model import Configuration, Socket, VirtualServer
    from nginxtls.model.requests import Answer, Path

MOST_NAMES = 16
"""Names of one server that are tried: those of a long list behave alike."""


def title(found: Answer) -> str:
    """The endpoint that answers, as findings name it."""
    return f"{found.server.title} on {found.socket.label}"


def hosts(server: VirtualServer, socket: Socket) -> Iterator[str]:
    """Host names with which browsers get a server on a socket: its names, of a wildcard one that it matches."""
    names = [name for name in server.names if name.is_host or name.form == "leading"]
    for name in names[:MOST_NAMES]:
        host = valid_host(f"any.{name.key}" if name.form == "leading" else name.key)
        if host and served_by(socket, host) is server:
            yield host
    if not names and socket.default is server and served_by(socket, "name.invalid") is server:
        yield "name.invalid"


def rewrites(server: VirtualServer) -> bool:
    """Whether a server has rewrite directives that answer."""
    return not server.mentions.isdisjoint(("return", "rewrite"))


def loops(configuration: Configuration) -> Iterator[Path]:
    """The redirects over TLS that lead back to themselves, from a request for ``/`` at every name."""
    return (path for path in _over_tls(configuration) if path.loop)


def likely_loops(configuration: Configuration) -> Iterator[tuple[Path, Socket]]:
    """Redirects over TLS to a name that no server has, but the default server's certificate: it redirects again.

    With the socket on which it answers. A wildcard in the certificate may be for other hosts.
    """
    for path in _over_tls(configuration):
        last = path.answers[-1] if path.answers and not path.loop else None
        following = leads_to(configuration, last) if last is not None and last.target else None
        if last is None or following is None or following[1].host == last.request.host:
            continue
        there, after = following
        if selected(there, after.host) is not there.default or there.names.find(after.host) is not None:
            continue
        leaves = [bundle.leaf for bundle in there.default.bundles if bundle.leaf is not None]
        named = any(after.host in leaf.host_names for leaf in leaves)
        if named and (again := follow(configuration, there, after)).loop:
            yield again, there


def _over_tls(configuration: Configuration) -> list[Path]:
    """Where a request for ``/`` over TLS at every name leads."""

    def work() -> list[Path]:
        found = (place for place in starts(configuration) if place[1].scheme == "https")
        return [follow(configuration, socket, request) for socket, request in found]

    return configuration.memo("redirects over TLS", work)


def starts(
    configuration: Configuration, path: str = "/", wanted: Callable[[VirtualServer], bool] = rewrites
) -> Iterator[tuple[Socket, Request]]:
    """A request for a path at every name of the wanted servers, on every TCP socket of http."""
    for server in filter(wanted, configuration.servers):
        for socket in server.sockets if server.module == "http" else ():
            if socket.datagram or socket.proxy_protocol or not socket.known or not socket.port:
                continue
            scheme = "https" if socket.speaks_tls else "http"
            for host in hosts(server, socket):
                yield socket, Request(scheme, host, socket.port, path)
