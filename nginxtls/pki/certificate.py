"""X.509 certificates, decoded from DER on first use, without errors for unusual ones.

`cryptography` is not used for two reasons: nginx serves certificates that it rejects (a serial number of zero, a
subject that is not UTF-8, an invalid extension), and startup without it is 0.1 s faster.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import NamedTuple, cached_property
from nginxtls.pki import der, extensions
from nginxtls.pki.names import Name, parse_name
from nginxtls.pki.oids import known, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nginxtls.tls import ServerKey

T = TypeVar("T")
NEVER = datetime.min.replace(tzinfo=timezone.utc)
ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


class SubjectAltName(NamedTuple):
    """A name that a certificate covers; ``kind`` is dns, ip or other. Addresses are in canonical form."""

    kind: str
    value: str

    def __str__(self) -> str:
        return self.value


class Certificate:
    """An X.509 certificate. Equal bytes are the same object: make it with :func:`certificate`."""

    def __init__(self, data: bytes) -> None:
        tag, start, end = der.element(data)
        if tag != der.SEQUENCE:
            raise der.DerError("not a certificate")
        #: The certificate, without any data after it.
        self.der = data[:end]
        inner, body_start, body_end = der.element(data, start)
        if inner != der.SEQUENCE:
            raise der.DerError("not a certificate")
        #: The part that is signed.
        self.signed = data[start:body_end]
        outer = list(der.elements(data[body_end:end]))
        if [each for each, _ in outer] != [der.SEQUENCE, der.BIT_STRING] or not outer[1][1]:
            raise der.DerError("not a certificate")
        self._parts: dict[str, Any] = {}
        self._outer_algorithm, self.signature = outer[0][1], outer[1][1][1:]
        self._fields = _fields(data[body_start:body_end])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"<certificate {self.subject_name!r}>"

    @cached_property
    def sha256(self) -> str:
        """The fingerprint, in lower-case hexadecimal."""
        return sha256(self.der).hexdigest()

    @cached_property
    def version(self) -> int:
        """1 to 3."""
        field = self._fields["version"]
        return der.integer(der.contents(field, der.INTEGER)) + 1 if field else 1

    @cached_property
    def serial(self) -> int:
        """The serial number, which is negative or zero in some invalid certificates."""
        return der.integer(self._fields["serial"])

    # Names.

    @cached_property
    def subject_der(self) -> bytes:
        """The subject in DER."""
        return self._fields["subject"]

    @cached_property
    def issuer_der(self) -> bytes:
        """The issuer in DER."""
        return self._fields["issuer"]

    @cached_property
    def subject_dn(self) -> Name:
        """The subject as a name."""
        return parse_name(self.subject_der)

    @cached_property
    def issuer_dn(self) -> Name:
        """The issuer as a name."""
        return parse_name(self.issuer_der)

    @property
    def subject(self) -> str:
        """RFC 4514, control characters escaped."""
        return self.subject_dn.text

    @property
    def issuer(self) -> str:
        """RFC 4514, control characters escaped."""
        return self.issuer_dn.text

    @cached_property
    def subject_name(self) -> str:
        """A short name for messages: the common name, first alternative name, organisation or whole subject."""
        dn = self.subject_dn
        if dn.common_names and dn.common_names[-1]:
            return dn.common_names[-1]
        return next((each.value for each in self.sans if each.value), dn.short or "(no name)")

    @cached_property
    def issuer_name(self) -> str:
        """The short name of the issuer: common name, organisation or the whole name."""
        return self.issuer_dn.short or "(no name)"

    @property
    def common_names(self) -> tuple[str, ...]:
        """The common names of the subject."""
        return self.subject_dn.common_names

    @cached_property
    def sans(self) -> tuple[SubjectAltName, ...]:
        """The subject alternative names; empty if there are none or they cannot be decoded."""
        kinds = {"dns": "dns", "ip": "ip"}
        return tuple(SubjectAltName(kinds.get(each.kind, "other"), each.value) for each in self.alternative_names or ())

    @cached_property
    def alternative_names(self) -> tuple[extensions.GeneralName, ...] | None:
        """The subject alternative names, or None without that extension."""
        return self._decoded(extensions.SAN, extensions.general_names)

    @cached_property
    def dns_names(self) -> tuple[str, ...]:
        """The DNS names among the subject alternative names."""
        return tuple(each.value for each in self.sans if each.kind == "dns")

    @cached_property
    def host_names(self) -> frozenset[str]:
        """The names without wildcards that are valid host names, in lower case."""
        from nginxtls.pki.names import valid_host

        return frozenset(name.lower() for name in self.dns_names if valid_host(name))

    @cached_property
    def ip_addresses(self) -> tuple[str, ...]:
        """The IP addresses among the subject alternative names."""
        return tuple(each.value for each in self.sans if each.kind == "ip")

    # Time.

    @cached_property
    def _validity(self) -> tuple[datetime, datetime] | None:
        try:
            since, until = (der.time(tag, value) for tag, value in der.elements(self._fields["validity"]))
        except der.DerError:
            return None
        return since, until

    @property
    def has_dates(self) -> bool:
        """Whether both dates can be decoded; otherwise OpenSSL rejects the certificate (errors 13 and 14)."""
        return self._validity is not None

    @property
    def not_before(self) -> datetime:
        """UTC; the latest possible time (never valid) if a date cannot be decoded."""
        return self._validity[0] if self._validity else ALWAYS

    @property
    def not_after(self) -> datetime:
        """UTC, the last second of validity; the earliest possible time (never valid) if a date cannot be decoded."""
        return self._validity[1] if self._validity else NEVER

    @property
    def lifetime(self) -> timedelta:
        """From the first to the last second, both included (CA/B Baseline Requirements 6.3.2)."""
        try:
            return self.not_after - self.not_before + timedelta(seconds=1)
        except OverflowError:
            return timedelta.max

    # Key and signature.

    @cached_property
    def public_key_der(self) -> bytes:
        """The subject public key info."""
        return self._fields["key"]

    @property
    def public_key_bits(self) -> bytes:
        """The key alone, as OCSP and key identifiers hash it; empty if it cannot be decoded."""
        try:
            (_, bits) = tuple(der.elements(der.contents(self.public_key_der, der.SEQUENCE)))[1]
        except (ValueError, IndexError):
            return b""
        return bits[1:]

    @cached_property
    def public_key_sha256(self) -> str:
        """The SHA-256 of the public key (SubjectPublicKeyInfo) in hexadecimal digits."""
        return sha256(self.public_key_der).hexdigest()

    @cached_property
    def key(self) -> ServerKey:
        """Type, size and curve of the key; type ``unknown`` for unsupported keys."""
        from nginxtls.pki.algorithms import describe_public_key

        return describe_public_key(self.public_key_der)

    @cached_property
    def signature_algorithm_oid(self) -> str:
        """The OID of the signature algorithm."""
        return _algorithm(self._outer_algorithm)[0]

    @cached_property
    def signature_parameters(self) -> bytes:
        """The parameters of the signature algorithm in DER."""
        return _algorithm(self._outer_algorithm)[1]

    @property
    def signature_algorithms_agree(self) -> bool:
        """Whether the algorithms inside and outside of the signed part are equal (RFC 5280 section 4.1.1.2)."""
        return self._outer_algorithm == self._fields["algorithm"]

    @cached_property
    def signature_algorithm(self) -> str:
        """The common name of the algorithm, or its OID in dotted form."""
        return name_of("signature", self.signature_algorithm_oid)

    @cached_property
    def signature_hash(self) -> str | None:
        """md5, sha1, sha256 …; None if the algorithm has no separate hash (EdDSA, ML-DSA) or is unknown."""
        if self.signature_algorithm == "rsassaPss":
            from nginxtls.pki.algorithms import pss_hash

            return pss_hash(self.signature_parameters)
        found = known("signature", self.signature_algorithm_oid)
        return found[1] or None if found else None

    def fits_key(self, kind: str) -> bool:
        """Whether a key of this type may have made the signature (check_sig_alg_match in v3_purp.c)."""
        name = self.signature_algorithm
        if kind.startswith("RSA"):
            return name == "rsassaPss" or (kind == "RSA" and "RSA" in name)
        if kind in ("EC", "DSA"):
            return name.lower().startswith({"EC": "ecdsa", "DSA": "dsa"}[kind])
        return kind in ("unknown", name)

    # Extensions.

    @cached_property
    def _extensions(self) -> dict[str, tuple[bool, bytes]]:
        """Criticality and value by OID; the first one of duplicates."""
        found: dict[str, tuple[bool, bytes]] = {}
        for oid, critical, value in self._extension_list:
            found.setdefault(oid, (critical, value))
        return found

    @cached_property
    def _extension_list(self) -> tuple[tuple[str, bool, bytes], ...]:
        found = []
        try:
            for _, extension in der.elements(self._fields["extensions"]):
                fields = list(der.elements(extension))
                critical = len(fields) == 3 and any(fields[1][1])
                found.append((der.oid(fields[0][1]), critical, fields[-1][1]))
        except (der.DerError, IndexError):
            pass
        return tuple(found)

    def _decoded(self, oid: str, decode: Callable[[bytes], T]) -> T | None:
        """An extension, decoded once; None if it is missing or invalid."""
        if oid not in self._parts:
            extension = self._extensions.get(oid)
            try:
                self._parts[oid] = None if extension is None else decode(extension[1])
            except ValueError:
                self._parts[oid] = None
        part: T | None = self._parts[oid]
        return part

    def has_extension(self, oid: str) -> bool:
        """Whether the certificate has an extension, by its OID."""
        return oid in self._extensions

    @cached_property
    def malformed(self) -> tuple[str, ...]:
        """The parts for which OpenSSL rejects it: invalid dates, and extensions that are invalid or duplicate."""
        decoders: dict[str, Callable[[bytes], Any]] = {
            extensions.BASIC_CONSTRAINTS: extensions.basic_constraints,
            extensions.KEY_USAGE: extensions.key_usage,
            extensions.EXTENDED_KEY_USAGE: extensions.extended_key_usage,
            extensions.SUBJECT_KEY_ID: lambda value: der.contents(value, der.OCTET_STRING),
            extensions.AUTHORITY_KEY_ID: extensions.authority_key,
            extensions.SAN: extensions.general_names,
            extensions.NAME_CONSTRAINTS: extensions.name_constraints,
            extensions.CRL_POINTS: extensions.crl_points,
        }
        oids = [oid for oid, _, _ in self._extension_list]
        bad = [
            name
            for oid, name in extensions.DECISIVE.items()
            if oid in self._extensions and (self._decoded(oid, decoders[oid]) is None or oids.count(oid) > 1)
        ]
        return tuple(bad) if self.has_dates else ("validity", *bad)

    @cached_property
    def _basic(self) -> tuple[bool, int | None]:
        return self._decoded(extensions.BASIC_CONSTRAINTS, extensions.basic_constraints) or (False, None)

    @property
    def is_ca(self) -> bool:
        """Whether the basic constraints mark it as a CA."""
        return self._basic[0]

    @property
    def path_length(self) -> int | None:
        """The permitted number of CAs below it, without the leaf; None for any number."""
        return self._basic[1]

    @cached_property
    def key_usage(self) -> frozenset[str] | None:
        """RFC 5280's names; None if the extension is missing."""
        return self._decoded(extensions.KEY_USAGE, extensions.key_usage)

    @cached_property
    def extended_key_usage(self) -> tuple[str, ...] | None:
        """RFC 5280's names or dotted numbers; None if the extension is missing."""
        return self._decoded(extensions.EXTENDED_KEY_USAGE, extensions.extended_key_usage)

    @cached_property
    def name_constraints(self) -> extensions.Constraints | None:
        """The name constraints, or None without that extension."""
        return self._decoded(extensions.NAME_CONSTRAINTS, extensions.name_constraints)

    @cached_property
    def subject_key_id(self) -> bytes | None:
        """The subject key identifier, or None without that extension."""
        return self._decoded(extensions.SUBJECT_KEY_ID, lambda value: der.contents(value, der.OCTET_STRING))

    @cached_property
    def authority_key(self) -> extensions.AuthorityKey | None:
        """The authority key identifier, or None without that extension."""
        return self._decoded(extensions.AUTHORITY_KEY_ID, extensions.authority_key)

    @cached_property
    def _access(self) -> tuple[tuple[str, str], ...]:
        return self._decoded(extensions.AUTHORITY_INFO, extensions.access) or ()

    @property
    def ocsp_responders(self) -> tuple[str, ...]:
        """The URLs of the OCSP responders."""
        return tuple(place for method, place in self._access if method == "1.3.6.1.5.5.7.48.1")

    @property
    def ca_issuers(self) -> tuple[str, ...]:
        """The URLs of the issuer's certificate; nginxtls never fetches them."""
        return tuple(place for method, place in self._access if method == "1.3.6.1.5.5.7.48.2")

    @cached_property
    def policies(self) -> tuple[str, ...]:
        """The OIDs of the certificate policies."""
        return self._decoded(extensions.POLICIES, extensions.policies) or ()

    @cached_property
    def must_staple(self) -> bool:
        """Whether the TLS feature extension requires a stapled OCSP response (RFC 7633; 5 is status_request)."""
        return 5 in (self._decoded(extensions.TLS_FEATURE, extensions.tls_features) or ())

    @property
    def has_scts(self) -> bool:
        """Whether it has embedded SCTs (Certificate Transparency), which only public CAs add."""
        return extensions.SCT_LIST in self._extensions

    @cached_property
    def unknown_critical(self) -> tuple[str, ...]:
        """The OIDs of critical extensions that OpenSSL does not handle."""
        return tuple(oid for oid, critical, _ in self._extension_list if critical and oid not in extensions.HANDLED)

    # Type of certificate.

    @cached_property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return self.subject_der == self.issuer_der or self.subject_dn.canonical == self.issuer_dn.canonical

    @cached_property
    def self_signed(self) -> bool:
        """Whether it is self-issued and, by identifiers and algorithm, signed with its own key (as OpenSSL decides)."""
        return self.self_issued and self.names_key_of(self) and self.fits_key(self.key.kind)

    def names_key_of(self, issuer: Certificate) -> bool:
        """Whether its authority key identifier matches the issuer (X509_check_akid in v3_purp.c)."""
        wanted = self.authority_key
        if wanted is None:
            return True
        if wanted.key_id is not None and issuer.subject_key_id is not None and wanted.key_id != issuer.subject_key_id:
            return False
        if wanted.serial is not None and wanted.serial != issuer.serial:
            return False
        named = next((each.name for each in wanted.issuer if each.name), None)
        return named is None or named.canonical == issuer.issuer_dn.canonical


