"""Keys of the Infineon library (CVE-2017-15361), told by the modulus alone."""

from __future__ import annotations

import random
from math import gcd, prod
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nginxtls.pki import is_roca, read_bundle

# Published by those who found the fault: crocs-muni/roca, roca/tests/data: mod03.txt (vulnerable), mod04.txt (not).
VULNERABLE = int(
    "9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b0058c9ff2eb1fc89855"
    "029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a097c8929c14740245ea355f8332d1aa3"
    "6bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161"
    "e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacb"
    "c8ce4d3cb7a2fee1ef5641423a1cf4114e5ecf50034a60a412523af9e6f4aa11",
    16,
)
SOUND = int(
    "af659676197f1db06da7ac111a0a0ec175b8b7ef07192ffcd1f6b854c327785f1a7fd3db7da45cd4a31b2b2e5ce0d823a68e28c8adf17473"
    "16becce1fe5768064039ad2062260c8d1a34e0586dce9bc13090fcc9fb8b8b2c08ed3ae8d61b29818a669689a7d9c1dab053b557fb8d3f9c"
    "44faad3e18c55e739b00d3c9126558bc8e980cd2af377126ef5b1374136774b8bd370e3c1c149db395c8f99696b628b105946fea20106fe2"
    "4d103ac062661a9248e8c3f628e00b308d33953aabe555132e218e74ef4b578716b4fe7cf340e8e604a319bf6e9951e1942601d34291032d"
    "b54999d09e5d036dde3544ad35256bbb97d5e3fffd38166c21eae9199548853b",
    16,
)


def info(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def rsa_info(modulus: int) -> bytes:
    return info(rsa.RSAPublicNumbers(65537, modulus).public_key())


def is_prime(number: int) -> bool:
    return all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7))


def infineon_prime(bits: int, primes: int, draw: random.Random) -> int:
    """k * M + (65537^a mod M), M the product of the first primes (Nemec et al., CCS 2017, section 2)."""
    product = prod([each for each in range(2, 1000) if all(each % lower for lower in range(2, each))][:primes])
    while True:
        start = draw.randrange(3 << bits - 2, 1 << bits) // product
        prime = start * product + pow(65537, draw.randrange(1 << 60), product)
        if is_prime(prime):
            return prime


def test_the_published_moduli() -> None:
    assert is_roca(rsa_info(VULNERABLE))
    assert not is_roca(rsa_info(SOUND))


# The paper's table 1: how many primes make M for a key of that size.
@pytest.mark.parametrize(("bits", "primes"), [(1024, 71), (2048, 126)])
def test_keys_made_as_that_library_does(bits: int, primes: int) -> None:
    draw = random.Random(bits)
    first, second = (infineon_prime(bits // 2, primes, draw) for _ in range(2))
    assert gcd(first, second) == 1
    assert is_roca(rsa_info(first * second))
    # One sound prime is enough for another modulus.
    while not is_prime(other := draw.randrange(3 << bits // 2 - 2, 1 << bits // 2) | 1):
        pass
    assert not is_roca(rsa_info(first * other))


def test_sound_keys(certificates: Path) -> None:
    leaf = read_bundle((certificates / "good-rsa.pem").read_bytes(), "good-rsa.pem").certificates[0]
    assert leaf.key.kind == "RSA"
    assert not is_roca(leaf.public_key_der)


def test_other_keys_and_damage() -> None:
    assert not is_roca(info(ec.derive_private_key(7, ec.SECP256R1()).public_key()))
    assert not is_roca(b"")
    vulnerable = rsa_info(VULNERABLE)
    assert not any(is_roca(vulnerable[:length]) for length in range(0, len(vulnerable), 7))
