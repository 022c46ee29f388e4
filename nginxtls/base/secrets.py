"""Key material in a text, hidden before anything reads it: private keys, inline keys, PINs and passwords of tokens.

A file's text is hidden once, where ``SourceFile`` is made, so that neither a directive's arguments nor a line of source
has any of it. Each hidden character is one ``*``: words, lines and columns stay where they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nginxtls.base.lazy import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "*"
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

_SUSPECT = pattern(r"-----BEGIN|data:|(?:pin|pass|secret)[\w-]{0,20}=|[A-Za-z0-9+/]{40}", re.IGNORECASE)
_BLOCK = pattern(r"-----BEGIN ([A-Z0-9 ]*)-----")
_PUBLIC = re.compile(r"CERTIFICATE|PUBLIC KEY|CRL|PARAMETERS|PKCS7|CMS|OCSP")
_GAP = r"(?:[\s\"'#;>|]|\\[nrt])"
_BODY = pattern(rf"{_GAP}*(?:[A-Za-z0-9+/=]{{16,}}{_GAP}+)*[A-Za-z0-9+/=]*")
"""The base64 lines of a block that has no end."""
_INLINE = pattern(
    r"""certificate_key\s+(?:"data:((?:[^"\\]|\\.)*)|'data:((?:[^'\\]|\\.)*)|data:((?:[^\s;\\]|\\.)*))""", re.DOTALL
)
_URI = pattern(r"(?:pin|pass|secret)[\w-]{0,20}=([^\s;&?\"'{}#\\]+)", re.IGNORECASE)
_VARIABLE = pattern(r"\$\{?(\w+)\}?")
_RUN = pattern(
    rf"(?<![\w.$/+-])[A-Za-z0-9+][A-Za-z0-9+/]{{39,}}={{0,2}}(?![\w.$:/+-])"
    rf"(?:{_GAP}+[A-Za-z0-9+/]{{12,}}={{0,2}}(?![\w.$:-]))*"
)
"""Base64 without a header, as a variable may have it; a path begins with a slash or has a dot."""
_SECRET = pattern(r"\\[nrt]|\$\{?\w+\}?|-----(?:BEGIN|END)[A-Z0-9 ]*-----|[A-Za-z0-9+/=]+")
_LONGEST = 200_000
"""No key is longer, in characters."""


_RUN_40 = b"a" * 40
_BASE64 = bytes(ord("a") if chr(code) in _ALPHABET else ord(" ") for code in range(256))


def _may_be_suspect(text: str) -> bool:
    """What ``_SUSPECT`` asks, answered sooner for most texts: its search takes longer than parsing the file."""
    if not text.isascii():
        return True
    lower = text.lower()
    if "-----begin" in lower or "data:" in lower or _RUN_40 in text.encode("ascii").translate(_BASE64):
        return True
    at = lower.find("=")
    while at >= 0:
        before = lower[max(0, at - 26) : at]  # the longest word and what may follow it
        if "pin" in before or "pass" in before or "secret" in before:
            return True
        at = lower.find("=", at + 1)
    return False


def hide(text: str) -> str:
    """The text with its key material hidden, of the same length; the text itself if there is none."""
    if not _may_be_suspect(text) or not _SUSPECT.search(text):
        return text
    parts: list[str] = []
    position = 0
    for start, end, exact in sorted(_places(text)):
        start = max(start, position)
        if start >= end:
            continue
        found = text[start:end]
        parts += text[position:start], HIDDEN * len(found) if exact else _SECRET.sub(_stars, found)
        position = end
    return "".join((*parts, text[position:])) if parts else text


def hide_in_data(data: Any) -> Any:
    """Data of a file (as YAML or JSON has it) with the key material of every text hidden."""
    if isinstance(data, str):
        return hide(data)
    if isinstance(data, dict):
        return {hide_in_data(key): hide_in_data(value) for key, value in data.items()}
    return [hide_in_data(item) for item in data] if isinstance(data, list) else data


def hide_in(text: str, hidden: str, shown: str) -> str:
    """Hide in ``shown``, a text of the same length with some of it blank, what ``hidden`` hides of ``text``."""
    if hidden is text:
        return shown
    return "".join(h if h != t else s for t, h, s in zip(text, hidden, shown, strict=True))


def _stars(match: re.Match[str]) -> str:
    found = match.group()
    return found if found[0] in "\\$-" else HIDDEN * len(found)


def _places(text: str) -> Iterator[tuple[int, int, bool]]:
    """Offsets of what is to be hidden: whole, or what is base64 in it."""
    public: list[tuple[int, int]] = []
    for block in _BLOCK.finditer(text):
        start = block.end()
        following = _BLOCK.search(text, start)
        end = text.find(f"-----END {block[1]}-----", start, following.start() if following else start + _LONGEST)
        if _PUBLIC.search(block[1]):
            if end > 0:
                public.append((start, end))
        elif end > 0:
            yield start, end, False
        else:
            body = _BODY.match(text, start)
            if body:
                yield start, body.end(), False
    for uri in _URI.finditer(text):
        if not uri[1].startswith("$"):
            yield *uri.span(1), True
    names: set[str] = set()
    for inline in _INLINE.finditer(text):
        start, end = inline.span(inline.lastindex or 0)
        names |= {name[1] for name in _VARIABLE.finditer(text, start, end)}
        yield from _private(start, end, public)
    yield from _values(text, names)
    for run in _RUN.finditer(text):
        word = run.group()
        if any(c.isupper() for c in word) and any(c.islower() for c in word) and any(c.isdigit() for c in word):
            yield from _private(*run.span(), public)


def _private(start: int, end: int, public: list[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """What of a stretch is not in a block with a certificate or a public key."""
    for left, right in public:
        if left < end and start < right:
            if start < left:
                yield start, left, False
            start = right
    if start < end:
        yield start, end, False


def _values(text: str, names: set[str]) -> Iterator[tuple[int, int, bool]]:
    """The values of variables of which an inline key consists, in this text."""
    done: set[str] = set()
    while names - done and len(done) < 100:
        name = (names - done).pop()
        done.add(name)
        word = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;]+)"""
        block = rf"(?:map|geo|split_clients)\s[^{{}};]{{0,200}}\$\{{?{name}\}}?"
        block += r"\s*(\{(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^}\"'])*)"
        for value in re.finditer(rf"set\s+\$\{{?{name}\}}?\s+{word}|{block}", text, re.DOTALL):
            start, end = value.span(value.lastindex or 0)
            names |= {other[1] for other in _VARIABLE.finditer(text, start, end)}
            if value.lastindex == 1:
                yield start, end, False
            else:
                for quoted in re.finditer(
                    r"""\s("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;{}]+)\s*;""", text[start:end], re.DOTALL
                ):
                    yield start + quoted.start(1), start + quoted.end(1), False
