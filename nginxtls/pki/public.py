"""Public CAs: the roots that Mozilla trusts, identified by their fingerprints (certifi)."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nginxtls.pki import Certificate

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


@cache
def _fingerprints() -> frozenset[str]:
    import certifi

    with open(certifi.where(), "rb") as bundle:
        return frozenset(hashlib.sha256(base64.b64decode(body)).hexdigest() for body in _BLOCK.findall(bundle.read()))


def is_public_root(certificate: Certificate) -> bool:
    """Whether a certificate is one of Mozilla's roots."""
    return certificate.sha256 in _fingerprints()
