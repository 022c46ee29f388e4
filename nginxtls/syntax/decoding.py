"""From bytes to text: UTF-8, or another encoding with a remark; binary files are rejected."""

from __future__ import annotations

import codecs

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes) -> tuple[str | None, str]:
    """The text, line ends and byte order mark kept, and a remark; no text if the bytes are not text.

    nginx reads bytes: what is not UTF-8 is taken as Latin-1, where each byte is a character.
    """
    if content.startswith(_UTF16):
        return None, "it is UTF-16, which nginx cannot read; save it as UTF-8"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        if b"\0" in content[:8192]:
            return None, "a binary file"
        return content.decode("latin-1"), "it is not UTF-8; read as Latin-1"
    if "\0" in text:
        head = text[:1024]
        if len(head) > 3 and head[1::2].count("\0") > len(head) // 4:
            return None, "it is UTF-16, which nginx cannot read; save it as UTF-8"
        return None, "a binary file"
    return text, ""
