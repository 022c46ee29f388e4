"""Where the listeners of a configuration are reached, and the names to request there."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from nginxtls.base.errors import UsageError
from nginxtls.base.lazy import NamedTuple
from nginxtls.live.connections import Target
from nginxtls.model.listens import WILDCARD4, WILDCARD6, is_ip
from nginxtls.model.names import valid_host
from nginxtls.model.sockets import connected
from nginxtls.syntax.places import Location, NotChecked
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nginxtls.model import Configuration, Socket

LOOPBACK = {WILDCARD4: ("127.0.0.1", "127.0.0.2", "127.1.1.1", "127.99.99.99"), WILDCARD6: ("::1",)}
"""Addresses by which a listener of all addresses is reached: one that no listener of its own has."""


class Host(NamedTuple):
    """A host to connect to in place of the configured addresses; ``port`` None: the port of each listener."""

    name: str
    port: int | None = None

    @property
    def text(self) -> str:
        """``web1.example.com:443``, as on the command line."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


def read_host(text: str, option: str = "--connect") -> Host:
    """The host of ``HOST``, ``HOST:PORT``, ``[::1]:443`` or ``unix:/path``.

    Raises:
        UsageError: it is none of these.
    """
    if text.startswith("unix:/"):
        return Host(text)
    name, colon, port = text.rpartition(":")
    if not colon or (text.count(":") > 1 and not text.startswith("[")) or text.endswith("]"):
        name, port = text, ""
    bare = name.removeprefix("[").removesuffix("]")
    good = bool(bare) and (is_ip(bare) or (valid_host(bare) is not None and "_" not in bare[:1] and bare[:1] != "-"))
    if not good or (port and not (port.isdecimal() and 0 < int(port) < 65536)) or (colon and name != text and not port):
        help = "use HOST or HOST:PORT, such as web1.example.com, 127.0.0.1:443 or [::1]:443"
        raise UsageError(f"{option} {text}", "is not a host", help)
    return Host(bare, int(port) if port else None)


def is_local(host: str) -> bool:
    """Whether an address is one of this machine: the kernel lets a socket be bound to it. Nothing is sent."""
    try:
        address = ipaddress.ip_address(host)
        if address.is_loopback:
            return True
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except (OSError, ValueError):
        return False
    return True


def configured(configuration: Configuration, not_checked: list[NotChecked]) -> Iterator[Target]:
    """The TLS listeners at the addresses of the configuration, as far as they are those of this machine."""
    for listener in tls_sockets(configuration):
        hosts = LOOPBACK.get(listener.address, (listener.address,))
        if UNKNOWN in listener.address or not listener.known:
            not_checked.append(_left(listener, "its address or parameters are set by a template"))
        elif listener.address.startswith("unix:"):
            yield Target(listener, listener.address, 0)
        elif not is_ip(listener.address):
            reason = "its address is a host name, which only nginx resolves: use `--connect`"
            not_checked.append(_left(listener, reason))
        elif not is_local(hosts[0]):
            not_checked.append(_left(listener, "it is not an address of this machine: use `--connect`"))
        elif host := next((each for each in hosts if _leads_to(configuration, each, listener)), None):
            yield Target(listener, host, listener.port)
        else:
            not_checked.append(_left(listener, "its loopback address is that of another listener: use `--connect`"))


def _leads_to(configuration: Configuration, host: str, listener: Socket) -> bool:
    """Whether a connection to an address reaches a listener."""
    return connected(configuration.sockets, host, listener.port, datagram=listener.datagram) is listener


def at_hosts(configuration: Configuration, hosts: Sequence[Host], not_checked: list[NotChecked]) -> Iterator[Target]:
    """The TLS listeners at hosts that the user names.

    Raises:
        UsageError: no TLS listener has the port.
    """
    listeners = tls_sockets(configuration)
    for host in hosts:
        if host.name.startswith("unix:"):
            found = [(each, 0) for each in listeners if each.address == host.name]
        else:
            ports = dict.fromkeys((each.port, each.datagram) for each in listeners if each.port)
            found = []
            for port, datagram in ports:
                if host.port in (None, port):
                    reached = _reached(listeners, host.name, port, datagram)
                    if reached is not None:
                        found.append((reached, port))
                    else:
                        some = next(each for each in listeners if (each.port, each.datagram) == (port, datagram))
                        reason = f"several listeners have port {port}, and none the address {host.name}"
                        not_checked.append(_left(some, reason))
        if not found and not not_checked:
            known = ", ".join(dict.fromkeys(each.label for each in listeners)) or "none"
            reason = "is not a TLS listener of the configuration"
            raise UsageError(f"--connect {host.text}", reason, f"listeners: {known}")
        local = is_ip(host.name) and is_local(host.name)
        for listener, port in found:
            yield Target(listener, host.name, port, local=local or host.name.startswith("unix:"))


def _reached(listeners: Sequence[Socket], host: str, port: int, datagram: bool) -> Socket | None:
    """The listener behind a port of a host: by its address, else the only one, else that of all addresses."""
    if is_ip(host) and (exact := connected(list(listeners), host, port, datagram=datagram)):
        return exact
    some = [each for each in listeners if (each.port, each.datagram) == (port, datagram)]
    wild = [each for each in some if each.address in LOOPBACK]
    return some[0] if len(some) == 1 else wild[0] if wild else None


def tls_sockets(configuration: Configuration) -> list[Socket]:
    """The sockets on which TLS is spoken, from the start or after STARTTLS."""
    return [each for each in configuration.sockets if each.speaks_tls]


def names_of(listener: Socket) -> Iterator[str | None]:
    """Each name that leads to a server of a listener (of a wildcard, one name that it matches), then no name."""
    yield from dict.fromkeys(_hosts(listener))
    yield None


def _hosts(listener: Socket) -> Iterator[str]:
    for server in listener.servers:
        for name in server.names:
            if name.form in ("exact", "suffix") and name.key != "_":
                host = name.key
            elif name.form == "leading":
                host = f"any.{name.key}"
            elif name.form == "trailing":
                host = f"{name.key}.any"
            else:
                continue
            if valid_host(host) == host and host.isascii():
                yield host


def patterns(listeners: Iterable[Socket]) -> Iterator[NotChecked]:
    """The server names that are regular expressions, for which no name to request is known."""
    names = [name for each in listeners for server in each.servers for name in server.names if name.form == "regex"]
    for name in {(name.directive, name.arg): name for name in names}.values():
        place = Location(name.directive.file, name.directive.span) if name.directive else None
        yield NotChecked(name.text, "no name that it matches is known: use `--servername`", place)


def left(subject: str, reason: str, listener: Socket) -> NotChecked:
    """Something on a listener that is not verified, and why."""
    line = next((listen.directive for _, listen in listener.listens if listen.directive), None)
    return NotChecked(subject, reason, Location(line.file, line.span) if line else None)


def _left(listener: Socket, reason: str) -> NotChecked:
    return left(f"the listener {listener.label}", reason, listener)
