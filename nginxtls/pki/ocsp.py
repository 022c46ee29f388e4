"""OCSP responses as `ssl_stapling_file` holds them: DER, about one or more certificates, with a time to live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import new as new_hash
from typing import TYPE_CHECKING

from nginxtls.pki import der
from nginxtls.pki.damage import Problem

if TYPE_CHECKING:
    from nginxtls.pki.certificate import Certificate

_ENUMERATED = 0x0A
# RFC 6960 section 4.2.1.
_ERRORS = {1: "malformed request", 2: "internal error", 3: "try later", 5: "signature required", 6: "unauthorized"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response says of one certificate: good, revoked or unknown. ``next_update`` may be missing."""

    status: str
    this_update: datetime
    next_update: datetime | None
    revoked: datetime | None
    serial: int
    hash_name: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes

    def is_for(self, leaf: Certificate, issuer: Certificate | None) -> bool:
        """It is about this certificate; without its issuer the issuer's key is taken for the right one."""
        if self.serial != leaf.serial or self._hash(leaf.issuer_der) != self.issuer_name_hash:
            return False
        return issuer is None or self._hash(issuer.public_key_bits) == self.issuer_key_hash

    def _hash(self, data: bytes) -> bytes:
        return new_hash(self.hash_name, data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Response:
    """``error`` is what the responder says in place of an answer; ``decoded`` tells whether answers could be read."""

    answers: tuple[Answer, ...]
    error: str = ""
    decoded: bool = True


@lru_cache(256)
def read_ocsp(data: bytes) -> Response | Problem:
    """Read a file for `ssl_stapling_file`; a problem is why nginx does not start with it. Never raises."""
    if not data.strip():
        return Problem("empty", "empty: there is no OCSP response in it")
    if b"-----BEGIN " in data:
        return Problem("pem", "PEM; nginx reads OCSP responses only in DER")
    try:
        tag, start, end = der.element(data)
        fields = list(der.elements(data[start:end]))
        if tag != der.SEQUENCE or [each for each, _ in fields] not in ([_ENUMERATED], [_ENUMERATED, 0xA0]):
            raise der.DerError("no OCSP response")
        status = der.integer(fields[0][1])
    except der.DerError as error:
        return Problem("not-ocsp", f"not an OCSP response in DER ({error})")
    if status:
        return Response((), _ERRORS.get(status, f"error {status}"))
    # nginx stops reading at the end of the response (measured); what follows does not matter.
    answers = _answers(data[:end])
    return Response(answers or (), decoded=answers is not None)


def _answers(data: bytes) -> tuple[Answer, ...] | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response

    names = {OCSPCertStatus.GOOD: "good", OCSPCertStatus.REVOKED: "revoked", OCSPCertStatus.UNKNOWN: "unknown"}
    try:
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
    except (ValueError, UnsupportedAlgorithm):
        return None
