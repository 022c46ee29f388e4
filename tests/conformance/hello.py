"""A TLS client that only says hello: it offers exactly what a test wants to offer and reads the server's first flight.

No key exchange is ever completed, so that a probe costs one round trip. In TLS 1.2 and older the whole flight is
readable (suite, certificates, group, client certificate request, ALPN, ticket); in TLS 1.3 the suite and the group are
(RFC 5246, RFC 8446, RFC 8422).
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
GROUPS = {
    "prime256v1": 23,
    "secp384r1": 24,
    "secp521r1": 25,
    "X25519": 29,
    "X448": 30,
    "ffdhe2048": 256,
    "ffdhe3072": 257,
    "ffdhe4096": 258,
    "ffdhe6144": 259,
    "ffdhe8192": 260,
    "X25519MLKEM768": 4588,
    "SecP256r1MLKEM768": 4587,
    "SecP384r1MLKEM1024": 4589,
}
GROUP_NAMES = {number: name for name, number in GROUPS.items()}
# ECDSA, RSA-PSS, EdDSA, RSA PKCS#1, and SHA-1 for old versions.
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B,
              0x081A, 0x081B, 0x081C, 0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201)  # fmt: skip
HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@dataclass
class Flight:
    """What the server said. ``alert`` is the alert's number, or -1 where it just closed; then the rest is empty."""

    alert: int | None = None
    version: str = ""
    suite: int = 0
    group: str = ""
    retry: bool = False
    certificates: list[bytes] = field(default_factory=list)
    asks_client: bool = False
    authorities: int = 0
    alpn: str = ""
    ticket: bool = False

    @property
    def accepted(self) -> bool:
        return self.alert is None


def extension(number: int, data: bytes) -> bytes:
    return struct.pack("!HH", number, len(data)) + data


def vector(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def client_hello(
    versions: list[str],
    suites: list[int],
    name: str | None,
    *,
    groups: Sequence[str | int] | None = None,
    alpn: list[str] | None = None,
    ticket: bool = False,
) -> bytes:
    """A ClientHello record. With TLS 1.3 no key share is sent, so that the server has to ask for a group."""
    legacy = min(max(VERSIONS[version] for version in versions), 0x0303)
    extensions = b""
    if name is not None:
        host = name.encode("latin-1")
        extensions += extension(0, vector(b"\0" + vector(host)))
    ids = [g if isinstance(g, int) else GROUPS[g] for g in (groups if groups is not None else list(GROUPS))]
    extensions += extension(10, vector(b"".join(struct.pack("!H", i) for i in ids)))
    extensions += extension(11, b"\x01\x00")
    if VERSIONS["TLSv1.2"] <= max(VERSIONS[v] for v in versions):
        extensions += extension(13, vector(b"".join(struct.pack("!H", s) for s in SIGNATURES)))
    if alpn:
        extensions += extension(16, vector(b"".join(vector(p.encode(), 1) for p in alpn)))
    if ticket:
        extensions += extension(35, b"")
    if "TLSv1.3" in versions:
        numbers = sorted((VERSIONS[version] for version in versions), reverse=True)
        extensions += extension(43, vector(b"".join(struct.pack("!H", n) for n in numbers), 1))
        extensions += extension(51, vector(b""))
        extensions += extension(45, b"\x01\x01")
    body = struct.pack("!H", legacy) + os.urandom(32)
    body += vector(os.urandom(32) if "TLSv1.3" in versions else b"", 1)
    body += vector(b"".join(struct.pack("!H", suite) for suite in [*suites, 0x00FF])) + b"\x01\x00" + vector(extensions)
    return b"\x16\x03\x01" + vector(b"\x01" + vector(body, 3))


CONNECTIONS = [0]
"""How many connections the clients of these tests have made."""
_LOCK = threading.Lock()


def count() -> None:
    """Count a connection."""
    with _LOCK:
        CONNECTIONS[0] += 1


STARTTLS = {
    "imap": ((b"a STARTTLS\r\n", b"a OK"),),
    "pop3": ((b"STLS\r\n", b"+OK"),),
    "smtp": ((b"EHLO client\r\n", b"250 "), (b"STARTTLS\r\n", b"220")),
}
"""What a mail client sends before TLS, and how the last line of the answer begins (RFC 2595, RFC 3207)."""


def ask(address: str, port: int, hello: bytes, timeout: float = 5.0, *, starttls: str = "") -> Flight:
    """Send a ClientHello and read until the server's flight ends; after STARTTLS of a mail protocol if one is named.

    A server that does not offer STARTTLS has closed the connection, as far as TLS is concerned.
    """
    flight = Flight()
    buffer = b""
    count()
    with socket.create_connection((address, port), timeout) as connection:
        if starttls and not _starts_tls(connection, starttls):
            flight.alert = -1
            return flight
        connection.sendall(hello)
        while True:
            record = _record(connection)
            if record is None:
                flight.alert = flight.alert if flight.suite or flight.alert else -1
                return flight
            kind, data = record
            if kind == 21:
                if data[0] == 2 or not flight.suite:
                    flight.alert = data[1]
                    return flight
                continue
            if kind != 22:
                return flight
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[1:4], "big"):
                size = int.from_bytes(buffer[1:4], "big")
                message, body, buffer = buffer[0], buffer[4 : 4 + size], buffer[4 + size :]
                if _read(flight, message, body):
                    return flight


