"""Public keys, private keys as nginx loads them, DH parameters. No key material leaves this module."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.pki import der
from nginxtls.pki.algorithms import DSA, EC, EDWARDS, RSA, RSA_PSS, describe_public_key, rsa_numbers
from nginxtls.pki.damage import why_unseen
from nginxtls.pki.library import MAX_ROUNDS, LibraryRefusal, derivation_cost, guarded
from nginxtls.pki.pem import Block, is_key, is_pkcs12, read_blocks, shown

if TYPE_CHECKING:
    from nginxtls.tls import ServerKey

_READ_HERE = frozenset({"", RSA, RSA_PSS, EC, *DSA, *EDWARDS})


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The properties of a private key, without the key material.

    ``public_key_sha256`` is the hash of its public key, equal to that of the matching certificate.
    """

    key: ServerKey
    public_key_sha256: str | None
    encrypted: bool = False
    line: int = 1


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why a key or DH parameters cannot be used.

    Kinds: empty, not-pem, der, pkcs12, no-key, certificate, encrypted, wrong-password, truncated, bad-base64, glued,
    blanks, escaped, indented, bom, unknown-key, damaged, not-a-group.
    """

    kind: str
    message: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class DHParameters:
    """The size of the prime in bits, and the name of a standard group."""

    bits: int
    known_group: str | None = None


@bounded(4096, 2_000_000)
def is_roca(info: bytes) -> bool:
    """Whether it is an RSA key of the Infineon library (CVE-2017-15361): a power of 65537 modulo each small prime."""
    numbers = rsa_numbers(info)
    return numbers is not None and all(numbers[0] % prime in powers for prime, powers in _roca_table())


@lru_cache(1)
def _roca_table() -> tuple[tuple[int, frozenset[int]], ...]:
    # Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, section 2; the primes that distinguish best.
    primes = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
    return tuple((prime, frozenset(pow(65537, power, prime) for power in range(prime))) for prime in primes)


@bounded(1024, 8_000_000)
def read_key(data: bytes, passwords: tuple[bytes, ...] = (), *, skips_bom: bool = True) -> PrivateKey | KeyProblem:
    """The first private key of a file, as nginx loads `ssl_certificate_key`; passwords are tried in order.

    ``skips_bom``: see ``read_blocks``.
    """
    if not data.strip():
        return KeyProblem("empty", "the file is empty")
    block = None
    labels = []
    for block in read_blocks(data, skips_bom=skips_bom):
        if block.problem:
            return KeyProblem(block.problem.kind, block.problem.message, block.problem.line)
        labels.append(block.label)
        if is_key(block.label):
            break
    else:
        if any("CERTIFICATE" in label for label in labels):
            return KeyProblem("certificate", "the file contains a certificate but no private key")
        if is_pkcs12(data):
            return KeyProblem(
                "pkcs12",
                "the file is in PKCS #12 format, but nginx reads only PEM; convert it with "
                "`openssl pkcs12 -in IN -nocerts -nodes -out OUT`",
            )
        if data[:1] == b"\x30":
            return KeyProblem(
                "der",
                "the file is in DER format, but nginx reads only PEM; convert it with "
                "`openssl pkey -inform DER -in IN -out OUT`",
            )
        if not labels and (unseen := why_unseen(data)):
            return KeyProblem(unseen.kind, f"the key is damaged: {unseen.message}", unseen.line)
        return KeyProblem("not-pem" if not labels else "no-key", "the file contains no private key")
    return _load(block, passwords)


def _load(block: Block, passwords: tuple[bytes, ...]) -> PrivateKey | KeyProblem:
    from cryptography.exceptions import UnsupportedAlgorithm

    encrypted = block.label == "ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in block.headers
    if encrypted and not passwords:
        return KeyProblem("encrypted", "the key is encrypted and no password is configured", block.line)
    if block.label == "ENCRYPTED PRIVATE KEY":
        cost = derivation_cost(block.data)
        if cost is None or cost * len(passwords) > MAX_ROUNDS:
            return KeyProblem("unknown-key", "deriving the key from its password takes too long", block.line)
    pem = _pem(block)
    restricted = _identifier(block) if _algorithm(block) == RSA_PSS else b""
    for password in passwords if encrypted else (None,):
        try:
            return guarded(partial(_read, pem, password, encrypted, block.line, restricted))
        except (UnsupportedAlgorithm, LibraryRefusal):
            return KeyProblem("unknown-key", "the type of the key is not known to nginxtls", block.line)
        except (ValueError, TypeError):
            continue
    if encrypted:
        return KeyProblem("wrong-password", "the key is encrypted and none of the passwords decrypts it", block.line)
    if _algorithm(block) not in _READ_HERE:
        # OpenSSL supports encodings of post-quantum keys that `cryptography` does not.
        return KeyProblem("unknown-key", "the type of the key is not known to nginxtls", block.line)
    return KeyProblem("damaged", f"the {shown(block.label)} cannot be decoded", block.line)


def _algorithm(block: Block) -> str:
    """The algorithm of a PKCS #8 key (RFC 5958), dotted; empty for other formats."""
    try:
        algorithm = _identifier(block)
        _, start, end = der.element(algorithm)
        return der.oid(algorithm[start:end])
    except ValueError:
        return ""


