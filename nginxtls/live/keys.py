"""The keys of a TLS 1.3 handshake, by which a client reads the server's flight and ends it (RFC 8446 section 7)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Protocol

from nginxtls.live.offers import GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable

_HASHES = {0x1302: "sha384"}
_TAGS = {0x1305: 8}
"""The bytes that an AEAD adds, where these are not 16."""
_HELLO_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Cipher(Protocol):
    """An AEAD of ``cryptography``."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The plain text; raises InvalidTag."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The cipher text with its tag."""


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


class Schedule:
    """The key schedule of a handshake whose key exchange is done (RFC 8446 section 7.1)."""

    def __init__(self, suite: int, shared: bytes, transcript: Transcript) -> None:
        self._suite = suite
        self._name = _hash(suite)
        self._size = hashlib.new(self._name).digest_size
        early = hmac.digest(bytes(self._size), bytes(self._size), self._name)
        self._secret = hmac.digest(self._derived(early), shared, self._name)
        self._client = self._traffic(b"c hs traffic", transcript)
        self._server = self._traffic(b"s hs traffic", transcript)

    @property
    def protections(self) -> tuple[Protection, Protection]:
        """What protects the handshake's records: the client's and the server's."""
        return Protection(self._suite, self._client), Protection(self._suite, self._server)

    def finished(self, transcript: Transcript) -> bytes:
        """The client's Finished message after the messages so far (section 4.4.4)."""
        key = _expand(self._name, self._client, b"finished", b"", self._size)
        return b"\x14" + self._size.to_bytes(3, "big") + hmac.digest(key, self._digest(transcript), self._name)

    def application(self, transcript: Transcript) -> tuple[Protection, Protection]:
        """What protects all that follows, from the messages up to the server's Finished: the client's, the server's."""
        self._secret = hmac.digest(self._derived(self._secret), bytes(self._size), self._name)
        client, server = (self._traffic(label, transcript) for label in (b"c ap traffic", b"s ap traffic"))
        return Protection(self._suite, client), Protection(self._suite, server)

    def _derived(self, secret: bytes) -> bytes:
        return _expand(self._name, secret, b"derived", hashlib.new(self._name).digest(), self._size)

    def _traffic(self, label: bytes, transcript: Transcript) -> bytes:
        return _expand(self._name, self._secret, label, self._digest(transcript), self._size)

    def _digest(self, transcript: Transcript) -> bytes:
        return hashlib.new(self._name, transcript.messages).digest()


class Protection:
    """Protects the records of one side, each with the next number (section 5)."""

    def __init__(self, suite: int, secret: bytes) -> None:
        name = _hash(suite)
        self._cipher = _cipher(suite, lambda length: _expand(name, secret, b"key", b"", length))
        self._iv = int.from_bytes(_expand(name, secret, b"iv", b"", 12), "big")
        self._tag = _TAGS.get(suite, 16)
        self._number = 0

    def seal(self, kind: int, content: bytes) -> bytes:
        """An encrypted record with a content of a type."""
        header = b"\x17\x03\x03" + (len(content) + 1 + self._tag).to_bytes(2, "big")
        return header + self._cipher.encrypt(self._nonce(), content + bytes([kind]), header)

    def open(self, header: bytes, data: bytes) -> tuple[int, bytes]:
        """The type and the content of an encrypted record.

        Raises:
            ValueError: it is not one of this handshake.
        """
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher.decrypt(self._nonce(), data, header).rstrip(b"\0")
        except InvalidTag as error:
            raise ValueError("a record cannot be decrypted") from error
        if not plain:
            raise ValueError("an empty record")
        return plain[-1], plain[:-1]

    def _nonce(self) -> bytes:
        nonce = (self._iv ^ self._number).to_bytes(12, "big")
        self._number += 1
        return nonce


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
            return aead.AESCCM(key(16), _TAGS.get(suite, 16))
    raise ValueError(f"the suite {suite:#06x} was not offered")


def _expand(name: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label; no output here is longer than one block of the hash."""
    text = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(text)]) + text + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\x01", name)[:size]
