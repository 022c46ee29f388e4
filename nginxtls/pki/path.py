"""The path that a client with an empty cache builds from what a server sends, and why it fails.

Every path through what is sent and trusted is tried (as browsers do), each judged by OpenSSL's rules for a server's
certificate (crypto/x509/x509_vfy.c and v3_purp.c of 3.x, without `-x509_strict`) at a security level. The first path is
the only one that OpenSSL tries: `build_chain` takes the first issuer that fits and never comes back.
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
# Tried at most, so that a hostile bundle costs no more than a second.
_MOST_STEPS, _MOST_DEPTH = 400, 16
_INTERMEDIATE = re.compile(r"\b(intermediate|issuing|subordinate|sub[- ]?ca)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reason:
    """A fault of what is sent: the name of the rule, the place in what is sent (from 0, None if not sent), and why.

    ``fatal``: a client refuses the certificate for it.
    """

    kind: str
    certificate: int | None
    message: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """``path`` goes from the leaf as far as it got; ``aia`` is where the missing issuer's certificate is said to be."""

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
    """What a client makes of a leaf and the certificates sent with it.

    Args:
        leaf: the certificate to be verified.
        sent: what is sent, with or without the leaf.
        trust: the client's anchors.
        at: the time, with its zone.
        security_level: OpenSSL's; at 2, its default, RSA keys below 2,048 bits, curves below 224 and SHA-1 are refused.
        partial_chain: an anchor that is not self-signed is enough (as for browsers; OpenSSL needs `-partial_chain`).
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
        """The attempt that explains best: it reaches an anchor, has fewest faults, is longest."""
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
        # The last second belongs to the validity to its end (RFC 5280 section 4.1.2.5).
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
            text = f"{best.path[0].signature_algorithm}: a signature that is not known here, so not verified"
            return PathVerdict("unknown", best.path, (Reason("broken-chain", 0, text, fatal=False),))
        if not best.missing:
            return PathVerdict("untrusted", best.path, best.reasons)
        last = best.path[-1]
        return PathVerdict("untrusted", best.path, best.reasons, last.issuer_name, last.ca_issuers)

    def dead_end(self, first: _Attempt, good: _Attempt) -> tuple[Reason, ...]:
        """OpenSSL follows a path that fails, though another one would do; none if the first is only not known."""
        fatal = next((reason for reason in first.reasons if reason.fatal), None)
        if fatal is None:
            return ()
        wrong = next((each for each, other in zip(first.path, good.path, strict=False) if each != other), None)
        by = f'the "{wrong.subject_name}" that "{wrong.issuer_name}" signed' if wrong else "another path"
        text = f"clients with OpenSSL go by {by} and refuse it: {fatal.message}"
        return (Reason("dead-end-path", self.places.get(wrong) if wrong else None, text, fatal=False),)

    def attempts(self, path: tuple[Certificate, ...], *, unknown: bool) -> Iterator[_Attempt]:
        """Every path that begins so, each judged."""
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
        """Who may have signed it by name, in the order in which OpenSSL takes them (find_issuer in x509_vfy.c)."""
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
        """Nothing for those that are valid now, which OpenSSL takes in order; else the last to end is the first."""
        if issuer.not_before <= self.at and self.second <= issuer.not_after:
            return float("-inf")
        return -(issuer.not_after - NEVER).total_seconds()

    def link_fault(self, certificate: Certificate, issuer: Certificate) -> Reason | bool | None:
        """Why one is not the other's issuer in spite of its name; True if it is, None if that is not known."""
        place = self.places.get(certificate)
        if not certificate.names_key_of(issuer):
            text = (
                f'"{certificate.subject_name}" was signed by another key of "{certificate.issuer_name}" '
                "than the certificate of that name here: the key identifiers differ"
            )
            return Reason("broken-chain", place, text)
        signed = verify(certificate, issuer.public_key_der)
        if signed is False:
            text = f'the signature of "{certificate.subject_name}" was not made by "{issuer.subject_name}"'
            return Reason("broken-chain", place, text)
        return signed

    def not_trusted(self, root: Certificate) -> Reason:
        place = self.places.get(root)
        if root is self.leaf:
            return Reason("self-signed-certificate", place, f'"{root.subject_name}" is signed with its own key')
        text = f'the root "{root.subject_name}" is not in {_shown(self.trust)}'
        return Reason("untrusted-root", place, text)

    def missing(self, path: Sequence[Certificate]) -> Reason:
        """The issuer is neither sent nor trusted: tell a public CA's missing link from a private CA not given."""
        last = path[-1]
        place, issuer = self.places.get(last), last.issuer_name
        where = f"; {', '.join(last.ca_issuers[:2])} is said to have it" if last.ca_issuers else ""
        if evidence := self.public_evidence(path):
            text = f'the certificate of "{issuer}", which issued "{last.subject_name}", is not sent ({evidence}){where}'
            return Reason("missing-intermediate", place, text)
        # The issuer of a certificate that was itself sent as a CA is most likely the root.
        if not last.is_ca and (self.trust.private or _INTERMEDIATE.search(issuer)):
            text = f'the certificate of "{issuer}", which issued "{last.subject_name}", is not sent{where}'
            return Reason("missing-intermediate", place, text)
        if self.trust.private and self.looks_incomplete(last):
            text = f'the certificate of "{issuer}", which issued "{last.subject_name}", is not sent{where}'
            return Reason("missing-intermediate", place, text)
        why = ", and looks like a private CA" if self.trust.certificates else ""
        text = f'"{issuer}", which issued "{last.subject_name}", is not in {_shown(self.trust)}{why}'
        return Reason("untrusted-root", place, text)

    def looks_incomplete(self, last: Certificate) -> bool:
        return any(last.issuer_dn.organisations == each.subject_dn.organisations for each in self.trust.certificates)

    def public_evidence(self, path: Sequence[Certificate]) -> str | None:
        """Why the chain is taken for a public CA's, in words; None if nothing says so."""
        if looks_public(path[0]):
            return "a public CA's: " + ("it has transparency timestamps" if path[0].has_scts else "by its policy")
        ours = set(path[-1].issuer_dn.organisations) & TrustStore.mozilla().organisations
        return f"{min(ours)} has a public root" if ours and not path[-1].self_issued else None

    def faults(self, path: Sequence[Certificate], *, anchored: bool = False) -> Iterator[Reason]:
        """What is wrong with the certificates of a path, each for itself and below those above it."""
        below = 0
        for index, each in enumerate(path):
            anchor = anchored and index == len(path) - 1
            place, name = self.places.get(each), each.subject_name
            if index == 0:
                yield from self.leaf_faults(each, place)
            else:
                yield from self.ca_faults(each, place, anchor=anchor)
                if index > 1 and each.path_length is not None and below > each.path_length:
                    text = f'"{name}" allows {each.path_length} CAs below itself, and there are {below}'
                    yield Reason("path-length-exceeded", place, text)
                if not each.self_issued:
                    below += 1
            if each.malformed:
                yield Reason("malformed-certificate", place, f'the {each.malformed[0]} of "{name}" cannot be decoded')
            if each.unknown_critical:
                text = f'"{name}" has a critical extension that clients do not know: {", ".join(each.unknown_critical)}'
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
            text = f'"{name}" is for {", ".join(purposes) or "nothing"}, not for {self.purpose}'
            yield Reason("no-server-auth", place, text)
        usage = leaf.key_usage
        if usage is not None and not usage & {"digitalSignature", "keyEncipherment", "keyAgreement"}:
            yield Reason("no-server-auth", place, f'the key usage of "{name}" allows no handshake')

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
            yield Reason("intermediate-not-a-ca", place, f'"{name}" signed a certificate and is no CA')
        elif ca.key_usage is not None and "keyCertSign" not in ca.key_usage:
            yield Reason(
                "intermediate-not-a-ca", place, f'the key usage of "{name}" does not allow to sign certificates'
            )
        purposes = ca.extended_key_usage
        if purposes is not None and not self.purposes.intersection(purposes):
            text = f'the CA "{name}" may only issue for {", ".join(purposes) or "nothing"}, not for {self.purpose}'
            yield Reason("no-server-auth", place, text)

    def weakness(self, certificate: Certificate, place: int | None, *, anchor: bool) -> Iterator[Reason]:
        """Keys and signatures below the security level (SSL_CTX_set_security_level(3)), but no root's own signature."""
        name, key = certificate.subject_name, certificate.key
        if self.level < 1:
            return
        least = 2048 if self.level > 1 else 1024
        small_curve = key.kind == "EC" and key.bits is not None and key.bits < (224 if self.level > 1 else 160)
        if (key.kind in {"RSA", "RSA-PSS", "DSA"} and key.bits is not None and key.bits < least) or small_curve:
            yield Reason("weak-key", place, f'the key of "{name}" is {key.kind} of {key.bits} bits')
        if key.curve == "explicit":
            # OpenSSL's error 94; curves without a name were the way of CVE-2020-0601.
            yield Reason("weak-key", place, f'the key of "{name}" is on a curve that is not named')
        if not anchor and not certificate.self_signed and certificate.signature_hash in _WEAK_HASHES:
            digest = certificate.signature_hash.upper().replace("SHA1", "SHA-1")
            yield Reason("weak-signature", place, f'"{name}" is signed with {digest}')

    def constrained(self, ca: Certificate, below: Sequence[Certificate]) -> Iterator[Reason]:
        assert ca.name_constraints
        for index, each in enumerate(below):
            if index and each.self_issued:
                continue
            fault = violation(each, ca.name_constraints, leaf=index == 0)
            if fault:
                text = f'"{ca.subject_name}" may not issue "{each.subject_name}": {fault}'
                yield Reason("name-constraint-violated", self.places.get(each), text)
                return


def _shown(trust: TrustStore) -> str:
    return trust.name if trust.certificates else "any trust store (none was given)"


def _likely(certificate: Certificate, issuer: Certificate) -> bool:
    """X509_check_issued in v3_purp.c, names apart."""
    usage = issuer.key_usage
    may_sign = usage is None or "keyCertSign" in usage
    return may_sign and certificate.names_key_of(issuer) and certificate.fits_key(issuer.key.kind)
