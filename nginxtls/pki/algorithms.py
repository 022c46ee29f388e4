"""Public keys and signature parameters of certificates: types, sizes, curves, hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.pki import der
from nginxtls.pki.oids import known, name_of

if TYPE_CHECKING:
    from nginxtls.tls import ServerKey

RSA, RSA_PSS, EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
DSA = {"1.2.840.10040.4.1", "1.2.840.10040.4.3"}
EDWARDS = {"1.3.101.112": ("Ed25519", 256), "1.3.101.113": ("Ed448", 456)}
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


@bounded(4096, 2_000_000)
def describe_public_key(info: bytes) -> ServerKey:
    """Type, size and curve of a SubjectPublicKeyInfo in DER; for other keys an algorithm's name or ``unknown``."""
    from nginxtls.tls import ServerKey

    try:
        (_, algorithm), (_, bits) = tuple(der.elements(der.contents(info, der.SEQUENCE)))[:2]
        parts = list(der.elements(algorithm))
        oid = der.oid(parts[0][1])
        if oid in {RSA, RSA_PSS}:
            modulus, _ = _rsa_numbers(bits)
            return ServerKey("RSA" if oid == RSA else "RSA-PSS", modulus.bit_length())
        if oid == EC:
            curve = der.oid(parts[1][1]) if parts[1][0] == der.OID else ""
            found = known("curve", curve)
            return ServerKey("EC", int(found[1]) if found else None, found[0] if found else curve or "explicit")
        if oid in EDWARDS:
            return ServerKey(*EDWARDS[oid])
        if oid in DSA:
            prime = next(der.elements(parts[1][1]), None) if len(parts) > 1 else None
            return ServerKey("DSA", der.integer(prime[1]).bit_length() if prime else None)
        if known("signature", oid):
            return ServerKey(name_of("signature", oid), None)
    except (ValueError, IndexError):
        pass
    return ServerKey("unknown", None)


def _rsa_numbers(bits: bytes) -> tuple[int, int]:
    numbers = [der.integer(value) for _, value in der.elements(der.contents(bits[1:], der.SEQUENCE))]
    return numbers[0], numbers[1]


def rsa_numbers(info: bytes) -> tuple[int, int] | None:
    """Modulus and exponent of an RSA SubjectPublicKeyInfo, or None for other keys."""
    try:
        (_, algorithm), (_, bits) = tuple(der.elements(der.contents(info, der.SEQUENCE)))[:2]
        _, start, end = der.element(algorithm)
        return _rsa_numbers(bits) if der.oid(algorithm[start:end]) in {RSA, RSA_PSS} else None
    except (ValueError, IndexError):
        return None


def pss_hash(parameters: bytes) -> str | None:
    """The hash of RSASSA-PSS parameters (RFC 4055 section 3.1); None if it is not known."""
    try:
        for tag, value in der.elements(der.contents(parameters, der.SEQUENCE)):
            if tag == 0xA0:
                _, start, end = der.element(value)
                _, start, end = der.element(value, start)
                return _HASHES.get(der.oid(value[start:end]))
    except der.DerError:
        return None
    return "sha1"
