"""Whether a certificate covers a host name or address (RFC 9525): only alternative names, one label per wildcard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from unicodedata import normalize

from nginxtls.base.bounded import bounded
from nginxtls.pki.certificate import Certificate, SubjectAltName
from nginxtls.pki.names import printable, valid_host


@dataclass(frozen=True, slots=True)
class NameMatch:
    """``by`` is the matching alternative name, ``nearest`` the most similar one if none matches, ``reason`` a text."""

    matches: bool
    by: SubjectAltName | None
    nearest: SubjectAltName | None
    reason: str


def match_hostname(name: str, certificate: Certificate) -> NameMatch:
    """Compare a host name (as Unicode or in its ASCII form) or IP address with a certificate's names."""
    address = _address(name)
    if address is not None:
        return _match_address(address, certificate)
    shown = printable(name)
    wanted = ascii_host(name)
    if wanted is None:
        return NameMatch(False, None, None, f"{shown} is not a host name")
    for san in certificate.sans:
        if san.kind == "dns" and covers(san.value, wanted):
            return NameMatch(
                True, san, None, f"{san.value} is {shown}" if san.value == wanted else f"{san.value} covers {shown}"
            )
    candidates = [san for san in certificate.sans if san.kind == "dns"]
    if not candidates:
        return NameMatch(False, None, None, _without_names(certificate, shown))
    nearest = max(candidates, key=lambda san: _likeness(san.value, wanted))
    return NameMatch(False, None, nearest, _why_not(nearest.value, wanted, shown))


def covers(pattern: str, host: str) -> bool:
    """Whether a DNS name of a certificate matches a host name in ASCII: equal, or one label for a leading ``*``."""
    pattern, host = pattern.lower(), host.lower()
    if "*" not in pattern:
        return pattern == host and valid_host(host)
    first, _, rest = pattern.partition(".")
    label, _, parent = host.partition(".")
    # OpenSSL and browsers reject a wildcard directly below a top-level domain (*.com).
    return first == "*" and "." in rest and "*" not in rest and rest == parent and valid_host(host) and bool(label)


def covered(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    """The names of a certificate as (kind, value), in the form in which ``covering`` lists those that cover a host."""
    return tuple((san.kind, san.value.lower() if san.kind == "dns" else san.value) for san in certificate.sans)


def covering(name: str) -> tuple[tuple[str, str], ...]:
    """The names of certificates, as (kind, value), that cover a host name or IP address.

    For many names and many certificates: ``match_hostname`` compares one with one, and says why it does not match.
    """
    address = _address(name)
    if address is not None:
        return (("ip", address),)
    wanted = ascii_host(name)
    if wanted is None:
        return ()
    return tuple(("dns", each) for each in (wanted, f"*.{wanted.partition('.')[2]}") if covers(each, wanted))


@bounded(4096, 200_000)
def ascii_host(name: str) -> str | None:
    """The ASCII form in lower case, without a trailing dot; None if it is not a host name."""
    host = name.removesuffix(".")
    if not host:
        return None
    if not host.isascii():
        try:
            host = ".".join(_ascii_label(label) for label in _DOTS.sub(".", host).split("."))
        except UnicodeError:
            return None
        host = host.removesuffix(".")
    host = host.lower()
    return host if valid_host(host) else None


# The dots of RFC 3490 section 3.1, and the characters that Python's IDNA (2003) loses and that all browsers keep
# (IDNA 2008; UTS #46 section 2.3 without transitional processing).
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_KEPT = re.compile("[\u00df\u03c2]")
# The ASCII form has at least as many characters; encoding a long one takes quadratic time.
_LONGEST = 63


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > _LONGEST:
        raise UnicodeError("longer than any label")
    # Character by character, because `lower` maps a capital sigma at the end of a word to another letter.
    lower = normalize("NFKC", "".join(each.lower() for each in label))
    # It must be a valid label without these characters, too.
    whole = _KEPT.sub("s", lower).encode("idna").decode("ascii")
    return f"xn--{lower.encode('punycode').decode('ascii')}" if _KEPT.search(lower) else whole


def _address(name: str) -> str | None:
    if not (name[:1].isdigit() or ":" in name):
        return None
    try:
        return str(ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name))
    except ValueError:
        return None


def _match_address(address: str, certificate: Certificate) -> NameMatch:
    for san in certificate.sans:
        if san.kind == "ip" and san.value == address:
            return NameMatch(True, san, None, f"{san.value} is listed as an address")
    as_name = next((san for san in certificate.sans if san.kind == "dns" and san.value == address), None)
    if as_name:
        return NameMatch(
            False, None, as_name, f"the certificate lists {address} as a DNS name instead of an IP address"
        )
    if not certificate.sans:
        return NameMatch(False, None, None, _without_names(certificate, address))
    addresses = [san for san in certificate.sans if san.kind == "ip"]
    nearest = max(addresses, key=lambda san: _common(san.value, address), default=certificate.sans[0])
    named = f"the closest one is {nearest}" if addresses else f"it lists no addresses, only {nearest}"
    return NameMatch(False, None, nearest, f"the certificate does not cover the address {address}; {named}")


def _common(one: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _without_names(certificate: Certificate, shown: str) -> str:
    if certificate.sans:
        return f"the certificate lists no host names and does not cover {shown}"
    common = certificate.common_names
    more = f"; clients ignore the common name ({common[-1]})" if common else ""
    return f"the certificate has no subject alternative names{more}"


def _likeness(pattern: str, wanted: str) -> tuple[int, int, int]:
    ours, theirs = wanted.split(".")[::-1], pattern.lower().split(".")[::-1]
    common = 0
    for a, b in zip(ours, theirs, strict=False):
        if a != b:
            break
        common += 1
    # A wildcard directly below the common part explains the mismatch best.
    return common, int(theirs[common:] == ["*"]), -abs(len(ours) - len(theirs))


def _why_not(pattern: str, wanted: str, shown: str) -> str:
    lower = pattern.lower()
    if lower.startswith("*."):
        parent = lower[2:]
        if "." not in parent:
            return f"{pattern} matches nothing: clients reject a wildcard directly below a top-level domain"
        if wanted == parent:
            return f"{pattern} does not match {shown}: a wildcard matches exactly one label, not zero"
        if wanted.endswith("." + parent):
            return f"{pattern} does not match {shown}: a wildcard matches exactly one label"
    elif "*" in lower:
        return f"{pattern} matches nothing: a wildcard must be the whole first label"
    if lower.endswith("."):
        return f"{pattern} matches nothing: a name in a certificate must not end with a dot"
    return f"the certificate does not cover {shown}; the closest name is {pattern}"
