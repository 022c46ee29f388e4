"""Certificate revocation lists: issuer, validity and revoked certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nginxtls.base.bounded import bounded
from nginxtls.pki import der
from nginxtls.pki.certificate import Certificate
from nginxtls.pki.damage import Problem
from nginxtls.pki.names import Name, parse_name
from nginxtls.pki.pem import read_blocks
from nginxtls.pki.signatures import verify_signature


@dataclass(frozen=True, slots=True)
class RevocationList:
    """``next_update`` is None if the list has none; ``revoked`` are serial numbers; ``line`` is its first line."""

    issuer: Name
    this_update: datetime
    next_update: datetime | None
    revoked: frozenset[int]
    line: int
    algorithm: tuple[str, bytes]
    signature: bytes
    signed: bytes

    def __repr__(self) -> str:
        return f"<CRL of {self.issuer.short!r}>"

    @property
    def issuer_name(self) -> str:
        """The short name of the issuer."""
        return self.issuer.short

    def stale(self, at: datetime) -> bool:
        """Whether its next update has passed: OpenSSL then rejects all certificates of the CA (error 12)."""
        return self.next_update is not None and self.next_update < at

    def begins_later(self, at: datetime) -> bool:
        """Whether it is not valid yet: OpenSSL then rejects all certificates of the CA (error 11)."""
        return self.this_update > at

    def issued_by(self, ca: Certificate) -> bool | None:
        """Whether this CA issued it; None if its signature algorithm is not supported."""
        if ca.subject_dn.canonical != self.issuer.canonical:
            return False
        return verify_signature(*self.algorithm, self.signature, self.signed, ca.public_key_der)


@dataclass(frozen=True, slots=True)
class CRLs:
    """The lists of a file; ``problems`` are its invalid blocks, or why it contains no list."""

    lists: tuple[RevocationList, ...]
    problems: tuple[Problem, ...]
    #: The file contains certificates instead of lists.
    only_certificates: bool = False


@bounded(256, 8_000_000)
def read_crl(data: bytes) -> CRLs:
    """Read a file for `ssl_crl`. Never raises."""
    found, problems, certificates = [], [], False
    for block in read_blocks(data):
        if block.problem:
            problems.append(block.problem)
        elif block.label == "X509 CRL":
            try:
                found.append(_parse(block.data, block.line))
            except (der.DerError, IndexError, ValueError) as error:
                problems.append(Problem("not-a-crl", f"the CRL is damaged: {error}", block.line))
        certificates = certificates or block.label.endswith("CERTIFICATE")
    if found or problems:
        return CRLs(tuple(found), tuple(problems))
    return CRLs((), (_nothing(data),), certificates)


def _nothing(data: bytes) -> Problem:
    if not data.strip():
        return Problem("empty", "the file is empty")
    if data[:1] == b"\x30":
        return Problem(
            "der",
            "the file is in DER format, but nginx reads only PEM; convert it with "
            "`openssl crl -inform DER -in IN -out OUT`",
        )
    return Problem("not-pem", "the file contains no CRL")


def _parse(data: bytes, line: int) -> RevocationList:
    whole = der.contents(data, der.SEQUENCE)
    _, start, end = der.element(whole)
    (_, algorithm), (_, signature) = tuple(der.elements(whole[end:]))[:2]
    fields = list(_tagged(whole[start:end]))
    if fields[0][0] == der.INTEGER:
        fields.pop(0)
    issuer = parse_name(fields[1][2])
    this_update = der.time(fields[2][0], fields[2][1])
    rest = fields[3:]
    next_update = None
    if rest and rest[0][0] in {der.UTC_TIME, der.GENERALIZED_TIME}:
        tag, value, _ = rest.pop(0)
        next_update = der.time(tag, value)
    revoked = frozenset[int]()
    if rest and rest[0][0] == der.SEQUENCE:
        revoked = frozenset(der.integer(_first(entry)) for _, entry in der.elements(rest[0][1]))
    _, oid_start, oid_end = der.element(algorithm)
    named = (der.oid(algorithm[oid_start:oid_end]), algorithm[oid_end:])
    return RevocationList(issuer, this_update, next_update, revoked, line, named, signature[1:], whole[:end])


def _first(data: bytes) -> bytes:
    _, start, end = der.element(data)
    return data[start:end]


def _tagged(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Tag, contents and whole of each element."""
    found, at = [], 0
    while at < len(data):
        tag, start, end = der.element(data, at)
        found.append((tag, data[start:end], data[at:end]))
        at = end
    return found