def _identifier(block: Block) -> bytes:
    """The contents of the AlgorithmIdentifier of a PKCS #8 key; empty for other formats."""
    (_, version), (tag, algorithm), *_ = der.elements(der.contents(block.data, der.SEQUENCE))
    return algorithm if version and tag == der.SEQUENCE else b""


def _pem(block: Block) -> bytes:
    label = block.label.encode("latin-1")
    headers = block.headers + b"\n\n" if block.headers else b""
    text = binascii.b2a_base64(block.data, newline=False)
    body = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b%b\n-----END %b-----\n" % (label, headers, body, label)


def _read(pem: bytes, password: bytes | None, encrypted: bool, line: int, restricted: bytes = b"") -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    # Neither nginx nor OpenSSL looks for the primes of an RSA key when it loads one, which can take half a minute.
    key = load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if restricted:
        # The library drops the restriction to RSASSA-PSS (RFC 4055), which is part of the certificate's key.
        (_, _), (_, bits) = der.elements(der.contents(info, der.SEQUENCE))
        info = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, restricted) + der.encode(3, bits))
    return PrivateKey(describe_public_key(info), sha256(info).hexdigest(), encrypted, line)


@bounded(256, 4_000_000)
def read_dhparam(data: bytes) -> DHParameters | KeyProblem:
    """The first DH parameters of a file, as nginx loads `ssl_dhparam`."""
    for block in read_blocks(data):
        if block.problem:
            return KeyProblem(block.problem.kind, block.problem.message, block.problem.line)
        if block.label not in {"DH PARAMETERS", "X9.42 DH PARAMETERS"}:
            continue
        try:
            numbers = [der.integer(value) for _, value in der.elements(der.contents(block.data, der.SEQUENCE))]
        except ValueError:
            return KeyProblem("not-a-group", "the DH parameters are damaged", block.line)
        if len(numbers) < 2 or numbers[0] <= 0:
            return KeyProblem("not-a-group", "the DH parameters are damaged", block.line)
        return DHParameters(numbers[0].bit_length(), _group(numbers[0]))
    return KeyProblem("empty" if not data.strip() else "not-pem", "the file contains no DH parameters")


_FFDHE = re.compile(r"\AF{16}ADF85458A2BB4A9AAFDC5620273D3CF1.*F{16}\Z")
_MODP = re.compile(r"\AF{16}C90FDAA22168C234C4C6628B80DC1CD1.*F{16}\Z")


def _group(prime: int) -> str | None:
    """The standard group of a prime, which contains digits of e (RFC 7919) or pi (RFC 2409, RFC 3526)."""
    digits, bits = f"{prime:X}", prime.bit_length()
    if _FFDHE.match(digits):
        return f"ffdhe{bits}"
    return f"modp_{bits}" if _MODP.match(digits) else None
