"""Listen directives and the sockets they make: addresses as nginx normalises them, options joined per address."""

from __future__ import annotations

import ipaddress
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from nginxtls.lazy import NamedTuple, once, pattern
from nginxtls.model.names import NameTable
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from nginxtls.model.servers import VirtualServer
    from nginxtls.syntax.tree import Directive

WILDCARD4, WILDCARD6 = "0.0.0.0", "::"  # noqa: S104 - nginx's names of the wildcard addresses
MAX_PORTS = 4096

_HOST_PORT = pattern(r"(?P<host>\[[^]]*\]|[^:]*)(?::(?P<port>[^:]*))?")


class Listen(NamedTuple):
    """A listen line of a server. ``directive`` is None for the ``*:80`` that nginx adds to a server without any."""

    directive: Directive | None
    address: str
    """An IP address in canonical form, ``unix:/path``, or a host name that only the machine can resolve."""
    ports: tuple[int, ...]
    parameters: tuple[str, ...]
    problem: str | None = None
    """Why nginx refuses the line, in nginx's words: ``invalid port`` …"""

    @property
    def known(self) -> bool:
        """Address and port are written out."""
        return bool(self.ports) and self.problem is None

    def has(self, name: str) -> bool:
        """The line has a parameter."""
        return name in self.parameters

    @property
    def quic(self) -> bool:
        return "quic" in self.parameters

    @property
    def datagram(self) -> bool:
        return "quic" in self.parameters or "udp" in self.parameters

    @property
    def is_default(self) -> bool:
        return "default_server" in self.parameters or "default" in self.parameters

    @property
    def ipv6only(self) -> bool:
        """``on`` is the default since 1.3.4."""
        return "ipv6only=off" not in self.parameters

    def argument(self, parameter: str) -> int | None:
        """The index of a parameter among the directive's arguments."""
        if self.directive is None:
            return None
        return next((i for i, arg in enumerate(self.directive.args) if arg == parameter), None)


def read_listen(directive: Directive, default_port: int | None) -> Listen:
    """Read a listen directive. ``default_port`` is 80 for http; stream and mail have none (a port is required)."""
    return Listen(directive, *_read(directive.args, default_port))


@lru_cache(maxsize=4096)
def _read(args: tuple[str, ...], default_port: int | None) -> tuple[str, tuple[int, ...], tuple[str, ...], str | None]:
    """What the arguments of a listen directive say, worked out once for all lines that are alike."""
    if not args:
        return "", (), (), "invalid number of arguments"
    text, *parameters = args
    if UNKNOWN in text or "$" in text:
        return text, (), tuple(parameters), None
    address, ports, problem = _place(text, default_port)
    return address, ports, tuple(parameters), problem


def _place(text: str, default_port: int | None) -> tuple[str, tuple[int, ...], str | None]:
    """Address, ports, and why nginx refuses them."""
    if text.startswith("unix:"):
        return text, (0,), None
    host, port = _split(text)
    ports = (default_port,) if port is None and default_port else _ports(port or "")
    if not ports:
        return host, (), "no port" if port is None else "invalid port"
    return _address(host), ports, None


def _split(text: str) -> tuple[str, str | None]:
    if re.fullmatch(r"\d+(-\d+)?", text):
        return "*", text
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        return text, None
    return found["host"], found["port"]


def _ports(text: str) -> tuple[int, ...]:
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if not found:
        return ()
    first, last = int(found[1]), int(found[2] or found[1])
    if not 0 < first <= last <= 65535:
        return ()
    return tuple(range(first, min(last, first + MAX_PORTS) + 1))


def _address(host: str) -> str:
    if host in ("", "*"):
        return WILDCARD4
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        # nginx resolves names when it starts; localhost is the one whose answer can be told without asking.
        return "127.0.0.1" if host.lower() == "localhost" else host.lower()


class Socket:
    """An address:port with the servers that listen there, in configuration order."""

    def __init__(self, kind: str, address: str, port: int, datagram: bool = False) -> None:
        self.kind = kind
        self.address = address
        self.port = port
        self.datagram = datagram
        self.servers: list[VirtualServer] = []
        self.listens: list[tuple[VirtualServer, Listen]] = []
        self.explicit_default: VirtualServer | None = None
        self.tls = False
        self.http2 = False
        self.proxy_protocol = False
        self.ipv6only = True
        self.known = True
        """No template text stands in its listen lines."""
        self._joined: set[tuple[str, ...]] = set()

    @property
    def quic(self) -> bool:
        return self.kind == "http" and self.datagram

    @property
    def default(self) -> VirtualServer:
        """The server that answers where no name fits: ``default_server``, else the first."""
        return self.explicit_default or self.servers[0]

    @once
    def speaks_tls(self) -> bool:
        """By ``ssl`` or ``quic`` on a line, or by the default server's ``ssl on`` (measured on 1.22.1) or starttls."""
        return self.tls or self.default.ssl_on or self.default.starttls

    @once
    def names(self) -> NameTable:
        return NameTable(self.servers)

    @property
    def label(self) -> str:
        """``*:443``, ``127.0.0.1:443``, ``[::]:443``, ``unix:/run/x``; ``*:443/udp`` for QUIC."""
        if self.address.startswith("unix:"):
            return self.address
        if UNKNOWN in self.address:
            return self.address.replace(UNKNOWN, "…")
        host = "*" if self.address == WILDCARD4 else f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}{'/udp' if self.datagram else ''}"

    @property
    def is_loopback(self) -> bool:
        """Only this very machine can connect."""
        return _is_loopback(self.address)

    def add(self, server: VirtualServer, listen: Listen) -> None:
        """Join a listen line to this socket: options of one address and port are OR-ed over all lines (measured)."""
        if not self.servers or self.servers[-1] is not server:  # servers come one after the other
            self.servers.append(server)
        self.listens.append((server, listen))
        if listen.parameters in self._joined:
            return
        self._joined.add(listen.parameters)
        self.known = self.known and not any(UNKNOWN in parameter for parameter in listen.parameters)
        if listen.is_default and self.explicit_default is None:
            self.explicit_default = server
        self.tls = self.tls or listen.has("ssl") or listen.quic
        self.http2 = self.http2 or listen.has("http2")
        self.proxy_protocol = self.proxy_protocol or listen.has("proxy_protocol")
        self.ipv6only = self.ipv6only and listen.ipv6only


@cache
def _is_loopback(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


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
                key = (listen.datagram, server.kind, listen.address, port)
                socket = sockets.get(key)
                if socket is None:
                    socket = sockets[key] = Socket(server.kind, listen.address, port, listen.datagram)
                socket.add(server, listen)
                if socket not in server.sockets:
                    server.sockets.append(socket)
    return list(sockets.values())


def _unplaced(server: VirtualServer, listen: Listen) -> Socket:
    port = listen.address.rpartition(":")[2]
    socket = Socket(server.kind, listen.address, int(port) if port.isdecimal() else 0, listen.datagram)
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
