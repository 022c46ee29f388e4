"""The certificate extensions that affect verification, decoded separately so that an invalid one affects no other."""

from __future__ import annotations

from ipaddress import ip_address

from nginxtls.base.lazy import NamedTuple
from nginxtls.pki import der
from nginxtls.pki.names import Name, parse_name, shown
from nginxtls.pki.oids import name_of

SUBJECT_KEY_ID, KEY_USAGE, SAN, BASIC_CONSTRAINTS = "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19"
NAME_CONSTRAINTS, CRL_POINTS, POLICIES, AUTHORITY_KEY_ID = "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.35"
EXTENDED_KEY_USAGE, AUTHORITY_INFO = "2.5.29.37", "1.3.6.1.5.5.7.1.1"
TLS_FEATURE, SCT_LIST, POISON = "1.3.6.1.5.5.7.1.24", "1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.4.1.11129.2.4.3"

# What OpenSSL handles when it is critical (X509_supported_extension in v3_purp.c, 3.5).
HANDLED = frozenset(
    {
        *(KEY_USAGE, SAN, BASIC_CONSTRAINTS, NAME_CONSTRAINTS, CRL_POINTS, POLICIES, EXTENDED_KEY_USAGE),
        *("2.5.29.36", "2.5.29.33", "2.5.29.54", "2.16.840.1.113730.1.1"),
        *("1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8", "1.3.6.1.5.5.7.1.14", "1.3.6.1.5.5.7.48.1.5"),
    }
)
# OpenSSL rejects a certificate if one of these is invalid or duplicate (ossl_x509v3_cache_extensions).
DECISIVE = {
    BASIC_CONSTRAINTS: "basic constraints",
    KEY_USAGE: "key usage",
    EXTENDED_KEY_USAGE: "extended key usage",
    SUBJECT_KEY_ID: "subject key identifier",
    AUTHORITY_KEY_ID: "authority key identifier",
    SAN: "subject alternative name",
    NAME_CONSTRAINTS: "name constraints",
    CRL_POINTS: "CRL distribution points",
}
_USAGES = (
    *("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"),
    *("keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"),
)


class GeneralName(NamedTuple):
    """``kind`` is email, dns, directory, uri, ip, or the tag's number; ``value`` its text, ``raw`` its bytes."""

    kind: str
    value: str
    raw: bytes
    name: Name | None = None


class Constraints(NamedTuple):
    """Name constraints: the permitted and the excluded subtrees (RFC 5280 section 4.2.1.10)."""

    permitted: tuple[GeneralName, ...]
    excluded: tuple[GeneralName, ...]


class AuthorityKey(NamedTuple):
    """The authority key identifier: the key identifier, and optionally the issuer and serial number of the issuer."""

    key_id: bytes | None
    issuer: tuple[GeneralName, ...]
    serial: int | None


_TEXTS = {1: "email", 2: "dns", 6: "uri"}


def general_name(tag: int, value: bytes) -> GeneralName:
    """A GeneralName from its tag and contents (RFC 5280 section 4.2.1.6)."""
    number = tag & 0x1F
    if kind := _TEXTS.get(number):
        return GeneralName(kind, shown(value.decode("utf-8", "replace")), value)
    if number == 7:
        try:
            return GeneralName("ip", str(ip_address(value)), value)
        except ValueError:
            return GeneralName("ip", value.hex(), value)
    if number == 4:
        name = parse_name(value)
        return GeneralName("directory", name.text, value, name)
    return GeneralName(str(number), "", value)


def general_names(value: bytes) -> tuple[GeneralName, ...]:
    """The names in GeneralNames, such as a subject alternative name (RFC 5280 section 4.2.1.6)."""
    found = list(der.elements(der.contents(value, der.SEQUENCE)))
    names = tuple(general_name(tag, each) for tag, each in found)
    if any(tag & 0xC0 != 0x80 for tag, _ in found):
        raise der.DerError("unknown type of name")
    return names


