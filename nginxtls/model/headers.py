"""The effective response headers of a block: add_header with its inheritance, by nginx version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nginxtls.model.settings import Header
from nginxtls.syntax.tree import UNKNOWN

if TYPE_CHECKING:
    from nginxtls.model.settings import Scope
    from nginxtls.syntax.tree import Directive

STATUSES = frozenset("200 201 204 206 301 302 303 304 307 308".split())
"""The statuses with which headers without ``always`` are sent (ngx_http_headers_filter)."""


def headers(scope: Scope) -> tuple[Header, ...]:
    """The effective add_header lines of a block, in the order in which nginx sends them.

    A level with any add_header of its own inherits none, unless ``add_header_inherit merge`` (since 1.29.3) adds the
    outer ones after its own; ``off`` inherits none in any case (measured on 1.30.6).
    """
    found = scope.headers
    if found is None:
        found = scope.headers = _headers(scope)
    return found


def _headers(scope: Scope) -> tuple[Header, ...]:
    own = tuple(_header(directive) for directive in scope.all("add_header") if directive.args)
    outer = headers(scope.parent) if scope.parent is not None else ()
    if not outer:
        return own
    mode = scope.setting("add_header_inherit").value if scope.nginx.at_least(1, 29, 3) else "on"
    return own if mode == "off" or (own and mode != "merge") else own + outer


def find(scope: Scope, name: str) -> tuple[Header, ...]:
    """The effective headers of one name (compared without case); those with an empty value are not sent.

    A header with template text in its name may be it; it is not ``known``.
    """
    lower = name.lower()
    return tuple(
        header for header in headers(scope) if header.value and (header.name.lower() == lower or UNKNOWN in header.name)
    )


def lost(scope: Scope, name: str) -> Header | None:
    """The header of an outer level that an add_header of an inner level drops, if there is one."""
    if find(scope, name) or scope.may_have("add_header"):
        return None
    level = scope.parent
    while level is not None:
        found = [header for header in find(level, name) if UNKNOWN not in header.name]
        if found:
            return found[0]
        level = level.parent
    return None


def _header(directive: Directive) -> Header:
    name, value, *rest = (*directive.args, UNKNOWN if UNKNOWN in directive.args[0] else "")
    return Header(name, value, "always" in rest, directive)
