"""The values of Strict-Transport-Security and Alt-Svc as browsers read them."""

from __future__ import annotations

import re

from nginxtls.base.lazy import NamedTuple, pattern

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf"[ \t]*;[ \t]*(?:{_TOKEN}[ \t]*=[ \t]*(?:{_TOKEN}|{_QUOTED}))?"
_ALTERNATIVE = pattern(
    rf"(?P<protocol>{_TOKEN})=(?P<authority>{_QUOTED})(?P<parameters>(?:{_PARAMETER})*)[ \t]*(?:,[ \t,]*|$)"
)
_AUTHORITY = pattern(r"(?P<host>[^:\[\]]*|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_ESCAPED = pattern(r"%([0-9A-Fa-f]{2})")


class Alternative(NamedTuple):
    """An alternative of Alt-Svc: ALPN ``protocol``, ``host`` (empty: the same), ``port``, ``parameters`` by name."""

    protocol: str
    host: str
    port: int
    parameters: dict[str, str]


def alt_svc(value: str) -> tuple[Alternative, ...] | None:
    """The alternatives of an Alt-Svc value, none for ``clear``; None if it is malformed, so that browsers ignore it.

    RFC 7838, section 3: ``,`` is between alternatives, ``;`` before each parameter, the authority is in quotes. As
    Chromium, it accepts blanks around ``=`` of a parameter, and a ``;`` without one (spdy_alt_svc_wire_format.cc).
    """
    text = value.strip(" \t,")
    if text == "clear":
        return ()
    found: list[Alternative] = []
    place = 0
    while place < len(text):
        match = _ALTERNATIVE.match(text, place)
        authority = _AUTHORITY.fullmatch(_unquoted(match["authority"])) if match else None
        if match is None or authority is None or not 0 < int(authority["port"]) < 65536:
            return None
        parameters = re.findall(rf";[ \t]*({_TOKEN})[ \t]*=[ \t]*({_TOKEN}|{_QUOTED})", match["parameters"])
        protocol = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), match["protocol"])
        found.append(
            Alternative(
                protocol, authority["host"], int(authority["port"]), {key: _unquoted(text) for key, text in parameters}
            )
        )
        place = match.end()
    return tuple(found) or None


def hsts(value: str) -> dict[str, str] | None:
    """The directives of a Strict-Transport-Security value by name in lower case; None if browsers ignore it.

    RFC 6797, section 6.1: ``;`` between directives, none twice, ``max-age`` with a number of seconds.
    """
    found: dict[str, str] = {}
    for part in _split(value, ";"):
        match = re.fullmatch(rf"[ \t]*({_TOKEN})(?:[ \t]*=[ \t]*({_TOKEN}|{_QUOTED}))?[ \t]*", part)
        if not part.strip():
            continue
        if match is None or match[1].lower() in found:
            return None
        found[match[1].lower()] = _unquoted(match[2] or "")
    return found if re.fullmatch(r"[0-9]{1,19}", found.get("max-age", "")) else None


def _split(value: str, mark: str) -> list[str]:
    """The parts of a value between marks that are not in quotes."""
    return re.findall(rf"(?:^|{mark})((?:{_QUOTED}|[^{mark}])*)", value)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
