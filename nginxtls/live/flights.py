"""The server's first flight: what it chooses and sends in reply to a ClientHello, read within bounds.

In TLS 1.3 a client that ends the handshake also sees the server's session tickets.

Nothing of a peer is trusted: what is too long, too late or not TLS ends the reading, and the flight says so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nginxtls.base.limits import LIMITS
from nginxtls.live import offers
from nginxtls.live.connections import Endless
from nginxtls.live.keys import KeyShare, Protection, Schedule, Transcript, is_retry
from nginxtls.live.offers import CLASSIC, GROUPS, VERSIONS, Offer

if TYPE_CHECKING:
    from nginxtls.live.connections import Connection

LONGEST_MESSAGE = LIMITS["handshake-message"]
"""No handshake message of a server is read that is longer, in bytes; OpenSSL's limit for certificates is 100 KiB."""
_GROUP_NAMES = {number: name for name, number in GROUPS.items()}
_VERSION_NAMES = {number: name for name, number in VERSIONS.items()}
_FFDHE = b"\xff\xff\xff\xff\xff\xff\xff\xff\xad\xf8\x54\x58"
"""How the primes of RFC 7919 begin."""
_NO_CERTIFICATE = b"\x0b\0\0\x04\0\0\0\0"
"""A Certificate message of a client that has none (RFC 8446 section 4.4.2)."""
_CLOSE = b"\x01\0"
"""The alert close_notify."""
_SESSION_ID = 32
"""The length of a ticket that is the number of a session which OpenSSL keeps (SSL_OP_NO_TICKET, in TLS 1.3)."""
ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure", 42: "bad_certificate",
    47: "illegal_parameter", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 109: "missing_extension",
    112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip


class NotTLS(Exception):
    """The peer sends something that is not a TLS handshake; the text says what."""


@dataclass(slots=True)
class Flight:
    """What the server answered. ``alert`` is the number of its fatal alert; ``trouble`` why there is no TLS answer."""

    offer: Offer
    alert: int | None = None
    trouble: str = ""
    version: str = ""
    suite: int = 0
    group: str = ""
    certificates: list[bytes] = field(default_factory=list)
    """The chain as sent, DER."""
    requests_certificate: bool = False
    authorities: list[bytes] = field(default_factory=list)
    """The names of CAs in the request for a client certificate, DER."""
    alpn: str = ""
    ticket: bool | None = None
    """A session ticket that the server encrypts, not a number of a session that it keeps; None if that is not known."""
    staple: bytes = b""
    """The stapled OCSP response, DER."""
    complete: bool = False
    """The whole flight was read."""

    @property
    def accepted(self) -> bool:
        """The server accepts the offer, in the version offered: before TLS 1.3 an older one is an answer, too."""
        return bool(self.suite) and self.alert is None and not self.trouble and self.version == self.offer.version

    @property
    def suite_name(self) -> str:
        """The suite chosen, by OpenSSL's name."""
        suite = offers.by_number().get(self.suite)
        return suite.name if suite else f"{self.suite:#06x}"

    @property
    def refusal(self) -> str:
        """Why the offer is not accepted: the alert's name, or the trouble."""
        if self.alert is not None:
            return ALERTS.get(self.alert, f"alert {self.alert}")
        return self.trouble or f"{self.version} instead"


def ask(connection: Connection, offer: Offer) -> Flight:
    """Send a ClientHello on an open connection and read the flight that answers it. No peer makes it raise."""
    flight = Flight(offer)
    try:
        _Client(connection, offer, flight).run()
    except NotTLS as trouble:
        flight.trouble = str(trouble)
    except Endless:
        flight.trouble = "sends data without end"
    except (ValueError, IndexError, struct.error):
        flight.trouble = "sends a damaged handshake"
    except TimeoutError:
        flight.trouble = "does not answer"
    except OSError as error:
        flight.trouble = f"closes the connection ({error.strerror or type(error).__name__})"
    return flight


