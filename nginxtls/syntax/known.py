"""What crossplane's tables know of directives: their names, and how many arguments they take."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nginxtls.base.lazy import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_COUNTED = 8
_BLOCK, _FLAG, _ANY, _ONE_OR_MORE, _TWO_OR_MORE = 0x100, 0x200, 0x400, 0x800, 0x1000
_PLACES = {
    0x00040000: "main",
    0x00100000: "mail",
    0x00200000: "mail server",
    0x00400000: "stream",
    0x00800000: "stream server",
    0x01000000: "stream upstream",
    0x02000000: "http",
    0x04000000: "server",
    0x08000000: "location",
    0x10000000: "upstream",
    0x20000000: "if in server",
    0x40000000: "if",
    0x80000000: "limit_except",
}
"""crossplane.analyzer's bits of the places a directive may stand in; ``events`` is left out."""


@cache
def _table() -> dict[str, list[int]]:
    from crossplane.analyzer import DIRECTIVES

    table: dict[str, list[int]] = DIRECTIVES
    return table


_FAMILIES = pattern(
    r"(?:acme|auth|brotli|client|echo|fastcgi|geoip2?|grpc|gzip|headers|http[23]|js|keyval|large_client|limit|log|lua|mail"
    r"|memcached|mgmt|modsecurity|more|naxsi|opentelemetry|opentracing|otel|pagespeed|passenger|perl|proxy|quic|redis2?"
    r"|scgi|secure_link|ssl|sticky|stub_status|sub_filter|upstream|uwsgi|vhost_traffic_status|wasm|zone_sync|zstd)_[a-z0-9_]+\Z"
)
"""Names of the modules that crossplane's tables lack: newer ones and those of others."""


def is_known(name: str) -> bool:
    """Whether crossplane knows a directive of that name."""
    return name in _table()


def is_directive(name: str) -> bool:
    """Whether a name reads like a directive of nginx or of a module."""
    return name in _table() or _FAMILIES.match(name) is not None


def accepts(name: str, count: int) -> bool:
    """Whether a directive takes that many arguments somewhere; True for one that crossplane does not know."""
    styles = _table().get(name)
    if styles is None:
        return True
    return any(
        (count < _COUNTED and style >> count & 1)
        or style & _ANY
        or (style & _FLAG and count == 1)
        or (style & _ONE_OR_MORE and count >= 1)
        or (style & _TWO_OR_MORE and count >= 2)
        for style in styles
    )


@cache
def _places(name: str) -> frozenset[str]:
    styles = _table().get(name, ())
    return frozenset(place for bit, place in _PLACES.items() if any(style & bit for style in styles))


def contexts(names: Iterable[str]) -> set[str]:
    """The places where all of these directives may stand; directives that crossplane does not know say nothing."""
    possible: set[str] | None = None
    for name in set(names):
        places = _places(name)
        if places and name != "include":
            possible = set(places) if possible is None else possible & places
    return possible or set()
