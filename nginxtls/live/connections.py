"""Connections within bounds: time, bytes, how many at once and how many a second; PROXY protocol and STARTTLS."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.base.limits import LIMITS
from nginxtls.model.effective import mail_protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model import Socket

MOST_BYTES = LIMITS["peer"]
"""What is read of one connection, in bytes."""
LONGEST_LINE = 4096


class Limits(NamedTuple):
    """The bounds of a run: seconds for a whole connection, connections at once, new connections a second."""

    timeout: float = 5.0
    jobs: int = 8
    rate: float = 500.0


class Target(NamedTuple):
    """Where the listener of a socket is reached. ``host`` is an address, a host name, or ``unix:`` with a path."""

    socket: Socket
    host: str
    port: int
    local: bool = True
    """It is an address of this machine, so that ``/proc`` has the process that listens."""

    @property
    def label(self) -> str:
        """The socket as the configuration has it; with the address, where another one was named."""
        if self.local:
            return self.socket.label
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.socket.label} ({host}:{self.port})"


class NoConnection(Exception):
    """No connection is established; the text says why."""


class Endless(ValueError):
    """A peer sends more than is read of any."""


class Connection:
    """An open connection with a deadline and a limit of bytes."""

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline
        self._buffer = b""
        self._left = MOST_BYTES

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: the connection is closed, or the deadline has passed.
        """
        self.stream.settimeout(self.remaining())
        self.stream.sendall(data)

    def receive(self, size: int) -> bytes | None:
        """Exactly ``size`` bytes; None if the peer closes before.

        Raises:
            OSError: the deadline has passed, or the peer resets the connection.
            Endless: the peer sends more than is read of any.
        """
        while len(self._buffer) < size:
            if not self._more():
                return None
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def line(self) -> str:
        """A line without its end; what comes before the peer closes.

        Raises:
            OSError, Endless: as ``receive``.
        """
        while b"\n" not in self._buffer and len(self._buffer) < LONGEST_LINE:
            if not self._more():
                break
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("latin-1").rstrip("\r")

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self.stream.close()

    def _more(self) -> bool:
        if self._left <= 0:
            raise Endless("the peer never ends")
        self.stream.settimeout(self.remaining())
        data = self.stream.recv(16384)
        self._left -= len(data)
        self._buffer += data
        return bool(data)

    def remaining(self) -> float:
        """The seconds until the deadline.

        Raises:
            TimeoutError: it has passed.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class Gate:
    """Lets connections through, no more a second than the rate."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.opened = 0
        self._next = 0.0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def connection(self, target: Target) -> Iterator[Connection]:
        """A connection on which TLS comes next: after the PROXY protocol's header and STARTTLS, if the socket has them.

        Raises:
            NoConnection: nothing answers, or it does not offer STARTTLS.
        """
        self.wait()
        deadline = time.monotonic() + self.limits.timeout
        try:
            stream = _connect(target, deadline)
        except TimeoutError as error:
            raise NoConnection("does not accept connections within the time limit") from error
        except OSError as error:
            raise NoConnection(_why(error)) from error
        connection = Connection(stream, deadline)
        try:
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _prepare(connection, target)
            yield connection
        finally:
            connection.close()

    def wait(self) -> None:
        """Wait until the rate allows another connection."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + 1 / self.limits.rate
            self.opened += 1
        if start > now:
            time.sleep(start - now)


def _connect(target: Target, deadline: float) -> socket.socket:
    """A stream to the first address of the target that accepts: a name may have any number of them."""
    places: list[tuple[int, Any]]
    if target.host.startswith("unix:"):
        places = [(socket.AF_UNIX, target.host.removeprefix("unix:").rstrip(":"))]
    else:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        places = [(family, address) for family, _, _, _, address in found]
    trouble: OSError = OSError("it has no address")
    for family, address in places:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            stream = socket.socket(family)
        except OSError as error:  # no IPv6 here
            trouble = error
            continue
        stream.settimeout(left)
        try:
            stream.connect(address)
        except OSError as error:
            stream.close()
            trouble = error
        except BaseException:
            stream.close()
            raise
        else:
            return stream
    raise trouble


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return "refuses connections"
    return f"cannot be reached: {error.strerror or error}"


def is_dead(trouble: str) -> bool:
    """Whether a trouble means that nobody accepts connections."""
    return trouble.startswith(("refuses", "cannot be reached", "does not accept"))


def _prepare(connection: Connection, target: Target) -> None:
    """What comes before TLS. RFC 3501, 2595 and 3207; the PROXY protocol's version 1, as nginx reads it."""
    try:
        if target.socket.proxy_protocol:
            connection.send(b"PROXY UNKNOWN\r\n")
        if target.socket.module == "mail" and not _from_the_start(target.socket):
            _start_tls(connection, mail_protocol(target.socket.default))
    except TimeoutError as error:
        raise NoConnection("does not answer") from error
    except Endless as error:
        raise NoConnection("sends text without end") from error
    except OSError as error:
        raise NoConnection(f"closes the connection ({error.strerror or error})") from error


def _from_the_start(socket: Socket) -> bool:
    return socket.tls or socket.default.ssl_on


def _start_tls(connection: Connection, protocol: str) -> None:
    match protocol:
        case "imap":
            _expect(connection.line(), "* OK", protocol)
            connection.send(b"a STARTTLS\r\n")
            _expect(connection.line(), "a OK", protocol)
        case "pop3":
            _expect(connection.line(), "+OK", protocol)
            connection.send(b"STLS\r\n")
            _expect(connection.line(), "+OK", protocol)
        case _:
            _smtp(connection, protocol)
            connection.send(b"EHLO nginxtls\r\n")
            _smtp(connection, protocol)
            connection.send(b"STARTTLS\r\n")
            _smtp(connection, protocol, "220")


def _smtp(connection: Connection, protocol: str, code: str = "2") -> None:
    for _ in range(100):
        line = connection.line()
        _expect(line, code, protocol)
        if line[3:4] != "-":
            return
    raise NoConnection("sends text without end")


def _expect(line: str, start: str, protocol: str) -> None:
    if not line.startswith(start):
        raise NoConnection(f"does not offer STARTTLS in {protocol}" if line else "closes the connection")
