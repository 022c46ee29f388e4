"""What has happened to a PEM file that OpenSSL cannot read: said in terms of who copied it, not of the parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"

_INDENTED = re.compile(rb"^[ \t]+-----(?:BEGIN|END) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file: a kind for programs, a message, and the line (from 1).

    Kinds: empty, not-pem, der, pkcs12, html, truncated, bad-base64, glued, blanks, escaped, indented, bom,
    not-a-certificate, key-in-file, trusted-certificate, too-big, key-only.
    """

    kind: str
    message: str
    line: int = 1


def what_happened(data: bytes, begin: int) -> Problem | None:
    """The damage of the block whose BEGIN is on line ``begin`` (from 1), where it is of a kind that copying causes.

    Newlines that have become blanks or the two characters ``\\n``, and lines that are indented: templates, YAML and
    environment variables do that (all measured: OpenSSL 1.1.1 to 3.6 reads none of them).
    """
    lines = data.split(b"\n")[begin - 1 :]
    for number, line in enumerate(lines, begin):
        if b"\\n" in line:
            return Problem("escaped", r"its newlines are the two characters \n", number)
        if number > begin and line.lstrip(b" \t") != line and line.lstrip().startswith(b"-----END "):
            return Problem("indented", "its END line is indented", number)
        bare = re.sub(rb"-----(?:BEGIN|END) [A-Z0-9 ]+-----", b"|", line.strip())
        if b" " in bare and re.fullmatch(rb"[A-Za-z0-9+/= \t|]+", bare):
            return Problem("blanks", "its newlines have become blanks", number)
        if number > begin and line.startswith(b"-----END "):
            return None
    return None


def why_unseen(data: bytes) -> Problem | None:
    """Why OpenSSL sees no block in a file with the word BEGIN; None if there is no such word."""
    at = data.find(b"-----BEGIN ")
    if at < 0:
        return None
    begin = data.count(b"\n", 0, at) + 1
    if damage := what_happened(data, begin):
        return damage
    if _INDENTED.search(data):
        return Problem("indented", "its BEGIN line is indented", begin)
    before = data[data.rfind(b"\n", 0, at) + 1 : at]
    if before == BOM:
        return Problem("bom", "a byte order mark is before its BEGIN, which OpenSSL 1.1.1 does not skip", begin)
    text = "the BEGIN line is not at the start of a line, or does not end with five hyphens"
    return Problem("glued", text, begin)