def _starts_tls(connection: socket.socket, protocol: str) -> bool:
    with connection.makefile("rb") as lines:
        lines.readline()
        for command, answer in STARTTLS[protocol]:
            connection.sendall(command)
            line = lines.readline()
            while line[3:4] == b"-":
                line = lines.readline()
            if not line.startswith(answer):
                return False
    return True


def completes_tls13(address: str, port: int, name: str | None, *, starttls: str = "") -> bool:
    """Whether a TLS 1.3 handshake comes to its end: OpenSSL 1.1.1 looks at the key only after its first answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers("ALL:@SECLEVEL=0")
    count()
    with socket.create_connection((address, port), 5) as connection:
        if starttls and not _starts_tls(connection, starttls):
            return False
        try:
            context.wrap_socket(connection, server_hostname=name).close()
        except OSError:
            return False
    return True


def _record(connection: socket.socket) -> tuple[int, bytes] | None:
    head = _exactly(connection, 5)
    if head is None:
        return None
    data = _exactly(connection, int.from_bytes(head[3:5], "big"))
    return None if data is None else (head[0], data)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionError:
            return None
        if not more:
            return None
        data += more
    return data


def _read(flight: Flight, message: int, body: bytes) -> bool:
    """Take in a handshake message; true when the readable flight has ended."""
    if message == 2:
        return _server_hello(flight, body)
    if message == 11:
        rest = body[3:]
        while rest:
            size = int.from_bytes(rest[:3], "big")
            flight.certificates.append(rest[3 : 3 + size])
            rest = rest[3 + size :]
    elif message == 12 and body[10:14] == b"\xad\xf8\x54\x58":  # a finite field of RFC 7919
        flight.group = f"ffdhe{int.from_bytes(body[:2], 'big') * 8}"
    elif message == 12 and body[:1] == b"\x03":
        flight.group = GROUP_NAMES.get(int.from_bytes(body[1:3], "big"), str(int.from_bytes(body[1:3], "big")))
    elif message == 13:
        flight.asks_client = True
        rest = body[1 + body[0] :]
        if flight.version == "TLSv1.2":
            rest = rest[2 + int.from_bytes(rest[:2], "big") :]
        names = rest[2 : 2 + int.from_bytes(rest[:2], "big")]
        while names:
            flight.authorities += 1
            names = names[2 + int.from_bytes(names[:2], "big") :]
    return message == 14


def _server_hello(flight: Flight, body: bytes) -> bool:
    number = int.from_bytes(body[:2], "big")
    flight.retry = body[2:34] == HELLO_RETRY
    rest = body[35 + body[34] :]
    flight.suite = int.from_bytes(rest[:2], "big")
    extensions = rest[5:]
    while len(extensions) >= 4:
        kind, size = struct.unpack("!HH", extensions[:4])
        data, extensions = extensions[4 : 4 + size], extensions[4 + size :]
        if kind == 43:
            number = int.from_bytes(data, "big")
        elif kind == 51:
            flight.group = GROUP_NAMES.get(int.from_bytes(data[:2], "big"), data[:2].hex())
        elif kind == 16:
            flight.alpn = data[3:].decode("latin-1")
        elif kind == 35:
            flight.ticket = True
    flight.version = next((name for name, value in VERSIONS.items() if value == number), hex(number))
    return flight.version == "TLSv1.3"


def _grease(number: int) -> bool:
    """Whether a number is one of RFC 8701, which clients send so that servers learn to ignore unknown ones."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _numbers(data: bytes, width: int = 2) -> list[int]:
    found = [int.from_bytes(data[i : i + 2], "big") for i in range(width, len(data) - 1, 2)]
    return [number for number in found if not _grease(number)]


