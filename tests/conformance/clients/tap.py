"""A tap between a client and a server: it forwards bytes, and reads what a handshake shows to those who listen."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hello import Flight, read_client_hello
from hello import _read as read_message


@dataclass
class Connection:
    """What was said: the bytes of both sides, and the server's bytes up to the client's answer to its flight."""

    client: bytes = b""
    server: bytes = b""
    first: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def hello(self) -> dict[str, Any]:
        """The ClientHello (the first one, if there are two)."""
        found: dict[str, Any] = read_client_hello(self.client)
        return found

    def flight(self) -> Flight:
        """The server's answer as far as it is in the clear."""
        flight, buffer = Flight(), b""
        for kind, data in _records(self.server):
            if kind == 21 and not flight.version:
                flight.alert = data[1] if len(data) > 1 else -1
            if kind != 22:
                break
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[1:4], "big"):
                size = int.from_bytes(buffer[1:4], "big")
                message, body, buffer = buffer[0], buffer[4 : 4 + size], buffer[4 + size :]
                retried = flight.retry
                read_message(flight, message, body)
                flight.retry = flight.retry or retried
                if message == 14:
                    return flight
        return flight

    @property
    def sealed(self) -> int:
        """The bytes of the server's encrypted records before the client's next message: its flight of TLS 1.3."""
        total, hellos = 0, 0
        for side, data in self.first:
            if side == "client" and total:
                break
            if side == "server":
                total += sum(len(content) for kind, content in _records(data) if kind == 23)
                hellos += 1
        return total


def _records(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 5:
        kind, _, size = struct.unpack("!BHH", data[:5])
        found.append((kind, data[5 : 5 + size]))
        data = data[5 + size :]
    return found


class Tap:
    """Listens on a port of its own and passes connections on to ``upstream``; without one it closes them."""

    def __init__(self, upstream: int | None = None) -> None:
        self.upstream = upstream
        self.connections: list[Connection] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection()
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(client, connection), daemon=True).start()

    def _serve(self, client: socket.socket, connection: Connection) -> None:
        client.settimeout(10)
        if self.upstream is None:
            with contextlib.suppress(OSError), client:
                while not _complete(connection.client):
                    data = client.recv(65536)
                    if not data:
                        break
                    connection.client += data
            return
        with contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self.upstream), 10)
            other = threading.Thread(target=_pump, args=(server, client, connection, "server"), daemon=True)
            other.start()
            _pump(client, server, connection, "client")
            other.join(10)
            server.close()
        client.close()


def _complete(data: bytes) -> bool:
    if data[:1] == b"\x80":
        return len(data) >= 2 + int.from_bytes(data[:2], "big") % 0x8000
    message = b"".join(content for kind, content in _records(data) if kind == 22)
    return len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big")


def _pump(source: socket.socket, target: socket.socket, connection: Connection, side: str) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            setattr(connection, side, getattr(connection, side) + data)
            connection.first.append((side, data))
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
