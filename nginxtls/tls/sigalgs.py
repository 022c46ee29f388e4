"""OpenSSL's lists of signature algorithms: which keys may sign with them.

After ``tls1_set_sigalgs_list`` and ``tls_choose_sigalg`` (ssl/t1_lib.c); tests/conformance compares with handshakes.
"""

from __future__ import annotations

from nginxtls.base.lazy import NamedTuple

from .levels import security_bits
from .negotiation import ServerKey
from .openssl import OpenSSL

_SIGNERS = {"RSA": "rsa_pkcs1", "RSA-PSS": "rsa_pss_rsae", "PSS": "rsa_pss_rsae", "ECDSA": "ecdsa", "DSA": "dsa"}
_HASH_BITS = {"sha224": 112, "sha256": 128, "sha384": 192, "sha512": 256}
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_CURVE_HASHES = {"P-256": "sha256", "P-384": "sha384", "P-521": "sha512"}
_CURVE_NAMES = {"prime256v1": "P-256", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_EDWARDS = {"ed25519": "Ed25519", "ed448": "Ed448"}


class SignatureAlgorithm(NamedTuple):
    """One algorithm: ``signer`` (``ecdsa``, ``rsa_pss_rsae``, ``rsa_pss_pss``, ``rsa_pkcs1``, ``dsa``, ``Ed25519`` …)
    and ``hash`` (empty where the signer has its own)."""

    signer: str
    hash: str

    def signs(self, key: ServerKey, protocol: str, level: int, openssl: OpenSSL) -> bool:
        """Whether a key may sign with it in TLS 1.2 or 1.3, at a security level."""
        if self.hash and self._bits(openssl) < security_bits(level):
            return False
        if key.kind in ("Ed25519", "Ed448"):
            return self.signer == key.kind
        if protocol == "TLSv1.3" and self.hash in ("sha1", "sha224"):
            return False
        if self.signer.startswith("brainpool"):
            return protocol == "TLSv1.3" and key.curve == self.signer
        if key.kind == "EC":
            curve = _CURVE_NAMES.get(key.curve or "", key.curve)
            fits = protocol == "TLSv1.2" or curve is None or _CURVE_HASHES.get(curve) == self.hash
            return self.signer == "ecdsa" and fits
        if key.kind == "RSA":
            return self.signer == "rsa_pss_rsae" or (self.signer == "rsa_pkcs1" and protocol == "TLSv1.2")
        return (key.kind, self.signer) in (("RSA-PSS", "rsa_pss_pss"), ("DSA", "dsa"))

    def _bits(self, openssl: OpenSSL) -> int:
        sha1 = 80 if openssl.version < (3, 0) else 63
        return _HASH_BITS.get(self.hash, sha1)


_NUMBERED = {2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_SIGNED_BY = {1: "rsa_pkcs1", 2: "dsa", 3: "ecdsa"}
_INTRINSIC = {
    0x0804: ("rsa_pss_rsae", "sha256"), 0x0805: ("rsa_pss_rsae", "sha384"), 0x0806: ("rsa_pss_rsae", "sha512"),
    0x0807: ("Ed25519", ""), 0x0808: ("Ed448", ""),
    0x0809: ("rsa_pss_pss", "sha256"), 0x080A: ("rsa_pss_pss", "sha384"), 0x080B: ("rsa_pss_pss", "sha512"),
    0x081A: ("brainpoolP256r1", "sha256"), 0x081B: ("brainpoolP384r1", "sha384"),
    0x081C: ("brainpoolP512r1", "sha512"),
}  # fmt: skip


def numbered(number: int) -> SignatureAlgorithm | None:
    """The algorithm of a number (IANA, TLS SignatureScheme); None if no key that is modelled signs with it."""
    if number in _INTRINSIC:
        return SignatureAlgorithm(*_INTRINSIC[number])
    hashed, signer = _NUMBERED.get(number >> 8), _SIGNED_BY.get(number & 0xFF)
    return SignatureAlgorithm(signer, hashed) if hashed and signer else None


def signature_algorithms(text: str) -> tuple[SignatureAlgorithm, ...] | None:
    """The algorithms of a list such as ``ECDSA+SHA256:rsa_pss_rsae_sha256``; None if a word of it is not known here."""
    found = [_read(word.removeprefix("?")) for word in text.split(":") if word]
    return None if not found or None in found else tuple(one for one in found if one is not None)


def _read(word: str) -> SignatureAlgorithm | None:
    signer, plus, hashed = word.partition("+")
    if plus:
        hashed = hashed.lower()
        known = signer in _SIGNERS and hashed in (*_HASH_BITS, "sha1")
        return SignatureAlgorithm(_SIGNERS[signer], hashed) if known else None
    name = word.lower()
    if name in _EDWARDS:
        return SignatureAlgorithm(_EDWARDS[name], "")
    signer, _, hashed = name.rpartition("_")
    if hashed not in (*_HASH_BITS, "sha1"):
        return None
    if signer in ("rsa_pss_rsae", "rsa_pss_pss", "rsa_pkcs1", "dsa", "ecdsa"):
        return SignatureAlgorithm(signer, hashed)
    curve = signer.removeprefix("ecdsa_")
    return SignatureAlgorithm("ecdsa", hashed) if signer.startswith("ecdsa_") and curve in _CURVES else None


_LONG = (
    "ed25519", "ed448", "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512",
    *(f"{signer}_{hashed}" for signer in ("rsa_pss_rsae", "rsa_pss_pss") for hashed in ("sha256", "sha384", "sha512")),
    *(f"rsa_pkcs1_{hashed}" for hashed in ("sha1", *_HASH_BITS)),
)  # fmt: skip
"""Names of algorithms that OpenSSL has always known, in lower case."""
_NEWER = (
    "ecdsa_sha1", "ecdsa_sha224", "mldsa44", "mldsa65", "mldsa87",
    *(f"dsa_{hashed}" for hashed in ("sha1", *_HASH_BITS)),
    *(f"ecdsa_brainpoolp{bits}r1{tls}_sha{bits}" for bits in (256, 384, 512) for tls in ("", "tls13")),
)  # fmt: skip
"""Names that 3.0 does not know and 3.5 knows."""
_BY_BUILD = ("gost", "sm2")
"""How names begin that some builds know."""


def is_bad(text: str, openssl: OpenSSL) -> bool:
    """Whether OpenSSL refuses a list, as measured on 3.0, 3.5 and 3.6; what a version between does may be open.

    Up to 3.0 a name has its very letters, and none is in the list twice. From 3.3 on names with ``?`` may be unknown.
    """
    words = text.split(":")
    if openssl.version < (3, 1) and len({*map(_read, words)} - {None}) < len([w for w in words if _read(w)]):
        return True
    return all(word.startswith("?") for word in words) or any(_is_bad(word, openssl) for word in words)


def _is_bad(word: str, openssl: OpenSSL) -> bool:
    if word.startswith("?"):
        return openssl.version < (3, 3)
    if word.lower().startswith(_BY_BUILD):
        return False
    old = openssl.version < (3, 1)
    signer, plus, hashed = word.partition("+")
    if plus:
        known = signer in _SIGNERS or (signer.upper() in _SIGNERS and not old)
        return not known or hashed.lower() not in ("sha1", *_HASH_BITS)
    if old:
        return word not in _LONG
    return word.lower() not in (*_LONG, *_NEWER)
