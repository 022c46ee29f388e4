"""The path that a client with an empty cache builds from the certificates that a server sends, and why it fails.

Every path through the sent and trusted certificates is tried (as browsers do) and verified by OpenSSL's rules for
server certificates (crypto/x509/x509_vfy.c and v3_purp.c of 3.x, without `-x509_strict`) at a security level. The
first path is the only one that OpenSSL tries: `build_chain` uses the first issuer that fits and does not backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from nginxtls.pki.certificate import NEVER, Certificate
from nginxtls.pki.constraints import violation
from nginxtls.pki.lifetimes import looks_public
from nginxtls.pki.signatures import verify
from nginxtls.pki.trust import TrustStore

Verdict = Literal["trusted", "untrusted", "unknown"]
_PURPOSES = {"server": ({"serverAuth", "msSGC", "nsSGC"}, "serverAuth"), "client": ({"clientAuth"}, "clientAuth")}
_WEAK_HASHES = frozenset({"md2", "md5", "sha1"})
# Upper limits, so that a malicious bundle costs no more than a second.
_MOST_STEPS, _MOST_DEPTH = 400, 16
_INTERMEDIATE = re.compile(r"\b(intermediate|issuing|subordinate|sub[- ]?ca)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reason:
    """A fault of the sent certificates: the rule, the index of the certificate (None if not sent), and a message.

    ``fatal``: clients reject the certificate because of it.
    """

    kind: str
    certificate: int | None
    message: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """``path`` begins with the leaf and ends where it fails; ``aia`` are the URLs of the missing certificate."""

    verdict: Verdict
    path: tuple[Certificate, ...]
    reasons: tuple[Reason, ...]
    missing_issuer: str | None = None
    aia: tuple[str, ...] = ()


def build_path(
    leaf: Certificate,
    sent: Iterable[Certificate],
    trust: TrustStore,
    at: datetime,
    purpose: Literal["server", "client"] = "server",
    *,
    security_level: int = 2,
    partial_chain: bool = False,
) -> PathVerdict:
    """How a client verifies a leaf with the certificates sent with it.

    Args:
        leaf: the certificate to verify.
        sent: the certificates that are sent, with or without the leaf.
        trust: the trust anchors of the client.
        at: the time of verification, with a time zone.
        security_level: OpenSSL's; 2, its default, rejects RSA keys below 2,048 bits, curves below 224 bits and SHA-1.
        partial_chain: accept an anchor that is not self-signed (as browsers do; OpenSSL requires `-partial_chain`).
    """
    return _Search(leaf, tuple(sent), trust, at, purpose, security_level, partial_chain).run()


@dataclass(frozen=True, slots=True)
class _Attempt:
    path: tuple[Certificate, ...]
    reasons: tuple[Reason, ...]
    anchored: bool
    unknown: bool = False
    missing: bool = False

    @property
    def rank(self) -> tuple[int, int, int]:
        """The attempt that explains the failure best: anchored, with the fewest faults, the longest."""
        return int(self.anchored), -len(self.reasons), len(self.path)


class _Search:
    def __init__(
        self,
        leaf: Certificate,
        sent: tuple[Certificate, ...],
        trust: TrustStore,
        at: datetime,
        purpose: str,
        security_level: int,
        partial_chain: bool,
    ) -> None:
        self.leaf, self.sent, self.trust, self.at = leaf, sent, trust, at
        # The validity includes the whole last second (RFC 5280 section 4.1.2.5).
        self.second = at.replace(microsecond=0)
        self.purposes, self.purpose = _PURPOSES[purpose]
        self.level, self.partial = security_level, partial_chain
        self.places = {each: place for place, each in reversed(tuple(enumerate(sent)))}
        self.by_subject: dict[tuple[object, ...], list[Certificate]] = {}
        for each in dict.fromkeys(sent):
            if each is not leaf:
                self.by_subject.setdefault(each.subject_dn.canonical, []).append(each)
        self.steps = 0

    def run(self) -> PathVerdict:
        first: _Attempt | None = None
        best: _Attempt | None = None
        for attempt in self.attempts((self.leaf,), unknown=False):
            if attempt.anchored and not attempt.reasons and not attempt.unknown:
                return PathVerdict("trusted", attempt.path, self.dead_end(first, attempt) if first else ())
            first = first or attempt
            if best is None or attempt.rank > best.rank:
                best = attempt
        assert best
        if best.anchored and not best.reasons:
            text = f"nginxtls does not support the signature algorithm {best.path[0].signature_algorithm}: not verified"
            return PathVerdict("unknown", best.path, (Reason("broken-chain", 0, text, fatal=False),))
        if not best.missing:
            return PathVerdict("untrusted", best.path, best.reasons)
        last = best.path[-1]
        return PathVerdict("untrusted", best.path, best.reasons, last.issuer_name, last.ca_issuers)

    def dead_end(self, first: _Attempt, good: _Attempt) -> tuple[Reason, ...]:
        """The fault that OpenSSL follows a failing path although another one verifies; empty if that is not known."""
        fatal = next((reason for reason in first.reasons if reason.fatal), None)
        if fatal is None:
            return ()
        wrong = next((each for each, other in zip(first.path, good.path, strict=False) if each != other), None)
        by = f'the "{wrong.subject_name}" issued by "{wrong.issuer_name}"' if wrong else "another path"
        text = f"OpenSSL clients follow {by} and reject the chain: {fatal.message}"
        return (Reason("dead-end-path", self.places.get(wrong) if wrong else None, text, fatal=False),)

    def attempts(self, path: tuple[Certificate, ...], *, unknown: bool) -> Iterator[_Attempt]:
        """Every path that begins with these certificates, verified."""
        last = path[-1]
        if last in self.trust and (last.self_signed or self.partial):
            yield _Attempt(path, tuple(self.faults(path, anchored=True)), anchored=True, unknown=unknown)
            return
        if last.self_signed:
            yield _Attempt(path, (*self.faults(path), self.not_trusted(last)), anchored=False)
            # Another certificate of the same name and key may still be trusted, or lead further.
        went_on = False
        if len(path) <= _MOST_DEPTH:
            for issuer in self.issuers(last, path):
                self.steps += 1
                if self.steps > _MOST_STEPS:
                    break
                went_on = True
                fault = self.link_fault(last, issuer)
                if isinstance(fault, Reason):
                    yield _Attempt((*path, issuer), (*self.faults((*path, issuer)), fault), anchored=False)
                else:
                    yield from self.attempts((*path, issuer), unknown=unknown or fault is None)
        if not went_on and not last.self_signed:
            yield _Attempt(path, (*self.faults(path), self.missing(path)), anchored=False, missing=True)

    def issuers(self, certificate: Certificate, path: Sequence[Certificate]) -> list[Certificate]:
        """The possible issuers by name, in the order in which OpenSSL tries them (find_issuer in x509_vfy.c)."""
        name = certificate.issuer_dn.canonical
        keys = {(each.subject_dn.canonical, each.public_key_der) for each in path}
        found = [
            each
            for each in (*self.trust.with_subject(name), *self.by_subject.get(name, ()))
            if each not in path and (name, each.public_key_der) not in keys
        ]
        unique = dict.fromkeys(found)
        if len(unique) < 2:
            return [*unique]
        return sorted(
            unique,
            key=lambda each: (not _likely(certificate, each), each not in self.trust, self.age(each)),
        )

    def age(self, issuer: Certificate) -> float:
        """The sort key by validity: OpenSSL tries valid issuers in order, then the others, the last to expire first."""
        if issuer.not_before <= self.at and self.second <= issuer.not_after:
            return float("-inf")
        return -(issuer.not_after - NEVER).total_seconds()

    def link_fault(self, certificate: Certificate, issuer: Certificate) -> Reason | bool | None:
        """Why this issuer did not sign a certificate despite its name; True if it did, None if that is not known."""
        place = self.places.get(certificate)
        if not certificate.names_key_of(issuer):
            text = (
                f'"{certificate.subject_name}" was signed with another key of "{certificate.issuer_name}" '
                "than that of the certificate with this name: the key identifiers differ"
            )
            return Reason("broken-chain", place, text)
        signed = verify(certificate, issuer.public_key_der)
        if signed is False:
            text = f'the key of "{issuer.subject_name}" does not verify the signature of "{certificate.subject_name}"'
            return Reason("broken-chain", place, text)
        return signed

    def not_trusted(self, root: Certificate) -> Reason:
        place = self.places.get(root)
        if root is self.leaf:
            return Reason("self-signed-certificate", place, f'"{root.subject_name}" is self-signed')
        text = f'the root "{root.subject_name}" is not in {_shown(self.trust)}'
        return Reason("untrusted-root", place, text)

    def missing(self, path: Sequence[Certificate]) -> Reason:
        """The issuer is neither sent nor trusted: a public CA's intermediate is missing, or a private CA is unknown."""
        last = path[-1]
        place, issuer = self.places.get(last), last.issuer_name
        where = f"; it is available at {', '.join(last.ca_issuers[:2])}" if last.ca_issuers else ""
        if evidence := self.public_evidence(path):
            text = f'the certificate of "{issuer}", which issued "{last.subject_name}", is not sent ({evidence}){where}'
            return Reason("missing-intermediate", place, text)
        # The issuer of a CA certificate that is sent is most likely the root.
        incomplete = self.trust.private and self.looks_incomplete(last)
        if incomplete or (not last.is_ca and (self.trust.private or _INTERMEDIATE.search(issuer))):
            # The certificate of a client is rather of a CA that the server does not know.
            how = f"neither sent nor in {_shown(self.trust)}" if self.purpose == "clientAuth" else "not sent"
            text = f'the certificate of "{issuer}", which issued "{last.subject_name}", is {how}{where}'
            return Reason("missing-intermediate", place, text)
        why = ", and looks like a private CA" if self.trust.certificates else ""
        text = f'"{issuer}", which issued "{last.subject_name}", is not in {_shown(self.trust)}{why}'
        return Reason("untrusted-root", place, text)

    def looks_incomplete(self, last: Certificate) -> bool:
        return any(last.issuer_dn.organisations == each.subject_dn.organisations for each in self.trust.certificates)

    def public_evidence(self, path: Sequence[Certificate]) -> str | None:
        """The evidence that the chain is from a public CA, as text; None if there is none."""
        if looks_public(path[0]):
            return f"the leaf is from a public CA: it has {'SCTs' if path[0].has_scts else 'a CA/Browser Forum policy'}"
        ours = set(path[-1].issuer_dn.organisations) & TrustStore.mozilla().organisations
        return f"{min(ours)} has a public root" if ours and not path[-1].self_issued else None

    def faults(self, path: Sequence[Certificate], *, anchored: bool = False) -> Iterator[Reason]:
        """The faults of the certificates of a path, individually and in relation to the CAs above them."""
        below = 0
        for index, each in enumerate(path):
            anchor = anchored and index == len(path) - 1
            place, name = self.places.get(each), each.subject_name
            if index == 0:
                yield from self.leaf_faults(each, place)
            else:
                yield from self.ca_faults(each, place, anchor=anchor)
                if index > 1 and each.path_length is not None and below > each.path_length:
                    text = f'"{name}" permits {each.path_length} CAs below it, but the chain has {below}'
                    yield Reason("path-length-exceeded", place, text)
                if not each.self_issued:
                    below += 1
            if each.malformed:
                yield Reason("malformed-certificate", place, f'the {each.malformed[0]} of "{name}" cannot be decoded')
            if each.unknown_critical:
                text = (
                    f'"{name}" has a critical extension that clients do not support: {", ".join(each.unknown_critical)}'
                )
                yield Reason("unknown-critical-extension", place, text)
            yield from self.weakness(each, place, anchor=anchor)
            if each.name_constraints:
                yield from self.constrained(each, path[:index])

    def leaf_faults(self, leaf: Certificate, place: int | None) -> Iterator[Reason]:
        name = leaf.subject_name
        if leaf.has_dates and leaf.not_after < self.second:
            yield Reason("expired-certificate", place, f'"{name}" expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC')
        if leaf.has_dates and leaf.not_before > self.at:
            text = f'"{name}" is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC'
            yield Reason("certificate-not-yet-valid", place, text)
        purposes = leaf.extended_key_usage
        if purposes is not None and not self.purposes.intersection(purposes):
            text = f'the extended key usage of "{name}" is {", ".join(purposes) or "empty"}, without {self.purpose}'
            yield Reason("no-server-auth", place, text)
        usage = leaf.key_usage
        if usage is not None and not usage & {"digitalSignature", "keyEncipherment", "keyAgreement"}:
            yield Reason("no-server-auth", place, f'the key usage of "{name}" permits no TLS handshake')

    def ca_faults(self, ca: Certificate, place: int | None, *, anchor: bool) -> Iterator[Reason]:
        name, what = ca.subject_name, "root" if anchor else "intermediate"
        kind = "untrusted-root" if anchor else "expired-intermediate"
        if ca.has_dates and ca.not_after < self.second:
            yield Reason(kind, place, f'the {what} "{name}" expired on {ca.not_after:%Y-%m-%d %H:%M} UTC')
        if ca.has_dates and ca.not_before > self.at:
            kind = "untrusted-root" if anchor else "certificate-not-yet-valid"
            yield Reason(kind, place, f'the {what} "{name}" is not valid before {ca.not_before:%Y-%m-%d %H:%M} UTC')
        old_root = anchor and ca.self_signed and ca.version == 1
        if not ca.is_ca and not old_root:
            yield Reason("intermediate-not-a-ca", place, f'"{name}" issued a certificate but is not a CA')
        elif ca.key_usage is not None and "keyCertSign" not in ca.key_usage:
            yield Reason(
                "intermediate-not-a-ca", place, f'the key usage of "{name}" does not permit signing certificates'
            )
        purposes = ca.extended_key_usage
        if purposes is not None and not self.purposes.intersection(purposes):
            text = (
                f'the extended key usage of the CA "{name}" is {", ".join(purposes) or "empty"}, without {self.purpose}'
            )
            yield Reason("no-server-auth", place, text)

    def weakness(self, certificate: Certificate, place: int | None, *, anchor: bool) -> Iterator[Reason]:
        """Keys and signatures below the security level (SSL_CTX_set_security_level(3)), except self-signatures."""
        name, key = certificate.subject_name, certificate.key
        if self.level < 1:
            return
        least = 2048 if self.level > 1 else 1024
        small_curve = key.kind == "EC" and key.bits is not None and key.bits < (224 if self.level > 1 else 160)
        if (key.kind in {"RSA", "RSA-PSS", "DSA"} and key.bits is not None and key.bits < least) or small_curve:
            yield Reason("weak-key", place, f'the {key.kind} key of "{name}" is too small: {key.bits} bits')
        if key.curve == "explicit":
            # OpenSSL's error 94; CVE-2020-0601 was exploited with unnamed curves.
            yield Reason("weak-key", place, f'the key of "{name}" uses an unnamed curve (explicit parameters)')
        if not anchor and not certificate.self_signed and certificate.signature_hash in _WEAK_HASHES:
            digest = certificate.signature_hash.upper().replace("SHA1", "SHA-1")
            yield Reason("weak-signature", place, f'clients reject the {digest} signature of "{name}"')

    def constrained(self, ca: Certificate, below: Sequence[Certificate]) -> Iterator[Reason]:
        assert ca.name_constraints
        for index, each in enumerate(below):
            if index and each.self_issued:
                continue
            fault = violation(each, ca.name_constraints, leaf=index == 0)
            if fault:
                text = f'the name constraints of "{ca.subject_name}" do not permit "{each.subject_name}": {fault}'
                yield Reason("name-constraint-violated", self.places.get(each), text)
                return


def _shown(trust: TrustStore) -> str:
    return trust.name if trust.certificates else "any trust store (none was given)"


def _likely(certificate: Certificate, issuer: Certificate) -> bool:
    """X509_check_issued in v3_purp.c, without the names."""
    usage = issuer.key_usage
    may_sign = usage is None or "keyCertSign" in usage
    return may_sign and certificate.names_key_of(issuer) and certificate.fits_key(issuer.key.kind)
