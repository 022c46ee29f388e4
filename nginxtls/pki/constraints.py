"""Name constraints of CAs (RFC 5280 section 4.2.1.10), as OpenSSL applies them (crypto/x509/v3_ncons.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nginxtls.pki.certificate import Certificate
from nginxtls.pki.extensions import Constraints, GeneralName

# OpenSSL stops at 2**20 comparisons; no real certificate needs a tenth of that.
TOO_MANY = 2**17
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+")
_EMAIL = "1.2.840.113549.1.9.1"


def violation(certificate: Certificate, constraints: Constraints, *, leaf: bool) -> str | None:
    """The first name of the certificate that the constraints of a CA above it do not permit; None if there is none."""
    names = list(_names(certificate, leaf=leaf))
    if len(names) * (len(constraints.permitted) + len(constraints.excluded)) > TOO_MANY:
        return "there are more names and constraints than clients compare"
    for name in names:
        same = [tree for tree in constraints.permitted if tree.kind == name.kind]
        shown = f"{name.kind} {name.value}"
        try:
            if same and not any(_within(name, tree) for tree in same):
                return f"{shown} is not among the permitted names ({', '.join(_shown(tree) for tree in same[:3])})"
            for tree in constraints.excluded:
                if tree.kind == name.kind and _within(name, tree):
                    return f"{shown} is among the excluded names ({_shown(tree)})"
        except ValueError as error:
            return f"{shown}: {error}"
    return None


def _names(certificate: Certificate, *, leaf: bool) -> Iterator[GeneralName]:
    dn = certificate.subject_dn
    if dn.parts:
        yield GeneralName("directory", dn.text, b"", dn)
    for email in dn.values(_EMAIL):
        yield GeneralName("email", email, email.encode())
    alternatives = certificate.alternative_names or ()
    yield from alternatives
    if leaf and not any(each.kind == "dns" for each in alternatives):
        # Old clients use the common name as a host name, so OpenSSL applies the constraints to it, too.
        for common in dn.common_names:
            if _HOST.fullmatch(common):
                yield GeneralName("dns", common, common.encode())


def _shown(tree: GeneralName) -> str:
    if tree.kind != "ip":
        return tree.value or "none"
    from ipaddress import ip_address

    half = len(tree.raw) // 2
    try:
        return f"{ip_address(tree.raw[:half])}/{ip_address(tree.raw[half:])}"
    except ValueError:
        return tree.raw.hex()


def _within(name: GeneralName, tree: GeneralName) -> bool:
    if name.kind == "dns":
        return _in_domain(name.raw.lower(), tree.raw.lower())
    if name.kind == "ip":
        if len(tree.raw) not in {8, 32} or len(name.raw) not in {4, 16}:
            raise ValueError("the address has the wrong length")
        half = len(tree.raw) // 2
        if len(name.raw) != half:
            return False
        return all((a ^ b) & mask == 0 for a, b, mask in zip(name.raw, tree.raw[:half], tree.raw[half:], strict=True))
    if name.kind == "directory":
        assert name.name
        assert tree.name
        return name.name.canonical[: len(tree.name.parts)] == tree.name.canonical
    if name.kind == "email":
        return _email(name.raw, tree.raw)
    if name.kind == "uri":
        return _uri(name.raw, tree.raw)
    raise ValueError("constraints on this type of name are not supported")


def _in_domain(host: bytes, domain: bytes) -> bool:
    if not domain:
        return True
    if not host.endswith(domain):
        return False
    return len(host) == len(domain) or domain[:1] == b"." or host[-len(domain) - 1 : -len(domain)] == b"."


def _email(address: bytes, base: bytes) -> bool:
    local, at, host = address.rpartition(b"@")
    if not at:
        raise ValueError("the mail address has no @")
    if base.startswith(b"."):
        return host.lower().endswith(base.lower())
    base_local, base_at, base_host = base.rpartition(b"@")
    if base_at and base_local and base_local != local:
        return False
    return host.lower() == base_host.lower()


def _uri(address: bytes, base: bytes) -> bool:
    _, found, rest = address.partition(b"://")
    if not found:
        raise ValueError("the URI has no host")
    host = re.split(rb"[:/]", rest, maxsplit=1)[0].lower()
    base = base.lower()
    return host.endswith(base) if base.startswith(b".") else host == base
