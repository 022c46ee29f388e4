"""OpenSSL's security levels: what each permits.

After SSL_CTX_set_security_level(3) and ssl_security_default_callback (ssl/ssl_cert.c) of each generation.
"""

from __future__ import annotations

from .openssl import OpenSSL
from .suites import Suite

# Bits of security that each level requires.
_BITS = (0, 80, 112, 128, 192, 256)


def security_bits(level: int) -> int:
    """The bits of security that a level requires; levels above 5 are as 5."""
    return _BITS[max(0, min(level, 5))]


def suite_allowed(suite: Suite, level: int) -> bool:
    """Whether a suite is usable at a level, whatever keys there are."""
    if level <= 0:
        return True
    bits = security_bits(level)
    if suite.strength_bits < bits or suite.anonymous or suite.mac == "MD5":
        return False
    if (bits > 160 and suite.mac == "SHA1") or (level >= 2 and suite.encryption == "RC4"):
        return False
    return level < 3 or suite.protocol == "TLSv1.3" or suite.key_exchange in ("DHE", "ECDHE")


def protocol_allowed(protocol: str, level: int, openssl: OpenSSL) -> bool:
    """Whether a protocol version is usable at a level.

    OpenSSL 3.0 requires level 0 for TLS 1.0 and 1.1; 1.1.1 disables SSL 3 from level 2 on, TLS 1.0 from 3, TLS 1.1 from
    4; 4.0 has no SSL 3.
    """
    if protocol in ("SSLv2", "SSLv3") and openssl.version >= (4, 0):
        return False
    if protocol in ("TLSv1.2", "TLSv1.3") or level <= 0:
        return True
    if openssl.version >= (3, 0):
        return False
    return level < {"SSLv3": 2, "TLSv1": 3, "TLSv1.1": 4}.get(protocol, 0)


def rsa_bits(bits: int) -> int:
    """Bits of security of an RSA, DSA or DH key, as far as levels distinguish them (NIST SP 800-57, table 2)."""
    for size, security in ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80)):
        if bits >= size:
            return security
    return 0


def ec_bits(bits: int) -> int:
    """Bits of security of an elliptic curve key of so many bits."""
    for size, security in ((512, 256), (384, 192), (256, 128), (224, 112), (160, 80)):
        if bits >= size:
            return security
    return bits // 2