class _Client:
    """One handshake, as far as the server's first flight."""

    def __init__(self, connection: Connection, offer: Offer, flight: Flight) -> None:
        self.connection = connection
        self.offer = offer
        self.flight = flight
        self.transcript = Transcript()
        self.random, self.session = offers.fresh()
        self.shares: dict[int, KeyShare] = {}
        self.schedule: Schedule | None = None
        self.opener: Protection | None = None
        self.buffer = b""
        self.retried = False

    def run(self) -> None:
        if self.offer.version == "TLSv1.3" and self.offer.readable:
            first = next((group for group in self.offer.groups if _GROUP_NAMES[group] in CLASSIC), None)
            if first is not None:
                self.shares[first] = KeyShare(first)
        self._send()
        while not self.flight.complete and self.flight.alert is None:
            record = self._record()
            if record is None:
                if not self.flight.trouble:
                    self.flight.trouble = "closes the connection"
                return
            self._take(*record)
        if self.flight.complete and self.offer.finish and self.schedule is not None:
            self.flight.ticket = self._ticket(self.schedule)

    def _ticket(self, schedule: Schedule) -> bool | None:
        """End the handshake and the connection; whether the server sends a ticket before it closes the connection."""
        sealing, _ = schedule.protections
        closing, self.opener = schedule.application(self.transcript)
        messages = b""
        if self.flight.requests_certificate:
            messages = _NO_CERTIFICATE
            self.transcript.add(messages)
        messages += schedule.finished(self.transcript)
        self.buffer = b""
        try:
            self.connection.send(sealing.seal(22, messages) + closing.seal(21, _CLOSE))
            while (record := self._record()) is not None:
                kind, data = record
                if kind == 21:
                    return False if data == _CLOSE else None
                self.buffer += data if kind == 22 else b""
                if len(self.buffer) >= 4 and len(self.buffer) >= 4 + int.from_bytes(self.buffer[1:4], "big"):
                    body = self.buffer[4:]
                    return self.buffer[0] == 4 and len(_vector(_vector(body, 8, 1)[1], 0, 2)[0]) != _SESSION_ID
        except (NotTLS, ValueError, OSError):
            return None
        return False

    def _send(self, cookie: bytes = b"") -> None:
        publics = {group: share.public for group, share in self.shares.items()}
        message = offers.client_hello(self.offer, publics, self.random, self.session, cookie)
        self.transcript.add(message)
        self.connection.send(offers.record(message))

    def _record(self) -> tuple[int, bytes] | None:
        header = self.connection.receive(5)
        if header is None:
            return None
        kind, major, size = header[0], header[1], int.from_bytes(header[3:5], "big")
        if kind not in (20, 21, 22, 23) or major != 3 or size > 2**14 + 2048:
            raise NotTLS("answers in plain HTTP" if header.startswith(b"HTTP/") else "does not speak TLS")
        data = self.connection.receive(size)
        if data is None:
            return None
        if kind == 23 and self.opener is not None:
            return self.opener.open(header, data)
        return kind, data

    def _take(self, kind: int, data: bytes) -> None:
        if kind == 21:
            # Alerts of a warning level (unrecognized_name of other servers) do not end a handshake before TLS 1.3.
            if len(data) != 2:
                raise NotTLS("does not speak TLS")
            if data[0] == 2 or self.offer.version == "TLSv1.3" or data[1] == 0:
                self.flight.alert = data[1]
        elif kind == 22:
            self.buffer += data
            while len(self.buffer) >= 4 and not self.flight.complete:
                size = int.from_bytes(self.buffer[1:4], "big")
                if size > LONGEST_MESSAGE:
                    raise NotTLS("sends a handshake message without end")
                if len(self.buffer) < 4 + size:
                    return
                message, self.buffer = self.buffer[: 4 + size], self.buffer[4 + size :]
                self._message(message[0], message[4:], message)
        elif kind == 23:
            raise NotTLS("does not speak TLS")

    def _message(self, kind: int, body: bytes, whole: bytes) -> None:
        flight = self.flight
        self.transcript.add(whole)
        modern = flight.version == "TLSv1.3"
        match kind:
            case 2:
                self._server_hello(body, whole)
            case 8:
                self._extensions(_vector(body, 0, 2)[0])
            case 11:
                self._certificates(body[1 + body[0] :] if modern else body)
            case 12:
                flight.group = _exchange_group(body)
            case 13:
                self._request(body)
            case 14:
                flight.complete = True
            case 20:
                flight.complete = modern
            case 22 if body[:1] == b"\x01":
                flight.staple = _vector(body, 1, 3)[0]
            case 0 | 15 | 22:
                pass
            case _:
                raise NotTLS("does not speak TLS")

    def _server_hello(self, body: bytes, whole: bytes) -> None:
        flight = self.flight
        number = int.from_bytes(body[:2], "big")
        retry = is_retry(body[2:34])
        _, rest = _vector(body, 34, 1)
        suite = int.from_bytes(rest[:2], "big")
        share = cookie = b""
        for kind, data in _pairs(_vector(rest, 3, 2)[0]) if len(rest) > 3 else ():
            if kind == 43:
                number = int.from_bytes(data, "big")
            elif kind == 51:
                flight.group = _GROUP_NAMES.get(int.from_bytes(data[:2], "big"), data[:2].hex())
                share = data[4:]
            elif kind == 44:
                cookie = _vector(data, 0, 2)[0]
            else:
                self._extension(kind, data)
        flight.version = _VERSION_NAMES.get(number, f"{number:#06x}")
        if suite not in self.offer.suites:
            raise NotTLS("does not speak TLS")
        flight.suite = suite
        if flight.version != self.offer.version:
            flight.complete = True
        if flight.version != "TLSv1.3":
            flight.ticket = bool(flight.ticket)
            return
        if not self.offer.readable:
            flight.complete = True
        elif retry:
            group = GROUPS.get(flight.group)
            if self.retried or group is None or flight.group not in CLASSIC:
                raise NotTLS("does not speak TLS")
            self.retried = True
            self.transcript.messages = self.transcript.messages[: -len(whole)]
            self.transcript.retry(suite)
            self.transcript.add(whole)
            self.shares = {group: KeyShare(group)}
            self._send(cookie)
        else:
            mine = self.shares[GROUPS[flight.group]]
            self.schedule = Schedule(suite, mine.shared(share), self.transcript)
            _, self.opener = self.schedule.protections

    def _extensions(self, data: bytes) -> None:
        for kind, value in _pairs(data):
            self._extension(kind, value)

    def _extension(self, kind: int, data: bytes) -> None:
        if kind == 16:
            self.flight.alpn = _vector(_vector(data, 0, 2)[0], 0, 1)[0].decode("latin-1")
        elif kind == 35:
            self.flight.ticket = True

    def _certificates(self, body: bytes) -> None:
        rest = _vector(body, 0, 3)[0]
        while rest:
            der, rest = _vector(rest, 0, 3)
            self.flight.certificates.append(der)
            if self.flight.version == "TLSv1.3":
                extensions, rest = _vector(rest, 0, 2)
                for kind, data in _pairs(extensions):
                    if kind == 5 and data[:1] == b"\x01" and len(self.flight.certificates) == 1:
                        self.flight.staple = _vector(data, 1, 3)[0]

    def _request(self, body: bytes) -> None:
        flight = self.flight
        flight.requests_certificate = True
        if flight.version == "TLSv1.3":
            names = b""
            for kind, data in _pairs(_vector(body, 1 + body[0], 2)[0]):
                if kind == 47:
                    names = _vector(data, 0, 2)[0]
        else:
            rest = body[1 + body[0] :]
            if flight.version == "TLSv1.2":
                rest = _vector(rest, 0, 2)[1]
            names = _vector(rest, 0, 2)[0]
        while names:
            name, names = _vector(names, 0, 2)
            flight.authorities.append(name)


def _vector(data: bytes, start: int, width: int) -> tuple[bytes, bytes]:
    """A vector with its length in front, and what follows it.

    Raises:
        ValueError: it is longer than what is there.
    """
    begin = start + width
    end = begin + int.from_bytes(data[start:begin], "big")
    if begin > len(data) or end > len(data):
        raise ValueError("a vector is cut")
    return data[begin:end], data[end:]


def _pairs(data: bytes) -> list[tuple[int, bytes]]:
    """Extensions by number."""
    found = []
    while data:
        kind = int.from_bytes(data[:2], "big")
        value, data = _vector(data, 2, 2)
        found.append((kind, value))
    return found


def _exchange_group(body: bytes) -> str:
    """The group of a ServerKeyExchange: a named curve, a finite field of RFC 7919, or the server's own (empty)."""
    if body[:1] == b"\x03":
        number = int.from_bytes(body[1:3], "big")
        return _GROUP_NAMES.get(number, str(number))
    size = int.from_bytes(body[:2], "big")
    return f"ffdhe{size * 8}" if body[2:14] == _FFDHE else ""
