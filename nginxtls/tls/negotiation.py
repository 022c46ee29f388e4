"""What a server can negotiate: the suites of each protocol version that its keys, groups and security level leave.

After ``ssl_set_masks``, ``ssl3_choose_cipher`` (ssl/s3_lib.c, ssl/ssl_lib.c) and tls_choose_sigalg (ssl/t1_lib.c) of
each generation; tests/conformance/test_negotiation.py compares with handshakes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from nginxtls.base.lazy import NamedTuple

from .ciphers import Evaluation, servable
from .groups import GroupList, evaluate_groups
from .levels import ec_bits, protocol_allowed, rsa_bits, security_bits, suite_allowed
from .openssl import OpenSSL
from .suites import PROTOCOLS, Suite

_NIST_CURVES = frozenset({"prime256v1", "secp256r1", "P-256", "secp384r1", "P-384", "secp521r1", "P-521"})


class ServerKey(NamedTuple):
    """The key of a server's certificate.

    ``kind`` is RSA, RSA-PSS (a key that may only sign so), EC, Ed25519, Ed448, DSA or unknown; ``bits`` its size (of an
    EC key the field's), ``curve`` an EC key's curve in OpenSSL's or IANA's spelling.
    """

    kind: str
    bits: int | None
    curve: str | None = None

    @property
    def security_bits(self) -> int | None:
        """Its strength as security levels count it; None if the size is unknown."""
        if self.kind in ("Ed25519", "Ed448"):
            return 128 if self.kind == "Ed25519" else 224
        if self.bits is None:
            return None
        return ec_bits(self.bits) if self.kind == "EC" else rsa_bits(self.bits)

    def allowed(self, level: int) -> bool:
        """Whether a security level lets the key through; one of unknown size is assumed to fit."""
        bits = self.security_bits
        return bits is None or bits >= security_bits(level)

    def authenticates(self, protocol: str, level: int, openssl: OpenSSL) -> frozenset[str]:
        """The authentications of TLS 1.2 and older suites that this key can serve in a version; for TLS 1.3 ``any``."""
        if protocol == "TLSv1.3":
            return frozenset({"any"}) if self._signs_tls13(openssl) else frozenset()
        tls12 = protocol == "TLSv1.2"
        # Before 1.2 ECDSA and DSA sign with SHA-1, which has 80 bits; 1.1.1 counts MD5 with SHA-1, for RSA, as 144.
        sha1 = tls12 or security_bits(level) <= 80
        served = {
            "RSA": {"RSA"},
            "RSA-PSS": {"RSA"} if tls12 else set(),
            "EC": {"ECDSA"} if sha1 and self._known_to(openssl) else set(),
            "Ed25519": {"ECDSA"} if tls12 else set(),
            "Ed448": {"ECDSA"} if tls12 else set(),
            "DSA": {"DSS"} if sha1 else set(),
        }.get(self.kind, set())
        return frozenset(served)

    def _known_to(self, openssl: OpenSSL) -> bool:
        """Whether the curve is a group of this OpenSSL's TLS: what 4.0 has no more it cannot serve (RFC 8422)."""
        return self.curve is None or openssl.version < (4, 0) or not evaluate_groups(self.curve, openssl).error

    def _signs_tls13(self, openssl: OpenSSL) -> bool:
        if self.kind == "EC":
            brainpool = (self.curve or "").startswith("brainpool") and openssl.version >= (3, 2)
            return self.curve is None or self.curve in _NIST_CURVES or brainpool
        return self.kind in ("RSA", "RSA-PSS", "Ed25519", "Ed448")


def without_ciphers(
    *, evaluation: Evaluation, ciphersuites: Iterable[Suite], protocols: Collection[str], level: int, openssl: OpenSSL
) -> str | None:
    """The protocol version for which OpenSSL finds no suite at all before it answers; None if there is a suite.

    It wants one for the highest version of the lowest contiguous range of versions, whatever the client offers
    (tls_setup_handshake in ssl/statem/statem_lib.c), else every handshake ends with ``no ciphers available``.
    """
    # Up to 3.4 levels are not looked at here as later in the handshake (measured: 3.0 as 1.1.1, 3.5 and 3.6 as later).
    counted = openssl if openssl.version >= (3, 5) else OpenSSL.parse("1.1.1")
    usable = [p for p in PROTOCOLS[2:] if p in protocols and protocol_allowed(p, level, counted)]
    if not usable:
        return None
    highest = PROTOCOLS.index(usable[0])
    while highest + 1 < len(PROTOCOLS) and PROTOCOLS[highest + 1] in usable:
        highest += 1
    if PROTOCOLS[highest] == "TLSv1.3":
        # Those of TLS 1.2 do not count for 1.3.
        return None if list(ciphersuites) else "TLSv1.3"
    fits = any(PROTOCOLS.index(s.protocol) <= highest for s in evaluation.suites)
    return None if fits else PROTOCOLS[highest]


def negotiable(
    *,
    keys: Iterable[ServerKey],
    evaluation: Evaluation,
    ciphersuites: Iterable[Suite],
    protocols: Collection[str],
    level: int,
    dhparam_bits: int | None,
    openssl: OpenSSL,
    groups: GroupList,
    version_level: int | None = None,
) -> dict[str, tuple[Suite, ...]]:
    """The suites that some client can get, by protocol version, oldest first, in the server's order.

    Versions without any are left out. The order is the one that counts if the server prefers its own; else each
    client's counts and the set is the same. ``dhparam_bits`` is the size of the DH parameters, None without: then
    DHE is not served before OpenSSL 4.0, which negotiates the finite fields among the groups, too (RFC 7919). Clients
    are taken to support everything. Static DH and ECDH, PSK and SRP are never served. ``version_level`` is the security
    level at which the version is chosen, where that is another one.
    """
    at = level if version_level is None else version_level
    usable = [key for key in keys if key.allowed(level)]
    enough = security_bits(level)
    strong = [g for g in groups.groups if g.bits >= enough]
    # Not even level 0 takes DH parameters of less than 80 bits of security.
    dhe = dhparam_bits is not None and rsa_bits(dhparam_bits) >= max(enough, 80)
    out: dict[str, tuple[Suite, ...]] = {}
    for protocol in PROTOCOLS[2:]:
        if protocol not in protocols or not protocol_allowed(protocol, at, openssl):
            continue
        authentications = frozenset[str]().union(*(key.authenticates(protocol, level, openssl) for key in usable))
        if protocol == "TLSv1.3":
            modern = tuple(s for s in ciphersuites if suite_allowed(s, level))
            if modern and authentications and openssl.version >= (1, 1, 1) and any(g.tls13 for g in strong):
                out[protocol] = modern
            continue
        exchanges = set()
        if any(key.kind == "RSA" for key in usable):
            exchanges.add("RSA")
        if any(g.tls12 and not g.finite_field for g in strong):
            exchanges.add("ECDHE")
        if dhe or any(g.tls12 and g.finite_field for g in strong):
            exchanges.add("DHE")
        authentications |= {"None"}
        version = PROTOCOLS.index(protocol)
        found = tuple(
            s
            for s in evaluation.suites
            if s.key_exchange in exchanges
            and s.authentication in authentications
            and PROTOCOLS.index(s.protocol) <= version
            and servable(s)
            and suite_allowed(s, level)
        )
        if found:
            out[protocol] = found
    return out
