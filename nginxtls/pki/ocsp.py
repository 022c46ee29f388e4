"""OCSP responses in DER, as used by `ssl_stapling_file`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import new as new_hash
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.pki import der
from nginxtls.pki.damage import Problem
from nginxtls.pki.library import LibraryRefusal, guarded

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate

_ENUMERATED = 0x0A
# RFC 6960 section 4.2.1.
_ERRORS = {1: "malformed request", 2: "internal error", 3: "try later", 5: "signature required", 6: "unauthorized"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of one certificate in a response: good, revoked or unknown. ``next_update`` may be missing."""

    status: str
    this_update: datetime
    next_update: datetime | None
    revoked: datetime | None
    serial: int
    hash_name: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes

    def is_for(self, leaf: Certificate, issuer: Certificate | None) -> bool:
        """Whether it is for this certificate; if the issuer is None, its key is not compared."""
        if self.serial != leaf.serial or self._hash(leaf.issuer_der) != self.issuer_name_hash:
            return False
        return issuer is None or self._hash(issuer.public_key_bits) == self.issuer_key_hash

    def _hash(self, data: bytes) -> bytes:
        return new_hash(self.hash_name, data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Response:
    """``error`` is the error of the responder, if any; ``decoded`` is False if the answers could not be decoded."""

    answers: tuple[Answer, ...]
    error: str = ""
    decoded: bool = True


@bounded(256, 4_000_000)
def read_ocsp(data: bytes) -> Response | Problem:
    """Read a file for `ssl_stapling_file`; with a problem, nginx does not start. Never raises."""
    if not data.strip():
        return Problem("empty", "the file is empty")
    if b"-----BEGIN " in data:
        return Problem("pem", "the file is in PEM format, but nginx reads OCSP responses only in DER")
    try:
        tag, start, end = der.element(data)
        fields = list(der.elements(data[start:end]))
        if tag != der.SEQUENCE or [each for each, _ in fields] not in ([_ENUMERATED], [_ENUMERATED, 0xA0]):
            raise der.DerError("unexpected structure")
        status = der.integer(fields[0][1])
    except der.DerError as error:
        return Problem("not-ocsp", f"the file is not an OCSP response in DER ({error})")
    if status:
        return Response((), _ERRORS.get(status, f"error {status}"))
    # nginx ignores data after the response (measured).
    answers = _answers(data[:end])
    return Response(answers or (), decoded=answers is not None)


def _answers(data: bytes) -> tuple[Answer, ...] | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response

    names = {OCSPCertStatus.GOOD: "good", OCSPCertStatus.REVOKED: "revoked", OCSPCertStatus.UNKNOWN: "unknown"}

    def read() -> tuple[Answer, ...]:
        return tuple(
            Answer(
                names[each.certificate_status],
                each.this_update_utc,
                each.next_update_utc,
                each.revocation_time_utc,
                each.serial_number,
                each.hash_algorithm.name,
                each.issuer_name_hash,
                each.issuer_key_hash,
            )
            for each in load_der_ocsp_response(data).responses
        )

    try:
        return guarded(read)
    except (ValueError, TypeError, UnsupportedAlgorithm, LibraryRefusal):
        return None
