"""What ``crossplane.analyzer`` knows of directives: names, contexts, numbers of arguments."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from nginxtls.base.bounded import bounded
from nginxtls.base.lazy import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAMILIES = pattern(
    r"(?:acme|auth|brotli|client|echo|fastcgi|geoip2?|grpc|gzip|headers|http[23]|js|keyval|large_client|limit|log|lua|mail"
    r"|memcached|mgmt|modsecurity|more|naxsi|opentelemetry|opentracing|otel|pagespeed|passenger|perl|proxy|quic|redis2?"
    r"|scgi|secure_link|ssl|sticky|stub_status|sub_filter|upstream|uwsgi|vhost_traffic_status|wasm|zone_sync|zstd)_[a-z0-9_]+\Z"
)
"""Names of the modules that crossplane's tables lack: newer ones and those of others."""

_COUNTED = 8
"""Of arguments no directive that takes a certain number takes so many (NGX_CONF_MAX_ARGS)."""

_CLOSED = pattern(r"(?:listen|(?:\w+_)?ssl_protocols)\Z")
"""Directives that refuse every word that is not their own."""
_OWN = frozenset({"ssl", "http2", "quic", "proxy_protocol", "default"})
"""Of these words those that are named like a directive: ``listen`` takes them (src/http/ngx_http_core_module.c)."""


@cache
def _table() -> dict[str, list[int]]:
    from crossplane.analyzer import DIRECTIVES

    table: dict[str, list[int]] = DIRECTIVES
    return table


@bounded(4096, 200_000)
def _passes(name: str, count: int, terminator: str, context: tuple[str, ...], in_context: bool, in_count: bool) -> bool:
    """Whether crossplane's analysis finds no fault in a directive with so many arguments, which are flags."""
    from crossplane.analyzer import analyze
    from crossplane.errors import NgxParserDirectiveError

    statement = {"directive": name, "line": 0, "args": ["on"] * count}
    try:
        analyze("", statement, terminator, context, check_ctx=in_context, check_args=in_count)
    except NgxParserDirectiveError:
        return False
    return True


def directive_names() -> frozenset[str]:
    """The names of all directives that crossplane knows."""
    return frozenset(_table())


def is_known(name: str) -> bool:
    """Whether crossplane knows a directive of that name."""
    return name in _table()


def is_directive(name: str) -> bool:
    """Whether a name reads like a directive of nginx or of a module."""
    return name in _table() or _FAMILIES.match(name) is not None


def accepts(name: str, count: int, terminator: str = ";") -> bool:
    """Whether a directive takes that many arguments somewhere; True for one that crossplane does not know."""
    return _passes(name, min(count, _COUNTED), terminator, (), in_context=False, in_count=True)


def takes(name: str, word: str) -> bool | None:
    """Whether a directive takes a word that is a directive's name as an argument; None if that is not known."""
    return word in _OWN if _CLOSED.match(name) else None


@bounded(2048, 200_000)
def _places(name: str) -> frozenset[str]:
    """Where a directive is allowed: ``main``, ``http``, ``server``, ``if in server``, ``mail server`` …"""
    from crossplane.analyzer import CONTEXTS

    if name not in _table():
        return frozenset()
    allowed = (context for context in CONTEXTS if _passes(name, 0, "", context, True, False))
    return frozenset(_place(context) for context in allowed if context != ("events",))


def _place(context: tuple[str, ...]) -> str:
    if context[-2:] == ("server", "if"):
        return "if in server"
    return context[-1] if context[:1] == ("http",) else " ".join(context) or "main"


def contexts(names: Iterable[str]) -> set[str]:
    """The places where all of these directives are allowed; ones that crossplane does not know decide nothing."""
    possible: set[str] | None = None
    for name in set(names):
        places = _places(name)
        if places and name != "include":
            possible = set(places) if possible is None else possible & places
    return possible or set()
