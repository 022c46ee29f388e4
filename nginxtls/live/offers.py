"""ClientHello messages: what a client offers, chosen freely, as no library lets a caller do.

A server with several keys shows another certificate for other signature algorithms, and an old protocol version or a
group only to a client that offers it. Python's ssl and pyOpenSSL have no such choice.
"""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import TYPE_CHECKING

from nginxtls.base.lazy import NamedTuple
from nginxtls.tls import suites as all_suites

if TYPE_CHECKING:
    from nginxtls.tls import Suite

VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
GROUPS = {
    "X25519": 29, "prime256v1": 23, "secp384r1": 24, "secp521r1": 25, "X448": 30,
    "ffdhe2048": 256, "ffdhe3072": 257, "ffdhe4096": 258, "ffdhe6144": 259, "ffdhe8192": 260,
    "X25519MLKEM768": 4588, "SecP256r1MLKEM768": 4587, "SecP384r1MLKEM1024": 4589,
}  # fmt: skip
"""Numbers of IANA's tls-parameters-8, by the name that ``handshake`` shows."""
CLASSIC = ("X25519", "prime256v1", "secp384r1", "secp521r1", "X448")
"""The groups in which a key exchange is computed here, so that the rest of a TLS 1.3 flight can be read."""
SIGNATURES = {
    "EC": (0x0403, 0x0503, 0x0603, 0x081A, 0x081B, 0x081C, 0x0303, 0x0203),
    "Ed25519": (0x0807,),
    "Ed448": (0x0808,),
    "RSA": (0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0301, 0x0201),
    "RSA-PSS": (0x0809, 0x080A, 0x080B),
}
"""Signature algorithms by the type of key that signs so (RFC 8446 section 4.2.3, RFC 8734; SHA-1 for old versions)."""
EVERY_SIGNATURE = tuple(number for numbers in SIGNATURES.values() for number in numbers)

MODERN = (
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA",
    "AES256-SHA",
)  # fmt: skip
"""The suites of a modern client: Chrome 120 and later, in its order."""
OLD = (
    "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA",
    "DHE-RSA-AES256-SHA", "DHE-RSA-AES128-SHA", "AES256-SHA256", "AES128-SHA256", "AES256-SHA", "AES128-SHA",
    "DES-CBC3-SHA",
)  # fmt: skip
"""The suites of an old client: Internet Explorer 11 and Safari 8, CBC only."""


@cache
def by_number() -> dict[int, Suite]:
    """All suites that OpenSSL has ever had, by number."""
    return {suite.number: suite for suite in all_suites()}


@cache
def numbers() -> dict[str, int]:
    """The numbers of suites, by OpenSSL's name."""
    return {suite.name: number for number, suite in by_number().items()}


@cache
def suites_of(version: str) -> tuple[Suite, ...]:
    """The suites that a client can offer in a version, those with ECDSA first, as clients do."""
    found = (suite for suite in by_number().values() if version in suite.protocols)
    return tuple(sorted(found, key=lambda suite: suite.authentication != "ECDSA"))


class Offer(NamedTuple):
    """What a client offers. ``groups`` and ``suites`` are numbers in order of preference."""

    version: str
    suites: tuple[int, ...]
    servername: str | None = None
    """None: no SNI is sent."""
    groups: tuple[int, ...] = tuple(GROUPS.values())
    signatures: tuple[int, ...] = EVERY_SIGNATURE
    alpn: tuple[str, ...] = ()
    readable: bool = True
    """In TLS 1.3, send key shares, so that the server's certificate can be read; else only suite and group."""
    finish: bool = False
    """In TLS 1.3, end the handshake, so that the server sends its session tickets."""


def client_hello(offer: Offer, shares: dict[int, bytes], random: bytes, session: bytes, cookie: bytes = b"") -> bytes:
    """The handshake message of an offer; ``shares`` are public keys by group, ``cookie`` is what a retry returns."""
    modern = offer.version == "TLSv1.3"
    extensions = b""
    if offer.servername is not None:
        extensions += _extension(0, _vector(b"\0" + _vector(offer.servername.encode("latin-1", "replace"))))
    extensions += _extension(5, b"\x01\0\0\0\0")  # a stapled OCSP response is welcome
    extensions += _extension(10, _vector(_shorts(offer.groups)))
    extensions += _extension(11, b"\x01\0")
    if offer.version in ("TLSv1.2", "TLSv1.3"):
        extensions += _extension(13, _vector(_shorts(offer.signatures)))
    if offer.alpn:
        extensions += _extension(16, _vector(b"".join(_vector(word.encode(), 1) for word in offer.alpn)))
    if not modern:
        extensions += _extension(35, b"")
    else:
        extensions += _extension(43, _vector(_shorts((VERSIONS[offer.version],)), 1))
        extensions += _extension(45, b"\x01\x01")
        if cookie:
            extensions += _extension(44, _vector(cookie))
        extensions += _extension(
            51, _vector(b"".join(_shorts((group,)) + _vector(key) for group, key in shares.items()))
        )
    suites = offer.suites if modern else (*offer.suites, 0x00FF)
    body = _shorts((min(VERSIONS[offer.version], 0x0303),)) + random + _vector(session, 1)
    body += _vector(_shorts(suites)) + b"\x01\0" + _vector(extensions)
    return b"\x01" + _vector(body, 3)


def record(message: bytes, kind: int = 22) -> bytes:
    """A record of the TLS record layer with a message."""
    return struct.pack("!BH", kind, 0x0301) + _vector(message)


def fresh() -> tuple[bytes, bytes]:
    """A client's random and its session id, which makes a TLS 1.3 handshake look like one of TLS 1.2."""
    return os.urandom(32), os.urandom(32)


def _extension(number: int, data: bytes) -> bytes:
    return struct.pack("!HH", number, len(data)) + data


def _vector(data: bytes, width: int = 2) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _shorts(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!{len(values)}H", *values)