def read_client_hello(record: bytes) -> dict[str, Any]:
    """What a ClientHello offers, from its record (or an SSL 2 compatible one), or from the message alone.

    Numbers are IANA's, without those of RFC 8701. ValueError if it is not a ClientHello.
    """
    if record[:1] == b"\x80" and record[2:3] == b"\x01":
        size = int.from_bytes(record[5:7], "big")
        codes = record[11 : 11 + size]
        suites = [int.from_bytes(codes[i + 1 : i + 3], "big") for i in range(0, size, 3) if codes[i] == 0]
        return _offer(int.from_bytes(record[3:5], "big"), suites, {})
    message = b""
    rest = record
    while rest[:1] == b"\x16":
        size = int.from_bytes(rest[3:5], "big")
        message, rest = message + rest[5 : 5 + size], rest[5 + size :]
    message = message or record
    if message[:1] != b"\x01":
        raise ValueError("not a ClientHello")
    body = message[4 : 4 + int.from_bytes(message[1:4], "big")]
    version = int.from_bytes(body[:2], "big")
    rest = body[35 + body[34] :]
    size = int.from_bytes(rest[:2], "big")
    suites = _numbers(rest[: 2 + size])
    rest = rest[2 + size :]
    rest = rest[1 + rest[0] :][2:]
    extensions: dict[int, bytes] = {}
    while len(rest) >= 4:
        kind, size = struct.unpack("!HH", rest[:4])
        if not _grease(kind):
            extensions[kind] = rest[4 : 4 + size]
        rest = rest[4 + size :]
    return _offer(version, suites, extensions)


def _offer(version: int, suites: list[int], extensions: dict[int, bytes]) -> dict[str, Any]:
    names = {number: name for name, number in VERSIONS.items()}
    modern = _numbers(extensions[43], 1) if 43 in extensions else []
    shares, alpn = [], []
    rest = extensions.get(51, b"")[2:]
    while len(rest) >= 4:
        number, size = struct.unpack("!HH", rest[:4])
        shares += [] if _grease(number) else [number]
        rest = rest[4 + size :]
    rest = extensions.get(16, b"")[2:]
    while rest:
        word = rest[1 : 1 + rest[0]]
        alpn += [word.decode("latin-1")] if len(word) != 2 or not _grease(int.from_bytes(word, "big")) else []
        rest = rest[1 + rest[0] :]
    return {
        "highest": version,
        "protocols": [names[number] for number in sorted(modern) if number in names],
        "suites": [number for number in suites if number not in (0x00FF, 0x5600)],
        "groups": _numbers(extensions[10]) if 10 in extensions else None,
        "shares": shares,
        "signatures": _numbers(extensions[13]) if 13 in extensions else None,
        "certificate_signatures": _numbers(extensions[50]) if 50 in extensions else None,
        "alpn": alpn,
        "sni": 0 in extensions,
        "tickets": 35 in extensions,
        "psk_modes": list(extensions.get(45, b"")[1:]),
        "certificate_compression": _numbers(extensions[27], 1) if 27 in extensions else [],
        "stapling": 5 in extensions,
        "extended_master_secret": 23 in extensions,
        "ech": 0xFE0D in extensions,
    }
