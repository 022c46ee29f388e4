"""The keys of a TLS 1.3 handshake, as far as a client needs them to read the server's flight (RFC 8446 section 7)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Protocol

from nginxtls.live.offers import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable

_HASHES = {0x1302: "sha384"}
_HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Cipher(Protocol):
    """An AEAD of ``cryptography``."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The plain text; raises InvalidTag."""


def is_retry(random: bytes) -> bool:
    """Whether the random of a ServerHello marks a HelloRetryRequest."""
    return random == _HELLO_RETRY


class KeyShare:
    """A fresh key of a group: its public half, and the secret shared with a peer's."""

    def __init__(self, group: int) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.group = group
        self._agree: Callable[[bytes], bytes]
        if group in (GROUPS["X25519"], GROUPS["X448"]):
            if group == GROUPS["X25519"]:
                short = x25519.X25519PrivateKey.generate()
                self.public = short.public_key().public_bytes_raw()
                self._agree = lambda peer: short.exchange(x25519.X25519PublicKey.from_public_bytes(peer))
            else:
                long = x448.X448PrivateKey.generate()
                self.public = long.public_key().public_bytes_raw()
                self._agree = lambda peer: long.exchange(x448.X448PublicKey.from_public_bytes(peer))
            return
        curves: dict[int, ec.EllipticCurve] = {23: ec.SECP256R1(), 24: ec.SECP384R1(), 25: ec.SECP521R1()}
        curve = curves[group]
        key = ec.generate_private_key(curve)
        self.public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self._agree = lambda peer: key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, peer))

    def shared(self, peer: bytes) -> bytes:
        """The shared secret.

        Raises:
            ValueError: the peer's key is not one of the group.
        """
        return self._agree(peer)


class Transcript:
    """The handshake messages so far."""

    def __init__(self) -> None:
        self.messages = b""

    def retry(self, suite: int) -> None:
        """After a HelloRetryRequest the first ClientHello counts as its hash (RFC 8446 section 4.4.1)."""
        digest = hashlib.new(_hash(suite), self.messages).digest()
        self.messages = b"\xfe\0\0" + bytes([len(digest)]) + digest

    def add(self, message: bytes) -> None:
        """Append a message with its header."""
        self.messages += message


class Opener:
    """Decrypts the server's handshake records."""

    def __init__(self, suite: int, shared: bytes, transcript: Transcript) -> None:
        name = _hash(suite)
        size = hashlib.new(name).digest_size
        early = hmac.digest(bytes(size), bytes(size), name)
        derived = _expand(name, early, b"derived", hashlib.new(name).digest(), size)
        handshake = hmac.digest(derived, shared, name)
        secret = _expand(name, handshake, b"s hs traffic", hashlib.new(name, transcript.messages).digest(), size)
        self._cipher = _cipher(suite, lambda length: _expand(name, secret, b"key", b"", length))
        self._iv = int.from_bytes(_expand(name, secret, b"iv", b"", 12), "big")
        self._number = 0

    def open(self, header: bytes, data: bytes) -> tuple[int, bytes]:
        """The type and the content of an encrypted record.

        Raises:
            ValueError: it is not one of this handshake.
        """
        from cryptography.exceptions import InvalidTag

        nonce = (self._iv ^ self._number).to_bytes(12, "big")
        self._number += 1
        try:
            plain = self._cipher.decrypt(nonce, data, header).rstrip(b"\0")
        except InvalidTag as error:
            raise ValueError("a record cannot be decrypted") from error
        if not plain:
            raise ValueError("an empty record")
        return plain[-1], plain[:-1]


def _hash(suite: int) -> str:
    return _HASHES.get(suite, "sha256")


def _cipher(suite: int, key: Callable[[int], bytes]) -> Cipher:
    from cryptography.hazmat.primitives.ciphers import aead

    match suite:
        case 0x1301 | 0x1302:
            return aead.AESGCM(key(16 if suite == 0x1301 else 32))
        case 0x1303:
            return aead.ChaCha20Poly1305(key(32))
        case 0x1304 | 0x1305:
            return aead.AESCCM(key(16), 16 if suite == 0x1304 else 8)
    raise ValueError(f"the suite {suite:#06x} was not offered")


def _expand(name: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label; no output here is longer than one block of the hash."""
    text = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(text)]) + text + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\x01", name)[:size]