_FIELDS = ("serial", "algorithm", "issuer", "validity", "subject", "key")


def _fields(body: bytes) -> dict[str, bytes]:
    """The parts of a TBSCertificate (RFC 5280 section 4.1); names and key include their tags."""
    fields = {"version": b"", "extensions": b""}
    at, index = 0, 0
    while at < len(body):
        tag, start, end = der.element(body, at)
        if tag == 0xA0 and at == 0:
            fields["version"] = body[start:end]
        elif index < len(_FIELDS):
            name = _FIELDS[index]
            if tag != (der.INTEGER if name == "serial" else der.SEQUENCE):
                raise der.DerError("not a certificate")
            fields[name] = body[at:end] if name in {"issuer", "subject", "key"} else body[start:end]
            index += 1
        elif tag == 0xA3:
            fields["extensions"] = der.contents(body[start:end], der.SEQUENCE)
        at = end
    if index < len(_FIELDS):
        raise der.DerError("not a certificate")
    # OpenSSL does not load a certificate with invalid data here; everything else is decoded on first use.
    der.integer(fields["serial"])
    if fields["version"]:
        der.integer(der.contents(fields["version"], der.INTEGER))
    if len(list(der.elements(fields["validity"]))) != 2:
        raise der.DerError("not a certificate")
    parse_name(fields["issuer"])
    parse_name(fields["subject"])
    return fields


def _algorithm(value: bytes) -> tuple[str, bytes]:
    try:
        _, start, end = der.element(value)
        return der.oid(value[start:end]), value[end:]
    except der.DerError:
        return "", b""


@bounded(4096, 8_000_000)
def certificate(data: bytes) -> Certificate:
    """The certificate in DER at the beginning of data; the same object for the same bytes.

    Raises:
        der.DerError: data does not begin with a certificate.
    """
    return Certificate(data)
