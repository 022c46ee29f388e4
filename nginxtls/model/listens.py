"""Listen directives: addresses, ports and parameters as nginx reads them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple, pattern
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from nginxtls.syntax.tree import Directive

WILDCARD4, WILDCARD6 = "0.0.0.0", "::"  # noqa: S104 - nginx's names of the wildcard addresses
MAX_PORTS = 4096
PARAMETERS_SINCE = {
    ("http", "quic"): (1, 25, 0),
    ("stream", "default"): (1, 25, 5),
    ("stream", "default_server"): (1, 25, 5),
}
"""The first nginx that accepts a parameter, by module; the others are older than every supported nginx (CHANGES)."""

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
        """Whether the line has ``quic``, or ``http3``, its name before 1.25.0, which no release accepts."""
        return "quic" in self.parameters or "http3" in self.parameters

    @property
    def datagram(self) -> bool:
        """Whether the socket is a UDP socket (``quic`` or ``udp``)."""
        return self.quic or "udp" in self.parameters

    @property
    def is_default(self) -> bool:
        """Whether the line has ``default_server`` or its old name ``default``."""
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


@bounded(8192, 1_000_000)
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
        # nginx resolves names when it starts; localhost is the one whose answer is known without a query.
        return "127.0.0.1" if host.lower() == "localhost" else host.lower()


def is_ip(address: str) -> bool:
    """The text is an IPv4 or IPv6 address, without brackets."""
    return (":" in address or address[-1:].isdigit()) and _is_ip(address)


@bounded(8192, 1_000_000)
def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


@bounded(8192, 1_000_000)
def is_loopback(address: str) -> bool:
    """Whether an address is a loopback address or a unix socket."""
    if address.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
