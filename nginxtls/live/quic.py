"""QUIC: one handshake by aioquic, an optional package, as TLS 1.3 in UDP needs packet protection and recovery."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from nginxtls.live.compare import Difference, differences
from nginxtls.live.flights import Flight
from nginxtls.live.offers import Offer
from nginxtls.live.visits import Seen

if TYPE_CHECKING:
    from nginxtls.live.connections import Gate, Target
    from nginxtls.model import Handshake

ALPN = "h3"
_DATAGRAM = 65_535
_MOST_DATAGRAMS = 500


def visit_quic(gate: Gate, target: Target, servername: str | None) -> Seen:
    """One handshake with HTTP/3's name in ALPN; its certificate and protocol."""
    flight = Flight(Offer("TLSv1.3", (), servername, alpn=(ALPN,)))
    seen = Seen({"TLSv1.3": flight})
    gate.wait()
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as stream:
            stream.connect((target.host, target.port))
            _shake(stream, flight, servername, time.monotonic() + gate.limits.timeout)
    except TimeoutError:
        seen.trouble = "does not answer"
    except OSError as error:
        seen.trouble = (
            "refuses connections" if isinstance(error, ConnectionRefusedError) else f"cannot be reached: {error}"
        )
    if flight.trouble:
        seen.trouble = flight.trouble
    return seen


def quic_differences(answer: Handshake, seen: Seen) -> list[Difference]:
    """What differs in a handshake of QUIC: whether it succeeds, and the certificate."""
    from datetime import datetime, timezone

    return differences(answer, seen, datetime.now(timezone.utc), full=False)


def _shake(stream: socket.socket, flight: Flight, servername: str | None, deadline: float) -> None:
    from aioquic.quic import events
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE)
    configuration.server_name = servername
    connection: Any = QuicConnection(configuration=configuration)
    peer = stream.getpeername()
    connection.connect(peer, now=time.monotonic())
    try:
        for _ in range(_MOST_DATAGRAMS):
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError("the deadline has passed")
            for data, _address in connection.datagrams_to_send(now=now):
                stream.send(data)
            wake = min(deadline, connection.get_timer() or deadline)
            stream.settimeout(max(0.001, wake - now))
            try:
                data = stream.recv(_DATAGRAM)
            except TimeoutError:
                connection.handle_timer(now=time.monotonic())
            else:
                _receive(connection, data, peer)
            while (event := connection.next_event()) is not None:
                if isinstance(event, events.HandshakeCompleted):
                    _take(connection, flight)
                    flight.alpn = event.alpn_protocol or ""
                    return
                if isinstance(event, events.ConnectionTerminated):
                    # RFC 9001 section 4.8: 0x100 and the number of the TLS alert.
                    if 0x100 <= event.error_code < 0x200:
                        flight.alert = event.error_code - 0x100
                    else:
                        flight.trouble = f"ends the connection ({event.reason_phrase[:80] or hex(event.error_code)})"
                    return
        flight.trouble = "sends data without end"
    finally:
        with contextlib.suppress(Exception):
            connection.close()
            for data, _address in connection.datagrams_to_send(now=time.monotonic()):
                stream.send(data)


def _receive(connection: Any, data: bytes, peer: object) -> None:
    """Give a datagram to the library, which is not written for every hostile peer."""
    try:
        connection.receive_datagram(data, peer, now=time.monotonic())
    except Exception as error:
        raise OSError(f"not QUIC ({type(error).__name__})") from error


def _take(connection: Any, flight: Flight) -> None:
    """The chain as sent, which aioquic keeps on its TLS context."""
    from cryptography.hazmat.primitives.serialization import Encoding

    tls = connection.tls
    found = [tls._peer_certificate, *(tls._peer_certificate_chain or ())]
    flight.certificates = [each.public_bytes(Encoding.DER) for each in found if each is not None]
    flight.version, flight.suite, flight.complete = "TLSv1.3", 0x1301, True
