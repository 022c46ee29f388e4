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
from nginxtls.model.clients import server_offer
from nginxtls.tls.agreement import Hello, agree

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
    start = time.monotonic()
    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as stream:
            stream.connect((target.host, target.port))
            _shake(stream, flight, servername, start + gate.limits.timeout)
    except TimeoutError:
        seen.trouble = "does not answer"
    except OSError as error:
        seen.trouble = (
            "refuses connections" if isinstance(error, ConnectionRefusedError) else f"cannot be reached: {error}"
        )
    seen.slow = int(time.monotonic() - start > gate.limits.timeout / 2)
    if flight.trouble:
        seen.trouble = flight.trouble
    return seen


def quic_differences(answer: Handshake, seen: Seen) -> list[Difference]:
    """What differs in a handshake of QUIC: whether it succeeds, and the certificate."""
    from datetime import datetime, timezone

    if not seen.versions and unfit(answer, hello_of(seen)):
        return []
    return differences(answer, seen, datetime.now(timezone.utc), full=False)


def unfit(answer: Handshake, hello: Hello) -> str:
    """Why a server that accepts some clients rejects one that offers this; empty if it does not."""
    tls = answer.effective
    if tls is None or not answer.accepts:
        return ""
    answers = (agree(server_offer(tls)._replace(keys=keys), hello) for keys in tls.possible_keys)
    return next((found.problem for found in answers if found.problem), "")


def hello_of(seen: Seen) -> Hello:
    """What aioquic has offered, with a key share of each group."""
    offer = seen.flights["TLSv1.3"].offer
    return Hello((offer.version,), offer.suites, offer.groups, offer.groups, offer.signatures, None, offer.alpn)


def _shake(stream: socket.socket, flight: Flight, servername: str | None, deadline: float) -> None:
    from aioquic.quic import events
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE)
    configuration.server_name = servername
    connection: Any = QuicConnection(configuration=configuration)
    peer = stream.getpeername()
    connection.connect(peer, now=time.monotonic())
    tls = connection.tls
    flight.offer = flight.offer._replace(
        suites=tuple(map(int, tls._cipher_suites)),
        groups=tuple(map(int, tls._supported_groups)),
        signatures=tuple(map(int, tls._signature_algorithms)),
    )
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
            # The event of the end comes only when no late datagram is expected any more, seconds later.
            if (end := connection._close_event) is not None:
                # RFC 9001 section 4.8: 0x100 and the number of the TLS alert.
                if 0x100 <= end.error_code < 0x200:
                    flight.alert = end.error_code - 0x100
                else:
                    flight.trouble = f"ends the connection ({end.reason_phrase[:80] or hex(end.error_code)})"
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
    flight.version, flight.suite, flight.complete = "TLSv1.3", int(tls.key_schedule.cipher_suite), True
    flight.requests_certificate = tls._certificate_request is not None
