"""Cipher suites as data: names, numbers, algorithms, and which OpenSSL has which."""

from __future__ import annotations

from functools import cache

from nginxtls.base.data import read_data
from nginxtls.base.lazy import NamedTuple

#: The protocol versions, oldest first, in nginx's and OpenSSL's spelling.
PROTOCOLS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SPOKEN_IN = {since: PROTOCOLS[at:-1] or (since,) for at, since in enumerate(PROTOCOLS)}
"""The versions that can use a suite, by the oldest one: suites of TLS 1.3 are for TLS 1.3 alone."""

_FORWARD_SECRET = frozenset({"DHE", "ECDHE", "DHE-PSK", "ECDHE-PSK", "any"})


class Suite(NamedTuple):
    """A cipher suite.

    ``protocol`` is the oldest protocol version it works with. ``key_exchange`` is RSA, DHE, ECDHE, DHE-PSK, ECDHE-PSK,
    RSA-PSK, PSK, SRP, a static one (DH-RSA, ECDH-ECDSA, ...) or, in TLS 1.3, any; ``authentication``, ``encryption``
    and ``mac`` are in the words of ``openssl ciphers -v``. ``bits`` is the key's length, ``strength_bits`` what OpenSSL
    counts for its security level, which for CCM_8 is 64 from 3.2 on. ``flags`` are OpenSSL's classes: HIGH, MEDIUM,
    LOW, EXPORT, FIPS, NOT_DEFAULT.
    """

    number: int
    name: str
    iana: str
    protocol: str
    key_exchange: str
    authentication: str
    encryption: str
    bits: int
    strength_bits: int
    mac: str
    flags: frozenset[str]
    aead: bool
    forward_secrecy: bool

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocol versions that can use it, oldest first."""
        return _SPOKEN_IN[self.protocol]

    @property
    def anonymous(self) -> bool:
        """Whether the server is not authenticated."""
        return self.authentication == "None"

    @property
    def cbc(self) -> bool:
        """Whether it encrypts in CBC mode, MAC before encryption."""
        return not self.aead and self.encryption not in ("RC4", "None")

    def __str__(self) -> str:
        return self.iana


def read_table(name: str) -> list[list[str]]:
    """The rows of a table of this package, without comments and heading."""
    text = read_data("nginxtls.tls", name)
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return rows[1:]


@cache
def _rows() -> tuple[tuple[Suite, frozenset[str]], ...]:
    out = []
    for number, name, iana, protocol, kx, auth, enc, bits, strength, mac, flags, builds in read_table("suites.tsv"):
        suite = Suite(
            int(number, 16), name, iana, protocol, kx, auth, enc, int(bits), int(strength), mac,
            _set(flags, ","), mac == "AEAD", kx in _FORWARD_SECRET,
        )  # fmt: skip
        out.append((suite, _set(builds, " ")))
    return tuple(out)


@cache
def _set(text: str, separator: str) -> frozenset[str]:
    return frozenset() if text == "-" else frozenset(text.split(separator))


@cache
def compiled(builds: frozenset[str]) -> tuple[Suite, ...]:
    """The suites of a build (``OpenSSL.builds``), TLS 1.3's included, by number."""
    return tuple(suite for suite, having in _rows() if having & builds)


@cache
def _by_name() -> dict[str, Suite]:
    out: dict[str, Suite] = {}
    for suite, _ in _rows():  # rows of one suite are sorted oldest first: the newest wins
        out[suite.name] = out[suite.iana] = suite
    return out


def suite(name: str) -> Suite | None:
    """The suite of this OpenSSL or IANA name (case matters), even if no build has it any more; else None."""
    return _by_name().get(name)


def suites() -> tuple[Suite, ...]:
    """Every suite known here, by number."""
    return tuple({suite.number: suite for suite, _ in _rows()}.values())


def draft_tls13_suite(word: str) -> str | None:
    """The IANA name of a TLS 1.3 suite that is written as drafts of OpenSSL 1.1.1 had it (``TLS13-AES-128-GCM-SHA256``,
    ``TLS-AES-128-GCM-SHA256``); None for any other word."""
    prefix, _, rest = word.partition("-")
    if prefix not in ("TLS13", "TLS") or not rest:
        return None
    named = suite(f"TLS_{rest.replace('-', '_')}")
    return named.iana if named is not None and named.protocol == "TLSv1.3" else None
