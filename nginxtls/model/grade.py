"""The rating of SSL Labs' "SSL Server Rating Guide" (version 2009r, 2025-05-16), computed from the configuration.

https://github.com/ssllabs/research/wiki/SSL-Server-Rating-Guide. Three categories give a score and a letter; rules then
cap or raise it. What only a live server shows (flaws of its build, revocation) is assumed and said to be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import NamedTuple
from nginxtls.model.handshakes import Handshake, key_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nginxtls.model.configuration import Configuration
    from nginxtls.model.effective import EffectiveTLS
    from nginxtls.model.endpoints import Endpoint
    from nginxtls.pki import Certificate
    from nginxtls.tls import ServerKey, Suite

GUIDE = "2009r"
LETTERS = ("A+", "A", "A-", "B", "C", "D", "E", "F", "M", "T")
"""Best first; M is a certificate for other names, T one that is not trusted."""
SIX_MONTHS = 15768000
_PROTOCOL_SCORES = {"SSLv3": 80, "TLSv1": 90, "TLSv1.1": 95, "TLSv1.2": 100, "TLSv1.3": 100}
_SCORES = ((80, "A"), (65, "B"), (50, "C"), (35, "D"), (20, "E"))
ASSUMED = (
    "the server's build has no flaw that a live test finds (Heartbleed, CCS injection, ROBOT, Ticketbleed)",
    "secure renegotiation and TLS_FALLBACK_SCSV work, as in every OpenSSL that is modelled",
    "no certificate is revoked, and SSL Labs trusts the same roots",
    "the server is reached directly, and all of its addresses are configured alike",
)


class Criterion(NamedTuple):
    """One rule of the guide that applies: the best letter that it allows (empty if it is only a score)."""

    name: str
    result: str
    cap: str = ""


class Grade(NamedTuple):
    """``letter`` from A+ to F, M or T; None if no client gets a handshake. ``score`` is out of 100."""

    letter: str | None
    score: int
    criteria: tuple[Criterion, ...]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "guide": GUIDE,
            "grade": self.letter,
            "score": self.score,
            "criteria": [{"criterion": c.name, "result": c.result, "cap": c.cap or None} for c in self.criteria],
            "assumed": list(ASSUMED),
            "unknown": list(self.unknown),
        }


def grade(answer: Handshake) -> Grade:
    """The grade of what a client gets."""
    tls = answer.effective
    if tls is None or not answer.accepts:
        return Grade(None, 0, (Criterion("handshake", answer.refusal or "none"),), ())
    scores = (_protocols(tls), _key_exchange(tls), _ciphers(tls))
    score = 0 if 0 in (number for _, number in scores) else sum(
        number * weight // 100 for (_, number), weight in zip(scores, (30, 30, 40), strict=True)
    )  # fmt: skip
    letter = next((letter for least, letter in _SCORES if score >= least), "F")
    rules = (*_rules(tls), *_certificates(tls, answer.servername))
    caps = [rule.cap for rule in rules if rule.cap]
    hsts = _hsts(answer)
    criteria = (*(criterion for criterion, _ in scores), *rules, hsts)
    worst = max([letter, *caps], key=LETTERS.index)
    if worst == "A" and not hsts.cap:
        worst = "A+"
    unknown = () if tls.certificates_known else ("a certificate could not be read; RSA and ECDSA are assumed",)
    return Grade(worst, score, criteria, unknown)


def endpoint_grade(configuration: Configuration, endpoint: Endpoint) -> Grade:
    """The grade of a virtual server on a socket, for its first name; endpoints that serve alike share it."""
    name = next((name.key for name in endpoint.server.names if name.form in ("exact", "suffix")), None)
    answer = Handshake(configuration, endpoint.socket, name)
    tls = endpoint.tls
    covered = name is None or all(covers_name(bundle.leaf, name) for bundle in tls.bundles if bundle.leaf)
    reasons = tuple(bundle.chain.reasons if bundle.chain else None for bundle in tls.bundles)
    key = ("grade", id(tls.suites), endpoint.server.tls_lines, tls.context.key_types, covered, reasons, answer.hsts)
    return configuration.memo(key, lambda: grade(answer))


def covers_name(leaf: Certificate, name: str) -> bool:
    """Whether a certificate covers a host name."""
    from nginxtls.pki import match_hostname

    return name.lower() in leaf.host_names or match_hostname(name, leaf).matches


def _average(values: list[int]) -> int:
    return (max(values) + min(values)) // 2


def _protocols(tls: EffectiveTLS) -> tuple[Criterion, int]:
    score = _average([_PROTOCOL_SCORES[version] for version in tls.versions])
    return Criterion("protocol support", f"{score}: {' '.join(tls.versions)}"), score


def _key_exchange(tls: EffectiveTLS) -> tuple[Criterion, int]:
    """The weakest of the keys and of the DH parameters."""
    strengths = [(_key_score(key), key_text(key)) for key in tls.keys if key.allowed(tls.level)]
    suites = _old(tls)
    if any(s.key_exchange == "DHE" for s in suites) and tls.dhparam_bits is not None:
        strengths.append((_rsa_score(tls.dhparam_bits), f"DH parameters of {tls.dhparam_bits} bits"))
    if any(s.anonymous for s in suites):
        strengths.append((0, "suites without authentication"))
    score, what = min(strengths, default=(0, "no key"))
    return Criterion("key exchange", f"{score}: {what}", "F" if score <= 40 else "B" if score <= 80 else ""), score


def _key_score(key: ServerKey) -> int:
    if key.kind in ("EC", "Ed25519", "Ed448"):
        bits = key.bits or 256
        return 20 if bits < 110 else 40 if bits < 123 else 80 if bits < 163 else 90 if bits < 225 else 100
    return _rsa_score(key.bits or 2048)


def _rsa_score(bits: int) -> int:
    return 20 if bits < 512 else 40 if bits < 1024 else 80 if bits < 2048 else 90 if bits < 4096 else 100


def _ciphers(tls: EffectiveTLS) -> tuple[Criterion, int]:
    found = [suite for suites in tls.suites.values() for suite in suites]
    weakest, strongest = min(s.bits for s in found), max(s.bits for s in found)
    score = _average([_cipher_score(weakest), _cipher_score(strongest)])
    return Criterion("cipher strength", f"{score}: {weakest} to {strongest} bits"), score


def _cipher_score(bits: int) -> int:
    return 0 if bits == 0 else 20 if bits < 128 else 80 if bits < 256 else 100


def _old(tls: EffectiveTLS) -> list[Suite]:
    return [suite for version, suites in tls.suites.items() if version != "TLSv1.3" for suite in suites]


def _rules(tls: EffectiveTLS) -> Iterator[Criterion]:
    """The rules on protocols and suites."""
    versions, old = tls.versions, _old(tls)
    suites = [*old, *tls.suites.get("TLSv1.3", ())]
    for version in ("TLSv1", "TLSv1.1"):
        if version in versions:
            yield Criterion("old protocols (2009q)", f"{version} is supported", "B")
    if "TLSv1.2" not in versions and "TLSv1.3" not in versions:
        yield Criterion("TLS 1.2 (2009f)", "neither TLSv1.2 nor TLSv1.3 is supported", "C")
    if "TLSv1.3" not in versions:
        yield Criterion("TLS 1.3 (2009r)", "TLSv1.3 is not supported", "A-")
    if not any(suite.forward_secrecy for suite in suites):
        yield Criterion("forward secrecy (2009p)", "no suite has forward secrecy", "B")
    if not any(suite.aead for suite in suites):
        yield Criterion("AEAD (2009p)", "no suite is AEAD", "B")
    modern = [s for version in ("TLSv1.1", "TLSv1.2") for s in tls.suites.get(version, ())]
    if any(suite.encryption == "RC4" for suite in modern):
        yield Criterion("RC4 (2009k)", "RC4 is supported with TLSv1.1 or TLSv1.2", "C")
    elif any(suite.encryption == "RC4" for suite in old):
        yield Criterion("RC4 (2009k)", "RC4 is supported", "B")
    if any(suite.encryption == "3DES" for suite in modern):
        yield Criterion("64-bit blocks (2009o)", "3DES is supported with TLSv1.1 or TLSv1.2", "C")
    for suite in old:
        if suite.anonymous or suite.bits < 112:
            why = "has no authentication" if suite.anonymous else f"has {suite.bits} bits"
            yield Criterion("insecure suites", f"{suite.name} {why}", "F")
            return


def _certificates(tls: EffectiveTLS, name: str | None) -> Iterator[Criterion]:
    from nginxtls.pki import match_hostname

    for bundle in tls.served_bundles:
        chain, leaf = bundle.chain, bundle.leaf
        if chain is None or leaf is None:
            continue
        for reason in chain.reasons:
            if reason.fatal:
                incomplete = reason.kind == "missing-intermediate"
                title = "certificate chain is complete" if incomplete else "certificate is trusted"
                yield Criterion(title, reason.message, "B" if incomplete else "T")
        if name is not None and not match_hostname(name, leaf).matches:
            yield Criterion("certificate covers the name", match_hostname(name, leaf).reason, "M")


def _hsts(answer: Handshake) -> Criterion:
    """A+ needs HSTS of at least six months."""
    found = re.search(r"max-age\s*=\s*\"?(\d+)", answer.hsts or "", re.IGNORECASE)
    age = int(found[1]) if found else None
    if age is None:
        return Criterion("HSTS (A+)", "not sent", "A")
    return Criterion("HSTS (A+)", f"max-age={age}", "" if age >= SIX_MONTHS else "A")