def basic_constraints(value: bytes) -> tuple[bool, int | None]:
    """Whether it is a CA, and its path length."""
    is_ca, length = False, None
    for tag, each in der.elements(der.contents(value, der.SEQUENCE)):
        if tag == der.BOOLEAN:
            is_ca = any(each)
        elif tag == der.INTEGER:
            length = der.integer(each)
            if length < 0:
                raise der.DerError("negative path length")
        else:
            raise der.DerError("invalid basic constraints")
    return is_ca, length


def key_usage(value: bytes) -> frozenset[str]:
    """The usages in a KeyUsage (RFC 5280 section 4.2.1.3)."""
    found = der.bits(der.contents(value, der.BIT_STRING))
    return frozenset(name for bit, name in enumerate(_USAGES) if bit in found)


def extended_key_usage(value: bytes) -> tuple[str, ...]:
    """The names or OIDs of the purposes (RFC 5280 section 4.2.1.12)."""
    purposes = []
    for tag, each in der.elements(der.contents(value, der.SEQUENCE)):
        if tag != der.OID:
            raise der.DerError("purpose that is not an object identifier")
        purposes.append(name_of("purpose", der.oid(each)))
    return tuple(purposes)


def name_constraints(value: bytes) -> Constraints:
    """The permitted and excluded subtrees (RFC 5280 section 4.2.1.10)."""
    trees: dict[int, list[GeneralName]] = {0xA0: [], 0xA1: []}
    for tag, subtrees in der.elements(der.contents(value, der.SEQUENCE)):
        if tag not in trees:
            raise der.DerError("invalid name constraints")
        for _, subtree in der.elements(subtrees):
            base, start, end = der.element(subtree)
            trees[tag].append(_subtree(base, subtree[start:end]))
    return Constraints(tuple(trees[0xA0]), tuple(trees[0xA1]))


def _subtree(tag: int, value: bytes) -> GeneralName:
    # An address and its mask; see `constraints.py`.
    return GeneralName("ip", value.hex(), value) if tag & 0x1F == 7 else general_name(tag, value)


def authority_key(value: bytes) -> AuthorityKey:
    """The authority key identifier (RFC 5280 section 4.2.1.1)."""
    key_id, issuer, serial = None, (), None
    for tag, each in der.elements(der.contents(value, der.SEQUENCE)):
        if tag == 0x80:
            key_id = each
        elif tag == 0xA1:
            issuer = tuple(general_name(*pair) for pair in der.elements(each))  # type: ignore[assignment]
        elif tag == 0x82:
            serial = der.integer(each)
    return AuthorityKey(key_id, issuer, serial)


def access(value: bytes) -> tuple[tuple[str, str], ...]:
    """Method (dotted) and URL of each entry of an authority information access."""
    found = []
    for _, entry in der.elements(der.contents(value, der.SEQUENCE)):
        (_, method), (tag, place) = tuple(der.elements(entry))[:2]
        found.append((der.oid(method), general_name(tag, place).value))
    return tuple(found)


def crl_points(value: bytes) -> tuple[str, ...]:
    """The URLs of the distribution points."""
    found: list[str] = []
    for _, point in der.elements(der.contents(value, der.SEQUENCE)):
        for tag, name in der.elements(point):
            if tag == 0xA0 and name[:1] == b"\xa0":
                names = der.contents(name, 0xA0)
                found.extend(each.value for each in (general_name(*pair) for pair in der.elements(names)))
    return tuple(found)


def policies(value: bytes) -> tuple[str, ...]:
    """The OIDs of the policies, in dotted form."""
    found = []
    for _, information in der.elements(der.contents(value, der.SEQUENCE)):
        _, start, end = der.element(information)
        found.append(der.oid(information[start:end]))
    return tuple(found)


def tls_features(value: bytes) -> tuple[int, ...]:
    """The TLS extensions that the certificate requires, 5 for status_request (RFC 7633)."""
    return tuple(der.integer(each) for _, each in der.elements(der.contents(value, der.SEQUENCE)))
