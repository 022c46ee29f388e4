"""The chain as sent, and how a client with an empty cache verifies it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nginxtls.pki.certificate import Certificate
from nginxtls.pki.hostnames import match_hostname
from nginxtls.pki.path import PathVerdict, Reason, Verdict, build_path
from nginxtls.pki.pem import Bundle
from nginxtls.pki.signatures import verify
from nginxtls.pki.trust import TrustStore

# Only this many certificates are compared with each other: no chain comes near it.
_MOST = 200
# The longest Certificate message that OpenSSL accepts, in bytes (SSL_MAX_CERT_LIST_DEFAULT, ssl.h; measured).
_LONGEST = 100 * 1024


@dataclass(frozen=True, slots=True)
class Chain:
    """A bundle as sent and the path built from it; places are indexes in ``sent``, from 0."""

    leaf: Certificate
    sent: tuple[Certificate, ...]
    built: PathVerdict
    #: The first is the leaf, and each certificate of the path follows the one that it issued.
    order_ok: bool
    #: The place of the leaf; not 0 if the first certificate is a CA.
    leaf_place: int
    unrelated: tuple[int, ...]
    duplicates: tuple[int, ...]
    root_sent: int | None
    #: All faults: those for which clients reject it (``fatal``) and those that they accept.
    reasons: tuple[Reason, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the path that the client builds."""
        return self.built.verdict

    @property
    def path(self) -> tuple[Certificate, ...]:
        """The path that the client builds, leaf first."""
        return self.built.path

    @property
    def missing_issuer(self) -> str | None:
        """The name of the issuer that is neither sent nor trusted; None if there is no such issuer."""
        return self.built.missing_issuer

    @property
    def aia(self) -> tuple[str, ...]:
        """The URLs of the missing issuer's certificate, according to the last one of the path; nothing is fetched."""
        return self.built.aia

    def reason(self, kind: str) -> Reason | None:
        """The first reason of a kind; None if there is none."""
        return next((each for each in self.reasons if each.kind == kind), None)


def analyse_chain(
    bundle: Bundle | Sequence[Certificate], trust: TrustStore, at: datetime, name: str | None = None
) -> Chain:
    """Verify a bundle as served, with its first certificate as the leaf; with a name, also whether it covers the name.

    Raises:
        ValueError: the bundle contains no certificate.
    """
    sent = tuple(bundle.certificates if isinstance(bundle, Bundle) else bundle)
    if not sent:
        raise ValueError("a chain without a certificate")
    leaf = sent[0]
    built = build_path(leaf, sent, trust, at)
    first = {each: place for place, each in reversed(tuple(enumerate(sent)))}
    duplicates = tuple(place for place, each in enumerate(sent) if first[each] != place)
    leaf_place = _leaf_place(sent)
    related = _related(sent, leaf_place)
    compared = range(1, min(len(sent), _MOST))
    unrelated = tuple(place for place in compared if place not in related and place not in duplicates)
    root_sent = next((place for place in sorted(related) if place and sent[place].self_signed), None)
    places = [first[each] for each in built.path if each in first]
    order_ok = leaf_place == 0 and places == sorted(places)
    if leaf_place:
        # Clients treat the first certificate as the leaf. Their verdict on that CA would only distract.
        own = tuple(each for each in built.reasons if each.kind != "no-server-auth")
        built = replace(built, verdict="untrusted", reasons=own)
    reasons = (
        *built.reasons,
        *_shape(sent, leaf_place, order_ok, unrelated, duplicates, root_sent),
        *_names(leaf, name),
    )
    refused = any(each.fatal and each.kind in ("name-mismatch", "oversized-chain") for each in reasons)
    if refused and built.verdict == "trusted":
        built = replace(built, verdict="untrusted")
    return Chain(leaf, sent, built, order_ok, leaf_place, unrelated, duplicates, root_sent, reasons)


def _leaf_place(sent: Sequence[Certificate]) -> int:
    """The place of the leaf: 0, or if the first certificate is a CA, the first one that is not a CA."""
    if not sent[0].is_ca:
        return 0
    others = (place for place, each in enumerate(sent[:_MOST]) if not each.is_ca)
    return next(others, 0)


def _related(sent: Sequence[Certificate], leaf_place: int) -> set[int]:
    """The places of all certificates that may be part of a path from the leaf."""
    by_subject: dict[tuple[object, ...], list[int]] = {}
    for place, each in enumerate(sent[:_MOST]):
        by_subject.setdefault(each.subject_dn.canonical, []).append(place)
    found = {leaf_place}
    todo = [leaf_place]
    while todo:
        child = sent[todo.pop()]
        for place in by_subject.get(child.issuer_dn.canonical, ()):
            if place not in found and verify(child, sent[place].public_key_der) is not False:
                found.add(place)
                todo.append(place)
    return found


def _shape(
    sent: Sequence[Certificate],
    leaf_place: int,
    order_ok: bool,
    unrelated: Sequence[int],
    duplicates: Sequence[int],
    root_sent: int | None,
) -> list[Reason]:
    found = []
    if leaf_place:
        text = (
            f'the leaf "{sent[leaf_place].subject_name}" is certificate number {leaf_place + 1}, but must be the first'
        )
        found.append(Reason("wrong-order", leaf_place, text))
    elif not order_ok:
        text = "the certificates are out of order: each must follow the one that it issued"
        found.append(Reason("wrong-order", None, text, fatal=False))
    found += _each_or_all("unrelated-certificate", [p for p in unrelated if p != leaf_place], sent, _UNRELATED)
    found += _each_or_all("duplicate-certificate", duplicates, sent, ("is sent twice", "are sent more than once"))
    size = 3 + sum(len(each.der) + 3 for each in sent)
    if size > _LONGEST:
        text = (
            f"OpenSSL clients reject more than {_LONGEST:,} bytes of certificates: "
            f"{len(sent)} certificates with {size:,} bytes are sent"
        )
        found.append(Reason("oversized-chain", None, text))
    if root_sent is not None:
        text = f'the root "{sent[root_sent].subject_name}" is sent; clients use only the roots in their own trust store'
        found.append(Reason("root-sent", root_sent, text, fatal=False))
    return found


_UNRELATED = ("is not part of the chain", "are not part of the chain")


def _each_or_all(
    kind: str, places: Sequence[int], sent: Sequence[Certificate], words: tuple[str, str]
) -> Iterator[Reason]:
    """One reason for each certificate; a single one for more than three."""
    names = [f'"{sent[place].subject_name}"' for place in places]
    if len(places) <= 3:
        for place, name in zip(places, names, strict=True):
            yield Reason(kind, place, f"{name} {words[0]}", fatal=False)
    else:
        text = f"{', '.join(names[:2])} and {len(names) - 2} more certificates {words[1]}"
        yield Reason(kind, places[0], text, fatal=False)


def _names(leaf: Certificate, name: str | None) -> list[Reason]:
    found = []
    if not leaf.is_ca and not leaf.sans:
        text = f'"{leaf.subject_name}" has no subject alternative name, and clients ignore the common name'
        found.append(Reason("no-subject-alt-name", 0, text, fatal=False))
    if name is not None:
        match = match_hostname(name, leaf)
        if not match.matches:
            found.append(Reason("name-mismatch", 0, match.reason))
    return found
