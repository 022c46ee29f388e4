"""Names in certificates: distinguished names as text and in OpenSSL's canonical form; host names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import cached_property
from nginxtls.base.secrets import hide
from nginxtls.pki import der
from nginxtls.pki.oids import name_of

_COMMON_NAME, _ORGANISATION = "2.5.4.3", "2.5.4.10"
# Encodings of string types; OpenSSL and browsers decode T.61 as Latin-1, too.
_CODECS = {0x0C: "utf-8", 0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}
_STRINGS = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E})


@dataclass(frozen=True)
class Name:
    """A distinguished name: its relative names, each a tuple of (attribute's OID, string tag, bytes)."""

    parts: tuple[tuple[tuple[str, int, bytes], ...], ...]

    @cached_property
    def text(self) -> str:
        """RFC 4514, most specific part first, as ``shown``."""
        return ",".join(
            "+".join(f"{name_of('attribute', oid)}={_escaped(hide(decode(tag, value)))}" for oid, tag, value in part)
            for part in reversed(self.parts)
        )

    def values(self, wanted: str) -> tuple[str, ...]:
        """The values of an attribute, as ``shown``."""
        return tuple(shown(decode(tag, value)) for part in self.parts for oid, tag, value in part if oid == wanted)

    @property
    def common_names(self) -> tuple[str, ...]:
        """The common names."""
        return self.values(_COMMON_NAME)

    @property
    def organisations(self) -> tuple[str, ...]:
        """The organisations."""
        return self.values(_ORGANISATION)

    @property
    def short(self) -> str:
        """The common name, organisation or whole name; empty for an empty name."""
        for values in (self.common_names, self.organisations):
            if values and values[-1]:
                return values[-1]
        return self.text

    @cached_property
    def canonical(self) -> tuple[object, ...]:
        """The canonical form, equal for names that OpenSSL considers equal (x509_name_canon in x_name.c)."""
        return tuple(frozenset((oid, _folded(tag, value)) for oid, tag, value in part) for part in self.parts)


@bounded(4096, 2_000_000)
def parse_name(data: bytes) -> Name:
    """A Name from its DER, tag included.

    Raises:
        der.DerError: it is not a name.
    """
    parts = []
    for tag, relative in der.elements(der.contents(data, der.SEQUENCE)):
        if tag != der.SET:
            raise der.DerError("invalid name")
        part = []
        for inner, pair in der.elements(relative):
            if inner != der.SEQUENCE:
                raise der.DerError("invalid name")
            fields = list(der.elements(pair))
            if len(fields) != 2 or fields[0][0] != der.OID:
                raise der.DerError("invalid name")
            part.append((der.oid(fields[0][1]), fields[1][0], fields[1][1]))
        parts.append(tuple(part))
    return Name(tuple(parts))


def decode(tag: int, value: bytes) -> str:
    """The text of a directory string; invalid bytes become U+FFFD."""
    return value.decode(_CODECS.get(tag, "utf-8"), "replace")


def printable(text: str) -> str:
    r"""The text with control, format and other unprintable characters written as \xNN or \uNNNN."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _code(each) for each in text)


def shown(text: str) -> str:
    """A text of a certificate for display: printable, and without a private key that somebody put there."""
    return printable(hide(text))


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _escaped(text: str) -> str:
    # RFC 4514 section 2.4.
    special = "".join("\\" + each if each in '\\,+"<>;' else each for each in text)
    if special[:1] in {" ", "#"}:
        special = "\\" + special
    if special.endswith(" ") and not special.endswith("\\ "):
        special = special[:-1] + "\\ "
    return printable(special)


def _folded(tag: int, value: bytes) -> object:
    if tag not in _STRINGS:
        return tag, value
    folded = decode(tag, value).encode("utf-8", "replace").translate(_LOWER).decode("utf-8")
    return " ".join(word for word in folded.split(" ") if word)


# OpenSSL folds the case of ASCII letters only, and runs of white space into one space.
_LOWER = bytes(byte + 32 if 65 <= byte <= 90 else 32 if byte in b"\t\n\v\f\r" else byte for byte in range(256))


_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


def valid_host(host: str) -> bool:
    """Whether a text is a valid host name: labels of 1 to 63 characters, at most 253 in total."""
    return len(host) <= 253 and _HOST.fullmatch(host) is not None
