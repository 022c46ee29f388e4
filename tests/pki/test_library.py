"""Keys that cost too much or break the library are not known, and cost nothing."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from nginxtls.pki import KeyProblem, PrivateKey, read_key
from nginxtls.pki.library import derivation_cost

PBES2 = bytes.fromhex("06092a864886f70d01050d")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
SCRYPT = bytes.fromhex("06092b06010401da47040b")
AES = bytes.fromhex("301d060960864801650304012a0410") + bytes(16)


def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    head = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + head + body


def integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encrypted(function: bytes, *numbers: int) -> bytes:
    """An encrypted key in DER whose key derivation has these parameters."""
    parameters = der(0x30, der(4, b"saltsalt"), *map(integer, numbers))
    scheme = der(0x30, PBES2, der(0x30, der(0x30, function, parameters), AES))
    return der(0x30, scheme, der(4, bytes(64)))


def pem(data: bytes, label: str = "ENCRYPTED PRIVATE KEY") -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n".encode()


@pytest.mark.parametrize(
    "key",
    [
        encrypted(PBKDF2, 2_000_000_000),
        encrypted(PBKDF2, 2**62),  # the library's core panics at it
        encrypted(PBKDF2, 0),
        encrypted(SCRYPT, 2**20, 1024, 1),
        encrypted(SCRYPT, 2**14, 8, 2**20),
        encrypted(SCRYPT, 2**62, 1, 1),
        encrypted(SCRYPT, 3),
    ],
)
def test_a_derivation_that_takes_too_long_is_not_computed(key: bytes) -> None:
    found = read_key(pem(key), (b"password",))
    assert isinstance(found, KeyProblem)
    assert found.kind == "unknown-key"
    assert "too long" in found.message


def test_many_passwords_count() -> None:
    key = pem(encrypted(PBKDF2, 100_000))
    tried = read_key(key, tuple(b"%d" % number for number in range(100)))
    assert isinstance(tried, KeyProblem)
    assert "too long" in tried.message


def test_what_openssl_and_the_library_write_is_within_the_limits() -> None:
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert isinstance(read_key(text, (b"wrong", b"secret")), PrivateKey)
    assert derivation_cost(encrypted(SCRYPT, 16384, 8, 1)) is not None


def test_the_primes_of_a_key_are_not_checked(certificates: Path) -> None:
    """16,384 bits take half a minute to check, and nginx does not."""
    n = (2**8191 + 1) * (2**8192 + 1)
    numbers = (0, n, 65537, 3, 2**8191 + 1, 2**8192 + 1, 3, 3, 3)
    found = read_key(pem(der(0x30, *map(integer, numbers)), "RSA PRIVATE KEY"))
    assert isinstance(found, (PrivateKey, KeyProblem))
