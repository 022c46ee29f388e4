"""The one door to ``cryptography``: what it costs is bounded before, and whatever it raises becomes one exception.

Certificates, keys and responses of a scanned tree are hostile: the library's Rust core may panic, and a key file can
demand hours of key derivation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nginxtls.base.errors import is_fault
from nginxtls.base.limits import LIMITS
from nginxtls.pki import der

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_ROUNDS, MAX_SCRYPT_BYTES = LIMITS["passwords"], LIMITS["scrypt"]
"""Rounds of key derivation that are computed for a key, over all passwords (about two seconds), and memory for it."""

_PBES2, _PBKDF2, _SCRYPT = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"


class LibraryRefusal(Exception):
    """The library cannot read something, for a reason that is not distinguished from others."""


def guarded(work: Callable[[], T]) -> T:
    """The result of a call of the library.

    Raises:
        LibraryRefusal: it raised something other than an ordinary answer, a panic included.
        ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature: as the library raises them.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        return work()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        raise
    except BaseException as error:
        if is_fault(error):
            raise LibraryRefusal(type(error).__name__) from None
        raise


def derivation_cost(encrypted: bytes) -> int | None:
    """The rounds that decrypting a PKCS #8 key takes (RFC 8018, RFC 7914); None where it must not be tried.

    Args:
        encrypted: EncryptedPrivateKeyInfo in DER.
    """
    try:
        algorithm = next(der.elements(der.contents(encrypted, der.SEQUENCE)))[1]
        oid, parameters = _identifier(algorithm)
        if oid == _PBES2:
            function = next(der.elements(parameters))[1]
            oid, parameters = _identifier(function)
        numbers = [der.integer(value) for tag, value in der.elements(parameters) if tag == der.INTEGER]
        if not numbers or min(numbers) <= 0:
            return None
        if oid == _SCRYPT:
            n, r, p = numbers[:3]
            memory = 128 * r * (n + p)
            # A block of scrypt takes about as long as two rounds of PBKDF2 with SHA-256.
            return None if memory > MAX_SCRYPT_BYTES else 2 * n * r * p
        return numbers[0]
    except (ValueError, IndexError, StopIteration):
        return None


def _identifier(algorithm: bytes) -> tuple[str, bytes]:
    """The OID of an AlgorithmIdentifier's content, and the content of its parameters, which are a SEQUENCE."""
    (_, oid), (tag, parameters), *_ = der.elements(algorithm)
    if tag != der.SEQUENCE:
        raise der.DerError("parameters are not a SEQUENCE")
    return der.oid(oid), parameters
