"""A private key whose bytes must be in no output; seeds and finders have a mark in its place."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
CERTIFICATE = (ROOT / "fixtures/certificates/good.pem").read_text()

BODY = base64.b64encode(bytes.fromhex("308187020100") + b"".join(sha256(b"%d" % n).digest() for n in range(4))).decode()
"""The base64 of something that begins as a PKCS #8 key does and goes on as random bytes do."""
_LINES = [BODY[at : at + 64] for at in range(0, len(BODY), 64)]
PEM = "\n".join(("-----BEGIN PRIVATE KEY-----", *_LINES, "-----END PRIVATE KEY-----", ""))
FORMS = {
    b"@@KEY@@": PEM.replace("\n", "\\n").encode(),
    b"@@KEY:LINES@@": PEM.encode(),
    b"@@KEY:AFTER@@": (CERTIFICATE + PEM).replace("\n", "\\n").encode(),
    b"@@KEY:BEFORE@@": (PEM + CERTIFICATE).encode(),
    b"@@KEY:JOINED@@": PEM.replace("\n", "").encode(),
    b"@@KEY:RSA@@": PEM.replace("PRIVATE", "RSA PRIVATE").replace("\n", "\\n").encode(),
}
_MARK = re.compile(rb"@@KEY(?::[A-Z]+)?@@")
_BETWEEN = re.compile(r"\\+[nrtu]?|&#?\w+;|%0A|[\s\"'#|]")
_LENGTH, _STEP = 12, 8
_STRETCHES = [BODY[at : at + _LENGTH] for at in range(8, len(BODY) - _LENGTH, _STEP)]


def with_keys(data: bytes) -> bytes:
    """The input with the key in place of its marks."""
    return _MARK.sub(lambda mark: FORMS.get(mark.group(), mark.group()), data) if b"@@KEY" in data else data


def leaks(text: str) -> bool:
    """Whether 19 characters of the key in a row are in a text, whatever escapes and white space are between them."""
    solid = _BETWEEN.sub("", text)
    return any(stretch in solid for stretch in _STRETCHES)
